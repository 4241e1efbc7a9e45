"""What an assessment takes and gives: real rows, synthetic sets and settings; the parts of report.json.

Parts carry the keys of report.json as their fields. `to_json` leaves out what was not measured; `from_json` reads a
written report again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gensynth import rng
from gensynth.evaluation.parts import Bias, Fidelity, Labels, Notice, Part, Privacy, Utility, Verdict
from gensynth.types import AUGMENTED, SYNTHETIC, Entry, LabelledData

if TYPE_CHECKING:
    from gensynth.evaluation.metrics.metric import Metric
    from gensynth.evaluation.privacy.whitebox import ModelAttack
    from gensynth.samplers.online import Online
    from gensynth.samplers.sampler import Sampler

PARTS = frozenset({"fidelity", "utility", "privacy", "bias", "labels", "provenance"})
CLASSICAL = "classical"  # the word for the arm of the modality's classical sampler
Shadow = Callable[[LabelledData, int], LabelledData]  # (real rows, seed) -> rows of a sampler prepared anew on those


@dataclass(frozen=True)
class RealRows:
    """Real rows: what sets are compared with; `val_seen`: a set may have been learned from validation rows too."""

    train: LabelledData
    val: LabelledData
    test: LabelledData
    val_seen: bool = False

    @property
    def seen(self) -> LabelledData:
        """Rows that a set may have been learned from."""
        return (
            LabelledData.concat([without_groups(self.train), without_groups(self.val)]) if self.val_seen else self.train
        )

    @property
    def held_out(self) -> LabelledData:
        """Rows that no set was learned from."""
        return self.test if self.val_seen else LabelledData.concat([self.val, self.test])


@dataclass(frozen=True)
class Drawn:
    """Rows as they were drawn, before any filter, and which of them all filters let pass, bool (M,)."""

    rows: LabelledData
    passed: np.ndarray


@dataclass(frozen=True)
class SyntheticSet:
    """Rows that are to be judged, and where they come from.

    rows           a set for each time their generator was trained; all are trained on, the first is scored
    arm            name of the arm of real rows and these; classical_arm: half of these, half classical ones;
                   alone_arm: these alone; an empty name: no such arm
    sampler        what drew them; rows of another one (a fallback) are never counted as its own
    drawn          a sample of every class from before the filters
    probe          rows of the commonest class, for the shortcut probe
    attacks        with what a release of the model would add; shadow: draws them anew from other real rows
    dp             what is left of a guarantee of differential privacy
    simple         drawn without a network: what a generator has to match
    seconds_per_row  what drawing took
    """

    rows: tuple[LabelledData, ...]
    arm: str = ""
    classical_arm: str = ""
    alone_arm: str = ""
    sampler: Sampler | None = None
    drawn: Drawn | None = None
    probe: LabelledData | None = None
    attacks: tuple[ModelAttack, ...] = ()
    shadow: Shadow | None = None
    dp: dict[str, Any] | None = None
    simple: bool = False
    seconds_per_row: float | None = None

    @property
    def arms(self) -> list[str]:
        """Arms in which these rows stand beside real ones."""
        return [name for name in (self.arm, self.classical_arm) if name]


@dataclass(frozen=True)
class BiasLimits:
    """What rows must pass before they are merged; see `bias_gate.gate`.

    max_drop         largest relative fall of the smallest cell's share of its class
    max_recall_drop  largest fall of the worst group's recall
    favourable       class that base rates are rates of; empty: the rarer of two, none of more
    accept           merge although the audit refuses, which the report records; it holds for one run or merge
    """

    max_drop: float = 0.1
    max_recall_drop: float = 0.02
    favourable: str = ""
    accept: bool = False


@dataclass(frozen=True)
class EvaluationSettings:
    """What is measured, and how.

    parts      of PARTS; those left out are not measured
    fallback   the classical sampler of the modality
    seeds      classifier seeds of every arm; steps: of the network, 0: by the number of rows
    full       whether stronger arms and further classifiers are trained
    margin     gains and losses within it make no difference
    inception  whether the literature's feature space is added
    needed     rows that the plan adds to every class, by which simple arms are filled; how_much: the same in words
    simple_arms  names of the simple arms that are trained beside those of every comparison, CLASSICAL among them;
                 None: all
    online     arms that change rows while a classifier learns
    groups     columns of the rows by which bias is looked at; slices: clusters of rows stand in where none are named
    subject    column that says whom a row belongs to
    shadows    generators trained anew for the likelihood-ratio attack; 0: none
    metrics    of fidelity, in the order of tables; None: those of conf/metric
    """

    seed: int
    fallback: Sampler
    seeds: int = 5
    steps: int = 0
    full: bool = False
    margin: float = 0.01
    inception: bool = False
    parts: frozenset[str] = PARTS
    needed: Mapping[str, int] = field(default_factory=dict)
    how_much: str = ""
    simple_arms: frozenset[str] | None = None
    online: Mapping[str, Online] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    slices: bool = True
    subject: str = ""
    limits: BiasLimits = BiasLimits()
    shadows: int = 0
    metrics: tuple[Metric, ...] | None = None

    def arm_seeds(self) -> list[int]:
        return [rng.child(self.seed, "utility", i) for i in range(self.seeds)]


@dataclass(frozen=True)
class Fold:
    """Another split of the same real rows, with what was drawn for it anew: what cross-fitting adds to a run."""

    real: RealRows
    sets: Mapping[str, SyntheticSet]
    settings: EvaluationSettings


@dataclass(frozen=True)
class Provenance(Part):
    """Who filled what: rows by origin and by the sampler that drew them, how new they are, what they cost.

    classes  {class: {"synthetic", "augmented", "own", "fallback"}}; own: drawn by the set's own sampler
    """

    classes: dict[str, dict[str, int]] = field(default_factory=dict)
    filled_by: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def of(one: SyntheticSet) -> Provenance:
        rows = one.rows[0]
        drew = rows.groups.get("sampler", np.full(len(rows), one.sampler.name if one.sampler else ""))
        own = drew == one.sampler.name if one.sampler else np.ones(len(rows), dtype=bool)
        names, counts = np.unique(drew, return_counts=True)
        classes = {}
        for c, name in enumerate(rows.schema.classes):
            mine = rows.y == c
            by_origin = {origin: int((mine & (rows.origin == origin)).sum()) for origin in (SYNTHETIC, AUGMENTED)}
            classes[name] = by_origin | {"own": int((mine & own).sum()), "fallback": int((mine & ~own).sum())}
        return Provenance(classes, dict(zip(names.tolist(), counts.tolist(), strict=True)))

    def total(self, key: str) -> int:
        return sum(row[key] for row in self.classes.values())


@dataclass(frozen=True)
class Internal:
    """What must not leave: nearest real rows of synthetic ones, ids of rows with suspect labels."""

    nearest: list[dict[str, str]] = field(default_factory=list)
    suspects: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SetAssessment:
    """One set: its parts; what is known only where sets stand side by side is None elsewhere."""

    fidelity: Fidelity = Fidelity()
    privacy: Privacy = Privacy()
    bias: Bias = Bias()
    labels: Labels = Labels()
    provenance: Provenance = Provenance()
    verdict: Verdict | None = None
    ranked_by: float | None = None
    novelty: Entry | None = None
    label_agreement: Entry | None = None
    seconds_per_1000: float | None = None
    internal: Internal = Internal()

    def to_json(self) -> dict[str, Any]:
        parts = {"privacy": self.privacy, "bias": self.bias, "integrity": self.labels, "provenance": self.provenance}
        facts = self.fidelity.to_json() | {name: part.to_json() for name, part in parts.items()}
        beside = {name: getattr(self, name) for name in BESIDE} | {"verdict": self.verdict and self.verdict.to_json()}
        return facts | {name: value for name, value in beside.items() if value is not None}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> SetAssessment:
        return cls(
            Fidelity.from_json(facts),
            Privacy.from_json(facts.get("privacy", {})),
            Bias.from_json(facts.get("bias", {})),
            Labels.from_json(facts.get("integrity", {})),
            Provenance.from_json(facts.get("provenance", {})),
            Verdict.from_json(facts["verdict"]) if "verdict" in facts else None,
            **{name: facts[name] for name in BESIDE if name in facts},
        )


BESIDE = ("ranked_by", "novelty", "label_agreement", "seconds_per_1000")


@dataclass(frozen=True)
class Assessment:
    """All that was found: sets best first, what their arms yielded, what feature spaces see, warnings."""

    sets: dict[str, SetAssessment]
    utility: Utility = Utility()
    spaces: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: list[Notice] = field(default_factory=list)
    pictures: tuple[np.ndarray, dict[str, np.ndarray]] = (np.zeros(0), {})  # of the best: realism, the plane

    @property
    def best_name(self) -> str:
        return next(iter(self.sets))

    @property
    def best(self) -> SetAssessment:
        return self.sets[self.best_name]

    def to_json(self) -> dict[str, Any]:
        """Keys of report.json; `privacy`, `fidelity` and the like are those of the best set, faults those of all."""
        best = self.best.to_json()
        top = {name: best[name] for name in ("fidelity", "per_class", "untested", "privacy", "bias", "integrity")}
        faults = [fault for one in self.sets.values() for fault in one.fidelity.faults]
        return top | {"faults": faults, "spaces": self.spaces, **self.utility.to_json()}

    def sets_json(self) -> dict[str, Any]:
        return {name: one.to_json() for name, one in self.sets.items()}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Assessment:
        top = {name: part for name, part in facts.items() if name not in ("verdict", "provenance")}
        sets = {name: SetAssessment.from_json(part) for name, part in facts.get("sets", {"": top}).items()}
        return cls(sets, Utility.from_json(facts), facts.get("spaces", {}), facts.get("warnings", []))


def without_groups(rows: LabelledData) -> LabelledData:
    """The same rows without row-aligned columns, which only one side may have."""
    return replace(rows, groups={})
