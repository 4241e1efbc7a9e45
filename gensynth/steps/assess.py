"""What synthetic rows are worth, for balance, evaluate and compare: how much to add, how true they are, do they help.

`assess` is the one place where parts of an evaluation are put together. It fits one classifier of real rows, one set of
feature spaces and all arms once, and scores every set by them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gensynth import rng
from gensynth.balancing.plan import to_balance
from gensynth.data.kinds import points_of, sight_of
from gensynth.evaluation.assessment import (
    Assessment,
    EvaluationSettings,
    Fold,
    Internal,
    Provenance,
    RealRows,
    SetAssessment,
    SyntheticSet,
    without_groups,
)
from gensynth.evaluation.fidelity.novelty import label_agreement, novelty, operation_agreement
from gensynth.evaluation.fidelity.scorer import MOST_CLASSES, FidelityScorer, arms_utility
from gensynth.evaluation.group_audit import audit_of, bias_of
from gensynth.evaluation.labels.integrity import labels_of
from gensynth.evaluation.parts import Bias, Fidelity, Notice, Privacy, Utility, Verdict
from gensynth.evaluation.privacy.copies import Copies, copy_entries, nearest_rows
from gensynth.evaluation.privacy.privacy import privacy_of
from gensynth.evaluation.privacy.shadow import SUITES, shadow_attack
from gensynth.evaluation.utility.amount import Advice, advise, too_few
from gensynth.evaluation.utility.arms import arms_of
from gensynth.evaluation.utility.classifiers import classifiers_of
from gensynth.evaluation.utility.pooled import pooled
from gensynth.evaluation.utility.robustness import robustness
from gensynth.evaluation.utility.shortcut import PROBE, shortcut_gap
from gensynth.evaluation.utility.strong import further_classifiers, strong_arms
from gensynth.evaluation.utility.utility import UtilityResult, rarest_class, run_arms
from gensynth.evaluation.utility.verdict import CANDIDATE, SIMPLE_ARMS, not_run, verdict
from gensynth.models.classifiers import RowClassifier, fit_row_classifier
from gensynth.progress import say
from gensynth.samplers.adversarial import Adversarial
from gensynth.samplers.sampler import Sampler, links_of
from gensynth.samplers.transform import OfOperations
from gensynth.steps.choose import VAL, Choice, Choose, Scored, first_set
from gensynth.types import SYNTHETIC, LabelledData

SWEEP_SEEDS, SWEEP_SEEDS_QUICK = 3, 2
MOST_POOL = 400_000
UNEVEN = "a class has no test row in some fold: the intervals leave out the luck of training rows"
PROBE_ROWS = 500
SHADOW_TARGETS = 200  # a side
MOST_NAMED = 5  # classes in one warning


def why_no_arms(real: RealRows, settings: EvaluationSettings) -> str:
    """Why no arms are trained, or an empty text if they are."""
    classes = len(real.train.schema.classes)
    if "utility" not in settings.parts:
        return "utility.run is false"
    if not len(real.test):
        return "there are no test rows"
    most = MOST_CLASSES.get(real.train.schema.modality, classes)
    if classes > most:
        return f"{classes} classes are more than the {most} that arms are trained for"
    return ""


def advise_amount(
    real: RealRows, settings: EvaluationSettings, draw: Callable[[dict[str, int]], LabelledData]
) -> Advice:
    """How much to add, chosen on validation rows; `draw` makes rows of each class as they would be merged."""
    missing = to_balance(real.train.counts())
    if reason := why_no_arms(real, settings):
        return Advice(sentence=f"How much to add: not run, {reason}.")
    if not missing.any():
        return Advice(sentence="How much to add: not run, the classes are balanced already.")
    if reason := too_few(real.val):
        return Advice(sentence=f"How much to add: {reason}.")
    if (most := 2 * int(missing.sum())) > MOST_POOL:
        return Advice(sentence=f"How much to add: not run, {most:,} rows would have to be drawn first.")
    pool = draw({c: 2 * int(n) for c, n in zip(real.train.schema.classes, missing, strict=True)})
    return advise(
        train=without_groups(real.train),
        pool=without_groups(pool),
        val=real.val,
        classifier=classifiers_of(real.train, settings.steps)[0].budgets[0],
        seeds=settings.arm_seeds()[: SWEEP_SEEDS if settings.full else SWEEP_SEEDS_QUICK],
    )


def probe_counts(train: LabelledData, needed: Mapping[str, int]) -> dict[str, int]:
    """How many rows of the commonest class the shortcut probe asks for: none where that class gets rows anyway."""
    common = int(np.argmax(train.counts()))
    asks = any(needed.values()) and not needed[train.schema.classes[common]]
    return {name: PROBE_ROWS if asks and c == common else 0 for c, name in enumerate(train.schema.classes)}


def assess(
    real: RealRows,
    sets: Mapping[str, SyntheticSet],
    settings: EvaluationSettings,
    choose: Choose = first_set,
    folds: Sequence[Fold] = (),
) -> Assessment:
    """Score every set on the same locked test rows; `choose` says which the verdict and the report speak of.

    folds  further splits of the same rows, on whose test rows the verdict rests too
    """
    operating = {name: one.sampler for name, one in sets.items() if one.sampler and _with_operations(one.sampler)}
    scorable = bool(len(real.test)) and any(len(one.rows[0]) for one in sets.values())
    evaluation_classifier = None
    if scorable or (operating and len(real.val)):
        evaluation_classifier = fit_row_classifier(real.train, rng.child(settings.seed, "evaluation judge"))
    if evaluation_classifier is None or not scorable:
        found = _nothing_to_score(real, sets, settings)
    else:
        scorer = FidelityScorer.of(real, evaluation_classifier, settings)
        found = _scored(real, sets, settings, scorer, choose, folds)
    operations: dict[str, list[dict[str, Any]]] = {}
    for name, sampler in operating.items():
        lines = _operations(sampler, real, settings, evaluation_classifier)
        if sets[name].arm != CANDIDATE:  # of several sets each operation is told with the set's name
            lines = {name if len(lines) == 1 else f"{name}: {link}": found for link, found in lines.items()}
        operations |= lines
    left_out = [line for sampler in operating.values() for line in left_out_warnings(_with_operations(sampler))]
    robust = [line for one in sets.values() for line in _robustness(one, real, settings)]
    utility = replace(found.utility, operations=operations, robustness=robust)
    return replace(found, utility=utility, warnings=[*left_out, *found.warnings])


def _nothing_to_score(real: RealRows, sets: Mapping[str, SyntheticSet], settings: EvaluationSettings) -> Assessment:
    """Who is in the rows can be said all the same."""
    reason = "no synthetic rows were needed" if len(real.test) else "there are no test rows"
    found = {}
    for name, one in sets.items():
        audit = Bias()
        if settings.groups and "bias" in settings.parts:
            audit = audit_of(real.train, one.rows[0], settings.groups, settings.limits, _not_measured(real, settings))
        found[name] = SetAssessment(privacy=Privacy(dp=one.dp), bias=audit, provenance=Provenance.of(one))
    realism = np.zeros(len(next(iter(sets.values())).rows[0]))
    return Assessment(found, Utility(verdict=not_run(reason)), pictures=(realism, {}))


def _not_measured(real: RealRows, settings: EvaluationSettings) -> dict[str, str]:
    return {"reason": f"not defined: {why_no_arms(real, settings) or 'no synthetic rows were drawn'}"}


def _scored(
    real: RealRows,
    sets: Mapping[str, SyntheticSet],
    settings: EvaluationSettings,
    scorer: FidelityScorer,
    choose: Choose,
    folds: Sequence[Fold],
) -> Assessment:
    copies = {name: scorer.copies(one.rows[0]) for name, one in sets.items()}
    fidelity = {name: Fidelity() for name in sets}
    if "fidelity" in settings.parts:
        fidelity = {name: scorer.score(name, one.rows[0], copies[name]) for name, one in sets.items()}
    reason = why_no_arms(real, settings)
    result = None if reason else _train_arms(real, sets, settings)
    over_folds = result
    if result is not None and folds:
        others = [_train_arms(fold.real, fold.sets, fold.settings) for fold in folds]
        labels = np.concatenate([real.test.y, *(fold.real.test.y for fold in folds)])
        over_folds = pooled([result, *others], rarest_class(real.train.counts(), labels))
    scored = Scored(real, sets, fidelity, copies, result, over_folds)
    choice = choose(scored)
    utility = Utility(verdict=not_run(reason))
    warnings = [*_untested(real, sets), *_not_tested(fidelity), *scorer.warnings()]
    if result is not None and over_folds is not None:
        utility = arms_utility(over_folds, choice.candidate, real.train, settings.margin)
        answer = _verdict(scored, choice.candidate, settings)
        shortcut = _shortcut(real, sets, choice, result, settings)
        utility = replace(utility, verdict=answer, shortcut=shortcut)
        if folds and not over_folds.by_fold:
            warnings.append({"code": "folds_uneven", "text": UNEVEN})
        if shortcut and shortcut.get("warning"):
            warnings.append({"code": "shortcut", "text": shortcut["warning"]})
    found = {name: _assess_set(name, scored, scorer, settings) for name in choice.order}
    if choice.ranked_by:
        for name, one in found.items():
            own = _verdict(scored, sets[name].arm, settings) if result else utility.verdict
            found[name] = replace(one, verdict=own, ranked_by=choice.ranked_by[name])
    best = sets[choice.order[0]].rows[0]
    seen = sight_of(best.schema) is not None
    pictures = (scorer.realism(best) if seen else np.zeros(len(best)), scorer.embedding(best))
    return Assessment(found, utility, scorer.qualified, warnings, pictures)


def _train_arms(real: RealRows, sets: Mapping[str, SyntheticSet], settings: EvaluationSettings) -> UtilityResult:
    """All arms on all classifiers; the first one's probabilities of val and probe rows are kept by name."""
    probes = {f"{PROBE} {name}": one.probe.x for name, one in sets.items() if one.probe is not None and len(one.probe)}
    classifiers = classifiers_of(real.train, settings.steps, full=settings.full)
    arms = arms_of(real, sets, settings)
    if settings.full:
        arms += strong_arms(real.train, classifiers[0])
        classifiers += further_classifiers(real.train)
    return run_arms(
        arms=arms,
        classifiers=classifiers,
        val=real.val,
        test=real.test,
        further={VAL: real.val.x} | probes,
        seeds=settings.arm_seeds(),
    )


def _verdict(scored: Scored, candidate: str, settings: EvaluationSettings) -> Verdict:
    """Of one arm: what its rows are, by their origin, what is wrong with them, and what it has to match."""
    assert scored.over_folds is not None
    sets = scored.sets
    name, owner = next((name, one) for name, one in sets.items() if candidate in one.arms)
    origins = set(owner.rows[0].origin.tolist()) | ({"augmented"} if candidate == owner.classical_arm else set())
    named = settings.how_much and candidate != CANDIDATE
    simple = {one.arm: f"the sampler {one.arm}" for one in sets.values() if one.simple and one.arm}
    return verdict(
        scored.over_folds,
        candidate=candidate,
        how_much=f"{candidate}: {settings.how_much}" if named else settings.how_much,
        simple_arms=SIMPLE_ARMS | simple | {name: name for name in settings.online},
        kind=" and ".join(sorted(origins, key=lambda origin: origin != SYNTHETIC)),
        margin=settings.margin,
        faults=scored.fidelity[name].faults,
    )


def _shortcut(
    real: RealRows,
    sets: Mapping[str, SyntheticSet],
    choice: Choice,
    result: UtilityResult,
    settings: EvaluationSettings,
) -> dict[str, Any] | None:
    """The shortcut probe of the chosen arm; None where no probe rows were drawn."""
    name = next(name for name in choice.order if choice.candidate in sets[name].arms)
    probe, classes = sets[name].probe, real.train.schema.classes
    if probe is None or not len(probe):
        return None
    common = int(np.argmax(real.train.counts()))
    rare = [c for c, label in enumerate(classes) if settings.needed[label]]
    return shortcut_gap(
        result,
        common=common,
        rare=rare,
        name=classes[common],
        candidate=choice.candidate,
        probe=f"{PROBE} {name}",
    )


def _assess_set(name: str, scored: Scored, scorer: FidelityScorer, settings: EvaluationSettings) -> SetAssessment:
    """All parts of one set; how it stands beside others where there are several."""
    real, one, copied = scored.real, scored.sets[name], scored.copies[name]
    rows, result = one.rows[0], scored.result
    parts, privacy = settings.parts, Privacy.from_json(copy_entries(copied))
    if "privacy" in parts:
        privacy = _privacy(one, copied, real, settings)
    found = SetAssessment(scored.fidelity[name], replace(privacy, dp=one.dp), provenance=Provenance.of(one))
    if "bias" in parts and (settings.groups or settings.slices):
        trained = next((arm for arm in one.arms if result and arm in result.arms), "")
        recall_by = (result, trained) if result and trained else _not_measured(real, settings)
        found = replace(found, bias=bias_of(real, rows, scorer, copied, recall_by, settings))
    internal = Internal(nearest_rows(copied, rows.ids, real.seen.ids))
    if "labels" in parts and one.drawn is not None:
        labels, suspects = labels_of(
            train=real.train,
            held_out=real.test,
            synthetic=rows,
            drawn=one.drawn,
            classify=scorer.evaluation_classifier.probabilities,
            space=scorer.space("self_supervised"),
            seed=settings.seed,
            subject=settings.subject,
        )
        found, internal = replace(found, labels=labels), replace(internal, suspects=suspects)
    if one.seconds_per_row is not None:
        new = novelty(real.train, real.test, rows, points_of(real.train), settings.seed)
        agreement = label_agreement(scorer.evaluation_classifier, rows, real.test)
        cost = round(1000 * one.seconds_per_row, 3)
        found = replace(found, novelty=new, label_agreement=agreement, seconds_per_1000=cost)
    return replace(found, internal=internal)


def _privacy(one: SyntheticSet, copied: Copies, real: RealRows, settings: EvaluationSettings) -> Privacy:
    """Copies and attacks on who was in the real rows that a set may have been learned from."""
    say("privacy: copies and membership inference")
    seen, held_out, rows, subject = real.seen, real.held_out, one.rows[0], settings.subject
    points = points_of(LabelledData.concat([seen, held_out]))  # of rows seen alone, all others would lie far
    seed = rng.child(settings.seed, "privacy")
    shadow = one.shadow if settings.shadows else None
    found = privacy_of(
        seen,
        held_out,
        rows,
        copied,
        seed=seed,
        points=points,
        subject=subject,
        attacks=one.attacks,
        families=SUITES if shadow else 1,
    )
    if shadow is None:
        return found
    say(f"privacy: {settings.shadows} shadow generators")
    line = shadow_attack(
        seen,
        held_out,
        rows,
        shadow,
        runs=settings.shadows,
        targets=SHADOW_TARGETS,
        points=points,
        seed=rng.child(settings.seed, "shadows"),
        subject=subject,
    )
    strongest = [of_release | {"shadows": line["corrected"]} for of_release in found.maximum or []]
    return replace(found, membership=[*(found.membership or []), line], maximum=strongest)


def _with_operations(sampler: Sampler) -> list[OfOperations]:
    return [link for link in links_of(sampler) if isinstance(link, OfOperations)]


def _operations(
    sampler: Sampler, real: RealRows, settings: EvaluationSettings, evaluation_classifier: RowClassifier | None
) -> dict[str, list[dict[str, Any]]]:
    """What a transform's operations do to labels of validation rows, by link of the sampler."""
    if evaluation_classifier is None or not len(real.val):
        return {}
    return {
        link.name: operation_agreement(link, evaluation_classifier, real.val, settings.seed)
        for link in _with_operations(sampler)
    }


def _robustness(one: SyntheticSet, real: RealRows, settings: EvaluationSettings) -> list[dict[str, Any]]:
    """What adversarial rows do to a classifier; nothing for others."""
    if one.sampler is None or not len(one.rows[0]) or not len(real.test):
        return []
    links = [link for link in links_of(one.sampler) if isinstance(link, Adversarial)]
    return [line for link in links for line in robustness(link, real.train, one.rows[0], real.test, settings.seed)]


def left_out_warnings(transforms: list[OfOperations]) -> list[Notice]:
    """A line for every reason why operations of a transform did not run."""
    return [{"code": code, "text": text} for one in transforms for code, text in one.reasons_left_out()]


def _untested(real: RealRows, sets: Mapping[str, SyntheticSet]) -> list[Notice]:
    """A line for classes that receive rows and have no test row: no score can say what theirs are worth."""
    received = np.sum([one.rows[0].counts() for one in sets.values()], axis=0)
    names = [c for c, n, m in zip(real.test.schema.classes, received, real.test.counts(), strict=True) if n and not m]
    text = f"no test rows of {', '.join(names[:10])}: the verdict says nothing about the rows added to them"
    return [{"code": "class_untested", "text": text}] if names else []


def _not_tested(fidelity: Mapping[str, Fidelity]) -> list[Notice]:
    """A line for every set with classes that some fault test had too few rows of: no fault found is no clean bill."""
    lines = []
    for name, found in fidelity.items():
        if found.untested:
            some = "; ".join(f"{label} {why}" for label, why in list(found.untested.items())[:MOST_NAMED])
            more = len(found.untested) - MOST_NAMED
            rest = f"; and {more} more classes" if more > 0 else ""
            lines.append({"code": "not_tested", "text": f"{name}: no fault found is no clean bill: {some}{rest}"})
    return lines
