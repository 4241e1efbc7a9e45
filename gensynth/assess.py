"""What made rows are worth, for balance, evaluate and compare: how much to add, how true they are, do they help."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gensynth import rng
from gensynth.balancing.filters import points_of
from gensynth.balancing.plan import to_balance
from gensynth.evaluation.amount import advise, too_few
from gensynth.evaluation.arms import added, free_arms, half_and_half, simple_arms, without_groups
from gensynth.evaluation.learners import learners_of
from gensynth.evaluation.metrics.classification import label_scores, tally
from gensynth.evaluation.novelty import operation_agreement
from gensynth.evaluation.privacy import privacy_facts
from gensynth.evaluation.robustness import robustness
from gensynth.evaluation.score import MOST_CLASSES, SetScore, Yardstick, utility_facts
from gensynth.evaluation.shortcut import PROBE, shortcut_gap
from gensynth.evaluation.utility import Arm, UtilityResult, run_arms
from gensynth.evaluation.verdict import CANDIDATE, not_run, verdict
from gensynth.models.judges import fit_judge
from gensynth.samplers.adversarial import Adversarial
from gensynth.samplers.resample import RandomOversampling
from gensynth.samplers.sampler import Sampler, links_of
from gensynth.samplers.smote import Smote
from gensynth.samplers.transform import OfOperations
from gensynth.types import LabelledData

SWEEP_SEEDS = 3
MOST_POOL = 400_000
PROBE_ROWS = 500
CLASSICAL = "real_plus_synthetic_and_classical"
VAL = "val"


@dataclass(frozen=True)
class Trial:
    """Real rows and settings of a comparison.

    fallback  the classical sampler of the modality (image transforms, jitter)
    seeds     classifier seeds of every arm; steps: of the network, 0: by the number of rows
    utility   whether arms are trained at all; inception: whether the literature's feature space is added
    """

    train: LabelledData
    val: LabelledData
    test: LabelledData
    fallback: Sampler
    seed: int
    seeds: int
    steps: int
    utility: bool
    inception: bool
    progress: Callable[[str], None]
    groups: tuple[str, ...] = ()  # columns of the rows by which bias is looked at
    subject: str = ""  # column that says whom a row belongs to

    def arm_seeds(self) -> list[int]:
        return [rng.child(self.seed, "utility", i) for i in range(self.seeds)]

    def why_not(self) -> str:
        """Why no arms are trained, or an empty text if they are."""
        classes = len(self.train.schema.classes)
        if not self.utility:
            return "utility.run is false"
        if not len(self.test):
            return "there are no test rows"
        if self.train.schema.tabular and classes > MOST_CLASSES:
            return f"{classes} classes are more than the {MOST_CLASSES} that arms are trained for"
        return ""


def advise_amount(trial: Trial, draw: Callable[[dict[str, int]], LabelledData]) -> dict[str, Any]:
    """How much to add, chosen on validation rows; `draw` makes rows of each class as they would be merged."""
    classes, counts = trial.train.schema.classes, trial.train.counts()
    nothing = {"amount": None, "amounts": []}
    if reason := trial.why_not():
        return nothing | {"sentence": f"How much to add: not run, {reason}."}
    if not to_balance(counts).any():
        return nothing | {"sentence": "How much to add: not run, the classes are balanced already."}
    if reason := too_few(trial.val):
        return nothing | {"sentence": f"How much to add: {reason}."}
    most = 2 * int(to_balance(counts).sum())
    if most > MOST_POOL:
        return nothing | {"sentence": f"How much to add: not run, {most:,} rows would have to be drawn first."}
    pool = draw({c: 2 * int(n) for c, n in zip(classes, to_balance(counts), strict=True)})
    return advise(
        train=without_groups(trial.train),
        pool=without_groups(pool),
        val=trial.val,
        learner=learners_of(trial.train, trial.steps)[0],
        seeds=trial.arm_seeds()[:SWEEP_SEEDS],
        progress=trial.progress,
    )


def simple_rows(trial: Trial, needed: Mapping[str, int]) -> dict[str, LabelledData]:
    """The plan filled by every simple method: copies, interpolation, classical augmentation; by the name of its arm."""
    classical = "classical_augmentation" if trial.train.schema.modality == "image" else trial.fallback.name
    samplers: dict[str, Sampler] = {"random_oversampling": RandomOversampling(), "smote": Smote("smote", 5)}
    samplers = {n: s for n, s in samplers.items() if trial.train.schema.modality in s.modalities}
    samplers[classical] = trial.fallback
    labels = np.repeat(np.arange(len(needed)), list(needed.values()))
    seeds = [rng.row_seeds(rng.child(trial.seed, "arm"), name, 0, count) for name, count in needed.items()]
    return {name: sampler.fit(trial.train).sample(labels, np.concatenate(seeds)) for name, sampler in samplers.items()}


def standard_arms(trial: Trial, needed: Mapping[str, int]) -> tuple[list[Arm], LabelledData]:
    """Doing nothing, what is free and what is simple; and the rows of the classical method, for arms with both."""
    simple = simple_rows(trial, needed) if any(needed.values()) else {}
    arms = free_arms(trial.train, trial.seed, tuned=len(trial.val) > 0) + simple_arms(trial.train, simple)
    return arms, list(simple.values())[-1] if simple else trial.train[:0]


def train_arms(trial: Trial, arms: list[Arm], probes: Mapping[str, LabelledData]) -> UtilityResult:
    """All arms on all learners; the first learner's probabilities of val and probe rows are kept by name."""
    learners = learners_of(trial.train, trial.steps)
    return run_arms(
        arms=arms,
        learners=learners,
        val=trial.val,
        test=trial.test,
        further={VAL: trial.val.x} | {name: probe.x for name, probe in probes.items() if len(probe)},
        seeds=trial.arm_seeds(),
        progress=trial.progress,
    )


def probe_counts(train: LabelledData, needed: Mapping[str, int]) -> dict[str, int]:
    """How many rows of the commonest class the shortcut probe asks for: none where that class gets made rows anyway."""
    common = int(np.argmax(train.counts()))
    asks = any(needed.values()) and not needed[train.schema.classes[common]]
    return {name: PROBE_ROWS if asks and c == common else 0 for c, name in enumerate(train.schema.classes)}


@dataclass(frozen=True)
class Assessed:
    """What `assess_made` found: facts of report.json, and what they rest on; None where there was nothing to score."""

    facts: dict[str, Any]
    yardstick: Yardstick | None = None
    scored: SetScore | None = None
    result: UtilityResult | None = None


def assess_made(
    trial: Trial, made: LabelledData, needed: Mapping[str, int], probe: LabelledData, how_much: str
) -> Assessed:
    """Scores of the rows that are to be merged, for `balance`."""
    if not len(made) or not len(trial.test):
        reason = "no synthetic rows were needed" if len(trial.test) else "there are no test rows"
        return Assessed(empty(not_run(reason)))
    real = (trial.train, trial.test, trial.train)
    yardstick = Yardstick.of(*real, trial.seed, trial.progress, trial.inception, trial.subject)
    scored = yardstick.score("the made rows", made, trial.progress)
    warnings = [*untested(trial, needed), *yardstick.warnings()]
    facts = set_facts(scored) | {"spaces": yardstick.qualified, "warnings": warnings}
    if reason := trial.why_not():
        return Assessed(facts | empty(not_run(reason), scored=facts), yardstick, scored)
    arms, classical = standard_arms(trial, needed)
    arms.append(added(CANDIDATE, trial.train, (made,)))
    if len(classical) == len(made):
        arms.append(added(CLASSICAL, trial.train, (half_and_half(made, classical),)))
    result = train_arms(trial, arms, {PROBE: probe})
    facts |= utility_facts(result, CANDIDATE, trial.train)
    facts["verdict"] = verdict(result, how_much=how_much)
    if len(probe):
        facts["shortcut"] = probe_facts(trial, result, needed, CANDIDATE)
        facts["warnings"] += shortcut_warnings(facts["shortcut"])
    return Assessed(facts, yardstick, scored, result)


def transform_facts(trial: Trial, sampler: Sampler, made: LabelledData) -> dict[str, Any]:
    """What a transform's operations do to labels, and what adversarial rows do to a classifier; nothing for others."""
    links = links_of(sampler)
    made_of = [link for link in links if isinstance(link, OfOperations)]
    facts: dict[str, Any] = {"operations": {}, "robustness": [], "left_out": left_out_warnings(made_of)}
    for link in links:
        if link in made_of and len(trial.val):
            judge = fit_judge(trial.train, rng.child(trial.seed, "evaluation judge"))
            facts["operations"][link.name] = operation_agreement(link, judge, trial.val, trial.seed)
        if isinstance(link, Adversarial) and len(made) and len(trial.test):
            facts["robustness"] = robustness(link, trial.train, made, trial.test, trial.seed)
    return facts


def left_out_warnings(transforms: list[OfOperations]) -> list[dict[str, str]]:
    """A line for every transform with operations that can make labels wrong and were not allowed."""
    return [
        {
            "code": "operations_left_out",
            "text": f"{one.name}: {', '.join(one.left_out)} can make labels wrong and did not run; "
            f"data.allow=[{','.join(one.left_out)}] says that they keep the labels of this data",
        }
        for one in transforms
        if one.left_out
    ]


def untested(trial: Trial, needed: Mapping[str, int]) -> list[dict[str, str]]:
    """A line for classes that receive rows and have no test row: no score can say what theirs are worth."""
    counts = dict(zip(trial.test.schema.classes, trial.test.counts().tolist(), strict=True))
    names = [name for name, n in needed.items() if n and not counts[name]]
    text = f"no test rows of {', '.join(names[:10])}: the verdict says nothing about the rows added to them"
    return [{"code": "class_untested", "text": text}] if names else []


def shown(yardstick: Yardstick | None, made: LabelledData) -> tuple[np.ndarray, dict]:
    """What pictures need: realism of made images or spectra, by which their wall is sorted, and the plane."""
    if yardstick is None:
        return np.zeros(len(made)), {}
    drawn = made.schema.modality in ("image", "audio")
    return yardstick.realism(made) if drawn else np.zeros(len(made)), yardstick.embedding(made)


def probe_facts(
    trial: Trial, result: UtilityResult, needed: Mapping[str, int], candidate: str, probe: str = PROBE
) -> dict[str, Any]:
    """The shortcut probe of one arm, on the probe rows of that name."""
    classes = trial.train.schema.classes
    common = int(np.argmax(trial.train.counts()))
    rare = [c for c, name in enumerate(classes) if needed[name]]
    return shortcut_gap(result, common=common, rare=rare, name=classes[common], candidate=candidate, probe=probe)


def shortcut_warnings(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"code": "shortcut", "text": facts["warning"]}] if facts.get("warning") else []


def set_facts(scored: SetScore) -> dict[str, Any]:
    """A set's part of report.json."""
    return {
        "fidelity": scored.fidelity,
        "per_class": scored.per_class,
        "faults": scored.faults,
        "privacy": scored.copies,
    }


def empty(verdict_: dict[str, Any], scored: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The parts of report.json where no arms were trained."""
    parts: dict[str, Any] = {"fidelity": {}, "per_class": {}, "faults": [], "privacy": {}, "warnings": []}
    return {"utility": [], "utility_per_class": {}, **parts, **(scored or {}), "verdict": verdict_}


def rank_sets(trial: Trial, sets: Mapping[str, LabelledData]) -> tuple[dict[str, Any], list[str], Yardstick]:
    """Scores of several sets, for `evaluate`: (facts of the best with `sets` of all, names best first, yardstick).

    Sets without a fault come first; among them, and among the others, the one from which a classifier learns most
    (train on synthetic, test on real), or without classifiers the one closest to the test rows.
    """
    seen = LabelledData.concat([without_groups(trial.train), without_groups(trial.val)])
    yardstick = Yardstick.of(trial.train, trial.test, seen, trial.seed, trial.progress, trial.inception)
    scored = {name: yardstick.score(name, made, trial.progress) for name, made in sets.items()}
    order_by = {name: one.closeness() for name, one in scored.items()}
    result = None
    if not trial.why_not():
        needed = dict(zip(trial.train.schema.classes, to_balance(trial.train.counts()).tolist(), strict=True))
        arms, _ = standard_arms(trial, needed)
        for name, made in sets.items():
            arms += [added(arm_name(CANDIDATE, name, sets), trial.train, (made,))]
            arms += [Arm(arm_name("synthetic_only", name, sets), (without_groups(made),))]
        result = train_arms(trial, arms, {})
        learner = result.learners[0]
        for name in sets:
            raw = result.raw[arm_name("synthetic_only", name, sets), learner, "balanced_accuracy"]
            order_by[name] = float(raw.mean())
    order = sorted(sets, key=lambda name: (bool(scored[name].faults), -order_by[name]))
    best = order[0]
    privacy = {name: _attacked(yardstick, trial, sets[name], scored[name]) for name in order}
    facts = set_facts(scored[best]) | {"spaces": yardstick.qualified, "warnings": yardstick.warnings()}
    facts["privacy"] = privacy[best]
    facts["faults"] = [fault for name in order for fault in scored[name].faults]
    verdicts = {name: not_run(trial.why_not()) for name in sets}
    if result is None:
        facts |= empty(verdicts[best], scored=facts)
    else:
        facts |= utility_facts(result, arm_name(CANDIDATE, best, sets), trial.train)
        verdicts = {name: verdict(result, candidate=arm_name(CANDIDATE, name, sets)) for name in sets}
        facts["verdict"] = verdicts[best]
    facts["sets"] = {
        name: {
            "verdict": verdicts[name],
            "faults": scored[name].faults,
            "ranked_by": order_by[name],
            "fidelity": scored[name].fidelity,
            "privacy": privacy[name],
        }
        for name in order
    }
    return facts, order, yardstick


def _attacked(yardstick: Yardstick, trial: Trial, made: LabelledData, scored: SetScore) -> dict[str, Any]:
    """Copies and attacks on who was in the real rows that a set may have been made from."""
    trial.progress("privacy: copies and membership inference")
    seed = rng.child(trial.seed, "privacy")
    points = points_of(LabelledData.concat([yardstick.seen, trial.test]))
    return privacy_facts(yardstick.seen, trial.test, made, scored.found, seed=seed, points=points)


def arm_name(arm: str, name: str, sets: Mapping[str, Any]) -> str:
    """The plain name where one set is scored, with the set's name where there are several."""
    return arm if len(sets) == 1 else f"{arm} ({name})"


def best_on_validation(trial: Trial, result: UtilityResult, arms: list[str]) -> str:
    """The arm with the highest balanced accuracy on validation rows, over its seeds; the first where there are none."""
    if not len(trial.val):
        return arms[0]
    classes = len(trial.train.schema.classes)

    def accuracy(arm: str) -> float:
        predicted = result.further[arm, VAL].argmax(axis=2)
        return float(label_scores(tally(trial.val.y, predicted, classes))["balanced_accuracy"].mean())

    return max(arms, key=accuracy)
