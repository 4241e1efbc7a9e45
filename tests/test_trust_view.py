"""The six plain questions of the report: what each says of facts that are good, bad or not there."""

from __future__ import annotations

import re

import pytest

from gensynth.report.content import Report
from gensynth.report.figures import Pictures
from gensynth.report.report import render_html
from gensynth.report.trust_view import trust_view

ENTRY = {"value": 0.5, "low": 0.4, "high": 0.6}
GATE = {"reasons": [], "accepted": False}


def answers(facts):
    return {part["question"]: (part["tone"], " ".join(part["lines"])) for part in trust_view(Report.from_json(facts))}


def attack(value, low, high, release="rows"):
    auc = {"value": value, "low": low, "high": high}
    return {"attack": "density_ratio", "release": release, "auc": auc, "tpr": {}, "control": {}}


def strongest(value, low, high, release="rows", **more):
    """A line of `privacy.maximum`: p is below 5 % where the interval lies above a coin."""
    p = 0.01 if low > 0.5 else 0.4
    auc = {"attack": "density_ratio", "auc": value, "low": low, "high": high, "p": p}
    top = {"attack": "density_ratio", "value": 0.6, "low": 0.4, "high": 0.8, "p": 0.9, "n": 20}
    beside = {"top": top, "most_exposed": {"auc": None, "reason": "few"}, "per_class": {}}
    return {"release": release, **auc, "attacks": 6, "tests": 9, "n_members": 99, "n_non_members": 99, **beside, **more}


SURE = {"attack": "density_ratio", "auc": 0.9, "low": 0.8, "high": 1.0, "p": 0.01}
BY_TOP = SURE | {"p": 0.3, "top": SURE | {"n": 10}}
FEW = {"auc": None, "reason": "not tested: 5 rows to attack, 8 needed"}
NO_COPIES = {"value": 0.0, "low": 0.0, "high": 0.01, "ceiling": 0.0}


def test_nothing_known_is_said_to_be_open():
    reported = answers({})
    assert [tone for tone, _ in reported.values()] == ["care", "open", "open", "open", "open", "open"]
    assert "Nobody has looked" in reported["Who looked?"][1]
    assert "not recorded" in reported["What was used?"][1]


@pytest.mark.parametrize(
    ("found", "tone", "words"),
    [
        ([strongest(0.51, 0.47, 0.55)], "good", "The rows are safe to share at this level: an AUC of 0.51 (0.47 to"),
        (
            [strongest(0.51, 0.47, 0.55), strongest(0.51, 0.47, 0.55, "rows+model")],
            "good",
            "The rows and the generator are safe to share at this level",
        ),
        ([strongest(0.69, 0.49, 0.84)], "care", "No attack on the rows is surely better than a coin: the strongest"),
        ([strongest(0.69, 0.49, 0.84)], "care", "So few held-out rows cannot rule out 0.84."),
        ([strongest(0.53, 0.51, 0.55)], "care", "That is little, but it is no accident."),
        ([strongest(0.7, 0.62, 0.78)], "bad", "Do not share the rows: who holds them can tell training rows from new"),
        (
            [strongest(0.52, 0.48, 0.56, top=SURE | {"n": 20})],
            "bad",
            "of the 20 that an attack is surest of, 90 %",
        ),
        (
            [strongest(0.52, 0.48, 0.56, per_class={"a": SURE, "b": FEW})],
            "bad",
            "Class a: an AUC of 0.90 (0.80 to 1.00).",
        ),
        ([strongest(0.52, 0.48, 0.56, per_class={"a": BY_TOP})], "bad", "Class a: of the 10 that an attack is surest"),
        (
            [strongest(0.52, 0.48, 0.56, per_class={"a": FEW})],
            "good",
            "Not tested: class a (5 rows to attack, 8 needed).",
        ),
        (
            [strongest(0.52, 0.48, 0.56, most_exposed=SURE)],
            "bad",
            "The tenth of the rows that stand out most: an AUC",
        ),
        ([strongest(0.52, 0.48, 0.56, shadows=SURE)], "bad", "Attacked by generators trained for it (LiRA)"),
        ([strongest(0.6, 0.57, 0.63, apart={"auc": 0.6, "p": 0.001})], "open", "differ by themselves"),
        ([], "open", "whether they can be shared is not tested"),
    ],
)
def test_the_strongest_attack_decides_what_could_leak(found, tone, words):
    privacy = {"membership": [], "maximum": found, "exact_copies": NO_COPIES, "near_copies": NO_COPIES}
    got, text = answers({"privacy": privacy})["What could leak?"]
    assert got == tone
    assert words in text
    assert "real training rows too" in text
    assert ("safe to share" in text) == (tone == "good" or "no accident" in text)


def test_what_is_released_decides_the_advice():
    """Rows that say little may go where the generator may not, and the line that a terminal shows says both."""

    def first(*lines):
        facts = Report.from_json({"privacy": {"membership": [], "maximum": list(lines)}})
        return next(part for part in trust_view(facts) if "leak" in part["question"])["lines"]

    model = strongest(1.0, 0.95, 1.0, "rows+model")
    lines = first(strongest(0.53, 0.48, 0.58), model)
    assert lines[0].startswith("Keep the generator private; the rows are safe to share at this level: an AUC of 0.53")
    assert (
        lines[1]
        == "Who holds the generator too can tell training rows from new ones with an AUC of 1.00 (0.95 to 1.00)."
    )
    assert first(strongest(0.6, 0.4, 0.8), model)[0].startswith("Keep the generator private; no attack on the rows is")
    lines = first(model)
    assert lines[0].startswith("Too few rows to attack the synthetic rows")
    assert lines[1] == "Who holds the generator can tell training rows from new ones: an AUC of 1.00 (0.95 to 1.00)."
    lines = first(strongest(0.7, 0.62, 0.78), model)
    assert lines[0].startswith("Do not share the rows")
    assert "With the generator as well the AUC is 1.00 (0.95 to 1.00)." in lines


def test_copies_beyond_what_real_rows_repeat_are_an_alarm():
    exact = {"value": 0.2, "low": 0.18, "high": 0.22, "ceiling": 0.01}
    privacy = {"membership": [], "maximum": [strongest(0.5, 0.46, 0.54)], "exact_copies": exact}
    tone, text = answers({"privacy": privacy})["What could leak?"]
    assert tone == "bad"
    assert "20 % of the synthetic rows are copies of a training row; of new real rows 1 % are." in text
    for ceiling, tone in ((0.17, "care"), (0.19, "good")):
        exact["ceiling"] = ceiling
        assert answers({"privacy": privacy})["What could leak?"][0] == tone


def test_copies_that_were_not_measured_are_not_called_none():
    near = {"value": None, "reason": "not defined: few"}
    privacy = {"membership": [], "maximum": [strongest(0.5, 0.46, 0.54)], "near_copies": near}
    tone, text = answers({"privacy": privacy})["What could leak?"]
    assert tone == "care"
    assert "Near copies could not be told: not defined: few." in text
    assert "0 %" not in text


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


def test_the_page_shows_the_corrected_maximum_and_what_tables_give_away():
    rate = {"value": 0.3, "low": 0.25, "high": 0.35, "n": 200}
    privacy = {
        "membership": [attack(0.62, 0.55, 0.69) | {"p": 0.031}],
        "maximum": [strongest(0.62, 0.51, 0.73)],
        "linkage": {
            "singling_out": {"value": 0.21, "low": 0.1, "high": 0.32, "train": rate, "control": rate},
            "linkability": {"value": None, "reason": "not defined: 1 columns"},
        },
    }
    page = render_html(Report.from_json({"privacy": privacy}), Pictures())
    assert "the strongest of 6 attacks, density ratio, has an AUC of 0.62 (0.51 to 0.73), p 0.010" in page
    assert "<td>0.031</td>" in page
    assert "<td>singling out</td><td>0.21 (0.10 to 0.32)</td><td>0.30 (0.25 to 0.35)</td>" in page
    assert "<td>linkability</td><td>not defined: 1 columns</td>" in page


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
