"""The languages of a data set's texts: stated, or found by their function words, and what is known of each.

A small detector: the language whose function words are the most frequent in all texts, and those of enough texts that
clearly speak another. Languages without word lists are recognised too, so that none is taken for another.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from gensynth.errors import UsageError, nearest

AUTO = "auto"
MOST_TEXTS = 2000  # that are looked at, evenly over the data set
LEAST_SHARE = 0.15  # of all words that are function words of the language, about a third of what is usual
LEAST_DISTINCT = 4  # different function words that must occur
SPOKEN_SHARE = 0.03  # of the texts, from which a further language counts
LEAST_WORDS, CLEARLY = 3, 2  # function words in a text of a further language, and how many times those of the first
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_CODE = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True)
class WordLists:
    """What is known of one language, or of several together; all words are written small.

    keyboard  rows of keys
    """

    negations: frozenset[str] = frozenset()
    abbreviations: frozenset[str] = frozenset()
    starters: frozenset[str] = frozenset()
    conjunctions: frozenset[str] = frozenset()
    keyboard: tuple[str, ...] = ()


@cache
def _file() -> dict[str, Any]:
    """Content of text_languages.yaml."""
    return yaml.safe_load((Path(__file__).parent / "text_languages.yaml").read_text(encoding="utf-8"))


@cache
def _function_words() -> dict[str, frozenset[str]]:
    return {code: frozenset(facts["function"].split()) for code, facts in _file()["languages"].items()}


def listed() -> tuple[str, ...]:
    """Codes of the languages with word lists."""
    return tuple(code for code, facts in _file()["languages"].items() if "negations" in facts)


def name_of(code: str) -> str:
    return _file()["languages"].get(code, {}).get("name", code)


@cache
def word_lists(codes: tuple[str, ...]) -> WordLists | None:
    """The lists of these languages together, with the keyboard of the first; None where one of them has none."""
    if not codes or not set(codes) <= set(listed()):
        return None
    languages = [_file()["languages"][code] for code in codes]
    kinds = ("negations", "abbreviations", "starters", "conjunctions")
    words = {kind: frozenset(word for one in languages for word in one[kind].split()) for kind in kinds}
    return WordLists(**words, keyboard=tuple(_file()["keyboards"][languages[0]["keyboard"]]))


def check_language(stated: str) -> None:
    """UsageError unless it is auto or the code of a language."""
    if stated != AUTO and not _CODE.fullmatch(stated):
        known = (AUTO, *listed())
        raise UsageError(f"data.language={stated} is no code of a language; {nearest(stated, known)}")


def found_languages(texts: Sequence[str]) -> tuple[str, ...]:
    """Codes of the languages of a data set, the most frequent first; () where none is recognised.

    >>> found_languages(["the cat sat on the mat and it was warm", "this is not what I have"])
    ('en',)
    """
    if not len(texts):
        return ()
    chosen = np.unique(np.linspace(0, len(texts) - 1, min(len(texts), MOST_TEXTS)).astype(int))
    counts = [Counter(_words(texts[i])) for i in chosen]
    codes = list(_function_words())
    lists = list(_function_words().values())
    found = np.array([[sum(text[word] for word in words & text.keys()) for words in lists] for text in counts])
    whole = found.sum(axis=0)
    first = int(np.argmax(whole))
    distinct = len(_function_words()[codes[first]] & set().union(*counts))
    if distinct < LEAST_DISTINCT or whole[first] < LEAST_SHARE * sum(text.total() for text in counts):
        return ()
    rows = np.arange(len(found))
    best = np.where(found[:, first] == found.max(axis=1), first, found.argmax(axis=1))
    sure = (found[rows, best] >= LEAST_WORDS) & (found[rows, best] >= CLEARLY * found[:, first])
    further = Counter(best[sure & (best != first)].tolist())
    least = SPOKEN_SHARE * int((found.max(axis=1) >= LEAST_WORDS).sum())
    return (codes[first], *(codes[i] for i, n in further.most_common() if n >= least))


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFC", text).replace("’", "'").casefold())


def languages_of(stated: str, texts: Sequence[str]) -> tuple[str, ...]:
    """What data.language says, or what is found."""
    return (stated,) if stated != AUTO else found_languages(texts)


def language_note(stated: str, codes: tuple[str, ...]) -> str:
    """A sentence on the languages of the texts, what follows from them, and the key that changes it."""
    names = " and ".join(f"{name_of(code)} ({code})" if name_of(code) != code else code for code in codes)
    how, known = ("data.language" if stated != AUTO else "found by their function words"), ", ".join(listed())
    if word_lists(codes) is not None:
        change = "" if stated != AUTO else "; data.language=CODE states another"
        return f"texts in {names}, {how}: negations of the language stay{change}"
    without = f"there are no word lists for {', '.join(code for code in codes if code not in listed())}"
    which = f"texts in {names}, {how}; {without}" if codes else "language of the texts not found"
    return f"{which}: operations that must know its negations do not run; data.language=CODE states one of {known}"
