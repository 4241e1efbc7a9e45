"""Membership inference: can one tell from what is released whether a real row was in the training data?

Members are real train rows, non-members held-out rows of the same classes in equal number, and a reference of further
held-out rows says how near rows lie to new ones anyway. Three attacks look at the synthetic rows alone:

density_ratio        mean over k of log distance to the k-th nearest reference row minus that to the k-th nearest
                     synthetic row: a nearest-neighbour estimate of the density ratio of DOMIAS (van Breugel et al.,
                     "Membership inference attacks against synthetic data through overfitting detection", AISTATS 2023).
                     The k-th distance alone sees no copies, since one copy is one neighbour
calibrated_distance  minus the distance to the nearest synthetic row over the mean distance to the K nearest reference
                     rows: the calibrated attack of Chen et al., "GAN-Leaks", CCS 2020, section 4.4, as a quotient;
                     their difference is ruled by rows in thin regions
nearest_distance     minus the distance to the nearest synthetic row: theirs without calibration

Every attack is run on a control too, one half of the non-members in the role of members: its AUC must be 0.5.
Rows of one subject never lie on two sides, or non-members would be given away by their kin among the reference. Their
scores go together, which the intervals take into account.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gensynth.data.split import row_groups
from gensynth.evaluation.metrics.roc import Clusters, auc_entry, tpr_entries, undefined
from gensynth.neighbours import nearest_distances
from gensynth.rng import child, numpy_generator
from gensynth.types import LabelledData

K = 5
MOST_ROWS, MOST_SYNTHETIC = 10_000, 20_000
LEAST_QUERIES, PRODUCTS = 500, 2e11  # of rows a side, where distances would take more than so many products
FLOOR = 1e-12  # distances below count as this one in logarithms: a row at 0 comes before all others
EXPOSED = 0.1
ROWS_ONLY = "rows"
Points = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Roles:
    """Who plays whom: disjoint real rows, members and non-members equally many of each class.

    exposed  for members and for non-members, whether a row is among the tenth that lies farthest from reference rows
             (Meeus et al., "Achilles' heels", 2023): chosen alike on both sides, without a look at any synthetic row
    """

    members: LabelledData
    non_members: LabelledData
    reference: LabelledData
    exposed: tuple[np.ndarray, np.ndarray]
    seed: int
    subject: str


def roles_of(
    train: LabelledData, held_out: LabelledData, synthetic: LabelledData, points: Points, seed: int, subject: str
) -> Roles:
    """Roles among classes that have synthetic rows; half of the held-out rows are reference, at most MOST_ROWS a role.

    A member or non-member equals no other real row: what many people share says little of one of them, and where a
    split kept equal rows together, common rows would lie on one side.
    subject  column of `groups` that says whom a row belongs to, or an empty text
    """
    side = halved(held_out, child(seed, "reference"), subject)
    alone = _alone(train, held_out)
    reference, rest, train = held_out[side], held_out[~side & alone[1]], train[alone[0]]
    order = numpy_generator(seed, "membership")
    reference = reference[order.permutation(len(reference))[:MOST_ROWS]]
    wanted = np.minimum(train.counts(), rest.counts()) * (synthetic.counts() > 0)
    dims = points(train.x[:1]).shape[1]
    most = PRODUCTS / (2 * dims * max(len(reference) + min(len(synthetic), MOST_SYNTHETIC), 1))
    most = min(max(most, LEAST_QUERIES), MOST_ROWS)
    wanted = np.ceil(wanted * min(1.0, most / max(wanted.sum(), 1))).astype(int)
    members, non_members = (
        rows[np.concatenate([order.permutation(np.flatnonzero(rows.y == c))[:n] for c, n in enumerate(wanted)])]
        for rows in (train, rest)
    )
    exposed = _exposed([members, non_members], reference, points)
    return Roles(members, non_members, reference, exposed, seed, subject)


def _alone(train: LabelledData, held_out: LabelledData) -> tuple[np.ndarray, np.ndarray]:
    """Whether train rows and held-out rows equal no other row of either."""
    hashes = np.concatenate([train.content_hashes(), held_out.content_hashes()])
    _, place, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    single = counts[place] == 1
    return single[: len(train)], single[len(train) :]


def halved(rows: LabelledData, seed: int, subject: str) -> np.ndarray:
    """Whether a row is in the one half, (N,): class by class, rows of one subject together."""
    own = np.arange(len(rows)).astype(str)
    groups = row_groups(own, rows.groups[subject] if subject else None)
    names, first, place = np.unique(groups, return_index=True, return_inverse=True)
    shuffled = numpy_generator(seed, "halves").permutation(len(names))
    order = shuffled[np.argsort(rows.y[first][shuffled], kind="stable")]
    half = np.zeros(len(names), dtype=bool)
    half[order[::2]] = True
    return half[place]


def _exposed(sides: list[LabelledData], reference: LabelledData, points: Points) -> tuple[np.ndarray, np.ndarray]:
    if len(reference) < K or not len(sides[0]):
        return np.zeros(len(sides[0]), bool), np.zeros(len(sides[1]), bool)
    of_reference = points(reference.x)
    far = [nearest_distances(points(side.x), of_reference, K)[0].mean(axis=1) for side in sides]
    edge = np.quantile(np.concatenate(far), 1 - EXPOSED)
    return far[0] >= edge, far[1] >= edge


def attack_entry(attack: str, release: str, members: np.ndarray, non_members: np.ndarray, roles: Roles) -> dict:
    """An attack's line in report.json from its scores of members and non-members, higher for more likely members.

    {"attack", "release", "auc", "tpr": {rate}, "per_class": {class: {"auc", "tpr"}}, "most_exposed": {"auc", "tpr"},
    "control": {"auc"}}; release: what an attacker holds, `rows`, `rows+model` or `rows+model+discriminator`. Where
    subjects are named, intervals count rows of one as a cluster.
    """
    people = subjects_of(roles)

    def distinguished(one: np.ndarray, other: np.ndarray) -> dict[str, Any]:
        """AUC and rates of the members and of the non-members that two masks name."""
        clusters = people and (people[0][one], people[1][other])
        sides = members[one], non_members[other]
        return {"auc": auc_entry(*sides, clusters), "tpr": tpr_entries(*sides, clusters)}

    classes = roles.members.schema.classes
    ys = roles.members.y, roles.non_members.y
    per_class = {classes[c]: distinguished(ys[0] == c, ys[1] == c) for c in np.unique(ys[0])}
    one = halved(roles.non_members, child(roles.seed, "control"), roles.subject)
    halves = people and (people[1][one], people[1][~one])
    line = distinguished(np.ones(len(members), bool), np.ones(len(non_members), bool))
    return {
        "attack": attack,
        "release": release,
        **line,
        "per_class": per_class,
        "most_exposed": distinguished(*roles.exposed),
        "control": {"auc": auc_entry(non_members[one], non_members[~one], halves)},
    }


def subjects_of(roles: Roles) -> Clusters | None:
    """Number of the subject of every member and of every non-member, None where no subject is named; a row of an empty
    one is a subject by itself."""
    if not roles.subject:
        return None
    whose = np.concatenate([side.groups[roles.subject] for side in (roles.members, roles.non_members)]).astype(str)
    number = row_groups(np.arange(len(whose)).astype(str), whose)
    return number[: len(roles.members)], number[len(roles.members) :]


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


def rows_attacks(roles: Roles, synthetic: LabelledData, points: Points) -> list[dict[str, Any]]:
    """Lines of the attacks that hold the synthetic rows only (at most MOST_SYNTHETIC of them), and of `no_rows`.

    `no_rows` sees no synthetic row, only how far a row lies from reference rows: an AUC off 0.5 there says that train
    and held-out rows differ by themselves, and that the other attacks measure that too (Das et al., "Blind baselines
    beat membership inference attacks for foundation models", 2024).
    """
    drawn = synthetic[numpy_generator(roles.seed, "synthetic rows").permutation(len(synthetic))[:MOST_SYNTHETIC]]
    if min(len(roles.reference), len(drawn)) < K:
        reason = undefined(f"{len(drawn)} made and {len(roles.reference)} reference rows, {K} of each needed")
        rest: dict[str, Any] = {"tpr": {}, "per_class": {}, "most_exposed": {}, "control": {}}
        return [{"attack": one.__name__, "release": ROWS_ONLY, "auc": reason, **rest} for one in ATTACKS]
    of_reference, of_synthetic = points(roles.reference.x), points(drawn.x)
    members, non_members = (
        [nearest_distances(points(side.x), others, K)[0] for others in (of_reference, of_synthetic)]
        for side in (roles.members, roles.non_members)
    )
    lines = [attack_entry(one.__name__, ROWS_ONLY, one(*members), one(*non_members), roles) for one in ATTACKS]
    blind = -members[0].mean(axis=1), -non_members[0].mean(axis=1)
    return [*lines, attack_entry("no_rows", "nothing", blind[0], blind[1], roles)]
