"""Whether rows may be merged: no group is pushed out of its class, none is served worse than by the real rows alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gensynth.evaluation.assessment import BiasLimits


def gate(
    before: Mapping[str, Any], after: Mapping[str, Any], recall: Mapping[str, Any], limits: BiasLimits
) -> dict[str, Any]:
    """{"passed", "accepted", "reasons": [text], "notes": [text], "max_drop", "max_recall_drop"}.

    Refuses, by point estimates, where in any cut of the rows the share of the smallest label x group cell within its
    class falls by more than `max_drop` of itself, or where worst-group recall falls by more than `max_recall_drop`;
    also where there is no audit. The texts name the intervals: a fall that chance could make is refused all the same,
    and a person may accept it.

    before, after  audits of the train rows and the merged ones; empty: the audit has not run
    recall         what `group_recall` gave, or {"reason": why it was not measured}, which is noted and refuses nothing
    """
    reasons, notes = [], []
    if not before or not after:
        reasons.append("data.groups are named and the bias audit has not run")
    else:
        reasons += _shrunk(before, after, limits.max_drop)
    worst = recall.get("worst", {})
    if "difference" in worst:
        reasons += _served_worse(worst, limits.max_recall_drop)
    else:
        why = worst.get("reason") or recall.get("reason") or "not defined: not measured"
        notes.append(f"worst-group recall with and without synthetic rows is {why}")
    decision = {"passed": not reasons, "accepted": bool(reasons) and limits.accept, "reasons": reasons, "notes": notes}
    return decision | {"max_drop": limits.max_drop, "max_recall_drop": limits.max_recall_drop}


def _shrunk(before: Mapping[str, Any], after: Mapping[str, Any], max_drop: float) -> list[str]:
    """A reason for each cut in which a smallest cell (all of them where several are equally small) lost its share."""
    reasons = []
    for name, table in before["tables"].items():
        later = {(cell["class"], cell["group"]): cell for cell in after["tables"].get(name, {}).get("cells", [])}
        real = [cell for cell in table["cells"] if cell["n_real"]]
        least = min((cell["n_real"] for cell in real), default=0)
        fall, place = 0.0, None  # by which part of itself the share of a cell falls; 1 where it is gone
        for cell in (cell for cell in real if cell["n_real"] == least):
            then = later.get((cell["class"], cell["group"]))
            share = then["share_of_class"]["value"] if then else 0.0
            falls = 1.0 - (share or 0.0) / cell["share_of_class"]["value"]
            if place is None or falls > fall:
                fall, place = falls, (cell, then)
        # A share that falls by a tenth may come out a last digit more.
        if place is not None and fall > max_drop + 1e-9:
            reasons.append(_fall_text(name, *place, fall, max_drop))
    return reasons


def _fall_text(name: str, cell: Mapping[str, Any], then: Mapping[str, Any] | None, fall: float, most: float) -> str:
    share = cell["share_of_class"]
    rest = "none of its class after merging"
    if then and then["n"]:
        of = then["share_of_class"]
        rest = f"{of['value']:.2%} of it after merging (95 % interval {of['low']:.2%} to {of['high']:.2%})"
    return (
        f'{name}: the smallest cell, "{cell["class"]}" of {cell["group"]} with {cell["n_real"]} real rows, is '
        f"{share['value']:.2%} of its class and {rest}: a fall by {fall:.0%} of itself, more than "
        f"bias.max_drop={most:g}; target=cells balances label and group together"
    )


def _served_worse(worst: Mapping[str, Any], most: float) -> list[str]:
    change = worst["difference"]
    if change["value"] >= -most - 1e-9:
        return []
    without, with_synthetic = (
        f'{one["value"]:.3f} ("{one["class"]}" of {one["group"]}, {one["n"]} rows)'
        for one in (worst["without"], worst["with"])
    )
    chance = ", which includes 0: so few test rows cannot tell it from chance" if change["high"] >= 0 else ""
    return [
        f"worst-group recall falls from {without} to {with_synthetic}, by {-change['value']:.3f}, more than "
        f"bias.max_recall_drop={most:g} (95 % interval of the change {change['low']:+.3f} to {change['high']:+.3f}"
        f"{chance})"
    ]
