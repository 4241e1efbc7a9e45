"""Rows leave as they came in: encoding, line ends, delimiter, types of JSON, empty texts and nulls."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from gensynth.cli import main
from gensynth.data.table_files import Form, read_file
from gensynth.data.table_source import read_table
from gensynth.errors import DataError, UsageError

QUICK = ("sampler=jitter", "utility.run=false", "metric=[]", "logger=none", "data.label=kind")
HEADER = ["größe", "stadt", "kind"]


def rows_of(n: int = 240) -> list[list[str]]:
    """Numbers with a decimal comma, cities of which one holds a quote and a line end, and a rare class."""
    cities = ["Köln", "Gießen", 'Ulm "Mitte"', "Neu;stadt"]
    return [[f"{i * 7 % 50 + i % 4},5", cities[i % 3 if i else 3], "süß" if i % 6 == 0 else "herb"] for i in range(n)]


def text_of(rows: list[list[str]], line_end: str, delimiter: str) -> str:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if '"' in text or delimiter in text else text

    return "".join(delimiter.join(map(cell, row)) + line_end for row in rows)


def balanced(folder: Path, *words: str) -> Path:
    assert main(["balance", *words, *QUICK, f"out={folder / 'o'}"]) == 0
    return folder / "o"


def cells_in(raw: bytes, encoding: str, delimiter: str) -> list[list[str]]:
    return list(csv.reader(raw.decode(encoding).splitlines(keepends=True), delimiter=delimiter))


@pytest.mark.parametrize(
    ("name", "encoding", "mark", "line_end", "delimiter", "words"),
    [
        ("t.csv", "cp1252", b"", "\r\n", ";", ("data.encoding=cp1252",)),
        ("t.csv", "utf-16-le", b"\xff\xfe", "\r\n", "\t", ()),
        ("t.tsv", "utf-16-be", b"\xfe\xff", "\n", "\t", ()),
        ("t.csv", "utf-8", b"\xef\xbb\xbf", "\r", ",", ()),
    ],
)
def test_a_text_table_leaves_in_its_encoding_and_with_its_line_ends(
    name, encoding, mark, line_end, delimiter, words, tmp_path
):
    rows = rows_of()
    path = tmp_path / name
    path.write_bytes(mark + text_of([HEADER, *rows], line_end, delimiter).encode(encoding))
    run = balanced(tmp_path, str(path), *words)
    found = []
    for split in ("train", "val", "test"):
        raw = (run / "dataset" / f"{split}{path.suffix}").read_bytes()
        assert raw.startswith(mark)
        text = raw.removeprefix(mark).decode(encoding)
        assert not text.startswith("\ufeff")
        ends = {end: text.replace("\r\n", "").count(end) for end in "\r\n"} | {"\r\n": text.count("\r\n")}
        assert [end for end, count in ends.items() if count] == [line_end]
        header, *read = cells_in(raw.removeprefix(mark), encoding, delimiter)
        assert header == [*HEADER, "gensynth_source"]
        found += [(*cells, split) for cells in read]
    real = sorted(cells[:3] for cells in found if cells[3] == "real")
    assert real == sorted(map(tuple, rows))
    synthetic = [cells for cells in found if cells[3] != "real"]
    assert len(synthetic) > 50
    assert {cells[2] for cells in synthetic} == {"süß"}
    assert {cells[1] for cells in synthetic} <= {row[1] for row in rows}
    assert main(["verify", str(run / "dataset")]) == 0
    if encoding == "cp1252":  # the only one that no mark tells
        assert main(["merge", str(run)]) == 0
    assert sorted(tuple(row[:3]) for row in rows_written(run, path.suffix, mark, encoding, delimiter)) == real


def rows_written(run: Path, suffix: str, mark: bytes, encoding: str, delimiter: str) -> list[list[str]]:
    """The real rows of all splits."""
    files = [(run / "dataset" / f"{split}{suffix}").read_bytes() for split in ("train", "val", "test")]
    rows = [row for raw in files for row in cells_in(raw.removeprefix(mark), encoding, delimiter)[1:]]
    return [row for row in rows if row[3] == "real"]


def test_a_row_is_found_again_by_a_file_in_the_encoding_of_the_data(tmp_path, capsys):
    (tmp_path / "t.csv").write_bytes(text_of([HEADER, *rows_of()], "\n", ";").encode("cp1252"))
    run = balanced(tmp_path, f"{tmp_path}/t.csv", "data.encoding=cp1252")
    lines = (run / "dataset" / "train.csv").read_bytes().splitlines(keepends=True)
    (tmp_path / "one.csv").write_bytes(b"".join([lines[0], lines[5]]))
    capsys.readouterr()
    assert main(["verify", str(run / "dataset"), f"is_mine={tmp_path}/one.csv"]) == 0
    assert "row 0: same cells: row_id=4 source=real" in capsys.readouterr().out
    (run / "dataset").rename(tmp_path / "alone")
    assert main(["verify", f"{tmp_path}/alone"]) == 3
    assert "its run or generator knows how it is encoded" in capsys.readouterr().err


def test_rows_of_a_generator_are_drawn_in_the_encoding_that_it_learned_from(tmp_path):
    (tmp_path / "t.csv").write_bytes(text_of([HEADER, *rows_of()], "\r\n", ";").encode("cp1252"))
    tiny = ("model.width=8", "trainer.max_samples=256", "trainer=cpu", "logger=none", "data.label=kind")
    words = (*tiny, "data.encoding=cp1252", f"out={tmp_path}/o")
    assert main(["train", f"{tmp_path}/t.csv", *words]) == 0
    generator = f"generator={tmp_path}/o/generator"
    for kind, encoding, delimiter in (("csv", "cp1252", ";"), ("tsv", "cp1252", "\t")):
        out = tmp_path / kind
        assert main(["sample", generator, "counts=20", f"format={kind}", f"out={out}"]) == 0
        raw = (out / f"samples.{kind}").read_bytes()
        header, *rows = cells_in(raw, encoding, delimiter)
        assert (header, len(rows), raw.count(b"\r\n")) == (HEADER, 40, 41)
        assert main(["verify", str(out), generator]) == 0
    assert main(["sample", generator, "counts=20", "format=jsonl", f"out={tmp_path}/lines"]) == 0
    lines = (tmp_path / "lines" / "samples.jsonl").read_bytes()
    assert (lines.count(b"\n"), lines.count(b"\r")) == (40, 0)


def test_a_mark_decides_over_a_stated_encoding_and_is_no_part_of_the_first_name(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + "größe,k\n1,ä\n2,b\n".encode())
    for encoding in ("", "utf-8", "utf-8-sig", "cp1252"):
        table = read_file(tmp_path / "t.csv", Form(encoding=encoding))
        assert table.cells.to_dict("list") == {"größe": ["1", "2"], "k": ["ä", "b"]}
        assert table.written == {"mark": True}
    (tmp_path / "t.csv").write_bytes("größe,k\n1,ä\n".encode("utf-16"))
    assert read_file(tmp_path / "t.csv", Form(encoding="utf-16")).written == {"encoding": "utf-16-le", "mark": True}
    with pytest.raises(UsageError, match="rot13 is not an encoding"):
        read_file(_plain(tmp_path), Form(encoding="rot13"))


def _plain(folder: Path) -> Path:
    (folder / "plain.csv").write_text("a,k\n1,x\n")
    return folder / "plain.csv"


def test_what_only_pretends_to_be_text_is_named(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"PK\x03\x04" + bytes(40))
    with pytest.raises(DataError, match="is a zip file or an Excel file"):
        read_file(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes("a,b\n1,2\n".encode("utf-16-le"))
    with pytest.raises(DataError, match="line 1: a NUL byte.*data.encoding=utf-16-le"):
        read_file(tmp_path / "t.csv")
    assert read_file(tmp_path / "t.csv", Form(encoding="utf-16-le")).written == {"encoding": "utf-16-le"}


def test_tables_in_several_encodings_leave_as_utf_8(tmp_path):
    (tmp_path / "t.csv").write_bytes(text_of([HEADER, *rows_of()], "\n", ";").encode("utf-16"))
    (tmp_path / "u.csv").write_bytes(
        text_of([HEADER, ["1,5", "Łódź", "süß"], ["2,5", "Köln", "herb"]], "\n", ";").encode()
    )
    run = balanced(tmp_path, f"{tmp_path}/t.csv", f"data.test={tmp_path}/u.csv")
    assert "Łódź" in (run / "dataset" / "test.csv").read_text("utf-8")
    assert (run / "dataset" / "train.csv").read_text("utf-8").startswith("größe;stadt;kind;")
    notes = json.loads((run / "explore.json").read_text("utf-8"))["notes"]
    assert "the tables are in several encodings: all rows leave as UTF-8" in notes


def test_line_ends_inside_of_cells_stay(tmp_path):
    cells = ["a\nb", "c\rd", "e\r\nf", 'g"h']
    lines = [f'{i},"{cells[i % 4]}",{"xy"[i % 5 == 0]}\r\n'.replace('g"h', 'g""h') for i in range(120)]
    (tmp_path / "t.csv").write_bytes(("n,where,kind\r\n" + "".join(lines)).encode())
    run = balanced(tmp_path, f"{tmp_path}/t.csv")
    parts = [read_file(run / "dataset" / f"{split}.csv") for split in ("train", "val", "test")]
    found = [row for part in parts for row in part.cells[["n", "where", "gensynth_source"]].itertuples(index=False)]
    assert sorted((int(n), where) for n, where, source in found if source == "real") == [
        (i, cells[i % 4]) for i in range(120)
    ]
    assert {part.written["line_end"] for part in parts} == {"\r\n"}


def json_rows(n: int = 200) -> list[dict]:
    """Every kind of value that JSON tells apart; those that no column usually has are rare."""
    rows = [
        {
            "id": i,
            "size": i % 40 / 4,
            "ok": i % 3 == 0,
            "zip": f"{i % 7:05d}",
            "note": "" if i % 2 else f"n{i % 5}",
            "gap": None if i % 2 else "x",
            "mixed": i % 4,
            "kind": "rare" if i % 5 == 0 else "common",
        }
        for i in range(n)
    ]
    rows[3] |= {"size": "broken", "ok": 1, "zip": 7, "note": None, "gap": ""}
    rows[4] |= {"size": None, "ok": "true", "zip": True, "gap": 5, "mixed": "1"}
    del rows[6]["gap"], rows[6]["ok"]
    rows[8] |= {"size": "", "ok": "", "mixed": "nan", "note": "käse\u2028"}
    return rows


def exact(row: dict) -> str:
    """A row as text that tells 1, 1.0, "1" and true apart, and null from a key that is not there."""
    return json.dumps({name: value for name, value in sorted(row.items()) if name != "gensynth_source"})


def test_json_lines_leave_value_for_value(tmp_path):
    rows = json_rows()
    (tmp_path / "t.jsonl").write_bytes("".join(json.dumps(row, ensure_ascii=False) + "\r\n" for row in rows).encode())
    run = balanced(tmp_path, f"{tmp_path}/t.jsonl", "data.kinds={mixed: categorical, zip: categorical}")
    for _ in range(2):  # as written by balance, and by merge from what that wrote
        raw = b"".join((run / "dataset" / f"{split}.jsonl").read_bytes() for split in ("train", "val", "test"))
        assert raw.count(b"\r\n") == raw.count(b"\n")
        found = [json.loads(line) for line in raw.splitlines()]
        assert sorted(exact(row) for row in found if row["gensynth_source"] == "real") == sorted(map(exact, rows))
        new = [row for row in found if row["gensynth_source"] != "real"]
        assert len(new) > 50
        kinds = {name: {type(row[name]) for row in new} for name in ("id", "ok", "zip", "note", "kind")}
        assert kinds == {"id": {int}, "ok": {bool}, "zip": {str}, "note": {str}, "kind": {str}}
        assert {type(row["size"]) for row in new} <= {float, type(None)}
        assert main(["verify", str(run / "dataset")]) == 0
        assert main(["merge", str(run)]) == 0


def test_hidden_columns_of_json_and_parquet_leave_as_text(tmp_path):
    rows = [{"phone": 4930000000 + 7 * i, "n": i % 30, "kind": "rare" if i % 5 == 0 else "common"} for i in range(120)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "t.parquet")
    for name in ("t.jsonl", "t.parquet"):
        run = balanced(tmp_path / name[2:], f"{tmp_path}/{name}", "data.deidentify={phone: mask}")
        path = run / "dataset" / f"test{name[1:]}"
        found = (
            parquet.read_table(path).to_pylist()
            if "parquet" in name
            else list(map(json.loads, path.read_text().splitlines()))
        )
        assert {row["phone"] for row in found} in ({"[PHONE]"}, {"[MASKED]"})
        assert {type(row["n"]) for row in found} == {int}


def test_empty_texts_and_nulls_of_parquet_leave_as_they_came(tmp_path):
    n = 160
    columns = {
        "both": [["", None, "a", "b"][i % 4] for i in range(n)],
        "mostly null": ["" if i == 9 else [None, "a"][i % 2] for i in range(n)],
        "never null": [["", "a"][i % 2] for i in range(n)],
        "size": [None if i % 9 == 0 else i % 13 / 2 for i in range(n)],
        "kind": ["rare" if i % 5 == 0 else "common" for i in range(n)],
    }
    table = arrow.table(columns)
    coded = table.set_column(0, "both", table["both"].dictionary_encode())
    parquet.write_table(coded, tmp_path / "t.parquet")
    run = balanced(tmp_path, f"{tmp_path}/t.parquet")
    parts = [parquet.read_table(run / "dataset" / f"{split}.parquet") for split in ("train", "val", "test")]
    found = [row for part in parts for row in part.to_pylist()]
    real = [exact(row) for row in found if row["gensynth_source"] == "real"]
    assert sorted(real) == sorted(map(exact, table.to_pylist()))
    new = [row for row in found if row["gensynth_source"] != "real"]
    assert {row["never null"] for row in new} == {"", "a"}
    assert {row["mostly null"] for row in new} <= {None, "a"}
    assert parts[0].schema.field("both").type == coded.schema.field("both").type


def test_labels_lose_the_blanks_around_them_and_keep_their_case(tmp_path):
    lines = [f"{i % 17},{['cat ', 'cat', ' cat', 'Cat', 'dog'][i % 5]}\n" for i in range(100)]
    (tmp_path / "t.csv").write_text("n,label\n" + "".join(lines))
    source = read_table(f"{tmp_path}/t.csv")
    assert source.data.schema.classes == ("Cat", "cat", "dog")
    assert source.data.counts().tolist() == [20, 60, 20]
    assert (
        'labels were read without the spaces around them: " cat" (one class with "cat"), "cat " (one class with "cat")'
        in source.notes
    )
    assert 'labels that differ by case alone are classes of their own: "Cat" and "cat"' in source.notes
    assert source.cells is not None
    assert source.cells["label"].tolist()[:5] == ["cat ", "cat", " cat", "Cat", "dog"]
    (tmp_path / "t.csv").write_text("n,label\n1,a\n2, \n3,b\n")
    with pytest.raises(DataError, match='1 rows have no label in "label"'):
        read_table(f"{tmp_path}/t.csv")


def test_any_blanks_around_a_mark_of_missing_cells_are_passed_over(tmp_path):
    cells = ["1.5", "2.5", "?", " ?", "  ?  ", "\t?", "NA   "] * 12
    lines = [f"{cell};{['u', 'v', '  ? '][i % 3]};{'xy'[i % 2]}\n" for i, cell in enumerate(cells)]
    (tmp_path / "t.csv").write_text("n;c;label\n" + "".join(lines))
    number, category = read_table(f"{tmp_path}/t.csv").data.schema.fields["columns"]
    assert (number["kind"], number["misfits"]) == ("numeric", 0.0)
    assert (category["levels"], category["missing"]) == (["u", "v"], "  ? ")
