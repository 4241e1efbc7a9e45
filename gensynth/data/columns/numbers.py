"""How numbers of one column are spelled: marks, signs and units found over the whole column, read and written.

12.5 %, $1,234.50, 1.234,50 EUR, (12.00), +2.8, .5, 218., 1.2e+03, $1.7M, 00:05:30 and PT5M30S are numbers: what stands
around the digits is the form of the column, the digits are its values. A percentage of 12.5 % is 12.5; times of day and
durations are seconds, see `clocks.py`; 1.7M is 1 700 000, see `magnitudes.py`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as compute
import yaml

from gensynth.data.columns import clocks, magnitudes

LEAST = 0.8  # share of the cells that a form must read
SETTLED_BY = 3000  # distinct cells by which a form is settled
GROUPS = ",.'\u2019 \u00a0\u202f_"
SURELY_GROUPED = 12  # cells of three digits after a mark, and none of another number of them
SCALES = ("%", "\u2030")  # signs without which a number means another one: .5 is not .5 %
MINUS = "-\u2212"
_MINUS = "\u2212-"  # as characters of a class, the hyphen last
_BESIDE = yaml.safe_load(Path(__file__).with_name("units.yaml").read_text(encoding="utf-8"))
UNITS, CODES = frozenset(_BESIDE["units"].split()), frozenset(_BESIDE["currencies"].split())
_BLANK = " \u00a0\u202f"
_CELL = re.compile(
    rf"(?P<before>\s*)(?P<open>\()?(?P<sign>[+{_MINUS}]?)(?P<prefix>[^\d\s().,+'{_MINUS}][^\d\s()+,'{_MINUS}]{{0,3}})?"
    rf"(?P<gap>[{_BLANK}]?)(?P<inner>[+{_MINUS}]?)"
    rf"(?P<digits>\d(?:[\d{GROUPS}]*\d)?[.,]?|[.,]\d+)(?P<exponent>[eE][+-]?\d+)?"
    rf"(?P<suffix>[{_BLANK}]?[^\d\s().,+{_MINUS}][^\d()]{{0,9}}?)?(?P<close>\))?(?P<trailing>-)?(?P<after>\s*)"
)
_FLOAT = r"(?i)^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?$"


@dataclass(frozen=True)
class NumberForm:
    """What stands around and inside the digits.

    prefix, suffix  text before and after, with its blank
    negative        how a negative number is marked: "-#" before all, "$-#" after the prefix, "(#)", or "#-" behind
    plus            positive numbers carry a sign
    group, point    mark between thousands, mark before the fraction
    pairs           above the thousands, digits are grouped by two, as in India
    point_alone     ".5": no zero before the point;  "5.": whole numbers end with it
    exponent        one cell's "e+00", whose letter, sign and digits all have
    width, fill     cells are filled with blanks or zeros to so many characters
    before, after   blanks around every cell
    clock           cells are times, see `clocks.py`: their format, "" where they are plain numbers
    magnitudes      what stands for noughts behind the digits, see `magnitudes.py`; "" where nothing does
    """

    prefix: str = ""
    suffix: str = ""
    negative: str = "-#"
    plus: bool = False
    group: str = ""
    pairs: bool = False
    point: str = "."
    point_alone: str = ""
    exponent: str = ""
    width: int = 0
    fill: str = " "
    before: str = ""
    after: str = ""
    clock: str = ""
    magnitudes: str = ""

    def to_json(self) -> dict[str, Any]:
        """What differs from a plain number; {} for one."""
        of_self = {one.name: (getattr(self, one.name), one.default) for one in fields(self)}
        return {name: value for name, (value, plain) in of_self.items() if value != plain}

    @staticmethod
    def from_json(facts: Mapping[str, Any]) -> NumberForm:
        """Inverse of `to_json`; ValueError for what is no form."""
        types = {one.name: type(one.default) for one in fields(NumberForm)}
        if unknown := [key for key, value in facts.items() if type(value) is not types.get(key)]:
            raise ValueError(f"spelling: {unknown[0]} is not understood")
        if facts.get("magnitudes"):
            magnitudes.sizes(facts["magnitudes"])
        return NumberForm(**facts)


PLAIN = NumberForm()


def plain_numbers(cells: np.ndarray) -> np.ndarray:
    """float64 (N,) of cells that Python's `float` reads, finite ones; others are NaN."""
    text = compute.utf8_trim_whitespace(arrow.array(cells, arrow.string()))
    text = compute.if_else(compute.match_substring_regex(text, _FLOAT), text, arrow.scalar(None, arrow.string()))
    numbers = compute.cast(text, arrow.float64()).to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def infinite(cells: np.ndarray) -> np.ndarray:
    """Which cells (N,) write an infinite number."""
    text = arrow.array(cells, arrow.string())
    found = compute.match_substring_regex(text, r"(?i)^\s*[+-]?inf(inity)?\s*$")
    return found.to_numpy(zero_copy_only=False).astype(bool)


def find_form(cells: np.ndarray, decimal_comma: bool = False) -> NumberForm | None:
    """The form that reads at least four fifths of distinct cells, text (U,); None where there is none.

    decimal_comma  whether the file's own commas cannot be delimiters, so that one is likely a decimal mark
    """
    if not decimal_comma and _are_plain(cells):
        return PLAIN
    sample = cells[:: -(-len(cells) // SETTLED_BY)].tolist()
    if clock := clocks.find_format(sample):
        return NumberForm(clock=clock)
    found = [match for cell in sample if (match := _CELL.fullmatch(cell))]
    if len(found) < LEAST * len(sample):
        return None
    prefix = _usual([one["prefix"] for one in found], [(one["prefix"] or "") + one["gap"] for one in found])
    if short := _short_form(found, prefix, decimal_comma):
        return short
    suffix = _usual([(one["suffix"] or "").strip() for one in found], [one["suffix"] or "" for one in found])
    if not (_is_currency(prefix) and (_is_currency(suffix) or _is_unit(suffix, found))):
        return None
    alike = [one for one in found if (one["prefix"] or "") in ("", prefix.strip(_BLANK))]
    without = () if suffix.strip() in SCALES else ("",)
    alike = [one for one in alike if (one["suffix"] or "").strip() in (*without, suffix.strip())]
    if len(alike) < LEAST * len(sample):
        return None
    marks = settle_marks([one["digits"] for one in alike], decimal_comma)
    return None if marks is None else _with_signs(alike, NumberForm(prefix, suffix, group=marks[0], point=marks[1]))


def _short_form(found: Sequence[re.Match[str]], prefix: str, decimal_comma: bool) -> NumberForm | None:
    """The form of numbers of which some are cut short, as $1.7M; None where they are not."""
    alike = [one for one in found if (one["prefix"] or "") in ("", prefix.strip(_BLANK))]
    suffixes, digits = [one["suffix"] or "" for one in alike], [one["digits"] for one in alike]
    short = magnitudes.find(suffixes, digits, bool(prefix), UNITS)
    if short is None or len(alike) < LEAST * len(found) or not (_is_currency(prefix) and _is_currency(short.suffix)):
        return None
    fitting = [one for one, fits in zip(alike, short.fits, strict=True) if fits]
    written = [one["digits"] for one in fitting]
    marks = settle_marks(written, decimal_comma)
    if marks == (".", ",") and not any("," in text for text in written) and not decimal_comma:
        marks = ("", ".")  # 1.234M has a fraction
    if marks is None:
        return None
    spelling = magnitudes.spelled(short, digits, suffixes, marks[1])
    form = NumberForm(prefix, short.suffix, group=marks[0], point=marks[1], magnitudes=spelling)
    return _with_signs(fitting, form)


def _are_plain(cells: np.ndarray) -> bool:
    """Whether all cells are digits with at most a minus and a point that cannot stand between thousands."""
    text = arrow.array(cells, arrow.string())
    digits = compute.match_substring_regex(text, r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$")
    if not len(cells) or not compute.all(digits).as_py():
        return False
    pointed = compute.any(compute.match_substring(text, ".")).as_py()
    fraction = compute.match_substring_regex(text, r"^-?(?:0|[0-9]{4,})\.|\.(?:[0-9]{1,2}|[0-9]{4,})$")
    return not pointed or compute.any(fraction).as_py()


def _usual(bare: Sequence[str | None], whole: Sequence[str]) -> str:
    """The commonest text that is not empty, with its blank, if half of the cells have one."""
    counts = Counter(text for one, text in zip(bare, whole, strict=True) if one)
    return counts.most_common(1)[0][0] if sum(counts.values()) >= 0.5 * len(bare) else ""


def _is_currency(text: str) -> bool:
    bare = text.strip()
    return not bare or bare in CODES or all(unicodedata.category(c) == "Sc" for c in bare)


def _is_unit(suffix: str, found: Sequence[re.Match[str]]) -> bool:
    """Whether text behind digits is a unit of measure; a single letter right behind whole numbers may be of a code."""
    letter_of_code = (
        len(suffix) == 1 and suffix.isalpha() and not any(re.search("[.,]", one["digits"]) for one in found)
    )
    return suffix.strip() in UNITS and not letter_of_code


def settle_marks(digits: Sequence[str], decimal_comma: bool = False) -> tuple[str, str] | None:
    """(mark between thousands, mark before the fraction) of numbers without signs; None where they contradict.

    >>> settle_marks(["1.234,50", "950,00"]), settle_marks(["1,234", "12,500", "950"]), settle_marks(["0,5", "12,25"])
    (('.', ','), (',', '.'), ('', ','))
    """
    marks = Counter(c for text in digits for c in set(text) if not c.isdigit())
    last = Counter(re.sub(r"\d", "", text)[-1:] for text in digits if re.search(r"\D", text))
    groups = [m for m in marks if m not in ".,"]
    if len(groups) > 1 or (groups and groups[0] in last and not _grouped(digits, groups[0], "")):
        return None
    if "." in marks and "," in marks:
        point = max(".,", key=lambda m: last[m])
        group = "," if point == "." else "."
        return (group, point) if _grouped(digits, group, point) else None
    if not set(marks) & set(".,"):
        return (groups[0] if groups else "", "." if not decimal_comma else ",")
    mark = "." if "." in marks else ","
    if groups:
        return groups[0], mark
    if _is_group(digits, mark, decimal_comma):
        return mark, "," if mark == "." else "."
    return ("", mark) if all(text.count(mark) <= 1 for text in digits) else None


def _grouped(digits: Sequence[str], group: str, point: str) -> bool:
    """Whether whole parts that have the mark are cut by it into threes (or, as in India, pairs above the thousands)."""
    whole = [text.split(point)[0] if point else text for text in digits]
    form = re.compile(rf"\d{{1,3}}(?:{re.escape(group)}\d{{2,3}})*{re.escape(group)}\d{{3}}")
    return all(form.fullmatch(text) for text in whole if group in text)


def _is_group(digits: Sequence[str], mark: str, decimal_comma: bool) -> bool:
    """Whether the only mark stands between thousands: threes behind it, always, and no longer number without it."""
    marked = [text for text in digits if mark in text]
    if not _grouped(digits, mark, "") or any(text.startswith("0") for text in marked):
        return False
    if any(text.count(mark) > 1 for text in marked):
        return True
    unmarked_long = any(len(text) > 3 for text in digits if mark not in text)
    if mark == "," and not decimal_comma:
        return not unmarked_long
    return not unmarked_long and len(marked) >= SURELY_GROUPED and len(marked) < len(digits)


def _with_signs(found: Sequence[re.Match[str]], form: NumberForm) -> NumberForm:
    """The form with signs, bare points, exponents, blanks and padding, as cells have them."""
    negative = next((one for one in found if _is_negative(one)), None)
    positive = [one for one in found if not _is_negative(one)]
    digits = [one["digits"] for one in found]
    exponents = [one["exponent"] for one in found]
    point = form.point
    below_one = [d for d in digits if d.startswith(point) or d.startswith("0" + point)]
    bare = bool(below_one) and all(d.startswith(point) for d in below_one)
    text = [one[0] for one in found]
    widths = {len(cell) for cell in text}
    padded = [cell for cell in text if cell.startswith(" ")]
    same_blanks = {(one["before"], one["after"]) for one in found}
    before, after = same_blanks.pop() if len(same_blanks) == 1 else ("", "")
    filled = len(widths) == 1 and len(padded) > 0 and not before
    zeros = len({len(d) for d in digits}) == 1 and any(re.match(r"0\d", d) for d in digits)
    return NumberForm(
        **{
            **asdict(form),
            "negative": _style(negative) if negative else "-#",
            "pairs": bool(form.group) and any(_in_pairs(d, form.group) for d in digits),
            "plus": bool(positive) and all("+" in (one["sign"], one["inner"]) for one in positive),
            "point_alone": ".5" if bare else "5." if any(d.endswith(point) for d in digits) else "",
            "exponent": exponents[0] if exponents and all(exponents) else "",
            "width": widths.pop() if filled else len(digits[0]) if zeros else 0,
            "fill": "0" if zeros and not filled else " ",
            "before": "" if filled else before,
            "after": after,
        }
    )


def _is_negative(one: re.Match[str]) -> bool:
    return any(mark and mark in MINUS for mark in (one["sign"], one["inner"])) or bool(one["open"] or _is_behind(one))


def _is_behind(one: re.Match[str]) -> bool:
    """Whether a minus stands behind; in 15.- it is none."""
    return bool(one["trailing"] and one["digits"][-1].isdigit())


def _style(negative: re.Match[str]) -> str:
    """How one negative number is marked."""
    style = "(#)" if negative["open"] else "#-" if _is_behind(negative) else "$-#" if negative["inner"] else "-#"
    return style.replace("-", "\u2212") if "\u2212" in (negative["sign"], negative["inner"]) else style


def _in_pairs(digits: str, group: str) -> bool:
    return any(len(part) == 2 for part in digits.split(group)[1:-1])


def values_of_numbers(cells: np.ndarray, form: NumberForm) -> np.ndarray:
    """float64 (N,) of cells (N,), NaN where the form does not read them or they are not finite."""
    if form == PLAIN:
        return plain_numbers(cells)
    text = compute.utf8_trim_whitespace(arrow.array(cells, arrow.string()))
    if form.clock:
        return clocks.seconds_of(text, form.clock)
    if form.magnitudes:
        text = magnitudes.in_exponents(text, form.magnitudes, form.suffix)
    fits = compute.match_substring_regex(text, f"^(?:{_strict(form)})$")
    minus = rf"^[^0-9.,]*[{_MINUS}]|[^.,]-$" + (r"|^\(" if form.negative == "(#)" else "")
    negative = compute.match_substring_regex(text, minus)
    for part in (form.suffix.strip(), form.prefix.strip(), form.group, *"()+", *_BLANK):
        text = compute.replace_substring(text, part, "") if part else text
    text = compute.replace_substring(text, form.point, ".") if form.point != "." else text
    text = compute.replace_substring_regex(text, rf"^[{_MINUS}]|-$", "")
    text = compute.if_else(fits, text, arrow.scalar(None, arrow.string()))
    values = plain_numbers(text.to_numpy(zero_copy_only=False))
    return np.where(compute.fill_null(negative, False).to_numpy(zero_copy_only=False), -values, values)


def _strict(form: NumberForm) -> str:
    """A pattern of the cells, without blanks around, that the form reads."""
    group, point = re.escape(form.group), re.escape(form.point)
    whole = rf"(?:\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}}|\d+)" if form.group else r"\d+"
    digits = rf"(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?"
    blank = f"[{_BLANK}]?"
    prefix = rf"(?:{re.escape(form.prefix.strip())}{blank})?" if form.prefix.strip() else ""
    suffix = rf"(?:{blank}{re.escape(form.suffix.strip())})" if form.suffix.strip() else ""
    suffix += "?" if suffix and form.suffix.strip() not in SCALES else ""
    sign = f"[+{_MINUS}]?"
    return rf"\({prefix}{digits}{suffix}\)|{sign}{prefix}{sign}{digits}{suffix}-?"


def write_numbers(form: NumberForm, values: np.ndarray, digits: np.ndarray) -> np.ndarray:
    """Cells (N,) of values (N,): `digits` (N,) are their absolute values as plain text."""
    if form == PLAIN:
        return np.where(values < 0, np.char.add("-", digits.astype(str)), digits).astype(object)
    if form.clock:
        return clocks.cells_of(form.clock, values)
    digits, noughts = magnitudes.split(digits, form.magnitudes) if form.magnitudes else (digits, None)
    text = arrow.array(digits.tolist(), arrow.string())
    if form.exponent:
        text = arrow.array([_with_exponent(one, form.exponent) for one in digits.tolist()], arrow.string())
    if form.point != ".":
        text = compute.replace_substring(text, ".", form.point)
    if form.group:
        text = _grouping(text, form)
    if form.point_alone == ".5":
        text = compute.replace_substring_regex(text, f"^0{re.escape(form.point)}", form.point)
    if form.point_alone == "5.":
        text = compute.replace_substring_regex(text, r"^(\d+)$", rf"\1{form.point}")
    written = text.to_numpy(zero_copy_only=False).astype(object)
    if form.fill == "0" and form.width:
        written = pd.Series(written, dtype=object).str.rjust(form.width, "0").to_numpy(object)
    return _around(form, values, written if noughts is None else written + noughts)


def _around(form: NumberForm, values: np.ndarray, digits: np.ndarray) -> np.ndarray:
    """Signs, prefix, suffix and blanks around digits (N,)."""
    text = pd.Series(digits, dtype=object)
    whole = form.prefix + text + form.suffix
    mark = "\u2212" if "\u2212" in form.negative else "-"
    signed = {
        "(#)": "(" + whole + ")",
        "#-": whole + "-",
        "$-#": form.prefix + mark + text + form.suffix,
    }.get(form.negative.replace("\u2212", "-"), mark + whole)
    out = signed.where(values < 0, "+" + whole if form.plus else whole)
    if form.width and form.fill == " ":
        out = out.str.rjust(form.width)
    return (form.before + out + form.after).to_numpy(dtype=object)


def _grouping(text: arrow.Array, form: NumberForm) -> arrow.Array:
    """Whole parts cut into threes, or into a three and pairs."""
    group, point = form.group, re.escape(form.point)
    text = compute.replace_substring_regex(text, rf"^(\d+)(\d{{3}})((?:{point}\d*)?)$", rf"\1{group}\2\3")
    size = 2 if form.pairs else 3
    rest = rf"((?:{re.escape(group)}\d+)+(?:{point}\d*)?)$"
    for _ in range(8):
        text = compute.replace_substring_regex(text, rf"^(\d+)(\d{{{size}}}){rest}", rf"\1{group}\2\3")
    return text


def _with_exponent(digits: str, like: str) -> str:
    """A number in exponent notation, with the letter, sign and width of another's exponent."""
    mantissa, _, power = digits.partition("e")
    letter, signed, width = like[0], like[1] == "+" or not like[1:].isdigit(), len(like.lstrip("eE+-"))
    number = int(power or 0)
    sign = "-" if number < 0 else "+" if signed else ""
    return f"{mantissa}{letter}{sign}{abs(number):0{width}d}"
