"""Months named in other languages than English: 3. März 2024, 12 janv. 2023, 05-dic-2022, 3 de maio de 2021.

A format of such dates begins with the key of its names, "de-full:%-d. %b %Y"; cells are read and written as English
ones whose names are exchanged, in the case they have. Names and keys are from month_names.yaml, with "-bare" behind
a key for names without points, "-plain" for names without accents.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

ENGLISH = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
LEAST = 0.8  # share of the cells that must name a month
_KEY = re.compile(r"([a-z]{2}-[a-z-]+):(?=.*%[-^_]?[bB])", re.DOTALL)


def _without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def _tables() -> dict[str, tuple[str, ...]]:
    """The twelve names of every key; no two keys of a language have the same."""
    found: dict[str, tuple[str, ...]] = {}
    listed = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    for language, kinds in listed.items():
        for kind, text in kinds.items():
            bare, plain = text.replace(".", ""), _without_accents(text)
            variants = {"": text, "-bare": bare, "-plain": plain, "-bare-plain": _without_accents(bare)}
            for behind, names in variants.items():
                table = tuple(names.split())
                taken = [one for key, one in found.items() if key.startswith(f"{language}-")]
                if table not in taken:
                    found[f"{language}-{kind}{behind}"] = table
    return found


TABLES = _tables()
LANGUAGES = tuple(dict.fromkeys(key[:2] for key in TABLES))


def _any_of(names: set[str]) -> re.Pattern[str]:
    texts = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.compile(rf"(?<![^\W\d_])(?:{texts})(?![^\W\d_])", re.IGNORECASE)


_NAMES = {
    language: {name: i for key, table in TABLES.items() if key[:2] == language for i, name in enumerate(table)}
    for language in LANGUAGES
}
_FOUND = {language: _any_of(set(names)) for language, names in _NAMES.items()}
_ANY = _any_of({name for names in _NAMES.values() for name in names})
_ENGLISH = re.compile("|".join(ENGLISH), re.IGNORECASE)


def split_key(form: str) -> tuple[str, str]:
    """(key of the names, "" where they are English; the format behind it)."""
    found = _KEY.match(form)
    return (found[1], form[found.end() :]) if found and found[1] in TABLES else ("", form)


def languages_of(sample: np.ndarray) -> list[str]:
    """Languages whose months stand in at least four fifths of cells (N,), the commonest first."""
    cells = [str(cell) for cell in sample.tolist()]
    if sum(_ANY.search(cell) is not None for cell in cells) < LEAST * len(cells):
        return []
    counts = {language: sum(found.search(cell) is not None for cell in cells) for language, found in _FOUND.items()}
    named = [language for language, count in counts.items() if count >= LEAST * len(cells)]
    return sorted(named, key=lambda language: -counts[language])


def in_english(cells: np.ndarray, key: str) -> np.ndarray:
    """Cells (N,) with the short English name in place of the first month of the key's language, or of a language."""
    language = key[:2]
    names, pattern = _NAMES[language], _FOUND[language]

    def english(found: re.Match[str]) -> str:
        return _in_case_of(found[0], ENGLISH[names[found[0].lower()]])

    return np.array([pattern.sub(english, str(cell), count=1) for cell in cells.tolist()], dtype=object)


def key_of(sample: np.ndarray, language: str) -> str:
    """The key of the language whose names most cells (N,) have, of equal ones the first."""
    found = [name[0].lower() for cell in sample.tolist() if (name := _FOUND[language].search(str(cell)))]
    keys = [key for key in TABLES if key[:2] == language]
    return max(keys, key=lambda key: sum(name in TABLES[key] for name in found))


def from_english(cells: np.ndarray, key: str) -> np.ndarray:
    """Cells (N,) with short English names exchanged for those of the key."""
    exchange = {name: TABLES[key][i] for i, name in enumerate(ENGLISH)}

    def named(found: re.Match[str]) -> str:
        return _in_case_of(found[0], exchange[found[0].lower()])

    return pd.Series(cells, dtype=object).str.replace(_ENGLISH, named, regex=True).to_numpy(dtype=object)


def _in_case_of(like: str, name: str) -> str:
    """A name in capitals, in small letters or with one capital, as another is."""
    return name.upper() if like.isupper() else name.lower() if like.islower() else name.capitalize()
