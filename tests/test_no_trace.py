"""What stands in test rows only leaves no trace: bundle and synthetic rows are the same, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from gensynth.cli import main

TINY = ("model.width=8", "trainer.max_samples=640", "trainer=cpu", "logger=none", "data.label=y")
MARKERS = {  # what stands in test rows only: the column, and its cell
    "level": ("kind", "only here"),
    "level of a boolean": ("smokes", "perhaps"),
    "extreme": ("size", "99999.75"),
    "fraction": ("age", "31.123456"),
    "text": ("size", "broken"),
    "missing": ("kind", ""),
    "missing number": ("age", ""),
    "date": ("day", "2.1.2099 11:45"),
}


def table(n: int = 400) -> pd.DataFrame:
    """Text cells: numbers with two decimals and none, levels, dates, a boolean, and a class that they follow."""
    random = np.random.default_rng(0)
    rare = np.arange(n) % 4 == 0
    days = pd.Series(pd.Timestamp("2021-01-01") + pd.to_timedelta(random.permutation(n), unit="D"))
    return pd.DataFrame(
        {
            "size": [f"{value:.2f}" for value in random.normal(size=n) + rare],
            "age": random.integers(18, 90, n).astype(str),
            "kind": np.where(random.random(n) < 0.3 + 0.4 * rare, "u", "v"),
            "day": days.dt.strftime("%d.%m.%Y"),
            "smokes": np.where(random.random(n) < 0.5, "yes", "no"),
            "y": np.where(rare, "rare", "common"),
        }
    )


def marked(frame: pd.DataFrame, rows: np.ndarray, markers: list[str]) -> pd.DataFrame:
    """The same table with every marker's cell in some of the rows."""
    out = frame.copy()
    for marker in markers:
        column, cell = MARKERS[marker]
        out.loc[rows[::7], column] = cell
    return out


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def typed(frame: pd.DataFrame) -> list[dict]:
    """Rows with numbers and booleans for the cells that are such."""
    kinds = {"size": float, "age": int, "smokes": "yes".__eq__}
    return [{name: kinds.get(name, str)(cell) for name, cell in row.items()} for row in frame.to_dict("records")]


def write_typed(path: Path, rows: list[dict]) -> None:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        parquet.write_table(arrow.Table.from_pylist(rows), path)


def trained_and_drawn(folder: Path, data: pd.DataFrame, test: pd.DataFrame | None = None) -> dict[str, bytes]:
    """Every file of the bundle, and of the rows drawn from it."""
    folder.mkdir()
    data.to_csv(folder / "data.csv", index=False)
    words = []
    if test is not None:
        test.to_csv(folder / "other.csv", index=False)
        words.append(f"data.test={folder}/other.csv")
    return bundle_and_rows(folder, "data.csv", words)


def bundle_and_rows(folder: Path, name: str, words: Sequence[str] = ()) -> dict[str, bytes]:
    """The same of a table that lies in the folder."""
    assert main(["train", f"{folder}/{name}", *TINY, f"out={folder}/o", *words]) == 0
    assert main(["sample", f"generator={folder}/o/generator", "counts=20", f"out={folder}/rows"]) == 0
    bundle, rows = files_of(folder / "o" / "generator"), files_of(folder / "rows")
    assert {"model.safetensors", "config.json", "manifest.json", "README.md"} <= bundle.keys()
    assert {f"samples{Path(name).suffix}", "ledger.csv"} <= rows.keys()
    return bundle | {f"rows/{name}": content for name, content in rows.items()}


def split_of_run(run: Path) -> np.ndarray:
    return pd.read_csv(run / "run" / "split.csv", dtype={"row_id": str})["split"].to_numpy(str)


@pytest.fixture(scope="module")
def carved(tmp_path_factory) -> tuple[dict[str, bytes], np.ndarray]:
    """What a run without markers leaves, and the split that it carved."""
    folder = tmp_path_factory.mktemp("carved") / "plain"
    return trained_and_drawn(folder, table()), split_of_run(folder / "o")


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> dict[str, bytes]:
    return trained_and_drawn(tmp_path_factory.mktemp("given") / "plain", table()[:300], table()[300:])


@pytest.mark.parametrize("marker", MARKERS)
def test_a_marker_in_test_rows_of_a_carved_split(marker, carved, tmp_path):
    plain, split = carved
    changed = marked(table(), np.flatnonzero(split == "test"), [marker])
    found = trained_and_drawn(tmp_path / "marked", changed)
    np.testing.assert_array_equal(split_of_run(tmp_path / "marked" / "o"), split)
    assert [name for name in plain if found[name] != plain[name]] == []


@pytest.mark.parametrize("marker", MARKERS)
def test_a_marker_in_the_rows_of_data_test(marker, given, tmp_path):
    changed = marked(table()[300:], np.arange(300, 400), [marker])
    found = trained_and_drawn(tmp_path / "marked", table()[:300], changed)
    assert [name for name in given if found[name] != given[name]] == []


@pytest.mark.parametrize(
    ("suffix", "markers"),
    [
        (".jsonl", [{"size": "broken"}, {"age": ""}, {"smokes": 1}, {"kind": None}, {"kind": ""}, {"day": 5}, {}]),
        (".parquet", [{"kind": ""}, {"kind": None}]),
    ],
)
def test_values_of_another_type_in_test_rows_leave_no_trace(suffix, markers, tmp_path):
    rows, found = typed(table()[:300]), []
    for marked in (False, True):
        folder = tmp_path / str(marked)
        folder.mkdir()
        write_typed(folder / f"data{suffix}", rows)
        test = typed(table()[300:])
        if marked:
            test = [row | markers[i % len(markers)] for i, row in enumerate(test)]
        if marked and suffix == ".jsonl":
            del test[0]["smokes"], test[1]["age"]
        write_typed(folder / f"other{suffix}", test)
        found.append(bundle_and_rows(folder, f"data{suffix}", [f"data.test={folder}/other{suffix}"]))
    assert [name for name in found[0] if found[0][name] != found[1][name]] == []


def test_a_marker_in_train_rows_does_leave_one(carved, tmp_path):
    plain, split = carved
    found = trained_and_drawn(tmp_path / "marked", marked(table(), np.flatnonzero(split == "train"), ["level"]))
    assert found["config.json"] != plain["config.json"]


def test_all_markers_at_once_leave_the_rows_that_balance_adds_as_they_are(carved, tmp_path):
    _, split = carved
    tables = {"plain": table(), "marked": marked(table(), np.flatnonzero(split == "test"), list(MARKERS))}
    runs = []
    for name, frame in tables.items():
        (tmp_path / name).mkdir()
        frame.to_csv(tmp_path / name / "data.csv", index=False)
        out = tmp_path / name / "o"
        words = [*TINY, "utility.run=false", "metric=[]", f"out={out}"]
        assert main(["balance", f"{tmp_path}/{name}/data.csv", *words]) == 0
        bundle = files_of(out / "generator")
        runs.append(bundle | {name: (out / "dataset" / name).read_bytes() for name in ("train.csv", "val.csv")})
    assert [name for name in runs[0] if runs[0][name] != runs[1][name]] == []
    assert b"synthetic" in runs[0]["train.csv"]
