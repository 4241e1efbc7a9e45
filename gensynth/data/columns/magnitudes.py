"""Numbers that are cut short: 1.7M, 12K, 450 and 1,2 Mio. € of one column, read in full and written as short again.

How a column spells them is a text, "0:0:|3:1:K|6:1:M": for each size its noughts, the digits behind the point, and what
stands behind the digits. Texts and their noughts are in magnitudes.yaml.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as arrow
import pyarrow.compute as compute
import yaml

MOSTLY = 0.8  # share of the cells that must be short or plain
_BLANK = " \u00a0\u202f"
_NOUGHTS: dict[str, int] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
TEXTS = "|".join(sorted(map(re.escape, _NOUGHTS), key=len, reverse=True))
_SUFFIX = re.compile(rf"(?P<text>[{_BLANK}]?(?P<bare>{TEXTS}))(?P<rest>(?:[{_BLANK}]|[^\w\s.]).*)?")


@dataclass(frozen=True)
class Short:
    """What stands behind the digits of cells: the text of each number of noughts, and `suffix` behind it.

    fits  which cells (N,) are of this kind, short or plain
    """

    texts: dict[int, str]
    suffix: str
    fits: list[bool]


def find(suffixes: Sequence[str], digits: Sequence[str], currency: bool, units: frozenset[str]) -> Short | None:
    """The texts for noughts in what stands behind digits (N,); None where none are, or they may be letters of codes.

    currency  whether a currency stands before the digits. Other evidence is one behind them, a fraction, or two sizes
    units     of measure: one of them alone is the unit of all cells
    """
    found = [_SUFFIX.fullmatch(suffix) for suffix in suffixes]
    rest = Counter(one["rest"] or "" for one in found if one).most_common(1)
    if not rest:
        return None
    suffix = rest[0][0]
    short = [one is not None and (one["rest"] or "").strip() in ("", suffix.strip()) for one in found]
    fits = [is_short or text.strip() in ("", suffix.strip()) for is_short, text in zip(short, suffixes, strict=True)]
    texts = _texts([one for one, is_short in zip(found, short, strict=True) if one and is_short])
    if texts is None or sum(fits) < MOSTLY * len(fits):
        return None
    cut = [text for text, is_short in zip(digits, short, strict=True) if is_short]
    plain = [text for text, fit, is_short in zip(digits, fits, short, strict=True) if fit and not is_short]
    fractions = any(re.search(r"[.,]\d", text) for text in cut)
    money = currency or bool(suffix.strip())
    one_unit = len(texts) == 1 and {text.strip() for text in texts.values()} <= units
    if not (money or (not one_unit and (fractions or len(texts) > 1))):
        return None
    if not money and _are_bytes(found, digits):
        return None
    coded = any(re.match(r"0\d", text) for text in cut)
    uncut = sum(_places(text) > min(texts) for text in plain)
    return None if coded or uncut > len(cut) else Short(texts, suffix, fits)


def _texts(found: Sequence[re.Match[str]]) -> dict[int, str] | None:
    """The commonest text of each number of noughts; None where two mean the same, as B and G of billions."""
    counts = Counter(one["text"] for one in found)
    bare = {(_NOUGHTS[one["bare"]], one["bare"].casefold().rstrip(".")) for one in found}
    if len(bare) > len({noughts for noughts, _ in bare}):
        return None
    return {_NOUGHTS[text.strip()]: text for text, _ in reversed(counts.most_common())} or None


def _are_bytes(found: Sequence[re.Match[str] | None], digits: Sequence[str]) -> bool:
    """Whether 512B stands beside 1.2K: hundreds of whole ones are bytes, where others have fractions."""
    pairs = [(one["bare"], text) for one, text in zip(found, digits, strict=True) if one]
    of_b = [text for bare, text in pairs if bare in "bB"]
    others = [text for bare, text in pairs if bare not in "bB"]
    whole = all(text.isdigit() for text in of_b) and any(len(text) > 2 for text in of_b)
    return whole and any(re.search(r"[.,]\d", text) for text in others)


def _places(digits: str) -> int:
    """Digits of the whole part of a number."""
    return sum(c.isdigit() for c in re.sub(r"[.,]\d{1,2}$", "", digits))


def spelled(short: Short, digits: Sequence[str], suffixes: Sequence[str], point: str) -> str:
    """The spelling of the cells that fit, see above; plain ones are of no noughts."""
    decimals: dict[int, int] = {}
    for fit, text, suffix in zip(short.fits, digits, suffixes, strict=True):
        if fit:
            found = _SUFFIX.fullmatch(suffix)
            noughts = _NOUGHTS[found["bare"]] if found else 0
            decimals[noughts] = max(decimals.get(noughts, 0), len(text.partition(point)[2]))
    return "|".join(f"{n}:{decimals[n]}:{short.texts.get(n, '')}" for n in sorted(decimals))


@cache
def sizes(spelling: str) -> list[tuple[int, int, str]]:
    """(noughts, digits behind the point, text) of each size, the smallest first; ValueError for what is no spelling."""
    parts = [re.fullmatch(r"(\d{1,2}):(\d{1,2}):([^|]*)", part) for part in spelling.split("|")]
    found = [(int(one[1]), int(one[2]), one[3]) for one in parts if one]
    if len(found) < len(parts) or found != sorted(found):
        raise ValueError(f"magnitudes: {spelling} is not understood")
    return found


def in_exponents(text: arrow.Array, spelling: str, suffix: str) -> arrow.Array:
    """Cells (N,) with exponents in place of the texts for noughts: $1.7M is $1.7e6."""
    behind = rf"((?:[{_BLANK}]?{re.escape(suffix.strip())})?\)?-?)$"
    for noughts, _, written in sizes(spelling):
        if written:
            pattern = rf"(?i)(\d[.,]?)[{_BLANK}]?{re.escape(written.strip())}{behind}"
            text = compute.replace_substring_regex(text, pattern, rf"\1e{noughts}\2")
    return text


def digits_of(values: np.ndarray, spelling: str, fixed: bool, significant: int) -> np.ndarray:
    """Absolute values (N,) as 1.7e6: of the largest size that leaves a digit before the point, or the smallest.

    fixed        whether noughts at the end of a fraction are written
    significant  most digits without leading zeros, 0 for no bound
    """
    noughts, decimals, _ = (np.array(part) for part in zip(*sizes(spelling), strict=True))
    size = np.clip(np.searchsorted(10.0**noughts, values, side="right") - 1, 0, None)
    for _ in noughts[1:]:  # 999.96K is 1.0M where one digit is written
        following = np.minimum(size + 1, len(noughts) - 1)
        mantissa = values / 10.0 ** noughts[size]
        most = 10.0 ** _digits_behind(mantissa, decimals[size], significant)
        full = np.rint(mantissa * most) / most >= 10.0 ** (noughts[following] - noughts[size])
        size = np.where(full, following, size)
    mantissa = values / 10.0 ** noughts[size]
    places = _digits_behind(mantissa, decimals[size], significant)
    texts = np.empty(len(values), dtype=object)
    for count in np.unique(places):
        rows = places == count
        texts[rows] = np.char.mod(f"%.{count}f", mantissa[rows])
    if not fixed:
        short = compute.replace_substring_regex(arrow.array(texts, arrow.string()), r"(\.\d*?)0+$", r"\1")
        texts = compute.replace_substring_regex(short, r"\.$", "").to_numpy(zero_copy_only=False).astype(object)
    return texts + np.char.add("e", noughts[size].astype(str)).astype(object)


def _digits_behind(mantissa: np.ndarray, decimals: np.ndarray, significant: int) -> np.ndarray:
    """How many digits each number (N,) has behind its point: at most `decimals` (N,), and `significant` in all."""
    before = np.floor(np.log10(np.maximum(mantissa, 1.0))).astype(int) + 1
    return np.clip(significant - before, 0, decimals) if significant else decimals


def rounded(values: np.ndarray, spelling: str, fixed: bool, significant: int) -> np.ndarray:
    """Values (N,), NaN too, as they are read when they have been written."""
    known = ~np.isnan(values)
    texts = digits_of(np.abs(np.where(known, values, 0.0)), spelling, fixed, significant)
    return np.where(known, np.copysign(texts.astype(np.float64), values), np.nan)


def split(digits: np.ndarray, spelling: str) -> tuple[np.ndarray, np.ndarray]:
    """Digits (N,) without their exponents, and the texts (N,) that stand for those."""
    texts = {str(noughts): text for noughts, _, text in sizes(spelling)}
    parts = [one.partition("e") for one in digits.tolist()]
    before = np.array([part[0] for part in parts], dtype=object)
    return before, np.array([texts[part[2]] for part in parts], dtype=object)
