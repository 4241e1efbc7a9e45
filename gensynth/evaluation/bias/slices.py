"""Pseudo-groups for data that names none: clusters of what rows of all classes differ by beside their class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits

from gensynth.rng import child, numpy_generator

MOST_SLICES = 6
FIT_ROWS = 10_000
SILHOUETTE_ROWS = 2_000
STARTS = 4
LEAST_ROWS = 10  # of a slice, in the mean
NOTE = (
    "slices are clusters of features, found by k-means on real training rows: they are no real groups, nobody named "
    "them, and two slices may hold the same people"
)


@dataclass(frozen=True)
class Slices:
    """Clusters of rows; fitted on train rows by `find_slices`.

    centres     (k, D) of rows less the mean of their class, in units of `scale` (D,); the largest cluster first
    class_mean  (K, D); of a class without train rows, that of all rows
    silhouette  how well apart they lie, -1 to 1 (Rousseeuw, 1987); 0 where there is one
    note        what has to be said where they are shown
    """

    centres: np.ndarray
    class_mean: np.ndarray
    scale: np.ndarray
    silhouette: float
    note: str = NOTE

    @property
    def names(self) -> list[str]:
        return [f"slice {i}" for i in range(1, len(self.centres) + 1)]

    def assign(self, features: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Name (N,) of the nearest centre of each row, from its features (N, D) and label (N,)."""
        rows = (np.asarray(features, np.float64) - self.class_mean[y]) / self.scale
        apart = ((rows**2).sum(axis=1)[:, None] - 2 * rows @ self.centres.T) + (self.centres**2).sum(axis=1)[None, :]
        return np.array(self.names)[apart.argmin(axis=1)]


def find_slices(features: np.ndarray, y: np.ndarray, num_classes: int, seed: int) -> Slices:
    """Two to MOST_SLICES clusters of train rows with features (N, D) and labels (N,); the number with the best
    silhouette.

    The mean of its class is taken from each row first: clusters of raw features are mostly the classes themselves, and
    a slice that is a class says nothing about who is missing in one. After Sohoni et al., "No subclass left behind",
    2020, section 4, who cluster within each class. One slice where fewer than 2 LEAST_ROWS rows or no differences are.
    """
    features = np.asarray(features, np.float64)
    class_mean = _class_means(features, y, num_classes)
    residual = features - class_mean[y]
    std = residual.std(axis=0)
    scale = np.where(std > 1e-9 * max(float(np.abs(features).max(initial=0.0)), 1e-300), std, np.inf)
    rows = residual / scale
    order = numpy_generator(seed, "slices").permutation(len(rows))
    rows = rows[order[:FIT_ROWS]]
    most = min(MOST_SLICES, len(rows) // LEAST_ROWS, len(np.unique(rows, axis=0)) - 1)
    if most < 2:
        return Slices(np.zeros((1, features.shape[1])), class_mean, scale, 0.0)
    found = [_clustered(rows, k, seed) for k in range(2, most + 1)]
    centres, silhouette = max(found, key=lambda one: one[1])
    return Slices(centres, class_mean, scale, silhouette)


def _clustered(rows: np.ndarray, k: int, seed: int) -> tuple[np.ndarray, float]:
    """(centres (k, D), the largest cluster first; silhouette over at most SILHOUETTE_ROWS rows)."""
    with threadpool_limits(1, user_api="openmp"):
        model = KMeans(k, n_init=STARTS, random_state=child(seed, "slices", k) % 2**32).fit(rows)
    order = np.argsort(-np.bincount(model.labels_, minlength=k), kind="stable")
    labels = model.labels_[:SILHOUETTE_ROWS]
    apart = float(silhouette_score(rows[:SILHOUETTE_ROWS], labels)) if len(np.unique(labels)) > 1 else -1.0
    return model.cluster_centers_[order], apart


def _class_means(features: np.ndarray, y: np.ndarray, num_classes: int) -> np.ndarray:
    everyone = features.mean(axis=0) if len(features) else np.zeros(features.shape[1])
    means = [features[y == c].mean(axis=0) if (y == c).any() else everyone for c in range(num_classes)]
    return np.array(means)
