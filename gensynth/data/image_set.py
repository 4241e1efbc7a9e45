"""Many image files as one array: one decoding pass finds every fault, then colour, size and range are settled."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gensynth.data.finding import FileSet, usable
from gensynth.data.image import Decoded, resize
from gensynth.data.image_depth import NOTHING_DECLARED, Declared, depth_notes, settle_ranges
from gensynth.data.image_form import form_notes, is_own_form
from gensynth.data.picture import Picture, decoded
from gensynth.errors import UsageError

LONGEST_SIDE = 64
SHORTEST_SIDE = 8
_CACHE_BYTES = 2**29


def load_images(
    files: Sequence[tuple[str, Path | Picture]],
    image_size: tuple[int, int] | None,
    max_pixels: int,
    declared: Declared = NOTHING_DECLARED,
) -> FileSet:
    """Reads (name, file) pairs; faulty files become findings. x is uint8 (M, C, H, W).

    declared  ranges of numbers of more than 8 bits; others are scaled by what the set spans
    Plain are PNG files just as synthetic ones are written (`image_form.py`). Decoded images wait in memory up to a
    limit for size and range to be settled; beyond it they are decoded again.
    """
    waiting: dict[int, Decoded] = {}
    room = _CACHE_BYTES

    def facts_of(i: int) -> Decoded:
        nonlocal room
        found = decoded(files[i][1], max_pixels)
        if found.pixels.nbytes <= room:
            waiting[i] = found
            room -= found.pixels.nbytes
        # a view that holds no pixel: shape, extent and form are what is left to settle
        return replace(found, pixels=np.broadcast_to(np.uint8(0), found.pixels.shape), alpha=None)

    facts, findings = usable({i: name for i, (name, _) in enumerate(files)}, facts_of)
    if not facts:
        return FileSet(np.zeros((0, 1, 0, 0), np.uint8), np.zeros(0, int), (), tuple(findings))
    sizes = {i: one.pixels.shape[1:] for i, one in facts.items()}
    size = choose_size(sizes.values(), image_size)
    extents = [one.extent for one in facts.values() if one.extent]
    ranges = settle_ranges(extents, declared.ranges)

    def tile_of(i: int) -> np.ndarray:
        found = waiting.pop(i) if i in waiting else decoded(files[i][1], max_pixels)
        return resize(found.settled(ranges), *size)

    tiles, vanished = usable({i: files[i][0] for i in facts}, tile_of)
    resized = sum(sizes[i] != size for i in tiles)
    x = _stack(list(tiles.values()))
    notes = (
        *size_notes(len(tiles), resized, size, image_size),
        *depth_notes(extents, len(facts), ranges, declared),
        *form_notes([facts[i].changes for i in tiles], [facts[i].format for i in tiles]),
    )
    return FileSet(
        x=x,
        kept=np.array(list(tiles), int),
        plain=tuple(sizes[i] == size and _may_leave(files[i][1], x.shape[1]) for i in tiles),
        findings=(*findings, *vanished),
        notes=notes,
        resized=resized,
        recoloured=sum(tile.shape[0] != x.shape[1] for tile in tiles.values()),
        ranges=ranges,
    )


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


def _may_leave(file: Path | Picture, channels: int) -> bool:
    """Whether a file may be handed on byte for byte; a part of a picture, or one without a file, may not."""
    return isinstance(file, Path) and is_own_form(file, channels)


def _stack(tiles: list[np.ndarray]) -> np.ndarray:
    """Grey (N, 1, H, W) when every tile is grey, else (N, 3, H, W) with grey tiles repeated."""
    channels = max(tile.shape[0] for tile in tiles)
    x = np.empty((len(tiles), channels, *tiles[0].shape[1:]), dtype=np.uint8)
    for i, tile in enumerate(tiles):
        x[i] = tile
    return x
