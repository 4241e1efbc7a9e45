"""A folder of images or sounds: which layout it has, and which file carries which label, without decoding one.

A label file (metadata.csv, COCO, Pascal VOC, YOLO, Arrow) decides over the names of folders; without one the folders
are classes, in split folders or not. Folders of other programs are passed over, and links are never followed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from gensynth.data.finding import Finding
from gensynth.data.layouts.arrow import is_saved, list_saved
from gensynth.data.layouts.class_folders import list_classes
from gensynth.data.layouts.coco import coco_files, read_coco, split_of_file
from gensynth.data.layouts.entries import entries, files_in, folders_in, holds_media, media_kind, passed_over
from gensynth.data.layouts.folder_names import SPLITS, is_layout_part, split_of
from gensynth.data.layouts.hub import hub_files, list_hub
from gensynth.data.layouts.label_table import TABLES, is_label_table, list_table
from gensynth.data.layouts.listing import LAYOUTS, Listing, joined
from gensynth.data.layouts.objects import list_marked
from gensynth.data.layouts.split_tables import are_split_tables, list_split_tables
from gensynth.data.layouts.voc import read_voc, voc_folder
from gensynth.data.layouts.yolo import class_names, is_yolo, read_yolo
from gensynth.errors import DataError, UsageError

_UNREAD = (
    *("metadata.parquet", "labels.json", "_annotations.createml.json", "labels.mat", "imagelabels.mat"),
    *(".tfrecord", ".tfrecords"),
)
_DEEPEST_WRAPPER = 3


@dataclass(frozen=True)
class LabelFile:
    """What labels the files of a folder: its names, from the folder, and what reads it."""

    names: tuple[str, ...]
    read: Callable[[], Listing]


def list_folder(root: Path, label: str, crop: bool = False) -> Listing:
    """Rows of a folder in any known layout; UsageError where there is none, DataError where labels are missing.

    label  column of a label table
    crop   a row for every box of a label file of detection
    """
    folder, prefix, notes = see_through(root)
    listing = _list(folder, prefix, label, crop)
    if crop and not listing.subject:
        raise UsageError("data.crop=true, but no label file with boxes (COCO, Pascal VOC, YOLO) lies in the folder")
    return replace(listing, notes=(*notes, *passed_over(root), *listing.notes))


def see_through(root: Path) -> tuple[Path, str, tuple[str, ...]]:
    """The folder that holds the layout, its path from the root with a slash, and a note where it is not the root.

    A wrapper holds one folder and no data of its own; that folder holds more than pictures.
    """
    folder, prefix = root, ""
    for _ in range(_DEEPEST_WRAPPER):
        inner = _wrapped(folder)
        if not inner:
            break
        folder, prefix = folder / inner, f"{prefix}{inner}/"
    return folder, prefix, (f'everything lies in "{prefix[:-1]}", which was taken for the root',) if prefix else ()


def _wrapped(folder: Path) -> str:
    """Name of the one folder inside that holds a layout of its own; empty where the folder is no wrapper."""
    inner = folders_in(folder)
    if len(inner) != 1 or split_of(inner[0]) or _holds_data(folder):
        return ""
    below = folder / inner[0]
    if holds_media(below) and not _label_files(below, "", "", "", False):
        return ""
    folders = [below / name for name in folders_in(below)]
    holds_layout = len(folders) > 1 or _holds_data(below) or any(split_of(one.name) for one in folders)
    return inner[0] if holds_layout or _wrapped(below) else ""


def _holds_data(folder: Path) -> bool:
    """Whether data or label files lie straight inside: pictures, sounds, arrays, tables."""
    ends = (".npz", "-ubyte.gz", "-ubyte", ".parquet", ".arrow")
    files = files_in(folder)
    straight = any(media_kind(path) or path.name.lower().endswith((*ends, *TABLES)) for path in files)
    return straight or bool(_label_files(folder, "", "", "", False))


def _list(folder: Path, prefix: str, label: str, crop: bool) -> Listing:
    """A label file of the whole folder, or its splits, or its classes."""
    if (listing := _by_label_file(folder, prefix, "", label, crop)) is not None:
        _refuse_second_labels(folder, prefix)
        return listing
    parts = split_folders(folder)
    if not parts:
        listing = _list_part(folder, prefix, "", label, crop)
        return replace(listing, notes=(*_classes_like_splits(folder), *listing.notes))
    listings = [_list_part(folder / name, f"{prefix}{name}/", split, label, crop) for name, split in parts]
    kinds = " and ".join(dict.fromkeys(listing.kind for listing in listings))
    kind = f"{'/'.join(name for name, _ in parts)} folders, each a {kinds}"
    return joined(kind, listings, _beside_splits(folder, dict(parts)))


def _refuse_second_labels(folder: Path, prefix: str) -> None:
    """DataError where split folders bring label files as well as the folder around them."""
    top = [name for one in _label_files(folder, prefix, "", "", False) for name in one.names]
    for name in filter(split_of, folders_in(folder)):
        inner = [one for file in _label_files(folder / name, "", "", "", False) for one in file.names]
        if inner and inner != top:
            raise DataError(f"two label files for the same pictures: {top[0]} and {name}/{inner[0]}; take one away")


def split_folders(root: Path) -> list[tuple[str, str]]:
    """(folder name, split) pairs where folders are splits, train first; empty where all folders are classes.

    A thing may be called "train", so one folder of that name beside others, with pictures straight inside, is a
    class. All else that is called like a split is one, or a DataError where it holds pictures without a class.
    """
    folders = folders_in(root)
    found = [(name, split_of(name)) for name in folders if split_of(name)]
    if not found or _is_class(root, found, folders):
        return []
    twice = [split for split, n in Counter(split for _, split in found).items() if n > 1]
    if twice:
        names = ", ".join(name for name, split in found if split in twice)
        raise DataError(f"several folders for one split: {names}; keep one of them")
    others = [name for name in folders if not split_of(name) and holds_media(root / name)]
    if others and len(found) == 1:
        raise DataError(
            f'"{found[0][0]}" is the name of a split, but pictures lie beside it in "{others[0]}"; '
            f"rename it if it is a class, or move the rest away; {LAYOUTS}"
        )
    return sorted(found, key=lambda pair: SPLITS.index(pair[1]))


def _is_class(root: Path, found: list[tuple[str, str]], folders: list[str]) -> bool:
    """Whether the one folder called like a split is a class: "train" beside other things, "valid" beside "invalid"."""
    (name, _), others = found[0], [one.lower() for one in folders if one != found[0][0]]
    may_be = name.lower() == "train" or any(name.lower() in one for one in others)
    return len(found) == 1 and bool(others) and may_be and holds_media(root / name)


def _classes_like_splits(root: Path) -> tuple[str, ...]:
    return tuple(
        f'"{name}" was read as a class, since pictures lie straight inside and no other split stands beside it'
        for name in filter(split_of, folders_in(root))
    )


def _beside_splits(root: Path, parts: dict[str, str]) -> tuple[str, ...]:
    others = [name for name in folders_in(root) if name not in parts]
    return (f"folders beside the splits were not read: {', '.join(others)}",) if others else ()


def _list_part(folder: Path, prefix: str, split: str, label: str, crop: bool) -> Listing:
    """One root or one split folder."""
    if split and (listing := _by_label_file(folder, prefix, split, label, crop)) is not None:
        return listing
    folders = folders_in(folder)
    if split and len(folders) == 1 and not holds_media(folder) and _repeats(folders[0], folder.name):
        inner = _list_part(folder / folders[0], f"{prefix}{folders[0]}/", split, label, crop)
        return replace(inner, notes=(f'everything in "{prefix[:-1]}" lies in one more folder', *inner.notes))
    if folders or any(entry.is_dir() for entry in entries(folder)):
        return list_classes(folder, prefix, split)
    return _without_classes(folder, prefix, split)


def _repeats(inner: str, outer: str) -> bool:
    """Whether a folder inside a split folder names no class: train/train, train/images."""
    return inner.lower() == outer.lower() or is_layout_part(inner) or bool(split_of(inner))


def _without_classes(folder: Path, prefix: str, split: str) -> Listing:
    """An empty split, which is a finding; anything else has no labels."""
    files = files_in(folder)
    if split and not files:
        finding = Finding(prefix.rstrip("/"), "empty_split", "the folder holds nothing")
        return Listing("folder of class folders", (), frozenset(), (finding,))
    kinds = Counter(path.suffix.lower() or "no extension" for path in files)
    content = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common(5)) or "nothing"
    message = f'the folder "{prefix or folder.name}" holds {content}, but no class folders'
    if split:
        raise DataError(f"{message}: rows without a label; move it away if it shall not be read; {LAYOUTS}")
    raise UsageError(f"{message}{_beside(folder)}; {LAYOUTS}")


def _beside(folder: Path) -> str:
    """A hint where the labels lie in the folder above."""
    try:
        above = [path.name for path in files_in(folder.parent) if path.name.lower() in TABLES]
    except DataError:
        return ""
    return f' (a file "{above[0]}" lies beside the folder: give the folder that holds both)' if above else ""


def _by_label_file(folder: Path, prefix: str, split: str, label: str, crop: bool) -> Listing | None:
    """What the one label file of a folder says; None without one, DataError for several or one that is not read."""
    found = _label_files(folder, prefix, split, label, crop)
    names = [prefix + name for one in found for name in one.names]
    if len(found) > 1:
        raise DataError(f"several label files for the same pictures: {', '.join(names)}; keep one of them")
    unread = [prefix + path.name for path in files_in(folder) if path.name.lower().endswith(_UNREAD)]
    if unread and not found:
        raise DataError(
            f"{unread[0]} is a label file that is not read; take it away, or write a metadata.csv; {LAYOUTS}"
        )
    return found[0].read() if found else None


def _label_files(folder: Path, prefix: str, split: str, label: str, crop: bool) -> list[LabelFile]:
    """Every label file of a folder, in each known format."""
    tables = [path.name for path in files_in(folder) if is_label_table(path, label)]
    found = [LabelFile((name,), partial(list_table, folder, name, prefix, split, label)) for name in tables]
    if not split and are_split_tables(tables):
        found = [LabelFile(tuple(tables), partial(list_split_tables, folder, tables, prefix, label))]
    if is_saved(folder):
        found.append(LabelFile(("Arrow files (state.json)",), partial(list_saved, folder, prefix, label)))
    if shards := hub_files(folder):
        found.append(LabelFile(tuple(shards), partial(list_hub, folder, shards, prefix, split, label)))
    if names := coco_files(folder):
        found.append(LabelFile(tuple(names), partial(_list_coco, folder, names, prefix, split, crop)))
    if (annotations := voc_folder(folder)) is not None:
        name = annotations or "XML files"
        found.append(LabelFile((name,), partial(_list_voc, folder, annotations, prefix, split, crop)))
    if is_yolo(folder):
        found.append(LabelFile(("labels (YOLO)",), partial(_list_yolo, folder, prefix, split, crop)))
    return found


def _list_coco(folder: Path, names: list[str], prefix: str, split: str, crop: bool) -> Listing:
    """One COCO file, or one a split by its name."""
    splits = [split_of_file(name) for name in names] if len(names) > 1 else [""]
    if len(names) > 1 and (not all(splits) or len(set(splits)) < len(splits)):
        raise DataError(
            f"several label files for the same pictures: {', '.join(names)}; keep one of them, or one a split"
        )
    pictures = [
        one
        for name, of_file in zip(names, splits, strict=True)
        for one in read_coco(folder / name, prefix + name, split or of_file)
    ]
    return list_marked("folder with COCO's JSON", prefix + names[0], folder, prefix, split, pictures, crop)


def _list_voc(folder: Path, annotations: str, prefix: str, split: str, crop: bool) -> Listing:
    pictures = read_voc(folder, annotations, prefix)
    place = prefix + (annotations or "its XML files")
    return list_marked("folder with Pascal VOC's XML", place, folder, prefix, split, pictures, crop)


def _list_yolo(folder: Path, prefix: str, split: str, crop: bool) -> Listing:
    pictures = read_yolo(folder, class_names(folder, f"{prefix}labels"))
    return list_marked("folder with YOLO's labels", f"{prefix}labels", folder, prefix, split, pictures, crop)
