"""The Gaussian mechanism's accounting against known answers and a definition that uses no closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from gensynth.errors import UsageError
from gensynth.models.private.accounting import gaussian_sigma, log_delta

KNOWN = [(1, 3.7306, 4), (10, 0.4999, 4), (3, 1.3906, 4), (0.2, 16.304, 3)]


@pytest.mark.parametrize(("epsilon", "sigma", "places"), KNOWN)
def test_noise_of_a_promise_is_the_known_one(epsilon, sigma, places):
    assert round(gaussian_sigma(epsilon, 1e-5), places) == sigma


def test_promise_of_known_noise():
    assert gaussian_sigma(0.7255, 1e-5) == pytest.approx(5.0, abs=5e-4)


@pytest.mark.parametrize("sigma", [0.4, 1.0, 5.0])
@pytest.mark.parametrize("epsilon", [0.0, 0.5, 4.0])
def test_delta_is_the_mass_that_exceeds_the_factor(sigma, epsilon):
    """The definition: sum of max(0, p(x) - e^epsilon q(x)) for the two outputs N(0, sigma^2) and N(1, sigma^2)."""
    x = np.linspace(-12 * sigma, 12 * sigma + 1, 2_000_001)
    excess = norm.pdf(x, 1, sigma) - math.exp(epsilon) * norm.pdf(x, 0, sigma)
    mass = np.trapezoid(np.maximum(excess, 0), x)
    assert math.exp(log_delta(sigma, epsilon)) == pytest.approx(mass, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 1.0, 20.0, 500.0])
@pytest.mark.parametrize("delta", [1e-12, 1e-5, 0.3])
def test_noise_is_the_least_that_keeps_its_promise_and_errs_on_the_safe_side(epsilon, delta):
    assert delta * (1 - 1e-6) < math.exp(log_delta(gaussian_sigma(epsilon, delta), epsilon)) <= delta


def test_noise_grows_with_the_sensitivity_alone():
    assert gaussian_sigma(1.0, 1e-5, sensitivity=3.0) == pytest.approx(3 * gaussian_sigma(1.0, 1e-5), rel=1e-9)


def test_it_takes_less_noise_than_the_classical_rule():
    assert gaussian_sigma(1.0, 1e-5) < math.sqrt(2 * math.log(1.25 / 1e-5))


def test_noise_that_hides_a_row_costs_next_to_nothing():
    assert math.exp(log_delta(1e6, 0.0)) < 1e-6


@pytest.mark.parametrize(
    "numbers", [(0.0, 1e-5), (-1.0, 1e-5), (math.inf, 1e-5), (math.nan, 1e-5), (1.0, 0.0), (1.0, 1.0)]
)
def test_numbers_that_promise_nothing_are_refused(numbers):
    with pytest.raises(UsageError, match="must"):
        gaussian_sigma(*numbers)
    with pytest.raises(UsageError, match="sensitivity"):
        gaussian_sigma(1.0, 1e-5, sensitivity=0.0)
