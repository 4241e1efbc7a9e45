"""What the verdict is worth where the truth is known: does its interval hold the true gain, how wide is it, what does
it answer.

    python scripts/bench_verdict.py [trials=400] [seeds=5]

Every trial draws test rows of two classes, a tenth of them rare, and what five seeds of a candidate and of five other
arms (real rows alone and four simple ones) make of each. Whether an arm is right on a row is a sum of how hard the row
is, what this arm makes of it, the seed's own luck and the luck of that seed on that row. The candidate's true gain
over the best of the others is `effect`. Printed are, for each number of test rows and true effect, how often the
interval holds it (.95 is wanted), its mean width as a part of what the spread of the estimates over all trials needs,
and the answers. Three settings of the other arms: one alone, five alike, so that the best of them is picked by luck,
and one ahead of four. Of one alone 0.93 to 0.97 and at most 1.1 are wanted; beside several, intervals are wider, since
a gain must hold over each.

    python scripts/bench_verdict.py folds=5 rows=200 effects=0,0.02,0.06 [others=one] [trials=400]

The same for evaluate.folds=5, where as many test rows lie in every fold and each fold has the luck of training rows of
its own, a fifth of it shared by all: power is the share of "helps" at a true gain of 0.06, of 200 test rows a fold.
"""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
from bench_words import read_words
from scipy.special import ndtri

from gensynth.evaluation.utility.gain import against_best, estimate
from gensynth.evaluation.utility.verdict import HEADLINE_METRIC, MARGIN, decide
from gensynth.intervals import Difference

RARE = 0.1
RECALLS = (0.9, 0.6)  # of the common and the rare class, of the best other arm
BY_ARM, BY_SEED, BY_LUCK = 0.35, 0.1, 0.35  # beside a row's own deviation, which is 1
BY_TRAINING, SHARED = 0.08, 0.2  # the luck of training rows, of an arm in a class, where there are folds
TOTAL = float(np.sqrt(1 + BY_ARM**2 + BY_SEED**2 + BY_LUCK**2))
OTHERS = {"one": (0.0,), "five alike": (0.0,) * 5, "one ahead": (0.0, -0.03, -0.04, -0.05, -0.06)}
RESAMPLES = 400


def main() -> None:
    defaults = {"trials": "400", "seeds": "5", "folds": "1", "rows": "100,300,1000", "effects": "0,0.02,0.05"}
    given = read_words(sys.argv[1:], defaults | {"others": ",".join(OTHERS)})
    trials, seeds, folds = (int(given[name]) for name in ("trials", "seeds", "folds"))
    print("others       rows effect   holds  width   answers")
    for name in given["others"].split(","):
        for rows in map(int, given["rows"].split(",")):
            for effect in map(float, given["effects"].split(",")):
                found = line(rows, effect, np.array(OTHERS[name]), trials, seeds, folds)
                print(f"{name:<12}{rows:>5}{effect:>7}{found}", flush=True)


def line(rows: int, effect: float, behind: np.ndarray, trials: int, seeds: int, folds: int) -> str:
    """Coverage, width and answers over all trials."""
    order = np.random.default_rng([rows, int(1000 * effect), int(1000 * -behind.sum())])
    labels = (np.arange(rows) >= round(rows * (1 - RARE))).astype(np.int64)
    gains = [of_trial(labels, effect, behind, seeds, folds, order) for _ in range(trials)]
    held = np.mean([gain.low <= effect <= gain.high for gain in gains])
    needed = 2 * 1.96 * np.std([gain.mean for gain in gains])
    width = np.mean([gain.high - gain.low for gain in gains]) / needed
    answers = Counter(decide(gain, MARGIN) for gain in gains)
    return f"{held:>8.3f}{width:>7.2f}   " + ", ".join(f"{name} {n / trials:.2f}" for name, n in answers.most_common())


def of_trial(
    labels: np.ndarray, effect: float, behind: np.ndarray, seeds: int, folds: int, order: np.random.Generator
) -> Difference:
    shift = np.zeros((folds, 1 + len(behind), 2))
    if folds > 1:
        own, shared = (order.normal(size=(n, *shift.shape[1:])) for n in (folds, 1))
        shift = BY_TRAINING * (np.sqrt(1 - SHARED) * own + np.sqrt(SHARED) * shared)
    by_fold = [predictions(labels, np.array([effect, *behind]), seeds, one, order) for one in shift]
    changes = [right[0] - right[1:] for right in by_fold]  # (A, S, N) each
    of_folds = np.stack([_balanced(change, labels).mean(axis=1) for change in changes], axis=1)
    change, labels = np.concatenate(changes, axis=2), np.tile(labels, folds)
    again = [order.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n for n in np.bincount(labels)]
    by_class = [change[:, :, labels == c] for c in (0, 1)]
    resampled = np.mean([part @ weights.T for part, weights in zip(by_class, again, strict=True)], axis=0)
    values = _balanced(change, labels)
    found = estimate(values, resampled, labels, HEADLINE_METRIC, 1, of_folds if folds > 1 else None)
    return against_best(found)[1]


def _balanced(change: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mean over classes (A, S) of changes (A, S, N)."""
    return np.mean([change[:, :, labels == c].mean(axis=2) for c in (0, 1)], axis=0)


def predictions(
    labels: np.ndarray, gains: np.ndarray, seeds: int, shift: np.ndarray, order: np.random.Generator
) -> np.ndarray:
    """Whether arms are right (A, S, N), as float; arm a gains gains[a] in balanced accuracy, all of it in rare rows.

    shift  (A, 2): by how much the luck of its training rows moves an arm in each class
    """
    arms, rows = len(gains), len(labels)
    total = np.hypot(TOTAL, BY_TRAINING) if shift.any() else TOTAL
    recall = np.array([[RECALLS[0], RECALLS[1] + 2 * gain] for gain in gains])  # (A, 2)
    place = (total * ndtri(recall) + shift)[:, labels][:, None]  # (A, 1, N)
    noise = order.normal(size=rows) + BY_ARM * order.normal(size=(arms, 1, rows))
    noise = noise + BY_SEED * order.normal(size=(arms, seeds, 2))[:, :, labels]
    return (place + noise + BY_LUCK * order.normal(size=(arms, seeds, rows)) > 0).astype(np.float64)


if __name__ == "__main__":
    main()
