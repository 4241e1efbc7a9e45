"""Which synthetic rows are copies of training rows: equal ones, and ones nearer than real rows ever come by themselves.

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

from gensynth.data.split import row_groups
from gensynth.evaluation.bias.bias import share_entry
from gensynth.evaluation.fidelity.fidelity import Entry
from gensynth.evaluation.metrics.roc import Z, undefined
from gensynth.neighbours import nearest_distances
from gensynth.rng import numpy_generator
from gensynth.types import LabelledData

NEIGHBOURS = 50
MOST_ROWS = 5_000
LEAST_ROWS = 20
FALSE_SETS = 0.05  # share of sets of new real rows in which any row would be called a near copy
NEAR_COPY = 1 / 3  # no row farther than this part of its surroundings is called a copy
TAIL, LEAST_TAIL = 20, 10  # nearest held-out rows that say how their distances thin out towards 0
TIED = 8  # rows of a side that are looked at for ties; of more, none alone matters
ALONE = "fewer than two train rows of the class differ"
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
    compared    bool, its class has two train rows that differ: one alone has no surroundings to be near in
    """

    y: np.ndarray
    exact: np.ndarray
    distance: np.ndarray
    calibrated: np.ndarray
    nearest: np.ndarray
    sits: np.ndarray
    compared: np.ndarray

    def below(self, threshold: float) -> np.ndarray:
        """Whether rows are near copies at a threshold, (M,)."""
        return ~self.exact & (self.calibrated < threshold)


@dataclass(frozen=True)
class Copies:
    """What `find_copies` found of M synthetic rows.

    exact, near  bool (M,), never both
    synthetic    their nearness to train rows; to_held_out (M,): distance to the nearest held-out row of the class
    fresh        numbers of the held-out rows that synthetic ones are held against, at most MOST_ROWS; real: their
                 nearness
    repeated     whether a train row (N,) equals another one; train_y (N,)
    threshold    of calibrated distances; 0 where no near copy can be told, for the reason given
    nearer       entry of the share of synthetic rows nearer to train than to held-out rows
    """

    classes: tuple[str, ...]
    exact: np.ndarray
    near: np.ndarray
    synthetic: Nearness
    to_held_out: np.ndarray
    fresh: np.ndarray
    real: Nearness
    repeated: np.ndarray
    train_y: np.ndarray
    threshold: float
    reason: str
    nearer: Entry


def find_copies(
    train: LabelledData, held_out: LabelledData, synthetic: LabelledData, points: Points, seed: int, subject: str = ""
) -> Copies:
    """Copies of `train` among all synthetic rows, calibrated on held-out real rows.

    points   rows x -> (N, P) in which near means alike
    subject  column of `groups` that says whom a row belongs to, or an empty text
    """
    hashes = train.content_hashes()
    _, place, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    fresh = numpy_generator(seed, "copies").permutation(len(held_out))[:MOST_ROWS]
    of_synthetic, of_real = (_nearness(rows, train, hashes, points) for rows in (synthetic, held_out[fresh]))
    threshold, reason = near_threshold(of_real.calibrated[~of_real.exact & of_real.compared], len(synthetic))
    return Copies(
        classes=train.schema.classes,
        exact=of_synthetic.exact,
        near=of_synthetic.below(threshold),
        synthetic=of_synthetic,
        to_held_out=nearest_in_class(synthetic, held_out, points, 1)[0][:, 0],
        fresh=fresh,
        real=of_real,
        repeated=counts[place] > 1,
        train_y=train.y,
        threshold=threshold,
        reason=reason,
        nearer=nearer_to_train(train, held_out, synthetic, points, seed, subject),
    )


def _nearness(rows: LabelledData, train: LabelledData, hashes: np.ndarray, points: Points) -> Nearness:
    known, first = np.unique(hashes, return_index=True)
    mine = rows.content_hashes()
    found = np.searchsorted(known, mine).clip(max=max(len(known) - 1, 0))
    exact = known[found] == mine if len(known) else np.zeros(len(rows), bool)
    distinct = np.sort(first)
    distances, places = nearest_in_class(rows, train[distinct], points, NEIGHBOURS)
    nearest = np.where(places >= 0, distinct[places] if len(distinct) else -1, -1)
    nearest[exact] = first[found[exact]]
    distance = np.where(exact, 0.0, distances[:, 0])
    counted = np.isfinite(distances)
    mean = np.where(counted, distances, 0.0).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
    calibrated = np.ones(len(rows))
    np.divide(distance, mean, out=calibrated, where=mean > 0)
    calibrated[exact] = 0.0
    sits = ~exact & (distances[:, 0] < NEAR_COPY * distances[:, 1]) & counted[:, 1]
    compared = counted.sum(axis=1) > 1
    return Nearness(rows.y, exact, distance, calibrated.clip(max=1.0), nearest, sits, compared)


def nearest_in_class(rows: LabelledData, others: LabelledData, points: Points, k: int) -> tuple[np.ndarray, np.ndarray]:
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


def near_threshold(calibrated: np.ndarray, synthetic: int) -> tuple[float, str]:
    """(calibrated distance below which a row is a near copy, why none can be told or an empty text).

    calibrated  (n,) of held-out real rows that equal no train row. Close to 0 their distribution is a power law, with
    the number of dimensions that rows move in as its exponent; Hill's estimate of it ("A simple general approach to
    inference about the tail of a distribution", 1975) from the TAIL nearest rows, at its lower 95 % bound, carries the
    threshold to where one row among `synthetic` new real ones falls below it in FALSE_SETS of all sets. More rows would
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
    allowed = FALSE_SETS / max(synthetic, 1) * n / len(tail)
    return min(NEAR_COPY, float(tail[-1] * allowed ** (1 / exponent))), ""


def nearer_to_train(
    train: LabelledData, held_out: LabelledData, synthetic: LabelledData, points: Points, seed: int, subject: str = ""
) -> Entry:
    """Share of synthetic rows whose nearest row among train rows is nearer than among as many held-out ones of the same
    classes, ties half; 0.5 if train rows are no nearer than new ones. At most MOST_ROWS rows of each.

    Which real rows were trained on is a draw too, so z and the 95 % interval are those of `shuffled_variance`,
    in which rows of one subject stay together, and equal rows of one side count as one.
    """
    order = numpy_generator(seed, "nearer to train")
    sides: list[list[np.ndarray]] = [[], []]
    for c in range(len(train.schema.classes)):
        pools = [order.permutation(np.flatnonzero(side.y == c)) for side in (train, held_out)]
        for side, pool in zip(sides, pools, strict=True):
            side.append(pool[: min(map(len, pools))])
    rows = [np.concatenate(side).astype(np.int64) for side in sides]
    keep = order.permutation(len(rows[0]))[:MOST_ROWS]
    sampled = synthetic[order.permutation(len(synthetic))[:MOST_ROWS]]
    if not len(keep) or not len(sampled):
        return undefined("no class has train and held-out rows" if len(sampled) else "no synthetic rows")
    anchors = _apart(train[rows[0][keep]], held_out[rows[1][keep]])
    near, places = _nearest_of_sides(points(sampled.x), [points(side.x) for side in anchors])
    share = float(((near[0][:, 0] < near[1][:, 0]) + 0.5 * (near[0][:, 0] == near[1][:, 0])).mean())
    both = LabelledData.concat(anchors)
    unit = np.arange(len(both))
    unit = row_groups(unit.astype(str), both.groups[subject]) if subject else unit
    weight = nearest_weights(np.hstack(near), np.hstack(places), len(both))
    std = float(np.sqrt(shuffled_variance(weight, unit, both.y))) / len(sampled)
    return {
        "value": share,
        "low": max(share - Z * std, 0.0),
        "high": min(share + Z * std, 1.0),
        "n_real": len(keep),
        "n_synthetic": len(sampled),
        "expected": 0.5,
        "expected_from": "closed form",
        "z": (share - 0.5) / std if std else 0.0,
        "text": ALARM,
    }


def _apart(one: LabelledData, other: LabelledData) -> list[LabelledData]:
    """Both sides, rows that are equal and lie on one side only once: their split may have kept them together."""
    hashes = [side.content_hashes() for side in (one, other)]
    shared = np.intersect1d(hashes[0], hashes[1])
    keep = [np.isin(mine, shared) for mine in hashes]
    for mine, kept in zip(hashes, keep, strict=True):
        kept[np.unique(mine, return_index=True)[1]] = True
    return [side[kept] for side, kept in zip((one, other), keep, strict=True)]


def _nearest_of_sides(query: np.ndarray, sides: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Distances and row numbers, numbered through all sides, of the TIED nearest rows of each side, (M, at most TIED)
    each."""
    found = [nearest_distances(query, side, min(TIED, len(side))) for side in sides]
    return [distances for distances, _ in found], [found[0][1], found[1][1] + len(sides[0])]


def nearest_weights(distances: np.ndarray, places: np.ndarray, n: int) -> np.ndarray:
    """By how much each of n real rows moves the number of synthetic rows (M,) that lie nearer to its side, (n,).

    A synthetic row counts whole for its nearest row. Of t that are equally near, all must lie on one side to move the
    number by a half, which has the variance 2**-t / 2: that of t rows of weight sqrt(2**(1 - t) / t) each.

    >>> nearest_weights(np.array([[1.0, 2.0], [3.0, 3.0]]), np.array([[0, 1], [1, 2]]), 3).tolist()
    [1.0, 0.5, 0.5]
    """
    tied = distances == distances.min(axis=1, keepdims=True)
    t = tied.sum(axis=1, keepdims=True)
    return np.bincount(places[tied], (tied * np.sqrt(2.0 ** (1 - t) / t))[tied], minlength=n)


def shuffled_variance(weight: np.ndarray, unit: np.ndarray, y: np.ndarray) -> float:
    """Variance of the summed weights (A,) of rows on the one side if units (A,), class by class (A,), are dealt out to
    two sides of equal size at random.

    Of a sample of half of A units without replacement (Cochran, "Sampling techniques", 1977, theorem 2.2): a quarter
    of the sum of squared deviations from the mean, times A / (A - 1).

    >>> round(shuffled_variance(np.array([1.0, 0.0, 0.0, 0.0]), np.arange(4), np.zeros(4, int)), 4)  # 1/2 * 1/2
    0.25
    """
    _, first, place = np.unique(unit, return_index=True, return_inverse=True)
    total, of_class = np.bincount(place, weight), y[first]
    n = np.bincount(of_class)
    mean = np.bincount(of_class, total) / np.maximum(n, 1)
    squares = np.bincount(of_class, (total - mean[of_class]) ** 2)
    return float((squares * n / np.maximum(n - 1, 1)).sum() / 4)


def copy_entries(found: Copies) -> dict[str, Entry]:
    """nearer_to_train, exact, near and close copies, each beside what real rows do; those that are defined.

    exact_copies  ceiling: the share of held-out rows that equal a train row, or of train rows of the same classes that
                  equal another one, whichever is more: a split may keep equal rows together
    near_copies   share not equal to a train row but nearer than new real rows come; ceiling: that of held-out rows
    close_copies  share that sits on one train row: no row alone is called a copy by it, but a set whose share is far
                  above that of real rows is one of altered copies
    Neither counts rows of classes without two train rows that differ.
    """
    out = {"nearer_to_train": found.nearer} if found.nearer["value"] is not None else {}
    if len(found.exact) and len(found.real.y):
        of_train = _drawn_repeats(found)
        of_real = found.real.exact
        synthetic, real = found.synthetic.compared, found.real.compared
        if synthetic.any() and real.any():
            out["close_copies"] = share_beside(found.synthetic.sits[synthetic], found.real.sits[real])
        out["exact_copies"] = share_beside(found.exact, of_train if of_train.mean() > of_real.mean() else of_real)
        if synthetic.any() and not found.reason:
            out["near_copies"] = share_beside(found.near[synthetic], found.real.below(found.threshold)[real])
            out["near_copies"]["threshold"] = found.threshold
    return out


def _drawn_repeats(found: Copies) -> np.ndarray:
    """Whether a train row equals another one, for a train row of the class of each synthetic row, (M,)."""
    drawn = np.zeros(len(found.synthetic.y), dtype=bool)
    for c in np.unique(found.synthetic.y):
        of_class = found.repeated[found.train_y == c]
        if len(of_class):
            mine = found.synthetic.y == c
            drawn[mine] = np.resize(of_class, mine.sum())
    return drawn


def share_beside(of_synthetic: np.ndarray, of_real: np.ndarray) -> Entry:
    """An entry for the share of synthetic rows that are so (M,), with that of real rows (N,) beside it."""
    usual = float(of_real.mean())
    entry = share_of(of_synthetic) | {"n_real": len(of_real), "n_synthetic": len(of_synthetic)}
    return entry | {"ceiling": usual, "expected": usual, "expected_from": "real rows"}


def share_of(flags: np.ndarray) -> Entry:
    """`share_entry` of rows (N,) that are so or not."""
    return share_entry(int(flags.sum()), len(flags)) if len(flags) else undefined("no rows")


def copies_per_class(found: Copies) -> dict[str, dict[str, Entry]]:
    """{class: {"exact_copies", "near_copies", "real_repeats"}} of every class with synthetic rows; real_repeats: the
    share of its train rows that equal another train row."""
    out = {}
    for c in np.unique(found.synthetic.y):
        mine = found.synthetic.y == c
        reason = found.reason or ("" if found.synthetic.compared[mine].any() else ALONE)
        out[found.classes[c]] = {
            "exact_copies": share_of(found.exact[mine]),
            "near_copies": undefined(reason) if reason else share_of(found.near[mine]),
            "real_repeats": share_of(found.repeated[found.train_y == c]),
        }
    return out


def real_duplicates(found: Copies) -> dict[str, Entry]:
    """What real rows do by themselves: train rows equal to another one, held-out rows equal or near to a train row."""
    below = found.real.below(found.threshold)[found.real.compared]
    return {
        "train_equal_to_another": share_of(found.repeated),
        "held_out_equal_to_train": share_of(found.real.exact),
        "held_out_near_to_train": undefined(found.reason) if found.reason else share_of(below),
    }


def nearest_rows(found: Copies, ids: np.ndarray, train_ids: np.ndarray) -> list[dict[str, str]]:
    """One line of text for each synthetic row (ids (M,)): row_id, nearest_train_id, distance, calibrated_distance,
    nearest_held_out_distance, copy (exact | near | empty). For an internal file: who holds it, holds train rows' ids.
    """
    kind = np.where(found.exact, "exact", np.where(found.near, "near", ""))
    return [
        {
            "row_id": str(ids[i]),
            "nearest_train_id": str(train_ids[found.synthetic.nearest[i]]) if found.synthetic.nearest[i] >= 0 else "",
            "distance": _digits(found.synthetic.distance[i]),
            "calibrated_distance": _digits(found.synthetic.calibrated[i]),
            "nearest_held_out_distance": _digits(found.to_held_out[i]),
            "copy": str(kind[i]),
        }
        for i in range(len(ids))
    ]


def _digits(value: float) -> str:
    return f"{value:.6g}" if np.isfinite(value) else ""
