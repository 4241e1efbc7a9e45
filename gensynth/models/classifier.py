"""A small classifier trained on real rows, for filters, feature spaces and utility scores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gensynth.rng import child, numpy_generator

Built = TypeVar("Built")
FEATURES = 64
BATCH = 128
CHUNK = 1024
LARGEST_SIDE = 32
LEARNING_RATE, LAST_PART = 1e-3, 1e-3


# What happens to a batch before a step: (x (B, C, H, W), labels (B,), step) -> (x, labels or their shares (B, K)).
BatchChange = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def as_it_is(x: np.ndarray, y: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """No change."""
    return x, y


class SmallCNN(nn.Module):
    """Two strided convolutions and two linear layers: (N, C, H, W) in [-1, 1] -> logits (N, K).

    Images above 32 pixels are averaged down by a whole factor first: a classifier has to be trained many times.
    """

    def __init__(self, shape: tuple[int, int, int], num_classes: int) -> None:
        super().__init__()
        channels, height, width = pooled_shape(shape)
        cells = -(-height // 4) * -(-width // 4)  # each stride-2 layer halves a side and rounds up
        self.body = nn.Sequential(
            nn.AvgPool2d(pooling(shape), ceil_mode=True),
            nn.Conv2d(channels, 24, kernel_size=5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(24, 48, kernel_size=3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(48 * cells, FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURES, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """Activations (N, 64) of the last hidden layer."""
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def pooling(shape: tuple[int, ...]) -> int:
    """Side of the squares that are averaged, so that the longer side is at most LARGEST_SIDE."""
    return -(-max(shape[1:]) // LARGEST_SIDE)


def pooled_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(C, H, W) after pooling."""
    factor = pooling(shape)
    return shape[0], -(-shape[1] // factor), -(-shape[2] // factor)


def seeded(make: Callable[[], Built], seed: int, name: str) -> Built:
    """Networks whose weights depend on seed and name alone; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would also reseed every GPU.
        torch.default_generator.manual_seed(child(seed, name, "init"))
        return make()


def seeded_cnn(shape: tuple[int, int, int], num_classes: int, seed: int) -> SmallCNN:
    """An untrained SmallCNN whose weights depend on the seed alone."""
    return seeded(lambda: SmallCNN(shape, num_classes), seed, "small_cnn")


def descend(losses: Iterable[Tensor], networks: Iterable[nn.Module], rate: float, last_part: float, steps: int) -> None:
    """A step of Adam down each of the losses; the learning rate falls linearly to a part within so many steps."""
    weights = [weight for network in networks for weight in network.parameters()]
    optimizer = torch.optim.Adam(weights, lr=rate, fused=True)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, last_part, total_iters=steps)
    for loss in losses:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()


def scale_pixels(x: np.ndarray) -> Tensor:
    """uint8 pixels (N, C, H, W) -> float32 in [-1, 1]; TypeError for any other dtype."""
    if x.dtype != np.uint8 or x.ndim != 4:
        raise TypeError(f"expected uint8 pixels (N, C, H, W), got {x.dtype} of shape {x.shape}")
    return torch.from_numpy(np.ascontiguousarray(x)).float() / 127.5 - 1.0


def classifier_steps(n: int, shape: tuple[int, ...], most: int = 3000) -> int:
    """Training steps for n rows: 60 passes in batches of 128, at most `most`, at least 300.

    `most` is meant for 28x28 grey images and falls as a step grows dearer.

    >>> classifier_steps(100, (1, 8, 8)), classifier_steps(1257, (1, 8, 8)), classifier_steps(60_000, (1, 28, 28))
    (300, 589, 3000)
    >>> classifier_steps(60_000, (3, 64, 64))
    1669
    """
    limit = most / max(1.0, _multiplications(shape) / _multiplications((1, 28, 28)))
    return int(max(300, min(60 * n // BATCH, limit)))


def _multiplications(shape: tuple[int, ...]) -> float:
    """Of the two convolutions for one image."""
    channels, height, width = pooled_shape(shape)
    return height * width * (25 * channels * 24 / 4 + 9 * 24 * 48 / 16)


def network_sha256(network: nn.Module) -> str:
    """sha256 over names, shapes and bytes of all weights."""
    digest = hashlib.sha256()
    for name, weight in sorted(network.state_dict().items()):
        digest.update(f"{name}{tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class Classifier:
    """A trained SmallCNN behind NumPy arrays; every method works in chunks, in eval mode, without gradients."""

    def __init__(self, network: SmallCNN, num_classes: int) -> None:
        self.network, self.num_classes = network.eval().requires_grad_(False), num_classes
        self.on_pictures = self  # images are pictures

    @classmethod
    def fit(
        cls,
        x: np.ndarray,
        y: np.ndarray,
        *,
        num_classes: int,
        seed: int,
        steps: int,
        balanced: bool,
        weights: np.ndarray | None = None,
        learning_rate: float = LEARNING_RATE,
        offsets: np.ndarray | None = None,
        change: BatchChange = as_it_is,
    ) -> Classifier:
        """Train on uint8 pixels x (N, C, H, W) and labels y (N,).

        Adam, learning rate falling linearly to a thousandth, `steps` batches of 128 drawn with replacement;
        `balanced` draws the class first, uniformly over the classes that have rows. `weights` (K,) are
        class weights of the cross-entropy; without them all classes weigh the same. `offsets` (K,) are added to the
        logits while it learns, and not afterwards. `change` is done to every batch.
        ValueError if there are no rows, the lengths differ or a label is outside [0, num_classes).
        """
        _check(x, y, num_classes)
        network = seeded_cnn(x.shape[1:], num_classes, seed).train()
        loss_weights = None if weights is None else torch.as_tensor(weights, dtype=torch.float32)
        added = torch.zeros(num_classes) if offsets is None else torch.from_numpy(offsets)
        labels = np.asarray(y, dtype=np.int64)
        order = numpy_generator(seed, "judge", "batches")
        pools = [np.flatnonzero(y == c) for c in np.unique(y)] if balanced else [np.arange(len(y))]
        rows_by_pool, sizes = np.concatenate(pools), np.array([len(pool) for pool in pools])

        def loss(step: int) -> Tensor:
            rows = draw_rows(rows_by_pool, sizes, order)
            pixels, targets = change(x[rows], labels[rows], step)
            logits = network(scale_pixels(pixels)) + added
            return F.cross_entropy(logits, torch.from_numpy(targets), weight=loss_weights)

        descend(map(loss, range(steps)), [network], learning_rate, LAST_PART, max(steps - 1, 1))
        return cls(network, num_classes)

    @property
    def sha256(self) -> str:
        """Hash of the weights."""
        return network_sha256(self.network)

    def logits(self, x: np.ndarray) -> Tensor:
        """float32 (N, K) of uint8 pixels (N, C, H, W)."""
        return self.network.head(chunked_features(self.network, x))

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """Class probabilities, float64 (N, K), each row summing to 1."""
        return self.logits(x).double().softmax(dim=1).numpy()

    def features(self, x: np.ndarray) -> np.ndarray:
        """Activations of the last hidden layer, float32 (N, 64)."""
        return chunked_features(self.network, x).numpy()

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Most probable class, int64 (N,)."""
        return self.logits(x).argmax(dim=1).numpy()


def chunked_features(network: SmallCNN, x: np.ndarray) -> Tensor:
    """Features float32 (N, 64) of uint8 pixels, 1,024 rows at a time."""
    with torch.no_grad():
        parts = [network.features(scale_pixels(x[i : i + CHUNK])) for i in range(0, len(x), CHUNK)]
    return torch.cat(parts) if parts else torch.zeros(0, FEATURES)


def draw_rows(rows_by_pool: np.ndarray, sizes: np.ndarray, order: np.random.Generator) -> np.ndarray:
    """Row numbers (128,) of one batch: a pool uniformly, then a row of it uniformly; pools lie end to end."""
    pool = order.integers(len(sizes), size=BATCH)
    within = (order.random(BATCH) * sizes[pool]).astype(np.int64)
    return rows_by_pool[(np.cumsum(sizes) - sizes)[pool] + within]


def _check(x: np.ndarray, y: np.ndarray, num_classes: int) -> None:
    if len(x) == 0 or len(x) != len(y):
        raise ValueError(f"a classifier needs rows with one label each, got {len(x)} rows and {len(y)} labels")
    if np.min(y) < 0 or np.max(y) >= num_classes:
        raise ValueError(f"labels must lie in [0, {num_classes}), got {np.min(y)} to {np.max(y)}")
