"""How far made rows lie from the rows they were made of, and whether operations leave labels what they were.

Pixel transforms of real rows score a near-perfect distance of distributions by construction: what they add shows in
their distance to the nearest training row, and what they spoil in a judge's agreement with their labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gensynth import rng
from gensynth.models.judges import AnyJudge
from gensynth.neighbours import nearest_distances
from gensynth.samplers.transform import OfOperations
from gensynth.types import LabelledData

MOST_ROWS = 2_000
OPERATION_ROWS = 500


def novelty(
    train: LabelledData, test: LabelledData, made: LabelledData, points: Callable[[np.ndarray], np.ndarray], seed: int
) -> dict[str, Any]:
    """Median distance of made rows to the nearest training row of their class, over that of real test rows.

    0 for copies, 1 for rows as new as real ones that were not seen; at most MOST_ROWS rows a side.
    {"value", "n_real", "n_synthetic"}, or {"value": None, "reason"} where a side has no rows or real rows repeat.
    """
    sides = []
    for side in (made, test):
        keep = rng.numpy_generator(seed, "novelty").permutation(len(side))[:MOST_ROWS]
        sides.append(_to_nearest(train, side[np.sort(keep)], points))
    ours, real = sides
    if not len(ours) or not len(real) or np.median(real) == 0:
        reason = "half of the real test rows repeat training rows" if len(ours) and len(real) else "no rows to compare"
        return {"value": None, "reason": reason}
    return {"value": float(np.median(ours) / np.median(real)), "n_real": len(real), "n_synthetic": len(ours)}


def _to_nearest(train: LabelledData, rows: LabelledData, points: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Distance of each row to the nearest training row of its class; rows of classes without one are left out."""
    found = []
    for label in np.unique(rows.y):
        there = train.x[train.y == label]
        if len(there):
            found.append(nearest_distances(points(rows.x[rows.y == label]), points(there), k=1)[0][:, 0])
    return np.concatenate(found) if found else np.zeros(0)


def label_agreement(judge: AnyJudge, made: LabelledData, test: LabelledData) -> dict[str, Any]:
    """Share of made rows whose label the judge finds again; `ceiling`: of real test rows."""
    if not len(made) or not len(test):
        return {"value": None, "reason": "no rows to compare"}
    ours, real = (float((judge.predict(side.x) == side.y).mean()) for side in (made, test))
    return {"value": ours, "ceiling": real, "n_real": len(test), "n_synthetic": len(made)}


def operation_agreement(
    transform: OfOperations, judge: AnyJudge, held_out: LabelledData, seed: int
) -> list[dict[str, Any]]:
    """For each operation of a transform: the judge's agreement with the labels of held-out real rows changed by it.

    Lines {"operation", "risk", "agreement", "before", "n"}; `before`: of the same rows unchanged.
    """
    rows = held_out[np.sort(rng.numpy_generator(seed, "operations").permutation(len(held_out))[:OPERATION_ROWS])]
    if not len(rows):
        return []
    seeds = rng.epoch_seeds(seed, 0, np.arange(len(rows)))
    before = float((judge.predict(rows.x) == rows.y).mean())
    lines = []
    for name, risk in transform.operations():
        found = judge.predict(transform.alone(name, rows.x, seeds)) == rows.y
        lines.append(
            {"operation": name, "risk": risk, "agreement": float(found.mean()), "before": before, "n": len(rows)}
        )
    return lines
