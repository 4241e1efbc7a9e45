"""The exam of the whole evaluation: five sets of one known quality each, ranked, and every fault found by name."""

from __future__ import annotations

import html
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from known_sets import memorised, nonsense
from PIL import Image

from gensynth.data.kinds import points_of
from gensynth.data.sources import read_digits
from gensynth.data.split import split_rows
from gensynth.data.table_source import read_breast_cancer, read_table
from gensynth.evaluation.fidelity.faults import ALPHA
from gensynth.evaluation.fidelity.repeats import copied_faults
from gensynth.evaluation.fidelity.spoiled import swapped, without_half
from gensynth.evaluation.privacy.copies import copy_entries, find_copies
from gensynth.evaluation.utility.utility import kept_rows
from gensynth.steps.reopen import Columns, read_sets
from gensynth.types import LabelledData

CODES = {"oracle": "", "memoriser": "memoriser", "dropper": "mode_drop", "swapper": "label_swap", "noise": "noise"}


def five_sets(rows: LabelledData, dropped: int) -> dict[str, LabelledData]:
    """train, test, and what five generators of one known kind might have made after train."""
    split = split_rows(rows, (0.4, 0.3, 0.3), 0, np.full(len(rows), ""), None)
    train, test, oracle = (rows[split == name] for name in ("train", "val", "test"))
    return {
        "train": train,
        "test": test,
        "oracle": oracle,
        "memoriser": memorised(train, len(oracle), 0),
        "dropper": without_half(oracle, 0, (dropped,)),
        "swapper": swapped(oracle, 0, (0, 1)),
        "noise": nonsense(oracle, 0),
    }


def write_images(folder, rows: LabelledData) -> None:
    for c, name in enumerate(rows.schema.classes):
        (folder / name).mkdir(parents=True)
        for i, x in enumerate(rows.x[rows.y == c]):
            Image.fromarray(x[0]).save(folder / name / f"{i}.png")


def write_table(path, rows: LabelledData) -> None:
    names = [column["name"] for column in rows.schema.fields["columns"]]
    frame = pd.DataFrame(rows.x, columns=names)
    frame["diagnosis"] = np.array(rows.schema.classes)[rows.y]
    frame.to_csv(path, index=False)


def check(report: dict, page: str, suffix: str, dropped: str) -> None:
    ranking = [name.removesuffix(suffix) for name in report["data"]["ranking"]]
    assert ranking[0] == "oracle"
    found = {name.removesuffix(suffix): part["faults"] for name, part in report["sets"].items()}
    for name, code in CODES.items():
        codes = {fault["code"] for fault in found[name]}
        # What is left of a dropped mode stands there twice, to keep n.
        assert codes - ({"repeats"} if name == "dropper" else set()) == ({code} if code else set()), (name, found[name])
    assert {fault["class"] for fault in found["dropper"]} == {dropped}
    assert any(f'class "{dropped}": misses' in fault["text"] for fault in found["dropper"])
    assert "copies training rows: 100%" in found["memoriser"][0]["text"]
    assert "look like" in found["swapper"][0]["text"]
    assert "no real row" in found["noise"][0]["text"]
    for faults in found.values():
        assert all(fault["text"] in html.unescape(page) for fault in faults)


@pytest.mark.slow
def test_images(run_cli, tmp_path):
    digits = read_digits().data
    few = digits[digits.y < 5]
    few = replace(few, schema=replace(few.schema, classes=few.schema.classes[:5]))
    for name, rows in five_sets(few, dropped=4).items():
        write_images(tmp_path / name, rows)
    sets = ",".join(f"'{tmp_path / name}'" for name in reversed(CODES))
    words = (f"real={tmp_path}/train", f"test={tmp_path}/test", f"synthetic=[{sets}]", "utility.seeds=3")
    code, out, err = run_cli("evaluate", *words, "utility.steps=10", f"out={tmp_path}/e")
    assert code == 0, err
    check(json.loads((tmp_path / "e/report.json").read_text()), (tmp_path / "e/report.html").read_text(), "", "4")
    assert "1. oracle: no fault found" in out


@pytest.mark.slow
def test_tables_without_arms(run_cli, tmp_path):
    for name, rows in five_sets(read_breast_cancer().data, dropped=1).items():
        write_table(tmp_path / f"{name}.csv", rows)
    sets = ",".join(f"'{tmp_path / name}.csv'" for name in reversed(CODES))
    words = (f"real={tmp_path}/train.csv", f"test={tmp_path}/test.csv", f"synthetic=[{sets}]", "utility.run=false")
    code, _, err = run_cli("evaluate", *words, "data.label=diagnosis", f"out={tmp_path}/e")
    assert code == 0, err
    report = json.loads((tmp_path / "e/report.json").read_text())
    check(report, (tmp_path / "e/report.html").read_text(), ".csv", "malignant")
    assert report["verdict"]["answer"] == "not_run"
    assert report["utility"] == []


@pytest.fixture
def table(tmp_path):
    """train.csv, test.csv and a function that writes other.csv from a changed copy of further rows."""
    r = np.random.default_rng(0)

    def frame(n):
        y = r.random(n) < 0.3
        return pd.DataFrame({"a": r.normal(size=n) + y, "b": r.choice(["u", "v"], n), "y": np.where(y, "yes", "no")})

    for name in ("train", "test"):
        frame(200).to_csv(tmp_path / f"{name}.csv", index=False)

    def other(change) -> tuple[str, ...]:
        change(frame(80)).to_csv(tmp_path / "other.csv", index=False)
        words = (f"real={tmp_path}/train.csv", f"test={tmp_path}/test.csv", f"synthetic={tmp_path}/other.csv")
        return ("evaluate", *words, "data.label=y", "utility.run=false", f"out={tmp_path}/e")

    return other


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (lambda f: f.drop(columns="a"), 'columns of the real data are missing here: "a"'),
        (lambda f: f.assign(y="maybe"), "classes that the real data lacks"),
        (lambda f: f.drop(columns="y"), 'no column "y"'),
        (lambda f: f[:0], "no rows"),
    ],
)
def test_sets_that_do_not_fit_are_one_sentence(run_cli, table, change, hint):
    code, _, err = run_cli(*table(change))
    assert code == 3
    assert hint.split(":")[0] in err
    assert "Traceback" not in err


def test_a_missing_class_few_rows_and_a_constant_column_are_said_not_hidden(run_cli, table, tmp_path):
    def few_of_one_class(f):
        return f[f.y == "no"].assign(a=1.0)[:4]

    code, _, err = run_cli(*table(few_of_one_class))
    assert code == 0, err
    report = json.loads((tmp_path / "e/report.json").read_text())
    texts = {warning["code"]: warning["text"] for warning in report["warnings"]}
    assert texts["class_missing"] == "other.csv has no rows of yes: scored without them"
    entry = report["fidelity"]["cells"]["coverage"]
    assert entry["value"] is None
    assert entry["reason"].startswith("not defined: n too small, 4 matched rows")


def test_a_set_of_one_class_gets_arms_as_well(run_cli, table, tmp_path):
    words = [word for word in table(lambda f: f[f.y == "yes"]) if not word.startswith("utility")]
    code, _, err = run_cli(*words, "utility.seeds=3")
    assert code == 0, err
    report = json.loads((tmp_path / "e/report.json").read_text())
    recalls = report["utility_per_class"]["synthetic_only"]
    assert recalls == {"no": 0.0, "yes": 1.0}
    assert "tuned_threshold" in report["utility_per_class"]


def test_real_rows_left_out_by_a_seed_are_the_same_with_and_without_rows_of_another_tool(run_cli, table, tmp_path):
    """Both files number their rows from 0: a synthetic row must not be taken for the real one of its number."""
    table(lambda f: f)
    source = read_table(str(tmp_path / "train.csv"), label="y").data
    synthetic = read_sets([tmp_path / "other.csv"], source, Columns("y"))[0]["other.csv"]
    both = LabelledData.concat([source, synthetic])
    alone, joined = (kept_rows(rows, seed=3) for rows in (source, both))
    np.testing.assert_array_equal(alone, joined[joined < len(source)])


def test_rows_that_repeat_by_nature_are_no_copies(tmp_path):
    """A few levels: new real rows equal old ones, but a split keeps equal rows together, so test rows never do."""
    r = np.random.default_rng(0)
    weights = 1 / np.arange(1, 9)

    def frame(n):
        levels = {name: r.choice(list("abcdefgh"), n, p=weights / weights.sum()) for name in ("u", "v", "w")}
        return pd.DataFrame(levels | {"y": r.choice(["no", "yes"], n)})

    frame(900).to_csv(tmp_path / "real.csv", index=False)
    source = read_table(str(tmp_path / "real.csv"), label="y").data
    split = split_rows(source, (0.6, 0.1, 0.3), 0, np.full(len(source), ""), None)
    train, test = source[split == "train"], source[split == "test"]
    fresh = frame(400)
    fresh.to_csv(tmp_path / "fresh.csv", index=False)
    synthetic = read_sets([tmp_path / "fresh.csv"], source, Columns("y"))[0]["fresh.csv"]
    found = find_copies(train, test, synthetic, points_of(train), seed=0)
    entries = copy_entries(found)
    assert entries["exact_copies"]["value"] > 0.3
    assert entries["exact_copies"]["ceiling"] > 0.3
    assert not np.isin(test.content_hashes(), train.content_hashes()).any()
    assert copied_faults(found, train, synthetic, ALPHA) == []


def test_images_of_another_kind_are_one_sentence(run_cli, tmp_path):
    rows = read_digits().data[:400]
    write_images(tmp_path / "real", rows)
    colour = replace(rows[:60], x=np.repeat(rows.x[:60], 3, axis=1))
    for c, name in enumerate(colour.schema.classes):
        (tmp_path / "colour" / name).mkdir(parents=True)
        for i, x in enumerate(colour.x[colour.y == c]):
            Image.fromarray(np.moveaxis(x, 0, -1) // np.array([1, 2, 3], np.uint8)).save(
                tmp_path / "colour" / name / f"{i}.png"
            )
    words = (f"real={tmp_path}/real", f"synthetic={tmp_path}/colour", f"out={tmp_path}/e")
    code, _, err = run_cli("evaluate", *words)
    assert code == 3
    assert "is in colour, the real data is grey" in err


def test_inception_is_refused_with_a_sentence_where_it_cannot_be_had(run_cli, table, tmp_path):
    pytest.importorskip("torch")
    try:
        import torch_fidelity  # noqa: F401
    except Exception:
        code, _, err = run_cli(*table(lambda f: f), "features=inception")
        assert code == 2
        assert "features=inception needs torch-fidelity" in err
    else:
        pytest.skip("torch-fidelity can be imported here")
