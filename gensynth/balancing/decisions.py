"""A person's decisions on synthetic rows: review.csv, and the answers of a blind look.

Both files are the only place where decisions lie. Each is written whole beside its target, synced and renamed, so a
kill at any moment leaves the decisions up to the last click. Lines and columns that somebody else wrote stay.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gensynth.balancing.ledger import NameRow, csv_text, read_ledger
from gensynth.data.conditions import CELL
from gensynth.errors import DataError
from gensynth.files import write_atomically
from gensynth.types import REAL

DECISIONS = {"accept": "accepted", "reject": "rejected", "unsure": "unsure", "relabel": "relabelled"}
PASSED_OVER = ("reject", "relabel")  # rows with these decisions are left out by the next merge
ANSWERS = ("real", "made")
BLIND = "review_blind.csv"
_INDEX = re.compile(r"(?<=-)([0-9]{6}|[1-9][0-9]{6,})(?=(\.[a-z]+)?\Z)")  # in the name of a synthetic row


@dataclass(frozen=True)
class Decision:
    """One of DECISIONS, or of ANSWERS in a blind look; `relabel` is the class seen instead, where one was named."""

    answer: str
    relabel: str = ""


@dataclass(frozen=True)
class RowName:
    """How review.csv names a row: `row_id` as in the ledger, and for tables, whose numbers move, what it was made as.

    A rejected row keeps its `made_as` when another row takes its number.
    """

    row_id: str
    drawn_as: str = ""

    @property
    def key(self) -> str:
        return self.drawn_as or self.row_id


@dataclass
class Lines:
    """A CSV file as it lies there: column names, and cells line by line."""

    header: list[str]
    cells: list[list[str]]

    def get(self, line: list[str], column: str) -> str:
        place = self.header.index(column) if column in self.header else len(line)
        return line[place] if place < len(line) else ""

    def key(self, line: list[str]) -> str:
        return self.get(line, "made_as") or self.get(line, "row_id")

    def answer(self, line: list[str]) -> str:
        return self.get(line, "verdict").strip().lower()

    def put(self, line: list[str], values: Mapping[str, str]) -> None:
        """Set cells of a line, and add the columns that are missing and have a value."""
        for column, value in values.items():
            if column not in self.header:
                if not value:
                    continue
                longest = max(map(len, self.cells), default=0)  # cells beyond the header keep a column of their own
                self.header += [*[""] * (longest - len(self.header)), column]
            place = self.header.index(column)
            line.extend([""] * (place + 1 - len(line)))
            line[place] = value


def review_path(run: Path) -> Path:
    """Where the decisions on a run lie: review.csv beside the dataset, or in run/ where only that one is there."""
    inside = run / "run" / "review.csv"
    return inside if inside.is_file() and not (run / "review.csv").is_file() else run / "review.csv"


def read_decisions(path: Path) -> dict[str, Decision]:
    """Decisions by the key of a row; none where there is no file. The last line about a row counts.

    Raises DataError naming every line that is not understood.
    """
    lines = _read(path, ("row_id", "verdict"))
    found, bad = {}, []
    for number, line in enumerate(lines.cells, 2):
        key, answer = lines.key(line), lines.answer(line)
        if answer in DECISIONS:
            found[key] = Decision(answer, lines.get(line, "relabel"))
        elif answer:
            bad.append(f'line {number}: verdict "{answer}" for {key}')
    if bad:
        raise DataError(f"{path.name}: a verdict is accept, reject, unsure or relabel", bad)
    return found


def write_decision(path: Path, row: RowName, decision: Decision | None) -> None:
    """Put one decision on disk, or take it back with None; everything else in the file stays."""
    lines = _read(path, ("row_id", "verdict"), ("relabel",))
    mine = [line for line in lines.cells if lines.key(line) == row.key]
    decided = [line for line in mine if lines.answer(line)]
    if not mine:
        mine = [[]]
        lines.cells.extend(mine)
    answer, relabel = (decision.answer, decision.relabel) if decision else ("", "")
    line = (decided or mine)[-1]
    lines.put(line, {"row_id": row.row_id, "made_as": row.drawn_as, "verdict": answer, "relabel": relabel})
    _write(path, lines)


def row_names(ledger: Path, tabular: bool) -> list[RowName]:
    """The synthetic rows of a ledger, in its order."""
    lines = [line for line in read_ledger(ledger) if line["source"] != REAL]
    return [RowName(line["row_id"], drawn_as(line) if tabular else "") for line in lines]


def check_rows(
    reviewed: Iterable[str], ledger: Path, conditions: Iterable[str], samplers: Iterable[str], name_row: NameRow
) -> None:
    """DataError where review.csv speaks of rows that a run neither has nor can have made, as after a slip of the pen.

    A row that an earlier merge replaced has left the ledger and its decision holds, so a name of this run's making is
    enough: one that name_row(condition, sampler, index) gives, whatever the index.

    samplers  those that make rows now; the ledger tells of others
    """
    drawn_by = {line["row_id"]: line["sampler"] for line in read_ledger(ledger)}
    makers = {*samplers, *drawn_by.values()} - {""}
    forms = {name_row(condition, sampler, 0) for condition in conditions for sampler in makers}
    unknown = [row for row in reviewed if row not in drawn_by and _INDEX.sub("000000", row) not in forms]
    if unknown:
        like = next((row for row, sampler in drawn_by.items() if sampler), min(forms))
        raise DataError(
            f"review.csv speaks of rows that this run neither has nor made: {len(unknown)}, the first {unknown[0]!r}; "
            f"write row ids as they stand in dataset/ledger.csv, like {like!r}, or take the lines out"
        )


def drawn_as(line: Mapping[str, str]) -> str:
    """What a ledger's line says of how its row was made, in a cell: label, sampler, index and groups, if any.

    >>> drawn_as({"label": "yes", "sampler": "cvae", "index": "7", "params": ""})
    '["yes", "cvae", "7"]'
    """
    params = json.loads(line["params"]) if line["params"] else {}
    cell = [params[CELL]] if CELL in params else []
    return json.dumps([line["label"], line["sampler"], line["index"], *cell], ensure_ascii=False, sort_keys=True)


def line_of(synthetic: str) -> dict[str, str]:
    """Inverse of `drawn_as`: the columns of the ledger that name a row. DataError where the cell was changed."""
    try:
        label, sampler, index, *cell = json.loads(synthetic)
        params = json.dumps({CELL: cell[0]}) if cell else ""
        return {"label": label, "sampler": sampler, "index": str(int(index)), "params": params}
    except (ValueError, TypeError):
        raise DataError(f"review.csv: made_as is not as it was written: {synthetic}") from None


def pin_rows(path: Path, rows: Iterable[RowName]) -> None:
    """Write beside every row number of a table what the row was made as, and the numbers that rows have now.

    Done before a merge gives the numbers to other rows; a row that the dataset no longer has loses its number.
    """
    if not path.is_file():
        return
    by_number = {row.row_id: row for row in rows if row.drawn_as}
    by_name = {row.drawn_as: row for row in by_number.values()}
    lines = _read(path, ("row_id", "verdict"))
    before = csv_text(lines.header, lines.cells)
    for line in lines.cells:
        if name := lines.get(line, "made_as"):
            lines.put(line, {"row_id": by_name[name].row_id if name in by_name else ""})
        elif row := by_number.get(lines.get(line, "row_id")):
            lines.put(line, {"made_as": row.drawn_as})
    if csv_text(lines.header, lines.cells) != before:
        _write(path, lines)


def read_answers(path: Path) -> dict[str, tuple[str, str]]:
    """row_id -> (truth, answer) of a blind look, each `real` or `made`; none where there is no file.

    Raises DataError naming every line that is not understood.
    """
    lines = _read(path, ("row_id", "truth", "answer"))
    found = {lines.get(line, "row_id"): (lines.get(line, "truth"), lines.get(line, "answer")) for line in lines.cells}
    bad = [
        f"{row}: {truth}, {reported}" for row, (truth, reported) in found.items() if not {truth, reported} <= {*ANSWERS}
    ]
    if bad:
        raise DataError(f"{path.name}: truth and answer are real or made", bad)
    return found


def write_answer(path: Path, row_id: str, truth: str, answer: str) -> None:
    """Put one answer on disk; an empty one takes it back."""
    lines = _read(path, ("row_id", "truth", "answer"))
    lines.cells = [line for line in lines.cells if lines.get(line, "row_id") != row_id]
    if answer:
        lines.cells.append([])
        lines.put(lines.cells[-1], {"row_id": row_id, "truth": truth, "answer": answer})
    _write(path, lines)


def _read(path: Path, columns: tuple[str, ...], further: tuple[str, ...] = ()) -> Lines:
    """DataError unless the file, where there is one, is UTF-8 and has these columns; a new one has further ones too."""
    if not path.is_file():
        return Lines([*columns, *further], [])
    try:
        text = path.read_bytes().decode("utf-8-sig")
        with io.StringIO(text, newline="") as file:
            header, *cells = [line for line in csv.reader(file) if line] or [[]]
    except UnicodeDecodeError:
        raise DataError(f"{path.name} is not UTF-8 text; save it as CSV UTF-8") from None
    except csv.Error as error:
        raise DataError(f"{path.name} cannot be read as CSV: {error}") from None
    if text.strip() and not set(columns) <= set(header):
        raise DataError(f"{path.name} needs the columns {' and '.join(columns)}, found {header}")
    return Lines(header or [*columns, *further], cells)


def _write(path: Path, lines: Lines) -> None:
    text = csv_text(lines.header, lines.cells)
    write_atomically(path, lambda file: file.write(text.encode()))
