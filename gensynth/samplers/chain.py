"""One sampler after another: rows of the first, changed by the others."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Self

import numpy as np

from gensynth import rng
from gensynth.errors import UsageError
from gensynth.samplers.sampler import LABEL_POLICIES, OfGenerator, Sampler, links_of, wants_generator
from gensynth.samplers.transform import Transform
from gensynth.training.bundle import Bundle
from gensynth.types import LabelledData, Schema


class Chain(OfGenerator):
    """Rows of `first`, changed by `then`: samples of a generator with noise on them, say.

    first  any sampler; then: a transform. Rows keep the first's origin and parent; both write their parameters.
    """

    def __init__(self, first: Sampler, then: Sampler) -> None:
        if not isinstance(then, Transform):
            raise UsageError("sampler.then must be a transform, which changes rows; this one makes rows of its own")
        self.first, self.then = first, then
        self.links = [*links_of(first), *links_of(then)]
        self.deterministic = first.deterministic
        self.label_policy = max(first.label_policy, then.label_policy, key=LABEL_POLICIES.index)
        self.modalities = tuple(kind for kind in first.modalities if kind in then.modalities)
        self.gated = first.gated or then.gated
        self.wants_generator = wants_generator(first)

    @property
    def name(self) -> str:  # type: ignore[override]
        """Of both, as soon as a generator has one."""
        return f"{self.first.name}+{self.then.name}"

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
