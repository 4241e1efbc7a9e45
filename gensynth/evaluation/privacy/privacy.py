"""The privacy part of an assessment: copies, membership inference, and what a release gives away to whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gensynth.evaluation.parts import Privacy
from gensynth.evaluation.privacy.copies import Copies, copies_per_class, copy_entries, real_duplicates
from gensynth.evaluation.privacy.linkage import linkage_risks
from gensynth.evaluation.privacy.membership import ROWS_ONLY, Roles, roles_of
from gensynth.evaluation.privacy.nearer import ALARM
from gensynth.evaluation.privacy.row_attacks import Scored, attack_lines, not_attacked, row_scores
from gensynth.evaluation.privacy.suite import maximum
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
    families: int = 1,
) -> Privacy:
    """Copies, and attacks on who was in the real rows that a set was learned from.

    seen      rows a generator learned from; held_out: real rows it never saw, split inside into non-members and
              reference
    copied    what `find_copies` found of the synthetic rows
    points    rows x -> (N, P) in which near means alike
    subject   column of groups that says whom a row belongs to, or an empty text
    attacks   with the model, run on the same members and non-members
    families  how many suites of attacks are run: 2 where shadow generators follow
    """
    roles = roles_of(seen, held_out, synthetic, points, seed, subject)
    scored = row_scores(roles, synthetic, points)
    if len(roles.members):
        scored += [_with_model(one, roles) for one in attacks]
    lines = attack_lines(scored, roles)
    if not any(one.release == ROWS_ONLY for one in scored):
        lines = not_attacked(roles, synthetic) + lines
    strongest = maximum(scored, roles, families)
    corrected = strongest[-1]["per_attack"] if strongest else {}
    return replace(
        Privacy.from_json(copy_entries(copied)),
        copies_per_class=copies_per_class(copied),
        real_duplicates=real_duplicates(copied),
        alarm=f"Copies are {ALARM}.",
        membership=[line | ({"p": corrected[line["attack"]]} if line["attack"] in corrected else {}) for line in lines],
        maximum=strongest,
        linkage=linkage_risks(roles, synthetic) or None,
        threat_model=THREAT_MODEL.read_text(encoding="utf-8").splitlines(),
    )


def _with_model(attack: ModelAttack, roles: Roles) -> Scored:
    sides = [attack.score(side) for side in (roles.members, roles.non_members)]
    return Scored(attack.attack, attack.release, np.concatenate(sides))
