"""Fidelity and diversity of synthetic rows against held-out real ones, overall and per class.

No score stands alone: each carries its n, the hash of its feature space, what it would be if synthetic were real
(in closed form, or measured on real train rows), what rows that learned nothing score (floor), what real train rows
score in the place of the synthetic ones (ceiling), an interval, and how many standard deviations it lies from its
expected
value (z). All are taken at the same n and with the same number of rows of each class: the smallest that reference,
synthetic and train have of it, and at most MOST_ROWS rows in all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gensynth.evaluation.fidelity.features import FeatureSpace
from gensynth.evaluation.metrics.metric import Entry, FeaturePair, Metric, Scale, conf_folder, in_order, metrics_of
from gensynth.rng import child, numpy_generator
from gensynth.types import LabelledData

K = 5
# Half of the rows must still hold k + 1 for the interval.
MIN_ROWS = 2 * (K + 1)
MOST_ROWS = 4_000


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
    metrics: Sequence[Metric] | None = None,
) -> tuple[dict[str, dict[str, Entry]], dict[str, dict[str, Entry]]]:
    """Scores overall {space: {metric: entry}} and per class {class: {"metric[space]": entry}}.

    `reference` are held-out real rows: validation while choosing, test in the final report; `floor` turns their x
    into rows that a generator which learned nothing might draw; `metrics` are those of conf/metric unless given.
    An entry holds value, n_real, n_synthetic, space_sha256, expected, expected_from, floor, ceiling, low, high, z and
    what its metric declares (better, bounds, ideal, headline); or value None and a reason. The interval is 95 %, from
    `repeats` halves drawn without replacement (of the AUC in closed form); it speaks of these rows, not of training
    the generator again. `expected` of fid is for Gaussian rows drawn without regard to class, so matched classes may
    score less: read the ceiling first. In the classifier's and the self-supervised space the ceiling is a little
    pessimistic, since those were trained on the train rows.
    """
    if repeats < 2:
        raise ValueError(f"an interval needs at least 2 repeats, got {repeats}")
    metrics = metrics_of(conf_folder()) if metrics is None else in_order(list(metrics))
    of_classes = [metric for metric in metrics if metric.per_class]
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
        overall[space.name] = entries(sets, metrics, reason, child(seed, space.name), repeats)
        for c, name in enumerate(reference.schema.classes):
            sizes = [int((data.y == c).sum()) for data in (reference, synthetic, train)]
            mine = matched.labels == c
            reason = _shortage("rows of this class", int(mine.sum()), *sizes)
            scored = entries(sets.take(mine), of_classes, reason, child(seed, space.name, name), repeats)
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
        """Some rows, on the scale of all: the standard deviations of a few rows of one class are too rough a scale."""
        return Compared(self.sha256, self.real[rows], self.fake[rows], self.train[rows], self.noise[rows], self.scale)


def entries(sets: Compared, metrics: Sequence[Metric], reason: str, seed: int, repeats: int) -> dict[str, Entry]:
    """One entry for each metric; all say `reason` if there is one."""
    if not reason and not all(np.isfinite(x).all() for x in (sets.real, sets.fake, sets.train, sets.noise)):
        reason = "not defined: the features hold values that are not finite"
    if not reason and np.ptp(sets.real, axis=0).max(initial=0.0) == 0:
        reason = "not defined: all real rows are equal in this space"
    reasons = {metric.name: reason or metric.too_few(*sets.real.shape) for metric in metrics}
    defined = [metric for metric in metrics if not reasons[metric.name]]
    scored = _scored(sets, defined, seed, repeats) if defined else {}
    return {name: {"value": None, "reason": why} if why else scored[name] for name, why in reasons.items()}


def _scored(sets: Compared, metrics: Sequence[Metric], seed: int, repeats: int) -> dict[str, Entry]:
    """Entries of metrics for which there are rows enough."""

    def pair(real: np.ndarray, fake: np.ndarray) -> FeaturePair:
        return FeaturePair(real, fake, sets.scale, seed)

    order = numpy_generator(seed, "fidelity", "halves")
    half, dims = len(sets.real) // 2, sets.real.shape[1]
    halved = [metric for metric in metrics if metric.resampled and not metric.too_few(half, dims)]
    halves: dict[str, list[float]] = {metric.name: [] for metric in metrics}
    for _ in range(repeats):
        some = pair(order.permutation(sets.real)[:half], order.permutation(sets.fake)[:half])
        for metric in halved:
            halves[metric.name].append(metric.reference(some))
    whole, noise, ceiling = (pair(sets.real, side) for side in (sets.fake, sets.noise, sets.train))
    return {
        metric.name: _entry(
            metric,
            metric.score(whole),
            np.array(halves[metric.name]),
            floor=metric.reference(noise) if metric.floor is None else metric.floor,
            ceiling=metric.reference(ceiling),
            known=metric.closed_form(whole),
            facts={"n_real": len(sets.real), "n_synthetic": len(sets.fake), "space_sha256": sets.sha256},
        )
        for metric in metrics
    }


def _entry(
    metric: Metric, value: float, halves: np.ndarray, *, floor: float, ceiling: float, known: float | None, facts: Entry
) -> Entry:
    if not np.isfinite([value, floor, ceiling, *halves]).all():
        return {"value": None, "reason": f"not defined: {metric.name} of these rows is not finite"}
    spread = metric.spread(value, halves, facts["n_real"])
    expected, source = (ceiling, "real train rows") if known is None else (known, "closed form")
    entry: Entry = {"value": value, **facts, "expected": expected, "expected_from": source}
    entry |= {"floor": floor, "ceiling": ceiling, "low": spread.low, "high": spread.high}
    if spread.std > 0:
        entry["z"] = (value - expected) / spread.std
    return entry | metric.declaration()


def _shortage(what: str, n: int, n_reference: int, n_synthetic: int, n_train: int) -> str:
    """Why n matched rows are too few, or an empty text if they are not."""
    if n >= MIN_ROWS:
        return ""
    have = f"reference {n_reference}, synthetic {n_synthetic}, train {n_train}"
    return f"not defined: n too small, {n} matched {what} ({have}), {MIN_ROWS} needed"
