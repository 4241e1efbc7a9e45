"""Fidelity and diversity of synthetic rows against held-out real ones, overall and per class.

No score stands alone: each carries its n, the hash of its feature space, what it would be if synthetic were real
(in closed form, or measured on real train rows), what rows that learned nothing score (floor), what real train rows
score in the place of the synthetic ones (ceiling), an interval, and how many deviations it lies from its expected
value (z). All are taken at the same n and with the same number of rows of each class: the smallest that reference,
synthetic and train have of it, and at most MOST_ROWS rows in all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gensynth.evaluation.features import FeatureSpace
from gensynth.evaluation.intervals import half_sample_interval, wilson_interval
from gensynth.evaluation.metrics.detection import MIN_FOLD_ROWS, auc_deviation, c2st_auc
from gensynth.evaluation.metrics.distance import (
    Scale,
    fid_as_is,
    frechet_expected,
    frechet_infinity,
    kernel_distance,
    kid_as_is,
    mind,
)
from gensynth.evaluation.metrics.diversity import vendi_ratio
from gensynth.evaluation.metrics.support import expected_coverage, membership
from gensynth.rng import child, numpy_generator
from gensynth.types import LabelledData

K = 5
# Half of the rows must still hold k + 1 for the interval.
MIN_ROWS = 2 * (K + 1)
MOST_ROWS = 4_000
KID_SUBSET = 1000
PROPORTIONS = ("precision", "recall", "coverage", "clipped_density", "clipped_coverage")
CLASS_METRICS = ("fid", "kid", "mind", "precision", "recall", "density", "coverage", *PROPORTIONS[3:], "vendi_ratio")
METRICS = ("fid", "fid_infinity", *CLASS_METRICS[1:], "c2st_auc")
UNBOUNDED = ("kid", "fid_infinity")
# Rows a dimension below which a covariance, or its extrapolation, says nothing.
ROWS_PER_DIM = {"fid": 2, "fid_infinity": 16}
Entry = dict[str, Any]


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
    value, n_real, n_synthetic, space_sha256, expected, expected_from, floor, ceiling, low, high, z; or value None and a
    reason. The interval is 95 %, from `repeats` halves drawn without replacement (of the AUC in closed form); it
    speaks of these rows, not of training the generator again. `expected` of fid is for Gaussian rows drawn without
    regard to class, so matched classes may score less: read the ceiling first. In the judge's and the
    self-supervised space the ceiling is a little pessimistic, since those were trained on the train rows.
    """
    if repeats < 2:
        raise ValueError(f"an interval needs at least 2 repeats, got {repeats}")
    matched = match_rows(train=train, reference=reference, synthetic=synthetic, seed=seed, most=MOST_ROWS)
    overall: dict[str, dict[str, Entry]] = {}
    per_class: dict[str, dict[str, Entry]] = {name: {} for name in reference.schema.classes}
    noise = floor(reference.x[matched.reference])
    for space in spaces:
        sets = Compared.of(
            space.sha256,
            real=space.transform(reference.x[matched.reference]),
            fake=space.transform(synthetic.x[matched.synthetic]),
            train=space.transform(train.x[matched.train]),
            noise=space.transform(noise),
        )
        reason = _shortage("rows", len(matched.labels), len(reference), len(synthetic), len(train))
        overall[space.name] = entries(sets, METRICS, reason, child(seed, space.name), repeats)
        for c, name in enumerate(reference.schema.classes):
            sizes = [int((data.y == c).sum()) for data in (reference, synthetic, train)]
            mine = matched.labels == c
            reason = _shortage("rows of this class", int(mine.sum()), *sizes)
            scored = entries(sets.take(mine), CLASS_METRICS, reason, child(seed, space.name, name), repeats)
            per_class[name].update({f"{metric}[{space.name}]": entry for metric, entry in scored.items()})
    return overall, per_class


def match_rows(
    *, train: LabelledData, reference: LabelledData, synthetic: LabelledData, seed: int, most: int
) -> Matched:
    """Rows drawn without replacement, of each class as many as the set that has fewest of it, at most `most` in all.

    Without this, a balanced synthetic set would be scored for its class proportions instead of its images. Where
    there are more rows, every class is cut by the same share, but not below 100 rows or what it has.
    """
    order = numpy_generator(seed, "fidelity", "match")
    pools = [
        [np.flatnonzero(data.y == c) for data in (reference, synthetic, train)]
        for c in range(len(reference.schema.classes))
    ]
    least = np.array([min(map(len, of_class)) for of_class in pools])
    share = min(1.0, most / max(int(least.sum()), 1))
    wanted = np.minimum(least, np.maximum(np.round(least * share), min(100, most // max(len(pools), 1)))).astype(int)
    picks = [
        np.concatenate([order.permutation(of_class[side])[:n] for of_class, n in zip(pools, wanted, strict=True)])
        for side in range(3)
    ]
    of_reference, of_synthetic, of_train = (pick.astype(np.int64) for pick in picks)
    return Matched(of_reference, of_synthetic, of_train, labels=reference.y[of_reference])


@dataclass(frozen=True)
class Compared:
    """Features (n, D) of the four sets that one line of the report compares, in the space of that hash."""

    sha256: str
    real: np.ndarray
    fake: np.ndarray
    train: np.ndarray
    noise: np.ndarray
    scale: Scale

    @staticmethod
    def of(sha256: str, real: np.ndarray, fake: np.ndarray, train: np.ndarray, noise: np.ndarray) -> Compared:
        return Compared(sha256, real, fake, train, noise, Scale.of(train) if len(train) else Scale.of(np.zeros((1, 1))))

    def take(self, rows: np.ndarray) -> Compared:
        """Some rows, on the scale of all: the deviations of a few rows of one class are too rough a scale."""
        return Compared(self.sha256, self.real[rows], self.fake[rows], self.train[rows], self.noise[rows], self.scale)


def entries(sets: Compared, metrics: tuple[str, ...], reason: str, seed: int, repeats: int) -> dict[str, Entry]:
    """One entry for each metric; all say `reason` if there is one."""
    if not reason and not all(np.isfinite(x).all() for x in (sets.real, sets.fake, sets.train, sets.noise)):
        reason = "not defined: the features hold values that are not finite"
    if not reason and np.ptp(sets.real, axis=0).max(initial=0.0) == 0:
        reason = "not defined: all real rows are equal in this space"
    if reason:
        return {metric: _undefined(reason) for metric in metrics}
    n, dims = sets.real.shape
    out = {name: _undefined(_too_few(name, n, dims)) for name in metrics if _too_few(name, n, dims)}
    defined = tuple(name for name in metrics if name not in out)
    scored = _all_scores(sets, defined, seed, repeats)
    return {name: out[name] if name in out else _entry(sets, name, scored[name]) for name in metrics}


def _too_few(metric: str, n: int, dims: int) -> str:
    """Why n rows are too few for a metric in so many dimensions; empty if they are not."""
    needed = ROWS_PER_DIM.get(metric, 0) * dims
    if metric == "c2st_auc":
        return "" if n >= MIN_FOLD_ROWS else f"not defined: n too small, {n} rows a side, {MIN_FOLD_ROWS} needed"
    if n >= needed:
        return ""
    return f"not defined: n too small, {n} rows, {needed} needed for a covariance in {dims} dimensions; see kid"


def _all_scores(sets: Compared, names: tuple[str, ...], seed: int, repeats: int) -> dict[str, dict[str, np.ndarray]]:
    """{metric: {"value", "floor", "ceiling": (), "halves": (repeats,)}}."""

    def score(real: np.ndarray, fake: np.ndarray, wanted: tuple[str, ...]) -> np.ndarray:
        values = scores(real=real, fake=fake, scale=sets.scale, seed=seed, names=wanted)
        return np.array([values.get(name, np.nan) for name in names])

    order = numpy_generator(seed, "fidelity", "halves")
    half = len(sets.real) // 2
    cheap = tuple(name for name in names if name != "c2st_auc" and _too_few(name, half, sets.real.shape[1]) == "")
    halves = [
        score(order.permutation(sets.real)[:half], order.permutation(sets.fake)[:half], cheap) for _ in range(repeats)
    ]
    value = score(sets.real, sets.fake, names)
    if "kid" in names:  # the headline value is torchmetrics', on subsets; beside it the same distance over all rows
        scaled = sets.scale.apply(sets.real), sets.scale.apply(sets.fake)
        value[names.index("kid")] = kid_as_is(real=scaled[0], fake=scaled[1], seed=seed, subset_size=KID_SUBSET)[0]
    columns = {
        "value": value,
        "floor": score(sets.real, sets.noise, tuple(name for name in names if name != "c2st_auc")),
        "ceiling": score(sets.real, sets.train, names),
        "halves": np.array(halves).T,
    }
    return {name: {key: column[i] for key, column in columns.items()} for i, name in enumerate(names)}


def scores(*, real: np.ndarray, fake: np.ndarray, scale: Scale, seed: int, names: tuple[str, ...]) -> dict[str, float]:
    """The named metrics of one pair of feature sets, equal n: distances and variety on the given scale, support and
    detection on the features as they are."""
    real_scaled, fake_scaled = scale.apply(real), scale.apply(fake)
    inside = membership(real=real, fake=fake, k=K)
    found = inside.prdc() | inside.clipped()
    found["kid"] = kernel_distance(real=real_scaled, fake=fake_scaled)
    found["mind"] = mind(real=real_scaled, fake=fake_scaled, seed=seed, directions=200)
    found["vendi_ratio"] = vendi_ratio(real=real_scaled, fake=fake_scaled)
    if "fid" in names:
        found["fid"] = fid_as_is(real=real_scaled, fake=fake_scaled)
    if "fid_infinity" in names:
        found["fid_infinity"] = frechet_infinity(real=real_scaled, fake=fake_scaled, seed=seed)
    if "c2st_auc" in names:
        found["c2st_auc"] = c2st_auc(real, fake, seed)
    return found


def _entry(sets: Compared, metric: str, values: dict[str, np.ndarray]) -> Entry:
    value, n = float(values["value"]), len(sets.real)
    lowest = -math.inf if metric in UNBOUNDED else 0.0
    bounds = (lowest, 1.0 if metric in (*PROPORTIONS, "c2st_auc") else math.inf)
    if metric == "c2st_auc":
        deviation = auc_deviation(value, n, n)
        low, high = max(value - 1.96 * deviation, 0.0), min(value + 1.96 * deviation, 1.0)
        deviation = auc_deviation(0.5, n, n)
    elif np.isnan(values["halves"]).any():  # half of the rows are too few for this metric
        deviation, low, high = 0.0, None, None
    else:
        deviation = float(values["halves"].std(ddof=1))
        low, high = half_sample_interval(value, values["halves"], bounds)
    if metric in PROPORTIONS:
        # Halves that all score 1 have no spread; that does not make 1 certain.
        sure_low, sure_high = wilson_interval(min(max(value, 0.0), 1.0), n)
        low = min(sure_low, value if low is None else min(low, value))
        high = max(sure_high, value if high is None else max(high, value))
    expected, source = _expected(sets, metric, float(values["ceiling"]))
    entry: Entry = {"value": value, "n_real": n, "n_synthetic": len(sets.fake), "space_sha256": sets.sha256}
    entry |= {"expected": expected, "expected_from": source}
    floor = 1.0 if metric == "c2st_auc" else float(values["floor"])
    entry |= {"floor": floor, "ceiling": float(values["ceiling"]), "low": low, "high": high}
    return entry | ({"z": (value - expected) / deviation} if deviation > 0 else {})


def _expected(sets: Compared, metric: str, ceiling: float) -> tuple[float, str]:
    """Mean score of a perfect generator at this n, and whether it is known in closed form."""
    n, m = len(sets.real), len(sets.fake)
    if metric == "fid":
        return frechet_expected(real=sets.scale.apply(sets.real), n=n, m=m), "closed form"
    if metric == "coverage":
        return expected_coverage(n, m, K), "closed form"
    known = {"kid": 0.0, "density": 1.0, "fid_infinity": 0.0, "c2st_auc": 0.5}
    return (known[metric], "closed form") if metric in known else (ceiling, "real train rows")


def _shortage(what: str, n: int, n_reference: int, n_synthetic: int, n_train: int) -> str:
    """Why n matched rows are too few, or an empty text if they are not."""
    if n >= MIN_ROWS:
        return ""
    have = f"reference {n_reference}, synthetic {n_synthetic}, train {n_train}"
    return f"not defined: n too small, {n} matched {what} ({have}), {MIN_ROWS} needed"


def _undefined(reason: str) -> Entry:
    return {"value": None, "reason": reason}
