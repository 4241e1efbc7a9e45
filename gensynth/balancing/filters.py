"""Which drawn rows may be merged: label agreement, no near copies, plausible range.

Every filter learns its threshold from real rows, so that real rows themselves would pass at a
known rate; each has one method to learn and one to decide, and a name that ledger and report use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gensynth.data.kinds import modality_of, points_of
from gensynth.errors import UsageError
from gensynth.models.judges import AnyJudge
from gensynth.neighbours import nearest_distances
from gensynth.samplers.sampler import Sampler
from gensynth.types import LabelledData, Schema


@dataclass(frozen=True)
class Reference:
    """What filters may look at: real train and val rows and a judge trained on those train rows."""

    train: LabelledData
    val: LabelledData
    judge: AnyJudge


class Filter(Protocol):
    """keep -> bool (N,); `learn` comes first."""

    name: str

    def learn(self, reference: Reference) -> None: ...

    def keep(self, rows: LabelledData) -> np.ndarray: ...


def looks_at(one: Filter, sampler: Sampler) -> bool:
    """Whether a filter judges a sampler's rows: all where the label is a condition, label agreement where it is gated.

    Other transformed real rows keep their label by construction, and are near copies on purpose.
    """
    return sampler.label_policy == "conditional" or (sampler.gated and isinstance(one, LabelAgreement))


def check_filters(filters: list[Filter], schema: Schema) -> None:
    """UsageError for a filter that cannot judge rows of this kind."""
    if schema.modality != "image" and any(isinstance(one, ValueRange) for one in filters):
        raise UsageError(
            f"filter value_range looks at pixels, and these rows are {schema.modality}; leave it out of filter=[...]"
        )


class LabelAgreement:
    """Drops rows whose asked label the judge finds less likely than almost all real rows of the class.

    The threshold of a class is the `quantile` of the judge's probability for the true label over real
    validation rows (of all classes where this one has fewer than 20), but never above 1/2.
    """

    name = "label_agreement"

    def __init__(self, quantile: float) -> None:
        self.quantile = quantile

    def learn(self, reference: Reference) -> None:
        self._judge = reference.judge
        held_out = reference.val if len(reference.val) else reference.train
        likely = _true_probability(self._judge, held_out)
        pooled = np.quantile(likely, self.quantile)
        self._thresholds = np.full(len(held_out.schema.classes), min(0.5, pooled))
        for label, count in enumerate(held_out.counts()):
            if count >= 20:
                self._thresholds[label] = min(0.5, np.quantile(likely[held_out.y == label], self.quantile))

    def keep(self, rows: LabelledData) -> np.ndarray:
        return _true_probability(self._judge, rows) >= self._thresholds[rows.y]


def _true_probability(judge: AnyJudge, rows: LabelledData) -> np.ndarray:
    return judge.probabilities(rows.x)[np.arange(len(rows)), rows.y]


class NearCopy:
    """Drops rows that sit on one training row: nearest less than `ratio` as far as the second nearest.

    Euclidean distance, on pixels or on a table's scaled cells, to training rows of the same class, exact repeats
    among them counted once. In a table new people may well equal old ones in every column: there the ratio falls
    to the one that 95 % of real validation rows pass.
    """

    name = "near_copy"

    def __init__(self, ratio: float) -> None:
        self.ratio = ratio

    def learn(self, reference: Reference) -> None:
        train = reference.train
        _, first = np.unique(train.content_hashes(), return_index=True)
        distinct = train[np.sort(first)]
        self._points = points_of(train)
        self._train = {int(label): self._points(distinct[distinct.y == label].x) for label in np.unique(distinct.y)}
        self._least = self.ratio
        if modality_of(train.schema).columns(train.schema) and len(reference.val):
            self._least = min(self.ratio, float(np.quantile(self._ratios(reference.val), 0.05)))

    def keep(self, rows: LabelledData) -> np.ndarray:
        return self._ratios(rows) >= self._least

    def _ratios(self, rows: LabelledData) -> np.ndarray:
        """Distance to the nearest over that to the second nearest training row of the class; 1 where there is none."""
        ratios = np.ones(len(rows))
        for label, train in self._train.items():
            mine = np.flatnonzero(rows.y == label)
            if len(train) > 1 and len(mine):
                distances, _ = nearest_distances(self._points(rows.x[mine]), train, k=2)
                ratios[mine] = distances[:, 0] / np.maximum(distances[:, 1], 1e-12)
        return ratios


class ValueRange:
    """Drops images whose mean or contrast lies outside what the class's real ones span, plus a margin."""

    name = "value_range"

    def __init__(self, margin: float) -> None:
        self.margin = margin

    def learn(self, reference: Reference) -> None:
        train = reference.train
        check_filters([self], train.schema)
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
