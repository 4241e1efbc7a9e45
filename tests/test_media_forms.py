"""Forms of image and sound files that decoders take for another: read as they are meant, or refused by name."""

from __future__ import annotations

import contextlib
import csv
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gensynth.data.audio_files import read_waveform
from gensynth.data.finding import FileFault
from gensynth.data.image import decode, read_pixels
from gensynth.data.sources import read_path
from gensynth.errors import UsageError
from gensynth.steps.reopen import Columns

H, W = 5, 6
GREY = np.random.default_rng(0).integers(0, 2**16, (H, W)).astype(np.uint16)


def tiff(x: np.ndarray, photometric: int, kind: int = 1, planar: int = 1) -> io.BytesIO:
    """Numbers (H, W) or planes (C, H, W) as an uncompressed little-endian TIFF; kind: 1 unsigned, 2 signed, 3 float."""
    planes = x[None] if x.ndim == 2 else x
    n, bits, pixels = len(planes), 8 * x.dtype.itemsize, x.astype(x.dtype.newbyteorder("<")).tobytes()
    short, long, at = 3, 4, 8
    offsets = [at + i * (len(pixels) // n) for i in range(n)]
    tags = {
        256: (short, [W]),
        257: (short, [H]),
        258: (short, [bits] * n),
        259: (short, [1]),
        262: (short, [photometric]),
    }
    tags |= {273: (long, offsets), 277: (short, [n]), 278: (short, [H]), 279: (long, [len(pixels) // n] * n)}
    tags |= {284: (short, [planar]), 339: (short, [kind] * n)}
    entries, behind = b"", at + len(pixels)
    blobs = b""
    for tag, (form, values) in sorted(tags.items()):
        content = struct.pack(f"<{len(values)}{'H' if form == short else 'I'}", *values)
        if len(content) > 4:
            content, blobs = struct.pack("<I", behind + len(blobs)), blobs + content + bytes(len(content) % 2)
        entries += struct.pack("<HHI", tag, form, len(values)) + content.ljust(4, b"\0")
    folder = struct.pack("<H", len(tags)) + entries + bytes(4)
    return io.BytesIO(b"II*\0" + struct.pack("<I", behind + len(blobs)) + pixels + blobs + folder)


def refused(file: io.BytesIO) -> str:
    with pytest.raises(FileFault) as caught:
        decode(file, 10**6)
    return caught.value.reason


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_zero_is_turned_round_at_every_depth(dtype):
    x = (GREY >> 8).astype(dtype) if dtype == np.uint8 else GREY
    top = np.iinfo(dtype).max
    np.testing.assert_array_equal(decode(tiff(x, 1), 10**6).pixels[0], x)
    np.testing.assert_array_equal(decode(tiff((top - x).astype(dtype), 0), 10**6).pixels[0], x)


def test_32_bits_without_a_sign_do_not_wrap():
    x = GREY.astype(np.uint32) * 65_000
    found = decode(tiff(x, 1), 10**6)
    np.testing.assert_array_equal(found.pixels[0], x)
    assert (found.extent.low, found.extent.high) == (x.min(), x.max())
    signed = GREY.astype(np.int32) - 30_000
    np.testing.assert_array_equal(decode(tiff(signed, 1, kind=2), 10**6).pixels[0], signed)


def test_planes_of_8_bits_are_read_and_those_of_16_are_refused():
    x = np.random.default_rng(1).integers(0, 256, (3, H, W)).astype(np.uint8)
    np.testing.assert_array_equal(decode(tiff(x, 2, planar=2), 10**6).pixels, x)
    assert refused(tiff(x.astype(np.uint16) * 257, 2, planar=2)) == "unsupported_mode"


def test_signed_bytes_are_refused():
    assert refused(tiff(GREY.astype(np.int8), 1, kind=2)) == "unsupported_mode"


def bmp(x: np.ndarray) -> io.BytesIO:
    """Colours with alpha, uint8 (H, W, 4), as a BMP file whose header (version 4) says which byte is alpha."""
    pixels = x[::-1][..., [2, 1, 0, 3]].tobytes()
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", 108, W, H, 1, 32, 3, len(pixels), 0, 0, 0, 0) + masks + bytes(52)
    return io.BytesIO(b"BM" + struct.pack("<IHHI", 14 + len(head) + len(pixels), 0, 0, 14 + len(head)) + head + pixels)


@pytest.mark.parametrize("alpha", [0, 255])
def test_the_fourth_byte_of_a_bmp_file_hides_nothing_where_it_is_the_same_everywhere(alpha):
    x = np.random.default_rng(2).integers(0, 256, (H, W, 4)).astype(np.uint8)
    x[..., 3] = alpha
    np.testing.assert_array_equal(read_pixels(bmp(x), 10**6), x[..., :3].transpose(2, 0, 1))


def test_a_half_transparent_bmp_file_lies_on_white():
    x = np.zeros((H, W, 4), np.uint8)
    x[: H // 2, :, 3] = 255
    found = read_pixels(bmp(x), 10**6)
    assert found[0, 0].max() == 0
    assert found[0, -1].min() == 255


def wav(bits: int, block: int, frames: bytes, rate_hz: int = 8000) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, rate_hz, rate_hz * block, block, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(frames)) + frames
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_samples_of_24_bits_in_blocks_of_4_bytes_are_no_noise(tmp_path):
    pytest.importorskip("soundfile")
    x = np.rint(2**22 * np.sin(np.arange(400) / 9)).astype("<i4")
    (tmp_path / "a.wav").write_bytes(wav(24, 4, x.tobytes()))
    with pytest.raises(FileFault, match="1 x 24 bits in blocks of 4 bytes"):
        read_waveform(tmp_path / "a.wav", 60.0)
    packed = x.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    (tmp_path / "b.wav").write_bytes(wav(24, 3, packed))
    np.testing.assert_allclose(read_waveform(tmp_path / "b.wav", 60.0).samples, x / 2**23, atol=1e-7)


def test_a_flac_file_of_open_length_is_refused_by_name(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    buffer = io.BytesIO()
    soundfile.write(buffer, np.sin(np.arange(4000) / 9), 8000, format="FLAC", subtype="PCM_16")
    content = bytearray(buffer.getvalue())
    content[21] &= 0xF0  # the last 36 bits before the checksum are the number of samples
    content[22:26] = bytes(4)
    (tmp_path / "a.flac").write_bytes(content)
    with pytest.raises(FileFault, match="leaves the length open"):
        read_waveform(tmp_path / "a.flac", 60.0)


def deep_folder(root: Path, n: int = 12) -> Path:
    """Two classes of 16-bit PNG files whose numbers go up to 4,000 in the brightest file alone."""
    for i in range(2 * n):
        x = np.random.default_rng(i).integers(0, 4000 if i == 0 else 200, (8, 8)).astype(np.uint16)
        x[0, 0] = i  # no two are alike at 8 bits or less
        (root / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(x).save(root / "ab"[i % 2] / f"{i}.png")
    return root


@pytest.mark.parametrize("key", [{"range": [0, 9]}, {"crop": True}, {"mask": "m"}])
def test_a_key_of_images_is_refused_for_tables_and_recordings(tmp_path, key):
    (tmp_path / "t.csv").write_text("x,label\n" + "1,a\n2,b\n" * 9, encoding="utf-8")
    with pytest.raises(UsageError, match=f"data.{next(iter(key))} is for images; this is a table"):
        read_path(str(tmp_path / "t.csv"), **key)
    for name in "ab":
        (tmp_path / "sounds" / name).mkdir(parents=True)
        for i in range(3):
            sound = np.rint(2**14 * np.sin(np.arange(400) / (9 + i))).astype("<i2").tobytes()
            (tmp_path / "sounds" / name / f"{i}.wav").write_bytes(wav(16, 2, sound))
    if "crop" not in key:  # without a label file of boxes there is nothing to cut out, which is said first
        with pytest.raises(UsageError, match=f"data.{next(iter(key))} is for images; this is a folder of recordings"):
            read_path(str(tmp_path / "sounds"), **key)


@pytest.mark.parametrize("key", [{"crop": True}, {"mask": "m"}])
def test_a_key_of_image_files_is_refused_for_arrays(tmp_path, key):
    np.savez(tmp_path / "a.npz", x=np.zeros((8, 4, 4), np.uint8), y=np.arange(8) % 2)
    with pytest.raises(UsageError, match=f"data.{next(iter(key))} is for image files; this is .npz arrays"):
        read_path(str(tmp_path / "a.npz"), **key)


def test_a_key_of_another_kind_of_data_is_named_as_such(tmp_path, run_cli):
    (tmp_path / "t.csv").write_text("x,label\n" + "1,a\n2,b\n" * 9, encoding="utf-8")
    code, _, err = run_cli("explore", tmp_path / "t.csv", "data.range=[0,9]")
    assert (code, err.strip()) == (2, "gensynth: explore: data.range is for images, and these data are none")
    code, _, err = run_cli("explore", "digits", "data.delimiter=,")
    assert code == 2
    assert "data.delimiter is for tables and texts, and these data are none" in err


def test_a_deep_image_is_known_again_by_the_range_of_its_run(tmp_path, run_cli):
    folder = deep_folder(tmp_path / "deep")
    words = ["model.width=8", "trainer.max_samples=320", "trainer=cpu", "logger=none", "utility.run=false", "metric=[]"]
    assert run_cli("balance", folder, *words, "data.range=[0,4095]", f"out={tmp_path}/o")[0] == 0
    with (tmp_path / "o/run/split.csv").open(encoding="utf-8") as file:
        names = [line["row_id"] for line in csv.DictReader(file) if line["split"] == "train"]
    for name in [name for name in names if not name.endswith("/0.png")][:2]:  # by their own range they are brighter
        code, found, _ = run_cli("verify", tmp_path / "o", f"is_mine={folder}/{name}")
        assert code == 0, found
        assert "same pixels" in found


def test_deep_images_are_evaluated_by_a_stated_range(tmp_path):
    folder = deep_folder(tmp_path / "deep")
    source = Columns(range=[0, 255]).read(folder)
    stored = np.asarray(Image.open(folder / "b" / "1.png"))
    np.testing.assert_array_equal(source.data.x[source.data.ids == "b/1.png"][0, 0], stored)
    assert source.data.schema.fields["ranges"] == {"16-bit": [0.0, 255.0]}


def test_a_damaged_tag_is_no_warning_of_the_decoder(recwarn):
    buffer = io.BytesIO()
    Image.fromarray((GREY >> 8).astype(np.uint8)).save(buffer, "TIFF")
    content = buffer.getvalue()
    for cut in range(len(content) - 60, len(content)):
        with contextlib.suppress(FileFault):
            decode(io.BytesIO(content[:cut]), 10**6)
    assert [str(one.message) for one in recwarn] == []
