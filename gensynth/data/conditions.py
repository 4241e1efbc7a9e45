"""What a generator is asked for: the label alone, or the label together with groups (a cell of label x groups).

Rows of cells are rows of classes of their own, so codec, networks, samplers, plan and filters need not know that there
are groups: `split` makes cells the classes, `join` gives the rows their label and groups back. What a cell says is a
condition like a label: in a table the group columns leave x before anything is fitted, and return as they were asked.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from gensynth.data.columns import values_of
from gensynth.data.kinds import modality_of
from gensynth.data.table_source import SOURCE_COLUMN
from gensynth.errors import UsageError, nearest
from gensynth.types import LabelledData, Schema

CELLS = "cells"  # key of Schema.fields under which split rows say what their classes stand for
FILE_COLUMNS = ("file_name", "label", "source", "sampler")  # of metadata.csv, before the group columns
TAKEN = ("cell", "filters", "index", "params", "sampler", SOURCE_COLUMN)  # row-aligned columns that synthetic rows get
PARAMS, CELL = (
    "params",
    "cell",
)  # row-aligned columns of synthetic rows: JSON of their parameters, name of their condition
SEPARATOR = " / "
NO_VALUE = "(none)"
MOST_CELLS = 200


@dataclass(frozen=True)
class Conditions:
    """The conditions of a data set, J of them; without group columns they are its classes.

    schema   of rows with their label
    columns  group columns
    labels   int64 (J,), the class of each condition
    groups   its group values, in the order of `columns`
    """

    schema: Schema
    columns: tuple[str, ...]
    labels: np.ndarray
    groups: tuple[tuple[str, ...], ...]

    @staticmethod
    def of(train: LabelledData, columns: tuple[str, ...]) -> Conditions:
        """Every cell that has a training row, by class, then by group values.

        UsageError for columns that are not there or have so many values that cells would be single rows, and for
        values from which two cells would get one name.
        """
        if not columns:
            count = len(train.schema.classes)
            return Conditions(train.schema, (), np.arange(count), ((),) * count)
        keys = sorted(set(_keys(train, columns)))
        if len(keys) > MOST_CELLS:
            raise UsageError(
                f"data.groups=[{','.join(columns)}] gives {len(keys)} cells of label and groups, more than "
                f"{MOST_CELLS}; name columns with few values"
            )
        found = Conditions(train.schema, columns, np.array([k[0] for k in keys]), tuple(k[1] for k in keys))
        if twice := [name for name, n in Counter(found.names).items() if n > 1]:
            raise UsageError(
                f'data.groups=[{",".join(columns)}]: two cells of label and groups would both be called "{twice[0]}"; '
                f'write these classes or values without "{SEPARATOR}", and none as "{NO_VALUE}"'
            )
        return found

    @staticmethod
    def of_schema(schema: Schema) -> Conditions:
        """Those of rows that `split` made, from their schema; of other rows, their classes."""
        if CELLS not in schema.fields:
            count = len(schema.classes)
            return Conditions(schema, (), np.arange(count), ((),) * count)
        facts = schema.fields[CELLS]
        labelled = Schema(schema.modality, tuple(facts["classes"]), facts["fields"])
        groups = tuple(tuple(values) for values in facts["groups"])
        return Conditions(labelled, tuple(facts["columns"]), np.array(facts["labels"], np.int64), groups)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A name for every condition: the class, then the group values."""
        classes = self.schema.classes
        return tuple(
            SEPARATOR.join([classes[label], *(value or NO_VALUE for value in values)])
            for label, values in zip(self.labels.tolist(), self.groups, strict=True)
        )

    @cached_property
    def _modelled(self) -> list[str]:
        """Names of the columns of x, of a table."""
        return [column.name for column in modality_of(self.schema).columns(self.schema)]

    @cached_property
    def split_schema(self) -> Schema:
        """Schema of split rows: conditions as classes, without the group columns in x."""
        if not self.columns:
            return self.schema
        fields = dict(self.schema.fields)
        if self._modelled:
            fields["columns"] = [c for c in fields["columns"] if c["name"] not in self.columns]
        facts = {
            "classes": list(self.schema.classes),
            "fields": self.schema.fields,
            "columns": list(self.columns),
            "labels": self.labels.tolist(),
            "groups": [list(values) for values in self.groups],
        }
        return Schema(self.schema.modality, self.names, fields | {CELLS: facts})

    def index(self, rows: LabelledData) -> np.ndarray:
        """Condition (N,) of rows with labels and group columns, -1 for a cell without a training row."""
        if not self.columns:
            return rows.y
        place = {(label, values): j for j, (label, values) in enumerate(zip(self.labels, self.groups, strict=True))}
        return np.array([place.get(key, -1) for key in _keys(rows, self.columns)], np.int64)

    def counts(self, rows: LabelledData) -> np.ndarray:
        """Rows of each condition, (J,)."""
        index = self.index(rows)
        return np.bincount(index[index >= 0], minlength=len(self.labels))

    def split(self, rows: LabelledData) -> LabelledData:
        """The rows with conditions for classes; rows of cells that training rows lack are left out."""
        if not self.columns:
            return rows
        index = self.index(rows)
        known = index >= 0
        x = rows.x[known]
        if self._modelled:
            x = x[:, [name not in self.columns for name in self._modelled]]
        return replace(rows[known], x=x, y=index[known], schema=self.split_schema)

    def join(self, rows: LabelledData) -> LabelledData:
        """Inverse of `split`, also for rows that were made: label and groups are those of their condition."""
        if not self.columns:
            return rows
        values = np.array(self.groups, dtype=str)[rows.y]
        groups = {name: values[:, g] for g, name in enumerate(self.columns)}
        x = self._with_groups(rows.x, groups) if self._modelled else rows.x
        cells = {PARAMS: self._params(rows), CELL: np.array(self.names)[rows.y]} if PARAMS in rows.groups else {}
        return replace(rows, x=x, y=self.labels[rows.y], schema=self.schema, groups={**rows.groups, **groups, **cells})

    def _with_groups(self, x: np.ndarray, groups: Mapping[str, np.ndarray]) -> np.ndarray:
        """Cells x (N, D) with the group columns in their places."""
        columns, rest = modality_of(self.schema).columns(self.schema), iter(x.T)
        return np.column_stack([values_of(c, groups[c.name]) if c.name in groups else next(rest) for c in columns])

    def spread(self, needed: Mapping[str, int], counts: np.ndarray) -> dict[str, int]:
        """Rows asked of every class, shared among its cells as real rows are, (J,); by largest remainder."""
        out = np.zeros(len(self.labels), np.int64)
        for label, name in enumerate(self.schema.classes):
            mine = np.flatnonzero(self.labels == label)
            exact = needed.get(name, 0) * counts[mine] / max(counts[mine].sum(), 1)
            out[mine] = np.floor(exact)
            short = needed.get(name, 0) - int(out[mine].sum())
            out[mine[np.argsort(-(exact - np.floor(exact)), kind="stable")[:short]]] += 1
        return dict(zip(self.names, out.tolist(), strict=True))

    def by_class(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Numbers by condition summed up by class."""
        out = dict.fromkeys(self.schema.classes, 0)
        for label, name in zip(self.labels.tolist(), self.names, strict=True):
            out[self.schema.classes[label]] += counts.get(name, 0)
        return out

    def _params(self, rows: LabelledData) -> np.ndarray:
        """Parameters of synthetic rows, JSON (N,), with the groups they were asked for."""
        cells = [dict(zip(self.columns, values, strict=True)) for values in self.groups]
        return np.array(
            [
                json.dumps({CELL: cells[j], **(json.loads(params) if params else {})}, ensure_ascii=False)
                for j, params in zip(rows.y.tolist(), rows.groups[PARAMS].tolist(), strict=True)
            ],
            dtype=str,
        )

    def of_line(self, line: Mapping[str, str]) -> str:
        """Name of the condition that a ledger line's row was asked for; one that says no groups is of no condition."""
        if not self.columns:
            return line["label"]
        cell: dict[str, Any] = json.loads(line["params"] or "{}").get(CELL, {})
        return SEPARATOR.join([line["label"], *(cell[name] or NO_VALUE for name in self.columns if name in cell)])


def check_groups(rows: LabelledData, columns: tuple[str, ...]) -> None:
    """UsageError unless every group column came with the rows, under a name that rows do not use themselves."""
    taken = (*TAKEN, *FILE_COLUMNS) if modality_of(rows.schema).in_files else TAKEN
    for name in columns:
        if name in taken:
            raise UsageError(
                f"data.groups={name}: synthetic rows have a column of that name; rename yours or leave it out"
            )
        if name not in rows.groups:
            raise UsageError(f"data.groups={name} is not a column here; {nearest(name, rows.groups)}")


def shown_in_rows(schema: Schema, columns: tuple[str, ...]) -> bool:
    """Whether synthetic rows show these groups without being asked for them: modelled or constant columns of a
    table."""
    modelled = {column.name for column in modality_of(schema).columns(schema)}
    constant = {c["name"] for c in schema.fields.get("columns", ()) if c["kind"] == "constant"}
    return bool(modelled) and (modelled | constant).issuperset(columns)


def _keys(rows: LabelledData, columns: tuple[str, ...]) -> list[tuple[int, tuple[str, ...]]]:
    """(label, group values) of every row."""
    check_groups(rows, columns)
    return list(zip(rows.y.tolist(), zip(*(rows.groups[name].tolist() for name in columns), strict=True), strict=True))
