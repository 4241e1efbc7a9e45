"""What adversarial rows do to a classifier: clean and robust accuracy, trained without them and with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gensynth import rng
from gensynth.evaluation.utility.arms import without_groups
from gensynth.samplers.adversarial import Adversarial
from gensynth.types import LabelledData

SEEDS = 3
MOST_ROWS = 500


def robustness(
    sampler: Adversarial, train: LabelledData, synthetic: LabelledData, test: LabelledData, seed: int
) -> list[dict[str, Any]]:
    """Accuracy on test rows as they are and attacked (white box, the sampler's own settings), mean and range of seeds.

    Lines {"trained_on", "clean", "clean_range", "robust", "robust_range", "seeds", "n"}: a classifier of the train
    rows, and one of those and the synthetic rows.
    """
    order = rng.numpy_generator(seed, "robustness").permutation(len(test))[:MOST_ROWS]
    rows = test[np.sort(order)]
    both = LabelledData.concat([without_groups(train), without_groups(synthetic)])
    lines = []
    for name, known in (("real rows", train), ("real and adversarial rows", both)):
        found = np.array([_accuracies(sampler, known, rows, rng.child(seed, "robustness", s)) for s in range(SEEDS)])
        line: dict[str, Any] = {"trained_on": name}
        for what, values in zip(("clean", "robust"), found.T, strict=True):
            line |= {what: float(values.mean()), f"{what}_range": [float(values.min()), float(values.max())]}
        lines.append(line | {"seeds": SEEDS, "n": len(rows)})
    return lines


def _accuracies(sampler: Adversarial, known: LabelledData, rows: LabelledData, seed: int) -> tuple[float, float]:
    target = sampler.target(known, seed)
    attacked = sampler.against(target, rows.x, rows.y, rng.epoch_seeds(seed, 0, np.arange(len(rows))))
    clean, robust = (float((target.predict(x) == rows.y).mean()) for x in (rows.x, attacked))
    return clean, robust
