"""How sure a score is: intervals of means and shares, p-values, Holm's correction for many comparisons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

LEVEL = 0.05
LEVEL_OF_Z = float(2 * ndtr(-1.959964))  # of a quantile with the digits of printed tables


@dataclass(frozen=True)
class Difference:
    """A mean, or a mean difference, with its 95 % interval and two-sided p-value for 0."""

    mean: float
    low: float
    high: float
    p: float


def joint_estimate(
    per_seed: np.ndarray, resampled: np.ndarray, labels: np.ndarray, metric: str, generators: int = 1
) -> Difference:
    """Mean over seeds: variance between seeds (S,) plus that over resampled test rows (B,).

    The variance of two more rows is added (Agresti and Min, 2005; Bonett and Price, 2012): without it, arms
    that differ on four rows of thousands would differ for certain, and a perfect score would be certain. The t
    quantile takes the degrees of freedom of Welch (1947) and Satterthwaite (1946): near S - 1 where the seeds
    dominate, near the number of test rows where those do. With `generators` > 1, seed s used generator s modulo
    that number, and the variance is that between generators, which is what a person meets who trains again.

    >>> one_class = np.zeros(10_000, dtype=np.int64)
    >>> found = joint_estimate(np.array([0.8, 0.9, 1.0]), np.full(9, 0.9), one_class, "balanced_accuracy")
    >>> round(found.low, 3), round(found.high, 3)  # 0.9 -+ 4.303 * 0.1 / sqrt(3)
    (0.652, 1.148)
    """
    units = per_seed
    if generators > 1:
        units = np.array([per_seed[g::generators].mean() for g in range(generators)])
    by_seed = units.var(ddof=1) / len(units)
    by_rows = resampled.var(ddof=1) + 2.0 * row_weight(labels, metric) ** 2
    freedom = (by_seed + by_rows) ** 2 / (by_seed**2 / (len(units) - 1) + by_rows**2 / max(len(labels) - 1, 1))
    std = np.sqrt(by_seed + by_rows)
    mean, reach = float(per_seed.mean()), float(stdtrit(freedom, 1 - LEVEL / 2) * std)
    return Difference(mean, mean - reach, mean + reach, float(2 * stdtr(freedom, -abs(mean) / std)))


def row_weight(labels: np.ndarray, metric: str) -> float:
    """By how much one test row moves the metric: root mean square over classes, or at the smallest class.

    >>> row_weight(np.array([0, 0, 1, 1]), "balanced_accuracy"), row_weight(np.array([0, 1, 1]), "worst_class_recall")
    (0.25, 1.0)
    """
    counts = np.bincount(labels)
    counts = counts[counts > 0]
    if metric == "worst_class_recall":
        return float(1.0 / counts.min())
    return float(np.sqrt(np.mean((1.0 / (len(counts) * counts)) ** 2)))


def holm(p: np.ndarray) -> np.ndarray:
    """p-values (C,) of C comparisons, corrected so that one false alarm among all of them has the stated chance.

    Holm, "A simple sequentially rejective multiple test procedure", 1979.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    # Written out, since statsmodels collects the garbage of the whole process at every call.
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(np.asarray(p, np.float64)[order] * (len(p) - np.arange(len(p))))
    out = np.empty(len(p))
    out[order] = np.minimum(raised, 1.0)
    return out


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share of n rows (Wilson, 1927).

    >>> low, high = wilson_interval(0.85, 1000)
    >>> round(low, 3), round(high, 3)
    (0.827, 0.871)
    """
    z2 = float(ndtri(1 - LEVEL_OF_Z / 2)) ** 2  # written out: statsmodels loads half of a data stack for two lines
    middle, spread = share + z2 / (2 * n), np.sqrt(z2 * (share * (1 - share) + z2 / (4 * n)) / n)
    return float((middle - spread) / (1 + z2 / n)), float((middle + spread) / (1 + z2 / n))


def share_difference(share: float, n: int, other: float, m: int) -> Difference:
    """A share of n rows minus a share of m other rows; interval of Newcombe (1998, method 10), p of the pooled z test.

    >>> found = share_difference(56 / 70, 70, 48 / 80, 80)
    >>> round(found.mean, 2), round(found.low, 4), round(found.high, 4)
    (0.2, 0.0524, 0.3339)
    """
    counts = share * n, other * m
    from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

    low, high = confint_proportions_2indep(counts[0], n, counts[1], m, method="newcomb", alpha=LEVEL_OF_Z)
    p = proportions_ztest(counts, (n, m))[1] if 0 < sum(counts) < n + m else 1.0
    return Difference(share - other, float(low), float(high), float(p))


def half_sample_interval(value: float, halves: np.ndarray, bounds: tuple[float, float]) -> tuple[float, float]:
    """95 % interval round `value` from its spread (repeats,) over halves drawn without replacement.

    A half without replacement varies by (1 - 1/2) s^2 / (n/2) = s^2 / n, just as much as all n rows vary
    from sample to sample (Politis and Romano, 1994), so the spread needs no further factor. Only the spread
    of the halves is used: their mean belongs to n/2. Drawing with replacement would make zero distances.

    >>> low, high = half_sample_interval(0.5, np.array([0.4, 0.5, 0.6]), (0.0, 1.0))
    >>> round(low, 3), round(high, 3)  # t quantile 4.303 of 2 degrees of freedom times 0.1
    (0.07, 0.93)
    """
    reach = float(stdtrit(len(halves) - 1, 0.975) * halves.std(ddof=1))
    return max(value - reach, bounds[0]), min(value + reach, bounds[1])
