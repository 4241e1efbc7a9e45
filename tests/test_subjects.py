"""A person is found by identifiers, also in runs on data sets of other runs; synthetic rows have nobody's."""

from __future__ import annotations

import csv
import json
import re
import shutil
import uuid
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gensynth.cli import main
from gensynth.data.columns import Column, describe, issue
from gensynth.data.explore import find_personal
from gensynth.data.table_source import read_table
from gensynth.errors import DataError
from gensynth.provenance.subjects import Subjects, hash_of, write_subjects

ROWS, EACH = 180, 2  # rows of the table, and of each person
TINY = ("data.label=y", "model.width=8", "trainer.max_samples=640", "trainer=cpu", "logger=none")
QUICK = ("utility.run=false", "metric=[]", "filter=[]")
SHAPES = {
    "email": r"[a-z]+\.[a-z]+@[a-z]+\.(org|example)",
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    "claim_no": r"CLM-\d{5}",
    "customer": r"[1-9]\d{4}",
    "phone": r"\+44 20 \d{4} \d{4}",
    "full_name": r"|[A-Z][a-z]+ [A-Z][a-z]+",  # or nothing
}
LETTERS = [f"{a}{b}" for a in ("An", "Bo", "Ca", "Di", "Em", "Fa", "Gu", "Ha", "Iv", "Jo") for b in "abdeiklmno"]


def people(rows: int = ROWS, each: int = EACH) -> pd.DataFrame:
    """Text cells: `rows` rows in random order, `each` of one person, whose six identifiers are of six shapes."""
    random = np.random.default_rng(3)
    persons = -(-rows // each)
    first, last = random.permutation(LETTERS)[:persons], random.permutation(LETTERS)[:persons]
    domain = random.choice(["mail.example", "example.org", "corp.example"], persons)
    who = random.permutation(np.repeat(np.arange(persons), each)[:rows])
    rare = random.random(rows) < 0.35
    frame = (
        pd.DataFrame(
            {
                "email": [f"{a}.{b}@{c}".lower() for a, b, c in zip(first, last, domain, strict=True)],
                "uuid": [str(uuid.UUID(bytes=random.bytes(16), version=4)) for _ in range(persons)],
                "claim_no": [f"CLM-{n:05d}" for n in random.choice(90_000, persons, replace=False)],
                "customer": random.choice(np.arange(10_000, 99_999), persons, replace=False).astype(str),
                "phone": [
                    f"+44 20 7{n // 10_000:03d} {n % 10_000:04d}" for n in random.choice(10**7, persons, replace=False)
                ],
                "full_name": [f"{a} {b}" for a, b in zip(first, last, strict=True)],
            }
        )
        .iloc[who]
        .reset_index(drop=True)
    )
    return frame.assign(
        amount=np.round(random.normal(100 + 40 * rare, 20), 2).astype(str), y=np.where(rare, "rare", "common")
    )


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """runs/A on a table of people, S drawn from A; B and C on what A wrote, D on what was drawn from B."""
    base = tmp_path_factory.mktemp("people")
    people().to_csv(base / "claims.csv", index=False)
    runs = base / "runs"
    assert main(["balance", f"{base}/claims.csv", *TINY, *QUICK, "data.id=customer", f"out={runs}/A"]) == 0
    assert main(["sample", f"generator={runs}/A/generator", "counts=30", "seed=1", f"out={runs}/S"]) == 0
    allowed = "data.allow_synthetic=true"
    assert (
        main(["train", f"{runs}/A/dataset", *TINY, allowed, "data.kinds={customer: identifier}", f"out={runs}/B"]) == 0
    )
    assert main(["sample", f"generator={runs}/B/generator", "counts=30", f"out={runs}/SB"]) == 0
    shutil.copyfile(runs / "S" / "samples.csv", base / "drawn.csv")  # which says nowhere that its rows were drawn
    assert main(["train", f"{base}/drawn.csv", *TINY, "data.kinds={customer: identifier}", f"out={runs}/C"]) == 0
    return base


def of_split(base: Path, split: str, run: str = "A") -> int:
    """The first row of the source in a split whose person has no row in another one."""
    table = people()
    where = {int(line["row_id"]): line["split"] for line in lines(base / f"runs/{run}/run/split.csv")}
    for row in where:
        mine = table.index[table["email"] == table["email"][row]]
        if {where[i] for i in mine} == {split}:
            return row
    raise AssertionError(f"nobody is in {split} alone")


def facts(run_cli, tmp_path: Path, who: str, runs: Path) -> tuple[int, dict[str, dict], str]:
    """(exit code, dependence by run, what was printed)."""
    out = tmp_path / f"{abs(hash(who))}.json"
    code, printed, err = run_cli("forget", who, f"runs={runs}", f"out={out}")
    assert not err, err
    return code, {one["run"]: one for one in json.loads(out.read_text(encoding="utf-8"))["runs"]}, printed


@pytest.mark.parametrize("column", SHAPES)
def test_a_person_is_found_by_each_identifier_with_every_row(column, base, run_cli, tmp_path):
    table, row = people(), of_split(base, "train")
    who = table[column][row]
    mine = {str(i) for i in table.index[table[column] == who]}
    code, found, printed = facts(run_cli, tmp_path, f" {who.upper() if column == 'email' else who}", base / "runs")
    assert code == 0
    assert found["A"]["source_rows"] == dict.fromkeys(mine, column)
    assert len(mine) == EACH
    assert found["A"]["split"] == "train"
    assert f"by {column}, source claims.csv" in printed
    assert set(found["A"]["generators"]) == {"generator"}


def test_a_row_number_is_a_place_in_the_first_source(base, run_cli, tmp_path):
    row = of_split(base, "train")
    code, found, _ = facts(run_cli, tmp_path, str(row), base / "runs")
    assert code == 0
    assert found["A"]["source_rows"] == {str(row): "row"}
    written = {line["row_id"]: line["parent"] for line in lines(base / "runs/A/dataset/ledger.csv")}
    (of_b,) = (name for name, how in found["B"]["source_rows"].items() if how == "same as in A")
    assert written[of_b.removeprefix("train/")] == str(row)


def test_runs_on_what_a_run_wrote_or_drew_depend_on_the_person(base, run_cli, tmp_path):
    row = of_split(base, "train")
    code, found, printed = facts(run_cli, tmp_path, people()["email"][row], base / "runs")
    assert code == 0
    assert list(found) == ["A", "B", "C", "S", "SB"]
    synthetic = sum(line["source"] != "real" for line in lines(base / "runs/A/dataset/ledger.csv"))
    assert found["B"]["taken"] == {"A": synthetic}
    assert set(found["B"]["source_rows"].values()) == {"email"}
    assert found["B"]["generators"].keys() == {"generator"}
    assert found["C"]["taken"] == {"S": 60}
    assert found["C"]["source_rows"] == {}
    assert found["C"]["generators"].keys() == {"generator"}
    assert found["S"]["drawn"] == found["SB"]["drawn"] == {"cvae": 60}
    assert "60 rows of its source were drawn in S" in printed


def test_a_test_row_taints_no_generator(base, run_cli, tmp_path):
    code, found, _ = facts(run_cli, tmp_path, people()["claim_no"][of_split(base, "test")], base / "runs")
    assert code == 0
    assert {name: one["split"] for name, one in found.items()} == {"A": "test", "B": "test"}
    assert not any(one["generators"] or one["drawn"] for one in found.values())


def test_generators_of_cross_fitting_may_have_learned_from_a_test_row(base, run_cli, tmp_path):
    shutil.copytree(base / "runs/A", tmp_path / "runs/A")
    shutil.copytree(base / "runs/B/generator", tmp_path / "runs/A/run/folds/2/generator")
    shutil.copytree(base / "runs/SB", tmp_path / "runs/SB")  # drawn from it
    who = people()["claim_no"][of_split(base, "test")]
    code, found, printed = facts(run_cli, tmp_path, who, tmp_path / "runs")
    assert code == 0
    assert found["A"]["generators"] == {}
    assert found["A"]["folds"].keys() == {"run/folds/2/generator"}
    assert found["SB"]["drawn"] == {"cvae": 60}
    assert "1 generators in run/folds have learned from all rows but those of their own test" in printed


@pytest.mark.parametrize("who", ["nobody@example.org", "CLM-99999", "no.png", "100000", "Zed Zedson"])
def test_who_is_not_found_is_exit_6_with_the_runs_named(who, base, run_cli):
    code, out, err = run_cli("forget", who, f"runs={base}/runs")
    assert (code, err) == (6, "")
    assert out.strip() == f'"{who}" not found in 3 runs looked at: A, B, C'


def test_a_run_without_hashes_is_named_and_its_row_ids_still_count(base, run_cli, tmp_path):
    old = tmp_path / "runs" / "old"
    shutil.copytree(base / "runs/A", old)
    for name in ("subjects.csv", "subjects.json"):
        (old / "run" / name).unlink()
    row = of_split(base, "train")
    code, out, _ = run_cli("forget", people()["email"][row], f"runs={tmp_path}/runs")
    assert code == 6
    assert out.splitlines()[1:] == ["old keeps no hashes: looked at row ids only"]
    code, out, _ = run_cli("forget", str(row), f"runs={tmp_path}/runs")
    assert code == 0
    assert out.startswith(f'old: row "{row}" in train')


def test_each_run_has_its_own_salt_and_no_data_set_has_any(base):
    keys = {run: json.loads((base / f"runs/{run}/run/subjects.json").read_text()) for run in "ABC"}
    assert len({facts["salt"] for facts in keys.values()}) == 3
    assert keys["A"]["columns"][0] == "customer"
    row, email = of_split(base, "train"), people()["email"][of_split(base, "train")]
    line = next(one for one in lines(base / "runs/A/run/subjects.csv") if one["row_id"] == str(row))
    marks = dict(mark.split(":") for mark in line["subjects"].split(" "))
    assert marks[str(keys["A"]["columns"].index("email"))] == hash_of(email, bytes.fromhex(keys["A"]["salt"]))
    for path in (base / "runs").rglob("*"):
        if path.is_file() and path.name != "subjects.json":
            assert not any(facts["salt"].encode() in path.read_bytes() for facts in keys.values()), path


def test_a_run_that_goes_on_keeps_its_salt_and_gaps_and_notes_are_searched_inside(tmp_path):
    frame = people(60, 1).drop(columns=list(SHAPES))
    frame["ref"] = [f"{4000 + 37 * i}.0" if i % 9 else "" for i in range(60)]
    frame["note"] = [f"call number {i}, or write to Kim.{i}@Example.org" for i in range(60)]
    frame.to_csv(tmp_path / "t.csv", index=False)
    source = read_table(str(tmp_path / "t.csv"), label="y", id="ref")
    personal = find_personal(source)
    for _ in range(2):
        write_subjects(tmp_path, source, personal)
        files = [(tmp_path / name).read_bytes() for name in ("run/subjects.csv", "run/subjects.json")]
    write_subjects(tmp_path, source, personal)
    assert files == [(tmp_path / name).read_bytes() for name in ("run/subjects.csv", "run/subjects.json")]
    kept = Subjects.of(tmp_path)
    assert kept.by_identifier("4037") == {"1": "ref"}
    assert kept.by_identifier("kim.12@example.org") == {"12": "note"}
    assert kept.by_identifier("") == {}
    (tmp_path / "run/subjects.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="damaged"):
        Subjects.of(tmp_path)


def test_no_identifier_stands_in_hashes_documents_or_ledgers(base):
    """Five digits in a row are in any hash: the numbers of customers are looked for as whole cells below."""
    known = [value.encode() for column in SHAPES if column != "customer" for value in set(people()[column])]
    tables = {"train.csv", "val.csv", "test.csv"}  # which hold the real rows
    for path in (base / "runs").rglob("*"):
        if path.is_file() and path.name not in tables:
            content = path.read_bytes()
            assert not [value for value in known if value in content], path
    customers = set(people()["customer"])
    for run in ("A/dataset", "S", "SB"):
        assert not customers & {
            cell for line in lines(base / "runs" / run / "ledger.csv") for cell in line.values()
        } - {""}


def emitted(base: Path, verb: str, run_cli) -> pd.DataFrame:
    """The synthetic rows that a verb wrote."""
    files = {"sample": "runs/S/samples.csv", "balance": "runs/A/dataset/train.csv", "merge": "M/dataset/train.csv"}
    if verb == "merge" and not (base / "M").is_dir():
        code, _, err = run_cli("merge", base / "runs/A", f"out={base}/M", "filter=[near_copy]")
        assert code == 0, err
    frame = pd.read_csv(base / files[verb], dtype=str, keep_default_na=False)
    return frame if verb == "sample" else frame[frame["gensynth_source"] != "real"]


@pytest.mark.parametrize("verb", ["sample", "balance", "merge"])
@pytest.mark.parametrize("column", SHAPES)
def test_no_real_identifier_is_emitted_and_the_shape_stays(column, verb, base, run_cli):
    cells = emitted(base, verb, run_cli)[column]
    assert len(cells) > 20
    assert not set(cells) & set(people()[column])
    assert [cell for cell in cells if not re.fullmatch(SHAPES[column], cell)] == []


def test_a_merge_into_another_folder_still_finds_people(base, run_cli, tmp_path):
    emitted(base, "merge", run_cli)
    code, found, _ = facts(run_cli, tmp_path, people()["uuid"][of_split(base, "train")], base / "M")
    assert code == 0
    assert set(found["M"]["source_rows"].values()) == {"uuid"}


def test_verify_accepts_what_was_emitted(base, run_cli):
    code, out, err = run_cli("verify", base / "runs/A/dataset")
    assert code == 0, out + err


@pytest.mark.parametrize("each", [1, 3])
def test_identifiers_are_found_where_a_person_has_several_rows(each, tmp_path):
    people(90 * each, each).to_csv(tmp_path / "t.csv", index=False)
    columns = {c["name"]: c for c in read_table(str(tmp_path / "t.csv"), label="y").data.schema.fields["columns"]}
    kinds = {name: columns[name]["kind"] for name in SHAPES}
    named = dict.fromkeys(SHAPES, "identifier")
    assert kinds == named | {"full_name": "text"}
    assert columns["amount"]["kind"] == "numeric"


def test_sizes_places_and_amounts_are_no_identifiers():
    random = np.random.default_rng(0)
    for name, cells in {
        "vehicle_claim": random.integers(1000, 90_000, 300),
        "house_value": random.permutation(np.arange(10_000, 90_000))[:300],
        "store_id": random.integers(1, 31, 900),
        "product_code": [f"P{n:03d}" for n in random.integers(0, 60, 300)],
    }.items():
        assert describe(name, np.array([str(cell) for cell in cells], dtype=object)).kind in (
            "numeric",
            "categorical",
        ), name


def issued(cells: list[str], count: int, kind: str = "identifier") -> list[str]:
    column = describe("n", np.array(cells, dtype=object), kind)
    return issue(column, np.arange(count, dtype=np.uint64), set(cells)).tolist()


def test_addresses_built_in_several_ways_stay_addresses_and_a_domain_of_one_person_is_not_used():
    random = np.random.default_rng(1)
    names = [["{a}{n}", "{a}.{b}{n}", "{a}_{b}-{n}"][n % 3].format(a="ann", b="lee", n=n) for n in range(200)]
    domains = random.choice(["mail.example", "example.org"], 200).tolist()
    domains[7] = "ann-lee.example"
    cells = [f"{name}@{domain}" for name, domain in zip(names, domains, strict=True)]
    found = issued(cells, 300)
    assert all(re.fullmatch(r"[a-z][a-z0-9]*@(mail\.example|example\.org)", cell) for cell in found)
    assert len({*found, *cells}) == 500


def test_short_addresses_grow_before_the_sign():
    cells = [f"{a}{b}@x.org" for a in "abcdefghij" for b in "abcdefghij"]
    found = issued(cells, 900)  # of 676
    assert all(re.fullmatch(r"[a-z]{2}\d*@x\.org", cell) for cell in found)
    assert len({*found, *cells}) == 1000


def test_the_largest_number_of_a_column_is_not_kept():
    numbers = np.random.default_rng(2).choice(np.arange(900, 45_678), 300, replace=False)
    column = describe("claim_no", np.array([*map(str, numbers), "45678", "907"], dtype=object))
    assert column.kind == "identifier"
    assert "45678" not in json.dumps(column.to_json())
    assert column.shape == ({"low": 0, "high": 45_999},)


def test_data_id_makes_any_column_one_and_is_hashed_before_it_is_dropped(base, run_cli, tmp_path):
    words = ["data.id=full_name", "data.deidentify={full_name: drop, email: mask}"]
    code, _, err = run_cli("train", base / "claims.csv", *TINY, *words, f"out={tmp_path}/runs/one")
    assert code == 0, err
    who = people()["full_name"][of_split(base, "train")]
    code, found, _ = facts(run_cli, tmp_path, who, tmp_path / "runs")
    assert code == 0
    assert len(found["one"]["source_rows"]) == EACH
    code, out, _ = run_cli("forget", people()["email"][0], f"runs={tmp_path}/runs")
    assert code == 6, out  # it was taken out, and nobody asked to find it
    code, _, err = run_cli("train", base / "claims.csv", *TINY, "data.id=nam", f"out={tmp_path}/two")
    assert code == 2
    assert "data.id" in err


def test_a_named_identifier_of_people_gets_words_of_its_shape(base):
    columns = read_table(str(base / "claims.csv"), label="y", id="full_name").data.schema.fields["columns"]
    column = next(Column.from_json(c) for c in columns if c["name"] == "full_name")
    names = issue(column, np.arange(200, dtype=np.uint64), set()).tolist()
    assert all(re.fullmatch("[A-Z][a-z]+ [A-Z][a-z]+", name) for name in names)
    assert not set(names) & set(people()["full_name"])
