"""Pairs (X, y) in memory as sources of labelled rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gensynth.api.containers import Rows, is_images, label_values, opened
from gensynth.data.source import Source, class_order, source_hash
from gensynth.data.table_columns import Stated
from gensynth.data.table_files import text_of
from gensynth.data.table_source import build
from gensynth.errors import DataError, InputError
from gensynth.steps.reopen import aligned
from gensynth.types import LabelledData, Schema

LABEL = "gensynth_label"


def labelled(X: Any, y: Any) -> LabelledData:  # noqa: N803  (scikit-learn's name)
    """Real rows of a pair (X, y)."""
    return source_of(X, y).data


def source_of(X: Any, y: Any) -> Source:  # noqa: N803
    """Rows in memory as a source. InputError for other shapes, labels of another length and fewer than two classes."""
    rows, labels = opened(X)[0], _names_of(y)
    check_lengths(rows, labels)
    if len(set(labels.tolist())) < 2:
        raise InputError("y holds one class only; two are needed")
    if is_images(rows):
        return images(rows, labels)
    frame = as_frame(rows)
    kinds = {str(name): "categorical" for name in frame.select_dtypes("category") if frame[name].nunique() > 1}
    return _table(frame, labels, kinds, None)


def _names_of(y: Any) -> np.ndarray:
    return np.array([str(label) for label in label_values(y)])


def check_lengths(X: Rows, y: np.ndarray) -> None:  # noqa: N803
    """InputError unless every row has a label."""
    if len(X) != len(y):
        raise InputError(f"inconsistent numbers of samples: X has {len(X)} rows and y {len(y)} labels")


def as_frame(X: Rows) -> pd.DataFrame:  # noqa: N803
    """Cells of a table with numbered rows, columns of an array called x0, x1 ..."""
    return X.reset_index(drop=True) if isinstance(X, pd.DataFrame) else pd.DataFrame(X).rename(columns="x{}".format)


def _table(frame: pd.DataFrame, labels: np.ndarray, kinds: dict[str, str], like: Schema | None) -> Source:
    cells = text_of(frame.rename(columns=str)).assign(**{LABEL: labels})
    return build(cells, LABEL, "rows in memory", stated=Stated(kinds=kinds, marks=False), like=like)


def images(x: np.ndarray, labels: np.ndarray) -> Source:
    """Images uint8 (N, H, W) or (N, H, W, C) and their labels, text (N,), as a source."""
    check_images(x)
    planes = x[:, None] if x.ndim == 3 else np.moveaxis(x, 3, 1)
    classes = class_order(set(labels.tolist()))
    fields = {"channels": planes.shape[1], "height": planes.shape[2], "width": planes.shape[3]}
    y = np.array([classes.index(label) for label in labels.tolist()])
    data = LabelledData.of_real(np.ascontiguousarray(planes), y, Schema("image", classes, fields))
    note = f"images in memory: {len(classes)} classes, {len(data)} rows"
    return Source(data, np.full(len(data), ""), {}, (), (note,), source_hash(data))


def check_images(x: np.ndarray) -> None:
    """InputError for what are no images."""
    if x.dtype != np.uint8 or x.ndim not in (3, 4):
        raise InputError(f"images are uint8 (N, H, W) or (N, H, W, C), got {x.dtype} of shape {x.shape}")


def like_rows(pair: tuple[Any, Any], like: LabelledData, name: str) -> LabelledData:
    """Rows of a pair read with the columns and classes of others; DataError where they do not fit."""
    rows, labels = opened(pair[0])[0], _names_of(pair[1])
    if unknown := sorted(set(labels.tolist()) - set(like.schema.classes)):
        raise DataError(f"{name} has classes that the real data lacks", unknown)
    if like.schema.modality == "table":
        return _table(as_frame(rows), labels, {}, like.schema).data
    data = images(np.asarray(rows), labels).data
    if data.x.shape[2:] != like.x.shape[2:]:
        raise DataError(f"{name} has images of {data.x.shape[2:]} pixels, the real data of {like.x.shape[2:]}")
    return aligned(data, like, name)
