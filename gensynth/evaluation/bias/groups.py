"""Group columns of a data set: each alone, every pair, and all together, for whatever is counted label by group."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from gensynth.data.columns import Column, cells_of
from gensynth.data.conditions import NO_VALUE
from gensynth.data.table import modelled_columns
from gensynth.errors import UsageError, nearest
from gensynth.types import LabelledData

MOST_VALUES = 50
MOST_COMBINATIONS = 400


def groupings(groups: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Text columns (N,) by which rows are cut, and why further ones are left out: ({name: column}, {name: reason}).

    Every column, every pair of columns ("sex x race", values "Female & White") and all columns together. A
    combination with more than MOST_COMBINATIONS values is left out. UsageError for a column with more than
    MOST_VALUES values, in which every cell would be too small to say anything.

    >>> cuts, _ = groupings({"sex": np.array(["f", "m"]), "age": np.array(["old", ""])})
    >>> cuts["sex x age"].tolist()
    ['f & old', 'm & (none)']
    """
    columns = {
        name: np.where(np.asarray(cells) == "", NO_VALUE, np.asarray(cells, str)) for name, cells in groups.items()
    }
    for name, cells in columns.items():
        if (found := len(np.unique(cells))) > MOST_VALUES:
            raise UsageError(
                f'data.groups: column "{name}" has {found} values, at most {MOST_VALUES} can be audited; '
                "name a column of bands (age in decades, say)"
            )
    sizes = sorted({1, 2, len(columns)} & set(range(1, len(columns) + 1)))
    cuts, left_out = {}, {}
    for chosen in (names for size in sizes for names in combinations(columns, size)):
        name, cells = " x ".join(chosen), combined([columns[one] for one in chosen])
        if (found := len(np.unique(cells))) > MOST_COMBINATIONS:
            left_out[name] = f"not defined: {found} combinations, at most {MOST_COMBINATIONS} are looked at"
        else:
            cuts[name] = cells
    return cuts, left_out


def combined(columns: list[np.ndarray]) -> np.ndarray:
    """One text column (N,) of the values of several, joined by " & "."""
    parts = [np.unique(column, return_inverse=True) for column in columns]
    codes = np.stack([code.reshape(-1) for _, code in parts])
    kinds, place = np.unique(codes, axis=1, return_inverse=True)
    names = [" & ".join(str(parts[j][0][code]) for j, code in enumerate(kind)) for kind in kinds.T]
    return np.array(names, dtype=str)[place.reshape(-1)] if names else np.zeros(0, dtype=str)


def cell_counts(y: np.ndarray, place: np.ndarray, num_classes: int, num_groups: int) -> np.ndarray:
    """Rows of each class and group, int64 (K, G), of labels (N,) and group numbers (N,).

    >>> cell_counts(np.array([0, 1, 1]), np.array([0, 0, 1]), 2, 2).tolist()
    [[1, 0], [1, 1]]
    """
    pairs = np.asarray(y) * num_groups + place
    return np.bincount(pairs, minlength=num_classes * num_groups).reshape(num_classes, num_groups)


def table_groups(rows: LabelledData, columns: list[str]) -> dict[str, np.ndarray]:
    """Group columns of made rows of a table, read from their own cells and written as the file writes them.

    UsageError for a column that is not among those that are modelled, whose cells made rows do not have.
    """
    modelled = modelled_columns(rows.schema.fields)
    constant = {c.name: c.example for c in map(Column.from_json, rows.schema.fields["columns"]) if c.kind == "constant"}
    places = {column.name: j for j, column in enumerate(modelled)}
    found = {}
    for name in columns:
        if name in constant:
            found[name] = np.full(len(rows), constant[name])
        elif name in places:
            found[name] = cells_of(modelled[places[name]], rows.x[:, places[name]]).astype(str)
        else:
            raise UsageError(f'data.groups: column "{name}" is not modelled; {nearest(name, places)}')
    return found
