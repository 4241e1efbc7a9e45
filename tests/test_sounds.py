"""The walk on recordings, by commands only: read, looked at, augmented, learned, drawn and played."""

from __future__ import annotations

import csv
import hashlib
import json
import wave

import numpy as np
import pytest
from conftest import FAST

from gensynth import rng
from gensynth.balancing.export import encode_row
from gensynth.balancing.mark import mark_of
from gensynth.cli import compose
from gensynth.cli.overrides import overrides
from gensynth.data.audio_files import wav_bytes
from gensynth.data.sources import read_path
from gensynth.errors import DataError, UsageError
from gensynth.samplers.audio import SAFE_AUDIO, AudioTransforms, read_backgrounds

pytest.importorskip("soundfile", reason="needs the extra audio")
RATE = 8000


def tone(hz: float, seed: int, samples: int = 4000) -> np.ndarray:
    """A tone with an onset of its own, a little noise, and its octave."""
    r = np.random.default_rng(seed)
    t = np.arange(samples) / RATE
    sound = np.sin(2 * np.pi * hz * (1 + 0.02 * r.standard_normal()) * t) + 0.3 * np.sin(4 * np.pi * hz * t)
    sound *= np.clip((t - 0.05 * r.random()) * 40, 0, 1) * 0.4
    return (sound + 0.002 * r.standard_normal(samples)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("sounds") / "beeps"
    for name, (hz, count) in {"high": (1500, 30), "low": (400, 60)}.items():
        (base / name).mkdir(parents=True)
        for i in range(count):
            (base / name / f"{i:03d}.wav").write_bytes(wav_bytes(tone(hz, i), RATE))
    return base


@pytest.fixture(scope="module")
def balanced(folder):
    from gensynth.cli import main

    out = folder.parent / "out"
    words = ("sampler=audio_transforms", "logger=none", "utility.run=false")
    assert main(["balance", str(folder), f"out={out}", *words]) == 0
    return out


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_real_files_leave_byte_for_byte_and_made_ones_are_wav(folder, balanced):
    meta = rows(balanced / "dataset/train/metadata.csv")
    assert {row["label"] for row in meta if row["source"] == "augmented"} == {"high"}
    originals = {path.read_bytes() for path in folder.rglob("*.wav")}
    for row in meta:
        path = balanced / "dataset/train" / row["file_name"]
        if row["source"] == "real":
            assert path.read_bytes() in originals
        else:
            with wave.open(str(path)) as file:
                assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (RATE, 1, 4000)
            assert row["file_name"].startswith("high/audio_transforms-0-")


def test_report_plays_the_samples_and_measures_operations(balanced):
    facts = json.loads((balanced / "report.json").read_text(encoding="utf-8"))
    assert {line["operation"] for line in facts["operations"]["audio_transforms"]} == set(SAFE_AUDIO)
    assert set(facts["fidelity"]) == {"judge", "self_supervised", "random", "spectra"}
    page = (balanced / "report.html").read_text(encoding="utf-8")
    assert page.count('<audio controls preload="none" src="data:audio/wav;base64,UklGR') == 8
    assert any("pitch_shift" in w["text"] for w in facts["warnings"] if w["code"] == "operations_left_out")


def test_a_line_of_the_ledger_gives_its_file_again(folder, balanced):
    ledger = [row for row in rows(balanced / "dataset/ledger.csv") if row["source"] == "augmented"]
    job = compose("balance", [str(folder), "sampler=audio_transforms"])
    split = {row["row_id"]: row["split"] for row in rows(balanced / "run/split.csv")}
    data = job.data.reader.make(**job.data.reader.params).data
    train = data[np.array([split[row] == "train" for row in data.ids])]
    line = ledger[7]
    seeds = rng.row_seeds(0, line["label"], int(line["index"]), 1)
    again = job.sampler.build().fit(train).sample(np.array([train.schema.index(line["label"])]), seeds)
    assert again.parent[0] == line["parent"]
    assert again.groups["params"][0] == line["params"]
    content = encode_row(train.schema, again.x[0], mark_of("augmented", ""))
    assert hashlib.sha256(content).hexdigest() == line["content_sha256"]


@pytest.mark.slow
def test_a_run_is_merged_again_from_its_own_files(balanced, run_cli, tmp_path):
    code, _, err = run_cli("merge", balanced, f"out={tmp_path}/again")
    assert code == 0, err
    one, two = (rows(path / "dataset/ledger.csv") for path in (balanced, tmp_path / "again"))
    assert [row["content_sha256"] for row in one] == [row["content_sha256"] for row in two]


def test_explore_tells_rate_and_lengths(folder, run_cli, tmp_path):
    code, _, err = run_cli("explore", folder, f"out={tmp_path}/e")
    assert code == 0
    facts = json.loads((tmp_path / "e/explore.json").read_text(encoding="utf-8"))
    assert facts["audio"]["sample_rate_hz"] == RATE
    assert facts["audio"]["seconds"] == 0.5
    assert "90 recordings, 0.50 s at 8000 Hz" in err


@pytest.mark.parametrize("model", ["cvae", "cgan"])
def test_both_generators_learn_spectra_and_draw_files(model, folder, run_cli, tmp_path):
    width = "model.width=8" if model == "cvae" else "model.vae.width=8"
    small = [width] if model == "cvae" else [width, "model.d_width=8"]
    code, _, err = run_cli("train", folder, f"model={model}", *FAST, *small, f"out={tmp_path}/t")
    assert code == 0, err
    code, _, err = run_cli("sample", f"generator={tmp_path}/t/generator", "counts=3", f"out={tmp_path}/s")
    assert code == 0, err
    synthetic = rows(tmp_path / "s/ledger.csv")
    assert len(synthetic) == 6
    for row in synthetic:
        with wave.open(str(tmp_path / "s" / row["row_id"])) as file:
            assert (file.getframerate(), file.getnframes()) == (RATE, 4000)


def test_images_among_recordings_are_left_out_and_told(folder, tmp_path):
    import shutil

    from PIL import Image

    shutil.copytree(folder, tmp_path / "mixed")
    Image.new("L", (8, 8)).save(tmp_path / "mixed/low/cover.png")
    source = read_path(str(tmp_path / "mixed"))
    assert source.data.schema.modality == "audio"
    assert [(f.file, f.reason) for f in source.quarantine] == [("low/cover.png", "other_kind")]


def test_backgrounds_come_from_a_folder(folder, tmp_path):
    (tmp_path / "hum").mkdir()
    (tmp_path / "hum/hum.wav").write_bytes(wav_bytes(tone(60, 0, 9000), RATE))
    words = {"background_mix": {"probability": 1.0, "low": 10.0, "high": 10.0}}
    data = read_path(str(folder)).data
    mixed = AudioTransforms("a", words, str(tmp_path / "hum"), ["background_mix"]).fit(data)
    labels, seeds = np.zeros(20, int), rng.row_seeds(0, "a", 0, 20)
    rows_ = mixed.sample(labels, seeds)
    place = {row: i for i, row in enumerate(data.ids)}
    added = rows_.x - data.x[[place[p] for p in rows_.parent]]
    spectrum = np.abs(np.fft.rfft(added)).mean(axis=0)
    assert abs(np.fft.rfftfreq(4000, 1 / RATE)[spectrum.argmax()] - 60) < 5
    with pytest.raises(UsageError, match="is no folder"):
        AudioTransforms("a", words, str(tmp_path / "none"), ["background_mix"]).fit(data)
    assert AudioTransforms("a", words, "", ["background_mix"]).fit(data).operations() == ()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"gian": {"probability": 1.0, "low": 0.0, "high": 1.0}}, 'no operation "gian"'),
        ({"gain": {"probability": 2.0, "low": 0.0, "high": 1.0}}, "at most 1"),
        ({"gain": {"probability": 1.0, "low": 3.0, "high": 1.0}}, "at most high"),
    ],
)
def test_wrong_settings_are_a_sentence(words, says):
    with pytest.raises(UsageError, match=says):
        AudioTransforms("a", words, "", [])


def test_values_that_an_operation_cannot_take_are_a_sentence():
    with pytest.raises(UsageError, match=r"sampler\.operations\.gain"):
        AudioTransforms("a", {"gain": {"probability": 1.0, "low": -900.0, "high": 0.0}}, "", [])


def test_a_picture_of_the_cover_does_not_make_it_a_folder_of_images(folder, run_cli, tmp_path):
    import shutil

    from PIL import Image

    shutil.copytree(folder, tmp_path / "covered")
    Image.new("L", (8, 8)).save(tmp_path / "covered/cover.png")
    words = ("sampler=audio_transforms", "utility.run=false", "logger=none")
    code, _, err = run_cli("balance", folder, *words, "sampler@fallback=jitter", f"out={tmp_path}/p")
    assert code == 2
    assert "sampler=jitter takes rows of kind table; these are of kind audio" in err
    code, _, err = run_cli("explore", tmp_path / "covered", f"out={tmp_path}/o")
    assert code == 0, err
    assert json.loads((tmp_path / "o/explore.json").read_text())["modality"] == "audio"
    assert overrides("explore", [str(tmp_path / "covered")])[0] == "data=audio"


def test_what_is_silent_in_the_part_that_is_read_is_left_out(folder, tmp_path):
    import shutil

    shutil.copytree(folder, tmp_path / "late")
    late = np.concatenate([np.zeros(3000, np.float32), tone(400, 0, 1000)])
    (tmp_path / "late/low/late.wav").write_bytes(wav_bytes(late, RATE))
    assert not read_path(str(tmp_path / "late")).quarantine
    cut = read_path(str(tmp_path / "late"), seconds=0.25)
    assert [(f.file, f.reason) for f in cut.quarantine] == [("low/late.wav", "silent")]
    assert cut.data.x.shape == (90, 2000)


def test_short_backgrounds_go_round_and_round(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b/long.wav").write_bytes(wav_bytes(tone(300, 0, 8000), RATE))
    (tmp_path / "b/short.wav").write_bytes(wav_bytes(tone(300, 1, 500), RATE))
    waves = read_backgrounds(tmp_path / "b", RATE)
    np.testing.assert_array_equal(waves[1, :500], waves[1, 500:1000])
    assert np.abs(waves[1, -500:]).max() > 0.1


def test_images_against_recordings_are_a_sentence(folder, digit_folder, run_cli, tmp_path):
    code, _, err = run_cli("evaluate", f"real={folder}", f"synthetic={digit_folder}", f"out={tmp_path}/e")
    assert code == 3
    assert "holds rows of kind image, the real data audio" in err


@pytest.mark.slow
def test_a_folder_of_flac_leaves_as_flac_with_the_same_samples(folder, run_cli, tmp_path):
    import soundfile

    known = set()
    for path in folder.rglob("*.wav"):
        samples, rate = soundfile.read(path, dtype="int16")
        target = tmp_path / "flac" / path.parent.name / f"{path.stem}.flac"
        target.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(target, samples, rate, subtype="PCM_16")
        known.add(samples.tobytes())
    words = ("sampler=audio_transforms", "utility.run=false", "logger=none", f"out={tmp_path}/o")
    code, _, err = run_cli("balance", tmp_path / "flac", *words)
    assert code == 0, err
    meta = rows(tmp_path / "o/dataset/train/metadata.csv")
    assert all(row["file_name"].endswith(".flac") for row in meta)
    for row in meta:
        samples, rate = soundfile.read(tmp_path / "o/dataset/train" / row["file_name"], dtype="int16")
        assert (rate, len(samples)) == (RATE, 4000)
        if row["source"] == "real":  # of the others, one that met no operation is a copy
            assert samples.tobytes() in known


def test_a_wav_file_of_another_name_leaves_as_synthetic_ones_do(tmp_path):
    for i in range(6):
        path = tmp_path / "ab"[i % 2] / (f"{i}.wav" if i < 4 else f"{i}.wave")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(wav_bytes(tone(500, i), RATE))
    source = read_path(str(tmp_path))
    assert len(source.data) == 6
    assert sorted(source.originals) == ["a/0.wav", "a/2.wav", "b/1.wav", "b/3.wav"]


def late(seed: int) -> np.ndarray:
    """A second of silence before the tone."""
    return np.concatenate([np.zeros(RATE, np.float32), tone(900, seed)])


def test_a_class_that_a_stated_length_leaves_silent_is_not_lost_in_silence(tmp_path):
    for i in range(8):
        for name, x in (("early", tone(500, i)), ("late", late(i))):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{i}.wav").write_bytes(wav_bytes(x, RATE))
    assert read_path(str(tmp_path)).data.counts().tolist() == [8, 8]
    with pytest.raises(DataError, match=r'class "late" would be lost.*silent.*data\.allow_lost=\[late\]'):
        read_path(str(tmp_path), seconds=0.5)
    left = read_path(str(tmp_path), seconds=0.5, allow_lost=["late"], min_classes=1)
    assert {finding.classes for finding in left.quarantine} == {("late",)}
    assert any("data.allow_lost says" in note for note in left.notes)
