"""The head of a WAV or FLAC file, before a decoder sees it: is all of its sound there, and is there nothing else.

Programs that write to a pipe cannot go back to the header: they leave the length of the sound at 0xFFFFFFFF (ffmpeg),
0x7FFFF000 (SoX), 0x80000000 (arecord) or 0. Such files are read to their end. RF64 (EBU Tech 3306) is WAV with lengths
of 64 bits, in a chunk ds64. Some programs put an ID3 tag (id3.org, version 2) before a FLAC file; it is passed over.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from gensynth.data.containers import riff_chunks
from gensynth.data.finding import FileFault

OPEN_LENGTH = 0x7FFF0000  # this and more, in a file that is shorter, is what a pipe leaves in the header
_OPEN_LENGTHS_64 = (0, 2**64 - 1)
_PLAIN_FORMAT_BYTES = 16
_MOST_CHUNKS = 1000
_HAS_FOOTER = 0x10
_NUMBERS = (1, 3, 0xFFFE)  # formats whose samples are numbers of equal size


@dataclass(frozen=True)
class Container:
    """What the head of a file says.

    bare     a WAV file with nothing but its sound in it: no tags, no comments, no trailing bytes
    piped    its header leaves the length open
    zero_at  place of a length of 0 that stands for an open one, which no decoder fills in; 0 for other files
    begins   bytes of tags before it
    """

    bare: bool = False
    piped: bool = False
    zero_at: int = 0
    begins: int = 0

    def content(self, path: Path) -> io.BytesIO | None:
        """The file without the tags before it, its true length in the place of the 0; None where it is so already."""
        if not self.zero_at and not self.begins:
            return None
        raw = bytearray(path.read_bytes())
        if self.zero_at:
            raw[self.zero_at : self.zero_at + 4] = struct.pack("<I", len(raw) - self.zero_at - 4)
        return io.BytesIO(bytes(raw[self.begins :]))


def check_container(path: Path) -> Container:
    """The head of a sound file; FileFault unless it is a WAV with all the sound that it announces, or a FLAC file."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
            if head[:4] == b"fLaC":
                return Container()
            if head[:3] == b"ID3" and (begins := _flac_behind_tags(file)):
                return Container(begins=begins)
            if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
                raise FileFault("not_audio", "the content is neither WAV nor FLAC")
            return _check_chunks(file, path.stat().st_size, struct.unpack_from("<I", head, 4)[0])
    except OSError as error:
        raise FileFault("unreadable", str(error.strerror).lower()) from None


def _flac_behind_tags(file: io.BufferedReader) -> int:
    """Where a FLAC file begins behind ID3 tags, whose sizes have 7 bits a byte; 0 where something else does."""
    place = 0
    for _ in range(_MOST_CHUNKS):
        file.seek(place)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3":
            return place if head[:4] == b"fLaC" else 0
        place += 10 + sum(byte % 128 << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        place += 10 if head[5] & _HAS_FOOTER else 0
    return 0


def _check_chunks(file: io.BufferedReader, size: int, announced: int) -> Container:
    """The chunks of a WAV file of `size` bytes, whose header announces 8 less; FileFault where sound is missing."""
    chunks: list[tuple[bytes, int]] = []
    long_size = None
    for name, place, length in islice(riff_chunks(file), _MOST_CHUNKS):
        if name == b"ds64":
            long_size = _long_size(file, place)
        chunks.append((name, length))
        if name == b"fmt ":
            _check_blocks(file, place)
        if name == b"data":
            return _sound(chunks, place, length if long_size is None else long_size, size, announced)
    raise FileFault("truncated", "the header ends before the sound begins")


def _check_blocks(file: io.BufferedReader, place: int) -> None:
    """FileFault where samples are spaced wider than their bits need: libsndfile would read them as one noise."""
    file.seek(place)
    content = file.read(_PLAIN_FORMAT_BYTES)
    if len(content) < _PLAIN_FORMAT_BYTES:
        return
    kind, channels, _, _, block, bits = struct.unpack("<HHIIHH", content)
    if kind in _NUMBERS and channels and bits and block != channels * -(-bits // 8):
        detail = f"{channels} x {bits} bits in blocks of {block} bytes; save it with samples side by side"
        raise FileFault("unsupported_encoding", detail)


def _long_size(file: io.BufferedReader, place: int) -> int:
    """Bytes of sound as the chunk ds64 has them; those that are left open as the 32 bits have it."""
    file.seek(place + 8)
    content = file.read(8)
    found = struct.unpack("<Q", content)[0] if len(content) == 8 else 0
    return 0xFFFFFFFF if found in _OPEN_LENGTHS_64 else found


def _sound(chunks: list[tuple[bytes, int]], place: int, length: int, size: int, announced: int) -> Container:
    missing = place + length - size
    if length == 0 and missing < 0 and announced + 8 != size:
        return Container(piped=True, zero_at=place - 4)
    if missing > 0 and length >= OPEN_LENGTH:
        return Container(piped=True)
    if missing > 0:
        raise FileFault("truncated", f"{length - missing} of {length} announced bytes are there")
    bare = missing == 0 and chunks == [(b"fmt ", _PLAIN_FORMAT_BYTES), (b"data", length)]
    return Container(bare)
