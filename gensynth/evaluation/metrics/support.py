"""Do two sets of features lie where each other lie: precision, recall, density, coverage, their clipped forms.

Every comparison of a distance with a radius is exact (see `neighbours.py`): exact ties are ties, and the answers
are those of a plain double loop for any chunk size. Cost O(N M D) time and O(chunk * max(N, M)) memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import betaln, gammaln
from torch import Tensor

from gensynth.evaluation.metrics.metric import FeaturePair, Metric
from gensynth.neighbours import Pair, check_features, nearest_squared, pair_distances, row_chunks

# Where more pairs than this share of a chunk stay open, the chunk's bounds are taken in float64.
MOST_OPEN = 0.001
REALISM_LIMIT = 100.0


@dataclass(frozen=True)
class Membership:
    """Which rows lie in which balls, strict <. The ball of a row reaches to its k-th neighbour in its own set.

    balls_per_fake    int64 (M,), real balls that hold the fake row; clipped_*: of balls cut at the median radius
    fakes_per_ball    int64 (N,), fake rows in the ball of the real row
    recalled          bool (N,), whether the real row lies in a ball of a fake row
    real              the real rows (N, D); left_out_radii: squared (N,), of their balls without one row inside, cut
    """

    k: int
    balls_per_fake: np.ndarray
    clipped_balls_per_fake: np.ndarray
    fakes_per_ball: np.ndarray
    recalled: np.ndarray
    real: np.ndarray
    left_out_radii: Tensor

    def prdc(self) -> dict[str, float]:
        """precision, recall, density, coverage; see `prdc`."""
        return {
            "precision": float((self.balls_per_fake > 0).mean()),
            "recall": float(self.recalled.mean()),
            "density": float(self.balls_per_fake.sum() / (self.k * len(self.balls_per_fake))),
            "coverage": float((self.fakes_per_ball > 0).mean()),
        }

    def clipped(self) -> dict[str, float]:
        """clipped_density and clipped_coverage; see the classes of these names."""
        n, m, k = len(self.fakes_per_ball), len(self.balls_per_fake), self.k
        of_reals = -(self.left_out_radii > 0).numpy().astype(np.int64)  # every row lies in its own ball: not counted
        for _, (inside,) in _memberships(self.real, self.real, [self.left_out_radii], None, 2048):
            of_reals += inside.sum(dim=0).numpy()
        best = np.minimum(of_reals / k, 1.0).mean()
        density = np.minimum(self.clipped_balls_per_fake / k, 1.0).mean() / best if best > 0 else 0.0
        covered = np.minimum(self.fakes_per_ball / k, 1.0).mean()
        share = np.interp(covered, expected_clipped_coverage(n, m, k), np.arange(m + 1) / m)
        return {"clipped_density": float(min(density, 1.0)), "clipped_coverage": float(share)}


def membership(*, real: np.ndarray, fake: np.ndarray, k: int = 5, chunk: int = 2048) -> Membership:
    """Everything that the scores of this file need.

    ValueError for fewer than k + 1 rows on a side, unequal D or values that are not finite.
    """
    check_features(real, fake, at_least=k + 1)
    radii, next_radii = squared_radii(real, k, chunk, also_next=True)
    fake_radii = squared_radii(fake, k, chunk)[0]
    clipped_radii = torch.minimum(radii, radii.median())
    left_out_radii = torch.minimum(next_radii, radii.median())
    per_fake, clipped_per_fake = (np.zeros(len(fake), dtype=np.int64) for _ in range(2))
    # Filled in place: small results kept from every chunk would hold the memory of its tables.
    per_ball, recalled = np.zeros(len(real), dtype=np.int64), np.zeros(len(real), dtype=bool)
    for part, (inside, clipped, inside_fake) in _memberships(real, fake, [radii, clipped_radii], fake_radii, chunk):
        per_fake += inside.sum(dim=0).numpy()
        clipped_per_fake += clipped.sum(dim=0).numpy()
        per_ball[part], recalled[part] = inside.sum(dim=1).numpy(), inside_fake.any(dim=1).numpy()
    return Membership(k, per_fake, clipped_per_fake, per_ball, recalled, real, left_out_radii)


def prdc(*, real: np.ndarray, fake: np.ndarray, k: int = 5, chunk: int = 2048) -> dict[str, float]:
    """Precision, recall, density and coverage of fake (M, D) against real (N, D), Euclidean, strict <.

    precision  share of fakes inside any real ball          recall    share of reals inside any fake ball
    density    real balls a fake lies in, over k, averaged  coverage  share of real balls that hold a fake
    Kynkaanniemi et al., "Improved precision and recall metric", 2019, section 3 (precision, recall) and
    Naeem et al., "Reliable fidelity and diversity metrics", 2020, section 3 (density, coverage). The ball of
    a row reaches to its k-th neighbour in its own set, without the border. For equal distributions density is 1
    in the mean and coverage `expected_coverage`; density has no upper bound, coverage nears 1 as M grows.
    ValueError for fewer than k + 1 rows on a side, unequal D or values that are not finite.

    >>> scores = prdc(real=np.array([[0.0], [1.0], [2.0]]), fake=np.array([[0.5], [9.0], [10.0]]), k=1)
    >>> {name: round(value, 3) for name, value in scores.items()}
    {'precision': 0.333, 'recall': 1.0, 'density': 0.667, 'coverage': 0.667}
    """
    return membership(real=real, fake=fake, k=k, chunk=chunk).prdc()


def expected_clipped_coverage(n: int, m: int, k: int) -> np.ndarray:
    """Mean of min(k, fakes in a ball) / k for 0 ... m good fakes against n reals, float64 (m + 1,).

    A ball holds a share of the distribution that is Beta(k, n - k), so the number inside is beta-binomial and
    E min(k, B) = sum_{t < k} P(B > t): O(k m), no table over all numbers.

    >>> expected_clipped_coverage(200, 200, 1)[-1].round(4) == round(expected_coverage(200, 200, 1), 4)
    np.True_
    """
    good = np.arange(m + 1, dtype=np.float64)[:, None]
    inside = np.arange(k, dtype=np.float64)[None, :]
    possible = inside <= good
    ways = gammaln(good + 1) - gammaln(inside + 1) - gammaln(np.where(possible, good - inside, 0.0) + 1)
    log_share = ways + betaln(inside + k, np.where(possible, good - inside, 0.0) + n - k) - betaln(k, n - k)
    at_most = np.cumsum(np.where(possible, np.exp(log_share), 0.0), axis=1)
    return (1.0 - at_most).clip(0.0, 1.0).mean(axis=1)


def expected_coverage(n: int, m: int, k: int) -> float:
    """Mean coverage when n real and m fake rows come from one continuous distribution of any dimension.

    A ball misses all m fakes if the k nearest of the n - 1 + m other rows are all real.

    >>> round(expected_coverage(200, 200, 5), 5), round(expected_coverage(500, 250, 5), 4)
    (0.96992, 0.8696)
    """
    i = np.arange(1, k + 1)
    return float(1.0 - np.prod((n - i) / (n + m - i)))


def realism(*, real: np.ndarray, fake: np.ndarray, k: int = 5, chunk: int = 2048) -> np.ndarray:
    """How real each fake row looks, float64 (M,): the largest ratio of a ball's radius to its distance.

    Kynkaanniemi et al. 2019, section 5, equation 3: at least 1 inside a ball, towards 0 far from all; balls larger
    than the median are left out, since those lie where real rows are rare. At most 100, which an exact copy has.

    >>> realism(real=np.array([[0.0], [1.0], [2.0]]), fake=np.array([[1.5], [4.0]]), k=1)
    array([2. , 0.5])
    """
    check_features(real, fake, at_least=1)
    radii = squared_radii(real, k, chunk)[0]
    kept = torch.nonzero(radii <= radii.median())[:, 0]
    best = torch.zeros(len(fake), dtype=torch.float64)
    of_best = torch.zeros(len(fake), dtype=torch.int64)
    pair = Pair.of(real, fake)
    for rows in kept.split(max(1, (1 << 22) // max(len(fake), 1))):
        table = pair.lower(rows).add_(pair.gap(rows), alpha=0.5).clamp_(min=1e-30)
        ratio, at = ((radii[rows] / pair.unit).to(table.dtype)[:, None] / table).max(dim=0)
        better = ratio.double() > best
        best, of_best = torch.where(better, ratio.double(), best), torch.where(better, rows[at], of_best)
    exact = pair_distances(pair.rows, pair.others, of_best, torch.arange(len(fake)))
    ratio = radii[of_best] / exact.clamp(min=1e-300)
    return ratio.sqrt().clamp(max=REALISM_LIMIT).numpy()


def squared_radii(x: np.ndarray, k: int, chunk: int = 2048, also_next: bool = False) -> list[Tensor]:
    """Squared distances (N,) of each row to its k-th neighbour among the others; also to the next one, if there is."""
    wanted = min(k + also_next, len(x) - 1)
    squared, _ = nearest_squared(x, x, wanted, exclude_self=True, chunk=chunk)
    return [torch.from_numpy(squared[:, min(j, wanted) - 1].copy()) for j in range(k, k + 1 + also_next)]


def _memberships(
    rows: np.ndarray, others: np.ndarray, radii: list[Tensor], other_radii: Tensor | None, chunk: int
) -> Iterator[tuple[slice, list[Tensor]]]:
    """Per chunk of rows, the chunk and bool (n, M): other j lies in the ball of row i, for each list of radii; last,
    row i lies in the ball of other j (left out without `other_radii`)."""
    pair = Pair.of(rows, others)
    for part in row_chunks(len(rows), len(others), chunk):
        limits = [r[part][:, None] for r in radii] + ([] if other_radii is None else [other_radii[None, :]])
        decided, unsure = _compared(pair, part, limits)
        if unsure.sum() > MOST_OPEN * unsure.numel():
            decided, unsure = _compared(pair.in_double, part, limits)
        i, j = unsure.nonzero(as_tuple=True)
        if len(i):
            exact = pair_distances(pair.rows, pair.others, i + part.start, j)
            for inside, limit in zip(decided, limits, strict=True):
                inside[i, j] = exact < limit.expand(unsure.shape)[i, j]
        yield part, decided


def _compared(pair: Pair, part: slice, limits: list[Tensor]) -> tuple[list[Tensor], Tensor]:
    """Whether distances lie below each limit by their upper bounds, and which pairs the lower bounds leave open."""
    table = pair.lower(part)
    # A ball of radius 0, as of repeated rows, holds nothing; its rows at distance 0 need no second look.
    cut = [torch.where(limit > 0, limit / pair.unit, -torch.inf).to(table.dtype) for limit in limits]
    possible = [table < limit for limit in cut]
    table.add_(pair.gap(part))
    decided = [table < limit for limit in cut]
    unsure = torch.zeros_like(decided[0])
    for sure, maybe in zip(decided, possible, strict=True):
        unsure |= sure ^ maybe
    return decided, unsure


class Support(Metric):
    """A metric of which rows lie in which balls; all of one k share the work."""

    lower_is_better, bounds, ideal, proportion = False, (0.0, 1.0), 1.0, True

    def __init__(self, k: int = 5, seed: int = 0) -> None:
        super().__init__(seed)
        self.k = k

    def rows_needed(self, dims: int) -> int:
        return self.k + 1

    def score(self, pair: FeaturePair) -> float:
        return self.prdc(pair)[self.name]

    def prdc(self, pair: FeaturePair) -> dict[str, float]:
        return pair.once(("prdc", self.k), self._balls(pair).prdc)

    def clipped(self, pair: FeaturePair) -> dict[str, float]:
        return pair.once(("clipped", self.k), self._balls(pair).clipped)

    def _balls(self, pair: FeaturePair) -> Membership:
        return pair.once(("membership", self.k), lambda: membership(real=pair.real, fake=pair.fake, k=self.k))


class Precision(Support):
    """Share of fakes inside any real ball; see `prdc`."""

    name, place = "precision", 20


class Recall(Support):
    """Share of reals inside any fake ball; see `prdc`."""

    name, place = "recall", 21


class Density(Support):
    """Real balls that a fake row lies in, over k, averaged; see `prdc`."""

    name, bounds, proportion = "density", (0.0, math.inf), False
    known, headline, place = 1.0, False, 22


class Coverage(Support):
    """Share of real balls that hold a fake row; see `prdc`."""

    name, place = "coverage", 23

    def closed_form(self, pair: FeaturePair) -> float | None:
        return expected_coverage(len(pair.real), len(pair.fake), self.k)


class ClippedDensity(Support):
    """How close fakes lie to reals, in [0, 1]: about the share of good rows, whatever the others do.

    Salvy et al., "Enhanced generative model evaluation with clipped density and coverage", 2025, section 4: the
    balls are cut at the median radius, a fake row counts at most once (k balls), and the mean is divided by that
    of the real rows, and cut at 1. Here a real row is looked up in balls that were drawn without it (they reach
    to the next neighbour), as a fake row is, so that a perfect generator scores 1 in the mean before the cut.
    """

    name, headline, place = "clipped_density", False, 24

    def score(self, pair: FeaturePair) -> float:
        return self.clipped(pair)[self.name]


class ClippedCoverage(ClippedDensity):
    """How much of the real rows fakes cover, in [0, 1]: reads as the share of fakes that are good.

    Salvy et al. 2025, section 4: mean over real balls of min(k, fakes inside) / k, mapped back through what m
    good rows would reach (`expected_clipped_coverage`), so half junk scores about 0.5.
    """

    name, place = "clipped_coverage", 25
