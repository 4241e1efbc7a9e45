"""What the report shows of rows: samples as PNG in data URIs, smallest distances, curves; equal input, equal bytes."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

import numpy as np

from gensynth.data.image import contact_sheet, png_bytes
from gensynth.report.charts import Picture, curve_chart

TILE_SIZES_PX = (96, 64, 48, 32, 24, 16)
WALL_COLUMNS = 8
PAIRS_SHOWN = 8
PAIR_GAP_PX = 5
BUDGET_BYTES = 1_500_000
Curves = dict[str, tuple[np.ndarray, np.ndarray]]  # name -> (samples seen, value)
MANY = ("coverage/", "variety/", "kl/")  # curves of which there is one a class or a latent dimension


@dataclass(frozen=True)
class Pictures:
    """What the page shows besides numbers; every image array is uint8 (n, C, H, W).

    walls    class -> (real rows, synthetic rows), each beside the real row that lies nearest to it
    nearest  class -> (synthetic rows, nearest real training rows, distances (n,))
    curves   name -> (samples seen, value)
    columns  tables: title of a chart -> (labels of the bars, real shares, synthetic shares)
    cells    tables: class -> (column names, real rows of cells, synthetic rows of cells)
    sounds   audio: class -> (real recordings, synthetic ones), WAV bytes each
    lapse    samples seen -> one sample of every class, (classes, C, H, W), from the same noise each time
    plane    xy (n, 2) of rows side by side, label (n,), synthetic (n,) bool; empty where none was drawn
    """

    walls: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    nearest: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=dict)
    curves: Curves = field(default_factory=dict)
    columns: dict[str, tuple[list[str], np.ndarray, np.ndarray]] = field(default_factory=dict)
    cells: dict[str, tuple[list[str], list[list[str]], list[list[str]]]] = field(default_factory=dict)
    plane: dict[str, np.ndarray] = field(default_factory=dict)
    lapse: dict[int, np.ndarray] = field(default_factory=dict)
    sounds: dict[str, tuple[list[bytes], list[bytes]]] = field(default_factory=dict)


def shrink(x: np.ndarray, limit_px: int) -> np.ndarray:
    """Images uint8 (n, C, H, W) reduced by whole-number block means until the longer side is <= limit_px.

    >>> shrink(np.full((2, 1, 8, 6), 7, np.uint8), 4).shape
    (2, 1, 4, 3)
    """
    height, width = x.shape[-2:]
    step = -(-max(height, width) // limit_px)
    if step <= 1:
        return x
    high, wide = max(height // step, 1), max(width // step, 1)
    rows, columns = min(step, height), min(step, width)
    blocks = x[..., : high * rows, : wide * columns].reshape(*x.shape[:-2], high, rows, wide, columns)
    return np.round(blocks.mean(axis=(-3, -1))).astype(np.uint8)


def tile_limit_px(pictures: Pictures) -> int:
    """Largest tile side of TILE_SIZES_PX at which all sample images fit into BUDGET_BYTES (else the smallest)."""
    shown = [*pictures.walls.values(), *(rows[:2] for rows in pictures.nearest.values())]
    stacks = [x for group in shown for x in group if len(x)]
    for limit in TILE_SIZES_PX:
        if sum(len(png_bytes(np.concatenate(list(shrink(x, limit)), axis=-1))) for x in stacks) <= BUDGET_BYTES:
            return limit
    return TILE_SIZES_PX[-1]


def nearest_view(pictures: Pictures) -> dict[str, list[tuple[np.ndarray, np.ndarray, float]]]:
    """Per class PAIRS_SHOWN synthetic rows that lie closest to a real one, that row and the distance, closest first."""
    return {
        name: [(synthetic[i], real[i], float(distances[i])) for i in np.argsort(distances, kind="stable")[:PAIRS_SHOWN]]
        for name, (synthetic, real, distances) in pictures.nearest.items()
        if len(synthetic)
    }


def curves_view(pictures: Pictures) -> list[tuple[str, Picture]]:
    """Charts of the training curves that have a finite value; one a class or dimension is for the dashboard."""
    whole = {name: curve for name, curve in pictures.curves.items() if not name.startswith(MANY)}
    charts = [(name, curve_chart(name, *curve)) for name, curve in whole.items()]
    return [(name, chart) for name, chart in charts if chart is not None]


def lapse_view(pictures: Pictures, limit_px: int) -> tuple[Picture, str] | None:
    """How the samples of every class came about: a row a class, from the first look on the left to the last."""
    if not pictures.lapse:
        return None
    times = sorted(pictures.lapse)
    columns = [shrink(pictures.lapse[seen], limit_px) for seen in times]
    scale = _scale(columns[0])
    sheet = contact_sheet([np.stack(row) for row in zip(*columns, strict=True)], scale)
    seen = ", ".join(f"{n:,}" for n in times)
    alt = f"one sample of each class after {seen} samples seen"
    return Picture(data_uri("image/png", png_bytes(np.moveaxis(sheet, -1, 0))), sheet.shape[1], alt), seen


def pairs(real: np.ndarray, synthetic: np.ndarray, limit_px: int, name: str) -> list[Picture]:
    """Synthetic rows uint8 (n, C, H, W) above the real ones beside them, WALL_COLUMNS a picture."""
    upper, lower = (shrink(x, limit_px) for x in (synthetic, real))
    pictures = []
    for i in range(0, len(upper), WALL_COLUMNS):
        rows = [contact_sheet([x[i : i + WALL_COLUMNS]], _scale(upper)) for x in (upper, lower) if len(x)]
        gap = np.full((PAIR_GAP_PX, *rows[0].shape[1:]), 255, np.uint8)
        sheet = np.concatenate([*(part for row in rows[:-1] for part in (row, gap)), rows[-1]])
        alt = f"synthetic rows of class {name}" + (", below each the nearest real row" if len(lower) else "")
        pictures.append(Picture(data_uri("image/png", png_bytes(np.moveaxis(sheet, -1, 0))), sheet.shape[1], alt))
    return pictures


def tile(x: np.ndarray, limit_px: int, alt: str) -> Picture:
    """One image uint8 (C, H, W); the page enlarges small ones by a whole number without smoothing."""
    small = shrink(x[None], limit_px)
    return Picture(data_uri("image/png", png_bytes(small[0])), small.shape[-1] * _scale(small), alt)


def _scale(tiles: np.ndarray) -> int:
    return max(1, round(56 / max(tiles.shape[-2:])))


def data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
