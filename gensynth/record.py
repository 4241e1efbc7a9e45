"""What a finished run leaves: facts of the report, warnings, pictures, the data set on disk."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

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
from gensynth.evaluation.score import nearest_pictures, wall_pictures
from gensynth.files import write_json, write_text
from gensynth.job import Job
from gensynth.provenance.documents import documents as documents_of
from gensynth.provenance.source_card import SourceCard
from gensynth.provenance.source_card import warnings as card_warnings
from gensynth.report.report import Pictures
from gensynth.report.samples import SHOWN
from gensynth.reread import (
    Looked,
)
from gensynth.rundir import RunFolder
from gensynth.samplers.sampler import Sampler
from gensynth.training.bundle import (
    Bundle,
    file_sha256,
    manifest_of,
    replace_folder,
)
from gensynth.trust import Trusted
from gensynth.types import LabelledData


def facts_of(
    job: Job,
    run: RunFolder,
    looked: Looked,
    filled: Filled,
    sampler: Sampler,
    bundle: Bundle | None,
    scores: dict,
    opened: int,
) -> dict:
    schema, made = looked.train.schema, filled.rows
    classes = {}
    for index, name in enumerate(schema.classes):
        mine = made.origin[made.y == index]
        counts = {split: int((data.y == index).sum()) for split, data in looked.splits().items()}
        classes[name] = {
            **counts,
            "before": counts["train"],
            "after": counts["train"] + len(mine),
            "real": counts["train"],
            "augmented": int((mine == "augmented").sum()),
            "synthetic": int((mine == "synthetic").sum()),
        }
    return {
        **scores,
        "data": {
            "name": job.data.name,
            "recognised": looked.facts["notes"][:1],
            "classes": classes,
            "advice": looked.facts["advice"],
            "notes": looked.facts["notes"],
        },
        "filters": filled.counts,
        "filter_reasons": filled.reasons,
        "timing": run.timing,
        "provenance": {
            "version": __version__,
            "seed": job.seed,
            "sampler": sampler.name,
            "source_sha256": looked.source.sha256,
            "generator_sha256": bundle.sha256 if bundle else "",
            "latent_nats": bundle.facts["training"]["latent_nats"] if bundle else "",
            "test_opened": opened,
        },
        "source_card": job.data.source_card.to_json(),
        "deidentified": list(looked.source.deidentified),
        "warnings": [
            *opened_warning(opened),
            *shared_rows_warning(sum(shared_rows(looked.train, side) for side in (looked.val, looked.test))),
            *quarantined_warning(looked.quarantined),
            *looked.warnings,
            *card_warnings(job.data.source_card),
            *(_collapsed(bundle) if bundle else []),
            *filled.warnings,
            *scores["warnings"],
        ],
    }


def write_dataset(
    job: Job,
    run: RunFolder,
    looked: Looked,
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
    blank = {c: np.full(len(looked.train), "", dtype="U1") for c in columns} | {
        "index": np.zeros(len(looked.train), int)
    }
    groups = {name: looked.train.groups[name] for name in job.data.groups}
    merged = LabelledData.concat([replace(looked.train, groups=blank | groups), filled.rows])
    card = {
        "name": job.data.name,
        "classes": facts["data"]["classes"],
        "verdict": facts["verdict"],
        "seed": job.seed,
        "source_sha256": looked.source.sha256,
        "generator_sha256": sha256,
        "model": sampler.name,
        "version": __version__,
        "samplers": {c: n["sampler"] for c, n in filled.counts.items()},
        "label_column": looked.train.schema.fields.get("label", "label"),
        "source_card": source.to_json() if source != SourceCard() else {},
        "columns": looked.train.schema.fields.get("columns", []),
        "deidentified": list(looked.source.deidentified),
        "quarantined": looked.quarantined,
        "resized": looked.source.resized,
        "filters": filled.counts,
        "split_sha256": file_sha256(run.path / "run" / "split.csv"),
        **{part: facts.get(part) for part in ("fidelity", "utility", "bias", "privacy", "integrity", "review")},
    }

    def documents(folder: Path) -> dict[str, str]:
        files = [{"name": name, **entry} for name, entry in manifest_of(folder).items()]
        sizes = {"train": len(merged), "val": len(looked.val), "test": len(looked.test)}
        return documents_of(card, files, sizes, merged.schema.classes)

    splits = {"train": merged, "val": looked.val, "test": looked.test}
    if looked.source.cells is not None:
        write_table_dataset(staged, splits, looked.source.cells, provenance, documents)
    else:
        originals = looked.source.files if job.export.original else looked.source.originals
        export.write_dataset(staged, splits, originals, provenance, documents)
    os.sync()
    replace_folder(staged, run.path / "dataset")


def pictures_of(
    real: LabelledData, made: LabelledData, curves: dict, realism: np.ndarray, plane: dict[str, np.ndarray]
) -> Pictures:
    shown = SHOWN.get(real.schema.modality, lambda real, made: {})(real, made)
    walls, nearest, see = {}, {}, sight_of(real.schema)
    if see is not None:
        sides = [replace(side, x=see(side.x)) for side in (real, made)]
        walls, nearest = wall_pictures(*sides, realism), nearest_pictures(*sides)
    return Pictures(walls, nearest, curves, plane=plane, **shown)


def time_lapse(folder: Path, real: LabelledData) -> dict[int, np.ndarray]:
    """The first sample of every class in each preview of the training, by samples seen; none for tables."""
    fields = real.schema.fields
    if "height" not in fields:
        return {}
    height, width = fields["height"], fields["width"]
    previews = sorted(path for path in folder.glob("*.png") if path.stem.isdigit())
    return {int(path.stem): first_tiles(np.asarray(Image.open(path)), height, width) for path in previews}


def shared_rows_warning(count: int) -> list[dict[str, str]]:
    text = f"{count} rows of val or test lie in train as well: every score on them flatters"
    return [{"code": "shared_rows", "text": text}] if count else []


def opened_warning(times: int) -> list[dict[str, str]]:
    text = f"the test rows have been looked at {times} times in this run: what was chosen by them flatters"
    return [{"code": "test_opened", "text": text}] if times > 1 else []


def quarantined_warning(count: int) -> list[dict[str, str]]:
    text = f"{count} files were left out; see run/quarantine.csv"
    return [{"code": "quarantined", "text": text}] if count else []


def absent_warning(sets: dict[str, LabelledData], classes: tuple[str, ...]) -> list[dict[str, str]]:
    """A line for every set that lacks a class of the real rows."""
    lacking = {name: [c for c, n in zip(classes, made.counts(), strict=True) if not n] for name, made in sets.items()}
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


def write_internal(run: Path, trusted: Trusted) -> None:
    """What names real rows beside made ones: run/internal/, which no data set holds."""
    folder = run / "run" / "internal"
    if trusted.nearest:
        lines = [line.values() for line in trusted.nearest]
        write_text(folder / "nearest.csv", csv_text(trusted.nearest[0], lines))
    if trusted.suspects:
        write_json(folder / "suspects.json", trusted.suspects)
