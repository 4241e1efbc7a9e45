"""The report: the same facts as report.json for programs and as report.html for people.

The page is one file that fetches nothing. Each function below turns one part of the facts into rows of text;
templates/report.html.j2 only lays them out.
"""

from __future__ import annotations

import base64
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import jinja2
import numpy as np

from gensynth.evaluation.verdict import SIMPLE_ARMS
from gensynth.report import figures
from gensynth.report.figures import Interval, Pictures
from gensynth.report.trust_view import attack_rows, cell_tables, integrity_rows, trust_view

NOTHING = "real_only"
ANSWERS = {"helps": "helps", "no_difference": "no difference", "hurts": "hurts", "not_run": "not run"}
COUNT_COLUMNS = ("train", "val", "test", "before", "after", "real", "augmented", "synthetic")
HEADLINE_METRICS = ("balanced_accuracy", "macro_f1", "accuracy")
ENTRY_KEYS = (
    "value",
    "mean",
    "low",
    "high",
    "n",
    "n_real",
    "n_synthetic",
    "floor",
    "ceiling",
    "space",
    "arm",
    "learner",
    "metric",
    "seeds",
    "kind",
    "better",
    "bounds",
    "ideal",
    "headline",
    "space_sha256",
    "difference",
    "answer",
    "p_holm",
    "generator_seeds",
    "expected",
    "expected_from",
    "z",
)
SECTIONS = (
    "verdict",
    "utility",
    "fidelity",
    "per_class",
    "faults",
    "privacy",
    "bias",
    "data",
    "timing",
    "provenance",
    "warnings",
    "filters",
    "utility_per_class",
    "confusion",
    "reliability",
    "spaces",
    "how_much",
    "shortcut",
    "sets",
    "sets_best",
    "operations",
    "robustness",
    "integrity",
    "review",
    "deidentified",
    "source_card",
)
MOST_CONFUSED = 16  # classes above which the confusion table is no picture any more


@dataclass(frozen=True)
class Score:
    """One number as the page shows it; empty text where a part is not known, `bar` in percent or None."""

    label: str
    value: str
    sort: str
    interval: str = ""
    n: str = ""
    floor: str = ""
    ceiling: str = ""
    bar: float | None = None
    space: str = ""
    note: str = ""
    expected: str = ""
    z: str = ""


def write_report(folder: Path, facts: dict[str, Any], pictures: Pictures) -> Path:
    """Writes folder/report.json and folder/report.html, both complete or neither; returns the path of the page.

    Raises ValueError where a number is not finite, TypeError where a value is not plain data.
    """
    facts = clean_json(facts)
    page = render_html(facts, pictures)
    text = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    replace_files({folder / "report.json": text, folder / "report.html": page})
    return folder / "report.html"


def render_html(facts: dict[str, Any], pictures: Pictures) -> str:
    """The page as text; equal facts and pictures give equal bytes."""
    facts = clean_json(facts)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gensynth.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    return environment.get_template("report.html.j2").render(page_view(facts, pictures))


def page_view(facts: Mapping[str, Any], pictures: Pictures) -> dict[str, Any]:
    """Everything the template shows, section by section; None or an empty list means "not run"."""
    data = _mapping(facts.get("data"))
    utility = facts.get("utility") or []
    rows = [row for row in utility if isinstance(row, Mapping)] if isinstance(utility, list) else []
    limit_px = figures.tile_limit_px(pictures)
    return {
        "name": str(data.get("name") or "data set"),
        "verdict": verdict_view(_mapping(facts.get("verdict")), rows),
        "warnings": _notices(facts.get("warnings")),
        "faults": _notices(facts.get("faults")),
        "counts": counts_view(data),
        "utility": utility_view(rows, _mapping(facts.get("verdict"))),
        "utility_per_class": _matrix(_mapping(facts.get("utility_per_class"))),
        "confusion": confusion_view(_mapping(facts.get("confusion"))),
        "reliability": reliability_view(_mapping(facts.get("reliability"))),
        "how_much": how_much_view(_mapping(facts.get("how_much"))),
        "shortcut": shortcut_view(_mapping(facts.get("shortcut"))),
        "sets": sets_view(_mapping(facts.get("sets"))),
        "operations": operations_view(_mapping(facts.get("operations"))),
        "robustness": robustness_view(facts.get("robustness")),
        "spaces": spaces_view(_mapping(facts.get("spaces"))),
        "plane": figures.plane_chart(pictures.plane, _plane_classes(facts)) if pictures.plane else None,
        "walls": figures.walls_view(pictures, limit_px),
        "sounds": sounds_view(pictures.sounds),
        "columns": [(title, figures.column_chart(title, *bars)) for title, bars in pictures.columns.items()],
        "cells": list(pictures.cells.items()),
        "nearest": figures.nearest_view(pictures, limit_px),
        "per_class": per_class_view(_mapping(facts.get("per_class"))),
        "fidelity": [
            (name, scores(part), scale_view(part))
            for name, part in _mapping(facts.get("fidelity")).items()
            if name != "reason"
        ],
        "trust": trust_view(facts),
        "privacy": scores(_entries(facts.get("privacy")), risk=True),
        "alarm": str(_mapping(facts.get("privacy")).get("alarm", "")),
        "attacks": attack_rows(_mapping(facts.get("privacy"))),
        "threat_model": _mapping(facts.get("privacy")).get("threat_model", []),
        "dp": _mapping(_mapping(facts.get("privacy")).get("dp")),
        "bias": scores(_entries(facts.get("bias"))),
        "cell_tables": cell_tables(_mapping(facts.get("bias"))),
        "bias_note": str(_mapping(facts.get("bias")).get("note", "")),
        "integrity": integrity_rows(_mapping(facts.get("integrity"))),
        "integrity_note": str(_mapping(facts.get("integrity")).get("note", "")),
        "filters": _matrix(_mapping(facts.get("filters"))),
        "curves": figures.curves_view(pictures),
        "lapse": figures.lapse_view(pictures, limit_px),
        "advice": [str(line.get("text", line) if isinstance(line, Mapping) else line) for line in _advice(data)],
        "data": scores({k: v for k, v in data.items() if k not in ("name", "classes", "advice")}),
        "timing": timing_view(_mapping(facts.get("timing"))),
        "provenance": scores(facts.get("provenance")),
        "further": scores({k: v for k, v in facts.items() if k not in SECTIONS}),
        "reasons": {name: reason(facts.get(name)) for name in SECTIONS},
    }


def _entries(part: Any) -> Any:
    """The single scores of a part of the facts, without its tables."""
    if not isinstance(part, Mapping):
        return part
    entries = {name: entry for name, entry in part.items() if isinstance(entry, Mapping) and "value" in entry}
    if not entries:
        return {name: entry for name, entry in part.items() if not isinstance(entry, Mapping | list)}
    return {name: {key: value for key, value in entry.items() if key != "text"} for name, entry in entries.items()}


def clean_json(value: Any, path: str = "") -> Any:
    """Plain JSON values from numpy scalars and arrays, tuples and mappings.

    Raises ValueError naming the key path of a number that is not finite or of two keys that are equal as text,
    TypeError naming the key path of anything else that JSON cannot hold.

    >>> clean_json({"n": np.int64(3), "x": np.array([1.5])})
    {'n': 3, 'x': [1.5]}
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            fix = '{"value": None, "reason": "not defined: ..."}'
            raise ValueError(f"{path or 'value'} is {value}, expected a finite number; where there is none give {fix}")
        return value
    if isinstance(value, Mapping):
        if len({str(key) for key in value}) < len(value):
            raise ValueError(f"{path or 'value'} has two keys that are equal as text: {list(value)}")
        return {str(key): clean_json(item, f"{path}.{key}" if path else str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(item, f"{path}[{i}]") for i, item in enumerate(value)]
    raise TypeError(f"{path or 'value'} is a {type(value).__name__}, expected plain JSON data or numpy numbers")


def replace_files(texts: Mapping[Path, str]) -> None:
    """Writes all texts to temporary files beside their targets, then moves each into place."""
    waiting: dict[Path, str] = {}
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, waiting[path] = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                # mkstemp makes files that only the owner may read; a report is passed around.
                os.chmod(waiting[path], 0o644)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for path in texts:
            os.replace(waiting[path], path)
            del waiting[path]
    finally:
        for left_over in waiting.values():
            os.unlink(left_over)


def number(value: float | int) -> str:
    """Three significant digits for fractions, whole numbers in full.

    >>> [number(v) for v in (0.81239, -12.0, 12345, 98765.4, 0.00001234, 0.0, 1.0)]
    ['0.812', '−12.0', '12,345', '98,800', '1.23e−5', '0', '1.00']
    """
    if isinstance(value, int):
        text = f"{value:,}" if abs(value) >= 10_000 else str(value)
    elif value == 0:
        text = "0"
    elif abs(value) < 1e-4 or abs(value) >= 1e9:
        mantissa, exponent = f"{value:.2e}".split("e")
        text = f"{mantissa}e{int(exponent)}"
    elif abs(value) >= 99.95:
        rounded = float(f"{value:.3g}")
        text = f"{rounded:,.0f}" if abs(rounded) >= 10_000 else f"{rounded:.0f}"
    else:
        text = f"{value:#.3g}"
    return text.replace("-", "−")


def goodness(value: float, floor: float, ceiling: float, lower_is_better: bool) -> float | None:
    """Where a value lies between the worse and the better of floor and ceiling, in percent, clipped; None if equal.

    >>> goodness(0.75, 0.5, 1.0, lower_is_better=False), goodness(10.0, 2.0, 42.0, lower_is_better=True)
    (50.0, 80.0)
    """
    best, worst = (min(floor, ceiling), max(floor, ceiling))[:: 1 if lower_is_better else -1]
    if best == worst:
        return None
    return 100.0 * min(max((value - worst) / (best - worst), 0.0), 1.0)


def score(label: str, entry: Any, lower: bool = False) -> Score:
    """A report entry ({"value", "n_real", "floor", ...}, a bare number, text or list) as one row.

    The entry says which end is better with `better` ("lower" or "higher"); `lower` counts where it does not.
    """
    if not isinstance(entry, Mapping):
        return Score(label, _text(entry), _sort(entry))
    value = entry.get("value", entry.get("mean"))
    if not _is_number(value):
        return Score(
            label,
            _text(value) if value is not None else undefined(entry),
            "",
            n=_n(entry),
            space=str(entry.get("space", "")),
        )
    floor, ceiling = entry.get("floor"), entry.get("ceiling")
    lower = entry["better"] == "lower" if "better" in entry else lower
    bar = goodness(value, floor, ceiling, lower) if _is_number(floor) and _is_number(ceiling) else None
    return Score(
        label,
        number(value),
        _sort(value),
        interval(entry),
        _n(entry),
        _bound(floor),
        _bound(ceiling),
        bar,
        str(entry.get("space", "")),
        _note(entry),
        _bound(entry.get("expected")),
        f"{entry['z']:+.1f}".replace("-", "\u2212") if _is_number(entry.get("z")) else "",
    )


def scores(part: Any, risk: bool = False) -> list[Score]:
    """All leaves of a nested part of the facts as rows, labelled with their key path; a risk is better when lower."""
    return [score(" › ".join(path), leaf, risk) for path, leaf in _leaves(part, ())]


def reason(part: Any) -> str:
    """Why a part is missing, as the page says it."""
    text = str(part.get("reason") or "") if isinstance(part, Mapping) else ""
    return f"not run: {text.removeprefix('not run: ')}" if text else "not run"


def undefined(entry: Mapping[str, Any]) -> str:
    """Text of a score that cannot be had."""
    text = str(entry.get("reason") or "no reason given")
    return text if text.startswith(("not defined", "not run")) else f"not defined: {text}"


def interval(entry: Mapping[str, Any]) -> str:
    """`0.79 to 0.84`, or empty where no interval is known."""
    low, high = entry.get("low"), entry.get("high")
    return f"{number(low)} to {number(high)}" if _is_number(low) and _is_number(high) else ""


def is_simple(row: Mapping[str, Any]) -> bool:
    """Whether an arm works without a trained generator; a row may say so itself with `kind`."""
    return row["kind"] == "simple" if "kind" in row else str(row.get("arm")) in (NOTHING, *SIMPLE_ARMS)


def headline_metric(rows: Sequence[Mapping[str, Any]]) -> str:
    """The metric of the summary: the first known headline metric, else the first metric there is."""
    names = _unique(row.get("metric") for row in rows)
    return next((m for m in HEADLINE_METRICS if m in names), names[0] if names else "")


def best_arm(rows: Sequence[Mapping[str, Any]], simple: bool) -> Mapping[str, Any] | None:
    """Row of the best simple (or best generator) arm among rows of one learner and one metric."""
    rows = [row for row in rows if is_simple(row) == simple and _is_number(row.get("mean"))]
    if not rows:
        return None
    sign = -1 if rows[0].get("better") == "lower" else 1
    return max(rows, key=lambda row: sign * row["mean"])


def verdict_view(verdict: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Tag, sentence and the numbers that carry them."""
    answer = str(verdict.get("answer") or "not_run")
    sentence = str(verdict.get("sentence") or "Whether the synthetic rows help was not measured: not run.")
    # The part before the numbers is the headline; a class name or path may hold a colon, so the last clause decides.
    opening, _, numbers = sentence.partition(": balanced accuracy on ")
    numbers = f"balanced accuracy on {numbers}" if numbers else ""
    metric = headline_metric(rows)
    learner = next((row.get("learner") for row in rows if row.get("metric") == metric), "")
    here = [row for row in rows if row.get("metric") == metric and row.get("learner") == learner]
    cards = [
        ("with synthetic rows", own_arm(here, verdict)),
        ("best simple arm", best_arm([r for r in here if r.get("arm") != NOTHING], simple=True)),
        ("real rows only", next((row for row in here if row.get("arm") == NOTHING), None)),
    ]
    return {
        "answer": answer if answer in ANSWERS else "not_run",
        "tag": ANSWERS.get(answer, answer),
        "sentence": opening,
        "numbers": numbers[:1].upper() + numbers[1:],
        "measured": f"{metric} of {learner} on the locked test rows".replace("_", " ") if here else "",
        "cards": [(label, score(str(row["arm"]), row)) for label, row in cards if row],
        "differences": [difference_view(line) for line in verdict.get("details", [])],
    }


def difference_view(line: Mapping[str, Any]) -> dict[str, str]:
    """One paired difference of the verdict as text: what against what, and the interval."""
    return {
        "against": str(line["against"]).replace("_", " "),
        "measured": f"{line['metric']} of {line['learner']}".replace("_", " "),
        "difference": f"{line['difference']:+.3f}".replace("-", "\u2212"),
        "interval": f"{line['low']:+.3f} to {line['high']:+.3f}".replace("-", "\u2212"),
    }


def counts_view(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Chart and table of rows per class."""
    classes = {k: v for k, v in _mapping(data.get("classes")).items() if isinstance(v, Mapping)}
    columns = [c for c in COUNT_COLUMNS if any(c in counts for counts in classes.values())]
    if not columns:
        return None
    totals = [sum(counts.get(c) or 0 for counts in classes.values()) for c in columns]
    rows = [(name, [counts.get(c, "") for c in columns]) for name, counts in classes.items()]
    hidden = max(0, len(rows) - figures.MAX_BARS)
    chart = figures.count_chart(list(classes.items())) if "real" in columns else None
    return {"columns": columns, "rows": rows, "totals": totals, "chart": chart, "hidden": hidden}


def own_arm(rows: Sequence[Mapping[str, Any]], verdict: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Row of the arm that the verdict speaks of; where it names none, of the best generator arm."""
    named = [row for row in rows if verdict.get("candidate") and row.get("arm") == verdict["candidate"]]
    return named[0] if named else best_arm(rows, simple=False)


def utility_view(rows: Sequence[Mapping[str, Any]], verdict: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Per learner: a table of arms by metrics and a chart of the headline metric."""
    return [
        _learner_view(str(name), [row for row in rows if row.get("learner") == name], verdict)
        for name in _unique(row.get("learner") for row in rows)
    ]


def _learner_view(learner: str, rows: Sequence[Mapping[str, Any]], verdict: Mapping[str, Any]) -> dict[str, Any]:
    metrics = _unique(row.get("metric") for row in rows)
    metric = headline_metric(rows)
    headline = [row for row in rows if row.get("metric") == metric and _is_number(row.get("mean"))]
    best, own = best_arm(headline, simple=True), own_arm(headline, verdict)
    arms = {name: [row for row in rows if str(row.get("arm")) == name] for name in _unique(r.get("arm") for r in rows)}
    table = [_arm_view(name, of_arm, metrics) | {"best_simple": best in of_arm} for name, of_arm in arms.items()]
    dots = [_dot(row, strong=row is own) for row in headline]
    chart = figures.interval_chart(dots, metric.replace("_", " ")) if dots else None
    return {"learner": learner, "metrics": metrics, "rows": table, "chart": chart, "headline": metric}


def _arm_view(arm: str, rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> dict[str, Any]:
    by_metric = {str(row.get("metric")): row for row in rows}
    seeds = next((_text(row["seeds"]) for row in rows if "seeds" in row), "")
    return {
        "arm": arm,
        "generator": not all(map(is_simple, rows)),
        "cells": _cells(by_metric, metrics),
        "seeds": seeds,
        "answer": _answer(by_metric.get(headline_metric(rows), {})),
    }


def _answer(row: Mapping[str, Any]) -> str:
    """What an arm does against real rows only, and the interval of the difference: `helps, 0.012 to 0.050`."""
    change = _mapping(row.get("difference"))
    return f"{ANSWERS.get(str(row['answer']), row['answer'])}, {interval(change)}" if "answer" in row else ""


def _dot(row: Mapping[str, Any], strong: bool) -> Interval:
    low, high = (row[key] if _is_number(row.get(key)) else row["mean"] for key in ("low", "high"))
    return Interval(str(row.get("arm")).replace("_", " "), row["mean"], low, high, strong)


def per_class_view(per_class: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Per feature space: a row a class and a column a metric, for a look; and per metric a row a class, in full."""
    classes = {name: part for name, part in per_class.items() if isinstance(part, Mapping)}
    metrics = _unique(metric for part in classes.values() for metric in part)
    views = []
    for space in _unique(_space_of(metric) for metric in metrics):
        own = [metric for metric in metrics if _space_of(metric) == space]
        defined = [m for m in own if any(_is_number(_mapping(part.get(m)).get("value")) for part in classes.values())]
        rows = [(name, [score(m, part[m]) if m in part else None for m in defined]) for name, part in classes.items()]
        full = [(m.partition("[")[0], [score(c, part[m]) for c, part in classes.items() if m in part]) for m in own]
        views.append({"space": space, "columns": [m.partition("[")[0] for m in defined], "rows": rows, "metrics": full})
    return views


def _space_of(metric: str) -> str:
    return metric.partition("[")[2].removesuffix("]")


def scale_view(part: Any) -> figures.Picture | None:
    """Bars from floor to ceiling of the scores of one space that have both."""
    rows = [
        (row.label.replace("_", " "), row.bar, row.value) for row in scores(part) if row.bar is not None and row.value
    ]
    return figures.scale_chart(rows) if len(rows) > 1 else None


def confusion_view(part: Mapping[str, Any]) -> figures.Picture | None:
    """What the candidate changes in the confusion of classes; None where there are too many classes for a picture."""
    classes = part.get("classes", [])
    arms = [key for key in part if key not in ("classes", "learner")]
    if len(arms) < 2 or len(classes) > MOST_CONFUSED:
        return None
    return figures.change_chart(classes, *(np.array(part[arm]) for arm in arms[:2]))


def reliability_view(part: Mapping[str, Any]) -> figures.Picture | None:
    curves = _mapping(part.get("curves"))
    return figures.reliability_chart(curves, str(part["class"])) if curves else None


def how_much_view(part: Mapping[str, Any]) -> dict[str, Any] | None:
    """Sentence and chart of the amounts that were tried on validation rows."""
    if not part:
        return None
    dots = [
        Interval(f"{line['amount']:g} × ({line['rows']} rows)", line["loss"], line["low"], line["high"], bool(chosen))
        for line in part.get("amounts", [])
        for chosen in [line["amount"] == part.get("amount")]
    ]
    chart = figures.interval_chart(dots, "balanced log loss on validation rows") if dots else None
    return {"sentence": str(part.get("sentence", "")), "chart": chart}


def shortcut_view(part: Mapping[str, Any]) -> dict[str, Any] | None:
    """The probe's gap as a score, and the three shares behind it."""
    if not part:
        return None
    shares = [(name, number(float(value))) for name, value in _mapping(part.get("called_rare")).items()]
    entry = {key: value for key, value in part.items() if key not in ("warning", "called_rare")}
    return {"score": score("shortcut gap", entry, lower=True), "shares": shares}


def sounds_view(sounds: Mapping[str, tuple[list[bytes], list[bytes]]]) -> list[dict[str, Any]]:
    """Recordings of every class as data URIs, which a browser plays without fetching anything."""

    def uris(recordings: list[bytes]) -> list[str]:
        return ["data:audio/wav;base64," + base64.b64encode(one).decode() for one in recordings]

    return [{"class": name, "real": uris(real), "made": uris(made)} for name, (real, made) in sounds.items()]


def sets_view(sets: Mapping[str, Any]) -> list[dict[str, str]]:
    """Several sets, best first: what was found wrong with each, and by what they were ranked."""
    return [
        {
            "name": name,
            "ranked_by": number(float(part["ranked_by"])) if "ranked_by" in part else "",
            "faults": "; ".join(str(fault["text"]) for fault in part.get("faults", [])) or "no fault found",
            "distance": _value(next(iter(_mapping(part.get("fidelity")).values()), {}), "fid"),
            "novelty": _value(part, "novelty"),
            "labels": _value(part, "label_agreement"),
            "seconds": number(float(part["seconds_per_1000"])) if "seconds_per_1000" in part else "",
        }
        for name, part in sets.items()
    ] * (len(sets) > 1 or any("novelty" in part for part in sets.values()))


def _value(part: Mapping[str, Any], key: str) -> str:
    """The value of an entry as text; empty where there is none."""
    value = _mapping(part.get(key)).get("value")
    return number(float(value)) if _is_number(value) else ""


def operations_view(part: Mapping[str, Any]) -> list[dict[str, str]]:
    """What each operation does to the labels of real rows, by a judge."""
    return [
        {
            "sampler": name,
            "operation": str(line["operation"]),
            "agreement": number(float(line["agreement"])),
            "before": number(float(line["before"])),
            "n": str(line["n"]),
            "risk": str(line["risk"]),
        }
        for name, lines in part.items()
        for line in lines
    ]


def robustness_view(lines: object) -> list[dict[str, str]]:
    """Accuracy on clean and attacked test rows, with the range of seeds."""
    if not isinstance(lines, list):
        return []
    return [
        {"trained_on": str(line["trained_on"]), "n": f"{line['n']}, {line['seeds']} seeds"}
        | {
            key: f"{number(line[key])} ({number(line[f'{key}_range'][0])} to {number(line[f'{key}_range'][1])})"
            for key in ("clean", "robust")
        }
        for line in lines
    ]


def spaces_view(spaces: Mapping[str, Any]) -> dict[str, Any] | None:
    """How every feature space answers to every fault, and which it does not see."""
    names = _unique(name for part in spaces.values() for name in _mapping(part).get("response", {}))
    if not names:
        return None
    rows = [
        (
            space,
            [(number(float(part["response"][name])), name in part["blind_to"]) for name in names],
            str(part["sha256"])[:12],
        )
        for space, part in spaces.items()
    ]
    return {"faults": names, "rows": rows}


def _plane_classes(facts: Mapping[str, Any]) -> list[str]:
    return list(_mapping(facts.get("per_class")))


def timing_view(timing: Mapping[str, Any]) -> list[Score]:
    """Seconds per step, with a bar for its share of the longest step."""
    steps = {step: value for step, value in timing.items() if _is_number(value)}
    longest = max(steps.values(), default=0) or 1
    return [Score(step, number(v), _sort(v), bar=100 * v / longest) for step, v in steps.items()]


def _matrix(part: Mapping[str, Any]) -> dict[str, Any] | None:
    rows = {name: cells for name, cells in part.items() if isinstance(cells, Mapping)}
    columns = _unique(column for cells in rows.values() for column in cells)
    if not columns:
        return None
    return {"columns": columns, "rows": [(name, _cells(cells, columns)) for name, cells in rows.items()]}


def _cells(part: Mapping[str, Any], names: Sequence[str]) -> list[Score | None]:
    return [score(name, part[name]) if name in part else None for name in names]


def _leaves(part: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(part, Mapping) and not ({"value", "mean"} & set(part)):
        for key, item in part.items():
            yield from _leaves(item, (*path, str(key)))
    elif isinstance(part, list) and any(isinstance(item, Mapping | list) for item in part):
        for i, item in enumerate(part, start=1):
            yield from _leaves(item, (*path, str(i)))
    elif path and not (path == ("reason",) and isinstance(part, str)):
        yield path, part


def _notices(items: Any) -> list[dict[str, str]]:
    items = items if isinstance(items, list) else []
    items = [item if isinstance(item, Mapping) else {"text": item} for item in items]
    return [
        {
            "code": str(i.get("code", "note")).replace("_", " "),
            "text": str(i.get("text", "")),
            "where": ", ".join(str(i[k]) for k in ("set", "class") if i.get(k)),
        }
        for i in items
    ]


def _advice(data: Mapping[str, Any]) -> list[Any]:
    advice = data.get("advice") or []
    return advice if isinstance(advice, list) else [advice]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _unique(names: Any) -> list[str]:
    return list(dict.fromkeys(str(name) for name in names))


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    return number(value) if _is_number(value) else str(value)


def _sort(value: Any) -> str:
    return repr(value) if _is_number(value) else ""


def _bound(value: Any) -> str:
    return number(value) if _is_number(value) else ""


def _n(entry: Mapping[str, Any]) -> str:
    real, synthetic = entry.get("n_real"), entry.get("n_synthetic")
    if real is not None or synthetic is not None:
        return f"{_text(real)} real, {_text(synthetic)} synthetic"
    return _text(entry["n"]) if "n" in entry else ""


def _note(entry: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{key} {_text(item)}" for key, item in entry.items() if key not in ENTRY_KEYS and not isinstance(item, Mapping)
    )
