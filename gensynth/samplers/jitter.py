"""Real rows of the class with their numbers moved a little: the simplest new rows a table can have."""

from __future__ import annotations

from typing import Self

import numpy as np

from gensynth import rng
from gensynth.data.columns import round_values
from gensynth.data.table import modelled_columns
from gensynth.samplers.resample import ClassRows
from gensynth.samplers.sampler import new_rows
from gensynth.types import AUGMENTED, LabelledData


class Jitter:
    """Gaussian noise on numbers and dates; levels, missing cells and spikes (5 % of the class or more) stay.

    strength  standard deviation of the noise, in standard deviations of the column within the class
    Values stay inside what the class shows and are rounded as the column is.
    """

    name = "jitter"
    label_policy = "preserve"
    deterministic = "per_row"
    spike = 0.05

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def fit(self, train: LabelledData) -> Self:
        self._rows = ClassRows(train)
        self._columns = modelled_columns(train.schema.fields)
        shape = (len(train.schema.classes), len(self._columns))
        self._spread, self._low, self._high = np.zeros(shape), np.full(shape, -np.inf), np.full(shape, np.inf)
        self._spikes: dict[tuple[int, int], np.ndarray] = {}
        for k in np.unique(train.y):
            mine = train.x[train.y == k]
            for j, column in enumerate(self._columns):
                present = mine[~np.isnan(mine[:, j]), j]
                if column.discrete or not len(present):
                    continue
                values, counts = np.unique(present, return_counts=True)
                self._spikes[k, j] = values[counts >= max(2, self.spike * len(mine))]
                self._spread[k, j], self._low[k, j], self._high[k, j] = present.std(), present.min(), present.max()
        return self

    def sample(self, labels: np.ndarray, seeds: np.ndarray) -> LabelledData:
        labels = np.asarray(labels, np.int64)
        train, parents = self._rows.train, self._rows.parents(labels, seeds)
        noise = rng.normal(seeds, len(self._columns), stream="jitter")
        x = train.x[parents]
        moved = np.clip(x + self.strength * self._spread[labels] * noise, self._low[labels], self._high[labels])
        for j, column in enumerate(self._columns):
            moved[:, j] = x[:, j] if column.discrete else round_values(column, moved[:, j])
        for (k, j), spikes in self._spikes.items():
            still = (labels == k) & np.isin(x[:, j], spikes)
            moved[still, j] = x[still, j]
        params = np.full(len(labels), f'{{"strength": {self.strength}}}')
        return new_rows(moved, labels, train.schema, origin=AUGMENTED, parent=train.ids[parents], params=params)
