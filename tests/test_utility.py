"""Arms, intervals and the verdict: known answers on digits, metrics against scikit-learn."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    precision_recall_curve,
    recall_score,
    roc_auc_score,
)

from gensynth.evaluation.metrics.classification import (
    LABEL_METRICS,
    PROBABILITY_METRICS,
    calibration_slope,
    label_scores,
    probability_scores,
    resampled_tally,
    tally,
)
from gensynth.evaluation.utility import classifiers
from gensynth.evaluation.utility.arms import free_arms, half_and_half
from gensynth.evaluation.utility.classifiers import SmallCnn, logistic
from gensynth.evaluation.utility.gain import _rounded, against_best, alone, estimate, together
from gensynth.evaluation.utility.utility import UNCHANGED, Arm, run_arms, summarise
from gensynth.evaluation.utility.verdict import answer_arms, differences, not_run, verdict
from gensynth.intervals import holm, joint_estimate
from gensynth.types import LabelledData, Schema

CLASSES = tuple("0123456789")
SEEDS = [0, 1, 2]
SCHEMA = Schema("image", CLASSES)


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
    real = LabelledData.of_real(x[few], y[few], SCHEMA, few)
    wrong = LabelledData.of_real(x[more[:600]], shuffled, SCHEMA, more[:600])
    arms = [
        Arm("real_only", (real,)),
        Arm("again", (LabelledData.of_real(x[few], y[few], SCHEMA, few),)),
        Arm("shuffled", (LabelledData.concat([real, wrong]),)),
        Arm("more_real", (LabelledData.of_real(x[order[:1200]], y[order[:1200]], SCHEMA, order[:1200]),)),
        Arm("class_weights", (real,), class_weights=True),
    ]
    data = LabelledData.of_real(x[test], y[test], SCHEMA)
    return run_arms(
        arms=arms,
        classifiers=[SmallCnn(60), logistic(SCHEMA)],
        val=data[:0],
        test=data,
        further={"some": data.x[:7]},
        seeds=SEEDS,
    )


def simulated(recalls, n_per_class=100, seeds=5):
    """A result whose arms hit each row of 4 classes with the given chance, without any classifier."""
    order = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), n_per_class)
    luck = order.random((seeds, len(labels)))
    predictions = {
        (arm, classifier): np.where(luck < chance, labels, (labels + 1) % 4)
        for arm, chance in recalls.items()
        for classifier in ("small_cnn", "logistic")
    }
    return summarise(predictions, labels, tuple("abcd"), tuple(range(seeds)), dict.fromkeys(recalls, 1))


def independent(chances, counts, seed, seeds=5):
    """A result of two arms and two classes of different size; rows are hit independently, mostly alike by all seeds."""
    order = np.random.default_rng(seed)
    labels = np.repeat([0, 1], counts)
    luck = {arm: order.random(len(labels)) for arm in chances}
    predictions = {
        (arm, "small_cnn"): np.stack(
            [
                np.where(luck[arm] + order.normal(0, 0.02, len(labels)) < chance, labels, 1 - labels)
                for _ in range(seeds)
            ]
        )
        for arm, chance in chances.items()
    }
    return summarise(predictions, labels, ("a", "b"), tuple(range(seeds)), dict.fromkeys(chances, 1))


def test_rows_are_complete_and_plain_json(trained):
    result = trained
    assert len(result.rows) == 5 * 2 * (len(LABEL_METRICS) + len(PROBABILITY_METRICS))
    for row in result.rows:
        assert set(row) - {"better"} == {"arm", "learner", "metric", "mean", "low", "high", "seeds", "generator_seeds"}
        assert row["low"] <= row["mean"] <= row["high"]
        assert row["metric"] == "calibration_slope" or 0 <= row["low"] <= row["high"] <= 1
        assert (row["seeds"], row["generator_seeds"]) == (3, 1)
    json.dumps([result.rows, result.per_class_recall], allow_nan=False)


def test_raw_values_match_scikit_learn(trained):
    result = trained
    for s in range(3):
        predicted = result.predictions["shuffled", "small_cnn"][s]
        values = {metric: result.raw["shuffled", "small_cnn", metric][s] for metric in LABEL_METRICS}
        assert values["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(result.labels, predicted))
        assert values["macro_f1"] == pytest.approx(f1_score(result.labels, predicted, average="macro"))
        recalls = recall_score(result.labels, predicted, average=None)
        assert values["worst_class_recall"] == pytest.approx(recalls.min())


def test_per_class_recall_averages_to_balanced_accuracy(trained):
    result = trained
    recalls = result.per_class_recall["real_only"]
    assert tuple(recalls) == CLASSES
    mean = result.raw["real_only", "small_cnn", "balanced_accuracy"].mean()
    assert np.mean(list(recalls.values())) == pytest.approx(mean)


def test_the_first_classifier_sees_further_rows(trained):
    assert trained.further["again", "some"].shape == (3, 7, 10)


def test_seeds_change_the_network_and_equal_arms_agree(trained):
    result = trained
    first = result.predictions["real_only", "small_cnn"]
    assert (first[0] != first[1]).any()
    np.testing.assert_array_equal(first, result.predictions["again", "small_cnn"])
    assert (first != result.predictions["class_weights", "small_cnn"]).any()


def test_shuffled_labels_hurt(trained):
    decision = verdict(trained, candidate="shuffled")
    assert decision.answer == "hurts"
    assert decision.sentence.startswith("Use the real rows as they are; leave the synthetic rows out. They lose 0.3")
    assert decision.use == "real_only"
    assert decision.gain["high"] < 0
    assert decision.over_nothing["high"] < 0


def test_identical_arms_make_no_difference(trained):
    decision = verdict(trained, candidate="again")
    difference = alone(differences(trained, [("again", "real_only")], "small_cnn", "balanced_accuracy"))
    assert decision.over_nothing["mean"] == 0.0
    assert difference.mean == 0.0
    assert difference.low < 0 < difference.high


def test_more_real_rows_help_and_the_sentence_has_the_numbers(trained):
    result = trained
    decision = verdict(result, candidate="more_real")
    assert decision.answer == "helps"
    mean = result.raw["more_real", "small_cnn", "balanced_accuracy"].mean()
    assert decision.use == "more_real"
    for part in (
        "Use the synthetic rows. They gain ",
        "597 locked test rows",
        f"{mean:.3f}",
        "3 seeds",
        "95 % interval",
    ):
        assert part in decision.sentence
    assert {line["against"] for line in decision.details} == {"real_only", "class_weights"}
    json.dumps(decision.to_json(), allow_nan=False)


def test_a_simple_arm_that_does_as_well_is_used():
    chances = {"real_only": 0.7, "real_plus_synthetic": 0.85, "classical_augmentation": 0.85}
    decision = verdict(simulated(chances))
    assert decision.answer == "no_difference"
    assert decision.gain["against"] == decision.use == "classical_augmentation"
    assert decision.sentence.startswith(
        "Use classical augmentation (a rotation, a shift); leave the synthetic rows out"
    )
    assert decision.over_nothing["low"] > 0.1


def test_a_simple_arm_that_wins_says_what_the_rows_lose():
    chances = {"real_only": 0.6, "real_plus_synthetic": 0.7, "random_oversampling": 0.9, "class_weights": 0.6}
    decision = verdict(simulated(chances))
    assert decision.answer == "hurts"
    assert decision.use == "random_oversampling"
    assert decision.sentence.startswith("Use plain oversampling; leave the synthetic rows out. They lose 0.2")
    assert decision.over_nothing["low"] > 0


def test_few_test_rows_cannot_tell_and_say_what_they_could_have_shown():
    chances = {"real_only": 0.70, "real_plus_synthetic": 0.75}
    decision = verdict(independent(chances, (8000, 12), seed=1))
    assert decision.answer == "cannot_tell"
    assert decision.use == "real_only"
    needed = decision.test_rows_needed
    assert (needed["class"], needed["gain"]) == ("b", 0.02)
    many = verdict(independent(chances, (8000, needed["rows"]), seed=2))
    assert many.smallest_gain < 0.02 * 1.2 < decision.smallest_gain
    assert f"{needed['rows']:,} test rows of class" in decision.sentence


def test_a_copier_is_never_recommended():
    chances = {"real_only": 0.7, "real_plus_synthetic": 0.85, "class_weights": 0.7}
    decision = verdict(simulated(chances), faults=[{"code": "memoriser", "text": "copies training rows"}])
    assert decision.answer == "helps"
    assert decision.use == "real_only"
    assert "copies training rows" in decision.sentence
    harmless = verdict(simulated(chances), faults=[{"code": "mode_drop", "text": "misses half of its variety"}])
    assert harmless.use == "real_plus_synthetic"


def test_missing_arms_and_skipped_runs():
    assert verdict(simulated({"real_only": 0.5})).answer == "not_run"
    assert not_run("there are no test rows").sentence == "No verdict: there are no test rows."


def test_a_few_rows_show_nothing():
    """Four more hits of 400 are chance (exact sign test: p = 0.125); eight are not (p = 0.008)."""
    labels = np.repeat(np.arange(4), 100)
    for extra, answer in ((4, "cannot_tell"), (8, "helps")):
        wrong = np.arange(0, 400, 10)
        base, better = labels.copy(), labels.copy()
        base[wrong] = (labels[wrong] + 1) % 4
        better[wrong[extra:]] = (labels[wrong[extra:]] + 1) % 4
        predictions = {
            (arm, classifier): np.tile(row, (3, 1))
            for arm, row in (("real_only", base), ("real_plus_synthetic", better))
            for classifier in ("small_cnn", "logistic")
        }
        once = {"real_only": 1, "real_plus_synthetic": 1}
        assert verdict(summarise(predictions, labels, tuple("abcd"), (0, 1, 2), once)).answer == answer


def test_interval_holds_its_level_without_an_effect():
    """Arms of equal skill: about 95 % of the paired intervals hold 0."""
    order = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 60)
    held = []
    for trial in range(80):
        arms = {
            (arm, "small_cnn"): np.where(order.random((3, 180)) < 0.8, labels, (labels + 1) % 3) for arm in ("a", "b")
        }
        result = summarise(arms, labels, tuple("abc"), (trial, trial + 1, trial + 2), {"a": 1, "b": 1})
        difference = alone(differences(result, [("a", "b")], "small_cnn", "balanced_accuracy"))
        held.append(difference.low <= 0 <= difference.high)
    assert np.mean(held) > 0.92


def test_row_resampling_has_the_binomial_deviation():
    labels = np.repeat([0, 1], 200)
    predicted = np.where(np.arange(400) % 5 == 0, 1 - labels, labels)[None]
    values = label_scores(resampled_tally(labels, predicted, 2, seed=0))["balanced_accuracy"]
    assert values.std() == pytest.approx(np.sqrt(0.8 * 0.2 / 400), rel=0.1)
    assert values.mean() == pytest.approx(0.8, abs=0.005)


def test_classes_without_test_rows_are_left_out():
    labels, predicted = np.array([0, 0, 2, 2]), np.array([[0, 1, 2, 2]])
    values = label_scores(tally(labels, predicted, 3))
    assert values["balanced_accuracy"] == pytest.approx([0.75])
    result = summarise({("a", "small_cnn"): np.tile(predicted, (3, 1))}, labels, tuple("xyz"), (0, 1, 2), {"a": 1})
    assert result.per_class_recall["a"] == {"x": 0.5, "y": None, "z": 1.0}


def test_seed_spread_widens_the_interval():
    labels = np.repeat([0, 1], 500)
    rows = np.random.default_rng(0).normal(0.8, 0.01, 1000)
    narrow = joint_estimate(np.array([0.8, 0.8, 0.8]), rows, labels, "balanced_accuracy")
    wide = joint_estimate(np.array([0.7, 0.8, 0.9]), rows, labels, "balanced_accuracy")
    assert narrow.high - narrow.low == pytest.approx(2 * 1.96 * 0.01, rel=0.1)
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)


def test_generators_that_differ_widen_the_interval_more_than_seeds():
    """Six seeds on two generators of different worth: two values, not six, carry the mean."""
    labels, rows = np.repeat([0, 1], 500), np.full(9, 0.8)
    values = np.array([0.7, 0.9, 0.7, 0.9, 0.7, 0.9])
    one = joint_estimate(values, rows, labels, "balanced_accuracy")
    two = joint_estimate(values, rows, labels, "balanced_accuracy", generators=2)
    assert one.mean == two.mean == pytest.approx(0.8)
    assert two.high - two.low == pytest.approx(2 * 12.706 * np.std([0.7, 0.9], ddof=1) / np.sqrt(2), rel=0.01)
    assert two.high - two.low > 5 * (one.high - one.low)


def test_p_values_keep_their_level_and_holm_that_of_the_family():
    order, labels = np.random.default_rng(1), np.repeat([0, 1], 2000)
    means = order.normal(0, 0.02, 400)
    spread = order.normal(0, 0.02, 2000)
    p = np.array([joint_estimate(np.full(3, m), spread, labels, "balanced_accuracy").p for m in means])
    assert 0.02 < np.mean(p < 0.05) < 0.08
    families = p.reshape(40, 10)
    assert np.mean([holm(family).min() < 0.05 for family in families]) < 0.15
    assert (holm(families[0]) >= families[0]).all()


def test_only_differences_that_hold_among_all_arms_are_answered():
    chances = {"real_only": 0.70, "real_plus_synthetic": 0.85} | {f"arm{i}": 0.70 for i in range(8)}
    result = simulated(chances)
    answer_arms(result)
    rows = {row["arm"]: row for row in result.rows if row["metric"] == "balanced_accuracy"}
    assert rows["real_plus_synthetic"]["answer"] == "helps"
    assert max(rows["real_plus_synthetic"][name] for name in ("p", "p_holm")) < 0.05
    assert not {rows[f"arm{i}"]["answer"] for i in range(8)} & {"helps", "hurts"}
    assert "answer" not in rows["real_only"]


def test_slope_of_calibrated_and_of_overconfident_probabilities():
    odds = np.random.default_rng(0).normal(size=20_000)
    truth = np.random.default_rng(1).random(20_000) < 1 / (1 + np.exp(-odds))
    assert calibration_slope(1 / (1 + np.exp(-odds)), truth) == pytest.approx(1.0, abs=0.05)
    assert calibration_slope(1 / (1 + np.exp(-3 * odds)), truth) == pytest.approx(1 / 3, abs=0.02)


@pytest.mark.parametrize("ties", [False, True])
def test_scores_of_weighted_rows_are_those_of_rows_drawn_again(ties):
    """Against scikit-learn, on the rows themselves."""
    order = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    shares = order.dirichlet(np.ones(3), len(labels)) + 0.3 * np.eye(3)[labels]
    shares /= shares.sum(1, keepdims=True)
    shares = shares.round(1) if ties else shares
    rows = [np.concatenate([order.choice(np.flatnonzero(labels == k), (labels == k).sum()) for k in range(3)])] * 2
    rows[1] = np.sort(rows[1])[::-1]
    rows.append(np.arange(len(labels)))
    weights = np.stack([np.bincount(one, minlength=len(labels)) for one in rows])
    found = probability_scores(shares, labels, 2, np.array([1.0, 2.0, 3.0]), weights)
    for i, one in enumerate(rows):
        truth, score = labels[one] == 2, shares[one, 2]
        precision, recall, _ = precision_recall_curve(truth, score)
        alone = probability_scores(shares[one], labels[one], 2, np.array([1.0, 2.0, 3.0]))
        assert found["auc"][i] == pytest.approx(roc_auc_score(truth, score))
        assert found["ap_rarest"][i] == pytest.approx(average_precision_score(truth, score))
        assert found["recall_at_precision_0.5"][i] == pytest.approx(recall[precision >= 0.5].max())
        for metric, values in alone.items():
            assert found[metric][i] == pytest.approx(values[0], abs=1e-9), metric


def test_calibration_after_the_shares_of_the_classes_are_put_right():
    """Probabilities that are right where both classes are equally common, scored on rows that are 9 to 1."""
    order = np.random.default_rng(0)
    labels = (np.arange(20_000) % 10 == 0).astype(int)
    odds = np.where(labels == 1, 1.0, -1.0) + order.normal(0, np.sqrt(2), len(labels))  # log odds of two normals
    rare = 1 / (1 + np.exp(-odds))
    found = probability_scores(np.stack([1 - rare, rare], 1), labels, 1, np.array([0.9, 0.1]) / 0.5)
    assert found["ece"] > 0.1
    assert found["ece_corrected"] < 0.02


def test_a_tuned_threshold_shares_its_classifier_and_moves_the_labels():
    """Rows cut to a tail: probabilities are those of doing nothing, rare labels are given more often."""
    x, y = digits()
    order = np.random.default_rng(0).permutation(len(y))
    train, val, test = np.split(order, [700, 1000])
    keep = train[(y[train] < 5) | (np.arange(len(train)) % 8 == 0)]
    sides = [LabelledData.of_real(x[r], y[r], SCHEMA, r) for r in (keep, val, test)]
    arms = free_arms(sides[0], seed=0, tuned=True)
    result = run_arms(arms=arms, classifiers=[SmallCnn(60)], val=sides[1], test=sides[2], further={}, seeds=SEEDS)
    pair = ("real_only", "tuned_threshold")
    plain, tuned = (result.probabilities[arm, "small_cnn"] for arm in pair)
    np.testing.assert_array_equal(plain, tuned)
    called = [np.isin(result.predictions[arm, "small_cnn"], range(5, 10)).mean() for arm in pair]
    assert called[1] > called[0]
    assert arms[-1].name == "random_undersampling"
    assert len(set(arms[-1].rows[0].counts().tolist())) == 1


def test_half_made_and_half_classical():
    x, y = digits()
    synthetic = LabelledData.of_real(x[:90], np.repeat([0, 1, 2], [50, 33, 7]), SCHEMA)
    classical = LabelledData.of_real(x[90:180], synthetic.y, SCHEMA)
    both = half_and_half(synthetic, classical)
    np.testing.assert_array_equal(both.counts(), synthetic.counts())
    np.testing.assert_array_equal(both.x[:25], synthetic.x[:25])
    np.testing.assert_array_equal(both.x[25:50], classical.x[:25])


def test_large_arms_are_subsampled_by_seed(monkeypatch):
    monkeypatch.setitem(classifiers.LOGISTIC_ROWS, "image", 120)
    x, y = digits()
    rows, classifier = LabelledData.of_real(x[:600], y[:600], SCHEMA), logistic(SCHEMA)
    first, again, other = (classifier.probabilities(rows, None, [x[600:]], seed, UNCHANGED)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_refusals():
    x, y = digits()
    rows, test = (LabelledData.of_real(x[part], y[part], SCHEMA) for part in (slice(50), slice(50, 90)))
    arm = Arm("a", (rows,))
    cases = [
        ([arm], test, [0, 1], "at least 3 different seeds"),
        ([arm], test, [0, 1, 1], "at least 3 different seeds"),
        ([], test, SEEDS, "arms with different names"),
        ([arm, arm], test, SEEDS, "arms with different names"),
        ([arm], test[:0], SEEDS, "no test rows"),
    ]
    for arms, data, seeds, text in cases:
        with pytest.raises(ValueError, match=text):
            run_arms(arms=arms, classifiers=[SmallCnn(1)], val=data, test=data, further={}, seeds=seeds)


def layout(gain, rows=400, seeds=5, arms=1, seed=0):
    """Differences (A, S, N) of a two-way layout: a row's own, a seed's own, and the luck of each seed on each row."""
    order = np.random.default_rng(seed)
    of_row = order.normal(0, 0.3, (arms, 1, rows))
    of_seed = order.normal(0, 0.01, (arms, seeds, 1))
    return gain + of_row + of_seed + order.normal(0, 0.6, (arms, seeds, rows))


def of_layout(values, labels, seed):
    draws = np.random.default_rng(seed).multinomial(values.shape[2], np.full(values.shape[2], 1 / values.shape[2]), 300)
    resampled = values @ draws.T / values.shape[2]
    return estimate(values.mean(axis=2), resampled, labels, "balanced_accuracy")


def test_luck_that_rows_and_seeds_share_is_counted_once():
    """The variance of the mean is that of many layouts: 0.3^2 / 400 + 0.01^2 / 5 + 0.6^2 / 2000."""
    labels = np.zeros(400, dtype=np.int64)
    found = [of_layout(layout(0.0, seed=k), labels, k) for k in range(200)]
    true = 0.3**2 / 400 + 0.01**2 / 5 + 0.6**2 / 2000
    assert np.mean([one.error[0] ** 2 for one in found]) == pytest.approx(
        true, rel=0.15
    )  # a seed's part below 0 counts as 0
    held = [change.low <= 0 <= change.high for change in map(alone, found)]
    assert 0.91 <= np.mean(held) <= 0.99


def test_intervals_of_several_arms_hold_together():
    labels = np.zeros(400, dtype=np.int64)
    found = [of_layout(layout(0.0, arms=6, seed=k), labels, k) for k in range(150)]
    assert 0.90 <= np.mean([all(c.low <= 0 <= c.high for c in together(one)) for one in found]) <= 0.99
    alike = of_layout(np.repeat(layout(0.0), 6, axis=0), labels, 0)
    one, six = alone(alike), together(alike)[0]
    assert six.high - six.low == pytest.approx(one.high - one.low, rel=0.03)  # six times the same is one comparison


def test_a_gain_over_the_best_pays_for_its_being_the_best_of_many():
    """Six arms as good as the candidate: the best of them looks better, and the interval holds 0 all the same."""
    labels = np.zeros(400, dtype=np.int64)
    found = [against_best(of_layout(layout(0.0, arms=6, seed=k), labels, k))[1] for k in range(150)]
    assert np.mean([change.mean for change in found]) < -0.01
    assert np.mean([change.low <= 0 <= change.high for change in found]) >= 0.94
    assert against_best(of_layout(layout(np.array([0.2, 0.1, 0.3])[:, None, None], arms=3), labels, 0))[0] == 1


def test_an_area_under_the_curve_over_one_rare_test_row_is_not_certain():
    """Ten classes, one test row of the rarest: which row that is decides, and no row drawn again can show it."""
    labels = np.repeat(np.arange(10), [1, *[40] * 9])
    values, resampled = np.full((1, 3), 0.2), np.full((1, 1, 100), 0.2)
    found = alone(estimate(values, resampled, labels, "auc"))
    assert found.low < 0 < found.high


@pytest.mark.parametrize(("rows", "said"), [(1045.0, 1100), (104.2, 110), (99.1, 100), (7.2, 8), (1200.0, 1200)])
def test_rows_that_are_needed_are_never_said_to_be_fewer(rows, said):
    assert _rounded(rows) == said
