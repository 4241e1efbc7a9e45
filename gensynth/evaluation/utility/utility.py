"""Does training on an arm's rows help: the same classifiers, trained on each arm, scored on locked real rows.

"Train on synthetic or augmented rows, test on real" after Esteban et al., "Real-valued medical time series
generation with recurrent conditional GANs", 2017, and Ravuri and Vinyals, "Classification accuracy score",
2019. Each seed leaves a random tenth of every arm's rows out, the same real rows in all arms, so that seeds differ
as other samples of the same data would. Intervals join two sources of chance: which test rows there are, and the
seed of classifier and left-out rows; with several generators, training the generator again takes the seed's place.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gensynth.evaluation.metrics.classification import (
    LABEL_METRICS,
    LOSSES,
    MOST_WEIGHTS,
    PROBABILITY_METRICS,
    label_scores,
    probability_scores,
    resampled_tally,
    tally,
)
from gensynth.evaluation.utility.classifiers import ArmClassifier
from gensynth.intervals import joint_estimate
from gensynth.progress import bar
from gensynth.rng import child, numpy_generator
from gensynth.samplers.online import Online
from gensynth.types import REAL, LabelledData

KEPT = 0.9
POWERS = np.linspace(0, 1.5, 13)
PROBABILITY_RESAMPLES = 100


UNCHANGED = Online()


@dataclass(frozen=True)
class Arm:
    """Training rows of one arm, a set for each generator seed; whether classes are weighted or the threshold tuned.

    online  what happens to the rows while a classifier learns from them
    own     the classifier of an arm that is one itself, an ensemble say: it stands in the place of all others
    """

    name: str
    rows: tuple[LabelledData, ...]
    class_weights: bool = False
    tuned_threshold: bool = False
    online: Online = UNCHANGED
    own: ArmClassifier | None = None


@dataclass(frozen=True)
class UtilityResult:
    """All that the arms yielded.

    rows              lines of report.json's "utility"
    raw               {(arm, classifier, metric): (S,)}, one value per seed
    resampled         {(arm, classifier, metric): (S, B)}, for each resampling of the test rows; (1, B) of scores of
                      probabilities, which are drawn again for the first seed alone
    predictions       {(arm, classifier): int64 (S, N)}, one row per seed, one column per test row
    probabilities     {(arm, classifier): float32 (S, N, K)}
    further           {(arm, name): float32 (S, P, K)} of the first classifier for other rows that were asked for
    per_class_recall  {arm: {class: mean recall of the first classifier, None without test rows}}
    labels            int64 (N,) of the test rows; seeds (S,); generators {arm: how many}
    folds             which fold each test row lies in, int64 (N,), where predictions of several trainings are pooled
    by_fold           {(arm, classifier, metric): (F,)}, mean over seeds of the rows of each fold; empty for one fold
    prior_ratio       {arm: (K,)}: class shares of real train rows over those that the arm's classifier learned from
    budgets           {(arm, classifier): steps} that a network took, chosen on validation rows
    seconds           {arm: of the first classifier, for all seeds}
    """

    rows: list[dict[str, Any]]
    raw: dict[tuple[str, str, str], np.ndarray]
    resampled: dict[tuple[str, str, str], np.ndarray]
    predictions: dict[tuple[str, str], np.ndarray]
    per_class_recall: dict[str, dict[str, float | None]]
    labels: np.ndarray
    seeds: tuple[int, ...]
    probabilities: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    further: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    generators: dict[str, int] = field(default_factory=dict)
    folds: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    by_fold: dict[tuple[str, str, str], np.ndarray] = field(default_factory=dict)
    prior_ratio: dict[str, np.ndarray] = field(default_factory=dict)
    budgets: dict[tuple[str, str], int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def classifiers(self) -> list[str]:
        """In the order of the predictions; the first one carries the verdict."""
        return list(dict.fromkeys(classifier for _, classifier in self.predictions))

    @property
    def arms(self) -> list[str]:
        """In the order of the predictions."""
        return list(dict.fromkeys(arm for arm, _ in self.predictions))

    def metrics(self, classifier: str) -> list[str]:
        return list(dict.fromkeys(metric for _, name, metric in self.raw if name == classifier))


def run_arms(
    *,
    arms: list[Arm],
    classifiers: list[ArmClassifier],
    val: LabelledData,
    test: LabelledData,
    further: Mapping[str, np.ndarray],
    seeds: list[int],
) -> UtilityResult:
    """Train all classifiers on every arm with every seed and score them on the locked test rows.

    val      real rows on which a threshold is tuned
    further  name -> x of other rows whose probabilities the first classifier shall give
    Probabilities are scored against the class with the fewest rows in the first arm. ValueError for fewer than 3
    different seeds, no arms, arms of one name or no test rows.
    """
    _check(arms, test, seeds)
    classes = len(test.schema.classes)
    predictions, probabilities, others = {}, {}, {}
    budgets: dict[tuple[str, str], int] = {}
    seconds: dict[str, float] = {}
    done: Done = {}  # of an arm's own classifier for all others as well
    with bar("training classifiers", len(classifiers) * len(arms) * len(seeds)) as advance:
        for classifier in classifiers:
            requested = further if classifier is classifiers[0] else {}
            for arm in arms:
                begun = time.monotonic()
                found, steps = _outputs(arm, classifier, [test.x, val.x, *requested.values()], val.y, seeds, done)
                advance(len(seeds))
                pair = arm.name, classifier.name
                seconds.setdefault(arm.name, time.monotonic() - begun)
                predicted = [one[0] for one in found]
                if arm.tuned_threshold and len(val):
                    counts = arm.rows[0].counts()
                    predicted = [one[0] / tuned_prior(one[1], val.y, counts) for one in found]
                predictions[pair] = np.stack([shares.argmax(1) for shares in predicted])
                probabilities[pair] = np.stack([one[0] for one in found])
                budgets |= {pair: steps} if steps else {}
                for place, name in enumerate(requested, start=2):
                    others[arm.name, name] = np.stack([one[place] for one in found])
    wanted = arms[0].rows[0].counts()
    even = np.full(classes, 1 / classes)
    ratios = {a.name: _prior(wanted) / (even if a.class_weights else _prior(a.rows[0].counts())) for a in arms}
    result = summarise(predictions, test.y, test.schema.classes, tuple(seeds), {a.name: len(a.rows) for a in arms})
    result = replace(
        result,
        probabilities=probabilities,
        further=others,
        prior_ratio=ratios,
        budgets=budgets,
        seconds=seconds,
    )
    return with_probability_scores(result, rarest_class(wanted, test.y))


Done = dict[tuple[int, bool, int, int, int], tuple[ArmClassifier, list[np.ndarray]]]


def _outputs(
    arm: Arm,
    classifier: ArmClassifier,
    inputs: list[np.ndarray],
    val_y: np.ndarray,
    seeds: list[int],
    done: Done,
) -> tuple[list[list[np.ndarray]], int]:
    """Probabilities of all inputs, the second being validation rows, for every seed, and the steps of a network.

    The first seed settles how long a network trains; arms of the same rows share what is `done`.
    """
    used, found = arm.own or classifier, []
    for turn, seed in enumerate(seeds):
        rows = arm.rows[turn % len(arm.rows)]
        key = (id(rows), arm.class_weights, id(arm.online), id(arm.own or classifier), seed)
        if key not in done:
            done[key] = (
                (used, _trained(used, rows, arm, inputs, seed))
                if turn
                else _settled(used, rows, arm, inputs, val_y, seed)
            )
        used, outputs = done[key]
        found.append(outputs)
    return found, getattr(used, "steps", 0)


def _settled(
    classifier: ArmClassifier, rows: LabelledData, arm: Arm, inputs: list[np.ndarray], val_y: np.ndarray, seed: int
) -> tuple[ArmClassifier, list[np.ndarray]]:
    """The first of a classifier's growing budgets after which balanced accuracy on validation rows rises no more."""
    if not len(val_y):
        return classifier, _trained(classifier, rows, arm, inputs, seed)
    best, outputs, reached = classifier, list[np.ndarray](), -1.0
    for one in classifier.budgets:
        found = _trained(one, rows, arm, inputs, seed)
        score = float(label_scores(tally(val_y, found[1].argmax(1)[None], found[1].shape[1]))["balanced_accuracy"][0])
        if score <= reached:
            break
        best, outputs, reached = one, found, score
    return best, outputs


def with_probability_scores(result: UtilityResult, rarest: int | None) -> UtilityResult:
    """The same with the scores of probabilities, where there is a class to score them of; lines in arms' order."""
    if rarest is not None:
        for arm in result.arms:
            for classifier in result.classifiers:
                add_probability_scores(result, arm, classifier, rarest, result.prior_ratio[arm])
    order = {pair: i for i, pair in enumerate(result.predictions)}
    result.rows.sort(key=lambda row: order[row["arm"], row["learner"]])
    return result


def _trained(
    classifier: ArmClassifier, rows: LabelledData, arm: Arm, inputs: list[np.ndarray], seed: int
) -> list[np.ndarray]:
    rows = rows[kept_rows(rows, seed)]
    weights = balanced_weights(rows.y, len(rows.schema.classes)) if arm.class_weights else None
    return classifier.probabilities(rows, weights, inputs, child(seed, "utility"), arm.online)


def kept_rows(rows: LabelledData, seed: int) -> np.ndarray:
    """Row numbers that a seed trains on: a random 90 % of each class, of equal real rows the same in every arm."""
    keep = np.ones(len(rows), dtype=bool)
    for origin in np.unique(rows.origin):
        for k in range(len(rows.schema.classes)):
            mine = np.flatnonzero((rows.origin == origin) & (rows.y == k))
            names, first = (
                np.unique(rows.ids[mine], return_inverse=True) if origin == REAL else (mine, np.arange(len(mine)))
            )
            if len(names) >= 10:
                out = numpy_generator(seed, "utility", "rows", str(origin), k).permutation(len(names))
                keep[mine[np.isin(first, out[int(KEPT * len(names)) :])]] = False
    return np.flatnonzero(keep)


def balanced_weights(y: np.ndarray, num_classes: int) -> np.ndarray:
    """Class weights (K,) that give each class present the same total weight; 0 for an absent class.

    >>> balanced_weights(np.array([0, 0, 0, 1]), 3).round(3).tolist()
    [0.667, 2.0, 0.0]
    """
    counts = np.bincount(y, minlength=num_classes)
    present = counts > 0
    return np.where(present, len(y) / (present.sum() * np.maximum(counts, 1)), 0.0)


def tuned_prior(shares: np.ndarray, y: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """prior^power by which probabilities are divided; the power with the best balanced accuracy on validation rows.

    For two classes this moves the threshold; power 1 is the optimum for calibrated probabilities (Menon et al.,
    "Long-tail learning via logit adjustment", ICLR 2021).
    """
    prior = _prior(counts)
    predicted = np.stack([(shares / prior**power).argmax(1) for power in POWERS])
    best = label_scores(tally(y, predicted, len(counts)))["balanced_accuracy"].argmax()
    return prior ** POWERS[best]


def _prior(counts: np.ndarray) -> np.ndarray:
    counts = np.maximum(counts, 1)
    return counts / counts.sum()


def rarest_class(counts: np.ndarray, labels: np.ndarray) -> int | None:
    """The class with the fewest training rows (K,) that has test rows; None where the test rows are of one class."""
    present = np.unique(labels)
    return int(present[np.argmin(counts[present])]) if len(present) > 1 else None


def summarise(
    predictions: dict[tuple[str, str], np.ndarray],
    labels: np.ndarray,
    classes: tuple[str, ...],
    seeds: tuple[int, ...],
    generators: dict[str, int],
) -> UtilityResult:
    """Scores of labels, their intervals and recalls of the predictions {(arm, classifier): (S, N)}."""
    result = UtilityResult([], {}, {}, predictions, {}, labels, seeds, generators=generators)
    for (arm, classifier), predicted in predictions.items():
        counts = tally(labels, predicted, len(classes))
        values = label_scores(counts)
        spreads = label_scores(resampled_tally(labels, predicted, len(classes), seeds[0]))
        if classifier == result.classifiers[0]:
            hits, true = counts.hits.mean(axis=0), counts.true[0]
            result.per_class_recall[arm] = {
                name: float(hits[c] / true[c]) if true[c] else None for c, name in enumerate(classes)
            }
        for metric in LABEL_METRICS:
            _add_row(result, arm, classifier, metric, values[metric], spreads[metric])
    return result


def add_probability_scores(
    result: UtilityResult, arm: str, classifier: str, rarest: int, prior_ratio: np.ndarray
) -> None:
    """Append the scores of an arm's probabilities; test rows are drawn again for the first seed's alone."""
    shares, labels = result.probabilities[arm, classifier].astype(np.float64), result.labels
    values = [probability_scores(one, labels, rarest, prior_ratio) for one in shares]
    again = [
        probability_scores(shares[0], labels, rarest, prior_ratio, weights)
        for weights in _drawn_again(labels, result.seeds[0])
    ]
    for metric in PROBABILITY_METRICS:
        raw, spread = (np.concatenate([scores[metric] for scores in side]) for side in (values, again))
        _add_row(result, arm, classifier, metric, raw, spread[None])


def _drawn_again(labels: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """How often each test row (N,) is drawn, within its class, in blocks (B, N); equal for equal labels and seed."""
    order = numpy_generator(seed, "utility", "probability rows")
    parts = [np.flatnonzero(labels == k) for k in np.unique(labels)]
    block = max(1, MOST_WEIGHTS // (4 * len(labels)))
    for start in range(0, PROBABILITY_RESAMPLES, block):
        draws = [
            np.concatenate([order.choice(p, len(p)) for p in parts])
            for _ in range(start, min(start + block, PROBABILITY_RESAMPLES))
        ]
        yield np.stack([np.bincount(rows, minlength=len(labels)) for rows in draws])


def _add_row(
    result: UtilityResult, arm: str, classifier: str, metric: str, values: np.ndarray, spread: np.ndarray
) -> None:
    result.raw[arm, classifier, metric], result.resampled[arm, classifier, metric] = values, spread
    generators = result.generators[arm]
    found = joint_estimate(values, spread.mean(axis=0), result.labels, metric, generators)
    bounded = metric != "calibration_slope"
    result.rows.append(
        {
            "arm": arm,
            "learner": classifier,
            "metric": metric,
            "mean": found.mean,
            "low": max(found.low, 0.0) if bounded else found.low,
            "high": min(found.high, 1.0) if bounded else found.high,
            "seeds": len(result.seeds),
            "generator_seeds": generators,
            **({"better": "lower"} if metric in LOSSES else {}),
        }
    )


def _check(arms: list[Arm], test: LabelledData, seeds: list[int]) -> None:
    names = [arm.name for arm in arms]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"expected arms with different names, got {names}")
    if len(set(seeds)) < 3 or len(set(seeds)) < len(seeds):
        raise ValueError(f"expected at least 3 different seeds, got {seeds}")
    if len(test) == 0:
        raise ValueError("there are no test rows to score the arms on")
