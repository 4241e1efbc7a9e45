"""Precision, recall, density, coverage and nearest rows against loops and closed forms."""

import numpy as np
import pytest

from gensynth import neighbours
from gensynth.evaluation.metrics.support import expected_coverage, prdc
from gensynth.neighbours import nearest_distances


def gaussian(seed, n, d):
    return np.random.default_rng(seed).standard_normal((n, d))


def brute_force(real, fake, k):
    """The definitions, pair by pair, in float64."""
    real, fake = real.astype(np.float64), fake.astype(np.float64)

    def distance(a, b):
        return np.sqrt(((a - b) ** 2).sum())

    def radius(rows, i):
        return sorted(distance(rows[i], rows[j]) for j in range(len(rows)) if j != i)[k - 1]

    real_radii = [radius(real, i) for i in range(len(real))]
    fake_radii = [radius(fake, j) for j in range(len(fake))]
    between = np.array([[distance(a, b) for b in fake] for a in real])
    inside = between < np.array(real_radii)[:, None]
    return {
        "precision": inside.any(axis=0).mean(),
        "recall": (between < np.array(fake_radii)).any(axis=1).mean(),
        "density": inside.sum() / (k * len(fake)),
        "coverage": inside.any(axis=1).mean(),
    }


@pytest.mark.parametrize("kind", ["gaussian", "float32", "integers", "far_away", "sparse"])
def test_equals_the_double_loop(kind):
    real, fake = gaussian(0, 60, 3), gaussian(1, 45, 3) * 1.2
    if kind == "float32":
        real, fake = real.astype(np.float32), fake.astype(np.float32)
    if kind == "integers":
        real, fake = np.round(real), np.round(fake)
    if kind == "far_away":
        real, fake = real + 1e4, fake + 1e4
    if kind == "sparse":
        real, fake = np.maximum(real - 1, 0), np.maximum(fake - 1, 0)
    assert prdc(real=real, fake=fake, k=4) == pytest.approx(brute_force(real, fake, 4), abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_the_same_array_twice_scores_one(dtype, offset):
    x = (gaussian(0, 300, 16) + offset).astype(dtype)
    assert prdc(real=x, fake=x.copy()) == {"precision": 1.0, "recall": 1.0, "density": 1.0, "coverage": 1.0}


def test_swap_swaps_precision_and_recall():
    a, b = gaussian(0, 120, 4), 0.5 * gaussian(1, 90, 4)
    one, other = prdc(real=a, fake=b), prdc(real=b, fake=a)
    assert (one["precision"], one["recall"]) == (other["recall"], other["precision"])
    assert one["precision"] > one["recall"]


def test_narrow_fakes_in_wide_reals():
    scores = prdc(real=3 * gaussian(0, 200, 16), fake=0.1 * gaussian(1, 200, 16))
    assert scores["precision"] > 0.8
    assert scores["recall"] < 0.3


def test_expectations_under_the_null():
    draws = [prdc(real=gaussian(2 * i, 200, 8), fake=gaussian(2 * i + 1, 200, 8)) for i in range(60)]
    assert np.mean([d["coverage"] for d in draws]) == pytest.approx(expected_coverage(200, 200, 5), abs=0.006)
    assert np.mean([d["density"] for d in draws]) == pytest.approx(1.0, abs=0.03)


def test_expected_coverage_values():
    assert expected_coverage(200, 200, 5) == pytest.approx(0.96992, abs=5e-6)
    assert expected_coverage(500, 250, 5) == pytest.approx(0.8696, abs=5e-5)
    assert expected_coverage(10**7, 10**7, 5) == pytest.approx(1 - 2**-5, abs=1e-6)


def test_independent_of_chunk_and_order(monkeypatch):
    real, fake = np.round(gaussian(0, 101, 3), 1), np.round(gaussian(1, 77, 3), 1)
    whole = prdc(real=real, fake=fake)
    assert all(prdc(real=real, fake=fake, chunk=chunk) == whole for chunk in (1, 7, 100))
    assert prdc(real=real[::-1], fake=fake[::-1]) == whole
    monkeypatch.setattr(neighbours, "TABLE_CELLS", 50)
    monkeypatch.setattr(neighbours, "PAIR_BLOCK", 10)
    assert prdc(real=real, fake=fake) == whole


def test_the_border_of_a_ball_is_outside():
    real = np.array([[0.0], [1.0], [5.0]])
    fake = np.array([[2.0], [-1.0], [9.0]])
    scores = prdc(real=real, fake=fake, k=1)
    # Fakes 2 and -1 lie exactly on the borders of the balls round 1 and 0; only 5's ball holds 2.
    assert scores["precision"] == pytest.approx(1 / 3)
    assert scores["density"] == pytest.approx(1 / 3)


def test_collapsed_fakes_cover_nothing_but_where_they_are():
    scores = prdc(real=gaussian(0, 100, 4), fake=np.zeros((100, 4)))
    assert scores["recall"] == 0.0
    assert scores["coverage"] < 0.9


def test_identical_rows_everywhere_have_empty_balls():
    scores = prdc(real=np.ones((20, 3)), fake=np.ones((20, 3)))
    assert set(scores.values()) == {0.0}


@pytest.mark.parametrize("exclude_self", [False, True])
def test_nearest_equals_the_double_loop(exclude_self):
    reference = gaussian(0, 80, 5)
    query = reference if exclude_self else gaussian(1, 33, 5)
    table = np.sqrt(((query[:, None] - reference[None]) ** 2).sum(axis=2))
    if exclude_self:
        np.fill_diagonal(table, np.inf)
    distances, indices = nearest_distances(query, reference, 4, exclude_self=exclude_self, chunk=9)
    np.testing.assert_array_equal(indices, np.argsort(table, axis=1, kind="stable")[:, :4])
    np.testing.assert_allclose(distances, np.sort(table, axis=1)[:, :4], rtol=1e-12)


def test_a_copy_is_at_distance_zero_far_from_the_origin():
    reference = gaussian(0, 500, 32).astype(np.float32) + np.float32(300.0)
    distances, indices = nearest_distances(reference[40:50], reference, 2)
    np.testing.assert_array_equal(distances[:, 0], 0.0)
    np.testing.assert_array_equal(indices[:, 0], np.arange(40, 50))
    assert (distances[:, 1] > 1.0).all()


def test_nearest_of_pixels():
    pixels = np.array([[0, 0], [3, 4], [255, 255]], dtype=np.uint8)
    distances, indices = nearest_distances(pixels, pixels, 1, exclude_self=True)
    np.testing.assert_array_equal(distances[:2, 0], [5.0, 5.0])
    np.testing.assert_array_equal(indices[:, 0], [1, 0, 1])


def test_no_queries_give_no_rows():
    distances, indices = nearest_distances(np.zeros((0, 3)), np.zeros((5, 3)), 2)
    assert distances.shape == indices.shape == (0, 2)


def test_refusals():
    with pytest.raises(ValueError, match="at least 6 rows"):
        prdc(real=gaussian(0, 5, 2), fake=gaussian(1, 50, 2))
    with pytest.raises(ValueError, match="not finite"):
        prdc(real=np.full((9, 2), np.inf), fake=gaussian(1, 9, 2))
    with pytest.raises(ValueError, match="between 1 and 4"):
        nearest_distances(np.zeros((5, 2)), np.zeros((5, 2)), 5, exclude_self=True)
    with pytest.raises(ValueError, match="same rows twice"):
        nearest_distances(np.zeros((4, 2)), np.zeros((5, 2)), 1, exclude_self=True)
