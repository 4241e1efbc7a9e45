"""Words of a text swapped, left out, replaced, misspelt, and marks put between them."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from gensynth.samplers.text_language import (
    Language,
    amount,
    changeable,
    chosen_of,
    joined,
    mixed_places,
    one_of,
    reword,
)
from gensynth.samplers.text_sentences import CLOSERS, STOPS
from gensynth.samplers.text_tokens import CHARACTER, CLUSTER, tokens

_OPENERS = frozenset("\"'([{“‘«「『（¿¡")
_ENDINGS = STOPS | CLOSERS | frozenset(",;:、，；：")
_MARKS = (".", ";", "?", ":", "!", ",")
_AROUND = ((0, -1), (0, 1), (-1, 0), (-1, 1), (1, -1), (1, 0))


@functools.cache
def neighbours(keyboard: tuple[str, ...]) -> dict[str, list[str]]:
    """The keys around each key of a keyboard, given as its rows.

    >>> neighbours(("qwertz", "asdfgh", "yxcvbn"))["a"]
    ['s', 'q', 'w', 'y']
    """
    keys = {(row, column): key for row, line in enumerate(keyboard) for column, key in enumerate(line)}
    return {key: [keys[p] for r, c in _AROUND if (p := (row + r, col + c)) in keys] for (row, col), key in keys.items()}


def word_swap(text: str, strength: float, order: np.random.Generator, language: Language) -> str:
    """Pairs of changeable words change places (EDA's random swap, every word once at most); separators stay.

    Words change places with words, characters of a spaceless script with such characters.
    """
    parts = tokens(text)
    words = changeable(parts, language.protected)
    alone = [bool(CHARACTER.match(parts[i])) for i in words]
    for kind in (False, True):
        places = [i for i, single in zip(words, alone, strict=True) if single is kind]
        mixed = mixed_places([parts[i] for i in places], order) if places else []
        pairs = amount(strength, len(mixed) // 2, len(mixed) // 2) if mixed else 0
        for a, b in zip(mixed[0 : 2 * pairs : 2], mixed[1 : 2 * pairs : 2], strict=True):
            a, b = places[a], places[b]
            parts[a], parts[b] = parts[b], parts[a]
    return joined(text, parts)


def _synonyms(language: Language) -> Callable[[str], list[str]]:
    """A function from a word to those of its synonyms that are changeable words, for a character characters."""

    def good(token: str, single: bool) -> bool:
        return bool(CHARACTER.match(token)) if single else token.isspace() or language.protected.allows(token)

    @functools.cache
    def of(word: str) -> list[str]:
        single = bool(CHARACTER.match(word))
        options = (o for o in language.lexicon.get(word.lower(), ()) if o.strip() and o.lower() != word.lower())
        return [option for option in options if all(good(token, single) for token in tokens(option))]

    return of


def _like(model: str, word: str) -> str:
    """The word in the capitals of the model: UPPER, Capital, or as it is."""
    if len(model) > 1 and model.isupper():
        return word.upper()
    return word[0].upper() + word[1:] if model[0].isupper() and model[1:] == model[1:].lower() else word


def synonym_replacement(text: str, strength: float, order: np.random.Generator, language: Language) -> str:
    """Words become synonyms of the lexicon, in the same capitals (EDA)."""
    options = _synonyms(language)

    def change(word: str) -> str:
        return _like(word, one_of(options(word), order))

    return reword(text, strength, order, language, lambda word: bool(options(word)), change)


def random_insertion(text: str, strength: float, order: np.random.Generator, language: Language) -> str:
    """Synonyms of random words of the text are inserted after random changeable words (EDA)."""
    parts, options = tokens(text), _synonyms(language)
    words = changeable(parts, language.protected)
    sources = [parts[i] for i in words if options(parts[i])]
    places = [i for i in words if _ends_well(parts, i)]
    if not sources or not places:
        return text
    for i in chosen_of(places, amount(strength, len(words), len(places)), order):
        space = "" if CHARACTER.match(parts[i]) else " "
        parts[i] += space + one_of(options(one_of(sources, order)), order)
    return joined(text, parts)


def _ends_well(parts: list[str], i: int) -> bool:
    """Whether a word may follow token i: before a space, a closing mark, the end or, among characters, a character."""
    after = parts[i + 1] if i + 1 < len(parts) else " "
    if after.isspace() or _closes(parts, i + 1):
        return True
    return bool(CHARACTER.match(parts[i]) and CHARACTER.match(after))


def _closes(parts: list[str], i: int) -> bool:
    """Whether token i is a closing mark that no word hangs on, as the comma of "a,5" would be."""
    return parts[i] in _ENDINGS and (i + 1 == len(parts) or not parts[i + 1][0].isalnum())


def random_deletion(text: str, strength: float, order: np.random.Generator, language: Language) -> str:
    """Words are left out, each with one of the spaces beside it; one word at least remains (EDA)."""
    parts = tokens(text)
    words = changeable(parts, language.protected)
    places = [i for i in words if not _holds_apart(parts, i)]
    spare = min(len(places), sum(token[0].isalnum() for token in parts) - 1)
    if spare < 1:
        return text
    return joined(text, _without(parts, set(chosen_of(places, amount(strength, len(words), spare), order))))


def _holds_apart(parts: list[str], i: int) -> bool:
    """Whether token i is a character with something on its right, as in 5年5: without it two numbers would be one."""
    if i + 1 == len(parts) or not CHARACTER.match(parts[i]) or CHARACTER.match(parts[i + 1]):
        return False
    return not (parts[i + 1].isspace() or _closes(parts, i + 1))


def _without(parts: list[str], gone: set[int]) -> list[str]:
    """The tokens without some, and without one space beside each; a line break goes only where there is no other."""
    kept: list[str] = []
    skipped = -1
    for i, token in enumerate(parts):
        if i == skipped:
            continue
        if i not in gone:
            kept.append(token)
            continue
        before = kept[-1] if kept else "\n"
        opened = before.isspace() or (before in _OPENERS and (len(kept) == 1 or kept[-2].isspace()))
        after = parts[i + 1] if i + 1 < len(parts) else "\n"
        if before.isspace() and "\n" not in before and (after.isspace() or _closes(parts, i + 1)):
            kept.pop()
        elif after.isspace() and (not kept or "\n" not in after) and opened:
            skipped = i + 1
        elif before.isspace() and after.isspace():
            kept.pop()
    return kept


def punctuation_insertion(text: str, strength: float, order: np.random.Generator, language: Language) -> str:
    """One of . ; ? : ! , is put before random words, with a space between scripts that use spaces (AEDA)."""
    parts = tokens(text)
    words = changeable(parts, language.protected)
    solo = {i for i in words if CHARACTER.match(parts[i])}
    places = [i for i in words if i == 0 or parts[i - 1].isspace() or (i in solo and i - 1 in solo)]
    if not places:
        return text
    for i in chosen_of(places, amount(strength, len(words), len(places)), order):
        parts[i] = one_of(_MARKS, order) + ("" if i in solo else " ") + parts[i]
    return joined(text, parts)


def case_noise(text: str, strength: float, order: np.random.Generator, language: Language) -> str:
    """Words change their case: all small, all capitals, or one letter."""

    def change(word: str) -> str:
        places = [i for i, c in enumerate(word) if c.swapcase() != c]
        i = one_of(places, order)
        forms = (word.lower(), word.upper(), word[:i] + word[i].swapcase() + word[i + 1 :])
        return one_of([form for form in forms if form != word], order)

    return reword(text, strength, order, language, lambda word: word.swapcase() != word, change)


def typo_noise(text: str, strength: float, order: np.random.Generator, language: Language) -> str:
    """Words of four letters or more get one slip: a neighbouring key, an exchange, a loss or a doubling.

    The first letter stays. A slip that makes a protected word ("note" -> "not") is drawn again, eight times at most.
    """

    def change(word: str) -> str:
        letters = CLUSTER.findall(word)
        places = [i for i, letter in enumerate(letters) if i and letter[0].isalpha()]
        slips = (_slip(letters, one_of(places, order), order, language.lists.keyboard) for _ in range(8))
        return next((new for new in slips if new != word and language.protected.allows(new)), word)

    return reword(text, strength, order, language, lambda word: sum(map(str.isalpha, word)) >= 4, change)


def _slip(letters: list[str], i: int, order: np.random.Generator, keyboard: tuple[str, ...]) -> str:
    """A word, given as letters with their marks, with one slip at letter i."""
    letter = letters[i]
    slips = [(i + 1, [letter, letter]), (i + 1, [])]
    if near := neighbours(keyboard).get(letter.lower()):
        slips.append((i + 1, [_like(letter, one_of(near, order))]))
    if i + 1 < len(letters) and letters[i + 1][0].isalpha():
        slips.append((i + 2, [letters[i + 1], letter]))
    end, new = one_of(slips, order)
    return "".join([*letters[:i], *new, *letters[end:]])
