"""Attacks on membership that hold the synthetic rows only: a score for every member and non-member, higher for likelier
members.

density_ratio        mean over k of log distance to the k-th nearest reference row minus that to the k-th nearest
                     synthetic row: a nearest-neighbour estimate of the density ratio of DOMIAS (van Breugel et al.,
                     "Membership inference attacks against synthetic data through overfitting detection", AISTATS 2023).
                     The k-th distance alone sees no copies, since one copy is one neighbour
calibrated_distance  minus the distance to the nearest synthetic row over the mean distance to the K nearest reference
                     rows: the calibrated attack of Chen et al., "GAN-Leaks", CCS 2020, section 4.4, as a quotient, the
                     difference of their logarithms; the plain difference is ruled by rows in thin regions
nearest_distance     minus the distance to the nearest synthetic row: theirs without calibration
likelihood_ratio     by how much likelier the nearest synthetic rows are once the row is among the reference
                     (`local_likelihood_ratio`)
reconstruction_of_columns  tables: how much better its cells follow from the others by synthetic rows than by reference
                     rows (`columns.py`)
distance_classifier  a classifier of all these, fitted on other rows whose membership is known (`trained.py`): what an
                     auditor can reach who holds part of the training rows
no_rows              sees no synthetic row, only how far a row lies from reference rows: an AUC off 0.5 there says that
                     train and held-out rows differ by themselves, and that the other attacks measure that too (Das et
                     al., "Blind baselines beat membership inference attacks for foundation models", 2024)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gensynth.evaluation.metrics.roc import undefined
from gensynth.evaluation.privacy.columns import column_reconstruction
from gensynth.evaluation.privacy.membership import MOST_SYNTHETIC, ROWS_ONLY, K, Points, Roles, attack_entry
from gensynth.evaluation.privacy.trained import CrossFitted, cross_fitted
from gensynth.neighbours import nearest_distances
from gensynth.rng import numpy_generator
from gensynth.types import LabelledData

FLOOR = 1e-12  # distances below count as this one in logarithms: a row at 0 comes before all others
NOTHING = "nothing"
POWER = 2.0


@dataclass(frozen=True)
class Scored:
    """An attack's scores (R,) of all members and then all non-members; `refit` where it learns from their labels."""

    attack: str
    release: str
    scores: np.ndarray
    refit: CrossFitted | None = None


def density_ratio(to_reference: np.ndarray, to_synthetic: np.ndarray) -> np.ndarray:
    """Scores (N,) from distances (N, K) to the nearest reference and synthetic rows.

    >>> density_ratio(np.array([[1.0, 4.0]]), np.array([[0.5, 2.0]])).round(4).tolist()  # log 2
    [0.6931]
    """
    return (np.log(np.maximum(to_reference, FLOOR)) - np.log(np.maximum(to_synthetic, FLOOR))).mean(axis=1)


def calibrated_distance(to_reference: np.ndarray, to_synthetic: np.ndarray) -> np.ndarray:
    """Scores (N,) from distances (N, K).

    >>> calibrated_distance(np.array([[1.0, 3.0]]), np.array([[0.5, 2.0]])).tolist()
    [-0.25]
    """
    return -to_synthetic[:, 0] / np.maximum(to_reference.mean(axis=1), FLOOR)


def nearest_distance(to_reference: np.ndarray, to_synthetic: np.ndarray) -> np.ndarray:
    """Scores (N,) from distances (N, K): minus the first of those to synthetic rows."""
    return -to_synthetic[:, 0]


ATTACKS = (density_ratio, calibrated_distance, nearest_distance)


def local_likelihood_ratio(to_synthetic: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Scores (N,): sum over the K nearest synthetic rows of the log ratio of their densities, with the row among the
    reference and without it: log(1 + k(row) / sum of k(its K nearest reference rows)).

    Ward et al., "Privacy auditing synthetic data release through local likelihood attacks" (Gen-LRA), 2025, here with
    the kernel k(d) = d ** -POWER of Devroye and Krzyzak ("On the Hilbert kernel density estimate", 1999): it has no
    bandwidth, and a row that a synthetic one equals stands out however dense its surroundings are.
    to_synthetic  (N, K) distances to the nearest synthetic rows; reach (N, K, K): of those to their own nearest
                  reference rows

    >>> local_likelihood_ratio(np.array([[1.0], [2.0]]), np.full((2, 1, 1), 2.0)).round(4).tolist()  # log 5, log 2
    [1.6094, 0.6931]
    """
    own = -POWER * np.log(np.maximum(to_synthetic, FLOOR))
    others = np.logaddexp.reduce(-POWER * np.log(np.maximum(reach, FLOOR)), axis=2)
    return np.logaddexp(0.0, own - others).sum(axis=1)


def row_scores(roles: Roles, synthetic: LabelledData, points: Points) -> list[Scored]:
    """All attacks on at most MOST_SYNTHETIC synthetic rows; empty where there are fewer than K of those or of the
    reference."""
    drawn = synthetic[numpy_generator(roles.seed, "synthetic rows").permutation(len(synthetic))[:MOST_SYNTHETIC]]
    if min(len(roles.reference), len(drawn)) < K or not len(roles.members):
        return []
    rows = LabelledData.concat([roles.members, roles.non_members])
    query, of_reference, of_synthetic = points(rows.x), points(roles.reference.x), points(drawn.x)
    to_reference = nearest_distances(query, of_reference, K)[0]
    to_synthetic, places = nearest_distances(query, of_synthetic, K)
    reach = nearest_distances(of_synthetic, of_reference, K)[0]
    scores = {one.__name__: one(to_reference, to_synthetic) for one in ATTACKS}
    scores["likelihood_ratio"] = local_likelihood_ratio(to_synthetic, reach[places])
    rebuilt = column_reconstruction(rows, drawn, roles.reference, roles.seed)
    if rebuilt is not None:
        scores["reconstruction_of_columns"] = rebuilt
    seen = [*scores.values(), to_synthetic.mean(axis=1), to_reference[:, 0], to_reference.mean(axis=1)]
    learned = cross_fitted(np.stack(seen, axis=1), roles)
    found = [Scored(name, ROWS_ONLY, values) for name, values in scores.items()]
    found.append(Scored("distance_classifier", ROWS_ONLY, learned.scores(roles.is_member), learned))
    return [*found, Scored("no_rows", NOTHING, -to_reference.mean(axis=1))]


def rows_attacks(roles: Roles, synthetic: LabelledData, points: Points) -> list[dict[str, Any]]:
    """The lines in report.json of all `row_scores`, or for each of ATTACKS a line with the reason why there is none."""
    return attack_lines(row_scores(roles, synthetic, points), roles) or not_attacked(roles, synthetic)


def attack_lines(scored: list[Scored], roles: Roles) -> list[dict[str, Any]]:
    n = len(roles.members)
    return [attack_entry(one.attack, one.release, one.scores[:n], one.scores[n:], roles) for one in scored]


def not_attacked(roles: Roles, synthetic: LabelledData) -> list[dict[str, Any]]:
    reason = undefined(f"{len(synthetic)} made and {len(roles.reference)} reference rows, {K} of each needed")
    if not len(roles.members):
        reason = undefined("no class with synthetic rows has members and non-members")
    rest: dict[str, Any] = {"tpr": {}, "per_class": {}, "most_exposed": {}, "control": {}}
    return [{"attack": one.__name__, "release": ROWS_ONLY, "auc": reason, **rest} for one in ATTACKS]
