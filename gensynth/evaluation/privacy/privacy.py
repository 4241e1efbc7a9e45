"""The privacy part of an assessment: copies, membership inference, and what a release gives away to whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gensynth.evaluation.assessment import Privacy
from gensynth.evaluation.privacy.copies import ALARM, Copies, copies_per_class, copy_entries, real_duplicates
from gensynth.evaluation.privacy.membership import Roles, attack_entry, roles_of, rows_attacks
from gensynth.evaluation.privacy.whitebox import ModelAttack
from gensynth.types import LabelledData

THREAT_MODEL = Path(__file__).with_name("threat_model.txt")  # a line a threat


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
        threat_model=THREAT_MODEL.read_text(encoding="utf-8").splitlines(),
    )


def _with_model(attack: ModelAttack, roles: Roles) -> dict[str, Any]:
    members, others = (
        attack.score(side) if len(roles.members) else np.zeros(0) for side in (roles.members, roles.non_members)
    )
    return attack_entry(attack.attack, attack.release, members, others, roles)
