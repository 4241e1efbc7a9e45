"""From a path to labelled rows: recognises the layout, reads everything, and reports all faults at once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from gensynth.data.arrays import ArrayRows, idx_images, is_idx_images, read_idx, read_npz
from gensynth.data.audio_files import EXTENSIONS as SOUNDS
from gensynth.data.audio_files import WaveformSet, load_waveforms
from gensynth.data.deidentify import Done, deidentified_columns, notes_on
from gensynth.data.finding import FileFault, Finding, tell
from gensynth.data.folders import LAYOUTS, FileRow, Listing, list_folder, listed_path
from gensynth.data.image import EXTENSIONS, read_pixels
from gensynth.data.image_set import ImageSet, check_image_size, choose_size, load_images, resize, size_notes
from gensynth.data.origin import marked_origin
from gensynth.data.source import Source, class_order, source_hash
from gensynth.data.table_names import is_table
from gensynth.data.table_source import read_table
from gensynth.errors import DataError, UsageError, nearest
from gensynth.types import REAL, LabelledData, Schema

__all__ = ["MASK", "Finding", "Source", "read_digits", "read_path"]

MASK = "mask:"  # name of the masks among the row-aligned columns; no column of a file can have it


@dataclass(frozen=True)
class _Rows:
    """Rows before classes are numbered; all arrays share the first axis."""

    kind: str
    x: np.ndarray
    labels: np.ndarray
    split: np.ndarray
    ids: np.ndarray
    origin: np.ndarray
    groups: dict[str, np.ndarray] = field(default_factory=dict)
    originals: dict[str, Path] = field(default_factory=dict)
    declared: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    resized: int = 0
    recoloured: int = 0
    files: dict[str, Path] = field(default_factory=dict)
    modality: str = "image"
    deidentified: Done = ()
    fields: dict[str, Any] = field(default_factory=dict)


def read_path(
    path: str,
    *,
    label: str = "label",
    test: str = "",
    image_size: tuple[int, int] | None = None,
    max_pixels: int = 50_000_000,
    min_classes: int = 2,
    seconds: float = 0.0,
    sample_rate_hz: int = 0,
    max_seconds: float = 60.0,
    mask: str = "",
    deidentify: Mapping[str, str] | None = None,
) -> Source:
    """Reads labelled images (folder, IDX pair, .npz), sounds (folder) or a table; rows of `test` get split "test".

    label        column of a metadata.csv; image_size: (height, width) in pixels
    mask         column of a metadata.csv that names an image a row, light where the object is; kept as groups[MASK]
    max_pixels   cap on width x height of one file
    seconds      length of every sound, 0: the one that 95 % do not exceed; max_seconds: cap on one file
    sample_rate_hz  rate of all sounds, 0: the commonest
    deidentify   column of a metadata.csv or table -> drop | mask | replace
    UsageError for what is no known layout, DataError (listing every finding) when no file can be read or fewer than
    `min_classes` classes have files.
    """
    if path.strip() and is_table(Path(os.path.expanduser(path))):
        return read_table(path, label=label, test=test, min_classes=min_classes, deidentify=deidentify)
    image_size = check_image_size(image_size, max_pixels)
    main = _look(path, label, max_pixels)
    parts = [main] if not test else [main, _as_test(_look(test, label, max_pixels), main)]
    if isinstance(main, Listing) and _are_sounds(main):
        listings = [part for part in parts if isinstance(part, Listing)]
        rows = _read_sounds(listings, lambda files: load_waveforms(files, seconds, sample_rate_hz, max_seconds))
    elif isinstance(main, Listing):
        rows = _read_files([part for part in parts if isinstance(part, Listing)], image_size, max_pixels, mask)
    else:
        rows = _read_arrays([part for part in parts if isinstance(part, ArrayRows)], image_size)
    if test:
        _check_test_classes(rows)
    if deidentify:
        groups, done = deidentified_columns(rows.groups, deidentify, kept={})
        rows = replace(rows, groups=groups, deidentified=done, notes=(*rows.notes, *notes_on(done)))
    return _number_classes(rows, min_classes)


def read_digits() -> Source:
    """scikit-learn's bundled handwritten digits: 1,797 grey images of 8x8, ten classes."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = np.round(digits.images * 255 / 16).astype(np.uint8)[:, None]
    n = len(x)
    ids = np.arange(n).astype(str)
    rows = _Rows("scikit-learn's digits", x, digits.target.astype(str), np.full(n, ""), ids, np.full(n, REAL))
    return _number_classes(rows, 2)


def _look(path: str, label: str, max_pixels: int) -> Listing | ArrayRows:
    """Recognises what lies at a path; files of a folder are listed, arrays are read."""
    if not path.strip():
        raise UsageError(f"no data was named; {LAYOUTS}")
    place = Path(os.path.abspath(path if os.path.exists(path) else os.path.expanduser(path)))
    if not os.path.exists(place):
        raise UsageError(f'no file or folder "{path}"; {_nearest_neighbour(place)}')
    if place.is_dir():
        pairs = _idx_in(place)
        return read_idx(pairs, max_pixels) if pairs else list_folder(place, label)
    if place.suffix.lower() == ".npz":
        return read_npz(place, max_pixels)
    if is_idx_images(place):
        return read_idx([place], max_pixels)
    raise UsageError(_why_not(place))


def _nearest_neighbour(place: Path) -> str:
    try:
        names = os.listdir(place.parent)
    except OSError:
        return f'there is no folder "{place.parent.name}" either, or it cannot be listed'
    return nearest(place.name, names) if names else "its folder is empty"


def _idx_in(folder: Path) -> list[Path]:
    try:
        return idx_images(folder)
    except OSError as error:
        raise DataError(f'the folder "{folder.name}" cannot be listed: {(error.strerror or "error").lower()}') from None


def _why_not(place: Path) -> str:
    suffix = place.suffix.lower()
    if suffix in EXTENSIONS:
        return f'"{place.name}" is one image; give the folder that holds the class folders'
    if suffix in (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar"):
        return f'"{place.name}" is an archive; unpack it and give the folder; {LAYOUTS}'
    return f'"{place.name}" ({suffix or "no extension"}) is not known; {LAYOUTS}'


def _as_test(part: Listing | ArrayRows, main: Listing | ArrayRows) -> Listing | ArrayRows:
    """The rows of data.test, with split "test" and ids under test/."""
    if isinstance(part, Listing) and isinstance(main, Listing):
        _refuse_second_test({row.split for row in main.rows})
        rows = tuple(replace(row, name=f"test/{row.name}", split="test") for row in part.rows)
        findings = tuple(replace(finding, file=f"test/{finding.file}") for finding in part.findings)
        return replace(part, rows=rows, findings=findings)
    if isinstance(part, ArrayRows) and isinstance(main, ArrayRows):
        _refuse_second_test(set(main.split.tolist()))
        ids = np.array([f"test/{name}" for name in part.ids])
        return replace(part, ids=ids, split=np.full(len(ids), "test"))
    raise UsageError(f"data.test is of another kind than the data: {part.kind}, not {main.kind}")


def _refuse_second_test(splits: set[str]) -> None:
    if "test" in splits:
        raise UsageError("the data has a test split of its own; leave data.test out, or give the training part alone")


def _are_sounds(listing: Listing) -> bool:
    """Whether most files of a folder are recordings."""
    sounds = sum(row.name.lower().endswith(SOUNDS) for row in listing.rows)
    return 2 * sounds > len(listing.rows)


def _read_sounds(parts: list[Listing], load: Callable[[list[tuple[str, Path]]], WaveformSet]) -> _Rows:
    """Opens all recordings of all parts together, so that rate and length are settled over train and test alike."""
    files, mixed = _of_kind(parts, "audio", SOUNDS)
    found = load([(row.name, row.path) for row in files])
    rows, _ = _opened(parts, files, mixed, found, "audio")
    all_flac = all(name.lower().endswith(".flac") for name in rows.ids.tolist())
    fields = {
        "sample_rate_hz": found.sample_rate_hz,
        "samples": found.x.shape[1],
        "ending": ".flac" if all_flac else ".wav",  # of the files that rows leave as
    }
    return replace(rows, fields=fields, resized=len(found.x) - len(rows.originals))


def _read_files(parts: list[Listing], image_size: tuple[int, int] | None, max_pixels: int, mask: str) -> _Rows:
    """Opens all files of all parts together, so that colour and size are settled over train and test alike."""
    files, mixed = _of_kind(parts, "image", EXTENSIONS)
    found = load_images([(row.name, row.path) for row in files], image_size, max_pixels)
    rows, kept = _opened(parts, files, mixed, found, "image")
    rows = replace(rows, resized=found.resized, recoloured=found.recoloured)
    if not mask:
        return rows
    masks, faults = _masks(kept, mask, found.x.shape[2:], max_pixels)
    return replace(rows, groups=rows.groups | {MASK: masks}, findings=(*rows.findings, *faults))


def _of_kind(parts: list[Listing], kind: str, endings: tuple[str, ...]) -> tuple[list[FileRow], list[Finding]]:
    """Lines of the files with these endings, and a finding for every other one."""
    listed = [row for part in parts for row in part.rows]
    others = [row.name for row in listed if not row.name.lower().endswith(endings)]
    files = [row for row in listed if row.name.lower().endswith(endings)]
    return files, [Finding(name, "other_kind", f"most files here are {kind}") for name in others]


def _opened(
    parts: list[Listing], files: list[FileRow], mixed: list[Finding], found: ImageSet | WaveformSet, kind: str
) -> tuple[_Rows, list[FileRow]]:
    """Rows of the files that could be read, and their lines; DataError where none can."""
    findings = (*(finding for part in parts for finding in part.findings), *mixed, *found.findings)
    if not len(found.x):
        raise DataError(f"not one {kind} file could be read", tell(findings))
    kept = [files[i] for i in found.kept]
    columns = sorted({column for row in kept for column in row.extra if column})
    plain = [row for row, is_plain in zip(kept, found.plain, strict=True) if is_plain]
    rows = _Rows(
        kind=parts[0].kind,
        x=found.x,
        labels=np.array([row.label for row in kept]),
        split=np.array([row.split for row in kept]),
        ids=np.array([row.name for row in kept]),
        origin=np.array([marked_origin(row.path) if row.origin == REAL else row.origin for row in kept]),
        groups={column: np.array([row.extra.get(column, "") for row in kept]) for column in columns},
        originals={row.name: row.path for row in plain},
        declared=frozenset().union(*(part.declared for part in parts)),
        findings=findings,
        notes=(*(note for part in parts for note in part.notes), *found.notes),
        files={row.name: row.path for row in kept},
        modality=kind,
    )
    return rows, kept


def _masks(
    rows: list[FileRow], column: str, size: tuple[int, ...], max_pixels: int
) -> tuple[np.ndarray, tuple[Finding, ...]]:
    """uint8 (N, H, W), 255 where the object is; all 255, and a finding, where a mask cannot be used."""
    if not any(column in row.extra for row in rows):
        raise DataError(f'data.mask: no metadata.csv has a column "{column}"')
    masks, faults = np.full((len(rows), *size), 255, np.uint8), []
    for i, row in enumerate(rows):
        path = listed_path(row, column) if column in row.extra else ("missing_file", f"no column {column}")
        try:
            if isinstance(path, tuple):
                raise FileFault(*path)
            masks[i] = resize(read_pixels(path, max_pixels), *size).max(axis=0)
        except FileFault as fault:
            faults.append(Finding(f"{row.name} ({column})", fault.reason, f"{fault.detail}; the row is kept whole"))
    return masks, tuple(faults)


def _read_arrays(parts: list[ArrayRows], image_size: tuple[int, int] | None) -> _Rows:
    shapes = {part.x.shape[1:] for part in parts}
    if len(shapes) > 1:
        raise DataError(f"data and data.test hold images of different shape (channels, height, width): {shapes}")
    x = np.concatenate([part.x for part in parts])
    height, width = choose_size([x.shape[2:]], image_size)
    resized = len(x) if x.shape[2:] != (height, width) else 0
    return _Rows(
        kind=parts[0].kind,
        x=np.stack([resize(row, height, width) for row in x]) if resized else x,
        labels=np.concatenate([part.labels for part in parts]),
        split=np.concatenate([part.split for part in parts]),
        ids=np.concatenate([part.ids for part in parts]),
        origin=np.full(len(x), REAL),
        declared=frozenset().union(*(part.declared for part in parts)),
        notes=size_notes(len(x), resized, (height, width), image_size),
        resized=resized,
    )


def _check_test_classes(rows: _Rows) -> None:
    test = rows.split == "test"
    known = set(rows.labels[~test].tolist())
    unknown = sorted(set(rows.labels[test].tolist()) - known)
    if unknown:
        names = ", ".join(f'"{name}"' for name in unknown)
        raise DataError(f"data.test holds classes that the data does not have: {names}; {nearest(unknown[0], known)}")


def _number_classes(rows: _Rows, min_classes: int) -> Source:
    classes = class_order(set(rows.labels.tolist()))
    if len(classes) < min_classes:
        raise DataError(f"{rows.modality} rows of one class only ({classes[0]}); two are needed", tell(rows.findings))
    index = {name: i for i, name in enumerate(classes)}
    schema = Schema(rows.modality, classes, rows.fields or _image_fields(rows.x))
    data = LabelledData(
        x=rows.x,
        y=np.array([index[name] for name in rows.labels.tolist()], dtype=np.int64),
        schema=schema,
        ids=rows.ids,
        origin=rows.origin,
        parent=np.where(rows.origin == REAL, rows.ids, ""),
        groups=rows.groups,
    )
    notes = (_recognised(rows.kind, data), *_class_notes(rows, classes), *rows.notes)
    return Source(
        data,
        rows.split,
        rows.originals,
        rows.findings,
        notes,
        source_hash(data),
        rows.resized,
        rows.recoloured,
        rows.files,
        deidentified=rows.deidentified,
    )


def _image_fields(x: np.ndarray) -> dict[str, Any]:
    channels, height, width = x.shape[1:]
    return {"height": height, "width": width, "channels": channels}


def _recognised(kind: str, data: LabelledData) -> str:
    counts = data.counts()
    rare = int(np.argmin(counts))
    words = SIZE_WORDS[data.schema.modality](len(data), data.schema.fields)
    return f'{kind}: {len(counts)} classes, {words}, smallest class "{data.schema.classes[rare]}" {counts[rare]}'


def _image_words(n: int, f: dict[str, Any]) -> str:
    return f"{n} images, {f['height']}x{f['width']} {'grey' if f['channels'] == 1 else 'RGB'}"


def _sound_words(n: int, f: dict[str, Any]) -> str:
    return f"{n} recordings, {f['samples'] / f['sample_rate_hz']:.2f} s at {f['sample_rate_hz']} Hz"


SIZE_WORDS = {"image": _image_words, "audio": _sound_words}


def _class_notes(rows: _Rows, classes: tuple[str, ...]) -> list[str]:
    empty = sorted(rows.declared - set(classes))
    notes = [f'class "{name}" has no readable image and was left out' for name in empty]
    alike = Counter(name.casefold() for name in classes)
    for folded, n in sorted(alike.items()):
        if n > 1:
            names = ", ".join(f'"{name}"' for name in classes if name.casefold() == folded)
            notes.append(f"classes that differ in upper and lower case only stay apart: {names}")
    others = int((rows.origin != REAL).sum())
    if others:
        notes.append(f"{others} of {len(rows.origin)} rows are not real (their source column, or a mark in the file)")
    return notes
