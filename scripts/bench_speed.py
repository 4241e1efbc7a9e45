"""Ratios measured in one run: Lightning's share of a training step, sampling against the bare decoder.

    python scripts/bench_speed.py                  # Lightning's share and sampling of images
    python scripts/bench_speed.py only=lightning
    python scripts/bench_speed.py only=profile,gan
    python scripts/bench_speed.py only=gpu         # the GPU presets, where there is a GPU
    python scripts/bench_speed.py only=table shared=../shared

Random 28x28 grey rows stand in for images, since no figure depends on what the pixels show; tables are Adult.
"""

from __future__ import annotations

import itertools
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from gensynth.cli import compose
from gensynth.data.table_source import read_frame
from gensynth.models.generator import Batch, Generator, TrainingRows
from gensynth.steps.train import train_generator
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
    steps = Steps(module, loader)
    trainer = make_trainer(job.trainer, [])
    begun = time.perf_counter()
    run_trainer(trainer, steps, [steps, Metrics(steps, {})], None)
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


# What the discriminator of a first cGAN cost: exact penalties at every step, on pixels folded by 2.
COLD = ("model=cgan", "model.warm_start=false", "model.penalty_every=1", "model.d_body.fold=2")


def steps_of(words: tuple[str, ...], phase: str, space: Space, count: int) -> tuple[Generator, Iterator[Batch]]:
    """A module and batches in the middle of one phase, on the device and in the precision of the words."""
    job = compose("train", ["digits", "logger=none", *words])
    trainer = make_trainer(job.trainer, [])
    device = trainer.strategy.root_device
    random = torch.Generator().manual_seed(0)
    data = TrainingRows(
        (torch.rand(count, *space.shape, generator=random) * 2 - 1).to(device), (torch.arange(count) % 10).to(device)
    )
    module = build(lambda: job.model.make(space, count, **job.model.params), 0).to(device)
    optimizers = module.configure_optimizers()
    module.optimizers = lambda: optimizers
    size = {p.name: p.batch_size for p in module.phases()}[phase]
    loader = BatchLoader(data, Schedule((phase,), (10**6,), (size,)), 0, 1.0, start_step=5 * 10**5)
    module.begin_phase(phase, data, loader.random(0, "begin"), resumed=False)
    return module, iter(loader)


def rate(module: Generator, batches: Iterator[Batch], seconds: float, autocast: bool = False) -> float:
    """Images a second over about so many seconds, after a warm-up."""
    done, begun = 0, 0.0
    for step in itertools.count(-4):
        if step == 0:
            begun = synchronised()
        batch = next(batches)
        with torch.autocast(batch.rows.device.type, torch.bfloat16, enabled=autocast):
            module.training_step(batch, 0)
        if step >= 0:
            done += len(batch.rows)
        if step >= 4 and synchronised() - begun > seconds:
            return done / (synchronised() - begun)
    raise AssertionError


def synchronised() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def gan_speed(repeats: int = 3) -> None:
    """Images a second of the cGAN's adversarial stage against its cold-start form, interleaved."""
    ratios, rates = [], []
    arms = [steps_of(words, "adversarial", SPACE, 4096) for words in (("model=cgan", "model.vae.prior=flow"), COLD)]
    for _ in range(repeats):
        ours, cold = (rate(*arm, seconds=6.0) for arm in arms)
        ratios.append(ours / cold)
        rates.append((ours, cold))
    fast, slow = (statistics.median(side) for side in zip(*rates, strict=True))
    print(
        f"cgan: {fast:,.0f} images/s of 28x28 against {slow:,.0f} of the cold start, ratio median "
        f"{statistics.median(ratios):.1f}, range {min(ratios):.1f} to {max(ratios):.1f}, {repeats} repeats"
    )


ARITHMETIC = ("convolution", "aten::mm", "aten::addmm", "aten::bmm")


def profile() -> None:
    """Share of each stage's step that is spent inside convolutions and matrix products."""
    for name, phase, words in (
        ("cvae", "vae", ("model=cvae", "model.prior=flow")),
        ("cvae", "prior", ("model=cvae", "model.prior=flow")),
        ("cgan", "adversarial", ("model=cgan", "model.vae.prior=flow")),
    ):
        module, batches = steps_of(words, phase, SPACE, 4096)
        speed = rate(module, batches, 2.0)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
            for _ in range(20):
                module.training_step(next(batches), 0)
        events = found.key_averages()
        inside = sum(e.self_cpu_time_total for e in events if any(part in e.key for part in ARITHMETIC))
        share = inside / sum(e.self_cpu_time_total for e in events)
        print(f"profile {name} {phase}: {speed:,.0f} images/s, {share:.0%} in convolutions and matrix products")


def gpu_speed() -> None:
    """Images a second and peak memory of the GPU presets in bf16 and in fp32."""
    for side in (32, 64, 128, 256):
        for phase in ("vae", "adversarial"):
            words = (f"experiment=gpu_{side}", "model.vae.prior=flow")
            module, batches = steps_of(words, phase, Space((3, side, side), 10, (Block(3 * side**2, "real"),)), 1024)
            torch.cuda.reset_peak_memory_stats()
            half = rate(module, batches, 2.0, autocast=True)
            peak = torch.cuda.max_memory_allocated() / 2**30
            full = rate(module, batches, 2.0)
            print(
                f"gpu_{side} {phase}: {half:,.0f} images/s in bf16, {full:,.0f} in fp32, ratio {half / full:.2f}; "
                f"peak {peak:.1f} GiB in bf16",
                flush=True,
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
        for name, bench in (("gan", gan_speed), ("profile", profile), ("gpu", gpu_speed)):
            if name in only:
                bench()
        if "table" in only:
            table_sampling(Path(options["shared"]))
