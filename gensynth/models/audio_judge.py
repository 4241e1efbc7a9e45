"""A classifier of sounds trained on real train rows: the judge of images on pictures of their log-mel spectra."""

from __future__ import annotations

import numpy as np

from gensynth.data.audio import mel_pixels
from gensynth.models.judge import Judge, judge_steps
from gensynth.types import LabelledData


class AudioJudge:
    """Class probabilities of waveforms x float32 (N, T); made by `fit`."""

    def __init__(self, judge: Judge, sample_rate_hz: int) -> None:
        self.judge, self.sample_rate_hz = judge, sample_rate_hz

    @classmethod
    def fit(cls, train: LabelledData, *, seed: int) -> AudioJudge:
        """`Judge.fit` on pictures of the waveforms, classes drawn evenly."""
        rate = train.schema.fields["sample_rate_hz"]
        pictures = mel_pixels(train.x, rate)
        steps = judge_steps(len(train), pictures.shape[1:])
        classes = len(train.schema.classes)
        return cls(Judge.fit(pictures, train.y, num_classes=classes, seed=seed, steps=steps, balanced=True), rate)

    @property
    def sha256(self) -> str:
        return self.judge.sha256

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """float64 (N, K)."""
        return self.judge.probabilities(mel_pixels(x, self.sample_rate_hz))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Most probable class, int64 (N,)."""
        return self.judge.predict(mel_pixels(x, self.sample_rate_hz))
