"""Classical image augmentation: small rotation, scale and shift of a real row of the class.

kornia's functional warp with one matrix a row, so a row is the same in any batch. Flips and colour
are left out unless asked for: they change the meaning of digits, text and left or right organs.
"""

from __future__ import annotations

import json

import numpy as np
import torch
from kornia.geometry.transform import get_affine_matrix2d, warp_affine

from gensynth import rng
from gensynth.samplers.transform import Transform

CHUNK = 1024


class ImageTransforms(Transform):
    """Affine moves drawn uniformly a row.

    rotate_degrees  largest turn either way; scale: largest relative change of size
    shift           largest move as part of the side; flip: mirror left-right with probability 1/2
    """

    name = "image_transforms"
    modalities = ("image",)

    def __init__(self, rotate_degrees: float, scale: float, shift: float, flip: bool) -> None:
        self.rotate_degrees, self.scale, self.shift, self.flip = rotate_degrees, scale, shift, flip
        self.label_policy = "at_risk" if flip else "preserve"

    def change(self, x: np.ndarray, labels: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        draw = 2 * rng.uniform(seeds, 5, "transform") - 1
        values = np.round(draw * [self.rotate_degrees, self.scale, self.shift, self.shift, 1.0], 6)
        moved = np.empty_like(x)
        for low in range(0, len(x), CHUNK):
            part = slice(low, low + CHUNK)
            moved[part] = self._warp(x[part], values[part])
        names = ("rotate_degrees", "scale", "shift_x", "shift_y", "flip")
        cells = ([*row, bool(self.flip) and mirror > 0] for *row, mirror in values.tolist())
        return moved, np.array([json.dumps(dict(zip(names, row, strict=True))) for row in cells], dtype=str)

    def _warp(self, x: np.ndarray, values: np.ndarray) -> np.ndarray:
        """x uint8 (N, C, H, W), values (N, 5) -> uint8 (N, C, H, W)."""
        height, width = x.shape[2:]
        v = torch.from_numpy(values).float()
        centre = torch.tensor([[(width - 1) / 2, (height - 1) / 2]]).expand(len(x), 2)
        shift = v[:, 2:4] * torch.tensor([width, height])
        scale = (1 + v[:, 1:2]).expand(len(x), 2)
        matrix = get_affine_matrix2d(shift, centre, scale, v[:, 0])[:, :2]
        pixels = torch.from_numpy(np.ascontiguousarray(x)).float()
        out = warp_affine(pixels, matrix, (height, width), padding_mode="border", align_corners=True)
        if self.flip:
            out = torch.where((v[:, 4] > 0)[:, None, None, None], out.flip(3), out)
        return out.round().clamp(0, 255).to(torch.uint8).numpy()
