"""The contract of a filter: what it says of itself, what it learns from real rows, which drawn rows it keeps.

Every filter learns its threshold from real rows, so that real rows themselves would pass at a known rate. To add one:
copy `value_range.py` and `conf/filter/value_range.yaml`; report and bookkeeping read what the class declares.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gensynth.errors import UsageError
from gensynth.types import LabelledData, Schema

if TYPE_CHECKING:
    from gensynth.models.classifiers import RowClassifier
    from gensynth.samplers.sampler import Sampler

DECLARED = ("name", "reason", "modalities", "checks_gated", "looks_at_real_rows")


@dataclass(frozen=True)
class Reference:
    """What filters may look at: real train and val rows and a classifier trained on those train rows."""

    train: LabelledData
    val: LabelledData
    classifier: RowClassifier


class Filter(ABC):
    """Says which rows stay; `learn` comes first. A subclass declares itself in class attributes.

    name                what ledger and report call it
    reason              why rows were dropped, in the words of the report: "40 <reason>"
    modalities          kinds of rows that it can judge; empty for every kind
    checks_gated        whether it judges rows of gated samplers too: real rows that were changed at a risk to their
                        label, which are near copies on purpose
    looks_at_real_rows  whether what it drops depends on real rows, which voids a guarantee of differential privacy
    """

    name: str
    reason: str
    modalities: tuple[str, ...] = ()
    checks_gated: bool = False
    looks_at_real_rows: bool = True

    @abstractmethod
    def learn(self, reference: Reference) -> None:
        """Set the threshold."""

    @abstractmethod
    def keep(self, rows: LabelledData) -> np.ndarray:
        """Which rows (N,) bool stay."""


def looks_at(one: Filter, sampler: Sampler) -> bool:
    """Whether a filter looks at a sampler's rows: all where the label is a condition, else those of gated samplers.

    Other transformed real rows keep their label by construction, and are near copies on purpose.
    """
    return sampler.label_policy == "conditional" or (sampler.gated and one.checks_gated)


def check_filters(filters: list[Filter], schema: Schema) -> None:
    """UsageError for a filter that declares too little, or that cannot judge rows of this kind."""
    for one in filters:
        if missing := [word for word in DECLARED if not hasattr(one, word)]:
            raise UsageError(
                f"filter {type(one).__name__} does not declare {', '.join(missing)}; "
                "derive it from gensynth.balancing.filters.Filter"
            )
        if one.modalities and schema.modality not in one.modalities:
            raise UsageError(
                f"filter {one.name} takes rows of kind {' and '.join(one.modalities)}; these are of kind "
                f"{schema.modality}; leave it out of filter=[...]"
            )
