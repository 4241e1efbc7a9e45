"""Cards for people: what a balanced data set and a generator are, where they come from, what they are not for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gensynth.provenance.card_sections import (
    bias_section,
    card_of,
    done_section,
    dp_sentence,
    integrity_section,
    licence_header,
    licence_section,
    marks_section,
    metrics_section,
    privacy_section,
    review_section,
    source_section,
    use_section,
)
from gensynth.provenance.licence import NOT_RECORDED
from gensynth.provenance.markdown import bullets, code, fenced, header, plain, table

COUNTS = ("before", "after", "real", "augmented", "synthetic")
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def data_card(facts: Mapping[str, Any]) -> str:
    """Text of the data set's README.md: a Hugging Face dataset-card header in YAML, then Markdown.

    Reads name, classes {name: counts}, verdict, samplers {class: sampler}, model, seed, version, source_sha256 and
    generator_sha256; source_card (SourceCard.to_json); the parts fidelity, utility, bias, privacy, integrity and
    review of report.json; deidentified, quarantined, duplicates, resized and notes. What is missing is called
    "not recorded".
    """
    name, card = str(facts.get("name", "data set")), card_of(facts)
    classes = facts.get("classes", {})
    total = sum(int(counts.get("after", 0)) for counts in classes.values())
    top = header(
        {
            "annotations_creators": ["machine-generated"],
            **licence_header(card),
            "pretty_name": f"{name}, balanced",
            "size_categories": [_size(total)],
            "tags": ["synthetic", "gensynth"],
        }
    )
    sections = {
        "Source": source_section(card),
        "Rows per class": _counts_table(classes),
        "How the synthetic rows were made": _making(facts),
        "What was done to the source": done_section(facts),
        "How to remove the added rows": REMOVING,
        "Scores": metrics_section(facts),
        "Who is in it": bias_section(facts.get("bias")),
        "Privacy": privacy_section(facts.get("privacy")),
        "Integrity of labels": integrity_section(facts.get("integrity")),
        "Who looked": review_section(facts.get("review")),
        "Intended use": use_section(card, DATA_USE),
        "Limits": _limits(DATA_LIMITS, card.limits),
        "Licence": licence_section(card),
        "Marks": marks_section(),
        "Provenance": _provenance(facts),
    }
    summary = [f"# {plain(name)}, balanced", _data_summary(classes), _verdict(facts.get("verdict", {}))]
    return _page([top, *summary], sections)


def model_card(facts: Mapping[str, Any]) -> str:
    """Text of the generator's README.md: a Hugging Face model-card header in YAML, then Markdown.

    Reads name, model, train_counts {class: n}, samples_seen, config, seed, version and source_sha256; source_card;
    privacy and dp, fidelity, utility and deidentified where they are known when the generator is written.
    """
    model, name, card = str(facts.get("model", "generator")), str(facts.get("name", "data set")), card_of(facts)
    counts = facts.get("train_counts", {})
    top = header({**licence_header(card), "tags": ["synthetic", "gensynth", model]})
    summary = (
        f"A {plain(model)} generator, trained by gensynth on the training rows of **{plain(name)}**. Its only input is "
        "a class and a seed: the class is a condition, so every row drawn carries the label that was asked for."
    )
    sections = {
        "Source": source_section(card),
        "Training data": _training_table(counts),
        "What was done to the source": done_section(facts),
        "Training": _training_facts(facts),
        "Sampling range": _sampling_range(counts),
        "Scores": metrics_section(facts) if facts.get("fidelity") or facts.get("utility") else SCORED_LATER,
        "Privacy": _model_privacy(facts),
        "Intended use": use_section(card, MODEL_USE),
        "Limits": _limits(MODEL_LIMITS, card.limits),
        "Licence": licence_section(card),
        "Configuration": fenced(_json(facts.get("config", {})), "json"),
    }
    return _page([top, f"# {plain(model)} for {plain(name)}", summary], sections)


DATA_USE = (
    "Training classifiers on classes that are rare in the source. Only the training split holds added rows; validation "
    "and test hold real rows only, and scores should be measured there."
)
DATA_LIMITS = """\
- Synthetic rows repeat what the generator learned from the real training rows, with their gaps, errors and bias;
  they are no new observations and must not be counted as evidence about the world.
- Rare classes were learned from few rows; their synthetic rows show less variety than real ones would.
- The verdict holds for this split, these learners and these metrics. Check again for another task.
- Synthetic does not mean anonymous: a row may lie close to a real person's or object's record (see Privacy)."""
REMOVING = """\
Every training row says where it comes from: `real`, `augmented` or `synthetic`. The column is `source` in
`train/metadata.csv` of an image set and `gensynth_source` in a table. Keep the rows that say `real` and the source rows
are back:

```python
import pandas as pd

rows = pd.read_csv("train/metadata.csv")
real = rows[rows["source"] == "real"]
```"""
WEIGHTS = (
    "Weights can give away whether a row was in the training data. Unless a valid guarantee stands above, treat this "
    "folder as you would treat the data."
)
SCORED_LATER = "Scores of what it draws stand in the report and the card of the data set it was drawn for."
MODEL_USE = "Drawing rows of named classes to balance a training set, together with a check whether they help."
MODEL_LIMITS = """\
- Not for evaluation: never score a classifier on generated rows alone.
- It cannot draw a class it has not seen, nor kinds of rows that the training split lacks.
- Equal seeds give equal bytes on the same machine and versions only."""


def _json(config: object) -> str:
    return json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False)


def _page(top: list[str], sections: Mapping[str, str]) -> str:
    parts = [part for title, text in sections.items() for part in (f"## {title}", text)]
    return "\n\n".join([*top, *parts]) + "\n"


def _limits(own: str, stated: tuple[str, ...]) -> str:
    return f"{own}\n{bullets(stated)}" if stated else own


def _model_privacy(facts: Mapping[str, Any]) -> str:
    """The guarantee alone while nothing has been attacked yet."""
    privacy = facts.get("privacy") or {}
    dp = privacy.get("dp") or facts.get("dp")
    if set(privacy) - {"dp"}:
        return f"{privacy_section({**privacy, 'dp': dp})}\n\n{WEIGHTS}"
    return f"{dp_sentence(dp)}\n\n{WEIGHTS}"


def _data_summary(classes: Mapping[str, Mapping[str, int]]) -> str:
    sums = {c: sum(int(counts.get(c, 0)) for counts in classes.values()) for c in COUNTS}
    return (
        f"A labelled data set of {len(classes)} classes whose training split was balanced by gensynth: "
        f"{sums['before']} real rows before, {sums['after']} rows after, of which {sums['synthetic']} are synthetic "
        f"and {sums['augmented']} are augmented copies of real rows. No real row was dropped."
    )


def _verdict(verdict: Mapping[str, Any]) -> str:
    sentence = str(verdict.get("sentence") or "Whether the added rows help a classifier was not measured.")
    return f"**Does it help?** {plain(sentence)}"


def _counts_table(classes: Mapping[str, Mapping[str, int]]) -> str:
    rows = [[plain(name), *(str(counts.get(c, 0)) for c in COUNTS)] for name, counts in classes.items()]
    return table(["class", *COUNTS], rows)


def _making(facts: Mapping[str, Any]) -> str:
    samplers = facts.get("samplers", {})
    text = (
        f"Model: {plain(facts.get('model', NOT_RECORDED))}. It saw training rows only. `ledger.csv` names sampler, "
        "seed and index of every row."
    )
    rows = [[plain(name), plain(sampler)] for name, sampler in samplers.items()]
    return f"{text}\n\n{table(['class', 'sampler'], rows)}" if rows else text


def _provenance(facts: Mapping[str, Any]) -> str:
    names = {
        "source_sha256": "source data, sha256",
        "generator_sha256": "generator, sha256",
        "seed": "seed",
        "version": "gensynth version",
    }
    lines = _values(facts, names)
    return "\n".join(
        [
            *lines,
            "- every file: `manifest.json`; every row: `ledger.csv`; the run: `provenance.prov.json` (W3C PROV); "
            "machine-readable card: `croissant.json`",
        ]
    )


def _values(facts: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """A line for each of the facts called `names`; an empty one counts as not recorded."""
    found = {label: facts.get(key) for key, label in names.items()}
    return [f"- {label}: {code(NOT_RECORDED if value in (None, '') else value)}" for label, value in found.items()]


def _training_table(counts: Mapping[str, int]) -> str:
    return table(["class", "real training rows"], [[plain(name), str(n)] for name, n in counts.items()])


def _training_facts(facts: Mapping[str, Any]) -> str:
    names = {
        "source_sha256": "source data, sha256",
        "samples_seen": "training budget, samples seen",
        "latent_nats": "information in the latent at the end of training, nats a row (0: it is not used)",
        "seed": "seed",
        "version": "gensynth version",
    }
    return "\n".join(_values(facts, names))


def _sampling_range(counts: Mapping[str, int]) -> str:
    small = [name for name, n in counts.items() if int(n) < 20]
    text = (
        "Any number of rows of every class it was trained on, index 0 to 4,294,967,295 per class and seed. The more "
        "rows are drawn per real row, the more they repeat each other."
    )
    if not small:
        return text
    return f"{text} Learned from fewer than 20 rows, so not to be relied on: {', '.join(map(plain, small))}."


def _size(rows: int) -> str:
    return next((name for limit, name in SIZES if rows < limit), "n>1M")
