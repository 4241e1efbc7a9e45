"""Excel's .xlsx: what stands in its cells as text, and one line for everything that cannot be read."""

from __future__ import annotations

import re
import sys
import zipfile
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest

from gensynth.cli import main
from gensynth.data.table_files import Form, read_file
from gensynth.data.table_source import read_table
from gensynth.errors import DataError, UsageError

openpyxl = pytest.importorskip("openpyxl", reason='needs the extra "xlsx"')


def saved(path: Path, *sheets: tuple[str, list[list]], **hidden: str) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        sheet.sheet_state = hidden.get(title, "visible")
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def changed(path: Path, pattern: bytes, by: bytes) -> Path:
    """The same workbook, with other XML in its first sheet."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = "xl/worksheets/sheet1.xml"
    assert re.search(pattern, parts[name])
    parts[name] = re.sub(pattern, by, parts[name])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def test_cells_are_read_as_text(tmp_path):
    day, long = datetime(2024, 1, 31), timedelta(hours=26)
    later, short = datetime(2024, 2, 1, 13, 45, 6), timedelta(seconds=61)
    rows = [
        ["n", "f", "ok", "day", "at", "clock", "long", "text", "zip", "gap"],
        [1, 0.3, True, day, day, time(7, 5), long, "007", 123, None],
        [-20, 3.0, False, date(1999, 12, 1), later, None, short, "a, b\nc", 7, "#N/A"],
        [2**40, 1e-7, None, None, None, time(23, 59, 59), None, "ü", 99999, 1.5],
    ]
    path = saved(tmp_path / "t.xlsx", ("one", rows))
    book = openpyxl.load_workbook(path)
    for cell in book["one"]["I"][1:]:
        cell.number_format = "00000"
    book.save(path)
    table = read_file(path)
    assert table.cells.to_dict("list") == {
        "n": ["1", "-20", "1099511627776"],
        "f": ["0.3", "3", "1e-07"],
        "ok": ["true", "false", ""],
        "day": ["2024-01-31", "1999-12-01", ""],
        "at": ["2024-01-31T00:00:00", "2024-02-01T13:45:06", ""],
        "clock": ["07:05:00", "", "23:59:59"],
        "long": ["26:00:00", "0:01:01", ""],
        "text": ["007", "a, b\nc", "ü"],
        "zip": ["00123", "00007", "99999"],
        "gap": ["", "#N/A", "1.5"],
    }
    assert (table.kind, table.first_line, table.found_header, table.written) == ("Excel", 2, True, {})


def test_the_first_visible_sheet_with_rows_is_read_and_empty_rows_and_edges_are_passed_over(tmp_path):
    rows = [[], [None, "a", "label"], [None, 1, "x"], [None, "", None], [None, 2, "y"]]
    path = saved(
        tmp_path / "t.xlsx", ("empty", []), ("notes", [["see there"]]), ("data", rows), ("more", [[1]]), notes="hidden"
    )
    table = read_file(path)
    assert table.cells.to_dict("list") == {"a": ["1", "2"], "label": ["x", "y"]}
    assert table.first_line == 3
    assert 'the sheet "data" was read; there are rows in "notes", "more" as well' in table.notes
    assert read_file(path, Form(header=False)).cells.to_numpy().tolist() == [["a", "label"], ["1", "x"], ["2", "y"]]


def test_headers_follow_the_rules_of_text_tables(tmp_path):
    path = saved(tmp_path / "t.xlsx", ("one", [[39, "A", "x"], [50, "B", "y"]]))
    assert list(read_file(path).cells) == ["column_0", "column_1", "column_2"]
    assert list(read_file(path, Form(columns=("a", "b", "c"))).cells) == ["a", "b", "c"]
    with pytest.raises(DataError, match="same name"):
        read_file(saved(tmp_path / "t.xlsx", ("one", [["a", "a"], [1, 2]])))
    with pytest.raises(DataError, match="no rows below its header"):
        read_file(saved(tmp_path / "t.xlsx", ("one", [["a", "b"]])))


def test_formulas_are_read_by_the_values_that_were_saved(tmp_path):
    path = saved(tmp_path / "t.xlsx", ("one", [["a", "b"], ["=1+1", "x"], ['=IF(1,"","")', "y"]]))
    with pytest.raises(DataError, match=r'"one": 2 formulas without a value: A2, A3; open it in Excel and save it'):
        read_file(path)
    changed(path, rb'<c r="A2"><f>1\+1</f><v ?/></c>', b'<c r="A2"><f>1+1</f><v>2</v></c>')
    changed(path, rb'<c r="A3">(<f>.*?</f>)<v ?/></c>', rb'<c r="A3" t="str">\1<v></v></c>')
    assert read_file(path).cells.to_dict("list") == {"a": ["2", ""], "b": ["x", "y"]}


def test_faults_are_one_line(tmp_path):
    path = saved(tmp_path / "t.xlsx", ("one", [["a", "b", "c"], [1, 2, 3], [4, 5, 6]]))
    book = openpyxl.load_workbook(path)
    book["one"].merge_cells("A2:B2")
    book.save(path)
    for content, words in {
        path.read_bytes(): '"one": merged cells A2:B2; unmerge and fill them',
        b"\xd0\xcf\x11\xe0" + bytes(600): "has a password or is an old .xls file",
        b"a,b\n1,2\n": "cannot be read as an Excel file",
        path.read_bytes()[:900]: "cannot be read as an Excel file",
        saved(tmp_path / "e.xlsx", ("one", [])).read_bytes(): "is empty",
    }.items():
        path.write_bytes(content)
        with pytest.raises(DataError, match=re.escape(words)) as caught:
            read_file(path)
        assert "\n" not in str(caught.value)
        assert str(tmp_path) not in str(caught.value)
    path.write_bytes(b"PK\x03\x04" + bytes(80))
    with pytest.raises(DataError, match="cannot be read as an Excel file"):
        read_file(path)


@pytest.mark.parametrize("name", ["t.xls", "t.ods", "t.xlsb", "T.XLS"])
def test_other_spreadsheets_are_refused_by_name(name, tmp_path, capsys):
    (tmp_path / name).write_bytes(bytes(10))
    assert main(["explore", f"{tmp_path}/{name}", f"out={tmp_path}/o"]) == 2
    assert f"{name}: {name[1:].lower()} files are not read; save it as .xlsx, or as CSV" in capsys.readouterr().err


def test_without_openpyxl(tmp_path, monkeypatch):
    (tmp_path / "t.xlsx").write_bytes(bytes(10))
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(UsageError, match=r"\.xlsx needs the extra: pip install \"gensynth\[xlsx\]\""):
        read_file(tmp_path / "t.xlsx")


def test_a_workbook_is_balanced_and_leaves_as_csv(tmp_path):
    days = [datetime(2024, 1, 1) + timedelta(days=i % 90) for i in range(120)]
    rows = [[i % 30 / 4, days[i], "rare" if i % 5 == 0 else "common"] for i in range(120)]
    path = saved(tmp_path / "t.xlsx", ("one", [["size", "day", "label"], *rows]))
    source = read_table(str(path))
    assert [column["kind"] for column in source.data.schema.fields["columns"]] == ["numeric", "datetime"]
    assert "rows leave as CSV: what Excel adds to a table is not written" in source.notes
    words = ("sampler=jitter", "utility.run=false", "metric=[]", "logger=none")
    assert main(["balance", str(path), *words, f"out={tmp_path}/o"]) == 0
    parts = [read_file(tmp_path / "o/dataset" / f"{split}.csv").cells for split in ("train", "val", "test")]
    real = [tuple(row[:3]) for part in parts for row in part.to_numpy().tolist() if row[3] == "real"]
    assert sorted(real) == sorted((f"{i % 30 / 4:g}", f"{days[i]:%Y-%m-%d}", rows[i][2]) for i in range(120))
