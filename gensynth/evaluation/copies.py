"""Which made rows are copies of training rows: equal ones, and ones nearer than real rows ever come by themselves.

A row is an exact copy where its content hash is that of a train row, whatever their labels. It is a near copy where
its calibrated distance lies below a threshold that new real rows would pass: the distance to the nearest train row of
its class over the mean distance to the `NEIGHBOURS` nearest (the style of Carlini et al., "Extracting training data
from diffusion models", 2023). Equal train rows count once. Finding none proves nothing about privacy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from gensynth.evaluation.fidelity import Entry
from gensynth.evaluation.intervals import wilson_interval
from gensynth.evaluation.roc import undefined
from gensynth.neighbours import nearest_distances
from gensynth.rng import numpy_generator
from gensynth.types import LabelledData

NEIGHBOURS = 50
MOST_ROWS = 5_000
LEAST_ROWS = 20
FALSE_SETS = 0.05  # share of sets of new real rows in which any row would be called a near copy
NEAR_COPY = 1 / 3  # no row farther than this part of its surroundings is called a copy
TAIL, LEAST_TAIL = 20, 10  # nearest held-out rows that say how their distances thin out towards 0
ALARM = (
    "a copy alarm only: a high share is bad news, passing proves nothing about privacy, since rows can lie far from "
    "every training row and still tell who was in the training data"
)
Points = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Nearness:
    """How near rows (M,) lie to train rows.

    exact       equal to a train row of any class
    distance    to the nearest train row of the row's class, 0 for exact copies, inf where there is none
    calibrated  that over the mean distance to the nearest ones, 0 to 1; 1 where there is nothing to compare with
    nearest     number of that train row, -1 where there is none
    sits        bool, not equal to it but less than NEAR_COPY as far from it as from the second nearest
    """

    y: np.ndarray
    exact: np.ndarray
    distance: np.ndarray
    calibrated: np.ndarray
    nearest: np.ndarray
    sits: np.ndarray

    def below(self, threshold: float) -> np.ndarray:
        """Whether rows are near copies at a threshold, (M,)."""
        return ~self.exact & (self.calibrated < threshold)


@dataclass(frozen=True)
class Copies:
    """What `find_copies` found of M made rows.

    exact, near  bool (M,), never both
    made         their nearness to train rows; to_held_out (M,): distance to the nearest held-out row of the class
    fresh        numbers of the held-out rows that made ones are held against, at most MOST_ROWS; real: their nearness
    repeated     whether a train row (N,) equals another one; train_y (N,)
    threshold    of calibrated distances; 0 where no near copy can be told, for the reason given
    nearer       entry of the share of made rows nearer to train than to held-out rows
    """

    classes: tuple[str, ...]
    exact: np.ndarray
    near: np.ndarray
    made: Nearness
    to_held_out: np.ndarray
    fresh: np.ndarray
    real: Nearness
    repeated: np.ndarray
    train_y: np.ndarray
    threshold: float
    reason: str
    nearer: Entry


def find_copies(train: LabelledData, held_out: LabelledData, made: LabelledData, points: Points, seed: int) -> Copies:
    """Copies of `train` among all made rows, calibrated on held-out real rows.

    points  rows x -> (N, P) in which near means alike
    """
    hashes = train.content_hashes()
    _, place, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    fresh = numpy_generator(seed, "copies").permutation(len(held_out))[:MOST_ROWS]
    of_made, of_real = (_nearness(rows, train, hashes, points) for rows in (made, held_out[fresh]))
    threshold, reason = near_threshold(of_real.calibrated[~of_real.exact], len(made))
    return Copies(
        classes=train.schema.classes,
        exact=of_made.exact,
        near=of_made.below(threshold),
        made=of_made,
        to_held_out=_nearest_in_class(made, held_out, points, 1)[0][:, 0],
        fresh=fresh,
        real=of_real,
        repeated=counts[place] > 1,
        train_y=train.y,
        threshold=threshold,
        reason=reason,
        nearer=nearer_to_train(train, held_out, made, points, seed),
    )


def _nearness(rows: LabelledData, train: LabelledData, hashes: np.ndarray, points: Points) -> Nearness:
    known, first = np.unique(hashes, return_index=True)
    mine = rows.content_hashes()
    found = np.searchsorted(known, mine).clip(max=max(len(known) - 1, 0))
    exact = known[found] == mine if len(known) else np.zeros(len(rows), bool)
    distinct = np.sort(first)
    distances, places = _nearest_in_class(rows, train[distinct], points, NEIGHBOURS)
    nearest = np.where(places >= 0, distinct[places] if len(distinct) else -1, -1)
    nearest[exact] = first[found[exact]]
    distance = np.where(exact, 0.0, distances[:, 0])
    counted = np.isfinite(distances)
    mean = np.where(counted, distances, 0.0).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
    calibrated = np.ones(len(rows))
    np.divide(distance, mean, out=calibrated, where=mean > 0)
    calibrated[exact] = 0.0
    sits = ~exact & (distances[:, 0] < NEAR_COPY * distances[:, 1]) & counted[:, 1]
    return Nearness(rows.y, exact, distance, calibrated.clip(max=1.0), nearest, sits)


def _nearest_in_class(
    rows: LabelledData, others: LabelledData, points: Points, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Distances (M, k) to the nearest other rows of each row's class, ascending, inf beyond what there is; number of
    the nearest (M,), -1 where there is none."""
    distances, places = np.full((len(rows), k), np.inf), np.full(len(rows), -1)
    for c in np.unique(rows.y):
        mine, there = np.flatnonzero(rows.y == c), np.flatnonzero(others.y == c)
        if len(there):
            wanted = min(k, len(there))
            found, order = nearest_distances(points(rows.x[mine]), points(others.x[there]), wanted)
            distances[mine, :wanted], places[mine] = found, there[order[:, 0]]
    return distances, places


def near_threshold(calibrated: np.ndarray, made: int) -> tuple[float, str]:
    """(calibrated distance below which a row is a near copy, why none can be told or an empty text).

    calibrated  (n,) of held-out real rows that equal no train row. Close to 0 their distribution is a power law, with
    the number of dimensions that rows move in as its exponent; Hill's estimate of it ("A simple general approach to
    inference about the tail of a distribution", 1975) from the TAIL nearest rows, at its lower 95 % bound, carries the
    threshold to where one row among `made` new real ones falls below it in FALSE_SETS of all sets. More rows would
    not do: in a table the nearest differ in one column only, the nearest tenth in several. Never above NEAR_COPY.

    >>> near_threshold(np.linspace(0.5, 1.0, 200), 100)[0] == NEAR_COPY
    True
    """
    n = len(calibrated)
    if n < LEAST_ROWS:
        return 0.0, f"{n} held-out rows that equal no train row, {LEAST_ROWS} needed to calibrate"
    tail = np.sort(calibrated)[: min(TAIL, max(LEAST_TAIL, n // 5))]
    if tail[0] <= 0:
        return 0.0, "held-out real rows coincide with train rows in all that distances see"
    logs = np.log(tail[-1] / tail).sum()
    if logs == 0:
        return min(NEAR_COPY, float(tail[-1])), ""
    exponent = chi2.ppf(0.05, 2 * (len(tail) - 1)) / (2 * logs)
    allowed = FALSE_SETS / max(made, 1) * n / len(tail)
    return min(NEAR_COPY, float(tail[-1] * allowed ** (1 / exponent))), ""


def nearer_to_train(
    train: LabelledData, held_out: LabelledData, made: LabelledData, points: Points, seed: int
) -> Entry:
    """Share of made rows whose nearest row among train rows is nearer than among as many held-out ones of the same
    classes, ties half; 0.5 if train rows are no nearer than new ones. At most MOST_ROWS rows of each."""
    order = numpy_generator(seed, "nearer to train")
    sides: list[list[np.ndarray]] = [[], []]
    for c in range(len(train.schema.classes)):
        pools = [order.permutation(np.flatnonzero(side.y == c)) for side in (train, held_out)]
        for side, pool in zip(sides, pools, strict=True):
            side.append(pool[: min(map(len, pools))])
    rows = [np.concatenate(side).astype(np.int64) for side in sides]
    keep = order.permutation(len(rows[0]))[:MOST_ROWS]
    asked = made[order.permutation(len(made))[:MOST_ROWS]]
    if not len(keep) or not len(asked):
        return undefined("no class has train and held-out rows" if len(asked) else "no made rows")
    query = points(asked.x)
    near = [
        nearest_distances(query, points(side.x[r[keep]]), 1)[0][:, 0]
        for side, r in zip((train, held_out), rows, strict=True)
    ]
    share = float(((near[0] < near[1]) + 0.5 * (near[0] == near[1])).mean())
    low, high = wilson_interval(share, len(asked))
    return {
        "value": share,
        "low": low,
        "high": high,
        "n_real": len(keep),
        "n_synthetic": len(asked),
        "expected": 0.5,
        "expected_from": "closed form",
        "z": (share - 0.5) / (0.5 / np.sqrt(len(asked))),
        "text": ALARM,
    }


def copy_entries(found: Copies) -> dict[str, Entry]:
    """nearer_to_train, exact, near and close copies, each beside what real rows do; those that are defined.

    exact_copies  ceiling: the share of held-out rows that equal a train row, or of train rows of the same classes that
                  equal another one, whichever is more: a split may keep equal rows together
    near_copies   share not equal to a train row but nearer than new real rows come; ceiling: that of held-out rows
    close_copies  share that sits on one train row: no row alone is called a copy by it, but a set whose share is far
                  above that of real rows is one of altered copies
    """
    out = {"nearer_to_train": found.nearer} if found.nearer["value"] is not None else {}
    if len(found.exact) and len(found.real.y):
        of_train = _drawn_repeats(found)
        of_real = found.real.exact
        out["close_copies"] = share_beside(found.made.sits, found.real.sits)
        out["exact_copies"] = share_beside(found.exact, of_train if of_train.mean() > of_real.mean() else of_real)
        if not found.reason:
            out["near_copies"] = share_beside(found.near, found.real.below(found.threshold))
            out["near_copies"]["threshold"] = found.threshold
    return out


def _drawn_repeats(found: Copies) -> np.ndarray:
    """Whether a train row equals another one, for a train row of the class of each made row, (M,)."""
    drawn = np.zeros(len(found.made.y), dtype=bool)
    for c in np.unique(found.made.y):
        of_class = found.repeated[found.train_y == c]
        if len(of_class):
            mine = found.made.y == c
            drawn[mine] = np.resize(of_class, mine.sum())
    return drawn


def share_beside(of_made: np.ndarray, of_real: np.ndarray) -> Entry:
    """An entry for the share of made rows that are so (M,), with that of real rows (N,) beside it."""
    usual = float(of_real.mean())
    entry = share_entry(of_made) | {"n_real": len(of_real), "n_synthetic": len(of_made)}
    return entry | {"ceiling": usual, "expected": usual, "expected_from": "real rows"}


def share_entry(flags: np.ndarray) -> Entry:
    """A share of rows (N,) with Wilson's interval; not defined without rows."""
    if not len(flags):
        return undefined("no rows")
    share = float(flags.mean())
    low, high = wilson_interval(share, len(flags))
    return {"value": share, "low": max(low, 0.0), "high": min(high, 1.0), "n": len(flags)}


def copies_per_class(found: Copies) -> dict[str, dict[str, Entry]]:
    """{class: {"exact_copies", "near_copies", "real_repeats"}} of every class with made rows; real_repeats: the share
    of its train rows that equal another train row."""
    out = {}
    for c in np.unique(found.made.y):
        mine = found.made.y == c
        near = undefined(found.reason) if found.reason else share_entry(found.near[mine])
        out[found.classes[c]] = {
            "exact_copies": share_entry(found.exact[mine]),
            "near_copies": near,
            "real_repeats": share_entry(found.repeated[found.train_y == c]),
        }
    return out


def real_duplicates(found: Copies) -> dict[str, Entry]:
    """What real rows do by themselves: train rows equal to another one, held-out rows equal or near to a train row."""
    near = undefined(found.reason) if found.reason else share_entry(found.real.below(found.threshold))
    return {
        "train_equal_to_another": share_entry(found.repeated),
        "held_out_equal_to_train": share_entry(found.real.exact),
        "held_out_near_to_train": near,
    }


def nearest_rows(found: Copies, ids: np.ndarray, train_ids: np.ndarray) -> list[dict[str, str]]:
    """One line of text for each made row (ids (M,)): row_id, nearest_train_id, distance, calibrated_distance,
    nearest_held_out_distance, copy (exact | near | empty). For an internal file: who holds it, holds train rows' ids.
    """
    kind = np.where(found.exact, "exact", np.where(found.near, "near", ""))
    return [
        {
            "row_id": str(ids[i]),
            "nearest_train_id": str(train_ids[found.made.nearest[i]]) if found.made.nearest[i] >= 0 else "",
            "distance": _digits(found.made.distance[i]),
            "calibrated_distance": _digits(found.made.calibrated[i]),
            "nearest_held_out_distance": _digits(found.to_held_out[i]),
            "copy": str(kind[i]),
        }
        for i in range(len(ids))
    ]


def _digits(value: float) -> str:
    return f"{value:.6g}" if np.isfinite(value) else ""
