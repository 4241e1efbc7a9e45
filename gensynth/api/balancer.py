"""`ClassBalancer`, a sampler with the interface of scikit-learn and imbalanced-learn."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_sampling_strategy, check_target_type
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from gensynth import rng
from gensynth.api.containers import Rows, is_images, label_values, labels_at, opened
from gensynth.api.rows import check_images, check_lengths, images
from gensynth.api.tables import TypedTable, below, rows_at
from gensynth.cli import compose
from gensynth.cli.overrides import conf_dir
from gensynth.errors import DataError, InputError, ParameterError, UsageError, nearest
from gensynth.samplers.sampler import Sampler, check_modality, wants_generator
from gensynth.steps.job import Job
from gensynth.steps.train import train_in_memory
from gensynth.types import LabelledData

COPIES = "random_oversampling"
# Seconds of training that a row costs on two usual cores, (fixed, a cell), roughly: with a seed they turn minutes into
# a number of rows, which a clock would make another one every time.
SECONDS_OF_TABLES, SECONDS_OF_IMAGES = (4e-5, 5e-6), (3e-4, 5e-7)


class ClassBalancer(BaseOverSampler):
    """A generator, or any other sampler, as a resampler: `fit_resample(X, y)` adds drawn rows until classes are even.

    Goes wherever an imbalanced-learn sampler goes, an `imblearn.pipeline.Pipeline` among them. X is a table (pandas,
    Arrow or a frame that hands out Arrow's stream and can be built from an Arrow table, an array, a list of rows) or
    images uint8 (N, H, W) or (N, H, W, C); y are labels. Both come back in the type they came in, and so does every
    column: real rows as they were, synthetic ones below. Free text is empty in synthetic rows, with a warning.

    sampling_strategy  as in imbalanced-learn: "auto" or "not majority", "minority", "all", a float (two classes), a
                       mapping class -> rows after, a function
    sampler            "generator", or the name of any file of conf/sampler ("smote", "jitter", "trivial_augment" ...)
                       or of conf/model ("cvae", "cgan"), which is the generator with that model
    model              of the generator: "cvae" or "cgan"
    minutes            training budget, without filters and evaluation. With a seed it is turned into the number of
                       rows that two usual cores train on in that time, by the shape of X alone, so that the same
                       seed gives the same rows; the clock decides only where random_state is None
    samples            the budget in rows that training sees, repeated ones counted, in place of minutes
    random_state       seed, a whole number: every fit with it gives the same rows, on one machine bit for bit (on a
                       GPU to rounding). A RandomState or Generator of NumPy gives another seed at every fit, None a
                       random one, as private models (dp_cvae) need it: their noise is secret
    After `fit` and `fit_resample`: `sampling_strategy_`, rows added to each class; `n_features_in_`;
    `feature_names_in_`, where all columns have names that are text. After `fit_resample`: `generator_`, the trained
    bundle, if one was trained; `notes_`, sentences on what was found in X; `sample_indices_`, of random_oversampling
    only: the row of X behind every row.
    InputError, a ValueError, before training for what cannot be learned; ParameterError for what is not known.
    """

    _parameter_constraints: dict = {
        **BaseOverSampler._parameter_constraints,
        "sampler": [str],
        "model": [str],
        "minutes": [Interval(Real, 0, None, closed="neither")],
        "samples": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state", np.random.Generator],
    }

    def __init__(
        self,
        *,
        sampling_strategy: Any = "auto",
        sampler: str = "generator",
        model: str = "cvae",
        minutes: float = 1.0,
        samples: int | None = None,
        random_state: Any = 0,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.sampler, self.model, self.minutes = sampler, model, minutes
        self.samples, self.random_state = samples, random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.string = tags.input_tags.allow_nan = tags.input_tags.three_d_array = True
        tags.sampler_tags.sample_indices = self.sampler == COPIES
        tags.non_deterministic = self.random_state is None
        return tags

    def fit(self, X: Any, y: Any, **params: Any) -> ClassBalancer:  # noqa: N803  (scikit-learn's name)
        """Check X and y and find how many rows each class lacks; `fit_resample` draws them."""
        self._checked(X, y)
        return self

    def fit_resample(self, X: Any, y: Any, **params: Any) -> tuple[Any, Any]:  # noqa: N803
        """X and y with drawn rows below, in the types they were given in."""
        rows, labels, back = self._checked(X, y)
        for name in ("generator_", "notes_", "sample_indices_"):
            self.__dict__.pop(name, None)
        firsts = dict(zip(*np.unique(labels, return_index=True), strict=True))
        counts = list(self.sampling_strategy_.values())
        both = self._fit_resample(rows, labels) if sum(counts) else self._unchanged(rows)
        examples = np.repeat([firsts[name] for name in self.sampling_strategy_], counts)
        return back(both), labels_at(y, np.concatenate([np.arange(len(labels)), examples]).astype(np.int64))

    def _checked(self, X: Any, y: Any) -> tuple[Rows, np.ndarray, Callable[[Rows], Any]]:  # noqa: N803
        """Rows, labels (N,) and what turns such rows into the type of X; ValueErrors for what cannot be resampled."""
        self._validate_params()
        _check_names(self.sampler, self.model)
        with _of_scikit_learn():
            rows, back = opened(X)
            values = label_values(y)
            check_lengths(rows, values)
            _check_rows(self, rows)
            check_classification_targets(values)
            labels, _ = check_target_type(values, indicate_one_vs_all=True)
        if len(np.unique(labels)) < 2:
            raise InputError("y holds one class only; two are needed")
        self.sampling_strategy_ = check_sampling_strategy(self.sampling_strategy, labels, self._sampling_type)
        return rows, labels, back

    def _unchanged(self, X: Rows) -> Rows:  # noqa: N803
        """The rows as they are, where no class lacks any."""
        if self.sampler == COPIES:
            self.sample_indices_ = np.arange(len(X))
        return X

    def _fit_resample(self, X: Rows, y: np.ndarray, **params: Any) -> Rows:  # noqa: N803
        """Checked rows with drawn ones below; y (N,) are their labels."""
        added = {str(name): int(n) for name, n in self.sampling_strategy_.items()}
        seed, texts = self._seed(), np.array([str(label) for label in y])
        with _as_value_errors():
            table = None if is_images(X) else TypedTable.of(X, texts)
            source = table.source if table else images(np.asarray(X), texts)
            if table and self.sampler != COPIES:
                table.check_room(sum(added.values()))
                _warn_of_texts(table.of_kind("text"))
            sampler = self._fitted(X, source.data, seed)
            labels = np.repeat([source.data.schema.index(name) for name in added], list(added.values()))
            seeds = np.concatenate([rng.row_seeds(seed, name, 0, n) for name, n in added.items()])
            drawn = sampler.sample(labels.astype(np.int64), seeds)
        self.notes_ = source.notes
        if self.sampler == COPIES:
            self.sample_indices_ = np.concatenate([np.arange(len(X)), drawn.parent.astype(np.int64)])
            return rows_at(X, self.sample_indices_)
        return below(X, table.frame(drawn, seeds)) if table else images_below(np.asarray(X), drawn)

    def _fitted(self, X: Rows, rows: LabelledData, seed: int) -> Sampler:  # noqa: N803
        """The sampler, fitted on real rows; a generator is trained on them first. UsageError where it will not do."""
        job = self._job(X, seed)
        sampler: Sampler = job.sampler.build()
        check_modality(sampler, rows.schema)
        if sampler.label_policy == "soft":
            raise UsageError(f'sampler="{self.sampler}" mixes classes, which rows of one class must not')
        if wants_generator(sampler):
            sampler.check(rows.schema, job.model.params)
            if job.model.make.private and self.random_state is not None:
                raise UsageError(f"{job.model.name} draws secret noise, which no seed repeats; give random_state=None")
            self.generator_ = train_in_memory(job, rows)
            sampler.use(self.generator_)
        return sampler.fit(rows)

    def _job(self, X: Rows, seed: int) -> Job:  # noqa: N803
        """The job of this seed and budget: of the clock only where neither a seed nor samples were given."""
        by_model = self.sampler in names_in("model")
        sampler, model = ("generator", self.sampler) if by_model else (self.sampler, self.model)
        job, by_clock = _composed(sampler, model, is_images(X)), self.samples is None and self.random_state is None
        samples = 0 if by_clock else self.samples or usual_samples(self.minutes, X.shape[1:])
        return replace(job, seed=seed, trainer=replace(job.trainer, max_minutes=self.minutes, max_samples=samples))

    def _seed(self) -> int:
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        if isinstance(self.random_state, np.random.Generator):
            return int(self.random_state.integers(2**31 - 1))
        return int(check_random_state(self.random_state).randint(2**31 - 1))


@functools.cache
def _composed(sampler: str, model: str, of_images: bool) -> Job:
    """The job of a command line on embedded data of the same kind, whose reader is not called."""
    data = "digits" if of_images else "breast_cancer"
    return compose("balance", [data, f"sampler={sampler}", f"model={model}", "logger=none"])


def usual_samples(minutes: float, shape: tuple[int, ...]) -> int:
    """Rows that training sees in that time on two usual cores, for rows of a shape: (D,), (H, W) or (H, W, C).

    >>> usual_samples(1, (10,)), usual_samples(1, (28, 28))
    (666666, 86705)
    """
    fixed, a_cell = SECONDS_OF_TABLES if len(shape) == 1 else SECONDS_OF_IMAGES
    return max(1, int(60 * minutes / (fixed + a_cell * int(np.prod(shape)))))


def names_in(group: str) -> list[str]:
    """Names of the files in a group of the configuration."""
    folder = conf_dir() / group
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))


def _check_names(sampler: str, model: str) -> None:
    for key, name, known in (
        ("sampler", sampler, [*names_in("sampler"), *names_in("model")]),
        ("model", model, names_in("model")),
    ):
        if name not in known:
            raise ParameterError(f'{key}="{name}" is not known; {nearest(name, known)}')


def _check_rows(estimator: ClassBalancer, X: Rows) -> None:  # noqa: N803
    """What scikit-learn checks of X, and the attributes it sets: `n_features_in_`, `feature_names_in_`."""
    if is_images(X):
        check_images(X)
        check_array(X, dtype=None, allow_nd=True)
        validate_data(estimator, X, skip_check_array=True, ensure_2d=False)
        estimator.n_features_in_ = int(np.prod(X.shape[1:]))
    elif isinstance(X, pd.DataFrame):
        check_array(np.broadcast_to(0.0, X.shape), estimator=estimator)  # its sentences on empty tables
        all_text = all(isinstance(name, str) for name in X.columns)  # other names are no `feature_names_in_`
        validate_data(estimator, X if all_text else X.set_axis(range(X.shape[1]), axis=1), skip_check_array=True)
    else:
        if X.dtype.kind == "c":
            raise InputError("Complex data not supported: X holds complex numbers")
        validate_data(estimator, X, dtype=None, ensure_all_finite="allow-nan")


def _warn_of_texts(names: list[str]) -> None:
    if names:
        listed = ", ".join(f'"{name}"' for name in names)
        warnings.warn(f"free text is not learned: {listed} will be empty in synthetic rows", stacklevel=4)


def images_below(X: np.ndarray, drawn: LabelledData) -> np.ndarray:  # noqa: N803
    """Given images, then synthetic ones, of the given shape."""
    return np.concatenate([X, drawn.x[:, 0] if X.ndim == 3 else np.moveaxis(drawn.x, 1, 3)])


@contextlib.contextmanager
def _as_value_errors() -> Iterator[None]:
    """What the pipeline refuses, as the ValueErrors that an estimator raises."""
    try:
        yield
    except (InputError, ParameterError):
        raise
    except DataError as error:
        raise InputError(str(error)) from None
    except UsageError as error:
        raise ParameterError(str(error)) from None


@contextlib.contextmanager
def _of_scikit_learn() -> Iterator[None]:
    """What scikit-learn refuses of X and y, on one line."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, TypeError) as error:
        raise InputError(" ".join(str(error).split())) from None
