"""Rows as they lie on the disk, against the ledger that names them: is every row there, is a file one of them."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from gensynth.balancing.ledger import read_ledger
from gensynth.balancing.table_export import row_hashes
from gensynth.data.columns import Column, cells_of, values_of
from gensynth.data.finding import FileFault
from gensynth.data.image import EXTENSIONS, read_pixels
from gensynth.data.image_depth import Range
from gensynth.data.table_files import Form, read_file
from gensynth.data.table_form import form_of
from gensynth.data.table_names import SUFFIXES, split_files, suffix_of
from gensynth.data.table_source import SOURCE_COLUMN
from gensynth.errors import DataError, UsageError

Line = dict[str, str]
NO_FIELDS: Mapping[str, Any] = MappingProxyType({})
MOST_PIXELS = 50_000_000


def check_ledger(dataset: Path, fields: Mapping[str, Any] = NO_FIELDS) -> tuple[list[str], list[str]]:
    """(findings where a row is not what its ledger line says, what could not be compared).

    fields  of the schema of a table, as its run or generator has it, where one is known
    """
    lines, table = read_ledger(dataset / "ledger.csv"), table_of(dataset)
    if table is not None:
        return _check_table(table, lines, fields)
    if archive := archive_of(dataset):
        return _check_archive(archive, lines), []
    return _check_folder(rows_below(dataset), lines), []


def is_drawn(folder: Path) -> bool:
    """Whether it is what `sample` wrote, and not a data set, which has a manifest and its rows in splits."""
    own = (folder / "manifest.json", folder / "train" / "metadata.csv")
    return not any(path.is_file() for path in own) and not split_files(folder)


def _compare(lines: Sequence[Line], found: Sequence[str]) -> list[str]:
    """Findings where the hash of a row, (N,), is not that of its line."""
    if len(found) != len(lines):
        return [f"{len(lines)} lines in ledger.csv, {len(found)} rows"]
    pairs = zip(lines, found, strict=True)
    return _unlike(line for line, sha256 in pairs if line["content_sha256"] != sha256)


def _unlike(lines: Iterable[Line]) -> list[str]:
    return [f"not what the ledger says: row {line['row_id']}" for line in lines]


def _check_folder(folder: Path, lines: Sequence[Line]) -> list[str]:
    """Findings on a folder of images or recordings: its files, its metadata.csv, files of no line."""
    findings = _compare(lines, [_file_hash(folder / line["row_id"]) for line in lines])
    named = {line["row_id"] for line in lines} | {"ledger.csv", "metadata.csv"}
    below = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    added = [f"added: {name} (ledger.csv does not name it)" for name in below if name not in named]
    return findings + _check_metadata(folder / "metadata.csv", lines) + added


def _check_metadata(path: Path, lines: Sequence[Line]) -> list[str]:
    """Findings where metadata.csv gives a file another label, source or sampler than the ledger, or leaves it out."""
    if not path.is_file():
        return [f"missing: {path.name}"]
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reported = Counter(_facts(line, "file_name") for line in csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        return [f"changed: {path.name} (cannot be read: {error})"]
    wanted = Counter(_facts(line, "row_id") for line in lines)
    names = sorted({str(name) for name, *_ in (reported - wanted) | (wanted - reported)})
    return [f"{path.name} does not say what ledger.csv says: {name}" for name in names]


def _facts(line: Line, name: str) -> tuple[str | None, ...]:
    return tuple(line.get(key) for key in (name, "label", "source", "sampler"))


def _check_archive(path: Path, lines: Sequence[Line]) -> list[str]:
    """Findings on a samples.npz: pixels against the hashes of the ledger, classes[y] against its labels."""
    x, y, classes = read_archive(path)
    if not len(lines) == len(x) == len(y):
        return [f"{len(lines)} lines in ledger.csv, {len(x)} rows and {len(y)} labels in {path.name}"]
    names = dict(enumerate(classes.tolist()))
    return _unlike(
        line
        for line, pixels, label in zip(lines, x, y.tolist(), strict=True)
        if line["content_sha256"] != hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
        or line["label"] != names.get(label)
    )


def read_archive(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y (N,) and classes (K,) of a samples.npz; DataError where it cannot be read."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return archive["x"], archive["y"].reshape(-1), archive["classes"].reshape(-1)
    except Exception as error:  # a damaged archive raises whatever zip and numpy run into
        raise DataError(f"{path.name} cannot be read ({error}); draw it again: gensynth sample") from None


def _check_table(path: Path, lines: Sequence[Line], fields: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The same as `check_ledger`. Hashes are those of text cells, and not all types of Parquet tell how they read."""
    columns = [Column.from_json(column) for column in fields.get("columns", ())]
    cells = cells_of_file(path, fields)
    if lacking := [column.name for column in columns if column.name not in cells]:
        return [f"changed: {path.name} (it lacks the columns {', '.join(lacking)})"], []
    if len(cells) != len(lines) or path.suffix != ".parquet":
        return _compare(lines, row_hashes(cells)), []
    ways = zip(lines, row_hashes(cells), row_hashes(_spelled(cells, columns)), strict=True)
    other = [line for line, *found in ways if line["content_sha256"] not in found]
    if not other or _reads_one_way(path, columns):
        return _unlike(other), []
    hint = "" if columns else "; name the generator they were drawn from: generator=PATH"
    rows = f"{len(other)} of {len(lines)} rows of {path.name}"
    return [], [f"cells of {rows} not compared: the file does not keep how they were written{hint}"]


def _spelled(cells: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """Cells of a Parquet file as their columns write numbers and what is missing."""
    out = cells.copy()
    for column in columns:
        found = cells[column.name]
        gaps_filled = found.where(found != "", column.missing)
        is_number = column.kind == "numeric"
        out[column.name] = cells_of(column, values_of(column, found.to_numpy())) if is_number else gaps_filled
    return out


def _reads_one_way(path: Path, columns: Sequence[Column]) -> bool:
    """Whether there is one text for each cell of a Parquet file: fractions and gaps have one if columns are known."""
    import pyarrow.parquet as parquet
    from pyarrow import types

    sure = [types.is_string, types.is_large_string, types.is_integer, *([types.is_float64] if columns else [])]
    return all(
        any(is_sure(column.type) for is_sure in sure) and (columns or not column.null_count)
        for column in parquet.read_table(path).columns
    )


def rows_below(dataset: Path) -> Path:
    """Folder to which the row ids of images and recordings are relative."""
    return dataset if is_drawn(dataset) else dataset / "train"


def archive_of(dataset: Path) -> Path | None:
    """The samples.npz whose rows the ledger names."""
    path = dataset / "samples.npz"
    return path if path.is_file() and is_drawn(dataset) else None


def table_of(dataset: Path) -> Path | None:
    """The table whose rows the ledger names; None for images and recordings."""
    if not is_drawn(dataset):
        return split_files(dataset).get("train")
    return next(
        (path for kind in ("csv", "tsv", "jsonl", "parquet") if (path := dataset / f"samples.{kind}").is_file()), None
    )


def cells_of_file(path: Path, fields: Mapping[str, Any]) -> pd.DataFrame:
    """Text cells of a table file that this program wrote, without the column that says where rows come from.

    fields  of the schema that it was written by, where that is known
    """
    stated = form_of(fields, path.suffix) if fields else {"header": True, "encoding": "utf-8"}
    try:
        cells = read_file(path, Form(**stated)).cells
    except DataError as error:
        if fields or "is not UTF-8" not in str(error):
            raise
        hint = "its run or generator knows how it is encoded: verify it there, or generator=PATH"
        raise DataError(f"{path.name} is not UTF-8; {hint}") from None
    return cells.drop(columns=[SOURCE_COLUMN], errors="ignore")


def _file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


@dataclass(frozen=True)
class Match:
    """One row that was asked about: its name, the ledger's line or None, and how the two are alike."""

    requested: str
    line: Line | None
    alike: str

    def __str__(self) -> str:
        if self.line is None:
            return f"{self.requested}: not in the ledger"
        line = self.line
        return f"{self.requested}: {self.alike}: row_id={line['row_id']} source={line['source']} label={line['label']}"


def is_mine(file: Path, dataset: Path, fields: Mapping[str, Any] = NO_FIELDS) -> list[Match]:
    """Which lines of a data set's ledger an image, a recording, or the rows of a table are; one match for each row.

    A file is the same by its bytes, an image also by its pixels, a row by its cells or by the numbers in them.
    fields  of the schema of the run, where it is known: ranges of images of more than 8 bits, encoding of tables
    UsageError where there is no such file, DataError where it cannot be read.
    """
    if not file.is_file():
        raise UsageError(f"is_mine={file.name}: there is no such file")
    lines = read_ledger(dataset / "ledger.csv")
    if suffix_of(file) in SUFFIXES and (table := table_of(dataset)) is not None:
        return _match_rows(file, table, lines, fields)
    known = {line["content_sha256"]: line for line in lines}
    if line := known.get(_file_hash(file)):
        return [Match(file.name, line, "same file")]
    if file.suffix.lower() in EXTENSIONS:
        return [Match(file.name, _same_pixels(file, dataset, lines, fields.get("ranges", {})), "same pixels")]
    return [Match(file.name, None, "")]


def _same_pixels(file: Path, dataset: Path, lines: Sequence[Line], ranges: Mapping[str, Range]) -> Line | None:
    """The first line whose image has these pixels, whatever else the file holds."""
    try:
        wanted = read_pixels(file, MOST_PIXELS, ranges)
    except FileFault as fault:
        raise DataError(f"{file.name} cannot be read: {fault.detail}") from None
    for line, pixels in zip(lines, _pixels(dataset, lines), strict=True):
        if pixels is not None and np.array_equal(pixels, wanted):
            return line
    return None


def _pixels(dataset: Path, lines: Sequence[Line]) -> Iterable[np.ndarray | None]:
    """uint8 (C, H, W) of each line's image; None where it cannot be read."""
    if archive := archive_of(dataset):
        x = read_archive(archive)[0]
        yield from (x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2))
        return
    for line in lines:
        try:
            yield read_pixels(rows_below(dataset) / line["row_id"], MOST_PIXELS)
        except FileFault:
            yield None


def _match_rows(file: Path, table: Path, lines: Sequence[Line], fields: Mapping[str, Any]) -> list[Match]:
    """A match for each row of a table file; a line answers for as many rows as it stands for: one."""
    mine = cells_of_file(table, fields)
    try:
        theirs = read_file(file).cells
    except DataError:  # encoded as the data set, perhaps
        theirs = read_file(file, Form(encoding=form_of(fields)["encoding"])).cells
    theirs = theirs.drop(columns=[SOURCE_COLUMN], errors="ignore")
    if lacking := [str(name) for name in mine.columns if name not in theirs.columns]:
        raise UsageError(f"is_mine={file.name}: the columns {', '.join(lacking)} of the data set are missing in it")
    theirs = theirs[list(mine.columns)]
    ways = {
        "same cells": ([line["content_sha256"] for line in lines], row_hashes(theirs)),
        "same values": (row_hashes(_canonical(mine)), row_hashes(_canonical(theirs))),
    }
    found: list[Match | None] = [None] * len(theirs)
    free = np.ones(len(lines), bool)
    for alike, (known, requested) in ways.items():
        places = defaultdict(list)
        for place in np.flatnonzero(free)[::-1].tolist():
            places[known[place]].append(place)
        for i, sha256 in enumerate(requested):
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
