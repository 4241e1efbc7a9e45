"""`compare`: arms side by side, generator chosen on validation rows, and what `merge` and `target=auto` say of test."""

from __future__ import annotations

import json

import pytest
from conftest import write_digit_folder, write_small_table
from test_report_keys import against_recorded

QUICK = ("trainer.max_samples=640", "trainer.accelerator=cpu", "logger=none", "utility.seeds=3")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A comparison of a few arms on a small table, the cVAE trained twice."""
    from gensynth.cli import main

    folder = tmp_path_factory.mktemp("compare")
    out = folder / "c"
    arms = "arms=[class_weights,random_oversampling,classical,cvae,cvae+classical]"
    code = main(["compare", str(write_small_table(folder, 400)), arms, "generator_seeds=2", f"out={out}", *QUICK])
    assert code == 0
    return out, json.loads((out / "report.json").read_text())


def test_the_arms_that_were_asked_for_and_doing_nothing(report):
    _, facts = report
    arms = {row["arm"] for row in facts["utility"]}
    always = {"real_only", "class_weights", "tuned_threshold", "random_undersampling", "random_oversampling"}
    assert arms == always | {"jitter", "cvae", "cvae+classical"}


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
    assert json.loads((out / "arms/cvae-1/generator/config.json").read_text())["compared"]
    assert facts["verdict"]["answer"] in ("helps", "no_difference", "hurts", "cannot_tell")
    assert facts["verdict"]["use"] in {row["arm"] for row in facts["utility"]}
    assert "cvae" in facts["verdict"]["sentence"]
    assert facts["provenance"]["test_opened"] == 1
    assert facts["sets"]["cvae"]["fidelity"]["cells"]["coverage"]["n_real"] > 0
    assert (out / "report.html").stat().st_size < 5_000_000


def test_the_command_that_follows_keeps_the_words_of_the_data():
    from gensynth.cli.verbs import balance_command
    from gensynth.compare import choice_of

    typed = ["compare", "my table.csv", "data.label=y", "arms=[cvae]", "out=c", "models.cvae.width=8", "seed=3"]
    choices = {"jitter": "sampler=jitter", "classical_augmentation": "sampler=image_transforms", "cvae": "model=cvae"}
    for use, choice in choices.items():
        facts = {"verdict": {"use": use}, "sets": {"cvae": {}}}
        command = balance_command(typed, choice_of(facts, {"cvae": None}))
        assert command == f"gensynth balance 'my table.csv' data.label=y seed=3 {choice}"
    for use in ("real_only", "class_weights", "cvae+classical"):
        assert choice_of({"verdict": {"use": use}, "sets": {"cvae": {}}}, {"cvae": None}) == ""


def test_merging_again_counts_the_test_rows_opened_twice(run_cli, tmp_path):
    words = (
        "balance",
        write_small_table(tmp_path),
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


def test_a_run_without_its_job_cannot_be_merged(run_cli, tmp_path):
    words = ("sampler=jitter", f"out={tmp_path}/b", "utility.run=false", *QUICK[1:])
    assert run_cli("balance", write_small_table(tmp_path), *words)[0] == 0
    (tmp_path / "b/run/job.json").unlink()
    before = (tmp_path / "b/report.json").read_bytes()
    code, _, err = run_cli("merge", tmp_path / "b")
    assert code == 2
    assert "holds no run/job.json" in err
    assert (tmp_path / "b/report.json").read_bytes() == before


def test_what_was_trained_outlives_an_error_in_the_evaluation(tmp_path):
    from gensynth.errors import DataError
    from gensynth.run_folder import RunFolder

    def fails() -> None:
        with RunFolder(tmp_path / "c", "compare", False, "") as run:
            (run.path / "arms/cvae/generator").mkdir(parents=True)
            raise DataError("too late")

    with pytest.raises(DataError):
        fails()
    assert (tmp_path / "c/arms/cvae/generator").is_dir()


@pytest.fixture(scope="module")
def image_arms(tmp_path_factory):
    """Samplers, mixing and online augmentation beside a generator, on a few small digits."""
    from gensynth.cli import main

    base = tmp_path_factory.mktemp("image arms")
    folder = write_digit_folder(base / "images", {"zero": 60, "one": 40, "two": 30})
    arms = "arms=[oversample,noise,noise+online,cutmix,adversarial,cvae,chain]"
    words = ("utility.steps=30", "models.cvae.width=8", "samplers.chain.then.allow=[flip_vertical]", f"out={base}/c")
    assert main(["compare", str(folder), arms, *words, *QUICK]) == 0
    return json.loads((base / "c/report.json").read_text()), (base / "c/report.html").read_text(encoding="utf-8")


def test_samplers_mixing_and_online_arms_stand_beside_generators(image_arms):
    facts, _ = image_arms
    arms = {row["arm"] for row in facts["utility"]}
    assert arms == {
        "real_only",
        "class_weights",
        "tuned_threshold",
        "random_undersampling",
        "random_oversampling",
        "classical_augmentation",
        "noise",
        "noise+online",
        "cutmix",
        "adversarial",
        "cvae",
        "chain",
    }
    assert facts["verdict"]["candidate"] in ("cvae", "chain")  # what a network made, not the simple samplers
    assert {"noise", "adversarial", "noise+online", "cutmix"} <= {
        line["against"] for line in facts["verdict"]["details"]
    }


def test_compare_tells_all_that_it_told(image_arms):
    against_recorded("compare", image_arms[0])


def test_sets_are_attacked_their_labels_looked_at_and_their_rows_counted(image_arms):
    facts, page = image_arms
    assert facts["data"]["classes"]["two"]["real"] == facts["data"]["classes"]["two"]["before"]
    assert "0 real training rows" not in page
    for name, one in facts["sets"].items():
        assert {line["attack"] for line in one["privacy"]["membership"]} >= {"density_ratio", "no_rows"}, name
        assert set(one["integrity"]["classes"]) == {"zero", "one", "two"}
        rows = one["provenance"]["classes"].values()
        assert sum(row["own"] + row["fallback"] for row in rows) == sum(one["provenance"]["filled_by"].values()) == 35
    filled = {label: row["filled_by_fallback"] for label, row in facts["filters"].items() if label.startswith("cvae: ")}
    own = facts["sets"]["cvae"]["provenance"]["classes"]
    assert {label.removeprefix("cvae: "): n for label, n in filled.items()} == {
        name: row["fallback"] for name, row in own.items() if name in ("one", "two")
    }


def test_every_set_has_novelty_agreement_and_its_cost(image_arms):
    facts, page = image_arms
    assert set(facts["sets"]) == {"random_oversampling", "noise", "adversarial", "cvae", "chain"}
    for one in facts["sets"].values():
        assert one["label_agreement"]["n_synthetic"] == 35
        assert one["seconds_per_1000"] > 0
    new = {name: one["novelty"]["value"] for name, one in facts["sets"].items()}
    assert new["random_oversampling"] == 0 < new["noise"] < new["cvae"]
    assert "says nothing for them" in page
    assert {line["operation"] for line in facts["operations"]["noise"]} == {
        "gaussian_noise",
        "poisson_noise",
        "salt_and_pepper",
    }
    assert [line["trained_on"] for line in facts["robustness"]] == ["real rows", "real and adversarial rows"]


@pytest.mark.parametrize(
    ("arms", "says"),
    [
        ("[cvae,smote+online]", "smote+online must name a transform"),
        ("[none,mixup]", "nothing that makes rows"),
        ("[cvae,jitter]", "sampler=jitter takes rows of kind table"),
        ("[cvae,trivial_augmnt]", "trivial_augment"),
    ],
)
def test_arms_that_make_no_sense_are_a_sentence(arms, says, run_cli, tmp_path):
    code, _, err = run_cli("compare", "digits_longtail", f"arms={arms}", f"out={tmp_path}/c", *QUICK)
    assert code == 2
    assert says in err


def test_oversampled_rows_beside_a_table_sampler_of_the_same_name(run_cli, tmp_path):
    arms = "arms=[none,classical,jitter,adversarial_table]"
    code, out, err = run_cli("compare", write_small_table(tmp_path), arms, f"out={tmp_path}/c", *QUICK)
    assert code == 0, err
    facts = json.loads((tmp_path / "c/report.json").read_text())
    always = {"real_only", "class_weights", "tuned_threshold", "random_undersampling", "random_oversampling"}
    assert {row["arm"] for row in facts["utility"]} == always | {"jitter", "adversarial_table"}
    assert facts["verdict"]["candidate"] in ("jitter", "adversarial_table")
