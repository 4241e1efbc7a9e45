"""The ledger: one line a training row that says what it is and how to make it again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

import numpy as np

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
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


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
    lines = []
    columns = {name: _column(data, name) for name in ("sampler", "index", "params", "filters")}
    labels = np.array(data.schema.classes, dtype=object)[data.y]
    for i, (row_id, content) in enumerate(zip(row_ids, hashes, strict=True)):
        made = data.origin[i] != REAL
        sampler = str(columns["sampler"][i])
        lines.append(
            (
                row_id,
                data.origin[i],
                labels[i],
                sampler,
                sha256 if sampler == generator and made else "",
                seed if made else "",
                columns["index"][i] if made else "",
                data.parent[i],
                columns["params"][i],
                content,
                columns["filters"][i],
                reviewed.get(row_id, ""),
            )
        )
    return lines


def _column(data: LabelledData, name: str) -> np.ndarray:
    return data.groups[name] if name in data.groups else np.full(len(data), "", dtype="U1")
