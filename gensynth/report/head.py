"""The head of a report, on the page and in a terminal: what to do, how sure that is, what every way gains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gensynth.evaluation.assessment import Verdict
from gensynth.evaluation.utility.verdict import BASELINE, HEADLINE_METRIC, SIMPLE_ARMS
from gensynth.report import charts
from gensynth.report.charts import Interval
from gensynth.report.digits import signed
from gensynth.report.glossary import name_of
from gensynth.report.numbers import Row, score

ANSWERS = {
    "helps": "helps",
    "no_difference": "no difference",
    "hurts": "hurts",
    "cannot_tell": "cannot tell",
    "not_run": "not run",
}


def is_simple(arm: str) -> bool:
    """Whether an arm works without a trained generator."""
    return arm in (BASELINE, *SIMPLE_ARMS)


def best_arm(rows: Sequence[Row], *, simple: bool) -> Row | None:
    """Row of the best simple (or best generator) arm among rows of one classifier and the headline metric."""
    return max((row for row in rows if is_simple(row["arm"]) == simple), key=lambda row: row["mean"], default=None)


def own_arm(rows: Sequence[Row], verdict: Verdict) -> Row | None:
    """Row of the arm that the verdict speaks of; where it names none, of the best generator arm."""
    named = [row for row in rows if row["arm"] == verdict.candidate]
    return named[0] if named else best_arm(rows, simple=False)


def headline(rows: Sequence[Row], classifier: str) -> list[Row]:
    """Rows of one classifier and the headline metric."""
    return [row for row in rows if row["learner"] == classifier and row["metric"] == HEADLINE_METRIC]


def why(verdict: Verdict) -> str:
    """How sure the advice is, in one sentence of two numbers; where a fault forbids what helps, the verdict's own."""
    gain = verdict.gain
    if gain is None or (verdict.answer == "helps" and verdict.use != verdict.candidate):
        return verdict.why or ""
    low, high, best = signed(gain["low"], 3), signed(gain["high"], 3), name_of(gain["against"])
    change = f"balanced accuracy changes by {low} to {high} (95 % interval)"
    return {
        "helps": f"The synthetic rows gain {low} to {high} of balanced accuracy over {best} (95 % interval).",
        "hurts": f"The synthetic rows lose against {best}: {change}.",
        "no_difference": f"With the synthetic rows in place of {best} {change}: too little to matter.",
        "cannot_tell": f"With the synthetic rows in place of {best} {change}: that may be a loss or a gain.",
    }[verdict.answer]


def verdict_view(verdict: Verdict, rows: Sequence[Row]) -> dict[str, Any]:
    """Tag, sentences, at most three numbers and the chart that carry them."""
    opening, _, numbers = verdict.sentence.partition(". Balanced accuracy on ")
    advice = verdict.advice or (f"{opening}." if numbers else opening)
    classifier = rows[0]["learner"] if rows else ""
    here = headline(rows, classifier)
    cards = [
        ("", own_arm(here, verdict)),
        ("best simple way", best_arm([row for row in here if row["arm"] != BASELINE], simple=True)),
        ("", next((row for row in here if row["arm"] == BASELINE), None)),
    ]
    short = why(verdict)
    return {
        "answer": verdict.answer,
        "tag": ANSWERS[verdict.answer],
        "sentence": advice,
        "why": short,
        "long": verdict.why if verdict.why and verdict.why != short else "",
        "numbers": f"Balanced accuracy on {numbers}" if numbers else "",
        "classifier": classifier,
        "cards": [(label, score(row["arm"], row, term=HEADLINE_METRIC)) for label, row in cards if row],
        "differences": verdict.details,
        "chart": standing_chart(verdict),
        "best": verdict.gain["against"] if verdict.gain else "",
    }


def standing_chart(verdict: Verdict) -> charts.Picture | None:
    """What every arm gains over the best simple one."""
    rows = [
        Interval(name_of(line["arm"]), line["mean"], line["low"], line["high"], line["arm"] == verdict.candidate)
        for line in verdict.standing or []
    ]
    return charts.interval_chart(rows, "gain in balanced accuracy", zero=True) if rows else None
