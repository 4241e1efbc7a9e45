"""Do synthetic rows differ from real rows of their class, in which of many ways, at any number of rows?

If they do not, which of the rows are called synthetic is a matter of chance: calling others so gives the distribution
of every statistic, and that of the largest one over all statistics and classes at once, which is what a p-value is
taken from (Westfall and Young, "Resampling-based multiple testing", 1993, maxT). So the chance of one false alarm in
the whole set is what is stated, at any number of rows, classes and statistics.

Legend: N rows of a class, real ones first, M synthetic among them, B other ways to call M of them synthetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import hypergeom, rankdata

WAYS = 999
STRETCHED = 3.0
ALL = -1  # in the place of a class: all of them together
Named = tuple[int, str, str]  # class or ALL, code of a fault, what is wrong in words
NEAREST = 24
EQUAL = 0.1  # of the usual distance: below it, logs of distances differ little


@dataclass(frozen=True)
class Statistic:
    """One statistic of one class, in the direction of its fault.

    z       (B + 1,) standardised, the first that of the rows as they are
    effect  how large it is, whatever the number of rows; least: from where on it matters
    text    of an effect, what is wrong in words
    """

    code: str
    z: np.ndarray
    effect: float
    least: float
    text: Callable[[float], str]

    @property
    def large(self) -> bool:
        return self.effect >= self.least


def ways(real: int, synthetic: int, order: np.random.Generator, count: int = WAYS) -> np.ndarray:
    """Which rows are called synthetic, bool (B + 1, N): first those that are, then others drawn at random."""
    n = real + synthetic
    out = np.zeros((count + 1, n), dtype=bool)
    out[0, real:] = True
    np.put_along_axis(out[1:], np.argsort(order.random((count, n)), axis=1)[:, :synthetic], True, axis=1)
    return out


def rank_z(values: np.ndarray, called: np.ndarray) -> np.ndarray:
    """Rank sums of the rows called synthetic, (B + 1, J), standardised as if no two of the values (N, J) were equal.

    Ties make the sums vary less: so a value that only a few rows have never counts for much.
    """
    n, m = called.shape[1], int(called[0].sum())
    centred = rankdata(values, axis=0) - (n + 1) / 2
    return called.astype(np.float64) @ centred / np.sqrt(m * (n - m) * (n + 1) / 12)


def superiority(z: float, real: int, synthetic: int) -> float:
    """Chance that a synthetic row exceeds a real one, of `rank_z`; ties count half."""
    return float(0.5 + z * np.sqrt((real + synthetic + 1) / (12 * real * synthetic)))


def largest_z(real: int, synthetic: int) -> float:
    """`rank_z` where every synthetic row exceeds every real one.

    >>> round(largest_z(12, 12), 2), round(largest_z(12, 5), 2)
    (4.16, 3.16)
    """
    return float(np.sqrt(3 * real * synthetic / (real + synthetic + 1))) if real and synthetic else 0.0


def rows_needed(z: float) -> int:
    """Rows of each side from which `largest_z` reaches z.

    >>> rows_needed(4.1)
    12
    """
    return int(np.ceil((z**2 + np.sqrt(z**4 + 3 * z**2)) / 3))


def distance_table(points: np.ndarray) -> np.ndarray:
    """Euclidean distances (N, N) of points (N, P)."""
    x = points.astype(np.float64)
    x -= x.mean(axis=0)
    lengths = (x**2).sum(axis=1)
    squared = lengths[:, None] + lengths[None, :] - 2 * x @ x.T
    squared[squared < 1e-9 * lengths.mean()] = 0.0  # equal rows, but for rounding
    return np.sqrt(squared)


def neighbour_logs(distances: np.ndarray, called: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log distance of every row to its nearest other row among those called synthetic, and among the rest, (B + 1, N);
    last, by how much the latter exceeds that of the neighbour itself: above what is usual where rows lie in gaps of the
    rest, but not where the rest is sparse.

    Of a row without such a neighbour among its NEAREST, the distance to the last of those counts.
    """
    n = len(distances)
    apart = distances + np.diag(np.full(n, np.inf))
    k = min(NEAREST, n - 1)
    near = np.argsort(apart, axis=1, kind="stable")[:, :k]
    lengths = np.take_along_axis(apart, near, axis=1)
    logs = np.log(lengths + EQUAL * np.median(lengths) + 1e-12)
    out = []
    for side in (called, ~called):
        of_side = side[:, near]  # (B + 1, N, k)
        place = np.where(of_side.any(axis=2), of_side.argmax(axis=2), k - 1)
        out.append(logs[np.arange(n), place])
    neighbour = near[np.arange(n), place]
    return out[0], out[1], out[1] - np.take_along_axis(out[1], neighbour, axis=1)


def mean_over(values: np.ndarray, called: np.ndarray) -> np.ndarray:
    """Mean of values (B + 1, N) over the rows called so, (B + 1,)."""
    return np.where(called, values, 0.0).sum(axis=1) / called.sum(axis=1)


def pair_mean(table: np.ndarray, called: np.ndarray) -> np.ndarray:
    """Mean of a table (N, N), its diagonal left out, over pairs of rows called so, (B + 1,)."""
    side = called.astype(np.float64)
    m = side.sum(axis=1)
    inner = ((side @ table) * side).sum(axis=1) - side @ np.diagonal(table)
    return inner / np.maximum(m * (m - 1), 1)


def energy(table: np.ndarray, called: np.ndarray) -> np.ndarray:
    """How different rows called synthetic and the others are, (B + 1,): 0 for equal distributions, at most 1.

    Szekely and Rizzo, "Energy statistics", 2013, section 2: 2 E|X - Y| - E|X - X'| - E|Y - Y'|, here over 2 E|X - Y|.
    """
    side = called.astype(np.float64)
    m = side.sum(axis=1)
    to_side, to_all = side @ table, table.sum(axis=1)
    inner, crossing = (to_side * side).sum(axis=1), (to_side * (1 - side)).sum(axis=1)
    rest = ((to_all - to_side) * (1 - side)).sum(axis=1)
    n = called.shape[1] - m
    between = crossing / (m * n)
    return np.clip(2 * between - inner / m**2 - rest / n**2, 0, None) / np.maximum(2 * between, 1e-12)


def against_chance(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Values (B + 1,) by mean and standard deviation of the B drawn ones, and how far the first lies above that mean.

    Above STRETCHED, z grows as its logarithm: its order stays, and so its p-value if it stood alone, but a long tail
    does not decide for all other statistics how large the largest may be by chance.
    """
    mean, spread = values[1:].mean(), values[1:].std()
    gap = float(values[0] - mean)
    if spread <= 1e-9:
        return np.zeros_like(values), gap
    z = (values - mean) / spread
    return np.where(z > STRETCHED, STRETCHED + np.log(np.maximum(z - STRETCHED + 1, 1)), z), gap


def together(classes: Sequence[Sequence[Statistic]]) -> list[Statistic]:
    """The statistics of several classes as those of all of them: sums of z, means of effects."""
    return [
        replace(
            same[0],
            z=np.sum([one.z for one in same], axis=0) / np.sqrt(len(same)),
            effect=float(np.mean([one.effect for one in same])),
        )
        for same in zip(*classes, strict=True)
    ]


def corrected(statistics: Sequence[Statistic], alpha: float) -> tuple[np.ndarray, float]:
    """(p of each statistic, corrected for all of them, (S,); the z from which p falls below alpha)."""
    if not statistics:
        return np.zeros(0), np.inf
    most = np.max([one.z[1:] for one in statistics], axis=0)
    p = (1 + (most >= np.array([one.z[0] for one in statistics])[:, None]).sum(axis=1)) / (len(most) + 1)
    return p, float(np.quantile(most, 1 - alpha))


def more_often(hits: np.ndarray, rows: np.ndarray, real_hits: np.ndarray, real_rows: np.ndarray) -> np.ndarray:
    """p (C + 1,) of as many hits among synthetic rows if each class's hits fell on its rows at random: of every class
    alone (Fisher's exact test), last of all classes together, exactly.

    >>> one = more_often(*(np.array([n]) for n in (3, 4, 1, 4)))  # Fisher's tea: 17 of 70
    >>> one.round(3).tolist()
    [0.243, 0.243]
    """
    p, total = [], np.ones(1)
    for hit, n, real_hit, real_n in zip(hits, rows, real_hits, real_rows, strict=True):
        chance = hypergeom(n + real_n, hit + real_hit, n).pmf(np.arange(n + 1))
        p.append(chance[hit:].sum())
        total = np.convolve(total, chance)
    return np.minimum([*p, total[int(hits.sum()) :].sum()], 1.0)
