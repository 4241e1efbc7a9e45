"""Table files: CSV, TSV, JSON Lines and Parquet as text cells under column names, every structural fault listed.

All cells are read as text, so that `007` and `7` stay apart; `columns.py` finds out what they mean.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gensynth.data.delimited import is_header, read_columns, some_of
from gensynth.data.table_names import suffix_of
from gensynth.errors import DataError, UsageError, nearest

MAX_BYTES = 4 * 2**30
_ROW_NUMBERS = "__index_level_"  # begins the names of a pandas frame's index columns that have none
_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair: no file can hold it
_HALF_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class TableFile:
    """cells: text, missing is ""; first_line: file line of the first row; kind: a word for people.

    types  Arrow types by column, of files that have them; notes: what a person should know
    written  how the file is told apart from comma-separated text: "suffix", "delimiter", "json" types by column
    """

    cells: pd.DataFrame
    kind: str
    first_line: int
    found_header: bool
    types: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    written: Mapping[str, Any] = field(default_factory=dict)


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
    if suffix == ".parquet":
        return _read_parquet(path, form.columns)
    text = _text(path, form.encoding)
    marked = re.match(r"sep=(.)\r?\n", text)  # as Excel writes and reads it
    text, given = (text[marked.end() :], form.delimiter or marked[1]) if marked else (text, form.delimiter)
    if suffix == ".jsonl":
        return _read_json_lines(path, text, form.columns, form.text)
    columns, lines, delimiter = read_columns(path, text, "\t" if suffix == ".tsv" else given)
    first = [str(column[0]) for column in columns]
    named = is_header(columns, form.label) if form.header is None else form.header
    names = _names(path, first if named else [], form.columns, len(columns))
    if named and len(columns[0]) == 1:
        raise DataError(f"{path.name} holds no rows below its header")
    cells = pd.DataFrame({name: c[int(named) :] for name, c in zip(names, columns, strict=True)}, dtype=object)
    word = {",": "CSV", "\t": "TSV", ";": "CSV with semicolons", "|": "CSV with bars"}[delimiter]
    written = {"suffix": suffix} if suffix == ".tsv" else {}
    return TableFile(
        cells,
        word,
        lines[int(named)] + bool(marked),
        named,
        written=written | ({"delimiter": delimiter} if delimiter != "," else {}),
    )


def _unpacked(path: Path) -> bytes:
    """What a gzip file holds; DataError where it is damaged, or holds more than may be read."""
    try:
        with gzip.open(path) as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be unpacked: {error}") from None
    if len(raw) > MAX_BYTES:
        raise DataError(f"{path.name} unpacks to more than {MAX_BYTES >> 30} GiB")
    return raw


def _text(path: Path, encoding: str) -> str:
    """The whole file as text: UTF-8 with or without mark, UTF-16 with one, or the stated encoding."""
    raw = _unpacked(path) if path.suffix.lower() == ".gz" else path.read_bytes()
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") and not encoding:
        encoding = "utf-16"
    try:
        text = raw.decode(encoding or "utf-8-sig")
    except LookupError:
        raise UsageError(f"data.encoding={encoding} is not an encoding that Python knows") from None
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path.name}, line {line}: byte 0x{raw[error.start]:02x} is not {encoding or 'UTF-8'} text; "
            "say what it is, for example data.encoding=cp1252"
        ) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{path.name}, line {line}: a NUL byte; the file is damaged or not a text table")
    return text


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


def _read_json_lines(path: Path, text: str, columns: tuple[str, ...], text_column: str) -> TableFile:
    rows, lines, problems = [], [], []
    for number, line in enumerate(text.split("\n"), 1):  # other line ends may lie inside of strings
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            problems.append(f"line {number}: {error}")
            continue
        if not isinstance(row, dict) or any(isinstance(v, dict | list) for v in row.values()):
            problems.append(f"line {number}: not a flat object")
            continue
        rows.append(row)
        lines.append(number)
    if problems:
        raise DataError(f"{path.name}: {len(problems)} lines are not flat JSON objects", some_of(problems))
    if not rows:
        raise DataError(f"{path.name} is empty")
    keys = list(dict.fromkeys(name for row in rows for name in row))
    names = _names(path, keys, columns, len(keys))
    cells = [np.array([_json_cell(row.get(key)) for row in rows], dtype=object) for key in keys]
    if _HALF_ESCAPED.search(text):
        _check_letters(path, dict(zip(names, cells, strict=True)), lines, text_column)
    types = {name: _json_type([row.get(key) for row in rows]) for name, key in zip(names, keys, strict=True)}
    frame = pd.DataFrame(dict(zip(names, cells, strict=True)), dtype=object)
    return TableFile(frame, "JSON Lines", 1, True, written={"suffix": ".jsonl", "json": types})


def _json_type(values: list[object]) -> str:
    """number, boolean or text: what all values of a column are that are not null; string: text, and some is empty."""
    kinds = {type(value) for value in values if value is not None}
    if kinds and kinds <= {int, float}:
        return "number"
    return "boolean" if kinds == {bool} else "string" if "" in values else "text"


def json_line(cells: Mapping[str, str], types: Mapping[str, str]) -> str:
    """One line of a JSON Lines file, its cells in the types that they came in; an empty one is null, but of strings."""
    return json.dumps({name: _json_value(cell, types.get(name, "string")) for name, cell in cells.items()})


def _json_value(cell: str, kind: str) -> object:
    if kind == "string" or (cell and kind == "text"):
        return cell
    return _json_number(cell) if cell else None


def _json_number(cell: str) -> object:
    """Of a number or boolean; NaN and infinity stand in Python's JSON, but not as its cells are written."""
    return float(cell) if cell in ("nan", "inf", "-inf") else json.loads(cell)


def as_json_cells(cells: np.ndarray) -> np.ndarray:
    """Cells (N,) of JSON numbers and booleans as they read back: 2.50 is 2.5."""
    return np.array([_json_cell(_json_number(cell)) if cell else cell for cell in cells.tolist()], dtype=object)


def _check_letters(path: Path, cells: dict[str, np.ndarray], lines: list[int], text_column: str) -> None:
    """DataError where names or cells of other columns than that of the texts hold half of a character pair."""
    names = list(cells)
    places = {str(place): names[place] for place in range(-len(names), len(names))}
    text_column = text_column if text_column in names else places.get(text_column, "")
    problems = [f"column name {json.dumps(name)}" for name in names if _HALF.search(name)]
    for name in names:
        if name != text_column:
            broken = [n for n, cell in zip(lines, cells[name].tolist(), strict=True) if _HALF.search(cell)]
            problems += [f"line {n}: {json.dumps(name)}" for n in broken]
    if problems:
        what = "names or cells hold half of a character pair"
        raise DataError(f"{path.name}: {len(problems)} {what}; repair its encoding", some_of(problems))


def _json_cell(value: object) -> str:
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _read_parquet(path: Path, columns: tuple[str, ...]) -> TableFile:
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    from gensynth.data.arrow_cells import cells_of_arrow, is_read, types_of_arrow

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
    return TableFile(cells_of_arrow(table), "Parquet", 1, True, types_of_arrow(table), notes)


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
