"""Labels as they stand in files and folder names, and what is to be said where two of them are nearly the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from decimal import Decimal

from gensynth.data.layouts.entries import nfc

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


def label_of(text: str) -> str:
    """A label without spaces around it, in Unicode's composed form.

    >>> label_of("b "), label_of("two words")
    ('b', 'two words')
    """
    return nfc(text).strip()


def case_notes(labels: Iterable[str]) -> tuple[str, ...]:
    """A note where classes differ by case alone: they stay apart.

    >>> case_notes(["cat", "Cat", "dog"])
    ('labels that differ by case alone are classes of their own: "Cat" and "cat"',)
    """
    shown = _alike(labels, str.casefold)
    return (f"labels that differ by case alone are classes of their own: {shown}",) * bool(shown)


def number_notes(labels: Iterable[str]) -> tuple[str, ...]:
    """A note where classes are one number in several spellings: they stay apart.

    >>> number_notes(["1", "1.0", "01", "2", "b1"])[0][:74]
    'labels that are one number in several spellings are classes of their own: '
    >>> number_notes(["1", "1.0", "01", "2", "b1"])[0][74:]
    '"01" and "1" and "1.0"; write them one way in the data if they are one class'
    """
    shown = _alike((label for label in labels if _NUMBER.fullmatch(label)), Decimal)
    what = "labels that are one number in several spellings are classes of their own"
    return (f"{what}: {shown}; write them one way in the data if they are one class",) * bool(shown)


def _alike(labels: Iterable[str], key: Callable[[str], Hashable]) -> str:
    """Labels that share a key, in words; empty where none do."""
    alike: dict[Hashable, list[str]] = {}
    for label in sorted(set(labels)):
        alike.setdefault(key(label), []).append(label)
    shown = [" and ".join(f'"{label}"' for label in same) for same in alike.values() if len(same) > 1]
    return ", ".join(shown[:5]) + (f", and {len(shown) - 5} more" if len(shown) > 5 else "")


def blank_notes(written: Iterable[str]) -> tuple[str, ...]:
    """A note where labels had spaces around them; another wording where that makes two of them one class.

    >>> blank_notes(["a", "b ", "b"])
    ('labels were read without the spaces around them: "b " (one class with "b")',)
    """
    names = {nfc(text) for text in written}
    padded = sorted(name for name in names if name != name.strip() and name.strip())
    if not padded:
        return ()
    shown = [f'"{name}"' + (f' (one class with "{name.strip()}")' if name.strip() in names else "") for name in padded]
    rest = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    return (f"labels were read without the spaces around them: {', '.join(shown[:5])}{rest}",)
