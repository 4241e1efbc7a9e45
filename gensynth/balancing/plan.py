"""How many rows of each class: the user's words resolved once into a mapping class -> number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gensynth.data.conditions import SEPARATOR, Conditions
from gensynth.errors import UsageError, nearest
from gensynth.types import Schema

Amount = str | int | Mapping[str, int]


def resolve_target(
    target: Amount, counts: np.ndarray, schema: Schema, amount: float | None = None, symmetric: bool = False
) -> dict[str, int]:
    """Final training rows of every class; real rows are never dropped, so at least `counts`.

    target     max | median | auto | N | mapping class -> N (classes left out keep their rows)
    amount     for `auto`: how much of what balances was chosen on validation rows, None where nothing could be
    symmetric  every class gets as many rows more as the neediest one, so that common classes have synthetic rows as
               well

    >>> schema = Schema("image", ("a", "b"))
    >>> resolve_target("max", np.array([5, 2]), schema), resolve_target({"b": 3}, np.array([5, 2]), schema)
    ({'a': 5, 'b': 5}, {'a': 5, 'b': 3})
    """
    if isinstance(target, Mapping):
        requested = counts.copy()
        for name, number in target.items():
            requested[_place(name, schema.classes, "target: unknown class")] = _whole(number, "target")
    elif target == "auto":
        requested = counts + np.round((1.0 if amount is None else amount) * to_balance(counts)).astype(int)
    else:
        sizes = {"max": int(counts.max()), "median": int(np.median(counts))}
        requested = np.full_like(counts, sizes[str(target)] if target in sizes else _whole(target, "target"))
    final = np.maximum(requested, counts)
    if symmetric:
        final = final + (final - counts).max()
    return {name: int(n) for name, n in zip(schema.classes, final, strict=True)}


def asks_for_cells(target: Amount, schema: Schema) -> bool:
    """Whether a target speaks of label x group cells: `cells`, or a mapping with the name of one."""
    if isinstance(target, Mapping):
        return any(SEPARATOR in str(name) and str(name) not in schema.classes for name in target)
    return target == "cells"


def resolve_cells(target: Amount, counts: np.ndarray, conditions: Conditions) -> dict[str, int]:
    """Final training rows of every cell; real rows are never dropped, so at least `counts` (J,).

    target  `cells`: in every group each label reaches the number of the group's commonest label, so that all groups
            have one base rate and none loses its share; or a mapping cell -> N (cells left out keep their rows)
    """
    requested = counts.copy()
    if isinstance(target, Mapping):
        for name, number in target.items():
            requested[_place(name, conditions.names, "target: unknown cell")] = _whole(number, "target")
    else:
        groups = conditions.groups
        requested = np.array([max(n for g, n in zip(groups, counts, strict=True) if g == mine) for mine in groups])
    final = np.maximum(requested, counts)
    return {name: int(n) for name, n in zip(conditions.names, final, strict=True)}


def to_balance(counts: np.ndarray) -> np.ndarray:
    """Rows (K,) that every class lacks to the largest.

    >>> to_balance(np.array([5, 2, 4])).tolist()
    [0, 3, 1]
    """
    return counts.max() - counts


def resolve_counts(counts: Amount, schema: Schema) -> dict[str, int]:
    """Rows to draw of every class: N for each, or a mapping class -> N (others get none)."""
    if not isinstance(counts, Mapping):
        return dict.fromkeys(schema.classes, _whole(counts, "counts"))
    requested = dict.fromkeys(schema.classes, 0)
    for name, number in counts.items():
        requested[schema.classes[_place(name, schema.classes, "counts: unknown class")]] = _whole(number, "counts")
    return requested


def _place(name: object, names: Sequence[str], unknown: str) -> int:
    if str(name) not in names:
        raise UsageError(f'{unknown} "{name}"; {nearest(str(name), names)}')
    return names.index(str(name))


def _whole(number: object, key: str) -> int:
    text = str(number)
    if not text.isdecimal():
        raise UsageError(f"{key}: expected a whole number of rows, got {text!r}")
    return int(text)
