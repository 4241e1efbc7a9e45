"""How much to add: synthetic rows in several amounts, compared on real validation rows; "add none" is one of them.

Ma & Zhang, "Do synthetic rows help imbalanced learning" (arXiv 2601.16120): the best size depends on the generator
and may differ from full balance, so it is tuned on a balanced validation loss. Here the loss is taken after the
shares of the classes have been put right in every amount alike: what a shifted threshold would give as well is no
gain of the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from gensynth.balancing.plan import to_balance
from gensynth.evaluation.assessment import Part
from gensynth.evaluation.metrics.classification import corrected
from gensynth.evaluation.utility.learners import Learner
from gensynth.evaluation.utility.utility import UNCHANGED, kept_rows
from gensynth.rng import child
from gensynth.types import LabelledData

AMOUNTS = (0.0, 0.25, 0.5, 1.0, 2.0)
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
    learner: Learner,
    seeds: list[int],
    progress: Callable[[str], None],
) -> Advice:
    """The smallest amount whose loss is as good as the best; lines {"amount", "rows", "loss", "low", "high"}.

    pool  synthetic rows, per class at least twice what balances, in the order in which they would be taken
    The smallest amount is advised whose loss lies within one standard error of the best (paired over validation rows
    and seeds; Breiman et al., "Classification and regression trees", 1984, section 3.4.3).
    """
    if reason := too_few(val):
        return Advice(sentence=f"How much to add: {reason}.")
    losses, sizes = [], []
    for amount in AMOUNTS:
        progress(f"how much to add: {amount:g} x what balances, on {len(val)} validation rows")
        rows = portion(pool, train.counts(), amount)
        arm = LabelledData.concat([train, rows])
        losses.append(np.stack([_loss(arm, val, learner, seed) for seed in seeds]))
        sizes.append(len(rows))
    table = np.stack(losses)  # (A, S, N)
    weights = 1 / (len(val.schema.classes) * np.bincount(val.y)[val.y])
    means = (table.mean(axis=1) * weights).sum(axis=1)
    best = int(means.argmin())
    errors = [_standard_error(table[a] - table[best], val.y, weights) for a in range(len(AMOUNTS))]
    chosen = next(a for a in range(len(AMOUNTS)) if means[a] - means[best] <= errors[a])
    spreads = [_standard_error(table[a], val.y, weights) for a in range(len(AMOUNTS))]
    lines = [
        {"amount": a, "rows": n, "loss": float(m), "low": float(m - 2 * e), "high": float(m + 2 * e)}
        for a, n, m, e in zip(AMOUNTS, sizes, means, spreads, strict=True)
    ]
    return Advice(AMOUNTS[chosen], _sentence(AMOUNTS[chosen], lines, len(val)), lines)


def too_few(val: LabelledData) -> str:
    """Why the validation rows are too few to choose an amount on; an empty text if they are not."""
    counts = val.counts()
    if counts.min() >= LEAST_VAL_ROWS:
        return ""
    name, n = val.schema.classes[int(counts.argmin())], int(counts.min())
    return f'not defined: n too small, class "{name}" has {n} validation rows, {LEAST_VAL_ROWS} needed'


def _loss(arm: LabelledData, val: LabelledData, learner: Learner, seed: int) -> np.ndarray:
    """Log loss (N,) of each validation row, classes weighing the same in the probabilities."""
    rows = arm[kept_rows(arm, seed)]
    shares = learner.probabilities(rows, None, [val.x], child(seed, "utility"), UNCHANGED)[0].astype(np.float64)
    counts = np.maximum(rows.counts(), 1)
    shares = corrected(shares, counts.sum() / (len(counts) * counts))
    return -np.log(shares[np.arange(len(val)), val.y].clip(LEAST_PROBABILITY))


def _standard_error(losses: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    """Of the weighted sum of losses (S, N): rows within their class, and seeds."""
    mean = losses.mean(axis=0)
    by_rows = sum((weights[y == c].sum() ** 2) * mean[y == c].var(ddof=1) / (y == c).sum() for c in np.unique(y))
    by_seed = (losses * weights).sum(axis=1).var(ddof=1) / len(losses)
    return float(np.sqrt(by_rows + by_seed))


def _sentence(amount: float, lines: list[dict[str, float]], n: int) -> str:
    at = {line["amount"]: line for line in lines}
    what = "add none" if not amount else f"add {at[amount]['rows']} rows, {amount:g} x what balances the classes"
    best = min(lines, key=lambda line: line["loss"])
    return (
        f"How much to add: {what} (balanced log loss on {n} validation rows {at[amount]['loss']:.3f}; "
        f"none {at[0.0]['loss']:.3f}, lowest {best['loss']:.3f} at {best['amount']:g} x; "
        "the smallest amount within one standard error of the lowest is taken)."
    )
