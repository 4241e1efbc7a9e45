"""What a look at the data says of each kind of rows: facts of explore.json, and numbers of what was found."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np

from gensynth.data.columns import Column, cells_of
from gensynth.data.source import Source

_SHOWN = 100  # constant images


def image_facts(source: Source) -> tuple[dict[str, Any], dict[str, int]]:
    """Size of the images and which are one flat colour; how many those are."""
    x, fields = source.data.x, source.data.schema.fields
    constant = np.flatnonzero((x == x[:, :, :1, :1]).all(axis=(1, 2, 3)))
    image = {name: int(fields[name]) for name in ("height", "width", "channels")} | {"resized": source.resized}
    facts = {"image": image, "constant_images": source.data.ids[constant[:_SHOWN]].tolist()}
    return facts, {"constant_images": len(constant)}


def table_facts(source: Source) -> tuple[dict[str, Any], dict[str, int]]:
    """Kind, missing share, categories or range of every column; how many cells are missing."""
    columns = [Column.from_json(facts) for facts in source.data.schema.fields["columns"]]
    modelled = [c for c in columns if c.modelled]
    missing = dict(zip([c.name for c in modelled], np.isnan(source.data.x).mean(axis=0).tolist(), strict=True))
    table = {}
    for c in columns:
        facts: dict[str, Any] = {"kind": c.kind} | dict(source.readings.get(c.name, {}))
        if c.modelled:
            facts["missing"] = round(missing[c.name], 6)
        if c.discrete:
            facts["levels"] = len(c.categories)
        elif c.kind == "numeric":
            facts |= {"low": c.low, "high": c.high, "integer": c.integer}
        if c.kind in ("numeric", "datetime"):
            facts |= {"written": _written(c), "misfits": c.misfits}
        table[c.name] = facts
    return {"columns": table}, {"missing_cells": int(np.isnan(source.data.x).sum())}


def _written(column: Column) -> list[str]:
    """The smallest and the largest value as the column writes them, and a date's format."""
    ends = cells_of(column, np.array([column.low, column.high])).tolist()
    return [*ends, column.format] if column.format else ends


def text_facts(source: Source) -> tuple[dict[str, Any], dict[str, int]]:
    """Lengths, vocabulary, and how many texts equal another one but for case and space."""
    x = source.data.x.tolist()
    words = [re.findall(r"\w+", text.casefold()) for text in x]
    occurring = Counter(word for one in words for word in one)
    folded = Counter(" ".join(text.casefold().split()) for text in x)
    alike = sum(folded.values()) - len(folded)
    text = {
        "characters": _spread([len(one) for one in x]),
        "words": _spread([len(one) for one in words]),
        "vocabulary": len(occurring),
        "words_once": sum(count == 1 for count in occurring.values()),
        "not_ascii": sum(not one.isascii() for one in x),
    }
    return {"text": text}, {"alike": alike}


def audio_facts(source: Source) -> tuple[dict[str, Any], dict[str, int]]:
    """Rate, length of what sounds, loudness; how many recordings reach full scale."""
    x, fields = source.data.x, source.data.schema.fields
    rate = fields["sample_rate_hz"]
    peaks = np.abs(x).max(axis=1)
    sounding = x.shape[1] - np.argmax((np.abs(x) > peaks[:, None] / 100)[:, ::-1], axis=1)
    loud = 20 * np.log10(np.maximum(np.sqrt((x.astype(np.float64) ** 2).mean(axis=1)), 1e-6))
    audio = {
        "sample_rate_hz": rate,
        "seconds": round(x.shape[1] / rate, 4),
        "sounding_seconds": _spread((sounding / rate).tolist()),
        "loudness_db": _spread(loud.tolist()),
        "changed_files": source.resized,
    }
    return {"audio": audio}, {"full_scale": int((peaks >= 0.9999).sum())}


def _spread(values: list[float]) -> dict[str, float]:
    low, middle, high = np.quantile(np.asarray(values, float), [0, 0.5, 1]).tolist()
    return {"least": round(low, 4), "median": round(middle, 4), "most": round(high, 4)}
