"""What a text cell is in its file, where text alone does not tell: "" or null, 5 or "5", a key that is not there.

A column has one usual kind of values, found by the rows that describe it; cells of another carry their own kind, so
that they leave as they came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import pandas as pd

UNKNOWN, NULL, NUMBER, BOOLEAN, TEXT, EMPTY, ABSENT = range(7)
_USUAL = {  # of a column's type: null is written as an empty cell, of strings it is an empty text
    "number": (NUMBER, NULL),
    "boolean": (BOOLEAN, NULL),
    "text": (TEXT, NULL),
    "string": (TEXT, EMPTY),
}
NOT_NULL = " not null"  # behind an Arrow type of text whose empty cells are empty texts, not null
Kinds = Mapping[str, np.ndarray]


class Kept(str):
    """The text of a cell whose kind of value is not the usual one of its column."""

    __slots__ = ("kind",)
    kind: int

    def __new__(cls, text: str, kind: int = UNKNOWN) -> Self:
        """The same text with its kind."""
        kept = super().__new__(cls, text)
        kept.kind = kind
        return kept


def type_of(kinds: np.ndarray) -> str:
    """number, boolean or text: what most values are that are not null, of kinds (N,); string: text, mostly not null."""
    counts = np.bincount(kinds, minlength=ABSENT + 1)
    texts = counts[TEXT] + counts[EMPTY]
    if counts[NUMBER] > max(texts, counts[BOOLEAN]):
        return "number"
    if counts[BOOLEAN] > max(texts, counts[NUMBER]):
        return "boolean"
    return "string" if counts[EMPTY] > counts[NULL] + counts[ABSENT] else "text"


def joined_kinds(parts: Sequence[tuple[Kinds, int]]) -> dict[str, np.ndarray]:
    """Kinds by column of tables one below the other, each with its number of rows; unknown where a table has none."""
    names = dict.fromkeys(name for kinds, _ in parts for name in kinds)
    unknown = [np.full(rows, UNKNOWN, np.int8) for _, rows in parts]
    return {
        name: np.concatenate([kinds.get(name, none) for (kinds, _), none in zip(parts, unknown, strict=True)])
        for name in names
    }


def after_changes(kinds: Kinds, before: pd.DataFrame, after: pd.DataFrame) -> dict[str, np.ndarray]:
    """Kinds of cells of which some were replaced by text: those of columns that are still there."""
    return {
        name: np.where(before[name].to_numpy(object) == after[name].to_numpy(object), of, TEXT).astype(np.int8)
        for name, of in kinds.items()
        if name in after
    }


def with_kinds(cells: pd.DataFrame, kinds: Kinds, types: Mapping[str, str]) -> pd.DataFrame:
    """The same text cells, those of another kind than is usual in their column's type as `Kept`."""
    out = {}
    for name, kind in types.items():
        other = np.flatnonzero(~np.isin(kinds[name], (*_USUAL[kind], UNKNOWN))) if name in kinds else np.array([])
        if len(other):
            column = cells[name].to_numpy(object).copy()
            once: dict[tuple[str, int], Kept] = {}
            pairs = zip(column[other].tolist(), kinds[name][other].tolist(), strict=True)
            column[other] = np.array([once.setdefault(pair, Kept(*pair)) for pair in pairs], dtype=object)
            out[name] = pd.Series(column, cells.index, dtype=object)
    return cells.assign(**out) if out else cells
