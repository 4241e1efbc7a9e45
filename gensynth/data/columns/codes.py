"""Identifiers and codes: the shape that the cells of one column share, and new cells of that shape.

A shape is a list of runs. A run is a fixed text, a whole number between two bounds, one of a few texts, or a character
a place from the alphabet of that place. New cells are functions of their seed, and never one that is taken.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gensynth import rng
from gensynth.errors import DataError

ATTEMPTS = 40
SHAPED_BY = 1000  # cells by which a shape is found
ALIKE = 0.9  # share of the cells that must have the runs of the shape
FEW = 12  # different texts of a run that are written again as they are: domains of addresses, say
LEAST_SHARED = 5  # cells from which a part of them is no person's own
NO_DOMAIN = "example.com"  # of nobody (RFC 2606, section 3)
CHANCE = 1e-9  # of never seeing the letters of an alphabet that are not there, by which it has them
_RUNS = re.compile(r"\d+|[^\W\d_]+|[\W_]+")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_UPPER_HEX, _LOWER_HEX = string.digits + "ABCDEF", string.digits + "abcdef"
ALPHABETS = (
    string.digits,
    string.ascii_lowercase,
    string.ascii_uppercase,
    _LOWER_HEX,
    _UPPER_HEX,
    string.ascii_lowercase + string.digits,
    string.ascii_uppercase + string.digits,
    string.ascii_letters,
    string.ascii_letters + string.digits,
)
Run = dict[str, Any]


def find_shape(cells: np.ndarray) -> list[Run]:
    """Runs of cells (N,): {"text"}, {"low", "high"}, {"texts", "counts"}, or {"places"} and, of words, {"lengths"}.

    The cells of most have one length and one alphabet a place, or the same sequence of digits, letters and marks, or
    are addresses of mail; else the shape is that of the commonest sequence or of the commonest length.
    """
    sample = cells[:: -(-len(cells) // SHAPED_BY)].tolist()
    lengths = Counter(map(len, sample))
    length, count = lengths.most_common(1)[0]
    addresses = sum(_ADDRESS.fullmatch(cell) is not None for cell in sample) >= ALIKE * len(sample)
    if count < ALIKE * len(sample) or addresses:
        split = [_RUNS.findall(cell) for cell in sample]
        kinds = [tuple(_kind(run) for run in runs) for runs in split]
        usual, alike = Counter(kinds).most_common(1)[0]
        if addresses and alike < ALIKE * len(sample):
            return _address([cell.split("@") for cell in sample if _ADDRESS.fullmatch(cell)])
        if alike >= ALIKE * len(sample) or alike > count:
            table = [runs for runs, kind in zip(split, kinds, strict=True) if kind == usual]
            # Of an address only what follows the "@" may be written again: what stands before it are people.
            people = usual.index("@") or len(usual) if "@" in usual else 0
            return [_run([runs[i] for runs in table], len(table), again=i >= people) for i in range(len(usual))]
    return _places([cell for cell in sample if len(cell) == length])


def _address(pairs: Sequence[Sequence[str]]) -> list[Run]:
    """Runs of addresses of mail that are built in several ways: letters and digits before the "@", then a domain."""
    people = ["".join(letter for letter in name if letter.isalnum()) or "a" for name, _ in pairs]
    first, longest = {name[0] for name in people}, max(map(len, people))
    places = [_alphabet(first), *[_alphabet({c for name in people for c in name[1:]} or first)] * (longest - 1)]
    domains = Counter(domain for _, domain in pairs)
    shared = {domain: n for domain, n in domains.most_common(FEW) if n >= LEAST_SHARED}
    domain = {"texts": sorted(shared), "counts": [shared[one] for one in sorted(shared)]}
    return [
        {"places": places, "lengths": sorted(map(len, people))[:: -(-len(people) // 50)]},
        {"text": "@"},
        domain if shared else {"text": NO_DOMAIN},
    ]


def _kind(run: str) -> str:
    return "digits" if run.isdigit() else "letters" if run.isalpha() else run


def _run(texts: Sequence[str], rows: int, again: bool) -> Run:
    """One run of all cells; `again`: whether a few different texts may be written as they are."""
    counts = Counter(texts)
    if len(counts) == 1:
        return {"text": texts[0]}
    if all(text.isdigit() and (text == "0" or text[0] != "0") for text in texts):
        numbers = [int(text) for text in texts]
        if max(numbers) < 1 << 62:
            return dict(zip(("low", "high"), _bounds(min(numbers), max(numbers)), strict=True))
    if again and len(counts) <= FEW and rows >= 4 * len(counts) and max(counts.values()) >= LEAST_SHARED:
        shared = sorted(text for text, n in counts.items() if n >= LEAST_SHARED)
        return {"texts": shared, "counts": [counts[text] for text in shared]}
    longest = max(map(len, texts))
    places = [_alphabet({text[i] for text in texts if len(text) > i}) for i in range(longest)]
    return {"places": places, "lengths": sorted(map(len, texts))[:: -(-len(texts) // 50)]}


def _bounds(low: int, high: int) -> tuple[int, int]:
    """Bounds of numbers, from 1,000 on rounded outwards to two digits: the smallest and the largest are somebody's.

    >>> _bounds(1, 254), _bounds(10017, 98765)
    ((1, 254), (10000, 98999))
    """
    if high < 1000:
        return low, high
    step = 10 ** (len(str(high)) - 2)
    return low // step * step, (high // step + 1) * step - 1


def _places(cells: Sequence[str]) -> list[Run]:
    """A run a place, neighbours of one kind put together, of cells of one length."""
    runs: list[Run] = []
    columns = [set(letters) for letters in zip(*cells, strict=True)]
    for place, distinct in enumerate(columns):
        fixed = len(distinct) == 1 and not _in_number(columns, place)
        if fixed and runs and "text" in runs[-1]:
            runs[-1]["text"] += min(distinct)
        elif fixed:
            runs.append({"text": min(distinct)})
        else:
            alphabet = _alphabet(distinct)
            if not distinct <= set(string.digits) and (len(distinct) / len(alphabet)) ** len(cells) < CHANCE:
                alphabet = "".join(sorted(distinct))  # as the 8, 9, a and b of a UUID's variant
            first = not place or not columns[place - 1] <= set(string.digits)
            if first and alphabet == string.digits and "0" not in distinct:
                alphabet = string.digits[1:]  # a number that never begins with a zero
            if not (runs and "places" in runs[-1]):
                runs.append({"places": []})
            runs[-1]["places"].append(alphabet)
    return runs


def _in_number(columns: Sequence[set[str]], place: int) -> bool:
    """Whether a place is one of a run of digits that are not the same in all cells: of a number, leading zeros too."""

    def digits(one: int) -> bool:
        return 0 <= one < len(columns) and columns[one] <= set(string.digits)

    low = high = place
    while digits(low):
        low -= 1
    while digits(high):
        high += 1
    return any(len(columns[one]) > 1 for one in range(low + 1, high))


def _alphabet(letters: set[str]) -> str:
    """The smallest usual alphabet that holds the letters; without it, they themselves."""
    return next((one for one in ALPHABETS if letters <= set(one)), "".join(sorted(letters)))


def check_shape(runs: Any) -> list[Run]:
    """The runs; ValueError for what is no shape."""
    for run in runs:
        fine = (
            isinstance(run.get("text"), str)
            or (type(run.get("low")) is int and type(run.get("high")) is int and 0 <= run["low"] <= run["high"])
            or (run.get("texts") and all(isinstance(text, str) for text in run["texts"]))
            or (run.get("places") and all(isinstance(place, str) and place for place in run["places"]))
        )
        if not fine:
            raise ValueError("a shape has a run that is not understood")
    return list(runs)


def sieve_of(cells: np.ndarray) -> str:
    """Hexadecimal bits by which cells (N,) are kept from being issued where they themselves are not at hand.

    A bit is set for the hash of each cell, two bits or more for each: a cell whose bit is not set is none of them, one
    whose bit is set may be any other as well, so that the bits name nobody.
    """
    size = max(64, 1 << int(np.ceil(np.log2(2 * max(len(cells), 1)))))
    bits = np.zeros(size, bool)
    bits[_hashes(cells, size)] = True
    return np.packbits(bits).tobytes().hex()


def _hashes(cells: np.ndarray, size: int) -> np.ndarray:
    return (pd.util.hash_array(np.asarray(cells, dtype=object)) % np.uint64(size)).astype(np.int64)


def issue_codes(
    name: str, runs: Sequence[Mapping[str, Any]], seeds: np.ndarray, taken: set[str], sieve: str = ""
) -> np.ndarray:
    """New cells (N,) of the shape, one a seed; those in `taken` are not issued, and issued ones are added to it.

    sieve  of the real cells, see `sieve_of`
    DataError where no cell of the shape is left.
    """
    cells, waiting = np.empty(len(seeds), dtype=object), np.arange(len(seeds))
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(sieve), np.uint8)).astype(bool)
    for attempt in range(ATTEMPTS):
        # After half of the tries the shape grows: a short one may have no room left.
        grown = _grown(runs, max(0, attempt - ATTEMPTS // 2))
        still = []
        drawn = _drawn(name, grown, seeds[waiting], attempt)
        maybe_real = (
            bits[_hashes(np.array(drawn, dtype=object), len(bits))] if len(bits) else np.zeros(len(drawn), bool)
        )
        for place, cell, held in zip(waiting.tolist(), drawn, maybe_real.tolist(), strict=True):
            if held or cell in taken:
                still.append(place)
            else:
                taken.add(cell)
                cells[place] = cell
        waiting = np.array(still, dtype=np.int64)
        if not len(waiting):
            return cells
    raise DataError(f'column "{name}": no unused identifier of its shape is left')


def _grown(runs: Sequence[Mapping[str, Any]], more: int) -> list[Mapping[str, Any]]:
    """The shape with so many more digits: in the last run that ends with digits, else before an "@" or behind all."""
    out = list(runs)
    numbers = [i for i, run in enumerate(out) if "places" in run and "lengths" not in run]
    numbers = [i for i in numbers if set(out[i]["places"][-1]) <= set(string.digits)]
    if more and numbers:
        out[numbers[-1]] = {"places": [*out[numbers[-1]]["places"], *[string.digits] * more]}
    if more and not numbers:
        at = next((i for i, run in enumerate(out) if run.get("text") == "@"), len(out))
        out.insert(at, {"places": [string.digits] * more})
    return out


def _drawn(name: str, runs: Sequence[Mapping[str, Any]], seeds: np.ndarray, attempt: int) -> list[str]:
    widths = [len(run.get("places", "x")) + 1 for run in runs]
    draws = rng.uniform(
        seeds, max(sum(widths), 1), f"identifier/{name}/{attempt}"
    )  # columns of one row share no digits
    parts, start = [], 0
    for run, width in zip(runs, widths, strict=True):
        parts.append(_draw(run, draws[:, start : start + width], attempt))
        start += width
    return ["".join(row) for row in zip(*parts, strict=True)] if parts else [""] * len(seeds)


def _draw(run: Mapping[str, Any], draws: np.ndarray, attempt: int) -> list[str]:
    """Texts of one run from uniform numbers (N, width)."""
    if "text" in run:
        return [run["text"]] * len(draws)
    if "low" in run:
        wider = 10 ** max(0, attempt - ATTEMPTS // 4)
        span = (run["high"] - run["low"] + 1) * min(wider, 10**6)
        return (run["low"] + (draws[:, 0] * span).astype(np.int64)).astype(str).tolist()
    if "texts" in run:
        upper = np.cumsum(run["counts"]) / np.sum(run["counts"])
        found = np.searchsorted(upper, draws[:, 0], side="right").clip(max=len(upper) - 1)
        return [run["texts"][i] for i in found]
    places = [np.array(list(place)) for place in run["places"]]
    letters = np.stack([place[(draws[:, i] * len(place)).astype(np.int64)] for i, place in enumerate(places)], axis=1)
    spelled = ["".join(row) for row in letters.tolist()]
    if "lengths" not in run:
        return spelled
    lengths = np.array(run["lengths"])[(draws[:, -1] * len(run["lengths"])).astype(np.int64)]
    return [word[:length] for word, length in zip(spelled, lengths.tolist(), strict=True)]
