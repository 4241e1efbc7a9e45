"""Charts of the report as SVG inside the page: they follow its light or dark, and each mark says its numbers on hover.

Own code, since pictures of matplotlib know neither the page's colours nor a pointer, and cost a tenth of a second each.
"""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gensynth.intervals import wilson_interval
from gensynth.report.glossary import name_of

ROW_PX, LETTER_PX, LONGEST_LABEL = 28, 6.4, 28
WIDE_PX, NARROW_PX = 614, 358
MAX_BARS = 40
MAX_POINTS, HOVER_POINTS = 300, 40
LEAST_IN_BIN, LEAST_POINTS = 10, 3  # rows behind a point of a reliability curve; points of a curve
SCALE_PX, STRONGEST = 330, 0.75  # width of a scale of changes; opacity at its ends
COLOURS = 10  # classes that are told apart by colour


@dataclass(frozen=True)
class Picture:
    """An image of the page: data URI or SVG, width in CSS pixels, text for those who cannot see it.

    narrow  the SVG for a phone, where the wide one would be too small to read
    """

    uri: str
    width_px: int
    alt: str
    svg: str = ""
    narrow: str = ""


@dataclass(frozen=True)
class Interval:
    """One row of a dot-and-interval chart; `low` and `high` equal `mean` where no interval is known."""

    label: str
    mean: float
    low: float
    high: float
    strong: bool


class Drawing:
    """Shapes in a box of so many pixels, drawn in turn. A shape's classes say its colour (see style.html.j2)."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self._parts: list[str] = []

    def shape(self, tag: str, classes: str, title: str = "", text: str = "", **numbers: float | str) -> None:
        """One element; `title` is shown on hover. Underscores in names of attributes become hyphens."""
        named = "".join(f' {name.replace("_", "-")}="{_short(value)}"' for name, value in numbers.items())
        inside = html.escape(text) + (f"<title>{html.escape(title)}</title>" if title else "")
        self._parts.append(f'<{tag} class="{classes}"{named}>{inside}</{tag}>')

    def line(self, classes: str, x1: float, y1: float, x2: float, y2: float, title: str = "") -> None:
        self.shape("line", classes, title, x1=x1, y1=y1, x2=x2, y2=y2)

    def text(self, classes: str, x: float, y: float, text: str, anchor: str = "start", **more: str) -> None:
        self.shape("text", classes, text=text, x=x, y=y, text_anchor=anchor, **more)

    def picture(self, alt: str) -> Picture:
        size = f'width="{_short(self.width)}" height="{_short(self.height)}"'
        box = f'viewBox="0 0 {_short(self.width)} {_short(self.height)}"'
        head = f'<svg class="chart" role="img" aria-label="{html.escape(alt)}" {size} {box}>'
        return Picture("", round(self.width), alt, head + "".join(self._parts) + "</svg>")


@dataclass(frozen=True)
class Axis:
    """Values from low to high on pixels from start to end."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from low to high, at most so many.

    >>> ticks(0.0, 0.93), ticks(0, 37, 4), ticks(0.8, 0.8)
    ([0.0, 0.2, 0.4, 0.6, 0.8], [0.0, 10.0, 20.0, 30.0], [0.8])
    """
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def for_all_widths(draw: Callable[[float], Picture]) -> Picture:
    """A chart as it is drawn at a given width in pixels, for a wide page and for a phone."""
    return replace(draw(WIDE_PX), narrow=draw(NARROW_PX).svg)


def count_chart(rows: Sequence[tuple[str, Mapping[str, float]]]) -> Picture:
    """Stacked bars of real, augmented and synthetic rows per class (first MAX_BARS classes)."""
    return for_all_widths(lambda width: _counts(rows[:MAX_BARS], width))


def _counts(rows: Sequence[tuple[str, Mapping[str, float]]], wide: float) -> Picture:
    parts = [part for part in ("real", "augmented", "synthetic") if any(counts.get(part) for _, counts in rows)]
    most = max((sum(float(counts.get(part) or 0) for part in parts) for _, counts in rows), default=0.0)
    drawing, axis = _rows([name for name, _ in rows], 0.0, max(most, 1.0), wide, "training rows", legend=True)
    for row, (name, counts) in enumerate(rows):
        left = 0.0
        for part in parts:
            n = float(counts.get(part) or 0)
            at, width = axis(left), axis(left + n) - axis(left)
            y = _row_px(row, legend=True) - 8
            drawing.shape("rect", _PART[part], f"{name}: {n:,.0f} {part}", x=at, y=y, width=width, height=16)
            left += n
    _legend(drawing, [(part, _PART[part]) for part in parts])
    return drawing.picture("Rows per class in the balanced training set, split by origin")


def interval_chart(rows: Sequence[Interval], label: str, *, zero: bool = False, better: str = "higher") -> Picture:
    """Dots with intervals, one row an arm; strong rows in the accent colour; `zero`: with a line there.

    better  "higher" or "lower": which end of the axis is called so
    """
    return for_all_widths(lambda width: _intervals(rows, label, zero, better, width))


def _intervals(rows: Sequence[Interval], label: str, zero: bool, better: str, wide: float) -> Picture:
    low, high = min(row.low for row in rows), max(row.high for row in rows)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    room = 0.04 * (high - low) or 0.5
    drawing, axis = _rows([row.label for row in rows], low - room, high + room, wide)
    ends = ("← worse", "better →") if better == "higher" else ("← better", "worse →")
    for x, text, anchor in zip((axis.start, axis.end), ends, ("start", "end"), strict=True):
        drawing.text("muted", x, drawing.height - 6, text, anchor)
    if axis.end - axis.start > LETTER_PX * (_letters(label) + 20):
        drawing.text("muted", (axis.start + axis.end) / 2, drawing.height - 6, label, "middle")
    if zero:
        drawing.line("zero", axis(0.0), 0, axis(0.0), drawing.height - 38)
    for at, row in enumerate(rows):
        colour, y = "accent" if row.strong else "muted", _row_px(at)
        title = f"{row.label}: {row.mean:.3f} ({row.low:.3f} to {row.high:.3f})"
        drawing.line(f"{colour} interval", axis(row.low), y, axis(row.high), y, title)
        if row.strong:
            drawing.shape("rect", "accent band", title, x=0, y=y - 12, width=axis.end, height=24)
        drawing.shape("circle", f"{colour} mark", title, cx=axis(row.mean), cy=y, r=4.5)
    return drawing.picture(f"{label} of every arm with its interval")


def curve_chart(name: str, samples_seen: np.ndarray, values: np.ndarray) -> Picture | None:
    """One training curve over samples seen; None where fewer than two finite values are left to draw."""
    x, y = np.asarray(samples_seen, dtype=float), np.asarray(values, dtype=float)
    kept = np.isfinite(x) & np.isfinite(y)
    x, y = x[kept], y[kept]
    if len(x) < 2:
        return None
    drawing, across, up = _plot(336, 200, (float(x.min()), float(x.max())), (float(y.min()), float(y.max())))
    _grid(drawing, across, up, most=4, horizontal_alone=True)
    shown = _spread(len(x), MAX_POINTS)
    points = " ".join(f"{_short(across(a))},{_short(up(b))}" for a, b in zip(x[shown], y[shown], strict=True))
    drawing.shape("polyline", "accent line", points=points)
    for i in _spread(len(x), HOVER_POINTS):
        drawing.shape("circle", "hover", f"{x[i]:,.0f} samples: {y[i]:.4g}", cx=across(x[i]), cy=up(y[i]), r=5)
    drawing.text("muted", across.end, 197, "samples seen", "end")
    return drawing.picture(f"{name} over samples seen")


def column_chart(title: str, labels: list[str], real: np.ndarray, synthetic: np.ndarray) -> Picture:
    """Shares of one column's bins or levels: real as pale bars, synthetic as marks."""
    highest = max(float(np.max(real, initial=0)), float(np.max(synthetic, initial=0)), 1e-9)
    drawing, across, up = _plot(298, 144, (-0.5, len(labels) - 0.5), (0.0, highest), bottom=20)
    for value in ticks(0.0, highest, 3):
        drawing.text("muted", across.start - 6, up(value) + 4, f"{value:g}", "end")
    width = 0.86 * (across(1) - across(0)) if len(labels) > 1 else 0.5 * (across.end - across.start)
    for i, label in enumerate(labels):
        hover, left = f"{label}: real {real[i]:.3f}, synthetic {synthetic[i]:.3f}", across(i) - width / 2
        drawing.shape("rect", "pale", hover, x=left, y=up(real[i]), width=width, height=up(0) - up(real[i]))
        drawing.line("accent thick", left, up(synthetic[i]), left + width, up(synthetic[i]), hover)
    for i in _spread(len(labels), 4):
        drawing.text("muted", across(i), 140, _cut(labels[i], 10), "middle")
    return drawing.picture(f"{title}: shares of real and synthetic rows")


def scale_chart(rows: Sequence[tuple[str, float, str]]) -> Picture:
    """One bar a metric from floor (0 %) to ceiling (100 %): (name, percent reached, text of the value)."""
    return for_all_widths(lambda width: _scale(rows, width))


def _scale(rows: Sequence[tuple[str, float, str]], wide: float) -> Picture:
    drawing, axis = _rows([name for name, _, _ in rows], 0, 100 + 4200 / wide, wide, scale=False)
    for row, (name, percent, value) in enumerate(rows):
        y, title = _row_px(row), f"{name}: {value}, {percent:.0f} % of the way from floor to ceiling"
        drawing.shape("rect", "faint", title, x=axis(0), y=y - 7, width=axis(100) - axis(0), height=14)
        drawing.shape("rect", "accent", title, x=axis(0), y=y - 7, width=axis(percent) - axis(0), height=14)
        drawing.text("ink", axis(102), y + 4, value)
    drawing.text("muted", axis(0), drawing.height - 8, "floor: no resemblance")
    drawing.text("muted", axis(100), drawing.height - 8, "ceiling: as real rows", "end")
    return drawing.picture("Where each score lies between floor and ceiling")


def change_chart(classes: Sequence[str], before: np.ndarray, after: np.ndarray) -> Picture:
    """Confusion table (K, K) of shares after, minus that before, in points, on one scale from worse to better."""
    change = 100 * (after - before)
    limit, side = max(float(np.abs(change).max()), 1.0), 40
    names = [_cut(name, 12) for name in classes]
    left, top = 16 + LETTER_PX * max(map(_letters, names)), 24
    upright = max(map(_letters, names)) > 4
    below = 24 + (LETTER_PX * max(map(_letters, names)) if upright else 14)
    bottom = top + side * len(names) + below
    drawing = Drawing(max(left + side * len(names) + 8, left + SCALE_PX), bottom + 24)
    for i, j in np.ndindex(*change.shape):
        value, x, y = float(change[i, j]), left + side * j, top + side * i
        good = (value > 0) == (i == j)
        title = f"{classes[i]} called {classes[j]}: {100 * before[i, j]:.0f} % before, {100 * after[i, j]:.0f} % after"
        opacity = {"fill_opacity": f"{min(abs(value) / limit, 1) * STRONGEST:.2f}"}
        drawing.shape("rect", "up" if good else "down", title, x=x, y=y, width=side - 1, height=side - 1, **opacity)
        if abs(value) >= 0.5:
            drawing.text("ink cell", x + side / 2, y + side / 2 + 4, f"{value:+.0f}".replace("-", "\u2212"), "middle")
    for i, name in enumerate(names):
        drawing.text("ink", left - 6, top + side * (i + 0.5) + 4, name, "end")
        x, y = left + side * (i + 0.5), top + side * len(names) + 12
        turned = {"transform": f"rotate(-90 {_short(x + 4)} {_short(y)})"} if upright else {}
        drawing.text("ink", x + 4 if upright else x, y, name, "end" if upright else "middle", **turned)
    drawing.text("muted", left, 14, "rows: true class, columns: called")
    _diverging(drawing, left, bottom, limit)
    return drawing.picture("What the added rows change in the confusion of classes, in points")


def _diverging(drawing: Drawing, left: float, top: float, limit: float) -> None:
    """The scale of a change: from a worsening of so many points over none to as large an improvement."""
    drawing.text("muted", left, top + 11, f"{limit:.0f} points worse")
    start, step = left + LETTER_PX * 17, 13
    for i in range(-4, 5):
        opacity = {"fill_opacity": f"{abs(i) / 4 * STRONGEST:.2f}"}
        drawing.shape(
            "rect", "up" if i > 0 else "down", x=start + step * (i + 4), y=top, width=12, height=14, **opacity
        )
    drawing.text("muted", start + step * 9 + 6, top + 11, f"{limit:.0f} better")


def reliability_chart(curves: Mapping[str, Sequence[Mapping[str, float]]], of_class: str) -> Picture | None:
    """Share of the class among rows by the probability they were given, and bands of 95 %; the diagonal is calibrated.

    Points rest on at least LEAST_IN_BIN rows and a curve on LEAST_POINTS of them; None where no curve has so many.
    """
    enough = {name: [p for p in points if p["n"] >= LEAST_IN_BIN] for name, points in curves.items()}
    enough = {name: points for name, points in enough.items() if len(points) >= LEAST_POINTS}
    if not enough:
        return None
    drawing, across, up = _plot(403, 326, (0.0, 1.0), (0.0, 1.0), top=40)
    _grid(drawing, across, up, most=5)
    drawing.line("dashed", across(0), up(0), across(1), up(1))
    colours = dict(zip(curves, ("muted", "accent"), strict=False))
    for name, points in enough.items():
        colour = colours[name]
        places = " ".join(f"{_short(across(p['score']))},{_short(up(p['share']))}" for p in points)
        ends = [wilson_interval(p["share"], int(p["n"])) for p in points]
        edge = [(p["score"], high) for p, (_, high) in zip(points, ends, strict=True)]
        edge += [(p["score"], low) for p, (low, _) in zip(points[::-1], ends[::-1], strict=True)]
        around = " ".join(f"{_short(across(x))},{_short(up(y))}" for x, y in edge)
        drawing.shape("polygon", f"{colour} band", points=around)
        drawing.shape("polyline", f"{colour} line", points=places)
        for p, (low, high) in zip(points, ends, strict=True):
            title = f"{name_of(name)}: given {p['score']:.2f}, share {p['share']:.2f} of {int(p['n'])} rows"
            drawing.line(f"{colour} thin", across(p["score"]), up(low), across(p["score"]), up(high), title)
            drawing.shape("circle", f"{colour} mark", title, cx=across(p["score"]), cy=up(p["share"]), r=3.5)
    _legend(drawing, [(name_of(name), colours[name]) for name in enough])
    drawing.text("muted", across.end, 322, f"probability given to class {of_class}"[:60], "end")
    drawing.text("muted", across.start, 36, "share of rows that are of it")
    return drawing.picture("Reliability of the classifiers' probabilities")


def plane_chart(plane: Mapping[str, np.ndarray], classes: Sequence[str]) -> Picture:
    """Rows in the plane: real ones as hollow circles, synthetic ones as crosses, up to ten classes by colour."""
    xy, label, synthetic = plane["xy"], plane["label"], plane["synthetic"]
    (left, bottom), (right, top) = xy.min(0), np.maximum(xy.max(0), xy.min(0) + 1e-9)
    drawing = Drawing(614, 422)
    wide = 480 if len(classes) <= COLOURS else 602
    across, up = Axis(left, right, 10, wide), Axis(bottom, top, 412, 10)
    for (x, y), c, drawn in zip(xy.tolist(), label.tolist(), synthetic.tolist(), strict=True):
        colour = f"c{c % COLOURS}" if len(classes) <= COLOURS else "accent"
        title = f"{classes[c]}, {'synthetic' if drawn else 'real'}"
        if drawn:
            a, b = _short(across(x)), _short(up(y))
            drawing.shape("path", f"{colour} cross", title, d=f"M{a} {b}m-3-3l6 6m0-6l-6 6")
        else:
            drawing.shape("circle", f"{colour} ring", title, cx=across(x), cy=up(y), r=3)
    for i, name in enumerate(classes if len(classes) <= COLOURS else ()):
        drawing.shape("circle", f"c{i} ring", cx=500, cy=30 + 20 * i, r=3)
        drawing.text("ink", 510, 34 + 20 * i, _cut(name, 14))
    return drawing.picture("Real and synthetic rows side by side in the plane")


_PART = {"real": "pale", "augmented": "muted", "synthetic": "accent"}


def _rows(
    names: Sequence[str],
    low: float,
    high: float,
    wide: float,
    label: str = "",
    *,
    legend: bool = False,
    scale: bool = True,
) -> tuple[Drawing, Axis]:
    """A drawing with one name a row and an axis across, with its round numbers where there is a scale."""
    names = [_cut(name, LONGEST_LABEL if wide == WIDE_PX else LONGEST_LABEL - 6) for name in names]
    left = 14 + LETTER_PX * max(map(_letters, names), default=0)
    drawing = Drawing(wide, ROW_PX * len(names) + 44 + 24 * legend)
    axis = Axis(low, high, left, wide - 14)
    for value in ticks(low, high, 6 if wide == WIDE_PX else 3) if scale else ():
        drawing.line("grid", axis(value), 24 * legend, axis(value), drawing.height - 38)
        drawing.text("muted", axis(value), drawing.height - 24, f"{value:,.10g}", "middle")
    for row, name in enumerate(names):
        drawing.text("ink", left - 8, _row_px(row, legend=legend) + 4, name, "end")
    if label:
        drawing.text("muted", axis.end, drawing.height - 6, label, "end")
    return drawing, axis


def _row_px(row: int, *, legend: bool = False) -> float:
    return ROW_PX * (row + 0.5) + 24 * legend


def _plot(
    width: float, height: float, x: tuple[float, float], y: tuple[float, float], *, top: float = 10, bottom: float = 34
) -> tuple[Drawing, Axis, Axis]:
    """A drawing with values across and up; a range of no width gets some."""
    (left, right), (low, high) = (side if side[1] > side[0] else (side[0] - 0.5, side[0] + 0.5) for side in (x, y))
    return Drawing(width, height), Axis(left, right, 44, width - 10), Axis(low, high, height - bottom, top)


def _grid(drawing: Drawing, across: Axis, up: Axis, most: int, *, horizontal_alone: bool = False) -> None:
    for value in ticks(up.low, up.high, most):
        drawing.line("grid", across.start, up(value), across.end, up(value))
        drawing.text("muted", across.start - 6, up(value) + 4, _thousands(value), "end")
    for value in ticks(across.low, across.high, most):
        if not horizontal_alone:
            drawing.line("grid", across(value), up.start, across(value), up.end)
        drawing.text("muted", across(value), up.start + 16, _thousands(value), "middle")


def _legend(drawing: Drawing, names: Sequence[tuple[str, str]]) -> None:
    right = drawing.width - 12
    for name, colour in reversed(names):
        right -= LETTER_PX * _letters(name)
        drawing.text("ink", right, 15, name)
        drawing.shape("rect", colour, x=right - 16, y=5, width=11, height=11)
        right -= 30


def _spread(n: int, most: int) -> list[int]:
    """At most so many places of n, evenly, the first and the last among them."""
    return sorted({int(place) for place in np.linspace(0, n - 1, min(n, most)).round()})


def _cut(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _letters(text: str) -> float:
    """Width in letters: those of East Asian scripts count twice."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _thousands(value: float) -> str:
    return f"{value / 1e6:g}M" if abs(value) >= 1e6 else f"{value / 1e3:g}k" if abs(value) >= 1e3 else f"{value:g}"


def _short(value: float | str) -> str:
    """A number with one decimal at most; text as an attribute may hold it."""
    if isinstance(value, str):
        return html.escape(value)
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
