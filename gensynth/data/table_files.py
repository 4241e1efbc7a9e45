"""Table files: CSV, TSV, JSON Lines, Parquet and Excel as text cells under column names, every structural fault listed.

All cells are read as text, so that `007` and `7` stay apart; `columns.py` finds out what they mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gensynth.data.delimited import below_comments, is_header, read_columns
from gensynth.data.json_cells import check_letters, read_json_lines
from gensynth.data.table_names import NOT_READ, suffix_of
from gensynth.data.table_text import MAX_BYTES, line_end_of, read_text
from gensynth.data.value_kinds import Kinds
from gensynth.data.workbook import read_sheet
from gensynth.errors import DataError, UsageError, nearest

_ROW_NUMBERS = "__index_level_"  # begins the names of a pandas frame's index columns that have none
_SHOWN = 80


@dataclass(frozen=True)
class TableFile:
    """cells: text, missing is ""; first_line: file line of the first row; kind: a word for people.

    types  Arrow types by column, of files that have them; notes: what a person should know
    written  how the file differs from comma-separated UTF-8: "suffix", "delimiter", "encoding", "mark", "line_end"
    kinds  of values, int8 (N,) by column, where text cells do not tell; see `value_kinds.py`
    """

    cells: pd.DataFrame
    kind: str
    first_line: int
    found_header: bool
    types: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    written: Mapping[str, Any] = field(default_factory=dict)
    kinds: Kinds = field(default_factory=dict)


@dataclass(frozen=True)
class Form:
    """How table files are written, where a person says so.

    header     whether the first line names the columns; None: it does unless a cell of it is a number, or two are empty
    columns    names for a file without a header (or instead of its own)
    text       name or position of a column whose halves of character pairs its own reader looks after
    label      name or position of the label column: where the first line has its name, it is a header
    """

    header: bool | None = None
    columns: tuple[str, ...] = ()
    delimiter: str = ""
    encoding: str = ""
    text: str = ""
    label: str = ""


GUESSED = Form()


def read_file(path: Path, form: Form = GUESSED) -> TableFile:
    """One table file as text.

    UsageError where there is no such file. DataError for one that cannot be opened, and naming lines for ragged rows,
    duplicate names, unclosed quotes, NUL bytes, wrong encoding and halves of character pairs.
    """
    try:
        return _read(path, form)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f'there is no table "{path}"; {_beside(path)}') from None
    except OSError as error:
        why = (error.strerror or "error").lower()
        raise DataError(f'the table "{path}" cannot be read ({why}); give a file that may be opened') from None


def _beside(path: Path) -> str:
    """What to do about a name that no file has."""
    try:
        known = [other.name for other in path.parent.iterdir()]
    except OSError:
        known = []
    return nearest(path.name, known) if known else f'there is nothing in a folder "{path.parent}"; check its name'


def _read(path: Path, form: Form) -> TableFile:
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path.name} has more than {MAX_BYTES >> 30} GiB")
    suffix = suffix_of(path)
    if suffix in NOT_READ:
        raise UsageError(f"{path.name}: {suffix} files are not read; save it as .xlsx, or as CSV in UTF-8")
    if suffix == ".xlsx":
        columns, lines, notes = read_sheet(path)
        return replace(_named_table(path, columns, lines, form, "Excel"), notes=notes)
    if suffix == ".parquet":
        return _read_parquet(path, form.columns)
    text, written = read_text(path, form.encoding)
    if suffix == ".jsonl":
        table = _read_json_lines(path, text, form)
        return replace(table, written={"suffix": suffix} | written | line_end_of(text))
    return _read_delimited(path, text, form, written)


def _read_delimited(path: Path, text: str, form: Form, written: Mapping[str, Any]) -> TableFile:
    """A table of the text of a file; written: how that is encoded."""
    suffix = suffix_of(path)
    marked = re.match(r"sep=(.)(\r\n|\n|\r)", text)  # as Excel writes and reads it
    text, given = (text[marked.end() :], form.delimiter or marked[1]) if marked else (text, form.delimiter)
    given = "\t" if suffix == ".tsv" else given
    text, comments = below_comments(text, given)
    columns, lines, delimiter = read_columns(path, text, given, above=bool(marked) + len(comments))
    word = {",": "CSV", "\t": "TSV", ";": "CSV with semicolons", "|": "CSV with bars"}[delimiter]
    ending = {"suffix": ".tsv"} if delimiter == "\t" and suffix != ".csv" else {}
    mark = {"delimiter": delimiter} if delimiter != "," else {}
    table = _named_table(path, columns, lines, form, word)
    notes = _comment_notes(path, comments, table.found_header)
    return replace(table, notes=notes, written={**written, **line_end_of(text), **ending, **mark})


def _comment_notes(path: Path, comments: list[str], found_header: bool) -> tuple[str, ...]:
    """What is to be said of lines that were passed over; DataError where no header shows that they are no rows."""
    reported = [line.strip() for line in comments if line.strip()]
    if not reported:
        return ()
    first = reported[0] if len(reported[0]) <= _SHOWN else f"{reported[0][:_SHOWN]}..."
    what = "1 line that begins" if len(reported) == 1 else f"{len(reported)} lines that begin"
    if not found_header:
        raise DataError(
            f'{path.name}: {what} with # above a line that names no columns (first: "{first}"); take away what is no '
            "row, or data.header=true if that line is the header"
        )
    return (f'{path.name}: {what} with # above the header passed over (first: "{first}")',)


def _named_table(path: Path, columns: list[np.ndarray], lines: list[int], form: Form, kind: str) -> TableFile:
    """Columns (N,) under the names that their first cells or a person give; lines: those of the first two rows."""
    named = is_header(columns, form.label) if form.header is None else form.header
    names = _names(path, [str(column[0]) for column in columns] if named else [], form.columns, len(columns))
    if named and len(columns[0]) == 1:
        raise DataError(f"{path.name} holds no rows below its header")
    cells = pd.DataFrame({name: c[int(named) :] for name, c in zip(names, columns, strict=True)}, dtype=object)
    return TableFile(cells, kind, lines[int(named)], named)


def _names(path: Path, first: list[str], columns: tuple[str, ...], width: int) -> list[str]:
    if columns:
        if len(columns) != width:
            raise UsageError(f"data.columns has {len(columns)} names, {path.name} has {width} columns")
        names = list(columns)
    else:
        names = [name.strip() or "unnamed" for name in first] or [f"column_{i}" for i in range(width)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{path.name}: columns of the same name; rename them, or data.header=false if the first line is a row",
            [f'"{name}"' for name in twice],
        )
    return names


def _read_json_lines(path: Path, text: str, form: Form) -> TableFile:
    columns, lines = read_json_lines(path, text)
    names = _names(path, list(columns), form.columns, len(columns))
    cells = {name: cells for name, (cells, _) in zip(names, columns.values(), strict=True)}
    check_letters(path, text, cells, lines, form.text)
    kinds = {name: kinds for name, (_, kinds) in zip(names, columns.values(), strict=True)}
    return TableFile(pd.DataFrame(cells, dtype=object), "JSON Lines", 1, True, kinds=kinds)


def _read_parquet(path: Path, columns: tuple[str, ...]) -> TableFile:
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    from gensynth.data.arrow_cells import cells_of_arrow, is_read, kinds_of_arrow

    try:
        table = parquet.read_table(path)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{path.name} cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    table = _index_first(table)
    table = table.rename_columns(_names(path, table.column_names, columns, table.num_columns))
    without = [field for field in table.schema if not is_read(field.type)]
    notes = tuple(
        f'column "{field.name}" is left out: {field.type} has no text a cell; it is in no row that is written'
        for field in without
    )
    table = table.drop_columns([field.name for field in without])
    cells, types = cells_of_arrow(table), {field.name: str(field.type) for field in table.schema}
    return TableFile(cells, "Parquet", 1, True, types, notes, kinds=kinds_of_arrow(table, cells))


def _index_first(table: Any) -> Any:
    """An Arrow table with the index of the pandas frame it was, where that has a name, as its first columns."""
    index = (table.schema.pandas_metadata or {}).get("index_columns", [])
    counted = [one for one in index if isinstance(one, dict) and one.get("name")]
    for one in counted:
        numbers = range(one["start"], one["stop"], one["step"])
        table = table.append_column(str(one["name"]), [list(numbers)])
    names = [one["name"] if isinstance(one, dict) else one for one in index]
    places = list(enumerate(table.column_names))
    first = [i for i, name in places if name in names and not name.startswith(_ROW_NUMBERS)]
    rest = [i for i, name in places if name not in names]
    return table.select([*first, *rest]) if index else table


def text_of(frame: pd.DataFrame) -> pd.DataFrame:
    """A typed frame as text cells: missing is "", whole numbers without a point, dates in ISO form."""
    return pd.DataFrame({str(name): _text_cells(frame[name]) for name in frame.columns}, dtype=object)


def _text_cells(column: pd.Series) -> np.ndarray:
    """Text (N,) of a typed column."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = _text_cells(column.cat.categories.to_series())
        return np.append(categories, "")[column.cat.codes.to_numpy()]
    if pd.api.types.is_bool_dtype(column):
        text = np.where(column.fillna(False).to_numpy(bool), "true", "false").astype(object)
    elif pd.api.types.is_datetime64_any_dtype(column):
        stamps = column.dt.tz_localize(None) if column.dt.tz is not None else column
        whole_days = bool((stamps.dropna() == stamps.dropna().dt.normalize()).all())
        whole = bool((stamps.dropna() == stamps.dropna().dt.floor("s")).all())
        form = "%Y-%m-%d" if whole_days else "%Y-%m-%dT%H:%M:%S" + ("" if whole else ".%f")
        text = stamps.dt.strftime(form).to_numpy(object)
    elif pd.api.types.is_float_dtype(column):
        values = column.to_numpy(np.float64, na_value=np.nan)
        single = str(column.dtype).lower() == "float32"
        text = (values.astype(np.float32) if single else values).astype(str).astype(object)
    else:
        text = column.astype(str).to_numpy(object)
    text[column.isna().to_numpy()] = ""
    return text
