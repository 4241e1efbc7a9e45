"""How well scores tell members from non-members: AUC and true-positive rate at a low false-positive rate, each with
an interval that also holds where no pair is out of order.

Scores of one cluster, as a person's, may go together. Where clusters are given the intervals count them, not rows.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit
from scipy.stats import binom, rankdata

from gensynth.evaluation.metrics.detection import auc_std
from gensynth.evaluation.metrics.metric import Entry

Z = 1.959964
LEAST_ROWS = 20
FALSE_POSITIVE_RATES = (0.01, 0.001)
FALSE_ALARMS = {0.01: 1, 0.001: 10}  # non-members that must be allowed above the threshold
LEAST_CLUSTERS = 5  # a side: fewer say nothing of how far they differ
ERROR = 0.05
Clusters = tuple[np.ndarray, np.ndarray]


def auc_entry(members: np.ndarray, non_members: np.ndarray, clusters: Clusters | None = None) -> Entry:
    """Chance that a member (N,) scores above a non-member (M,), ties half, with its 95 % interval.

    The interval is the wider of two. DeLong et al. (1988) take the variance from the scores themselves; it is 0
    where every member scores above every non-member. Newcombe ("Confidence intervals for an effect size measure
    based on the Mann-Whitney statistic, part 2", 2006, method 5) solves |AUC - a| = z sd(a) for a, and so has a width
    there too. {"value": None, "reason"} below 20 rows a side.
    clusters  numbers of the members' (N,) and the non-members' (M,) clusters: the variance is then that of
              `clustered_delong`, with the t quantile of the smaller number of clusters; Newcombe's n and m are divided
              by as much as that variance exceeds the one of rows

    >>> found = auc_entry(np.arange(20) + 0.5, np.arange(20))
    >>> round(found["value"], 3), round(found["low"], 2), round(found["high"], 2)
    (0.525, 0.34, 0.71)
    """
    n, m = len(members), len(non_members)
    if min(n, m) < LEAST_ROWS:
        return undefined(f"{n} members and {m} non-members, {LEAST_ROWS} of each needed")
    if clusters is not None and min(_counts(clusters)) < LEAST_CLUSTERS:
        return undefined(
            f"rows of {' and '.join(map(str, _counts(clusters)))} subjects, {LEAST_CLUSTERS} of each needed"
        )
    value, variance = delong(members, non_members)
    reach, n_own, m_own = Z * np.sqrt(variance), n, m
    if clusters is not None:
        together = clustered_delong(members, non_members, clusters)
        reach = stdtrit(min(_counts(clusters)) - 1, 1 - ERROR / 2) * np.sqrt(together)
        n_own, m_own = (int(_own(side, together / variance if variance > 0 else np.inf)) for side in clusters)
    low = min(value - reach, newcombe_low(value, n_own, m_own))
    high = max(value + reach, 1 - newcombe_low(1 - value, m_own, n_own))
    entry = {"value": value, "low": max(float(low), 0.0), "high": min(float(high), 1.0)}
    entry |= {"n_members": n, "n_non_members": m}
    return entry if clusters is None else entry | {"clusters": _counts(clusters)}


def _counts(clusters: Clusters) -> list[int]:
    return [len(np.unique(side)) for side in clusters]


def _own(clusters: np.ndarray, times: float = np.inf) -> float:
    """To how many rows of their own clustered ones (N,) amount, if their variance is so many times that of such rows:
    no fewer than if all rows of a cluster were one (Kish, "Survey sampling", 1965, section 11.7).

    >>> _own(np.array([0, 0, 1, 1])), _own(np.array([0, 0, 1, 1]), 1.6)
    (2.0, 2.5)
    """
    sizes = np.unique(clusters, return_counts=True)[1]
    return float(max(len(clusters) / max(times, 1.0), len(clusters) ** 2 / (sizes**2).sum()))


def delong(positive: np.ndarray, negative: np.ndarray) -> tuple[float, float]:
    """(AUC, its variance) of scores (N,) against (M,), from midranks (Sun and Xu, 2014, algorithm 2).

    >>> delong(np.array([2.0, 4.0]), np.array([1.0, 3.0]))
    (0.75, 0.125)
    """
    above, below = placements(positive, negative)
    return float(above.mean()), float(above.var(ddof=1) / len(positive) + below.var(ddof=1) / len(negative))


def placements(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of negative scores below each positive one (N,), and of positive ones above each negative one (M,)."""
    n, m = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))
    return (ranks[:n] - rankdata(positive)) / m, 1 - (ranks[n:] - rankdata(negative)) / n


def clustered_delong(positive: np.ndarray, negative: np.ndarray, clusters: Clusters) -> float:
    """Variance of the AUC of scores (N,) against (M,) that go together in clusters.

    Obuchowski, "Nonparametric analysis of clustered ROC curve data", Biometrics 1997: placements less their mean are
    summed by cluster; a cluster may have rows on both sides.

    >>> clustered_delong(np.array([2.0, 4.0]), np.array([1.0, 3.0]), (np.array([0, 1]), np.array([2, 3])))
    0.125
    """
    place = np.unique(np.concatenate(clusters), return_inverse=True)[1]
    sides = np.split(place, [len(positive)])
    sums = [
        np.bincount(of, (values - values.mean()) / len(of), minlength=place.max() + 1)
        for of, values in zip(sides, placements(positive, negative), strict=True)
    ]
    one, other = (len(np.unique(of)) for of in sides)
    every = place.max() + 1
    own = one / (one - 1) * (sums[0] ** 2).sum() + other / (other - 1) * (sums[1] ** 2).sum()
    return float(max(own + 2 * every / (every - 1) * (sums[0] * sums[1]).sum(), 0.0))


def newcombe_low(auc: float, n: int, m: int) -> float:
    """Lower end of the 95 % interval: the smallest AUC from which the one seen is 1.96 standard deviations away."""
    top = min(auc, 1 - 1e-12)
    if top <= 0:
        return 0.0
    return float(brentq(lambda a: auc - a - Z * auc_std(a, n, m), 0.0, top))


def clopper_pearson(successes: float, n: float, error: float = ERROR) -> tuple[float, float]:
    """Exact interval of a share, 95 % unless another error is given (Clopper and Pearson, 1934).

    >>> low, high = clopper_pearson(0, 10)
    >>> low, round(high, 4)  # 1 - 0.025 ** (1 / 10)
    (0.0, 0.3085)
    """
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(successes, n, alpha=error, method="beta")
    return float(low), float(high)


def tpr_entry(members: np.ndarray, non_members: np.ndarray, rate: float, clusters: Clusters | None = None) -> Entry:
    """Share of members (N,) above the threshold that at most `rate` of the non-members (M,) pass, with an interval.

    A member that ties with the threshold does not count. The interval is 95 % for the share above the threshold that
    `rate` of all non-members pass, of which these M are a sample: half of the error is that this threshold lies outside
    `threshold_ranks`, half that of the exact interval of the share at its ends. Of fewer than 437 non-members none is
    surely above the threshold of 1 %, and the interval begins at 0. Not defined where fewer non-members would be let
    through than FALSE_ALARMS says: below 100 for 1 %, below 10,000 for 0.1 %.
    clusters  as in `auc_entry`; the interval counts the rows of one as one row, the worst that can be
    """
    n, m = len(members), len(non_members)
    needed = round(FALSE_ALARMS[rate] / rate)
    if n < LEAST_ROWS or m < needed:
        return undefined(f"{n} members and {m} non-members, {LEAST_ROWS} and {needed:,} needed for {rate:.1%}")
    n_own, m_own = (n, m) if clusters is None else map(_own, clusters)
    allowed = int(rate * m + 1e-9)
    falling = np.sort(non_members)[::-1]
    hits, alarms = int((members > falling[allowed]).sum()), int((non_members > falling[allowed]).sum())
    ends = [int((members > edge).sum()) * n_own / n for edge in _edges(falling, rate, m_own)]
    false_low, false_high = clopper_pearson(alarms * m_own / m, m_own)
    entry = {
        "value": hits / n,
        "low": clopper_pearson(ends[0], n_own, ERROR / 2)[0],
        "high": clopper_pearson(ends[1], n_own, ERROR / 2)[1],
        "n_members": n,
        "n_non_members": m,
        "false_positive": {"value": alarms / m, "low": false_low, "high": false_high},
    }
    return entry if clusters is None else entry | {"clusters": _counts(clusters)}


def threshold_ranks(rate: float, m: int) -> tuple[int, int]:
    """Ranks, from the highest, of the two of m scores between which the score that `rate` of all exceed lies with a
    chance of 97.5 %, half of the error on each side; rank 0 is above all scores, m + 1 below.

    Order statistics bound a quantile whatever the distribution (David and Nagaraja, "Order statistics", 2003, section
    7.1): the number of scores above it is binomial.

    >>> threshold_ranks(0.01, 100), threshold_ranks(0.01, 1000)
    ((0, 5), (4, 19))
    """
    return int(binom.ppf(ERROR / 4, m, rate)), int(binom.ppf(1 - ERROR / 4, m, rate)) + 1


def _edges(falling: np.ndarray, rate: float, own: float) -> tuple[float, float]:
    """Thresholds that are surely strict enough and surely loose enough, of scores that amount to `own` ones (M,)."""
    strict, loose = threshold_ranks(rate, int(own))
    times = len(falling) / own
    high = np.inf if strict == 0 else falling[max(int(strict * times), 1) - 1]
    low = -np.inf if loose > int(own) else falling[min(int(np.ceil(loose * times)), len(falling)) - 1]
    return float(high), float(low)


def tpr_entries(members: np.ndarray, non_members: np.ndarray, clusters: Clusters | None = None) -> dict[str, Entry]:
    """`tpr_entry` at every rate, by the rate as text."""
    return {f"{rate:g}": tpr_entry(members, non_members, rate, clusters) for rate in FALSE_POSITIVE_RATES}


def undefined(reason: str) -> Entry:
    """A score that cannot be had, and why."""
    return {"value": None, "reason": f"not defined: {reason}"}
