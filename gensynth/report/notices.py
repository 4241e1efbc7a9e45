"""Warnings and faults in the order in which they are read: what stops, what asks for care, what is good to know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

RANKS = ("stop", "careful", "note")
_TABLE: dict[str, dict[str, list[str]]] = yaml.safe_load(
    Path(__file__).with_name("warnings.yaml").read_text(encoding="utf-8")
)
_RANKED = {code: (rank, *known) for rank, codes in _TABLE.items() for code, known in codes.items()}


def rank_of(notice: Mapping[str, Any]) -> str:
    """stop, careful or note.

    >>> rank_of({"code": "memoriser"}), rank_of({"code": "never heard of"}), rank_of({"code": "odd", "set": "cvae"})
    ('stop', 'note', 'careful')
    """
    unknown = "careful" if "set" in notice else "note"
    return _RANKED.get(notice["code"], (unknown,))[0]


def title_of(code: str) -> str:
    """What a warning is called on the page; an unknown code as it is."""
    return _RANKED[code][1] if code in _RANKED else code.replace("_", " ").capitalize()


def with_rank(notices: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """The same in the same order, each with its key `rank`."""
    return [{**notice, "rank": rank_of(notice)} for notice in notices]


def ranked(notices: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """Worst first, equal ones in their order: with `rank`, `title`, and `action`, what to do, empty where unknown."""
    lines = [
        {**one, "title": title_of(one["code"]), "action": _RANKED.get(one["code"], ("", "", ""))[2]}
        for one in with_rank(notices)
    ]
    return sorted(lines, key=lambda line: RANKS.index(line["rank"]))
