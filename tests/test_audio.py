"""Mel pictures and back: known answers on tones and clicks, rows that ignore neighbours, and what a codec keeps."""

from __future__ import annotations

import io
import json
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gensynth.data.audio import (
    BANDS,
    RANGE_DB,
    AudioCodec,
    band_edges_hz,
    griffin_lim,
    hz_to_mel,
    log_mel,
    mel_filters,
    mel_grid,
    mel_pixels,
    mel_statistics,
    mel_to_hz,
)
from gensynth.errors import DataError, DivergedError
from gensynth.types import LabelledData, Schema

RATE_HZ = 8000
DIGITS = Path(__file__).parents[2] / "shared" / "data" / "free-spoken-digit" / "fsdd-5-speakers.zip"


def tone(frequency_hz: float, length: int = RATE_HZ, sample_rate_hz: int = RATE_HZ) -> np.ndarray:
    """float32 (1, T), amplitude 0.5."""
    return (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(length) / sample_rate_hz)).astype(np.float32)[None]


def chirp(low_hz: float, high_hz: float, length: int) -> np.ndarray:
    """float32 (1, T), amplitude 0.5, its frequency rising evenly."""
    frequency_hz = np.linspace(low_hz, high_hz, length)
    return (0.5 * np.sin(2 * np.pi * np.cumsum(frequency_hz) / RATE_HZ)).astype(np.float32)[None]


def noises(rows: int, length: int) -> np.ndarray:
    """float32 (N, T), every row of another level and with a pause."""
    random = np.random.default_rng(3)
    x = random.normal(0, 0.1, (rows, length)) * random.uniform(0.01, 1, (rows, 1))
    x[:, length // 3 : length // 2] = 0
    return x.astype(np.float32)


def spoken_digits(length: int) -> np.ndarray:
    """float32 (20, T): every digit by two speakers."""
    x = np.zeros((20, length), np.float32)
    with zipfile.ZipFile(DIGITS) as file:
        for i, row in enumerate(x):
            name = f"recordings/{i % 10}_{('george', 'nicolas')[i // 10]}_0.wav"
            with wave.open(io.BytesIO(file.read(name))) as recording:
                sound = np.frombuffer(recording.readframes(length), "<i2") / 32768
            row[: len(sound)] = sound
    return x


def decibels(mel: np.ndarray) -> np.ndarray:
    return RANGE_DB * (mel.astype(np.float64) - 1)


def peak_hz(sound: np.ndarray) -> float:
    """The strongest frequency of a waveform (T,), to 0.1 Hz."""
    size = 10 * RATE_HZ
    return float(np.abs(np.fft.rfft(sound * np.hanning(len(sound)), size)).argmax() * RATE_HZ / size)


class TestScale:
    def test_mel_comes_back(self) -> None:
        frequency_hz = np.array([0.0, 66.0, 999.0, 1000.0, 1001.0, 20_000.0])
        assert np.allclose(mel_to_hz(hz_to_mel(frequency_hz)), frequency_hz, rtol=1e-12)

    @pytest.mark.parametrize(("sample_rate_hz", "size"), [(1000, 32), (8000, 256), (44_100, 1024)])
    def test_filters_share_out_every_bin_and_none_is_empty(self, sample_rate_hz: int, size: int) -> None:
        filters, edges_hz = mel_filters(sample_rate_hz, size, BANDS), band_edges_hz(sample_rate_hz, BANDS)
        bin_hz = sample_rate_hz / size
        bins_hz = np.arange(size // 2 + 1) * bin_hz
        inside = (bins_hz - bin_hz / 2 >= edges_hz[1]) & (bins_hz + bin_hz / 2 <= edges_hz[-2])
        assert filters.shape == (BANDS, size // 2 + 1)
        assert np.allclose(filters.sum(axis=0)[inside], 1)
        assert (filters.sum(axis=1) > 0.1).all()
        assert np.allclose(filters.sum(axis=1) * bin_hz, (edges_hz[2:] - edges_hz[:-2]) / 2)

    @pytest.mark.parametrize(
        ("samples", "sample_rate_hz", "frames"),
        [(4000, 8000, 64), (10_400, 8000, 56), (16_000, 16_000, 64), (1, 8000, 4), (24_000, 8000, 96)],
    )
    def test_frames(self, samples: int, sample_rate_hz: int, frames: int) -> None:
        x = np.zeros((2, samples), np.float32)
        assert log_mel(x, sample_rate_hz).shape == (2, BANDS, frames)
        assert mel_pixels(x, sample_rate_hz).shape == (2, 1, BANDS, frames)
        assert mel_statistics(x, sample_rate_hz).shape == (2, 2 * BANDS)


class TestLogMel:
    @pytest.mark.parametrize("band", [3, 12, 30, 45, 60])
    def test_tone_lights_its_band_and_no_distant_one(self, band: int) -> None:
        level_db = decibels(log_mel(tone(band_edges_hz(RATE_HZ, BANDS)[band + 1]), RATE_HZ))[0, :, 4:-4]
        assert (level_db.argmax(axis=0) == band).all()
        distant = np.abs(np.arange(BANDS) - band) > 6
        assert (level_db[distant].max(axis=0) < level_db[band] - 50).all()

    def test_bands_add_up_to_the_power_of_the_sound(self) -> None:
        power = np.power(10, decibels(log_mel(tone(700), RATE_HZ))[0, :, 4:-4] / 10).sum(axis=0)
        assert np.allclose(power, 0.5**2, rtol=1e-3)

    def test_twice_the_amplitude_adds_6_db_in_every_lit_band(self) -> None:
        x = noises(5, 4000)
        once, twice = log_mel(x, RATE_HZ), log_mel(2 * x, RATE_HZ)
        lit = once > 0
        assert lit.mean() > 0.5
        assert np.allclose(decibels(twice)[lit] - decibels(once)[lit], 20 * np.log10(2), atol=1e-4)

    def test_silence_is_0_and_nothing_exceeds_1(self) -> None:
        assert (log_mel(np.zeros((2, 3000), np.float32), RATE_HZ) == 0).all()
        assert log_mel(4 * tone(band_edges_hz(RATE_HZ, BANDS)[31]), RATE_HZ).max() == 1

    def test_click_lies_in_the_frame_of_its_time(self) -> None:
        x = np.zeros((1, 10_400), np.float32)
        x[0, 5000] = 1
        grid = mel_grid(10_400, RATE_HZ)
        assert log_mel(x, RATE_HZ)[0].mean(axis=0).argmax() == 5000 // (grid.hop * grid.pooled)

    def test_a_loop_over_frames_and_bands_agrees(self) -> None:
        x, grid = noises(1, 2500), mel_grid(2500, RATE_HZ)
        filters = mel_filters(RATE_HZ, grid.size, BANDS)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(grid.size) / grid.size)
        around = np.pad(x[0].astype(np.float64), grid.size)
        for frame in (0, 7, 20, grid.frames - 1):
            start = grid.size + frame * grid.hop - 3 * grid.hop // 2
            power = np.abs(np.fft.fft(around[start : start + grid.size] * window)[: grid.size // 2 + 1]) ** 2
            for band in (0, 20, BANDS - 1):
                found = (filters[band] * power).sum() / (np.square(window).sum() * grid.size / 4)
                expected_db = 10 * np.log10(max(found, 1e-8))
                assert decibels(log_mel(x, RATE_HZ))[0, band, frame] == pytest.approx(expected_db, abs=1e-4)

    def test_pixels_have_low_frequencies_at_the_bottom(self) -> None:
        x = np.concatenate([tone(200), tone(3000)])
        brightest = mel_pixels(x, RATE_HZ)[:, 0].mean(axis=2).argmax(axis=1)
        assert brightest[0] > 3 * BANDS // 4
        assert brightest[1] < BANDS // 4
        assert np.array_equal(mel_pixels(x, RATE_HZ)[:, 0, ::-1], np.rint(log_mel(x, RATE_HZ) * np.float32(255)))

    def test_statistics_are_mean_and_deviation_over_time(self) -> None:
        x = noises(2, 4000)
        mel, found = log_mel(x, RATE_HZ), mel_statistics(x, RATE_HZ)
        assert np.allclose(found[1, 5], mel[1, 5].mean())
        assert np.allclose(found[1, BANDS + 5], np.sqrt(np.mean((mel[1, 5] - mel[1, 5].mean()) ** 2)))

    @pytest.mark.parametrize("x", [np.zeros((2, 9)), np.zeros(9, np.float32), np.zeros((2, 0), np.float32)])
    def test_other_arrays_are_refused(self, x: np.ndarray) -> None:
        with pytest.raises(ValueError, match="float32 waveforms"):
            log_mel(x, RATE_HZ)

    def test_not_finite_is_refused(self) -> None:
        with pytest.raises(ValueError, match="finite"):
            mel_pixels(np.full((1, 9), np.nan, np.float32), RATE_HZ)


class TestRowsAlone:
    """Row i is the same, bit for bit, whatever lies beside it; 64 rows of a second are more than one chunk."""

    @pytest.mark.parametrize("function", [log_mel, mel_pixels, mel_statistics])
    def test_any_batch_and_order(self, function) -> None:
        x = noises(64, RATE_HZ)
        order = np.random.default_rng(0).permutation(64)
        together = function(x, RATE_HZ)
        assert np.array_equal(function(x[order], RATE_HZ), together[order])
        assert np.array_equal(function(x[5:12], RATE_HZ), together[5:12])
        assert all(np.array_equal(function(x[i : i + 1], RATE_HZ)[0], together[i]) for i in (0, 33, 63))

    def test_griffin_lim(self) -> None:
        mel = log_mel(noises(64, 1500), RATE_HZ)
        together = griffin_lim(mel, RATE_HZ, 1500, steps=3)
        assert np.array_equal(griffin_lim(mel[::-1], RATE_HZ, 1500, steps=3), together[::-1])
        assert np.array_equal(griffin_lim(mel[5:12], RATE_HZ, 1500, steps=3), together[5:12])
        assert np.array_equal(griffin_lim(mel[33:34], RATE_HZ, 1500, steps=3)[0], together[33])


class TestGriffinLim:
    """Mean absolute errors between the asked log-mel and that of the sound, in dB; "lit": asked for more than -80 dB.

    The bounds are half as much again as was measured.
    """

    def error_db(self, x: np.ndarray) -> tuple[float, float]:
        """Over all values, and over lit ones."""
        mel = log_mel(x, RATE_HZ)
        error = np.abs(decibels(log_mel(griffin_lim(mel, RATE_HZ, x.shape[1], steps=32), RATE_HZ)) - decibels(mel))
        return float(error.mean()), float(error[mel > 0].mean())

    @pytest.mark.parametrize(("length", "over_all_db", "over_lit_db"), [(4000, 0.30, 1.11), (10_480, 0.45, 1.41)])
    def test_tone(self, length: int, over_all_db: float, over_lit_db: float) -> None:
        over_all, over_lit = self.error_db(tone(440, length))
        assert over_all < 1.5 * over_all_db
        assert over_lit < 1.5 * over_lit_db

    @pytest.mark.parametrize(("length", "over_all_db", "over_lit_db"), [(4000, 0.78, 2.56), (10_480, 1.14, 4.68)])
    def test_chirp_whose_frequency_moves_within_a_frame(
        self, length: int, over_all_db: float, over_lit_db: float
    ) -> None:
        over_all, over_lit = self.error_db(chirp(200, 3000, length))
        assert over_all < 1.5 * over_all_db
        assert over_lit < 1.5 * over_lit_db

    @pytest.mark.skipif(not DIGITS.is_file(), reason="the recordings of shared/data are not here")
    def test_spoken_digits(self) -> None:
        over_all, over_lit = self.error_db(spoken_digits(10_480))
        assert over_all < 1.5 * 0.18
        assert over_lit < 1.5 * 0.53

    def test_more_steps_come_closer(self) -> None:
        mel = log_mel(noises(3, 4000), RATE_HZ)
        errors = [np.abs(log_mel(griffin_lim(mel, RATE_HZ, 4000, n), RATE_HZ) - mel).mean() for n in (0, 4, 32)]
        assert errors[0] > 2 * errors[1] > 2 * errors[2]

    def test_silence_stays_silent(self) -> None:
        assert (griffin_lim(np.zeros((1, BANDS, 64), np.float32), RATE_HZ, 4000, steps=2) == 0).all()

    @pytest.mark.parametrize("shape", [(1, BANDS, 60), (1, 32, 64), (BANDS, 64)])
    def test_other_shapes_are_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=r"\(N, 64, 64\) for 4000 samples"):
            griffin_lim(np.zeros(shape, np.float32), RATE_HZ, 4000, steps=1)

    @pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
    def test_numbers_out_of_range_are_refused(self, value: float) -> None:
        with pytest.raises(ValueError, match="0 to 1"):
            griffin_lim(np.full((1, BANDS, 64), value, np.float32), RATE_HZ, 4000, steps=1)


def recordings(x: np.ndarray) -> LabelledData:
    schema = Schema("audio", ("a", "b"), {"sample_rate_hz": RATE_HZ, "samples": 4000})
    return LabelledData.of_real(x, np.arange(len(x)) % 2, schema)


class TestCodec:
    def test_space_and_state(self) -> None:
        codec = AudioCodec.fit(recordings(noises(4, 4000)))
        again = AudioCodec.from_state(json.loads(json.dumps(codec.state())), 2)
        assert (again.space, again.state()) == (codec.space, {"sample_rate_hz": RATE_HZ, "samples": 4000})
        assert (codec.space.shape, codec.space.num_classes) == ((1, BANDS, 64), 2)
        assert [(block.size, block.kind) for block in codec.space.blocks] == [(BANDS * 64, "real")]

    def test_encoded_is_the_picture_from_minus_1_to_1(self) -> None:
        x = noises(4, 4000)
        t = AudioCodec(RATE_HZ, 4000, 2).encode(x)
        assert (t.dtype, float(t.min())) == (torch.float32, -1.0)
        assert np.array_equal(np.rint((t.numpy() + 1) * 127.5), mel_pixels(x, RATE_HZ))

    @pytest.mark.parametrize("frequency_hz", [150, 440, 452, 1530])
    def test_length_pitch_and_level_come_back(self, frequency_hz: float) -> None:
        codec = AudioCodec(RATE_HZ, 4000, 2)
        sound = codec.decode(codec.encode(tone(frequency_hz, 4000)))
        assert (sound.shape, sound.dtype) == ((1, 4000), np.float32)
        assert peak_hz(sound[0]) == pytest.approx(frequency_hz, abs=5)
        assert np.square(sound).mean() == pytest.approx(0.5**2 / 2, rel=0.1)

    def test_decode_clamps(self) -> None:
        codec = AudioCodec(RATE_HZ, 4000, 2)
        t = torch.full((1, 1, BANDS, 64), 5.0)
        sound = codec.decode(t)
        assert np.abs(sound).max() == 1
        assert np.array_equal(sound, codec.decode(t.clamp(-1, 1)))
        assert (codec.decode(-t) == 0).all()

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_not_finite(self, value: float) -> None:
        codec, t = AudioCodec(RATE_HZ, 4000, 2), torch.zeros(2, 1, BANDS, 64)
        t[1, 0, 3, 4] = value
        with pytest.raises(DivergedError, match="1 of 2 sounds"):
            codec.decode(t)
        with pytest.raises(DivergedError, match="1 of 2 sounds"):
            codec.picture(t[None])

    def test_picture_shows_one_row_a_class(self) -> None:
        codec = AudioCodec(RATE_HZ, 4000, 2)
        x = np.concatenate([tone(200, 4000), tone(3000, 4000)])
        picture = np.asarray(Image.open(io.BytesIO(codec.picture(codec.encode(x)[:, None]))))
        assert picture.shape[:2] == (2 * BANDS + 1, 64)
        grey = picture.reshape(2 * BANDS + 1, 64, -1)[..., 0]
        assert np.array_equal(grey[:BANDS], mel_pixels(x, RATE_HZ)[0, 0])
        assert np.array_equal(grey[BANDS + 1 :], mel_pixels(x, RATE_HZ)[1, 0])

    @pytest.mark.parametrize(
        "change", [{"sample_rate_hz": 8000.0}, {"sample_rate_hz": 999}, {"samples": 0}, {"samples": True}]
    )
    def test_bad_state_is_refused(self, change: dict[str, object]) -> None:
        state = {"sample_rate_hz": RATE_HZ, "samples": 4000}
        with pytest.raises(DataError, match=next(iter(change))):
            AudioCodec.from_state(state | change, 2)
        with pytest.raises(DataError, match="samples"):
            AudioCodec.from_state({"sample_rate_hz": RATE_HZ}, 2)

    def test_other_shapes_are_refused(self) -> None:
        codec = AudioCodec(RATE_HZ, 4000, 2)
        with pytest.raises(ValueError, match=r"\(N, 4000\)"):
            codec.encode(np.zeros((2, 3999), np.float32))
        with pytest.raises(ValueError, match=r"\(N, 1, 64, 64\)"):
            codec.decode(torch.zeros(2, 1, 64, 60))
        with pytest.raises(ValueError, match=r"\(N, 4000\)"):
            AudioCodec.fit(recordings(noises(2, 3999)))
        with pytest.raises(ValueError, match="float32"):
            AudioCodec.fit(LabelledData.of_real(np.zeros((2, 3)), np.zeros(2), Schema("table", ("a",))))
