"""Read this first: the whole walk, plain objects in, paths out.

source -> explore -> split -> train (codec, generator, bundle) -> plan, sample, filter, merge
       -> evaluate on the locked test split -> dataset, report

Every function here is one verb of the command line; `cli.py` only turns words into a `Job`.
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
from gensynth.data.kinds import modality_of
from gensynth.data.source import Source
from gensynth.data.sources import read_path
from gensynth.data.text_source import read_text
from gensynth.errors import DataError, GateError, UsageError
from gensynth.evaluation.assessment import RealRows
from gensynth.evaluation.utility.verdict import CANDIDATE
from gensynth.files import write_text
from gensynth.models.generator import Generator
from gensynth.progress import bar, say
from gensynth.provenance.guarantee import dp_facts, steps_of
from gensynth.provenance.hashes import seal_run
from gensynth.report.report import write_report
from gensynth.review.rates import fool_rate, review_gate
from gensynth.run_folder import InPlace, RunFolder
from gensynth.samplers.generator import GeneratorSampler
from gensynth.samplers.sampler import Sampler, check_modality, wants_generator
from gensynth.steps.assess import advise_amount, assess, best_taught, probe_counts
from gensynth.steps.audit import refuse_biased
from gensynth.steps.draw import (
    asked_of,
    asked_rows,
    conditions_of,
    counts_of,
    drawing,
    judged_sets,
    ready_sampler,
    set_of,
    settings_of,
    shadow_trainer,
)
from gensynth.steps.job import Job
from gensynth.steps.read import Looked, look
from gensynth.steps.reopen import (
    RunState,
    carry_over,
    count_opening,
    names_of_rows,
    pin_review,
    read_review,
    read_sets,
    read_state,
    real_names,
    real_sides,
    reread,
)
from gensynth.steps.train import check_learnable, train_step
from gensynth.steps.write import (
    pictures_of,
    ranking_report,
    report_of,
    staged_in,
    time_lapse,
    write_dataset,
    write_internal,
)
from gensynth.training.bundle import (
    Bundle,
    file_sha256,
    load_bundle,
)
from gensynth.training.loggers import read_curves
from gensynth.types import LabelledData

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
        train_step(job, run, asked_rows(looked, conditions_of(job, looked.train)), time.monotonic())
    return job.out / "generator"


def balance(job: Job, source: Source | None = None) -> dict:
    """The main job; returns the facts of report.json. `source` stands in for the reader of the job."""
    with job.open_out() as run:
        looked = look(job, run, source)
        sampler: Sampler = job.sampler.build()
        for one in (sampler, *([job.fallback.build()] if job.fallback else [])):
            check_modality(one, looked.train.schema)
        conditions = conditions_of(job, looked.train)
        bundle = None
        if wants_generator(sampler):
            sampler.check(looked.train.schema, job.model.params)
            bundle = train_step(job, run, asked_rows(looked, conditions), time.monotonic())
        earlier = read_state(run.path) if run.resumed else None
        RunState.of(looked, earlier.test_opened if earlier else 0).write(run.path)
        sampler = ready_sampler(job, bundle, asked_rows(looked, conditions))
        facts = _balance(job, run, looked, conditions, sampler, bundle, reviewed={})
        seal_run(run.path)
    return facts


def merge(job: Job, finished: Path, model: type[Generator] | None = None) -> dict:
    """Filter, merge, export and evaluate a finished run again, without training, honouring its review.csv.

    Writes in place unless `job.out` is another folder.
    job    that of the run, with what this call changes
    model  class of the generator, where it is none of gensynth/models/
    """
    bundle = load_bundle(finished / "generator", model) if (finished / "generator").is_dir() else None
    reviewed = read_review(finished)
    looked = reread(finished, bundle, job.data)
    check_filters(job.filters, looked.train.schema)
    if real := [f"{row} is real" for row in real_names(finished) if reviewed.get(row) in PASSED_OVER]:
        raise DataError("review.csv rejects real rows, which are never dropped", real)
    conditions = conditions_of(job, looked.train)
    sampler, name_row = ready_sampler(job, bundle, asked_rows(looked, conditions)), row_names(conditions, job.seed)
    if modality_of(looked.train.schema).in_files:
        makers = (sampler.name, job.fallback.build().name)
        check_rows(reviewed, finished / "dataset" / "ledger.csv", conditions.names, makers, name_row)
    else:
        reviewed = names_of_rows(finished, reviewed, conditions, name_row)
    with job.open_out() if job.out != finished else InPlace(finished) as run:
        if job.out != finished:
            carry_over(finished, job.out)
        pin_review(run.path, finished)
        facts = _balance(job, run, looked, conditions, sampler, bundle, reviewed)
        job.write()
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
    kind = kind or known[0]
    if kind not in known:
        raise UsageError(f"format={kind}: rows of kind {bundle.schema.modality} are written as {' or '.join(known)}")
    plan = counts_of(counts, bundle)
    for label, count in plan.items():
        rows = bundle.facts["train_counts"].get(label, SMALL_CLASS)  # a private bundle need not tell
        if count and rows < SMALL_CLASS:
            say(f'warning: class "{label}" had {rows} training rows, too few to learn it')
    promise = dp_facts(bundle.facts.get("guarantee", {}), steps_of(bundle.facts))
    if promise["claimed"]:
        say(promise["sentence"])
    with run_folder() as run, staged_in(run.path) as staged, bar("sampling", sum(plan.values())) as advance:
        write_samples(staged, kind, GeneratorSampler().use(bundle), plan, seed, advance)
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
        write_text(run.path / "run" / "quarantine.csv", quarantine_csv(findings))
    return facts


def evaluate_sets(job: Job, sides: Sides, sets: dict[str, LabelledData]) -> dict:
    """`evaluate` for rows in memory."""
    with job.open_out() as run:
        return _ranked(job, run, sides, sets, 0)


def _ranked(job: Job, run: RunFolder, sides: Sides, sets: dict[str, LabelledData], left_out: int) -> dict:
    """Score, rank and report; `left_out` files could not be read."""
    train, val, test = sides
    real = RealRows(train, val, test, val_seen=True)
    missing = dict(zip(train.schema.classes, to_balance(train.counts()).tolist(), strict=True))
    settings = settings_of(job, real, missing)
    with run.step("evaluate"):
        settings = replace(settings, parts=settings.parts - {"bias", "labels"}, how_much="")
        found = assess(real, judged_sets(sets), settings, best_taught)
    report = ranking_report(job, run, real, sets, found, left_out)
    write_report(job.out, report, pictures_of(train, sets[found.best_name], {}, *found.pictures))
    return report.to_json()


def _balance(
    job: Job,
    run: RunFolder,
    looked: Looked,
    conditions: Conditions,
    sampler: Sampler,
    bundle: Bundle | None,
    reviewed: dict[str, str],
) -> dict:
    """From a fitted sampler to dataset and report."""
    draw = drawing(job, looked, sampler, conditions)
    real = RealRows(looked.train, looked.val, looked.test)

    def draw_classes(needed: dict[str, int]) -> LabelledData:
        return draw(conditions.spread(needed, conditions.counts(real.train)), {}).rows

    with run.step("how much"):
        advice = advise_amount(real, settings_of(job, real, {}), draw_classes)
    say(advice.sentence)
    asked = asked_of(job, conditions, real.train, advice.amount)
    settings = settings_of(job, real, asked.by_class)
    with run.step("sample and filter"):
        filled = draw(asked.rows, reviewed)
        looked_at = review_gate(reviewed, filled.rows, job.review.min)
        if not looked_at["passed"]:
            raise GateError(looked_at["reason"])
        conditional = sampler.label_policy == "conditional"
        probe = draw_classes(probe_counts(real.train, asked.by_class)) if conditional else None
    with run.step("evaluate"):
        opened = count_opening(run.path)
        judged = replace(
            set_of(job, conditions, sampler, bundle, [filled], len(reviewed)),
            arm=CANDIDATE,
            classical_arm="real_plus_synthetic_and_classical",
            probe=probe,
            shadow=shadow_trainer(job, looked, bundle, conditions, filled.rows),
        )
        found = assess(real, {"the synthetic rows": judged}, settings)
    report = report_of(job, run, looked, filled, sampler, bundle, found, opened)
    review = looked_at | {"blind": fool_rate(run.path / "review_blind.csv")}
    report = replace(report, how_much=advice, review=review)
    curves = read_curves(run.path / "run" / "metrics.csv")
    pictures = pictures_of(real.train, filled.rows, curves, *found.pictures)
    pictures = replace(pictures, lapse=time_lapse(run.path / "run" / "samples", real.train))
    try:
        refuse_biased(found.best.bias)
    except GateError:
        if not (run.path / "dataset").is_dir():  # else the report is that of the data set which stays
            write_report(run.path, report, pictures)
        raise
    write_internal(run.path, found.best.internal)
    with run.step("write dataset"):
        write_dataset(job, run, looked, filled, sampler, bundle, report.to_json(), reviewed)
    report.provenance["dataset_sha256"] = file_sha256(run.path / "dataset" / "manifest.json")
    write_report(run.path, report, pictures)
    return report.to_json()
