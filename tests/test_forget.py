"""`gensynth forget`: which generators and rows depend on a row of the source."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from conftest import FAST, write_digit_folder

from gensynth.cli import main
from gensynth.cli.overrides import overrides


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Two runs of one folder: a generator with transforms for its small class, and interpolation."""
    base = tmp_path_factory.mktemp("forget")
    folder = write_digit_folder(base / "in", {"zero": 50, "a=b, (1) ~x": 30, "few": 14})
    common = (str(folder), "utility.run=false", "filter=[]")
    assert main(["balance", *common, f"out={base}/runs/deep/one", *FAST, "model.width=8"]) == 0
    assert main(["balance", *common, f"out={base}/runs/two", "sampler=smote", "target=60"]) == 0
    return base / "runs"


def of_split(run: Path, split: str, folder: str) -> str:
    found = [line["row_id"] for line in rows(run / "run/split.csv") if line["split"] == split]
    return next(row for row in found if row.startswith(folder))


def test_a_training_row_is_followed_to_generator_and_rows(runs, tmp_path, run_cli):
    one = runs / "deep/one"
    row = of_split(one, "train", "few")
    code, out, err = run_cli("forget", row, f"runs={runs}", f"out={tmp_path}/facts.json")
    assert code == 0, err
    ledger = rows(one / "dataset/ledger.csv")
    synthetic = [line["row_id"] for line in ledger if line["source"] != "real" and line["parent"] == row]
    drawn = sum(line["sampler"] == "cvae" for line in ledger)
    sha256 = hashlib.sha256((one / "generator/manifest.json").read_bytes()).hexdigest()
    facts = json.loads((tmp_path / "facts.json").read_text(encoding="utf-8"))
    assert facts["row"] == row
    first, second = facts["runs"]
    assert (first["run"], first["split"]) == ("deep/one", "train")
    assert first["generators"] == {"generator": sha256}
    assert first["drawn"] == {"cvae": drawn}
    assert len(first["rows"]["real"]) == 1
    assert first["rows"]["parent"] == synthetic
    assert f"generator {sha256[:16]} (generator) was trained on it" in out
    smote = [line for line in rows(runs / "two/dataset/ledger.csv") if line["sampler"] == "smote"]
    assert second["generators"] == {}
    if second["split"] == "train":
        assert second["may_hold"] == {"smote": sum(line["label"] == "few" for line in smote)}


def test_samples_from_a_generator_that_knew_the_row_are_told(runs, tmp_path, run_cli):
    one, copy = runs / "deep/one", tmp_path / "runs"
    shutil.copytree(one / "run", copy / "T/run")
    shutil.copytree(one / "generator", copy / "T/generator")
    shutil.copytree(one / "dataset", copy / "sent/dataset")
    code, _, err = run_cli("sample", f"generator={copy}/T/generator", "counts=3", f"out={copy}/S")
    assert code == 0, err
    (copy / "books").mkdir()
    (copy / "books/ledger.csv").write_text("day,amount\n1,2\n", encoding="utf-8")
    row = of_split(copy / "T", "train", "zero")
    code, out, err = run_cli("forget", row, f"runs={copy}", f"out={tmp_path}/facts.json")
    assert code == 0, err
    facts = json.loads((tmp_path / "facts.json").read_text(encoding="utf-8"))["runs"]
    reported = {one["run"]: (one["split"], one["drawn"]) for one in facts}
    sent = sum(line["sampler"] == "cvae" for line in rows(one / "dataset/ledger.csv"))
    assert reported == {"T": ("train", {}), "S": ("drawn", {"cvae": 9}), "sent/dataset": ("drawn", {"cvae": sent})}
    held = {one["run"]: list(one["rows"]) for one in facts}
    assert held == {"T": [], "S": [], "sent/dataset": ["real"]}
    assert f'S: rows from a generator that was trained on row "{row}"' in out
    assert "  9 rows of cvae were drawn from a generator trained on it" in out
    code, out, _ = run_cli("forget", of_split(copy / "T", "test", "zero"), f"runs={copy}")
    assert code == 0
    assert "S:" not in out


def test_the_rows_of_a_run_are_told_once(runs, run_cli):
    code, out, _ = run_cli("forget", of_split(runs / "deep/one", "train", "zero"), f"runs={runs}")
    assert code == 0
    assert out.count("rows of cvae were drawn") == 1


@pytest.mark.parametrize(("split", "words"), [("val", "used to choose"), ("test", "used to score")])
def test_rows_of_other_splits_have_other_uses(split, words, runs, run_cli):
    row = of_split(runs / "two", split, "zero")
    code, out, _ = run_cli("forget", row, f"runs={runs}/two")
    assert code == 0
    assert out.startswith(f'two: row "{row}" in {split}; {words}')
    assert "trained on it" not in out


def test_names_with_any_signs_are_words(runs, run_cli):
    row = of_split(runs / "two", "train", "a=b")
    for words in ((row, f"runs={runs}"), (f"runs={runs}", row), (f"row={row}", f"runs={runs}")):
        code, out, err = run_cli("forget", *words)
        assert code == 0, err
        assert f'row "{row}" in train' in out


@pytest.mark.parametrize("row", ["out of sight/x.png", "it's", "17", "x=1", "$x{y}", "[a, b]", 'say "x"', "naïve ~"])
def test_row_ids_survive_the_quoting(row):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (word,) = overrides("forget", [row])
    assert OverridesParser.create().parse_override(word).key_or_group == "row"
    assert str(OverridesParser.create().parse_override(word).value()) == row


def test_an_unknown_row_and_a_folder_without_runs(runs, tmp_path, run_cli):
    code, out, _ = run_cli("forget", "nobody.png", f"runs={runs}")
    assert (code, out.strip()) == (6, '"nobody.png" not found in 2 runs looked at: deep/one, two')
    (tmp_path / "empty").mkdir()
    code, _, err = run_cli("forget", "x", f"runs={tmp_path}/empty")
    assert code == 2
    assert "no run below 'empty'" in err
    code, _, err = run_cli("forget", "x")
    assert code == 2
    assert "there is no folder 'runs'" in err
    code, _, err = run_cli("forget")
    assert code == 2
    assert "forget needs the name of a row" in err


@pytest.mark.parametrize("form", ["{0}", "/home/me/in/{0}", "in/{0}", "C:\\\\in\\\\{1}", "train/{0}"])
def test_a_file_is_found_by_its_name_with_more_folders_or_other_strokes(form, runs, run_cli):
    row = of_split(runs / "two", "train", "zero")
    code, out, err = run_cli("forget", form.format(row, row.replace("/", "\\")), f"runs={runs}")
    assert code == 0, err
    assert f'two: row "{row}" in train' in out


def test_a_file_name_alone_finds_the_files_of_every_folder(runs, run_cli):
    code, out, _ = run_cli("forget", "img003.png", f"runs={runs}/two")
    assert code == 0
    assert out.count("/img003.png") >= 3
    assert "by file name, source in" in out
    code, _, _ = run_cli("forget", "g003.png", f"runs={runs}/two")
    assert code == 6


def test_a_run_on_the_images_of_a_run_is_followed_where_files_were_moved(runs, tmp_path, run_cli):
    base = tmp_path / "runs"
    shutil.copytree(runs / "two", base / "two")
    moved = tmp_path / "moved"
    for i, path in enumerate(sorted((base / "two/dataset/train").rglob("*.png"))):
        place = moved / path.parent.name / f"{i}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    words = ("utility.run=false", "metric=[]", "filter=[]", "sampler=smote", "target=62", "data.allow_synthetic=true")
    code, _, err = run_cli("balance", moved, *words, f"out={base}/three")
    assert code == 0, err
    row = of_split(base / "two", "train", "few")
    code, _, err = run_cli("forget", row, f"runs={base}", f"out={tmp_path}/facts.json")
    assert code == 0, err
    two, three = sorted(json.loads((tmp_path / "facts.json").read_text())["runs"], key=lambda one: one["run"] != "two")
    ledger = rows(base / "two/dataset/ledger.csv")
    of_few = sum(line["sampler"] == "smote" and line["label"] == "few" for line in ledger)
    assert two["may_hold"] == {"smote": of_few}
    assert list(three["source_rows"].values()) == ["same as in two"]
    assert three["taken"] == {"two": of_few}


def test_a_file_that_is_there_is_not_written_over(runs, tmp_path, run_cli):
    (tmp_path / "facts.json").write_text("mine", encoding="utf-8")
    code, _, err = run_cli("forget", "x", f"runs={runs}", f"out={tmp_path}/facts.json")
    assert code == 2
    assert "is there already" in err
    assert (tmp_path / "facts.json").read_text(encoding="utf-8") == "mine"


def test_rows_that_a_transform_took_a_style_from_are_named():
    from gensynth.provenance.forget import _texts

    assert _texts('{"style": "a/1.png", "noise": {"from": ["b/2.png", 3]}}') == {"a/1.png", "b/2.png"}
    assert _texts("") == set()
