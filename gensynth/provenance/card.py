"""Cards for people: what a balanced data set and a generator are, where they come from, what they are not for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from gensynth.balancing.decisions import DECISIONS
from gensynth.provenance.licence import NOT_RECORDED, hub_name, spdx_id
from gensynth.provenance.markdown import bullets, code, estimate, fenced, header, is_estimate, listed, plain, table
from gensynth.provenance.source_card import SourceCard, card_of

COUNTS = ("before", "after", "real", "augmented", "synthetic")
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
REVIEWED = (*DECISIONS, *DECISIONS.values())


def data_card(facts: Mapping[str, Any]) -> str:
    """Text of the data set's README.md: a Hugging Face dataset-card header in YAML, then Markdown.

    Reads name, classes {name: counts}, verdict, samplers {class: sampler}, model, seed, version, source_sha256 and
    generator_sha256; source_card (SourceCard.to_json); the parts fidelity, utility, bias, privacy, integrity and
    review of report.json; deidentified, quarantined, duplicates, resized and notes. What is missing is called
    "not recorded".
    """
    name, card = str(facts.get("name", "data set")), card_of(facts)
    classes = facts.get("classes", {})
    sums = {c: sum(int(counts.get(c, 0)) for counts in classes.values()) for c in COUNTS}
    top = {
        "annotations_creators": ["machine-generated"],
        **_licence_header(card),
        "pretty_name": f"{name}, balanced",
        "size_categories": [next((size for limit, size in SIZES if sums["after"] < limit), "n>1M")],
        "tags": ["synthetic", "gensynth"],
    }
    counts = [[label, *(str(counts.get(c, 0)) for c in COUNTS)] for label, counts in classes.items()]
    return _page("data_card.md.j2", top, facts, name=name, card=card, classes=classes, sums=sums, counts=counts)


def model_card(facts: Mapping[str, Any]) -> str:
    """Text of the generator's README.md: a Hugging Face model-card header in YAML, then Markdown.

    Reads name, model, train_counts {class: n}, samples_seen, config, seed, version and source_sha256; source_card;
    privacy and dp, fidelity, utility and deidentified where they are known when the generator is written.
    """
    model, name, card = str(facts.get("model", "generator")), str(facts.get("name", "data set")), card_of(facts)
    counts = facts.get("train_counts", {})
    small = [label for label, n in counts.items() if int(n) < 20]
    config = json.dumps(facts.get("config", {}), indent=2, sort_keys=True, ensure_ascii=False)
    top = {**_licence_header(card), "tags": ["synthetic", "gensynth", model]}
    more = {"name": name, "model": model, "card": card, "counts": counts, "small": small, "config": config}
    return _page("model_card.md.j2", top, facts, **more)


def _licence_header(card: SourceCard) -> dict[str, str | list[str]]:
    """`license` of a Hugging Face header; what the hub has no name for is "other" with its own name and address."""
    name = hub_name(card.licence)
    if name != "other":
        return {"license": name}
    page = {"license_link": card.licence_url} if card.licence_url != NOT_RECORDED else {}
    return {"license": name, "license_name": " ".join(card.licence.split()), **page}


def dp_sentence(dp: Mapping[str, Any] | None) -> str:
    """What may be said of differential privacy: the words of `guarantee.dp_facts`."""
    if not dp or not dp.get("claimed"):
        return "No differential privacy is claimed."
    return " ".join(plain(text) for text in (dp["sentence"], dp.get("scope")) if text)


def decisions(review: Mapping[str, Any] | None) -> dict[str, int]:
    """Rows by a person's decision, those that there are; empty where nobody looked."""
    return {name: int(n) for name, n in (review or {}).items() if name in REVIEWED and n}


def _page(template: str, top: Mapping[str, str | list[str]], facts: Mapping[str, Any], **more: Any) -> str:
    return _environment().get_template(template).render(top=Markup(header(top)), facts=facts, **more)


@cache
def _environment() -> jinja2.Environment:
    """Templates in which every value is plain text, but for what the functions of Markdown write."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gensynth.provenance"),
        autoescape=True,
        extensions=["jinja2.ext.do"],
        finalize=plain,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    marked = (bullets, dp_sentence, fenced, listed, table)
    environment.globals |= {function.__name__: _marked(function) for function in marked}
    texts = {"NOT_RECORDED": NOT_RECORDED, "spdx_id": spdx_id, "decisions": decisions, "recorded": _recorded}
    environment.globals |= texts | {"estimate": estimate, "is_estimate": is_estimate}
    return environment


def _marked(function: Callable[..., str]) -> Callable[..., Markup]:
    return lambda *values: Markup(function(*values))


def _recorded(facts: Mapping[str, Any], key: str) -> Markup:
    """A fact as code; an empty one counts as not recorded."""
    return code(NOT_RECORDED if facts.get(key) in (None, "") else facts[key])
