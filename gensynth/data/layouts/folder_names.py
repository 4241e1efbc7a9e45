"""Folder names that are no classes: splits, what programs leave behind, and the parts of known layouts."""

from __future__ import annotations

import re

SPLITS = ("train", "val", "test")
_SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval", "evaluation"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
_SPLIT = re.compile(
    rf"(?:seg[-_ ])?({'|'.join(_SPLIT_NAMES)})(?:[-_ ]?(?:set|data|images|imgs|split|\d{{4}}))?", re.IGNORECASE
)
_TOOLS = {
    *("@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "lost+found", "$recycle.bin", "recycler"),
    *("system volume information", "__macosx", "__pycache__", "network trash folder", "temporary items"),
}
_PARTS = {
    *("images", "imgs", "labels", "annotations", "annotation", "jpegimages", "imagesets", "segmentationclass"),
    *("segmentationobject", "ground_truth", "groundtruth", "bboxes"),
}


def split_of(name: str) -> str:
    """train, val or test where a folder or file is called like a split, in any case; else empty.

    >>> split_of("Training"), split_of("val2017"), split_of("test_set"), split_of("tester")
    ('train', 'val', 'test', '')
    """
    found = _SPLIT.fullmatch(name.strip())
    return _SPLIT_NAMES[found[1].lower()] if found else ""


def is_tool_folder(name: str) -> bool:
    """Whether a folder holds what a program keeps for itself: previews, trash, checkpoints, anything hidden.

    >>> is_tool_folder("@eaDir"), is_tool_folder(".thumbnails"), is_tool_folder("thumbs up")
    (True, True, False)
    """
    return name.startswith(".") or name.lower() in _TOOLS


def is_layout_part(name: str) -> bool:
    """Whether a folder is called like a part of a known layout (images, Annotations ...).

    >>> is_layout_part("JPEGImages"), is_layout_part("label a")
    (True, False)
    """
    return name.lower() in _PARTS
