"""A filter that learns nothing of real rows."""

from __future__ import annotations

import numpy as np

from gensynth.balancing.filters import Filter, Reference
from gensynth.types import LabelledData


class EvenSum(Filter):
    """Keeps images whose pixels have an even sum."""

    name = "even_sum"
    reason = "had an odd sum"
    modalities = ("image",)
    checks_gated = True
    looks_at_real_rows = False

    def learn(self, reference: Reference) -> None:
        pass

    def keep(self, rows: LabelledData) -> np.ndarray:
        return rows.x.reshape(len(rows), -1).sum(axis=1) % 2 == 0
