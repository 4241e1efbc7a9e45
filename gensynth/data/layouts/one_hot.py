"""Label tables with a column for every class, which holds 1 in the rows of that class and 0 in all others."""

from __future__ import annotations

from collections.abc import Collection

from gensynth.errors import DataError

ONES, ZEROS = ("1", "1.0"), ("0", "0.0")
Lines = list[tuple[int, dict[str, str]]]


def one_hot_columns(columns: list[str], lines: Lines, others: Collection[str]) -> list[str]:
    """The columns of classes; empty unless all but `others` (lower case) hold 0 and 1, and two of them some 1."""
    rows = [cells for _, cells in lines if "" not in cells]
    free = [name for name in columns if name.strip().lower() not in others]
    binary = all(row[name].strip() in (*ONES, *ZEROS) for row in rows for name in free)
    used = [name for name in free if any(row[name].strip() in ONES for row in rows)]
    return free if binary and len(used) > 1 else []


def with_labels(columns: list[str], lines: Lines, classes: list[str], place: str) -> tuple[list[str], Lines]:
    """The same table with one column "label" in the place of those of the classes; DataError for rows of several."""

    def labelled(number: int, cells: dict[str, str]) -> dict[str, str]:
        if "" in cells:
            return cells
        mine = [name.strip() for name in classes if cells[name].strip() in ONES]
        if len(mine) > 1:
            raise DataError(f"{place}:{number}: {', '.join(mine)}: a row of several classes; one a row is expected")
        kept = {name: cell for name, cell in cells.items() if name not in classes}
        return kept | {"label": mine[0] if mine else ""}

    rest = [name for name in columns if name not in classes]
    return [*rest, "label"], [(number, labelled(number, cells)) for number, cells in lines]


def notes_on(classes: list[str], lines: Lines, place: str) -> tuple[str, ...]:
    """What is to be said of the classes of a table that has its column "label" now."""
    found = {cells.get("label") for _, cells in lines}
    unseen = [f'"{name.strip()}"' for name in classes if name.strip() not in found]
    shown = ", ".join(unseen[:10]) + (f", and {len(unseen) - 10} more" if len(unseen) > 10 else "")
    return (
        *((f"{place}: labels from the {len(classes)} columns of 0 and 1",) if classes else ()),
        *((f"{place}: no row has a 1 in the columns {shown}, which make no class here",) if unseen else ()),
    )
