"""Whom the rows of a source are about, as keyed hashes: by them `gensynth forget` finds a person in a finished run.

run/subjects.csv has a line for each row of the source: its name, its origin, what it holds, and a hash of everything
that identifies it: the column of data.id or data.subject, columns of identifiers, columns that look like people, and
addresses and numbers inside of other cells. A hash is keyed BLAKE2b (RFC 7693) of 128 bits; its key is random, another
one in each run, and lies in run/subjects.json beside the list of columns. Neither file is ever part of a data set.
Whoever holds both can try whether a name is among the rows, and can read none from them.
"""

from __future__ import annotations

import csv
import hashlib
import json
import secrets
import unicodedata
from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from gensynth.balancing.ledger import AT_ONCE, csv_text
from gensynth.balancing.table_export import row_hashes
from gensynth.data.columns import MISSING
from gensynth.data.identifiers import find
from gensynth.data.source import Source
from gensynth.errors import DataError
from gensynth.files import file_sha256, write_atomically, write_json
from gensynth.types import REAL, LabelledData

FILE, KEY = "run/subjects.csv", "run/subjects.json"
HEADER = ("row_id", "origin", "content_sha256", "subjects")
VERSION = 1
KINDS = ("identifier", "name", "email", "uuid", "phone", "iban", "credit_card", "national_id")  # that say who it is
_BYTES = 16
_MISSING = frozenset(MISSING)


def normalised(value: str) -> str:
    """An identifier without blanks around it, in one Unicode form; addresses of mail in small letters, and whole
    numbers without the point that a gap in their column brings.

    >>> normalised(" Ann@Example.org "), normalised("CLM-00123"), normalised("4711.0")
    ('ann@example.org', 'CLM-00123', '4711')
    """
    text = (value if value.isascii() else unicodedata.normalize("NFC", value)).strip()
    text = text[:-2] if text.endswith(".0") and text[:-2].isdecimal() else text
    return text.casefold() if "@" in text else text


def hash_of(value: str, key: bytes) -> str:
    """32 hexadecimal digits, the same for what is written alike after `normalised`."""
    return hashlib.blake2b(normalised(value).encode("utf-8", "surrogatepass"), key=key, digest_size=_BYTES).hexdigest()


def write_subjects(run: Path, source: Source, personal: Iterable[Mapping[str, Any]], subject: str = "") -> None:
    """Write both files; a run that goes on keeps its key.

    personal  columns that look like people, as `data.explore.find_personal` gives them
    subject   column of data.subject, empty for none
    """
    try:
        key = bytes.fromhex(json.loads((run / KEY).read_text(encoding="utf-8"))["salt"])
    except (OSError, ValueError, KeyError, TypeError):
        key = secrets.token_bytes(32)
    columns = _columns(source, [str(one["column"]) for one in personal if one["kind"] in KINDS], subject)
    marks = [_marks(i, cells, key) for i, cells in enumerate(columns.values())]
    subjects = (
        (" ".join(filter(None, row)) for row in zip(*marks, strict=True)) if marks else iter([""] * len(source.data))
    )
    data = source.data
    lines = zip(data.ids.tolist(), data.origin.tolist(), contents_of(source), subjects, strict=True)

    def write(file: BinaryIO) -> None:
        file.write(csv_text(HEADER, []).encode())
        while some := list(islice(lines, AT_ONCE)):
            file.write(csv_text(None, some).encode("utf-8", "surrogatepass"))

    write_json(run / KEY, {"version": VERSION, "hash": "BLAKE2b-128", "salt": key.hex(), "columns": list(columns)})
    write_atomically(run / FILE, write)


def _columns(source: Source, personal: Collection[str], subject: str) -> dict[str, np.ndarray]:
    """Cells (N,) of all columns that say who a row is about, those that data.id names as they were read."""
    data, cells = source.data, _cells(source)
    described = data.schema.fields.get("columns", ())
    found = [*personal, *(c["name"] for c in described if c["kind"] == "identifier"), *([subject] if subject else [])]
    columns = dict(source.people)
    for name in found:
        if name not in columns and cells is not None and name in cells:
            columns[name] = cells[name].to_numpy(object)
        elif name not in columns and name in data.groups:
            columns[name] = data.groups[name]
    return columns


def _cells(source: Source) -> pd.DataFrame | None:
    """Text cells of the rows (N): data.long_tail cuts rows, and leaves the cells that they stood in."""
    if source.cells is None or len(source.cells) == len(source.data):
        return source.cells
    return source.cells.loc[source.data.ids]


def _marks(place: int, cells: np.ndarray, key: bytes) -> list[str]:
    """For each cell (N,) the column's place and a hash of the whole cell, and of what is found inside of it."""
    codes, different = pd.factorize(np.asarray(cells, dtype=object))
    marks = [_mark(place, str(cell), key) for cell in different.tolist()]
    return [marks[code] if code >= 0 else "" for code in codes.tolist()]


def _mark(place: int, cell: str, key: bytes) -> str:
    if cell in _MISSING:
        return ""
    if " " not in cell:  # a number or an address by itself
        return f"{place}:{hash_of(cell, key)}"
    parts = [hash_of(part, key) for part in [cell, *(cell[start:end] for start, end, _ in find(cell))]]
    return " ".join(f"{place}:{part}" for part in dict.fromkeys(parts))


def contents_of(source: Source) -> list[str]:
    """sha256 of each row (N,) as a ledger has it: of its cells, of its file, or of the pixels of an image without one.

    By it a row of one run is found in another one, whose source was the data set of the first.
    """
    data = source.data
    if (cells := _cells(source)) is not None:
        return row_hashes(cells)
    if source.files:
        found = {path: file_sha256(path) for path in set(source.files.values())}
        return [found[source.files[i]] if i in source.files else "" for i in data.ids.tolist()]
    return _pixel_hashes(data) if data.x.ndim == 4 else [""] * len(data)


def _pixel_hashes(data: LabelledData) -> list[str]:
    """Of images (N, C, H, W) as an .npz of `sample` has them."""
    pixels = (x[0] if len(x) == 1 else x.transpose(1, 2, 0) for x in data.x)
    return [hashlib.sha256(np.ascontiguousarray(one).tobytes()).hexdigest() for one in pixels]


@dataclass(frozen=True)
class Subjects:
    """What a run keeps of the rows of its source; nothing is `kept` by a run of an earlier time."""

    run: Path
    columns: tuple[str, ...] = ()
    key: bytes = b""
    kept: bool = False

    @staticmethod
    def of(run: Path) -> Subjects:
        """DataError where the files are damaged."""
        if not (run / KEY).is_file() or not (run / FILE).is_file():
            return Subjects(run)
        try:
            facts = json.loads((run / KEY).read_text(encoding="utf-8"))
            return Subjects(run, tuple(map(str, facts["columns"])), bytes.fromhex(facts["salt"]), kept=True)
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{KEY} of {run.name} is damaged") from None

    def lines(self) -> Iterator[list[str]]:
        """The cells of every line of run/subjects.csv, in the order of HEADER; nothing of a run without it."""
        if not self.kept:
            return
        with (self.run / FILE).open(encoding="utf-8", errors="surrogatepass", newline="") as file:
            lines = csv.reader(file)
            next(lines, None)
            yield from lines

    def by_identifier(self, who: str) -> dict[str, str]:
        """{row id: column} of the rows that hold this identifier."""
        wanted = hash_of(who, self.key) if self.kept and self.columns else ""
        found = {}
        for row, _, _, subjects in self.lines() if wanted else ():
            if wanted in subjects:
                place = next(mark for mark in subjects.split(" ") if mark.endswith(wanted)).partition(":")[0]
                found[row] = self.columns[int(place)]
        return found

    def by_content(self, contents: Container[str]) -> list[tuple[str, str]]:
        """(row id, content) of the rows that hold any of these."""
        return [(row, content) for row, _, content, _ in self.lines() if content and content in contents]

    def contents(self, rows: Container[str]) -> set[str]:
        """What some rows hold, without what several rows hold, which says nothing of whom they are about."""
        held = {content for row, _, content, _ in self.lines() if row in rows} - {""}
        seen = Counter(content for _, content in self.by_content(held))
        return {content for content, n in seen.items() if n == 1}

    def drawn(self) -> set[str]:
        """Rows that say of themselves that they are augmented or synthetic: a generator learns from all of them."""
        return {row for row, origin, *_ in self.lines() if origin != REAL}
