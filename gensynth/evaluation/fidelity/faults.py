"""What is wrong with a synthetic set, by name: copies, swapped labels, noise, missing variety, wrong looks.

Each fault is a comparison with what real rows of the same class do, with a p-value corrected for everything that is
tested in the set and a least size: significance alone is no fault. It is found for a class alone, or for the set from
all its classes together. Train rows stand for real rows beside test rows: these tests ask how rows look, not what was
learned. Where there are too few rows for any p-value to be small enough, that is reported: no fault found is then no
clean bill.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from gensynth.data.kinds import modality_of, points_of
from gensynth.data.modality import Points
from gensynth.evaluation.fidelity.exchange import (
    ALL,
    Named,
    Statistic,
    corrected,
    largest_z,
    rank_z,
    rows_needed,
    superiority,
    together,
    ways,
)
from gensynth.evaluation.fidelity.kept_labels import KeptLabels
from gensynth.evaluation.fidelity.looks import Look, looks_of
from gensynth.evaluation.fidelity.repeats import copied_faults, copies_untested, repeated_rows
from gensynth.evaluation.fidelity.variety import CLEAR, column_statistics, distance_statistics, outside
from gensynth.evaluation.metrics.metric import Entry
from gensynth.evaluation.privacy.copies import Copies
from gensynth.rng import child, numpy_generator
from gensynth.types import LabelledData

# Codes of faults, the worst first; all other ones say how rows look.
GRAVE = (*("memoriser", "close_to_train", "label_swap", "noise", "repeats", "collapse", "mode_drop", "off_support"),)
ALPHA = 0.01
MOST_ROWS, MOST_IN_ALL = 200, 4_000  # rows of a class and of all classes, on a side
_VARIETY = {"repeats", "collapse", "mode_drop", "off_support", "combinations", "low_variety"}
_LOOKS = {"blur", "grain", "contrast", "colour", "coarse_values", "timbre", "loudness", "silence", "shifted", "bounds"}
# How far the chance that a synthetic row exceeds a real one lies from a half, of rows that do not look like the class
# they are taken for; in standard deviations, where they are few.
UNLIKE, UNSURE = 0.25, 4.0
MOST = 0.5  # share of classes that must have a fault before the whole set is said to have it
FEWEST = 12  # rows of a class that are compared, however many classes there are
LITTLE_VARIETY = 0.25  # Vendi ratio, as a part of that of real train rows
LITTLE = "rows vary too little: Vendi ratio {:.2f} (real train rows {:.2f})"
# The first explains the others.
EXPLAINS = {
    "memoriser": (_VARIETY - {"repeats", "collapse"}) | _LOOKS | {"noise", "texture"},
    "label_swap": _VARIETY | _LOOKS | {"noise"},
    # What is known more closely is not called noise.
    **dict.fromkeys(("blur", "texture", "coarse_values"), {"noise"}),
    "noise": _VARIETY | _LOOKS - {"blur", "coarse_values"},
    "repeats": {"off_support", "collapse", "low_variety"},
    "collapse": {"mode_drop", "off_support", "combinations", "low_variety"},
    "mode_drop": {"off_support", "low_variety"},
}


@dataclass(frozen=True)
class Found:
    """faults    {"code", "set", "class", "text"}, worst first; class "" for all
    untested  class -> what could not be tested with its rows alone, and what it would need
    """

    faults: list[dict[str, str]] = field(default_factory=list)
    untested: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FaultTests:
    """Faults of any synthetic rows beside train and test rows.

    space  rows x -> (N, P), in which a classifier of real rows is fitted once
    """

    train: LabelledData
    test: LabelledData
    space: Points
    seed: int

    @cached_property
    def real(self) -> LabelledData:
        """At most MOST_ROWS rows of each class, of train and test rows."""
        return _some(LabelledData.concat([self.train, self.test]), child(self.seed, "faults of real"))

    @cached_property
    def labels(self) -> KeptLabels:
        return KeptLabels.of(self.real, self.space, self.seed)

    def find(self, name: str, rows: LabelledData, copied: Copies, variety: Mapping[str, Entry]) -> Found:
        """Faults of a set of that name, and what could not be tested.

        copied   what `find_copies` found of the rows; variety: class -> entry of the Vendi ratio, of those that have
                 one
        """
        if not len(rows) or not len(self.real):
            return Found()
        some, classes = _some(rows, child(self.seed, "faults")), rows.schema.classes
        copies = copied_faults(copied, self.train, rows, ALPHA)
        labels, untested = self.labels.swapped(some, ALPHA, self._looks_like)
        different, few = self._different(some)
        little = [
            (classes.index(c), "collapse", LITTLE.format(entry["value"], entry["ceiling"]))
            for c, entry in variety.items()
            if entry["value"] is not None and entry["value"] <= LITTLE_VARIETY * entry["ceiling"]
        ]
        found: dict[int, dict[str, str]] = {}
        for c, code, text in [*copies, *labels, *repeated_rows(self.real, some, self.seed, ALPHA), *different, *little]:
            found.setdefault(c, {}).setdefault(code, text)
        for c, why in few.items():
            if c in found or ALL in found:  # a fault was found, so it was tested
                continue
            untested[c] = "; ".join(filter(None, [why, untested.get(c, "")]))
        for c, why in copies_untested(copied, ALPHA).items():
            if "memoriser" not in {**found.get(c, {}), **found.get(ALL, {})}:
                untested[c] = "; ".join(filter(None, [untested.get(c, ""), why]))
        return Found(_named(found, name, classes), {classes[c]: f"not tested: {untested[c]}" for c in sorted(untested)})

    def _looks_like(self, rows: LabelledData, classes: np.ndarray) -> bool:
        """Whether rows look like real rows of these classes (M,), not of their own: blurred rows are taken for another
        class as well."""
        looks = looks_of(rows.schema)
        far, weight = np.zeros(len(looks)), 0.0
        seen = [look.of(self.real.x, rows.x) for look in looks]
        for c in np.unique(classes):
            real, mine = self.real.y == c, classes == c
            weight += mine.sum() ** 2 * (1 / mine.sum() + 1 / real.sum()) / 12
            for j, (of_real, of_rows) in enumerate(seen):
                far[j] += mine.sum() * np.sign(of_rows[mine][:, None] - of_real[real]).mean() / 2
        return bool(np.abs(far).max(initial=0) <= max(UNLIKE * len(rows), UNSURE * np.sqrt(weight)))

    def _different(self, rows: LabelledData) -> tuple[list[Named], dict[int, str]]:
        """(how rows look and vary otherwise than real ones, class -> why its rows alone were not tested)."""
        sizes = {int(c): (int((rows.y == c).sum()), int((self.real.y == c).sum())) for c in np.unique(rows.y)}
        statistics = self._statistics(rows, [c for c, pair in sizes.items() if min(pair) > 1])
        of_all = together(list(statistics.values())) if len(statistics) > 1 else []
        p, needed = corrected([*of_all, *(one for of_class in statistics.values() for one in of_class)], ALPHA)
        p_of, out, codes = iter(p), [], set()
        for i, one in enumerate(of_all):
            if next(p_of) < ALPHA and one.large and np.mean([same[i].large for same in statistics.values()]) >= MOST:
                codes.add(one.code)
                out.append((ALL, one.code, one.text(one.effect)))
        for c, of_class in statistics.items():
            for one in of_class:
                if next(p_of) < ALPHA and one.large and one.code not in codes:
                    out.append((c, one.code, one.text(one.effect)))
        wanted = rows_needed(needed) if statistics else FEWEST
        few = "looks and variety ({} synthetic and {} real rows, needs {} of each)"
        return out, {c: few.format(*pair, wanted) for c, pair in sizes.items() if largest_z(*pair) < needed}

    def _statistics(self, rows: LabelledData, classes: list[int]) -> dict[int, list[Statistic]]:
        """Class -> its statistics, the same ones in the same order."""
        real, kind = self.real, modality_of(rows.schema)
        looks = looks_of(rows.schema)
        seen = [look.of(real.x, rows.x) for look in looks]
        # Fitted on both sides alike: neither lies nearer to the other for it.
        both = LabelledData.concat([real, rows])
        points = points_of(both)(both.x)
        far = outside(points[: len(real)], points[len(real) :])
        numbers = [j for j, column in enumerate(kind.columns(rows.schema)) if not column.discrete]
        out = {}
        for c in classes:
            sides = np.flatnonzero(real.y == c), np.flatnonzero(rows.y == c)
            mine = np.concatenate([sides[0], len(real) + sides[1]])
            called = ways(len(sides[0]), len(sides[1]), numpy_generator(self.seed, "faults", rows.schema.classes[c]))
            values = [np.concatenate([of_real[sides[0]], of_rows[sides[1]]]) for of_real, of_rows in seen]
            out[c] = [
                *distance_statistics(points[mine], called, float(far[sides[1]].mean())),
                *_looks(looks, values, called),
            ]
            if kind.columns(rows.schema):
                out[c] += column_statistics(points[mine], both.x[mine][:, numbers], called)
        return out


def _looks(looks: Sequence[Look], values: list[np.ndarray], called: np.ndarray) -> list[Statistic]:
    """Of the values (N,) of every look of one class's rows, real ones first: more or less of it."""
    out: list[Statistic] = []
    if not looks:
        return out
    z, m = rank_z(np.stack(values, axis=1), called), int(called[0].sum())
    for j, look in enumerate(looks):
        above = superiority(z[0, j], len(called[0]) - m, m) - 0.5
        for code, sign, word in ((look.high, 1, "more"), (look.low, -1, "less")):
            if code:
                text = f"{word} {look.what} than in real rows: {{:.0%}} of pairs of a synthetic and a real row say so"
                out.append(Statistic(code, sign * z[:, j], sign * above, CLEAR, partial(_share, text)))
    return out


def _share(text: str, above: float) -> str:
    return text.format(0.5 + above)


def _some(rows: LabelledData, seed: int) -> LabelledData:
    """At most MOST_ROWS rows of each class, fewer of many classes."""
    most = min(MOST_ROWS, max(FEWEST, MOST_IN_ALL // len(rows.schema.classes)))
    order = numpy_generator(seed, "some")
    parts = [order.permutation(np.flatnonzero(rows.y == c))[:most] for c in range(len(rows.schema.classes))]
    return rows[np.sort(np.concatenate(parts))]


def _named(found: dict[int, dict[str, str]], name: str, classes: tuple[str, ...]) -> list[dict[str, str]]:
    """Faults as they are reported: what another one explains left out, the worst first, those of all classes before
    those of one."""
    of_most = Counter(code for c, codes in found.items() if c != ALL for code in codes)
    of_all = set(found.get(ALL, {})) | {code for code, n in of_most.items() if n >= MOST * len(classes)}
    lines = []
    for c, codes in found.items():
        explained: set[str] = set()
        for code, others in EXPLAINS.items():  # what is explained itself explains nothing
            explained |= others if code in (set(codes) | of_all) - explained else set()
        label = "" if c == ALL else classes[c]
        for code, text in codes.items():
            if code not in explained:
                of_class = f'class "{label}": ' if label and f'"{label}"' not in text else ""
                lines.append((_rank(code), c, {"code": code, "set": name, "class": label, "text": of_class + text}))
    return [line for *_, line in sorted(lines, key=lambda line: line[:2])]


def _rank(code: str) -> int:
    return GRAVE.index(code) if code in GRAVE else len(GRAVE)
