"""The arms of a comparison: doing nothing, what is free, simple methods, generators, and both together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gensynth.evaluation.assessment import without_groups
from gensynth.evaluation.utility.utility import Arm
from gensynth.rng import numpy_generator
from gensynth.types import LabelledData

# Arms of every comparison beside the modality's classical method.
STANDARD = (
    "real_only",
    "class_weights",
    "tuned_threshold",
    "random_undersampling",
    "random_oversampling",
    "smote",
)


def free_arms(train: LabelledData, seed: int, *, tuned: bool) -> list[Arm]:
    """Real rows only, classes weighted, the threshold tuned on validation rows, common classes cut to the rarest.

    tuned  whether there are validation rows on which a threshold can be tuned
    """
    real = (without_groups(train),)
    arms = [Arm("real_only", real), Arm("class_weights", real, class_weights=True)]
    if tuned:
        arms.append(Arm("tuned_threshold", real, tuned_threshold=True))
    return [*arms, Arm("random_undersampling", (undersampled(real[0], seed),))]


def added(name: str, train: LabelledData, rows: tuple[LabelledData, ...]) -> Arm:
    """Real rows and others, a set for each generator seed."""
    return Arm(name, tuple(LabelledData.concat([without_groups(train), without_groups(one)]) for one in rows))


def half_and_half(synthetic: LabelledData, classical: LabelledData) -> LabelledData:
    """Of each class the first half of the synthetic rows, and as many classical ones as that leaves out."""
    parts = []
    for c in range(len(synthetic.schema.classes)):
        mine, theirs = (np.flatnonzero(side.y == c) for side in (synthetic, classical))
        half = len(mine) - len(mine) // 2
        parts += [synthetic[mine[:half]], classical[theirs[: len(mine) - half]]]
    return LabelledData.concat([without_groups(part) for part in parts])


def simple_arms(train: LabelledData, simple: Mapping[str, LabelledData]) -> list[Arm]:
    """One arm for each simple method's rows."""
    return [added(name, train, (rows,)) for name, rows in simple.items()]


def undersampled(train: LabelledData, seed: int) -> LabelledData:
    """As many rows of every class as the rarest has."""
    order = numpy_generator(seed, "undersampling")
    least = int(train.counts()[train.counts() > 0].min())
    rows = [order.permutation(np.flatnonzero(train.y == k))[:least] for k in range(len(train.schema.classes))]
    return train[np.sort(np.concatenate(rows))]
