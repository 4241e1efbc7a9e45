"""The classifiers that are trained on every arm: a strong and a weak one for each kind of rows.

The first carries the verdict. All take rows in source units and give probabilities of classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler

from gensynth.data.audio import mel_statistics
from gensynth.data.kinds import modality_of, points_of, sight_of
from gensynth.data.modality import Points
from gensynth.data.table import modelled_columns
from gensynth.evaluation.fidelity.features import flat_pixels
from gensynth.models.classifier import Classifier, as_it_is, classifier_steps
from gensynth.models.classifiers import boosting, boosting_points, counts_logistic
from gensynth.rng import numpy_generator
from gensynth.samplers.online import Online
from gensynth.types import LabelledData, Schema

LOGISTIC_ROWS = {"image": 5_000, "text": 2**31}
LOGISTIC_DIMS = 64
LOGISTIC_ITERATIONS = 300
# With four times the classifier's learning rate, half of its steps reach the same accuracy (docs/experiments.md).
LEARNING_RATE, MOST_STEPS = 4e-3, 750


class ArmClassifier(Protocol):
    """A classifier by name; `probabilities` trains it anew."""

    name: str

    def probabilities(
        self, rows: LabelledData, class_weights: np.ndarray | None, inputs: list[np.ndarray], seed: int, online: Online
    ) -> list[np.ndarray]:
        """Float32 (N, K) for each of the inputs x, after training on `rows` with weights (K,) if there are any.

        online  what happens to rows while training: anew in every batch, or once where there are no batches
        """


def classifiers_of(train: LabelledData, steps: int) -> list[ArmClassifier]:
    """The strong and the weak learner of the rows' kind; `steps` of the network, 0: by the number of rows."""
    kind = modality_of(train.schema)
    usual = _of_points if kind.pictures is None else _of_pictures
    return (kind.classifiers or CLASSIFIERS.get(kind.name, usual))(train, steps)


@dataclass(frozen=True)
class Front:
    """Rows as pictures; `online`: what happens to rows while training happens to pictures, in every batch anew."""

    see: Callable[[np.ndarray], np.ndarray]
    online: bool


PIXELS = Front(lambda x: x, online=True)


def _of_points(train: LabelledData, steps: int) -> list[ArmClassifier]:
    return [Boosting(), Logistic(train.schema)]


def _of_pictures(train: LabelledData, steps: int, front: Front | None = None) -> list[ArmClassifier]:
    see = sight_of(train.schema)
    assert see is not None
    shape = see(train.x[:1]).shape[1:]
    most = int(train.counts().max()) * len(train.schema.classes)
    steps = steps or max(classifier_steps(most, shape, most=2 * MOST_STEPS) // 2, 200)
    return [SmallCnn(steps, front or Front(see, online=False)), Logistic(train.schema)]


CLASSIFIERS: dict[str, Callable[[LabelledData, int], list[ArmClassifier]]] = {
    "image": partial(_of_pictures, front=PIXELS),
    "text": lambda train, steps: [CountsLogistic(), Logistic(train.schema, "embedding_logistic")],
}


class SmallCnn:
    """`Judge`, for the same number of steps whatever the arm; the seed sets its weights and the order of rows."""

    name = "small_cnn"

    def __init__(self, steps: int, front: Front = PIXELS) -> None:
        self.steps, self.front = steps, front

    def probabilities(
        self, rows: LabelledData, class_weights: np.ndarray | None, inputs: list[np.ndarray], seed: int, online: Online
    ) -> list[np.ndarray]:
        x = rows.x if self.front.online else self.front.see(online.once(rows.x, rows.y, seed))
        classifier = Classifier.fit(
            x,
            rows.y,
            num_classes=len(rows.schema.classes),
            seed=seed,
            steps=self.steps,
            balanced=False,
            weights=class_weights,
            learning_rate=LEARNING_RATE,
            change=online.batches(len(rows.schema.classes), seed) if self.front.online else as_it_is,
        )
        return [classifier.probabilities(self.front.see(x)).astype(np.float32) for x in inputs]


class CountsLogistic:
    """Logistic regression on TF-IDF of words and letters."""

    name = "counts_logistic"

    def probabilities(
        self, rows: LabelledData, class_weights: np.ndarray | None, inputs: list[np.ndarray], seed: int, online: Online
    ) -> list[np.ndarray]:
        if len(np.unique(rows.y)) == 1:
            return _one_class(rows, inputs)
        model = counts_logistic(balanced=False, seed=seed)
        _fit_weighted(model, online.once(rows.x, rows.y, seed).tolist(), rows.y, class_weights)
        return [_shares(model, x.tolist(), len(rows.schema.classes)) for x in inputs]


class Boosting:
    """scikit-learn's HistGradientBoostingClassifier with discrete columns marked, otherwise its defaults.

    Rows that are no table it sees as points.
    """

    name = "boosting"

    def probabilities(
        self, rows: LabelledData, class_weights: np.ndarray | None, inputs: list[np.ndarray], seed: int, online: Online
    ) -> list[np.ndarray]:
        if len(np.unique(rows.y)) == 1:
            return _one_class(rows, inputs)
        rows = replace(rows, x=online.once(rows.x, rows.y, seed))
        points, model = boosting_points(rows), boosting(rows.schema, seed)
        model.fit(points(rows.x), rows.y, sample_weight=None if class_weights is None else class_weights[rows.y])
        return [_shares(model, points(x), len(rows.schema.classes)) for x in inputs]


class Logistic:
    """Logistic regression: on at most 64 principal components of pixels, on levels and normal scores of columns, on
    the mean and deviation of every band of a spectrum, or on points: of texts, latent semantic analysis.

    The seed picks 5,000 (images) or 20,000 rows of a larger arm, of texts all.
    """

    def __init__(self, schema: Schema, name: str = "logistic") -> None:
        self.name = name
        self.most = LOGISTIC_ROWS.get(schema.modality, 20_000)
        self.model_of = LOGISTIC.get(schema.modality, _points_logistic)

    def probabilities(
        self, rows: LabelledData, class_weights: np.ndarray | None, inputs: list[np.ndarray], seed: int, online: Online
    ) -> list[np.ndarray]:
        if len(rows) > self.most:
            rows = rows[np.sort(numpy_generator(seed, "utility", "logistic").permutation(len(rows))[: self.most])]
        classes = len(rows.schema.classes)
        if len(np.unique(rows.y)) == 1:
            return _one_class(rows, inputs)
        rows = replace(rows, x=online.once(rows.x, rows.y, seed))
        see, model = self.model_of(rows)
        _fit_weighted(model, see(rows.x), rows.y, class_weights)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*unknown categories.*")
            return [_shares(model, see(x), classes) if len(x) else np.zeros((0, classes)) for x in inputs]


def _fit_weighted(model: Pipeline, x: np.ndarray | list[str], y: np.ndarray, class_weights: np.ndarray | None) -> None:
    """Fit a pipeline that ends in a logistic regression, with class weights (K,) if there are any."""
    weights = {} if class_weights is None else {"logisticregression__sample_weight": class_weights[y]}
    with warnings.catch_warnings():
        # The bound on iterations is meant; an unfinished fit still predicts.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for text in (".*Skipping features.*", ".*n_quantiles.*"):
            warnings.filterwarnings("ignore", message=text)
        model.fit(x, y, **weights)


def _one_class(rows: LabelledData, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """What a classifier knows that has seen one class."""
    sure = np.eye(len(rows.schema.classes), dtype=np.float32)[rows.y[0]]
    return [np.tile(sure, (len(x), 1)) for x in inputs]


def _points_logistic(rows: LabelledData) -> tuple[Points, Pipeline]:
    return points_of(rows), scaled_logistic()


def _sound_logistic(rows: LabelledData) -> tuple[Points, Pipeline]:
    return partial(mel_statistics, sample_rate_hz=rows.schema.fields["sample_rate_hz"]), scaled_logistic()


def scaled_logistic() -> Pipeline:
    """Logistic regression on standardised numbers."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=LOGISTIC_ITERATIONS))


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


LOGISTIC: dict[str, Callable[[LabelledData], tuple[Points, Pipeline]]] = {
    "image": lambda rows: (flat_pixels, pixels_logistic(rows)),
    "table": lambda rows: (lambda x: x, columns_logistic(rows.schema)),
    "audio": _sound_logistic,
}


def _shares(model: Pipeline, x: np.ndarray | list[str], classes: int) -> np.ndarray:
    out = np.zeros((len(x), classes), np.float32)
    if len(x):
        out[:, model.classes_] = model.predict_proba(x)
    return out
