"""How sure it is what a column is: two of its cells, and what else they could be."""

from __future__ import annotations

from gensynth.data.columns import dates
from gensynth.data.columns.cells import Cells
from gensynth.data.columns.column import Column, is_missing

FEW_VALUES = 10  # different whole numbers of many rows that may be codes
HALF = 0.5


def examples_of(cells: Cells, count: int = 2) -> list[str]:
    """The first different cells that are not missing."""
    first = cells.different[:20]
    return first[~is_missing(first, texts=False)].tolist()[:count]


def other_reading(column: Column, cells: Cells) -> str:
    """What the cells could be as well: a kind, or a format of dates; empty where nothing speaks for another reading."""
    if column.kind not in ("datetime", "categorical") and not (column.kind == "numeric" and column.integer):
        return ""
    known = cells.different[~is_missing(cells.different, texts=column.discrete)]
    if column.kind == "datetime":
        in_digits = all(map(str.isdigit, map(str.strip, known[:100].tolist())))
        return "numeric" if in_digits else dates.swapped(column.format, known)
    if (
        column.kind == "numeric"
        and column.integer
        and len(known) == len(cells)
        and column.high - column.low < 2 * len(known)
    ):
        return "identifier"
    few = len(known) <= FEW_VALUES and len(cells) >= FEW_VALUES * len(known)
    if column.kind == "numeric" and column.integer and few:
        return "categorical"
    return "text" if column.kind == "categorical" and len(known) >= HALF * len(cells) else ""
