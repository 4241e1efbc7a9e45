"""Cross-fitting, arms that settle how long they learn, and stronger arms: known answers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from gensynth.cli import compose, main
from gensynth.evaluation.utility.classifiers import SmallCnn, classifiers_of
from gensynth.evaluation.utility.gain import alone, estimate
from gensynth.evaluation.utility.pooled import pooled
from gensynth.evaluation.utility.strong import ENSEMBLES, further_classifiers, strong_arms
from gensynth.evaluation.utility.utility import UNCHANGED, Arm, run_arms, summarise
from gensynth.run_folder import RunFolder
from gensynth.steps.draw import THE_SET
from gensynth.steps.folds import folds_of, other_splits
from gensynth.steps.read import look
from gensynth.types import LabelledData, Schema

SEEDS = [0, 1, 2]


def looked(tmp_path, *words: str):
    job = compose("balance", [*words, f"out={tmp_path / 'run'}"])
    return job, look(job, RunFolder(job.out, "balance", False, ""))


def test_every_row_is_a_test_row_once_and_never_one_that_its_fold_learned_from(tmp_path):
    job, split_data = looked(tmp_path, "breast_cancer", "evaluate.folds=5")
    folds = [split_data, *other_splits(job, split_data)]
    assert sorted(np.concatenate([one.test.ids for one in folds])) == sorted(split_data.source.data.ids)
    for one in folds:
        sides = [set(side.ids) for side in (one.train, one.val, one.test)]
        assert sum(map(len, sides)) == len(set.union(*sides)) == 569
        assert (one.test.counts() > 0).all()
        assert abs(len(one.test) - 569 / 5) < 3


def test_a_split_without_validation_rows_has_folds_without_them(tmp_path):
    job, split_data = looked(tmp_path, "breast_cancer", "evaluate.folds=4", "data.split=[0.75,0,0.25]")
    folds = other_splits(job, split_data)
    assert [len(one.val) for one in folds] == [0, 0, 0]
    assert all(len(one.train) + len(one.test) == 569 for one in folds)


def test_a_split_without_test_rows_has_no_folds(tmp_path, capsys):
    words = ["sampler=smote", "evaluate.folds=4", "data.split=[0.9,0.1,0]", f"out={tmp_path / 'run'}"]
    assert main(["balance", "breast_cancer", *words]) == 2
    assert "needs test rows" in capsys.readouterr().err


def test_rows_of_one_person_lie_in_one_fold(tmp_path):
    order = np.random.default_rng(0)
    lines = [f"p{i // 3},{order.normal():.3f},{order.normal():.3f},{'ab'[i // 3 % 4 == 0]}" for i in range(240)]
    path = tmp_path / "visits.csv"
    path.write_text("patient,x,y,label\n" + "\n".join(lines), encoding="utf-8")
    words = [str(path), "data.label=label", "data.subject=patient", "evaluate.folds=4"]
    job, split_data = looked(tmp_path, *words)
    for one in (split_data, *other_splits(job, split_data)):
        whose = [set(side.groups["patient"]) for side in (one.train, one.val, one.test)]
        assert not whose[2] & (whose[0] | whose[1])


def test_a_source_with_test_rows_of_its_own_has_no_folds(tmp_path, capsys):
    path = tmp_path / "rows.csv"
    order = np.random.default_rng(0)
    path.write_text("x,label\n" + "\n".join(f"{order.normal():.3f},{'ab'[i % 2]}" for i in range(60)), encoding="utf-8")
    words = [str(path), f"data.test={path}", "data.label=label", "sampler=smote", "evaluate.folds=5"]
    assert main(["balance", *words, f"out={tmp_path / 'run'}"]) == 2
    assert "this source names its own test rows" in capsys.readouterr().err


def test_verbs_that_draw_no_rows_of_one_sampler_have_no_folds(tmp_path, capsys):
    assert main(["compare", "breast_cancer", "evaluate.folds=5", f"out={tmp_path / 'run'}"]) == 2
    assert "compare takes no evaluate.folds" in capsys.readouterr().err


@pytest.mark.parametrize("folds", ["0", "2", "1.5"])
def test_numbers_that_are_no_folds_are_refused(folds, tmp_path, capsys):
    assert main(["balance", "breast_cancer", f"evaluate.folds={folds}", f"out={tmp_path / 'run'}"]) == 2
    assert "evaluate.folds must be" in capsys.readouterr().err


def table(path, n=240) -> str:
    order = np.random.default_rng(0)
    lines = [f"{order.normal() + (i % 4 == 0):.3f},{order.normal():.3f},{'ab'[i % 4 == 0]}" for i in range(n)]
    path.write_text("x,y,label\n" + "\n".join(lines), encoding="utf-8")
    return str(path)


def test_without_arms_no_fold_is_walked(tmp_path):
    words = ["sampler=smote", "evaluate.folds=3", "utility.run=false", f"out={tmp_path / 'run'}"]
    assert main(["balance", table(tmp_path / "rows.csv"), *words]) == 0
    facts = json.loads((tmp_path / "run/report.json").read_text(encoding="utf-8"))
    assert not [step for step in facts["timing"] if step.startswith("fold")]


def test_every_fold_takes_the_advice_of_its_own_validation_rows(tmp_path):
    """The run's are test rows of other folds. Where columns say nothing of the class no amount helps, so none adds."""
    order, path = np.random.default_rng(0), tmp_path / "rows.csv"
    lines = [f"{order.normal():.3f},{order.normal():.3f},{'ab'[i % 4 == 0]}" for i in range(240)]
    path.write_text("x,y,label\n" + "\n".join(lines), encoding="utf-8")
    added = {}
    for target in ("auto", "max"):
        words = ["sampler=smote", f"target={target}", "evaluate.folds=3", "data.split=[0.6,0.2,0.2]"]
        job, split_data = looked(tmp_path / target, str(path), *words)
        run = RunFolder(tmp_path / target / "folds", "balance", False, "")
        added[target] = [len(one.sets[THE_SET].rows[0]) for one in folds_of(job, run, split_data)]
    assert added["auto"] == [0, 0]
    assert min(added["max"]) > 50


@pytest.mark.parametrize(
    "network",
    [[], pytest.param(["sampler=generator", "trainer.max_samples=600", "model.width=4"], marks=pytest.mark.slow)],
)
def test_a_run_over_folds_speaks_of_all_rows(network, tmp_path):
    out, path = tmp_path / "run", table(tmp_path / "rows.csv")
    words = ["sampler=smote", "logger=none", "utility.seeds=3", "trainer=cpu", *network]
    assert main(["balance", path, *words, "evaluate.folds=3", f"out={out}"]) == 0
    facts = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert "on 240 rows, each held out once in 3 folds" in facts["verdict"]["sentence"]
    kept = [(out / f"run/folds/{k}/generator/manifest.json").is_file() for k in (2, 3)]
    assert kept == [bool(network)] * 2, "every fold's bundle is kept, so that a resumed run need not train it again"
    assert main(["verify", str(out / "dataset")]) == 0


def result_of(right: np.ndarray, labels: np.ndarray):
    """A result of two arms (A, S, N) whose predictions are right where that says so."""
    names = ("real_only", "real_plus_synthetic")
    predictions = {(arm, "m"): np.where(one, labels, 1 - labels) for arm, one in zip(names, right, strict=True)}
    found = summarise(predictions, labels, ("a", "b"), tuple(SEEDS), dict.fromkeys(names, 1))
    shares = {pair: np.eye(2)[one] for pair, one in predictions.items()}
    return replace(found, probabilities=shares, seconds=dict.fromkeys(names, 1.0))


def test_folds_are_pooled_row_by_row():
    order = np.random.default_rng(0)
    labels = [np.repeat([0, 1], [40, 10]), np.repeat([0, 1], [30, 20])]
    results = [result_of(order.random((2, 3, 50)) < 0.7, one) for one in labels]
    both = pooled(results, rarest=None)
    assert not pooled([results[0], result_of(np.ones((2, 3, 5), bool), np.zeros(5, int))], rarest=None).by_fold
    for arm in both.arms:
        predicted = both.predictions[arm, "m"]
        hits = [(predicted[:, both.labels == c] == c).mean(axis=1) for c in (0, 1)]
        np.testing.assert_allclose(both.raw[arm, "m", "balanced_accuracy"], np.mean(hits, axis=0))
    assert both.folds.tolist() == [0] * 50 + [1] * 50
    assert both.by_fold["real_only", "m", "balanced_accuracy"].shape == (2,)


def test_folds_that_differ_more_than_their_rows_widen_the_interval():
    """By the known amount: what folds differ by beyond rows and seeds, 1/F + 1/(F - 1) times."""
    labels = np.repeat([0, 1], 500)
    values, resampled = np.full((1, 5), 0.03) + np.linspace(-1e-4, 1e-4, 5), np.full((1, 1, 400), 0.03)
    resampled = resampled + 1e-4 * np.random.default_rng(0).normal(size=resampled.shape)
    plain = estimate(values, resampled, labels, "balanced_accuracy")
    by_fold = 0.03 + 0.02 * np.array([[-1, -1, 0, 1, 1]])
    wide = estimate(values, resampled, labels, "balanced_accuracy", 1, by_fold)
    between = by_fold.var(ddof=1) - 5 * plain.error[0] ** 2
    assert wide.error[0] ** 2 == pytest.approx(plain.error[0] ** 2 + between * (1 / 5 + 1 / 4))
    assert alone(wide).low < 0 < alone(plain).low
    same = estimate(values, resampled, labels, "balanced_accuracy", 1, np.full((1, 5), 0.03))
    assert same.error[0] == plain.error[0]


def images(n: int, seed: int) -> LabelledData:
    """Noise in which class 1 has one bright row of pixels, whose place differs from image to image."""
    order = np.random.default_rng(seed)
    y = np.arange(n) % 2
    x = order.integers(0, 160, size=(n, 1, 8, 8))
    x[np.flatnonzero(y), 0, order.integers(0, 8, size=n // 2)] += 80
    return LabelledData.of_real(x.astype(np.uint8), y, Schema("image", ("a", "b")), np.arange(n) + 1000 * seed)


def test_an_arm_learns_as_long_as_validation_rows_gain_by_it():
    train, val, test = images(300, 0), images(200, 1), images(200, 2)
    arms = [Arm("real_only", (train,)), Arm("few", (train[:20],))]
    settled = run_arms(arms=arms, classifiers=[SmallCnn(8, doublings=5)], val=val, test=test, further={}, seeds=SEEDS)
    steps = settled.budgets["real_only", "small_cnn"]
    assert steps > 8
    fixed = run_arms(arms=arms, classifiers=[SmallCnn(8)], val=val, test=test, further={}, seeds=SEEDS)
    assert fixed.budgets == {("real_only", "small_cnn"): 8, ("few", "small_cnn"): 8}
    gain = (
        settled.raw["real_only", "small_cnn", "balanced_accuracy"]
        - fixed.raw["real_only", "small_cnn", "balanced_accuracy"]
    )
    assert gain.mean() > 0.05
    again = run_arms(arms=arms, classifiers=[SmallCnn(steps)], val=val, test=test, further={}, seeds=SEEDS)
    assert (again.predictions["real_only", "small_cnn"] == settled.predictions["real_only", "small_cnn"]).all()


def test_steps_that_were_named_hold_for_every_arm():
    assert [one.steps for one in classifiers_of(images(40, 0), 33)[0].budgets] == [33]
    assert len(classifiers_of(images(40, 0), 0)[0].budgets) == 3
    assert len(classifiers_of(images(40, 0), 0, full=True)[0].budgets) == 5


def test_logit_adjustment_finds_the_rare_class():
    """With nothing to learn from, a network says the common class; with its shares put right it says both."""

    def noise(seed):
        y = np.repeat([0, 1], [270, 30])
        x = np.random.default_rng(seed).integers(0, 200, size=(300, 1, 8, 8))
        x[y == 1] += 8
        return LabelledData.of_real(x.astype(np.uint8), y, Schema("image", ("common", "rare")))

    rows, test = noise(0), noise(1)
    plain, adjusted = SmallCnn(40), SmallCnn(40).adjusted_by_shares()
    called = [one.probabilities(rows, None, [test.x], 0, UNCHANGED)[0].argmax(1) for one in (plain, adjusted)]
    recall = [(one[test.y == 1] == 1).mean() for one in called]
    assert recall[1] > recall[0] + 0.2
    (arm,) = strong_arms(rows, plain)
    assert (arm.name, arm.own.adjusted) == ("logit_adjustment", True)


def test_ensembles_lift_the_rare_class_of_a_table(tmp_path):
    _, split_data = looked(tmp_path, "breast_cancer")
    train = split_data.train[np.r_[np.flatnonzero(split_data.train.y == 0), np.flatnonzero(split_data.train.y)[:12]]]
    first = classifiers_of(train, 0)[0]
    arms = strong_arms(train, first)
    assert [arm.name for arm in arms] == list(ENSEMBLES)
    result = run_arms(
        arms=[Arm("real_only", (train,)), *arms],
        classifiers=[first, *further_classifiers(train)],
        val=split_data.val,
        test=split_data.test,
        further={},
        seeds=SEEDS,
    )
    recall = {arm: result.per_class_recall[arm]["malignant"] for arm in result.arms}
    assert all(recall[name] > recall["real_only"] for name in ENSEMBLES)
    same = result.predictions["easy_ensemble", "boosting"] == result.predictions["easy_ensemble", "forest"]
    assert same.all(), "an arm that is a classifier itself stands in the place of all others"


class Counting:
    """A classifier of one's own that notes how often it was trained, and calls every row the first class."""

    name = "counting"

    def __init__(self):
        self.trained = 0
        self.budgets = (self,)

    def probabilities(self, rows, class_weights, inputs, seed, online):
        self.trained += 1
        return [np.tile(np.eye(2, dtype=np.float32)[0], (len(x), 1)) for x in inputs]


def test_the_classifier_of_an_arm_is_trained_once_for_all_others():
    rows, own = images(40, 0), Counting()
    arms = [Arm("real_only", (rows,)), Arm("mine", (rows,), own=own)]
    result = run_arms(
        arms=arms, classifiers=[Counting(), SmallCnn(2)], val=rows, test=rows, further={"more": rows.x}, seeds=SEEDS
    )
    assert own.trained == len(SEEDS)
    assert (result.predictions["mine", "small_cnn"] == 0).all()
