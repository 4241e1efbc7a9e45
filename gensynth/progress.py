"""Progress of long work for a person, on stderr: bars with the time left on a terminal, plain lines in a pipe.

Results go to stdout and never through here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LINES = 10  # lines a long step prints into a pipe
FIRST_LINE_S = 2.0  # steps shorter than this say nothing in a pipe
_depth = 0  # bars that are open: only the outermost one is shown


def say(text: str) -> None:
    """One line."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A step of `total` equal parts: the value is called with the number of parts that were done.

    >>> with bar("drawing", 3) as advance:
    ...     advance(3)
    """
    global _depth
    _depth += 1
    try:
        if _depth > 1 or total < 1:
            yield lambda parts: None
        elif sys.stderr.isatty():
            yield from _on_terminal(what, total)
        else:
            yield _in_pipe(what, total)
    finally:
        _depth -= 1


@contextmanager
def quiet() -> Iterator[None]:
    """No bars inside: for work that is itself a part of a step which is shown."""
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1


def _on_terminal(what: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield lambda parts: shown.advance(task, parts)


def _in_pipe(what: str, total: int) -> Callable[[int], None]:
    done, begun, said = 0, time.monotonic(), 0

    def advance(parts: int) -> None:
        nonlocal done, said
        done += parts
        seconds, tenths = time.monotonic() - begun, done * LINES // total
        if tenths > said and seconds > FIRST_LINE_S:
            said = tenths
            left = seconds / done * (total - done)
            say(f"{what}: {done:,} of {total:,}, about {left:,.0f} s left")

    return advance
