"""The noise that one Gaussian release needs for its guarantee, exactly: sigma of the Gaussian mechanism.

Balle & Wang, "Improving the Gaussian mechanism for differential privacy" (ICML 2018), theorem 8: a function of L2
sensitivity s with N(0, sigma^2) on every number is (epsilon, delta)-private if and only if

    Phi(s / 2 sigma - epsilon sigma / s) - e^epsilon Phi(-s / 2 sigma - epsilon sigma / s) <= delta.

The classical rule sqrt(2 ln(1.25 / delta)) s / epsilon takes more noise, and holds for epsilon below 1 only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import count

from scipy.optimize import brentq
from scipy.special import log_ndtr

from gensynth.errors import UsageError

MARGIN = 1e-10  # added to what the root finder returns, as a part of it, so that its rounding breaks no guarantee


def gaussian_sigma(epsilon: float, delta: float, sensitivity: float = 1.0) -> float:
    """The least noise that is (epsilon, delta)-private; UsageError for numbers that guarantee nothing.

    >>> round(gaussian_sigma(1.0, 1e-5), 4)
    3.7306
    """
    for name, value in {"epsilon": epsilon, "sensitivity": sensitivity}.items():
        if not 0 < value < math.inf:
            raise UsageError(f"{name} must be above 0, got {value}")
    if not 0 < delta < 1:
        raise UsageError(f"delta must lie between 0 and 1, got {delta}")
    root = _falling_root(lambda s: log_delta(math.exp(s), epsilon) - math.log(delta))
    return sensitivity * math.exp(root) * (1 + MARGIN)


def log_delta(noise: float, epsilon: float) -> float:
    """Log of the least delta of noise at epsilon, theorem 8 for sensitivity 1; the difference of two nearly equal tails
    is taken on their logarithms.

    >>> round(math.exp(log_delta(1.0, 0.0)), 6)  # Phi(1/2) - Phi(-1/2)
    0.382925
    """
    first = log_ndtr(0.5 / noise - epsilon * noise)
    ratio = epsilon + log_ndtr(-0.5 / noise - epsilon * noise) - first
    return float(first) + math.log(-math.expm1(ratio)) if ratio < 0 else -math.inf


def _falling_root(value: Callable[[float], float]) -> float:
    """Where a falling function is 0, sought in growing steps around 0."""
    low = next(at for k in count() if value(at := 1.0 - 2.0**k) >= 0)
    high = next(at for k in count() if value(at := 2.0**k - 1.0) <= 0)
    return float(brentq(lambda at: max(value(at), -1e300), low, high, xtol=1e-13)) if low < high else low
