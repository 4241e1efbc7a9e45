"""Columns as people write them: what they mean is learned, how they are written comes back, and all else is said."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gensynth.cli import main
from gensynth.data.columns import Column, cells_of, describe, issue, misfits_of, values_of
from gensynth.data.table_names import is_table
from gensynth.data.table_source import read_table
from gensynth.errors import DataError, UsageError

N = 240
RANDOM = np.random.default_rng(3)
MONEY, SIGNED, SHARE = RANDOM.lognormal(6, 1.5, N), RANDOM.normal(0, 50, N), RANDOM.random(N)
WHOLE = RANDOM.integers(0, 5_000_000, N)
STAMPS = pd.Series(pd.to_datetime(RANDOM.integers(1_500_000_000, 1_700_000_000, N), unit="s"))
SWAP = str.maketrans(",.", ".,")


def indian(number: int) -> str:
    head, tail = f"{number:d}"[:-3], f"{number:d}"[-3:]
    pairs = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)][::-1]
    return ",".join([*pairs, tail])


def accounting(number: float) -> str:
    return f"({-number:,.2f})" if number < 0 else f"{number:,.2f}"


NUMBERS = {  # how a number is written -> (cells, values)
    "percent": ([f"{100 * x:.1f}%" for x in SHARE], (100 * SHARE).round(1)),
    "percent after a blank, comma": ([f"{100 * x:.1f} %".replace(".", ",") for x in SHARE], (100 * SHARE).round(1)),
    "dollars": ([f"${x:,.2f}" for x in MONEY], MONEY.round(2)),
    "minus before dollars": ([f"{'-' * int(x < 0)}${abs(x):,.2f}" for x in SIGNED], SIGNED.round(2)),
    "minus after the sign": ([f"${x:,.2f}" for x in SIGNED], SIGNED.round(2)),
    "euros after": ([f"{x:,.2f} €".translate(SWAP) for x in MONEY], MONEY.round(2)),
    "a currency's code": ([f"CHF {x:.2f}" for x in MONEY], MONEY.round(2)),
    "accounting": ([accounting(x) for x in SIGNED], SIGNED.round(2)),
    "thousands": ([f"{x:,}" for x in WHOLE], WHOLE),
    "thousands by points": ([f"{x:,}".translate(SWAP) for x in WHOLE], WHOLE),
    "thousands by thin blanks": ([f"{x:,}".replace(",", "\u202f") for x in WHOLE], WHOLE),
    "thousands by apostrophes": ([f"{x:,.2f}".replace(",", "'") for x in MONEY], MONEY.round(2)),
    "lakhs": ([indian(x) for x in WHOLE], WHOLE),
    "decimal comma": ([f"{x:.2f}".replace(".", ",") for x in SIGNED], SIGNED.round(2)),
    "exponents": ([f"{x:.2e}" for x in MONEY], [float(f"{x:.2e}") for x in MONEY]),
    "capital exponents": ([f"{x:.3E}" for x in SIGNED], [float(f"{x:.3E}") for x in SIGNED]),
    "a plus": ([f"{x:+.2f}" for x in SIGNED], SIGNED.round(2)),
    "no zero": ([f"{0.998 * x:.3f}"[1:] for x in SHARE], (0.998 * SHARE).round(3)),
    "a last point": ([f"{int(x)}." for x in MONEY], MONEY.astype(int)),
    "a unit": ([f"{x:.1f} kg" for x in MONEY], MONEY.round(1)),
    "degrees": ([f"{x:.1f}°C" for x in SIGNED], SIGNED.round(1)),
    "clock times": ([f"{s // 3600:02d}:{s // 60 % 60:02d}" for s in WHOLE % 86_400], WHOLE % 86_400 // 60 * 60),
    "durations": ([f"{s // 3600}:{s // 60 % 60:02d}:{s % 60:02d}" for s in WHOLE], WHOLE),
    "days and hours": ([str(pd.Timedelta(seconds=int(s))) for s in WHOLE + 86_400], WHOLE + 86_400),
    "float32": ([str(np.float32(x)) for x in SIGNED], [float(str(np.float32(x))) for x in SIGNED]),
    "float64": ([repr(float(x)) for x in SIGNED], SIGNED),
    "to the right": ([f"{x:12.2f}" for x in MONEY], MONEY.round(2)),
    "zeros before": ([f"{x:010.2f}" for x in MONEY], MONEY.round(2)),
    "a blank before": ([f" {x}" for x in WHOLE], WHOLE),
    "a minus behind": ([f"{abs(x):.2f}{'-' * int(x < 0)}" for x in SIGNED], SIGNED.round(2)),
    "a true minus": ([f"{x:.2f}".replace("-", "\u2212") for x in SIGNED], SIGNED.round(2)),
    "plain": ([str(x) for x in WHOLE % 97], WHOLE % 97),
}
DATES = [
    *("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S+02:00", "%Y-%m-%dT%H:%M:%SZ", "%Y%m%dT%H%M%SZ", "%Y%m%d"),
    *("%Y%m%d%H%M%S", "%d.%m.%Y", "%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M %p", "%m/%d/%y", "%d-%b-%Y", "%B %d, %Y"),
    *("%d %b %Y %H:%M:%S", "%a, %d %b %Y %H:%M:%S +0000", "%A, %d %B %Y", "%d. %B %Y", "%Y-%m", "%b %Y"),
    *(
        "%d/%b/%Y:%H:%M:%S +0100",
        "%a %b %d %H:%M:%S %Y",
        "%Y/%m/%d %H.%M",
        "%d-%m-%Y %H:%M:%S",
        "%Y-%m-%d %H:%M:%S UTC",
    ),
]


def texts(cells) -> np.ndarray:
    return np.array(list(cells), dtype=object)


def shape(cell: str) -> str:
    """A cell with every run of digits, and of letters, as one."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", cell))


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_keeps_its_value_and_its_spelling(name):
    cells, expected = texts(NUMBERS[name][0]), np.asarray(NUMBERS[name][1], float)
    column = describe("v", cells)
    assert column.kind == "numeric"
    np.testing.assert_allclose(values_of(column, cells), expected, rtol=1e-12)
    assert cells_of(column, values_of(column, cells)).tolist() == cells.tolist()
    again = Column.from_json(json.loads(json.dumps(column.to_json())))
    between = (expected + np.roll(expected, 1)) / 2
    written = cells_of(again, between)
    assert {shape(cell) for cell in written} <= {shape(cell) for cell in cells}
    np.testing.assert_allclose(values_of(again, written), between, atol=max(60.0, np.ptp(expected) / 50))


@pytest.mark.parametrize("form", DATES)
def test_a_date_is_an_instant_and_written_as_it_was(form):
    cells = STAMPS.dt.strftime(form).to_numpy(object)
    column = describe("day", cells)
    assert column.kind == "datetime"
    seconds = values_of(column, cells)
    assert cells_of(column, seconds).tolist() == cells.tolist()
    truth = pd.to_datetime(pd.Series(cells), format=form)
    truth = truth.dt.tz_localize(None) if truth.dt.tz is not None else truth
    assert (seconds == truth.to_numpy("datetime64[s]").astype(np.int64)).all()


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda t: f"{t:%d-%b-%Y}".upper(), "datetime"),
        (lambda t: f"{t.month}/{t.day}/{t.year}", "datetime"),
        (lambda t: f"{t:%I:%M%p}".lower(), "datetime"),
        (lambda t: (t + pd.Timedelta(milliseconds=t.second * 16)).isoformat(timespec="milliseconds") + "Z", "datetime"),
        (lambda t: t.replace(microsecond=(t.second % 2) * 123456).isoformat(), "datetime"),
        (lambda t: str(int(t.timestamp())), "datetime"),
        (lambda t: str(int(t.timestamp()) * 1000 + t.second), "datetime"),
    ],
)
def test_dates_whose_spelling_shows_in_the_cells_alone(make, kind):
    cells = texts(make(t) for t in STAMPS)
    column = describe("at", cells)
    assert column.kind == kind
    assert cells_of(column, values_of(column, cells)).tolist() == cells.tolist()


def test_instants_of_two_offsets_are_compared_as_instants():
    """The offset is that of most cells of a month: about a clock change a cell may state the same instant otherwise."""
    cells = texts(t.tz_localize("UTC").tz_convert("Europe/Berlin").isoformat() for t in STAMPS)
    column = describe("at", cells)
    seconds = values_of(column, cells)
    assert (seconds == STAMPS.to_numpy("datetime64[s]").astype(np.int64)).all()
    written = cells_of(column, seconds)
    assert (values_of(column, written) == seconds).all()
    assert (written == cells).mean() > 0.9


def test_day_and_month_are_settled_over_the_column():
    cells = texts(["03/04/2021"] * 30 + ["25/12/2020"])
    assert describe("day", cells).format == "%d/%m/%Y"
    assert describe("day", texts(["03/04/2021"] * 30 + ["12/25/2020"])).format == "%m/%d/%Y"


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([f"A{i % 1000:03d}" for i in WHOLE], "categorical"),
        ([f"{i % 3}A" for i in WHOLE], "categorical"),
        (["007", "008", "010"] * 80, "categorical"),
        ([f"{i % 9000:05d}" for i in range(N)], "identifier"),
        ([f"user{i}@mail.com" for i in range(N)], "identifier"),
        ([f"{i:08x}-{i % 65536:04x}" for i in WHOLE], "identifier"),
        ([f"{['Ann', 'Ben', 'Cem', 'Dan'][i % 4]} {chr(65 + i % 26)}ister{i // 26 * 'x'}" for i in range(N)], "text"),
        ([f"note {i} on the {i % 7}th day of rain" for i in range(N)], "text"),
        (["yes", "no"] * 120, "boolean"),
        (["NA", "high", "low", "?"] * 60, "categorical"),
    ],
)
def test_codes_and_names_are_no_numbers_and_not_all_that_differs_identifies(cells, kind):
    column = describe("x", texts(cells))
    assert column.kind == kind
    assert not {"NA", "?"} & set(column.categories)


def test_a_missing_mark_is_set_aside_in_dates_and_money_too():
    dates = texts(["n/a" if i % 9 == 0 else f"2021-01-{i % 28 + 1:02d}" for i in range(N)])
    money = texts(["unknown" if i % 9 == 0 else f"${x:,.2f}" for i, x in enumerate(MONEY)])
    for cells, kind in ((dates, "datetime"), (money, "numeric")):
        column = describe("x", cells)
        assert (column.kind, column.misfits) == (kind, 0.0)
        assert np.isnan(values_of(column, cells)).mean() == pytest.approx(1 / 9, abs=0.01)
        assert cells_of(column, np.array([np.nan])).tolist() == [cells[0]]


def test_what_does_not_fit_is_counted():
    cells = texts(["broken" if i in (3, 50) else f"{x:.2f}" for i, x in enumerate(MONEY)])
    column = describe("x", cells)
    assert column.kind == "numeric"
    assert column.misfits == pytest.approx(2 / N, abs=1e-6)
    assert misfits_of(column, cells).nonzero()[0].tolist() == [3, 50]


def test_half_a_number_is_asked_about():
    cells = texts([f"{x:.2f}" if i % 3 else f"offer {i}" for i, x in enumerate(MONEY)])
    with pytest.raises(DataError, match=r'column "price": 67% of the cells are numbers, 33% are not.*"offer 0"'):
        describe("price", cells)
    assert describe("price", cells, "numeric").misfits == pytest.approx(1 / 3, abs=0.01)
    assert describe("price", cells, "categorical").kind == "categorical"


def test_a_stated_format_wins():
    cells = texts(["03.04.05"] * 20 + ["06.05.04"] * 20)
    assert values_of(describe("d", cells, format_="%y.%m.%d"), cells)[0] == pd.Timestamp("2003-04-05").timestamp()
    assert values_of(describe("d", cells, format_="%d.%m.%y"), cells)[0] == pd.Timestamp("2005-04-03").timestamp()


@pytest.mark.parametrize(
    ("cells", "form"),
    [
        ([".".join(map(str, row)) for row in RANDOM.integers(1, 255, (N, 4))], r"(\d{1,3}\.){3}\d{1,3}"),
        ([f"{i:08x}-{i % 65536:04x}" for i in WHOLE], r"[0-9a-f]{8}-[0-9a-f]{4}"),
        ([f"user{i}@{['mail', 'post'][i % 2]}.com" for i in range(N)], r"user\d+@(mail|post)\.com"),
        ([f"INV-2021-{i:05d}" for i in range(N)], r"INV-2021-\d{5}"),
        ([str(1000 + i) for i in range(N)], r"\d+"),
    ],
)
def test_new_identifiers_have_the_shape_of_the_real_ones_and_are_none_of_them(cells, form):
    column = describe("key", texts(cells))
    assert column.kind == "identifier"
    again = Column.from_json(json.loads(json.dumps(column.to_json())))
    issued = issue(again, np.arange(400, dtype=np.uint64), set(cells)).tolist()
    assert all(re.fullmatch(form, cell) for cell in issued)
    assert len(set(issued) | set(cells)) == 400 + N
    if "." in cells[0] and "@" not in cells[0]:
        assert max(int(part) for cell in issued for part in cell.split(".")) < 256


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(-(10**7), 10**7), min_size=25, max_size=60, unique=True),
    st.integers(0, 4),
    st.sampled_from([",", ".", " ", "'", ""]),
    st.sampled_from(["$", "€", "EUR ", ""]),
    st.sampled_from([" %", " kg", "€", ""]),
)
def test_any_spelling_of_numbers_comes_back(numbers, decimals, group, prefix, suffix):
    """With a thousand or two that is cut, or a fraction, so that the marks can be told apart."""
    assume(not (prefix and suffix))
    point = "," if group == "." else "."
    values = np.array(numbers) / 10**decimals
    assume(sum(abs(value) >= 10**6 for value in values) > 2 or (decimals in (1, 2, 4) and group != "."))

    def written(value: float) -> str:
        body = f"{abs(value):,.{decimals}f}".translate(str.maketrans({",": group, ".": point}))
        return f"{'-' * int(value < 0)}{prefix}{body}{suffix}"

    cells = texts(map(written, values))
    column = describe("v", cells)
    assert column.kind == "numeric"
    np.testing.assert_allclose(values_of(column, cells), values)
    assert cells_of(column, values_of(column, cells)).tolist() == cells.tolist()


def table(path, change=lambda frame: frame):
    """400 rows: a number and a word follow the label; test rows are the last hundred."""
    random = np.random.default_rng(0)
    rare = np.arange(400) % 4 == 0
    frame = pd.DataFrame(
        {
            "size": (random.normal(size=400) + rare).round(2).astype(str),
            "kind": np.where(random.random(400) < 0.3 + 0.4 * rare, "u", "v"),
            "day": pd.Series(pd.to_datetime("2021-01-01") + pd.to_timedelta(np.arange(400), unit="D")).dt.strftime(
                "%d.%m.%Y"
            ),
            "y": np.where(rare, "rare", "common"),
        }
    )
    change(frame).to_csv(path, index=False)
    return path


def test_a_carved_split_is_described_by_its_train_rows(tmp_path):
    plain = read_table(str(table(tmp_path / "a.csv")), label="y")
    train = np.arange(400) < 280

    def marked(frame):
        frame.loc[390:, "size"] = "9999.123456"
        frame.loc[391, "kind"] = "only here"
        return frame

    other = read_table(str(table(tmp_path / "b.csv", marked)), label="y")
    assert other.data.schema.fields != plain.data.schema.fields
    assert other.described_by(train).data.schema.fields == plain.described_by(train).data.schema.fields
    np.testing.assert_array_equal(other.described_by(train).data.x[:280], plain.described_by(train).data.x[:280])
    assert (other.content_keys()[:280] == plain.content_keys()[:280]).all()


def test_a_set_that_does_not_fit_is_refused_and_one_that_writes_the_same_otherwise_is_read(tmp_path):
    real = read_table(str(table(tmp_path / "real.csv")), label="y").data.schema

    def otherwise(frame):
        days = pd.to_datetime(frame["day"], format="%d.%m.%Y").dt.strftime("%Y-%m-%d")
        return frame.assign(day=days, kind=frame["kind"].str.upper())

    def foreign(frame):
        return frame.assign(size=np.where(np.arange(len(frame)) % 3 == 0, "big", frame["size"]))

    same = read_table(str(tmp_path / "real.csv"), label="y", like=real)
    other = read_table(str(table(tmp_path / "other.csv", otherwise)), label="y", like=real)
    np.testing.assert_array_equal(other.data.x, same.data.x)
    assert any('"day" is written as %Y-%m-%d here, as %d.%m.%Y in the real data' in note for note in other.notes)
    with pytest.raises(DataError, match=r'column "size" is numeric .* 33.5% of its cells are not: "big"'):
        read_table(str(table(tmp_path / "foreign.csv", foreign)), label="y", like=real)


def test_an_ambiguous_header_and_the_first_line_of_a_spreadsheet(tmp_path):
    (tmp_path / "a.csv").write_text("0,1,label\n" + "0.5,2,rare\n0.8,3,common\n" * 20)
    source = read_table(str(tmp_path / "a.csv"), label="-1")
    assert source.data.schema.classes == ("common", "rare")
    (tmp_path / "b.csv").write_text("sep=;\na;b;y\n" + "1,5;4;rare\n2,25;3;common\n" * 20)
    source = read_table(str(tmp_path / "b.csv"), label="y")
    assert source.data.x[0].tolist() == [1.5, 4.0]


def test_identifiers_of_a_bundle_are_none_of_the_real_ones_and_the_bundle_names_none(tmp_path):
    """`sample` has no real rows at hand: the room of this shape is nearly used up."""
    frame = pd.DataFrame({"x": RANDOM.normal(size=600), "y": ["a", "b"] * 300})
    frame["mail"] = [f"user{i}@mail.com" for i in range(100, 700)]
    frame.to_csv(tmp_path / "t.csv", index=False)
    words = ["data.label=y", "model.width=8", "trainer.max_samples=640", "trainer=cpu", "logger=none"]
    assert main(["train", str(tmp_path / "t.csv"), *words, f"out={tmp_path}/t"]) == 0
    assert main(["sample", f"generator={tmp_path}/t/generator", "counts=200", f"out={tmp_path}/s"]) == 0
    issued = pd.read_csv(tmp_path / "s/samples.csv")["mail"]
    assert issued.str.fullmatch(r"user\d+@mail\.com").all()
    split = pd.read_csv(tmp_path / "t/run/split.csv", dtype=str)
    trained_on = frame["mail"][split["row_id"][split["split"] == "train"].astype(int)]
    assert len(trained_on) > 400
    assert not set(issued) & set(trained_on)
    assert not any(cell in (tmp_path / "t/generator/config.json").read_text() for cell in trained_on)


def test_people_are_not_put_into_synthetic_rows_unless_that_is_said(tmp_path):
    names = [
        f"{a} {b}" for a in ["Ann", "Ben", "Cem", "Dan", "Eva"] for b in ["Lee", "Kim", "Roe", "Fox", "Ito", "May"]
    ]
    frame = pd.DataFrame({"x": RANDOM.normal(size=300), "full name": names * 10, "y": ["a", "b", "b"] * 100})
    frame["mail"] = frame["full name"].str.replace(" ", ".").str.lower() + "@example.org"
    frame.to_csv(tmp_path / "t.csv", index=False)
    source = read_table(str(tmp_path / "t.csv"), label="y")
    kinds = {c["name"]: c["kind"] for c in source.data.schema.fields["columns"]}
    assert (kinds["full name"], kinds["mail"]) == ("text", "identifier")
    assert any("looks like people" in note and "data.keep=[full name]" in note for note in source.notes)
    assert not any(name in "".join(source.notes) for name in names)
    kept = read_table(str(tmp_path / "t.csv"), label="y", keep=["full name", "mail"]).data.schema.fields["columns"]
    found = {c["name"]: c["kind"] for c in kept if c["name"] != "x"}
    assert found == dict.fromkeys(("full name", "mail"), "categorical")


def test_a_number_to_predict_is_no_class(tmp_path):
    frame = pd.DataFrame({"x": RANDOM.normal(size=300), "price": RANDOM.integers(0, 200, 300)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(UsageError, match="looks like a number to predict"):
        read_table(str(tmp_path / "t.csv"), label="price")
    assert (
        len(read_table(str(tmp_path / "t.csv"), label="price", kinds={"price": "categorical"}).data.schema.classes) > 50
    )


def small(path) -> pd.DataFrame:
    frame = pd.DataFrame(
        {"x": RANDOM.normal(size=200).round(2), "n": RANDOM.integers(0, 90, 200), "y": ["a", "b"] * 100}
    )
    frame["flag"] = frame["n"] > 40
    frame["y"] = np.where(np.arange(200) % 5 == 0, "b", "a")
    return frame


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "semicolon"])
def test_a_table_leaves_as_it_came(ending, tmp_path):
    frame = small(tmp_path)
    path = tmp_path / f"t.{'csv' if ending == 'semicolon' else ending}"
    if ending == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif ending == "parquet":
        frame.astype({"n": "int16"}).to_parquet(path)
    else:
        marks = {"csv": (",", "."), "tsv": ("\t", "."), "semicolon": (";", ",")}[ending]
        frame.to_csv(path, index=False, sep=marks[0], decimal=marks[1])
    words = ["data.label=y", "model.width=8", "trainer.max_samples=640", "trainer=cpu", "logger=none"]
    out = tmp_path / "out"
    assert main(["balance", str(path), *words, "utility.run=false", f"out={out}"]) == 0
    train = out / "dataset" / f"train{path.suffix}"
    if ending == "jsonl":
        rows = [json.loads(line) for line in train.read_text().splitlines()]
        assert {type(row["x"]) for row in rows} <= {float, int}
        assert {(type(row["n"]), type(row["flag"]), type(row["y"])) for row in rows} == {(int, bool, str)}
    elif ending == "parquet":
        assert pd.read_parquet(train)["n"].dtype == "int16"
    else:
        first, *rest = train.read_text().splitlines()
        assert first == marks[0].join(["x", "n", "y", "flag", "gensynth_source"])
        assert all(re.fullmatch(rf"-?\d+(\{marks[1]}\d+)?", line.split(marks[0])[0]) for line in rest)
    assert main(["verify", str(out), "n=10"]) == 0
    assert main(["sample", f"generator={out}/generator", "counts=10", f"out={tmp_path}/s"]) == 0
    assert (tmp_path / f"s/samples{path.suffix}").is_file()


def test_a_packed_table_is_read_and_a_damaged_one_refused(tmp_path):
    frame = small(tmp_path)
    frame.to_csv(tmp_path / "t.csv.gz", index=False)
    frame.to_csv(tmp_path / "t.csv", index=False)
    packed, plain = (read_table(str(tmp_path / name), label="y") for name in ("t.csv.gz", "t.csv"))
    np.testing.assert_array_equal(packed.data.x, plain.data.x)
    (tmp_path / "splits").mkdir()
    for split in ("train", "test"):
        frame.to_csv(tmp_path / f"splits/{split}.csv.gz", index=False)
    assert is_table(tmp_path / "splits")
    assert set(read_table(str(tmp_path / "splits"), label="y").split.tolist()) == {"train", "test"}
    (tmp_path / "u.csv.gz").write_bytes((tmp_path / "t.csv.gz").read_bytes()[:-200])
    with pytest.raises(DataError, match=r"u\.csv\.gz cannot be unpacked"):
        read_table(str(tmp_path / "u.csv.gz"), label="y")


def test_a_column_that_is_written_in_two_ways_is_said(tmp_path):
    frame = small(tmp_path)
    frame["x"] = [f"{x:.2f}" if i % 2 else f"{x:+.1f}" for i, x in enumerate(frame["x"])]
    frame.to_csv(tmp_path / "t.csv", index=False)
    notes = read_table(str(tmp_path / "t.csv"), label="y").notes
    assert any('"x" is written in more than one way' in note for note in notes)
    assert not any('"n" is written' in note for note in notes)


@pytest.mark.parametrize(
    "cells",
    [
        [f"{t:%Y-%m-%d %H}:00:00" for t in STAMPS],
        [f"{t:%Y-%m-%dT%H}:{t.minute // 15 * 15:02d}" for t in STAMPS],
        [f"{float(i % 97)}" for i in WHOLE],
        [f"{5 * (i % 97) + 2}" for i in WHOLE],
        [f"${100 * (i % 97):,.2f}" for i in WHOLE],
    ],
)
def test_values_of_a_grid_stay_on_it(cells):
    """Full hours, quarters, floats without fractions and fives are told from others by their cells alone."""
    cells = texts(cells)
    column = describe("v", cells)
    values = values_of(column, cells)
    between = values + np.linspace(0, 1, N) * np.ptp(values) / 7
    written = values_of(column, cells_of(column, between))
    steps = (written - values.min()) / column.step
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-9)
    assert cells_of(column, values).tolist() == cells.tolist()
    assert describe("w", texts(f"{x:.2f}" for x in MONEY)).step == 0.0


def test_what_json_has_not_stays_away_and_what_is_empty_is_empty(tmp_path):
    rows = [
        {"x": i % 50 + 0.5, "note": [None, "u", "v"][i % 3], "tag": ["", "p"][i % 2], "y": "ab"[i % 4 == 0]}
        for i in range(200)
    ]
    rows = [{k: v for k, v in row.items() if not (k == "note" and i % 2)} for i, row in enumerate(rows)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["data.label=y", "sampler=jitter", "utility.run=false", "logger=none", f"out={tmp_path}/o"]
    assert main(["balance", str(tmp_path / "t.jsonl"), *words]) == 0
    written = [json.loads(line) for line in (tmp_path / "o/dataset/train.jsonl").read_text().splitlines()]
    assert {row.get("note") for row in written} == {None, "u", "v"}
    assert {"note" in row for row in written if row["gensynth_source"] == "real"} == {True, False}
    assert {row["note"] for row in written if row["gensynth_source"] != "real"} == {None, "u", "v"}
    assert {row["tag"] for row in written} == {"", "p"}


def test_no_part_of_a_person_is_in_a_new_address():
    first, last = ["ann", "ben", "cem", "dan", "eva", "fay", "gus", "hua"], ["lee", "kim", "roe", "fox", "ito", "may"]
    cells = texts(f"{first[i % 8]}.{last[i // 8 % 6]}@ex.{['org', 'com'][i % 2]}" for i in range(N))
    column = describe("mail", cells, "identifier")
    issued = issue(column, np.arange(300, dtype=np.uint64), set(cells.tolist())).tolist()
    assert all(re.fullmatch(r"[a-z]+\.[a-z]+@ex\.(org|com)", cell) for cell in issued)
    assert len(set(issued)) == 300
    names = {part for cell in issued for part in cell.split("@")[0].split(".")}
    assert len(names & {*first, *last}) < 0.1 * len(names)


def test_stated_kinds_and_formats_reach_the_reader_from_the_command_line(tmp_path, run_cli):
    frame = small(tmp_path).assign(day="03.04.05")
    frame.loc[frame.index % 2 == 0, "day"] = "06.05.04"
    frame.to_csv(tmp_path / "t.csv", index=False)
    stated = ["data.formats={day: '%y.%m.%d'}", "data.kinds={n: categorical}", "data.keep=[y]"]
    code, out, err = run_cli("explore", tmp_path / "t.csv", "data.label=y", *stated, f"out={tmp_path}/o")
    assert code == 0, err
    columns = json.loads((tmp_path / "o/explore.json").read_text())["columns"]
    assert columns["day"]["written"] == ["03.04.05", "06.05.04", "%y.%m.%d"]
    assert columns["n"]["kind"] == "categorical"


def test_rows_that_sample_wrote_are_evaluated_by_their_folder(tmp_path, run_cli):
    small(tmp_path).to_csv(tmp_path / "t.csv", index=False)
    words = ("model.width=8", "trainer.max_samples=640", "trainer=cpu", "logger=none", "data.label=y")
    assert run_cli("train", tmp_path / "t.csv", *words, f"out={tmp_path}/t")[0] == 0
    assert run_cli("sample", f"generator={tmp_path}/t/generator", "counts=30", f"out={tmp_path}/S")[0] == 0
    sets = (f"real={tmp_path}/t.csv", f"synthetic={tmp_path}/S", "data.label=y", "utility.run=false")
    code, _, err = run_cli("evaluate", *sets, f"out={tmp_path}/e")
    assert code == 0, err


def test_a_first_row_that_is_too_long_does_not_hide_the_delimiter(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,y\n1,2,u,9,9\n" + "1,2,u\n3,4,v\n" * 20)
    with pytest.raises(DataError, match="1 rows do not have 3 cells"):
        read_table(str(tmp_path / "t.csv"), label="y")


def written_and_read(path, out) -> pd.DataFrame:
    words = ["data.label=y", "sampler=jitter", "utility.run=false", "logger=none", f"out={out}"]
    assert main(["balance", str(path), *words]) == 0
    train = out / "dataset" / f"train{path.suffix}"
    return (
        pd.read_parquet(train)
        if path.suffix == ".parquet"
        else pd.DataFrame(map(json.loads, train.read_text().splitlines()))
    )


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_real_texts_that_look_like_gaps_and_real_nans_leave_as_they_were(ending, tmp_path):
    frame = pd.DataFrame(
        {"x": RANDOM.normal(size=200), "tag": ["NA", "p", "q", "?"] * 50, "y": ["a", "a", "b", "a"] * 50}
    )
    frame.loc[::9, "x"] = np.nan
    path = tmp_path / f"t.{ending}"
    if ending == "parquet":
        frame.to_parquet(path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))
    found = written_and_read(path, tmp_path / "o")
    real = found[found["gensynth_source"] == "real"]
    assert {"NA", "?"} <= set(real["tag"])
    assert not real["tag"].isna().any()
    assert real["x"].isna().any()


def test_a_test_row_leaves_no_trace_in_a_group_column_either(tmp_path):
    def marked(frame):
        return frame.assign(size=np.where(np.arange(400) == 399, "only here", frame["size"]))

    plain, other = (
        read_table(str(table(tmp_path / name, change)), label="y", groups=["size"])
        for name, change in (("a.csv", lambda frame: frame), ("b.csv", marked))
    )
    train = np.arange(400) < 280
    assert other.described_by(train).data.schema.fields == plain.described_by(train).data.schema.fields


def test_a_format_that_cannot_be_written_is_refused_before_anything_is_read(tmp_path):
    small(tmp_path).assign(day="2021 10").to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=r"data.formats has %W, which is not known"):
        read_table(str(tmp_path / "t.csv"), label="y", formats={"day": "%Y %W"})


def test_a_line_for_no_cents_is_no_minus():
    cells = texts(f"{i}.50" if i % 3 else f"{i}.-" for i in range(30, 90))
    assert values_of(describe("price", cells), cells)[:3].tolist() == [30.0, 31.5, 32.5]


def test_whole_numbers_of_any_size_keep_their_sign():
    cells = texts([*(f"${i}" for i in range(40)), f"${2**64}"])
    column = describe("v", cells)
    assert cells_of(column, values_of(column, cells)).tolist() == cells.tolist()


@pytest.mark.parametrize(
    "cells", [[str(pd.Timedelta(hours=h)) for h in range(-30, 30)], ["-1 day, 23:00:00", "1:00:00"] * 9]
)
def test_hours_count_forward_from_negative_days(cells):
    column = describe("v", texts(cells))
    expected = [pd.Timedelta(cell.replace(" day,", " days +")).total_seconds() for cell in cells]
    assert values_of(column, texts(cells)).tolist() == expected


def test_explore_shows_two_cells_a_column_and_what_else_it_could_be(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "day": [f"{1 + i % 12:02d}/{1 + i % 11:02d}/2023" for i in range(120)],
            "sure": [f"{13 + i % 12}/{1 + i % 11:02d}/2023" for i in range(120)],
            "grade": rng.integers(0, 3, 120),
            "size": np.round(rng.normal(size=120), 3),
            "mail": [f"person{i}@mail.example" for i in range(120)],
            "label": ["a", "b", "b"] * 40,
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    source = read_table(str(tmp_path / "t.csv"))
    readings = source.readings
    assert {name: facts.get("or") for name, facts in readings.items()} == {
        **{"day": "%m/%d/%Y", "sure": None, "grade": "categorical", "size": None, "mail": None},
    }
    assert readings["day"]["examples"] == ["01/01/2023", "02/02/2023"]
    assert readings["size"]["examples"] == frame["size"].astype(str).tolist()[:2]
    assert not any("person" in example for example in readings["mail"]["examples"])
    assert any(
        '"day" is read as %d/%m/%Y, and %m/%d/%Y reads every train cell as well' in note for note in source.notes
    )
    stated = read_table(str(tmp_path / "t.csv"), formats={"day": "%m/%d/%Y"}, kinds={"grade": "numeric"})
    assert "or" not in stated.readings["day"]
    assert "or" not in stated.readings["grade"]
    assert not any('"day" is read as' in note for note in stated.notes)


def test_row_numbers_are_found_after_a_split_and_other_whole_numbers_are_not():
    rng = np.random.default_rng(0)
    kept = np.flatnonzero(rng.random(400) < 0.7)
    assert describe("n", texts(map(str, kept))).kind == "identifier"
    assert describe("n", texts(map(str, rng.permutation(kept)))).kind == "identifier"
    ages = rng.permutation(np.arange(20, 62))[:30]  # all different, and no count of rows
    assert describe("age", texts(map(str, ages))).kind == "numeric"


def test_zeros_without_a_point_stay_so_and_fractions_keep_their_digits():
    cells = texts(["0", "24.50", "12.40", "0", "7.31", "118"] * 20)
    column = describe("paid", cells)
    assert cells_of(column, np.array([0.0, 10.4, 10.41, 24.5, 118.0])).tolist() == [
        "0",
        "10.40",
        "10.41",
        "24.50",
        "118",
    ]


def test_addresses_of_few_people_stand_in_no_synthetic_row_and_in_no_look(tmp_path, run_cli):
    mails = [f"{name}@example.org" for name in ("ann", "bob", "eve", "kim")]
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"mail": rng.choice(mails, 120), "x": np.round(rng.normal(size=120), 2), "label": ["a", "b"] * 60}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    code, out, err = run_cli("explore", str(tmp_path / "t.csv"), f"out={tmp_path / 'run'}")
    facts = json.loads((tmp_path / "run" / "explore.json").read_text())
    assert code == 0
    assert facts["columns"]["mail"]["kind"] == "identifier"
    assert not any(name in out + err + json.dumps(facts) for name in mails)


def test_other_rows_may_lack_a_column_that_is_not_learned(tmp_path):
    """Sets of other tools often have no identifiers."""
    frame = pd.DataFrame({"id": [f"K{i:05d}" for i in range(100)], "x": np.arange(100) / 8, "label": ["a", "b"] * 50})
    frame.to_csv(tmp_path / "real.csv", index=False)
    frame.drop(columns="id").to_csv(tmp_path / "other.csv", index=False)
    real = read_table(str(tmp_path / "real.csv"))
    other = read_table(str(tmp_path / "other.csv"), like=real.data.schema, min_classes=1)
    np.testing.assert_array_equal(other.data.x, real.data.x)


def test_shares_with_and_without_a_percent_sign_are_not_one_number():
    """0.562 beside 56.2% is a hundred times as much as 0.562 %."""
    random = np.random.default_rng(0)
    share = random.random(200).round(4)
    half = np.array([f"{v:.3f}" if i % 2 else f"{100 * v:.1f}%" for i, v in enumerate(share)], object)
    with pytest.raises(DataError, match="numbers"):
        describe("share", half)
    few = np.array([f"{v:.3f}" if i < 10 else f"{100 * v:.1f}%" for i, v in enumerate(share)], object)
    column = describe("share", few)
    assert column.kind == "numeric"
    assert np.isnan(values_of(column, few[:10])).all()
    assert column.misfits == pytest.approx(0.05)
