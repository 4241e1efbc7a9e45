"""`compare`: arms side by side, generator chosen on validation rows, and what `merge` and `target=auto` say of test."""

from __future__ import annotations

import json

import pytest

QUICK = ("trainer.max_samples=640", "trainer.accelerator=cpu", "logger=none", "utility.seeds=3")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A comparison of a few arms on tumours, the cVAE trained twice."""
    from gensynth.cli import main

    out = tmp_path_factory.mktemp("compare") / "c"
    arms = "arms=[class_weights,random_oversampling,classical,cvae,cvae+classical]"
    code = main(["compare", "breast_cancer", arms, "generator_seeds=2", f"out={out}", *QUICK])
    assert code == 0
    return out, json.loads((out / "report.json").read_text())


def test_the_arms_that_were_asked_for_and_doing_nothing(report):
    _, facts = report
    arms = {row["arm"] for row in facts["utility"]}
    assert arms == {"real_only", "class_weights", "random_oversampling", "jitter", "cvae", "cvae+classical"}


def test_generator_seeds_are_counted_apart_from_classifier_seeds(report):
    _, facts = report
    counts = {row["arm"]: (row["seeds"], row["generator_seeds"]) for row in facts["utility"]}
    assert counts["cvae"] == counts["cvae+classical"] == (3, 2)
    assert counts["jitter"] == (3, 1)
    assert facts["provenance"]["generator_seeds"] == 2


def test_files_and_a_page_with_the_same_answer(report):
    out, facts = report
    assert sorted(p.name for p in (out / "arms").iterdir()) == ["cvae-0", "cvae-1"]
    assert (out / "arms/cvae-1/generator/model.safetensors").is_file()
    assert facts["verdict"]["answer"] in ("helps", "no_difference", "hurts")
    assert facts["verdict"]["use"] in {row["arm"] for row in facts["utility"]}
    assert "cvae" in facts["verdict"]["sentence"]
    assert facts["provenance"]["test_opened"] == 1
    assert facts["sets"]["cvae"]["fidelity"]["cells"]["coverage"]["n_real"] > 0
    assert (out / "report.html").stat().st_size < 5_000_000


def test_the_command_that_follows_keeps_the_words_of_the_data():
    from gensynth.cli import _balance_command
    from gensynth.comparison import choice_of

    typed = ["compare", "my table.csv", "data.label=y", "arms=[cvae]", "out=c", "models.cvae.width=8", "seed=3"]
    choices = {"jitter": "sampler=jitter", "classical_augmentation": "sampler=image_transforms", "cvae": "model=cvae"}
    for use, choice in choices.items():
        facts = {"verdict": {"use": use}, "sets": {"cvae": {}}}
        command = _balance_command(typed, choice_of(facts, {"cvae": None}))
        assert command == f"gensynth balance 'my table.csv' data.label=y seed=3 {choice}"
    for use in ("real_only", "class_weights", "cvae+classical"):
        assert choice_of({"verdict": {"use": use}, "sets": {"cvae": {}}}) == ""


def test_merging_again_counts_the_test_rows_opened_twice(run_cli, tmp_path):
    words = (
        "balance",
        "breast_cancer",
        "sampler=jitter",
        "target=auto",
        f"out={tmp_path}/b",
        "utility.run=false",
        *QUICK[1:],
    )
    code, out, err = run_cli(*words)
    assert code == 0, err
    assert "How much to add: not run, utility.run is false." in out
    first = json.loads((tmp_path / "b/report.json").read_text())
    assert first["provenance"]["test_opened"] == 1
    code, out, err = run_cli("merge", tmp_path / "b")
    assert code == 0, err
    again = json.loads((tmp_path / "b/report.json").read_text())
    assert again["provenance"]["test_opened"] == 2
    assert "test_opened" in {warning["code"] for warning in again["warnings"]}
    assert again["data"]["classes"] == first["data"]["classes"]


def test_a_run_of_an_earlier_version_can_be_merged(run_cli, tmp_path):
    words = ("sampler=jitter", f"out={tmp_path}/b", "utility.run=false", *QUICK[1:])
    assert run_cli("balance", "breast_cancer", *words)[0] == 0
    path = tmp_path / "b/run/state.json"
    state = json.loads(path.read_text())
    for key in ("symmetric", "inception", "test_opened"):
        del state[key]
    path.write_text(json.dumps(state | {"utility_seeds": 0}))
    code, _, err = run_cli("merge", tmp_path / "b")
    assert code == 0, err
    report = json.loads((tmp_path / "b/report.json").read_text())
    assert report["provenance"]["test_opened"] == 2


def test_what_was_trained_outlives_an_error_in_the_evaluation(tmp_path):
    from gensynth.errors import DataError
    from gensynth.rundir import RunFolder

    def fails() -> None:
        with RunFolder(tmp_path / "c", "compare", False, "") as run:
            (run.path / "arms/cvae/generator").mkdir(parents=True)
            raise DataError("too late")

    with pytest.raises(DataError):
        fails()
    assert (tmp_path / "c/arms/cvae/generator").is_dir()
