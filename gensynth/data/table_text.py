"""The text of table files: its encoding, the mark before it, how its lines end, and the same written again."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from gensynth.errors import DataError, UsageError

MAX_BYTES = 4 * 2**30
MARK = "\ufeff"  # before the text, says its encoding
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_FIRST_END = re.compile(r'(?:[^"\r\n]++|"[^"]*+")*+(\r\n|\n|\r)')  # of a record, line ends inside of quotes apart


def read_text(path: Path, encoding: str) -> tuple[str, dict[str, Any]]:
    """The whole file as text without its mark, and how it is encoded, where that is not plain UTF-8.

    A mark before the text decides, else the stated encoding, else UTF-8. DataError for bytes that are not such text.
    """
    raw = _unpacked(path) if path.suffix.lower() == ".gz" else path.read_bytes()
    if raw.startswith(b"PK\x03\x04"):
        raise DataError(f"{path.name} is a zip file or an Excel file, not text; give it the ending that says so")
    marked = next((name for mark, name in _MARKS if raw.startswith(mark)), "")
    name = marked or _name(encoding or "utf-8")
    try:
        text = raw.decode(name)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path.name}, line {line}: byte 0x{raw[error.start]:02x} is not {name if name != 'utf-8' else 'UTF-8'} "
            "text; say what it is, for example data.encoding=cp1252"
        ) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(
            f"{path.name}, line {line}: a NUL byte; the file is damaged or not a text table "
            "(UTF-16 without a mark: data.encoding=utf-16-le or utf-16-be)"
        )
    written = {"encoding": name} if name != "utf-8" else {}
    return text.removeprefix(MARK), written | ({"mark": True} if text.startswith(MARK) else {})


def _name(encoding: str) -> str:
    """Python's name of an encoding of text; UsageError where there is none."""
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)  # else it turns bytes into bytes
    except LookupError:
        raise UsageError(f"data.encoding={encoding} is not an encoding that Python knows") from None
    return {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}.get(name, name)


def _unpacked(path: Path) -> bytes:
    """What a gzip file holds; DataError where it is damaged, or holds more than may be read."""
    try:
        with gzip.open(path) as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be unpacked: {error}") from None
    if len(raw) > MAX_BYTES:
        raise DataError(f"{path.name} unpacks to more than {MAX_BYTES >> 30} GiB")
    return raw


def line_end_of(text: str) -> dict[str, str]:
    r"""How the first record ends, where that is not \n.

    >>> line_end_of('"a\nb",c\r\n1,2\r\n'), line_end_of("a,b\n1,2\n")
    ({'line_end': '\r\n'}, {})
    """
    found = _FIRST_END.match(text) or re.search(r"(\r\n|\n|\r)", text)
    return {"line_end": found[1]} if found and found[1] != "\n" else {}


class TextSink:
    """A text file that is written piece by piece, as `written` says: "encoding", "mark" and "line_end"."""

    def __init__(self, path: Path, written: Mapping[str, Any]) -> None:
        self.path, self.encoding = path, written.get("encoding", "utf-8")
        self.file: IO[str] = path.open("w", encoding=self.encoding, newline="")
        if written.get("mark"):
            self.file.write(MARK)

    def write(self, text: str) -> None:
        """DataError for a letter that the encoding lacks."""
        try:
            self.file.write(text)
        except UnicodeEncodeError as error:
            letters = error.object[error.start : error.end][:10]
            raise DataError(
                f"{self.path.name} is written in {self.encoding} as the data came, which has no {letters!r}; "
                "give the data as UTF-8"
            ) from None

    def close(self) -> None:
        self.file.close()
