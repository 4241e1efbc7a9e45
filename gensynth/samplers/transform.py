"""The contract of what changes rows: as a sampler it changes real rows, in a chain synthetic ones, online every
batch."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from gensynth import rng
from gensynth.data.text_languages import listed
from gensynth.errors import DataError, UsageError, nearest
from gensynth.samplers.described import Described
from gensynth.samplers.sampler import Sampler, new_rows
from gensynth.types import AUGMENTED, LabelledData

CHUNK_CELLS = 2_000_000  # that are worked on at once: samples, say


class ClassRows:
    """Real training rows by class; picks a parent for every (label, seed)."""

    def __init__(self, train: LabelledData) -> None:
        self.train = train
        self._order = np.argsort(train.y, kind="stable")
        self._counts = train.counts()
        self._starts = np.cumsum(self._counts) - self._counts

    def parents(self, labels: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """Index (N,) of a training row of the same class for each (label, seed); DataError if there is none."""
        labels = np.asarray(labels, np.int64)
        empty = np.unique(labels[self._counts[labels] == 0])
        if len(empty):
            raise DataError(f'class "{self.train.schema.classes[empty[0]]}" has no real training row to start from')
        place = (rng.uniform(seeds, 1, "parent")[:, 0] * self._counts[labels]).astype(np.int64)
        return self._order[self._starts[labels] + place]


class Transform(Sampler):
    """Changes rows; as a sampler, a real training row of the requested class for every seed.

    A subclass extends `fit` where it learns of the training rows, and says in `change` what it does to given ones:
    row i of what comes out depends on row i of what goes in, its label and its seed alone.
    """

    def fit(self, train: LabelledData) -> Self:
        self._rows = ClassRows(train)
        return self

    @abstractmethod
    def change(self, x: np.ndarray, labels: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows x (N, ...), labels (N,), seeds (N,) uint64 -> changed rows (N, ...) and their parameters, JSON (N,)."""

    def sample(self, labels: np.ndarray, seeds: np.ndarray) -> LabelledData:
        labels = np.asarray(labels, np.int64)
        train, parents = self._rows.train, self._rows.parents(labels, seeds)
        x, params = self.change(train.x[parents], labels, seeds)
        return new_rows(x, labels, train.schema, origin=AUGMENTED, parent=train.ids[parents], params=params)


class OfOperations(Transform):
    """A transform made of operations, each of which can be measured alone.

    left_out  operations that can make labels wrong and that the data set does not allow
    unlisted  operations on words of a language for which there are no word lists
    """

    left_out: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()

    def reasons_left_out(self) -> list[tuple[str, str]]:
        """(code, sentence) for operations that are not allowed, and for those without word lists."""
        allow = f"data.allow=[{','.join(self.left_out)}] says that they keep the labels of this data"
        state = f"did not run; data.language=CODE says which it is: {', '.join(listed())}"
        unlisted = f"{self.name}: {', '.join(self.unlisted)} must know the negations of the language and {state}"
        risky = f"{self.name}: {', '.join(self.left_out)} can make labels wrong and did not run; {allow}"
        return [
            *([("operations_without_language", unlisted)] if self.unlisted else []),
            *([("operations_left_out", risky)] if self.left_out else []),
        ]

    def at_risk(self, risky: bool) -> None:
        """Whether labels may come out wrong: then a classifier looks at the rows before they are merged."""
        self.label_policy = "at_risk" if risky else "preserve"
        self.gated = risky

    @abstractmethod
    def operations(self) -> tuple[tuple[str, str], ...]:
        """The operations that are used, each with a sentence on what it risks, empty for none."""

    @abstractmethod
    def alone(self, name: str, x: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """Rows x after that operation alone, on every row, at the strength it is used with."""


class NamedOperations(OfOperations):
    """Operations by name, each with a probability and numbers of its own, in the order they are given in.

    described  every operation there is
    draws      numbers that a row draws for an operation: whether it is met and, where it has a range, its value
    used       those that are on: off at probability 0 and, of those at risk, as long as they are not allowed by name
    """

    described: Mapping[str, Described]
    draws: int

    def choose(
        self,
        operations: Mapping[str, Mapping[str, float]],
        allow: list[str],
        rule: tuple[Callable[[Mapping[str, float]], bool], str],
        given: Mapping[str, str],
    ) -> None:
        """Set what is used and left out; UsageError for an unknown name or numbers that break the rule.

        rule   whether the numbers of an operation will do, and what they must be
        given  settings that operations may need, empty where there is none
        """
        for name in (*operations, *allow):
            if name not in self.described:
                raise UsageError(f'sampler.operations: no operation "{name}"; {nearest(name, self.described)}')
        for name, one in operations.items():
            if not (0 <= one["probability"] <= 1 and rule[0](one)):
                raise UsageError(f"sampler.operations.{name}: {rule[1]}, got {dict(one)}")
        on = {
            name: dict(one)
            for name, one in operations.items()
            if one["probability"] and given.get(self.described[name].needs, "nothing needed")
        }
        self.left_out = tuple(name for name in on if self.described[name].risk and name not in allow)
        self.used: dict[str, dict[str, Any]] = {name: one for name, one in on.items() if name not in self.left_out}
        self.at_risk(any(self.described[name].risk for name in self.used))

    def operations(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, self.described[name].risk) for name in self.used)

    @abstractmethod
    def apply(self, name: str, x: np.ndarray, draws: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, list[float]]:
        """Rows x after an operation, and the values that draws (N,) in (0, 1) stand for."""

    def alone(self, name: str, x: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        return self.apply(name, x, rng.uniform(seeds, 1, "alone")[:, 0], np.asarray(seeds, np.uint64))[0]

    def change(self, x: np.ndarray, labels: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        out, seeds = x.copy(), np.asarray(seeds, np.uint64)
        values: list[dict[str, float]] = [{} for _ in range(len(x))]
        size = max(1, CHUNK_CELLS // max(1, x[:1].size))
        for part in np.split(np.arange(len(x)), range(size, len(x), size)):
            draws = rng.uniform(seeds[part], self.draws * max(1, len(self.used)), f"{self.modalities[0]} transforms")
            for i, (name, one) in enumerate(self.used.items()):
                mine = draws[:, self.draws * i : self.draws * (i + 1)]
                met = mine[:, 0] < one["probability"]
                if met.any():
                    out[part[met]], found = self.apply(name, out[part[met]], mine[met, -1], seeds[part[met]])
                    for row, value in zip(part[met], found, strict=True):
                        values[row][name] = value
        return out, np.array([json.dumps(one) for one in values], dtype=str)
