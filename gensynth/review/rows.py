"""One row as the review page shows it: a picture, a sound with its spectrum, a text, or cells against their class."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from gensynth.data.audio_files import wav_bytes
from gensynth.data.columns import Column, cells_of
from gensynth.data.image import png_bytes
from gensynth.data.kinds import modality_of, sight_of
from gensynth.data.table import modelled_columns
from gensynth.types import LabelledData

UNUSUAL, RARE_LEVEL = 0.01, 0.02
LEVELS_SHOWN = 3
SOUNDS = {"audio": lambda schema, x: wav_bytes(x, schema.fields["sample_rate_hz"])}  # kinds that can be heard
SMOOTH_PX = 128  # larger images are not shown as squares of pixels


def content(rows: LabelledData, i: int, name: str) -> dict[str, Any]:
    """What the page needs to show row i: text, or the names of files that `file_of` makes; nothing for tables."""
    kind, see = modality_of(rows.schema), sight_of(rows.schema)
    if kind.columns(rows.schema):
        return {"kind": "table"}
    if see is None:
        return {"kind": "text", "text": str(rows.x[i])}
    if kind.name in SOUNDS:
        return {"kind": "audio", "sound": f"{name}.wav", "picture": f"{name}.png"}
    height, width = see(rows.x[i : i + 1]).shape[2:]
    return {"kind": "image", "picture": f"{name}.png", "pixels": max(height, width) < SMOOTH_PX}


def file_of(rows: LabelledData, i: int, ending: str) -> tuple[bytes, str]:
    """(bytes, content type) of a row, encoded anew: nothing but its pixels or samples is in it; KeyError for others."""
    see = sight_of(rows.schema)
    if ending == "png" and see is not None:
        return png_bytes(see(rows.x[i : i + 1])[0]), "image/png"
    if ending == "wav":
        return SOUNDS[rows.schema.modality](rows.schema, rows.x[i]), "audio/wav"
    raise KeyError(ending)


class ClassColumns:
    """The columns of every class of a table's real rows, to hold single rows against."""

    def __init__(self, real: LabelledData) -> None:
        self.real, self.columns = real, modelled_columns(real.schema.fields)
        self._of_class = cache(lambda label: np.sort(real.x[real.y == label], axis=0))  # NaN last

    def against(self, row: np.ndarray, label: int, beside: list[np.ndarray]) -> list[dict[str, Any]]:
        """Every cell of a row (D,) beside what its class has in that column, and beside the cells of other rows.

        place    share of the class's rows below (half of equal ones counted), None for levels and missing values
        share    of the class's rows with the same level, None for numbers
        unusual  fewer than 1 % of the class lie as far out, or fewer than 2 % have that level
        """
        of_class = self._of_class(label)
        return [
            {
                "column": column.name,
                "value": _cell(column, row[j]),
                **_against(column, of_class[:, j], row[j]),
                "beside": [_cell(column, other[j]) for other in beside],
            }
            for j, column in enumerate(self.columns)
        ]


def _against(column: Column, of_class: np.ndarray, value: float) -> dict[str, Any]:
    missing = np.isnan(of_class)
    present = of_class[~missing]
    if column.discrete or np.isnan(value):
        alike = float((missing if np.isnan(value) else of_class == value).mean()) if len(of_class) else 0.0
        typical = _levels(column, of_class) if column.discrete else _range(column, present)
        return {"typical": typical, "place": None, "share": alike, "unusual": alike < RARE_LEVEL}
    if not len(present):
        return {"typical": "always missing", "place": None, "share": 0.0, "unusual": True}
    below, at_most = ((present < value).mean(), (present <= value).mean())
    unusual = bool(min(at_most, 1 - below) < UNUSUAL)
    return {"typical": _range(column, present), "place": float(below + at_most) / 2, "share": None, "unusual": unusual}


def _range(column: Column, present: np.ndarray) -> str:
    """Median and the middle 90 % of sorted values, written as the column writes them."""
    if not len(present):
        return "always missing"
    low, middle, high = (_cell(column, v) for v in np.quantile(present, [0.05, 0.5, 0.95], method="nearest"))
    return f"{middle} ({low} to {high})"


def _levels(column: Column, of_class: np.ndarray) -> str:
    """The commonest levels with their shares."""
    values, counts = np.unique(np.nan_to_num(of_class, nan=-1.0), return_counts=True)
    top = np.argsort(-counts, kind="stable")[:LEVELS_SHOWN]
    names = [_cell(column, values[k]) if values[k] >= 0 else "missing" for k in top]
    return ", ".join(f"{name} {100 * counts[k] / len(of_class):.0f} %" for name, k in zip(names, top, strict=True))


def _cell(column: Column, value: float) -> str:
    return "missing" if np.isnan(value) else str(cells_of(column, np.array([value]))[0])
