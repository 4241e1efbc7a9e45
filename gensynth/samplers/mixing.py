"""Mixup and CutMix: images and labels of two rows mixed while a classifier trains. Soft labels are never exported."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np
from scipy.stats import beta

from gensynth import rng
from gensynth.errors import UsageError
from gensynth.models.classifier import BatchChange
from gensynth.samplers.online import Online
from gensynth.samplers.sampler import Sampler
from gensynth.types import LabelledData

Mixed = tuple[np.ndarray, np.ndarray]  # rows uint8 (N, C, H, W), and the share (N,) of the first in each


class Mixing(Sampler, Online):
    """Each row of a batch mixed with another of it; a row's share of itself is drawn from Beta(alpha, alpha).

    A classifier without batches, to which soft labels mean nothing, is given rows as they are.
    """

    label_policy = "soft"
    modalities = ("image",)

    def __init__(self, alpha: float) -> None:
        if not alpha > 0:
            raise UsageError(f"sampler.alpha must be above 0, got {alpha}")
        self.alpha = alpha

    def fit(self, train: LabelledData) -> Self:
        return self

    def sample(self, labels: np.ndarray, seeds: np.ndarray) -> LabelledData:
        raise UsageError(
            f"sampler={self.name} makes rows of two classes at once, which fill no class and are never exported; "
            f"gensynth compare DATA arms='[none, oversample, {self.name}]' trains a classifier with it"
        )

    def batches(self, num_classes: int, seed: int) -> BatchChange:
        def change(x: np.ndarray, y: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
            order = rng.numpy_generator(seed, self.name, step)
            partner = order.permutation(len(y))
            draws = rng.uniform(rng.epoch_seeds(seed, step, np.arange(len(y))), 3, self.name)
            mixed, share = self.mix(x, x[partner], beta.ppf(draws[:, 0], self.alpha, self.alpha), draws[:, 1:])
            own, other = (np.eye(num_classes, dtype=np.float32)[side] for side in (y, y[partner]))
            share = share[:, None].astype(np.float32)
            return mixed, share * own + (1 - share) * other

        return change

    @abstractmethod
    def mix(self, x: np.ndarray, other: np.ndarray, share: np.ndarray, place: np.ndarray) -> Mixed:
        """uint8 (N, C, H, W) of both, share (N,) of x and uniform numbers (N, 2) -> mixed rows, true share of x."""


class MixUp(Mixing):
    """Weighted means of pixels (Zhang et al., "mixup", ICLR 2018)."""

    name = "mixup"

    def mix(self, x: np.ndarray, other: np.ndarray, share: np.ndarray, place: np.ndarray) -> Mixed:
        weight = share[:, None, None, None].astype(np.float32)
        return np.rint(weight * x + (1 - weight) * other).astype(np.uint8), share


class CutMix(Mixing):
    """A rectangle of one image in the other (Yun et al., "CutMix", ICCV 2019)."""

    name = "cutmix"

    def mix(self, x: np.ndarray, other: np.ndarray, share: np.ndarray, place: np.ndarray) -> Mixed:
        inside = np.ones((len(x), *x.shape[2:]), dtype=bool)
        for axis, side in enumerate(x.shape[2:]):
            length = np.rint(np.sqrt(1 - share) * side)
            start = np.floor(place[:, axis] * (side - length + 1))
            position = np.arange(side)
            within = (position >= start[:, None]) & (position < (start + length)[:, None])
            inside &= within[:, :, None] if axis == 0 else within[:, None, :]
        return np.where(inside[:, None], other, x), 1 - inside.mean((1, 2))
