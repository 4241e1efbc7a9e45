"""More than 8 bits a channel: one rule for all images of a set, from stored numbers to 8 bits.

A scale that each file brings itself would tell files apart, and numbers of 10, 12 or 14 bits in files of 16 (X-ray
detectors, microscopes) would come out black. So the range is what data.range declares, or what the set itself spans.
"""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin

from gensynth.data.finding import FileFault
from gensynth.errors import UsageError

Range = tuple[float, float]
SIXTEEN, INTEGER, FLOAT = "16-bit", "32-bit", "float"  # how numbers are stored
DEPTHS = (SIXTEEN, INTEGER, "64-bit", FLOAT)
STATED, EARLIER = "data.range", "as the real rows"
_BITS = (1, 8, 10, 12, 14, 16)  # of detectors and files
_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N")
_PART = 2**24  # numbers that are scaled at once
_SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


@dataclass(frozen=True)
class Extent:
    """What the numbers of one image span, and how they are stored."""

    depth: str
    low: float
    high: float


def depth_of(image: Image.Image) -> str:
    """One of DEPTHS, or nothing for 8 bits and less."""
    if image.mode in _SIXTEEN_BIT_MODES or has_deep_colours(image):
        return SIXTEEN
    return {"I": INTEGER, "F": FLOAT}.get(image.mode, "")


def has_deep_colours(image: Image.Image) -> bool:
    """Whether an opened file holds 16 bits a channel of which Pillow would hand on the upper 8."""
    tiles = getattr(image, "tile", [])
    kinds = [_raw_mode(tile) for tile in tiles]
    deep = all(";16" in kind and "RGBa" not in kind for kind in kinds)  # colours times alpha cannot be joined by bytes
    return image.mode in ("RGB", "RGBA", "LA") and bool(kinds) and deep


def _raw_mode(tile: Any) -> str:
    return str(tile.args if isinstance(tile.args, str) else tile.args[0] if tile.args else "")


@dataclass(frozen=True)
class TiffForm:
    """What the tags of a TIFF file (TIFF 6.0, section 8) say of its numbers and Pillow leaves to who reads them."""

    bits: int = 8
    signed: bool = False
    planar: bool = False
    white_is_zero: bool = False

    @classmethod
    def of(cls, image: Image.Image) -> TiffForm:
        """The form of an opened file; that of 8 bits where it is no TIFF file."""
        tags = getattr(image, "tag_v2", None)
        if tags is None:
            return cls()
        bits, kinds = tags.get(258, (1,)), tags.get(339, (1,))
        return cls(int(max(bits)), 2 in kinds, tags.get(284) == 2, tags.get(262) == 0)

    def check(self, depth: str) -> None:
        """FileFault where Pillow reads other numbers than those stored: wrapped at 128, or their lower bytes."""
        if self.signed and self.bits == 8:
            raise FileFault("unsupported_mode", "TIFF of signed numbers of 8 bits; save them unsigned, or with 16 bits")
        if self.planar and self.bits > 8 and not depth:
            raise FileFault(
                "unsupported_mode", f"TIFF of {self.bits} bits with its channels apart; save it with them side by side"
            )

    def numbers(self, values: np.ndarray) -> np.ndarray:
        """Numbers of more than 8 bits as they are meant: from black to white, and unsigned ones without a sign."""
        if self.white_is_zero and values.dtype.kind == "u":
            return (2**self.bits - 1 - values.astype(np.int64)).astype(np.uint16)
        if self.bits == 32 and not self.signed and values.dtype == np.int32:
            return values.view(np.uint32)
        return values


def numbers_of_tiff(file: Path | io.BytesIO) -> str:
    """What a TIFF file holds that Pillow does not open, in words; empty where its tags do not say, or it is none."""
    try:
        with file.open("rb") if isinstance(file, Path) else nullcontext(file) as content:
            content.seek(0)
            tags = TiffImagePlugin.ImageFileDirectory_v2(content.read(8))
            content.seek(tags.next)
            tags.load(content)
            bits, kinds = tags.get(258, ()), tags.get(339, (1,))
            kind = {1: "whole numbers", 2: "whole numbers", 3: "floats"}.get(max(kinds), "numbers")
            return f"{len(bits)} x {max(bits)}-bit {kind}" if bits else ""
    except Exception:  # damaged tags raise whatever Pillow runs into
        return ""


def key_alpha(values: np.ndarray, key: object) -> np.ndarray | None:
    """uint8 (H, W), 0 where pixels (H, W) or (H, W, 3) have the colour that a PNG's tRNS calls transparent, else 255.

    key  a number or three, of as many bits as the pixels; None without such a colour
    """
    if not isinstance(key, int | tuple):
        return None
    same = values == np.array(key)
    return np.where(same if values.ndim == 2 else same.all(axis=2), 0, 255).astype(np.uint8)


def ask_for_low_bytes(image: Image.Image) -> None:
    """Let an opened file with deep colours be decoded to the lower 8 bits of its channels.

    Grey with alpha comes as four bytes: the upper and lower of grey, then those of alpha.
    """

    def swapped(raw: str) -> str:
        return "RGBA" if raw == "LA;16B" else raw[:-1] + _SWAPPED.get(raw[-1], raw[-1])

    image.tile = [  # type: ignore[attr-defined]
        tile._replace(args=swapped(raw) if isinstance(tile.args, str) else (swapped(raw), *tile.args[1:]))
        for tile in image.tile  # type: ignore[attr-defined]
        if (raw := _raw_mode(tile))
    ]


def joined_bytes(upper: Image.Image, lower: Image.Image, is_grey: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours uint16 (H, W, C), and alpha uint8 (H, W) where there is one, from two decodings of a file."""
    low = np.asarray(lower).astype(np.uint16)
    if is_grey:
        return low[..., :1] * 256 + low[..., 1:2], np.asarray(lower)[..., 2]
    whole = np.asarray(upper).astype(np.uint16) * 256 + low
    return whole[..., :3], np.asarray(upper)[..., 3] if whole.shape[2] == 4 else None


def depth_of_numbers(dtype: np.dtype) -> str | None:
    """One of DEPTHS, nothing for whole numbers from 0 to 255; None for numbers that are no pixels.

    >>> depth_of_numbers(np.dtype(np.uint8)), depth_of_numbers(np.dtype(np.int16)), depth_of_numbers(np.dtype(bool))
    ('', '16-bit', None)
    """
    if dtype == np.uint8:
        return ""
    depth = FLOAT if dtype.kind == "f" else f"{8 * dtype.itemsize}-bit" if dtype.kind in "iu" else ""
    return depth if depth in DEPTHS else None


def extents_of(rows: np.ndarray) -> list[Extent]:
    """What every row of finite numbers (N, ...) spans; none where they have 8 bits."""
    depth, values = depth_of_numbers(rows.dtype), rows.reshape(len(rows), -1)
    if not depth:
        return []
    spans = zip(values.min(axis=1).tolist(), values.max(axis=1).tolist(), strict=True)
    return [Extent(depth, float(low), float(high)) for low, high in spans]


def extent_of(values: np.ndarray, depth: str) -> Extent:
    """What an image spans; FileFault for NaN or infinity."""
    if depth == FLOAT and not np.isfinite(values).all():
        raise FileFault("bad_range", "some pixels are not finite numbers")
    return Extent(depth, float(values.min()), float(values.max()))


@dataclass(frozen=True)
class Declared:
    """{depth: (low, high)} that a person states, or that an earlier set was read by.

    by  who says so, in a note; empty where nobody does
    """

    ranges: Mapping[str, Range] = field(default_factory=dict)
    by: str = ""


NOTHING_DECLARED = Declared()


def declared_ranges(given: Sequence[float] | Mapping[str, Sequence[float]] | None) -> Declared:
    """data.range, [low, high], for every depth, or {depth: [low, high]} as an earlier set was read; None for neither.

    UsageError for anything else.
    """
    if isinstance(given, Mapping):
        return Declared({depth: _checked(pair) for depth, pair in given.items()}, EARLIER if given else "")
    return NOTHING_DECLARED if given is None else Declared(dict.fromkeys(DEPTHS, _checked(given)), STATED)


def _checked(pair: Sequence[float]) -> Range:
    numbers = not isinstance(pair, str) and all(isinstance(n, int | float) and math.isfinite(n) for n in pair)
    if not numbers or len(pair) != 2 or not pair[0] < pair[1]:
        raise UsageError(f"data.range takes two numbers, [low, high], the smaller first, got {pair!r}")
    return float(pair[0]), float(pair[1])


def settle_ranges(extents: Iterable[Extent], declared: Mapping[str, Range]) -> dict[str, Range]:
    """{depth: (low, high)} that becomes 0 to 255, of every depth that occurs."""
    found: dict[str, Range] = {}
    for one in extents:
        low, high = found.get(one.depth, (one.low, one.high))
        found[one.depth] = (min(low, one.low), max(high, one.high))
    return {depth: declared.get(depth) or own_range(depth, *span) for depth, span in found.items()}


def own_range(depth: str, low: float, high: float) -> Range:
    """The range of a set whose numbers go from low to high.

    >>> own_range("16-bit", 3, 3900), own_range("float", 0.1, 0.7), own_range("float", -3.5, 7)
    ((0.0, 4095.0), (0.0, 1.0), (-3.5, 7))
    """
    tops = [1] if depth == FLOAT else [2**bits - 1 for bits in _BITS]
    fitting = [top for top in tops if low >= 0 and high <= top]
    return (0.0, float(fitting[0])) if fitting else (low, high)


def to_8_bit(values: np.ndarray, span: Range) -> np.ndarray:
    """Numbers -> uint8 of the same shape: the range becomes 0 to 255, what lies beyond is clipped.

    >>> to_8_bit(np.array([0, 2047, 4095, 9000]), (0, 4095)).tolist()
    [0, 127, 255, 255]
    """
    low, high = span
    moved = (values.astype(np.float64) - low) * 255 / (high - low if high > low else 1.0)
    return np.clip(np.rint(moved), 0, 255).astype(np.uint8)


def rows_to_8_bit(rows: np.ndarray, ranges: Mapping[str, Range], at_once: int = _PART) -> np.ndarray:
    """Rows (N, ...) of one depth -> uint8, `at_once` numbers at a time; the same array where they have 8 bits."""
    depth = depth_of_numbers(rows.dtype)
    if not depth:
        return rows
    x = np.empty(rows.shape, np.uint8)
    step = max(1, at_once // max(1, rows[0].size))
    for start in range(0, len(rows), step):
        x[start : start + step] = to_8_bit(rows[start : start + step], ranges[depth])
    return x


def depth_notes(extents: Sequence[Extent], images: int, ranges: Mapping[str, Range], declared: Declared) -> list[str]:
    """A sentence for every depth beyond 8 bits: how many, what they span, and what became of it."""
    if not extents and declared.by == STATED:
        return ["data.range has no effect: all images have 8 bits or less"]
    by = {depth: declared.by if depth in declared.ranges else "" for depth in ranges}
    return [
        _depth_note([e for e in extents if e.depth == depth], images, span, by[depth]) for depth, span in ranges.items()
    ]


def _depth_note(mine: Sequence[Extent], images: int, span: Range, by: str) -> str:
    low, high = span
    found = f"{min(e.low for e in mine):g} to {max(e.high for e in mine):g}"
    count = f"{len(mine)} images" if len(mine) == images else f"{len(mine)} of {images} images"
    key = f"({by}) " if by else _bits_of(span)
    beyond = sum(e.low < low or e.high > high for e in mine)
    text = (
        f"{count} hold {mine[0].depth} numbers from {found}: {low:g} to {high:g} {key}becomes 0 to 255 in all of them"
    )
    text += "" if len(mine) == images else ", images of other depths apart from them"
    text += f"; {beyond} of them hold numbers beyond it, which are clipped" if beyond else ""
    return text if by else f"{text}; data.range=[LOW, HIGH] states another range"


def _bits_of(span: Range) -> str:
    bits = {2.0**bits - 1: bits for bits in _BITS if bits > 1}.get(span[1])
    return f"({bits} bits) " if span[0] == 0 and bits else ""
