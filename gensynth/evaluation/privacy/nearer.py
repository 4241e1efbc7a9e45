"""Do synthetic rows lie nearer to the rows that were trained on than to as many rows that were not?"""

from __future__ import annotations

import numpy as np

from gensynth.data.modality import Points
from gensynth.data.split import row_groups
from gensynth.evaluation.metrics.metric import Entry
from gensynth.evaluation.metrics.roc import Z, undefined
from gensynth.neighbours import nearest_distances
from gensynth.rng import numpy_generator
from gensynth.types import LabelledData

MOST_ROWS = 5_000
TIED = 8  # rows of a side that are looked at for ties; of more, none alone matters
ALARM = (
    "a copy alarm only: a high share is bad news, passing proves nothing about privacy, since rows can lie far from "
    "every training row and still tell who was in the training data"
)


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
