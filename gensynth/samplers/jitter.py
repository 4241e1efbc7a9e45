"""Real rows of the class with their numbers moved a little: the simplest new rows a table can have."""

from __future__ import annotations

from typing import Self

import numpy as np

from gensynth import rng
from gensynth.data.columns import round_values
from gensynth.data.table import modelled_columns
from gensynth.samplers.transform import Transform
from gensynth.types import LabelledData


class Jitter(Transform):
    """Gaussian noise on numbers and dates; categories, missing cells and spikes (5 % of the class or more) stay.

    strength  standard deviation of the noise, in standard deviations of the column within the class
    Values stay inside what the class shows and are rounded as the column is.
    """

    name = "jitter"
    modalities = ("table",)
    spike = 0.05

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def fit(self, train: LabelledData) -> Self:
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
        return super().fit(train)

    def change(self, x: np.ndarray, labels: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        labels = np.asarray(labels, np.int64)
        noise = rng.normal(seeds, len(self._columns), stream="jitter")
        moved = np.clip(x + self.strength * self._spread[labels] * noise, self._low[labels], self._high[labels])
        for j, column in enumerate(self._columns):
            moved[:, j] = x[:, j] if column.discrete else round_values(column, moved[:, j])
        for (k, j), spikes in self._spikes.items():
            still = (labels == k) & np.isin(x[:, j], spikes)
            moved[still, j] = x[still, j]
        return moved, np.full(len(labels), f'{{"strength": {self.strength}}}')
