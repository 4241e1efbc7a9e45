"""The trust part of the page: six plain questions answered from the facts, then the tables behind the answers.

Every sentence can be read by somebody who does not train models; every number in it stands in report.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gensynth.evaluation.bias.bias import LINE
from gensynth.evaluation.parts import Bias, Labels, Privacy
from gensynth.intervals import LEVEL as ERROR
from gensynth.report.content import Report
from gensynth.report.numbers import has, templates

GOOD, CARE, BAD, OPEN = "good", "care", "bad", "open"
NOT_RECORDED = "not recorded"
BY_A_PERSON = "were turned down by a person"
TONES = (GOOD, OPEN, CARE, BAD)  # the worst last
WEAK = 0.6  # an AUC that is surely below it gives little away
Answer = tuple[str, str, dict[str, Any]]  # tone, macro of trust.txt.j2, what it is given


def trust_view(report: Report) -> list[dict[str, Any]]:
    """The questions in order: {"question", "tone" (good | care | bad | open), "lines"}."""
    best, filters = report.assessment.best, report.filters or {}
    parts: dict[str, Answer] = {
        "What was used?": _used(report),
        "Who is in it?": _who(best.bias),
        "What could leak?": _leaks(best.privacy),
        "Do the labels hold?": _labels(best.labels),
        "What was rejected, and why?": _rejected(filters, report.filter_reasons or {}),
        "Who looked?": _reviewed_by(report.review),
    }
    environment = templates().overlay(autoescape=False, finalize=_one_line)
    environment.globals["weak"] = WEAK
    environment.filters["capitalised"] = lambda text: text[:1].upper() + text[1:]
    texts = environment.get_template("trust.txt.j2")
    return [
        {"question": question, "tone": tone, "lines": _lines(getattr(texts.module, macro)(**facts))}
        for question, (tone, macro, facts) in parts.items()
    ]


def _lines(text: str) -> list[str]:
    return [line for line in map(str.strip, text.split("\n")) if line]


def _one_line(value: object) -> str:
    return str(value).replace("\n", " ")


def _used(report: Report) -> Answer:
    card, classes = report.source_card or {}, (report.data.classes or {}).values()
    terms = {key: card.get(key, NOT_RECORDED) for key in ("licence", "consent")}
    facts = {
        "name": report.data.name,
        "rows": {key: sum(row.get(key, 0) for row in classes) for key in ("real", "synthetic", "augmented")},
        "about_people": card.get("contains_people") is True,
        "treated": report.deidentified,
    }
    return (GOOD if NOT_RECORDED not in terms.values() else CARE), "used", facts | terms


def _who(bias: Bias) -> Answer:
    if bias.after is None or bias.before is None:
        return OPEN, "no_groups", {}
    gate, recall = bias.gate or {"reasons": [], "accepted": False}, bias.recall or {}
    few = len(bias.before["collect"]) if bias.groups else 0
    open_ends = few or not bias.groups or "tables" not in recall or _below_line(bias.after["tables"])
    tone = BAD if gate["reasons"] else CARE if open_ends else GOOD
    return tone, "who", {"bias": bias, "few": few, "gate": gate, "worst": recall.get("worst", {})}


def _below_line(tables: Mapping[str, Any]) -> bool:
    """Whether some disparate impact is under the usual line or, for a group without one row of the class, undefined."""
    impacts = [table["disparate_impact"] for table in tables.values()]
    return any(one["undefined"] or (has(one) and one["value"] < LINE) for one in impacts)


def _leaks(privacy: Privacy) -> Answer:
    """What the strongest attacks say of sharing the rows, and the generator, if one was attacked."""
    if privacy.membership is None:
        return OPEN, "not_run", {}
    releases = {line["release"]: _release(line) for line in privacy.maximum or []}
    apart = next((line["apart"] for line in privacy.maximum or [] if "apart" in line), None)
    found = OPEN if apart or not releases else max((one["tone"] for one in releases.values()), key=TONES.index)
    copied, copies = _copies(privacy)
    facts = {
        "rows": releases.get("rows"),
        "model": releases.get("rows+model"),
        "apart": apart,
        "copies": copies,
        "dp": (privacy.dp or {}).get("sentence") or "No privacy was promised.",
    }
    return max(found, copied, key=TONES.index), "leaks", facts


def _release(line: Mapping[str, Any]) -> dict[str, Any]:
    """What the attacks on one release found: {"tone", "auc", "attacks", "leaks", "certain", "exposed", "classes",
    "shadows", "untested"}: what is surely above a coin, and the classes that are not tested.

    Bad is what surely leaks. A leak that is surely small, and one that so few rows cannot rule out, ask for care.
    """
    per_class = line["per_class"]
    found = {
        "auc": _as_entry(line),
        "attacks": line["attacks"],
        "leaks": line["p"] <= ERROR,
        "certain": _sure(line["top"]),
        "exposed": _surest(line["most_exposed"]),
        "shadows": _surest(line.get("shadows")),
        "classes": {name: entry for name, one in per_class.items() if (entry := _surest(one))},
        "untested": {name: one["reason"] for name, one in per_class.items() if one["auc"] is None},
    }
    beside = any(found[name] for name in ("certain", "exposed", "shadows", "classes"))
    wide = found["auc"]["high"] > WEAK
    found["tone"] = BAD if beside or (found["leaks"] and wide) else CARE if found["leaks"] or wide else GOOD
    return found


def _sure(one: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The entry of a finding that is surely above a coin, None for others."""
    return _as_entry(one) if one and one.get("p", 1.0) <= ERROR else None


def _surest(one: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The AUC, else the share of members among the top rows, whichever is surely above a coin."""
    return _sure(one) or _sure((one or {}).get("top"))


def _as_entry(one: Mapping[str, Any]) -> dict[str, Any]:
    value = one["auc"] if "auc" in one else one["value"]
    return {"value": value, "low": one["low"], "high": one["high"], "n": one.get("n")}


def _copies(privacy: Privacy) -> tuple[str, dict[str, Any]]:
    """Exact and near copies beside what real rows repeat of each other; what was not measured is not called none."""
    named = {"copies": privacy.exact_copies, "near copies": privacy.near_copies}
    known = {name: entry for name, entry in named.items() if has(entry)}
    share, usual = (sum(entry[key] for entry in known.values()) for key in ("value", "ceiling"))
    more = any(entry["low"] > entry["ceiling"] for entry in known.values())
    tone = BAD if share > usual + 0.05 else CARE if more or not known else GOOD
    reason = (privacy.near_copies or {}).get("reason", "not measured")
    return tone, {"names": list(known), "share": share, "usual": usual, "reason": reason}


def _labels(labels: Labels) -> Answer:
    if labels.classes is None or labels.suspect is None:
        return OPEN, "not_run", {}
    facts: dict[str, Any] = {"name": "", "after": None, "real": None, "suspect": labels.suspect["real"]}
    after = {name: entry["agreement_after"] for name, entry in labels.classes.items() if has(entry["agreement_after"])}
    if not after:
        return GOOD, "labels", facts
    name = min(after, key=lambda one: after[one]["value"])
    least, real = after[name], labels.classes[name]["agreement_real"]
    tone = CARE if has(real) and least["high"] < real["low"] else GOOD
    return tone, "labels", facts | {"name": name, "after": least, "real": real}


def _rejected(filters: Mapping[str, Mapping[str, Any]], reasons: Mapping[str, str]) -> Answer:
    keys = dict.fromkeys(key for row in filters.values() for key in row if key.startswith("rejected_"))
    totals = {key: sum(row.get(key, 0) for row in filters.values()) for key in ("drawn", "filled_by_fallback", *keys)}
    why = {**reasons, "review": BY_A_PERSON}
    dropped = []
    for key in keys:
        name = key.removeprefix("rejected_")
        if totals[key]:
            dropped.append(f"{totals[key]:,} {why.get(name, f'were dropped by the filter {name}')}")
    facts = {"drawn": totals["drawn"], "filled": totals["filled_by_fallback"], "dropped": dropped}
    return (GOOD if totals["drawn"] else OPEN), "rejected", facts


def _reviewed_by(review: Mapping[str, Any] | None) -> Answer:
    if review and (review["looked"] or has(review["blind"]["fool_rate"])):
        return GOOD, "reviewed", {"review": review}
    return OPEN, "nobody_looked", {}


def cell_tables(bias: Bias) -> list[dict[str, Any]]:
    """For every cut of the rows its cells, before and after, with recall, coverage and copies where they are known.

    rows    (cell, the same before or None, {recall, coverage, copies: those that are known})
    impact, information  (before, after); groups  {group: recall without and with synthetic rows}
    """
    if bias.before is None or bias.after is None:
        return []
    recall, scores = (bias.recall or {}).get("tables", {}), bias.cells or {}
    out = []
    for name, table in bias.after["tables"].items():
        then = bias.before["tables"][name]
        before, served = _by_cell(then["cells"]), recall.get(name, {"cells": [], "groups": {}})
        measured = {key: _by_cell(cells.get(name, [])) for key, cells in scores.items()}
        measured["recall"] = _by_cell(served["cells"])
        rows = [
            (cell, before.get(key), {part: of[key] for part, of in measured.items() if key in of})
            for key, cell in _by_cell(table["cells"]).items()
            if cell["n"]
        ]
        sides = {
            key: (then[of], table[of]) for key, of in (("impact", "disparate_impact"), ("information", "information"))
        }
        out.append({"name": name, "rows": rows, "groups": served["groups"], **sides})
    return out


def _by_cell(cells: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(cell["class"], cell["group"]): cell for cell in cells}
