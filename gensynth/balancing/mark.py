"""Marks inside the files of synthetic rows: how they came about (IPTC digital source type) and from which generator.

Images and WAV files carry an XMP packet, Parquet files an entry of their schema metadata. FLAC, CSV and .npz files
carry none: their ledger says the same. Sources: IPTC Photo Metadata Standard 2025.1 (Digital Source Type, AI System
Used, AI System Version Used) and its vocabulary http://cv.iptc.org/newscodes/digitalsourcetype/; XMP specification
part 3, sections 2.2 (RIFF) and 2.6 (PNG); C2PA 2.2, digital source type of data.
"""

from __future__ import annotations

import html
import io
import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from gensynth import __version__
from gensynth.data.origin import xmp_of
from gensynth.types import AUGMENTED, REAL, SYNTHETIC

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SOURCE_TYPES = {SYNTHETIC: IPTC + "trainedAlgorithmicMedia", AUGMENTED: IPTC + "algorithmicallyEnhanced"}
TRAINED_DATA = "http://c2pa.org/digitalsourcetype/trainedAlgorithmicData"
PARQUET_KEY = b"gensynth"
NAMESPACE = "urn:gensynth:1:"
_PACKET = (Path(__file__).parent / "xmp_packet.xml").read_text(encoding="utf-8").rstrip("\n")
_WAV_CHUNK = b"_PMX"
_ATTRIBUTE = re.compile(r'\b([A-Za-z0-9]+:[A-Za-z0-9]+)="([^"]*)"')


@dataclass(frozen=True)
class Mark:
    """What a synthetic row's file says of itself.

    source_type       a term of the IPTC vocabulary
    version           of the gensynth that drew the row
    generator_sha256  of the bundle; empty where no generator took part
    """

    source_type: str
    version: str
    generator_sha256: str


def mark_of(origin: str, generator_sha256: str, version: str = __version__) -> Mark | None:
    """The mark of a row by its origin; None for a real row, whose file says nothing.

    >>> mark_of("augmented", "", "1.0").source_type.rsplit("/", 1)[-1], mark_of("real", "", "1.0")
    ('algorithmicallyEnhanced', None)
    """
    return None if origin == REAL else Mark(SOURCE_TYPES[origin], version, generator_sha256)


def xmp_packet(mark: Mark) -> str:
    """An XMP packet with the mark and nothing else: no time, no place, no name of a machine or a person."""
    facts = {"Iptc4xmpExt:DigitalSourceType": mark.source_type, "xmp:CreatorTool": f"gensynth {mark.version}"}
    if mark.source_type == SOURCE_TYPES[SYNTHETIC]:
        facts |= {"Iptc4xmpExt:AISystemUsed": "gensynth", "Iptc4xmpExt:AISystemVersionUsed": mark.version}
    if mark.generator_sha256:
        facts["gensynth:GeneratorSHA256"] = mark.generator_sha256
    attributes = "".join(f'\n   {name}="{html.escape(value)}"' for name, value in facts.items())
    return _PACKET.format(byte_order_mark="\ufeff", namespace=NAMESPACE, attributes=attributes)


def wav_with_xmp(content: bytes, packet: str) -> bytes:
    """A WAV file with an XMP packet in a chunk behind its sound."""
    text = packet.encode()
    chunk = struct.pack("<4sI", _WAV_CHUNK, len(text)) + text + b"\0" * (len(text) % 2)
    content += b"\0" * (len(content) % 2)
    return content[:4] + struct.pack("<I", len(content) + len(chunk) - 8) + content[8:] + chunk


def read_mark(content: bytes) -> Mark | None:
    """The mark in the bytes of a PNG or WAV file, or None where it has none."""
    packet = xmp_of(io.BytesIO(content)).decode("utf-8", "replace")
    facts = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(packet)}
    if "Iptc4xmpExt:DigitalSourceType" not in facts:
        return None
    return Mark(
        facts["Iptc4xmpExt:DigitalSourceType"],
        facts.get("xmp:CreatorTool", "").removeprefix("gensynth "),
        facts.get("gensynth:GeneratorSHA256", ""),
    )


def parquet_note(generator_sha256: str, source_column: str, licence: str, version: str = __version__) -> bytes:
    """JSON for the schema metadata of a Parquet file with synthetic rows, under the key PARQUET_KEY.

    source_column  column that says of a row whether it is synthetic; empty where every row is
    """
    origin = SYNTHETIC if generator_sha256 else AUGMENTED
    facts = {
        "digital_source_type": TRAINED_DATA if generator_sha256 else SOURCE_TYPES[AUGMENTED],
        "applies_to": f"rows whose {source_column} is {origin}" if source_column else "every row",
        "source_column": source_column,
        "generator_sha256": generator_sha256,
        "gensynth": version,
        "licence": licence,
    }
    return json.dumps(facts, ensure_ascii=False).encode()
