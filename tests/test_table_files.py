"""Table files: what is read as what, and one clear error for every way a file can be damaged."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from gensynth.data.columns import cells_of, describe, issue, values_of
from gensynth.data.table_files import Form, read_file
from gensynth.data.table_source import read_frame, read_table
from gensynth.errors import DataError, UsageError

GOOD = "age,city,label\n" + "".join(f"{20 + i},{'AB'[i % 2]},{'xy'[i % 2]}\n" for i in range(10))


def written(tmp_path, text, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD + "1,2\n", "line 12: 2 cells, not 3"),
        ("a,a,label\n1,2,x\n3,4,y\n", "same name; rename them"),
        (GOOD + '5,"A,x\n', "record that begins on line 12: a quote that is never closed"),
        (GOOD + "5,A\0,x\n", "line 12: a NUL byte"),
        ((GOOD + "5,Zürich,x\n").encode("cp1252"), "line 12: byte 0xfc is not UTF-8"),
        (GOOD + "5,A,\n", '1 rows have no label in "label"; fill it in or drop the rows\n  - row 10, line 12'),
        ("age,city\n1,A\n2,B\n", 'no column "label"; data.label=COLUMN'),
        ("age,label\n1,x\n2,x\n", r"rows of one class only \(x\)"),
        ("", "is empty"),
    ],
)
def test_a_damaged_table_says_what_and_where(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        read_table(written(tmp_path, text))


@pytest.mark.parametrize(
    ("delimiter", "kind"), [(",", "CSV"), (";", "CSV with"), ("\t", "TSV"), ("|", "CSV with bars")]
)
def test_the_delimiter_is_found(tmp_path, delimiter, kind):
    table = read_file(_path(tmp_path, GOOD.replace(",", delimiter)))
    assert table.kind.startswith(kind)
    assert list(table.cells.columns) == ["age", "city", "label"]


def _path(tmp_path, text):
    path = tmp_path / "d.csv"
    path.write_text(text)
    return path


def test_a_line_with_numbers_is_no_header(tmp_path):
    path = written(tmp_path, "39,A,x\n50,B,y\n39,A,x\n")
    source = read_table(path, label="-1")
    assert len(source.data) == 3
    assert source.data.schema.fields["label"] == "column_2"
    named = read_table(path, label="c", columns=["a", "b", "c"])
    assert named.data.schema.fields["order"] == ["a", "b", "c"]


def test_a_column_may_be_called_inf(tmp_path):
    source = read_table(written(tmp_path, "a,inf,label\n" + "1,2,x\n3,4,y\n" * 3))
    assert source.data.schema.fields["order"] == ["a", "inf", "label"]


def test_labels_are_text_and_na_is_a_class(tmp_path):
    source = read_table(written(tmp_path, "v,label\n1,007\n2,7\n3,NA\n4,7\n"))
    assert source.data.schema.classes == ("007", "7", "NA")
    assert source.data.y.tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["1", "1.0", "01", "2"], '"01" and "1" and "1.0"'),
        (["+2", "2e0", "3", " 3"], '"+2" and "2e0"'),
        (["-0", "0", ".5", "0.50"], '"-0" and "0", ".5" and "0.50"'),
        (["1", "2", "1_0", "10"], ""),
        (["nan", "NaN0", "inf", "12345678901234567890", "12345678901234567891", "1e999"], ""),
        (["v1", "v1.0", "1,0", "1"], ""),
    ],
)
def test_labels_that_are_one_number_in_several_spellings_stay_apart_with_a_note(tmp_path, labels, said):
    rows = "".join(f'{i}.5,"{labels[i % len(labels)]}"\n' for i in range(5 * len(labels)))
    source = read_table(written(tmp_path, "v,label\n" + rows))
    assert set(source.data.schema.classes) == {label.strip() for label in labels}
    notes = [note for note in source.notes if "several spellings" in note]
    assert len(notes) == bool(said)
    assert not said or f"of their own: {said}; write them one way" in notes[0]


def test_every_format_reads_alike(tmp_path):
    frame = pd.DataFrame({"n": [1.5, None, 3.25, 4.0], "k": ["a", "b", None, "a"], "b": [True, False, True, True]})
    frame["when"] = pd.to_datetime(["2024-01-01", "2024-02-03", "2024-05-06", "2024-07-08"])
    frame["label"] = ["x", "y", "x", "y"]
    frame.to_parquet(tmp_path / "t.parquet")
    lines = [
        json.dumps({k: (None if pd.isna(v) else str(v)[:10] if k == "when" else v) for k, v in row.items()})
        for row in frame.to_dict("records")
    ]
    sources = [
        read_table(str(tmp_path / "t.parquet")),
        read_frame(frame),
        read_table(written(tmp_path, "\n".join(lines), "t.jsonl")),
    ]
    kinds = [[c["kind"] for c in s.data.schema.fields["columns"]] for s in sources]
    assert kinds == [["numeric", "categorical", "boolean", "datetime"]] * 3
    for source in sources[1:]:
        np.testing.assert_array_equal(source.data.x, sources[0].data.x)


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("a", [str(i % 7) for i in range(50)], "numeric"),
        ("a", ["1.5", "", "NA", "2"] * 20, "numeric"),
        ("a", ["inf", "1", "2"] * 20, "numeric"),
        ("zip", ["01234", "80331"] * 30, "categorical"),
        ("big", [str(10**23 + i % 3) for i in range(60)], "categorical"),
        ("a", ["yes", "no"] * 20, "boolean"),
        ("a", ["always"] * 20, "constant"),
        ("a", [""] * 20, "constant"),
        ("a", [str(i) for i in range(40)], "identifier"),
        ("patient_id", [str(i * i + 7) for i in range(40)], "identifier"),
        ("code", [f"C{i:04d}" for i in range(40)], "identifier"),
        ("a", [f"row {i} has many words in it" for i in range(80)], "text"),
        ("a", ["2024-01-31", "2023-12-01"] * 20, "datetime"),
        ("a", ["31.01.2024", "01.12.2023"] * 20, "datetime"),
    ],
)
def test_the_kind_of_a_column(name, cells, kind):
    assert describe(name, np.array(cells, dtype=object)).kind == kind


@pytest.mark.parametrize(
    "cells",
    [
        ["1", "20", "-3", ""] * 10,
        ["1.50", "2.25", "10.00"] * 10,
        ["1", "2.5", "3.25"] * 10,
        ["0.1", "1e-07", "2.5"] * 10,
        ["1", "NA", "3"] * 10,
        ["a", "b", "", "c d"] * 10,
        ["2024-01-31 10:11:12", "1969-02-03 00:00:00"] * 10,
        ["True", "False"] * 10,
    ],
    ids=str,
)
def test_cells_come_back_as_they_were_written(cells):
    cells = np.array(cells, dtype=object)
    column = describe("c", cells)
    assert column.modelled
    assert cells_of(column, values_of(column, cells)).tolist() == cells.tolist()


@pytest.mark.parametrize("cells", [["1", "2.5", "3.25"] * 10, ["1.50", "2.25"] * 10, ["1", "2"] * 10])
def test_no_rows_are_written_as_no_cells(cells):
    column = describe("c", np.array(cells, dtype=object))
    assert cells_of(column, np.array([])).tolist() == []
    assert cells_of(column, np.array([np.nan])).tolist() == [column.missing]


def test_new_numbers_have_no_more_digits_than_real_ones():
    """Numbers of eight significant digits of any size, as mammography's: decimals alone would allow sixteen."""
    r = np.random.default_rng(0)
    real = np.char.mod("%.8g", r.normal(size=2000) * 10.0 ** r.integers(-4, 3, 2000)).astype(object)
    column = describe("v", real)
    synthetic = cells_of(column, r.normal(size=2000) * 10.0 ** r.integers(-4, 3, 2000))
    digits = [len(cell.split("e")[0].strip("-").replace(".", "").lstrip("0")) for cell in synthetic.tolist()]
    assert max(digits) == 8
    assert cells_of(column, values_of(column, real)).tolist() == [str(float(cell)) for cell in real]
    assert describe("w", np.array(["1.25", "-3.50", "12.75"] * 9, dtype=object)).significant == 0


def test_new_identifiers_keep_the_pattern_and_are_new():
    real = np.array([f"C-{i:03d}x" for i in range(100)], dtype=object)
    taken = set(real.tolist())
    synthetic = issue(describe("id", real), np.arange(500, dtype=np.uint64), taken)
    assert len(set(synthetic.tolist())) == 500
    assert not set(synthetic.tolist()) & set(real.tolist())
    again = issue(describe("id", real), np.arange(500, dtype=np.uint64), set(real.tolist()))
    assert synthetic.tolist() == again.tolist()
    assert all(cell.startswith("C-") for cell in synthetic)


def test_stated_kinds_win_and_wrong_ones_are_refused(tmp_path):
    path = written(tmp_path, GOOD)
    source = read_table(path, kinds={"age": "categorical"})
    assert source.data.schema.fields["columns"][0]["kind"] == "categorical"
    with pytest.raises(UsageError, match="did you mean|numeric"):
        read_table(path, kinds={"age": "numerical"})
    with pytest.raises(UsageError, match='no column "agee"'):
        read_table(path, ignore=["agee"])
    with pytest.raises(DataError, match='"city" holds no numbers'):
        read_table(path, kinds={"city": "numeric"})


def test_an_index_without_a_name_is_a_column(tmp_path):
    source = read_table(
        written(tmp_path, ",v,label\n" + "".join(f"{i},{i / 7:.3f},{'xy'[i % 2]}\n" for i in range(30)))
    )
    assert source.data.schema.fields["order"] == ["unnamed", "v", "label"]
    assert source.data.schema.fields["columns"][0]["kind"] == "identifier"


def test_a_table_that_is_not_there_is_wrong_words(tmp_path):
    written(tmp_path, GOOD, "claims.csv")
    with pytest.raises(UsageError, match=r'no table ".*/claim\.csv"; did you mean "claims\.csv"\?'):
        read_file(tmp_path / "claim.csv")
    with pytest.raises(UsageError, match="nothing in a folder"):
        read_file(tmp_path / "nowhere/claim.csv")
    with pytest.raises(UsageError, match="nothing in a folder"):
        read_file(tmp_path / "claims.csv/claim.csv")
    with pytest.raises(UsageError, match='no table "typo.csv"'):
        read_table(str(tmp_path / "claims.csv"), test="typo.csv")


def test_a_table_that_cannot_be_opened_is_one_line(tmp_path):
    (tmp_path / "t.csv").mkdir()  # permissions do not stop every user
    with pytest.raises(DataError, match=r"cannot be read") as caught:
        read_file(tmp_path / "t.csv")
    assert "\n" not in str(caught.value)


def test_half_of_a_character_pair_is_named_line_by_line(tmp_path):
    lines = ['{"a": "1\\ud83d", "b": "x"}', "", '{"a": "\\ud83d\\ude00", "b": "y"}', '{"a": "", "b": "\\ude00"}']
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match="2 names or cells hold half of a character pair") as caught:
        read_file(path)
    assert caught.value.problems == ('line 1: "a"', 'line 4: "b"')
    for column in ("a", "0", "-2"):
        with pytest.raises(DataError, match="1 names or cells"):
            read_file(path, Form(text=column))
    path.write_text(lines[2] + '\n{"a": "x", "b\\ud83d": "z"}')
    with pytest.raises(DataError, match=r'column name "b\\ud83d"'):
        read_file(path)


def parquet_cells(tmp_path, frame):
    frame.to_parquet(tmp_path / "t.parquet")
    return read_file(tmp_path / "t.parquet").cells


def test_whole_numbers_and_booleans_of_parquet_stay_whole_beside_gaps(tmp_path):
    frame = pd.DataFrame(
        {
            "income": pd.array([77532, None, 2**60 + 1], "Int64"),
            "small": pd.array([1, None, 255], "UInt8"),
            "sick": pd.array([True, None, False], "boolean"),
            "level": pd.Series([3, None, 7], dtype="Int64").astype("category"),
            "sure": pd.Series([True, None, False], dtype="boolean").astype("category"),
            "whole": [1, 2, 3],
        }
    )
    assert parquet_cells(tmp_path, frame).to_dict("list") == {
        "income": ["77532", "", str(2**60 + 1)],
        "small": ["1", "", "255"],
        "sick": ["true", "", "false"],
        "level": ["3", "", "7"],
        "sure": ["true", "", "false"],
        "whole": ["1", "2", "3"],
    }


def test_an_index_with_a_name_is_a_column_of_parquet(tmp_path):
    frame = pd.DataFrame({"inc": [5, 7], "age": [30, 40], "city": ["A", "B"]})
    assert parquet_cells(tmp_path, frame.set_index("inc")).to_dict("list") == {
        "inc": ["5", "7"],
        "age": ["30", "40"],
        "city": ["A", "B"],
    }
    assert list(parquet_cells(tmp_path, frame.set_index(["inc", "city"]))) == ["inc", "city", "age"]
    assert list(parquet_cells(tmp_path, frame.rename_axis("row"))) == ["row", "inc", "age", "city"]
    assert list(parquet_cells(tmp_path, frame.iloc[[1]])) == ["inc", "age", "city"]
    with pytest.raises(DataError, match="columns of the same name"):
        parquet_cells(tmp_path, frame.rename_axis("inc"))
