"""What rows and labels come in: lists, arrays, pandas, Arrow tables, and frames with Arrow's stream interface.

Whatever comes in goes out again, with synthetic rows below the real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

import numpy as np
import pandas as pd
import pyarrow as arrow
from scipy.sparse import issparse

from gensynth.errors import InputError

Rows = pd.DataFrame | np.ndarray
# Types of polars and DuckDB that pandas does not take.
WITHOUT_VIEWS = {arrow.string_view(): arrow.large_string(), arrow.binary_view(): arrow.large_binary()}
SHAPES = "a table (N, D) or images (N, H, W) or (N, H, W, C)"


def is_images(X: Rows) -> TypeGuard[np.ndarray]:  # noqa: N803  (scikit-learn's name)
    """Whether rows have more than the one axis of a table's columns."""
    return X.ndim > 2


def opened(X: Any) -> tuple[Rows, Callable[[Rows], Any]]:  # noqa: N803
    """X as a DataFrame or an array, and what turns such rows, given ones first, into the type of X again.

    InputError for sparse matrices, one-dimensional data, rows of different lengths and columns of one name.
    """
    if issparse(X):
        raise InputError("Sparse data was passed for X, but dense data is required; X.toarray() makes it dense")
    if isinstance(X, pd.DataFrame):
        return _with_names_apart(X), lambda rows: rows
    if isinstance(X, pd.Series | pd.Index | arrow.Array | arrow.ChunkedArray):
        raise InputError(f"Expected 2D array, got 1D array instead: X must be {SHAPES}, got one {type(X).__name__}")
    if hasattr(X, "__arrow_c_stream__"):
        return _of_arrow(X)
    if isinstance(X, list | tuple):
        return _of_list(X)
    return _with_two_dimensions(np.asarray(X)), lambda rows: rows


def _with_names_apart(frame: pd.DataFrame) -> pd.DataFrame:
    names = pd.Index([str(name) for name in frame.columns])
    if twice := sorted(set(names[names.duplicated()])):
        listed = ", ".join(f'"{name}"' for name in twice)
        raise InputError(f"X has several columns of the name {listed}; rename them")
    return frame


def _with_two_dimensions(array: np.ndarray) -> np.ndarray:
    if array.ndim < 2 or array.dtype.names:
        size = "1D array" if array.ndim == 1 else "scalar array"
        raise InputError(f"Expected 2D array, got {size} instead: X must be {SHAPES}, got shape {array.shape}")
    return array


def _of_arrow(X: Any) -> tuple[pd.DataFrame, Callable[[Rows], Any]]:  # noqa: N803
    """An Arrow table, or a frame that hands out a stream of Arrow tables and can be built from one."""
    try:
        table = arrow.table(X)
    except (arrow.ArrowException, TypeError, ValueError):
        raise InputError(f"Expected 2D array: X must be {SHAPES}, got {type(X).__name__}") from None
    fields = [field.with_type(WITHOUT_VIEWS.get(field.type, field.type)) for field in table.schema]
    plain = table.cast(arrow.schema(fields, table.schema.metadata))
    make = arrow.table if isinstance(X, arrow.Table | arrow.RecordBatch) else type(X)
    frame = plain.to_pandas(types_mapper=lambda kind: None if arrow.types.is_dictionary(kind) else pd.ArrowDtype(kind))

    def back(rows: Rows) -> Any:
        return make(arrow.Table.from_pandas(rows, schema=plain.schema, preserve_index=False).cast(table.schema))

    return _with_names_apart(frame), back


def _of_list(X: Sequence[Any]) -> tuple[Rows, Callable[[Rows], Any]]:  # noqa: N803
    """Rows as a list of lists: an array where all cells are numbers, else a table of Python objects."""
    if any(isinstance(row, str | bytes | dict) or not np.iterable(row) for row in X):
        raise InputError("Expected 2D array, got 1D array instead: X is a list, but not one of rows")
    if len(widths := {len(row) for row in X}) > 1:
        raise InputError(f"rows of X have {min(widths)} to {max(widths)} cells; all need the same number")
    array = np.asarray(X) if X else np.empty((0, 0))
    rows = array if array.dtype.kind in "biufc" or array.ndim > 2 else pd.DataFrame(list(map(list, X)), dtype=object)
    kind = type(X[0]) if X and isinstance(X[0], list | tuple) else list

    def back(both: Rows) -> list:
        new = both.iloc[len(X) :].to_numpy(object) if isinstance(both, pd.DataFrame) else both[len(X) :]
        return [*X, *map(kind, new.tolist())]

    return rows, back


def label_values(y: Any) -> np.ndarray:
    """Labels as an array (N,), or (N, K) where each class has a column of its own; InputError where one is missing."""
    if y is None:
        raise InputError("This ClassBalancer estimator requires y to be passed, but the target y is None")
    if issparse(y):
        raise InputError("Sparse data was passed for y, but dense data is required")
    flat = y.iloc[:, 0] if isinstance(y, pd.DataFrame) and y.shape[1] == 1 else y
    values = np.asarray(flat.to_numpy() if isinstance(flat, pd.Series) else _of_column(flat))
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if missing := int((pd.isna(values) | (values == "")).sum()):
        raise InputError(f"y: {missing} of {len(values)} labels are missing; fill them in or drop those rows")
    return pd.Series(values).infer_objects().to_numpy() if values.dtype == object and values.ndim == 1 else values


def _of_column(y: Any) -> Any:
    """The one column of an Arrow table, other labels as they are."""
    return y.column(0) if isinstance(y, arrow.Table) and y.num_columns == 1 else y


def labels_at(y: Any, places: np.ndarray) -> Any:
    """The labels at places (M,), in the type of y; a single column of an array becomes one-dimensional."""
    if isinstance(y, list | tuple):
        return [y[place] for place in places.tolist()]
    if isinstance(y, pd.DataFrame | pd.Series):
        return y.take(places).reset_index(drop=True)
    if isinstance(y, np.ndarray):
        return (y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y)[places]
    return y.take(places) if hasattr(y, "take") else y[places]
