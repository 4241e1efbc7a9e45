"""Rooms import only downwards, and each outside library lives where the design puts it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "gensynth"
LAYERS = [  # the lowest first
    {"types", "rng", "errors", "signals", "files", "progress", "intervals", "neighbours"},
    {"data"},
    {"models"},
    {"training"},
    {"samplers"},
    {"balancing"},
    {"evaluation", "metrics"},
    {"provenance", "run_folder"},
    {"report"},
    {"steps"},
    {"review", "verify", "dashboard"},
    {"pipeline"},
    {"compare"},
    {"cli", "__main__"},
    {"api"},
]
ALLOWED = {"hydra": {"cli"}, "omegaconf": {"cli"}, "lightning": {"models", "training"}, "wandb": {"training"}}
FILES = sorted(ROOT.rglob("*.py"))


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def level(name: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if name in layer)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downwards(path):
    if room(path) == "__init__":
        return
    own = {n.split(".")[1] for n in imports(path) if n.startswith("gensynth.") and not n.startswith("gensynth.__")}
    above = {n for n in own if level(n) > level(room(path))}
    assert not above, f"{path.name} imports from rooms above it: {above}"


@pytest.mark.parametrize("library", ALLOWED)
def test_libraries_stay_in_their_rooms(library):
    users = {room(p) for p in FILES if any(n.split(".")[0] == library for n in imports(p))}
    assert users <= ALLOWED[library]


def test_every_room_is_in_a_layer():
    assert {room(p) for p in FILES} - {"__init__"} <= set().union(*LAYERS)


def modality_comparisons(path: Path) -> list[int]:
    """Lines that compare a modality (a name, an attribute or a key called so) or ask whether rows are `tabular`."""
    lines = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr == "tabular":
            lines.append(node.lineno)
        if isinstance(node, ast.Compare):
            sides = [part for side in (node.left, *node.comparators) for part in ast.walk(side)]
            words = {getattr(part, "attr", getattr(part, "id", getattr(part, "value", None))) for part in sides}
            lines += [node.lineno] * ("modality" in {word for word in words if isinstance(word, str)})
    return lines


def test_what_rows_are_is_told_by_their_record_not_by_comparisons():
    found = {path.name: lines for path in FILES if (lines := modality_comparisons(path))}
    assert sum(map(len, found.values())) <= 20, found
    assert modality_comparisons(ROOT / "samplers" / "sampler.py"), "nothing is counted any more"


def test_the_top_is_small_and_no_file_or_function_is_long():
    assert len([p for p in ROOT.glob("*.py") if not p.name.startswith("__")]) <= 14
    long_files = {p.name: n for p in FILES if (n := len(p.read_text(encoding="utf-8").splitlines())) > 400}
    assert not long_files
    assert len((ROOT / "pipeline.py").read_text(encoding="utf-8").splitlines()) <= 250, "one function a verb"
    long_functions = [
        f"{path.name}: {node.name}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno + 1 > 60
    ]
    assert not long_functions
