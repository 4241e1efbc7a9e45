"""A picture that is not simply a file: bytes stored elsewhere, or the part of one inside a box."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gensynth.data.finding import FileFault
from gensynth.data.image import Decoded, decode

_SAME_ASPECT = 0.02


@dataclass(frozen=True)
class Box:
    """Left, top, right and bottom edge, in pixels of a picture of `size` (width, height); (1, 1): in shares of it.

    size  None: in pixels of the file itself
    """

    left: float
    top: float
    right: float
    bottom: float
    size: tuple[float, float] | None = None

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """The part (C, h, w) of a picture (C, H, W) below the box, widened to whole pixels; FileFault without one."""
        across, down = self._scale(pixels.shape[2], pixels.shape[1])
        left, right = _whole(self.left * across, self.right * across, pixels.shape[2])
        top, bottom = _whole(self.top * down, self.bottom * down, pixels.shape[1])
        if left >= right or top >= bottom:
            raise FileFault("bad_box", f"no pixel of the picture lies in the box {self._corners()}")
        return np.ascontiguousarray(pixels[:, top:bottom, left:right])

    def _scale(self, width: int, height: int) -> tuple[float, float]:
        """Pixels of the file a unit of the box; FileFault where the label file speaks of a picture of another shape."""
        if self.size is None:
            return 1.0, 1.0
        across, down = width / self.size[0], height / self.size[1]
        if self.size != (1, 1) and abs(across / down - 1) > _SAME_ASPECT:
            listed = f"{self.size[0]:g}x{self.size[1]:g}"
            raise FileFault("bad_box", f"the label file speaks of a picture of {listed}, the file is {width}x{height}")
        return across, down

    def _corners(self) -> str:
        return f"{self.left:g}, {self.top:g} to {self.right:g}, {self.bottom:g}"


def _whole(low: float, high: float, length: int) -> tuple[int, int]:
    """The whole pixels that an interval touches; rounding errors of shares do not count as a pixel."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0, 0
    return max(0, math.floor(low + 1e-3)), min(length, math.ceil(high - 1e-3))


@dataclass(frozen=True)
class Picture:
    """A file, or what gives its bytes, and the part that is wanted; None: all of it."""

    content: Path | Callable[[], bytes]
    box: Box | None = None

    def opened(self) -> Path | io.BytesIO:
        return self.content if isinstance(self.content, Path) else io.BytesIO(self.content())


def decoded(file: Path | Picture, max_pixels: int) -> Decoded:
    """A file or picture with the numbers that are stored, cut out where a part is wanted; raises FileFault."""
    if isinstance(file, Path):
        return decode(file, max_pixels)
    whole = decode(file.opened(), max_pixels)
    return whole if file.box is None else whole.part(file.box.cut)
