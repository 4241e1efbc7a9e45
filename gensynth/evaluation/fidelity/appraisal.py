"""A look at a generator while it trains: what it covers of held-out rows, class by class, and how varied it is.

Features are those of an untrained network: they cost nothing to fit, and know no data that they could leak.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gensynth import rng
from gensynth.data.kinds import points_of, sight_of
from gensynth.evaluation.fidelity.features import random_space
from gensynth.evaluation.metrics.diversity import vendi_ratio
from gensynth.evaluation.metrics.support import prdc
from gensynth.models.encoders import random_encoder
from gensynth.types import LabelledData

LEAST_ROWS, MOST_ROWS, NEIGHBOURS = 8, 100, 3
ROWS_IN_ALL, SOUNDS_IN_ALL = 2_000, {"audio": 200}  # a look costs the same for many classes as for few

Draw = Callable[[np.ndarray, np.ndarray], np.ndarray]  # labels (N,), seeds (N,) -> rows in source units
Appraise = Callable[[Draw], dict[str, dict[str, float]]]  # -> class -> coverage, variety


def appraiser(train: LabelledData, val: LabelledData, seed: int) -> Appraise:
    """How a generator of `train` is looked at beside the rows of `val`.

    coverage  share of held-out rows with a drawn one nearer than their 3rd neighbour, with as many drawn as real rows
    variety   ratio of the Vendi scores of drawn and held-out rows
    Classes with fewer than 8 held-out rows are left out; at most 100 rows of a class are taken, fewer above 20 classes.
    """
    transform = _features(train, rng.child(seed, "appraisal"))
    order = rng.numpy_generator(seed, "appraisal")
    in_all = SOUNDS_IN_ALL.get(train.schema.modality, ROWS_IN_ALL)
    most = max(LEAST_ROWS, min(MOST_ROWS, in_all // len(val.schema.classes)))
    chosen = {
        index: order.permutation(np.flatnonzero(val.y == index))[:most]
        for index in range(len(val.schema.classes))
        if (val.y == index).sum() >= LEAST_ROWS
    }
    real = {index: transform(val.x[rows]) for index, rows in chosen.items()}
    names = val.schema.classes
    labels = np.concatenate([np.full(len(rows), index) for index, rows in chosen.items()] or [np.zeros(0, int)])
    seeds = [rng.row_seeds(seed, f"appraisal {names[index]}", 0, len(rows)) for index, rows in chosen.items()]

    def appraise(draw: Draw) -> dict[str, dict[str, float]]:
        if not chosen:
            return {}
        made = transform(draw(labels, np.concatenate(seeds)))
        return {
            names[index]: {
                "coverage": prdc(real=points, fake=made[labels == index], k=NEIGHBOURS)["coverage"],
                "variety": vendi_ratio(real=points, fake=made[labels == index]),
            }
            for index, points in real.items()
        }

    return appraise


def _features(train: LabelledData, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    see = sight_of(train.schema)
    if see is not None:
        space = random_space(see(train.x[:1]).shape[1:], seed)
        return lambda x: space.transform(see(x))
    points = points_of(train)
    encoder = random_encoder(points(train.x[:1]).shape[1], seed)
    return lambda x: encoder.features(points(x))
