"""From a path to labelled rows: recognises the layout, reads everything, and reports all faults at once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from gensynth.data.arrays import ArrayRows, idx_images, is_idx_images, read_idx, read_npz, settled
from gensynth.data.audio_files import load_waveforms
from gensynth.data.deidentify import deidentified_columns, notes_on
from gensynth.data.finding import FileFault, FileSet, Finding, tell
from gensynth.data.folders import list_folder, see_through
from gensynth.data.image import EXTENSIONS, read_pixels
from gensynth.data.image_depth import Declared, Range, declared_ranges
from gensynth.data.image_set import check_image_size, choose_size, load_images, resize, size_notes
from gensynth.data.layouts.label_table import listed_path
from gensynth.data.layouts.label_text import number_notes
from gensynth.data.layouts.listing import LAYOUTS, FileRow, Listing
from gensynth.data.lost import without_losses
from gensynth.data.origin import marked_origin
from gensynth.data.source import Source, class_order, labelled, recognised, source_hash
from gensynth.data.table_names import is_table
from gensynth.data.table_source import read_table
from gensynth.errors import DataError, UsageError, nearest
from gensynth.types import REAL, LabelledData, Schema

__all__ = ["MASK", "Finding", "Source", "read_digits", "read_path"]

MASK = "mask:"  # name of the masks among the row-aligned columns; no column of a file can have it


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
    crop: bool = False,
    id: str = "",
    deidentify: Mapping[str, str] | None = None,
    allow_lost: Collection[str] = (),
    range: Sequence[float] | Mapping[str, Sequence[float]] | None = None,
) -> Source:
    """Reads labelled images (folder, IDX pair, .npz), sounds (folder) or a table; rows of `test` get split "test".

    label, id    columns of a metadata.csv, id: who or what a row is about; test: a second path, rows of the test split
    image_size   (height, width) in pixels; None: as they are, at most 64
    mask         column of a metadata.csv that names an image a row, light where the object is; kept as groups[MASK]
    max_pixels   cap on width x height of one file; min_classes: classes that must have rows
    seconds      of every sound, 0: covers 95 % of the files, and of the sound of every class; max_seconds: of one file
    sample_rate_hz  rate of all sounds, 0: the commonest
    crop         a row for every box of COCO's, Pascal VOC's or YOLO's label files
    deidentify   column of a metadata.csv or table -> drop | mask | replace
    allow_lost   classes that may lose all or more than half of their files
    range        [low, high] of images of more than 8 bits, which becomes 0 to 255; None: what the set spans
    UsageError for what is no known layout, DataError (listing every finding) when no file can be read, a class would
    be lost, or fewer than `min_classes` classes have files.
    """
    of_files = {"mask": mask, "crop": crop}
    of_images = {"range": range if not isinstance(range, Mapping) else None, **of_files}
    if path.strip() and is_table(Path(os.path.expanduser(path))):
        refuse_keys("a table", images=of_images)
        return read_table(path, label=label, test=test, min_classes=min_classes, id=id, deidentify=deidentify)
    image_size, ranges = check_image_size(image_size, max_pixels), declared_ranges(range)
    listings, arrays = _parts(path, test, label, max_pixels, crop)

    def sounds(rows: list[FileRow]) -> FileSet:
        files = [(row.name, row.path) for row in rows]
        return load_waveforms(files, seconds, sample_rate_hz, max_seconds, [row.label for row in rows])

    def images(rows: list[FileRow]) -> FileSet:
        return load_images([(row.name, row.content) for row in rows], image_size, max_pixels, ranges)

    if arrays:
        refuse_keys(arrays[0].kind, files=of_files)
        source = _read_arrays(arrays, image_size, ranges)
    elif _are_sounds(listings[0]):
        refuse_keys("a folder of recordings", images=of_images)
        source = _read_files(listings, "audio", sounds, allow_lost)
    else:
        source = _with_masks(_read_files(listings, "image", images, allow_lost), listings, mask, max_pixels)
    if test:
        _check_test_classes(source)
    _check_count(source, min_classes)
    return _deidentified(_with_people(source, id), deidentify or {})


def _with_people(source: Source, column: str) -> Source:
    """The source with the column that data.id names, before anything is taken out; UsageError without it."""
    if column and column not in source.data.groups:
        raise UsageError(f"data.id={column} is not a column here; {nearest(column, source.data.groups)}")
    return replace(source, people={column: source.data.groups[column]}) if column else source


def refuse_keys(found: str, **keys: Mapping[str, Any]) -> None:
    """UsageError for a key of data that is given and means nothing for what was found.

    keys  what they are for -> {key: value}; values that say nothing are no fault
    """
    for meant, given in keys.items():
        for key, value in given.items():
            if value:
                raise UsageError(f"data.{key} is for {meant.replace('files', 'image files')}; this is {found}")


def _deidentified(source: Source, actions: Mapping[str, str]) -> Source:
    if not actions:
        return source
    groups, done = deidentified_columns(source.data.groups, actions, kept={})
    data = replace(source.data, groups=groups)
    return replace(source, data=data, deidentified=done, notes=(*source.notes, *notes_on(done)))


def _check_count(source: Source, min_classes: int) -> None:
    schema = source.data.schema
    if len(schema.classes) < min_classes:
        few = f"{schema.modality} rows of one class only ({schema.classes[0]}); two are needed"
        raise DataError(few, tell(source.quarantine))


def read_digits() -> Source:
    """scikit-learn's bundled handwritten digits: 1,797 grey images of 8x8, ten classes."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = np.round(digits.images * 255 / 16).astype(np.uint8)[:, None]
    n = len(x)
    ids = np.arange(n).astype(str)
    return _source("scikit-learn's digits", x, digits.target.astype(str), np.full(n, ""), ids, np.full(n, REAL))


def _parts(path: str, test: str, label: str, max_pixels: int, crop: bool) -> tuple[list[Listing], list[ArrayRows]]:
    """What lies at the path of the data and at that of data.test: files that are listed, or arrays."""
    if not isinstance(crop, bool):
        raise UsageError(f"data.crop takes true or false, got {crop!r}")
    main = _look(path, label, max_pixels, crop)
    parts = [main, _as_test(_look(test, label, max_pixels, crop), main)] if test else [main]
    listings = [part for part in parts if isinstance(part, Listing)]
    return listings, [part for part in parts if isinstance(part, ArrayRows)]


def _look(path: str, label: str, max_pixels: int, crop: bool) -> Listing | ArrayRows:
    """Recognises what lies at a path; files of a folder are listed, arrays are read."""
    if not path.strip():
        raise UsageError(f"no data was named; {LAYOUTS}")
    place = Path(os.path.abspath(path if os.path.exists(path) else os.path.expanduser(path)))
    if not os.path.exists(place):
        raise UsageError(f'no file or folder "{path}"; {_nearest_neighbour(place)}')
    if place.is_dir():
        pairs = idx_images(see_through(place)[0])
        return read_idx(pairs, max_pixels) if pairs else list_folder(place, label, crop)
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


def _why_not(place: Path) -> str:
    suffix = place.suffix.lower()
    if suffix in EXTENSIONS:
        return f'"{place.name}" is one image; give the folder that holds the class folders'
    if suffix in (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar"):
        return f'"{place.name}" is an archive; unpack it and give the folder; {LAYOUTS}'
    return f'"{place.name}" ({suffix or "no extension"}) is not known; {LAYOUTS}'


def _as_test(part: Listing | ArrayRows, main: Listing | ArrayRows) -> Listing | ArrayRows:
    """The rows of data.test, with split "test" and ids under test/."""
    if type(part) is not type(main):
        raise UsageError(f"data.test is of another kind than the data: {part.kind}, not {main.kind}")
    if "test" in main.splits:
        raise UsageError("the data has a test split of its own; leave data.test out, or give the training part alone")
    return part.as_test()


def _are_sounds(listing: Listing) -> bool:
    """Whether most files of a folder are recordings."""
    return 2 * sum(row.kind == "audio" for row in listing.rows) > len(listing.rows)


def _read_files(
    parts: list[Listing], kind: str, load: Callable[[list[FileRow]], FileSet], allow_lost: Collection[str]
) -> Source:
    """Opens the files of all parts together, so that their size is settled over train and test; others are findings.

    DataError where no file can be read, or a class would be lost that `allow_lost` does not name.
    """
    listed = [row for part in parts for row in part.rows]
    files = [row for row in listed if row.kind == kind]
    mixed = [Finding(r.name, "other_kind", f"most files here are {kind}", (r.label,)) for r in listed if r.kind != kind]
    found = load(files)
    classes = {row.name: (row.label,) for row in files}
    unread = [replace(finding, classes=classes.get(finding.file, ())) for finding in found.findings]
    findings = (*(finding for part in parts for finding in part.findings), *mixed, *unread)
    if not len(found.x):
        raise DataError(f"not one {kind} file could be read", tell(findings))
    kept = [files[i] for i in found.kept]
    columns = sorted({column for row in kept for column in row.extra if column})
    fields = _sound_fields(found, kept) if kind == "audio" else _image_fields(found.x, found.ranges)
    source = _source(
        parts[0].kind,
        found.x,
        np.array([row.label for row in kept]),
        np.array([row.split for row in kept]),
        np.array([row.name for row in kept]),
        np.array([_origin(row) for row in kept]),
        modality=kind,
        fields=fields,
        notes=(*(note for part in parts for note in part.notes), *found.notes),
        groups={column: np.array([row.extra.get(column, "") for row in kept]) for column in columns},
        originals={row.name: row.path for row, is_plain in zip(kept, found.plain, strict=True) if is_plain},
        quarantine=findings,
        resized=found.resized,
        recoloured=found.recoloured,
        files={row.name: row.path for row in kept if row.content == row.path},
        subject=parts[0].subject,
    )
    return without_losses(source, {name for part in parts for name in part.declared}, allow_lost)


def _origin(row: FileRow) -> str:
    """What the list of files says of a row; of a real one what its own metadata says."""
    if row.origin != REAL:
        return row.origin
    return marked_origin(row.stored() if row.stored else row.path)


def _sound_fields(found: FileSet, kept: list[FileRow]) -> dict[str, Any]:
    """Facts of recordings; `ending` is of the files that rows leave as."""
    ending = ".flac" if all(row.name.lower().endswith(".flac") for row in kept) else ".wav"
    return {"sample_rate_hz": found.sample_rate_hz, "samples": found.x.shape[1], "ending": ending}


def _with_masks(source: Source, parts: list[Listing], column: str, max_pixels: int) -> Source:
    """The rows with the masks that a column of their metadata.csv names; the same rows where none is named."""
    if not column:
        return source
    listed = {row.name: row for part in parts for row in part.rows}
    kept = [listed[name] for name in source.data.ids.tolist()]
    masks, faults = _masks(kept, column, source.data.x.shape[2:], max_pixels)
    data = replace(source.data, groups={**source.data.groups, MASK: masks})
    return replace(source, data=data, quarantine=(*source.quarantine, *faults))


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


def _read_arrays(parts: list[ArrayRows], image_size: tuple[int, int] | None, declared: Declared) -> Source:
    arrays = [rows for part in parts for rows in part.x]
    shapes = {rows.shape[1:] for rows in arrays}
    if len(shapes) > 1:
        raise DataError(f"data and data.test hold images of different shape (channels, height, width): {shapes}")
    x, ranges, depths = settled(arrays, declared)
    height, width = choose_size([x.shape[2:]], image_size)
    resized = len(x) if x.shape[2:] != (height, width) else 0
    sizes = size_notes(len(x), resized, (height, width), image_size)
    x = np.stack([resize(row, height, width) for row in x]) if resized else x
    return _source(
        parts[0].kind,
        x,
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.split for part in parts]),
        np.concatenate([part.ids for part in parts]),
        np.full(len(x), REAL),
        fields=_image_fields(x, ranges),
        declared=frozenset().union(*(part.declared for part in parts)),
        notes=(*(note for part in parts for note in part.notes), *sizes, *depths),
        resized=resized,
    )


def _check_test_classes(source: Source) -> None:
    labels, test = np.array(source.data.schema.classes)[source.data.y], source.split == "test"
    known = set(labels[~test].tolist())
    unknown = sorted(set(labels[test].tolist()) - known)
    if unknown:
        names = ", ".join(f'"{name}"' for name in unknown)
        raise DataError(f"data.test holds classes that the data does not have: {names}; {nearest(unknown[0], known)}")


def _source(
    kind: str,
    x: np.ndarray,
    labels: np.ndarray,
    split: np.ndarray,
    ids: np.ndarray,
    origin: np.ndarray,
    *,
    modality: str = "image",
    fields: dict[str, Any] | None = None,
    declared: frozenset[str] = frozenset(),
    notes: tuple[str, ...] = (),
    groups: dict[str, np.ndarray] | None = None,
    originals: dict[str, Path] | None = None,
    quarantine: tuple[Finding, ...] = (),
    **counts: Any,
) -> Source:
    """Rows with their classes numbered, and what is to be said of them first."""
    schema = Schema(modality, class_order(set(labels.tolist())), fields or _image_fields(x))
    data = labelled(x, labels.tolist(), schema, ids, origin, groups)
    first = recognised(kind, data, SIZE_KEYS[modality](len(data), schema.fields))
    notes = (first, *_class_notes(data, declared), *notes)
    return Source(data, split, originals or {}, quarantine, notes, source_hash(data), **counts)


def _image_fields(x: np.ndarray, ranges: Mapping[str, Range] = MappingProxyType({})) -> dict[str, Any]:
    """Facts of images; `ranges`, where there are some, are those by which images compared with these are scaled."""
    channels, height, width = x.shape[1:]
    scaled = {"ranges": {depth: list(pair) for depth, pair in ranges.items()}} if ranges else {}
    return {"height": height, "width": width, "channels": channels} | scaled


def _image_settings(n: int, f: dict[str, Any]) -> str:
    return f"{n} images, {f['height']}x{f['width']} {'grey' if f['channels'] == 1 else 'RGB'}"


def _sound_settings(n: int, f: dict[str, Any]) -> str:
    return f"{n} recordings, {f['samples'] / f['sample_rate_hz']:.2f} s at {f['sample_rate_hz']} Hz"


SIZE_KEYS = {"image": _image_settings, "audio": _sound_settings}


def _class_notes(data: LabelledData, declared: frozenset[str]) -> list[str]:
    classes = data.schema.classes
    notes = [f'class "{name}" has no readable image and was left out' for name in sorted(declared - set(classes))]
    alike = Counter(name.casefold() for name in classes)
    for folded, n in sorted(alike.items()):
        if n > 1:
            names = ", ".join(f'"{name}"' for name in classes if name.casefold() == folded)
            notes.append(f"classes that differ in upper and lower case only stay apart: {names}")
    notes += number_notes(classes)
    if others := int((data.origin != REAL).sum()):
        notes.append(f"{others} of {len(data)} rows are not real (their source column, or a mark in the file)")
    return notes
