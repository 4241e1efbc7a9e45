"""A sampler: real images with some pixels black or white."""

from __future__ import annotations

import numpy as np

from gensynth import rng
from gensynth.samplers.transform import Transform


class SaltPepper(Transform):
    """Changes a share of the pixels, which can make a label wrong: a classifier looks at the rows (`gated`)."""

    name = "salt_pepper"
    modalities = ("image",)
    label_policy = "at_risk"
    gated = True

    def __init__(self, share: float) -> None:
        self.share = share

    def change(self, x: np.ndarray, labels: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        draws = rng.uniform(seeds, 2 * x[0].size, "salt_pepper").reshape(len(x), 2, *x.shape[1:])
        changed = np.where(draws[:, 0] < self.share, np.where(draws[:, 1] < 0.5, 255, 0), x).astype(np.uint8)
        return changed, np.full(len(x), f'{{"share": {self.share}}}')
