"""Documents of a data set as the export writes it: Croissant and PROV by their own readers, no trace of a machine."""

from __future__ import annotations

import getpass
import json
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import stripes

from gensynth.balancing.export import Provenance, row_names, write_dataset
from gensynth.balancing.table_export import write_table_dataset
from gensynth.data.conditions import Conditions
from gensynth.data.table_source import read_frame
from gensynth.files import manifest_of
from gensynth.provenance.card import model_card
from gensynth.provenance.croissant_rai import responsible_ai
from gensynth.provenance.documents import documents
from gensynth.provenance.prov import prov_json
from gensynth.provenance.source_card import SourceCard, find_source_card
from gensynth.types import LabelledData

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:(rdflib|mlcroissant|ply|jsonpath_rw).*")
SHA = "b" * 64
STRANGE = ("plain", 'a|b "c" <d>', "é: {x} # *y*", "null")
CARD = SourceCard(
    title="Bands",
    source="https://example.org/bands",
    licence="CC-BY-4.0",
    consent="none needed",
    contains_people=False,
    not_for=("diagnosis",),
    citation="@misc{bands}",
    published="2026-01-31",
)
# https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html, table "RAI property information"
RAI_1_0 = {
    *("dataCollection", "dataCollectionType", "dataCollectionMissingData", "dataCollectionRawData"),
    *("dataCollectionTimeframe", "dataImputationProtocol", "dataManipulationProtocol", "dataPreprocessingProtocol"),
    *("dataAnnotationProtocol", "dataAnnotationPlatform", "dataAnnotationAnalysis", "dataReleaseMaintenancePlan"),
    *("personalSensitiveInformation", "dataSocialImpact", "dataBiases", "dataLimitations", "dataUseCases"),
    *("annotationsPerItem", "annotatorDemographics", "machineAnnotationTools"),
}


def facts_of(data: LabelledData, card: SourceCard | None, **more: object) -> dict:
    classes = {name: {"before": 6, "after": 7, "real": 6, "synthetic": 1} for name in data.schema.classes}
    return {
        "name": 'set "x" | <y>',
        "classes": classes,
        "verdict": {},
        "samplers": dict.fromkeys(classes, "cvae"),
        "model": "cvae",
        "seed": 0,
        "version": "0.1.0",
        "source_sha256": "a" * 64,
        "generator_sha256": SHA,
        "filters": {c: {"asked": 1, "drawn": 3, "accepted": 1, "rejected_near_copy": 2} for c in classes},
        "review": {"accepted": 2, "rejected": 1, "sentence": "looked"},
        "deidentified": [{"column": "e|mail", "action": "drop", "cells": 3}],
        **({"source_card": card.to_json()} if card else {}),
        **more,
    }


def with_synthetic(data: LabelledData) -> LabelledData:
    """Real rows and one synthetic row a class."""
    first = [int(np.flatnonzero(data.y == k)[0]) for k in range(len(data.schema.classes))]
    name_row = row_names(Conditions.of_schema(data.schema), 0)
    synthetic = replace(
        data[np.array(first)],
        ids=np.array([name_row(name, "cvae", i) for i, name in enumerate(data.schema.classes)]),
        origin=np.full(len(first), "synthetic"),
    )
    parts = []
    for rows, sampler in ((data, ""), (synthetic, "cvae")):
        texts = {"sampler": sampler, "params": "", "filters": ""}
        groups = {name: np.full(len(rows), text) for name, text in texts.items()} | {"index": np.zeros(len(rows), int)}
        parts.append(replace(rows, groups=groups))
    return LabelledData.concat(parts)


def writer(facts: dict, splits: dict[str, LabelledData]) -> Callable[[Path], dict[str, str]]:
    sizes = {split: len(rows) for split, rows in splits.items()}

    def write(folder: Path) -> dict[str, str]:
        files = [{"name": name, **entry} for name, entry in manifest_of(folder).items()]
        return documents(facts, files, sizes, splits["train"].schema.classes)

    return write


def image_set(folder: Path, card: SourceCard | None = CARD) -> Path:
    data = stripes(6, classes=4)
    data = replace(data, schema=replace(data.schema, classes=STRANGE))
    splits = {"train": with_synthetic(data), "val": data[::6], "test": data[1::6]}
    folder.mkdir()
    write_dataset(folder, splits, {}, Provenance(0, "cvae", SHA, {}), writer(facts_of(data, card), splits))
    return folder


def table_set(folder: Path, kind: str) -> Path:
    frame = pd.DataFrame(
        {
            "v": np.arange(24) / 7,
            "a b|c": ["x", "y"] * 12,
            "count": list(range(6)) * 4,
            "gap": ["NA" if i % 5 == 0 else str(i % 4) for i in range(24)],
            "lab,el": list(STRANGE) * 6,
        }
    )
    frame.loc[3, "v"] = np.nan
    source = read_frame(frame, "lab,el")
    types = {"v": "double", "count": "int64"} if kind == "parquet" else {}
    data = replace(
        source.data, schema=replace(source.data.schema, fields={**source.data.schema.fields, "types": types})
    )
    splits = {"train": with_synthetic(data), "val": data[:4], "test": data[4:8]}
    folder.mkdir()
    facts = facts_of(data, CARD, label_column="lab,el", columns=data.schema.fields["columns"])
    write_table_dataset(folder, splits, source.cells, Provenance(0, "cvae", SHA, {}), writer(facts, splits))
    return folder


@pytest.fixture
def mlc():
    return pytest.importorskip("mlcroissant")


def text(value: object) -> object:
    return value.decode() if isinstance(value, bytes) else value


def test_croissant_of_images_has_neither_errors_nor_warnings(mlc, tmp_path):
    folder = image_set(tmp_path / "set")
    found = mlc.Dataset(jsonld=str(folder / "croissant.json"))
    assert not found.metadata.ctx.issues.errors
    assert not found.metadata.ctx.issues.warnings
    assert [r["classes/name"] for r in found.records("classes")] == list(STRANGE)
    rows = [{k: text(v) for k, v in row.items()} for row in found.records("train-rows")]
    assert len(rows) == 28
    assert [row["train-rows/source"] for row in rows].count("synthetic") == 4
    assert {row["train-rows/label"] for row in rows} >= {'a|b "c" <d>', "é: {x} # *y*"}
    assert all((folder / "train" / row["train-rows/file_name"]).is_file() for row in rows)


def test_croissant_without_a_card_misses_only_what_nobody_stated(mlc, tmp_path):
    found = mlc.Dataset(jsonld=str(image_set(tmp_path / "set", None) / "croissant.json"))
    assert not found.metadata.ctx.issues.errors
    missing = " ".join(found.metadata.ctx.issues.warnings)
    assert sorted(re.findall(r'"https?://[^"]+/(\w+)" is recommended', missing)) == [
        "citeAs",
        "datePublished",
        "license",
    ]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_records_of_a_table_load_from_disk(mlc, tmp_path, kind):
    folder = table_set(tmp_path / "set", kind)
    found = mlc.Dataset(jsonld=str(folder / "croissant.json"))
    assert not found.metadata.ctx.issues.errors
    assert not found.metadata.ctx.issues.warnings
    rows = [{k.split("/")[1]: text(v) for k, v in row.items()} for row in found.records("train-rows")]
    assert len(rows) == 28
    assert rows[1]["column-0"] == pytest.approx(1 / 7)
    assert rows[1]["column-1"] == "y"
    assert rows[5]["column-2"] == 5.0
    assert [row["source"] for row in rows].count("synthetic") == 4
    ledger = [{k: text(v) for k, v in row.items()} for row in found.records("ledger")]
    assert [row["ledger/generator_sha256"] for row in ledger].count(SHA) == 4
    assert [len(row["ledger/content_sha256"]) for row in ledger] == [64] * 28


def test_croissant_maps_the_source_of_a_row_to_prov(tmp_path):
    record = json.loads((table_set(tmp_path / "set", "csv") / "croissant.json").read_text())
    fields = {f["@id"]: f for r in record["recordSet"] for f in r["field"]}
    assert fields["train-rows/source"]["equivalentProperty"] == "prov:wasGeneratedBy"
    assert fields["ledger/parent"]["equivalentProperty"] == "prov:wasDerivedFrom"
    assert record["license"] == "https://spdx.org/licenses/CC-BY-4.0.html"
    assert record["citeAs"] == CARD.citation
    assert record["datePublished"] == "2026-01-31"
    assert {use["name"]: use["text"] for use in record["usageInfo"]} == {
        "consent": "none needed",
        "uses refused": "diagnosis",
    }
    assert [used["sha256"] for used in record["prov:wasGeneratedBy"]["prov:used"]] == ["a" * 64, SHA]


def test_only_properties_of_rai_1_0_are_written():
    data = stripes(6)
    found = responsible_ai(facts_of(data, CARD))
    assert {key.removeprefix("rai:") for key in found} <= RAI_1_0
    single = {"dataCollection", "dataCollectionRawData", "dataManipulationProtocol", "dataSocialImpact"}
    for key, value in found.items():
        assert isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value)), key
        assert key.removeprefix("rai:") not in single or isinstance(value, str)
    assert "Rows are about people: no." in found["rai:personalSensitiveInformation"]
    assert "Refused: diagnosis" in found["rai:dataUseCases"]


def test_licences_that_spdx_lacks_are_named_works():
    facts = facts_of(stripes(6), SourceCard(licence="House rules", licence_url="https://example.org/terms"))
    record = json.loads(documents(facts, [], {"train": 1}, ("a",))["croissant.json"])
    assert record["license"] == {
        "@type": "sc:CreativeWork",
        "name": "House rules",
        "url": "https://example.org/terms",
    }


def test_prov_is_read_back_by_prov_and_whole(tmp_path):
    model = pytest.importorskip("prov.model")
    content = (image_set(tmp_path / "set") / "provenance.prov.json").read_text()
    document = model.ProvDocument.deserialize(content=content, format="json")
    names = {str(r.identifier).split(":", 1)[1] for r in document.get_records() if r.identifier}
    assert names >= {"source", "train-rows", "val-rows", "test-rows", "generator", "raw-rows", "accepted-rows"}
    assert names >= {
        "explore",
        "split",
        "train",
        "sample",
        "filter",
        "review",
        "merge",
        "evaluate",
        "dataset",
        "report",
    }
    edges = [r for r in document.get_records() if not r.is_element()]
    for edge in edges:
        assert {str(value).split(":", 1)[1] for _, value in edge.formal_attributes if value is not None} <= names
    again = model.ProvDocument.deserialize(content=document.serialize(format="json"), format="json")
    assert again == document
    assert len(document.get_records()) == len(set(map(str, document.get_records())))


def test_everything_made_descends_from_the_source(tmp_path):
    graph = json.loads((image_set(tmp_path / "set") / "provenance.prov.json").read_text())
    parents: dict[str, set[str]] = {}
    for edge in graph["wasDerivedFrom"].values():
        parents.setdefault(edge["prov:generatedEntity"], set()).add(edge["prov:usedEntity"])

    def ancestors(name: str) -> set[str]:
        return set().union(*({p} | ancestors(p) for p in parents.get(name, ())), set())

    for name in graph["entity"]:
        assert name == "run:source" or "run:source" in ancestors(name), name
    assert ancestors("run:dataset") >= {"run:generator", "run:accepted-rows", "run:train-rows"}
    assert graph["entity"]["run:raw-rows"]["gs:rows"] == 12
    assert graph["entity"]["run:accepted-rows"]["gs:rows"] == 4
    assert graph["activity"]["run:filter"]["gs:rejected_near_copy"] == 8
    assert graph["entity"]["run:train-rows"]["gs:rows"] == 24
    assert graph["entity"]["run:source"]["gs:licence"] == "CC-BY-4.0"


def test_prov_names_rows_of_the_fallback_beside_those_that_were_accepted():
    filters = {"a": {"drawn": 0, "accepted": 0, "filled_by_fallback": 5}}
    graph = prov_json({"name": "x", "seed": 0, "splits": {}, "filters": filters, "files": []})
    assert graph["entity"]["run:fallback-rows"]["gs:rows"] == 5
    assert graph["entity"]["run:accepted-rows"]["gs:rows"] == 0


def test_prov_without_generator_and_review_names_neither():
    facts = facts_of(stripes(6), None) | {"generator_sha256": "", "review": {}}
    graph = prov_json({**facts, "reviewed": {}})
    assert "run:generator" not in graph["entity"]
    assert "run:train" not in graph["activity"]
    assert set(graph["agent"]) == {"run:software"}
    other = prov_json({**facts, "seed": 1})
    assert other["prefix"]["run"] != graph["prefix"]["run"]


def test_the_card_travels_and_documents_are_the_same_every_time(tmp_path):
    one, two = image_set(tmp_path / "one"), image_set(tmp_path / "two")
    assert manifest_of(one) == manifest_of(two)
    assert find_source_card(one) == CARD
    assert not (image_set(tmp_path / "three", None) / "source_card.json").exists()


def test_no_document_tells_of_the_machine_or_lets_a_name_be_markup(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    for folder in (image_set(tmp_path / "images"), table_set(tmp_path / "table", "csv")):
        texts = {p.name: p.read_text() for p in folder.iterdir() if p.suffix in (".md", ".json")}
        assert set(texts) >= {"README.md", "croissant.json", "provenance.prov.json", "source_card.json"}
        texts["model"] = model_card(facts_of(stripes(6), CARD))
        for name, content in texts.items():
            for canary in (str(tmp_path), str(Path.home()) + "/", "sk-canary"):
                assert canary not in content, (name, canary)
            assert not {socket.gethostname(), getpass.getuser()} & set(re.findall(r"[\w.-]+", content)), name
        card = texts["README.md"]
        assert yaml.safe_load(card.split("---\n", 2)[1])["pretty_name"] == 'set "x" | <y>, balanced'
        assert "<y>" not in card.split("---\n", 2)[2]
        assert "<d>" not in card
