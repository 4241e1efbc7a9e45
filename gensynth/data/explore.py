"""A look at the data before anything is trained: counts, repeats, leaks, and what to fix first."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from gensynth.data.finding import Finding, printable
from gensynth.data.identifiers import flag_columns, flag_texts
from gensynth.data.kinds import modality_of
from gensynth.data.source import Source
from gensynth.types import LabelledData

SPLITS = ("train", "val", "test")
FEW_ROWS = 20
FEW_TEST_ROWS = 10
MOST_GROUPS = 30
_SHOWN = 100


def explore(source: Source, split: np.ndarray) -> dict[str, Any]:
    """Facts as plain JSON: counts, imbalance, image size, repeats, conflicts, leaks, quarantine, advice.

    `label_conflicts`, `leaks` and `constant_images` show the first 100; their full numbers are under `found`.
    """
    data = source.data
    repeats = _equal_rows(data)
    conflicts = [rows for rows in repeats if len(set(data.y[rows].tolist())) > 1]
    leaks = [rows for rows in repeats if len(set(split[rows].tolist())) > 1]
    personal = find_personal(source)
    own, found = modality_of(data.schema).facts(source)
    for one in personal:  # nothing of a cell that may name a person is shown
        shown = own.get("columns", {}).get(one["column"], {})
        shown |= {key: one["examples_masked"][:2] for key in ("examples", "written") if key in shown}
    facts = {
        "modality": data.schema.modality,
        "n": len(data),
        "classes": _class_counts(data, split),
        **own,
        "groups": _group_counts(data, {facts["column"] for facts in personal}),
        "personal": personal,
        "deidentified": list(source.deidentified),
        "duplicates": {
            "exact": int(sum(len(rows) - 1 for rows in repeats)),
            "examples": [data.ids[rows].tolist() for rows in repeats[:5]],
        },
        "label_conflicts": [_with_labels(data, rows) for rows in conflicts[:_SHOWN]],
        "leaks": [{"rows": data.ids[rows].tolist(), "splits": split[rows].tolist()} for rows in leaks[:_SHOWN]],
        "found": {"label_conflicts": len(conflicts), "leaks": len(leaks), **found},
        "quarantine": [asdict(finding) for finding in source.quarantine],
        "notes": list(source.notes),
        "sha256": source.sha256,
    }
    facts["imbalance_ratio"] = imbalance_ratio(facts["classes"])
    facts["advice"] = advise(facts)
    return facts


def find_personal(source: Source) -> list[dict[str, Any]]:
    """What looks like a person in columns and texts: {"column", "kind", "share", "examples_masked"} of each.

    Columns are those of a table, or those that came beside images and recordings; the label is not looked at.
    """
    data, fields = source.data, source.data.schema.fields
    if source.cells is None:
        flat = {name: column for name, column in data.groups.items() if column.ndim == 1}
        return flag_columns(pd.DataFrame(flat, dtype=object))
    cells = source.cells.drop(columns=[fields["label"], *([fields["text"]] if "text" in fields else [])])
    of_kind = {k: [c["name"] for c in fields["columns"] if c["kind"] == k] for k in ("identifier", "datetime")}
    in_columns = flag_columns(cells, of_kind["identifier"], of_kind["datetime"])
    return [*(flag_texts(data.x, fields["text"]) if "text" in fields else []), *in_columns]


def _group_counts(data: LabelledData, hidden: set[str]) -> dict[str, dict[str, dict[str, int]]]:
    """{column: {value: {class: rows}}} of the group columns with at most MOST_GROUPS values that name nobody."""
    tables: dict[str, Any] = {}
    for name, cells in data.groups.items():
        if cells.ndim > 1 or name in hidden or len(np.unique(cells)) > MOST_GROUPS:
            continue  # masks, and columns whose values are people
        counts = pd.crosstab(cells, data.y).reindex(columns=range(len(data.schema.classes)), fill_value=0)
        rows = counts.set_axis(data.schema.classes, axis=1).to_dict("index")
        tables[name] = {str(value): {str(c): int(n) for c, n in row.items()} for value, row in rows.items()}
    return tables


def shared_rows(train: LabelledData, other: LabelledData) -> int:
    """How many rows of `other` have the content of a row of `train`."""
    return int(np.isin(other.content_hashes(), train.content_hashes()).sum())


def _equal_rows(data: LabelledData) -> list[np.ndarray]:
    """Indices of rows with equal content, one array for each content that occurs more than once, by first row."""
    contents = pd.Series(data.contents(), dtype=object)
    repeated = np.flatnonzero(contents.duplicated(keep=False))
    codes, _ = pd.factorize(contents.iloc[repeated])
    repeated = repeated[np.argsort(codes, kind="stable")]
    return np.split(repeated, np.cumsum(np.bincount(codes))[:-1]) if len(repeated) else []


def _with_labels(data: LabelledData, rows: np.ndarray) -> dict[str, list[str]]:
    return {"rows": data.ids[rows].tolist(), "labels": [data.schema.classes[k] for k in data.y[rows]]}


def _class_counts(data: LabelledData, split: np.ndarray) -> dict[str, dict[str, int]]:
    table = {}
    for k, name in enumerate(data.schema.classes):
        mine = split[data.y == k]
        table[name] = {part: int((mine == part).sum()) for part in SPLITS} | {"total": len(mine)}
    return table


def imbalance_ratio(classes: dict[str, dict[str, int]]) -> float | None:
    """Largest class of train over smallest; None where a class has no train row.

    >>> imbalance_ratio({"a": {"train": 90}, "b": {"train": 4}})
    22.5
    """
    train = [counts["train"] for counts in classes.values()]
    return round(max(train) / min(train), 2) if min(train) else None


def advise(facts: dict[str, Any]) -> list[str]:
    """What to fix, most urgent first: what makes results wrong, then what makes them weak."""
    return [*_advice_on_people(facts), *_advice_on_rows(facts), *_advice_on_classes(facts)]


def _advice_on_people(facts: dict[str, Any]) -> list[str]:
    """One line that names every column which looks like people, and the words that take them out."""
    kinds: dict[str, list[str]] = {}
    for one in facts.get("personal", []):
        if one["kind"] != "identifier":  # new ones are made for synthetic rows
            kinds.setdefault(one["column"], []).append(one["kind"])
    if not kinds:
        return []
    reported = ", ".join(f'"{column}" ({", ".join(found)})' for column, found in kinds.items())
    action = "mask" if "text" in facts else "drop"
    example = ", ".join(f"{column}: {action}" for column in kinds)
    return [f"these look like people: {reported}: take them out with data.deidentify='{{{example}}}', or say why not"]


def _advice_on_rows(facts: dict[str, Any]) -> list[str]:
    found, duplicates, quarantine = facts["found"], facts["duplicates"]["exact"], facts["quarantine"]
    checks: list[tuple[int, str]] = [
        (found["leaks"], "{n} {rows} lie in more than one split: test scores will flatter; remove them from train"),
        (found["label_conflicts"], "{n} {rows} carry more than one label: decide which is right"),
        (len(quarantine), "{n} files or folders were left out (quarantine.csv says why): repair or delete them"),
        (duplicates, "{n} {rows} repeat another one: they weigh double and make copies hard to tell"),
        (found.get("constant_images", 0), "{n} images are one flat colour: probably empty scans"),
        (found.get("alike", 0) - duplicates, "{n} {rows} equal another one but for case and space"),
        (found.get("full_scale", 0), "{n} {rows} reach full scale: they may be clipped"),
    ]
    rows = _word(facts)
    return [sentence.format(n=n, rows=rows) for n, sentence in checks if n > 0]


def _word(facts: dict[str, Any]) -> str:
    return {"image": "images", "text": "texts", "audio": "recordings"}.get(facts.get("modality", "image"), "rows")


def _advice_on_classes(facts: dict[str, Any]) -> list[str]:
    classes, ratio, rows, advice = facts["classes"], facts["imbalance_ratio"], _word(facts), []
    for least, part, split, what in (
        (FEW_ROWS, "train", "training", "too few for a generator"),
        (FEW_TEST_ROWS, "test", "test", "scores will be vague"),
    ):
        if few := [f'"{name}" {c[part]}' for name, c in classes.items() if c[part] < least]:
            advice.append(f"fewer than {least} {split} {rows}, {what}: {', '.join(few)}")
    if ratio is not None and ratio >= 1.5:
        advice.append(f"the largest class has {ratio:g} times the training {rows} of the smallest: balance it")
    return advice


def explore_lines(facts: dict[str, Any]) -> list[str]:
    """The same for a terminal: what was read, a table of classes with bars, then advice."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gensynth.data"),
        finalize=lambda value: printable(value) if isinstance(value, str) else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["widest"] = lambda least, names: max([least, *map(len, names)])
    environment.globals["rarest_of"] = lambda table: min(
        next(iter(table.values())), key=lambda c: sum(row[c] for row in table.values())
    )
    text = environment.get_template("explore.txt.j2").render(facts={"groups": {}} | facts)
    return [line.rstrip() for line in text.rstrip("\n").split("\n")]


def quarantine_csv(findings: Iterable[Finding]) -> str:
    """CSV text with the columns file, reason, detail."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "reason", "detail"])
    writer.writerows([finding.file, finding.reason, finding.detail] for finding in findings)
    return text.getvalue()
