"""How well scores tell members from non-members: AUC and true-positive rate at a low false-positive rate, each with
an interval that also holds where no pair is out of order."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaincinv
from scipy.stats import rankdata

from gensynth.evaluation.detection import auc_deviation
from gensynth.evaluation.fidelity import Entry

Z = 1.959964
LEAST_ROWS = 20
FALSE_POSITIVE_RATES = (0.01, 0.001)
FALSE_ALARMS = {0.01: 1, 0.001: 10}  # non-members that must be allowed above the threshold


def auc_entry(members: np.ndarray, non_members: np.ndarray) -> Entry:
    """Chance that a member (N,) scores above a non-member (M,), ties half, with its 95 % interval.

    The interval is the wider of two. DeLong et al. (1988) take the variance from the scores themselves; it is 0
    where every member scores above every non-member. Newcombe ("Confidence intervals for an effect size measure
    based on the Mann-Whitney statistic, part 2", 2006, method 5) solves |AUC - a| = z sd(a) for a, and so has a width
    there too. {"value": None, "reason"} below 20 rows a side.

    >>> found = auc_entry(np.arange(20) + 0.5, np.arange(20))
    >>> round(found["value"], 3), round(found["low"], 2), round(found["high"], 2)
    (0.525, 0.34, 0.71)
    """
    n, m = len(members), len(non_members)
    if min(n, m) < LEAST_ROWS:
        return undefined(f"{n} members and {m} non-members, {LEAST_ROWS} of each needed")
    value, variance = delong(members, non_members)
    reach = Z * np.sqrt(variance)
    low = min(value - reach, newcombe_low(value, n, m))
    high = max(value + reach, 1 - newcombe_low(1 - value, m, n))
    return {
        "value": value,
        "low": max(float(low), 0.0),
        "high": min(float(high), 1.0),
        "n_members": n,
        "n_non_members": m,
    }


def delong(positive: np.ndarray, negative: np.ndarray) -> tuple[float, float]:
    """(AUC, its variance) of scores (N,) against (M,), from midranks (Sun and Xu, 2014, algorithm 2).

    >>> delong(np.array([2.0, 4.0]), np.array([1.0, 3.0]))
    (0.75, 0.125)
    """
    n, m = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))
    above = (ranks[:n] - rankdata(positive)) / m
    below = 1 - (ranks[n:] - rankdata(negative)) / n
    return float(above.mean()), float(above.var(ddof=1) / n + below.var(ddof=1) / m)


def newcombe_low(auc: float, n: int, m: int) -> float:
    """Lower end of the 95 % interval: the smallest AUC from which the one seen is 1.96 deviations away."""
    top = min(auc, 1 - 1e-12)
    if top <= 0:
        return 0.0
    return float(brentq(lambda a: auc - a - Z * auc_deviation(a, n, m), 0.0, top))


def clopper_pearson(successes: int, n: int) -> tuple[float, float]:
    """Exact 95 % interval of a share (Clopper and Pearson, 1934).

    >>> low, high = clopper_pearson(0, 10)
    >>> low, round(high, 4)  # 1 - 0.025 ** (1 / 10)
    (0.0, 0.3085)
    """
    low = float(betaincinv(successes, n - successes + 1, 0.025)) if successes else 0.0
    high = float(betaincinv(successes + 1, n - successes, 0.975)) if successes < n else 1.0
    return low, high


def tpr_entry(members: np.ndarray, non_members: np.ndarray, rate: float) -> Entry:
    """Share of members (N,) above the threshold that at most `rate` of the non-members (M,) pass; exact interval.

    A member that ties with the threshold does not count. The interval holds for this threshold; how far the threshold
    itself is known stands in `false_positive`. Not defined where fewer non-members would be let through than
    FALSE_ALARMS says: below 100 for 1 %, below 10,000 for 0.1 %.
    """
    n, m = len(members), len(non_members)
    needed = round(FALSE_ALARMS[rate] / rate)
    if n < LEAST_ROWS or m < needed:
        return undefined(f"{n} members and {m} non-members, {LEAST_ROWS} and {needed:,} needed for {rate:.1%}")
    allowed = int(rate * m + 1e-9)
    threshold = np.sort(non_members)[m - 1 - allowed]
    hits, alarms = int((members > threshold).sum()), int((non_members > threshold).sum())
    low, high = clopper_pearson(hits, n)
    false_low, false_high = clopper_pearson(alarms, m)
    return {
        "value": hits / n,
        "low": low,
        "high": high,
        "n_members": n,
        "n_non_members": m,
        "false_positive": {"value": alarms / m, "low": false_low, "high": false_high},
    }


def tpr_entries(members: np.ndarray, non_members: np.ndarray) -> dict[str, Entry]:
    """`tpr_entry` at every rate, by the rate as text."""
    return {f"{rate:g}": tpr_entry(members, non_members, rate) for rate in FALSE_POSITIVE_RATES}


def undefined(reason: str) -> Entry:
    """A score that cannot be had, and why."""
    return {"value": None, "reason": f"not defined: {reason}"}
