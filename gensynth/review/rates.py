"""What a review comes to in numbers: rows looked at and accepted, and whether real and synthetic rows look alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gensynth.balancing.decisions import DECISIONS, PASSED_OVER, read_answers
from gensynth.balancing.export import folder_names
from gensynth.intervals import share_difference, wilson_interval
from gensynth.types import LabelledData

NOBODY = {"value": None, "reason": "not run: nobody has looked yet"}


def review_gate(reviewed: Mapping[str, str], synthetic: LabelledData, least: int) -> dict[str, Any]:
    """Whether a person looked at enough synthetic rows, what was said in all and of every class.

    reviewed  row name -> decision, names as rows carry them while they are drawn
    made      the rows that were kept; decisions on others count only where they are why a row is left out
    least     review.min: rows that must have a decision, or all where fewer were made
    The rows are shown worst first, so the acceptance is that of the worst rows; unsure is no acceptance.
    """
    seen = _seen(reviewed, synthetic)
    counts, seen_rows = _tally(decision for decision, _ in seen), len(seen)
    needed = min(least, len(synthetic) + counts["rejected"] + counts["relabelled"])
    passed = seen_rows >= needed
    reason = f"review.min={least}: a person has looked at {seen_rows} of {needed} rows; look at more: gensynth review"
    return {
        "looked": seen_rows,
        **counts,
        "acceptance": share(counts["accepted"], seen_rows),
        "per_class": _per_class(seen, synthetic),
        "required": needed,
        "passed": passed,
        "reason": "" if passed else reason,
    }


def _seen(reviewed: Mapping[str, str], synthetic: LabelledData) -> list[tuple[str, str]]:
    """(decision, class) of every row that was made."""
    classes = synthetic.schema.classes
    folders = {folder: name for name, folder in folder_names(classes).items()}
    labels = {row: classes[k] for row, k in zip(synthetic.ids.tolist(), synthetic.y.tolist(), strict=True)}
    labels |= {
        row: folders[row.rpartition("/")[0]]
        for row, decision in reviewed.items()
        if decision in PASSED_OVER and row.rpartition("/")[0] in folders
    }
    return [(decision, labels[row]) for row, decision in reviewed.items() if row in labels]


def _per_class(seen: list[tuple[str, str]], synthetic: LabelledData) -> dict[str, dict[str, int]]:
    facts = {}
    for name, count in zip(synthetic.schema.classes, synthetic.counts().tolist(), strict=True):
        mine = [decision for decision, label in seen if label == name]
        if count or mine:
            facts[name] = {"made": count, "looked": len(mine), **_tally(mine)}
    return facts


def _tally(decisions: Iterable[str]) -> dict[str, int]:
    counts = Counter(decisions)
    return {past: counts[decision] for decision, past in DECISIONS.items()}


def share(count: int, n: int) -> dict[str, Any]:
    """A share with its 95 % interval (Wilson, 1927), or why there is none.

    >>> share(45, 50)["value"], round(share(45, 50)["low"], 3), round(share(45, 50)["high"], 3)
    (0.9, 0.786, 0.957)
    """
    if not n:
        return dict(NOBODY)
    low, high = wilson_interval(count / n, n)
    return {"value": count / n, "low": max(low, 0.0), "high": min(high, 1.0), "n": n}


def fool_rate(path: Path) -> dict[str, Any]:
    """Share of synthetic rows that a person called real, beside the share of real rows called real, with their
    intervals.

    `told_apart` is the second minus the first (interval of Newcombe, 1998): 0 where the person cannot tell them
    apart, 1 where always. The idea is that of HYPE (Zhou et al., NeurIPS 2019), without its limits of time.
    """
    answers = list(read_answers(path).values())
    synthetic, real = ([answer == "real" for truth, answer in answers if truth == side] for side in ("made", "real"))
    facts = {"fool_rate": share(sum(synthetic), len(synthetic)), "real_called_real": share(sum(real), len(real))}
    if not (synthetic and real):
        sentence = "Nobody has looked blindly: gensynth review blind=true"
        return {**facts, "told_apart": dict(NOBODY), "sentence": sentence}
    apart = share_difference(sum(real) / len(real), len(real), sum(synthetic) / len(synthetic), len(synthetic))
    sentence = (
        f"Without being told, a person called {sum(synthetic)} of {len(synthetic)} synthetic rows real "
        f"({percent(facts['fool_rate'])}) and {sum(real)} of {len(real)} real rows real "
        f"({percent(facts['real_called_real'])})."
    )
    apart_share = {"value": apart.mean, "low": apart.low, "high": apart.high, "n": len(answers)}
    return {**facts, "told_apart": apart_share, "sentence": sentence}


def percent(entry: Mapping[str, Any]) -> str:
    """`90 %, 79 to 96 %`, or why there is no number.

    >>> percent(share(45, 50)), percent(share(0, 0))
    ('90 %, 79 to 96 %', 'not run: nobody has looked yet')
    """
    if entry["value"] is None:
        return entry["reason"]
    value, low, high = (f"{100 * entry[key]:.0f}" for key in ("value", "low", "high"))
    return f"{value} %, {low} to {high} %"
