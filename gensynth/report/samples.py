"""What the report shows of rows: pictures, and in their place cells, texts, sounds and columns side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gensynth.data.audio_files import wav_bytes
from gensynth.data.columns import Column, cells_of
from gensynth.data.table import modelled_columns
from gensynth.evaluation.fidelity.features import flat_pixels
from gensynth.neighbours import nearest_distances
from gensynth.report.digits import number
from gensynth.types import LabelledData

TILES = 16
SHOWN_CHARACTERS, SHOWN_SECONDS = 400, 3
Cells = dict[str, tuple[list[str], list[list[str]], list[list[str]]]]  # class -> columns, real rows, synthetic rows
ROWS, CLASSES, SHOWN_COLUMNS, CHARTS, BARS = 4, 6, 12, 30, 12


def _shown(real: LabelledData, synthetic: LabelledData) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(class, some real rows x, some synthetic ones) of the first classes that received any."""
    shown = [k for k in range(len(real.schema.classes)) if (synthetic.y == k).any()][:CLASSES]
    first = [[side.x[side.y == k][:ROWS] for side in (real, synthetic)] for k in shown]
    return [(real.schema.classes[k], *pair) for k, pair in zip(shown, first, strict=True)]


def sample_rows(real: LabelledData, synthetic: LabelledData) -> Cells:
    """A few real and synthetic rows of every class that received some, as cells of the first columns."""
    columns = modelled_columns(real.schema.fields)[:SHOWN_COLUMNS]
    names = [column.name for column in columns]
    return {name: (names, _cells(columns, x), _cells(columns, y)) for name, x, y in _shown(real, synthetic)}


def _cells(columns: list[Column], x: np.ndarray) -> list[list[str]]:
    written = [cells_of(column, x[:, j]) for j, column in enumerate(columns)]
    return [[str(cell) for cell in row] for row in zip(*written, strict=True)]


def sample_texts(real: LabelledData, synthetic: LabelledData) -> Cells:
    """A few real and synthetic texts of every class that received some."""
    column = real.schema.fields["text"]
    return {name: ([column], _texts(x), _texts(y)) for name, x, y in _shown(real, synthetic)}


def _texts(x: np.ndarray) -> list[list[str]]:
    return [[text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]} ..."] for text in x.tolist()]


def sample_sounds(real: LabelledData, synthetic: LabelledData) -> dict[str, tuple[list[bytes], list[bytes]]]:
    """A few real and synthetic recordings of every class that received some, short ones, as WAV files."""
    rate = real.schema.fields["sample_rate_hz"]

    def files(x: np.ndarray) -> list[bytes]:
        return [wav_bytes(wave[: SHOWN_SECONDS * rate], rate) for wave in x]

    return {name: (files(x), files(y)) for name, x, y in _shown(real, synthetic)}


def column_bars(real: LabelledData, synthetic: LabelledData) -> dict[str, tuple[list[str], np.ndarray, np.ndarray]]:
    """Bins or levels of each column, and the shares of real and synthetic rows, of the class with most of these."""
    if not len(synthetic):
        return {}
    k = int(np.argmax(synthetic.counts()))
    sides = [side.x[side.y == k] for side in (real, synthetic)]
    columns = modelled_columns(real.schema.fields)[:CHARTS]
    return {c.name: _bars(c, sides[0][:, j], sides[1][:, j]) for j, c in enumerate(columns)}


def _bars(column: Column, real: np.ndarray, synthetic: np.ndarray) -> tuple[list[str], np.ndarray, np.ndarray]:
    if column.discrete:
        values, counts = np.unique(np.nan_to_num(real, nan=len(column.categories)), return_counts=True)
        top = values[np.argsort(-counts, kind="stable")][:BARS]
        labels = [column.categories[int(v)] if v < len(column.categories) else "missing" for v in top]
        shares = [
            (np.nan_to_num(side, nan=len(column.categories))[:, None] == top).mean(0) for side in (real, synthetic)
        ]
        return labels, shares[0], shares[1]
    low, high = np.nanquantile(real, [0.01, 0.99]) if (~np.isnan(real)).any() else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1.0, BARS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    shares = [
        np.histogram(np.clip(side[~np.isnan(side)], edges[0], edges[-1]), edges)[0] / max(len(side), 1)
        for side in (real, synthetic)
    ]
    return [number(float(m)) for m in middles], shares[0], shares[1]


# What a kind shows beside pictures, by the names of `Pictures`.
SHOWN: dict[str, Callable[[LabelledData, LabelledData], dict[str, Any]]] = {
    "table": lambda real, synthetic: {"columns": column_bars(real, synthetic), "cells": sample_rows(real, synthetic)},
    "text": lambda real, synthetic: {"cells": sample_texts(real, synthetic)},
    "audio": lambda real, synthetic: {"sounds": sample_sounds(real, synthetic)},
}


def wall_pictures(
    real: LabelledData, synthetic: LabelledData, realism_of: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Up to TILES synthetic rows of every class that has any, from most to least realistic, and beside each the nearest
    real row of its class: (real rows, synthetic rows), the class with most of these first."""
    walls = {}
    for c in np.argsort(-synthetic.counts(), kind="stable").tolist():
        mine, others = np.flatnonzero(synthetic.y == c), real.x[real.y == c]
        if len(mine):
            sorted_rows = mine[np.argsort(-realism_of[mine], kind="stable")]
            shown = synthetic.x[sorted_rows[np.linspace(0, len(mine) - 1, min(len(mine), TILES)).round().astype(int)]]
            if len(others):
                _, nearest = nearest_distances(flat_pixels(shown), flat_pixels(others), k=1)
                others = others[nearest[:, 0]]
            walls[real.schema.classes[c]] = (others, shown)
    return walls


def nearest_pictures(
    train: LabelledData, synthetic: LabelledData, tiles: int = 8
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each class the synthetic rows closest to a training row of it: (synthetic, nearest real, distance)."""
    panels = {}
    for c, name in enumerate(train.schema.classes):
        mine, real = synthetic.x[synthetic.y == c], train.x[train.y == c]
        if not len(mine) or not len(real):
            continue
        distances, nearest = nearest_distances(flat_pixels(mine), flat_pixels(real), k=1)
        closest = np.argsort(distances[:, 0], kind="stable")[:tiles]
        panels[name] = (mine[closest], real[nearest[closest, 0]], distances[closest, 0])
    return panels
