"""Which synthetic rows are copies of training rows: equal ones, and ones nearer than real rows ever come by themselves.

A row is an exact copy where its content hash is that of a train row, whatever their labels. It is a near copy where
its calibrated distance lies below a threshold that new real rows of its class would pass: the distance to the nearest
train row of its class over the mean distance to the `NEIGHBOURS` nearest (the style of Carlini et al., "Extracting
training data from diffusion models", 2023). Equal train rows count once. What real rows of a class do is seen in its
held-out rows and in each train row beside the other train rows. Finding no copy proves nothing about privacy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from gensynth.data.modality import Points
from gensynth.evaluation.bias.bias import share_entry
from gensynth.evaluation.metrics.metric import Entry
from gensynth.evaluation.metrics.roc import undefined
from gensynth.evaluation.privacy.nearer import MOST_ROWS, nearer_to_train
from gensynth.neighbours import nearest_distances
from gensynth.rng import numpy_generator
from gensynth.types import LabelledData

NEIGHBOURS = 50
LEAST_ROWS = 20
FALSE_SETS = 0.05  # share of sets of new real rows in which any row would be called a near copy
NEAR_COPY = 1 / 3  # no row farther than this part of its surroundings is called a copy
TAIL, LEAST_TAIL = 20, 10  # nearest held-out rows that say how their distances thin out towards 0
ALONE = "fewer than two train rows of the class differ"


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

    def below(self, thresholds: np.ndarray) -> np.ndarray:
        """Whether rows are near copies at the thresholds of all classes (K,), (M,)."""
        return ~self.exact & (self.calibrated < thresholds[self.y])


@dataclass(frozen=True)
class Copies:
    """What `find_copies` found of M synthetic rows.

    exact, near  bool (M,), never both
    synthetic    their nearness to train rows; to_held_out (M,): distance to the nearest held-out row of the class
    fresh        numbers of the held-out rows that synthetic ones are held against, at most MOST_ROWS; real: their
                 nearness
    own          nearness of at most MOST_ROWS train rows to the other ones; of equal ones only the first is among them
    equal_to     how many train rows equal a train row (N,), itself among them; train_y (N,)
    thresholds   (K,) of calibrated distances; 0 where no near copy can be told, for the reason given
    pooled       bool (K,), classes with too few real rows for a threshold of their own: that of all classes holds
    nearer       entry of the share of synthetic rows nearer to train than to held-out rows
    """

    classes: tuple[str, ...]
    exact: np.ndarray
    near: np.ndarray
    synthetic: Nearness
    to_held_out: np.ndarray
    fresh: np.ndarray
    real: Nearness
    own: Nearness
    equal_to: np.ndarray
    train_y: np.ndarray
    thresholds: np.ndarray
    pooled: np.ndarray
    reason: str
    nearer: Entry

    @property
    def repeated(self) -> np.ndarray:
        """Whether a train row (N,) equals another one."""
        return self.equal_to > 1


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
    own = _nearness_of_train(train, hashes, points, seed)
    thresholds, pooled, reason = class_thresholds([of_real, own], len(train.schema.classes), len(synthetic))
    return Copies(
        classes=train.schema.classes,
        exact=of_synthetic.exact,
        near=of_synthetic.below(thresholds),
        synthetic=of_synthetic,
        to_held_out=nearest_in_class(synthetic, held_out, points, 1)[0][:, 0],
        fresh=fresh,
        real=of_real,
        own=own,
        equal_to=counts[place],
        train_y=train.y,
        thresholds=thresholds,
        pooled=pooled,
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
    return _calibrated(rows.y, exact, distances, nearest)


def _nearness_of_train(train: LabelledData, hashes: np.ndarray, points: Points, seed: int) -> Nearness:
    """Of train rows that differ, to the other ones."""
    distinct = train[np.sort(np.unique(hashes, return_index=True)[1])]
    rows = distinct[numpy_generator(seed, "copies of train").permutation(len(distinct))[:MOST_ROWS]]
    distances, places = nearest_in_class(rows, distinct, points, NEIGHBOURS + 1)
    return _calibrated(rows.y, np.zeros(len(rows), bool), distances[:, 1:], places)  # the nearest is the row itself


def _calibrated(y: np.ndarray, exact: np.ndarray, distances: np.ndarray, nearest: np.ndarray) -> Nearness:
    distance = np.where(exact, 0.0, distances[:, 0])
    counted = np.isfinite(distances)
    mean = np.where(counted, distances, 0.0).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
    calibrated = np.ones(len(y))
    np.divide(distance, mean, out=calibrated, where=mean > 0)
    calibrated[exact] = 0.0
    sits = ~exact & (distances[:, 0] < NEAR_COPY * distances[:, 1]) & counted[:, 1]
    compared = counted.sum(axis=1) > 1
    return Nearness(y, exact, distance, calibrated.clip(max=1.0), nearest, sits, compared)


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


def class_thresholds(real: list[Nearness], classes: int, synthetic: int) -> tuple[np.ndarray, np.ndarray, str]:
    """(`near_threshold` of every class (K,), whether it is that of all classes (K,), why there is none) by the nearness
    of real rows; a class with fewer than LEAST_ROWS of them takes that of all.
    """
    y, calibrated = (
        np.concatenate([getattr(one, name)[~one.exact & one.compared] for one in real]) for name in ("y", "calibrated")
    )
    of_all, reason = near_threshold(calibrated, synthetic)
    found = [near_threshold(calibrated[y == c], synthetic) for c in range(classes)]
    pooled = np.array([bool(why) for _, why in found])
    return np.where(pooled, of_all, [threshold for threshold, _ in found]), pooled, reason


def near_threshold(calibrated: np.ndarray, synthetic: int) -> tuple[float, str]:
    """(calibrated distance below which a row is a near copy, why none can be told or an empty text).

    calibrated  (n,) of real rows that equal no train row. Close to 0 their distribution is a power law, with
    the number of dimensions that rows move in as its exponent; Hill's estimate of it ("A simple general approach to
    inference about the tail of a distribution", 1975) from the TAIL nearest rows, at its lower 95 % bound, carries the
    threshold to where one row among `synthetic` new real ones falls below it in FALSE_SETS of all sets. More rows would
    not do: in a table the nearest differ in one column only, the nearest tenth in several. Never above NEAR_COPY.

    >>> near_threshold(np.linspace(0.5, 1.0, 200), 100)[0] == NEAR_COPY
    True
    """
    n = len(calibrated)
    if n < LEAST_ROWS:
        return 0.0, f"{n} real rows that equal no train row, {LEAST_ROWS} needed to calibrate"
    tail = np.sort(calibrated)[: min(TAIL, max(LEAST_TAIL, n // 5))]
    if tail[0] <= 0:
        return 0.0, "real rows coincide with train rows in all that distances see"
    logs = np.log(tail[-1] / tail).sum()
    if logs == 0:
        return min(NEAR_COPY, float(tail[-1])), ""
    exponent = chi2.ppf(0.05, 2 * (len(tail) - 1)) / (2 * logs)
    allowed = FALSE_SETS / max(synthetic, 1) * n / len(tail)
    return min(NEAR_COPY, float(tail[-1] * allowed ** (1 / exponent))), ""


def copy_entries(found: Copies) -> dict[str, Entry]:
    """nearer_to_train, exact, near and close copies, each beside what real rows of the same classes do; those that are
    defined.

    exact_copies  ceiling: the share of held-out rows that equal a train row, or of train rows that equal another one,
                  whichever is more: a split may keep equal rows together
    near_copies   share not equal to a train row but nearer than new real rows come; ceiling: that of real rows
    close_copies  share that sits on one train row: no row alone is called a copy by it, but a set whose share is far
                  above that of real rows is one of altered copies
    Neither counts rows of classes without two train rows that differ. Real rows are counted class by class, as often as
    the synthetic rows have the class.
    """
    out = {"nearer_to_train": found.nearer} if found.nearer["value"] is not None else {}
    if len(found.exact) and len(found.real.y):
        y, seen = found.synthetic.y, found.synthetic.compared
        of_train = class_mix(found.repeated, found.train_y, y)
        of_real = class_mix(found.real.exact, found.real.y, y)
        sides = [(side, side.compared) for side in (found.real, found.own)]
        real_y = np.concatenate([side.y[use] for side, use in sides])
        n = [int(use.sum()) for _, use in sides]
        comparable = np.isin(y[seen], real_y).any()  # else no real row says what is usual in these classes
        if comparable:
            sits = np.concatenate([side.sits[use] for side, use in sides])
            out["close_copies"] = _beside(found.synthetic.sits[seen], class_mix(sits, real_y, y[seen]), *n)
        if shares := [share for share in (of_train, of_real) if np.isfinite(share)]:
            out["exact_copies"] = _beside(found.exact, max(shares), len(found.real.y), len(found.train_y))
        if comparable and not found.reason:
            near = np.concatenate([side.below(found.thresholds)[use] for side, use in sides])
            out["near_copies"] = _beside(found.near[seen], class_mix(near, real_y, y[seen]), *n)
            out["near_copies"]["threshold"] = float(found.thresholds.max())
    return out


def class_mix(flags: np.ndarray, y: np.ndarray, like: np.ndarray) -> float:
    """Share of real rows (N,) of classes y (N,) that are so, with classes as often as in `like` (M,); classes without
    real rows are left out, nan where none is left.

    >>> class_mix(np.array([True, False, False]), np.array([0, 1, 1]), np.array([0, 1, 1, 1]))
    0.25
    """
    classes = max(y.max(initial=0), like.max(initial=0)) + 1
    n, wanted = np.bincount(y, minlength=classes), np.bincount(like, minlength=classes)
    use = n > 0
    shares = np.bincount(y, flags, minlength=classes)[use] / n[use]
    return float(np.average(shares, weights=wanted[use])) if wanted[use].sum() else float("nan")


def _beside(of_synthetic: np.ndarray, usual: float, n_real: int, n_train: int) -> Entry:
    """An entry for the share of synthetic rows that are so (M,), with that of real rows of their classes beside it:
    n_real held-out ones and n_train train rows."""
    entry = share_of(of_synthetic) | {"n_real": n_real, "n_train": n_train, "n_synthetic": len(of_synthetic)}
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
            "near_copies": undefined(reason) if reason else share_of(found.near[mine]) | _threshold(found, c),
            "real_repeats": share_of(found.repeated[found.train_y == c]),
        }
    return out


def _threshold(found: Copies, c: int) -> Entry:
    source = "all classes" if found.pooled[c] else "the class"
    return {"threshold": float(found.thresholds[c]), "threshold_from": source}


def real_duplicates(found: Copies) -> dict[str, Entry]:
    """What real rows do by themselves: train rows equal to another one, held-out rows equal or near to a train row."""
    below = found.real.below(found.thresholds)[found.real.compared]
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
