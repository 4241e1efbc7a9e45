"""Data sets as Hugging Face's hub keeps them: Parquet files with the bytes of pictures, train-00000-of-00001.parquet.

The names of classes stand in the schema's metadata, under "huggingface".
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet

from gensynth.data.layouts.arrow import list_pictures
from gensynth.data.layouts.entries import files_in
from gensynth.data.layouts.folder_names import SPLITS, split_of
from gensynth.data.layouts.listing import Listing, joined
from gensynth.errors import DataError

_SHARD = re.compile(r"(?P<split>\w+)-\d+-of-\d+(-[0-9a-f]+)?\.parquet")


def hub_files(folder: Path) -> list[str]:
    """Names of the Parquet files that are called as parts of a split."""
    return [path.name for path in files_in(folder) if _SHARD.fullmatch(path.name)]


def list_hub(folder: Path, names: list[str], prefix: str, split: str, label: str) -> Listing:
    """Rows of all parts of every split; DataError for damaged files, unknown splits, and tables without pictures."""
    parts: dict[str, list[str]] = {}
    for name in names:
        called = str(_SHARD.fullmatch(name)["split"])  # type: ignore[index]
        if not split_of(called):
            raise DataError(f'{prefix}{name}: "{called}" is no split; read are train, validation and test')
        parts.setdefault(split_of(called), []).append(name)
    listings = [
        _list_split(folder, parts[one], prefix, split or (one if len(parts) > 1 else ""), label)
        for one in SPLITS
        if one in parts
    ]
    return replace(joined("", listings), kind="Parquet files of a Hugging Face data set")


def _list_split(folder: Path, names: list[str], prefix: str, split: str, label: str) -> Listing:
    tables = []
    for name in sorted(names):
        try:
            tables.append(parquet.read_table(folder / name, partitioning=None))
        except (OSError, arrow.ArrowException) as error:
            reason = str(error).split("\n")[0][:200].replace(str(folder), "")
            raise DataError(f"{prefix}{name} cannot be read as Parquet: {reason}") from None
    try:
        table = arrow.concat_tables(tables)
    except arrow.ArrowException:
        raise DataError(f"{prefix}{names[0]} and its other parts have different columns") from None
    called = str(_SHARD.fullmatch(names[0])["split"])  # type: ignore[index]
    return list_pictures(table, _features(table, f"{prefix}{names[0]}"), folder, f"{prefix}{called}/", split, label)


def _features(table: arrow.Table, place: str) -> dict[str, Any]:
    """What the columns are, by the schema's metadata; DataError where that does not say."""
    try:
        features = json.loads((table.schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        features = None
    if not isinstance(features, dict):
        raise DataError(f"{place} does not say which of its columns are pictures and classes (metadata: huggingface)")
    return features
