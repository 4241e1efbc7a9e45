"""Shadow-model likelihood ratios, with generators that cost nothing: a memoriser, a noise maker, half a copier."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from known_sets import memorised, nonsense
from scipy.stats import norm

from gensynth.data.kinds import points_of
from gensynth.data.sources import read_digits
from gensynth.evaluation.privacy.shadow import (
    Shadows,
    choose_targets,
    half_of_each_class,
    log_likelihood_ratio,
    run_shadows,
    shadow_attack,
)
from gensynth.types import LabelledData

ROWS = read_digits().data
ORDER = np.random.default_rng(0).permutation(len(ROWS))
TRAIN, HELD_OUT = ROWS[ORDER[:500]], ROWS[ORDER[500:1000]]
POINTS = points_of(TRAIN)


def memoriser(rows: LabelledData, seed: int) -> LabelledData:
    return memorised(rows, len(rows), seed)


def noise(rows: LabelledData, seed: int) -> LabelledData:
    return nonsense(rows[:100], seed)


def jittered(rows: LabelledData, seed: int) -> LabelledData:
    """Half of its rows, moved by more than a tenth of a pixel's range each."""
    r = np.random.default_rng(seed)
    half = rows[r.permutation(len(rows))[: len(rows) // 2]]
    return replace(half, x=np.clip(half.x + r.normal(0, 40, half.x.shape), 0, 255).astype(np.uint8))


def attack(train_and_draw, runs: int = 16, targets: int = 150, seed: int = 0) -> dict:
    synthetic = train_and_draw(TRAIN, 77)
    return shadow_attack(
        TRAIN, HELD_OUT, synthetic, train_and_draw, runs=runs, targets=targets, points=POINTS, seed=seed
    )


def test_a_memoriser_is_caught_at_the_lowest_rates():
    line = attack(memoriser)
    assert line["auc"]["value"] >= 0.99
    assert line["tpr"]["0.01"]["value"] >= 0.99
    assert line["tpr"]["0.001"]["value"] is None
    assert line["control"]["auc"]["low"] <= 0.5 <= line["control"]["auc"]["high"]
    assert (line["runs"], line["attack"], line["release"]) == (16, "shadow_lira", "rows")


def test_half_a_copier_is_caught_and_noise_is_not():
    assert attack(jittered)["auc"]["low"] > 0.6
    found = attack(noise)["auc"]
    assert found["low"] <= 0.5 <= found["high"]


def test_the_attack_is_the_same_for_the_same_seed_and_another_for_another():
    one, again, other = (attack(jittered, 4, 60, seed) for seed in (1, 1, 2))
    assert one == again
    assert one["auc"] != other["auc"]


def test_targets_are_the_farthest_of_each_class_and_as_many_on_both_sides():
    pool = LabelledData.concat([TRAIN, HELD_OUT])
    chosen, members = choose_targets(pool, len(TRAIN), 100, POINTS)
    assert members.sum() == (~members).sum()
    np.testing.assert_array_equal(pool.y[chosen][members], pool.y[chosen][~members])
    assert (chosen[members] < len(TRAIN)).all()
    x = POINTS(pool.x).astype(np.float64)
    squared = ((x[:, None] - x[None]) ** 2).sum(2)
    np.fill_diagonal(squared, np.inf)
    far = np.sqrt(np.sort(squared, axis=1)[:, :5]).mean(1)
    for c in range(10):
        mine = np.flatnonzero((pool.y == c) & (np.arange(len(pool)) < len(TRAIN)))
        picked = chosen[members & (pool.y[chosen] == c)]
        assert set(picked) == set(mine[np.argsort(-far[mine])[: len(picked)]])


def test_every_target_is_seen_by_exactly_half_of_the_runs():
    seen: list[set[str]] = []

    def remember(rows: LabelledData, seed: int) -> LabelledData:
        seen.append(set(rows.ids))
        return rows

    targets = np.arange(0, 500, 7)
    shadows = run_shadows(TRAIN, targets, remember, 6, POINTS, 0)
    assert (shadows.trained_on.sum(0) == 3).all()
    for run, ids in enumerate(seen):
        np.testing.assert_array_equal([i in ids for i in TRAIN.ids[targets]], shadows.trained_on[run])
    assert len({frozenset(ids) for ids in seen}) == 6
    assert (shadows.statistic[shadows.trained_on] > 20).all()  # a copy lies at distance 0
    assert (shadows.statistic[~shadows.trained_on] < 20).all()


def test_a_run_sees_all_rows_of_a_subject_or_none():
    whose = np.char.add("s", (np.arange(len(TRAIN)) % 90).astype(str))
    pool = replace(TRAIN, groups={"who": whose})

    def remember(rows: LabelledData, seed: int) -> LabelledData:
        assert not set(rows.groups["who"]) & set(whose[~np.isin(TRAIN.ids, rows.ids)])
        return rows

    shadows = run_shadows(pool, np.arange(0, 500, 7), remember, 6, POINTS, 0, "who")
    assert (shadows.trained_on.sum(0) == 3).all()


def test_halves_are_halves_of_every_class():
    half = half_of_each_class(TRAIN.y, 0)
    sizes = TRAIN.counts()
    np.testing.assert_array_equal(TRAIN[half].counts(), sizes // 2)


@pytest.mark.parametrize("runs", [8, 64])
def test_the_ratio_is_that_of_two_normal_densities(runs):
    """Below 64 runs all targets share one variance a side, from there on each has its own."""
    r = np.random.default_rng(0)
    statistic = r.normal(0, [0.5, 1.0, 2.0], (runs, 3))
    trained_on = (np.arange(runs)[:, None] + np.arange(3)) % 2 == 0
    observed = np.array([0.3, -0.4, 1.1])
    found = log_likelihood_ratio(observed, Shadows(statistic, trained_on))
    expected, stds = [], []
    for side in (trained_on, ~trained_on):
        parts = [statistic[side[:, t], t] for t in range(3)]
        spread = np.array([part.var(ddof=1) for part in parts])
        stds.append(np.sqrt(spread if runs >= 64 else np.full(3, spread.mean())))
        expected.append(norm.logpdf(observed, [part.mean() for part in parts], stds[-1]))
    np.testing.assert_allclose(found, expected[0] - expected[1])


@pytest.mark.parametrize("runs", [2, 7])
def test_too_few_or_odd_runs_are_refused(runs):
    with pytest.raises(ValueError, match="runs must be even and at least 4"):
        attack(memoriser, runs)
