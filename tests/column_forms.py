"""Forms in which people write columns: cells with what they mean, and a pattern that new cells of the form must match.

The patterns are written by hand from each form's own rules; nothing here is taken from the code that is tested.
"""

from __future__ import annotations

import calendar
import datetime
import ipaddress
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

N = 240
SWAP = str.maketrans(",.", ".,")
EPOCH = datetime.datetime(1970, 1, 1)
MONTHS, SHORT_MONTHS = "|".join(calendar.month_name[1:]), "|".join(calendar.month_abbr[1:])
DAYS, SHORT_DAYS = "|".join(calendar.day_name), "|".join(calendar.day_abbr)


@dataclass(frozen=True)
class ColumnForm:
    """cells: text (N,); kind: what it is found to be; pattern: of every new cell, whole; values: what the cells mean.

    values  numbers, or seconds (since 1970, of dates); None where the cells have no order
    missing marks of missing cells, which synthetic rows may hold too
    valid   a further test of new cells
    """

    cells: list[str]
    kind: str
    pattern: str
    values: np.ndarray | None = None
    missing: tuple[str, ...] = ()
    valid: Callable[[str], bool] = bool

    def fits(self, cell: str) -> bool:
        """Whether a new cell is one of the form."""
        return cell in self.missing or bool(re.fullmatch(self.pattern, cell) and self.valid(cell))


def _draws() -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(20)
    money, signed = random.lognormal(6, 1.5, N).round(2), random.normal(0, 50, N).round(2)
    return money, signed, random.random(N), random.integers(0, 5_000_000, N), random.permutation(N)


MONEY, SIGNED, SHARE, WHOLE, ORDER = _draws()
STAMPS = [EPOCH + datetime.timedelta(seconds=int(1_500_000_000 + 40 * second)) for second in WHOLE]
SECONDS = np.array([(stamp - EPOCH).total_seconds() for stamp in STAMPS])
MIDNIGHTS = SECONDS // 86_400 * 86_400
CLOCK = WHOLE % 86_400
DATE, TIME = r"20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d"
DAY, MONTH = r"(0[1-9]|[12]\d|3[01])", r"(0[1-9]|1[0-2])"


def accounting(number: float, mark: str = "") -> str:
    return f"({mark}{-number:,.2f})" if number < 0 else f"{mark}{number:,.2f}"


def indian(number: float, decimals: int = 0) -> str:
    whole, point, rest = f"{number:.{decimals}f}".partition(".")
    head, tail = whole[:-3], whole[-3:]
    pairs = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)][::-1]
    return ",".join([*pairs, tail]) + point + rest


def tenths(numbers: np.ndarray) -> np.ndarray:
    return np.array([float(f"{number:.1f}") for number in numbers])


def exponent(number: float, letter: str, sign: bool, width: int) -> str:
    mantissa, _, power = f"{number:.2e}".partition("e")
    return f"{mantissa}{letter}{'-' if int(power) < 0 else '+' * sign}{abs(int(power)):0{width}d}"


GERMAN = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"
FRENCH = "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc."
SPANISH = "ene feb mar abr may jun jul ago sep oct nov dic"


def named(form: str, months: str, pattern: str) -> ColumnForm:
    """Dates whose months are named as in `months`; "{day}", "{month}" and "{year}" in the form and in the pattern."""
    names = months.split()
    cells = [form.format(day=t.day, month=names[t.month - 1], year=t.year) for t in STAMPS]
    pattern = pattern.format(day=r"([1-9]|[12]\d|3[01])", month=f"({'|'.join(map(re.escape, names))})", year=r"20\d\d")
    return ColumnForm(cells, "datetime", pattern, MIDNIGHTS)


def short(number: float) -> str:
    """
    >>> short(450.2), short(1_234), short(81_600_000)
    ('450', '1.2K', '81.6M')
    """
    noughts = next((n for n in (6, 3) if number >= 10**n), 0)
    return f"{number / 10**noughts:.1f}{'KM'[noughts // 3 - 1]}" if noughts else f"{number:.0f}"


def full(cell: str) -> float:
    return float(cell.replace("K", "e3").replace("M", "e6"))


def stamped(form: str, per: str = "second", pattern: str = "") -> ColumnForm:
    values = {"second": SECONDS, "minute": SECONDS // 60 * 60, "day": MIDNIGHTS}[per]
    return ColumnForm([stamp.strftime(form) for stamp in STAMPS], "datetime", pattern, values)


def _numbers() -> dict[str, ColumnForm]:
    whole, money, signed, percent = WHOLE.astype(float), MONEY, SIGNED, (100 * SHARE).round(1)

    def of(texts: Sequence[str], values: np.ndarray, pattern: str) -> ColumnForm:
        return ColumnForm(list(texts), "numeric", pattern, np.asarray(values, float))

    varied, thousands = (SIGNED * SHARE).round(3), r"\d{1,3}(,\d{3})*"
    single = SIGNED.astype(np.float32) * np.float32(1.1)
    return {
        "integers": of([str(n) for n in WHOLE % 9973 - 4000], WHOLE % 9973 - 4000, r"0|-?[1-9]\d*"),
        "floats": of([f"{x:.2f}" for x in signed], signed, r"-?\d+\.\d\d"),
        "floats of any length": of([repr(float(x)) for x in varied], varied, r"-?\d+\.\d{1,3}"),
        "float32": of([str(x) for x in single], [float(str(x)) for x in single], r"-?\d+\.\d{1,8}|-?\d\.\d+e-\d\d"),
        "float64": of([repr(float(x)) for x in SHARE], SHARE, r"0\.\d{1,19}|\d\.\d+e-\d\d"),
        "floats without fractions": of([f"{n % 97}.0" for n in WHOLE], WHOLE % 97, r"\d+\.0"),
        "fives": of([str(5 * (n % 97) + 2) for n in WHOLE], 5 * (WHOLE % 97) + 2, r"2|\d*[27]"),
        "no zero": of([f"{0.998 * x:.3f}"[1:] for x in SHARE], (0.998 * SHARE).round(3), r"\.\d{3}"),
        "a last point": of([f"{int(x)}." for x in money], money.astype(int), r"\d+\."),
        "a plus": of([f"{x:+.2f}" for x in signed], signed, r"[+-]\d+\.\d\d"),
        "exponents": of([f"{x:.2e}" for x in money], [float(f"{x:.2e}") for x in money], r"\d\.\d\de[+-]\d\d"),
        "capital exponents": of(
            [exponent(x, "E", True, 3) for x in signed], [float(f"{x:.2e}") for x in signed], r"-?\d\.\d\dE[+-]\d{3}"
        ),
        "short exponents": of(
            [exponent(x, "e", False, 1) for x in money], [float(f"{x:.2e}") for x in money], r"\d\.\d\de-?\d"
        ),
        "percent": of([f"{x}%" for x in percent], percent, r"\d{1,3}\.\d%"),
        "percent after a blank": of([f"{x} %".replace(".", ",") for x in percent], percent, r"\d{1,3},\d %"),
        "percent after a fixed blank": of([f"{x}\u00a0%" for x in percent], percent, "\\d{1,3}\\.\\d\u00a0%"),
        "whole percent": of([f"{n % 101}%" for n in WHOLE], WHOLE % 101, r"\d{1,3}%"),
        "per mille": of([f"{x} ‰" for x in percent], percent, r"\d{1,3}\.\d ‰"),
        "dollars": of([f"${x:,.2f}" for x in money], money, rf"\${thousands}\.\d\d"),
        "minus before dollars": of([f"{'-' * int(x < 0)}${abs(x):.2f}" for x in signed], signed, r"-?\$\d+\.\d\d"),
        "minus after dollars": of([f"${x:.2f}" for x in signed], signed, r"\$-?\d+\.\d\d"),
        "euros after": of([f"{x:,.2f} €".translate(SWAP) for x in money], money, r"\d{1,3}(\.\d{3})*,\d\d €"),
        "euros before": of([f"€ {x:,.2f}".translate(SWAP) for x in money], money, r"€ \d{1,3}(\.\d{3})*,\d\d"),
        "pounds": of([f"£{x:,.2f}" for x in money], money, rf"£{thousands}\.\d\d"),
        "yen": of([f"¥{n:,}" for n in WHOLE], whole, rf"¥{thousands}"),
        "EUR": of([f"EUR {x:.2f}" for x in money], money, r"EUR \d+\.\d\d"),
        "crowns": of(
            [f"{x:,.2f} kr".translate(SWAP).replace(".", "\u00a0") for x in money],
            money,
            "\\d{1,3}(\u00a0\\d{3})*,\\d\\d kr",
        ),
        "reais": of([f"R$ {x:,.2f}".translate(SWAP) for x in money], money, r"R\$ \d{1,3}(\.\d{3})*,\d\d"),
        "francs": of([f"CHF {x:,.2f}".replace(",", "'") for x in money], money, r"CHF \d{1,3}('\d{3})*\.\d\d"),
        "rupees": of([f"Rs. {indian(n)}" for n in WHOLE], whole, r"Rs\. \d{1,2}(,\d\d)*,\d{3}|Rs\. \d{1,3}"),
        "rupees and paise": of(
            [f"₹{indian(100 * x, 2)}" for x in money], 100 * money, r"₹(\d{1,2}(,\d\d)*,)?\d{1,3}\.\d\d"
        ),
        "lakhs": of([indian(n) for n in WHOLE], whole, r"(\d{1,2}(,\d\d)*,)?\d{1,3}"),
        "thousands by commas": of([f"{n:,}" for n in WHOLE], whole, thousands),
        "thousands by points": of([f"{n:,}".translate(SWAP) for n in WHOLE], whole, r"\d{1,3}(\.\d{3})*"),
        "thousands by blanks": of([f"{n:,}".replace(",", " ") for n in WHOLE], whole, r"\d{1,3}( \d{3})*"),
        "thousands by fixed blanks": of(
            [f"{n:,}".replace(",", "\u00a0") for n in WHOLE], whole, "\\d{1,3}(\u00a0\\d{3})*"
        ),
        "thousands by thin blanks": of(
            [f"{x:,.1f}".translate(SWAP).replace(".", "\u202f") for x in money],
            tenths(money),
            "\\d{1,3}(\u202f\\d{3})*,\\d",
        ),
        "thousands by apostrophes": of([f"{n:,}".replace(",", "'") for n in WHOLE], whole, r"\d{1,3}('\d{3})*"),
        "thousands by quotes": of([f"{n:,}".replace(",", "’") for n in WHOLE], whole, r"\d{1,3}(’\d{3})*"),
        "thousands by underscores": of([f"{n:_}" for n in WHOLE], whole, r"\d{1,3}(_\d{3})*"),
        "decimal comma": of([f"{x:.2f}".replace(".", ",") for x in signed], signed, r"-?\d+,\d\d"),
        "decimal comma of any length": of([str(x).replace(".", ",") for x in varied], varied, r"-?\d+,\d{1,3}"),
        "accounting": of([accounting(x) for x in signed], signed, rf"{thousands}\.\d\d|\({thousands}\.\d\d\)"),
        "accounting in dollars": of(
            [accounting(10 * x, "$") for x in signed], 10 * signed, rf"\${thousands}\.\d\d|\(\${thousands}\.\d\d\)"
        ),
        "a minus behind": of([f"{abs(x):.2f}{'-' * int(x < 0)}" for x in signed], signed, r"\d+\.\d\d-?"),
        "a true minus": of([f"{x:.2f}".replace("-", "\u2212") for x in signed], signed, "\u2212?\\d+\\.\\d\\d"),
        "zeros before": of([f"{x:010.2f}" for x in money], money, r"\d{7}\.\d\d"),
        "to the right": of([f"{x:12.2f}" for x in money], money, r"(?=.{12}$) *\d+\.\d\d"),
        "a blank before": of([f" {n}" for n in WHOLE], whole, r" \d+"),
        "kilograms": of([f"{x:.1f} kg" for x in money], tenths(money), r"\d+\.\d kg"),
        "degrees": of([f"{x:.1f}°C" for x in signed], tenths(signed), r"-?\d+\.\d°C"),
        "square metres": of([f"{n % 400} m²" for n in WHOLE], WHOLE % 400, r"\d{1,3} m²"),
        "cut short": of(
            [short(x**1.5) for x in money], [full(short(x**1.5)) for x in money], r"\d{1,3}|\d{1,3}\.\d[KM]"
        ),
        "dollars cut short": of(
            [f"${short(n)}" for n in WHOLE], [full(short(n)) for n in WHOLE], r"\$(\d{1,3}|\d{1,3}\.\d[KM])"
        ),
        "millions of euros": of(
            [f"{x} Mio. €".replace(".", ",", 1) for x in tenths(money)],
            [float(f"{x}e6") for x in tenths(money)],
            r"\d+,\d Mio\. €",
        ),
        "numbers with gaps": ColumnForm(
            ["NA" if i % 7 == 0 else f"{x:.1f}" for i, x in enumerate(signed)],
            "numeric",
            r"-?\d+\.\d",
            np.where(np.arange(N) % 7 == 0, np.nan, tenths(signed)),
            ("NA",),
        ),
        "numbers with gaps of three kinds": ColumnForm(
            [["", "-", "n/a"][i % 3] if i % 5 == 0 else f"{n % 500}" for i, n in enumerate(WHOLE)],
            "numeric",
            r"\d{1,3}",
            np.where(np.arange(N) % 5 == 0, np.nan, WHOLE % 500),
            ("", "-", "n/a"),
        ),
        "money with gaps": ColumnForm(
            ["unknown" if i % 7 == 0 else f"${x:,.2f}" for i, x in enumerate(money)],
            "numeric",
            rf"\${thousands}\.\d\d",
            np.where(np.arange(N) % 7 == 0, np.nan, money),
            ("unknown",),
        ),
    }


def _dates() -> dict[str, ColumnForm]:
    def of(texts: Sequence[str], pattern: str, values: np.ndarray = SECONDS) -> ColumnForm:
        return ColumnForm(list(texts), "datetime", pattern, values)

    milli, micro = WHOLE % 1000, WHOLE % 1_000_000
    months = np.array([(datetime.datetime(t.year, t.month, 1) - EPOCH).total_seconds() for t in STAMPS])
    quarters = np.array(
        [(datetime.datetime(t.year, (t.month - 1) // 3 * 3 + 1, 1) - EPOCH).total_seconds() for t in STAMPS]
    )
    weeks = MIDNIGHTS - 86_400 * np.array([t.weekday() for t in STAMPS])
    day, month = r"([1-9]|[12]\d|3[01])", r"([1-9]|1[0-2])"
    return {
        "date": stamped("%Y-%m-%d", "day", DATE),
        "date and time with T": stamped("%Y-%m-%dT%H:%M:%S", "second", f"{DATE}T{TIME}"),
        "date and time": stamped("%Y-%m-%d %H:%M:%S", "second", f"{DATE} {TIME}"),
        "date and minutes": stamped("%Y-%m-%d %H:%M", "minute", rf"{DATE} ([01]\d|2[0-3]):[0-5]\d"),
        "Z": stamped("%Y-%m-%dT%H:%M:%SZ", "second", f"{DATE}T{TIME}Z"),
        "UTC": stamped("%Y-%m-%d %H:%M:%S UTC", "second", f"{DATE} {TIME} UTC"),
        "offset": of([f"{t:%Y-%m-%dT%H:%M:%S}+02:00" for t in STAMPS], rf"{DATE}T{TIME}\+02:00"),
        "short offset": of([f"{t:%Y-%m-%d %H:%M:%S}-0500" for t in STAMPS], rf"{DATE} {TIME}-0500"),
        "milliseconds": of(
            [f"{t:%Y-%m-%dT%H:%M:%S}.{n:03d}Z" for t, n in zip(STAMPS, milli, strict=True)],
            rf"{DATE}T{TIME}\.\d{{3}}Z",
            SECONDS + milli / 1e3,
        ),
        "microseconds": of(
            [f"{t:%Y-%m-%d %H:%M:%S}.{n:06d}" for t, n in zip(STAMPS, micro, strict=True)],
            rf"{DATE} {TIME}\.\d{{6}}",
            SECONDS + micro / 1e6,
        ),
        "compact date": stamped("%Y%m%d", "day", rf"20\d\d{MONTH}{DAY}"),
        "compact time": stamped("%Y%m%d%H%M%S", "second", rf"20\d\d{MONTH}{DAY}([01]\d|2[0-3])[0-5]\d[0-5]\d"),
        "compact time with T": stamped(
            "%Y%m%dT%H%M%SZ", "second", rf"20\d\d{MONTH}{DAY}T([01]\d|2[0-3])([0-5]\d){{2}}Z"
        ),
        "year first with strokes": stamped("%Y/%m/%d", "day", rf"20\d\d/{MONTH}/{DAY}"),
        "day first": stamped("%d/%m/%Y", "day", rf"{DAY}/{MONTH}/20\d\d"),
        "day first with lines": stamped("%d-%m-%Y %H:%M:%S", "second", rf"{DAY}-{MONTH}-20\d\d {TIME}"),
        "month first": stamped("%m/%d/%Y", "day", rf"{MONTH}/{DAY}/20\d\d"),
        "month first, no zeros": of(
            [f"{t.month}/{t.day}/{t.year}" for t in STAMPS], rf"{month}/{day}/20\d\d", MIDNIGHTS
        ),
        "points": stamped("%d.%m.%Y", "day", rf"{DAY}\.{MONTH}\.20\d\d"),
        "points, no zeros": of([f"{t.day}.{t.month}.{t.year}" for t in STAMPS], rf"{day}\.{month}\.20\d\d", MIDNIGHTS),
        "points and minutes": stamped("%d.%m.%Y %H:%M", "minute", rf"{DAY}\.{MONTH}\.20\d\d ([01]\d|2[0-3]):[0-5]\d"),
        "two digits of a year": stamped("%d.%m.%y", "day", rf"{DAY}\.{MONTH}\.\d\d"),
        "month first, two digits": stamped("%m/%d/%y", "day", rf"{MONTH}/{DAY}/\d\d"),
        "AM and PM": stamped("%m/%d/%Y %I:%M %p", "minute", rf"{MONTH}/{DAY}/20\d\d (0[1-9]|1[0-2]):[0-5]\d [AP]M"),
        "am and pm": of(
            [f"{t.month}/{t.day}/{t.year} {(t.hour - 1) % 12 + 1}:{t:%M:%S}{'ap'[t.hour > 11]}m" for t in STAMPS],
            rf"{month}/{day}/20\d\d ([1-9]|1[0-2]):[0-5]\d:[0-5]\d[ap]m",
        ),
        "short months": stamped("%d-%b-%Y", "day", rf"{DAY}-({SHORT_MONTHS})-20\d\d"),
        "short months in capitals": of(
            [f"{t:%d-%b-%y}".upper() for t in STAMPS], rf"{DAY}-({SHORT_MONTHS.upper()})-\d\d", MIDNIGHTS
        ),
        "months in full": stamped("%B %d, %Y", "day", rf"({MONTHS}) {DAY}, 20\d\d"),
        "months in full, no zeros": of([f"{t.day} {t:%B %Y}" for t in STAMPS], rf"{day} ({MONTHS}) 20\d\d", MIDNIGHTS),
        "German months": named("{day}. {month} {year}", GERMAN, r"{day}\. {month} {year}"),
        "short French months": named("{day} {month} {year}", FRENCH, "{day} {month} {year}"),
        "short Spanish months": named("{day:02d}-{month}-{year}", SPANISH, f"{DAY}-{{month}}-{{year}}"),
        "weekdays": stamped("%A, %d %B %Y", "day", rf"({DAYS}), {DAY} ({MONTHS}) 20\d\d"),
        "of a mail": stamped(
            "%a, %d %b %Y %H:%M:%S +0000", "second", rf"({SHORT_DAYS}), {DAY} ({SHORT_MONTHS}) 20\d\d {TIME} \+0000"
        ),
        "of a log": stamped("%d/%b/%Y:%H:%M:%S +0000", "second", rf"{DAY}/({SHORT_MONTHS})/20\d\d:{TIME} \+0000"),
        "year and month": of([f"{t:%Y-%m}" for t in STAMPS], rf"20\d\d-{MONTH}", months),
        "month and year": of([f"{t:%b %Y}" for t in STAMPS], rf"({SHORT_MONTHS}) 20\d\d", months),
        "quarters": of([f"{t.year}-Q{(t.month + 2) // 3}" for t in STAMPS], r"20\d\d-Q[1-4]", quarters),
        "quarters before years": of([f"Q{(t.month + 2) // 3} {t.year}" for t in STAMPS], r"Q[1-4] 20\d\d", quarters),
        "weeks": of([f"{t:%G-W%V}" for t in STAMPS], r"20\d\d-W(0[1-9]|[1-4]\d|5[0-3])", weeks),
        "days of weeks": of([f"{t:%G-W%V-%u}" for t in STAMPS], r"20\d\d-W(0[1-9]|[1-4]\d|5[0-3])-[1-7]", MIDNIGHTS),
        "seconds since 1970": of([f"{int(s)}" for s in SECONDS], r"1[5-7]\d{8}"),
        "milliseconds since 1970": of(
            [f"{int(s)}{n:03d}" for s, n in zip(SECONDS, milli, strict=True)], r"1[5-7]\d{11}", SECONDS + milli / 1e3
        ),
        "microseconds since 1970": of(
            [f"{int(s)}{n:06d}" for s, n in zip(SECONDS, micro, strict=True)], r"1[5-7]\d{14}", SECONDS + micro / 1e6
        ),
        "nanoseconds since 1970": of(
            [f"{int(s)}{n:03d}000000" for s, n in zip(SECONDS, milli, strict=True)],
            r"1[5-7]\d{17}",
            SECONDS + milli / 1e3,
        ),
        "dates with gaps": ColumnForm(
            ["n/a" if i % 7 == 0 else f"{t:%d.%m.%Y}" for i, t in enumerate(STAMPS)],
            "datetime",
            rf"{DAY}\.{MONTH}\.20\d\d",
            np.where(np.arange(N) % 7 == 0, np.nan, MIDNIGHTS),
            ("n/a",),
        ),
        "dates with gaps of two kinds": ColumnForm(
            [["NULL", ""][i % 2] if i % 7 == 0 else f"{t:%Y-%m-%d}" for i, t in enumerate(STAMPS)],
            "datetime",
            DATE,
            np.where(np.arange(N) % 7 == 0, np.nan, MIDNIGHTS),
            ("NULL", ""),
        ),
    }


def _durations() -> dict[str, ColumnForm]:
    def of(texts: Sequence[str], pattern: str, values: np.ndarray) -> ColumnForm:
        return ColumnForm(list(texts), "numeric", pattern, np.asarray(values, float))

    def clock(second: int, hours: str = "02d") -> str:
        return f"{second // 3600:{hours}}:{second // 60 % 60:02d}:{second % 60:02d}"

    days, signed, minutes = WHOLE + 86_400, WHOLE % 800_000 - 400_000, WHOLE % 30_000 // 60 * 60
    return {
        "time of day": of([clock(s)[:5] for s in CLOCK], r"([01]\d|2[0-3]):[0-5]\d", CLOCK // 60 * 60),
        "time of day to the second": of([clock(s) for s in CLOCK], TIME, CLOCK),
        "time of day with AM": ColumnForm(
            [f"{(s // 3600 - 1) % 12 + 1:02d}:{s // 60 % 60:02d} {'AP'[int(s >= 43_200)]}M" for s in CLOCK],
            "datetime",
            r"(0[1-9]|1[0-2]):[0-5]\d [AP]M",
        ),
        "hours, minutes, seconds": of([clock(s, "d") for s in WHOLE], r"\d{1,4}:[0-5]\d:[0-5]\d", WHOLE),
        "days and hours": of([f"{s // 86_400} days {clock(s % 86_400)}" for s in days], rf"\d+ days {TIME}", days),
        "days of pandas": of([str(pd.Timedelta(seconds=int(s))) for s in signed], rf"-?\d+ days \+?{TIME}", signed),
        "days of Python": of(
            [str(datetime.timedelta(seconds=int(s))) for s in signed],
            r"(-?1 day, |-?([02-9]|\d\d+) days, )?(\d|1\d|2[0-3]):[0-5]\d:[0-5]\d",
            signed,
        ),
        "ISO durations": of(
            [f"P{s // 86_400}DT{s // 3600 % 24}H{s // 60 % 60}M{s % 60}S" for s in WHOLE],
            r"P\d+DT(1?\d|2[0-3])H[1-5]?\dM[1-5]?\dS",
            WHOLE,
        ),
        "ISO durations without noughts": of(
            [
                "PT" + (f"{s // 3600}H" * (s >= 3600) + f"{s // 60 % 60}M" * (s // 60 % 60 > 0) or "0S")
                for s in minutes.tolist()
            ],
            r"PT([1-9]\d*H)?([1-9]\d?M)?(?<!T)|PT0S",
            minutes,
        ),
        "minutes and seconds": of(
            [f"{s % 9}:{s % 59:02d}.{s % 1000:03d}" for s in WHOLE],
            r"\d:[0-5]\d\.\d{3}",
            WHOLE % 9 * 60 + WHOLE % 59 + WHOLE % 1000 / 1e3,
        ),
        "hours, minutes, seconds with fractions": of(
            [f"00:{s % 60:02d}:{s % 59:02d}.{s % 1000:03d}" for s in WHOLE],
            r"00:[0-5]\d:[0-5]\d\.\d{3}",
            WHOLE % 60 * 60 + WHOLE % 59 + WHOLE % 1000 / 1e3,
        ),
    }


def _codes() -> dict[str, ColumnForm]:
    random = np.random.default_rng(21)
    octets = random.integers(1, 255, (N, 16))
    letters = np.array(list("ABCDEFGHJKLMNPRSTUVWXYZ"))

    def identifiers(texts: Sequence[str], pattern: str, valid: Callable[[str], bool] = bool) -> ColumnForm:
        return ColumnForm(list(texts), "identifier", pattern, valid=valid)

    def few(names: Sequence[str], kind: str = "categorical", missing: tuple[str, ...] = ()) -> ColumnForm:
        pattern = "|".join(re.escape(name) for name in names if name not in missing)
        return ColumnForm([names[n % len(names)] for n in WHOLE], kind, pattern, missing=missing)

    return {
        "row numbers": identifiers([str(1000 + i) for i in range(N)], r"\d+"),
        "hexadecimal": identifiers([row.tobytes().hex() for row in octets.astype(np.uint8)[:, :6]], r"[0-9a-f]{12}"),
        "hexadecimal with 0x": identifiers(
            [f"0x{row.tobytes().hex().upper()}" for row in octets.astype(np.uint8)[:, :4]], r"0x[0-9A-F]{8}"
        ),
        "UUID": identifiers(
            [str(uuid.UUID(bytes=row.tobytes(), version=4)) for row in octets.astype(np.uint8)],
            r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
        ),
        "IPv4": identifiers([".".join(map(str, row[:4])) for row in octets], r"\d+(\.\d+){3}", _is_address),
        "IPv6": identifiers(
            [str(ipaddress.IPv6Address(row.astype(np.uint8).tobytes())) for row in octets], r"[0-9a-f:]+", _is_address
        ),
        "MAC": identifiers([":".join(f"{n:02X}" for n in row[:6]) for row in octets], r"[0-9A-F]{2}(:[0-9A-F]{2}){5}"),
        "mail addresses": identifiers([f"user{i}@mail.com" for i in ORDER], r"user\d+@mail\.com"),
        "invoices": identifiers([f"INV-2021-{i:05d}" for i in ORDER], r"INV-2021-\d{5}"),
        "codes": identifiers(
            [f"{''.join(letters[row[:2] % 23])}-{i:04d}" for row, i in zip(octets, ORDER, strict=True)],
            r"[A-Z]{2}-\d{4}",
        ),
        "number plates": identifiers(
            [
                f"{''.join(letters[row[:2] % 23])}{i % 99 + 1:02d} {''.join(letters[row[3:6] % 23])}"
                for row, i in zip(octets, ORDER, strict=True)
            ],
            r"[A-Z]{2}\d\d [A-Z]{3}",
        ),
        "codes with zeros before": identifiers([f"{7 * i:06d}" for i in ORDER], r"\d{6}"),
        "postal codes": few(["01067", "04109", "10115", "20095", "80331"]),
        "long postal codes": few(["02134-1001", "10001-0001", "94105-2233"]),
        "British postal codes": few(["SW1A 1AA", "M1 1AE", "EC1A 1BB"]),
        "ages in steps": few(["0-9", "10-19", "20-29", "30+"]),
        "grades": few(["A+", "A", "A-", "B", "C"]),
        "ordered grades": few(["low", "medium", "high"]),
        "numbered categories": few(["1 - low", "2 - medium", "3 - high"]),
        "versions": few(["1.0.2", "1.2.10", "2.0.0"]),
        "true and false": few(["true", "false"], "boolean"),
        "True and False": few(["True", "False"], "boolean"),
        "TRUE and FALSE": few(["TRUE", "FALSE"], "boolean"),
        "yes and no": few(["yes", "no"], "boolean"),
        "Y and N": few(["Y", "N"], "boolean"),
        "t and f": few(["t", "f"], "boolean"),
        "on and off": few(["on", "off"]),
        "0 and 1": ColumnForm([str(n % 2) for n in WHOLE], "numeric", "[01]", (WHOLE % 2).astype(float)),
        "0.0 and 1.0": ColumnForm([f"{n % 2}.0" for n in WHOLE], "numeric", r"[01]\.0", (WHOLE % 2).astype(float)),
        "yes, no and gaps": few(["yes", "no", "NA"], "boolean", ("NA",)),
        "categories with gaps": few(["red", "green", "blue", "?"], missing=("?",)),
        "categories with gaps of three kinds": few(["red", "green", "", "N/A", "NULL"], missing=("", "N/A", "NULL")),
        "categories named None": few(["None", "Mild", "Severe"]),
        "accents and blanks": few(["São Paulo", " Zürich", "Łódź ", "東京"]),
        "quotes, commas and tabs": few(['5" pipe', "a, b", "x\ty", "semi;colon", "it's"]),
        "a constant": ColumnForm(["v1.0"] * N, "constant", r"v1\.0"),
    }


def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


FORMS: dict[str, ColumnForm] = {**_numbers(), **_dates(), **_durations(), **_codes()}
