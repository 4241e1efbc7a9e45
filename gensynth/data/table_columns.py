"""The columns of a table, described with what a person says of them, read by that, and told of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from gensynth.data.columns import (
    KINDS,
    Cells,
    Column,
    cells_of,
    describe,
    examples_of,
    known_categories,
    misfits_of,
    other_reading,
    shown_form,
    values_in,
    values_of,
)
from gensynth.data.columns.codes import sieve_of
from gensynth.data.columns.numbers import infinite
from gensynth.data.finding import printable
from gensynth.data.identifiers import flag_columns, masked
from gensynth.errors import DataError, UsageError, nearest
from gensynth.types import Schema

ORDINAL = "ordinal"  # a word for ordered categories, which are learned like others
NOTED, TOO_MANY = 0.01, 0.2  # shares of cells that do not fit their column
RETURNED, SAMPLED = 0.9, 2000  # share of cells that must come back as they were; cells by which that is found
PEOPLE = {"name", "email", "phone", "iban", "credit_card", "national_id"}
NUMBERS_OF_PEOPLE = {"email", "iban", "credit_card", "national_id"}  # however few
LEAST_PEOPLE, NEARLY_ALL = 20, 0.95  # categories, from which a column may name people; fewer must differ so often


def check_columns(names: Iterable[str], cells: pd.DataFrame, what: str = "there is no") -> None:
    for name in names:
        if name not in cells.columns:
            raise UsageError(f'{what} column "{name}"; {nearest(name, list(cells.columns))}')


@dataclass(frozen=True)
class Stated:
    """What is said of columns: which are not learned, and kinds and formats by name.

    keep   columns of people whose cells may stand in synthetic rows
    groups columns by which bias is looked at: numbers in them are categories, between site 2 and site 3 there is none
    marks  whether texts such as NA say that a cell is missing, as in files; in memory a gap is a gap
    """

    ignore: Sequence[str] = ()
    keep: Sequence[str] = ()
    groups: Sequence[str] = ()
    marks: bool = True
    kinds: Mapping[str, str] = field(default_factory=dict)
    formats: Mapping[str, str] = field(default_factory=dict)

    def check(self, cells: pd.DataFrame) -> None:
        check_columns([*self.ignore, *self.keep, *self.groups, *self.kinds, *self.formats], cells)
        if wrong := [k for k in self.kinds.values() if k not in (*KINDS, ORDINAL)]:
            raise UsageError(f"data.kinds: {wrong[0]} is no kind of column; {nearest(wrong[0], (*KINDS, ORDINAL))}")


NOTHING_STATED = Stated()


def read_column(column: Column, cells: Cells, stated: Stated, foreign: bool) -> tuple[np.ndarray, str]:
    """Values (N,) of cells, and a note on those that do not fit, if they are more than one in a hundred.

    foreign  the column is that of other rows: cells that write the same another way are read by their own form
    DataError where more than a fifth does not fit and nobody has said what the column is.
    """
    note, name, texts = "", printable(column.name), cells.different
    if foreign and column.discrete:
        texts = known_categories(column, texts)
    values = values_of(column, texts) if foreign and column.discrete else values_in(column, cells)
    misfits = misfits_of(column, texts, values)
    if foreign and cells.share(misfits) > NOTED:
        try:
            own = describe(column.name, cells, column.kind)
        except (ValueError, DataError):
            own = column
        if cells.share(misfits_of(own, texts)) < cells.share(misfits):
            values, misfits = values_of(own, texts), misfits_of(own, texts)
            note = f'column "{name}" is written as {shown_form(own)} here, as {shown_form(column)} in the real data'
    share = cells.share(misfits)
    if share <= NOTED:
        return values[cells.codes], note
    examples = ", ".join(f'"{printable(cell)}"' for cell in texts[misfits][:3])
    what = f'column "{name}" is {column.kind} ({shown_form(column)}), and {share:.1%} of its cells are not: {examples}'
    if share > TOO_MANY and column.name not in stated.kinds:
        raise DataError(f"{what}; repair them, or say what it is with data.kinds={{{column.name}: ...}}")
    return values[cells.codes], f"{what}; they count as missing"


def columns_like(like: Schema, cells: pd.DataFrame) -> list[Column]:
    """The columns of other rows; DataError where one that is learned is missing here."""
    described = [Column.from_json(facts) for facts in like.fields["columns"]]
    lacking = [c.name for c in described if c.name not in cells.columns and c.modelled]
    if lacking:
        raise DataError("columns of the real data are missing here", [f'"{n}"' for n in lacking])
    return described


def described_columns(cells: Mapping[str, Cells], stated: Stated, decimal_comma: bool) -> list[Column]:
    """Every column as its cells are; ignored ones are text, which is not learned."""
    try:
        return [_described(name, column, stated, decimal_comma) for name, column in cells.items()]
    except ValueError as error:
        raise DataError(str(error)) from None


def not_issued(columns: list[Column], cells: Mapping[str, Cells]) -> list[Column]:
    """The columns, whose new identifiers are none of the cells of any split: nothing is learned from these, and a row
    that `sample` draws is not given the number of a test row's person."""
    return [
        replace(column, sieve=sieve_of(cells[column.name].different)) if column.kind == "identifier" else column
        for column in columns
    ]


def _described(name: str, cells: Cells, stated: Stated, decimal_comma: bool) -> Column:
    if name in stated.ignore:
        return Column(name, "text")
    kind, format_ = stated.kinds.get(name, ""), stated.formats.get(name, "")
    column = describe(name, cells, kind, format_, decimal_comma, stated.marks)
    if name in stated.groups and not kind and column.kind == "numeric":
        return describe(name, cells, "categorical", "", decimal_comma, stated.marks)
    return _without_people(column, cells, stated)


def _without_people(column: Column, cells: Cells, stated: Stated) -> Column:
    """The column, unless its categories look like people: then it is not learned, and synthetic rows name nobody."""
    if not column.modelled or column.name in (*stated.keep, *stated.groups) or column.name in stated.kinds:
        return column
    many = column.kind == "categorical" and (len(column.categories) >= LEAST_PEOPLE or _all_differ(column, cells))
    searched = column.kind == "categorical" or (column.kind == "numeric" and column.integer)
    kinds = _people_in(column.name, cells) if searched else set()
    if not (kinds if many else kinds & NUMBERS_OF_PEOPLE):
        return column
    coded = describe(column.name, cells, "text" if "name" in kinds else "identifier")
    return replace(coded, missing=column.missing)


def _all_differ(column: Column, cells: Cells) -> bool:
    """Whether nearly every cell that is not missing is of its own, so that few categories name as many rows."""
    rows = cells.counts[np.isin(cells.different, column.categories)].sum()
    return bool(len(column.categories) >= NEARLY_ALL * rows)


def _people_in(name: str, cells: Cells) -> set[str]:
    return {facts["kind"] for facts in flag_columns({name: cells})} & PEOPLE


def share_returned(column: Column, cells: Cells) -> float:
    """Share of the cells (N,) of a number or date column that come back as they were read; of a sample of them."""
    if column.kind not in ("numeric", "datetime") or column.format.startswith("epoch:"):
        return 1.0
    codes = cells.codes[:: -(-len(cells) // SAMPLED)]
    sample = cells.different[codes]
    values = values_of(column, sample) if column.spelling or column.kind == "datetime" else cells.numbers[codes]
    known = ~np.isnan(values)
    return float((cells_of(column, values[known]) == sample[known]).mean()) if known.any() else 1.0


def _infinite(column: Column, cells: Cells) -> int:
    """How many cells of a number column are infinite."""
    return int(cells.counts[infinite(cells.different)].sum()) if column.kind == "numeric" else 0


def readings_of(columns: list[Column], cells: Mapping[str, Cells], stated: Stated) -> dict[str, dict[str, Any]]:
    """Two cells of every column, without what could name a person, and what else it could be: "examples", "or"."""
    readings: dict[str, dict[str, Any]] = {}
    for column in columns:
        of_column, hidden = cells[column.name], column.kind in ("identifier", "text") or column.name in stated.keep
        examples = [masked("", text) if hidden else text for text in examples_of(of_column)]
        is_stated = column.name in stated.kinds or column.name in stated.formats
        other = "" if is_stated else other_reading(column, of_column)
        readings[column.name] = {"examples": examples} | ({"or": other} if other else {})
    return readings


def notes_on_columns(
    cells: Mapping[str, Cells], columns: list[Column], stated: Stated, readings: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    notes = []
    for column in columns:
        name = printable(column.name)
        of_column = cells[column.name]
        first = next((text for text in of_column.different if text), "")
        example = f', as in "{printable(masked("", first))}"' if first else ""
        if column.kind == "identifier":
            notes.append(
                f'column "{name}" identifies rows{example}: not learned, synthetic rows get new ones; '
                f"if it says something else, data.kinds={{{name}: categorical}}"
            )
        elif column.kind == "text" and column.name in stated.ignore:
            notes.append(f'column "{name}" is left out (data.ignore): empty in synthetic rows')
        elif column.kind == "text" and _people_in(column.name, of_column):
            notes.append(
                f'column "{name}" looks like people{example}: not learned, empty in synthetic rows; '
                f"data.keep=[{name}] if real ones may stand in them"
            )
        elif column.kind == "text":
            notes.append(
                f'column "{name}" is left out (free text{example}): empty in synthetic rows; '
                f"if it says something, data.kinds={{{name}: datetime | numeric | categorical | identifier}}"
            )
        elif column.kind == "constant":
            always = f'always "{column.example}"' if column.example else "empty throughout"
            notes.append(f'column "{name}" is {always}')
        elif (returned := share_returned(column, of_column)) < RETURNED:
            notes.append(
                f'column "{name}" is written in more than one way: {returned:.0%} of its cells are as synthetic ones '
                f'will be, "{shown_form(column)}"'
            )
        elif "%" in (other := readings[column.name].get("or", "")):
            notes.append(
                f'column "{name}" is read as {column.format}, and {other} reads every train cell as well; '
                f"data.formats={{{name}: '{other}'}} if it is that"
            )
        elif infinite := _infinite(column, of_column):
            notes.append(f'column "{name}": {infinite} infinite values count as missing')
    return notes
