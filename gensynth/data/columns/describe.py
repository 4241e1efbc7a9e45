"""What a column is, decided over its train cells: number, date, category, identifier or text."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as compute

from gensynth.data.columns import clocks, dates, magnitudes, numbers
from gensynth.data.columns.cells import Cells
from gensynth.data.columns.codes import find_shape, sieve_of
from gensynth.data.columns.column import Column, is_missing, misfits_of, values_in, values_of
from gensynth.data.columns.measures import are_measures
from gensynth.errors import DataError

EXACT = 2.0**53  # larger whole numbers do not fit a float64
FITTING = 0.8  # share of the cells that a number or a date must read
HALF, NEARLY_ALL = 0.5, 0.95
FEW_CATEGORIES, MANY_CATEGORIES = 20, 50
LEAST_IDENTIFIERS = 20
SURELY_ROWS = 200  # different whole numbers that fill half of their range, in any order, and are therefore row numbers
LEAST_ON_GRID, MOST_GRID_DECIMALS = 12, 6  # distinct values by which a grid is found; digits of fractions at most
_TEXT_LENGTH = 40
_BOOLEANS = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"})
_NAMED_ID = re.compile(
    r"(^|[_\s.-])(id|idx|index|key|uuid|guid|rownum|row_number|code|number|no|nr|ref|serial|sku|hash|token|email|e-mail|ip)"
    r"([_\s.-]|$)",
    re.IGNORECASE,
)
_NUMBER_NAMED_ID = re.compile(r"(^|[_\s.-])(id|idx|index|key|uuid|guid|rownum|row_number)$", re.IGNORECASE)
# Numbers of one person or case, who may have several rows; "vehicle_claim" would be an amount.
_OF_ONE = re.compile(
    r"(^|[_\s.-])(id|uuid|guid|no|nr|number|ref|serial|token|customer|client|patient|member)$|(?-i:[a-z](Id|ID|No|Nr)$)",
    re.IGNORECASE,
)
_UUID = r"^\s*[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\s*$"
MOST_ROWS_EACH = 5  # of one person or case, on average
_CODE = re.compile(r"\d|@")


def describe(
    name: str,
    cells: np.ndarray | Cells,
    kind: str = "",
    format_: str = "",
    decimal_comma: bool = False,
    marks_count: bool = True,
) -> Column:
    """Find the kind of a column from its cells, text (N,); `kind` and `format_` (of dates) state it instead.

    decimal_comma  whether a lone comma in numbers is more likely a decimal mark
    marks_count    whether NA and its like say that a cell of texts is missing; else only an empty cell is
    ValueError where no cell fits the stated kind. DataError where half and more of the cells, but not four fifths, are
    numbers or dates, and too many differ to be categories.
    """
    kind = {"ordinal": "categorical"}.get(kind, kind)
    cells = cells if isinstance(cells, Cells) else Cells.of(cells)
    marks = is_missing(cells.different, texts=False)
    distinct = cells.different[~marks]
    if kind == "datetime" or (format_ and not kind):
        return _settled(_stated_dates(name, distinct, format_), cells, marks)
    if kind == "numeric":
        return _settled(_stated_number(name, distinct, decimal_comma), cells, marks)
    if not kind and len(distinct):
        found = _number_or_date(name, cells, marks, decimal_comma)
        if found is not None:
            return found
    gaps = is_missing(cells.different, texts=True) if marks_count else cells.different == ""
    return _of_texts(name, cells, gaps, kind)


def _number_or_date(name: str, cells: Cells, marks: np.ndarray, decimal_comma: bool) -> Column | None:
    """A column of numbers or dates, or None; DataError where it is one in half of its cells only."""
    distinct, counts = cells.different[~marks], cells.counts[~marks]
    plain = cells.numbers[~marks]
    read = ~np.isnan(plain)
    read[~read] = numbers.infinite(distinct[~read])
    codes = bool(_matches(distinct, r"^\s*[-+]?0[0-9]+\s*$").any())
    if not codes and read.all() and len(distinct):
        return _plain_number(name, cells, marks, distinct, plain)
    if date := dates.find_form(distinct):
        column = Column(name, "datetime", format=date.format, offsets=date.offsets)
        return _settled(column, cells, marks) if _enough(column, distinct, counts) else None
    if codes:
        return None
    form = numbers.find_form(distinct, decimal_comma)
    if form is None:
        form = numbers.PLAIN if read.any() else None
    if form is None:
        return None
    column = _numeric(name, distinct, form)
    if _enough(column, distinct, counts):
        return _settled(column, cells, marks)
    _refuse_halves(name, column, distinct, counts)
    return None


def _matches(cells: np.ndarray, pattern: str) -> np.ndarray:
    """Which cells (N,) hold what the pattern, of RE2, describes."""
    found = compute.match_substring_regex(arrow.array(cells, arrow.string()), pattern)
    return found.to_numpy(zero_copy_only=False)


def _enough(column: Column, distinct: np.ndarray, counts: np.ndarray) -> bool:
    """Whether four fifths of the cells are read, and what is not read is not one of a few categories."""
    fits = ~misfits_of(column, distinct)
    share = counts[fits].sum() / counts.sum()
    return bool(share == 1 or (share >= FITTING and len(distinct) > FEW_CATEGORIES))


def _refuse_halves(name: str, column: Column, distinct: np.ndarray, counts: np.ndarray) -> None:
    fits = ~misfits_of(column, distinct)
    share = counts[fits].sum() / counts.sum()
    if share >= HALF and len(distinct) > MANY_CATEGORIES and fits.sum() > MANY_CATEGORIES:
        others = ", ".join(f'"{cell}"' for cell in distinct[~fits][:3])
        raise DataError(
            f'column "{name}": {share:.0%} of the cells are numbers, {1 - share:.0%} are not, for example {others}; '
            f"say what it is: data.kinds={{{name}: numeric}} (the others then count as missing), categorical or text"
        )


def _plain_number(name: str, cells: Cells, marks: np.ndarray, distinct: np.ndarray, plain: np.ndarray) -> Column:
    """A column of numbers alone: an identifier, instants counted from 1970, compact dates, or a number."""
    known = plain[~np.isnan(plain)]
    whole = len(known) > 0 and bool((np.mod(known, 1) == 0).all()) and not _has_point(distinct)
    if whole:
        if epoch := dates.epoch_form(known):
            return _settled(Column(name, "datetime", format=epoch.format), cells, marks)
        if date := dates.find_form(distinct):
            return _settled(Column(name, "datetime", format=date.format), cells, marks)
        if len(distinct) == len(cells) >= LEAST_IDENTIFIERS and _counts_or_named(name, known):
            return _identifier(name, cells, "")
        if _is_of_one(name, len(distinct), int(cells.counts[~marks].sum())):
            return _identifier(name, cells.where(~marks), cells.commonest(marks))
        if np.abs(known).max() > EXACT:
            return _of_texts(name, cells, is_missing(cells.different, texts=True), "")
    form = numbers.find_form(distinct) or numbers.PLAIN
    if form != numbers.PLAIN:
        return _settled(_numeric(name, distinct, form), cells, marks)
    values = np.full(len(marks), np.nan)
    values[~marks] = plain
    return _settled(_numeric(name, distinct, form, plain), cells, marks, values)


def _has_point(cells: np.ndarray) -> bool:
    return bool(_matches(cells, "[.eE]").any())


def _counts_or_named(name: str, known: np.ndarray) -> bool:
    """Whether different whole numbers are named as identifiers, or count rows: some may have gone to other splits."""
    dense = known.max() - known.min() < 2 * len(known)
    counts = (
        known.max() - known.min() == len(known) - 1 or bool((np.diff(known) > 0).all()) or len(known) >= SURELY_ROWS
    )
    return bool(dense and counts) or _NUMBER_NAMED_ID.search(name) is not None


def _is_of_one(name: str, distinct: int, rows: int) -> bool:
    """Whether a column is called as numbers of people or cases are, and has few rows of each."""
    few_each = distinct >= LEAST_IDENTIFIERS and rows <= MOST_ROWS_EACH * distinct
    return few_each and _OF_ONE.search(name) is not None


def _stated_number(name: str, distinct: np.ndarray, decimal_comma: bool) -> Column:
    form = numbers.find_form(distinct, decimal_comma) if len(distinct) else None
    column = _numeric(name, distinct, form or numbers.PLAIN)
    if not len(distinct) or np.isnan(values_of(column, distinct)).all():
        raise ValueError(f'column "{name}" holds no numbers')
    return column


def _stated_dates(name: str, distinct: np.ndarray, format_: str) -> Column:
    if unknown := dates.unwritten(format_):
        raise ValueError(
            f'column "{name}": data.formats has {unknown}, which is not known; see {", ".join(dates.KNOWN)}'
        )
    form = dates.find_form(distinct, format_) or dates.epoch_form(numbers.plain_numbers(distinct))
    if form is None:
        what = f"the format {format_} does not read" if format_ else "no date format reads"
        example = f', for example "{distinct[0]}"' if len(distinct) else ""
        raise ValueError(f'column "{name}": {what} four fifths of its cells{example}; data.formats={{{name}: ...}}')
    return Column(name, "datetime", format=form.format, offsets=form.offsets)


def _numeric(name: str, distinct: np.ndarray, form: numbers.NumberForm, values: np.ndarray | None = None) -> Column:
    """Digits of numbers, from distinct cells; `values`: of them, where they are known."""
    column = Column(name, "numeric", spelling=form.to_json())
    values = values_of(column, distinct) if values is None else values
    known = ~np.isnan(values)
    if not known.any() or form.clock:
        decimals = clocks.decimals_of(form.clock)
        return replace(column, integer=bool(form.clock) and not decimals, decimals=decimals)
    text = _bare_digits(distinct[known], form)
    if form.magnitudes:
        return _cut_short(column, text)
    has_exponent = compute.match_substring_regex(text, "[eE]").to_numpy(zero_copy_only=False)
    has_point = compute.match_substring(text, ".").to_numpy(zero_copy_only=False)
    if bool((np.mod(values[known], 1) == 0).all()) and not (has_exponent | has_point).any():
        return replace(column, integer=True)
    fraction = compute.replace_substring_regex(text, r"^[^.]*\.?|[eE].*$", "")
    digits = compute.utf8_length(fraction).to_numpy()
    if form.exponent:
        return replace(column, decimals=int(digits.max()), fixed=True)
    decimals = 17 if has_exponent.any() else int(digits.max())
    whole = np.mod(values[known], 1) == 0
    bare = bool((digits == 0).any())
    # Zeros without a point beside 24.50 and 12.40: fractions have as many digits, and no whole number has any.
    alike = (digits == decimals) | (whole & (digits == 0) & ~(whole & (digits > 0)).any())
    return replace(
        column,
        decimals=decimals,
        fixed=bool(decimals < 17 and alike.all()),
        bare=bare,
        significant=_significant(text, decimals, float(np.abs(values[known]).max())),
    )


def _cut_short(column: Column, text: arrow.Array) -> Column:
    """Digits of numbers of which some are cut short, from their digits with exponents, as 1.7e6."""
    fraction = compute.replace_substring_regex(text, r"^[^.]*\.?|[eE].*$", "")
    decimals = int(compute.utf8_length(fraction).to_numpy().max())
    return replace(
        column,
        decimals=decimals,
        fixed=bool(compute.any(compute.ends_with(fraction, "0")).as_py()),
        significant=_significant(text, decimals, 999.0),
    )


def _bare_digits(cells: np.ndarray, form: numbers.NumberForm) -> arrow.Array:
    """Digits, point and exponent alone of number cells."""
    text = compute.utf8_trim_whitespace(arrow.array(cells, arrow.string()))
    if form.magnitudes:
        text = magnitudes.in_exponents(text, form.magnitudes, form.suffix)
    for part in (form.suffix.strip(), form.prefix.strip(), form.group):
        text = compute.replace_substring(text, part, "") if part else text
    text = compute.replace_substring(text, form.point, ".") if form.point != "." else text
    return compute.replace_substring_regex(text, r"^[^\d.]+|[^\d.]+$", "")


def _significant(text: arrow.Array, decimals: int, largest: float) -> int:
    """Most significant digits of number cells, 0 where no value up to `largest` with `decimals` can have more."""
    digits = compute.replace_substring_regex(text, r"[eE].*$|\.", "")
    most = int(compute.utf8_length(compute.utf8_ltrim(digits, "0")).to_numpy().max())
    return most if most <= 15 and most < decimals + len(str(int(largest))) else 0


def _settled(column: Column, cells: Cells, marks: np.ndarray, values: np.ndarray | None = None) -> Column:
    """The column with its range, its mark of missing cells and its misfits; a constant where all are one value.

    values  of the different cells, where they are known
    """
    values = values_in(column, cells) if values is None else values
    unread = np.isnan(values)
    missing = cells.commonest(unread & marks)
    if unread.all():
        raise ValueError(f'column "{column.name}" holds nothing that it could be read as')
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low == high and not unread.any():
        return Column(column.name, "constant", example=str(cells.different[0]))
    misfits = unread & ~marks
    misfits[misfits] = ~numbers.infinite(cells.different[misfits])
    whole = column.integer
    if column.kind == "datetime":
        whole = bool((np.mod(values[~unread], 1) == 0).all())
    share = round(cells.share(misfits), 6)
    found = replace(column, missing=missing, low=low, high=high, integer=whole, misfits=share)
    return replace(found, step=_step(found, values[~unread], int(cells.counts[~unread].sum())))


def _step(column: Column, values: np.ndarray, cells: int) -> float:
    """The grid on which values (N,) of so many cells lie, where it is coarser than what they could write; else 0."""
    distinct = np.unique(values)
    finest = 1.0 if column.kind == "datetime" or column.integer else 10.0**-column.decimals
    if column.decimals > MOST_GRID_DECIMALS or {"exponent", "magnitudes"} & set(column.spelling):
        return 0.0
    if len(distinct) < LEAST_ON_GRID:  # 0.0 and 1.0 of many cells have nothing between them
        return float(column.kind == "numeric" and finest < 1 and cells >= LEAST_ON_GRID and _is_whole(distinct))
    if column.kind == "datetime" and not column.integer:
        return 0.0
    ticks = np.rint((distinct - distinct[0]) / finest)
    if ticks[-1] > EXACT:
        return 0.0
    step = int(np.gcd.reduce(ticks.astype(np.int64)))
    return round(step * finest, column.decimals) if step > 1 else 0.0


def _is_whole(values: np.ndarray) -> bool:
    return bool((np.mod(values, 1) == 0).all())


def _of_texts(name: str, cells: Cells, marks: np.ndarray, kind: str) -> Column:
    """Constant, identifier, free text, or categories."""
    present = cells.where(~marks)
    missing = cells.commonest(marks)
    if not kind:
        kind = _kind_of_texts(name, len(cells), present)
    if kind == "constant":
        return Column(name, "constant", example=str(present.different[0]) if len(present) else missing)
    if kind == "identifier":
        return _identifier(name, present if len(present) else cells, missing)
    categories = () if kind == "text" else tuple(sorted(map(str, present.different)))
    return Column(name, kind, categories=categories, missing=missing)


def _identifier(name: str, cells: Cells, missing: str) -> Column:
    shape = tuple(find_shape(cells.texts()))
    return Column(name, "identifier", shape=shape, sieve=sieve_of(cells.different), missing=missing)


def _kind_of_texts(name: str, rows: int, present: Cells) -> str:
    distinct = present.different
    if len(distinct) <= 1 and len(present) in (0, rows):
        return "constant"
    if rows >= LEAST_IDENTIFIERS and len(distinct) >= NEARLY_ALL * rows:
        named = _NAMED_ID.search(name) is not None
        if not named and are_measures(distinct[:1000]):
            return "text"
        if _identifies(distinct, named):
            return "identifier"
    if _is_of_one(name, len(distinct), len(present)) and _identifies(distinct, named=False):
        return "identifier"
    if len(distinct) >= LEAST_IDENTIFIERS and _matches(distinct, _UUID).mean() > NEARLY_ALL:
        return "identifier"
    if _is_free_text(len(present), distinct):
        short = max(map(len, distinct)) <= _TEXT_LENGTH
        return "identifier" if short and _alike(pd.Series(distinct[:1000], dtype=object)) else "text"
    is_boolean = len(distinct) == 2 and {category.lower() for category in distinct.tolist()} in _BOOLEANS
    return "boolean" if is_boolean else "categorical"


def _identifies(distinct: np.ndarray, named: bool) -> bool:
    """Whether cells that nearly all differ (U,) are codes: short, without blanks, and with digits or `named` so."""
    text = pd.Series(distinct, dtype=object)
    if max(map(len, distinct)) > _TEXT_LENGTH or (text[:1000].str.contains(" ").any() and not _alike(text[:1000])):
        return False
    return bool(named or text[:1000].str.contains(_CODE).mean() > NEARLY_ALL)


def _alike(text: pd.Series) -> bool:
    """Whether all cells have letters, digits and blanks at the same places, as number plates."""
    places = text.str.replace(r"\d", "9", regex=True).str.replace(r"[^\W\d_]", "a", regex=True)
    return bool(places.nunique() == 1 and "9" in places.iloc[0])


def _is_free_text(present: int, distinct: np.ndarray) -> bool:
    """Words that nearly all differ, or sentences: most of the `present` cells differ, and are long or several words."""
    if len(distinct) <= MANY_CATEGORIES or len(distinct) < HALF * present:
        return False
    sample = pd.Series(distinct[:1000], dtype=object)
    sentences = sample.str.len().mean() > _TEXT_LENGTH or sample.str.count(" ").mean() >= 2
    return bool(sentences or len(distinct) > NEARLY_ALL * present)
