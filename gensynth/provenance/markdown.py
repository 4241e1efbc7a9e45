"""Markdown and YAML headers of cards: any name may stand in them without becoming markup."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml
from markupsafe import Markup

from gensynth.provenance.licence import NOT_RECORDED

MISSING = f"{NOT_RECORDED.capitalize()}."


def plain(text: object) -> Markup:
    """Text that Markdown and HTML show as it is, on one line; what is marked up already stays.

    >>> print(plain("<b>a|b_c"))
    &lt;b&gt;a\\|b\\_c
    """
    if isinstance(text, Markup):
        return text
    escaped = html.escape(" ".join(str(text).split()), quote=False)
    return Markup(re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", escaped))


def code(value: object) -> Markup:
    return Markup(f"`{' '.join(str(value).split()).replace('`', '')}`")


def fenced(text: str, language: str = "") -> str:
    """A code block that its text cannot close: the fence is longer than any run of backticks inside."""
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def table(head: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """A table of plain texts; numbers stand at the right. "Not recorded." for one without rows."""
    cells = [[plain(cell) for cell in row] for row in rows]
    if not cells:
        return MISSING
    rule = ["---:" if all(cell.isdigit() for cell in column) else "---" for column in zip(*cells, strict=True)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *cells])


def bullets(lines: Iterable[object]) -> str:
    """A list of plain texts; "Not recorded." for none."""
    return "\n".join(f"- {plain(line)}" for line in lines) or MISSING


def listed(facts: Mapping[str, Any]) -> str:
    """Names and values of the plain facts among `facts`, one a line."""
    simple = {k: v for k, v in facts.items() if isinstance(v, str | int | float) or is_estimate(v)}
    return bullets(f"{k.replace('_', ' ')}: {estimate(v) if is_estimate(v) else v}" for k, v in simple.items())


def is_estimate(value: object) -> bool:
    return isinstance(value, Mapping) and "value" in value


def estimate(entry: object) -> str:
    """A value with its interval, or the reason why there is none.

    >>> estimate({"value": 0.5, "low": 0.25, "high": 1})
    '0.5 (0.25 to 1)'
    """
    if not isinstance(entry, Mapping):
        return f"{entry:.3g}" if isinstance(entry, float) else str(entry) if entry is not None else NOT_RECORDED
    value = entry.get("value")
    if value is None:
        return str(entry.get("reason") or NOT_RECORDED)
    number = f"{value:.3g}" if isinstance(value, int | float) else str(value)
    low, high = entry.get("low"), entry.get("high")
    bounded = isinstance(low, int | float) and isinstance(high, int | float)
    return f"{number} ({low:.3g} to {high:.3g})" if bounded else number


class _Quoting(yaml.SafeDumper):
    """Writes every text that is no plain word in double quotes, on one line, so any name is safe."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if re.fullmatch(r"[a-z][a-z_-]+", text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Quoting.add_representer(str, _text)


def header(entries: Mapping[str, str | list[str]]) -> str:
    """YAML between `---` lines."""
    lines = yaml.dump(dict(entries), Dumper=_Quoting, sort_keys=False, allow_unicode=True, width=math.inf)
    return f"---\n{lines}---"
