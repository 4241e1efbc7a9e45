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

from gensynth.evaluation.distance import check_features

# Rounding of a float64 matrix product, relative to the squared lengths of the two rows.
ROUNDING = 1e-12
SPARE_CANDIDATES = 8
PAIR_BLOCK = 1 << 22
TABLE_CELLS = 1 << 25


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


def nearest_distances(
    query: np.ndarray, reference: np.ndarray, k: int, exclude_self: bool = False, chunk: int = 2048
) -> tuple[np.ndarray, np.ndarray]:
    """Distances (N, k), ascending, and row numbers (N, k) of the k nearest reference rows of each query row.

    With `exclude_self`, query and reference are the same rows and row i is no neighbour of itself.
    Equal distances are ordered by row number. ValueError if there are fewer than k neighbours.

    >>> nearest_distances(np.array([[0.0]]), np.array([[3.0], [-1.0]]), k=2)
    (array([[1., 3.]]), array([[1, 0]]))
    """
    check_features(query, reference, at_least=0)
    if not 1 <= k <= len(reference) - exclude_self:
        raise ValueError(f"k must lie between 1 and {len(reference) - exclude_self}, got {k}")
    if exclude_self and len(query) != len(reference):
        raise ValueError(f"exclude_self needs the same rows twice, got {len(query)} and {len(reference)}")
    squared, indices = _nearest_squared(query, reference, k, exclude_self, chunk)
    return np.sqrt(squared), indices


def _nearest_squared(
    query: np.ndarray, reference: np.ndarray, k: int, exclude_self: bool, chunk: int
) -> tuple[np.ndarray, np.ndarray]:
    queries, references = torch.as_tensor(query), torch.as_tensor(reference)
    centred_queries, centred_references = _centred(query, reference)
    lengths = (centred_references**2).sum(dim=1)
    squared = np.empty((len(query), k))
    indices = np.empty((len(query), k), dtype=np.int64)
    for rows in _row_chunks(len(query), len(reference), chunk):
        table = _squared_table(centred_queries[rows], centred_references, lengths)
        if exclude_self:
            table[torch.arange(len(table)), torch.arange(rows.start, rows.start + len(table))] = torch.inf
        squared[rows], indices[rows] = _refined(table, queries[rows], references, k)
    return squared, indices


def _refined(table: Tensor, part: Tensor, references: Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of each row of a table of rounded squared distances, from a few candidates more, exactly."""
    wanted = min(k + SPARE_CANDIDATES, table.shape[1])
    candidates = table.topk(wanted, dim=1, largest=False).indices.sort(dim=1).values
    rows = torch.arange(len(part)).repeat_interleave(wanted)
    exact = _pairs(part, references, rows, candidates.flatten()).view(len(part), wanted)
    exact[torch.isinf(table.gather(1, candidates))] = torch.inf
    order = exact.sort(dim=1, stable=True)
    return order.values[:, :k].numpy(), candidates.gather(1, order.indices)[:, :k].numpy()


def _squared_radii(x: np.ndarray, k: int, chunk: int) -> Tensor:
    squared, _ = _nearest_squared(x, x, k, exclude_self=True, chunk=chunk)
    return torch.from_numpy(squared[:, -1])


def _memberships(
    real: np.ndarray, fake: np.ndarray, real_radii: Tensor, fake_radii: Tensor, chunk: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Per chunk of real rows: (fake j lies in the ball of real i, real i lies in the ball of fake j), (n, M)."""
    reals, fakes = torch.as_tensor(real), torch.as_tensor(fake)
    centred_reals, centred_fakes = _centred(real, fake)
    lengths = (centred_fakes**2).sum(dim=1)
    for rows in _row_chunks(len(real), len(fake), chunk):
        table = _squared_table(centred_reals[rows], centred_fakes, lengths)
        slack = ROUNDING * ((centred_reals[rows] ** 2).sum(dim=1)[:, None] + lengths[None, :])
        radii = real_radii[rows][:, None]
        unsure = ((table - radii).abs() <= slack) | ((table - fake_radii).abs() <= slack)
        i, j = unsure.nonzero(as_tuple=True)
        table[i, j] = _pairs(reals[rows], fakes, i, j)
        yield table < radii, table < fake_radii


def _row_chunks(n: int, m: int, chunk: int) -> Iterator[slice]:
    """Slices over n rows; fewer than `chunk` at a time where a table of m columns would grow too large."""
    size = max(min(chunk, TABLE_CELLS // max(m, 1)), 1)
    return (slice(start, start + size) for start in range(0, n, size))


def _centred(query: np.ndarray, reference: np.ndarray) -> tuple[Tensor, Tensor]:
    """Both in float64 round the reference mean: products of small numbers lose fewer digits."""
    mean = np.asarray(reference, np.float64).mean(axis=0) if len(reference) else 0.0
    return torch.from_numpy(query - mean), torch.from_numpy(reference - mean)


def _squared_table(rows: Tensor, others: Tensor, other_lengths: Tensor) -> Tensor:
    return torch.addmm(other_lengths[None, :], rows, others.T, alpha=-2.0).add_((rows**2).sum(dim=1)[:, None])


def _pairs(a: Tensor, b: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Squared distances of the pairs (a[i], b[j]), from differences, a block of pairs at a time."""
    block = max(PAIR_BLOCK // max(a.shape[1], 1), 1)
    # NumPy sums each row alone, so a pair has one value wherever it is computed.
    parts = [
        ((a[p].double() - b[q].double()).numpy() ** 2).sum(axis=1)
        for p, q in zip(i.split(block), j.split(block), strict=True)
    ]
    return torch.from_numpy(np.concatenate(parts))
