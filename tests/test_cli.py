"""The promises of the command line, by commands only: words, exit codes, files."""

from __future__ import annotations

import csv
import hashlib
import html
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import FAST, write_digit_folder
from PIL import Image

from gensynth.cli import compose
from gensynth.cli.overrides import overrides

TINY = (*FAST, "model.width=8", "utility.steps=30", "utility.seeds=3")
TRAINED = (*TINY, "trainer.max_samples=25000")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One finished `balance` of a folder with 60, 40 and 12 images; the last class is below the tail guard."""
    base = tmp_path_factory.mktemp("finished")
    images = write_digit_folder(base / "my images (v=1, ~x)", {"zero": 90, "one": 60, "few & <b>": 12})
    (images / "zero" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    shutil.copy(images / "zero" / "img000.png", base / "photo.png")
    from gensynth.cli import main

    before = {p: sha256(p) for p in images.rglob("*.png")}
    code = main(["balance", str(images), f"out={base}/out, (1)=x", *TRAINED])
    assert code == 0
    assert {p: sha256(p) for p in images.rglob("*.png")} == before, "the user's files are never changed"
    return base / "out, (1)=x", images


# ---- words ----------------------------------------------------------------------------------------


def test_help_names_every_verb(run_cli):
    code, out, _ = run_cli("--help")
    assert code == 0
    for word in (
        "demo",
        "explore",
        "train",
        "sample",
        "balance",
        "merge",
        "evaluate",
        "doctor",
        "out=",
        "seed=",
        "examples:",
    ):
        assert word in out


def test_help_is_answered_before_torch_and_hydra_are_imported():
    script = "import sys; from gensynth.cli import main; main(['--help']); print({'torch', 'hydra'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["balnce"], 'did you mean "balance"?'),
        (["balance", "digits", "modle=cvae"], 'did you mean "model"?'),
        (["balance", "digits", "model=cvea"], 'did you mean "cvae"?'),
        (["balance", "digits", "trainer.max_minute=1"], 'did you mean "trainer.max_minutes"?'),
        (["balance", "digitz"], 'did you mean "digits"?'),
        (["balance", "digits", "+sead=1"], 'did you mean "seed"?'),
        (["balance", "digits", "filter.near_copy.ration=1"], 'did you mean "filter.near_copy.ratio"?'),
        (["balance", "digits", "experiment=blood_cell"], 'did you mean "blood_cells"?'),
        (["balance"], "DATA is missing"),
        (["sample", "counts=3"], "sample needs generator="),
        (["sample", "generator=nowhere", "counts=3"], "not a generator bundle"),
        (["merge"], "merge needs the folder"),
        (["merge", "nowhere"], "not a finished balance run"),
        (["evaluate", "real=x"], "evaluate needs synthetic="),
        (["tune"], "planned"),
        (["review", "runs/x"], "there is no folder"),
        (["balance", "digits", "target=cells"], "name the groups with data.groups=[...]"),
        (["balance", "digits", "seed=x"], "seed must be a whole number"),
        (["balance", "digits", "data.split=[.5,.1]"], "data.split"),
        (["train", "digits", "wandb_api_key=abc"], "secrets are never configuration keys"),
        (["train", "digits", "out=a b", "seed"], "cannot understand"),
        (["sample", "strict=true"], 'unknown key "strict"'),
        (["train", "digits", "model.width=-1"], "model.width must be a whole number of at least 1, got -1"),
        (["train", "digits", "model.batch_size=0"], "model.batch_size"),
        (["train", "digits", "model.lr=abc"], "model.lr must be a number"),
        (["train", "digits", "model=cgan", "model.vae.width=1.5"], "model.vae.width"),
        (["train", "digits", "model.prior=flwo"], 'did you mean "flow"?'),
        (["train", "digits", "trainer.max_minutes=soon"], "trainer.max_minutes must be a number"),
        (["train", "digits", "trainer.max_minutes=0"], "no budget"),
        (["train", "digits", "trainer.accelerator=abacus"], "trainer.accelerator=abacus"),
        (["train", "digits", "trainer.devices=0"], "trainer.devices must be at least 1"),
        (["balance", "digits", "filter.near_copy.ratio=x"], "filter.near_copy.ratio must be a number"),
        (["balance", "digits", "utility.steps=-1"], "utility.steps"),
        (["balance", "digits", "utility.seeds=2"], "at least 3"),
        (["balance", "digits", "data.split=[a,b,c]"], "data.split"),
        (["balance", "digits", "data.long_tail=[0,5]"], "data.long_tail"),
        (["balance", "digits", "data.subject=who"], "data.subject=who"),
        (["balance", "digits", "target={eleven: 3}"], 'unknown class "eleven"'),
        (["balance", "digits", "features=inceptoin"], "own | inception"),
        (["compare", "digits", "arms=[cvea]"], 'did you mean "cvae"?'),
        (["compare", "digits", "generator_seeds=9"], "generator_seeds must lie between 1 and utility.seeds=5"),
        (["compare", "digits", "arms=[none,class_weights]"], "arms names nothing that makes rows"),
        (["compare", "digits", "models.cvae.width=-1"], "models.cvae.width must be a whole number"),
    ],
)
def test_wrong_words_get_one_line_and_exit_2(run_cli, words, hint):
    code, _, err = run_cli(*words)
    assert code == 2
    assert hint in err
    assert "Traceback" not in err
    assert not list(Path.cwd().rglob("*.json")), "nothing half-written"


@pytest.mark.parametrize(
    "path", ["a b", "a=b", "a(b", "x,y", "~tilde", "it's", 'say "x"', "back\\", "a\\'b", "$x{y}", "[1]", "#c", "naïve"]
)
def test_any_path_survives_the_quoting(path, tmp_path):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (word,) = overrides("sample", [f"out={tmp_path}/{path}"])
    parsed = OverridesParser.create().parse_override(word)
    assert str(parsed.value()) == f"{tmp_path}/{path}"
    (tmp_path / path).mkdir()
    data = overrides("balance", [f"{tmp_path}/{path}"])
    assert str(OverridesParser.create().parse_override(data[1]).value()) == f"{tmp_path}/{path}"


def test_names_win_over_folders_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    assert overrides("balance", ["digits"]) == ["data=digits"]
    assert overrides("balance", ["./digits"]) == ["data=auto", "data.path='./digits'"]


@pytest.mark.parametrize("typed", ['{"<=50K": 10}', "{'<=50K': 10}", "{<=50K: 10}"])
def test_mappings_are_read_as_text(typed):
    (word,) = overrides("sample", [f"counts={typed}"])
    assert word == """counts='{"<=50K": "10"}'"""


def test_leading_zeros_stay_in_class_names():
    assert overrides("sample", ["counts={007: 3, 3: 20}"]) == ["""counts='{"007": "3", "3": "20"}'"""]


def test_one_name_is_a_list_of_it(run_cli, tmp_path):
    lines = [f"{'fm'[i % 2]},{i % 17},{i * 7 % 13},{'yes' if i < 25 else 'no'}" for i in range(120)]
    (tmp_path / "people.csv").write_text("\n".join(["sex,7,dose,label", *lines]) + "\n")
    words = ("data.groups=sex", "data.ignore=7", "data.header=true")
    code, out, err = run_cli("explore", tmp_path / "people.csv", *words, f"out={tmp_path}/e")
    assert code == 0, err
    assert 'column "7" is left out (data.ignore)' in out + err
    config = json.loads((tmp_path / "e/run/job.json").read_text())
    assert (config["data"]["groups"], config["data"]["ignore"]) == (["sex"], ["7"])
    job = compose("balance", ["digits", "data.allow=flip_horizontal", "sampler=trivial_augment", "trust=mine"])
    assert job.sampler.build().allow == ("flip_horizontal",)
    assert job.trust == ("mine",)
    job = compose("explore", [str(tmp_path / "people.csv"), "data.groups=[sex,7,sex]"])
    assert job.data.groups == ("sex", "7")


def test_doctor_finds_this_environment_healthy(run_cli):
    code, out, _ = run_cli("doctor")
    assert code == 0
    assert "torch 2" in out
    assert out.rstrip().endswith("all well")


# ---- the main job ---------------------------------------------------------------------------------


def test_balance_writes_the_promised_files(finished):
    out, _ = finished
    for name in (
        "dataset/train/metadata.csv",
        "dataset/val/metadata.csv",
        "dataset/test/metadata.csv",
        "dataset/ledger.csv",
        "dataset/manifest.json",
        "dataset/croissant.json",
        "dataset/README.md",
        "generator/model.safetensors",
        "generator/config.json",
        "generator/manifest.json",
        "generator/README.md",
        "report.html",
        "report.json",
        "explore.json",
        "run/split.csv",
        "run/quarantine.csv",
        "run/metrics.csv",
        "run/job.json",
    ):
        assert (out / name).is_file(), name
    assert not [p.name for p in out.rglob("*") if "tmp" in p.name or p.name.startswith(".")]


def test_classes_are_balanced_and_val_and_test_are_real(finished):
    out, _ = finished
    train = rows(out / "dataset/train/metadata.csv")
    counts = {c: sum(r["label"] == c for r in train) for c in {r["label"] for r in train}}
    assert len(set(counts.values())) == 1
    assert set(counts) == {"zero", "one", "few & <b>"}
    for split in ("val", "test"):
        assert {r["source"] for r in rows(out / f"dataset/{split}/metadata.csv")} == {"real"}


def test_ledger_and_metadata_name_the_same_rows_in_order(finished):
    out, _ = finished
    train, ledger = rows(out / "dataset/train/metadata.csv"), rows(out / "dataset/ledger.csv")
    assert list(ledger[0]) == [
        "row_id",
        "source",
        "label",
        "sampler",
        "generator_sha256",
        "seed",
        "index",
        "parent",
        "params",
        "content_sha256",
        "filters",
        "review",
    ]
    assert [r["file_name"] for r in train] == [r["row_id"] for r in ledger]
    assert [r["source"] for r in train] == [r["source"] for r in ledger]
    for row in ledger:
        assert sha256(out / "dataset/train" / row["row_id"]) == row["content_sha256"]
    generator = sha256(out / "generator/manifest.json")
    synthetic = [r for r in ledger if r["source"] == "synthetic"]
    assert {r["generator_sha256"] for r in synthetic} == {generator}
    assert {(r["seed"], r["sampler"]) for r in synthetic} == {("0", "cvae")}


def test_small_classes_come_from_augmentation_with_parents(finished):
    out, _ = finished
    ledger = rows(out / "dataset/ledger.csv")
    few = [r for r in ledger if r["label"] == "few & <b>"]
    real = {r["parent"] for r in few if r["source"] == "real"}
    synthetic = [r for r in few if r["source"] != "real"]
    assert {(r["source"], r["sampler"]) for r in synthetic} == {("augmented", "image_transforms")}
    assert {r["parent"] for r in synthetic} <= real
    assert all("rotate_degrees" in json.loads(r["params"]) for r in synthetic)
    report = json.loads((out / "report.json").read_text())
    assert "small_class" in {w["code"] for w in report["warnings"]}


def test_real_files_leave_byte_for_byte(finished):
    out, images = finished
    source = {sha256(p) for p in images.rglob("img*.png")}
    real = []
    for split in ("train", "val", "test"):
        base = out / "dataset" / split
        real += [sha256(base / r["file_name"]) for r in rows(base / "metadata.csv") if r["source"] == "real"]
    assert set(real) == source
    assert len(real) == 90 + 60 + 12


def test_splits_are_disjoint_and_written_down(finished):
    out, _ = finished
    split = rows(out / "run/split.csv")
    assert len({r["row_id"] for r in split}) == len(split) == 162
    sizes = {s: sum(r["split"] == s for r in split) for s in ("train", "val", "test")}
    assert sizes == {s: sum(r["source"] == "real" for r in rows(out / f"dataset/{s}/metadata.csv")) for s in sizes}
    assert sizes["test"] == 18 + 12 + 2


def test_bad_files_are_quarantined_with_a_reason(finished):
    out, _ = finished
    (line,) = rows(out / "run/quarantine.csv")
    assert line["file"] == "zero/broken.png"
    assert line["reason"] in ("truncated", "not_an_image")


def test_manifest_covers_the_dataset(finished):
    out, _ = finished
    listed = json.loads((out / "dataset/manifest.json").read_text())["files"]
    files = {p.relative_to(out / "dataset").as_posix() for p in (out / "dataset").rglob("*") if p.is_file()}
    assert set(listed) == files - {"manifest.json"}
    assert all(sha256(out / "dataset" / name) == entry["sha256"] for name, entry in listed.items())


def test_report_has_its_shape_and_agrees_with_the_page(finished):
    out, _ = finished
    report = json.loads((out / "report.json").read_text())
    answer = report["verdict"]["answer"]
    assert answer in ("helps", "no_difference", "hurts", "cannot_tell")
    gain, margin = report["verdict"]["gain"], report["verdict"]["margin"]
    assert (answer == "helps") == (gain["low"] > 0 and gain["high"] > margin)
    assert (answer == "no_difference") == (-margin <= gain["low"] and gain["high"] <= margin)
    assert gain["against"] in {r["arm"] for r in report["utility"]}
    assert {r["arm"] for r in report["utility"]} == {
        "real_only",
        "class_weights",
        "tuned_threshold",
        "random_undersampling",
        "random_oversampling",
        "smote",
        "classical_augmentation",
        "real_plus_synthetic",
        "real_plus_synthetic_and_classical",
    }
    assert all(set(r) >= {"arm", "learner", "metric", "mean", "low", "high", "seeds"} for r in report["utility"])
    for key in ("fidelity", "per_class", "faults", "privacy", "bias", "data", "timing", "provenance", "warnings"):
        assert key in report
    page = (out / "report.html").read_text()
    numbers = report["verdict"]["sentence"].partition(". Balanced accuracy on ")[2]
    text = html.unescape(page)
    assert all(part in text for part in (report["verdict"]["advice"], report["verdict"]["why"], numbers))
    assert report["how_much"]["sentence"] in text
    assert report["provenance"]["test_opened"] == 1
    assert "few &amp; &lt;b&gt;" in page
    assert "few & <b>" not in page


def test_no_file_tells_where_or_by_whom_it_was_made(finished, tmp_path):
    out, images = finished
    words = [
        str(images.parent).encode(),
        os.uname().nodename.encode(),
        b"/home/",
        str(Path(__file__).parents[1]).encode(),
    ]
    for path in out.rglob("*"):
        if path.is_file() and path.suffix not in (".png", ".safetensors"):
            content = path.read_bytes()
            hits = [w for w in words if len(w) > 3 and w in content]
            assert not hits, f"{path.relative_to(out)} contains {hits}"


def test_the_same_words_give_the_same_dataset(finished, run_cli, tmp_path):
    out, images = finished
    code, _, _ = run_cli("balance", images, f"out={tmp_path}/again", *TRAINED, "utility.run=false")
    assert code == 0
    assert (tmp_path / "again/dataset/ledger.csv").read_bytes() == (out / "dataset/ledger.csv").read_bytes()
    assert sha256(tmp_path / "again/generator/model.safetensors") == sha256(out / "generator/model.safetensors")


def test_a_finished_or_foreign_out_is_not_touched(finished, run_cli, tmp_path):
    out, images = finished
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    for words in ([], ["resume=true"]):
        code, _, err = run_cli("balance", images, f"out={out}", *TINY, *words)
        assert code == 2
        assert "nothing was touched" in err
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/thesis.txt").write_text("mine")
    assert run_cli("train", "digits", f"out={tmp_path}/foreign", *FAST)[0] == 2
    assert [p.name for p in (tmp_path / "foreign").iterdir()] == ["thesis.txt"]
    (tmp_path / "file").write_text("x")
    assert run_cli("train", "digits", f"out={tmp_path}/file", *FAST)[0] == 2
    assert run_cli("train", "digits", f"out={tmp_path}/file/below", *FAST)[0] == 2


@pytest.mark.parametrize("original", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_files_of_another_size_or_with_metadata(run_cli, tmp_path, original):
    """Resized and stripped by default; byte for byte with export.original=true."""
    images = write_digit_folder(tmp_path / "images", {"zero": 30, "one": 20})
    large, tagged = images / "zero" / "large.png", images / "one" / "tagged.jpg"
    Image.new("L", (20, 20), 99).save(large)
    exif = Image.Exif()
    exif[0x010E] = "a name"
    Image.new("L", (8, 8), 50).save(tagged, exif=exif)
    words = ("sampler=random_oversampling", "utility.steps=30", f"export.original={original}", "data.image_size=8")
    code, _, err = run_cli("balance", images, f"out={tmp_path}/o", *words)
    assert code == 0, err
    exported = [p for p in (tmp_path / "o/dataset").rglob("*") if p.stem in ("large", "tagged")]
    assert len(exported) >= 2
    hashes = {sha256(p) for p in exported}
    assert ({sha256(large), sha256(tagged)} == hashes) is original
    if not original:
        for path in exported:
            with Image.open(path) as image:
                assert (image.size, dict(image.getexif())) == ((8, 8), {})


# ---- merge ----------------------------------------------------------------------------------------


def test_merge_without_review_changes_nothing(finished, run_cli, tmp_path):
    out, _ = finished
    code, _, err = run_cli("merge", out, f"out={tmp_path}/merged")
    assert code == 0, err
    old, new = rows(out / "dataset/ledger.csv"), rows(tmp_path / "merged/dataset/ledger.csv")
    assert [(r["row_id"], r["content_sha256"], r["parent"]) for r in new] == [
        (r["row_id"], r["content_sha256"], r["parent"]) for r in old
    ]


def test_merge_honours_the_review(finished, run_cli, tmp_path):
    out = tmp_path / "reviewed"
    shutil.copytree(finished[0], out)
    synthetic = [r["row_id"] for r in rows(out / "dataset/ledger.csv") if r["source"] == "synthetic"]
    turned_down, accepted = synthetic[:2], synthetic[2]
    (out / "review.csv").write_text(
        "row_id,verdict\n" + "".join(f'"{r}",reject\n' for r in turned_down) + f'"{accepted}",accept\n'
    )
    assert run_cli("merge", out)[0] == 0
    ledger = {r["row_id"]: r for r in rows(out / "dataset/ledger.csv")}
    assert not set(turned_down) & set(ledger)
    assert ledger[accepted]["review"] == "accept"
    assert len(ledger) == len(rows(finished[0] / "dataset/ledger.csv"))
    assert not (out / "dataset/train" / turned_down[0]).exists()


def test_a_merge_refuses_a_review_of_rows_that_the_run_never_made(finished, run_cli, tmp_path):
    out = tmp_path / "reviewed"
    shutil.copytree(finished[0], out)
    (out / "review.csv").write_text("row_id,verdict\none/nobody-0-000001.png,reject\n")
    code, _, err = run_cli("merge", out, "review.min=1")
    assert code == 3
    assert "neither has nor made: 1, the first 'one/nobody-0-000001.png'" in err
    assert sha256(out / "report.json") == sha256(finished[0] / "report.json")


@pytest.fixture(scope="module")
def table_run(tmp_path_factory):
    """A finished run of a table with missing cells, its filters not the ones of conf/merge.yaml."""
    base = tmp_path_factory.mktemp("table")
    lines = [f"{'fm'[i % 2]},{i % 17 if i % 10 else ''},{i * 7 % 13},{'yes' if i < 25 else 'no'}" for i in range(120)]
    (base / "people.csv").write_text("\n".join(["sex,age,dose,label", *lines]) + "\n")
    from gensynth.cli import main

    words = ["sampler=jitter", "utility.run=false", "logger=none", "filter.label_agreement.quantile=0.01"]
    assert main(["balance", str(base / "people.csv"), f"out={base}/out", *words]) == 0
    return base / "out"


def filters_of(run: Path) -> dict[str, float]:
    """The filters that a run says it had, and the setting of each."""
    saved = json.loads((run / "run/job.json").read_text())["filter"]
    return {name: next(v for k, v in node.items() if k != "_target_") for name, node in saved.items()}


@pytest.mark.parametrize(
    ("words", "filters"),
    [
        ([], {"label_agreement": 0.01, "near_copy": 0.3333}),
        (["filter.near_copy.ratio=0.6"], {"label_agreement": 0.01, "near_copy": 0.6}),
        (["--filter.near_copy.ratio=0.6", "~filter.label_agreement"], {"near_copy": 0.6}),
        (["filter=[near_copy]", "filter.near_copy.ratio=0.6"], {"near_copy": 0.6}),
    ],
)
def test_merge_starts_from_the_filters_of_the_run(table_run, run_cli, tmp_path, words, filters):
    code, _, err = run_cli("merge", table_run, *words, f"out={tmp_path}/m")
    assert code == 0, err
    assert filters_of(tmp_path / "m") == filters


def test_a_run_without_filters_is_merged_without(table_run, run_cli, tmp_path):
    assert run_cli("merge", table_run, "filter=[]", f"out={tmp_path}/m")[0] == 0
    assert run_cli("merge", tmp_path / "m")[0] == 0
    assert filters_of(tmp_path / "m") == {}


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        (
            "filter.value_range.margin=1",
            "filter.value_range: the run's filter holds label_agreement, near_copy;",
        ),
        ("~filter.value_range", "filter.value_range: the run's filter holds"),
        ("fallback.shift=1", "fallback.shift: the run's fallback holds"),
        ("filter.near_copy.ratio=x", "filter.near_copy.ratio must be a number"),
    ],
)
def test_merge_refuses_keys_that_the_run_has_not(table_run, run_cli, tmp_path, word, hint):
    code, _, err = run_cli("merge", table_run, word, f"out={tmp_path}/m")
    assert code == 2
    (line,) = err.strip().splitlines()
    assert hint in line
    assert not (tmp_path / "m").exists()


# ---- sample ---------------------------------------------------------------------------------------


def test_sample_npz(finished, run_cli, tmp_path):
    out, _ = finished
    code, _, _ = run_cli(
        "sample", f"generator={out}/generator", "counts={one: 70, zero: 5}", f"out={tmp_path}/s", "format=npz"
    )
    assert code == 0
    assert sorted(p.name for p in (tmp_path / "s").iterdir()) == ["ledger.csv", "samples.npz"]
    with np.load(tmp_path / "s/samples.npz", allow_pickle=False) as file:
        x, y, classes = file["x"], file["y"], file["classes"].tolist()
    assert (x.shape, x.dtype, y.dtype) == ((75, 8, 8), np.uint8, np.int64)
    assert {classes[k]: n for k, n in enumerate(np.bincount(y, minlength=3))} == {"one": 70, "zero": 5, "few & <b>": 0}
    ledger = rows(tmp_path / "s/ledger.csv")
    assert [r["label"] for r in ledger] == [classes[k] for k in y]
    assert ledger[0]["content_sha256"] == hashlib.sha256(x[0].tobytes()).hexdigest()


def test_samples_are_prefix_stable_and_classes_independent(finished, run_cli, tmp_path):
    out, _ = finished
    requested = {"few": "{one: 30}", "more": "{one: 100, zero: 7}", "other": "{zero: 7}"}
    x = {}
    for name, counts in requested.items():
        assert (
            run_cli("sample", f"generator={out}/generator", f"counts={counts}", f"out={tmp_path}/{name}", "format=npz")[
                0
            ]
            == 0
        )
        with np.load(tmp_path / name / "samples.npz") as file:
            x[name] = {file["classes"][k]: file["x"][file["y"] == k] for k in range(3)}
    np.testing.assert_array_equal(x["more"]["one"][:30], x["few"]["one"])
    np.testing.assert_array_equal(x["more"]["zero"], x["other"]["zero"])
    assert (
        run_cli(
            "sample", f"generator={out}/generator", "counts={one: 30}", "seed=1", f"out={tmp_path}/s1", "format=npz"
        )[0]
        == 0
    )
    with np.load(tmp_path / "s1/samples.npz") as file:
        assert (file["x"] != x["few"]["one"]).any(axis=(1, 2)).mean() > 0.99


def test_sampled_rows_are_those_of_the_dataset(finished, run_cli, tmp_path):
    """Row (label, seed, index) of the ledger is the same row when drawn alone from the bundle."""
    out, _ = finished
    assert run_cli("sample", f"generator={out}/generator", "counts={one: 300}", f"out={tmp_path}/s")[0] == 0
    drawn = {(r["label"], r["index"]): r["content_sha256"] for r in rows(tmp_path / "s/ledger.csv")}
    synthetic = [r for r in rows(out / "dataset/ledger.csv") if r["source"] == "synthetic" and r["label"] == "one"]
    assert synthetic
    assert all(drawn[r["label"], r["index"]] == r["content_sha256"] for r in synthetic)


def test_sample_folder(finished, run_cli, tmp_path):
    out, _ = finished
    code, _, err = run_cli("sample", f"generator={out}/generator", "counts=3", f"out={tmp_path}/s")
    assert code == 0
    assert "too few to learn it" in err
    metadata = rows(tmp_path / "s/metadata.csv")
    assert [r["file_name"] for r in metadata] == [r["row_id"] for r in rows(tmp_path / "s/ledger.csv")]
    assert len(metadata) == 9
    assert sorted(p.name for p in (tmp_path / "s").glob("*.csv")) == ["ledger.csv", "metadata.csv"]
    for r in metadata:
        with Image.open(tmp_path / "s" / r["file_name"]) as image:
            assert image.size == (8, 8)


def test_sample_unknown_class_and_format(finished, run_cli, tmp_path):
    out, _ = finished
    code, _, err = run_cli("sample", f"generator={out}/generator", "counts={onee: 3}", f"out={tmp_path}/s")
    assert (code, 'did you mean "one"?' in err) == (2, True)
    assert not (tmp_path / "s").exists()
    assert run_cli("sample", f"generator={out}/generator", "counts=3", "format=csv", f"out={tmp_path}/s")[0] == 2


def test_a_changed_bundle_exits_6(finished, run_cli, tmp_path):
    shutil.copytree(finished[0] / "generator", tmp_path / "g")
    with (tmp_path / "g/model.safetensors").open("r+b") as file:
        file.seek(-5, os.SEEK_END)
        file.write(b"\x01")
    code, _, err = run_cli("sample", f"generator={tmp_path}/g", "counts=3", f"out={tmp_path}/s")
    assert code == 6
    assert "sha256" in err


# ---- other verbs ----------------------------------------------------------------------------------


def test_explore_train_and_evaluate(digit_folder, run_cli, tmp_path):
    assert run_cli("explore", digit_folder, f"out={tmp_path}/e")[0] == 0
    facts = json.loads((tmp_path / "e/explore.json").read_text())
    assert {c: n["total"] for c, n in facts["classes"].items()} == {"zero": 60, "one": 40, "two": 30}
    code, out, _ = run_cli("train", digit_folder, f"out={tmp_path}/t", *FAST, "model=cgan", "model.vae.width=8")
    assert code == 0
    assert out.strip().endswith("generator")
    assert {p.name for p in (tmp_path / "t").iterdir()} >= {"generator", "run"}
    run_cli("sample", f"generator={tmp_path}/t/generator", "counts=40", f"out={tmp_path}/s")
    code, out, err = run_cli(
        "evaluate",
        f"real={digit_folder}",
        f"synthetic=[{tmp_path}/s, {digit_folder}]",
        f"out={tmp_path}/v",
        "utility.steps=60",
        "utility.seeds=3",
    )
    assert code == 0, err
    report = json.loads((tmp_path / "v/report.json").read_text())
    assert report["data"]["ranking"][0] == "images", "real rows beat the draws of a barely trained network"


def test_evaluate_a_set_of_one_class_and_a_balanced_folder(finished, run_cli, tmp_path):
    out, images = finished
    run_cli("sample", f"generator={out}/generator", "counts={one: 40}", f"out={tmp_path}/s", "format=npz")
    words = (
        f"real={images}",
        f"""synthetic=["{tmp_path}/s/samples.npz", "{out}/dataset"]""",
        "utility.steps=30",
        "utility.seeds=3",
    )
    code, _, err = run_cli("evaluate", *words, f"out={tmp_path}/v")
    assert code == 0, err
    report = json.loads((tmp_path / "v/report.json").read_text())
    assert report["data"]["ranking"] == ["dataset", "samples.npz"]
    assert report["warnings"][0]["code"] == "quarantined"
    assert "synthetic_only (dataset)" in {r["arm"] for r in report["utility"]}
    assert "class_missing" in {warning["code"] for warning in report["warnings"]}


def test_an_out_inside_the_data_is_refused(digit_folder, run_cli):
    for words in (["explore", digit_folder], ["evaluate", f"real={digit_folder}", f"synthetic={digit_folder}"]):
        code, _, err = run_cli(*words, f"out={digit_folder}/out")
        assert code == 2
        assert "lies inside" in err
    assert sorted(p.name for p in digit_folder.iterdir()) == ["one", "two", "zero"]


def test_a_sweep_gives_each_job_its_own_folder(run_cli, tmp_path):
    code, _, err = run_cli("explore", "digits", "-m", "seed=0,1", f"out={tmp_path}/sweep")
    assert code == 0, err
    assert sorted(p.name for p in (tmp_path / "sweep").iterdir()) == ["0", "1"]
    splits = [(tmp_path / "sweep" / n / "run/split.csv").read_text() for n in "01"]
    assert splits[0] != splits[1]


def test_own_configuration_groups(run_cli, tmp_path):
    (tmp_path / "mine/data").mkdir(parents=True)
    (tmp_path / "mine/data/short_tail.yaml").write_text(
        "# mine\nsplit: [0.6, 0.2, 0.2]\nsubject: ''\nlong_tail: [50, 40]\n"
        "reader:\n  _target_: gensynth.data.sources.read_digits\n"
    )
    code, _, err = run_cli("explore", "short_tail", "--config-dir", tmp_path / "mine", f"out={tmp_path}/e")
    assert code == 0, err
    classes = json.loads((tmp_path / "e/explore.json").read_text())["classes"]
    assert sorted(c["train"] for c in classes.values())[::9] == [40, 50]


def test_strict_stops_on_a_bad_file(digit_folder, run_cli, tmp_path):
    (digit_folder / "one" / "empty.png").write_bytes(b"")
    (digit_folder / "two" / "text.png").write_text("hello")
    code, _, err = run_cli("explore", digit_folder, "strict=true", f"out={tmp_path}/e")
    assert code == 3
    assert "one/empty.png" in err
    assert "two/text.png" in err
    assert not (tmp_path / "e").exists()


def test_no_usable_data_exits_3(run_cli, tmp_path):
    (tmp_path / "bad/a").mkdir(parents=True)
    (tmp_path / "bad/b").mkdir()
    (tmp_path / "bad/a/x.png").write_bytes(b"")
    code, _, err = run_cli("balance", tmp_path / "bad", f"out={tmp_path}/o")
    assert code == 3
    assert "a/x.png" in err
    assert not (tmp_path / "o").exists()


def test_already_balanced_data_needs_nothing(digit_folder, run_cli, tmp_path):
    code, out, err = run_cli("balance", digit_folder, "target=5", f"out={tmp_path}/o", *TINY)
    assert code == 0, err
    assert "verdict: not_run" in out
    assert {r["source"] for r in rows(tmp_path / "o/dataset/ledger.csv")} == {"real"}


@pytest.mark.parametrize("sampler", ["random_oversampling", "image_transforms"])
def test_other_samplers_go_through_the_same_walk(digit_folder, run_cli, tmp_path, sampler):
    code, _, err = run_cli("balance", digit_folder, f"sampler={sampler}", f"out={tmp_path}/o", "utility.run=false")
    assert code == 0, err
    synthetic = [r for r in rows(tmp_path / "o/dataset/ledger.csv") if r["source"] == "augmented"]
    assert {r["sampler"] for r in synthetic} == {sampler}
    assert not (tmp_path / "o/generator").exists()


def test_wandb_offline_without_key_tells_no_secret(run_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_CANARY", "canary-5f2c")
    code, _, err = run_cli("train", "digits", f"out={tmp_path}/t", *FAST[:2], "logger=wandb", "model.width=8")
    assert code == 0, err
    (run,) = (tmp_path / "t/run/wandb").glob("offline-run-*")
    text = b"".join(p.read_bytes() for p in run.rglob("*") if p.is_file())
    for word in ("canary-5f2c", f"{os.uname().nodename:>4}", str(tmp_path), "trainer.max_samples=640"):
        assert word.encode() not in text
    keys = (tmp_path / "t/run/metrics.csv").read_text().splitlines()[0]
    assert all(key in keys for key in ("train/loss_recon", "train/loss_kl", "train/samples_per_s"))


# ---- kills ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)]
)
def test_a_signal_saves_and_the_named_command_continues(number, code, run_cli, tmp_path):
    words = [
        "train",
        "digits",
        f"out={tmp_path}/t",
        "trainer.max_samples=12800",
        "trainer.accelerator=cpu",
        "logger=none",
        "model.width=8",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "gensynth", *words], stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    samples = tmp_path / "t/run/samples"
    deadline = time.monotonic() + 120
    while not (samples.is_dir() and list(samples.glob("*.png"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == code, err
    assert "resume=true" in err
    assert not (tmp_path / "t/generator").exists()
    refused = run_cli(*words)
    assert refused[0] == 2
    assert "resume=true" in refused[2]
    if number == signal.SIGINT:
        return  # what follows is the same for both
    assert run_cli(*words, "resume=true")[0] == 0
    assert run_cli(*[f"out={tmp_path}/whole" if w.startswith("out=") else w for w in words])[0] == 0
    assert sha256(tmp_path / "t/generator/model.safetensors") == sha256(tmp_path / "whole/generator/model.safetensors")


def test_a_run_leaves_hydra_as_it_was_and_libraries_quiet(run_cli, digit_folder, tmp_path, capsys):
    """A single run does not go through Hydra's own entry, which would have done both."""
    from hydra.core.hydra_config import HydraConfig

    before = HydraConfig.instance().cfg
    assert run_cli("explore", digit_folder, f"out={tmp_path}/x")[0] == 0
    assert HydraConfig.instance().cfg is before
    assert logging.getLogger().level == logging.ERROR
