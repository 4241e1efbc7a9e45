"""The contract of everything that makes labelled rows: network, copy, transform, interpolation.

`fit` sees real training rows only; `sample` is given labels and per-row seeds. Behind one
interface a report can always say whether a network beat the cheap baseline.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self, TypeGuard

import numpy as np

from gensynth.errors import UsageError
from gensynth.training.bundle import Bundle
from gensynth.types import LabelledData, Schema

LABEL_POLICIES = ("preserve", "at_risk", "conditional", "soft")  # the strictest last
PARAMS = "params"  # row-aligned column of LabelledData.groups: JSON of the exact parameters of a row


class Sampler(ABC):
    """A source of new rows.

    name           what the ledger says of its rows
    label_policy   conditional | preserve | soft | at_risk
    deterministic  per_row: row i depends on its label and seed alone; per_set: on the whole request
    gated          whether a classifier must find the requested label in its rows before they are merged
    modalities     kinds of rows it takes
    """

    name: str
    modalities: tuple[str, ...]
    label_policy = "preserve"
    deterministic = "per_row"
    gated = False

    @abstractmethod
    def fit(self, train: LabelledData) -> Self:
        """Prepare on real training rows."""

    @abstractmethod
    def sample(self, labels: np.ndarray, seeds: np.ndarray) -> LabelledData:
        """One row for every label (N,) and seed (N,) uint64, in that order."""


class OfGenerator(Sampler):
    """The base of samplers that work with the trained generator, whose bundle they are handed before `fit`.

    wants_generator  whether one has to be trained
    """

    wants_generator = True

    @abstractmethod
    def check(self, schema: Schema, params: dict) -> None:
        """UsageError where rows of this kind, or a model with these settings, will not do; before it is trained."""

    @abstractmethod
    def use(self, bundle: Bundle) -> Self:
        """Take the bundle."""


def check_modality(sampler: Sampler, schema: Schema) -> None:
    """UsageError unless the sampler takes rows of this kind."""
    if schema.modality not in sampler.modalities:
        known = " and ".join(sampler.modalities) or "nothing that all its links take"
        raise UsageError(f"sampler={sampler.name} takes rows of kind {known}; these are of kind {schema.modality}")


def links_of(sampler: Sampler) -> list[Sampler]:
    """The sampler itself, or what a chain is made of, in order."""
    links: list[Sampler] = getattr(sampler, "links", [sampler])
    return links


def wants_generator(sampler: Sampler) -> TypeGuard[OfGenerator]:
    """Whether a generator has to be trained for it."""
    return isinstance(sampler, OfGenerator) and sampler.wants_generator


def new_rows(
    x: np.ndarray,
    labels: np.ndarray,
    schema: Schema,
    *,
    origin: str | np.ndarray,
    parent: str | np.ndarray = "",
    params: str | np.ndarray = "",
) -> LabelledData:
    """Rows without names yet (the merge names them), with origin, parent and parameters, of all or of each."""
    y = np.asarray(labels, np.int64)
    cells = (np.full(len(y), np.asarray(one, dtype=str)) for one in ("", origin, parent, params))
    ids, origins, parents, settings = cells
    return LabelledData(x=x, y=y, schema=schema, ids=ids, origin=origins, parent=parents, groups={PARAMS: settings})
