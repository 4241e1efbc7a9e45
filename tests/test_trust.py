"""Trust in the walk: the gate that refuses, what stays inside, marked rows, shadow models, a promise that is void."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from conftest import FAST
from test_conditions import people

from gensynth.cli import main
from gensynth.errors import GateError
from gensynth.evaluation.bias.bias import audit_lines
from gensynth.evaluation.parts import Bias
from gensynth.steps.audit import refuse_biased

WORDS = ("data.label=rich", "data.groups=[sex,region]", "sampler=random_oversampling", "utility.run=false")


def lines(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """A run that the audit refuses, whatever the fall, and its exit code."""
    base = tmp_path_factory.mktemp("refused")
    people(500, seed=3).to_csv(base / "people.csv", index=False)
    code = main(["balance", str(base / "people.csv"), *WORDS, "bias.max_drop=0", "seed=2", f"out={base}/out", *FAST])
    return base, code


def test_a_refused_merge_leaves_the_report_and_no_data_set(refused):
    base, code = refused
    assert code == 6
    assert not (base / "out/dataset").exists()
    verdict = json.loads((base / "out/report.json").read_text(encoding="utf-8"))["bias"]["gate"]
    assert not verdict["passed"]
    assert "a fall by 3% of itself, more than bias.max_drop=0" in verdict["reasons"][0]
    assert "Refused:" in (base / "out/report.html").read_text(encoding="utf-8")


def test_what_a_person_accepts_is_merged_and_recorded(refused):
    base, _ = refused
    words = ["bias.max_drop=0", "seed=2", "bias.accept=true", "resume=true", f"out={base}/out"]
    assert main(["balance", str(base / "people.csv"), *WORDS, *words, *FAST]) == 0
    facts = json.loads((base / "out/report.json").read_text(encoding="utf-8"))
    assert facts["bias"]["gate"]["accepted"]
    assert facts["provenance"]["test_opened"] == 2  # the refused try has seen the scores
    assert lines(base / "out/dataset/train.csv")


def test_a_merge_that_is_refused_in_place_leaves_data_set_report_and_seal_whole(refused, run_cli):
    base, _ = refused

    def standing():
        names = ("dataset/manifest.json", "report.json", "report.html", "run/job.json", "run/internal/nearest.csv")
        return {name: (base / "out" / name).read_bytes() for name in names}

    before = standing()
    code, _, err = run_cli("merge", base / "out")  # with the limits of the run
    assert code == 6
    assert "a fall by 3% of itself" in err
    code, _, err = run_cli("merge", base / "out", "review.min=5", "bias.accept=true")
    assert code == 6
    assert "review.min=5: a person has looked at 0 of 5" in err
    assert standing() == before
    code, out, err = run_cli("verify", base / "out/dataset", "n=5")
    assert code == 0, out + err


def test_a_refused_merge_elsewhere_has_looked_at_test_rows_when_it_goes_on(refused, run_cli, tmp_path):
    base, _ = refused
    before = json.loads((base / "out/run/state.json").read_text(encoding="utf-8"))["test_opened"]
    assert run_cli("merge", base / "out", f"out={tmp_path}/x")[0] == 6
    code, _, err = run_cli("merge", base / "out", f"out={tmp_path}/x", "bias.accept=true", "resume=true")
    assert code == 0, err
    facts = json.loads((tmp_path / "x/report.json").read_text(encoding="utf-8"))
    assert facts["provenance"]["test_opened"] == before + 2


def test_a_filter_of_pixels_is_refused_for_a_table_before_anything_is_trained(refused, run_cli, tmp_path):
    words = ("data.label=rich", "filter=[value_range]", f"out={tmp_path}/x")
    code, _, err = run_cli("balance", refused[0] / "people.csv", *words, *FAST)
    assert code == 2
    assert "filter value_range takes rows of kind image; these are of kind table; leave it out" in err
    assert not (tmp_path / "x/generator").exists()


def test_groups_that_are_not_learned_are_asked_for(run_cli, tmp_path):
    people(300, seed=3).to_csv(tmp_path / "people.csv", index=False)
    words = ("data.label=rich", "data.groups=[sex]", "data.ignore=[sex]", "sampler=jitter", "utility.run=false")
    code, _, err = run_cli("balance", tmp_path / "people.csv", *words, f"out={tmp_path}/out", "bias.accept=true", *FAST)
    assert code == 0, err
    synthetic = [row for row in lines(tmp_path / "out/dataset/train.csv") if row["gensynth_source"] != "real"]
    assert {row["sex"] for row in synthetic} == {"f", "m"}


def test_rows_of_one_subject_stay_together_in_the_attacks_of_a_merge_too(run_cli, tmp_path):
    frame = people(900, seed=4).assign(person=[f"p{i // 2}" for i in range(900)])
    frame.to_csv(tmp_path / "people.csv", index=False)
    words = ("data.label=rich", "data.subject=person", "sampler=jitter", "utility.run=false")
    code, _, err = run_cli("balance", tmp_path / "people.csv", *words, f"out={tmp_path}/out", *FAST)
    assert code == 0, err
    first = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))["privacy"]["membership"]
    assert first[0]["auc"]["value"] is not None
    code, _, err = run_cli("merge", tmp_path / "out")
    assert code == 0, err
    again = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))["privacy"]["membership"]
    assert again == first


def test_explore_looks_at_bias_before_anything_is_trained(refused, run_cli, tmp_path):
    base, _ = refused
    words = ("data.label=rich", "data.groups=[sex]", f"out={tmp_path}/seen")
    code, _, err = run_cli("explore", base / "people.csv", *words)
    assert code == 0
    assert 'bias: sex: "yes" is' in err
    facts = json.loads((tmp_path / "seen/explore.json").read_text(encoding="utf-8"))["bias"]
    frame = people(500, seed=3)
    cell = next(c for c in facts["tables"]["sex"]["cells"] if (c["class"], c["group"]) == ("yes", "f"))
    assert 0 < cell["n"] < ((frame.rich == "yes") & (frame.sex == "f")).sum()  # train rows only


def test_nearest_real_rows_are_named_inside_and_nowhere_else(refused):
    base, _ = refused
    inside = lines(base / "out/run/internal/nearest.csv")
    synthetic = [line for line in lines(base / "out/dataset/ledger.csv") if line["source"] != "real"]
    assert len(inside) == len(synthetic)
    assert {line["copy"] for line in inside} == {"exact"}  # oversampling copies
    for path in (base / "out/dataset").iterdir():
        assert b"nearest_train_id" not in path.read_bytes()


def test_a_refusal_names_every_reason():
    verdict = {"passed": False, "accepted": False, "reasons": ["first", "second"]}
    with pytest.raises(GateError, match=r"(?s)bias.accept=true.*- first\n  - second"):
        refuse_biased(Bias(gate=verdict))
    refuse_biased(Bias(gate=verdict | {"accepted": True}))
    refuse_biased(Bias())


def test_lines_for_a_terminal_name_small_cells():
    cell = {"class": "a", "group": "f", "table": "sex", "text": "3 real rows, fewer than 30"}
    table = {"disparate_impact": {"value": None}}
    assert audit_lines({"tables": {"sex": table}, "collect": [cell]}) == ["bias: a, sex f: 3 real rows, fewer than 30"]


def test_marked_rows_are_refused_unless_allowed_and_then_only_learned_from(refused, run_cli, tmp_path):
    base, _ = refused
    words = ("data.label=rich", "trainer.max_samples=640", "model.width=8", "logger=none", "utility.run=false")
    code, _, err = run_cli("balance", base / "out/dataset", *words, f"out={tmp_path}/no")
    assert code == 3
    assert "data.allow_synthetic=true" in err
    code, out, err = run_cli(
        "balance", base / "out/dataset", *words, "data.allow_synthetic=true", f"out={tmp_path}/yes", "target=600"
    )
    assert code == 0, err
    assert "marked as made" in out
    bundle = json.loads((tmp_path / "yes/generator/config.json").read_text(encoding="utf-8"))
    real = sum(row["gensynth_source"] == "real" for row in lines(base / "out/dataset/train.csv"))
    assert bundle["num_rows"] == len(lines(base / "out/dataset/train.csv"))
    merged = lines(tmp_path / "yes/dataset/train.csv")
    assert sum(row["gensynth_source"] == "real" for row in merged) == real
    assert len(merged) == 1200


def shadow_of(folder):
    attacks = json.loads((folder / "report.json").read_text(encoding="utf-8"))["privacy"]["membership"]
    return next(line for line in attacks if line["attack"] == "shadow_lira")


def test_shadow_generators_are_trained_filtered_and_filled_like_the_audited_one(run_cli, tmp_path):
    """With cells so small that halves of the rows lack some."""
    frame = people(300, seed=3)
    frame.loc[:2, ["sex", "region", "rich"]] = "m", "c", "yes"
    frame.to_csv(tmp_path / "people.csv", index=False)
    words = ("data.label=rich", "data.groups=[sex,region]", "target=cells", "bias.accept=true", "utility.run=false")
    words = (*words, "filter=[near_copy]", "model.width=16", "privacy.shadows=4")
    code, _, err = run_cli("balance", tmp_path / "people.csv", *words, f"out={tmp_path}/out", *FAST)
    assert code == 0, err
    assert shadow_of(tmp_path / "out")["runs"] == 4
    code, _, err = run_cli("merge", tmp_path / "out", "bias.accept=true", "privacy.shadows=6")
    assert code == 0, err
    assert shadow_of(tmp_path / "out")["runs"] == 6


def test_shadow_models_add_a_line_to_the_attacks(run_cli, tmp_path):
    people(500, seed=3).to_csv(tmp_path / "people.csv", index=False)
    words = ("data.label=rich", "sampler=random_oversampling", "utility.run=false", "privacy.shadows=8")
    code, _, err = run_cli("balance", tmp_path / "people.csv", *words, f"out={tmp_path}/out", *FAST)
    assert code == 0, err
    attacks = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))["privacy"]["membership"]
    shadow = next(line for line in attacks if line["attack"] == "shadow_lira")
    assert shadow["runs"] == 8
    assert shadow["auc"]["value"] > 0.5  # copies of training rows
    assert shadow["auc"]["value"] > np.mean([shadow["control"]["auc"]["value"], 0.5])
    code, _, err = run_cli("balance", tmp_path / "people.csv", *words[:-1], "privacy.shadows=5", f"out={tmp_path}/x")
    assert code == 2
    assert "privacy.shadows must be 0 or an even number" in err
