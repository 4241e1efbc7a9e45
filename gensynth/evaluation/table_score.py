"""Fidelity of made table rows: point-cloud scores on scaled cells, column and pair scores, a two-sample test."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from gensynth.data.table import TablePoints, modelled_columns
from gensynth.evaluation.columns import is_continuous, level_coverage, missing_gap, shapes, trends
from gensynth.evaluation.detection import FOLDS, boosted_c2st
from gensynth.evaluation.features import FeatureSpace
from gensynth.evaluation.fidelity import Entry, fidelity, match_rows
from gensynth.evaluation.table_utility import TableArm
from gensynth.rng import child, numpy_generator
from gensynth.types import LabelledData

SPACE = "columns"


def table_fidelity(
    train: LabelledData, test: LabelledData, made: LabelledData, seed: int, progress: Callable[[str], None]
) -> tuple[list[FeatureSpace], dict[str, dict[str, Entry]], dict[str, dict[str, Entry]]]:
    """Feature spaces, {space: {metric: entry}} and {class: {metric: entry}} of made rows against test rows.

    Space `cells`: FID ... coverage on scaled cells. Space `columns`: shape, trend, trend over associated pairs,
    C2ST, level coverage, largest gap of a missing share. Floor: columns shuffled apart (perfect in shape, so there
    it has none); ceiling: real train rows in place of the made ones. All at equal n and equal classes.
    """
    progress("fidelity of cells, columns and pairs")
    columns = modelled_columns(train.schema.fields)
    points = TablePoints(columns, train.x)
    digest = hashlib.sha256(train.x.tobytes()).hexdigest()
    cells = FeatureSpace("cells", digest, points.transform)

    def shuffled(x: np.ndarray) -> np.ndarray:
        order = numpy_generator(seed, "fidelity", "shuffle")
        return np.column_stack([order.permutation(x[:, j]) for j in range(x.shape[1])])

    overall, per_class = fidelity(
        spaces=[cells], train=train, reference=test, synthetic=made, floor=shuffled, seed=seed
    )
    matched = match_rows(train=train, reference=test, synthetic=made, seed=seed)
    real, fake, ceiling = test[matched.reference], made[matched.synthetic], train[matched.train]
    floor = replace(real, x=shuffled(real.x))
    continuous = is_continuous(columns, train.x)
    overall[SPACE] = _column_entries(continuous, train, real, fake, floor, ceiling, seed)
    per_column = shapes(continuous, real.x, fake.x)
    overall["shape by column"] = {
        c.name: {"value": float(s), "n_real": len(real), "n_synthetic": len(fake)}
        for c, s in zip(columns, per_column, strict=True)
    }
    for k, name in enumerate(train.schema.classes):
        sides = [side[side.y == k] for side in (real, fake, ceiling)]
        if len(sides[0]) < 5:
            per_class[name]["shape[columns]"] = {"value": None, "reason": f"not defined: {len(sides[0])} rows"}
            continue
        values = [shapes(continuous, sides[0].x, side.x).mean() for side in sides[1:]]
        per_class[name]["shape[columns]"] = _entry(sides[0], sides[1], values[0], None, values[1])
    return [cells], overall, per_class


def _column_entries(
    continuous: np.ndarray,
    train: LabelledData,
    real: LabelledData,
    fake: LabelledData,
    floor: LabelledData,
    ceiling: LabelledData,
    seed: int,
) -> dict[str, Entry]:
    if len(real) < FOLDS:
        return {"shape": {"value": None, "reason": f"not defined: {len(real)} rows"}}
    scored = {
        name: _scores(continuous, train, real, side, seed)
        for name, side in (("value", fake), ("floor", floor), ("ceiling", ceiling))
    }
    entries = {}
    for metric, value in scored["value"].items():
        if value is None:
            entries[metric] = {
                "value": None,
                "reason": "not defined: no pair of columns is associated in the real rows",
            }
            continue
        least = None if metric in ("shape", "level_coverage", "missing_gap") else scored["floor"][metric]
        entries[metric] = _entry(real, fake, value, least, scored["ceiling"][metric])
    entries["c2st_auc"]["expected"] = 0.5
    return entries


def _scores(
    continuous: np.ndarray, train: LabelledData, real: LabelledData, fake: LabelledData, seed: int
) -> dict[str, float | None]:
    pairs = trends(continuous, train.x, real.x, fake.x)
    discrete = np.flatnonzero(~continuous)
    covered = [level_coverage(real.x[:, j], fake.x[:, j]) for j in discrete]
    return {
        "shape": float(shapes(continuous, real.x, fake.x).mean()),
        "trend": pairs.all_pairs,
        "trend_associated": pairs.associated,
        "c2st_auc": boosted_c2st(real, fake, child(seed, "c2st")),
        "level_coverage": float(np.mean(covered)) if covered else 1.0,
        "missing_gap": float(np.abs(missing_gap(real.x, fake.x)).max()),
    }


def _entry(real: LabelledData, fake: LabelledData, value: float, floor: float | None, ceiling: float | None) -> Entry:
    entry: Entry = {"value": float(value), "n_real": len(real), "n_synthetic": len(fake)}
    entry |= {"floor": None if floor is None else float(floor), "ceiling": None if ceiling is None else float(ceiling)}
    return entry


def table_arms(
    train: LabelledData, made: LabelledData, simple: Mapping[str, LabelledData], seed: int
) -> list[TableArm]:
    """Doing nothing, the simple remedies, the made rows without and with class weights.

    The made rows alone where there are no simple arms, that is, where whole sets are compared.
    """
    arms = [
        TableArm("real_only", train),
        TableArm("class_weights", train, class_weights=True),
        TableArm("tuned_threshold", train, tuned_threshold=True),
        TableArm("random_undersampling", undersampled(train, seed)),
    ]
    arms += [TableArm(name, joined(train, rows)) for name, rows in simple.items()]
    arms.append(TableArm("real_plus_synthetic", joined(train, made)))
    arms.append(TableArm("real_plus_synthetic_weighted", joined(train, made), class_weights=True))
    return arms if simple else [*arms, TableArm("synthetic_only", made)]


def joined(train: LabelledData, rows: LabelledData) -> LabelledData:
    """Real rows, then others, without the columns that only one side has."""
    return LabelledData.concat([replace(side, groups={}) for side in (train, rows)])


def undersampled(train: LabelledData, seed: int) -> LabelledData:
    """As many rows of every class as the rarest has."""
    order = numpy_generator(seed, "undersampling")
    least = int(train.counts()[train.counts() > 0].min())
    rows = [order.permutation(np.flatnonzero(train.y == k))[:least] for k in range(len(train.schema.classes))]
    return train[np.sort(np.concatenate(rows))]
