"""How the tables of a source are written, so that rows leave as they came: container, encoding, types of values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from gensynth.data.deidentify import Done, deidentified
from gensynth.data.table_files import TableFile
from gensynth.data.value_kinds import NOT_NULL, Kinds, after_changes, joined_kinds, type_of, with_kinds

ENCODED = ("encoding", "mark")


@dataclass(frozen=True)
class TableForm:
    """types: Arrow types by column; written: as of `TableFile`; kinds: of the values of all rows, int8 (N,) by column.

    notes  where the tables differ in what all of them leave as
    """

    types: Mapping[str, str] = field(default_factory=dict)
    written: Mapping[str, Any] = field(default_factory=dict)
    kinds: Kinds = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @staticmethod
    def of(tables: Mapping[str, TableFile]) -> TableForm:
        """That of the first table; of tables in several encodings, UTF-8."""
        first, *others = tables.values()
        written = dict(first.written)
        notes: tuple[str, ...] = ()
        if any(other.written.get(key) != written.get(key) for other in others for key in ENCODED):
            written = {key: value for key, value in written.items() if key not in ENCODED}
            notes = ("the tables are in several encodings: all rows leave as UTF-8",)
        kinds = joined_kinds([(table.kinds, len(table.cells)) for table in tables.values()])
        return TableForm(first.types, written, kinds, notes)

    def __getitem__(self, rows: np.ndarray) -> TableForm:
        """Of some rows, bool (N,)."""
        return replace(self, kinds={name: kinds[rows] for name, kinds in self.kinds.items()})

    def fields(self, order: list[str]) -> dict[str, Any]:
        """What a schema says of it, of columns in their order."""
        found: dict[str, Any] = {}
        kinds = {name: type_of(self.kinds[name]) for name in order if name in self.kinds}
        if self.types:
            found["types"] = {name: self.types[name] + NOT_NULL * (kinds.get(name) == "string") for name in order}
        if self.written:
            found["written"] = dict(self.written)
        if self.written.get("suffix") == ".jsonl":
            found["written"]["json"] = kinds
        return found

    def marked(self, cells: pd.DataFrame, fields: Mapping[str, Any]) -> pd.DataFrame:
        """The same text cells (N rows), with their own kind where it is not what the fields say of their column."""
        texts = {
            name: "string" if kind.endswith(NOT_NULL) else "text" for name, kind in fields.get("types", {}).items()
        }
        types = fields.get("written", {}).get("json", texts)
        return with_kinds(cells, self.kinds, {name: kind for name, kind in types.items() if name in cells})


PLAIN = TableForm()


def form_and_cells(
    tables: Mapping[str, TableFile], cells: pd.DataFrame, actions: Mapping[str, str], kept: Mapping[str, str], text: str
) -> tuple[TableForm, pd.DataFrame, Done]:
    """How tables are written, their cells (N rows) as `deidentified` leaves them, and what it did."""
    after, done = deidentified(cells, actions, kept=kept, text=text)
    form, changed = TableForm.of(tables), {str(one["column"]) for one in done}
    types = {name: "string" if name in changed else kind for name, kind in form.types.items()}
    return replace(form, types=types, kinds=after_changes(form.kinds, cells, after)), after, done


def own_suffix(fields: Mapping[str, Any]) -> str:
    """The ending of tables that leave as they came: Parquet where there are Arrow types, else CSV unless stated."""
    return ".parquet" if fields.get("types") else fields.get("written", {}).get("suffix", ".csv")


def written_as(fields: Mapping[str, Any], suffix: str) -> Mapping[str, Any]:
    """How a file with this ending is written for a schema of these fields: as the data came, where that is its kind."""
    own = fields.get("written", {})
    came = own_suffix(fields)
    if came == suffix:
        return own
    if {came, suffix} == {".csv", ".tsv"}:
        return {key: value for key, value in own.items() if key in (*ENCODED, "line_end")}
    return {}


def form_of(fields: Mapping[str, Any], suffix: str = "") -> dict[str, Any]:
    """How such a file, by default of the own ending, is read again: arguments of `Form` and of readers."""
    written, suffix = written_as(fields, suffix or own_suffix(fields)), suffix or own_suffix(fields)
    delimiter = "" if suffix == ".tsv" else written.get("delimiter", ",")
    return {"header": True, "encoding": written.get("encoding", "utf-8"), "delimiter": delimiter}
