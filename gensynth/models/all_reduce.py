"""What training on several processes adds to a step: means over all of them. Alone, everything here does nothing.

Each process works on its own part of one batch; gradients and the few statistics that a likelihood takes over a whole
batch are averaged, so the step is the one that a single process would take on the batch. Extra terms (`terms.py`)
compare the rows of a part only.
"""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn

from gensynth.errors import GensynthError


def several() -> bool:
    """Whether this process trains together with others."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


@torch.no_grad()
def mean_over_processes(value: Tensor) -> Tensor:
    """Mean of a tensor over all processes, without a gradient."""
    if not several():
        return value.detach()
    total = value.detach().clone()
    distributed.all_reduce(total)
    return total / distributed.get_world_size()


def shared_mean(value: Tensor) -> Tensor:
    """The mean over all processes with the gradient of the own part, which `average_gradients` then averages."""
    return value + (mean_over_processes(value) - value.detach()) if several() else value


@torch.no_grad()
def average_gradients(parameters: list[Tensor], loss: Tensor) -> Tensor:
    """Average the gradients in place, all in one message; returns the average loss."""
    if not several():
        return loss
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = mean_over_processes(torch.cat([loss.reshape(1), *(g.reshape(-1) for g in gradients)]))
    pieces = flat[1:].split([g.numel() for g in gradients])
    for gradient, piece in zip(gradients, pieces, strict=True):
        gradient.copy_(piece.view_as(gradient))
    return flat[0]


@torch.no_grad()
def check_same_weights(module: nn.Module) -> None:
    """GensynthError unless every process holds the same trainable weights, bit for bit."""
    if not several():
        return
    weights = torch.cat([p.double().reshape(-1) for p in module.parameters() if p.requires_grad])
    lowest, highest = weights.clone(), weights.clone()
    distributed.all_reduce(lowest, distributed.ReduceOp.MIN)
    distributed.all_reduce(highest, distributed.ReduceOp.MAX)
    if not torch.equal(lowest, highest):
        raise GensynthError("the processes ended with different weights; this is a fault of gensynth, please report it")
