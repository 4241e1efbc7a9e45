"""The contract of every generator: what it is given, what one training step gets, how rows are drawn.

A generator is a LightningModule whose `training_step` is a function of its weights and one `Batch`;
the order of the data, the budget and the random numbers are decided outside (`training/`), so a
resumed run sees the same batches and numbers as an uninterrupted one.
"""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, cast

import numpy as np
import torch
from lightning import LightningModule
from torch import Tensor, nn

from gensynth import rng
from gensynth.data.kinds import modality_named
from gensynth.errors import DivergedError, UsageError
from gensynth.models.all_reduce import average_gradients
from gensynth.rng import aligned_blocks
from gensynth.types import Space

SKIPS_ALLOWED = 20


class Phase(NamedTuple):
    """One stage of training: its name, its share of the time budget, rows per step."""

    name: str
    share: float
    batch_size: int


class TrainingRows(NamedTuple):
    """All training rows on the device: x (N, *shape) float in [-1, 1], y (N,)."""

    x: Tensor
    y: Tensor


class StepNoise:
    """Random numbers of one step. Row i of a batch gets the same ones, however the batch is cut into parts.

    Numbers are drawn for all `size` rows and those of rows start .. stop are given out, so a part that another
    process works on, or that comes later, is the part of the one batch it belongs to.
    """

    def __init__(self, seed: int, device: torch.device, size: int, start: int = 0, stop: int | None = None) -> None:
        self.seed, self.device, self.size = seed, device, size
        self.start, self.stop = start, size if stop is None else stop
        self._generator = torch.Generator(device).manual_seed(seed)

    def part(self, start: int, stop: int) -> StepNoise:
        """The numbers of rows start .. stop of these, from the first draw on."""
        return StepNoise(self.seed, self.device, self.size, self.start + start, self.start + stop)

    def stream(self, number: int) -> StepNoise:
        """Other numbers for the same rows."""
        return StepNoise(self.seed ^ number, self.device, self.size, self.start, self.stop)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers (N, *shape)."""
        return torch.randn(self.size, *shape, generator=self._generator, device=self.device)[self.start : self.stop]

    def uniform(self, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1), (N, *shape)."""
        return torch.rand(self.size, *shape, generator=self._generator, device=self.device)[self.start : self.stop]


@dataclass
class Batch:
    """Everything one training step may depend on besides the weights.

    rows (N,) indices into `data`; labels (N,); progress in [0, 1) of the phase; step and samples_seen count within
    the phase; random: numbers keyed by the step. `x` (N, *shape) is gathered when it is first used.
    """

    data: TrainingRows
    rows: Tensor
    labels: Tensor
    phase: str
    progress: float
    step: int
    samples_seen: int
    random: StepNoise

    @cached_property
    def x(self) -> Tensor:
        return self.data.x[self.rows]

    def parts(self, count: int) -> list[Batch]:
        """The same batch as `count` equal pieces in order."""
        return [self.part(index, count) for index in range(count)]

    def part(self, index: int, count: int) -> Batch:
        """One of `count` equal pieces; ValueError where the rows do not divide."""
        size, rest = divmod(len(self.rows), count)
        if rest:
            raise ValueError(f"a batch of {len(self.rows)} rows cannot be cut into {count} equal parts")
        here = slice(index * size, (index + 1) * size)
        random = self.random.part(here.start, here.stop)
        return replace(self, rows=self.rows[here], labels=self.labels[here], random=random)


Losses = Callable[[Batch], tuple[Tensor, dict[str, Tensor]]]
Module = TypeVar("Module", bound=nn.Module)


class Generator(LightningModule):
    """Base of all generators. Subclasses set `modalities`, `noise_size` and `block` and write the abstract methods.

    modalities  kinds of rows that the model learns: image | table | audio
    noise_size  standard normal numbers that a row is drawn from
    block       rows per forward pass when sampling; part of the determinism contract of a bundle
    accumulate  parts that a batch is worked on in, one after the other: less memory; what a loss takes over a batch
                (the optimal sigma, free bits) it takes over a part
    least_parts  what `accumulate` is at least, where a whole batch would take too much memory
    rows_together  rows that a loss looks at as a group: parts of a batch hold whole groups
    private     whether training guarantees differential privacy: what else would tell of real rows (their counts, how
                well they are covered) then stays out of the bundle
    coins       where every row enters a batch by a coin of its own, as the accounting of DP-SGD needs: (step, count) ->
                uniform numbers (count,), one a training row
    """

    modalities: ClassVar[tuple[str, ...]] = ()
    private: ClassVar[bool] = False
    coins: Callable[[int, int], Tensor] | None = None
    noise_size: int
    block: int
    accumulate: int = 1
    least_parts: int = 1
    rows_together: int = 1
    automatic_optimization = False

    def __init__(self, space: Space, num_rows: int, **params: Any) -> None:
        """How every model is built, again for a bundle: the shape of a row, the number of training rows, and the
        settings of its YAML by name, each of which a subclass declares as a keyword of its own."""
        if params:
            raise TypeError(f"{type(self).__name__} has no setting {next(iter(params))!r}")
        super().__init__()
        self.space, self.num_rows = space, num_rows
        self._skipped: dict[int, int] = {}  # by optimiser: one that works must not hide one that fails

    def stepping(self) -> list[torch.optim.Optimizer]:
        """The optimisers of `configure_optimizers`, for `descend`; Lightning counts their steps."""
        found = self.optimizers()
        return cast(list[torch.optim.Optimizer], found if isinstance(found, list) else [found])

    @abstractmethod
    def phases(self) -> tuple[Phase, ...]:
        """The stages of training in order; shares sum to 1."""

    def plan(self, steps: Mapping[str, int], num_rows: int) -> None:
        """Called before the first step, and again after a resume: steps of each phase, training rows. Deterministic."""

    def begin_phase(self, name: str, rows: TrainingRows, random: torch.Generator, *, resumed: bool) -> None:
        """Prepare a stage; `resumed` says that its own steps have begun before. Deterministic."""

    def drawable(self, phase: str) -> bool:
        """Whether rows drawn in this phase show what the finished model will draw."""
        return True

    def watch(self, rows: TrainingRows, phase: str) -> tuple[dict[str, float], bool]:
        """Look at held-out rows between two steps: what they show, by name, and whether the phase need not go on."""
        return {}, False

    def finish(self, rows: TrainingRows, random: torch.Generator) -> None:
        """Closing work after the last step, before the bundle is written."""

    @abstractmethod
    def draw(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Noise (N, noise_size) and labels (N,) -> rows (N, *shape) with the averaged weights."""

    def encode(self, x: Tensor, labels: Tensor) -> Tensor:
        """Rows (N, *shape) and labels (N,) -> their latents (N, D); UsageError for a model without an encoder."""
        raise UsageError(f"model={type(self).__name__.lower()} as trained here has no encoder")

    def decode(self, z: Tensor, labels: Tensor) -> Tensor:
        """Latents (N, D) and labels (N,) -> rows (N, *shape), float on the CPU; UsageError likewise."""
        raise UsageError(f"model={type(self).__name__.lower()} as trained here has no encoder")

    def membership_scores(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """What the parts in a bundle tell of rows (N, *shape) and labels (N,): {name: (N,)}, higher the better a row
        is known, row i a function of row i alone. Empty for a model whose bundle only draws."""
        return {}

    def guarantee(self) -> dict[str, Any]:
        """What training guarantees, once it is over; empty for a model that guarantees nothing.

        Plain JSON: mechanism, epsilon, delta, adjacency, accountant, noise_multiplier, noise (`system`, or `recorded`
        where it came from a seed that is written down), counts (K,) of training rows as released with noise.
        """
        return {}

    @abstractmethod
    def inference_modules(self) -> dict[str, nn.Module]:
        """The averaged parts that `draw`, `encode` and `decode` need; they, and nothing else, go into a bundle."""

    def descend(
        self,
        losses: Losses,
        batch: Batch,
        optimizer: torch.optim.Optimizer,
        lr: float,
        clip: float = math.inf,
    ) -> tuple[dict[str, Tensor], bool]:
        """One optimiser step at a learning rate; returns what `losses` reported, and whether the step was taken.

        losses  a part of the batch -> the scalar to descend, and values to log; its parts' gradients are averaged,
                over `accumulate` parts one after the other and over all processes
        A step is skipped where loss or gradient is not finite; DivergedError after SKIPS_ALLOWED in a row.
        """
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad(set_to_none=True)
        total, reported = torch.zeros((), device=batch.rows.device), []
        for part in batch.parts(self.accumulate):
            loss, values = losses(part)
            (loss / self.accumulate).backward()
            total += loss.detach() / self.accumulate
            reported.append(values)
        total = average_gradients(parameters, total)
        norm = nn.utils.clip_grad_norm_(parameters, clip)
        taken = bool(torch.isfinite(total) & torch.isfinite(norm))
        self._count_skips(optimizer, taken)
        if taken:
            optimizer.step()
        if len(reported) > 1:
            reported = [{name: torch.stack([r[name].float() for r in reported]).mean(0) for name in reported[0]}]
        return reported[0], taken

    def _count_skips(self, optimizer: torch.optim.Optimizer, taken: bool) -> None:
        self._skipped[id(optimizer)] = 0 if taken else self._skipped.get(id(optimizer), 0) + 1
        if self._skipped[id(optimizer)] >= SKIPS_ALLOWED:
            raise DivergedError(
                f"loss or gradient was not finite {SKIPS_ALLOWED} steps in a row; lower model.lr "
                "(the last checkpoint is from before that)"
            )

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        return batch  # the loader gathers on the device already

    @torch.no_grad()
    def sample(self, labels: np.ndarray, seeds: np.ndarray) -> Tensor:
        """Rows (N, *shape) for labels (N,) and seeds (N,) uint64; row i depends on its own pair only.

        Raises ValueError for labels outside the classes.
        """
        return self.in_blocks(labels, seeds, self._drawn)

    @torch.no_grad()
    def in_blocks(
        self, labels: np.ndarray, seeds: np.ndarray, make: Callable[[np.ndarray, np.ndarray], Tensor]
    ) -> Tensor:
        """Rows (N, *shape) of make(labels, seeds), where row i depends on its own pair only.

        A forward pass rounds differently for different batch sizes, so rows are computed in blocks
        of `block` consecutive seeds of one label, whatever is requested: the answer is the same, bit
        for bit, for any order, subset or batch. Consecutive seeds are therefore cheapest.
        Raises ValueError for labels outside the classes.
        """
        labels, seeds = np.asarray(labels, np.int64), np.asarray(seeds, np.uint64)
        if len(labels) and not (labels.min() >= 0 and labels.max() < self.space.num_classes):
            raise ValueError(f"labels must lie in [0, {self.space.num_classes}), got {labels.min()}..{labels.max()}")
        out = torch.empty(len(labels), *self.space.shape)
        with self._evaluating():
            for label, start, rows, places in aligned_blocks(labels, seeds, self.block):
                block = make(np.full(self.block, label, np.int64), start + np.arange(self.block, dtype=np.uint64))
                out[torch.as_tensor(rows)] = block[torch.as_tensor(places)]
        return out

    @torch.no_grad()
    def glimpse(self, labels: np.ndarray, seeds: np.ndarray) -> Tensor:
        """What `sample` returns up to rounding, in one forward pass: cheap for a few rows of many classes."""
        with self._evaluating():
            return self._drawn(labels, seeds)

    def _drawn(self, labels: np.ndarray, seeds: np.ndarray) -> Tensor:
        noise = torch.from_numpy(rng.normal(seeds, self.noise_size, stream="noise")).to(self.device)
        return self.draw(noise, torch.as_tensor(labels, dtype=torch.long, device=self.device)).float().cpu()

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Evaluation mode inside, the mode there was afterwards."""
        training = self.training
        self.eval()
        try:
            yield
        finally:
            self.train(training)


def check_learns(model: type[Generator], name: str, modality: str) -> None:
    """UsageError unless the model called `name` learns rows of this kind."""
    if not model.modalities:
        raise UsageError(
            f'model={name}: {model.__name__} must declare `modalities`, the kinds it learns: ("image",), say'
        )
    if not {modality, modality_named(modality).learned_as} & set(model.modalities):
        raise UsageError(
            f"model={name} learns rows of kind {' or '.join(model.modalities)}, and these are of kind {modality}; "
            "choose another model=NAME, or sampler=NAME for classical rows"
        )


@torch.no_grad()
def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Parameters and buffers of one module into another that is built alike; not by name, which takes long for many."""
    torch._foreach_copy_(list(target.parameters()), list(source.parameters()))
    for mine, theirs in zip(target.buffers(), source.buffers(), strict=True):
        mine.copy_(theirs)


class Ema(nn.Module, Generic[Module]):
    """Averaged copy of a module; half-life in samples, at most `ramp` of the samples seen so far.

    The rule min(half-life, 5 % of what was seen) is that of Karras et al., "Training generative
    adversarial networks with limited data" (NeurIPS 2020), reference code.
    """

    average: Module

    def __init__(self, module: Module, half_life: float, ramp: float = 0.05) -> None:
        super().__init__()
        self.average = copy.deepcopy(module).requires_grad_(False)
        self.half_life, self.ramp = half_life, ramp

    @torch.no_grad()
    def update(self, module: Module, batch_size: int, samples_seen: int) -> None:
        half_life = max(min(self.half_life, self.ramp * samples_seen), 1e-8)
        weight = 1 - 0.5 ** (batch_size / half_life)
        torch._foreach_lerp_(list(self.average.parameters()), list(module.parameters()), weight)
        for mine, theirs in zip(self.average.buffers(), module.buffers(), strict=True):
            mine.copy_(theirs)
