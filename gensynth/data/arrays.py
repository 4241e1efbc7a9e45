"""Images that come as arrays: IDX pairs (the format of MNIST) and .npz files, also those of MedMNIST."""

from __future__ import annotations

import gzip
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.lib.npyio import NpzFile

from gensynth.data.image_depth import (
    Declared,
    Range,
    depth_notes,
    depth_of_numbers,
    extents_of,
    rows_to_8_bit,
    settle_ranges,
)
from gensynth.data.layouts.entries import entries
from gensynth.data.layouts.folder_names import SPLITS, split_of
from gensynth.data.layouts.label_text import blank_notes, label_of
from gensynth.errors import DataError, UsageError

MAX_BYTES = 8 * 2**30
_IDX_NUMBERS = {0x08: "u1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}  # third byte of the magic number
_IDX_LABELS = {0x08: "u1"}
_IDX_NAME = re.compile(r"^(?P<set>.*?)[-_.]?images[-_.]idx3[-_.](?P<numbers>ubyte|short|int|float|double)(\.gz)?$")
_SETS = {"train": "train", "t10k": "test", "test": "test", "val": "val"}
_IMAGE_NAMES = {"x", "images", "image", "imgs", "data"}
_LABEL_NAMES = {"y", "labels", "label", "targets", "target"}
_CLASS_NAMES = ({"classes"}, {"class", "names"}, {"label", "names"})


@dataclass(frozen=True)
class ArrayRows:
    """Labelled images, text labels (N,), split (N,), ids (N,); `declared` also names classes without rows.

    x  arrays (n, C, H, W) one below the other, N rows in all: uint8, or numbers of more than 8 bits as they are stored
    """

    kind: str
    x: tuple[np.ndarray, ...]
    labels: np.ndarray
    split: np.ndarray
    ids: np.ndarray
    declared: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def splits(self) -> set[str]:
        return set(self.split.tolist())

    def as_test(self) -> ArrayRows:
        """The same as rows of data.test: split "test", ids under test/."""
        return replace(self, ids=np.array([f"test/{name}" for name in self.ids]), split=np.full(len(self.ids), "test"))


def idx_images(folder: Path) -> list[Path]:
    """Images files of IDX pairs in a folder, train first; a plain file wins over its .gz twin."""
    found = {}
    for path in [Path(entry.path) for entry in reversed(entries(folder))]:
        match = _IDX_NAME.match(path.name)
        if match and _set_of(match["set"]) and path.is_file():
            found[match["set"]] = path
    return [found[name] for name in sorted(found, key=lambda name: list(_SETS).index(_set_of(name)))]


def _set_of(name: str) -> str:
    """The key of _SETS that a name ends with, so that EMNIST's emnist-letters-train is a train set; else empty."""
    last = re.split(r"[-_.]", name)[-1]
    return last if last in _SETS else ""


def is_idx_images(path: Path) -> bool:
    """Whether a file is called like the images half of an IDX pair."""
    return _IDX_NAME.match(path.name) is not None


def read_idx(images: list[Path], max_pixels: int) -> ArrayRows:
    """One or more IDX pairs; several become splits by their names. DataError on damage or unequal counts."""
    parts = [_read_pair(path, max_pixels) for path in images]
    named = len(images) > 1
    names = [_SETS[_set_of(cast(re.Match[str], _IDX_NAME.match(path.name))["set"])] if named else "" for path in images]
    twice = [name for name in names if named and names.count(name) > 1]
    if twice:
        raise DataError(f"several IDX files for {twice[0]}: {', '.join(path.name for path in images)}; keep one set")
    return _join("IDX files (MNIST's format)", names, parts)


def _read_pair(images: Path, max_pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """x (N, 1, H, W) and text labels (N,)."""
    labels = _labels_beside(images)
    x = _read_idx_file(images, 3, _IDX_NUMBERS, max_pixels)
    y = _read_idx_file(labels, 1, _IDX_LABELS, max_pixels)
    if len(x) != len(y):
        raise DataError(f"{images.name} holds {len(x)} images, {labels.name} {len(y)} labels")
    _check_numbers(x, images.name)
    return x[:, None], y.astype(str)


def _labels_beside(images: Path) -> Path:
    numbers = cast(re.Match[str], _IDX_NAME.match(images.name))["numbers"]
    stem = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    bytes_stem = stem.removesuffix(numbers) + "ubyte"
    for name in (bytes_stem, bytes_stem + ".gz", stem, stem + ".gz"):
        if (images.parent / name).is_file():
            return images.parent / name
    raise UsageError(f"{images.name} needs its labels beside it: {bytes_stem} or {bytes_stem}.gz")


def _read_idx_file(path: Path, dimensions: int, numbers: Mapping[int, str], max_pixels: int) -> np.ndarray:
    """The array of one IDX file, plain or gzip; exactly the promised bytes are read, so a bomb cannot unfold.

    numbers  {third byte of the magic number: how NumPy calls such numbers}, of those that are read
    """
    zipped = path.name.endswith(".gz")
    try:
        with gzip.open(path, "rb") if zipped else path.open("rb") as file:
            shape, dtype = _idx_shape(cast(IO[bytes], file), path.name, dimensions, numbers, max_pixels)
            size = int(np.prod(shape, dtype=object)) * dtype.itemsize
            content = file.read(size)
            rest = file.read(1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) != size or rest:
        found = "more" if rest else f"only {len(content)}"
        raise DataError(f"{path.name}: its header promises {size} bytes of data, the file holds {found}")
    return np.frombuffer(content, dtype).astype(dtype.newbyteorder("="), copy=False).reshape(shape)


def _idx_shape(
    file: IO[bytes], name: str, dimensions: int, numbers: Mapping[int, str], max_pixels: int
) -> tuple[tuple[int, ...], np.dtype]:
    head = file.read(4 + 4 * dimensions)
    if len(head) < 4 + 4 * dimensions:
        raise DataError(f"{name} is shorter than an IDX header")
    found, *shape = struct.unpack(f">{1 + dimensions}I", head)
    code = found >> 8
    if found & 0xFF != dimensions or code not in numbers:
        expected = ", ".join(f"0x{one << 8 | dimensions:08x} ({kind})" for one, kind in numbers.items())
        raise DataError(f"{name}: IDX magic number 0x{found:08x}, expected {expected}")
    dtype = np.dtype(f">{numbers[code]}")
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if size > MAX_BYTES or int(np.prod(shape[1:], dtype=object)) > max_pixels:
        raise DataError(f"{name}: the header asks for {'x'.join(map(str, shape))} numbers, more than is allowed")
    if 0 in shape:
        raise DataError(f"{name} holds no data (shape {'x'.join(map(str, shape))})")
    return tuple(shape), dtype


def read_npz(path: Path, max_pixels: int) -> ArrayRows:
    """`x` and `y`, alone or with a split in their names, in any of the usual spellings; pickles are refused.

    `x, y[, classes]`, MedMNIST's `train_images, train_labels, val_...`, Keras' `x_train, y_train, x_test, y_test`.
    Only these arrays are loaded, one by one; a note names the others.
    """
    with _opened(path) as file:
        pairs = _pairs(file.files, path.name)
        class_key = next((key for key in file.files if _name_parts(key) in _CLASS_NAMES), "")
        _check_size(path, [key for pair in pairs.values() for key in pair])
        names = _class_names(_load(file, class_key, path.name)) if class_key else None
        parts = [
            (
                _pixels(_load(file, images, path.name), images, max_pixels),
                _labels(_load(file, labels, path.name), labels, names),
            )
            for images, labels in pairs.values()
        ]
        unused = [
            key for key in file.files if key not in {class_key, *(key for pair in pairs.values() for key in pair)}
        ]
    written = [text for _, labels in parts for text in np.unique(labels).tolist()]
    parts = [(x, np.array([label_of(text) for text in labels.tolist()])) for x, labels in parts]
    medmnist = all(pair == (f"{split}_images", f"{split}_labels") for split, pair in pairs.items())
    rows = _join("MedMNIST .npz" if medmnist else ".npz arrays", list(pairs), parts)
    notes = (f"arrays that were not read: {', '.join(unused)}",) if unused else ()
    declared = frozenset() if names is None else frozenset(map(label_of, names.tolist()))
    return replace(rows, declared=declared, notes=(*blank_notes(written), *notes))


def _name_parts(key: str) -> set[str]:
    """The parts of a name: x_train, trainImages, "Test labels".

    >>> sorted(_name_parts("x_train")), sorted(_name_parts("trainImages"))
    (['train', 'x'], ['images', 'train'])
    """
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+", key)}


def _pairs(keys: list[str], place: str) -> dict[str, tuple[str, str]]:
    """split -> names of its images and labels, train first; the split is empty where there is one pair without one.

    UsageError where there is no pair, or two names for one thing.
    """
    found: dict[tuple[str, bool], str] = {}
    for key in keys:
        parts = _name_parts(key)
        splits = {split_of(part) for part in parts} - {""}
        rest = {part for part in parts if not split_of(part)}
        if len(rest) != 1 or len(splits) > 1 or not rest <= _IMAGE_NAMES | _LABEL_NAMES:
            continue
        role = (next(iter(splits), ""), rest <= _IMAGE_NAMES)
        if role in found:
            raise UsageError(f"{place}: {found[role]} and {key} may both be the {'images' if role[1] else 'labels'}")
        found[role] = key
    splits_of = {split: (found.get((split, True), ""), found.get((split, False), "")) for split in ("", *SPLITS)}
    pairs = {split: pair for split, pair in splits_of.items() if all(pair)}
    if "" in pairs and len(pairs) > 1 and "train" not in pairs:
        pairs = {"train": pairs.pop("")} | pairs
    if not {"", "train"} & pairs.keys():
        raise UsageError(
            f"{place} holds {', '.join(sorted(keys)) or 'nothing'}; expected x and y, x_train, y_train, x_test, "
            "y_test, or MedMNIST's train_images, train_labels, val_..., test_..."
        )
    return pairs if "train" in pairs else {"": pairs[""]}


def _opened(path: Path) -> NpzFile:
    """The archive, nothing of it loaded."""
    try:
        with zipfile.ZipFile(path):
            pass  # NumPy leaves a damaged file open
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path.name} cannot be read as .npz: {_reason(error)}") from None
    if not isinstance(found, NpzFile):
        raise DataError(f"{path.name} cannot be read as .npz: it is one array and no archive of several")
    return found


def _check_size(path: Path, keys: list[str]) -> None:
    """DataError where the arrays that are read unpack to more than MAX_BYTES."""
    with zipfile.ZipFile(path) as archive:
        size = sum(one.file_size for one in archive.infolist() if one.filename.removesuffix(".npy") in keys)
    if size > MAX_BYTES:
        raise DataError(f"{path.name} unpacks to {size} bytes, more than the {MAX_BYTES} allowed")


def _load(file: NpzFile, key: str, place: str) -> np.ndarray:
    """One array; DataError that names it."""
    try:
        array = file[key]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise DataError(
            f'{place}: the array "{key}" cannot be read (pickled objects are refused; save text or numbers): '
            f"{_reason(error)}"
        ) from None
    if not isinstance(array, np.ndarray):
        raise DataError(f'{place}: "{key}" is not an array')
    return array


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or " ".join(str(error).split())[:200]


def _pixels(x: np.ndarray, name: str, max_pixels: int) -> np.ndarray:
    """(N, H, W) or (N, H, W, 1 or 3) of whole numbers or floats -> (N, C, H, W); DataError that names the array."""
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4 or x.shape[3] not in (1, 3) or 0 in x.shape:
        raise DataError(f"{name} has shape {x.shape}; expected (N, H, W) or (N, H, W, C) with C 1 or 3")
    if x.shape[1] * x.shape[2] > max_pixels:
        raise DataError(f"{name}: images of {x.shape[1]}x{x.shape[2]} are more than {max_pixels} pixels")
    _check_numbers(x, name)
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def _check_numbers(x: np.ndarray, name: str) -> None:
    if depth_of_numbers(x.dtype) is None:
        raise DataError(f"{name} is {x.dtype}; expected uint8, whole numbers of 16 to 64 bits, or floats")
    if x.dtype.kind == "f" and not (finite := np.isfinite(x).reshape(len(x), -1).all(axis=1)).all():
        row = int(np.argmin(finite))
        raise DataError(
            f"{name} is {x.dtype} with numbers that are not finite (first in row {row}); leave such rows out"
        )


def _class_names(classes: np.ndarray) -> np.ndarray:
    if classes.ndim != 1 or classes.dtype.kind not in "iuU":
        raise DataError(f"classes is {classes.dtype} {classes.shape}; expected a list of names")
    return np.array([str(label) for label in classes.tolist()])


def _labels(y: np.ndarray, name: str, names: np.ndarray | None) -> np.ndarray:
    """Whole numbers or text, (N,) or (N, 1) -> text (N,); numbers index the class `names` where given."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in "iuU":
        raise DataError(f"{name} is {y.dtype} {y.shape}; expected one whole number or text for every image")
    if names is None:
        return np.array([str(label) for label in y.tolist()])
    if y.dtype.kind != "U":
        bad = (y < 0) | (y >= len(names))
        if bad.any():
            raise DataError(f"{name} holds {y[bad][0]}, but classes has {len(names)} names (0 to {len(names) - 1})")
        return names[y]
    unknown = sorted(set(map(label_of, y.tolist())) - set(map(label_of, names.tolist())))
    if unknown:
        raise DataError(f"{name} holds {unknown[0]!r}, which is not among classes: {', '.join(names.tolist())}")
    return y


def _join(kind: str, names: list[str], parts: list[tuple[np.ndarray, np.ndarray]]) -> ArrayRows:
    """Named parts one below the other; ids are row numbers, with the split before them where there is one."""
    for name, (x, labels) in zip(names, parts, strict=True):
        if len(x) != len(labels):
            raise DataError(f"{name or 'x, y'}: {len(x)} images but {len(labels)} labels")
    shapes = {x.shape[1:] for x, _ in parts}
    if len(shapes) > 1:
        raise DataError(f"the splits hold images of different shape (channels, height, width): {sorted(shapes)}")
    return ArrayRows(
        kind=kind,
        x=tuple(x for x, _ in parts),
        labels=np.concatenate([labels for _, labels in parts]),
        split=np.concatenate([np.full(len(x), name) for name, (x, _) in zip(names, parts, strict=True)]),
        ids=np.array(
            [f"{n}/{i}" if n else str(i) for n, (x, _) in zip(names, parts, strict=True) for i in range(len(x))]
        ),
    )


def settled(arrays: Sequence[np.ndarray], declared: Declared) -> tuple[np.ndarray, dict[str, Range], tuple[str, ...]]:
    """Arrays (n, C, H, W) as one uint8 (N, C, H, W), the ranges that numbers of more bits were scaled by, and notes."""
    extents = [extent for rows in arrays for extent in extents_of(rows)]
    ranges = settle_ranges(extents, declared.ranges)
    x = np.concatenate([rows_to_8_bit(rows, ranges) for rows in arrays])
    return x, ranges, tuple(depth_notes(extents, len(x), ranges, declared))
