"""Kinds of rows are records: one of your own walks through the whole of a run, by one file and one YAML."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gensynth.data.kinds import KINDS, modality_named, register
from gensynth.data.modality import Modality, flat_points
from gensynth.errors import UsageError
from gensynth.evaluation.fidelity.spoiled import shuffled_columns
from gensynth.types import LabelledData, Schema

OWN = Path(__file__).parent / "own_kind"
FAST = ("utility.seeds=3", "utility.steps=30", "logger=none", "trainer=cpu", "trainer.max_samples=640")


IN_TURN = (
    "import json, sys; from gensynth.cli import main; print(json.dumps([main(w) for w in json.loads(sys.argv[1])]))"
)


def gensynth(*calls: tuple[object, ...]) -> tuple[list[int], str]:
    """Exit codes and stderr of calls that one further process makes in turn: what it imports takes most of the time."""
    paths = [str(OWN), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-c", IN_TURN, json.dumps([[str(word) for word in call] for call in calls])],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """90 rising and 40 waving series of 12 numbers."""
    r, t = np.random.default_rng(0), np.linspace(0, 1, 12)
    lines = [["rising", *(t * r.uniform(0.6, 1.4) + 0.1 * r.standard_normal(12))] for _ in range(90)]
    lines += [["waving", *(np.sin(6 * t + r.uniform(0, 1)) + 0.1 * r.standard_normal(12))] for _ in range(40)]
    path = tmp_path_factory.mktemp("series") / "series.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[line[0], *(f"{v:.4f}" for v in line[1:])] for line in lines])
    return path


@pytest.fixture(scope="module")
def run(series, tmp_path_factory):
    out = tmp_path_factory.mktemp("balanced") / "run"
    own = ("--config-dir", OWN, "trust=[series_kind]", f"data.path={series}")
    codes, err = gensynth(("balance", "series", *own, "model=table/cvae", "model.width=8", *FAST, f"out={out}"))
    assert codes == [0], err
    return out


def test_a_kind_of_your_own_is_balanced_and_reported(run):
    facts = json.loads((run / "report.json").read_text(encoding="utf-8"))
    classes = facts["data"]["classes"]
    assert classes["waving"]["after"] == classes["rising"]["after"]
    assert {"judge", "numbers"} <= set(facts["fidelity"])
    assert facts["verdict"]["answer"] != "not_run"
    assert "<img" in (run / "report.html").read_text(encoding="utf-8")


def test_its_rows_leave_in_its_own_files_with_its_own_fallback(run):
    with (run / "dataset" / "ledger.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    synthetic = [line for line in lines if line["source"] != "real"]
    assert synthetic
    assert all(line["row_id"].endswith(".txt") for line in synthetic)
    numbers = (run / "dataset" / "train" / synthetic[0]["row_id"]).read_text().split()
    assert len(numbers) == 12
    arms = {line["arm"] for line in json.loads((run / "report.json").read_text(encoding="utf-8"))["utility"]}
    assert any("usual" in arm for arm in arms)


def test_a_finished_run_is_merged_and_drawn_from_by_another_process_that_trusts_it(run, tmp_path):
    trust = "trust=[series_kind]"
    codes, err = gensynth(
        ("merge", run, f"out={tmp_path}/untrusted"),
        ("merge", run, trust, "filter=[near_copy]", f"out={tmp_path}/merged"),
        ("sample", f"generator={run}/generator", "counts=5", f"out={tmp_path}/drawn", trust),
        ("verify", run, trust, "n=5"),
    )
    assert codes[0] != 0
    assert "trust=[PACKAGE]" in err
    assert codes[1:] == [0, 0, 0], err
    assert (tmp_path / "merged" / "report.json").is_file()
    assert len(list((tmp_path / "drawn").rglob("*.txt"))) == 10


def test_a_kind_that_names_nothing_but_itself_is_numbers(series, tmp_path):
    out = tmp_path / "run"
    own = ("--config-dir", OWN, "trust=[plain_kind]", f"data.path={series}")
    codes, err = gensynth(
        ("balance", "plain_series", *own, "sampler=random_oversampling", *FAST[:2], f"out={out}"),
        ("merge", out, "trust=[plain_kind]", f"out={tmp_path}/merged"),
    )
    assert codes == [0, 0], err
    facts = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert "points" in facts["fidelity"]
    assert {line["learner"] for line in facts["utility"]} == {"boosting", "logistic"}
    rows = [np.load(path) for path in (out / "dataset" / "train" / "waving").glob("*.npy")]
    assert {row.shape for row in rows} == {(12,)}


def test_own_kinds_are_not_replaced():
    with pytest.raises(UsageError, match="another name"):
        register(Modality("image"))
    with pytest.raises(UsageError, match="not known"):
        modality_named("smells")
    assert set(KINDS) == {"image", "table", "text", "audio"}


def test_no_rows_are_no_points_and_no_floor():
    rows = LabelledData.of_real(np.arange(24.0).reshape(4, 3, 2), np.zeros(4, int), Schema("image", ("a",)))
    assert flat_points(rows)(rows.x[:0]).shape == (0, 6)
    assert shuffled_columns(rows.x[:0], 0).shape == (0, 3, 2)
    assert sorted(shuffled_columns(rows.x, 0)[:, 2, 1].tolist()) == rows.x[:, 2, 1].tolist()
