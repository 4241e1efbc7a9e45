"""Columns that name people are dropped, masked or replaced before anything sees them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import write_digit_folder

from gensynth.data.deidentify import KEY, deidentified
from gensynth.data.sources import read_path
from gensynth.data.table_source import read_table
from gensynth.data.text_source import read_text
from gensynth.errors import UsageError

SECRET = "a key that is long enough"
ACTIONS = "{email: drop, phone: mask, who: replace}"


def frame(**columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame({name: np.array(cells, object) for name, cells in columns.items()}, dtype=object)


def people(path: Path, n: int = 240) -> Path:
    """A table with e-mail addresses, telephone numbers and the names of 30 people, eight rows each."""
    random = np.random.default_rng(0)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["who", "email", "phone", "amount", "label"])
        for i in range(n):
            phone = f"+44 20 7946 {i:04d}" if i % 10 else ""
            amount = f"{random.normal(5 * (i % 4 == 0)):.3f}"
            writer.writerow([f"Person Canary{i % 30}", f"canary{i}@example.org", phone, amount, "ab"[min(i % 4, 1)]])
    return path


def test_actions_change_what_they_name_and_leave_gaps():
    cells = frame(a=["x@y.org", "", "z@y.org"], b=["Ann", "Bo", "Ann"], c=["1", "2", "3"], d=["q", "?", "q"])
    out, done = deidentified(cells, {"a": "mask", "b": "replace", "c": "drop", "d": "mask"}, kept={})
    assert list(out.columns) == ["a", "b", "d"]
    assert out["a"].tolist() == ["[EMAIL]", "", "[EMAIL]"]
    assert out["d"].tolist() == ["[MASKED]", "?", "[MASKED]"]
    assert out["b"][0] == out["b"][2] != out["b"][1]
    assert out["b"].str.fullmatch("[a-p]{16}").all()
    assert done == (
        {"column": "a", "action": "mask", "cells": 2},
        {"column": "b", "action": "replace", "cells": 3},
        {"column": "c", "action": "drop", "cells": 3},
        {"column": "d", "action": "mask", "cells": 2},
    )
    assert cells["b"].tolist() == ["Ann", "Bo", "Ann"]


def test_pseudonyms_are_keyed(monkeypatch):
    cells = frame(b=["Ann", "Bo"])
    one, two = (deidentified(cells, {"b": "replace"}, kept={})[0]["b"].tolist() for _ in range(2))
    assert set(one).isdisjoint(two), "a key of its own each time"
    monkeypatch.setenv(KEY, SECRET)
    three, four = (deidentified(cells, {"b": "replace"}, kept={})[0]["b"].tolist() for _ in range(2))
    assert three == four
    monkeypatch.setenv(KEY, SECRET + "!")
    assert set(deidentified(cells, {"b": "replace"}, kept={})[0]["b"]).isdisjoint(three)
    monkeypatch.setenv(KEY, "short")
    with pytest.raises(UsageError, match="has 5 characters"):
        deidentified(cells, {"b": "replace"}, kept={})


def test_texts_are_changed_inside(tmp_path):
    path = tmp_path / "sms.tsv"
    lines = ["spam\tcall 08718730666 now", "ham\tsee you", "spam\t08718730666 or a@b.org", "ham\tok"]
    path.write_text("label\ttext\n" + "\n".join(lines) + "\n", encoding="utf-8")
    source = read_text(str(path), text="text", deidentify={"text": "mask"})
    assert source.data.x.tolist() == ["call [PHONE] now", "see you", "[PHONE] or [EMAIL]", "ok"]
    assert source.deidentified == ({"column": "text", "action": "mask", "cells": 2},)
    assert source.cells["text"].tolist() == source.data.x.tolist()
    replaced = read_text(str(path), text="text", deidentify={"text": "replace"}).data.x.tolist()
    first, second = (replaced[i].split("[PHONE ")[1].split("]")[0] for i in (0, 2))
    assert first == second
    with pytest.raises(UsageError, match=r"needed as data\.text"):
        read_text(str(path), text="text", deidentify={"text": "drop"})


def test_columns_beside_images(tmp_path):
    folder = write_digit_folder(tmp_path / "in", {"zero": 20, "one": 20})
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.png"))]
    lines = [f"{name},{name.split('/')[0]},Patient {i % 4},{i % 2}" for i, name in enumerate(names)]
    (folder / "metadata.csv").write_text("file_name,label,patient,site\n" + "\n".join(lines), encoding="utf-8")
    source = read_path(str(folder), deidentify={"patient": "replace", "site": "drop"})
    assert set(source.data.groups) == {"patient"}
    assert len(set(source.data.groups["patient"])) == 4
    assert not any("Patient" in value for value in source.data.groups["patient"])
    with pytest.raises(UsageError, match='no column "patent"; did you mean "patient"'):
        read_path(str(folder), deidentify={"patent": "drop"})


@pytest.mark.parametrize(
    ("actions", "words", "hint"),
    [
        ({"emial": "drop"}, {}, 'no column "emial"; did you mean "email"'),
        ({"email": "hash"}, {}, "email: hash is not known"),
        ({"label": "mask"}, {}, "is the label"),
        ({"who": "drop"}, {"subject": "who"}, r"needed as data\.subject"),
        ({"who": "drop"}, {"groups": ["who"]}, r"needed as data\.groups"),
    ],
)
def test_wrong_words_are_a_sentence(actions, words, hint, tmp_path):
    with pytest.raises(UsageError, match=hint):
        read_table(str(people(tmp_path / "p.csv")), deidentify=actions, **words)


def test_a_label_named_by_position_stays_the_label(tmp_path):
    source = read_table(str(people(tmp_path / "p.csv")), label="-1", deidentify={"who": "drop", "email": "drop"})
    assert source.data.schema.fields["label"] == "label"


def test_rows_of_one_subject_stay_together_under_their_pseudonym(tmp_path):
    source = read_table(str(people(tmp_path / "p.csv")), subject="who", deidentify={"who": "replace"})
    _, counts = np.unique(source.data.groups["who"], return_counts=True)
    assert counts.tolist() == [8] * 30


@pytest.mark.parametrize("typed", [ACTIONS, "[email, 'phone:mask', 'who:replace']"])
def test_no_output_holds_what_was_taken_out(typed, tmp_path, run_cli, monkeypatch):
    monkeypatch.setenv(KEY, SECRET)
    path = people(tmp_path / "people.csv")
    code, out, err = run_cli("explore", path, f"data.deidentify={typed}", f"out={tmp_path}/e")
    assert code == 0, err
    facts = json.loads((tmp_path / "e/explore.json").read_text(encoding="utf-8"))
    assert facts["deidentified"] == [
        {"column": "email", "action": "drop", "cells": 240},
        {"column": "phone", "action": "mask", "cells": 216},
        {"column": "who", "action": "replace", "cells": 240},
    ]
    assert "email" not in facts["columns"]


def test_a_balanced_table_holds_pseudonyms_and_nothing_else(tmp_path, run_cli, monkeypatch):
    monkeypatch.setenv(KEY, SECRET)
    words = (f"data.deidentify={ACTIONS}", f"out={tmp_path}/out", "utility.run=false", "sampler=jitter")
    code, _, err = run_cli("balance", people(tmp_path / "people.csv"), *words)
    assert code == 0, err
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for canary in (b"Canary", b"canary", b"7946", SECRET.encode()):
                assert canary not in content, path.name
    code, reported, err = run_cli("merge", tmp_path / "out")
    assert code == 0, err
    code, reported, err = run_cli("verify", tmp_path / "out/dataset")
    assert code == 0, reported + err
