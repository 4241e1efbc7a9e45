"""A metric of two sets of features."""

from __future__ import annotations

import math

import numpy as np

from gensynth.metrics import FeaturePair, Metric


class MeanGap(Metric):
    """Distance of the means, in standard deviations of the real rows."""

    name = "mean_gap"
    lower_is_better, bounds, ideal = True, (0.0, math.inf), 0.0

    def score(self, pair: FeaturePair) -> float:
        return float(np.linalg.norm(pair.real_scaled.mean(axis=0) - pair.fake_scaled.mean(axis=0)))
