"""How far synthetic rows lie from the rows they were made of, and whether operations leave labels what they were.

Pixel transforms of real rows score a near-perfect distance of distributions by construction: what they add shows in
their distance to the nearest training row, and what they spoil in a classifier's agreement with their labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gensynth import rng
from gensynth.evaluation.privacy.copies import nearest_in_class
from gensynth.models.classifiers import RowClassifier
from gensynth.samplers.transform import OfOperations
from gensynth.types import LabelledData

MOST_ROWS = 2_000
OPERATION_ROWS = 500


def novelty(
    train: LabelledData,
    test: LabelledData,
    synthetic: LabelledData,
    points: Callable[[np.ndarray], np.ndarray],
    seed: int,
) -> dict[str, Any]:
    """Median distance of synthetic rows to the nearest training row of their class, over that of real test rows.

    0 for copies, 1 for rows as new as real ones that were not seen; at most MOST_ROWS rows a side.
    {"value", "n_real", "n_synthetic"}, or {"value": None, "reason"} where a side has no rows or real rows repeat.
    """
    sides = []
    for side in (synthetic, test):
        keep = rng.numpy_generator(seed, "novelty").permutation(len(side))[:MOST_ROWS]
        distances = nearest_in_class(side[np.sort(keep)], train, points, 1)[0][:, 0]
        sides.append(distances[np.isfinite(distances)])  # classes without training rows are left out
    ours, real = sides
    if not len(ours) or not len(real) or np.median(real) == 0:
        reason = "half of the real test rows repeat training rows" if len(ours) and len(real) else "no rows to compare"
        return {"value": None, "reason": reason}
    return {"value": float(np.median(ours) / np.median(real)), "n_real": len(real), "n_synthetic": len(ours)}


def label_agreement(classifier: RowClassifier, synthetic: LabelledData, test: LabelledData) -> dict[str, Any]:
    """Share of synthetic rows whose label the classifier finds again; `ceiling`: of real test rows."""
    if not len(synthetic) or not len(test):
        return {"value": None, "reason": "no rows to compare"}
    ours, real = (float((classifier.predict(side.x) == side.y).mean()) for side in (synthetic, test))
    return {"value": ours, "ceiling": real, "n_real": len(test), "n_synthetic": len(synthetic)}


def operation_agreement(
    transform: OfOperations, classifier: RowClassifier, held_out: LabelledData, seed: int
) -> list[dict[str, Any]]:
    """For each operation of a transform: the classifier's agreement with the labels of held-out real rows changed by
    it.

    Lines {"operation", "risk", "agreement", "before", "n"}; `before`: of the same rows unchanged.
    """
    rows = held_out[np.sort(rng.numpy_generator(seed, "operations").permutation(len(held_out))[:OPERATION_ROWS])]
    if not len(rows):
        return []
    seeds = rng.epoch_seeds(seed, 0, np.arange(len(rows)))
    before = float((classifier.predict(rows.x) == rows.y).mean())
    lines = []
    for name, risk in transform.operations():
        found = classifier.predict(transform.alone(name, rows.x, seeds)) == rows.y
        agreement = {"agreement": float(found.mean()), "before": before, "n": len(rows)}
        lines.append({"operation": name, "risk": risk} | agreement)
    return lines
