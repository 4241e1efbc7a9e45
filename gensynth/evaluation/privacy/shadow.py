"""Membership inference with shadow generators: the strongest attack here on synthetic rows alone, at the price of
training.

The likelihood-ratio attack (Carlini et al., "Membership inference attacks from first principles", IEEE S&P 2022) on
generators, after Stadler et al., "Synthetic data - anonymisation groundhog day", USENIX Security 2022: the same
training is run on many random halves of real rows, and for every target row the distance to the nearest synthetic row
is compared between the runs that saw it and those that did not. What the released rows say is then read as a likelihood
ratio. Targets are the rows that lie farthest from others (Meeus et al., "Achilles' heels", 2023).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gensynth.data.split import row_groups
from gensynth.evaluation.metrics.roc import auc_entry, tpr_entries
from gensynth.evaluation.privacy.membership import ROWS_ONLY, K, Points, Roles, halved
from gensynth.evaluation.privacy.row_attacks import FLOOR, Scored
from gensynth.evaluation.privacy.suite import measured, strongest_of
from gensynth.neighbours import nearest_distances
from gensynth.progress import bar
from gensynth.rng import child, numpy_generator
from gensynth.types import LabelledData

LEAST_RUNS = 4
SUITES = 2  # this attack, and all others together
ONE_VARIANCE = 64  # runs below which all targets share one variance a side (Carlini et al., section IV.C)
LEAST_STD = 0.1  # of log distances: a copier's statistic never varies
Trainer = Callable[[LabelledData, int], LabelledData]


@dataclass(frozen=True)
class Shadows:
    """Statistics (R, T) of T targets in R runs and whether a run's training rows held the target."""

    statistic: np.ndarray
    trained_on: np.ndarray


def shadow_attack(
    train: LabelledData,
    held_out: LabelledData,
    synthetic: LabelledData,
    train_and_draw: Trainer,
    *,
    runs: int,
    targets: int,
    points: Points,
    seed: int,
    subject: str = "",
) -> dict[str, Any]:
    """The attack's line in report.json: {"attack", "release", "runs", "targets", "auc", "tpr", "control", "corrected"};
    corrected: `strongest_of` this attack alone, as the second of two families beside all others.

    train_and_draw  (rows, seed) -> synthetic rows of a generator trained on those rows as the audited one was on
                    `train`
    runs            shadow generators, an even number of at least LEAST_RUNS; each sees half of train and held-out rows
    targets         the most exposed rows of each side, equally many of each class as far as there are so many
    subject         column that says whose rows belong together: a run sees all or none, intervals count them as one
    The control is one half of the held-out targets in the role of members: its AUC must be 0.5. The interval speaks of
    these targets and shadows. ValueError for too few runs or an odd number of them.
    """
    if runs < LEAST_RUNS or runs % 2:
        raise ValueError(f"runs must be even and at least {LEAST_RUNS}, got {runs}")
    pool = LabelledData.concat([train, held_out])
    chosen, members = choose_targets(pool, len(train), targets, points)
    shadows = run_shadows(pool, chosen, train_and_draw, runs, points, seed, subject)
    scores = log_likelihood_ratio(nearness(pool[chosen], synthetic, points), shadows)
    unseen, one = scores[~members], halved(pool[chosen][~members], child(seed, "shadow control"), subject)
    who = row_groups(np.arange(len(chosen)).astype(str), pool.groups[subject][chosen]) if subject else None
    sides = None if who is None else (who[members], who[~members])
    halves = None if who is None else (who[~members][one], who[~members][~one])
    nothing = np.zeros(0, bool)
    roles = Roles(pool[chosen[members]], pool[chosen[~members]], pool[:0], (nothing, nothing), seed, subject)
    corrected = strongest_of(measured([Scored("shadow_lira", ROWS_ONLY, scores)], roles), roles, SUITES)
    return {
        "attack": "shadow_lira",
        "release": ROWS_ONLY,
        "runs": runs,
        "targets": len(chosen),
        "auc": auc_entry(scores[members], unseen, sides),
        "tpr": tpr_entries(scores[members], unseen, sides),
        "control": {"auc": auc_entry(unseen[one], unseen[~one], halves)},
        "corrected": {key: corrected[key] for key in ("auc", "low", "high", "p", "top")},
    }


def choose_targets(pool: LabelledData, n_train: int, most: int, points: Points) -> tuple[np.ndarray, np.ndarray]:
    """(row numbers (T,), which of them are train rows (T,)): of each class as many train rows as held-out ones, at
    most `most` a side in all, those farthest on average from the K nearest other rows. The first n_train are train."""
    far = nearest_distances(points(pool.x), points(pool.x), min(K, len(pool) - 1), exclude_self=True)[0].mean(axis=1)
    is_train = np.arange(len(pool)) < n_train
    counts = [np.bincount(pool.y[side], minlength=len(pool.schema.classes)) for side in (is_train, ~is_train)]
    both = np.minimum(*counts)
    wanted = np.ceil(both * min(1.0, most / max(both.sum(), 1))).astype(int)
    order = np.argsort(-far, kind="stable")
    picked = [
        order[side[order] & (pool.y[order] == c)][: wanted[c]]
        for side in (is_train, ~is_train)
        for c in range(len(wanted))
    ]
    chosen = np.concatenate(picked).astype(np.int64)
    return chosen, is_train[chosen]


def run_shadows(
    pool: LabelledData,
    targets: np.ndarray,
    train_and_draw: Trainer,
    runs: int,
    points: Points,
    seed: int,
    subject: str = "",
) -> Shadows:
    """Train and draw `runs` times on random halves; run 2 i + 1 sees what run 2 i did not, so every row is seen by
    half of the runs. Rows of one subject are seen together."""
    statistic, trained_on = np.empty((runs, len(targets))), np.empty((runs, len(targets)), dtype=bool)
    with bar("shadow generators", runs) as advance:
        for run in range(runs):
            turn = child(seed, "shadow half", run // 2)
            half = halved(pool, turn, subject) if subject else half_of_each_class(pool.y, turn)
            seen = half ^ bool(run % 2)
            drawn = train_and_draw(pool[seen], child(seed, "shadow", run))
            statistic[run], trained_on[run] = nearness(pool[targets], drawn, points), seen[targets]
            advance(1)
    return Shadows(statistic, trained_on)


def half_of_each_class(y: np.ndarray, seed: int) -> np.ndarray:
    """A random half of the rows of each class, bool (N,); of an odd number, the other half is the larger one."""
    order, half = numpy_generator(seed, "half"), np.zeros(len(y), dtype=bool)
    for c in np.unique(y):
        mine = order.permutation(np.flatnonzero(y == c))
        half[mine[: len(mine) // 2]] = True
    return half


def nearness(rows: LabelledData, synthetic: LabelledData, points: Points) -> np.ndarray:
    """Minus the log distance (N,) of rows to the nearest synthetic row."""
    distance = nearest_distances(points(rows.x), points(synthetic.x), 1)[0][:, 0]
    return -np.log(np.maximum(distance, FLOOR))


def log_likelihood_ratio(observed: np.ndarray, shadows: Shadows) -> np.ndarray:
    """Log ratio (T,) of two Gaussians at the observed statistic (T,): fitted to the runs that saw the target and to
    those that did not. Means a target; with fewer than ONE_VARIANCE runs one variance a side for all targets.

    >>> shadows = Shadows(np.array([[0.0], [2.0], [4.0], [6.0]]), np.array([[False], [False], [True], [True]]))
    >>> log_likelihood_ratio(np.array([3.0]), shadows).tolist(), log_likelihood_ratio(np.array([4.0]), shadows).tolist()
    ([0.0], [2.0])
    """
    sides = [_gaussian(observed, shadows, shadows.trained_on == seen) for seen in (True, False)]
    return sides[0] - sides[1]


def _gaussian(observed: np.ndarray, shadows: Shadows, counted: np.ndarray) -> np.ndarray:
    """Log density (T,) at the observed statistic, up to a constant, from the counted runs (R, T)."""
    n = counted.sum(axis=0)
    mean = np.where(counted, shadows.statistic, 0.0).sum(axis=0) / n
    squared = np.where(counted, (shadows.statistic - mean) ** 2, 0.0).sum(axis=0)
    variance = squared / (n - 1)
    if len(counted) < ONE_VARIANCE:
        variance = np.full_like(mean, variance.mean())
    variance = np.maximum(variance, LEAST_STD**2)
    return -0.5 * np.log(variance) - 0.5 * (observed - mean) ** 2 / variance
