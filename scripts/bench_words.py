"""Words of the bench scripts: key=value, each with a default."""

from __future__ import annotations

import sys


def read_words(words: list[str], defaults: dict[str, str]) -> dict[str, str]:
    """The defaults with what was typed; ends the script with a line for a word it does not know."""
    options = dict(defaults)
    for word in words:
        key, _, value = word.partition("=")
        if key not in options:
            sys.exit(f"unknown word {word!r}; known: {', '.join(f'{k}=' for k in options)}")
        options[key] = value
    return options
