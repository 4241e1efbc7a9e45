"""Do two sets of features lie where each other lie: precision, recall, density, coverage, nearest rows.

Distances come from one matrix product per chunk of rows. Where its rounding could turn a comparison,
the pair is computed again from the difference of its two rows, so the answers are those of a plain
double loop, for any chunk size, and exact ties are ties.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from gensynth.neighbours import (
    ROUNDING,
    as_tensor,
    centred,
    check_features,
    nearest_squared,
    pair_distances,
    row_chunks,
    squared_table,
)


def prdc(*, real: np.ndarray, fake: np.ndarray, k: int = 5, chunk: int = 2048) -> dict[str, float]:
    """Precision, recall, density and coverage of fake (M, D) against real (N, D), Euclidean, strict <.

    Kynkaanniemi et al., "Improved precision and recall metric", 2019, section 3 (precision, recall) and
    Naeem et al., "Reliable fidelity and diversity metrics", 2020, section 3 (density, coverage). The ball of
    a row reaches to its k-th neighbour in its own set, without the border. Memory O(chunk * max(N, M)).
    ValueError for fewer than k + 1 rows on a side, unequal D or values that are not finite.

    >>> scores = prdc(real=np.array([[0.0], [1.0], [2.0]]), fake=np.array([[0.5], [9.0], [10.0]]), k=1)
    >>> {name: round(value, 3) for name, value in scores.items()}
    {'precision': 0.333, 'recall': 1.0, 'density': 0.667, 'coverage': 0.667}
    """
    check_features(real, fake, at_least=k + 1)
    real_radii = _squared_radii(real, k, chunk)
    fake_radii = _squared_radii(fake, k, chunk)
    balls_per_fake = np.zeros(len(fake), dtype=np.int64)
    covered, recalled = [], []
    for inside_real, inside_fake in _memberships(real, fake, real_radii, fake_radii, chunk):
        balls_per_fake += inside_real.sum(dim=0).numpy()
        covered.append(inside_real.any(dim=1).numpy())
        recalled.append(inside_fake.any(dim=1).numpy())
    return {
        "precision": float((balls_per_fake > 0).mean()),
        "recall": float(np.concatenate(recalled).mean()),
        "density": float(balls_per_fake.sum() / (k * len(fake))),
        "coverage": float(np.concatenate(covered).mean()),
    }


def expected_coverage(n: int, m: int, k: int) -> float:
    """Mean coverage when n real and m fake rows come from one continuous distribution of any dimension.

    A ball misses all m fakes if the k nearest of the n - 1 + m other rows are all real.

    >>> round(expected_coverage(200, 200, 5), 5), round(expected_coverage(500, 250, 5), 4)
    (0.96992, 0.8696)
    """
    i = np.arange(1, k + 1)
    return float(1.0 - np.prod((n - i) / (n + m - i)))


def _squared_radii(x: np.ndarray, k: int, chunk: int) -> Tensor:
    squared, _ = nearest_squared(x, x, k, exclude_self=True, chunk=chunk)
    return torch.from_numpy(squared[:, -1])


def _memberships(
    real: np.ndarray, fake: np.ndarray, real_radii: Tensor, fake_radii: Tensor, chunk: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Per chunk of real rows: (fake j lies in the ball of real i, real i lies in the ball of fake j), (n, M)."""
    reals, fakes = as_tensor(real), as_tensor(fake)
    centred_reals, centred_fakes = centred(real, fake)
    lengths = (centred_fakes**2).sum(dim=1)
    for rows in row_chunks(len(real), len(fake), chunk):
        table = squared_table(centred_reals[rows], centred_fakes, lengths)
        slack = ROUNDING * ((centred_reals[rows] ** 2).sum(dim=1)[:, None] + lengths[None, :])
        radii = real_radii[rows][:, None]
        unsure = ((table - radii).abs() <= slack) | ((table - fake_radii).abs() <= slack)
        i, j = unsure.nonzero(as_tuple=True)
        table[i, j] = pair_distances(reals[rows], fakes, i, j)
        yield table < radii, table < fake_radii
