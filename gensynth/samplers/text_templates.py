"""Paraphrases by templates of the user."""

from __future__ import annotations

import functools
import itertools
import re

import numpy as np

from gensynth.samplers.text_language import SLOT, Language, amount, joined
from gensynth.samplers.text_sentences import lowered, raised
from gensynth.samplers.text_tokens import INSIDE, LETTER, MARK, SOLO, Protected, tokens

_SLOT_WORD = rf"(?:[{SOLO}][{MARK}]*+|(?:[^\s{SOLO}.,;:!?…()\"。，、；：！？]|[.,;:!?](?=\w))++)"


@functools.cache
def _template(pattern: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """A pattern as a regex with groups s0, s1, ... and the names of its slots in that order.

    Inner slots are as short as they can be; one at the end takes all up to eight words or a punctuation mark.
    """
    pieces = SLOT.split(" ".join(pattern.split()))
    names = tuple(dict.fromkeys(pieces[1::2]))
    body = "" if pieces[0] else rf"(?<![^\s{SOLO}])"
    for i, piece in enumerate(pieces):
        if i % 2 == 0:
            body += _literal(piece)
        elif piece in pieces[1:i:2]:
            body += rf"(?P=s{names.index(piece)})"
        else:
            lazy = "" if i == len(pieces) - 2 and not pieces[-1] else "?"
            body += rf"(?P<s{names.index(piece)}>{_SLOT_WORD}(?:\s*+{_SLOT_WORD}){{0,7}}{lazy})"
    return re.compile(body), names


def _literal(piece: str) -> str:
    """Literal text of a pattern: any case, any spaces for a space, whole words."""
    if not piece:
        return ""
    body = r"\s++".join(re.escape(word) for word in piece.split(" "))
    before, after = (bool(re.match(f"[{LETTER}]", c)) for c in (piece[0], piece[-1]))
    return (f"(?<![{INSIDE}])" if before else "") + f"(?i:{body})" + (f"(?![{INSIDE}])" if after else "")


def paraphrase(text: str, strength: float, order: np.random.Generator, language: Language) -> str:
    """Matches of the templates are rewritten: "call {x} now" -> "please ring {x}"; strength is the share of matches.

    A slot stands for one to eight words without punctuation between. A match that cuts a token in two, or that
    would lose, add or reorder protected words, is left as it is.
    """
    found = [
        (match.start(), match.end(), new)
        for pattern, replacement in language.templates
        for match in _template(pattern)[0].finditer(text)
        if (new := _filled(match, _template(pattern)[1], replacement, language)) != match[0]
    ]
    parts = tokens(text) if found else []
    places = {offset: i for i, offset in enumerate(itertools.accumulate(map(len, parts), initial=0))}
    found = [
        (start, end, new)
        for start, end, new in found
        if start in places and end in places and _fits(parts, places[start], new, places[end])
    ]
    if not found:
        return text
    count, taken = amount(strength, len(found), len(found)), bytearray(len(text))
    chosen: list[tuple[int, int, str]] = []
    for start, end, new in (found[i] for i in order.permutation(len(found)).tolist()):
        if len(chosen) < count and not any(taken[start:end]):
            taken[start:end] = b"\1" * (end - start)
            chosen.append((start, end, new))
    ends = [0, *(end for _, end, _ in sorted(chosen))]
    pieces = [text[done:start] + new for done, (start, _, new) in zip(ends, sorted(chosen), strict=False)]
    return joined(text, [*pieces, text[ends[-1] :]])


def _fits(parts: list[str], start: int, new: str, end: int) -> bool:
    """Whether a text in the place of the tokens [start, end) leaves the tokens on both sides as they are."""
    before, after = parts[max(start - 1, 0) : start], parts[end : end + 1]
    around = tokens("".join([*before, new, *after]))
    return around[: len(before)] == before and around[len(around) - len(after) :] == after


def _filled(match: re.Match[str], names: tuple[str, ...], replacement: str, language: Language) -> str:
    """The replacement with the slots of a match, in its capitals; the old text if protected words would change."""
    protected = language.protected
    values = {name: match[f"s{i}"] for i, name in enumerate(names)}
    leading = SLOT.match(replacement)
    if names and match.start("s0") == match.start() and not (leading and leading[1] == names[0]):
        values[names[0]] = lowered(values[names[0]], language)
    new = SLOT.sub(lambda slot: values[slot[1]], replacement)
    if match[0][0].isupper():
        new = raised(new, protected)
    return new if _kept(new, protected) == _kept(match[0], protected) else match[0]


def _kept(text: str, protected: Protected) -> list[str]:
    """The protected words of a text."""
    return [token for token in tokens(text) if not protected.allows(token) and any(map(str.isalnum, token))]
