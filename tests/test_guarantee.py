"""A promise holds only if nothing looked at real rows again, and the facts say by themselves what did."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import FAST
from PIL import Image

from gensynth.balancing.export import encode_row
from gensynth.balancing.filters import Filter, LabelAgreement, NearCopy, ValueRange
from gensynth.balancing.mark import mark_of
from gensynth.provenance.guarantee import (
    STEPS,
    ReleasedRows,
    dp_facts,
    noisy_counts,
    private_facts,
    steps_of,
)
from gensynth.training.loggers import make_loggers
from gensynth.types import Schema

PROMISED = {
    "mechanism": "DP-SGD",
    "epsilon": 9.98,
    "delta": 1e-5,
    "adjacency": "add_remove",
    "accountant": "prv",
    "noise": "system",
}
CLEAN = {
    "classes": ["cat", "dog"],
    "modality": "image",
    "guarantee": PROMISED,
    "row_size": "same",
    "fields": {"height": 8, "width": 8, "channels": 1},
    "learned_made_rows": False,
    "compared": False,
    "train_counts": {},
    "source_sha256": "",
    "training": {"choose": "last", "coverage": {}, "collapsed": [], "latent_nats": "", "run": "r"},
}


class Own(Filter):
    """A filter that nobody else knows."""

    name = "mine"
    reason = "did not please"

    def learn(self, reference):
        pass

    def keep(self, rows):
        return np.ones(len(rows), dtype=bool)


DRAWN = ReleasedRows(from_noise=True, counts_requested=True, filters=(), chosen=False, fallback_rows=0, reviewed=0)
SPOILT_BUNDLES = {
    "recorded_noise": {"guarantee": PROMISED | {"noise": "recorded"}},
    "codec_fitted": {"modality": "table"},
    "row_size_from_data": {"row_size": "found"},
    "cells_from_data": {"fields": {"cells": {"columns": ["sex"]}}},
    "learned_made_rows": {"learned_made_rows": True},
    "exact_counts": {"train_counts": {"cat": 90, "dog": 10}},
    "source_hash": {"source_sha256": "ab12"},
    "evaluated_in_bundle": {"training": CLEAN["training"] | {"coverage": {"cat": 0.9}}},
    "chosen_on_validation": {"training": CLEAN["training"] | {"choose": "worst"}},
}
SPOILT_ROWS = {
    "exact_counts": {"counts_requested": False},
    "chosen_on_validation": {"chosen": True},
    "made_from_real_rows": {"from_noise": False},
    "fallback_rows": {"fallback_rows": 3},
    "judge_filter": {"filters": (LabelAgreement(0.05),)},
    "near_copy_filter": {"filters": (NearCopy(0.3),)},
    "value_range_filter": {"filters": (ValueRange(0.25),)},
    "other_filter": {"filters": (Own(),)},
    "reviewed": {"reviewed": 1},
}


def test_nothing_done_leaves_the_promise_whole():
    assert steps_of(CLEAN) == steps_of(CLEAN, DRAWN) == []
    facts = dp_facts(PROMISED, [])
    assert facts["claimed"]
    assert facts["valid"]
    assert facts["voided_by"] == []
    assert (facts["mechanism"], facts["epsilon"], facts["delta"], facts["adjacency"]) == (
        *("DP-SGD", 9.98, 1e-5),
        "add_remove",
    )
    assert facts["sentence"] == (
        "(9.98, 1e-05)-differential privacy by DP-SGD holds: whether one training row counts makes no outcome more "
        "than 2.159e+04 times as likely, apart from a chance of 1e-05."
    )
    assert "merged" in facts["scope"]


@pytest.mark.parametrize("code", SPOILT_BUNDLES)
def test_a_step_of_the_bundle_is_found_and_voids(code):
    bundle = CLEAN | SPOILT_BUNDLES[code]
    assert steps_of(bundle) == [code]
    check_void(dp_facts(bundle["guarantee"], steps_of(bundle)), code)


@pytest.mark.parametrize("code", SPOILT_ROWS)
def test_a_step_of_the_rows_is_found_and_voids(code):
    steps = steps_of(CLEAN, replace(DRAWN, **SPOILT_ROWS[code]))
    assert steps == [code]
    check_void(dp_facts(PROMISED, steps), code)


def check_void(facts: dict, code: str) -> None:
    assert facts["claimed"]
    assert not facts["valid"]
    assert facts["voided_by"] == [{"step": code, "text": STEPS[code]}]
    assert STEPS[code] in facts["sentence"]
    assert "does not hold" in facts["sentence"]


def test_a_model_that_is_compared_with_others_may_have_been_chosen():
    assert steps_of(CLEAN | {"compared": True}) == ["chosen_on_validation"]


def test_a_filter_that_looks_at_no_real_row_voids_nothing():
    class Blind(Own):
        looks_at_real_rows = False

    assert steps_of(CLEAN, replace(DRAWN, filters=(Blind(),))) == []
    assert steps_of(CLEAN, replace(DRAWN, filters=(Blind(), NearCopy(0.3)))) == ["near_copy_filter"]


def test_every_step_is_derived_from_some_fact():
    assert set(SPOILT_BUNDLES) | set(SPOILT_ROWS) == set(STEPS)


def test_all_steps_at_once_are_all_named_in_order():
    bundle = CLEAN | {key: value for spoilt in SPOILT_BUNDLES.values() for key, value in spoilt.items()}
    bundle["training"] = CLEAN["training"] | {"coverage": {"cat": 0.9}, "choose": "macro"}
    rows = ReleasedRows(False, False, (Own(), LabelAgreement(0.05), NearCopy(0.3), ValueRange(0.25)), True, 1, 1)
    steps = steps_of(bundle, rows)
    assert steps == list(STEPS)
    assert [one["step"] for one in dp_facts(PROMISED, reversed(steps))["voided_by"]] == list(STEPS)


def test_recorded_noise_is_seen_in_the_promise_itself():
    assert not dp_facts(PROMISED | {"noise": "recorded"}, [])["valid"]


def test_an_unknown_step_is_an_error():
    with pytest.raises(ValueError, match="unknown steps: filtered"):
        dp_facts(PROMISED, ["judge_filter", "filtered"])


def test_a_fact_that_is_missing_or_unknown_is_not_taken_to_be_harmless():
    for key in ("row_size", "train_counts", "source_sha256", "training", "modality", "fields", "learned_made_rows"):
        with pytest.raises(KeyError):
            steps_of({name: value for name, value in CLEAN.items() if name != key})
    with pytest.raises(ValueError, match="row_size must be one of"):
        steps_of(CLEAN | {"row_size": "maybe"})


def test_no_promise_is_neither_claimed_nor_valid():
    assert steps_of({"classes": ["a"], "train_counts": {"a": 3}}) == []
    facts = dp_facts({}, [])
    assert not facts["claimed"]
    assert not facts["valid"]


def test_counts_released_with_noise_do_not_void():
    promised = PROMISED | {"counts": [90.7, -0.4]}
    assert noisy_counts(["cat", "dog"], promised) == {"cat": 91, "dog": 0}
    bundle = CLEAN | {"guarantee": promised, "train_counts": {"cat": 91, "dog": 0}}
    assert steps_of(bundle) == []
    assert steps_of(bundle | {"train_counts": {"cat": 90, "dog": 10}}) == ["exact_counts"]


def test_facts_of_a_private_model_tell_nothing_of_real_rows():
    full = {
        "classes": ["cat", "dog"],
        "modality": "image",
        "row_size": "same",
        "fields": {},
        "learned_made_rows": False,
        "compared": False,
        "num_rows": 100,
        "params": {"epsilon": 10.0},
        "source_sha256": "ab12",
        "train_counts": {"cat": 90, "dog": 10},
        "training": {
            **{"run": "hash of rows", "choose": "last", "latent_nats": 3.2, "samples_seen": 1000},
            **{"coverage": {"cat": 0.9}, "collapsed": [{"class": "dog"}]},
        },
    }
    before = repr(full)
    bare = private_facts(full, PROMISED, "digest of words")
    assert steps_of(full | {"guarantee": PROMISED}) == ["exact_counts", "source_hash", "evaluated_in_bundle"]
    assert steps_of(bare) == []
    assert bare["training"]["run"] == "digest of words"
    assert (bare["num_rows"], bare["params"], bare["training"]["samples_seen"]) == (100, {"epsilon": 10.0}, 1000)
    assert not any(secret in repr(bare) for secret in ("hash of rows", "ab12", "90", "3.2"))
    assert repr(full) == before
    assert private_facts(full, PROMISED | {"counts": [88.2, 11.6]}, "")["train_counts"] == {"cat": 88, "dog": 12}


def test_curves_of_a_private_model_go_nowhere_by_themselves(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert [type(one).__name__ for one in make_loggers("auto", tmp_path, "r", {}, private=True)] == ["CSVLogger"]
    assert not (tmp_path / "wandb").exists()


DRAWN_FROM = {
    "grey images of one size": ((), []),
    "one image with colours": (("coloured",), ["row_size_from_data"]),
    "cells of label and group": (("data.groups=[ward]",), ["cells_from_data"]),
    "weights chosen on held-out rows": (("trainer.choose=macro",), ["chosen_on_validation"]),
    "an image that was made": (("made", "data.allow_synthetic=true"), ["learned_made_rows"]),
}


@pytest.mark.parametrize("name", DRAWN_FROM)
def test_what_a_run_did_is_found_by_itself(name, run_cli, tmp_path):
    words, steps = DRAWN_FROM[name]
    photographs(tmp_path / "data", *(word for word in words if "=" not in word))
    small = ("model=kernel_mean", "model.waves=20", "model.width=8", "model.delta=1e-3")
    requested = [word for word in words if "=" in word]
    code, _, err = run_cli("train", tmp_path / "data", *small, *requested, f"out={tmp_path}/T", *FAST)
    assert code == 0, err
    facts = json.loads((tmp_path / "T/generator/config.json").read_text(encoding="utf-8"))
    assert steps_of(facts) == steps
    code, _, err = run_cli("sample", f"generator={tmp_path}/T/generator", "counts=4", f"out={tmp_path}/S")
    assert code == 0, err
    assert ("does not hold" in err) == bool(steps)


def photographs(folder, *special):
    """40 grey images 8 x 8 of two classes and two wards; one is `coloured` or `made` where asked."""
    lines = ["file_name,label,ward"]
    folder.mkdir()
    for i in range(40):
        kind = special[0] if special and i == 7 else ""
        pixels = np.random.default_rng(i).integers(0, 256, (8, 8, 3) if kind == "coloured" else (8, 8), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        if kind == "made":
            grey = Schema("image", ("a", "b"), {"height": 8, "width": 8, "channels": 1})
            (folder / f"{i}.png").write_bytes(encode_row(grey, pixels[None], mark_of("synthetic", "ab" * 32)))
        lines.append(f"{i}.png,{'ab'[i % 2]},{'xy'[i // 2 % 2]}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
