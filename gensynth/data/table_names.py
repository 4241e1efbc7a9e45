"""Which paths are tables, by their names alone; imports nothing heavy, since the command line asks first."""

from __future__ import annotations

from pathlib import Path

from gensynth.data.suffixes import media_in_folders

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx")
NOT_READ = (".xls", ".xlsb", ".xlsm", ".ods", ".fods", ".numbers")  # spreadsheets, refused by name
PACKED = tuple(f"{suffix}.gz" for suffix in SUFFIXES[:3])


def suffix_of(path: Path) -> str:
    """The ending that says how a table file is written, lower case; that before .gz of a packed one."""
    name = path.name.lower()
    return Path(name.removesuffix(".gz")).suffix if name.endswith(PACKED) else path.suffix.lower()


def is_table(path: Path) -> bool:
    """Whether a file is a table by its name, be it refused, or a folder holds train.csv (.parquet, ...) of such."""
    if path.is_dir():
        return split_files(path) != {} and not media_in_folders(path)  # else train.csv labels pictures
    return suffix_of(path) in (*SUFFIXES, *NOT_READ)


def split_files(folder: Path) -> dict[str, Path]:
    """train, val and test tables of a folder; empty without a train table."""
    found: dict[str, Path] = {}
    for split in ("train", "val", "test"):
        for suffix in (*SUFFIXES, *PACKED):
            if (folder / f"{split}{suffix}").is_file():
                found.setdefault(split, folder / f"{split}{suffix}")
    return found if "train" in found else {}
