"""How much a private release gives away at least: lower bounds on epsilon from canaries, to stand beside the claim.

A mechanism that is (epsilon, delta)-private cannot be told apart too well with and without one row. An attack that
does better than that refutes the claim; one that does not proves nothing. Every bound here holds with 95 % confidence
and is 0 where nothing was found.

Legend: N tries, each `inside` (bool) or not, with a score that is high for those inside.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.special import betaincinv

from gensynth import rng
from gensynth.errors import UsageError
from gensynth.models.generator import TrainingRows
from gensynth.models.kernel_mean import KernelMean
from gensynth.models.private import secret

CONFIDENCE = 0.95
CHOOSING = 1e-4  # error of the bounds by which a threshold is chosen: at 0.025, the luckiest of thousands would be
AT_ONCE = 2_000_000  # noisy numbers held at the same time


def epsilon_by_threshold(inside: np.ndarray, scores: np.ndarray, delta: float, seed: int) -> dict[str, Any]:
    """Lower bound on epsilon from independent tries (N,) with and without the canary.

    For every threshold, (epsilon, delta)-privacy asks TPR <= e^epsilon FPR + delta, and the same of TNR and FNR
    (Kairouz et al., "The composition theorem for differential privacy", ICML 2015). One half of the tries chooses
    threshold and side, the other half bounds both rates after Clopper and Pearson (1934), each at half of the error
    allowed (Jagielski et al., "Auditing differentially private machine learning", NeurIPS 2020). UsageError below 4
    tries a side.

    >>> inside = np.arange(4000) % 2 == 0
    >>> found = epsilon_by_threshold(inside, inside.astype(float), 0.0, 0)
    >>> round(found["value"], 2)  # 1,000 tries a side, all told apart: log((0.025 ** 0.001) / (1 - 0.025 ** 0.001))
    5.6
    """
    inside, scores = np.asarray(inside, bool), np.asarray(scores, np.float64)
    halves = _halves(inside, seed)
    chosen = halves[0]
    thresholds = np.unique(scores[chosen])
    bounds = _bounds(inside[chosen], scores[chosen], thresholds, delta, CHOOSING)
    side, place = np.unravel_index(int(np.argmax(bounds)), bounds.shape)
    rest = halves[1]
    final = _bounds(inside[rest], scores[rest], thresholds[place : place + 1], delta, (1 - CONFIDENCE) / 2)
    value = float(final[side, 0])
    counts = {"n_inside": int(inside[rest].sum()), "n_outside": int((~inside[rest]).sum())}
    return {"value": max(0.0, value), "threshold": float(thresholds[place]), "delta": delta, **counts}


def _halves(inside: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two disjoint sets of tries, each with half of those inside and half of the others."""
    order = rng.numpy_generator(seed, "audit").permutation(len(inside))
    sides = [order[inside[order]], order[~inside[order]]]
    if min(map(len, sides)) < 4:
        raise UsageError(
            f"an audit needs 4 tries with and 4 without the canary, got {len(sides[0])} and {len(sides[1])}"
        )
    return np.concatenate([s[: len(s) // 2] for s in sides]), np.concatenate([s[len(s) // 2 :] for s in sides])


def _bounds(inside: np.ndarray, scores: np.ndarray, thresholds: np.ndarray, delta: float, error: float) -> np.ndarray:
    """Bounds on epsilon (2, T): from scores at or above each threshold, and from those below."""
    members, others = np.sort(scores[inside]), np.sort(scores[~inside])
    hits = len(members) - np.searchsorted(members, thresholds)
    alarms = len(others) - np.searchsorted(others, thresholds)
    above = _rates_bound(hits, len(members), alarms, len(others), delta, error)
    below = _rates_bound(len(others) - alarms, len(others), len(members) - hits, len(members), delta, error)
    return np.stack([above, below])


def _rates_bound(hits: np.ndarray, n: int, alarms: np.ndarray, m: int, delta: float, error: float) -> np.ndarray:
    """log((low end of hits / n - delta) / high end of alarms / m), 0 where the low end does not exceed delta."""
    low = np.where(hits > 0, betaincinv(np.maximum(hits, 1), n - hits + 1, error), 0.0)
    high = np.where(alarms < m, betaincinv(alarms + 1, np.maximum(m - alarms, 1), 1 - error), 1.0)
    return np.log(np.maximum(low - delta, 1e-300) / high).clip(min=0.0)


@torch.no_grad()
def canary_release_audit(
    module: KernelMean, rows: TrainingRows, canary: tuple[torch.Tensor, int], tries: int, seed: int
) -> dict[str, Any]:
    """Lower bound on epsilon of what a `KernelMean` releases, from repeated releases with and without one row.

    rows    x (N, *shape), y (N,): all that the attacker knows already; canary: x (*shape) and its class
    tries   releases on each side; no generator is trained, since everything after the release is free
    The score is the release, less what is known, along the canary's own numbers: for Gaussian noise the best there is
    (Neyman & Pearson, 1933). `claimed` is the epsilon of the module's settings. No bound can exceed log(tries / 7.4):
    a claim above that cannot be refuted by so few.
    """
    without = module.exact_numbers(rows)
    one = TrainingRows(canary[0][None].to(rows.x), torch.tensor([canary[1]], device=rows.y.device))
    towards = module.exact_numbers(one)
    at_once = max(1, AT_ONCE // without.numel())
    scores = []
    for side, numbers in enumerate((without, without + towards)):
        for first in range(0, tries, at_once):
            some = numbers.expand(min(at_once, tries - first), *numbers.shape)
            seen = module.noisy(some, secret.recorded_key(rng.child(seed, "canary", side, first)))
            scores.append(((seen - without) * towards).sum((1, 2)) / towards.norm())
    inside = np.repeat([False, True], tries)
    found = epsilon_by_threshold(inside, torch.cat(scores).cpu().numpy(), module.delta, seed)
    return found | {"claimed": module.epsilon, "tries": tries}
