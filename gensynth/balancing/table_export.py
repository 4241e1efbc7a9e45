"""Write tables as they came in: the input's columns and cells in their order, and where each row comes from.

Real rows leave with the cells they were read with; synthetic rows are written the way their column is written, so
that nothing but `gensynth_source` tells them apart. A Parquet file with synthetic rows says so in its metadata as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gensynth import rng
from gensynth.balancing.export import seal
from gensynth.balancing.ledger import LEDGER, Documents, Provenance, csv_text, ledger_rows
from gensynth.balancing.mark import PARQUET_KEY, parquet_note
from gensynth.data.arrow_cells import arrow_of_cells, cells_of_arrow
from gensynth.data.columns import Column, cells_of, issue
from gensynth.data.conditions import CELL, TAKEN
from gensynth.data.json_cells import as_json_cells, json_line
from gensynth.data.table_form import own_suffix, written_as
from gensynth.data.table_source import SOURCE_COLUMN
from gensynth.data.table_text import TextSink
from gensynth.types import REAL, LabelledData, Schema


class RowWriter:
    """Cells of synthetic rows: modelled columns from x, the others issued anew, in the input's column order."""

    def __init__(self, schema: Schema, taken: dict[str, set[str]] | None = None) -> None:
        """taken: identifiers of real rows by column, which are not issued again."""
        self.schema = schema
        self.columns = [Column.from_json(facts) for facts in schema.fields["columns"]]
        self.taken = taken or {}

    def cells(self, rows: LabelledData, seeds: np.ndarray) -> pd.DataFrame:
        """Text cells of rows; seeds (N,) uint64 make identifiers."""
        fields = self.schema.fields
        out = {fields["label"]: np.array(self.schema.classes, dtype=object)[rows.y]}
        place = 0
        for column in self.columns:
            if column.name == fields.get("text"):
                out[column.name] = rows.x
            elif column.modelled:
                out[column.name] = cells_of(column, rows.x[:, place])
                place += 1
            elif column.name in rows.groups and column.name not in TAKEN:
                out[column.name] = rows.groups[column.name]
            else:
                out[column.name] = issue(column, seeds, self.taken.setdefault(column.name, set()))
        cells = pd.DataFrame(out, columns=fields["order"], dtype=object)
        for name, kind in fields.get("written", {}).get("json", {}).items():
            if kind in ("number", "boolean") and name in cells:
                cells[name] = as_json_cells(cells[name].to_numpy(object))
        if not fields.get("types"):
            return cells
        missing = {column.name: column.missing for column in self.columns}
        return cells_of_arrow(arrow_of_cells(cells, fields["types"], missing))  # as they are read again


def write_table_dataset(
    folder: Path, splits: dict[str, LabelledData], cells: pd.DataFrame, provenance: Provenance, documents: Documents
) -> None:
    """Write train, val and test tables, ledger and documents into the empty `folder`.

    cells  text cells of the real rows, indexed by row id
    """
    schema = splits["train"].schema
    written = cells.loc[np.concatenate([data.ids[data.origin == REAL] for data in splits.values()])]
    writer = RowWriter(schema, identifiers_of(schema, written))
    for split, data in splits.items():
        real = data.origin == REAL
        if split != "train" and not real.all():
            raise ValueError(f"{split} holds rows that are not real")
        parts = [cells.loc[data.ids[real]], writer.cells(data[~real], synthetic_seeds(data[~real], provenance.seed))]
        frame = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
        places = np.argsort(np.argsort(~real, kind="stable"))  # of each row among real rows, then synthetic ones
        frame = frame.iloc[places].reset_index(drop=True)
        note = b"" if real.all() else parquet_note(_bundle_of(data, provenance), SOURCE_COLUMN, provenance.licence)
        with TableSink(folder / f"{split}{own_suffix(schema.fields)}", schema, note) as sink:
            sink.write(frame.assign(**{SOURCE_COLUMN: data.origin}))
        if split == "train":
            reviewed = {str(i): provenance.reviewed.get(name, "") for i, name in enumerate(data.ids.tolist())}
            lines = ledger_rows(data, list(reviewed), row_hashes(frame), replace(provenance, reviewed=reviewed))
            (folder / "ledger.csv").write_text(csv_text(LEDGER, lines), encoding="utf-8")
    seal(folder, documents)


def identifiers_of(schema: Schema, cells: pd.DataFrame) -> dict[str, set[str]]:
    """Identifiers among text cells by column: of the rows that a data set holds, since others are not known later."""
    names = [c["name"] for c in schema.fields.get("columns", ()) if c["kind"] == "identifier"]
    return {name: set(cells[name].tolist()) for name in names}


def _bundle_of(data: LabelledData, provenance: Provenance) -> str:
    """sha256 of the generator that synthetic rows of `data`; empty where none did."""
    return provenance.generator_sha256 if (data.groups["sampler"] == provenance.generator).any() else ""


def synthetic_seeds(rows: LabelledData, seed: int) -> np.ndarray:
    """A seed (N,) for each synthetic row, from its sampler, class, cell and index."""
    seeds = np.zeros(len(rows), np.uint64)
    if not len(rows):
        return seeds
    index = rows.groups["index"].astype(np.uint64)
    kinds = [rows.groups["sampler"].tolist(), rows.y.tolist()]
    if CELL in rows.groups:
        kinds.append(rows.groups[CELL].tolist())
    of_kind = list(zip(*kinds, strict=True))
    starts = {kind: np.uint64(rng.child(seed, "cells", *kind)) for kind in set(of_kind)}
    return np.array([starts[kind] for kind in of_kind], np.uint64) + index


def row_hashes(frame: pd.DataFrame) -> list[str]:
    """sha256 of each row: its cells as a JSON list, in the order of the columns."""
    return [hashlib.sha256(json.dumps(row, ensure_ascii=False).encode()).hexdigest() for row in cell_rows(frame)]


def cell_rows(frame: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """Cells row by row; pandas would make copies of mixed columns."""
    return zip(*(frame[name].tolist() for name in frame.columns), strict=True)


class TableSink:
    """A table file that is written piece by piece; `note` goes into the metadata of a Parquet file."""

    def __init__(self, path: Path, schema: Schema, note: bytes = b"") -> None:
        self.path, self.types, self.note = path, types_of(schema), note
        self.written = written_as(schema.fields, path.suffix)
        self.missing = {c["name"]: c["missing"] for c in schema.fields["columns"]}
        self._file: Any = None

    def __enter__(self) -> TableSink:
        return self

    def write(self, frame: pd.DataFrame) -> None:
        """Append rows of text cells."""
        if self.path.suffix == ".parquet":
            self._write_parquet(frame)
            return
        begins, line_end = self._file is None, self.written.get("line_end", "\n")
        if begins:
            self._file = TextSink(self.path, self.written)
        if self.path.suffix == ".jsonl":
            types = self.written.get("json", {})
            lines = (json_line(dict(zip(frame.columns, row, strict=True)), types) for row in cell_rows(frame))
            self._file.write("".join(f"{line}{line_end}" for line in lines))
            return
        mark = "\t" if self.path.suffix == ".tsv" else self.written.get("delimiter", ",")
        self._file.write(csv_text(frame.columns if begins else None, cell_rows(frame), mark, line_end))

    def _write_parquet(self, frame: pd.DataFrame) -> None:
        import pyarrow.parquet as parquet

        table = arrow_of_cells(frame, self.types, self.missing)
        if self._file is None:
            notes = {**(table.schema.metadata or {}), PARQUET_KEY: self.note} if self.note else table.schema.metadata
            self._file = parquet.ParquetWriter(self.path, table.schema.with_metadata(notes))
        self._file.write_table(table)

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def types_of(schema: Schema) -> dict[str, str]:
    """Arrow type of each column: as the schema states, else int64 or double for numbers; other columns are text."""
    found = {
        c["name"]: "int64" if c["integer"] else "double" for c in schema.fields["columns"] if c["kind"] == "numeric"
    }
    return schema.fields.get("types") or found
