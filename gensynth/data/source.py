"""What reading a source yields, for every kind of data."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gensynth.data.finding import Finding
from gensynth.types import REAL, LabelledData, Schema

HASHED_AT_ONCE = 50_000  # rows
_WHOLE_NUMBER = re.compile(r"-?[0-9]+")


@dataclass(frozen=True)
class Source:
    """Everything that was read from one source.

    data        all rows of all splits
    split       text (N,), train, val or test where the source itself says so, else empty
    originals   row id -> file that may be exported byte for byte: it has the model's size and carries no metadata
    quarantine  what was left out, and why
    notes       sentences for the user; the first says what was recognised
    sha256      hash over sorted (row id, label, content hash); "" of a table before `described_by`
    resized     how many images had another size than the model's
    recoloured  how many were grey beside coloured ones
    files       row id -> file it was read from, where there is one
    cells       tables: all columns as text, as they were read, one line a row id
    deidentified  what was done to columns that name people: column, action, number of cells
    describe    tables: reads the same cells by what columns are in some of the rows
    readings    tables: of every column two cells and, where it could be something else, what: "examples", "or"
    people      column -> cells (N,), before anything was taken out, that say who a row is about: what data.id names
    subject     name of a column in data.groups whose rows never straddle a split, where no person names one
    """

    data: LabelledData
    split: np.ndarray
    originals: dict[str, Path]
    quarantine: tuple[Finding, ...]
    notes: tuple[str, ...]
    sha256: str
    resized: int = 0
    recoloured: int = 0
    files: dict[str, Path] = field(default_factory=dict)
    cells: pd.DataFrame | None = None
    deidentified: tuple[dict[str, str | int], ...] = ()
    readings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    people: Mapping[str, np.ndarray] = field(default_factory=dict)
    subject: str = ""
    describe: Callable[[np.ndarray], Source] | None = None

    def described_by(self, rows: np.ndarray) -> Source:
        """The same source, its columns described by some rows, bool (N,), alone: others leave no trace in them."""
        return self if self.describe is None else self.describe(rows)

    def content_keys(self) -> np.ndarray:
        """(N,): equal for rows of equal content, whatever their columns were taken for; identifiers do not count."""
        if self.cells is None or self.data.schema.modality != "table":
            return self.data.content_hashes()
        fields = self.data.schema.fields
        apart = [c["name"] for c in fields["columns"] if c["kind"] in ("identifier", "text")]
        compared = self.cells.drop(columns=[fields["label"], *apart])
        return pd.util.hash_pandas_object(compared, index=False).to_numpy()


def class_order(names: set[str]) -> tuple[str, ...]:
    """Sorted as numbers when all names are whole numbers, else as text.

    >>> class_order({"10", "9"}), class_order({"10", "9", "b"})
    (('9', '10'), ('10', '9', 'b'))
    """
    if all(_WHOLE_NUMBER.fullmatch(name) for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def source_hash(data: LabelledData) -> str:
    """sha256 over sorted (row id, label, content hash): the same rows in another order hash alike."""
    labels = [json.dumps(data.schema.classes[k]) for k in range(len(data.schema.classes))]
    order = np.argsort(data.ids, kind="stable")  # ids are unique
    digest = hashlib.sha256()
    for part in np.array_split(order, len(order) // HASHED_AT_ONCE + 1):
        hashes = data.content_hashes(part).tolist()
        rows = zip(data.ids[part].tolist(), data.y[part].tolist(), hashes, strict=True)
        digest.update("".join(f'[{encode_basestring_ascii(i)}, {labels[k]}, "{h}"]\n' for i, k, h in rows).encode())
    return digest.hexdigest()


def labelled(
    x: np.ndarray,
    labels: Iterable[str],
    schema: Schema,
    ids: np.ndarray,
    origin: np.ndarray,
    groups: Mapping[str, np.ndarray] | None = None,
) -> LabelledData:
    """Rows x (N, ...) with the class names in `labels` (N,), which the schema knows; real rows are their own source."""
    y = pd.Index(schema.classes).get_indexer(pd.Index(list(labels))).astype(np.int64)
    return LabelledData(x, y, schema, ids, origin, np.where(origin == REAL, ids, ""), groups or {})


def recognised(kind: str, data: LabelledData, rows: str, where: str = "") -> str:
    """The first note on a source: its classes, `where` they stand, its rows, and the smallest class."""
    counts = data.counts()
    rare = int(np.argmin(counts))
    return f'{kind}: {len(counts)} classes{where}, {rows}, smallest class "{data.schema.classes[rare]}" {counts[rare]}'
