"""What a feature space can see: its answer to five faults of known kind, beside what chance alone does.

No feature space is trusted for its name. Real train rows are cut in two halves; one is damaged and compared with the
other, class by class. A space in which a damage of every row moves nothing is reported as blind to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gensynth.evaluation.fidelity.features import FeatureSpace
from gensynth.evaluation.fidelity.spoiled import CORRUPTIONS
from gensynth.evaluation.metrics.distance import mind
from gensynth.evaluation.metrics.metric import Scale
from gensynth.rng import child, numpy_generator
from gensynth.types import LabelledData

MOST_ROWS = 2_000
CUTS = 8
STDS = 2.0
FEW_ROWS = 4


def qualify(space: FeatureSpace, train: LabelledData, seed: int) -> dict[str, Any]:
    """{"sha256", "response": {corruption: ratio}, "blind_to": [corruption]} of a space on real train rows.

    ratio   MIND between halves of the same class, mean over classes and 8 random cuts, after the damage over before it
    blind   the damage moves the score by less than twice its standard deviation from cut to cut, or the damage of
            half the rows moves it more than that of all (no steady answer)
    """
    rows = train[numpy_generator(seed, "qualify").permutation(len(train))[:MOST_ROWS]]
    clean = space.transform(rows.x)
    scale = Scale.of(clean)
    clean = scale.apply(clean)
    cuts = [_halves(rows.y, child(seed, "cut", i)) for i in range(CUTS)]

    def scores(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return np.array([_score(clean, features, rows.y, labels, a, b, seed) for a, b in cuts])

    null = scores(clean, rows.y)
    response, blind = {}, []
    for name, corrupt in CORRUPTIONS.items():
        damaged = corrupt(rows, child(seed, name))
        features, even = scale.apply(space.transform(damaged.x)), np.arange(len(rows)) % 2 == 0
        whole = scores(features, damaged.y)
        half = scores(np.where(even[:, None], clean, features), np.where(even, rows.y, damaged.y))
        moved = whole - null
        response[name] = float(whole.mean() / max(null.mean(), 1e-12))
        if moved.mean() <= STDS * moved.std(ddof=1) or whole.mean() <= half.mean():
            blind.append(name)
    return {"sha256": space.sha256, "response": response, "blind_to": blind}


def _halves(y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of two halves, cut within each class."""
    order = numpy_generator(seed, "halves")
    parts = [order.permutation(np.flatnonzero(y == c)) for c in np.unique(y)]
    firsts = [part[: len(part) // 2] for part in parts]
    seconds = [part[len(part) // 2 :] for part in parts]
    return np.concatenate(firsts), np.concatenate(seconds)


def _score(
    clean: np.ndarray, other: np.ndarray, y: np.ndarray, labels: np.ndarray, a: np.ndarray, b: np.ndarray, seed: int
) -> float:
    """Mean over classes of MIND between rows a of the clean and rows b of the other features."""
    scores = []
    for c in np.unique(y):
        mine, theirs = a[y[a] == c], b[labels[b] == c]
        if min(len(mine), len(theirs)) >= FEW_ROWS:
            scores.append(mind(real=clean[mine], fake=other[theirs], seed=seed, directions=100))
    return float(np.mean(scores)) if scores else 0.0
