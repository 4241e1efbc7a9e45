"""Parquet files as Hugging Face's hub keeps pictures."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from gensynth.cli import main
from gensynth.data.sources import read_path
from gensynth.errors import DataError

NAMES = ["crack", "hole"]
FEATURES = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": NAMES}, "site": {"_type": "Value"}}


def pixels(i: int) -> np.ndarray:
    return np.random.default_rng(i).integers(0, 256, (8, 8)).astype(np.uint8)


def png(i: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels(i)).save(buffer, "PNG")
    return buffer.getvalue()


def part(path: Path, numbers: range, features: dict | None = FEATURES) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = arrow.array([{"bytes": png(i), "path": f"{i}.png"} for i in numbers])
    labels, sites = arrow.array([i % 2 for i in numbers]), arrow.array([f"s{i % 3}" for i in numbers])
    table = arrow.table({"image": pictures, "label": labels, "site": sites})
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, path)


def test_parts_and_splits_are_read_with_the_names_of_classes(tmp_path):
    part(tmp_path / "data" / "train-00001-of-00002.parquet", range(6, 12))
    part(tmp_path / "data" / "train-00000-of-00002-0123abcd.parquet", range(6))
    part(tmp_path / "data" / "validation-00000-of-00001.parquet", range(20, 24))
    source = read_path(str(tmp_path))
    numbers = [*range(12), *range(20, 24)]
    assert source.data.schema.classes == ("crack", "hole")
    assert source.data.y.tolist() == [i % 2 for i in numbers]
    assert source.split.tolist() == ["train"] * 12 + ["val"] * 4
    np.testing.assert_array_equal(source.data.x[:, 0], np.stack([pixels(i) for i in numbers]))
    assert source.data.groups["site"].tolist() == [f"s{i % 3}" for i in numbers]
    assert "Parquet files of a Hugging Face data set" in source.notes[0]


def test_one_split_alone_is_carved_and_explore_reads_it(tmp_path, capsys):
    part(tmp_path / "set" / "train-00000-of-00001.parquet", range(30))
    assert set(read_path(str(tmp_path / "set")).split.tolist()) == {""}
    assert main(["explore", str(tmp_path / "set"), f"out={tmp_path}/o"]) == 0
    facts = json.loads((tmp_path / "o" / "explore.json").read_text(encoding="utf-8"))
    assert {name: one["total"] for name, one in facts["classes"].items()} == {"crack": 15, "hole": 15}


def test_what_cannot_be_read_is_named(tmp_path):
    part(tmp_path / "a" / "train-00000-of-00001.parquet", range(4), features=None)
    with pytest.raises(DataError, match="does not say which of its columns are pictures"):
        read_path(str(tmp_path / "a"))
    part(tmp_path / "b" / "extra-00000-of-00001.parquet", range(4))
    with pytest.raises(DataError, match='"extra" is no split'):
        read_path(str(tmp_path / "b"))
    part(tmp_path / "c" / "train-00000-of-00001.parquet", range(4))
    path = tmp_path / "c" / "train-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_path(str(tmp_path / "c"))
