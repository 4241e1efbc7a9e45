"""Scores of a classifier on labelled test rows: of its labels, and of its probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gensynth.rng import numpy_generator

LABEL_METRICS = ("balanced_accuracy", "macro_f1", "worst_class_recall")
PRECISION = 0.5
PROBABILITY_METRICS = (
    "auc",
    "ap_rarest",
    f"recall_at_precision_{PRECISION}",
    "brier",
    "ece",
    "ece_corrected",
    "calibration_slope",
)
LOSSES = ("brier", "ece", "ece_corrected")  # better when lower
RESAMPLES = 1000
MOST_WEIGHTS = 1 << 23  # of test rows in one block of resamples
BINS = 15


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
        true[..., c] = len(rows)
        called = [np.eye(num_classes)[one_seed] for one_seed in predicted[:, rows]]
        block = max(1, min(RESAMPLES, MOST_WEIGHTS // len(rows)))
        for start in range(0, RESAMPLES, block):
            part = slice(start, min(start + block, RESAMPLES))
            weights = order.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=part.stop - start)
            for s, one_hot in enumerate(called):
                shares = weights.astype(np.float64) @ one_hot
                guessed[s, part] += shares
                hits[s, part, c] = shares[:, c]
    return Tally(hits, true, guessed)


def label_scores(counts: Tally) -> dict[str, np.ndarray]:
    """Each metric (...) of a tally (..., K), over the classes that have test rows.

    >>> counts = Tally(hits=np.array([8, 5]), true=np.array([10, 5]), guessed=np.array([8, 7]))
    >>> {name: float(value.round(3)) for name, value in label_scores(counts).items()}
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


def confusion(labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Share (K, K) of the rows of class i that are called j, mean over predictions (S, N); rows without rows are 0.

    >>> confusion(np.array([0, 0, 1]), np.array([[0, 1, 1]]), 2).tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    pairs = labels[None, :] * num_classes + predicted
    counts = np.bincount(pairs.ravel(), minlength=num_classes**2).reshape(num_classes, num_classes)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def probability_scores(
    shares: np.ndarray, labels: np.ndarray, rarest: int, prior_ratio: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Scores (B,) of probabilities (N, K) for labels (N,); `prior_ratio` (K,) as in `corrected`.

    weights  how often each row counts (B, N), as for rows drawn again; None: every row once, B is 1

    AUC, AP, recall at a precision of at least 0.5 and calibration slope (Cox, 1958: the slope of a logistic
    regression of the truth on the log odds; 1 is calibrated, below 1 too sure) are of the rarest class against
    the rest. Brier is over all classes, halved, so that it lies in [0, 1]. ECE is `expected_calibration_error`, as
    it is and after the classes' training shares have been put right.

    >>> shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> scores = probability_scores(shares, np.array([0, 0, 1]), 1, np.ones(2))
    >>> scores["auc"], scores["brier"].round(4), scores["ece"].round(2)
    (array([1.]), array([0.0467]), array([0.2]))
    """
    weights = _counted(weights, labels)
    truth, score = labels == rarest, shares[:, rarest]
    squares = ((shares - np.eye(shares.shape[1])[labels]) ** 2).sum(1) / 2
    return {
        **ranking_scores(score, truth, weights),
        "brier": weights @ squares / weights.sum(1),
        "ece": expected_calibration_error(shares, labels, weights),
        "ece_corrected": expected_calibration_error(corrected(shares, prior_ratio), labels, weights),
        "calibration_slope": calibration_slope(score, truth, weights),
    }


def _counted(weights: np.ndarray | None, labels: np.ndarray) -> np.ndarray:
    return np.ones((1, len(labels))) if weights is None else weights.astype(np.float64)


def ranking_scores(score: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """AUC, average precision and recall at a precision of at least 0.5 (B,) of scores (N,) under weights (B, N).

    As `roc_auc_score` and `average_precision_score` of scikit-learn have them, for all weights at once: rows of one
    score are one threshold. Both sides must have weight.
    """
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    hits, alarms = (np.cumsum(weights[:, order] * side[order], axis=1)[:, ends] for side in (truth, ~truth))
    recall, fallout = (np.pad(side / side[:, -1:], ((0, 0), (1, 0))) for side in (hits, alarms))
    precision = hits / np.maximum(hits + alarms, 1e-300)
    gained = np.diff(recall)
    return {
        "auc": (np.diff(fallout) * (recall[:, 1:] - gained / 2)).sum(1),
        "ap_rarest": (gained * precision).sum(1),
        f"recall_at_precision_{PRECISION}": np.where(precision >= PRECISION, recall[:, 1:], 0.0).max(1),
    }


def corrected(shares: np.ndarray, prior_ratio: np.ndarray) -> np.ndarray:
    """Probabilities (N, K) under other class shares: times wanted share over training share (K,), made to sum to 1.

    Saerens et al., "Adjusting the outputs of a classifier to new a priori probabilities", 2002, equation 4.

    >>> corrected(np.array([[0.5, 0.5]]), np.array([1.8, 0.2])).tolist()  # trained half and half, found 9 to 1
    [[0.9, 0.1]]
    """
    moved = shares * prior_ratio
    return moved / np.maximum(moved.sum(axis=1, keepdims=True), 1e-300)


def expected_calibration_error(shares: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Class-wise ECE (B,): gap of mean probability and share of the class over 15 equal bins of it, mean over classes.

    Kull et al., "Beyond temperature scaling", 2019, equation 3. The gap of the most probable class alone (Guo et al.,
    2017) does not see the probabilities that balancing moves: too high for rare classes, too low for common ones.

    shares, weights  (N, K) and (B, N), as in `probability_scores`

    >>> expected_calibration_error(np.array([[0.8, 0.2]] * 5), np.array([0, 0, 0, 0, 1]))
    array([0.])
    """
    weights = _counted(weights, labels)
    place = np.minimum((shares * BINS).astype(int), BINS - 1)
    gaps = np.eye(shares.shape[1])[labels] - shares
    off = np.zeros(len(weights))
    for bins, gap in zip(place.T, gaps.T, strict=True):
        off += np.abs((weights @ (np.eye(BINS)[bins] * gap[:, None])).round(12)).sum(1)
    return off / (weights.sum(1) * shares.shape[1])


def calibration_slope(score: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Slope (B,) of the logistic regression of truth (N,) on the log odds of score (N,); 0 where all scores are equal.

    Newton's method with a weak ridge, so that separable rows have an end; `weights` (B, N) as in `probability_scores`.

    >>> odds = np.repeat(np.array([-1.0, 1.0]), 1000)
    >>> truth = np.concatenate([np.arange(1000) < 269, np.arange(1000) < 731])  # 1 / (1 + exp(1)) = 0.269
    >>> calibration_slope(1 / (1 + np.exp(-odds)), truth).round(2)
    array([1.])
    """
    weights = _counted(weights, truth)
    odds = np.log(score.clip(1e-6, 1 - 1e-6) / (1 - score).clip(1e-6, 1))
    powers = np.stack([np.ones(len(odds)), odds, odds**2], axis=1)
    found, ridge = np.zeros((len(weights), 2)), np.array([0.0, 0.01])
    going = _spread(odds, weights) > 1e-9
    for _ in range(25):
        if not going.any():
            break
        counted, now = weights[going], found[going]
        p = 1 / (1 + np.exp(-(now @ powers[:, :2].T).clip(-30, 30)))
        sums = (counted * (p * (1 - p)).clip(1e-9)) @ powers
        curvature = sums[:, [[0, 1], [1, 2]]] + np.diag(ridge)
        slopes = (counted * (truth - p)) @ powers[:, :2] - ridge * now
        step = np.linalg.solve(curvature, slopes[..., None])[..., 0]
        found[going] = now + np.clip(step, -5, 5)
        going[going] = np.abs(step).max(1) >= 1e-8
    return found[:, 1]


def _spread(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Standard deviation (B,) of values (N,) under weights (B, N)."""
    mean = weights @ values / weights.sum(1)
    return np.sqrt(((values - mean[:, None]) ** 2 * weights).sum(1) / weights.sum(1))


def reliability(score: np.ndarray, truth: np.ndarray, bins: int = 10, least: int = 5) -> list[dict[str, float]]:
    """Mean score, share of truth and number of rows in each of `bins` equal bins of score that has `least` rows.

    >>> reliability(np.array([0.1, 0.3, 0.7, 0.9]), np.array([0, 0, 1, 1]), bins=2, least=1)
    [{'score': 0.2, 'share': 0.0, 'n': 2}, {'score': 0.8, 'share': 1.0, 'n': 2}]
    """
    place = np.minimum((score * bins).astype(int), bins - 1)
    groups = [np.flatnonzero(place == b) for b in range(bins)]
    return [
        {"score": round(float(score[g].mean()), 12), "share": float(truth[g].mean()), "n": len(g)}
        for g in groups
        if len(g) >= least
    ]
