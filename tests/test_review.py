"""A person looks: what lies in review.csv, the gate, the blind look, which rows come first and what stands beside."""

from __future__ import annotations

import csv
import io
import itertools
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from conftest import stripes
from PIL import Image

from gensynth.balancing.decisions import (
    Decision,
    RowName,
    check_rows,
    drawn_as,
    pin_rows,
    read_answers,
    read_decisions,
    review_path,
    write_answer,
    write_decision,
)
from gensynth.balancing.export import row_names, synthetic_row_name
from gensynth.balancing.ledger import LEDGER, csv_text
from gensynth.data.columns import Column
from gensynth.data.conditions import Conditions
from gensynth.errors import DataError
from gensynth.review.items import half_and_half, in_turn, nearest_real, remoteness, suspicion, worst_first
from gensynth.review.rates import fool_rate, review_gate
from gensynth.review.rows import ClassColumns, file_of
from gensynth.review.session import Blind, BlindRow, Review
from gensynth.steps.reopen import names_of_rows, read_review
from gensynth.types import SYNTHETIC, LabelledData, Schema

ROW = RowName("a/cvae-0-000001.png")


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def as_synthetic(data: LabelledData) -> LabelledData:
    name = synthetic_row_name(data.schema, 0)
    ids = [name(data.schema.classes[k], "cvae", i) for i, k in enumerate(data.y)]
    return replace(data, ids=np.array(ids), origin=np.full(len(data), SYNTHETIC), parent=np.full(len(data), ""))


@pytest.fixture(scope="module")
def shown():
    real, synthetic = stripes(12), as_synthetic(stripes(4, seed=1))
    return real, synthetic, worst_first(real, synthetic, seed=0, most=100)


def a_review(path, shown) -> Review:
    real, synthetic, items = shown
    return Review("run", path, real, synthetic, [RowName(row_id) for row_id in synthetic.ids.tolist()], items)


# ---- the file -------------------------------------------------------------------------------------


def test_a_verdict_is_on_disk_when_it_returns_and_the_last_one_counts(tmp_path):
    path = tmp_path / "review.csv"
    assert read_decisions(path) == {}
    write_decision(path, ROW, Decision("reject"))
    write_decision(path, RowName("b"), Decision("unsure"))
    write_decision(path, ROW, Decision("relabel", 'it\'s, "quoted"\r\n'))
    assert read_decisions(path) == {ROW.row_id: Decision("relabel", 'it\'s, "quoted"\r\n'), "b": Decision("unsure")}
    write_decision(path, ROW, None)
    assert read_decisions(path) == {"b": Decision("unsure")}
    assert [p.name for p in tmp_path.iterdir()] == ["review.csv"]


def test_a_file_of_somebody_else_is_extended_not_clobbered(tmp_path):
    path = tmp_path / "review.csv"
    lines = ("\ufeffnote,verdict,row_id", "blurred,Reject,x", "", "second look,,y", '"a, b",accept,z,extra', "")
    path.write_bytes("\r\n".join(lines).encode())
    write_decision(path, RowName("y"), Decision("relabel", "cat"))
    write_decision(path, RowName("new"), Decision("accept"))
    with path.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["note", "verdict", "row_id", "", "relabel"],
            ["blurred", "Reject", "x"],
            ["second look", "relabel", "y", "", "cat"],
            ["a, b", "accept", "z", "extra"],
            ["", "accept", "new", "", ""],
        ]
    assert {row: d.answer for row, d in read_decisions(path).items()} == {
        "x": "reject",
        "y": "relabel",
        "z": "accept",
        "new": "accept",
    }


def test_of_two_lines_about_a_row_the_last_is_changed_and_comes_back(tmp_path):
    path = tmp_path / "review.csv"
    path.write_text("row_id,verdict\nx,accept\nx,reject\nx,\n")
    assert read_decisions(path) == {"x": Decision("reject")}
    write_decision(path, RowName("x"), Decision("unsure"))
    assert [row["verdict"] for row in rows(path)] == ["accept", "unsure", ""]


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        (b"row_id,verdict\nx,maybe\ny,no\n", 'line 2: verdict "maybe" for x\n.*line 3'),
        (b"row,verdict\nx,accept\n", "needs the columns row_id and verdict"),
        (b"row_id,verdict\n\xff,accept\n", "not UTF-8"),
    ],
)
def test_what_is_not_understood_is_a_sentence_and_is_not_overwritten(tmp_path, content, reported):
    path = tmp_path / "review.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reported):
        read_review(tmp_path)
    if b"maybe" not in content:
        with pytest.raises(DataError):
            write_decision(path, ROW, Decision("accept"))
    assert path.read_bytes() == content


def test_a_kill_between_any_two_instructions_leaves_every_verdict_that_was_answered(tmp_path):
    path = tmp_path / "review.csv"
    program = (
        "import sys, pathlib\n"
        "from gensynth.balancing.decisions import Decision, RowName, write_decision\n"
        "for i in range(100_000):\n"
        "    write_decision(pathlib.Path(sys.argv[1]), RowName(str(i)), Decision('accept'))\n"
        "    print(i, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        answered = [int(line) for line in itertools.islice(writer.stdout, 40)]
        os.kill(writer.pid, signal.SIGKILL)
        answered += [int(line) for line in writer.stdout.read().split("\n")[:-1]]
    found = read_decisions(path)
    assert len(answered) <= len(found) <= len(answered) + 1
    assert set(map(str, answered)) <= set(found)


def test_run_review_is_extended_where_only_that_one_is_there(tmp_path):
    (tmp_path / "run").mkdir()
    assert review_path(tmp_path) == tmp_path / "review.csv"
    (tmp_path / "run/review.csv").write_text("row_id,verdict\n")
    assert review_path(tmp_path) == tmp_path / "run/review.csv"
    (tmp_path / "review.csv").write_text("row_id,verdict\n")
    assert review_path(tmp_path) == tmp_path / "review.csv"


# ---- rows that a review may speak of --------------------------------------------------------------


def a_ledger(folder, samplers: dict[str, str]):
    """A ledger of rows by name and the sampler that made them, "" for a real one."""
    lines = [
        {"row_id": row, "source": "synthetic" if sampler else "real", "sampler": sampler}
        for row, sampler in samplers.items()
    ]
    return write_ledger(folder / "ledger.csv", lines)


def write_ledger(path, lines: list[dict[str, str]]):
    path.write_text(csv_text(LEDGER, [[line.get(name, "") for name in LEDGER] for line in lines]))
    return path


def test_rows_of_the_run_and_rows_that_it_made_before_may_be_spoken_of(tmp_path):
    images = stripes(2)
    conditions = Conditions.of(images, ())
    ledger = a_ledger(tmp_path, {"band0/img 1.png": "", "band0/cvae-7-000002.png": "cvae", "band1/x-7-000000.png": "x"})
    good = (
        *("band0/img 1.png", "band0/cvae-7-000002.png"),  # in the ledger
        *("band2/cvae-7-000000.png", "band2/cvae-7-1234567.png", "band0/jitter-7-000009.png"),  # replaced since
        "band2/x-7-000003.png",
    )

    def check(*reported: str) -> None:
        reviewed = dict.fromkeys((*good, *reported), "reject")
        check_rows(reviewed, ledger, conditions.names, ("cvae", "jitter"), row_names(conditions, 7))

    check()
    for row in (
        "train/band0/cvae-7-000002.png",
        "band0/cvae-7-000002",
        "band0/cvae-7-000002.jpg",
        "band0/cvae-7-000002.png ",
        "band0/cvae-7-000002.png\n",
        "band0/cvae-8-000002.png",
        "band0/gan-7-000002.png",
        "band3/cvae-7-000002.png",
        "band0/cvae-7-2.png",
        "band0/cvae-7-0000002.png",
        "band0/cvae-7-٠٠٠٠٠٢.png",
        "band0/img 2.png",
        "",
    ):
        with pytest.raises(DataError, match="neither has nor made") as caught:
            check(row, "z")
        text = str(caught.value)
        assert f"2, the first {row!r}; " in text
        assert text.endswith("like 'band0/cvae-7-000002.png', or take the lines out")
        assert len(text.splitlines()) == 1


def test_rows_of_cells_may_be_spoken_of_in_the_folder_of_their_class(tmp_path):
    images = stripes(2)
    sites = np.where(images.y == 0, "north", "south")
    conditions = Conditions.of(replace(images, groups={"site": sites}), ("site",))
    ledger, name_row = a_ledger(tmp_path, {}), row_names(conditions, 7)

    def check(*reported: str) -> None:
        check_rows(dict.fromkeys(reported, "reject"), ledger, conditions.names, ("cvae",), name_row)

    check("band0/cvae-cell0-7-000012.png", name_row(conditions.names[2], "cvae", 3))
    for row in ("band0/cvae-7-000012.png", "band0/cvae-cell1-7-000012.png", "band0/cvae-cell9-7-000012.png"):
        with pytest.raises(DataError, match="review.csv speaks of rows .*: 1, the first"):
            check(row)


# ---- tables, whose row numbers move -----------------------------------------------------------------


def ledger_line(row_id: str, index: str, params: str = "") -> dict[str, str]:
    return {
        "row_id": row_id,
        "source": "synthetic",
        "label": "yes",
        "sampler": "cvae",
        "index": index,
        "params": params,
    }


def test_verdicts_stay_with_rows_of_a_table_when_a_merge_gives_their_numbers_away(tmp_path):
    path, schema = tmp_path / "review.csv", Schema("table", ("no", "yes"), {"columns": []})
    before = [RowName(number, drawn_as(ledger_line(number, index))) for number, index in (("7", "0"), ("8", "1"))]
    after = [RowName(number, drawn_as(ledger_line(number, index))) for number, index in (("7", "1"), ("8", "2"))]
    path.write_text("row_id,verdict\n7,reject\n8,accept\n2,accept\n")
    pin_rows(path, before)
    pin_rows(path, after)
    assert [(row["row_id"], row["verdict"]) for row in rows(path)] == [("", "reject"), ("7", "accept"), ("2", "accept")]
    (tmp_path / "dataset").mkdir()
    lines = [{"row_id": "2", "source": "real"}, ledger_line("7", "1"), ledger_line("8", "2")]
    write_ledger(tmp_path / "dataset/ledger.csv", lines)
    names = names_of_rows(tmp_path, read_review(tmp_path), Conditions.of_schema(schema), synthetic_row_name(schema, 0))
    assert names == {"yes/cvae-0-000000": "reject", "yes/cvae-0-000001": "accept"}
    made_as_nothing = {'["maybe", "cvae", "0"]': "reject"}
    with pytest.raises(DataError, match="of a class or group that this run does not have"):
        names_of_rows(tmp_path, made_as_nothing, Conditions.of_schema(schema), synthetic_row_name(schema, 0))


def test_a_file_without_anything_to_pin_is_left_alone(tmp_path):
    path = tmp_path / "review.csv"
    pin_rows(path, [RowName("7", "x")])
    assert not path.exists()
    path.write_text('"row_id",verdict\n9,accept\n')
    pin_rows(path, [RowName("7", "x")])
    assert path.read_text() == '"row_id",verdict\n9,accept\n'


# ---- the gate ---------------------------------------------------------------------------------------


def test_the_gate_counts_rows_that_were_made_and_nothing_else():
    synthetic = as_synthetic(stripes(10))
    ids = synthetic.ids.tolist()
    reviewed = {
        **dict.fromkeys(ids[:18], "accept"),
        ids[18]: "unsure",
        "band2/cvae-0-000999.png": "reject",
        "band2/cvae-0-001000.png": "relabel",
        "band2/cvae-0-001001.png": "accept",  # no longer in the set
        "img007.png": "accept",  # a real row
    }
    gate = review_gate(reviewed, synthetic, 22)
    assert {k: gate[k] for k in ("looked", "accepted", "rejected", "unsure", "relabelled")} == {
        "looked": 21,
        "accepted": 18,
        "rejected": 1,
        "unsure": 1,
        "relabelled": 1,
    }
    assert not gate["passed"]
    assert "21 of 22" in gate["reason"]
    assert gate["acceptance"]["value"] == 18 / 21
    # Wilson's closed form at 18 of 21.
    assert gate["acceptance"]["low"] == pytest.approx(0.6536, abs=1e-4)
    assert gate["acceptance"]["high"] == pytest.approx(0.9502, abs=1e-4)
    assert [line["looked"] for line in gate["per_class"].values()] == [10, 9, 2]
    assert gate["per_class"]["band2"] == {
        "made": 10,
        "looked": 2,
        "accepted": 0,
        "rejected": 1,
        "unsure": 0,
        "relabelled": 1,
    }
    assert review_gate(reviewed, synthetic, 21)["passed"]


def test_the_gate_asks_for_no_more_rows_than_there_are():
    synthetic = as_synthetic(stripes(2))
    assert review_gate(dict.fromkeys(synthetic.ids.tolist(), "accept"), synthetic, 50)["passed"]
    nothing = review_gate({}, synthetic, 0)
    assert nothing["passed"]
    assert nothing["acceptance"] == {"value": None, "reason": "not run: nobody has looked yet"}
    assert not review_gate({}, synthetic, 50)["passed"]


# ---- the blind look -------------------------------------------------------------------------------


def test_the_fool_rate_is_the_share_of_made_rows_called_real(tmp_path):
    path = tmp_path / "review_blind.csv"
    assert fool_rate(path)["fool_rate"]["value"] is None
    for i in range(70):  # the example of Newcombe (1998): 56 of 70 against 48 of 80
        write_answer(path, f"val/{i}", "real", "real" if i < 56 else "made")
    assert fool_rate(path)["told_apart"]["value"] is None
    for i in range(80):
        write_answer(path, f"a/{i}", "made", "real" if i < 48 else "made")
    found = fool_rate(path)
    assert found["fool_rate"]["value"] == 0.6
    assert found["fool_rate"]["n"] == 80
    assert found["real_called_real"]["value"] == 0.8
    assert found["told_apart"]["low"] == pytest.approx(0.0524, abs=1e-4)
    assert found["told_apart"]["high"] == pytest.approx(0.3339, abs=1e-4)
    write_answer(path, "a/0", "made", "")
    assert fool_rate(path)["fool_rate"]["n"] == 79
    assert "47 of 79" in fool_rate(path)["sentence"]
    assert "a/0" not in read_answers(path)


def test_half_of_a_blind_look_is_real_class_by_class_and_held_out_rows_come_first():
    synthetic, val, train = as_synthetic(stripes(9)), stripes(2, seed=2), stripes(30, seed=3)
    chosen = half_and_half(synthetic, [val, train], seed=0, most=30)
    assert len(chosen) == len(set(chosen)) == 30
    y = {-1: synthetic.y, 0: val.y, 1: train.y}
    for label in range(3):
        mine = [(truth, pool) for truth, pool, row in chosen if y[pool][row] == label]
        assert sorted(mine) == [("made", -1)] * 5 + [("real", 0)] * 2 + [("real", 1)] * 3
    assert [truth for truth, _, _ in chosen[:15]].count("made") not in (0, 15)
    assert half_and_half(synthetic, [val, train], seed=0, most=30) == chosen
    assert half_and_half(synthetic, [val, train], seed=1, most=30) != chosen
    assert len(half_and_half(synthetic, [val, val[:0]], seed=0, most=100)) == 12


def test_nothing_of_a_blind_look_says_what_is_real(tmp_path):
    synthetic, val = as_synthetic(stripes(3)), stripes(3, seed=2)
    pools = [val, val[:0]]
    requested = [BlindRow(*pick, f"{pick[0]}-{pick[2]}") for pick in half_and_half(synthetic, pools, seed=0, most=18)]
    look = Blind("run", tmp_path / "review_blind.csv", synthetic, pools, requested)
    for i, one in enumerate(requested):
        shown, (body, _) = look.show(i), look.file("row", i, "png")
        picture = {"kind": "image", "picture": f"row-{i}.png", "pixels": True}
        pool = synthetic if one.truth == "made" else val
        assert shown == {"label": f"band{pool.y[one.row]}", "row": picture, "beside": [], "others": []}
        with Image.open(io.BytesIO(body)) as image:
            assert image.info == {}
            assert np.array_equal(np.asarray(image), pool.x[one.row, 0])
        with pytest.raises(KeyError):
            look.file("real", i, "png")
    for i in range(len(requested)):
        state = look.decide(i, "real", "", "tab")
        assert ("called" in state["end"]) == (i == len(requested) - 1)
        assert {tuple(item) for item in state["items"]} == {("label", "answer", "relabel")}
    assert [row["truth"] for row in rows(tmp_path / "review_blind.csv")] == [one.truth for one in requested]
    assert "9 of 9 synthetic rows real" in look.summary()


# ---- what comes first, and beside -------------------------------------------------------------------


def test_rows_that_are_bad_in_either_way_come_first():
    real = stripes(40)
    synthetic = as_synthetic(stripes(10, seed=1))
    synthetic.x[3] = real.x[real.y == 2][0]  # a row of another class under the label band0
    synthetic.x[14] = 255  # far from everything
    items = worst_first(real, synthetic, seed=0, most=9)
    assert [int(synthetic.y[item.row]) for item in items] == [0, 1, 2] * 3
    assert (items[0].row, items[1].row) == (3, 14)
    assert items[0].called == 2
    assert items[0].probability < 0.01
    assert real.y[items[0].nearest] == 2
    assert real.y[items[0].same] == 0
    assert items[1].times > 2
    assert all(real.y[n] == synthetic.y[item.row] for item in items for n in item.others)
    assert worst_first(real, synthetic, seed=0, most=4) == items[:4]


def test_neighbours_and_distances_equal_a_double_loop():
    random = np.random.default_rng(0)
    real, synthetic = stripes(7, seed=1), as_synthetic(stripes(3, seed=2))
    real = real[np.flatnonzero((real.y != 2) | (random.random(len(real)) < 0.0))]  # no real row of class 2

    def points(x):
        return x.reshape(len(x), -1).astype(np.float32) / 255

    any_class, own = nearest_real(real, synthetic, points)
    distance, scale = remoteness(real, synthetic, points)
    table = np.sqrt(((points(synthetic.x)[:, None].astype(float) - points(real.x)[None]) ** 2).sum(-1))
    assert any_class.tolist() == table.argmin(1).tolist()
    for i, label in enumerate(synthetic.y):
        mine = np.flatnonzero(real.y == label)
        if not len(mine):
            assert (own[i], distance[i], scale[i]) == (-1, 0, 0)
            continue
        assert own[i] == mine[table[i, mine].argmin()]
        assert distance[i] == pytest.approx(table[i, mine].min())
        x = points(real.x[mine]).astype(float)
        between = np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1)) + np.diag(np.full(len(x), np.inf))
        assert scale[i] == pytest.approx(np.median(between.min(1)))


def test_classes_take_turns_from_their_worst():
    random = np.random.default_rng(0)
    probability, distance, y = random.random(50), random.random(50), random.integers(0, 4, 50)
    order = in_turn(suspicion(probability, distance, y), y)
    assert sorted(order) == list(range(50))
    for label in range(4):
        mine = order[y[order] == label]
        place = [
            sorted(
                (
                    int((probability[y == label] < probability[i]).sum()),
                    int((distance[y == label] > distance[i]).sum()),
                )
            )
            for i in mine
        ]
        assert place == sorted(place)
    assert y[order[:4]].tolist() == [0, 1, 2, 3]


def test_a_table_row_stands_against_its_class():
    columns = [
        Column("age", "numeric", integer=True),
        Column("sex", "categorical", categories=("f", "m", "x")),
        Column("day", "datetime", format="%Y-%m-%d"),
    ]
    schema = Schema("table", ("no", "yes"), {"columns": [c.to_json() for c in columns]})
    x = np.column_stack([np.arange(200.0), np.repeat([0.0, 1.0, np.nan], [120, 77, 3]), np.arange(200) * 86400.0])
    other = np.array([[1e6, 2.0, 0.0]])
    real = LabelledData.of_real(np.concatenate([x, other]), np.repeat([0, 1], [200, 1]), schema)
    against = ClassColumns(real)
    age, sex, day = against.against(np.array([300.0, 2.0, 86400.0 * 50]), 0, [x[3]])
    assert (age["value"], age["typical"], age["place"], age["unusual"]) == ("300", "100 (10 to 189)", 1.0, True)
    assert (sex["value"], sex["typical"], sex["share"], sex["unusual"]) == ("x", "f 60 %, m 38 %, missing 2 %", 0, True)
    assert (day["value"], day["unusual"], day["beside"]) == ("1970-02-20", False, ["1970-01-04"])
    age, sex, _ = against.against(np.array([100.0, 1.0, 0.0]), 0, [])
    assert age["place"] == (100 + 101) / 2 / 200
    assert not age["unusual"]
    assert sex["share"] == 77 / 200
    age, sex, day = against.against(np.array([np.nan, np.nan, np.nan]), 0, [])
    assert (age["value"], age["share"], age["unusual"]) == ("missing", 0, True)
    assert (sex["share"], sex["unusual"]) == (3 / 200, True)


def test_sounds_are_served_anew_and_other_endings_are_not():
    wave = (0.3 * np.sin(np.arange(800, dtype=np.float32) / 5))[None]
    data = LabelledData.of_real(wave, np.zeros(1, int), Schema("audio", ("a", "b"), {"sample_rate_hz": 8000}))
    body, kind = file_of(data, 0, "wav")
    assert (body[:4], kind, len(body)) == (b"RIFF", "audio/wav", 44 + 2 * 800)
    assert file_of(data, 0, "png")[0].startswith(b"\x89PNG")
    with pytest.raises(KeyError):
        file_of(stripes(1), 0, "wav")


# ---- one look, from several tabs ------------------------------------------------------------------


def test_two_tabs_lose_nothing_and_each_takes_back_its_own(tmp_path, shown):
    look = a_review(tmp_path / "review.csv", shown)
    look.decide(0, "accept", "", "one")
    look.decide(1, "reject", "", "two")
    look.decide(2, "unsure", "", "one")
    state = look.decide(0, "reject", "", "two")
    assert [item["answer"] for item in state["items"][:3]] == ["reject", "reject", "unsure"]
    assert look.undo("one")["undone"] == 2
    assert look.undo("one")["undone"] is None  # the other tab has said something else of row 0 since
    state = look.undo("two")
    assert (state["undone"], state["items"][0]["answer"]) == (0, "accept")
    state = look.undo("two")
    assert (state["undone"], [item["answer"] for item in state["items"][:3]]) == (1, ["accept", "", ""])
    assert look.undo("two")["undone"] is None


def test_a_second_look_goes_on_where_the_first_ended_and_keeps_what_others_write_meanwhile(tmp_path, shown):
    first = a_review(tmp_path / "review.csv", shown)
    other = next(c for c in first.classes if c != first.labels[0])
    first.decide(0, "relabel", other, "tab")
    with (tmp_path / "review.csv").open("a") as file:
        file.write(f"{first.names[1].row_id},accept,\n")
    first.decide(2, "reject", "", "tab")
    state = a_review(tmp_path / "review.csv", shown).state()
    assert [(i["answer"], i["relabel"]) for i in state["items"][:4]] == [
        ("relabel", other),
        ("accept", ""),
        ("reject", ""),
        ("", ""),
    ]
    assert state["counts"] == {"accepted": 1, "rejected": 1, "unsure": 0, "relabelled": 1}
    assert state["acceptance"] == "33 %, 6 to 79 %"
    assert set(read_review(tmp_path).values()) == {"relabel", "accept", "reject"}


def test_what_is_no_verdict_is_refused_and_writes_nothing(tmp_path, shown):
    look = a_review(tmp_path / "review.csv", shown)
    own = look.labels[0]
    for item, answer, relabel in (
        (0, "maybe", ""),
        (0, "relabel", own),
        (0, "relabel", "no class"),
        (0, "relabel", ""),
    ):
        with pytest.raises(ValueError, match="takes another class|an answer is"):
            look.decide(item, answer, relabel, "tab")
    for item in (-1, look.count):
        with pytest.raises(IndexError):
            look.decide(item, "accept", "", "tab")
        with pytest.raises(IndexError):
            look.show(item)
    assert not (tmp_path / "review.csv").exists()


def test_beside_a_row_stand_its_nearest_real_rows_and_whether_they_equal_it(tmp_path, shown):
    real, synthetic, items = shown
    at, item = 2, items[2]
    real = replace(real, x=real.x.copy())
    real.x[item.same] = synthetic.x[item.row]
    look = a_review(
        tmp_path / "review.csv", (real, synthetic, [*items[:2], replace(item, nearest=item.same), *items[3:]])
    )
    facts = look.show(at)
    assert [(b["kinds"], b["equal"], b["label"]) for b in facts["beside"]] == [
        (["same", "nearest"], True, facts["label"])
    ]
    assert facts["beside"][0]["picture"] == f"real-{item.same}.png"
    assert look.file("real", item.same, "png") == look.file("row", at, "png")
    assert {other["label"] for other in facts["others"]} == {facts["label"]}
    look.items[at] = replace(item, nearest=int(np.flatnonzero(real.y != synthetic.y[item.row])[0]))
    kinds = [(b["kinds"], b["equal"], b["label"] == facts["label"]) for b in look.show(at)["beside"]]
    assert kinds == [(["same"], True, True), (["nearest"], False, False)]
