"""The classifier of every kind of rows, trained on real train rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits

from gensynth.data.kinds import modality_of, points_of, sight_of
from gensynth.data.modality import Points
from gensynth.data.text import weighted_counts
from gensynth.models.classifier import Classifier, classifier_steps
from gensynth.types import LabelledData, Schema

MOST_CATEGORIES = 255
MOST_TREES = 2000
ITERATIONS = 300  # of the logistic regression on texts
INVERSE_PENALTY = 10.0  # word counts have length 1, for which scikit-learn's default of 1 holds back too much


class RowClassifier(Protocol):
    """A classifier of rows x in source units.

    on_pictures  the network that sees the rows as pictures, whose last hidden layer is a feature space; None for others
    """

    @property
    def sha256(self) -> str: ...

    @property
    def on_pictures(self) -> Classifier | None: ...

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """float64 (N, K)."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Most probable class, int64 (N,)."""


class PictureClassifier:
    """The classifier of images on what `see` makes of rows: images as they are, spectra of sounds."""

    def __init__(self, on_pictures: Classifier, see: Callable[[np.ndarray], np.ndarray]) -> None:
        self.on_pictures, self.sha256, self._see = on_pictures, on_pictures.sha256, see

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        return self.on_pictures.probabilities(self._see(x))

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.on_pictures.predict(self._see(x))


class ScikitClassifier:
    """A fitted classifier of scikit-learn on what `see` makes of rows."""

    on_pictures = None

    def __init__(
        self, model: BoostedTrees | Pipeline, see: Callable[[np.ndarray], Any], num_classes: int, sha256: str
    ) -> None:
        self.model, self.num_classes, self.sha256, self._see = model, num_classes, sha256, see

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """float64 (N, K); 0 for classes without a training row."""
        out = np.zeros((len(x), self.num_classes))
        if len(x):
            out[:, self.model.classes_] = self.model.predict_proba(self._see(x))
        return out

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.probabilities(x).argmax(axis=1)


class BoostedTrees(HistGradientBoostingClassifier):
    """scikit-learn's HistGradientBoostingClassifier on one thread.

    Its OpenMP runtime and torch's, in one process, wait for each other's threads: on two cores one thread is
    three to nine times as fast as two (docs/experiments.md).
    """

    def fit(self, x: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> BoostedTrees:
        if np.unique(y, return_counts=True)[1].min() < 2:
            # Above 10,000 rows a part is held out to stop early, which a class of one row has no row for.
            self.set_params(early_stopping=False)
        empty = np.isnan(x).all(axis=0)  # scikit-learn finds no bins for a column without a value
        with threadpool_limits(1, user_api="openmp"):
            return super().fit(np.where(empty, 0, x) if empty.any() else x, y, sample_weight)

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


def counts_logistic(balanced: bool, seed: int) -> Pipeline:
    """TF-IDF of words and letters, then logistic regression."""
    weight = "balanced" if balanced else None
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=ITERATIONS, class_weight=weight, random_state=seed % 2**32)
    return make_pipeline(weighted_counts(), model)


def fit_row_classifier(train: LabelledData, seed: int) -> RowClassifier:
    """The classifier of the rows' kind, classes weighted equally."""
    kind = modality_of(train.schema)
    if kind.classifier:
        return kind.classifier(train, seed)
    if see := sight_of(train.schema):
        return _of_pictures(train, see, seed)
    return _of_texts(train, seed) if kind.name == "text" else _of_points(train, seed)


def _of_pictures(train: LabelledData, see: Callable[[np.ndarray], np.ndarray], seed: int) -> PictureClassifier:
    x, classes = see(train.x), len(train.schema.classes)
    steps = classifier_steps(len(train), x.shape[1:])
    classifier = Classifier.fit(x, train.y, num_classes=classes, seed=seed, steps=steps, balanced=True)
    return PictureClassifier(classifier, see)


def _of_texts(train: LabelledData, seed: int) -> ScikitClassifier:
    model = counts_logistic(True, seed).fit(train.x.tolist(), train.y)
    digest = hashlib.sha256(np.ascontiguousarray(model[-1].coef_).tobytes()).hexdigest()
    return ScikitClassifier(model, np.ndarray.tolist, len(train.schema.classes), digest)


def _of_points(train: LabelledData, seed: int) -> ScikitClassifier:
    points, model = boosting_points(train), boosting(train.schema, seed, balanced=True)
    x = points(train.x)
    model.fit(x, train.y)
    digest = hashlib.sha256(x.tobytes() + train.y.tobytes() + str(seed).encode()).hexdigest()
    return ScikitClassifier(model, points, len(train.schema.classes), digest)
