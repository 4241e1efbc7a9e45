"""`compare`: nothing, what is free, samplers and generators under one plan, on the same locked test rows.

Which generator's rows the verdict speaks of is chosen on validation rows (without a generator which sampler's, plain
oversampling and SMOTE last); the test rows are opened once, for all arms.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gensynth import __version__, rng
from gensynth.assess import (
    Trial,
    best_on_validation,
    probe_counts,
    probe_facts,
    set_facts,
    shortcut_warnings,
    shown,
    standard_arms,
    train_arms,
    transform_facts,
    untested,
)
from gensynth.balancing.merge import Filled
from gensynth.component import Component
from gensynth.data.conditions import Conditions
from gensynth.data.explore import shared_rows
from gensynth.data.kinds import points_of
from gensynth.errors import UsageError, nearest
from gensynth.evaluation.arms import added, half_and_half
from gensynth.evaluation.novelty import label_agreement, novelty
from gensynth.evaluation.score import Yardstick, utility_facts
from gensynth.evaluation.shortcut import PROBE
from gensynth.evaluation.utility import Arm
from gensynth.evaluation.verdict import SIMPLE_ARMS, verdict
from gensynth.job import Job
from gensynth.learning import check_learnable, trained
from gensynth.making import Asked, asked_of, asked_rows, conditions_of, drawing, how_much, trial_of
from gensynth.pipeline import look
from gensynth.record import pictures_of, shared_rows_warning
from gensynth.report.report import write_report
from gensynth.reread import Looked
from gensynth.rundir import RunFolder
from gensynth.samplers.generator import GeneratorSampler
from gensynth.samplers.mixing import Mixing
from gensynth.samplers.online import Online, OnlineTransform
from gensynth.samplers.sampler import OfGenerator, Sampler, check_modality, links_of, wants_generator
from gensynth.samplers.transform import Transform
from gensynth.training.bundle import Bundle
from gensynth.types import LabelledData

SIMPLE = {
    "none": "real_only",
    "class_weights": "class_weights",
    "tuned_threshold": "tuned_threshold",
    "random_undersampling": "random_undersampling",
    "random_oversampling": "random_oversampling",
    "smote": "smote",
}
BOTH, ONLINE = "+classical", "+online"


@dataclass(frozen=True)
class Made:
    """Rows of one arm: a set for each generator seed, what filters left, rows for the shortcut probe, seconds a row."""

    sets: tuple[Filled, ...]
    probe: LabelledData
    seconds_per_row: float
    simple: bool  # made without a network: what a generator has to match
    transform: dict[str, Any]

    @property
    def rows(self) -> tuple[LabelledData, ...]:
        return tuple(one.rows for one in self.sets)


def compare(job: Job, further: list[str]) -> dict[str, Any]:
    """Run the arms (the standard ones where none are asked for); returns the facts of report.json.

    Each model is trained `job.generator_seeds` times; seed s of a classifier sees generator s modulo that number.
    further  names of all samplers there are, for hints
    UsageError for an unknown arm.
    """
    models, generator_seeds = job.models, job.generator_seeds
    samplers: dict[str, Sampler] = {name: one.build() for name, one in job.samplers.items()}
    wanted = _wanted(list(job.arms), list(models), samplers, further)
    if job.target == "auto":
        raise UsageError("compare takes no target=auto: each arm would choose its own amount; balance takes it")
    with job.open_out() as run:
        looked = look(job, run)
        real = looked.train
        trial = trial_of(job, real, looked.val, looked.test)
        if reason := trial.why_not():
            raise UsageError(f"nothing to compare: {reason}")
        asked = asked_of(job, conditions_of(job, real), real, None)
        needed = asked.by_class
        if not any(needed.values()):
            raise UsageError("nothing to compare: the classes are balanced already; target=N asks for more rows")
        fitted = {name: _ready(samplers[name], looked, asked.conditions) for name in samplers}
        online = _online(fitted, wanted)
        made = _made_sets(job, run, looked, trial, models, fitted, wanted, generator_seeds, asked)
        with run.step("evaluate"):
            facts = _scores(trial, made, online, needed, wanted)
        best = made[facts["sets_best"]].rows[0]
        facts |= _record(job, run, looked, needed, made, generator_seeds, facts["warnings"])
        realism, plane = facts.pop("pictures")
        write_report(run.path, facts, pictures_of(real, best, {}, realism, plane))
    return facts


def _record(
    job: Job,
    run: RunFolder,
    looked: Looked,
    needed: Mapping[str, int],
    made: Mapping[str, Made],
    generator_seeds: int,
    warnings: list[dict[str, str]],
) -> dict[str, Any]:
    """What the report says beside the scores: data, time, provenance, filters, warnings."""
    return {
        "bias": {},
        "data": {"name": job.data.name, "classes": _classes(looked, needed), "advice": looked.facts["advice"]},
        "timing": run.timing,
        "provenance": {
            "version": __version__,
            "seed": job.seed,
            "source_sha256": looked.source.sha256,
            "test_opened": 1,
            "generator_seeds": generator_seeds,
        },
        "filters": {
            f"{name}: {label}": counts
            for name, one in made.items()
            if not one.simple
            for label, counts in one.sets[0].counts.items()
        },
        "filter_reasons": {name: why for one in made.values() for name, why in one.sets[0].reasons.items()},
        "warnings": [
            *(line for one in made.values() for line in one.transform["left_out"]),
            *(
                {**warning, "text": f"{name}: {warning['text']}"}
                for name, one in made.items()
                for warning in one.sets[0].warnings
            ),
            *shared_rows_warning(sum(shared_rows(looked.train, side) for side in (looked.val, looked.test))),
            *warnings,
        ],
    }


def _wanted(asked: list[str], models: list[str], samplers: Mapping[str, Sampler], further: list[str]) -> list[str]:
    """The arms that were asked for, the standard ones where none were; the first is always doing nothing."""
    standard = [*SIMPLE, "classical", *models, *(name + BOTH for name in models)]
    known = [*standard, *samplers, *(name + ONLINE for name in samplers)]
    for name in asked:
        if name not in known:
            raise UsageError(f"arms: unknown arm {name!r}; {nearest(name, [*known, *further])}")
    hard = [name for name, sampler in samplers.items() if sampler.label_policy != "soft"]
    if asked and not any(name.removesuffix(BOTH) in models or name in hard for name in asked):
        raise UsageError("arms names nothing that makes rows beside the simple methods; add a model or a sampler")
    return standard if not asked else ["none", *(name for name in asked if name != "none")]


def _ready(sampler: Sampler, looked: Looked, conditions: Conditions) -> Sampler:
    """Fitted on train rows, unless it waits for a generator."""
    check_modality(sampler, looked.train.schema)
    return sampler if wants_generator(sampler) else sampler.fit(conditions.split(looked.train))


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


def _made_sets(
    job: Job,
    run: RunFolder,
    looked: Looked,
    trial: Trial,
    models: Mapping[str, Component],
    samplers: Mapping[str, Sampler],
    wanted: list[str],
    generator_seeds: int,
    asked: Asked,
) -> dict[str, Made]:
    """The plan filled by every model and sampler that is an arm."""
    on_top = {name: one for name, one in samplers.items() if name in wanted and wants_generator(one)}
    used = [name for name in models if name in wanted or name + BOTH in wanted]
    if on_top and not used:
        used = [next(iter(models))]
    if used:
        check_learnable(looked.train.schema)
    made: dict[str, Made] = {}
    split = asked_rows(looked, asked.conditions)
    for name in used:
        several = len(used) * generator_seeds > 1
        bundles = _bundles(job, run, split, name, models[name], generator_seeds, compared=several)
        made[name] = _fill(run, name, looked, [(own, GeneratorSampler().use(b)) for own, b in bundles], asked, trial)
        if name == used[0]:
            for arm, one in on_top.items():
                pairs: list[tuple[Job, Sampler]] = [(bundles[0][0], one.use(bundles[0][1]).fit(split.train))]
                made[arm] = _fill(run, arm, looked, pairs, asked, trial)
    for name, sampler in samplers.items():
        if name in wanted and name not in on_top and sampler.label_policy != "soft":
            made[name] = _fill(run, name, looked, [(job, sampler)], asked, trial)
    return {name: one for name, one in made.items() if name in wanted or name + BOTH in wanted}


def _bundles(
    job: Job, run: RunFolder, looked: Looked, name: str, model: Component, generator_seeds: int, *, compared: bool
) -> list[tuple[Job, Bundle]]:
    """The model trained with every seed, with the job of that seed."""
    found = []
    for turn in range(generator_seeds):
        seed = job.seed if turn == 0 else rng.child(job.seed, "generator", turn)
        own = replace(job, model=model, seed=seed)
        folder = run.path / "arms" / (name if generator_seeds == 1 else f"{name}-{turn}")
        with run.step(f"train {folder.name}"):
            bundle = trained(own, folder, looked, time.monotonic(), resume=run.resumed, compared=compared)
            found.append((own, bundle))
    return found


def _fill(
    run: RunFolder,
    name: str,
    looked: Looked,
    sources: list[tuple[Job, Sampler]],
    asked: Asked,
    trial: Trial,
) -> Made:
    """The plan filled by each source, and probe rows of the first where its label is a condition."""
    first, sets, seconds, probe = sources[0][1], [], 0.0, looked.train[:0]
    with run.step(f"sample {name}"):
        for own, sampler in sources:
            draw = drawing(
                own, looked, sampler, asked.conditions
            )  # filters learn here: one set is drawn before the next is prepared
            begun = time.monotonic()
            sets.append(draw(asked.rows, {}))
            seconds += time.monotonic() - begun
            if sampler is first and first.label_policy == "conditional":
                probe = draw(asked.spread(probe_counts(looked.train, asked.by_class)), {}).rows
    rows = max(1, sum(len(one.rows) for one in sets))
    with run.step(f"operations of {name}"):
        transform = transform_facts(trial, first, sets[0].rows)
    return Made(
        tuple(sets), probe, seconds / rows, not any(isinstance(x, OfGenerator) for x in links_of(first)), transform
    )


def _scores(
    trial: Trial,
    made: Mapping[str, Made],
    online: Mapping[str, Online],
    needed: Mapping[str, int],
    wanted: list[str],
) -> dict[str, Any]:
    """Utility of all arms, and the yardstick's scores of the first set of every arm that makes rows."""
    arms, classical = standard_arms(trial, needed)
    copied = next(arm for arm in arms if arm.name == "random_oversampling")
    keep = {SIMPLE[name] for name in wanted if name in SIMPLE}
    arms = [arm for arm in arms if arm.name in keep or (arm.name not in SIMPLE.values() and "classical" in wanted)]
    arms = [arm for arm in arms if arm.name not in made]  # a sampler of that name stands in its place
    for name, one in made.items():
        if name in wanted:
            arms.append(added(name, trial.train, one.rows))
        if name + BOTH in wanted:
            arms.append(added(name + BOTH, trial.train, tuple(half_and_half(rows, classical) for rows in one.rows)))
    arms += [Arm(name, copied.rows, online=how) for name, how in online.items()]
    probes = {f"{PROBE} {name}": one.probe for name, one in made.items()}
    result = train_arms(trial, arms, probes)
    simple = [name for name, one in made.items() if one.simple]
    candidates = [arm.name for arm in arms if arm.name.removesuffix(BOTH) in made]
    networks = [name for name in candidates if name.removesuffix(BOTH) not in simple]
    changed = [name for name in candidates if name not in SIMPLE.values()]
    chosen = best_on_validation(trial, result, networks or changed or candidates)
    best = chosen.removesuffix(BOTH)
    real = (trial.train, trial.test, trial.train)
    yardstick = Yardstick.of(*real, trial.seed, trial.progress, trial.inception, trial.subject)
    scored = {name: yardstick.score(name, one.rows[0], trial.progress) for name, one in made.items()}
    facts = set_facts(scored[best]) | utility_facts(result, chosen, trial.train)
    words = SIMPLE_ARMS | {name: f"the sampler {name}" for name in simple} | {name: name for name in online}
    facts["verdict"] = verdict(
        result, candidate=chosen, how_much=f"{chosen}: {how_much(dict(needed))}", simple_arms=words
    )
    facts["faults"] = [fault for one in scored.values() for fault in one.faults]
    facts["spaces"] = yardstick.qualified
    facts["warnings"] = [*untested(trial, needed), *yardstick.warnings()]
    if len(made[best].probe):
        facts["shortcut"] = probe_facts(trial, result, needed, chosen, f"{PROBE} {best}")
        facts["warnings"] += shortcut_warnings(facts["shortcut"])
    order = sorted(scored, key=lambda name: name != best)
    facts["sets"] = {name: set_facts(scored[name]) | _beside(trial, yardstick, made[name]) for name in order}
    facts["sets_best"] = best
    facts["operations"] = {
        arm if len(one.transform["operations"]) == 1 else f"{arm}: {link}": lines
        for arm, one in made.items()
        for link, lines in one.transform["operations"].items()
    }
    facts["robustness"] = [line for one in made.values() for line in one.transform["robustness"]]
    facts["pictures"] = shown(yardstick, made[best].rows[0])
    return facts


def _beside(trial: Trial, yardstick: Yardstick, made: Made) -> dict[str, Any]:
    """What stands beside an arm's scores: how new its rows are, whether labels hold, what they cost."""
    rows = made.rows[0]
    return {
        "novelty": novelty(trial.train, trial.test, rows, points_of(trial.train), trial.seed),
        "label_agreement": label_agreement(yardstick.judge, rows, trial.test),
        "seconds_per_1000": round(1000 * made.seconds_per_row, 3),
    }


def _classes(looked: Looked, needed: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Rows of each class in every split, and what the plan makes of them."""
    return {
        name: {split: int((rows.y == c).sum()) for split, rows in looked.splits().items()}
        | {"before": (n := int((looked.train.y == c).sum())), "after": n + needed[name]}
        for c, name in enumerate(looked.train.schema.classes)
    }


def choice_of(facts: Mapping[str, Any], models: Mapping[str, Component]) -> str:
    """The word by which `balance` makes the rows that the verdict asks for; empty where it asks for none."""
    use = str(facts["verdict"]["use"])
    if use in models:
        return f"model={use}"
    samplers = {"classical_augmentation": "image_transforms"} | {
        n: n for n in ("random_oversampling", "smote", "jitter", "safe_text", "safe_audio", *facts["sets"])
    }
    return f"sampler={samplers[use]}" if use in samplers else ""
