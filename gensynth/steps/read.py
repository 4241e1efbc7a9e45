"""The first step: read, split, and write what a person should see before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gensynth import rng
from gensynth.balancing.filters import check_filters
from gensynth.balancing.ledger import csv_text
from gensynth.balancing.plan import asks_for_cells, resolve_target
from gensynth.data.conditions import check_groups
from gensynth.data.explore import explore as look_at
from gensynth.data.explore import explore_lines, quarantine_csv
from gensynth.data.finding import tell
from gensynth.data.origin import check_origin
from gensynth.data.source import Source
from gensynth.data.split import cut_long_tail, split_rows
from gensynth.errors import DataError, UsageError, nearest
from gensynth.evaluation.bias.bias import audit_lines, audit_rows
from gensynth.files import write_json, write_text
from gensynth.progress import say
from gensynth.run_folder import RunFolder
from gensynth.steps.job import FILE, Job
from gensynth.types import REAL, LabelledData


@dataclass(frozen=True)
class SplitData:
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


def explore(job: Job) -> dict:
    """Look at the data and write explore.json; returns its facts."""
    with job.open_out() as run:
        return look(job, run).facts


def look(job: Job, run: RunFolder, source: Source | None = None) -> SplitData:
    """Read, split and write what a person should see before anything is trained."""
    if not run.resumed or not (run.path / FILE).is_file():  # of a resumed one when it is known to be the same run
        job.write()
    with run.step("read"):
        source = source or job.data.reader.make(**job.data.reader.params)
    if job.strict and source.quarantine:
        raise DataError("strict=true and some files cannot be used", tell(source.quarantine))
    with run.step("explore"):
        subject = subjects(source, job.data.subject or source.subject)
        seed, content = rng.child(job.seed, "split"), source.content_keys()
        split = split_rows(source.data, job.data.split, seed, source.split, subject, content)
        source = source.described_by(split == "train")
        source, split = _cut(source, split, job)
        facts = look_at(source, split)
    check_groups(source.data, job.data.groups)
    check_filters(job.filters, source.data.schema)
    if not asks_for_cells(job.target, source.data.schema):
        resolve_target(job.target, np.ones(len(source.data.schema.classes), int), source.data.schema)
    marked = check_origin(source.data, job.data.allow_synthetic or job.verb == "explore")
    real = source.data.origin == REAL
    parts = {name: source.data[real & (split == name)] for name in ("train", "val", "test")}
    if (parts["train"].counts() == 0).any():
        empty = [c for c, n in zip(source.data.schema.classes, parts["train"].counts(), strict=True) if not n]
        raise DataError("classes without a real training row", [f'class "{c}"' for c in empty])
    facts["notes"] = [*facts["notes"], *(line["text"] for line in marked)]
    if job.data.groups:
        facts["bias"] = audit_rows(parts["train"], job.data.groups, job.bias.favourable)
    write_json(run.path / "explore.json", facts)
    write_text(run.path / "run" / "quarantine.csv", quarantine_csv(source.quarantine))
    write_text(run.path / "run" / "split.csv", csv_text(("row_id", "split"), zip(source.data.ids, split, strict=True)))
    if job.verb != "explore":  # of which nothing is left that depends on a row, and which loads no network
        from gensynth.provenance.subjects import write_subjects

        write_subjects(run.path, source, facts["personal"], job.data.subject or source.subject)
    say("\n".join([*explore_lines(facts), *(audit_lines(facts["bias"]) if "bias" in facts else [])]))
    return SplitData(
        source,
        facts=facts,
        quarantined=len(source.quarantine),
        marked=source.data[~real],
        warnings=tuple(marked),
        **parts,
    )


def subjects(source: Source, column: str) -> np.ndarray | None:
    """Whose every row is, text (N,); None where no column says so. UsageError for a column that is not there."""
    if not column:
        return None
    if column not in source.data.groups:
        raise UsageError(f"data.subject={column} is not a column here; {nearest(column, source.data.groups)}")
    return source.data.groups[column]


def _cut(source: Source, split: np.ndarray, job: Job) -> tuple[Source, np.ndarray]:
    if job.data.long_tail is None:
        return source, split
    first, last = job.data.long_tail
    keep = cut_long_tail(
        source.data.y, split, first, last, len(source.data.schema.classes), rng.child(job.seed, "tail")
    )
    people = {name: cells[keep] for name, cells in source.people.items()}
    return replace(source, data=source.data[keep], split=source.split[keep], people=people), split[keep]
