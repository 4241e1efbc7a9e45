"""Data sets of Hugging Face's `save_to_disk`: Arrow streams with the bytes of pictures, read with pyarrow alone."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as arrow

from gensynth.data.finding import Finding
from gensynth.data.layouts.folder_names import split_of
from gensynth.data.layouts.label_table import file_refusal, outside
from gensynth.data.layouts.label_text import blank_notes, label_of
from gensynth.data.layouts.listing import FileRow, Listing, joined
from gensynth.errors import DataError, UsageError, nearest

_INFO, _STATE, _SPLITS = "dataset_info.json", "state.json", "dataset_dict.json"
_SCALARS = ("Value", "ClassLabel")


def is_saved(folder: Path) -> bool:
    """Whether the folder is what save_to_disk wrote, of one data set or of a dictionary of splits."""
    return (folder / _SPLITS).is_file() or ((folder / _INFO).is_file() and (folder / _STATE).is_file())


def list_saved(folder: Path, prefix: str, label: str) -> Listing:
    """Rows of a saved data set; DataError for damaged files, features that are no pictures, and unknown splits."""
    if not (folder / _SPLITS).is_file():
        return _list_one(folder, prefix, "", label)
    names = _json(folder / _SPLITS, prefix).get("splits")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{prefix}{_SPLITS} names no splits")
    unknown = [name for name in names if not split_of(name) or outside(name)]
    if unknown:
        raise DataError(f'{prefix}{_SPLITS}: "{unknown[0]}" is no split; read are train, validation and test')
    parts = [_list_one(folder / name, f"{prefix}{name}/", split_of(name), label) for name in names]
    return replace(joined("", parts), kind=f"{'/'.join(names)} of a Hugging Face data set on disk")


@dataclass(frozen=True)
class Columns:
    """Which column is what: the picture, the label with the names of its classes, and the others that are scalars."""

    image: str
    label: str
    names: tuple[str, ...]
    others: tuple[str, ...]


def _list_one(folder: Path, prefix: str, split: str, label: str) -> Listing:
    features = _json(folder / _INFO, prefix).get("features")
    if not isinstance(features, dict):
        raise DataError(f"{prefix}{_INFO} names no features")
    return list_pictures(_read(folder, prefix), features, folder, prefix, split, label)


def list_pictures(
    table: arrow.Table, features: dict[str, Any], folder: Path, prefix: str, split: str, label: str
) -> Listing:
    """Rows of an Arrow table whose `features` say which column holds pictures and which labels."""
    columns, notes = _columns(features, label, prefix)
    if absent := {columns.image, columns.label} - set(table.column_names):
        raise DataError(
            f"the features of {prefix or 'the data set'} speak of the column {min(absent)}, which its files lack"
        )
    cells = {name: table[name].to_pylist() for name in (columns.label, *columns.others) if name in table.column_names}
    paths = _paths(table[columns.image])
    written = [_label(value, columns.names) for value in cells.pop(columns.label)]
    found = [
        _row(folder, f"{prefix}{i}", written[i], split, table[columns.image], i, paths[i]) for i in range(len(table))
    ]
    rows = [
        replace(one, extra={name: "" if values[i] is None else str(values[i]) for name, values in cells.items()})
        for i, one in enumerate(found)
        if isinstance(one, FileRow)
    ]
    return Listing(
        "Hugging Face data set on disk",
        tuple(rows),
        frozenset(filter(None, map(label_of, written))),
        tuple(one for one in found if isinstance(one, Finding)),
        (*notes, *blank_notes(written)),
    )


def _json(path: Path, prefix: str) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{prefix}{path.name} cannot be read: {reason}") from None
    if not isinstance(facts, dict):
        raise DataError(f"{prefix}{path.name} holds no object")
    return facts


def _columns(features: dict[str, Any], label: str, prefix: str) -> tuple[Columns, tuple[str, ...]]:
    kinds = {name: one.get("_type", "") if isinstance(one, dict) else "" for name, one in features.items()}
    images = [name for name, kind in kinds.items() if kind == "Image"]
    if len(images) != 1:
        found = ", ".join(f"{name} ({kind or 'list'})" for name, kind in kinds.items())
        raise DataError(f"{prefix}features: one column of kind Image is expected, found {found or 'none'}")
    classes = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    scalars = [name for name, kind in kinds.items() if kind in _SCALARS]
    chosen = label if label in scalars else classes[0] if label == "label" and len(classes) == 1 else ""
    if not chosen:
        raise UsageError(
            f"data.label={label}: {prefix}features have no such label; {nearest(label, scalars or ['none'])}"
        )
    names = features[chosen].get("names") or []
    others = tuple(name for name in scalars if name != chosen)
    notes = (f'labels from the column "{chosen}"',) if chosen != label else ()
    return Columns(images[0], chosen, tuple(map(str, names)), others), notes


def _read(folder: Path, prefix: str) -> arrow.Table:
    """The Arrow streams that state.json lists, mapped into memory and not copied."""
    files = _json(folder / _STATE, prefix).get("_data_files")
    names = [one.get("filename") for one in files] if isinstance(files, list) else []
    if not names or any(not isinstance(name, str) or outside(name) for name in names):
        raise DataError(f"{prefix}{_STATE} lists no Arrow files of this folder")
    parts = []
    for name in names:
        try:
            parts.append(arrow.ipc.open_stream(arrow.memory_map(str(folder / name))).read_all())
        except (OSError, arrow.ArrowException) as error:
            reason = getattr(error, "strerror", None) or str(error).split("\n")[0][:200].replace(str(folder), "")
            raise DataError(f"{prefix}{name} cannot be read as an Arrow stream: {reason}") from None
    try:
        return arrow.concat_tables(parts)
    except arrow.ArrowException:
        raise DataError(f"{prefix}{_STATE}: its Arrow files have different columns") from None


def _paths(pictures: arrow.ChunkedArray) -> list[str | None]:
    """The path of every picture whose bytes lie elsewhere; None where the bytes are stored."""
    try:
        bytes_of, path_of = (arrow.compute.struct_field(pictures, name) for name in ("bytes", "path"))
    except arrow.ArrowException:
        raise DataError(f"pictures are stored as {pictures.type}; a structure of bytes and path is expected") from None
    stored = bytes_of.is_valid().to_pylist()
    return [None if here else path or "" for here, path in zip(stored, path_of.to_pylist(), strict=True)]


def _label(value: object, names: tuple[str, ...]) -> str:
    """The text of a label; a number of a ClassLabel is its name, and -1 or nothing is none."""
    if value is None or (names and value == -1):
        return ""
    if names and isinstance(value, int):
        if not 0 <= value < len(names):
            raise DataError(f"a label is {value}, but the features name {len(names)} classes")
        return names[value]
    return str(value)


def _row(
    folder: Path, name: str, written: str, split: str, pictures: arrow.ChunkedArray, i: int, path: str | None
) -> FileRow | Finding:
    label = label_of(written)
    if not label:
        return Finding(name, "missing_label", "the row has no label")
    if path is None:
        return FileRow(name, Path(), label, split, stored=partial(_bytes, pictures, i))
    if outside(path):
        return Finding(name, "outside_root", "its bytes are not stored, and its path leads out of the folder", (label,))
    refused = file_refusal(folder.resolve(), folder.resolve() / path)
    if refused:
        return Finding(name, *refused, (label,))
    return FileRow(name, folder / path, label, split)


def _bytes(pictures: arrow.ChunkedArray, i: int) -> bytes:
    return pictures[i]["bytes"].as_py()
