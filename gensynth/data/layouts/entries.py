"""What lies in a folder: its entries, and every image and sound below; links are never followed.

The ending of a file says what it is; where the ending is unknown or missing, the first bytes do.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gensynth.data.containers import HEAD_BYTES, content_kind
from gensynth.data.finding import Finding
from gensynth.data.layouts.folder_names import is_tool_folder
from gensynth.data.suffixes import IMAGES, SOUNDS
from gensynth.errors import DataError

EXTENSIONS = (*IMAGES, *SOUNDS)
_LEFT_BEHIND = {"thumbs.db", "ehthumbs.db", "desktop.ini", "picasa.ini", "icon\r", "__macosx"}


@dataclass(frozen=True)
class Media:
    """One image or sound; `kind` is image or audio."""

    path: Path
    kind: str


def nfc(text: str) -> str:
    """Class names are compared and stored in Unicode's composed form."""
    return unicodedata.normalize("NFC", text)


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, by name, without hidden files and what programs leave behind."""
    try:
        with os.scandir(folder) as found:
            seen = [e for e in found if not e.name.startswith(".") and e.name.lower() not in _LEFT_BEHIND]
    except OSError as error:
        raise DataError(f'the folder "{folder.name}" cannot be listed: {(error.strerror or "error").lower()}') from None
    return sorted((e for e in seen if not (is_tool_folder(e.name) and is_folder(e))), key=lambda entry: entry.name)


def is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def is_file(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False)


def folders_in(folder: Path) -> list[str]:
    """Names of the folders straight inside, without those of programs."""
    return [e.name for e in entries(folder) if is_folder(e) and is_text(e.name)]


def files_in(folder: Path) -> list[Path]:
    """The regular files straight inside."""
    return [Path(e.path) for e in entries(folder) if is_file(e) and is_text(e.name)]


def media_kind(path: Path) -> str:
    """image or audio, by the ending where it is known, else by the first bytes; empty for all else."""
    name = path.name.lower()
    if name.endswith(EXTENSIONS):
        return "image" if name.endswith(IMAGES) else "audio"
    try:
        with path.open("rb") as file:
            return content_kind(file.read(HEAD_BYTES))
    except OSError:
        return ""


def holds_media(folder: Path) -> bool:
    """Whether an image or sound lies straight inside."""
    return any(media_kind(path) for path in files_in(folder))


def walk(folder: Path, prefix: str) -> Iterator[tuple[str, Media | Finding]]:
    """(name, file) of every image or sound below, (name, finding) of everything else; files before deeper folders."""
    todo = [(folder, prefix)]
    while todo:
        here, start = todo.pop()
        try:
            seen = entries(here)
        except DataError as error:
            yield start, Finding(start.rstrip("/"), "unreadable", str(error))
            continue
        below = {e: f"{start}{e.name}/" for e in reversed(seen) if is_text(e.name) and is_folder(e)}
        todo += [(Path(entry.path), name) for entry, name in below.items()]
        for entry in seen:
            if entry not in below:
                yield start + entry.name, _media_or_finding(entry, start + entry.name)


def _media_or_finding(entry: os.DirEntry[str], name: str) -> Media | Finding:
    if not is_text(entry.name) or not is_file(entry):
        return refusal(entry, name)
    kind = media_kind(Path(entry.path))
    return Media(Path(entry.path), kind) if kind else unsupported(name)


def unsupported(name: str) -> Finding:
    return Finding(name, "unsupported_extension", f"read are {' '.join(EXTENSIONS)}, and such files without ending")


def is_text(name: str) -> bool:
    """False for a name that is not UTF-8: no CSV or JSON could carry it."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def refusal(entry: os.DirEntry[str], name: str) -> Finding:
    """Why an entry that is neither a regular file nor a folder with a name in UTF-8 is left out."""
    if not is_text(name):
        return Finding(name.encode("utf-8", "backslashreplace").decode(), "bad_name", "the name is not UTF-8 text")
    if entry.is_symlink():
        return Finding(name, "link", "links are not followed; put the file or folder itself here")
    return Finding(name, "not_a_file", "neither a regular file nor a folder")


def passed_over(root: Path) -> tuple[str, ...]:
    """A note on the folders of programs, and hidden ones, below a folder; none where there are none."""
    found: Counter[str] = Counter()
    for _, folders, _ in os.walk(root):
        tools = [name for name in folders if is_tool_folder(name)]
        found.update(tools)
        folders[:] = [name for name in folders if name not in tools]
    if not found:
        return ()
    return (f"folders of other programs were not read: {', '.join(_times(*item) for item in sorted(found.items()))}",)


def _times(name: str, count: int) -> str:
    return f"{name} ({count} times)" if count > 1 else name
