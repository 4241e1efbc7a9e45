"""Parts of networks for tables: cells as vectors, heads of class logits, mixtures of scores, and draws from them.

Legend: N rows, D columns, K classes of a column, E width of a cell's embedding, W hidden units of a column, M mixture
components, F features of a score.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gensynth.models.generator import StepNoise
from gensynth.types import Block

SHARPEST = -4.5  # least log standard deviation of a component, in scores
FEATURES = 11
TEMPERATURE = 0.5  # of the softmax behind a straight-through draw


class CellEmbedding(nn.Module):
    """Cells (N, D, 2) -> (N, D, E): a vector for the class and, for numbers, a smooth function of the score."""

    offset: Tensor
    numeric: Tensor
    centres: Tensor

    def __init__(self, blocks: tuple[Block, ...], width: int) -> None:
        super().__init__()
        sizes = torch.tensor([b.size for b in blocks])
        self.sizes = sizes.tolist()
        self.starts, self.is_number = (torch.cumsum(sizes, 0) - sizes).tolist(), [b.kind == "number" for b in blocks]
        self.register_buffer("offset", torch.cumsum(sizes, 0) - sizes, persistent=False)
        self.register_buffer("numeric", torch.tensor([b.kind == "number" for b in blocks]), persistent=False)
        self.register_buffer("centres", torch.linspace(-2.4, 2.4, FEATURES - 2), persistent=False)
        self.levels = nn.Embedding(int(sizes.sum()), width)  # the name in saved weights
        self.shape = nn.Parameter(torch.randn(len(blocks), FEATURES, width) * FEATURES**-0.5)

    def between(self, cells: Tensor) -> Tensor:
        """Whether cells (N, D, 2) are numbers between spikes, (N, D)."""
        return (cells[..., 0] == 0) & self.numeric

    def forward(self, cells: Tensor) -> Tensor:
        e = self.levels(cells[..., 0].long() + self.offset)
        features = score_features(cells[..., 1], self.centres) * self.between(cells)[..., None]
        return e + torch.bmm(features.transpose(0, 1), self.shape).transpose(0, 1)

    def one(self, shares: Tensor, score: Tensor, column: int) -> Tensor:
        """The same for one column, given as one-hot (N, K) and score (N,): (N, E)."""
        first, size = self.starts[column], self.sizes[column]
        own = self.levels.weight[first : first + size]
        e = own if size == 1 and not torch.is_grad_enabled() else shares @ own
        if not self.is_number[column]:
            return e.expand(len(score), -1)
        return e + (score_features(score, self.centres) * shares[:, :1]) @ self.shape[column]


def score_features(score: Tensor, centres: Tensor) -> Tensor:
    """Score (...) -> (..., F): itself, itself squared, and bumps along the line."""
    bumps = torch.exp(-0.5 * ((score[..., None] - centres) / 0.6) ** 2)
    return torch.cat([score[..., None], 0.3 * score[..., None] ** 2, bumps], dim=-1)


class StripedProduct(torch.autograd.Function):
    """A lower triangular matrix (D, D) times (D, P), in stripes of rows, so that what lies above is not worked out."""

    generate_vmap_rule = True  # gradients of single rows, for differential privacy, go through it as well

    @staticmethod
    def forward(lower: Tensor, x: Tensor, size: int) -> Tensor:
        return torch.cat([lower[s, : s.stop] @ x[: s.stop] for s in _stripes(len(x), size)])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
        lower, x, ctx.size = inputs
        ctx.save_for_backward(lower, x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (lower, x), (upstream,) = ctx.saved_tensors, gradients
        stripes = _stripes(len(x), ctx.size)
        of_lower = [F.pad(upstream[s] @ x[: s.stop].T, (0, len(x) - s.stop)) for s in stripes]
        return torch.cat(of_lower), torch.cat([lower[s.start :, s].T @ upstream[s.start :] for s in stripes]), None


def _stripes(rows: int, size: int) -> list[slice]:
    return [slice(first, min(first + size, rows)) for first in range(0, rows, size)]


class Head(NamedTuple):
    """Class logits (N, K) of one column from its hidden units (N, W)."""

    weight: Tensor
    bias: Tensor

    def __call__(self, h: Tensor) -> Tensor:
        return F.linear(h, self.weight, self.bias)


class WideHeads(nn.Module):
    """The heads of many columns as one module: thousands of modules take longer to copy than to train."""

    def __init__(self, blocks: tuple[Block, ...], width: int) -> None:
        super().__init__()
        self.sizes = [block.size for block in blocks]
        self.weight = nn.Parameter(torch.zeros(sum(self.sizes), width))
        self.bias = nn.Parameter(torch.zeros(sum(self.sizes)))

    def __iter__(self) -> Iterator[Head]:
        return map(Head, self.weight.split(self.sizes), self.bias.split(self.sizes))


def narrow_heads(blocks: tuple[Block, ...], width: int) -> nn.ModuleList:
    heads = [nn.Linear(width, block.size) for block in blocks]
    for head in heads:
        nn.init.zeros_(head.weight)
    return nn.ModuleList(heads)


class Grown:
    """Tensors that come one after the other, seen as one: (those so far, *shape)."""

    def __init__(self, most: int) -> None:
        self._most, self._parts = most, list[Tensor]()
        self._filled: Tensor | None = None

    def append(self, one: Tensor) -> None:
        if torch.is_grad_enabled():  # a gradient bears no writing over
            self._parts.append(one)
            return
        if self._filled is None:
            self._filled = one.new_empty(self._most, *one.shape)
            self._count = 0
        self._filled[self._count] = one
        self._count += 1

    def between(self, first: int, stop: int) -> Tensor:
        return torch.stack(self._parts[first:stop]) if self._filled is None else self._filled[first:stop]


def straight_through(logits: Tensor, random: StepNoise) -> Tensor:
    """A draw (N, K), one-hot, whose gradient is that of its softmax at TEMPERATURE."""
    uniform = random.uniform(logits.shape[1]).clamp_min(1e-20)
    soft = F.softmax((logits - (-uniform.log()).clamp_min(1e-20).log()) / TEMPERATURE, dim=1)
    hard = F.one_hot(soft.argmax(1), logits.shape[1]).to(soft.dtype)
    return hard + soft - soft.detach()


def mixture_log_density(parameters: Tensor, score: Tensor) -> Tensor:
    """log p(score), (...), of a mixture of Gaussians given by (..., 3 M) weights, means, log standard deviations."""
    weight, mean, log_scale = parameters.chunk(3, dim=-1)
    log_scale = log_scale.clamp(SHARPEST, 2)
    inside = -0.5 * ((score[..., None] - mean) * torch.exp(-log_scale)) ** 2 - log_scale - 0.5 * math.log(2 * math.pi)
    return torch.logsumexp(F.log_softmax(weight, dim=-1) + inside, dim=-1)


def draw_cell(logits: Tensor, parameters: Tensor | None, u: Tensor, place: Tensor) -> Tensor:
    """A cell (N, 2): class by the uniform u (N,), score from the standard normal `place` (N,).

    What u leaves over after choosing the class chooses the component, so one uniform serves both.
    """
    if logits.shape[1] == 1:
        classes, share = torch.zeros_like(u, dtype=torch.long), torch.ones_like(u)
    else:
        shares = F.softmax(logits, dim=1)
        classes, share = (u[:, None] > shares.cumsum(dim=1)[:, :-1]).sum(dim=1), shares[:, 0]
    if parameters is None:
        return torch.stack([classes.to(u.dtype), place], dim=1)
    weight, mean, log_scale = parameters.chunk(3, dim=1)
    left_over = (u / share.clamp_min(1e-12)).clamp(max=1.0)  # class 0 comes first: u lies in its share
    component = (left_over[:, None] > F.softmax(weight, dim=1).cumsum(dim=1)[:, :-1]).sum(dim=1, keepdim=True)
    score = mean.gather(1, component)[:, 0] + log_scale.clamp(SHARPEST, 2).gather(1, component)[:, 0].exp() * place
    return torch.stack([classes.to(u.dtype), torch.where(classes == 0, score.clamp(-5, 5), place)], dim=1)
