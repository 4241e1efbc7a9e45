"""Rows read back: from a finished run, or from the sets that are compared; and what a run remembers of itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gensynth import rng
from gensynth.balancing.decisions import line_of, pin_rows, read_decisions, review_path, row_names
from gensynth.balancing.ledger import read_ledger
from gensynth.data.conditions import Conditions
from gensynth.data.finding import Finding
from gensynth.data.kinds import modality_of
from gensynth.data.source import Source
from gensynth.data.sources import read_path, refuse_keys
from gensynth.data.split import split_rows
from gensynth.data.table_names import is_table
from gensynth.data.table_source import read_table
from gensynth.data.text_source import read_text
from gensynth.errors import DataError, UsageError
from gensynth.files import restore_folder, write_json
from gensynth.progress import say
from gensynth.provenance.hashes import seal_run
from gensynth.steps.job import DataSettings
from gensynth.steps.read import SplitData
from gensynth.types import REAL, SYNTHETIC, LabelledData, Schema

if TYPE_CHECKING:
    from gensynth.training.bundle import Bundle

STATE = "run/state.json"
VAL_ALONE = (0.9, 0.1, 0.0)  # shares where the test side lies elsewhere


@dataclass(frozen=True)
class RunState:
    """What happened in a run so far and what its source was found to be, in run/state.json.

    test_opened  how often test rows have been looked at
    """

    test_opened: int
    quarantined: int
    source_sha256: str
    schema: Schema
    explore: dict[str, Any]
    deidentified: tuple[dict[str, Any], ...]
    resized: int

    @staticmethod
    def of(split_data: SplitData, test_opened: int) -> RunState:
        source, schema = split_data.source, split_data.train.schema
        facts = (source.sha256, schema, split_data.facts, tuple(source.deidentified))
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
        schema, deidentified = facts.pop("schema"), tuple(facts.pop("deidentified"))
        schema = Schema(schema["modality"], tuple(schema["classes"]), schema["fields"])
        return RunState(**facts, schema=schema, deidentified=deidentified)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{STATE} is damaged") from None


def finished_state(run: Path) -> RunState:
    """The state of a run with a data set; UsageError where there is none. A data set half renamed is put right."""
    restore_folder(run / "dataset")
    state = read_state(run)
    if state is None or not (run / "dataset").is_dir():
        raise UsageError(f"{run} is not a finished balance run (no dataset/ and {STATE} in it)")
    return state


def reread(finished: Path, bundle: Bundle | None, data: DataSettings) -> SplitData:
    """The real rows of a finished run, in ledger order and with their first names, from its own dataset.

    data  settings of the run
    """
    state, folder = finished_state(finished), finished / "dataset"
    like, label = state.schema, state.schema.fields.get("label", "label")
    groups = [*data.groups, *([data.subject] if data.subject else [])]
    source = modality_of(like).read_like(str(folder), like, label=label, groups=groups, written=True, form={})
    ledger = read_ledger(folder / "ledger.csv")
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
    return SplitData(source, train, val, test, state.explore, state.quarantined, marked=rows[:0])


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


def synthetic_rows(finished: Path, split_data: SplitData) -> LabelledData:
    """The synthetic train rows of a finished run, in ledger order, with the row ids of the ledger."""
    rows = aligned(split_data.source.data, split_data.train, "dataset")
    rows = rows[(rows.origin != REAL) & (split_data.source.split == "train")]
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


def read_sets(
    paths: list[Path], like: LabelledData, columns: Columns
) -> tuple[dict[str, LabelledData], tuple[Finding, ...]]:
    """The synthetic rows of each path, read as `like` is (size, channels, columns, classes), by a name of their own.

    Where a source says which of its rows are real (a balanced data set), only the others are taken.
    """
    sets: dict[str, LabelledData] = {}
    findings: tuple[Finding, ...] = ()
    for number, path in enumerate(paths, 1):
        name = (
            path.name if [p.name for p in paths].count(path.name) == 1 else f"{number}: {path.parent.name}/{path.name}"
        )
        read = read_like(drawn_file(path), like, columns)
        rows = aligned(read.data, like, name)
        sets[name] = as_synthetic(rows[rows.origin != REAL] if (rows.origin != REAL).any() else rows)
        findings += read.quarantine
    return sets, findings


def drawn_file(path: Path) -> Path:
    """The one file that holds the rows of a folder which `sample` wrote; other paths as they are."""
    if not (path / "ledger.csv").is_file():
        return path
    files = [file for file in path.glob("samples.*") if file.is_file()]
    return files[0] if len(files) == 1 else path


def as_synthetic(rows: LabelledData) -> LabelledData:
    """Rows that another tool made: none is taken for a real one, whatever its name."""
    return replace(rows, origin=np.full(len(rows), SYNTHETIC), parent=np.full(len(rows), ""))


def read_like(path: Path, like: LabelledData, columns: Columns) -> Source:
    """A source read with the image size, or the columns and classes, of other rows; what to know of it is said."""
    kind = modality_of(like.schema)
    read = kind.read_like(str(path), like.schema, label=columns.label, groups=[], written=False, form=columns.form)
    for note in read.notes[1:]:
        say(f"{path.name}: {note}")
    return read


@dataclass(frozen=True)
class Columns:
    """Where the labels of sets that are evaluated stand, where their texts, and how their tables are written.

    range  [low, high] of images of more than 8 bits; None: what the real ones span
    """

    label: str = "label"
    text: str = ""
    form: Mapping[str, Any] = field(default_factory=dict)
    range: Sequence[float] | None = None

    def read(self, path: Path, allow_lost: tuple[str, ...] = ()) -> Source:
        """The real rows at a path; `allow_lost`: classes of which rows may be left out."""
        if self.text or is_table(path):
            refuse_keys("a table", images={"range": self.range})
        if self.text:
            return read_text(str(path), text=self.text, label=self.label, allow_lost=allow_lost, **self.form)
        if is_table(path):
            return read_table(str(path), label=self.label, **self.form)
        return read_path(str(path), label=self.label, allow_lost=allow_lost, range=self.range)


def real_sides(
    source: Source, test: Path | None, columns: Columns, fractions: tuple[float, float, float], seed: int
) -> tuple[LabelledData, LabelledData, LabelledData]:
    """(train, val, test) real rows of `evaluate`: test from its own path, or from the source's split, or carved."""
    usable = (source.data.origin == REAL) & ((source.split != "test") | (test is None))
    shares = fractions if test is None else VAL_ALONE
    together = source.data.groups[source.subject][usable] if source.subject else None
    content, seed = source.content_keys()[usable], rng.child(seed, "split")
    split = split_rows(source.data[usable], shares, seed, source.split[usable], together, content)
    train = usable.copy()
    train[usable] = split == "train"
    rows = source.described_by(train).data[usable]
    parts = {name: rows[split == name] for name in ("train", "val", "test")}
    if test is not None:
        held_out = aligned(read_like(test, rows, columns).data, rows, test.name)
        parts["test"] = held_out[held_out.origin == REAL]
    return parts["train"], parts["val"], parts["test"]


def with_val(rows: LabelledData, given: np.ndarray, seed: int) -> tuple[LabelledData, LabelledData]:
    """(train, val) of rows whose test side lies elsewhere: val as `given` (N,) says, else a tenth."""
    split = split_rows(rows, VAL_ALONE, rng.child(seed, "split"), given)
    return rows[split == "train"], rows[split == "val"]


def aligned(data: LabelledData, like: LabelledData, name: str) -> LabelledData:
    """The same rows with class indices and channels of `like`; DataError for unknown classes."""
    kinds = data.schema.modality, like.schema.modality
    if kinds[0] != kinds[1]:
        raise DataError(f"{name} holds rows of kind {kinds[0]}, the real data {kinds[1]}")
    unknown = sorted(set(data.schema.classes) - set(like.schema.classes))
    if unknown:
        raise DataError(f"{name} has classes that the real data lacks", unknown)
    table = np.array([like.schema.index(c) for c in data.schema.classes])
    x = modality_of(like.schema).fitting(data.x, like.schema, name)
    return replace(data, x=x, y=table[data.y], schema=like.schema)


def count_opening(run: Path) -> int:
    """How often test rows have been looked at in this run, this time included; kept in run/state.json.

    A data set that stands is sealed with it at once: a merge in place may stop before it has another.
    """
    state = read_state(run)
    assert state is not None  # written before anything is drawn
    state = replace(state, test_opened=state.test_opened + 1)
    state.write(run)
    if (run / "dataset").is_dir():
        seal_run(run)
    return state.test_opened


def carry_over(finished: Path, out: Path) -> None:
    """Copy what a merge into another folder does not make anew."""
    for name in (
        "explore.json",
        "review.csv",
        "review_blind.csv",
        "run/job.json",
        "run/state.json",
        "run/split.csv",
        "run/quarantine.csv",
        "run/subjects.csv",
        "run/subjects.json",
        "run/metrics.csv",
        *(p.relative_to(finished).as_posix() for p in (finished / "run" / "samples").glob("*.png")),
        "run/review.csv",
    ):
        counted = name == "run/state.json" and (out / name).is_file()  # by an earlier try: test rows were opened
        if (finished / name).is_file() and not counted:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(finished / name, out / name)
    if (finished / "generator").is_dir():
        shutil.copytree(finished / "generator", out / "generator", dirs_exist_ok=True)
