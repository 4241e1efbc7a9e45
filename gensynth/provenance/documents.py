"""All documents of a data set from one set of facts, as file names and texts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gensynth.provenance import prov, source_card
from gensynth.provenance.card import data_card, decisions
from gensynth.provenance.croissant import croissant
from gensynth.provenance.licence import NOT_RECORDED
from gensynth.provenance.source_card import card_of


def documents(
    facts: Mapping[str, Any], files: Sequence[Mapping[str, Any]], splits: Mapping[str, int], classes: tuple[str, ...]
) -> dict[str, str]:
    """README.md, croissant.json, provenance.prov.json and, where somebody wrote one, source_card.json.

    facts    as `data_card` reads them; `filters` of report.json and `split_sha256` tell the run's graph more
    files    {"name", "sha256", "bytes"} of every file that lies in the data set already
    splits   rows per split
    """
    name = str(facts.get("name", "data set"))
    texts = {
        "README.md": data_card(facts),
        "croissant.json": _json(croissant(name, files, splits, classes, facts)),
        prov.FILE: _json(prov.prov_json(_run(facts, files, splits))),
    }
    card = facts.get("source_card")
    return texts | ({source_card.FILE: _json(card)} if card else {})


def _run(facts: Mapping[str, Any], files: Sequence[Mapping[str, Any]], splits: Mapping[str, int]) -> dict[str, Any]:
    """The facts of the run's graph: real rows of each split, and the counts of a review."""
    real = sum(int(counts.get("before", 0)) for counts in facts.get("classes", {}).values())
    licence = card_of(facts).licence
    return {
        **facts,
        "licence": "" if licence == NOT_RECORDED else licence,
        "splits": {**splits, "train": real},
        "files": files,
        "reviewed": decisions(facts.get("review")),
    }


def _json(facts: object) -> str:
    return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
