"""Sound as a mel picture: one waveform in, the tensors of a network, and sound and pictures out.

A picture has 64 bands on the mel scale of Slaney ("Auditory Toolbox, version 2", Interval Research report 1998-010:
linear below 1 kHz, logarithmic above) and holds decibels below a full-scale sine, from -80 (0) to 0 (1). The scale is
fixed: a row depends on nothing but itself, bit for bit, whatever rows lie beside it. With 64 bands the lowest lie
about as far apart as the Fourier bins of 32 ms, so more would show nothing new, and the side can be halved often.

Legend: N rows, T samples, M bands, F Fourier bins.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import sparse

from gensynth.data.audio_files import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from gensynth.data.image import check_whole, contact_sheet, finite_levels, png_bytes, preview_scale
from gensynth.types import Block, LabelledData, Space

if TYPE_CHECKING:
    import torch

BANDS = 64
RANGE_DB = 80.0
FRAME_SECONDS = 0.032
MOST_FRAMES = 64
MOST_POOLED = 4
MOST_SAMPLES = 2**31 - 1
FITTING_STEPS = 100
GRIFFIN_LIM_STEPS = 32
_CHUNK_SAMPLES = 2**18  # of waveforms transformed at once: about 25 MB of frames and spectra


class MelGrid(NamedTuple):
    """How T samples become frames.

    size    samples of a Fourier frame: the power of two nearest to 32 ms, long enough to tell the partials of a
            higher voice apart and short enough for a consonant
    pooled  Fourier frames, size / 4 apart, whose mean power is one frame of the picture: as many as leave at most 64
            frames, but never over a full `size`, so that clips beyond 2 s get longer pictures rather than blurred ones
    frames  frames of the picture; silent ones fill it up to a multiple of 4, as convolutional networks like it
    """

    size: int
    pooled: int
    frames: int

    @property
    def hop(self) -> int:
        """Samples from one Fourier frame to the next; a quarter of a frame is what Griffin-Lim needs to find phases."""
        return self.size // 4


def mel_grid(samples: int, sample_rate_hz: int) -> MelGrid:
    """The layout for waveforms of one length and rate; ValueError unless both are positive.

    >>> mel_grid(4000, 8000), mel_grid(16000, 16000)
    (MelGrid(size=256, pooled=1, frames=64), MelGrid(size=512, pooled=2, frames=64))
    """
    if samples < 1 or sample_rate_hz < 1:
        raise ValueError(f"expected a positive length and rate, got {samples} samples and {sample_rate_hz} Hz")
    size = max(32, 2 ** round(np.log2(FRAME_SECONDS * sample_rate_hz)))
    spectra = -(-samples // (size // 4))
    pooled = min(MOST_POOLED, -(-spectra // MOST_FRAMES))
    return MelGrid(size, pooled, -(-spectra // (4 * pooled)) * 4)


def hz_to_mel(frequency_hz: np.ndarray) -> np.ndarray:
    """Slaney's scale: 3 mel every 200 Hz up to 1 kHz, from there 27 mel for a factor of 6.4.

    >>> hz_to_mel(np.array([0.0, 1000.0, 6400.0])).tolist()
    [0.0, 15.0, 42.0]
    """
    above = 15 + 27 * np.log(np.maximum(frequency_hz, 1000) / 1000) / np.log(6.4)
    return np.where(frequency_hz < 1000, frequency_hz * 3 / 200, above)


def mel_to_hz(mel: np.ndarray) -> np.ndarray:
    """Inverse of `hz_to_mel`."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.power(6.4, (np.maximum(mel, 15) - 15) / 27))


def band_edges_hz(sample_rate_hz: int, bands: int) -> np.ndarray:
    """float64 (M + 2,) from 0 Hz to the Nyquist frequency, evenly spaced in mel; band m peaks at edge m + 1."""
    return mel_to_hz(np.linspace(0.0, hz_to_mel(np.array(sample_rate_hz / 2)), bands + 2))


def mel_filters(sample_rate_hz: int, size: int, bands: int) -> np.ndarray:
    """Triangles of height 1 from edge m to edge m + 2, averaged over the width of each Fourier bin: float64 (M, F).

    F = size / 2 + 1. Averaged, because a triangle read at the middle of bins misses every one of them where bands are
    narrower than bins. Between the first and the last peak the weights of a bin add up to 1: power is shared out.
    """
    edges_hz = band_edges_hz(sample_rate_hz, bands)[:, None]
    low_hz, peak_hz, high_hz = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    bin_hz = sample_rate_hz / size
    borders_hz = (np.arange(size // 2 + 2) - 0.5) * bin_hz
    rising = (np.clip(borders_hz, low_hz, peak_hz) - low_hz) ** 2 / (peak_hz - low_hz)
    falling = (high_hz - np.clip(borders_hz, peak_hz, high_hz)) ** 2 / (high_hz - peak_hz)
    return np.diff(rising - falling, axis=1) / (2 * bin_hz)


@lru_cache(maxsize=8)
def _filters(sample_rate_hz: int, size: int) -> sparse.csr_array:
    """`mel_filters` (M, F), sparse: its products add up bin by bin, so that a column depends on itself alone."""
    return sparse.csr_array(mel_filters(sample_rate_hz, size, BANDS))


def _hann(size: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


def _full_scale(size: int) -> float:
    """Sum of |X|^2 over the bins of a Hann-windowed frame of a full-scale sine: what 0 dB stands for."""
    return size * float(np.square(_hann(size)).sum()) / 4


def _laid_out(x: np.ndarray, grid: MelGrid) -> np.ndarray:
    """x (N, T) in a track (N, L) of silence, so that Fourier frame i is centred on samples i hop to (i + 1) hop."""
    track = np.zeros((len(x), (grid.frames * grid.pooled + 3) * grid.hop))
    track[:, _place(grid, x.shape[1])] = x
    return track


def _place(grid: MelGrid, samples: int) -> slice:
    """Where a waveform of so many samples lies in its track."""
    return slice(3 * grid.hop // 2, 3 * grid.hop // 2 + samples)


def _spectra(tracks: np.ndarray, grid: MelGrid) -> np.ndarray:
    """Tracks (..., L) -> complex128 (..., frames x pooled, F); NumPy transforms one frame after the other."""
    return np.fft.rfft(sliding_window_view(tracks, grid.size, axis=-1)[..., :: grid.hop, :] * _hann(grid.size))


def _overlap_add(pieces: np.ndarray, grid: MelGrid) -> np.ndarray:
    """Windowed frames (K, size), a hop apart, added up: float64 (L,)."""
    track = np.zeros((len(pieces) + 3, grid.hop))
    for quarter, part in enumerate(np.split(pieces, 4, axis=1)):
        track[quarter : quarter + len(pieces)] += part
    return track.ravel()


def log_mel(x: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Waveforms float32 (N, T) -> float32 (N, M, frames) in [0, 1], band 0 the lowest; layout: `mel_grid`.

    A value v stands for 80 (v - 1) dB: the mean power of a band in a frame against that of a full-scale sine, and 0
    for -80 dB and less. Twice the amplitude adds 6.02 dB, 0.075. Row i depends on x[i] alone, bit for bit.
    ValueError unless float32 (N, T) of finite numbers with T > 0.
    """
    _check_waveforms(x)
    grid = mel_grid(x.shape[1], sample_rate_hz)
    out = np.empty((len(x), BANDS, grid.frames), np.float32)
    rows = max(1, _CHUNK_SAMPLES // x.shape[1])
    for start in range(0, len(x), rows):
        out[start : start + rows] = _log_mel_of_chunk(x[start : start + rows], sample_rate_hz, grid)
    return out


def _log_mel_of_chunk(x: np.ndarray, sample_rate_hz: int, grid: MelGrid) -> np.ndarray:
    spectra = _spectra(_laid_out(x, grid), grid)
    power = np.square(spectra.real) + np.square(spectra.imag)
    pooled = power.reshape(len(x) * grid.frames, grid.pooled, -1).mean(axis=1)
    bands = _filters(sample_rate_hz, grid.size) @ pooled.T / _full_scale(grid.size)
    level_db = 10 * np.log10(np.maximum(bands, 10 ** (-RANGE_DB / 10)))
    return np.clip(1 + level_db / RANGE_DB, 0, 1).reshape(BANDS, len(x), grid.frames).swapaxes(0, 1)


def mel_pixels(x: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Waveforms float32 (N, T) -> `log_mel` as 8-bit pictures uint8 (N, 1, M, frames), low frequencies at the bottom.

    What image classifiers and feature spaces take; a step is 0.31 dB.
    """
    return np.rint(_upright(log_mel(x, sample_rate_hz)) * np.float32(255)).astype(np.uint8)


def _upright(mel: np.ndarray) -> np.ndarray:
    """(N, M, frames), lowest band first, as pictures (N, 1, M, frames), lowest band at the bottom."""
    return np.ascontiguousarray(mel[:, None, ::-1])


def mel_statistics(x: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Waveforms float32 (N, T) -> float32 (N, 2 M): mean, then standard deviation of every band over the frames."""
    mel = log_mel(x, sample_rate_hz).astype(np.float64)
    return np.concatenate([mel.mean(axis=2), mel.std(axis=2)], axis=1).astype(np.float32)


def _check_waveforms(x: np.ndarray) -> None:
    if x.dtype != np.float32 or x.ndim != 2 or x.shape[1] == 0:
        raise ValueError(f"expected float32 waveforms (N, T) with T > 0, got {x.dtype} {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("expected waveforms of finite numbers, got NaN or infinity")


def griffin_lim(mel: np.ndarray, sample_rate_hz: int, samples: int, steps: int) -> np.ndarray:
    """Sound whose `log_mel` is close to mel (N, M, frames) in [0, 1]: float32 (N, T), T = samples, unclipped.

    The phases are searched in `steps` rounds of fast Griffin-Lim (Perraudin, Balazs and Sondergaard, "A fast
    Griffin-Lim algorithm", WASPAA 2013, algorithm 2, with their alpha of 0.99) from a fixed start, so that it needs
    no seed. Row by row: row i depends on mel[i] alone, bit for bit. ValueError for another shape than `mel_grid` has
    for T, and for numbers outside [0, 1].
    """
    grid = mel_grid(samples, sample_rate_hz)
    if mel.ndim != 3 or mel.shape[1:] != (BANDS, grid.frames):
        raise ValueError(f"expected (N, {BANDS}, {grid.frames}) for {samples} samples, got {mel.shape}")
    if not ((mel >= 0) & (mel <= 1)).all():
        raise ValueError("expected numbers from 0 to 1")
    out = np.empty((len(mel), samples), np.float32)
    for row, wanted in zip(out, mel, strict=True):
        magnitude = _magnitudes(wanted.astype(np.float64), sample_rate_hz, grid)
        row[:] = _with_phases(magnitude, grid, samples, steps)
    return out


def _magnitudes(mel: np.ndarray, sample_rate_hz: int, grid: MelGrid) -> np.ndarray:
    """Fourier magnitudes float64 (frames x pooled, F) that have the bands mel (M, frames)."""
    level = np.where(mel > 0, np.power(10.0, (mel - 1) * RANGE_DB / 10), 0.0)
    power = _unfold_bands(level * _full_scale(grid.size), _filters(sample_rate_hz, grid.size))
    return np.sqrt(power).T.repeat(grid.pooled, axis=0)


def _unfold_bands(bands: np.ndarray, filters: sparse.csr_array) -> np.ndarray:
    """Powers p >= 0 (F, K) with filters @ p close to `bands` (M, K).

    Non-negative, by multiplicative updates for the Kullback-Leibler divergence (Lee and Seung, "Algorithms for
    non-negative matrix factorization", NIPS 2000, theorem 2) from a smooth start. A pseudo-inverse gives negative
    powers beside every peak, and cutting them off adds power; least squares would fit the loudest bands alone.
    """
    back = filters.T.tocsr()
    reach, width = back.sum(axis=1)[:, None], filters.sum(axis=1)[:, None]
    power = back @ (bands / width) / reach
    for _ in range(FITTING_STEPS):
        found = filters @ power
        power *= back @ np.divide(bands, found, out=np.zeros_like(bands), where=found > 0) / reach
    return power


def _with_phases(magnitude: np.ndarray, grid: MelGrid, samples: int, steps: int) -> np.ndarray:
    """Sound float64 (T,) with about these Fourier magnitudes (K, F), silent before and after."""
    window, place = _hann(grid.size), _place(grid, samples)
    weight = _overlap_add(np.tile(window**2, (len(magnitude), 1)), grid)[place]

    def sound_of(spectra: np.ndarray) -> np.ndarray:
        length = np.maximum(np.abs(spectra), 1e-30)
        pieces = np.fft.irfft(spectra * (magnitude / length), grid.size) * window
        return _overlap_add(pieces, grid)[place] / weight

    spectra = before = magnitude * np.exp(1j * _start_phases(magnitude))
    for _ in range(steps):
        now = _spectra(_laid_out(sound_of(spectra)[None], grid)[0], grid)
        spectra, before = now + 0.99 * (now - before), now
    return sound_of(spectra)


def _start_phases(magnitude: np.ndarray) -> np.ndarray:
    """Phases, in radians, for magnitudes (K, F): in every bin a tone at the centre of the power within 2 bins of it.

    2 bins are half the main lobe of a Hann window, so all bins of one partial turn together. From tones at the bins
    themselves Griffin-Lim does not get away: it leaves a partial at the middle of its bin, up to 15 Hz off.
    """
    bins = magnitude.shape[1]
    around = sliding_window_view(np.pad(np.square(magnitude), ((0, 0), (2, 2))), 5, axis=1)
    total = around.sum(axis=2)
    moment = (around * np.arange(-2, 3)).sum(axis=2)
    place = np.arange(bins) + np.divide(moment, total, out=np.zeros_like(total), where=total > 0)
    return np.cumsum(place, axis=0) * (np.pi / 2)  # a tone of bin b makes b quarter turns a hop


class AudioCodec:
    """Waveforms <-> mel pictures in [-1, 1]; its state is plain JSON: sample_rate_hz, samples."""

    def __init__(self, sample_rate_hz: int, samples: int, num_classes: int) -> None:
        self.sample_rate_hz, self.samples = sample_rate_hz, samples
        frames = mel_grid(samples, sample_rate_hz).frames
        self.space = Space((1, BANDS, frames), num_classes, (Block(BANDS * frames, "real"),))

    @classmethod
    def fit(cls, train: LabelledData) -> AudioCodec:
        """Takes rate, length and class count from the schema; ValueError unless float32 (N, T) of that length."""
        _check_waveforms(train.x)
        codec = cls(train.schema.fields["sample_rate_hz"], train.schema.fields["samples"], len(train.schema.classes))
        codec._check_length(train.x)
        return codec

    def encode(self, x: np.ndarray) -> torch.Tensor:
        """float32 (N, T) -> float32 (N, 1, M, frames), 2 `log_mel` - 1, low frequencies at the bottom."""
        import torch

        self._check_length(x)
        return torch.from_numpy(_upright(log_mel(x, self.sample_rate_hz)) * np.float32(2) - np.float32(1))

    def decode(self, t: torch.Tensor) -> np.ndarray:
        """float (N, 1, M, frames) -> float32 waveforms (N, T) in [-1, 1] by `griffin_lim`.

        Clamped before and after; DivergedError on NaN or infinity.
        """
        mel = self._unit(t).numpy()[:, 0, ::-1]
        return np.clip(griffin_lim(mel, self.sample_rate_hz, self.samples, GRIFFIN_LIM_STEPS), -1, 1)

    def picture(self, x: torch.Tensor) -> bytes:
        """Samples (K, n, 1, M, frames) -> PNG bytes, one row a class, low frequencies at the bottom."""
        rows = [(self._unit(row) * 255).round().byte().numpy() for row in x]
        return png_bytes(contact_sheet(rows, scale=preview_scale(x.shape[-1])).transpose(2, 0, 1))

    def _unit(self, t: torch.Tensor) -> torch.Tensor:
        """Tensors (N, 1, M, frames) as float32 in [0, 1] on the CPU; DivergedError on NaN or infinity."""
        return finite_levels(t, self.space.shape, "sounds hold values") / 2

    def _check_length(self, x: np.ndarray) -> None:
        if x.ndim != 2 or x.shape[1] != self.samples:
            raise ValueError(f"expected waveforms (N, {self.samples}), got {x.shape}")

    def state(self) -> dict[str, Any]:
        return {"sample_rate_hz": self.sample_rate_hz, "samples": self.samples}

    @classmethod
    def from_state(cls, state: dict[str, Any], num_classes: int) -> AudioCodec:
        """Inverse of `state`; DataError when a number is missing or out of range."""
        ranges = {"sample_rate_hz": (LOWEST_RATE_HZ, HIGHEST_RATE_HZ), "samples": (1, MOST_SAMPLES)}
        check_whole(state, "audio", ranges)
        return cls(state["sample_rate_hz"], state["samples"], num_classes)
