"""Features of images that no data went into, of length at most 1: what a private release is a sum of.

phi(x) puts three maps side by side, each of length at most 1 before its weight: the pixels u, their products u u^T
(the kernel <u, v>^2), and random waves of them (Rahimi & Recht, "Random features for large-scale kernel machines",
NeurIPS 2007, algorithm 1). Class means of all three hold mean, covariance and, by the waves, what a Gaussian lacks.

Legend: N rows, K classes, D numbers seen of a row, F waves, P = D (D + 1) / 2 products.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gensynth.errors import UsageError, nearest
from gensynth.models.generator import TrainingRows
from gensynth.rng import torch_generator

MOST = 1024  # numbers seen of a row: images with more are averaged down first, since products are many
MAPS = ("pixels", "products", "waves")
CHUNK = 4096


class ClassMeans(NamedTuple):
    """What is kept of a release, a class: pixels (K, D); a factor (K, D, R) of their covariance; waves (K, F)."""

    pixels: Tensor
    spread: Tensor
    waves: Tensor


class ImageFeatures(nn.Module):
    """phi of images (N, C, H, W) in [-1, 1]; the same for every data set of that shape.

    shares     how much of the squared length pixels, products and waves may take; their sum counts as 1
    waves      how many random waves, an even number; half of them are sines
    bandwidth  length, in units of the longest row, over which a wave turns
    seed       of the waves; a public number
    """

    directions: Tensor
    upper: Tensor

    def __init__(
        self, shape: tuple[int, ...], shares: Mapping[str, float], waves: int, bandwidth: float, seed: int
    ) -> None:
        super().__init__()
        self.shape, self.side = shape, pooled_side(shape)
        self.size, self.waves = shape[0] * math.prod(self.side), 2 * max(1, waves // 2)
        self.weights = weights_of(shares)
        turns = torch.randn(self.size, self.waves // 2, generator=torch_generator(seed, "waves"), dtype=torch.float64)
        self.register_buffer("directions", turns / bandwidth, persistent=False)
        self.register_buffer("upper", torch.triu_indices(self.size, self.size), persistent=False)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Numbers a class of each map: D, P, F."""
        return self.size, self.upper.shape[1], self.waves

    def seen(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) -> u (N, D) of length at most 1: every pixel lies in [-1, 1]."""
        x = x.nan_to_num().clamp(-1, 1)
        if self.side != self.shape[1:]:
            x = F.adaptive_avg_pool2d(x, self.side)
        return x.flatten(1) / math.sqrt(self.size)

    def unseen(self, u: Tensor) -> Tensor:
        """The image (N, C, H, W) of u (N, D), smooth where it was averaged down."""
        x = u.unflatten(1, (self.shape[0], *self.side)) * math.sqrt(self.size)
        if self.side == self.shape[1:]:
            return x
        return F.interpolate(x, self.shape[1:], mode="bilinear", align_corners=False)

    def wave(self, u: Tensor) -> Tensor:
        """Random waves (..., F) of u (..., D), of length 1."""
        turn = u @ self.directions.to(u.dtype)
        return torch.cat([turn.cos(), turn.sin()], dim=-1) * (self.waves / 2) ** -0.5

    def smooth_directions(self) -> Tensor:
        """Cosines over the image, smoothest first, as an orthonormal basis (D, D) of rows, float64."""
        channels = torch.eye(self.shape[0], dtype=torch.float64)
        down, across = (cosines(side) for side in self.side)
        basis = torch.einsum("ck,ai,bj->abckij", channels, down, across).reshape(self.size, self.size)
        slow = torch.arange(self.side[0])[:, None] ** 2 + torch.arange(self.side[1]) ** 2
        return basis[slow.flatten().repeat_interleave(self.shape[0]).argsort(stable=True)]

    def packed(self, products: Tensor) -> Tensor:
        """Symmetric (D, D) -> its upper triangle (P,), of the same length: every pair off the diagonal stands once."""
        kept = products[self.upper[0], self.upper[1]] * math.sqrt(2)
        return torch.where(self.upper[0] == self.upper[1], kept / math.sqrt(2), kept)

    def unpacked(self, numbers: Tensor) -> Tensor:
        """The other way round."""
        out = numbers.new_zeros(self.size, self.size)
        out[self.upper[0], self.upper[1]] = numbers / math.sqrt(2)
        return out + out.T + torch.diag(out.diagonal() * (math.sqrt(2) - 2))


@torch.no_grad()
def class_sums(features: ImageFeatures, rows: TrainingRows, num_classes: int) -> tuple[Tensor, Tensor]:
    """Sums of phi over the rows of each class (K, D + P + F), and the numbers of rows (K,), both float64.

    In double precision: what one row changes must be its own phi and not the rounding of all others.
    """
    device, (d, _, f) = rows.x.device, features.sizes
    pixels, products, waves = (
        torch.zeros(num_classes, *size, dtype=torch.float64, device=device) for size in ((d,), (d, d), (f,))
    )
    for x, y in zip(rows.x.split(CHUNK), rows.y.split(CHUNK), strict=True):
        u = features.seen(x).double()
        members = F.one_hot(y, num_classes).double()
        pixels += members.T @ u
        waves += members.T @ features.wave(u)
        for label in y.unique().tolist():
            products[label] += u[y == label].T @ u[y == label]
    maps = (pixels, torch.stack([features.packed(one) for one in products]), waves)
    sums = torch.cat([weight * part for weight, part in zip(features.weights, maps, strict=True)], dim=1)
    return sums, torch.bincount(rows.y, minlength=num_classes).double()


def gaps(features: ImageFeatures, drawn: Tensor, target: ClassMeans) -> Tensor:
    """Squared distance (3,) of each map's class means between drawn rows u (C, n, D) and `target` of these C
    classes."""
    factor = _second(target)
    both = (drawn @ factor).square().sum(2).mean(1)
    products = (drawn @ drawn.transpose(1, 2)).square().mean((1, 2)) - 2 * both + _gram(factor)
    pixels = (drawn.mean(1) - target.pixels).square().sum(1)
    waves = (features.wave(drawn).mean(1) - target.waves).square().sum(1)
    return torch.stack([pixels.mean(), products.mean(), waves.mean()])


def scales_of(target: ClassMeans) -> Tensor:
    """What `gaps` are measured in, (3,): how far pixels and waves of the classes lie apart, the size of covariances.

    At least a hundredth of the squared length of what is compared, for classes that do not differ.
    """
    apart = [(mean - mean.mean(0)).square().sum(1).mean() for mean in (target.pixels, target.waves)]
    length = [mean.square().sum(1).mean() for mean in (target.pixels, target.waves)]
    own = torch.stack([apart[0], _gram(target.spread).mean(), apart[1]])
    return own.maximum(0.01 * torch.stack([length[0], _gram(_second(target)).mean(), length[1]])).clamp_min(1e-6)


def _second(target: ClassMeans) -> Tensor:
    """Factor (C, D, R + 1) of the mean products of each class: covariance and the mean's own."""
    return torch.cat([target.spread, target.pixels[..., None]], dim=2)


def _gram(factor: Tensor) -> Tensor:
    """Squared length (C,) of A A^T for factors A (C, D, R)."""
    return (factor.transpose(1, 2) @ factor).square().sum((1, 2))


def cosines(size: int) -> Tensor:
    """The discrete cosine transform of a line of pixels, orthonormal, (size, size), one wave a row."""
    at = torch.arange(size, dtype=torch.float64)
    waves = torch.cos(math.pi * (at + 0.5) * at[:, None] / size) * math.sqrt(2 / size)
    waves[0] /= math.sqrt(2)
    return waves


def pooled_side(shape: tuple[int, ...]) -> tuple[int, int]:
    """Sides after averaging by the least whole factor that leaves at most MOST numbers.

    >>> pooled_side((1, 28, 28)), pooled_side((3, 64, 64))
    ((28, 28), (16, 16))
    """
    channels, height, width = shape
    factor = 1
    while channels * -(-height // factor) * -(-width // factor) > MOST:
        factor += 1
    return -(-height // factor), -(-width // factor)


def weights_of(shares: Mapping[str, float]) -> tuple[float, float, float]:
    """Square roots of the three shares of 1; UsageError for other names and for shares that are not above 0."""
    for name, value in shares.items():
        if name not in MAPS:
            raise UsageError(f"model.shares.{name} is not known; {nearest(name, MAPS)}")
        if not 0 < value < math.inf:
            raise UsageError(f"model.shares.{name} must be above 0, got {value}")
    if missing := [name for name in MAPS if name not in shares]:
        raise UsageError(f"model.shares.{missing[0]} is missing")
    total = sum(shares.values())
    pixels, products, waves = (math.sqrt(shares[name] / total) for name in MAPS)
    return pixels, products, waves
