"""How rows look, one number a row: sharpness, colour, repeats of a pattern, loudness, length, cells at bounds ...

Each look compares synthetic rows with real ones of their class, so that it needs no threshold of its own: what is usual
is what real rows do. A kind of data of your own brings its looks in its `Modality`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from gensynth.data.kinds import modality_of
from gensynth.samplers.text_tokens import tokens
from gensynth.types import Schema

Row = Callable[[np.ndarray], np.ndarray]
TINY = 1e-9
COMMONEST = 8  # categories of a column that are counted
MOST_SAMPLES = 16_384  # of a sound


@dataclass(frozen=True)
class Look:
    """One number a row.

    low, high  codes of the fault where synthetic rows have less or more of it than real ones; "": none
    what       of which they have less or more, in words
    of         (x of real rows (N, ...), x of synthetic rows (M, ...)) -> (N,), (M,); what real rows are held against
               leaves the row itself out
    """

    low: str
    high: str
    what: str
    of: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def looks_of(schema: Schema) -> Sequence[Look]:
    """The looks of rows of this kind; none for kinds that bring none."""
    kind = modality_of(schema)
    if kind.columns(schema):
        return _table_looks(schema)
    return kind.looks or LOOKS.get(kind.name, ())


def alone(low: str, high: str, what: str, of: Row) -> Look:
    """A look that needs no other row."""
    return Look(low, high, what, lambda real, synthetic: (of(real), of(synthetic)))


# Images: x uint8 (N, C, H, W).


def sharpness(x: np.ndarray) -> np.ndarray:
    """Log of squared steps between neighbouring pixels over the variance of the image, (N,)."""
    x = x.astype(np.float32)
    steps = (np.diff(x, axis=2) ** 2).mean(axis=(1, 2, 3)) + (np.diff(x, axis=3) ** 2).mean(axis=(1, 2, 3))
    return np.log((steps + 1) / (x.var(axis=(2, 3)).mean(axis=1) + 1))


def contrast(x: np.ndarray) -> np.ndarray:
    """Standard deviation of the pixels, (N,)."""
    return x.astype(np.float32).std(axis=(1, 2, 3))


def brightness(x: np.ndarray, channel: int) -> np.ndarray:
    """Mean of one channel, (N,); of the first where there are fewer."""
    return x[:, min(channel, x.shape[1] - 1)].mean(axis=(1, 2))


def values_used(x: np.ndarray) -> np.ndarray:
    """How many different values a row holds, (N,)."""
    ordered = np.sort(x.reshape(len(x), -1), axis=1)
    return 1.0 + (np.diff(ordered, axis=1) > 0).sum(axis=1)


def pattern(x: np.ndarray) -> np.ndarray:
    """How far an image repeats itself when it is moved, (N,): largest correlation of its second differences with
    themselves, two pixels or more and up to half of the side away; 1 for tiles."""
    x = x.astype(np.float32).mean(axis=1)
    inner = 4 * x[:, 1:-1, 1:-1] - x[:, :-2, 1:-1] - x[:, 2:, 1:-1] - x[:, 1:-1, :-2] - x[:, 1:-1, 2:]
    inner -= inner.mean(axis=(1, 2), keepdims=True)
    h, w = inner.shape[1:]
    power = np.abs(np.fft.rfft2(inner, s=(2 * h, 2 * w))) ** 2
    found = np.fft.irfft2(power, s=(2 * h, 2 * w))[:, : h // 2 + 1]
    found = np.concatenate([found[:, :, : w // 2 + 1], found[:, :, -(w // 2) :]], axis=2)
    down, right = np.arange(h // 2 + 1), np.concatenate([np.arange(w // 2 + 1), np.arange(-(w // 2), 0)])
    overlap = (h - down)[:, None] * (w - np.abs(right))
    share = found / np.maximum(found[:, :1, :1], TINY) * (h * w / overlap)
    far = np.maximum(down[:, None], np.abs(right)) >= 2
    return share[:, far].max(axis=1, initial=0.0)


# Sounds: x float32 (N, T).


def loudness(x: np.ndarray) -> np.ndarray:
    """Log of the root mean square, (N,)."""
    return np.log(np.sqrt((x.astype(np.float64) ** 2).mean(axis=1)) + 1e-6)


def silence(x: np.ndarray) -> np.ndarray:
    """Share of samples below a hundredth of the loudest, (N,)."""
    return (np.abs(x) < 0.01 * np.abs(x).max(axis=1, keepdims=True)).mean(axis=1)


def clipping(x: np.ndarray) -> np.ndarray:
    """Share of samples at the loudest value of the row, (N,)."""
    most = np.abs(x).max(axis=1, keepdims=True)
    return ((np.abs(x) >= 0.999 * most) & (most > 0)).mean(axis=1)


def _power(x: np.ndarray) -> np.ndarray:
    return np.abs(np.fft.rfft(x[:, :MOST_SAMPLES], axis=1)) ** 2


def timbre(x: np.ndarray) -> np.ndarray:
    """Mean frequency of the power, as a share of the highest one, (N,)."""
    power = _power(x)
    return (power * np.linspace(0, 1, power.shape[1])).sum(axis=1) / (power.sum(axis=1) + TINY)


def hiss(x: np.ndarray) -> np.ndarray:
    """Log of the share of power in the upper half of the frequencies, (N,)."""
    power = _power(x)
    return np.log((power[:, power.shape[1] // 2 :].sum(axis=1) + TINY) / (power.sum(axis=1) + TINY))


def loop(x: np.ndarray) -> np.ndarray:
    """How far a sound repeats itself later, (N,): largest correlation with itself a fortieth to half of it later."""
    x = x[:, :MOST_SAMPLES].astype(np.float64)
    n = x.shape[1]
    found = np.fft.irfft(np.abs(np.fft.rfft(x, n=2 * n, axis=1)) ** 2, axis=1)[:, : n // 2 + 1]
    share = found / np.maximum(found[:, :1], TINY) * n / (n - np.arange(n // 2 + 1))
    return share[:, max(1, n // 40) :].max(axis=1, initial=0.0)


# Texts: x object (N,) of str.


def _spelled(x: np.ndarray) -> list[list[str]]:
    return [[token.lower() for token in tokens(text) if token[:1].isalnum()] for text in x.tolist()]


def length(x: np.ndarray) -> np.ndarray:
    """Words of a text, (N,)."""
    return np.array([len(text) for text in _spelled(x)], dtype=np.float64)


def repetition(x: np.ndarray) -> np.ndarray:
    """Share of a text's pairs of words that it holds already, (N,)."""
    pairs = [list(zip(text, text[1:], strict=False)) for text in _spelled(x)]
    return np.array([1 - len(set(of_text)) / max(len(of_text), 1) if of_text else 0.0 for of_text in pairs])


def characters(x: np.ndarray, kind: Callable[[str], bool]) -> np.ndarray:
    """Share of characters of that kind, (N,)."""
    return np.array([sum(map(kind, text)) / max(len(text), 1) for text in x.tolist()])


def unseen(real: Sequence[Sequence[object]], synthetic: Sequence[Sequence[object]]) -> tuple[np.ndarray, np.ndarray]:
    """Share of the items of a row that no (other) real row holds, (N,), (M,)."""
    rows = Counter(item for row in real for item in set(row))
    shares = [
        np.array([np.mean([rows[item] <= own for item in row]) if row else 0.0 for row in side])
        for side, own in ((real, 1), (synthetic, 0))
    ]
    return shares[0], shares[1]


def _unseen_spelled(real: np.ndarray, synthetic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return unseen(_spelled(real), _spelled(synthetic))


def _unseen_pairs(real: np.ndarray, synthetic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sides = [[list(zip(text, text[1:], strict=False)) for text in _spelled(side)] for side in (real, synthetic)]
    return unseen(*sides)


LOOKS: dict[str, tuple[Look, ...]] = {
    "image": (
        alone("blur", "grain", "sharpness", sharpness),
        alone("contrast", "contrast", "contrast", contrast),
        *(alone("colour", "colour", "brightness", partial(brightness, channel=channel)) for channel in range(3)),
        alone("", "texture", "repeats of one pattern", pattern),
        alone("coarse_values", "", "different pixel values", values_used),
    ),
    "audio": (
        alone("loudness", "loudness", "loudness", loudness),
        alone("silence", "silence", "silence", silence),
        alone("", "clipping", "samples at the loudest value", clipping),
        alone("timbre", "timbre", "high tones", timbre),
        alone("blur", "grain", "hiss", hiss),
        alone("", "texture", "repeats of one piece", loop),
        alone("coarse_values", "", "different values of samples", values_used),
    ),
    "text": (
        alone("length", "length", "words", length),
        alone("", "repetition", "repeated pairs of words", repetition),
        alone("characters", "characters", "capital letters", partial(characters, kind=str.isupper)),
        alone("characters", "characters", "digits", partial(characters, kind=str.isdigit)),
        alone("characters", "characters", "signs", partial(characters, kind=lambda c: not c.isalnum() and c != " ")),
        Look("", "combinations", "words that no real text holds", _unseen_spelled),
        Look("", "combinations", "pairs of words that no real text holds", _unseen_pairs),
    ),
}


# Tables: x float64 (N, D), missing cells NaN.


def _table_looks(schema: Schema) -> list[Look]:
    """Of every column where its values lie; cells at bounds, missing cells, pairs of values."""
    columns = modality_of(schema).columns(schema)
    numbers = [j for j, column in enumerate(columns) if not column.discrete]
    categories = [j for j, column in enumerate(columns) if column.discrete]
    looks = [alone("shifted", "shifted", f'"{columns[j].name}"', partial(_cells, j=j)) for j in numbers]
    looks += [
        Look("shifted", "shifted", f'a common value of "{columns[j].name}"', partial(_category, j=j, rank=rank))
        for j in categories
        for rank in range(COMMONEST)
    ]
    looks.append(alone("shifted", "shifted", "missing cells", lambda x: np.isnan(x).mean(axis=1)))
    if numbers:
        looks.append(Look("", "bounds", "cells at the bounds of their column", partial(_at_bounds, numbers=numbers)))
    if len(categories) > 1:
        looks.append(Look("", "combinations", "pairs of values that no real row holds", partial(_pairs, of=categories)))
    return looks


def _cells(x: np.ndarray, j: int) -> np.ndarray:
    return np.nan_to_num(x[:, j], nan=np.nanmedian(x[:, j]) if not np.isnan(x[:, j]).all() else 0.0)


def _category(real: np.ndarray, synthetic: np.ndarray, j: int, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Whether a row holds the column's category of that rank, the commonest first."""
    values, counts = np.unique(real[~np.isnan(real[:, j]), j], return_counts=True)
    if rank >= len(values):
        return np.zeros(len(real)), np.zeros(len(synthetic))
    value = values[np.argsort(-counts, kind="stable")[rank]]
    return (real[:, j] == value).astype(float), (synthetic[:, j] == value).astype(float)


def _at_bounds(real: np.ndarray, synthetic: np.ndarray, numbers: list[int]) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(invalid="ignore"):
        low, high = (np.nan_to_num(f(real[:, numbers], axis=0)) for f in (np.nanmin, np.nanmax))
    real_at, synthetic_at = (
        ((side[:, numbers] <= low) | (side[:, numbers] >= high)).mean(axis=1) for side in (real, synthetic)
    )
    return real_at, synthetic_at


def _pairs(real: np.ndarray, synthetic: np.ndarray, of: list[int]) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(i, j) for a, i in enumerate(of) for j in of[a + 1 :]]
    sides = [np.nan_to_num(side, nan=-1.0) for side in (real, synthetic)]
    return unseen(*([[(i, j, row[i], row[j]) for i, j in pairs] for row in side] for side in sides))
