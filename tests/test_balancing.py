"""Plan, filters, merge: exact counts, known rejections, every row accounted for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import stripes

from gensynth.balancing.export import folder_names
from gensynth.balancing.filters import (
    Filter,
    LabelAgreement,
    NearCopy,
    Reference,
    ValueRange,
    check_filters,
    looks_at,
)
from gensynth.balancing.merge import fill
from gensynth.balancing.plan import resolve_counts, resolve_target
from gensynth.errors import UsageError
from gensynth.models.classifier import Classifier
from gensynth.samplers.background import BackgroundSwap
from gensynth.samplers.resample import RandomOversampling
from gensynth.samplers.sampler import new_rows
from gensynth.types import LabelledData, Schema

DATA = stripes(60)
VAL = stripes(40, seed=1)
SCHEMA = Schema("image", ("<=50K", "007", "3"))


@pytest.fixture(scope="module")
def reference() -> Reference:
    classifier = Classifier.fit(DATA.x, DATA.y, num_classes=3, seed=0, steps=150, balanced=True)
    return Reference(DATA, VAL, classifier)


class Conditional:
    """A generator that knows the bands: fresh rows of the asked class, faulty ones on request."""

    name = "toy"
    label_policy = "conditional"
    deterministic = "per_row"

    def __init__(self, fault: str = "") -> None:
        self.fault = fault

    def fit(self, train):
        return self

    def sample(self, labels, seeds):
        fresh = stripes(400, seed=9)
        x = np.stack([fresh.x[fresh.y == k][int(s % np.uint64(400))] for k, s in zip(labels, seeds, strict=True)])
        bad = (seeds % np.uint64(2)).astype(bool)
        if self.fault == "copy":
            x[bad] = DATA.x[[np.flatnonzero(DATA.y == k)[0] for k in labels[bad]]]
        if self.fault == "label":
            x[bad] = np.stack([fresh.x[fresh.y == (k + 1) % 3][0] for k in labels[bad]])
        if self.fault == "always":
            x = np.stack([fresh.x[fresh.y == (k + 1) % 3][0] for k in labels])
        nothing = np.full(len(labels), "")
        return new_rows(x, labels, DATA.schema, origin="synthetic", parent=nothing, params=nothing)


def run_fill(sampler, filters, needed, reference, train=DATA, rejected=frozenset()):
    for one in filters:
        one.learn(reference)
    return fill(
        needed,
        train,
        sampler,
        RandomOversampling().fit(train),
        filters,
        seed=0,
        rejected=rejected,
        name_row=lambda c, s, i: f"{c}/{s}-{i}",
        seen_as=lambda rows: rows,
    )


def filters() -> list:
    return [LabelAgreement(0.05), NearCopy(1 / 3), ValueRange(0.25)]


def test_counts_are_exact_and_rows_named_once(reference):
    filled = run_fill(Conditional(), filters(), {"band0": 0, "band1": 37, "band2": 130}, reference)
    assert np.bincount(filled.rows.y, minlength=3).tolist() == [0, 37, 130]
    assert len(set(filled.rows.ids)) == 167
    assert filled.warnings == ()


@pytest.mark.parametrize(("fault", "key"), [("copy", "rejected_near_copy"), ("label", "rejected_label_agreement")])
def test_faulty_rows_are_rejected_counted_and_topped_up(reference, fault, key):
    filled = run_fill(Conditional(fault), filters(), {"band0": 0, "band1": 100, "band2": 0}, reference)
    counts = filled.counts["band1"]
    assert len(filled.rows) == 100
    assert (filled.rows.groups["index"] % 2 == 0).all(), "odd draws are the faulty ones"
    assert counts[key] >= 90
    assert counts["drawn"] >= 200


def test_real_rows_mostly_pass(reference):
    held_out = stripes(200, seed=5)
    for one in filters():
        one.learn(reference)
        assert one.keep(held_out).mean() > 0.9, one.name


def test_exhausted_filters_fall_back_and_say_so(reference):
    filled = run_fill(Conditional("always"), filters(), {"band0": 0, "band1": 20, "band2": 0}, reference)
    assert len(filled.rows) == 20
    assert set(filled.rows.groups["sampler"]) == {"random_oversampling"}
    assert filled.warnings[0]["code"] == "filters_exhausted"
    counts = filled.counts["band1"]
    assert {key: counts[key] for key in ("asked", "sampler", "accepted", "filled_by_fallback")} == {
        "asked": 20,
        "sampler": "toy",
        "accepted": 0,
        "filled_by_fallback": 20,
    }
    assert sum(n for key, n in counts.items() if key.startswith("rejected_")) == counts["drawn"] > 0


def test_what_the_filters_leave_is_the_generators_and_the_rest_the_fallbacks(reference):
    class Few(Steps):
        """Lets the first four rows that it is shown pass."""

        def learn(self, reference):
            self.left = 4

        def keep(self, rows):
            passed = np.arange(len(rows)) < self.left
            self.left -= int(passed.sum())
            return passed

    filled = run_fill(Conditional(), [Few()], {"band0": 0, "band1": 9, "band2": 0}, reference)
    counts = filled.counts["band1"]
    assert filled.rows.groups["sampler"].tolist() == ["toy"] * 4 + ["random_oversampling"] * 5
    assert (counts["accepted"], counts["filled_by_fallback"]) == (4, 5)
    assert counts["drawn"] == counts["accepted"] + counts["rejected_steps"]


def test_rows_turned_down_are_not_counted_twice_where_the_fallback_fills(reference):
    words = (Conditional("always"), filters(), {"band0": 0, "band1": 20, "band2": 0}, reference)
    first = run_fill(*words)
    second = run_fill(*words, rejected=frozenset(first.rows.ids[:3]))
    counts = second.counts["band1"]
    assert (counts["rejected_review"], counts["accepted"], counts["filled_by_fallback"]) == (3, 0, 20)
    assert counts["drawn"] == first.counts["band1"]["drawn"]


def test_classes_below_twenty_rows_are_not_generated(reference):
    few = DATA[np.r_[0:60, 60:79, 120:180]]
    filled = run_fill(Conditional(), filters(), {"band0": 0, "band1": 41, "band2": 5}, reference, train=few)
    assert set(filled.rows.groups["sampler"][filled.rows.y == 1]) == {"random_oversampling"}
    assert set(filled.rows.groups["sampler"][filled.rows.y == 2]) == {"toy"}
    assert (filled.rows.origin[filled.rows.y == 1] == "augmented").all()
    assert [w["code"] for w in filled.warnings] == ["small_class"]
    kept = [(n["sampler"], n["drawn"], n["accepted"], n["filled_by_fallback"]) for n in filled.counts.values()]
    assert kept == [("random_oversampling", 0, 0, 41), ("toy", 256, 5, 0)]


def test_reviewed_rows_stay_out_and_the_others_stay(reference):
    first = run_fill(Conditional(), filters(), {"band0": 0, "band1": 30, "band2": 0}, reference)
    turned_down = frozenset(first.rows.ids[[3, 17]])
    second = run_fill(Conditional(), filters(), {"band0": 0, "band1": 30, "band2": 0}, reference, rejected=turned_down)
    assert not turned_down & set(second.rows.ids)
    assert len(second.rows) == 30
    assert set(first.rows.ids) - turned_down < set(second.rows.ids)


def test_asking_for_more_keeps_what_was_there(reference):
    fewer = run_fill(Conditional("label"), filters(), {"band0": 0, "band1": 30, "band2": 0}, reference)
    more = run_fill(Conditional("label"), filters(), {"band0": 0, "band1": 90, "band2": 40}, reference)
    np.testing.assert_array_equal(more.rows.ids[:30], fewer.rows.ids)
    np.testing.assert_array_equal(more.rows.x[:30], fewer.rows.x)


def test_nothing_needed_is_an_empty_answer(reference):
    filled = run_fill(Conditional(), filters(), dict.fromkeys(DATA.schema.classes, 0), reference)
    assert len(filled.rows) == 0


def test_near_copy_forgives_repeats_among_train_rows(reference):
    twice = Reference(replace(DATA, x=np.concatenate([DATA.x[:90], DATA.x[:90]])), VAL, reference.classifier)
    one = NearCopy(1 / 3)
    one.learn(twice)
    assert not one.keep(DATA[:1])[0]


def test_a_table_class_of_close_pairs_is_held_against_its_own_rows():
    """Real rows of one class come in pairs, so new ones sit on old ones; of the other class none does."""
    kept = [_kept_of_pairs(seed) for seed in range(6)]
    assert np.mean([new for new, _, _ in kept]) > 0.9
    assert np.mean([new for _, new, _ in kept]) > 0.9
    assert max(copies for *_, copies in kept) < 0.1


def _kept_of_pairs(seed: int) -> tuple[float, float, float]:
    """Shares that the filter keeps: of new rows of the class of pairs, of new ones of the other, of its copies."""
    r = np.random.default_rng(seed)
    centres = 50 * r.normal(size=(60, 2))
    x = np.concatenate([*(centres + 0.1 * r.normal(size=(60, 2)) for _ in range(3)), 50 * r.normal(size=(600, 2))])
    columns = [{"name": name, "kind": "numeric"} for name in ("u", "v")]
    rows = LabelledData.of_real(x, np.repeat([1, 0], [180, 600]), Schema("table", ("a", "b"), {"columns": columns}))
    train, val, fresh = (rows[part] for part in np.split(r.permutation(780), [390, 585]))
    one = NearCopy(1 / 3)
    one.learn(Reference(train, val, None))
    kept, moved = one.keep(fresh), replace(train, x=train.x + 1e-6)
    copies = one.keep(moved)[moved.y == 0]
    return kept[fresh.y == 1].mean(), kept[fresh.y == 0].mean(), copies.mean()


class Steps(Filter):
    """A user's own: drops rows whose first pixel is odd, of images and sounds, whatever real rows are like."""

    name = "steps"
    reason = "began with an odd step"
    modalities = ("image", "audio")
    looks_at_real_rows = False

    def learn(self, reference):
        pass

    def keep(self, rows):
        return rows.x.reshape(len(rows), -1)[:, 0] % 2 == 0


@pytest.mark.parametrize("one", [ValueRange(0.25), Steps()], ids=lambda one: one.name)
def test_a_filter_refuses_rows_that_it_cannot_judge(one):
    check_filters([LabelAgreement(0.05), NearCopy(0.3), one], Schema("image", ("a", "b")))
    for modality in ("table", "text"):
        with pytest.raises(UsageError, match=f"filter {one.name} takes rows .* of kind {modality}; leave it out"):
            check_filters([LabelAgreement(0.05), one], Schema(modality, ("a", "b")))


def test_a_filter_that_declares_nothing_is_a_sentence():
    class Bare:
        name = "bare"

        def keep(self, rows):
            return np.ones(len(rows), dtype=bool)

    with pytest.raises(UsageError, match="Bare does not declare reason, modalities, .*; derive it from"):
        check_filters([Bare()], SCHEMA)


def test_a_filter_of_ones_own_is_counted_under_its_reason(reference):
    filled = run_fill(Conditional(), [Steps()], {"band0": 0, "band1": 30, "band2": 5}, reference)
    counts = filled.counts["band1"]
    assert filled.reasons == {"steps": "began with an odd step"}
    assert counts["rejected_steps"] > 0
    assert not (filled.rows.x[:, 0, 0, 0] % 2).any()
    assert counts["drawn"] - counts["rejected_steps"] >= counts["accepted"] == 30
    assert set(filled.rows.groups["filters"]) == {'{"steps": "passed"}'}


def test_only_filters_for_gated_rows_judge_transformed_ones():
    gated = BackgroundSwap("")
    assert [looks_at(one, gated) for one in (LabelAgreement(0.05), NearCopy(0.3), Steps())] == [True, False, False]
    assert all(looks_at(one, Conditional()) for one in (LabelAgreement(0.05), NearCopy(0.3), Steps()))
    assert not looks_at(LabelAgreement(0.05), RandomOversampling())


def test_a_row_without_a_mean_sets_no_limits(reference):
    plain, holed = ValueRange(0.25), ValueRange(0.25)
    x = DATA.x.astype(float)
    x[0] = np.nan
    plain.learn(replace(reference, train=DATA[1:]))
    holed.learn(replace(reference, train=replace(DATA, x=x)))
    np.testing.assert_array_equal(holed.keep(VAL), plain.keep(VAL))
    assert holed.keep(VAL).mean() > 0.9


@pytest.mark.parametrize(
    ("target", "final"),
    [
        ("max", [50, 50, 50]),
        ("median", [50, 20, 20]),
        (30, [50, 30, 30]),
        ("30", [50, 30, 30]),
        ({"007": "25"}, [50, 20, 25]),
        ({"<=50K": 10}, [50, 20, 5]),
    ],
)
def test_targets(target, final):
    schema = Schema("image", ("<=50K", "3", "007"))
    assert list(resolve_target(target, np.array([50, 20, 5]), schema).values()) == final


def test_counts_of_sample():
    assert resolve_counts(4, SCHEMA) == {"<=50K": 4, "007": 4, "3": 4}
    assert resolve_counts({"3": "20"}, SCHEMA) == {"<=50K": 0, "007": 0, "3": 20}


@pytest.mark.parametrize("words", ["many", "-3", "2.5", {"rare": 3}, {"3": "x"}])
def test_bad_amounts_are_a_sentence(words):
    with pytest.raises(UsageError):
        resolve_target(words, np.array([5, 5, 5]), SCHEMA)
    with pytest.raises(UsageError):
        resolve_counts(words, SCHEMA)


def test_unknown_class_names_the_nearest():
    with pytest.raises(UsageError, match='unknown class "<=50k"; did you mean "<=50K"'):
        resolve_target({"<=50k": 3}, np.array([5, 5, 5]), SCHEMA)


@pytest.mark.parametrize(
    "label",
    ["../up", "/abs", "a/b", "..", ".", "", "CON", "nul.txt", "x.", " lead", "a" * 300, "-rf", "a\nb", "~", "x:y"],
)
def test_hostile_class_names_never_become_paths(label):
    name = folder_names((label, "fine"))[label]
    assert name.startswith("class_000")
    assert name.isascii()
    assert not set(name) & set("/\\:~. \n")
    assert len(name) <= 60


def test_ordinary_class_names_stay():
    labels = ("cat", "Weiße Blutkörperchen", "7", "v1.2", "a b-c_d (2)", "猫")
    assert list(folder_names(labels).values()) == list(labels)
