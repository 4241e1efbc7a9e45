"""Adversarial examples: real rows moved, within a small distance, to where a classifier errs; their label stays.

For hardening one's own models and as hard examples, not as variety: FGSM (Goodfellow et al., "Explaining and
harnessing adversarial examples", ICLR 2015) is one step, PGD (Madry et al., ICLR 2018) several from a random start.
The classifier is trained on the training rows alone; rows are marked in name and parameters.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Protocol, Self, cast

import numpy as np
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder
from torch import Tensor
from torch.nn import functional as F

from gensynth import rng
from gensynth.data.columns import round_values
from gensynth.data.kinds import modality_of
from gensynth.data.table import modelled_columns
from gensynth.errors import UsageError, nearest
from gensynth.models.classifier import Classifier
from gensynth.models.classifiers import fit_row_classifier
from gensynth.rng import aligned_blocks
from gensynth.samplers.transform import Transform
from gensynth.types import LabelledData

NORMS = ("linf", "l2")
BLOCK = {"image": 32, "table": 1024}
ITERATIONS = 300


class Target(Protocol):
    """A classifier that can be attacked, in units in which a distance means something.

    low, high  bounds of a row, broadcast against (N, ...); scale: one unit of eps in these units
    """

    low: Tensor
    high: Tensor
    scale: float

    def enter(self, x: np.ndarray) -> Tensor:
        """Rows in source units -> float64 or float32 (N, ...) that the attack moves."""

    def leave(self, moved: Tensor, x: np.ndarray) -> np.ndarray:
        """Moved rows in source units; what may not move is taken from x."""

    def gradient(self, moved: Tensor, x: np.ndarray, labels: np.ndarray) -> Tensor:
        """Of the cross-entropy of the labels, with respect to `moved`."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Most probable class, int64 (N,)."""


class ImageTarget:
    """The classifier's network on pixels; eps counts in steps of 8 bits."""

    low, high, scale = torch.tensor(0.0), torch.tensor(255.0), 1.0

    def __init__(self, train: LabelledData, seed: int) -> None:
        self._classifier = cast(Classifier, fit_row_classifier(train, seed).on_pictures)

    def enter(self, x: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(x)).float()

    def leave(self, moved: Tensor, x: np.ndarray) -> np.ndarray:
        return moved.round().clamp(0, 255).to(torch.uint8).numpy()

    def gradient(self, moved: Tensor, x: np.ndarray, labels: np.ndarray) -> Tensor:
        with torch.enable_grad():
            pixels = moved.detach().requires_grad_(True)
            loss = F.cross_entropy(
                self._classifier.network(pixels / 127.5 - 1), torch.from_numpy(labels), reduction="sum"
            )
            return torch.autograd.grad(loss, pixels)[0]

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self._classifier.predict(x)


class TableTarget:
    """Logistic regression on scaled numbers and categories; only numbers that are there move, within their range.

    frozen  names of columns that no one can change (age, say); eps counts in standard deviations of a column
    """

    scale = 1.0

    def __init__(self, train: LabelledData, seed: int, frozen: list[str]) -> None:
        columns = modelled_columns(train.schema.fields)
        names = [column.name for column in columns]
        for name in frozen:
            if name not in names:
                raise UsageError(f'sampler.frozen: no column "{name}"; {nearest(name, names)}')
        self._columns = columns
        self._numbers = np.array([j for j, c in enumerate(columns) if not c.discrete], int)
        self._categories = np.array([j for j, c in enumerate(columns) if c.discrete], int)
        self._mutable = np.array([columns[j].name not in frozen for j in self._numbers], bool)
        if not self._mutable.any():
            raise UsageError("sampler=adversarial moves numbers, and no column of numbers may be changed here")
        numbers = train.x[:, self._numbers]
        self._mean = np.nan_to_num(np.nanmean(numbers, axis=0))
        self._spread = np.where(np.nanstd(numbers, axis=0) > 0, np.nanstd(numbers, axis=0), 1.0)
        self._encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        if len(self._categories):
            self._encoder.fit(self._cells(train.x))
        low, high = np.nanmin(numbers, axis=0), np.nanmax(numbers, axis=0)
        self.low, self.high = (torch.from_numpy((side - self._mean) / self._spread) for side in (low, high))
        model = LogisticRegression(max_iter=ITERATIONS, class_weight="balanced", random_state=seed % 2**32)
        model.fit(self._features(self.enter(train.x).numpy(), train.x), train.y)
        self._weights, self._bias, self._classes = model.coef_, model.intercept_, model.classes_
        if len(self._classes) == 2:  # one score, of the second class
            self._weights = np.concatenate([np.zeros_like(self._weights), self._weights])
            self._bias = np.concatenate([np.zeros(1), self._bias])

    def _cells(self, x: np.ndarray) -> np.ndarray:
        return np.nan_to_num(x[:, self._categories], nan=-1)

    def _features(self, scaled: np.ndarray, x: np.ndarray) -> np.ndarray:
        categories = self._encoder.transform(self._cells(x)) if len(self._categories) else np.zeros((len(x), 0))
        return np.concatenate([scaled, np.isnan(x[:, self._numbers]), categories], axis=1)

    def _scores(self, scaled: np.ndarray, x: np.ndarray) -> np.ndarray:
        return self._features(scaled, x) @ self._weights.T + self._bias

    def enter(self, x: np.ndarray) -> Tensor:
        return torch.from_numpy(np.nan_to_num((x[:, self._numbers] - self._mean) / self._spread))

    def leave(self, moved: Tensor, x: np.ndarray) -> np.ndarray:
        out = x.copy()
        values = moved.numpy() * self._spread + self._mean
        for place, j in enumerate(self._numbers):
            there = ~np.isnan(x[:, j])
            if self._mutable[place]:
                out[there, j] = round_values(self._columns[j], values[there, place])
        return out

    def gradient(self, moved: Tensor, x: np.ndarray, labels: np.ndarray) -> Tensor:
        wrong = softmax(self._scores(moved.numpy(), x), axis=1)
        wrong[np.arange(len(labels)), np.searchsorted(self._classes, labels)] -= 1
        slope = wrong @ self._weights[:, : len(self._numbers)]
        return torch.from_numpy(slope * self._mutable * ~np.isnan(x[:, self._numbers]))

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self._classes[self._scores(self.enter(x).numpy(), x).argmax(axis=1)]


@dataclass(frozen=True)
class Attack:
    """Finds rows within eps of given ones at which the loss of a target is high.

    norm   linf: each value moves by at most eps; l2: the row as a whole
    steps  1 is FGSM, more is PGD; step_size: length of a step, in the unit of eps
    """

    eps: float
    norm: str
    steps: int
    step_size: float

    def __call__(
        self, target: Target, x: np.ndarray, labels: np.ndarray, start: Callable[[Tensor], Tensor]
    ) -> np.ndarray:
        """Rows x (N, ...) after it.

        start  uniform numbers in (-1, 1) of the shape it is given: where several steps begin; FGSM begins at the row
        """
        origin = target.enter(x)
        radius = self.eps * target.scale
        moved = origin + radius * _unit(start(origin), self.norm) if self.steps > 1 else origin
        for _ in range(self.steps):
            slope = target.gradient(moved.clamp(target.low, target.high), x, labels)
            towards = slope.sign() if self.norm == "linf" else _unit(slope, self.norm)
            moved = origin + _within(moved + self.step_size * target.scale * towards - origin, radius, self.norm)
            moved = torch.maximum(torch.minimum(moved, target.high), target.low)
        return target.leave(moved, x)


def _length(x: Tensor) -> Tensor:
    return x.flatten(1).double().norm(dim=1).to(x.dtype).view(-1, *[1] * (x.dim() - 1))


def _unit(x: Tensor, norm: str) -> Tensor:
    """Of length 1 in l2; as it is in linf, where values lie in (-1, 1) already."""
    return x if norm == "linf" else x / _length(x).clamp_min(1e-12)


def _within(x: Tensor, radius: float, norm: str) -> Tensor:
    if norm == "linf":
        return x.clamp(-radius, radius)
    return x * (radius / _length(x).clamp_min(1e-12)).clamp_max(1)


class Adversarial(Transform):
    """Real rows moved to where a classifier of the training rows errs.

    modality   image | table: what eps is measured in differs
    eps        largest distance: in steps of 8 bits of a pixel, or standard deviations of a column
    norm       linf | l2; steps: 1 is FGSM, more is PGD; step_size: length of a step, in the unit of eps
    frozen     tables: columns that stay; categories, dates without spread and missing cells always do
    """

    name = "adversarial"

    def __init__(self, modality: str, eps: float, norm: str, steps: int, step_size: float, frozen: list[str]) -> None:
        if modality not in BLOCK:
            raise UsageError(f"sampler.modality={modality} is not known; {nearest(str(modality), BLOCK)}")
        self.modalities = (modality,)
        if norm not in NORMS:
            raise UsageError(f"sampler.norm={norm} is not known; {nearest(str(norm), NORMS)}")
        if not (eps > 0 and steps >= 1 and step_size > 0):
            raise UsageError(f"sampler.eps, steps and step_size must be above 0, got {eps}, {steps} and {step_size}")
        self._attack, self.frozen = Attack(eps, norm, int(steps), step_size), list(frozen)

    def fit(self, train: LabelledData) -> Self:
        self._block = BLOCK[train.schema.modality]
        self._target = self.target(train, rng.child(0, "adversarial"))
        return super().fit(train)

    def target(self, train: LabelledData, seed: int) -> Target:
        """A classifier of those rows that can be attacked."""
        tabular = modality_of(train.schema).columns(train.schema)
        return TableTarget(train, seed, self.frozen) if tabular else ImageTarget(train, seed)

    def against(self, target: Target, x: np.ndarray, labels: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """Rows x (N, ...) moved against a target, in blocks of aligned seeds."""
        labels, seeds = np.asarray(labels, np.int64), np.asarray(seeds, np.uint64)
        out, size = x.copy(), self._block
        for label, start, rows, places in aligned_blocks(labels, seeds, size):
            block = np.zeros((size, *x.shape[1:]), x.dtype)
            block[places] = x[rows]
            noise = _noise(start + np.arange(size, dtype=np.uint64))
            out[rows] = self._attack(target, block, np.full(size, label), noise)[places]
        return out

    def change(self, x: np.ndarray, labels: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        params = json.dumps({"adversarial": True} | asdict(self._attack))
        return self.against(self._target, x, labels, seeds), np.full(len(x), params)


def _noise(seeds: np.ndarray) -> Callable[[Tensor], Tensor]:
    def start(like: Tensor) -> Tensor:
        draws = 2 * rng.uniform(seeds, like[0].numel(), "adversarial start") - 1
        return torch.from_numpy(draws).to(like.dtype).view_as(like)

    return start
