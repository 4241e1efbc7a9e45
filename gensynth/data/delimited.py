"""Text with delimiters between cells: which it is, whether quotes mark cells, columns, and whether they are named."""

from __future__ import annotations

import csv
import io
import math
import re
from itertools import takewhile
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as arrow
import pyarrow.csv as arrow_csv

from gensynth.errors import DataError, UsageError

DELIMITERS = (",", ";", "\t", "|")
ROWS_AT_ONCE = 10_000
_SHOWN = 20
_BEGINNING = 65536  # letters by which a file is judged
_COMMENTS = re.compile(r"(?:(?:#[^\r\n]*)?(?:\r\n|\r|\n))+")  # and empty lines
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)")


def some_of(problems: list[str]) -> list[str]:
    rest = len(problems) - _SHOWN
    return [*problems[:_SHOWN], f"... and {rest} more"] if rest > 0 else problems


def below_comments(text: str, delimiter: str) -> tuple[str, list[str]]:
    r"""The text without the lines above it that begin with #, and those lines, empty ones among them.

    A line with as many cells as the first one without # is a row or the header, and so is all below it.

    >>> below_comments("# of May\n#id,y\n#1,a\n2,b\n", "")
    ('#id,y\n#1,a\n2,b\n', ['# of May\n'])
    """
    above = _COMMENTS.match(text)
    below = text[above.end() :] if above else ""
    if not above or "#" not in above[0] or not below.strip():
        return text, []
    delimiter = delimiter if delimiter in DELIMITERS else _likely(below)
    quoting = _quoting(below, delimiter)
    beginning = io.StringIO(below[:_BEGINNING], newline="")
    width = len(next(csv.reader(beginning, delimiter=delimiter, quoting=quoting)))

    def is_comment(line: str) -> bool:
        try:
            return len(next(csv.reader([line], delimiter=delimiter, quoting=quoting, strict=True))) != width
        except csv.Error:
            return False  # a cell goes on in the next line

    comments = list(takewhile(is_comment, _LINE.findall(above[0])))
    return text[len("".join(comments)) :], comments


def _quoting(text: str, delimiter: str) -> Literal[0, 3]:
    """Whether quotes mark cells, in the words of the module csv."""
    return csv.QUOTE_NONE if delimiter == "\t" and _quotes_are_text(text) else csv.QUOTE_MINIMAL


def _likely(text: str) -> str:
    """The delimiter that cuts the first lines into the most cells, all into as many."""
    sample = text.lstrip("\r\n")[:_BEGINNING].splitlines()[:50]
    widths = {d: [len(r) for r in csv.reader(sample, delimiter=d) if r] for d in DELIMITERS}
    steady = {d: w[0] for d, w in widths.items() if len(set(w[:-1])) == 1 and w[0] > 1}
    choice = steady or {d: w[0] for d, w in widths.items()}
    return max(choice, key=lambda d: choice[d])


def read_columns(path: Path, text: str, delimiter: str, above: int = 0) -> tuple[list[np.ndarray], list[int], str]:
    """Columns of all non-empty records (N,), the file lines on which the first two begin, and the delimiter.

    above  lines of the file that stand above the text
    """
    if not text.strip():
        raise DataError(f"{path.name} is empty")
    if not delimiter:
        delimiter = _likely(text)
    elif delimiter not in DELIMITERS:
        raise UsageError(f"data.delimiter={delimiter!r} is none of comma, semicolon, tab, bar")
    if (columns := _unquoted(text, delimiter)) is not None:
        return columns, [above + 1, above + 2], delimiter
    return *_quoted(path, text, delimiter, above), delimiter


def _unquoted(text: str, delimiter: str) -> list[np.ndarray] | None:
    """Columns of text without quotes and empty lines, all rows of one width; None where it is another."""
    if '"' in text or text[0] in "\r\n" or "\n\n" in text or "\n\r" in text or text.count("\r") != text.count("\r\n"):
        return None
    first = text.find("\n")
    width = text.count(delimiter, 0, first if first >= 0 else len(text)) + 1
    parse = arrow_csv.ParseOptions(delimiter=delimiter, quote_char=False, double_quote=False, escape_char=False)
    types = {f"f{j}": arrow.dictionary(arrow.int32(), arrow.string()) for j in range(width)}
    convert = arrow_csv.ConvertOptions(column_types=types, null_values=[], strings_can_be_null=False)
    names = arrow_csv.ReadOptions(autogenerate_column_names=True, use_threads=False, block_size=1 << 24)
    try:
        table = arrow_csv.read_csv(arrow.BufferReader(text.encode()), names, parse, convert).unify_dictionaries()
    except (arrow.ArrowInvalid, UnicodeEncodeError):
        return None  # rows of other widths, which are told line by line
    return [_texts(table.column(j)) for j in range(width)]


def _texts(column: arrow.ChunkedArray) -> np.ndarray:
    """Text (N,) of a column that is encoded by a dictionary."""
    texts = column.chunk(0).dictionary.to_numpy(zero_copy_only=False)
    return texts[np.concatenate([chunk.indices.to_numpy() for chunk in column.chunks])]


def _quoted(path: Path, text: str, delimiter: str, above: int = 0) -> tuple[list[np.ndarray], list[int]]:
    """Columns of any text below some lines, and the file lines on which the first two records begin."""
    csv.field_size_limit(1 << 24)
    by_line = io.TextIOWrapper(io.BytesIO(text.encode("utf-8", "surrogatepass")), "utf-8", "surrogatepass", newline="")
    reader = csv.reader(by_line, delimiter=delimiter, strict=True, quoting=_quoting(text, delimiter))
    begins, width, columns = above + 1, 0, _Columns()
    rows: list[list[str]] = []
    firsts: list[int] = []
    ragged: list[str] = []
    try:
        for record in reader:
            width = width or len(record)
            if record and len(record) == width:
                firsts += [begins] if len(firsts) < 2 else []
                rows.append(record)
            elif record:
                ragged.append(f"line {begins}: {len(record)} cells, not {width}")
            if len(rows) == ROWS_AT_ONCE:
                columns.add(rows)
                rows = []
            begins = above + reader.line_num + 1
    except csv.Error as error:
        what = "a quote that is never closed" if "unexpected end" in str(error) else str(error)
        raise DataError(f"{path.name}, record that begins on line {begins}: {what}") from None
    if ragged:
        raise DataError(f"{path.name}: {len(ragged)} rows do not have {width} cells", some_of(ragged))
    columns.add(rows)
    return columns.joined(), firsts


class _Columns:
    """Columns that are put together from blocks of rows; equal cells of a column are one object, if they are few."""

    def __init__(self) -> None:
        self._blocks: list[list[np.ndarray]] = []
        self._once: list[dict[str, str] | None] = []

    def add(self, rows: list[list[str]]) -> None:
        for j, column in enumerate(zip(*rows, strict=True)):
            if j == len(self._blocks):
                self._blocks.append([])
                self._once.append({})
            once = self._once[j]
            if once is not None:
                column = tuple(map(once.setdefault, column, column))
                self._once[j] = once if len(once) < ROWS_AT_ONCE else None
            self._blocks[j].append(np.array(column, dtype=object))

    def joined(self) -> list[np.ndarray]:
        return [np.concatenate(blocks) for blocks in self._blocks]


def _quotes_are_text(text: str) -> bool:
    """Whether quotes of tab-separated text are part of its cells, as in many such files, and do not mark cells.

    They are if every line has as many tabs as the others, and some cell has a quote at one end only or inside.
    """
    lines = [line for line in text.split("\n") if line.strip()]
    cells = (cell for line in lines if '"' in line for cell in line.rstrip("\r").split("\t") if '"' in cell)
    marked = all(len(c) > 1 and c[0] == c[-1] == '"' and '"' not in c[1:-1].replace('""', "") for c in cells)
    return not marked and len({line.count("\t") for line in lines}) == 1


def is_header(columns: list[np.ndarray], label: str) -> bool:
    """Whether the first cells of columns (N,) name them: no numbers, or such that count columns, or the label."""
    cells = [str(column[0]).strip() for column in columns]
    if label in cells and not _is_number(label):
        return True
    places = [i for i, cell in enumerate(cells) if _is_number(cell)]
    if not places:
        return cells.count("") <= 1 and any(cells)
    counted = [cells[i] for i in places] in ([str(i) for i in places], [str(i + 1) for i in places])
    named = [i for i, cell in enumerate(cells) if cell and i not in places]
    again = any(cell.strip() == cells[i] for i in named for cell in columns[i][1:].tolist())
    return counted and bool(named) and not again


def _is_number(cell: str) -> bool:
    """Whether a cell can be no name: a finite number (`inf` and `nan` are names as well)."""
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False
