"""`compare`: nothing, what is free, samplers and generators under one plan, on the same locked test rows.

Which generator's rows the verdict speaks of is chosen on validation rows (without a generator which sampler's, plain
oversampling and SMOTE last); the test rows are opened once, for all arms.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gensynth import __version__, rng
from gensynth.balancing.merge import Filled
from gensynth.data.conditions import Conditions
from gensynth.errors import UsageError, nearest
from gensynth.evaluation.assessment import CLASSICAL, Assessment, RealRows, SyntheticSet
from gensynth.evaluation.utility.arms import STANDARD
from gensynth.report.content import Report
from gensynth.report.report import write_report
from gensynth.run_folder import RunFolder
from gensynth.samplers.generator import GeneratorSampler
from gensynth.samplers.mixing import Mixing
from gensynth.samplers.online import Online, OnlineTransform
from gensynth.samplers.sampler import OfGenerator, Sampler, check_modality, links_of, wants_generator
from gensynth.samplers.transform import Transform
from gensynth.steps.assess import assess, probe_counts, why_no_arms
from gensynth.steps.choose import best_on_validation
from gensynth.steps.component import Component
from gensynth.steps.draw import (
    RequestedCounts,
    conditions_of,
    drawing,
    in_conditions,
    requested_counts,
    set_of,
    settings_of,
)
from gensynth.steps.job import Job
from gensynth.steps.read import SplitData, look
from gensynth.steps.train import check_learnable, trained
from gensynth.steps.write import data_facts, pictures_of, rows_sha256, shared_with_train, with_arms
from gensynth.training.bundle import Bundle

SIMPLE = {"none" if name == "real_only" else name: name for name in STANDARD}
BOTH, ONLINE = "+classical", "+online"


@dataclass(frozen=True)
class Arms:
    """The arms of one comparison, under one plan.

    wanted  names, as asked for; samplers: those that there are, by name
    """

    job: Job
    run: RunFolder
    split_data: SplitData
    requested: RequestedCounts
    wanted: list[str]
    samplers: Mapping[str, Sampler]

    def used_models(self) -> list[str]:
        """Models that are trained: those of the arms, or the first for samplers that work on a generator."""
        used = [name for name in self.job.models if name in self.wanted or name + BOTH in self.wanted]
        return used or ([next(iter(self.job.models))] if self.on_top() else [])

    def on_top(self) -> dict[str, OfGenerator]:
        """Samplers of arms that work with a trained generator."""
        return {name: one for name, one in self.samplers.items() if name in self.wanted and wants_generator(one)}


def compare(job: Job, further: list[str]) -> dict[str, Any]:
    """Run the arms (the standard ones where none are asked for); returns the facts of report.json.

    Each model is trained `job.generator_seeds` times; seed s of a classifier sees generator s modulo that number.
    further  names of all samplers there are, for hints
    UsageError for an unknown arm.
    """
    samplers: dict[str, Sampler] = {name: one.build() for name, one in job.samplers.items()}
    wanted = _wanted(list(job.arms), list(job.models), samplers, further)
    if job.target == "auto":
        raise UsageError("compare takes no target=auto: each arm would choose its own amount; balance takes it")
    with job.open_out() as run:
        split_data = look(job, run)
        real = RealRows(split_data.train, split_data.val, split_data.test)
        plan = requested_counts(job, conditions_of(job, real.train), real.train, None)
        settings = settings_of(job, real, plan.by_class)
        if reason := why_no_arms(real, settings):
            raise UsageError(f"nothing to compare: {reason}")
        if not any(settings.needed.values()):
            raise UsageError("nothing to compare: the classes are balanced already; target=N asks for more rows")
        fitted = {name: _ready(samplers[name], split_data, plan.conditions) for name in samplers}
        online = _online(fitted, wanted)
        sets, filled = _sets(Arms(job, run, split_data, plan, wanted, fitted))
        job.write()  # a resumed run is known to be the same now
        named = frozenset(SIMPLE.get(name, name) for name in wanted)
        settings = replace(settings, simple_arms=named, online=online, slices=False)
        with run.step("evaluate"):
            found = assess(real, sets, settings, best_on_validation)
        report = _report(job, run, split_data, found, sets, filled)
        best = sets[found.best_name].rows[0]
        write_report(run.path, report, pictures_of(real.train, best, {}, *found.pictures))
    return report.to_json()


def _report(
    job: Job,
    run: RunFolder,
    split_data: SplitData,
    found: Assessment,
    sets: Mapping[str, SyntheticSet],
    filled: Mapping[str, Filled],
) -> Report:
    """What the report says beside the scores: data, time, provenance, filters, warnings."""
    return Report(
        assessment=found,
        beside=True,
        data=data_facts(job, split_data, sets[found.best_name].rows[0]),
        timing=with_arms(run.timing, found),
        provenance={
            "version": __version__,
            "seed": job.seed,
            "evaluate": job.evaluate.effort,
            "source_sha256": split_data.source.sha256,
            "test_sha256": rows_sha256(split_data.test),
            "test_opened": 1,
            "generator_seeds": job.generator_seeds,
        },
        filters={
            f"{name}: {label}": counts
            for name, one in filled.items()
            if not sets[name].simple
            for label, counts in one.counts.items()
        },
        filter_reasons={name: why for one in filled.values() for name, why in one.reasons.items()},
        warnings=[
            *({**line, "text": f"{name}: {line['text']}"} for name, one in filled.items() for line in one.warnings),
            *shared_with_train(split_data),
            *found.warnings,
        ],
    )


def _wanted(requested: list[str], models: list[str], samplers: Mapping[str, Sampler], further: list[str]) -> list[str]:
    """The arms that were asked for, the standard ones where none were; the first is always doing nothing."""
    standard = [*SIMPLE, CLASSICAL, *models, *(name + BOTH for name in models)]
    known = [*standard, *samplers, *(name + ONLINE for name in samplers)]
    for name in requested:
        if name not in known:
            raise UsageError(f"arms: unknown arm {name!r}; {nearest(name, [*known, *further])}")
    hard = [name for name, sampler in samplers.items() if sampler.label_policy != "soft"]
    if requested and not any(name.removesuffix(BOTH) in models or name in hard for name in requested):
        raise UsageError("arms names nothing that makes rows beside the simple methods; add a model or a sampler")
    return standard if not requested else ["none", *(name for name in requested if name != "none")]


def _ready(sampler: Sampler, split_data: SplitData, conditions: Conditions) -> Sampler:
    """Fitted on train rows, unless it waits for a generator."""
    check_modality(sampler, split_data.train.schema)
    return sampler if wants_generator(sampler) else sampler.fit(conditions.split(split_data.train))


def _online(samplers: Mapping[str, Sampler], wanted: list[str]) -> dict[str, Online]:
    """Arms that change rows while a classifier trains: mixing always does, transforms with the suffix."""
    found: dict[str, Online] = {}
    for name in wanted:
        sampler = samplers.get(name.removesuffix(ONLINE))
        if isinstance(sampler, Mixing):
            found[name] = sampler
        elif name.endswith(ONLINE):
            if not isinstance(sampler, Transform):
                raise UsageError(f"arms: {name} must name a transform, which can change every batch anew")
            found[name] = OnlineTransform(sampler)
    return found


def _sets(arms: Arms) -> tuple[dict[str, SyntheticSet], dict[str, Filled]]:
    """The plan filled by every model and sampler that is an arm: rows to assess, and what happened to the first set."""
    used, on_top, split_data, plan = arms.used_models(), arms.on_top(), arms.split_data, arms.requested
    if used:
        check_learnable(split_data.train.schema)
    found: dict[str, tuple[SyntheticSet, Filled]] = {}
    split = in_conditions(split_data, plan.conditions)
    for name in used:
        bundles = _bundles(arms, split, name, compared=len(used) * arms.job.generator_seeds > 1)
        found[name] = _filled(
            arms, name, [(own, GeneratorSampler().use(bundle)) for own, bundle in bundles], bundles[0][1]
        )
        if name == used[0]:
            for arm, one in on_top.items():
                ready = one.use(bundles[0][1]).fit(split.train)
                found[arm] = _filled(arms, arm, [(bundles[0][0], ready)], bundles[0][1])
    for name, sampler in arms.samplers.items():
        if name in arms.wanted and name not in on_top and sampler.label_policy != "soft":
            found[name] = _filled(arms, name, [(arms.job, sampler)], None)
    shown = {name: pair for name, pair in found.items() if name in arms.wanted or name + BOTH in arms.wanted}
    return {name: one for name, (one, _) in shown.items()}, {name: filled for name, (_, filled) in shown.items()}


def _bundles(arms: Arms, split_data: SplitData, name: str, *, compared: bool) -> list[tuple[Job, Bundle]]:
    """The model trained with every seed, with the job of that seed."""
    found = []
    for turn in range(arms.job.generator_seeds):
        seed = arms.job.seed if turn == 0 else rng.child(arms.job.seed, "generator", turn)
        own = replace(arms.job, model=arms.job.models[name], seed=seed)
        folder = arms.run.path / "arms" / (name if arms.job.generator_seeds == 1 else f"{name}-{turn}")
        with arms.run.step(f"train {folder.name}"):
            resume = arms.run.resumed
            found.append((own, trained(own, folder, split_data, time.monotonic(), resume=resume, compared=compared)))
    return found


def _filled(
    arms: Arms, name: str, sources: Sequence[tuple[Job, Sampler]], bundle: Bundle | None
) -> tuple[SyntheticSet, Filled]:
    """The plan filled by each source, and probe rows of the first where its label is a condition."""
    plan, train, first = arms.requested, arms.split_data.train, sources[0][1]
    sets, seconds, probe = [], 0.0, None
    with arms.run.step(f"sample {name}"):
        for own, sampler in sources:
            # Filters learn here: one set is drawn before the next is prepared.
            draw = drawing(own, arms.split_data, sampler, plan.conditions)
            begun = time.monotonic()
            sets.append(draw(plan.rows, {}))
            seconds += time.monotonic() - begun
            if sampler is first and first.label_policy == "conditional":
                probe = draw(plan.spread(probe_counts(train, plan.by_class)), {}).rows
    one = replace(
        set_of(arms.job, plan.conditions, first, bundle, sets),
        arm=name if name in arms.wanted else "",
        classical_arm=name + BOTH if name + BOTH in arms.wanted else "",
        probe=probe,
        simple=not any(isinstance(link, OfGenerator) for link in links_of(first)),
        seconds_per_row=seconds / max(1, sum(len(filled.rows) for filled in sets)),
    )
    return one, sets[0]


def choice_of(facts: Mapping[str, Any], models: Mapping[str, Component]) -> str:
    """The word by which `balance` draws the rows that the verdict asks for; empty where it asks for none."""
    use = str(facts["verdict"]["use"])
    if use in models:
        return f"model={use}"
    samplers = {"classical_augmentation": "image_transforms"} | {
        n: n for n in ("random_oversampling", "smote", "jitter", "safe_text", "safe_audio", *facts["sets"])
    }
    return f"sampler={samplers[use]}" if use in samplers else ""
