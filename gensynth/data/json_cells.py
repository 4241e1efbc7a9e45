"""JSON Lines as text cells with the kind of each value, and cells as such lines again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gensynth.data.delimited import some_of
from gensynth.data.value_kinds import ABSENT, BOOLEAN, EMPTY, NULL, NUMBER, TEXT, Kept
from gensynth.errors import DataError

_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair: no file can hold it
_HALF_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")
_KINDS = {type(None): NULL, int: NUMBER, float: NUMBER, bool: BOOLEAN, str: TEXT}
_NAMES = {NUMBER: "number", BOOLEAN: "boolean", TEXT: "string", EMPTY: "string"}
_NOT_THERE = object()


def read_json_lines(path: Path, text: str) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], list[int]]:
    """Cells, text (N,), and kinds of values, int8 (N,), by key in the order of their first, and the line of each row.

    DataError for lines that are no flat objects.
    """
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
    return {key: _column(rows, key) for key in dict.fromkeys(name for row in rows for name in row)}, lines


def _column(rows: list[dict[str, Any]], key: str) -> tuple[np.ndarray, np.ndarray]:
    values = [row.get(key, _NOT_THERE) for row in rows]
    kinds = [EMPTY if v == "" else ABSENT if v is _NOT_THERE else _KINDS[type(v)] for v in values]
    cells = ["" if v is _NOT_THERE else _cell(v) for v in values]
    return np.array(cells, dtype=object), np.array(kinds, np.int8)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, bool) else str(value)


def json_line(cells: Mapping[str, str], types: Mapping[str, str]) -> str:
    """One line of a JSON Lines file, its cells in the types that they came in; an empty one is null, but of strings."""
    there = {name: cell for name, cell in cells.items() if not (isinstance(cell, Kept) and cell.kind == ABSENT)}
    return json.dumps({name: _value(cell, types.get(name, "string")) for name, cell in there.items()})


def _value(cell: str, kind: str) -> object:
    if isinstance(cell, Kept):
        kind = _NAMES.get(cell.kind, "text")
    if kind == "string" or (cell and kind == "text"):
        return cell
    return _number(cell) if cell else None


def _number(cell: str) -> object:
    """Of a number or boolean; NaN and infinity stand in Python's JSON, but not as its cells are written.

    A cell of a number column that is none stays text.
    """
    try:
        value = float(cell) if cell in ("nan", "inf", "-inf") else json.loads(cell)
    except ValueError:
        return cell
    return value if isinstance(value, int | float) else cell


def as_json_cells(cells: np.ndarray) -> np.ndarray:
    """Cells (N,) of JSON numbers and booleans as they read back: 2.50 is 2.5."""
    return np.array([_cell(_number(cell)) if cell else cell for cell in cells.tolist()], dtype=object)


def check_letters(path: Path, text: str, cells: Mapping[str, np.ndarray], lines: list[int], text_column: str) -> None:
    """DataError where names or cells of other columns than that of the texts hold half of a character pair."""
    if not _HALF_ESCAPED.search(text):
        return
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
