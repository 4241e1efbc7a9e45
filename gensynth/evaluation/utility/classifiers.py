"""The classifiers that are trained on every arm: a strong and a weak one for each kind of rows.

The first carries the verdict. All take rows in source units and give probabilities of classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
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
from gensynth.models.classifiers import BoostedTrees, boosting, boosting_points, counts_logistic
from gensynth.rng import numpy_generator
from gensynth.samplers.online import Online
from gensynth.types import LabelledData, Schema

LOGISTIC_ROWS = {"image": 5_000, "text": 2**31}
LOGISTIC_DIMS = 64
LOGISTIC_ITERATIONS = 300
# With four times the classifier's learning rate, half of its steps reach the same accuracy (docs/experiments.md).
LEARNING_RATE, MOST_STEPS = 4e-3, 750
DOUBLINGS, DOUBLINGS_FULL = 2, 4  # of half the steps


class ArmClassifier(Protocol):
    """A classifier by name; `probabilities` trains it anew.

    budgets  the same with more and more of what it learns by, of which an arm takes what is best for it on validation
             rows; of a classifier that knows its own end it alone
    """

    name: str

    @property
    def budgets(self) -> Sequence[ArmClassifier]: ...

    def probabilities(
        self, rows: LabelledData, class_weights: np.ndarray | None, inputs: list[np.ndarray], seed: int, online: Online
    ) -> list[np.ndarray]:
        """Float32 (N, K) for each of the inputs x, after training on `rows` with weights (K,) if there are any.

        online  what happens to rows while training: anew in every batch, or once where there are no batches
        """


def classifiers_of(train: LabelledData, steps: int, *, full: bool = False) -> list[ArmClassifier]:
    """The strong and the weak classifier of the rows' kind; `full`: with larger budgets, where they have any.

    steps  of the network; 0: by the number of rows, and from half to twice as many as an arm gains by
    """
    kind = modality_of(train.schema)
    usual = _of_points if kind.pictures is None else _of_pictures
    found = (kind.classifiers or CLASSIFIERS.get(kind.name, usual))(train, steps)
    for one in found:
        if isinstance(one, SmallCnn) and not steps:
            one.doublings = DOUBLINGS_FULL if full else DOUBLINGS
    return found


@dataclass(frozen=True)
class Front:
    """Rows as pictures; `online`: what happens to rows while training happens to pictures, in every batch anew."""

    see: Callable[[np.ndarray], np.ndarray]
    online: bool


PIXELS = Front(lambda x: x, online=True)


def _of_points(train: LabelledData, steps: int) -> list[ArmClassifier]:
    return [boosted(), logistic(train.schema)]


def _of_pictures(train: LabelledData, steps: int, front: Front | None = None) -> list[ArmClassifier]:
    see = sight_of(train.schema)
    assert see is not None
    shape = see(train.x[:1]).shape[1:]
    most = int(train.counts().max()) * len(train.schema.classes)
    steps = steps or max(classifier_steps(most, shape, most=2 * MOST_STEPS) // 2, 200)
    return [SmallCnn(steps, front or Front(see, online=False)), logistic(train.schema)]


CLASSIFIERS: dict[str, Callable[[LabelledData, int], list[ArmClassifier]]] = {
    "image": partial(_of_pictures, front=PIXELS),
    "text": lambda train, steps: [counts(), logistic(train.schema, "embedding_logistic")],
}


class SmallCnn:
    """`Classifier`, for a number of steps; the seed sets its weights and the order of rows."""

    name = "small_cnn"

    def __init__(self, steps: int, front: Front = PIXELS, doublings: int = 0, adjusted: bool = False) -> None:
        """doublings: of half the steps, of which an arm takes as many as it gains by; 0: `steps` for every arm.

        adjusted  the logarithm of the class shares is added to its outputs while it learns
        """
        self.steps, self.front, self.doublings, self.adjusted = steps, front, doublings, adjusted

    @property
    def budgets(self) -> Sequence[SmallCnn]:
        if not self.doublings:
            return (self,)
        numbers = [max(1, self.steps << power >> 1) for power in range(self.doublings + 1)]
        return [SmallCnn(steps, self.front, 0, self.adjusted) for steps in numbers]

    def adjusted_by_shares(self) -> SmallCnn:
        """The same, with adjusted outputs."""
        return SmallCnn(self.steps, self.front, self.doublings, adjusted=True)

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
            offsets=log_shares(rows.y, len(rows.schema.classes)) if self.adjusted else None,
            change=online.batches(len(rows.schema.classes), seed) if self.front.online else as_it_is,
        )
        return [classifier.probabilities(self.front.see(x)).astype(np.float32) for x in inputs]


def log_shares(y: np.ndarray, num_classes: int) -> np.ndarray:
    """Logarithm of the share of every class, (K,) float32, as if each had a row more than it has.

    >>> log_shares(np.array([0, 0, 0]), 2).round(2).tolist()  # 4 and 1 of 5
    [-0.2199999988079071, -1.6100000143051147]
    """
    counts = np.bincount(y, minlength=num_classes) + 1
    return np.log(counts / counts.sum()).astype(np.float32)


Model = tuple[Points, Pipeline | BoostedTrees]  # what a model sees of rows, and the model


class OnPoints:
    """A scikit-learn model, made anew for the rows of each arm.

    model_of  (rows, seed) -> what it sees of rows and the model; most: rows that it learns from, picked by the seed
    """

    def __init__(self, name: str, model_of: Callable[[LabelledData, int], Model], most: int = 2**31) -> None:
        self.name, self.model_of, self.most = name, model_of, most

    @property
    def budgets(self) -> Sequence[OnPoints]:
        return (self,)

    def probabilities(
        self, rows: LabelledData, class_weights: np.ndarray | None, inputs: list[np.ndarray], seed: int, online: Online
    ) -> list[np.ndarray]:
        if len(rows) > self.most:
            rows = rows[np.sort(numpy_generator(seed, "utility", "logistic").permutation(len(rows))[: self.most])]
        if len(np.unique(rows.y)) == 1:  # what a classifier knows that has seen one class
            sure = np.eye(len(rows.schema.classes), dtype=np.float32)[rows.y[0]]
            return [np.tile(sure, (len(x), 1)) for x in inputs]
        rows = replace(rows, x=online.once(rows.x, rows.y, seed))
        see, model = self.model_of(rows, seed)
        last = f"{model.steps[-1][0]}__sample_weight" if isinstance(model, Pipeline) else "sample_weight"
        with warnings.catch_warnings():
            # The bound on iterations is meant; an unfinished fit still predicts.
            warnings.simplefilter("ignore", ConvergenceWarning)
            for text in (".*Skipping features.*", ".*n_quantiles.*", ".*unknown categories.*"):
                warnings.filterwarnings("ignore", message=text)
            model.fit(see(rows.x), rows.y, **({} if class_weights is None else {last: class_weights[rows.y]}))
            return [_shares(model, see, x, len(rows.schema.classes)) for x in inputs]


def logistic(schema: Schema, name: str = "logistic") -> OnPoints:
    """Logistic regression: on at most 64 principal components of pixels, on categories and normal scores of columns, on
    the mean and standard deviation of every band of a spectrum, or on points: of texts, latent semantic analysis.

    The seed picks 5,000 (images) or 20,000 rows of a larger arm, of texts all.
    """
    model_of = LOGISTIC.get(schema.modality, lambda rows: (points_of(rows), scaled_logistic()))
    return OnPoints(name, lambda rows, _: model_of(rows), LOGISTIC_ROWS.get(schema.modality, 20_000))


def boosted() -> OnPoints:
    """scikit-learn's HistGradientBoostingClassifier with discrete columns marked, otherwise its defaults; rows that are
    no table it sees as points."""
    return OnPoints("boosting", lambda rows, seed: (boosting_points(rows), boosting(rows.schema, seed)))


def counts() -> OnPoints:
    """Logistic regression on TF-IDF of words and letters."""
    return OnPoints("counts_logistic", lambda _, seed: (np.ndarray.tolist, counts_logistic(balanced=False, seed=seed)))


def scaled_logistic() -> Pipeline:
    """Logistic regression on standardised numbers."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=LOGISTIC_ITERATIONS))


def pixels_logistic(rows: LabelledData) -> Pipeline:
    """Logistic regression on principal components of flat pixels."""
    dims = min(LOGISTIC_DIMS, int(np.prod(rows.x.shape[1:])), len(rows))
    return make_pipeline(PCA(dims, random_state=0), StandardScaler(), LogisticRegression(max_iter=LOGISTIC_ITERATIONS))


def columns_logistic(schema: Schema) -> Pipeline:
    """Logistic regression on one-hot categories and normal scores of numbers, with indicators of missing ones."""
    discrete = np.array([column.discrete for column in modelled_columns(schema.fields)])
    categories = make_pipeline(
        SimpleImputer(strategy="constant", fill_value=-1),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5, max_categories=100, sparse_output=False),
    )
    numbers = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        QuantileTransformer(n_quantiles=200, output_distribution="normal", subsample=None, random_state=0),
    )
    columns = make_column_transformer(
        (categories, np.flatnonzero(discrete).tolist()), (numbers, np.flatnonzero(~discrete).tolist())
    )
    return make_pipeline(columns, LogisticRegression(max_iter=LOGISTIC_ITERATIONS))


LOGISTIC: dict[str, Callable[[LabelledData], Model]] = {
    "image": lambda rows: (flat_pixels, pixels_logistic(rows)),
    "table": lambda rows: (lambda x: x, columns_logistic(rows.schema)),
    "audio": lambda rows: (
        partial(mel_statistics, sample_rate_hz=rows.schema.fields["sample_rate_hz"]),
        scaled_logistic(),
    ),
}


def _shares(model: Pipeline | BoostedTrees, see: Points, x: np.ndarray, classes: int) -> np.ndarray:
    out = np.zeros((len(x), classes), np.float32)
    if len(x):
        out[:, model.classes_] = model.predict_proba(see(x))
    return out
