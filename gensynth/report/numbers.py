"""How the page writes numbers: scores with intervals, floor and ceiling, shares, counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeGuard

import jinja2

from gensynth.evaluation.fidelity.fidelity import Entry
from gensynth.report.digits import number, percent, signed
from gensynth.report.glossary import help_of, name_of

Value = str | int | float | None
Row = Mapping[str, Any]  # a line of report.json's "utility"
# What a table has a column for; other keys of an entry are told beside its name.
COLUMNS = frozenset(
    ("value", "mean", "low", "high", "n", "n_real", "n_synthetic", "floor", "ceiling", "space", "arm", "learner")
    + ("metric", "seeds", "better", "space_sha256", "difference", "answer", "p", "p_holm", "generator_seeds")
    + ("expected", "expected_from", "z", "text", "bounds", "ideal", "headline", "steps")
)


@dataclass(frozen=True)
class Score:
    """One number as the page shows it; empty text where a part is not known, `bar` in percent or None.

    against  how it stands to what is expected, in a word; help: what it is, its range, which end is better
    """

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
    against: str = ""
    help: str = ""


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


def score(label: str, entry: Mapping[str, Any], lower: bool = False, term: str = "") -> Score:
    """An entry of report.json as one row.

    The entry says which end is better with `better` ("lower" or "higher"); `lower` counts where it does not.
    term  what the glossary calls the number; empty: like the row
    """
    value = entry["value"] if "value" in entry else entry["mean"]
    if value is None:
        return Score(label, str(entry["reason"]), n=_n(entry), help=help_of(term or label))
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
        _against(entry["z"]) if "z" in entry else "",
        help_of(term or label, entry),
    )


def _against(z: float) -> str:
    """How far a score lies from the expected one, by the standard errors between them.

    >>> _against(-1.2), _against(3.0), _against(-41.4)
    ('as expected', 'off', 'far off')
    """
    return "as expected" if abs(z) < 2 else "off" if abs(z) < 5 else "far off"


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
        "named": name_of,
        "help": help_of,
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
