"""What a folder says of its rows before a file is decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from gensynth.data.finding import Finding
from gensynth.data.picture import Box, Picture
from gensynth.types import REAL

LAYOUTS = (
    "known are: a folder of class folders of images, WAV or FLAC (also in train, val and test), a folder of files and "
    "a metadata.csv, metadata.jsonl or labels.csv (columns file_name, label, or one of 0 and 1 for every class; also "
    "train.csv, val.csv, test.csv), COCO's JSON, Pascal VOC's Annotations "
    "and JPEGImages, YOLO's images and labels with data.yaml, a Hugging Face data set saved with save_to_disk or as "
    "Parquet files of its hub, "
    "a pair of IDX files, and an .npz with x and y"
)
PICTURE = "picture"  # the column that says which picture a row was cut from


@dataclass(frozen=True)
class FileRow:
    """One labelled file; `name` is its path from the root with forward slashes, `extra` further columns.

    kind    image or audio
    inside  folder of the metadata.csv that lists it, to which the paths in its columns are relative
    box     the part of the picture that is the row; None: all of it
    stored  gives the bytes of a picture that is no file of its own
    """

    name: str
    path: Path
    label: str
    split: str = ""
    origin: str = REAL
    extra: dict[str, str] = field(default_factory=dict)
    inside: Path = Path()
    kind: str = "image"
    box: Box | None = None
    stored: Callable[[], bytes] | None = None

    def as_test(self) -> FileRow:
        """The same as a row of data.test."""
        extra = {k: f"test/{v}" if k == PICTURE and self.box else v for k, v in self.extra.items()}
        return replace(self, name=f"test/{self.name}", split="test", extra=extra)

    @property
    def content(self) -> Path | Picture:
        """What its pixels are read from: the whole file, or a part or stored bytes."""
        whole = self.box is None and self.stored is None
        return self.path if whole else Picture(self.stored or self.path, self.box)


@dataclass(frozen=True)
class Listing:
    """What a folder says before a file is decoded; `declared` are all class names, also those without files.

    subject  name of a further column whose rows never straddle a split
    """

    kind: str
    rows: tuple[FileRow, ...]
    declared: frozenset[str]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    subject: str = ""

    @property
    def splits(self) -> set[str]:
        return {row.split for row in self.rows}

    def as_test(self) -> Listing:
        """The same as rows of data.test: split "test", names under test/."""
        rows = tuple(row.as_test() for row in self.rows)
        return replace(self, rows=rows, findings=tuple(replace(f, file=f"test/{f.file}") for f in self.findings))


def joined(kind: str, parts: list[Listing], notes: tuple[str, ...] = ()) -> Listing:
    """Several listings as one, with `notes` before theirs."""
    return Listing(
        kind=kind,
        rows=tuple(row for part in parts for row in part.rows),
        declared=frozenset().union(*(part.declared for part in parts)),
        findings=tuple(finding for part in parts for finding in part.findings),
        notes=(*notes, *dict.fromkeys(note for part in parts for note in part.notes)),
        subject=next((part.subject for part in parts if part.subject), ""),
    )
