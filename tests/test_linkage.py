"""Singling out and linkability of tables, and cells that follow from others: by loops and on sets of known privacy."""

from __future__ import annotations

import numpy as np
import pytest
from attack_sets import mixture, noise, people, three_ways
from scipy.stats import norm

from gensynth.data.kinds import modality_of, points_of
from gensynth.data.table import TablePoints
from gensynth.evaluation.privacy.columns import column_reconstruction
from gensynth.evaluation.privacy.linkage import Guesses, link, linkage_risks, risk_entry, single_out
from gensynth.evaluation.privacy.membership import roles_of

ROWS = people(1600, 0)
TRAIN, FRESH, HELD_OUT = three_ways(ROWS, 0)


def columns_of_rows():
    return modality_of(ROWS.schema).columns(ROWS.schema)


def roles_and(share: float):
    synthetic = mixture(TRAIN, FRESH, share, 0)
    return roles_of(TRAIN, HELD_OUT, synthetic, points_of(ROWS), 0, ""), synthetic


def test_predicates_hold_for_the_rows_of_a_loop():
    x = np.array([[1.0, 5.0], [2.0, np.nan], [2.0, 3.0], [4.0, 3.0]])
    guesses = Guesses(
        np.array([[0, 1], [0, 1], [0, 1]]),
        np.array([[2.0, 3.0], [2.0, np.nan], [4.0, 3.0]]),
        np.array([[1, 0], [0, 0], [-1, 1]]),
    )
    # at least 2 and equal to 3; equal to 2 and missing; at most 4 and at least 3
    np.testing.assert_array_equal(guesses.counts(x), [2, 1, 3])


def test_guesses_hold_for_one_synthetic_row_each():
    discrete = np.array([False, False, True, True, False, False])
    guesses = single_out(FRESH.x, discrete, np.random.default_rng(0))
    assert len(guesses) > 200
    assert (guesses.counts(FRESH.x) == 1).all()
    assert (guesses.way[discrete[guesses.column]] == 0).all()
    assert all(len(set(row)) == 3 for row in guesses.column)


def test_rows_are_linked_where_one_synthetic_row_is_nearest_to_both_halves():
    columns = columns_of_rows()
    half = np.arange(len(columns)) < 3
    points = [TablePoints([column], ROWS.x[:, [j]]) for j, column in enumerate(columns)]
    found = link(TRAIN.x[:40], FRESH.x, points, half)
    sides = [
        [
            np.concatenate([points[j].transform(x[:, [j]]) for j in np.flatnonzero(part)], axis=1)
            for x in (TRAIN.x[:40], FRESH.x)
        ]
        for part in (half, ~half)
    ]
    for i in range(40):
        sets = []
        for mine, theirs in sides:
            apart = ((mine[i].astype(float) - theirs) ** 2).sum(axis=1)
            sets.append(set(np.flatnonzero(apart <= apart.min() + 1e-5)))
        assert found[i] == bool(sets[0] & sets[1])


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_risks_are_none_for_an_oracle_and_high_for_a_memoriser(share):
    roles, synthetic = roles_and(share)
    found = linkage_risks(roles, synthetic)
    linked, singled = found["linkability"], found["singling_out"]
    if share == 0:
        assert linked["low"] <= 0 <= linked["high"]
        assert singled["low"] <= 0 <= singled["high"]
    else:
        assert linked["low"] - 0.05 <= share <= linked["high"] + 0.05
        assert singled["low"] > 0
    if share == 1:
        assert linked["train"]["value"] == 1.0
        assert singled["train"]["value"] >= 0.95  # a predicate of a copy fits its original, unless that plays no part
    assert linked["control"]["value"] < 0.2


def test_the_interval_of_a_risk_is_that_of_error_propagation():
    rates = {}
    for name, hits, n in (("t", 30, 80), ("c", 11, 70)):
        z = norm.ppf(0.975)
        rates[name] = ((hits + z * z / 2) / (n + z * z), z / (n + z * z) * np.sqrt(hits * (n - hits) / n + z * z / 4))
    (t, dt), (c, dc) = rates["t"], rates["c"]
    entry = risk_entry(np.arange(80) < 30, np.arange(70) < 11)
    step = 1e-6
    slopes = [(f - (t - c) / (1 - c)) / step for f in ((t + step - c) / (1 - c), (t - c - step) / (1 - c - step))]
    assert entry["value"] == pytest.approx((t - c) / (1 - c), abs=1e-4)
    assert entry["high"] - entry["value"] == pytest.approx(np.hypot(slopes[0] * dt, slopes[1] * dc), abs=1e-4)


def test_risks_are_for_tables_and_few_rows_are_a_reason():
    train, fresh, held_out = three_ways(noise(400, 6, 0), 0)
    assert linkage_risks(roles_of(train, held_out, fresh, points_of(train), 0, ""), fresh) == {}
    roles, _ = roles_and(0.0)
    few = linkage_risks(roles, FRESH[:5])
    assert few["linkability"]["reason"].startswith("not defined: 6 columns")


def test_cells_are_read_off_the_row_that_is_nearest_in_the_others():
    """Against a loop over rows and columns; pools are small enough to be taken whole."""
    rows, synthetic, reference = TRAIN[:30], FRESH[:60], HELD_OUT[:50]
    found = column_reconstruction(rows, synthetic, reference, 0)
    real = np.concatenate([rows.x, reference.x])
    points = [TablePoints([column], real[:, [j]]) for j, column in enumerate(columns_of_rows())]

    def apart(i: int, j: int, pool) -> np.ndarray:
        mine, theirs = (points[j].transform(side[:, [j]]).astype(float) for side in (rows.x[[i]], pool.x))
        return ((mine - theirs) ** 2).sum(axis=1)

    for i in range(30):
        score = 0.0
        for pool, sign in ((reference, 1), (synthetic, -1)):
            table = np.stack([apart(i, j, pool) for j in range(6)])
            for j in range(6):
                score += sign * min(np.sqrt(table[j, np.argmin(table.sum(axis=0) - table[j])]), 1.0)
        assert found[i] == pytest.approx(score, abs=1e-3)
    assert column_reconstruction(*three_ways(noise(40, 6, 0), 0), 0) is None
