"""What rows of tables are classified by: boosted trees, which take missing values and categories as they are."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from gensynth.data.kinds import modality_of, points_of
from gensynth.data.modality import Points
from gensynth.types import LabelledData, Schema

MOST_CATEGORIES = 255
MOST_TREES = 2000


class BoostedTrees(HistGradientBoostingClassifier):
    """scikit-learn's HistGradientBoostingClassifier on one thread.

    Its OpenMP runtime and torch's, in one process, wait for each other's threads: on two cores one thread is
    three to nine times as fast as two (docs/experiments.md).
    """

    def fit(self, x: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> BoostedTrees:
        if np.unique(y, return_counts=True)[1].min() < 2:
            # Above 10,000 rows a part is held out to stop early, which a class of one row has no row for.
            self.set_params(early_stopping=False)
        with threadpool_limits(1, user_api="openmp"):
            return super().fit(x, y, sample_weight)

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        with threadpool_limits(1, user_api="openmp"):
            return super().predict_proba(x)


def boosting_points(train: LabelledData) -> Points:
    """What trees see: columns of a table as they are, points of other rows."""
    return (lambda x: x) if modality_of(train.schema).columns(train.schema) else points_of(train)


def boosting(schema: Schema, seed: int, balanced: bool = False) -> BoostedTrees:
    """Boosted trees with the discrete columns of a table marked, where they have few enough categories for it.

    A round grows a tree for every class, so many classes get fewer rounds: at most MOST_TREES trees in all.
    """
    columns = modality_of(schema).columns(schema)
    marked = [column.discrete and len(column.categories) < MOST_CATEGORIES for column in columns] or None
    weight = "balanced" if balanced else None
    rounds = max(1, min(100, MOST_TREES // len(schema.classes)))
    return BoostedTrees(max_iter=rounds, categorical_features=marked, class_weight=weight, random_state=seed % 2**32)
