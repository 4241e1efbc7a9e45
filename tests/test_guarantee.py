"""A promise holds only if nothing looked at real rows again, and the facts say by themselves what did."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gensynth.provenance.guarantee import (
    FILTERS,
    STEPS,
    MadeRows,
    dp_facts,
    noisy_counts,
    private_facts,
    steps_of,
)

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
    "train_counts": {},
    "source_sha256": "",
    "training": {"choose": "last", "coverage": {}, "collapsed": [], "latent_nats": "", "run": "r"},
}
DRAWN = MadeRows(from_noise=True, counts_asked=True, filters=(), chosen=False, fallback_rows=0, reviewed=0)
SPOILT_BUNDLES = {
    "recorded_noise": {"guarantee": PROMISED | {"noise": "recorded"}},
    "codec_fitted": {"modality": "table"},
    "row_size_from_data": {"row_size": "found"},
    "exact_counts": {"train_counts": {"cat": 90, "dog": 10}},
    "source_hash": {"source_sha256": "ab12"},
    "evaluated_in_bundle": {"training": CLEAN["training"] | {"coverage": {"cat": 0.9}}},
    "chosen_on_validation": {"training": CLEAN["training"] | {"choose": "worst"}},
}
SPOILT_ROWS = {
    "exact_counts": {"counts_asked": False},
    "chosen_on_validation": {"chosen": True},
    "made_from_real_rows": {"from_noise": False},
    "fallback_rows": {"fallback_rows": 3},
    "judge_filter": {"filters": ("label_agreement",)},
    "near_copy_filter": {"filters": ("near_copy",)},
    "value_range_filter": {"filters": ("value_range",)},
    "other_filter": {"filters": ("mine",)},
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
        "(9.98, 1e-05)-differential privacy by DP-SGD holds: one training row more or less makes no outcome more than "
        "2.159e+04 times as likely, apart from a chance of 1e-05."
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


def test_every_step_is_derived_from_some_fact():
    assert set(SPOILT_BUNDLES) | set(SPOILT_ROWS) == set(STEPS)


def test_all_steps_at_once_are_all_named_in_order():
    bundle = CLEAN | {key: value for spoilt in SPOILT_BUNDLES.values() for key, value in spoilt.items()}
    bundle["training"] = CLEAN["training"] | {"coverage": {"cat": 0.9}, "choose": "macro"}
    rows = MadeRows(False, False, ("mine", *FILTERS), True, 1, 1)
    steps = steps_of(bundle, rows)
    assert steps == list(STEPS)
    assert [one["step"] for one in dp_facts(PROMISED, reversed(steps))["voided_by"]] == list(STEPS)


def test_recorded_noise_is_seen_in_the_promise_itself():
    assert not dp_facts(PROMISED | {"noise": "recorded"}, [])["valid"]


def test_an_unknown_step_is_an_error():
    with pytest.raises(ValueError, match="unknown steps: filtered"):
        dp_facts(PROMISED, ["judge_filter", "filtered"])


def test_a_fact_that_is_missing_or_unknown_is_not_taken_to_be_harmless():
    for key in ("row_size", "train_counts", "source_sha256", "training", "modality"):
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
