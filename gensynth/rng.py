"""Named random streams and per-row noise; nothing in the package uses a global generator.

Row noise comes from Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
SC'11, section 3.2 and table 2), written on NumPy arrays so that one call serves many keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


def child(seed: int, *names: object) -> int:
    """A 63-bit seed for a named purpose, stable over machines and versions.

    >>> child(0, "split") == child(0, "split"), child(0, "split") == child(0, "order")
    (True, False)
    """
    text = "/".join([str(int(seed)), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def numpy_generator(seed: int, *names: object) -> np.random.Generator:
    """A NumPy generator for a named purpose."""
    return np.random.default_rng(child(seed, *names))


def torch_generator(seed: int, *names: object, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator for a named purpose on a device."""
    import torch

    return torch.Generator(device=device).manual_seed(child(seed, *names))


def row_seeds(seed: int, label: str, start: int, count: int) -> np.ndarray:
    """Seeds (count,) uint64 of rows start ... start+count-1 of one class.

    The upper 32 bits name (seed, class), the lower 32 are the index within the class, so rows of
    one class lie side by side (samplers compute them in aligned blocks) and classes never meet.
    """
    if start < 0 or start + count > 2**32:
        raise ValueError(f"row indices must lie in [0, 2^32), got {start} to {start + count}")
    base = (child(seed, "row", label) >> 31) << 32
    return np.uint64(base) + np.arange(start, start + count, dtype=np.uint64)


def epoch_seeds(seed: int, epoch: int, index: np.ndarray) -> np.ndarray:
    """Seeds uint64 of rows `index` (N,) in one epoch of training, for what is drawn anew every epoch."""
    base = (child(seed, "epoch", epoch) >> 31) << 32
    return np.uint64(base) + np.asarray(index, np.uint64)


def philox(counters: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Philox-4x32-10: counters (..., 4), keys (..., 2), both uint64 holding 32-bit words -> (..., 4).

    >>> zero4, zero2 = np.zeros(4, np.uint64), np.zeros(2, np.uint64)
    >>> [hex(int(w)) for w in philox(zero4, zero2)]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c0, c1, c2, c3 = np.moveaxis(counters, -1, 0)
    k0, k1 = np.moveaxis(keys, -1, 0)
    for round_number in range(10):
        a = _MULTIPLIERS[0] * c0
        b = _MULTIPLIERS[1] * c2
        r0 = (k0 + np.uint64(round_number * _WEYL[0] & 0xFFFFFFFF)) & _LOW
        r1 = (k1 + np.uint64(round_number * _WEYL[1] & 0xFFFFFFFF)) & _LOW
        c0, c1, c2, c3 = (b >> _SHIFT) ^ c1 ^ r0, b & _LOW, (a >> _SHIFT) ^ c3 ^ r1, a & _LOW
    return np.stack([c0, c1, c2, c3], axis=-1)


def uniform(seeds: np.ndarray, width: int, stream: str) -> np.ndarray:
    """Uniform numbers in (0, 1), float64 (N, width); row i depends on seeds[i] and stream alone."""
    seeds = np.asarray(seeds, dtype=np.uint64)
    blocks = -(-width // 4)
    counters = np.zeros((len(seeds), blocks, 4), dtype=np.uint64)
    counters[..., 0] = np.arange(blocks, dtype=np.uint64)
    name = np.uint64(child(0, "stream", stream))
    counters[..., 2], counters[..., 3] = name & _LOW, name >> _SHIFT
    keys = np.stack([seeds & _LOW, seeds >> _SHIFT], axis=-1)[:, None, :]
    words = philox(counters, np.broadcast_to(keys, (len(seeds), blocks, 2)))
    return (words.reshape(len(seeds), 4 * blocks)[:, :width].astype(np.float64) + 0.5) * 2.0**-32


def normal(seeds: np.ndarray, width: int, stream: str) -> np.ndarray:
    """Standard normal numbers, float32 (N, width), by Box-Muller on `uniform`."""
    half = -(-width // 2)
    u = uniform(seeds, 2 * half, stream)
    radius = np.sqrt(-2.0 * np.log(u[:, :half]))
    angle = 2.0 * np.pi * u[:, half:]
    pairs = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return pairs[:, :width].astype(np.float32)


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
