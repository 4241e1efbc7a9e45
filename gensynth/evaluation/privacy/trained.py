"""An attack that is learned: a linear classifier of rows by what other attacks see of them, fitted and scored on
different rows.

It is fitted again for every other way in which membership could have fallen, in closed form, so that a test by
permutation stays exact although the scores hang on the labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from gensynth.evaluation.privacy.membership import Roles
from gensynth.rng import numpy_generator

FOLDS = 5
RIDGE = 0.02  # of the number of rows
TAIL = 0.9  # rank above which a score gets a slope of its own: copies are the few highest


@dataclass(frozen=True)
class CrossFitted:
    """Features (R, F) and the fold (R,) of every row; rows of one subject are in one fold."""

    features: np.ndarray
    fold: np.ndarray

    def scores(self, is_member: np.ndarray) -> np.ndarray:
        """Scores like `is_member`, (R,) or (R, B) for B ways in which membership could have fallen: each row's by
        ridge regression on the rows of all other folds (Hoerl and Kennard, 1970), less their mean label."""
        labels = is_member.astype(np.float64)
        out = np.empty_like(labels)
        for k in range(FOLDS):
            inside, outside = self.fold == k, self.fold != k
            x, y = self.features[outside], labels[outside]
            gram = x.T @ x + RIDGE * len(x) * np.eye(x.shape[1])
            middle = x.mean(axis=0)
            weights = np.linalg.solve(gram - len(x) * np.outer(middle, middle), (x - middle).T @ y)
            out[inside] = (self.features[inside] - middle) @ weights
        return out


def cross_fitted(seen: np.ndarray, roles: Roles) -> CrossFitted:
    """Of what is seen of rows, (R, S): normal scores of the ranks, their squares, and the height above TAIL."""
    ranks = (rankdata(seen, axis=0) - 0.5) / max(len(seen), 1)
    normal = ndtri(ranks)
    height = np.maximum(ranks - TAIL, 0.0) / (1 - TAIL)
    fold_of_unit = numpy_generator(roles.seed, "folds").permutation(roles.units.max() + 1) % FOLDS
    return CrossFitted(np.concatenate([normal, normal**2, height], axis=1), fold_of_unit[roles.units])
