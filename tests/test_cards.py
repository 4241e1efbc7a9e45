"""Cards parse and tell the truth; the Croissant file names every hash and no place on a disk."""

from __future__ import annotations

import copy
import json
import re

import pytest
import yaml

from gensynth.errors import UsageError
from gensynth.provenance.card import data_card, model_card, plain
from gensynth.provenance.croissant import croissant

FACTS = {
    "name": "flowers: a 'test' # set",
    "classes": {
        "rose": {"before": 40, "after": 40, "real": 40, "augmented": 0, "synthetic": 0},
        "a|b <script>": {"before": 12, "after": 40, "real": 12, "augmented": 3, "synthetic": 25},
    },
    "verdict": {"answer": "helps", "sentence": "Use the synthetic rows: they add 0.02."},
    "source_sha256": "a" * 64,
    "generator_sha256": "b" * 64,
    "model": "cvae",
    "seed": 0,
    "version": "0.1.0",
    "samplers": {"rose": "none", "a|b <script>": "generator"},
    "config": {"latent": 16, "note": "``` ends nothing"},
    "train_counts": {"rose": 40, "a|b <script>": 12},
    "samples_seen": 51200,
}
FILES = [
    {"name": name, "sha256": f"{i:064x}", "bytes": 10 * i}
    for i, name in enumerate(
        ["train/metadata.csv", "val/metadata.csv", "train/rose/1.png", "train/rose/2.png", "ledger.csv", "README.md"]
    )
]
SPLITS = {"train": 80, "val": 5, "test": 10}


def header(card: str) -> dict:
    start, text, _ = card.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(text)


def test_data_card_header_parses_and_claims_no_licence() -> None:
    facts = header(data_card(FACTS))
    assert facts["annotations_creators"] == ["machine-generated"]
    assert {"synthetic", "gensynth"} <= set(facts["tags"])
    assert facts["license"] == "unknown"
    assert facts["pretty_name"] == FACTS["name"] + ", balanced"
    assert facts["size_categories"] == ["n<1K"]


def test_data_card_tells_counts_sampler_verdict_and_removal() -> None:
    card = data_card(FACTS)
    assert "| a\\|b &lt;script&gt; | 12 | 40 | 12 | 3 | 25 |" in card
    assert "| a\\|b &lt;script&gt; | generator |" in card
    assert FACTS["verdict"]["sentence"] in card
    assert 'rows["source"] == "real"' in card
    assert "gensynth_source" in card
    assert "a" * 64 in card
    assert "b" * 64 in card
    assert "52 real rows before, 80 rows after, of which 25 are synthetic and 3 are augmented" in card


def test_cards_never_let_a_name_become_markup() -> None:
    for card in (data_card(FACTS), model_card(FACTS)):
        assert "<script>" not in card


@pytest.mark.parametrize("name", ["no", "null", "a: b", "# c", "*x", "line\nbreak", '"', "é", "true"])
def test_header_survives_any_name(name: str) -> None:
    assert header(data_card({**FACTS, "name": name}))["pretty_name"] == f"{name}, balanced"
    assert header(model_card({**FACTS, "model": name}))["tags"][-1] == name


def test_model_card_tells_training_data_budget_and_privacy() -> None:
    card = model_card(FACTS)
    assert header(card)["tags"] == ["synthetic", "gensynth", "cvae"]
    assert "| a\\|b &lt;script&gt; | 12 |" in card
    assert "`51200`" in card
    assert "Differential privacy: none" in card
    assert "fewer than 20 rows, so not to be relied on: a\\|b &lt;script&gt;." in card
    block = re.search(r"```json\n(.*)\n```", card, re.DOTALL)
    assert block is not None
    assert "```" not in block[1]
    assert json.loads(block[1]) == FACTS["config"]


def test_cards_say_what_is_not_recorded() -> None:
    assert "not recorded" in data_card({"name": "x"})
    assert "not measured" in data_card({"name": "x"})
    assert "not recorded" in model_card({"name": "x"})


def test_plain_stays_on_one_line() -> None:
    assert plain("a\n# b") == "a \\# b"


def test_croissant_has_the_required_keys() -> None:
    record = croissant("flowers", FILES, SPLITS, ("rose", "a|b <script>"), FACTS)
    assert record["@type"] == "sc:Dataset"
    assert record["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    for key in (
        "@context",
        "name",
        "description",
        "distribution",
        "recordSet",
        "rai:dataLimitations",
        "rai:dataBiases",
        "rai:syntheticDataExplanation",
    ):
        assert record[key]
    assert record["rai:hasSyntheticData"] is True
    assert record["prov:wasDerivedFrom"]["sha256"] == "a" * 64
    assert "b" * 64 in json.dumps(record["prov:wasGeneratedBy"])


def test_croissant_hashes_every_table_and_groups_images() -> None:
    record = croissant("flowers", FILES, SPLITS, ("rose",), FACTS)
    objects = {f["contentUrl"]: f["sha256"] for f in record["distribution"] if f["@type"] == "cr:FileObject"}
    assert objects == {f["name"]: f["sha256"] for f in FILES if not f["name"].endswith(".png")}
    sets = [f["includes"] for f in record["distribution"] if f["@type"] == "cr:FileSet"]
    assert sets == ["train/*/*.png"]


def test_croissant_describes_rows_of_images_and_tables() -> None:
    fields = {
        r["@id"]: {f["name"]: f["source"]["extract"]["column"] for f in r["field"] if "source" in f}
        for r in croissant("flowers", FILES, SPLITS, ("rose",), FACTS)["recordSet"]
    }
    assert fields["train-rows"] == {"file_name": "file_name", "label": "label", "source": "source"}
    files = [{"name": "train.parquet", "sha256": "c" * 64, "bytes": 1}]
    table = croissant("t", files, SPLITS, ("rose",), {**FACTS, "label_column": "y"})["recordSet"][-1]
    columns = {f["name"]: f["source"]["extract"]["column"] for f in table["field"]}
    assert columns == {"label": "y", "source": "gensynth_source"}


def test_croissant_points_only_at_things_it_defines() -> None:
    record = croissant("flowers", FILES, SPLITS, ("rose",), FACTS)
    defined = {f["@id"] for f in record["distribution"]} | {r["@id"] for r in record["recordSet"]}
    defined |= {f["@id"] for r in record["recordSet"] for f in r["field"]}
    text = json.dumps({key: value for key, value in record.items() if key != "@context"})
    assert set(re.findall(r'\{"@id": "([^"]+)"\}', text)) <= defined


def test_croissant_is_the_same_for_any_order_of_files() -> None:
    one = croissant("flowers", FILES, SPLITS, ("rose",), FACTS)
    two = croissant("flowers", FILES[::-1], SPLITS, ("rose",), copy.deepcopy(FACTS))
    assert json.dumps(one) == json.dumps(two)


@pytest.mark.parametrize("name", ["/home/me/train.csv", "../train.csv", "C:/train.csv", "a\\b.csv"])
def test_croissant_refuses_a_file_outside_the_folder(name: str) -> None:
    with pytest.raises(UsageError, match="relative"):
        croissant("x", [{"name": name, "sha256": "c" * 64, "bytes": 1}], SPLITS, ("rose",), FACTS)
