"""Read this first: the whole walk, plain objects in, paths out.

source -> explore -> split -> train (codec, generator, bundle) -> plan, sample, filter, merge
       -> evaluate on the locked test split -> dataset, report

Every function here is one verb of the command line; `cli.py` only turns words into a `Job`.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gensynth import __version__, rng
from gensynth.assess import Trial, advise_amount, assess_made, probe_counts, rank_sets, shown, transform_facts
from gensynth.balancing import export
from gensynth.balancing.draw import FORMATS, write_samples
from gensynth.balancing.filters import Filter, Reference, looks_at
from gensynth.balancing.ledger import csv_text
from gensynth.balancing.merge import SMALL_CLASS, Filled, fill
from gensynth.balancing.plan import Amount, resolve_counts, resolve_target
from gensynth.balancing.table_export import write_table_dataset
from gensynth.data.audio import mel_pixels
from gensynth.data.codec import CODECS, Codec, fit_codec
from gensynth.data.explore import explore as look_at
from gensynth.data.explore import explore_lines, quarantine_csv, shared_rows
from gensynth.data.finding import tell
from gensynth.data.image import first_tiles
from gensynth.data.source import Source
from gensynth.data.sources import read_path
from gensynth.data.split import cut_long_tail, split_rows
from gensynth.data.text_source import read_text
from gensynth.errors import DataError, UsageError, nearest
from gensynth.evaluation.appraisal import appraiser
from gensynth.evaluation.score import nearest_pictures, wall_pictures
from gensynth.models.generator import Generator, TrainingRows
from gensynth.models.judges import fit_judge
from gensynth.provenance.card import data_card, model_card
from gensynth.provenance.croissant import croissant
from gensynth.report.report import Pictures, write_report
from gensynth.report.samples import column_bars, sample_rows, sample_sounds, sample_texts
from gensynth.reread import (
    Looked,
    image_size,
    names_of_rows,
    read_review,
    read_sets,
    read_state,
    real_names,
    real_sides,
    reread,
)
from gensynth.rundir import RunFolder, digest, say
from gensynth.samplers.audio import SafeAudio
from gensynth.samplers.generator import GeneratorSampler
from gensynth.samplers.image_transforms import ImageTransforms
from gensynth.samplers.jitter import Jitter
from gensynth.samplers.sampler import Sampler, check_modality, wants_generator
from gensynth.samplers.text import SafeText
from gensynth.training.bundle import (
    FORMAT,
    Bundle,
    file_sha256,
    load_bundle,
    manifest_of,
    replace_folder,
    save_bundle,
)
from gensynth.training.checkpoint import write_atomically
from gensynth.training.fit import FitResult, TrainerSettings, build, fit
from gensynth.training.loggers import close_loggers, make_loggers, read_curves
from gensynth.types import REAL, LabelledData, Schema


@dataclass(frozen=True)
class DataSettings:
    """Where the rows come from and how they are split. `long_tail` (first, last) cuts train for experiments."""

    name: str
    read: Callable[[], Source]
    split: tuple[float, float, float]
    long_tail: tuple[int, int] | None
    subject: str


@dataclass(frozen=True)
class ModelSettings:
    """The generator's file name in gensynth/models/, its class and the numbers its constructor takes."""

    name: str
    make: type[Generator]
    params: dict


@dataclass(frozen=True)
class Job:
    """Everything one run was told, as plain objects."""

    verb: str
    data: DataSettings
    model: ModelSettings
    trainer: TrainerSettings
    logger: str
    sampler: Sampler
    fallback: Sampler
    filters: list[Filter]
    export_original: bool
    utility_run: bool
    utility_seeds: int
    utility_steps: int
    inception: bool
    target: Amount
    symmetric: bool
    seed: int
    out: Path
    strict: bool
    resume: bool
    resume_command: str
    config: dict  # resolved and free of paths, for the record

    def open_out(self) -> RunFolder:
        return RunFolder(self.out, self.verb, self.resume, self.resume_command)


Sides = tuple[LabelledData, LabelledData, LabelledData]  # train, val, test: real rows


def explore(job: Job) -> dict:
    """Look at the data and write explore.json; returns its facts."""
    with job.open_out() as run:
        return look(job, run).facts


def train(job: Job) -> Path:
    """Train one generator; returns the folder of its bundle."""
    with job.open_out() as run:
        looked = look(job, run)
        check_learnable(looked.train.schema)
        _train(job, run, looked, time.monotonic())
    return job.out / "generator"


def check_learnable(schema: Schema) -> None:
    """UsageError where no generator learns rows of this kind."""
    if schema.modality not in CODECS:
        raise UsageError(
            f"no generator learns rows of kind {schema.modality}; balance with sampler=NAME makes classical ones"
        )


def balance(job: Job) -> dict:
    """The main job; returns the facts of report.json."""
    with job.open_out() as run:
        looked = look(job, run)
        for sampler in (job.sampler, job.fallback):
            check_modality(sampler, looked.train.schema)
        bundle = None
        if wants_generator(job.sampler):
            job.sampler.check(looked.train.schema, job.model.params)
            bundle = _train(job, run, looked, time.monotonic())
        state = {
            "seed": job.seed,
            "target": job.target,
            "symmetric": job.symmetric,
            "data": job.data.name,
            "utility_run": job.utility_run,
            "utility_seeds": job.utility_seeds,
            "utility_steps": job.utility_steps,
            "inception": job.inception,
            "test_opened": 0,
            "source_sha256": looked.source.sha256,
            "label": looked.train.schema.fields.get("label", "label"),
            "classes": looked.train.schema.classes,
            "modality": looked.train.schema.modality,
            "fields": looked.train.schema.fields,
            "image_size": image_size(looked.train),
            "explore": looked.facts,
            "quarantined": len(looked.source.quarantine),
        }
        _write_json(run.path / "run" / "state.json", state)
        return _balance(job, run, looked, _sampler(job, bundle, looked), bundle, reviewed={})


def merge(job: Job, finished: Path) -> dict:
    """Filter, merge, export and evaluate a finished run again, without training, honouring its review.csv.

    Writes in place unless `job.out` is another folder.
    """
    state = read_state(finished)
    bundle = load_bundle(finished / "generator") if (finished / "generator").is_dir() else None
    reviewed = read_review(finished)
    looked = reread(finished, bundle, state)
    if real := [f"{row} is real" for row in real_names(finished) if reviewed.get(row) == "reject"]:
        raise DataError("review.csv rejects real rows, which are never dropped", real)
    if looked.train.schema.tabular:
        reviewed = names_of_rows(finished, reviewed, export.made_row_name(looked.train.schema, state["seed"]))
    job = replace(
        job,
        seed=state["seed"],
        target=state["target"],
        symmetric=state.get("symmetric", False),
        data=replace(job.data, name=state["data"]),
        utility_run=state.get("utility_run", True),
        utility_seeds=state["utility_seeds"] or 5,
        inception=state.get("inception", False),
        utility_steps=state["utility_steps"],
    )
    config = json.loads((finished / "run" / "config.json").read_text(encoding="utf-8"))
    _check_same_sampler(config.get("sampler"), job.config.get("sampler"), config.get("sampler_choice", ""))
    sampler = _sampler(job, bundle, looked)
    with job.open_out() if job.out != finished else _InPlace(finished) as run:
        if job.out != finished:
            _carry_over(finished, job.out)
        same = {"sampler_choice": config.get("sampler_choice", "")}  # rows are made as they were
        _write_json(run.path / "run" / "config.json", config | job.config | same)
        return _balance(job, run, looked, sampler, bundle, reviewed)


def _check_same_sampler(before: dict | None, now: dict | None, choice: str) -> None:
    """UsageError unless rows are made as they were: their names, by which a review knows them, would stay the same."""
    if before and now and before != now:
        name = choice or str(before["_target_"]).split(".")[-2]
        settings = " ".join(f"sampler.{key}={value}" for key, value in before.items() if now.get(key) != value)
        settings = settings.replace(f"sampler._target_={before['_target_']}", f"sampler={name}")
        raise UsageError(f"this run was made with other words; give them to merge as well: {settings}")


def _carry_over(finished: Path, out: Path) -> None:
    """Copy what a merge into another folder does not make anew."""
    for name in (
        "explore.json",
        "review.csv",
        "run/state.json",
        "run/split.csv",
        "run/quarantine.csv",
        "run/metrics.csv",
        *(p.relative_to(finished).as_posix() for p in (finished / "run" / "samples").glob("*.png")),
        "run/review.csv",
    ):
        if (finished / name).is_file():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(finished / name, out / name)
    if (finished / "generator").is_dir():
        shutil.copytree(finished / "generator", out / "generator", dirs_exist_ok=True)


def _sampler(job: Job, bundle: Bundle | None, looked: Looked) -> Sampler:
    """The sampler of the words, with the trained generator where it wants one, fitted on train rows."""
    if wants_generator(job.sampler):
        if bundle is None:
            raise UsageError(
                f"sampler={job.sampler.name} works with a trained generator, and this run has none; "
                "name the sampler it was made with: sampler=NAME"
            )
        job.sampler.use(bundle)
    return job.sampler.fit(looked.train)


def sample(generator: Path, counts: Amount, seed: int, kind: str, run_folder: Callable[[], RunFolder]) -> Path:
    """Draw unfiltered rows from a bundle; returns the output folder."""
    bundle = load_bundle(generator)
    known = FORMATS[bundle.schema.modality]
    kind = kind or known[0]
    if kind not in known:
        raise UsageError(f"format={kind}: rows of kind {bundle.schema.modality} are written as {' or '.join(known)}")
    plan = resolve_counts(counts, bundle.schema)
    for label, count in plan.items():
        if count and bundle.facts["train_counts"][label] < SMALL_CLASS:
            rows = bundle.facts["train_counts"][label]
            say(f'warning: class "{label}" had {rows} training rows, too few to learn it')
    with run_folder() as run:
        staged = run.path / ".staged"
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir()
        write_samples(staged, kind, GeneratorSampler().use(bundle), plan, seed, _counter(sum(plan.values())))
        os.sync()
        for path in sorted(staged.iterdir()):
            target = run.path / path.name
            if target.is_dir():  # from an earlier try that was killed between these moves
                shutil.rmtree(target)
            path.replace(target)
        staged.rmdir()
    return run.path


def evaluate(job: Job, real: Path, test: Path | None, synthetic: list[Path], label: str, text: str) -> dict:
    """Score synthetic sets from any tool against real rows; several sets are ranked, best first.

    text  column of texts, where the rows are texts
    """
    with job.open_out() as run:
        with run.step("read"):
            source = read_text(str(real), text=text, label=label) if text else read_path(str(real), label=label)
            train_rows, val_rows, test_rows = real_sides(source, test, label, job.data.split, job.seed)
            sets, findings = read_sets(synthetic, train_rows, label)
            findings += source.quarantine
        facts = _ranked(job, run, (train_rows, val_rows, test_rows), sets, len(findings))
        _write_text(run.path / "run" / "quarantine.csv", quarantine_csv(findings))
    return facts


def evaluate_sets(job: Job, sides: Sides, sets: dict[str, LabelledData]) -> dict:
    """`evaluate` for rows in memory."""
    with job.open_out() as run:
        return _ranked(job, run, sides, sets, 0)


def _ranked(job: Job, run: RunFolder, sides: Sides, sets: dict[str, LabelledData], left_out: int) -> dict:
    """Score, rank and report; `left_out` files could not be read."""
    train, val, test = sides
    with run.step("evaluate"):
        job = replace(job, fallback=fallback_of(train.schema))
        scores, order, yardstick = rank_sets(trial_of(job, train, val, test), sets)
    best = sets[order[0]]
    facts = {
        **scores,
        "bias": {},
        "data": {"name": order[0], "ranking": order},
        "timing": run.timing,
        "provenance": {"version": __version__, "seed": job.seed, "test_opened": 1},
        "warnings": [
            *shared_rows_warning(shared_rows(LabelledData.concat([train, val]), test)),
            *_quarantined(left_out),
            *_absent(sets, train.schema.classes),
            *scores["warnings"],
        ],
    }
    write_report(job.out, facts, pictures_of(train, best, {}, *shown(yardstick, best)))
    return facts


def train_in_memory(job: Job, rows: LabelledData) -> Bundle:
    """A generator trained on rows in memory, a tenth of each class kept aside to watch it; no file stays."""
    split = split_rows(rows, (0.9, 0.1, 0.0), rng.child(job.seed, "split"), np.full(len(rows), ""), None)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        sides = rows[split == "train"], rows[split == "val"]
        train_generator(job, *sides, rows.content_hashes()[0], out, time.monotonic())
        return load_bundle(out / "generator", job.model.make)


def fallback_of(schema: Schema) -> Sampler:
    """The classical sampler of a modality, at its usual settings."""
    if schema.modality == "table":
        return Jitter(0.1)
    if schema.modality == "text":
        return SafeText()
    if schema.modality == "audio":
        return SafeAudio()
    return ImageTransforms(10.0, 0.12, 0.1, False)


def trial_of(job: Job, train: LabelledData, val: LabelledData, test: LabelledData) -> Trial:
    """What a comparison of arms needs of a job, for these real rows."""
    return Trial(
        train=train,
        val=val,
        test=test,
        fallback=job.fallback,
        seed=job.seed,
        seeds=job.utility_seeds,
        steps=job.utility_steps,
        utility=job.utility_run,
        inception=job.inception,
        progress=say,
    )


def _absent(sets: dict[str, LabelledData], classes: tuple[str, ...]) -> list[dict[str, str]]:
    """A line for every set that lacks a class of the real rows."""
    lacking = {name: [c for c, n in zip(classes, made.counts(), strict=True) if not n] for name, made in sets.items()}
    return [
        {"code": "class_missing", "text": f"{name} has no rows of {', '.join(absent[:10])}: scored without them"}
        for name, absent in lacking.items()
        if absent
    ]


def _latent_nats(history: dict[str, list[tuple[int, float]]]) -> float | str:
    """What the latent told of a row when it was last logged; empty for a model without an encoder."""
    return round(history["train/loss_kl"][-1][1], 4) if "train/loss_kl" in history else ""


def shared_rows_warning(count: int) -> list[dict[str, str]]:
    text = f"{count} rows of val or test lie in train as well: every score on them flatters"
    return [{"code": "shared_rows", "text": text}] if count else []


def _opened(times: int) -> list[dict[str, str]]:
    text = f"the test rows have been looked at {times} times in this run: what was chosen by them flatters"
    return [{"code": "test_opened", "text": text}] if times > 1 else []


def _quarantined(count: int) -> list[dict[str, str]]:
    text = f"{count} files were left out; see run/quarantine.csv"
    return [{"code": "quarantined", "text": text}] if count else []


class _InPlace(RunFolder):
    """A finished run that is written again; its parts are replaced one by one, each atomically."""

    def __init__(self, folder: Path) -> None:
        self.path, self.verb, self.resumed, self.timing = folder, "merge", True, {}


def look(job: Job, run: RunFolder) -> Looked:
    """Read, split and write what a person should see before anything is trained."""
    with run.step("read"):
        source = job.data.read()
    if job.strict and source.quarantine:
        raise DataError("strict=true and some files cannot be used", tell(source.quarantine))
    with run.step("explore"):
        subject = _subject(source, job.data.subject)
        split = split_rows(source.data, job.data.split, rng.child(job.seed, "split"), source.split, subject)
        source, split = _cut(source, split, job)
        facts = look_at(source, split)
    resolve_target(job.target, np.ones(len(source.data.schema.classes), int), source.data.schema)
    real = source.data.origin == REAL
    parts = {name: source.data[real & (split == name)] for name in ("train", "val", "test")}
    if (parts["train"].counts() == 0).any():
        empty = [c for c, n in zip(source.data.schema.classes, parts["train"].counts(), strict=True) if not n]
        raise DataError("classes without a real training row", [f'class "{c}"' for c in empty])
    if not real.all():
        facts["notes"] = [*facts["notes"], f"{int((~real).sum())} rows that are not real were set aside"]
    _write_json(run.path / "explore.json", facts)
    _write_text(run.path / "run" / "quarantine.csv", quarantine_csv(source.quarantine))
    _write_text(run.path / "run" / "split.csv", csv_text(("row_id", "split"), zip(source.data.ids, split, strict=True)))
    _write_json(run.path / "run" / "config.json", job.config)
    say("\n".join(explore_lines(facts)))
    return Looked(source, facts=facts, quarantined=len(source.quarantine), **parts)


def _subject(source: Source, column: str) -> np.ndarray | None:
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
    return replace(source, data=source.data[keep], split=source.split[keep]), split[keep]


def _train(job: Job, run: RunFolder, looked: Looked, started: float) -> Bundle:
    with run.step("train"):
        return trained(job, run.path, looked, started, resume=run.resumed)


def trained(job: Job, out: Path, looked: Looked, started: float, *, resume: bool) -> Bundle:
    """The bundle in out/generator, trained now unless an earlier try of the same run had finished it."""
    folder = out / "generator"
    if not (resume and (folder / "manifest.json").exists()):
        train_generator(job, looked.train, looked.val, looked.source.sha256, out, started, resume=resume)
    bundle = load_bundle(folder, job.model.make)
    if bundle.facts["training"]["run"] != _identity(job, looked.train, looked.source.sha256):
        raise UsageError("the unfinished run was started with other settings or other data; use another out=")
    return bundle


def train_generator(
    job: Job,
    real: LabelledData,
    val: LabelledData,
    source_sha256: str,
    out: Path,
    started: float,
    *,
    resume: bool = False,
) -> None:
    """Fit codec and generator on real train rows; writes out/generator and out/run.

    val      real rows by which a model may choose among its own states; may be empty
    started  time.monotonic() from which trainer.max_minutes counts
    """
    codec = fit_codec(real)
    rows, watched = (TrainingRows(codec.encode(side.x), torch.from_numpy(side.y)) for side in (real, val))
    module = build(lambda: _module(job, codec, len(real)), job.seed)
    identity = _identity(job, real, source_sha256)
    loggers = make_loggers(job.logger, out / "run", out.name, job.config)
    try:
        result = fit(
            module,
            rows,
            watched,
            job.trainer,
            seed=job.seed,
            folder=out / "run",
            run=identity,
            classes=real.schema.classes,
            picture=codec.picture,
            decode=codec.decode,
            appraise=appraiser(real, val, job.seed),
            loggers=loggers,
            started=started,
            resume=resume,
        )
    finally:
        close_loggers(loggers, out / "run")
    facts = _bundle_facts(job, real, source_sha256, codec, result, identity)
    save_bundle(out / "generator", module.cpu(), facts, model_card(_card_facts(facts)))


def _module(job: Job, codec: Codec, num_rows: int) -> Generator:
    try:
        return job.model.make(codec.space, num_rows, **job.model.params)
    except (TypeError, ValueError, RuntimeError, ZeroDivisionError) as error:
        raise UsageError(f"model={job.model.name}: {error}") from None


def _identity(job: Job, real: LabelledData, source_sha256: str) -> str:
    """What two runs must share for one to continue the other."""
    return digest(
        [
            job.model.name,
            job.model.params,
            job.trainer.label_power,
            *(job.trainer.choose, job.trainer.devices, job.trainer.accumulate),
            source_sha256,
            job.seed,
            real.ids.tolist(),
        ]
    )


def _bundle_facts(
    job: Job, real: LabelledData, source_sha256: str, codec: Codec, result: FitResult, identity: str
) -> dict:
    schema = real.schema
    return {
        "format": FORMAT,
        "data": job.data.name,
        "gensynth": __version__,
        "model": job.model.name,
        "params": job.model.params,
        "num_rows": len(real),
        "modality": schema.modality,
        "classes": list(schema.classes),
        "fields": schema.fields,
        "codec": codec.state(),
        "source_sha256": source_sha256,
        "seed": job.seed,
        "train_counts": dict(zip(schema.classes, real.counts().tolist(), strict=True)),
        "training": {
            "run": identity,
            "schedule": result.schedule.to_json(),
            "samples_seen": result.schedule.total_samples,
            "latent_nats": _latent_nats(result.history),
            "coverage": {name: round(value, 4) for name, value in result.coverage.items()},
            "collapsed": result.collapsed,
        },
    }


def _card_facts(facts: dict) -> dict:
    return {
        "name": facts["data"],
        "model": facts["model"],
        "train_counts": facts["train_counts"],
        "seed": facts["seed"],
        "source_sha256": facts["source_sha256"],
        "version": facts["gensynth"],
        "config": facts["params"],
        "samples_seen": facts["training"]["samples_seen"],
        "latent_nats": facts["training"]["latent_nats"],
    }


def _balance(
    job: Job, run: RunFolder, looked: Looked, sampler: Sampler, bundle: Bundle | None, reviewed: dict[str, str]
) -> dict:
    """From a fitted sampler to dataset and report."""
    real = looked.train
    draw = drawing(job, looked, sampler)
    trial = trial_of(job, real, looked.val, looked.test)
    with run.step("how much"):
        advice = advise_amount(trial, lambda needed: draw(needed, {}).rows)
    say(advice["sentence"])
    plan = resolve_target(job.target, real.counts(), real.schema, advice["amount"], job.symmetric)
    needed = {name: plan[name] - int(n) for name, n in zip(real.schema.classes, real.counts(), strict=True)}
    with run.step("sample and filter"):
        filled = draw(needed, reviewed)
        probe = draw(probe_counts(real, needed), {}).rows if sampler.label_policy == "conditional" else real[:0]
    with run.step("evaluate"):
        opened = _count_opening(run)
        scores, realism, plane = assess_made(trial, filled.rows, needed, probe, how_much(needed))
        transform = transform_facts(trial, sampler, filled.rows)
    scores |= {key: transform[key] for key in ("operations", "robustness")}
    scores["warnings"] += transform["left_out"]
    scores["how_much"] = advice
    facts = _facts(job, run, looked, plan, filled, sampler, bundle, scores, opened)
    with run.step("write dataset"):
        _write_dataset(job, run, looked, filled, sampler, bundle, facts, reviewed)
    facts["provenance"]["dataset_sha256"] = file_sha256(run.path / "dataset" / "manifest.json")
    curves = read_curves(run.path / "run" / "metrics.csv")
    pictures = pictures_of(real, filled.rows, curves, realism, plane)
    write_report(run.path, facts, replace(pictures, lapse=_time_lapse(run.path / "run" / "samples", real)))
    return facts


def _count_opening(run: RunFolder) -> int:
    """How often test rows have been looked at in this run, this time included; kept in run/state.json."""
    path = run.path / "run" / "state.json"
    state = json.loads(path.read_text(encoding="utf-8"))
    state["test_opened"] = state.get("test_opened", 1) + 1  # a run of an older version has opened them once
    _write_json(path, state)
    return state["test_opened"]


def how_much(needed: dict[str, int]) -> str:
    """What the plan adds, for the sentence of the verdict."""
    counts = [n for n in needed.values() if n]
    if not counts:
        return ""
    rows = f"{counts[0]} rows" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)} rows"
    return f"{rows} in each of {len(counts)} classes" if len(counts) > 1 else f"{rows} in one class"


def pictures_of(
    real: LabelledData, made: LabelledData, curves: dict, realism: np.ndarray, plane: dict[str, np.ndarray]
) -> Pictures:
    if real.schema.modality == "table":
        return Pictures({}, {}, curves, column_bars(real, made), sample_rows(real, made), plane)
    if real.schema.modality == "text":
        return Pictures({}, {}, curves, cells=sample_texts(real, made), plane=plane)
    if real.schema.modality == "audio":
        rate = real.schema.fields["sample_rate_hz"]
        pictures = [replace(side, x=mel_pixels(side.x, rate)) for side in (real, made)]
        walls, sounds = wall_pictures(*pictures, realism), sample_sounds(real, made)
        return Pictures(walls, nearest_pictures(*pictures), curves, plane=plane, sounds=sounds)
    return Pictures(wall_pictures(real, made, realism), nearest_pictures(real, made), curves, plane=plane)


def _time_lapse(folder: Path, real: LabelledData) -> dict[int, np.ndarray]:
    """The first sample of every class in each preview of the training, by samples seen; none for tables."""
    if real.schema.modality != "image":
        return {}
    height, width = real.x.shape[2:]
    previews = sorted(path for path in folder.glob("*.png") if path.stem.isdigit())
    return {int(path.stem): first_tiles(np.asarray(Image.open(path)), height, width) for path in previews}


def drawing(job: Job, looked: Looked, sampler: Sampler) -> Callable[[dict[str, int], dict[str, str]], Filled]:
    """Teach fallback and filters once: draw(needed, reviewed)."""
    real = looked.train
    fallback = job.fallback.fit(real)
    filters = [one for one in job.filters if looks_at(one, sampler)]
    if filters:
        judge = fit_judge(real, rng.child(job.seed, "filter judge"))
        for one in filters:
            one.learn(Reference(real, looked.val, judge))

    def draw(needed: dict[str, int], reviewed: dict[str, str]) -> Filled:
        return fill(
            needed,
            real,
            sampler,
            fallback,
            filters,
            seed=job.seed,
            rejected=frozenset(name for name, verdict in reviewed.items() if verdict == "reject"),
            name_row=export.made_row_name(real.schema, job.seed),
            progress=say,
        )

    return draw


def _facts(
    job: Job,
    run: RunFolder,
    looked: Looked,
    plan: dict[str, int],
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
            "after": plan[name],
            "real": counts["train"],
            "augmented": int((mine == "augmented").sum()),
            "synthetic": int((mine == "synthetic").sum()),
        }
    return {
        **scores,
        "bias": {},
        "data": {
            "name": job.data.name,
            "recognised": looked.facts["notes"][:1],
            "classes": classes,
            "advice": looked.facts["advice"],
            "notes": looked.facts["notes"],
        },
        "filters": filled.counts,
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
        "warnings": [
            *_opened(opened),
            *shared_rows_warning(sum(shared_rows(looked.train, side) for side in (looked.val, looked.test))),
            *_quarantined(looked.quarantined),
            *(_collapsed(bundle) if bundle else []),
            *filled.warnings,
            *scores["warnings"],
        ],
    }


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


def _write_dataset(
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
    provenance = export.Provenance(job.seed, sampler.name, sha256, reviewed)
    columns = ("params", "sampler", "filters", "index")
    blank = {c: np.full(len(looked.train), "", dtype="U1") for c in columns[:3]} | {
        "index": np.zeros(len(looked.train), int)
    }
    merged = LabelledData.concat([replace(looked.train, groups=blank), filled.rows])
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
    }

    def documents(folder: Path) -> dict[str, str]:
        files = [{"name": name, **entry} for name, entry in manifest_of(folder).items()]
        sizes = {"train": len(merged), "val": len(looked.val), "test": len(looked.test)}
        jsonld = croissant(job.data.name, files, sizes, merged.schema.classes, card)
        return {"README.md": data_card(card), "croissant.json": json.dumps(jsonld, indent=1, ensure_ascii=False) + "\n"}

    splits = {"train": merged, "val": looked.val, "test": looked.test}
    if looked.source.cells is not None:
        write_table_dataset(staged, splits, looked.source.cells, provenance, documents)
    else:
        originals = looked.source.files if job.export_original else looked.source.originals
        export.write_dataset(staged, splits, originals, provenance, documents)
    os.sync()
    replace_folder(staged, run.path / "dataset")


def _counter(total: int) -> Callable[[int], None]:
    """Progress of sampling, a line every tenth."""
    done = 0

    def count(rows: int) -> None:
        nonlocal done
        before, done = done, done + rows
        if before * 10 // max(total, 1) != done * 10 // max(total, 1):
            say(f"sampling: {done:,} of {total:,}")

    return count


def _write_json(path: Path, facts: object) -> None:
    _write_text(path, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: file.write(text.encode()))
