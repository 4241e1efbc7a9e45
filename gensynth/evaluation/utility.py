"""Does training on an arm's rows help: the same classifiers, trained on each arm, scored on locked real rows.

"Train on synthetic or augmented rows, test on real" after Esteban et al., "Real-valued medical time series
generation with recurrent conditional GANs", 2017, and Ravuri and Vinyals, "Classification accuracy score",
2019. Intervals join two sources of chance: which test rows there are, and the classifier's seed. They do
not cover training the generator again.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from gensynth.evaluation.features import flat_pixels
from gensynth.models.judge import Judge
from gensynth.rng import child, numpy_generator
from gensynth.types import LabelledData

METRICS = ("balanced_accuracy", "macro_f1", "worst_class_recall")
RESAMPLES = 1000
LOGISTIC_ROWS = 10_000
LOGISTIC_DIMS = 64
LOGISTIC_ITERATIONS = 300


@dataclass(frozen=True)
class Arm:
    """Training rows of one arm: uint8 images x (N, C, H, W), labels y (N,), and whether classes are weighted."""

    name: str
    x: np.ndarray
    y: np.ndarray
    class_weights: bool = False


@dataclass(frozen=True)
class Difference:
    """Mean of arm A minus mean of arm B on the same test rows and seeds, with its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class UtilityResult:
    """All that the arms yielded.

    rows              lines of report.json's "utility"
    raw               {(arm, learner, metric): (S,)}, one value per seed
    resampled         {(arm, learner, metric): (B,)}, mean over seeds for each resampling of the test rows
    predictions       {(arm, learner): int64 (S, N)}, one row per seed, one column per test row
    per_class_recall  {arm: {class: mean recall of the first learner, None without test rows}}
    labels            int64 (N,) of the test rows; seeds (S,)
    """

    rows: list[dict[str, str | int | float]]
    raw: dict[tuple[str, str, str], np.ndarray]
    resampled: dict[tuple[str, str, str], np.ndarray]
    predictions: dict[tuple[str, str], np.ndarray]
    per_class_recall: dict[str, dict[str, float | None]]
    labels: np.ndarray
    seeds: tuple[int, ...]

    @property
    def learners(self) -> list[str]:
        """In the order of the predictions; the first one carries the verdict."""
        return list(dict.fromkeys(learner for _, learner in self.predictions))

    def metrics(self, learner: str) -> list[str]:
        return list(dict.fromkeys(metric for _, name, metric in self.raw if name == learner))


def run_arms(
    *, arms: list[Arm], test: LabelledData, seeds: list[int], steps: int, progress: Callable[[str], None]
) -> UtilityResult:
    """Train both learners on every arm with every seed and score them on the test rows.

    small_cnn: `Judge.fit` with the same number of steps for all arms; the seed sets its first weights and
    the order of the rows. logistic: logistic regression on at most 64 principal components of the arm's
    pixels; the seed picks the 10,000 rows of a larger arm, and nothing else varies with it. Metrics are
    balanced accuracy, macro F1 and the worst class's recall, over the classes that have test rows.
    ValueError for fewer than 3 different seeds, no arms, arms of one name or no test rows.
    """
    _check(arms, test, seeds)
    num_classes = len(test.schema.classes)
    predictions: dict[tuple[str, str], np.ndarray] = {}
    for number, arm in enumerate(arms, start=1):
        per_seed = []
        for turn, seed in enumerate(seeds, start=1):
            progress(f"utility: arm {number} of {len(arms)}, {arm.name}, seed {turn} of {len(seeds)}")
            per_seed.append(predict_small_cnn(arm, test.x, num_classes=num_classes, seed=seed, steps=steps))
        predictions[arm.name, "small_cnn"] = np.stack(per_seed)
        progress(f"utility: arm {number} of {len(arms)}, {arm.name}, logistic regression")
        predictions[arm.name, "logistic"] = _predict_logistic_seeds(arm, test.x, seeds)
    return summarise(predictions, test.y, test.schema.classes, tuple(seeds))


def summarise(
    predictions: dict[tuple[str, str], np.ndarray], labels: np.ndarray, classes: tuple[str, ...], seeds: tuple[int, ...]
) -> UtilityResult:
    """Metrics, intervals and recalls of the predictions {(arm, learner): (S, N)}."""
    result = UtilityResult([], {}, {}, predictions, {}, labels, seeds)
    for (arm, learner), predicted in predictions.items():
        counts = tally(labels, predicted, len(classes))
        values = metrics_of(counts)
        spreads = metrics_of(resampled_tally(labels, predicted, len(classes), seeds[0]))
        if learner == result.learners[0]:
            result.per_class_recall[arm] = _recall_by_class(counts, classes)
        for metric in METRICS:
            key = (arm, learner, metric)
            result.raw[key], result.resampled[key] = values[metric], spreads[metric].mean(axis=0)
            result.rows.append(_report_row(result, key))
    return result


def _report_row(result: UtilityResult, key: tuple[str, str, str]) -> dict[str, str | int | float]:
    values, (arm, learner, metric) = result.raw[key], key
    low, high = joint_interval(values, result.resampled[key], result.labels, metric)
    return {
        "arm": arm,
        "learner": learner,
        "metric": metric,
        "mean": float(values.mean()),
        "low": max(low, 0.0),
        "high": min(high, 1.0),
        "seeds": len(result.seeds),
    }


def paired_difference(result: UtilityResult, arm: str, other: str, *, learner: str, metric: str) -> Difference:
    """Metric of `arm` minus that of `other`, paired over seeds and over resampled test rows, 95 %."""
    mine, theirs = (arm, learner, metric), (other, learner, metric)
    values = result.raw[mine] - result.raw[theirs]
    spread = result.resampled[mine] - result.resampled[theirs]
    return Difference(float(values.mean()), *joint_interval(values, spread, result.labels, metric))


def predict_small_cnn(arm: Arm, x: np.ndarray, *, num_classes: int, seed: int, steps: int) -> np.ndarray:
    """Classes int64 (N,) that a small CNN trained on the arm gives to the images x."""
    weights = balanced_weights(arm.y, num_classes) if arm.class_weights else None
    judge = Judge.fit(
        arm.x, arm.y, num_classes=num_classes, seed=child(seed, "utility"), steps=steps, balanced=False, weights=weights
    )
    return judge.predict(x)


def predict_logistic(arm: Arm, x: np.ndarray, seed: int) -> np.ndarray:
    """Classes int64 (N,) that logistic regression trained on the arm gives to the images x."""
    rows = np.arange(len(arm.y))
    if len(rows) > LOGISTIC_ROWS:
        rows = np.sort(numpy_generator(seed, "utility", "logistic").permutation(rows)[:LOGISTIC_ROWS])
    if len(np.unique(arm.y[rows])) == 1:
        return np.full(len(x), arm.y[rows[0]], dtype=np.int64)
    model = _logistic_model(arm, len(rows))
    with warnings.catch_warnings():
        # The bound on iterations is meant; an unfinished fit still predicts.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(flat_pixels(arm.x[rows]), arm.y[rows])
    return model.predict(flat_pixels(x)).astype(np.int64)


def _logistic_model(arm: Arm, n: int) -> Pipeline:
    dims = min(LOGISTIC_DIMS, int(np.prod(arm.x.shape[1:])), n)
    weight = "balanced" if arm.class_weights else None
    classifier = LogisticRegression(max_iter=LOGISTIC_ITERATIONS, class_weight=weight)
    return make_pipeline(PCA(dims, random_state=0), StandardScaler(), classifier)


def _predict_logistic_seeds(arm: Arm, x: np.ndarray, seeds: list[int]) -> np.ndarray:
    """(S, N); one fit serves all seeds where the arm is small enough to be used whole."""
    if len(arm.y) <= LOGISTIC_ROWS:
        return np.tile(predict_logistic(arm, x, seeds[0]), (len(seeds), 1))
    return np.stack([predict_logistic(arm, x, seed) for seed in seeds])


def balanced_weights(y: np.ndarray, num_classes: int) -> np.ndarray:
    """Class weights (K,) that give each class present the same total weight; 0 for an absent class.

    >>> balanced_weights(np.array([0, 0, 0, 1]), 3).round(3).tolist()
    [0.667, 2.0, 0.0]
    """
    counts = np.bincount(y, minlength=num_classes)
    present = counts > 0
    return np.where(present, len(y) / (present.sum() * np.maximum(counts, 1)), 0.0)


@dataclass(frozen=True)
class Tally:
    """Rows per class (..., K): rightly predicted, truly of the class, predicted as the class."""

    hits: np.ndarray
    true: np.ndarray
    guessed: np.ndarray


def tally(labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> Tally:
    """Tally (S, K) of predictions (S, N).

    >>> tally(np.array([0, 0, 1]), np.array([[0, 1, 1]]), 2).guessed.tolist()
    [[1, 2]]
    """

    def count(rows: np.ndarray) -> np.ndarray:
        return np.bincount(rows, minlength=num_classes)

    return Tally(
        hits=np.stack([count(labels[one_seed == labels]) for one_seed in predicted]),
        true=np.stack([count(labels)] * len(predicted)),
        guessed=np.stack([count(one_seed) for one_seed in predicted]),
    )


def resampled_tally(labels: np.ndarray, predicted: np.ndarray, num_classes: int, seed: int) -> Tally:
    """Tally (S, B, K) of test rows drawn again within their class; equal draws for equal labels and seed."""
    order = numpy_generator(seed, "utility", "test rows")
    shape = (len(predicted), RESAMPLES, num_classes)
    hits, true, guessed = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for c in np.unique(labels):
        rows = np.flatnonzero(labels == c)
        weights = order.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=RESAMPLES).astype(np.float64)
        true[..., c] = len(rows)
        for s, one_seed in enumerate(predicted[:, rows]):
            shares = weights @ np.eye(num_classes)[one_seed]
            guessed[s] += shares
            hits[s, :, c] = shares[:, c]
    return Tally(hits, true, guessed)


def metrics_of(counts: Tally) -> dict[str, np.ndarray]:
    """Each metric (...) of a tally (..., K), over the classes that have test rows.

    >>> counts = Tally(hits=np.array([8, 5]), true=np.array([10, 5]), guessed=np.array([8, 7]))
    >>> {name: float(value.round(3)) for name, value in metrics_of(counts).items()}
    {'balanced_accuracy': 0.9, 'macro_f1': 0.861, 'worst_class_recall': 0.8}
    """
    present = (counts.true > 0).reshape(-1, counts.true.shape[-1]).any(axis=0)
    hits, true, guessed = (part[..., present] for part in (counts.hits, counts.true, counts.guessed))
    recall = hits / true
    return {
        "balanced_accuracy": recall.mean(axis=-1),
        "macro_f1": (2 * hits / (true + guessed)).mean(axis=-1),
        "worst_class_recall": recall.min(axis=-1),
    }


def joint_interval(per_seed: np.ndarray, resampled: np.ndarray, labels: np.ndarray, metric: str) -> tuple[float, float]:
    """95 % interval of a mean over seeds: variance between seeds (S,) plus that over resampled test rows (B,).

    The variance of two more rows is added (Agresti and Min, 2005; Bonett and Price, 2012): without it, arms
    that differ on four rows of thousands would differ for certain, and a perfect score would be certain. The t
    quantile takes the degrees of freedom of Welch (1947) and Satterthwaite (1946): near S - 1 where the seeds
    dominate, near the number of test rows where those do.

    >>> one_class = np.zeros(10_000, dtype=np.int64)
    >>> low, high = joint_interval(np.array([0.8, 0.9, 1.0]), np.full(9, 0.9), one_class, "balanced_accuracy")
    >>> round(low, 3), round(high, 3)  # 0.9 -+ 4.303 * 0.1 / sqrt(3)
    (0.652, 1.148)
    """
    by_seed = per_seed.var(ddof=1) / len(per_seed)
    by_rows = resampled.var(ddof=1) + 2.0 * row_weight(labels, metric) ** 2
    freedom = (by_seed + by_rows) ** 2 / (by_seed**2 / (len(per_seed) - 1) + by_rows**2 / max(len(labels) - 1, 1))
    reach = float(stdtrit(freedom, 0.975) * np.sqrt(by_seed + by_rows))
    mean = float(per_seed.mean())
    return mean - reach, mean + reach


def row_weight(labels: np.ndarray, metric: str) -> float:
    """By how much one test row moves the metric: root mean square over classes, or at the smallest class.

    >>> row_weight(np.array([0, 0, 1, 1]), "balanced_accuracy"), row_weight(np.array([0, 1, 1]), "worst_class_recall")
    (0.25, 1.0)
    """
    counts = np.bincount(labels)
    counts = counts[counts > 0]
    if metric == "worst_class_recall":
        return float(1.0 / counts.min())
    return float(np.sqrt(np.mean((1.0 / (len(counts) * counts)) ** 2)))


def _recall_by_class(counts: Tally, classes: tuple[str, ...]) -> dict[str, float | None]:
    """Mean recall over seeds of each class from a tally (S, K)."""
    hits, true = counts.hits.mean(axis=0), counts.true[0]
    return {name: float(hits[c] / true[c]) if true[c] else None for c, name in enumerate(classes)}


def _check(arms: list[Arm], test: LabelledData, seeds: list[int]) -> None:
    names = [arm.name for arm in arms]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"expected arms with different names, got {names}")
    if len(set(seeds)) < 3 or len(set(seeds)) < len(seeds):
        raise ValueError(f"expected at least 3 different seeds, got {seeds}")
    if len(test) == 0:
        raise ValueError("there are no test rows to score the arms on")
