"""What the page shows, section by section: every function turns one part of a report into rows of text.

templates/report.html.j2 only lays them out; None or an empty list means "not run".
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gensynth.evaluation.assessment import Assessment, Utility, Verdict
from gensynth.evaluation.fidelity.fidelity import Entry
from gensynth.evaluation.utility.verdict import BASELINE, HEADLINE_METRIC, SIMPLE_ARMS
from gensynth.report import figures
from gensynth.report.content import DataFacts, Report
from gensynth.report.figures import Interval, Pictures
from gensynth.report.numbers import (
    Score,
    fact,
    facts,
    interval,
    number,
    score,
    scores,
    signed,
    unique,
)
from gensynth.report.trust_view import cell_tables, trust_view

ANSWERS = {"helps": "helps", "no_difference": "no difference", "hurts": "hurts", "not_run": "not run"}
COUNT_COLUMNS = ("train", "val", "test", "before", "after", "real", "augmented", "synthetic")
MOST_CONFUSED = 16  # classes above which the confusion table is no picture any more
Row = Mapping[str, Any]  # a line of report.json's "utility"


def page_view(report: Report, pictures: Pictures) -> dict[str, Any]:
    """Everything the template shows."""
    found = report.assessment
    best, utility, data = found.best, found.utility, report.data
    limit_px = figures.tile_limit_px(pictures)
    return {
        "name": data.name,
        "verdict": verdict_view(utility.verdict, utility.utility),
        "notices": notices_view(report),
        "trust": trust_view(report),
        "counts": counts_view(data.classes or {}),
        "utility": utility_view(utility),
        "utility_per_class": matrix(utility.utility_per_class),
        "confusion": confusion_view(utility),
        "reliability": reliability_view(utility),
        "how_much": how_much_view(report),
        "shortcut": shortcut_view(utility),
        "sets": sets_view(found) if report.beside else [],
        "operations": operations_view(utility),
        "robustness": robustness_view(utility),
        "spaces": spaces_view(found),
        "plane": figures.plane_chart(pictures.plane, list(best.fidelity.per_class)) if pictures.plane else None,
        "walls": figures.walls_view(pictures, limit_px),
        "sounds": sounds_view(pictures),
        "columns": [(title, figures.column_chart(title, *bars)) for title, bars in pictures.columns.items()],
        "cells": list(pictures.cells.items()),
        "nearest": figures.nearest_view(pictures, limit_px),
        "per_class": per_class_view(best.fidelity.per_class),
        "fidelity": [(name, scores(part), scale_view(scores(part))) for name, part in best.fidelity.fidelity.items()],
        "privacy": scores(best.privacy.copies(), risk=True),
        "alarm": best.privacy.alarm or "",
        "attacks": best.privacy.membership or [],
        "threat_model": best.privacy.threat_model or [],
        "dp": best.privacy.dp,
        "cell_tables": cell_tables(best.bias),
        "bias_note": best.bias.note or "",
        "labels": best.labels,
        "filters": matrix(report.filters or {}),
        "curves": figures.curves_view(pictures),
        "lapse": figures.lapse_view(pictures, limit_px),
        "advice": data.advice or [],
        "data": data_view(data),
        "timing": timing_view(report.timing),
        "provenance": facts(report.provenance),
    }


def notices_view(report: Report) -> list[dict[str, str]]:
    """Faults of all sets, then warnings: code, text and which set and class it is about."""
    faults = [fault for one in report.assessment.sets.values() for fault in one.fidelity.faults]
    return [
        {
            "code": line["code"].replace("_", " "),
            "text": line["text"],
            "where": ", ".join(line[key] for key in ("set", "class") if line.get(key)),
        }
        for line in [*faults, *report.warnings]
    ]


def is_simple(arm: str) -> bool:
    """Whether an arm works without a trained generator."""
    return arm in (BASELINE, *SIMPLE_ARMS)


def best_arm(rows: Sequence[Row], *, simple: bool) -> Row | None:
    """Row of the best simple (or best generator) arm among rows of one learner and the headline metric."""
    return max((row for row in rows if is_simple(row["arm"]) == simple), key=lambda row: row["mean"], default=None)


def own_arm(rows: Sequence[Row], verdict: Verdict) -> Row | None:
    """Row of the arm that the verdict speaks of; where it names none, of the best generator arm."""
    named = [row for row in rows if row["arm"] == verdict.candidate]
    return named[0] if named else best_arm(rows, simple=False)


def headline(rows: Sequence[Row], classifier: str) -> list[Row]:
    return [row for row in rows if row["learner"] == classifier and row["metric"] == HEADLINE_METRIC]


def verdict_view(verdict: Verdict, rows: Sequence[Row]) -> dict[str, Any]:
    """Tag, sentence and the numbers that carry them."""
    # A class name or path may hold a colon, so the last clause decides.
    opening, _, numbers = verdict.sentence.partition(": balanced accuracy on ")
    classifier = rows[0]["learner"] if rows else ""
    here = headline(rows, classifier)
    cards = [
        ("with synthetic rows", own_arm(here, verdict)),
        ("best simple arm", best_arm([row for row in here if row["arm"] != BASELINE], simple=True)),
        ("real rows only", next((row for row in here if row["arm"] == BASELINE), None)),
    ]
    return {
        "answer": verdict.answer,
        "tag": ANSWERS[verdict.answer],
        "sentence": opening,
        "numbers": f"Balanced accuracy on {numbers}" if numbers else "",
        "measured": f"{HEADLINE_METRIC} of {classifier} on the locked test rows".replace("_", " ") if here else "",
        "cards": [(label, score(row["arm"], row, lower=False)) for label, row in cards if row],
        "differences": [
            {
                "against": line["against"].replace("_", " "),
                "measured": f"{line['metric']} of {line['learner']}".replace("_", " "),
                "difference": signed(line["difference"], 3),
                "interval": f"{signed(line['low'], 3)} to {signed(line['high'], 3)}",
            }
            for line in verdict.details
        ],
    }


def counts_view(classes: Mapping[str, Mapping[str, int]]) -> dict[str, Any] | None:
    """Chart and table of rows per class."""
    columns = [column for column in COUNT_COLUMNS if any(column in counts for counts in classes.values())]
    if not columns:
        return None
    rows = [(name, [counts[column] for column in columns]) for name, counts in classes.items()]
    totals = np.sum([cells for _, cells in rows], axis=0).tolist()
    chart = figures.count_chart(list(classes.items())) if "real" in columns else None
    hidden = max(0, len(rows) - figures.MAX_BARS)
    return {"columns": columns, "rows": rows, "totals": totals, "chart": chart, "hidden": hidden}


def utility_view(utility: Utility) -> list[dict[str, Any]]:
    """Per learner: a table of arms by metrics and a chart of the headline metric."""
    classifiers = unique(row["learner"] for row in utility.utility)
    return [_classifier_view(classifier, utility) for classifier in classifiers]


def _classifier_view(classifier: str, utility: Utility) -> dict[str, Any]:
    rows = [row for row in utility.utility if row["learner"] == classifier]
    metrics, shown = unique(row["metric"] for row in rows), headline(rows, classifier)
    best, own = best_arm(shown, simple=True), own_arm(shown, utility.verdict)
    table = []
    for arm in unique(row["arm"] for row in rows):
        by_metric = {row["metric"]: row for row in rows if row["arm"] == arm}
        line = {
            "arm": arm,
            "generator": not is_simple(arm),
            "cells": [score(name, by_metric[name]) for name in metrics],
            "seeds": str(by_metric[HEADLINE_METRIC]["seeds"]),
            "answer": _answer(by_metric[HEADLINE_METRIC]),
            "best_simple": best is by_metric[HEADLINE_METRIC],
        }
        table.append(line)
    dots = [Interval(row["arm"].replace("_", " "), row["mean"], row["low"], row["high"], row is own) for row in shown]
    chart = figures.interval_chart(dots, HEADLINE_METRIC.replace("_", " "))
    return {"learner": classifier, "metrics": metrics, "rows": table, "chart": chart, "headline": HEADLINE_METRIC}


def _answer(row: Row) -> str:
    """What an arm does against real rows only, and the interval of the difference: `helps, 0.012 to 0.050`."""
    return f"{ANSWERS[row['answer']]}, {interval(row['difference'])}" if "answer" in row else ""


def per_class_view(classes: Mapping[str, Mapping[str, Entry]]) -> list[dict[str, Any]]:
    """Per feature space: a row a class and a column a metric, for a look; and per metric a row a class, in full."""
    metrics = unique(metric for part in classes.values() for metric in part)
    views = []
    for space in unique(_space_of(metric) for metric in metrics):
        own = [metric for metric in metrics if _space_of(metric) == space]
        table = {m: [score(c, part[m]) for c, part in classes.items() if m in part] for m in own}
        shown = [m for m, cells in table.items() if any(cell.sort for cell in cells)]
        by_class = {m: {cell.label: cell for cell in table[m]} for m in shown}
        rows = [(name, [by_class[m].get(name) for m in shown]) for name in classes]
        full = [(m.partition("[")[0], cells) for m, cells in table.items()]
        views.append({"space": space, "columns": [m.partition("[")[0] for m in shown], "rows": rows, "metrics": full})
    return views


def _space_of(metric: str) -> str:
    return metric.partition("[")[2].removesuffix("]")


def scale_view(rows: list[Score]) -> figures.Picture | None:
    """Bars from floor to ceiling of the scores of one space that have both."""
    bars = [(row.label.replace("_", " "), row.bar, row.value) for row in rows if row.bar is not None]
    return figures.scale_chart(bars) if len(bars) > 1 else None


def confusion_view(utility: Utility) -> figures.Picture | None:
    """What the candidate changes in the confusion of classes; None where there are too many classes for a picture."""
    part, arms = utility.confusion or {}, (BASELINE, utility.verdict.candidate)
    if not all(arm in part for arm in arms) or len(part["classes"]) > MOST_CONFUSED:
        return None
    return figures.change_chart(part["classes"], *(np.array(part[arm]) for arm in arms))


def reliability_view(utility: Utility) -> figures.Picture | None:
    part = utility.reliability
    return figures.reliability_chart(part["curves"], part["class"]) if part and part["curves"] else None


def how_much_view(report: Report) -> dict[str, Any] | None:
    """Sentence and chart of the amounts that were tried on validation rows."""
    advice = report.how_much
    if advice is None:
        return None
    dots = [
        Interval(
            f"{line['amount']:g} × ({line['rows']} rows)",
            line["loss"],
            line["low"],
            line["high"],
            line["amount"] == advice.amount,
        )
        for line in advice.amounts
    ]
    chart = figures.interval_chart(dots, "balanced log loss on validation rows") if dots else None
    return {"sentence": advice.sentence, "chart": chart}


def shortcut_view(utility: Utility) -> dict[str, Any] | None:
    """The probe's gap as a score, and the three shares behind it."""
    part = utility.shortcut
    if not part:
        return None
    shares = [(name.replace("made", "synthetic"), number(share)) for name, share in part.get("called_rare", {}).items()]
    entry = {key: value for key, value in part.items() if key not in ("warning", "called_rare")}
    return {"score": score("shortcut gap", entry, lower=True), "shares": shares}


def sounds_view(pictures: Pictures) -> list[dict[str, Any]]:
    """Recordings of every class as data URIs, which a browser plays without fetching anything."""

    def uris(recordings: list[bytes]) -> list[str]:
        return ["data:audio/wav;base64," + base64.b64encode(one).decode() for one in recordings]

    return [
        {"class": name, "real": uris(real), "synthetic": uris(synthetic)}
        for name, (real, synthetic) in pictures.sounds.items()
    ]


def sets_view(found: Assessment) -> list[dict[str, str]]:
    """Sets side by side, best first: what was found wrong with each, by what they were ranked, who filled them."""
    if len(found.sets) == 1 and found.best.novelty is None:
        return []
    return [
        {
            "name": name,
            "ranked_by": "" if one.ranked_by is None else number(one.ranked_by),
            "faults": "; ".join(fault["text"] for fault in one.fidelity.faults) or "no fault found",
            "distance": _value(next(iter(one.fidelity.fidelity.values()), {}).get("fid")),
            "novelty": _value(one.novelty),
            "labels": _value(one.label_agreement),
            "seconds": "" if one.seconds_per_1000 is None else number(one.seconds_per_1000),
            "filled": ", ".join(f"{n:,} by {who}" for who, n in one.provenance.filled_by.items() if who),
        }
        for name, one in found.sets.items()
    ]


def _value(entry: Mapping[str, Any] | None) -> str:
    """The value of an entry as text; empty where there is none."""
    return "" if entry is None or entry["value"] is None else number(entry["value"])


def operations_view(utility: Utility) -> list[dict[str, Any]]:
    """What each operation does to the labels of real rows, by a classifier."""
    return [
        {**line, "sampler": name, "agreement": number(line["agreement"]), "before": number(line["before"])}
        for name, lines in utility.operations.items()
        for line in lines
    ]


def robustness_view(utility: Utility) -> list[dict[str, str]]:
    """Accuracy on clean and attacked test rows, with the range of seeds."""
    return [
        {"trained_on": line["trained_on"], "n": f"{line['n']}, {line['seeds']} seeds"}
        | {
            key: f"{number(line[key])} ({number(line[f'{key}_range'][0])} to {number(line[f'{key}_range'][1])})"
            for key in ("clean", "robust")
        }
        for line in utility.robustness
    ]


def spaces_view(found: Assessment) -> dict[str, Any] | None:
    """How every feature space answers to every fault, and which it does not see."""
    names = unique(name for part in found.spaces.values() for name in part["response"])
    rows = [
        (space, [(number(part["response"][name]), name in part["blind_to"]) for name in names], part["sha256"][:12])
        for space, part in found.spaces.items()
    ]
    return {"faults": names, "rows": rows} if names else None


def data_view(data: DataFacts) -> list[Score]:
    rest = {"recognised": data.recognised, "notes": data.notes, "ranking": data.ranking}
    return facts({name: lines for name, lines in rest.items() if lines})


def timing_view(timing: Mapping[str, float]) -> list[Score]:
    """Seconds per step, with a bar for its share of the longest step."""
    longest = max(timing.values(), default=0) or 1
    return [Score(step, number(value), repr(value), bar=100 * value / longest) for step, value in timing.items()]


def matrix(part: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """A table of bare numbers and texts: rows and columns by name."""
    columns = unique(column for cells in part.values() for column in cells)
    rows = [
        (name, [fact(column, cells[column]) if cells.get(column) is not None else None for column in columns])
        for name, cells in part.items()
    ]
    return {"columns": columns, "rows": rows} if columns else None
