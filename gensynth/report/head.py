"""The head of a report, on the page and in a terminal: what to do, how sure that is, what every way gains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gensynth.evaluation.parts import Verdict
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


def advice(verdict: Verdict) -> str:
    """What to do, in the imperative."""
    opening, _, numbers = verdict.sentence.partition(". Balanced accuracy on ")
    if not verdict.gain or verdict.use == verdict.candidate:
        return verdict.advice or (f"{opening}." if numbers else opening)
    instead = "the real rows as they are" if verdict.use == BASELINE else name_of(verdict.use)
    return f"Use {instead} for now." if verdict.answer == "cannot_tell" else f"Use {instead}. Leave the added rows out."


def why(verdict: Verdict) -> str:
    """How sure the advice is, in one sentence of two numbers; where a fault forbids what helps, the verdict's own."""
    gain = verdict.gain
    if gain is None or (verdict.answer == "helps" and verdict.use != verdict.candidate):
        return verdict.why or ""
    low, high, best = signed(gain["low"], 3), signed(gain["high"], 3), name_of(gain["against"])
    change = f"In place of {best} they change balanced accuracy by {low} to {high}"
    return {
        "helps": f"They gain {low} to {high} of balanced accuracy over {best}, at 95 % confidence.",
        "hurts": f"{change}, at 95 % confidence: they do harm.",
        "no_difference": f"{change}, at 95 % confidence: too little to matter.",
        "cannot_tell": f"{change.replace('they', 'the added rows')}, at 95 % confidence: that may be a loss or a gain.",
    }[verdict.answer]


def verdict_view(verdict: Verdict, rows: Sequence[Row]) -> dict[str, Any]:
    """Tag, sentences, at most three numbers and the chart that carry them."""
    numbers = verdict.sentence.partition(". Balanced accuracy on ")[2]
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
        "sentence": advice(verdict),
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
