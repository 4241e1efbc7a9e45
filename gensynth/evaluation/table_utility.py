"""Does training on an arm's rows help, for tables: boosted trees and logistic regression on every arm.

Each seed leaves a random tenth of every arm's rows out, the same real rows in all arms, so that seeds differ as
other samples of the same data would. Scores of labels are those of `utility.py`; scores of probabilities
(AUC, AP of the rarest class, Brier, calibration slope) join the same two sources of chance.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer

from gensynth.data.table import modelled_columns
from gensynth.evaluation.utility import UtilityResult, balanced_weights, joint_interval, metrics_of, summarise, tally
from gensynth.models.table_judge import boosting
from gensynth.rng import child, numpy_generator
from gensynth.types import REAL, LabelledData, Schema

LEARNERS = ("boosting", "logistic")
POWERS = np.linspace(0, 1.5, 13)
KEPT = 0.9
RESAMPLES = 100
PRECISION = 0.5
LOGISTIC_ROWS = 20_000
PROBABILITY_METRICS = ("auc", "ap_rarest", f"recall_at_precision_{PRECISION}", "brier", "calibration_slope")


@dataclass(frozen=True)
class TableArm:
    """Training rows of one arm; whether classes are weighted, or the threshold tuned on validation rows."""

    name: str
    rows: LabelledData
    class_weights: bool = False
    tuned_threshold: bool = False


def run_table_arms(
    *,
    arms: list[TableArm],
    val: LabelledData,
    test: LabelledData,
    seeds: list[int],
    progress: Callable[[str], None],
) -> UtilityResult:
    """Train both learners on every arm with every seed and score them on the locked test rows.

    ValueError for fewer than 3 different seeds or no test rows.
    """
    if len(set(seeds)) < 3 or not len(test):
        raise ValueError(f"expected at least 3 different seeds and some test rows, got {seeds} and {len(test)} rows")
    predictions: dict[tuple[str, str], np.ndarray] = {}
    probabilities: dict[tuple[str, str], np.ndarray] = {}
    for learner in LEARNERS:
        for number, arm in enumerate(arms, start=1):
            progress(f"utility: {learner}, arm {number} of {len(arms)}, {arm.name}")
            pairs = [predict(arm, learner, val, test.x, seed) for seed in seeds]
            predictions[arm.name, learner] = np.stack([labels for labels, _ in pairs])
            probabilities[arm.name, learner] = np.stack([shares for _, shares in pairs])
    result = summarise(predictions, test.y, test.schema.classes, tuple(seeds))
    for (arm_name, learner), shares in probabilities.items():
        _add_probability_scores(result, arm_name, learner, shares)
    order = {(arm.name, learner): i for i, (learner, arm) in enumerate((ln, a) for ln in LEARNERS for a in arms)}
    result.rows.sort(key=lambda row: order[row["arm"], row["learner"]])
    return result


def predict(arm: TableArm, learner: str, val: LabelledData, x: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes int64 (N,) and probabilities float64 (N, K) of rows x (N, D), from one learner trained on one arm."""
    rows = arm.rows[kept_rows(arm.rows, seed)]
    classes = len(rows.schema.classes)
    if len(np.unique(rows.y)) == 1:
        shares = np.eye(classes)[np.full(len(x), rows.y[0])]
        return shares.argmax(1), shares
    model = boosting(rows.schema, child(seed, "utility")) if learner == "boosting" else logistic(rows.schema)
    weights = balanced_weights(rows.y, classes)[rows.y] if arm.class_weights else None
    if learner == "logistic" and len(rows) > LOGISTIC_ROWS:
        chosen = numpy_generator(seed, "utility", "logistic").permutation(len(rows))[:LOGISTIC_ROWS]
        rows, weights = rows[chosen], None if weights is None else weights[chosen]
    named = {"logisticregression__sample_weight" if learner == "logistic" else "sample_weight": weights}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message=".*unknown categories.*")
        warnings.filterwarnings("ignore", message=".*Skipping features.*")
        warnings.filterwarnings("ignore", message=".*n_quantiles.*")
        model.fit(rows.x, rows.y, **(named if weights is not None else {}))
        shares = _shares(model, x, classes)
        if not arm.tuned_threshold or not len(val):
            return shares.argmax(1), shares
        return (shares / _tuned_prior(_shares(model, val.x, classes), val.y, rows.counts())).argmax(1), shares


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


def _shares(model: Pipeline, x: np.ndarray, classes: int) -> np.ndarray:
    out = np.zeros((len(x), classes))
    out[:, model.classes_] = model.predict_proba(x)
    return out


def _tuned_prior(shares: np.ndarray, y: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """prior^power by which probabilities are divided; the power with the best balanced accuracy on validation rows.

    For two classes this moves the threshold; power 1 is the optimum for calibrated probabilities (Menon et al.,
    "Long-tail learning via logit adjustment", ICLR 2021).
    """
    prior = np.maximum(counts, 1) / counts.sum()
    predicted = np.stack([(shares / prior**power).argmax(1) for power in POWERS])
    best = metrics_of(tally(y, predicted, len(counts)))["balanced_accuracy"].argmax()
    return prior ** POWERS[best]


def logistic(schema: Schema) -> Pipeline:
    """Logistic regression on one-hot levels and normal scores of numbers, with indicators of missing ones."""
    discrete = np.array([column.discrete for column in modelled_columns(schema.fields)])
    levels = make_pipeline(
        SimpleImputer(strategy="constant", fill_value=-1),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5, max_categories=100, sparse_output=False),
    )
    numbers = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        QuantileTransformer(n_quantiles=200, output_distribution="normal", subsample=None, random_state=0),
    )
    columns = make_column_transformer(
        (levels, np.flatnonzero(discrete).tolist()), (numbers, np.flatnonzero(~discrete).tolist())
    )
    return make_pipeline(columns, LogisticRegression(max_iter=300))


def _add_probability_scores(result: UtilityResult, arm: str, learner: str, shares: np.ndarray) -> None:
    """Append the scores of probabilities (S, N, K) to the result's rows, raw and resampled."""
    rarest = _rarest(result.labels, shares.shape[2])
    if rarest is None:
        return
    order = numpy_generator(result.seeds[0], "utility", "probability rows")
    draws = [_redrawn(result.labels, order) for _ in range(RESAMPLES)]
    values = [probability_scores(one, result.labels, rarest) for one in shares]
    again = [[probability_scores(one[rows], result.labels[rows], rarest) for one in shares[:1]] for rows in draws]
    for metric in PROBABILITY_METRICS:
        raw = np.array([v[metric] for v in values])
        spread = np.array([np.mean([v[metric] for v in per_draw]) for per_draw in again])
        result.raw[arm, learner, metric], result.resampled[arm, learner, metric] = raw, spread
        low, high = joint_interval(raw, spread, result.labels, metric)
        result.rows.append(
            {
                "arm": arm,
                "learner": learner,
                "metric": metric,
                "mean": float(raw.mean()),
                "low": low if metric == "calibration_slope" else max(low, 0.0),
                "high": high if metric == "calibration_slope" else min(high, 1.0),
                "seeds": len(result.seeds),
            }
        )


def _rarest(labels: np.ndarray, classes: int) -> int | None:
    """The class with the fewest test rows; None where the test rows are of one class."""
    counts = np.bincount(labels, minlength=classes)
    present = np.flatnonzero(counts)
    return int(present[np.argmin(counts[present])]) if len(present) > 1 else None


def _redrawn(labels: np.ndarray, order: np.random.Generator) -> np.ndarray:
    """Row numbers drawn again with replacement within each class."""
    parts = [np.flatnonzero(labels == k) for k in np.unique(labels)]
    return np.concatenate([order.choice(part, len(part)) for part in parts])


def probability_scores(shares: np.ndarray, labels: np.ndarray, rarest: int) -> dict[str, float]:
    """Scores of probabilities (N, K) for labels (N,).

    AUC, AP, recall at a precision of at least 0.5 and calibration slope (Cox, 1958: the slope of a logistic
    regression of the truth on the log odds; 1 is calibrated, below 1 too sure) are of the rarest class against
    the rest; Brier is over all classes, halved, so that it lies in [0, 1].

    >>> shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> scores = probability_scores(shares, np.array([0, 0, 1]), rarest=1)
    >>> scores["auc"], round(scores["brier"], 4)
    (1.0, 0.0467)
    """
    truth, score = labels == rarest, shares[:, rarest]
    precision, recall, _ = precision_recall_curve(truth, score)
    odds = np.log(score.clip(1e-6, 1 - 1e-6) / (1 - score).clip(1e-6, 1))
    slope = 0.0
    if odds.std() > 1e-9:
        slope = float(LogisticRegression(C=100.0, max_iter=200).fit(odds[:, None], truth).coef_[0, 0])
    return {
        "auc": float(roc_auc_score(truth, score)),
        "ap_rarest": float(average_precision_score(truth, score)),
        f"recall_at_precision_{PRECISION}": float(recall[precision >= PRECISION].max(initial=0.0)),
        "brier": float(((shares - np.eye(shares.shape[1])[labels]) ** 2).sum(1).mean() / 2),
        "calibration_slope": slope,
    }
