"""Which labels are suspect: confident learning on probabilities of classifiers that did not see the row.

Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels", JAIR 70, 2021. A row is
suspect where a classifier is as sure of another class as it is, in the mean, of that class's own rows. Where classes
overlap, suspects are hard rows rather than wrong ones: the count is a place to look, not a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gensynth.data.split import row_groups
from gensynth.evaluation.utility.classifiers import classifiers_of
from gensynth.evaluation.utility.utility import UNCHANGED
from gensynth.intervals import wilson_interval
from gensynth.rng import child, numpy_generator
from gensynth.types import LabelledData

FOLDS = 3
MOST_ROWS = 10_000
LEAST_ROWS = 10  # of a class: with fewer, a fold has too few to learn it from
LEAST_STEPS, MOST_STEPS = 60, 400  # of the network of images and sounds
ROWS_A_STEP = 4
SLACK = 1e-6  # a mean of equal probabilities may come out a last digit above them


@dataclass(frozen=True)
class Suspects:
    """What confident learning finds in N rows of K classes.

    believed  int64 (N,), the class that a row is confidently counted in, -1 where in none
    suspect   bool (N,), counted in another class than its label, which is also not the most probable one
    margin    float64 (N,), normalised margin in [0, 1]: (p of the label - highest p of another class + 1) / 2
    joint     int64 (K, K), rows by label and believed class
    """

    believed: np.ndarray
    suspect: np.ndarray
    margin: np.ndarray
    joint: np.ndarray

    def worst(self, most: int) -> np.ndarray:
        """Numbers of at most `most` suspect rows, lowest margin first."""
        rows = np.flatnonzero(self.suspect)
        return rows[np.argsort(self.margin[rows], kind="stable")][:most]


def mean_self_confidence(probabilities: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Threshold of each class (K,): mean probability of the class over rows labelled so; infinite where there are none.

    Northcutt et al. 2021, equation 2.

    >>> mean_self_confidence(np.array([[0.8, 0.2], [0.6, 0.4], [0.5, 0.5]]), np.array([0, 0, 1])).round(3).tolist()
    [0.7, 0.5]
    """
    counts = np.bincount(y, minlength=probabilities.shape[1])
    sums = np.bincount(y, probabilities[np.arange(len(y)), y], minlength=probabilities.shape[1])
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)


def find_suspects(probabilities: np.ndarray, y: np.ndarray, thresholds: np.ndarray) -> Suspects:
    """Suspects among rows with out-of-sample probabilities (N, K), labels (N,) and thresholds (K,).

    A row counts for the class whose threshold it reaches (section 3.1, equation 1). Where it reaches several, it counts
    for the most probable class of all, as in the authors' package cleanlab; equation 1 takes the most probable of those
    that are reached. The two differ only where a still more probable class has a higher threshold.

    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.2, 0.8]])
    >>> y = np.array([0, 0, 0, 1, 1])
    >>> found = find_suspects(p, y, mean_self_confidence(p, y))
    >>> found.suspect.tolist(), found.joint.tolist()
    ([False, False, True, False, False], [[2, 1], [0, 1]])
    """
    classes = probabilities.shape[1]
    sure = probabilities >= thresholds - SLACK
    best = probabilities.argmax(axis=1)
    believed = np.where(sure.sum(axis=1) > 1, best, np.where(sure.any(axis=1), sure.argmax(axis=1), -1))
    counted = believed >= 0
    pairs = y[counted] * classes + believed[counted]
    joint = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
    return Suspects(believed, counted & (believed != y) & (best != y), _margins(probabilities, y), joint)


def _margins(probabilities: np.ndarray, y: np.ndarray) -> np.ndarray:
    rows = np.arange(len(y))
    others = probabilities.astype(np.float64, copy=True)
    others[rows, y] = -np.inf
    best = others.max(axis=1) if others.shape[1] > 1 else np.zeros(len(y))
    return (probabilities[rows, y] - best + 1) / 2


def calibrated_joint(joint: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Estimated rows (K, K) by label and true class: each line of the joint scaled to the rows (K,) of its label.

    Northcutt et al. 2021, equation 3; every class keeps at least one row in its place.

    >>> calibrated_joint(np.array([[8, 2], [0, 5]]), np.array([20, 10])).tolist()
    [[16.0, 4.0], [0.0, 10.0]]
    """
    kept = joint.astype(np.float64)
    np.fill_diagonal(kept, np.maximum(kept.diagonal(), 1))
    return kept / kept.sum(axis=1, keepdims=True) * counts[:, None]


def noise_share(joint: np.ndarray, counts: np.ndarray) -> dict[str, float | int]:
    """Estimated share of wrong labels among rows (K,), off the diagonal of `calibrated_joint`, with its 95 % interval.

    A sum of shares weighted by class; Wilson's intervals of the classes are joined as by Zou and Donner,
    "Construction of confidence limits about effect measures", 2008 (MOVER).

    >>> found = noise_share(np.array([[90, 10], [0, 100]]), np.array([100, 100]))
    >>> round(found["value"], 3), round(found["low"], 3), round(found["high"], 3)
    (0.05, 0.028, 0.092)
    """
    total = int(counts.sum())
    kept = np.maximum(joint.sum(axis=1), 1)
    off = 1.0 - calibrated_joint(joint, np.ones(len(counts))).diagonal()
    bounds = np.array([wilson_interval(share, n) for share, n in zip(off.tolist(), kept.tolist(), strict=True)])
    weights = counts / total
    value = float(weights @ off)
    down, up = (float(np.linalg.norm(weights * (side - off))) for side in bounds.T)
    return {"value": value, "low": max(value - down, 0.0), "high": min(value + up, 1.0), "n": total}


@dataclass(frozen=True)
class OutOfFold:
    """Probabilities of rows by classifiers of real train rows that did not see them.

    rows    int64 (n,), numbers of the train rows that were looked at; real: (n, K)
    others  (M, K), of further rows, each from one of the same classifiers
    """

    rows: np.ndarray
    real: np.ndarray
    others: np.ndarray


def out_of_fold(train: LabelledData, others: np.ndarray, seed: int, subject: str = "") -> OutOfFold:
    """Cross-validated probabilities of train rows, and of other rows x (M, ...), by its strong classifier.

    Three folds, stratified; equal rows and rows of one subject share a fold, so that no classifier saw their like. At
    most MOST_ROWS train rows are looked at, the common classes cut first; classes with fewer than LEAST_ROWS rows, or
    with rows in one fold only, are left out. Each other row gets one fold's classifier, as a train row does, so that
    classifiers are no surer of it than of those.
    subject  column of `groups` that says whom a row belongs to, or an empty text
    """
    groups = row_groups(train.content_hashes(), train.groups[subject] if subject else None)
    rows, fold = reviewed_rows(train.y, len(train.schema.classes), seed, groups)
    classes = len(train.schema.classes)
    real, of_others = np.zeros((len(rows), classes)), np.zeros((len(others), classes))
    steps = min(max(len(rows) // ROWS_A_STEP, LEAST_STEPS), MOST_STEPS)
    classifier, turn = classifiers_of(train, steps)[0], np.arange(len(others)) % FOLDS
    for f in range(FOLDS) if len(rows) else ():
        fit, held = train[rows[fold != f]], train.x[rows[fold == f]]
        inputs = [held, others[turn == f]]
        found = classifier.probabilities(fit, None, inputs, child(seed, "confident", f), UNCHANGED)
        real[fold == f], of_others[turn == f] = found
    return OutOfFold(rows, real, of_others)


def reviewed_rows(
    y: np.ndarray, num_classes: int, seed: int, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers (n,), ascending, and the fold of each (n,): every fold holds a third of every class, as nearly as
    groups (N,) allow that lie in one fold each."""
    order = numpy_generator(seed, "confident", "folds")
    counts = np.bincount(y, minlength=num_classes)
    most = _most_of_a_class(counts)
    enough = np.flatnonzero(counts >= LEAST_ROWS)
    parts = [order.permutation(np.flatnonzero(y == c))[:most] for c in enough]
    rows = np.concatenate([np.zeros(0, np.int64), *parts])
    fold = _folds(y[rows], np.arange(len(rows)) if groups is None else groups[rows], counts)
    ascending = np.argsort(rows)
    rows, fold = rows[ascending], fold[ascending]
    folds_of_class = np.bincount(np.unique(y[rows] * FOLDS + fold) // FOLDS, minlength=num_classes)
    learned = folds_of_class[y[rows]] > 1
    return rows[learned], fold[learned]


def _folds(y: np.ndarray, groups: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The fold (n,) of rows with labels and groups (n,): each group, the largest first, goes to the emptiest fold.

    A group of several classes is dealt with the rarest of them, by counts (K,), which can spare it least.
    """
    by_rarity = np.argsort(counts, kind="stable")
    _, first, place, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    rarest = np.full(len(sizes), len(counts))
    np.minimum.at(rarest, place, np.argsort(by_rarity)[y])
    order = np.lexsort((first, -sizes, rarest))
    fold, filled = np.empty(len(sizes), np.int64), [[0] * FOLDS for _ in counts]
    for g in order.tolist():
        c = int(by_rarity[rarest[g]])
        _, start = min((filled[c][f], (f - c) % FOLDS) for f in range(FOLDS))
        fold[g] = (c + start) % FOLDS
        filled[c][fold[g]] += int(sizes[g])
    return fold[place]


def _most_of_a_class(counts: np.ndarray) -> int:
    """The largest number of rows of any class with which all together are at most MOST_ROWS.

    The smallest classes are taken whole, and the others share what is left.
    """
    left = MOST_ROWS
    ascending = np.sort(counts)
    for place, count in enumerate(ascending):
        share = left // (len(ascending) - place)
        if count > share:
            return int(share)
        left -= int(count)
    return int(ascending[-1])
