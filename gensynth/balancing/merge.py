"""Fill the plan: draw, filter, top up what was rejected, count everything, exactly the requested numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gensynth import rng
from gensynth.balancing.filters import Filter
from gensynth.balancing.ledger import NameRow, with_columns
from gensynth.errors import GateError
from gensynth.progress import bar
from gensynth.samplers.sampler import Sampler
from gensynth.types import LabelledData

DRAWS = 256  # rows are drawn in multiples of this, which is how generators compute them
SMALL_CLASS = 20  # with fewer real rows no claim to have learned the class is made
COUNTED = ("drawn", "accepted", "filled_by_fallback", "rejected_review")
ATTEMPTS = 6  # at most this many draws for a row that is requested


@dataclass(frozen=True)
class Filled:
    """Accepted rows of all classes with their provenance columns, and what happened a class.

    drawn, passed  the first rows that filters looked at in every class, and which of them passed, bool
    counts         a class: rows requested, drawn from the sampler and accepted of these, `rejected_<filter>` of these,
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
    name_row: NameRow,
    seen_as: Callable[[LabelledData], LabelledData],
) -> Filled:
    """Draw `needed[class]` rows of every class.

    Classes with fewer than SMALL_CLASS real rows, and what the filters leave short after
    ATTEMPTS x needed draws, come from `fallback`.
    filters    those that look at rows of this sampler
    rejected   row names a person turned down; they are passed over
    name_row   (class, sampler, index) -> row name
    seen_as    rows as drawn -> as filters see them: those of a condition with their label and groups
    """
    real = dict(zip(train.schema.classes, train.counts().tolist(), strict=True))
    parts, warnings = [train[:0]], []
    counts: dict[str, dict[str, int | str]] = {}
    drawn, passed = [replace(train[:0], groups={})], [np.zeros(0, dtype=bool)]
    with bar("sampling and filtering", sum(needed.values())) as advance:
        for label, count in needed.items():
            if not count:
                continue
            few = real[label] < SMALL_CLASS and sampler.label_policy == "conditional"
            taker = _Taker(label, train.schema.index(label), seed, rejected, name_row, seen_as)
            if not few:
                taker.counts["accepted"] = taker.take(sampler, count, filters)
                taker.counts["drawn"] = taker.position
            if short := count - taker.counts["accepted"]:
                text = f'class "{label}": filters left {short} of {count} rows short; filled by {fallback.name}'
                if few:
                    found = f'class "{label}" has {real[label]} real training rows'
                    text = f"{found}: filled by {fallback.name}, not {sampler.name}"
                warnings.append({"code": "small_class" if few else "filters_exhausted", "text": text})
                start = taker.position if fallback.name == sampler.name else 0
                filled = taker.counts["filled_by_fallback"] = taker.take(fallback, short, [], start)
                if filled < short:
                    left = count - short + filled
                    raise GateError(f'class "{label}": only {left} of {count} rows are left after review; accept more')
            parts.extend(taker.parts)
            drawn.extend(rows for rows, _ in taker.drawn)
            passed.extend(keep for _, keep in taker.drawn)
            counts[label] = {"asked": count, "sampler": (fallback if few else sampler).name, **taker.counts}
            advance(count)
    return Filled(
        LabelledData.concat([with_columns(parts[0], "", 0), *parts[1:]]),
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
    name_row: NameRow
    seen_as: Callable[[LabelledData], LabelledData]
    parts: list[LabelledData] = field(default_factory=list)
    drawn: list[tuple[LabelledData, np.ndarray]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    position: int = 0

    def take(self, sampler: Sampler, count: int, filters: Sequence[Filter], start: int = 0) -> int:
        """Accept at most `count` rows of the sampler in index order from `start`; returns how many there were.

        After ATTEMPTS x count draws no more are tried.
        """
        self.position, missing = start, count
        passed = json.dumps({one.name: "passed" for one in filters}) if filters else ""
        while missing and self.position < start + ATTEMPTS * count + DRAWS:
            draws = DRAWS * -(-missing // DRAWS) if filters else missing
            seeds = rng.row_seeds(self.seed, self.label, self.position, draws)
            rows, index = sampler.sample(np.full(draws, self.index), seeds), self.position + np.arange(draws)
            names = np.array([self.name_row(self.label, sampler.name, i) for i in index.tolist()], dtype=str)
            keep = self._kept(rows, names, filters)
            if filters and not self.drawn:
                self.drawn.append((replace(rows, groups={}), keep))
            chosen = np.flatnonzero(keep)[:missing]
            named = replace(rows[chosen], ids=names[chosen])
            self.parts.append(with_columns(named, sampler.name, index[chosen], passed))
            missing -= len(chosen)
            self.position += draws
        return count - missing

    def _kept(self, rows: LabelledData, names: np.ndarray, filters: Sequence[Filter]) -> np.ndarray:
        """Which rows (N,) bool neither a person nor a filter turned down; counted."""
        keep = np.array([name not in self.rejected for name in names.tolist()], dtype=bool)
        self.counts["rejected_review"] += int((~keep).sum())
        shown = self.seen_as(rows) if filters else rows
        for one in filters:
            mask = one.keep(shown)
            key = f"rejected_{one.name}"
            self.counts[key] = self.counts.get(key, 0) + int((keep & ~mask).sum())
            keep &= mask
        return keep
