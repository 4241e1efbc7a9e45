"""A classifier of texts trained on real train rows: weighted counts of words and letters, and logistic regression."""

from __future__ import annotations

import hashlib

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from gensynth.data.text import weighted_counts
from gensynth.types import LabelledData

ITERATIONS = 300
INVERSE_PENALTY = 10.0  # the counts have length 1, for which scikit-learn's default of 1 holds back too much


def counts_logistic(balanced: bool, seed: int) -> Pipeline:
    """TF-IDF of words and letters, then logistic regression."""
    weight = "balanced" if balanced else None
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=ITERATIONS, class_weight=weight, random_state=seed % 2**32)
    return make_pipeline(weighted_counts(), model)


class TextClassifier:
    """Class probabilities of texts x (N,); made by `fit`."""

    on_pictures = None

    def __init__(self, model: Pipeline, num_classes: int, sha256: str) -> None:
        self.model, self.num_classes, self.sha256 = model, num_classes, sha256

    @classmethod
    def fit(cls, train: LabelledData, *, seed: int, balanced: bool) -> TextClassifier:
        model = counts_logistic(balanced, seed).fit(train.x.tolist(), train.y)
        digest = hashlib.sha256(np.ascontiguousarray(model[-1].coef_).tobytes()).hexdigest()
        return cls(model, len(train.schema.classes), digest)

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """float64 (N, K); 0 for classes without a training row."""
        out = np.zeros((len(x), self.num_classes))
        if len(x):
            out[:, self.model[-1].classes_] = self.model.predict_proba(x.tolist())
        return out

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Most probable class, int64 (N,)."""
        return self.probabilities(x).argmax(axis=1)
