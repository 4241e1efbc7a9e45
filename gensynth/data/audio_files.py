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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gensynth.data.audio_container import check_container
from gensynth.data.audio_length import Length, SoundInTime, common_length, loss_notes
from gensynth.data.finding import FileFault, FileSet, check_file, usable
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
    "ULAW": "mu-law",
    "ALAW": "A-law",
    "IMA_ADPCM": "ADPCM",
    "MS_ADPCM": "ADPCM",
}
FULL_SCALE_OF = {"PCM_U8": 127 / 128, "PCM_S8": 127 / 128, "ULAW": 32124 / 32768, "ALAW": 32256 / 32768}
LOWEST_RATE_HZ = 1_000
HIGHEST_RATE_HZ = 384_000
LARGEST_FLOAT = 2.0
SILENT_PEAK = 1e-4
FULL_SCALE = 32768
OPEN_FRAMES = 2**60  # libsndfile's length of a FLAC file that was written to a pipe, beyond whose end it cannot seek
OPPOSED = -0.5  # correlation with the loudest channel below which a channel is turned round before they are averaged
_CACHE_BYTES = 2**29


@dataclass(frozen=True)
class Waveform:
    """One recording and what is to be told of it.

    samples   float32 (T,) in [-1, 1], the mean of the file's channels, some of them turned round; see `mono`
    subtype   a key of SUBTYPES, how the file stores its samples
    clipped   share of the file's samples that lie at full scale in runs of 3 or more
    bare      a WAV file with nothing but its sound in it: no tags, no comments, no trailing bytes
    opposed   channels of opposite phase were turned round
    piped     the header leaves the length open
    """

    samples: np.ndarray
    sample_rate_hz: int
    channels: int
    subtype: str
    clipped: float
    bare: bool
    opposed: bool = False
    piped: bool = False

    @property
    def silent(self) -> bool:
        """Whether no sample reaches 10^-4 of full scale (-80 dB)."""
        return float(np.abs(self.samples).max()) < SILENT_PEAK


def read_waveform(path: Path, max_seconds: float) -> Waveform:
    """One WAV (also RF64; PCM of 8 to 32 bits, float, mu-law, A-law, ADPCM) or FLAC file as a mono waveform.

    Raises FileFault. The content decides, whatever the file is called. A file that holds less sound than its header
    promises is "truncated"; one whose header leaves the length open is read to its end. Float samples up
    to 2 are clipped to [-1, 1], larger ones are of another scale ("bad_range"), as are NaN and infinity. Other
    codes: vanished, unreadable, not_a_file, zero_bytes, not_audio, no_samples, unsupported_encoding, bad_rate,
    too_long. UsageError without soundfile.
    """
    soundfile = _soundfile()
    check_file(path)
    container = check_container(path)
    source = container.content(path) or os.fsencode(path)
    with _faults(soundfile), soundfile.SoundFile(source) as file:
        _check_header(file, max_seconds)
        rate_hz, channels, subtype, announced = file.samplerate, file.channels, file.subtype, file.frames
        frames = file.read(dtype="float32", always_2d=True)
    if len(frames) < announced:
        raise FileFault("truncated", f"{len(frames)} of {announced} announced samples are there")
    _check_samples(frames)
    clipped = clipped_share(frames, subtype)
    mixed, opposed = mono(frames)
    samples = np.clip(mixed, -1.0, 1.0).astype(np.float32)
    return Waveform(samples, rate_hz, channels, subtype, clipped, container.bare, opposed, container.piped)


def mono(frames: np.ndarray) -> tuple[np.ndarray, bool]:
    """Frames (T, channels) averaged to float64 (T,), and whether a channel was turned round for it.

    Channels of opposite phase, as a balanced cable leaves them, would average to nothing: those that run against the
    loudest one are turned round first.

    >>> mono(np.array([[0.5, -0.5], [0.25, -0.25]]))[0].tolist(), mono(np.array([[0.5, 0.0], [0.0, 0.5]]))[1]
    ([0.5, 0.25], False)
    """
    products = frames.T.astype(np.float64) @ frames
    energy = np.diag(products)
    loudest = int(np.argmax(energy))
    opposed = products[loudest] < OPPOSED * np.sqrt(energy * energy[loudest])
    signs = np.where(opposed, -1, 1).astype(frames.dtype)
    return (frames * signs).mean(axis=1, dtype=np.float64), bool(opposed.any())


def clipped_share(frames: np.ndarray, subtype: str) -> float:
    """Share of the samples float (T, channels) at full scale (or beyond) in runs of 3 or more of one sign."""
    full = FULL_SCALE_OF.get(subtype, 32767 / 32768)
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
        raise FileFault(
            "unsupported_encoding", f"{file.subtype}; samples as numbers, mu-law, A-law or ADPCM are expected"
        )
    if not LOWEST_RATE_HZ <= file.samplerate <= HIGHEST_RATE_HZ:
        raise FileFault("bad_rate", f"{file.samplerate} Hz; {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz is expected")
    if file.frames == 0:
        raise FileFault("no_samples", "the header is there, but no sound")
    if file.frames >= OPEN_FRAMES:
        raise FileFault(
            "unreadable", "a FLAC file from a pipe, whose header leaves the length open; encode it to a file"
        )
    seconds = file.frames / file.samplerate
    if seconds > max_seconds:
        raise FileFault("too_long", f"{seconds:.1f} s is more than {max_seconds:g} s")


def _check_samples(frames: np.ndarray) -> None:
    if not np.isfinite(frames).all():
        raise FileFault("bad_range", "some samples are not finite numbers")
    low, high = float(frames.min()), float(frames.max())
    if max(-low, high) > LARGEST_FLOAT:
        raise FileFault("bad_range", f"samples from {low:g} to {high:g}; -1 to 1 is expected")


def load_waveforms(
    files: list[tuple[str, Path]],
    seconds: float,
    sample_rate_hz: int,
    max_seconds: float,
    labels: Sequence[str] = (),
) -> FileSet:
    """Reads (name, path) pairs; faulty and silent files become findings, the others x float32 (M, T) in their order.

    seconds         0: as `common_length` finds it; longer recordings are cut at the end, shorter ones filled up with
                    zeros there; all are rounded to 16 bits, as they will be written
    sample_rate_hz  0: the most frequent rate (of equally frequent ones the higher); others are resampled
    labels          class of every file, (N,); none: all are of one
    Plain are bare 16-bit mono .wav files at the common rate and of exactly T samples. Decoded recordings wait in memory
    up to a limit for rate and length to be settled; beyond it they are decoded again.
    """
    sound, waiting, room, lengths = (
        SoundInTime.up_to(max_seconds),
        dict[int, np.ndarray](),
        _CACHE_BYTES,
        dict[int, int](),
    )

    def facts_of(i: int) -> Waveform:
        nonlocal room
        found = read_waveform(files[i][1], max_seconds)
        if found.silent:
            raise FileFault("silent", f"no sample reaches {SILENT_PEAK:g} of full scale")
        sound.add(labels[i] if labels else "", found.samples, found.sample_rate_hz, SILENT_PEAK)
        lengths[i] = len(found.samples)
        if found.samples.nbytes <= room:
            waiting[i] = found.samples
            room -= found.samples.nbytes
        return replace(found, samples=np.zeros(0, np.float32))

    facts, findings = usable({i: name for i, (name, _) in enumerate(files)}, facts_of)
    rate_hz = sample_rate_hz or (common_rate([one.sample_rate_hz for one in facts.values()]) if facts else 0)
    lengths = {i: -(-lengths[i] * rate_hz // one.sample_rate_hz) for i, one in facts.items()}
    length = _length(lengths, seconds, sound, rate_hz)

    def row_of(i: int) -> np.ndarray:
        samples = waiting.pop(i) if i in waiting else read_waveform(files[i][1], max_seconds).samples
        return _row(resampled(samples, facts[i].sample_rate_hz, rate_hz), length.samples, rate_hz)

    rows, silent = usable({i: files[i][0] for i in facts}, row_of)
    if not rows:
        nothing = np.zeros((0, 0), np.float32)
        return FileSet(nothing, np.zeros(0, int), (), (*findings, *silent), sample_rate_hz=rate_hz)
    plain = tuple(lengths[i] == length.samples and _plain(facts[i], rate_hz, files[i][1]) for i in rows)
    kept = np.array([lengths[i] for i in rows])
    lost = loss_notes(sound.kept(length.samples / rate_hz) if labels else {}, max(lengths.values()) / rate_hz)
    return FileSet(
        x=np.stack(list(rows.values())),
        kept=np.array(list(rows), int),
        plain=plain,
        findings=(*findings, *silent),
        notes=(*_format_notes([facts[i] for i in rows], rate_hz), *_length_notes(kept, length, rate_hz), *lost),
        resized=plain.count(False),
        sample_rate_hz=rate_hz,
    )


def _length(lengths: Mapping[int, int], seconds: float, sound: SoundInTime, rate_hz: int) -> Length:
    if seconds:
        return Length(max(1, round(seconds * rate_hz)), "as asked")
    return common_length(np.array(list(lengths.values())), sound, rate_hz) if lengths else Length(1, "")


def _row(samples: np.ndarray, length: int, rate_hz: int) -> np.ndarray:
    """float32 (T,) cut or filled up to (length,), on the grid of 16 bits; FileFault where nothing is heard in it."""
    row = np.zeros(length, np.float32)
    row[: min(len(samples), length)] = to_16_bit(samples[:length]).astype(np.float32) / FULL_SCALE
    if np.abs(row).max() < SILENT_PEAK:
        raise FileFault(
            "silent", f"no sample of the first {length / rate_hz:g} s reaches {SILENT_PEAK:g} of full scale"
        )
    return row


def common_rate(rates_hz: list[int]) -> int:
    """The most frequent rate, of equally frequent ones the higher.

    >>> common_rate([8000, 16000, 8000]), common_rate([8000, 16000])
    (8000, 16000)
    """
    return max(Counter(rates_hz).items(), key=lambda item: (item[1], item[0]))[0]


def resampled(samples: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """float32 (T,) at another rate, (T to_hz / from_hz rounded up,), in [-1, 1]; the same array where rates agree."""
    if from_hz == to_hz:
        return samples
    from scipy.signal import resample_poly  # late: it takes a while, and most folders have one rate

    divisor = math.gcd(from_hz, to_hz)
    moved = resample_poly(samples.astype(np.float64), to_hz // divisor, from_hz // divisor)
    return np.clip(moved, -1.0, 1.0).astype(np.float32)


def _plain(found: Waveform, rate_hz: int, path: Path) -> bool:
    """Whether a file is as synthetic ones are written, its ending too, which it keeps when it is copied."""
    bare = found.bare and path.suffix.lower() == ".wav"
    return bare and (found.sample_rate_hz, found.channels, found.subtype) == (rate_hz, 1, "PCM_16")


def _format_notes(waves: list[Waveform], rate_hz: int) -> list[str]:
    """A sentence on channels, rates, sample formats and clipping each, where there is something to say."""
    stereo, clipped = sum(w.channels > 1 for w in waves), sum(w.clipped > 0 for w in waves)
    opposed, piped = sum(w.opposed for w in waves), sum(w.piped for w in waves)
    rates = Counter(w.sample_rate_hz for w in waves if w.sample_rate_hz != rate_hz)
    kinds = Counter(SUBTYPES[w.subtype] for w in waves if w.subtype != "PCM_16")
    reported = [
        (stereo, "with several channels: averaged to mono"),
        (opposed, "with channels of opposite phase: turned round before they were averaged"),
        (piped, "written to a pipe, without a length in the header: read to the end"),
        (rates.total(), f"resampled to {rate_hz} Hz: {_counts(rates, ' Hz')}"),
        (kinds.total(), f"not stored with 16 bits: {_counts(kinds, '')}"),
        (clipped, "clipped: 3 or more samples in a row at full scale"),
    ]
    return [f"{_files(n)} {what}" for n, what in reported if n]


def _length_notes(lengths: np.ndarray, length: Length, rate_hz: int) -> list[str]:
    """A sentence on rule, length and how many recordings were cut or filled; none where all have one length."""
    cut, filled = int((lengths > length.samples).sum()), int((lengths < length.samples).sum())
    if not cut and not filled:
        return []
    ends = f"{_files(cut)} cut at the end, {filled} filled up with zeros"
    return [f"length {length.samples / rate_hz:g} s ({length.samples} samples, {length.rule}): {ends}"]


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
