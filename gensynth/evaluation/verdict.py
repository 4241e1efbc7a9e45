"""The verdict: do synthetic rows help, in one word and one sentence with its numbers."""

from __future__ import annotations

from typing import Any

from gensynth.evaluation.utility import Difference, UtilityResult, paired_difference

HEADLINE_METRIC = "balanced_accuracy"
LOSSES = ("brier",)  # better when lower
# What a user could have had without a generator, and how the sentence says that it does as well.
SIMPLE_ARMS = {
    "class_weights": "class weights do as well",
    "tuned_threshold": "a tuned threshold does as well",
    "random_oversampling": "plain oversampling does as well",
    "random_undersampling": "dropping rows of the common classes does as well",
    "smote": "interpolation (SMOTE) does as well",
    "adasyn": "interpolation (ADASYN) does as well",
    "jitter": "moving the numbers of real rows a little (jitter) does as well",
    "classical_augmentation": "classical augmentation (a rotation, a shift) does as well",
}


def verdict(
    result: UtilityResult, baseline: str = "real_only", candidate: str = "real_plus_synthetic"
) -> dict[str, Any]:
    """{"answer": helps | no_difference | hurts | not_run, "sentence", "details"}.

    The rule, on balanced accuracy of the first learner over locked test rows with paired 95 % intervals:
    hurts, if the interval of candidate minus baseline lies below 0; helps, if it lies above 0 and no simple
    arm (class weights, oversampling ...) beats the candidate, that is, none of their intervals of candidate
    minus simple arm lies below 0; no_difference in all other cases. A simple arm that is not beaten itself
    is named: then the generator is not needed. Each simple arm is compared, the best is not picked first, so
    no choice is made on the test rows that could turn the answer to helps.
    """
    arms = {arm for arm, _ in result.predictions}
    missing = sorted({baseline, candidate} - arms)
    if missing:
        return not_run(f"the arm {missing[0]} was not trained")
    against = {
        arm: paired_difference(result, candidate, arm, learner=result.learners[0], metric=HEADLINE_METRIC)
        for arm in [baseline, *(name for name in SIMPLE_ARMS if name in arms)]
    }
    answer = decide(against[baseline], [against[arm] for arm in against if arm != baseline])
    return {
        "answer": answer,
        "sentence": _sentence(answer, result, against, baseline, candidate),
        "details": _details(result, candidate, against, baseline),
    }


def not_run(reason: str) -> dict[str, Any]:
    """The verdict where no comparison was made."""
    return {"answer": "not_run", "sentence": f"No verdict: {reason}.", "details": []}


def decide(to_baseline: Difference, to_simple: list[Difference]) -> str:
    """helps, no_difference or hurts, by the rule of `verdict`.

    >>> up, level, down = Difference(0.04, 0.02, 0.06), Difference(0.0, -0.01, 0.01), Difference(-0.04, -0.06, -0.02)
    >>> decide(up, [level]), decide(up, [down]), decide(level, []), decide(down, [up])
    ('helps', 'no_difference', 'no_difference', 'hurts')
    """
    if to_baseline.high < 0:
        return "hurts"
    beaten = any(difference.high < 0 for difference in to_simple)
    return "helps" if to_baseline.low > 0 and not beaten else "no_difference"


def answer_arms(result: UtilityResult, baseline: str = "real_only") -> None:
    """Put into every row of every other arm what the arm does against the baseline: `difference` and `answer`.

    helps or hurts where the paired 95 % interval of the difference lies on one side of 0, no_difference where it
    holds 0. One comparison a row: of twenty such intervals one is expected to miss. The calibration slope has a
    difference and no answer, since it is best in the middle.
    """
    arms = {arm for arm, _ in result.predictions}
    for row in result.rows:
        if baseline not in arms or row["arm"] == baseline:
            continue
        change = paired_difference(result, row["arm"], baseline, learner=row["learner"], metric=row["metric"])
        row["difference"] = {"mean": change.mean, "low": change.low, "high": change.high}
        if row["metric"] != "calibration_slope":
            better = Difference(-change.mean, -change.high, -change.low) if row["metric"] in LOSSES else change
            row["answer"] = decide(better, [])


def _sentence(answer: str, result: UtilityResult, against: dict[str, Difference], baseline: str, candidate: str) -> str:
    opening = {
        "helps": "Synthetic rows help",
        "no_difference": "Synthetic rows make no difference that these test rows can show",
        "hurts": "Synthetic rows hurt, do not use them",
    }[answer]
    if answer == "no_difference" and against[baseline].low > 0:
        opening = "Synthetic rows beat real rows alone, but a simple method beats them"
    change = against[baseline]
    numbers = (
        f"balanced accuracy on {len(result.labels)} locked test rows {_mean(result, candidate):.3f} "
        f"against {_mean(result, baseline):.3f} for real rows only ({change.mean:+.3f}, 95 % interval "
        f"{change.low:+.3f} to {change.high:+.3f}, {len(result.seeds)} seeds)"
    )
    return f"{opening}: {numbers}{_simple_clause(answer, result, against, baseline)}."


def _simple_clause(answer: str, result: UtilityResult, against: dict[str, Difference], baseline: str) -> str:
    """What the best simple arm reaches, and whether it does as well."""
    simple = [arm for arm in against if arm != baseline]
    if not simple:
        return ""
    best = max(simple, key=lambda arm: _mean(result, arm))
    text = f"; the best simple arm, {best}, reaches {_mean(result, best):.3f}"
    if against[best].high < 0:
        return f"{text}, and is better"
    if answer == "helps" and against[best].low <= 0:
        return f"{text}: {SIMPLE_ARMS[best]}"
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
    }
