"""Lower bounds on epsilon: they hold for mechanisms whose epsilon is known, find it where it can be found, and catch
a release that keeps less than it claims."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import logit
from scipy.stats import binom

from gensynth import rng
from gensynth.cli import compose
from gensynth.errors import UsageError
from gensynth.evaluation.epsilon import (
    canary_release_audit,
    chance_of_guesses,
    epsilon_by_threshold,
    epsilon_in_one_run,
    epsilon_of_guesses,
)
from gensynth.models.generator import TrainingRows
from gensynth.types import Block, Space


def responses(epsilon: float, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Randomised response: a fair coin, told truly with chance e^epsilon / (1 + e^epsilon)."""
    random = rng.numpy_generator(seed, "responses")
    inside = random.random(count) < 0.5
    return inside, np.where(random.random(count) < 1 / (1 + math.exp(-epsilon)), inside, ~inside).astype(float)


def test_perfect_scores_are_bounded_by_how_many_there_were():
    """All 500 of each half told apart: the ends of Clopper and Pearson are 0.025^(1/500) and one less that."""
    inside = np.arange(2000) % 2 == 0
    low = 0.025 ** (1 / 500)
    for scores in (inside.astype(float), -inside.astype(float)):
        found = epsilon_by_threshold(inside, np.round(scores), 0.0, 0)
        expected = math.log(low / (1 - low)) if scores.max() == 1 else 0.0
        assert found["value"] == pytest.approx(expected, abs=1e-9)
        assert found["n_inside"] == found["n_outside"] == 500


def test_either_side_of_a_threshold_can_tell():
    """Half of those outside score so low that nobody inside does: only the low scores give anything away."""
    random = np.random.default_rng(0)
    inside = np.arange(4000) % 2 == 0
    scores = random.random(4000) + np.where(~inside & (random.random(4000) < 0.5), -5.0, 0.0)
    assert epsilon_by_threshold(inside, scores, 0.0, 0)["value"] > 4.0


def test_scores_that_say_nothing_give_nothing():
    random = np.random.default_rng(1)
    values = [epsilon_by_threshold(np.arange(400) % 2 == 0, random.random(400), 1e-5, s)["value"] for s in range(100)]
    assert np.mean(np.array(values) > 0) <= 0.05


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_randomised_response_is_bounded_from_below_and_nearly_found(epsilon):
    by_threshold = epsilon_by_threshold(*responses(epsilon, 40_000), 0.0, 0)["value"]
    one_run = epsilon_in_one_run(*responses(epsilon, 10_000), 10_000, 0.0)["value"]
    for value in (by_threshold, one_run):
        assert 0.8 * epsilon < value < epsilon


def test_bounds_of_randomised_response_are_too_high_no_more_often_than_they_may():
    tries = [responses(1.0, 200, seed) for seed in range(150)]
    for bound in (
        lambda t: epsilon_by_threshold(*t, 0.0, 0)["value"],
        lambda t: epsilon_in_one_run(*t, 200, 0.0)["value"],
    ):
        assert np.mean([bound(t) > 1.0 for t in tries]) <= 0.08


def test_a_delta_that_explains_everything_leaves_no_epsilon():
    inside = np.arange(200) % 2 == 0
    assert epsilon_by_threshold(inside, inside.astype(float), 1.0, 0)["value"] == 0.0
    assert epsilon_of_guesses(100, 100, 100, 0.5) == 0.0


@pytest.mark.parametrize("canaries", [10, 100, 1000])
def test_perfect_guesses_have_a_closed_form(canaries):
    assert epsilon_of_guesses(canaries, canaries, canaries, 0.0) == pytest.approx(logit(0.05 ** (1 / canaries)))
    assert epsilon_of_guesses(canaries // 2, canaries, canaries, 0.0) == 0.0


def test_what_is_not_guessed_costs_only_through_delta():
    assert epsilon_of_guesses(40, 40, 40, 0.0) == epsilon_of_guesses(40, 40, 400, 0.0)
    assert (
        epsilon_of_guesses(40, 40, 400, 1e-4) < epsilon_of_guesses(40, 40, 40, 1e-4) < epsilon_of_guesses(40, 40, 40, 0)
    )


@pytest.mark.parametrize(("right", "guesses", "epsilon"), [(18, 20, 1.0), (7, 9, 0.3), (1, 1, 2.0)])
def test_the_chance_of_guesses_is_the_sum_that_the_theorem_states(right, guesses, epsilon):
    rate = math.exp(epsilon) / (1 + math.exp(epsilon))
    mass = [math.comb(guesses, w) * rate**w * (1 - rate) ** (guesses - w) for w in range(guesses + 1)]
    alpha = max(2 / i * sum(mass[right - i : right]) for i in range(1, right + 1))
    expected = sum(mass[right:]) + 30 * 1e-3 * alpha
    assert chance_of_guesses(right, guesses, 30, epsilon, 1e-3) == pytest.approx(min(1.0, expected))
    assert chance_of_guesses(right, guesses, 30, epsilon, 0.0) == pytest.approx(binom.sf(right - 1, guesses, rate))


def test_the_most_telling_scores_are_guessed():
    """Of 100 canaries the 20 farthest out are right, all others random: ten of each end are guessed."""
    random = np.random.default_rng(0)
    inside = random.random(100) < 0.5
    scores = random.random(100)
    inside[:10], scores[:10] = True, 5.0
    inside[10:20], scores[10:20] = False, -5.0
    found = epsilon_in_one_run(inside, scores, 20, 1e-5)
    assert found["right"] == found["guesses"] == 20
    assert found["value"] > 1.5


def test_too_few_tries_and_impossible_guesses_are_refused():
    with pytest.raises(UsageError, match="4 tries"):
        epsilon_by_threshold(np.array([True] * 9 + [False] * 3), np.zeros(12), 0.0, 0)
    with pytest.raises(UsageError, match="canaries"):
        epsilon_in_one_run(np.array([True, False]), np.zeros(2), 3, 0.0)
    with pytest.raises(UsageError, match="cannot be"):
        epsilon_of_guesses(5, 4, 9, 0.0)


def release(epsilon: float):
    """A model for images of 4 x 4, all pixels of its canary as far from grey as can be, and 30 other rows."""
    job = compose("train", ["digits", "model=kernel_mean", f"model.epsilon={epsilon}", "model.waves=20", "logger=none"])
    module = job.model.make(Space((1, 4, 4), 2, (Block(16, "real"),)), 31, **job.model.params)
    random = torch.Generator().manual_seed(0)
    rows = TrainingRows(2 * torch.rand(30, 1, 4, 4, generator=random) - 1, torch.arange(30) % 2)
    return module, rows, (torch.ones(1, 4, 4), 1)


@pytest.mark.parametrize("epsilon", [1.0, 3.0])
def test_releases_with_and_without_a_canary_bear_the_claim_out(epsilon):
    found = canary_release_audit(*release(epsilon), tries=20_000, seed=0)
    assert 0.15 * epsilon < found["value"] <= found["claimed"] == epsilon


def test_a_release_with_a_tenth_of_the_noise_is_caught():
    module, rows, canary = release(1.0)
    module.sigma /= 10
    found = canary_release_audit(module, rows, canary, tries=300, seed=0)
    assert found["value"] > 2 * found["claimed"]
