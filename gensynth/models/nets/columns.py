"""Networks for tables: cells are classes with a score inside the class (see `data/table.py`).

Decoder: columns one after the other, each given the ones before it, the latent and the label (masked layers as
in MADE, Germain et al., ICML 2015, so that training is one pass). A cell's class is a softmax; the score of a
number between spikes is a mixture of Gaussians (Bishop, "Mixture density networks", 1994). Cells are drawn,
never the most probable one taken, or rare levels would vanish.

Legend: N rows, D columns, K classes of a column, E width of a cell's embedding, H hidden width a column,
Z latent size, Y width of the class embedding, M mixture components.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gensynth.models.generator import TrainingRows
from gensynth.types import Block, Space

COMPONENTS = 8
SHARPEST = -4.5  # least log standard deviation of a component, in scores
TINY = -30.0


class Autoencoder(nn.Module):
    """Class embedding, encoder and decoder of tables; latents (N, Z)."""

    def __init__(self, space: Space, width: int, embedding: int = 16) -> None:
        super().__init__()
        columns = len(space.blocks)
        cell = 16 if columns <= 40 else 8 if columns <= 100 else 4
        width = width if columns <= 40 else width // 2 if columns <= 100 else width // 4
        self.latent = 16
        self.embed = nn.Embedding(space.num_classes, embedding)
        self.encoder = ColumnEncoder(space, width, self.latent, embedding, cell)
        self.decoder = ColumnDecoder(space, width, self.latent, embedding, cell)
        self.noise_size = self.decoder.noise_size

    def start_at(self, rows: TrainingRows) -> None:
        """Start the class heads at the log marginals of the rows."""
        self.decoder.start_at(rows.x)

    def encode(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return self.encoder(x, self.embed(labels))

    def nll(self, x: Tensor, z: Tensor, labels: Tensor) -> Tensor:
        """Negative log-likelihood a row, nats, averaged over rows (N, D, 2)."""
        return self.decoder.nll(z, self.embed(labels), x).sum(dim=1).mean()

    def draw(self, z: Tensor, labels: Tensor, noise: Tensor) -> Tensor:
        return self.decoder(z, self.embed(labels), noise)


class CellEmbedding(nn.Module):
    """Cells (N, D, 2) -> (N, D, E): a vector for the class and, for numbers, a smooth function of the score."""

    def __init__(self, blocks: tuple[Block, ...], width: int) -> None:
        super().__init__()
        sizes = torch.tensor([b.size for b in blocks])
        self.register_buffer("offset", torch.cumsum(sizes, 0) - sizes, persistent=False)
        self.register_buffer("numeric", torch.tensor([b.kind == "number" for b in blocks]), persistent=False)
        self.register_buffer("centres", torch.linspace(-2.4, 2.4, 9), persistent=False)
        self.levels = nn.Embedding(int(sizes.sum()), width)
        self.shape = nn.Parameter(torch.randn(len(blocks), 11, width) * 11**-0.5)

    def forward(self, cells: Tensor) -> Tensor:
        classes, score = cells[..., 0].long(), cells[..., 1]
        e = self.levels(classes + self.offset)
        between = ((classes == 0) & self.numeric).to(score.dtype)
        return e + torch.einsum("ndf,dfe->nde", _features(score, self.centres) * between[..., None], self.shape)

    def one(self, cells: Tensor, column: int) -> Tensor:
        """The same for one column: (N, 2) -> (N, E)."""
        classes, score = cells[:, 0].long(), cells[:, 1]
        e = self.levels(classes + self.offset[column])
        if not bool(self.numeric[column]):
            return e
        return e + (_features(score, self.centres) * (classes == 0)[:, None]) @ self.shape[column]


def _features(score: Tensor, centres: Tensor) -> Tensor:
    """Score (...) -> (..., 11): itself, itself squared, and bumps along the line."""
    bumps = torch.exp(-0.5 * ((score[..., None] - centres) / 0.6) ** 2)
    return torch.cat([score[..., None], 0.3 * score[..., None] ** 2, bumps], dim=-1)


class ColumnEncoder(nn.Module):
    """Cells (N, D, 2) and class embedding (N, Y) -> mean and log-variance, each (N, Z)."""

    def __init__(self, space: Space, width: int, latent: int, embedding: int, cell: int) -> None:
        super().__init__()
        self.cells = CellEmbedding(space.blocks, cell)
        self.body = nn.Sequential(
            nn.Linear(len(space.blocks) * cell + embedding, 2 * width),
            nn.SiLU(),
            nn.Linear(2 * width, 2 * width),
            nn.SiLU(),
        )
        self.head = nn.Linear(2 * width, 2 * latent)

    def forward(self, x: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(torch.cat([self.cells(x).flatten(1), e], dim=1))
        mean, log_variance = self.head(h).chunk(2, dim=1)
        return mean, log_variance.clamp(-8, 4)


class ColumnDecoder(nn.Module):
    """Latent (N, Z) and class embedding (N, Y) -> a distribution over rows of cells."""

    def __init__(self, space: Space, width: int, latent: int, embedding: int, cell: int) -> None:
        super().__init__()
        self.blocks, columns = space.blocks, len(space.blocks)
        self.width, self.cell = width, cell
        self.noise_size = 2 * columns
        self.cells = CellEmbedding(space.blocks, cell)
        self.condition = nn.Linear(latent + embedding, columns * width)
        self.context = nn.Parameter(torch.randn(columns * width, columns * cell) * (max(columns, 2) * cell / 2) ** -0.5)
        before = torch.ones(columns, columns).tril(-1)
        self.register_buffer("mask", before.repeat_interleave(width, 0).repeat_interleave(cell, 1), persistent=False)
        self.mix = nn.Parameter(torch.randn(columns, width, width) * 0.5 * width**-0.5)
        self.mix_bias = nn.Parameter(torch.zeros(columns, 1, width))
        self.heads = nn.ModuleList([nn.Linear(width, b.size) for b in space.blocks])
        self.numbers = [j for j, b in enumerate(space.blocks) if b.kind == "number"]
        self.place = nn.ModuleList([nn.Linear(width, 3 * COMPONENTS) for _ in self.numbers])
        for head in (*self.heads, *self.place):
            nn.init.zeros_(head.weight)
        for head in self.place:
            with torch.no_grad():
                head.bias.copy_(
                    torch.cat(
                        [
                            torch.zeros(COMPONENTS),
                            torch.linspace(-1.5, 1.5, COMPONENTS),
                            torch.full((COMPONENTS,), -0.7),
                        ]
                    )
                )

    @torch.no_grad()
    def start_at(self, x: Tensor) -> None:
        """Set the biases of the class heads to the log marginals of rows (N, D, 2)."""
        for j, head in enumerate(self.heads):
            counts = torch.bincount(x[:, j, 0].long(), minlength=self.blocks[j].size).to(x.dtype) + 0.5
            head.bias.copy_((counts / counts.sum()).log())

    def _hidden(self, first: Tensor, mix: Tensor, bias: Tensor) -> Tensor:
        """First layer (D, N, H) -> (D, N, H)."""
        h = F.silu(first)
        return F.silu(h + torch.baddbmm(bias, h, mix))

    def nll(self, z: Tensor, e: Tensor, x: Tensor) -> Tensor:
        """Negative log-likelihood of each cell, nats, (N, D)."""
        columns = len(self.blocks)
        first = F.linear(self.cells(x).flatten(1), self.context * self.mask) + self.condition(torch.cat([z, e], dim=1))
        h = self._hidden(first.unflatten(1, (columns, self.width)).transpose(0, 1), self.mix, self.mix_bias)
        classes = x[..., 0].long()
        losses = [F.cross_entropy(head(h[j]), classes[:, j], reduction="none") for j, head in enumerate(self.heads)]
        for head, j in zip(self.place, self.numbers, strict=True):
            inside = -mixture_log_density(head(h[j]), x[:, j, 1])
            losses[j] = losses[j] + torch.where(classes[:, j] == 0, inside, 0.0)
        return torch.stack(losses, dim=1)

    def forward(self, z: Tensor, e: Tensor, noise: Tensor) -> Tensor:
        """Rows (N, D, 2), drawn column by column; noise (N, 2 D) standard normal, one choice and one place a cell."""
        choice, place = torch.special.ndtr(noise).clamp(1e-6, 1 - 1e-6).chunk(2, dim=1)[0], noise.chunk(2, dim=1)[1]
        first = self.condition(torch.cat([z, e], dim=1)).unflatten(1, (len(self.blocks), self.width))
        first = first.transpose(0, 1).contiguous()
        context = self.context.unflatten(0, (len(self.blocks), self.width)).unflatten(2, (len(self.blocks), self.cell))
        out = torch.zeros(len(z), len(self.blocks), 2, device=z.device)
        places = {j: head for j, head in zip(self.numbers, self.place, strict=True)}
        for j, head in enumerate(self.heads):
            h = self._hidden(first[j : j + 1], self.mix[j : j + 1], self.mix_bias[j : j + 1])[0]
            out[:, j] = draw_cell(head(h), places[j](h) if j in places else None, choice[:, j], place[:, j])
            if j + 1 < len(self.blocks):
                first[j + 1 :] += torch.einsum("ne,dhe->dnh", self.cells.one(out[:, j], j), context[j + 1 :, :, j])
        return out


def mixture_log_density(parameters: Tensor, score: Tensor) -> Tensor:
    """log p(score), (N,), of a mixture of Gaussians given by (N, 3 M) weights, means, log deviations."""
    weight, mean, log_scale = parameters.chunk(3, dim=1)
    log_scale = log_scale.clamp(SHARPEST, 2)
    inside = -0.5 * ((score[:, None] - mean) * torch.exp(-log_scale)) ** 2 - log_scale - 0.5 * math.log(2 * math.pi)
    return torch.logsumexp(F.log_softmax(weight, dim=1) + inside, dim=1)


def draw_cell(logits: Tensor, parameters: Tensor | None, u: Tensor, place: Tensor) -> Tensor:
    """A cell (N, 2): class by the uniform u (N,), score from the standard normal `place` (N,).

    What u leaves over after choosing the class chooses the component, so one uniform serves both.
    """
    shares = F.softmax(logits, dim=1)
    upper = shares.cumsum(dim=1)
    classes = (u[:, None] > upper[:, :-1]).sum(dim=1)
    if parameters is None:
        return torch.stack([classes.to(u.dtype), place], dim=1)
    weight, mean, log_scale = parameters.chunk(3, dim=1)
    left_over = (u / shares[:, 0].clamp_min(1e-12)).clamp(max=1.0)  # class 0 comes first: u lies in its share
    component = (left_over[:, None] > F.softmax(weight, dim=1).cumsum(dim=1)[:, :-1]).sum(dim=1, keepdim=True)
    score = mean.gather(1, component)[:, 0] + log_scale.clamp(SHARPEST, 2).gather(1, component)[:, 0].exp() * place
    return torch.stack([classes.to(u.dtype), torch.where(classes == 0, score.clamp(-5, 5), place)], dim=1)
