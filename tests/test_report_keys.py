"""report.json stays readable for what was written against it: no key goes, none changes its kind, numbers hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import FAST

from gensynth.cli import main

RECORDED = json.loads((Path(__file__).parent / "recorded" / "report_keys.json").read_text(encoding="utf-8"))
TIMED = ("timing", "seconds_per_1000")  # what a step is called, and how long it takes, may change
RELATIVE = 0.02


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Key path and value of everything that is no mapping; of lists the first item stands for all."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, f"{path}/{key}")
    elif isinstance(value, list) and value:
        yield from leaves(value[0], f"{path}/0")
    else:
        yield path, value


def kind(value: Any) -> str:
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def against_recorded(name: str, facts: dict[str, Any]) -> None:
    """Every recorded key is there, of its kind; what was empty may have been filled. Recorded numbers hold."""
    stored, found = RECORDED[name], dict(leaves(facts))
    for was, path in ((was, path) for was, paths in stored["kinds"].items() for path in paths):
        if was == "dict":
            assert path in found or any(other.startswith(f"{path}/") for other in found), path
        elif was == "list" and path not in found:
            assert any(f"{other}/".startswith(f"{path}/0/") for other in found), path
        elif not any(word in path for word in TIMED):
            assert kind(found[path]) == was, path
    for path, number in stored["numbers"].items():
        assert found[path] == pytest.approx(number, rel=RELATIVE, abs=1e-9), path


@pytest.fixture(scope="module")
def balanced(tmp_path_factory):
    out = tmp_path_factory.mktemp("keys") / "b"
    words = ("model.width=8", "target=230", "utility.run=false", f"out={out}", *FAST[:2], "logger=none")
    assert main(["balance", "breast_cancer", *words]) == 0
    return out


def test_balance_tells_all_that_it_told(balanced):
    against_recorded("balance", json.loads((balanced / "report.json").read_text(encoding="utf-8")))


def test_evaluate_tells_all_that_it_told(balanced, tmp_path):
    words = (f"real={balanced}/dataset", f"synthetic={balanced}/dataset", "data.label=diagnosis", "utility.run=false")
    assert main(["evaluate", *words, f"out={tmp_path}/e"]) == 0
    against_recorded("evaluate", json.loads((tmp_path / "e/report.json").read_text(encoding="utf-8")))
