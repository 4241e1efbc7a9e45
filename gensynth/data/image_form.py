"""Whether the file of a real image may leave as it is: only where nothing but its pixels could tell it apart."""

from __future__ import annotations

import io
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from PIL import Image

from gensynth.data.containers import PNG_HEAD, png_chunks

_COLOUR_TYPES = {1: 0, 3: 2}  # channels -> colour type of a PNG header
_OWN_CHUNKS = {b"IHDR", b"IDAT", b"IEND"}
_KEPT_MODES = ("1", "L", "LA", "La", "RGB", "RGBA", "RGBa", "I", "F")
TRANSPARENT = "transparent"
TURNED = "turned"
PROFILED = "profiled"
MOVING = "moving"
SENTENCES = {
    TRANSPARENT: "with transparency (alpha): laid on white; real and synthetic files leave without it",
    TURNED: "turned upright, as their EXIF says",
    PROFILED: "with a colour profile, which is not applied; files leave without it",
    MOVING: "of a GIF file with several pictures: the first was read",
}


def is_own_form(path: Path, channels: int) -> bool:
    """Whether a file is a PNG as synthetic images are written: 8 bits, grey or RGB, not interlaced, and nothing else.

    channels  1 or 3, of the set
    """
    if path.suffix.lower() != ".png":  # it keeps its ending when it is copied
        return False
    try:
        content = path.read_bytes()
    except OSError:
        return False
    if not content.startswith(PNG_HEAD) or len(content) < 33:
        return False
    depth, colours, _, _, interlaced = struct.unpack_from(">5B", content, 24)
    chunks = list(png_chunks(io.BytesIO(content)))
    ends = [place + size + 4 for kind, place, size in chunks if kind == b"IEND"]
    alone = {kind for kind, _, _ in chunks} == _OWN_CHUNKS and ends == [len(content)]
    return alone and (depth, colours, interlaced) == (8, _COLOUR_TYPES[channels], 0)


def conversions(image: Image.Image) -> tuple[str, ...]:
    """What reading an opened file changes beside size and depth: keys of SENTENCES, or its colour mode."""
    converted = image.mode not in _KEPT_MODES and not image.mode.startswith("I;16")
    return (
        *((TRANSPARENT,) if image.has_transparency_data else ()),
        *((TURNED,) if image.getexif().get(0x0112, 1) in range(2, 9) else ()),
        *((PROFILED,) if image.info.get("icc_profile") else ()),
        *((MOVING,) if image.format == "GIF" and getattr(image, "n_frames", 1) > 1 else ()),
        *((f"of colour mode {image.mode}, converted to grey or RGB",) if converted else ()),
    )


def form_notes(changes: Iterable[tuple[str, ...]], formats: Iterable[str]) -> list[str]:
    """A sentence for every kind of conversion, and one on files that leave in another format."""
    counts: Mapping[str, int] = Counter(key for keys in changes for key in keys)
    found = [f"{_images(n)} {SENTENCES.get(key, key)}" for key, n in sorted(counts.items())]
    others = Counter(name for name in formats if name != "PNG")
    if others:
        kinds = ", ".join(f"{name} ({n})" for name, n in sorted(others.items()))
        found.append(f"{_images(others.total())} not stored as PNG leave as PNG, as synthetic ones do: {kinds}")
    return found


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"
