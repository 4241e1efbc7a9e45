"""What one run was told, as plain objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gensynth.balancing.filters import Filter
from gensynth.balancing.plan import Amount
from gensynth.data.source import Source
from gensynth.models.generator import Generator
from gensynth.provenance.source_card import SourceCard
from gensynth.rundir import RunFolder
from gensynth.samplers.sampler import Sampler
from gensynth.training.fit import TrainerSettings


@dataclass(frozen=True)
class DataSettings:
    """Where the rows come from and how they are split.

    long_tail  (first, last) cuts train for experiments
    groups     columns by which bias is looked at
    card       what a person says of the source: licence, consent, intended use
    allow_synthetic  whether rows that are marked as made may be trained on
    """

    name: str
    read: Callable[[], Source]
    split: tuple[float, float, float]
    long_tail: tuple[int, int] | None
    subject: str
    groups: tuple[str, ...] = ()
    card: SourceCard = SourceCard()
    allow_synthetic: bool = False


@dataclass(frozen=True)
class ModelSettings:
    """The generator's file name in gensynth/models/, its class and the numbers its constructor takes."""

    name: str
    make: type[Generator]
    params: dict


@dataclass(frozen=True)
class TrustSettings:
    """What rows must pass before they are merged, and how far privacy is attacked.

    max_drop         largest relative fall of the smallest cell's share of its class
    max_recall_drop  largest fall of the worst group's recall
    favourable       class that base rates are rates of; empty: the rarer of two, none of more
    accept_bias      merge although the audit refuses, which the report records
    least_reviewed   made rows that a person must have looked at
    shadows          generators that are trained anew for the likelihood-ratio attack; 0: none
    """

    max_drop: float = 0.1
    max_recall_drop: float = 0.02
    favourable: str = ""
    accept_bias: bool = False
    least_reviewed: int = 0
    shadows: int = 0


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
    trust: TrustSettings
    config: dict  # resolved and free of paths, for the record

    def open_out(self) -> RunFolder:
        return RunFolder(self.out, self.verb, self.resume, self.resume_command)
