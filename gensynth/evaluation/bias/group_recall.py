"""Whom synthetic rows help: recall of every label x group cell of the test rows, with synthetic rows and without,
paired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit
from scipy.stats import random_table

from gensynth.evaluation.bias.groups import combined, groupings
from gensynth.evaluation.metrics.classification import RESAMPLES
from gensynth.evaluation.utility.utility import UtilityResult
from gensynth.evaluation.utility.verdict import BASELINE, CANDIDATE
from gensynth.intervals import LEVEL, joint_estimate
from gensynth.rng import numpy_generator
from gensynth.types import Entry

LEAST_ROWS = 20
PERMUTATIONS = 200
SIDES = ("without", "with")


@dataclass(frozen=True)
class Recalls:
    """Recall of C cells by two arms, first without synthetic rows, then with them.

    cut, label, group  of each cell (C,): name of the cut, class number, value
    n                  test rows int64 (C,)
    per_seed           (2, S, C); resampled: (2, B, C), mean over seeds, for test rows drawn again within their class
    permuted           (2, P, C), mean over seeds, for groups dealt out anew to the test rows of each class
    generators         how many the seeds went through
    """

    cut: list[str]
    label: np.ndarray
    group: list[str]
    n: np.ndarray
    per_seed: np.ndarray
    resampled: np.ndarray
    permuted: np.ndarray
    generators: int


def group_recall(
    result: UtilityResult, groups: Mapping[str, np.ndarray], candidate: str = CANDIDATE, baseline: str = BASELINE
) -> dict[str, Any]:
    """Recall by class and group of the first classifier on the test rows, whose group columns are {name: (N,) text}.

    tables  {cut: {"cells": [{"class", "group", "n", "few", "without", "with", "difference"}],
            "groups": {group: the same, of the mean over its classes}, "gap": {"without", "with"}}}
    worst   {"without", "with", "difference"}: the lowest recall of a cell with at least LEAST_ROWS test rows in any cut
            (worst-group accuracy: Sagawa et al., "Distributionally robust neural networks for group shifts", 2020,
            section 2), with its cell; or {"value": None, "reason"}
    gap     over the classes, the largest difference of recall between two groups of at least LEAST_ROWS test rows: of
            two classes the equalised-odds difference (Hardt et al., "Equality of opportunity in supervised learning",
            2016, definition 2.1)
    Entries hold value, low, high, n: 95 %, seeds and test rows joined as in `joint_estimate`, differences paired. The
    gap and the worst cell are extremes, off 0 and off the mean by chance alone: `expected` is their mean where groups
    are equal, with groups dealt out anew to the test rows of each class, and the interval of the gap is `_gap`'s. That
    of the worst cell is the one of this cell.
    """
    classes = tuple(result.per_class_recall[baseline])
    cuts, left_out = groupings(groups)
    found = recalls(result, groups, cuts, candidate, baseline)
    return {
        "learner": result.classifiers[0],
        "seeds": len(result.seeds),
        "n": len(result.labels),
        "least_rows": LEAST_ROWS,
        "tables": {cut: _table(found, cut, classes) for cut in cuts},
        "left_out": left_out,
        "worst": _worst(found, classes),
    }


def recalls(
    result: UtilityResult,
    groups: Mapping[str, np.ndarray],
    cuts: Mapping[str, np.ndarray],
    candidate: str,
    baseline: str,
) -> Recalls:
    """Recalls of all cells of all cuts that have test rows."""
    classifier, labels = result.classifiers[0], result.labels
    hits = np.stack([result.predictions[arm, classifier] == labels for arm in (baseline, candidate)])
    finest = combined([np.asarray(cells, str) for cells in groups.values()])
    _, first, atom = np.unique(
        np.stack([labels, np.unique(finest, return_inverse=True)[1].reshape(-1)]),
        axis=1,
        return_index=True,
        return_inverse=True,
    )
    atom = atom.reshape(-1)
    keys = [
        (name, c, value)
        for name, cells in cuts.items()
        for c, value in sorted(set(zip(labels[first].tolist(), cells[first].tolist(), strict=True)))
    ]
    inside = [(labels[first] == c) & (cuts[name][first] == value) for name, c, value in keys]
    belongs = np.stack(inside, axis=1).astype(np.float64)  # (atoms, C)
    n = np.bincount(atom, minlength=len(first)) @ belongs
    right_in = np.array([[np.bincount(atom[seed], minlength=len(first)) for seed in arm] for arm in hits])
    per_seed = right_in @ belongs / n
    drawn, right = _drawn_again(labels, atom, hits, len(first), result.seeds[0])
    with np.errstate(invalid="ignore"):
        again = (right @ belongs) / (drawn @ belongs)
    # A cell of few rows may have none in a resample.
    again = np.where(np.isnan(again), per_seed.mean(axis=1)[:, None, :], again)
    permuted = _dealt_anew(labels, atom, hits, len(first), result.seeds[0]) @ belongs / n
    generators = max(result.generators[arm] for arm in (baseline, candidate))
    cut, label, group = ([key[i] for key in keys] for i in range(3))
    return Recalls(cut, np.array(label), group, n.astype(np.int64), per_seed, again, permuted, generators)


def _drawn_again(
    labels: np.ndarray, atom: np.ndarray, hits: np.ndarray, num_atoms: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (B, F) and right answers (2, B, F), mean over seeds, of each atom in B resamples of the test rows.

    Rows of one atom on which all seeds agree are alike, so the numbers of each kind are drawn, not the rows.
    """
    order = numpy_generator(seed, "group recall", "test rows")
    drawn, right = np.zeros((RESAMPLES, num_atoms)), np.zeros((2, RESAMPLES, num_atoms))
    kinds = np.concatenate([atom[None, :], hits.sum(axis=1)])
    for c in np.unique(labels):
        kind, counts = np.unique(kinds[:, labels == c], axis=1, return_counts=True)
        times = order.multinomial(counts.sum(), counts / counts.sum(), size=RESAMPLES).astype(np.float64)
        to_atom = np.eye(num_atoms)[kind[0]]
        drawn += times @ to_atom
        right += (times * (kind[1:, None, :] / hits.shape[1])) @ to_atom
    return drawn, right


def _dealt_anew(labels: np.ndarray, atom: np.ndarray, hits: np.ndarray, num_atoms: int, seed: int) -> np.ndarray:
    """Right answers (2, P, F), mean over seeds, of each atom where the rows of a class change their atoms at random.

    Rows on which all seeds agree are alike, so tables of kind by atom with the margins seen are drawn, not orders of
    the rows (Patefield, "Algorithm AS 159", 1981).
    """
    order = numpy_generator(seed, "group recall", "permuted groups")
    right = np.zeros((2, PERMUTATIONS, num_atoms))
    for c in np.unique(labels):
        kind, counts = np.unique(hits.sum(axis=1)[:, labels == c], axis=1, return_counts=True)
        atoms, sizes = np.unique(atom[labels == c], return_counts=True)
        tables = (counts[:, None] * sizes / sizes.sum())[None]
        if min(tables.shape[1:]) > 1:  # SciPy's tables of one line do not keep their margins, and need no chance
            tables = random_table(counts, sizes).rvs(size=PERMUTATIONS, random_state=order)
        right[:, :, atoms] = np.einsum("ik,pka->ipa", kind / hits.shape[1], tables)
    return right


def _entry(found: Recalls, per_seed: np.ndarray, resampled: np.ndarray, rows: np.ndarray, least: float) -> Entry:
    """Value and interval, in [least, 1], from (S,) and (B,); `rows` (n,) are the classes of the test rows behind it."""
    joint = joint_estimate(per_seed, resampled, rows, "balanced_accuracy", found.generators)
    return {"value": joint.mean, "low": max(joint.low, least), "high": min(joint.high, 1.0), "n": len(rows)}


def _three(found: Recalls, per_seed: np.ndarray, resampled: np.ndarray, rows: np.ndarray) -> dict[str, Entry]:
    """Without, with, and the paired difference, from (2, S) and (2, B)."""
    sides = {side: _entry(found, per_seed[i], resampled[i], rows, 0.0) for i, side in enumerate(SIDES)}
    change = _entry(found, per_seed[1] - per_seed[0], resampled[1] - resampled[0], rows, -1.0)
    return sides | {"difference": change}


def _table(found: Recalls, cut: str, classes: tuple[str, ...]) -> dict[str, Any]:
    mine = [i for i, name in enumerate(found.cut) if name == cut]
    cells = [
        {"class": classes[found.label[i]], "group": found.group[i], "n": int(found.n[i]), "few": _few(found, [i])}
        | _three(found, found.per_seed[:, :, i], found.resampled[:, :, i], np.zeros(found.n[i], dtype=np.int64))
        for i in mine
    ]
    groups = {}
    for value in dict.fromkeys(found.group[i] for i in mine):
        own = [i for i in mine if found.group[i] == value]
        rows = np.repeat(np.arange(len(own)), found.n[own])
        means = found.per_seed[:, :, own].mean(axis=2), found.resampled[:, :, own].mean(axis=2)
        facts = {"n": len(rows), "few": _few(found, own), "classes": [classes[found.label[i]] for i in own]}
        groups[value] = facts | _three(found, *means, rows)
    gaps = {side: _gap(found, mine, i, classes) for i, side in enumerate(SIDES)}
    return {"cells": cells, "groups": groups, "gap": gaps}


def _few(found: Recalls, cells: list[int]) -> bool:
    return bool((found.n[cells] < LEAST_ROWS).any())


def _worst(found: Recalls, classes: tuple[str, ...]) -> dict[str, Any]:
    """The lowest mean recall of each arm and their difference.

    Over seeds the cell that is lowest in the mean is followed; over test rows, which cell is lowest may change.
    """
    enough = np.flatnonzero(found.n >= LEAST_ROWS)
    if not len(enough):
        most = f"the largest cell has {found.n.max(initial=0)}"
        return {"value": None, "reason": f"not defined: no cell has {LEAST_ROWS} test rows, {most}"}
    lowest = [int(enough[np.argmin(found.per_seed[side][:, enough].mean(axis=0))]) for side in (0, 1)]
    per_seed = np.stack([found.per_seed[side, :, i] for side, i in enumerate(lowest)])
    resampled = found.resampled[:, :, enough].min(axis=2)
    sides = {}
    for i, (side, cell) in enumerate(zip(SIDES, lowest, strict=True)):
        place = {"class": classes[found.label[cell]], "group": found.group[cell], "cut": found.cut[cell]}
        rows = np.zeros(found.n[cell], dtype=np.int64)
        sides[side] = _entry(found, per_seed[i], resampled[i], rows, 0.0) | place
        sides[side] |= _expected(found.permuted[i][:, enough].min(axis=1))
    rows = np.zeros(found.n[lowest].min(), dtype=np.int64)
    return sides | {"difference": _entry(found, per_seed[1] - per_seed[0], resampled[1] - resampled[0], rows, -1.0)}


def _expected(permuted: np.ndarray) -> Entry:
    return {"expected": float(permuted.mean()), "expected_from": "permuted groups"}


def _gap(found: Recalls, cells: list[int], side: int, classes: tuple[str, ...]) -> Entry:
    """The largest difference of mean recall between two groups of one class.

    It is a largest one of many, so the interval joins those of all pairs of groups of one class, each with its part of
    the error (Bonferroni): if all of them hold, the largest true difference is no less than the largest lower end and
    no more than the largest upper end.
    """
    enough = [i for i in cells if found.n[i] >= LEAST_ROWS]
    one, other = (np.array(enough, dtype=np.int64)[k] for k in np.triu_indices(len(enough), 1))
    same = found.label[one] == found.label[other]
    one, other = one[same], other[same]
    if not len(one):
        return {"value": None, "reason": f"not defined: no class has {LEAST_ROWS} test rows in two groups"}
    mean = found.per_seed[side].mean(axis=0)
    size, reach = np.abs(mean[one] - mean[other]), _reach(found, side, one, other)
    first = int(size.argmax())
    low, high = sorted((int(one[first]), int(other[first])), key=lambda i: mean[i])
    largest = np.zeros(PERMUTATIONS)
    for c in np.unique(found.label[one]):
        own = [i for i in enough if found.label[i] == c]
        largest = np.maximum(largest, np.ptp(found.permuted[side][:, own], axis=1))
    return {
        "value": float(size[first]),
        "low": float(max((size - reach).max(), 0.0)),
        "high": float(min((size + reach).max(), 1.0)),
        "n": int(found.n[[low, high]].min()),
        **_expected(largest),
        "lowest": found.group[low],
        "highest": found.group[high],
        "class": classes[found.label[low]],
    }


def _reach(found: Recalls, side: int, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Half the width (P,) of the intervals of the P differences between cells, which all hold in 95 % of cases.

    Variances and degrees of freedom are those of `joint_estimate`, the variance of two more rows of the smaller cell
    included.
    """
    units = found.per_seed[side]
    if found.generators > 1:
        units = np.stack([units[g :: found.generators].mean(axis=0) for g in range(found.generators)])
    by_seed = (units[:, one] - units[:, other]).var(axis=0, ddof=1) / len(units)
    cells, place = np.unique(np.stack([one, other]), return_inverse=True)
    (a, b), together = place.reshape(2, -1), np.cov(found.resampled[side][:, cells], rowvar=False)
    rows = np.minimum(found.n[one], found.n[other])
    by_rows = together[a, a] + together[b, b] - 2 * together[a, b] + 2.0 / rows**2
    freedom = (by_seed + by_rows) ** 2 / (by_seed**2 / (len(units) - 1) + by_rows**2 / (rows - 1))
    return stdtrit(freedom, 1 - LEVEL / (2 * len(one))) * np.sqrt(by_seed + by_rows)
