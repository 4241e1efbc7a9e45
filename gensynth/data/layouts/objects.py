"""Pictures with labelled objects, as label files of detection list them, turned into rows.

A picture of one category is a row as it is; with data.crop=true every box is cut out and is a row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from gensynth.data.finding import Finding
from gensynth.data.layouts.file_index import FileIndex
from gensynth.data.layouts.label_table import outside, splits_of_folders
from gensynth.data.layouts.label_text import blank_notes, label_of
from gensynth.data.layouts.listing import PICTURE, FileRow, Listing
from gensynth.data.picture import Box
from gensynth.errors import DataError


@dataclass(frozen=True)
class Marked:
    """One picture of a label file: its name there, its split where the file says so, and (category, box) of objects.

    A box is None where the label file gives a category to the whole picture.
    """

    file: str
    objects: tuple[tuple[str, Box | None], ...]
    split: str = ""


def list_marked(
    kind: str, place: str, folder: Path, prefix: str, split: str, pictures: Iterable[Marked], crop: bool
) -> Listing:
    """Rows of the pictures that the label file `place` lists below a folder; DataError where it lists none."""
    index, rows, findings = FileIndex(folder), list[FileRow](), list[Finding]()
    written: set[str] = set()
    used: set[str] = set()
    for picture in pictures:
        found = _found(picture, index, place)
        if isinstance(found, str) and found in used:
            found = Finding(prefix + found, "listed_twice", f"{place} has an entry above; this one was not used")
        if isinstance(found, Finding):
            findings.append(replace(found, file=prefix + found.file))
            continue
        used.add(found)
        written |= {category for category, _ in picture.objects}
        media, name = index.files[found], prefix + found
        row = FileRow(name, media.path, "", split or picture.split, inside=folder, kind=media.kind)
        found_rows = _crops(row, picture) if crop else _whole(row, picture, place)
        rows += [one for one in found_rows if isinstance(one, FileRow)]
        findings += [one for one in found_rows if isinstance(one, Finding)]
    _check_any(rows, findings, place)
    rows, notes = _split_by_folder(rows, prefix)
    unused = len(index.files.keys() - used)
    notes += (f"{unused} files are not used: {place} does not list them",) if unused else ()
    notes += (*blank_notes(written), *index.notes(place))
    return Listing(
        kind, tuple(rows), frozenset(map(label_of, written)), tuple(findings), notes, PICTURE if crop else ""
    )


def _found(picture: Marked, index: FileIndex, place: str) -> str | Finding:
    """The name of the picture's file; what is outside the folder is never looked for."""
    if outside(picture.file):
        return Finding(picture.file.replace("\0", "?"), "outside_root", f"{place} names a file outside of the folder")
    classes = tuple(sorted({label_of(category) for category, _ in picture.objects}))
    found = index.find(picture.file, picture.split)
    if isinstance(found, str):
        return found
    missing = f"{place} lists it, but there is no such file{index.hint(picture.file)}"
    return replace(found or Finding(picture.file, "missing_file", missing), classes=classes)


def _whole(row: FileRow, picture: Marked, place: str) -> list[FileRow | Finding]:
    """The picture with the one category of its objects."""
    labels = sorted({label_of(category) for category, _ in picture.objects})
    if not labels:
        return [Finding(row.name, "missing_label", f"{place} names no object in it")]
    if len(labels) > 1:
        detail = f"it shows {', '.join(labels)}; data.crop=true cuts out every box as a row of its own"
        return [Finding(row.name, "several_labels", detail, tuple(labels))]
    return [replace(row, label=labels[0])]


def _crops(row: FileRow, picture: Marked) -> list[FileRow | Finding]:
    """A row for every box; an object without one cannot be cut out."""
    found: list[FileRow | Finding] = []
    for number, (category, box) in enumerate(picture.objects):
        name, label = _part_name(row.name, number), label_of(category)
        if box is None:
            found.append(Finding(name, "bad_box", "data.crop=true, but this object has no box", (label,)))
        else:
            found.append(replace(row, name=name, label=label, box=box, extra={PICTURE: row.name}))
    return found or [Finding(row.name, "missing_label", "no object is marked in it")]


def _part_name(name: str, number: int) -> str:
    """
    >>> _part_name("a/1.png", 2)
    'a/1#2.png'
    """
    ending = PurePosixPath(name).suffix
    return f"{name.removesuffix(ending)}#{number}{ending}"


def _check_any(rows: list[FileRow], findings: list[Finding], place: str) -> None:
    if rows:
        return
    several = sum(finding.reason == "several_labels" for finding in findings)
    if several:
        raise DataError(
            f"{place}: all {several} pictures that were found show several categories; "
            "data.crop=true cuts out every box as a row of its own"
        )
    problems = [str(finding) for finding in findings[:50]]
    raise DataError(f"{place} gives no picture of this folder a category", problems)


def _split_by_folder(rows: list[FileRow], prefix: str) -> tuple[list[FileRow], tuple[str, ...]]:
    if any(row.split for row in rows):
        return rows, ()
    splits = splits_of_folders([row.name.removeprefix(prefix) for row in rows])
    if not splits:
        return rows, ()
    return [replace(row, split=s) for row, s in zip(rows, splits, strict=True)], ("splits were read from the folders",)
