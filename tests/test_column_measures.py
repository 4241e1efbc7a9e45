"""Cells of two numbers and the like: what they measure is no name of a row."""

from __future__ import annotations

import numpy as np
import pytest

from gensynth.data.columns import describe

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
    "lists": [f"{i};{i * 7 % 70};{i % 3}" for i in range(N)],
}


@pytest.mark.parametrize("name", MEASURED)
@pytest.mark.parametrize("rows", [N, 30])
def test_measures_that_all_differ_name_no_row(name, rows):
    """Random ones of their shape would say nothing of the row; a column that is named as an identifier may have any."""
    cells = texts(MEASURED[name][:rows])
    assert describe("pressure", cells).kind == "text"
    assert " " in cells[0] or describe("patient_id", cells).kind == "identifier"


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
