"""What every file of conf/model must keep, at its defaults and at other values of each of its numbers.

A new file is found by itself; its class lies in gensynth/models/ or wherever its `_target_` says.
"""

from __future__ import annotations

import copy
import json
import time
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import fitted, space_of, stripes
from contract_rows import tones

from gensynth import rng
from gensynth.cli import compose
from gensynth.cli.overrides import conf_dir
from gensynth.data.kinds import KINDS, fit_codec
from gensynth.data.table_source import read_frame
from gensynth.errors import UsageError
from gensynth.models.generator import Generator, TrainingRows, check_learns
from gensynth.steps.train import train_generator
from gensynth.training.bundle import class_of, load_bundle
from gensynth.training.fit import build
from gensynth.training.loader import BatchLoader
from gensynth.training.schedule import Schedule
from gensynth.types import LabelledData

FOLDER = conf_dir() / "model"
NAMES = sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.yaml"))
LOOSE = {"dp_cvae": {"epsilon": 1e3}, "kernel_mean": {"epsilon": 100.0}}  # a few rows cannot be hidden and learned from
SMALL = {"width": 8, "d_width": 16, "accountant": "rdp", "noise_seed": 0}


def table() -> LabelledData:
    """A number and a word that follow the label, with gaps."""
    random = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 14)
    size = np.where(random.random(len(y)) < 0.1, np.nan, y + 0.1 * random.normal(size=len(y)))
    kind = np.array(["low", "middle", "high"])[(y + (random.random(len(y)) < 0.1)) % 3]
    return read_frame(pd.DataFrame({"size": size, "kind": kind, "label": np.array(["a", "b", "c"])[y]}), "label").data


DATA = {"image": stripes(14), "audio": tones(), "table": table()}
WORD = {"image": "digits", "audio": "digits", "table": "breast_cancer"}


def kinds_of(name: str) -> tuple[str, ...]:
    """Kinds of rows that a file serves: those of its folder, or all that its model learns and no folder has."""
    if "/" in name:
        return (name.split("/")[0],)
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir()}
    return tuple(kind for kind in job_of(name, "image").model.make.modalities if kind not in folders)


@cache
def composed(data: str, model: str):
    words = [data, f"model={model}", "logger=none", "trainer=cpu", "trainer.max_samples=640"]
    return replace(compose("train", words), verb="train")


def job_of(name: str, kind: str, **changed: Any):
    """The job of a model with small networks; `changed` settings by dotted name."""
    job = composed(WORD[kind], name.split("/")[-1])
    return replace(job, model=replace(job.model, params=changed_params(job.model.params, {**SMALL, **changed})))


def changed_params(params: dict, changed: dict[str, Any]) -> dict:
    """A copy with other values, by dotted names; what a model does not have is passed over."""
    out = copy.deepcopy(params)
    for inner in (out, out.get("vae", {})):
        for dotted, value in changed.items():
            *path, last = dotted.split(".")
            at = inner
            for key in path:
                at = at.get(key, {})
            if last in at:
                at[last] = value
    return out


def numbers_of(node: dict, before: str = "") -> dict[str, float]:
    """Dotted names and values of all numbers that a file itself states."""
    out: dict[str, float] = {}
    for key, value in node.items():
        if isinstance(value, dict):
            out |= numbers_of(value, f"{before}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            out[before + key] = value
    return out


def others(value: float) -> tuple[float, float]:
    """Two other values of the same type."""
    if isinstance(value, int):
        return (value // 2, 2 * value) if value > 1 else (value + 1, value + 2)
    return (value / 2, value * 2) if value else (0.1, 0.5)


PAIRS = [(name, kind) for name in NAMES for kind in kinds_of(name)]
VALUES = [
    pytest.param(name, key, value, id=f"{name}-{key}={value:g}")
    for name in NAMES
    for key, default in numbers_of(yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))).items()
    for value in others(default)
]


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def learned(request, tmp_path_factory):
    """(bundle of a hardly trained generator, rows of a kind that it learns)."""
    name, kind = request.param
    out = tmp_path_factory.mktemp("model")
    train_generator(job_of(name, kind), DATA[kind], DATA[kind][:0], "", out, time.monotonic())
    return load_bundle(out / "generator"), DATA[kind]


def check_rows(module: Generator) -> None:
    """Rows as asked, finite, and each a function of its own label and seed."""
    classes = module.space.num_classes
    labels, seeds = np.arange(2 * classes) % classes, rng.row_seeds(3, "x", 7, 2 * classes)
    rows = module.sample(labels, seeds)
    assert rows.shape == (len(labels), *module.space.shape)
    assert rows.isfinite().all()
    order = np.random.default_rng(0).permutation(len(labels))
    assert torch.equal(module.sample(labels[order], seeds[order]), rows[order])
    assert torch.equal(module.sample(labels[1:2], seeds[1:2])[0], rows[1])


def test_a_row_does_not_depend_on_what_else_is_asked(learned):
    module = learned[0].generator
    check_rows(module)
    seeds = rng.row_seeds(5, "1", 0, 2 * module.block)
    longer = module.sample(np.full(2 * module.block, 1), seeds)
    assert torch.equal(module.sample(np.full(7, 1), seeds[70:77]), longer[70:77])


def test_a_glimpse_shows_the_same_rows_up_to_rounding(learned):
    module = learned[0].generator
    labels, seeds = np.array([0, 0, 1, 1]), rng.row_seeds(5, "x", 0, 4)
    assert torch.allclose(module.glimpse(labels, seeds), module.sample(labels, seeds), atol=1e-4)


def test_rows_come_back_in_source_units(learned):
    bundle, data = learned
    x = bundle.codec.decode(bundle.generator.sample(np.array([0, 1]), rng.row_seeds(0, "a", 0, 2)))
    assert (x.shape, x.dtype) == ((2, *data.x.shape[1:]), data.x.dtype)


def test_sampling_leaves_the_global_generator_and_the_mode_alone(learned):
    module = learned[0].generator.train()
    before = torch.get_rng_state()
    module.sample(np.zeros(3, int), rng.row_seeds(0, "0", 0, 3))
    assert torch.equal(torch.get_rng_state(), before)
    assert module.training
    module.eval()


def test_unknown_labels_are_refused(learned):
    module = learned[0].generator
    with pytest.raises(ValueError, match=r"labels must lie in \[0, "):
        module.sample(np.array([module.space.num_classes]), rng.row_seeds(0, "x", 0, 1))


def test_only_kinds_that_a_model_declares_are_learned(learned):
    bundle, data = learned
    model, name = type(bundle.generator), bundle.facts["model"]
    check_learns(model, name, data.schema.modality)
    assert set(model.modalities) <= {name for name, kind in KINDS.items() if kind.codec}
    with pytest.raises(UsageError, match=f"model={name} learns rows of kind .*, and these are of kind text"):
        check_learns(model, name, "text")


def test_a_bundle_finds_its_class_and_says_what_was_promised(learned):
    bundle, _ = learned
    assert class_of(bundle.facts["model"]) is type(bundle.generator)
    assert bool(bundle.facts["guarantee"]) == bundle.generator.private
    assert json.loads(json.dumps(bundle.facts, allow_nan=False)) == bundle.facts


def test_latents_and_scores_are_of_each_row_or_refused_with_a_sentence(learned):
    bundle, data = learned
    module, x, y = bundle.generator, bundle.codec.encode(data.x[:4]), torch.from_numpy(data.y[:4])
    if "encoder" in module.inference_modules():
        assert len(module.encode(x, y)) == 4
    else:
        with pytest.raises(UsageError, match="has no encoder"):
            module.encode(x, y)
    for scores in module.membership_scores(x, y).values():
        assert scores.shape == (4,)


@pytest.mark.parametrize("name", sorted({name for name, kind in PAIRS if kind == "image"}))
def test_labels_are_obeyed(name, tmp_path):
    """Every class comes out as asked, by the nearest class mean of the real rows."""
    data, job = stripes(40), job_of(name, "image", **LOOSE.get(name, {}))
    job = replace(job, trainer=replace(job.trainer, max_samples=16_000))
    module = build(lambda: job.model.make(space_of(data), len(data), **job.model.params), seed=0)
    fitted(module, job, data, tmp_path)
    means = np.stack([data.x[data.y == k].mean(0).ravel() for k in range(3)])
    for k in range(3):
        x = (module.sample(np.full(100, k), rng.row_seeds(0, str(k), 0, 100)).numpy() + 1) * 127.5
        nearest = ((x.reshape(100, 1, -1) - means) ** 2).sum(2).argmin(1)
        assert (nearest == k).mean() >= 0.95
        assert torch.pdist(torch.from_numpy(x).flatten(1)).min() > 0


def take_steps(module: Generator, rows: TrainingRows, count: int = 2) -> None:
    """So many steps of every phase, and what comes after them."""
    phases = module.phases()
    schedule = Schedule(tuple(p.name for p in phases), (count,) * len(phases), tuple(p.batch_size for p in phases))
    module.plan(dict(zip(schedule.phases, schedule.steps, strict=True)), len(rows.y))
    optimizers = module.configure_optimizers()
    module.optimizers = lambda use_pl_optimizer=True: optimizers
    loader, phase = BatchLoader(rows, schedule, 0, 0.3, coins=module.coins), ""
    for step, batch in enumerate(loader):
        if batch.phase != phase:
            module.begin_phase(batch.phase, rows, loader.random(step, "begin"), resumed=False)
            phase = batch.phase
        reported = module.training_step(batch, 0)
        assert all(value.isfinite().all() and not value.requires_grad for value in reported.values())
    module.finish(rows, loader.random(len(phases) * count, "finish"))


@pytest.mark.parametrize(("name", "key", "value"), VALUES)
def test_the_contract_holds_at_other_values_of_a_number(name, key, value):
    kind = kinds_of(name)[0]
    job, codec = job_of(name, kind, **{key: value}), fit_codec(DATA[kind])
    rows = TrainingRows(codec.encode(DATA[kind].x), torch.from_numpy(DATA[kind].y))
    module = build(lambda: job.model.make(codec.space, len(rows.y), **job.model.params), seed=0)
    take_steps(module, rows)
    check_rows(module)
