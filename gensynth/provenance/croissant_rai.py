"""What a Croissant file says beside files and records: responsible use, terms, where the data set came from.

Vocabularies: Croissant RAI 1.0 (http://mlcommons.org/croissant/RAI/1.0, "RAI property information"), of which only
properties of its table are written; W3C PROV-O; schema.org. RAI 1.0 has no property that says "synthetic": that stands
in the collection, manipulation and annotation protocols, in PROV, and row by row in the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import yaml

from gensynth.provenance.card import decisions, dp_sentence
from gensynth.provenance.licence import NOT_RECORDED, licence_page
from gensynth.provenance.prov import software_of
from gensynth.provenance.source_card import card_of

_RAI = yaml.safe_load(Path(__file__).with_name("rai.yaml").read_text(encoding="utf-8"))
_TEXTS = jinja2.Environment(undefined=jinja2.StrictUndefined, finalize=str)


def responsible_ai(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of RAI 1.0 that can be answered from the facts of the data card."""
    card = card_of(facts)
    known = {
        **{"facts": facts, "card": card, "software": software_of(facts), "NOT_RECORDED": NOT_RECORDED},
        **{"dp_sentence": dp_sentence, "reviewed": decisions(facts.get("review"))},
        **{"treated": facts.get("deidentified") or (), "refused": card.not_for, "limits": card.limits},
        **{origin: _added(facts, origin) for origin in ("synthetic", "augmented")},
        "doubted": ((facts.get("integrity") or {}).get("suspect") or {}).get("real") or {},
    }
    answers = {name: _answer(stated, known) for name, stated in _RAI.items()}
    return {name: answer for name, answer in answers.items() if answer}


def _answer(stated: str | list[str | dict[str, str]], known: Mapping[str, Any]) -> str | list[str]:
    """A property of rai.yaml with what is known of the data set in it."""
    if isinstance(stated, str):
        return _TEXTS.from_string(stated).render(known)
    found: list[str] = []
    for item in stated:
        text, ones = (item, [None]) if isinstance(item, str) else (item["text"], known[item["of"]])
        found += [_TEXTS.from_string(text).render(known, one=one) for one in ones]
    return [text for text in found if text]


def _added(facts: Mapping[str, Any], origin: str) -> dict[str, int]:
    counts = {name: int(counts.get(origin, 0)) for name, counts in facts.get("classes", {}).items()}
    return {name: count for name, count in counts.items() if count}


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
    card, software = card_of(facts), software_of(facts)
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
