"""Excel's .xlsx as text cells: the first sheet with rows, numbers as short as they are, dates in ISO form.

Reading is openpyxl's, which comes with the extra "xlsx".
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gensynth.data.table_text import MAX_BYTES
from gensynth.errors import DataError, UsageError

_COMPOUND = b"\xd0\xcf\x11\xe0"  # begins old .xls files, and new ones with a password
_FORMULA = re.compile(rb"<f[ />]")
_SHOWN = 5


def read_sheet(path: Path) -> tuple[list[np.ndarray], list[int], tuple[str, ...]]:
    """Columns of the rows that are not empty, text (N,), the sheet's lines of the first two, and notes.

    UsageError without openpyxl. DataError for damaged, encrypted and empty files, merged cells and formulas without
    a value.
    """
    openpyxl = _openpyxl()
    with path.open("rb") as file:
        if file.read(4) == _COMPOUND:
            raise DataError(f"{path.name} has a password or is an old .xls file; save it as .xlsx without one")
    book, has_formulas = _opened(openpyxl, path, data_only=True), _has_formulas(path)
    filled = [sheet for sheet in book.worksheets if any(cell is not None for row in sheet.values for cell in row)]
    if not filled:
        raise DataError(f"{path.name} is empty")
    sheet = next((one for one in filled if one.sheet_state == "visible"), filled[0])
    if merged := sorted(str(cells) for cells in sheet.merged_cells.ranges):
        raise DataError(f'{path.name}, sheet "{sheet.title}": merged cells {_some(merged)}; unmerge and fill them')
    if has_formulas:
        _check_formulas(path, sheet, _opened(openpyxl, path, data_only=False)[sheet.title])
    rows = [row for row in sheet.iter_rows() if any(cell.value not in (None, "") for cell in row)]
    columns = [_texts(column) for column in zip(*rows, strict=True)]
    used = np.flatnonzero([bool((column != "").any()) for column in columns])
    notes = ["rows leave as CSV: what Excel adds to a table is not written"]
    if len(filled) > 1:
        others = ", ".join(f'"{one.title}"' for one in filled if one is not sheet)
        notes.append(f'the sheet "{sheet.title}" was read; there are rows in {others} as well')
    return columns[used[0] : used[-1] + 1], [row[0].row for row in rows[:2]], tuple(notes)


def _openpyxl() -> ModuleType:
    """The library, imported late: other tables do without it."""
    try:
        import openpyxl
    except ImportError:
        raise UsageError('.xlsx needs the extra: pip install "gensynth[xlsx]"') from None
    return openpyxl


def _opened(openpyxl: ModuleType, path: Path, *, data_only: bool) -> Any:
    """The workbook with the values of its formulas, or with the formulas."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(part.file_size for part in archive.infolist()) > MAX_BYTES:
                raise DataError(f"{path.name} unpacks to more than {MAX_BYTES >> 30} GiB")
        with warnings.catch_warnings(action="ignore"):  # of styles and checks, which are not read
            return openpyxl.load_workbook(path, data_only=data_only)
    except (DataError, OSError):
        raise
    except Exception as error:  # a damaged workbook raises whatever zip, XML and openpyxl run into
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path.name} cannot be read as an Excel file ({why}); save it again, or as CSV") from None


def _has_formulas(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.startswith("xl/worksheets/") and name.endswith(".xml")]
        return any(_FORMULA.search(archive.read(name)) for name in names)


def _check_formulas(path: Path, sheet: Any, formulas: Any) -> None:
    """DataError where a cell is a formula whose value was not saved."""
    places = [cell.coordinate for row in formulas.iter_rows() for cell in row if cell.data_type == "f"]
    # An empty text that was saved has no value either, but the type of a text.
    if without := [place for place in places if sheet[place].value is None and sheet[place].data_type == "n"]:
        what = f"{len(without)} formulas without a value: {_some(without)}"
        raise DataError(f'{path.name}, sheet "{sheet.title}": {what}; open it in Excel and save it, or save it as CSV')


def _some(places: Sequence[str]) -> str:
    return ", ".join(places[:_SHOWN]) + (f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else "")


def _texts(cells: Sequence[Any]) -> np.ndarray:
    """Text (N,) of one column: dates without a time where all of them are midnights."""
    moments = [cell.value for cell in cells if isinstance(cell.value, datetime)]
    whole_days = all(moment.time() == time() for moment in moments)
    spec = "milliseconds" if any(moment.microsecond for moment in moments) else "seconds"

    def text(cell: Any) -> str:
        value = cell.value
        if isinstance(value, datetime):
            return value.date().isoformat() if whole_days else value.isoformat(timespec=spec)
        if isinstance(value, timedelta):
            minutes, seconds = divmod(round(value.total_seconds()), 60)
            return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int | float):
            return _number(value, cell.number_format)
        return "" if value is None else value.isoformat() if isinstance(value, time) else str(value)

    return np.array([text(cell) for cell in cells], dtype=object)


def _number(value: float, number_format: str) -> str:
    """As short as it is, but with the zeros before it that a format such as 00000 shows."""
    plain = str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
    return plain.zfill(len(number_format)) if number_format.strip("0") == "" and plain.isdecimal() else plain
