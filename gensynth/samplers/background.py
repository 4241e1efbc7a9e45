"""Objects before other backgrounds, where a mask says what is object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

import numpy as np
from scipy.ndimage import gaussian_filter

from gensynth import rng
from gensynth.data.sources import MASK
from gensynth.errors import UsageError
from gensynth.samplers.sampler import Sampler, new_rows
from gensynth.samplers.style import read_pictures
from gensynth.samplers.transform import ClassRows
from gensynth.types import AUGMENTED, LabelledData

CHUNK = 1024
REACH = 0.15  # of the longer side: how far around a hole its filling is taken from


class BackgroundSwap(Sampler):
    """Real rows whose object stands before the background of another training row, or of an image of a folder.

    backgrounds  the folder; without one, other rows' own backgrounds, the place of their object filled from around it
    A row passes only where a classifier finds its label again: a background may have told the classes apart.
    """

    name = "background"
    gated = True
    modalities = ("image",)

    def __init__(self, backgrounds: str) -> None:
        self.backgrounds = backgrounds

    def fit(self, train: LabelledData) -> Self:
        if MASK not in train.groups:
            raise UsageError(
                "sampler=background needs masks: data.mask=COLUMN names their column in metadata.csv; "
                "a finished run keeps none, so it is balanced again, not merged"
            )
        self._rows = ClassRows(train)
        if self.backgrounds:
            self._behind, self._names = read_pictures(Path(self.backgrounds), train.x.shape[1:], "backgrounds")
        else:
            self._behind, self._names = without_objects(train.x, train.groups[MASK]), train.ids
        return self

    def sample(self, labels: np.ndarray, seeds: np.ndarray) -> LabelledData:
        train, parents = self._rows.train, self._rows.parents(labels, seeds)
        place = (rng.uniform(seeds, 1, "background")[:, 0] * len(self._behind)).astype(np.int64)
        object_share = train.groups[MASK][parents][:, None].astype(np.float64) / 255
        x = object_share * train.x[parents] + (1 - object_share) * self._behind[place]
        params = np.array([json.dumps({"background": str(name)}) for name in self._names[place]], dtype=str)
        pixels = np.rint(x).astype(np.uint8)
        return new_rows(pixels, labels, train.schema, origin=AUGMENTED, parent=train.ids[parents], params=params)


def without_objects(x: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Images uint8 (N, C, H, W) with what their masks (N, H, W) show filled in from around it.

    A weighted mean of what is background, by a Gaussian of REACH times the longer side.
    """
    out, reach = np.empty_like(x), REACH * max(x.shape[2:])
    for low in range(0, len(x), CHUNK):
        pixels = x[low : low + CHUNK].astype(np.float64)
        free = 1 - masks[low : low + CHUNK, None].astype(np.float64) / 255
        near = gaussian_filter(pixels * free, (0, 0, reach, reach))
        weight = gaussian_filter(free, (0, 0, reach, reach))
        mean = np.where(weight > 1e-3, near / np.maximum(weight, 1e-3), pixels.mean((2, 3), keepdims=True))
        out[low : low + CHUNK] = np.rint(free * pixels + (1 - free) * mean).clip(0, 255)
    return out
