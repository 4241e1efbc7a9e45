"""One sampler after another: rows of the first, changed by the others."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Self

import numpy as np

from gensynth import rng
from gensynth.errors import UsageError
from gensynth.samplers.sampler import OfGenerator, Sampler, links_of, wants_generator
from gensynth.samplers.transform import Transform
from gensynth.training.bundle import Bundle
from gensynth.types import LabelledData, Schema

STRICTEST_LAST = ("preserve", "at_risk", "conditional", "soft")


class Chain(OfGenerator):
    """Rows of `first`, changed by `then`: samples of a generator with noise on them, say.

    first  any sampler; then: a transform. Rows keep the first's origin and parent; both write their parameters.
    """

    def __init__(self, first: Sampler, then: Sampler) -> None:
        if not isinstance(then, Transform):
            raise UsageError("sampler.then must be a transform, which changes rows; this one makes rows of its own")
        self.first, self.then = first, then

    @property
    def name(self) -> str:
        return f"{self.first.name}+{self.then.name}"

    @property
    def links(self) -> list[Sampler]:
        return [*links_of(self.first), *links_of(self.then)]

    @property
    def label_policy(self) -> str:
        return max(self.first.label_policy, self.then.label_policy, key=STRICTEST_LAST.index)

    @property
    def deterministic(self) -> str:
        return self.first.deterministic

    @property
    def modalities(self) -> tuple[str, ...]:
        return tuple(kind for kind in self.first.modalities if kind in self.then.modalities)

    @property
    def gated(self) -> bool:
        return self.first.gated or self.then.gated

    @property
    def wants_generator(self) -> bool:
        return wants_generator(self.first)

    def check(self, schema: Schema, params: dict) -> None:
        if wants_generator(self.first):
            self.first.check(schema, params)

    def use(self, bundle: Bundle) -> Self:
        if wants_generator(self.first):
            self.first.use(bundle)
        return self

    def fit(self, train: LabelledData) -> Self:
        self.first.fit(train)
        self.then.fit(train)
        return self

    def sample(self, labels: np.ndarray, seeds: np.ndarray) -> LabelledData:
        rows = self.first.sample(labels, seeds)
        # Numbers of its own, so that two links of one kind do not move together; blocks of seeds stay together.
        own = np.asarray(seeds, np.uint64) ^ np.uint64(rng.child(0, "chain", self.then.name))
        x, params = self.then.change(rows.x, rows.y, own)
        both = [
            json.dumps({self.first.name: json.loads(one) if one else {}, self.then.name: json.loads(two)})
            for one, two in zip(rows.groups["params"].tolist(), params.tolist(), strict=True)
        ]
        return replace(rows, x=x, groups={"params": np.array(both, dtype=str)})
