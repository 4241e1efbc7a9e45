"""`compare`: nothing, what is free, simple methods and every generator under one plan, on the same locked test rows.

Which generator's rows the verdict speaks of is chosen on validation rows; the test rows are opened once, for all arms.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
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
    untested,
)
from gensynth.balancing.merge import Filled
from gensynth.balancing.plan import resolve_target
from gensynth.data.explore import shared_rows
from gensynth.errors import UsageError, nearest
from gensynth.evaluation.arms import added, half_and_half
from gensynth.evaluation.score import Yardstick, utility_facts
from gensynth.evaluation.shortcut import PROBE
from gensynth.evaluation.verdict import verdict
from gensynth.pipeline import (
    Job,
    ModelSettings,
    drawing,
    how_much,
    look,
    pictures_of,
    shared_rows_warning,
    trained,
    trial_of,
)
from gensynth.report.report import write_report
from gensynth.reread import Looked
from gensynth.rundir import RunFolder
from gensynth.samplers.generator import GeneratorSampler
from gensynth.types import LabelledData

SIMPLE = {
    "none": "real_only",
    "class_weights": "class_weights",
    "tuned_threshold": "tuned_threshold",
    "random_undersampling": "random_undersampling",
    "random_oversampling": "random_oversampling",
    "smote": "smote",
}
BOTH = "+classical"


def compare(job: Job, models: Mapping[str, ModelSettings], asked: list[str], generator_seeds: int) -> dict[str, Any]:
    """Run the arms (all where none are asked for); returns the facts of report.json.

    models           name -> settings of every generator that may be an arm
    generator_seeds  how often each is trained anew; seed s of a classifier sees generator s modulo that number
    UsageError for an unknown arm.
    """
    wanted = _wanted(asked, list(models))
    if job.target == "auto":
        raise UsageError("compare takes no target=auto: each arm would choose its own amount; balance takes it")
    with job.open_out() as run:
        looked = look(job, run)
        real = looked.train
        trial = trial_of(job, real, looked.val, looked.test)
        if reason := trial.why_not():
            raise UsageError(f"nothing to compare: {reason}")
        plan = resolve_target(job.target, real.counts(), real.schema, symmetric=job.symmetric)
        needed = {name: plan[name] - int(n) for name, n in zip(real.schema.classes, real.counts(), strict=True)}
        if not any(needed.values()):
            raise UsageError("nothing to compare: the classes are balanced already; target=N asks for more rows")
        used = [name for name in models if name in wanted or name + BOTH in wanted]
        made, probes, warnings, filters = {}, {}, [], {}
        for name in used:
            filled, probes[name] = _made(job, run, looked, name, models[name], generator_seeds, needed)
            made[name] = tuple(one.rows for one in filled)
            warnings += [{**warning, "text": f"{name}: {warning['text']}"} for warning in filled[0].warnings]
            filters |= {f"{name}: {label}": counts for label, counts in filled[0].counts.items()}
        with run.step("evaluate"):
            facts = _scores(trial, made, probes, needed, wanted)
        best = made[facts["sets_best"]][0]
        facts |= {
            "bias": {},
            "data": {"name": job.data.name, "classes": _classes(looked, plan), "advice": looked.facts["advice"]},
            "timing": run.timing,
            "provenance": {
                "version": __version__,
                "seed": job.seed,
                "source_sha256": looked.source.sha256,
                "test_opened": 1,
                "generator_seeds": generator_seeds,
            },
            "filters": filters,
            "warnings": [
                *warnings,
                *shared_rows_warning(sum(shared_rows(real, side) for side in (looked.val, looked.test))),
                *facts["warnings"],
            ],
        }
        realism, plane = facts.pop("pictures")
        write_report(run.path, facts, pictures_of(real, best, {}, realism, plane))
    return facts


def _wanted(asked: list[str], models: list[str]) -> list[str]:
    """The arms that were asked for, all where none were; the first is always doing nothing."""
    known = [*SIMPLE, "classical", *models, *(name + BOTH for name in models)]
    for name in asked:
        if name not in known:
            raise UsageError(f"arms: unknown arm {name!r}; {nearest(name, known)}")
    if asked and not any(name.removesuffix(BOTH) in models for name in asked):
        raise UsageError("arms names no generator; balance with sampler=NAME shows what a simple method does")
    return known if not asked else ["none", *(name for name in asked if name != "none")]


def _made(
    job: Job,
    run: RunFolder,
    looked: Looked,
    name: str,
    model: ModelSettings,
    generator_seeds: int,
    needed: dict[str, int],
) -> tuple[list[Filled], LabelledData]:
    """The plan filled by a model trained with every seed, and probe rows of the first."""
    sets = []
    for turn in range(generator_seeds):
        seed = job.seed if turn == 0 else rng.child(job.seed, "generator", turn)
        own = replace(job, model=model, seed=seed)
        folder = run.path / "arms" / (name if generator_seeds == 1 else f"{name}-{turn}")
        with run.step(f"train {folder.name}"):
            bundle = trained(own, folder, looked, time.monotonic(), resume=run.resumed)
        with run.step(f"sample {folder.name}"):
            draw = drawing(own, looked, GeneratorSampler(bundle))
            sets.append(draw(needed, {}))
            if turn == 0:
                probe = draw(probe_counts(looked.train, needed), {}).rows
    return sets, probe


def _scores(
    trial: Trial,
    made: Mapping[str, tuple[LabelledData, ...]],
    probes: Mapping[str, LabelledData],
    needed: Mapping[str, int],
    wanted: list[str],
) -> dict[str, Any]:
    """Utility of all arms, and the yardstick's scores of the first set of every generator."""
    arms, classical = standard_arms(trial, needed)
    keep = {SIMPLE[name] for name in wanted if name in SIMPLE}
    arms = [arm for arm in arms if arm.name in keep or (arm.name not in SIMPLE.values() and "classical" in wanted)]
    for name, sets in made.items():
        if name in wanted:
            arms.append(added(name, trial.train, sets))
        if name + BOTH in wanted:
            arms.append(added(name + BOTH, trial.train, tuple(half_and_half(one, classical) for one in sets)))
    result = train_arms(trial, arms, {f"{PROBE} {name}": probe for name, probe in probes.items()})
    candidates = [arm.name for arm in arms if arm.name.removesuffix(BOTH) in made]
    yardstick = Yardstick.of(trial.train, trial.test, trial.train, trial.seed, trial.progress, trial.inception)
    scored = {name: yardstick.score(name, sets[0], trial.progress) for name, sets in made.items()}
    chosen = best_on_validation(trial, result, candidates)
    best = chosen.removesuffix(BOTH)
    facts = set_facts(scored[best]) | utility_facts(result, chosen, trial.train)
    facts["verdict"] = verdict(result, candidate=chosen, how_much=f"{chosen}: {how_much(dict(needed))}")
    facts["faults"] = [fault for one in scored.values() for fault in one.faults]
    facts["spaces"] = yardstick.qualified
    facts["warnings"] = [*untested(trial, needed), *yardstick.warnings()]
    if len(probes[best]):
        facts["shortcut"] = probe_facts(trial, result, needed, chosen, f"{PROBE} {best}")
        facts["warnings"] += shortcut_warnings(facts["shortcut"])
    facts["sets"] = {name: set_facts(scored[name]) for name in sorted(scored, key=lambda name: name != best)}
    facts["sets_best"] = best
    facts["pictures"] = shown(yardstick, made[best][0])
    return facts


def _classes(looked: Looked, plan: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Rows of each class in every split, and what the plan makes of them."""
    return {
        name: {split: int((rows.y == c).sum()) for split, rows in looked.splits().items()}
        | {"before": int((looked.train.y == c).sum()), "after": plan[name]}
        for c, name in enumerate(looked.train.schema.classes)
    }


def choice_of(facts: Mapping[str, Any]) -> str:
    """The word by which `balance` makes the rows that the verdict asks for; empty where it asks for none."""
    use = str(facts["verdict"]["use"])
    if use in facts["sets"]:
        return f"model={use}"
    samplers = {"classical_augmentation": "image_transforms"} | {
        n: n for n in ("random_oversampling", "smote", "jitter")
    }
    return f"sampler={samplers[use]}" if use in samplers else ""
