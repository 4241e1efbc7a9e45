"""Fidelity and diversity of synthetic images against held-out real ones, overall and per class.

No score stands alone: each carries its n, what uniform noise scores (floor), what real train rows score
in the place of the synthetic ones (ceiling), and an interval. All three are taken at the same n and with
the same number of rows of each class: the smallest that reference, synthetic and train have of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from gensynth.evaluation.distance import Scale, fid_as_is, frechet_expected, kid_as_is
from gensynth.evaluation.features import FeatureSpace
from gensynth.evaluation.support import expected_coverage, prdc
from gensynth.rng import child, numpy_generator
from gensynth.types import LabelledData

K = 5
# Half of the rows must still hold k + 1 for the interval.
MIN_ROWS = 2 * (K + 1)
KID_SUBSET = 1000
SUPPORT = ("precision", "recall", "density", "coverage")
PROPORTIONS = ("precision", "recall", "coverage")
METRICS = ("fid", "kid", *SUPPORT)
BOUNDS = {
    "fid": (0.0, math.inf),
    "kid": (-math.inf, math.inf),
    "precision": (0.0, 1.0),
    "recall": (0.0, 1.0),
    "density": (0.0, math.inf),
    "coverage": (0.0, 1.0),
}
Entry = dict[str, float | int | str | None]


@dataclass(frozen=True)
class Matched:
    """Row numbers of equal length; place i holds the same class in all three sets."""

    reference: np.ndarray
    synthetic: np.ndarray
    train: np.ndarray
    labels: np.ndarray


def fidelity(
    *,
    spaces: list[FeatureSpace],
    train: LabelledData,
    reference: LabelledData,
    synthetic: LabelledData,
    floor: Callable[[np.ndarray], np.ndarray],
    seed: int,
    repeats: int = 5,
) -> tuple[dict[str, dict[str, Entry]], dict[str, dict[str, Entry]]]:
    """Scores overall {space: {metric: entry}} and per class {class: {"metric[space]": entry}}.

    `reference` are held-out real rows: validation while choosing, test in the final report; `floor` turns their x
    into rows that a generator which learned nothing might draw. An entry holds
    value, n_real, n_synthetic, floor, ceiling, low, high and, where it is known, `expected`: what a perfect
    generator scores at this n; or value None and a reason. The interval is 95 %, from `repeats` halves
    drawn without replacement; it speaks of these rows, not of training the generator again. `expected` of fid
    is for Gaussian rows drawn without regard to class, so matched classes may score less: read the ceiling first.
    In the judge's space the ceiling is a little pessimistic, since the judge was trained on those train rows.
    """
    if repeats < 2:
        raise ValueError(f"an interval needs at least 2 repeats, got {repeats}")
    matched = match_rows(train=train, reference=reference, synthetic=synthetic, seed=seed)
    overall: dict[str, dict[str, Entry]] = {}
    per_class: dict[str, dict[str, Entry]] = {name: {} for name in reference.schema.classes}
    noise = floor(reference.x[matched.reference])
    for space in spaces:
        sets = _Features.of(
            real=space.transform(reference.x[matched.reference]),
            fake=space.transform(synthetic.x[matched.synthetic]),
            train=space.transform(train.x[matched.train]),
            noise=space.transform(noise),
        )
        reason = _shortage("rows", len(matched.labels), len(reference), len(synthetic), len(train))
        overall[space.name] = entries(sets, reason, child(seed, space.name), repeats)
        for c, name in enumerate(reference.schema.classes):
            sizes = [int((data.y == c).sum()) for data in (reference, synthetic, train)]
            reason = _shortage("rows of this class", min(sizes), *sizes)
            scores = entries(sets.take(matched.labels == c), reason, child(seed, space.name, name), repeats)
            per_class[name].update({f"{metric}[{space.name}]": entry for metric, entry in scores.items()})
    return overall, per_class


def match_rows(*, train: LabelledData, reference: LabelledData, synthetic: LabelledData, seed: int) -> Matched:
    """Rows drawn without replacement, of each class as many as the set that has fewest of it.

    Without this, a balanced synthetic set would be scored for its class proportions instead of its images.
    """
    order = numpy_generator(seed, "fidelity", "match")
    picks: list[list[np.ndarray]] = [[], [], []]
    for c in range(len(reference.schema.classes)):
        pools = [np.flatnonzero(data.y == c) for data in (reference, synthetic, train)]
        n = min(len(pool) for pool in pools)
        for pick, pool in zip(picks, pools, strict=True):
            pick.append(order.permutation(pool)[:n])
    of_reference, of_synthetic, of_train = (np.concatenate(pick).astype(np.int64) for pick in picks)
    return Matched(of_reference, of_synthetic, of_train, labels=reference.y[of_reference])


def noise_images(like: np.ndarray, seed: int) -> np.ndarray:
    """Uniform noise, uint8, in the shape of `like`: what a generator that learned nothing might draw."""
    return numpy_generator(seed, "fidelity", "noise").integers(0, 256, size=like.shape, dtype=np.uint8)


@dataclass(frozen=True)
class _Features:
    """Features (n, D) of the four sets that one line of the report compares."""

    real: np.ndarray
    fake: np.ndarray
    train: np.ndarray
    noise: np.ndarray
    scale: Scale

    @staticmethod
    def of(real: np.ndarray, fake: np.ndarray, train: np.ndarray, noise: np.ndarray) -> _Features:
        return _Features(real, fake, train, noise, Scale.of(train) if len(train) else Scale.of(np.zeros((1, 1))))

    def take(self, rows: np.ndarray) -> _Features:
        """Some rows, on the scale of all: the deviations of a few rows of one class are too rough a scale."""
        return _Features(self.real[rows], self.fake[rows], self.train[rows], self.noise[rows], self.scale)


def entries(sets: _Features, reason: str, seed: int, repeats: int) -> dict[str, Entry]:
    """One entry for each metric; all say `reason` if there is one."""
    if not reason and not all(np.isfinite(x).all() for x in (sets.real, sets.fake, sets.train, sets.noise)):
        reason = "not defined: the features hold values that are not finite"
    if reason:
        return {metric: _undefined(reason) for metric in METRICS}
    n, dims = sets.real.shape
    names = METRICS if n >= 2 * dims else METRICS[1:]
    scored = {name: _entry(sets, name, values) for name, values in _all_scores(sets, names, seed, repeats).items()}
    if "fid" not in scored:
        text = f"not defined: {n} rows, {2 * dims} needed for a covariance in {dims} dimensions; see kid"
        scored = {"fid": _undefined(text), **scored}
    return scored


def _all_scores(sets: _Features, names: tuple[str, ...], seed: int, repeats: int) -> dict[str, dict[str, np.ndarray]]:
    """{metric: {"value", "floor", "ceiling": (), "halves": (repeats,)}}."""

    def score(real: np.ndarray, fake: np.ndarray) -> np.ndarray:
        values = scores(real=real, fake=fake, scale=sets.scale, seed=seed, with_fid="fid" in names)
        return np.array([values[name] for name in names])

    order = numpy_generator(seed, "fidelity", "halves")
    half = len(sets.real) // 2
    halves = [score(order.permutation(sets.real)[:half], order.permutation(sets.fake)[:half]) for _ in range(repeats)]
    columns = {
        "value": score(sets.real, sets.fake),
        "floor": score(sets.real, sets.noise),
        "ceiling": score(sets.real, sets.train),
        "halves": np.array(halves).T,
    }
    return {name: {key: column[i] for key, column in columns.items()} for i, name in enumerate(names)}


def scores(*, real: np.ndarray, fake: np.ndarray, scale: Scale, seed: int, with_fid: bool) -> dict[str, float]:
    """All metrics of one pair of feature sets: distances on the given scale, support on the features as they are."""
    real_scaled, fake_scaled = scale.apply(real), scale.apply(fake)
    distances = {"fid": fid_as_is(real=real_scaled, fake=fake_scaled)} if with_fid else {}
    distances["kid"] = kid_as_is(real=real_scaled, fake=fake_scaled, seed=seed, subset_size=KID_SUBSET)[0]
    return {**distances, **prdc(real=real, fake=fake, k=K)}


def _entry(sets: _Features, metric: str, values: dict[str, np.ndarray]) -> Entry:
    value, n, m = float(values["value"]), len(sets.real), len(sets.fake)
    low, high = half_sample_interval(value, values["halves"], BOUNDS[metric])
    if metric in PROPORTIONS:
        # Halves that all score 1 have no spread; that does not make 1 certain.
        sure_low, sure_high = wilson_interval(value, n)
        low, high = min(low, sure_low), max(high, sure_high)
    entry: Entry = {"value": value, "n_real": n, "n_synthetic": m}
    entry |= {"floor": float(values["floor"]), "ceiling": float(values["ceiling"]), "low": low, "high": high}
    return entry | _expected(sets, metric)


def _expected(sets: _Features, metric: str) -> Entry:
    """Mean score of a perfect generator at this n, where a closed form is known."""
    n, m = len(sets.real), len(sets.fake)
    if metric == "fid":
        return {"expected": frechet_expected(real=sets.scale.apply(sets.real), n=n, m=m)}
    if metric == "coverage":
        return {"expected": expected_coverage(n, m, K)}
    known = {"kid": 0.0, "density": 1.0}
    return {"expected": known[metric]} if metric in known else {}


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share of n rows (Wilson, 1927).

    >>> low, high = wilson_interval(0.85, 1000)
    >>> round(low, 3), round(high, 3)
    (0.827, 0.871)
    """
    z2 = 1.959964**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return centre - reach, centre + reach


def half_sample_interval(value: float, halves: np.ndarray, bounds: tuple[float, float]) -> tuple[float, float]:
    """95 % interval round `value` from its spread (repeats,) over halves drawn without replacement.

    A half without replacement varies by (1 - 1/2) s^2 / (n/2) = s^2 / n, just as much as all n rows vary
    from sample to sample (Politis and Romano, 1994), so the spread needs no further factor. Only the spread
    of the halves is used: their mean belongs to n/2. Drawing with replacement would make zero distances.

    >>> low, high = half_sample_interval(0.5, np.array([0.4, 0.5, 0.6]), (0.0, 1.0))
    >>> round(low, 3), round(high, 3)  # t quantile 4.303 of 2 degrees of freedom times 0.1
    (0.07, 0.93)
    """
    reach = float(stdtrit(len(halves) - 1, 0.975) * halves.std(ddof=1))
    return max(value - reach, bounds[0]), min(value + reach, bounds[1])


def _shortage(what: str, n: int, n_reference: int, n_synthetic: int, n_train: int) -> str:
    """Why n matched rows are too few, or an empty text if they are not."""
    if n >= MIN_ROWS:
        return ""
    have = f"reference {n_reference}, synthetic {n_synthetic}, train {n_train}"
    return f"not defined: {n} matched {what} ({have}), {MIN_ROWS} needed"


def _undefined(reason: str) -> Entry:
    return {"value": None, "reason": reason}
