"""How well cells of a table follow from the other cells of their row: by synthetic rows against new real ones.

Who holds all but one cell of a person's row reads the last one off the nearest synthetic rows, as in the inference
attack of Giomi et al., "A unified framework for quantifying privacy risk in synthetic data" (PoPETs 2023);
where that works better than with rows of other people, the row was learned from. Here column by column, as a score.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gensynth.data.kinds import modality_of
from gensynth.data.table import TablePoints
from gensynth.neighbours import row_chunks
from gensynth.rng import numpy_generator
from gensynth.types import LabelledData

MOST_POOL = 5_000  # rows that cells are read off
MOST_COLUMNS, LEAST_COLUMNS = 8, 2
PAIRS = 1e8  # cells of all tables of distances together


def column_reconstruction(
    rows: LabelledData, synthetic: LabelledData, reference: LabelledData, seed: int
) -> np.ndarray | None:
    """Scores (N,): sum over columns of the error by the reference minus that by synthetic rows; None for other kinds
    of data and tables of one column.

    The columns with the most different values are taken, as many as time allows: what is common gives nobody away.
    """
    columns = modality_of(rows.schema).columns(rows.schema)
    if len(columns) < LEAST_COLUMNS:
        return None
    order = numpy_generator(seed, "columns")
    pools = [side[order.permutation(len(side))[:MOST_POOL]] for side in (synthetic, reference)]
    affordable = int(PAIRS / max(len(rows) * sum(map(len, pools)), 1))
    wanted = min(max(affordable, LEAST_COLUMNS), MOST_COLUMNS, len(columns))
    real = np.concatenate([rows.x, reference.x])
    varied = np.argsort([-len(np.unique(real[:, j])) for j in range(len(columns))], kind="stable")[:wanted]
    own = [TablePoints([column], real[:, [j]]) for j, column in enumerate(columns)]

    def cells(side: LabelledData) -> list[Tensor]:
        return [torch.from_numpy(one.transform(side.x[:, [j]])) for j, one in enumerate(own)]

    query = cells(rows)
    by_synthetic, by_reference = (_errors(query, cells(pool), varied) for pool in pools)
    return (by_reference - by_synthetic).sum(axis=1)


def _errors(query: list[Tensor], pool: list[Tensor], wanted: np.ndarray) -> np.ndarray:
    """Distances (N, W), at most 1, of the wanted cells from those of the pool's row that is nearest in all other
    columns; of rows that are equally near any, as the pool is in random order."""
    q, p = torch.cat(query, dim=1), torch.cat(pool, dim=1)
    out = np.empty((len(q), len(wanted)))
    for rows in row_chunks(len(q), len(p), 512):
        whole = squared(q[rows], p)
        for i, j in enumerate(wanted):
            apart = squared(query[j][rows], pool[j])
            nearest = torch.sub(whole, apart).argmin(dim=1, keepdim=True)
            out[rows, i] = apart.gather(1, nearest)[:, 0].sqrt().clamp_max(1.0).numpy()
    return out


def squared(one: Tensor, other: Tensor) -> Tensor:
    """Squared distances (n, M)."""
    if one.shape[1] == 1:
        return (one - other.T).square_()
    lengths = one.square().sum(dim=1)[:, None] + other.square().sum(dim=1)[None]
    return torch.addmm(lengths, one, other.T, alpha=-2.0).clamp_min_(0.0)
