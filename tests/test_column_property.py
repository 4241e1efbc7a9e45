"""Any cells at all: columns of one format come back to the letter, and whatever else is described, read and written."""

from __future__ import annotations

import datetime

import numpy as np
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from gensynth.data.columns import cells_of, describe, issue, values_of
from gensynth.errors import DataError

QUIET = settings(max_examples=150, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
NEGATIVE = {
    "-#": lambda mark, body, unit: f"-{mark}{body}{unit}",
    "$-#": lambda mark, body, unit: f"{mark}-{body}{unit}",
    "(#)": lambda mark, body, unit: f"({mark}{body}{unit})",
    "#-": lambda mark, body, unit: f"{mark}{body}{unit}-",
    "\u2212#": lambda mark, body, unit: f"\u2212{mark}{body}{unit}",
}
DATES = ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%Y/%m/%d", "%d %b %Y", "%B %d, %Y", "%Y%m%d", "%a, %d %b %Y", "%d-%b-%y"]
TIMES = ["", " %H:%M", " %H:%M:%S", "T%H:%M:%SZ", "T%H:%M:%S+05:30", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p"]


def texts(cells) -> np.ndarray:
    return np.array(list(cells), dtype=object)


AROUND = [("", ""), ("$", ""), ("€ ", ""), ("R$ ", ""), ("CHF ", ""), ("", "%"), ("", " %"), ("", " kg"), ("", " kr")]
SIGNS = [*((style, "") for style in NEGATIVE), ("-#", "+"), ("-#", ">"), ("-#", "0")]
LARGE = [9_876_543_210, -8_765_432_109, 7_654_321_098, 12, -5]  # by which marks and signs can be told


@QUIET
@given(
    st.lists(st.integers(-(10**10), 10**10), min_size=25, max_size=50, unique=True),
    st.integers(0, 3),
    st.sampled_from([",", ".", " ", "'", "_", "\u00a0", ""]),
    st.sampled_from(SIGNS),
    st.sampled_from(AROUND),
)
def test_numbers_of_one_form_come_back_to_the_letter(numbers, decimals, group, signs, around):
    (negative, sign), (before, behind), point = signs, around, "," if group == "." else "."
    numbers = [*numbers, *LARGE]
    if sign == "0":  # whole numbers with zeros before them are codes
        group, before, decimals = "", "", decimals or 1

    def written(number: int) -> str:
        whole, fraction = divmod(abs(number), 10**decimals)
        body = f"{whole:,}".replace(",", group) + (f"{point}{fraction:0{decimals}d}" if decimals else "")
        body = body.rjust(15, "0") if sign == "0" else body
        if number < 0:
            return NEGATIVE[negative](before, body, behind)
        return f"{'+' * (sign == '+')}{before}{body}{behind}"

    cells = texts(map(written, numbers))
    cells = texts(cell.rjust(26) for cell in cells) if sign == ">" else cells
    column = describe("v", cells)
    assert column.kind == "numeric"
    values = values_of(column, cells)
    np.testing.assert_allclose(values, np.array(numbers) / 10**decimals)
    assert cells_of(column, values).tolist() == cells.tolist()


@QUIET
@given(
    st.lists(st.integers(0, 2_000_000_000), min_size=20, max_size=50, unique=True),
    st.sampled_from(DATES),
    st.sampled_from(TIMES),
)
def test_dates_of_one_format_come_back_to_the_letter(seconds, date, time):
    """Beyond the days on which day and month cannot be told apart: one of them shows which is which."""
    stamps = [datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=n, microseconds=n % 10**6) for n in seconds]
    assume(any(stamp.day > 12 for stamp in stamps))
    assume(len({stamp.strftime("%y%d") for stamp in stamps if stamp.day > 12}) > 5 and len(date) + len(time) > 6)
    cells = texts(stamp.strftime(date + time) for stamp in stamps)
    column = describe("v", cells)
    assert column.kind == "datetime", column
    assert cells_of(column, values_of(column, cells)).tolist() == cells.tolist()


PIECES = st.sampled_from(
    [
        *"0123456789",
        "0",
        "1",
        "00",
        "-",
        "+",
        "\u2212",
        ".",
        ",",
        "'",
        " ",
        "\u00a0",
        "%",
        "$",
        "€",
        "(",
        ")",
        "e",
        "E5",
        ":",
        "/",
        "T",
        "Z",
    ]
    + [
        "2021",
        "-01-",
        "PT",
        "P1D",
        "M",
        "S",
        "H",
        "W05",
        "-W",
        "Q3",
        " days ",
        "Jan",
        " AM",
        "NA",
        "nan",
        "inf",
        "1e400",
        "٣",
        "²",
        "½",
        "\n",
        "x",
        "A-",
        "@",
        "é",
    ]
)
CELL = st.one_of(
    st.lists(PIECES, max_size=8).map("".join), st.text(max_size=12), st.floats().map(repr), st.integers().map(str)
)


WRITERS = (
    repr,
    str,
    "{:.2f}".format,
    "{:,.2f}".format,
    "{:.3e}".format,
    "{:.1f} %".format,
    "${:,.0f}".format,
    lambda x: f"{x:.2f}".replace(".", ","),
    lambda x: str(datetime.timedelta(seconds=int(x))),
    lambda x: str(int(1.5e9 + x / 100)),
    lambda x: f"PT{abs(int(x))}M",
    lambda x: str(datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=int(x))),
    lambda x: f"{datetime.date(1970, 1, 1) + datetime.timedelta(days=int(x) // 10**5):%d.%m.%Y}",
)
ALIKE = st.tuples(st.sampled_from(WRITERS), st.lists(st.floats(-2e9, 2e9), min_size=25, max_size=50, unique=True)).map(
    lambda pair: [pair[0](number) for number in pair[1]]
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    st.one_of(st.just([]), ALIKE),
    st.lists(CELL, min_size=1, max_size=8),
    st.integers(1, 8),
    st.booleans(),
    st.booleans(),
)
def test_any_cells_are_described_or_refused_and_what_is_written_is_read_again(alike, others, repeats, comma, marks):
    cells = [*alike, *others]
    found = texts(cells if alike else cells * repeats)
    try:
        column = describe("v", found, decimal_comma=comma, marks_count=marks)
    except (ValueError, DataError):
        return
    if column.kind == "identifier":
        new = issue(column, np.arange(5, dtype=np.uint64), set(cells))
        assert not {*new} & {*cells}
    if column.modelled:
        values = values_of(column, found)
        known = ~np.isnan(values)
        written = cells_of(column, values)
        again = values_of(column, written)
        assert (again[known] == values[known]).all() or not column.discrete
        # Of dates and times the form of most cells may have no seconds, of exponents three digits.
        coarse = 60.0 if column.kind == "datetime" or column.spelling.get("clock") else 0.0
        assert (
            np.abs(again[known] - values[known]) <= coarse + 0.1**column.decimals + 0.01 * np.abs(values[known])
        ).all(), (column, found, written)
