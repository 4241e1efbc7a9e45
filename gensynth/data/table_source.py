"""From table files to labelled rows: finds the label and the kind of every column, and says what it found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gensynth.data.columns import KINDS, Column, describe, known_categories, misfits_of, shown_form, values_of
from gensynth.data.deidentify import deidentified, notes_on
from gensynth.data.finding import printable
from gensynth.data.identifiers import masked
from gensynth.data.origin import marked_table
from gensynth.data.source import Source, class_order, labelled, recognised, source_hash
from gensynth.data.table_files import Form, TableFile, read_file, text_of
from gensynth.data.table_names import split_files
from gensynth.errors import DataError, UsageError, nearest
from gensynth.types import AUGMENTED, REAL, SYNTHETIC, Schema

SOURCE_COLUMN = "gensynth_source"
ORDINAL = "ordinal"  # a word for ordered categories, which are learned like others
NOTED, TOO_MANY = 0.01, 0.2  # shares of cells that do not fit their column
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
    formats: Mapping[str, str] | None = None,
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
    ignore   columns that are written again but not learned
    kinds    column -> kind, where the found one is wrong
    formats  column -> format of its dates, see `columns/dates.py`
    subject  column that says whom a row belongs to: an identifier, kept in `groups`
    groups   further columns kept in `groups` as text, by which bias is looked at; they are learned like any other
    deidentify  column -> drop | mask | replace, before anything else is looked at
    like     schema whose classes and columns the rows are read with, for sets that are compared with other rows
    DataError for damaged files, a label column that is not there or has missing cells, and one class only.
    """
    form = Form(header, tuple(columns or ()), delimiter, encoding, label=label)
    cells, split, ids, tables, notes = read_cells(path, test, form)
    if deidentify:
        label = label_column(cells.drop(columns=[SOURCE_COLUMN], errors="ignore"), label)
    cells, done = deidentified(cells, deidentify or {}, kept=needed(label, subject, groups))
    first = next(iter(tables.values()))
    kinds = _kinds_of_groups(cells, groups or []) | dict(kinds or {})
    kinds |= {subject: "identifier"} if subject in cells.columns else {}
    check_columns(groups or [], cells, "data.groups: no")
    beside = {name: cells[name].to_numpy(str) for name in [*(groups or []), subject] if name in cells.columns}
    stated = Stated(tuple(ignore or ()), kinds=kinds, formats=formats or {})

    def described(rows: np.ndarray | None) -> Source:
        source = build(cells, label, first.kind, split, ids, stated=stated, like=like, tables=tables, rows=rows)
        more = (*source.notes, *notes_on(done), *notes)
        data = replace(source.data, groups=beside)
        return replace(source, data=data, notes=more, deidentified=done, describe=None if like else described)

    source = described(None)
    check_classes(source.data.schema.classes, min_classes)
    return source


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
    notes += [note for table in tables.values() for note in table.notes]
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


@dataclass(frozen=True)
class Stated:
    """What is said of columns: which are not learned, and kinds and formats by name.

    marks  whether texts such as NA say that a cell is missing, as in files; in memory a gap is a gap
    """

    ignore: Sequence[str] = ()
    marks: bool = True
    kinds: Mapping[str, str] = field(default_factory=dict)
    formats: Mapping[str, str] = field(default_factory=dict)

    def check(self, cells: pd.DataFrame) -> None:
        check_columns([*self.ignore, *self.kinds, *self.formats], cells)
        if wrong := [k for k in self.kinds.values() if k not in (*KINDS, ORDINAL)]:
            raise UsageError(f"data.kinds: {wrong[0]} is no kind of column; {nearest(wrong[0], (*KINDS, ORDINAL))}")


NOTHING_STATED = Stated()


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
    rows: np.ndarray | None = None,
) -> Source:
    """Source of text cells (N rows) from a `kind` of table; split (N,) is none and ids (N,) count where not given.

    like  schema by whose columns the cells are read
    rows  bool (N,), the rows that say what columns are; None: all
    """
    split = np.full(len(cells), "") if split is None else split
    ids = np.arange(len(cells)).astype(str) if ids is None else ids
    origin = origin_of(cells)
    cells = cells.drop(columns=[SOURCE_COLUMN], errors="ignore")
    name = label_column(cells, label)
    labels = cells[name].to_numpy(object)
    check_labels(labels, name, ids, tables)
    stated.check(cells)
    shown = cells if rows is None else cells[rows]
    comma = kind.startswith("CSV with semicolons")
    described = _described_by(like, cells) if like else _described(shown.drop(columns=name), stated, comma)
    classes = classes_of(set(labels.tolist()), like)
    modelled = [c for c in described if c.modelled]
    if not modelled:
        raise DataError(f'no column beside the label "{name}" can be learned from')
    read = [read_column(c, cells[c.name].to_numpy(object), stated, like is not None) for c in modelled]
    fields: dict[str, Any] = {"columns": [c.to_json() for c in described], "label": name, "order": list(cells.columns)}
    if types := next(iter((tables or {}).values())).types if tables else {}:
        fields["types"] = {column: types[column] for column in cells.columns}
    data = labelled(
        np.stack([values for values, _ in read], axis=1), labels, like or Schema("table", classes, fields), ids, origin
    )
    kinds_of = [c.kind for c in described]
    found = ", ".join(f"{kinds_of.count(k)} {k}" for k in KINDS if k in kinds_of)
    first = recognised(kind, data, f"{len(data)} rows, columns: {found}", f' in "{data.schema.fields["label"]}"')
    notes = (first, *_notes(shown, described, stated), *(note for _, note in read if note))
    named = cells.assign(**{SOURCE_COLUMN: origin})

    def by(some: np.ndarray) -> Source:
        return build(named, label, kind, split, ids, stated=stated, tables=tables, rows=some)

    hashed, kept = source_hash(data), cells.set_axis(ids, axis=0)
    return Source(data, split, {}, (), notes, hashed, cells=kept, describe=None if like else by)


def read_column(column: Column, cells: np.ndarray, stated: Stated, foreign: bool) -> tuple[np.ndarray, str]:
    """Values (N,) of cells, and a note on those that do not fit, if they are more than one in a hundred.

    foreign  the column is that of other rows: cells that write the same another way are read by their own form
    DataError where more than a fifth does not fit and nobody has said what the column is.
    """
    note, name = "", printable(column.name)
    if foreign and column.discrete:
        cells = known_categories(column, cells)
    values = values_of(column, cells)
    misfits = misfits_of(column, cells, values)
    if foreign and misfits.mean() > NOTED:
        try:
            own = describe(column.name, cells, column.kind)
        except (ValueError, DataError):
            own = column
        if misfits_of(own, cells).sum() < misfits.sum():
            values, misfits = values_of(own, cells), misfits_of(own, cells)
            note = f'column "{name}" is written as {shown_form(own)} here, as {shown_form(column)} in the real data'
    share = misfits.mean() if len(misfits) else 0.0
    if share <= NOTED:
        return values, note
    examples = ", ".join(f'"{printable(cell)}"' for cell in pd.unique(pd.Series(cells[misfits]))[:3])
    what = f'column "{name}" is {column.kind} ({shown_form(column)}), and {share:.1%} of its cells are not: {examples}'
    if share > TOO_MANY and column.name not in stated.kinds:
        raise DataError(f"{what}; repair them, or say what it is with data.kinds={{{column.name}: ...}}")
    return values, f"{what}; they count as missing"


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


def _described(cells: pd.DataFrame, stated: Stated, decimal_comma: bool) -> list[Column]:
    """Every column as its cells are; ignored ones are text, which is not learned."""
    try:
        found = [
            Column(name, "text")
            if name in stated.ignore
            else describe(
                name,
                cells[name].to_numpy(object),
                stated.kinds.get(name, ""),
                stated.formats.get(name, ""),
                decimal_comma,
                stated.marks,
            )
            for name in cells.columns
        ]
    except ValueError as error:
        raise DataError(str(error)) from None
    return found


def _infinite(column: Column, cells: pd.Series) -> int:
    """How many cells of a number column are infinite."""
    return int(cells.str.fullmatch(r"\s*[+-]?inf(inity)?\s*", case=False).sum()) if column.kind == "numeric" else 0


def _notes(cells: pd.DataFrame, columns: list[Column], stated: Stated) -> list[str]:
    notes = []
    for column in columns:
        name = printable(column.name)
        present = cells[column.name][cells[column.name] != ""]
        example = f', as in "{printable(masked("", str(present.iloc[0])))}"' if len(present) else ""
        if column.kind == "identifier":
            notes.append(
                f'column "{name}" identifies rows{example}: not learned, synthetic rows get new ones; '
                f"if it says something else, data.kinds={{{name}: categorical}}"
            )
        elif column.kind == "text" and column.name in stated.ignore:
            notes.append(f'column "{name}" is left out (data.ignore): empty in synthetic rows')
        elif column.kind == "text":
            notes.append(
                f'column "{name}" is left out (free text{example}): empty in synthetic rows; '
                f"if it says something, data.kinds={{{name}: datetime | numeric | categorical | identifier}}"
            )
        elif column.kind == "constant":
            always = f'always "{column.example}"' if column.example else "empty throughout"
            notes.append(f'column "{name}" is {always}')
        elif infinite := _infinite(column, cells[column.name]):
            notes.append(f'column "{name}": {infinite} infinite values count as missing')
    return notes
