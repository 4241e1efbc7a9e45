"""Rows for the plan: the sampler fitted, filters fitted once, draws that are asked again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gensynth import rng
from gensynth.balancing import export
from gensynth.balancing.decisions import PASSED_OVER
from gensynth.balancing.filters import Reference, looks_at
from gensynth.balancing.merge import Filled, fill
from gensynth.balancing.plan import Amount, asks_for_cells, resolve_cells, resolve_counts, resolve_target
from gensynth.data.conditions import Conditions, shown_in_rows
from gensynth.errors import UsageError
from gensynth.evaluation.assessment import PARTS, Drawn, EvaluationSettings, RealRows, SyntheticSet
from gensynth.evaluation.utility.verdict import CANDIDATE
from gensynth.models.classifiers import fit_row_classifier
from gensynth.progress import quiet
from gensynth.samplers.fallback import fallback_of
from gensynth.samplers.sampler import Sampler, wants_generator
from gensynth.steps.audit import dp_of_run, model_attacks_of
from gensynth.steps.job import Job
from gensynth.steps.reopen import SplitData
from gensynth.steps.train import train_in_memory
from gensynth.training.bundle import Bundle
from gensynth.types import LabelledData

THE_SET = "the synthetic rows"  # what the one set of a run is called


def ready_sampler(job: Job, bundle: Bundle | None, split_data: SplitData) -> Sampler:
    """The sampler of the job, with the trained generator where it wants one, fitted on train rows."""
    sampler: Sampler = job.sampler.build()
    if wants_generator(sampler):
        if bundle is None:
            raise UsageError(
                f"sampler={sampler.name} works with a trained generator, and this run has none; "
                "name the sampler it was made with: sampler=NAME"
            )
        sampler.use(bundle)
    return sampler.fit(split_data.train)


def conditions_of(job: Job, train: LabelledData) -> Conditions:
    """What rows are asked for: label and groups where the target speaks of cells, or where synthetic rows could not
    show their groups themselves, as the modelled columns of a table do; else the label."""
    groups = job.data.groups
    if asks_for_cells(job.target, train.schema) and not groups:
        raise UsageError("target=cells balances label x group: name the groups with data.groups=[...]")
    cells = asks_for_cells(job.target, train.schema)
    if cells and job.symmetric:
        raise UsageError("symmetric=true makes rows of every class; with target=cells leave it out, or name a target")
    conditions = Conditions.of(train, groups if cells or not shown_in_rows(train.schema, groups) else ())
    if cells:
        resolve_cells(job.target, conditions.counts(train), conditions)  # a name that is none shows before training
    return conditions


def in_conditions(split_data: SplitData, conditions: Conditions) -> SplitData:
    """The same rows with conditions for classes, for whatever makes new ones."""
    train, val, marked = (conditions.split(rows) for rows in (split_data.train, split_data.val, split_data.marked))
    return replace(split_data, train=train, val=val, marked=marked)


def drawing(
    job: Job, split_data: SplitData, sampler: Sampler, conditions: Conditions
) -> Callable[[dict[str, int], dict[str, str]], Filled]:
    """Fit fallback and filters once: draw(needed, reviewed), numbers by condition.

    sampler  fitted on rows of the conditions
    """
    real, requested = split_data.train, conditions.split(split_data.train)
    fallback = ready_fallback(job, requested)
    filters = [one for one in job.filters if looks_at(one, sampler)]
    if filters:
        classifier = fit_row_classifier(real, rng.child(job.seed, "filter judge"))
        for one in filters:
            one.learn(Reference(real, split_data.val, classifier))

    def draw(needed: dict[str, int], reviewed: dict[str, str]) -> Filled:
        filled = fill(
            needed,
            requested,
            sampler,
            fallback,
            filters,
            seed=job.seed,
            rejected=frozenset(name for name, decision in reviewed.items() if decision in PASSED_OVER),
            name_row=export.row_names(conditions, job.seed),
            seen_as=conditions.join,
        )
        return replace(filled, rows=conditions.join(filled.rows), drawn=conditions.join(filled.drawn))

    return draw


def by_class(
    draw: Callable[[dict[str, int], dict[str, str]], Filled], conditions: Conditions, train: LabelledData
) -> Callable[[dict[str, int]], LabelledData]:
    """draw({class: n}) -> rows, a class's spread over its conditions as its train rows are."""
    real = conditions.counts(train)
    return lambda needed: draw(conditions.spread(needed, real), {}).rows


def real_rows(split_data: SplitData) -> RealRows:
    """The three parts of a split."""
    return RealRows(split_data.train, split_data.val, split_data.test)


@dataclass(frozen=True)
class RequestedCounts:
    """How many synthetic rows of every condition are wanted, {name: n}."""

    conditions: Conditions
    rows: dict[str, int]
    real: np.ndarray  # rows of each condition in train, (J,)

    @property
    def by_class(self) -> dict[str, int]:
        return self.conditions.by_class(self.rows)

    def spread(self, needed: Mapping[str, int]) -> dict[str, int]:
        """Numbers by class, shared among the conditions of a class as real rows are."""
        return self.conditions.spread(needed, self.real)


def requested_counts(job: Job, conditions: Conditions, train: LabelledData, amount: float | None) -> RequestedCounts:
    """What the target asks for; `amount` as in `resolve_target`."""
    real = conditions.counts(train)
    if asks_for_cells(job.target, train.schema):
        final = resolve_cells(job.target, real, conditions)
        rows = {name: final[name] - int(n) for name, n in zip(conditions.names, real, strict=True)}
        return RequestedCounts(conditions, rows, real)
    plan = resolve_target(job.target, train.counts(), train.schema, amount, job.symmetric)
    needed = {name: plan[name] - int(n) for name, n in zip(train.schema.classes, train.counts(), strict=True)}
    return RequestedCounts(conditions, conditions.spread(needed, real), real)


def shadow_trainer(
    job: Job, split_data: SplitData, bundle: Bundle | None, conditions: Conditions, synthetic: LabelledData
) -> Callable[[LabelledData, int], LabelledData]:
    """(real rows, seed) -> as many rows as were made, by the same sampler, fallback and filters fitted anew on those.

    Of a condition that has none of these rows nothing is drawn.
    """
    wanted = np.bincount(conditions.index(synthetic), minlength=len(conditions.names))

    def train_and_draw(rows: LabelledData, seed: int) -> LabelledData:
        own, requested = replace(job, seed=seed, logger="none"), conditions.split(rows)
        sampler: Sampler = own.sampler.build()
        if bundle is not None and wants_generator(sampler):
            budget = replace(job.trainer, max_samples=bundle.facts["training"]["samples_seen"])
            sampler.use(train_in_memory(replace(own, trainer=budget), requested, val_share=0.0))
        counts = np.where(conditions.counts(rows) > 0, wanted, 0)
        needed = dict(zip(conditions.names, counts.tolist(), strict=True))
        shadow = replace(split_data, train=rows)
        with quiet():
            return drawing(own, shadow, sampler.fit(requested), conditions)(needed, {}).rows

    return train_and_draw


def ready_fallback(job: Job, train: LabelledData) -> Sampler:
    """The classical sampler of the job, or of the modality where it names none, fitted on train rows."""
    sampler: Sampler = job.fallback.build() if job.fallback else fallback_of(train.schema)
    return sampler.fit(train)


def set_of(
    job: Job,
    conditions: Conditions,
    sampler: Sampler,
    bundle: Bundle | None,
    filled: Sequence[Filled],
    reviewed: int = 0,
) -> SyntheticSet:
    """Rows of one sampler, a set for each time its generator was trained, with what is known of the first set.

    reviewed  rows that a person has looked at
    """
    first = filled[0]
    return SyntheticSet(
        rows=tuple(one.rows for one in filled),
        sampler=sampler,
        drawn=Drawn(first.drawn, first.passed),
        attacks=tuple(model_attacks_of(bundle, conditions)) if bundle else (),
        dp=dp_of_run(job, sampler, bundle, first, reviewed),
    )


def settings_of(job: Job, real: RealRows, needed: Mapping[str, int]) -> EvaluationSettings:
    """What a run's settings say of its evaluation, for these real rows and rows that the plan adds to every class."""
    return EvaluationSettings(
        seed=job.seed,
        fallback=ready_fallback(job, real.train),
        seeds=job.utility.seeds,
        steps=job.utility.steps,
        full=job.evaluate.effort == "full",
        margin=job.verdict.margin,
        inception=job.features == "inception",
        parts=PARTS if job.utility.run else PARTS - {"utility"},
        needed=needed,
        how_much=how_much(needed),
        groups=job.data.groups,
        subject=job.data.subject if job.data.subject in real.seen.groups else "",
        limits=job.bias,
        shadows=job.privacy.shadows,
        metrics=tuple(job.metrics) or None,
    )


def how_much(needed: Mapping[str, int]) -> str:
    """What the plan adds, for the sentence of the verdict."""
    counts = [n for n in needed.values() if n]
    if not counts:
        return ""
    rows = f"{counts[0]} rows" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)} rows"
    return f"{rows} in each of {len(counts)} classes" if len(counts) > 1 else f"{rows} in one class"


def counts_of(counts: Amount, bundle: Bundle) -> dict[str, int]:
    """Rows to draw of every condition: cells by name, or classes, whose cells share them as training rows do."""
    conditions = Conditions.of_schema(bundle.schema)
    if isinstance(counts, Mapping) and asks_for_cells(counts, conditions.schema):
        return resolve_counts(counts, bundle.schema)
    trained_on = np.array([bundle.facts["train_counts"].get(name, 1) for name in conditions.names])
    return conditions.spread(resolve_counts(counts, conditions.schema), trained_on)


def sets_to_assess(sets: Mapping[str, LabelledData]) -> dict[str, SyntheticSet]:
    """Rows of other tools by name, each with its arms."""
    found = {}
    for name, rows in sets.items():
        whose = f" ({name})" if len(sets) > 1 else ""
        found[name] = SyntheticSet((rows,), arm=CANDIDATE + whose, alone_arm="synthetic_only" + whose)
    return found
