"""Write the merged set as a folder of images or sounds: train/val/test, class folders, metadata.csv, ledger, manifest.

Real files leave byte for byte where the reader changed nothing and they are such as synthetic ones are; others go
through the same writer, as PNG, 16-bit WAV or FLAC at the model's size: no property of a file tells the two apart.
Files of synthetic rows say so inside (`mark.py`); content hashes are those of the files as they lie there.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from gensynth.balancing.ledger import LEDGER, Documents, NameRow, Provenance, csv_text, ledger_rows
from gensynth.balancing.mark import Mark, wav_with_xmp, xmp_packet
from gensynth.data.audio_files import flac_bytes, wav_bytes
from gensynth.data.conditions import FILE_COLUMNS, Conditions
from gensynth.data.image import png_bytes
from gensynth.data.kinds import modality_of
from gensynth.data.modality import npy_bytes
from gensynth.training.bundle import manifest_of
from gensynth.types import REAL, LabelledData, Schema

_RESERVED = {"con", "prn", "aux", "nul", *(f"com{i}" for i in range(10)), *(f"lpt{i}" for i in range(10))}
_ORDINARY = re.compile(r"\w[\w \-+()]*(\.[\w \-+()]+)*")


def folder_names(classes: tuple[str, ...]) -> dict[str, str]:
    """A safe, distinct folder for every class; ordinary names stay as they are.

    >>> folder_names(("cat", "Cat", "a/b", "CON", "7"))
    {'cat': 'cat', 'Cat': 'class_001_Cat', 'a/b': 'class_002_a_b', 'CON': 'class_003_CON', '7': '7'}
    """
    taken: set[str] = set()
    names = {}
    for index, label in enumerate(classes):
        name = label if _is_ordinary(label) and label.casefold() not in taken else _slug(index, label)
        while name.casefold() in taken:
            name += "_"
        taken.add(name.casefold())
        names[label] = name
    return names


def _is_ordinary(label: str) -> bool:
    stem = label.split(".")[0].casefold()
    safe = bool(_ORDINARY.fullmatch(label)) and not label.endswith((" ", ".")) and len(label.encode()) <= 100
    safe &= label.casefold() not in ("ledger.csv", "metadata.csv")
    return safe and stem not in _RESERVED and unicodedata.is_normalized("NFC", label)


def _slug(index: int, label: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9]+", "_", unicodedata.normalize("NFKD", label)).strip("_")[:40]
    return f"class_{index:03d}_{plain}".rstrip("_")


def encode_row(schema: Schema, x: np.ndarray, mark: Mark | None) -> bytes:
    """One row x as the bytes of its file, the same every time; a real row has no mark.

    A ledger's content_sha256 is the hash of these bytes.
    """
    kind = modality_of(schema)
    return (kind.encode or ENCODE.get(kind.name, npy_bytes))(schema, x, xmp_packet(mark) if mark else "")


def write_row(path: Path, content: bytes) -> str:
    """Write the file of a row; returns its hash."""
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def file_rows(
    names: Iterable[str], data: LabelledData, sampler: np.ndarray, groups: Iterable[str]
) -> Iterator[tuple[object, ...]]:
    """Lines of metadata.csv: FILE_COLUMNS and groups of every row."""
    labels = np.array(data.schema.classes, dtype=object)[data.y]
    return zip(names, labels, data.origin, sampler, *(data.groups[name] for name in groups), strict=True)


def _sound_bytes(schema: Schema, x: np.ndarray, xmp: str) -> bytes:
    rate_hz = schema.fields["sample_rate_hz"]
    if schema.fields["ending"] == ".flac":
        return flac_bytes(x, rate_hz)
    sound = wav_bytes(x, rate_hz)
    return wav_with_xmp(sound, xmp) if xmp else sound


ENCODE: dict[str, Callable[[Schema, np.ndarray, str], bytes]] = {
    "image": lambda schema, x, xmp: png_bytes(x, xmp),
    "audio": _sound_bytes,
}


def row_names(conditions: Conditions, seed: int) -> NameRow:
    """(condition, sampler, index) -> name of a synthetic row, in the folder of its class, the same in every run of this
    seed; of an image, its file name."""
    folders, ending = folder_names(conditions.schema.classes), modality_of(conditions.schema).ending(conditions.schema)
    classes = [conditions.schema.classes[label] for label in conditions.labels]
    cells = [f"-cell{j}" if conditions.columns else "" for j in range(len(classes))]
    parts = dict(zip(conditions.names, zip(classes, cells, strict=True), strict=True))

    def name_of(condition: str, sampler: str, index: int) -> str:
        label, cell = parts[condition]
        return f"{folders[label]}/{sampler}{cell}-{seed}-{index:06d}{ending}"

    return name_of


def write_dataset(
    folder: Path,
    splits: dict[str, LabelledData],
    originals: dict[str, Path],
    provenance: Provenance,
    documents: Documents,
) -> None:
    """Write into the empty `folder`; the caller stages and renames it.

    splits     train (real and synthetic rows), val, test (real rows only)
    documents  called with the folder once the rows lie there; returns further files, name -> text
    """
    for split, data in splits.items():
        if split != "train" and (data.origin != REAL).any():
            raise ValueError(f"{split} holds rows that are not real")
        _write_split(folder, split, data, originals, provenance)
    seal(folder, documents)


def seal(folder: Path, documents: Documents) -> None:
    """Add the documents and, last, the manifest with the hash of every file."""
    for name, text in documents(folder).items():
        (folder / name).write_text(text, encoding="utf-8")
    manifest = {"format": 1, "files": manifest_of(folder)}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_split(
    folder: Path, split: str, data: LabelledData, originals: dict[str, Path], provenance: Provenance
) -> None:
    base = folder / split
    base.mkdir(parents=True)
    folders = folder_names(data.schema.classes)
    for name in folders.values():
        (base / name).mkdir()
    sampler = data.groups["sampler"] if "sampler" in data.groups else np.full(len(data), "")
    names, hashes = [], []
    for i, name in enumerate(_file_names(data, folders, originals)):
        original = originals.get(str(data.ids[i])) if data.origin[i] == REAL else None
        mark = provenance.mark(str(data.origin[i]), str(sampler[i]))
        content = original.read_bytes() if original else encode_row(data.schema, data.x[i], mark)
        hashes.append(write_row(base / name, content))
        names.append(name)
    rows = file_rows(names, data, sampler, provenance.groups)
    (base / "metadata.csv").write_text(csv_text((*FILE_COLUMNS, *provenance.groups), rows), encoding="utf-8")
    if split == "train":
        lines = ledger_rows(data, names, hashes, provenance)
        (folder / "ledger.csv").write_text(csv_text(LEDGER, lines), encoding="utf-8")


def _file_names(data: LabelledData, folders: dict[str, str], originals: dict[str, Path]) -> Iterator[str]:
    """Distinct file names in row order; synthetic rows already carry theirs."""
    taken = {name.casefold() for name in data.ids[data.origin != REAL].tolist()}
    ending = modality_of(data.schema).ending(data.schema)
    for row_id, label, origin in zip(data.ids.tolist(), data.y, data.origin, strict=True):
        if origin != REAL:
            yield row_id
            continue
        stem, suffix = _stem(row_id), originals[row_id].suffix.lower() if row_id in originals else ending
        folder = folders[data.schema.classes[label]]
        name, attempt = f"{folder}/{stem}{suffix}", 1
        while name.casefold() in taken:
            attempt += 1
            name = f"{folder}/{stem}-{attempt}{suffix}"
        taken.add(name.casefold())
        yield name


def _stem(row_id: str) -> str:
    """File stem of a row id: the last part of a path without its ending, or a padded row number."""
    if row_id.isdecimal():
        return f"{int(row_id):06d}"
    stem = re.sub(r"\.[A-Za-z]{3,4}$", "", row_id.rsplit("/", 1)[-1])
    stem = re.sub(r"[^\w \-+().=,@]", "_", stem).strip(" .")[:120] or "row"
    return f"_{stem}" if stem.split(".")[0].casefold() in _RESERVED or stem.startswith("-") else stem
