"""Operations on waveforms: the physics of each, measured on tones and noise, and what all of them must keep."""

from __future__ import annotations

import numpy as np
import pytest

from gensynth import rng
from gensynth.samplers.audio_operations import (
    DESCRIBED,
    OPERATIONS,
    active_part,
    background_mix,
    coloured_noise,
    frequency_mask,
    gain,
    gaussian_noise,
    pitch_shift,
    polarity,
    remove_band,
    segment_speed,
    shift,
    speed,
    time_mask,
    time_stretch,
)

# Values that leave most recordings natural, by unit: dB of signal over noise, factor, semitones, dB, share.
RANGES: dict[str, tuple[float, float]] = {
    "gaussian_noise": (15.0, 40.0),
    "coloured_noise": (10.0, 40.0),
    "background_mix": (5.0, 30.0),
    "speed": (0.9, 1.1),
    "segment_speed": (0.8, 1.25),
    "time_stretch": (0.8, 1.25),
    "pitch_shift": (-2.0, 2.0),
    "gain": (-12.0, 0.0),
    "shift": (-0.1, 0.1),
    "time_mask": (0.0, 0.1),
    "frequency_mask": (0.0, 0.15),
    "polarity": (0.0, 1.0),
}
RATE_HZ = 8000
RANDOM = {"gaussian_noise", "coloured_noise", "background_mix", "segment_speed", "time_mask", "frequency_mask"}
BACKGROUNDS = np.random.default_rng(1).normal(0, 0.1, (3, 1700)).astype(np.float32)


def with_backgrounds(x, values, seeds, sample_rate_hz):
    return background_mix(x, values, seeds, sample_rate_hz, BACKGROUNDS)


ALL = {**OPERATIONS, "background_mix": with_backgrounds}


@pytest.fixture(params=ALL)
def name(request):
    return request.param


def tone(frequency_hz: float, length: int = RATE_HZ, sample_rate_hz: int = RATE_HZ) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(length) / sample_rate_hz)).astype(np.float32)


def half_tone(frequency_hz: float, sample_rate_hz: int = RATE_HZ) -> np.ndarray:
    """A second whose first half sounds."""
    x = tone(frequency_hz, sample_rate_hz, sample_rate_hz)
    x[sample_rate_hz // 2 :] = 0
    return x


def apply(operation, x: np.ndarray, value: float, seed: int = 0, sample_rate_hz: int = RATE_HZ) -> np.ndarray:
    """One row through an operation."""
    return operation(x[None], np.array([value]), rng.row_seeds(0, "audio", seed, 1), sample_rate_hz)[0]


def peak_hz(x: np.ndarray, sample_rate_hz: int = RATE_HZ) -> float:
    """Frequency of the strongest tone: the parabola through the three highest bins, on a dB scale."""
    size = 2**16
    level = np.log(np.abs(np.fft.rfft(x.astype(np.float64) * np.hanning(len(x)), size)) + 1e-300)
    k = int(level.argmax())
    left, top, right = level[k - 1 : k + 2]
    return (k + 0.5 * (left - right) / (left - 2 * top + right)) * sample_rate_hz / size


def level_db(x: np.ndarray) -> float:
    return 10 * np.log10(np.mean(x.astype(np.float64) ** 2))


def sounding(x: np.ndarray, sample_rate_hz: int = RATE_HZ) -> slice:
    """Where the mean level over 10 ms exceeds half that of a tone of amplitude 0.5."""
    width = sample_rate_hz // 100
    loud = np.flatnonzero(np.convolve(np.abs(x), np.ones(width) / width, "same") > 0.5 * 0.5 * 2 / np.pi)
    return slice(int(loud[0]), int(loud[-1]) + 1)


def middle(x: np.ndarray, sample_rate_hz: int = RATE_HZ) -> np.ndarray:
    """The sounding part without 40 ms at either end."""
    part, margin = sounding(x, sample_rate_hz), sample_rate_hz // 25
    return x[part.start + margin : part.stop - margin]


def words(count: int, length: int = 2001) -> np.ndarray:
    """Rows that differ in pitch, length and level: harmonics under a bell, zeros behind."""
    row, place = np.arange(count)[:, None], np.arange(length) / RATE_HZ
    pitch_hz, seconds = 90 + 3 * row, 0.1 + 0.002 * row
    wave = sum(np.sin(2 * np.pi * k * pitch_hz * place) / k for k in range(1, 12))
    bell = np.where(place < seconds, np.sin(np.pi * np.minimum(place / seconds, 1)), 0)
    return (0.3 * wave * bell / (1 + row % 5)).astype(np.float32)


def request(name: str, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Waveforms, values over the operation's range and seeds."""
    return words(count), np.linspace(*RANGES[name], count), rng.row_seeds(0, "audio", 0, count)


class TestContract:
    def test_shape_and_kind(self, name):
        x, values, seeds = request(name, 9)
        out = ALL[name](x, values, seeds, RATE_HZ)
        assert out.dtype == np.float32
        assert out.shape == x.shape
        assert np.isfinite(out).all()
        assert not np.array_equal(out, x)

    def test_no_rows(self, name):
        assert ALL[name](words(0), np.zeros(0), np.zeros(0, np.uint64), RATE_HZ).shape == (0, 2001)

    @pytest.mark.parametrize("size", [1, 7, 64])
    def test_a_row_is_the_same_in_batches_of_any_size(self, name, size):
        x, values, seeds = request(name, 64)
        whole = ALL[name](x, values, seeds, RATE_HZ)
        for low in range(0, 64, size):
            part = slice(low, low + size)
            np.testing.assert_array_equal(ALL[name](x[part], values[part], seeds[part], RATE_HZ), whole[part])

    @pytest.mark.parametrize(
        "rows", [slice(None, None, -1), slice(5, None, 9), np.random.default_rng(0).permutation(64)]
    )
    def test_a_row_is_the_same_in_any_order_and_subset(self, name, rows):
        x, values, seeds = request(name, 64)
        whole = ALL[name](x, values, seeds, RATE_HZ)
        np.testing.assert_array_equal(ALL[name](x[rows], values[rows], seeds[rows], RATE_HZ), whole[rows])

    def test_the_order_of_samples_in_memory_does_not_matter(self, name):
        x, values, seeds = request(name, 7)
        turned = ALL[name](np.asfortranarray(x), values, seeds, RATE_HZ)
        np.testing.assert_array_equal(turned, ALL[name](x, values, seeds, RATE_HZ))

    def test_the_source_is_not_changed(self, name):
        x, values, seeds = request(name, 7)
        before = x.copy()
        for array in (x, values, seeds):
            array.flags.writeable = False
        out = ALL[name](x, values, seeds, RATE_HZ)
        out += 1
        np.testing.assert_array_equal(x, before)

    def test_seeds_matter_where_something_is_drawn(self, name):
        x, values, seeds = request(name, 7)
        first, again = (ALL[name](x, values, seeds, RATE_HZ) for _ in range(2))
        other = ALL[name](x, values, seeds + np.uint64(1000), RATE_HZ)
        np.testing.assert_array_equal(first, again)
        assert np.array_equal(first, other) == (name not in RANDOM)

    def test_silent_rows_stay_silent_and_finite(self, name):
        x, values, seeds = request(name, 3)
        x[0] = 0
        x[1] = 5e-5 * np.sign(x[1])
        out = ALL[name](x, values, seeds, RATE_HZ)
        assert np.isfinite(out).all()
        assert (out[0] == 0).all()
        assert np.abs(out[1]).max() < 2e-4

    @pytest.mark.parametrize("length", [1, 2, 31])
    def test_very_short_rows(self, name, length):
        x = np.full((2, length), 0.3, np.float32)
        values = np.array(RANGES[name])
        assert np.isfinite(ALL[name](x, values, rng.row_seeds(0, "audio", 0, 2), RATE_HZ)).all()

    @pytest.mark.parametrize("value", [np.nan, -1000.0, 1000.0])
    def test_values_out_of_range_are_refused(self, name, value):
        with pytest.raises(ValueError, match="values must lie in"):
            apply(ALL[name], words(1)[0], value)

    def test_wrong_shapes_are_refused(self, name):
        x, values, seeds = request(name, 3)
        for wrong in (x.astype(np.float64), x[0], x[:, :0]):
            with pytest.raises(ValueError, match="expected float32 waveforms"):
                ALL[name](wrong, values, seeds, RATE_HZ)
        with pytest.raises(ValueError, match="expected 3 values and seeds"):
            ALL[name](x, values[:2], seeds, RATE_HZ)

    def test_everything_is_described(self):
        assert set(RANGES) == set(DESCRIBED) == set(ALL)
        assert all(low < high for low, high in RANGES.values())


class TestNoise:
    @pytest.mark.parametrize("operation", [gaussian_noise, coloured_noise, with_backgrounds])
    @pytest.mark.parametrize("snr_db", [-5.0, 0.0, 12.5, 40.0])
    def test_the_ratio_is_what_was_asked(self, operation, snr_db):
        for seed, x in enumerate(words(8)):
            part = active_part(x[None])[0]
            noise = apply(operation, x, snr_db, seed).astype(np.float64) - x
            assert level_db(x[part]) - level_db(noise[part]) == pytest.approx(snr_db, abs=0.01)
            assert np.abs(noise[~part]).max() > 0

    def test_the_active_part_ends_with_the_sound(self):
        x = np.zeros((2, 100), np.float32)
        x[0, 20:60] = 0.5
        x[0, 30:40] = 0
        x[0, 70] = 0.004
        expected = np.zeros((2, 100), bool)
        expected[0, 20:60] = True
        np.testing.assert_array_equal(active_part(x), expected)

    def test_gaussian_noise_is_white(self):
        x = tone(440, 2**15)
        power = np.abs(np.fft.rfft(apply(gaussian_noise, x, 0.0) - x)) ** 2
        low, high = power[: len(power) // 2].mean(), power[len(power) // 2 :].mean()
        assert low / high == pytest.approx(1, abs=0.05)

    def test_coloured_noise_falls_as_its_exponent_says(self):
        x = tone(440, 2**15)
        slopes = []
        for seed in range(12):
            power = np.abs(np.fft.rfft(apply(coloured_noise, x, 0.0, seed) - x)) ** 2
            octaves = [power[2**k : 2 ** (k + 1)].mean() for k in range(8, 14)]
            slopes.append(-np.polyfit(np.arange(6), np.log2(octaves), 1)[0])
        exponents = 2 * rng.uniform(rng.row_seeds(0, "audio", 0, 12), 1, "audio.coloured_noise.exponent")[:, 0]
        np.testing.assert_allclose(slopes, exponents, atol=0.1)
        assert np.ptp(exponents) > 1

    def test_coloured_noise_has_nothing_below_20_hz(self):
        x = tone(440)
        spectrum = np.abs(np.fft.rfft(apply(coloured_noise, x, 0.0).astype(np.float64) - x))
        assert spectrum[:20].max() < 1e-4 * spectrum[20:].max()

    def test_a_background_is_one_recording_from_some_place_on(self):
        x = words(1, 500)[0]
        found = set()
        for seed in range(6):
            noise = apply(with_backgrounds, x, 0.0, seed).astype(np.float64) - x
            pieces = np.lib.stride_tricks.sliding_window_view(np.tile(BACKGROUNDS, 2), 500, axis=1)[:, :1700]
            likeness = pieces @ noise / np.linalg.norm(pieces, axis=2) / np.linalg.norm(noise)
            assert likeness.max() > 0.9999
            found.add(np.unravel_index(likeness.argmax(), likeness.shape))
        assert len({which for which, _ in found}) > 1
        assert len({start for _, start in found}) > 3

    def test_a_short_background_goes_round(self):
        x = tone(440, 900)
        seeds = rng.row_seeds(0, "audio", 0, 1)
        noise = background_mix(x[None], np.array([0.0]), seeds, RATE_HZ, BACKGROUNDS[:, :300])[0] - x
        np.testing.assert_allclose(noise[300:600], noise[:300], atol=1e-6)

    def test_a_background_that_pauses_under_the_sound_is_not_blown_up(self):
        x = half_tone(440)
        click = np.zeros((1, RATE_HZ), np.float32)
        click[0, :10] = 0.5
        for seed in range(8):
            out = background_mix(x[None], np.array([20.0]), rng.row_seeds(0, "audio", seed, 1), RATE_HZ, click)[0]
            assert level_db(out.astype(np.float64) - x) <= level_db(x[: RATE_HZ // 2]) + 0.01

    def test_a_silent_background_changes_nothing(self):
        x = words(2)
        quiet = np.zeros((1, 50), np.float32)
        out = background_mix(x, np.zeros(2), rng.row_seeds(0, "audio", 0, 2), RATE_HZ, quiet)
        np.testing.assert_array_equal(out, x)

    def test_no_background_is_refused(self):
        with pytest.raises(ValueError, match="at least one recording"):
            background_mix(words(1), np.zeros(1), np.zeros(1, np.uint64), RATE_HZ, BACKGROUNDS[:0])


class TestTempoAndPitch:
    @pytest.mark.parametrize("sample_rate_hz", [8000, 16000, 44100])
    @pytest.mark.parametrize("factor", [0.8, 1.25])
    def test_stretching_keeps_the_pitch_and_changes_the_length(self, factor, sample_rate_hz):
        y = apply(time_stretch, half_tone(440, sample_rate_hz), factor, 0, sample_rate_hz)
        part = sounding(y, sample_rate_hz)
        assert peak_hz(middle(y, sample_rate_hz), sample_rate_hz) == pytest.approx(440, abs=0.01)
        assert (part.stop - part.start) * factor == pytest.approx(sample_rate_hz / 2, rel=0.005)
        assert level_db(middle(y, sample_rate_hz)) == pytest.approx(level_db(tone(440)), abs=0.05)

    @pytest.mark.parametrize("semitones", [-12.0, -2.0, -0.5, 0.5, 2.0, 12.0])
    @pytest.mark.parametrize("sample_rate_hz", [8000, 44100])
    def test_shifting_the_pitch_keeps_the_length(self, semitones, sample_rate_hz):
        y = apply(pitch_shift, half_tone(440, sample_rate_hz), semitones, 0, sample_rate_hz)
        part = sounding(y, sample_rate_hz)
        cents = 1200 * np.log2(peak_hz(middle(y, sample_rate_hz), sample_rate_hz) / 440)
        assert cents == pytest.approx(100 * semitones, abs=0.05)
        assert part.stop - part.start == pytest.approx(sample_rate_hz / 2, rel=0.01)
        assert level_db(middle(y, sample_rate_hz)) == pytest.approx(level_db(tone(440)), abs=0.05)

    @pytest.mark.parametrize("factor", [0.8, 0.9371, 1.25])
    def test_speed_moves_both(self, factor):
        y = apply(speed, half_tone(440), factor)
        part = sounding(y)
        assert peak_hz(middle(y)) == pytest.approx(440 * factor, abs=0.01)
        assert (part.stop - part.start) * factor == pytest.approx(RATE_HZ / 2, rel=0.005)
        assert level_db(middle(y)) == pytest.approx(level_db(tone(440)), abs=0.01)

    def test_harmonics_stay_harmonics(self):
        x = sum(tone(150 * k) / k for k in range(1, 8)).astype(np.float32)
        y = apply(time_stretch, x, 1.1)[800:6400]
        spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y)), 16000))
        for k in range(1, 8):
            around = spectrum[300 * k - 30 : 300 * k + 31]
            assert abs(int(around.argmax()) - 30) <= 1
            assert around.max() * k == pytest.approx(spectrum[300], rel=0.1)

    @pytest.mark.parametrize("factor", [0.8, 1.25])
    def test_a_click_over_a_tone_stays_one_click(self, factor):
        shares = []
        for place in range(4000, 4128, 8):
            x = 0.1 * tone(200)
            x[place] = 1
            edges = np.diff(apply(time_stretch, x, factor), 2) ** 2
            new = round(place / factor)
            shares.append(edges[new - 25 : new + 25].sum() / edges[new - 600 : new + 600].sum())
        assert np.mean(shares) > 0.8

    def test_what_is_read_faster_does_not_alias(self):
        assert level_db(apply(speed, tone(3700), 1.25)[100:6300]) < level_db(tone(3700)) - 55
        assert level_db(apply(pitch_shift, tone(3700), 4.0)[800:7200]) < level_db(tone(3700)) - 55

    @pytest.mark.parametrize("operation", [speed, segment_speed, time_stretch, pitch_shift])
    def test_nothing_asked_is_the_identity(self, operation):
        x = words(1)[0]
        np.testing.assert_allclose(apply(operation, x, 0.0 if operation is pitch_shift else 1.0), x, atol=1e-6)

    @pytest.mark.parametrize("factor", [0.8, 1.25])
    def test_a_segment_changes_speed_and_the_rest_stays(self, factor):
        for seed in range(5):
            start, count = drawn_segment(seed, 0, RATE_HZ)
            end, new_end = start + count, start + round(count / factor)
            for x in (tone(440), np.random.default_rng(0).normal(0, 0.1, RATE_HZ).astype(np.float32)):
                x[0], x[-1] = 0.5, 0.5
                y = apply(segment_speed, x, factor, seed)
                rest = min(RATE_HZ - end, RATE_HZ - new_end)
                np.testing.assert_array_equal(y[:start], x[:start])
                np.testing.assert_array_equal(y[new_end : new_end + rest], x[end : end + rest])
                assert (y[new_end + rest :] == 0).all()
            y = apply(segment_speed, tone(440), factor, seed)
            assert peak_hz(y[start + 50 : min(new_end, RATE_HZ) - 50]) == pytest.approx(440 * factor, abs=1)

    def test_a_segment_lies_in_the_active_part(self):
        x = np.zeros(RATE_HZ, np.float32)
        x[3000:5000] = np.random.default_rng(0).normal(0, 0.1, 2000)
        x[3000], x[4999] = 0.5, 0.5
        counts = []
        for seed in range(20):
            start, count = drawn_segment(seed, 3000, 2000)
            y = apply(segment_speed, x, 1.25, seed)
            assert np.flatnonzero(x != y)[0] == pytest.approx(start, abs=2)
            assert start + count <= 5000
            counts.append(count)
        assert 0.2 * 2000 <= min(counts) < 0.3 * 2000
        assert 0.5 * 2000 < max(counts) <= 0.6 * 2000


def drawn_segment(seed: int, first: int, length: int) -> tuple[int, int]:
    """Start and length of the segment that a seed draws in an active part of `length` samples from `first` on."""
    share, place = rng.uniform(rng.row_seeds(0, "audio", seed, 1), 2, "audio.segment_speed")[0]
    count = round((0.2 + 0.4 * share) * length)
    return first + int(place * (length - count + 1)), count


class TestMasks:
    def test_a_tone_inside_the_band_goes_and_one_outside_stays(self):
        inside = remove_band(tone(1000), 800, 1200, RATE_HZ)[800:-800]
        outside = remove_band(tone(1000), 1400, 1800, RATE_HZ)[800:-800]
        assert level_db(inside) < level_db(tone(1000)) - 60
        np.testing.assert_allclose(outside, tone(1000)[800:-800], atol=1e-4)

    def test_the_band_has_the_asked_width_and_its_place_is_random(self):
        x = np.random.default_rng(0).normal(0, 0.1, 4 * RATE_HZ).astype(np.float32)
        lows = []
        for seed in range(6):
            y = apply(frequency_mask, x, 0.2, seed)
            power = (np.abs(np.fft.rfft(y)) ** 2).reshape(-1)[:-1].reshape(200, -1).mean(axis=1)
            gone = np.flatnonzero(power < 0.1 * np.median(power))
            assert len(gone) == pytest.approx(40, abs=3)
            assert np.ptp(gone) == len(gone) - 1
            lows.append(gone[0])
        assert np.ptp(lows) > 20

    def test_no_band_is_the_identity(self):
        x = words(1)[0]
        np.testing.assert_array_equal(apply(frequency_mask, x, 0.0), x)

    def test_a_stretch_of_the_asked_length_is_silent_between_fades(self):
        x = np.full(RATE_HZ, 0.5, np.float32)
        starts = []
        for seed in range(8):
            y = apply(time_mask, x, 0.1, seed)
            silent = np.flatnonzero(y == 0)
            assert len(silent) == 800
            assert np.ptp(silent) == 799
            assert np.abs(np.diff(y)).max() <= 0.5 / 40 + 1e-6
            assert (y != x).sum() <= 800 + 2 * 40
            starts.append(silent[0])
        assert np.ptp(starts) > 1000

    def test_masks_of_nothing_and_of_everything(self):
        x = words(1)[0]
        np.testing.assert_array_equal(apply(time_mask, x, 0.0), x)
        assert (apply(time_mask, x, 1.0) == 0).all()
        assert np.abs(apply(frequency_mask, x, 1.0)).max() < 1e-9


class TestLoudnessAndPlace:
    @pytest.mark.parametrize("change_db", [-12.0, -0.5, 0.0, 6.0])
    def test_gain_is_exact(self, change_db):
        x = words(1)[0]
        assert level_db(apply(gain, x, change_db)) - level_db(x) == pytest.approx(change_db, abs=1e-5)

    def test_shift_moves_whole_samples_and_fills_with_zeros(self):
        x = np.arange(1, 11, dtype=np.float32)
        assert apply(shift, x, 0.3).tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 6, 7]
        assert apply(shift, x, -0.2).tolist() == [3, 4, 5, 6, 7, 8, 9, 10, 0, 0]
        assert apply(shift, x, 1.0).tolist() == [0] * 10

    def test_polarity_turns_rows_upside_down(self):
        x = words(2)
        out = polarity(x, np.array([0.49, 0.5]), np.zeros(2, np.uint64), RATE_HZ)
        np.testing.assert_array_equal(out, [x[0], -x[1]])
