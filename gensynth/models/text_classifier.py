"""What texts are classified by: weighted counts of words and letters, and logistic regression."""

from __future__ import annotations

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from gensynth.data.text import weighted_counts

ITERATIONS = 300
INVERSE_PENALTY = 10.0  # the counts have length 1, for which scikit-learn's default of 1 holds back too much


def counts_logistic(balanced: bool, seed: int) -> Pipeline:
    """TF-IDF of words and letters, then logistic regression."""
    weight = "balanced" if balanced else None
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=ITERATIONS, class_weight=weight, random_state=seed % 2**32)
    return make_pipeline(weighted_counts(), model)
