"""From a table with a column of texts to labelled rows: what cannot be used is named, line by line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from gensynth.data import table_source
from gensynth.data.columns import Column
from gensynth.data.deidentify import notes_on
from gensynth.data.finding import Finding
from gensynth.data.lost import check_lost
from gensynth.data.source import Source, labelled, recognised, source_hash
from gensynth.data.table_columns import check_columns
from gensynth.data.table_files import Form
from gensynth.data.table_form import form_and_cells
from gensynth.data.text_languages import AUTO, check_language, language_note, languages_of
from gensynth.errors import DataError, UsageError
from gensynth.types import Schema

MOST_CHARACTERS = 100_000


def read_text(
    path: str,
    *,
    text: str,
    label: str = "label",
    test: str = "",
    header: bool | None = None,
    columns: list[str] | None = None,
    delimiter: str = "",
    encoding: str = "",
    subject: str = "",
    id: str = "",
    groups: list[str] | None = None,
    deidentify: Mapping[str, str] | None = None,
    min_classes: int = 2,
    allow_lost: Collection[str] = (),
    like: Schema | None = None,
    language: str = AUTO,
) -> Source:
    """Reads the texts and labels of a CSV, TSV, JSON Lines or Parquet file, or of a folder of such train, val and test.

    text    name or position of the column of texts; texts are kept character for character
    label   name or position of the label column; subject, id, groups and deidentify as for tables
    allow_lost  classes that may lose all or more than half of their rows
    like    schema whose classes the rows are read with, for sets that are compared with other rows
    language  code of the texts' language, or auto: found by their function words; see `text_languages.py`
    Rows whose text is empty, only space, or longer than 100,000 characters become findings. DataError for damaged
    files, columns that are not there, a class that would be lost, and one class only.
    """
    check_language(language)
    form = Form(header, tuple(columns or ()), delimiter, encoding, text, label)
    cells, split, ids, tables, notes = table_source.read_cells(path, test, form)
    origin = table_source.origin_of(cells)
    cells = cells.drop(columns=[table_source.SOURCE_COLUMN], errors="ignore")
    name = table_source.label_column(cells, label)
    column = table_source.label_column(cells, text, "data.text", "the texts")
    if name == column:
        raise UsageError(f"data.text and data.label both name the column {column!r}")
    labels, noted = table_source.labels_of(cells[name])
    table_source.check_labels(labels, name, ids, tables)
    beside = [*(groups or []), *([subject] if subject else [])]
    check_columns(beside, cells)
    kept = {column: "data.text"} | table_source.needed(name, subject, groups)
    people = table_source.people_in(cells, id, name)
    written, cells, done = form_and_cells(tables, cells, deidentify or {}, kept, column)
    keep, quarantine, lost = _usable(cells[column].to_numpy(object), labels, ids, allow_lost)
    cells, split, ids, origin = cells[keep].reset_index(drop=True), split[keep], ids[keep], origin[keep]
    labels, people = labels[keep], {who: own[keep] for who, own in people.items()}
    classes = table_source.classes_of(set(labels.tolist()), like)
    table_source.check_classes(classes, min_classes)
    languages = languages_of(language, cells[column].tolist())
    own = _fields(cells, name, column) | {"languages": list(languages)} | written[keep].fields(list(cells.columns))
    schema = like or Schema("text", classes, own)
    groups_of = {key: cells[key].to_numpy(str) for key in beside}
    data = labelled(cells[column].to_numpy(object), labels, schema, ids, origin, groups_of)
    first = recognised(f'{next(iter(tables.values())).kind} with texts in "{column}"', data, f"{len(data)} texts")
    facts = (first, language_note(language, languages), *_blank_notes(cells, name, column))
    shown = (*facts, *noted, *notes_on(done), *notes, *lost)
    cells = written[keep].marked(cells, schema.fields).set_axis(ids, axis=0)
    return Source(data, split, {}, quarantine, shown, source_hash(data), cells=cells, deidentified=done, people=people)


def _blank_notes(cells: pd.DataFrame, label: str, text: str) -> list[str]:
    others = [c for c in cells.columns if c not in (label, text)]
    return [f'column "{c}" is left out: empty in synthetic rows' for c in others]


def _usable(
    texts: np.ndarray, labels: np.ndarray, ids: np.ndarray, allow_lost: Collection[str]
) -> tuple[np.ndarray, tuple[Finding, ...], tuple[str, ...]]:
    """Which rows have a usable text, (N,), a finding for each other one, and notes on classes that lost many."""
    found = _findings(texts, ids)
    keep = np.ones(len(texts), dtype=bool)
    keep[list(found)] = False
    if not keep.any():
        raise DataError("no row has a usable text; data.text names their column")
    quarantine = tuple(replace(finding, classes=(str(labels[i]),)) for i, finding in found.items())
    notes = check_lost(Counter(labels[keep].tolist()), quarantine, set(labels.tolist()), allow_lost)
    return keep, quarantine, notes


def _fields(cells: pd.DataFrame, label: str, text: str) -> dict:
    """The column facts by which synthetic rows are written: texts, and every other column left empty."""
    others = [Column(c, "text").to_json() for c in cells.columns if c != label]
    return {"columns": others, "label": label, "text": text, "order": list(cells.columns)}


def _findings(texts: np.ndarray, ids: np.ndarray) -> dict[int, Finding]:
    """Rows that cannot be used, by row number."""
    found = {}
    for i, text in enumerate(texts.tolist()):
        if not text.strip():
            fault = ("empty_text", "no text, or only space")
        elif any("\ud800" <= letter <= "\udfff" for letter in text):
            fault = ("broken_text", "half of a character pair; repair its encoding")
        elif len(text) > MOST_CHARACTERS:
            fault = ("too_long", f"{len(text):,} characters, more than {MOST_CHARACTERS:,}; split it")
        else:
            continue
        split, _, number = str(ids[i]).rpartition("/")
        found[i] = Finding(f"{split + ' ' if split else ''}row {number}", *fault)
    return found
