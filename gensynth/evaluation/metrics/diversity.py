"""How many different rows a set holds: the Vendi score, and its ratio to that of real rows."""

from __future__ import annotations

import math

import numpy as np

from gensynth.evaluation.metrics.metric import FeaturePair, Metric


def vendi(x: np.ndarray) -> float:
    """Vendi score of rows (N, D) under cosine similarity, 1 to N: exp of the entropy of the eigenvalues of K / N.

    Friedman & Dieng, "The Vendi score", 2023, definition 3.1. Rows of length 0 are left out. O(min(N, D)^2 max(N, D)).
    It looks at one set only, so junk raises it, and it grows with n: see `vendi_ratio`.

    >>> round(vendi(np.eye(5)), 6), round(vendi(np.ones((5, 3))), 6)
    (5.0, 1.0)
    """
    x = np.asarray(x, np.float64)
    lengths = np.linalg.norm(x, axis=1)
    unit = x[lengths > 0] / lengths[lengths > 0, None]
    if not len(unit):
        return 1.0
    n, d = unit.shape
    gram = unit @ unit.T if n <= d else unit.T @ unit
    values = np.linalg.eigvalsh(gram / n)
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))


def vendi_ratio(*, real: np.ndarray, fake: np.ndarray) -> float:
    """Vendi score of fake over that of real rows, at equal n: 1 is as varied as real rows, below 1 less.

    Both are shifted by the mean of the real rows first, since features far from 0 all point one way.
    ValueError for unequal n.

    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    >>> round(vendi_ratio(real=x, fake=x), 6), round(vendi_ratio(real=x, fake=x[[0, 0, 0]]), 2)
    (1.0, 0.53)
    """
    if len(real) != len(fake):
        raise ValueError(f"a Vendi score grows with n: expected equally many rows, got {len(real)} and {len(fake)}")
    mean = np.asarray(real, np.float64).mean(axis=0)
    return vendi(fake - mean) / vendi(real - mean)


class VendiRatio(Metric):
    """`vendi_ratio` of scaled features."""

    name, lower_is_better, bounds, ideal = "vendi_ratio", False, (0.0, math.inf), 1.0
    headline, place = False, 30

    def score(self, pair: FeaturePair) -> float:
        return vendi_ratio(real=pair.real_scaled, fake=pair.fake_scaled)
