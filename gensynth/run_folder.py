"""The output folder of one run: may it be used, is it finished, how long did each step take."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from gensynth.errors import DataError, UsageError, nearest
from gensynth.progress import say

_MARKER = ".unfinished.json"


def digest(facts: object) -> str:
    """sha256 of plain JSON facts."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def is_finished(out: Path) -> bool:
    """Whether a folder holds a run that came to its end (or something else altogether)."""
    return out.is_dir() and any(out.iterdir()) and not (out / _MARKER).exists()


class RunFolder:
    """Opens `out` for a verb: new or empty folders, or an unfinished run where `resume` is asked.

    Raises UsageError for anything else; nothing is touched then.
    """

    def __init__(self, out: Path, verb: str, resume: bool, resume_command: str) -> None:
        self.path, self.verb, self.resumed = out, verb, False
        self.timing: dict[str, float] = {}
        self._refuse_or_note(resume, resume_command)
        self._created = not out.exists()
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        """Finish on success; after wrong words or bad data leave no trace, unless there is something to resume."""
        if error is None:
            self.finish()
        elif isinstance(error, UsageError | DataError) and not self.resumed and not self._worth_keeping():
            for path in self.path.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            if self._created:
                self.path.rmdir()

    def _worth_keeping(self) -> bool:
        kept = ("generator", "run/checkpoints/*", "arms/*/generator", "arms/*/run/checkpoints/*")
        return any(any(self.path.glob(place)) for place in kept)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step of the walk and announce it."""
        say(f"[{name}]")
        begun = time.monotonic()
        yield
        self.timing[name] = round(time.monotonic() - begun, 2)


def settings_of(verb: str, given: list[str], defaults: dict[str, str]) -> tuple[str, dict[str, str]]:
    """(folder that was named, "" for none; values of its keys) of a verb that serves a page until a signal comes.

    defaults  of every key: a whole number, or true or false. UsageError for a key or a value that is neither.
    """
    folder, settings = "", dict(defaults)
    for word in given:
        key, sign, value = word.partition("=")
        if not sign or Path(word).is_dir():
            folder = word
        elif key not in defaults:
            raise UsageError(f"{verb}: unknown key {key!r}; {nearest(key, defaults)}")
        else:
            settings[key] = value
    for key, value in settings.items():
        is_number = defaults[key].isdecimal()
        if not (value.isdecimal() if is_number else value in ("true", "false")):
            wanted = "a whole number" if is_number else "true or false"
            raise UsageError(f"{verb}: {key} must be {wanted}, got {value!r}")
    return folder, settings


class InPlace(RunFolder):
    """A finished run that is written again; its parts are replaced one by one, each atomically."""

    def __init__(self, folder: Path) -> None:
        self.path, self.verb, self.resumed, self.timing = folder, "merge", True, {}
