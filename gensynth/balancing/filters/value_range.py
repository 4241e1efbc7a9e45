"""Images that are lighter, darker, flatter or harsher than any real one of their class."""

from __future__ import annotations

import numpy as np

from gensynth.balancing.filters.contract import Filter, Reference
from gensynth.types import LabelledData


class ValueRange(Filter):
    """Drops images whose mean or contrast lies outside what the class's real ones span, plus a margin."""

    name = "value_range"
    reason = "lay outside what real rows span"
    modalities = ("image",)

    def __init__(self, margin: float) -> None:
        self.margin = margin

    def learn(self, reference: Reference) -> None:
        train = reference.train
        facts = _mean_and_contrast(train)
        classes = len(train.schema.classes)
        self._low, self._high = np.full((classes, 2), -np.inf), np.full((classes, 2), np.inf)
        known = np.isfinite(facts).all(axis=1)
        for label in np.unique(train.y[known]):
            mine = facts[known & (train.y == label)]
            low, high = mine.min(0), mine.max(0)
            slack = self.margin * (high - low) + 2.0
            self._low[label], self._high[label] = low - slack, high + slack

    def keep(self, rows: LabelledData) -> np.ndarray:
        facts = _mean_and_contrast(rows)
        return ((facts >= self._low[rows.y]) & (facts <= self._high[rows.y])).all(axis=1)


def _mean_and_contrast(rows: LabelledData) -> np.ndarray:
    flat = rows.x.reshape(len(rows), -1)
    return np.stack([flat.mean(axis=1), flat.std(axis=1)], axis=1)
