"""Rows of known privacy for tests of attacks: images and a table, split three ways, and synthetic sets of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from known_sets import partly_memorised

from gensynth.data.table_source import read_frame
from gensynth.types import LabelledData, Schema


def noise(n: int, dims: int, seed: int, rare: int = 0) -> LabelledData:
    """Images of one line of `dims` pixels, normal around the mean of their class; of three classes, or of two and a
    third one with `rare` rows."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % 3 if not rare else np.r_[np.arange(n - rare) % 2, np.full(rare, 2)]
    y = random.permutation(y)
    x = (128 + 30 * random.normal(size=(n, dims)) + 20 * y[:, None]).clip(0, 255).astype(np.uint8)
    schema = Schema("image", ("a", "b", "c"), {"channels": 1, "height": 1, "width": dims})
    return LabelledData.of_real(x[:, None, None], y, schema)


def people(n: int, seed: int) -> LabelledData:
    """A table of six columns that hang on each other a little."""
    random = np.random.default_rng(seed)
    age = random.gamma(6, 7, n).round(1)
    frame = {
        "age": age,
        "pay": (20 + age * random.uniform(0.2, 1.5, n)).round(2),
        "town": np.array(list("ABCDEFGHIJKL"))[random.integers(0, 12, n)],
        "job": np.array(["clerk", "cook", "nurse", "smith"])[random.integers(0, 4, n)],
        "height": random.normal(170, 9, n).round(1),
        "score": random.normal(size=n).round(3),
        "label": np.where(random.random(n) < 0.3, "yes", "no"),
    }
    return read_frame(pd.DataFrame(frame), "label").data


def three_ways(rows: LabelledData, seed: int) -> tuple[LabelledData, LabelledData, LabelledData]:
    """(train, fresh, held_out): a quarter, a quarter and half of the rows."""
    side = np.random.default_rng(seed).permutation(len(rows)) % 4
    return rows[side == 0], rows[side == 1], rows[side >= 2]


def mixture(train: LabelledData, fresh: LabelledData, share: float, seed: int) -> LabelledData:
    """As many rows as `train` has, that share of train rows learned by heart and the others fresh ones."""
    n = min(len(train), len(fresh))
    return partly_memorised(train[:n], fresh, n, share, seed)[0]


def of_subjects(rows: LabelledData, size: int, first: int = 0) -> LabelledData:
    """The same, `size` rows after the other of one subject."""
    return replace(rows, groups={"who": np.array([f"p{first + i // size}" for i in range(len(rows))])})
