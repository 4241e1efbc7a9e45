"""gensynth from Python: `evaluate`, `balance`, and `ClassBalancer`, a sampler with imbalanced-learn's interface.

Rows come as a pandas DataFrame, a two-dimensional array of numbers, or images uint8 (N, H, W) or (N, H, W, C).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from imblearn.base import BaseSampler
from imblearn.utils import check_target_type

from gensynth import rng
from gensynth.balancing.table_export import RowWriter, identifiers_of
from gensynth.cli import compose
from gensynth.data.columns import Column
from gensynth.data.source import Source, class_order, source_hash
from gensynth.data.split import split_rows
from gensynth.data.table_files import text_of
from gensynth.data.table_source import Stated, build
from gensynth.errors import DataError
from gensynth.evaluation.assessment import RealRows
from gensynth.pipeline import balance as run_balance
from gensynth.pipeline import evaluate_sets
from gensynth.samplers.generator import GeneratorSampler
from gensynth.steps.component import NOTHING
from gensynth.steps.job import Job
from gensynth.steps.reopen import aligned, as_synthetic, with_val
from gensynth.steps.train import train_in_memory
from gensynth.types import LabelledData, Schema

LABEL = "gensynth_label"
Rows = pd.DataFrame | np.ndarray


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
        sides = *with_val(rows, np.full(len(rows), ""), seed), _like(test, rows, "test")
    sets = synthetic if isinstance(synthetic, Mapping) else {"synthetic": synthetic}
    drawn = {name: as_synthetic(_like(pair, rows, name)) for name, pair in sets.items()}
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
    given = [f"target={target}", f"out={out}"]
    job, source = _job("balance", X, model, minutes, seed, given), source_of(X, y)
    data = replace(job.data, name="rows in memory", reader=NOTHING)
    return run_balance(replace(job, data=data), source)


class ClassBalancer(BaseSampler):
    """A generator as a resampler: `fit_resample(X, y)` adds drawn rows until the classes are as asked.

    Goes wherever an imbalanced-learn sampler goes, an `imblearn.pipeline.Pipeline` among them. Drawn rows come after
    the real ones, which stay as they are.

    sampling_strategy  as in imbalanced-learn: "auto" or "not majority", "minority", "all", a float (two classes), a
                       mapping class -> rows after, a function
    model              "cvae" or "cgan"; minutes: training budget, without filters and evaluation
    random_state       seed, a whole number
    After fit_resample: `generator_`, the trained bundle; `sampling_strategy_`, rows added to each class.
    """

    _sampling_type = "over-sampling"
    _parameter_constraints: dict = {
        "model": [str],
        "minutes": [float, int],
        "random_state": [int],
    }

    def __init__(
        self,
        *,
        sampling_strategy: Any = "auto",
        model: str = "cvae",
        minutes: float = 1.0,
        random_state: int = 0,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.model, self.minutes, self.random_state = model, minutes, random_state

    def _check_X_y(self, X: Rows, y: Any, accept_sparse: None = None) -> tuple[Rows, np.ndarray, bool]:  # noqa: N803
        """imbalanced-learn's hook before `_fit_resample`: rows are left as they are, mixed columns and images too."""
        target, binarize = check_target_type(y, indicate_one_vs_all=True)
        self.n_features_in_ = int(np.prod(np.shape(X)[1:]))
        return X, np.asarray(target), binarize

    def _fit_resample(self, X: Rows, y: Any, **params: Any) -> tuple[Rows, Any]:  # noqa: N803
        rows, names = labelled(X, y), np.unique(y)
        job = _job("train", X, self.model, self.minutes, self.random_state, [])
        self.generator_ = train_in_memory(job, rows)
        added = {str(name): int(n) for name, n in self.sampling_strategy_.items()}
        labels = np.repeat([rows.schema.index(c) for c in added], list(added.values())).astype(np.int64)
        parts = [rng.row_seeds(self.random_state, c, 0, n) for c, n in added.items()]
        seeds = np.concatenate(parts or [np.zeros(0, np.uint64)])
        drawn = GeneratorSampler().use(self.generator_).sample(labels, seeds)
        by_text = {str(name): name for name in names}
        new_y = np.array([by_text[rows.schema.classes[c]] for c in drawn.y], dtype=np.asarray(y).dtype)
        return _below(X, drawn, seeds), np.concatenate([np.asarray(y), new_y])


def labelled(X: Rows, y: Any) -> LabelledData:  # noqa: N803
    """Real rows of a pair (X, y)."""
    return source_of(X, y).data


def source_of(X: Rows, y: Any) -> Source:  # noqa: N803
    """Rows in memory as a source. DataError for other shapes, labels of another length and fewer than two classes."""
    labels = np.array([str(label) for label in np.asarray(y)])
    if len(labels) != len(X):
        raise DataError(f"X has {len(X)} rows and y {len(labels)} labels")
    if len(set(labels.tolist())) < 2:
        raise DataError("y holds one class only; two are needed")
    if not isinstance(X, pd.DataFrame) and X.ndim > 2:
        return _images(X, labels)
    if isinstance(X, np.ndarray) and X.ndim != 2:
        raise DataError(f"X must be a table (N, D) or images (N, H, W) or (N, H, W, C), got shape {X.shape}")
    frame = _frame(X)
    kinds = {str(name): "categorical" for name in frame.select_dtypes("category") if frame[name].nunique() > 1}
    return _table(frame, labels, kinds, None)


def _frame(X: Rows) -> pd.DataFrame:  # noqa: N803
    """Cells of a table with numbered rows, columns of an array called x0, x1 ..."""
    return X.reset_index(drop=True) if isinstance(X, pd.DataFrame) else pd.DataFrame(X).rename(columns="x{}".format)


def _table(frame: pd.DataFrame, labels: np.ndarray, kinds: dict[str, str], like: Schema | None) -> Source:
    cells = text_of(frame.rename(columns=str)).assign(**{LABEL: labels})
    return build(cells, LABEL, "rows in memory", stated=Stated(kinds=kinds), like=like)


def _images(x: np.ndarray, labels: np.ndarray) -> Source:
    if x.dtype != np.uint8 or x.ndim not in (3, 4):
        raise DataError(f"images are uint8 (N, H, W) or (N, H, W, C), got {x.dtype} of shape {x.shape}")
    planes = x[:, None] if x.ndim == 3 else np.moveaxis(x, 3, 1)
    classes = class_order(set(labels.tolist()))
    fields = {"channels": planes.shape[1], "height": planes.shape[2], "width": planes.shape[3]}
    y = np.array([classes.index(label) for label in labels.tolist()])
    data = LabelledData.of_real(np.ascontiguousarray(planes), y, Schema("image", classes, fields))
    note = f"images in memory: {len(classes)} classes, {len(data)} rows"
    return Source(data, np.full(len(data), ""), {}, (), (note,), source_hash(data))


def _like(pair: tuple[Rows, Any], like: LabelledData, name: str) -> LabelledData:
    """Rows of a pair read with the columns and classes of others; DataError where they do not fit."""
    X, y = pair  # noqa: N806
    labels = np.array([str(label) for label in np.asarray(y)])
    if unknown := sorted(set(labels.tolist()) - set(like.schema.classes)):
        raise DataError(f"{name} has classes that the real data lacks", unknown)
    if like.schema.modality == "table":
        return _table(_frame(X), labels, {}, like.schema).data
    data = _images(np.asarray(X), labels).data
    if data.x.shape[2:] != like.x.shape[2:]:
        raise DataError(f"{name} has images of {data.x.shape[2:]} pixels, the real data of {like.x.shape[2:]}")
    return aligned(data, like, name)


def _job(verb: str, X: Rows, model: str, minutes: float, seed: int, given: list[str]) -> Job:  # noqa: N803
    """The job of a command line on embedded data of the same modality, whose reader is not called."""
    data = "breast_cancer" if isinstance(X, pd.DataFrame) or X.ndim == 2 else "digits"
    common = [data, f"model={model}", f"trainer.max_minutes={float(minutes)}", f"seed={seed}", "logger=none"]
    return compose(verb, [*common, *given])


def _below(X: Rows, drawn: LabelledData, seeds: np.ndarray) -> Rows:  # noqa: N803
    """Given rows, then synthetic ones, of the given type; seeds (N,) of the synthetic rows make identifiers."""
    if drawn.schema.modality == "image":
        new = drawn.x[:, 0] if X.ndim == 3 else np.moveaxis(drawn.x, 1, 3)
        return np.concatenate([X, new])
    given = _frame(X)
    texts = text_of(given)
    cells = RowWriter(drawn.schema, identifiers_of(drawn.schema, texts)).cells(drawn, seeds)
    facts = {c["name"]: Column.from_json(c) for c in drawn.schema.fields["columns"]}
    columns = {c: _typed(facts[str(c)], cells[str(c)], texts[str(c)], given[c]) for c in given.columns}
    frame = pd.DataFrame(columns, index=range(len(drawn)))
    if isinstance(X, pd.DataFrame):
        return pd.concat([X, frame], ignore_index=True)
    return np.concatenate([X, frame.to_numpy(X.dtype)])


def _typed(column: Column, cells: pd.Series, texts: pd.Series, given: pd.Series) -> pd.Series:
    """Synthetic text cells as values of the type of a given column, whose own cells read `texts`."""
    typed = given.infer_objects()
    is_number = pd.api.types.is_numeric_dtype(typed) and not pd.api.types.is_bool_dtype(typed)
    if column.kind == "numeric" and is_number:
        return pd.to_numeric(cells).astype(typed.dtype).astype(given.dtype)
    if column.kind == "identifier" and is_number:
        return _next_numbers(column.name, typed, len(cells)).astype(given.dtype)
    if column.kind == "datetime" and pd.api.types.is_datetime64_any_dtype(typed):
        return cells.astype(typed.dtype).astype(given.dtype)
    first = ~texts.duplicated().to_numpy()
    values = dict(zip(texts[first], given[first], strict=True))
    return pd.Series([values.get(cell, cell) for cell in cells], dtype=object).astype(given.dtype)


def _next_numbers(name: str, given: pd.Series, n: int) -> pd.Series:
    """n numbers that count on from a column of numbers of rows; DataError where its type has no room for them."""
    low = int(given.max()) + 1
    if pd.api.types.is_integer_dtype(given) and low + n - 1 > np.iinfo(str(given.dtype).lower()).max:
        raise DataError(f'column "{name}" numbers rows, and {given.dtype} ends before {n} more do; widen or drop it')
    return pd.Series(np.arange(low, low + n, dtype=object)).astype(given.dtype)
