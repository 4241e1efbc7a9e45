"""The privacy part of an assessment: copies, membership inference, and what a release gives away to whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gensynth.evaluation.assessment import Privacy
from gensynth.evaluation.privacy.copies import ALARM, Copies, copies_per_class, copy_entries, real_duplicates
from gensynth.evaluation.privacy.membership import Roles, attack_entry, roles_of, rows_attacks
from gensynth.evaluation.privacy.whitebox import ModelAttack
from gensynth.types import LabelledData

THREAT_MODEL = (
    "T0, rows only: an attacker holds synthetic rows and nothing else, as after handing on samples, or those rows of "
    "dataset/ that are marked synthetic. dataset/ as a whole holds the real train rows themselves.",
    "T1, rows and model: generator/ as well, with the networks that draw rows and, for most models, an encoder.",
    "T2, rows, model and discriminator: the checkpoints in run/ as well, which hold every network of the training. "
    "A bundle never holds a discriminator.",
    "T3, a service that answers questions about distances or scores of rows that an attacker chooses: such answers "
    "alone can give training rows back. run/internal/ holds such distances; do not pass it on.",
    "What the default outputs are: synthetic rows alone are a T0 release, with generator/ a T1 release; run/ is "
    "not meant to leave the house.",
)


def privacy_of(
    seen: LabelledData,
    held_out: LabelledData,
    synthetic: LabelledData,
    copied: Copies,
    *,
    seed: int,
    points: Callable[[np.ndarray], np.ndarray],
    subject: str = "",
    attacks: Sequence[ModelAttack] = (),
) -> Privacy:
    """Copies, and attacks on who was in the real rows that a set was learned from.

    seen      rows a generator learned from; held_out: real rows it never saw, split inside into non-members and
              reference
    copied    what `find_copies` found of the synthetic rows
    points    rows x -> (N, P) in which near means alike
    subject   column of groups that says whom a row belongs to, or an empty text
    attacks   with the model, run on the same members and non-members
    """
    roles = roles_of(seen, held_out, synthetic, points, seed, subject)
    return replace(
        Privacy.from_json(copy_entries(copied)),
        copies_per_class=copies_per_class(copied),
        real_duplicates=real_duplicates(copied),
        alarm=f"Copies are {ALARM}.",
        membership=rows_attacks(roles, synthetic, points) + [_with_model(one, roles) for one in attacks],
        threat_model=list(THREAT_MODEL),
    )


def _with_model(attack: ModelAttack, roles: Roles) -> dict[str, Any]:
    members, others = (
        attack.score(side) if len(roles.members) else np.zeros(0) for side in (roles.members, roles.non_members)
    )
    return attack_entry(attack.attack, attack.release, members, others, roles)
