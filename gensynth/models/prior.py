"""Class-conditional densities over latents, fitted on encoder samples after the autoencoder.

Sampling N(0, I) through a VAE's decoder meets latents the encoder never produced; a density fitted
in a second stage closes that gap (Dai & Wipf, "Diagnosing and enhancing VAE models", ICLR 2019).
All priors turn standard normal noise (N, noise_size) and labels (N,) into latents (N, D).
"""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn
from torch.nn import functional as F

from gensynth.models.generator import StepNoise


class Prior(nn.Module):
    """A density over latents for every label; `noise_size` normal numbers make a latent."""

    noise_size: int

    @abstractmethod
    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Noise (N, noise_size) and labels (N,) -> latents (N, D)."""

    def standardise(self, codes: Tensor, labels: Tensor) -> None:
        """Take what is needed of codes (N, D) and labels (N,) before a stage of steps; nothing where there is none."""

    def loss(self, codes: Tensor, labels: Tensor, random: StepNoise) -> Tensor:
        """What such a stage makes small."""
        raise NotImplementedError(f"{type(self).__name__} is not learned by steps")


class NormalPrior(Prior):
    """N(0, I), the prior of the first stage; for ablation."""

    def __init__(self, latent: int, num_classes: int) -> None:
        super().__init__()
        self.noise_size = latent

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        return noise


class MixturePrior(Prior):
    """One Gaussian mixture a class, covariances shrunk towards the pooled one; for few rows."""

    edges: Tensor
    means: Tensor
    factors: Tensor

    def __init__(self, latent: int, num_classes: int, components: int = 10) -> None:
        super().__init__()
        self.noise_size, self.components = latent + 1, components
        self.register_buffer("edges", torch.ones(num_classes, components))
        self.register_buffer("means", torch.zeros(num_classes, components, latent))
        self.register_buffer("factors", torch.eye(latent).repeat(num_classes, components, 1, 1))

    def fit(self, codes: Tensor, labels: Tensor, seed: int, repeats: int = 1) -> None:
        """codes (N, D) encoder samples, `repeats` of every row, labels (N,); classes without rows keep N(0, I)."""
        codes_np, labels_np = codes.double().cpu().numpy(), labels.cpu().numpy()
        pooled = _pooled(codes_np, labels_np)
        for label in np.unique(labels_np):
            weights, means, covariances = self._mixture(codes_np[labels_np == label], pooled, seed, repeats)
            edges, count = np.ones(self.components), len(weights)
            edges[:count] = np.cumsum(weights)
            edges[count - 1 :] = 1.0
            self.edges[label] = torch.from_numpy(edges)
            self.means[label, :count] = torch.from_numpy(means)
            self.factors[label, :count] = torch.from_numpy(np.linalg.cholesky(covariances))

    def _mixture(
        self, rows: np.ndarray, pooled: np.ndarray, seed: int, repeats: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        count = int(np.clip(len(rows) // 50, 1, self.components))
        if count == 1:
            scatter = np.cov(rows.T) if len(rows) > 1 else pooled
            return np.ones(1), rows.mean(0)[None], _shrink(scatter, pooled, len(rows) / repeats)[None]
        fitted = GaussianMixture(count, reg_covar=1e-3, random_state=seed % 2**32).fit(rows)
        sizes = fitted.weights_ * len(rows) / repeats
        covariances = np.stack([_shrink(c, pooled, n) for c, n in zip(fitted.covariances_, sizes, strict=True)])
        return fitted.weights_, fitted.means_, covariances

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        u = torch.special.ndtr(noise[:, :1])
        component = (u > self.edges[labels]).sum(dim=1).clamp(max=self.components - 1)
        spread = torch.einsum("nij,nj->ni", self.factors[labels, component], noise[:, 1:])
        return self.means[labels, component] + spread


def _pooled(codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Within-class covariance (D, D) over all rows."""
    centred = np.concatenate([codes[labels == c] - codes[labels == c].mean(0) for c in np.unique(labels)])
    return centred.T @ centred / max(len(centred) - 1, 1) + 1e-4 * np.eye(codes.shape[1])


def _shrink(covariance: np.ndarray, pooled: np.ndarray, count: float) -> np.ndarray:
    """Move towards the pooled covariance: with fewer rows than dimensions the own one has no full rank."""
    own = count / (count + 2 * len(pooled))
    return own * covariance + (1 - own) * pooled


class FlowPrior(Prior):
    """Conditional flow matching with straight paths (Lipman et al., ICLR 2023, section 4.1, OT paths).

    An MLP predicts the velocity between noise and standardised latents; sampling runs `steps`
    midpoint steps, which keeps the cost of a latent well below that of decoding it. A class without rows is drawn
    with `nobody` in place of its embedding.
    """

    mean: Tensor
    scale: Tensor
    own: Tensor
    nobody: Tensor

    def __init__(self, latent: int, num_classes: int, hidden: int = 256, steps: int = 5) -> None:
        super().__init__()
        self.noise_size, self.steps = latent, steps
        self.register_buffer("mean", torch.zeros(latent))
        self.register_buffer("scale", torch.ones(latent))
        self.register_buffer("own", torch.ones(num_classes))
        self.embed = nn.Embedding(num_classes, hidden)
        self.register_buffer("nobody", torch.zeros(hidden))
        self.time = nn.Linear(32, hidden)
        self.enter = nn.Linear(latent, hidden)
        self.body = nn.ModuleList([nn.Linear(hidden, hidden) for _ in range(3)])
        self.leave = nn.Linear(hidden, latent)
        nn.init.zeros_(self.leave.weight)

    def standardise(self, codes: Tensor, labels: Tensor) -> None:
        """Take mean and spread of codes (N, D), and from labels (N,) which classes have rows."""
        self.mean.copy_(codes.mean(0))
        self.scale.copy_(codes.std(0).clamp_min(1e-3))
        self.own.copy_(torch.bincount(labels, minlength=len(self.own)) > 0)

    def _class(self, labels: Tensor) -> Tensor:
        """What a class adds when drawing, (N, hidden)."""
        return torch.lerp(self.nobody.expand(len(labels), -1), self.embed(labels), self.own[labels, None])

    def _time(self, t: Tensor) -> Tensor:
        frequencies = torch.exp(torch.arange(16, device=t.device) * (math.log(100.0) / 15))
        angles = t[:, None] * frequencies
        return self.time(torch.cat([angles.sin(), angles.cos()], dim=1))

    def _velocity(self, z: Tensor, context: Tensor) -> Tensor:
        h = self.enter(z)
        for layer in self.body:
            h = h + layer(F.silu(h + context))
        return self.leave(F.silu(h))

    def loss(self, codes: Tensor, labels: Tensor, random: StepNoise) -> Tensor:
        """Mean squared velocity error on codes (N, D)."""
        target = (codes - self.mean) / self.scale
        noise, t = random.normal(target.shape[1]), random.uniform()
        z = torch.lerp(noise, target, t[:, None])
        return F.mse_loss(self._velocity(z, self._time(t) + self.embed(labels)), target - noise)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        z, step, classes = noise, 1.0 / self.steps, self._class(labels)
        times = self._time(torch.arange(2 * self.steps, device=z.device) * (0.5 * step))
        for now, halfway in zip(times[0::2], times[1::2], strict=True):
            middle = z + 0.5 * step * self._velocity(z, classes + now)
            z = z + step * self._velocity(middle, classes + halfway)
        return z * self.scale + self.mean
