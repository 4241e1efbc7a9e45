"""Pascal VOC: an XML file a picture, in Annotations beside JPEGImages, or beside the picture itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from gensynth.data.layouts.entries import entries, files_in, is_folder, media_kind
from gensynth.data.layouts.folder_names import SPLITS
from gensynth.data.layouts.objects import Marked
from gensynth.data.picture import Box
from gensynth.errors import DataError

_MOST_BYTES = 2**24


def voc_folder(folder: Path) -> str | None:
    """Name of the folder with the XML files: Annotations, or empty for the folder itself; None where there are none.

    A folder of class folders may hold XML files of other kinds, so those beside pictures must share a stem with one.
    """
    for entry in entries(folder):
        is_annotations = is_folder(entry) and entry.name.lower() in ("annotations", "annotation", "xml", "xmls")
        if is_annotations and any(path.suffix.lower() == ".xml" for path in files_in(Path(entry.path))):
            return entry.name
    files = files_in(folder)
    stems = {path.stem for path in files if path.suffix.lower() == ".xml"}
    return "" if any(path.stem in stems and media_kind(path) for path in files) else None


def read_voc(folder: Path, annotations: str, prefix: str) -> Iterator[Marked]:
    """The pictures of every XML file, with the splits of ImageSets/Main where there are such lists."""
    splits = _image_sets(folder)
    for path in files_in(folder / annotations):
        if path.suffix.lower() == ".xml":
            place = f"{prefix}{annotations}/{path.name}" if annotations else prefix + path.name
            yield _read_one(path, place, splits.get(path.stem, ""))


def _image_sets(folder: Path) -> dict[str, str]:
    """stem -> split, from ImageSets/Main/train.txt, val.txt and test.txt; empty without a list of train."""
    listed = {name: folder / "ImageSets" / "Main" / f"{name}.txt" for name in SPLITS}
    if not listed["train"].is_file():
        return {}
    return {
        line.split()[0]: name
        for name, path in listed.items()
        if path.is_file()
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.strip()
    }


def _read_one(path: Path, place: str, split: str) -> Marked:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{place} is larger than {_MOST_BYTES} bytes")
        root = ElementTree.fromstring(path.read_bytes())
        size = root.find("size")
        measured = (float(_text(size, "width")), float(_text(size, "height"))) if size is not None else (0.0, 0.0)
        objects = tuple(_object(one, measured if all(measured) else None) for one in root.iter("object"))
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise DataError(f"{place} cannot be read as Pascal VOC: {error}") from None
    listed = (root.findtext("filename") or "").strip()
    # Programs write their own file name there after renaming; the stem of the XML file is the rule of the format.
    return Marked(listed if Path(listed).stem == path.stem else path.stem, objects, split)


def _object(one: ElementTree.Element, size: tuple[float, float] | None) -> tuple[str, Box | None]:
    """Category and box; VOC counts pixels from 1 and means the last one to be inside."""
    name, box = _text(one, "name"), one.find("bndbox")
    if box is None:
        return name, None
    left, top, right, bottom = (float(_text(box, key)) for key in ("xmin", "ymin", "xmax", "ymax"))
    return name, Box(max(0.0, left - 1), max(0.0, top - 1), right, bottom, size)


def _text(node: ElementTree.Element, key: str) -> str:
    text = (node.findtext(key) or "").strip()
    if not text:
        raise ValueError(f"<{node.tag}> has no <{key}>")
    return text
