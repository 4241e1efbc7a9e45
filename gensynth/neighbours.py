"""Nearest rows and squared distances, chunked: exact answers from one matrix product per chunk.

Where the product's rounding could turn a comparison, the pair is computed again from the difference
of its two rows, so the answers are those of a plain double loop, for any chunk size.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

# Rounding of a float64 matrix product, relative to the squared lengths of the two rows.
ROUNDING = 1e-12
SPARE_CANDIDATES = 8
PAIR_BLOCK = 1 << 22
TABLE_CELLS = 1 << 22


def check_features(real: np.ndarray, fake: np.ndarray, at_least: int) -> None:
    """ValueError unless both are finite (N, D) and (M, D) with at least `at_least` rows each."""
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1]:
        raise ValueError(f"expected features (N, D) and (M, D), got {real.shape} and {fake.shape}")
    if min(len(real), len(fake)) < at_least:
        raise ValueError(f"expected at least {at_least} rows on each side, got {len(real)} and {len(fake)}")
    if not (np.isfinite(real).all() and np.isfinite(fake).all()):
        raise ValueError("features hold values that are not finite")


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
    squared, indices = nearest_squared(query, reference, k, exclude_self, chunk)
    return np.sqrt(squared), indices


def nearest_squared(
    query: np.ndarray, reference: np.ndarray, k: int, exclude_self: bool, chunk: int
) -> tuple[np.ndarray, np.ndarray]:
    queries, references = as_tensor(query), as_tensor(reference)
    centred_queries, centred_references = centred(query, reference)
    lengths = (centred_references**2).sum(dim=1)
    squared = np.empty((len(query), k))
    indices = np.empty((len(query), k), dtype=np.int64)
    for rows in row_chunks(len(query), len(reference), chunk):
        table = squared_table(centred_queries[rows], centred_references, lengths)
        if exclude_self:
            table[torch.arange(len(table)), torch.arange(rows.start, rows.start + len(table))] = torch.inf
        squared[rows], indices[rows] = _refined(table, queries[rows], references, k)
    return squared, indices


def _refined(table: Tensor, part: Tensor, references: Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of each row of a table of rounded squared distances, from a few candidates more, exactly."""
    wanted = min(k + SPARE_CANDIDATES, table.shape[1])
    candidates = table.topk(wanted, dim=1, largest=False).indices.sort(dim=1).values
    rows = torch.arange(len(part)).repeat_interleave(wanted)
    exact = pair_distances(part, references, rows, candidates.flatten()).view(len(part), wanted)
    exact[torch.isinf(table.gather(1, candidates))] = torch.inf
    order = exact.sort(dim=1, stable=True)
    return order.values[:, :k].numpy(), candidates.gather(1, order.indices)[:, :k].numpy()


def row_chunks(n: int, m: int, chunk: int) -> Iterator[slice]:
    """Slices over n rows; fewer than `chunk` at a time where a table of m columns would grow too large."""
    size = max(min(chunk, TABLE_CELLS // max(m, 1)), 1)
    return (slice(start, start + size) for start in range(0, n, size))


def as_tensor(x: np.ndarray) -> Tensor:
    """The rows in their own type; torch takes no reversed views."""
    return torch.from_numpy(np.ascontiguousarray(x))


def centred(query: np.ndarray, reference: np.ndarray) -> tuple[Tensor, Tensor]:
    """Both in float64 round the reference mean: products of small numbers lose fewer digits."""
    mean = np.asarray(reference, np.float64).mean(axis=0) if len(reference) else 0.0
    return torch.from_numpy(query - mean), torch.from_numpy(reference - mean)


def squared_table(rows: Tensor, others: Tensor, other_lengths: Tensor) -> Tensor:
    return torch.addmm(other_lengths[None, :], rows, others.T, alpha=-2.0).add_((rows**2).sum(dim=1)[:, None])


def pair_distances(a: Tensor, b: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Squared distances of the pairs (a[i], b[j]), from differences, a block of pairs at a time."""
    block = max(PAIR_BLOCK // max(a.shape[1], 1), 1)
    # NumPy sums each row alone, so a pair has one value wherever it is computed.
    parts = [
        ((a[p].double() - b[q].double()).numpy() ** 2).sum(axis=1)
        for p, q in zip(i.split(block), j.split(block), strict=True)
    ]
    return torch.from_numpy(np.concatenate(parts))
