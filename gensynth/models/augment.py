"""Differentiable augmentation of what a discriminator sees.

The same random numbers serve real and fake rows of a pair (Zhao et al., "Differentiable augmentation
for data-efficient GAN training", NeurIPS 2020). Only label-preserving moves: shifts, and for colour
images brightness.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gensynth.models.generator import StepNoise


def augment_pair(real: Tensor, fake: Tensor, shifted: float, random: StepNoise) -> tuple[Tensor, Tensor]:
    """Apply one random draw of moves to both (N, C, H, W) batches.

    shifted  probability that a row is shifted, and made lighter or darker if it has colour
    """
    _, channels, height, width = real.shape
    pad = max(1, round(max(height, width) / 8))
    active = random.uniform() < shifted
    offsets = torch.where(active, (random.uniform(2) * (2 * pad + 1)).long().T, pad)
    bright = random.uniform() - 0.5
    bright = torch.where(active, bright, 0.0) if channels == 3 else torch.zeros_like(bright)
    lighter = bright[:, None, None, None]
    return _shift(real, offsets, pad) + lighter, _shift(fake, offsets, pad) + lighter


def _shift(x: Tensor, offsets: Tensor, pad: int) -> Tensor:
    """Move each row of (N, C, H, W) by its own whole pixels, edges repeated."""
    count, _, height, width = x.shape
    padded = F.pad(x, (pad, pad, pad, pad), mode="replicate")
    rows = offsets[0][:, None] + torch.arange(height, device=x.device)
    columns = offsets[1][:, None] + torch.arange(width, device=x.device)
    index = torch.arange(count, device=x.device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[index, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)
