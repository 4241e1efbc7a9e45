"""One column of a table: its facts, its cells as numbers, and numbers written as its cells again.

Modelled kinds (`numeric`, `categorical`, `boolean`, `datetime`) become float64: numbers as they are spelled (12.5 % is
12.5), times of day and durations in seconds, dates in seconds since 1970, categories as their index, missing as NaN.
The others (`constant`, `identifier`, `text`) are described, and written again for synthetic rows without being learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as compute

from gensynth.data.columns import magnitudes
from gensynth.data.columns.cells import Cells
from gensynth.data.columns.codes import check_shape, issue_codes
from gensynth.data.columns.dates import cells_of_dates, seconds_of
from gensynth.data.columns.numbers import PLAIN, NumberForm, values_of_numbers, write_numbers

MODELLED = ("numeric", "categorical", "boolean", "datetime")
KINDS = (*MODELLED, "constant", "identifier", "text")
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?", "-", ".")
AMONG_NUMBERS = ("<NA>", "#N/A", "NaT", "none", "missing", "unknown", "--", "nil", "NIL")  # and dates
AMONG_TEXTS = ("None", "-", ".")  # where words stand, these may be one of them
MOST_INT = 2.0**63
ANSWERS = (("true", "yes", "t", "y", "1", "1.0"), ("false", "no", "f", "n", "0", "0.0"))


@dataclass(frozen=True)
class Column:
    """Facts of one column, plain JSON.

    categories  cells of a categorical or boolean column, sorted; `categories` in files
    integer   whole numbers only; `decimals`: most digits after the point, `fixed`: all cells have as many
    significant  most digits of a cell without leading zeros, where that says more than `decimals`; 0 where not
    bare      whole values are written without a point although the column has fractions
    missing   how a missing cell is written
    format    of a datetime column, see `dates.py`
    offsets   of a datetime column whose cells differ in their offset: minutes, for each month
    example   the cell of a constant
    low, high smallest and largest value
    step      all values are whole steps from the smallest: full hours, fives, floats without fractions; 0: no such grid
    spelling  what stands around and inside of numbers, see `numbers.NumberForm`
    shape     of an identifier, see `codes.py`; `sieve`: keeps real ones from being issued
    misfits   share of the described cells that are neither missing nor read; they count as missing
    """

    name: str
    kind: str
    categories: tuple[str, ...] = ()
    integer: bool = False
    decimals: int = 0
    fixed: bool = False
    bare: bool = False
    significant: int = 0
    missing: str = ""
    format: str = ""
    example: str = ""
    low: float = 0.0
    high: float = 0.0
    step: float = 0.0
    offsets: tuple[int, ...] = ()
    spelling: Mapping[str, Any] = field(default_factory=dict)
    shape: tuple[Mapping[str, Any], ...] = ()
    sieve: str = ""
    misfits: float = 0.0

    def to_json(self) -> dict[str, Any]:
        facts = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        facts["levels"] = facts.pop("categories")
        return facts

    @staticmethod
    def from_json(facts: dict[str, Any]) -> Column:
        """Inverse of `to_json`; ValueError for an unknown kind or form, TypeError for unknown keys."""
        if facts.get("kind") not in KINDS:
            raise ValueError(f"column kind {facts.get('kind')!r} is none of {', '.join(KINDS)}")
        known: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in facts.items() if k != "levels"}
        column = Column(**known, categories=tuple(facts.get("levels", ())))
        NumberForm.from_json(column.spelling)
        check_shape(column.shape)
        bytes.fromhex(column.sieve)
        return column

    @property
    def modelled(self) -> bool:
        return self.kind in MODELLED

    @property
    def discrete(self) -> bool:
        """Whether values are category indices."""
        return self.kind in ("categorical", "boolean")

    @property
    def form(self) -> NumberForm:
        return NumberForm.from_json(self.spelling)


def is_missing(cells: np.ndarray, texts: bool) -> np.ndarray:
    """Which cells (N,), without blanks around them, are marks of missing ones.

    texts  whether they are of a column of words, where "None" may be one of them
    """
    marks = [mark for mark in MISSING if mark not in AMONG_TEXTS] if texts else [*MISSING, *AMONG_NUMBERS]
    text = compute.utf8_trim_whitespace(arrow.array(cells, arrow.string()))
    return compute.is_in(text, arrow.array(marks)).to_numpy(zero_copy_only=False)


def values_of(column: Column, cells: np.ndarray) -> np.ndarray:
    """float64 (N,) of cells (N,); missing and misfits are NaN, an unknown category is len(categories)."""
    if column.discrete:
        index = pd.Index(column.categories).get_indexer(pd.Index(cells)).astype(np.float64)
        index[index < 0] = len(column.categories)
        return np.where((index == len(column.categories)) & is_missing(cells, texts=True), np.nan, index)
    if column.kind == "datetime":
        return seconds_of(cells, column.format)
    return values_of_numbers(cells, column.form)


def values_in(column: Column, cells: Cells) -> np.ndarray:
    """`values_of` the different cells, float64 (D,)."""
    if column.kind == "numeric" and column.form == PLAIN:
        return cells.numbers
    return values_of(column, cells.different)


def known_categories(column: Column, cells: np.ndarray) -> np.ndarray:
    """Cells (N,) of other rows with the column's spelling of a category where they differ in blanks or case alone.

    True, 1, yes and t are one answer in a boolean column, false, 0, no and f the other.
    """
    meaning = {category.strip().casefold(): category for category in column.categories}
    if column.kind == "boolean":
        sides = [next((one for one in column.categories if one.casefold() in side), None) for side in ANSWERS]
        for side, category in zip(ANSWERS, sides, strict=True):
            meaning = {**dict.fromkeys(side, category), **meaning} if category else meaning
    text = pd.Series(cells, dtype=object)
    fitting = text.str.strip().str.casefold().map(meaning)
    return text.where(text.isin(column.categories) | fitting.isna(), fitting).to_numpy(dtype=object)


def misfits_of(column: Column, cells: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
    """Which cells (N,) a number or date column does not read, and are no missing marks; `values`: of the cells."""
    found = np.zeros(len(cells), bool)
    if column.kind in ("numeric", "datetime"):
        found = np.isnan(values_of(column, cells) if values is None else values)
        found[found] = ~is_missing(cells[found], texts=False) & (cells[found] != column.missing)
    return found


def shown_form(column: Column) -> str:
    """How the cells of a number or date column are written, by an example or a format; its kind for others."""
    if column.kind == "datetime":
        return column.format
    if column.kind == "numeric":
        return str(cells_of(column, np.array([column.low]))[0])
    return column.kind


def cells_of(column: Column, values: np.ndarray) -> np.ndarray:
    """Cells (N,) of values float64 (N,), written as the column writes them."""
    missing = np.isnan(values)
    if column.discrete:
        table = np.array([*column.categories, column.missing], dtype=object)
        return table[np.where(missing, len(column.categories), np.nan_to_num(values)).astype(np.int64)]
    cells = np.full(len(values), column.missing, dtype=object)
    known = values[~missing]
    if not len(known):
        return cells
    if column.kind == "datetime":
        cells[~missing] = cells_of_dates(on_grid(column, known), column.format, column.offsets)
    else:
        known = on_grid(column, known)
        digits = _digits(column, np.abs(known))
        nothing = ~compute.match_substring_regex(arrow.array(digits, arrow.string()), "^[^e]*[1-9]").to_numpy(False)
        cells[~missing] = write_numbers(column.form, np.where(nothing, 0.0, known), digits)
    return cells


def on_grid(column: Column, values: np.ndarray) -> np.ndarray:
    """Values (N,) moved to the nearest step."""
    return column.low + np.rint((values - column.low) / column.step) * column.step if column.step else values


def issue(column: Column, seeds: np.ndarray, taken: set[str]) -> np.ndarray:
    """Cells (N,) of a column that is not modelled, for synthetic rows: the constant, new identifiers, empty text.

    An identifier keeps the shape of the real ones; those in `taken` are not issued, and issued ones are added to it.
    """
    if column.kind == "constant":
        return np.full(len(seeds), column.example, dtype=object)
    if column.kind == "text":
        return np.full(len(seeds), column.missing, dtype=object)
    return issue_codes(column.name, column.shape, seeds, taken, column.sieve)


def _digits(column: Column, values: np.ndarray) -> np.ndarray:
    """Absolute values (N,) as plain text; 1.7e6 where the column cuts them short."""
    if cut_short := column.spelling.get("magnitudes"):
        return magnitudes.digits_of(values, cut_short, column.fixed, column.significant)
    if column.integer:
        if values.max(initial=0.0) >= MOST_INT:
            return np.char.mod("%.0f", np.rint(values)).astype(object)
        return np.rint(values).astype(np.int64).astype(str).astype(object)
    if column.spelling.get("exponent"):
        return np.char.mod(f"%.{column.decimals}e", values).astype(object)
    if column.fixed:
        texts = np.char.mod(f"%.{column.decimals}f", values).astype(object)
        return (
            texts
            if not column.bare
            else compute.replace_substring_regex(arrow.array(texts, arrow.string()), r"\.0+$", "").to_numpy(
                zero_copy_only=False
            )
        )
    texts = round_values(column, values).astype(str)
    if column.bare:
        texts = np.char.replace(np.char.add(texts, "#"), ".0#", "#")
        texts = np.char.rstrip(texts, "#")
    return texts.astype(object)


def round_values(column: Column, values: np.ndarray) -> np.ndarray:
    """Values as the column would give them back after being written and read."""
    if column.kind == "datetime":
        return on_grid(column, values)
    if column.kind != "numeric":
        return values
    values = on_grid(column, values)
    if cut_short := column.spelling.get("magnitudes"):
        return magnitudes.rounded(values, cut_short, column.fixed, column.significant)
    if column.integer:
        return np.rint(values)
    if column.spelling.get("exponent"):
        return np.char.mod(f"%.{column.decimals}e", values).astype(np.float64)
    if column.significant:
        values = np.char.mod(f"%.{column.significant}g", values).astype(np.float64)
    return np.round(values, column.decimals) if column.decimals <= 15 else values
