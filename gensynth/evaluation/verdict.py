"""The verdict: what to use, how much of it, what it gains over the best simple alternative, how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gensynth.evaluation.intervals import LEVEL, Difference, holm
from gensynth.evaluation.metrics.classification import LOSSES
from gensynth.evaluation.utility import UtilityResult, paired_difference

HEADLINE_METRIC = "balanced_accuracy"
BASELINE, CANDIDATE = "real_only", "real_plus_synthetic"
# What a user could have had without a generator: how the sentence calls it.
SIMPLE_ARMS = {
    "class_weights": "class weights",
    "tuned_threshold": "a tuned threshold",
    "random_oversampling": "plain oversampling",
    "random_undersampling": "dropping rows of the common classes (undersampling)",
    "smote": "interpolation (SMOTE)",
    "adasyn": "interpolation (ADASYN)",
    "jitter": "moving the numbers of real rows a little (jitter)",
    "safe_text": "moving, marking and misspelling words of real texts",
    "safe_audio": "noise on real recordings and other loudness",
    "classical_augmentation": "classical augmentation (a rotation, a shift)",
}
PLURAL = ("class_weights",)


def verdict(
    result: UtilityResult,
    baseline: str = BASELINE,
    candidate: str = CANDIDATE,
    how_much: str = "",
    simple_arms: Mapping[str, str] = SIMPLE_ARMS,
) -> dict:
    """{"answer": helps | no_difference | hurts | not_run, "candidate", "use", "sentence", "details"}.

    The rule, on balanced accuracy of the first learner over locked test rows with paired 95 % intervals:
    hurts, if the interval of candidate minus baseline lies below 0; helps, if it lies above 0, still does after
    Holm's correction over all arms, and no simple arm (class weights, oversampling ...) beats the candidate, that
    is, none of the plain intervals of candidate minus simple arm lies below 0; no_difference in all other cases.
    `use` names the arm to use: the candidate if it helps and is better than every simple arm that helps; else
    the best simple arm that helps; else the baseline. The best simple arm is picked on the test rows, which
    flatters the simple side.
    how_much     what the candidate adds, for the sentence: "20 to 106 rows a class"
    simple_arms  name -> words for the sentence, of the arms that a candidate has to match
    """
    arms = set(result.arms)
    missing = sorted({baseline, candidate} - arms)
    if missing:
        return not_run(f"the arm {missing[0]} was not trained")
    learner = result.learners[0]
    simple = [name for name in simple_arms if name in arms and name != candidate]
    against = {
        arm: paired_difference(result, candidate, arm, learner=learner, metric=HEADLINE_METRIC)
        for arm in [baseline, *simple]
    }
    changes = _changes(result, baseline, learner, HEADLINE_METRIC)
    helping = {arm for arm, (change, p) in changes.items() if p < LEVEL and change.mean > 0}
    answer = decide(against[baseline], candidate in helping, [against[arm] for arm in simple])
    good = [arm for arm in simple if arm in helping]
    best_good = max(good, key=lambda arm: _mean(result, arm)) if good else None
    use = candidate
    if answer != "helps" or (best_good is not None and against[best_good].low <= 0):
        use = best_good or baseline
    return {
        "answer": answer,
        "candidate": candidate,
        "use": use,
        "sentence": _sentence(answer, use, result, against, baseline, candidate, how_much, simple_arms),
        "details": _details(result, candidate, against, baseline),
    }


def not_run(reason: str) -> dict[str, Any]:
    """The verdict where no comparison was made."""
    return {"answer": "not_run", "candidate": "", "use": "", "sentence": f"No verdict: {reason}.", "details": []}


def decide(to_baseline: Difference, holds: bool, to_simple: list[Difference]) -> str:
    """helps, no_difference or hurts, by the rule of `verdict`; `holds`: helps after Holm's correction.

    >>> up, down = Difference(0.04, 0.02, 0.06, 0.001), Difference(-0.04, -0.06, -0.02, 0.001)
    >>> level = Difference(0.0, -0.01, 0.01, 1.0)
    >>> decide(up, True, [level]), decide(up, True, [down]), decide(up, False, []), decide(down, False, [up])
    ('helps', 'no_difference', 'no_difference', 'hurts')
    """
    if to_baseline.high < 0:
        return "hurts"
    beaten = any(difference.high < 0 for difference in to_simple)
    return "helps" if to_baseline.low > 0 and holds and not beaten else "no_difference"


def answer_arms(result: UtilityResult, baseline: str = BASELINE) -> None:
    """Put into every row of every other arm what it does against the baseline: `difference`, `answer`, `p_holm`.

    helps or hurts where the paired difference holds at the 5 % level after Holm's correction over the arms of one
    learner and metric, else no_difference. The calibration slope has a difference and no answer, since it is best
    in the middle.
    """
    if baseline not in result.arms:
        return
    families = {
        (learner, metric): _changes(result, baseline, learner, metric)
        for learner in result.learners
        for metric in result.metrics(learner)
    }
    for row in result.rows:
        if row["arm"] == baseline:
            continue
        change, p = families[row["learner"], row["metric"]][row["arm"]]
        row["difference"] = {"mean": change.mean, "low": change.low, "high": change.high}
        row["p_holm"] = p
        if row["metric"] != "calibration_slope":
            gain = -change.mean if row["metric"] in LOSSES else change.mean
            row["answer"] = "no_difference" if p >= LEVEL else "helps" if gain > 0 else "hurts"


def _changes(result: UtilityResult, baseline: str, learner: str, metric: str) -> dict[str, tuple[Difference, float]]:
    """arm -> (difference to the baseline, p-value after Holm's correction over all arms)."""
    arms = [arm for arm in result.arms if arm != baseline]
    changes = [paired_difference(result, arm, baseline, learner=learner, metric=metric) for arm in arms]
    p = holm(np.array([change.p for change in changes]))
    return {arm: (change, float(q)) for arm, change, q in zip(arms, changes, p, strict=True)}


def _sentence(
    answer: str,
    use: str,
    result: UtilityResult,
    against: dict[str, Difference],
    baseline: str,
    candidate: str,
    how_much: str,
    words: Mapping[str, str],
) -> str:
    change, simple = against[baseline], [arm for arm in against if arm != baseline]
    amount = f" ({how_much})" if how_much else ""
    instead = "the real rows as they are" if use == baseline else words.get(use, use)
    if answer == "helps":
        opening = f"Use the synthetic rows{amount}"
        if use != candidate:
            opening = f"Synthetic rows{amount} help, and so does a simpler way; use {instead}"
    elif answer == "hurts":
        opening = f"Synthetic rows{amount} hurt, do not use them; use {instead}"
    elif change.low > 0 and any(against[arm].high < 0 for arm in simple):
        opening = f"Synthetic rows{amount} beat real rows alone, but a simple method beats them; use {instead}"
    else:
        opening = f"Synthetic rows{amount} make no difference that these test rows can show; use {instead}"
    generators = result.generators[candidate]
    trained = f", {generators} generators" if generators > 1 else ""
    numbers = (
        f"balanced accuracy on {len(result.labels)} locked test rows {_mean(result, candidate):.3f} "
        f"against {_mean(result, baseline):.3f} for real rows only ({change.mean:+.3f}, 95 % interval "
        f"{change.low:+.3f} to {change.high:+.3f}, {len(result.seeds)} seeds{trained})"
    )
    return f"{opening}: {numbers}{_simple_clause(answer, use, result, against, simple, candidate, words)}."


def _simple_clause(
    answer: str,
    use: str,
    result: UtilityResult,
    against: dict[str, Difference],
    simple: list[str],
    candidate: str,
    words: Mapping[str, str],
) -> str:
    """What the best simple arm reaches, what the synthetic rows gain over it, and whether it does as well."""
    if not simple:
        return ""
    best = max(simple, key=lambda arm: _mean(result, arm))
    gain = against[best]
    text = (
        f"; over the best simple alternative, {best} with {_mean(result, best):.3f}, they gain {gain.mean:+.3f} "
        f"({gain.low:+.3f} to {gain.high:+.3f})"
    )
    if gain.high < 0:
        return f"{text}: it is better"
    if answer == "helps" and use != candidate:
        return f"{text}: {words[best]} {'do' if best in PLURAL else 'does'} as well"
    return text


def _mean(result: UtilityResult, arm: str) -> float:
    return float(result.raw[arm, result.learners[0], HEADLINE_METRIC].mean())


def _details(
    result: UtilityResult, candidate: str, against: dict[str, Difference], baseline: str
) -> list[dict[str, str | float]]:
    """The headline against each arm, then every learner and metric against the baseline."""
    lines = [_line(arm, result.learners[0], HEADLINE_METRIC, difference) for arm, difference in against.items()]
    for learner in result.learners:
        for metric in result.metrics(learner):
            if (learner, metric) != (result.learners[0], HEADLINE_METRIC):
                difference = paired_difference(result, candidate, baseline, learner=learner, metric=metric)
                lines.append(_line(baseline, learner, metric, difference))
    return lines


def _line(against: str, learner: str, metric: str, difference: Difference) -> dict[str, str | float]:
    return {
        "against": against,
        "learner": learner,
        "metric": metric,
        "difference": difference.mean,
        "low": difference.low,
        "high": difference.high,
        "p": difference.p,
    }
