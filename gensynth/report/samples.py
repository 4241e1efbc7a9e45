"""What the report shows in the place of pictures, of tables, texts and sounds: some rows, and columns side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gensynth.data.audio_files import wav_bytes
from gensynth.data.columns import Column, cells_of
from gensynth.data.table import modelled_columns
from gensynth.types import LabelledData

SHOWN_CHARACTERS, SHOWN_SECONDS = 400, 3
ROWS, CLASSES, SHOWN_COLUMNS, CHARTS, BARS = 4, 6, 12, 30, 12


def sample_rows(
    real: LabelledData, made: LabelledData
) -> dict[str, tuple[list[str], list[list[str]], list[list[str]]]]:
    """A few real and made rows of every class that received some, as cells of the first columns."""
    columns = modelled_columns(real.schema.fields)[:SHOWN_COLUMNS]
    names = [column.name for column in columns]
    shown = [k for k in range(len(real.schema.classes)) if (made.y == k).any()][:CLASSES]
    return {
        real.schema.classes[k]: (names, *(_cells(columns, side.x[side.y == k][:ROWS]) for side in (real, made)))
        for k in shown
    }


def _cells(columns: list[Column], x: np.ndarray) -> list[list[str]]:
    written = [cells_of(column, x[:, j]) for j, column in enumerate(columns)]
    return [[str(cell) for cell in row] for row in zip(*written, strict=True)]


def sample_texts(
    real: LabelledData, made: LabelledData
) -> dict[str, tuple[list[str], list[list[str]], list[list[str]]]]:
    """A few real and made texts of every class that received some."""
    shown = [k for k in range(len(real.schema.classes)) if (made.y == k).any()][:CLASSES]
    name = real.schema.fields["text"]
    return {
        real.schema.classes[k]: (
            [name],
            *([[_short(text)] for text in side.x[side.y == k][:ROWS].tolist()] for side in (real, made)),
        )
        for k in shown
    }


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]} ..."


def sample_sounds(real: LabelledData, made: LabelledData) -> dict[str, tuple[list[bytes], list[bytes]]]:
    """A few real and made recordings of every class that received some, short ones, as WAV files."""
    shown = [k for k in range(len(real.schema.classes)) if (made.y == k).any()][:CLASSES]
    rate = real.schema.fields["sample_rate_hz"]
    most = SHOWN_SECONDS * rate
    return {
        real.schema.classes[k]: tuple(
            [wav_bytes(wave[:most], rate) for wave in side.x[side.y == k][:ROWS]] for side in (real, made)
        )
        for k in shown
    }


def column_bars(real: LabelledData, made: LabelledData) -> dict[str, tuple[list[str], np.ndarray, np.ndarray]]:
    """Bins or levels of each column, and the shares of real and made rows in them, of the class with most made rows."""
    if not len(made):
        return {}
    k = int(np.argmax(made.counts()))
    sides = [side.x[side.y == k] for side in (real, made)]
    columns = modelled_columns(real.schema.fields)[:CHARTS]
    return {c.name: _bars(c, sides[0][:, j], sides[1][:, j]) for j, c in enumerate(columns)}


def _bars(column: Column, real: np.ndarray, made: np.ndarray) -> tuple[list[str], np.ndarray, np.ndarray]:
    if column.discrete:
        values, counts = np.unique(np.nan_to_num(real, nan=len(column.levels)), return_counts=True)
        top = values[np.argsort(-counts, kind="stable")][:BARS]
        labels = [column.levels[int(v)] if v < len(column.levels) else "missing" for v in top]
        shares = [(np.nan_to_num(side, nan=len(column.levels))[:, None] == top).mean(0) for side in (real, made)]
        return labels, shares[0], shares[1]
    low, high = np.nanquantile(real, [0.01, 0.99]) if (~np.isnan(real)).any() else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1.0, BARS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    shares = [
        np.histogram(np.clip(side[~np.isnan(side)], edges[0], edges[-1]), edges)[0] / max(len(side), 1)
        for side in (real, made)
    ]
    return [f"{m:.3g}" for m in middles], shares[0], shares[1]


# What a kind shows beside pictures, by the names of `Pictures`.
SHOWN: dict[str, Callable[[LabelledData, LabelledData], dict[str, Any]]] = {
    "table": lambda real, made: {"columns": column_bars(real, made), "cells": sample_rows(real, made)},
    "text": lambda real, made: {"cells": sample_texts(real, made)},
    "audio": lambda real, made: {"sounds": sample_sounds(real, made)},
}
