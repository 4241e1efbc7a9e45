"""From table files to labelled rows: finds the label and the kind of every column, and says what it found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gensynth.data.columns import KINDS, Cells, Column
from gensynth.data.deidentify import notes_on
from gensynth.data.layouts.label_text import blank_notes, case_notes, label_of, number_notes
from gensynth.data.origin import marked_table
from gensynth.data.source import Source, class_order, labelled, recognised, source_hash
from gensynth.data.table_columns import (
    NOTHING_STATED,
    Stated,
    check_columns,
    columns_like,
    described_columns,
    not_issued,
    notes_on_columns,
    read_column,
    readings_of,
)
from gensynth.data.table_files import Form, TableFile, read_file, text_of
from gensynth.data.table_form import PLAIN, TableForm, form_and_cells
from gensynth.data.table_names import split_files
from gensynth.errors import DataError, UsageError
from gensynth.types import AUGMENTED, REAL, SYNTHETIC, Schema

SOURCE_COLUMN = "gensynth_source"
MOST_NUMBERS = 50  # different numbers that may be classes
_SHOWN = 20


def read_table(
    path: str,
    *,
    label: str = "label",
    test: str = "",
    header: bool | None = None,
    columns: list[str] | None = None,
    ignore: list[str] | None = None,
    keep: list[str] | None = None,
    kinds: Mapping[str, str] | None = None,
    formats: Mapping[str, str] | None = None,
    delimiter: str = "",
    encoding: str = "",
    subject: str = "",
    id: str = "",
    groups: list[str] | None = None,
    deidentify: Mapping[str, str] | None = None,
    min_classes: int = 2,
    like: Schema | None = None,
) -> Source:
    """Reads a table file, or a folder with train, val and test tables; rows of `test` all get split "test".

    label    name or position (0 is the first, -1 the last) of the label column
    ignore   columns that are written again but not learned
    keep     columns that look like people and are learned all the same
    kinds    column -> kind, where the found one is wrong
    formats  column -> format of its dates, see `columns/dates.py`
    subject  column that says whom a row belongs to: an identifier, kept in `groups`
    id       column that says who or what a row is about: an identifier, kept in `people` as it is read
    groups   further columns kept in `groups` as text, by which bias is looked at; they are learned like any other
    deidentify  column -> drop | mask | replace, before anything else is looked at
    like     schema whose classes and columns the rows are read with, for sets that are compared with other rows
    DataError for damaged files, a label column that is not there or has missing cells, and one class only.
    """
    form = Form(header, tuple(columns or ()), delimiter, encoding, label=label)
    cells, split, ids, tables, notes = read_cells(path, test, form)
    if deidentify:
        label = label_column(cells.drop(columns=[SOURCE_COLUMN], errors="ignore"), label)
    people = people_in(cells, id, label)
    written, cells, done = form_and_cells(tables, cells, deidentify or {}, needed(label, subject, groups), "")
    check_columns(groups or [], cells, "data.groups: no")
    beside = {name: cells[name].to_numpy(str) for name in [*(groups or []), subject] if name in cells.columns}
    kinds = dict(kinds or {}) | of_people((subject, id), cells, deidentify or {})
    stated = Stated(ignore or (), keep or (), groups or (), kinds=kinds, formats=formats or {})

    def with_notes(source: Source) -> Source:
        by = source.describe
        return replace(
            source,
            data=replace(source.data, groups=beside),
            notes=(*source.notes, *notes_on(done), *notes),
            deidentified=done,
            people=people,
            describe=None if by is None else lambda rows: with_notes(by(rows)),
        )

    kind = next(iter(tables.values())).kind
    source = with_notes(build(cells, label, kind, split, ids, stated=stated, like=like, tables=tables, form=written))
    check_classes(source.data.schema.classes, min_classes)
    return source


def people_in(cells: pd.DataFrame, column: str, label: str) -> dict[str, np.ndarray]:
    """{column: cells (N,)} of the one that data.id names, before anything is taken out; UsageError without it."""
    if not column:
        return {}
    check_columns([column], cells, "data.id: no")
    if column == label:
        raise UsageError(f"data.id={column} is the label; name the column that says who a row is about")
    return {column: cells[column].to_numpy(object)}


def of_people(names: Iterable[str], cells: pd.DataFrame, actions: Mapping[str, str]) -> dict[str, str]:
    """The kinds of the columns that say who rows are about; what is masked says it no more."""
    return {name: "identifier" for name in names if name in cells.columns and actions.get(name) != "mask"}


def check_classes(classes: tuple[str, ...], least: int) -> None:
    if len(classes) < least:
        raise DataError(f"rows of one class only ({classes[0]}); two are needed")


def classes_of(labels: set[str], like: Schema | None) -> tuple[str, ...]:
    """The classes in order, or those of other rows; DataError for one that they lack."""
    classes = like.classes if like else class_order(labels)
    if unknown := sorted(labels - set(classes)):
        raise DataError("classes that the real data lacks", unknown)
    return classes


def needed(label: str, subject: str, groups: list[str] | None) -> dict[str, str]:
    """Columns that other keys name, and those keys."""
    return {
        **dict.fromkeys(groups or [], "data.groups"),
        subject: "data.subject",
        label: "data.label",
        SOURCE_COLUMN: "the origin of rows",
    }


def read_cells(
    path: str, test: str, form: Form
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, dict[str, TableFile], list[str]]:
    """Text cells of a file, or a folder of train, val and test tables, with split (N,), ids (N,), tables and notes."""
    place = _place(path)
    files = split_files(place) if place.is_dir() else {"": place}
    if test:
        if "test" in files:
            raise UsageError("the data has a test split of its own; leave data.test out, or give the training part")
        files["test"] = _place(test)
    tables = {split: read_file(file, form) for split, file in files.items()}
    if not tables:
        raise UsageError(f'the folder "{place.name}" holds no train, val or test table; name the file itself')
    first = next(iter(tables.values()))
    named = first.found_header or bool(form.columns)
    notes = [] if named else ["the file has no header: columns are called column_0, column_1, ..."]
    plain = first.kind.startswith(("CSV", "TSV", "Excel"))
    if first.found_header and form.header is None and len(tables) == 1 and plain:
        notes.append("the first line was taken as header; data.header=false if it is a row")
    notes += [note for table in tables.values() for note in table.notes]
    notes += TableForm.of(tables).notes
    cells, split, ids = _joined(tables)
    return _with_marks(cells, split, files), split, ids, tables, notes


def _place(path: str) -> Path:
    return Path(path) if Path(path).exists() else Path(path).expanduser()


def _with_marks(cells: pd.DataFrame, split: np.ndarray, files: Mapping[str, Path]) -> pd.DataFrame:
    """The same cells, with the origin that Parquet files state in their metadata where no column does."""
    marks = {name: marked_table(file) for name, file in files.items()}
    if SOURCE_COLUMN in cells.columns or set(marks.values()) == {REAL}:
        return cells
    return cells.assign(**{SOURCE_COLUMN: pd.Series(split, dtype=object).map(marks)})


def read_frame(frame: pd.DataFrame, label: str = "label", kinds: Mapping[str, str] | None = None) -> Source:
    """A pandas DataFrame, one row an example, its own types."""
    source = build(
        text_of(frame.reset_index(drop=True)), label, "DataFrame", stated=Stated(kinds=kinds or {}, marks=False)
    )
    check_classes(source.data.schema.classes, 2)
    return source


def read_breast_cancer() -> Source:
    """scikit-learn's bundled table of breast tumours: 569 rows, 30 measurements, benign or malignant."""
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    frame = bunch.data.rename(columns=lambda name: name.replace(" ", "_"))
    frame["diagnosis"] = np.array(bunch.target_names)[bunch.target]
    return build(text_of(frame), "diagnosis", "scikit-learn's breast tumours")


def build(
    cells: pd.DataFrame,
    label: str,
    kind: str,
    split: np.ndarray | None = None,
    ids: np.ndarray | None = None,
    *,
    stated: Stated = NOTHING_STATED,
    like: Schema | None = None,
    tables: Mapping[str, TableFile] | None = None,
    form: TableForm = PLAIN,
) -> Source:
    """Source of text cells (N rows) from a `kind` of table; split (N,) is none and ids (N,) count where not given.

    like  schema by whose columns the cells are read
    """
    split = np.full(len(cells), "") if split is None else split
    ids = np.arange(len(cells)).astype(str) if ids is None else ids
    origin = origin_of(cells)
    cells = cells.drop(columns=[SOURCE_COLUMN], errors="ignore")
    name = label_column(cells, label)
    labels, noted_labels = labels_of(cells[name])
    check_labels(labels, name, ids, tables)
    stated.check(cells)
    if like is None and name not in stated.kinds:
        check_is_class(name, labels)
    classes = classes_of(set(labels.tolist()), like)
    texts = {str(c): Cells.of(cells[c].to_numpy(object)) for c in cells if c != name}

    def described(rows: np.ndarray | None = None) -> Source:
        """By what columns are in some rows, bool (N,), or in all."""
        shown = texts if rows is None else {c: of[rows] for c, of in texts.items()}
        comma = kind.startswith("CSV with semicolons")
        columns = columns_like(like, cells) if like else not_issued(described_columns(shown, stated, comma), texts)
        x, noted = _values(columns, texts, stated, like is not None)
        if not x.shape[1]:
            raise DataError(f'no column beside the label "{name}" can be learned from')
        own = form if rows is None else form[rows]
        schema = like or Schema("table", classes, _fields(columns, name, cells, own))
        data = labelled(x, labels, schema, ids, origin)
        kinds = [c.kind for c in columns]
        found = ", ".join(f"{kinds.count(k)} {k}" for k in KINDS if k in kinds)
        first = recognised(kind, data, f"{len(data)} rows, columns: {found}", f' in "{schema.fields["label"]}"')
        here = [c for c in columns if c.name in shown]  # other rows may lack what is not learned
        readings = readings_of(here, shown, stated)
        notes = (first, *noted_labels, *notes_on_columns(shown, here, stated, readings), *noted)
        kept, by = form.marked(cells, schema.fields).set_axis(ids, axis=0), None if like else described
        sha256 = source_hash(data) if by is None or rows is not None else ""  # of all rows alone it is not final
        return Source(data, split, {}, (), notes, sha256, cells=kept, describe=by, readings=readings)

    return described()


def _values(
    columns: list[Column], texts: Mapping[str, Cells], stated: Stated, foreign: bool
) -> tuple[np.ndarray, list[str]]:
    """float64 (N, D) of the columns that are learned, and what is to be said of their cells."""
    modelled = [c for c in columns if c.modelled]
    x, notes = np.empty((len(next(iter(texts.values()), ())), len(modelled))), []
    for j, column in enumerate(modelled):
        x[:, j], note = read_column(column, texts[column.name], stated, foreign)
        notes += [note] if note else []
    return x, notes


def _fields(columns: list[Column], label: str, cells: pd.DataFrame, form: TableForm) -> dict[str, Any]:
    """Facts of a table's schema."""
    order = list(map(str, cells.columns))
    return {"columns": [c.to_json() for c in columns], "label": label, "order": order, **form.fields(order)}


def _joined(tables: dict[str, TableFile]) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """All tables one below the other, the split of each row, and ids: row numbers, after the split's name if any."""
    first = next(iter(tables.values())).cells
    for split, table in tables.items():
        if set(table.cells.columns) != set(first.columns):
            differing = sorted(set(table.cells.columns) ^ set(first.columns))
            raise DataError(f"the {split} table has other columns", [f'"{name}"' for name in differing])
    parts = [table.cells[list(first.columns)] for table in tables.values()]
    cells = pd.concat(parts, ignore_index=True) if len(parts) > 1 else first
    splits = np.concatenate([np.full(len(table.cells), name) for name, table in tables.items()])
    ids = np.concatenate(
        [[f"{name}/{i}" if name else str(i) for i in range(len(table.cells))] for name, table in tables.items()]
    )
    return cells, splits, ids


def origin_of(cells: pd.DataFrame) -> np.ndarray:
    if SOURCE_COLUMN not in cells.columns:
        return np.full(len(cells), REAL)
    origin = cells[SOURCE_COLUMN].to_numpy(str)
    if bad := sorted(set(origin.tolist()) - {REAL, AUGMENTED, SYNTHETIC}):
        raise DataError(f"{SOURCE_COLUMN} holds {bad[0]!r}; real, augmented or synthetic is expected")
    return origin


def label_column(cells: pd.DataFrame, label: str, key: str = "data.label", what: str = "the label") -> str:
    if label in cells.columns:
        return label
    if label.lstrip("-").isdecimal() and -cells.shape[1] <= int(label) < cells.shape[1]:
        return str(cells.columns[int(label)])
    names = ", ".join(map(str, cells.columns[:30]))
    raise DataError(f'no column "{label}"; {key}=COLUMN names {what}, by name or position; columns: {names}')


def labels_of(cells: pd.Series) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels (N,) of text cells, without blanks around them, and what is to be said of them."""
    codes, different = pd.factorize(cells.to_numpy(object))
    found = np.array([label_of(text) for text in different.tolist()], dtype=object)
    names = found.tolist()
    return found[codes], (*blank_notes(different.tolist()), *case_notes(names), *number_notes(names))


def check_is_class(name: str, labels: np.ndarray) -> None:
    """UsageError where labels (N,) look like a number to predict: more than 50 different ones, or one a row."""
    distinct = pd.unique(pd.Series(labels, dtype=object))
    if len(distinct) <= MOST_NUMBERS and (len(distinct) < len(labels) or len(labels) <= MOST_NUMBERS):
        return
    if pd.to_numeric(pd.Series(distinct), errors="coerce").notna().all():
        raise UsageError(
            f'"{name}" has {len(distinct)} different numbers in {len(labels)} rows: this looks like a number to '
            "predict, not a class; data.label=COLUMN names another, "
            f"data.kinds={{{name}: categorical}} takes it as it is"
        )


def check_labels(labels: np.ndarray, name: str, ids: np.ndarray, tables: Mapping[str, TableFile] | None) -> None:
    empty = np.flatnonzero(labels == "")
    if not len(empty):
        return

    def where(i: int) -> str:
        split, _, row = str(ids[i]).rpartition("/")
        line = f", line {tables[split].first_line + int(row)}" if tables and split in tables else ""
        return f"{split + ' ' if split else ''}row {row}{line}"

    problems = [f'{where(i)}: "{name}" is empty' for i in empty[:_SHOWN]]
    raise DataError(f'{len(empty)} rows have no label in "{name}"; fill it in or drop the rows', problems)
