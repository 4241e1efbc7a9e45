"""Parts of report.json that an assessment yields: frozen dataclasses whose fields are the keys.

`to_json` leaves out what was not measured; `from_json` reads a written report again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np

from gensynth.types import Entry

Notice = dict[str, str]  # code, text


@dataclass(frozen=True)
class Part:
    """A part of report.json: a frozen dataclass whose fields are the keys; None and missing keys are the same."""

    def to_json(self) -> dict[str, Any]:
        return {one.name: value for one in fields(self) if (value := getattr(self, one.name)) is not None}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Self:
        return cls(**{one.name: facts[one.name] for one in fields(cls) if one.name in facts})


@dataclass(frozen=True)
class Fidelity(Part):
    """{space: {metric: entry}}, {class: {metric: entry}}, faults of one set; class -> what was not tested."""

    fidelity: dict[str, dict[str, Entry]] = field(default_factory=dict)
    per_class: dict[str, dict[str, Entry]] = field(default_factory=dict)
    faults: list[Notice] = field(default_factory=list)
    untested: dict[str, str] = field(default_factory=dict)

    def closeness(self) -> float:
        """Mean over spaces of clipped density and coverage, 0 to 1: by which sets are ranked without a classifier."""
        both = [scores.get(m) for scores in self.fidelity.values() for m in ("clipped_density", "clipped_coverage")]
        values = [entry["value"] for entry in both if entry and entry["value"] is not None]
        return float(np.mean(values)) if values else 0.0


@dataclass(frozen=True)
class Verdict(Part):
    """What to use and why; see `verdict.verdict`.

    advice, why    parts of the sentence: what to do, and how sure that is
    answer         helps, no_difference, hurts, cannot_tell or not_run, against the best simple arm
    gain           {"against", "mean", "low", "high", "p"} to that arm; over_nothing: to real rows alone; "auc" beside
    margin         within which a gain makes no difference; smallest_gain: what the test rows could have shown
    standing       {"arm", "mean", "low", "high"}: what every other arm gains over that one, intervals holding together
    test_rows_needed  {"gain", "class", "rows"} that would show a small gain, where these could not
    """

    answer: str = "not_run"
    candidate: str = ""
    use: str = ""
    sentence: str = "Whether the synthetic rows help was not measured: not run."
    details: list[dict[str, Any]] = field(default_factory=list)
    advice: str | None = None
    why: str | None = None
    gain: dict[str, Any] | None = None
    over_nothing: dict[str, Any] | None = None
    margin: float | None = None
    smallest_gain: float | None = None
    test_rows_needed: dict[str, Any] | None = None
    standing: list[dict[str, Any]] | None = None


@dataclass(frozen=True)
class Utility(Part):
    """What arms yielded: lines of all arms, recall by class, confusion and reliability of baseline and candidate."""

    utility: list[dict[str, Any]] = field(default_factory=list)
    utility_per_class: dict[str, dict[str, float | None]] = field(default_factory=dict)
    confusion: dict[str, Any] | None = None
    reliability: dict[str, Any] | None = None
    shortcut: dict[str, Any] | None = None
    operations: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    robustness: list[dict[str, Any]] = field(default_factory=list)
    verdict: Verdict = Verdict()
    seconds: dict[str, float] | None = None  # of each arm; they vary, so they stand with the timing of the report

    def to_json(self) -> dict[str, Any]:
        return Part.to_json(replace(self, seconds=None)) | {"verdict": self.verdict.to_json()}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Self:
        return replace(super().from_json(facts), verdict=Verdict.from_json(facts.get("verdict", {})))


COPIES = ("nearer_to_train", "close_copies", "exact_copies", "near_copies")


@dataclass(frozen=True)
class Privacy(Part):
    """Copies and attacks of one set; entries that are not defined are None. dp: what is left of a DP guarantee.

    membership  a line an attack, p corrected for all; maximum: see `suite.maximum`; linkage: see `linkage_risks`
    """

    nearer_to_train: Entry | None = None
    close_copies: Entry | None = None
    exact_copies: Entry | None = None
    near_copies: Entry | None = None
    copies_per_class: dict[str, dict[str, Entry]] | None = None
    real_duplicates: dict[str, Entry] | None = None
    alarm: str | None = None
    membership: list[dict[str, Any]] | None = None
    maximum: list[dict[str, Any]] | None = None
    linkage: dict[str, Entry] | None = None
    threat_model: list[str] | None = None
    dp: dict[str, Any] | None = None

    def copies(self) -> dict[str, Entry]:
        """The entries that are defined, by name."""
        return {name: entry for name in COPIES if (entry := getattr(self, name)) is not None}


@dataclass(frozen=True)
class Bias(Part):
    """The audit of groups before and after, recall by group, coverage and copies by cell, what the gate says."""

    groups: list[str] | None = None
    note: str | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    recall: dict[str, Any] | None = None
    gate: dict[str, Any] | None = None
    cells: dict[str, Any] | None = None


@dataclass(frozen=True)
class Labels(Part):
    """Whether labels mean what they say: agreement, variety that filters take, suspect labels."""

    classes: dict[str, dict[str, Entry]] | None = None
    suspect: dict[str, Any] | None = None
    space: str | None = None
    note: str | None = None
