"""Recordings: WAV and FLAC files in, float32 waveforms of one rate and length, and files out.

Decoding is soundfile's (libsndfile), which comes with the extra "audio". The containers' heads are looked at here
first, because libsndfile shortens a WAV file whose header promises more sound than there is without a word.
"""

from __future__ import annotations

import io
import math
import os
import wave
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gensynth.data.containers import riff_chunks
from gensynth.data.finding import FileFault, FileSet, Finding, check_file, usable
from gensynth.data.suffixes import SOUNDS
from gensynth.errors import UsageError

EXTENSIONS = SOUNDS
SUBTYPES = {
    "PCM_U8": "8-bit",
    "PCM_S8": "8-bit",
    "PCM_16": "16-bit",
    "PCM_24": "24-bit",
    "PCM_32": "32-bit",
    "FLOAT": "32-bit float",
    "DOUBLE": "64-bit float",
}
LOWEST_RATE_HZ = 1_000
HIGHEST_RATE_HZ = 384_000
LARGEST_FLOAT = 2.0
SILENT_PEAK = 1e-4
FULL_SCALE = 32768
COVERED_SHARE = 0.95
_UNKNOWN_LENGTH = 0xFFFFFFFF  # what programs write that cannot go back to the header, when writing to a pipe
_MOST_CHUNKS = 1000


@dataclass(frozen=True)
class Waveform:
    """One recording and what is to be told of it.

    samples   float32 (T,) in [-1, 1], the mean of the file's channels
    subtype   a key of SUBTYPES, how the file stores its samples
    clipped   share of the file's samples that lie at full scale in runs of 3 or more
    bare      a WAV file with nothing but its sound in it: no tags, no comments, no trailing bytes
    """

    samples: np.ndarray
    sample_rate_hz: int
    channels: int
    subtype: str
    clipped: float
    bare: bool

    @property
    def silent(self) -> bool:
        """Whether no sample reaches 10^-4 of full scale (-80 dB)."""
        return float(np.abs(self.samples).max()) < SILENT_PEAK


def read_waveform(path: Path, max_seconds: float) -> Waveform:
    """One WAV (PCM of 8, 16, 24 or 32 bits, float) or FLAC file as a mono waveform; raises FileFault.

    The content decides, whatever the file is called. A file that holds less sound than its header promises is
    "truncated"; a WAV header with the length left open (0xFFFFFFFF) is read to the end of the file. Float samples up
    to 2 are clipped to [-1, 1], larger ones are of another scale ("bad_range"), as are NaN and infinity. Other
    codes: vanished, unreadable, not_a_file, zero_bytes, not_audio, no_samples, unsupported_encoding, bad_rate,
    too_long. UsageError without soundfile.
    """
    soundfile = _soundfile()
    check_file(path)
    bare = _check_container(path)
    with _faults(soundfile), soundfile.SoundFile(os.fsencode(path)) as file:
        _check_header(file, max_seconds)
        rate_hz, channels, subtype, announced = file.samplerate, file.channels, file.subtype, file.frames
        frames = file.read(dtype="float32", always_2d=True)
    if len(frames) < announced:
        raise FileFault("truncated", f"{len(frames)} of {announced} announced samples are there")
    _check_samples(frames)
    clipped = clipped_share(frames, subtype)
    samples = np.clip(frames.mean(axis=1, dtype=np.float64), -1.0, 1.0).astype(np.float32)
    return Waveform(samples, rate_hz, channels, subtype, clipped, bare)


def clipped_share(frames: np.ndarray, subtype: str) -> float:
    """Share of the samples float (T, channels) at full scale (or beyond) in runs of 3 or more of one sign."""
    full = 127 / 128 if SUBTYPES[subtype] == "8-bit" else 32767 / 32768
    flagged = 0
    for sign in (1, -1):
        at_full = sign * frames >= full
        middle = at_full[:-2] & at_full[1:-1] & at_full[2:]
        in_run = np.zeros_like(at_full)
        for shift in range(3):
            in_run[shift : shift + len(middle)] |= middle
        flagged += int(in_run.sum())
    return flagged / frames.size


def _soundfile() -> ModuleType:
    """The library, imported late: tables and images do without it."""
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: the package is there, libsndfile is not
        raise UsageError('audio needs the extra: pip install "gensynth[audio]"') from None
    return soundfile


def _check_container(path: Path) -> bool:
    """Whether a file is bare (see Waveform); FileFault unless it is a WAV with all its sound, or a FLAC file."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
            if head[:4] == b"fLaC":
                return False
            if head[:4] != b"RIFF" or head[8:] != b"WAVE":
                raise FileFault("not_audio", "the content is neither WAV nor FLAC")
            return _check_chunks(file, path.stat().st_size)
    except OSError as error:
        raise FileFault("unreadable", str(error.strerror).lower()) from None


def _check_chunks(file: io.BufferedReader, size: int) -> bool:
    """Whether a WAV file of `size` bytes is its format and its sound alone; FileFault where sound is missing."""
    names = []
    for name, place, length in islice(riff_chunks(file), _MOST_CHUNKS):
        names.append(name)
        if name == b"data":
            missing = place + length - size
            if missing > 0 and length != _UNKNOWN_LENGTH:
                raise FileFault("truncated", f"{length - missing} of {length} announced bytes are there")
            return names == [b"fmt ", b"data"] and missing == 0
    raise FileFault("truncated", "the header ends before the sound begins")


@contextmanager
def _faults(soundfile: ModuleType) -> Iterator[None]:
    """Every way libsndfile can fail on damaged bytes, as an FileFault without a path in its text."""
    try:
        yield
    except (soundfile.SoundFileError, OSError, ValueError, RuntimeError) as error:
        text = " ".join(str(getattr(error, "error_string", type(error).__name__)).split())[:200]
        raise FileFault("truncated" if "lost sync" in text else "unreadable", text) from None


def _check_header(file: Any, max_seconds: float) -> None:
    """A SoundFile that was opened, held against what is read here."""
    if file.subtype not in SUBTYPES:
        raise FileFault("unsupported_encoding", f"{file.subtype}; PCM or float samples are expected")
    if not LOWEST_RATE_HZ <= file.samplerate <= HIGHEST_RATE_HZ:
        raise FileFault("bad_rate", f"{file.samplerate} Hz; {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz is expected")
    if file.frames == 0:
        raise FileFault("no_samples", "the header is there, but no sound")
    seconds = file.frames / file.samplerate
    if seconds > max_seconds:
        raise FileFault("too_long", f"{seconds:.1f} s is more than {max_seconds:g} s")


def _check_samples(frames: np.ndarray) -> None:
    if not np.isfinite(frames).all():
        raise FileFault("bad_range", "some samples are not finite numbers")
    low, high = float(frames.min()), float(frames.max())
    if max(-low, high) > LARGEST_FLOAT:
        raise FileFault("bad_range", f"samples from {low:g} to {high:g}; -1 to 1 is expected")


def load_waveforms(files: list[tuple[str, Path]], seconds: float, sample_rate_hz: int, max_seconds: float) -> FileSet:
    """Reads (name, path) pairs; faulty and silent files become findings, the others x float32 (M, T) in their order.

    seconds         0: the length that 95 % of the files do not exceed; longer ones are cut at the end, shorter ones
                    filled up with zeros there; all are rounded to 16 bits, as they will be written
    sample_rate_hz  0: the most frequent rate (of equally frequent ones the higher); others are resampled
    Plain are bare 16-bit mono WAV files at the common rate and of exactly T samples.
    """

    def sounding(i: int) -> Waveform:
        found = read_waveform(files[i][1], max_seconds)
        if found.silent:
            raise FileFault("silent", f"no sample reaches {SILENT_PEAK:g} of full scale")
        return found

    waves, findings = usable({i: name for i, (name, _) in enumerate(files)}, sounding)
    rate_hz = sample_rate_hz or (common_rate([w.sample_rate_hz for w in waves.values()]) if waves else 0)
    sounds = [resampled(w.samples, w.sample_rate_hz, rate_hz) for w in waves.values()]
    lengths = np.array([len(sound) for sound in sounds])
    length = max(1, round(seconds * rate_hz)) if seconds else covering_length(lengths) if waves else 1
    x = np.zeros((len(sounds), length), np.float32)
    for row, sound in zip(x, sounds, strict=True):
        row[: min(len(sound), length)] = to_16_bit(sound[:length]).astype(np.float32) / FULL_SCALE
    silent = np.abs(x).max(axis=1) < SILENT_PEAK
    why = f"no sample of the first {length / (rate_hz or 1):g} s reaches {SILENT_PEAK:g} of full scale"
    findings += [Finding(files[i][0], "silent", why) for i, is_silent in zip(waves, silent, strict=True) if is_silent]
    waves = {i: wave for (i, wave), is_silent in zip(waves.items(), silent, strict=True) if not is_silent}
    if not waves:
        return FileSet(np.zeros((0, 0), np.float32), np.zeros(0, int), (), tuple(findings), sample_rate_hz=rate_hz)
    kept, lengths = list(waves.values()), lengths[~silent]
    plain = tuple(_plain(w, rate_hz, length) for w in kept)
    return FileSet(
        x=x[~silent],
        kept=np.array(list(waves), int),
        plain=plain,
        findings=tuple(findings),
        notes=(*_format_notes(kept, rate_hz), *_length_notes(lengths, length, rate_hz, bool(seconds))),
        resized=plain.count(False),
        sample_rate_hz=rate_hz,
    )


def common_rate(rates_hz: list[int]) -> int:
    """The most frequent rate, of equally frequent ones the higher.

    >>> common_rate([8000, 16000, 8000]), common_rate([8000, 16000])
    (8000, 16000)
    """
    return max(Counter(rates_hz).items(), key=lambda item: (item[1], item[0]))[0]


def covering_length(lengths: np.ndarray) -> int:
    """The smallest of the lengths that at least 95 % of them do not exceed.

    >>> covering_length(np.arange(1, 101))
    95
    """
    return int(np.sort(lengths)[math.ceil(COVERED_SHARE * len(lengths)) - 1])


def resampled(samples: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """float32 (T,) at another rate, (T to_hz / from_hz rounded up,), in [-1, 1]; the same array where rates agree."""
    if from_hz == to_hz:
        return samples
    from scipy.signal import resample_poly  # late: it takes a while, and most folders have one rate

    divisor = math.gcd(from_hz, to_hz)
    moved = resample_poly(samples.astype(np.float64), to_hz // divisor, from_hz // divisor)
    return np.clip(moved, -1.0, 1.0).astype(np.float32)


def _plain(found: Waveform, rate_hz: int, length: int) -> bool:
    facts = (found.sample_rate_hz, len(found.samples), found.channels, found.subtype)
    return found.bare and facts == (rate_hz, length, 1, "PCM_16")


def _format_notes(waves: list[Waveform], rate_hz: int) -> list[str]:
    """A sentence on channels, rates, sample formats and clipping each, where there is something to say."""
    stereo, clipped = sum(w.channels > 1 for w in waves), sum(w.clipped > 0 for w in waves)
    rates = Counter(w.sample_rate_hz for w in waves if w.sample_rate_hz != rate_hz)
    kinds = Counter(SUBTYPES[w.subtype] for w in waves if w.subtype != "PCM_16")
    reported = [
        (stereo, "with several channels: averaged to mono"),
        (rates.total(), f"resampled to {rate_hz} Hz: {_counts(rates, ' Hz')}"),
        (kinds.total(), f"not stored with 16 bits: {_counts(kinds, '')}"),
        (clipped, "clipped: 3 or more samples in a row at full scale"),
    ]
    return [f"{_files(n)} {what}" for n, what in reported if n]


def _length_notes(lengths: np.ndarray, length: int, rate_hz: int, requested: bool) -> list[str]:
    """A sentence on rule, length and how many recordings were cut or filled; none where all have one length."""
    cut, filled = int((lengths > length).sum()), int((lengths < length).sum())
    if not cut and not filled:
        return []
    rule = "as asked" if requested else f"covers {COVERED_SHARE:.0%} of the files"
    ends = f"{_files(cut)} cut at the end, {filled} filled up with zeros"
    return [f"length {length / rate_hz:g} s ({length} samples, {rule}): {ends}"]


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _counts(counts: Counter, unit: str) -> str:
    """Counts in order of their keys."""
    return ", ".join(f"{key}{unit} ({count})" for key, count in sorted(counts.items()))


def wav_bytes(x: np.ndarray, sample_rate_hz: int) -> bytes:
    """A waveform (T,) as a 16-bit mono WAV file, the same bytes every time; clipped to [-1, 1], halves to even."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(to_16_bit(x).astype("<i2").tobytes())
    return buffer.getvalue()


def flac_bytes(x: np.ndarray, sample_rate_hz: int) -> bytes:
    """A waveform (T,) as a 16-bit mono FLAC file; the same bytes for one version of libsndfile."""
    buffer = io.BytesIO()
    _soundfile().write(buffer, to_16_bit(x), sample_rate_hz, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def to_16_bit(x: np.ndarray) -> np.ndarray:
    """float (T,) -> int16 (T,), 32768 x, which inverts what `read_waveform` does to 16 bits; ValueError for NaN.

    >>> to_16_bit(np.array([-2.0, -1.0, 0.5, 1.5 / 32768, 2.5 / 32768, 1.0])).tolist()
    [-32768, -32768, 16384, 2, 2, 32767]
    """
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError(f"expected a waveform (T,) of finite numbers, got {x.dtype} {x.shape}")
    whole = np.rint(np.clip(x.astype(np.float64), -1.0, 1.0) * 32768)
    return np.minimum(whole, 32767).astype(np.int16)
