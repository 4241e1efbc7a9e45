"""The look before training: facts that are right, advice in order of urgency."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np

from gensynth.data.explore import advise, explore, explore_lines, quarantine_csv
from gensynth.data.finding import Finding
from gensynth.data.sources import Source
from gensynth.types import LabelledData, Schema


def source_of(counts: list[int]) -> Source:
    y = np.repeat(np.arange(len(counts)), counts)
    x = np.zeros((len(y), 1, 2, 2), np.uint8)
    x[:, 0, 0, 0], x[:, 0, 0, 1], x[:, 0, 1, 1] = np.arange(len(y)) % 251, np.arange(len(y)) // 251, 255
    fields = {"height": 2, "width": 2, "channels": 1}
    data = LabelledData.of_real(x, y, Schema("image", tuple("abc"[: len(counts)]), fields))
    return Source(data, np.full(len(y), ""), {}, (), ("two kinds of squares",), "0" * 64)


def with_pixels(source: Source, changes: dict[int, int]) -> Source:
    """Rows become copies of other rows."""
    x = source.data.x.copy()
    for row, other in changes.items():
        x[row] = x[other]
    return replace(source, data=replace(source.data, x=x))


def thirds(source: Source) -> np.ndarray:
    return np.resize(np.array(["train", "val", "test"]), len(source.data))


def test_counts_and_ratio() -> None:
    source = source_of([90, 30])
    facts = explore(source, thirds(source))
    assert facts["n"] == 120
    assert facts["classes"]["a"] == {"train": 30, "val": 30, "test": 30, "total": 90}
    assert facts["imbalance_ratio"] == 3.0
    assert facts["image"] == {"height": 2, "width": 2, "channels": 1, "resized": 0}
    assert json.loads(json.dumps(facts)) == facts


def test_duplicates_conflicts_and_leaks() -> None:
    source = with_pixels(source_of([60, 60]), {3: 0, 6: 0, 60: 9, 4: 2})
    facts = explore(source, thirds(source))
    assert facts["duplicates"] == {"exact": 4, "examples": [["0", "3", "6"], ["2", "4"], ["9", "60"]]}
    assert facts["label_conflicts"] == [{"rows": ["9", "60"], "labels": ["a", "b"]}]
    assert facts["leaks"] == [{"rows": ["2", "4"], "splits": ["test", "val"]}]


def test_constant_images_are_flat_in_every_channel() -> None:
    source = source_of([30, 30])
    x = np.repeat(source.data.x, 3, axis=1)
    x[5], x[6, 0], x[6, 1], x[6, 2] = 7, 10, 20, 30
    facts = explore(replace(source, data=replace(source.data, x=x)), thirds(source))
    assert facts["constant_images"] == ["5", "6"]


def test_advice_starts_with_what_makes_scores_wrong() -> None:
    source = with_pixels(source_of([200, 21]), {1: 0})
    source = replace(source, quarantine=(Finding("x.png", "truncated", "cut"),))
    advice = explore(source, thirds(source))["advice"]
    assert [text.split()[0] for text in advice] == ["1", "1", "1", "fewer", "fewer", "the"]
    assert "more than one split" in advice[0]
    assert 'too few for a generator: "b" 7' in advice[3]
    assert '"b" 7' in advice[4]
    assert "9.57 times" in advice[5]


def test_clean_balanced_data_has_no_advice() -> None:
    source = source_of([90, 90])
    facts = explore(source, thirds(source))
    assert facts["advice"] == []
    assert explore_lines(facts)[-1] == "nothing to fix was found"


def test_class_without_train_rows_has_no_ratio() -> None:
    source = source_of([30, 30])
    facts = explore(source, np.where(source.data.y == 1, "test", "train"))
    assert facts["imbalance_ratio"] is None
    assert any('"b" 0' in text for text in advise(facts))


def test_lines_hold_a_bar_for_every_class() -> None:
    source = source_of([240, 60, 3])
    lines = explore_lines(explore(source, thirds(source)))
    assert lines[0] == "two kinds of squares"
    assert [line.count("#") for line in lines[3:6]] == [40, 10, 1]
    assert lines[3].split()[:5] == ["a", "80", "80", "80", "240"]
    assert lines[-1].startswith("3. ")


def test_lines_do_not_pass_on_control_characters() -> None:
    source = source_of([30, 30])
    schema = replace(source.data.schema, classes=("a\x1b[2J", "b"))
    facts = explore(replace(source, data=replace(source.data, schema=schema)), thirds(source))
    assert "\x1b" not in "\n".join(explore_lines(facts))


def test_quarantine_csv_comes_back() -> None:
    findings = [Finding('a, "b".png', "truncated", "cut\nshort"), Finding("ü.png", "link", "x")]
    rows = list(csv.DictReader(io.StringIO(quarantine_csv(findings))))
    assert [Finding(**row) for row in rows] == findings
