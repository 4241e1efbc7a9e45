"""What was wrong with one file of a source, and how such findings are told."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

Read = TypeVar("Read")


@dataclass(frozen=True)
class Finding:
    """One file (or folder, or metadata row) that was left out.

    file     path relative to the source's root, never absolute
    reason   short code: zero_bytes, truncated, not_an_image, unreadable, too_large, animated, unsupported_mode,
             bad_range, unsupported_extension, link, not_a_file, bad_name, vanished, empty_class, empty_split,
             no_class_folder, outside_root, missing_file, missing_label, listed_twice, bad_row, other_kind, not_audio,
             no_samples, unsupported_encoding, bad_rate, too_long, silent, empty_text, broken_text, several_labels,
             ambiguous_name, bad_box
    detail   a sentence for a person
    classes  what it is labelled, where that is known
    """

    file: str
    reason: str
    detail: str
    classes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.file}: {self.reason} ({self.detail})"


def printable(text: str) -> str:
    """Text without characters that would move the cursor or colours of a terminal; names of files may hold them."""
    return "".join(c if c.isprintable() else "?" for c in text)


def tell(findings: tuple[Finding, ...], limit: int = 50) -> list[str]:
    """Findings as lines, at most `limit` of them and then a count of the rest."""
    lines = [printable(str(finding)) for finding in findings[:limit]]
    rest = len(findings) - limit
    return [*lines, f"... and {rest} more"] if rest > 0 else lines


class FileFault(Exception):
    """One file that cannot be used: `reason` is a short code, `detail` a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


def check_file(path: Path | io.BytesIO) -> None:
    """FileFault unless it is a regular file (or bytes) with content; a FIFO would block a reader for ever."""
    if isinstance(path, io.BytesIO):
        if not path.getbuffer().nbytes:
            raise FileFault("zero_bytes", "no bytes are stored for it")
        return
    try:
        facts = os.stat(path)
    except FileNotFoundError:
        raise FileFault("vanished", "the file was there when the folder was listed, and is gone") from None
    except OSError as error:
        raise FileFault("unreadable", str(error.strerror).lower()) from None
    if not stat.S_ISREG(facts.st_mode):
        raise FileFault("not_a_file", "neither a regular file nor a folder")
    if facts.st_size == 0:
        raise FileFault("zero_bytes", "the file is empty")


@dataclass(frozen=True)
class FileSet:
    """x (M, ...) of the M usable files, images or recordings; `kept` are their positions in the list that was read.

    plain       marks files that may be handed on as they are: without metadata, and stored just as x says
    resized     how many had another size or form than x
    recoloured  how many grey images stand in three channels because others have colours
    ranges      of numbers of more than 8 bits: how they are stored -> (low, high) that became 0 to 255
    """

    x: np.ndarray
    kept: np.ndarray
    plain: tuple[bool, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    resized: int = 0
    recoloured: int = 0
    sample_rate_hz: int = 0
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def usable(names: Mapping[int, str], read: Callable[[int], Read]) -> tuple[dict[int, Read], list[Finding]]:
    """What `read` makes of every file, by its key, and a finding for each FileFault."""
    found, findings = {}, []
    for i, name in names.items():
        try:
            found[i] = read(i)
        except FileFault as fault:
            findings.append(Finding(name, fault.reason, fault.detail))
    return found, findings
