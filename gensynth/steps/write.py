"""What a finished run leaves: facts of the report, warnings, pictures, the data set on disk."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gensynth import __version__
from gensynth.balancing import export
from gensynth.balancing.ledger import csv_text
from gensynth.balancing.merge import Filled
from gensynth.balancing.table_export import write_table_dataset
from gensynth.data.conditions import CELL
from gensynth.data.explore import shared_rows
from gensynth.data.image import first_tiles
from gensynth.data.kinds import sight_of
from gensynth.evaluation.assessment import Assessment, Internal, RealRows
from gensynth.evaluation.parts import Notice
from gensynth.files import file_sha256, manifest_of, replace_folder, write_json, write_text
from gensynth.provenance.documents import documents as documents_of
from gensynth.provenance.source_card import SourceCard
from gensynth.provenance.source_card import warnings as card_warnings
from gensynth.report.content import DataFacts, Report
from gensynth.report.figures import Curves, Pictures
from gensynth.report.samples import SHOWN, nearest_pictures, wall_pictures
from gensynth.run_folder import RunFolder
from gensynth.samplers.sampler import Sampler
from gensynth.steps.job import Job
from gensynth.steps.reopen import SplitData
from gensynth.training.bundle import Bundle
from gensynth.types import AUGMENTED, SYNTHETIC, LabelledData


def report_of(
    job: Job,
    run: RunFolder,
    split_data: SplitData,
    filled: Filled,
    sampler: Sampler,
    bundle: Bundle | None,
    found: Assessment,
    opened: int,
) -> Report:
    """What `balance` reports beside what was assessed; `opened`: how often test rows have been looked at."""
    card, notes = job.data.source_card, split_data.facts["notes"]
    return Report(
        assessment=found,
        data=replace(data_facts(job, split_data, filled.rows), recognised=notes[:1], notes=notes),
        filters=filled.counts,
        filter_reasons=filled.reasons,
        timing=with_arms(run.timing, found),
        provenance={
            "version": __version__,
            "seed": job.seed,
            "evaluate": job.evaluate.effort,
            "folds": job.evaluate.folds,
            "sampler": sampler.name,
            "source_sha256": split_data.source.sha256,
            "test_sha256": rows_sha256(split_data.test),
            "generator_sha256": bundle.sha256 if bundle else "",
            "latent_nats": bundle.facts["training"]["latent_nats"] if bundle else "",
            "test_opened": opened,
        },
        source_card=card.to_json(),
        deidentified=list(split_data.source.deidentified),
        warnings=[
            *warning("test_opened", opened, most=1),
            *shared_with_train(split_data),
            *warning("quarantined", split_data.quarantined),
            *split_data.warnings,
            *card_warnings(card),
            *(_collapsed(bundle) if bundle else []),
            *filled.warnings,
            *found.warnings,
        ],
    )


def with_arms(timing: Mapping[str, float], found: Assessment) -> dict[str, Any]:
    """Seconds of every step and, under "arms", of every arm's classifier where any was trained."""
    return {**timing, **({"arms": found.utility.seconds} if found.utility.seconds else {})}


def rows_sha256(rows: LabelledData) -> str:
    """sha256 over sorted (content hash, class): the same rows in another order or under other names hash alike."""
    labels = [rows.schema.classes[k] for k in rows.y.tolist()]
    lines = sorted(zip(rows.content_hashes().tolist(), labels, strict=True))
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()


def data_facts(job: Job, split_data: SplitData, added: LabelledData) -> DataFacts:
    """The data set as it came and as it is with added rows: rows of every class by split and by origin."""
    classes = {}
    for c, name in enumerate(split_data.train.schema.classes):
        counts = {split: int((rows.y == c).sum()) for split, rows in split_data.splits().items()}
        before, mine = counts["train"], added.origin[added.y == c]
        by_origin = {origin: int((mine == origin).sum()) for origin in (AUGMENTED, SYNTHETIC)}
        classes[name] = counts | {"before": before, "after": before + len(mine), "real": before} | by_origin
    return DataFacts(job.data.name, classes=classes, advice=split_data.facts["advice"])


def write_dataset(
    job: Job,
    run: RunFolder,
    split_data: SplitData,
    filled: Filled,
    sampler: Sampler,
    bundle: Bundle | None,
    facts: dict,
    reviewed: dict[str, str],
) -> None:
    """Stage the dataset beside its place and rename it there."""
    staged = run.path / ".dataset.tmp"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    sha256 = bundle.sha256 if bundle else ""
    source = job.data.source_card
    licence = source.licence if source != SourceCard() else ""
    provenance = export.Provenance(job.seed, sampler.name, sha256, reviewed, licence, job.data.groups)
    columns = ("params", "sampler", "filters", CELL)
    blank = {c: np.full(len(split_data.train), "", dtype="U1") for c in columns} | {
        "index": np.zeros(len(split_data.train), int)
    }
    groups = {name: split_data.train.groups[name] for name in job.data.groups}
    merged = LabelledData.concat([replace(split_data.train, groups=blank | groups), filled.rows])
    card = {
        "name": job.data.name,
        "classes": facts["data"]["classes"],
        "verdict": facts["verdict"],
        "seed": job.seed,
        "source_sha256": split_data.source.sha256,
        "generator_sha256": sha256,
        "model": sampler.name,
        "version": __version__,
        "samplers": {c: n["sampler"] for c, n in filled.counts.items()},
        "label_column": split_data.train.schema.fields.get("label", "label"),
        "source_card": source.to_json() if source != SourceCard() else {},
        "columns": split_data.train.schema.fields.get("columns", []),
        "deidentified": list(split_data.source.deidentified),
        "quarantined": split_data.quarantined,
        "resized": split_data.source.resized,
        "filters": filled.counts,
        "split_sha256": file_sha256(run.path / "run" / "split.csv"),
        **{part: facts.get(part) for part in ("fidelity", "utility", "bias", "privacy", "integrity", "review")},
    }

    def documents(folder: Path) -> dict[str, str]:
        files = [{"name": name, **entry} for name, entry in manifest_of(folder).items()]
        sizes = {"train": len(merged), "val": len(split_data.val), "test": len(split_data.test)}
        return documents_of(card, files, sizes, merged.schema.classes)

    splits = {"train": merged, "val": split_data.val, "test": split_data.test}
    if split_data.source.cells is not None:
        write_table_dataset(staged, splits, split_data.source.cells, provenance, documents)
    else:
        originals = split_data.source.files if job.export.original else split_data.source.originals
        export.write_dataset(staged, splits, originals, provenance, documents)
    os.sync()
    replace_folder(staged, run.path / "dataset")
    job.write()  # the job by which this data set was made


def pictures_of(
    real: LabelledData, synthetic: LabelledData, curves: Curves, realism: np.ndarray, plane: dict[str, np.ndarray]
) -> Pictures:
    pictures = Pictures(curves=curves, plane=plane)
    if real.schema.modality in SHOWN:
        pictures = replace(pictures, **SHOWN[real.schema.modality](real, synthetic))
    see = sight_of(real.schema)
    if see is None:
        return pictures
    real, synthetic = (replace(side, x=see(side.x)) for side in (real, synthetic))
    walls, nearest = wall_pictures(real, synthetic, realism), nearest_pictures(real, synthetic)
    return replace(pictures, walls=walls, nearest=nearest)


def time_lapse(folder: Path, real: LabelledData) -> dict[int, np.ndarray]:
    """The first sample of every class in each preview of the training, by samples seen; none for tables."""
    fields = real.schema.fields
    if "height" not in fields:
        return {}
    height, width = fields["height"], fields["width"]
    previews = sorted(path for path in folder.glob("*.png") if path.stem.isdigit())
    return {int(path.stem): first_tiles(np.asarray(Image.open(path)), height, width) for path in previews}


WARNINGS = {
    "shared_rows": "{} rows of val or test lie in train as well: every score on them flatters",
    "test_opened": "the test rows have been looked at {} times in this run: what was chosen by them flatters",
    "quarantined": "{} files were left out; see run/quarantine.csv",
}


def warning(code: str, count: int, most: int = 0) -> list[Notice]:
    """The warning of that code where there are more than `most`."""
    return [{"code": code, "text": WARNINGS[code].format(count)}] if count > most else []


def shared_with_train(split_data: SplitData) -> list[Notice]:
    held_out = (split_data.val, split_data.test)
    return warning("shared_rows", sum(shared_rows(split_data.train, side) for side in held_out))


def absent_warning(sets: Mapping[str, LabelledData], classes: tuple[str, ...]) -> list[dict[str, str]]:
    """A line for every set that lacks a class of the real rows."""
    lacking = {name: [c for c, n in zip(classes, rows.counts(), strict=True) if not n] for name, rows in sets.items()}
    return [
        {"code": "class_missing", "text": f"{name} has no rows of {', '.join(absent[:10])}: scored without them"}
        for name, absent in lacking.items()
        if absent
    ]


def _collapsed(bundle: Bundle) -> list[dict[str, str]]:
    """A line for every class whose samples lost their variety while training."""
    return [
        {
            "code": "collapse",
            "text": f'class "{event["class"]}": samples were {event["variety"]:.0%} as varied as real rows after '
            f"{event['samples_seen']:,} samples of training",
        }
        for event in bundle.facts["training"]["collapsed"]
    ]


def write_internal(run: Path, internal: Internal) -> None:
    """What names real rows beside synthetic ones: run/internal/, which no data set holds."""
    folder = run / "run" / "internal"
    if internal.nearest:
        lines = [line.values() for line in internal.nearest]
        write_text(folder / "nearest.csv", csv_text(tuple(internal.nearest[0]), lines))
    if internal.suspects:
        write_json(folder / "suspects.json", internal.suspects)


def ranking_report(
    job: Job,
    run: RunFolder,
    real: RealRows,
    sets: Mapping[str, LabelledData],
    found: Assessment,
    left_out: int,
) -> Report:
    """The report of sets from other tools; `left_out` files could not be read."""
    return Report(
        assessment=found,
        beside=True,
        data=DataFacts(found.best_name, ranking=list(found.sets)),
        timing=with_arms(run.timing, found),
        provenance={
            "version": __version__,
            "seed": job.seed,
            "evaluate": job.evaluate.effort,
            "test_sha256": rows_sha256(real.test),
            "test_opened": 1,
        },
        warnings=[
            *warning("shared_rows", shared_rows(real.seen, real.test)),
            *warning("quarantined", left_out),
            *absent_warning(sets, real.train.schema.classes),
            *found.warnings,
        ],
    )


@contextmanager
def staged_in(folder: Path) -> Iterator[Path]:
    """A folder beside the target whose parts move into `folder` at the end."""
    staged = folder / ".staged"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    yield staged
    os.sync()
    for path in sorted(staged.iterdir()):
        target = folder / path.name
        if target.is_dir():  # from an earlier try that was killed between these moves
            shutil.rmtree(target)
        path.replace(target)
    staged.rmdir()
