"""Variation learned from common classes, given to the rows of rare ones.

A rare class holds few rows, and a generator draws no more from them than they show. What it lacks can be lent: a rare
row is encoded, the difference between two rows of a common class that looks alike is added to its latent, and the sum
is decoded as the rare class. Feature transfer for long tails: Yin et al., "Feature transfer learning for face
recognition with under-represented data" (CVPR 2019, section 3.2), here in the latent space of a conditional VAE.
"""

from __future__ import annotations

import json
from typing import Self

import numpy as np
import torch
from torch import Tensor

from gensynth import rng
from gensynth.errors import UsageError
from gensynth.samplers.image_transforms import ImageTransforms
from gensynth.samplers.parents import ClassRows
from gensynth.samplers.sampler import OfGenerator, new_rows
from gensynth.training.bundle import Bundle
from gensynth.types import AUGMENTED, SYNTHETIC, LabelledData, Schema

COMMON = 2  # times as many rows as the class itself: what a class must have to lend variation to it
ALIKE = 1.2  # times the spread of the borrowing class: how far off the lender's mean may lie
FEW_ROWS = 5  # below this a class's own spread says little
ENCODED_AT_ONCE = 512


class VariationTransfer(OfGenerator):
    """Rows with lent variation, among real rows of the class that are copied or moved a little.

    strength   factor of the latent difference that is added
    share      part of the rows that is made so; of the others every second one is moved, the rest are copies
    relatives  how many of the common classes that look most alike lend variation (see `donors`)
    """

    name = "variation"
    label_policy = "at_risk"
    deterministic = "per_row"
    modalities = ("image",)

    def __init__(
        self,
        strength: float,
        share: float,
        relatives: int,
        rotate_degrees: float,
        scale: float,
        shift: float,
        flip: bool,
    ) -> None:
        if not 0 < share <= 1:
            raise UsageError(f"sampler.share must lie above 0 and at most at 1, got {share}")
        self.strength, self.share, self.relatives = strength, share, relatives
        self._moved = ImageTransforms(rotate_degrees, scale, shift, flip)

    def check(self, schema: Schema, params: dict) -> None:
        if not params.get("warm_start", True):
            raise UsageError("sampler=variation needs an encoder, which model.warm_start=false does not train")

    def use(self, bundle: Bundle) -> Self:
        self._bundle = bundle
        return self

    def fit(self, train: LabelledData) -> Self:
        self._rows = ClassRows(train)
        x, y = self._bundle.codec.encode(train.x), torch.from_numpy(train.y)
        parts = zip(x.split(ENCODED_AT_ONCE), y.split(ENCODED_AT_ONCE), strict=True)
        self._codes = torch.cat([self._bundle.generator.encode(*part) for part in parts])
        self._donors = donors(x.flatten(1), train.y, train.counts(), self.relatives)
        return self

    def sample(self, labels: np.ndarray, seeds: np.ndarray) -> LabelledData:
        labels, seeds = np.asarray(labels, np.int64), np.asarray(seeds)
        kind = rng.uniform(seeds, 2, "variation kind")
        synthetic, moved = kind[:, 0] < self.share, kind[:, 1] < 0.5
        train, parents = self._rows.train, self._rows.parents(labels, seeds)
        x, params = train.x[parents], np.full(len(labels), '{"copy": true}', dtype=object)
        for where, change in ((synthetic, self._lend), (~synthetic & moved, self._moved.change)):
            if where.any():
                x[where], params[where] = change(x[where], labels[where], seeds[where])
        origin = np.where(synthetic, SYNTHETIC, AUGMENTED)
        return new_rows(x, labels, train.schema, origin=origin, parent=train.ids[parents], params=params)

    def _lend(self, x: np.ndarray, labels: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows with lent variation, and their parameters."""
        ids = self._rows.train.ids
        params = [
            json.dumps({"from": str(ids[a]), "to": str(ids[b]), "strength": self.strength})
            for a, b in zip(*self._steps(labels, seeds), strict=True)
        ]
        return self._bundle.codec.decode(self._bundle.generator.in_blocks(labels, seeds, self._vary)), np.array(params)

    def _steps(self, labels: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Two rows (N,) of one lending class for each row: their difference is what is lent."""
        draw = rng.uniform(seeds, 1, "variation lender")[:, 0]
        sizes = np.array([len(those) for those in self._donors])
        padded = np.array([(those * self.relatives)[: self.relatives] for those in self._donors])
        donor = padded[labels, (draw * sizes[labels]).astype(np.int64)]
        streams = (rng.child(0, "variation", side) for side in ("from", "to"))
        one, other = (self._rows.parents(donor, np.asarray(seeds, np.uint64) ^ np.uint64(s)) for s in streams)
        return one, other

    def _vary(self, labels: np.ndarray, seeds: np.ndarray) -> Tensor:
        one, other = self._steps(labels, seeds)
        z = self._codes[self._rows.parents(labels, seeds)] + self.strength * (self._codes[other] - self._codes[one])
        return self._bundle.generator.decode(z, torch.from_numpy(labels))


def donors(x: Tensor, y: np.ndarray, counts: np.ndarray, relatives: int) -> list[list[int]]:
    """For each class those that lend it variation: the `relatives` most alike of the common ones, or itself.

    A class is common if it has COMMON times the rows, and alike if its mean lies within ALIKE times the spread of the
    rows around their own mean (of classes with fewer than FEW_ROWS: the median spread): what varies in a class of
    another kind does not fit.

    x (N, P) rows, y (N,) labels, counts (K,)

    >>> x = torch.tensor([[0.0], [0.4], [5.0], [5.4], [0.1]])
    >>> donors(x, np.array([0, 0, 1, 1, 2]), np.array([2, 2, 1]), 1)
    [[0], [1], [0]]
    """
    present = [int(k) for k in np.flatnonzero(counts)]
    rows = {k: x[torch.from_numpy(y == k)] for k in present}
    means = {k: mine.mean(0) for k, mine in rows.items()}
    spreads = {k: float((mine - means[k]).square().sum(1).mean().sqrt()) for k, mine in rows.items()}
    typical = float(np.median([spreads[k] for k in present if counts[k] >= FEW_ROWS] or list(spreads.values())))
    chosen = []
    for k in range(len(counts)):
        reach = ALIKE * (spreads[k] if counts[k] >= FEW_ROWS else typical)
        apart = {
            c: float((means[c] - means[k]).norm()) for c in present if c != k and counts[c] >= COMMON * counts[k] > 0
        }
        near = sorted((c for c in apart if apart[c] <= reach), key=apart.__getitem__)
        chosen.append(near[:relatives] or [k])
    return chosen
