"""Synthetic rows of known worth for tests and benchmarks: copies of training rows, and rows that learned nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gensynth.data.kinds import modality_of
from gensynth.evaluation.fidelity.spoiled import floor_of
from gensynth.rng import numpy_generator
from gensynth.types import SYNTHETIC, LabelledData


def memorised(train: LabelledData, n: int, seed: int) -> LabelledData:
    """Copies of n training rows, drawn without replacement while there are enough."""
    order = numpy_generator(seed, "fake", "memorised").permutation(len(train))
    return called_synthetic(train[np.resize(order, n)])


def partly_memorised(
    train: LabelledData, fresh: LabelledData, n: int, share: float, seed: int
) -> tuple[LabelledData, np.ndarray]:
    """(n rows in random order, which are copies (n,)): that share of train rows, drawn without replacement, the rest
    rows of `fresh`, real ones that are not in train. ValueError where there are too few of either."""
    order = numpy_generator(seed, "fake", "partly memorised")
    copies = round(share * n)
    if copies > len(train) or n - copies > len(fresh):
        raise ValueError(f"{copies} of {len(train)} train and {n - copies} of {len(fresh)} fresh rows were asked for")
    sides = (train[order.permutation(len(train))[:copies]], fresh[order.permutation(len(fresh))[: n - copies]])
    places = order.permutation(n)
    return called_synthetic(LabelledData.concat(sides)[places]), (np.arange(n) < copies)[places]


def nonsense(rows: LabelledData, seed: int) -> LabelledData:
    """Uniform pixels, numbers and levels inside each column's range, white noise, any words: nothing was learned."""
    order = numpy_generator(seed, "fake", "nonsense")
    columns = modality_of(rows.schema).columns(rows.schema)
    if not columns:
        return called_synthetic(replace(rows, x=floor_of(rows.schema)(rows.x, seed)))
    x = rows.x.copy()
    for j, column in enumerate(columns):
        present = x[~np.isnan(x[:, j]), j]
        low, high = (present.min(), present.max()) if len(present) else (0.0, 0.0)
        x[:, j] = order.choice(np.unique(present), len(x)) if column.discrete else order.uniform(low, high, len(x))
    return called_synthetic(replace(rows, x=x))


def called_synthetic(rows: LabelledData) -> LabelledData:
    return replace(rows, origin=np.full(len(rows), SYNTHETIC), parent=np.full(len(rows), ""))
