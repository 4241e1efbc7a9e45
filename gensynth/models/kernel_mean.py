"""Generator with differential privacy from one noisy release: rows are read once, and training never sees them.

Released are, for every class, the sum over its rows of public features phi (`public_features.py`) and the number of
rows, all with Gaussian noise (Harder et al., "DP-MERF", AISTATS 2021, section 3; Jiang et al., "DP-Kernel", NeurIPS
2023). What follows costs no privacy (post-processing: Dwork & Roth, "The algorithmic foundations of differential
privacy", 2014, proposition 2.1): noise is taken off the class means, a Gaussian with the released mean and covariance
is the start of every row, and a decoder learns what it lacks, until the class means of synthetic rows are the
released ones.

The noise comes from a key (`secret.py`) that is erased with the release, so no checkpoint can take it off again.

Legend: N rows, K classes, D numbers seen of a row, R directions in which a class spreads, C classes of a step.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from gensynth.errors import UsageError, nearest
from gensynth.models.cvae import cosine
from gensynth.models.generator import Batch, Ema, Phase, StepNoise, TrainingRows
from gensynth.models.nets.conv import Decoder, latent_size, stem_factor
from gensynth.models.private import secret
from gensynth.models.private.accounting import gaussian_sigma
from gensynth.models.private.guarantee import PrivateGenerator
from gensynth.models.private.public_features import MAPS, ClassMeans, ImageFeatures, class_sums, gaps, scales_of
from gensynth.rng import torch_generator
from gensynth.types import Space

ADJACENCY = ("add_remove", "replace")
SLACK = 1e-6  # of the sensitivity: rows are scaled in single precision
ROWS_A_LATENT = 2  # of a class in a step, at least; with many classes a step has some of them
EMBEDDING = 32
SPARE, ITERATIONS = 8, 30  # of the subspace iteration
SMOOTHER = (1, 4, 16)  # one of so many directions, the smoothest ones
WARM_UP = 0.05  # part of training over which the learning rate grows


def sensitivity_of(adjacency: str, count_scale: float) -> float:
    """L2 distance that one row can move the release, for phi of length at most 1 and counts times `count_scale`.

    add_remove  one row more or less: (phi, c)
    replace     one row exchanged for another: phi - phi' in the same class, or (phi, c) in each of two classes

    >>> sensitivity_of("add_remove", 0.0), sensitivity_of("replace", 0.5)
    (1.0, 2.0)
    """
    if adjacency not in ADJACENCY:
        raise UsageError(f"model.adjacency={adjacency} is not known; {nearest(str(adjacency), ADJACENCY)}")
    one = math.sqrt(1 + count_scale**2)
    return one if adjacency == "add_remove" else max(2.0, math.sqrt(2) * one)


class KernelMean(PrivateGenerator):
    """Conditional generator trained against one private release of class means.

    epsilon, delta, noise_seed  see `PrivateGenerator`
    adjacency       add_remove | replace: what one row may do; see `sensitivity_of`
    count_scale     what one row adds to the released count; more makes counts sharper and means noisier
    shares, waves, bandwidth, feature_seed  see `ImageFeatures`
    width           of the decoder, the one size dial
    """

    modalities = ("image",)
    released: Tensor
    counts: Tensor
    waves: Tensor
    scales: Tensor

    def __init__(
        self,
        space: Space,
        num_rows: int,
        *,
        epsilon: float,
        delta: float,
        adjacency: str,
        count_scale: float,
        shares: dict,
        waves: int,
        bandwidth: float,
        feature_seed: int,
        width: int,
        lr: float,
        batch_size: int,
        ema_half_life: float,
        noise_seed: int | None,
    ) -> None:
        super().__init__(space, num_rows)
        self.keep_guarantee(epsilon, delta, noise_seed, bandwidth=bandwidth, count_scale=count_scale)
        self.adjacency, self.count_scale = adjacency, count_scale
        self.sensitivity = sensitivity_of(adjacency, count_scale)
        self.sigma = gaussian_sigma(epsilon, delta, self.sensitivity * (1 + SLACK))
        self.features = ImageFeatures(space.shape, shares, waves, bandwidth, feature_seed)
        self.noise_size, self.block = latent_size(*space.shape[1:]), 256
        self.start = GaussianStart(self.features, space.num_classes, self.noise_size)
        self.addition = Addition(space, width, self.noise_size)
        self.ema = Ema(self.addition, ema_half_life)
        self.lr, self.batch_size = lr, batch_size
        self.register_buffer("released", torch.tensor(False))
        self.register_buffer("counts", torch.zeros(space.num_classes))
        self.register_buffer("waves", torch.zeros(space.num_classes, self.features.waves))
        self.register_buffer("scales", torch.ones(3))

    def phases(self) -> tuple[Phase, ...]:
        return (Phase("match", 1.0, self.batch_size),)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [
            torch.optim.AdamW(self.addition.parameters(), self.lr, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
        ]

    def begin_phase(self, name: str, rows: TrainingRows, random: torch.Generator, *, resumed: bool) -> None:
        """Make the release, once; a run that is continued has it already."""
        if not self.released:
            self._keep(self.noisy(self.exact_numbers(rows), self._key()))
            self.key.zero_()
            self.released.fill_(True)

    def exact_numbers(self, rows: TrainingRows) -> Tensor:
        """All that is released, before its noise: K class sums and a scaled count each, float64 (K, D + P + F + 1)."""
        sums, counts = class_sums(self.features, rows, self.space.num_classes)
        return torch.cat([sums, self.count_scale * counts[:, None]], dim=1)

    def noisy(self, numbers: Tensor, key: bytes) -> Tensor:
        """Numbers with the noise that the guarantee asks for."""
        noise = secret.normal(key, "release", 0, numbers.numel()).to(numbers.device)
        return numbers + self.sigma * noise.view_as(numbers)

    def _keep(self, numbers: Tensor) -> None:
        """Class means out of released numbers (K, D + P + F + 1), with the noise taken off as far as it goes."""
        pixel_weight, product_weight, wave_weight = self.features.weights
        pixels, products, waves, counts = numbers.split([*self.features.sizes, 1], dim=1)
        counts = counts / self.count_scale
        divisor, noise = counts.clamp_min(1.0), self.sigma / counts.clamp_min(1.0)
        means = shrunk(pixels / (pixel_weight * divisor), noise / pixel_weight, divisor)
        smooth = self.features.smooth_directions().to(numbers.device)
        for label, mean in enumerate(means):
            second = self.features.unpacked(products[label] / (product_weight * divisor[label]))
            self.start.spread[label] = factor_above(
                second - mean[:, None] * mean, float(noise[label]) / product_weight, smooth, self.noise_size
            )
        self.start.mean.copy_(means)
        self.waves.copy_(shrunk(waves / (wave_weight * divisor), noise / wave_weight, divisor))
        self.counts.copy_(counts[:, 0])
        self.scales.copy_(scales_of(self._target()))

    def _target(self) -> ClassMeans:
        return ClassMeans(self.start.mean, self.start.spread, self.waves)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One step towards the released means; of the batch only its size, step and random numbers are used."""
        lr = cosine(self.lr, 0.02 * self.lr, batch.progress) * min(1.0, batch.progress / WARM_UP)
        reported, taken = self.descend(self._gap, batch, self.stepping()[0], lr, clip=1.0)
        if taken:
            self.ema.update(self.addition, batch.random.size, batch.samples_seen)
        return reported

    def _gap(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Distance of synthetic class means from the released ones, for as many classes as the batch has room for."""
        count = max(1, min(self.space.num_classes, len(batch.rows) // (ROWS_A_LATENT * self.noise_size)))
        each = max(2, len(batch.rows) // count)
        random = StepNoise(batch.random.seed ^ batch.random.start, batch.rows.device, count * each)
        order = random.stream(1).uniform(self.space.num_classes)[0].argsort()
        labels = order[:count].repeat_interleave(each)
        z = evened(random.normal(self.noise_size).unflatten(0, (count, each))).flatten(0, 1)
        x = (self.start(z, labels) + self.addition(z, labels)).clamp(-1, 1)
        target = ClassMeans(*(part[order[:count]] for part in self._target()))
        found = gaps(self.features, self.features.seen(x).unflatten(0, (count, each)), target) / self.scales
        return found.sum(), {f"loss_{name}": gap.detach() for name, gap in zip(MAPS, found, strict=True)}

    def draw(self, noise: Tensor, labels: Tensor) -> Tensor:
        return (self.start(noise, labels) + self.ema.average(noise, labels)).clamp(-1, 1)

    def inference_modules(self) -> dict[str, nn.Module]:
        return {"start": self.start, "addition": self.ema.average}

    def guarantee(self) -> dict[str, Any]:
        """What the release guarantees; empty before it, and for a loaded bundle, which has it in its facts."""
        if not self.released:
            return {}
        return {
            "mechanism": "gaussian, one release of class-wise feature sums",
            "epsilon": self.epsilon,
            "delta": self.delta,
            "adjacency": self.adjacency,
            "accountant": "analytic gaussian",
            "noise_multiplier": self.sigma / self.sensitivity,
            "sensitivity": self.sensitivity,
            "noise": self.noise_source,
            "counts": [max(0, round(count)) for count in self.counts.tolist()],
        }


class Addition(nn.Module):
    """What a row differs by from its Gaussian start: nothing before training."""

    def __init__(self, space: Space, width: int, latent: int) -> None:
        super().__init__()
        fold = stem_factor(*space.shape[1:])
        self.embed = nn.Embedding(space.num_classes, EMBEDDING)
        self.decoder = Decoder(space.shape, width, latent, EMBEDDING, fold=fold, blocks=1)
        for parameter in self.decoder.head.parameters():
            nn.init.zeros_(parameter)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Latents (N, R) and labels (N,) -> images (N, *shape)."""
        return self.decoder(z, self.embed(labels))


class GaussianStart(nn.Module):
    """Rows of a Gaussian with the released mean (K, D) and covariance factor (K, D, R) of each class."""

    mean: Tensor
    spread: Tensor

    def __init__(self, features: ImageFeatures, num_classes: int, latent: int) -> None:
        super().__init__()
        self.unseen = features.unseen
        self.register_buffer("mean", torch.zeros(num_classes, features.size))
        self.register_buffer("spread", torch.zeros(num_classes, features.size, latent))

    @torch.no_grad()
    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Latents (N, R) and labels (N,) -> images (N, *shape)."""
        moved = torch.bmm(self.spread[labels], z[..., None])[..., 0]
        return self.unseen(self.mean[labels] + moved)


def evened(z: Tensor) -> Tensor:
    """Normal numbers (C, n, R) changed so that mean and covariance of each of the C samples are those of N(0, I).

    What a step sees of the Gaussian start is then the start itself: by chance alone, n rows miss its covariance by more
    than there is to learn. With n up to R only the mean is set right.
    """
    z = z - z.mean(1, keepdim=True)
    if z.shape[1] <= z.shape[2] + 1:
        return z
    root = torch.linalg.cholesky(z.transpose(1, 2) @ z / z.shape[1])
    return torch.linalg.solve_triangular(root, z.transpose(1, 2), upper=False).transpose(1, 2)


def shrunk(means: Tensor, noise: Tensor, counts: Tensor) -> Tensor:
    """Noisy class means (K, D) drawn towards their common mean, the more the less they exceed their noise (K, 1).

    James & Stein, "Estimation with quadratic loss" (1961), the form that never turns a mean around: without it a class
    of few rows would be noise alone.
    """
    centre = (counts * means).sum(0) / counts.sum()
    away = means - centre
    kept = 1 - means.shape[1] * noise.square() / away.square().sum(1, keepdim=True).clamp_min(1e-12)
    return centre + kept.clamp_min(0) * away


def factor_above(covariance: Tensor, noise: float, waves: Tensor, rank: int) -> Tensor:
    """Factor A (D, rank) of a noisy covariance (D, D): A A^T keeps the directions that stand out of the noise.

    Sought among all directions first, then among ever smoother ones, in which there is less noise to stand out of:
    `waves` (D, D) holds the smooth directions, smoothest first. `noise` is the standard deviation on the diagonal.
    """
    known, columns = covariance.new_zeros(len(covariance), 0), []
    for part in SMOOTHER:
        smooth = waves[: max(1, len(waves) // part)]
        rest = smooth - smooth @ known @ known.T
        values, turned = above_edge(rest @ covariance @ rest.T, noise, rank - known.shape[1])
        columns.append(rest.T @ turned * values.sqrt())
        known = torch.cat([known, torch.linalg.qr(rest.T @ turned)[0]], dim=1)
    factor = torch.cat(columns, dim=1)
    return nn.functional.pad(factor, (0, rank - factor.shape[1]))


def above_edge(symmetric: Tensor, noise: float, rank: int) -> tuple[Tensor, Tensor]:
    """Eigenvalues (R,) of a noisy symmetric (D, D) that noise alone would not have, set right, and directions (D, R).

    The largest eigenvalue of noise with this standard deviation on the diagonal, and 1 / sqrt(2) of it elsewhere, is
    about e = sqrt(2 D) noise (Wigner's semicircle); one above it was raised by e^2 / 4 over its true value (Peche, "The
    largest eigenvalue of small rank perturbations of Hermitian random matrices", 2006).
    """
    edge = math.sqrt(2 * len(symmetric)) * noise
    values, directions = leading(symmetric, min(rank, len(symmetric)))
    values, directions = values[values > edge], directions[:, values > edge]
    return (values + (values.square() - edge**2).clamp_min(0).sqrt()) / 2, directions


def leading(symmetric: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Largest eigenvalues (rank,) of a symmetric (D, D) and their directions (D, rank), by subspace iteration.

    Much cheaper than all of them, and it may be: what the iteration has not separated is noise.
    """
    width = min(len(symmetric), rank + SPARE)
    start = torch_generator(0, "directions")
    basis = torch.randn(len(symmetric), width, generator=start, dtype=symmetric.dtype).to(symmetric.device)
    for _ in range(ITERATIONS):
        basis = torch.linalg.qr(symmetric @ basis)[0]
    values, turn = torch.linalg.eigh(basis.T @ symmetric @ basis)
    return values.flip(0)[:rank], (basis @ turn).flip(1)[:, :rank]
