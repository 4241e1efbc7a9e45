"""Small dense networks that turn points (flat pixels, scaled columns) into 64 features, for scores alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gensynth.models.classifier import CHUNK, FEATURES, descend, network_sha256, seeded
from gensynth.rng import child, numpy_generator

Loss = Callable[[Tensor, np.ndarray], Tensor]  # of points (B, P), which are those rows (B,)
HIDDEN, BATCH, LEARNING_RATE = 256, 128, 2e-3
NOISE = 0.1  # of the denoising autoencoder, in units of the points


class Encoder:
    """Points float32 (N, P) -> features float32 (N, 64), in eval mode, without gradients."""

    def __init__(self, body: nn.Sequential) -> None:
        self.body = body.eval().requires_grad_(False)
        self.sha256 = network_sha256(self.body)

    def features(self, points: np.ndarray) -> np.ndarray:
        """Features (N, 64), 1,024 rows at a time."""
        parts = [self.body(torch.from_numpy(points[i : i + CHUNK])) for i in range(0, len(points), CHUNK)]
        return torch.cat(parts).numpy() if parts else np.zeros((0, FEATURES), np.float32)


def encoder_steps(n: int) -> int:
    """Training steps for n rows: 60 passes, at least 300, at most 1,500.

    >>> encoder_steps(100), encoder_steps(2000), encoder_steps(60_000)
    (300, 937, 1500)
    """
    return max(300, min(60 * n // BATCH, 1500))


def random_encoder(width: int, seed: int) -> Encoder:
    """Untrained: it knows no data and so can leak none."""
    return Encoder(seeded(lambda: _body(width), seed, "encoder"))


def fit_classifier(points: np.ndarray, y: np.ndarray, num_classes: int, seed: int) -> Encoder:
    """The hidden layers of a classifier of points (N, P) with labels (N,), classes drawn equally often."""
    body, head = seeded(lambda: (_body(points.shape[1]), nn.Linear(FEATURES, num_classes)), seed, "encoder")
    shares = 1.0 / np.bincount(y, minlength=num_classes)[y]
    labels = torch.from_numpy(y)

    def loss(x: Tensor, rows: np.ndarray) -> Tensor:
        return F.cross_entropy(head(body(x)), labels[rows])

    _train([body, head], points, loss, seed, shares / shares.sum())
    return Encoder(body)


def fit_autoencoder(points: np.ndarray, seed: int) -> Encoder:
    """The hidden layers of a denoising autoencoder of points (N, P): it never sees a label.

    Vincent et al., "Extracting and composing robust features with denoising autoencoders", 2008.
    """
    width = points.shape[1]

    def make() -> tuple[nn.Sequential, nn.Sequential]:
        return _body(width), nn.Sequential(nn.Linear(FEATURES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, width))

    body, back = seeded(make, seed, "encoder")
    noise = torch.Generator().manual_seed(child(seed, "encoder", "noise"))

    def loss(x: Tensor, rows: np.ndarray) -> Tensor:
        return F.mse_loss(back(body(x + NOISE * torch.randn(x.shape, generator=noise))), x)

    _train([body, back], points, loss, seed, np.full(len(points), 1 / len(points)))
    return Encoder(body)


def _body(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, FEATURES))


def _train(parts: list[nn.Module], points: np.ndarray, loss_of: Loss, seed: int, shares: np.ndarray) -> None:
    """Rows enter a batch by their shares (N,), which sum to 1."""
    steps = encoder_steps(len(points))
    order = numpy_generator(seed, "encoder", "batches").choice(len(points), (steps, BATCH), p=shares)
    losses = (loss_of(torch.from_numpy(points[rows]), rows) for rows in order)
    descend(losses, parts, LEARNING_RATE, 0.01, steps)
