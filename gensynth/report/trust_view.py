"""The trust part of the page: six plain questions answered from the facts, then the tables behind the answers.

Every sentence can be read by somebody who does not train models; every number in it stands in report.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scipy.stats import norm

from gensynth.evaluation.assessment import Bias, Labels, Privacy
from gensynth.evaluation.bias.bias import LINE
from gensynth.evaluation.fidelity.fidelity import Entry
from gensynth.report.content import Report
from gensynth.report.numbers import between, percent

GOOD, CARE, BAD, OPEN = "good", "care", "bad", "open"
NOT_RECORDED = "not recorded"
BY_A_PERSON = "were turned down by a person"
TONES = (GOOD, OPEN, CARE, BAD)  # the worst last
COIN, WEAK = 0.5, 0.55  # an AUC that is surely below the second is called weak
STRICTER = 10  # by so much less chance may call training and held-out rows unlike
ATTACKS = {
    "no_rows": "how common it is among real rows: what an attacker knows who holds no synthetic row",
    "shadow_lira": "how near synthetic rows come in runs that were trained with it and without it (likelihood ratio)",
    "density_ratio": "are synthetic rows denser around training rows than new real ones are",
    "calibrated_distance": "is a synthetic row nearer to it than a new real one is",
    "nearest_distance": "how near the nearest synthetic row is",
    "evidence_bound": "how probable the released model finds it",
    "reconstruction": "how well the released model rebuilds it",
}
Answer = tuple[str, list[str]]
Attack = Mapping[str, Any]
Cell = tuple[str, str]  # class, group


def trust_view(report: Report) -> list[dict[str, Any]]:
    """The questions in order: {"question", "tone" (good | care | bad | open), "lines"}."""
    best = report.assessment.best
    parts = (
        ("What was used?", _used(report)),
        ("Who is in it?", _who(best.bias)),
        ("What could leak?", _leaks(best.privacy)),
        ("Do the labels hold?", _labels(best.labels)),
        ("What was rejected, and why?", _rejected(report.filters or {}, report.filter_reasons or {})),
        ("Who looked?", _looked(report.review)),
    )
    return [{"question": question, "tone": tone, "lines": lines} for question, (tone, lines) in parts]


def _used(report: Report) -> Answer:
    data, card = report.data, report.source_card or {}
    real, synthetic, augmented = (
        sum(row.get(key, 0) for row in (data.classes or {}).values()) for key in ("real", "synthetic", "augmented")
    )
    added = f"{synthetic:,} synthetic" + (f" and {augmented:,} augmented" if augmented else "")
    lines = [f"{real:,} real training rows of {data.name}; {added} rows beside them."]
    terms = [card.get(key, NOT_RECORDED) for key in ("licence", "consent")]
    lines.append(f"Licence of the source: {terms[0]}. Consent of the people in it: {terms[1]}.")
    if card.get("contains_people") is True:
        lines.append("The source says that its rows are about people.")
    if report.deidentified:
        done = ", ".join(
            f"{line['column']} ({line['action']}, {line['cells']:,} cells)" for line in report.deidentified
        )
        lines.append(f"Taken out before anything was learned: {done}.")
    return (GOOD if NOT_RECORDED not in terms else CARE), lines


def _who(bias: Bias) -> Answer:
    if bias.after is None or bias.before is None:
        return OPEN, ["Nobody named groups (data.groups=[sex,race]), so nothing is known of who is in it."]
    gate, recall = bias.gate or {"reasons": [], "accepted": False}, bias.recall or {}
    lines = ["No groups were named. Clusters of rows stand in for them; they are no real groups of people."]
    if bias.groups:
        lines = [f"Groups looked at: {', '.join(bias.groups)}."]
    for name, table in bias.after["tables"].items():
        lines += _impact_line(name, bias.before["tables"][name]["disparate_impact"], table["disparate_impact"])
    few = len(bias.before["collect"]) if bias.groups else 0
    if few:
        cells = "1 cell of class and group has" if few == 1 else f"{few} cells of class and group have"
        lines.append(f"{cells} under 30 real rows: collect data, do not generate.")
    lines += _worst_line(recall)
    lines += [f"Refused: {reason}" for reason in gate["reasons"]]
    if gate["accepted"]:
        lines.append("A person accepted this (bias.accept=true).")
    open_ends = few or not bias.groups or "tables" not in recall or _below_line(bias.after["tables"])
    return (BAD if gate["reasons"] else CARE if open_ends else GOOD), lines


def _below_line(tables: Mapping[str, Any]) -> bool:
    """Whether some disparate impact is under the usual line or, for a group without one row of the class, undefined."""
    impacts = [table["disparate_impact"] for table in tables.values()]
    return any(one["undefined"] or (_has(one) and one["value"] < LINE) for one in impacts)


def _impact_line(name: str, then: Entry, now: Entry) -> list[str]:
    if not _has(then) or not _has(now):
        return []
    return [
        f"{name}: the group least often in class {now['favourable']} is there {percent(then['value'])} as often as the "
        f"best-off group before, {percent(now['value'])} after; under 80 % is the usual line for concern."
    ]


def _worst_line(recall: Mapping[str, Any]) -> list[str]:
    worst = recall.get("worst", {})
    if "with" not in worst:
        return []
    with_, without = worst["with"], worst["without"]
    return [
        f"The group a classifier serves worst ({with_['class']}, {with_['group']}) is recognised "
        f"{percent(with_['value'])} of the time with the synthetic rows; the worst without them "
        f"({without['class']}, {without['group']}) {percent(without['value'])}. "
        "The lowest of many is low partly by chance."
    ]


def _leaks(privacy: Privacy) -> Answer:
    if privacy.membership is None:
        return OPEN, ["Not run."]
    attacks = [one for one in privacy.membership if one["release"] != "nothing"]
    count = sum(_has(one["auc"]) for one in attacks)
    surest = sorted(attacks, key=lambda one: -one["auc"].get("low", 0.0))  # a terminal shows the first line alone
    lines = [_attack_line(attacks, release, count) for release in dict.fromkeys(one["release"] for one in surest)]
    lines = [line for line in lines if line] or ["Too few held-out rows to attack the synthetic rows."]
    exposed = _exposed_line(attacks, count)
    lines += exposed
    blind = [one["auc"] for one in privacy.membership if one["release"] == "nothing"]
    apart = [auc for auc in blind if _beyond(auc, STRICTER)]
    if apart:
        lines.append(
            "Training rows and held-out rows differ by themselves, without any synthetic row "
            f"({between(apart[0])}): the attacks cannot be judged by these."
        )
    copied, told = _copies(privacy)
    dp = (privacy.dp or {}).get("sentence") or "No privacy was promised."
    lines += [*told, dp, "The data set holds the real training rows too: share it only with those who may see them."]
    found = OPEN if apart or not count else max((_tone(one["auc"], count) for one in attacks), key=TONES.index)
    return max(found, copied, CARE if exposed else GOOD, key=TONES.index), lines


def _has(entry: Mapping[str, Any]) -> bool:
    return entry["value"] is not None


def _beyond(auc: Entry, tests: int) -> int:
    """1 where an AUC is surely above a coin among so many tests (Bonferroni), -1 where below, else 0."""
    if not _has(auc):
        return 0
    wider = float(norm.ppf(1 - 0.025 / max(tests, 1)) / norm.ppf(0.975))
    low, high = auc["value"] - wider * (auc["value"] - auc["low"]), auc["value"] + wider * (auc["high"] - auc["value"])
    return int(low > COIN) - int(high < COIN)


def _tone(auc: Entry, count: int) -> str:
    """Good is an attack that is shown to be weak; one that was not found to be strong may be either."""
    if not _has(auc):
        return OPEN
    return BAD if _beyond(auc, count) > 0 else GOOD if auc["high"] <= WEAK else CARE


def _attack_line(attacks: Sequence[Attack], release: str, count: int) -> str:
    """What the strongest attack finds on what is released; empty where no attack has a number."""
    mine = [one for one in attacks if one["release"] == release and _has(one["auc"])]
    worst = strongest(mine)
    if worst is None:
        return ""
    auc, tone = worst["auc"], _tone(worst["auc"], count)
    can = "was not seen to" if tone == CARE else "can"
    told = "no better than by a coin" if tone == GOOD else "better than by a coin"
    unsure = f"; as few rows as these cannot rule out {auc['high']:.2f}" if tone == CARE else ""
    return (
        f"Somebody who holds {release.replace('+', ' and ')} {can} tell training rows from new ones {told}: "
        f"{between(auc)} where 0.5 is a coin and 1 is certainty (the strongest of {len(mine)} attacks{unsure})."
    )


def _exposed(one: Attack) -> Entry:
    """AUC among the tenth of the rows that stand out most; an attack on chosen targets has none."""
    return one.get("most_exposed", {}).get("auc", {"value": None, "reason": "not defined"})


def _exposed_line(attacks: Sequence[Attack], count: int) -> list[str]:
    """The tenth of the rows that are easiest to tell, where they surely can be."""
    told = [auc for auc in map(_exposed, attacks) if _beyond(auc, count) > 0]
    worst = max(told, key=lambda auc: auc["low"], default=None)
    return [] if worst is None else [f"For the tenth of the rows that stand out most it is {between(worst)}."]


def _copies(privacy: Privacy) -> Answer:
    """Exact and near copies beside what real rows repeat of each other; what was not measured is not called none."""
    named = {"copies": privacy.exact_copies, "near copies": privacy.near_copies}
    known = {name: entry for name, entry in named.items() if entry is not None and _has(entry)}
    copied, usual = (sum(entry[key] for entry in known.values()) for key in ("value", "ceiling"))
    lines = []
    if known:
        lines.append(
            f"{percent(copied)} of the synthetic rows are {' or '.join(known)} of a training row; of new real rows "
            f"{percent(usual)} are."
        )
    if "near copies" not in known:
        lines.append(f"Near copies could not be told: {(privacy.near_copies or {}).get('reason', 'not measured')}.")
    if copied > usual + 0.05:
        return BAD, lines
    more = any(entry["low"] > entry["ceiling"] for entry in known.values())
    return (CARE if more or not known else GOOD), lines


def strongest(attacks: Sequence[Attack]) -> Attack | None:
    """The attack with the highest lower end of its interval, None where no attack has a number."""
    defined = [one for one in attacks if _has(one["auc"]) and one["release"] != "nothing"]
    return max(defined, key=lambda one: one["auc"]["low"], default=None)


def _labels(labels: Labels) -> Answer:
    if labels.classes is None or labels.suspect is None:
        return OPEN, ["Not run."]
    lines, tone = [], GOOD
    after = {name: entry["agreement_after"] for name, entry in labels.classes.items() if _has(entry["agreement_after"])}
    if after:
        name = min(after, key=lambda one: after[one]["value"])
        real = labels.classes[name]["agreement_real"]
        beside = f", of real ones {percent(real['value'])}" if _has(real) else ""
        lines.append(
            f"A classifier of real rows agrees least often with the label of synthetic rows in class {name}: with "
            f"{percent(after[name]['value'])} of them{beside}."
        )
        if _has(real) and after[name]["high"] < real["low"]:
            tone = CARE
    count, n = labels.suspect["real"]["count"], labels.suspect["real"]["n"]
    doubtful = "1 label looks doubtful" if count == 1 else f"{count:,} labels look doubtful"
    lines.append(f"In the real data itself {doubtful} among {n:,} checked; run/internal/suspects.json lists the worst.")
    return tone, lines


def _rejected(filters: Mapping[str, Mapping[str, Any]], reasons: Mapping[str, str]) -> Answer:
    keys = dict.fromkeys(key for row in filters.values() for key in row if key.startswith("rejected_"))
    names = [key.removeprefix("rejected_") for key in keys]
    drawn, filled = (sum(row.get(key, 0) for row in filters.values()) for key in ("drawn", "filled_by_fallback"))
    why = {name: f"were dropped by the filter {name}" for name in names} | {**reasons, "review": BY_A_PERSON}
    lines = [f"{filled:,} more came from the fallback, which no filter judged."] if filled else []
    counts = {name: sum(row.get(f"rejected_{name}", 0) for row in filters.values()) for name in names}
    parts = [f"{count:,} {why[name]}" for name, count in counts.items() if count]
    if not drawn:
        return OPEN, ["No rows were drawn.", *lines, *(f"Of these {part}." for part in parts)]
    opening = f"Of {drawn:,} rows drawn, {'; '.join(parts)}." if parts else f"None of {drawn:,} rows drawn."
    return GOOD, [opening, *lines]


def _looked(review: Mapping[str, Any] | None) -> Answer:
    lines = []
    if review and review["looked"]:
        lines.append(
            f"A person looked at {review['looked']:,} synthetic rows: {review['accepted']:,} accepted, "
            f"{review['rejected']:,} rejected, {review['unsure']:,} unsure, {review['relabelled']:,} of another class."
        )
    if review and _has(review["blind"]["fool_rate"]):
        lines.append(review["blind"]["sentence"])
    return (GOOD, lines) if lines else (OPEN, ["Nobody has looked through the rows yet: gensynth review RUN."])


def attack_rows(privacy: Privacy) -> list[dict[str, str]]:
    """A line of the table for every attack."""
    undefined = {"value": None, "reason": "not defined"}
    return [
        {
            "attack": one["attack"].replace("_", " "),
            "asks": ATTACKS.get(one["attack"], ""),
            "release": one["release"].replace("+", " + "),
            "auc": between(one["auc"]),
            "tpr": between(one["tpr"].get("0.01", undefined)),
            "exposed": between(_exposed(one)),
            "control": between(one["control"].get("auc", undefined)),
            "n": f"{one['auc'].get('n_members', 0):,}",
        }
        for one in privacy.membership or []
    ]


def cell_tables(bias: Bias) -> list[dict[str, Any]]:
    """For every cut of the rows its cells, before and after, with recall, coverage and copies where they are known."""
    if bias.before is None or bias.after is None:
        return []
    recall, scores = (bias.recall or {}).get("tables", {}), bias.cells or {}
    out = []
    for name, table in bias.after["tables"].items():
        then = bias.before["tables"][name]
        before, served = _by_cell(then["cells"]), recall.get(name, {"cells": [], "groups": {}})
        measured = {key: _by_cell(cells.get(name, [])) for key, cells in scores.items()}
        measured["recall"] = _by_cell(served["cells"])
        out.append(
            {
                "name": name,
                "rows": [
                    _cell_row(cell, before.get(key), {part: of[key] for part, of in measured.items() if key in of})
                    for key, cell in _by_cell(table["cells"]).items()
                    if cell["n"]
                ],
                "impact": [between(side["disparate_impact"]) for side in (then, table)],
                "information": [between(side["information"], 3) for side in (then, table)],
                "groups": _group_rows(served["groups"]),
            }
        )
    return out


def _by_cell(cells: Sequence[Mapping[str, Any]]) -> dict[Cell, Mapping[str, Any]]:
    return {(cell["class"], cell["group"]): cell for cell in cells}


def _cell_row(
    cell: Mapping[str, Any], then: Mapping[str, Any] | None, measured: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """One cell; `measured`: its recall, coverage and copies, those that there are."""
    before = then["share_of_class"]["value"] if then else None
    recall = measured.get("recall")
    known = {key: entry for key, entry in measured.items() if key != "recall" and _has(entry)}
    return {
        "class": cell["class"],
        "group": cell["group"],
        "before": then["n"] if then else 0,
        "after": cell["n"],
        "share_before": "–" if before is None else percent(before),
        "share_after": percent(cell["share_of_class"]["value"]),
        "added": percent(cell["share_made"] or 0.0),
        "ratio": "–" if cell["ratio"] is None else f"{cell['ratio']:.2f}",
        "recall_without": between(recall["without"]) if recall else "–",
        "recall_with": between(recall["with"]) if recall else "–",
        "coverage": between(known["coverage"]) if "coverage" in known else "–",
        "copies": percent(known["copies"]["value"]) if "copies" in known else "–",
        "note": cell["text"],
    }


def _group_rows(groups: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"group": name, "n": f"{entry['n']:,}", **{side: between(entry[side]) for side in ("without", "with")}}
        | {"difference": between(entry["difference"], 3)}
        for name, entry in groups.items()
    ]


def integrity_rows(labels: Labels) -> list[dict[str, str]]:
    """A line for every class: agreement before and after filtering and of real rows, variety lost, suspect labels."""
    if labels.classes is None or labels.suspect is None:
        return []
    suspect = labels.suspect["real"]["classes"]
    return [
        {"class": name, **{key: between(entry) for key, entry in parts.items()}, "suspect": between(suspect[name])}
        for name, parts in labels.classes.items()
    ]
