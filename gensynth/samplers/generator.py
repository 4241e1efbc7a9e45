"""Rows drawn from a trained conditional generator."""

from __future__ import annotations

from typing import Self

import numpy as np

from gensynth.data.kinds import kind_names, modality_named
from gensynth.samplers.sampler import OfGenerator, new_rows
from gensynth.training.bundle import Bundle
from gensynth.types import SYNTHETIC, LabelledData, Schema


class GeneratorSampler(OfGenerator):
    """Class-conditional draws from a bundle; the bundle brings its own training, so `fit` does nothing."""

    name = "generator"
    label_policy = "conditional"

    def __init__(self) -> None:
        self.modalities = tuple(name for name in kind_names() if modality_named(name).codec)

    def check(self, schema: Schema, params: dict) -> None:
        pass

    def use(self, bundle: Bundle) -> Self:
        self.bundle = bundle
        self.name = bundle.facts["model"]
        return self

    def fit(self, train: LabelledData) -> Self:
        return self

    def sample(self, labels: np.ndarray, seeds: np.ndarray) -> LabelledData:
        x = self.bundle.codec.decode(self.bundle.generator.sample(labels, seeds))
        return new_rows(x, labels, self.bundle.schema, origin=SYNTHETIC)
