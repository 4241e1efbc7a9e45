"""A classifier of table rows trained on real train rows: boosted trees take missing values and levels as they are."""

from __future__ import annotations

import hashlib

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from gensynth.data.kinds import modality_of, points_of
from gensynth.data.modality import Points
from gensynth.types import LabelledData, Schema

MOST_LEVELS = 255
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


class TableClassifier:
    """Class probabilities of a table's rows x float64 (N, D), or of other rows by their points; made by `fit`."""

    on_pictures = None

    def __init__(self, model: BoostedTrees, num_classes: int, sha256: str, points: Points) -> None:
        self.model, self.num_classes, self.sha256, self.points = model, num_classes, sha256, points

    @classmethod
    def fit(cls, train: LabelledData, *, seed: int, balanced: bool) -> TableClassifier:
        """scikit-learn's HistGradientBoostingClassifier with its defaults, classes weighted equally if `balanced`."""
        points, model = boosting_points(train), boosting(train.schema, seed, balanced)
        x = points(train.x)
        model.fit(x, train.y)
        digest = hashlib.sha256(x.tobytes() + train.y.tobytes() + str(seed).encode()).hexdigest()
        return cls(model, len(train.schema.classes), digest, points)

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """float64 (N, K); 0 for classes without a training row."""
        out = np.zeros((len(x), self.num_classes))
        if len(x):
            out[:, self.model.classes_] = self.model.predict_proba(self.points(x))
        return out

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Most probable class, int64 (N,)."""
        return self.probabilities(x).argmax(axis=1)


def boosting_points(train: LabelledData) -> Points:
    """What trees see: columns of a table as they are, points of other rows."""
    return (lambda x: x) if modality_of(train.schema).columns(train.schema) else points_of(train)


def boosting(schema: Schema, seed: int, balanced: bool = False) -> BoostedTrees:
    """Boosted trees with the discrete columns of a table marked, where they have few enough levels for it.

    A round grows a tree for every class, so many classes get fewer rounds: at most MOST_TREES trees in all.
    """
    columns = modality_of(schema).columns(schema)
    marked = [column.discrete and len(column.categories) < MOST_LEVELS for column in columns] or None
    weight = "balanced" if balanced else None
    rounds = max(1, min(100, MOST_TREES // len(schema.classes)))
    return BoostedTrees(max_iter=rounds, categorical_features=marked, class_weight=weight, random_state=seed % 2**32)
