"""Columns that name people, dropped, masked or replaced before anything is fitted, shown or written.

drop     the column is gone
mask     every filled cell becomes a mark of its kind: [EMAIL], [PHONE], ... or [MASKED]
replace  every filled cell becomes a pseudonym, equal cells the same one: jfiapbcgkdenncha
In the texts of a text set mask and replace change what is found inside (`identifiers.find`), not the whole text.

A pseudonym is a keyed hash (HMAC-SHA-256, RFC 2104, its first 64 bits). Without the key it cannot be found by trying
names; with it it can, so the key is a secret: that of GENSYNTH_PSEUDONYM_KEY, or a random one that is written nowhere
and is forgotten when the process ends. Then another run, a resumed one among them, has other pseudonyms.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from gensynth.data.columns import MISSING
from gensynth.data.identifiers import flag_columns, replaced
from gensynth.errors import UsageError, nearest

ACTIONS = ("drop", "mask", "replace")
KEY = "GENSYNTH_PSEUDONYM_KEY"
SHORTEST_KEY = 16
_LETTERS = 16
_AS_LETTERS = str.maketrans("0123456789", "ghijklmnop")  # no pseudonym is ever taken for a number
_ENDINGS = tuple(f":{action}" for action in ACTIONS)

Done = tuple[dict[str, str | int], ...]


def actions_of(given: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    """{column: action} of a mapping, or of a list whose columns are dropped unless they say `COLUMN:action`.

    >>> actions_of(["email", "phone:mask"]), actions_of({"notes": "replace"})
    ({'email': 'drop', 'phone': 'mask'}, {'notes': 'replace'})
    """
    if isinstance(given, Mapping):
        return {str(column): str(action) for column, action in given.items()}
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise UsageError(f"data.deidentify takes {{column: {' | '.join(ACTIONS)}}} or a list of columns, got {given!r}")
    pairs = [str(word).rpartition(":") if str(word).endswith(_ENDINGS) else (str(word), ":", "drop") for word in given]
    return {column: action for column, _, action in pairs}


def deidentified(
    cells: pd.DataFrame, actions: Mapping[str, str], *, kept: Mapping[str, str], text: str = ""
) -> tuple[pd.DataFrame, Done]:
    """The cells after the actions {column: drop | mask | replace}, and {"column", "action", "cells"} of each.

    cells  text cells (N rows); those in MISSING stay as they are
    kept   columns that cannot be dropped and what they are, e.g. {"who": "data.subject"}; the label cannot be changed
    text   column of the texts of a text set
    UsageError for an unknown column or action, and where a column that is needed would go.
    """
    if not actions:
        return cells, ()
    done: list[dict[str, str | int]] = []
    pseudonym = _pseudonyms() if "replace" in actions.values() else str
    kinds = {facts["column"]: facts["kind"] for facts in flag_columns(cells[[c for c in actions if c in cells]])}
    out = cells.copy()
    for column, action in actions.items():
        _check(column, action, cells, kept)
        filled = ~cells[column].isin(MISSING).to_numpy(bool)
        if action == "drop":
            out = out.drop(columns=[column])
            changed = filled
        else:
            make = _changer(action, kinds.get(column, "masked"), pseudonym, inside=column == text)
            after = cells[column].where(~filled, cells[column].map(make))
            out[column], changed = after, (after != cells[column]).to_numpy(bool)
        done.append({"column": column, "action": action, "cells": int(changed.sum())})
    return out, tuple(done)


def deidentified_columns(
    columns: Mapping[str, np.ndarray], actions: Mapping[str, str], *, kept: Mapping[str, str]
) -> tuple[dict[str, np.ndarray], Done]:
    """The same for row-aligned columns (N,) that came beside images or recordings; masks (N, H, W) stay."""
    flat = {name: column for name, column in columns.items() if column.ndim == 1}
    cells, done = deidentified(pd.DataFrame(flat, dtype=object), actions, kept=kept)
    rest = {name: column for name, column in columns.items() if column.ndim > 1}
    return {name: cells[name].to_numpy(str) for name in cells.columns} | rest, done


def notes_on(done: Done) -> list[str]:
    """A sentence for each column."""
    given = {"drop": "dropped", "mask": "masked", "replace": "replaced by pseudonyms"}
    notes = [f'column "{d["column"]}": {d["cells"]} cells {given[str(d["action"])]} (data.deidentify)' for d in done]
    if any(d["action"] == "replace" for d in done) and KEY not in os.environ:
        notes.append(f"pseudonyms are of this run alone; {KEY} in the environment makes them the same in others")
    return notes


def _check(column: str, action: str, cells: pd.DataFrame, kept: Mapping[str, str]) -> None:
    if column not in cells.columns:
        raise UsageError(f'data.deidentify: no column "{column}"; {nearest(column, map(str, cells.columns))}')
    if action not in ACTIONS:
        raise UsageError(f"data.deidentify: {column}: {action} is not known; {' | '.join(ACTIONS)}")
    if kept.get(column) == "data.label":
        raise UsageError(f'data.deidentify: "{column}" is the label, whose classes are names everywhere')
    if action == "drop" and column in kept:
        raise UsageError(f'data.deidentify: "{column}" is needed as {kept[column]}; replace it instead')


def _changer(action: str, kind: str, pseudonym: Callable[[str], str], *, inside: bool) -> Callable[[str], str]:
    """cell -> cell."""
    if action == "mask":
        whole = f"[{kind.upper()}]"
        return (lambda cell: replaced(cell, lambda found, _: f"[{found.upper()}]")) if inside else lambda _: whole
    if inside:
        return lambda cell: replaced(cell, lambda found, what: f"[{found.upper()} {pseudonym(what)}]")
    return pseudonym


def _pseudonyms() -> Callable[[str], str]:
    """cell -> pseudonym under the key of the environment, or under one made now; UsageError for a short key."""
    given = os.environ.get(KEY)
    if given is not None and len(given) < SHORTEST_KEY:
        raise UsageError(f"{KEY} has {len(given)} characters; a key that nobody can guess has at least {SHORTEST_KEY}")
    key = given.encode() if given else secrets.token_bytes(32)
    return lambda cell: hmac.new(key, cell.encode(), hashlib.sha256).hexdigest()[:_LETTERS].translate(_AS_LETTERS)
