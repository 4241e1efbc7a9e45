"""Waveform operations, one value a row: noise at a stated level, speed, length, pitch, loudness, place and masks.

Every operation takes float32 waveforms (N, T) without NaN, one value a row (N,), one seed a row (N,) uint64 and the
sampling rate, and gives a new float32 (N, T); ValueError where shapes or values are out of range. Row i depends on
x[i], values[i] and seeds[i] alone, bit for bit: noise, gain, shift and masks over time are element by element; what
works on frames or between samples runs row by row in float64, rounded once at the end. Samples may leave [-1, 1]
(noise, positive gain); whoever writes them clips.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from gensynth import rng
from gensynth.samplers.described import operations_of

DESCRIBED = operations_of("audio")
OPERATIONS: dict[str, Callable[..., np.ndarray]] = {}

SILENT_PEAK = 1e-4
ACTIVE_SHARE = 0.01  # -40 dB
FADE_SECONDS = 0.005
LOWEST_NOISE_HZ = 20.0
FRAME_SECONDS = 0.05
ZERO_CROSSINGS = 16
ONSET_SHARE = 0.4  # -8 dB: keeps clicks sharp and leaves steady tones and voices alone


def _operation(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """One of OPERATIONS, given x and values (float64) side by side in memory, once shapes and values are checked."""
    low, high = DESCRIBED[function.__name__].least, DESCRIBED[function.__name__].most

    @functools.wraps(function)
    def checked(x: np.ndarray, values: np.ndarray, seeds: np.ndarray, rate_hz: int, *more: np.ndarray) -> np.ndarray:
        if x.dtype != np.float32 or x.ndim != 2 or x.shape[1] == 0:
            raise ValueError(f"expected float32 waveforms (N, T) with T > 0, got {x.dtype} {x.shape}")
        values = np.ascontiguousarray(values, dtype=np.float64)
        if values.shape != (len(x),) or np.shape(seeds) != (len(x),):
            raise ValueError(f"expected {len(x)} values and seeds, got {values.shape} and {np.shape(seeds)}")
        if not ((values >= low) & (values <= high)).all():
            raise ValueError(f"values must lie in {low:g} to {high:g}, got {values.min():g} to {values.max():g}")
        return function(np.ascontiguousarray(x), values, seeds, rate_hz, *more)

    OPERATIONS[function.__name__] = checked
    return checked


def active_part(x: np.ndarray) -> np.ndarray:
    """bool (N, T): from the first to the last sample within 40 dB of the row's peak; nowhere in a silent row.

    Zeros before and after a word are no part of it, pauses inside are. Silent: a peak below 10^-4.
    """
    level = np.abs(x)
    peak = level.max(axis=1, keepdims=True)
    loud = (level >= ACTIVE_SHARE * peak) & (peak >= SILENT_PEAK)
    first, last = loud.argmax(axis=1), x.shape[1] - 1 - loud[:, ::-1].argmax(axis=1)
    place = np.arange(x.shape[1])
    return (place >= first[:, None]) & (place <= last[:, None]) & loud.any(axis=1, keepdims=True)


def _power(x: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Mean square (N,) of float64 (N, T) over the samples where `where` holds, 0 if there are none."""
    return np.where(where, x * x, 0.0).sum(axis=1) / np.maximum(where.sum(axis=1), 1)


def _add_at_snr(x: np.ndarray, noise: np.ndarray, snr_db: np.ndarray) -> np.ndarray:
    """x + noise (float64 (N, T), any level) scaled so that signal over noise is `snr_db` in the row's active part.

    Both powers are mean squares over `active_part(x)`. Noise that pauses there is taken at no less than 1 % of its
    power over the whole row, so that a pause is not blown up. Silent rows, and silent noise, change nothing.
    """
    active = active_part(x)
    wanted = _power(x.astype(np.float64), active) * np.power(10.0, -snr_db / 10)
    found = np.maximum(_power(noise, active), 0.01 * _power(noise, np.ones_like(active)))
    scale = np.sqrt(np.divide(wanted, found, out=np.zeros_like(wanted), where=found > 0))
    return (x + scale[:, None] * noise).astype(np.float32)


@_operation
def gaussian_noise(x: np.ndarray, values: np.ndarray, seeds: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """White Gaussian noise over the whole row; value: signal-to-noise ratio in dB (see `_add_at_snr`)."""
    return _add_at_snr(x, rng.normal(seeds, x.shape[1], "audio.gaussian_noise").astype(np.float64), values)


@_operation
def coloured_noise(x: np.ndarray, values: np.ndarray, seeds: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Noise whose power falls as 1 / f^e above 20 Hz, e of a row uniform in 0 (white), 1 (pink), 2 (brown).

    value: signal-to-noise ratio in dB. Below 20 Hz, where nobody hears it, there is none.
    """
    exponents = 2 * rng.uniform(seeds, 1, "audio.coloured_noise.exponent")
    white = rng.normal(seeds, x.shape[1], "audio.coloured_noise").astype(np.float64)
    frequency_hz = np.fft.rfftfreq(x.shape[1], 1 / sample_rate_hz)
    audible = frequency_hz >= LOWEST_NOISE_HZ
    weights = np.where(audible, np.power(np.maximum(frequency_hz, LOWEST_NOISE_HZ), -exponents / 2), 0.0)
    return _add_at_snr(x, np.fft.irfft(np.fft.rfft(white, axis=1) * weights, x.shape[1], axis=1), values)


@_operation
def background_mix(
    x: np.ndarray, values: np.ndarray, seeds: np.ndarray, sample_rate_hz: int, backgrounds: np.ndarray
) -> np.ndarray:
    """One of the recordings `backgrounds` float32 (M, any length) a row, from a random place on, round and round.

    value: signal-to-noise ratio in dB. Row i depends on the backgrounds too: the same ones give the same row.
    """
    if backgrounds.ndim != 2 or 0 in backgrounds.shape:
        raise ValueError(f"expected backgrounds (M, T) with at least one recording, got {backgrounds.shape}")
    which, place = rng.uniform(seeds, 2, "audio.background_mix").T
    start = (place * backgrounds.shape[1]).astype(np.int64)
    places = (start[:, None] + np.arange(x.shape[1])) % backgrounds.shape[1]
    rows = (which * len(backgrounds)).astype(np.int64)
    return _add_at_snr(x, backgrounds[rows[:, None], places].astype(np.float64), values)


def _read_at(row: np.ndarray, positions: np.ndarray, cutoff: float) -> np.ndarray:
    """A row (T,) read at fractional positions (P,), in samples: float64 (P,), silence outside the row.

    Windowed sinc (Hann) with 16 zero crossings a side; `cutoff`, as part of the Nyquist frequency, keeps a row that
    is read faster from aliasing. Whole positions give the samples themselves where cutoff is 1. Sine and window of a
    difference come from the addition theorem: one sine a position, not one a tap.
    """
    reach = int(np.ceil(ZERO_CROSSINGS / cutoff))
    taps = np.arange(-reach, reach + 1)
    positions = np.minimum(positions, len(row) + reach)
    nearest = np.rint(positions).astype(np.int64)
    offset = (positions - nearest)[:, None]
    distance = taps - offset
    at_tap, at_offset = np.pi * cutoff * taps, np.pi * cutoff * offset
    sine = np.sin(at_tap) * np.cos(at_offset) - np.cos(at_tap) * np.sin(at_offset)
    kernel = np.divide(sine, np.pi * distance, out=np.full_like(distance, cutoff), where=distance != 0)
    at_tap, at_offset = np.pi * taps / (reach + 0.5), np.pi * offset / (reach + 0.5)
    window = 0.5 + 0.5 * (np.cos(at_tap) * np.cos(at_offset) + np.sin(at_tap) * np.sin(at_offset))
    padded = np.pad(row.astype(np.float64), (reach, 2 * reach + 1))
    around = np.lib.stride_tricks.sliding_window_view(padded, len(taps))[nearest]
    return (around * kernel * window).sum(axis=1)


def _by_row(x: np.ndarray, values: np.ndarray, change: Callable[[np.ndarray, float], np.ndarray]) -> np.ndarray:
    """change(x[i], values[i]) of every row, rounded to float32."""
    out = np.empty_like(x)
    for i, value in enumerate(values):
        out[i] = change(x[i], value)
    return out


@_operation
def speed(x: np.ndarray, values: np.ndarray, seeds: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Played faster (value > 1) or slower: tempo and pitch change together; value: factor.

    Cut at the end, or filled up with zeros. A recipe for speech: Ko et al., "Audio augmentation for speech
    recognition", Interspeech 2015, section 2.2.
    """
    return _by_row(x, values, lambda row, factor: _read_at(row, np.arange(len(row)) * factor, min(1.0, 1 / factor)))


@_operation
def segment_speed(x: np.ndarray, values: np.ndarray, seeds: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """A random 20 to 60 % of the row's active part played faster or slower; value: factor.

    The samples around stay as they are, those behind it move by whole samples (which rounds the factor to a whole
    number of samples). Cut at the end, or filled up with zeros.
    """
    active = active_part(x)
    share, place = rng.uniform(seeds, 2, "audio.segment_speed").T
    out = x.copy()
    for i in np.flatnonzero(active.any(axis=1)):
        first, length = int(active[i].argmax()), int(active[i].sum())
        count = max(1, round((0.2 + 0.4 * share[i]) * length))
        start = first + int(place[i] * (length - count + 1))
        new = max(1, round(count / values[i]))
        middle = _read_at(x[i], start + np.arange(new) * (count / new), min(1.0, new / count))
        row = np.concatenate([x[i, :start], middle, x[i, start + count :]])[: x.shape[1]]
        out[i] = np.pad(row, (0, x.shape[1] - len(row)))
    return out


def _frame_size(sample_rate_hz: int) -> int:
    """Samples of a frame: the power of two nearest to 50 ms, at least 32."""
    return max(32, 2 ** round(np.log2(FRAME_SECONDS * sample_rate_hz)))


def _hann(size: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


def _spectra(row: np.ndarray, centres: np.ndarray, size: int) -> np.ndarray:
    """complex128 (K, size / 2 + 1): Hann-windowed frames of a row (T,) around whole positions (K,); silence outside.

    NumPy transforms one frame after the other, so that a frame does not depend on its neighbours in memory.
    """
    padded = np.pad(row.astype(np.float64), size)
    starts = np.clip(centres + size // 2, 0, len(row) + size)
    return np.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, size)[starts] * _hann(size), axis=1)


def _overlap_add(spectra: np.ndarray, size: int, length: int) -> np.ndarray:
    """Inverse of `_spectra` for frames around 0, hop, 2 hop, ... with hop = size / 4: float64 (length,)."""
    pieces = np.fft.irfft(spectra, size, axis=1) * _hann(size)
    sound, weight = np.zeros((2, len(pieces) + 3, size // 4))
    for quarter in range(4):
        part = slice(quarter * (size // 4), (quarter + 1) * (size // 4))
        sound[quarter : quarter + len(pieces)] += pieces[:, part]
        weight[quarter : quarter + len(pieces)] += _hann(size)[part] ** 2
    whole = sound.ravel()[size // 2 :][:length]
    return whole / weight.ravel()[size // 2 :][:length]


def _frame_places(size: int, length: int) -> np.ndarray:
    """Centres, in samples, of the frames that `_overlap_add` needs for `length` samples."""
    return np.arange(0, length + size, size // 4)


def _nearest_peaks(magnitude: np.ndarray) -> np.ndarray:
    """For every bin (B,) of a frame the bin of the nearest peak, which is higher than two neighbours on either side."""
    padded = np.pad(magnitude, 2, constant_values=-1.0)
    count = len(magnitude)
    higher = [magnitude > padded[2 + step : 2 + step + count] for step in (-2, -1, 1, 2)]
    peaks = np.flatnonzero(np.logical_and.reduce(higher))
    if not len(peaks):
        return np.arange(count)
    return peaks[np.searchsorted((peaks[1:] + peaks[:-1]) / 2, np.arange(count))]


def _stretched(row: np.ndarray, factor: float, length: int, sample_rate_hz: int) -> np.ndarray:
    """The first `length` samples, float64, of a row (T,) played `factor` times as fast at the same pitch.

    Phase vocoder with identity phase locking (Laroche and Dolson, "Improved phase vocoder time-scale modification of
    audio", IEEE Trans. Speech Audio Process. 7(3), 1999, section III): frame k is the input's frame at k hop factor,
    turned at each spectral peak so that the phase goes on from frame k - 1 as it does in the input over one hop; the
    bins around turn with their peak. The input is read one hop earlier too, so no phase is unwrapped. A peak that was
    8 dB lower one hop earlier is an onset and keeps the phase it has.
    """
    size = _frame_size(sample_rate_hz)
    places = _frame_places(size, length)
    centres = np.rint(places * factor).astype(np.int64)
    now, before = _spectra(row, centres, size), _spectra(row, centres - size // 4, size)
    goes_on = np.abs(before) > ONSET_SHARE * np.abs(now)
    for k in range(1, len(now)):
        turn = now[k - 1] * before[k].conj()
        turning = goes_on[k] & (np.abs(turn) > 0)
        turn = np.divide(turn, np.abs(turn), out=np.ones_like(turn), where=turning)
        now[k] *= turn[_nearest_peaks(np.abs(now[k]))]
    return _overlap_add(now, size, length)


@_operation
def time_stretch(x: np.ndarray, values: np.ndarray, seeds: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Said faster (value > 1) or slower at the same pitch; value: factor. Cut at the end, or filled up with zeros."""
    return _by_row(x, values, lambda row, factor: _stretched(row, factor, len(row), sample_rate_hz))


@_operation
def pitch_shift(x: np.ndarray, values: np.ndarray, seeds: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Higher (value > 0) or lower at the same length; value: semitones. Formants move along, so the voice changes."""

    def shifted(row: np.ndarray, ratio: float) -> np.ndarray:
        longer = _stretched(row, 1 / ratio, int(np.ceil(len(row) * ratio)), sample_rate_hz)
        return _read_at(longer, np.arange(len(row)) * ratio, min(1.0, 1 / ratio))

    return _by_row(x, np.power(2.0, values / 12), shifted)


def remove_band(row: np.ndarray, low_hz: float, high_hz: float, sample_rate_hz: int) -> np.ndarray:
    """A row (T,) without the frequencies from low_hz to high_hz, set to 0 frame by frame: float64 (T,)."""
    size = _frame_size(sample_rate_hz)
    spectra = _spectra(row, _frame_places(size, len(row)), size)
    frequency_hz = np.arange(size // 2 + 1) * (sample_rate_hz / size)
    spectra[:, (frequency_hz >= low_hz) & (frequency_hz <= high_hz)] = 0
    return _overlap_add(spectra, size, len(row))


@_operation
def frequency_mask(x: np.ndarray, values: np.ndarray, seeds: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """A band at a random place removed; value: its share of 0 Hz to the Nyquist frequency."""
    nyquist_hz = sample_rate_hz / 2
    low_hz = rng.uniform(seeds, 1, "audio.frequency_mask")[:, 0] * (1 - values) * nyquist_hz
    out = x.copy()
    for i in np.flatnonzero(values > 0):
        out[i] = remove_band(x[i], low_hz[i], low_hz[i] + values[i] * nyquist_hz, sample_rate_hz)
    return out


@_operation
def gain(x: np.ndarray, values: np.ndarray, seeds: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Louder (value > 0) or softer; value: dB."""
    return (x * np.power(10.0, values / 20)[:, None]).astype(np.float32)


@_operation
def shift(x: np.ndarray, values: np.ndarray, seeds: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Later (value > 0) or earlier by a whole number of samples; value: share of T. What moves out is lost."""
    length = x.shape[1]
    source = np.arange(length) - np.rint(values * length).astype(np.int64)[:, None]
    moved = np.take_along_axis(x, np.clip(source, 0, length - 1), axis=1)
    return np.where((source >= 0) & (source < length), moved, np.float32(0))


@_operation
def time_mask(x: np.ndarray, values: np.ndarray, seeds: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """A stretch at a random place silenced; value: its share of T. The 5 ms before and after fade linearly."""
    width = np.rint(values * x.shape[1])[:, None]
    start = np.floor(rng.uniform(seeds, 1, "audio.time_mask") * (x.shape[1] - width + 1))
    place = np.arange(x.shape[1])
    distance = np.maximum(np.maximum(start - place, place - (start + width - 1)), 0)
    kept = np.minimum(distance / max(1.0, FADE_SECONDS * sample_rate_hz), 1.0)
    return (x * np.where(width > 0, kept, 1.0)).astype(np.float32)


@_operation
def polarity(x: np.ndarray, values: np.ndarray, seeds: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Turned upside down where the value, from 0 to 1, is at least 0.5; nobody hears the difference."""
    return np.where(values[:, None] >= 0.5, -x, x)
