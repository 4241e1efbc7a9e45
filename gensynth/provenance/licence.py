"""Licences by SPDX identifier: which is the stricter, where its text lies, what the Hugging Face hub calls it.

Identifiers: https://spdx.org/licenses/. The ranks are a rule of thumb for carrying terms along, no legal advice.
"""

from __future__ import annotations

import re
from itertools import accumulate
from pathlib import Path

import yaml

NOT_RECORDED = "not recorded"
_KNOWN = yaml.safe_load(Path(__file__).with_name("licence.yaml").read_text(encoding="utf-8"))
RANKS = (*_KNOWN["ranks"], "proprietary or unknown")
_RANK_OF = {name.lower(): rank for rank, names in enumerate(_KNOWN["ranks"].values()) for name in names}
_SPELLED = {name.lower(): name for names in _KNOWN["ranks"].values() for name in names}
_HUB_NAMES = {name: name for name in _KNOWN["on_the_hub"]} | _KNOWN["hub_names"]


def spdx_id(text: str) -> str:
    """The identifier in its own spelling, or "" where the text is none that is known here.

    >>> spdx_id("cc-by-sa-4.0"), spdx_id("ask the clinic")
    ('CC-BY-SA-4.0', '')
    """
    return _SPELLED.get(text.strip().lower(), "")


def rank(text: str) -> int:
    """Place in RANKS; of an expression A AND B the stricter counts, of A OR B the laxer. AND binds tighter.

    >>> [RANKS[rank(t)] for t in ("MIT", "CC-BY-4.0 AND CC-BY-NC-4.0", "MIT OR GPL-3.0-only", "house rules")]
    ['permissive', 'non-commercial', 'permissive', 'proprietary or unknown']
    """
    text = _bare(text)
    if len(choices := _split(text, "OR")) > 1:
        return min(map(rank, choices))
    if len(parts := _split(text, "AND")) > 1:
        return max(map(rank, parts))
    return _RANK_OF.get(text.lower(), len(RANKS) - 1)


def terms(text: str) -> list[str]:
    """What an expression asks for at once, each in its own spelling; a choice stays together, in brackets.

    >>> terms("cc-by-nc-4.0 AND (MIT OR ISC)"), terms("MIT OR ISC")
    (['CC-BY-NC-4.0', '(MIT OR ISC)'], ['(MIT OR ISC)'])
    """
    text = _bare(text)
    if len(_split(text, "OR|or")) > 1:
        return [f"({text})"]
    parts = _split(text, "AND")
    return [term for part in parts for term in terms(part)] if len(parts) > 1 else [spdx_id(text) or text]


def _split(text: str, word: str) -> list[str]:
    """Parts of an expression between a word where it stands outside brackets."""
    parts, start = [], 0
    for found in re.finditer(rf"\s({word})\s", text):
        if _balanced(text[start : found.start()]):
            parts.append(text[start : found.start()])
            start = found.end()
    return [*parts, text[start:]]


def _bare(text: str) -> str:
    """An expression without brackets around the whole."""
    text = text.strip()
    while text.startswith("(") and text.endswith(")") and _balanced(text[1:-1]):
        text = text[1:-1].strip()
    return text


def _balanced(text: str) -> bool:
    """Whether every bracket has its partner."""
    open_now = list(accumulate((sign == "(") - (sign == ")") for sign in text))
    return not open_now or (min(open_now) >= 0 and open_now[-1] == 0)


def stricter_licence(a: str, b: str) -> str:
    """The licence of data made from two sources.

    One that is not recorded hides unknown terms, so nothing is recorded of both. Otherwise the stricter holds, and
    where the laxer one asks for more than naming its source, both do, each term once.

    >>> stricter_licence("MIT", "CC-BY-4.0"), stricter_licence("CC-BY-SA-4.0", "CC-BY-NC-4.0")
    ('CC-BY-4.0', 'CC-BY-NC-4.0 AND CC-BY-SA-4.0')
    """
    if NOT_RECORDED in (a, b):
        return NOT_RECORDED
    if (spdx_id(a) or a) == (spdx_id(b) or b):
        return a
    first, second = sorted((a, b), key=lambda text: (-rank(text), text))
    if rank(second) < RANKS.index("share-alike"):
        return first
    return " AND ".join(dict.fromkeys([*terms(first), *terms(second)]))


def licence_page(text: str) -> str:
    """Address of a known licence at spdx.org, else "".

    >>> licence_page("cc0-1.0")
    'https://spdx.org/licenses/CC0-1.0.html'
    """
    name = spdx_id(text)
    return f"https://spdx.org/licenses/{name}.html" if name else ""


def hub_name(text: str) -> str:
    """What a Hugging Face card header calls a licence: its own name for it, "other", or "unknown".

    >>> [hub_name(t) for t in ("CC-BY-4.0", "ODbL-1.0", "OGL-UK-3.0", "not recorded")]
    ['cc-by-4.0', 'odbl', 'other', 'unknown']
    """
    return "unknown" if text == NOT_RECORDED else _HUB_NAMES.get(spdx_id(text).lower(), "other")
