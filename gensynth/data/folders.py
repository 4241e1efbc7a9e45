"""Folders of images or sounds: which file carries which label, without opening one file.

Known layouts: class folders, split folders of class folders, and a metadata.csv (`file_name`, label column, ...)
in the root or in each split folder. Links are never followed.
"""

from __future__ import annotations

import csv
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from gensynth.data import audio_files, image
from gensynth.data.finding import Finding
from gensynth.errors import DataError, UsageError, nearest
from gensynth.types import AUGMENTED, REAL, SYNTHETIC

EXTENSIONS = (*image.EXTENSIONS, *audio_files.EXTENSIONS)
SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val", "test": "test"}
METADATA = "metadata.csv"
_IGNORED = {"thumbs.db", "desktop.ini", "__macosx"}
_ORIGINS = {REAL, AUGMENTED, SYNTHETIC}
LAYOUTS = (
    "known are: a folder of class folders of images, WAV or FLAC (also in train, val and test), a folder of files and "
    f"a {METADATA} (columns file_name, label), a pair of IDX files, and an .npz with x and y"
)


@dataclass(frozen=True)
class FileRow:
    """One labelled file; `name` is its path from the root with forward slashes, `extra` further columns.

    inside  folder of the metadata.csv that lists it, to which the paths in its columns are relative
    """

    name: str
    path: Path
    label: str
    split: str = ""
    origin: str = REAL
    extra: dict[str, str] = field(default_factory=dict)
    inside: Path = Path()


@dataclass(frozen=True)
class Listing:
    """What a folder says before a file is opened; `declared` are all class names, also those without files."""

    kind: str
    rows: tuple[FileRow, ...]
    declared: frozenset[str]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def splits(self) -> set[str]:
        return {row.split for row in self.rows}

    def as_test(self) -> Listing:
        """The same as rows of data.test: split "test", names under test/."""
        rows = tuple(replace(row, name=f"test/{row.name}", split="test") for row in self.rows)
        return replace(self, rows=rows, findings=tuple(replace(f, file=f"test/{f.file}") for f in self.findings))


def list_folder(root: Path, label: str) -> Listing:
    """Rows of a folder in any known layout; UsageError where there is none."""
    parts = _split_folders(root)
    if not parts:
        return _list_part(root, "", "", label)
    listings = [_list_part(root / name, f"{name}/", split, label) for name, split in parts]
    kinds = " and ".join(dict.fromkeys(listing.kind for listing in listings))
    return Listing(
        kind=f"{'/'.join(name for name, _ in parts)} folders, each a {kinds}",
        rows=tuple(row for listing in listings for row in listing.rows),
        declared=frozenset().union(*(listing.declared for listing in listings)),
        findings=tuple(finding for listing in listings for finding in listing.findings),
        notes=(*_beside_splits(root, dict(parts)), *(note for listing in listings for note in listing.notes)),
    )


def nfc(text: str) -> str:
    """Class names are compared and stored in Unicode's composed form."""
    return unicodedata.normalize("NFC", text)


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, by name, without hidden files and what desktop systems leave behind."""
    try:
        with os.scandir(folder) as found:
            seen = [e for e in found if not e.name.startswith(".") and e.name.lower() not in _IGNORED]
    except OSError as error:
        raise DataError(f'the folder "{folder.name}" cannot be listed: {(error.strerror or "error").lower()}') from None
    return sorted(seen, key=lambda entry: entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def is_known_name(name: str) -> bool:
    return name.lower().endswith(EXTENSIONS)


def _split_folders(root: Path) -> list[tuple[str, str]]:
    """(folder name, split) pairs where the folder is one of splits; empty where the names are classes.

    A class may be called "train", so the word alone is not enough: another split must stand beside it (or nothing
    else), and the folder must hold classes or a metadata.csv itself.
    """
    folders = [e.name for e in entries(root) if _is_folder(e)]
    found = [(name, SPLIT_NAMES[name.lower()]) for name in folders if name.lower() in SPLIT_NAMES]
    splits = [split for _, split in found]
    if "train" not in splits or (len(found) == 1 and len(folders) > 1):
        return []
    train = next(name for name, split in found if split == "train")
    if not any(_is_folder(e) or e.name == METADATA for e in entries(root / train)):
        return []
    twice = [split for split, n in Counter(splits).items() if n > 1]
    if twice:
        names = ", ".join(name for name, split in found if split in twice)
        raise DataError(f"several folders for one split: {names}; keep one of them")
    return sorted(found, key=lambda pair: ("train", "val", "test").index(pair[1]))


def _beside_splits(root: Path, parts: dict[str, str]) -> tuple[str, ...]:
    others = [e.name for e in entries(root) if _is_folder(e) and e.name not in parts]
    return (f"folders beside the splits were not read: {', '.join(others)}",) if others else ()


def _list_part(folder: Path, prefix: str, split: str, label: str) -> Listing:
    """One root or one split folder."""
    seen = entries(folder)
    if any(e.name == METADATA and e.is_file(follow_symlinks=False) for e in seen):
        return _list_metadata(folder, prefix, split, label)
    if any(_is_folder(e) for e in seen):
        return _list_classes(folder, prefix, split)
    if split and not seen:
        finding = Finding(prefix.rstrip("/"), "empty_split", "the folder holds nothing")
        return Listing("folder of class folders", (), frozenset(), (finding,))
    kinds = Counter(Path(e.name).suffix.lower() or "no extension" for e in seen)
    content = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common(5)) or "nothing"
    raise UsageError(f'the folder "{prefix or folder.name}" holds {content}, but no class folders; {LAYOUTS}')


def _list_classes(folder: Path, prefix: str, split: str) -> Listing:
    rows: list[FileRow] = []
    findings: list[Finding] = []
    folders: dict[str, str] = {}
    for entry in entries(folder):
        name = prefix + entry.name
        if not _is_text(entry.name) or entry.is_symlink():
            findings.append(_refusal(entry, name))
        elif _is_folder(entry):
            _remember_class(folders, entry.name)
            here = list(_walk(Path(entry.path), name + "/"))
            images = [FileRow(n, p, nfc(entry.name), split) for n, p in here if isinstance(p, Path)]
            rows += images
            findings += [finding for _, finding in here if isinstance(finding, Finding)]
            if not images:
                findings.append(Finding(name, "empty_class", "the class folder holds no image or sound"))
        elif is_known_name(entry.name):
            findings.append(Finding(name, "no_class_folder", "a file outside every class folder has no label"))
    return Listing("folder of class folders", tuple(rows), frozenset(folders), tuple(findings))


def _remember_class(folders: dict[str, str], name: str) -> None:
    other = folders.setdefault(nfc(name), name)
    if other != name:
        raise DataError(f"two class folders differ only in how Unicode writes {nfc(name)!r}; rename or merge one")


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, Path | Finding]]:
    """(name, path) of every image or sound below, (name, finding) of everything else; files before deeper folders."""
    todo = [(folder, prefix)]
    while todo:
        here, start = todo.pop()
        try:
            seen = entries(here)
        except DataError as error:
            yield start, Finding(start.rstrip("/"), "unreadable", str(error))
            continue
        below = {e: f"{start}{e.name}/" for e in reversed(seen) if _is_text(e.name) and _is_folder(e)}
        todo += [(Path(entry.path), name) for entry, name in below.items()]
        for entry in seen:
            if entry not in below:
                yield start + entry.name, _file_or_finding(entry, start + entry.name)


def _file_or_finding(entry: os.DirEntry[str], name: str) -> Path | Finding:
    if not _is_text(entry.name) or not entry.is_file(follow_symlinks=False):
        return _refusal(entry, name)
    if not is_known_name(entry.name):
        return Finding(name, "unsupported_extension", f"read are {' '.join(EXTENSIONS)}")
    return Path(entry.path)


def _is_text(name: str) -> bool:
    """False for a name that is not UTF-8: no CSV or JSON could carry it."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refusal(entry: os.DirEntry[str], name: str) -> Finding:
    if not _is_text(name):
        return Finding(name.encode("utf-8", "backslashreplace").decode(), "bad_name", "the name is not UTF-8 text")
    if entry.is_symlink():
        return Finding(name, "link", "links are not followed; put the file or folder itself here")
    return Finding(name, "not_a_file", "neither a regular file nor a folder")


def _list_metadata(folder: Path, prefix: str, split: str, label: str) -> Listing:
    columns, table = _read_table(folder / METADATA, prefix + METADATA)
    if "file_name" not in columns:
        raise DataError(f"{prefix}{METADATA} has no column file_name; {nearest('file_name', columns)}")
    if label not in columns:
        raise UsageError(f"data.label={label}: {prefix}{METADATA} has no such column; {nearest(label, columns)}")
    origin = _origin_column(columns, table)
    inside = folder.resolve()
    rows: dict[str, FileRow] = {}
    findings: list[Finding] = []
    for line, cells in table:
        place = f"{prefix}{METADATA}:{line}"
        found = _metadata_row(inside, prefix, place, cells, label)
        if isinstance(found, FileRow) and found.name in rows:
            found = Finding(place, "listed_twice", f"{found.name} has a row above; this one was not used")
        if isinstance(found, Finding):
            findings.append(found)
            continue
        extra = {k: v for k, v in cells.items() if k not in ("file_name", label, origin)}
        kind = cells[origin] if origin else REAL
        rows[found.name] = FileRow(found.name, found.path, found.label, split, kind or REAL, extra, inside)
    notes = _unlisted_note(folder, prefix, rows)
    declared = frozenset(row.label for row in rows.values())
    return Listing(f"folder with {METADATA}", tuple(rows.values()), declared, tuple(findings), notes)


def _read_table(path: Path, name: str) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Column names and (line, cells) of a CSV; ragged rows keep only a marker under the name ""."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            columns = next(reader, [])
            table = [(reader.line_num, _cells(columns, row)) for row in reader if row]
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except (OSError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{name} cannot be read as CSV: {reason}") from None
    twice = [column for column, n in Counter(columns).items() if n > 1]
    if twice:
        raise DataError(f"{name} has the column {twice[0]!r} more than once")
    return columns, table


def _cells(columns: list[str], row: list[str]) -> dict[str, str]:
    if len(row) != len(columns):
        return {"": f"{len(row)} cells where the header has {len(columns)}"}
    return dict(zip(columns, row, strict=True))


def _origin_column(columns: list[str], table: list[tuple[int, dict[str, str]]]) -> str:
    """The column that says real, augmented or synthetic; a `source` with other words is the user's own column."""
    if "gensynth_source" in columns:
        return "gensynth_source"
    origins = {cells.get("source", "") for _, cells in table}
    return "source" if "source" in columns and origins <= _ORIGINS | {""} else ""


def _metadata_row(inside: Path, prefix: str, place: str, cells: dict[str, str], label: str) -> FileRow | Finding:
    if "file_name" not in cells:
        return Finding(place, "bad_row", cells[""])
    if not cells[label].strip():
        return Finding(place, "missing_label", f"the column {label} is empty")
    origin = cells.get("gensynth_source", "")
    if origin and origin not in _ORIGINS:
        return Finding(place, "bad_row", f"gensynth_source must be one of {', '.join(sorted(_ORIGINS))}")
    name = PurePosixPath(cells["file_name"])
    if name.is_absolute() or ".." in name.parts or "\0" in cells["file_name"]:
        return Finding(place, "outside_root", "file_name must be a path below the folder of its metadata.csv")
    path = inside / name
    refusal = _file_refusal(inside, path)
    if refusal:
        return Finding(prefix + str(name), *refusal)
    return FileRow(prefix + str(name), path, nfc(cells[label]))


def listed_path(row: FileRow, column: str) -> Path | tuple[str, str]:
    """The file that a column of metadata.csv names beside the row's own, or (reason, detail) why it cannot be used."""
    name = PurePosixPath(row.extra[column])
    if not row.extra[column].strip() or name.is_absolute() or ".." in name.parts:
        return "missing_file", f"the column {column} names no file below the folder of its metadata.csv"
    return _file_refusal(row.inside, row.inside / name) or row.inside / name


def _file_refusal(inside: Path, path: Path) -> tuple[str, str] | None:
    """(reason, detail) when a listed path is no image or sound of this folder."""
    try:
        real = path.resolve()
        facts = os.stat(path)
    except (OSError, RuntimeError):
        return "missing_file", "metadata.csv names it, but it cannot be opened"
    if not real.is_relative_to(inside):
        return "outside_root", "a link leads out of the folder"
    if real != path:
        return "link", "links are not followed; put the file itself here"
    if not stat.S_ISREG(facts.st_mode):
        return "not_a_file", "neither a regular file nor a folder"
    if not is_known_name(path.name):
        return "unsupported_extension", f"read are {' '.join(EXTENSIONS)}"
    return None


def _unlisted_note(folder: Path, prefix: str, rows: dict[str, FileRow]) -> tuple[str, ...]:
    unlisted = [name for name, found in _walk(folder, prefix) if isinstance(found, Path) and name not in rows]
    if not unlisted:
        return ()
    verb = "file is" if len(unlisted) == 1 else "files are"
    return (f"{len(unlisted)} {verb} not used: not listed with a label in {prefix}{METADATA} (first: {unlisted[0]})",)
