"""Lower bounds on epsilon: they hold for mechanisms whose epsilon is known, find it where it can be found, and catch
a release that keeps less than it claims."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from gensynth import rng
from gensynth.cli import compose
from gensynth.errors import UsageError
from gensynth.models.generator import TrainingRows
from gensynth.types import Block, Space

SCRIPT = Path(__file__).parents[1] / "scripts" / "canary_audit.py"
spec = importlib.util.spec_from_file_location("canary_audit", SCRIPT)
canary_audit = importlib.util.module_from_spec(spec)
spec.loader.exec_module(canary_audit)
canary_release_audit, epsilon_by_threshold = canary_audit.canary_release_audit, canary_audit.epsilon_by_threshold


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
    assert 0.8 * epsilon < by_threshold < epsilon


def test_bounds_of_randomised_response_are_too_high_no_more_often_than_they_may():
    tries = [responses(1.0, 200, seed) for seed in range(150)]
    assert np.mean([epsilon_by_threshold(*t, 0.0, 0)["value"] > 1.0 for t in tries]) <= 0.08


def test_a_delta_that_explains_everything_leaves_no_epsilon():
    inside = np.arange(200) % 2 == 0
    assert epsilon_by_threshold(inside, inside.astype(float), 1.0, 0)["value"] == 0.0


def test_too_few_tries_are_refused():
    with pytest.raises(UsageError, match="4 tries"):
        epsilon_by_threshold(np.array([True] * 9 + [False] * 3), np.zeros(12), 0.0, 0)


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
