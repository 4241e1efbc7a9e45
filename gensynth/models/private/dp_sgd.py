"""DP-SGD by Opacus: gradients row by row, clipped and noised, and what they cost.

Abadi et al., "Deep learning with differential privacy" (CCS 2016), algorithm 1. A batch is a Poisson sample, so that
its size is random and may be 0; the sum of clipped gradients is divided by the expected size, which is public.
Opacus is imported where it is needed only: rows are drawn from a finished bundle without it.

Legend: N rows of a batch, B its expected size, q sampling rate, C clipping norm, s noise multiplier.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import torch
from scipy.optimize import brentq
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from gensynth.errors import UsageError

if TYPE_CHECKING:
    from opacus.optimizers import DPOptimizer

ACCOUNTANTS = ("prv", "rdp")
TIGHT = 2e-3  # how near below the requested epsilon the noise is fitted, as a part of it
ERROR = 0.01  # of the exact accountant's upper bound, at an epsilon of 1 and above
LEAST_NOISE, MOST_NOISE = 0.3, 1e6
SLACK = 1e-4  # more noise: gradients are cut and summed in single precision


def check_opacus() -> None:
    """UsageError where Opacus is missing."""
    try:
        import opacus.optimizers  # noqa: F401
    except ImportError:
        raise UsageError('model=dp_cvae needs an extra to be trained: pip install "gensynth[privacy]"') from None


def epsilon_spent(
    noise_multiplier: float, sampling_rate: float, steps: int, delta: float, accountant: str, error: float = ERROR
) -> float:
    """Epsilon at `delta` of `steps` Poisson-sampled Gaussian steps, under adding or removing one row; an upper bound.

    accountant  prv: Gopi et al., "Numerical composition of differential privacy" (NeurIPS 2021), within `error`
                rdp: Mironov et al., "Renyi differential privacy of the sampled Gaussian mechanism" (2019)
    """
    check_opacus()
    from opacus.accountants import create_accountant

    counted = create_accountant(mechanism=accountant)
    counted.history = [(noise_multiplier, sampling_rate, steps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # orders of Renyi divergence that could be better: the bound holds all the same
        return float(counted.get_epsilon(delta, **({} if accountant == "rdp" else {"eps_error": error})))


@cache
def fitted_noise(epsilon: float, delta: float, sampling_rate: float, steps: int, accountant: str) -> float:
    """The least noise multiplier, nearly, at which `steps` steps stay within (epsilon, delta).

    Every try of the exact accountant takes a part of a second, so the quick one narrows the range for it.
    """

    @cache
    def spent(noise_multiplier: float, accountant: str) -> float:
        return epsilon_spent(noise_multiplier, sampling_rate, steps, delta, accountant, ERROR * min(1.0, epsilon))

    quick = _least(epsilon, lambda noise: spent(noise, "rdp"), 1.0, 2.0)
    return quick if accountant == "rdp" else _least(epsilon, lambda noise: spent(noise, accountant), quick, 1.1)


def _least(epsilon: float, spent: Callable[[float], float], start: float, factor: float) -> float:
    """The noise at which `spent`, which falls with it, is a little below epsilon; from `start` in steps of a factor.

    Sought on logarithmic scales, where `spent` is nearly straight. UsageError where no noise is enough.
    """
    goal, high = (1 - TIGHT) * epsilon, start
    while spent(high) > goal:
        high *= factor
        if high > MOST_NOISE:
            raise UsageError(f"no noise is enough for model.epsilon={epsilon:g}: raise it or train for fewer samples")
    low = high / factor
    while spent(low) <= goal:
        low, high = low / factor, low
        if low < LEAST_NOISE:
            return high
    found = brentq(lambda log: math.log(spent(math.exp(log)) / goal), math.log(low), math.log(high), xtol=TIGHT / 10)
    return math.exp(found)


def row_gradients(bound: nn.Module, *rows: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Gradients of each row's own loss, (N, *shape) by name of the parameter, and what `bound` says beside it (N, ...).

    bound  batches of one row -> the loss of it, and numbers to log; every tensor of `rows` holds N rows
    Numbers that are not finite become 0: one row must not spoil the sum for all others.
    """
    parameters = {name: p.detach() for name, p in bound.named_parameters()}
    if not len(rows[0]):
        return {name: p.new_zeros(0, *p.shape) for name, p in parameters.items()}, rows[0].new_zeros(0, 2)

    def loss(parameters: dict[str, Tensor], *row: Tensor) -> tuple[Tensor, Tensor]:
        return functional_call(bound, parameters, tuple(part[None] for part in row))

    gradients, reported = vmap(grad(loss, has_aux=True), in_dims=(None, *(0 for _ in rows)))(parameters, *rows)
    return {name: g.nan_to_num(0.0, 0.0, 0.0) for name, g in gradients.items()}, reported


def private_optimizer(
    optimizer: torch.optim.Optimizer,
    noise_multiplier: float,
    max_grad_norm: float,
    batch_size: int,
    noise: Callable[[int], Tensor],
) -> DPOptimizer:
    """Opacus' optimiser around another: clips to C, adds s C x noise to the sum, divides by B, steps.

    noise  count -> standard normal numbers, float64 (count,); called once a step
    """
    check_opacus()
    from opacus.optimizers import DPOptimizer

    class SecretNoise(DPOptimizer):
        """Noise from a keyed stream: Opacus would take it from a generator with a seed of 32 bits."""

        def add_noise(self) -> None:
            scale = self.noise_multiplier * self.max_grad_norm * (1 + SLACK)
            drawn = noise(sum(p.numel() for p in self.params)).split([p.numel() for p in self.params])
            for p, part in zip(self.params, drawn, strict=True):
                noised = p.summed_grad.double() + scale * part.to(p.device).view_as(p)
                p.grad = noised.to(p.dtype)

    scales = {"noise_multiplier": noise_multiplier, "max_grad_norm": max_grad_norm}
    return SecretNoise(optimizer, expected_batch_size=batch_size, **scales)


def take_step(optimizer: DPOptimizer, bound: nn.Module, rows: tuple[Tensor, ...], at_once: int) -> Tensor:
    """One private step on rows (N, ...), `at_once` at a time; returns what `bound` reports of them (N, ...)."""
    parts = list(zip(*(tensor.split(at_once) for tensor in rows), strict=True)) or [rows]
    reported = []
    for number, part in enumerate(parts, start=1):
        gradients, values = row_gradients(bound, *part)
        for name, parameter in bound.named_parameters():
            parameter.grad_sample = gradients[name]  # type: ignore[attr-defined]
        optimizer.signal_skip_step(do_skip=number < len(parts))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        reported.append(values)
    return torch.cat(reported)


def rounded_up(epsilon: float) -> float:
    """Four decimals, never less than it was.

    >>> rounded_up(6.777395712)
    6.7774
    """
    return math.ceil(epsilon * 1e4) / 1e4
