"""What text operations know of a language, and how they choose what they change."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from gensynth.data.text_languages import WordLists
from gensynth.samplers.text_tokens import ENGLISH, Protected, tokens

T = TypeVar("T")
SLOT = re.compile(r"\{(\w+)\}")
_MOST_SLOTS = 4


@dataclass(frozen=True)
class Language:
    """What the operations know of a language.

    lexicon    lower-case word -> synonyms; those with marks, digits or protected words are never used
    templates  (pattern, replacement): see `paraphrase`
    lists      words of the language, and its keyboard
    """

    protected: Protected
    lexicon: Mapping[str, tuple[str, ...]]
    templates: tuple[tuple[str, str], ...]
    lists: WordLists = ENGLISH

    def __post_init__(self) -> None:
        for template in self.templates:
            if fault := template_fault(*template):
                raise ValueError(f"template {template}: {fault}")


def template_fault(pattern: str, replacement: str) -> str:
    """What is wrong with a template and what to do, or nothing."""
    slots = SLOT.findall(pattern)
    unknown = [slot for slot in SLOT.findall(replacement) if slot not in slots]
    if not pattern.strip() or not replacement.strip():
        return "the pattern or the replacement is empty; write both or drop the template"
    if unknown:
        return f"the pattern has no slot {{{unknown[0]}}}; add it there or drop it from the replacement"
    if not any(map(str.isalnum, SLOT.sub("", pattern))):
        return "the pattern has no word outside of its slots; add one"
    return f"the pattern has {len(slots)} slots; use {_MOST_SLOTS} at most" if len(slots) > _MOST_SLOTS else ""


def changeable(parts: list[str], protected: Protected) -> list[int]:
    """Places of the words that may be changed."""
    good = {token for token in set(parts) if protected.allows(token)}
    return [i for i, token in enumerate(parts) if token in good]


def amount(strength: float, whole: int, possible: int) -> int:
    """How many of `possible` are changed: the share of the whole, at least one."""
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must lie in [0, 1], got {strength}")
    return min(possible, max(1, int(strength * whole + 0.5)))


def chosen_of(places: list[int], count: int, order: np.random.Generator) -> list[int]:
    return sorted(places[i] for i in order.permutation(len(places))[:count].tolist())


def one_of(items: Sequence[T], order: np.random.Generator) -> T:
    return items[int(order.integers(len(items)))]


def mixed_places(items: list[str], order: np.random.Generator) -> list[int]:
    """All places in random order, the first two with different items; none if all items are alike."""
    places = order.permutation(len(items)).tolist()
    other = next((i for i, place in enumerate(places) if items[place] != items[places[0]]), 0)
    if not other:
        return []
    places[1], places[other] = places[other], places[1]
    return places


def joined(text: str, parts: Iterable[str]) -> str:
    new = "".join(parts)
    return text if new == text else new


def reword(
    text: str,
    strength: float,
    order: np.random.Generator,
    language: Language,
    able: Callable[[str], bool],
    change: Callable[[str], str],
) -> str:
    """The text with some of its changeable words, those that `able` accepts, replaced one by one."""
    parts = tokens(text)
    words = changeable(parts, language.protected)
    good = {word for word in {parts[i] for i in words} if able(word)}
    places = [i for i in words if parts[i] in good]
    if not places:
        return text
    for i in chosen_of(places, amount(strength, len(words), len(places)), order):
        parts[i] = change(parts[i])
    return joined(text, parts)
