"""Rows with one known fault each: for the qualification of feature spaces, and as the exam of the whole evaluation.

Every function takes real rows and gives as many rows; labels and schema stay as they are unless said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional as F

from gensynth.data.table import modelled_columns
from gensynth.rng import numpy_generator
from gensynth.types import SYNTHETIC, LabelledData

Corruption = Callable[[LabelledData, int], LabelledData]
NOISE_PIXELS = 48.0


def noisy(rows: LabelledData, seed: int) -> LabelledData:
    """Gaussian noise on pixels (deviation 48 of 255) or numbers (half a deviation), a quarter of the levels redrawn."""
    order = numpy_generator(seed, "fake", "noisy")
    if rows.schema.modality == "image":
        x = rows.x + order.normal(0, NOISE_PIXELS, rows.x.shape)
        return replace(rows, x=np.clip(np.round(x), 0, 255).astype(np.uint8))
    x = rows.x.copy()
    for j, column in enumerate(modelled_columns(rows.schema.fields)):
        if column.discrete:
            redrawn = order.random(len(x)) < 0.25
            x[redrawn, j] = order.permutation(x[:, j])[redrawn]
        else:
            x[:, j] += 0.5 * np.nan_to_num(np.nanstd(x[:, j])) * order.standard_normal(len(x))
    return replace(rows, x=x)


def blurred(rows: LabelledData, seed: int) -> LabelledData:
    """Images averaged over 3 x 3 pixels twice; columns of a table shuffled apart within each class."""
    if rows.schema.modality == "image":
        x = torch.from_numpy(rows.x).float()
        for _ in range(2):
            x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        return replace(rows, x=x.round().to(torch.uint8).numpy())
    order, x = numpy_generator(seed, "fake", "blurred"), rows.x.copy()
    for c in np.unique(rows.y):
        mine = np.flatnonzero(rows.y == c)
        for j in range(x.shape[1]):
            x[mine, j] = x[order.permutation(mine), j]
    return replace(rows, x=x)


def without_half(rows: LabelledData, seed: int, classes: tuple[int, ...] = ()) -> LabelledData:
    """Of the classes (default: all) only the half that lies on one side of its main axis, repeated to keep n."""
    picked = np.arange(len(rows))
    for c in classes or np.unique(rows.y).tolist():
        mine = np.flatnonzero(rows.y == c)
        if len(mine) > 1:
            half = mine[np.argsort(_main_axis(rows.x[mine]), kind="stable")[: -(-len(mine) // 2)]]
            picked[mine] = np.resize(numpy_generator(seed, "fake", "half", c).permutation(half), len(mine))
    return rows[picked]


def swapped(rows: LabelledData, seed: int, classes: tuple[int, int] | None = None) -> LabelledData:
    """Labels of two classes exchanged, or of every class with the next one."""
    count = len(rows.schema.classes)
    table = np.arange(count)
    if classes is None:
        table = np.roll(table, 1)
    else:
        table[list(classes)] = table[list(classes[::-1])]
    return replace(rows, y=table[rows.y])


def repeated(rows: LabelledData, seed: int) -> LabelledData:
    """One row of each class, again and again."""
    firsts = {c: np.flatnonzero(rows.y == c)[0] for c in np.unique(rows.y)}
    return rows[np.array([firsts[c] for c in rows.y], dtype=np.int64)]


def memorised(train: LabelledData, n: int, seed: int) -> LabelledData:
    """Copies of n training rows, drawn without replacement while there are enough."""
    order = numpy_generator(seed, "fake", "memorised").permutation(len(train))
    return _called_synthetic(train[np.resize(order, n)])


def nonsense(rows: LabelledData, seed: int) -> LabelledData:
    """Uniform pixels, or uniform numbers and levels inside each column's range: a generator that learned nothing."""
    order = numpy_generator(seed, "fake", "nonsense")
    if rows.schema.modality == "image":
        return _called_synthetic(replace(rows, x=noise_images(rows.x, seed)))
    x = rows.x.copy()
    for j, column in enumerate(modelled_columns(rows.schema.fields)):
        present = x[~np.isnan(x[:, j]), j]
        low, high = (present.min(), present.max()) if len(present) else (0.0, 0.0)
        x[:, j] = order.choice(np.unique(present), len(x)) if column.discrete else order.uniform(low, high, len(x))
    return _called_synthetic(replace(rows, x=x))


def noise_images(like: np.ndarray, seed: int) -> np.ndarray:
    """Uniform noise, uint8, in the shape of `like`: what a generator that learned nothing might draw."""
    return numpy_generator(seed, "fidelity", "noise").integers(0, 256, size=like.shape, dtype=np.uint8)


def shuffled_columns(x: np.ndarray, seed: int) -> np.ndarray:
    """Values (N, D) with every column shuffled on its own: right in each column, wrong in all pairs."""
    order = numpy_generator(seed, "fidelity", "shuffle")
    return np.column_stack([order.permutation(x[:, j]) for j in range(x.shape[1])])


def _main_axis(x: np.ndarray) -> np.ndarray:
    """Place (N,) of each row on the first principal axis of standardised values; missing cells count as the mean."""
    flat = x.reshape(len(x), -1).astype(np.float64)
    spread = np.nanstd(flat, axis=0)
    flat = np.nan_to_num((flat - np.nanmean(flat, axis=0)) / np.where(spread > 0, spread, 1.0))
    values, vectors = np.linalg.eigh(flat @ flat.T if len(flat) <= flat.shape[1] else flat.T @ flat)
    return vectors[:, -1] * np.sqrt(values[-1]) if len(flat) <= flat.shape[1] else flat @ vectors[:, -1]


def _called_synthetic(rows: LabelledData) -> LabelledData:
    return replace(rows, origin=np.full(len(rows), SYNTHETIC), parent=np.full(len(rows), ""))


CORRUPTIONS: dict[str, Corruption] = {
    "noise": noisy,
    "blur": blurred,
    "dropped_mode": without_half,
    "swapped_labels": swapped,
    "repeated_sample": repeated,
}
