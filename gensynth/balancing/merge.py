"""Fill the plan: draw, filter, top up what was rejected, count everything, exactly the asked numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gensynth import rng
from gensynth.balancing.filters import Filter
from gensynth.errors import GateError
from gensynth.samplers.sampler import Sampler
from gensynth.types import LabelledData

DRAWS = 256  # rows are drawn in multiples of this, which is how generators compute them
SMALL_CLASS = 20  # with fewer real rows no claim to have learned the class is made
COUNTED = ("drawn", "accepted", "filled_by_fallback", "rejected_review")
ATTEMPTS = 6  # at most this many draws for a row that is asked


@dataclass(frozen=True)
class Filled:
    """Accepted rows of all classes with their provenance columns, and what happened a class.

    drawn, passed  the first rows that filters looked at in every class, and which of them passed, bool
    counts         a class: rows asked for, drawn from the sampler and accepted of these, `rejected_<filter>` of these,
                   `filled_by_fallback`, which no filter judged, and the name of the sampler that came first
    reasons        filter -> why it drops rows, in the words of the report
    """

    rows: LabelledData
    drawn: LabelledData
    passed: np.ndarray
    counts: dict[str, dict[str, int | str]]
    reasons: dict[str, str]
    warnings: tuple[dict[str, str], ...]


def fill(
    needed: dict[str, int],
    train: LabelledData,
    sampler: Sampler,
    fallback: Sampler,
    filters: Sequence[Filter],
    *,
    seed: int,
    rejected: frozenset[str],
    name_row: Callable[[str, str, int], str],
    judged_as: Callable[[LabelledData], LabelledData],
    progress: Callable[[str], None],
) -> Filled:
    """Draw `needed[class]` rows of every class.

    Classes with fewer than SMALL_CLASS real rows, and what the filters leave short after
    ATTEMPTS x needed draws, come from `fallback`.
    filters    those that look at rows of this sampler
    rejected   row names a person turned down; they are passed over
    name_row   (class, sampler, index) -> row name
    judged_as  rows as drawn -> as filters see them: those of a condition with their label and groups
    """
    real = dict(zip(train.schema.classes, train.counts().tolist(), strict=True))
    parts, warnings = [train[:0]], []
    counts: dict[str, dict[str, int | str]] = {}
    drawn, passed = [replace(train[:0], groups={})], [np.zeros(0, dtype=bool)]
    for label, count in needed.items():
        if not count:
            continue
        progress(f"sampling {count} of class {label}")
        few = real[label] < SMALL_CLASS and sampler.label_policy == "conditional"
        taker = _Taker(label, train.schema.index(label), seed, rejected, name_row, judged_as)
        if few:
            text = (
                f'class "{label}" has {real[label]} real training rows: filled by {fallback.name}, not {sampler.name}'
            )
            warnings.append({"code": "small_class", "text": text})
        else:
            taker.take(sampler, count, filters)
        if short := count - taker.count:
            if not few:
                text = f'class "{label}": filters left {short} of {count} rows short; filled by {fallback.name}'
                warnings.append({"code": "filters_exhausted", "text": text})
            taker.fill_up(fallback, short, taker.position if fallback.name == sampler.name else 0)
        if taker.count < count:
            raise GateError(f'class "{label}": only {taker.count} of {count} rows are left after review; accept more')
        parts.extend(taker.parts)
        drawn.extend(rows for rows, _ in taker.drawn)
        passed.extend(keep for _, keep in taker.drawn)
        counts[label] = {
            "asked": count,
            "sampler": (fallback if few else sampler).name,
            **taker.counts,
        }
    return Filled(
        LabelledData.concat([_with_columns(parts[0], "", "", 0), *parts[1:]]),
        LabelledData.concat(drawn),
        np.concatenate(passed),
        counts,
        {one.name: one.reason for one in filters},
        tuple(warnings),
    )


@dataclass
class _Taker:
    """Collects accepted rows of one class; position: after the last row that was drawn."""

    label: str
    index: int
    seed: int
    rejected: frozenset[str]
    name_row: Callable[[str, str, int], str]
    judged_as: Callable[[LabelledData], LabelledData]
    parts: list[LabelledData] = field(default_factory=list)
    drawn: list[tuple[LabelledData, np.ndarray]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    position: int = 0

    @property
    def count(self) -> int:
        """Rows that were taken."""
        return self.counts["accepted"] + self.counts["filled_by_fallback"]

    def take(self, sampler: Sampler, count: int, filters: Sequence[Filter]) -> None:
        """Accept `count` rows of the sampler, as many as there are of ATTEMPTS x count draws."""
        drawn, accepted = self._take(sampler, count, filters, 0)
        self.counts["drawn"] += drawn
        self.counts["accepted"] += accepted

    def fill_up(self, fallback: Sampler, count: int, start: int) -> None:
        """Take `count` rows of the fallback, from that index on; they count neither as drawn nor as accepted."""
        self.counts["filled_by_fallback"] += self._take(fallback, count, [], start)[1]

    def _take(self, sampler: Sampler, count: int, filters: Sequence[Filter], start: int) -> tuple[int, int]:
        """Take at most `count` rows in index order from `start`: how many were drawn, and taken of these."""
        position, missing = start, count
        limit = start + ATTEMPTS * count + DRAWS
        while missing and position < limit:
            draws = DRAWS * -(-missing // DRAWS) if filters else missing
            seeds = rng.row_seeds(self.seed, self.label, position, draws)
            rows = sampler.sample(np.full(draws, self.index), seeds)
            keep, passed = self._judge(rows, filters, sampler.name, position)
            if filters and not self.drawn:
                self.drawn.append((replace(rows, groups={}), keep.copy()))
            chosen = np.flatnonzero(keep)[:missing]
            self.parts.append(self._named(rows[chosen], sampler.name, position + chosen, passed))
            missing -= len(chosen)
            position += draws
        self.position = position
        return position - start, count - missing

    def _judge(
        self, rows: LabelledData, filters: Sequence[Filter], sampler: str, position: int
    ) -> tuple[np.ndarray, dict[str, str]]:
        names = [self.name_row(self.label, sampler, position + i) for i in range(len(rows))]
        keep = np.array([name not in self.rejected for name in names], dtype=bool)
        self.counts["rejected_review"] += int((~keep).sum())
        shown = self.judged_as(rows) if filters else rows
        for one in filters:
            mask = one.keep(shown)
            key = f"rejected_{one.name}"
            self.counts[key] = self.counts.get(key, 0) + int((keep & ~mask).sum())
            keep &= mask
        return keep, {one.name: "passed" for one in filters}

    def _named(self, rows: LabelledData, sampler: str, indices: np.ndarray, passed: dict[str, str]) -> LabelledData:
        ids = np.array([self.name_row(self.label, sampler, int(i)) for i in indices], dtype=str)
        rows = replace(rows, ids=ids)
        return _with_columns(rows, sampler, json.dumps(passed) if passed else "", indices)


def _with_columns(rows: LabelledData, sampler: str, filters: str, index: np.ndarray | int) -> LabelledData:
    """Add the provenance columns that the ledger writes."""
    columns = {
        "params": rows.groups["params"] if "params" in rows.groups else np.full(len(rows), "", dtype="U1"),
        "sampler": np.full(len(rows), sampler),
        "filters": np.full(len(rows), filters),
        "index": np.broadcast_to(np.asarray(index, dtype=np.int64), (len(rows),)),
    }
    return replace(rows, groups=columns)
