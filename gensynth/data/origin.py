"""Rows that were made, not measured: what the metadata of their file says, and whether they may be trained on."""

from __future__ import annotations

import io
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gensynth.data.containers import PNG_HEAD, jpeg_segments, png_chunks, riff_chunks
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


def marked_origin(file: Path | bytes) -> str:
    """What the XMP of a PNG, JPEG or WAV file says of it: `synthetic` or `augmented`, else `real`."""
    try:
        with io.BytesIO(file) if isinstance(file, bytes) else file.open("rb") as content:
            packet = xmp_of(content)
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
    if head.startswith(PNG_HEAD):
        # An iTXt chunk (PNG specification, 11.3.3.4; XMP specification part 3, 1.1.5).
        for content in _contents(file, png_chunks(file), b"iTXt"):
            if content.startswith(_PNG_XMP):
                return _itxt_text(content[len(_PNG_XMP) :])
    elif head[:4] == b"RIFF":
        # Chunk _PMX (XMP specification part 3, 2.2).
        return next(_contents(file, riff_chunks(file), b"_PMX"), b"")
    elif head.startswith(b"\xff\xd8"):
        for kind, place, size in jpeg_segments(file):
            file.seek(place)
            if kind == 0xE1 and (content := file.read(size)).startswith(_JPEG_XMP):
                return content[len(_JPEG_XMP) :]
    return b""


def _contents(file: BinaryIO, chunks: Iterator[tuple[bytes, int, int]], kind: bytes) -> Iterator[bytes]:
    """What the chunks of one kind hold, of at most _MOST_BYTES."""
    for name, place, size in chunks:
        if name == kind and size <= _MOST_BYTES:
            file.seek(place)
            yield file.read(size)


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
