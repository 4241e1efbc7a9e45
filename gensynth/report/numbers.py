"""How the page writes numbers: scores with intervals, floor and ceiling, shares, counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeGuard

import jinja2

from gensynth.evaluation.fidelity.fidelity import Entry

Value = str | int | float | None
# What a table has a column for; other keys of an entry are told beside its name.
COLUMNS = frozenset(
    ("value", "mean", "low", "high", "n", "n_real", "n_synthetic", "floor", "ceiling", "space", "arm", "learner")
    + ("metric", "seeds", "better", "space_sha256", "difference", "answer", "p", "p_holm", "generator_seeds")
    + ("expected", "expected_from", "z", "text", "bounds", "ideal", "headline")
)


@dataclass(frozen=True)
class Score:
    """One number as the page shows it; empty text where a part is not known, `bar` in percent or None."""

    label: str
    value: str
    sort: str = ""
    interval: str = ""
    n: str = ""
    floor: str = ""
    ceiling: str = ""
    bar: float | None = None
    note: str = ""
    expected: str = ""
    z: str = ""


def number(value: float | int) -> str:
    """Three significant digits for fractions, whole numbers in full.

    >>> [number(v) for v in (0.81239, -12.0, 12345, 98765.4, 0.00001234, 0.0, 1.0)]
    ['0.812', '−12.0', '12,345', '98,800', '1.23e−5', '0', '1.00']
    """
    if isinstance(value, int):
        text = f"{value:,}" if abs(value) >= 10_000 else str(value)
    elif value == 0:
        text = "0"
    elif abs(value) < 1e-4 or abs(value) >= 1e9:
        mantissa, exponent = f"{value:.2e}".split("e")
        text = f"{mantissa}e{int(exponent)}"
    elif abs(value) >= 99.95:
        rounded = float(f"{value:.3g}")
        text = f"{rounded:,.0f}" if abs(rounded) >= 10_000 else f"{rounded:.0f}"
    else:
        text = f"{value:#.3g}"
    return text.replace("-", "−")


def signed(value: float, digits: int) -> str:
    """`+0.012`, with the sign that print has."""
    return f"{value:+.{digits}f}".replace("-", "−")


def percent(share: float) -> str:
    """A share as a whole percentage; below one percent as it is.

    >>> percent(0.123), percent(0.004), percent(0.0)
    ('12 %', '0.4 %', '0 %')
    """
    value = 100 * share
    return f"{value:.1f} %" if 0 < value < 1 else f"{value:.0f} %"


def between(entry: Mapping[str, Any], digits: int = 2) -> str:
    """`.51 (.48 to .54)`, or why there is no number.

    >>> between({"value": 0.51, "low": 0.48, "high": 0.54}), between({"value": None, "reason": "not defined: n"})
    ('0.51 (0.48 to 0.54)', 'not defined: n')
    """
    if entry["value"] is None:
        return str(entry["reason"])
    text = f"{entry['value']:.{digits}f}"
    return f"{text} ({entry['low']:.{digits}f} to {entry['high']:.{digits}f})" if "low" in entry else text


def has(entry: Mapping[str, Any] | None) -> TypeGuard[Mapping[str, Any]]:
    """Whether there is a number; what is not defined gives a reason in its place."""
    return entry is not None and entry["value"] is not None


def interval(entry: Mapping[str, Any]) -> str:
    """`0.79 to 0.84`, or empty where no interval is known."""
    low, high = entry.get("low"), entry.get("high")
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"


def goodness(value: float, floor: float, ceiling: float, lower_is_better: bool) -> float | None:
    """Where a value lies between the worse and the better of floor and ceiling, in percent, clipped; None if equal.

    >>> goodness(0.75, 0.5, 1.0, lower_is_better=False), goodness(10.0, 2.0, 42.0, lower_is_better=True)
    (50.0, 80.0)
    """
    best, worst = (min(floor, ceiling), max(floor, ceiling))[:: 1 if lower_is_better else -1]
    if best == worst:
        return None
    return 100.0 * min(max((value - worst) / (best - worst), 0.0), 1.0)


def score(label: str, entry: Mapping[str, Any], lower: bool = False) -> Score:
    """An entry of report.json as one row.

    The entry says which end is better with `better` ("lower" or "higher"); `lower` counts where it does not.
    """
    value = entry["value"] if "value" in entry else entry["mean"]
    if value is None:
        return Score(label, str(entry["reason"]), n=_n(entry))
    entry = {key: part for key, part in entry.items() if part is not None}  # an interval may be not defined by itself
    floor, ceiling = entry.get("floor"), entry.get("ceiling")
    lower = entry["better"] == "lower" if "better" in entry else lower
    return Score(
        label,
        number(value),
        repr(value),
        interval(entry),
        _n(entry),
        _written(floor),
        _written(ceiling),
        None if floor is None or ceiling is None else goodness(value, floor, ceiling, lower),
        "; ".join(f"{key} {text(part)}" for key, part in entry.items() if key not in COLUMNS),
        _written(entry.get("expected")),
        signed(entry["z"], 1) if "z" in entry else "",
    )


def scores(entries: Mapping[str, Entry], risk: bool = False) -> list[Score]:
    """Entries by name as rows; a risk is better when lower."""
    return [score(name, entry, risk) for name, entry in entries.items()]


def fact(label: str, value: Value | list[str]) -> Score:
    """A bare number, text or list as one row."""
    return Score(label, text(value), "" if value is None or isinstance(value, str | list) else repr(value))


def facts(values: Mapping[str, Value | list[str]]) -> list[Score]:
    return [fact(name, value) for name, value in values.items()]


def text(value: Value | list[str]) -> str:
    """A number, text or list of texts as the page writes it."""
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return str(value) if value is None or isinstance(value, str) else number(value)


@cache
def templates() -> jinja2.Environment:
    """The page's templates, with the functions that write numbers as filters."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gensynth.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "percent": percent,
        "between": between,
        "signed": signed,
        "whole": "{:,}".format,
    }
    environment.globals["has"] = has
    return environment


def unique(names: Iterable[str]) -> list[str]:
    """Each name once, in the order in which they come."""
    return list(dict.fromkeys(names))


def _written(value: float | None) -> str:
    return "" if value is None else number(value)


def _n(entry: Mapping[str, Any]) -> str:
    if "n_real" in entry and "n_synthetic" in entry:
        return f"{number(entry['n_real'])} real, {number(entry['n_synthetic'])} synthetic"
    return number(entry["n"]) if "n" in entry else ""
