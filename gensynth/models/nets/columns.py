"""Networks for tables: cells are classes with a score inside the class (see `data/table.py`).

Decoder: columns one after the other, each given the ones before it, the latent and the label. One hidden state is
shared by all columns and grows by what each new cell adds, as in NADE (Uria et al., "RNADE", NeurIPS 2013), so that
training is one pass and weights are few. A cell's class is a softmax; the score of a number between spikes is a
mixture of Gaussians (Bishop, "Mixture density networks", 1994) whose means also follow the scores before it
linearly. Cells are drawn, never the most probable one taken, or rare categories would vanish.

Legend: N rows, D columns, K classes of a column, E width of a cell's embedding, H shared hidden units, W hidden
units of a column, Z latent size, Y width of the class embedding, M mixture components, F features of a score,
P numbers that a discriminator sees of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gensynth.models import nets
from gensynth.models.generator import StepNoise, TrainingRows
from gensynth.models.nets._cells import (
    FEATURES,
    SHARPEST,
    CellEmbedding,
    Grown,
    Head,
    StripedProduct,
    WideHeads,
    draw_cell,
    mixture_log_density,
    narrow_heads,
    score_features,
    straight_through,
)
from gensynth.types import Space

COMPONENTS = 8
DROPOUT = 0.1  # part of the cells' embeddings that a training pass does not see
PACK = 8  # rows that the discriminator sees together
WIDE_BLOCK = 256  # rows of a wide table that are drawn together
WIDE = 150  # columns above which tables take less for each: what grows with their square is shared and cut in stripes
STRIPE = 128  # columns of a wide table whose states are worked out together
WIDE_CELLS = 2**15  # of a wide table in one pass of training


class Autoencoder(nets.Autoencoder):
    """Class embedding, encoder and decoder of tables; latents (N, Z)."""

    block = 1024  # a pass has many small steps
    decoder: ColumnDecoder

    def __init__(self, space: Space, width: int, embedding: int = 16) -> None:
        super().__init__()
        columns = len(space.blocks)
        cell = 16 if columns <= 100 else 8
        width = width if columns <= 50 else width // 2 if columns <= WIDE else width // 4
        if columns > WIDE:
            self.most_rows = max(1, WIDE_CELLS // columns)
            self.block = WIDE_BLOCK
        self.latent = 16
        self.embed = nn.Embedding(space.num_classes, embedding)
        self.encoder = ColumnEncoder(space, width, self.latent, embedding, cell)
        self.decoder = ColumnDecoder(space, width, self.latent, embedding, cell)
        self.noise_size = self.decoder.noise_size

    def start_at(self, rows: TrainingRows) -> None:
        """Start the class heads at the log marginals of the rows."""
        self.decoder.start_at(rows.x)

    def nll(self, x: Tensor, z: Tensor, labels: Tensor, kept: Tensor | float = 1.0) -> Tensor:
        """Negative log-likelihood a row, nats, averaged over rows (N, D, 2)."""
        return self.decoder.nll(z, self.embed(labels), x, kept).sum(dim=1).mean()

    def loss(self, x: Tensor, z: Tensor, labels: Tensor, random: StepNoise) -> Tensor:
        """The same where a part of what columns see of each other is left out at random."""
        kept = random.uniform(x.shape[1], 1 if self.decoder.wide else self.decoder.cell) >= DROPOUT
        return self.nll(x, z, labels, kept / (1 - DROPOUT))

    def draw(self, z: Tensor, labels: Tensor, noise: Tensor) -> Tensor:
        return self.decoder(z, self.embed(labels), noise)


class ColumnEncoder(nn.Module):
    """Cells (N, D, 2) and class embedding (N, Y) -> mean and log-variance, each (N, Z)."""

    def __init__(self, space: Space, width: int, latent: int, embedding: int, cell: int) -> None:
        super().__init__()
        self.cells = CellEmbedding(space.blocks, cell)
        first = nn.Linear(len(space.blocks) * cell + embedding, 2 * width)
        self.body = nn.Sequential(first, nn.SiLU(), nn.Linear(2 * width, 2 * width), nn.SiLU())
        self.head = nn.Linear(2 * width, 2 * latent)

    def forward(self, x: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(torch.cat([self.cells(x).flatten(1), e], dim=1))
        mean, log_variance = self.head(h).chunk(2, dim=1)
        return mean, log_variance.clamp(-8, 4)


# What draws a cell from its class logits (N, K) and, for numbers, its mixture (N, 3 M): one-hot (N, K), score (N,).
Pick = Callable[[int, Tensor, Tensor | None], tuple[Tensor, Tensor]]


class ColumnDecoder(nets.Decoder):
    """Latent (N, Z) and class embedding (N, Y) -> a distribution over rows of cells."""

    before: Tensor

    def __init__(self, space: Space, width: int, latent: int, embedding: int, cell: int) -> None:
        super().__init__()
        columns, hidden = len(space.blocks), 2 * width
        self.blocks, self.width, self.cell = space.blocks, width, cell
        self.noise_size = 2 * columns
        self.numbers = [j for j, b in enumerate(space.blocks) if b.kind == "number"]
        self._number_at = {column: i for i, column in enumerate(self.numbers)}
        self.cells = CellEmbedding(space.blocks, cell)
        self.begin = nn.Linear(latent + embedding, hidden)
        self.add = nn.Parameter(torch.randn(columns, cell, hidden) * cell**-0.5)
        self.weigh = nn.Parameter(torch.arange(1, columns + 1).rsqrt()[:, None].repeat(1, columns))
        self.register_buffer("before", torch.ones(columns, columns).tril(-1), persistent=False)
        self.condition = nn.Linear(latent + embedding, columns * width)
        self.first = nn.Parameter(torch.randn(columns, hidden, width) * hidden**-0.5)
        self.mix = nn.Parameter(torch.randn(columns, width, width) * 0.5 * width**-0.5)
        self.mix_bias = nn.Parameter(torch.zeros(columns, 1, width))
        self.wide = columns > WIDE
        self.heads = WideHeads(space.blocks, width) if self.wide else narrow_heads(space.blocks, width)
        start = [torch.zeros(COMPONENTS), torch.linspace(-1.5, 1.5, COMPONENTS), torch.full((COMPONENTS,), -0.7)]
        self.place = nn.Parameter(torch.zeros(len(self.numbers), width, 3 * COMPONENTS))
        self.place_bias = nn.Parameter(torch.cat(start).repeat(len(self.numbers), 1, 1))
        self.follow = nn.Parameter(torch.zeros(len(self.numbers), columns, 1 if self.wide else COMPONENTS))

    @torch.no_grad()
    def start_at(self, x: Tensor) -> None:
        """Set the biases of the class heads to the log marginals of rows (N, D, 2)."""
        for j, head in enumerate(self._each_head()):
            counts = torch.bincount(x[:, j, 0].long(), minlength=self.blocks[j].size).to(x.dtype) + 0.5
            head.bias.copy_((counts / counts.sum()).log())

    def _each_head(self) -> Iterator[Head]:
        if isinstance(self.heads, WideHeads):
            return iter(self.heads)
        return (Head(head.weight, head.bias) for head in cast(Iterable[nn.Linear], self.heads))

    def _conditions(self, z: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
        """Start of the shared state (N, H) and what each column adds to it, (D, N, W)."""
        context = torch.cat([z, e], dim=1)
        own = self.condition(context).unflatten(1, (len(self.blocks), self.width))
        return self.begin(context), own.transpose(0, 1)

    def _hidden(self, state: Tensor, own: Tensor, columns: slice) -> Tensor:
        """Shared state (C, N, H) at C columns -> (C, N, W)."""
        h = F.silu(torch.baddbmm(own, F.silu(state), self.first[columns]))
        return F.silu(h + torch.baddbmm(self.mix_bias[columns], h, self.mix[columns]))

    def nll(self, z: Tensor, e: Tensor, x: Tensor, kept: Tensor | float = 1.0) -> Tensor:
        """Negative log-likelihood of each cell, nats, (N, D); `kept` multiplies the embedded cells (N, D, E)."""
        begin, own = self._conditions(z, e)
        added = torch.bmm((self.cells(x) * kept).transpose(0, 1), self.add)
        state = self._state(added) + begin
        h = self._hidden(state, own, slice(None))
        classes = x[..., 0].long()
        chosen = [(j, head) for j, head in enumerate(self._each_head()) if self.blocks[j].size > 1]
        losses = h.new_zeros(h.shape[:2])
        if chosen:
            entropies = [F.cross_entropy(head(h[j]), classes[:, j], reduction="none") for j, head in chosen]
            losses = losses.index_add(0, torch.tensor([j for j, _ in chosen], device=x.device), torch.stack(entropies))
        if self.numbers:
            between = self.cells.between(x)
            inside = torch.where(between[:, self.numbers].T, self._inside(h, x[..., 1], between), 0.0)
            losses = losses.index_add(0, torch.tensor(self.numbers, device=x.device), inside)
        return losses.T.contiguous()

    def _state(self, added: Tensor) -> Tensor:
        """What all columns (D, N, H) have added to the state before each, (D, N, H)."""
        weigh, flat = self.weigh * self.before, added.flatten(1)
        product: Tensor = StripedProduct.apply(weigh, flat, STRIPE) if self.wide else weigh @ flat
        return product.view_as(added)

    def row_nll(self, z: Tensor, e: Tensor, x: Tensor) -> Tensor:
        """Negative log-likelihood (N,) of rows (N, D, 2), nats."""
        return self.nll(z, e, x).sum(dim=1)

    def _inside(self, h: Tensor, scores: Tensor, between: Tensor) -> Tensor:
        """Negative log density of the scores (N, D) of number columns, from hidden units (D, N, W): (numbers, N)."""
        places = torch.baddbmm(self.place_bias, h[self.numbers], self.place)
        weight, mean, log_scale = places.chunk(3, dim=2)
        follow = self.follow * self.before[self.numbers][..., None]
        if self.wide:
            mean = mean + ((scores * between) @ follow[..., 0].T).T[..., None]
        else:
            mean = mean + (scores * between) @ follow
        return -mixture_log_density(torch.cat([weight, mean, log_scale], dim=2), scores[:, self.numbers].T)

    def _unroll(self, z: Tensor, e: Tensor, pick: Pick) -> list[tuple[Tensor, Tensor]]:
        """Pick the cells of all columns in turn, each given the ones before: (one-hot (N, K), score (N,)) each."""
        begin, own = self._conditions(z, e)
        weigh = self.weigh * self.before
        cells: list[tuple[Tensor, Tensor]] = []
        scores, added = (Grown(len(self.blocks)) for _ in range(2))
        base, first = begin, 0  # the state that columns before `first` have left to those of a stripe
        for j, head in enumerate(self._each_head()):
            if self.wide and j and j % STRIPE == 0:
                stripe = torch.tensordot(weigh[j : j + STRIPE, :j], added.between(0, j), 1)
                first = j
            if first:
                base = begin + stripe[j - first]
            state = base + torch.tensordot(weigh[j, first:j], added.between(first, j), 1) if j > first else base
            h = self._hidden(state[None], own[j : j + 1], slice(j, j + 1))[0]
            shares, score = pick(j, head(h), self._place(j, h, scores))
            cells.append((shares, score))
            added.append(self.cells.one(shares, score, j) @ self.add[j])
            scores.append(score * shares[:, 0] if j in self._number_at else torch.zeros_like(score))
        return cells

    def _place(self, column: int, h: Tensor, scores: Grown) -> Tensor | None:
        """The mixture (N, 3 M) of a number column, given the scores of the columns before."""
        if column not in self._number_at:
            return None
        i = self._number_at[column]
        weight, mean, log_scale = (h @ self.place[i] + self.place_bias[i]).chunk(3, dim=1)
        if column:
            known = scores.between(0, column).T
            mean = mean + (known if self.wide else known.contiguous()) @ self.follow[i, :column]
        return torch.cat([weight, mean, log_scale], dim=1)

    def forward(self, z: Tensor, e: Tensor, noise: Tensor) -> Tensor:
        """Rows (N, D, 2), drawn column by column; noise (N, 2 D) standard normal, one choice and one place a cell."""
        choice, place = noise.chunk(2, dim=1)
        choice = torch.special.ndtr(choice).clamp(1e-6, 1 - 1e-6)
        drawn = []

        def pick(column: int, logits: Tensor, mixture: Tensor | None) -> tuple[Tensor, Tensor]:
            drawn.append(draw_cell(logits, mixture, choice[:, column], place[:, column]))
            return F.one_hot(drawn[-1][:, 0].long(), logits.shape[1]).to(logits.dtype), drawn[-1][:, 1]

        self._unroll(z, e, pick)
        return torch.stack(drawn, dim=1)

    def imitate(self, z: Tensor, e: Tensor, random: StepNoise) -> Tensor:
        """Rows as a discriminator sees them, (N, P), drawn with a gradient: straight-through Gumbel-softmax (Jang et
        al., "Categorical reparameterization with Gumbel-softmax", ICLR 2017, section 2.2)."""

        def pick(column: int, logits: Tensor, mixture: Tensor | None) -> tuple[Tensor, Tensor]:
            shares = straight_through(logits, random)
            if mixture is None:
                return shares, torch.zeros_like(logits[:, 0])
            weight, mean, log_scale = mixture.chunk(3, dim=1)
            component = straight_through(weight, random)
            spread = (component * log_scale.clamp(SHARPEST, 2)).sum(1).exp()
            noise = random.normal()
            return shares, ((component * mean).sum(1) + spread * noise).clamp(-5, 5)

        cells = self._unroll(z, e, pick)
        features = [score_features(cells[j][1], self.cells.centres) * cells[j][0][:, :1] for j in self.numbers]
        return torch.cat([*(shares for shares, _ in cells), *features], dim=1)

    def seen(self, x: Tensor) -> Tensor:
        """What a discriminator sees of rows (N, D, 2): one-hot classes and features of the scores, (N, P)."""
        total = sum(self.cells.sizes)
        classes = torch.zeros(len(x), total, device=x.device).scatter_(1, x[..., 0].long() + self.cells.offset, 1.0)
        features = score_features(x[..., 1], self.cells.centres) * self.cells.between(x)[..., None]
        return torch.cat([classes, features[:, self.numbers].flatten(1)], dim=1)

    def tie(self, real: Tensor, fake: Tensor, x: Tensor, z: Tensor, e: Tensor) -> Tensor:
        """Negative log-likelihood of the real rows x (N, D, 2) that the latents belong to, nats a cell."""
        return self.nll(z, e, x).mean()


class Discriminator(nets.Discriminator):
    """What is seen of rows (N, P) and labels (N,) -> a logit for each pack of PACK rows, (N / PACK,).

    Rows of a pack are seen together, so that a lack of variety shows (Lin et al., "PacGAN", NeurIPS 2018); what a
    pack adds to its rows is the mean and spread of their features. Labels enter by projection, row by row (Miyato &
    Koyama, "cGANs with projection discriminator", ICLR 2018, eq. 3). No normalisation.
    """

    rows_a_logit = PACK

    def __init__(self, space: Space, width: int, depth: int) -> None:
        super().__init__()
        numbers = sum(b.kind == "number" for b in space.blocks)
        self.enter = nn.Linear(sum(b.size for b in space.blocks) + FEATURES * numbers, width)
        self.embed = nn.Embedding(space.num_classes, width)
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.pack = nn.Sequential(nn.Linear(2 * width, width), nn.LeakyReLU(0.2), nn.Linear(width, 1))
        self.project = nn.Embedding(space.num_classes, width)
        nn.init.normal_(self.project.weight, std=width**-0.5)

    def features(self, x: Tensor, labels: Tensor) -> Tensor:
        """Features (N, width) of rows."""
        h = F.leaky_relu(self.enter(x) + self.embed(labels), 0.2)
        for layer in self.layers:
            h = F.leaky_relu(h + layer(h), 0.2)
        return h

    def discriminate(self, features: Tensor, labels: Tensor) -> Tensor:
        """Logits (N / PACK,) from features; ValueError where N does not divide into packs."""
        if len(features) % PACK:
            raise ValueError(f"expected whole packs of {PACK} rows, got {len(features)} rows")
        packs = features.unflatten(0, (-1, PACK))
        spread = (packs.var(dim=1, correction=0) + 1e-6).sqrt()
        projected = (features * self.project(labels)).sum(1).unflatten(0, (-1, PACK)).mean(1)
        return self.pack(torch.cat([packs.mean(1), spread], dim=1))[:, 0] + projected
