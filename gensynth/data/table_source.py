"""From table files to labelled rows: finds the label and the kind of every column, and says what it found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from gensynth.data.columns import KINDS, Column, describe, values_of
from gensynth.data.deidentify import deidentified, notes_on
from gensynth.data.finding import printable
from gensynth.data.origin import marked_table
from gensynth.data.source import Source, class_order, labelled, recognised, source_hash
from gensynth.data.table_files import Form, TableFile, read_file, text_of
from gensynth.data.table_names import split_files
from gensynth.errors import DataError, UsageError, nearest
from gensynth.types import AUGMENTED, REAL, SYNTHETIC, Schema

SOURCE_COLUMN = "gensynth_source"
_SHOWN = 20


def read_table(
    path: str,
    *,
    label: str = "label",
    test: str = "",
    header: bool | None = None,
    columns: list[str] | None = None,
    ignore: list[str] | None = None,
    kinds: Mapping[str, str] | None = None,
    delimiter: str = "",
    encoding: str = "",
    subject: str = "",
    groups: list[str] | None = None,
    deidentify: Mapping[str, str] | None = None,
    min_classes: int = 2,
    like: Schema | None = None,
) -> Source:
    """Reads a table file, or a folder with train, val and test tables; rows of `test` all get split "test".

    label    name or position (0 is the first, -1 the last) of the label column
    ignore   columns that are written again but not learned; kinds: column -> kind, where the found one is wrong
    subject  column that says whom a row belongs to: an identifier, kept in `groups`
    groups   further columns kept in `groups` as text, by which bias is looked at; they are learned like any other
    deidentify  column -> drop | mask | replace, before anything else is looked at
    like     schema whose classes and columns the rows are read with, for sets that are compared with other rows
    DataError for damaged files, a label column that is not there or has missing cells, and one class only.
    """
    form = Form(header, tuple(columns or ()), delimiter, encoding)
    cells, split, ids, tables, notes = read_cells(path, test, form)
    if deidentify:
        label = label_column(cells.drop(columns=[SOURCE_COLUMN], errors="ignore"), label)
    cells, done = deidentified(cells, deidentify or {}, kept=needed(label, subject, groups))
    first = next(iter(tables.values()))
    kinds = _kinds_of_groups(cells, groups or []) | dict(kinds or {})
    kinds |= {subject: "identifier"} if subject in cells.columns else {}
    source = build(cells, label, first.kind, split, ids, ignore=ignore or [], kinds=kinds, like=like, tables=tables)
    check_columns(groups or [], cells, "data.groups: no")
    kept = {name: cells[name].to_numpy(str) for name in [*(groups or []), subject] if name in cells.columns}
    if kept:
        source = replace(source, data=replace(source.data, groups=kept))
    check_classes(source.data.schema.classes, min_classes)
    return replace(source, notes=(*source.notes, *notes_on(done), *notes), deidentified=done)


def check_classes(classes: tuple[str, ...], least: int) -> None:
    if len(classes) < least:
        raise DataError(f"rows of one class only ({classes[0]}); two are needed")


def check_columns(names: Iterable[str], cells: pd.DataFrame, what: str = "there is no") -> None:
    for name in names:
        if name not in cells.columns:
            raise UsageError(f'{what} column "{name}"; {nearest(name, list(cells.columns))}')


def classes_of(labels: set[str], like: Schema | None) -> tuple[str, ...]:
    """The classes in order, or those of other rows; DataError for one that they lack."""
    classes = like.classes if like else class_order(labels)
    if unknown := sorted(labels - set(classes)):
        raise DataError("classes that the real data lacks", unknown)
    return classes


def _kinds_of_groups(cells: pd.DataFrame, groups: list[str]) -> dict[str, str]:
    """Groups written as numbers are categories: between site 2 and site 3 there is none."""
    present = [name for name in groups if name in cells.columns]
    found = {name: describe(name, cells[name].to_numpy(object)).kind for name in present}
    return {name: "categorical" for name, kind in found.items() if kind == "numeric"}


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
    plain = first.kind.startswith(("CSV", "TSV"))
    if first.found_header and form.header is None and len(tables) == 1 and plain:
        notes.append("the first line was taken as header; data.header=false if it is a row")
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
    source = build(text_of(frame.reset_index(drop=True)), label, "DataFrame", kinds=kinds or {})
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
    ignore: Sequence[str] = (),
    kinds: Mapping[str, str] = MappingProxyType({}),
    like: Schema | None = None,
    tables: Mapping[str, TableFile] | None = None,
) -> Source:
    """Source of text cells (N rows) from a `kind` of table; split (N,) is none and ids (N,) count where not given."""
    split = np.full(len(cells), "") if split is None else split
    ids = np.arange(len(cells)).astype(str) if ids is None else ids
    origin = origin_of(cells)
    cells = cells.drop(columns=[SOURCE_COLUMN], errors="ignore")
    name = label_column(cells, label)
    labels = cells[name].to_numpy(object)
    check_labels(labels, name, ids, tables)
    check_columns([*ignore, *kinds], cells)
    if wrong := [k for k in kinds.values() if k not in KINDS]:
        raise UsageError(f"data.kinds: {wrong[0]} is no kind of column; {nearest(wrong[0], KINDS)}")
    described = _described_by(like, cells) if like else _described(cells.drop(columns=name), ignore, kinds)
    classes = classes_of(set(labels.tolist()), like)
    modelled = [c for c in described if c.modelled]
    if not modelled:
        raise DataError(f'no column beside the label "{name}" can be learned from')
    x = np.stack([values_of(c, cells[c.name].to_numpy(object)) for c in modelled], axis=1)
    fields = {"columns": [c.to_json() for c in described], "label": name, "order": list(cells.columns)}
    data = labelled(x, labels, like or Schema("table", classes, fields), ids, origin)
    kinds_of = [c.kind for c in described]
    found = ", ".join(f"{kinds_of.count(k)} {k}" for k in KINDS if k in kinds_of)
    first = recognised(kind, data, f"{len(data)} rows, columns: {found}", f' in "{data.schema.fields["label"]}"')
    notes = (first, *_notes(cells, described, ignore))
    return Source(data, split, {}, (), notes, source_hash(data), cells=cells.set_axis(ids, axis=0))


def _joined(tables: dict[str, TableFile]) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """All tables one below the other, the split of each row, and ids: row numbers, after the split's name if any."""
    first = next(iter(tables.values())).cells
    for split, table in tables.items():
        if set(table.cells.columns) != set(first.columns):
            differing = sorted(set(table.cells.columns) ^ set(first.columns))
            raise DataError(f"the {split} table has other columns", [f'"{name}"' for name in differing])
    cells = pd.concat([table.cells[list(first.columns)] for table in tables.values()], ignore_index=True)
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


def _described_by(like: Schema, cells: pd.DataFrame) -> list[Column]:
    """The columns of other rows; DataError where one that is learned is missing here."""
    described = [Column.from_json(facts) for facts in like.fields["columns"]]
    lacking = [c.name for c in described if c.name not in cells.columns and c.modelled]
    if lacking:
        raise DataError("columns of the real data are missing here", [f'"{n}"' for n in lacking])
    return described


def _described(cells: pd.DataFrame, ignore: Sequence[str], kinds: Mapping[str, str]) -> list[Column]:
    """Every column as its cells are; ignored ones are text, which is not learned."""
    stated = {name: kind for name, kind in kinds.items() if name not in ignore}
    try:
        found = [describe(name, cells[name].to_numpy(object), stated.get(name, "")) for name in cells.columns]
    except ValueError as error:
        raise DataError(str(error)) from None
    return [replace(c, kind="text", categories=()) if c.name in ignore else c for c in found]


def _notes(cells: pd.DataFrame, columns: list[Column], ignore: Sequence[str]) -> list[str]:
    notes = []
    for column in columns:
        name = printable(column.name)
        if column.kind == "identifier":
            notes.append(f'column "{name}" identifies rows: not learned, synthetic rows get new ones')
        elif column.kind == "text":
            why = "data.ignore" if column.name in ignore else "free text"
            notes.append(f'column "{name}" is left out ({why}): empty in synthetic rows')
        elif column.kind == "constant":
            always = f'always "{column.example}"' if column.example else "empty throughout"
            notes.append(f'column "{name}" is {always}')
        elif column.kind == "numeric":
            text = cells[column.name].str.strip().str.lower().str.lstrip("+-")
            if infinite := int(text.isin(["inf", "infinity"]).sum()):
                notes.append(f'column "{name}": {infinite} infinite values count as missing')
    return notes
