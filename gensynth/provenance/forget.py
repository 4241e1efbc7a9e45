"""`gensynth forget`: what depends on a person or a row of the source, over all runs below a folder.

A person is found by the name of a row, by a file's name, or by an identifier whose hash the run keeps
(`subjects.py`); then in the runs whose source was the data set of such a run, and in those whose source holds rows that
were drawn from a generator which has learned from the person. Nothing is deleted: a generator that was trained on a
row, and what came out of it, have to be made again without it.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from gensynth.balancing.ledger import read_ledger
from gensynth.errors import UsageError
from gensynth.files import file_sha256
from gensynth.provenance.subjects import Subjects
from gensynth.types import REAL

USES = {
    "train": "trained on: codec, generator, judge and filters have learned from it",
    "val": "used to choose: thresholds, target=auto and the state of the generator",
    "test": "used to score: the numbers of the report",
    "": "set aside: no split holds it",
}
NOTHING_LEFT = "read, and neither a generator nor a data set of this run is here"
DRAWN = "drawn"  # in place of a split: a folder that does not know the row, of rows from a generator that does
BY_ROW, BY_FILE = "row", "file name"
Line = dict[str, str]


@dataclass(frozen=True)
class Dependence:
    """What one run made of a person's rows, or what was drawn elsewhere from its generator.

    run         its folder, relative to where was looked
    split       train, val or test, the first that holds any of the rows; `drawn` for rows that lie apart from the run
    generators  sha256 of bundles that were trained on it, by their folder in the run
    rows        {how: row ids of the data set}: `real` the rows themselves, `parent` made from them, `named` made with
                their help, `taken` rows of the source that were drawn in another run with their help
    may_hold    {sampler: rows}: made out of all training rows of the class together, none named
    drawn       {sampler: rows} drawn from a generator that was trained on it
    source      what the run's source was called
    source_rows {row id of the source: how it was found}: row, file name, the name of a column, or "same as in RUN"
    splits      {row id of the source: train, val or test}
    taken       {folder: rows of the source} that were drawn there from what has learned from the person
    folds       sha256 of bundles of cross-fitting, each of which has learned from all rows but those it was scored on
    """

    run: str
    split: str
    generators: dict[str, str]
    rows: dict[str, list[str]]
    may_hold: dict[str, int]
    drawn: dict[str, int]
    source: str = ""
    source_rows: dict[str, str] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    folds: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Answer:
    """Where a person was found, and where it was searched for: every run, and those that keep no hashes."""

    found: list[Dependence]
    runs: list[str]
    without_hashes: list[str]

    def to_json(self) -> dict[str, Any]:
        runs = {"runs": [one.to_json() for one in self.found]}
        return runs | {"searched": self.runs, "without_hashes": self.without_hashes}


@dataclass
class _Run:
    """A run and what is known of it so far.

    own    {row id of its source: how it was found}
    taken  {row id of its source: folder in which the row was drawn}
    """

    out: Path
    name: str
    own: dict[str, str] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)

    @cached_property
    def subjects(self) -> Subjects:
        return Subjects.of(self.out)

    @cached_property
    def source(self) -> str:
        try:
            return str(json.loads((self.out / "run" / "job.json").read_text(encoding="utf-8"))["data"]["name"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    @cached_property
    def bundles(self) -> dict[str, str]:
        """sha256 of every bundle that the run trained, by its folder."""
        return self._bundles("generator", "arms/*/generator")

    @cached_property
    def folds(self) -> dict[str, str]:
        return self._bundles("run/folds/*/generator")

    def _bundles(self, *places: str) -> dict[str, str]:
        found = sorted(path for place in places for path in self.out.glob(f"{place}/manifest.json"))
        return {path.parent.relative_to(self.out).as_posix(): file_sha256(path) for path in found}

    @property
    def ledger(self) -> list[Line]:
        path = self.out / "dataset" / "ledger.csv"
        return read_ledger(path) if path.is_file() else []

    def splits(self) -> dict[str, str]:
        """The split of every row that is known to matter."""
        return {row: split for row, split in _splits(self.out) if row in self.own or row in self.taken}

    def has_learned(self) -> bool:
        """Whether something was fitted on any of the rows; marked rows are learned whatever their split is called."""
        if not self.own and not self.taken:
            return False
        rows = self.own.keys() | self.taken.keys()
        return "train" in self.splits().values() or not rows.isdisjoint(self.subjects.drawn())

    def find(self, real: Mapping[str, str], drawn: Mapping[str, str]) -> bool:
        """Note the rows that hold what is known from elsewhere; whether there was anything new.

        real, drawn  {content: name of the run or folder} of the person's rows, and of rows drawn with their help
        """
        before = len(self.own), len(self.taken)
        for row, content in self.subjects.by_content(real.keys() | drawn.keys()):
            if row in self.own or row in self.taken:
                continue
            if content in real:
                self.own[row] = f"same as in {real[content]}"
            else:
                self.taken[row] = drawn[content]
        return before != (len(self.own), len(self.taken))


def forget(who: str, runs: Path) -> Answer:
    """Every run below a folder that depends on somebody, then folders of rows from generators of such runs.

    who  name of a row, file name with or without its folder, number of a row, or an identifier
    UsageError where there is no run. DataError where files of a run are damaged.
    """
    if not runs.is_dir():
        raise UsageError(f"there is no folder {runs.name!r}; name the one that holds your runs: runs=DIR")
    found = sorted(path.parents[1] for path in runs.rglob("split.csv") if path.parent.name == "run")
    if not found:
        raise UsageError(f"no run below {runs.resolve().name!r} (looked for run/split.csv); name another: runs=DIR")
    known = [_Run(out, _name(out, runs)) for out in found]
    _find_directly(known, who)
    while True:
        elsewhere = list(_drawn_elsewhere(known, runs))
        real, drawn = _contents(known, elsewhere)
        if not [one for one in known if one.find(real, drawn)]:
            break
    dependences = [_dependence(one) for one in known if one.own or one.taken]
    dependences += [one for one, _ in elsewhere]
    names = [one.name for one in known]
    return Answer(dependences, names, [one.name for one in known if not one.subjects.kept and one.bundles])


def _name(folder: Path, runs: Path) -> str:
    return runs.resolve().name if folder == runs else folder.relative_to(runs).as_posix()


def _splits(out: Path) -> Iterator[tuple[str, str]]:
    """(row id, split) of every row of a run's source."""
    with (out / "run" / "split.csv").open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        next(lines, None)
        yield from ((line[0], line[1]) for line in lines)


def _find_directly(known: Iterable[_Run], who: str) -> None:
    """By row ids, else by names of files; and by the hashes of identifiers."""
    for one in known:
        one.own = {row: BY_ROW for row, _ in _splits(one.out) if row == who}
    _leave_out_other_numbers(known, who)
    exact = any(one.own for one in known)
    for one in known:
        if not one.own and not who.isdecimal() and not (exact and "/" not in who):
            one.own = {row: BY_FILE for row, _ in _splits(one.out) if _same_file(row, who.replace("\\", "/"))}
        one.own = one.subjects.by_identifier(who) | one.own


def _same_file(row: str, who: str) -> bool:
    """Whether one of two paths ends with the other; numbers of rows are no files.

    >>> _same_file("train/cat/7.png", "7.png"), _same_file("cat/7.png", "/home/me/cat/7.png"), _same_file("17", "a/17")
    (True, True, False)
    """
    if row.rsplit("/", 1)[-1].isdecimal():
        return False
    return f"/{row}".endswith(f"/{who}") or f"/{who}".endswith(f"/{row}")


def _leave_out_other_numbers(known: Iterable[_Run], who: str) -> None:
    """A row number is that of the first source: row 17 of a data set which one of the runs wrote is somebody else."""
    numbered = [one for one in known if one.own]
    if not who.isdecimal() or len(numbered) < 2:
        return
    held = {one.name: {c for row, c in _held(one) if row == who} for one in numbered}
    written = {one.name: {line["content_sha256"] for line in one.ledger} for one in numbered}
    for one in numbered:
        mine = held[one.name]
        others = [other.name for other in numbered if other is not one and held[other.name] != mine]
        if mine and any(mine <= written[name] for name in others):
            one.own = {}


def _held(one: _Run) -> Iterator[tuple[str, str]]:
    yield from ((row, content) for row, _, content, _ in one.subjects.lines() if content)


def _contents(
    known: Iterable[_Run], elsewhere: Iterable[tuple[Dependence, list[Line]]]
) -> tuple[dict[str, str], dict[str, str]]:
    """{content: run} of the person's rows as sources and data sets hold them, {content: folder} of rows drawn with
    their help.

    What several rows of a run hold says nothing of whom they are about, and a drawn row may equal a real one by chance:
    neither is followed.
    """
    real: dict[str, str] = {}
    drawn: dict[str, str] = {}
    for one in known:
        if not one.own and not one.taken:
            continue
        real |= dict.fromkeys(one.subjects.contents(one.own), one.name)
        lines = one.ledger if one.has_learned() else []
        among = Counter(line["content_sha256"] for line in lines if line["source"] == REAL)
        mine = [line["content_sha256"] for line in lines if line["source"] == REAL and line["parent"] in one.own]
        real |= {content: one.name for content in mine if among[content] == 1}
        new = {line["content_sha256"] for line in _depending(lines, one.own.keys() | one.taken.keys())}
        own = {content for _, content in one.subjects.by_content(new)}
        drawn |= dict.fromkeys(new - own, one.name)
    for folder, lines in elsewhere:
        drawn = {line["content_sha256"]: folder.run for line in lines if line["source"] != REAL} | drawn
    return real, {content: name for content, name in drawn.items() if content not in real}


def _drawn_elsewhere(known: Iterable[_Run], runs: Path) -> Iterator[tuple[Dependence, list[Line]]]:
    """Folders below `runs` whose ledger names a bundle that has learned from the person, with the ledger's lines."""
    learned = [one for one in known if one.has_learned()]
    makers = {sha256: one for one in learned for sha256 in one.bundles.values()}
    makers |= {sha256: one for one in known if one.own or one.taken for sha256 in one.folds.values()}
    own = {one.out / "dataset" for one in learned}
    for path in sorted(runs.rglob("ledger.csv")) if makers else ():
        text = path.read_bytes() if path.parent not in own else b""
        named = [one for sha256, one in makers.items() if sha256.encode() in text]
        if named:  # another program's ledger.csv names none
            lines = read_ledger(path)
            rows = {row: how for one in named for row, how in one.own.items()}
            taken = {row: how for one in named for row, how in one.taken.items()}
            yield Dependence(_name(path.parent, runs), DRAWN, {}, *_counted(lines, rows, taken)), lines


def _dependence(one: _Run) -> Dependence:
    """For val and test rows: their place in the data set; for train rows: everything that was made."""
    splits, learned = one.splits(), one.has_learned()
    first = next((split for split in USES if split in splits.values()), "")
    lines = one.ledger if learned else []
    return Dependence(
        one.name,
        "train" if learned else first,
        one.bundles if learned else {},
        *_counted(lines, one.own, one.taken),
        source=one.source,
        source_rows=one.own,
        splits={row: split for row, split in splits.items() if row in one.own},
        taken=dict(Counter(one.taken.values())),
        folds=one.folds,
    )


def _depending(lines: Iterable[Line], rows: Collection[str]) -> list[Line]:
    """The lines of a ledger whose rows are not real, and were made from some rows or with their help, or may be."""
    return [line for line, how in _uses(list(lines), rows) if how != REAL]


def _uses(lines: list[Line], rows: Collection[str]) -> Iterator[tuple[Line, str]]:
    """Every line that depends on rows of the source, and how: real, parent, named, drawn or may_hold."""
    labels = {line["label"] for line in lines if line["source"] == REAL and line["parent"] in rows}
    for line in lines:
        if line["source"] == REAL:
            if line["parent"] in rows:
                yield line, REAL
        elif line["parent"] in rows:
            yield line, "parent"
        elif not _texts(line["params"]).isdisjoint(rows):
            yield line, "named"
        elif line["generator_sha256"]:
            yield line, "drawn"
        elif not line["parent"] and line["label"] in labels:
            yield line, "may_hold"


def _counted(
    lines: list[Line], own: Collection[str], taken: Collection[str]
) -> tuple[dict[str, list[str]], dict[str, int], dict[str, int]]:
    """`rows`, `may_hold` and `drawn` of a Dependence, from the lines of a ledger."""
    rows: dict[str, list[str]] = {"real": [], "taken": [], "parent": [], "named": []}
    counts: dict[str, Counter[str]] = {"may_hold": Counter(), "drawn": Counter()}
    for line, how in _uses(lines, {*own, *taken}):
        if how in counts:
            counts[how][line["sampler"]] += 1
        else:
            rows["taken" if how == REAL and line["parent"] not in own else how].append(line["row_id"])
    kept = {how: ids for how, ids in rows.items() if ids}
    return kept, dict(counts["may_hold"]), dict(counts["drawn"])


def _texts(params: str) -> set[str]:
    """Every text in a row's parameters, at any depth."""
    nodes = [json.loads(params)] if params else []
    for node in nodes:  # which grows by what a node holds
        nodes += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return {node for node in nodes if isinstance(node, str)}


def forget_lines(who: str, answer: Answer) -> list[str]:
    """The same for a terminal."""
    lines = []
    if not answer.found:
        n = len(answer.runs)
        lines.append(f'"{who}" not found in {n} {"run" if n == 1 else "runs"} looked at: {", ".join(answer.runs)}')
    for one in answer.found:
        lines += _lines_on(who, one)
    return lines + [f"{name} keeps no hashes: looked at row ids only" for name in answer.without_hashes]


def _lines_on(who: str, one: Dependence) -> list[str]:
    lines = [f"{one.run}: {_head(who, one)}"]
    lines += [f"  {n} rows of its source were drawn in {folder}" for folder, n in one.taken.items()]
    lines += [f"  generator {sha256[:16]} ({place}) was trained on it" for place, sha256 in one.generators.items()]
    if one.folds:
        lines.append(
            f"  {len(one.folds)} generators in run/folds have learned from all rows but those of their own test"
        )
    sentences = {
        "real": "of its own rows",
        "taken": "drawn elsewhere with its help and taken for real rows here",
        "parent": "made from it",
        "named": "made from another row with its help",
    }
    lines += [f"  {len(ids)} {sentences[how]}: {_shown(ids)}" for how, ids in one.rows.items()]
    lines += [f"  {n} rows of {name} may hold a part of it" for name, n in one.may_hold.items()]
    return lines + [f"  {n} rows of {name} were drawn from a generator trained on it" for name, n in one.drawn.items()]


def _head(who: str, one: Dependence) -> str:
    """How a run came to depend on somebody: its rows by split, and how they were found."""
    if one.split == DRAWN:
        return f'rows from a generator that was trained on row "{who}"'
    if not one.source_rows:
        return f'knows no row of "{who}", and has learned from rows that were'
    left = one.generators or one.rows or one.may_hold or one.split != "train"
    parts = []
    for split in sorted(set(one.splits.values()), key=list(USES).index):
        rows = [row for row, where in one.splits.items() if where == split]
        parts.append(f"{'row' if len(rows) == 1 else 'rows'} {_quoted(rows)} in {split or 'no split'}")
    how = ", ".join(sorted(set(one.source_rows.values())))
    return (
        f"{', '.join(parts)}; {USES[one.split] if left else NOTHING_LEFT} (by {how}, source {one.source or 'unknown'})"
    )


def _quoted(rows: list[str]) -> str:
    rest = len(rows) - 10
    return ", ".join(f'"{row}"' for row in rows[:10]) + (f" and {rest} more" if rest > 0 else "")


def _shown(ids: list[str], most: int = 10) -> str:
    rest = len(ids) - most
    return ", ".join(ids[:most]) + (f" and {rest} more" if rest > 0 else "")
