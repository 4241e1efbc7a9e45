"""Sentences and clauses of a text in another order."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from gensynth.samplers.text_language import Language, amount, chosen_of, joined, mixed_places, one_of
from gensynth.samplers.text_tokens import TOKEN, Protected, tokens

_WIDE_STOPS = frozenset("。！？")
STOPS = frozenset(".!?…؟।") | _WIDE_STOPS
CLOSERS = frozenset("\"')]}”’»」』）")


def _sentences(parts: list[str], language: Language) -> list[tuple[int, int, bool]]:
    """Spans [start, end) of tokens, and whether a closing mark ends them; an empty line ends one too."""
    spans, start, stop, shortens = [], 0, "", functools.partial(_shortens, language)
    for i, token in enumerate(parts):
        after = parts[i + 1] if i + 1 < len(parts) else "\n\n"
        if i == start and token.isspace():
            start = i + 1
        elif token in STOPS and not (token == "." and after[0] == " " and i > start and shortens(parts[i - 1])):
            stop = token
        elif token not in CLOSERS:
            stop = ""
        over = after.isspace() or (stop in _WIDE_STOPS and after not in STOPS and after not in CLOSERS)
        if i >= start and (stop and over or after.isspace() and after.count("\n") > 1):
            spans.append((start, i + 1, bool(stop)))
            start, stop = i + 1, ""
    return spans


def _shortens(language: Language, word: str) -> bool:
    return word.casefold() in language.lists.abbreviations or (len(word) == 1 and word.isupper() and word != "I")


def _put(parts: list[str], spans: Sequence[tuple[int, int, bool]], new: Sequence[str]) -> list[str]:
    """The tokens with the text of every span replaced."""
    out, done = [], 0
    for (start, end, _), piece in zip(spans, new, strict=True):
        out += [*parts[done:start], piece]
        done = end
    return out + parts[done:]


def sentence_shuffle(text: str, strength: float, order: np.random.Generator, language: Language) -> str:
    """Sentences that end with a closing mark change places (two at least); the spaces between them stay."""
    parts = tokens(text)
    spans = [span for span in _sentences(parts, language) if span[2]]
    old = ["".join(parts[start:end]) for start, end, _ in spans]
    mixed = mixed_places(old, order) if old else []
    if not mixed:
        return text
    moved = mixed[: max(2, amount(strength, len(old), len(old)))]
    new = list(old)
    for place, source in zip(moved, moved[1:] + moved[:1], strict=True):
        new[place] = old[source]
    return joined(text, _put(parts, spans, new))


def clause_reordering(text: str, strength: float, order: np.random.Generator, language: Language) -> str:
    """The two sides of one "and", "or" or "but" of a sentence change places, in the words of the language.

    Strength is the share of such sentences.

    Both sides have two words or more and the conjunction stands outside of quotes and brackets. What opens and
    ends the sentence stays; its first word is written small only where it is a common beginning such as "the".
    """
    parts = tokens(text)
    found = [(span, cuts) for span in _sentences(parts, language) if (cuts := _cuts(parts, span, language))]
    if not found:
        return text
    count = amount(strength, len(found), len(found))
    chosen = [found[i] for i in chosen_of(list(range(len(found))), count, order)]
    new = [_exchanged(parts[start:end], one_of(cuts, order) - start, language) for (start, end, _), cuts in chosen]
    return joined(text, _put(parts, [span for span, _ in chosen], new))


def _cuts(parts: list[str], span: tuple[int, int, bool], language: Language) -> list[int]:
    """Places of the conjunctions of one sentence whose two sides may change places."""
    first, last = _extent(parts[span[0] : span[1]])
    cuts, words, depth, quotes = [], 0, 0, 0
    for i in range(span[0] + first, span[0] + last):
        token = parts[i]
        joins = token.lower() in language.lists.conjunctions and language.protected.allows(token)
        if joins and depth == 0 and quotes % 2 == 0:
            cuts.append((i, words))
        depth += (token in "([{“«„「『") - (token in ")]}”»」』")
        quotes += token == '"'
        words += token[0].isalnum()
    if depth or quotes % 2:
        return []
    apart = [i for i, before in cuts if before >= 2 and words - before >= 3]
    return [i for i in apart if parts[i - 1].isspace() and parts[i + 1].isspace()]


def _extent(parts: list[str]) -> tuple[int, int]:
    """Where the first token with a letter or digit begins and the last one ends."""
    places = [i for i, token in enumerate(parts) if any(map(str.isalnum, token))]
    return (places[0], places[-1] + 1) if places else (0, 0)


def _exchanged(parts: list[str], cut: int, language: Language) -> str:
    """One sentence with the sides of the conjunction at `cut` exchanged."""
    first, last = _extent(parts)
    gap = cut - 2 if parts[cut - 2] == "," else cut - 1
    left, right = "".join(parts[first:gap]), "".join(parts[cut + 2 : last])
    if left[0].isupper():
        left, right = lowered(left, language), raised(right, language.protected)
    return "".join([*parts[:first], right, *parts[gap : cut + 2], left, *parts[last:]])


def _head(phrase: str) -> str:
    token = TOKEN.match(phrase)
    return token[0] if token else ""


def lowered(phrase: str, language: Language) -> str:
    """The phrase with a small first letter if its first word is a common beginning and not a name, perhaps."""
    head = _head(phrase)
    plain = (len(head) == 1 or not head.isupper()) and language.protected.allows(head)
    ordinary = plain and head.lower() in language.lists.starters
    return head.lower() + phrase[len(head) :] if ordinary else phrase


def raised(phrase: str, protected: Protected) -> str:
    """The phrase with a capital first letter, unless its first word is protected or has capitals of its own."""
    head = _head(phrase)
    return head[0].upper() + phrase[1:] if head.islower() and protected.allows(head) else phrase
