"""Feature spaces in which real and synthetic images are compared, each with a hash of what defines it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA

from gensynth.models.judge import Judge, chunked_features, network_sha256, scale_pixels, seeded_cnn

PCA_ROWS = 10_000


@dataclass(frozen=True)
class FeatureSpace:
    """A name, the hash of everything that defines the map, and the map: uint8 images -> float32 (N, D).

    Scores from spaces with different hashes must not be compared.
    """

    name: str
    sha256: str
    transform: Callable[[np.ndarray], np.ndarray]


def judge_space(judge: Judge) -> FeatureSpace:
    """Last hidden layer of a classifier trained on real train rows, D = 64.

    It sees what tells classes apart and may be blind to variety within a class.
    """
    return FeatureSpace("judge", judge.sha256, judge.features)


def pixel_space(train_x: np.ndarray, max_dims: int = 64) -> FeatureSpace:
    """Pixels in [-1, 1]: as they are if there are at most `max_dims`, else the leading principal components.

    The components are fitted on train rows (N, C, H, W) alone, at most 10,000 spread evenly over them.
    """
    dims = int(np.prod(train_x.shape[1:]))
    if dims <= max_dims:
        return FeatureSpace("pixels", hashlib.sha256(f"pixels{dims}".encode()).hexdigest(), flat_pixels)
    rows = np.linspace(0, len(train_x) - 1, min(len(train_x), PCA_ROWS)).astype(np.int64)
    pca = PCA(min(max_dims, len(rows)), random_state=0).fit(flat_pixels(train_x[rows]))

    def project(x: np.ndarray) -> np.ndarray:
        if not len(x):
            return np.zeros((0, pca.n_components_), dtype=np.float32)
        return pca.transform(flat_pixels(x)).astype(np.float32)

    digest = hashlib.sha256(pca.mean_.tobytes() + pca.components_.tobytes()).hexdigest()
    return FeatureSpace("pixels", digest, project)


def random_space(shape: tuple[int, int, int], seed: int) -> FeatureSpace:
    """Last hidden layer of an untrained SmallCNN, D = 64: it knows no data and so can leak none."""
    network = seeded_cnn(shape, 2, seed).eval().requires_grad_(False)

    def features(x: np.ndarray) -> np.ndarray:
        return chunked_features(network, x).numpy()

    return FeatureSpace("random", network_sha256(network), features)


def flat_pixels(x: np.ndarray) -> np.ndarray:
    """uint8 images (N, C, H, W) -> float32 (N, C*H*W) in [-1, 1]."""
    return scale_pixels(x).flatten(start_dim=1).numpy()
