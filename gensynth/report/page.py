"""What the page shows, section by section: every function turns one part of a report into rows of text.

templates/report.html.j2 only lays them out; None or an empty list means "not run".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gensynth.evaluation.fidelity.fidelity import Entry
from gensynth.evaluation.metrics.classification import LABEL_METRICS
from gensynth.evaluation.parts import Fidelity, Utility
from gensynth.evaluation.utility.verdict import BASELINE, HEADLINE_METRIC
from gensynth.report import charts, figures
from gensynth.report.charts import Interval
from gensynth.report.content import DataFacts, Report
from gensynth.report.figures import Pictures
from gensynth.report.glossary import name_of
from gensynth.report.head import ANSWERS, best_arm, headline, is_simple, own_arm, verdict_view
from gensynth.report.notices import ranked
from gensynth.report.numbers import Row, Score, fact, facts, interval, number, score, scores, unique
from gensynth.report.trust_view import cell_tables, trust_view

COUNT_COLUMNS = ("train", "val", "test", "before", "after", "real", "augmented", "synthetic")
SHOWN_CLASSES = 3  # whose samples are open
MOST_CONFUSED = 16  # classes above which the confusion table is no picture any more
SHOWN_COLUMNS = 2  # charts of a table that are open: what differs most, what differs least


def page_view(report: Report, pictures: Pictures) -> dict[str, Any]:
    """Everything the template shows."""
    found = report.assessment
    best, utility, data = found.best, found.utility, report.data
    limit_px = figures.tile_limit_px(pictures)
    return {
        "name": data.name,
        "verdict": verdict_view(utility.verdict, utility.utility),
        "notices": ranked([fault for one in found.sets.values() for fault in one.fidelity.faults] + report.warnings),
        "trust": trust_view(report),
        "each": each_view(report),
        "sizes": {line["name"]: f"{line['real']:,} real, {line['added']:,} added" for line in each_view(report)},
        "shown_classes": SHOWN_CLASSES,
        "counts": counts_view(data.classes or {}),
        "utility": utility_view(utility, report.timing.get("arms", {})),
        "evaluation": {"effort": report.provenance.get("evaluate", ""), "folds": report.provenance.get("folds", 1)},
        "utility_per_class": matrix(utility.utility_per_class),
        "confusion": confusion_view(utility),
        "reliability": reliability_view(utility),
        "how_much": how_much_view(report),
        "shortcut": shortcut_view(utility),
        "sets": found.sets if report.beside and (len(found.sets) > 1 or best.novelty) else {},
        "operations": utility.operations,
        "robustness": utility.robustness,
        "spaces": found.spaces,
        "space_faults": unique(name for part in found.spaces.values() for name in part["response"]),
        "plane": charts.plane_chart(pictures.plane, list(best.fidelity.per_class)) if pictures.plane else None,
        "walls": pictures.walls,
        "sounds": pictures.sounds,
        "columns": columns_view(pictures),
        "cells": list(pictures.cells.items()),
        "nearest": figures.nearest_view(pictures),
        "limit_px": limit_px,
        **{"pairs": figures.pairs, "tile": figures.tile, "data_uri": figures.data_uri},
        "per_class": per_class_view(best.fidelity.per_class),
        "fidelity": [(name, scores(part), scale_view(scores(part))) for name, part in best.fidelity.fidelity.items()],
        "privacy": scores(best.privacy.copies(), risk=True),
        "alarm": best.privacy.alarm or "",
        "attacks": best.privacy.membership or [],
        "strongest": best.privacy.maximum or [],
        "linkage": best.privacy.linkage or {},
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


def each_view(report: Report) -> list[dict[str, Any]]:
    """A line a class: real rows, added ones, recall without and with them, what is wrong."""
    found, utility = report.assessment.best, report.assessment.utility
    recall, candidate = utility.utility_per_class, utility.verdict.candidate
    lines = []
    for name, counts in (report.data.classes or {}).items():
        added = counts.get("synthetic", 0) + counts.get("augmented", 0)
        # What all classes have together is a fault of each that received rows.
        own = [one["text"] for one in found.fidelity.faults if one["class"] == name or (added and not one["class"])]
        lines.append(
            {
                "name": name,
                "real": counts.get("real", counts.get("train", 0)),
                "added": added,
                "without": recall.get(BASELINE, {}).get(name),
                "with": recall.get(candidate, {}).get(name),
                "faults": own + (_untested(name, found.fidelity) if added else ["nothing added"]),
            }
        )
    return lines


def _untested(name: str, fidelity: Fidelity) -> list[str]:
    """Said where a fault test had too few rows of the class: no fault found is then no clean bill."""
    if name not in fidelity.per_class:
        return ["not tested"]
    return [fidelity.untested[name]] if name in fidelity.untested else []


def counts_view(classes: Mapping[str, Mapping[str, int]]) -> dict[str, Any] | None:
    """Chart and table of rows per class."""
    columns = [column for column in COUNT_COLUMNS if any(column in counts for counts in classes.values())]
    if not columns:
        return None
    rows = [(name, [counts[column] for column in columns]) for name, counts in classes.items()]
    totals = np.sum([cells for _, cells in rows], axis=0).tolist()
    chart = charts.count_chart(list(classes.items())) if "real" in columns else None
    hidden = max(0, len(rows) - charts.MAX_BARS)
    return {"columns": columns, "rows": rows, "totals": totals, "chart": chart, "hidden": hidden}


def utility_view(utility: Utility, seconds: Mapping[str, float]) -> list[dict[str, Any]]:
    """Per classifier: tables of arms by metrics and a chart of the headline metric; seconds are of the first one."""
    classifiers = unique(row["learner"] for row in utility.utility)
    return [_classifier_view(c, utility, seconds if c == classifiers[0] else {}) for c in classifiers]


def _classifier_view(classifier: str, utility: Utility, seconds: Mapping[str, float]) -> dict[str, Any]:
    rows = [row for row in utility.utility if row["learner"] == classifier]
    metrics, shown = unique(row["metric"] for row in rows), headline(rows, classifier)
    best, own = best_arm(shown, simple=True), own_arm(shown, utility.verdict)
    cells = {(row["arm"], row["metric"]): score(row["metric"], row) for row in rows}
    effort = {row["arm"]: (row["seeds"], row.get("steps"), seconds.get(row["arm"])) for row in shown}
    lines = [
        {
            "arm": row["arm"],
            "generator": not is_simple(row["arm"]),
            "answer": _answer(row),
            "best_simple": row is best,
            "effort": ["–" if value is None else number(value) for value in effort[row["arm"]]],
        }
        for row in shown
    ]
    labels = [metric for metric in metrics if metric in LABEL_METRICS]
    tables = [part for part in (labels, [metric for metric in metrics if metric not in labels]) if part]
    dots = [Interval(name_of(row["arm"]), row["mean"], row["low"], row["high"], row is own) for row in shown]
    return {
        "learner": classifier,
        "tables": tables,
        "rows": lines,
        "cells": cells,
        "chart": charts.interval_chart(dots, name_of(HEADLINE_METRIC)),
        "headline": HEADLINE_METRIC,
    }


def _answer(row: Row) -> str:
    """What an arm does against real rows only, and the interval of the difference: `helps, 0.012 to 0.050`."""
    return f"{ANSWERS[row['answer']]}, {interval(row['difference'])}" if "answer" in row else ""


def per_class_view(classes: Mapping[str, Mapping[str, Entry]]) -> list[dict[str, Any]]:
    """Per feature space: a row a class and a column a metric, for a look; and per metric a row a class, in full."""
    metrics = unique(metric for part in classes.values() for metric in part)
    views = []
    for space in unique(_space_of(metric) for metric in metrics):
        own = [metric for metric in metrics if _space_of(metric) == space]
        table = {
            m: [score(c, part[m], term=m.partition("[")[0]) for c, part in classes.items() if m in part] for m in own
        }
        shown = [m for m, cells in table.items() if any(cell.sort for cell in cells)]
        by_class = {m: {cell.label: cell for cell in table[m]} for m in shown}
        rows = [(name, [by_class[m].get(name) for m in shown]) for name in classes]
        full = [(m.partition("[")[0], cells) for m, cells in table.items()]
        views.append({"space": space, "columns": [m.partition("[")[0] for m in shown], "rows": rows, "metrics": full})
    return views


def _space_of(metric: str) -> str:
    return metric.partition("[")[2].removesuffix("]")


def scale_view(rows: list[Score]) -> charts.Picture | None:
    """Bars from floor to ceiling of the scores of one space that have both."""
    bars = [(name_of(row.label), row.bar, row.value) for row in rows if row.bar is not None]
    return charts.scale_chart(bars) if len(bars) > 1 else None


def confusion_view(utility: Utility) -> charts.Picture | None:
    """What the candidate changes in the confusion of classes; None where there are too many classes for a picture."""
    part, arms = utility.confusion or {}, (BASELINE, utility.verdict.candidate)
    if not all(arm in part for arm in arms) or len(part["classes"]) > MOST_CONFUSED:
        return None
    return charts.change_chart(part["classes"], *(np.array(part[arm]) for arm in arms))


def reliability_view(utility: Utility) -> charts.Picture | None:
    part = utility.reliability
    return charts.reliability_chart(part["curves"], part["class"]) if part and part["curves"] else None


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
    chart = charts.interval_chart(dots, "balanced log loss on validation rows", better="lower") if dots else None
    return {"sentence": advice.sentence, "chart": chart}


def shortcut_view(utility: Utility) -> dict[str, Any] | None:
    """The probe's gap as a score, and the three shares behind it."""
    part = utility.shortcut
    if not part:
        return None
    shares = [(name.replace("made", "synthetic"), number(share)) for name, share in part.get("called_rare", {}).items()]
    entry = {key: value for key, value in part.items() if key not in ("warning", "called_rare")}
    return {"score": score("shortcut gap", entry, lower=True), "shares": shares}


def columns_view(pictures: Pictures) -> dict[str, list[tuple[str, str, charts.Picture]]]:
    """Charts of columns, (how alike, title, chart): the one that differs most and the one that differs least, the rest.

    By total variation distance: half of the summed differences of shares.
    """
    apart = {name: float(abs(real - synthetic).sum() / 2) for name, (_, real, synthetic) in pictures.columns.items()}
    order = sorted(apart, key=lambda name: -apart[name])
    first = order if len(order) <= SHOWN_COLUMNS else [order[0], order[-1]]
    drawn = {name: charts.column_chart(name, *pictures.columns[name]) for name in order}
    note = {order[0]: "least alike", order[-1]: "most alike"} if len(order) > 1 else {}
    lines = [(note.get(name, ""), name, drawn[name]) for name in order]
    return {
        "shown": [line for line in lines if line[1] in first],
        "rest": [line for line in lines if line[1] not in first],
    }


def data_view(data: DataFacts) -> list[Score]:
    rest = {"recognised": data.recognised, "notes": data.notes, "ranking": data.ranking}
    return facts({name: lines for name, lines in rest.items() if lines})


def timing_view(timing: Mapping[str, Any]) -> list[Score]:
    """Seconds per step, with a bar for its share of the longest step; those of arms stand with the arms."""
    steps = {step: value for step, value in timing.items() if step != "arms"}
    longest = max(steps.values(), default=0) or 1
    return [Score(step, number(value), repr(value), bar=100 * value / longest) for step, value in steps.items()]


def matrix(part: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """A table of bare numbers and texts: rows and columns by name."""
    columns = unique(column for cells in part.values() for column in cells)
    rows = [
        (name, [fact(column, cells[column]) if cells.get(column) is not None else None for column in columns])
        for name, cells in part.items()
    ]
    return {"columns": columns, "rows": rows} if columns else None
