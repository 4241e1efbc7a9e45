"""Images that come as arrays: IDX pairs (the format of MNIST) and .npz files, also those of MedMNIST."""

from __future__ import annotations

import gzip
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast

import numpy as np

from gensynth.data.folders import entries, nfc
from gensynth.errors import DataError, UsageError

MAX_BYTES = 8 * 2**30
_IDX_IMAGES, _IDX_LABELS = 0x00000803, 0x00000801
_IDX_NAME = re.compile(r"^(?P<set>.*?)[-_.]?images[-_.]idx3[-_.]ubyte(\.gz)?$")
_SETS = {"train": "train", "t10k": "test", "test": "test", "val": "val"}


@dataclass(frozen=True)
class ArrayRows:
    """x uint8 (N, C, H, W), text labels (N,), split (N,), ids (N,); `declared` also names classes without rows."""

    kind: str
    x: np.ndarray
    labels: np.ndarray
    split: np.ndarray
    ids: np.ndarray
    declared: frozenset[str] = frozenset()

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
        if match and match["set"] in _SETS and path.is_file():
            found[match["set"]] = path
    return [found[name] for name in _SETS if name in found]


def is_idx_images(path: Path) -> bool:
    """Whether a file is called like the images half of an IDX pair."""
    return _IDX_NAME.match(path.name) is not None


def read_idx(images: list[Path], max_pixels: int) -> ArrayRows:
    """One or more IDX pairs; several become splits by their names. DataError on damage or unequal counts."""
    parts = [_read_pair(path, max_pixels) for path in images]
    named = len(images) > 1
    names = [_SETS[cast(re.Match[str], _IDX_NAME.match(path.name))["set"]] if named else "" for path in images]
    return _join("IDX files (MNIST's format)", names, parts)


def _read_pair(images: Path, max_pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """x uint8 (N, 1, H, W) and text labels (N,)."""
    labels = _labels_beside(images)
    x = _read_idx_file(images, _IDX_IMAGES, max_pixels)
    y = _read_idx_file(labels, _IDX_LABELS, max_pixels)
    if len(x) != len(y):
        raise DataError(f"{images.name} holds {len(x)} images, {labels.name} {len(y)} labels")
    return x[:, None], y.astype(str)


def _labels_beside(images: Path) -> Path:
    stem = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    for name in (stem, stem + ".gz"):
        if (images.parent / name).is_file():
            return images.parent / name
    raise UsageError(f"{images.name} needs its labels beside it: {stem} or {stem}.gz")


def _read_idx_file(path: Path, magic: int, max_pixels: int) -> np.ndarray:
    """uint8 array of one IDX file, plain or gzip; exactly the promised bytes are read, so a bomb cannot unfold."""
    zipped = path.name.endswith(".gz")
    try:
        with gzip.open(path, "rb") if zipped else path.open("rb") as file:
            shape = _idx_shape(cast(IO[bytes], file), path.name, magic, max_pixels)
            size = int(np.prod(shape, dtype=object))
            content = file.read(size)
            rest = file.read(1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) != size or rest:
        found = "more" if rest else f"only {len(content)}"
        raise DataError(f"{path.name}: its header promises {size} bytes of data, the file holds {found}")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def _idx_shape(file: IO[bytes], name: str, magic: int, max_pixels: int) -> tuple[int, ...]:
    dimensions = magic & 0xFF
    head = file.read(4 + 4 * dimensions)
    if len(head) < 4 + 4 * dimensions:
        raise DataError(f"{name} is shorter than an IDX header")
    found, *shape = struct.unpack(f">{1 + dimensions}I", head)
    if found != magic:
        raise DataError(f"{name}: IDX magic number 0x{found:08x}, expected 0x{magic:08x} (unsigned bytes)")
    if int(np.prod(shape, dtype=object)) > MAX_BYTES or int(np.prod(shape[1:], dtype=object)) > max_pixels:
        raise DataError(f"{name}: the header asks for {'x'.join(map(str, shape))} bytes, more than is allowed")
    if 0 in shape:
        raise DataError(f"{name} holds no data (shape {'x'.join(map(str, shape))})")
    return tuple(shape)


def read_npz(path: Path, max_pixels: int) -> ArrayRows:
    """`x`, `y`[, `classes`], or `train_images`, `train_labels`, `val_...`, `test_...`; pickles are refused."""
    arrays = _load_npz(path)
    if {"x", "y"} <= set(arrays):
        names = None if "classes" not in arrays else _class_names(arrays["classes"])
        part = _pixels(arrays["x"], "x", max_pixels), _labels(arrays["y"], "y", names)
        rows = _join(".npz arrays", [""], [part])
        return rows if names is None else replace(rows, declared=frozenset(names.tolist()))
    splits = [name for name in ("train", "val", "test") if {f"{name}_images", f"{name}_labels"} <= set(arrays)]
    if "train" not in splits:
        raise UsageError(
            f"{path.name} holds {', '.join(sorted(arrays)) or 'nothing'}; expected x and y, "
            "or MedMNIST's train_images, train_labels, val_..., test_..."
        )
    parts = [
        (_pixels(arrays[f"{n}_images"], f"{n}_images", max_pixels), _labels(arrays[f"{n}_labels"], f"{n}_labels", None))
        for n in splits
    ]
    return _join("MedMNIST .npz", splits, parts)


def _load_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise DataError(f"{path.name} unpacks to {size} bytes, more than the {MAX_BYTES} allowed")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray):
                raise ValueError(f"{name} is not an array")
        return arrays
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise DataError(f"{path.name} cannot be read as .npz (pickled objects are refused): {reason}") from None


def _pixels(x: np.ndarray, name: str, max_pixels: int) -> np.ndarray:
    """(N, H, W) or (N, H, W, 1 or 3) of uint8, uint16 or float in [0, 1] -> uint8 (N, C, H, W)."""
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4 or x.shape[3] not in (1, 3) or 0 in x.shape:
        raise DataError(f"{name} has shape {x.shape}; expected (N, H, W) or (N, H, W, C) with C 1 or 3")
    if x.shape[1] * x.shape[2] > max_pixels:
        raise DataError(f"{name}: images of {x.shape[1]}x{x.shape[2]} are more than {max_pixels} pixels")
    return np.ascontiguousarray(_as_bytes(x, name).transpose(0, 3, 1, 2))


def _as_bytes(x: np.ndarray, name: str) -> np.ndarray:
    if x.dtype == np.uint8:
        return x
    if x.dtype == np.uint16:
        return np.rint(x / 257).astype(np.uint8)
    if x.dtype.kind != "f":
        raise DataError(f"{name} is {x.dtype}; expected uint8, uint16, or floats from 0 to 1")
    bad = ~np.isfinite(x) | (x < 0) | (x > 1)
    if bad.any():
        row = int(np.argmax(bad.reshape(len(x), -1).any(axis=1)))
        raise DataError(f"{name} is {x.dtype} with values outside 0 to 1 (first in row {row}); scale it, or save uint8")
    return np.rint(x * 255).astype(np.uint8)


def _class_names(classes: np.ndarray) -> np.ndarray:
    if classes.ndim != 1 or classes.dtype.kind not in "iuU":
        raise DataError(f"classes is {classes.dtype} {classes.shape}; expected a list of names")
    return np.array([nfc(str(label)) for label in classes.tolist()])


def _labels(y: np.ndarray, name: str, names: np.ndarray | None) -> np.ndarray:
    """Whole numbers or text, (N,) or (N, 1) -> text (N,); numbers index the class `names` where given."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in "iuU":
        raise DataError(f"{name} is {y.dtype} {y.shape}; expected one whole number or text for every image")
    if names is None:
        return np.array([nfc(str(label)) for label in y.tolist()])
    if y.dtype.kind != "U":
        bad = (y < 0) | (y >= len(names))
        if bad.any():
            raise DataError(f"{name} holds {y[bad][0]}, but classes has {len(names)} names (0 to {len(names) - 1})")
        return names[y]
    labels = np.array([nfc(label) for label in y.tolist()])
    unknown = sorted(set(labels.tolist()) - set(names.tolist()))
    if unknown:
        raise DataError(f"{name} holds {unknown[0]!r}, which is not among classes: {', '.join(names.tolist())}")
    return labels


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
        x=np.concatenate([x for x, _ in parts]),
        labels=np.concatenate([labels for _, labels in parts]),
        split=np.concatenate([np.full(len(x), name) for name, (x, _) in zip(names, parts, strict=True)]),
        ids=np.array(
            [f"{n}/{i}" if n else str(i) for n, (x, _) in zip(names, parts, strict=True) for i in range(len(x))]
        ),
    )
