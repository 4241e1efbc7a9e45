"""Shared: small real images on disk, small jobs, the command line called in this process."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gensynth.cli import compose, main
from gensynth.data.sources import read_digits
from gensynth.models.generator import TrainingRows
from gensynth.types import Block, LabelledData, Schema, Space

# absl (below mlcroissant and tensorboard) keeps the stderr of its import and closes it with its handler, when Hydra
# sets logging up anew: it must not be pytest's.
with contextlib.suppress(ImportError), contextlib.redirect_stderr(sys.__stderr__):
    import absl.logging  # noqa: F401

SHARED = Path(__file__).parents[2] / "shared" / "data"
# Files of whole runs, the longest first: two processes share the files, and whichever comes last is waited for.
LONG = ("cli", "tables", "modality", "training", "trust", "compare", "sounds", "no_trace", "api", "exam", "processes")
FAST = ("trainer.max_samples=640", "trainer.accelerator=cpu", "logger=csv")


def pytest_collection_modifyitems(items):
    place = {f"test_{name}.py": i for i, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONG)))


@pytest.fixture
def run_cli(capsys, monkeypatch, tmp_path):
    """run_cli(*words) -> (exit code, stdout, stderr), from an empty working directory."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    work = tmp_path / "cwd"
    work.mkdir()
    monkeypatch.chdir(work)

    def call(*words: object) -> tuple[int, str, str]:
        code = main([str(w) for w in words])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def write_digit_folder(folder: Path, counts: dict[str, int], size: int = 8) -> Path:
    """Class folders of PNG files from the digits 0, 1, 2, ...; names are the keys of `counts`."""
    data = read_digits().data
    for digit, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for i, x in enumerate(data.x[data.y == digit][:count]):
            image = Image.fromarray(x[0])
            image = image if size == 8 else image.resize((size, size))
            image.save(folder / name / f"img{i:03d}.png")
    return folder


@pytest.fixture
def digit_folder(tmp_path) -> Path:
    return write_digit_folder(tmp_path / "images", {"zero": 60, "one": 40, "two": 30})


def write_small_table(folder: Path, rows: int = 150) -> Path:
    """table.csv: a number and a word that follow the label, which is "rare" in a quarter of the rows."""
    random = np.random.default_rng(0)
    rare = np.arange(rows) % 4 == 0
    size, kind = random.normal(rare, 1.0).round(2), np.where(random.random(rows) < 0.2 + 0.5 * rare, "u", "v")
    lines = [f"{a},{b},{'rare' if c else 'common'}" for a, b, c in zip(size, kind, rare, strict=True)]
    path = folder / "table.csv"
    path.write_text("\n".join(["size,kind,label", *lines]) + "\n", encoding="utf-8")
    return path


def stripes(per_class: int, shape: tuple[int, int, int] = (1, 8, 8), classes: int = 3, seed: int = 0) -> LabelledData:
    """Separable toy rows: class k is bright in its own horizontal band, plus noise."""
    random = np.random.default_rng(seed)
    channels, height, width = shape
    y = np.repeat(np.arange(classes), per_class)
    x = random.integers(0, 60, (len(y), *shape))
    for k in range(classes):
        low, high = k * height // classes, (k + 1) * height // classes
        x[y == k, :, low:high] += random.integers(120, 190, ((y == k).sum(), channels, 1, 1))
    schema = Schema(
        "image", tuple(f"band{k}" for k in range(classes)), {"channels": channels, "height": height, "width": width}
    )
    return LabelledData.of_real(x.astype(np.uint8), y, schema)


def space_of(data: LabelledData) -> Space:
    shape = data.x.shape[1:]
    return Space(tuple(shape), len(data.schema.classes), (Block(int(np.prod(shape)), "real"),))


def encoded(data: LabelledData) -> TrainingRows:
    from gensynth.data.image import ImageCodec

    codec = ImageCodec.fit(data)
    import torch

    return TrainingRows(codec.encode(data.x), torch.from_numpy(data.y))


def fitted(module, job, data: LabelledData, folder: Path, *, resume: bool = False):
    """The module, trained in place on the rows as the job says, watching none; checkpoints lie in the folder."""
    from gensynth.training.fit import fit

    fit(
        module,
        encoded(data),
        encoded(data[:0]),
        job.trainer,
        seed=0,
        folder=folder,
        run="r",
        classes=data.schema.classes,
        picture=lambda x: b"",
        decode=lambda x: x.numpy(),
        appraise=lambda draw: {},
        loggers=[],
        started=0.0,
        resume=resume,
    )
    return module


def bundle_facts(model: str, params: dict, data: LabelledData, seed: int) -> dict:
    """What a bundle of an image model must say of itself."""
    from gensynth.data.image import ImageCodec
    from gensynth.training.bundle import FORMAT

    return {
        "format": FORMAT,
        "model": model,
        "params": params,
        "num_rows": len(data),
        "modality": "image",
        "classes": list(data.schema.classes),
        "fields": data.schema.fields,
        "codec": ImageCodec.fit(data).state(),
        "train_counts": {},
        "source_sha256": "",
        "seed": seed,
        "training": {},
    }


def small_job(model: str, *words: str):
    """The Job of `train digits` with a tiny network, without loggers."""
    width = "model.vae.width=8" if model == "cgan" else "model.width=8"
    return replace(
        compose("train", ["digits", f"model={model}", width, "logger=none", "trainer=cpu", *words]), verb="train"
    )
