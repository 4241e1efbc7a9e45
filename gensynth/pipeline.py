"""Read this first: the whole walk, plain objects in, paths out.

source -> explore -> split -> train (codec, generator, bundle) -> plan, sample, filter, merge
       -> evaluate on the locked test split -> dataset, report

Every function here is one verb of the command line; `cli/` only turns a command line into a `Job`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gensynth.balancing.decisions import PASSED_OVER, check_rows
from gensynth.balancing.draw import write_samples
from gensynth.balancing.export import row_names
from gensynth.balancing.filters import check_filters
from gensynth.balancing.merge import SMALL_CLASS
from gensynth.balancing.plan import Amount, to_balance
from gensynth.data.conditions import Conditions
from gensynth.data.explore import quarantine_csv
from gensynth.data.kinds import modality_of, usual_format
from gensynth.data.source import Source
from gensynth.errors import DataError, GateError, UsageError
from gensynth.evaluation.assessment import RealRows
from gensynth.evaluation.utility.verdict import CANDIDATE, WITH_CLASSICAL
from gensynth.files import file_sha256, write_text
from gensynth.models.generator import Generator
from gensynth.progress import bar, say
from gensynth.provenance.guarantee import dp_facts, steps_of
from gensynth.provenance.hashes import seal_run
from gensynth.report.report import write_report
from gensynth.review.rates import fool_rate, review_gate
from gensynth.run_folder import InPlace, RunFolder
from gensynth.samplers.generator import GeneratorSampler
from gensynth.samplers.sampler import Sampler, check_modality, wants_generator
from gensynth.steps import reopen, write
from gensynth.steps.assess import advise_amount, assess, probe_counts, why_no_arms
from gensynth.steps.audit import refuse_biased
from gensynth.steps.choose import best_by_training
from gensynth.steps.draw import (
    THE_SET,
    by_class,
    conditions_of,
    counts_of,
    drawing,
    how_much,
    in_conditions,
    ready_sampler,
    real_rows,
    requested_counts,
    set_of,
    sets_to_assess,
    settings_of,
    shadow_trainer,
)
from gensynth.steps.folds import check_folds, folds_of
from gensynth.steps.job import Job
from gensynth.steps.read import SplitData, look
from gensynth.steps.read import explore as explore
from gensynth.steps.train import check_learnable, train_step
from gensynth.training.bundle import Bundle, load_bundle
from gensynth.training.loggers import read_curves
from gensynth.types import LabelledData


def train(job: Job) -> Path:
    """Train one generator; returns the folder of its bundle."""
    with job.open_out() as run:
        split_data = look(job, run)
        check_learnable(split_data.train.schema)
        train_step(job, run, in_conditions(split_data, conditions_of(job, split_data.train)), time.monotonic())
    return job.out / "generator"


def balance(job: Job, source: Source | None = None) -> dict:
    """The main job; returns the facts of report.json. `source` stands in for the reader of the job."""
    with job.open_out() as run:
        split_data = look(job, run, source)
        sampler: Sampler = job.sampler.build()
        for one in (sampler, *([job.fallback.build()] if job.fallback else [])):
            check_modality(one, split_data.train.schema)
        check_folds(job, split_data)
        conditions = conditions_of(job, split_data.train)
        bundle = None
        if wants_generator(sampler):
            sampler.check(split_data.train.schema, job.model.params)
            bundle = train_step(job, run, in_conditions(split_data, conditions), time.monotonic())
        earlier = reopen.read_state(run.path) if run.resumed else None
        reopen.RunState.of(split_data, earlier.test_opened if earlier else 0).write(run.path)
        sampler = ready_sampler(job, bundle, in_conditions(split_data, conditions))
        facts = _balance(job, run, split_data, conditions, sampler, bundle, reviewed={})
        seal_run(run.path)
    return facts


def merge(job: Job, finished: Path, model: type[Generator] | None = None) -> dict:
    """Filter, merge, export and evaluate a finished run again, without training, honouring its review.csv.

    Writes in place unless `job.out` is another folder.
    job    that of the run, with what this call changes
    model  class of the generator, where it is none of gensynth/models/
    """
    job = replace(job, evaluate=replace(job.evaluate, folds=1))  # folds would have to be trained
    bundle = load_bundle(finished / "generator", model) if (finished / "generator").is_dir() else None
    reviewed = reopen.read_review(finished)
    split_data = reopen.reread(finished, bundle, job.data)
    check_filters(job.filters, split_data.train.schema)
    if real := [f"{row} is real" for row in reopen.real_names(finished) if reviewed.get(row) in PASSED_OVER]:
        raise DataError("review.csv rejects real rows, which are never dropped", real)
    conditions = conditions_of(job, split_data.train)
    sampler = ready_sampler(job, bundle, in_conditions(split_data, conditions))
    name_row = row_names(conditions, job.seed)
    if modality_of(split_data.train.schema).in_files:
        makers = (sampler.name, job.fallback.build().name)
        check_rows(reviewed, finished / "dataset" / "ledger.csv", conditions.names, makers, name_row)
    else:
        reviewed = reopen.names_of_rows(finished, reviewed, conditions, name_row)
    with job.open_out() if job.out != finished else InPlace(finished) as run:
        if job.out != finished:
            reopen.carry_over(finished, job.out)
        reopen.pin_review(run.path, finished)
        facts = _balance(job, run, split_data, conditions, sampler, bundle, reviewed)
        seal_run(run.path)
    return facts


def sample(
    generator: Path,
    counts: Amount,
    seed: int,
    kind: str,
    run_folder: Callable[[], RunFolder],
    model: type[Generator] | None = None,
) -> Path:
    """Draw unfiltered rows from a bundle; returns the output folder.

    model  class of the generator, where it is none of gensynth/models/
    """
    bundle = load_bundle(generator, model)
    known = modality_of(bundle.schema).formats
    kind = kind or usual_format(bundle.schema)
    if kind not in known:
        raise UsageError(f"format={kind}: rows of kind {bundle.schema.modality} are written as {' or '.join(known)}")
    plan = counts_of(counts, bundle)
    for label, count in plan.items():
        rows = bundle.facts["train_counts"].get(label, SMALL_CLASS)  # a private bundle need not tell
        if count and rows < SMALL_CLASS:
            say(f'warning: class "{label}" had {rows} training rows, too few to learn it')
    dp = dp_facts(bundle.facts.get("guarantee", {}), steps_of(bundle.facts))
    if dp["claimed"]:
        say(dp["sentence"])
    with run_folder() as run, write.staged_in(run.path) as staged, bar("sampling", sum(plan.values())) as advance:
        write_samples(staged, kind, GeneratorSampler().use(bundle), plan, seed, advance)
    return run.path


def evaluate(job: Job, real: Path, test: Path | None, synthetic: list[Path], columns: reopen.Columns) -> dict:
    """Score synthetic sets from any tool against real rows; several sets are ranked, best first."""
    with job.open_out() as run:
        with run.step("read"):
            source = columns.read(real, job.data.allow_lost)
            sides = reopen.real_sides(source, test, columns, job.data.split, job.seed)
            sets, findings = reopen.read_sets(synthetic, sides[0], columns)
            findings += source.quarantine
        facts = _ranked(job, run, RealRows(*sides, val_seen=True), sets, len(findings))
        write_text(run.path / "run" / "quarantine.csv", quarantine_csv(findings))
    return facts


def evaluate_sets(job: Job, real: RealRows, sets: dict[str, LabelledData]) -> dict:
    """`evaluate` for rows in memory."""
    with job.open_out() as run:
        return _ranked(job, run, real, sets, 0)


def _ranked(job: Job, run: RunFolder, real: RealRows, sets: dict[str, LabelledData], left_out: int) -> dict:
    """Score, rank and report; `left_out` files could not be read."""
    missing = dict(zip(real.train.schema.classes, to_balance(real.train.counts()).tolist(), strict=True))
    settings = settings_of(job, real, missing)
    with run.step("evaluate"):
        settings = replace(settings, parts=settings.parts - {"bias", "labels"}, how_much="")
        found = assess(real, sets_to_assess(sets), settings, best_by_training)
    report = write.ranking_report(job, run, real, sets, found, left_out)
    write_report(job.out, report, write.pictures_of(real.train, sets[found.best_name], {}, *found.pictures))
    return report.to_json()


def _balance(
    job: Job,
    run: RunFolder,
    split_data: SplitData,
    conditions: Conditions,
    sampler: Sampler,
    bundle: Bundle | None,
    reviewed: dict[str, str],
) -> dict:
    """From a fitted sampler to dataset and report."""
    draw = drawing(job, split_data, sampler, conditions)
    real = real_rows(split_data)
    draw_classes = by_class(draw, conditions, real.train)
    with run.step("how much"):
        settings = settings_of(job, real, {})
        advice = advise_amount(real, settings, draw_classes)
    say(advice.sentence)
    requested = requested_counts(job, conditions, real.train, advice.amount)
    settings = replace(settings, needed=requested.by_class, how_much=how_much(requested.by_class))
    with run.step("sample and filter"):
        filled = draw(requested.rows, reviewed)
        review_facts = review_gate(reviewed, filled.rows, job.review.min)
        if not review_facts["passed"]:
            raise GateError(review_facts["reason"])
        conditional = sampler.label_policy == "conditional"
        probe = draw_classes(probe_counts(real.train, requested.by_class)) if conditional else None
    folds = folds_of(job, run, split_data) if len(filled.rows) and not why_no_arms(real, settings) else []
    with run.step("evaluate"):
        opened = reopen.count_opening(run.path)
        to_assess = replace(
            set_of(job, conditions, sampler, bundle, [filled], len(reviewed)),
            arm=CANDIDATE,
            classical_arm=WITH_CLASSICAL,
            probe=probe,
            shadow=shadow_trainer(job, split_data, bundle, conditions, filled.rows),
        )
        found = assess(real, {THE_SET: to_assess}, settings, folds=folds)
    report = write.report_of(job, run, split_data, filled, sampler, bundle, found, opened)
    report = replace(report, how_much=advice, review=review_facts | {"blind": fool_rate(run.path / "review_blind.csv")})
    curves = read_curves(run.path / "run" / "metrics.csv")
    pictures = write.pictures_of(real.train, filled.rows, curves, *found.pictures)
    pictures = replace(pictures, lapse=write.time_lapse(run.path / "run" / "samples", real.train))
    try:
        refuse_biased(found.best.bias)
    except GateError:
        if not (run.path / "dataset").is_dir():  # else the report is that of the data set which stays
            write_report(run.path, report, pictures)
        raise
    write.write_internal(run.path, found.best.internal)
    with run.step("write dataset"):
        write.write_dataset(job, run, split_data, filled, sampler, bundle, report.to_json(), reviewed)
    report.provenance["dataset_sha256"] = file_sha256(run.path / "dataset" / "manifest.json")
    write_report(run.path, report, pictures)
    return report.to_json()
