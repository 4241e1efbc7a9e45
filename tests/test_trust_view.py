"""The six plain questions of the report: what each says of facts that are good, bad or not there."""

from __future__ import annotations

import re

import pytest

from gensynth.report.content import Report
from gensynth.report.figures import Pictures
from gensynth.report.report import render_html
from gensynth.report.trust_view import strongest, trust_view

ENTRY = {"value": 0.5, "low": 0.4, "high": 0.6}
GATE = {"reasons": [], "accepted": False}


def answers(facts):
    return {part["question"]: (part["tone"], " ".join(part["lines"])) for part in trust_view(Report.from_json(facts))}


def attack(value, low, high, release="rows"):
    auc = {"value": value, "low": low, "high": high}
    return {"attack": "density_ratio", "release": release, "auc": auc, "tpr": {}, "control": {}}


def test_nothing_known_is_said_to_be_open():
    reported = answers({})
    assert [tone for tone, _ in reported.values()] == ["care", "open", "open", "open", "open", "open"]
    assert "Nobody has looked" in reported["Who looked?"][1]
    assert "not recorded" in reported["What was used?"][1]


@pytest.mark.parametrize(
    ("attacks", "tone", "words"),
    [
        ([attack(0.51, 0.47, 0.55)], "good", "no better than by a coin: 0.51 (0.47 to 0.55)"),
        ([attack(0.51, 0.47, 0.55), attack(0.9, 0.85, 0.95, "rows+model")], "bad", "holds rows and model can tell"),
        ([attack(0.69, 0.50, 0.84)], "care", "was not seen to tell training rows from new ones better than by a coin"),
        ([attack(0.69, 0.50, 0.84)], "care", "as few rows as these cannot rule out 0.84"),
        ([attack(0.52, 0.501, 0.539), attack(0.5, 0.48, 0.52)], "good", "no better than by a coin: 0.52"),  # one of two
        ([attack(0.6, 0.57, 0.63, "nothing"), attack(0.6, 0.57, 0.63)], "open", "differ by themselves"),
        (
            [attack(0.5, 0.47, 0.53) | {"most_exposed": {"auc": ENTRY | {"low": 0.8, "value": 0.9}}}],
            "care",
            "0.90 (0.80",
        ),
        ([{"attack": "density_ratio", "release": "rows", "auc": {"value": None, "reason": "few"}}], "open", "Too few"),
    ],
)
def test_the_strongest_attack_decides_what_could_leak(attacks, tone, words):
    none = {"value": 0.0, "low": 0.0, "high": 0.01, "ceiling": 0.0}
    privacy = {"membership": attacks, "exact_copies": none, "near_copies": none}
    got, text = answers({"privacy": privacy})["What could leak?"]
    assert got == tone
    assert words in text
    assert "real training rows too" in text


def test_the_worst_release_is_told_first():
    attacks = [attack(0.5, 0.47, 0.53), attack(0.9, 0.85, 0.95, "rows+model")]
    leak = next(
        part
        for part in trust_view(Report.from_json({"privacy": {"membership": attacks}}))
        if "leak" in part["question"]
    )
    assert leak["lines"][0].startswith("Somebody who holds rows and model can tell")


def test_copies_beyond_what_real_rows_repeat_are_an_alarm():
    exact = {"value": 0.2, "low": 0.18, "high": 0.22, "ceiling": 0.01}
    privacy = {"membership": [attack(0.5, 0.46, 0.54)], "exact_copies": exact}
    tone, text = answers({"privacy": privacy})["What could leak?"]
    assert tone == "bad"
    assert "20 % of the synthetic rows are copies of a training row; of new real rows 1 % are." in text
    for ceiling, tone in ((0.17, "care"), (0.19, "good")):
        exact["ceiling"] = ceiling
        assert answers({"privacy": privacy})["What could leak?"][0] == tone


def test_copies_that_were_not_measured_are_not_called_none():
    privacy = {"membership": [attack(0.5, 0.46, 0.54)], "near_copies": {"value": None, "reason": "not defined: few"}}
    tone, text = answers({"privacy": privacy})["What could leak?"]
    assert tone == "care"
    assert "Near copies could not be told: not defined: few." in text
    assert "0 %" not in text


def test_the_strongest_attack_is_the_one_that_is_surest():
    wide, sure = attack(0.8, 0.3, 0.99), attack(0.7, 0.6, 0.8)
    assert strongest([wide, sure]) is sure
    assert strongest([]) is None


def bias(gate):
    cell = {"class": "rich", "group": "f", "n": 40, "n_real": 10, "share_made": 0.75, "ratio": 0.8, "text": "10 real"}
    table = {
        "cells": [{**cell, "share_of_class": ENTRY}],
        "disparate_impact": {**ENTRY, "favourable": "rich", "undefined": []},
        "information": ENTRY,
    }
    before = {"tables": {"sex": table}, "collect": [{}]}
    return {"groups": ["sex"], "before": before, "after": {"tables": {"sex": table}}, "gate": GATE | gate}


def test_a_refusal_is_bad_and_says_why():
    tone, text = answers({"bias": bias({"reasons": ["f falls"], "accepted": True})})["Who is in it?"]
    assert tone == "bad"
    assert "Refused: f falls" in text
    assert "bias.accept=true" in text
    assert "1 cell of class and group has under 30" in text
    assert "50 % as often" in text
    assert answers({"bias": bias({"reasons": []})})["Who is in it?"][0] == "care"


@pytest.mark.parametrize(
    ("impact", "recall", "tone"),
    [
        ({"value": 0.9, "undefined": []}, {"tables": {"sex": {}}}, "good"),
        ({"value": 0.7, "undefined": []}, {"tables": {"sex": {}}}, "care"),
        ({"value": None, "reason": "not defined", "undefined": ["f"]}, {"tables": {"sex": {}}}, "care"),
        ({"value": 0.9, "undefined": []}, {"reason": "not defined: no test rows"}, "care"),
    ],
)
def test_good_is_an_impact_above_the_line_with_recall_measured(impact, recall, tone):
    facts = bias({"reasons": []}) | {"recall": recall}
    facts["before"]["collect"] = []
    facts["after"]["tables"]["sex"]["disparate_impact"] = impact | {"favourable": "rich"}
    assert answers({"bias": facts})["Who is in it?"][0] == tone


def test_tables_hold_a_line_for_every_cell_and_class():
    classes = {"a": {k: ENTRY for k in ("agreement_before", "agreement_after", "agreement_real", "lost_variety")}}
    suspect = {"real": {"count": 1, "n": 9, "classes": {"a": {"value": 0.1, "low": 0.05, "high": 0.2}}}}
    facts = {
        "bias": bias({}),
        "integrity": {"classes": classes, "suspect": suspect},
        "privacy": {"membership": [attack(0.5, 0.4, 0.6)]},
    }
    page = render_html(Report.from_json(facts), Pictures())
    cell = re.search("<tr><td>rich</td><td.*?</tr>", page)[0]
    assert re.findall("<td[^>]*>([^<]*)<", cell)[5:] == ["50 %", "75 %", "0.80", "–", "–", "–", "–"]
    assert "(80 % is the usual line) 0.50 (0.40 to 0.60) before, 0.50 (0.40 to 0.60) after" in page
    assert "<td>0.10<small>0.05 to 0.20</small></td>" in re.search("<tr><td>a</td>.*?</tr>", page)[0]
    attacks = re.search("density ratio<small.*?</tr>", page)[0]
    assert attacks.count("not defined") == 3  # caught at 1 %, the most exposed tenth, the control


def test_what_was_rejected_is_counted_over_classes():
    filters = {
        "a": {"drawn": 100, "rejected_label_agreement": 7, "rejected_near_copy": 1},
        "b": {"drawn": 50, "rejected_label_agreement": 3},
    }
    reasons = {"label_agreement": "did not look like their label", "near_copy": "sat on a training row"}
    tone, text = answers({"filters": filters, "filter_reasons": reasons})["What was rejected, and why?"]
    assert tone == "good"
    assert text == "Of 150 rows drawn, 10 did not look like their label; 1 sat on a training row."


def test_any_filter_is_counted_by_its_own_reason_or_its_name():
    question = "What was rejected, and why?"
    filters = {"a": {"drawn": 2304, "rejected_sharpness": 44, "rejected_old": 2, "rejected_review": 3}}
    _, text = answers({"filters": filters, "filter_reasons": {"sharpness": "were out of focus"}})[question]
    assert text == (
        "Of 2,304 rows drawn, 44 were out of focus; 2 were dropped by the filter old; 3 were turned down by a person."
    )
    _, text = answers({"filters": {"a": {"drawn": 7, "rejected_old": 0}}})[question]
    assert text == "None of 7 rows drawn."


def test_rows_of_the_fallback_are_no_rows_drawn():
    question = "What was rejected, and why?"
    filters = {"a": {"drawn": 0, "filled_by_fallback": 41}, "b": {"drawn": 256, "filled_by_fallback": 0}}
    _, text = answers({"filters": filters})[question]
    assert text == "None of 256 rows drawn. 41 more came from the fallback, which no filter judged."
    tone, text = answers({"filters": {"a": filters["a"]}})[question]
    assert (tone, text) == ("open", "No rows of the sampler itself: 41 came from the fallback, which no filter judged.")
    _, text = answers({"filters": {"a": filters["a"] | {"rejected_review": 2}}})[question]
    assert text.endswith("which no filter judged. Of these 2 were turned down by a person.")
