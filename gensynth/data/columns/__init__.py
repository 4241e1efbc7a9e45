"""Columns of tables: what each is, and how its cells are spelled."""

from gensynth.data.columns.cells import Cells
from gensynth.data.columns.column import (
    KINDS,
    MISSING,
    MODELLED,
    Column,
    cells_of,
    is_missing,
    issue,
    known_categories,
    misfits_of,
    round_values,
    shown_form,
    values_in,
    values_of,
)
from gensynth.data.columns.describe import describe
from gensynth.data.columns.doubts import examples_of, other_reading

__all__ = [
    "KINDS",
    "MISSING",
    "MODELLED",
    "Cells",
    "Column",
    "cells_of",
    "describe",
    "examples_of",
    "other_reading",
    "shown_form",
    "is_missing",
    "issue",
    "known_categories",
    "misfits_of",
    "round_values",
    "values_in",
    "values_of",
]
