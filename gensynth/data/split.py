"""Which rows train, which choose, which judge: stratified, by seed, without equal rows on two sides."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from gensynth.errors import DataError, UsageError
from gensynth.rng import numpy_generator
from gensynth.types import REAL, LabelledData

VAL_SHARE_BESIDE_GIVEN_TEST = 0.1
LEAST_VARIETY = 10  # rows of one group that any split may hold of a class


def split_rows(
    data: LabelledData,
    fractions: tuple[float, float, float],
    seed: int,
    given: np.ndarray,
    subject: np.ndarray | None = None,
    content: np.ndarray | None = None,
) -> np.ndarray:
    """Text (N,) of train, val, test; `fractions` are (train, val, test), stratified by class.

    content  (N,) equal for rows of equal content; by default hashes of the rows
    Rows of equal content or equal subject (text (N,), empty = none) stay together. `given` (N,) holds the source's
    own split or "": given val and test rows keep it, and only what is missing is carved from the rest (val beside a
    given test: 10 % of the rest). Rows that are not real stay in train. UsageError for bad fractions, DataError when
    the source puts a synthetic row into val or test, or a class has no row left to train on.
    """
    _, val_share, test_share = check_fractions(fractions)
    split = np.where(given == "", "train", given)
    _check_origin(data, split)
    has_val, has_test = (split == "val").any(), (split == "test").any()
    wanted = {
        "test": 0.0 if has_test else test_share,
        "val": 0.0 if has_val else (VAL_SHARE_BESIDE_GIVEN_TEST if has_test else val_share),
    }
    movable = (split == "train") & (data.origin == REAL)
    group = row_groups(data.content_hashes() if content is None else content, subject)
    _carve(split, data, group, movable, wanted, seed)
    _check_train(data, split)
    return split


def check_fractions(fractions: tuple[float, float, float]) -> tuple[float, float, float]:
    """The three shares as floats; UsageError unless they are shares of one, with something to train on."""
    values = [float(share) for share in fractions]
    fine = len(values) == 3 and all(math.isfinite(v) and 0 <= v < 1 for v in values)
    if not fine or values[0] <= 0 or abs(sum(values) - 1) > 1e-6:
        raise UsageError(f"data.split must be three shares train, val, test that sum to 1, got {list(fractions)}")
    return values[0], values[1], values[2]


def row_groups(hashes: np.ndarray, subject: np.ndarray | None) -> np.ndarray:
    """int64 (N,): rows with equal content or equal non-empty subject, also through others, share a number."""
    by_content, _ = pd.factorize(np.asarray(hashes, dtype=object))
    if subject is None:
        return by_content.astype(np.int64)
    n = len(hashes)
    subjects = np.asarray(subject, dtype=object)
    by_subject, _ = pd.factorize(subjects)
    known = np.flatnonzero(subjects != "")
    rows = np.concatenate([np.arange(n), known])
    nodes = n + np.concatenate([by_content, n + by_subject[known]])  # one for each content and each subject
    edges = coo_matrix((np.ones(len(rows), bool), (rows, nodes)), shape=(3 * n, 3 * n))
    return connected_components(edges, directed=False)[1][:n].astype(np.int64)


def _check_origin(data: LabelledData, split: np.ndarray) -> None:
    wrong = np.flatnonzero((split != "train") & (data.origin != REAL))
    if len(wrong):
        problems = [f"{data.ids[i]}: {data.origin[i]}, in {split[i]}" for i in wrong[:20]]
        raise DataError(f"{len(wrong)} rows of val or test are not real; val and test are real only", problems)


def _check_train(data: LabelledData, split: np.ndarray) -> None:
    counts = np.bincount(data.y[split == "train"], minlength=len(data.schema.classes))
    empty = [f'class "{data.schema.classes[k]}" has no row in train' for k in np.flatnonzero(counts == 0)]
    if empty:
        raise DataError("every class needs a row to learn from; move rows to train or drop the class", empty)


def _carve(
    split: np.ndarray, data: LabelledData, group: np.ndarray, movable: np.ndarray, wanted: dict[str, float], seed: int
) -> None:
    """Moves whole groups out of train, in place; the rarest class chooses first.

    A group with one row that may not move stays where it is, since moving the rest would tear it apart. Groups that do
    not fit are passed over, unless the class would get no row at all: then the smallest is taken. A group that would
    be more than half of all that is wanted of one of its classes does not fit: a split of one row repeated a thousand
    times tests nothing.
    """
    tables, alone = _group_counts(data.y, group, movable)
    pool = np.bincount(data.y[movable], minlength=len(data.schema.classes))
    left = np.bincount(data.y[split == "train"], minlength=len(data.schema.classes))  # rows still in train
    goals = {"test": _goals(pool, wanted["test"], 3), "val": _goals(pool, wanted["val"], 5)}  # rows still missed
    most = {part: np.maximum(goal // 2, LEAST_VARIETY) for part, goal in goals.items()}
    chosen: dict[int, str] = {}

    def is_free(g: int) -> bool:
        """Whether every class of the group keeps a row in train without it."""
        return g not in chosen and all(left[k] > n for k, n in tables[g].items())

    def take(g: int, part: str) -> None:
        chosen[g] = part
        for k, n in tables[g].items():
            goals[part][k] -= n
            left[k] -= n

    for k in np.argsort(pool, kind="stable").tolist():
        order = numpy_generator(seed, "split", data.schema.classes[k]).permutation(
            np.flatnonzero(movable & (data.y == k))
        )
        groups = [g for g in dict.fromkeys(group[order].tolist()) if g in tables]
        for part, goal in goals.items():
            missed_all = goal[k] > 0 and all(chosen.get(g) != part for g in groups)
            for g in groups:
                if goal[k] <= 0:
                    break
                if tables[g] is alone[k]:  # one row of the class alone fits whenever the class can spare it
                    if left[k] > 1 and g not in chosen:
                        chosen[g] = part
                        goal[k] -= 1
                        left[k] -= 1
                        missed_all = False
                elif is_free(g) and _fits(tables[g], k, goal, most[part]):
                    take(g, part)
                    missed_all = False
            if missed_all and (free := [g for g in groups if is_free(g)]):
                take(min(free, key=lambda g: tables[g].total()), part)
    for part in goals:
        taken = np.zeros(len(group), bool)
        taken[[g for g, where in chosen.items() if where == part]] = True
        split[taken[group]] = part


def _group_counts(
    y: np.ndarray, group: np.ndarray, movable: np.ndarray
) -> tuple[dict[int, Counter[int]], list[Counter[int]]]:
    """Rows by class of every group that may move as a whole, and the tables that groups of one row of a class share."""
    free = ~np.isin(group, group[~movable])
    counted = pd.DataFrame({"g": group[free], "k": y[free]}).value_counts(sort=False).reset_index()
    single = ~counted["g"].duplicated(keep=False) & (counted["count"] == 1)
    one_of = [Counter({k: 1}) for k in range(y.max(initial=0) + 1)]  # most groups are one row: they share a table
    tables = {g: one_of[k] for g, k, _ in counted[single].itertuples(index=False)}
    for g, k, n in counted[~single].itertuples(index=False):
        tables.setdefault(g, Counter())[k] = n
    return tables, one_of


def _goals(pool: np.ndarray, share: float, smallest: int) -> np.ndarray:
    """Rows wanted per class: round(n * share), and one at least where the class has `smallest` rows."""
    goals = np.rint(pool * share).astype(np.int64)
    return np.where((pool >= smallest) & (share > 0), np.maximum(goals, 1), goals)


def _fits(counts: Counter[int], k: int, goal: np.ndarray, most: np.ndarray) -> bool:
    """Whether the group stays within what class k misses and `most` rows of any, at least half of it being missed."""
    useful = sum(min(n, max(int(goal[c]), 0)) for c, n in counts.items())
    small = all(n <= most[c] for c, n in counts.items())
    return small and counts[k] <= goal[k] and 2 * useful >= counts.total()


def cut_long_tail(y: np.ndarray, split: np.ndarray, first: int, last: int, num_classes: int, seed: int) -> np.ndarray:
    """Boolean keep mask (N,): train classes fall geometrically from `first` rows to `last`, val and test stay whole.

    The k-th most common class (equal ones in class order) keeps the first
    int(first * (last / first) ** (k / (K - 1))) rows of a permutation by seed, or all it has.
    """
    keep = split != "train"
    sizes = np.bincount(y[split == "train"], minlength=num_classes)
    for k, label in enumerate(np.argsort(-sizes, kind="stable")):
        count = int(first * (last / first) ** (k / max(1, num_classes - 1)) + 1e-9)
        rows = np.flatnonzero((split == "train") & (y == label))
        keep[numpy_generator(seed, "long_tail", label).permutation(rows)[:count]] = True
    return keep
