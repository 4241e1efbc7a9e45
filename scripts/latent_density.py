"""What the priors of a cVAE make of latents: their log density, by which `bench_priors.py` compares them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gensynth.models.prior import FlowPrior, MixturePrior, Prior


def log_density(prior: Prior, z: Tensor, labels: Tensor) -> Tensor:
    """log p(z | label) of latents (N, D) under a fitted prior, (N,), nats."""
    if isinstance(prior, MixturePrior):
        return _of_mixture(prior, z, labels)
    return _of_flow(prior, z, labels) if isinstance(prior, FlowPrior) else standard_normal(z)


def standard_normal(z: Tensor) -> Tensor:
    """log N(z; 0, I) over the last dimension, nats."""
    return -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)


def _of_mixture(prior: MixturePrior, z: Tensor, labels: Tensor) -> Tensor:
    weights = prior.edges.diff(dim=1, prepend=torch.zeros_like(prior.edges[:, :1])).clamp_min(1e-30)[labels]
    factors = prior.factors[labels]
    white = torch.linalg.solve_triangular(factors, (z[:, None] - prior.means[labels])[..., None], upper=False)
    scale = factors.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return torch.logsumexp(weights.log() + standard_normal(white[..., 0]) - scale, dim=1)


def _of_flow(prior: FlowPrior, z: Tensor, labels: Tensor, steps: int = 20) -> Tensor:
    """The path is followed back from the latent to the noise, with the exact divergence of the velocity (Chen et al.,
    "Neural ordinary differential equations", NeurIPS 2018, theorem 1)."""
    x, classes, step = (z - prior.mean) / prior.scale, prior._class(labels), 1 / steps
    total = torch.zeros_like(z[:, 0])
    times = prior._time(1 - 0.5 * step * torch.arange(2 * steps, device=z.device))
    for now, halfway in zip(times[0::2], times[1::2], strict=True):
        middle = x - 0.5 * step * prior._velocity(x, classes + now)
        velocity, divergence = _with_divergence(prior, middle, classes + halfway)
        x, total = x - step * velocity, total + step * divergence
    return standard_normal(x) - total - prior.scale.log().sum()


def _with_divergence(prior: FlowPrior, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
    """Velocity (N, D) and its divergence (N,), one dimension after the other."""
    with torch.enable_grad():
        z = z.detach().requires_grad_(True)
        velocity = prior._velocity(z, context)
        slopes = [torch.autograd.grad(velocity[:, d].sum(), z, retain_graph=True)[0][:, d] for d in range(z.shape[1])]
    return velocity.detach(), torch.stack(slopes).sum(0)
