"""Words of a text and what lies between them, in any script; and which words no operation may touch.

Word and emoji borders in the spirit of UAX #29 and UTS #51.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from gensynth.data.text_languages import WordLists, word_lists

# Thai and Lao, Myanmar, Khmer, CJK and kana with their extensions: scripts that put no spaces between words.
_SPACELESS = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x2FDF), (0x3000, 0x312F), (0x31A0, 0x31FF)),
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F), (0xF900, 0xFAFF), (0xFF66, 0xFF9F)),
    (0x1AFF0, 0x1B16F),
)


def _ranges(codes: Iterable[int]) -> str:
    """Increasing code points as the inside of a character class of `re`."""
    runs = itertools.groupby(enumerate(codes), lambda pair: pair[1] - pair[0])
    ends = [(run[0][1], run[-1][1]) for run in (list(group) for _, group in runs)]
    return "".join(f"{chr(low)}-{chr(high)}" for low, high in ends)


def _classes() -> tuple[str, str, str, str, str]:
    """Classes of characters that `re` has no names for: marks, numbers, symbols, spaceless letters, other letters."""
    kind = [unicodedata.category(chr(code)) for code in range(0x20000)]
    spaceless = {c for low, high in _SPACELESS for c in range(low, high + 1) if kind[c][0] == "L"}
    letters = (c for c in range(0x20000) if (chr(c).isalnum() or c == ord("_")) and c not in spaceless)
    mark, number = (_ranges(c for c, k in enumerate(kind) if k[0] == name) for name in "MN")
    symbol = _ranges(c for c, k in enumerate(kind) if k == "So")
    return (
        mark + "\U000e0100-\U000e01ef",
        number,
        symbol + "\u203c\u2049\u2194-\u21aa\u3030\U0001f000-\U0001faff",
        _ranges(sorted(spaceless)) + "\U00020000-\U0003ffff",
        _ranges(letters),
    )


MARK, _NUMBER, _SYMBOL, SOLO, LETTER = _classes()
INSIDE = f"{LETTER}{MARK}\u200c\u200d\u00ad"
_WIDE_SIGNS = "\u3000-\u303f\uff00-\uff65"


def _token_pattern() -> str:
    """What one token is. Loops are possessive, and no branch gives back more than it keeps: linear in the text."""
    tail = rf'[^\s<>"{_WIDE_SIGNS}{SOLO}]*[^\s<>"{_WIDE_SIGNS}{SOLO}.,;:!?)\]}}\'’”…]'
    url = rf"(?:[A-Za-z][A-Za-z0-9+.-]{{1,15}}://|[Ww]{{3}}\.|mailto:){tail}"
    markup = r"</?[A-Za-z][^<>]{0,200}>|<[^<>\s]{1,64}>"
    slot = r"\{{1,2} ?[^{}\s]{1,64} ?\}{1,2}|\[[^\[\]\s]{1,64}\]|\[[A-Z][A-Z0-9_ ]{1,63}\]"
    handle = rf"[#*]\ufe0f?\u20e3|[@#][\w{MARK}]++(?:[.-][\w{MARK}]++)*+"
    run = f"[{LETTER}][{INSIDE}]*+"
    joint = "(?:['’‘·\u05f3\u05f4\u2010\u2011-]|(?<=[א-ת])\"(?=[א-ת])|(?<=\\d)[,:\u066b\u066c](?=\\d))"
    word = rf"{run}(?:{joint}{run})*+"
    glued = rf"{word}(?:(?:[.@+&]{word})++(?::\d++)?+(?:/{tail})?+)?+"
    # Khmer and Burmese stack a letter under the one before; parting the two would break both.
    character = f"[{SOLO}][{MARK}]*+(?:(?<=[\u17d2\u1039])[{SOLO}][{MARK}]*+)*+"
    emoji = f"[{_SYMBOL}][{MARK}\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*+"
    pictures = f"[\U0001f1e6-\U0001f1ff]{{2}}|{emoji}(?:\u200d{emoji})*+"
    return "|".join((url, markup, slot, handle, glued, character, pictures, r"\s++", f".[{MARK}]*+"))


TOKEN = re.compile(_token_pattern(), re.DOTALL)
CHARACTER = re.compile(f"[{SOLO}]")
CLUSTER = re.compile(f".[{MARK}\u200c\u200d\u00ad]*+", re.DOTALL)
_FIXED = re.compile(rf"[._@+&/:#<>{{}}\[\]{_NUMBER}]")
_PARTS = re.compile("['‘\u2010\u2011-]")


ENGLISH = cast(WordLists, word_lists(("en",)))


def tokens(text: str) -> list[str]:
    """The words of a text and everything between; joined they are the text again.

    Addresses, placeholders, @handles, #tags and words glued by a dot are one token each, and so are emoji
    sequences; scripts without spaces give one token a character (with its marks).

    >>> tokens("Don't pay 1,000.50 to a.b@c.org")
    ["Don't", ' ', 'pay', ' ', '1,000.50', ' ', 'to', ' ', 'a.b@c.org']
    """
    return TOKEN.findall(text)


@dataclass(frozen=True)
class Protected:
    """Words that no operation changes, moves within its sentence or deletes.

    words      the user's own, in any case; of a phrase every word is protected
    negations  those of the languages of the texts (English: no, not, never, none, cannot, without, hardly, lacks ...)
    Always protected: n't forms, anything with a digit, addresses, placeholders such as <NAME>, {name} or [NAME],
    @handles, #tags, glued words.
    """

    words: frozenset[str] = frozenset()
    negations: frozenset[str] = ENGLISH.negations

    def __post_init__(self) -> None:
        listed = (_folded(token) for word in self.words for token in tokens(word))
        object.__setattr__(self, "words", frozenset(word for word in listed if word[0].isalnum()))

    def allows(self, token: str) -> bool:
        """Whether an operation may change this token: a word, and not protected as a whole or in a part of it.

        >>> [Protected(frozenset(["Paris"])).allows(word) for word in ("good", "isn't", "B12", "paris-based", "!")]
        [True, False, False, False, False]
        """
        if not token[:1].isalpha() or _FIXED.search(token):
            return False
        word = _folded(token)
        return not (
            word.endswith("n't") or any(w in self.negations or w in self.words for w in (word, *_PARTS.split(word)))
        )


def _folded(token: str) -> str:
    return unicodedata.normalize("NFC", token).casefold().replace("’", "'")
