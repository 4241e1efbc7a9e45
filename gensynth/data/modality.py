"""One record per kind of data: what the rooms must know of rows, be they images, tables, sounds, texts or your own.

The built-in records are in `kinds.py`. A kind of your own is one Python file and one YAML in conf/data/: the file makes
a `Modality`, hands it to `kinds.register` at its top level, and holds the reader that the YAML names in `_target_`, so
whoever can read the rows knows their kind (other verbs know it by trust=[PACKAGE], which imports the package). Only
`name` is needed: rows then are arrays of numbers (N, ...), which leave as one .npy file each, are compared number by
number and classified by boosted trees. The upper half of a record (from `classifier` on) is filled by tables beside
their owners for the built-in kinds; what a record brings itself comes first.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from gensynth.data.columns import Column
from gensynth.data.source import Source, labelled, source_hash
from gensynth.errors import DataError, UsageError
from gensynth.types import REAL, LabelledData, Schema, Space

if TYPE_CHECKING:
    import torch


class Codec(Protocol):
    """What turns rows in source units into the tensors of a network and back, fitted on train rows only."""

    space: Space

    @classmethod
    def fit(cls, train: LabelledData) -> Self: ...

    def encode(self, x: np.ndarray) -> torch.Tensor: ...

    def decode(self, t: torch.Tensor) -> np.ndarray: ...

    def picture(self, x: torch.Tensor) -> bytes:
        """Samples (K, n, ...) -> PNG bytes, one row a class."""

    def state(self) -> dict[str, Any]:
        """Plain JSON from which `from_state` makes the codec again."""

    @classmethod
    def from_state(cls, state: dict[str, Any], num_classes: int) -> Self: ...


Points = Callable[[np.ndarray], np.ndarray]  # rows x (N, ...) -> float32 (N, P) in which near means alike


class ReadLike(Protocol):
    """Reads rows that must fit others."""

    def __call__(
        self, path: str, like: Schema, *, label: str, groups: list[str], written: bool, form: Mapping[str, Any]
    ) -> Source:
        """Rows with the classes, size and columns of `like`.

        written  by gensynth itself, so nothing is guessed
        form     what a person says of how a table file is written: encoding, delimiter, header
        """


def flat(x: np.ndarray) -> np.ndarray:
    """Rows (N, ...) -> (N, P), also where there are none."""
    return x.reshape(len(x), int(np.prod(x.shape[1:])))


def flat_points(train: LabelledData) -> Points:
    """All numbers of a row, each by the standard deviation it has among train rows."""
    rows = flat(train.x).astype(np.float64)
    middle, spread = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    return lambda x: ((flat(x) - middle) / scale).astype(np.float32)


def npy_bytes(schema: Schema, x: np.ndarray, xmp: str) -> bytes:
    """One row as the bytes of a .npy file, which has no place for a mark."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(x), allow_pickle=False)
    return buffer.getvalue()


def read_arrays(
    path: str, like: Schema, *, label: str, groups: list[str], written: bool, form: Mapping[str, Any]
) -> Source:
    """Rows of .npy files that a metadata.csv lists, in a folder or in its train, val and test."""
    root = Path(path)
    splits = {name: root / name for name in ("train", "val", "test") if (root / name / "metadata.csv").is_file()}
    lines = []
    for split, folder in (splits or {"": root}).items():
        if not (folder / "metadata.csv").is_file():
            raise UsageError(f'"{root.name}" holds no metadata.csv, by which rows of kind {like.modality} are listed')
        with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
            lines += [{**line, "split": split} for line in csv.DictReader(file)]
    names = [f"{line['split']}/{line['file_name']}".lstrip("/") for line in lines]
    if outside := [name for name in names if ".." in Path(name).parts or Path(name).is_absolute()]:
        raise DataError("files outside of the folder are not read", outside)
    if unknown := sorted({line[label] for line in lines} - set(like.classes)):
        raise DataError("classes that the real data lacks", unknown)
    try:
        rows = [np.load(root / name, allow_pickle=False) for name in names]
        x = np.stack(rows) if rows else np.zeros(0)
    except (OSError, ValueError) as error:
        raise DataError(f'"{root.name}": rows cannot be read ({error})') from None
    origin = np.array([line.get("source", REAL) for line in lines], dtype=str)
    columns = {name: np.array([line[name] for line in lines], dtype=str) for name in groups}
    data = labelled(x, [line[label] for line in lines], like, np.array(names, dtype=str), origin, columns)
    splits_of = np.array([line["split"] for line in lines], dtype=str)
    return Source(data, splits_of, {}, (), (f"{len(data)} rows of kind {like.modality}",), source_hash(data))


def _unchanged(x: np.ndarray, like: Schema, name: str) -> np.ndarray:
    return x


@dataclass(frozen=True)
class Modality:
    """One kind of data; `name` is what `Schema.modality` says of its rows.

    points      fitted on train rows, the space in which copies are sought
    raw         name of the feature space of points
    pictures    (schema, x) -> uint8 (N, C, H, W) by which networks and people look at rows; None where numbers say more
    codec       None: no generator learns these rows; codec_fitted: whether its state tells of train rows
    learned_as  a built-in kind whose models also learn what the codec gives; "": models that name this kind
    columns     the columns of x, for tables
    in_files    rows leave as a file each, in class folders; else as lines of a table
    formats     of `sample`, the usual one first; ending: of the file that a row leaves as
    encode      (schema, row, XMP packet of its mark or "") -> bytes of that file, the same every time
    read_like   reads rows back, of a finished run or of a set that is compared
    fitting     (x, schema of the real rows, name of the set) -> x in their shape; DataError where it cannot be
    row_size    (settings of data, source) -> asked | same | found: where the size of a row comes from
    facts       what `explore` says of the rows: (facts, numbers found)

    classifier  (train rows, seed) -> a classifier with `probabilities(x)`, `predict(x)` and `sha256`
    classifiers (train rows, steps) -> the classifiers that are trained on every arm, the strongest first
    floor       (x, seed) -> rows of a generator that learned nothing
    spoil       by "noise" and "blur", (rows, seed) -> rows with that fault
    looks       what is measured of each row's look, see `evaluation/fidelity/looks.py`
    fallback    makes the classical sampler
    """

    name: str
    points: Callable[[LabelledData], Points] = flat_points
    raw: str = "points"
    pictures: Callable[[Schema, np.ndarray], np.ndarray] | None = None
    codec: type[Codec] | None = None
    codec_fitted: bool = True
    learned_as: str = ""
    columns: Callable[[Schema], list[Column]] = lambda schema: []
    in_files: bool = True
    formats: tuple[str, ...] = ("folder",)
    ending: Callable[[Schema], str] = lambda schema: ".npy"
    encode: Callable[[Schema, np.ndarray, str], bytes] | None = None
    read_like: ReadLike = read_arrays
    fitting: Callable[[np.ndarray, Schema, str], np.ndarray] = _unchanged
    row_size: Callable[[Mapping[str, Any], Source], str] = lambda given, source: "same"
    facts: Callable[[Source], tuple[dict[str, Any], dict[str, int]]] = lambda source: ({}, {})
    classifier: Callable[[LabelledData, int], Any] | None = None
    classifiers: Callable[[LabelledData, int], list[Any]] | None = None
    floor: Callable[[np.ndarray, int], np.ndarray] | None = None
    spoil: Mapping[str, Callable[[LabelledData, int], LabelledData]] = field(default_factory=dict)
    looks: tuple[Any, ...] = ()
    fallback: Callable[[], Any] | None = None
