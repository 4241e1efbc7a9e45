"""Endings of the files that are read, apart from what reads them, so that asking for one imports little."""

from __future__ import annotations

import os
from pathlib import Path

IMAGES = (".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".bmp", ".tif", ".tiff", ".webp", ".gif")
SOUNDS = (".wav", ".flac")


def media_in_folders(root: Path) -> bool:
    """Whether images or sounds lie in a folder of a folder, or one deeper, by their endings; links are not followed."""
    outer = _folders_in(root)
    readable = [*outer, *(inner for path in outer for inner in _folders_in(path))]
    return any(name.lower().endswith((*IMAGES, *SOUNDS)) for path in readable for name in os.listdir(path))


def _folders_in(root: Path) -> list[Path]:
    inner = [path for path in root.iterdir() if path.is_dir() and not path.is_symlink() and path.name[0] != "."]
    return [path for path in inner if os.access(path, os.R_OK | os.X_OK)]
