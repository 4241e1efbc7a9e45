"""Ratios measured in one run: Lightning's share of a training step, sampling against the bare decoder.

    python scripts/bench_speed.py                  # both
    python scripts/bench_speed.py only=lightning

Random 28x28 grey rows stand in for data, since neither figure depends on what the pixels show.
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
                done = subprocess.run(
                    [sys.executable, __file__, "draw", str(bundle), str(total // 10), f"{folder}/{repeat}-{total}"],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                seconds[total], peaks[total] = map(float, done.stdout.split()[-2:])
            rates.append(45_000 / (seconds[50_000] - seconds[5_000]))
            ratios.append(rates[-1] / statistics.mean([before, decoder_rate(bundle)]))
    print(
        f"sampling {model}: {statistics.median(rates):,.0f} rows/s to disk, ratio to the bare decoder "
        f"median {statistics.median(ratios):.2f}, range {min(ratios):.2f} to {max(ratios):.2f}, {repeats} repeats; "
        f"peak memory {peaks[5_000]:.0f} MiB for 5,000 rows, {peaks[50_000]:.0f} MiB for 50,000"
    )


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


def draw(bundle: str, count: str, out: str) -> None:
    """Child process: one `gensynth sample`, then its seconds and its peak memory in MiB."""
    from gensynth.cli import main

    begun = time.perf_counter()
    main(["sample", f"generator={bundle}", f"counts={count}", f"out={out}", "format=npz"])
    print(time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["draw"]:
        draw(*words[1:])
    else:
        only = dict(w.split("=") for w in words).get("only", "lightning,sampling").split(",")
        if "lightning" in only:
            lightning_share()
        if "sampling" in only:
            for name in ("cvae", "cgan"):
                sampling(name)
