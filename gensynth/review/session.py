"""One look at the rows of a run: what is shown, what a person says of it, and the file that keeps it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import webbrowser
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gensynth import rng
from gensynth.balancing import decisions
from gensynth.balancing.decisions import Decision, RowName
from gensynth.data.kinds import modality_of
from gensynth.errors import UsageError
from gensynth.progress import say
from gensynth.review.items import Item, half_and_half, worst_first
from gensynth.review.page import leading_to, serving
from gensynth.review.rates import fool_rate, percent, share
from gensynth.review.rows import ClassColumns, content, file_of
from gensynth.run_folder import settings_of
from gensynth.steps.job import read_job
from gensynth.steps.reopen import finished_state, pin_review, reread, synthetic_rows
from gensynth.training.bundle import load_bundle
from gensynth.types import LabelledData

SETTINGS = {"port": "0", "open": "true", "blind": "false", "n": "200"}
MOST_SHOWN = 2_000


def serve(given: list[str]) -> None:
    """Serve the page of a run until a signal comes."""
    folder, settings = settings_of("review", given, SETTINGS)
    if not folder:
        raise UsageError("review needs the folder of a finished run: gensynth review RUN")
    if not 1 <= int(settings["n"]) <= MOST_SHOWN:
        raise UsageError(f"review: n must lie between 1 and {MOST_SHOWN}, got {settings['n']}")
    with _alone(Path(folder)):
        look = open_look(Path(folder), int(settings["n"]), settings["blind"] == "true")
        try:
            with serving(look, int(settings["port"])) as url, contextlib.ExitStack() as until_the_end:
                say(f"{look.invitation} at {url}\nevery click is saved; Ctrl-C ends")
                if settings["open"] == "true":
                    webbrowser.open(until_the_end.enter_context(leading_to(url)))
                threading.Event().wait()
        finally:
            say(look.summary())


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
    """What is shown of a finished run: at most `most` rows. UsageError where it has no synthetic rows."""
    finished_state(run)
    job = read_job(run)
    bundle = load_bundle(run / "generator") if (run / "generator").is_dir() else None
    split_data = reread(run, bundle, job.data)
    synthetic = synthetic_rows(run, split_data)
    if not len(synthetic):
        raise UsageError(f"{run.name} has no synthetic rows to look at")
    pin_review(run, run)
    ledger, in_files = run / "dataset" / "ledger.csv", modality_of(synthetic.schema).in_files
    by_id = {name.row_id: name for name in decisions.row_names(ledger, tabular=not in_files)}
    names = [by_id[row_id] for row_id in synthetic.ids.tolist()]
    title, seed = run.resolve().name, rng.child(job.seed, "review")
    if not blind:
        say(f"putting {len(synthetic)} synthetic rows in order, the worst first")
        items = worst_first(split_data.train, synthetic, seed, most)
        return Review(title, decisions.review_path(run), split_data.train, synthetic, names, items)
    pools = [split_data.val, split_data.train]
    chosen = half_and_half(synthetic, pools, seed, most)
    return Blind(title, run / decisions.BLIND, synthetic, pools, [_blind_row(pick, names, pools) for pick in chosen])


@dataclass(frozen=True)
class BlindRow:
    """A row of a blind look: what it is, where it lies (pool -1: the synthetic rows), how the file of answers names
    it."""

    truth: str
    pool: int
    row: int
    name: str


def _blind_row(pick: tuple[str, int, int], names: list[RowName], pools: list[LabelledData]) -> BlindRow:
    truth, pool, row = pick
    if truth == "made":
        return BlindRow(*pick, names[row].key)
    split = ("val", "train")[pool]
    return BlindRow(*pick, f"{split}/{str(pools[pool].ids[row]).removeprefix(f'{split}/')}")


class Session(ABC):
    """One look: rows that are shown, and what was said, which lies in a file before it is answered.

    Item i is the row places[i] of `rows`; cells of a table are held against its class in `real`. The methods are called
    from several threads. The file is read anew for every answer, so that nothing is lost whoever else writes into it.
    """

    answers: tuple[str, ...]
    mode: str
    invitation: str

    def __init__(self, title: str, path: Path, rows: LabelledData, places: Sequence[int], real: LabelledData) -> None:
        self.title, self.path, self.rows, self.places, self.real = title, path, rows, places, real
        self.count, self.classes = len(places), rows.schema.classes
        self.labels = [self.classes[rows.y[place]] for place in places]
        self._columns = ClassColumns(real) if modality_of(rows.schema).columns(rows.schema) else None
        self._lock = threading.Lock()
        self._history: list[tuple[str, int, Decision | None, Decision | None]] = []  # tab, item, before, after

    @abstractmethod
    def recorded(self) -> list[Decision | None]:
        """What the file says of every item."""

    @abstractmethod
    def put(self, item: int, decision: Decision | None) -> None:
        """Put it into the file."""

    @abstractmethod
    def facts(self, recorded: list[Decision | None]) -> dict[str, Any]:
        """What the page shows beside the items."""

    def beside(self, item: int) -> list[int]:
        """Real rows that an item is compared with."""
        return []

    def show(self, item: int) -> dict[str, Any]:
        """Everything about one item; IndexError for others."""
        if not 0 <= item < self.count:
            raise IndexError(item)
        row = self.places[item]
        facts = {"label": self.labels[item], "row": content(self.rows, row, f"row-{item}"), "beside": [], "others": []}
        if self._columns:
            beside = [self.real.x[n] for n in self.beside(item)]
            facts["cells"] = self._columns.against(self.rows.x[row], int(self.rows.y[row]), beside)
        return facts

    def file(self, kind: str, number: int, ending: str) -> tuple[bytes, str]:
        """(bytes, content type) of the picture or sound of an item (`row`); IndexError or KeyError for others."""
        if kind != "row":
            raise KeyError(kind)
        return file_of(self.rows, self.places[number], ending)

    def state(self) -> dict[str, Any]:
        """Title, classes, items with what was said of them, counts."""
        recorded = self.recorded()
        items = [
            {"label": label, "answer": one.answer if one else "", "relabel": one.relabel if one else ""}
            for label, one in zip(self.labels, recorded, strict=True)
        ]
        facts = {"title": self.title, "mode": self.mode, "classes": self.classes, "file": self.path.name}
        return {**facts, "answers": self.answers, "items": items, **self.facts(recorded)}

    def decide(self, item: int, answer: str, relabel: str, tab: str) -> dict[str, Any]:
        """Put an answer on disk, then give the new state; ValueError for what is none."""
        if answer not in self.answers:
            raise ValueError(f"an answer is {', '.join(self.answers)}, got {answer!r}")
        if not 0 <= item < self.count:
            raise IndexError(item)
        if answer == "relabel" and (relabel not in self.classes or relabel == self.labels[item]):
            raise ValueError(f"relabel takes another class of this data set, got {relabel!r}")
        decision = Decision(answer, relabel if answer == "relabel" else "")
        with self._lock:
            before = self.recorded()[item]
            self.put(item, decision)
            self._history.append((tab, item, before, decision))
            return self.state()

    def undo(self, tab: str) -> dict[str, Any]:
        """The last answer of this browser tab that still stands is taken back; `undone` names the item."""
        with self._lock:
            recorded = self.recorded()
            for place in reversed(range(len(self._history))):
                whose, item, before, after = self._history[place]
                if whose == tab:
                    del self._history[place]
                    if recorded[item] == after:
                        self.put(item, before)
                        return {**self.state(), "undone": item}
            return {**self.state(), "undone": None}

    def summary(self) -> str:
        """What was said so far, for the end."""
        done = sum(one is not None for one in self.recorded())
        return f"{done} of {self.count} rows looked at; {self.path.name}"


class Review(Session):
    """Synthetic rows, worst first, beside real train rows: accept, reject, unsure, relabel."""

    answers, mode = tuple(decisions.DECISIONS), "review"

    def __init__(
        self,
        title: str,
        path: Path,
        real: LabelledData,
        synthetic: LabelledData,
        names: list[RowName],
        items: list[Item],
    ) -> None:
        super().__init__(title, path, synthetic, [item.row for item in items], real)
        self.items, self.names = items, [names[item.row] for item in items]
        self.invitation = f"{len(items)} of {len(synthetic)} synthetic rows, worst first,"

    def recorded(self) -> list[Decision | None]:
        known = decisions.read_decisions(self.path)
        return [known.get(name.key) for name in self.names]

    def put(self, item: int, decision: Decision | None) -> None:
        decisions.write_decision(self.path, self.names[item], decision)

    def facts(self, recorded: list[Decision | None]) -> dict[str, Any]:
        counts = Counter(one.answer for one in recorded if one)
        return {
            "counts": {past: counts[decision] for decision, past in decisions.DECISIONS.items()},
            "acceptance": percent(share(counts["accept"], counts.total())) if counts else "",
            "made": len(self.rows),
            "end": f"Honour it with: gensynth merge {self.title}",
        }

    def beside(self, item: int) -> list[int]:
        return list(dict.fromkeys(n for n in (self.items[item].same, self.items[item].nearest) if n >= 0))

    def show(self, item: int) -> dict[str, Any]:
        shown = super().show(item)
        one = self.items[item]
        return shown | {
            "name": self.names[item].row_id,
            "origin": str(self.rows.origin[one.row]),
            "why": {"probability": one.probability, "called": self.classes[one.called], "times": one.times},
            "beside": [self._real(n, one) for n in self.beside(item)],
            "others": [{"label": self.labels[item], **content(self.real, n, f"real-{n}")} for n in one.others],
        }

    def _real(self, n: int, one: Item) -> dict[str, Any]:
        kinds = [kind for kind, row in (("same", one.same), ("nearest", one.nearest)) if row == n]
        equal = bool((self.rows[one.row : one.row + 1].content_hashes() == self.real[n : n + 1].content_hashes())[0])
        label = self.classes[self.real.y[n]]
        return {"kinds": kinds, "label": label, "equal": equal, **content(self.real, n, f"real-{n}")}

    def file(self, kind: str, number: int, ending: str) -> tuple[bytes, str]:
        return file_of(self.real, number, ending) if kind == "real" else super().file(kind, number, ending)

    def summary(self) -> str:
        facts = self.facts(self.recorded())
        counts = ", ".join(f"{count} {past}" for past, count in facts["counts"].items())
        if facts["acceptance"]:
            counts += f"; accepted of these, the worst of {len(self.rows)}: {facts['acceptance']}"
        return f"{super().summary()}: {counts}"


class Blind(Session):
    """Real and synthetic rows mixed, half and half; nothing that is sent to the page says which is which."""

    answers, mode = decisions.ANSWERS, "blind"

    def __init__(
        self, title: str, path: Path, synthetic: LabelledData, pools: list[LabelledData], rows_shown: list[BlindRow]
    ) -> None:
        starts = [0, len(pools[0]), len(pools[0]) + len(pools[1])]
        places = [starts[one.pool] + one.row for one in rows_shown]  # the pool of a synthetic row, -1, is the last
        super().__init__(title, path, LabelledData.concat([*pools, synthetic]), places, pools[1])
        self.rows_shown, self.invitation = rows_shown, f"{len(rows_shown)} rows, half of them made,"

    def recorded(self) -> list[Decision | None]:
        answers = decisions.read_answers(self.path)
        return [Decision(answers[one.name][1]) if one.name in answers else None for one in self.rows_shown]

    def put(self, item: int, decision: Decision | None) -> None:
        one = self.rows_shown[item]
        decisions.write_answer(self.path, one.name, one.truth, decision.answer if decision else "")

    def facts(self, recorded: list[Decision | None]) -> dict[str, Any]:
        """The rate only at the end: before it would say whether the last answer was right."""
        done = all(recorded)
        return {"counts": {}, "acceptance": "", "made": 0, "end": fool_rate(self.path)["sentence"] if done else ""}

    def summary(self) -> str:
        return f"{super().summary()}\n{fool_rate(self.path)['sentence']}"
