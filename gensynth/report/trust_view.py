"""The trust part of the page: six plain questions answered from the facts, then the tables behind the answers.

Every sentence can be read by somebody who does not train models; every number in it stands in report.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scipy.stats import norm

from gensynth.evaluation.bias import LINE

GOOD, CARE, BAD, OPEN = "good", "care", "bad", "open"
NOT_RECORDED = "not recorded"
BY_A_PERSON = "were turned down by a person"
TONES = (GOOD, OPEN, CARE, BAD)  # the worst last
COIN, WEAK = 0.5, 0.55  # an AUC that is surely below the second is called weak
STRICTER = 10  # by so much less chance may call training and held-out rows unlike
ATTACKS = {
    "no_rows": "how common it is among real rows: what an attacker knows who holds no made row",
    "shadow_lira": "how near made rows come in runs that were taught with it and without it (likelihood ratio)",
    "density_ratio": "are made rows denser around training rows than new real ones are",
    "calibrated_distance": "is a made row nearer to it than a new real one is",
    "nearest_distance": "how near the nearest made row is",
    "evidence_bound": "how probable the released model finds it",
    "reconstruction": "how well the released model rebuilds it",
    "discriminator": "how real the discriminator finds it",
}


def trust_view(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The questions in order: {"question", "tone" (good | care | bad | open), "lines"}."""
    parts = (
        ("What was used?", _used(facts)),
        ("Who is in it?", _who(facts.get("bias") or {})),
        ("What could leak?", _leaks(facts.get("privacy") or {})),
        ("Do the labels hold?", _labels(facts.get("integrity") or {})),
        ("What was rejected, and why?", _rejected(facts.get("filters") or {}, facts.get("filter_reasons") or {})),
        ("Who looked?", _looked(facts.get("review") or {})),
    )
    return [{"question": question, "tone": tone, "lines": lines} for question, (tone, lines) in parts]


def percent(share: float) -> str:
    """A share as a whole percentage; below one percent as it is.

    >>> percent(0.123), percent(0.004), percent(0.0)
    ('12 %', '0.4 %', '0 %')
    """
    value = 100 * share
    return f"{value:.1f} %" if 0 < value < 1 else f"{value:.0f} %"


def between(entry: Mapping[str, Any], digits: int = 2) -> str:
    """`.51 (.48 to .54)`, or why there is no number.

    >>> between({"value": 0.51, "low": 0.48, "high": 0.54}), between({"value": None, "reason": "not defined: n"})
    ('0.51 (0.48 to 0.54)', 'not defined: n')
    """
    if entry.get("value") is None:
        return str(entry.get("reason", "not defined"))
    text = f"{entry['value']:.{digits}f}"
    return f"{text} ({entry['low']:.{digits}f} to {entry['high']:.{digits}f})" if "low" in entry else text


Answer = tuple[str, list[str]]


def _used(facts: Mapping[str, Any]) -> Answer:
    data, card = facts.get("data") or {}, facts.get("source_card") or {}
    classes = data.get("classes") or {}
    real, made = (
        sum(int(row.get(key, 0)) for row in classes.values() for key in keys)
        for keys in (("real",), ("synthetic", "augmented"))
    )
    lines = [f"{real:,} real training rows of {data.get('name', 'the data set')}; {made:,} made rows beside them."]
    terms = [card.get(key, NOT_RECORDED) for key in ("licence", "consent")]
    lines.append(f"Licence of the source: {terms[0]}. Consent of the people in it: {terms[1]}.")
    if card.get("contains_people") is True:
        lines.append("The source says that its rows are about people.")
    hidden = facts.get("deidentified") or []
    if hidden:
        done = ", ".join(f"{line['column']} ({line['action']}, {line['cells']:,} cells)" for line in hidden)
        lines.append(f"Taken out before anything was learned: {done}.")
    return (GOOD if NOT_RECORDED not in terms else CARE), lines


def _who(bias: Mapping[str, Any]) -> Answer:
    after, before = bias.get("after"), bias.get("before")
    if not after or not before:
        return OPEN, ["Nobody named groups (data.groups=[sex,race]), so nothing is known of who is in it."]
    verdict = bias.get("gate") or {}
    if bias.get("groups"):
        lines = [f"Groups looked at: {', '.join(bias['groups'])}."]
    else:
        lines = ["No groups were named. Clusters of rows stand in for them; they are no real groups of people."]
    for name, table in after["tables"].items():
        lines += _impact_line(name, before["tables"].get(name, {}), table)
    few = before.get("collect") if bias.get("groups") else []
    if few:
        lines.append(f"{len(few)} cells of class and group have under 30 real rows: collect data, do not generate.")
    lines += _worst_line(bias.get("recall") or {})
    lines += [f"Refused: {reason}" for reason in verdict.get("reasons", [])]
    if verdict.get("accepted"):
        lines.append("A person accepted this (bias.accept=true).")
    recall = bias.get("recall") or {}
    open_ends = few or not bias.get("groups") or not recall.get("tables") or _below_line(after["tables"])
    return (BAD if verdict.get("reasons") else CARE if open_ends else GOOD), lines


def _below_line(tables: Mapping[str, Any]) -> bool:
    """Whether some disparate impact is under the usual line or, for a group without one row of the class, undefined."""
    impacts = [table.get("disparate_impact") or {} for table in tables.values()]
    return any(one.get("undefined") or (_has(one) and one["value"] < LINE) for one in impacts)


def _impact_line(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    then, now = before.get("disparate_impact") or {}, after.get("disparate_impact") or {}
    if then.get("value") is None or now.get("value") is None:
        return []
    return [
        f"{name}: the group least often in class {now['favourable']} is there {percent(then['value'])} as often as the "
        f"best-off group before, {percent(now['value'])} after; under 80 % is the usual line for concern."
    ]


def _worst_line(recall: Mapping[str, Any]) -> list[str]:
    worst = recall.get("worst") or {}
    if "with" not in worst:
        return []
    with_, without = worst["with"], worst["without"]
    return [
        f"The group a classifier serves worst ({with_['class']}, {with_['group']}) is recognised "
        f"{percent(with_['value'])} of the time with the made rows; the worst without them "
        f"({without['class']}, {without['group']}) {percent(without['value'])}. "
        "The lowest of many is low partly by chance."
    ]


def _leaks(privacy: Mapping[str, Any]) -> Answer:
    if "membership" not in privacy:
        return OPEN, ["Not run."]
    attacks = [one for one in privacy["membership"] if one["release"] != "nothing"]
    count = sum(one["auc"].get("value") is not None for one in attacks)
    surest = sorted(attacks, key=lambda one: -one["auc"].get("low", 0.0))  # a terminal shows the first line alone
    lines = [_attack_line(attacks, release, count) for release in dict.fromkeys(one["release"] for one in surest)]
    lines = [line for line in lines if line] or ["Too few held-out rows to attack the made rows."]
    lines += _exposed_line(attacks, count)
    apart = [
        one["auc"] for one in privacy["membership"] if one["release"] == "nothing" and _beyond(one["auc"], STRICTER)
    ]
    if apart:
        lines.append(
            "Training rows and held-out rows differ by themselves, without any made row "
            f"({between(apart[0])}): the attacks cannot be judged by these."
        )
    copied, told = _copies(privacy)
    dp = (privacy.get("dp") or {}).get("sentence") or "No privacy was promised."
    lines += [*told, dp, "The data set holds the real training rows too: share it only with those who may see them."]
    found = OPEN if apart or not count else max((_tone(one["auc"], count) for one in attacks), key=TONES.index)
    exposed = CARE if _exposed_line(attacks, count) else GOOD
    return max(found, copied, exposed, key=TONES.index), lines


def _beyond(auc: Mapping[str, Any], tests: int) -> int:
    """1 where an AUC is surely above a coin among so many tests (Bonferroni), -1 where below, else 0."""
    if auc.get("value") is None:
        return 0
    wider = float(norm.ppf(1 - 0.025 / max(tests, 1)) / norm.ppf(0.975))
    low, high = auc["value"] - wider * (auc["value"] - auc["low"]), auc["value"] + wider * (auc["high"] - auc["value"])
    return int(low > COIN) - int(high < COIN)


def _tone(auc: Mapping[str, Any], count: int) -> str:
    """Good is an attack that is shown to be weak; one that was not found to be strong may be either."""
    if auc.get("value") is None:
        return OPEN
    return BAD if _beyond(auc, count) > 0 else GOOD if auc["high"] <= WEAK else CARE


def _attack_line(attacks: Sequence[Mapping[str, Any]], release: str, count: int) -> str:
    """What the strongest attack finds on what is released; empty where no attack has a number."""
    mine = [one for one in attacks if one["release"] == release and one["auc"].get("value") is not None]
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


def _exposed_line(attacks: Sequence[Mapping[str, Any]], count: int) -> list[str]:
    """The tenth of the rows that are easiest to tell, where they surely can be."""
    tenths = [one.get("most_exposed", {}).get("auc") or {} for one in attacks]
    told = [auc for auc in tenths if _beyond(auc, count) > 0]
    if not told:
        return []
    worst = max(told, key=lambda auc: auc["low"])
    return [f"For the tenth of the rows that stand out most it is {between(worst)}."]


def _copies(privacy: Mapping[str, Any]) -> Answer:
    """Exact and near copies beside what real rows repeat of each other; what was not measured is not called none."""
    exact, near = (privacy.get(name) or {} for name in ("exact_copies", "near_copies"))
    known = [entry for entry in (exact, near) if _has(entry)]
    copied, usual = (sum(entry.get(key) or 0.0 for entry in known) for key in ("value", "ceiling"))
    what = " or ".join(name for name, entry in (("copies", exact), ("near copies", near)) if _has(entry))
    lines = []
    if what:
        lines.append(
            f"{percent(copied)} of the made rows are {what} of a training row; of new real rows {percent(usual)} are."
        )
    if not _has(near):
        lines.append(f"Near copies could not be told: {near.get('reason', 'not measured')}.")
    if copied > usual + 0.05:
        return BAD, lines
    more = any(entry.get("low", 0.0) > (entry.get("ceiling") or 0.0) for entry in known)
    return (CARE if more or not known else GOOD), lines


def strongest(attacks: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The attack with the highest lower end of its interval, None where no attack has a number."""
    defined = [one for one in attacks if one["auc"].get("value") is not None and one["release"] != "nothing"]
    return max(defined, key=lambda one: one["auc"]["low"], default=None)


def _labels(integrity: Mapping[str, Any]) -> Answer:
    classes = integrity.get("classes") or {}
    if not classes:
        return OPEN, ["Not run."]
    lines, tone = [], GOOD
    after = {name: entry["agreement_after"] for name, entry in classes.items() if _has(entry["agreement_after"])}
    if after:
        name = min(after, key=lambda one: after[one]["value"])
        real = classes[name]["agreement_real"]
        beside = f", of real ones {percent(real['value'])}" if _has(real) else ""
        lines.append(
            f"A classifier of real rows reads the label of made rows as it is least often in class {name}: "
            f"{percent(after[name]['value'])} of them{beside}."
        )
        if _has(real) and after[name]["high"] < real["low"]:
            tone = CARE
    suspect = (integrity.get("suspect") or {}).get("real") or {}
    if (count := suspect.get("count")) is not None:
        lines.append(
            f"In the real data itself {count:,} labels of {suspect.get('n', 0):,} looked at look doubtful; "
            "run/internal/suspects.json lists the worst."
        )
    return tone, lines or ["Too few rows to say."]


def _has(entry: Mapping[str, Any]) -> bool:
    return entry.get("value") is not None


def _rejected(filters: Mapping[str, Any], reasons: Mapping[str, str]) -> Answer:
    rows = [row for row in filters.values() if isinstance(row, Mapping)]
    names = dict.fromkeys(key.removeprefix("rejected_") for row in rows for key in row if key.startswith("rejected_"))
    drawn, filled = (sum(int(row.get(key, 0)) for row in rows) for key in ("drawn", "filled_by_fallback"))
    unnamed = {name: f"were dropped by the filter {name}" for name in names}
    why = {**unnamed, **reasons, "review": BY_A_PERSON}
    lines = [f"{filled:,} more came from the fallback, which no filter judged."] if filled else []
    counts = {name: sum(int(row.get(f"rejected_{name}", 0)) for row in rows) for name in names}
    parts = [f"{count:,} {why[name]}" for name, count in counts.items() if count]
    if not drawn:
        return OPEN, ["No rows were drawn.", *lines, *(f"Of these {part}." for part in parts)]
    said = f"Of {drawn:,} rows drawn, {'; '.join(parts)}." if parts else f"None of {drawn:,} rows drawn."
    return GOOD, [said, *lines]


def _looked(review: Mapping[str, Any]) -> Answer:
    lines = []
    if review.get("looked"):
        lines.append(
            f"A person looked at {review['looked']:,} made rows: {review.get('accepted', 0):,} accepted, "
            f"{review.get('rejected', 0):,} rejected, {review.get('unsure', 0):,} unsure, "
            f"{review.get('relabelled', 0):,} of another class."
        )
    blind = review.get("blind") or {}
    if (blind.get("fool_rate") or {}).get("value") is not None:
        lines.append(str(blind["sentence"]))
    if not lines:
        return OPEN, ["Nobody has looked through the rows yet: gensynth review RUN."]
    return GOOD, lines


def attack_rows(privacy: Mapping[str, Any]) -> list[dict[str, str]]:
    """A line of the table for every attack."""
    return [
        {
            "attack": str(one["attack"]).replace("_", " "),
            "asks": ATTACKS.get(one["attack"], ""),
            "release": str(one["release"]).replace("+", " + "),
            "auc": between(one["auc"]),
            "tpr": between((one.get("tpr") or {}).get("0.01") or {}),
            "exposed": between((one.get("most_exposed") or {}).get("auc") or {}),
            "control": between((one.get("control") or {}).get("auc") or {}),
            "n": f"{one['auc'].get('n_members', 0):,}",
        }
        for one in privacy.get("membership") or []
    ]


def cell_tables(bias: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For every cut of the rows its cells, before and after, with recall, coverage and copies where they are known."""
    after, before = bias.get("after") or {}, bias.get("before") or {}
    recall = (bias.get("recall") or {}).get("tables") or {}
    scores = bias.get("cells") or {}
    out = []
    for name, table in (after.get("tables") or {}).items():
        then = _by_cell(before["tables"][name]["cells"])
        of = {key: _by_cell((scores.get(key) or {}).get(name) or []) for key in ("coverage", "copies")}
        served = _by_cell((recall.get(name) or {}).get("cells") or [])
        rows = [
            _cell_row(cell, then.get(key, {}), served.get(key, {}), {n: part.get(key, {}) for n, part in of.items()})
            for key, cell in _by_cell(table["cells"]).items()
            if cell["n"]
        ]
        impact = [between(side["tables"][name].get("disparate_impact") or {}) for side in (before, after)]
        information = [between(side["tables"][name].get("information") or {}, 3) for side in (before, after)]
        groups = _group_rows((recall.get(name) or {}).get("groups") or {})
        out.append({"name": name, "rows": rows, "impact": impact, "information": information, "groups": groups})
    return out


def _by_cell(cells: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(str(cell["class"]), str(cell["group"])): cell for cell in cells}


def _cell_row(
    cell: Mapping[str, Any], then: Mapping[str, Any], served: Mapping[str, Any], scores: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    before = (then.get("share_of_class") or {}).get("value")
    return {
        "class": cell["class"],
        "group": cell["group"],
        "before": then.get("n", 0),
        "after": cell["n"],
        "share_before": percent(before) if before is not None else "–",
        "share_after": percent(cell["share_of_class"]["value"]),
        "made": percent(cell["share_made"] or 0.0),
        "ratio": f"{cell['ratio']:.2f}" if cell["ratio"] is not None else "–",
        "recall_without": between(served["without"]) if "without" in served else "–",
        "recall_with": between(served["with"]) if "with" in served else "–",
        "coverage": between(scores["coverage"]) if scores["coverage"].get("value") is not None else "–",
        "copies": percent(scores["copies"]["value"]) if scores["copies"].get("value") is not None else "–",
        "note": cell.get("text", ""),
    }


def _group_rows(groups: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"group": name, "n": f"{entry['n']:,}", **{side: between(entry[side]) for side in ("without", "with")}}
        | {"difference": between(entry["difference"], 3)}
        for name, entry in groups.items()
    ]


def integrity_rows(integrity: Mapping[str, Any]) -> list[dict[str, str]]:
    """A line for every class: agreement before and after filtering and of real rows, variety lost, suspect labels."""
    suspect = ((integrity.get("suspect") or {}).get("real") or {}).get("classes") or {}
    return [
        {
            "class": name,
            **{key: between(entry[key]) for key in ("agreement_before", "agreement_after", "agreement_real")},
            "lost_variety": between(entry["lost_variety"]),
            "suspect": between(suspect[name]) if name in suspect else "–",
        }
        for name, entry in (integrity.get("classes") or {}).items()
    ]
