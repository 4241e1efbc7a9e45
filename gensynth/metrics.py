"""Scores of synthetic rows beside real ones as torchmetrics: `update(real=..., synthetic=...)`, then `compute()`."""

from gensynth.evaluation.metrics.detection import C2ST
from gensynth.evaluation.metrics.distance import FID, KID, MIND, FIDInfinity
from gensynth.evaluation.metrics.diversity import VendiRatio
from gensynth.evaluation.metrics.metric import FeaturePair, Metric, metrics_of
from gensynth.evaluation.metrics.support import ClippedCoverage, ClippedDensity, Coverage, Density, Precision, Recall

__all__ = [
    "C2ST",
    "FID",
    "KID",
    "MIND",
    "ClippedCoverage",
    "ClippedDensity",
    "Coverage",
    "Density",
    "FIDInfinity",
    "FeaturePair",
    "Metric",
    "Precision",
    "Recall",
    "VendiRatio",
    "metrics_of",
]
