"""The ledger: one line a training row that says what it is and how to make it again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from gensynth.errors import DataError
from gensynth.types import REAL, LabelledData

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


def csv_text(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Comma-separated text with \\n line ends."""
    out = io.StringIO()
    plain, careful = (csv.writer(out, lineterminator="\n", quoting=how) for how in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    plain.writerow(header)
    for row in rows:
        cells = list(row)
        # A lone carriage return ends the line for a reader, and Python's writer leaves it unquoted.
        (careful if any("\r" in str(cell) for cell in cells) else plain).writerow(cells)
    return out.getvalue()


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


def ledger_rows(
    data: LabelledData,
    row_ids: Iterable[str],
    hashes: Iterable[str],
    *,
    seed: int,
    generator: str,
    sha256: str,
    reviewed: dict[str, str],
) -> list[tuple]:
    """Ledger lines in row order.

    generator, sha256  name of the generator's sampler and hash of its bundle; other samplers have none
    reviewed           row id -> a person's verdict
    """
    columns = {name: _column(data, name).tolist() for name in ("sampler", "index", "params", "filters")}
    origins, parents, classes = data.origin.tolist(), data.parent.tolist(), data.schema.classes
    return [
        (
            row_id,
            origin,
            classes[label],
            sampler,
            sha256 if sampler == generator and origin != REAL else "",
            seed if origin != REAL else "",
            index if origin != REAL else "",
            parent,
            params,
            content,
            filters,
            reviewed.get(row_id, ""),
        )
        for row_id, content, origin, label, sampler, index, parent, params, filters in zip(
            row_ids,
            hashes,
            origins,
            data.y.tolist(),
            *(columns[n] for n in ("sampler", "index")),
            parents,
            *(columns[n] for n in ("params", "filters")),
            strict=True,
        )
    ]


def _column(data: LabelledData, name: str) -> np.ndarray:
    return data.groups[name] if name in data.groups else np.full(len(data), "", dtype="U1")
