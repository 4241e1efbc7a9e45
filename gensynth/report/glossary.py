"""What the page calls a thing, and what it says of it where a pointer or the keyboard rests on it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from gensynth.report.digits import number

DIRECTIONS = {"lower": "lower is better", "higher": "higher is better"}


@cache
def _terms() -> dict[str, dict[str, str]]:
    text = Path(__file__).with_name("glossary.yaml").read_text(encoding="utf-8")
    return {str(key): {name: str(part) for name, part in term.items()} for key, term in yaml.safe_load(text).items()}


def name_of(term: str) -> str:
    """What a person reads.

    >>> name_of("smote"), name_of("class_weights"), name_of("cvae+online")
    ('SMOTE', 'class weights', 'CVAE, online')
    """
    first, plus, rest = term.partition("+")
    known = _terms().get(first, {}).get("name", first.replace("_", " "))
    return f"{known}, {rest.replace('_', ' ')}" if plus else known


def help_of(term: str, entry: Mapping[str, Any] | None = None) -> str:
    """What a number is, its range, which end is better, its floor and ceiling; empty for an unknown term without entry.

    entry  of report.json, which knows the last four better; a metric of one's own has no more than that

    >>> help_of("brier")
    'Mean squared distance of probabilities from what is true. Range 0 to 1; lower is better.'
    >>> help_of("kid", {"bounds": [None, None], "better": "lower", "ceiling": 0.1})[-55:]
    'Any number; lower is better; real training rows: 0.100.'
    """
    known, entry = _terms().get(term, {}), entry or {}
    bounds = entry.get("bounds")
    parts = [_range(*bounds) if bounds else f"range {known['range']}" if "range" in known else ""]
    better = entry.get("better", known.get("better", ""))
    parts.append(DIRECTIONS.get(better, f"best {better}" if better else ""))
    for key, text in (("floor", "no resemblance"), ("ceiling", "real training rows")):
        if isinstance(entry.get(key), int | float):
            parts.append(f"{text}: {number(entry[key])}")
    scale = "; ".join(filter(None, parts))
    what = known.get("what", f"The metric {term}." if entry and not known else "")
    return " ".join(filter(None, [what, f"{scale[:1].upper()}{scale[1:]}." if scale else ""]))


def _range(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return "any number"
    if high is None or low is None:
        return f"{number(low)} or more" if high is None and low is not None else f"at most {number(high or 0)}"
    return f"range {number(low)} to {number(high)}"
