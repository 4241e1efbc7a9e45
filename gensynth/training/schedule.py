"""From a budget in minutes to a fixed number of samples per phase, decided once and saved.

A short speed test on a copy of the model turns `max_minutes` into steps; everything after that
(learning rates, warm-ups, the end) runs on samples, so a resumed run ends where it would have.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import accumulate

import torch

from gensynth.errors import UsageError
from gensynth.models.generator import Generator, Phase, TrainingRows
from gensynth.training.loader import BatchLoader

SAFETY = 0.85  # part of the remaining time that is planned; machines slow down more often than they speed up
PROBE_ROWS = 1024
STEP_OVERHEAD_SECONDS = 0.002  # Lightning, callbacks and cold caches, which the bare speed test does not meet


@dataclass(frozen=True)
class Schedule:
    """Steps and batch size of each phase, in order."""

    phases: tuple[str, ...]
    steps: tuple[int, ...]
    batch_sizes: tuple[int, ...]

    @property
    def total_steps(self) -> int:
        return sum(self.steps)

    @property
    def total_samples(self) -> int:
        return sum(s * b for s, b in zip(self.steps, self.batch_sizes, strict=True))

    def at(self, step: int) -> tuple[int, int]:
        """(phase index, step within the phase) of a global step."""
        for phase, count in enumerate(self.steps):
            if step < count:
                return phase, step
            step -= count
        raise IndexError("step lies behind the end of the schedule")

    def samples_before(self, step: int) -> int:
        """Samples seen in all phases before a global step."""
        begun = accumulate(self.steps, initial=0)
        phases = zip(begun, self.steps, self.batch_sizes, strict=False)
        return sum(min(max(0, step - first), count) * batch_size for first, count, batch_size in phases)

    def cut(self, step: int) -> Schedule:
        """The same schedule, ended after `step` steps of all phases; that step lies in the last one."""
        return replace(self, steps=(*self.steps[:-1], step - sum(self.steps[:-1])))

    def to_json(self) -> dict:
        return asdict(self)

    @staticmethod
    def from_json(facts: dict) -> Schedule:
        return Schedule(*(tuple(facts[name]) for name in ("phases", "steps", "batch_sizes")))


def by_samples(phases: tuple[Phase, ...], max_samples: int) -> Schedule:
    """Split a number of samples over the phases by their shares; at least one step each."""
    if max_samples < 1:
        raise UsageError(f"trainer.max_samples must be at least 1, got {max_samples}")
    return _of_phases(phases, [max(1, round(max_samples * p.share / p.batch_size)) for p in phases])


def _of_phases(phases: tuple[Phase, ...], steps: list[int]) -> Schedule:
    return Schedule(tuple(p.name for p in phases), tuple(steps), tuple(p.batch_size for p in phases))


def by_seconds(module: Generator, rows: TrainingRows, seconds: float, seed: int, devices: int = 1) -> Schedule:
    """Split seconds over the phases by their shares, measuring the speed of each on a throw-away copy.

    The time the speed test takes itself, and the preparation and closing work of the phases, come off first. With
    several devices the test takes one device's share of a batch.
    """
    if seconds <= 0:
        raise UsageError("trainer.max_minutes is used up before training starts: raise it")
    started = time.monotonic()
    measured = [_probe(module, rows, phase, seconds, seed, devices) for phase in module.phases()]
    closing = _closing_seconds(module, rows, seed)
    left = seconds - (time.monotonic() - started) - closing - sum(prepare for _, prepare in measured)
    shares = [SAFETY * max(left, 0.0) * phase.share for phase in module.phases()]
    seconds_a_step = [per_step + STEP_OVERHEAD_SECONDS for per_step, _ in measured]
    steps = [max(1, int(share / each)) for share, each in zip(shares, seconds_a_step, strict=True)]
    return _of_phases(module.phases(), steps)


def _probe(
    module: Generator, rows: TrainingRows, phase: Phase, seconds: float, seed: int, devices: int
) -> tuple[float, float]:
    """(seconds a step, seconds of preparation for all rows) of one phase."""
    some = max(PROBE_ROWS, 2 * phase.batch_size)
    subset = TrainingRows(rows.x[:some], rows.y[:some])
    probe = copy.deepcopy(module)
    optimizers = probe.configure_optimizers()
    probe.optimizers = lambda use_pl_optimizer=True: optimizers  # type: ignore[assignment]
    endless = Schedule((phase.name,), (2 * 10**9,), (phase.batch_size,))
    half_way = 10**9  # warm-ups are over
    loader = BatchLoader(subset, endless, seed, 1.0, half_way, (0, devices), probe.coins)
    begun = time.monotonic()
    probe.begin_phase(phase.name, subset, loader.random(0, "begin"), resumed=False)
    prepare = (time.monotonic() - begun) * len(rows.y) / len(subset.y)
    return _time_steps(probe, iter(loader), limit=min(4.0, 0.03 * seconds)), prepare


def _time_steps(probe: Generator, batches: Iterator, limit: float, warm_up: int = 4, smallest: int = 8) -> float:
    for _ in range(warm_up):
        probe.training_step(next(batches), 0)
    begun, count = time.monotonic(), 0
    while count < smallest or time.monotonic() - begun < limit:
        probe.training_step(next(batches), 0)
        count += 1
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.monotonic() - begun) / count


def _closing_seconds(module: Generator, rows: TrainingRows, seed: int) -> float:
    """Time of `finish` on a copy, plus a second for writing the bundle."""
    probe, begun = copy.deepcopy(module), time.monotonic()
    subset = TrainingRows(rows.x[:PROBE_ROWS], rows.y[:PROBE_ROWS])
    probe.finish(subset, torch.Generator(rows.x.device).manual_seed(seed))
    return (time.monotonic() - begun) * max(1.0, len(rows.y) / len(subset.y)) + 1.0
