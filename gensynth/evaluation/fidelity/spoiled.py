"""Rows with one known fault each: for the qualification of feature spaces, and as the exam of the whole evaluation.

Every function takes real rows and gives as many rows; labels and schema stay as they are unless said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from scipy.ndimage import uniform_filter1d
from sklearn.feature_extraction.text import HashingVectorizer
from torch.nn import functional as F

from gensynth.data.kinds import modality_of
from gensynth.data.modality import flat
from gensynth.rng import numpy_generator
from gensynth.samplers.text_tokens import tokens
from gensynth.types import LabelledData, Schema

Corruption = Callable[[LabelledData, int], LabelledData]
Spoil = Callable[[LabelledData, np.random.Generator], np.ndarray]
NOISE_PIXELS = 48.0
HASHED_WORDS = 256


def noisy(rows: LabelledData, seed: int) -> LabelledData:
    """Gaussian noise on pixels (standard deviation 48 of 255), numbers (half a standard deviation) or waves (as loud
    as they are), a quarter of the levels or words redrawn."""
    return _spoilt(rows, seed, "noise", NOISY, _noisy_numbers)


def blurred(rows: LabelledData, seed: int) -> LabelledData:
    """Images averaged over 3 x 3 pixels twice, waves over 9 samples; columns or words shuffled within each class."""
    return _spoilt(rows, seed, "blur", BLURRED, _numbers_shuffled)


def _spoilt(rows: LabelledData, seed: int, what: str, known: Mapping[str, Spoil], usual: Spoil) -> LabelledData:
    kind = modality_of(rows.schema)
    if what in kind.spoil:
        return kind.spoil[what](rows, seed)
    order = numpy_generator(seed, "fake", {"noise": "noisy", "blur": "blurred"}[what])
    return replace(rows, x=known.get(kind.name, usual)(rows, order))


def _noisy_pixels(rows: LabelledData, order: np.random.Generator) -> np.ndarray:
    return np.clip(np.round(rows.x + order.normal(0, NOISE_PIXELS, rows.x.shape)), 0, 255).astype(np.uint8)


def _noisy_numbers(rows: LabelledData, order: np.random.Generator) -> np.ndarray:
    x = flat(rows.x).copy()
    discrete = {j for j, c in enumerate(modality_of(rows.schema).columns(rows.schema)) if c.discrete}
    for j in range(x.shape[1]):
        if j in discrete:
            redrawn = order.random(len(x)) < 0.25
            x[redrawn, j] = order.permutation(x[:, j])[redrawn]
        else:
            x[:, j] += 0.5 * np.nan_to_num(np.nanstd(x[:, j])) * order.standard_normal(len(x))
    return x.reshape(rows.x.shape)


def _blurred_pixels(rows: LabelledData, order: np.random.Generator) -> np.ndarray:
    x = torch.from_numpy(rows.x).float()
    for _ in range(2):
        x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return x.round().to(torch.uint8).numpy()


def _numbers_shuffled(rows: LabelledData, order: np.random.Generator) -> np.ndarray:
    x = flat(rows.x).copy()
    for c in np.unique(rows.y):
        mine = np.flatnonzero(rows.y == c)
        for j in range(x.shape[1]):
            x[mine, j] = x[order.permutation(mine), j]
    return x.reshape(rows.x.shape)


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


def noise_images(like: np.ndarray, seed: int) -> np.ndarray:
    """Uniform noise, uint8, in the shape of `like`: what a generator that learned nothing might draw."""
    return numpy_generator(seed, "fidelity", "noise").integers(0, 256, size=like.shape, dtype=np.uint8)


def shuffled_columns(x: np.ndarray, seed: int) -> np.ndarray:
    """Numbers (N, ...) with every column shuffled on its own: right in each column, wrong in all pairs."""
    order, columns = numpy_generator(seed, "fidelity", "shuffle"), flat(x).T
    return np.column_stack([order.permutation(column) for column in columns]).reshape(x.shape)


def noise_waves(like: np.ndarray, seed: int) -> np.ndarray:
    """White noise as loud as each row of `like`, float32 (N, T)."""
    return _as_loud(like, numpy_generator(seed, "fidelity", "noise")).astype(np.float32)


def _as_loud(x: np.ndarray, order: np.random.Generator) -> np.ndarray:
    loud = np.sqrt((x.astype(np.float64) ** 2).mean(axis=1, keepdims=True))
    return loud * order.standard_normal(x.shape)


def shuffled_words(x: np.ndarray, seed: int) -> np.ndarray:
    """Texts (N,) of as many words each, drawn evenly from all that occur: right in every word, wrong in all else."""
    return _with_other_words(x, numpy_generator(seed, "fidelity", "shuffle"), 1.0)


def _with_other_words(x: np.ndarray, order: np.random.Generator, share: float) -> np.ndarray:
    """Texts with that share of their words replaced by any word that occurs in some text."""
    parts = [tokens(text) for text in x.tolist()]
    known = sorted({token for text in parts for token in text if token[:1].isalnum()}) or ["x"]
    out = np.empty(len(x), dtype=object)
    for i, text in enumerate(parts):
        out[i] = "".join(
            known[order.integers(len(known))] if t[:1].isalnum() and order.random() < share else t for t in text
        )
    return out


def _words_shuffled_within(rows: LabelledData, order: np.random.Generator) -> np.ndarray:
    """Texts whose words changed places with those of other texts of the class."""
    out = np.empty(len(rows), dtype=object)
    for c in np.unique(rows.y):
        mine = np.flatnonzero(rows.y == c)
        parts = [tokens(text) for text in rows.x[mine].tolist()]
        places = [(i, j) for i, text in enumerate(parts) for j, token in enumerate(text) if token[:1].isalnum()]
        words = [parts[i][j] for i, j in places]
        for (i, j), k in zip(places, order.permutation(len(words)).tolist(), strict=True):
            parts[i][j] = words[k]
        out[mine] = ["".join(text) for text in parts]
    return out


FLOORS = {"image": noise_images, "text": shuffled_words, "audio": noise_waves}
NOISY: dict[str, Spoil] = {
    "image": _noisy_pixels,
    "audio": lambda rows, order: (rows.x + _as_loud(rows.x, order)).astype(np.float32),
    "text": lambda rows, order: _with_other_words(rows.x, order, 0.25),
}
BLURRED: dict[str, Spoil] = {
    "image": _blurred_pixels,
    "audio": lambda rows, order: uniform_filter1d(rows.x, 9, axis=1).astype(np.float32),
    "text": _words_shuffled_within,
}


def floor_of(schema: Schema) -> Callable[[np.ndarray, int], np.ndarray]:
    """(x, seed) -> as many rows as a generator that learned nothing might draw; of numbers each column shuffled."""
    kind = modality_of(schema)
    return kind.floor or FLOORS.get(kind.name, shuffled_columns)


def _main_axis(x: np.ndarray) -> np.ndarray:
    """Place (N,) of each row on the first principal axis of standardised values; missing cells count as the mean.

    Of texts the values are counts of hashed words.
    """
    if x.dtype == object:
        x = HashingVectorizer(n_features=HASHED_WORDS, alternate_sign=False).transform(x.tolist()).toarray()
    flat = x.reshape(len(x), -1).astype(np.float64)
    flat = flat[:, ~np.isnan(flat).all(axis=0)]  # of a class whose cells of a column are all missing
    if not flat.shape[1]:
        return np.zeros(len(x))
    spread = np.nanstd(flat, axis=0)
    flat = np.nan_to_num((flat - np.nanmean(flat, axis=0)) / np.where(spread > 0, spread, 1.0))
    values, vectors = np.linalg.eigh(flat @ flat.T if len(flat) <= flat.shape[1] else flat.T @ flat)
    return vectors[:, -1] * np.sqrt(values[-1]) if len(flat) <= flat.shape[1] else flat @ vectors[:, -1]


CORRUPTIONS: dict[str, Corruption] = {
    "noise": noisy,
    "blur": blurred,
    "dropped_mode": without_half,
    "swapped_labels": swapped,
    "repeated_sample": repeated,
}
