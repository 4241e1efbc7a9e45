"""How varied the rows of a class are, and whether they lie where real rows lie: statistics of their distances."""

from __future__ import annotations

import numpy as np

from gensynth.evaluation.fidelity.exchange import (
    Statistic,
    against_chance,
    distance_table,
    energy,
    mean_over,
    neighbour_logs,
    pair_mean,
    rank_z,
    superiority,
)
from gensynth.neighbours import nearest_distances

# Least sizes: of distances, as a part of those of rows called synthetic at random.
CLOSE, SHRUNK, SHRUNK_LITTLE, FAR, ELSEWHERE, MISSED = 0.35, 0.75, 0.93, 1.12, 1.2, 1.2
OUTSIDE = 0.9  # share of rows farther from real rows than 19 of 20 real ones are
APART = 0.025  # energy distance
SURE = 2.0  # standard deviations
PAIRS, TIES = 0.7, 0.15
CLEAR = 0.2  # by how much the chance that a synthetic row exceeds a real one differs from a half
MOST_PAIRS = 2_000  # of columns
MISSES = "misses a part of its variety: energy distance to real rows {:.2f}"
MISSES_NEAR = "misses a part of its variety: the nearest row to a real one lies {:.2f} times as far as a real one"
AWAY = "rows lie elsewhere than real ones: energy distance {:.2f}"


def distance_statistics(points: np.ndarray, called: np.ndarray, outside: float) -> list[Statistic]:
    """Of points (N, P) of a class, real rows first: too close together, too little spread, far from real rows (as noise
    is, or less), real rows without a synthetic one near.

    outside  share of the synthetic rows that lie farther from real rows of any class than 19 of 20 real ones do
    """
    table = distance_table(points)
    to_synthetic, to_real, gaps = neighbour_logs(table, called)
    close, apart = against_chance(-mean_over(to_synthetic, called))
    shrunk, less = against_chance(-np.log(pair_mean(table, called) + 1e-12))
    far = against_chance(mean_over(to_real, called))[0]
    between, beyond = against_chance(mean_over(gaps, called))
    missed, lost = against_chance(mean_over(to_synthetic, ~called))
    differ = energy(table, called)
    other, gap = against_chance(np.sqrt(differ))[0], float(differ[0] - differ[1:].mean())
    # Else real rows are missed because the synthetic ones lie elsewhere.
    within = beyond < np.log(ELSEWHERE) or between[0] < SURE

    def line(code: str, z: np.ndarray, effect: float, least: float, text: str, sign: int = 1) -> Statistic:
        return Statistic(code, z, effect, least, lambda e: text.format(np.exp(sign * e)))

    alike = "rows are alike: the nearest lies {:.2f} times as far as among real rows"
    little = "rows vary too little: they lie {:.2f} times as far apart as real rows"
    return [
        Statistic("noise", far, outside, OUTSIDE, lambda e: f"looks like no real row: {e:.0%} lie farther out"),
        line("collapse", close, apart, -np.log(CLOSE), alike, -1),
        line("collapse", shrunk, less, -np.log(SHRUNK), little, -1),
        line("low_variety", shrunk, less, -np.log(SHRUNK_LITTLE), little, -1),
        line("mode_drop", missed, lost if within else 0.0, np.log(MISSED), MISSES_NEAR),
        Statistic("mode_drop", other, gap if within else 0.0, APART, MISSES.format),
        line("off_support", between, beyond, np.log(FAR), "rows lie in gaps between real ones: {:.2f} times as far"),
        Statistic("off_support", other, 0.0 if within else gap, APART, AWAY.format),
    ]


def outside(real: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Whether rows (M, P) lie farther from the nearest real row (N, P) than 19 of 20 real ones do, (M,)."""
    if len(real) < 2:
        return np.zeros(len(rows), dtype=bool)
    usual = nearest_distances(real, real, 1, exclude_self=True)[0][:, 0]
    return nearest_distances(rows, real, 1)[0][:, 0] > np.quantile(usual, 0.95)


def column_statistics(points: np.ndarray, cells: np.ndarray, called: np.ndarray) -> list[Statistic]:
    """Of a table's class, real rows first: columns that go together otherwise, numbers that take few values, and each
    column of numbers that varies too little.

    points  (N, P) standardised columns and categories; cells (N, D): its numbers, missing ones NaN
    """
    real = ~called[0]
    spread = points[real].std(axis=0)
    x = (points[:, spread > 0] - points[real][:, spread > 0].mean(axis=0)) / spread[spread > 0]
    one, other = (side[:MOST_PAIRS] for side in np.triu_indices(x.shape[1], 1))
    out = []
    if len(one):
        squares = (rank_z(x[:, one] * x[:, other], called) ** 2).mean(axis=1)
        z, gap = against_chance(np.log(squares + 1e-12))
        out.append(Statistic("combinations", z, gap, PAIRS, lambda e: "columns do not go together as in real rows"))
    if cells.shape[1]:
        equal = np.mean([column[:, None] == column[None, :] for column in cells.T], axis=0)
        z, gap = against_chance(pair_mean(equal, called))
        text = "numbers take few values: two rows share {:.0%} more of them than real rows do"
        out.append(Statistic("coarse_values", z, gap, TIES, text.format))
        middle = np.nan_to_num(np.nanmedian(np.where(np.isnan(cells).all(axis=0), 0.0, cells), axis=0))
        z = -rank_z(np.nan_to_num(np.abs(cells - middle)), called)
        m = int(called[0].sum())
        for j in range(cells.shape[1]):
            above = superiority(z[0, j], len(called[0]) - m, m) - 0.5
            out.append(
                Statistic("low_variety", z[:, j], above, CLEAR, lambda e: "a column of numbers varies too little")
            )
    return out
