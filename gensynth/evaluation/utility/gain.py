"""Differences between arms: how large, how sure, together with those of other arms, and against the best of several.

The variance of a difference joins two sources of chance, the test rows and the seed of classifier and left-out rows,
as a two-way layout does (Searle, Casella and McCulloch, "Variance components", 1992): what rows and seeds share, the
luck of one seed on one row, stands in both parts and is counted once. Intervals of several differences hold together:
their common width is the quantile of the largest of all (max-t; Hothorn, Bretz and Westfall, "Simultaneous inference
in general parametric models", 2008).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv, stdtr, stdtrit

from gensynth.evaluation.metrics.classification import PRECISION
from gensynth.intervals import LEVEL, Difference
from gensynth.rng import numpy_generator

DRAWS, LEVELS = 20_000, 500  # of the largest of several differences; quantiles of its scale
# Chosen by simulation (scripts/bench_verdict.py): a class whose few test rows all agree is not certain for that.
ROWS_MORE, FREEDOM_MORE = 0.1, 5
OF_ONE_CLASS = (
    "auc",
    "ap_rarest",
    f"recall_at_precision_{PRECISION}",
    "calibration_slope",
)  # the rarest against the rest
POWER = 0.8  # with which the smallest gain would have been seen


@dataclass(frozen=True)
class Estimates:
    """A differences of one metric: mean, standard error and degrees of freedom (A,), correlations (A, A).

    by_rows  the part of the variance (A,) that more test rows would lessen
    """

    mean: np.ndarray
    error: np.ndarray
    freedom: np.ndarray
    correlation: np.ndarray
    by_rows: np.ndarray

    @property
    def p(self) -> np.ndarray:
        """Two-sided p-values (A,), each as if it were the only one."""
        return np.asarray(2 * stdtr(self.freedom, -np.abs(self.mean) / self.error))


def estimate(
    values: np.ndarray,
    resampled: np.ndarray,
    labels: np.ndarray,
    metric: str,
    generators: int = 1,
    by_fold: np.ndarray | None = None,
) -> Estimates:
    """From differences of each seed (A, S), and those over test rows drawn again within their class (A, R, B).

    R is S, or 1 where rows were drawn again for one seed alone: then shared luck is not told apart, and intervals are
    wider. With `generators` > 1, seed s used generator s modulo that number, and the variance between generators takes
    the place of that between seeds.
    by_fold  differences of each fold (A, F), where every fold's rows were held out from a training of its own. What
             folds differ by beyond rows and seeds is the luck of training rows. Those of different folds overlap, so
             this part counts 1/F + 1/(F - 1) times (Nadeau and Bengio, "Inference for the generalization error", 2003,
             section 3), the second term being test rows over training rows.
    """
    units = values
    if generators > 1:
        units = np.stack([values[:, g::generators].mean(axis=1) for g in range(generators)], axis=1)
    seeds, count = values.shape[1], units.shape[1]
    factor, more, row_freedom = _rows(labels, metric)
    by_rows = factor * resampled.mean(axis=1).var(axis=1, ddof=1)
    shared = 0.0
    if resampled.shape[1] > 1:
        shared = (factor * resampled.var(axis=2, ddof=1).mean(axis=1) - by_rows) / (seeds - 1)
    by_rows = by_rows + more
    by_seed = np.maximum(units.var(axis=1, ddof=1) / count - shared, 0.0)
    by_training, folds = _by_training(by_fold, by_rows + by_seed)
    variance = by_rows + by_seed + by_training
    parts = by_rows**2 / row_freedom + by_seed**2 / (count - 1) + by_training**2 / max(folds - 1, 1)
    freedom = variance**2 / parts
    apart = more + by_training
    together = factor * _covariance(resampled.mean(axis=1)) + _covariance(units) / count + np.diag(apart)
    spread = np.sqrt(np.diagonal(together)) + 1e-12
    correlation = together / np.outer(spread, spread)
    np.fill_diagonal(correlation, 1.0)
    return Estimates(values.mean(axis=1), np.sqrt(variance), freedom, correlation, by_rows)


def _by_training(by_fold: np.ndarray | None, of_mean: np.ndarray) -> tuple[np.ndarray, int]:
    """Variance (A,) by the luck of training rows, and the number of folds; `of_mean` (A,): of rows and seeds in the
    mean of all folds."""
    if by_fold is None or by_fold.shape[1] < 2:
        return np.zeros_like(of_mean), 1
    folds = by_fold.shape[1]
    between = np.maximum(by_fold.var(axis=1, ddof=1) - folds * of_mean, 0.0)
    return between * (1 / folds + 1 / (folds - 1)), folds


def _covariance(values: np.ndarray) -> np.ndarray:
    """(A, A) of (A, n)."""
    return np.atleast_2d(np.cov(values))


def _rows(labels: np.ndarray, metric: str) -> tuple[float, float, float]:
    """What the number of rows of each class says: by how much a resampled variance is too small, the variance of
    ROWS_MORE further rows of each class, degrees of freedom."""
    counts = np.bincount(labels)
    counts = counts[counts > 0].astype(np.float64)
    if metric == "worst_class_recall":
        counts = counts[[counts.argmin()]]
    elif metric in OF_ONE_CLASS and len(counts) > 1:
        counts = np.array([counts.min(), counts.sum() - counts.min()])
    fewer = np.maximum(counts - 1, 1) / counts
    shares = 1 / counts  # of the variance, if rows of all classes vary alike
    more = ROWS_MORE * float(((1 / (len(counts) * counts)) ** 2).sum())
    freedom = shares.sum() ** 2 / (shares**2 / (counts - 1 + FREEDOM_MORE)).sum()
    return float(shares.sum() / (shares * fewer).sum()), more, float(freedom)


def together(found: Estimates) -> list[Difference]:
    """The differences with intervals that all hold in 95 % of cases, and p-values of the same kind."""
    largest = np.abs(_studentised(found)).max(axis=1)
    reach = float(np.quantile(largest, 1 - LEVEL))
    sizes = np.abs(found.mean) / found.error
    p = [(1 + int((largest >= size).sum())) / (1 + DRAWS) for size in sizes]
    width = reach * found.error
    return [
        Difference(*map(float, line))
        for line in zip(found.mean, found.mean - width, found.mean + width, p, strict=True)
    ]


def alone(found: Estimates) -> Difference:
    """The first difference with an interval of its own, for a comparison that is not one of several."""
    mean, error, freedom = float(found.mean[0]), float(found.error[0]), float(found.freedom[0])
    width = float(stdtrit(freedom, 1 - LEVEL / 2)) * error
    return Difference(mean, mean - width, mean + width, float(2 * stdtr(freedom, -abs(mean) / error)))


def against_best(found: Estimates) -> tuple[int, Difference]:
    """The smallest of the differences, that to the best of the others: which it is, and its interval.

    Below, a gain over the best is one over every other, so each is asked at its own level; above, the bounds must hold
    together, since any may be the best (Hsu, "Simultaneous confidence intervals for all distances from the best",
    1981). p is two-sided, the larger of what both ends say.
    """
    best = int(found.mean.argmin())
    each = stdtrit(found.freedom, 1 - LEVEL / 2)
    drawn = _studentised(found)
    largest = drawn.max(axis=1)
    reach = float(np.quantile(largest, 1 - LEVEL / 2))
    low, high = (found.mean - each * found.error).min(), (found.mean + reach * found.error).min()
    above = float(stdtr(found.freedom, -found.mean / found.error).max())
    below = (1 + int((largest >= (-found.mean / found.error).max()).sum())) / (1 + DRAWS)
    return best, Difference(float(found.mean[best]), float(low), float(high), min(1.0, 2 * min(above, below)))


def smallest_gain(found: Estimates, which: int) -> float:
    """The gain that would have been seen in four of five cases: what the test rows could show."""
    freedom = found.freedom[which]
    return float((stdtrit(freedom, 1 - LEVEL / 2) + stdtrit(freedom, POWER)) * found.error[which])


def rows_needed(
    found: Estimates, which: int, changes: np.ndarray, labels: np.ndarray, gain: float
) -> tuple[int | None, int | None]:
    """How many test rows would show so small a gain in balanced accuracy: (class, its rows), (None, all rows) where
    those of one class are not enough, (None, None) where seeds alone blur it. Two digits are given.

    changes  of each test row (N,): right in one arm minus right in the other, mean over seeds
    """
    freedom = found.freedom[which]
    wanted = float((gain / (stdtrit(freedom, 1 - LEVEL / 2) + stdtrit(freedom, POWER))) ** 2)
    left = wanted - float(found.error[which] ** 2 - found.by_rows[which])
    if left <= 0:
        return None, None
    classes = np.unique(labels)
    counts = np.array([(labels == c).sum() for c in classes])
    parts = np.array([changes[labels == c].var() / n + ROWS_MORE / n**2 for c, n in zip(classes, counts, strict=True)])
    parts *= found.by_rows[which] / parts.sum()
    widest = int(parts.argmax())
    left_for_widest = left - (parts.sum() - parts[widest])
    if left_for_widest > 0:
        return int(classes[widest]), _rounded(counts[widest] * parts[widest] / left_for_widest)
    return None, _rounded(len(labels) * parts.sum() / left)


def _rounded(rows: float) -> int:
    step = 10 ** max(0, int(np.log10(max(rows, 1))) - 1)
    return int(np.ceil(rows / step)) * step


def _studentised(found: Estimates) -> np.ndarray:
    """Differences over their standard errors (DRAWS, A), drawn where all true ones are 0."""
    order = numpy_generator(0, "utility", "largest difference")
    values, vectors = np.linalg.eigh(found.correlation)
    normal = order.standard_normal((DRAWS, len(values))) @ (vectors * np.sqrt(values.clip(0))).T
    half, levels = found.freedom / 2, (np.arange(LEVELS)[:, None] + 0.5) / LEVELS
    scale = np.sqrt(gammaincinv(half, levels) / half)  # chi-squared over its degrees of freedom, by its quantiles
    return normal / scale[order.integers(LEVELS, size=DRAWS)]
