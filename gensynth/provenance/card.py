"""Cards for people: what a balanced data set and a generator are, where they come from, what they are not for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from gensynth.provenance.card_sections import (
    bias_section,
    card_of,
    decisions,
    integrity_section,
    licence_header,
    metrics_section,
    model_privacy,
    privacy_section,
    treated,
)
from gensynth.provenance.licence import NOT_RECORDED, spdx_id
from gensynth.provenance.markdown import code, fenced, header, listed, plain, table

COUNTS = ("before", "after", "real", "augmented", "synthetic")
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_SECTIONS = (bias_section, fenced, integrity_section, listed, metrics_section, model_privacy, privacy_section, table)


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
        **licence_header(card),
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
    top = {**licence_header(card), "tags": ["synthetic", "gensynth", model]}
    more = {"name": name, "model": model, "card": card, "counts": counts, "small": small, "config": config}
    return _page("model_card.md.j2", top, facts, **more)


def _page(template: str, top: Mapping[str, str | list[str]], facts: Mapping[str, Any], **more: Any) -> str:
    return _environment().get_template(template).render(top=Markup(header(top)), facts=facts, **more)


@cache
def _environment() -> jinja2.Environment:
    """Templates in which every value is plain text, but for what the functions of Markdown write."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gensynth.provenance"),
        autoescape=True,
        finalize=plain,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {function.__name__: _marked(function) for function in _SECTIONS}
    environment.globals |= {"NOT_RECORDED": NOT_RECORDED, "spdx_id": spdx_id, "decisions": decisions}
    environment.globals |= {"treated": treated, "recorded": _recorded}
    return environment


def _marked(function: Callable[..., str]) -> Callable[..., Markup]:
    return lambda *values: Markup(function(*values))


def _recorded(facts: Mapping[str, Any], key: str) -> Markup:
    """A fact as code; an empty one counts as not recorded."""
    return code(NOT_RECORDED if facts.get(key) in (None, "") else facts[key])
