"""Membership inference: can one tell from what is released whether a real row was in the training data?

Members are real train rows, non-members held-out rows of the same classes in equal number, and a reference of further
held-out rows says how near rows lie to new ones anyway. An attack gives each of them a score (`row_attacks.py` from the
synthetic rows alone, `whitebox.py` with the model); here is who plays whom, and what an attack's scores amount to.

Every attack is run on a control too, one half of the non-members in the role of members: its AUC must be 0.5.
Rows of one subject never lie on two sides, or non-members would be given away by their kin among the reference. Their
scores go together, which the intervals take into account.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gensynth.data.split import row_groups
from gensynth.evaluation.metrics.roc import Clusters, auc_entry, tpr_entries
from gensynth.neighbours import nearest_distances
from gensynth.rng import child, numpy_generator
from gensynth.types import LabelledData

K = 5
MOST_ROWS, MOST_SYNTHETIC = 10_000, 20_000
LEAST_QUERIES, PRODUCTS = 500, 2e11  # of rows a side, where distances would take more than so many products
EXPOSED = 0.1
ROWS_ONLY = "rows"
Points = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Roles:
    """Who plays whom: disjoint real rows, members and non-members equally many of each class.

    drawn    how many synthetic rows there are of each class; empty: not known
    exposed  for members and for non-members, whether a row is among the tenth that lies farthest from reference rows
             (Meeus et al., "Achilles' heels", 2023): chosen alike on both sides, without a look at any synthetic row
    """

    members: LabelledData
    non_members: LabelledData
    reference: LabelledData
    exposed: tuple[np.ndarray, np.ndarray]
    seed: int
    subject: str
    drawn: tuple[int, ...] = ()

    @property
    def is_member(self) -> np.ndarray:
        """Of all members and then all non-members, bool (R,)."""
        return np.repeat([True, False], [len(self.members), len(self.non_members)])

    @cached_property
    def units(self) -> np.ndarray:
        """Number (R,) of whom a row belongs to, from 0 on without gaps: a row by itself where no subject is named."""
        own = np.arange(len(self.members) + len(self.non_members))
        if not self.subject or not len(own):
            return own
        whose = np.concatenate([side.groups[self.subject] for side in (self.members, self.non_members)]).astype(str)
        return np.unique(row_groups(own.astype(str), whose), return_inverse=True)[1]


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
    return Roles(members, non_members, reference, exposed, seed, subject, tuple(synthetic.counts().tolist()))


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
    return roles.units[: len(roles.members)], roles.units[len(roles.members) :]
