"""Many image files as one array: one decoding pass finds every fault, then colour and size are settled."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gensynth.data.containers import HEAD_BYTES, is_gif, is_plain
from gensynth.data.finding import FileSet, usable
from gensynth.data.image import resize
from gensynth.data.picture import Picture, pixels_of
from gensynth.errors import UsageError

LONGEST_SIDE = 64
SHORTEST_SIDE = 8
_CACHE_BYTES = 2**29


def load_images(
    files: Sequence[tuple[str, Path | Picture]], image_size: tuple[int, int] | None, max_pixels: int
) -> FileSet:
    """Reads (name, file) pairs; faulty files become findings. x is uint8 (M, C, H, W).

    Decoded images wait in memory up to a limit for the size to be settled; beyond it they are decoded again.
    """
    waiting: dict[int, np.ndarray] = {}
    room = _CACHE_BYTES

    def size_of(i: int) -> tuple[int, int]:
        nonlocal room
        pixels = pixels_of(files[i][1], max_pixels)
        if pixels.nbytes <= room:
            waiting[i] = pixels
            room -= pixels.nbytes
        return pixels.shape[1:]

    sizes, findings = usable({i: name for i, (name, _) in enumerate(files)}, size_of)
    if not sizes:
        return FileSet(np.zeros((0, 1, 0, 0), np.uint8), np.zeros(0, int), (), tuple(findings))
    size = choose_size(sizes.values(), image_size)

    def tile_of(i: int) -> np.ndarray:
        return resize(waiting.pop(i) if i in waiting else pixels_of(files[i][1], max_pixels), *size)

    tiles, vanished = usable({i: files[i][0] for i in sizes}, tile_of)
    resized = sum(sizes[i] != size for i in tiles)
    plain = tuple(sizes[i] == size and _plain(files[i][1]) for i in tiles)
    notes = (*size_notes(len(tiles), resized, size, image_size), *_gif_notes([files[i][1] for i in tiles]))
    x = _stack(list(tiles.values()))
    recoloured = sum(tile.shape[0] != x.shape[1] for tile in tiles.values())
    return FileSet(x, np.array(list(tiles), int), plain, (*findings, *vanished), notes, resized, recoloured)


def choose_size(sizes: Collection[tuple[int, int]], image_size: tuple[int, int] | None) -> tuple[int, int]:
    """(height, width) of the model: as asked, else the common size up to 64, else the median scaled down to 64.

    >>> choose_size([(28, 28), (28, 28)], None), choose_size([(480, 640)], None), choose_size([(9, 20), (11, 4)], None)
    ((28, 28), (48, 64), (10, 12))
    """
    if image_size is not None:
        return image_size
    first = next(iter(sizes))
    if all(size == first for size in sizes) and max(first) <= LONGEST_SIDE:
        return first
    height, width = np.median(np.array(list(sizes)), axis=0)
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    return max(SHORTEST_SIDE, round(height * scale)), max(SHORTEST_SIDE, round(width * scale))


def check_image_size(image_size: tuple[int, int] | None, max_pixels: int) -> tuple[int, int] | None:
    """The asked (height, width) as plain ints; UsageError unless both are whole, positive and within `max_pixels`."""
    if image_size is None:
        return None
    whole = len(image_size) == 2 and all(int(side) == side and side >= 1 for side in image_size)
    if not whole or image_size[0] * image_size[1] > max_pixels:
        raise UsageError(f"data.image_size must be [height, width] in pixels, got {list(image_size)}")
    return int(image_size[0]), int(image_size[1])


def size_notes(n: int, resized: int, size: tuple[int, int], image_size: tuple[int, int] | None) -> tuple[str, ...]:
    """A sentence on rule, target and number of resized images; none where nothing was to be decided."""
    if not resized and image_size is None:
        return ()
    rule = "as asked" if image_size is not None else f"median size, longer side at most {LONGEST_SIDE}"
    return (f"size {size[0]}x{size[1]} (height x width, {rule}): {resized} of {n} images were resized with Lanczos",)


def _plain(file: Path | Picture) -> bool:
    """Whether a file may be handed on byte for byte; a part of a picture, or one without a file, may not."""
    try:
        return isinstance(file, Path) and is_plain(file)
    except OSError:
        return False


def _gif_notes(files: list[Path | Picture]) -> tuple[str, ...]:
    """A sentence on GIF files with several pictures, of which the first was read."""
    moving = sum(_frames_of_gif(file) > 1 for file in files if isinstance(file, Path))
    what = "GIF file holds" if moving == 1 else "GIF files hold"
    return (f"{moving} {what} several pictures: the first was read",) if moving else ()


def _frames_of_gif(path: Path) -> int:
    """How many pictures a GIF file holds; 0 for other files and for one that is gone by now."""
    try:
        with path.open("rb") as file:
            if not is_gif(file.read(HEAD_BYTES)):
                return 0
            with Image.open(file, formats=("GIF",)) as image:
                return getattr(image, "n_frames", 1)
    except OSError:
        return 0


def _stack(tiles: list[np.ndarray]) -> np.ndarray:
    """Grey (N, 1, H, W) when every tile is grey, else (N, 3, H, W) with grey tiles repeated."""
    channels = max(tile.shape[0] for tile in tiles)
    x = np.empty((len(tiles), channels, *tiles[0].shape[1:]), dtype=np.uint8)
    for i, tile in enumerate(tiles):
        x[i] = tile
    return x
