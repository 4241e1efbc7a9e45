"""`gensynth forget`: what depends on a row of the source, over all runs below a folder.

Nothing is deleted. A generator that was trained on a row, and what came out of it, have to be made again without it.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gensynth.balancing.ledger import read_ledger
from gensynth.errors import UsageError
from gensynth.training.bundle import file_sha256
from gensynth.types import REAL

USES = {
    "train": "trained on: codec, generator, judge and filters have learned from it",
    "val": "used to choose: thresholds, target=auto and the state of the generator",
    "test": "used to score: the numbers of the report",
    "": "set aside: no split holds it",
}
DRAWN = "drawn"  # in place of a split: a folder that does not know the row, of rows from a generator that does


@dataclass(frozen=True)
class Dependence:
    """What one run made of a row, or what was drawn elsewhere from its generator.

    run         its folder, relative to where was looked
    split       train, val or test; `drawn` for rows that lie apart from the run, as those of `sample` do
    generators  sha256 of bundles that were trained on it, by their folder in the run
    rows        {how: row ids of the data set}: `real` the row itself, `parent` made from it, `named` made with its help
    may_hold    {sampler: rows}: made out of all training rows of the class together, none named
    drawn       {sampler: rows} drawn from a generator that was trained on it
    """

    run: str
    split: str
    generators: dict[str, str]
    rows: dict[str, list[str]]
    may_hold: dict[str, int]
    drawn: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def forget(row_id: str, runs: Path) -> list[Dependence]:
    """Every run below a folder that knows the row of the source, then folders of rows from generators of such runs.

    UsageError where there is no run.
    """
    if not runs.is_dir():
        raise UsageError(f"there is no folder {runs.name!r}; name the one that holds your runs: runs=DIR")
    found = sorted(path.parents[1] for path in runs.rglob("split.csv") if path.parent.name == "run")
    if not found:
        raise UsageError(f"no run below {runs.resolve().name!r} (looked for run/split.csv); name another: runs=DIR")
    reported = {}
    for out in found:
        split = split_of(out, row_id)
        if split is not None:
            reported[out] = _dependence(row_id, out, _name(out, runs), split)
    bundles = {sha256 for one in reported.values() for sha256 in one.generators.values()}
    own = {out / "dataset" for out, one in reported.items() if one.split == "train"}
    return [*reported.values(), *_drawn_elsewhere(row_id, bundles, runs, own)]


def _name(folder: Path, runs: Path) -> str:
    return runs.resolve().name if folder == runs else folder.relative_to(runs).as_posix()


def _drawn_elsewhere(row_id: str, bundles: set[str], runs: Path, own: set[Path]) -> Iterator[Dependence]:
    """Folders below `runs` whose ledger names one of the bundles; `own` are those that were looked at."""
    for path in sorted(runs.rglob("ledger.csv")):
        text = path.read_bytes() if path.parent not in own else b""
        if any(sha256.encode() in text for sha256 in bundles):  # another program's ledger.csv names none
            yield Dependence(_name(path.parent, runs), DRAWN, {}, *_synthetic_of(row_id, read_ledger(path)))


def split_of(out: Path, row_id: str) -> str | None:
    """The split of a row in a run; None where the run does not know it."""
    with (out / "run" / "split.csv").open(encoding="utf-8", newline="") as file:
        return next((line["split"] for line in csv.DictReader(file) if line["row_id"] == row_id), None)


def _dependence(row_id: str, out: Path, name: str, split: str) -> Dependence:
    """For val and test rows: their place in the data set; for train rows: everything that was made."""
    manifests = sorted(out.glob("generator/manifest.json")) + sorted(out.glob("arms/*/generator/manifest.json"))
    trained = {path.parent.relative_to(out).as_posix(): file_sha256(path) for path in manifests}
    ledger = out / "dataset" / "ledger.csv"
    lines = read_ledger(ledger) if ledger.is_file() and split == "train" else []
    return Dependence(name, split, trained if split == "train" else {}, *_synthetic_of(row_id, lines))


def _synthetic_of(
    row_id: str, lines: list[dict[str, str]]
) -> tuple[dict[str, list[str]], dict[str, int], dict[str, int]]:
    """`rows`, `may_hold` and `drawn` of a Dependence, from the lines of a ledger."""
    label = next((line["label"] for line in lines if line["source"] == REAL and line["parent"] == row_id), None)
    rows: dict[str, list[str]] = {"real": [], "parent": [], "named": []}
    may_hold: Counter[str] = Counter()
    drawn: Counter[str] = Counter()
    for line in lines:
        if line["source"] == REAL:
            rows["real"] += [line["row_id"]] if line["parent"] == row_id else []
        elif line["parent"] == row_id:
            rows["parent"].append(line["row_id"])
        elif row_id in _texts(line["params"]):
            rows["named"].append(line["row_id"])
        elif line["generator_sha256"]:
            drawn[line["sampler"]] += 1
        elif not line["parent"] and line["label"] == label:
            may_hold[line["sampler"]] += 1
    kept = {how: ids for how, ids in rows.items() if ids}
    return kept, dict(may_hold), dict(drawn)


def _texts(params: str) -> set[str]:
    """Every text in a row's parameters, at any depth."""
    nodes = [json.loads(params)] if params else []
    for node in nodes:  # which grows by what a node holds
        nodes += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return {node for node in nodes if isinstance(node, str)}


def forget_lines(row_id: str, found: list[Dependence]) -> list[str]:
    """The same for a terminal."""
    if not found:
        return [f'no run knows the row "{row_id}"']
    lines = []
    for one in found:
        known = f'row "{row_id}" in {one.split or "no split"}; {USES.get(one.split, "")}'
        drawn = f'rows from a generator that was trained on row "{row_id}"'
        lines.append(f"{one.run}: {drawn if one.split == DRAWN else known}")
        lines += [f"  generator {sha256[:16]} ({place}) was trained on it" for place, sha256 in one.generators.items()]
        sentences = {"real": "the row itself", "parent": "made from it", "named": "made from another row with its help"}
        lines += [f"  {len(ids)} {sentences[how]}: {_shown(ids)}" for how, ids in one.rows.items()]
        lines += [f"  {n} rows of {name} may hold a part of it" for name, n in one.may_hold.items()]
        lines += [f"  {n} rows of {name} were drawn from a generator trained on it" for name, n in one.drawn.items()]
    return lines


def _shown(ids: list[str], most: int = 10) -> str:
    rest = len(ids) - most
    return ", ".join(ids[:most]) + (f" and {rest} more" if rest > 0 else "")
