"""What one run was told, as plain objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gensynth.balancing.filters import Filter
from gensynth.balancing.plan import Amount
from gensynth.data.source import Source
from gensynth.models.generator import Generator
from gensynth.rundir import RunFolder
from gensynth.samplers.sampler import Sampler
from gensynth.training.fit import TrainerSettings


@dataclass(frozen=True)
class DataSettings:
    """Where the rows come from and how they are split. `long_tail` (first, last) cuts train for experiments."""

    name: str
    read: Callable[[], Source]
    split: tuple[float, float, float]
    long_tail: tuple[int, int] | None
    subject: str


@dataclass(frozen=True)
class ModelSettings:
    """The generator's file name in gensynth/models/, its class and the numbers its constructor takes."""

    name: str
    make: type[Generator]
    params: dict


@dataclass(frozen=True)
class Job:
    """Everything one run was told, as plain objects."""

    verb: str
    data: DataSettings
    model: ModelSettings
    trainer: TrainerSettings
    logger: str
    sampler: Sampler
    fallback: Sampler
    filters: list[Filter]
    export_original: bool
    utility_run: bool
    utility_seeds: int
    utility_steps: int
    inception: bool
    target: Amount
    symmetric: bool
    seed: int
    out: Path
    strict: bool
    resume: bool
    resume_command: str
    config: dict  # resolved and free of paths, for the record

    def open_out(self) -> RunFolder:
        return RunFolder(self.out, self.verb, self.resume, self.resume_command)
