"""Rows as the walk holds them, and rows read back: from a finished run, or from the sets that are compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gensynth import rng
from gensynth.balancing.decisions import line_of, pin_rows, read_decisions, review_path, row_names
from gensynth.balancing.ledger import read_ledger
from gensynth.data.conditions import Conditions
from gensynth.data.finding import Finding
from gensynth.data.source import Source
from gensynth.data.sources import read_path
from gensynth.data.split import split_rows
from gensynth.data.table_names import is_table
from gensynth.data.table_source import read_table
from gensynth.data.text_source import read_text
from gensynth.errors import DataError, UsageError
from gensynth.files import write_json
from gensynth.job import DataSettings
from gensynth.training.bundle import Bundle, restore_folder
from gensynth.types import REAL, SYNTHETIC, LabelledData, Schema

LONGEST_SECONDS = 3600.0
STATE = "run/state.json"


@dataclass(frozen=True)
class Looked:
    """Read and split data, with what was seen on the way.

    train, val, test  real rows
    marked            rows that say of themselves that they were made: a generator may learn from them where that is
                      allowed, and nothing else looks at them
    """

    source: Source
    train: LabelledData
    val: LabelledData
    test: LabelledData
    facts: dict
    quarantined: int
    marked: LabelledData
    warnings: tuple[dict[str, str], ...] = ()

    def splits(self) -> dict[str, LabelledData]:
        return {"train": self.train, "val": self.val, "test": self.test}


@dataclass(frozen=True)
class RunState:
    """What happened in a run so far and what its source was found to be, in run/state.json.

    test_opened  how often test rows have been looked at
    image_size   (height, width) of images, None for other rows
    """

    test_opened: int
    quarantined: int
    source_sha256: str
    schema: Schema
    image_size: tuple[int, int] | None
    explore: dict[str, Any]
    deidentified: tuple[dict[str, Any], ...]
    resized: int

    @staticmethod
    def of(looked: Looked, test_opened: int) -> RunState:
        source, schema = looked.source, looked.train.schema
        facts = (source.sha256, schema, image_size(looked.train), looked.facts, tuple(source.deidentified))
        return RunState(test_opened, len(source.quarantine), *facts, source.resized)

    def write(self, run: Path) -> None:
        schema = {"modality": self.schema.modality, "classes": self.schema.classes, "fields": self.schema.fields}
        write_json(run / STATE, {**asdict(self), "schema": schema})


def read_state(run: Path) -> RunState | None:
    """None where a run has not come so far. DataError where the file is damaged."""
    path = run / STATE
    if not path.is_file():
        return None
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        schema = facts.pop("schema")
        size, deidentified = facts.pop("image_size"), tuple(facts.pop("deidentified"))
        schema = Schema(schema["modality"], tuple(schema["classes"]), schema["fields"])
        return RunState(**facts, schema=schema, image_size=tuple(size) if size else None, deidentified=deidentified)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{STATE} is damaged") from None


def finished_state(run: Path) -> RunState:
    """The state of a run with a data set; UsageError where there is none. A data set half renamed is put right."""
    restore_folder(run / "dataset")
    state = read_state(run)
    if state is None or not (run / "dataset").is_dir():
        raise UsageError(f"{run} is not a finished balance run (no dataset/ and {STATE} in it)")
    return state


def reread(finished: Path, bundle: Bundle | None, data: DataSettings) -> Looked:
    """The real rows of a finished run, in ledger order and with their first names, from its own dataset.

    data  settings of the run
    """
    state = finished_state(finished)
    fields, size = state.schema.fields, state.image_size
    label = fields.get("label", "label")
    if is_table(finished / "dataset"):
        groups = [*data.groups, *([data.subject] if data.subject else [])]
        folder, like = finished / "dataset", state.schema
        source = _read_tabular(folder, label, like, encoding="utf-8", header=True, groups=groups)
    else:
        words = _as_sounds(fields) if state.schema.modality == "audio" else {}
        source = read_path(str(finished / "dataset"), label=label, image_size=size, **words)
    ledger = read_ledger(finished / "dataset" / "ledger.csv")
    first = {f"train/{row['row_id']}": row["parent"] for row in ledger if row["source"] == REAL}
    rows = source.data
    names = [first.get(row_id, row_id) for row_id in rows.ids.tolist()]
    renamed = dict(zip(rows.ids.tolist(), names, strict=True))
    files = {renamed[row_id]: path for row_id, path in source.files.items()}
    originals = {renamed[row_id]: path for row_id, path in source.originals.items()}
    cells = None if source.cells is None else source.cells.set_axis(names, axis=0)[rows.origin == REAL]
    rows = replace(rows, ids=np.array(names), parent=np.array(names))
    if bundle is not None:
        schema = Conditions.of_schema(bundle.schema).schema
        rows = aligned(rows, LabelledData.of_real(rows.x[:0], rows.y[:0], schema), "dataset")
    real = rows.origin == REAL
    train, val, test = (rows[real & (source.split == name)] for name in ("train", "val", "test"))
    source = replace(
        source,
        quarantine=(),
        originals=originals,
        files=files,
        sha256=state.source_sha256,
        cells=cells,
        deidentified=state.deidentified,
        resized=state.resized,
    )
    return Looked(source, train, val, test, state.explore, state.quarantined, marked=rows[:0])


def _as_sounds(fields: dict[str, Any]) -> dict[str, Any]:
    """How recordings are read at the rate and length of others; longer files are cut, not refused."""
    rate = fields["sample_rate_hz"]
    return {"sample_rate_hz": rate, "seconds": fields["samples"] / rate, "max_seconds": LONGEST_SECONDS}


def _read_tabular(
    path: Path,
    label: str,
    like: Schema,
    *,
    encoding: str = "",
    header: bool | None = None,
    groups: list[str] | None = None,
) -> Source:
    """A table or texts, read with the classes and columns of other rows."""
    words: dict[str, Any] = {"label": label, "like": like, "encoding": encoding, "header": header, "min_classes": 1}
    words["groups"] = groups or []
    if like.modality == "text":
        return read_text(str(path), text=like.fields["text"], **words)
    return read_table(str(path), **words)


def real_names(finished: Path) -> list[str]:
    return [row["row_id"] for row in read_ledger(finished / "dataset" / "ledger.csv") if row["source"] == REAL]


def read_review(finished: Path) -> dict[str, str]:
    """Row -> decision of review.csv, beside the dataset or in run/; empty where nobody has looked yet.

    A row is its row_id, or for tables what it was made as, where the file says so. Raises DataError naming every
    line that is not understood.
    """
    decisions = read_decisions(review_path(finished))
    return {row: decision.answer for row, decision in decisions.items()}


def pin_review(review_of: Path, dataset_of: Path) -> None:
    """Write into the review.csv of one run what its row numbers mean in the dataset of another, or of the same.

    A merge gives the numbers of a table to other rows; the verdicts stay with the rows they were said of.
    """
    if is_table(dataset_of / "dataset"):
        pin_rows(review_path(review_of), row_names(dataset_of / "dataset" / "ledger.csv", tabular=True))


def made_rows(finished: Path, looked: Looked) -> LabelledData:
    """The made train rows of a finished run, in ledger order, with the row ids of the ledger."""
    rows = aligned(looked.source.data, looked.train, "dataset")
    rows = rows[(rows.origin != REAL) & (looked.source.split == "train")]
    return replace(rows, ids=np.array([row_id.removeprefix("train/") for row_id in rows.ids.tolist()], dtype=str))


def names_of_rows(
    finished: Path, reviewed: dict[str, str], conditions: Conditions, name_row: Callable[[str, str, int], str]
) -> dict[str, str]:
    """A review of a table, by row number or what rows were made as, by the names that rows carry while drawn."""
    ledger = {row["row_id"]: row for row in read_ledger(finished / "dataset" / "ledger.csv")}
    pinned = {row: line_of(row) for row in reviewed if row.startswith("[")}
    if unknown := sorted(set(reviewed) - set(ledger) - set(pinned)):
        raise DataError("review.csv speaks of rows that the dataset does not have", unknown)
    if unknown := [row for row, line in pinned.items() if conditions.of_line(line) not in conditions.names]:
        raise DataError("review.csv speaks of rows of a class or group that this run does not have", unknown)
    lines = {row: ledger[row] for row in reviewed if row in ledger and ledger[row]["source"] != REAL} | pinned
    return {
        name_row(conditions.of_line(line), line["sampler"], int(line["index"])): reviewed[row_id]
        for row_id, line in lines.items()
    }


def read_sets(paths: list[Path], like: LabelledData, label: str) -> tuple[dict[str, LabelledData], tuple[Finding, ...]]:
    """The made rows of each path, read as `like` is (size, channels, columns, classes), by a name of their own.

    Where a source says which of its rows are real (a balanced data set), only the others are taken.
    """
    sets: dict[str, LabelledData] = {}
    findings: tuple[Finding, ...] = ()
    for number, path in enumerate(paths, 1):
        name = (
            path.name if [p.name for p in paths].count(path.name) == 1 else f"{number}: {path.parent.name}/{path.name}"
        )
        read = read_like(path, like, label)
        rows = aligned(read.data, like, name)
        sets[name] = as_made(rows[rows.origin != REAL] if (rows.origin != REAL).any() else rows)
        findings += read.quarantine
    return sets, findings


def as_made(rows: LabelledData) -> LabelledData:
    """Rows that another tool made: none is taken for a real one, whatever its name."""
    return replace(rows, origin=np.full(len(rows), SYNTHETIC), parent=np.full(len(rows), ""))


def read_like(path: Path, like: LabelledData, label: str) -> Source:
    """A source read with the image size, or the columns and classes, of other rows."""
    if like.schema.tabular:
        return _read_tabular(path, label, like.schema)
    if like.schema.modality == "audio":
        return read_path(str(path), label=label, min_classes=1, **_as_sounds(like.schema.fields))
    return read_path(str(path), label=label, image_size=image_size(like), min_classes=1)


def real_sides(
    source: Source, test: Path | None, label: str, fractions: tuple[float, float, float], seed: int
) -> tuple[LabelledData, LabelledData, LabelledData]:
    """(train, val, test) real rows of `evaluate`: test from its own path, or from the source's split, or carved."""
    real = source.data.origin == REAL
    rows, given = source.data[real], source.split[real]
    if test is None:
        split = split_rows(rows, fractions, rng.child(seed, "split"), given)
        return rows[split == "train"], rows[split == "val"], rows[split == "test"]
    held_out = aligned(read_like(test, rows, label).data, rows, test.name)
    rows, given = rows[given != "test"], given[given != "test"]
    return *with_val(rows, given, seed), held_out[held_out.origin == REAL]


def with_val(rows: LabelledData, given: np.ndarray, seed: int) -> tuple[LabelledData, LabelledData]:
    """(train, val) of rows whose test side lies elsewhere: val as `given` (N,) says, else a tenth."""
    split = split_rows(rows, (0.9, 0.1, 0.0), rng.child(seed, "split"), given)
    return rows[split == "train"], rows[split == "val"]


def aligned(data: LabelledData, like: LabelledData, name: str) -> LabelledData:
    """The same rows with class indices and channels of `like`; DataError for unknown classes."""
    if data.schema.modality != like.schema.modality:
        raise DataError(f"{name} holds rows of kind {data.schema.modality}, the real data {like.schema.modality}")
    unknown = sorted(set(data.schema.classes) - set(like.schema.classes))
    if unknown:
        raise DataError(f"{name} has classes that the real data lacks", unknown)
    table = np.array([like.schema.index(c) for c in data.schema.classes])
    if like.schema.modality != "image":
        return replace(data, y=table[data.y], schema=like.schema)
    x = data.x
    channels = like.schema.fields["channels"] if "channels" in like.schema.fields else x.shape[1]
    if x.shape[1] < channels:
        x = np.repeat(x, channels, axis=1)
    if x.shape[1] > channels:
        raise DataError(f"{name} is in colour, the real data is grey")
    return replace(data, x=x, y=table[data.y], schema=like.schema)


def image_size(rows: LabelledData) -> tuple[int, int] | None:
    """(height, width) of images, None for other rows."""
    return (rows.x.shape[2], rows.x.shape[3]) if rows.schema.modality == "image" else None
