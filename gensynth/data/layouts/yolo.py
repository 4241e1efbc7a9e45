"""YOLO: a text file a picture, a line an object: number of its class, then a box or a polygon in shares of the picture.

Pictures lie in images/ and lines in labels/ (also in train, val and test), or side by side; the classes are called as
`names` of data.yaml, or the lines of classes.txt, say.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import yaml

from gensynth.data.layouts.entries import entries, files_in, folders_in, is_folder, media_kind
from gensynth.data.layouts.file_index import FileIndex
from gensynth.data.layouts.folder_names import split_of
from gensynth.data.layouts.objects import Marked
from gensynth.data.picture import Box
from gensynth.errors import DataError

_NAME_LISTS = ("classes.txt", "obj.names", "names.txt", "predefined_classes.txt")
_NO_LABELS = {*_NAME_LISTS, "train.txt", "val.txt", "test.txt", "readme.txt", "license.txt", "labels.txt"}


def is_yolo(folder: Path) -> bool:
    """Whether labels/ with text files stands beside images/, at the top or in split folders, or names beside both."""
    if _has_pair(folder) or any(_has_pair(folder / name) for name in folders_in(folder) if split_of(name)):
        return True
    files = files_in(folder)
    stems = {path.stem for path in files if path.suffix == ".txt" and path.name.lower() not in _NO_LABELS}
    return _names_file(folder) is not None and any(path.stem in stems and media_kind(path) for path in files)


def _has_pair(folder: Path) -> bool:
    below = {name.lower(): name for name in folders_in(folder)}
    if "images" not in below or "labels" not in below:
        return False
    places = [
        folder / below["labels"],
        *(folder / below["labels"] / name for name in folders_in(folder / below["labels"])),
    ]
    return any(path.suffix == ".txt" for place in places for path in files_in(place))


def _names_file(folder: Path) -> Path | None:
    """data.yaml, or a list of names, in the folder or in its labels/."""
    below = [Path(e.path) for e in entries(folder) if is_folder(e) and e.name.lower() == "labels"]
    files = [path for place in (folder, *below) for path in files_in(place)]
    named = [path for path in files if path.suffix.lower() in (".yaml", ".yml") and _yaml_names(path)]
    lists = [path for path in files if path.name.lower() in _NAME_LISTS or path.suffix == ".names"]
    return next(iter((*named, *lists)), None)


def _yaml_names(path: Path) -> dict[int, str]:
    """number -> class of a file with the key names, a list or a mapping; empty without."""
    try:
        names = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("names")
        pairs = enumerate(names) if isinstance(names, list) else (names or {}).items()
        return {int(number): str(name) for number, name in pairs}
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError):
        return {}


def class_names(folder: Path, place: str) -> dict[int, str]:
    """number -> class; DataError where no file says how the classes are called."""
    path = _names_file(folder)
    if path is None:
        raise DataError(
            f"{place} numbers its classes: data.yaml (with names) or classes.txt must say how they are called"
        )
    if path.suffix.lower() in (".yaml", ".yml"):
        return _yaml_names(path)
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    return {number: line.strip() for number, line in enumerate(lines) if line.strip()}


def read_yolo(folder: Path, names: dict[int, str]) -> Iterator[Marked]:
    """Every picture with the objects of its text file; none where there is no such file."""
    index = FileIndex(folder)
    for name in index.files:
        lines = folder / _labels_of(name)
        objects = _read_lines(lines, str(_labels_of(name)), names) if lines.is_file() and not lines.is_symlink() else ()
        yield Marked(name, objects)


def _labels_of(name: str) -> PurePosixPath:
    """images/train/1.jpg -> labels/train/1.txt; beside the picture where no folder is called images."""
    parts = list(PurePosixPath(name).parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place].lower() == "images":
            parts[place] = {"images": "labels", "Images": "Labels", "IMAGES": "LABELS"}.get(parts[place], "labels")
            break
    return PurePosixPath(*parts).with_suffix(".txt")


def _read_lines(path: Path, place: str, names: dict[int, str]) -> tuple[tuple[str, Box], ...]:
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            kind, *numbers = map(float, line.split())
            found.append((names[int(kind)], _box(numbers)))
        except KeyError:
            raise DataError(f"{place}:{number}: class {int(kind)} has no name (known: {len(names)})") from None
        except (ValueError, OverflowError):
            raise DataError(
                f"{place}:{number}: expected a class and a box or polygon in shares, got {line[:60]!r}"
            ) from None
    return tuple(found)


def _box(numbers: list[float]) -> Box:
    """Centre, width and height (and a confidence, which is passed over), or the corners of a polygon."""
    if len(numbers) in (4, 5):
        x, y, width, height = numbers[:4]
        return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2, (1, 1))
    if len(numbers) < 6 or len(numbers) % 2:
        raise ValueError(numbers)
    return Box(min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2]), (1, 1))
