"""Texts as numbers: weighted counts of words and letters, and the leading directions among them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sklearn.pipeline import FeatureUnion

MOST_TERMS = 20_000
DIMS = 64


def weighted_counts() -> FeatureUnion:
    """An unfitted TF-IDF vectoriser of words and pairs of words, and of 2 to 4 letters inside words.

    Letters serve scripts that are written without spaces, and words that are misspelt.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import FeatureUnion

    words = TfidfVectorizer(
        token_pattern=r"(?u)\b\w+\b|[^\w\s]", ngram_range=(1, 2), sublinear_tf=True, max_features=MOST_TERMS
    )
    letters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, max_features=MOST_TERMS, lowercase=False
    )
    return FeatureUnion([("words", words), ("letters", letters)])


class TextPoints:
    """Texts x (N,) -> float32 (N, D) of length 1: near means alike.

    Latent semantic analysis (Deerwester et al., "Indexing by latent semantic analysis", 1990): TF-IDF on its leading
    directions among the training texts, at most 64.
    """

    def __init__(self, train: np.ndarray) -> None:
        from sklearn.decomposition import TruncatedSVD

        self._counts = weighted_counts().fit(train.tolist())
        of_train = self._counts.transform(train.tolist())
        dims = max(1, min(DIMS, min(of_train.shape) - 1))
        self._directions = TruncatedSVD(dims, random_state=0).fit(of_train)

    @property
    def sha256(self) -> str:
        """Hash of what defines the map."""
        return hashlib.sha256(np.ascontiguousarray(self._directions.components_).tobytes()).hexdigest()

    def transform(self, x: np.ndarray) -> np.ndarray:
        from sklearn.preprocessing import normalize

        if not len(x):
            return np.zeros((0, self._directions.n_components), np.float32)
        return normalize(self._directions.transform(self._counts.transform(x.tolist()))).astype(np.float32)
