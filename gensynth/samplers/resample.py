"""Random oversampling: exact copies of real rows, the baseline that costs nothing."""

from __future__ import annotations

import numpy as np

from gensynth.data.kinds import kind_names
from gensynth.samplers.transform import Transform


class RandomOversampling(Transform):
    """Copies of real rows of the class, drawn with replacement."""

    name = "random_oversampling"

    def __init__(self) -> None:
        self.modalities = kind_names()

    def change(self, x: np.ndarray, labels: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return x, np.full(len(x), '{"copy": true}')
