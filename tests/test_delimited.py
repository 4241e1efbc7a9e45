"""Text with delimiters: the fast way to read it gives what the careful one gives."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gensynth.data import delimited
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
