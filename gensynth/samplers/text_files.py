"""What a user can give the text operations: synonyms (TSV, JSON, WordNet data files) and templates (TSV)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from gensynth.errors import DataError
from gensynth.samplers.text_language import template_fault


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """(where, line) of every line of a text file that is not empty."""
    for number, line in enumerate(_content(path).split("\n"), 1):
        if line.strip():
            yield f"{path.name}, line {number}", line.rstrip("\r")


def _content(path: Path) -> str:
    """A file as text, UTF-8 with or without mark; DataError if it cannot be read."""
    try:
        raw = path.read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path.name} cannot be read ({error.strerror}); check the path and its rights") from None
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(f"{path.name}, line {line}: not UTF-8; save the file as UTF-8") from None


def read_lexicon(path: Path) -> dict[str, tuple[str, ...]]:
    """Lower-case word -> synonyms; the kind of file follows from its name.

    *.tsv   word TAB synonym TAB synonym ..., or synonyms with commas between; a word may come again
    *.json  {word: [synonym, ...]}
    data.*  WordNet 3.x data file (data.noun, data.verb, data.adj, data.adv): the words of a synset are synonyms
    DataError names the file, the line and what to do.
    """
    if path.suffix.lower() == ".json":
        groups = _json_groups(path)
    elif path.suffix.lower() == ".tsv":
        groups = _tsv_groups(path)
    elif path.name.lower().startswith("data."):
        groups = _wordnet_groups(path)
    else:
        raise DataError(f"{path.name} is no known lexicon; use *.tsv, *.json or data.noun, data.verb ... of WordNet")
    lexicon: dict[str, dict[str, None]] = {}
    for word, synonyms in groups:
        key = " ".join(word.lower().split())
        clean = (" ".join(s.split()) for s in synonyms)
        lexicon.setdefault(key, {}).update((s, None) for s in clean if s and s.lower() != key)
    found = {word: tuple(synonyms) for word, synonyms in lexicon.items() if word and synonyms}
    if not found:
        raise DataError(f"{path.name} holds no word with a synonym; write lines of word TAB synonym")
    return found


def _tsv_groups(path: Path) -> Iterator[tuple[str, list[str]]]:
    for where, line in _lines(path):
        word, *cells = line.split("\t")
        synonyms = [synonym for cell in cells for synonym in cell.split(",")]
        if not word.strip() or not any(s.strip() for s in synonyms):
            raise DataError(f"{where}: expected word TAB synonym TAB synonym ...; complete the line or drop it")
        yield word, synonyms


def _json_groups(path: Path) -> Iterator[tuple[str, list[str]]]:
    try:
        content = json.loads(_content(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path.name}, line {error.lineno}: not valid JSON ({error.msg}); correct the file") from None
    except (RecursionError, ValueError):
        raise DataError(
            f"{path.name} is nested too deeply or holds a giant number; write {{word: [synonym, ...]}}"
        ) from None
    if not isinstance(content, dict):
        raise DataError(f"{path.name} holds a {type(content).__name__}; write {{word: [synonym, ...]}}")
    for word, synonyms in content.items():
        if not isinstance(synonyms, list) or not all(isinstance(s, str) for s in synonyms):
            raise DataError(f'{path.name}: "{word}" has no list of texts; write {{word: [synonym, ...]}}')
        yield word, synonyms


def _wordnet_groups(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Every lemma of a synset with the others; the licence is indented, adjectives may end in (a), (p) or (ip)."""
    for where, line in _lines(path):
        if line.startswith("  "):
            continue
        match = re.match(r"\d{8} \d\d [nvasr] ([0-9a-fA-F]{2}) ", line)
        count = int(match[1], 16) if match else 0
        cells = line[match.end() :].split(" ")[: 2 * count : 2] if match else []
        if not match or not count or len(cells) < count or not all(cells):
            raise DataError(f"{where}: no synset of WordNet 3.x; use its data.noun, data.verb, data.adj or data.adv")
        lemmas = [re.sub(r"\((?:a|p|ip)\)$", "", cell).replace("_", " ") for cell in cells]
        yield from ((lemma, lemmas) for lemma in lemmas)


def read_templates(path: Path) -> tuple[tuple[str, str], ...]:
    """Templates of a TSV file, a line each: pattern TAB replacement, slots as {name} or {1}; see `paraphrase`.

    DataError names the line where a cell is missing, a replacement has a slot that its pattern lacks, a pattern
    is all slots, or has more than four.
    """
    templates = []
    for where, line in _lines(path):
        cells = [" ".join(cell.split()) for cell in line.split("\t")]
        if len(cells) != 2:
            raise DataError(f"{where}: expected pattern TAB replacement, got {len(cells)} cells; correct the line")
        if fault := template_fault(*cells):
            raise DataError(f"{where}: {fault}")
        templates.append((cells[0], cells[1]))
    if not templates:
        raise DataError(f"{path.name} holds no template; write lines of pattern TAB replacement")
    return tuple(templates)
