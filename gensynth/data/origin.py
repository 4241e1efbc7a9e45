"""Rows that were made, not measured: what the metadata of their file says, and whether they may be trained on."""

from __future__ import annotations

import json
import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from gensynth.errors import DataError
from gensynth.types import AUGMENTED, REAL, SYNTHETIC, LabelledData

# Terms of the IPTC's "digital source type" vocabulary for pictures that no camera took.
SYNTHETIC_TYPES = (
    "trainedAlgorithmicMedia",
    "compositeWithTrainedAlgorithmicMedia",
    "algorithmicMedia",
    "compositeSynthetic",
)
_ENHANCED = b"algorithmicallyEnhanced"
_OWN = b"gensynth"
_TERM = re.compile(rb"newscodes/digitalsourcetype/([A-Za-z]+)")
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_PNG_XMP = b"XML:com.adobe.xmp\0"
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_MOST_BYTES = 2**20
_SHOWN = 5


def check_origin(data: LabelledData, allow: bool) -> list[dict[str, str]]:
    """A warning where rows are marked augmented or synthetic and `allow`; DataError where not. None without such rows.

    A generator that learns from what generators made drifts from what was measured (Shumailov et al., "AI models
    collapse when trained on recursively generated data", Nature 2024).
    """
    marked = data.origin != REAL
    if not marked.any():
        return []
    synthetic = int((data.origin == SYNTHETIC).sum())
    kinds = [f"{n} {kind}" for n, kind in ((synthetic, SYNTHETIC), (int(marked.sum()) - synthetic, AUGMENTED)) if n]
    found = f"{int(marked.sum())} of {len(data)} rows are marked as made, not measured ({', '.join(kinds)})"
    if allow:
        return [{"code": "trained_on_made", "text": f"{found}: data.allow_synthetic=true trains on them as well"}]
    shown = data.ids[marked][:_SHOWN].tolist()
    rest = int(marked.sum()) - len(shown)
    raise DataError(
        f"{found}; take them out, or train on them as well with data.allow_synthetic=true",
        [*shown, *([f"... and {rest} more"] if rest else [])],
    )


def marked_origin(path: Path) -> str:
    """What the XMP of a PNG, JPEG or WAV file says of it: `synthetic` or `augmented`, else `real`."""
    try:
        with path.open("rb") as file:
            packet = xmp_of(file)
    except OSError:
        return REAL
    term = _TERM.search(packet)
    if term and term[1].decode() in SYNTHETIC_TYPES:
        return SYNTHETIC
    # Cameras and editors use the term for real pictures as well.
    return AUGMENTED if term and term[1] == _ENHANCED and _OWN in packet else REAL


def marked_table(path: Path) -> str:
    """What the metadata of a Parquet file says of all its rows; `real` for other files and where it says nothing."""
    if path.suffix.lower() != ".parquet":
        return REAL
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    try:
        facts = json.loads((parquet.read_schema(path).metadata or {}).get(_OWN, b"{}"))
        whole = facts.get("source_column") == ""
        trained = str(facts.get("digital_source_type")).endswith("/trainedAlgorithmicData")
    except (arrow.ArrowException, OSError, ValueError, AttributeError):
        return REAL
    return REAL if not whole else SYNTHETIC if trained else AUGMENTED


def xmp_of(file: BinaryIO) -> bytes:
    """The XMP packet of a PNG, JPEG or WAV, empty without one; pixels and sound are passed over."""
    head = file.read(12)
    if head.startswith(_PNG_HEAD):
        file.seek(len(_PNG_HEAD))
        return _png_xmp(file)
    if head[:4] == b"RIFF":
        return _wav_xmp(file)
    if head.startswith(b"\xff\xd8"):
        file.seek(2)
        return _jpeg_xmp(file)
    return b""


def _png_xmp(file: BinaryIO) -> bytes:
    """Text of the iTXt chunk that holds XMP (PNG specification, 11.3.3.4; XMP specification part 3, 1.1.5)."""
    while len(start := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", start)
        if kind == b"iTXt" and size <= _MOST_BYTES:
            content = file.read(size)
            if content.startswith(_PNG_XMP):
                return _itxt_text(content[len(_PNG_XMP) :])
            file.seek(4, 1)
        else:
            file.seek(size + 4, 1)
    return b""


def _itxt_text(content: bytes) -> bytes:
    """What follows the keyword: compression flag and method, language and translated keyword, then the text."""
    flag, rest = content[:1], content[2:].split(b"\0", 2)
    text = rest[2] if len(rest) == 3 else b""
    if flag != b"\1":
        return text
    try:
        return zlib.decompressobj().decompress(text, _MOST_BYTES)
    except zlib.error:
        return b""


def _jpeg_xmp(file: BinaryIO) -> bytes:
    """Payload of the APP1 segment that holds XMP; the search ends where the picture begins."""
    while len(start := file.read(4)) == 4:
        mark, kind, size = struct.unpack(">BBH", start)
        if mark != 0xFF or kind == 0xDA or size < 2:
            return b""
        content = file.read(size - 2)
        if kind == 0xE1 and content.startswith(_JPEG_XMP):
            return content[len(_JPEG_XMP) :]
    return b""


def _wav_xmp(file: BinaryIO) -> bytes:
    """Chunk _PMX of a RIFF file (XMP specification part 3, 2.2); chunks begin at even places."""
    while len(start := file.read(8)) == 8:
        kind, size = struct.unpack("<4sI", start)
        if kind == b"_PMX" and size <= _MOST_BYTES:
            return file.read(size)
        file.seek(size + size % 2, 1)
    return b""
