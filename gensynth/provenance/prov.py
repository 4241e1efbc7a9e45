"""The run as a W3C PROV document in PROV-JSON: entities, activities, agents and how they depend on each other.

Sources: PROV-DM (W3C Recommendation, 2013), PROV-JSON (W3C Member Submission, 2013). Equal runs give equal documents:
there are no times, places or names of machines and people in it; whoever reviewed is "a person".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gensynth.balancing.mark import NAMESPACE
from gensynth.data.table_names import SUFFIXES

FILE = "provenance.prov.json"
Document = dict[str, dict[str, Any]]


def prov_json(facts: Mapping[str, Any]) -> Document:
    """The document of one `balance` or `merge`; what is not among the facts leaves no node.

    name, version, seed, source_sha256, model        as in the data card; generator_sha256: "" without a generator
    splits     {"train": real rows, "val": rows, "test": rows}; split_sha256: of run/split.csv
    filters    {class: {"drawn", "accepted", "rejected_...": numbers}}, as in report.json
    files      [{"name", "sha256", ...}] of the data set; ledger.csv and the train table stand for its rows
    reviewed   {verdict: number of rows} of a person's review; empty where nobody looked
    licence    of the source
    """
    graph = _Graph(_run_name(facts), software_of(facts))
    _source_and_splits(graph, facts)
    drawn_by = ["train-rows", *_generator(graph, facts)]
    graph.activity("sample", {"seed": facts.get("seed"), "sampler": facts.get("model")}, used=drawn_by)
    graph.entity("raw-rows", {"rows": _total(facts, "drawn")}, by="sample", derived=drawn_by)
    accepted = _filtered(graph, facts)
    parts = ["train-rows", accepted, "val-rows", "test-rows"]
    if filled := _total(facts, "filled_by_fallback"):
        graph.entity("fallback-rows", {"rows": filled}, by="sample", derived=["train-rows"])
        parts.append("fallback-rows")
    graph.activity("merge", {}, used=parts)
    graph.entity("dataset", _dataset(facts), by="merge", derived=parts)
    graph.activity("evaluate", {}, used=["dataset", "val-rows", "test-rows"])
    graph.entity("report", {}, by="evaluate", derived=["dataset"])
    return graph.document


def software_of(facts: Mapping[str, Any]) -> str:
    return f"gensynth {facts.get('version', 'of unknown version')}"


def _run_name(facts: Mapping[str, Any]) -> str:
    """A name for the run from what went into it, so that documents of several runs can be laid together."""
    parts = [facts.get(key, "") for key in ("source_sha256", "generator_sha256", "model", "seed")]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


class _Graph:
    """A document under construction; every activity is the program's, under the name of its version."""

    def __init__(self, run: str, software: str) -> None:
        self.document: Document = {
            "prefix": {"gs": NAMESPACE, "run": f"{NAMESPACE}run:{run}:"},
            "entity": {},
            "activity": {},
            "agent": {"run:software": {"prov:type": _name("prov:SoftwareAgent"), "prov:label": software}},
        }

    def entity(self, name: str, facts: Mapping[str, Any], by: str = "", derived: Sequence[str] = ()) -> None:
        """A thing, generated `by` an activity and derived from other things."""
        self.document["entity"][f"run:{name}"] = {"prov:label": name.replace("-", " "), **_attributes(facts)}
        if by:
            self._relate("wasGeneratedBy", entity=name, activity=by)
        for other in derived:
            self._relate("wasDerivedFrom", generatedEntity=name, usedEntity=other)

    def activity(self, name: str, facts: Mapping[str, Any], used: Iterable[str]) -> None:
        self.document["activity"][f"run:{name}"] = {"prov:label": name, **_attributes(facts)}
        for thing in used:
            self._relate("used", activity=name, entity=thing)
        self._relate("wasAssociatedWith", activity=name, agent="software")

    def person(self, activity: str) -> None:
        """Somebody, unnamed, took part in an activity."""
        self.document["agent"]["run:person"] = {"prov:type": _name("prov:Person"), "prov:label": "a person"}
        self._relate("wasAssociatedWith", activity=activity, agent="person")

    def _relate(self, relation: str, **ends: str) -> None:
        edges = self.document.setdefault(relation, {})
        edges[f"_:{relation}{len(edges)}"] = {f"prov:{role}": f"run:{name}" for role, name in ends.items()}


def _name(term: str) -> dict[str, str]:
    return {"$": term, "type": "prov:QUALIFIED_NAME"}


def _attributes(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {f"gs:{key}": value for key, value in facts.items() if value not in (None, "")}


def _source_and_splits(graph: _Graph, facts: Mapping[str, Any]) -> None:
    source = {"name": facts.get("name"), "sha256": facts.get("source_sha256"), "licence": facts.get("licence")}
    graph.entity("source", source)
    graph.activity("explore", {}, used=["source"])
    graph.entity("explored", {}, by="explore", derived=["source"])
    graph.activity("split", {"seed": facts.get("seed")}, used=["source"])
    splits = facts.get("splits") or {}
    for split in ("train", "val", "test"):
        rows = {"rows": splits.get(split), "membership_sha256": facts.get("split_sha256")}
        graph.entity(f"{split}-rows", rows, by="split", derived=["source"])


def _generator(graph: _Graph, facts: Mapping[str, Any]) -> list[str]:
    """The trained bundle, where rows came from one."""
    if not facts.get("generator_sha256"):
        return []
    graph.activity("train", {"seed": facts.get("seed"), "model": facts.get("model")}, used=["train-rows", "val-rows"])
    graph.entity("generator", {"sha256": facts["generator_sha256"]}, by="train", derived=["train-rows"])
    return ["generator"]


def _filtered(graph: _Graph, facts: Mapping[str, Any]) -> str:
    """The accepted rows; a person's review, where there was one, is used by the filter that ends it."""
    reviewed = {name: n for name, n in (facts.get("reviewed") or {}).items() if n}
    used = ["raw-rows"]
    if reviewed:
        graph.activity("review", {}, used=["raw-rows"])
        graph.person("review")
        graph.entity("review-verdicts", reviewed, by="review", derived=["raw-rows"])
        used.append("review-verdicts")
    keys = {key for counts in (facts.get("filters") or {}).values() for key in counts}
    rejected = sorted(key for key in keys if key.startswith("rejected"))
    graph.activity("filter", {key: _total(facts, key) for key in rejected}, used=used)
    graph.entity("accepted-rows", {"rows": _total(facts, "accepted")}, by="filter", derived=["raw-rows"])
    return "accepted-rows"


def _total(facts: Mapping[str, Any], key: str) -> int:
    return sum(int(counts.get(key, 0)) for counts in (facts.get("filters") or {}).values())


def _dataset(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Hashes that stand for all rows: the ledger's, which holds one of every row, and the train table's."""
    hashes = {file["name"]: file["sha256"] for file in facts.get("files") or ()}
    names = ("ledger.csv", *(f"train{suffix}" for suffix in SUFFIXES), "train/metadata.csv")
    return {name.replace(".", "_").replace("/", "_") + "_sha256": hashes[name] for name in names if name in hashes}
