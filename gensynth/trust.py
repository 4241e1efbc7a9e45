"""Who is in the made rows, what they could leak, whether their labels hold: bias, privacy, integrity of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gensynth import rng
from gensynth.assess import Assessed, Trial
from gensynth.balancing.filters import looks_at
from gensynth.balancing.merge import Filled
from gensynth.data.conditions import Conditions
from gensynth.data.kinds import points_of
from gensynth.errors import GateError
from gensynth.evaluation.bias import audit, before_and_after
from gensynth.evaluation.bias_gate import gate
from gensynth.evaluation.cell_scores import Side, cell_copies, cell_coverage
from gensynth.evaluation.copies import Copies, nearest_rows
from gensynth.evaluation.features import FeatureSpace
from gensynth.evaluation.group_recall import group_recall
from gensynth.evaluation.groups import table_groups
from gensynth.evaluation.integrity import Drawn, integrity_facts
from gensynth.evaluation.privacy import privacy_facts
from gensynth.evaluation.score import Yardstick
from gensynth.evaluation.shadow import Trainer, shadow_attack
from gensynth.evaluation.slices import NOTE, find_slices
from gensynth.evaluation.whitebox import ModelAttack, model_attacks
from gensynth.job import BiasSettings, Job
from gensynth.provenance.guarantee import MadeRows, dp_facts, steps_of
from gensynth.samplers.generator import GeneratorSampler
from gensynth.samplers.sampler import Sampler
from gensynth.training.bundle import Bundle
from gensynth.types import LabelledData

SLICE = "slice"
SHADOW_TARGETS = 200  # a side


@dataclass(frozen=True)
class Trusted:
    """Facts of report.json, and what must not leave: nearest real rows of made ones, ids of suspect rows."""

    facts: dict[str, Any]
    nearest: list[dict[str, str]] = field(default_factory=list)
    suspects: dict[str, Any] = field(default_factory=dict)


def trust_facts(
    trial: Trial,
    filled: Filled,
    assessed: Assessed,
    settings: BiasSettings,
    attacks: Sequence[ModelAttack],
    shadow: Trainer,
    shadows: int,
) -> Trusted:
    """Bias, privacy and label integrity of the rows that are to be merged.

    attacks  with what a release of the model would add
    shadow   makes rows anew from other real ones, for the likelihood-ratio attack; shadows: how often
    """
    yardstick, scored, made = assessed.yardstick, assessed.scored, filled.rows
    if yardstick is None or scored is None:
        named = {"bias": _audit(trial, made, settings, _not_measured(trial))} if trial.groups else {"bias": {}}
        return Trusted(named | {"integrity": {}})
    space = next(space for space in yardstick.spaces if space.name == "self_supervised")
    trial.progress("privacy: copies and membership inference")
    held_out = LabelledData.concat([trial.val, trial.test])
    points = points_of(LabelledData.concat([trial.train, held_out]))  # of train rows alone, all others would lie far
    privacy = privacy_facts(
        trial.train,
        held_out,
        made,
        scored.found,
        seed=rng.child(trial.seed, "privacy"),
        points=points,
        subject=trial.subject,
        whitebox=attacks,
    )
    if shadows:
        trial.progress(f"privacy: {shadows} shadow generators")
        line = shadow_attack(
            trial.train,
            held_out,
            made,
            shadow,
            runs=shadows,
            targets=SHADOW_TARGETS,
            points=points,
            seed=rng.child(trial.seed, "shadows"),
            subject=trial.subject,
        )
        privacy["membership"].append(line)
    integrity, suspects = integrity_facts(
        train=trial.train,
        held_out=trial.test,
        made=made,
        drawn=Drawn(filled.drawn, filled.passed),
        judged=yardstick.judge.probabilities,
        subject=trial.subject,
        transform=space.transform,
        space=space.name,
        seed=trial.seed,
        progress=trial.progress,
    )
    bias = _bias(trial, made, assessed, settings, yardstick, space, scored.found)
    nearest = nearest_rows(scored.found, made.ids, trial.train.ids)
    return Trusted({"bias": bias, "privacy": privacy, "integrity": integrity}, nearest, suspects)


def model_attacks_of(bundle: Bundle, conditions: Conditions) -> list[ModelAttack]:
    """Attacks with what a bundle holds, on rows with their label; rows of a cell that it was not trained on score
    lowest, as an attacker would have it."""

    def asked(attack: ModelAttack) -> ModelAttack:
        def score(rows: LabelledData) -> np.ndarray:
            known = conditions.index(rows) >= 0
            scores = np.full(len(rows), np.nan)
            scores[known] = attack.score(conditions.split(rows))
            return np.where(known, scores, np.nanmin(scores, initial=np.inf))

        return replace(attack, score=score)

    return [asked(attack) for attack in model_attacks(bundle.generator, bundle.codec)]


def dp_of_run(job: Job, sampler: Sampler, bundle: Bundle | None, filled: Filled, reviewed: int) -> dict[str, Any]:
    """What is left of a promise of differential privacy after rows were made, filtered and looked at."""
    if bundle is None:
        return dp_facts({}, [])
    made = MadeRows(
        from_noise=isinstance(sampler, GeneratorSampler),
        counts_asked=False,  # they fill up what real rows lack
        filters=tuple(one for one in job.filters if looks_at(one, sampler)),
        chosen=job.target == "auto",
        fallback_rows=int((filled.rows.groups["sampler"] != sampler.name).sum()),
        reviewed=reviewed,
    )
    return dp_facts(bundle.facts.get("guarantee", {}), steps_of(bundle.facts, made))


def audit_before(train: LabelledData, columns: Sequence[str], favourable: str) -> dict[str, Any]:
    """Who is in the real train rows: looked at before anything is trained."""
    groups = {name: train.groups[name] for name in columns}
    return audit(train.y, groups, train.origin, train.schema.classes, favourable)


def audit_lines(audit_facts: dict[str, Any]) -> list[str]:
    """The audit for a terminal: disparate impact of every cut, and cells that are too small to learn from."""
    lines = []
    for name, table in audit_facts["tables"].items():
        impact = table["disparate_impact"]
        if impact["value"] is not None:
            lines.append(
                f'bias: {name}: "{impact["favourable"]}" is {impact["value"]:.0%} as frequent in {impact["group"]} as '
                f"in {impact['reference']} ({impact['low']:.0%} to {impact['high']:.0%}; the usual line is 80 %)"
            )
    for cell in audit_facts["collect"]:
        lines.append(f"bias: {cell['class']}, {cell['table']} {cell['group']}: {cell['text']}")
    return lines


def refuse_biased(bias: dict[str, Any]) -> None:
    """GateError with every reason where the audit refuses and nobody has accepted it."""
    verdict = bias.get("gate", {"passed": True})
    if not (verdict["passed"] or verdict["accepted"]):
        reasons = "\n".join(f"  - {reason}" for reason in verdict["reasons"])
        raise GateError(f"the bias audit refuses to merge; bias.accept=true merges all the same\n{reasons}")


def with_groups(rows: LabelledData, columns: Sequence[str]) -> LabelledData:
    """Rows with their group columns and no other: of a table's made rows, what their own cells say."""
    lacking = [name for name in columns if name not in rows.groups]
    found = table_groups(rows, lacking) if lacking else {}
    return replace(rows, groups={name: found[name] if name in found else rows.groups[name] for name in columns})


def _not_measured(trial: Trial) -> dict[str, str]:
    return {"reason": f"not defined: {trial.why_not() or 'no rows were made'}"}


def _audit(trial: Trial, made: LabelledData, settings: BiasSettings, recall: dict[str, Any]) -> dict[str, Any]:
    """Representation before and after, and what the gate says."""
    columns = list(trial.groups)
    train, made = (with_groups(rows, columns) for rows in (trial.train, made))
    facts = before_and_after(train, LabelledData.concat([train, made]), columns, settings.favourable)
    verdict = gate(
        facts["before"], facts["after"], recall, settings.max_drop, settings.max_recall_drop, settings.accept
    )
    return {"groups": columns, **facts, "recall": recall, "gate": verdict}


def _bias(
    trial: Trial,
    made: LabelledData,
    assessed: Assessed,
    settings: BiasSettings,
    yardstick: Yardstick,
    space: FeatureSpace,
    found: Copies,
) -> dict[str, Any]:
    """The audit by named groups; without them by clusters of features, which nothing is refused for."""
    trial.progress("bias: who is in the rows")
    features = {name: space.transform(rows.x) for name, rows in (("train", trial.train), ("test", trial.test))}
    features["made"] = space.transform(made.x)
    sides = {"train": trial.train, "test": trial.test, "made": made}
    if trial.groups:
        sides = {name: with_groups(rows, trial.groups) for name, rows in sides.items()}
    else:
        sides = _sliced(sides, features, rng.child(trial.seed, "slices"))
    groups = sides["test"].groups
    recall = group_recall(assessed.result, groups) if assessed.result else _not_measured(trial)
    if trial.groups:
        facts = _audit(trial, made, settings, recall)
    else:
        merged = LabelledData.concat([sides["train"], sides["made"]])
        facts = {"groups": [], "note": NOTE, "recall": recall, **before_and_after(sides["train"], merged, [SLICE], "")}
    return facts | {"cells": _cell_scores(trial, sides, features, yardstick, space, found)}


def _sliced(sides: dict[str, LabelledData], features: dict[str, np.ndarray], seed: int) -> dict[str, LabelledData]:
    """Rows with the cluster they lie in as their only group; clusters are found in train rows."""
    train = sides["train"]
    slices = find_slices(features["train"], train.y, len(train.schema.classes), seed)
    return {name: replace(rows, groups={SLICE: slices.assign(features[name], rows.y)}) for name, rows in sides.items()}


def _cell_scores(
    trial: Trial,
    sides: dict[str, LabelledData],
    features: dict[str, np.ndarray],
    yardstick: Yardstick,
    space: FeatureSpace,
    found: Copies,
) -> dict[str, Any]:
    """Coverage of held-out rows and share of copies, cell by cell."""
    classes = trial.train.schema.classes
    of = {name: Side(features[name], rows.y, rows.groups) for name, rows in sides.items()}
    coverage = cell_coverage(
        made=of["made"],
        held_out=of["test"],
        train=of["train"],
        noise=space.transform(yardstick.floor(trial.test.x)),
        classes=classes,
        seed=rng.child(trial.seed, "cells"),
    )
    made, fresh = sides["made"], sides["test"][found.fresh]
    copied = cell_copies(
        Side(found.exact | found.near, made.y, made.groups),
        Side(found.real.exact | found.real.below(found.threshold), fresh.y, fresh.groups),
        classes,
    )
    return {"coverage": coverage, "copies": copied}
