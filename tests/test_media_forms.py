"""Forms of image and sound files that decoders take for another: read as they are meant, or refused by name."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest

from gensynth.data.audio_files import read_waveform
from gensynth.data.finding import FileFault
from gensynth.data.image import decode, read_pixels

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
