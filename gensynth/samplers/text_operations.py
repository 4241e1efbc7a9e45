"""Changes of one text that keep its label, or mostly do: EDA, AEDA, clauses, templates, case and typing noise.

Every operation takes (text, strength, order, language) and returns a text. strength in [0, 1] is the share of
the changeable words that is changed: at least one where the operation finds one it can change, at most all of
those (so 0.0 is one change). Operations on sentences, conjunctions or template matches take the share of these.
Nothing to change: the text itself comes back. The text depends on `order` alone, a non-empty text stays
non-empty, and everything an operation does not mean to change stays byte for byte.

Sources: EDA, Wei and Zou 2019, section 2; AEDA, Karimi, Rossi and Prati 2021.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from gensynth.samplers.text_tokens import (
    CHARACTER,
    CLUSTER,
    INSIDE,
    LETTER,
    MARK,
    SOLO,
    TOKEN,
    Protected,
    tokens,
    word_set,
)

T = TypeVar("T")
_ABBREVIATIONS = word_set("mr mrs ms dr prof st vs e.g i.e etc cf al fig jr sr inc ltd co dept approx")
_STARTERS = word_set(
    """a an the this that these those it he she we they you my your his her its our their there here in on at as if
    when while after before for with from to some many most every each one what who where how why then so today
    yesterday tomorrow"""
)
_CONJUNCTIONS = word_set("and or but")
_WIDE_STOPS = frozenset("。！？")
_STOPS = frozenset(".!?…؟।") | _WIDE_STOPS
_CLOSERS = frozenset("\"')]}”’»」』）")
_OPENERS = frozenset("\"'([{“‘«「『（¿¡")
_ENDINGS = _STOPS | _CLOSERS | frozenset(",;:、，；：")
_MARKS = (".", ";", "?", ":", "!", ",")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_KEYS = {(row, column): key for row, keys in enumerate(_ROWS) for column, key in enumerate(keys)}
_AROUND = ((0, -1), (0, 1), (-1, 0), (-1, 1), (1, -1), (1, 0))
_NEIGHBOURS = {
    key: [_KEYS[p] for r, c in _AROUND if (p := (row + r, col + c)) in _KEYS] for (row, col), key in _KEYS.items()
}


@dataclass(frozen=True)
class Language:
    """What the operations know of a language.

    lexicon    lower-case word -> synonyms; those with marks, digits or protected words are never used
    templates  (pattern, replacement): see `paraphrase`
    """

    protected: Protected
    lexicon: Mapping[str, tuple[str, ...]]
    templates: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        for template in self.templates:
            if fault := template_fault(*template):
                raise ValueError(f"template {template}: {fault}")


def _changeable(parts: list[str], protected: Protected) -> list[int]:
    """Places of the words that may be changed."""
    good = {token for token in set(parts) if protected.allows(token)}
    return [i for i, token in enumerate(parts) if token in good]


def _amount(strength: float, whole: int, possible: int) -> int:
    """How many of `possible` are changed: the share of the whole, at least one."""
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must lie in [0, 1], got {strength}")
    return min(possible, max(1, int(strength * whole + 0.5)))


def _chosen(places: list[int], count: int, order: np.random.Generator) -> list[int]:
    return sorted(places[i] for i in order.permutation(len(places))[:count].tolist())


def _one(items: Sequence[T], order: np.random.Generator) -> T:
    return items[int(order.integers(len(items)))]


def _mixed(items: list[str], order: np.random.Generator) -> list[int]:
    """All places in random order, the first two with different items; none if all items are alike."""
    places = order.permutation(len(items)).tolist()
    other = next((i for i, place in enumerate(places) if items[place] != items[places[0]]), 0)
    if not other:
        return []
    places[1], places[other] = places[other], places[1]
    return places


def _result(text: str, parts: Iterable[str]) -> str:
    new = "".join(parts)
    return text if new == text else new


def _reword(
    text: str,
    strength: float,
    order: np.random.Generator,
    language: Language,
    able: Callable[[str], bool],
    change: Callable[[str], str],
) -> str:
    """The text with some of its changeable words, those that `able` accepts, replaced one by one."""
    parts = tokens(text)
    words = _changeable(parts, language.protected)
    good = {word for word in {parts[i] for i in words} if able(word)}
    places = [i for i in words if parts[i] in good]
    if not places:
        return text
    for i in _chosen(places, _amount(strength, len(words), len(places)), order):
        parts[i] = change(parts[i])
    return _result(text, parts)


def _sentences(parts: list[str]) -> list[tuple[int, int, bool]]:
    """Spans [start, end) of tokens, and whether a closing mark ends them; an empty line ends one too."""
    spans, start, stop = [], 0, ""
    for i, token in enumerate(parts):
        after = parts[i + 1] if i + 1 < len(parts) else "\n\n"
        if i == start and token.isspace():
            start = i + 1
        elif token in _STOPS and not (token == "." and after[0] == " " and i > start and _shortened(parts[i - 1])):
            stop = token
        elif token not in _CLOSERS:
            stop = ""
        over = after.isspace() or (stop in _WIDE_STOPS and after not in _STOPS and after not in _CLOSERS)
        if i >= start and (stop and over or after.isspace() and after.count("\n") > 1):
            spans.append((start, i + 1, bool(stop)))
            start, stop = i + 1, ""
    return spans


def _shortened(word: str) -> bool:
    return word.casefold() in _ABBREVIATIONS or (len(word) == 1 and word.isupper() and word != "I")


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
    spans = [span for span in _sentences(parts) if span[2]]
    old = ["".join(parts[start:end]) for start, end, _ in spans]
    mixed = _mixed(old, order) if old else []
    if not mixed:
        return text
    moved = mixed[: max(2, _amount(strength, len(old), len(old)))]
    new = list(old)
    for place, source in zip(moved, moved[1:] + moved[:1], strict=True):
        new[place] = old[source]
    return _result(text, _put(parts, spans, new))


def word_swap(text: str, strength: float, order: np.random.Generator, language: Language) -> str:
    """Pairs of changeable words change places (EDA's random swap, every word once at most); separators stay.

    Words change places with words, characters of a spaceless script with such characters.
    """
    parts = tokens(text)
    words = _changeable(parts, language.protected)
    alone = [bool(CHARACTER.match(parts[i])) for i in words]
    for kind in (False, True):
        places = [i for i, single in zip(words, alone, strict=True) if single is kind]
        mixed = _mixed([parts[i] for i in places], order) if places else []
        pairs = _amount(strength, len(mixed) // 2, len(mixed) // 2) if mixed else 0
        for a, b in zip(mixed[0 : 2 * pairs : 2], mixed[1 : 2 * pairs : 2], strict=True):
            a, b = places[a], places[b]
            parts[a], parts[b] = parts[b], parts[a]
    return _result(text, parts)


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
        return _like(word, _one(options(word), order))

    return _reword(text, strength, order, language, lambda word: bool(options(word)), change)


def random_insertion(text: str, strength: float, order: np.random.Generator, language: Language) -> str:
    """Synonyms of random words of the text are inserted after random changeable words (EDA)."""
    parts, options = tokens(text), _synonyms(language)
    words = _changeable(parts, language.protected)
    sources = [parts[i] for i in words if options(parts[i])]
    places = [i for i in words if _ends_well(parts, i)]
    if not sources or not places:
        return text
    for i in _chosen(places, _amount(strength, len(words), len(places)), order):
        space = "" if CHARACTER.match(parts[i]) else " "
        parts[i] += space + _one(options(_one(sources, order)), order)
    return _result(text, parts)


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
    words = _changeable(parts, language.protected)
    places = [i for i in words if not _holds_apart(parts, i)]
    spare = min(len(places), sum(token[0].isalnum() for token in parts) - 1)
    if spare < 1:
        return text
    return _result(text, _without(parts, set(_chosen(places, _amount(strength, len(words), spare), order))))


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
    words = _changeable(parts, language.protected)
    solo = {i for i in words if CHARACTER.match(parts[i])}
    places = [i for i in words if i == 0 or parts[i - 1].isspace() or (i in solo and i - 1 in solo)]
    if not places:
        return text
    for i in _chosen(places, _amount(strength, len(words), len(places)), order):
        parts[i] = _one(_MARKS, order) + ("" if i in solo else " ") + parts[i]
    return _result(text, parts)


def clause_reordering(text: str, strength: float, order: np.random.Generator, language: Language) -> str:
    """The two sides of one "and", "or" or "but" of a sentence change places; strength is the share of such sentences.

    Both sides have two words or more and the conjunction stands outside of quotes and brackets. What opens and
    ends the sentence stays; its first word is written small only where it is a common beginning such as "the".
    """
    parts = tokens(text)
    found = [(span, cuts) for span in _sentences(parts) if (cuts := _cuts(parts, span, language.protected))]
    if not found:
        return text
    count = _amount(strength, len(found), len(found))
    chosen = [found[i] for i in _chosen(list(range(len(found))), count, order)]
    new = [
        _exchanged(parts[start:end], _one(cuts, order) - start, language.protected) for (start, end, _), cuts in chosen
    ]
    return _result(text, _put(parts, [span for span, _ in chosen], new))


def _cuts(parts: list[str], span: tuple[int, int, bool], protected: Protected) -> list[int]:
    """Places of the conjunctions of one sentence whose two sides may change places."""
    first, last = _said(parts[span[0] : span[1]])
    cuts, words, depth, quotes = [], 0, 0, 0
    for i in range(span[0] + first, span[0] + last):
        token = parts[i]
        if token.lower() in _CONJUNCTIONS and depth == 0 and quotes % 2 == 0 and protected.allows(token):
            cuts.append((i, words))
        depth += (token in "([{“«„「『") - (token in ")]}”»」』")
        quotes += token == '"'
        words += token[0].isalnum()
    if depth or quotes % 2:
        return []
    apart = [i for i, before in cuts if before >= 2 and words - before >= 3]
    return [i for i in apart if parts[i - 1].isspace() and parts[i + 1].isspace()]


def _said(parts: list[str]) -> tuple[int, int]:
    """Where the first token with a letter or digit begins and the last one ends."""
    places = [i for i, token in enumerate(parts) if any(map(str.isalnum, token))]
    return (places[0], places[-1] + 1) if places else (0, 0)


def _exchanged(parts: list[str], cut: int, protected: Protected) -> str:
    """One sentence with the sides of the conjunction at `cut` exchanged."""
    first, last = _said(parts)
    gap = cut - 2 if parts[cut - 2] == "," else cut - 1
    left, right = "".join(parts[first:gap]), "".join(parts[cut + 2 : last])
    if left[0].isupper():
        left, right = _lowered(left, protected), _raised(right, protected)
    return "".join([*parts[:first], right, *parts[gap : cut + 2], left, *parts[last:]])


def _head(phrase: str) -> str:
    token = TOKEN.match(phrase)
    return token[0] if token else ""


def _lowered(phrase: str, protected: Protected) -> str:
    """The phrase with a small first letter if its first word is a common beginning and not a name, perhaps."""
    head = _head(phrase)
    ordinary = head.lower() in _STARTERS and (len(head) == 1 or not head.isupper()) and protected.allows(head)
    return head.lower() + phrase[len(head) :] if ordinary else phrase


def _raised(phrase: str, protected: Protected) -> str:
    """The phrase with a capital first letter, unless its first word is protected or has capitals of its own."""
    head = _head(phrase)
    return head[0].upper() + phrase[1:] if head.islower() and protected.allows(head) else phrase


_SLOT = re.compile(r"\{(\w+)\}")
_MOST_SLOTS = 4
_SLOT_WORD = rf"(?:[{SOLO}][{MARK}]*+|(?:[^\s{SOLO}.,;:!?…()\"。，、；：！？]|[.,;:!?](?=\w))++)"


def template_fault(pattern: str, replacement: str) -> str:
    """What is wrong with a template and what to do, or nothing."""
    slots = _SLOT.findall(pattern)
    unknown = [slot for slot in _SLOT.findall(replacement) if slot not in slots]
    if not pattern.strip() or not replacement.strip():
        return "the pattern or the replacement is empty; write both or drop the template"
    if unknown:
        return f"the pattern has no slot {{{unknown[0]}}}; add it there or drop it from the replacement"
    if not any(map(str.isalnum, _SLOT.sub("", pattern))):
        return "the pattern has no word outside of its slots; add one"
    return f"the pattern has {len(slots)} slots; use {_MOST_SLOTS} at most" if len(slots) > _MOST_SLOTS else ""


@functools.cache
def _template(pattern: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """A pattern as a regex with groups s0, s1, ... and the names of its slots in that order.

    Inner slots are as short as they can be; one at the end takes all up to eight words or a punctuation mark.
    """
    pieces = _SLOT.split(" ".join(pattern.split()))
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
        if (new := _filled(match, _template(pattern)[1], replacement, language.protected)) != match[0]
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
    count, taken = _amount(strength, len(found), len(found)), bytearray(len(text))
    chosen: list[tuple[int, int, str]] = []
    for start, end, new in (found[i] for i in order.permutation(len(found)).tolist()):
        if len(chosen) < count and not any(taken[start:end]):
            taken[start:end] = b"\1" * (end - start)
            chosen.append((start, end, new))
    ends = [0, *(end for _, end, _ in sorted(chosen))]
    pieces = [text[done:start] + new for done, (start, _, new) in zip(ends, sorted(chosen), strict=False)]
    return _result(text, [*pieces, text[ends[-1] :]])


def _fits(parts: list[str], start: int, new: str, end: int) -> bool:
    """Whether a text in the place of the tokens [start, end) leaves the tokens on both sides as they are."""
    before, after = parts[max(start - 1, 0) : start], parts[end : end + 1]
    around = tokens("".join([*before, new, *after]))
    return around[: len(before)] == before and around[len(around) - len(after) :] == after


def _filled(match: re.Match[str], names: tuple[str, ...], replacement: str, protected: Protected) -> str:
    """The replacement with the slots of a match, in its capitals; the old text if protected words would change."""
    values = {name: match[f"s{i}"] for i, name in enumerate(names)}
    leading = _SLOT.match(replacement)
    if names and match.start("s0") == match.start() and not (leading and leading[1] == names[0]):
        values[names[0]] = _lowered(values[names[0]], protected)
    new = _SLOT.sub(lambda slot: values[slot[1]], replacement)
    if match[0][0].isupper():
        new = _raised(new, protected)
    return new if _kept(new, protected) == _kept(match[0], protected) else match[0]


def _kept(text: str, protected: Protected) -> list[str]:
    """The protected words of a text."""
    return [token for token in tokens(text) if not protected.allows(token) and any(map(str.isalnum, token))]


def case_noise(text: str, strength: float, order: np.random.Generator, language: Language) -> str:
    """Words change their case: all small, all capitals, or one letter."""

    def change(word: str) -> str:
        places = [i for i, c in enumerate(word) if c.swapcase() != c]
        i = _one(places, order)
        forms = (word.lower(), word.upper(), word[:i] + word[i].swapcase() + word[i + 1 :])
        return _one([form for form in forms if form != word], order)

    return _reword(text, strength, order, language, lambda word: word.swapcase() != word, change)


def typo_noise(text: str, strength: float, order: np.random.Generator, language: Language) -> str:
    """Words of four letters or more get one slip: a neighbouring key (QWERTY), an exchange, a loss or a doubling.

    The first letter stays. A slip that makes a protected word ("note" -> "not") is drawn again, eight times at most.
    """

    def change(word: str) -> str:
        letters = CLUSTER.findall(word)
        places = [i for i, letter in enumerate(letters) if i and letter[0].isalpha()]
        slips = (_slip(letters, _one(places, order), order) for _ in range(8))
        return next((new for new in slips if new != word and language.protected.allows(new)), word)

    return _reword(text, strength, order, language, lambda word: sum(map(str.isalpha, word)) >= 4, change)


def _slip(letters: list[str], i: int, order: np.random.Generator) -> str:
    """A word, given as letters with their marks, with one slip at letter i."""
    letter = letters[i]
    slips = [(i + 1, [letter, letter]), (i + 1, [])]
    if near := _NEIGHBOURS.get(letter.lower()):
        slips.append((i + 1, [_like(letter, _one(near, order))]))
    if i + 1 < len(letters) and letters[i + 1][0].isalpha():
        slips.append((i + 2, [letters[i + 1], letter]))
    end, new = _one(slips, order)
    return "".join([*letters[:i], *new, *letters[end:]])


Operation = Callable[[str, float, np.random.Generator, Language], str]

OPERATIONS: dict[str, Operation] = {
    operation.__name__: operation
    for operation in (
        sentence_shuffle,
        word_swap,
        synonym_replacement,
        random_insertion,
        random_deletion,
        punctuation_insertion,
        clause_reordering,
        paraphrase,
        case_noise,
        typo_noise,
    )
}

RISKS: dict[str, str] = {name: "" for name in OPERATIONS} | {
    "word_swap": "Who does what to whom may turn round, and a negation may come to stand before another word.",
    "synonym_replacement": "A synonym of another sense of the word may say something else.",
    "random_insertion": "A synonym put beside another word may say something else.",
    "random_deletion": "The word that carries the label may be the one left out.",
    "clause_reordering": 'What comes after "but" weighs more, and the reach of a negation may change.',
    "paraphrase": "A template may change the meaning; it is as good as whoever wrote it.",
}
