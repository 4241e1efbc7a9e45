"""Arms, intervals and the verdict: known answers on digits, metrics against scikit-learn."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score

from gensynth.evaluation.utility import (
    METRICS,
    Arm,
    joint_interval,
    metrics_of,
    paired_difference,
    predict_logistic,
    resampled_tally,
    run_arms,
    summarise,
    tally,
)
from gensynth.evaluation.verdict import not_run, verdict
from gensynth.types import LabelledData, Schema

CLASSES = tuple("0123456789")
SEEDS = [0, 1, 2]


def digits():
    images, labels = load_digits(return_X_y=True)
    return np.round(images * 255 / 16).astype(np.uint8).reshape(-1, 1, 8, 8), labels


@pytest.fixture(scope="module")
def trained():
    """Arms: 120 real rows, the same again, with 600 shuffled labels more, with 1,080 real rows more, weighted."""
    x, y = digits()
    order = np.random.default_rng(0).permutation(len(y))
    few, more, test = np.split(order, [120, 1200])
    shuffled = np.random.default_rng(1).permutation(y[more[:600]])
    arms = [
        Arm("real_only", x[few], y[few]),
        Arm("again", x[few], y[few]),
        Arm("shuffled", np.concatenate([x[few], x[more[:600]]]), np.concatenate([y[few], shuffled])),
        Arm("more_real", x[order[:1200]], y[order[:1200]]),
        Arm("class_weights", x[few], y[few], class_weights=True),
    ]
    lines = []
    data = LabelledData.of_real(x[test], y[test], Schema("image", CLASSES))
    return run_arms(arms=arms, test=data, seeds=SEEDS, steps=120, progress=lines.append), lines


def simulated(recalls, n_per_class=100, seeds=5):
    """A result whose arms hit each row of 4 classes with the given chance, without any classifier."""
    order = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), n_per_class)
    luck = order.random((seeds, len(labels)))
    predictions = {
        (arm, learner): np.where(luck < chance, labels, (labels + 1) % 4)
        for arm, chance in recalls.items()
        for learner in ("small_cnn", "logistic")
    }
    return summarise(predictions, labels, tuple("abcd"), tuple(range(seeds)))


def test_rows_are_complete_and_plain_json(trained):
    result, _ = trained
    assert len(result.rows) == 5 * 2 * len(METRICS)
    for row in result.rows:
        assert set(row) == {"arm", "learner", "metric", "mean", "low", "high", "seeds"}
        assert 0 <= row["low"] <= row["mean"] <= row["high"] <= 1
        assert row["seeds"] == 3
    json.dumps([result.rows, result.per_class_recall], allow_nan=False)


def test_raw_values_match_scikit_learn(trained):
    result, _ = trained
    for s in range(3):
        predicted = result.predictions["shuffled", "small_cnn"][s]
        values = {metric: result.raw["shuffled", "small_cnn", metric][s] for metric in METRICS}
        assert values["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(result.labels, predicted))
        assert values["macro_f1"] == pytest.approx(f1_score(result.labels, predicted, average="macro"))
        recalls = recall_score(result.labels, predicted, average=None)
        assert values["worst_class_recall"] == pytest.approx(recalls.min())


def test_per_class_recall_averages_to_balanced_accuracy(trained):
    result, _ = trained
    recalls = result.per_class_recall["real_only"]
    assert tuple(recalls) == CLASSES
    mean = result.raw["real_only", "small_cnn", "balanced_accuracy"].mean()
    assert np.mean(list(recalls.values())) == pytest.approx(mean)


def test_progress_names_arm_and_seed(trained):
    assert trained[1][0] == "utility: arm 1 of 5, real_only, seed 1 of 3"
    assert len(trained[1]) == 5 * 4


def test_seeds_change_the_network_and_equal_arms_agree(trained):
    result, _ = trained
    first = result.predictions["real_only", "small_cnn"]
    assert (first[0] != first[1]).any()
    np.testing.assert_array_equal(first, result.predictions["again", "small_cnn"])
    assert (first != result.predictions["class_weights", "small_cnn"]).any()


def test_shuffled_labels_hurt(trained):
    decision = verdict(trained[0], candidate="shuffled")
    assert decision["answer"] == "hurts"
    assert "do not use them" in decision["sentence"]


def test_identical_arms_make_no_difference(trained):
    decision = verdict(trained[0], candidate="again")
    difference = paired_difference(trained[0], "again", "real_only", learner="small_cnn", metric="balanced_accuracy")
    assert decision["answer"] == "no_difference"
    assert difference.mean == 0.0
    assert difference.low < 0 < difference.high


def test_more_real_rows_help_and_the_sentence_has_the_numbers(trained):
    result, _ = trained
    decision = verdict(result, candidate="more_real")
    assert decision["answer"] == "helps"
    mean = result.raw["more_real", "small_cnn", "balanced_accuracy"].mean()
    for part in ("Synthetic rows help", "597 locked test rows", f"{mean:.3f}", "3 seeds", "class_weights"):
        assert part in decision["sentence"]
    assert {line["against"] for line in decision["details"]} == {"real_only", "class_weights"}
    json.dumps(decision, allow_nan=False)


def test_a_simple_arm_that_does_as_well_is_named():
    chances = {"real_only": 0.7, "real_plus_synthetic": 0.85, "classical_augmentation": 0.85}
    decision = verdict(simulated(chances))
    assert decision["answer"] == "helps"
    assert decision["sentence"].endswith("classical augmentation (a rotation, a shift) does as well.")


def test_a_simple_arm_that_wins_denies_the_answer_helps():
    chances = {"real_only": 0.6, "real_plus_synthetic": 0.7, "random_oversampling": 0.9, "class_weights": 0.6}
    decision = verdict(simulated(chances))
    assert decision["answer"] == "no_difference"
    assert "a simple method beats them" in decision["sentence"]
    assert "random_oversampling, reaches 0.9" in decision["sentence"]


def test_missing_arms_and_skipped_runs():
    assert verdict(simulated({"real_only": 0.5}))["answer"] == "not_run"
    assert not_run("there are no test rows")["sentence"] == "No verdict: there are no test rows."


def test_a_few_rows_are_no_difference():
    """Four more hits of 400 are chance (exact sign test: p = 0.125); eight are not (p = 0.008)."""
    labels = np.repeat(np.arange(4), 100)
    for extra, answer in ((4, "no_difference"), (8, "helps")):
        wrong = np.arange(0, 400, 10)
        base, better = labels.copy(), labels.copy()
        base[wrong] = (labels[wrong] + 1) % 4
        better[wrong[extra:]] = (labels[wrong[extra:]] + 1) % 4
        predictions = {
            (arm, learner): np.tile(row, (3, 1))
            for arm, row in (("real_only", base), ("real_plus_synthetic", better))
            for learner in ("small_cnn", "logistic")
        }
        assert verdict(summarise(predictions, labels, tuple("abcd"), (0, 1, 2)))["answer"] == answer


def test_interval_holds_its_level_without_an_effect():
    """Arms of equal skill: about 95 % of the paired intervals hold 0."""
    order = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 60)
    held = []
    for trial in range(80):
        arms = {
            (arm, "small_cnn"): np.where(order.random((3, 180)) < 0.8, labels, (labels + 1) % 3) for arm in ("a", "b")
        }
        result = summarise(arms, labels, tuple("abc"), (trial, trial + 1, trial + 2))
        difference = paired_difference(result, "a", "b", learner="small_cnn", metric="balanced_accuracy")
        held.append(difference.low <= 0 <= difference.high)
    assert np.mean(held) > 0.92


def test_row_resampling_has_the_binomial_deviation():
    labels = np.repeat([0, 1], 200)
    predicted = np.where(np.arange(400) % 5 == 0, 1 - labels, labels)[None]
    values = metrics_of(resampled_tally(labels, predicted, 2, seed=0))["balanced_accuracy"]
    assert values.std() == pytest.approx(np.sqrt(0.8 * 0.2 / 400), rel=0.1)
    assert values.mean() == pytest.approx(0.8, abs=0.005)


def test_classes_without_test_rows_are_left_out():
    labels, predicted = np.array([0, 0, 2, 2]), np.array([[0, 1, 2, 2]])
    values = metrics_of(tally(labels, predicted, 3))
    assert values["balanced_accuracy"] == pytest.approx([0.75])
    result = summarise({("a", "small_cnn"): np.tile(predicted, (3, 1))}, labels, tuple("xyz"), (0, 1, 2))
    assert result.per_class_recall["a"] == {"x": 0.5, "y": None, "z": 1.0}


def test_seed_spread_widens_the_interval():
    labels = np.repeat([0, 1], 500)
    rows = np.random.default_rng(0).normal(0.8, 0.01, 1000)
    narrow = joint_interval(np.array([0.8, 0.8, 0.8]), rows, labels, "balanced_accuracy")
    wide = joint_interval(np.array([0.7, 0.8, 0.9]), rows, labels, "balanced_accuracy")
    assert narrow[1] - narrow[0] == pytest.approx(2 * 1.96 * 0.01, rel=0.1)
    assert wide[1] - wide[0] > 5 * (narrow[1] - narrow[0])


def test_large_arms_are_subsampled_by_seed(monkeypatch):
    monkeypatch.setattr("gensynth.evaluation.utility.LOGISTIC_ROWS", 120)
    x, y = digits()
    arm = Arm("a", x[:600], y[:600])
    first, again, other = (predict_logistic(arm, x[600:], seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_refusals():
    x, y = digits()
    arm, test = Arm("a", x[:50], y[:50]), LabelledData.of_real(x[50:90], y[50:90], Schema("image", CLASSES))
    cases = [
        ([arm], test, [0, 1], "at least 3 different seeds"),
        ([arm], test, [0, 1, 1], "at least 3 different seeds"),
        ([], test, SEEDS, "arms with different names"),
        ([arm, arm], test, SEEDS, "arms with different names"),
        ([arm], test[:0], SEEDS, "no test rows"),
    ]
    for arms, data, seeds, text in cases:
        with pytest.raises(ValueError, match=text):
            run_arms(arms=arms, test=data, seeds=seeds, steps=1, progress=print)
