"""Convolutional bodies for images, all sized from (C, H, W), one `width` and a few words of the model's `body`.

On a CPU no network runs at full resolution above 16 pixels: a pixel-unshuffle stem folds s x s pixels into
channels, the body halves the folded side until it is at most 8, and a pixel-shuffle head unfolds them again.
`fold: 1` works at full resolution, as a GPU can afford. Sides that do not divide are padded inside and cropped on
the way out. No normalisation layers, so a row never depends on its batch mates. Everything between folding and
unfolding is laid out channels last, in which convolutions are up to four times as fast.

Legend: N rows, C channels, H W sides, D latent size, E class embedding size, h w coarse sides.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gensynth.models import nets
from gensynth.models.all_reduce import mean_over_processes
from gensynth.models.generator import StepNoise
from gensynth.types import Space

COARSE = 8  # sides are halved until they are at most this
WIDEST = 8  # times `width`: channels stop growing there


def stem_factor(height: int, width: int) -> int:
    """Side of the pixel block folded into channels: 1 up to 16 px, 2 up to 32, 4 up to 64, ..."""
    return 2 ** max(0, math.ceil(math.log2(max(height, width) / 16)))


def latent_size(height: int, width: int) -> int:
    """Latent numbers per row: 16 up to 16 px, 32 up to 32, 64 above."""
    longest = max(height, width)
    return 16 if longest <= 16 else 32 if longest <= 32 else 64


class Folding:
    """Pad and pixel-unshuffle (fold), pixel-shuffle and crop (unfold) for one image shape.

    The folded side is halved until it is at most COARSE, and at least `least` times.
    """

    def __init__(self, shape: tuple[int, ...], factor: int, least: int) -> None:
        self.channels, self.height, self.width = shape
        self.factor = factor
        self.levels = max(least, math.ceil(math.log2(max(shape[1:]) / factor / COARSE)))
        step = factor * 2**self.levels
        self.padded = (-(-self.height // step) * step, -(-self.width // step) * step)
        self.coarse = (self.padded[0] // step, self.padded[1] // step)
        self.folded_channels = self.channels * factor**2

    def sizes(self, width: int) -> list[int]:
        """Channels after 0, 1, ... halvings: doubled each time, up to WIDEST times `width`."""
        return [width * min(2**level, WIDEST) for level in range(self.levels + 1)]

    def fold(self, x: Tensor) -> Tensor:
        bottom, right = self.padded[0] - self.height, self.padded[1] - self.width
        if bottom or right:
            x = F.pad(x, (0, right, 0, bottom), mode="replicate")
        return channels_last(F.pixel_unshuffle(x, self.factor))

    def unfold(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(x, self.factor)[..., : self.height, : self.width]


def channels_last(x: Tensor) -> Tensor:
    """The same (N, C, H, W) laid out channels last; convolutions keep that layout."""
    return x.contiguous(memory_format=torch.channels_last)


class ResidualBlock(nn.Module):
    """x + conv(act(conv(act(x * (1 + scale(e)) + shift(e))))), last convolution and FiLM start at zero."""

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.film = nn.Linear(embedding, 2 * channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.last = nn.Conv2d(channels, channels, 3, padding=1)
        for parameter in (*self.film.parameters(), *self.last.parameters()):
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        scale, shift = self.film(e)[:, :, None, None].chunk(2, dim=1)
        h = F.leaky_relu(x * (1 + scale) + shift, 0.2)
        return x + self.last(F.leaky_relu(self.first(h), 0.2))


class Blocks(nn.ModuleList):
    """Residual blocks one after the other at one resolution."""

    def __init__(self, count: int, channels: int, embedding: int) -> None:
        super().__init__([ResidualBlock(channels, embedding) for _ in range(count)])

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        for block in self:
            x = block(x, e)
        return x


class Encoder(nn.Module):
    """Image (N, C, H, W) and class embedding (N, E) -> mean and log-variance, each (N, D)."""

    def __init__(
        self, shape: tuple[int, ...], width: int, latent: int, embedding: int, *, fold: int, blocks: int
    ) -> None:
        super().__init__()
        self.folding = Folding(shape, fold, least=1)
        sizes = self.folding.sizes(width)
        self.stem = nn.Conv2d(self.folding.folded_channels, width, 3, padding=1)
        self.downs = nn.ModuleList([nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(sizes)])
        self.blocks = nn.ModuleList([Blocks(blocks, size, embedding) for size in sizes[1:]])
        h, w = self.folding.coarse
        self.head = nn.Linear(sizes[-1] * h * w + embedding, 2 * latent)

    def forward(self, x: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
        h = F.leaky_relu(self.stem(self.folding.fold(x)), 0.2)
        for down, blocks in zip(self.downs, self.blocks, strict=True):
            h = blocks(down(h), e)
        h = F.leaky_relu(h, 0.2).flatten(1)
        mean, log_variance = self.head(torch.cat([h, e], dim=1)).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-8, 4)


class Decoder(nets.GaussianDecoder):
    """Latent (N, D) and class embedding (N, E) -> image (N, C, H, W), unbounded around [-1, 1].

    `noise` (N, 0) is what other decoders draw with; an image is drawn from its latent alone.
    """

    def __init__(
        self, shape: tuple[int, ...], width: int, latent: int, embedding: int, *, fold: int, blocks: int
    ) -> None:
        super().__init__()
        self.folding = Folding(shape, fold, least=1)
        sizes = self.folding.sizes(width)[::-1]
        h, w = self.folding.coarse
        self.start = nn.Linear(latent + embedding, sizes[0] * h * w)
        self.ups = nn.ModuleList([nn.Conv2d(a, 4 * b, 1) for a, b in pairwise(sizes)])
        self.blocks = nn.ModuleList([Blocks(blocks, size, embedding) for size in sizes])
        self.head = nn.Conv2d(width, self.folding.folded_channels, 3, padding=1)

    def forward(self, z: Tensor, e: Tensor, noise: Tensor | None = None) -> Tensor:
        start = self.start(torch.cat([z, e], dim=1))
        h = self.blocks[0](channels_last(start.unflatten(1, (-1, *self.folding.coarse))), e)
        for up, blocks in zip(self.ups, self.blocks[1:], strict=True):
            h = blocks(channels_last(F.pixel_shuffle(up(h), 2)), e)
        return self.folding.unfold(self.head(F.leaky_relu(h, 0.2))).float()


class Autoencoder(nets.Autoencoder):
    """Class embedding, encoder and decoder of images; latents (N, D).

    fold    side of the pixel block folded into channels; 0: as a CPU needs it
    blocks  residual blocks a resolution
    """

    block = 256

    def __init__(self, space: Space, width: int, *, fold: int, blocks: int, embedding: int = 32) -> None:
        super().__init__()
        fold = fold or stem_factor(*space.shape[1:])
        self.latent = latent_size(*space.shape[1:])
        self.embed = nn.Embedding(space.num_classes, embedding)
        self.encoder = Encoder(space.shape, width, self.latent, embedding, fold=fold, blocks=blocks)
        self.decoder = Decoder(space.shape, width, self.latent, embedding, fold=fold, blocks=blocks)

    def nll(self, x: Tensor, z: Tensor, labels: Tensor) -> Tensor:
        """Negative log-likelihood a row, nats, averaged over rows (N, C, H, W)."""
        return gaussian_nll(x, self.decode(z, labels))


def gaussian_nll(x: Tensor, mean: Tensor) -> Tensor:
    """Negative log-likelihood a row under the optimal shared sigma, scalar (mean over rows, sum over pixels).

    Rybkin et al., "Simple and effective VAE training with calibrated decoders", ICML 2021, section 4.3: the variance is
    the batch's own mean squared error. Log sigma is kept above -6.
    """
    squared = (x - mean).square()
    variance = mean_over_processes(squared.mean()).clamp_min(nets.LEAST_VARIANCE)
    pixels = x[0].numel()
    return squared.sum() / len(x) / (2 * variance) + 0.5 * pixels * (variance.log() + math.log(2 * math.pi))


class Discriminator(nets.Discriminator):
    """Image (N, C, H, W) and labels (N,) -> logit (N,), by projection with an unconditional term.

    Miyato & Koyama, "cGANs with projection discriminator" (ICLR 2018), eq. 3; the body follows the
    normalisation-free residual design of Huang et al., "The GAN is dead; long live the GAN!"
    (NeurIPS 2024), with dense 3x3 convolutions. It halves the folded side until it is at most 8.

    fold  side of the pixel block folded into channels; 0: twice what a CPU's generator folds
    """

    def __init__(self, space: Space, width: int, depth: int, *, fold: int, features: int = 128) -> None:
        super().__init__()
        self.folding = Folding(space.shape, fold or 2 * stem_factor(*space.shape[1:]), least=0)
        sizes = self.folding.sizes(width)
        self.stem = nn.Conv2d(self.folding.folded_channels, width, 3, padding=1)
        self.downs = nn.ModuleList([nn.Conv2d(a, b, 1) for a, b in pairwise(sizes)])
        total = depth * len(sizes)
        self.blocks = nn.ModuleList([nn.Sequential(*[PlainBlock(s, total) for _ in range(depth)]) for s in sizes])
        self.pool = nn.Conv2d(sizes[-1], sizes[-1], self.folding.coarse, groups=sizes[-1])
        self.feature = nn.Linear(sizes[-1], features)
        self.score = nn.Linear(features, 1)
        self.project = nn.Embedding(space.num_classes, features)
        nn.init.normal_(self.project.weight, std=features**-0.5)

    def augment_pair(self, real: Tensor, fake: Tensor, shifted: float, random: StepNoise) -> tuple[Tensor, Tensor]:
        """One random draw of moves for both (N, C, H, W) batches: each row is shifted with probability `shifted`, and
        then made lighter or darker if it has colour.

        Zhao et al., "Differentiable augmentation for data-efficient GAN training", NeurIPS 2020.
        """
        _, channels, height, width = real.shape
        pad = max(1, round(max(height, width) / 8))
        active = random.uniform() < shifted
        offsets = torch.where(active, (random.uniform(2) * (2 * pad + 1)).long().T, pad)
        bright = random.uniform() - 0.5
        bright = torch.where(active, bright, 0.0) if channels == 3 else torch.zeros_like(bright)
        lighter = bright[:, None, None, None]
        return moved(real, offsets, pad) + lighter, moved(fake, offsets, pad) + lighter

    def features(self, x: Tensor, labels: Tensor) -> Tensor:
        """Features (N, F) of images; labels enter later."""
        h = self.stem(self.folding.fold(x))
        for level, blocks in enumerate(self.blocks):
            if level:
                h = self.downs[level - 1](F.avg_pool2d(h, 2))
            h = blocks(h)
        return F.leaky_relu(self.feature(self.pool(h).flatten(1)), 0.2).float()

    def discriminate(self, features: Tensor, labels: Tensor) -> Tensor:
        """Logits (N,) from features."""
        return self.score(features)[:, 0].float() + (features * self.project(labels)).sum(dim=1)


def moved(x: Tensor, offsets: Tensor, pad: int) -> Tensor:
    """Each row of (N, C, H, W) moved by its own whole pixels, offsets (2, N) from -pad on; edges are repeated."""
    count, _, height, width = x.shape
    padded = F.pad(x, (pad, pad, pad, pad), mode="replicate")
    rows = offsets[0][:, None] + torch.arange(height, device=x.device)
    columns = offsets[1][:, None] + torch.arange(width, device=x.device)
    index = torch.arange(count, device=x.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[index, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


class PlainBlock(nn.Module):
    """1x1 -> 3x3 -> 1x1 residual block of the discriminator, last layer started at zero."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        enter, middle = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 3, padding=1)
        leave = nn.Conv2d(channels, channels, 1, bias=False)
        gain = math.sqrt(2 / 1.04) * depth**-0.25
        for layer in (enter, middle):
            nn.init.normal_(layer.weight, std=gain * layer.weight[0].numel() ** -0.5)
        nn.init.zeros_(leave.weight)
        self.layers = nn.Sequential(enter, nn.LeakyReLU(0.2), middle, nn.LeakyReLU(0.2), leave)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)
