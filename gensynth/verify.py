"""`gensynth verify`: are the files what they were, and do synthetic rows come out of what made them again.

A row is made again by the code that made it: per_row samplers from label, seed and index of its ledger line, per_set
ones by drawing their whole set. It counts where its file's bytes, or its cells, hash to the ledger's content_sha256.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gensynth import __version__, rng
from gensynth.balancing.draw import rows_at_once
from gensynth.balancing.export import encode_row
from gensynth.balancing.ledger import read_ledger
from gensynth.balancing.mark import mark_of, read_mark
from gensynth.balancing.merge import ATTEMPTS, DRAWS
from gensynth.balancing.table_export import RowWriter, identifiers_of, row_hashes, synthetic_seeds
from gensynth.data.columns import Column, issue
from gensynth.data.conditions import CELL, Conditions
from gensynth.data.kinds import modality_of
from gensynth.errors import DataError, GateError, UsageError
from gensynth.files import file_sha256
from gensynth.models.generator import Generator
from gensynth.provenance.contents import archive_of, check_ledger, is_drawn, rows_below
from gensynth.provenance.hashes import MANIFEST, SEAL, check_dataset, check_generator, check_links, check_run
from gensynth.samplers.generator import GeneratorSampler
from gensynth.samplers.sampler import OfGenerator, Sampler, wants_generator
from gensynth.steps.job import FILE as JOB
from gensynth.steps.job import read_job
from gensynth.steps.reopen import SplitData, read_state, reread
from gensynth.training.bundle import Bundle, load_bundle
from gensynth.types import REAL, LabelledData, Schema

Line = dict[str, str]
_NO_GENERATOR = "no generator beside them; name the one that made them: generator=PATH"


@dataclass(frozen=True)
class Verified:
    """What was checked, in sentences; `findings` is empty where all is well."""

    findings: tuple[str, ...]
    reported: tuple[str, ...]


@dataclass(frozen=True)
class Makers:
    """What made the rows of a ledger: samplers by name, fitted; conditions and the identifiers of real rows."""

    samplers: dict[str, Sampler]
    conditions: Conditions
    taken: dict[str, set[str]]


def find_dataset(path: Path) -> Path:
    """A dataset folder, that of a run, or the folder of a `sample`; UsageError where there is no ledger."""
    for folder in (path, path / "dataset"):
        if (folder / "ledger.csv").is_file():
            return folder.resolve()
    raise UsageError(f"{path.name or path} holds no ledger.csv; give a data set: gensynth verify OUT/dataset")


def has_run(dataset: Path) -> bool:
    """Whether a data set lies in the run that made it: some part of it is there, be it not the whole.

    What `sample` wrote may lie beside a generator, and in a run of `train`.
    """
    parts = ("report.json", SEAL) if is_drawn(dataset) else ("report.json", "run")
    return dataset.name == "dataset" and any((dataset.parent / part).exists() for part in parts)


def verify(
    dataset: Path,
    generator: Path | None,
    build: Callable[[], tuple[Sequence[Sampler], str]],
    n: int,
    seed: int,
    model: type[Generator] | None = None,
) -> Verified:
    """Check every hash, then make n random synthetic rows again.

    build  sampler and fallback of the run, not fitted, and why rows of another one cannot be made again
    model  class of the generator, where it is none of gensynth/models/
    GateError where the generator is damaged or not the one that the ledger names.
    """
    findings, reported = check_files(dataset, generator)
    if findings:
        return Verified(tuple(findings), (*reported, "rows were not made again: the files are not what they were"))
    lines = [line for line in read_ledger(dataset / "ledger.csv") if line["source"] != REAL and line["sampler"]]
    samplers, why_not = build()
    makers, reasons = ready(dataset, generator, samplers, lines, model)
    places = [i for i, line in enumerate(lines) if line["sampler"] in makers.samplers] if makers else []
    for name in sorted({line["sampler"] for line in lines} - set(makers.samplers if makers else ())):
        count = sum(line["sampler"] == name for line in lines)
        reported.append(f"not checked: {count} rows of {name} ({reasons.get(name, why_not)})")
    chosen = sorted(rng.numpy_generator(seed, "verify").permutation(places)[:n].tolist())
    again = hashes_again(dataset, makers, lines, chosen) if makers and chosen else {}
    wrong = [lines[i] for i in chosen if again[i] != lines[i]["content_sha256"]]
    findings = [f"not made again: row {line['row_id']} ({line['sampler']}, {line['label']})" for line in wrong]
    if chosen:
        reported.append(f"{len(chosen) - len(wrong)} of {len(chosen)} rows regenerate")
    return Verified(tuple(findings), tuple(reported))


def check_files(dataset: Path, generator: Path | None = None) -> tuple[list[str], list[str]]:
    """(findings, what was checked) of a data set and the run it lies in, or of the folder of a `sample`.

    generator  the one its rows were drawn from, where it does not lie beside them
    """
    findings: list[str] = []
    reported = ["rows against ledger.csv"]
    if has_run(dataset) or not is_drawn(dataset):
        findings, reported = check_dataset(dataset), [f"{dataset.name}: every file against {MANIFEST}"]
    if has_run(dataset):
        more, also = _check_beside(dataset.parent)
        findings, reported = findings + more, reported + also
        findings += [] if set(findings) - {f"missing: {SEAL}"} else check_links(dataset.parent, dataset)
    findings += check_generator(generator) if generator else []
    if not findings:
        findings, left = check_ledger(dataset, _fields(dataset, generator))
        reported += left
    return list(dict.fromkeys(findings)), reported


def _check_beside(run: Path) -> tuple[list[str], list[str]]:
    """(findings, what was checked) of a run, apart from its data set."""
    findings, reported = [], []
    if (run / "generator").is_dir():
        findings += check_generator(run / "generator")
        reported.append(f"generator: every file against {MANIFEST}")
    if (run / SEAL).is_file():
        findings += check_run(run)
        reported.append(f"report and run: every file against {SEAL}")
    else:
        findings.append(f"missing: {SEAL}")
        hint = "get it from where the run was made, or verify dataset/ in a folder of its own"
        reported.append(f"report and run: not checked (no {SEAL}; {hint})")
    if (run / SEAL).is_file() and not (run / JOB).is_file():
        findings.append(f"missing: {JOB}")
    return findings, reported


def _fields(dataset: Path, generator: Path | None) -> dict[str, Any]:
    """Fields of the schema, of its run or of the generator that the ledger names; none where neither can be read."""
    folder = generator or dataset.parent / "generator"
    named = {line["generator_sha256"] for line in read_ledger(dataset / "ledger.csv")}
    is_named = (folder / MANIFEST).is_file() and file_sha256(folder / MANIFEST) in named
    try:
        if has_run(dataset):
            state = read_state(dataset.parent)
            fields = state.schema.fields if state else {}
        else:
            facts = json.loads((folder / "config.json").read_text(encoding="utf-8")) if is_named else {}
            schema = Schema(facts["modality"], tuple(facts["classes"]), facts["fields"])
            fields = Conditions.of_schema(schema).schema.fields
        for column in fields.get("columns", ()):
            Column.from_json(column)
        return fields
    except (OSError, ValueError, KeyError, TypeError, AttributeError, DataError):
        return {}


def ready(
    dataset: Path,
    generator: Path | None,
    samplers: Sequence[Sampler],
    lines: Sequence[Line],
    model: type[Generator] | None = None,
) -> tuple[Makers | None, dict[str, str]]:
    """Samplers fitted on the real rows of the data set, or the generator alone; and why others are missing."""
    folder = generator or dataset.parent / "generator"
    bundle = load_bundle(folder, model) if generator or (folder / MANIFEST).is_file() else None
    if bundle and (named := {line["generator_sha256"] for line in lines} - {"", bundle.sha256}):
        raise GateError(f"the ledger names the generator {min(named)[:16]}, {folder.name} is {bundle.sha256[:16]}")
    if not samplers:
        drawn = {line["sampler"]: _NO_GENERATOR for line in lines} if is_drawn(dataset) else {}
        return (_generator_alone(bundle), {}) if bundle else (None, drawn)
    split_data = reread(dataset.parent, bundle, read_job(dataset.parent).data)
    conditions = Conditions.of(split_data.train, _cell_columns(lines))
    rows, used = conditions.split(split_data.train), {line["sampler"] for line in lines}
    fitted: dict[str, Sampler] = {}
    reasons: dict[str, str] = {}
    for sampler in samplers:
        if wants_generator(sampler) and bundle is None:
            reasons[sampler.name] = _NO_GENERATOR
            continue
        if isinstance(sampler, OfGenerator) and bundle is not None:
            sampler.use(bundle)
        if sampler.name in used and sampler.name not in fitted:
            fitted[sampler.name] = sampler.fit(rows)
    return Makers(fitted, conditions, _taken(split_data)), reasons


def _taken(split_data: SplitData) -> dict[str, set[str]]:
    """Identifiers of real rows by column, which no synthetic row was given."""
    cells = split_data.source.cells
    if cells is None:
        return {}
    real = cells[cells.index.isin(np.concatenate([side.ids for side in split_data.splits().values()]))]
    return identifiers_of(split_data.train.schema, real)


def _generator_alone(bundle: Bundle) -> Makers:
    sampler = GeneratorSampler().use(bundle)
    return Makers({bundle.facts["model"]: sampler}, Conditions.of_schema(bundle.schema), {})


def _cell_columns(lines: Sequence[Line]) -> tuple[str, ...]:
    """Group columns by which rows were asked for, as the ledger's parameters name them."""
    params = json.loads(lines[0]["params"]) if lines and lines[0]["params"] else {}
    return tuple(params[CELL]) if CELL in params else ()


def hashes_again(dataset: Path, makers: Makers, lines: Sequence[Line], chosen: Sequence[int]) -> dict[int, str]:
    """{place in `lines`: content hash} of the chosen rows, made again; `lines` are all synthetic rows in ledger
    order."""
    kinds = [(line["sampler"], makers.conditions.of_line(line)) for line in lines]
    parts, places = [], []
    for sampler, condition in dict.fromkeys(kinds[i] for i in chosen):
        mine = [i for i in chosen if kinds[i] == (sampler, condition)]
        requested, seed = np.array([int(lines[i]["index"]) for i in mine]), int(lines[mine[0]]["seed"])
        one = makers.samplers[sampler]
        if one.deterministic == "per_set":
            drawn = [line for line, kind in zip(lines, kinds, strict=True) if kind == (sampler, condition)]
            parts.append(replay(one, makers.conditions, condition, requested, drawn, seed))
        else:
            parts.append(regenerate(one, makers.conditions, condition, requested, seed))
        places += mine
    rows = LabelledData.concat(parts)
    if not modality_of(rows.schema).in_files:
        order = np.argsort(places)
        hashes = _cell_hashes(dataset, makers, lines, rows[order], np.array(places)[order])
        return dict(zip(np.array(places)[order].tolist(), hashes, strict=True))
    return {i: _picture_hash(dataset, rows.schema, x, lines[i]) for i, x in zip(places, rows.x, strict=True)}


def regenerate(sampler: Sampler, conditions: Conditions, condition: str, index: np.ndarray, seed: int) -> LabelledData:
    """Rows `index` (N,) of a condition by a per_row sampler, with their label and groups."""
    seeds = rng.row_seeds(seed, condition, 0, 1)[0] + np.asarray(index, np.uint64)
    place = conditions.names.index(condition)
    return conditions.join(sampler.sample(np.full(len(index), place), seeds))


def replay(
    sampler: Sampler, conditions: Conditions, condition: str, index: np.ndarray, lines: Sequence[Line], seed: int
) -> LabelledData:
    """The same by a per_set sampler: every draw of the condition again, of which `lines` were accepted."""
    place, parts, starts = conditions.names.index(condition), [], []
    for start, size in draws_of(np.array([int(line["index"]) for line in lines]), bool(lines[0]["filters"])):
        parts.append(sampler.sample(np.full(size, place), rng.row_seeds(seed, condition, start, size)))
        starts.append(np.arange(start, start + size))
    where = {int(i): k for k, i in enumerate(np.concatenate(starts))}
    return conditions.join(LabelledData.concat(parts)[np.array([where[int(i)] for i in index])])


def draws_of(accepted: np.ndarray, filtered: bool) -> Iterator[tuple[int, int]]:
    """(start, size) of the draws by which `fill` came to the accepted indices (N,) of one condition.

    >>> list(draws_of(np.array([0, 2, 3, 4]), False))
    [(0, 4), (4, 1)]
    """
    missing, start = len(accepted), 0
    limit = ATTEMPTS * len(accepted) + DRAWS
    while missing > 0 and start < limit:
        size = DRAWS * -(-missing // DRAWS) if filtered else missing
        yield start, size
        missing -= int(((accepted >= start) & (accepted < start + size)).sum())
        start += size


def _picture_hash(dataset: Path, schema: Schema, x: np.ndarray, line: Line) -> str:
    """Hash of the file that an image or recording leaves as, or of an image's pixels in an .npz."""
    if archive_of(dataset):
        pixels = x[0] if len(x) == 1 else x.transpose(1, 2, 0)
        return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
    written = read_mark((rows_below(dataset) / line["row_id"]).read_bytes())
    mark = mark_of(line["source"], line["generator_sha256"], written.version if written else __version__)
    return hashlib.sha256(encode_row(schema, x, mark)).hexdigest()


def _cell_hashes(
    dataset: Path, makers: Makers, lines: Sequence[Line], rows: LabelledData, places: np.ndarray
) -> list[str]:
    """Row hashes of table rows; identifiers are issued for all synthetic rows at once, as they were."""
    schema, seed = rows.schema, int(lines[0]["seed"])
    whole = _as_rows(makers.conditions, lines)
    seeds = synthetic_seeds(whole, seed)
    frame = RowWriter(schema).cells(rows, seeds[places])
    steps = _chunks(makers.conditions, lines) if is_drawn(dataset) else [np.arange(len(lines))]
    for column in [Column.from_json(facts) for facts in schema.fields["columns"]]:
        if column.kind == "identifier":
            taken = set(makers.taken.get(column.name, ()))
            issued = np.concatenate([issue(column, seeds[step], taken) for step in steps])
            frame[column.name] = issued[places]
    return row_hashes(frame)


def _as_rows(conditions: Conditions, lines: Sequence[Line]) -> LabelledData:
    """What `made_seeds` needs to know of the synthetic rows of a ledger."""
    classes = conditions.schema.classes
    groups = {
        "sampler": np.array([line["sampler"] for line in lines]),
        "index": np.array([int(line["index"]) for line in lines]),
    }
    if conditions.columns:
        groups[CELL] = np.array([conditions.of_line(line) for line in lines])
    y = np.array([classes.index(line["label"]) for line in lines])
    return replace(LabelledData.of_real(np.zeros((len(lines), 0)), y, conditions.schema), groups=groups)


def _chunks(conditions: Conditions, lines: Sequence[Line]) -> list[np.ndarray]:
    """Places of the rows of each chunk in which `sample` wrote a table: class by class."""
    names = np.array([conditions.of_line(line) for line in lines])
    bounds = np.flatnonzero(np.r_[True, names[1:] != names[:-1]]).tolist() + [len(names)]
    size = rows_at_once(len(conditions.schema.fields["columns"]))
    return [
        np.arange(low, min(low + size, end))
        for start, end in zip(bounds, bounds[1:], strict=False)
        for low in range(start, end, size)
    ]
