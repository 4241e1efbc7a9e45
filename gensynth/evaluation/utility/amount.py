"""How much to add: synthetic rows in several amounts, compared on real validation rows with adding none.

Ma & Zhang, "Do synthetic rows help imbalanced learning" (arXiv 2601.16120): the best size depends on the generator
and may differ from full balance, so it is tuned on a balanced validation loss. Adding none is left only for an amount
that is surely better than the best way that needs no rows, a shifted threshold or weighted classes: what is recommended
should do no harm (scripts/bench_harm.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gensynth.balancing.plan import to_balance
from gensynth.evaluation.metrics.classification import corrected
from gensynth.evaluation.parts import Part
from gensynth.evaluation.utility.classifiers import ArmClassifier
from gensynth.evaluation.utility.utility import UNCHANGED, balanced_weights, kept_rows
from gensynth.progress import bar
from gensynth.rng import child
from gensynth.types import LabelledData

AMOUNTS = (0.0, 0.25, 0.5, 1.0, 2.0)
SURE = 2.0  # standard errors by which an amount must be better than none
LEAST_VAL_ROWS = 5
LEAST_PROBABILITY = 1e-4


@dataclass(frozen=True)
class Advice(Part):
    """How much to add as a part of what balances the classes, None where it could not be said; a line an amount."""

    amount: float | None = None
    sentence: str = ""
    amounts: list[dict[str, float]] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        return {"amount": None} | super().to_json()


def portion(pool: LabelledData, counts: np.ndarray, amount: float) -> LabelledData:
    """The first `amount` x to-balance rows of each class of the pool, for real rows (K,)."""
    wanted = np.round(amount * to_balance(counts)).astype(int)
    rows = [np.flatnonzero(pool.y == c)[:n] for c, n in enumerate(wanted)]
    return pool[np.concatenate(rows).astype(np.int64)]


def advise(
    *,
    train: LabelledData,
    pool: LabelledData,
    val: LabelledData,
    classifier: ArmClassifier,
    seeds: list[int],
) -> Advice:
    """The smallest good amount; lines {"amount", "rows", "loss", "low", "high"}, that of 0 being the best without rows.

    pool  synthetic rows, per class at least twice what balances, in the order in which they would be taken
    The best without rows is the better of a shifted threshold and of weighted classes. An amount is good whose balanced
    log loss is lower by SURE standard errors (paired over validation rows and seeds). Of good ones the smallest is
    advised that lies within one standard error of the best of them (Breiman et al., "Classification and regression
    trees", 1984, section 3.4.3). Without a good one none is added.
    """
    if reason := too_few(val):
        return Advice(sentence=f"How much to add: {reason}.")
    losses, sizes = [], [0]
    with bar("how much to add", len(AMOUNTS) + 1) as advance:
        for weighted in (False, True):
            losses.append(np.stack([_without_rows(train, val, classifier, seed, weighted=weighted) for seed in seeds]))
            advance(1)
        for amount in AMOUNTS[1:]:
            rows = portion(pool, train.counts(), amount)
            arm = LabelledData.concat([train, rows])
            losses.append(np.stack([_loss(_trained(arm, None, val, classifier, seed), val) for seed in seeds]))
            sizes.append(len(rows))
            advance(1)
    simple, table = losses[:2], losses[2:]
    weights = 1 / (len(val.schema.classes) * np.bincount(val.y)[val.y])
    best_simple = min(simple, key=lambda one: float((one.mean(axis=0) * weights).sum()))
    chosen = _chosen(best_simple, table, val.y, weights)
    spread = [best_simple, *table]
    means = [float((one.mean(axis=0) * weights).sum()) for one in spread]
    errors = [_standard_error(one, val.y, weights) for one in spread]
    lines = [
        {"amount": a, "rows": n, "loss": m, "low": m - 2 * e, "high": m + 2 * e}
        for a, n, m, e in zip(AMOUNTS, sizes, means, errors, strict=True)
    ]
    return Advice(AMOUNTS[chosen], _sentence(AMOUNTS[chosen], lines, len(val)), lines)


def _chosen(simple: np.ndarray, table: list[np.ndarray], y: np.ndarray, weights: np.ndarray) -> int:
    """Which of AMOUNTS is advised, by losses (S, N) without rows and with each amount of them."""
    means = [float((one.mean(axis=0) * weights).sum()) for one in (simple, *table)]
    errors = [_standard_error(one - simple, y, weights) for one in table]
    good = [a for a, error in enumerate(errors, start=1) if means[0] - means[a] > SURE * error]
    if not good:
        return 0
    best = min(good, key=lambda a: means[a])
    from_best = {a: _standard_error(table[a - 1] - table[best - 1], y, weights) for a in good}
    return next(a for a in good if means[a] - means[best] <= from_best[a])


def too_few(val: LabelledData) -> str:
    """Why the validation rows are too few to choose an amount on; an empty text if they are not."""
    counts = val.counts()
    if counts.min() >= LEAST_VAL_ROWS:
        return ""
    name, n = val.schema.classes[int(counts.argmin())], int(counts.min())
    return f'not defined: n too small, class "{name}" has {n} validation rows, {LEAST_VAL_ROWS} needed'


def _without_rows(
    train: LabelledData, val: LabelledData, classifier: ArmClassifier, seed: int, *, weighted: bool
) -> np.ndarray:
    """Losses (N,) of real rows alone: classes weighted, or else the shares of the classes put right afterwards."""
    if weighted:
        weights = balanced_weights(train.y, len(train.schema.classes))
        return _loss(_trained(train, weights, val, classifier, seed), val)
    counts = np.maximum(train.counts(), 1)
    shares = _trained(train, None, val, classifier, seed)
    return _loss(corrected(shares, counts.sum() / (len(counts) * counts)), val)


def _trained(
    arm: LabelledData, weights: np.ndarray | None, val: LabelledData, classifier: ArmClassifier, seed: int
) -> np.ndarray:
    """Probabilities (N, K) of validation rows."""
    rows = arm[kept_rows(arm, seed)]
    shares = classifier.probabilities(rows, weights, [val.x], child(seed, "utility"), UNCHANGED)[0]
    return shares.astype(np.float64)


def _loss(shares: np.ndarray, val: LabelledData) -> np.ndarray:
    """Log loss (N,) of each validation row."""
    return -np.log(shares[np.arange(len(val)), val.y].clip(LEAST_PROBABILITY))


def _standard_error(losses: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    """Of the weighted sum of losses (S, N): rows within their class, and seeds."""
    mean = losses.mean(axis=0)
    by_rows = sum((weights[y == c].sum() ** 2) * mean[y == c].var(ddof=1) / (y == c).sum() for c in np.unique(y))
    by_seed = (losses * weights).sum(axis=1).var(ddof=1) / len(losses)
    return float(np.sqrt(by_rows + by_seed))


def _sentence(amount: float, lines: list[dict[str, float]], n: int) -> str:
    at = {line["amount"]: line for line in lines}
    if not amount:
        return (
            f"How much to add: add none. On {n} validation rows no amount was surely better than reweighting the real "
            "rows."
        )
    return (
        f"How much to add: add {at[amount]['rows']} rows, {amount:g} x what balances the classes, the smallest amount "
        f"that was surely better on {n} validation rows than reweighting the real ones (target=auto adds so many)."
    )
