"""What a report holds: all of report.json, as types, and the one function that reads a written report again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from gensynth.evaluation.assessment import Assessment
from gensynth.evaluation.parts import Notice, Part
from gensynth.evaluation.utility.amount import Advice
from gensynth.report.notices import with_rank


@dataclass(frozen=True)
class DataFacts(Part):
    """What the rows are: rows of every class by split and by origin, what a look before training advised.

    ranking  names of sets, best first, where several were scored
    """

    name: str = "data set"
    recognised: list[str] | None = None
    classes: dict[str, dict[str, int]] | None = None
    advice: list[str] | None = None
    notes: list[str] | None = None
    ranking: list[str] | None = None


@dataclass(frozen=True)
class Report(Part):
    """All of report.json. `beside`: sets stand side by side, and each is told; else there is one, told as a whole.

    timing  seconds of every step, and under "arms" those that each arm's classifier took
    """

    assessment: Assessment
    data: DataFacts = DataFacts()
    timing: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    warnings: list[Notice] = field(default_factory=list)
    filters: dict[str, dict[str, int | str]] | None = None
    filter_reasons: dict[str, str] | None = None
    how_much: Advice | None = None
    review: dict[str, Any] | None = None
    source_card: dict[str, Any] | None = None
    deidentified: list[dict[str, Any]] | None = None
    beside: bool = False

    def to_json(self) -> dict[str, Any]:
        facts = self.assessment.to_json() | super().to_json() | {"data": self.data.to_json()}
        facts["warnings"] = with_rank(self.warnings)
        if self.how_much is not None:
            facts["how_much"] = self.how_much.to_json()
        if self.beside:
            facts |= {"sets": self.assessment.sets_json(), "sets_best": self.assessment.best_name}
        del facts["assessment"], facts["beside"]
        return facts

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Self:
        """A report that was written, or parts of one."""
        typed = {"data": DataFacts.from_json(facts.get("data", {})), "beside": "sets" in facts}
        if "how_much" in facts:
            typed["how_much"] = Advice.from_json(facts["how_much"])
        return super().from_json({**facts, **typed, "assessment": Assessment.from_json(facts)})
