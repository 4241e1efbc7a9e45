"""One column of a table: what kind it is, its cells as numbers, and numbers written as its cells again.

Modelled kinds (`numeric`, `categorical`, `boolean`, `datetime`) become float64: numbers as they are, dates in
seconds since 1970, categories as their index, missing as NaN. The others (`constant`, `identifier`, `text`) are
described, and written again for synthetic rows without being learned.
"""

from __future__ import annotations

import re
import string
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from gensynth import rng
from gensynth.errors import DataError

MODELLED = ("numeric", "categorical", "boolean", "datetime")
KINDS = (*MODELLED, "constant", "identifier", "text")
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?", "-", ".")
EXACT = 2.0**53  # larger whole numbers do not fit a float64
DATE_FORMATS = (  # in the order they are tried
    *("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"),
    *("%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y"),
    *("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%f"),
)
_BOOLEANS = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"})
_NAMED_ID = re.compile(r"(^|[_\s.-])(id|idx|index|key|uuid|guid|rownum|row_number)$", re.IGNORECASE)
ATTEMPTS = 40
# What a place of an identifier's pattern may hold; any other character stands for itself.
DIGIT, LEADING, LOWER, UPPER = "#", "&", "?", "^"
_LETTERS = {LOWER: string.ascii_lowercase, UPPER: string.ascii_uppercase}
ALPHABETS = {DIGIT: string.digits, LEADING: string.digits[1:], **_LETTERS}
_MANY_CATEGORIES = 50
_TEXT_LENGTH = 40


@dataclass(frozen=True)
class Column:
    """Facts of one column, plain JSON.

    categories  cells of a categorical or boolean column, sorted; `categories` in files
    integer   whole numbers only; `decimals`: most digits after the point, `fixed`: all cells have as many
    significant  most digits of a cell without leading zeros, where that says more than `decimals`; 0 where not
    bare      whole values are written without a point although the column has fractions
    missing   how a missing cell is written
    format    strptime format of a datetime column
    example   a cell of a constant, or the pattern of an identifier
    low, high smallest and largest value
    """

    name: str
    kind: str
    categories: tuple[str, ...] = ()
    integer: bool = False
    decimals: int = 0
    fixed: bool = False
    bare: bool = False
    significant: int = 0
    missing: str = ""
    format: str = ""
    example: str = ""
    low: float = 0.0
    high: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            {"categories": "levels"}.get(k, k): list(v) if k == "categories" else v for k, v in asdict(self).items()
        }

    @staticmethod
    def from_json(facts: dict[str, Any]) -> Column:
        """Inverse of `to_json`; ValueError for an unknown kind, TypeError for unknown keys."""
        if facts.get("kind") not in KINDS:
            raise ValueError(f"column kind {facts.get('kind')!r} is none of {', '.join(KINDS)}")
        known = {k: v for k, v in facts.items() if k != "levels"}
        return Column(**known, categories=tuple(facts.get("levels", ())))

    @property
    def modelled(self) -> bool:
        return self.kind in MODELLED

    @property
    def discrete(self) -> bool:
        """Whether values are category indices."""
        return self.kind in ("categorical", "boolean")


def describe(name: str, cells: np.ndarray, kind: str = "") -> Column:
    """Find the kind of a column from its cells, text (N,); `kind` states it instead.

    ValueError where cells do not fit the stated kind.
    """
    present = cells[cells != ""]
    kind = kind or _kind_of(name, cells, present)
    if kind == "numeric":
        return _numeric(name, cells)
    if kind == "datetime":
        return _datetime(name, cells, _date_format(present))
    if kind == "constant":
        return Column(name, "constant", example=str(present[0]) if len(present) else "")
    if kind == "identifier":
        return _identifier(name, cells)
    return Column(name, kind, categories=() if kind == "text" else tuple(np.unique(present).tolist()))


def _kind_of(name: str, cells: np.ndarray, present: np.ndarray) -> str:
    """The kind that all cells (N,) allow; `present` are those that are not empty."""
    numbers = _numbers(cells)
    if _is_numeric(present, numbers):
        return "identifier" if _is_identifier(name, cells, numbers) else "numeric"
    if _date_format(present):
        return "datetime"
    distinct = np.unique(present)
    if len(distinct) <= 1 and len(present) in (0, len(cells)):
        return "constant"
    if _is_identifier(name, cells, None):
        return "identifier"
    if _is_free_text(present, distinct):
        return "text"
    is_boolean = len(distinct) == 2 and {category.lower() for category in distinct.tolist()} in _BOOLEANS
    return "boolean" if is_boolean else "categorical"


def values_of(column: Column, cells: np.ndarray) -> np.ndarray:
    """float64 (N,) of cells (N,); missing is NaN, a category that the column does not know is len(categories)."""
    if column.discrete:
        index = pd.Index(column.categories).get_indexer(pd.Index(cells)).astype(np.float64)
        index[index < 0] = len(column.categories)
        return np.where(cells == "", np.nan, index)
    if column.kind == "datetime":
        return _seconds(cells, column.format)
    return _numbers(cells)


def cells_of(column: Column, values: np.ndarray) -> np.ndarray:
    """Cells (N,) of values float64 (N,), written as the column writes them."""
    missing = np.isnan(values)
    if column.discrete:
        table = np.array([*column.categories, column.missing], dtype=object)
        return table[np.where(missing, len(column.categories), np.nan_to_num(values)).astype(np.int64)]
    cells = np.full(len(values), column.missing, dtype=object)
    if column.kind == "datetime":
        stamps = pd.to_datetime(pd.Series(np.rint(values[~missing] * 1e6) * 1e3).astype("int64"), unit="ns")
        cells[~missing] = stamps.dt.strftime(column.format).to_numpy(dtype=object)
        return cells
    cells[~missing] = _written(column, values[~missing])
    return cells


def issue(column: Column, seeds: np.ndarray, taken: set[str]) -> np.ndarray:
    """Cells (N,) of a column that is not modelled, for synthetic rows: the constant, new identifiers, empty text.

    An identifier keeps the pattern of the real ones: digits where they have digits, letters where letters;
    those in `taken` are not issued, and issued ones are added to it.
    """
    if column.kind == "constant":
        return np.full(len(seeds), column.example, dtype=object)
    if column.kind == "text":
        return np.full(len(seeds), column.missing, dtype=object)
    cells, waiting = np.empty(len(seeds), dtype=object), np.arange(len(seeds))
    for attempt in range(ATTEMPTS):
        # After half of the tries the pattern grows: a short one may have no room left.
        pattern = column.example + DIGIT * max(0, attempt - ATTEMPTS // 2)
        drawn = _from_pattern(pattern, rng.uniform(seeds[waiting], max(len(pattern), 1), f"identifier{attempt}"))
        still = []
        for place, cell in zip(waiting.tolist(), drawn, strict=True):
            if cell in taken:
                still.append(place)
            else:
                taken.add(cell)
                cells[place] = cell
        waiting = np.array(still, dtype=np.int64)
        if not len(waiting):
            return cells
    raise DataError(f'column "{column.name}": no unused identifier of the pattern {column.example} is left')


def _from_pattern(pattern: str, draws: np.ndarray) -> list[str]:
    """Texts of a pattern from uniform numbers (N, len(pattern))."""
    if not pattern:
        return [""] * len(draws)
    places = [np.array(list(ALPHABETS.get(place, place))) for place in pattern]
    letters = [place[(draws[:, i] * len(place)).astype(np.int64)] for i, place in enumerate(places)]
    return ["".join(row) for row in zip(*letters, strict=True)]


def _numbers(cells: np.ndarray) -> np.ndarray:
    """float64 (N,), NaN where a cell is no finite number of float64's precision."""
    numbers = pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _is_numeric(present: np.ndarray, numbers: np.ndarray) -> bool:
    """Numbers and missing marks only; no leading zeros (codes) and no whole numbers beyond float64."""
    if np.isnan(numbers).all():
        return False
    others = set(np.unique(present[np.isnan(_numbers(present))]).tolist())
    infinite = {cell for cell in others if cell.strip().lower().lstrip("+-") in ("inf", "infinity")}
    if not (others - infinite) <= set(MISSING):
        return False
    if np.nanmax(np.abs(numbers)) > EXACT and not any("." in c or "e" in c.lower() for c in present[:1000]):
        return False
    codes = pd.Series(np.unique(present), dtype=object).str.fullmatch(r"[-+]?0[0-9]+")
    return not bool(codes.any())


def _numeric(name: str, cells: np.ndarray) -> Column:
    numbers = _numbers(cells)
    known = ~np.isnan(numbers)
    if not known.any():
        raise ValueError(f'column "{name}" holds no numbers')
    low, high = _range(numbers)
    marks, how_often = np.unique(cells[~known].astype(str), return_counts=True)
    missing = str(marks[np.argmax(how_often)]) if len(marks) else ""
    if low == high and known.all():
        return Column(name, "constant", example=str(cells[0]))
    text = pd.Series(cells[known], dtype=object).str.strip()
    integer = bool((np.mod(numbers[known], 1) == 0).all()) and not text.str.contains(r"[.eE]").any()
    if integer:
        return Column(name, "numeric", integer=True, missing=missing, low=low, high=high)
    plain = text[~text.str.contains(r"[eE]")]
    digits = plain.str.partition(".")[2].str.len()
    decimals = int(digits.max()) if len(digits) and len(plain) == len(text) else 17
    return Column(
        name,
        "numeric",
        decimals=decimals,
        fixed=bool(decimals < 17 and (digits == decimals).all()),
        bare=bool((digits == 0).any()),
        significant=_significant(text, decimals, max(abs(low), abs(high))),
        missing=missing,
        low=low,
        high=high,
    )


def _significant(text: pd.Series, decimals: int, largest: float) -> int:
    """Most significant digits of number cells, 0 where no value up to `largest` with `decimals` can have more."""
    digits = (
        text.str.replace(r"[eE].*$", "", regex=True).str.replace(r"[-+.]", "", regex=True).str.lstrip("0").str.len()
    )
    most = int(digits.max())
    return most if most <= 15 and most < decimals + len(str(int(largest))) else 0


def _written(column: Column, values: np.ndarray) -> np.ndarray:
    if not len(values):
        return values.astype(object)
    if column.integer:
        return np.rint(values).astype(np.int64).astype(str).astype(object)
    if column.fixed:
        return np.char.mod(f"%.{column.decimals}f", values).astype(object)
    texts = round_values(column, values).astype(str)
    if column.bare:
        texts = np.char.replace(np.char.add(texts, "#"), ".0#", "#")
        texts = np.char.rstrip(texts, "#")
    return texts.astype(object)


def round_values(column: Column, values: np.ndarray) -> np.ndarray:
    """Values as the column would give them back after being written and read."""
    if column.integer:
        return np.rint(values)
    if column.kind != "numeric":
        return values
    if column.significant:
        values = np.char.mod(f"%.{column.significant}g", values).astype(np.float64)
    return np.round(values, column.decimals) if column.decimals <= 15 else values


def _date_format(present: np.ndarray) -> str:
    """The first format that reads every cell; empty if none does."""
    if not len(present) or not re.match(r"\d{1,4}[-/.]\d", str(present[0])):
        return ""
    for format_ in DATE_FORMATS:
        if not np.isnan(_seconds(present[:50], format_)).any() and not np.isnan(_seconds(present, format_)).any():
            return format_
    return ""


def _seconds(cells: np.ndarray, format_: str) -> np.ndarray:
    stamps = pd.to_datetime(pd.Series(cells, dtype=object), format=format_, errors="coerce")
    stamps = stamps.dt.tz_localize(None) if stamps.dt.tz is not None else stamps
    return ((stamps - pd.Timestamp(0)) / pd.Timedelta(seconds=1)).to_numpy(np.float64)


def _datetime(name: str, cells: np.ndarray, format_: str) -> Column:
    if not format_:
        raise ValueError(f'column "{name}": no date format fits all cells')
    seconds = _seconds(cells, format_)
    low, high = _range(seconds)
    if low == high and not np.isnan(seconds).any():
        return Column(name, "constant", example=str(cells[0]))
    whole = bool((np.mod(seconds[~np.isnan(seconds)], 1) == 0).all())
    return Column(name, "datetime", format=format_, low=low, high=high, integer=whole)


def _range(values: np.ndarray) -> tuple[float, float]:
    return float(np.nanmin(values)), float(np.nanmax(values))


def _is_identifier(name: str, cells: np.ndarray, numbers: np.ndarray | None) -> bool:
    """A different cell in every row: whole numbers in sequence or so named, or short text without spaces."""
    if len(cells) < 20 or pd.unique(pd.Series(cells, dtype=object)).size < len(cells):
        return False
    if numbers is None:
        lengths = pd.Series(cells, dtype=object).str.len()
        return bool((lengths <= _TEXT_LENGTH).all() and not any(" " in cell for cell in cells[:1000]))
    if np.isnan(numbers).any() or (np.mod(numbers, 1) != 0).any():
        return False
    return bool(numbers.max() - numbers.min() == len(cells) - 1 or _NAMED_ID.search(name))


def _identifier(name: str, cells: np.ndarray) -> Column:
    """The pattern of most cells: digits, letters, or the character that all share at a place."""
    lengths = pd.Series(cells, dtype=object).str.len()
    longest = cells[(lengths == lengths.mode()[0]).to_numpy()]
    letters = np.array([list(cell) for cell in longest[:1000].tolist()])
    pattern = "".join(_place(letters[:, i], first=i == 0) for i in range(letters.shape[1]))
    if pattern[:1] == LEADING and len(np.unique(lengths)) > 1:  # numbers that grow: one digit more has room for all
        pattern = LEADING + DIGIT * len(pattern)
    return Column(name, "identifier", example=pattern)


def _place(characters: np.ndarray, first: bool) -> str:
    distinct = set(characters.tolist())
    if all(c.isdigit() for c in distinct):
        return LEADING if first and "0" not in distinct else DIGIT
    if len(distinct) == 1:
        return distinct.pop()
    return UPPER if all(c.isupper() for c in distinct) else LOWER


def _is_free_text(present: np.ndarray, distinct: np.ndarray) -> bool:
    """Sentences: most cells differ, and they are long or have several words."""
    if len(distinct) <= _MANY_CATEGORIES or len(distinct) < 0.5 * len(present):
        return False
    sample = pd.Series(distinct[:1000], dtype=object)
    return bool(sample.str.len().mean() > _TEXT_LENGTH or sample.str.count(" ").mean() >= 2)
