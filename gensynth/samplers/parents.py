"""Which real row a made one starts from."""

from __future__ import annotations

import numpy as np

from gensynth import rng
from gensynth.errors import DataError
from gensynth.types import LabelledData


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
