"""A class is never lost in silence: the one rule for every kind of source that leaves rows out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from gensynth.data.finding import Finding, tell
from gensynth.data.source import Source
from gensynth.errors import DataError

LARGEST_SHARE = 0.5  # of a class's files that may be left out without a word from a person


def check_lost(
    kept: Mapping[str, int], findings: Iterable[Finding], declared: Collection[str], allow: Collection[str]
) -> tuple[str, ...]:
    """Notes on the classes in `allow` that lost all or more than half of their files; DataError where others did.

    kept      class -> rows that can be used
    findings  what was left out; `classes` says whose it was
    declared  classes that the source names, also those of which nothing can be used
    allow     data.allow_lost

    >>> cut = [Finding(f"b/{i}.png", "truncated", "cut", ("b",)) for i in range(3)]
    >>> check_lost({"a": 9, "b": 2}, cut, ["a", "b"], allow=["b"])
    ('class "b": 3 of 5 were left out (truncated), as data.allow_lost says',)
    """
    left_out: dict[str, list[Finding]] = {name: [] for name in declared}
    for finding in findings:
        for name in finding.classes:
            left_out.setdefault(name, []).append(finding)
    lost = {
        name: found
        for name, found in sorted(left_out.items())
        if not kept.get(name) or len(found) > LARGEST_SHARE * (len(found) + kept[name])
    }
    refused = {name: found for name, found in lost.items() if name not in allow}
    if refused:
        _refuse(refused, kept)
    return tuple(
        f'class "{name}": {_counted(found, kept.get(name, 0))}, as data.allow_lost says' for name, found in lost.items()
    )


def _refuse(lost: Mapping[str, list[Finding]], kept: Mapping[str, int]) -> None:
    what = "; ".join(
        f'{"most of " if kept.get(name) else ""}class "{name}" would be lost: {_counted(found, kept.get(name, 0))}'
        for name, found in lost.items()
    )
    names = ", ".join(map(_quoted, lost))
    problems = tell(tuple(dict.fromkeys(finding for found in lost.values() for finding in found)))
    raise DataError(f"{what}; put that right, or go on with what is left: data.allow_lost=[{names}]", problems)


def _counted(found: list[Finding], kept: int) -> str:
    """How many files or rows of a class were left out, and why.

    >>> _counted([Finding("b", "empty_class", "nothing in it")], 0)
    'nothing of it can be used (empty_class)'
    """
    reasons = Counter(finding.reason for finding in found)
    why = ", ".join(f"{reason} {n}" if len(reasons) > 1 else reason for reason, n in reasons.most_common())
    if not kept:
        return f"nothing of it can be used ({why or 'nothing is there'})"
    return f"{len(found)} of {len(found) + kept} were left out ({why})"


def _quoted(name: str) -> str:
    """A class name as the command line takes it in a list."""
    return name if re.fullmatch(r"\w[\w-]*", name) else "'" + name.replace("'", "\\'") + "'"


def without_losses(source: Source, declared: Collection[str], allow: Collection[str]) -> Source:
    """The source with notes on the losses that `allow` permits; DataError for others. See `check_lost`."""
    kept = dict(zip(source.data.schema.classes, source.data.counts().tolist(), strict=True))
    notes = check_lost(kept, source.quarantine, declared, [str(name) for name in allow])
    return replace(source, notes=(*source.notes, *notes))
