"""Cards parse and tell the truth; the Croissant file names every hash and no place on a disk."""

from __future__ import annotations

import copy
import json
import re

import pytest
import yaml

from gensynth.errors import UsageError
from gensynth.provenance.card import data_card, model_card
from gensynth.provenance.croissant import croissant
from gensynth.provenance.markdown import estimate, fenced, plain
from gensynth.provenance.source_card import SourceCard

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


AUDIT = {
    "favourable": "rose",
    "tables": {
        "sex": {
            "cells": [
                {
                    "class": "rose",
                    "group": "f|<b>",
                    "n": 30,
                    "n_real": 20,
                    "n_augmented": 0,
                    "n_synthetic": 10,
                    "share_of_class": {"value": 0.75, "low": 0.6, "high": 0.9, "n": 40},
                }
            ],
            "disparate_impact": {"value": 0.72, "low": 0.5, "high": 0.95},
        }
    },
    "collect": [{"class": "rose", "group": "m", "text": "12 real rows, fewer than 30: collect data"}],
}
TOLD = {
    "fidelity": {
        "pixels": {
            "kid": {"value": 0.25, "low": 0.125, "high": 0.5, "floor": 1.5, "ceiling": 0.0625, "headline": True},
            "fid": {"value": None, "reason": "not defined: n too small"},
        }
    },
    "utility": [
        {"arm": "synthetic", "learner": "cnn", "metric": "balanced accuracy", "mean": 0.8, "low": 0.75, "high": 0.85},
        {"arm": "synthetic", "learner": "cnn", "metric": "ece", "mean": 0.11, "low": 0.1, "high": 0.12},
    ],
    "bias": {
        "before": AUDIT,
        "after": AUDIT,
        "recall": {"worst": {"without": {"value": 0.4, "low": 0.3, "high": 0.5}, "with": {}, "difference": {}}},
        "gate": {"passed": False, "accepted": True, "reasons": ["cell f fell"]},
    },
    "privacy": {
        "near_copies": {"value": 0.03, "low": 0.02, "high": 0.05, "ceiling": 0.0},
        "membership": [
            {
                "attack": "density ratio",
                "release": "rows",
                "auc": {"value": 0.51, "low": 0.48, "high": 0.54},
                "control": {"auc": {"value": 0.5, "low": 0.47, "high": 0.53}},
            }
        ],
        "threat_model": ["T0: rows only", "T1: rows and model"],
        "dp": {
            "claimed": True,
            "valid": False,
            "epsilon": 1.0,
            "delta": 1e-5,
            "sentence": "(1, 1e-05)-differential privacy was promised and does not hold: "
            "rows were dropped by a classifier.",
        },
    },
    "integrity": {
        "classes": {"rose": {"agreement_before": {"value": 0.9, "low": 0.8, "high": 1.0}, "agreement_after": None}},
        "suspect": {"real": {"classes": {"rose": {"value": 0.05, "low": 0.01, "high": 0.1}}, "count": 2, "n": 40}},
    },
    "review": {"accepted": 12, "rejected": 3},
    "deidentified": [{"column": "e_mail", "action": "drop", "cells": 52}],
    "quarantined": 4,
}


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
    evil = "<script>x</script> | `a` ![i](http://x) **b**"
    source = SourceCard(title=evil, licence=evil, consent=evil, citation=evil + "\n```\n# x", limits=(evil,))
    reported = {**FACTS, **TOLD, "source_card": source.to_json(), "notes": [evil]}
    for facts in (FACTS, reported):
        for card in (data_card(facts), model_card(facts)):
            outside = re.sub(r"^(`{3,})\w*\n.*?\n\1$", "", card, flags=re.DOTALL | re.MULTILINE).split("---\n", 2)[2]
            assert "<script>" not in outside
            assert "![i](" not in outside
            assert "**b**" not in outside
            assert header(card)


def test_a_name_is_no_template() -> None:
    name = "{{ 7 * 7 }} {% if x %} {# y #}"
    assert "# {{ 7 \\* 7 }} {% if x %} {\\# y \\#}, balanced" in data_card({**FACTS, "name": name})
    assert "\n{{ 7 * 7 }}\n" in model_card({**FACTS, "source_card": {"citation": "{{ 7 * 7 }}"}})


STRANGE = ["no", "null", "a: b", "# c", "*x", "line\nbreak", '"', "é", "true", "🌹 \U00010ffff", "\x00\x07\x1b\\"]
SEPARATORS = ["\x7f", "\x85", "\x9f", "a \u2028 b", "a \u2029 b", "\ufeff", "\uffff"]


@pytest.mark.parametrize("name", [*STRANGE, *SEPARATORS])
def test_header_survives_any_name(name: str) -> None:
    assert header(data_card({**FACTS, "name": name}))["pretty_name"] == f"{name}, balanced"
    assert header(model_card({**FACTS, "model": name}))["tags"][-1] == name


def test_model_card_tells_training_data_budget_and_privacy() -> None:
    card = model_card(FACTS)
    assert header(card)["tags"] == ["synthetic", "gensynth", "cvae"]
    assert "| a\\|b &lt;script&gt; | 12 |" in card
    assert "`51200`" in card
    assert "No differential privacy is claimed." in card
    assert "fewer than 20 rows, so not to be relied on: a\\|b &lt;script&gt;." in card
    block = re.search(r"^(`{4,})json\n(.*)\n\1$", card, re.DOTALL | re.MULTILINE)
    assert block is not None
    assert block[1] not in block[2]
    assert json.loads(block[2]) == FACTS["config"]


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
        "rai:dataManipulationProtocol",
    ):
        assert record[key]
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


def test_the_data_card_tells_all_that_was_found() -> None:
    card = data_card({**FACTS, **TOLD})
    for text in (
        "| pixels | kid | 0.25 (0.125 to 0.5) | 1.5 | 0.0625 |",
        "| synthetic | cnn | balanced accuracy | 0.8 (0.75 to 0.85) |",
        "| sex | rose | 0.72 (0.5 to 0.95) | 0.72 (0.5 to 0.95) |",
        "| rose | f\\|&lt;b&gt; | 20 | 0 | 10 | 30 | 0.75 (0.6 to 0.9) |",
        "The gate before merging refused; merged all the same, because a person accepted it.",
        "- cell f fell",
        "12 real rows, fewer than 30: collect data",
        "| near copies of training rows | 0.03 (0.02 to 0.05) | 0 |",
        "| density ratio | rows | 0.51 (0.48 to 0.54) | 0.5 (0.47 to 0.53) |",
        "- T0: rows only\n- T1: rows and model",
        "| without synthetic rows | 0.4 (0.3 to 0.5) |",
        "(1, 1e-05)-differential privacy was promised and does not hold: rows were dropped by a classifier.",
        "| rose | 0.9 (0.8 to 1) | not recorded | not recorded | not recorded |",
        "- accepted: 12",
        "e\\_mail (drop, 52 cells)",
        "files left out because they cannot be used: 4",
    ):
        assert text in card, text
    assert "ece" not in card
    assert "not defined: n too small" not in card


def test_a_valid_promise_is_told_in_its_own_words() -> None:
    dp = {"claimed": True, "valid": True, "sentence": "(1, 1e-05)-DP by X holds.", "scope": "Rows unfiltered."}
    assert "(1, 1e-05)-DP by X holds. Rows unfiltered." in model_card({**FACTS, "dp": dp})
    assert "does not hold" not in data_card({**FACTS, "privacy": {"dp": dp}})


def test_the_licence_of_the_source_travels_into_headers_and_text() -> None:
    for licence, name in (("cc-by-4.0", "cc-by-4.0"), ("ODbL-1.0", "odbl")):
        facts = {**FACTS, "source_card": SourceCard(licence=licence).to_json()}
        for card in (data_card(facts), model_card(facts)):
            assert header(card)["license"] == name
            assert "https://spdx.org/licenses/" in card
    own = SourceCard(licence="House rules: ask first", licence_url="https://example.org/terms").to_json()
    top = header(data_card({**FACTS, "source_card": own}))
    assert (top["license"], top["license_name"]) == ("other", "House rules: ask first")
    assert top["license_link"] == "https://example.org/terms"


def test_what_the_owner_refuses_stands_in_both_cards() -> None:
    source = SourceCard(not_for=("face recognition",), intended_use="teaching", consent="written", limits=("one city",))
    for card in (data_card({**FACTS, "source_card": source.to_json()}), model_card({"source_card": source.to_json()})):
        for text in ("uses refused: face recognition", "source: teaching", "consent: written", "- one city"):
            assert text in card, text


@pytest.mark.parametrize("text", ["a", "```", "x\n````\ny", "`"])
def test_no_text_closes_its_fence(text: str) -> None:
    first, *inside, last = fenced(text, "json").split("\n")
    assert first == last + "json"
    assert "\n".join(inside) == text
    assert last not in text


def test_an_estimate_is_a_number_with_its_interval_or_a_reason() -> None:
    assert estimate({"value": None, "reason": "not defined: no rows"}) == "not defined: no rows"
    assert estimate({"value": 0}) == "0"
    assert estimate(None) == estimate({}) == "not recorded"
    assert estimate(0.123456) == "0.123"


def test_a_review_without_verdicts_is_no_look() -> None:
    assert "Nobody has looked" in data_card({**FACTS, "review": {"accept": 0, "least": 50}})


def test_a_private_bundle_without_hash_and_counts_says_so() -> None:
    card = model_card({**FACTS, "source_sha256": "", "train_counts": {}})
    assert "source data, sha256: `not recorded`" in card
    assert "``" not in card.replace("```", "")
