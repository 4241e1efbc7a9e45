"""The classifier of every kind of rows, trained on real train rows."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from gensynth.data.kinds import modality_of, sight_of
from gensynth.models.classifier import Classifier, classifier_steps
from gensynth.models.image_classifier import ImageClassifier
from gensynth.models.table_classifier import TableClassifier
from gensynth.models.text_classifier import TextClassifier
from gensynth.types import LabelledData


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


def fit_row_classifier(train: LabelledData, seed: int) -> RowClassifier:
    """The classifier of the rows' kind, classes weighted equally."""
    kind = modality_of(train.schema)
    return (kind.classifier or CLASSIFIERS.get(kind.name, _usual))(train, seed)


def _usual(train: LabelledData, seed: int) -> RowClassifier:
    see = sight_of(train.schema)
    return ImageClassifier.fit(train, see, seed) if see else TableClassifier.fit(train, seed=seed, balanced=True)


def _of_images(train: LabelledData, seed: int) -> RowClassifier:
    shape, classes = train.x.shape[1:], len(train.schema.classes)
    steps = classifier_steps(len(train), shape)
    return Classifier.fit(train.x, train.y, num_classes=classes, seed=seed, steps=steps, balanced=True)


CLASSIFIERS = {"image": _of_images, "text": lambda train, seed: TextClassifier.fit(train, seed=seed, balanced=True)}
