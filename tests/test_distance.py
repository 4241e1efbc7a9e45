"""Distances against closed forms, the library against the core."""

import numpy as np
import pytest
import torch

from gensynth.evaluation.metrics.distance import (
    _Precomputed,
    fid_as_is,
    frechet_distance,
    frechet_expected,
    kid_as_is,
)
from gensynth.evaluation.metrics.metric import Scale


def fid(*, real, fake):
    scale = Scale.of(real)
    return fid_as_is(real=scale.apply(real), fake=scale.apply(fake))


def kid(*, real, fake, seed, subset_size):
    scale = Scale.of(real)
    return kid_as_is(real=scale.apply(real), fake=scale.apply(fake), seed=seed, subset_size=subset_size)


def gaussian(seed, n, d):
    return np.random.default_rng(seed).standard_normal((n, d))


def with_moments(x, mean, std):
    """The rows of x, moved so that sample mean and covariance are exactly `mean` and `deviation`^2 I."""
    x = x - x.mean(axis=0)
    root = np.linalg.cholesky(np.linalg.inv(np.cov(x, rowvar=False)))
    return std * (x @ root) + mean


def test_equal_covariance_leaves_the_squared_mean_difference():
    x = gaussian(0, 300, 32)
    assert frechet_distance(real=x, fake=x + 1.0) == pytest.approx(32.0, rel=1e-10)


def test_doubled_deviation_in_four_dimensions_is_four():
    real = with_moments(gaussian(0, 200, 4), 0.0, 1.0)
    fake = with_moments(gaussian(1, 300, 4), 0.0, 2.0)
    assert frechet_distance(real=real, fake=fake) == pytest.approx(4.0, rel=1e-9)


@pytest.mark.parametrize(("n", "d"), [(500, 16), (20, 64), (2, 3)])
def test_same_set_twice_is_zero(n, d):
    x = gaussian(0, n, d)
    assert 0.0 <= frechet_distance(real=x, fake=x) < 1e-8
    assert 0.0 <= fid(real=x, fake=x) < 1e-5


def test_dead_and_constant_dimensions_are_harmless():
    x = np.maximum(gaussian(0, 200, 8), 0.0)
    x[:, 3] = 0.0
    x[:, 5] = 7.0
    assert frechet_distance(real=x, fake=x) < 1e-8
    assert np.isfinite(fid(real=x, fake=x[::-1] + 0.1))


def test_symmetric_and_order_independent():
    real, fake = gaussian(0, 100, 5), 2 * gaussian(1, 150, 5)
    value = frechet_distance(real=real, fake=fake)
    assert frechet_distance(real=fake, fake=real) == pytest.approx(value)
    assert frechet_distance(real=real[::-1], fake=fake[::-1]) == pytest.approx(value)


def test_large_offset_does_not_cost_digits():
    x = gaussian(0, 400, 8)
    assert frechet_distance(real=x + 1e7, fake=x + 1e7 + 1.0) == pytest.approx(8.0, rel=1e-6)
    assert fid(real=x + 1e7, fake=x + 1e7) < 1e-5


def test_null_bias_closed_form_and_measured():
    white = with_moments(gaussian(0, 100, 16), 0.0, 1.0)
    assert frechet_expected(real=white, n=500, m=500) == pytest.approx(2 / 500 * (16 + 16 * 17 / 4), abs=1e-9)
    draws = [frechet_distance(real=gaussian(2 * i, 500, 16), fake=gaussian(2 * i + 1, 500, 16)) for i in range(30)]
    assert 0.32 < np.mean(draws) < 0.345


def test_expected_distance_for_unequal_deviations():
    scales = np.array([3.0, 1.0, 0.3, 0.0])
    draws = [
        frechet_distance(real=scales * gaussian(2 * i, 300, 4), fake=scales * gaussian(2 * i + 1, 300, 4))
        for i in range(200)
    ]
    expected = frechet_expected(real=scales * gaussian(999, 20_000, 4), n=300, m=300)
    assert np.mean(draws) == pytest.approx(expected, rel=0.12)


def test_library_agrees_with_the_core():
    real, fake = np.exp(gaussian(0, 300, 12)), 1.5 * gaussian(1, 250, 12) + 0.5
    scale = Scale.of(real)
    core = frechet_distance(real=scale.apply(real), fake=scale.apply(fake))
    assert fid(real=real, fake=fake) == pytest.approx(core, rel=1e-8)


def brute_force_mmd(x, y):
    """Unbiased MMD^2 with the cubic kernel, by a double loop."""
    d = x.shape[1]

    def kernel(a, b):
        return (a @ b / d + 1.0) ** 3

    def within(z):
        n = len(z)
        return sum(kernel(z[i], z[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))

    return within(x) + within(y) - 2 * np.mean([kernel(a, b) for a in x for b in y])


def test_kid_of_whole_sets_is_the_double_loop():
    real, fake = gaussian(0, 30, 6), gaussian(1, 30, 6) + 0.3
    scale = Scale.of(real)
    value, std = kid(real=real, fake=fake, seed=0, subset_size=1000)
    assert value == pytest.approx(brute_force_mmd(scale.apply(real), scale.apply(fake)), rel=1e-9)
    assert std == 0.0


def test_kid_is_near_zero_between_equal_distributions():
    draws = [
        kid(real=gaussian(2 * i, 200, 8), fake=gaussian(2 * i + 1, 200, 8), seed=0, subset_size=200)[0]
        for i in range(30)
    ]
    assert abs(np.mean(draws)) < 3 * np.std(draws) / np.sqrt(30)
    assert min(draws) < 0 < max(draws)


def test_kid_repeats_and_leaves_the_global_generator_alone():
    real, fake = gaussian(0, 80, 4), gaussian(1, 60, 4)
    before = torch.get_rng_state()
    first = kid(real=real, fake=fake, seed=5, subset_size=30)
    torch.testing.assert_close(torch.get_rng_state(), before)
    torch.rand(7)
    assert kid(real=real, fake=fake, seed=5, subset_size=30) == first
    assert kid(real=real, fake=fake, seed=6, subset_size=30) != first
    assert first[1] > 0


def test_extractor_does_the_same_in_every_mode():
    module, features = _Precomputed(3), torch.randn(5, 3)
    assert torch.equal(module.train()(features), features)
    assert torch.equal(module.eval()(features), features)


def test_scale_has_a_floor():
    x = np.column_stack([[-1.0, 1.0], [-1e-6, 1e-6], [4.0, 4.0]])
    rms = np.sqrt((1.0 + 1e-12) / 3)
    np.testing.assert_allclose(Scale.of(x).std, [1.0, 0.1 * rms, 0.1 * rms])
    np.testing.assert_array_equal(Scale.of(np.full((3, 2), 5.0)).std, [1.0, 1.0])


@pytest.mark.parametrize(
    ("real", "fake", "text"),
    [
        (np.zeros((5, 2)), np.zeros((5, 3)), r"\(5, 2\) and \(5, 3\)"),
        (np.zeros((1, 2)), np.zeros((5, 2)), "at least 2 rows"),
        (np.full((5, 2), np.nan), np.zeros((5, 2)), "not finite"),
    ],
)
def test_refuses_wrong_features(real, fake, text):
    for metric in (frechet_distance, fid_as_is):
        with pytest.raises(ValueError, match=text):
            metric(real=real, fake=fake)
    with pytest.raises(ValueError, match=text):
        kid_as_is(real=real, fake=fake, seed=0, subset_size=5)
