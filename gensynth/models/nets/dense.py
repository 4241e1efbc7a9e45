"""Small dense bodies for images, sized from (C, H, W) and one `width`: few weights, every row's gradient cheap.

That is what private training asks for: its noise grows with the number of weights, and it needs the gradient of each
row. There is no discriminator here, and nothing takes a statistic over a batch.

Legend: N rows, C channels, H W sides, P = C H W pixels, D latent size, E class embedding size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gensynth.models import nets
from gensynth.types import Space

LATENT = 16


class Encoder(nn.Module):
    """Image (N, C, H, W) and class embedding (N, E) -> mean and log-variance, each (N, D)."""

    def __init__(self, pixels: int, width: int, embedding: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(pixels + embedding, width), nn.SiLU(), nn.Linear(width, 2 * LATENT))

    def forward(self, x: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.body(torch.cat([x.flatten(1), e], dim=1)).chunk(2, dim=1)
        return mean, log_variance.clamp(-8, 4)


class Decoder(nets.GaussianDecoder):
    """Latent (N, D) and class embedding (N, E) -> image (N, C, H, W), unbounded around [-1, 1]."""

    def __init__(self, shape: tuple[int, ...], width: int, embedding: int) -> None:
        super().__init__()
        self.shape = shape
        self.body = nn.Sequential(nn.Linear(LATENT + embedding, width), nn.SiLU(), nn.Linear(width, math.prod(shape)))

    def forward(self, z: Tensor, e: Tensor) -> Tensor:
        return self.body(torch.cat([z, e], dim=1)).unflatten(1, self.shape)


class Autoencoder(nets.Autoencoder):
    """Class embedding, encoder and decoder of images; latents (N, D)."""

    latent = LATENT
    block = 1024

    def __init__(self, space: Space, width: int, embedding: int = 16) -> None:
        super().__init__()
        self.embed = nn.Embedding(space.num_classes, embedding)
        self.encoder = Encoder(math.prod(space.shape), width, embedding)
        self.decoder = Decoder(space.shape, width, embedding)

    def nll(self, x: Tensor, z: Tensor, labels: Tensor) -> Tensor:
        return self.decoder.row_nll(z, self.embed(labels), x).mean()
