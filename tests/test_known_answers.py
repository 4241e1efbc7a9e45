"""The metrics against values that are known: closed forms, published examples, loops over all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from gensynth.evaluation.bias.group_recall import group_recall
from gensynth.evaluation.metrics.detection import auc_std, c2st_auc
from gensynth.evaluation.metrics.distance import (
    fid_as_is,
    frechet_distance,
    frechet_expected,
    frechet_infinity,
    kernel_distance,
    kid_as_is,
    mind,
)
from gensynth.evaluation.metrics.diversity import vendi, vendi_ratio
from gensynth.evaluation.metrics.support import (
    expected_clipped_coverage,
    expected_coverage,
    membership,
    prdc,
    realism,
    squared_radii,
)
from gensynth.evaluation.utility.utility import summarise
from gensynth.intervals import holm, share_difference, wilson_interval
from gensynth.models.classifiers import BoostedTrees
from gensynth.neighbours import nearest_distances


def clipped(name, *, real, fake, k=5):
    return membership(real=real, fake=fake, k=k).clipped()[name]


def normal(seed: int, n: int, d: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def whitened(seed: int, n: int, d: int) -> np.ndarray:
    """Rows whose mean is 0 and whose covariance is the identity, exactly."""
    x = normal(seed, n, d)
    x -= x.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(x.T))
    return x @ vectors / np.sqrt(values)


def test_frechet_of_shifted_rows_in_2048_dimensions_is_2048():
    x = normal(0, 40, 2048)
    assert frechet_distance(real=x, fake=x + 1) == pytest.approx(2048, rel=1e-9)


def test_frechet_of_a_doubled_normal_in_4_dimensions_is_4():
    x = whitened(0, 500, 4)
    assert frechet_distance(real=x, fake=2 * x) == pytest.approx(4.0, abs=1e-9)
    scales = np.array([1.0, 2.0, 3.0, 0.5])
    assert frechet_distance(real=x, fake=x * scales) == pytest.approx(((scales - 1) ** 2).sum(), abs=1e-9)


@pytest.mark.parametrize(("n", "d"), [(500, 16), (20, 64)])
def test_frechet_of_the_same_rows_is_0(n, d):
    x = normal(0, n, d)
    assert frechet_distance(real=x, fake=x.copy()) < 1e-8


@pytest.mark.parametrize(
    ("n", "m", "d", "value"), [(1000, 1000, 64, 2.223), (500, 500, 16, 0.331), (500, 5000, 64, 2.44)]
)
def test_frechet_under_the_null(n, m, d, value):
    found = np.mean([frechet_distance(real=normal(2 * i, n, d), fake=normal(2 * i + 1, m, d)) for i in range(12)])
    assert found == pytest.approx(value, rel=0.06)
    assert frechet_expected(real=normal(99, 20_000, d), n=n, m=m) == pytest.approx(value, rel=0.03)


def test_frechet_with_fewer_rows_than_dimensions():
    found = np.mean([frechet_distance(real=normal(2 * i, 20, 64), fake=normal(2 * i + 1, 20, 64)) for i in range(20)])
    assert found == pytest.approx(79.3, rel=0.06)


def test_torchmetrics_agrees_with_the_core():
    real, fake = normal(0, 600, 16), 1.3 * normal(1, 600, 16) + 0.2
    assert fid_as_is(real=real, fake=fake) == pytest.approx(frechet_distance(real=real, fake=fake), rel=1e-6)
    one_subset = kid_as_is(real=real, fake=fake, seed=0, subset_size=600)[0]
    assert one_subset == pytest.approx(kernel_distance(real=real, fake=fake), rel=1e-5)
    subsets = kid_as_is(real=real, fake=fake, seed=0, subset_size=200)[0]
    assert subsets == pytest.approx(kernel_distance(real=real, fake=fake), rel=0.15)


def test_frechet_at_infinity_loses_the_bias_and_keeps_the_distance():
    null, shifted = [], []
    for i in range(8):
        real, fake = normal(2 * i, 1500, 32), normal(2 * i + 1, 1500, 32)
        null.append(frechet_infinity(real=real, fake=fake, seed=i))
        shifted.append(frechet_infinity(real=real, fake=fake + 0.5, seed=i))
    assert frechet_distance(real=real, fake=fake) > 0.3
    assert np.mean(null) == pytest.approx(0.0, abs=0.03)
    assert np.mean(shifted) == pytest.approx(32 * 0.25, rel=0.03)
    with pytest.raises(ValueError, match="at least 256 rows"):
        frechet_infinity(real=real[:200], fake=fake[:200], seed=0)


def test_kernel_distance_under_the_null():
    values = [kernel_distance(real=normal(2 * i, 200, 64), fake=normal(2 * i + 1, 200, 64)) for i in range(200)]
    assert np.mean(values) == pytest.approx(0.0, abs=3 * 4.9e-3 / np.sqrt(200))
    assert np.std(values) == pytest.approx(4.9e-3, rel=0.2)
    assert min(values) < 0


def test_kernel_distance_is_the_double_loop_and_free_of_chunks():
    real, fake = normal(0, 30, 5), normal(1, 20, 5) + 0.3

    def mean(a, b, same):
        pairs = [((x @ y) / 5 + 1) ** 3 for i, x in enumerate(a) for j, y in enumerate(b) if not same or i != j]
        return np.mean(pairs)

    expected = mean(real, real, True) + mean(fake, fake, True) - 2 * mean(real, fake, False)
    assert kernel_distance(real=real, fake=fake, chunk=7) == pytest.approx(expected)


@pytest.mark.slow
def test_prdc_of_its_own_readme():
    found = prdc(real=normal(0, 10_000, 1000), fake=normal(1, 10_000, 1000), k=5)
    # One draw each, there and here: in 1,000 dimensions precision and recall move by some hundredths.
    assert found["precision"] == pytest.approx(0.4772, abs=0.06)
    assert found["recall"] == pytest.approx(0.4705, abs=0.06)
    assert found["density"] == pytest.approx(1.0555, abs=0.2)
    assert found["coverage"] == pytest.approx(0.9735, abs=0.02)


@pytest.mark.parametrize(("junk", "value"), [(0.0, 1.0), (0.25, 0.75), (0.5, 0.5), (0.75, 0.25)])
def test_clipped_scores_read_as_the_share_of_good_rows(junk, value):
    coverage, density = [], []
    for i in range(12):
        real, fake = normal(2 * i, 300, 8), normal(2 * i + 1, 300, 8)
        fake[: int(junk * 300)] += 50.0
        coverage.append(clipped("clipped_coverage", real=real, fake=fake))
        density.append(clipped("clipped_density", real=real, fake=fake))
    assert np.mean(coverage) == pytest.approx(value, abs=0.03)
    assert np.mean(density) == pytest.approx(value, abs=0.03)


def test_clipped_density_does_not_rise_with_rows_in_dense_regions():
    """Half junk, half copies of the densest row: density is fooled, its clipped form is not."""
    real = normal(0, 300, 4)
    hub = real[membership(real=real, fake=real).balls_per_fake.argmax()]
    fake = np.concatenate([np.repeat(hub[None], 150, 0), normal(1, 150, 4) + 50])
    density = prdc(real=real, fake=fake)["density"]
    assert density > 1.0
    assert clipped("clipped_density", real=real, fake=fake) < density - 0.1


def test_clipped_scores_are_the_loops():
    real, fake, k = normal(0, 40, 3), 1.3 * normal(1, 25, 3), 4
    distance = np.linalg.norm(real[:, None] - real[None], axis=2)
    radii = np.sort(distance, axis=1)[:, k]
    cut = np.minimum(radii, np.sort(radii)[(len(radii) - 1) // 2])
    between = np.linalg.norm(real[:, None] - fake[None], axis=2)
    of_fake = np.minimum((between < cut[:, None]).sum(0) / k, 1).mean()
    # A real row counts where it is among the k nearest of another one, and inside the median radius.
    among = distance <= np.sort(distance, axis=1)[:, k : k + 1]
    np.fill_diagonal(among, False)
    median = np.sort(radii)[(len(radii) - 1) // 2]
    of_real = np.minimum((among & (distance < median)).sum(0) / k, 1).mean()
    assert clipped("clipped_density", real=real, fake=fake, k=k) == pytest.approx(min(of_fake / of_real, 1))
    covered = np.minimum((between < radii[:, None]).sum(1), k).mean() / k
    table = expected_clipped_coverage(40, 25, k)
    assert clipped("clipped_coverage", real=real, fake=fake, k=k) == pytest.approx(
        np.interp(covered, table, np.arange(26) / 25)
    )


def test_expected_clipped_coverage_is_the_beta_binomial():
    from scipy.stats import betabinom

    n, m, k = 30, 12, 4
    for good in (0, 3, 12):
        inside = np.arange(good + 1)
        direct = (np.minimum(inside, k) * betabinom.pmf(inside, good, k, n - k)).sum() / k
        assert expected_clipped_coverage(n, m, k)[good] == pytest.approx(direct)
    assert expected_clipped_coverage(200, 150, 1)[-1] == pytest.approx(expected_coverage(200, 150, 1))


def test_realism_is_the_loop():
    real, fake, k = normal(0, 30, 3), 1.5 * normal(1, 12, 3), 3
    radii = np.sort(np.linalg.norm(real[:, None] - real[None], axis=2), axis=1)[:, k]
    keep = radii <= np.sort(radii)[(len(radii) - 1) // 2]
    between = np.linalg.norm(real[keep][:, None] - fake[None], axis=2)
    expected = (radii[keep][:, None] / between).max(axis=0)
    np.testing.assert_allclose(realism(real=real, fake=fake, k=k), expected)
    assert realism(real=real, fake=real[:1], k=k)[0] == 100.0


def test_repeated_rows_have_empty_balls_and_cost_nothing():
    """A row that is there a thousand times: radius 0, ball empty, whatever is asked of it."""
    real = np.concatenate([np.zeros((1000, 3)), normal(0, 50, 3) + 5])
    assert squared_radii(real, 5)[0][:1000].max() == 0
    inside = membership(real=real, fake=np.zeros((20, 3)))
    assert (inside.fakes_per_ball[:1000] == 0).all()
    np.testing.assert_array_equal(nearest_distances(real[:3], real, 2)[0], 0.0)


def test_support_is_free_of_order_chunks_and_precision():
    real, fake = normal(0, 400, 12).astype(np.float32), normal(1, 300, 12).astype(np.float32)
    order = np.random.default_rng(0)
    one = membership(real=real, fake=fake)
    shuffled = membership(real=order.permutation(real), fake=order.permutation(fake), chunk=17)
    double = membership(real=real.astype(np.float64), fake=fake.astype(np.float64), chunk=64)
    for other in (shuffled, double):
        assert other.prdc() == pytest.approx(one.prdc(), abs=1e-12)
        assert other.clipped() == pytest.approx(one.clipped(), abs=1e-12)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_rows_that_differ_in_the_eighth_digit_are_told_apart(offset):
    """Bounds in float32 leave these comparisons open; the answers must be those of float64."""
    x = offset + np.arange(40.0)[:, None] * np.array([[1e-8 if offset == 0 else 1e-3]])
    far = np.concatenate([x, x[:3] + 1e4])
    distances, rows = nearest_distances(far[:40], far, 2, chunk=8)
    np.testing.assert_array_equal(rows[:, 0], np.arange(40))
    np.testing.assert_allclose(distances[:, 1], np.diff(x[:, 0]).mean(), rtol=1e-3)


def test_ties_by_the_hundred_have_the_right_distance():
    """Levels of a table: hundreds of rows at one distance, more than any list of candidates holds."""
    categories = np.random.default_rng(0).integers(0, 3, (600, 6)).astype(float)
    distances, rows = nearest_distances(categories[:50], categories[50:], 4, chunk=16)
    brute = np.linalg.norm(categories[:50, None] - categories[None, 50:], axis=2)
    np.testing.assert_allclose(distances, np.sort(brute, axis=1)[:, :4], atol=1e-12)
    np.testing.assert_allclose(np.take_along_axis(brute, rows, axis=1), distances, atol=1e-12)


def test_vendi_values():
    assert vendi(np.eye(7)) == pytest.approx(7)
    assert vendi(np.ones((7, 7))) == pytest.approx(1)
    points = np.array([0.0, 0, 10, 10, 20, 20])
    kernels = np.array([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]]), np.exp(-np.abs(points[:, None] - points))
    for kernel, value in zip(kernels, (2.1573, 2.9999), strict=True):
        values, vectors = np.linalg.eigh(kernel)  # rows whose cosines are the kernel
        assert vendi(vectors * np.sqrt(values.clip(0))) == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize(("n", "value"), [(50, 33.9), (200, 54.8), (1000, 62.1), (5000, 63.6)])
def test_vendi_grows_with_n(n, value):
    assert vendi(normal(0, n, 64)) == pytest.approx(value, abs=0.4)


def test_vendi_ratio_wants_equal_n_and_sees_collapse():
    x = normal(0, 200, 16)
    assert vendi_ratio(real=x, fake=normal(1, 200, 16)) == pytest.approx(1.0, abs=0.02)
    assert vendi_ratio(real=x, fake=np.repeat(x[:4], 50, axis=0)) < 0.35
    with pytest.raises(ValueError, match="equally many rows"):
        vendi_ratio(real=x, fake=x[:50])


def test_mind_of_a_shift_is_3_d_mu_squared():
    real, fake = normal(0, 4000, 6), normal(1, 4000, 6) + 0.7
    assert mind(real=real, fake=fake, seed=0, directions=2000) == pytest.approx(3 * 6 * 0.49, rel=0.1)
    assert mind(real=real, fake=real, seed=0) == 0.0
    assert mind(real=real, fake=fake, seed=0) == pytest.approx(mind(real=fake, fake=real, seed=0), rel=1e-9)


def test_mind_of_unequal_n_is_the_distance_of_the_quantile_functions():
    real, fake = np.array([[0.0], [1.0]]), np.array([[0.0], [1.0], [2.0]])
    # Quantiles meet on thirds and halves: 1/3 at 0-0, 1/6 at 0-1, 1/6 at 1-1, 1/3 at 1-2, so (1/6 + 1/3) * 3.
    assert mind(real=real, fake=fake, seed=0, directions=10) == pytest.approx(1.5)
    twice = mind(real=np.repeat(real, 5, 0), fake=np.repeat(fake, 7, 0), seed=0, directions=10)
    assert twice == pytest.approx(1.5)


def test_two_samples_of_one_distribution_cannot_be_told_apart():
    n = 400
    values = [c2st_auc(normal(2 * i, n, 4), normal(2 * i + 1, n, 4), seed=i) for i in range(8)]
    assert np.mean(values) == pytest.approx(0.5, abs=3 * auc_std(0.5, n, n) / np.sqrt(8) + 0.01)
    assert c2st_auc(normal(0, n, 4), normal(1, n, 4) * 1.5, seed=0) > 0.65
    with pytest.raises(ValueError, match="equally many rows"):
        c2st_auc(normal(0, 20, 2), normal(1, 19, 2), seed=0)


def test_share_nearer_to_train_under_the_null():
    """80 train rows and 20 held out of one distribution: 4 of 5 new rows lie nearer to train."""
    shares = []
    for i in range(40):
        train, holdout, new = (normal(3 * i + j, n, 5) for j, n in enumerate((80, 20, 200)))
        shares.append((nearest_distances(new, train, 1)[0] < nearest_distances(new, holdout, 1)[0]).mean())
    assert np.mean(shares) == pytest.approx(0.8, abs=0.015)


def gap_of(groups: int, rows: int, recall: np.ndarray, seed: int) -> dict:
    """Gap and worst cell of one class in so many groups of so many rows, each with its recall, by 3 seeds alike."""
    r = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), rows)
    y = np.append(np.ones(len(group), int), np.zeros(25, int))
    right = np.append(r.random(len(group)) < recall[group], np.ones(25, bool))
    once = np.tile(np.where(right, y, 1 - y), (3, 1))
    predictions = {(arm, "boosting"): once for arm in ("real_only", "real_plus_synthetic")}
    result = summarise(predictions, y, ("no", "yes"), (0, 1, 2), dict.fromkeys(("real_only", "real_plus_synthetic"), 1))
    found = group_recall(result, {"who": np.append(group, np.zeros(25, int)).astype(str)})
    return {"gap": found["tables"]["who"]["gap"]["without"], "worst": found["worst"]["without"]}


def test_a_gap_of_equal_groups_is_expected_and_its_interval_holds_none():
    """8 equal groups of 25 rows: the largest difference is .23 in the mean, and all chance."""
    found = [gap_of(8, 25, np.full(8, 0.8), seed) for seed in range(40)]
    gaps = [one["gap"] for one in found]
    assert np.mean([gap["value"] for gap in gaps]) == pytest.approx(0.23, abs=0.05)
    assert np.mean([gap["low"] == 0 for gap in gaps]) >= 0.9
    for key in ("gap", "worst"):
        seen, expected = (np.mean([one[key][name] for one in found]) for name in ("value", "expected"))
        assert seen == pytest.approx(expected, abs=0.025)
        assert found[0][key]["expected_from"] == "permuted groups"


def test_a_true_gap_lies_in_its_interval_and_off_what_equal_groups_give():
    recall = np.array([0.9, 0.9, 0.9, 0.4])
    gaps = [gap_of(4, 60, recall, seed)["gap"] for seed in range(40)]
    assert np.mean([gap["low"] <= 0.5 <= gap["high"] for gap in gaps]) >= 0.9
    assert all(gap["low"] > gap["expected"] for gap in gaps)
    assert {gap["lowest"] for gap in gaps} == {"3"}


def test_intervals_of_shares_are_the_published_formulas():
    """Wilson (1927) and Newcombe (1998, method 10), written out."""
    z2 = 1.959964**2

    def wilson(share, n):
        centre, reach = share + z2 / (2 * n), np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2)))
        return np.array([centre - reach, centre + reach]) / (1 + z2 / n)

    for n, m, hits, others in ((10, 7, 0, 7), (70, 80, 56, 48), (3, 2000, 1, 1), (1, 1, 1, 1)):
        one, other = hits / n, others / m
        np.testing.assert_allclose(wilson_interval(one, n), wilson(one, n), atol=1e-12)
        (low, high), (other_low, other_high) = wilson(one, n), wilson(other, m)
        found = share_difference(one, n, other, m)
        assert found.low == pytest.approx(one - other - np.hypot(one - low, other_high - other), abs=1e-12)
        assert found.high == pytest.approx(one - other + np.hypot(high - one, other - other_low), abs=1e-12)
    pooled = (56 + 48) / 150
    std = np.sqrt(pooled * (1 - pooled) * (1 / 70 + 1 / 80))
    assert share_difference(56 / 70, 70, 48 / 80, 80).p == pytest.approx(2 * norm.sf(0.2 / std), abs=1e-12)
    assert share_difference(1.0, 9, 1.0, 5).p == 1.0


@pytest.mark.parametrize("p", [[0.01, 0.04, 0.03], [0.5], [0.2, 0.2, 0.001, 1.0, 0.2], []])
def test_holm_is_that_of_statsmodels(p):
    np.testing.assert_allclose(holm(np.array(p)), multipletests(p, method="holm")[1], rtol=0, atol=1e-12)


def test_intervals_of_shares():
    low, high = wilson_interval(0.85, 1000)
    assert ((low + high) / 2, (high - low) / 2) == pytest.approx((0.849, 0.022), abs=1e-3)
    order = np.random.default_rng(0)
    draws = order.binomial(60, 0.9, (2, 2000)) / 60
    found = [share_difference(a, 60, b, 60) for a, b in draws.T]
    assert np.mean([d.low <= 0 <= d.high for d in found]) == pytest.approx(0.95, abs=0.02)
    assert np.mean([d.p < 0.05 for d in found]) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("metric", [frechet_distance, kernel_distance, prdc, membership, realism])
def test_nan_and_unequal_dimensions_are_refused(metric):
    x = normal(0, 20, 3)
    with pytest.raises(ValueError, match="not finite"):
        metric(real=x, fake=np.where(x > 1, np.nan, x))
    with pytest.raises(ValueError, match="expected features"):
        metric(real=x, fake=x[:, :2])


def test_constant_features_are_no_trouble():
    x = np.column_stack([normal(0, 60, 2), np.ones(60)])
    y = np.column_stack([normal(1, 60, 2), np.ones(60)])
    assert frechet_distance(real=x, fake=y) == pytest.approx(frechet_distance(real=x[:, :2], fake=y[:, :2]))
    assert prdc(real=x, fake=y) == prdc(real=x[:, :2], fake=y[:, :2])


def test_trees_bear_a_column_without_a_value():
    x = np.column_stack([np.arange(40.0), np.full(40, np.nan)])
    trees = BoostedTrees(max_iter=5, min_samples_leaf=2).fit(x, np.repeat([0, 1], 20))
    assert trees.predict_proba(x).argmax(axis=1).tolist() == [0] * 20 + [1] * 20
