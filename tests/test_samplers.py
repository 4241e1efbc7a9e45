"""The exact work of the simple samplers; what all keep is in test_sampler_contract.py."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from conftest import stripes

from gensynth import rng
from gensynth.errors import DataError
from gensynth.samplers.image_transforms import ImageTransforms
from gensynth.samplers.resample import RandomOversampling
from gensynth.samplers.smote import Smote

DATA = stripes(25, (1, 12, 10))


def request(n: int = 90) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(n) % 3, rng.row_seeds(0, "a", 0, n)


def test_a_class_without_rows_is_a_sentence():
    lonely = RandomOversampling().fit(DATA[DATA.y != 1])
    with pytest.raises(DataError, match='class "band1" has no real training row'):
        lonely.sample(np.array([1]), rng.row_seeds(0, "a", 0, 1))


def test_oversampling_copies_exactly():
    rows = RandomOversampling().fit(DATA).sample(*request())
    source = dict(zip(DATA.ids, DATA.x, strict=True))
    assert all((source[p] == x).all() for p, x in zip(rows.parent, rows.x, strict=True))


def test_no_motion_is_the_identity():
    rows = ImageTransforms(0.0, 0.0, 0.0, False).fit(DATA).sample(*request())
    source = dict(zip(DATA.ids, DATA.x, strict=True))
    assert all((source[p] == x).all() for p, x in zip(rows.parent, rows.x, strict=True))


def test_motion_stays_within_what_was_asked_and_is_recorded():
    rows = ImageTransforms(10.0, 0.12, 0.1, False).fit(DATA).sample(*request(900))
    facts = [json.loads(p) for p in rows.groups["params"]]
    turns = np.array([f["rotate_degrees"] for f in facts])
    assert 9 < np.abs(turns).max() <= 10
    assert abs(turns.mean()) < 1
    assert np.abs([f["shift_x"] for f in facts]).max() <= 0.1
    assert not any(f["flip"] for f in facts)


def test_flip_mirrors_half_the_rows_and_is_declared_at_risk():
    mirror = ImageTransforms(0.0, 0.0, 0.0, True).fit(DATA)
    rows = mirror.sample(*request(900))
    source = dict(zip(DATA.ids, DATA.x, strict=True))
    flips = np.array([json.loads(p)["flip"] for p in rows.groups["params"]])
    assert mirror.label_policy == "at_risk"
    assert 0.4 < flips.mean() < 0.6
    for x, parent, flip in zip(rows.x, rows.parent, flips, strict=True):
        np.testing.assert_array_equal(x, source[parent][..., ::-1] if flip else source[parent])


def test_what_a_class_never_has_is_not_invented_by_interpolation():
    """A number and a date that are empty in every row of the rare class stay empty; others are interpolated."""
    from gensynth.data.table_source import read_frame

    random = np.random.default_rng(0)
    rare = np.arange(120) < 20
    frame = pd.DataFrame(
        {
            "never": np.where(rare, np.nan, random.normal(5, 1, 120).round(2)),
            "always": random.normal(rare, 1, 120).round(2),
            "kind": np.where(random.random(120) < 0.5, "u", "v"),
            "label": np.where(rare, "rare", "common"),
        }
    )
    train = read_frame(frame).data
    k = train.schema.classes.index("rare")
    x = Smote("smote", 5).fit(train).sample(np.full(30, k), np.arange(30, dtype=np.uint64)).x
    assert np.isnan(x[:, 0]).all()
    assert not np.isnan(x[:, 1]).any()
