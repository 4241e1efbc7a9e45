"""A person looks: `gensynth review RUN` shows made rows beside real ones and keeps what is said in review.csv.

With `blind=true` real and made rows are mixed and the question is which is which; answers go to review_blind.csv.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import webbrowser
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gensynth import rng
from gensynth.data.kinds import modality_of
from gensynth.errors import UsageError, nearest
from gensynth.report.review import (
    ANSWERS,
    BLIND,
    VERDICTS,
    Decision,
    RowName,
    fool_rate,
    percent,
    read_answers,
    read_decisions,
    review_path,
    row_names,
    share,
    write_answer,
    write_decision,
)
from gensynth.report.review_items import Item, half_and_half, worst_first
from gensynth.report.review_page import leading_to, serving
from gensynth.report.review_rows import ClassColumns, content, file_of
from gensynth.reread import made_rows, pin_review, read_state, reread
from gensynth.rundir import say
from gensynth.training.bundle import load_bundle
from gensynth.types import LabelledData

WORDS = {"port": "0", "open": "true", "blind": "false", "n": "200"}
MOST_SHOWN = 2_000


def review(words: list[str]) -> None:
    """Serve the page until a signal comes: `review RUN port=0 open=true blind=false n=200`."""
    run, settings = _settings(words)
    with _alone(run):
        look = open_look(run, int(settings["n"]), settings["blind"] == "true")
        try:
            with serving(look, int(settings["port"])) as url, contextlib.ExitStack() as until_the_end:
                say(f"{look.invitation} at {url}\nevery click is saved; Ctrl-C ends")
                if settings["open"] == "true":
                    webbrowser.open(until_the_end.enter_context(leading_to(url)))
                threading.Event().wait()
        finally:
            say(look.summary())


def _settings(words: list[str]) -> tuple[Path, dict[str, str]]:
    run, settings = "", dict(WORDS)
    for word in words:
        key, sign, value = word.partition("=")
        if not sign or Path(word).is_dir():
            run = word
        elif key not in WORDS:
            raise UsageError(f"review: unknown key {key!r}; {nearest(key, WORDS)}")
        else:
            settings[key] = value
    if not run:
        raise UsageError("review needs the folder of a finished run: gensynth review RUN")
    for key in ("port", "n"):
        if not settings[key].isdecimal():
            raise UsageError(f"review: {key} must be a whole number, got {settings[key]!r}")
    for key in ("open", "blind"):
        if settings[key] not in ("true", "false"):
            raise UsageError(f"review: {key} must be true or false, got {settings[key]!r}")
    if not 1 <= int(settings["n"]) <= MOST_SHOWN:
        raise UsageError(f"review: n must lie between 1 and {MOST_SHOWN}, got {settings['n']}")
    return Path(run), settings


@contextlib.contextmanager
def _alone(run: Path) -> Iterator[None]:
    """UsageError where another process looks at the same run: only one may write its review."""
    if not run.is_dir():
        raise UsageError(f"there is no folder {run.name!r}; review needs the folder of a finished run")
    descriptor = os.open(run, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"somebody is looking at {run.name} already; end that review first") from None
        yield
    finally:
        os.close(descriptor)


def open_look(run: Path, most: int, blind: bool) -> Session:
    """What is shown of a finished run: at most `most` rows. UsageError where it has no made rows."""
    state = read_state(run)
    bundle = load_bundle(run / "generator") if (run / "generator").is_dir() else None
    looked = reread(run, bundle, state)
    made = made_rows(run, looked)
    if not len(made):
        raise UsageError(f"{run.name} has no made rows to look at")
    pin_review(run, run)
    ledger, in_files = run / "dataset" / "ledger.csv", modality_of(made.schema).in_files
    by_id = {name.row_id: name for name in row_names(ledger, tabular=not in_files)}
    names = [by_id[row_id] for row_id in made.ids.tolist()]
    title, seed = run.resolve().name, rng.child(state["seed"], "review")
    if not blind:
        say(f"putting {len(made)} made rows in order, the worst first")
        items = worst_first(looked.train, made, seed, most)
        return Review(title, review_path(run), looked.train, made, names, items)
    pools = [looked.val, looked.train]
    chosen = half_and_half(made, pools, seed, most)
    return Blind(title, run / BLIND, made, pools, [_asked(pick, names, pools) for pick in chosen])


@dataclass(frozen=True)
class Asked:
    """A row of a blind look: what it is, where it lies (pool -1: the made rows), how the file of answers names it."""

    truth: str
    pool: int
    row: int
    name: str


def _asked(pick: tuple[str, int, int], names: list[RowName], pools: list[LabelledData]) -> Asked:
    truth, pool, row = pick
    if truth == "made":
        return Asked(*pick, names[row].key)
    split = ("val", "train")[pool]
    return Asked(*pick, f"{split}/{str(pools[pool].ids[row]).removeprefix(f'{split}/')}")


class Session(ABC):
    """One look: rows that are shown, and what was said, which lies in a file before it is answered.

    The file is read anew for every verdict, so that nothing is lost whoever else writes into it.
    """

    answers: tuple[str, ...]
    mode: str
    invitation: str

    def __init__(self, title: str, path: Path, count: int) -> None:
        self.title, self.path, self.count = title, path, count
        self._lock = threading.Lock()
        self._history: list[tuple[str, int, Decision | None, Decision | None]] = []  # tab, item, before, after

    @abstractmethod
    def said(self) -> list[Decision | None]:
        """What the file says of every item."""

    @abstractmethod
    def put(self, item: int, decision: Decision | None) -> None:
        """Put it into the file."""

    @abstractmethod
    def facts(self, said: list[Decision | None]) -> dict[str, Any]:
        """What the page shows beside the items."""

    @abstractmethod
    def labels(self) -> list[str]:
        """Class of every item."""

    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """All classes."""

    @abstractmethod
    def show(self, item: int) -> dict[str, Any]:
        """Everything about one item."""

    @abstractmethod
    def file(self, kind: str, number: int, ending: str) -> tuple[bytes, str]:
        """(bytes, content type) of the picture or sound of an item (`row`) or of a real row (`real`)."""

    def state(self) -> dict[str, Any]:
        said = self.said()
        items = [
            {"label": label, "answer": one.verdict if one else "", "relabel": one.relabel if one else ""}
            for label, one in zip(self.labels(), said, strict=True)
        ]
        facts = {"title": self.title, "mode": self.mode, "classes": self.classes(), "file": self.path.name}
        return {**facts, "answers": self.answers, "items": items, **self.facts(said)}

    def decide(self, item: int, answer: str, relabel: str, tab: str) -> dict[str, Any]:
        if answer not in self.answers:
            raise ValueError(f"an answer is {', '.join(self.answers)}, got {answer!r}")
        if not 0 <= item < self.count:
            raise IndexError(item)
        if answer == "relabel" and (relabel not in self.classes() or relabel == self.labels()[item]):
            raise ValueError(f"relabel takes another class of this data set, got {relabel!r}")
        decision = Decision(answer, relabel if answer == "relabel" else "")
        with self._lock:
            before = self.said()[item]
            self.put(item, decision)
            self._history.append((tab, item, before, decision))
            return self.state()

    def undo(self, tab: str) -> dict[str, Any]:
        """The last verdict of this tab that still stands is taken back; `undone` names the item."""
        with self._lock:
            said = self.said()
            for place in reversed(range(len(self._history))):
                whose, item, before, after = self._history[place]
                if whose == tab:
                    del self._history[place]
                    if said[item] == after:
                        self.put(item, before)
                        return {**self.state(), "undone": item}
            return {**self.state(), "undone": None}

    def summary(self) -> str:
        """What was said so far, for the end."""
        done = sum(one is not None for one in self.said())
        return f"{done} of {self.count} rows looked at; {self.path.name}"


class Review(Session):
    """Made rows, worst first, beside real train rows: accept, reject, unsure, relabel."""

    answers, mode = tuple(VERDICTS), "review"

    def __init__(
        self, title: str, path: Path, real: LabelledData, made: LabelledData, names: list[RowName], items: list[Item]
    ) -> None:
        super().__init__(title, path, len(items))
        self.real, self.made, self.items = real, made, items
        self.names = [names[item.row] for item in items]
        self.invitation = f"{len(items)} of {len(made)} made rows, worst first,"
        self._columns = ClassColumns(real) if modality_of(real.schema).columns(real.schema) else None
        self._labels = [real.schema.classes[made.y[item.row]] for item in items]

    def said(self) -> list[Decision | None]:
        decisions = read_decisions(self.path)
        return [decisions.get(name.key) for name in self.names]

    def put(self, item: int, decision: Decision | None) -> None:
        write_decision(self.path, self.names[item], decision)

    def labels(self) -> list[str]:
        return self._labels

    def classes(self) -> tuple[str, ...]:
        return self.real.schema.classes

    def facts(self, said: list[Decision | None]) -> dict[str, Any]:
        counts = Counter(one.verdict for one in said if one)
        looked = counts.total()
        return {
            "counts": {past: counts[verdict] for verdict, past in VERDICTS.items()},
            "acceptance": f"{percent(share(counts['accept'], looked))}" if looked else "",
            "made": len(self.made),
            "end": f"Honour it with: gensynth merge {self.title}",
        }

    def show(self, item: int) -> dict[str, Any]:
        if not 0 <= item < self.count:
            raise IndexError(item)
        one, classes = self.items[item], self.classes()
        label = int(self.made.y[one.row])
        beside = list(dict.fromkeys(n for n in (one.same, one.nearest) if n >= 0))
        facts = {
            "label": classes[label],
            "name": self.names[item].row_id,
            "origin": str(self.made.origin[one.row]),
            "why": {"probability": one.probability, "called": classes[one.called], "times": one.times},
            "row": content(self.made, one.row, f"row-{item}"),
            "beside": [self._real(n, one) for n in beside],
            "others": [{"label": classes[label], **content(self.real, n, f"real-{n}")} for n in one.others],
        }
        if self._columns:
            facts["cells"] = self._columns.against(self.made.x[one.row], label, [self.real.x[n] for n in beside])
        return facts

    def _real(self, n: int, one: Item) -> dict[str, Any]:
        kinds = [kind for kind, row in (("same", one.same), ("nearest", one.nearest)) if row == n]
        equal = bool((self.made[one.row : one.row + 1].content_hashes() == self.real[n : n + 1].content_hashes())[0])
        label = self.classes()[self.real.y[n]]
        return {"kinds": kinds, "label": label, "equal": equal, **content(self.real, n, f"real-{n}")}

    def file(self, kind: str, number: int, ending: str) -> tuple[bytes, str]:
        if kind == "row":
            return file_of(self.made, self.items[number].row, ending)
        return file_of(self.real, number, ending)

    def summary(self) -> str:
        facts = self.facts(self.said())
        counts = ", ".join(f"{count} {past}" for past, count in facts["counts"].items())
        if facts["acceptance"]:
            counts += f"; accepted of these, the worst of {len(self.made)}: {facts['acceptance']}"
        return f"{super().summary()}: {counts}"


class Blind(Session):
    """Real and made rows mixed, half and half; nothing that is sent to the page says which is which."""

    answers, mode = ANSWERS, "blind"

    def __init__(
        self, title: str, path: Path, made: LabelledData, pools: list[LabelledData], asked: list[Asked]
    ) -> None:
        super().__init__(title, path, len(asked))
        self.rows, self.asked = LabelledData.concat([*pools, made]), asked
        starts = [0, len(pools[0]), len(pools[0]) + len(pools[1])]
        self._rows = [starts[one.pool] + one.row for one in asked]  # the pool of a made row, -1, is the last
        self.invitation = f"{len(asked)} rows, half of them made,"
        self._columns = ClassColumns(pools[1]) if modality_of(made.schema).columns(made.schema) else None
        self._labels = [made.schema.classes[self.rows.y[row]] for row in self._rows]

    def said(self) -> list[Decision | None]:
        answers = read_answers(self.path)
        return [Decision(answers[one.name][1]) if one.name in answers else None for one in self.asked]

    def put(self, item: int, decision: Decision | None) -> None:
        one = self.asked[item]
        write_answer(self.path, one.name, one.truth, decision.verdict if decision else "")

    def labels(self) -> list[str]:
        return self._labels

    def classes(self) -> tuple[str, ...]:
        return self.rows.schema.classes

    def facts(self, said: list[Decision | None]) -> dict[str, Any]:
        """The rate only at the end: before it would say whether the last answer was right."""
        done = all(said)
        return {"counts": {}, "acceptance": "", "made": 0, "end": fool_rate(self.path)["sentence"] if done else ""}

    def show(self, item: int) -> dict[str, Any]:
        if not 0 <= item < self.count:
            raise IndexError(item)
        row = self._rows[item]
        facts = {"label": self._labels[item], "row": content(self.rows, row, f"row-{item}"), "beside": [], "others": []}
        if self._columns:
            facts["cells"] = self._columns.against(self.rows.x[row], int(self.rows.y[row]), [])
        return facts

    def file(self, kind: str, number: int, ending: str) -> tuple[bytes, str]:
        if kind != "row":
            raise KeyError(kind)
        return file_of(self.rows, self._rows[number], ending)

    def summary(self) -> str:
        return f"{super().summary()}\n{fool_rate(self.path)['sentence']}"
