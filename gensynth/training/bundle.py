"""The generator bundle: safetensors + JSON with a sha256 manifest; nothing in it names code to run.

model.safetensors   averaged weights that sampling needs
config.json         model file name and settings, classes, codec state, training facts
manifest.json       sha256 and size of every other file
README.md           model card
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from gensynth.data.kinds import load_codec
from gensynth.data.modality import Codec
from gensynth.errors import GateError, GensynthError, UsageError
from gensynth.files import file_sha256, manifest_of, replace_folder
from gensynth.models.generator import Generator
from gensynth.training.checkpoint import all_finite
from gensynth.types import Schema

FORMAT = 2
FILES = ("model.safetensors", "config.json", "README.md")
_FACTS = {
    **dict.fromkeys(("format", "num_rows", "seed"), int),
    **dict.fromkeys(("model", "modality", "source_sha256"), str),
    **dict.fromkeys(("params", "fields", "codec", "train_counts", "training"), dict),
    "classes": list,
}
# Settings of earlier versions, by the value that rows are drawn with now; None: only training used it.
RETIRED = {
    **dict.fromkeys(("class_noise", "likelihood", "prior_shrink", "prior_unlabelled", "cutout", "penalty"), None),
    **{"prior_temperature": 1.0, "prior_guidance": 0.0, "trunk": "own"},
}


@dataclass(frozen=True)
class Bundle:
    """A loaded generator: module in eval mode, codec, schema, all facts of config.json, sha256 of the manifest."""

    generator: Generator
    codec: Codec
    schema: Schema
    facts: dict
    sha256: str


def save_bundle(folder: Path, generator: Generator, facts: dict, card: str) -> None:
    """Write the bundle beside `folder` and rename it there. facts: see `_FACTS`."""
    _check_facts(facts)
    staged = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    modules = torch.nn.ModuleDict(generator.inference_modules())
    if not all_finite(modules):
        raise GateError("the generator's weights are not finite; nothing was written")
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in modules.state_dict().items()}
    save_file(weights, staged / "model.safetensors")
    (staged / "config.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (staged / "README.md").write_text(card, encoding="utf-8")
    manifest = {"format": FORMAT, "files": manifest_of(staged)}
    (staged / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    for path in staged.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    replace_folder(staged, folder)


def load_bundle(folder: Path, model: type[Generator] | None = None) -> Bundle:
    """Check every hash, find the model's class by its name, load the weights.

    model  a user's own Generator class, for bundles whose model is not part of the package: they name no code
    Raises UsageError where there is no bundle or its model is another one, GateError where a file was changed or is
    malformed.
    """
    if not (folder / "manifest.json").is_file():
        raise UsageError(f"generator={folder.name} is not a generator bundle (no manifest.json in it)")
    _check_manifest(folder)
    try:
        facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if isinstance(facts, dict) and isinstance(found := facts.get("format"), int) and found != FORMAT:
            raise OtherBundleError(f"it has format {found}, this version reads {FORMAT}: train it again")
        _check_facts(facts)
        make = class_of(facts["model"], model)
        codec = load_codec(facts["modality"], facts["codec"], len(facts["classes"]))
        if make.__module__.startswith("gensynth.models."):
            facts["params"] = _known(facts["params"])
        with torch.random.fork_rng(devices=[]):
            generator = make(codec.space, facts["num_rows"], **facts["params"])
        modules = torch.nn.ModuleDict(generator.inference_modules())
        modules.load_state_dict(load_file(folder / "model.safetensors"))
    except OtherBundleError as error:
        raise UsageError(f"bundle {folder.name}: {error}") from None
    except (ValueError, TypeError, KeyError, RuntimeError, GensynthError) as error:
        raise GateError(f"bundle {folder.name} is malformed: {error}") from error
    schema = Schema(facts["modality"], tuple(facts["classes"]), facts["fields"])
    return Bundle(generator.eval(), codec, schema, facts, file_sha256(folder / "manifest.json"))


class OtherBundleError(Exception):
    """The class of a bundle's model is not here, another one was given, or the bundle is of another version."""


def class_of(name: str, given: type[Generator] | None = None) -> type[Generator]:
    """The Generator of a bundle's model name: in gensynth/models/<name>.py, or the one that was given.

    Names are compared without case and underscores. OtherBundleError where they differ or nothing is found.
    """
    plain = name.replace("_", "")
    if not plain.isidentifier():
        raise ValueError(f"model {name!r} is not a name")
    if given is not None:
        if given.__name__.replace("_", "").lower() != plain:
            raise OtherBundleError(f"it was trained with model {name}, and the class given is {given.__name__}")
        return given
    known = {p.stem.replace("_", ""): p.stem for p in (Path(__file__).parents[1] / "models").glob("*.py")}
    module = importlib.import_module(f"gensynth.models.{known[plain]}") if plain in known else None
    for value in vars(module).values() if module else ():
        if isinstance(value, type) and issubclass(value, Generator) and value.__name__.lower() == plain:
            return value
    raise OtherBundleError(
        f"its model {name} is not part of gensynth; name it with model=NAME trust=[PACKAGE], "
        "or in Python with gensynth.load(path, model=CLASS)"
    )


def _known(params: dict) -> dict:
    """Settings of a bundle without those that are gone; ValueError where one of them changes what is drawn."""
    for name, value in params.items():
        if RETIRED.get(name) not in (None, value):
            raise ValueError(f"it was trained with model.{name}={value}, which this version no longer has")
    kept = {name: value for name, value in params.items() if name not in RETIRED}
    return {name: _known(value) if isinstance(value, dict) else value for name, value in kept.items()}


def _check_facts(facts: object) -> None:
    if not isinstance(facts, dict):
        raise ValueError("config.json is not a mapping")
    for name, kind in _FACTS.items():
        if not isinstance(facts.get(name), kind):
            raise ValueError(f"config.json: {name} must be {kind.__name__}")


def _check_manifest(folder: Path) -> None:
    try:
        files = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
        expected = {name: files[name]["sha256"] for name in FILES}
    except (ValueError, KeyError, TypeError) as error:
        raise GateError(f"bundle {folder.name}: manifest.json is malformed") from error
    for name, sha256 in expected.items():
        if not (folder / name).is_file() or file_sha256(folder / name) != sha256:
            raise GateError(f"bundle {folder.name}: {name} does not match its sha256; it was changed or damaged")
