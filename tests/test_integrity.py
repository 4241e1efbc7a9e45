"""Label integrity: agreement, lost variety and suspect labels; confident learning against loops and cleanlab."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from gensynth.data.sources import read_digits
from gensynth.data.table_source import read_frame
from gensynth.evaluation.assessment import Drawn
from gensynth.evaluation.fidelity.features import FeatureSpace
from gensynth.evaluation.labels import confident
from gensynth.evaluation.labels.confident import (
    FOLDS,
    calibrated_joint,
    find_suspects,
    mean_self_confidence,
    noise_share,
    out_of_fold,
    reviewed_rows,
)
from gensynth.evaluation.labels.integrity import WORST, agreement, labels_of, lost_variety, suspect_facts
from gensynth.models.classifiers import fit_row_classifier
from gensynth.types import LabelledData, Schema


def guesses(n=600, classes=4, wrong=0.15, seed=0):
    """Probabilities of a fair classifier and labels of which some are wrong."""
    order = np.random.default_rng(seed)
    truth = order.choice(classes, n, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    logits = order.normal(size=(n, classes)) + 3.0 * np.eye(classes)[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    moved = order.random(n) < wrong
    return probabilities, np.where(moved, (truth + order.integers(1, classes, n)) % classes, truth), moved


def flipped(data, share, seed=1):
    """The rows with that share of their labels wrong, and which ones."""
    order = np.random.default_rng(seed)
    moved = np.zeros(len(data), bool)
    moved[order.permutation(len(data))[: int(share * len(data))]] = True
    classes = len(data.schema.classes)
    return replace(data, y=np.where(moved, (data.y + order.integers(1, classes, len(data))) % classes, data.y)), moved


def clumps(n=300, seed=0):
    """A table of three classes that lie apart, in turn."""
    order, y = np.random.default_rng(seed), np.arange(n) % 3
    cells = order.normal(size=(n, 3)) + 8.0 * np.eye(3)[y]
    frame = pd.DataFrame(cells.round(3).astype(str), columns=list("uvw"))
    return read_frame(frame.assign(label=np.array(["clump0", "clump1", "clump2"])[y])).data


@pytest.fixture(scope="module")
def digits():
    data = read_digits().data
    order = np.random.default_rng(0).permutation(len(data))
    return data[order[:1000]], data[order[1000:]]


@pytest.fixture(scope="module")
def wrong_digits(digits):
    """1,000 digits of which 8 % are labelled wrongly, and their out-of-fold probabilities."""
    rows, moved = flipped(digits[0], 0.08)
    return rows, moved, out_of_fold(rows, digits[1].x[:300], seed=0)


class TestConfidentJoint:
    def test_a_loop_over_the_rows_finds_the_same(self):
        p, y, _ = guesses()
        thresholds = [p[y == k, k].mean() for k in range(4)]
        joint, believed = np.zeros((4, 4), int), []
        for row, label in zip(p, y, strict=True):
            over = [k for k in range(4) if row[k] >= thresholds[k]]
            believed.append(max(over, key=lambda k: row[k]) if over else -1)
            if over:
                joint[label, believed[-1]] += 1
        found = find_suspects(p, y, mean_self_confidence(p, y))
        assert found.joint.tolist() == joint.tolist()
        assert found.believed.tolist() == believed
        wanted = [b not in (-1, label) and row.argmax() != label for b, label, row in zip(believed, y, p, strict=True)]
        assert found.suspect.tolist() == wanted

    @pytest.mark.parametrize("seed", range(3))
    def test_cleanlab_finds_the_same(self, seed):
        count, rank = pytest.importorskip("cleanlab.count"), pytest.importorskip("cleanlab.rank")
        find_label_issues = pytest.importorskip("cleanlab.filter").find_label_issues
        p, y, _ = guesses(classes=3 + seed, seed=seed)
        found = find_suspects(p, y, mean_self_confidence(p, y))
        assert found.joint.tolist() == count.compute_confident_joint(y, p, calibrate=False).tolist()
        issues = find_label_issues(y, p, filter_by="confident_learning", n_jobs=1)
        assert found.suspect.tolist() == issues.tolist()
        assert issues.sum() > 20
        assert found.margin == pytest.approx(rank.get_normalized_margin_for_each_label(y, p))
        ours = calibrated_joint(found.joint, np.bincount(y))
        assert np.abs(ours - count.compute_confident_joint(y, p, calibrate=True)).max() < 1  # theirs is rounded

    def test_the_estimated_noise_is_near_the_true_share(self):
        p, y, moved = guesses(4000)
        found = find_suspects(p, y, mean_self_confidence(p, y))
        noise = noise_share(found.joint, np.bincount(y))
        assert noise["low"] < noise["value"] < noise["high"]
        assert noise["value"] == pytest.approx(moved.mean(), abs=0.03)
        assert noise["value"] == pytest.approx(1 - np.trace(calibrated_joint(found.joint, np.bincount(y))) / 4000)

    def test_a_class_without_rows_is_nobodys_true_class(self):
        p = np.array([[0.2, 0.1, 0.7], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
        found = find_suspects(p, np.array([0, 0, 1]), mean_self_confidence(p, np.array([0, 0, 1])))
        assert (found.believed != 2).all()
        assert not found.suspect.any()

    def test_the_lowest_margin_comes_first(self):
        p, y, _ = guesses()
        found = find_suspects(p, y, mean_self_confidence(p, y))
        worst = found.worst(7)
        assert len(worst) == 7
        assert found.margin[worst].tolist() == sorted(found.margin[found.suspect])[:7]


class TestOutOfFold:
    def test_wrong_labels_are_found_and_clean_rows_are_left_alone(self, digits, wrong_digits):
        rows, moved, found = wrong_digits
        assert found.rows.tolist() == list(range(1000))
        suspects = find_suspects(found.real, rows.y, mean_self_confidence(found.real, rows.y)).suspect
        assert (suspects & moved).sum() / moved.sum() > 0.7
        assert (suspects & moved).sum() / suspects.sum() > 0.7
        clean = out_of_fold(digits[0], digits[1].x[:0], seed=0)
        y = digits[0].y
        assert find_suspects(clean.real, y, mean_self_confidence(clean.real, y)).suspect.mean() < 0.02

    def test_a_row_is_judged_by_classifiers_that_did_not_see_it(self):
        """A classifier that saw a random label of a row of noise would know it; one that did not cannot."""
        data = clumps()
        noise = replace(data, y=np.random.default_rng(5).integers(0, 3, len(data)))
        found = out_of_fold(noise, noise.x[:0], seed=0)
        assert (found.real.argmax(axis=1) == noise.y).mean() < 0.5

    def test_other_rows_are_judged_too_and_a_seed_repeats_itself(self, wrong_digits, digits):
        assert (wrong_digits[2].others.argmax(axis=1) == digits[1].y[:300]).mean() > 0.85
        rows = clumps()
        one, again = (out_of_fold(rows, rows.x[:50], seed=0) for _ in range(2))
        assert (again.real == one.real).all()
        assert (again.others == one.others).all()

    def test_folds_share_every_class_and_small_classes_are_left_out(self):
        y = np.repeat([0, 1, 2], [60, 9, 12])
        rows, fold = reviewed_rows(y, 3, seed=0)
        assert set(y[rows]) == {0, 2}
        assert (np.diff(rows) > 0).all()
        for c in (0, 2):
            assert np.bincount(fold[y[rows] == c], minlength=FOLDS).tolist() == [(y == c).sum() // FOLDS] * FOLDS

    def test_equal_rows_and_rows_of_a_subject_share_a_fold_and_folds_stay_even(self):
        y, people = np.repeat([0, 1, 2, 3], [60, 30, 60, 12]), np.repeat(np.arange(54), 3)
        people[90:120], people[150:] = 99, 100  # half of class 2, and all of class 3, belong to one person each
        rows, fold = reviewed_rows(y, 4, 0, people)
        assert set(y[rows]) == {0, 1, 2}
        assert all(len(set(fold[people[rows] == p])) == 1 for p in set(people[rows].tolist()))
        assert [np.bincount(fold[y[rows] == c]).min() for c in (0, 1)] == [18, 9]
        assert np.bincount(fold[y[rows] == 2]).max() == 30
        alone, same = reviewed_rows(y, 4, 0), reviewed_rows(y, 4, 0, np.arange(len(y)))
        assert all((a == b).all() for a, b in zip(alone, same, strict=True))

    def test_a_row_is_not_judged_by_who_saw_its_equal(self):
        """Rows of noise, each there three times: who saw one of them knows the label of the others."""
        rows = clumps(100)
        noise = replace(rows, y=np.random.default_rng(5).integers(0, 3, len(rows)))
        found = out_of_fold(LabelledData.concat([noise, noise, noise]), rows.x[:0], seed=0)
        assert (found.real.argmax(axis=1) == np.tile(noise.y, 3)).mean() < 0.5

    def test_common_classes_are_cut_first(self, monkeypatch):
        monkeypatch.setattr(confident, "MOST_ROWS", 100)
        y = np.repeat([0, 1, 2], [500, 20, 300])
        rows, _ = reviewed_rows(y, 3, seed=0)
        assert np.bincount(y[rows]).tolist() == [40, 20, 40]


class TestAgreement:
    def test_is_the_share_of_a_class_that_the_judge_calls_so(self):
        p, y, _ = guesses()
        found = agreement(p, y, tuple("abcd"))
        for c, name in enumerate("abcd"):
            assert found[name]["value"] == pytest.approx((p[y == c].argmax(axis=1) == c).mean())
            assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]

    def test_a_class_without_rows_is_not_defined(self):
        found = agreement(np.ones((3, 2)) / 2, np.zeros(3, int), ("a", "b"))["b"]
        assert found == {"value": None, "n": 0, "reason": "not defined: no rows"}


class TestLostVariety:
    """Rows of one class in the plane: two clumps, of which a filter may take one."""

    SCHEMA = Schema("table", ("a", "b"))

    def rows(self, n, seed, junk=0):
        order = np.random.default_rng(seed)
        x = order.normal(size=(n, 2)) + np.where(np.arange(n) % 2, 6.0, -6.0)[:, None]
        x[:junk] += [500.0, -500.0]
        return LabelledData.of_real(x, np.zeros(n, int), self.SCHEMA)

    def lost(self, drawn, passed):
        return lost_variety(self.rows(200, 1), self.rows(200, 2), Drawn(drawn, passed), lambda x: x, 0)

    def test_a_filter_that_takes_one_clump_loses_half(self):
        drawn = self.rows(400, 3)
        found = self.lost(drawn, drawn.x[:, 0] > 0)["a"]
        assert found["value"] == pytest.approx(0.5, abs=0.07)
        assert found["low"] > 0.3
        assert found["kept"] == pytest.approx(0.5, abs=0.05)
        assert found["drawn"] == pytest.approx(found["ceiling"], abs=0.07)

    def test_a_filter_that_takes_junk_loses_nothing(self):
        drawn = self.rows(400, 3, junk=200)
        found = self.lost(drawn, np.abs(drawn.x[:, 0]) < 100)["a"]
        assert found["value"] < 0
        assert found["low"] < 0

    def test_a_filter_that_takes_rows_at_random_loses_nothing(self):
        found = self.lost(self.rows(400, 3), np.random.default_rng(0).random(400) < 0.5)["a"]
        assert found["low"] <= 0 <= found["high"]

    def test_nothing_rejected_too_few_left_and_nothing_drawn(self):
        drawn = self.rows(40, 3)
        assert self.lost(drawn, np.ones(40, bool))["a"]["value"] == 0
        few = self.lost(drawn, np.arange(40) < 11)
        assert few["a"]["reason"] == "not defined: n too small, 11 of 40 drawn rows passed, 11 rows a side, 12 needed"
        assert few["b"]["value"] is None


class TestFacts:
    def test_wrong_labels_of_real_rows_are_counted_and_named(self, digits, wrong_digits):
        rows, moved, found = wrong_digits
        facts, worst = suspect_facts(rows, digits[1][:300], found)
        real = facts["real"]
        assert real["count"] == sum(entry["count"] for entry in real["classes"].values())
        assert real["noise"]["value"] == pytest.approx(0.08, abs=0.04)
        assert facts["made"]["count"] < 0.05 * 300
        assert len(worst["real"]) == WORST
        wrong = set(rows.ids[moved].tolist())
        assert np.mean([one["row_id"] in wrong for one in worst["real"]]) > 0.85
        assert all(one["label"] != one["believed"] for one in worst["real"])

    def test_made_rows_with_two_labels_swapped_are_suspect(self):
        rows = clumps(600)
        train, held_out, synthetic = rows[:300], rows[300:450], rows[450:]
        synthetic = replace(
            synthetic, y=np.where(synthetic.y == 2, 2, 1 - synthetic.y), ids=np.array([f"m{i}" for i in range(150)])
        )
        passed = synthetic.y == 2
        found, worst = labels_of(
            train=train,
            held_out=held_out,
            synthetic=synthetic,
            drawn=Drawn(synthetic, passed),
            classify=fit_row_classifier(train, 0).probabilities,
            space=FeatureSpace("cells", "", lambda x: x),
            seed=0,
        )
        facts = found.to_json()
        one, good = facts["classes"]["clump0"], facts["classes"]["clump2"]
        assert (one["agreement_before"]["value"], one["agreement_after"]["value"]) == (0.0, None)
        assert (good["agreement_before"]["value"], good["agreement_real"]["value"]) == (1.0, 1.0)
        assert good["lost_variety"]["value"] == 0
        synthetic_of = facts["suspect"]["made"]["classes"]
        assert synthetic_of["clump0"] | {"low": 0, "high": 0} == {
            "value": 1.0,
            "low": 0,
            "high": 0,
            "n": 50,
            "count": 50,
            "most_often": "clump1",
        }
        assert synthetic_of["clump2"]["count"] == 0
        assert facts["suspect"]["real"]["count"] == 0
        assert {one["row_id"][0] for one in worst["made"]} == {"m"}
        json.dumps([facts, worst], allow_nan=False)

    def test_a_class_too_small_to_be_learned_says_so(self):
        rows = clumps()
        rows = rows[(rows.y != 1) | (np.arange(300) < 15)]
        facts, _ = suspect_facts(rows, rows[:0], out_of_fold(rows, rows.x[:0], 0))
        synthetic = replace(rows, ids=np.array([f"m{i}" for i in range(len(rows))]))
        of_synthetic, worst = suspect_facts(rows, synthetic, out_of_fold(rows, synthetic.x, 0))
        assert of_synthetic["made"]["n"] == (rows.y != 1).sum()
        assert of_synthetic["made"]["count"] == 0
        assert worst["made"] == []
        entry = facts["real"]["classes"]["clump1"]
        assert entry["value"] is None
        assert entry["reason"] == "not defined: fewer than 10 real training rows"
        assert facts["made"]["noise"]["value"] is None
        json.dumps(facts, allow_nan=False)
