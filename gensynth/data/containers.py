"""Image and sound files as their parts: chunks of PNG and RIFF (WAV, WebP), segments of JPEG, nothing decoded.

`is_plain` tells whether an image file holds its picture and nothing else (no EXIF, GPS, XMP, comments, colour
profiles); such a file may be handed on byte for byte. It knows what is allowed, so a kind of metadata nobody thought
of counts as metadata.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image, TiffImagePlugin

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
HEAD_BYTES = 32
_GIF_HEADS = (b"GIF87a", b"GIF89a")
_IMAGE_HEADS = (PNG_HEAD, b"\xff\xd8\xff", b"II*\0", b"MM\0*", *_GIF_HEADS)
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)
_PNG_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"sRGB", b"gAMA", b"cHRM", b"pHYs", b"sBIT", b"bKGD"}
_WEBP_CHUNKS = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH"}
_TIFF_TAGS = {254, *range(256, 260), 262, 266, 273, 274, *range(277, 285), 296, 317, 320, *range(322, 326), 338, 339}
_ORIENTATION = 274


def content_kind(head: bytes) -> str:
    """image or audio by the first HEAD_BYTES of a file: PNG, JPEG, TIFF, GIF, WebP, BMP, WAV, FLAC; else empty.

    >>> content_kind(b"fLaC...."), content_kind(b"RIFF....WEBPVP8 "), content_kind(b"%!PS-Adobe-3.0")
    ('audio', 'image', '')
    """
    if head.startswith(_IMAGE_HEADS) or head[8:12] == b"WEBP":
        return "image"
    if head.startswith(b"BM") and len(head) >= 18 and struct.unpack_from("<I", head, 14)[0] in _BMP_HEADERS:
        return "image"
    return "audio" if head.startswith(b"fLaC") or (head[:4] == b"RIFF" and head[8:12] == b"WAVE") else ""


def png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """(kind, where its content begins, size) of every chunk of a PNG file."""
    place = len(PNG_HEAD)
    while len(start := _read(file, place, 8)) == 8:
        size, kind = struct.unpack(">I4s", start)
        yield kind, place + 8, size
        place += 12 + size


def riff_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """The same of a RIFF file, whose chunks begin at even places."""
    place = 12
    while len(start := _read(file, place, 8)) == 8:
        kind, size = struct.unpack("<4sI", start)
        yield kind, place + 8, size
        place += 8 + size + size % 2


def jpeg_segments(file: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """(marker, where its content begins, size) of the segments of a JPEG file, up to the first scan and with it."""
    place, marker = 2, 0
    while marker != 0xDA and len(start := _read(file, place, 4)) == 4:
        mark, marker, size = struct.unpack(">BBH", start)
        if mark != 0xFF or size < 2:
            return
        yield marker, place + 4, size - 2
        place += 2 + size


def _read(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)


def is_plain(path: Path) -> bool:
    """True when the file is PNG, JPEG, BMP, WEBP or TIFF without metadata or trailing bytes."""
    content = path.read_bytes()
    if content.startswith(PNG_HEAD):
        return _plain_png(content)
    if content.startswith(b"\xff\xd8"):
        return _plain_jpeg(content)
    if content.startswith(b"BM"):
        return _plain_bmp(content)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return _plain_webp(content)
    if content[:4] in (b"II*\0", b"MM\0*"):
        return _plain_tiff(content)
    return False


def _plain_png(content: bytes) -> bool:
    chunks = list(png_chunks(io.BytesIO(content)))
    ends = [place + size + 4 for kind, place, size in chunks if kind == b"IEND"]
    return {kind for kind, _, _ in chunks} <= _PNG_CHUNKS and ends == [len(content)]


def _plain_jpeg(content: bytes) -> bool:
    """Walks marker segments and skips entropy-coded data, where 0xFF is always followed by 0 or a restart marker."""
    place = 2
    while place + 2 <= len(content):
        if content[place] != 0xFF:
            return False
        marker = content[place + 1]
        if marker == 0xD9:
            return place + 2 == len(content)
        if place + 4 > len(content) or not _plain_segment(marker, content, place):
            return False
        place += 2 + struct.unpack_from(">H", content, place + 2)[0]
        if marker == 0xDA:
            place = _end_of_scan(content, place)
    return False


def _plain_segment(marker: int, content: bytes, place: int) -> bool:
    """Tables, frames and scans; of the application segments only JFIF without thumbnail and Adobe's colour flag."""
    size = struct.unpack_from(">H", content, place + 2)[0]
    if marker == 0xE0:
        return content[place + 4 : place + 9] == b"JFIF\0" and size == 16
    if marker == 0xEE:
        return content[place + 4 : place + 9] == b"Adobe" and size == 14
    return 0xC0 <= marker <= 0xCF or marker in (0xDA, 0xDB, 0xDD)


def _end_of_scan(content: bytes, place: int) -> int:
    while True:
        place = content.find(b"\xff", place)
        if place < 0 or place + 1 >= len(content):
            return len(content)
        if content[place + 1] != 0 and not 0xD0 <= content[place + 1] <= 0xD7:
            return place
        place += 2


def _plain_bmp(content: bytes) -> bool:
    """Version 5 of the header (124 bytes) may carry a colour profile, so it is not plain."""
    if len(content) < 18:
        return False
    size, header = struct.unpack_from("<I", content, 2)[0], struct.unpack_from("<I", content, 14)[0]
    return size == len(content) and header in (12, 40, 52, 56, 108)


def _plain_webp(content: bytes) -> bool:
    chunks = list(riff_chunks(io.BytesIO(content)))
    end = max((place + size + size % 2 for _, place, size in chunks), default=12)
    announced = struct.unpack_from("<I", content, 4)[0] + 8
    return {kind for kind, _, _ in chunks} <= _WEBP_CHUNKS and announced == end == len(content)


def _plain_tiff(content: bytes) -> bool:
    with Image.open(io.BytesIO(content), formats=("TIFF",)) as image:
        if not isinstance(image, TiffImagePlugin.TiffImageFile):
            return False
        return set(image.tag_v2) <= _TIFF_TAGS and image.tag_v2.get(_ORIENTATION, 1) == 1
