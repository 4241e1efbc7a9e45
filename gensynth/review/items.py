"""Which rows a person is shown, in which order, and which real ones beside them.

Worst first: a row comes as early as the worse of its two places in its class, by the probability that a classifier
gives
its label and by its distance to the class's real rows. Classes take turns. Everything is a function of rows and seed,
so a second look meets the rows in the order of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from gensynth import rng
from gensynth.data.kinds import points_of
from gensynth.models.classifiers import fit_row_classifier
from gensynth.neighbours import nearest_distances
from gensynth.report.figures import shrink
from gensynth.types import LabelledData

MOST_SYNTHETIC, MOST_REAL, MOST_OF_CLASS = 5_000, 10_000, 2_000
MOST_CLASSIFIED = 2_000  # real rows that the classifier learns from: a person waits for it
COMPARED_PX = 64  # images are compared at no more than this side
SMALLER: dict[str, Callable[[np.ndarray], np.ndarray]] = {"image": lambda x: shrink(x, COMPARED_PX)}
MOST_NUMBERS = 1 << 25  # of a chunk of points
OTHERS = 6

Points = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Item:
    """A synthetic row to look at; all row numbers are places in the made or the real train rows.

    probability     the classifier's, of the row's own label; `called` is the class that it finds most probable
    times           distance to the nearest real row of the class, over the median of real rows of the class among
                    themselves; None for a class of one real row or of repeats
    nearest         nearest real row of any class; `same`: of its own class
    others          a few more real rows of its class
    """

    row: int
    probability: float
    called: int
    times: float | None
    nearest: int
    same: int
    others: tuple[int, ...]


def worst_first(real: LabelledData, synthetic: LabelledData, seed: int, most: int) -> list[Item]:
    """At most `most` synthetic rows, the worst of every class in turn, with the real train rows that belong beside
    them.

    Ordered among at most MOST_MADE rows; the nearest real rows are those of all real rows.
    """
    rows = evenly(synthetic, MOST_SYNTHETIC, seed)
    known, examples = (real[evenly(real, count, seed)] for count in (MOST_REAL, MOST_CLASSIFIED))
    points = _points(known)
    probabilities = fit_row_classifier(examples, rng.child(seed, "review judge")).probabilities(synthetic.x[rows])
    own = probabilities[np.arange(len(rows)), synthetic.y[rows]]
    distance, scale = remoteness(known, synthetic[rows], points)
    order = in_turn(suspicion(own, distance, synthetic.y[rows]), synthetic.y[rows])[:most]
    shown = rows[order]
    nearest, same = nearest_real(real, synthetic[shown], points)
    return [
        Item(
            row=int(shown[i]),
            probability=float(own[j]),
            called=int(probabilities[j].argmax()),
            times=float(distance[j] / scale[j]) if scale[j] > 0 else None,
            nearest=int(nearest[i]),
            same=int(same[i]),
            others=_others(real, int(synthetic.y[shown[i]]), seed, i),
        )
        for i, j in enumerate(order)
    ]


def evenly(rows: LabelledData, most: int, seed: int) -> np.ndarray:
    """Row numbers, ascending, of at most `most` rows: of a class no more than the others need not have."""
    if len(rows) <= most:
        return np.arange(len(rows))
    order = rng.numpy_generator(seed, "review", "sample").permutation(len(rows))
    return np.sort(order[in_turn(np.arange(len(rows)), rows.y[order])[:most]])


def in_turn(places: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Order (N,) in which classes take turns, each with its row of the lowest place first.

    >>> in_turn(np.array([3, 1, 2, 0]), np.array([0, 0, 0, 1])).tolist()
    [1, 3, 2, 0]
    """
    rank = np.zeros(len(y), np.int64)
    for label in np.unique(y):
        mine = np.flatnonzero(y == label)
        rank[mine[np.argsort(places[mine], kind="stable")]] = np.arange(len(mine))
    return np.lexsort((y, rank))


def suspicion(probability: np.ndarray, distance: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The worse of a row's two places in its class (N,), lowest probability and largest distance first; then the other.

    >>> suspicion(np.array([0.1, 0.9, 0.8]), np.array([1.0, 5.0, 2.0]), np.zeros(3, int)).tolist()
    [0.5, 0.5, 1.25]
    """
    worse = np.zeros(len(y))
    for label in np.unique(y):
        mine = np.flatnonzero(y == label)
        places = [rankdata(by[mine], method="ordinal") - 1 for by in (probability, -distance)]
        worse[mine] = np.minimum(*places) + np.maximum(*places) / (len(mine) + 1)
    return worse


def remoteness(real: LabelledData, synthetic: LabelledData, points: Points) -> tuple[np.ndarray, np.ndarray]:
    """(distance to the nearest real row of the class, median such distance among its real rows), both (N,).

    Of a class at most MOST_OF_CLASS real rows are taken; the second is 0 for a class of one real row.
    """
    distance, scale = np.zeros(len(synthetic)), np.zeros(len(synthetic))
    for label in np.unique(synthetic.y):
        mine, there = np.flatnonzero(synthetic.y == label), np.flatnonzero(real.y == label)
        if not len(there):
            continue
        size = points(real.x[there[:1]]).shape[1]
        there = points(real.x[there[: min(MOST_OF_CLASS, max(2, MOST_NUMBERS // size))]])
        for part in _chunks(mine, size):
            distance[part] = nearest_distances(points(synthetic.x[part]), there, k=1)[0][:, 0]
        if len(there) > 1:
            scale[mine] = np.median(nearest_distances(there, there, k=1, exclude_self=True)[0])
    return distance, scale


def nearest_real(real: LabelledData, synthetic: LabelledData, points: Points) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers (N,) and (N,) of the nearest real row of any class and of the row's own (-1 where it has none)."""
    seeking = points(synthetic.x)
    any_class, own_class = (np.full((len(synthetic), 2), [np.inf, -1]) for _ in range(2))
    for label in range(len(real.schema.classes)):
        mine, there = synthetic.y == label, np.flatnonzero(real.y == label)
        for part in _chunks(there, seeking.shape[1]):
            distances, places = nearest_distances(seeking, points(real.x[part]), k=1)
            found = np.column_stack([distances[:, 0], part[places[:, 0]]])
            for best, rows in ((any_class, np.full(len(synthetic), True)), (own_class, mine)):
                nearer = rows & (found[:, 0] < best[:, 0])
                best[nearer] = found[nearer]
    return any_class[:, 1].astype(np.int64), own_class[:, 1].astype(np.int64)


def half_and_half(
    synthetic: LabelledData, pools: list[LabelledData], seed: int, most: int
) -> list[tuple[str, int, int]]:
    """At most `most` rows in random order, of every class as many real as synthetic ones: (`made` or `real`, pool,
    row).

    pools  real rows, those of the first are taken first; the pool of a synthetic row is -1
    """
    order = rng.numpy_generator(seed, "review", "blind")
    drawn = order.permutation(len(synthetic))
    drawn = drawn[in_turn(np.arange(len(synthetic)), synthetic.y[drawn])][: most // 2]
    chosen = []
    for label in np.unique(synthetic.y[drawn]):
        mine = drawn[synthetic.y[drawn] == label]
        real = [(p, int(i)) for p, pool in enumerate(pools) for i in order.permutation(np.flatnonzero(pool.y == label))]
        count = min(len(mine), len(real))
        chosen += [("made", -1, int(i)) for i in mine[:count]] + [("real", p, i) for p, i in real[:count]]
    return [chosen[i] for i in order.permutation(len(chosen))]


def _points(train: LabelledData) -> Points:
    """Rows as points, images at a size at which hundreds of them are compared in seconds."""
    of = points_of(train)
    smaller = SMALLER.get(train.schema.modality)
    return of if smaller is None else lambda x: of(smaller(x))


def _chunks(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Row numbers, as many at a time as MOST_NUMBERS allows at `size` numbers a row."""
    step = max(1, MOST_NUMBERS // size)
    return (rows[start : start + step] for start in range(0, len(rows), step))


def _others(real: LabelledData, label: int, seed: int, item: int) -> tuple[int, ...]:
    rows = np.flatnonzero(real.y == label)
    return tuple(rng.numpy_generator(seed, "review", "others", item).permutation(rows)[:OTHERS].tolist())
