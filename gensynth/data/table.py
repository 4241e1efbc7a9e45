"""Tables: the codec between values of columns and what networks see.

x in source units is float64 (N, D), one modelled column beside the other (see `columns.py`). A network sees
(N, D, 2): the class of each cell, and a score that places it inside its class.

    numeric, datetime      class 0: between the spikes; then one class for each spike; missing last
    categorical, boolean   one class for each category; categories of fewer than 5 rows share one; missing last

A spike is a value that holds 1 % of the rows. A number between spikes has the rank u in (0, 1) among train
rows; its score is the normal quantile of u, so every column comes out standard normal, whatever its tails.
For all other classes the score is noise; among shared categories it chooses the one that is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr, ndtri

from gensynth.data.columns import Column, round_values
from gensynth.data.image import check_shape, contact_sheet, png_bytes
from gensynth.errors import DataError, DivergedError
from gensynth.types import Block, LabelledData, Space

if TYPE_CHECKING:
    import torch

SPIKE_SHARE, SPIKE_ROWS, MAX_SPIKES = 0.01, 20, 64
RARE_ROWS, MAX_CATEGORIES = 5, 254
MAX_KNOTS = 2048
REPEATED = 3.0  # rows per distinct value from which values are taken as a grid, not a continuum
CLIP = 4.5


def modelled_columns(fields: dict[str, Any]) -> list[Column]:
    """The columns of x, in order, from the fields of a table's schema."""
    return [column for column in map(Column.from_json, fields["columns"]) if column.modelled]


class TableCodec:
    """float64 (N, D) <-> float32 (N, D, 2); its state is plain JSON, one entry a column."""

    def __init__(self, columns: list[Column], parts: list[dict[str, Any]], num_classes: int) -> None:
        self.columns, self.parts = columns, parts
        blocks = tuple(Block(_classes(part), "number" if "knots" in part else "levels") for part in parts)
        self.space = Space((len(columns), 2), num_classes, blocks)

    @classmethod
    def fit(cls, train: LabelledData) -> TableCodec:
        """Spikes, ranks and categories of the training rows; DataError where no column can be modelled."""
        columns = modelled_columns(train.schema.fields)
        if not columns:
            raise DataError("no column is left to model beside the label")
        parts = [_fit(column, train.x[:, j]) for j, column in enumerate(columns)]
        return cls(columns, parts, len(train.schema.classes))

    def encode(self, x: np.ndarray) -> torch.Tensor:
        """Values (N, D) -> classes and scores (N, D, 2); ties take evenly spread places within their rank."""
        import torch

        check_shape(x.shape, (len(self.columns),))
        out = np.zeros((len(x), len(self.columns), 2), np.float32)
        spread = (np.arange(len(x)) * 0.6180339887498949 + 0.5) % 1.0
        for j, part in enumerate(self.parts):
            out[:, j, 0], out[:, j, 1] = _encode(part, x[:, j], spread)
        return torch.from_numpy(out)

    def decode(self, t: torch.Tensor) -> np.ndarray:
        """Classes and scores (N, D, 2) -> values (N, D); DivergedError on NaN or infinity."""
        check_shape(t.shape, self.space.shape)
        cells = t.detach().cpu().double().numpy()
        if not np.isfinite(cells).all():
            raise DivergedError(f"{int((~np.isfinite(cells)).any(axis=(1, 2)).sum())} of {len(t)} rows are not finite")
        out = np.empty((len(cells), len(self.columns)))
        for j, (column, part) in enumerate(zip(self.columns, self.parts, strict=True)):
            out[:, j] = round_values(column, _decode(part, cells[:, j, 0].astype(np.int64), cells[:, j, 1]))
        return out

    def picture(self, x: torch.Tensor) -> bytes:
        """Samples (K, n, D, 2) -> PNG bytes: a line a row, a square a cell, its class by shade, classes apart."""
        sizes = np.array([max(block.size - 1, 1) for block in self.space.blocks])
        numeric = np.array([block.kind == "number" for block in self.space.blocks])
        cells = x.detach().cpu().double().numpy()
        shade = np.where(numeric & (cells[..., 0] == 0), ndtr(cells[..., 1]), cells[..., 0] / sizes)
        tiles = [(255 * rows[:, None, None]).astype(np.uint8) for rows in shade]  # (n, 1, 1, D) each
        sheet = contact_sheet([rows.transpose(1, 2, 0, 3) for rows in tiles], scale=8)
        return png_bytes(sheet.transpose(2, 0, 1))

    def state(self) -> dict[str, Any]:
        return {"columns": [column.to_json() for column in self.columns], "parts": self.parts}

    @classmethod
    def from_state(cls, state: dict[str, Any], num_classes: int) -> TableCodec:
        """Inverse of `state`; DataError when it is malformed."""
        try:
            columns = [Column.from_json(facts) for facts in state["columns"]]
            for part in state["parts"]:
                _check_part(part)
            if len(columns) != len(state["parts"]):
                raise ValueError("columns and parts differ in number")
            return cls(columns, state["parts"], num_classes)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"table codec: {error}") from None


def _check_part(part: dict[str, Any]) -> None:
    lists = ("spikes", "knots", "ranks") if "knots" in part else ("levels", "rare", "rare_counts")
    for name in lists:
        if not all(isinstance(v, int | float) for v in part[name]):
            raise ValueError(f"{name} must be numbers")
    if type(part["missing"]) is not bool:
        raise ValueError("missing must be true or false")


def _classes(part: dict[str, Any]) -> int:
    if "knots" in part:
        return 1 + len(part["spikes"]) + part["missing"]
    return len(part["levels"]) + bool(part["rare"]) + part["missing"]


def _fit(column: Column, values: np.ndarray) -> dict[str, Any]:
    missing = bool(np.isnan(values).any())
    present = values[~np.isnan(values)]
    distinct, counts = np.unique(present, return_counts=True)
    if column.discrete:
        order = np.argsort(-counts, kind="stable")
        common = order[
            (counts[order] >= min(RARE_ROWS, counts.max(initial=1))) & (np.arange(len(order)) < MAX_CATEGORIES)
        ]
        rare = np.setdiff1d(np.arange(len(distinct)), common)
        return {
            "levels": np.sort(distinct[common]).tolist(),
            "rare": distinct[rare].tolist(),
            "rare_counts": counts[rare].tolist(),
            "missing": missing,
        }
    least = max(SPIKE_ROWS, SPIKE_SHARE * len(values))
    spikes = np.argsort(-counts, kind="stable")[: min(MAX_SPIKES, int((counts >= least).sum()))]
    rest = np.setdiff1d(np.arange(len(distinct)), spikes)
    knots, ranks, step = _ranks(distinct[rest], counts[rest])
    spikes = np.sort(distinct[spikes])
    return {"spikes": spikes.tolist(), "knots": knots, "ranks": ranks, "step": step, "missing": missing}


def _ranks(distinct: np.ndarray, counts: np.ndarray) -> tuple[list[float], list[float], bool]:
    """(values, ranks, step): values on a grid own the ranks up to theirs; in a continuum ranks are interpolated."""
    if not len(distinct):
        return [], [], True
    upper = np.cumsum(counts) / counts.sum()
    if counts.sum() >= REPEATED * len(distinct) and len(distinct) <= MAX_KNOTS:
        return distinct.tolist(), upper.tolist(), True
    middle = upper - counts / (2 * counts.sum())
    keep = np.unique(np.rint(np.linspace(0, len(distinct) - 1, min(MAX_KNOTS, len(distinct)))).astype(int))
    return distinct[keep].tolist(), middle[keep].tolist(), False


def _encode(part: dict[str, Any], values: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    missing = np.isnan(values)
    classes = np.full(len(values), _classes(part) - 1 if part["missing"] else 0)
    scores = ndtri(spread)
    present = np.nan_to_num(values)
    if "knots" not in part:
        categories = np.asarray(part["levels"])
        found, known = _places(categories, present)
        other = len(categories) if part["rare"] else 0
        classes[~missing] = np.where(known, found, other)[~missing]
        return classes, scores
    u = _rank(part, present, spread)
    found, is_spike = _places(np.asarray(part["spikes"]), present)
    classes[~missing] = np.where(is_spike, 1 + found, 0)[~missing]
    between = ~missing & ~is_spike
    scores[between] = ndtri(u[between]).clip(-CLIP, CLIP)
    return classes, scores


def _places(known: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each value stands among sorted ones, and whether it is one of them."""
    found = np.searchsorted(known, values).clip(max=max(len(known) - 1, 0))
    return found, known[found] == values if len(known) else np.zeros(len(values), bool)


def _rank(part: dict[str, Any], values: np.ndarray, spread: np.ndarray) -> np.ndarray:
    knots, ranks = np.asarray(part["knots"]), np.asarray(part["ranks"])
    if not len(knots):
        return spread
    if not part["step"]:
        return np.interp(values, knots, ranks)
    place = np.searchsorted(knots, values).clip(max=len(knots) - 1)
    lower = np.concatenate([[0.0], ranks])[place]
    return (lower + spread * (ranks[place] - lower)).clip(1e-7, 1 - 1e-7)


def _decode(part: dict[str, Any], classes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    u = ndtr(scores)
    if "knots" not in part:
        table = np.array([*part["levels"], *([np.nan] if part["rare"] or part["missing"] else []), np.nan])
        values = table[classes.clip(0, len(table) - 1)]
        if part["rare"]:
            shared = classes == len(part["levels"])
            upper = np.cumsum(part["rare_counts"]) / np.sum(part["rare_counts"])
            chosen = np.searchsorted(upper, u[shared]).clip(max=len(upper) - 1)
            values[shared] = np.asarray(part["rare"])[chosen]
        return values
    knots, ranks = np.asarray(part["knots"]), np.asarray(part["ranks"])
    if not len(knots):
        between = np.full(len(u), part["spikes"][0] if part["spikes"] else np.nan)
    elif part["step"]:
        between = knots[np.searchsorted(ranks, u).clip(max=len(knots) - 1)]
    else:
        between = np.interp(u, ranks, knots)
    table = np.array([*part["spikes"], np.nan])
    return np.where(classes == 0, between, table[(classes - 1).clip(0, len(table) - 1)])


class TablePoints:
    """Rows as points in which Euclidean distance means something, fitted on train values (N, D).

    A number is scaled by train's 1 % to 99 % range and cut to [-1, 2], missing is -1; a category is one of its
    column's 50 commonest, one-hot over the square root of 2, so that two different categories are 1 apart.
    """

    def __init__(self, columns: list[Column], train: np.ndarray) -> None:
        self._scales: list[tuple[float, float] | np.ndarray] = []
        for j, column in enumerate(columns):
            present = train[~np.isnan(train[:, j]), j]
            if column.discrete:
                categories, counts = np.unique(np.nan_to_num(train[:, j], nan=-1.0), return_counts=True)
                self._scales.append(categories[np.argsort(-counts, kind="stable")][:50])
            else:
                low, high = np.quantile(present, [0.01, 0.99]) if len(present) else (0.0, 0.0)
                self._scales.append((float(low), max(float(high - low), 1e-12)))

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Values (N, D) -> float32 (N, P)."""
        parts = []
        for j, scale in enumerate(self._scales):
            if isinstance(scale, tuple):
                place = np.clip((x[:, j] - scale[0]) / scale[1], -1.0, 2.0)
                parts.append(np.nan_to_num(place, nan=-1.0)[:, None])
            else:
                parts.append((np.nan_to_num(x[:, j], nan=-1.0)[:, None] == scale) / np.sqrt(2))
        return np.concatenate(parts, axis=1).astype(np.float32)
