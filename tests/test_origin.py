"""Rows that were made are known by their file's metadata, and are not trained on unawares."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from conftest import stripes, write_digit_folder
from PIL import Image, PngImagePlugin

from gensynth.balancing.export import encode_row
from gensynth.balancing.mark import PARQUET_KEY, mark_of, parquet_note
from gensynth.data.origin import check_origin, marked_origin, xmp_of
from gensynth.data.sources import read_path
from gensynth.data.table_source import read_table
from gensynth.errors import DataError
from gensynth.types import Schema

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
PIXELS = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
IMAGE = Schema("image", ("a", "b"), {"height": 8, "width": 8, "channels": 1})
SOUND = Schema("audio", ("a", "b"), {"sample_rate_hz": 4000, "samples": 100, "ending": ".wav"})


@pytest.mark.parametrize("origin", ["synthetic", "augmented", "real"])
def test_own_marks_are_read_back(origin, tmp_path):
    mark = mark_of(origin, "ab" * 32 if origin == "synthetic" else "")
    (tmp_path / "a.png").write_bytes(encode_row(IMAGE, PIXELS, mark))
    (tmp_path / "a.wav").write_bytes(encode_row(SOUND, np.zeros(101, np.float32)[:100], mark))
    assert marked_origin(tmp_path / "a.png") == origin
    assert marked_origin(tmp_path / "a.wav") == origin


@pytest.mark.parametrize(
    ("term", "origin"),
    [
        ("trainedAlgorithmicMedia", "synthetic"),
        ("compositeWithTrainedAlgorithmicMedia", "synthetic"),
        ("digitalCapture", "real"),
        ("algorithmicallyEnhanced", "real"),
    ],
)
def test_marks_of_other_tools_are_read(term, origin, tmp_path):
    """Behind the pixels, compressed, and in a JPEG."""
    packet = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:li>{IPTC}{term}</rdf:li></x:xmpmeta>'
    image = Image.fromarray(PIXELS[0])
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet, zip=True)
    image.save(tmp_path / "a.png", pnginfo=info)
    late = PngImagePlugin.PngInfo()
    late.add_itxt("XML:com.adobe.xmp", packet)
    late.chunks = [(*chunk[:2], True) for chunk in late.chunks]
    image.save(tmp_path / "b.png", pnginfo=late)
    image.save(tmp_path / "c.jpg", xmp=packet.encode())
    for name in ("a.png", "b.png", "c.jpg"):
        assert marked_origin(tmp_path / name) == origin, name


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffiTXt", b"\xff\xd8\xff\xe1\0\0", b"RIFF\0"]
)
def test_damaged_files_say_nothing(content, tmp_path):
    (tmp_path / "a.png").write_bytes(content)
    assert marked_origin(tmp_path / "a.png") == "real"
    assert marked_origin(tmp_path / "none.png") == "real"
    assert xmp_of(io.BytesIO(content)) == b""


def test_a_folder_with_marked_files_knows_them(tmp_path):
    folder = write_digit_folder(tmp_path / "in", {"zero": 6, "one": 5})
    synthetic = encode_row(IMAGE, PIXELS, mark_of("synthetic", ""))
    (folder / "one" / "made.png").write_bytes(synthetic)
    source = read_path(str(folder))
    assert source.data.ids[source.data.origin == "synthetic"].tolist() == ["one/made.png"]
    assert source.data.parent[source.data.origin == "synthetic"].tolist() == [""]
    assert any("1 of 12 rows are not real" in note for note in source.notes)


@pytest.mark.parametrize(("sha256", "origin"), [("ab" * 32, "synthetic"), ("", "augmented")])
def test_a_drawn_parquet_file_is_known_by_its_metadata(sha256, origin, tmp_path):
    table = arrow.table({"x": [i * i / 7 for i in range(30)], "label": ["a", "b"] * 15})
    parquet.write_table(table, tmp_path / "plain.parquet")
    noted = table.replace_schema_metadata({PARQUET_KEY: parquet_note(sha256, "", "")})
    parquet.write_table(noted, tmp_path / "drawn.parquet")
    merged = table.replace_schema_metadata({PARQUET_KEY: parquet_note(sha256, "gensynth_source", "")})
    parquet.write_table(merged, tmp_path / "merged.parquet")
    assert set(read_table(str(tmp_path / "plain.parquet")).data.origin) == {"real"}
    assert set(read_table(str(tmp_path / "drawn.parquet")).data.origin) == {origin}
    assert set(read_table(str(tmp_path / "merged.parquet")).data.origin) == {"real"}
    both = read_table(str(tmp_path / "plain.parquet"), test=str(tmp_path / "drawn.parquet"))
    assert set(both.data.origin[both.split == "test"]) == {origin}
    assert set(both.data.origin[both.split != "test"]) == {"real"}


def test_made_rows_are_refused_unless_allowed():
    data = stripes(10)
    assert check_origin(data, allow=False) == []
    origin = data.origin.astype("U9").copy()
    origin[:7], origin[7:9] = "synthetic", "augmented"
    data = replace(data, origin=origin)
    with pytest.raises(
        DataError, match=r"9 of 30 rows are marked as made, not measured \(7 synthetic, 2 augmented\)"
    ) as e:
        check_origin(data, allow=False)
    assert "data.allow_synthetic=true" in str(e.value)
    assert e.value.problems == ("0", "1", "2", "3", "4", "... and 4 more")
    (warning,) = check_origin(data, allow=True)
    assert warning["code"] == "trained_on_made"
    assert json.dumps(warning)
