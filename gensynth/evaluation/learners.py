"""The classifiers that are trained on every arm: a strong and a weak one for each kind of rows.

The first carries the verdict. All take rows in source units and give probabilities of classes.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler

from gensynth.data.audio import mel_pixels, mel_statistics
from gensynth.data.table import modelled_columns
from gensynth.data.text import TextPoints
from gensynth.evaluation.features import flat_pixels
from gensynth.models.judge import Judge, as_it_is, judge_steps
from gensynth.models.table_judge import boosting
from gensynth.models.text_judge import counts_logistic
from gensynth.rng import numpy_generator
from gensynth.samplers.online import Online
from gensynth.types import LabelledData, Schema

LOGISTIC_ROWS = {"image": 5_000, "table": 20_000, "audio": 20_000}
LOGISTIC_DIMS = 64
LOGISTIC_ITERATIONS = 300
# With four times the judge's learning rate, half of its steps reach the same accuracy (docs/experiments.md).
LEARNING_RATE, MOST_STEPS = 4e-3, 750


class Learner(Protocol):
    """A classifier by name; `probabilities` trains it anew."""

    name: str

    def probabilities(
        self, rows: LabelledData, class_weights: np.ndarray | None, inputs: list[np.ndarray], seed: int, online: Online
    ) -> list[np.ndarray]:
        """Float32 (N, K) for each of the inputs x, after training on `rows` with weights (K,) if there are any.

        online  what happens to rows while training: anew in every batch, or once where there are no batches
        """


def learners_of(train: LabelledData, steps: int) -> list[Learner]:
    """The strong and the weak learner of the modality; `steps` of the network, 0: by the number of rows."""
    modality = train.schema.modality
    if modality == "table":
        return [Boosting(), Logistic(train.schema)]
    if modality == "text":
        return [CountsLogistic(), EmbeddingLogistic()]
    pictures = SpectraFront(train.schema.fields["sample_rate_hz"]) if modality == "audio" else Pixels()
    shape = pictures(train.x[:1]).shape[1:]
    most = int(train.counts().max()) * len(train.schema.classes)
    steps = steps or max(judge_steps(most, shape, most=2 * MOST_STEPS) // 2, 200)
    return [SmallCnn(steps, pictures), Logistic(train.schema)]


class Pixels:
    """Images as they are."""

    online = True

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return x


@dataclass(frozen=True)
class SpectraFront:
    """Waveforms as pictures of their spectra; what happens to waves while training happens once, before."""

    sample_rate_hz: int
    online = False

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return mel_pixels(x, self.sample_rate_hz)


PIXELS = Pixels()


class SmallCnn:
    """`Judge`, for the same number of steps whatever the arm; the seed sets its weights and the order of rows."""

    name = "small_cnn"

    def __init__(self, steps: int, pictures: Pixels | SpectraFront = PIXELS) -> None:
        self.steps, self.pictures = steps, pictures

    def probabilities(
        self, rows: LabelledData, class_weights: np.ndarray | None, inputs: list[np.ndarray], seed: int, online: Online
    ) -> list[np.ndarray]:
        x = rows.x if self.pictures.online else self.pictures(online.once(rows.x, rows.y, seed))
        judge = Judge.fit(
            x,
            rows.y,
            num_classes=len(rows.schema.classes),
            seed=seed,
            steps=self.steps,
            balanced=False,
            weights=class_weights,
            learning_rate=LEARNING_RATE,
            change=online.batches(len(rows.schema.classes), seed) if self.pictures.online else as_it_is,
        )
        return [judge.probabilities(self.pictures(x)).astype(np.float32) for x in inputs]


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


class EmbeddingLogistic:
    """Logistic regression on the 64 leading directions of the same counts (latent semantic analysis)."""

    name = "embedding_logistic"

    def probabilities(
        self, rows: LabelledData, class_weights: np.ndarray | None, inputs: list[np.ndarray], seed: int, online: Online
    ) -> list[np.ndarray]:
        if len(np.unique(rows.y)) == 1:
            return _one_class(rows, inputs)
        x = online.once(rows.x, rows.y, seed)
        points = TextPoints(x)
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=LOGISTIC_ITERATIONS))
        _fit_weighted(model, points.transform(x), rows.y, class_weights)
        return [_shares(model, points.transform(one), len(rows.schema.classes)) for one in inputs]


class Boosting:
    """scikit-learn's HistGradientBoostingClassifier with discrete columns marked, otherwise its defaults."""

    name = "boosting"

    def probabilities(
        self, rows: LabelledData, class_weights: np.ndarray | None, inputs: list[np.ndarray], seed: int, online: Online
    ) -> list[np.ndarray]:
        if len(np.unique(rows.y)) == 1:
            return _one_class(rows, inputs)
        rows = replace(rows, x=online.once(rows.x, rows.y, seed))
        model = boosting(rows.schema, seed)
        model.fit(rows.x, rows.y, sample_weight=None if class_weights is None else class_weights[rows.y])
        return [_shares(model, x, len(rows.schema.classes)) for x in inputs]


class Logistic:
    """Logistic regression: on at most 64 principal components of pixels, on levels and normal scores of columns, or
    on the mean and deviation of every band of a spectrum.

    The seed picks 5,000 (images) or 20,000 (tables) rows of a larger arm.
    """

    name = "logistic"

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.most = LOGISTIC_ROWS[schema.modality]

    def probabilities(
        self, rows: LabelledData, class_weights: np.ndarray | None, inputs: list[np.ndarray], seed: int, online: Online
    ) -> list[np.ndarray]:
        if len(rows) > self.most:
            rows = rows[np.sort(numpy_generator(seed, "utility", "logistic").permutation(len(rows))[: self.most])]
        classes = len(rows.schema.classes)
        if len(np.unique(rows.y)) == 1:
            return _one_class(rows, inputs)
        rows = replace(rows, x=online.once(rows.x, rows.y, seed))
        model = self._model(rows)
        _fit_weighted(model, self._x(rows.x), rows.y, class_weights)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*unknown categories.*")
            return [_shares(model, self._x(x), classes) if len(x) else np.zeros((0, classes)) for x in inputs]

    def _model(self, rows: LabelledData) -> Pipeline:
        if self.schema.modality == "table":
            return columns_logistic(rows.schema)
        if self.schema.modality == "audio":
            return make_pipeline(StandardScaler(), LogisticRegression(max_iter=LOGISTIC_ITERATIONS))
        return pixels_logistic(rows)

    def _x(self, x: np.ndarray) -> np.ndarray:
        if self.schema.modality == "audio":
            return mel_statistics(x, self.schema.fields["sample_rate_hz"])
        return x if self.schema.modality == "table" else flat_pixels(x)


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


def _shares(model: Pipeline, x: np.ndarray | list[str], classes: int) -> np.ndarray:
    out = np.zeros((len(x), classes), np.float32)
    if len(x):
        out[:, model.classes_] = model.predict_proba(x)
    return out
