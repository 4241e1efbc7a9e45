"""The privacy part of report.json: copies, membership inference, and what a release gives away to whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gensynth.evaluation.copies import ALARM, Copies, copies_per_class, copy_entries, real_duplicates
from gensynth.evaluation.membership import Roles, attack_entry, roles_of, rows_attacks
from gensynth.evaluation.whitebox import ModelAttack
from gensynth.types import LabelledData

THREAT_MODEL = (
    "T0, rows only: an attacker holds made rows and nothing else, as after handing on samples, or those rows of "
    "dataset/ that are marked synthetic. dataset/ as a whole holds the real train rows themselves.",
    "T1, rows and model: generator/ as well, with the networks that draw rows and, for most models, an encoder.",
    "T2, rows, model and discriminator: the checkpoints in run/ as well, which hold every network of the training. "
    "A bundle never holds a discriminator.",
    "T3, a service that answers questions about distances or scores of rows that an attacker chooses: such answers "
    "alone can give training rows back. run/internal/ holds such distances; do not pass it on.",
    "What the default outputs are: made rows alone are a T0 release, made rows with generator/ a T1 release; run/ is "
    "not meant to leave the house.",
)


def privacy_facts(
    train: LabelledData,
    held_out: LabelledData,
    made: LabelledData,
    copied: Copies,
    *,
    seed: int,
    points: Callable[[np.ndarray], np.ndarray],
    subject: str = "",
    whitebox: Sequence[ModelAttack] = (),
) -> dict[str, Any]:
    """Copies and attacks as plain JSON: nearer_to_train, exact_copies, near_copies, copies_per_class, real_duplicates,
    alarm, membership, threat_model.

    train     rows a generator learned from; held_out: real rows it never saw, split inside into non-members and
              reference
    copied    what `find_copies` found of the made rows
    points    rows x -> (N, P) in which near means alike
    subject   column of groups that says whom a row belongs to, or an empty text
    whitebox  attacks with the model, run on the same members and non-members
    """
    roles = roles_of(train, held_out, made, points, seed, subject)
    lines = rows_attacks(roles, made, points) + [_with_model(one, roles) for one in whitebox]
    return {
        **copy_entries(copied),
        "copies_per_class": copies_per_class(copied),
        "real_duplicates": real_duplicates(copied),
        "alarm": f"Copies are {ALARM}.",
        "membership": lines,
        "threat_model": list(THREAT_MODEL),
    }


def _with_model(attack: ModelAttack, roles: Roles) -> dict[str, Any]:
    if not len(roles.members):
        return attack_entry(attack.attack, attack.release, np.zeros(0), np.zeros(0), roles)
    return attack_entry(
        attack.attack, attack.release, attack.score(roles.members), attack.score(roles.non_members), roles
    )
