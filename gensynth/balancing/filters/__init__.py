"""Which drawn rows may be merged: a file a filter, and the contract that all of them keep."""

from gensynth.balancing.filters.contract import Filter, Reference, check_filters, looks_at
from gensynth.balancing.filters.label_agreement import LabelAgreement
from gensynth.balancing.filters.near_copy import NearCopy
from gensynth.balancing.filters.value_range import ValueRange

__all__ = [
    "Filter",
    "LabelAgreement",
    "NearCopy",
    "Reference",
    "ValueRange",
    "check_filters",
    "looks_at",
]
