"""Fault tests: each statistic against a known value, each fault by its name at small classes, honest rows accused of
nothing, and what was not tested is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bench_faults import RIGHT, Exam, pieces
from known_faults import FAULTS, draw, half
from scipy.stats import fisher_exact, mannwhitneyu

from gensynth.data.sources import read_digits
from gensynth.data.table_source import read_breast_cancer
from gensynth.evaluation.fidelity import exchange, looks
from gensynth.evaluation.fidelity.kept_labels import KeptLabels
from gensynth.types import LabelledData

DIGITS, TABLE = read_digits().data, read_breast_cancer().data


def test_a_pattern_that_comes_again_correlates_with_itself_and_noise_does_not():
    r = np.random.default_rng(0)
    noise = r.integers(0, 256, (20, 1, 28, 28)).astype(np.uint8)
    tiles = np.tile(noise[:, :, :7, :7], (1, 1, 4, 4))
    assert looks.pattern(tiles).min() > 0.95
    assert looks.pattern(noise).max() < 0.5


def test_looks_have_known_values():
    ramp = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4)
    assert looks.values_used(np.concatenate([ramp, 0 * ramp])).tolist() == [16, 1]
    assert looks.contrast(ramp)[0] == pytest.approx(np.arange(16).std())
    # Steps of 4 down and of 1 to the right, over a variance of 21.25.
    assert looks.sharpness(ramp)[0] == pytest.approx(np.log((16 + 1 + 1) / (21.25 + 1)))
    wave = np.array([[1.0, -1.0, 0.5, 0.001, 0.0, 0.5, 0.5, 0.5]], dtype=np.float32)
    assert looks.clipping(wave)[0] == pytest.approx(2 / 8)
    assert looks.silence(wave)[0] == pytest.approx(2 / 8)
    texts = np.array(["a b a b a b", "one two three"], dtype=object)
    assert looks.length(texts).tolist() == [6, 3]
    assert looks.repetition(texts).tolist() == pytest.approx([1 - 2 / 5, 0])


def test_what_no_other_real_row_holds_is_unseen_by_real_and_synthetic_rows_alike():
    real, synthetic = looks.unseen([["a", "b"], ["b", "c"], ["a"]], [["a", "x"], ["c"]])
    assert real.tolist() == [0, 0.5, 0]
    assert synthetic.tolist() == [0.5, 0]


def test_more_often_is_fishers_test_in_a_class_and_exact_over_classes():
    hits, rows, real_hits, real_rows = (np.array(x) for x in ([4, 2], [5, 6], [1, 1], [7, 4]))
    p = exchange.more_often(hits, rows, real_hits, real_rows)
    for i in range(2):
        table = [[hits[i], rows[i] - hits[i]], [real_hits[i], real_rows[i] - real_hits[i]]]
        assert p[i] == pytest.approx(fisher_exact(table, alternative="greater").pvalue)
    r, drawn = np.random.default_rng(0), []
    for _ in range(20_000):
        drawn.append(
            sum(
                r.hypergeometric(hits[i] + real_hits[i], rows[i] + real_rows[i] - hits[i] - real_hits[i], rows[i])
                for i in range(2)
            )
        )
    assert p[2] == pytest.approx(np.mean(np.array(drawn) >= 6), abs=0.01)


def test_rank_z_is_the_u_test_and_energy_a_double_loop():
    r = np.random.default_rng(0)
    values, called = r.normal(size=20), exchange.ways(12, 8, r, count=5)
    u = mannwhitneyu(values[12:], values[:12]).statistic
    z = exchange.rank_z(values[:, None], called)[0, 0]
    assert z == pytest.approx((u - 48) / np.sqrt(8 * 12 * 21 / 12))
    assert exchange.superiority(z, 12, 8) == pytest.approx(u / 96)
    table = exchange.distance_table(r.normal(size=(20, 3)))
    x, y = np.flatnonzero(called[2]), np.flatnonzero(~called[2])
    between = table[np.ix_(x, y)].mean()
    inside = table[np.ix_(x, x)].mean() + table[np.ix_(y, y)].mean()
    assert exchange.energy(table, called)[2] == pytest.approx((2 * between - inside) / (2 * between))
    to_called, to_rest, gaps = exchange.neighbour_logs(table, called)
    apart = table + np.diag(np.full(20, np.inf))
    little = exchange.EQUAL * np.median(apart[np.isfinite(apart)])
    np.testing.assert_allclose(np.exp(to_called[2]), apart[:, x].min(axis=1) + little)
    nearest = y[apart[:, y].argmin(axis=1)]
    np.testing.assert_allclose(gaps[2], to_rest[2] - to_rest[2][nearest])


@pytest.mark.parametrize(
    ("rows", "size", "least"),
    [(DIGITS, 12, 8), pytest.param(DIGITS, 40, 10, marks=pytest.mark.slow), (TABLE, 40, 10)],
    ids=["digits-12", "digits-40", "table-40"],
)
def test_most_of_twelve_known_faults_are_named_and_honest_rows_are_not_accused(rows, size, least):
    train, test, fresh = pieces(rows, size, 0)
    exam = Exam(train, test, 0)
    found = {name: exam.codes(draw(name, train, fresh, 0))[0] for name in FAULTS}
    named = [name for name, codes in found.items() if codes & RIGHT[name]]
    assert len(named) >= least, found
    assert {"memoriser", "near_memoriser", "one_mode", "label_swap", "noise", "tiled", "mirrored"} <= set(named)
    assert exam.codes(draw("honest", train, fresh, 0))[0] == set()


def test_rows_with_a_fault_each_in_its_own_class_are_named_there():
    train, test, fresh = pieces(DIGITS, 40, 1)
    rows, classes = half(fresh), train.schema.classes
    x = rows.x.copy()
    mean = train.x[train.y == 0].mean(axis=0)
    x[rows.y == 0] = mean + (x[rows.y == 0] - mean) * 0.5  # spread shrunk by half
    some = train.x[train.y == 1]
    x[rows.y == 1] = some[::-1][: (rows.y == 1).sum()]  # copies
    found = Exam(train, test, 1).tests.find("set", replace(rows, x=x), copies_of(train, test, replace(rows, x=x)), {})
    codes = {(fault["class"], fault["code"]) for fault in found.faults}
    assert (classes[0], "collapse") in codes
    assert (classes[1], "memoriser") in codes
    assert {fault["class"] for fault in found.faults} == set(classes[:2])


def copies_of(train: LabelledData, test: LabelledData, rows: LabelledData):
    from gensynth.data.kinds import points_of
    from gensynth.evaluation.privacy.copies import find_copies

    return find_copies(train, test, rows, points_of(train), 0)


def test_a_third_of_labels_swapped_is_found_and_swapped_copies_are_swapped_labels_as_well():
    train, test, fresh = pieces(DIGITS, 40, 2)
    exam = Exam(train, test, 2)
    assert "label_swap" in exam.codes(draw("label_swap_30", train, fresh, 2))[0]
    wholly = replace(train, y=(train.y + 1) % len(train.schema.classes))
    codes = exam.codes(wholly)[0]
    assert "label_swap" in codes
    assert "noise" not in codes


def test_agreement_of_real_rows_is_out_of_bag():
    """Labels that mean nothing: trees that had seen the rows would agree with nearly all of them."""
    train, _, _ = pieces(DIGITS, 40, 0)
    random = replace(train, y=np.random.default_rng(0).permutation(train.y))
    labels = KeptLabels.of(random, lambda x: x.reshape(len(x), -1).astype(np.float32), 0)
    assert (labels.found == labels.y).mean() < 0.4


def test_classes_of_too_few_rows_say_what_was_not_tested_and_what_it_needs():
    train, test, fresh = pieces(DIGITS, 40, 3)
    rows = half(fresh)
    few = rows[(rows.y > 0) | (np.cumsum(rows.y == 0) <= 3)]
    found = Exam(train, test, 3).tests.find("set", few, copies_of(train, test, few), {})
    assert found.faults == []
    assert list(found.untested) == [train.schema.classes[0]]
    text = found.untested[train.schema.classes[0]]
    assert text.startswith("not tested: looks and variety (3 synthetic and 50 real rows, needs ")


def test_equal_distributions_are_told_apart_as_seldom_as_stated():
    """All statistics of three classes of 6 to 12 rows: at most 1 in 100 sets, here of 100."""
    from gensynth.evaluation.fidelity.variety import distance_statistics

    r, alarms = np.random.default_rng(0), 0
    for _ in range(100):
        statistics = [
            one
            for real, synthetic in ((12, 6), (8, 12), (12, 12))
            for one in distance_statistics(
                r.normal(size=(real + synthetic, 4)), exchange.ways(real, synthetic, r, count=499), 1.0
            )
        ]
        alarms += exchange.corrected(statistics, 0.01)[0].min() <= 0.01
    assert alarms <= 4
