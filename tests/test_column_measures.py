"""Cells of two numbers and the like, which are not learned, and of numbers that are cut short, which are."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gensynth.data.columns import Column, cells_of, describe, values_of
from gensynth.data.columns.column import round_values

N = 240
RANDOM = np.random.default_rng(5)
SIGNED, SHARE = RANDOM.normal(0, 50, N), RANDOM.random(N)


def texts(cells) -> np.ndarray:
    return np.array(list(cells), dtype=object)


MEASURED = {
    "a stroke": [f"{90 + i}/{50 + i * 7 % 70}" for i in range(N)],
    "a line": [f"{i}-{i + 10}" for i in range(N)],
    "x": [f"{i}x{i * 3 % 11 + 1}x{i % 7 + 2}" for i in range(N)],
    "blanks": [f"{i} / {i * 7 % 70}" for i in range(N)],
    "fractions": [f"{i / 4}/{i * 7 % 70 / 8}" for i in range(N)],
    "degrees": [f"{x:.4f},{100 * y:.4f}" for x, y in zip(SIGNED, SHARE, strict=True)],
    "bounds": [f"<{(i + 1) / 8}" for i in range(N)],
    "units": [f"{i + 1}mg" if i % 2 else f"{i / 8 + 0.5}kg" for i in range(N)],
    "one unit behind": [f"{i}/{i * 7 % 70} mmHg" for i in range(N)],
    "thousands": [f"{i + 1}K" for i in RANDOM.permutation(N)],
    "some thousands": [f"{i + 1}K" if i % 5 else str(i) for i in range(N)],
    "bytes": [f"{i + 100}B" if i % 3 else f"{i / 8}K" for i in range(N)],
    "prices": [f"${i}-${i + 20}" for i in range(N)],
    "pay": [f"${i}K-${i + 20}K" for i in range(N)],
    "slots": [f"{i // 12:02d}:{5 * (i % 12):02d}-{(i + 9) // 12:02d}:{5 * ((i + 9) % 12):02d}" for i in range(N)],
    "and more": [f"{i * 7:,}+" for i in range(N)],
    "an unknown unit": [f"{i / 4:.2f}foo" for i in range(N)],
    "degrees north": [f"{x:.4f}°N" for x in SHARE],
    "lists": [f"{i};{i * 7 % 70};{i % 3}" for i in range(N)],
}


@pytest.mark.parametrize("name", MEASURED)
@pytest.mark.parametrize("rows", [N, 30])
def test_measures_that_all_differ_name_no_row(name, rows):
    """Random ones of their shape would say nothing of the row; a column that is named as an identifier may have any."""
    cells = texts(MEASURED[name][:rows])
    assert describe("pressure", cells).kind == "text"
    assert " " in cells[0] or describe("patient_id", cells).kind == "identifier"


MAGNITUDES = {  # cells, and what they mean
    "millions and less": (["$1.7M", "12K", "450", "$3.4B"], [1.7e6, 12e3, 450, 3.4e9]),
    "small letters": (["1.2k", "15.0k", "450", "2.5m"], [1200, 15e3, 450, 2.5e6]),
    "three digits": (["1.23M", "12.3M", "123M", "45.6K"], [1.23e6, 12.3e6, 123e6, 45.6e3]),
    "behind a minus": (["-$1.5M", "$2.5K", "-$10", "$0"], [-1.5e6, 2500, -10, 0]),
    "in brackets": (["($1.5M)", "$2.5K", "($10)", "$0"], [-1.5e6, 2500, -10, 0]),
    "in words": (["1.5 million", "2.5 billion", "10 million", "900.5 million"], [1.5e6, 2.5e9, 10e6, 900.5e6]),
    "thousands of thousands": (["1,500.5K", "20.5K", "3.0K", "1,000.0K"], [1_500_500, 20_500, 3000, 1_000_000]),
    "a decimal comma": (["1,5 Mio. €", "12 Tsd. €", "3,0 Mrd. €", "7 Tsd. €"], [1.5e6, 12e3, 3e9, 7e3]),
    "three digits of a fraction": (["$1.234M", "$13.579M", "$450", "$2.468M"], [1_234_000, 13_579_000, 450, 2_468_000]),
}


@pytest.mark.parametrize("name", MAGNITUDES)
def test_numbers_cut_short_are_read_in_full_and_written_as_they_were(name):
    cells, values = (np.array(part * 15, dtype) for part, dtype in zip(MAGNITUDES[name], (object, float), strict=True))
    if name == "millions and less":
        cells = texts(cell if "$" in cell else f"${cell}" for cell in cells)
    column = describe("v", cells)
    assert column.kind == "numeric"
    again = Column.from_json(json.loads(json.dumps(column.to_json())))
    assert values_of(again, cells).tolist() == values.tolist()
    assert cells_of(again, values).tolist() == cells.tolist()


def test_a_number_takes_the_letter_of_its_size_and_the_digits_of_its_column():
    column = describe("v", texts(["1.7M", "12.5K", "450", "3.4B", "900"] * 12))
    wanted = {
        **{0.4: "0", 449.6: "450", 999.4: "999", 1234.0: "1.2K", 99_949.0: "99.9K", 999_951.0: "1M"},
        **{81.64e6: "81.6M", 999.99e6: "1B", 2.5e12: "2500B"},
    }
    values = np.array(list(wanted))
    assert cells_of(column, values).tolist() == list(wanted.values())
    assert round_values(column, values).tolist() == values_of(column, cells_of(column, values)).tolist()
    assert np.isnan(round_values(column, np.array([np.nan, 3.0]))).tolist() == [True, False]
    upper = describe("v", texts(["2.5k", "11K", "3k"] * 20))
    assert values_of(upper, texts(["3K", "3k"])).tolist() == [3000, 3000]
    assert cells_of(upper, np.array([7100.0])).tolist() == ["7.1k"]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([f"{i // 9 + 1}{'ABCDEFGHK'[i % 9]}" for i in range(N)], "identifier"),  # seats
        ([f"{i % 9 + 1}{'ABK'[i % 3]}" for i in range(N)], "categorical"),
        ([f"{'AKMB'[i % 4]}{i}" for i in range(N)], "identifier"),
        ([f"{i % 40}K" for i in range(N)], "categorical"),
        ([f"{i % 12}.5 m" for i in range(N)], "numeric"),  # metres
    ],
)
def test_letters_behind_numbers_are_not_all_noughts(cells, kind):
    column = describe("x", texts(cells))
    assert column.kind == kind
    assert "magnitudes" not in column.spelling


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(1, 9e11), min_size=25, max_size=60, unique=True),
    st.integers(0, 3),
    st.sampled_from(["KMB", "kmb", "kMB"]),
    st.sampled_from(["$", "€ ", ""]),
    st.booleans(),
)
def test_any_numbers_cut_short_come_back(numbers, decimals, letters, prefix, negative):
    def written(number: float) -> str:
        noughts = next((n for n in (9, 6, 3) if number >= 10**n), 0)
        sign = "-" * int(negative and number % 7 < 2)
        digits = f"{number / 10**noughts:.{decimals}f}{letters[noughts // 3 - 1]}" if noughts else str(int(number))
        return f"{sign}{prefix}{digits}"

    cells = texts(map(written, [*numbers, 1500.0, 2.5e6, 4e9]))
    assume(not any("1000" in cell for cell in cells))  # which the next letter would write
    column = describe("v", cells)
    assert column.kind == "numeric"
    assert cells_of(column, values_of(column, cells)).tolist() == cells.tolist()


@pytest.mark.parametrize(
    "cells",
    [
        [f"{i:04d}-{i * 7 % 1000:04d}" for i in range(N)],
        [f"2021/{i:04d}" for i in range(N)],
        [f"978-3-16-{i * 7919 % 1000000:06d}-{i % 10}" for i in range(N)],
        [f"{i // 5 + 10}{'ABCDK'[i % 5]}" for i in range(N)],
        [f"A{i}" for i in range(N)],
        [f"{i}x{i * 7919 % 65536:x}y" for i in range(N)],
    ],
)
def test_codes_stay_codes_beside_measures(cells):
    assert describe("x", texts(cells)).kind == "identifier"
