"""The arms of a comparison: doing nothing, what is free, simple methods, generators, and both together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gensynth import rng
from gensynth.evaluation.assessment import CLASSICAL, EvaluationSettings, RealRows, SyntheticSet, without_groups
from gensynth.evaluation.utility.utility import Arm
from gensynth.samplers.resample import RandomOversampling
from gensynth.samplers.sampler import Sampler
from gensynth.samplers.smote import Smote
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


# Of these a gain over the best simple way must hold, whichever arms were asked for.
ALWAYS = frozenset(STANDARD) - {"smote"}
CLASSICAL_ARM = {"image": "classical_augmentation"}  # elsewhere the name of its sampler


def arms_of(real: RealRows, sets: Mapping[str, SyntheticSet], settings: EvaluationSettings) -> list[Arm]:
    """What is free and what is simple, then the arms of every set, then those that change rows while training."""
    train, needed = real.train, settings.needed
    simple = simple_rows(train, settings) if any(needed.values()) else {}
    classical = list(simple.values())[-1] if simple else train[:0]
    standard = free_arms(train, settings.seed, tuned=len(real.val) > 0) + [
        added(name, train, (rows,)) for name, rows in simple.items()
    ]
    wanted = settings.simple_arms
    if wanted is not None:
        wanted |= ALWAYS | ({CLASSICAL} if train.schema.modality in CLASSICAL_ARM else set())
    taken = {one.arm for one in sets.values()}  # a sampler of that name stands in its place
    arms = [
        arm
        for arm in standard
        if arm.name not in taken and (wanted is None or (arm.name if arm.name in STANDARD else CLASSICAL) in wanted)
    ]
    for one in sets.values():
        if one.arm:
            arms.append(added(one.arm, train, one.rows))
        if one.classical_arm and len(classical) == len(one.rows[0]):
            arms.append(added(one.classical_arm, train, tuple(half_and_half(rows, classical) for rows in one.rows)))
        if one.alone_arm:
            arms.append(Arm(one.alone_arm, tuple(map(without_groups, one.rows))))
    copied = [arm for arm in standard if arm.name == "random_oversampling"]
    arms += [Arm(name, copied[0].rows, online=change) for name, change in settings.online.items()]
    return arms


def simple_rows(train: LabelledData, settings: EvaluationSettings) -> dict[str, LabelledData]:
    """The plan filled by every simple method: copies, interpolation, classical augmentation; by the name of its arm."""
    needed = settings.needed
    kind = train.schema.modality
    classical = CLASSICAL_ARM.get(kind, settings.fallback.name)
    samplers: dict[str, Sampler] = {"random_oversampling": RandomOversampling(), "smote": Smote("smote", 5)}
    samplers = {n: s for n, s in samplers.items() if kind in s.modalities} | {classical: settings.fallback}
    labels = np.repeat(np.arange(len(needed)), list(needed.values()))
    seeds = [rng.row_seeds(rng.child(settings.seed, "arm"), name, 0, count) for name, count in needed.items()]
    return {name: sampler.fit(train).sample(labels, np.concatenate(seeds)) for name, sampler in samplers.items()}


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


def undersampled(train: LabelledData, seed: int) -> LabelledData:
    """As many rows of every class as the rarest has."""
    order = rng.numpy_generator(seed, "undersampling")
    least = int(train.counts()[train.counts() > 0].min())
    rows = [order.permutation(np.flatnonzero(train.y == k))[:least] for k in range(len(train.schema.classes))]
    return train[np.sort(np.concatenate(rows))]
