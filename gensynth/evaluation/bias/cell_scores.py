"""How true synthetic rows are, cell by cell of label x group: what they cover of held-out rows, and how many are
copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gensynth.evaluation.bias.bias import share_entry
from gensynth.evaluation.bias.groups import groupings
from gensynth.evaluation.fidelity.fidelity import MIN_ROWS, K
from gensynth.evaluation.metrics.support import expected_coverage, membership
from gensynth.intervals import half_sample_interval
from gensynth.rng import numpy_generator
from gensynth.types import Entry

MOST_ROWS = 500  # of a cell
REPEATS = 5


@dataclass(frozen=True)
class Side:
    """Rows of one set: what is looked at (N, ...), labels (N,), group columns {name: (N,) text}."""

    values: np.ndarray
    y: np.ndarray
    groups: Mapping[str, np.ndarray]

    def cells(self) -> dict[tuple[str, int, str], np.ndarray]:
        """{(cut, class, group): row numbers} of the cells that have rows."""
        found = {}
        for cut, column in groupings(self.groups)[0].items():
            names, place = np.unique(column, return_inverse=True)
            code = np.asarray(self.y) * len(names) + place.reshape(-1)
            order = np.argsort(code, kind="stable")
            codes, starts = np.unique(code[order], return_index=True)
            for one, rows in zip(codes.tolist(), np.split(order, starts[1:]), strict=True):
                found[cut, one // len(names), str(names[one % len(names)])] = rows
        return found


def cell_copies(synthetic: Side, held_out: Side, classes: tuple[str, ...]) -> dict[str, list[Entry]]:
    """Share of the synthetic rows of each cell that are copies, {cut: [{"class", "group", "value", "low", "high",
    "n"}]}.

    values  of a side: bool (N,), whether the row is a copy of a train row
    `ceiling` is the share among held-out real rows of the cell, which is what real rows repeat of each other; None
    where it has none.
    """
    real = held_out.cells()
    out: dict[str, list[Entry]] = {}
    for key, rows in synthetic.cells().items():
        others = real.get(key, np.zeros(0, dtype=np.int64))
        usual = {"ceiling": float(held_out.values[others].mean()) if len(others) else None, "n_real": len(others)}
        entry = share_entry(int(synthetic.values[rows].sum()), len(rows)) | usual
        out.setdefault(key[0], []).append({"class": classes[key[1]], "group": key[2]} | entry)
    return out


def cell_coverage(
    *, synthetic: Side, held_out: Side, train: Side, noise: np.ndarray, classes: tuple[str, ...], seed: int
) -> dict[str, list[Entry]]:
    """Share of the held-out real rows of each cell that synthetic rows of it cover, {cut: [{"class", "group" ...}]}.

    values  of a side: features (N, D) in one space; noise (N, D): of rows that learned nothing, one for each held-out
            row
    Coverage after Naeem et al., 2020 (`support.prdc`), k = 5, at equal n: the fewest rows that any of the three sides
    has of the cell, at most MOST_ROWS; below MIN_ROWS not defined. `ceiling` is what as many train rows of the cell
    cover, `floor` what noise covers, `expected` the closed form for synthetic rows that are real. The interval is 95
    %, of halves without replacement, and no narrower than Wilson's.
    """
    sides, order = (held_out.cells(), synthetic.cells(), train.cells()), numpy_generator(seed, "cell coverage")
    out: dict[str, list[Entry]] = {}
    for key in sides[1]:
        rows = [order.permutation(side[key])[:MOST_ROWS] if key in side else np.zeros(0, np.int64) for side in sides]
        n, have = min(map(len, rows)), "{} held-out, {} synthetic, {} train".format(*map(len, rows))
        entry: Entry = {"value": None, "reason": f"not defined: n too small, {have}, {MIN_ROWS} needed"}
        if n >= MIN_ROWS:
            matched = zip((held_out, synthetic, train), rows, strict=True)
            real, fake, known = (side.values[own[:n]] for side, own in matched)
            entry = _covered(real, fake, known, noise[rows[0][:n]], order)
        out.setdefault(key[0], []).append({"class": classes[key[1]], "group": key[2]} | entry)
    return out


def _covered(
    real: np.ndarray, fake: np.ndarray, known: np.ndarray, noise: np.ndarray, order: np.random.Generator
) -> Entry:
    value, ceiling, floor = (coverage(real, side) for side in (fake, known, noise))
    halves = [[side[order.permutation(len(side))[: len(side) // 2]] for side in (real, fake)] for _ in range(REPEATS)]
    sure = share_entry(round(value * len(real)), len(real))
    low, high = half_sample_interval(value, np.array([coverage(*pair) for pair in halves]), (0.0, 1.0))
    n = len(real)
    entry = {"value": value, "low": min(low, sure["low"]), "high": max(high, sure["high"]), "n": n}
    expected = {"expected": expected_coverage(n, n, K), "expected_from": "closed form"}
    return entry | {"ceiling": ceiling, "floor": floor} | expected


def coverage(real: np.ndarray, fake: np.ndarray) -> float:
    """Share of real rows (N, D) whose ball, up to the fifth neighbour among them, holds one of the others (M, D)."""
    return float((membership(real=real, fake=fake, k=K).fakes_per_ball > 0).mean())
