"""The words of docs/glossary.md: what is retired there stands in no name and, where it means rows or roles, in no
docstring. Words of files and of the command line (`made_as`, `learner`) are strings and stay."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "gensynth"
FILES = sorted(ROOT.rglob("*.py"))
TABLES = ("data/", "evaluation/metrics/columns.py", "evaluation/utility/classifiers.py", "models/table_classifier.py")
PRIVATE = ("models/", "provenance/", "steps/", "balancing/", "evaluation/", "report/")

# word in a name -> what to write instead
NAMES = {
    **dict.fromkeys(("made",), "synthetic, augmented or drawn"),
    **dict.fromkeys(("told", "said"), "given, reported"),
    **dict.fromkeys(("asked", "looked"), "requested, seen"),
    "taught": "fitted",
    "yardstick": "fidelity scorer",
    **dict.fromkeys(("judge", "judges", "judged", "judging"), "classifier, filter_classifier, evaluation_classifier"),
    **dict.fromkeys(("learner", "learners"), "classifier"),
    **dict.fromkeys(("lender", "lenders"), "donor class"),
    **dict.fromkeys(("deviation", "deviations"), "std"),
    **dict.fromkeys(("promise", "promises", "promised"), "guarantee"),
    **dict.fromkeys(("trial", "trials"), "evaluation settings"),
    **dict.fromkeys(("level", "levels"), "category"),
    **dict.fromkeys(("fake", "fakes"), "synthetic"),
    "words": "overrides, given",
    **dict.fromkeys(("verdict", "verdicts"), "decision (a person's), mask (a filter's), gate"),
}
# (words, places, why they are right there)
ALLOWED = (
    ("fake fakes", ("evaluation/metrics/", "neighbours.py"), "pure metrics f(real, fake)"),
    ("fake", ("evaluation/fidelity/", "evaluation/bias/cell_scores.py"), "arguments of those metrics"),
    ("words", ("data/facts.py",), "words of a text"),
    ("fake", ("models/cgan.py", "models/terms.py", "models/augment.py", "models/nets/"), "real and fake of a GAN"),
    ("level levels", ("data/audio", "data/image", "data/table_files.py"), "loudness; settings of Pillow and pandas"),
    ("words", ("data/text", "data/identifiers.py", "samplers/text"), "words of a text"),
    ("words", ("evaluation/fidelity/spoiled.py",), "words of a text"),
    ("words", ("rng.py", "models/private/secret.py"), "numbers of 32 and 64 bits"),
    (
        "verdict",
        (
            "evaluation/",
            "report/",
            "compare.py",
            "cli/output.py",
            "pipeline.py",
            "steps/assess.py",
            "steps/job.py",
            "steps/draw.py",
        ),
        "the answer of the arms",
    ),
)
# pattern in a docstring -> (where it is looked for, empty for everywhere; what to write instead)
PHRASES = {
    r"\bmade (rows?|ones?)\b": ((), "synthetic rows"),
    r"\byardsticks?\b": ((), "fidelity scorer"),
    r"\b(the|a|filter|evaluation) judges?\b|`Judge\b": ((), "classifier"),
    r"\blearners?\b": ((), "classifier"),
    r"\blenders?\b": ((), "donor class"),
    r"\btaught\b": ((), "fitted"),
    r"(?<!standard )\bdeviations?\b(?! from)": ((), "standard deviation"),
    r"\bpromis(e|es|ed)\b": (PRIVATE, "guarantee"),
    r"\btrials?\b": ((), "arms, evaluation settings"),
    r"\blevels?\b(?<!top level)": (TABLES, "category"),
    r"\bfakes?\b": ((), "synthetic"),
}
ALLOWED_PHRASES = (
    (r"\bfakes?\b", ("evaluation/metrics/", "models/"), "pure metrics; GANs"),
    (r"\blevels?\b(?<!top level)", ("data/audio", "data/image"), "loudness"),
)

LEFT: dict[str, set[str]] = {}


def parts(name: str) -> set[str]:
    """
    >>> sorted(parts("MOST_Levels")), sorted(parts("fooledByJudge"))
    (['levels', 'most'], ['by', 'fooled', 'judge'])
    """
    return {part.lower() for part in re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).split("_") if part}


def names(node: ast.AST, pure: bool = False) -> Iterator[tuple[str, int, bool]]:
    """(name, line, whether inside f(real, fake) or handed to one) of everything that is named or used below a node."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        arguments = {one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
        pure = pure or {"real", "fake"} <= arguments
    for field in ("name", "id", "attr", "arg", "asname"):
        if isinstance(value := getattr(node, field, None), str):
            handed_on = isinstance(node, ast.keyword) and value == "fake"
            yield value.rsplit(".", 1)[-1], getattr(node, "lineno", 0), pure or handed_on
    for child in ast.iter_child_nodes(node):
        yield from names(child, pure)


def docstrings(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield text, getattr(node, "lineno", 1)


parsed = cache(ast.parse)


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def allowed(word: str, where: str, table: tuple[tuple[str, tuple[str, ...], str], ...]) -> bool:
    return any(where.startswith(places) and word in (words, *words.split()) for words, places, _ in table)


def retired_names(source: str, where: str) -> list[str]:
    found = []
    for name, line, pure in names(parsed(source)):
        for word in parts(name) & set(NAMES):
            of_category = word.startswith("level") and not where.startswith(TABLES)
            of_metric = word.startswith("fake") and pure
            left = name.lower() in LEFT.get(where, set())
            if not (of_category or of_metric or left or allowed(word, where, ALLOWED)):
                found.append(f"{where}:{line}: {name}: write {NAMES[word]}, not {word}")
    return found


def retired_phrases(source: str, where: str) -> list[str]:
    found = []
    for text, line in docstrings(parsed(source)):
        for pattern, (places, instead) in PHRASES.items():
            if (not places or where.startswith(places)) and not allowed(pattern, where, ALLOWED_PHRASES):
                matched = {m[0].lower() for m in re.finditer(pattern, text, re.IGNORECASE)} - LEFT.get(where, set())
                found += [f"{where}:{line}: {words}: write {instead}" for words in sorted(matched)]
    return found


@pytest.mark.parametrize("path", FILES, ids=place)
def test_names_are_those_of_the_glossary(path):
    assert not retired_names(path.read_text(encoding="utf-8"), place(path))


@pytest.mark.parametrize("path", FILES, ids=place)
def test_docstrings_speak_of_rows_and_roles_as_the_glossary_does(path):
    assert not retired_phrases(path.read_text(encoding="utf-8"), place(path))


def test_what_is_retired_is_found():
    source = '"""Made rows, by the judge."""\ndef made_rows(words, *, judge_of=1):\n    x.verdict = MadeRow\n'
    assert len(retired_names(source, "steps/x.py")) == 5
    assert len(retired_phrases(source, "steps/x.py")) == 2
    assert not retired_names("def f(real, fake):\n    return g(real=real, fake=fake.mean())", "steps/x.py")
    assert len(retired_names("fake = 1", "steps/x.py")) == 1
    assert retired_names("levels = 1", "data/x.py")
    assert not retired_names("LEVEL = 0.05", "intervals.py")


@pytest.mark.parametrize(("words", "places", "why"), ALLOWED)
def test_exceptions_are_used_and_have_a_reason(words, places, why):
    files = [path for path in FILES if place(path).startswith(places)]
    used = {word for path in files for name, _, _ in names(parsed(path.read_text("utf-8"))) for word in parts(name)}
    assert used & set(words.split())
    assert why
