"""The verdict: what to use, how much of it, what it gains over the best simple alternative, how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from gensynth.evaluation.assessment import Verdict
from gensynth.evaluation.metrics.classification import LOSSES
from gensynth.evaluation.utility.utility import UtilityResult, paired_difference
from gensynth.intervals import LEVEL, Difference, holm

HEADLINE_METRIC = "balanced_accuracy"
BASELINE, CANDIDATE = "real_only", "real_plus_synthetic"
SIMPLE_ARMS: dict[str, str] = yaml.safe_load(Path(__file__).with_name("simple_arms.yaml").read_text(encoding="utf-8"))
PLURAL = ("class_weights", "safe_text", "safe_audio")


@dataclass(frozen=True)
class Compared:
    """What a verdict rests on: the candidate, its differences to the baseline and to every simple arm, in words.

    kind      what the rows of the candidate are: "synthetic", "augmented", "synthetic and augmented"
    how_much  what the candidate adds: "20 to 106 rows in each of 9 classes"; words: of every simple arm
    """

    result: UtilityResult
    baseline: str
    candidate: str
    against: dict[str, Difference]
    kind: str
    how_much: str
    wording: Mapping[str, str]

    @property
    def simple(self) -> list[str]:
        return [arm for arm in self.against if arm != self.baseline]

    @property
    def to_baseline(self) -> Difference:
        return self.against[self.baseline]

    def mean(self, arm: str) -> float:
        return float(self.result.raw[arm, self.result.classifiers[0], HEADLINE_METRIC].mean())

    def best(self, arms: list[str]) -> str:
        return max(arms, key=self.mean)


def verdict(
    result: UtilityResult,
    baseline: str = BASELINE,
    candidate: str = CANDIDATE,
    how_much: str = "",
    simple_arms: Mapping[str, str] = SIMPLE_ARMS,
    kind: str = "synthetic",
) -> Verdict:
    """The answer for one arm: helps, no_difference, hurts or not_run; the arm to use; a sentence; the differences.

    The rule, on balanced accuracy of the first classifier over locked test rows with paired 95 % intervals:
    hurts, if the interval of candidate minus baseline lies below 0; helps, if it lies above 0, still does after
    Holm's correction over all arms, and no simple arm (class weights, oversampling ...) beats the candidate, that
    is, none of the plain intervals of candidate minus simple arm lies below 0; no_difference in all other cases.
    `use` names the arm to use: the candidate if it helps and is better than every simple arm that helps; else
    the best simple arm that helps; else the baseline. The best simple arm is picked on the test rows, which
    flatters the simple side.
    how_much, kind  see `Compared`; simple_arms: name -> words, of the arms that a candidate has to match
    """
    arms = set(result.arms)
    missing = sorted({baseline, candidate} - arms)
    if missing:
        return not_run(f"the arm {missing[0]} was not trained")
    classifier = result.classifiers[0]
    against = {
        arm: paired_difference(result, candidate, arm, classifier=classifier, metric=HEADLINE_METRIC)
        for arm in [baseline, *(name for name in simple_arms if name in arms and name != candidate)]
    }
    found = Compared(result, baseline, candidate, against, kind, how_much, simple_arms)
    changes = _changes(result, baseline, classifier, HEADLINE_METRIC)
    helping = {arm for arm, (change, p) in changes.items() if p < LEVEL and change.mean > 0}
    answer = decide(found.to_baseline, candidate in helping, [against[arm] for arm in found.simple])
    good = [arm for arm in found.simple if arm in helping]
    use = candidate
    if answer != "helps" or (good and against[found.best(good)].low <= 0):
        use = found.best(good) if good else baseline
    return Verdict(answer, candidate, use, _sentence(found, answer, use), _details(found))


def not_run(reason: str) -> Verdict:
    """The verdict where nothing was compared."""
    return Verdict(sentence=f"No verdict: {reason}.")


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
    classifier and metric, else no_difference. The calibration slope has a difference and no answer, since it is best
    in the middle.
    """
    if baseline not in result.arms:
        return
    families = {
        (classifier, metric): _changes(result, baseline, classifier, metric)
        for classifier in result.classifiers
        for metric in result.metrics(classifier)
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


def _changes(result: UtilityResult, baseline: str, classifier: str, metric: str) -> dict[str, tuple[Difference, float]]:
    """arm -> (difference to the baseline, p-value after Holm's correction over all arms)."""
    arms = [arm for arm in result.arms if arm != baseline]
    changes = [paired_difference(result, arm, baseline, classifier=classifier, metric=metric) for arm in arms]
    p = holm(np.array([change.p for change in changes]))
    return {arm: (change, float(q)) for arm, change, q in zip(arms, changes, p, strict=True)}


def _sentence(found: Compared, answer: str, use: str) -> str:
    result, change = found.result, found.to_baseline
    rows = f"{found.kind} rows" + (f" ({found.how_much})" if found.how_much else "")
    sentence_start = rows[0].upper() + rows[1:]
    instead = "the real rows as they are" if use == found.baseline else found.wording.get(use, use)
    if answer == "helps":
        opening = f"Use the {rows}"
        if use != found.candidate:
            opening = f"{sentence_start} help, and so does a simpler way; use {instead}"
    elif answer == "hurts":
        opening = f"{sentence_start} hurt, do not use them; use {instead}"
    elif change.low > 0 and any(found.against[arm].high < 0 for arm in found.simple):
        opening = f"{sentence_start} beat real rows alone, but a simple method beats them; use {instead}"
    else:
        opening = f"{sentence_start} make no difference that these test rows can show; use {instead}"
    generators = result.generators[found.candidate]
    trained = f", {generators} generators" if generators > 1 else ""
    numbers = (
        f"balanced accuracy on {len(result.labels)} locked test rows {found.mean(found.candidate):.3f} "
        f"against {found.mean(found.baseline):.3f} for real rows only ({change.mean:+.3f}, 95 % interval "
        f"{change.low:+.3f} to {change.high:+.3f}, {len(result.seeds)} seeds{trained})"
    )
    return f"{opening}: {numbers}{_simple_clause(found, answer, use)}."


def _simple_clause(found: Compared, answer: str, use: str) -> str:
    """What the best simple arm reaches, what the rows gain over it, and whether it does as well."""
    if not found.simple:
        return ""
    best = found.best(found.simple)
    gain = found.against[best]
    text = (
        f"; over the best simple alternative, {best} with {found.mean(best):.3f}, they gain {gain.mean:+.3f} "
        f"({gain.low:+.3f} to {gain.high:+.3f})"
    )
    if gain.high < 0:
        return f"{text}: it is better"
    if answer == "helps" and use != found.candidate:
        return f"{text}: {found.wording[best]} {'do' if best in PLURAL else 'does'} as well"
    return text


def _details(found: Compared) -> list[dict[str, Any]]:
    """The headline against each arm, then every classifier and metric against the baseline."""
    result, baseline = found.result, found.baseline
    lines = [_line(arm, result.classifiers[0], HEADLINE_METRIC, change) for arm, change in found.against.items()]
    for classifier in result.classifiers:
        for metric in result.metrics(classifier):
            if (classifier, metric) != (result.classifiers[0], HEADLINE_METRIC):
                change = paired_difference(result, found.candidate, baseline, classifier=classifier, metric=metric)
                lines.append(_line(baseline, classifier, metric, change))
    return lines


def _line(against: str, classifier: str, metric: str, change: Difference) -> dict[str, Any]:
    numbers = {"difference": change.mean, "low": change.low, "high": change.high, "p": change.p}
    return {"against": against, "learner": classifier, "metric": metric, **numbers}
