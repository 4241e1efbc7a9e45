"""Cards for people: what a balanced data set and a generator are, where they come from, what they are not for."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

COUNTS = ("before", "after", "real", "augmented", "synthetic")
UNKNOWN = "not recorded"
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def data_card(facts: Mapping[str, Any]) -> str:
    """Text of the data set's README.md: a Hugging Face dataset-card header in YAML, then Markdown.

    Reads name, classes {name: counts}, verdict, samplers {class: sampler}, model, seed, version, source_sha256 and
    generator_sha256; what is missing is called "not recorded".
    """
    name = str(facts.get("name", "data set"))
    classes = facts.get("classes", {})
    total = sum(int(counts.get("after", 0)) for counts in classes.values())
    header = _header(
        [
            ("annotations_creators", ["machine-generated"]),
            ("license", "unknown"),
            ("pretty_name", f"{name}, balanced"),
            ("size_categories", [_size(total)]),
            ("tags", ["synthetic", "gensynth"]),
        ]
    )
    return (
        "\n\n".join(
            [
                header,
                f"# {plain(name)}, balanced",
                _data_summary(classes),
                _verdict(facts.get("verdict", {})),
                "## Rows per class",
                _counts_table(classes),
                "## How the synthetic rows were made",
                _making(facts),
                "## How to remove them",
                _removing(),
                "## Intended use",
                DATA_USE,
                "## Limits",
                DATA_LIMITS,
                "## Licence",
                LICENCE,
                "## Provenance",
                _provenance(facts),
            ]
        )
        + "\n"
    )


def model_card(facts: Mapping[str, Any]) -> str:
    """Text of the generator's README.md: a Hugging Face model-card header in YAML, then Markdown.

    Reads name, model, train_counts {class: n}, samples_seen, config, seed, version and source_sha256.
    """
    model, name = str(facts.get("model", "generator")), str(facts.get("name", "data set"))
    counts = facts.get("train_counts", {})
    header = _header([("license", "unknown"), ("tags", ["synthetic", "gensynth", model])])
    summary = (
        f"A {plain(model)} generator, trained by gensynth on the training rows of **{plain(name)}**. Its only input is "
        "a class and a seed: the class is a condition, so every row drawn carries the label that was asked for."
    )
    return (
        "\n\n".join(
            [
                header,
                f"# {plain(model)} for {plain(name)}",
                summary,
                "## Training data",
                _training_table(counts),
                "## Training",
                _training_facts(facts),
                "## Sampling range",
                _sampling_range(counts),
                "## Privacy",
                MODEL_PRIVACY,
                "## Intended use",
                MODEL_USE,
                "## Limits",
                MODEL_LIMITS,
                "## Licence",
                LICENCE,
                "## Configuration",
                f"```json\n{_json_block(facts.get('config', {}))}\n```",
            ]
        )
        + "\n"
    )


def plain(text: object) -> str:
    """Text that Markdown and HTML show as it is, on one line.

    >>> print(plain("<b>a|b_c"))
    &lt;b&gt;a\\|b\\_c
    """
    escaped = html.escape(" ".join(str(text).split()), quote=False)
    return re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", escaped)


DATA_USE = (
    "Training classifiers on classes that are rare in the source. Only the training split holds added rows; validation "
    "and test hold real rows only, and scores should be measured there."
)
DATA_LIMITS = """\
- Synthetic rows repeat what the generator learned from the real training rows, with their gaps, errors and bias;
  they are no new observations and must not be counted as evidence about the world.
- Rare classes were learned from few rows; their synthetic rows show less variety than real ones would.
- The verdict holds for this split, these learners and these metrics. Check again for another task.
- Synthetic does not mean anonymous: a row may lie close to a real person's or object's record. No differential privacy
  was used."""
LICENCE = (
    "Unknown: gensynth makes no licence claim. The terms of the source data hold for the real rows and may hold for "
    "rows derived from them; settle them before sharing."
)
MODEL_PRIVACY = (
    "Differential privacy: none. Weights can give away whether a row was in the training data; treat this folder as "
    "you would treat the data."
)
MODEL_USE = "Drawing rows of named classes to balance a training set, together with a check whether they help."
MODEL_LIMITS = """\
- Not for evaluation: never score a classifier on generated rows alone.
- It cannot draw a class it has not seen, nor kinds of rows that the training split lacks.
- Equal seeds give equal bytes on the same machine and versions only."""


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
    return _table(["class", *COUNTS], rows)


def _making(facts: Mapping[str, Any]) -> str:
    samplers = facts.get("samplers", {})
    text = (
        f"Model: {plain(facts.get('model', UNKNOWN))}. It saw training rows only. `ledger.csv` names sampler, seed and "
        "index of every row."
    )
    rows = [[plain(name), plain(sampler)] for name, sampler in samplers.items()]
    return f"{text}\n\n{_table(['class', 'sampler'], rows)}" if rows else text


def _removing() -> str:
    return """\
Every training row says where it comes from: `real`, `augmented` or `synthetic`. The column is `source` in
`train/metadata.csv` of an image set and `gensynth_source` in a table. Keep the rows that say `real` and the source rows
are back:

```python
import pandas as pd

rows = pd.read_csv("train/metadata.csv")
real = rows[rows["source"] == "real"]
```"""


def _provenance(facts: Mapping[str, Any]) -> str:
    names = {
        "source_sha256": "source data, sha256",
        "generator_sha256": "generator, sha256",
        "seed": "seed",
        "version": "gensynth version",
    }
    lines = [f"- {label}: {_code(facts.get(key, UNKNOWN))}" for key, label in names.items()]
    return "\n".join([*lines, "- every file: `manifest.json`; every row: `ledger.csv`"])


def _training_table(counts: Mapping[str, int]) -> str:
    return _table(["class", "real training rows"], [[plain(name), str(n)] for name, n in counts.items()])


def _training_facts(facts: Mapping[str, Any]) -> str:
    names = {
        "source_sha256": "source data, sha256",
        "samples_seen": "training budget, samples seen",
        "latent_nats": "information in the latent at the end of training, nats a row (0: it is not used)",
        "seed": "seed",
        "version": "gensynth version",
    }
    return "\n".join(f"- {label}: {_code(facts.get(key, UNKNOWN))}" for key, label in names.items())


def _sampling_range(counts: Mapping[str, int]) -> str:
    small = [name for name, n in counts.items() if int(n) < 20]
    text = (
        f"Any number of rows of the {len(counts)} classes above, index 0 to 4,294,967,295 per class and seed. The more "
        "rows are drawn per real row, the more they repeat each other."
    )
    if not small:
        return text
    return f"{text} Learned from fewer than 20 rows, so not to be relied on: {', '.join(map(plain, small))}."


def _size(rows: int) -> str:
    return next((name for limit, name in SIZES if rows < limit), "n>1M")


def _header(entries: Sequence[tuple[str, str | list[str]]]) -> str:
    """YAML between `---` lines; JSON strings are YAML strings, so any name is safe."""
    lines = ["---"]
    for key, value in entries:
        if isinstance(value, list):
            lines += [f"{key}:", *(f"- {_scalar(item)}" for item in value)]
        else:
            lines.append(f"{key}: {_scalar(value)}")
    return "\n".join([*lines, "---"])


def _scalar(text: str) -> str:
    safe = re.fullmatch(r"[a-z][a-z_-]*", text) and text not in (
        "null",
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
    )
    return text if safe else json.dumps(text)


def _code(value: object) -> str:
    return f"`{' '.join(str(value).split()).replace('`', '')}`"


def _json_block(config: object) -> str:
    """JSON that cannot close its own code fence."""
    return json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False).replace("```", "\\u0060\\u0060\\u0060")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return f"{UNKNOWN.capitalize()}."
    rule = ["---:" if all(cell.isdigit() for cell in column) else "---" for column in zip(*rows, strict=True)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])
