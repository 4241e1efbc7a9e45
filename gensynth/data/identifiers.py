"""What looks like a person: e-mail addresses, telephone numbers, account and identity numbers, names.

Found by form and by the names of columns, never by a list of people: a name inside a sentence is not seen, a column of
names is seen where most cells are capitalised words. Patterns and words are in identifiers.yaml.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from gensynth.data.columns import MISSING, Cells

MOST_CHECKED = 20_000  # distinct cells of a column, evenly spaced
SURE = ("email", "iban", "credit_card", "phone")  # one hit in a column of text is enough
_SOME, _MOST, _NEARLY_ALL = 0.05, 0.5, 0.8
_FEW_NAMES, _FEWEST_NAMES, _SURELY = 20, 5, 0.95  # of fewer than 20, that share must be names, and differ
_EXAMPLES = 3
SHORTEST_CARD = 13  # digits

_PATTERNS = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
_FOUND = {kind: re.compile(pattern) for kind, pattern in _PATTERNS["found_in_text"].items()}
_DATE, _FULL_DATE, _NORTH_AMERICAN, _POSTCODE, _WORD = (
    re.compile(_PATTERNS[name]) for name in ("date", "full_date", "north_american", "postcode", "word")
)
_FAMILY_FIRST = re.compile(r"[^,;]+, [^,;]+$")
_SHORT = 4


def luhn(digits: str) -> bool:
    """Whether the check digit of a card number fits (ISO/IEC 7812-1, annex B).

    >>> luhn("4539578763621486"), luhn("4539578763621487")
    (True, False)
    """
    values = [int(d) for d in reversed(digits)]
    return (sum(values[::2]) + sum(sum(divmod(2 * v, 10)) for v in values[1::2])) % 10 == 0


def iban_fits(text: str) -> bool:
    """Whether the check digits of an account number fit (ISO 13616, modulo 97).

    >>> iban_fits("GB82 WEST 1234 5698 7654 32"), iban_fits("GB83 WEST 1234 5698 7654 32")
    (True, False)
    """
    plain = text.replace(" ", "")
    return 15 <= len(plain) <= 34 and int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return text.strip(":") != ""


def _is_card(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return 13 <= len(digits) <= 19 and len(set(digits)) > 2 and luhn(digits)


def _is_phone(text: str) -> bool:
    """A number with its country's code, with a leading zero, or grouped as in North America; no decimal fraction."""
    digits = re.sub(r"\D", "", text)
    if not 8 <= len(digits) <= 15 or len(set(digits)) < 3:
        return False
    if text.startswith(("+", "00", "(+")):
        return True
    if text.count(".") == 1 and not re.search(r"[ ()/-]", text):
        return False
    return (text.lstrip("(")[0] == "0" and 9 <= len(digits) <= 12) or bool(_NORTH_AMERICAN.fullmatch(text))


_FITS: dict[str, Callable[[str], bool]] = {
    "iban": iban_fits,
    "credit_card": _is_card,
    "ip": _is_ip,
    "phone": _is_phone,
}


def find(text: str) -> list[tuple[int, int, str]]:
    """(start, end, kind) of everything found in a text, from left to right, not overlapping.

    >>> find("call 020 7946 0018 or write to ann@example.org")
    [(5, 18, 'phone'), (31, 46, 'email')]
    """
    found, rest = [], text
    for kind, pattern in _FOUND.items():
        if kind == "email" and "@" not in rest:
            continue
        if kind == "uuid" and not any(c.isdigit() for c in rest):
            break  # all that follow have digits
        if kind == "phone":
            rest = _blanked(rest, [m.span() for m in _DATE.finditer(rest)])
        spans = [m.span() for m in pattern.finditer(rest) if kind not in _FITS or _FITS[kind](m[0])]
        found += [(*span, kind) for span in spans]
        rest = _blanked(rest, spans)
    return sorted(found)


def _blanked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    for start, end in spans:
        text = f"{text[:start]}{chr(0) * (end - start)}{text[end:]}"
    return text


def replaced(text: str, tag: Callable[[str, str], str]) -> str:
    """The text with tag(kind, what was found) in place of everything found.

    >>> replaced("write to ann@example.org", lambda kind, what: f"[{kind.upper()}]")
    'write to [EMAIL]'
    """
    parts, end = [], 0
    for start, stop, kind in find(text):
        parts += [text[end:start], tag(kind, text[start:stop])]
        end = stop
    return "".join([*parts, text[end:]])


def masked(kind: str, text: str) -> str:
    """What may be shown of a cell: first letters, and that there are digits.

    >>> masked("email", "ann@example.org"), masked("name", "Ann Lee"), masked("phone", "020 7946 0018")
    ('a***@***', 'A*** L***', '### #### ####')
    """
    if kind == "email":
        return f"{text[:1]}***@***"
    return re.sub(r"\d", "#", re.sub(r"([^\W\d_])[^\W\d_]*", r"\1***", text))[:40]


def flag_columns(
    columns: pd.DataFrame | Mapping[str, Cells], identifiers: Collection[str] = (), dates: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Columns that look like people: {"column", "kind", "share", "examples_masked"}, in the order of the columns.

    columns      text cells (N rows) by name
    dates        columns of dates: nothing but their names says that they are of people
    identifiers  columns that differ in every row: of kind "identifier" where nothing more is seen in them
    share        part of the filled cells that look so
    """
    return [
        {"column": str(name), **facts}
        for name, cells in columns.items()
        for facts in _flags(str(name), _each_once(cells), str(name) in identifiers, str(name) in dates)
    ]


def flag_texts(texts: np.ndarray, column: str) -> list[dict[str, Any]]:
    """What is found inside texts (N,): {"column", "kind", "rows", "share", "examples_masked"}, the commonest first."""
    hits: dict[str, list[str]] = {}
    for text in texts.tolist():
        for kind, first in {kind: text[start:end] for start, end, kind in reversed(find(text))}.items():
            hits.setdefault(kind, []).append(first)
    return [
        {
            "column": column,
            "kind": kind,
            "rows": len(found),
            "share": round(len(found) / len(texts), 4),
            "examples_masked": _examples(kind, found),
        }
        for kind, found in sorted(hits.items(), key=lambda item: -len(item[1]))
    ]


def _examples(kind: str, cells: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(masked(kind, cell) for cell in cells))[:_EXAMPLES]


def _each_once(cells: pd.Series | Cells) -> Cells:
    return cells if isinstance(cells, Cells) else Cells.of(cells.to_numpy(object))


def _flags(name: str, cells: Cells, identifier: bool, dates: bool) -> Iterator[dict[str, Any]]:
    filled = ~pd.Series(cells.different, dtype=object).isin(MISSING).to_numpy(bool)
    if not filled.any():
        return
    step = -(-int(filled.sum()) // MOST_CHECKED)
    present, weights = cells.different[filled][::step], cells.counts[filled][::step]
    numeric = not np.isnan(cells.numbers[filled][::step]).any()
    by_form = [] if dates else list(_by_form(name, present, weights, numeric))
    seen = by_form or list(_by_name(name, present, weights, numeric))
    if not seen and identifier:
        seen = [("identifier", np.ones(len(present), bool))]
    for kind, hits in seen:
        share = round(float(weights[hits].sum() / weights.sum()), 4)
        yield {"kind": kind, "share": share, "examples_masked": _examples(kind, present[hits][:_EXAMPLES].tolist())}


def _digits(cell: str) -> int:
    return sum(c.isdigit() for c in cell)


_LOOKS: dict[str, Callable[[str], object]] = {  # what a cell of a column that is called so may look like
    "phone": lambda cell: 7 <= _digits(cell) <= 15 and not re.search(r"[^\d ()+./-]", cell),
    "national_id": lambda cell: _digits(cell) >= 5 and len(cell) <= 24,
    "iban": lambda cell: _digits(cell) >= 10,
    "credit_card": lambda cell: 12 <= _digits(cell) <= 19,
    "postcode": lambda cell: _POSTCODE.fullmatch(cell.strip().upper()),
    "date_of_birth": _FULL_DATE.fullmatch,
    "address": lambda cell: " " in cell.strip() and any(c.isalpha() for c in cell),
    "name": lambda cell: _WORD.match(cell) and not _digits(cell),
}
Seen = Iterator[tuple[str, np.ndarray]]  # kind, and which of the distinct cells look so


def _by_form(name: str, present: np.ndarray, weights: np.ndarray, numeric: bool) -> Seen:
    """Kinds that the cells show by themselves; plain numbers show only card numbers."""
    if numeric and max(map(len, present)) < SHORTEST_CARD:
        return
    if numeric:
        cards = np.array([bool(_FOUND["credit_card"].fullmatch(cell)) and _is_card(cell) for cell in present])
        if weights[cards].sum() >= _NEARLY_ALL * weights.sum():
            yield "credit_card", cards
        return
    kinds = [{kind for start, _, kind in find(cell) if _stands_alone(cell, start)} for cell in present.tolist()]
    for kind in _FOUND:
        hits = np.array([kind in found for found in kinds])
        share = weights[hits].sum() / weights.sum()
        if share >= _SOME or (hits.any() and kind in SURE):
            yield kind, hits


def _stands_alone(cell: str, start: int) -> bool:
    """Whether no letter is right before it: inside codes and hashes there are numbers of any length."""
    return start == 0 or not cell[start - 1].isalpha()


def _by_name(name: str, present: np.ndarray, weights: np.ndarray, numeric: bool) -> Seen:
    """Kinds that the column's name says and most cells allow; names of people also where all cells look like one."""
    for kind in _hinted(name):
        hits = np.array([bool(_LOOKS[kind](cell)) for cell in present.tolist()])
        if weights[hits].sum() >= _MOST * weights.sum():
            yield kind, hits
            return
    if numeric:
        return
    called = "name" in _tokens(name)
    hits = np.array([_is_person(cell, alone=called) for cell in present.tolist()])
    enough = _MOST if called else _NEARLY_ALL
    share = weights[hits].sum() / weights.sum()
    if share >= enough and _varies(present, weights, called, share):
        yield "name", hits


def _varies(present: np.ndarray, weights: np.ndarray, called: bool, share: float) -> bool:
    """Whether a column has as many different cells as names of people would have; `share` of its cells are names."""
    if len(present) >= _FEW_NAMES:
        return bool(called or len(present) >= _MOST * weights.sum())
    return bool(len(present) >= _FEWEST_NAMES and min(share, len(present) / weights.sum()) >= _SURELY)


def _is_person(cell: str, alone: bool) -> bool:
    """Two or three capitalised words without a digit, up to six with the family first: "Braund, Mr. Owen Harris".

    One to six where the column is called a name.
    """
    words = _WORD.findall(cell)
    most = 6 if alone or _FAMILY_FIRST.match(cell) else 3
    if _digits(cell) or not (1 if alone else 2) <= len(words) <= most:
        return False
    return all(word[0].isupper() or word.split("-")[0] in _PATTERNS["name_particles"] for word in words)


def _tokens(name: str) -> list[str]:
    """Words of a column's name, lower case: patientName, patient_name and "patient name" alike."""
    return re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())


def _hinted(name: str) -> list[str]:
    words = _tokens(name)
    joined = "".join(words)
    return [
        kind
        for kind, hints in _PATTERNS["column_names"].items()
        if any(hint in words if len(hint) <= _SHORT else hint in joined for hint in hints)
    ]
