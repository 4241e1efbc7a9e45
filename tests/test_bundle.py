"""The bundle: whole and unchanged or refused, no code named in it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from conftest import bundle_facts, encoded, small_job, space_of, stripes

from gensynth import rng
from gensynth.errors import GateError, UsageError
from gensynth.training.bundle import file_sha256, load_bundle, manifest_of, save_bundle
from gensynth.training.fit import build

DATA = stripes(12)


@pytest.fixture(params=["cvae", "cgan"])
def bundle(request, tmp_path):
    job = small_job(request.param, *([] if request.param == "cvae" else ["model.warm_start=false"]))
    module = build(lambda: job.model.make(space_of(DATA), len(DATA), **job.model.params), seed=3)
    module.finish(encoded(DATA), torch.Generator().manual_seed(0))
    facts = bundle_facts(request.param, job.model.params, DATA, 3)
    save_bundle(tmp_path / "generator", module, facts, "card")
    return tmp_path / "generator", module


def test_a_loaded_bundle_draws_the_same_rows(bundle):
    folder, module = bundle
    labels, seeds = np.array([0, 1, 2, 1]), rng.row_seeds(1, "a", 10, 4)
    loaded = load_bundle(folder)
    assert torch.equal(loaded.generator.sample(labels, seeds), module.sample(labels, seeds))
    assert loaded.schema.classes == DATA.schema.classes
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md",
        "config.json",
        "manifest.json",
        "model.safetensors",
    ]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "README.md"])
def test_one_flipped_bit_is_refused(bundle, name):
    folder, _ = bundle
    raw = bytearray((folder / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / name).write_bytes(raw)
    with pytest.raises(GateError, match=f"{name} does not match its sha256"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", "os"),
        ("model", "../cvae"),
        ("model", "judge"),
        ("params", []),
        ("format", 99),
        ("classes", "abc"),
        ("params", {"_target_": "os.system"}),
        ("codec", {}),
    ],
)
def test_malformed_or_hostile_configs_are_refused(bundle, key, value):
    folder, _ = bundle
    facts = json.loads((folder / "config.json").read_text())
    facts[key] = value
    (folder / "config.json").write_text(json.dumps(facts))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["config.json"]["sha256"] = file_sha256(folder / "config.json")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError if key == "format" else GateError) as caught:
        load_bundle(folder)
    assert (key == "format") == ("train it again" in str(caught.value))


def test_no_bundle_is_a_sentence(tmp_path):
    with pytest.raises(UsageError, match="not a generator bundle"):
        load_bundle(tmp_path)


def test_manifest_names_every_file(bundle):
    folder, _ = bundle
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    assert listed == manifest_of(folder)
    assert set(listed) == {"model.safetensors", "config.json", "README.md"}
