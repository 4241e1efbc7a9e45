"""The ledger: one line a training row that says what it is and how to make it again."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from gensynth.balancing.mark import Mark, mark_of
from gensynth.errors import DataError
from gensynth.types import REAL, LabelledData

NameRow = Callable[[str, str, int], str]  # (condition, sampler, index) -> row name
Documents = Callable[[Path], dict[str, str]]  # folder of a data set -> further files, name -> text
LEDGER = (
    "row_id",
    "source",
    "label",
    "sampler",
    "generator_sha256",
    "seed",
    "index",
    "parent",
    "params",
    "content_sha256",
    "filters",
    "review",
)

AT_ONCE = 10_000  # lines that are written together


def csv_text(
    header: Iterable[str] | None, rows: Iterable[Iterable[object]], delimiter: str = ",", line_end: str = "\n"
) -> str:
    """Delimited text; without header where more rows of a file follow."""

    def written(lines: Iterable[Iterable[object]], how: Literal[0, 1] = csv.QUOTE_MINIMAL) -> str:
        out = io.StringIO()
        csv.writer(out, delimiter=delimiter, lineterminator=line_end, quoting=how).writerows(lines)
        return out.getvalue()

    parts = [] if header is None else [written([header])]
    # The other line ends end a line for a reader as well, and Python's writer leaves them unquoted.
    others = [end for end in "\r\n" if end not in line_end]
    left = iter(rows)
    while lines := [list(row) for row in islice(left, AT_ONCE)]:
        text = written(lines)
        if any(end in text for end in others):
            odd = [any(end in str(cell) for cell in line for end in others) for line in lines]
            text = "".join(
                written([line], csv.QUOTE_ALL if q else csv.QUOTE_MINIMAL) for line, q in zip(lines, odd, strict=True)
            )
        parts.append(text)
    return "".join(parts)


def read_ledger(path: Path) -> list[dict[str, str]]:
    """The lines of a ledger.csv, in row order; DataError where it is damaged."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            lines = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} is damaged: {error}") from None
    if tuple(reader.fieldnames or ()) != LEDGER:
        raise DataError(f"{path.name} is damaged: its columns are {reader.fieldnames}")
    return lines


@dataclass(frozen=True)
class Provenance:
    """What every synthetic row refers to; `licence` is that of the source, where one was recorded.

    groups  columns by which bias is looked at, which travel with the rows
    """

    seed: int
    generator: str
    generator_sha256: str
    reviewed: dict[str, str]
    licence: str = ""
    groups: tuple[str, ...] = ()

    def mark(self, origin: str, sampler: str) -> Mark | None:
        """The mark of a row; it names the bundle where the ledger does."""
        return mark_of(origin, self.generator_sha256 if sampler == self.generator else "")


def ledger_rows(
    data: LabelledData, row_ids: Sequence[str], hashes: Sequence[str], provenance: Provenance
) -> list[tuple[object, ...]]:
    """Ledger lines in row order. Samplers other than the generator's have no bundle to name."""
    sampler, params, filters = (_column(data, name) for name in ("sampler", "params", "filters"))
    drawn = data.origin != REAL
    columns = (
        row_ids,
        data.origin.tolist(),
        [data.schema.classes[label] for label in data.y.tolist()],
        sampler.tolist(),
        [provenance.generator_sha256 if one else "" for one in drawn & (sampler == provenance.generator)],
        [provenance.seed if one else "" for one in drawn],
        [index if one else "" for index, one in zip(_column(data, "index").tolist(), drawn, strict=True)],
        data.parent.tolist(),
        params.tolist(),
        hashes,
        filters.tolist(),
        [provenance.reviewed.get(row_id, "") for row_id in row_ids],
    )
    return list(zip(*columns, strict=True))


def with_columns(rows: LabelledData, sampler: str, index: np.ndarray | int, filters: str = "") -> LabelledData:
    """Rows with the columns of which the ledger tells, and no other ones."""
    columns = {
        "params": _column(rows, "params"),
        "sampler": np.full(len(rows), sampler),
        "filters": np.full(len(rows), filters),
        "index": np.broadcast_to(np.asarray(index, dtype=np.int64), (len(rows),)),
    }
    return replace(rows, groups=columns)


def _column(data: LabelledData, name: str) -> np.ndarray:
    return data.groups[name] if name in data.groups else np.full(len(data), "", dtype="U1")
