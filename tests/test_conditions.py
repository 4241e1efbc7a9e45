"""Label x group cells as conditions: there and back, the plan over cells, and the walk with target=cells."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import FAST, stripes, write_digit_folder

from gensynth.balancing.plan import asks_for_cells, resolve_cells
from gensynth.cli import main
from gensynth.data.conditions import CELL, PARAMS, Conditions, check_groups
from gensynth.data.table_source import read_frame
from gensynth.errors import UsageError
from gensynth.types import Schema

TINY = (*FAST, "model.width=16", "utility.run=false")


def people(n: int = 600, seed: int = 0) -> pd.DataFrame:
    """A table in which few women, and hardly any of the region b, have the rare outcome."""
    r = np.random.default_rng(seed)
    sex = r.choice(["f", "m"], n, p=[0.4, 0.6])
    region = r.choice(["a", "b"], n, p=[0.8, 0.2])
    rich = r.random(n) < np.where(sex == "m", 0.4, 0.2)
    age = np.where(r.random(n) < 0.1, "", r.integers(18, 80, n).astype(str))
    income = np.round(r.normal(20 + 30 * rich, 5), 1)
    return pd.DataFrame(
        {"sex": sex, "income": income, "region": region, "age": age, "rich": np.where(rich, "yes", "no")}
    )


def with_columns(frame: pd.DataFrame):
    rows = read_frame(frame, "rich").data
    return replace(rows, groups={name: frame[name].to_numpy(str) for name in ("sex", "region")})


def named(labels, values, column="sex"):
    """Rows with these labels and the text of one group column."""
    rows = read_frame(pd.DataFrame({"income": range(len(labels)), "label": labels}), "label").data
    return replace(rows, groups={column: np.array(values)})


@pytest.mark.parametrize(
    ("labels", "values", "name"),
    [(["a", "a", "a / b"], ["z", "b / c", "c"], "a / b / c"), (["a", "a", "b"], ["", "(none)", ""], "a / (none)")],
)
def test_two_cells_of_one_name_are_refused(labels, values, name):
    with pytest.raises(UsageError, match=re.escape(f'would both be called "{name}"')):
        Conditions.of(named(labels, values), ("sex",))


def test_words_for_cells_are_checked_before_anything_is_trained(run_cli, tmp_path):
    people(300, seed=3).to_csv(tmp_path / "people.csv", index=False)
    words = ("data.label=rich", "data.groups=[sex]", f"out={tmp_path}/out", *TINY)
    for word, reported in (('target={"yes / fe": 90}', "yes / f"), ("symmetric=true", "symmetric=true makes rows")):
        target = () if word.startswith("target") else ("target=cells",)
        code, _, err = run_cli("balance", tmp_path / "people.csv", *words, word, *target, "resume=true")
        assert code == 2
        assert reported in err
        assert "[train]" not in err
    assert not (tmp_path / "out/generator").exists()


def test_a_group_column_may_not_be_called_like_one_of_made_rows():
    with pytest.raises(UsageError, match=r"data\.groups=cell: .* rename yours"):
        Conditions.of(named(["a", "b"], ["x", "y"], "cell"), ("cell",))


@pytest.mark.parametrize("name", ["file_name", "label", "source", "sampler", "gensynth_source", "params"])
def test_rows_that_leave_as_files_have_no_group_called_like_a_column_of_theirs(name):
    rows = stripes(3)
    for modality in ("image", "audio"):
        named = replace(rows, schema=replace(rows.schema, modality=modality), groups={name: np.full(len(rows), "x")})
        with pytest.raises(UsageError, match=rf"data\.groups={name}: .* rename yours"):
            check_groups(named, (name,))


@pytest.mark.parametrize("name", ["gensynth_source", "sampler", "index"])
def test_names_that_made_rows_of_a_table_need_are_refused(name):
    with pytest.raises(UsageError, match=rf"data\.groups={name}: .* rename yours"):
        check_groups(named(["a", "b"], ["x", "y"], name), (name,))


def test_a_table_may_have_groups_called_label_and_source(run_cli, tmp_path):
    frame = people(200).rename(columns={"sex": "label", "region": "source"})
    frame.to_csv(tmp_path / "people.csv", index=False)
    words = ("data.label=rich", "data.groups=[label,source]", "sampler=jitter", "utility.run=false", *FAST)
    code, _, err = run_cli("balance", tmp_path / "people.csv", *words, "bias.accept=true", f"out={tmp_path}/out")
    assert code == 0, err
    synthetic = [row for row in lines(tmp_path / "out/dataset/train.csv") if row["gensynth_source"] != "real"]
    assert {row["label"] for row in synthetic} == {"f", "m"}
    assert {row["source"] for row in synthetic} <= {"a", "b"}


def test_a_taken_name_is_refused_before_anything_is_trained(run_cli, tmp_path):
    folder = write_digit_folder(tmp_path / "images", {"zero": 10, "one": 10})
    rows = [
        (f"{name}/img{i:03d}.png", name, "ward" if i % 2 else "clinic") for name in ("zero", "one") for i in range(10)
    ]
    with (folder / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file_name", "label", "source"), *rows])
    code, _, err = run_cli("train", folder, "data.groups=[source]", f"out={tmp_path}/out", *FAST)
    assert code == 2
    assert err.strip().splitlines()[-1].startswith("gensynth: data.groups=source: synthetic rows have a column")
    assert not (tmp_path / "out/generator").exists()


def test_groups_written_as_numbers_are_categories_and_made_rows_have_no_new_ones(run_cli, tmp_path):
    order = np.random.default_rng(0)
    frame = pd.DataFrame({"site": order.choice([3, 11, 40], 300), "dose": order.normal(size=300).round(3)})
    frame["ill"] = np.where(np.arange(300) < 12, "yes", "no")
    (tmp_path / "sites.csv").write_text(frame.to_csv(index=False), encoding="utf-8")
    words = ("data.label=ill", "data.groups=[site]", "sampler=jitter", "utility.run=false", "bias.accept=true")
    code, _, err = run_cli("balance", tmp_path / "sites.csv", *words, f"out={tmp_path}/out", *FAST)
    assert code == 0, err
    with (tmp_path / "out/dataset/train.csv").open(encoding="utf-8", newline="") as file:
        synthetic = [row for row in csv.DictReader(file) if row["gensynth_source"] != "real"]
    assert len(synthetic) > 100
    assert {row["site"] for row in synthetic} <= {"3", "11", "40"}
    bias = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))["bias"]
    assert len(bias["after"]["tables"]["site"]["groups"]) == 3


def test_split_and_join_give_the_same_rows_back():
    rows = with_columns(people())
    cells = Conditions.of(rows, ("sex", "region"))
    split = cells.split(rows)
    assert len(cells.names) == 8
    assert split.x.shape[1] == rows.x.shape[1] - 2
    assert [c["name"] for c in split.schema.fields["columns"] if c["kind"] != "constant"] == ["income", "age"]
    back = cells.join(split)
    np.testing.assert_array_equal(back.x, rows.x)
    np.testing.assert_array_equal(back.y, rows.y)
    assert back.schema == rows.schema
    assert (back.groups["sex"] == rows.groups["sex"]).all()
    names = np.array(cells.names)[split.y]
    expected = [f"{label} / {s} / {r}" for label, s, r in people()[["rich", "sex", "region"]].itertuples(index=False)]
    assert names.tolist() == expected


def test_conditions_are_read_back_from_the_schema_of_split_rows():
    rows = with_columns(people())
    cells = Conditions.of(rows, ("sex",))
    facts = json.loads(json.dumps({"fields": cells.split_schema.fields, "classes": cells.split_schema.classes}))
    again = Conditions.of_schema(Schema("table", tuple(facts["classes"]), facts["fields"]))
    assert again.names == cells.names
    assert again.groups == cells.groups
    assert again.schema.classes == rows.schema.classes
    np.testing.assert_array_equal(again.labels, cells.labels)


def test_without_groups_conditions_are_the_classes():
    rows = stripes(5)
    plain = Conditions.of(rows, ())
    assert plain.split(rows) is rows
    assert plain.join(rows) is rows
    assert plain.names == rows.schema.classes
    assert plain.spread({"band0": 7}, plain.counts(rows)) == {"band0": 7, "band1": 0, "band2": 0}


def test_join_writes_what_a_made_row_was_asked_for_beside_its_parameters():
    rows = with_columns(people(60))
    cells = Conditions.of(rows, ("sex",))
    split = cells.split(rows)
    params = np.where(np.arange(len(split)) % 2, '{"shift": 1}', "")
    joined = cells.join(replace(split, groups={PARAMS: params}))
    assert json.loads(joined.groups[PARAMS][0]) == {CELL: {"sex": rows.groups["sex"][0]}}
    assert json.loads(joined.groups[PARAMS][1]) == {CELL: {"sex": rows.groups["sex"][1]}, "shift": 1}
    line = {"label": rows.schema.classes[rows.y[1]], "params": joined.groups[PARAMS][1]}
    assert cells.of_line(line) == cells.names[split.y[1]]


def test_rows_of_a_cell_without_training_rows_are_left_out():
    rows = with_columns(people())
    lacking = rows[~((rows.y == 1) & (rows.groups["sex"] == "f"))]
    cells = Conditions.of(lacking, ("sex",))
    assert len(cells.names) == 3
    split = cells.split(rows)
    assert len(split) == len(lacking)
    assert (cells.index(rows) == -1).sum() == len(rows) - len(lacking)


def test_numbers_by_class_are_shared_among_cells_as_real_rows_are():
    rows = with_columns(people())
    cells = Conditions.of(rows, ("sex", "region"))
    counts = cells.counts(rows)
    shared = cells.spread({"yes": 101, "no": 0}, counts)
    assert cells.by_class(shared) == {"no": 0, "yes": 101}
    mine = cells.labels == 1
    exact = 101 * counts[mine] / counts[mine].sum()
    got = np.array([shared[name] for name in np.array(cells.names)[mine]])
    assert (np.abs(got - exact) < 1).all()


def test_target_cells_gives_every_group_one_base_rate():
    rows = with_columns(people())
    cells = Conditions.of(rows, ("sex", "region"))
    final = resolve_cells("cells", cells.counts(rows), cells)
    for sex in "fm":
        for region in "ab":
            assert final[f"yes / {sex} / {region}"] == final[f"no / {sex} / {region}"]
    assert all(final[name] >= n for name, n in zip(cells.names, cells.counts(rows), strict=True))


def test_a_mapping_names_cells_and_unknown_ones_are_a_sentence():
    rows = with_columns(people())
    cells = Conditions.of(rows, ("sex",))
    assert asks_for_cells({"yes / f": 500}, rows.schema)
    assert not asks_for_cells({"yes": 500}, rows.schema)
    counts = cells.counts(rows)
    final = resolve_cells({"yes / f": "500"}, counts, cells)
    assert final["yes / f"] == 500
    assert final["no / m"] == counts[cells.names.index("no / m")]
    with pytest.raises(UsageError, match='unknown cell "yes / ff"; did you mean "yes / f"'):
        resolve_cells({"yes / ff": 5}, counts, cells)


def test_a_column_of_many_values_is_refused():
    rows = with_columns(people())
    rows = replace(rows, groups={"age": np.arange(len(rows)).astype(str)})
    with pytest.raises(UsageError, match="name columns with few values"):
        Conditions.of(rows, ("age",))
    with pytest.raises(UsageError, match='data.groups=agee is not a column here; did you mean "age"'):
        Conditions.of(rows, ("agee",))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    base = tmp_path_factory.mktemp("cells")
    people().to_csv(base / "people.csv", index=False)
    words = ["data.label=rich", "data.groups=[sex,region]", "target=cells", f"out={base}/out", *TINY]
    assert main(["balance", str(base / "people.csv"), *words]) == 0
    return base


def lines(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cell_counts(rows):
    return Counter((row["rich"], row["sex"], row["region"]) for row in rows)


def test_every_cell_is_at_its_asked_count(finished):
    train = lines(finished / "out/dataset/train.csv")
    counts = cell_counts(train)
    for sex in "fm":
        for region in "ab":
            assert counts["yes", sex, region] == counts["no", sex, region]
    real = [row for row in train if row["gensynth_source"] == "real"]
    most = cell_counts(real)
    assert all(counts[cell] == max(most["yes", *cell[1:]], most["no", *cell[1:]]) for cell in counts)


def test_the_ledger_names_the_cell_of_every_made_row(finished):
    train, ledger = lines(finished / "out/dataset/train.csv"), lines(finished / "out/dataset/ledger.csv")
    synthetic = [(row, line) for row, line in zip(train, ledger, strict=True) if line["source"] != "real"]
    assert synthetic
    for row, line in synthetic:
        assert json.loads(line["params"])["cell"] == {"sex": row["sex"], "region": row["region"]}
        assert line["label"] == row["rich"]


def test_a_bundle_of_cells_draws_classes_and_cells(finished):
    words = [f"generator={finished}/out/generator", f"out={finished}/drawn"]
    assert main(["sample", *words, "counts={yes: 40, 'no / f / b': 3}".replace("yes: 40, ", "")]) == 0
    assert cell_counts(lines(finished / "drawn/samples.csv")) == {("no", "f", "b"): 3}
    words[1] = f"out={finished}/classes"
    assert main(["sample", *words, "counts={yes: 40}"]) == 0
    drawn = lines(finished / "classes/samples.csv")
    assert Counter(row["rich"] for row in drawn) == {"yes": 40}
    assert len(cell_counts(drawn)) == 4


def test_a_rejected_row_of_a_cell_stays_away_and_the_cell_keeps_its_count(finished):
    before = lines(finished / "out/dataset/train.csv")
    ledger = lines(finished / "out/dataset/ledger.csv")
    turned_down = next(line for line in ledger if line["source"] != "real")
    (finished / "out/review.csv").write_text(f"row_id,verdict\n{turned_down['row_id']},reject\n")
    assert main(["merge", f"run={finished}/out", f"out={finished}/again"]) == 0
    after = lines(finished / "again/dataset/train.csv")
    assert cell_counts(after) == cell_counts(before)
    keys = {(line["params"], line["sampler"], line["index"]) for line in lines(finished / "again/dataset/ledger.csv")}
    assert (turned_down["params"], turned_down["sampler"], turned_down["index"]) not in keys


def test_groups_of_images_come_from_metadata_and_travel_on(tmp_path):
    folder = write_digit_folder(tmp_path / "images", {"zero": 60, "one": 60})
    rows = [("file_name", "label", "site")]
    for k, name in enumerate(("zero", "one")):
        for i in range(60):
            rows.append((f"{name}/img{i:03d}.png", name, "north" if i < (45 if k else 20) else "south"))
    with (folder / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    words = ["data.groups=[site]", "target=cells", f"out={tmp_path}/out", *FAST, "model.width=8", "utility.run=false"]
    assert main(["balance", str(folder), *words]) == 0
    metadata = lines(tmp_path / "out/dataset/train/metadata.csv")
    counts = Counter((row["label"], row["site"]) for row in metadata)
    assert counts["one", "north"] == counts["zero", "north"]
    assert counts["one", "south"] == counts["zero", "south"]
    assert {row["site"] for row in lines(tmp_path / "out/dataset/test/metadata.csv")} == {"north", "south"}
    assert main(["merge", f"run={tmp_path}/out", f"out={tmp_path}/again"]) == 0
    assert (tmp_path / "again/dataset/ledger.csv").read_bytes() == (tmp_path / "out/dataset/ledger.csv").read_bytes()


def test_target_cells_without_groups_is_a_sentence(run_cli, digit_folder, tmp_path):
    code, _, err = run_cli("balance", digit_folder, "target=cells", f"out={tmp_path}/out", *FAST)
    assert code == 2
    assert "name the groups with data.groups=[...]" in err
