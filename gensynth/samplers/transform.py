"""The contract of what changes rows: as a sampler it changes real rows, in a chain made ones, online every batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import numpy as np

from gensynth.samplers.parents import ClassRows
from gensynth.samplers.sampler import new_rows
from gensynth.types import AUGMENTED, LabelledData


class Transform(ABC):
    """Changes rows; as a sampler, a real training row of the asked class for every seed.

    A subclass extends `fit` where it learns of the training rows, and says in `change` what it does to given ones:
    row i of what comes out depends on row i of what goes in, its label and its seed alone.

    gated  whether a judge must find the asked label in its rows before they are merged
    """

    name: str
    modalities: tuple[str, ...]
    label_policy = "preserve"
    deterministic = "per_row"
    gated = False

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
    """

    left_out: tuple[str, ...] = ()

    @abstractmethod
    def operations(self) -> tuple[tuple[str, str], ...]:
        """The operations that are used, each with a sentence on what it risks, empty for none."""

    @abstractmethod
    def alone(self, name: str, x: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """Rows x after that operation alone, on every row, at the strength it is used with."""
