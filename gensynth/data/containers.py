"""Image and sound files as their parts: chunks of PNG and RIFF (WAV, WebP), segments of JPEG, nothing decoded."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
HEAD_BYTES = 32
_GIF_HEADS = (b"GIF87a", b"GIF89a")
_IMAGE_HEADS = (PNG_HEAD, b"\xff\xd8\xff", b"II*\0", b"MM\0*", *_GIF_HEADS)
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


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
