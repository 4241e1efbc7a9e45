"""Label tables of their own for each split: train.csv, val.csv and test.csv, labels_train.csv, val_labels.csv."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gensynth.data.finding import Finding
from gensynth.data.layouts.coco import split_of_file
from gensynth.data.layouts.file_index import FileIndex
from gensynth.data.layouts.label_table import list_table, unlisted_note
from gensynth.data.layouts.listing import FileRow, Listing, joined


def are_split_tables(names: list[str]) -> bool:
    """Whether several tables are called after a split each, train among them.

    >>> are_split_tables(["labels_train.csv", "labels_val.csv"]), are_split_tables(["train.csv", "metadata.csv"])
    (True, False)
    """
    splits = [split_of_file(name) for name in names]
    return len(names) > 1 and all(splits) and len(set(splits)) == len(names) and "train" in splits


def list_split_tables(folder: Path, names: list[str], prefix: str, label: str) -> Listing:
    """The rows of every table in the split that it is called after; a file of an earlier table is listed twice."""
    used: set[str] = set()
    parts = []
    for name in sorted(names, key=lambda name: ("train", "val", "test").index(split_of_file(name))):
        part = list_table(folder, name, prefix, split_of_file(name), label, alone=False)
        again = [row for row in part.rows if row.name in used]
        parts.append(replace(part, rows=_without(part.rows, used), findings=(*part.findings, *map(_twice, again))))
        used |= {row.name for row in part.rows}
    listed = ", ".join(names)
    return joined(f"folder with {listed}", parts, unlisted_note(FileIndex(folder), prefix, used, listed))


def _without(rows: tuple[FileRow, ...], used: set[str]) -> tuple[FileRow, ...]:
    return tuple(row for row in rows if row.name not in used)


def _twice(row: FileRow) -> Finding:
    return Finding(row.name, "listed_twice", f"another split lists it too; it is not used in {row.split}")
