"""The output folder of one run: may it be used, is it finished, how long did each step take."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gensynth.errors import UsageError

_MARKER = ".unfinished.json"


def digest(facts: object) -> str:
    """sha256 of plain JSON facts."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


class RunFolder:
    """Opens `out` for a verb: new or empty folders, or an unfinished run where `resume` is asked.

    Raises UsageError for anything else; nothing is touched then.
    """

    def __init__(self, out: Path, verb: str, resume: bool, resume_command: str) -> None:
        self.path, self.verb, self.resumed = out, verb, False
        self.timing: dict[str, float] = {}
        self._refuse_or_note(resume, resume_command)
        try:
            out.mkdir(parents=True, exist_ok=True)
            (out / _MARKER).write_text(json.dumps({"verb": verb}), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"out={out} cannot be written ({error.strerror}); choose another folder") from None

    def _refuse_or_note(self, resume: bool, resume_command: str) -> None:
        out = self.path
        try:
            if out.is_file():
                raise UsageError(f"out={out} is a file; give a folder")
            content = sorted(p.name for p in out.iterdir()) if out.is_dir() else []
        except OSError as error:
            raise UsageError(f"out={out} cannot be read ({error.strerror}); choose another folder") from None
        if not content:
            return
        if _MARKER not in content:
            raise UsageError(f"out={out} already holds {content[0]} and more; nothing was touched, choose a new folder")
        try:
            verb = json.loads((out / _MARKER).read_text(encoding="utf-8"))["verb"]
        except (ValueError, KeyError):  # killed while the marker was written: nothing else is there yet
            verb = self.verb
        if verb != self.verb or not resume:
            hint = f"continue it with: {resume_command}" if verb == self.verb else f"it was begun by: gensynth {verb}"
            raise UsageError(f"out={out} holds an unfinished run; {hint}")
        self.resumed = True

    def finish(self) -> None:
        """Mark the run as complete."""
        (self.path / _MARKER).unlink(missing_ok=True)

    def discard_if_empty(self) -> None:
        """After a failure before anything was written: leave no trace."""
        content = [p for p in self.path.rglob("*") if p.is_file() and p.name != _MARKER]
        if not content:
            shutil.rmtree(self.path, ignore_errors=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step of the walk and announce it."""
        say(f"[{name}]")
        begun = time.monotonic()
        yield
        self.timing[name] = round(time.monotonic() - begun, 2)


def say(text: str) -> None:
    """Progress for a person, on stderr; results go to stdout."""
    print(text, file=sys.stderr, flush=True)
