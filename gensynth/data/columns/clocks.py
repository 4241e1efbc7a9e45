"""Times of day and durations of one column, as seconds: 08:15, 26:05:30.250, 1:02.345, 1 day, 3:04:05, PT1H30M.

A format has these parts:

    %d              days
    %H %M %S        hours, minutes and seconds of two digits
    %h %m %s        the same without zeros before them
    %3f %f %-f      of a second's fraction: so many digits; six or, with the point, none; as many as needed
    day(s)          day of one, days of others
    ?               behind a part: it is left out where it is zero

Behind "days, " (of Python) and "days +" (of pandas) hours count forward even if days are negative: -1 days +23:00:00
is an hour below zero.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as arrow

LEAST = 0.8  # share of the cells that a format must read
_CLOCK = re.compile(
    r"(?P<sign>-)?(?:(?P<days>\d{1,5})(?P<named> days?,? \+?))?(?P<hours>\d{1,4}):(?P<minutes>[0-5]\d)"
    r"(?::(?P<seconds>[0-5]\d)(?:(?P<point>[.,])(?P<fraction>\d+))?)?"
)
_ISO = re.compile(
    r"(?P<sign>-)?P(?=T?\d)(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,5})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,8})(?:(?P<point>[.,])(?P<fraction>\d+))?S)?)?"
)
_LAP = re.compile(r"(?P<sign>-)?(?P<minutes>\d{1,3}):(?P<seconds>[0-5]\d)(?P<point>[.,])(?P<fraction>\d+)")
_PARTS = re.compile(
    r"(?P<before>[^%]*)%(?P<part>[dHhMmSs])(?P<fraction>[.,]%[-\d]?f)?"
    r"(?P<after>(?:[DHMS]| day(?:s|\(s\)),? \+?)?\??)"
)
_SIZES = {"d": (86_400, 1), "H": (3600, 2), "h": (3600, 1), "M": (60, 2), "m": (60, 1), "S": (1, 2), "s": (1, 1)}


def find_format(sample: Sequence[str]) -> str:
    """The format that reads at least four fifths of the cells; "" where there is none."""
    for pattern, format_of in ((_CLOCK, _clock_format), (_LAP, _lap_format), (_ISO, _iso_format)):
        found = [match for cell in sample if (match := pattern.fullmatch(cell.strip()))]
        if len(found) >= LEAST * len(sample):
            return format_of(found)
    return ""


def _clock_format(found: Sequence[re.Match[str]]) -> str:
    hours = "%H" if all(len(one["hours"]) >= 2 for one in found) else "%h"
    seconds = f":%S{_fraction_format(found)}" if all(one["seconds"] for one in found) else ""
    return f"{_day_format(found)}{hours}:%M{seconds}"


def _lap_format(found: Sequence[re.Match[str]]) -> str:
    minutes = "%M" if all(len(one["minutes"]) >= 2 for one in found) else "%m"
    return f"{minutes}:%S{_fraction_format(found)}"


def _day_format(found: Sequence[re.Match[str]]) -> str:
    texts = [one["named"] for one in found if one["days"]]
    if not texts:
        return ""
    days = "days" if all("days" in text for text in texts) else "day(s)"
    comma, plus = any("," in text for text in texts), any("+" in text for text in texts)
    return f"%d {days}{',' * comma} {'+' * plus}{'?' * (len(texts) < len(found))}"


def _iso_format(found: Sequence[re.Match[str]]) -> str:
    """Parts that no cell has are not in the format, and those that some lack may be left out."""
    parts = {}
    for name, part in (("days", "%dD"), ("hours", "%hH"), ("minutes", "%mM"), ("seconds", "%sS")):
        having = sum(bool(one[name]) for one in found)
        fraction = _fraction_format(found) if name == "seconds" else ""
        parts[name] = "" if not having else part[:2] + fraction + part[2] + "?" * (having < len(found))
    time = "".join(list(parts.values())[1:])
    return f"P{parts['days']}{'T' * bool(time)}{time}"


def _fraction_format(found: Sequence[re.Match[str]]) -> str:
    """Of the second: the same digits in all cells, six or none as Python writes them, or as many as needed."""
    lengths = Counter(len(one["fraction"] or "") for one in found)
    if set(lengths) == {0}:
        return ""
    point = next(one["point"] for one in found if one["point"])
    fixed = len(lengths) == 1 and max(lengths) <= 9
    return f"{point}%{max(lengths) if fixed else '' if set(lengths) == {0, 6} else '-'}f"


def decimals_of(clock: str) -> int:
    """Most digits of the fractions of seconds that a format writes."""
    fraction = re.search(r"%([-\d]?)f", clock)
    return 0 if not fraction else int(fraction[1]) if fraction[1].isdigit() else 6


def seconds_of(text: arrow.Array, clock: str) -> np.ndarray:
    """float64 (N,) of text (N,), NaN where it is no time."""
    pattern = _ISO if clock.startswith("P") else _LAP if clock[:2] in ("%m", "%M") else _CLOCK
    parts = pd.Series(text.to_pandas(), dtype=object).str.extract(f"^(?P<cell>{pattern.pattern})$")
    parts = parts.reindex(columns=["cell", *_CLOCK.groupindex])
    number = {name: pd.to_numeric(parts[name]).fillna(0) for name in ("days", "hours", "minutes", "seconds")}
    total = 3600 * number["hours"] + 60 * number["minutes"] + number["seconds"]
    if parts["fraction"].notna().any():
        total = total + pd.to_numeric("0." + parts["fraction"]).fillna(0)
    sign = np.where(parts["sign"].eq("-"), -1, 1)
    forward = parts["named"].astype(object).str.contains("[,+]", na=False).to_numpy(bool)
    total = sign * 86_400 * number["days"] + np.where(forward, 1, sign) * total
    return total.where(parts["cell"].notna()).to_numpy(np.float64, na_value=np.nan)


def cells_of(clock: str, values: np.ndarray) -> np.ndarray:
    """Cells (N,) of seconds (N,), rounded to the smallest part that is written."""
    parts = list(_PARTS.finditer(clock))
    places, finest = decimals_of(clock), min(_SIZES[one["part"]][0] for one in parts)
    ticks = np.rint(np.abs(values) / finest * 10**places).astype(np.int64)
    negative = (values < 0) & (ticks > 0)
    if re.search(r"day\S*(, | \+)", clock):  # hours count forward from the day before
        day = 86_400 // finest * 10**places
        ticks = np.where(negative, 2 * day * -(-ticks // day) - ticks, ticks)
    rest, below = np.divmod(ticks, 10**places)
    rest = rest * finest
    text = pd.Series("", index=range(len(values)), dtype=object)
    for one in parts:
        size, width = _SIZES[one["part"]]
        number, rest = np.divmod(rest, size)
        written = _padded(number, width)
        if one["fraction"]:
            written, number = written + _fraction(one["fraction"], below, places), number + below
        after = one["after"].rstrip("?").partition("+")[0]
        written = written + np.where(number == 1, after.replace("(s)", ""), after.replace("(s)", "s")).astype(object)
        text = text + one["before"] + (written.where(number > 0, "") if "?" in one["after"] else written)
        text = text + np.where(negative, "+" * ("+" in one["after"]), "").astype(object)
    if clock.startswith("P"):
        text = text.str.replace("T$", "", regex=True).replace({"P": "PT0S"})
    return text.where(~negative, "-" + text).to_numpy(dtype=object)


def _fraction(directive: str, below: np.ndarray, places: int) -> pd.Series:
    """The point and the digits behind it, where the directive writes any."""
    digits = _padded(below, places)
    if directive[2] == "-":
        digits = digits.str.rstrip("0")
    return (directive[0] + digits).where((below > 0) | directive[2].isdigit(), "")


def _padded(numbers: np.ndarray, width: int) -> pd.Series:
    return pd.Series(numbers.astype(str), dtype=object).str.zfill(width)
