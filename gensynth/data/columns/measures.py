"""Cells that measure though no form of number reads them: 132/81, 10-20, 3x4x5, 1.5 kg beside 800 g, <0.5, 2.4foo.

All of them may differ, and they name no row for that.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as arrow
import pyarrow.compute as compute

from gensynth.data.columns.magnitudes import TEXTS
from gensynth.data.columns.numbers import UNITS

NEARLY_ALL, SOME = 0.95, 0.2  # shares of the cells that must measure, and that must be cut short beside plain ones
_LETTERS = r"[A-Za-z]"
_UNIT = "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
_LONG_UNIT = "|".join(sorted((re.escape(unit) for unit in UNITS if not re.fullmatch(_LETTERS, unit)), key=len)[::-1])
_NUMBER = r"[$€£¥₹]?[+\x{2212}-]?\d{1,6}(?:[.,]\d+)?"
# A letter right behind whole numbers may be of a code, as 12A is.
_BEHIND = rf"(?: (?:{_UNIT})|(?:{_LONG_UNIT}))"
_BETWEEN = r" ?(?:[/:;,|\x{2013}\x{00b1}~-]| to |\.\.) ?"
_PAIR = rf"{_NUMBER}{_BEHIND}?{_BETWEEN}{_NUMBER}{_BEHIND}?"
_MONEY = rf"[$€£¥₹]\d{{1,6}}(?:[.,]\d+)? ?(?:{TEXTS})?{_BETWEEN}{_NUMBER} ?(?:{TEXTS})?"  # $88K-$102K
_CLOCK = r"\d{1,2}:[0-5]\d(?::[0-5]\d)?(?: ?[AaPp][Mm])?"
_TIMES = rf"{_NUMBER}{_BEHIND}?(?: ?[x×X*] ?{_NUMBER}{_BEHIND}?){{1,3}}"
_LIST = rf"{_NUMBER}(?:[;|] ?{_NUMBER})+"
_FEET = r"\d{1,2}' ?\d{1,2}(?:\"|'')?"
_BOUND = rf"(?:[<>~≤≥≈±]|[<>]=) ?{_NUMBER}{_BEHIND}?|{_NUMBER}\+"
_FRACTION = r"\W{0,4}\d{1,9}[.,]\d+\D{0,12}"  # of a unit that is not known
_MEASURE = rf"^\s*\(?(?:{_PAIR}|{_MONEY}|{_TIMES}|{_LIST}|{_FEET}|{_BOUND}|{_FRACTION}|{_NUMBER}{_BEHIND})\)?\s*$"
_SHORT, _PLAIN = rf"^\s*{_NUMBER} ?(?:{TEXTS})\s*$", rf"^\s*{_NUMBER}\s*$"
_SLOT = rf"^\s*{_CLOCK}{_BETWEEN}{_CLOCK}\s*$"  # 11:19-13:49
_ZERO_BEFORE = r"(?:^|[^\d.,])0\d"


def are_measures(cells: np.ndarray) -> bool:
    """Whether nearly all of different cells (U,) measure: two numbers with a mark between, a bound, units that differ.

    So do 12K and 450 where at least a fifth is cut short. Numbers of one length that begin with a zero, as in
    0012-0345, are codes.
    """
    text = arrow.array(cells, arrow.string())
    if _matches(text, _SLOT).mean() >= NEARLY_ALL:
        return True
    short, plain = _matches(text, _SHORT), _matches(text, _PLAIN)
    counted = short | plain if short.mean() >= SOME else short
    zeros = _matches(text, _ZERO_BEFORE).any()
    alike = len(set(compute.utf8_length(text).to_pylist())) == 1
    return bool((counted | _matches(text, _MEASURE)).mean() >= NEARLY_ALL and not (zeros and alike))


def _matches(text: arrow.Array, pattern: str) -> np.ndarray:
    return compute.match_substring_regex(text, pattern).to_numpy(zero_copy_only=False).astype(bool)
