"""Batches as a pure function of (seed, step): no state, no workers, data stays on the device.

Labels of a batch are drawn from tempered class frequencies p(y) ~ n_y^q, with q falling from 1 to
`label_power` over the run: natural early, so that common classes teach the shared features, nearer
to balance late. The one draw serves real and drawn rows alike, so a discriminator learns nothing
from the label alone.

Private training takes Poisson samples instead, whose coins are the model's own: the accounting of DP-SGD holds for
these only, and as long as nobody knows which rows were in a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gensynth import rng
from gensynth.models.generator import Batch, StepNoise, TrainingRows

if TYPE_CHECKING:
    from gensynth.training.schedule import Schedule


def tempered(counts: Tensor, power: float) -> Tensor:
    """Class probabilities (K,) proportional to counts^power; empty classes get zero.

    >>> tempered(torch.tensor([100, 25, 0]), 0.5).tolist()
    [0.6666666666666666, 0.3333333333333333, 0.0]
    """
    weights = torch.where(counts > 0, counts.double().clamp_min(1) ** power, 0.0)
    return weights / weights.sum()


class BatchLoader:
    """Iterable over the batches of a schedule, from any step on; `share` (i, n) gives the i-th of n parts of each.

    With `coins`, (step, count) -> uniform numbers (count,), every row enters a batch by a coin of its own, at a rate of
    batch size / rows: batches are of random size, also 0, and what counts samples (the schedule, the learning rate, the
    logs) counts the expected ones.
    """

    def __init__(
        self,
        rows: TrainingRows,
        schedule: Schedule,
        seed: int,
        label_power: float,
        start_step: int = 0,
        share: tuple[int, int] = (0, 1),
        coins: Callable[[int, int], Tensor] | None = None,
    ) -> None:
        self.rows, self.schedule, self.seed, self.share = rows, schedule, seed, share
        self.label_power, self.start_step, self.coins = label_power, start_step, coins
        labels = rows.y.cpu()
        self._by_class = torch.argsort(labels, stable=True)
        self._counts = torch.bincount(labels)
        self._starts = self._counts.cumsum(0) - self._counts

    def __iter__(self) -> Iterator[Batch]:
        for step in range(self.start_step, self.schedule.total_steps):
            yield self.batch(step)

    def random(self, step: int, purpose: str) -> torch.Generator:
        """Generator on the data's device for one purpose of one step."""
        return rng.torch_generator(self.seed, purpose, step, device=self.rows.x.device)

    def batch(self, step: int) -> Batch:
        phase, inner = self.schedule.at(step)
        size, steps = self.schedule.batch_sizes[phase], self.schedule.steps[phase]
        chosen = self._draw_rows(step, size).to(self.rows.x.device)
        whole = Batch(
            data=self.rows,
            labels=self.rows.y[chosen],
            rows=chosen,
            phase=self.schedule.phases[phase],
            progress=inner / steps,
            step=inner,
            samples_seen=inner * size,
            random=StepNoise(self.random(step, "step").initial_seed(), self.rows.x.device, len(chosen)),
        )
        return whole.part(*self.share)

    def _draw_rows(self, step: int, size: int) -> Tensor:
        if self.coins:
            count = len(self.rows.y)
            return torch.nonzero(self.coins(step, count) < size / count)[:, 0]
        random = rng.torch_generator(self.seed, "order", step)
        power = 1 + (self.label_power - 1) * step / self.schedule.total_steps
        labels = torch.multinomial(tempered(self._counts, power), size, replacement=True, generator=random)
        place = (torch.rand(size, generator=random, dtype=torch.float64) * self._counts[labels]).long()
        return self._by_class[self._starts[labels] + place]
