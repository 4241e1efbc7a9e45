"""SIGTERM and SIGINT: at once between steps of the walk, after the current step inside training."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from gensynth.errors import Interrupted

_WATCHED = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """Turns a signal into `Interrupted`; while `deferred` it is only noted in `pending`."""

    def __init__(self) -> None:
        self.pending: int | None = None
        self.deferred = False

    def install(self) -> None:
        for number in _WATCHED:
            signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if not self.deferred or self.pending is not None:
            raise Interrupted(f"stopped by {signal.Signals(number).name}", number)
        self.pending = number

    def raise_pending(self) -> None:
        if self.pending is not None:
            number, self.pending = self.pending, None
            raise Interrupted(f"stopped by {signal.Signals(number).name}", number)

    @contextmanager
    def defer(self) -> Iterator[None]:
        """Within the block a first signal is noted, a second one stops at once."""
        self.deferred = True
        try:
            yield
        finally:
            self.deferred = False


SIGNALS = Signals()
