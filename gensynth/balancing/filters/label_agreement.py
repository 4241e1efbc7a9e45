"""Rows that a classifier of real rows finds unlike their label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gensynth.balancing.filters.contract import Filter, Reference
from gensynth.types import LabelledData

if TYPE_CHECKING:
    from gensynth.models.classifiers import RowClassifier


class LabelAgreement(Filter):
    """Drops rows whose requested label the classifier finds less likely than almost all real rows of the class.

    The threshold of a class is the `quantile` of the classifier's probability for the true label over real
    validation rows (of all classes where this one has fewer than 20), but never above 1/2.
    """

    name = "label_agreement"
    reason = "did not look like their label"
    checks_gated = True

    def __init__(self, quantile: float) -> None:
        self.quantile = quantile

    def learn(self, reference: Reference) -> None:
        self._classifier = reference.classifier
        held_out = reference.val if len(reference.val) else reference.train
        likely = _true_probability(self._classifier, held_out)
        pooled = np.quantile(likely, self.quantile)
        self._thresholds = np.full(len(held_out.schema.classes), min(0.5, pooled))
        for label, count in enumerate(held_out.counts()):
            if count >= 20:
                self._thresholds[label] = min(0.5, np.quantile(likely[held_out.y == label], self.quantile))

    def keep(self, rows: LabelledData) -> np.ndarray:
        return _true_probability(self._classifier, rows) >= self._thresholds[rows.y]


def _true_probability(classifier: RowClassifier, rows: LabelledData) -> np.ndarray:
    return classifier.probabilities(rows.x)[np.arange(len(rows)), rows.y]
