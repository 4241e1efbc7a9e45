"""Write many drawn rows to disk with flat memory: one .npz, or class folders of PNG files."""

from __future__ import annotations

import hashlib
import itertools
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from gensynth import rng
from gensynth.balancing.export import encode_row, file_rows, folder_names, row_names, write_row
from gensynth.balancing.ledger import LEDGER, Provenance, csv_text, ledger_rows, with_columns
from gensynth.balancing.mark import mark_of, parquet_note
from gensynth.balancing.table_export import RowWriter, TableSink, row_hashes, synthetic_seeds
from gensynth.data.conditions import FILE_COLUMNS, Conditions
from gensynth.samplers.generator import GeneratorSampler
from gensynth.types import SYNTHETIC, LabelledData

CHUNK = 1024
CELLS_AT_ONCE = 2**20  # of a table


def rows_at_once(columns: int) -> int:
    """Rows of a table that are drawn and written together: whole blocks, and fewer the wider it is.

    >>> rows_at_once(13), rows_at_once(1500)
    (8192, 512)
    """
    return min(8192, 1 << max(8, (CELLS_AT_ONCE // max(columns, 1)).bit_length() - 1))


def draw_chunks(
    sampler: GeneratorSampler, counts: dict[str, int], seed: int, chunk: int = CHUNK
) -> Iterator[LabelledData]:
    """Rows in ledger order (condition by condition, index by index), named, at most `chunk` at once."""
    conditions = Conditions.of_schema(sampler.bundle.schema)
    name_row = row_names(conditions, seed)
    for j, (name, count) in enumerate((name, counts[name]) for name in conditions.names):
        for low in range(0, count, chunk):
            size = min(chunk, count - low)
            rows = sampler.sample(np.full(size, j), rng.row_seeds(seed, name, low, size))
            ids = np.array([name_row(name, sampler.name, i) for i in range(low, low + size)])
            yield conditions.join(with_columns(replace(rows, ids=ids), sampler.name, np.arange(low, low + size)))


def write_samples(
    folder: Path,
    kind: str,
    sampler: GeneratorSampler,
    counts: dict[str, int],
    seed: int,
    progress: Callable[[int], None],
) -> None:
    """Write samples.npz, samples.csv, samples.parquet, or class folders and metadata.csv; and ledger.csv.

    The ledger's content_sha256 is that of the PNG file, of the row's pixels in an .npz, of a table row's cells.
    """
    provenance = Provenance(seed, sampler.name, sampler.bundle.sha256, {})
    writers = {"npz": _write_npz, "folder": _write_folder}
    write, numbers = writers.get(kind, _write_table), itertools.count()
    with (folder / "ledger.csv").open("w", encoding="utf-8", newline="") as ledger:
        ledger.write(csv_text(LEDGER, []))

        def note(rows: LabelledData, hashes: list[str]) -> None:
            names = rows.ids.tolist() if kind == "folder" else [str(n) for n in itertools.islice(numbers, len(rows))]
            ledger.write(csv_text(None, ledger_rows(rows, names, hashes, provenance)))
            progress(len(rows))

        write(folder if kind in writers else folder / f"samples.{kind}", sampler, counts, seed, note)


Note = Callable[[LabelledData, list[str]], None]


def _write_npz(folder: Path, sampler: GeneratorSampler, counts: dict[str, int], seed: int, note: Note) -> None:
    conditions = Conditions.of_schema(sampler.bundle.schema)
    classes = conditions.schema.classes
    total = sum(counts.values())
    channels, height, width = sampler.bundle.codec.space.shape
    shape = (total, height, width) if channels == 1 else (total, height, width, channels)
    y = np.repeat(conditions.labels, [counts[name] for name in conditions.names]).astype(np.int64)
    with zipfile.ZipFile(folder / "samples.npz", "w") as archive:
        with archive.open(_entry("x.npy"), "w", force_zip64=True) as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
            for rows in draw_chunks(sampler, counts, seed):
                pixels = rows.x[:, 0] if channels == 1 else rows.x.transpose(0, 2, 3, 1)
                file.write(np.ascontiguousarray(pixels).tobytes())
                note(rows, [hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest() for x in pixels])
        for name, array in {"y": y, "classes": np.array(classes, dtype=str)}.items():
            with archive.open(_entry(f"{name}.npy"), "w") as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def _entry(name: str) -> zipfile.ZipInfo:
    """A zip entry with a fixed date, so that equal samples give equal bytes."""
    return zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))


def _write_folder(folder: Path, sampler: GeneratorSampler, counts: dict[str, int], seed: int, note: Note) -> None:
    conditions = Conditions.of_schema(sampler.bundle.schema)
    schema, by_class = conditions.schema, conditions.by_class(counts)
    mark = mark_of(SYNTHETIC, sampler.bundle.sha256)
    for label, name in folder_names(schema.classes).items():
        if by_class[label]:
            (folder / name).mkdir()
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as metadata:
        metadata.write(csv_text((*FILE_COLUMNS, *conditions.columns), []))
        for rows in draw_chunks(sampler, counts, seed):
            names = rows.ids.tolist()
            pairs = zip(names, rows.x, strict=True)
            hashes = [write_row(folder / name, encode_row(schema, x, mark)) for name, x in pairs]
            lines = file_rows(names, rows, rows.groups["sampler"], conditions.columns)
            metadata.write(csv_text(None, lines))
            note(rows, hashes)


def _write_table(path: Path, sampler: GeneratorSampler, counts: dict[str, int], seed: int, note: Note) -> None:
    schema = Conditions.of_schema(sampler.bundle.schema).schema
    writer = RowWriter(schema)
    licence = sampler.bundle.facts.get("source_card", {}).get("licence", "")
    with TableSink(path, schema, parquet_note(sampler.bundle.sha256, "", licence)) as sink:
        if not sum(counts.values()):
            nothing = LabelledData.of_real(np.zeros((0, len(writer.columns))), np.zeros(0, np.int64), schema)
            sink.write(writer.cells(nothing, np.zeros(0)))
        for rows in draw_chunks(sampler, counts, seed, rows_at_once(len(schema.fields["columns"]))):
            cells = writer.cells(rows, synthetic_seeds(rows, seed))
            sink.write(cells)
            note(rows, row_hashes(cells))
