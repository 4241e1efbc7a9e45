"""The commonest layout: a folder a class, with its images or sounds at any depth."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path, PurePosixPath

from gensynth.data.finding import Finding
from gensynth.data.layouts.entries import Media, entries, is_file, is_folder, is_text, media_kind, refusal, walk
from gensynth.data.layouts.folder_names import is_layout_part, split_of
from gensynth.data.layouts.label_text import blank_notes, label_of
from gensynth.data.layouts.listing import LAYOUTS, FileRow, Listing
from gensynth.errors import DataError

_DOCUMENTS = (".txt", ".md", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".html", ".log", ".pdf")


def list_classes(folder: Path, prefix: str, split: str) -> Listing:
    """Rows of a folder of class folders; DataError where a name cannot be a class."""
    rows: list[FileRow] = []
    findings: list[Finding] = []
    folders: dict[str, list[str]] = {}
    for entry in entries(folder):
        name = prefix + entry.name
        label = _class_of(entry)
        if label:
            _remember_class(folders, entry.name, label)
        if not is_text(entry.name) or entry.is_symlink():
            findings.append(replace(refusal(entry, name), classes=(label,) if label else ()))
        elif is_folder(entry):
            of_class = _list_class(Path(entry.path), name, label, split)
            rows += of_class.rows
            findings += of_class.findings
        elif media_kind(Path(entry.path)) if is_file(entry) else False:
            findings.append(Finding(name, "no_class_folder", "a file outside every class folder has no label"))
    rows, notes = _splits_inside(rows, prefix, split)
    notes = (*blank_notes(name for names in folders.values() for name in names), *notes)
    return Listing("folder of class folders", tuple(rows), frozenset(folders), tuple(findings), notes)


def _class_of(entry: os.DirEntry[str]) -> str:
    """The class that a folder, or a link to one, stands for; DataError for names that belong to other layouts."""
    if not entry.is_dir():
        return ""
    if not is_text(entry.name):
        return entry.name.encode("utf-8", "backslashreplace").decode()
    if is_layout_part(entry.name):
        raise DataError(
            f'"{entry.name}" is the name of a part of a layout, not of a class, and nothing says how to read it; '
            f"take it away, or list its files in a metadata.csv; {LAYOUTS}"
        )
    return label_of(entry.name)


def _remember_class(folders: dict[str, list[str]], name: str, label: str) -> None:
    """Notes a class folder's name; DataError where another one's differs only in how Unicode writes it."""
    names = folders.setdefault(label, [])
    if any(other.strip() != name.strip() for other in names):
        raise DataError(f"two class folders differ only in how Unicode writes {label!r}; rename or merge one")
    names.append(name)


def _list_class(folder: Path, name: str, label: str, split: str) -> Listing:
    """The files of one class; what is left out counts against the class, except for documents beside the files."""
    found = list(walk(folder, name + "/"))
    rows = [FileRow(n, m.path, label, split, kind=m.kind) for n, m in found if isinstance(m, Media)]
    stems = {_stem(row.name) for row in rows}
    findings = [
        f if _is_document(f, stems) else replace(f, classes=(label,)) for _, f in found if isinstance(f, Finding)
    ]
    if not rows and not any(f.classes for f in findings):
        findings.append(Finding(name, "empty_class", "the class folder holds no image or sound", (label,)))
    return Listing("", tuple(rows), frozenset(), tuple(findings))


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


def _is_document(finding: Finding, stems: set[str]) -> bool:
    """Whether a file left out is no picture or sound that was lost: a text, or a second form of a file that is read."""
    by_kind = finding.reason == "unsupported_extension"
    return by_kind and (finding.file.lower().endswith(_DOCUMENTS) or _stem(finding.file) in stems)


def _splits_inside(rows: list[FileRow], prefix: str, split: str) -> tuple[list[FileRow], tuple[str, ...]]:
    """Rows with the split of the folder inside their class folder, where every row has one (cat/train/1.png)."""
    inner = [PurePosixPath(row.name.removeprefix(prefix)).parts[1:-1] for row in rows]
    splits = [split_of(parts[0]) if parts else "" for parts in inner]
    if split or not any(splits):
        return rows, ()
    if not all(splits):
        first = next(row.name for row, of_row in zip(rows, splits, strict=True) if of_row)
        return rows, (f"folders inside class folders were not read as splits, since not all files have one: {first}",)
    note = "splits were read from the folders inside the class folders (class/train/...)"
    return [replace(row, split=of_row) for row, of_row in zip(rows, splits, strict=True)], (note,)
