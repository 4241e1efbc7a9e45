"""Rows as they lie on the disk, against the ledger that names them: is every row there, is a file one of them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gensynth.balancing.table_export import row_hashes
from gensynth.data.image import EXTENSIONS, ImageFault, read_pixels
from gensynth.data.table_files import read_file
from gensynth.data.table_names import SUFFIXES, split_files
from gensynth.data.table_source import SOURCE_COLUMN
from gensynth.errors import DataError, UsageError
from gensynth.provenance.integrity import read_ledger

Line = dict[str, str]
MOST_PIXELS = 50_000_000


def check_ledger(dataset: Path) -> list[str]:
    """Findings where the content of a row is not what its ledger line says; a Parquet file is not compared."""
    lines = read_ledger(dataset / "ledger.csv")
    found = contents(dataset, lines)
    if found is None:
        return []
    if len(found) != len(lines):
        return [f"{len(lines)} lines in ledger.csv, {len(found)} rows"]
    pairs = zip(lines, found, strict=True)
    other = [line["row_id"] for line, sha256 in pairs if line["content_sha256"] != sha256]
    return [f"not what the ledger says: row {row_id}" for row_id in other]


def is_drawn(folder: Path) -> bool:
    """Whether it is what `sample` wrote, which has no manifest, and not a data set."""
    return any((folder / name).is_file() for name in ("samples.npz", "samples.csv", "samples.parquet", "metadata.csv"))


def contents(dataset: Path, lines: Sequence[Line]) -> list[str] | None:
    """sha256 of each row that a ledger names, as it lies there; None for Parquet, whose cells are not text."""
    table = table_of(dataset)
    if table is not None:
        return None if table.suffix == ".parquet" else row_hashes(cells_of_file(table))
    if (dataset / "samples.npz").is_file():
        with np.load(dataset / "samples.npz", allow_pickle=False) as file:
            return [hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest() for x in file["x"]]
    return [_file_hash(rows_below(dataset) / line["row_id"]) for line in lines]


def rows_below(dataset: Path) -> Path:
    """Folder to which the row ids of images and recordings are relative."""
    return dataset / "train" if (dataset / "train").is_dir() else dataset


def table_of(dataset: Path) -> Path | None:
    """The table whose rows the ledger names; None for images and recordings."""
    drawn = {path.suffix: path for path in (dataset / "samples.csv", dataset / "samples.parquet") if path.is_file()}
    return next(iter(drawn.values()), None) or split_files(dataset).get("train")


def cells_of_file(path: Path) -> pd.DataFrame:
    """Text cells of a table file that this program wrote, without the column that says where rows come from."""
    cells = read_file(path, header=True, encoding="" if path.suffix == ".parquet" else "utf-8").cells
    return cells.drop(columns=[SOURCE_COLUMN], errors="ignore")


def _file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


@dataclass(frozen=True)
class Match:
    """One row that was asked about: its name, the ledger's line or None, and how the two are alike."""

    asked: str
    line: Line | None
    alike: str

    def __str__(self) -> str:
        if self.line is None:
            return f"{self.asked}: not in the ledger"
        line = self.line
        return f"{self.asked}: {self.alike}: row_id={line['row_id']} source={line['source']} label={line['label']}"


def is_mine(file: Path, dataset: Path) -> list[Match]:
    """Which lines of a data set's ledger an image, a recording, or the rows of a table are; one match for each row.

    A file is the same by its bytes, an image also by its pixels, a row by its cells or by the numbers in them.
    UsageError where there is no such file, DataError where it cannot be read.
    """
    if not file.is_file():
        raise UsageError(f"is_mine={file.name}: there is no such file")
    lines = read_ledger(dataset / "ledger.csv")
    if file.suffix.lower() in SUFFIXES and (table := table_of(dataset)) is not None:
        return _match_rows(file, table, lines)
    known = {line["content_sha256"]: line for line in lines}
    if line := known.get(_file_hash(file)):
        return [Match(file.name, line, "same file")]
    if file.suffix.lower() in EXTENSIONS:
        return [Match(file.name, _same_pixels(file, dataset, lines), "same pixels")]
    return [Match(file.name, None, "")]


def _same_pixels(file: Path, dataset: Path, lines: Sequence[Line]) -> Line | None:
    """The first line whose image has these pixels, whatever else the file holds."""
    try:
        wanted = read_pixels(file, MOST_PIXELS)
    except ImageFault as fault:
        raise DataError(f"{file.name} cannot be read: {fault.detail}") from None
    for line, pixels in zip(lines, _pixels(dataset, lines), strict=True):
        if pixels is not None and np.array_equal(pixels, wanted):
            return line
    return None


def _pixels(dataset: Path, lines: Sequence[Line]) -> Iterable[np.ndarray | None]:
    """uint8 (C, H, W) of each line's image; None where it cannot be read."""
    if (dataset / "samples.npz").is_file():
        with np.load(dataset / "samples.npz", allow_pickle=False) as archive:
            x = archive["x"]
        yield from (x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2))
        return
    for line in lines:
        try:
            yield read_pixels(rows_below(dataset) / line["row_id"], MOST_PIXELS)
        except ImageFault:
            yield None


def _match_rows(file: Path, table: Path, lines: Sequence[Line]) -> list[Match]:
    """A match for each row of a table file; a line answers for as many rows as it stands for: one."""
    mine = cells_of_file(table)
    theirs = read_file(file).cells.drop(columns=[SOURCE_COLUMN], errors="ignore")
    if lacking := [str(name) for name in mine.columns if name not in theirs.columns]:
        raise UsageError(f"is_mine={file.name}: the columns {', '.join(lacking)} of the data set are missing in it")
    theirs = theirs[list(mine.columns)]
    ways = {
        "same cells": ([line["content_sha256"] for line in lines], row_hashes(theirs)),
        "same values": (row_hashes(_canonical(mine)), row_hashes(_canonical(theirs))),
    }
    found: list[Match | None] = [None] * len(theirs)
    free = np.ones(len(lines), bool)
    for alike, (known, asked) in ways.items():
        places = defaultdict(list)
        for place in np.flatnonzero(free)[::-1].tolist():
            places[known[place]].append(place)
        for i, sha256 in enumerate(asked):
            if found[i] is None and places[sha256]:
                place = places[sha256].pop()
                free[place] = False
                found[i] = Match(f"row {i}", lines[place], alike)
    return [match or Match(f"row {i}", None, "") for i, match in enumerate(found)]


def _canonical(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells with every number written in the same way."""
    out = {}
    for name in cells.columns:
        numbers = pd.to_numeric(cells[name], errors="coerce")
        out[name] = cells[name].where(numbers.isna(), numbers.astype(str))
    return pd.DataFrame(out)
