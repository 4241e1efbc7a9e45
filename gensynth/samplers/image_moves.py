"""Where things are in an image: moves as matrices, one a row, so that several become one and pixels are read once."""

from __future__ import annotations

import numpy as np
import torch
from kornia.geometry.transform import get_perspective_transform, warp_affine, warp_perspective
from torch import Tensor

from gensynth import rng

Size = tuple[int, int]  # height, width


def identity(count: int) -> Tensor:
    return torch.eye(3).repeat(count, 1, 1)


def _centred(
    values: Tensor,
    size: Size,
    xx: Tensor | float = 1.0,
    xy: Tensor | float = 0.0,
    yx: Tensor | float = 0.0,
    yy: Tensor | float = 1.0,
) -> Tensor:
    """Matrices (N, 3, 3) around the middle of the image: x becomes xx x + xy y, and y becomes yx x + yy y."""
    out, there = identity(len(values)), identity(len(values))
    out[:, 0, 0], out[:, 0, 1], out[:, 1, 0], out[:, 1, 1] = xx, xy, yx, yy
    there[:, 0, 2], there[:, 1, 2] = (size[1] - 1) / 2, (size[0] - 1) / 2
    back = there.clone()
    back[:, :2, 2] *= -1
    return there @ out @ back


def rotate(values: Tensor, seeds: np.ndarray, size: Size) -> Tensor:
    """Turn by degrees, anticlockwise."""
    angle = torch.deg2rad(values)
    return _centred(values, size, angle.cos(), angle.sin(), -angle.sin(), angle.cos())


def resize(values: Tensor, seeds: np.ndarray, size: Size) -> Tensor:
    """Larger or smaller by a share of the size, around the middle."""
    return _centred(values, size, xx=1 + values, yy=1 + values)


def shear_x(values: Tensor, seeds: np.ndarray, size: Size) -> Tensor:
    """Rows pushed sideways, by that part of their distance to the middle."""
    return _centred(values, size, xy=values)


def shear_y(values: Tensor, seeds: np.ndarray, size: Size) -> Tensor:
    """Columns pushed up or down, by that part of their distance to the middle."""
    return _centred(values, size, yx=values)


def flip_horizontal(values: Tensor, seeds: np.ndarray, size: Size) -> Tensor:
    """Left and right exchanged."""
    return _centred(values, size, xx=-1.0)


def flip_vertical(values: Tensor, seeds: np.ndarray, size: Size) -> Tensor:
    """Top and bottom exchanged."""
    return _centred(values, size, yy=-1.0)


def shift_x(values: Tensor, seeds: np.ndarray, size: Size) -> Tensor:
    """Right by a share of the width."""
    out = identity(len(values))
    out[:, 0, 2] = values * size[1]
    return out


def shift_y(values: Tensor, seeds: np.ndarray, size: Size) -> Tensor:
    """Down by a share of the height."""
    out = identity(len(values))
    out[:, 1, 2] = values * size[0]
    return out


def crop(values: Tensor, seeds: np.ndarray, size: Size) -> Tensor:
    """A part of the image, smaller by that share of each side, at a random place, drawn out to the full size."""
    place = torch.from_numpy(rng.uniform(seeds, 2, "crop")).float()
    kept = 1 - values
    out = identity(len(values))
    out[:, 0, 0] = out[:, 1, 1] = 1 / kept
    for axis, side in ((0, size[1]), (1, size[0])):
        out[:, axis, 2] = -place[:, axis] * values * (side - 1) / kept
    return out


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
    end = start + inwards * draw * values[:, None, None] / 2
    matrices = get_perspective_transform(end, start)
    return warp_perspective(x, matrices, (height, width), padding_mode="border", align_corners=True)
