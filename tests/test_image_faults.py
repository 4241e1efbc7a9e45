"""One image file at a time: what is read exactly, what is refused and under which code."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gensynth.data.finding import FileFault
from gensynth.data.image import ImageCodec, contact_sheet, png_bytes, read_image, read_pixels
from gensynth.data.image_form import is_own_form
from gensynth.errors import DataError, DivergedError
from gensynth.types import LabelledData, Schema

CAP = 50_000_000
ORIENTATION = 274


def noise(height: int = 16, width: int = 16, channels: int = 3) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(pixels if channels > 1 else pixels[..., 0])


def saved(path: Path, image: Image.Image, format: str | None = None) -> Path:
    image.save(path, format)
    return path


def reason(path: Path, cap: int = CAP) -> str:
    with pytest.raises(FileFault) as caught:
        read_image(path, cap)
    assert str(path.parent) not in str(caught.value)
    return caught.value.reason


def png_with_header(width: int, height: int) -> bytes:
    """A PNG that promises width x height pixels and holds almost none."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def cut(path: Path, drop: int) -> Path:
    path.write_bytes(path.read_bytes()[:-drop])
    return path


class TestRefused:
    def test_zero_bytes(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"")
        assert reason(tmp_path / "a.png") == "zero_bytes"

    def test_text_named_png(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_text("no picture")
        assert reason(tmp_path / "a.png") == "not_an_image"

    def test_half_a_png(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.png", noise(64, 64))
        assert reason(cut(path, path.stat().st_size // 2)) == "truncated"

    def test_half_a_jpeg(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.jpg", noise(64, 64))
        assert reason(cut(path, path.stat().st_size // 2)) == "truncated"

    def test_jpeg_without_its_last_two_bytes(self, tmp_path: Path) -> None:
        assert reason(cut(saved(tmp_path / "a.jpg", noise()), 2)) == "truncated"

    @pytest.mark.parametrize("side", [10_000, 60_000])
    def test_huge_header_is_refused_by_our_cap_without_a_warning(self, tmp_path: Path, side: int) -> None:
        (tmp_path / "a.png").write_bytes(png_with_header(side, side))
        limit = Image.MAX_IMAGE_PIXELS
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert reason(tmp_path / "a.png") == "too_large"
        assert limit == Image.MAX_IMAGE_PIXELS

    def test_the_cap_is_the_last_size_that_passes(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.png", noise(10, 10))
        assert read_image(path, 100).size == (10, 10)
        assert reason(path, 99) == "too_large"

    @pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
    def test_more_than_one_frame(self, tmp_path: Path, name: str) -> None:
        noise(8, 8).save(tmp_path / name, save_all=True, append_images=[Image.new("RGB", (8, 8))])
        assert reason(tmp_path / name) == "animated"

    def test_eps_is_not_tried(self, tmp_path: Path) -> None:
        assert reason(saved(tmp_path / "b.png", noise(), "EPS")) == "not_an_image"

    def test_fifo_does_not_block(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a.png")
        assert reason(tmp_path / "a.png") == "not_a_file"

    def test_vanished(self, tmp_path: Path) -> None:
        assert reason(tmp_path / "gone.png") == "vanished"

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_no_permission(self, tmp_path: Path) -> None:
        saved(tmp_path / "a.png", noise()).chmod(0)
        assert reason(tmp_path / "a.png") == "unreadable"

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_float_tiff_that_is_not_finite(self, tmp_path: Path, value: float) -> None:
        pixels = np.full((4, 4), 0.5, np.float32)
        pixels[1, 2] = value
        assert reason(saved(tmp_path / "a.tif", Image.fromarray(pixels))) == "bad_range"

    @pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.tif", "a.webp"])
    def test_damaged_bytes_never_raise_anything_else(self, tmp_path: Path, name: str) -> None:
        whole = saved(tmp_path / name, noise(24, 24)).read_bytes()
        rng = np.random.default_rng(1)
        for _ in range(40):
            broken = bytearray(whole)
            for place in rng.integers(0, len(whole), 8):
                broken[place] = rng.integers(0, 256)
            (tmp_path / name).write_bytes(bytes(broken[: rng.integers(1, len(whole) + 1)]))
            with contextlib.suppress(FileFault):
                assert read_image(tmp_path / name, CAP).mode in ("L", "RGB")


class TestRead:
    def test_16_bit_is_scaled_not_clipped(self, tmp_path: Path) -> None:
        values = np.array([[0, 257, 32896, 65535]], np.uint16)
        path = saved(tmp_path / "a.png", Image.fromarray(values))
        assert read_pixels(path, CAP).tolist() == [[[0, 1, 128, 255]]]

    def test_32_bit_integers_are_read_as_16_bit(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.tif", Image.fromarray(np.array([[0, 32896, 65535]], np.int32)))
        assert read_pixels(path, CAP).tolist() == [[[0, 128, 255]]]

    @pytest.mark.parametrize(
        ("values", "expected"),
        [([0.0, 0.5, 1.0], [0, 128, 255]), ([0, 51, 255], [0, 51, 255]), ([-3, 0, 9], [0, 64, 255])],
    )
    def test_float_tiff(self, tmp_path: Path, values: list[float], expected: list[int]) -> None:
        path = saved(tmp_path / "a.tif", Image.fromarray(np.array([values], np.float32)))
        assert read_pixels(path, CAP).tolist() == [[expected]]

    def test_palette_colours(self, tmp_path: Path) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([200, 10, 20, 0, 99, 255])
        image.putpixel((1, 0), 1)
        assert read_pixels(saved(tmp_path / "a.png", image), CAP)[:, 0].T.tolist() == [[200, 10, 20], [0, 99, 255]]

    def test_palette_transparency_is_white(self, tmp_path: Path) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([200, 10, 20, 0, 99, 255])
        image.putpixel((1, 0), 1)
        image.save(tmp_path / "a.png", transparency=0)
        assert read_pixels(tmp_path / "a.png", CAP)[:, 0].T.tolist() == [[255, 255, 255], [0, 99, 255]]

    def test_alpha_lies_on_white(self, tmp_path: Path) -> None:
        image = Image.new("RGBA", (3, 1), (255, 0, 0, 255))
        image.putpixel((1, 0), (255, 0, 0, 0))
        image.putpixel((2, 0), (0, 0, 255, 51))
        pixels = read_pixels(saved(tmp_path / "a.png", image), CAP)[:, 0].T.tolist()
        assert pixels == [[255, 0, 0], [255, 255, 255], [204, 204, 255]]

    def test_grey_with_alpha_stays_grey(self, tmp_path: Path) -> None:
        image = Image.new("LA", (2, 1), (0, 255))
        image.putpixel((1, 0), (0, 0))
        assert read_pixels(saved(tmp_path / "a.png", image), CAP).tolist() == [[[0, 255]]]

    def test_one_bit(self, tmp_path: Path) -> None:
        image = Image.new("1", (2, 1))
        image.putpixel((1, 0), 1)
        assert read_pixels(saved(tmp_path / "a.png", image), CAP).tolist() == [[[0, 255]]]

    def test_cmyk_becomes_rgb(self, tmp_path: Path) -> None:
        pixels = read_pixels(saved(tmp_path / "a.tif", Image.new("CMYK", (1, 1), (0, 255, 255, 0))), CAP)
        assert pixels.ravel().tolist() == [255, 0, 0]

    def test_cmyk_jpeg(self, tmp_path: Path) -> None:
        red, green, blue = read_pixels(saved(tmp_path / "a.jpg", Image.new("CMYK", (8, 8), (0, 255, 255, 0))), CAP)
        assert red.min() > 245
        assert green.max() < 10
        assert blue.max() < 10

    def test_rgb_with_equal_channels_is_grey(self, tmp_path: Path) -> None:
        grey = noise(channels=1)
        path = saved(tmp_path / "a.png", grey.convert("RGB"))
        assert read_image(path, CAP).mode == "L"
        assert np.array_equal(read_pixels(path, CAP)[0], np.asarray(grey))

    def test_orientation_6_turns_the_picture_upright(self, tmp_path: Path) -> None:
        image = Image.new("RGB", (64, 32))
        image.putpixel((0, 0), (255, 255, 0))
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        image.save(tmp_path / "a.png", exif=exif)
        pixels = read_pixels(tmp_path / "a.png", CAP)
        assert pixels.shape == (3, 64, 32)
        assert pixels[:, 0, 31].tolist() == [255, 255, 0]
        assert pixels.sum() == 510

    def test_content_decides_not_the_extension(self, tmp_path: Path) -> None:
        image = noise()
        path = saved(tmp_path / "a.jpg", image, "PNG")
        assert np.array_equal(np.asarray(read_image(path, CAP)), np.asarray(image))

    def test_photograph_with_a_second_picture_is_read(self, tmp_path: Path) -> None:
        noise(32, 32).save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[Image.new("RGB", (32, 32))])
        assert read_pixels(tmp_path / "a.jpg", CAP).std() > 30

    def test_one_pixel(self, tmp_path: Path) -> None:
        assert read_pixels(saved(tmp_path / "a.bmp", Image.new("L", (1, 1), 9)), CAP).tolist() == [[[9]]]


def images(n: int, channels: int = 1) -> LabelledData:
    x = np.random.default_rng(0).integers(0, 256, (n, channels, 5, 7), dtype=np.uint8)
    return LabelledData.of_real(x, np.arange(n) % 2, Schema("image", ("a", "b")))


class TestCodec:
    def test_every_value_comes_back(self) -> None:
        x = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
        codec = ImageCodec.fit(LabelledData.of_real(x, np.zeros(1), Schema("image", ("a", "b"))))
        t = codec.encode(x)
        assert t.dtype == torch.float32
        assert (float(t.min()), float(t.max())) == (-1.0, 1.0)
        assert np.array_equal(codec.decode(t), x)

    def test_decode_clamps_and_rounds_halves_to_even(self) -> None:
        codec = ImageCodec(1, 4, 1, 2)
        t = torch.tensor([-7.0, 0.5 / 127.5 - 1, 0.0, 7.0]).reshape(1, 1, 1, 4)
        assert codec.decode(t).ravel().tolist() == [0, 0, 128, 255]

    def test_decode_refuses_nan(self) -> None:
        with pytest.raises(DivergedError, match="1 of 2 images"):
            ImageCodec(1, 1, 1, 2).decode(torch.tensor([0.0, float("nan")]).reshape(2, 1, 1, 1))

    def test_space_and_state(self) -> None:
        codec = ImageCodec.fit(images(4, channels=3))
        again = ImageCodec.from_state(codec.state(), 2)
        assert again.space == codec.space
        assert (codec.space.shape, codec.space.num_classes, codec.space.blocks[0].size) == ((3, 5, 7), 2, 105)

    @pytest.mark.parametrize("change", [{"height": "5"}, {"width": 0}, {"channels": 2}, {"height": True}])
    def test_bad_state_is_refused(self, change: dict[str, object]) -> None:
        with pytest.raises(DataError, match=next(iter(change))):
            ImageCodec.from_state({"height": 5, "width": 7, "channels": 1} | change, 2)

    def test_other_shapes_are_refused(self) -> None:
        codec = ImageCodec.fit(images(4))
        with pytest.raises(ValueError, match=r"\(N, 1, 5, 7\)"):
            codec.encode(np.zeros((2, 1, 7, 5), np.uint8))
        with pytest.raises(ValueError, match="uint8"):
            ImageCodec.fit(LabelledData.of_real(np.zeros((2, 3)), np.zeros(2), Schema("table", ("a",))))


class TestPictures:
    @pytest.mark.parametrize("channels", [1, 3])
    def test_png_round_trip_same_bytes_no_metadata(self, tmp_path: Path, channels: int) -> None:
        x = images(1, channels).x[0]
        content = png_bytes(x)
        assert content == png_bytes(x.copy())
        (tmp_path / "a.png").write_bytes(content)
        assert is_own_form(tmp_path / "a.png", channels)
        assert Image.open(io.BytesIO(content)).info == {}
        assert np.array_equal(read_pixels(tmp_path / "a.png", CAP), x)

    def test_contact_sheet_places_tiles(self) -> None:
        rows = [np.full((2, 1, 2, 3), 10, np.uint8), np.full((1, 3, 2, 3), 20, np.uint8)]
        sheet = contact_sheet(rows, 2)
        assert sheet.shape == (4 + 1 + 4, 6 + 1 + 6, 3)
        assert (sheet[:4, :6] == 10).all()
        assert (sheet[:4, 7:] == 10).all()
        assert (sheet[5:, :6] == 20).all()
        assert (sheet[4] == 255).all()
        assert (sheet[:, 6] == 255).all()
        assert (sheet[5:, 7:] == 255).all()

    def test_contact_sheet_needs_a_tile(self) -> None:
        with pytest.raises(ValueError, match="at least one tile"):
            contact_sheet([], 1)
