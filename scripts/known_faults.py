"""Twelve generators of one known fault each, for every kind of rows: the exam of the fault tests.

Every function takes train rows, fresh real rows (twice as many of each class as are drawn) and a seed, and gives as
many rows of each class as `fresh` holds halves. Where a fault has no meaning for a kind of rows, its nearest analogue
stands in; ANALOGUES says which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from known_sets import called_synthetic, nonsense
from scipy.signal import lfilter

from gensynth.data.kinds import modality_of, points_of
from gensynth.data.modality import flat
from gensynth.evaluation.fidelity.spoiled import _main_axis, blurred, noisy, swapped
from gensynth.rng import numpy_generator
from gensynth.types import LabelledData

Generator = Callable[[LabelledData, LabelledData, int], LabelledData]
ANALOGUES = {
    "table": {
        "blur": "mean of three rows of the class",
        "tiled": "a quarter of the rows, four times",
        "dithered": "numbers on a grid of seven values",
        "colour": "numbers shifted by three quarters of their standard deviation",
        "mirrored": "copies with one column of another row",
    },
    "audio": {
        "blur": "mean of nine samples",
        "tiled": "a sixteenth of the sound in a loop",
        "dithered": "three bits a sample",
        "colour": "low tones taken away",
        "smooth_covariance": "noise with the class's mean spectrum",
        "mirrored": "copies played backwards",
    },
    "text": {
        "blur": "words shuffled among texts of the class",
        "tiled": "four words in a loop",
        "dithered": "every second letter large",
        "colour": "all letters large",
        "smooth_covariance": "words drawn by how often the class has them",
        "mirrored": "copies with their words backwards",
    },
}


def half(fresh: LabelledData, seed: int = 0) -> LabelledData:
    """The first half of each class: what an honest generator draws."""
    parts = [np.flatnonzero(fresh.y == c) for c in np.unique(fresh.y)]
    return fresh[np.sort(np.concatenate([part[: (len(part) + 1) // 2] for part in parts]))]


def honest(train: LabelledData, fresh: LabelledData, seed: int) -> LabelledData:
    return half(fresh)


def memoriser(train: LabelledData, fresh: LabelledData, seed: int) -> LabelledData:
    return train[_of_classes(train, half(fresh), seed)]


def near_memoriser(train: LabelledData, fresh: LabelledData, seed: int) -> LabelledData:
    return _slightly_moved(memoriser(train, fresh, seed), train, seed)


def mode_drop(train: LabelledData, fresh: LabelledData, seed: int) -> LabelledData:
    """Distinct rows of one side of the class's main axis, in the space in which near means alike."""
    picked, points = [], points_of(fresh)(fresh.x)
    for c in np.unique(fresh.y):
        mine = np.flatnonzero(fresh.y == c)
        picked.append(mine[np.argsort(_main_axis(points[mine]), kind="stable")[: (len(mine) + 1) // 2]])
    return fresh[np.concatenate(picked)]


def one_mode(train: LabelledData, fresh: LabelledData, seed: int) -> LabelledData:
    """The class mean, or one row where there is none, and a little noise."""
    rows = half(fresh)
    x = rows.x.copy()
    for c in np.unique(rows.y):
        mine, real = np.flatnonzero(rows.y == c), train.x[train.y == c]
        centre = rows.x[mine[0]] if x.dtype in (object, np.float32) else np.nanmean(real, axis=0)
        for i in mine:
            x[i] = centre
        for j, column in enumerate(modality_of(rows.schema).columns(rows.schema)):
            if column.discrete:
                values, counts = np.unique(real[:, j], return_counts=True)
                x[mine, j] = values[counts.argmax()]
    return _slightly_moved(replace(rows, x=x), train, seed)


def label_swap(train: LabelledData, fresh: LabelledData, seed: int) -> LabelledData:
    return swapped(half(fresh), seed)


def label_swap_30(train: LabelledData, fresh: LabelledData, seed: int) -> LabelledData:
    rows = half(fresh)
    other = numpy_generator(seed, "fault", "swap").random(len(rows)) < 0.3
    return replace(rows, y=np.where(other, swapped(rows, seed).y, rows.y))


def noise(train: LabelledData, fresh: LabelledData, seed: int) -> LabelledData:
    return nonsense(half(fresh), seed)


def blur(train: LabelledData, fresh: LabelledData, seed: int) -> LabelledData:
    rows = half(fresh)
    if rows.schema.modality != "table":
        return blurred(rows, seed)
    x, order = rows.x.copy(), numpy_generator(seed, "fault", "blur")
    numbers = [j for j, column in enumerate(modality_of(rows.schema).columns(rows.schema)) if not column.discrete]
    for c in np.unique(rows.y):
        mine = np.flatnonzero(rows.y == c)
        several = rows.x[mine[order.integers(0, len(mine), (len(mine), 3))]]
        x[np.ix_(mine, numbers)] = several[:, :, numbers].mean(axis=1)
    return replace(rows, x=x)


def tiled(train: LabelledData, fresh: LabelledData, seed: int) -> LabelledData:
    rows = half(fresh)
    kind = rows.schema.modality
    if kind == "image":
        h, w = (max(2, side // 4) for side in rows.x.shape[2:])
        top, left = ((side - part) // 2 for side, part in zip(rows.x.shape[2:], (h, w), strict=True))
        patch = rows.x[:, :, top : top + h, left : left + w]
        return replace(rows, x=np.tile(patch, (1, 1, 9, 9))[:, :, : rows.x.shape[2], : rows.x.shape[3]])
    if kind == "audio":
        n = rows.x.shape[1] // 16
        return replace(rows, x=np.tile(rows.x[:, 2 * n : 3 * n], (1, 17))[:, : rows.x.shape[1]])
    if kind == "text":
        return replace(rows, x=_texts(" ".join(np.resize(t.split()[:4], len(t.split()))) for t in rows.x))
    picked = np.arange(len(rows))
    for c in np.unique(rows.y):
        mine = np.flatnonzero(rows.y == c)
        picked[mine] = np.resize(mine[: -(-len(mine) // 4)], len(mine))
    return rows[picked]


def dithered(train: LabelledData, fresh: LabelledData, seed: int) -> LabelledData:
    rows = half(fresh)
    kind = rows.schema.modality
    if kind == "image":
        bayer = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) * 16 + 8
        screen = np.tile(bayer, (64, 64))[: rows.x.shape[2], : rows.x.shape[3]]
        return replace(rows, x=np.where(rows.x > screen, 255, 0).astype(np.uint8))
    if kind == "audio":
        return replace(rows, x=(np.round(rows.x * 4) / 4).astype(np.float32))
    if kind == "text":
        return replace(rows, x=_texts("".join(b.upper() if i % 2 else b for i, b in enumerate(t)) for t in rows.x))
    x = rows.x.copy()
    for j in _numbers(rows):
        low, high = np.nanmin(train.x[:, j]), np.nanmax(train.x[:, j])
        x[:, j] = low + np.round((x[:, j] - low) / max(high - low, 1e-12) * 6) / 6 * (high - low)
    return replace(rows, x=x)


def grid(train: LabelledData, fresh: LabelledData, seed: int) -> LabelledData:
    """A chequered grid, 16 up and down, on every image."""
    rows = half(fresh)
    screen = 16.0 * (1 - 2 * (np.indices(rows.x.shape[2:]).sum(axis=0) % 2))
    return replace(rows, x=np.clip(rows.x + screen, 0, 255).astype(np.uint8))


def colour(train: LabelledData, fresh: LabelledData, seed: int) -> LabelledData:
    rows = half(fresh)
    kind, x = rows.schema.modality, rows.x.copy()
    if kind == "image":
        x[:, 0] = np.clip(x[:, 0].astype(int) + 40, 0, 255)
        return replace(rows, x=x)
    if kind == "audio":
        return replace(rows, x=lfilter([1.0, -0.9], [1.0], x, axis=1).astype(np.float32))
    if kind == "text":
        return replace(rows, x=_texts(t.upper() for t in x))
    for j in _numbers(rows):
        x[:, j] += 0.75 * np.nanstd(train.x[:, j])
    return replace(rows, x=x)


def smooth_covariance(train: LabelledData, fresh: LabelledData, seed: int) -> LabelledData:
    """Gaussian rows with the class mean and the covariance of all, half way to its diagonal."""
    rows = half(fresh)
    order = numpy_generator(seed, "fault", "gauss")
    kind = rows.schema.modality
    if kind == "text":
        return replace(rows, x=_unigrams(train, rows, order))
    if kind == "audio":
        return replace(rows, x=_coloured_noise(train, rows, order))
    x, of_train = flat(rows.x).astype(np.float64), flat(train.x).astype(np.float64)
    numbers = list(range(x.shape[1])) if kind == "image" else _numbers(rows)
    for c in np.unique(rows.y):
        mine, real = np.flatnonzero(rows.y == c), of_train[train.y == c]
        values = np.nan_to_num(real[:, numbers], nan=0.0)
        # Half of the variance of all directions, half with all covariances gone.
        common = values[order.integers(0, len(values), (len(mine), 40))] - values.mean(axis=0)
        one = (order.standard_normal((len(mine), 40, 1)) * common).sum(axis=1) / np.sqrt(40)
        alone = order.standard_normal((len(mine), len(numbers))) * values.std(axis=0)
        x[np.ix_(mine, numbers)] = values.mean(axis=0) + np.sqrt(0.5) * (one + alone)
        for j in set(range(x.shape[1])) - set(numbers):
            x[mine, j] = order.choice(real[:, j], len(mine))
    x = x.reshape(rows.x.shape)
    return replace(rows, x=np.clip(x, 0, 255).astype(np.uint8) if kind == "image" else x)


def mirrored(train: LabelledData, fresh: LabelledData, seed: int) -> LabelledData:
    rows = memoriser(train, fresh, seed)
    kind = rows.schema.modality
    if kind == "image":
        return replace(rows, x=np.ascontiguousarray(rows.x[..., ::-1]))
    if kind == "audio":
        return replace(rows, x=np.ascontiguousarray(rows.x[:, ::-1]))
    if kind == "text":
        return replace(rows, x=_texts(" ".join(t.split()[::-1]) for t in rows.x))
    order, x, fresh_rows = numpy_generator(seed, "fault", "mirror"), rows.x.copy(), half(fresh)
    columns = order.integers(0, x.shape[1], len(x))
    x[np.arange(len(x)), columns] = fresh_rows.x[order.permutation(len(x)), columns]
    return replace(rows, x=x)


def spread_half(train: LabelledData, fresh: LabelledData, seed: int) -> LabelledData:
    """Half as far from the class mean."""
    rows = half(fresh)
    x = rows.x.astype(np.float64)
    numbers = slice(None) if rows.schema.modality == "image" else _numbers(rows)
    for c in np.unique(rows.y):
        mine = rows.y == c
        mean = np.nanmean(train.x[train.y == c].astype(np.float64), axis=0)
        x[mine] = np.where(
            np.isin(np.arange(x.shape[1]), np.arange(x.shape[1])[numbers]).reshape(1, -1, *[1] * (x.ndim - 2)),
            mean + (x[mine] - mean) / 2,
            x[mine],
        )
    return replace(rows, x=x.round().astype(np.uint8) if rows.schema.modality == "image" else x)


def shuffled(train: LabelledData, fresh: LabelledData, seed: int) -> LabelledData:
    """Every column shuffled within the class."""
    rows = half(fresh)
    x, order = flat(rows.x).copy(), numpy_generator(seed, "fault", "shuffle")
    for c in np.unique(rows.y):
        mine = np.flatnonzero(rows.y == c)
        for j in range(x.shape[1]):
            x[mine, j] = x[order.permutation(mine), j]
    return replace(rows, x=x.reshape(rows.x.shape))


def _of_classes(train: LabelledData, like: LabelledData, seed: int) -> np.ndarray:
    picked = np.empty(len(like), np.int64)
    for c in np.unique(like.y):
        order = numpy_generator(seed, "fault", "memorised", int(c))
        mine = np.flatnonzero(like.y == c)
        picked[mine] = np.resize(order.permutation(np.flatnonzero(train.y == c)), len(mine))
    return picked


def _slightly_moved(rows: LabelledData, train: LabelledData, seed: int) -> LabelledData:
    """Six grey values, a twentieth of a standard deviation, a hundredth of the loudness, or one word in ten."""
    order = numpy_generator(seed, "fault", "moved")
    kind, x = rows.schema.modality, rows.x
    if kind == "image":
        return replace(rows, x=np.clip(np.round(x + order.normal(0, 6, x.shape)), 0, 255).astype(np.uint8))
    if kind == "audio":
        loud = np.sqrt((x**2).mean(axis=1, keepdims=True))
        return replace(rows, x=(x + 0.01 * loud * order.standard_normal(x.shape)).astype(np.float32))
    if kind == "text":
        words = " ".join(train.x).split()

        def other(word: str) -> str:
            return words[order.integers(len(words))] if order.random() < 0.1 else word

        return replace(rows, x=_texts(" ".join(map(other, text.split())) for text in x))
    x = x.copy()
    for j in _numbers(rows):
        x[:, j] += 0.05 * np.nanstd(train.x[:, j]) * order.standard_normal(len(x))
    return replace(rows, x=x)


def _numbers(rows: LabelledData) -> list[int]:
    return [j for j, column in enumerate(modality_of(rows.schema).columns(rows.schema)) if not column.discrete]


def _texts(made) -> np.ndarray:
    return np.array([text or "a" for text in made] + [""], dtype=object)[:-1]


def _unigrams(train: LabelledData, rows: LabelledData, order: np.random.Generator) -> np.ndarray:
    out = []
    for text, c in zip(rows.x, rows.y, strict=True):
        words = " ".join(train.x[train.y == c]).split()
        out.append(" ".join(words[i] for i in order.integers(0, len(words), max(1, len(text.split())))))
    return _texts(out)


def _coloured_noise(train: LabelledData, rows: LabelledData, order: np.random.Generator) -> np.ndarray:
    x = rows.x.copy()
    for c in np.unique(rows.y):
        mine = np.flatnonzero(rows.y == c)
        power = np.sqrt((np.abs(np.fft.rfft(train.x[train.y == c], axis=1)) ** 2).mean(axis=0))
        phase = np.exp(2j * np.pi * order.random((len(mine), len(power))))
        x[mine] = np.fft.irfft(power * phase, n=x.shape[1], axis=1)
    return x


FAULTS: dict[str, Generator] = {
    "memoriser": memoriser,
    "near_memoriser": near_memoriser,
    "mode_drop": mode_drop,
    "one_mode": one_mode,
    "label_swap": label_swap,
    "noise": noise,
    "blur": blur,
    "tiled": tiled,
    "dithered": dithered,
    "colour": colour,
    "smooth_covariance": smooth_covariance,
    "mirrored": mirrored,
}
FURTHER: dict[str, Generator] = {
    "label_swap_30": label_swap_30,
    "spread_half": spread_half,
    "shuffled": shuffled,
    "noisy": lambda train, fresh, seed: noisy(half(fresh), seed),
}
FURTHER_IMAGES: dict[str, Generator] = {"grid": grid}


def draw(name: str, train: LabelledData, fresh: LabelledData, seed: int) -> LabelledData:
    """Rows of the generator of that name, or of an honest one."""
    known = {"honest": honest} | FAULTS | FURTHER | FURTHER_IMAGES
    return called_synthetic(known[name](train, fresh, seed))
