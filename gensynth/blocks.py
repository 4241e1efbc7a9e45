"""Blocks of rows that a network computes together, so that a row's bits do not depend on what else was asked for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def aligned_blocks(
    labels: np.ndarray, seeds: np.ndarray, size: int
) -> Iterator[tuple[int, np.uint64, np.ndarray, np.ndarray]]:
    """Rows that share a block of `size` consecutive seeds of one label: (label, first seed, rows, places in the block).

    A forward pass rounds differently for different batch sizes; a row that always lies at the same place of a batch
    of the same size comes out the same, bit for bit. Rows of one label must have different seeds.

    >>> for label, start, rows, places in aligned_blocks(np.zeros(3, int), np.array([9, 2, 8], np.uint64), 4):
    ...     print(label, start, rows, places)
    0 0 [1] [2]
    0 8 [0 2] [1 0]
    """
    labels, seeds = np.asarray(labels, np.int64), np.asarray(seeds, np.uint64)
    starts = seeds - seeds % np.uint64(size)
    keys, member = np.unique(np.stack([labels.astype(np.uint64), starts], axis=1), axis=0, return_inverse=True)
    member = member.ravel()
    order = np.argsort(member, kind="stable")
    edges = np.searchsorted(member[order], np.arange(len(keys) + 1))
    for (label, start), low, high in zip(keys, edges[:-1], edges[1:], strict=True):
        rows = order[low:high]
        yield int(label), start, rows, (seeds[rows] - start).astype(np.int64)
