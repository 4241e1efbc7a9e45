"""Pictures of the report as data URIs: charts as SVG, samples as PNG; equal input gives equal bytes."""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gensynth.data.image import contact_sheet, png_bytes

ACCENT, INK, MUTED, LINE, PALE = "#2757c4", "#1c2330", "#667085", "#e3e7ee", "#c3cad6"
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
TILE_SIZES_PX = (96, 64, 48, 32, 24, 16)
WALL_COLUMNS = 8
PAIRS_SHOWN = 8
BUDGET_BYTES = 1_500_000
MAX_BARS = 40
MAX_POINTS = 300
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gensynth",
    "font.size": 10.5,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.unicode_minus": True,
    "text.parse_math": False,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "path.simplify": True,
}
Curves = dict[str, tuple[np.ndarray, np.ndarray]]  # name -> (samples seen, value)
MANY = ("coverage/", "variety/", "kl/")  # curves of which there is one a class or a latent dimension


@dataclass(frozen=True)
class Pictures:
    """What the page shows besides numbers; every image array is uint8 (n, C, H, W).

    walls    class -> (real rows, synthetic rows)
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


@dataclass(frozen=True)
class Picture:
    """An image of the page: data URI, width on the page in CSS pixels, text for those who cannot see it."""

    uri: str
    width_px: int
    alt: str


@dataclass(frozen=True)
class Interval:
    """One row of a dot-and-interval chart; `low` and `high` equal `mean` where no interval is known."""

    label: str
    mean: float
    low: float
    high: float
    strong: bool


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


def wall(x: np.ndarray, limit_px: int, alt: str) -> Picture:
    """Contact sheet of images uint8 (n, C, H, W), WALL_COLUMNS in a row."""
    tiles = shrink(x, limit_px)
    scale = _scale(tiles)
    sheet = contact_sheet([tiles[i : i + WALL_COLUMNS] for i in range(0, len(tiles), WALL_COLUMNS)], scale)
    return Picture(data_uri("image/png", png_bytes(np.moveaxis(sheet, -1, 0))), sheet.shape[1], alt)


def tile(x: np.ndarray, limit_px: int, alt: str) -> Picture:
    """One image uint8 (C, H, W); the page enlarges small ones by a whole number without smoothing."""
    small = shrink(x[None], limit_px)
    return Picture(data_uri("image/png", png_bytes(small[0])), small.shape[-1] * _scale(small), alt)


@matplotlib.rc_context(_STYLE)
def count_chart(rows: Sequence[tuple[str, Mapping[str, float]]]) -> Picture:
    """Stacked bars of real, augmented and synthetic rows per class (first MAX_BARS classes)."""
    rows = rows[:MAX_BARS]
    figure, axes = _canvas(6.4, 0.75 + 0.29 * len(rows))
    at, left = np.arange(len(rows)), np.zeros(len(rows))
    for part, colour in (("real", PALE), ("augmented", MUTED), ("synthetic", ACCENT)):
        width = np.array([float(counts.get(part) or 0) for _, counts in rows])
        if width.any():
            axes.barh(at, width, left=left, height=0.62, color=colour, linewidth=0, label=part)
        left = left + width
    _rows_down(axes, [name for name, _ in rows])
    axes.set_xlabel("training rows")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, handlelength=1, handleheight=1)
    return _svg(figure, "Rows per class in the balanced training set, split by origin")


@matplotlib.rc_context(_STYLE)
def interval_chart(rows: Sequence[Interval], label: str) -> Picture:
    """Dots with intervals, one row an arm; strong rows in the accent colour."""
    figure, axes = _canvas(6.4, 0.7 + 0.29 * len(rows))
    for at, row in enumerate(rows):
        colour = ACCENT if row.strong else MUTED
        axes.plot([row.low, row.high], [at, at], color=colour, linewidth=2, solid_capstyle="round", alpha=0.55)
        axes.plot([row.mean], [at], "o", color=colour, markersize=6)
    _rows_down(axes, [row.label for row in rows])
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    return _svg(figure, f"{label} of every arm with its interval")


@matplotlib.rc_context(_STYLE)
def curve_chart(name: str, samples_seen: np.ndarray, values: np.ndarray) -> Picture | None:
    """One training curve over samples seen; None where no finite value is left to draw."""
    x, y = np.asarray(samples_seen, dtype=float), np.asarray(values, dtype=float)
    kept = np.isfinite(x) & np.isfinite(y)
    if not kept.any():
        return None
    x, y = x[kept], y[kept]
    shown = np.unique(np.linspace(0, len(x) - 1, min(len(x), MAX_POINTS)).round().astype(int))
    figure, axes = _canvas(3.5, 2.1)
    axes.plot(x[shown], y[shown], "o" if len(shown) == 1 else "-", color=ACCENT, linewidth=1.5, markersize=4)
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    axes.set_xlabel("samples seen")
    axes.tick_params(labelcolor=MUTED)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(_thousands)
    return _svg(figure, f"{name} over samples seen")


@matplotlib.rc_context(_STYLE)
def column_chart(title: str, labels: list[str], real: np.ndarray, synthetic: np.ndarray) -> Picture:
    """Shares of one column's bins or levels: real as pale bars, synthetic as marks."""
    figure, axes = _canvas(3.1, 1.5, margins=(0.13, 0.98, 0.18, 0.96))
    at = np.arange(len(labels))
    axes.bar(at, real, width=0.86, color=PALE, linewidth=0)
    axes.plot(at, synthetic, "_", color=ACCENT, markersize=max(4, 90 // max(len(at), 1)), markeredgewidth=2)
    shown = np.unique(np.linspace(0, len(at) - 1, min(len(at), 4)).round().astype(int))
    axes.set_xticks(shown, [labels[i] if len(labels[i]) <= 10 else labels[i][:9] + "…" for i in shown])
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.tick_params(labelcolor=MUTED)
    return _svg(figure, f"{title}: shares of real and synthetic rows")


@matplotlib.rc_context(_STYLE)
def scale_chart(rows: Sequence[tuple[str, float, str]]) -> Picture:
    """One bar a metric from floor (0 %) to ceiling (100 %): (name, percent reached, text of the value)."""
    figure, axes = _canvas(6.4, 0.6 + 0.27 * len(rows))
    at = np.arange(len(rows))
    axes.barh(at, np.full(len(rows), 100.0), height=0.5, color=LINE, linewidth=0)
    axes.barh(at, [percent for _, percent, _ in rows], height=0.5, color=ACCENT, linewidth=0)
    for y, (_, _, text) in zip(at, rows, strict=True):
        axes.text(102, float(y), text, va="center", color=INK, fontsize=9.5)
    _rows_down(axes, [name for name, _, _ in rows])
    axes.set_xlim(0, 118)
    axes.set_xticks([0, 100], ["floor", "ceiling"])
    axes.grid(False)
    return _svg(figure, "Where each score lies between floor and ceiling")


@matplotlib.rc_context(_STYLE)
def change_chart(classes: Sequence[str], before: np.ndarray, after: np.ndarray) -> Picture:
    """Confusion table (K, K) of shares after, minus that before, in points; the numbers stand in the cells."""
    change = 100 * (after - before)
    side = 1.5 + 0.42 * len(classes)
    figure, axes = _canvas(side + 0.6, side)
    limit = max(float(np.abs(change).max()), 1.0)
    axes.imshow(change, cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="equal")
    for i, j in np.argwhere(np.abs(change) >= 0.5):
        strong = abs(change[i, j]) > 0.6 * limit
        text = f"{change[i, j]:+.0f}".replace("-", "\u2212")
        axes.text(j, i, text, ha="center", va="center", fontsize=8.5, color="white" if strong else INK)
    names = [name if len(name) <= 12 else name[:11] + "…" for name in classes]
    axes.set_xticks(range(len(classes)), names, rotation=90 if max(map(len, names)) > 3 else 0)
    axes.set_yticks(range(len(classes)), names)
    axes.set_xlabel("called")
    axes.set_ylabel("true class")
    axes.spines[:].set_visible(False)
    return _svg(figure, "What the added rows change in the confusion of classes, in points")


@matplotlib.rc_context(_STYLE)
def reliability_chart(curves: Mapping[str, Sequence[Mapping[str, float]]], of_class: str) -> Picture:
    """Share of the class among rows by the probability they were given; the diagonal is calibrated."""
    figure, axes = _canvas(4.2, 3.4)
    axes.plot([0, 1], [0, 1], color=PALE, linewidth=1.2, linestyle="--")
    styles = ((MUTED, "s", "-"), (ACCENT, "o", "-"))
    for (name, points), (colour, marker, line) in zip(curves.items(), styles, strict=False):
        x, y = ([point[key] for point in points] for key in ("score", "share"))
        axes.plot(x, y, line, color=colour, marker=marker, markersize=4.5, label=name.replace("_", " "))
    axes.set_xlabel(f"probability given to class {of_class}"[:60])
    axes.set_ylabel("share of rows that are of it")
    axes.legend(loc="upper left", frameon=False)
    axes.grid(color=LINE, linewidth=0.8)
    return _svg(figure, "Reliability of the classifiers' probabilities")


@matplotlib.rc_context(_STYLE)
def plane_chart(plane: Mapping[str, np.ndarray], classes: Sequence[str]) -> Picture:
    """Rows in the plane: real ones as hollow circles, synthetic ones as crosses, up to ten classes by colour."""
    figure, axes = _canvas(6.4, 4.4)
    xy, label, synthetic = plane["xy"], plane["label"], plane["synthetic"]
    colours = matplotlib.color_sequences["tab10"]
    for c in np.unique(label):
        colour = colours[c % 10] if len(classes) <= 10 else ACCENT
        for side, marker, size in ((~synthetic, "o", 13), (synthetic, "x", 15)):
            rows = (label == c) & side
            face = {"facecolors": "none", "edgecolors": [colour]} if marker == "o" else {"color": [colour]}
            name = classes[c] if marker == "o" and len(classes) <= 10 else None
            axes.scatter(xy[rows, 0], xy[rows, 1], s=size, marker=marker, linewidths=0.9, label=name, **face)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if len(classes) <= 10:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, handletextpad=0.2)
    return _svg(figure, "Real and synthetic rows side by side in the plane")


def _thousands(value: float, _position: float) -> str:
    return f"{value / 1e6:g}M" if abs(value) >= 1e6 else f"{value / 1e3:g}k" if abs(value) >= 1e3 else f"{value:g}"


def _scale(tiles: np.ndarray) -> int:
    return max(1, round(56 / max(tiles.shape[-2:])))


def _canvas(
    width_in: float, height_in: float, margins: tuple[float, float, float, float] | None = None
) -> tuple[Figure, Axes]:
    """`margins` (left, right, bottom, top) as shares, where they are known: fitting them takes as long as drawing."""
    figure = Figure(figsize=(width_in, height_in), layout=None if margins else "constrained")
    FigureCanvasAgg(figure)
    if margins:
        left, right, bottom, top = margins
        figure.subplots_adjust(left=left, right=right, bottom=bottom, top=top)
    axes = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    return figure, axes


def _rows_down(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(np.arange(len(names)), [n if len(n) <= 28 else n[:27] + "…" for n in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="x", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)


def _svg(figure: Figure, alt: str) -> Picture:
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # The browser draws the text; that the layout font lacks a glyph of a class name does not matter.
        warnings.filterwarnings("ignore", message=".*missing from font", category=UserWarning)
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"(font(?:-family)?: [^;\"]*?)(?:'DejaVu Sans'|sans-serif)[^;\"]*", rf"\g<1>{FONTS}", text)
    return Picture(data_uri("image/svg+xml", text.encode()), round(figure.get_figwidth() * 96), alt)


def data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
