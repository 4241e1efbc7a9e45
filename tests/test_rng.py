from __future__ import annotations

import numpy as np
import pytest

from gensynth import rng


def words(text: str) -> np.ndarray:
    return np.array([int(w, 16) for w in text.split()], dtype=np.uint64)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ("0 0 0 0", "0 0", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff " * 4, "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_known_answers(counter, key, expected):
    """The three vectors that the Random123 distribution publishes for philox4x32-10."""
    np.testing.assert_array_equal(rng.philox(words(counter), words(key)), words(expected))


def test_a_row_depends_on_its_seed_alone():
    seeds = rng.row_seeds(0, "rare", 0, 500)
    whole = rng.normal(seeds, 33, "noise")
    np.testing.assert_array_equal(rng.normal(seeds[::-1], 33, "noise")[::-1], whole)
    np.testing.assert_array_equal(rng.normal(seeds[137:138], 33, "noise")[0], whole[137])
    np.testing.assert_array_equal(rng.normal(seeds, 10, "other") == whole[:, :10], False)


def test_normal_has_the_moments_of_a_standard_normal():
    x = rng.normal(rng.row_seeds(3, "a", 0, 20_000), 6, "noise")
    assert abs(x.mean()) < 0.01
    assert abs(x.std() - 1) < 0.01
    assert abs((x**4).mean() - 3) < 0.06
    assert np.abs(np.corrcoef(x.T) - np.eye(6)).max() < 0.03


def test_growing_a_class_keeps_its_prefix_and_classes_do_not_meet():
    assert (rng.row_seeds(0, "a", 0, 300) == rng.row_seeds(0, "a", 0, 500)[:300]).all()
    assert (rng.row_seeds(0, "a", 64, 10) == rng.row_seeds(0, "a", 0, 100)[64:74]).all()
    assert not set(rng.row_seeds(0, "a", 0, 1000)) & set(rng.row_seeds(0, "b", 0, 1000))
    assert not set(rng.row_seeds(0, "a", 0, 1000)) & set(rng.row_seeds(1, "a", 0, 1000))


def test_seed_zero_is_a_seed_like_any_other():
    assert rng.child(0, "split") != rng.child(1, "split")
    assert rng.child(0, "split") == rng.child(0, "split")
