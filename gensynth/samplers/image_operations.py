"""Operations on images, one value a row: where things are, their colour, noise, filters, what is covered.

Pixels are float32 (N, C, H, W) in [0, 1]. Whatever an operation draws beside its value (a place, an angle, noise)
comes from the row's seed, so a row comes out the same in any batch.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gensynth.samplers.described import operations_of
from gensynth.samplers.image_changes import CHANGES
from gensynth.samplers.image_moves import MOVES, identity, perspective, warped

OPERATIONS = operations_of("image")
_CHANGES = CHANGES | {"perspective": perspective}


def apply_operations(x: Tensor, steps: list[tuple[str, np.ndarray, np.ndarray]], seeds: np.ndarray) -> Tensor:
    """Rows after some operations in turn, each on its own rows; moves that follow each other are one.

    x      float32 (N, C, H, W) in [0, 1]
    steps  (name, whether the row takes part (N,) bool, values (N,)) in order
    """
    moved, pending = np.zeros(len(x), dtype=bool), identity(len(x))
    for name, on, values in steps:
        rows = np.flatnonzero(on)
        if not len(rows):
            continue
        chosen = torch.from_numpy(values[rows]).float()
        if name in MOVES:
            pending[rows] = MOVES[name](chosen, seeds[rows], (x.shape[2], x.shape[3])) @ pending[rows]
            moved[rows] = True
        else:
            x = _settle(x, rows, moved, pending)
            x = _put(x, rows, _CHANGES[name](x[rows], chosen[:, None, None, None], seeds[rows]).clamp(0, 1))
    return _settle(x, np.arange(len(x)), moved, pending)


def _settle(x: Tensor, rows: np.ndarray, moved: np.ndarray, matrices: Tensor) -> Tensor:
    """Carry out the moves that these rows have put off; other rows go on waiting, so that none depends on its mates."""
    rows = rows[moved[rows]]
    if len(rows):
        x = _put(x, rows, warped(x[rows], matrices[rows]).clamp(0, 1))
        moved[rows], matrices[rows] = False, identity(len(rows))
    return x


def _put(x: Tensor, rows: np.ndarray, changed: Tensor) -> Tensor:
    if len(rows) == len(x):
        return changed
    x = x.clone()
    x[rows] = changed
    return x
