"""Files of synthetic rows say so inside, real ones say nothing, and pixels, sound and cells stay what they were."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import encoded, small_job, space_of, stripes
from PIL import Image

from gensynth.balancing.draw import write_samples
from gensynth.balancing.export import Provenance, encode_row, row_names, write_dataset
from gensynth.balancing.mark import Mark, mark_of, read_mark, xmp_packet
from gensynth.balancing.table_export import TableSink, write_table_dataset
from gensynth.cli import compose
from gensynth.data.conditions import Conditions
from gensynth.data.image import ImageCodec, png_bytes, read_pixels
from gensynth.data.image_form import is_own_form
from gensynth.data.kinds import fit_codec
from gensynth.data.origin import marked_origin
from gensynth.data.table_source import read_frame, read_table
from gensynth.models.generator import TrainingRows
from gensynth.samplers.generator import GeneratorSampler
from gensynth.training.bundle import Bundle
from gensynth.training.fit import build
from gensynth.types import LabelledData, Schema

SHA = "b" * 64
DATA = stripes(6)
SOUND = Schema("audio", ("a", "b"), {"sample_rate_hz": 8000, "samples": 801, "ending": ".wav"})
NAMES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "ext": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "gs": "urn:gensynth:1:",
}


def described(packet: str) -> dict[str, str]:
    """Attributes of the one rdf:Description, by an XML parser of its own."""
    found = ElementTree.fromstring(packet.replace("\ufeff", "")).findall(".//rdf:Description", NAMES)
    assert len(found) == 1
    assert not list(found[0])
    return dict(found[0].attrib)


def with_groups(rows: LabelledData, sampler: str) -> LabelledData:
    texts = {name: np.full(len(rows), value) for name, value in (("sampler", sampler), ("params", ""), ("filters", ""))}
    return replace(rows, groups={**texts, "index": np.arange(len(rows))})


def merged(data: LabelledData, origins: list[str], sampler: str) -> LabelledData:
    """The rows, and copies of the first ones as if made."""
    name_row = row_names(Conditions.of_schema(data.schema), 0)
    ids = np.array([name_row(data.schema.classes[data.y[i]], sampler, i) for i in range(len(origins))])
    synthetic = replace(data[: len(origins)], origin=np.array(origins), ids=ids)
    return LabelledData.concat([with_groups(data, ""), with_groups(synthetic, sampler)])


def no_documents(folder: Path) -> dict[str, str]:
    return {}


def test_the_packet_is_xml_with_the_terms_of_iptc_and_nothing_else():
    packet = xmp_packet(mark_of("synthetic", SHA, "1.2.3"))
    assert described(packet) == {
        f"{{{NAMES['rdf']}}}about": "",
        f"{{{NAMES['ext']}}}DigitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        f"{{{NAMES['ext']}}}AISystemUsed": "gensynth",
        f"{{{NAMES['ext']}}}AISystemVersionUsed": "1.2.3",
        f"{{{NAMES['xmp']}}}CreatorTool": "gensynth 1.2.3",
        f"{{{NAMES['gs']}}}GeneratorSHA256": SHA,
    }
    altered = described(xmp_packet(mark_of("augmented", "", "1.2.3")))
    assert altered[f"{{{NAMES['ext']}}}DigitalSourceType"].endswith("/algorithmicallyEnhanced")
    assert not any("AISystem" in key or "SHA256" in key for key in altered)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("origin", ["synthetic", "augmented"])
def test_a_marked_png_has_the_same_pixels_and_a_mark_that_comes_back(tmp_path, channels, origin):
    x = stripes(1, (channels, 9, 7)).x[0]
    mark = mark_of(origin, SHA if origin == "synthetic" else "")
    content = encode_row(DATA.schema, x, mark)
    assert content == encode_row(DATA.schema, x.copy(), mark)
    assert read_mark(content) == mark
    (tmp_path / "a.png").write_bytes(content)
    np.testing.assert_array_equal(read_pixels(tmp_path / "a.png", 100)[:channels], x)
    assert marked_origin(tmp_path / "a.png") == origin
    assert not is_own_form(tmp_path / "a.png", channels)
    with Image.open(io.BytesIO(content)) as image:
        assert set(image.info) == {"XML:com.adobe.xmp", "xmp"}


def test_a_real_row_has_the_bytes_of_a_bare_picture():
    assert encode_row(DATA.schema, DATA.x[0], None) == png_bytes(DATA.x[0])
    assert read_mark(png_bytes(DATA.x[0])) is None
    assert b"iTXt" not in png_bytes(DATA.x[0])


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n", b"RIFF\xff\xff\xff\xffWAVE", b"no picture", b"\x89PNG" * 99]
)
def test_bytes_that_are_no_picture_have_no_mark(content):
    assert read_mark(content) is None


def test_strange_values_survive_the_packet():
    mark = Mark('x"<&>', "1&2", "é")
    assert read_mark(png_bytes(DATA.x[0], xmp_packet(mark))) == mark


def test_a_marked_wav_holds_the_same_sound(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    from gensynth.data.audio_files import read_waveform, wav_bytes

    x = np.sin(np.arange(801) / 9).astype(np.float32) * 0.5
    mark = mark_of("synthetic", SHA)
    content = encode_row(SOUND, x, mark)
    assert read_mark(content) == mark
    assert encode_row(SOUND, x, None) == wav_bytes(x, 8000)
    for name, data in {"marked.wav": content, "bare.wav": wav_bytes(x, 8000)}.items():
        (tmp_path / name).write_bytes(data)
    marked, bare = (read_waveform(tmp_path / name, 1.0) for name in ("marked.wav", "bare.wav"))
    np.testing.assert_array_equal(marked.samples, bare.samples)
    assert (marked.bare, bare.bare) == (False, True)
    assert soundfile.info(tmp_path / "marked.wav").frames == 801
    assert marked_origin(tmp_path / "marked.wav") == "synthetic"


def test_a_data_set_marks_made_files_only_and_hashes_what_lies_there(tmp_path):
    train = merged(DATA, ["synthetic", "synthetic", "augmented"], "generator")
    sampler = train.groups["sampler"].astype("U20")
    sampler[-1] = "image_transforms"  # a fallback, which knows no generator
    train = replace(train, groups={**train.groups, "sampler": sampler})
    splits = {"train": train, "val": DATA[:3], "test": DATA[:2]}
    write_dataset(tmp_path, splits, {}, Provenance(0, "generator", SHA, {}), no_documents)
    with (tmp_path / "ledger.csv").open(newline="") as file:
        ledger = list(csv.DictReader(file))
    assert len(ledger) == len(DATA) + 3
    for row in ledger:
        content = (tmp_path / "train" / row["row_id"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["content_sha256"]
        mark = read_mark(content)
        assert mark == mark_of(row["source"], row["generator_sha256"])
    assert [read_mark((tmp_path / "train" / r["row_id"]).read_bytes()).generator_sha256 for r in ledger[-3:]] == [
        SHA,
        SHA,
        "",
    ]
    for path in [*(tmp_path / "val").rglob("*.png"), *(tmp_path / "test").rglob("*.png")]:
        assert is_own_form(path, DATA.x.shape[1])


def bundle_of(data: LabelledData) -> Bundle:
    """A tiny untrained generator; its rows are noise, which is all the same here."""
    job = small_job("cvae")
    module = build(lambda: job.model.make(space_of(data), len(data), **job.model.params), seed=3)
    module.finish(encoded(data), torch.Generator().manual_seed(0))
    return Bundle(module.eval(), ImageCodec.fit(data), data.schema, {"model": "cvae"}, SHA)


def test_sample_marks_every_picture_of_a_folder(tmp_path):
    counts = {"band0": 2, "band1": 0, "band2": 3}
    write_samples(tmp_path, "folder", GeneratorSampler().use(bundle_of(DATA)), counts, 0, lambda n: None)
    files = sorted(tmp_path.rglob("*.png"))
    assert len(files) == 5
    assert {read_mark(path.read_bytes()) for path in files} == {mark_of("synthetic", SHA)}
    with (tmp_path / "ledger.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            assert hashlib.sha256((tmp_path / row["row_id"]).read_bytes()).hexdigest() == row["content_sha256"]


TYPES = {"v": "double", "k": "string"}


def table() -> tuple[LabelledData, pd.DataFrame]:
    frame = pd.DataFrame({"v": np.arange(24) / 7, "k": ["a", "b"] * 12, "label": ["x", "y"] * 12})
    source = read_frame(frame)
    schema = source.data.schema
    return replace(source.data, schema=replace(schema, fields={**schema.fields, "types": TYPES})), source.cells


def note_of(path: Path) -> dict | None:
    import pyarrow.parquet as parquet

    found = (parquet.read_schema(path).metadata or {}).get(b"gensynth")
    return None if found is None else json.loads(found)


@pytest.mark.parametrize(
    ("origin", "sampler", "term"),
    [
        ("synthetic", "generator", "http://c2pa.org/digitalsourcetype/trainedAlgorithmicData"),
        ("augmented", "jitter", "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"),
    ],
)
def test_parquet_says_what_was_made_in_its_metadata(tmp_path, origin, sampler, term):
    data, cells = table()
    splits = {"train": merged(data, [origin] * 4, sampler), "val": data[:3], "test": data[:2]}
    write_table_dataset(tmp_path, splits, cells, Provenance(0, "generator", SHA, {}, "CC-BY-4.0"), no_documents)
    note = note_of(tmp_path / "train.parquet")
    assert note["digital_source_type"] == term
    assert note["generator_sha256"] == (SHA if sampler == "generator" else "")
    assert note["source_column"] == "gensynth_source"
    assert note["licence"] == "CC-BY-4.0"
    assert note_of(tmp_path / "val.parquet") is None
    assert note_of(tmp_path / "test.parquet") is None
    assert (pd.read_parquet(tmp_path / "train.parquet")["gensynth_source"] == origin).sum() == 4
    assert len(read_table(str(tmp_path)).data) == 24 + 4 + 5


def test_sample_notes_generator_and_licence_in_parquet(tmp_path):
    data, _ = table()
    codec = fit_codec(data)
    job = compose("train", ["breast_cancer", "logger=none", "trainer=cpu"])
    module = build(lambda: job.model.make(codec.space, len(data), **job.model.params), seed=3)
    module.finish(TrainingRows(codec.encode(data.x), torch.from_numpy(data.y)), torch.Generator().manual_seed(0))
    facts = {"model": "cvae", "source_card": {"licence": "ODbL-1.0"}}
    sampler = GeneratorSampler().use(Bundle(module.eval(), codec, data.schema, facts, SHA))
    write_samples(tmp_path, "parquet", sampler, {"x": 3, "y": 2}, 0, lambda n: None)
    note = note_of(tmp_path / "samples.parquet")
    assert note["generator_sha256"] == SHA
    assert note["licence"] == "ODbL-1.0"
    assert (note["source_column"], note["applies_to"]) == ("", "every row")
    assert len(pd.read_parquet(tmp_path / "samples.parquet")) == 5


def test_a_note_leaves_the_cells_of_a_sink_alone(tmp_path):
    data, cells = table()
    for name, note in {"a.parquet": b"", "b.parquet": b'{"x": 1}'}.items():
        with TableSink(tmp_path / name, data.schema, note) as sink:
            for part in (cells[:10], cells[10:]):
                sink.write(part)
    pd.testing.assert_frame_equal(*(pd.read_parquet(tmp_path / n) for n in ("a.parquet", "b.parquet")))
    assert note_of(tmp_path / "b.parquet") == {"x": 1}
