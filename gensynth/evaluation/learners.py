"""The classifiers that are trained on every arm: a strong and a weak one for each kind of rows.

The first carries the verdict. All take rows in source units and give probabilities of classes.
"""

from __future__ import annotations

import warnings
from typing import Protocol

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler

from gensynth.data.table import modelled_columns
from gensynth.evaluation.features import flat_pixels
from gensynth.models.judge import Judge, judge_steps
from gensynth.models.table_judge import boosting
from gensynth.rng import numpy_generator
from gensynth.types import LabelledData, Schema

LOGISTIC_ROWS = {"image": 5_000, "table": 20_000}
LOGISTIC_DIMS = 64
LOGISTIC_ITERATIONS = 300
# With four times the judge's learning rate, half of its steps reach the same accuracy (docs/experiments.md).
LEARNING_RATE, MOST_STEPS = 4e-3, 750


class Learner(Protocol):
    """A classifier by name; `probabilities` trains it anew."""

    name: str

    def probabilities(
        self, rows: LabelledData, class_weights: np.ndarray | None, inputs: list[np.ndarray], seed: int
    ) -> list[np.ndarray]:
        """Float32 (N, K) for each of the inputs x, after training on `rows` with weights (K,) if there are any."""


def learners_of(train: LabelledData, steps: int) -> list[Learner]:
    """The strong and the weak learner of the modality; `steps` of the network, 0: by the number of rows."""
    if train.schema.modality == "table":
        return [Boosting(), Logistic(train.schema)]
    shape = train.x.shape[1:]
    most = int(train.counts().max()) * len(train.schema.classes)
    return [SmallCnn(steps or max(judge_steps(most, shape, most=2 * MOST_STEPS) // 2, 200)), Logistic(train.schema)]


class SmallCnn:
    """`Judge`, for the same number of steps whatever the arm; the seed sets its weights and the order of rows."""

    name = "small_cnn"

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def probabilities(
        self, rows: LabelledData, class_weights: np.ndarray | None, inputs: list[np.ndarray], seed: int
    ) -> list[np.ndarray]:
        judge = Judge.fit(
            rows.x,
            rows.y,
            num_classes=len(rows.schema.classes),
            seed=seed,
            steps=self.steps,
            balanced=False,
            weights=class_weights,
            learning_rate=LEARNING_RATE,
        )
        return [judge.probabilities(x).astype(np.float32) for x in inputs]


class Boosting:
    """scikit-learn's HistGradientBoostingClassifier with discrete columns marked, otherwise its defaults."""

    name = "boosting"

    def probabilities(
        self, rows: LabelledData, class_weights: np.ndarray | None, inputs: list[np.ndarray], seed: int
    ) -> list[np.ndarray]:
        if len(np.unique(rows.y)) == 1:
            return _one_class(rows, inputs)
        model = boosting(rows.schema, seed)
        model.fit(rows.x, rows.y, sample_weight=None if class_weights is None else class_weights[rows.y])
        return [_shares(model, x, len(rows.schema.classes)) for x in inputs]


class Logistic:
    """Logistic regression: on at most 64 principal components of pixels, or on levels and normal scores of columns.

    The seed picks 5,000 (images) or 20,000 (tables) rows of a larger arm.
    """

    name = "logistic"

    def __init__(self, schema: Schema) -> None:
        self.is_table = schema.modality == "table"
        self.most = LOGISTIC_ROWS[schema.modality]

    def probabilities(
        self, rows: LabelledData, class_weights: np.ndarray | None, inputs: list[np.ndarray], seed: int
    ) -> list[np.ndarray]:
        if len(rows) > self.most:
            rows = rows[np.sort(numpy_generator(seed, "utility", "logistic").permutation(len(rows))[: self.most])]
        classes = len(rows.schema.classes)
        if len(np.unique(rows.y)) == 1:
            return _one_class(rows, inputs)
        model = columns_logistic(rows.schema) if self.is_table else pixels_logistic(rows)
        weights = {} if class_weights is None else {"logisticregression__sample_weight": class_weights[rows.y]}
        with warnings.catch_warnings():
            # The bound on iterations is meant; an unfinished fit still predicts.
            warnings.simplefilter("ignore", ConvergenceWarning)
            for text in (".*unknown categories.*", ".*Skipping features.*", ".*n_quantiles.*"):
                warnings.filterwarnings("ignore", message=text)
            model.fit(self._x(rows.x), rows.y, **weights)
            return [_shares(model, self._x(x), classes) if len(x) else np.zeros((0, classes)) for x in inputs]

    def _x(self, x: np.ndarray) -> np.ndarray:
        return x if self.is_table else flat_pixels(x)


def _one_class(rows: LabelledData, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """What a classifier knows that has seen one class."""
    sure = np.eye(len(rows.schema.classes), dtype=np.float32)[rows.y[0]]
    return [np.tile(sure, (len(x), 1)) for x in inputs]


def pixels_logistic(rows: LabelledData) -> Pipeline:
    """Logistic regression on principal components of flat pixels."""
    dims = min(LOGISTIC_DIMS, int(np.prod(rows.x.shape[1:])), len(rows))
    return make_pipeline(PCA(dims, random_state=0), StandardScaler(), LogisticRegression(max_iter=LOGISTIC_ITERATIONS))


def columns_logistic(schema: Schema) -> Pipeline:
    """Logistic regression on one-hot levels and normal scores of numbers, with indicators of missing ones."""
    discrete = np.array([column.discrete for column in modelled_columns(schema.fields)])
    levels = make_pipeline(
        SimpleImputer(strategy="constant", fill_value=-1),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5, max_categories=100, sparse_output=False),
    )
    numbers = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        QuantileTransformer(n_quantiles=200, output_distribution="normal", subsample=None, random_state=0),
    )
    columns = make_column_transformer(
        (levels, np.flatnonzero(discrete).tolist()), (numbers, np.flatnonzero(~discrete).tolist())
    )
    return make_pipeline(columns, LogisticRegression(max_iter=LOGISTIC_ITERATIONS))


def _shares(model: Pipeline, x: np.ndarray, classes: int) -> np.ndarray:
    out = np.zeros((len(x), classes), np.float32)
    if len(x):
        out[:, model.classes_] = model.predict_proba(x)
    return out
