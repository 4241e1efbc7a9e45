"""Fidelity of synthetic table rows as they are: column and pair scores, and a two-sample test that sees every
column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gensynth.data.table import modelled_columns
from gensynth.evaluation.fidelity.fidelity import Entry, match_rows
from gensynth.evaluation.metrics.columns import category_coverage, is_continuous, missing_gap, shapes, trends
from gensynth.evaluation.metrics.detection import C2ST, FOLDS, MOST_ROWS, auc_std, boosted_c2st
from gensynth.rng import child
from gensynth.types import LabelledData

SPACE = "columns"
FEW_ROWS = 12
HIGHER = {"better": "higher", "bounds": [0.0, 1.0], "ideal": 1.0}
# What the entry of each metric says of it, as `metrics.metric.Metric.declaration` does.
DECLARED: dict[str, Entry] = {
    "shape": HIGHER | {"headline": True},
    "trend": HIGHER | {"headline": True},
    "trend_associated": HIGHER | {"headline": False},
    "c2st_auc": C2ST().declaration(),
    "level_coverage": HIGHER | {"headline": False},
    "missing_gap": {"better": "lower", "bounds": [0.0, 1.0], "ideal": 0.0, "headline": False},
}


def column_fidelity(
    train: LabelledData,
    test: LabelledData,
    synthetic: LabelledData,
    floor: Callable[[np.ndarray], np.ndarray],
    seed: int,
) -> tuple[dict[str, dict[str, Entry]], dict[str, Entry]]:
    """{space: {metric: entry}} and {class: entry of shape} of synthetic rows against test rows.

    Space `columns`: shape, trend, trend over associated pairs, C2ST, level coverage, largest gap of a missing share;
    `shape by column`: each column alone. Floor: columns shuffled apart (perfect in shape, so there it has none);
    ceiling: real train rows in place of the synthetic ones. All at equal n and equal classes.
    """
    columns = modelled_columns(train.schema.fields)
    matched = match_rows(train=train, reference=test, synthetic=synthetic, seed=seed, most=MOST_ROWS)
    real, fake, ceiling = test[matched.reference], synthetic[matched.synthetic], train[matched.train]
    continuous = is_continuous(columns, train.x)
    overall = {SPACE: _column_entries(continuous, train, real, fake, replace(real, x=floor(real.x)), ceiling, seed)}
    if len(real):
        overall["shape by column"] = {
            c.name: {"value": float(s), "n_real": len(real), "n_synthetic": len(fake)}
            for c, s in zip(columns, shapes(continuous, real.x, fake.x), strict=True)
        }
    per_class: dict[str, Entry] = {}
    for k, name in enumerate(train.schema.classes):
        sides = [side[side.y == k] for side in (real, fake, ceiling)]
        if len(sides[0]) < FEW_ROWS:
            text = f"not defined: n too small, {len(sides[0])} matched rows of this class, {FEW_ROWS} needed"
            per_class[name] = {"value": None, "reason": text}
            continue
        values = [shapes(continuous, sides[0].x, side.x).mean() for side in sides[1:]]
        per_class[name] = _entry("shape", sides[0], sides[1], values[0], None, values[1])
    return overall, per_class


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
        return {"shape": {"value": None, "reason": f"not defined: n too small, {len(real)} rows, {FOLDS} needed"}}
    scored = {
        name: _scores(continuous, train, real, side, seed)
        for name, side in (("value", fake), ("floor", floor), ("ceiling", ceiling))
    }
    entries: dict[str, Entry] = {}
    for metric, value in scored["value"].items():
        if value is None:
            reason = "not defined: no pair of columns is associated in the real rows"
            entries[metric] = {"value": None, "reason": reason}
            continue
        least = None if metric in ("shape", "level_coverage", "missing_gap") else scored["floor"][metric]
        entries[metric] = _entry(metric, real, fake, value, least, scored["ceiling"][metric])
    std = auc_std(0.5, len(real), len(real))
    auc: Entry = entries["c2st_auc"]
    auc |= {"expected": 0.5, "expected_from": "closed form", "z": (auc["value"] - 0.5) / std}
    return entries


def _scores(
    continuous: np.ndarray, train: LabelledData, real: LabelledData, fake: LabelledData, seed: int
) -> dict[str, float | None]:
    pairs = trends(continuous, train.x, real.x, fake.x)
    discrete = np.flatnonzero(~continuous)
    covered = [category_coverage(real.x[:, j], fake.x[:, j]) for j in discrete]
    return {
        "shape": float(shapes(continuous, real.x, fake.x).mean()),
        "trend": pairs.all_pairs,
        "trend_associated": pairs.associated,
        "c2st_auc": boosted_c2st(real, fake, child(seed, "c2st")),
        "level_coverage": float(np.mean(covered)) if covered else 1.0,
        "missing_gap": float(np.abs(missing_gap(real.x, fake.x)).max()),
    }


def _entry(
    metric: str, real: LabelledData, fake: LabelledData, value: float, floor: float | None, ceiling: float | None
) -> Entry:
    entry: Entry = {"value": float(value), "n_real": len(real), "n_synthetic": len(fake)}
    entry |= {"floor": None if floor is None else float(floor), "ceiling": None if ceiling is None else float(ceiling)}
    return entry | DECLARED[metric]
