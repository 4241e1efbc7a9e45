"""One memory of a run: every setting of `balance` is still in force in a merge without words, and after a resume."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import write_digit_folder, write_small_table

from gensynth.cli import compose, main
from gensynth.cli.config import job_of, merge_job
from gensynth.cli.overrides import conf_dir, flat_keys
from gensynth.errors import DataError, UsageError
from gensynth.steps.job import FILE, VERSION, Job, read_job

# Every key of conf/balance.yaml -> a word with another value than the default's.
OTHER = {
    "seed": "seed=7",
    "target": "target={zero: 70}",
    "symmetric": "symmetric=true",
    "features": "",  # inception cannot be had everywhere; its memory is that of every plain key
    "strict": "strict=true",
    "export.original": "export.original=true",
    "utility.run": "utility.run=false",
    "utility.seeds": "utility.seeds=4",
    "utility.steps": "utility.steps=33",
    "bias.max_drop": "bias.max_drop=0.4",
    "bias.max_recall_drop": "bias.max_recall_drop=0.3",
    "bias.favourable": "bias.favourable=one",
    "privacy.shadows": "privacy.shadows=4",
    "verdict.margin": "verdict.margin=0.02",
    "evaluate.folds": "evaluate.folds=5",
    "evaluate.effort": "evaluate=full",
    # groups, by one key each
    "data": "data.image_size=6",
    "model": "model.width=9",
    "trainer": "trainer.label_power=0.7",
    "logger": "logger=csv",
    "sampler": "sampler=smote",
    "fallback": "sampler@fallback=noise",
    "filter": "filter=[near_copy]",
    "metric": "metric=[coverage]",
    "evaluate": "evaluate=full",
    "filter.near_copy.ratio": "filter.near_copy.ratio=0.2",
}
# Of one call: where and how it runs, whom it trusts, and what a person accepts.
OF_THE_CALL = {"out", "resume", "trust", "bias.accept", "experiment", "bias", "export", "privacy", "utility", "verdict"}


def plain(job: Job) -> dict:
    """Everything that is in force, but for what belongs to a call."""
    tree = job.to_json()
    tree["data"] = {k: v for k, v in tree["data"].items() if k != "reader"} | {
        "reader": {k: v for k, v in tree["data"]["reader"].items() if k != "path"}
    }
    return tree


def test_every_key_of_balance_is_tried():
    text = (conf_dir() / "balance.yaml").read_text(encoding="utf-8")
    groups = {"fallback" if "@" in g else g for d in yaml.safe_load(text)["defaults"] if isinstance(d, dict) for g in d}
    keys = flat_keys(yaml.safe_load(text)) | groups
    assert keys - OF_THE_CALL <= set(OTHER), "a new key: say here how it is set, so that its memory is tested"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_digit_folder(tmp_path_factory.mktemp("source") / "images", {"zero": 60, "one": 40, "two": 30})


def finished_like(job: Job, run: Path) -> None:
    """What a finished run leaves of its settings, and the least that makes it a run with a data set."""
    from dataclasses import replace

    replace(job, out=run).write()
    (run / "dataset").mkdir(parents=True)
    facts = {"test_opened": 1, "quarantined": 0, "source_sha256": "", "explore": {}}
    schema = {"modality": "image", "classes": ["a", "b"], "fields": {}}
    facts |= {"deidentified": [], "resized": 0, "schema": schema}
    (run / "run/state.json").write_text(json.dumps(facts), encoding="utf-8")


def composed(verb: str, words: list[str]) -> dict:
    """What Hydra makes of the words, as the verbs get it."""
    import hydra
    from omegaconf import OmegaConf

    from gensynth.cli.main import _with_lists
    from gensynth.cli.overrides import overrides

    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return OmegaConf.to_container(_with_lists(hydra.compose(verb, overrides(verb, words))), resolve=True)


@pytest.mark.parametrize("word", [w for w in OTHER.values() if w])
def test_a_setting_is_in_force_in_a_merge_without_words_and_after_a_resume(word, folder, tmp_path):
    default = compose("balance", [str(folder), f"out={tmp_path}/d"])
    job = compose("balance", [str(folder), word, f"out={tmp_path}/run"])
    assert plain(job) != plain(default), "the word changes something"
    finished_like(job, tmp_path / "run")
    merged = merge_job(tmp_path / "run", composed("merge", [str(tmp_path / "run")]), ["merge", "run"], {})
    assert plain(merged) == plain(job)
    words = [str(folder), f"out={tmp_path}/run", "resume=true"]
    resumed = job_of("balance", composed("balance", words), ["balance", *words], {"data": "auto", "model": "cvae"})
    assert plain(resumed) == plain(job)
    assert resumed.data.reader.params["path"] == str(folder)


def test_words_change_a_resumed_run_and_a_merge(folder, tmp_path):
    job = compose("balance", [str(folder), "privacy.shadows=4", "utility.seeds=4", f"out={tmp_path}/run"])
    finished_like(job, tmp_path / "run")
    words = ["merge", str(tmp_path / "run"), "privacy.shadows=6"]
    merged = merge_job(tmp_path / "run", composed("merge", words[1:]), words, {})
    assert (merged.privacy.shadows, merged.utility.seeds) == (6, 4)
    again = [str(folder), f"out={tmp_path}/run", "resume=true", "trainer.max_minutes=9"]
    resumed = job_of("balance", composed("balance", again), ["balance", *again], {"data": "auto", "model": "cvae"})
    assert (resumed.trainer.max_minutes, resumed.privacy.shadows) == (9, 4)


def test_what_a_person_accepts_is_not_remembered(folder, tmp_path):
    job = compose("balance", [str(folder), "bias.accept=true", f"out={tmp_path}/run"])
    finished_like(job, tmp_path / "run")
    assert job.bias.accept
    assert not read_job(tmp_path / "run").bias.accept


@pytest.mark.parametrize("sampler", ["generator", "chain", "transforms"])
def test_the_tree_comes_back_as_it_was(sampler, folder):
    job = compose("balance", [str(folder), f"sampler={sampler}", "model=cgan", "data.groups=[a, b]"])
    again = Job.from_json(json.loads(json.dumps(job.tree())))
    assert again == job


def test_no_path_of_this_machine_is_written(folder, tmp_path):
    words = [str(folder), "sampler=background", f"sampler.backgrounds={tmp_path}/sky", f"out={tmp_path}/run"]
    (tmp_path / "sky").mkdir()
    shutil.copyfile(next(folder.rglob("*.png")), tmp_path / "sky/one.png")
    job = compose("balance", words)
    assert str(tmp_path) not in json.dumps(job.to_json())
    assert str(folder.parent) not in json.dumps(job.to_json())


def test_a_run_of_another_version_and_a_damaged_one_are_refused(folder, tmp_path):
    compose("balance", [str(folder), f"out={tmp_path}/run"]).write()
    path = tmp_path / "run" / FILE
    tree = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(tree | {"version": VERSION + 1}), encoding="utf-8")
    with pytest.raises(UsageError, match="version 2"):
        read_job(tmp_path / "run")
    path.write_text(json.dumps(tree | {"utility": 3}), encoding="utf-8")
    with pytest.raises(DataError, match="damaged"):
        read_job(tmp_path / "run")
    path.write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="damaged"):
        read_job(tmp_path / "run")


@pytest.mark.slow
def test_shadows_are_trained_in_a_merge_of_a_run_that_had_them(folder, tmp_path, capsys):
    words = ["sampler=noise", "utility.run=false", "logger=none", "privacy.shadows=4"]
    assert main(["balance", str(folder), *words, f"out={tmp_path}/run"]) == 0
    assert main(["merge", str(tmp_path / "run")]) == 0
    report = json.loads((tmp_path / "run/report.json").read_text(encoding="utf-8"))
    assert "shadow_lira" in {line["attack"] for line in report["privacy"]["membership"]}


def test_a_resume_that_is_refused_leaves_what_the_run_was_begun_with(tmp_path):
    words = [
        "balance",
        str(write_small_table(tmp_path)),
        "model.width=8",
        "trainer.max_samples=640",
        "trainer=cpu",
        "logger=none",
    ]
    words += ["utility.run=false", f"out={tmp_path}/run"]
    assert main(words) == 0
    shutil.rmtree(tmp_path / "run/dataset")
    (tmp_path / "run/.unfinished.json").write_text('{"verb": "balance"}', encoding="utf-8")
    before = (tmp_path / "run" / FILE).read_bytes()
    assert main([*words, "model.width=9", "resume=true"]) == 2
    assert (tmp_path / "run" / FILE).read_bytes() == before
    assert main([*words, "utility.steps=33", "resume=true"]) == 0
    assert read_job(tmp_path / "run").utility.steps == 33


@pytest.mark.parametrize("changes", [{}, {"seed": 3}, {"filter": {}}])
def test_overrides_open_no_room_to_what_a_run_names(changes, folder, tmp_path):
    job = compose("balance", [str(folder), f"out={tmp_path}/run"])
    finished_like(job, tmp_path / "run")
    path = tmp_path / "run" / FILE
    tree = json.loads(path.read_text(encoding="utf-8"))
    tree["sampler"]["_target_"] = "gensynth.files.replace_folder"
    path.write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(UsageError, match="is not below gensynth.samplers"):
        read_job(tmp_path / "run").with_overrides(changes).sampler.build()
