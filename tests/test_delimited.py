"""Text with delimiters: the fast way to read it gives what the careful one gives."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gensynth.data import delimited
from gensynth.data.table_files import Form, read_file
from gensynth.errors import DataError

CELLS = st.text(alphabet=st.sampled_from("ab 0.;|'\\#\t\u00e9\u2028\x1c\x0b"), max_size=4)


@given(
    rows=st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1, max_size=6)),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    last=st.booleans(),
)
@settings(derandomize=True, max_examples=400, deadline=None)
def test_text_without_quotes_gives_the_same_columns_both_ways(rows, end, delimiter, last):
    text = end.join(delimiter.join(row) for row in rows) + end * last
    fast = delimited._unquoted(text, delimiter) if text.strip() else None
    if fast is not None:
        careful, _ = delimited._quoted(Path("t.csv"), text, delimiter)
        assert [column.tolist() for column in fast] == [column.tolist() for column in careful]


def test_plain_text_goes_the_fast_way():
    assert [c.tolist() for c in delimited._unquoted("x,y\n1,a\r\n,b\n", ",") or []] == [["x", "1", ""], ["y", "a", "b"]]


@pytest.mark.parametrize("text", ["x,y\n1\n2,3\n", "x,y\n\n1,2,3\n"], ids=["short", "long, after an empty line"])
def test_rows_of_other_widths_are_named_by_line(text):
    with pytest.raises(DataError, match="line [23]: [13] cells, not 2"):
        delimited.read_columns(Path("t.csv"), text, ",")


def test_many_rows_are_put_together_from_blocks():
    """More rows than are held at once, with quotes, so that the careful way is gone."""
    rows = 2 * delimited.ROWS_AT_ONCE + 7
    text = 'n,word\n"0",a\n' + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(1, rows))
    numbers, words = delimited.read_columns(Path("t.csv"), text, ",")[0]
    assert numbers.tolist() == ["n", *map(str, range(rows))]
    assert words.tolist() == ["word", *("ab"[i % 2] for i in range(rows))]


TABLE = "id,v,label\n#1,5,x\n2,6,y\n#3,7,x\n"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize(
    ("above", "delimiter", "said"),
    [
        ("# exported 2024-01-01\n", ",", '1 line that begins with # above the header passed over (first: "# exported'),
        ('# of "May, by Ann\n\n#\n#a,b,c,d\n', ",", "3 lines that begin with # above the header"),
        ("#;;\n# by Ann; by Ben\n", "|", "2 lines that begin with #"),
        ("sep=;\n# by Ann\n", ";", '(first: "# by Ann")'),
    ],
)
def test_comments_above_the_header_are_passed_over_with_a_note(tmp_path, above, delimiter, said, end):
    """Lines, cells and the number of the first line are those of the file; rows that begin with # are rows."""
    path = tmp_path / "t.csv"
    path.write_bytes((above + TABLE.replace(",", delimiter)).replace("\n", end).encode())
    table = read_file(path)
    assert table.cells.to_numpy().tolist() == [["#1", "5", "x"], ["2", "6", "y"], ["#3", "7", "x"]]
    assert list(table.cells.columns) == ["id", "v", "label"]
    assert table.first_line == above.count("\n") + 2
    assert table.written.get("line_end", "\n") == end
    (note,) = table.notes
    assert said in note


@pytest.mark.parametrize(
    "text", ["#id,v,label\n#1,5,x\n2,6,y\n", "#1,5,x\n#2,6,y\n", "#\n#\n", '#1,"5,5",x\n2,6,y\n#3,7,x\n', "#a b\nc\n"]
)
def test_lines_with_the_cells_of_a_row_are_never_passed_over(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(text)
    table = read_file(path, Form(header=False))
    assert len(table.cells) == text.count("\n")
    assert table.notes == ()


@pytest.mark.parametrize(
    ("name", "text", "columns"),
    [
        ("t.csv", '#id,"a\nb"\n1,2\n', ["#id", "a\nb"]),
        ("t.csv", '# by "Ann"\n"id","a\nb"\n1,2\n', ["id", "a\nb"]),
        ("t.tsv", '#id\tinch\ty\n1\t"big\tx\n2\t5"\ty\n', ["#id", "inch", "y"]),
        ("t.tsv", '# of "May\nid\tinch\ty\n1\t"big\tx\n2\t5"\ty\n', ["id", "inch", "y"]),
    ],
    ids=["header of two lines", "the same below a comment", "quotes that are text", "the same below a comment"],
)
def test_quotes_mark_no_comments(tmp_path, name, text, columns):
    path = tmp_path / name
    path.write_text(text)
    table = read_file(path)
    assert list(table.cells.columns) == columns
    assert table.cells.iloc[0, 0] == "1"


@pytest.mark.parametrize("form", [Form(), Form(header=False), Form(columns=("a", "b", "c"))])
def test_a_short_first_row_with_a_number_sign_is_no_comment(tmp_path, form):
    """Without a header below nothing tells a comment from a row that lacks a cell."""
    path = tmp_path / "t.csv"
    path.write_text("#1,5\n2,6,y\n3,7,x\n")
    with pytest.raises(DataError, match=r"t\.csv: 1 line that begins with # above a line that names no columns"):
        read_file(path, form)
    path.write_text("# of May\n2019,2020,2021\n3,7,x\n")
    assert list(read_file(path, Form(header=True)).cells.columns) == ["2019", "2020", "2021"]


def test_a_damaged_line_below_comments_is_named_by_its_place_in_the_file(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("# a\n# b\nx,y\n1,2\n3\n")
    with pytest.raises(DataError, match="line 5: 1 cells, not 2"):
        read_file(path)
    path.write_text("sep=,\nx,y\n1,2\n3\n")
    with pytest.raises(DataError, match="line 4: 1 cells, not 2"):
        read_file(path)


def test_a_file_may_begin_with_many_empty_lines(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("\n" * 60 + "x;y\n1;2\n")
    table = read_file(path)
    assert (list(table.cells.columns), table.first_line) == (["x", "y"], 62)
