"""Singling out and linkability of tables: two of the three risks by which European data protection measures anonymity
(Article 29 Working Party, opinion 05/2014), as rates of success of an attacker who holds the synthetic rows.

Definitions of Giomi et al., "A unified framework for quantifying privacy risk in synthetic data" (PoPETs 2023): the
same attack is run on rows that were trained on and, as a control, on rows that were not; the risk is what it gains
there over the control, as a part of what there is to gain, with intervals from Wilson scores. No naive attack stands
beside it: the control succeeds more often than blind guesses do.
"""

from __future__ import annotations

import numpy as np
import torch

from gensynth.data.kinds import modality_of
from gensynth.data.table import TablePoints
from gensynth.evaluation.metrics.roc import Z, undefined
from gensynth.evaluation.privacy.columns import squared
from gensynth.evaluation.privacy.membership import MOST_SYNTHETIC, Roles
from gensynth.neighbours import row_chunks
from gensynth.rng import numpy_generator
from gensynth.types import Entry, LabelledData

GUESSES = 1_000
CANDIDATES = 4_000  # predicates that are tried; those that hold for one synthetic row alone become guesses
ATTRIBUTES = 3  # that a predicate speaks of
MOST_TARGETS = 2_000  # a side
LEAST_TRIED = 20
TIED = 1e-5  # squared distances closer than this are the same


def linkage_risks(roles: Roles, synthetic: LabelledData) -> dict[str, Entry]:
    """{"singling_out", "linkability"}: {"value": risk, "low", "high", "train", "control"}, the last two rates of
    success {"value", "low", "high", "n"} on members and non-members; empty for other kinds of data than tables."""
    columns = modality_of(roles.members.schema).columns(roles.members.schema)
    if not columns:
        return {}
    if len(columns) < 2 or min(len(roles.members), len(synthetic)) < LEAST_TRIED:
        reason = f"{len(columns)} columns, {len(roles.members)} members, {len(synthetic)} synthetic rows; " + (
            f"2 columns and {LEAST_TRIED} rows of each needed"
        )
        return {name: undefined(reason) for name in ("singling_out", "linkability")}
    random = numpy_generator(roles.seed, "linkage")
    drawn = synthetic[random.permutation(len(synthetic))[:MOST_SYNTHETIC]]
    sides = [
        side[random.permutation(len(side))[:MOST_TARGETS]].x.astype(np.float64)
        for side in (roles.members, roles.non_members)
    ]
    discrete = np.array([column.discrete for column in columns])
    guesses = single_out(drawn.x, discrete, random)
    alone = [guesses.counts(side) == 1 for side in sides]
    first = random.permutation(len(columns)) % 2 == 0
    points = [TablePoints([column], np.concatenate(sides)[:, [j]]) for j, column in enumerate(columns)]
    linked = [link(side, drawn.x, points, first) for side in sides]
    return {"singling_out": risk_entry(*alone), "linkability": risk_entry(*linked)}


class Guesses:
    """Predicates over rows: conjunctions of `x[:, column] == value` (way 0), `>= value` (1) or `<= value` (-1).

    column, value, way  (G, A); a missing cell equals a missing one and is neither above nor below
    """

    def __init__(self, column: np.ndarray, value: np.ndarray, way: np.ndarray) -> None:
        self.column, self.value, self.way = column, value, way

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, which: np.ndarray) -> Guesses:
        return Guesses(self.column[which], self.value[which], self.way[which])

    def counts(self, x: np.ndarray) -> np.ndarray:
        """For how many of the rows (N, D) each predicate holds, (G,)."""
        found = np.empty(len(self), dtype=np.int64)
        for part in row_chunks(len(self), len(x), 512):
            holds = np.ones((len(x), len(self.column[part])), dtype=bool)
            for column, value, way in zip(self.column[part].T, self.value[part].T, self.way[part].T, strict=True):
                cells = x[:, column]
                equal = (cells == value) | (np.isnan(cells) & np.isnan(value))
                holds &= equal | ((way > 0) & (cells > value)) | ((way < 0) & (cells < value))
            found[part] = holds.sum(axis=0)
        return found


def single_out(x: np.ndarray, discrete: np.ndarray, random: np.random.Generator) -> Guesses:
    """At most GUESSES predicates that hold for one synthetic row (M, D) alone, the multivariate attack of Giomi et al.:
    cells of a random row in ATTRIBUTES random columns; a category must be equal, a number at least as far from the
    median on its side."""
    shape = (CANDIDATES, min(ATTRIBUTES, x.shape[1]))
    column = random.random((CANDIDATES, x.shape[1])).argsort(axis=1)[:, : shape[1]]
    value = x[random.integers(0, len(x), CANDIDATES)[:, None], column].astype(np.float64)
    middle = np.array([np.median(cells[~np.isnan(cells)]) if (~np.isnan(cells)).any() else np.nan for cells in x.T])
    way = np.where(discrete[column] | np.isnan(value), 0, np.where(value >= middle[column], 1, -1))
    tried = Guesses(column, value, way)
    return tried[np.flatnonzero(tried.counts(x.astype(np.float64)) == 1)[:GUESSES]]


def link(targets: np.ndarray, synthetic: np.ndarray, points: list[TablePoints], first: np.ndarray) -> np.ndarray:
    """Whether a synthetic row is the nearest of a target (N, D) both by the `first` columns and by all others, (N,):
    who holds the two halves of a person's row in two files can tell that they belong together."""
    halves = []
    for half in (first, ~first):
        chosen = np.flatnonzero(half)
        halves.append(
            [
                torch.from_numpy(np.concatenate([points[j].transform(side[:, [j]]) for j in chosen], axis=1))
                for side in (targets, synthetic)
            ]
        )
    out = np.empty(len(targets), dtype=bool)
    for rows in row_chunks(len(targets), len(synthetic), 512):
        nearest = []
        for mine, theirs in halves:
            apart = squared(mine[rows], theirs)
            nearest.append(apart <= apart.min(dim=1, keepdim=True).values + TIED)
        out[rows] = (nearest[0] & nearest[1]).any(dim=1).numpy()
    return out


def risk_entry(on_train: np.ndarray, on_control: np.ndarray) -> Entry:
    """The risk from successes on rows that were trained on (G,) and on the control (G,), with its 95 % interval.

    >>> found = risk_entry(np.arange(100) < 60, np.arange(100) < 20)
    >>> round(found["value"], 3), round(found["low"], 3), round(found["high"], 3)
    (0.488, 0.359, 0.618)
    """
    if min(len(on_train), len(on_control)) < LEAST_TRIED:
        return undefined(f"{len(on_train)} guesses, {LEAST_TRIED} needed")
    (r, d), (c, e) = _wilson(on_train), _wilson(on_control)
    value = (r - c) / (1 - c)
    reach = float(np.hypot(d / (1 - c), e * (1 - r) / (1 - c) ** 2))
    rates = {
        name: {"value": float(side.mean()), "low": max(rate - half, 0.0), "high": min(rate + half, 1.0), "n": len(side)}
        for name, side, rate, half in (("train", on_train, r, d), ("control", on_control, c, e))
    }
    return {"value": value, "low": max(value - reach, -1.0), "high": min(value + reach, 1.0), **rates}


def _wilson(successes: np.ndarray) -> tuple[float, float]:
    """Middle and half width of the 95 % Wilson interval of a rate."""
    n, hits = len(successes), float(successes.sum())
    middle = (hits + Z**2 / 2) / (n + Z**2)
    return middle, float(Z / (n + Z**2) * np.sqrt(hits * (n - hits) / n + Z**2 / 4))
