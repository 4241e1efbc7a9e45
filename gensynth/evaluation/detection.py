"""Can a classifier tell made rows from real ones: the two-sample test by boosted trees.

Lopez-Paz & Oquab, "Revisiting classifier two-sample tests" (ICLR 2017), with the AUC in place of the accuracy.
Boosted trees see dependence between columns; logistic regression does not and calls shuffled columns perfect.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from gensynth.models.table_judge import boosting
from gensynth.rng import numpy_generator
from gensynth.types import LabelledData

MOST_ROWS = 20_000
FOLDS = 3


def boosted_c2st(real: LabelledData, fake: LabelledData, seed: int) -> float:
    """AUC of out-of-fold scores, real against fake with equal n (at most 20,000 each): 0.5 cannot be told apart.

    The label is one of the columns that are seen. ValueError with fewer than FOLDS rows a side.
    """
    n = min(len(real), len(fake), MOST_ROWS)
    if n < FOLDS:
        raise ValueError(f"a two-sample test needs at least {FOLDS} rows a side, got {n}")
    random = numpy_generator(seed, "c2st")
    sides = [side[random.permutation(len(side))[:n]] for side in (real, fake)]
    x = np.concatenate([np.column_stack([side.x, side.y]) for side in sides])
    y, scores = np.repeat([0, 1], n), np.zeros(2 * n)
    model = boosting(real.schema, seed)
    marked = [*model.categorical_features, len(real.schema.classes) < 255]
    for fit, hold in StratifiedKFold(FOLDS, shuffle=True, random_state=seed % 2**32).split(x, y):
        model = boosting(real.schema, seed).set_params(categorical_features=marked)
        scores[hold] = model.fit(x[fit], y[fit]).predict_proba(x[hold])[:, 1]
    return float(roc_auc_score(y, scores))
