"""Ratios measured in one run: Lightning's share of a training step, sampling against the bare decoder.

    python scripts/bench_speed.py                  # Lightning's share and sampling of images
    python scripts/bench_speed.py only=lightning
    python scripts/bench_speed.py only=table shared=../shared

Random 28x28 grey rows stand in for images, since no figure depends on what the pixels show; tables are Adult.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from gensynth.cli import compose
from gensynth.data.table_source import read_frame
from gensynth.models.generator import TrainingRows
from gensynth.pipeline import train_generator
from gensynth.training.bundle import load_bundle
from gensynth.training.callbacks import Metrics, Steps
from gensynth.training.fit import build, make_trainer, run_trainer
from gensynth.training.loader import BatchLoader
from gensynth.training.schedule import Schedule
from gensynth.types import Block, LabelledData, Schema, Space

SPACE = Space((1, 28, 28), 10, (Block(784, "real"),))
STEPS = 150


def rows(count: int) -> TrainingRows:
    random = torch.Generator().manual_seed(0)
    return TrainingRows(torch.rand(count, 1, 28, 28, generator=random) * 2 - 1, torch.arange(count) % 10)


def bare_seconds(job, data: TrainingRows) -> float:  # noqa: ANN001
    """The same batches and steps in a plain loop."""
    module = build(lambda: job.model.make(SPACE, len(data.y), **job.model.params), 0)
    optimizers = module.configure_optimizers()
    module.optimizers = lambda: optimizers
    loader = BatchLoader(data, Schedule(("vae",), (STEPS,), (128,)), 0, 1.0)
    begun = time.perf_counter()
    for batch in loader:
        module.training_step(batch, 0)
    return time.perf_counter() - begun


def lightning_seconds(job, data: TrainingRows) -> float:  # noqa: ANN001
    """The same under the package's Trainer with step counter and metrics; previews and checkpoints are not steps."""
    module = build(lambda: job.model.make(SPACE, len(data.y), **job.model.params), 0)
    loader = BatchLoader(data, Schedule(("vae",), (STEPS,), (128,)), 0, 1.0)
    steps = Steps(loader, data)
    trainer = make_trainer(job.trainer, [])
    trainer.callbacks.extend([steps, Metrics(steps)])
    begun = time.perf_counter()
    run_trainer(trainer, module, loader, None)
    return time.perf_counter() - begun


def lightning_share(repeats: int = 5) -> None:
    """Part of the time under Lightning that the bare loop does not need, median and range of interleaved repeats."""
    job = compose("train", ["digits", "model.prior=normal", f"trainer.max_samples={STEPS * 128}", "logger=none"])
    data = rows(4096)
    bare_seconds(job, data)
    shares = []
    for _ in range(repeats):
        bare, full = bare_seconds(job, data), lightning_seconds(job, data)
        shares.append(1 - bare / full)
    print(
        f"lightning_share: median {statistics.median(shares):.1%}, range {min(shares):.1%} to {max(shares):.1%}, "
        f"{repeats} repeats of {STEPS} steps at 128 images of 28x28"
    )


def sampling(model: str, repeats: int = 3) -> None:
    """Rate of `sample format=npz` against the decoder alone, timed before and after it, and peak memory."""
    schema = Schema("image", tuple("0123456789"), {"channels": 1, "height": 28, "width": 28})
    job = compose("train", ["digits", f"model={model}", "trainer.max_samples=2000", "logger=none"])
    random = np.random.default_rng(0)
    data = LabelledData.of_real(
        random.integers(0, 256, (4000, 1, 28, 28)).astype(np.uint8), np.arange(4000) % 10, schema
    )
    with tempfile.TemporaryDirectory() as folder:
        train_generator(replace(job), data, data[:0], "", Path(folder) / "run", time.monotonic())
        bundle = Path(folder) / "run" / "generator"
        peaks, ratios, rates = {}, [], []
        for repeat in range(repeats):
            before, seconds = decoder_rate(bundle), {}
            for total in (5_000, 50_000):
                seconds[total], peaks[total] = drawn_apart(bundle, total // 10, f"{folder}/{repeat}-{total}", "npz")
            rates.append(45_000 / (seconds[50_000] - seconds[5_000]))
            ratios.append(rates[-1] / statistics.mean([before, decoder_rate(bundle)]))
    print(
        f"sampling {model}: {statistics.median(rates):,.0f} rows/s to disk, ratio to the bare decoder "
        f"median {statistics.median(ratios):.2f}, range {min(ratios):.2f} to {max(ratios):.2f}, {repeats} repeats; "
        f"peak memory {peaks[5_000]:.0f} MiB for 5,000 rows, {peaks[50_000]:.0f} MiB for 50,000"
    )


def table_sampling(shared: Path) -> None:
    """Rate and peak memory of `sample format=parquet` for a million rows of Adult, start of the program included."""
    from bench_tables import adult  # here, since the child processes whose memory is measured need none of it

    train, _ = adult(shared)
    data = read_frame(train, "income").data
    job = compose("train", ["breast_cancer", "trainer.max_samples=50000", "logger=none"])
    with tempfile.TemporaryDirectory() as folder:
        train_generator(job, data, data[:0], "", Path(folder) / "run", time.monotonic())
        found = {}
        for total in (50_000, 1_000_000):
            found[total] = drawn_apart(Path(folder) / "run" / "generator", total // 2, f"{folder}/{total}", "parquet")
    (seconds, peak), (_, small_peak) = found[1_000_000], found[50_000]
    print(
        f"sampling tables: 1,000,000 rows of {len(train.columns)} columns to Parquet in {seconds:.1f} s, "
        f"{1e6 / seconds:,.0f} rows/s; peak memory {small_peak:.0f} MiB for 50,000 rows, {peak:.0f} MiB for 1,000,000"
    )


def drawn_apart(bundle: Path, per_class: int, out: str, kind: str) -> tuple[float, float]:
    """Seconds and peak memory in MiB of one `gensynth sample` in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "draw", str(bundle), str(per_class), out, kind],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, peak = map(float, done.stdout.split()[-2:])
    return seconds, peak


@torch.no_grad()
def decoder_rate(bundle: Path, seconds: float = 2.0) -> float:
    """Rows a second of embedding and decoder alone, at the better of two batch sizes."""
    parts = load_bundle(bundle).generator.inference_modules()
    best = 0.0
    for size in (64, 256):
        z = torch.randn(size, parts["decoder"].start.in_features - parts["embed"].embedding_dim)
        labels = torch.zeros(size, dtype=torch.long)
        parts["decoder"](z, parts["embed"](labels))
        begun, count = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            parts["decoder"](z, parts["embed"](labels))
            count += size
        best = max(best, count / (time.perf_counter() - begun))
    return best


def draw(bundle: str, count: str, out: str, kind: str) -> None:
    """Child process: one `gensynth sample`, then its seconds and its peak memory in MiB."""
    from gensynth.cli import main

    begun = time.perf_counter()
    code = main(["sample", f"generator={bundle}", f"counts={count}", f"out={out}", f"format={kind}"])
    if code:
        sys.exit(code)
    print(time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["draw"]:
        draw(*words[1:])
    else:
        options = {"only": "lightning,sampling", "shared": "../shared"} | dict(w.split("=") for w in words)
        only = options["only"].split(",")
        if "lightning" in only:
            lightning_share()
        if "sampling" in only:
            for name in ("cvae", "cgan"):
                sampling(name)
        if "table" in only:
            table_sampling(Path(options["shared"]))
