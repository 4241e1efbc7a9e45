"""Where things are in an image: moves as matrices, one a row, so that several become one and pixels are read once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from kornia.geometry.transform import get_perspective_transform, warp_affine, warp_perspective
from torch import Tensor

from gensynth import rng

Size = tuple[int, int]  # height, width
Entry = Tensor | float
Move = Callable[[Tensor, np.ndarray, Size], Tensor]  # (values (N,), seeds (N,), (H, W)) -> matrices (N, 3, 3)


def identity(count: int) -> Tensor:
    return torch.eye(3).repeat(count, 1, 1)


def _around_middle(entries: Callable[[Tensor], tuple[Entry, Entry, Entry, Entry]]) -> Move:
    """A move by matrices of entries(values) = (xx, xy, yx, yy): x becomes xx x + xy y, and y becomes yx x + yy y."""

    def move(values: Tensor, seeds: np.ndarray, size: Size) -> Tensor:
        out, there = identity(len(values)), identity(len(values))
        out[:, 0, 0], out[:, 0, 1], out[:, 1, 0], out[:, 1, 1] = entries(values)
        there[:, 0, 2], there[:, 1, 2] = (size[1] - 1) / 2, (size[0] - 1) / 2
        back = there.clone()
        back[:, :2, 2] *= -1
        return there @ out @ back

    return move


def _along(axis: int) -> Move:
    """A move right (axis 0) or down (axis 1), by a share of the width or height."""

    def move(values: Tensor, seeds: np.ndarray, size: Size) -> Tensor:
        out = identity(len(values))
        out[:, axis, 2] = values * size[1 - axis]
        return out

    return move


def _turn(values: Tensor) -> tuple[Entry, Entry, Entry, Entry]:
    angle = torch.deg2rad(values)
    return angle.cos(), angle.sin(), -angle.sin(), angle.cos()


def crop(values: Tensor, seeds: np.ndarray, size: Size) -> Tensor:
    """A part of the image, smaller by that share of each side, at a random place, drawn out to the full size."""
    place = torch.from_numpy(rng.uniform(seeds, 2, "crop")).float()
    kept = 1 - values
    out = identity(len(values))
    out[:, 0, 0] = out[:, 1, 1] = 1 / kept
    for axis, side in ((0, size[1]), (1, size[0])):
        out[:, axis, 2] = -place[:, axis] * values * (side - 1) / kept
    return out


MOVES: dict[str, Move] = {
    "rotate": _around_middle(_turn),  # by degrees, anticlockwise
    "resize": _around_middle(lambda v: (1 + v, 0, 0, 1 + v)),  # larger or smaller by a share of the size
    "shift_x": _along(0),
    "shift_y": _along(1),
    "shear_x": _around_middle(lambda v: (1, v, 0, 1)),  # rows pushed sideways, by that part of their distance to it
    "shear_y": _around_middle(lambda v: (1, 0, v, 1)),  # columns pushed up or down
    "crop": crop,
    "flip_horizontal": _around_middle(lambda v: (-1, 0, 0, 1)),  # left and right exchanged
    "flip_vertical": _around_middle(lambda v: (1, 0, 0, -1)),
}


def warped(x: Tensor, matrices: Tensor) -> Tensor:
    """Pixels (N, C, H, W) moved by matrices (N, 3, 3) from old to new places; the border goes on outwards."""
    height, width = x.shape[2:]
    return warp_affine(x, matrices[:, :2], (height, width), padding_mode="border", align_corners=True)


def perspective(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """A quadrangle whose corners lie inside by up to half that share of the sides, drawn out to the full image."""
    height, width = x.shape[2:]
    corners = torch.tensor([[0.0, 0.0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]])
    inwards = torch.tensor([[1.0, 1.0], [-1, 1], [-1, -1], [1, -1]]) * torch.tensor([width, height])
    draw = torch.from_numpy(rng.uniform(seeds, 8, "perspective")).float().view(-1, 4, 2)
    start = corners.expand(len(x), 4, 2)
    end = start + inwards * draw * values.view(-1, 1, 1) / 2
    matrices = get_perspective_transform(end, start)
    return warp_perspective(x, matrices, (height, width), padding_mode="border", align_corners=True)
