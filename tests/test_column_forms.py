"""Round trips of every form of column through every container: real rows come back cell for cell, synthetic rows are
written in the form of their column. The forms and their patterns are those of `column_forms.py`."""

from __future__ import annotations

import csv
import datetime
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as arrow
import pytest
from column_forms import FORMS, N
from pyarrow import compute, parquet

from gensynth import ClassBalancer
from gensynth.balancing.table_export import RowWriter, TableSink, identifiers_of
from gensynth.cli import main
from gensynth.data.columns import Column, cells_of, describe, issue, values_of
from gensynth.data.table_source import read_table
from gensynth.samplers.jitter import Jitter
from gensynth.samplers.smote import Smote

RARE = np.arange(N) % 4 == 0
JSON_NUMBERS = ("integers", "fives", "floats of any length", "float64", "0 and 1", "row numbers")
FRAME = pd.DataFrame({**{name: form.cells for name, form in FORMS.items()}, "y": np.where(RARE, "rare", "common")})


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_understood_and_written_again(name):
    form = FORMS[name]
    cells = np.array(form.cells, dtype=object)
    found = describe("c", cells)
    assert found.kind == form.kind
    column = Column.from_json(json.loads(json.dumps(found.to_json())))
    if not column.modelled:
        new = issue(column, np.arange(500, dtype=np.uint64), set(form.cells)).tolist()
        assert form.kind != "identifier" or len({*new, *form.cells}) == 500 + N
    else:
        values = values_of(column, cells)
        if form.values is not None:
            np.testing.assert_allclose(values, form.values, rtol=1e-12)
        back = cells_of(column, values)
        assert [
            cell for cell, again in zip(cells, back, strict=True) if cell != again and cell not in form.missing
        ] == []
        new = drawn(column, values).tolist()
    assert [cell for cell in new if not form.fits(cell)] == []


def drawn(column: Column, values: np.ndarray) -> np.ndarray:
    """500 cells of values between the smallest and the largest; they must lie there when they are read again."""
    random, low, high = np.random.default_rng(0), np.nanmin(values), np.nanmax(values)
    wanted = random.integers(0, len(column.categories), 500) if column.discrete else random.uniform(low, high, 500)
    cells = cells_of(column, np.float64(wanted))
    again = values_of(column, cells)
    assert ((again >= low) & (again <= high)).all()
    return cells


def misfits(real: pd.DataFrame, new: pd.DataFrame) -> dict[str, list[str]]:
    """Cells of synthetic rows that are not of their form, or are identifiers of real rows, by column."""
    found = {}
    for name, form in FORMS.items():
        taken = set(real[name]) if form.kind == "identifier" else set()
        found[name] = [cell for cell in new[name] if not form.fits(cell) or cell in taken]
    return {name: cells[:3] for name, cells in found.items() if cells}


def write(frame: pd.DataFrame, path: Path) -> None:
    rows = frame.to_dict("list")
    if path.suffix == ".parquet":
        parquet.write_table(arrow.table(rows), path)
    elif path.suffix == ".jsonl":
        rows |= {name: [json.loads(cell) for cell in rows[name]] for name in (*JSON_NUMBERS, "true and false")}
        lines = (json.dumps(dict(zip(rows, row, strict=True))) for row in zip(*rows.values(), strict=True))
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ";" if "semi" in path.name else ",")
            writer.writerows([list(rows), *zip(*rows.values(), strict=True)])


def read(path: Path) -> pd.DataFrame:
    """Rows as text cells, by other readers than the ones that are tested."""
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pandas()
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        typed = {name: [row[name] for row in rows] for name in rows[0]}
        assert {type(cell) for name in JSON_NUMBERS for cell in typed[name]} <= {int, float}
        return pd.DataFrame({name: [c if isinstance(c, str) else json.dumps(c) for c in typed[name]] for name in typed})
    with path.open(encoding="utf-8", newline="") as file:
        first = file.readline()
        file.seek(0)
        delimiter = max("\t;,", key=first.count)
        header, *rows = csv.reader(file, delimiter=delimiter)
    return pd.DataFrame(rows, columns=header)


@pytest.mark.parametrize("file", ["t.csv", "semicolons.csv", "t.tsv", "t.jsonl", "t.parquet"])
def test_every_form_goes_through_a_file(file, tmp_path):
    write(FRAME, tmp_path / file)
    source = read_table(str(tmp_path / file), label="y")
    schema, labels, seeds = source.data.schema, np.repeat([0, 1], 60), np.arange(120, dtype=np.uint64)
    drawn_rows = Smote("smote", 5).fit(source.data).sample(labels, seeds)
    cells = RowWriter(schema, identifiers_of(schema, source.cells)).cells(drawn_rows, seeds)
    (tmp_path / "out").mkdir()
    with TableSink(tmp_path / "out" / file, schema) as sink:
        sink.write(source.cells)
        sink.write(cells)
    found = read(tmp_path / "out" / file)
    pd.testing.assert_frame_equal(found[:N], FRAME, check_dtype=False)
    assert misfits(FRAME, found[N:]) == {}


def test_a_trained_generator_writes_every_form(tmp_path):
    """By the command line, columns described by the rows of the train split alone."""
    write(FRAME, tmp_path / "t.csv")
    overrides = ["data.label=y", "model.width=8", "trainer.max_samples=640", "trainer=cpu", "logger=none"]
    assert main(["train", str(tmp_path / "t.csv"), *overrides, f"out={tmp_path}/t"]) == 0
    assert main(["sample", f"generator={tmp_path}/t/generator", "counts=60", f"out={tmp_path}/s"]) == 0
    split = pd.read_csv(tmp_path / "t/run/split.csv", dtype=str)
    rows = split["row_id"][split["split"] == "train"].astype(int)  # those of other splits are not known to a bundle
    assert misfits(FRAME.iloc[rows], read(tmp_path / "s/samples.csv")) == {}


# frames in memory, and columns of Arrow's types

TEXTS = pd.DataFrame({name: form.cells for name, form in FORMS.items()})
GAPS = np.arange(N) % 6 == 0


def moments(unit: str, zone: str | None = None) -> arrow.Array:
    seconds = arrow.array(FORMS["date and time"].values.astype("datetime64[s]"))
    ticks = seconds.cast(arrow.timestamp(unit))
    return ticks.cast(arrow.timestamp(unit, zone)) if zone else ticks


WHOLE = FORMS["integers"].values.astype(int)
TYPED = {
    "int8": arrow.array(WHOLE % 100, arrow.int8()),
    "uint16": arrow.array(WHOLE % 50_000, arrow.uint16()),
    "int64": arrow.array(WHOLE * 1000, arrow.int64()),
    "float32": arrow.array(FORMS["floats"].values, arrow.float32()),
    "float64": arrow.array(FORMS["float64"].values),
    "decimal": arrow.array([Decimal(f"{x:.2f}") for x in FORMS["floats"].values], arrow.decimal128(9, 2)),
    "truth": arrow.array(WHOLE % 3 == 0),
    "date": arrow.array([datetime.date(2020, 1, 1) + datetime.timedelta(int(n) % 700) for n in WHOLE]),
    "seconds": moments("s"),
    "milliseconds": moments("ms"),
    "microseconds": moments("us"),
    "nanoseconds": moments("ns"),
    "moments of a zone": moments("us", "UTC"),
    "moments of Berlin": moments("ms", "Europe/Berlin"),
    "time of day": arrow.array((FORMS["time of day"].values * 10**6).astype(int), arrow.time64("us")),
    "duration": arrow.array(FORMS["hours, minutes, seconds"].values.astype(int), arrow.duration("s")),
    "categories": arrow.array(FORMS["ordered grades"].cells).dictionary_encode(),
    "text": arrow.array(FORMS["accents and blanks"].cells),
    "large text": arrow.array(FORMS["grades"].cells, arrow.large_string()),
}


def typed_table() -> arrow.Table:
    """Every type without gaps and with them."""
    gaps = arrow.array(GAPS)
    holed = {f"{name} with gaps": compute.if_else(gaps, None, column) for name, column in TYPED.items()}
    return arrow.table({**TYPED, **holed})


def check_typed(given: arrow.Table, found: arrow.Table) -> None:
    """Types and real rows are as they were; synthetic values lie between real ones, and are missing where those are."""
    assert found.schema.types == given.schema.types
    assert found.slice(0, N).equals(given)
    for name in given.column_names:
        real, new = given.column(name), found.column(name).slice(N)
        assert (new.null_count > 0) == (real.null_count > 0), name
        plain = real.cast(arrow.string()) if arrow.types.is_dictionary(real.type) else real
        ends = plain.drop_null().to_pylist()
        assert all(min(ends) <= value <= max(ends) for value in new.cast(plain.type).drop_null().to_pylist()), name


def test_every_arrow_type_goes_through_parquet(tmp_path):
    table = typed_table()
    parquet.write_table(table.append_column("y", [FRAME["y"].tolist()]), tmp_path / "t.parquet")
    source = read_table(str(tmp_path / "t.parquet"), label="y")
    seeds = np.arange(120, dtype=np.uint64)
    rows = Jitter(0.1).fit(source.data).sample(np.repeat([0, 1], 60), seeds)
    with TableSink(tmp_path / "out.parquet", source.data.schema) as sink:
        sink.write(source.cells)
        sink.write(RowWriter(source.data.schema).cells(rows, seeds))
    found = parquet.read_table(tmp_path / "out.parquet")
    check_typed(parquet.read_table(tmp_path / "t.parquet").drop_columns("y"), found.drop_columns("y"))


def test_every_form_goes_through_a_frame_of_pandas():
    found, labels = ClassBalancer(sampler="smote").fit_resample(TEXTS, FRAME["y"])
    pd.testing.assert_frame_equal(found[:N], TEXTS)
    assert (labels[N:] == "rare").all()
    assert misfits(TEXTS, found[N:]) == {}


def test_every_type_goes_through_a_frame_of_pandas():
    table = typed_table()
    frame = table.to_pandas(types_mapper=lambda kind: None if arrow.types.is_dictionary(kind) else pd.ArrowDtype(kind))
    found, _ = ClassBalancer(sampler="jitter").fit_resample(frame, FRAME["y"])
    assert (found.dtypes == frame.dtypes).all()
    check_typed(table, arrow.Table.from_pandas(found, schema=table.schema))


def test_views_of_texts_come_back_as_views():
    """As polars hands out its texts."""
    table = arrow.table({"t": arrow.array(FORMS["grades"].cells, arrow.string_view()), "n": FORMS["integers"].values})
    found, _ = ClassBalancer(sampler="jitter").fit_resample(table, FRAME["y"])
    assert found.schema == table.schema
    assert found.slice(0, N).equals(table)
    assert {*found["t"].slice(N).to_pylist()} <= {*FORMS["grades"].cells}


@pytest.mark.parametrize("gap", ["", None, "NA"])
def test_texts_of_parquet_stay_empty_or_null_as_they_were(gap, tmp_path):
    words = [gap if i % 5 == 0 else "ab"[i % 2] for i in range(N)]
    parquet.write_table(
        arrow.table({"t": words, "n": FORMS["floats"].values, "y": FRAME["y"].tolist()}), tmp_path / "t.parquet"
    )
    source = read_table(str(tmp_path / "t.parquet"), label="y")
    with TableSink(tmp_path / "out.parquet", source.data.schema) as sink:
        sink.write(source.cells)
    assert parquet.read_table(tmp_path / "out.parquet")["t"].to_pylist() == words


def test_every_form_and_type_goes_through_a_frame_of_polars():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    texts, types = polars.DataFrame(TEXTS.to_dict("list")), polars.DataFrame(typed_table())
    found, _ = ClassBalancer(sampler="smote").fit_resample(texts, FRAME["y"])
    assert found[:N].equals(texts)
    assert misfits(TEXTS, pd.DataFrame(found[N:].to_dict(as_series=False))) == {}
    found, _ = ClassBalancer(sampler="jitter").fit_resample(types, FRAME["y"])
    assert found.schema == types.schema
    assert found[:N].equals(types)
    check_typed(types.to_arrow(), found.to_arrow().cast(types.to_arrow().schema))
