"""The few types that every room shares: what rows are, and what a network must know of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

REAL, AUGMENTED, SYNTHETIC = "real", "augmented", "synthetic"
Entry = dict[str, Any]  # a score as plain JSON: its value, what it rests on, floor and ceiling


@dataclass(frozen=True)
class Schema:
    """What rows are, in plain JSON: modality, class names in index order, facts of the modality.

    For images `fields` holds height, width, channels.
    """

    modality: str
    classes: tuple[str, ...]
    fields: dict[str, Any] = field(default_factory=dict)

    def index(self, name: object) -> int:
        """Class index of a class name (compared as text); KeyError names the known ones."""
        text = str(name)
        if text not in self.classes:
            raise KeyError(text)
        return self.classes.index(text)


@dataclass(frozen=True)
class Block:
    """A run of `size` numbers in a row and how to read them (`real`, or `onehot` for a category)."""

    size: int
    kind: str


@dataclass(frozen=True)
class Space:
    """What a network must know: tensor shape of one row, number of classes, blocks of the row."""

    shape: tuple[int, ...]
    num_classes: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class LabelledData:
    """Labelled rows with their origin; all arrays share the first axis N.

    x       source units a person would recognise (images: uint8 (N, C, H, W); tables: float64 (N, D); audio:
            float32 (N, T) in [-1, 1]; texts: object (N,) of str)
    y       int64 (N,), indices into schema.classes
    ids     text (N,), unique names of the rows
    origin  text (N,), `real`, `augmented` or `synthetic`
    parent  text (N,), id of the source row; empty where there is none
    groups  further row-aligned columns (subject, sensitive groups)
    """

    x: np.ndarray
    y: np.ndarray
    schema: Schema
    ids: np.ndarray
    origin: np.ndarray
    parent: np.ndarray
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {
            name: len(column)
            for name, column in [
                ("x", self.x),
                ("y", self.y),
                ("ids", self.ids),
                ("origin", self.origin),
                ("parent", self.parent),
                *self.groups.items(),
            ]
        }
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of different length: {lengths}")

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, rows: np.ndarray | slice) -> LabelledData:
        """Rows by index array, mask or slice, all columns together."""
        return replace(
            self,
            x=self.x[rows],
            y=self.y[rows],
            ids=self.ids[rows],
            origin=self.origin[rows],
            parent=self.parent[rows],
            groups={k: v[rows] for k, v in self.groups.items()},
        )

    def counts(self) -> np.ndarray:
        """Rows per class, int64 (K,)."""
        return np.bincount(self.y, minlength=len(self.schema.classes))

    @staticmethod
    def concat(parts: Iterable[LabelledData]) -> LabelledData:
        """Rows of all parts in order; schemas must be equal, groups are kept where all parts have them."""
        parts = list(parts)
        if len({p.schema.classes for p in parts}) != 1:
            raise ValueError("cannot join data with different classes")
        shared = set.intersection(*(set(p.groups) for p in parts))
        columns = {c: np.concatenate([getattr(p, c) for p in parts]) for c in ("x", "y", "ids", "origin", "parent")}
        groups = {k: np.concatenate([p.groups[k] for p in parts]) for k in sorted(shared)}
        return LabelledData(schema=parts[0].schema, groups=groups, **columns)

    @staticmethod
    def of_real(x: np.ndarray, y: np.ndarray, schema: Schema, ids: np.ndarray | None = None) -> LabelledData:
        """Real rows; ids default to row numbers."""
        ids = np.arange(len(y)).astype(str) if ids is None else np.asarray(ids, dtype=str)
        return LabelledData(
            x=x,
            y=np.asarray(y, dtype=np.int64),
            schema=schema,
            ids=ids,
            origin=np.full(len(y), REAL),
            parent=ids.copy(),
        )

    def save(self, path: Path) -> None:
        """One .npz without pickle."""
        facts = {"modality": self.schema.modality, "classes": self.schema.classes, "fields": self.schema.fields}
        groups: dict[str, Any] = {f"group:{k}": v for k, v in self.groups.items()}
        np.savez(
            path,
            x=self.x.astype(str) if self.x.dtype == object else self.x,
            y=self.y,
            ids=self.ids,
            origin=self.origin,
            parent=self.parent,
            schema=np.array(json.dumps(facts)),
            **groups,
        )

    @staticmethod
    def load(path: Path) -> LabelledData:
        """Inverse of `save`; refuses pickled content."""
        with np.load(path, allow_pickle=False) as file:
            facts = json.loads(str(file["schema"]))
            schema = Schema(facts["modality"], tuple(facts["classes"]), facts["fields"])
            groups = {k.removeprefix("group:"): file[k] for k in file.files if k.startswith("group:")}
            x = file["x"].astype(object) if file["x"].dtype.kind == "U" else file["x"]  # texts
            return LabelledData(x, file["y"], schema, file["ids"], file["origin"], file["parent"], groups)

    def content_hashes(self, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """sha256 (N,) of the content and shape of each row, or of some rows, for duplicates and the ledger."""
        head = b"" if self.x.dtype == object else f"{self.x.dtype.str}{self.x.shape[1:]}".encode()
        return np.array([hashlib.sha256(head + one).hexdigest() for one in self.contents(rows)], dtype="U64")

    def contents(self, rows: np.ndarray | slice = slice(None)) -> list[bytes]:
        """Content of each row (N,), or of some rows, as bytes."""
        x = self.x[rows]
        if x.dtype == object:  # texts
            return [text.encode("utf-8", "surrogatepass") for text in x]
        return [row.tobytes() for row in np.ascontiguousarray(x)]
