"""What a metric is: what it declares of itself, and a score of two sets of features. Each is named by a file of
conf/metric, and each is a torchmetrics.Metric too.

To add one: a class like those at the end of `distance.py` in any module, and a YAML file that names it by `_target_`
and gives its settings. Tables, bars and cards read the declaration; nothing else is edited.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
import torchmetrics
import yaml
from torch import Tensor
from torchmetrics.utilities.data import dim_zero_cat

from gensynth.intervals import half_sample_interval, wilson_interval
from gensynth.neighbours import check_features
from gensynth.types import Entry

T = TypeVar("T")
# A dimension that hardly moves on real rows must not decide the score.
SMALLEST_SCALE = 0.1


@dataclass(frozen=True)
class Scale:
    """Shift and scale (D,) that bring features to comparable sizes."""

    mean: np.ndarray
    std: np.ndarray

    @staticmethod
    def of(real: np.ndarray) -> Scale:
        """Mean and standard deviation of real rows (N, D); a tenth of the root mean square standard deviation at the
        least."""
        real = np.asarray(real, np.float64)
        std = real.std(axis=0)
        std = np.maximum(std, SMALLEST_SCALE * np.sqrt((std**2).mean()))
        return Scale(real.mean(axis=0), np.where(std > 0, std, 1.0))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Features (N, D) in float64, shifted and scaled."""
        return (np.asarray(x, np.float64) - self.mean) / self.std


@dataclass(frozen=True)
class FeaturePair:
    """Features of real (N, D) and fake (M, D) rows, and what several metrics need of them, worked out once.

    scale  for distances and variety; support and detection take the features as they are
    seed   of all that a metric draws
    """

    real: np.ndarray
    fake: np.ndarray
    scale: Scale
    seed: int
    _known: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def real_scaled(self) -> np.ndarray:
        return self.scale.apply(self.real)

    @cached_property
    def fake_scaled(self) -> np.ndarray:
        return self.scale.apply(self.fake)

    def once(self, key: Hashable, work: Callable[[], T]) -> T:
        """The result of `work`, which is done for the first metric that asks under this key."""
        if key not in self._known:
            self._known[key] = work()
        return self._known[key]


@dataclass(frozen=True)
class Spread:
    """95 % interval of a score, None where there is none; standard deviation of a perfect generator's, 0 if unknown."""

    low: float | None
    high: float | None
    std: float


class Metric(torchmetrics.Metric):
    """A score of synthetic rows beside real ones, with what must be known to read, draw and compare it.

    name             key in report.json
    lower_is_better  which end is the good one
    bounds, ideal    what it can be; what endless rows of a perfect generator score
    per_class        also scored for each class
    proportion       a share of n rows: its interval is no narrower than Wilson's
    resampled        its interval comes from halves of the rows; else `spread` is overridden
    floor            what rows that learned nothing score, where that need not be measured
    known            mean score of a perfect generator at any number of rows, where it is one number
    headline         stands on the cards of data and model
    place            where it stands in tables; equal ones by name

    >>> from gensynth.metrics import MIND
    >>> metric, x = MIND(directions=100), np.random.default_rng(0).normal(size=(500, 4))
    >>> metric.update(real=x[:250], synthetic=x[:250] + 0.5)
    >>> metric.update(real=x[250:], synthetic=x[250:] + 0.5)
    >>> round(float(metric.compute()), 1)
    2.6
    """

    name: ClassVar[str]
    lower_is_better: ClassVar[bool]
    bounds: ClassVar[tuple[float, float]]
    ideal: ClassVar[float]
    per_class: ClassVar[bool] = True
    proportion: ClassVar[bool] = False
    resampled: ClassVar[bool] = True
    floor: ClassVar[float | None] = None
    known: ClassVar[float | None] = None
    headline: ClassVar[bool] = True
    place: ClassVar[int] = 100
    full_state_update = False
    real_rows: list[Tensor]
    synthetic_rows: list[Tensor]

    def __init_subclass__(cls) -> None:
        cls.higher_is_better = not getattr(cls, "lower_is_better", True)

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed
        self.add_state("real_rows", default=[], dist_reduce_fx="cat")
        self.add_state("synthetic_rows", default=[], dist_reduce_fx="cat")

    def score(self, pair: FeaturePair) -> float:
        """The metric of one pair; the only thing that a metric must define beside its declaration."""
        raise NotImplementedError

    def reference(self, pair: FeaturePair) -> float:
        """What floor, ceiling and halves score, where that is not to be taken as `score` is."""
        return self.score(pair)

    def rows_needed(self, dims: int) -> int:
        """Rows a side below which it says nothing in so many dimensions."""
        return 2

    def too_few(self, n: int, dims: int) -> str:
        """Why n rows a side are too few; empty if they are not."""
        needed = self.rows_needed(dims)
        return "" if n >= needed else f"not defined: n too small, {n} rows a side, {needed} needed"

    def closed_form(self, pair: FeaturePair) -> float | None:
        """Mean score of a perfect generator at the pair's numbers of rows; None where only the ceiling tells."""
        return self.known

    def spread(self, value: float, halves: np.ndarray, n: int) -> Spread:
        """Interval of a value of n rows a side, whose halves score (repeats,), or nothing where those are too few."""
        low, high, std = None, None, 0.0
        if len(halves):
            std = float(halves.std(ddof=1))
            low, high = half_sample_interval(value, halves, self.bounds)
        if self.proportion:  # halves that all score 1 have no spread; that does not make 1 certain
            sure_low, sure_high = wilson_interval(min(max(value, 0.0), 1.0), n)
            low = min(sure_low, value) if low is None else min(low, sure_low, value)
            high = max(sure_high, value) if high is None else max(high, sure_high, value)
        return Spread(low, high, std)

    def declaration(self) -> Entry:
        """What an entry of report.json says of its metric; no bound is None."""
        bounds = [bound if math.isfinite(bound) else None for bound in self.bounds]
        better = "lower" if self.lower_is_better else "higher"
        return {"better": better, "bounds": bounds, "ideal": self.ideal, "headline": self.headline}

    def update(self, *, real: Tensor | np.ndarray, synthetic: Tensor | np.ndarray) -> None:
        """Add features of real (n, D) and synthetic (m, D) rows."""
        self.real_rows.append(torch.as_tensor(real))
        self.synthetic_rows.append(torch.as_tensor(synthetic))

    def compute(self) -> Tensor:
        """The score of all rows so far, on the scale of the real ones; ValueError where they are too few."""
        real, fake = (dim_zero_cat(rows).cpu().numpy() for rows in (self.real_rows, self.synthetic_rows))
        check_features(real, fake, at_least=0)
        reason = self.too_few(min(len(real), len(fake)), real.shape[1])
        if reason:
            raise ValueError(reason)
        return torch.tensor(self.score(FeaturePair(real, fake, Scale.of(real), self.seed)), dtype=torch.float64)


def conf_folder() -> Path:
    """conf/metric: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[2]
    return next(f for f in (package / "conf/metric", package.parent / "conf/metric") if f.is_dir())


def metrics_of(folder: Path) -> list[Metric]:
    """The metrics of all files of a folder at the settings that stand there, in the order of tables.

    A file is a mapping {name: {_target_: dotted path of the class, setting: value}}. For trusted folders only: what
    they name is imported.
    """
    nodes = [node for path in folder.glob("*.yaml") for node in yaml.safe_load(path.read_text("utf-8")).values()]
    return in_order([_built(**node) for node in nodes])


def in_order(metrics: list[Metric]) -> list[Metric]:
    """Sorted as tables show them; ValueError for two of one name."""
    names = [metric.name for metric in metrics]
    if len(set(names)) < len(names):
        raise ValueError(f"two metrics of one name: {', '.join(sorted(names))}; see the files of conf/metric")
    return sorted(metrics, key=lambda metric: (metric.place, metric.name))


def _built(_target_: str, **settings: Any) -> Metric:
    module, _, name = _target_.rpartition(".")
    return getattr(importlib.import_module(module), name)(**settings)
