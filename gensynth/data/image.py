"""Images: one file in, the tensors of a network, and pictures out.

Every file becomes mode L or RGB with 8 bits: orientation applied, alpha laid on white, palettes expanded. Numbers of
more than 8 bits are scaled by the range of their set (`image_depth.py`); Pillow's own `convert` would clip them.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from gensynth.data.finding import FileFault, check_file
from gensynth.data.image_depth import (
    Extent,
    Range,
    TiffForm,
    ask_for_low_bytes,
    depth_of,
    extent_of,
    has_deep_colours,
    joined_bytes,
    key_alpha,
    numbers_of_tiff,
    settle_ranges,
    to_8_bit,
)
from gensynth.data.image_form import conversions
from gensynth.data.suffixes import IMAGES
from gensynth.errors import DataError, DivergedError
from gensynth.types import Block, LabelledData, Space

if TYPE_CHECKING:
    import torch

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")
EXTENSIONS = IMAGES


@dataclass(frozen=True)
class Decoded:
    """One image file, upright, or a part of it.

    pixels   (C, H, W), C = 1 or 3: uint8, or the stored numbers where they have more than 8 bits
    extent   what those numbers span; None for uint8
    alpha    uint8 (H, W) of deep colours that have one; in uint8 pixels it is laid on white
    changes  what was converted, see `image_form.conversions`; format: of the file
    """

    pixels: np.ndarray
    extent: Extent | None
    alpha: np.ndarray | None
    changes: tuple[str, ...]
    format: str

    def settled(self, ranges: Mapping[str, Range]) -> np.ndarray:
        """uint8 (1 or 3, H, W): numbers scaled by the range of their depth, equal channels as one."""
        x = self.pixels if self.extent is None else to_8_bit(self.pixels, ranges[self.extent.depth])
        if self.alpha is not None:
            weight = self.alpha[None] / 255
            x = np.rint(x * weight + 255 * (1 - weight)).astype(np.uint8)
        equal = x.shape[0] == 3 and np.array_equal(x[0], x[1]) and np.array_equal(x[0], x[2])
        return x[:1] if equal else x

    def part(self, cut: Callable[[np.ndarray], np.ndarray]) -> Decoded:
        """What `cut` (C, H, W) -> (C, h, w) leaves of it, with the extent of that part."""
        pixels = cut(self.pixels)
        alpha = None if self.alpha is None else cut(self.alpha[None])[0]
        extent = None if self.extent is None else extent_of(pixels, self.extent.depth)
        return replace(self, pixels=pixels, alpha=alpha, extent=extent)


def decode(file: Path | io.BytesIO, max_pixels: int) -> Decoded:
    """One image file, or its bytes; raises FileFault.

    Only the formats in FORMATS are tried, whatever the file is called, and the header's size is held
    against `max_pixels` (width x height) before a pixel is decoded.
    """
    check_file(file)
    with _no_pillow_limit(), _faults(file):
        with Image.open(file, formats=FORMATS) as image:
            _check_header(image, max_pixels)
            depth, deep_colours, is_grey = depth_of(image), has_deep_colours(image), "LA;16B" in str(image.tile)
            form = TiffForm.of(image)
            form.check(depth)
            _load(image)
            upright = ImageOps.exif_transpose(image)
            facts, key = (conversions(image), str(image.format)), image.info.get("transparency")
        if not depth:
            return Decoded(to_chw(_to_8_bit(upright, facts[1])), None, None, *facts)
        values, alpha = form.numbers(np.asarray(upright)), None
        if deep_colours:
            values, alpha = joined_bytes(upright, _low_bytes(file), is_grey)
        alpha = key_alpha(values, key) if alpha is None else alpha
        return Decoded(_channels_first(values), extent_of(values, depth), alpha, *facts)


def _low_bytes(file: Path | io.BytesIO) -> Image.Image:
    with Image.open(file, formats=FORMATS) as image:
        ask_for_low_bytes(image)
        _load(image)
        return ImageOps.exif_transpose(image)


def read_pixels(
    file: Path | io.BytesIO, max_pixels: int, ranges: Mapping[str, Range] = MappingProxyType({})
) -> np.ndarray:
    """One image file alone as uint8 (C, H, W), C = 1 when grey, else 3; raises FileFault.

    ranges  of numbers of more than 8 bits, as a set was scaled; others are scaled by what the file spans
    """
    found = decode(file, max_pixels)
    return found.settled(settle_ranges([found.extent] if found.extent else [], ranges))


def read_image(file: Path | io.BytesIO, max_pixels: int) -> Image.Image:
    """The same as mode L or RGB."""
    return to_picture(read_pixels(file, max_pixels))


def _channels_first(pixels: np.ndarray) -> np.ndarray:
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def to_chw(image: Image.Image) -> np.ndarray:
    """Mode L or RGB -> uint8 (1 or 3, H, W)."""
    return _channels_first(np.asarray(image))


def to_picture(x: np.ndarray) -> Image.Image:
    """uint8 (1 or 3, H, W) -> mode L or RGB."""
    return Image.fromarray(x[0] if x.shape[0] == 1 else np.ascontiguousarray(x.transpose(1, 2, 0)))


def resize(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 (C, H, W) -> (C, height, width) by Lanczos with antialiasing; the same array where the size fits."""
    if x.shape[1:] == (height, width):
        return x
    return to_chw(to_picture(x).resize((width, height), Image.Resampling.LANCZOS))


@contextmanager
def _no_pillow_limit() -> Iterator[None]:
    """Pillow's own size limit warns, or raises, at sizes of its choosing; `max_pixels` decides instead.

    Nor does it warn of damaged tags: what cannot be read is a FileFault, which names the file.
    """
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


@contextmanager
def _faults(file: Path | io.BytesIO) -> Iterator[None]:
    """Every way a decoder can fail on damaged bytes, as an FileFault without a path in its text."""
    try:
        yield
    except (FileFault, MemoryError):
        raise
    except UnidentifiedImageError:
        if found := numbers_of_tiff(file):
            hint = "save it as grey 32-bit floats, or as whole numbers of 8 or 16 bits"
            raise FileFault("unsupported_mode", f"TIFF of {found}, which is not read; {hint}") from None
        raise FileFault("not_an_image", f"the content is none of {', '.join(FORMATS)}") from None
    except FileNotFoundError:
        raise FileFault("vanished", "the file was there when the folder was listed, and is gone") from None
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, IndexError and others
        truncated = isinstance(error, EOFError) or "truncat" in str(error).lower()
        raise FileFault("truncated" if truncated else "unreadable", _reason_of(error)) from None


def _reason_of(error: Exception) -> str:
    """The error's own words; an OSError's text would repeat the full path."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split())[:200] or type(error).__name__


def _check_header(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise FileFault("too_large", f"{width}x{height} is more than {max_pixels} pixels")
    frames = getattr(image, "n_frames", 1)
    # An MPO is a photograph with a preview or a depth map behind it; its first picture is the photograph.
    # Of a GIF the first picture is read; `image_form` says so.
    if frames > 1 and image.format not in ("MPO", "GIF"):
        raise FileFault("animated", f"{frames} frames or pages; one image a file is expected")


def _load(image: Image.Image) -> None:
    """Decodes everything: `verify` accepts truncated JPEG files."""
    if image.format == "MPO":
        image.seek(0)
    image.load()


def _to_8_bit(image: Image.Image, file_format: str) -> Image.Image:
    if file_format == "BMP" and image.mode == "RGBA" and not image.getchannel("A").getbbox():
        return image.convert("RGB")  # most programs leave the fourth byte of a BMP file 0 and mean nothing by it
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    if image.mode in ("1", "L"):
        return image.convert("L")
    try:
        return image.convert("RGB")
    except ValueError:
        raise FileFault("unsupported_mode", f"colour mode {image.mode} has no conversion to RGB") from None


def check_shape(got: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """ValueError unless rows (N, ...) have the shape of a codec's rows."""
    if tuple(got[1:]) != tuple(expected):
        raise ValueError(f"expected (N, {', '.join(map(str, expected))}), got {tuple(got)}")


def check_whole(state: dict[str, Any], kind: str, ranges: dict[str, tuple[int, int]]) -> None:
    """DataError where a number of a codec's state is missing or out of its range."""
    for name, (low, high) in ranges.items():
        value = state.get(name)
        if type(value) is not int or not low <= value <= high:
            raise DataError(f"{kind} codec: {name} must be a whole number from {low} to {high}, got {value!r}")


def finite_levels(t: torch.Tensor, shape: tuple[int, ...], what: str) -> torch.Tensor:
    """What a network gave, (N, *shape), as float32 from 0 to 2 on the CPU; DivergedError on NaN or infinity."""
    check_shape(t.shape, shape)
    t = t.detach().cpu().float()
    if bad := int((~t.isfinite()).flatten(1).any(dim=1).sum()):
        raise DivergedError(f"{bad} of {len(t)} {what} that are not finite numbers")
    return t.clamp(-1.0, 1.0) + 1.0


class ImageCodec:
    """uint8 pixels <-> float tensors in [-1, 1]; its state is plain JSON: height, width, channels."""

    def __init__(self, height: int, width: int, channels: int, num_classes: int) -> None:
        shape = (channels, height, width)
        self.space = Space(shape, num_classes, (Block(channels * height * width, "real"),))

    @classmethod
    def fit(cls, train: LabelledData) -> ImageCodec:
        """Takes shape and class count from the training rows; ValueError unless uint8 (N, 1 or 3, H, W)."""
        if train.x.dtype != np.uint8 or train.x.ndim != 4 or train.x.shape[1] not in (1, 3):
            raise ValueError(f"expected uint8 (N, 1 or 3, H, W), got {train.x.dtype} {train.x.shape}")
        channels, height, width = train.x.shape[1:]
        return cls(height, width, channels, len(train.schema.classes))

    def encode(self, x: np.ndarray) -> torch.Tensor:
        """uint8 (N, C, H, W) -> float32 in [-1, 1], x / 127.5 - 1."""
        import torch

        check_shape(x.shape, self.space.shape)
        return torch.from_numpy(np.ascontiguousarray(x)).to(torch.float32) / 127.5 - 1.0

    def decode(self, t: torch.Tensor) -> np.ndarray:
        """float (N, C, H, W) -> uint8, clamped, halves rounded to even; DivergedError on NaN or infinity."""
        return (finite_levels(t, self.space.shape, "images hold pixels") * 127.5).round().byte().numpy()

    def picture(self, x: torch.Tensor) -> bytes:
        """Samples (K, n, C, H, W) -> PNG bytes, one row a class."""
        sheet = contact_sheet([self.decode(row) for row in x], scale=preview_scale(x.shape[-1]))
        return png_bytes(sheet.transpose(2, 0, 1))

    def state(self) -> dict[str, Any]:
        channels, height, width = self.space.shape
        return {"height": height, "width": width, "channels": channels}

    @classmethod
    def from_state(cls, state: dict[str, Any], num_classes: int) -> ImageCodec:
        """Inverse of `state`; DataError when a number is missing or out of range."""
        check_whole(state, "image", {"height": (1, 65535), "width": (1, 65535), "channels": (1, 3)})
        if state["channels"] == 2:
            raise DataError("image codec: channels must be 1 or 3, got 2")
        return cls(state["height"], state["width"], state["channels"], num_classes)


def png_bytes(x: np.ndarray, xmp: str = "") -> bytes:
    """One row uint8 (C, H, W) as PNG bytes, the same bytes every time; no metadata but the XMP packet, if any."""
    buffer, texts = io.BytesIO(), PngImagePlugin.PngInfo()
    if xmp:
        texts.add_itxt("XML:com.adobe.xmp", xmp)
    to_picture(x).save(buffer, format="PNG", compress_level=6, optimize=False, pnginfo=texts)
    return buffer.getvalue()


def preview_scale(width: int) -> int:
    """How often a tile of a preview repeats its pixels: small ones are enlarged to about 32."""
    return max(1, 32 // width)


def first_tiles(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """The first tile of every row of a preview (H', W', 3), at its own size: uint8 (rows, 3, height, width)."""
    scale = preview_scale(width)
    tops = range(0, picture.shape[0], height * scale + 1)
    tiles = [picture[top : top + height * scale : scale, : width * scale : scale] for top in tops]
    return np.stack(tiles).transpose(0, 3, 1, 2)


def contact_sheet(rows: list[np.ndarray], scale: int) -> np.ndarray:
    """Rows of tiles, each uint8 (n_i, C, H, W), as one picture uint8 (H', W', 3).

    Tiles are enlarged `scale` times without smoothing; gaps of 1 px and missing tiles are white.
    """
    columns = max((len(row) for row in rows), default=0)
    if columns == 0 or scale < 1:
        raise ValueError(f"expected at least one tile and scale >= 1, got {columns} tiles and scale {scale}")
    height, width = (side * scale for side in rows[0].shape[2:])
    sheet = np.full((len(rows) * (height + 1) - 1, columns * (width + 1) - 1, 3), 255, dtype=np.uint8)
    for r, row in enumerate(rows):
        for c, tile in enumerate(row):
            big = tile.repeat(scale, axis=1).repeat(scale, axis=2).transpose(1, 2, 0)
            top, left = r * (height + 1), c * (width + 1)
            sheet[top : top + height, left : left + width] = big
    return sheet
