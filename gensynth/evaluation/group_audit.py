"""The bias part of an assessment: who is in the rows, whom they help, how true they are cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gensynth import rng
from gensynth.evaluation.assessment import BiasLimits, EvaluationSettings, RealRows
from gensynth.evaluation.bias.bias import before_and_after
from gensynth.evaluation.bias.cell_scores import Side, cell_copies, cell_coverage
from gensynth.evaluation.bias.gate import gate
from gensynth.evaluation.bias.group_recall import group_recall
from gensynth.evaluation.bias.groups import table_groups
from gensynth.evaluation.bias.slices import NOTE, find_slices
from gensynth.evaluation.fidelity.scorer import FidelityScorer
from gensynth.evaluation.parts import Bias
from gensynth.evaluation.privacy.copies import Copies
from gensynth.evaluation.utility.utility import UtilityResult
from gensynth.progress import say
from gensynth.types import LabelledData

SLICE = "slice"


@dataclass(frozen=True)
class Sides:
    """Rows of train, test and synthetic with their group columns and no other, and their features."""

    rows: dict[str, LabelledData]
    features: dict[str, np.ndarray]

    def of(self, name: str) -> Side:
        return Side(self.features[name], self.rows[name].y, self.rows[name].groups)


def with_groups(rows: LabelledData, columns: Sequence[str]) -> LabelledData:
    """Rows with their group columns and no other: of a table's synthetic rows, what their own cells say."""
    lacking = [name for name in columns if name not in rows.groups]
    found = table_groups(rows, lacking) if lacking else {}
    return replace(rows, groups={name: found[name] if name in found else rows.groups[name] for name in columns})


def audit_of(
    train: LabelledData, synthetic: LabelledData, columns: Sequence[str], limits: BiasLimits, recall: dict[str, Any]
) -> Bias:
    """Representation by named groups before and after, and what the gate says; `recall` as in `gate`."""
    train, synthetic = (with_groups(rows, columns) for rows in (train, synthetic))
    before, after = before_and_after(train, LabelledData.concat([train, synthetic]), list(columns), limits.favourable)
    decision = gate(before, after, recall, limits)
    return Bias(groups=list(columns), before=before, after=after, recall=recall, gate=decision)


def bias_of(
    real: RealRows,
    synthetic: LabelledData,
    scorer: FidelityScorer,
    copied: Copies,
    recall_by: tuple[UtilityResult, str] | dict[str, Any],
    settings: EvaluationSettings,
) -> Bias:
    """The audit by named groups; without them by clusters of features, which nothing is refused for.

    recall_by  trained arms and the name of the one with these rows, or {"reason": why there are none}
    """
    say("bias: who is in the rows")
    space = scorer.space("self_supervised")
    rows = {"train": real.train, "test": real.test, "synthetic": synthetic}
    sides = Sides(rows, {name: space.transform(side.x) for name, side in rows.items()})
    if settings.groups:
        sides = replace(sides, rows={name: with_groups(side, settings.groups) for name, side in rows.items()})
    else:
        sides = _sliced(sides, rng.child(settings.seed, "slices"))
    recall = recall_by
    if isinstance(recall, tuple):
        recall = group_recall(recall[0], sides.rows["test"].groups, candidate=recall[1])
    if settings.groups:
        found = audit_of(real.train, synthetic, settings.groups, settings.limits, recall)
    else:
        merged = LabelledData.concat([sides.rows["train"], sides.rows["synthetic"]])
        before, after = before_and_after(sides.rows["train"], merged, [SLICE])
        found = Bias(groups=[], note=NOTE, before=before, after=after, recall=recall)
    noise = space.transform(scorer.floor(real.test.x))
    return replace(found, cells=_cell_scores(sides, noise, copied, rng.child(settings.seed, "cells")))


def _sliced(sides: Sides, seed: int) -> Sides:
    """Rows with the cluster they lie in as their only group; clusters are found in train rows."""
    train = sides.rows["train"]
    slices = find_slices(sides.features["train"], train.y, len(train.schema.classes), seed)
    cut = {name: {SLICE: slices.assign(sides.features[name], rows.y)} for name, rows in sides.rows.items()}
    return replace(sides, rows={name: replace(rows, groups=cut[name]) for name, rows in sides.rows.items()})


def _cell_scores(sides: Sides, noise: np.ndarray, copied: Copies, seed: int) -> dict[str, Any]:
    """Coverage of held-out rows and share of copies, cell by cell."""
    synthetic, test = sides.rows["synthetic"], sides.rows["test"]
    classes, fresh = test.schema.classes, test[copied.fresh]
    coverage = cell_coverage(
        synthetic=sides.of("synthetic"),
        held_out=sides.of("test"),
        train=sides.of("train"),
        noise=noise,
        classes=classes,
        seed=seed,
    )
    copies = cell_copies(
        Side(copied.exact | copied.near, synthetic.y, synthetic.groups),
        Side(copied.real.exact | copied.real.below(copied.thresholds), fresh.y, fresh.groups),
        classes,
    )
    return {"coverage": coverage, "copies": copies}
