"""Column and pair scores of tables: do single columns, and columns two by two, look like the real ones.

x is float64 (N, D) of modelled columns, missing NaN (see `data/columns.py`). A numeric column here is one of
numbers or dates with more than 20 distinct values in train; all others are compared category by category, missing
among them. Definitions as in SDMetrics' KSComplement, TVComplement, CorrelationSimilarity and
ContingencySimilarity, except that pairs of a numeric and a discrete column are cut at train's deciles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gensynth.data.columns import Column

FEW_VALUES = 20
ASSOCIATED = 0.3


def is_continuous(columns: list[Column], train: np.ndarray) -> np.ndarray:
    """Boolean (D,): numbers and dates with more than 20 distinct values in train."""
    distinct = [len(np.unique(train[~np.isnan(train[:, j]), j])) for j in range(train.shape[1])]
    return np.array([not c.discrete and n > FEW_VALUES for c, n in zip(columns, distinct, strict=True)])


def ks_complement(real: np.ndarray, fake: np.ndarray) -> float:
    """1 - largest distance of the two distribution functions over values that are not missing; 0 if a side has none.

    >>> ks_complement(np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 3, 9]))
    0.75
    """
    real, fake = np.sort(real[~np.isnan(real)]), np.sort(fake[~np.isnan(fake)])
    if not len(real) or not len(fake):
        return float(len(real) == len(fake))
    points = np.concatenate([real, fake])
    gap = np.searchsorted(real, points, "right") / len(real) - np.searchsorted(fake, points, "right") / len(fake)
    return 1.0 - float(np.abs(gap).max())


def tv_complement(real: np.ndarray, fake: np.ndarray) -> float:
    """1 - half the summed difference of the shares of all values, missing (NaN) as one value.

    >>> tv_complement(np.array([0.0, 0, 1, np.nan]), np.array([0.0, 1, 1, np.nan]))
    0.75
    """
    _, codes = np.unique(np.concatenate([real, fake]), return_inverse=True, equal_nan=True)
    shares = [np.bincount(part, minlength=codes.max() + 1) / len(part) for part in np.split(codes, [len(real)])]
    return 1.0 - 0.5 * float(np.abs(shares[0] - shares[1]).sum())


def shapes(continuous: np.ndarray, real: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """Shape of each column, (D,): KS complement of continuous ones, else TV complement."""
    return np.array(
        [(ks_complement if continuous[j] else tv_complement)(real[:, j], fake[:, j]) for j in range(real.shape[1])]
    )


@dataclass(frozen=True)
class Trends:
    """Score and strength of association in the real rows, (P,) each, of all pairs of columns."""

    scores: np.ndarray
    association: np.ndarray

    @property
    def all_pairs(self) -> float:
        return float(self.scores.mean()) if len(self.scores) else 1.0

    @property
    def associated(self) -> float | None:
        """Over pairs whose |correlation| or Cramer's V in the real rows exceeds 0.3; None without any."""
        strong = self.association > ASSOCIATED
        return float(self.scores[strong].mean()) if strong.any() else None


def trends(continuous: np.ndarray, train: np.ndarray, real: np.ndarray, fake: np.ndarray) -> Trends:
    """Pair scores: 1 - |difference of correlations| / 2, or 1 - TV of the contingency tables.

    Continuous columns are cut at the deciles of `train` where their partner is discrete.
    """
    codes = [_codes(continuous[j], train[:, j], real[:, j], fake[:, j]) for j in range(real.shape[1])]
    correlation = [_correlations(side[:, continuous]) for side in (real, fake)]
    place = np.cumsum(continuous) - 1
    scores, strength = [], []
    for i in range(real.shape[1]):
        for j in range(i + 1, real.shape[1]):
            if continuous[i] and continuous[j]:
                pair = [table[place[i], place[j]] for table in correlation]
                scores.append(1 - abs(pair[0] - pair[1]) / 2)
                strength.append(abs(pair[0]))
                continue
            sizes = codes[i][1], codes[j][1]
            tables = [
                np.bincount(a * sizes[1] + b, minlength=sizes[0] * sizes[1]) / len(a)
                for a, b in zip(codes[i][0], codes[j][0], strict=True)
            ]
            scores.append(1 - 0.5 * np.abs(tables[0] - tables[1]).sum())
            strength.append(cramers_v(tables[0].reshape(sizes)))
    return Trends(np.array(scores), np.array(strength))


def cramers_v(shares: np.ndarray) -> float:
    """Cramer's V of a table of shares (A, B).

    >>> cramers_v(np.array([[0.5, 0.0], [0.0, 0.5]])), round(cramers_v(np.full((2, 2), 0.25)), 6)
    (1.0, 0.0)
    """
    rows, columns = shares.sum(1), shares.sum(0)
    expected = rows[:, None] * columns[None]
    chi2 = float((((shares - expected) ** 2)[expected > 0] / expected[expected > 0]).sum())
    freedom = min((rows > 0).sum(), (columns > 0).sum()) - 1
    return float(np.sqrt(chi2 / freedom)) if freedom > 0 else 0.0


def _codes(continuous: bool, train: np.ndarray, real: np.ndarray, fake: np.ndarray) -> tuple[list[np.ndarray], int]:
    """Codes of the cells of both sides, and how many there are."""
    if continuous:
        edges = np.unique(np.nanquantile(train, np.linspace(0.1, 0.9, 9)))
        parts = [np.where(np.isnan(v), 10, np.searchsorted(edges, v, "right")).astype(int) for v in (real, fake)]
        return parts, 11
    values, codes = np.unique(np.concatenate([real, fake]), return_inverse=True, equal_nan=True)
    return [codes[: len(real)], codes[len(real) :]], len(values)


def _correlations(x: np.ndarray) -> np.ndarray:
    """Pearson correlations (D, D); missing cells take the column's mean, constant columns correlate 0."""
    mean = np.nanmean(x, axis=0) if len(x) else np.zeros(x.shape[1])
    centred = np.where(np.isnan(x), 0.0, x - mean)
    norm = np.sqrt((centred**2).sum(0))
    unit = np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 0)
    return unit.T @ unit


def missing_gap(real: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """Difference of the shares of missing cells, fake minus real, (D,)."""
    return np.isnan(fake).mean(0) - np.isnan(real).mean(0)


def category_coverage(real: np.ndarray, fake: np.ndarray) -> float:
    """Share of the distinct values of a discrete real column that occur among the fake ones.

    >>> category_coverage(np.array([0.0, 1, 2, 2]), np.array([0.0, 2]))
    0.6666666666666666
    """
    known = np.unique(real[~np.isnan(real)])
    return float(np.isin(known, fake).mean()) if len(known) else 1.0
