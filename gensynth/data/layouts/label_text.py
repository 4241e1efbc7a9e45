"""Labels as they stand in files and folder names, and what is to be said where two of them differ by spaces alone."""

from __future__ import annotations

from collections.abc import Iterable

from gensynth.data.layouts.entries import nfc


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
    alike: dict[str, list[str]] = {}
    for label in sorted(set(labels)):
        alike.setdefault(label.casefold(), []).append(label)
    shown = [" and ".join(f'"{label}"' for label in same) for same in alike.values() if len(same) > 1]
    rest = f", and {len(shown) - 5} more" if len(shown) > 5 else ""
    return (f"labels that differ by case alone are classes of their own: {', '.join(shown[:5])}{rest}",) * bool(shown)


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
