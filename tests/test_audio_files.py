"""Recordings on disk: what is read exactly, what is refused and under which code, and what is told of the rest."""

from __future__ import annotations

import io
import os
import struct
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from gensynth.data.audio_files import (
    Waveform,
    clipped_share,
    flac_bytes,
    load_waveforms,
    read_waveform,
    wav_bytes,
)
from gensynth.data.finding import FileFault
from gensynth.errors import UsageError

soundfile = pytest.importorskip("soundfile", reason='needs the extra "audio"')

RATE_HZ = 8000
LONGEST_SECONDS = 10.0
SUBTYPES = {"PCM_U8": 2**-7, "PCM_16": 2**-15, "PCM_24": 2**-23, "PCM_32": 2**-23, "FLOAT": 1e-9, "DOUBLE": 1e-7}

ID3 = b"ID3\3\0\0\0\0\2\5"  # head of a tag of 261 bytes


def sound(length: int = 800, seed: int = 0) -> np.ndarray:
    """float32 noise on the grid of 16-bit samples."""
    return (np.random.default_rng(seed).integers(-20000, 20000, length) / 32768).astype(np.float32)


def saved(path: Path, x: np.ndarray, subtype: str = "PCM_16", sample_rate_hz: int = RATE_HZ) -> Path:
    soundfile.write(path, x, sample_rate_hz, subtype=subtype)
    return path


def read(path: Path) -> Waveform:
    return read_waveform(path, LONGEST_SECONDS)


def reason(path: Path, max_seconds: float = LONGEST_SECONDS) -> str:
    with pytest.raises(FileFault) as caught:
        read_waveform(path, max_seconds)
    assert str(path.parent) not in str(caught.value)
    return caught.value.reason


def changed(path: Path, place: int, content: bytes) -> Path:
    """The file with some bytes replaced."""
    old = path.read_bytes()
    path.write_bytes(old[:place] + content + old[place + len(content) :])
    return path


def load(tmp_path: Path, seconds: float = 0.0, sample_rate_hz: int = 0):
    files = [(path.name, path) for path in sorted(tmp_path.iterdir())]
    return load_waveforms(files, seconds, sample_rate_hz, LONGEST_SECONDS)


class TestRead:
    @pytest.mark.parametrize("subtype", SUBTYPES)
    def test_every_sample_format(self, tmp_path, subtype):
        found = read(saved(tmp_path / "a.wav", sound(), subtype))
        assert found.samples.dtype == np.float32
        assert (found.sample_rate_hz, found.channels, found.subtype) == (RATE_HZ, 1, subtype)
        assert (found.clipped, found.silent) == (0, False)
        np.testing.assert_allclose(found.samples, sound(), atol=SUBTYPES[subtype])

    @pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
    def test_flac(self, tmp_path, subtype):
        found = read(saved(tmp_path / "a.flac", sound(), subtype))
        assert (found.subtype, found.bare) == (subtype, False)
        np.testing.assert_allclose(found.samples, sound(), atol=2**-7 if subtype == "PCM_S8" else 0)

    def test_channels_are_averaged(self, tmp_path):
        left, right = sound(seed=0), sound(seed=1)
        found = read(saved(tmp_path / "a.wav", np.stack([left, right], axis=1)))
        assert found.channels == 2
        np.testing.assert_allclose(found.samples, (left + right) / 2, atol=1e-7)

    def test_channels_of_opposite_phase_do_not_cancel(self, tmp_path):
        found = read(saved(tmp_path / "a.wav", np.stack([sound(), -sound()], axis=1)))
        assert found.opposed
        np.testing.assert_allclose(np.abs(found.samples), np.abs(sound()), atol=1e-7)

    @pytest.mark.parametrize(("subtype", "share"), [("ULAW", 0.02), ("ALAW", 0.02), ("MS_ADPCM", 0.3)])
    def test_companded_and_adaptive_samples(self, tmp_path, subtype, share):
        x = (0.5 * np.sin(np.arange(800) / 5)).astype(np.float32)
        found = read(saved(tmp_path / "a.wav", x, subtype))
        assert (found.subtype, found.bare) == (subtype, False)
        assert np.abs(found.samples[:800] - x).mean() < share * np.abs(x).mean()

    def test_full_scale_of_companded_samples_is_clipping(self, tmp_path):
        x = 0.1 * sound()
        x[10:20] = 1
        for subtype in ("ULAW", "ALAW"):
            assert read(saved(tmp_path / f"{subtype}.wav", x, subtype)).clipped == pytest.approx(10 / 800)

    @pytest.mark.parametrize("length", [0, 0x7FFFF000, 0x80000000, 0xFFFFFFFF])
    @pytest.mark.parametrize("channels", [1, 2])
    def test_every_header_that_a_pipe_leaves_is_read_to_the_end(self, tmp_path, length, channels):
        x = np.repeat(sound()[:, None], channels, axis=1)
        path = changed(saved(tmp_path / "a.wav", x), 40, struct.pack("<I", length))
        found = read(changed(path, 4, struct.pack("<I", min(length + 36, 2**32 - 1) if length else 0)))
        assert (found.piped, found.bare) == (True, False)
        np.testing.assert_array_equal(found.samples, sound())

    def test_an_empty_sound_before_a_tag_is_no_pipe(self, tmp_path):
        path = saved(tmp_path / "a.wav", sound(0))
        content = path.read_bytes() + b"LIST\4\0\0\0abcd"
        path.write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])
        assert reason(path) == "no_samples"

    def test_lengths_of_64_bits(self, tmp_path):
        path = tmp_path / "a.wav"
        soundfile.write(path, sound(), RATE_HZ, format="RF64", subtype="PCM_16")
        assert path.read_bytes()[:4] == b"RF64"
        np.testing.assert_array_equal(read(path).samples, sound())
        path.write_bytes(path.read_bytes()[:-200])
        assert reason(path) == "truncated"

    def test_the_content_decides_not_the_name(self, tmp_path):
        path = tmp_path / "a.wav"
        path.write_bytes(flac_bytes(sound(), RATE_HZ))
        np.testing.assert_array_equal(read(path).samples, sound())

    def test_an_open_length_is_read_to_the_end(self, tmp_path):
        found = read(changed(saved(tmp_path / "a.wav", sound()), 40, b"\xff\xff\xff\xff"))
        assert not found.bare
        np.testing.assert_array_equal(found.samples, sound())

    def test_only_files_without_tags_are_bare(self, tmp_path):
        path = saved(tmp_path / "a.wav", sound())
        assert read(path).bare
        path.write_bytes(path.read_bytes() + b"LIST\4\0\0\0abcd")
        assert not read(path).bare
        titled = tmp_path / "b.wav"
        with soundfile.SoundFile(titled, "w", RATE_HZ, 1, "PCM_16") as file:
            file.title = "said by someone"
            file.write(sound())
        assert not read(titled).bare

    def test_clipping_is_runs_at_full_scale(self, tmp_path):
        x = 0.1 * sound()
        x[10:12], x[20:23], x[40:45] = 1, 1, -1
        assert read(saved(tmp_path / "a.wav", x)).clipped == pytest.approx(8 / 800)
        assert read(saved(tmp_path / "b.wav", x, "PCM_U8")).clipped == pytest.approx(8 / 800)
        assert clipped_share(np.array([[1.0], [-1.0], [1.0]]), "FLOAT") == 0
        assert clipped_share(np.array([[1.0], [1.0]]), "FLOAT") == 0

    def test_floats_a_little_beyond_full_scale_are_clipped(self, tmp_path):
        x = sound()
        x[5:9] = 1.5
        found = read(saved(tmp_path / "a.wav", x, "FLOAT"))
        assert found.samples.max() == 1
        assert found.clipped == pytest.approx(4 / 800)

    def test_silence(self, tmp_path):
        assert read(saved(tmp_path / "a.wav", np.full(800, 9e-5), "FLOAT")).silent
        assert not read(saved(tmp_path / "b.wav", np.full(800, 2e-4), "FLOAT")).silent

    @pytest.mark.skipif(sys.platform == "win32", reason="names are text there")
    def test_a_name_that_is_not_utf_8(self, tmp_path):
        path = tmp_path / os.fsdecode(b"caf\xe9.wav")
        try:
            path.write_bytes(wav_bytes(sound(), RATE_HZ))
        except OSError:
            pytest.skip("the file system takes UTF-8 names only")
        np.testing.assert_array_equal(read(path).samples, sound())

    @pytest.mark.parametrize(
        "tags",
        [ID3 + bytes(261), ID3[:6] + bytes(4), 2 * (ID3 + bytes(261)), b"ID3\4\0\x10" + ID3[6:] + bytes(261 + 10)],
        ids=["one", "empty", "two", "with a footer"],
    )
    def test_flac_behind_id3_tags(self, tmp_path, tags):
        path = tmp_path / "a.flac"
        path.write_bytes(tags + flac_bytes(sound(), RATE_HZ))
        np.testing.assert_array_equal(read(path).samples, sound())
        assert not read(path).bare


class TestRefused:
    def test_no_bytes(self, tmp_path):
        path = tmp_path / "a.wav"
        path.touch()
        assert reason(path) == "zero_bytes"

    def test_no_samples(self, tmp_path):
        assert reason(saved(tmp_path / "a.wav", sound(0))) == "no_samples"

    def test_gone_and_folder(self, tmp_path):
        assert reason(tmp_path / "gone.wav") == "vanished"
        (tmp_path / "folder.wav").mkdir()
        assert reason(tmp_path / "folder.wav") == "not_a_file"

    def test_something_else_behind_an_id3_tag(self, tmp_path):
        path = tmp_path / "a.flac"
        for content in (b"\xff\xfb\x90" + bytes(100), b"", ID3):
            path.write_bytes(ID3 + bytes(261) + content)
            assert reason(path) == "not_audio"

    def test_a_damaged_flac_file_behind_an_id3_tag(self, tmp_path):
        path = tmp_path / "a.flac"
        path.write_bytes(ID3 + bytes(261) + flac_bytes(sound(), RATE_HZ)[:-300])
        assert reason(path) == "truncated"

    @pytest.mark.parametrize("content", [b"no sound at all", b"R", b"RIFF\0\0\0\0AVI LIST", b"OggS" + bytes(100)])
    def test_not_audio(self, tmp_path, content):
        path = tmp_path / "a.wav"
        path.write_bytes(content)
        assert reason(path) == "not_audio"

    @pytest.mark.parametrize("size", [12, 20, 43])
    def test_a_header_that_ends_early(self, tmp_path, size):
        path = saved(tmp_path / "a.wav", sound())
        path.write_bytes(path.read_bytes()[:size])
        assert reason(path) == "truncated"

    @pytest.mark.parametrize("size", [44, 45, 1000, 1642, 1643])
    def test_a_header_that_promises_more_than_there_is(self, tmp_path, size):
        path = saved(tmp_path / "a.wav", sound())
        path.write_bytes(path.read_bytes()[:size])
        assert reason(path) == "truncated"

    def test_a_flac_file_that_ends_early(self, tmp_path):
        path = tmp_path / "a.flac"
        path.write_bytes(flac_bytes(sound(20000), RATE_HZ)[:-3000])
        assert reason(path) == "truncated"
        path.write_bytes(flac_bytes(sound(20000), RATE_HZ)[:60])
        assert reason(path) == "unreadable"

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_samples_that_are_no_numbers(self, tmp_path, value):
        x = sound()
        x[3] = value
        assert reason(saved(tmp_path / "a.wav", x, "FLOAT")) == "bad_range"

    def test_floats_of_another_scale(self, tmp_path):
        assert reason(saved(tmp_path / "a.wav", 32768 * sound(), "FLOAT")) == "bad_range"

    def test_too_long(self, tmp_path):
        path = saved(tmp_path / "a.wav", sound(801))
        assert reason(path, 0.1) == "too_long"
        assert len(read_waveform(path, 0.2).samples) == 801

    @pytest.mark.parametrize("rate_hz", [0, 1, 999, 2**31 - 1])
    def test_rates_nobody_records_at(self, tmp_path, rate_hz):
        path = changed(saved(tmp_path / "a.wav", sound()), 24, struct.pack("<I", rate_hz))
        assert reason(path) == ("bad_rate" if rate_hz else "unreadable")

    def test_other_encodings(self, tmp_path):
        assert reason(saved(tmp_path / "a.wav", sound(), "GSM610")) == "unsupported_encoding"

    @pytest.mark.parametrize("name", ["a.wav", "a.flac"])
    def test_random_damage_is_a_fault_or_a_waveform(self, tmp_path, name):
        random, path = np.random.default_rng(0), saved(tmp_path / name, sound())
        good, faults, peaks = path.read_bytes(), [], []
        for _ in range(100):
            bad = bytearray(good)
            for place in random.integers(0, 100, 3):
                bad[place] = random.integers(256)
            path.write_bytes(bad)
            try:
                peaks.append(np.abs(read(path).samples).max())
            except FileFault as fault:
                faults.append(str(fault))
        assert len(faults) > 10
        assert str(tmp_path) not in " ".join(faults)
        assert max(peaks, default=0) <= 1

    def test_without_soundfile(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "soundfile", None)
        with pytest.raises(UsageError, match=r"pip install \"gensynth\[audio\]\""):
            read(tmp_path / "a.wav")


class TestLoad:
    def test_equal_files_are_plain_and_need_no_word(self, tmp_path):
        for k in range(3):
            (tmp_path / f"{k}.wav").write_bytes(wav_bytes(sound(seed=k), RATE_HZ))
        found = load(tmp_path)
        np.testing.assert_array_equal(found.x, [sound(seed=k) for k in range(3)])
        assert (found.plain, found.notes, found.findings) == ((True, True, True), (), ())
        assert found.sample_rate_hz == RATE_HZ
        assert found.kept.tolist() == [0, 1, 2]

    def test_faulty_and_silent_files_are_findings(self, tmp_path):
        saved(tmp_path / "a.wav", sound())
        saved(tmp_path / "b.wav", np.zeros(5000))
        (tmp_path / "c.wav").touch()
        saved(tmp_path / "d.wav", sound(seed=1))
        found = load(tmp_path)
        assert [(f.file, f.reason) for f in found.findings] == [("b.wav", "silent"), ("c.wav", "zero_bytes")]
        assert found.kept.tolist() == [0, 3]
        np.testing.assert_array_equal(found.x, [sound(), sound(seed=1)])

    def test_nothing_but_silence(self, tmp_path):
        saved(tmp_path / "a.wav", np.zeros(5000))
        found = load(tmp_path)
        assert found.x.shape == (0, 0)
        assert [f.reason for f in found.findings] == ["silent"]

    def test_nothing_usable(self, tmp_path):
        (tmp_path / "a.wav").touch()
        found = load(tmp_path)
        assert found.x.shape == (0, 0)
        assert (len(found.findings), found.kept.tolist(), found.plain) == (1, [], ())

    def test_the_length_covers_95_percent(self, tmp_path):
        for k in range(20):
            saved(tmp_path / f"{k:02d}.wav", sound(1000 + 10 * k) if k < 19 else np.r_[sound(), 0.01 * sound(6200)])
        found = load(tmp_path)
        assert found.x.shape == (20, 1180)
        assert found.notes == (
            "length 0.1475 s (1180 samples, covers 95% of the files): 1 file cut at the end, 18 filled up with zeros",
        )
        np.testing.assert_array_equal(found.x[0], np.pad(sound(1000), (0, 180)))
        np.testing.assert_allclose(found.x[19], np.r_[sound(), 0.01 * sound(6200)[:380]], atol=2**-15)
        assert found.plain == tuple(k == 18 for k in range(20))

    def test_a_length_that_is_asked_for(self, tmp_path):
        saved(tmp_path / "a.wav", sound(900))
        found = load(tmp_path, seconds=0.1)
        np.testing.assert_array_equal(found.x, [sound(900)[:800]])
        assert found.notes == ("length 0.1 s (800 samples, as asked): 1 file cut at the end, 0 filled up with zeros",)

    def test_mixed_rates_become_the_most_frequent(self, tmp_path):
        seconds = np.arange(16000) / 16000
        saved(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 440 * seconds), sample_rate_hz=16000)
        for name in "bc":
            saved(tmp_path / f"{name}.wav", 0.5 * np.sin(2 * np.pi * 440 * seconds[:8000] * 2))
        found = load(tmp_path)
        assert found.sample_rate_hz == 8000
        assert found.notes == ("1 file resampled to 8000 Hz: 16000 Hz (1)",)
        assert found.plain == (False, True, True)
        np.testing.assert_allclose(found.x[0, 100:-100], found.x[1, 100:-100], atol=1e-3)

    def test_a_rate_that_is_asked_for(self, tmp_path):
        saved(tmp_path / "a.wav", sound())
        found = load(tmp_path, sample_rate_hz=11025)
        assert (found.sample_rate_hz, found.x.shape) == (11025, (1, 1103))
        assert np.abs(found.x).max() <= 1

    def test_conversions_are_told(self, tmp_path):
        x = sound()
        saved(tmp_path / "a.wav", x, "PCM_U8")
        saved(tmp_path / "b.wav", x, "PCM_24")
        saved(tmp_path / "c.wav", np.stack([x, x], axis=1))
        saved(tmp_path / "d.wav", x, "FLOAT")
        x[30:40] = 1
        saved(tmp_path / "e.wav", x)
        found = load(tmp_path)
        assert found.notes == (
            "1 file with several channels: averaged to mono",
            "3 files not stored with 16 bits: 24-bit (1), 32-bit float (1), 8-bit (1)",
            "1 file clipped: 3 or more samples in a row at full scale",
        )
        assert found.plain == (False, False, False, False, True)

    def test_a_rare_class_that_sounds_late_is_kept(self, tmp_path):
        common, late = sound(400), np.r_[0.001 * sound(3000), sound(400, seed=1)]
        files = [(f"{k}", saved(tmp_path / f"{k}.wav", common if k < 60 else late)) for k in range(62)]
        found = load_waveforms(files, 0.0, 0, LONGEST_SECONDS, ["common"] * 60 + ["rare"] * 2)
        assert (found.findings, found.x.shape) == ((), (62, 3400))
        np.testing.assert_allclose(found.x[61], late, atol=2**-15)
        assert "keeps 95% of the sound energy of every class" in found.notes[0]

    def test_no_recording_of_a_large_class_loses_all_its_sound(self, tmp_path):
        late = np.r_[np.zeros(3000), 0.05 * sound(400)]
        files = [(f"{k}", saved(tmp_path / f"{k}.wav", sound(400) if k else late)) for k in range(60)]
        found = load_waveforms(files, 0.0, 0, LONGEST_SECONDS, ["one"] * 60)
        assert found.findings == ()
        assert np.abs(found.x[0]).max() > 0.001

    def test_what_a_stated_length_takes_from_a_class_is_reported(self, tmp_path):
        files = [(f"{k}", saved(tmp_path / f"{k}.wav", sound(800 if k else 1600))) for k in range(3)]
        found = load_waveforms(files, 0.1, 0, LONGEST_SECONDS, ["long", "short", "short"])
        assert [note for note in found.notes if "short" in note or "data.seconds=0.2" in note] == [found.notes[-1]]
        assert found.notes[-1].startswith('class "long" keeps')

    def test_the_cap_is_reported_with_what_it_cuts(self, tmp_path, monkeypatch):
        monkeypatch.setattr("gensynth.data.audio_length.MOST_BYTES", 4 * 20 * 1000)
        files = [(f"{k}", saved(tmp_path / f"{k}.wav", sound(400 if k else 3000))) for k in range(20)]
        found = load_waveforms(files, 0.0, 0, LONGEST_SECONDS, ["rare"] + ["common"] * 19)
        assert found.x.shape == (20, 1000)
        assert "GiB" in found.notes[0]
        assert 'class "rare" keeps' in found.notes[1]

    def test_small_memory_reads_the_same(self, tmp_path, monkeypatch):
        files = [(f"{k}", saved(tmp_path / f"{k}.wav", sound(700 + k, seed=k))) for k in range(4)]
        roomy = load_waveforms(files, 0.0, 0, LONGEST_SECONDS)
        monkeypatch.setattr("gensynth.data.audio_files._CACHE_BYTES", 3000)
        np.testing.assert_array_equal(load_waveforms(files, 0.0, 0, LONGEST_SECONDS).x, roomy.x)

    def test_order_follows_the_list(self, tmp_path):
        files = [(str(k), saved(tmp_path / f"{k}.wav", sound(seed=k))) for k in (2, 0, 1)]
        found = load_waveforms(files, 0.0, 0, LONGEST_SECONDS)
        np.testing.assert_array_equal(found.x, [sound(seed=k) for k in (2, 0, 1)])


class TestWrite:
    def test_every_16_bit_sample_comes_back(self, tmp_path):
        x = (np.arange(-32768, 32768) / 32768).astype(np.float32)
        for name, content in (("a.wav", wav_bytes(x, 16000)), ("a.flac", flac_bytes(x, 16000))):
            (tmp_path / name).write_bytes(content)
            found = read_waveform(tmp_path / name, LONGEST_SECONDS)
            np.testing.assert_array_equal(found.samples, x)
            assert found.sample_rate_hz == 16000

    def test_the_standard_library_reads_it(self):
        with wave.open(io.BytesIO(wav_bytes(sound(), RATE_HZ))) as file:
            assert file.getparams()[:4] == (1, 2, RATE_HZ, 800)
            samples = np.frombuffer(file.readframes(800), "<i2")
        np.testing.assert_array_equal(samples, sound() * 32768)

    def test_the_same_bytes_every_time(self):
        assert wav_bytes(sound(), RATE_HZ) == wav_bytes(sound(), RATE_HZ)
        assert len(wav_bytes(sound(), RATE_HZ)) == 44 + 1600
        assert flac_bytes(sound(), RATE_HZ) == flac_bytes(sound(), RATE_HZ)

    def test_halves_go_to_even_and_the_rest_is_clipped(self):
        x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 40000, -40000], np.float32) / 32768
        samples = np.frombuffer(wav_bytes(x, RATE_HZ)[44:], "<i2")
        assert samples.tolist() == [0, 2, 2, 0, -2, 32767, -32768]

    @pytest.mark.parametrize("x", [np.array([np.nan]), np.zeros((2, 5))])
    def test_what_is_no_waveform_is_refused(self, x):
        with pytest.raises(ValueError, match="expected a waveform"):
            wav_bytes(x, RATE_HZ)
