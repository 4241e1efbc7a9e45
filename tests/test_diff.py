"""`gensynth diff`: what changed between two reports, with intervals that hold what they say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from test_report import facts

from gensynth.cli import main
from gensynth.report.diff import change, diff


def told(shift: float = 0.0, **provenance: str) -> dict:
    """A report whose scores lie `shift` above those of another."""
    found = facts()
    for row in found["utility"]:
        row |= {key: row[key] + shift for key in ("mean", "low", "high")}
    found["provenance"] = {"source_sha256": "a" * 64} | provenance
    return found


def written(folder: Path, **reports: dict) -> list[str]:
    for name, found in reports.items():
        (folder / name).mkdir()
        (folder / name / "report.json").write_text(json.dumps(found), encoding="utf-8")
    return [str(folder / name) for name in reports]


def entry(value: float, reach: float, **more: object) -> dict:
    return {"value": value, "low": value - reach, "high": value + reach, **more}


@pytest.mark.parametrize(
    ("before", "after", "answer"),
    [
        (entry(0.5, 0.03), entry(0.6, 0.04), "better"),
        (entry(0.6, 0.03), entry(0.5, 0.04), "worse"),
        (entry(0.6, 0.03, better="lower"), entry(0.5, 0.04, better="lower"), "better"),
        (entry(0.5, 0.06), entry(0.6, 0.08), "cannot_tell"),  # the interval of the difference ends at 0
        (entry(0.5, 0.002), entry(0.504, 0.002), "unchanged"),
        (entry(50.0, 0.002, bounds=[0.0, None]), entry(50.004, 0.002, bounds=[0.0, None]), "better"),
        ({"value": 0.5}, {"value": 0.9}, "cannot_tell"),
        ({"value": 0.5}, {"value": 0.5}, "unchanged"),
        (entry(0.5, 0.03) | {"low": None}, entry(0.9, 0.03), "cannot_tell"),
    ],
)
def test_a_change_is_called_what_its_interval_shows(before, after, answer) -> None:
    assert change("p", "n", before, after, 0.01, 1).answer == answer


def test_the_interval_of_a_difference_is_that_of_independent_ones() -> None:
    found = change("p", "n", entry(0.5, 0.03), entry(0.6, 0.04), 0.01, 1)
    assert (found.low, found.high) == (pytest.approx(0.05), pytest.approx(0.15))
    wider = change("p", "n", entry(0.5, 0.03), entry(0.6, 0.04), 0.01, 10)
    assert wider.high - wider.low == pytest.approx(0.1 * 2.807 / 1.960, rel=1e-3)  # quantiles at .05 / 10 and .05


def test_ten_equal_numbers_are_called_changed_together_in_five_of_hundred() -> None:
    """Both reports measure the same ten truths anew, with intervals that are right: a false answer in at most 5 %."""
    draw, wrong = np.random.default_rng(0), 0
    for _ in range(2000):
        before, after = draw.normal(0.5, 0.02, (2, 10))
        answers = {
            change("p", "n", entry(a, 1.96 * 0.02), entry(b, 1.96 * 0.02), 0.0, 10).answer
            for a, b in zip(before, after, strict=True)
        }
        wrong += bool(answers & {"better", "worse"})
    assert 0.03 < wrong / 2000 < 0.065


def test_a_report_beside_itself_is_unchanged() -> None:
    found = diff(told(), told(), 0.01)
    assert found.counts == {"better": 0, "worse": 0, "unchanged": len(found.changes), "cannot_tell": 0}
    assert len(found.changes) > 10
    assert found.faults == {"new": [], "gone": []}
    assert found.alone == {"before": [], "after": []}


def test_what_changed_came_and_went_is_reported(tmp_path: Path, capsys) -> None:
    after = told(0.1)
    after["faults"] = [{"code": "memoriser", "set": "cvae", "class": "", "text": "copies rows"}]
    after["utility"] = [row for row in after["utility"] if row["arm"] != "smote"]
    before, path = written(tmp_path, a=told(), b=after)
    assert main(["diff", before, f"{path}/report.json", f"out={tmp_path}/d.json"]) == 0
    found = json.loads((tmp_path / "d.json").read_text())
    named = {one["name"]: one for one in found["changes"]}
    assert named["balanced accuracy, CVAE"]["answer"] == "better"
    assert named["balanced accuracy, CVAE"]["difference"] == pytest.approx(0.1)
    assert [(one["code"], one["rank"]) for one in found["faults"]["new"]] == [("memoriser", "stop")]
    assert [one["code"] for one in found["faults"]["gone"]] == ["mode_drop"]
    assert "verdict: balanced accuracy, SMOTE" in found["alone"]["before"]
    printed = capsys.readouterr().out
    assert "balanced accuracy, CVAE" in printed
    assert "new: Copies of training rows: copies rows" in printed


def test_reports_on_different_data_are_refused_unless_it_is_said(tmp_path: Path, capsys) -> None:
    paths = written(tmp_path, a=told(), b=told(source_sha256="b" * 64), c=told(source_sha256=""))
    assert main(["diff", *paths[:2]]) == 2
    assert "different data; any_data=true" in capsys.readouterr().err
    assert main(["diff", paths[0], paths[2]]) == 2
    assert "do not both say" in capsys.readouterr().err
    assert main(["diff", *paths[:2], "any_data=true"]) == 0


def test_reports_on_the_same_test_rows_are_compared_whatever_their_source_was(tmp_path: Path) -> None:
    same = {"test_sha256": "c" * 64}
    paths = written(tmp_path, a=told(**same), b=told(source_sha256="", **same))
    assert main(["diff", *paths]) == 0


@pytest.mark.parametrize(
    "words", [["A"], ["A", "nowhere"], ["A", "B", "margin=2"], ["A", "B", "mragin=0.1"], ["A", "B", "C"]]
)
def test_wrong_words_are_one_line_and_exit_2(words, tmp_path: Path, capsys) -> None:
    paths = dict(zip("AB", written(tmp_path, A=told(), B=told()), strict=True))
    assert main(["diff", *(paths.get(word, word) for word in words)]) == 2
    assert capsys.readouterr().err.startswith("gensynth: ")


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    paths = written(tmp_path, a=told(), b=told())
    (tmp_path / "d.json").write_text("mine")
    assert main(["diff", *paths, f"out={tmp_path}/d.json"]) == 2
    assert (tmp_path / "d.json").read_text() == "mine"
