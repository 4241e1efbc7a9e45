"""The classical sampler of every kind of rows, which fills what another one cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np

from gensynth.data.kinds import kind_names, modality_of
from gensynth.samplers.audio import SafeAudio
from gensynth.samplers.image_transforms import ImageTransforms
from gensynth.samplers.jitter import Jitter
from gensynth.samplers.resample import RandomOversampling
from gensynth.samplers.sampler import Sampler
from gensynth.samplers.text import SafeText
from gensynth.types import LabelledData, Schema

FALLBACKS: dict[str, Callable[[], Sampler]] = {
    "image": lambda: ImageTransforms(10.0, 0.12, 0.1, False),
    "table": lambda: Jitter(0.1),
    "text": SafeText,
    "audio": SafeAudio,
}


def fallback_of(schema: Schema) -> Sampler:
    """The classical sampler of rows of this kind, at its usual settings: copies where there is none."""
    kind = modality_of(schema)
    make = kind.fallback or FALLBACKS.get(kind.name, RandomOversampling)
    return make()


class Usual(Sampler):
    """`fallback_of` the rows it is fitted on; for kinds that bring their own."""

    name = "usual"

    def __init__(self) -> None:
        self.modalities = kind_names()

    def fit(self, train: LabelledData) -> Self:
        self._inner = fallback_of(train.schema).fit(train)
        return self

    def sample(self, labels: np.ndarray, seeds: np.ndarray) -> LabelledData:
        return self._inner.sample(labels, seeds)
