"""Nearest rows and squared distances, chunked: exact answers from one float32 matrix product per chunk.

A product gives each distance between a lower and an upper bound. Where the bounds leave a comparison open, the
pair is computed again from the difference of its two rows in float64, so the answers are those of a plain double
loop, for any chunk size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

SPARE_CANDIDATES = 8
PAIR_BLOCK = 1 << 20
TABLE_CELLS = 1 << 22
# Of a float64 product, relative to the squared lengths of the two rows; in float32 see `_rounding`.
ROUNDING_64 = 1e-12


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
    Of more than 8 rows that are as far as the k-th, any may be named. ValueError if there are fewer than k neighbours.

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
    """`nearest_distances` without checks, squared."""
    squared = np.empty((len(query), k))
    indices = np.empty((len(query), k), dtype=np.int64)
    if len(query):
        pair = Pair.of(query, reference)
        for rows in row_chunks(len(query), len(reference), chunk):
            numbers = torch.arange(rows.start, min(rows.stop, len(query)))
            squared[rows], indices[rows] = _nearest_of(pair, numbers, k, exclude_self)
    return squared, indices


def _nearest_of(pair: Pair, rows: Tensor, k: int, exclude_self: bool) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of some rows, exactly: by bounds in float32, else in float64, else by all differences."""
    most = len(pair.others)
    values, numbers = torch.empty(len(rows), k, dtype=torch.float64), torch.empty(len(rows), k, dtype=torch.int64)
    waiting = torch.arange(len(rows))
    for wanted, bounds in ((k + SPARE_CANDIDATES, pair), (k + SPARE_CANDIDATES, None), (most, pair)):
        found, places, beyond = _candidates(bounds or pair.in_double, rows[waiting], min(wanted, most), exclude_self)
        values[waiting], numbers[waiting] = found[:, :k], places[:, :k]
        # Nothing lies nearer than at 0, so repeated rows are not open.
        is_open = (found[:, k - 1] > beyond) & (found[:, k - 1] > 0) & (min(wanted, most) < most)
        if bounds is None:  # where all candidates lie equally far, to the last bit of float64, so do those left out
            is_open &= found[:, -1] > found[:, k - 1]
        waiting = waiting[is_open]
        if not len(waiting):
            break
    return values.numpy(), numbers.numpy()


def _candidates(pair: Pair, rows: Tensor, wanted: int, exclude_self: bool) -> tuple[Tensor, Tensor, Tensor]:
    """(exact squared distances ascending, row numbers, lower bound of all that is left out) of `wanted` others."""
    table = pair.lower(rows)
    if exclude_self:
        table[torch.arange(len(rows)), rows] = torch.inf
    low, places = table.topk(wanted, dim=1, largest=False)
    places, order = places.sort(dim=1)
    places_of = torch.arange(len(rows)).repeat_interleave(wanted)
    exact = pair_distances(pair.rows, pair.others, rows[places_of], places.flatten()).view(len(rows), wanted)
    exact[torch.isinf(low.gather(1, order))] = torch.inf
    nearest = exact.sort(dim=1, stable=True)
    return nearest.values, places.gather(1, nearest.indices), low[:, -1].double() * pair.unit


@dataclass(frozen=True)
class Pair:
    """Two sets of rows, ready for tables of bounds on their squared distances.

    rows, others    as given, (N, D) and (M, D)
    rough_*         the same round the others' mean, over a common scale, in float32 (float64 by `in_double`)
    length_*        their squared lengths, (N,) and (M,)
    unit            squared size of one rough unit; slack: largest relative rounding of a table's cell
    """

    rows: Tensor
    others: Tensor
    rough_rows: Tensor
    rough_others: Tensor
    length_rows: Tensor
    length_others: Tensor
    unit: float
    slack: float

    @staticmethod
    def of(rows: np.ndarray, others: np.ndarray, kind: torch.dtype = torch.float32) -> Pair:
        """Prepare N and M rows; memory O((N + M) D)."""
        return _pair(as_tensor(rows), as_tensor(others), kind)

    @cached_property
    def in_double(self) -> Pair:
        """The same pair with float64 bounds, made once."""
        return _pair(self.rows, self.others, torch.float64)

    def lower(self, rows: Tensor | slice) -> Tensor:
        """Lower bounds (n, M), in rough units, of the squared distances of some rows to all others."""
        lengths = self.length_others * (1 - self.slack)
        table = torch.addmm(lengths[None, :], self.rough_rows[rows], self.rough_others.T, alpha=-2.0)
        return table.add_((self.length_rows[rows] * (1 - self.slack))[:, None])

    def gap(self, rows: Tensor | slice) -> Tensor:
        """Upper minus lower bounds (n, M)."""
        return 2 * self.slack * (self.length_rows[rows][:, None] + self.length_others[None, :])


def _pair(rows: Tensor, others: Tensor, kind: torch.dtype) -> Pair:
    mean = others.double().mean(dim=0) if len(others) else torch.zeros(others.shape[1], dtype=torch.float64)
    centred = [side.double() - mean for side in (rows, others)]
    largest = max((float(side.abs().max()) for side in centred if side.numel()), default=0.0)
    scale = largest if np.isfinite(largest) and largest > 0 else 1.0
    one, two = (side.div_(scale).to(kind) for side in centred)
    lengths = (one**2).sum(dim=1), (two**2).sum(dim=1)
    return Pair(rows, others, one, two, *lengths, unit=scale**2, slack=_rounding(rows.shape[1], kind))


def _rounding(dims: int, kind: torch.dtype) -> float:
    """Bound on a cell's rounding relative to the two squared lengths.

    Rounding errors of a sum of D terms grow as sqrt(D) but for a chance that falls exponentially in the factor
    before it (Higham and Mary, "A new approach to probabilistic rounding error analysis", 2019, theorem 2.4).
    """
    if kind == torch.float64:
        return ROUNDING_64
    return float((16 + 8 * np.sqrt(dims)) * torch.finfo(kind).eps / 2)


def row_chunks(n: int, m: int, chunk: int) -> Iterator[slice]:
    """Slices over n rows; fewer than `chunk` at a time where a table of m columns would grow too large."""
    size = max(min(chunk, TABLE_CELLS // max(m, 1)), 1)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def as_tensor(x: np.ndarray) -> Tensor:
    """The rows in their own type; torch takes no reversed views."""
    return torch.from_numpy(np.ascontiguousarray(x))


def pair_distances(a: Tensor, b: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Squared distances of the pairs (a[i], b[j]), from differences, a block of pairs at a time."""
    block = max(PAIR_BLOCK // max(a.shape[1], 1), 1)
    # NumPy sums each row alone, so a pair has one value wherever it is computed.
    parts = [
        ((a[p].double() - b[q].double()).numpy() ** 2).sum(axis=1)
        for p, q in zip(i.split(block), j.split(block), strict=True)
    ]
    return torch.from_numpy(np.concatenate(parts))
