"""Looks at a generator while it trains: known answers for copies, single modes and classes with few held-out rows."""

from __future__ import annotations

import numpy as np
from conftest import stripes

from gensynth.evaluation.fidelity.appraisal import MOST_ROWS, appraiser

TRAIN, VAL = stripes(60), stripes(40, seed=1)


def test_new_rows_of_the_class_cover_it_and_one_row_repeated_does_not():
    appraise = appraiser(TRAIN, VAL, seed=0)
    pools = [np.flatnonzero(TRAIN.y == k) for k in range(3)]

    def real(labels, seeds):
        return np.stack([TRAIN.x[pools[k][int(s) % len(pools[k])]] for k, s in zip(labels, seeds, strict=True)])

    def one(labels, seeds):
        return np.stack([TRAIN.x[pools[k][0]] for k in labels])

    good, bad = appraise(real), appraise(one)
    assert set(good) == set(VAL.schema.classes)
    for name in good:
        assert good[name]["coverage"] > 0.7
        assert good[name]["variety"] > 0.7
        assert bad[name]["coverage"] < 0.3
        assert bad[name]["variety"] < 0.4


def test_rows_of_another_class_cover_nothing():
    appraise = appraiser(TRAIN, VAL, seed=0)
    pools = [np.flatnonzero(TRAIN.y == (k + 1) % 3) for k in range(3)]
    found = appraise(lambda labels, seeds: np.stack([TRAIN.x[pools[k][i % 60]] for i, k in enumerate(labels)]))
    assert max(values["coverage"] for values in found.values()) < 0.2


def test_classes_with_few_held_out_rows_are_left_out_and_large_ones_are_cut():
    many = stripes(150)
    val = many[np.concatenate([np.flatnonzero(many.y == 0)[:7], np.flatnonzero(many.y == 1)])]
    asked = []
    found = appraiser(TRAIN, val, seed=0)(lambda labels, seeds: (asked.append(len(labels)), many.x[: len(labels)])[1])
    assert list(found) == [val.schema.classes[1]]
    assert asked == [MOST_ROWS]
    assert appraiser(TRAIN, val[:3], seed=0)(lambda labels, seeds: None) == {}
