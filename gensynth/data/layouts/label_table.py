"""A table beside the files that labels them: metadata.csv, metadata.jsonl, labels.csv and their like."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from gensynth.data.finding import Finding
from gensynth.data.layouts.entries import media_kind, unsupported
from gensynth.data.layouts.file_index import FileIndex
from gensynth.data.layouts.folder_names import split_of
from gensynth.data.layouts.label_text import blank_notes, label_of
from gensynth.data.layouts.listing import FileRow, Listing
from gensynth.data.layouts.one_hot import notes_on, one_hot_columns, with_labels
from gensynth.errors import DataError, UsageError, nearest
from gensynth.types import AUGMENTED, REAL, SYNTHETIC

TABLES = (
    *("metadata.csv", "metadata.jsonl", "labels.csv", "labels.jsonl", "labels.tsv", "label.csv"),
    *("annotations.csv", "train_labels.csv", "_annotations.csv", "_classes.csv"),
)
_FILE_COLUMNS = (
    *("file_name", "filename", "file", "image", "image_name", "image_path", "image_id", "img", "path", "file_path"),
    *("filepath", "name", "id", "audio", "recording", "fname"),
)
_LABEL_COLUMNS = (
    *("label", "labels", "class", "class_name", "classname", "category", "target", "y", "diagnosis", "dx"),
    *("species", "breed", "kind", "type"),
)
_SPLIT_COLUMNS = ("split", "set", "subset", "partition")
_ORIGINS = {REAL, AUGMENTED, SYNTHETIC}

Lines = list[tuple[int, dict[str, str]]]  # (line in the file, cells); of a ragged line a message under the name ""


@dataclass(frozen=True)
class Roles:
    """Which column is what; empty for none."""

    file: str
    label: str
    split: str
    origin: str


def is_label_table(path: Path, label: str) -> bool:
    """Whether a file is called like a label table, or is a table that labels files of its folder."""
    if path.name.lower() in TABLES:
        return True
    if path.suffix.lower() not in (".csv", ".tsv", ".jsonl"):
        return False
    try:
        columns, lines = _read_table(path, path.name)
    except DataError:
        return False
    named = {column.strip().lower() for column in columns}
    labels = label in columns or named & set(_LABEL_COLUMNS) or _classes_of(columns, lines, label)
    if not named & set(_FILE_COLUMNS) or not labels:
        return False
    index = FileIndex(path.parent)
    return any(_names_files(column, lines, index) for column in columns if column.strip().lower() in _FILE_COLUMNS)


def list_table(folder: Path, table: str, prefix: str, split: str, label: str, alone: bool = True) -> Listing:
    """The files that a table in the folder names; DataError or UsageError where it cannot be read as one.

    alone  no other table lists files of the folder, so that those it does not list are used nowhere
    """
    place = prefix + table
    columns, lines = _read_table(folder / table, place)
    if classes := _classes_of(columns, lines, label):
        columns, lines = with_labels(columns, lines, classes, place)
    index = FileIndex(folder)
    roles, notes = _roles_of(columns, lines, place, label, index)
    rows: dict[str, FileRow] = {}
    findings: list[Finding] = []
    for number, cells in lines:
        found = _row(folder.resolve(), f"{place}:{number}", prefix, cells, roles, index, split)
        if isinstance(found, FileRow) and found.name in rows:
            found = Finding(f"{place}:{number}", "listed_twice", f"{found.name} has a row above; this one was not used")
        if isinstance(found, Finding):
            findings.append(found)
        else:
            rows[found.name] = replace(found, split=split or found.split)
    listed, split_notes = _with_splits(list(rows.values()), prefix, split, roles, place)
    labels = [cells[roles.label] for _, cells in lines if roles.label in cells]
    notes = (
        *notes,
        *notes_on(classes, lines, place),
        *split_notes,
        *blank_notes(labels),
        *index.notes(place),
        *(unlisted_note(index, prefix, rows, place) if alone else ()),
    )
    declared = frozenset(label_of(text) for text in labels if text.strip())
    return Listing(f"folder with {table}", tuple(listed), declared, tuple(findings), notes)


def _classes_of(columns: list[str], lines: Lines, label: str) -> list[str]:
    """The columns of classes of a table with a 1 for the class of each row, where no column of labels is there."""
    named = {column.strip().lower() for column in columns}
    if label != "label" or named & set(_LABEL_COLUMNS):
        return []
    return one_hot_columns(columns, lines, {*_FILE_COLUMNS, *_SPLIT_COLUMNS, "source", "gensynth_source"})


def _read_table(path: Path, place: str) -> tuple[list[str], Lines]:
    """Column names and lines of a CSV, TSV or JSON Lines file."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = file.read()
        columns, lines = _json_lines(text) if path.suffix == ".jsonl" else _csv_lines(text, path.suffix)
    except UnicodeDecodeError as error:
        raise DataError(f"{place} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except (OSError, csv.Error, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{place} cannot be read as {path.suffix[1:].upper()}: {reason}") from None
    twice = [column for column, n in Counter(columns).items() if n > 1]
    if twice:
        raise DataError(f"{place} has the column {twice[0]!r} more than once")
    return columns, lines


def _csv_lines(text: str, suffix: str) -> tuple[list[str], Lines]:
    head = text.split("\n", 1)[0]
    delimiter = max("\t" if suffix == ".tsv" else ",", ";", "\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    columns = next(reader, [])
    return columns, [(reader.line_num, _cells(columns, row)) for row in reader if row]


def _cells(columns: list[str], row: list[str]) -> dict[str, str]:
    if len(row) != len(columns):
        return {"": f"{len(row)} cells where the header has {len(columns)}"}
    return dict(zip(columns, row, strict=True))


def _json_lines(text: str) -> tuple[list[str], Lines]:
    objects = [(n, json.loads(line)) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    columns = list(dict.fromkeys(key for _, one in objects if isinstance(one, dict) for key in one))
    return columns, [(n, _json_cells(one, columns)) for n, one in objects]


def _json_cells(one: object, columns: list[str]) -> dict[str, str]:
    if not isinstance(one, dict):
        return {"": "no object of keys and values"}
    return {name: _text(one.get(name)) for name in columns}


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _roles_of(
    columns: list[str], lines: Lines, place: str, label: str, index: FileIndex
) -> tuple[Roles, tuple[str, ...]]:
    """The columns by name; a column that is called otherwise than file_name or data.label is a note."""
    file = _file_column(columns, lines, index)
    if not file:
        raise DataError(
            f"{place} has no column file_name, nor another one that names files of this folder; "
            f"{nearest('file_name', columns)}, or take the file away"
        )
    chosen = label if label in columns else ""
    if not chosen and label == "label":
        named = [c for c in columns if c.strip().lower() in _LABEL_COLUMNS and c != file]
        chosen = named[0] if len(named) == 1 else ""
    if not chosen:
        raise UsageError(f"data.label={label}: {place} has no such column; {nearest(label, columns)}")
    split = next((c for c in columns if c.lower() in _SPLIT_COLUMNS and c not in (file, chosen)), "")
    values = {cells[split] for _, cells in lines if split in cells}
    split = split if values and all(map(split_of, values)) else ""
    assumed = [f'file names from "{file}"'] * (file != "file_name") + [f'labels from "{chosen}"'] * (chosen != label)
    notes = (f"{place}: {' and '.join(assumed)}",) if assumed else ()
    return Roles(file, chosen, split, _origin_column(columns, lines)), notes


def _file_column(columns: list[str], lines: Lines, index: FileIndex) -> str:
    """file_name; else the column of a usual name whose first cells name files that are there."""
    if "file_name" in columns:
        return "file_name"
    for column in sorted((c for c in columns if c.strip().lower() in _FILE_COLUMNS), key=_usual):
        if _names_files(column, lines, index):
            index.differing.clear()
            return column
    return ""


def _names_files(column: str, lines: Lines, index: FileIndex) -> bool:
    """Whether a file of the folder, or one of several, is named in one of the first cells of a column."""
    return any(index.find(cells[column]) is not None for _, cells in lines[:20] if column in cells)


def _usual(column: str) -> int:
    return _FILE_COLUMNS.index(column.strip().lower())


def _origin_column(columns: list[str], lines: Lines) -> str:
    """The column that says real, augmented or synthetic; a `source` with other words is the user's own column."""
    if "gensynth_source" in columns:
        return "gensynth_source"
    origins = {cells.get("source", "") for _, cells in lines}
    return "source" if "source" in columns and origins <= _ORIGINS | {""} else ""


def _row(
    inside: Path, place: str, prefix: str, cells: dict[str, str], roles: Roles, index: FileIndex, of_table: str
) -> FileRow | Finding:
    if roles.file not in cells:
        return Finding(place, "bad_row", cells[""])
    label = label_of(cells[roles.label])
    if not label:
        return Finding(place, "missing_label", f"the column {roles.label} is empty")
    origin = cells[roles.origin] if roles.origin else ""
    if origin and origin not in _ORIGINS:
        return Finding(place, "bad_row", f"gensynth_source must be one of {', '.join(sorted(_ORIGINS))}")
    split = split_of(cells[roles.split]) if roles.split else ""
    name = _file_named(inside, cells[roles.file], place, index, of_table or split)
    if isinstance(name, Finding):
        at_line = name.file == place
        return replace(name, file=place if at_line else prefix + name.file, classes=(label,))
    path = inside / name
    kind = index.files[name].kind if name in index.files else media_kind(path)
    extra = {k: v for k, v in cells.items() if k not in (roles.file, roles.label, roles.origin)}
    return FileRow(prefix + name, path, label, split, origin or REAL, extra, inside, kind)


def _file_named(inside: Path, listed: str, place: str, index: FileIndex, split: str) -> str | Finding:
    """The name of the file that a cell means, from the folder; a Finding why there is none."""
    if listed in index.files:
        return listed
    if outside(listed):
        return Finding(place, "outside_root", "file_name must be a path below the folder of its metadata.csv")
    refused = file_refusal(inside, inside / listed)
    if refused is None:
        return str(PurePosixPath(listed))
    if refused[0] != "missing_file":
        return Finding(listed, *refused)
    found = index.find(listed, split)
    if found is None:
        return Finding(listed, refused[0], refused[1] + index.hint(listed))
    return found


def outside(listed: str) -> bool:
    """Whether a listed name leads, or may lead, out of the folder."""
    windows = PureWindowsPath(listed)
    parts = {*windows.parts, *PurePosixPath(listed).parts}
    return bool(windows.drive or windows.root) or PurePosixPath(listed).is_absolute() or ".." in parts or "\0" in listed


def listed_path(row: FileRow, column: str) -> Path | tuple[str, str]:
    """The file that a column of metadata.csv names beside the row's own, or (reason, detail) why it cannot be used."""
    name = row.extra[column]
    if not name.strip() or outside(name):
        return "missing_file", f"the column {column} names no file below the folder of its metadata.csv"
    return file_refusal(row.inside, row.inside / name) or row.inside / name


def file_refusal(inside: Path, path: Path) -> tuple[str, str] | None:
    """(reason, detail) when a listed path is no image or sound of this folder."""
    try:
        real = path.resolve()
        facts = os.stat(path)
    except (OSError, RuntimeError):
        return "missing_file", "it is listed, but cannot be opened"
    if not real.is_relative_to(inside):
        return "outside_root", "a link leads out of the folder"
    if real != path:
        return "link", "links are not followed; put the file itself here"
    if not stat.S_ISREG(facts.st_mode):
        return "not_a_file", "neither a regular file nor a folder"
    return None if media_kind(path) else ("unsupported_extension", unsupported("").detail)


def _with_splits(
    rows: list[FileRow], prefix: str, split: str, roles: Roles, place: str
) -> tuple[list[FileRow], tuple[str, ...]]:
    """Rows with the split that a column, or the first folder of every file, gives them."""
    if split or not rows:
        return rows, ()
    if roles.split:
        return rows, (f'{place}: splits from the column "{roles.split}"',)
    splits = splits_of_folders([row.name.removeprefix(prefix) for row in rows])
    if not splits:
        return rows, ()
    return [replace(row, split=s) for row, s in zip(rows, splits, strict=True)], ("splits were read from the folders",)


def splits_of_folders(names: Iterable[str]) -> list[str]:
    """The split that a folder of each file is called after; empty unless every file lies in one, train among them.

    >>> splits_of_folders(["train/a.png", "images/val/b.png"]), splits_of_folders(["train/a.png", "b.png"])
    (['train', 'val'], [])
    """
    found = [next(filter(None, map(split_of, PurePosixPath(name).parts[:-1])), "") for name in names]
    return found if all(found) and "train" in found else []


def unlisted_note(index: FileIndex, prefix: str, rows: Iterable[str], place: str) -> tuple[str, ...]:
    used = set(rows)
    unlisted = [prefix + name for name in index.files if prefix + name not in used]
    if not unlisted:
        return ()
    verb = "file is" if len(unlisted) == 1 else "files are"
    return (f"{len(unlisted)} {verb} not used: not listed with a label in {place} (first: {unlisted[0]})",)
