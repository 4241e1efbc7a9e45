"""The verdict: what to use, what it gains over the best simple way, how sure that is, and what could not be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from gensynth.evaluation.metrics.classification import LOSSES
from gensynth.evaluation.parts import Verdict
from gensynth.evaluation.utility.gain import (
    Estimates,
    against_best,
    alone,
    estimate,
    rows_needed,
    smallest_gain,
    together,
)
from gensynth.evaluation.utility.utility import UtilityResult
from gensynth.intervals import Difference, holm

HEADLINE_METRIC, RANKING_METRIC = "balanced_accuracy", "auc"
BASELINE, CANDIDATE = "real_only", "real_plus_synthetic"
WITH_CLASSICAL = "real_plus_synthetic_and_classical"  # the candidate, half of whose rows are classical ones
MARGIN = 0.01  # gains and losses within it make no difference
WORTH_SHOWING = 0.02  # the gain for which it is said how many test rows would show it
SIMPLE_ARMS: dict[str, str] = yaml.safe_load(Path(__file__).with_name("simple_arms.yaml").read_text(encoding="utf-8"))
NEVER_USED = ("memoriser", "label_swap")  # faults of rows that are not recommended, whatever they gain
AS_THEY_ARE = "the real rows as they are"


@dataclass(frozen=True)
class Compared:
    """What a verdict rests on: the candidate, how it stands to the baseline and every simple arm, in words.

    against   differences to all of them, whose intervals hold together; gain: to the best of them, which is `best`
    kind      what the rows of the candidate are: "synthetic", "augmented", "synthetic and augmented"
    how_much  what the candidate adds: "20 to 106 rows in each of 9 classes"; wording: of every simple arm
    """

    result: UtilityResult
    baseline: str
    candidate: str
    against: dict[str, Difference]
    best: str
    gain: Difference
    over_nothing: Difference
    found: Estimates
    margin: float
    kind: str
    how_much: str
    wording: Mapping[str, str]

    @property
    def answer(self) -> str:
        return decide(self.gain, self.margin)

    @property
    def smallest(self) -> float:
        """The gain over the best simple way that would have been seen in four of five cases."""
        return smallest_gain(self.found, list(self.against).index(self.best))

    @property
    def rows(self) -> str:
        return f"{self.kind} rows" + (f" ({self.how_much})" if self.how_much else "")

    def described(self, arm: str) -> str:
        return AS_THEY_ARE if arm == self.baseline else self.wording.get(arm, arm)


def verdict(
    result: UtilityResult,
    baseline: str = BASELINE,
    candidate: str = CANDIDATE,
    how_much: str = "",
    simple_arms: Mapping[str, str] = SIMPLE_ARMS,
    kind: str = "synthetic",
    margin: float = MARGIN,
    faults: Sequence[Mapping[str, str]] = (),
) -> Verdict:
    """The answer for one arm, the arm to use, a sentence, what is gained and what could not be seen.

    The rule, on balanced accuracy of the first classifier over locked test rows: the gain is the difference to the
    best of the baseline and all simple arms (class weights, oversampling ...), with the interval of `against_best`,
    which pays for the best being picked on the same rows. no_difference, if the interval lies within `margin` of 0;
    helps, if it lies above 0; hurts, if below; else cannot_tell. `use` names the candidate if it helps and has no fault
    that forbids it; else the best simple arm if it is shown to beat the baseline or the candidate; else the baseline.
    how_much, kind  see `Compared`; simple_arms: name -> words, of the arms that a candidate has to match
    faults          of the candidate's rows, {"code", "text"}; those of NEVER_USED forbid them
    """
    arms = set(result.arms)
    missing = sorted({baseline, candidate} - arms)
    if missing:
        return not_run(f"the arm {missing[0]} was not trained")
    others = [baseline, *(name for name in simple_arms if name in arms and name != candidate)]
    found = differences(result, [(candidate, arm) for arm in others], result.classifiers[0], HEADLINE_METRIC)
    best, gain = against_best(found)
    compared = Compared(
        result,
        baseline,
        candidate,
        dict(zip(others, together(found), strict=True)),
        others[best],
        gain,
        alone(found),
        found,
        margin,
        kind,
        how_much,
        simple_arms,
    )
    forbidden = [fault["text"] for fault in faults if fault["code"] in NEVER_USED]
    use = _use(compared, bool(forbidden))
    advice, why = _advice(compared, use, forbidden), _why(compared, use, forbidden)
    return Verdict(
        compared.answer,
        candidate,
        use,
        f"{advice}. {why}. {_scores(compared)}.",
        _details(compared),
        advice=f"{advice}.",
        why=f"{why}.",
        gain=_entry(gain) | {"against": compared.best} | _ranking(compared, compared.best),
        over_nothing=_entry(compared.over_nothing) | _ranking(compared, baseline),
        margin=margin,
        smallest_gain=compared.smallest,
        test_rows_needed=_needed(compared),
        standing=_standing(compared),
    )


def not_run(reason: str) -> Verdict:
    """The verdict where nothing was compared."""
    return Verdict(sentence=f"No verdict: {reason}.")


def decide(gain: Difference, margin: float) -> str:
    """helps, no_difference, hurts or cannot_tell, by the rule of `verdict`.

    >>> ends = (0.02, 0.06), (-0.004, 0.008), (-0.06, -0.02), (-0.02, 0.06)
    >>> [decide(Difference(sum(end) / 2, *end, 0.5), 0.01) for end in ends]
    ['helps', 'no_difference', 'hurts', 'cannot_tell']
    """
    if -margin <= gain.low and gain.high <= margin:
        return "no_difference"
    return "helps" if gain.low > 0 else "hurts" if gain.high < 0 else "cannot_tell"


def differences(result: UtilityResult, pairs: Sequence[tuple[str, str]], classifier: str, metric: str) -> Estimates:
    """The first arm of each pair minus the second, paired over seeds and resampled test rows."""
    values, spread = (
        np.stack([side[one, classifier, metric] - side[other, classifier, metric] for one, other in pairs])
        for side in (result.raw, result.resampled)
    )
    generators = max(result.generators[arm] for pair in pairs for arm in pair)
    keys = [[(arm, classifier, metric) for arm in pair] for pair in pairs]
    by_fold = None
    if all(key in result.by_fold for pair in keys for key in pair):
        by_fold = np.stack([result.by_fold[one] - result.by_fold[other] for one, other in keys])
    return estimate(values, spread, result.labels, metric, generators, by_fold)


def answer_arms(result: UtilityResult, baseline: str = BASELINE, margin: float = MARGIN) -> None:
    """Put into every row of every other arm what it does against the baseline: `difference`, `answer`, `p`, `p_holm`.

    Intervals of all arms of one classifier and metric hold together, and the answer is theirs. p is of the same kind,
    p_holm that of single tests after Holm's correction. The calibration slope has a difference and no answer, since it
    is best in the middle.
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
        row |= {"p": change.p, "p_holm": p}
        if row["metric"] != "calibration_slope":
            lower = row["metric"] in LOSSES
            row["answer"] = decide(Difference(-change.mean, -change.high, -change.low, 1) if lower else change, margin)


def _changes(result: UtilityResult, baseline: str, classifier: str, metric: str) -> dict[str, tuple[Difference, float]]:
    """arm -> (difference to the baseline among those of all arms, p-value after Holm's correction)."""
    arms = [arm for arm in result.arms if arm != baseline]
    if not arms:
        return {}
    found = differences(result, [(arm, baseline) for arm in arms], classifier, metric)
    lines = zip(arms, together(found), holm(found.p).tolist(), strict=True)
    return {arm: (change, p) for arm, change, p in lines}


def _use(found: Compared, forbidden: bool) -> str:
    if found.answer == "helps" and not forbidden:
        return found.candidate
    result, simple = found.result, [arm for arm in found.against if arm != found.baseline]
    if not simple:
        return found.baseline
    mean = {arm: float(result.raw[arm, result.classifiers[0], HEADLINE_METRIC].mean()) for arm in found.against}
    best = max(found.against, key=lambda arm: mean[arm])
    over_baseline = differences(
        result, [(arm, found.baseline) for arm in simple], result.classifiers[0], HEADLINE_METRIC
    )
    helping = [arm for arm, change in zip(simple, together(over_baseline), strict=True) if change.low > 0]
    return best if best in helping or found.answer == "hurts" else found.baseline


def _advice(found: Compared, use: str, forbidden: list[str]) -> str:
    """What to do, in one line."""
    rows, instead = found.rows, found.described(use)
    if found.answer == "helps" and not forbidden:
        return f"Use the {rows}"
    return f"Use {instead} for now" if found.answer == "cannot_tell" else f"Use {instead}; leave the {rows} out"


def _why(found: Compared, use: str, forbidden: list[str]) -> str:
    """How sure that is, and why."""
    gain, best = found.gain, found.described(found.best)
    interval = f"95 % interval {gain.low:+.3f} to {gain.high:+.3f}"
    against = "" if found.best == use else f" against {best}"
    if found.answer == "helps":
        if forbidden:
            return f"They gain {gain.mean:+.3f} over {best}, and yet: {'; '.join(forbidden)}"
        return f"They gain {gain.mean:+.3f} over {best} ({interval})"
    if found.answer == "hurts":
        return f"They lose {-gain.mean:.3f}{against} ({interval})"
    if found.answer == "no_difference":
        return f"They make no difference of more than {found.margin:g}{against} ({interval})"
    return (
        f"Whether the {found.rows} do better than {best} cannot be told ({gain.mean:+.3f}, {interval}). "
        f"These test rows could have shown a gain of {found.smallest:.3f}{_more_rows(found)}"
    )


def _more_rows(found: Compared) -> str:
    needed = _needed(found)
    if not needed:
        return ""
    if needed["rows"] is None:
        return f", and more of them would not show one of {needed['gain']:g}: {needed['reason']}"
    of = f' of class "{needed["class"]}"' if needed["class"] else ""
    return f"; about {needed['rows']:,} test rows{of} would show one of {needed['gain']:g}"


def _scores(found: Compared) -> str:
    result = found.result

    def mean(arm: str) -> float:
        return float(result.raw[arm, result.classifiers[0], HEADLINE_METRIC].mean())

    simple = "" if found.best == found.baseline else f", {mean(found.best):.3f} with {found.described(found.best)}"
    generators = result.generators[found.candidate]
    trained = f", {generators} generators" if generators > 1 else ""
    change = found.over_nothing
    which = "locked test rows"
    if result.folds.any():
        which = f"rows, each held out once in {int(result.folds.max()) + 1} folds"
    return (
        f"Balanced accuracy on {len(result.labels)} {which}: {mean(found.candidate):.3f} with them{simple}, "
        f"{mean(found.baseline):.3f} with real rows only ({change.mean:+.3f}, {change.low:+.3f} to {change.high:+.3f}; "
        f"{len(result.seeds)} seeds{trained})"
    )


def _needed(found: Compared) -> dict[str, Any] | None:
    """Test rows that would show a gain of WORTH_SHOWING; None where those at hand could."""
    if found.smallest <= WORTH_SHOWING:
        return None
    result, classifier = found.result, found.result.classifiers[0]
    right = [(result.predictions[arm, classifier] == result.labels) for arm in (found.candidate, found.best)]
    changes = right[0].mean(axis=0) - right[1].mean(axis=0)
    which = list(found.against).index(found.best)
    of_class, rows = rows_needed(found.found, which, changes, result.labels, WORTH_SHOWING)
    facts = {"gain": WORTH_SHOWING, "class": "", "rows": rows}
    if rows is None:
        return facts | {"reason": "classifiers differ more than that from seed to seed; raise utility.seeds"}
    names = list(result.per_class_recall[found.candidate])
    return facts | {"class": "" if of_class is None else names[of_class]}


def _standing(found: Compared) -> list[dict[str, Any]]:
    """What every other arm gains over the best simple one."""
    arms = [arm for arm in found.result.arms if arm != found.best]
    pairs = [(arm, found.best) for arm in arms]
    changes = together(differences(found.result, pairs, found.result.classifiers[0], HEADLINE_METRIC))
    named = dict(zip(arms, changes, strict=True)) | {found.candidate: found.gain}
    return [{"arm": arm, "mean": c.mean, "low": c.low, "high": c.high} for arm, c in named.items()]


def _entry(change: Difference) -> dict[str, Any]:
    return {"mean": change.mean, "low": change.low, "high": change.high, "p": change.p}


def _ranking(found: Compared, other: str) -> dict[str, Any]:
    """The same difference in area under the curve, which rows may lift where they do not move the threshold."""
    classifier = found.result.classifiers[0]
    if RANKING_METRIC not in found.result.metrics(classifier) or other == found.candidate:
        return {}
    change = alone(differences(found.result, [(found.candidate, other)], classifier, RANKING_METRIC))
    return {RANKING_METRIC: {"mean": change.mean, "low": change.low, "high": change.high}}


def _details(found: Compared) -> list[dict[str, Any]]:
    """The headline against each arm, then every classifier and metric against the baseline."""
    result, baseline = found.result, found.baseline
    lines = [_line(arm, result.classifiers[0], HEADLINE_METRIC, change) for arm, change in found.against.items()]
    for classifier in result.classifiers:
        for metric in result.metrics(classifier):
            if (classifier, metric) != (result.classifiers[0], HEADLINE_METRIC):
                change = alone(differences(result, [(found.candidate, baseline)], classifier, metric))
                lines.append(_line(baseline, classifier, metric, change))
    return lines


def _line(against: str, classifier: str, metric: str, change: Difference) -> dict[str, Any]:
    numbers = {"difference": change.mean, "low": change.low, "high": change.high, "p": change.p}
    return {"against": against, "learner": classifier, "metric": metric, **numbers}
