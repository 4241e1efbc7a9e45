"""How dates of one column are written: a format found over the whole column, cells as seconds, seconds as cells.

A format is strptime's, with these beside it, so that what was read is written again to the letter:

    %-d %-m %-H %-I   without a leading zero        %^b %^B %^a   month and weekday names in capitals
    %_b %_B %_a       names in small letters        de-full:...   months of other languages, see `month_names.py`
    %P                am, pm                        %3f           so many digits of the second's fraction
    %:z               an offset as +01:00           epoch:s ms us ns   whole numbers counted from 1970
    %q                a quarter, 1 to 4             %G-W%V            weeks of ISO 8601, also with %u, the weekday

Seconds are since 1970: of the instant where the cells differ in their offset, else as the clock shows them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gensynth.data.columns import month_names

MONTHS = pd.date_range("2001-01-01", periods=12, freq="MS").strftime("%B").tolist()
WEEKDAYS = pd.date_range("2001-01-01", periods=7).strftime("%A").tolist()  # a Monday
EPOCHS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
FIRST, LAST = np.datetime64("1700-01-01"), np.datetime64("2300-01-01")
EPOCH_RANGE = (631_152_000, 2_208_988_800)  # 1990 to 2040, in seconds
LEAST = 0.8  # share of the cells that a format must read
SETTLED_BY = 400  # distinct cells by which a format is found, before all are read
COMPACT_LEAST = 12  # distinct cells before a run of digits is taken for a date

_NAME, _SHORT_NAME = "(?:" + "|".join(MONTHS) + ")", "(?:" + "|".join(m[:3] for m in MONTHS) + ")"
_WEEKDAY, _SHORT_DAY = "(?:" + "|".join(WEEKDAYS) + ")", "(?:" + "|".join(d[:3] for d in WEEKDAYS) + ")"
_PARTS = {
    "Y": r"\d{4}",
    "y": r"\d{2}",
    "m": r"\d{1,2}",
    "d": r"\d{1,2}",
    "b": _SHORT_NAME,
    "B": _NAME,
    "a": _SHORT_DAY,
    "A": _WEEKDAY,
    "q": "[1-4]",
    "G": r"\d{4}",
    "V": r"[0-5]\d",
    "u": "[1-7]",
}
# In the order in which they win where several read as many cells: days stand before months.
_NUMERIC_DATES = [
    *(f"%Y{mark}%m{mark}%d" for mark in "-/. "),
    *(f"%d{mark}%m{mark}%Y" for mark in "./- "),
    *(f"%m{mark}%d{mark}%Y" for mark in "/-. "),
    *(f"%d{mark}%m{mark}%y" for mark in "./-"),
    *(f"%m{mark}%d{mark}%y" for mark in "/-."),
    *(f"%y{mark}%m{mark}%d" for mark in "-/."),
]
_NAMED_DATES = [
    *(f"%d{mark}%{b}{mark}%{y}" for b in "Bb" for y in "Yy" for mark in (" ", "-", "/", ". ", "")),
    *(f"%d{mark}%{b}{comma} %Y" for b in "Bb" for mark in (" ", ". ") for comma in (",", "")),
    *(f"%{b} %d{mark}%Y" for b in "Bb" for mark in (", ", " ")),
    *(f"%Y{mark}%b{mark}%d" for mark in (" ", "-")),
    *(f"%d de %b{join}%Y" for join in (" de ", " del ", " ")),  # of Spanish and Portuguese
]
_SHORT_DATES = [
    *("%Y-%m", "%Y/%m", "%m/%Y", "%m.%Y", "%b %Y", "%B %Y", "%b-%Y", "%b-%y", "%Y-%b"),
    *("%b/%Y", "%b/%y", "%b de %Y"),
]
_PERIODS = ["%Y-Q%q", "%YQ%q", "%Y Q%q", "Q%q %Y", "Q%q-%Y", "Q%q/%Y", "%G-W%V", "%GW%V", "%G-W%V-%u"]
_DATES = [
    *(f"%{a}{mark}{date}" for a in "Aa" for mark in (", ", " ") for date in (*_NUMERIC_DATES[:6], *_NAMED_DATES)),
    *(*_NUMERIC_DATES, *_NAMED_DATES, "%Y%m%d", *_SHORT_DATES, *_PERIODS),
]
_COMPACT = ["%Y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%d", "%d%m%Y", "%m%d%Y"]
_TIME = re.compile(
    r"(?P<join>T|t| at |, |[ _:-]?)"
    r"(?P<hour>\d{1,2})(?P<mark>[:.h]?)(?P<minute>\d\d)(?:(?P<mark2>[:.]?)(?P<second>\d\d)(?:(?P<point>[.,])\d{1,9})?)?"
    r"(?:(?P<blank> ?)(?P<half>[AaPp][Mm]))?"
    r"(?P<zone> ?(?:Z|z|[A-Z]{3,4}|[+-]\d\d:?\d\d))?"
)
_NO_FRACTION = "\x01"
_CTIME = "%a %b %d %H:%M:%S %Y"
_TIME_ALONE = re.compile(r"\d{1,2}[:.]\d\d(?:[:.]\d\d)?(?P<blank> ?)[AaPp][Mm]")


def _pattern(date: str) -> re.Pattern[str]:
    text = re.sub(r"%([A-Za-z])", lambda found: _PARTS.get(found[1], r"\d{1,2}"), date.replace(".", r"\."))
    return re.compile(text if "%Y%m" not in date and "%m%Y" not in date else r"\d{8}", re.IGNORECASE)


_DATE_PATTERNS = {date: _pattern(date) for date in _DATES}


@dataclass(frozen=True)
class DateForm:
    """A format, and the offsets in minutes that each month writes where cells differ in theirs."""

    format: str
    offsets: tuple[int, ...] = ()


def find_form(present: np.ndarray, stated: str = "") -> DateForm | None:
    """The form that reads at least four fifths of the cells, text (N,), or as stated; None where there is none."""
    cells = np.asarray(pd.unique(pd.Series(present, dtype=object)), dtype=object)
    if not len(cells):
        return None
    sample = cells[:: -(-len(cells) // SETTLED_BY)]
    key, stated = month_names.split_key(stated)
    read = month_names.in_english(sample, key) if key else sample
    share, form = _best(read, stated)
    for language in month_names.languages_of(sample) if share < 1 and not key else ():
        translated = month_names.in_english(sample, language)
        other, format_ = _best(translated, re.sub(r"(%[-^_]?)B", r"\1b", stated))
        if other > share:
            share, form, read, key = other, format_, translated, month_names.key_of(sample, language)
    if share < LEAST:
        return None
    form = f"{key}:{_refined(form, read)}" if key else _refined(form, read)
    return DateForm(form, _offsets(cells, form))


def _best(sample: np.ndarray, stated: str) -> tuple[float, str]:
    """(share of the cells (N,) that are read, the format), the stated one or of all that may read them."""
    formats = [stated] if stated else list(dict.fromkeys(f for cell in sample[:24] for f in _candidates(cell)))
    if all(str(cell).isdigit() for cell in sample) and not stated:
        formats = _COMPACT if len(sample) >= COMPACT_LEAST else []
    scored = [(float(np.isfinite(seconds_of(sample, one)).mean()), one) for one in formats]
    return max(scored, key=lambda one: one[0], default=(0.0, ""))


def epoch_form(numbers: np.ndarray) -> DateForm | None:
    """The unit of whole numbers (N,) that count from 1970, all between 1990 and 2040, over a day and more."""
    known = numbers[np.isfinite(numbers)]
    if len(np.unique(known)) < COMPACT_LEAST or (np.mod(known, 1) != 0).any():
        return None
    for unit, scale in EPOCHS.items():
        low, high = known.min() / scale, known.max() / scale
        if EPOCH_RANGE[0] <= low and high <= EPOCH_RANGE[1] and high - low >= 86_400:
            return DateForm(f"epoch:{unit}")
    return None


def unwritten(form: str) -> str:
    """The first directive of a format that cells cannot be written with; empty where there is none."""
    return next((f"%{one}" for one in re.findall(r"%[-^_:\d]?([A-Za-z%])", form) if f"%{one}" not in KNOWN), "")


def swapped(form: str, cells: np.ndarray) -> str:
    """The format with day and month in each other's place, where it reads as many of the cells (N,); else empty."""
    day, month, year = (form.find(part) for part in ("%d", "%m", "%Y"))
    if min(day, month) < 0 or 0 <= year < min(day, month):
        return ""
    other = form.translate(str.maketrans("dm", "md"))
    read = np.isfinite(seconds_of(cells, form))
    return other if read.any() and np.isfinite(seconds_of(cells[read], other)).all() else ""


def _candidates(cell: str) -> Iterator[str]:
    """Formats that may read a cell, by its look alone."""
    cell = str(cell).strip()
    if not 5 <= len(cell) <= 45 or not any(c.isdigit() for c in cell):
        return
    if re.fullmatch(rf"{_SHORT_DAY} {_SHORT_NAME} [ \d]\d \d\d:\d\d:\d\d \d{{4}}", cell):
        yield _CTIME
    if found := _TIME_ALONE.fullmatch(cell):
        seconds = ":%S" if cell.count(":") == 2 else ""
        yield f"%I:%M{seconds}{found['blank']}%p"
    for date, pattern in _DATE_PATTERNS.items():
        if start := pattern.match(cell):
            rest = cell[start.end() :]
            if not rest:
                yield date
            elif time := _TIME.fullmatch(rest):
                yield date + _time_format(time)


def _time_format(found: re.Match[str]) -> str:
    hour = "%I" if found["half"] else "%H"
    seconds = f"{found['mark2']}%S" if found["second"] else ""
    fraction = f"{found['point']}%f" if found["point"] else ""
    half = f"{found['blank']}%p" if found["half"] else ""
    zone = re.sub(r"[+-]\d\d:\d\d", "%:z", re.sub(r"[+-]\d{4}", "%z", found["zone"] or ""))
    return f"{found['join']}{hour}{found['mark']}%M{seconds}{fraction}{half}{zone}"


def _refined(form: str, cells: np.ndarray) -> str:
    """The format with what only the cells show: zeros before digits, case of names, digits of fractions, one offset."""
    places = {letter: _written_at(form, letter, cells) for letter in "dmHIbBapf" if f"%{letter}" in form}
    for letter in "dmHI":
        if any(len(text) == 1 for text in places.get(letter, ())):
            form = form.replace(f"%{letter}", f"%-{letter}")
    for letter in "bBa":
        names = places.get(letter, [])
        if names and all(name.isupper() for name in names):
            form = form.replace(f"%{letter}", f"%^{letter}")
        elif names and all(name.islower() for name in names):
            form = form.replace(f"%{letter}", f"%_{letter}")
    if places.get("p") and all(text.islower() for text in places["p"]):
        form = form.replace("%p", "%P")
    digits = {len(text) for text in places.get("f", ())}
    if len(digits) == 1 and len(places["f"]) == len(cells):
        form = form.replace("%f", f"%{digits.pop()}f")
    for zone in ("%:z", "%z"):
        if zone in form and len(found := set(_written_at(form, zone[1:], cells))) == 1:
            form = form.replace(zone, found.pop())
    return form


def _written_at(form: str, part: str, cells: np.ndarray) -> list[str]:
    """What the cells hold at one place of the format."""
    patterns = {
        **_PARTS,
        **{letter: r"\d{1,2}" for letter in "HIMS"},
        **{"f": r"\d{1,9}", "p": "[AaPp][Mm]", "z": r"[+-]\d{4}|Z", ":z": r"[+-]\d\d:\d\d|Z"},
    }

    def group(found: re.Match[str]) -> str:
        pattern = r"\d{1,9}" if found[2] == "f" else patterns[found[2]]
        return f"({pattern})" if found[2] == part else f"(?:{pattern})"

    plain = re.sub(r"\\([-%^])", r"\1", re.escape(form))
    text = re.sub(r"%(-|\^|_|\d)?(:z|[A-Za-z])", group, plain)
    text = text.replace("%P", "[ap]m")
    matches = (re.fullmatch(text, str(cell).strip(), re.IGNORECASE) for cell in cells.tolist())
    return [found[1] for found in matches if found and found.groups()]


def _offsets(cells: np.ndarray, form: str) -> tuple[int, ...]:
    """The commonest offset of each month, in minutes; () where the format writes none."""
    if "z" not in re.findall(r"%:?(\w)", form):
        return ()
    offset = pd.Series(cells, dtype=object).str.extract(r"([+-])(\d\d):?(\d\d)\s*$")
    minutes = (offset[0] + offset[1]).astype(float) * 60 + (offset[0] + offset[2]).astype(float)
    month = pd.Series(_month(seconds_of(cells, form)))
    common = minutes.groupby(month).agg(lambda some: some.mode().iloc[0] if some.notna().any() else 0.0)
    usual = float(minutes.mode().iloc[0]) if minutes.notna().any() else 0.0
    return tuple(int(common.get(m, usual)) for m in range(12))


def _month(seconds: np.ndarray) -> np.ndarray:
    """0 to 11 (N,) of seconds (N,), -1 where there are none."""
    days = np.where(np.isfinite(seconds), seconds, 0.0).astype("datetime64[s]").astype("datetime64[M]").astype(int) % 12
    return np.where(np.isfinite(seconds), days, -1)


def seconds_of(cells: np.ndarray, form: str) -> np.ndarray:
    """float64 (N,) of cells (N,), NaN where the format does not read them or the year is out of all likelihood."""
    if form.startswith("epoch:"):
        numbers = pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce").to_numpy(np.float64, na_value=np.nan)
        seconds = numbers / EPOCHS[form.partition(":")[2]]
        return np.where(
            (seconds >= FIRST.astype(np.int64) * 86_400) & (seconds < LAST.astype(np.int64) * 86_400), seconds, np.nan
        )
    key, form = month_names.split_key(form)
    text = pd.Series(month_names.in_english(cells, key) if key else cells, dtype=object).str.strip()
    plain = re.sub(r"%\d?f", "%f", re.sub(r"%[-^_]", "%", form)).replace("%:z", "%z").replace("%P", "%p")
    stamps = _stamps(text, plain)
    if (fraction := re.search(r"[.,]%f", plain)) and stamps.isna().any():  # ISO writers leave a fraction of zero out
        stamps = stamps.fillna(_stamps(text, plain.replace(fraction[0], "")))
    ticks = stamps.to_numpy("datetime64[us]")
    likely = (ticks >= FIRST) & (ticks < LAST)  # False for NaT
    return np.where(likely, ticks.astype(np.int64) / 1e6, np.nan)


def _stamps(text: pd.Series, plain: str) -> pd.Series:
    """Timestamps without a zone, of the instant where the format reads an offset; of the first day of a period."""
    if "%q" in plain:
        text, plain = (
            text.str.replace(r"Q([1-4])", lambda found: f"Q{3 * int(found[1]) - 2}", regex=True),
            plain.replace("%q", "%m"),
        )
    elif "%V" in plain and "%u" not in plain:
        text, plain = text + "-1", plain + "-%u"
    stamps = pd.to_datetime(text, format=plain, errors="coerce", utc="%z" in plain, exact=True)
    return stamps.dt.tz_localize(None) if stamps.dt.tz is not None else stamps


def cells_of_dates(seconds: np.ndarray, form: str, offsets: tuple[int, ...] = ()) -> np.ndarray:
    """Cells (N,) of seconds (N,), all finite."""
    if form.startswith("epoch:"):
        scale = EPOCHS[form.partition(":")[2]]
        exact = min(scale, 1e6)  # float64 holds instants of our time to the microsecond
        ticks = np.rint(seconds * exact).astype(np.int64) * int(scale / exact)
        return ticks.astype(str).astype(object)
    key, form = month_names.split_key(form)
    minutes = np.array(offsets)[_month(seconds)] if offsets else np.zeros(len(seconds), int)
    ticks = np.rint((seconds + 60.0 * minutes) * 10.0**6).astype(np.int64)
    stamps = pd.Series(ticks.astype("datetime64[us]"))
    parts = re.split(r"(%(?:-|\^|_|:|\d)?[A-Za-z])", form)
    text = pd.Series([""] * len(seconds), dtype=object)
    for i, part in enumerate(parts):
        if i % 2 == 0:
            text = text + part
        elif part == "%f":
            text = text.str.cat(_fraction(stamps))
        else:
            text = text.str.cat(_piece(part, stamps, minutes))
    if "%f" in form:
        text = text.str.replace(f"[.,]{_NO_FRACTION}", "", regex=True)
    written = text.to_numpy(dtype=object)
    return month_names.from_english(written, key) if key else written


def _fraction(stamps: pd.Series) -> pd.Series:
    """Microseconds of stamps, or a mark where there are none, by which the point before it is taken away."""
    micro = stamps.dt.microsecond
    return micro.map("{:06d}".format).where(micro != 0, _NO_FRACTION)


def _piece(part: str, stamps: pd.Series, minutes: np.ndarray) -> pd.Series:
    """What one directive writes of each stamp."""
    flag, letter = part[1:-1], part[-1]
    if letter == "f":
        return (stamps.dt.microsecond * 1000).map("{:09d}".format).str[: int(flag)]
    if letter == "z":
        sign = np.where(minutes < 0, "-", "+")
        mark = ":" if flag == ":" else ""
        pairs = zip(sign, np.abs(minutes), strict=True)
        return pd.Series([f"{s}{m // 60:02d}{mark}{m % 60:02d}" for s, m in pairs], index=stamps.index, dtype=object)
    text = _NAMES[letter](stamps) if letter in _NAMES else _NUMBERS[letter](stamps)
    if letter in _NAMES:
        return text.str.upper() if flag == "^" else text.str.lower() if flag == "_" else text
    width = 4 if letter in "YG" else 1 if flag == "-" or letter in "qu" else 2
    return text.map(f"{{:0{width}d}}".format)


def _names(table: list[str], place: str, length: int | None) -> Callable[[pd.Series], pd.Series]:
    short = [name[:length] for name in table]
    first = 1 if place == "month" else 0
    return lambda stamps: (getattr(stamps.dt, place) - first).map(dict(enumerate(short)))


_NUMBERS: dict[str, Callable[[pd.Series], pd.Series]] = {
    "Y": lambda stamps: stamps.dt.year,
    "y": lambda stamps: stamps.dt.year % 100,
    "m": lambda stamps: stamps.dt.month,
    "d": lambda stamps: stamps.dt.day,
    "H": lambda stamps: stamps.dt.hour,
    "I": lambda stamps: (stamps.dt.hour - 1) % 12 + 1,
    "M": lambda stamps: stamps.dt.minute,
    "S": lambda stamps: stamps.dt.second,
    "j": lambda stamps: stamps.dt.day_of_year,
    "q": lambda stamps: stamps.dt.quarter,
    "G": lambda stamps: stamps.dt.isocalendar()["year"],
    "V": lambda stamps: stamps.dt.isocalendar()["week"],
    "u": lambda stamps: stamps.dt.isocalendar()["day"],
}
_NAMES: dict[str, Callable[[pd.Series], pd.Series]] = {
    "b": _names(MONTHS, "month", 3),
    "B": _names(MONTHS, "month", None),
    "a": _names(WEEKDAYS, "day_of_week", 3),
    "A": _names(WEEKDAYS, "day_of_week", None),
    "p": lambda stamps: stamps.dt.hour.ge(12).map({False: "AM", True: "PM"}),
    "P": lambda stamps: stamps.dt.hour.ge(12).map({False: "am", True: "pm"}),
}
KNOWN = (*(f"%{letter}" for letter in (*_NUMBERS, *_NAMES)), "%f", "%z")
