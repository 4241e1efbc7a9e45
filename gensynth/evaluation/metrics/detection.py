"""Can a classifier tell synthetic rows from real ones: the two-sample test by boosted trees.

Lopez-Paz & Oquab, "Revisiting classifier two-sample tests" (ICLR 2017), with the AUC in place of the accuracy.
Boosted trees see dependence between columns; logistic regression does not and calls shuffled columns perfect.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from gensynth.evaluation.metrics.metric import FeaturePair, Metric, Spread
from gensynth.models.classifiers import BoostedTrees, boosting
from gensynth.rng import numpy_generator
from gensynth.types import LabelledData

MOST_ROWS = 20_000
FOLDS = 3
FEATURE_TREES = 50
ROWS_A_FOLD = 10


def c2st_auc(
    real: np.ndarray, fake: np.ndarray, seed: int, model: BoostedTrees | None = None, folds: int = FOLDS
) -> float:
    """AUC of out-of-fold scores of boosted trees, real (n, D) against fake (n, D): 0.5 cannot be told apart.

    ValueError for unequal n, or fewer than `folds` rows a side.

    >>> x = np.random.default_rng(0).normal(size=(2, 200, 2))
    >>> c2st_auc(x[0], x[1] + 9, 0), abs(c2st_auc(x[0], x[1], 0) - 0.5) < 3 * auc_std(0.5, 200, 200)
    (1.0, True)
    """
    n = len(real)
    if n != len(fake) or n < folds:
        raise ValueError(f"a two-sample test needs equally many rows, at least {folds} a side, got {n} and {len(fake)}")
    model = model or BoostedTrees(max_iter=FEATURE_TREES, random_state=seed % 2**32)
    x, y, scores = np.concatenate([real, fake]), np.repeat([0, 1], n), np.zeros(2 * n)
    for fit, hold in StratifiedKFold(folds, shuffle=True, random_state=seed % 2**32).split(x, y):
        scores[hold] = model.fit(x[fit], y[fit]).predict_proba(x[hold])[:, 1]
    return float(roc_auc_score(y, scores))


def boosted_c2st(real: LabelledData, fake: LabelledData, seed: int) -> float:
    """`c2st_auc` of table rows as they are, discrete columns marked, at equal n (at most 20,000 each).

    The label is one of the columns that are seen.
    """
    n = min(len(real), len(fake), MOST_ROWS)
    random = numpy_generator(seed, "c2st")
    sides = [side[random.permutation(len(side))[:n]] for side in (real, fake)]
    model = boosting(real.schema, seed)
    model.set_params(categorical_features=[*model.categorical_features, len(real.schema.classes) < 255])
    of_real, of_fake = (np.column_stack([side.x, side.y]) for side in sides)
    return c2st_auc(of_real, of_fake, seed, model)


def auc_std(auc: float, n: int, m: int) -> float:
    """Standard deviation of an AUC of n against m rows (Hanley and McNeil, 1982, equations 1 and 2).

    >>> round(auc_std(0.5, 100, 100), 4)  # sqrt((n + m + 1) / (12 n m)), Mann-Whitney
    0.0409
    """
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (auc * (1 - auc) + (n - 1) * (q1 - auc**2) + (m - 1) * (q2 - auc**2)) / (n * m)
    return float(np.sqrt(max(variance, 0.0)))


class C2ST(Metric):
    """`c2st_auc` of features as they are, with the interval of an AUC in closed form."""

    name, lower_is_better, bounds, ideal = "c2st_auc", True, (0.0, 1.0), 0.5
    known = 0.5
    per_class, resampled, floor, place = False, False, 1.0, 40

    def __init__(self, folds: int = FOLDS, trees: int = FEATURE_TREES, seed: int = 0) -> None:
        super().__init__(seed)
        self.folds, self.trees = folds, trees

    def score(self, pair: FeaturePair) -> float:
        model = BoostedTrees(max_iter=self.trees, random_state=pair.seed % 2**32)
        return c2st_auc(pair.real, pair.fake, pair.seed, model, self.folds)

    def rows_needed(self, dims: int) -> int:
        return ROWS_A_FOLD * self.folds

    def spread(self, value: float, halves: np.ndarray, n: int) -> Spread:
        reach = 1.96 * auc_std(value, n, n)
        return Spread(max(value - reach, 0.0), min(value + reach, 1.0), auc_std(0.5, n, n))
