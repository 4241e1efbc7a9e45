"""Classical augmentation of sounds: operations with a probability and a strength each, driven by the row's seed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np

from gensynth.data.audio_files import EXTENSIONS, load_waveforms
from gensynth.data.finding import tell
from gensynth.errors import DataError, UsageError
from gensynth.samplers.audio_operations import DESCRIBED, OPERATIONS
from gensynth.samplers.transform import NamedOperations
from gensynth.types import LabelledData

BACKGROUND = "background_mix"
LONGEST_BACKGROUND_SECONDS = 3600.0
SAFE_AUDIO = {name: one.usual for name, one in DESCRIBED.items() if one.usual}


class AudioTransforms(NamedOperations):
    """Recordings with noise, in another tempo or pitch, louder, shifted, partly silenced.

    operations   name -> {probability, low, high}: values are drawn evenly between low and high, in the operation's own
                 unit (decibels, factors, semitones, shares); off at probability 0 and, of those at risk, as long as
                 `allow` does not name them
    backgrounds  folder of WAV or FLAC files for background_mix, which is off without one
    allow        operations at risk that keep the labels of this data set
    UsageError for an unknown name, a probability above 1, or low above high.
    """

    modalities = ("audio",)
    described = DESCRIBED
    draws = 2
    _mixed_in = np.zeros((0, 0), np.float32)

    def __init__(
        self, name: str, operations: Mapping[str, Mapping[str, float]], backgrounds: str, allow: list[str]
    ) -> None:
        self.name = name
        rule = (lambda one: one["low"] <= one["high"], "probability must be at most 1 and low at most high")
        self.choose(operations, allow, rule, {"backgrounds": backgrounds})
        for key, one in self.used.items():
            least, most = DESCRIBED[key].least, DESCRIBED[key].most
            if not least <= one["low"] <= one["high"] <= most:
                got = f"{one['low']:g} to {one['high']:g}"
                raise UsageError(f"sampler.operations.{key}: values must lie in {least:g} to {most:g}, got {got}")
        self.backgrounds = backgrounds

    def fit(self, train: LabelledData) -> Self:
        self._rate_hz = train.schema.fields["sample_rate_hz"]
        if BACKGROUND in self.used:
            self._mixed_in = read_backgrounds(Path(self.backgrounds), self._rate_hz)
        return super().fit(train)

    def alone(self, name: str, x: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        return np.clip(super().alone(name, x, seeds), -1, 1)

    def change(self, x: np.ndarray, labels: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, params = super().change(x, labels, seeds)
        return np.clip(x, -1, 1), params

    def apply(self, name: str, x: np.ndarray, draws: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, list[float]]:
        one, more = self.used[name], (self._mixed_in,) if name == BACKGROUND else ()
        values = np.round(one["low"] + (one["high"] - one["low"]) * draws, 6)
        return OPERATIONS[name](x, values, seeds, self._rate_hz, *more), values.tolist()


class SafeAudio(AudioTransforms):
    """The operations that keep any label, at their usual settings: the simple way to more recordings."""

    def __init__(self) -> None:
        super().__init__("safe_audio", SAFE_AUDIO, "", [])


def read_backgrounds(folder: Path, sample_rate_hz: int) -> np.ndarray:
    """All recordings of a folder at that rate, float32 (M, T); shorter ones go round and round."""
    if not folder.is_dir():
        raise UsageError(f"sampler.backgrounds={folder.name} is no folder of WAV or FLAC files")
    files = [(path.name, path) for path in sorted(folder.iterdir()) if path.suffix.lower() in EXTENSIONS]
    sets = [load_waveforms([one], 0.0, sample_rate_hz, LONGEST_BACKGROUND_SECONDS) for one in files]
    waves = [one.x[0] for one in sets if len(one.x)]
    if not waves:
        findings = tuple(finding for one in sets for finding in one.findings)
        raise DataError(f'the folder of backgrounds "{folder.name}" holds no usable recording', tell(findings))
    longest = max(map(len, waves))
    return np.stack([np.resize(wave, longest) for wave in waves])
