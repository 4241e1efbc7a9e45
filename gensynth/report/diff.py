"""`gensynth diff A B`: two reports beside each other: what got better, what got worse, what cannot be told.

A difference of two numbers with intervals has an interval of its own, as of independent ones (square-and-add: Newcombe,
"Interval estimation for the difference between independent proportions", 1998, method 10; Zou and Donner, "Construction
of confidence limits about effect measures", 2008). Runs on the same test rows are not independent: their difference is
then known better than said here. Intervals of one part are widened so that all of them hold together (Bonferroni).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import hypot
from pathlib import Path
from typing import Any

from scipy.special import ndtri

from gensynth.errors import UsageError
from gensynth.evaluation.utility.verdict import HEADLINE_METRIC
from gensynth.intervals import LEVEL
from gensynth.report.content import Report
from gensynth.report.glossary import name_of
from gensynth.report.notices import rank_of
from gensynth.report.numbers import Row, has

BETTER, WORSE, UNCHANGED, CANNOT_TELL = "better", "worse", "unchanged", "cannot_tell"
ANSWERS = (BETTER, WORSE, UNCHANGED, CANNOT_TELL)
HASHES = ("source_sha256", "test_sha256")  # of reports on the same data one of them is equal
Numbers = dict[tuple[str, str], Row]  # (part, name) -> an entry of report.json


@dataclass(frozen=True)
class Change:
    """One number of both reports; `low` and `high` of the difference are None where one of them has no interval."""

    part: str
    name: str
    before: float
    after: float
    difference: float
    low: float | None
    high: float | None
    answer: str


@dataclass(frozen=True)
class Diff:
    """What two reports say of the same numbers.

    faults  "new" and "gone": faults and warnings, {"code", "class", "rank", "text"}
    alone   "before" and "after": names of numbers that only this report has
    """

    answers: dict[str, str]
    changes: list[Change]
    faults: dict[str, list[dict[str, str]]]
    alone: dict[str, list[str]]
    margin: float

    @property
    def counts(self) -> dict[str, int]:
        """How many numbers got better, got worse, did not change, cannot be told."""
        found = Counter(change.answer for change in self.changes)
        return {answer: found[answer] for answer in ANSWERS}

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"counts": self.counts}


def read_report(path: Path) -> dict[str, Any]:
    """report.json, or that of a run's folder; UsageError where there is none."""
    file = path / "report.json" if path.is_dir() else path
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is neither a finished run nor a report.json: {type(error).__name__}") from None
    if not isinstance(facts, dict) or "verdict" not in facts:
        raise UsageError(f"{path} is no report of gensynth: it has no verdict")
    return facts


def check_same_data(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """UsageError where two reports speak of different data, or do not say of which."""
    hashes = [[facts.get("provenance", {}).get(key) for facts in (before, after)] for key in HASHES]
    if any(one and one == other for one, other in hashes):
        return
    known = any(one and other for one, other in hashes)
    why = "were scored on different data" if known else "do not both say which data they were scored on"
    raise UsageError(f"the two reports {why}; any_data=true compares them all the same")


def diff(before: Mapping[str, Any], after: Mapping[str, Any], margin: float) -> Diff:
    """What changes from one report to the other; changes within `margin` of a score from 0 to 1 are none."""
    reports = [Report.from_json(facts) for facts in (before, after)]
    first, second = (numbers_of(report) for report in reports)
    shared = [key for key in first if key in second]
    tests = Counter(key[0] for key in shared if _sure(first[key]) and _sure(second[key]))
    changes = [change(*key, first[key], second[key], margin, tests[key[0]]) for key in shared]
    notices = [_notices(report) for report in reports]
    return Diff(
        {"before": reports[0].assessment.utility.verdict.answer, "after": reports[1].assessment.utility.verdict.answer},
        changes,
        {
            "new": [line for key, line in notices[1].items() if key not in notices[0]],
            "gone": [line for key, line in notices[0].items() if key not in notices[1]],
        },
        {
            "before": [": ".join(key) for key in first if key not in second],
            "after": [": ".join(key) for key in second if key not in first],
        },
        margin,
    )


def change(part: str, name: str, before: Row, after: Row, margin: float, tests: int) -> Change:
    """From one entry to the other; `tests`: how many differences of the part hold together.

    >>> a, b = {"value": 0.70, "low": 0.66, "high": 0.74}, {"value": 0.80, "low": 0.77, "high": 0.83}
    >>> found = change("p", "n", a, b, 0.01, 1)
    >>> round(found.low, 3), round(found.high, 3), found.answer
    (0.05, 0.15, 'better')
    """
    old, new = before["value"], after["value"]
    difference, low, high = new - old, None, None
    if _sure(before) and _sure(after):
        wider = float(ndtri(1 - LEVEL / 2 / tests) / ndtri(1 - LEVEL / 2))
        low = difference - wider * hypot(new - after["low"], before["high"] - old)
        high = difference + wider * hypot(after["high"] - new, old - before["low"])
    share = after.get("bounds", [0.0, 1.0]) == [0.0, 1.0]
    answer = _answer(difference, low, high, after.get("better") == "lower", margin if share else 0.0)
    return Change(part, name, old, new, difference, low, high, answer)


def _sure(entry: Row) -> bool:
    """Whether an entry has an interval."""
    return entry.get("low") is not None and entry.get("high") is not None


def _answer(difference: float, low: float | None, high: float | None, lower_is_better: bool, margin: float) -> str:
    if difference == 0 or (low is not None and high is not None and -margin <= low and high <= margin):
        return UNCHANGED
    if low is None or high is None or low <= 0 <= high:
        return CANNOT_TELL
    return BETTER if (low > 0) != lower_is_better else WORSE


def numbers_of(report: Report) -> Numbers:
    """All numbers of a report that have a better end, by part and name."""
    found = report.assessment
    return {
        (part, name): entry
        for part, lines in (
            ("verdict", _of_verdict(report)),
            ("utility", _of_arms(found.utility.utility)),
            ("fidelity", _of_spaces(found.best.fidelity.fidelity)),
            ("classes", _of_classes(report)),
            ("privacy", _of_privacy(report)),
        )
        for name, entry in lines
        if has(entry)
    }


def _of_verdict(report: Report) -> Iterator[tuple[str, Row]]:
    """The gain over the best simple way and over real rows, and what each way scores by the first classifier."""
    utility, verdict = report.assessment.utility, report.assessment.utility.verdict
    for gain, against in ((verdict.gain, (verdict.gain or {}).get("against", "")), (verdict.over_nothing, "real_only")):
        if gain:
            yield f"gain over {name_of(against)}", {"value": gain["mean"], "low": gain["low"], "high": gain["high"]}
    for row in utility.utility:
        if row["learner"] == utility.utility[0]["learner"] and row["metric"] == HEADLINE_METRIC:
            yield f"{name_of(HEADLINE_METRIC)}, {name_of(row['arm'])}", {**row, "value": row["mean"]}


def _of_arms(rows: list[dict[str, Any]]) -> Iterator[tuple[str, Row]]:
    for row in rows:
        headline = row["learner"] == rows[0]["learner"] and row["metric"] == HEADLINE_METRIC
        if not headline and row["metric"] != "calibration_slope":  # which is best in the middle
            name = f"{name_of(row['metric'])} of {name_of(row['learner'])}, {name_of(row['arm'])}"
            yield name, {**row, "value": row["mean"]}


def _of_spaces(spaces: Mapping[str, Mapping[str, Row]]) -> Iterator[tuple[str, Row]]:
    for space, entries in spaces.items():
        for metric, entry in entries.items():
            yield f"{name_of(metric)}, seen by {name_of(space)}", entry


def _of_classes(report: Report) -> Iterator[tuple[str, Row]]:
    best, utility = report.assessment.best, report.assessment.utility
    for label, entries in best.fidelity.per_class.items():
        for metric, entry in entries.items():
            name, _, space = metric.partition("[")
            seen = f", seen by {name_of(space[:-1])}" if space else ""
            yield f"{name_of(name)} of class {label}{seen}", entry
    for label, recall in utility.utility_per_class.get(utility.verdict.candidate, {}).items():
        yield f"share recognised of class {label}, with added rows", {"value": recall}


def _of_privacy(report: Report) -> Iterator[tuple[str, Row]]:
    privacy = report.assessment.best.privacy
    for name, entry in privacy.copies().items():
        yield name_of(name), {**entry, "better": "lower"}
    for one in privacy.membership or []:
        if one["release"] != "nothing":
            name = f"attack {name_of(one['attack'])} on {one['release'].replace('+', ' and ')}, AUC"
            yield name, {**one["auc"], "better": "lower"}


def _notices(report: Report) -> dict[tuple[str, str], dict[str, str]]:
    """(code, class) -> fault or warning."""
    lines = [*report.assessment.best.fidelity.faults, *report.warnings]
    return {
        (line["code"], line.get("class", "")): {
            "code": line["code"],
            "class": line.get("class", ""),
            "rank": rank_of(line),
            "text": line["text"],
        }
        for line in lines
    }
