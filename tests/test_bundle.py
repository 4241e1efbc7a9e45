"""The bundle: whole and unchanged or refused, no code named in it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from conftest import bundle_facts, encoded, small_job, space_of, stripes

from gensynth import rng
from gensynth.errors import GateError, UsageError
from gensynth.files import file_sha256, manifest_of
from gensynth.models.cvae import CVAE
from gensynth.models.generator import Generator, Phase
from gensynth.training.bundle import load_bundle, save_bundle
from gensynth.training.fit import build
from gensynth.types import Space

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
        ("model", "../cvae"),
        ("params", []),
        ("format", 99),
        ("classes", "abc"),
        ("params", {"_target_": "os.system"}),
        ("codec", {}),
    ],
)
def test_malformed_or_hostile_configs_are_refused(bundle, key, value):
    folder, _ = bundle
    rewrite(folder, **{key: value})
    with pytest.raises(UsageError if key == "format" else GateError) as caught:
        load_bundle(folder)
    assert (key == "format") == ("train it again" in str(caught.value))


def rewrite(folder, **changed) -> None:
    """Other facts in a bundle whose hashes are right."""
    facts = json.loads((folder / "config.json").read_text()) | changed
    (folder / "config.json").write_text(json.dumps(facts))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["config.json"]["sha256"] = file_sha256(folder / "config.json")
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("name", ["os", "judge", "gauss"])
def test_a_model_that_is_not_of_the_package_is_asked_for(bundle, name):
    folder, _ = bundle
    rewrite(folder, model=name)
    with pytest.raises(UsageError, match=f"its model {name} is not part of gensynth; name it with model=NAME trust="):
        load_bundle(folder)


class Bright_Bands(Generator):  # noqa: N801  # a user may name a class so
    """A user's own model: a brightness for each class."""

    modalities = ("image",)
    noise_size, block = 1, 16

    def __init__(self, space: Space, num_rows: int, *, offset: float, trunk: str) -> None:
        super().__init__(space, num_rows)
        self.table = torch.nn.Embedding(space.num_classes, 1)
        self.offset, self.trunk = offset, trunk

    def phases(self):
        return (Phase("only", 1.0, 4),)

    def draw(self, noise, labels):
        bright = (self.table(labels) + self.offset + 0.1 * noise).clamp(-1, 1)
        return bright[:, :, None, None].expand(len(labels), *self.space.shape)

    def inference_modules(self):
        return {"table": self.table}


def test_a_users_own_model_is_saved_and_loaded_by_its_class(tmp_path):
    params = {"offset": 0.2, "trunk": "shared"}
    module = build(lambda: Bright_Bands(space_of(DATA), len(DATA), **params), seed=3)
    save_bundle(tmp_path / "generator", module, bundle_facts("bright_bands", params, DATA, 3), "card")
    loaded = load_bundle(tmp_path / "generator", Bright_Bands)
    labels, seeds = np.array([0, 1, 2, 1]), rng.row_seeds(1, "a", 10, 4)
    assert torch.equal(loaded.generator.sample(labels, seeds), module.sample(labels, seeds))
    assert (loaded.generator.trunk, loaded.facts["params"]) == ("shared", params)
    with pytest.raises(UsageError, match="its model bright_bands is not part of gensynth"):
        load_bundle(tmp_path / "generator")
    with pytest.raises(UsageError, match="trained with model bright_bands, and the class given is CVAE"):
        load_bundle(tmp_path / "generator", CVAE)


def test_a_setting_that_no_model_has_is_refused():
    with pytest.raises(TypeError, match="Bright_Bands has no setting 'of'"):
        Generator.__init__(Bright_Bands.__new__(Bright_Bands), space_of(DATA), 1, of=2)


def test_settings_of_earlier_versions_are_passed_over_where_rows_are_drawn_as_then(bundle):
    folder, module = bundle
    facts = json.loads((folder / "config.json").read_text())
    cvae = facts["params"].get("vae", facts["params"])
    cvae |= {"class_noise": 0.5, "prior_temperature": 1.0, "body": cvae["body"] | {"trunk": "own"}}
    rewrite(folder, params=facts["params"])
    labels, seeds = np.array([0, 1]), rng.row_seeds(1, "a", 0, 2)
    assert torch.equal(load_bundle(folder).generator.sample(labels, seeds), module.sample(labels, seeds))
    cvae["prior_temperature"] = 0.5
    rewrite(folder, params=facts["params"])
    with pytest.raises(GateError, match=r"model.prior_temperature=0.5, which this version no longer has"):
        load_bundle(folder)


def test_no_bundle_is_a_sentence(tmp_path):
    with pytest.raises(UsageError, match="not a generator bundle"):
        load_bundle(tmp_path)


def test_manifest_names_every_file(bundle):
    folder, _ = bundle
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    assert listed == manifest_of(folder)
    assert set(listed) == {"model.safetensors", "config.json", "README.md"}
