"""A sampler, a filter, a metric and a model of one's own, from a folder outside the package: a file and a YAML each,
nothing edited. They are the files of tests/own_parts, which CONTRIBUTING.md names to copy."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path

import pytest

PARTS = Path(__file__).parent / "own_parts"
QUICK = ("filter=[even_sum]", "utility.run=false", "logger=none")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Words that point to a package and a folder of configuration that gensynth knows nothing of."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "their_parts"]:
        del sys.modules[name]
    home = tmp_path / "home"
    shutil.copytree(PARTS, home)
    monkeypatch.syspath_prepend(str(home))
    yield ["--config-dir", home / "conf", "trust=[their_parts]"]
    for name in [name for name in sys.modules if name.partition(".")[0] == "their_parts"]:
        del sys.modules[name]


def synthetic_lines(dataset: Path) -> list[dict[str, str]]:
    with (dataset / "ledger.csv").open(encoding="utf-8", newline="") as file:
        return [line for line in csv.DictReader(file) if line["source"] != "real"]


def test_a_sampler_and_a_filter_of_ones_own_are_seen_in_ledger_and_report(own, run_cli, digit_folder, tmp_path):
    out, words = tmp_path / "out", ["sampler=salt_pepper", "metric=[coverage]", *own, *QUICK]
    code, _, err = run_cli("balance", digit_folder, *words, f"out={out}")
    assert code == 0, err
    lines = synthetic_lines(out / "dataset")
    assert {line["sampler"] for line in lines} == {"salt_pepper"}
    assert {line["filters"] for line in lines} == {'{"even_sum": "passed"}'}
    facts = json.loads((out / "report.json").read_text(encoding="utf-8"))
    counts = facts["filters"].values()
    assert facts["filter_reasons"] == {"even_sum": "had an odd sum"}
    assert sum(one["accepted"] for one in counts) == len(lines) > 0
    rejected = sum(one["rejected_even_sum"] for one in counts)
    assert rejected > len(lines) / 3
    assert f"{rejected:,} had an odd sum" in (out / "report.html").read_text(encoding="utf-8")
    assert run_cli("verify", out / "dataset", "trust=[their_parts]")[0] == 0


def test_an_image_filter_of_ones_own_is_a_sentence_on_a_table(own, run_cli, tmp_path):
    code, _, err = run_cli("balance", "breast_cancer", "sampler=jitter", *own, *QUICK, f"out={tmp_path}/out")
    assert code == 2
    assert "filter even_sum takes rows of kind image; these are of kind table; leave it out of filter=[...]" in err
    assert "Traceback" not in err
    assert not (tmp_path / "out/dataset").exists()


def test_a_model_and_a_metric_of_ones_own_last_for_the_whole_life_of_a_run(own, run_cli, digit_folder, tmp_path):
    out, drawn = tmp_path / "out", tmp_path / "drawn"
    words = ["model=class_gaussian", "model.lr=0.1", "metric=[coverage,mean_gap]"]
    budget = ["trainer=cpu", "trainer.max_samples=6400"]
    code, _, err = run_cli("balance", digit_folder, *words, *budget, *own, *QUICK, f"out={out}")
    assert code == 0, err
    facts = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert "classgaussian" in (out / "generator/config.json").read_text(encoding="utf-8")
    for scores in facts["fidelity"].values():
        assert set(scores) == {"coverage", "mean_gap"}
        assert scores["mean_gap"]["better"] == "lower"
        assert scores["mean_gap"]["value"] > 0
    assert any("mean_gap[random]" in scores for scores in facts["per_class"].values())
    for page in ("report.html", "dataset/README.md"):
        assert "mean_gap" in (out / page).read_text(encoding="utf-8").replace("\\_", "_"), page
    lines, job = synthetic_lines(out / "dataset"), json.loads((out / "run/job.json").read_text(encoding="utf-8"))
    assert {line["sampler"] for line in lines} == {"classgaussian"}
    theirs = ["model=class_gaussian", *own]

    code, _, err = run_cli("sample", f"generator={out}/generator", "counts=20", f"out={drawn}", *theirs)
    assert code == 0, err
    assert len(synthetic_lines(drawn)) == 60
    code, _, err = run_cli("merge", out, *theirs)
    assert code == 0, err
    assert [line["content_sha256"] for line in synthetic_lines(out / "dataset")] == [
        line["content_sha256"] for line in lines
    ]
    assert json.loads((out / "run/job.json").read_text(encoding="utf-8")) == job
    for dataset in (out / "dataset", drawn):
        code, text, err = run_cli("verify", dataset, "n=20", f"generator={out}/generator", *theirs)
        assert code == 0, text + err
        assert "20 of 20 rows regenerate" in text


def test_a_bundle_with_a_model_that_is_not_given_is_a_sentence_that_says_how(own, run_cli, tmp_path):
    words = ["trainer=cpu", "trainer.max_samples=640", "logger=none"]
    code, _, err = run_cli("train", "digits", "model=class_gaussian", *words, *own, f"out={tmp_path}/out")
    assert code == 0, err
    sample = ["sample", f"generator={tmp_path}/out/generator", "counts=5", f"out={tmp_path}/drawn"]
    code, _, err = run_cli(*sample)
    assert code == 2
    assert "its model classgaussian is not part of gensynth; name it with model=NAME trust=[PACKAGE]" in err
    code, _, err = run_cli(*sample, "model=cvae")
    assert code == 2
    assert "it was trained with model classgaussian, and the class given is CVAE" in err
    assert not (tmp_path / "drawn").exists()
