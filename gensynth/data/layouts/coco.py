"""COCO's JSON of classification and detection: images, categories, and annotations that join them.

Format: https://cocodataset.org/#format-data ; a box is [left, top, width, height] in pixels of the picture.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from gensynth.data.layouts.entries import entries, files_in, is_folder
from gensynth.data.layouts.folder_names import split_of
from gensynth.data.layouts.objects import Marked
from gensynth.data.picture import Box
from gensynth.errors import DataError

MOST_BYTES = 2**30
_KEYS = (b'"images"', b'"annotations"', b'"categories"')


def coco_files(folder: Path) -> list[str]:
    """Names, from the folder, of the COCO files in it and in its folder annotations."""
    below = [e.name for e in entries(folder) if is_folder(e) and e.name.lower() in ("annotations", "annotation")]
    return [
        str(path.relative_to(folder))
        for place in (folder, *(folder / name for name in below))
        for path in files_in(place)
        if path.suffix.lower() == ".json" and _is_coco(path)
    ]


def _is_coco(path: Path) -> bool:
    facts = path.stat()
    return facts.st_size > MOST_BYTES or _has_keys(path, facts.st_size, facts.st_mtime_ns)


@lru_cache
def _has_keys(path: Path, size: int, changed_ns: int) -> bool:
    """Whether the three keys of the format stand in a file; what it was when it had this size and time."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return all(key in content for key in _KEYS)


def split_of_file(name: str) -> str:
    """The split that a file of annotations is called after.

    >>> split_of_file("annotations/instances_val2017.json"), split_of_file("labels.json")
    ('val', '')
    """
    parts = re.split(r"[-_. ]", Path(name).stem)
    return next(filter(None, map(split_of, parts)), "")


def read_coco(path: Path, place: str, split: str) -> Iterator[Marked]:
    """The pictures of one file with their categories and boxes; DataError where it is damaged."""
    facts = _load(path, place)
    try:
        names = {one["id"]: str(one["name"]) for one in facts["categories"]}
        objects = defaultdict(list)
        for number, one in enumerate(facts["annotations"]):
            if one["category_id"] not in names:
                raise DataError(
                    f"{place}: annotation {number} has the category {one['category_id']}, which is not listed"
                )
            objects[one["image_id"]].append(one)
        for image in facts["images"]:
            size = _size_of(image)
            found = tuple((names[one["category_id"]], _box(one, size)) for one in objects.pop(image["id"], []))
            yield Marked(str(image["file_name"]), found, split)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{place} is no COCO file: {type(error).__name__} at {error}") from None
    if objects:
        raise DataError(f"{place}: {len(objects)} annotated pictures are not among its images (first: {min(objects)})")


def _load(path: Path, place: str) -> dict[str, Any]:
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"{place} is larger than {MOST_BYTES} bytes; split it, or take it away")
    try:
        facts = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{place} cannot be read as JSON: {error}") from None
    if not isinstance(facts, dict):
        raise DataError(f"{place} is no COCO file: it holds no object with images and annotations")
    return facts


def _size_of(image: dict[str, Any]) -> tuple[float, float] | None:
    width, height = image.get("width"), image.get("height")
    return (float(width), float(height)) if width and height else None


def _box(one: dict[str, Any], size: tuple[float, float] | None) -> Box | None:
    """The object's box; none for a crowd, whose region holds many objects."""
    if one.get("iscrowd") or not one.get("bbox"):
        return None
    left, top, width, height = map(float, one["bbox"])
    return Box(left, top, left + width, top + height, size)
