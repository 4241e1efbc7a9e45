"""Columns of Arrow tables as text cells, and text cells as columns of the same types again.

Every type that is read has one text a value, so that a table read and written comes back value for value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as compute
from pyarrow import types

from gensynth.data.value_kinds import EMPTY, NOT_NULL, NULL, TEXT, Kept
from gensynth.errors import DataError

_DECIMAL = re.compile(r"decimal(128|256)\((\d+), (-?\d+)\)")
_STAMP = re.compile(r"timestamp\[(s|ms|us|ns)(?:, tz=([\w/+:-]+))?\]")
_TIME = re.compile(r"(time32|time64|duration)\[(s|ms|us|ns)\]")
_DICTIONARY = re.compile(r"dictionary<values=(.+), indices=(\w+), ordered=[01]>")
_DECIMALS, _TIMES = {"128": arrow.decimal128, "256": arrow.decimal256}, {"time32": arrow.time32, "time64": arrow.time64}


def kinds_of_arrow(table: arrow.Table, cells: pd.DataFrame) -> dict[str, np.ndarray]:
    """Kinds of values (N,) of the columns of text in which some are null or empty; cells: of the table."""
    found = {}
    for name in table.column_names:
        column, is_empty = table.column(name), (cells[name] == "").to_numpy(bool)
        inner = column.type.value_type if types.is_dictionary(column.type) else column.type
        if _is_text(inner) and is_empty.any():
            is_null = column.is_null().to_numpy()
            found[name] = np.where(is_null, NULL, np.where(is_empty, EMPTY, TEXT)).astype(np.int8)
    return found


def arrow_type(text: str) -> arrow.DataType:
    """Inverse of `str(type)`, without "not null", for the types that are read; ValueError for others."""
    text = text.removesuffix(NOT_NULL)
    if found := _DECIMAL.fullmatch(text):
        return _DECIMALS[found[1]](int(found[2]), int(found[3]))
    if found := _STAMP.fullmatch(text):
        return arrow.timestamp(found[1], found[2])
    if found := _TIME.fullmatch(text):
        return arrow.duration(found[2]) if found[1] == "duration" else _TIMES[found[1]](found[2])
    if found := _DICTIONARY.fullmatch(text):
        return arrow.dictionary(arrow.type_for_alias(found[2]), arrow_type(found[1]))
    return arrow.type_for_alias(text)


def is_read(kind: arrow.DataType) -> bool:
    """Whether values of a type have a text: bytes and nested values have none."""
    try:
        return not (types.is_binary(kind) or types.is_fixed_size_binary(kind)) and arrow_type(str(kind)) is not None
    except (ValueError, KeyError):
        return False


def cells_of_arrow(table: arrow.Table) -> pd.DataFrame:
    """Text cells of a table whose types are all read; missing is ""."""
    return pd.DataFrame({name: _texts(table.column(name)) for name in table.column_names}, dtype=object)


def _texts(column: arrow.ChunkedArray) -> np.ndarray:
    """Text (N,) of one column."""
    column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    kind = column.type
    if types.is_dictionary(kind):
        codes = column.indices.to_pandas().fillna(-1).to_numpy(np.int64)
        return np.append(_texts(arrow.chunked_array([column.dictionary])), "")[codes]
    if types.is_floating(kind):
        values = column.to_numpy(zero_copy_only=False)
        text = values.astype(str).astype(object)
    elif types.is_duration(kind):
        text = column.cast(arrow.int64()).cast(arrow.string()).to_numpy(zero_copy_only=False)
    else:
        text = column.cast(arrow.string()).to_numpy(zero_copy_only=False)
    missing = column.is_null().to_numpy(zero_copy_only=False)
    return np.where(missing, "", text).astype(object)


def arrow_of_cells(frame: pd.DataFrame, kinds: Mapping[str, str], missing: Mapping[str, str]) -> arrow.Table:
    """Arrow table of text cells in the types of `kinds`, others as text; empty cells and marks of gaps are null.

    An empty cell stays empty text where its type is a text that is not null, or where its own kind says so.
    DataError where a cell does not fit its type.
    """
    columns = {}
    for name in frame.columns:
        column = arrow.array(frame[name].tolist(), arrow.string())
        if name in kinds:
            kind, null = arrow_type(kinds[name]), arrow.scalar(None, arrow.string())
            empty = [] if kinds[name].endswith(NOT_NULL) else ["", *_marks(kind, missing.get(name, ""))]
            gaps = _with_own(compute.is_in(column, arrow.array(empty, arrow.string())), frame[name])
            try:
                column = _typed(compute.if_else(gaps, null, column), kind)
            except arrow.ArrowInvalid as error:
                raise DataError(f'column "{name}" cannot be written as {kinds[name]}: {error}') from None
        columns[name] = column
    return arrow.table(columns)


def _with_own(gaps: arrow.Array, cells: pd.Series) -> arrow.Array:
    """Which cells (N,) are null, those that carry their own kind by that."""
    places = np.flatnonzero((cells == "").to_numpy(bool))
    own = {i: cell.kind == NULL for i, cell in zip(places, cells.iloc[places], strict=True) if isinstance(cell, Kept)}
    if not own:
        return gaps
    changed = gaps.to_numpy(zero_copy_only=False).copy()
    changed[list(own)] = list(own.values())
    return arrow.array(changed)


def _marks(kind: arrow.DataType, missing: str) -> list[str]:
    """A mark of missing cells that is no value of the type: NA is one among texts, nan among floats."""
    inner = kind.value_type if types.is_dictionary(kind) else kind
    return [] if _is_text(inner) or (types.is_floating(inner) and missing == "nan") else [missing]


def _is_text(kind: arrow.DataType) -> bool:
    return types.is_string(kind) or types.is_large_string(kind)


def _typed(text: arrow.Array, kind: arrow.DataType) -> arrow.Array:
    if types.is_duration(kind):
        return compute.cast(compute.cast(text, arrow.int64()), kind)
    if types.is_time(kind):
        day = compute.binary_join_element_wise("1970-01-01", text, " ")
        return compute.cast(compute.cast(day, arrow.timestamp("ns")), kind, safe=False)
    if types.is_dictionary(kind):
        values = _typed(text, kind.value_type).dictionary_encode()
        return arrow.DictionaryArray.from_arrays(values.indices.cast(kind.index_type), values.dictionary)
    return compute.cast(text, kind)
