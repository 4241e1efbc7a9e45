"""Whether a guarantee of differential privacy still holds after everything that was done: derived, never set by hand.

A guarantee covers what follows from the noisy release alone (post-processing: Dwork & Roth, "The algorithmic
foundations
of differential privacy", 2014, proposition 2.1). Whatever looks at real rows a second time, unless noise pays for it,
makes it void: for training DPImageBench (CCS 2025) found this done silently by choosing a model on real data.
`steps_of` reads what was done out of a bundle's facts and of how rows were made; `dp_facts` says what follows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gensynth.balancing.filters import Filter
from gensynth.data.conditions import CELLS
from gensynth.data.kinds import modality_named

_TEXTS = yaml.safe_load(Path(__file__).with_name("guarantee.yaml").read_text(encoding="utf-8"))
SCOPE: str = _TEXTS["scope"]
STEPS: Mapping[str, str] = _TEXTS["steps"]  # code -> what was done and why it makes the guarantee void
FILTERS = {"label_agreement": "judge_filter"}  # others are called NAME_filter, where STEPS has words of their own
SCORES = ("coverage", "collapsed", "latent_nats")  # of a bundle's training facts
ROW_SIZES = ("asked", "same", "found")


@dataclass(frozen=True)
class ReleasedRows:
    """How rows were made from a bundle.

    from_noise     drawn by the generator itself; False where a sampler starts at real rows
    counts_requested  the numbers a class were named outright; False where they follow from how many real rows there are
    filters        those that judged rows
    chosen         the amount was chosen by real held-out rows (`target=auto`)
    fallback_rows  rows among them that a classical sampler made
    reviewed       rows with a person's decision
    """

    from_noise: bool
    counts_requested: bool
    filters: tuple[Filter, ...]
    chosen: bool
    fallback_rows: int
    reviewed: int


def steps_of(bundle: Mapping[str, Any], synthetic: ReleasedRows | None = None) -> list[str]:
    """Codes of everything done that touches real rows without noise, in the order of STEPS; none without a guarantee.

    bundle  the facts of config.json; `row_size` is asked | same | found
    synthetic  how rows were made from it; None: the bundle alone
    KeyError where a fact is missing, ValueError where a word is not known: nothing is taken to be harmless.
    """
    if not bundle.get("guarantee"):
        return []
    done = _of_bundle(bundle) | (_of_rows(synthetic) if synthetic else set())
    return [code for code in STEPS if code in done]


def _of_bundle(bundle: Mapping[str, Any]) -> set[str]:
    guaranteed, training = bundle["guarantee"], bundle["training"]
    if bundle["row_size"] not in ROW_SIZES:
        raise ValueError(f"row_size must be one of {', '.join(ROW_SIZES)}, got {bundle['row_size']!r}")
    done = {
        "recorded_noise": guaranteed["noise"] != "system",
        "codec_fitted": modality_named(bundle["modality"]).codec_fitted,
        "row_size_from_data": bundle["row_size"] == "found",
        "cells_from_data": CELLS in bundle["fields"],
        "learned_made_rows": bundle["learned_made_rows"],
        "exact_counts": bundle["train_counts"] != noisy_counts(bundle["classes"], guaranteed),
        "source_hash": bool(bundle["source_sha256"]),
        "evaluated_in_bundle": any(training[name] for name in SCORES),
        "chosen_on_validation": training["choose"] != "last" or bundle["compared"],
    }
    return {code for code, true in done.items() if true}


def _of_rows(synthetic: ReleasedRows) -> set[str]:
    done = {
        "exact_counts": not synthetic.counts_requested,
        "chosen_on_validation": synthetic.chosen,
        "made_from_real_rows": not synthetic.from_noise,
        "fallback_rows": synthetic.fallback_rows > 0,
        "reviewed": synthetic.reviewed > 0,
    }
    looking = {FILTERS.get(one.name, f"{one.name}_filter") for one in synthetic.filters if one.looks_at_real_rows}
    return {code for code, true in done.items() if true} | {
        code if code in STEPS else "other_filter" for code in looking
    }


def dp_facts(guaranteed: Mapping[str, Any], steps: Iterable[str]) -> dict[str, Any]:
    """What may be said of a guarantee after these steps: plain JSON for a bundle, a report or a card.

    guaranteed  `Generator.guarantee()`; empty: there is none
    steps       codes of STEPS, from `steps_of`; recorded noise is seen in `guaranteed` as well
    ValueError for a code that is not known.

    >>> guarantee = {"mechanism": "DP-SGD", "epsilon": 1.0, "delta": 1e-5, "adjacency": "add_remove", "noise": "system"}
    >>> dp_facts(guarantee, [])["valid"], dp_facts(guarantee, ["near_copy_filter"])["valid"]
    (True, False)
    """
    steps = list(steps)
    if unknown := sorted(set(steps) - set(STEPS)):
        raise ValueError(f"unknown steps: {', '.join(unknown)}; known: {', '.join(STEPS)}")
    if not guaranteed:
        return {"claimed": False, "valid": False, "voided_by": [], "sentence": "No privacy was promised.", "scope": ""}
    done = {*steps, *(["recorded_noise"] if guaranteed["noise"] != "system" else [])}
    voided = [{"step": code, "text": text} for code, text in STEPS.items() if code in done]
    return {
        **{key: guaranteed[key] for key in ("mechanism", "epsilon", "delta", "adjacency")},
        **{"claimed": True, "valid": not voided, "voided_by": voided},
        **{"sentence": _sentence(guaranteed, voided), "scope": SCOPE},
        "promised": dict(guaranteed),
    }


def _sentence(guaranteed: Mapping[str, Any], voided: list[dict[str, str]]) -> str:
    size = f"({guaranteed['epsilon']:g}, {guaranteed['delta']:g})-differential privacy by {guaranteed['mechanism']}"
    if not voided:
        return f"{size} holds: {_meaning(guaranteed)}."
    return f"{size} was promised and does not hold: " + "; ".join(one["text"] for one in voided) + "."


def _meaning(guaranteed: Mapping[str, Any]) -> str:
    change = (
        "exchanging one training row" if guaranteed["adjacency"] == "replace" else "whether one training row counts"
    )
    factor = f"{math.exp(min(guaranteed['epsilon'], 700)):,.4g}"
    return (
        f"{change} makes no outcome more than {factor} times as likely, apart from a chance of {guaranteed['delta']:g}"
    )


def noisy_counts(classes: Iterable[str], guaranteed: Mapping[str, Any]) -> dict[str, int]:
    """Rows a class as they were released with noise, whole and not below 0; empty where none were."""
    counts = guaranteed.get("counts") or ()
    return {name: max(0, round(count)) for name, count in zip(classes, counts, strict=True)} if len(counts) else {}


def private_facts(facts: Mapping[str, Any], guaranteed: Mapping[str, Any], run: str) -> dict[str, Any]:
    """Facts of a bundle without those that tell of real rows, for a model that is `private`.

    run  what tells this run from others, made from its words alone: a digest over rows is a hash of them
    Goes: exact counts, hash of the source, held-out scores. Stays: the number of rows, which the guarantee takes as
    public (its sampling rate holds it), the settings, the seed, schedule and codec (see `codec_fitted`).
    """
    training = dict(facts["training"]) | {"run": run, "latent_nats": "", "coverage": {}, "collapsed": []}
    return {
        **facts,
        "guarantee": dict(guaranteed),
        "source_sha256": "",
        "train_counts": noisy_counts(facts["classes"], guaranteed),
        "training": training,
    }
