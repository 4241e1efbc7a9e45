"""Differentiable augmentation of what a discriminator sees.

The same random numbers serve real and fake rows of a pair (Zhao et al., "Differentiable augmentation
for data-efficient GAN training", NeurIPS 2020). Only label-preserving moves: shifts, for colour images
brightness, and a square cut out.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gensynth.models.generator import StepNoise


def augment_pair(real: Tensor, fake: Tensor, shifted: float, cut: Tensor, random: StepNoise) -> tuple[Tensor, Tensor]:
    """Apply one random draw of moves to both (N, C, H, W) batches.

    shifted  probability that a row is shifted, and made lighter or darker if it has colour
    cut      (N,) probability that a square of half the side is filled with 0, the middle grey
    """
    _, channels, height, width = real.shape
    pad = max(1, round(max(height, width) / 8))
    active = random.uniform() < shifted
    offsets = torch.where(active, (random.uniform(2) * (2 * pad + 1)).long().T, pad)
    bright = random.uniform() - 0.5
    bright = torch.where(active, bright, 0.0) if channels == 3 else torch.zeros_like(bright)
    hidden = _square(random.uniform(2), height, width) & (random.uniform() < cut)[:, None, None]
    kept = (~hidden[:, None]).to(real.dtype)
    return tuple(kept * (_shift(x, offsets, pad) + bright[:, None, None, None]) for x in (real, fake))  # type: ignore[return-value]


def _square(centre: Tensor, height: int, width: int) -> Tensor:
    """Which pixels (N, H, W) lie in a square of half the side around centre (N, 2) in [0, 1), cut at the edges."""
    rows = torch.arange(height, device=centre.device) + 0.5
    columns = torch.arange(width, device=centre.device) + 0.5
    near_row = (rows - centre[:, :1] * height).abs() < height / 4
    near_column = (columns - centre[:, 1:] * width).abs() < width / 4
    return near_row[:, :, None] & near_column[:, None, :]


def _shift(x: Tensor, offsets: Tensor, pad: int) -> Tensor:
    """Move each row of (N, C, H, W) by its own whole pixels, edges repeated."""
    count, _, height, width = x.shape
    padded = F.pad(x, (pad, pad, pad, pad), mode="replicate")
    rows = offsets[0][:, None] + torch.arange(height, device=x.device)
    columns = offsets[1][:, None] + torch.arange(width, device=x.device)
    index = torch.arange(count, device=x.device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[index, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)
