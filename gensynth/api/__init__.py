"""gensynth from Python: `evaluate`, `balance`, and `ClassBalancer`, a sampler with imbalanced-learn's interface.

Rows come as a table (a DataFrame, an Arrow table, a two-dimensional array, a list of rows), or as images uint8
(N, H, W) or (N, H, W, C).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gensynth import rng
from gensynth.api.balancer import ClassBalancer
from gensynth.api.containers import Rows, opened
from gensynth.api.rows import labelled, like_rows, source_of
from gensynth.cli import compose
from gensynth.data.split import split_rows
from gensynth.evaluation.assessment import RealRows
from gensynth.pipeline import balance as run_balance
from gensynth.pipeline import evaluate_sets
from gensynth.steps.component import NOTHING
from gensynth.steps.reopen import as_synthetic, with_val

__all__ = ["ClassBalancer", "balance", "evaluate"]


def evaluate(
    real: tuple[Rows, Any],
    synthetic: tuple[Rows, Any] | Mapping[str, tuple[Rows, Any]],
    *,
    test: tuple[Rows, Any] | None = None,
    utility: bool = True,
    seed: int = 0,
    out: str | Path | None = None,
) -> dict[str, Any]:
    """Score synthetic rows, or several sets by name, against real ones; the facts of report.json.

    real, test, synthetic  pairs (X, y); without `test` a stratified 20 % of the real rows are locked away
    utility                whether classifiers are trained on the arms, without which there is no verdict
    out                    a new folder for report.html and report.json; none is kept where it is left out
    DataError where the sets do not fit together (columns, image size, unknown classes), UsageError for a bad `out`.
    """
    rows = labelled(*real)
    if test is None:
        split = split_rows(rows, (0.7, 0.1, 0.2), rng.child(seed, "split"), np.full(len(rows), ""), None)
        sides = rows[split == "train"], rows[split == "val"], rows[split == "test"]
    else:
        sides = *with_val(rows, np.full(len(rows), ""), seed), like_rows(test, rows, "test")
    sets = synthetic if isinstance(synthetic, Mapping) else {"synthetic": synthetic}
    drawn = {name: as_synthetic(like_rows(pair, rows, name)) for name, pair in sets.items()}
    with tempfile.TemporaryDirectory() as folder:
        given = [f"seed={seed}", f"utility.run={str(utility).lower()}", f"out={out or Path(folder) / 'report'}"]
        job = compose("evaluate", given)
        return evaluate_sets(job, RealRows(*sides, val_seen=True), drawn)


def balance(
    X: Rows,  # noqa: N803  (scikit-learn's name)
    y: Any,
    *,
    out: str | Path,
    model: str = "cvae",
    target: int | str | Mapping[str, int] = "max",
    minutes: float = 5.0,
    seed: int = 0,
) -> dict[str, Any]:
    """The main job on rows in memory: split, train, sample, filter, merge, evaluate; writes the folder `out`.

    As `gensynth balance DATA out=OUT model= target= trainer.max_minutes= seed=`; returns the facts of report.json.
    """
    if isinstance(target, Mapping):
        target = json.dumps({str(name): str(number) for name, number in target.items()})
    embedded = "breast_cancer" if opened(X)[0].ndim == 2 else "digits"  # of the same kind; its reader is not called
    given = [embedded, f"model={model}", f"trainer.max_minutes={float(minutes)}", f"seed={seed}", "logger=none"]
    job, source = compose("balance", [*given, f"target={target}", f"out={out}"]), source_of(X, y)
    data = replace(job.data, name="rows in memory", reader=NOTHING)
    return run_balance(replace(job, data=data), source)
