"""Sections of the cards that answer a reviewer: scores, who is in it, what leaks, whether labels are right.

All take parts of report.json and say "not recorded" of what is not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gensynth.balancing.decisions import DECISIONS
from gensynth.provenance.licence import NOT_RECORDED, hub_name
from gensynth.provenance.markdown import MISSING, bullets, estimate, is_estimate, listed, plain, table
from gensynth.provenance.source_card import SourceCard

COPIES = {"exact_copies": "exact copies of training rows", "near_copies": "near copies of training rows"}
REVIEWED = (*DECISIONS, *DECISIONS.values())
MOST_CELLS = 40


def card_of(facts: Mapping[str, Any]) -> SourceCard:
    """The source card among the facts; an empty one where there is none."""
    return SourceCard.from_json(facts.get("source_card") or {})


def licence_header(card: SourceCard) -> dict[str, str | list[str]]:
    """`license` of a Hugging Face header; what the hub has no name for is "other" with its own name and address."""
    name = hub_name(card.licence)
    if name != "other":
        return {"license": name}
    page = {"license_link": card.licence_url} if card.licence_url != NOT_RECORDED else {}
    return {"license": name, "license_name": " ".join(card.licence.split()), **page}


def treated(facts: Mapping[str, Any]) -> str:
    """Personal columns that were dropped, masked or replaced."""
    done = facts.get("deidentified")
    columns = ", ".join(f"{one.get('column')} ({one.get('action')}, {one.get('cells')} cells)" for one in done or ())
    return NOT_RECORDED if done is None else columns or "none"


def metrics_section(facts: Mapping[str, Any]) -> str:
    """Headline scores of likeness and of use, each with its 95 % interval."""
    likeness = [
        [space, name, estimate(entry), *(estimate(entry.get(key)) for key in ("floor", "ceiling"))]
        for space, metrics in (facts.get("fidelity") or {}).items()
        for name, entry in metrics.items()
        if is_estimate(entry) and entry["value"] is not None and entry.get("headline")
    ]
    scores = facts.get("utility") or []
    used = [
        [one.get("arm"), one.get("learner"), one.get("metric"), estimate({**one, "value": one.get("mean")})]
        for one in scores
        if one.get("metric") == scores[0].get("metric")
    ]
    return "\n\n".join(
        [
            "Likeness to held-out real rows (floor: rows that learned nothing; ceiling: real rows against real rows):",
            table(["space", "metric", "value (95 %)", "floor", "ceiling"], likeness),
            "A classifier trained on each arm, on the locked test rows:",
            table(["arm", "learner", "metric", "mean (95 %)"], used),
        ]
    )


def bias_section(bias: Mapping[str, Any] | None) -> str:
    """The audit of groups before and after, and what the gate said."""
    if not bias or not bias.get("after"):
        return "No groups were named (`data.groups`), so nobody looked who is in the data: no finding of fairness."
    before, after = bias.get("before") or {}, bias["after"]
    note = [plain(bias["note"])] if bias.get("note") else []
    parts = [*note, _impact(before, after), *(_cells(name, one) for name, one in (after.get("tables") or {}).items())]
    collect = [f"{c['class']}, {c['group']}: {c['text']}" for c in after.get("collect", ())]
    if collect:
        parts += ["Too few real rows to learn from:", bullets(collect[:MOST_CELLS])]
    return "\n\n".join([*parts, *_worst_recall(bias.get("recall") or {}), *_gate(bias.get("gate") or {})])


def _worst_recall(recall: Mapping[str, Any]) -> list[str]:
    """Recall of the group that a classifier serves worst, trained without and with the made rows."""
    worst = recall.get("worst") or {}
    if "difference" not in worst:
        why = worst.get("reason") or recall.get("reason") or NOT_RECORDED
        return [f"Worst-group recall without and with made rows: {plain(why)}."]
    words = {"without": "without made rows", "with": "with them", "difference": "difference"}
    rows = [[label, estimate(worst.get(key))] for key, label in words.items()]
    return ["Recall of the group that a classifier serves worst:", table(["trained", "recall (95 %)"], rows)]


def _gate(gate: Mapping[str, Any]) -> list[str]:
    if "passed" not in gate:
        return [f"Gate before merging: {NOT_RECORDED}."]
    answer = "; merged all the same, because a person accepted it" if gate.get("accepted") else ""
    reasons = [bullets(gate["reasons"])] if gate.get("reasons") else []
    return [f"The gate before merging {'passed' if gate['passed'] else 'refused'}{answer}.", *reasons]


def _impact(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Lowest disparate impact of each cut of the rows, in the real rows and in the merged ones."""
    earlier, favourable = before.get("tables") or {}, after.get("favourable") or NOT_RECORDED
    rows = [
        [name, favourable, *(estimate(one.get("disparate_impact")) for one in (earlier.get(name, {}), later))]
        for name, later in (after.get("tables") or {}).items()
    ]
    text = "Disparate impact (1: even; the 80 % line is a convention, not a proof):"
    return f"{text}\n\n{table(['groups', 'favourable class', 'before', 'after'], rows)}"


def _cells(name: str, one: Mapping[str, Any]) -> str:
    cells, counts = one.get("cells", ()), ("n_real", "n_augmented", "n_synthetic", "n")
    rows = [
        [cell.get("class"), cell.get("group"), *(cell.get(n, 0) for n in counts), estimate(cell.get("share_of_class"))]
        for cell in cells[:MOST_CELLS]
    ]
    more = f"\n\n{len(cells) - MOST_CELLS} further cells stand in report.json." if len(cells) > MOST_CELLS else ""
    head = ["class", "group", "real", "augmented", "synthetic", "all", "share of class (95 %)"]
    return f"Cells of class and {plain(name)} in the training split:\n\n{table(head, rows)}{more}"


def dp_sentence(dp: Mapping[str, Any] | None) -> str:
    """What may be said of differential privacy: the words of `guarantee.dp_facts`, or made from its numbers."""
    if not dp or not dp.get("claimed"):
        return "No differential privacy is claimed."
    return " ".join(plain(text) for text in (dp.get("sentence") or _dp_words(dp), dp.get("scope")) if text)


def _dp_words(dp: Mapping[str, Any]) -> str:
    size = f"({estimate(dp.get('epsilon'))}, {estimate(dp.get('delta'))})-differential privacy"
    if dp.get("valid"):
        return f"{size} holds."
    steps = [str(step.get("text") if isinstance(step, Mapping) else step) for step in dp.get("voided_by") or ()]
    return f"{size} was promised and does not hold: {'; '.join(steps) or NOT_RECORDED}."


def model_privacy(facts: Mapping[str, Any]) -> str:
    """The guarantee alone while nothing has been attacked yet."""
    privacy = facts.get("privacy") or {}
    dp = privacy.get("dp") or facts.get("dp")
    return privacy_section({**privacy, "dp": dp}) if set(privacy) - {"dp"} else dp_sentence(dp)


def privacy_section(privacy: Mapping[str, Any] | None) -> str:
    """Copies, attacks and guarantee; measured risk is a lower bound of what an attacker can do."""
    privacy = privacy or {}
    copies = [
        [label, estimate(privacy[key]), estimate(privacy[key].get("ceiling"))]
        for key, label in COPIES.items()
        if is_estimate(privacy.get(key))
    ]
    attacks = [
        [
            one.get("attack"),
            one.get("release"),
            *(estimate(part.get("auc")) for part in (one, one.get("control") or {})),
        ]
        for one in privacy.get("membership") or ()
    ]
    return "\n\n".join(
        [
            dp_sentence(privacy.get("dp")),
            "Threat model, what is released and to whom:",
            _words(privacy.get("threat_model")),
            table(["share of made rows that are", "value (95 %)", "the same among real rows"], copies),
            "Membership attacks (0.5: no better than a coin). A lower bound of the risk; a pass proves nothing:",
            table(["attack", "holds", "AUC (95 %)", "real rows against each other"], attacks),
        ]
    )


def _words(stated: object) -> str:
    """A text, a list of texts, or the plain facts of a mapping."""
    if isinstance(stated, Mapping):
        return listed(stated)
    if isinstance(stated, list | tuple):
        return bullets(stated)
    return plain(stated) if stated else MISSING


def integrity_section(integrity: Mapping[str, Any] | None) -> str:
    """How often a judge finds the asked label in made rows, and how many labels are suspect."""
    if not integrity:
        return MISSING
    keys = ("agreement_before", "agreement_after", "agreement_real", "lost_variety")
    head = ["class", "before filtering (95 %)", "after (95 %)", "held-out real rows (95 %)", "variety lost (95 %)"]
    found = [[name, *(estimate(one.get(k)) for k in keys)] for name, one in (integrity.get("classes") or {}).items()]
    parts = ["Rows of a class in which a judge, taught on real rows, finds that class:", table(head, found)]
    for side, suspect in (integrity.get("suspect") or {}).items():
        rows = [[name, estimate(one)] for name, one in (suspect.get("classes") or {}).items()]
        noise = f" Estimated share of wrong labels: {plain(estimate(suspect.get('noise')))}."
        parts.append(f"Labels of {plain(side)} rows that confident learning doubts.{noise}")
        parts.append(table(["class", "share doubted (95 %)"], rows))
    return "\n\n".join(parts)


def decisions(review: Mapping[str, Any] | None) -> dict[str, int]:
    """Rows by a person's decision, those that there are; empty where nobody looked."""
    return {name: int(n) for name, n in (review or {}).items() if name in REVIEWED and n}
