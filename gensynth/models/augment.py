"""Differentiable augmentation of what a discriminator sees.

The same random numbers serve real and fake rows of a pair (Zhao et al., "Differentiable augmentation
for data-efficient GAN training", NeurIPS 2020). Only label-preserving moves: shifts and, for colour
images, brightness. A row is augmented with probability p, which ramps up over training.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def augment_pair(real: Tensor, fake: Tensor, p: float, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Apply one random draw of shifts and brightness to both (N, C, H, W) batches."""
    count, channels, height, width = real.shape
    pad = max(1, round(max(height, width) / 8))
    active = torch.rand(count, generator=random, device=real.device) < p
    offsets = torch.randint(0, 2 * pad + 1, (2, count), generator=random, device=real.device)
    offsets = torch.where(active, offsets, pad)
    bright = torch.rand(count, generator=random, device=real.device) - 0.5
    bright = torch.where(active, bright, 0.0) if channels == 3 else torch.zeros_like(bright)
    return tuple(_shift(x, offsets, pad) + bright[:, None, None, None] for x in (real, fake))  # type: ignore[return-value]


def _shift(x: Tensor, offsets: Tensor, pad: int) -> Tensor:
    """Move each row of (N, C, H, W) by its own whole pixels, edges repeated."""
    count, _, height, width = x.shape
    padded = F.pad(x, (pad, pad, pad, pad), mode="replicate")
    rows = offsets[0][:, None] + torch.arange(height, device=x.device)
    columns = offsets[1][:, None] + torch.arange(width, device=x.device)
    index = torch.arange(count, device=x.device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[index, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)
