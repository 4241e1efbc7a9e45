"""gensynth from Python: scores of rows in memory, the main job, and a sampler inside imbalanced-learn's pipeline."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from imblearn.pipeline import make_pipeline
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import gensynth
from gensynth.errors import DataError, UsageError

QUICK = 0.05  # minutes


def numbers(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two classes, one in six rare, apart in the first two of four columns."""
    r = np.random.default_rng(seed)
    y = (r.random(n) < 1 / 6).astype(int)
    x = r.normal(size=(n, 4))
    x[:, :2] += 2 * y[:, None]
    return x, y


def mixed(n: int) -> tuple[pd.DataFrame, pd.Series]:
    x, y = numbers(n)
    frame = pd.DataFrame({"a": x[:, 0], "b": (10 * x[:, 1]).round().astype(int), "c": np.where(x[:, 2] > 0, "u", "v")})
    return frame, pd.Series(np.where(y, "yes", "no"), name="label")


def images() -> tuple[np.ndarray, np.ndarray]:
    pixels, y = load_digits(n_class=3, return_X_y=True)
    keep = (y < 2) | (np.arange(len(y)) % 4 == 0)
    return np.round(pixels * 255 / 16).astype(np.uint8).reshape(-1, 8, 8)[keep], y[keep]


def test_a_sampler_in_a_pipeline_of_imbalanced_learn():
    x, y = numbers(600)
    pipeline = make_pipeline(StandardScaler(), gensynth.ClassBalancer(minutes=QUICK), LogisticRegression())
    fresh, truth = numbers(500, seed=1)
    recall = pipeline.fit(x, y).predict(fresh)[truth == 1].mean()
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y).predict(fresh)[truth == 1].mean()
    assert recall > plain
    assert pipeline[1].sampling_strategy_ == {1: (y == 0).sum() - (y == 1).sum()}
    assert clone(pipeline[1]).get_params() == pipeline[1].get_params()


def test_real_rows_stay_and_drawn_ones_follow_in_the_same_types():
    x, y = mixed(300)
    new_x, new_y = gensynth.ClassBalancer(minutes=QUICK, sampling_strategy={"yes": 150}).fit_resample(x, y)
    pd.testing.assert_frame_equal(new_x[: len(x)], x)
    assert new_x.dtypes.tolist() == x.dtypes.tolist()
    assert new_y[: len(y)].tolist() == y.tolist()
    assert (new_y == "yes").sum() == 150
    assert set(new_y[len(y) :]) == {"yes"}
    assert set(new_x.c[len(x) :]) <= {"u", "v"}


def test_made_rows_have_a_value_of_the_right_type_in_every_column():
    x, y = mixed(300)
    r, n = np.random.default_rng(1), len(x)
    x["flag"] = r.random(n) > 0.5
    x["maybe"] = pd.array(r.choice([True, False, None], n), "boolean")
    x["level"] = pd.Series(r.choice([3, 7, 20], n), dtype="category")
    x["always"], x["version"] = 4, "v2"
    x["number"], x["code"] = np.arange(-40, n - 40), [f"K{i:03d}" for i in range(n)]
    x["day"] = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(r.integers(0, 90, n), unit="D")
    x["mixed"] = pd.Series(r.choice([1.5, 2.5, 4.0], n), dtype=object)
    new_x, _ = gensynth.ClassBalancer(minutes=QUICK, sampling_strategy={"yes": 250}).fit_resample(x, y)
    synthetic = new_x[n:]
    pd.testing.assert_frame_equal(new_x[:n], x)
    assert new_x.dtypes.tolist() == x.dtypes.tolist()
    assert not synthetic.drop(columns="maybe").isna().any(axis=None)
    assert set(synthetic.flag) == {True, False}
    assert set(synthetic.level) <= {3, 7, 20}
    assert (synthetic.always == 4).all()
    assert (synthetic.version == "v2").all()
    assert synthetic.number.min() == n - 40
    assert new_x.number.is_unique
    assert new_x.code.is_unique
    assert synthetic.mixed.map(type).eq(float).all()


def test_numbers_of_rows_that_have_no_room_for_more_are_an_error():
    x, y = numbers(256)
    frame = pd.DataFrame(x).assign(row=np.arange(256, dtype=np.uint8))
    with pytest.raises(DataError, match='column "row" numbers rows, and uint8 ends'):
        gensynth.ClassBalancer(minutes=QUICK).fit_resample(frame, y)


def test_arrays_with_a_constant_column_keep_it():
    pixels, y = load_digits(n_class=3, return_X_y=True)
    keep = (y < 2) | (np.arange(len(y)) % 4 == 0)
    x, y = pixels.astype(int)[keep], y[keep]
    assert (x[:, 0] == 0).all()
    balancer = gensynth.ClassBalancer(samples=4096)
    new_x, _ = balancer.fit_resample(x, y)
    assert new_x.dtype == x.dtype
    assert (new_x[:, 0] == 0).all()
    assert 0 <= new_x.min() <= new_x.max() <= 16
    make_pipeline(balancer, LogisticRegression(max_iter=2000)).fit(x.astype(float), y)  # it refuses NaN


def test_images_and_repeatability():
    x, y = images()
    one, labels = gensynth.ClassBalancer(samples=1024, random_state=3).fit_resample(x, y)
    np.testing.assert_array_equal(gensynth.ClassBalancer(samples=1024, random_state=3).fit_resample(x, y)[0], one)
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one[: len(x)], x)
    assert len(set(np.bincount(labels).tolist())) == 1


def test_evaluate_knows_real_rows_from_nonsense():
    x, y = numbers(900)
    r = np.random.default_rng(5)
    sets = {"real": numbers(400, seed=2), "nonsense": (r.uniform(5, 9, (400, 4)), r.integers(0, 2, 400))}
    facts = gensynth.evaluate((x, y), sets, utility=False)
    assert facts["data"]["ranking"] == ["real", "nonsense"]
    assert facts["sets"]["real"]["faults"] == []
    assert [fault["code"] for fault in facts["sets"]["nonsense"]["faults"]] == ["noise"]
    json.dumps(facts, allow_nan=False)


def test_evaluate_takes_a_test_set_and_writes_where_it_is_told(tmp_path):
    facts = gensynth.evaluate(numbers(300), numbers(200, 1), test=numbers(200, 2), utility=False, out=tmp_path / "e")
    assert json.loads((tmp_path / "e/report.json").read_text())["fidelity"] == facts["fidelity"]
    assert facts["fidelity"]["cells"]["coverage"]["n_real"] <= 200


def test_balance_rows_in_memory(tmp_path):
    x, y = mixed(300)
    facts = gensynth.balance(x, y, out=tmp_path / "b", target="auto", minutes=QUICK)
    merged = pd.read_csv(tmp_path / "b/dataset/train.csv")
    added = (merged.gensynth_source != "real").sum()
    advised = facts["how_much"]["amount"]
    assert facts["how_much"]["sentence"].startswith("How much to add: ")
    counts = merged[merged.gensynth_source == "real"].gensynth_label.value_counts()
    expected = 0 if advised == 0 else round((1.0 if advised is None else advised) * (counts["no"] - counts["yes"]))
    assert added == expected


def test_a_target_may_hold_classes_and_numbers_of_numpy(tmp_path):
    x, y = numbers(300)
    target = dict(zip(np.unique(y), [np.int64(240), "70"], strict=True)) | {np.str_("other"): 3}
    with pytest.raises(UsageError, match='unknown class "other"'):  # and nothing against the others
        gensynth.balance(x, y, out=tmp_path / "b", target=target, minutes=QUICK)


@pytest.mark.parametrize(
    ("x", "y", "text"),
    [
        (np.zeros((4, 2)), [0, 1, 0], "4 rows and y 3 labels"),
        (np.zeros((4, 2)), [0, 0, 0, 0], "one class only"),
        (np.zeros((4, 2, 2)), [0, 1, 0, 1], "images are uint8"),
        (np.zeros(4), [0, 1, 0, 1], "must be a table"),
    ],
)
def test_shapes_that_cannot_be_rows(x, y, text):
    with pytest.raises(DataError, match=text):
        gensynth.evaluate((x, y), (x, y))
