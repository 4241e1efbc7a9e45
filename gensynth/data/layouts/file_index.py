"""Finding the file that a label file means: names differ in Unicode form, slashes, case, ending, and folder."""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from gensynth.data.finding import Finding
from gensynth.data.layouts.entries import EXTENSIONS, Media, nfc, walk
from gensynth.data.layouts.folder_names import split_of

_MOST_COMPARED = 5000
_MOST_HINTS = 20


def _plain(name: str) -> str:
    return nfc(name).replace("\\", "/").removeprefix("./")


def _without_ending(name: str) -> str:
    ending = PurePosixPath(name).suffix
    return name.removesuffix(ending) if ending.lower() in EXTENSIONS else name


def _last(name: str) -> str:
    return name.rsplit("/", 1)[-1]


# What may differ between the name in a label file and the file, the least first: each step allows one thing more.
_STEPS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("", lambda name: name),
    ("Unicode form or slashes", _plain),
    ("upper and lower case", lambda name: _plain(name).casefold()),
    ("the ending", lambda name: _without_ending(_plain(name).casefold())),
    ("the folder", lambda name: _last(_plain(name).casefold())),
    ("folder and ending", lambda name: _without_ending(_last(_plain(name).casefold()))),
)


def _may_be(listed: str, name: str, what: str) -> bool:
    """Whether folders agree as far as both names have them: data/a/1.png may be a/1.png, b/1.png may not.

    >>> _may_be("data/a/1.png", "a/1.png", "the folder"), _may_be("b/1.png", "a/1.png", "the folder")
    (True, False)
    """
    folders, others = (_plain(one).casefold().split("/")[-2::-1] for one in (listed, name))
    return "folder" not in what or all(a == b for a, b in zip(folders, others, strict=False))


def _in_split(name: str, split: str) -> bool:
    """Whether no folder of the file is called after another split."""
    splits = set(filter(None, map(split_of, name.split("/")[:-1]))) if split else set()
    return not splits or split in splits


class FileIndex:
    """All images and sounds below a folder by the names that label files give them.

    files      name from the folder with forward slashes -> file
    differing  what was tolerated -> how often, and the first example
    """

    def __init__(self, folder: Path) -> None:
        self.files = {name: found for name, found in walk(folder, "") if isinstance(found, Media)}
        self.differing: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        self._tables: dict[str, dict[str, list[str]]] = {}
        self._hints = 0

    def find(self, listed: str, split: str = "") -> str | Finding | None:
        """The name of the one file that is meant; None where there is none, a Finding where there are several.

        Files in folders of another split than the one named are never meant. An ending counts only where the label
        file gives none: "1.jpg" is not "1.png".
        """
        for what, key in _STEPS:
            if "ending" in what and _without_ending(listed) != listed:
                continue
            alike = self._table(what, key).get(key(listed), [])
            names = [name for name in alike if _may_be(listed, name, what) and _in_split(name, split)]
            if len(names) > 1:
                detail = f"it may be {names[0]} or {names[1]}; give the path from the folder of the label file"
                return Finding(listed, "ambiguous_name", detail)
            if names:
                self._remember(what, listed, names[0])
                return names[0]
        return None

    def hint(self, listed: str) -> str:
        """The nearest name, for the first names that are not found; else empty."""
        self._hints += 1
        if self._hints > _MOST_HINTS or not self.files:
            return ""
        names = {_last(name): name for name in list(self.files)[:_MOST_COMPARED]}
        nearest = difflib.get_close_matches(_last(_plain(listed)), names, n=1, cutoff=0.5)
        return f'; did you mean "{names[nearest[0]]}"?' if nearest else ""

    def notes(self, label_file: str) -> tuple[str, ...]:
        """A sentence on what was tolerated."""
        return tuple(
            f"{n} {'name' if n == 1 else 'names'} in {label_file} differ from the files in {what} and were matched "
            f"(first: {self._first[what]})"
            for what, n in self.differing.items()
        )

    def _table(self, what: str, key: Callable[[str], str]) -> dict[str, list[str]]:
        if what not in self._tables:
            table: dict[str, list[str]] = defaultdict(list)
            for name in self.files:
                table[key(name)].append(name)
            self._tables[what] = dict(table)
        return self._tables[what]

    def _remember(self, what: str, listed: str, name: str) -> None:
        if what:
            self.differing[what] += 1
            self._first.setdefault(what, f"{listed} -> {name}")
