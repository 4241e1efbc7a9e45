"""Copies: exactly the copied rows are flagged, real rows are not, distances are those of a loop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from known_sets import memorised, partly_memorised

from gensynth.data.kinds import points_of
from gensynth.data.sources import read_digits
from gensynth.data.split import split_rows
from gensynth.evaluation.fidelity.spoiled import swapped
from gensynth.evaluation.privacy.copies import (
    FALSE_SETS,
    NEAR_COPY,
    copies_per_class,
    copy_entries,
    find_copies,
    near_threshold,
    nearest_rows,
    real_duplicates,
)
from gensynth.evaluation.privacy.nearer import nearer_to_train, shuffled_variance
from gensynth.types import LabelledData, Schema


def pieces(seed: int) -> tuple[LabelledData, LabelledData, LabelledData]:
    """(train, fresh, held_out) of digits, equal rows together."""
    rows = read_digits().data
    split = split_rows(rows, (0.25, 0.25, 0.5), seed, np.full(len(rows), ""), None)
    return tuple(rows[split == name] for name in ("train", "val", "test"))


TRAIN, FRESH, HELD_OUT = pieces(0)
POINTS = points_of(TRAIN)


def moved(rows: LabelledData, std: float, seed: int = 0) -> LabelledData:
    noise = np.random.default_rng(seed).normal(0, std, rows.x.shape).round()
    return replace(rows, x=np.clip(rows.x + noise, 0, 255).astype(np.uint8))


def plane(points: list[list[float]], y: list[int] | None = None) -> LabelledData:
    columns = [{"name": name, "kind": "numeric", "modelled": True} for name in ("u", "v")]
    x = np.array(points, dtype=float)
    labels = np.zeros(len(x), np.int64) if y is None else np.array(y)
    return LabelledData.of_real(x, labels, Schema("table", ("a", "b"), {"columns": columns}))


def as_is(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_exactly_the_copied_rows_are_flagged(seed):
    train, fresh, held_out = pieces(seed)
    synthetic, copied = partly_memorised(train, fresh, min(len(train), len(fresh)), 0.2, seed)
    found = find_copies(train, held_out, synthetic, points_of(train), seed)
    np.testing.assert_array_equal(found.exact | found.near, copied)
    np.testing.assert_array_equal(train.x[found.synthetic.nearest[copied]], synthetic.x[copied])
    everything = find_copies(train, held_out, memorised(train, len(train), 0), points_of(train), seed)
    assert everything.exact.all()
    assert not everything.near.any()


def test_copies_under_another_label_are_copies():
    synthetic = swapped(memorised(TRAIN, 100, 0), 0)
    found = find_copies(TRAIN, HELD_OUT, synthetic, POINTS, 0)
    assert found.exact.all()
    assert (found.synthetic.distance == 0).all()
    np.testing.assert_array_equal(TRAIN.x[found.synthetic.nearest], synthetic.x)


def test_rows_moved_a_little_are_near_copies_and_new_rows_are_not():
    found = find_copies(TRAIN, HELD_OUT, moved(TRAIN, 2.0), POINTS, 0)
    assert found.near.mean() > 0.95
    assert not found.exact.any()
    assert not find_copies(TRAIN, HELD_OUT, FRESH, POINTS, 0).near.any()


def test_distances_are_those_of_a_double_loop_within_the_class():
    synthetic = moved(FRESH[:40], 30.0)
    found = find_copies(TRAIN, HELD_OUT, synthetic, POINTS, 0)
    for i in range(len(synthetic)):
        there = np.flatnonzero(TRAIN.y == synthetic.y[i])
        all_of = np.sqrt(((POINTS(TRAIN.x[there]).astype(float) - POINTS(synthetic.x[i : i + 1])) ** 2).sum(1))
        assert found.synthetic.distance[i] == pytest.approx(all_of.min())
        assert found.synthetic.calibrated[i] == pytest.approx(all_of.min() / np.sort(all_of)[:50].mean())
        assert found.synthetic.nearest[i] == there[all_of.argmin()]
        others = POINTS(HELD_OUT.x[HELD_OUT.y == synthetic.y[i]]).astype(float)
        assert found.to_held_out[i] == pytest.approx(
            np.sqrt(((others - POINTS(synthetic.x[i : i + 1])) ** 2).sum(1)).min()
        )


def test_equal_train_rows_count_once_in_the_surroundings():
    train, held_out = plane([[0, 0], [1, 0]]), plane([[5, 5]])
    often = plane([[0, 0]] * 9 + [[1, 0]])
    synthetic = plane([[0.25, 0]])
    one, other = (find_copies(side, held_out, synthetic, as_is, 0).synthetic for side in (train, often))
    assert one.calibrated[0] == other.calibrated[0] == pytest.approx(0.25 / 0.5)
    assert other.nearest[0] < 9


def test_a_row_of_a_class_without_train_rows_has_no_distance_and_an_empty_cell():
    found = find_copies(plane([[0, 0], [1, 0]]), plane([[5, 5]]), plane([[0.5, 0], [9, 9]], [0, 1]), as_is, 0)
    lines = nearest_rows(found, np.array(["m0", "m1"]), np.array(["t0", "t1"]))
    assert lines[1] == {
        "row_id": "m1",
        "nearest_train_id": "",
        "distance": "",
        "calibrated_distance": "1",
        "nearest_held_out_distance": "",
        "copy": "",
    }
    assert lines[0]["distance"] == "0.5"
    assert lines[0]["nearest_train_id"] in ("t0", "t1")
    assert float(lines[0]["nearest_held_out_distance"]) == pytest.approx(np.hypot(4.5, 5), rel=1e-5)


def test_lines_say_which_rows_are_copies():
    synthetic, copied = partly_memorised(TRAIN, FRESH, 60, 0.5, 0)
    found = find_copies(TRAIN, HELD_OUT, synthetic, POINTS, 0)
    lines = nearest_rows(found, synthetic.ids, TRAIN.ids)
    assert [line["copy"] == "exact" for line in lines] == copied.tolist()
    assert all(line["nearest_train_id"] == line["row_id"] for line in lines if line["copy"])


@pytest.mark.parametrize(("exponent", "n", "synthetic"), [(1.0, 500, 500), (4.0, 200, 1_000), (8.0, 4_000, 300)])
def test_new_rows_are_flagged_in_fewer_sets_than_stated(exponent, n, synthetic):
    """Calibrated distances with a power law at 0, as in that many dimensions."""
    r = np.random.default_rng(0)
    false = 0
    for _ in range(400):
        threshold, _ = near_threshold(r.random(n) ** (1 / exponent), synthetic)
        false += (r.random(synthetic) ** (1 / exponent)).min() < threshold
    assert false / 400 <= FALSE_SETS


def test_the_threshold_falls_with_more_made_rows_and_scales_with_distances():
    calibrated = np.random.default_rng(0).random(500) ** 0.25
    few, many = (near_threshold(calibrated, synthetic)[0] for synthetic in (10, 10_000))
    assert many < few <= NEAR_COPY
    assert near_threshold(0.5 * calibrated, 10_000)[0] == pytest.approx(0.5 * many)


def test_no_near_copy_can_be_told_where_real_rows_coincide_or_are_few():
    assert near_threshold(np.zeros(100), 10) == (
        0.0,
        "real rows coincide with train rows in all that distances see",
    )
    assert near_threshold(np.ones(19), 10)[1].startswith("19 real rows")
    some = TRAIN[TRAIN.y == 0][:9]
    found = find_copies(some, HELD_OUT[HELD_OUT.y == 0][:10], TRAIN, POINTS, 0)
    assert "near_copies" not in copy_entries(found)
    assert copies_per_class(found)["0"]["near_copies"]["reason"].startswith("not defined: 19 real rows")


def test_a_class_has_its_own_threshold_and_one_of_too_few_rows_says_that_it_has_that_of_all():
    """Rows of one class lie on a line, those of another in the plane, where near neighbours are rarer; a third class
    has three rows."""
    r = np.random.default_rng(0)
    line, wide = np.column_stack([40 * r.normal(size=120), np.zeros(120)]), 40 * r.normal(size=(123, 2))
    rows = plane(np.concatenate([line, wide]).tolist(), np.repeat([0, 1, 2], [120, 120, 3]).tolist())
    rows = replace(rows, schema=replace(rows.schema, classes=("a", "b", "c")))
    found = find_copies(rows[::2], rows[1::2], rows, as_is, 0)
    assert found.thresholds[0] < 0.3 * found.thresholds[1]
    assert found.pooled.tolist() == [False, False, True]
    per_class = copies_per_class(found)
    assert per_class["a"]["near_copies"]["threshold_from"] == "the class"
    assert per_class["c"]["near_copies"]["threshold_from"] == "all classes"


def test_honest_rows_of_a_rare_class_whose_rows_lie_close_are_held_against_their_own_class():
    """Pairs of rows are usual in the rare class: of new rows half sit on a training row, of the other class none."""
    r = np.random.default_rng(1)
    centres = 50 * r.normal(size=(40, 2))
    rare = np.concatenate([centres + 0.1 * r.normal(size=(40, 2)) for _ in range(3)])
    common = 50 * r.normal(size=(600, 2))
    rows = plane(np.concatenate([rare, common]).tolist(), np.repeat([1, 0], [120, 600]).tolist())
    order = r.permutation(720)
    train, held_out, drawn = (rows[part] for part in np.split(order, [240, 480]))
    rare_drawn = drawn[drawn.y == 1]
    entry = copy_entries(find_copies(train, held_out, rare_drawn, as_is, 0))["close_copies"]
    assert entry["value"] > 0.2
    assert entry["ceiling"] == pytest.approx(entry["value"], abs=0.2)


def test_entries_are_the_shares_of_the_masks_with_real_rows_beside():
    synthetic, copied = partly_memorised(TRAIN, FRESH, 400, 0.2, 0)
    doubled = LabelledData.concat([TRAIN, TRAIN[:30]])
    found = find_copies(doubled, HELD_OUT, synthetic, POINTS, 0)
    entries = copy_entries(found)
    assert entries["exact_copies"]["value"] == pytest.approx(0.2)
    assert entries["exact_copies"]["low"] < 0.2 < entries["exact_copies"]["high"]
    assert entries["near_copies"]["value"] == entries["near_copies"]["ceiling"] == 0.0
    assert "proves nothing" in entries["nearer_to_train"]["text"]
    assert entries["nearer_to_train"]["value"] == pytest.approx(0.6, abs=0.08)
    repeats = real_duplicates(found)
    assert repeats["train_equal_to_another"]["value"] == pytest.approx(60 / len(doubled))
    assert repeats["held_out_equal_to_train"]["value"] == 0.0
    per_class = copies_per_class(found)
    for c, name in enumerate(synthetic.schema.classes):
        entry = per_class[name]["exact_copies"]
        assert entry["value"] == pytest.approx(copied[synthetic.y == c].mean())
        assert entry["n"] == (synthetic.y == c).sum()


def test_held_out_rows_that_equal_train_rows_are_shown_beside_the_made_ones():
    held_out = LabelledData.concat([HELD_OUT, TRAIN[:90]])
    found = find_copies(TRAIN, held_out, FRESH, POINTS, 0)
    assert real_duplicates(found)["held_out_equal_to_train"]["value"] == pytest.approx(90 / len(held_out))
    by_class = np.bincount(TRAIN.y[:90]) / held_out.counts()
    assert copy_entries(found)["exact_copies"]["ceiling"] == pytest.approx(by_class[FRESH.y].mean())


@pytest.mark.parametrize("empty", ["held_out", "synthetic"])
def test_no_rows_on_a_side_are_no_entries(empty):
    held_out, synthetic = (HELD_OUT[:0], FRESH) if empty == "held_out" else (HELD_OUT, FRESH[:0])
    found = find_copies(TRAIN, held_out, synthetic, POINTS, 0)
    assert copy_entries(found) == {}
    assert len(nearest_rows(found, synthetic.ids, TRAIN.ids)) == len(synthetic)


def test_half_lies_in_the_interval_of_an_honest_generator_as_often_as_it_says():
    """Few real rows and many synthetic ones: what varies is which real rows were trained on."""
    found = []
    for i in range(200):
        r = np.random.default_rng(i)
        train, held_out, synthetic = (plane(r.normal(size=(n, 2)), r.integers(0, 2, n)) for n in (60, 60, 500))
        found.append(nearer_to_train(train, held_out, synthetic, as_is, i))
    assert np.mean([one["low"] <= 0.5 <= one["high"] for one in found]) == pytest.approx(0.95, abs=0.045)
    assert np.std([one["z"] for one in found]) == pytest.approx(1, abs=0.15)


def test_a_copier_lies_far_above_half_and_a_thousand_copies_of_one_row_do_not():
    r = np.random.default_rng(0)
    train, held_out = plane(r.normal(size=(60, 2))), plane(r.normal(size=(60, 2)))
    copier = nearer_to_train(train, held_out, plane(train.x[r.integers(0, 60, 500)] + 1e-3), as_is, 0)
    assert copier["low"] > 0.7
    assert copier["z"] > 8
    one = nearer_to_train(train, held_out, plane(train.x[np.zeros(1000, int)] + 1e-3), as_is, 0)
    assert one["value"] == 1.0
    assert one["low"] < 0.5
    assert one["z"] < 1.1


def test_rows_of_one_subject_are_dealt_out_together():
    """20 people a side of 10 rows each, close together, and synthetic rows round 30 of them: as if rows were people, .5
    is missed too often."""
    found = []
    for i in range(100):
        r = np.random.default_rng(i)
        centres, person = 3 * r.normal(size=(40, 2)), np.repeat(np.arange(40), 10)
        whose = np.concatenate([person, np.repeat(r.integers(0, 40, 30), 10)])
        rows = plane(centres[whose] + r.normal(size=(700, 2)) / 5)
        rows = replace(rows, groups={"who": whose.astype(str)})
        sides = rows[:200], rows[200:400], rows[400:]
        found.append([nearer_to_train(*sides, as_is, i, subject) for subject in ("who", "")])
    inside = np.array([[one["low"] <= 0.5 <= one["high"] for one in pair] for pair in found]).mean(axis=0)
    assert inside[0] == pytest.approx(0.95, abs=0.05)
    assert inside[1] < 0.75


def test_the_variance_is_that_of_rows_dealt_out_again_class_by_class_and_whole_subjects():
    r = np.random.default_rng(0)
    weight, unit, y = r.poisson(3.0, 40).astype(float), np.repeat(np.arange(20), 2), np.repeat([0, 1], [24, 16])
    sums = []
    for _ in range(4000):
        side = np.concatenate([r.permutation(n) < n // 2 for n in (12, 8)])  # half of the subjects of each class
        sums.append(weight[side[unit]].sum())
    assert shuffled_variance(weight, unit, y) == pytest.approx(np.var(sums), rel=0.1)


def test_a_class_of_one_train_row_has_no_near_copies():
    train, held_out = (
        plane([[0, 0], [0, 1], [1, 0], [5, 5], [5, 5]], [0, 0, 0, 1, 1]),
        plane(np.random.default_rng(0).normal(size=(40, 2)).tolist(), [0] * 30 + [1] * 10),
    )
    found = find_copies(train, held_out, plane([[0.01, 0], [5.01, 5], [5, 5]], [0, 1, 1]), as_is, 0)
    assert found.synthetic.compared.tolist() == [True, False, False]
    assert copy_entries(found)["near_copies"]["n_synthetic"] == 1
    assert copy_entries(found)["near_copies"]["n_real"] == 30
    assert copy_entries(found)["near_copies"]["n_train"] == 3
    assert copies_per_class(found)["b"]["near_copies"]["reason"].startswith("not defined: fewer than two train rows")
    assert copies_per_class(found)["b"]["exact_copies"]["value"] == 0.5
