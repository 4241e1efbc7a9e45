"""The errors a user may meet, each with the exit code of the command line.

A message says what was found, where, and what to do about it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GensynthError(Exception):
    """Base of all errors that end in one clear line instead of a traceback."""

    exit_code = 1


class UsageError(GensynthError):
    """Wrong words on the command line, an unknown class, a bad `out`, a missing extra."""

    exit_code = 2


class DataError(GensynthError):
    """The data cannot be used; `problems` lists every finding, one line each."""

    exit_code = 3

    def __init__(self, message: str, problems: Iterable[str] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join([message, *(f"  - {p}" for p in self.problems)]))


class InputError(DataError, ValueError):
    """Rows in memory that cannot be used; also the ValueError that callers of scikit-learn look for."""


class ParameterError(UsageError, ValueError):
    """A parameter of an estimator that cannot be used; also a ValueError, as scikit-learn's own are."""


class DivergedError(GensynthError):
    """Training produced non-finite losses for too long."""

    exit_code = 4


class GateError(GensynthError):
    """A check failed or a gate refused (hash mismatch, acceptance too low)."""

    exit_code = 6


class Interrupted(BaseException):
    """Stopped by a signal after the state was saved; `exit_code` is 128 + the signal's number.

    Not an Exception, so that code which survives faults of files or libraries does not swallow it.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


def nearest(word: str, known: Iterable[str]) -> str:
    """A ready-made hint: `did you mean "x"?`, or the list of what is known.

    >>> nearest("modle", ["model", "out"])
    'did you mean "model"?'
    """
    options = sorted(set(known))
    hits = difflib.get_close_matches(word, options, n=1, cutoff=0.5)
    if hits:
        return f'did you mean "{hits[0]}"?'
    return "known: " + ", ".join(options[:30])
