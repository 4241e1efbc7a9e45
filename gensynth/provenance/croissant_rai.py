"""What a Croissant file says beside files and records: responsible use, terms, where the data set came from.

Vocabularies: Croissant RAI 1.0 (http://mlcommons.org/croissant/RAI/1.0, "RAI property information"), of which only
properties of its table are written; W3C PROV-O; schema.org. RAI 1.0 has no property that says "synthetic": that stands
in the collection, manipulation and annotation protocols, in PROV, and row by row in the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gensynth.provenance.card_sections import bias_section, card_of, decisions, dp_sentence
from gensynth.provenance.licence import NOT_RECORDED, licence_page
from gensynth.provenance.source_card import SourceCard


def responsible_ai(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of RAI 1.0 that can be answered from the facts of the data card."""
    card = card_of(facts)
    return {
        "rai:dataCollection": f"Source: {card.collection}. Added rows were made from the training rows; see below.",
        "rai:dataCollectionType": ["Secondary Data analysis", "Others: rows drawn from a trained generator or altered"],
        "rai:dataCollectionRawData": f"{card.title}; {card.source}; sha256 {facts.get('source_sha256', NOT_RECORDED)}",
        "rai:dataPreprocessingProtocol": _preprocessing(facts),
        "rai:dataImputationProtocol": "No missing value of a real row was filled in.",
        "rai:dataManipulationProtocol": _manipulation(facts),
        "rai:dataAnnotationProtocol": (
            "Labels of real rows are those of the source. The label of a made row is the class it was asked for; rows "
            "in which a judge did not find that class were rejected where filters ran."
        ),
        "rai:dataAnnotationAnalysis": _doubts(facts.get("integrity")),
        "rai:machineAnnotationTools": [_software(facts)],
        **({"rai:dataAnnotationPlatform": "gensynth review, a local page"} if decisions(facts.get("review")) else {}),
        "rai:dataUseCases": [
            "Training classifiers; validation and test are real rows only.",
            f"Intended use of the source: {card.intended_use}",
            *(f"Refused: {use}" for use in card.not_for),
        ],
        "rai:dataLimitations": _limitations(facts, card),
        "rai:dataBiases": _biases(facts),
        "rai:personalSensitiveInformation": _personal(facts, card),
        "rai:dataSocialImpact": (
            "Rare classes become learnable; what the source gets wrong about people or things, made rows repeat. "
            f"Consent: {card.consent}."
        ),
        "rai:dataReleaseMaintenancePlan": (
            f"Contact: {card.contact}. The set can be made again from source, seed and generator; for requests to "
            "remove a row, gensynth forget names the rows that depend on it."
        ),
    }


def _preprocessing(facts: Mapping[str, Any]) -> list[str]:
    done = facts.get("deidentified") or ()
    steps = [f"column {one.get('column')}: {one.get('action')} ({one.get('cells')} cells)" for one in done]
    for key, what in (("quarantined", "files left out"), ("resized", "images resized")):
        if facts.get(key):
            steps.append(f"{facts[key]} {what}")
    return [*steps, "Split into train, val and test before anything was fitted; equal rows never straddle a split."]


def _manipulation(facts: Mapping[str, Any]) -> str:
    synthetic, augmented = _added(facts, "synthetic"), _added(facts, "augmented")
    per_class = ", ".join(f"{name} {count}" for name, count in synthetic.items()) or "none"
    return (
        f"{sum(synthetic.values())} synthetic and {sum(augmented.values())} augmented training rows were added, marked "
        f"in the source column and in ledger.csv. Model: {facts.get('model', NOT_RECORDED)}. Synthetic rows per class: "
        f"{per_class}. No real row was dropped."
    )


def _added(facts: Mapping[str, Any], origin: str) -> dict[str, int]:
    counts = {name: int(counts.get(origin, 0)) for name, counts in facts.get("classes", {}).items()}
    return {name: count for name, count in counts.items() if count}


def _doubts(integrity: Mapping[str, Any] | None) -> str:
    real = ((integrity or {}).get("suspect") or {}).get("real") or {}
    if "count" not in real:
        return f"Labels that confident learning doubts: {NOT_RECORDED}."
    return f"Confident learning doubts {real['count']} of {real.get('n', NOT_RECORDED)} real labels."


def _limitations(facts: Mapping[str, Any], card: SourceCard) -> list[str]:
    return [
        "Synthetic rows repeat what a generator learned from the real training rows and are no new observations.",
        f"Synthetic does not mean anonymous. {dp_sentence((facts.get('privacy') or {}).get('dp'))}",
        *card.limits,
    ]


def _biases(facts: Mapping[str, Any]) -> list[str]:
    audited = bool((facts.get("bias") or {}).get("after"))
    return [
        "Class frequencies of the training split are set by request and are not those of the source.",
        "Gaps and bias of the source are carried over, and rare classes show less variety than real rows would.",
        "An audit by group stands in README.md." if audited else bias_section(None).replace("`", ""),
    ]


def _personal(facts: Mapping[str, Any], card: SourceCard) -> list[str]:
    removed = facts.get("deidentified") or ()
    return [
        f"Rows are about people: {card.about_people}.",
        f"Sensitive attributes: {', '.join(card.sensitive) or NOT_RECORDED}.",
        *(f"Column {one.get('column')} was treated: {one.get('action')}." for one in removed),
    ]


def terms(facts: Mapping[str, Any]) -> dict[str, Any]:
    """license, usageInfo, citeAs, datePublished and isBasedOn, as far as the source card states them."""
    card = card_of(facts)
    found: dict[str, Any] = {}
    if card.licence != NOT_RECORDED:
        named = {"@type": "sc:CreativeWork", "name": card.licence} | ({"url": card.page} if card.page else {})
        found["license"] = card.page if card.page == licence_page(card.licence) else named
    found |= _recorded({"citeAs": card.citation, "datePublished": card.published})
    refused = "; ".join(card.not_for) or NOT_RECORDED
    usage = _recorded({"consent": card.consent, "intended use": card.intended_use, "uses refused": refused})
    stated = [{"@type": "sc:CreativeWork", "name": name, "text": text} for name, text in usage.items()]
    return found | ({"usageInfo": stated} if stated else {})


def _recorded(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in texts.items() if text != NOT_RECORDED}


def provenance(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The data set in PROV-O: derived from the source by one activity that used the generator."""
    card, software = card_of(facts), _software(facts)
    source: dict[str, Any] = {"@type": "prov:Entity", "prov:label": "source data"}
    source["sha256"] = facts.get("source_sha256", NOT_RECORDED)
    source |= _recorded({"name": card.title, "description": card.source, "license": card.licence})
    used = [source]
    if facts.get("generator_sha256"):
        label = f"generator {facts.get('model', NOT_RECORDED)}"
        used.append({"@type": "prov:Entity", "prov:label": label, "sha256": facts["generator_sha256"]})
    return {
        "prov:wasDerivedFrom": source,
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "prov:label": f"balanced by {software}, seed {facts.get('seed', NOT_RECORDED)}",
            "prov:used": used,
            "prov:wasAssociatedWith": {"@type": "prov:SoftwareAgent", "prov:label": software},
        },
    }


def _software(facts: Mapping[str, Any]) -> str:
    return f"gensynth {facts.get('version', 'of unknown version')}"
