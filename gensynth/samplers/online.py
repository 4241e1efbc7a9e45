"""Augmentation while a classifier trains: every row changed anew each time it is seen, the fair classical baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch.utils.data import Dataset

from gensynth import rng
from gensynth.models.classifier import BatchChange, as_it_is
from gensynth.samplers.transform import Transform
from gensynth.types import LabelledData


class Online:
    """What happens to training rows while a classifier learns from them: nothing, where a subclass says no more."""

    def once(self, x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
        """Rows for a classifier without batches, changed once."""
        return x

    def batches(self, num_classes: int, seed: int) -> BatchChange:
        """What is done to every batch."""
        return as_it_is


@dataclass(frozen=True)
class OnlineTransform(Online):
    """Every row of every batch changed by a fitted transform."""

    transform: Transform

    def once(self, x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
        return self.transform.change(x, y, rng.epoch_seeds(seed, 0, np.arange(len(y))))[0]

    def batches(self, num_classes: int, seed: int) -> BatchChange:
        def change(x: np.ndarray, y: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
            return self.transform.change(x, y, rng.epoch_seeds(seed, step, np.arange(len(y))))[0], y

        return change


class AugmentedDataset(Dataset):
    """Rows for a torch DataLoader, changed anew every epoch: a row depends on (seed, epoch, index) alone.

    The same for any batch size, order and number of workers. Call `set_epoch` before each epoch.

    rows  real rows; transform: fitted, or anything with `change`
    """

    def __init__(self, rows: LabelledData, transform: Transform, seed: int) -> None:
        self.rows, self.transform, self.seed, self.epoch = rows, transform, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[tuple[np.ndarray, int]]:
        """A batch at once, which a DataLoader asks for where it can: (x, label) of each index."""
        places = np.asarray(indices)
        y = self.rows.y[places]
        x, _ = self.transform.change(self.rows.x[places], y, rng.epoch_seeds(self.seed, self.epoch, places))
        return list(zip(x, y.tolist(), strict=True))
