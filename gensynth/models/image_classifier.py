"""A classifier of rows that have pictures (spectra of sounds, say): the classifier of images, on those."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gensynth.models.classifier import Classifier, classifier_steps
from gensynth.types import LabelledData


class ImageClassifier:
    """Class probabilities of rows x of a kind with pictures; made by `fit`."""

    def __init__(self, classifier: Classifier, see: Callable[[np.ndarray], np.ndarray]) -> None:
        self.on_pictures, self._see = classifier, see

    @classmethod
    def fit(cls, train: LabelledData, see: Callable[[np.ndarray], np.ndarray], seed: int) -> ImageClassifier:
        """`Judge.fit` on pictures of the rows, x -> uint8 (N, C, H, W), classes drawn evenly."""
        x, classes = see(train.x), len(train.schema.classes)
        steps = classifier_steps(len(train), x.shape[1:])
        return cls(Classifier.fit(x, train.y, num_classes=classes, seed=seed, steps=steps, balanced=True), see)

    @property
    def sha256(self) -> str:
        return self.on_pictures.sha256

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """float64 (N, K)."""
        return self.on_pictures.probabilities(self._see(x))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Most probable class, int64 (N,)."""
        return self.on_pictures.predict(self._see(x))
