"""`ClassBalancer` among scikit-learn's and imbalanced-learn's own: their checks, seeds, inputs, types of columns."""

from __future__ import annotations

import datetime
import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as arrow
import pytest
import scipy.sparse
from imblearn.utils.estimator_checks import estimator_checks_generator as imblearn_checks
from sklearn.base import clone
from sklearn.utils.estimator_checks import estimator_checks_generator as sklearn_checks

from gensynth import ClassBalancer
from gensynth.errors import DataError, UsageError

ROWS = 96
RARE = np.arange(ROWS) % 4 == 0
NUMBERS = np.random.default_rng(0).integers(0, 9, ROWS)


def name_of(one: object) -> str:
    return one.func.__name__ if hasattr(one, "func") else repr(one)


@pytest.mark.parametrize(("estimator", "check"), list(sklearn_checks(ClassBalancer())), ids=name_of)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(("estimator", "check"), list(imblearn_checks(ClassBalancer(sampler="jitter"))), ids=name_of)
def test_imbalanced_learns_checks(estimator, check):
    check(estimator)


def table(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"size": np.random.default_rng(1).normal(size=ROWS) + 3 * RARE, **columns})


def balanced(X: object, y: object = RARE, **settings: object) -> tuple:
    return ClassBalancer(**{"sampler": "jitter", **settings}).fit_resample(X, y)


def counted(first: object, unit: object, numbers: np.ndarray = NUMBERS) -> list:
    return [first + int(number) * unit for number in numbers]


# seeds and budgets


def test_a_seed_repeats_itself_and_the_clock_has_no_say():
    x = table(kind=np.where(NUMBERS > 4, "u", "v"), day=pd.Timestamp("2024-03-01") + pd.to_timedelta(NUMBERS, "D"))
    one, same, other = (balanced(x, sampler="cvae", minutes=0.01, random_state=seed)[0] for seed in (5, np.int64(5), 6))
    pd.testing.assert_frame_equal(one, same)
    assert not one.equals(other)


def test_a_generator_of_numpy_goes_on_and_a_copy_of_it_repeats_what_it_drew():
    for state in (np.random.RandomState(3), np.random.default_rng(3)):
        balancer = ClassBalancer(sampler="jitter", random_state=state)
        copy = clone(balancer)
        first, second = (balancer.fit_resample(table(), RARE)[0] for _ in range(2))
        pd.testing.assert_frame_equal(copy.fit_resample(table(), RARE)[0], first)
        assert not first.equals(second)


def test_without_a_seed_every_fit_differs():
    one, other = (balanced(table(), random_state=None)[0] for _ in range(2))
    assert not one.equals(other)


def test_a_model_whose_noise_is_secret_takes_no_seed():
    with pytest.raises(ValueError, match="dp_cvae draws secret noise, which no seed repeats; give random_state=None"):
        balanced(table(), sampler="dp_cvae", samples=10**9)


@pytest.mark.parametrize("seed", [-1, 2**40, 1.5, "seven"])
def test_what_is_no_seed_is_a_value_error_on_its_parameter(seed):
    with pytest.raises(ValueError, match="'random_state' parameter of ClassBalancer must be"):
        balanced(table(), random_state=seed)


def test_the_budget_in_samples_is_what_the_bundle_saw():
    balancer = ClassBalancer(samples=1024, random_state=None)
    balancer.fit_resample(table(), RARE)
    assert balancer.generator_.facts["training"]["samples_seen"] == 1024
    assert list(balancer.feature_names_in_) == ["size"]
    assert pickle.loads(pickle.dumps(balancer)).generator_.facts == balancer.generator_.facts


# what rows are drawn, and by what


@pytest.mark.parametrize("strategy", [{"c": 40, "a": 30}, lambda y: {"b": 35, "a": 25}, "all", "minority"])
def test_every_row_stands_beside_the_label_it_was_drawn_for(strategy):
    y = np.array(["a", "b", "c", "c"] * 6)
    x = pd.DataFrame({"place": np.char.find("abc", y) * 100.0 + np.arange(24) % 5})
    new_x, new_y = balanced(x, y, sampling_strategy=strategy)
    assert (np.char.find("abc", new_y) == new_x.place // 100).all()
    assert len(new_x) == len(new_y)


def test_balanced_classes_are_left_alone():
    balancer, even = ClassBalancer(samples=10**9), np.arange(ROWS) % 2
    x, y = balancer.fit_resample(table(), even)
    pd.testing.assert_frame_equal(x, table())
    assert (y == even).all()
    assert not hasattr(balancer, "generator_")


def test_random_oversampling_copies_whole_rows_and_says_which():
    x = table(name=[f"K{i}" for i in range(ROWS)])
    balancer = ClassBalancer(sampler="random_oversampling")
    new_x, new_y = balancer.fit_resample(x, RARE)
    pd.testing.assert_frame_equal(new_x, x.iloc[balancer.sample_indices_].reset_index(drop=True))
    assert (RARE[balancer.sample_indices_] == new_y).all()


def test_samplers_and_models_go_by_name():
    pixels = np.arange(ROWS * 64, dtype=np.uint32).astype(np.uint8).reshape(ROWS, 8, 8)
    assert balanced(pixels, sampler="trivial_augment")[0].shape == (2 * (~RARE).sum(), 8, 8)
    smote = balanced(table(), sampler="smote")[0][ROWS:]["size"]
    assert smote.between(*table()["size"][RARE].agg(["min", "max"])).all()
    balancer = ClassBalancer(sampler="cgan", samples=512)
    balancer.fit_resample(table(), RARE)
    assert balancer.generator_.facts["model"] == "cgan"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"sampler": "smoet"}, 'sampler="smoet" is not known; did you mean "smote"'),
        ({"sampler": "cvea"}, 'did you mean "cvae"'),
        ({"model": "cgna"}, 'model="cgna" is not known; did you mean "cgan"'),
        ({"sampler": "trivial_augment"}, "takes rows of kind image; these are of kind table"),
    ],
)
def test_names_that_will_not_do_are_refused_as_usage_and_as_value_errors(settings, text):
    for kind in (UsageError, ValueError):
        with pytest.raises(kind, match=text):
            balanced(table(), **settings)


def test_samplers_that_mix_labels_are_refused():
    with pytest.raises(UsageError, match="mixes classes"):
        balanced(np.zeros((ROWS, 8, 8), np.uint8), sampler="mixup")


# inputs


class Frame:
    """A frame of another library: it hands out a stream of Arrow tables and can be built from one."""

    def __init__(self, table: arrow.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, schema: object = None) -> object:
        return self.table.__arrow_c_stream__(schema)


def arrow_table() -> arrow.Table:
    days = arrow.array(NUMBERS.astype(np.int32), arrow.int32()).cast(arrow.date32())
    kinds = arrow.array(np.where(NUMBERS > 4, "u", "v")).dictionary_encode()
    whole = arrow.array([None if n == 0 else int(n) for n in NUMBERS], arrow.int8())
    return arrow.table({"day": days, "kind": kinds, "whole": whole, "text": ["a", "b", "c"] * (ROWS // 3)})


def test_arrow_comes_out_as_it_went_in():
    given = arrow_table()
    table_, labels = balanced(given, arrow.array(RARE))
    assert isinstance(table_, arrow.Table)
    assert table_.schema == given.schema
    assert table_.slice(0, ROWS).equals(given)
    assert labels.type == arrow.bool_()
    assert len(table_) == len(labels) == 2 * (~RARE).sum()


def test_frames_that_speak_arrow_come_out_as_they_went_in():
    found, _ = balanced(Frame(arrow_table()))
    assert isinstance(found, Frame)
    assert found.table.equals(balanced(arrow_table())[0])


def test_lists_of_rows_stay_lists_of_rows():
    numbers = table(n=NUMBERS).to_numpy()
    rows, labels = balanced(numbers.tolist(), RARE.tolist())
    assert isinstance(rows, list)
    assert isinstance(labels, list)
    np.testing.assert_array_equal(rows, balanced(numbers)[0])
    mixed = [(float(n), "ab"[n % 2], None) for n in NUMBERS]
    rows, _ = balanced(mixed)
    assert rows[:ROWS] == mixed
    assert {tuple(map(type, row)) for row in rows} == {(float, str, type(None))}
    assert {row[1] for row in rows[ROWS:]} == {"a", "b"}


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(RARE, name="rare", dtype="boolean"),
        pd.Series(np.where(RARE, "yes", "no"), name="rare", dtype="category"),
        pd.DataFrame({"rare": pd.array(RARE.astype(int), "Int64")}),
        np.where(RARE, "yes", "no").astype(object),
        RARE.astype(np.int8),
    ],
    ids=["boolean", "category", "frame", "objects", "int8"],
)
def test_labels_come_out_as_they_went_in(y):
    _, found = balanced(table(), y)
    assert type(found) is type(y)
    real = found[:ROWS]
    pd.testing.assert_frame_equal(pd.DataFrame(real), pd.DataFrame(y))
    assert len(set(np.unique(np.asarray(found).astype(str), return_counts=True)[1].tolist())) == 1


def test_names_of_columns_may_be_any():
    for name in ("y", "params", "gensynth_source", "gensynth_label", "", 3, ("a", "b")):
        x = pd.concat([table(), pd.Series(NUMBERS, name=name)], axis=1)
        x[name] = NUMBERS
        assert balanced(x)[0].columns.tolist() == x.columns.tolist()


X = table(n=NUMBERS)
REFUSED = [
    (scipy.sparse.csr_matrix(X), RARE, "Sparse data was passed"),
    (scipy.sparse.coo_array(X), RARE, "Sparse data was passed"),
    (pd.concat([X, X[["n"]]], axis=1), RARE, 'several columns of the name "n"'),
    (X["n"], RARE, "Expected 2D array, got 1D array"),
    (NUMBERS, RARE, "Expected 2D array, got 1D array"),
    (NUMBERS.tolist(), RARE, "Expected 2D array, got 1D array"),
    ([[1, 2]] * (ROWS - 1) + [[1]], RARE, "rows of X have 1 to 2 cells"),
    (None, RARE, "Expected 2D array"),
    (np.zeros((ROWS, 2, 2)), RARE, "images are uint8"),
    (X[:0], RARE[:0], r"0 sample\(s\)"),
    (X[[]], RARE, r"0 feature\(s\)"),
    (X, RARE[1:], "inconsistent numbers of samples: X has 96 rows and y 95 labels"),
    (X, np.zeros(ROWS), "one class only"),
    (X, None, "requires y to be passed"),
    (X, np.where(RARE, np.nan, 1.0), "24 of 96 labels are missing"),
    (X, np.where(RARE, None, "a"), "24 of 96 labels are missing"),
    (X, np.where(RARE, "", "a"), "24 of 96 labels are missing"),
    (X, X["size"], "Unknown label type: continuous"),
    (X, np.stack([RARE, RARE], 1).astype(int), "Multilabel and multioutput targets are not supported"),
    (np.where(X > 7, np.inf, X), RARE, "infinity"),
    (np.where(X > 7, 1j, X), RARE, "Complex data not supported"),
    (X * 0, RARE, "no column beside the label"),
]


@pytest.mark.parametrize(("x", "y", "text"), REFUSED, ids=[text[:40] for *_, text in REFUSED])
def test_what_cannot_be_resampled_is_refused_before_training_on_one_line(x, y, text):
    balancer = ClassBalancer(samples=10**9)  # hours
    for kind in (DataError, ValueError):
        with pytest.raises(kind, match=text) as caught:
            balancer.fit_resample(x, y)
        assert "\n" not in str(caught.value)


# types of columns

WHOLE_HOURS = pd.to_timedelta(NUMBERS, "h")
COLUMNS = {
    "int8": pd.Series(NUMBERS, dtype="int8"),
    "nullable": pd.Series(NUMBERS, dtype="UInt16"),
    "beyond float64": pd.Series(NUMBERS.astype(np.uint64) + np.uint64(2**63)),
    "whole range": pd.Series(np.where(NUMBERS > 4, 2**63 - 1, -(2**63))),
    "float16": pd.Series(NUMBERS > 4, dtype="float16") / 2,
    "truth": pd.Series(NUMBERS > 4),
    "nullable truth": pd.Series(NUMBERS > 4, dtype="boolean"),
    "ordered": pd.Series(pd.Categorical(np.where(NUMBERS > 4, "lo", "hi"), ["lo", "mid", "hi"], ordered=True)),
    "categories of moments": pd.Series(pd.Timestamp("2020-02-28") + pd.to_timedelta(NUMBERS, "D"), dtype="category"),
    "bins": pd.cut(pd.Series(NUMBERS), 3),
    "moments": pd.Series(pd.Timestamp("2021-02-03 04:05:06.789") + pd.to_timedelta(NUMBERS * 17, "ms")),
    "old moments": pd.Series(np.array(["1066-10-14"], "datetime64[s]") + NUMBERS * np.timedelta64(1, "D")),
    "autumn clock": pd.Series(pd.Timestamp("2021-10-31", tz="Europe/Berlin") + WHOLE_HOURS),
    "spring clock": pd.Series(pd.Timestamp("2021-03-28", tz="Europe/Berlin") + WHOLE_HOURS),
    "offset": pd.Series(pd.Timestamp("2021-03-28", tz="+05:45") + WHOLE_HOURS),
    "durations": pd.Series(pd.to_timedelta(NUMBERS * 10**6 + 1, "ns")),
    "one duration": pd.Series(pd.to_timedelta(np.full(ROWS, 5), "s")),
    "periods": pd.Series(counted(pd.Period("2020Q1", "Q"), 1)),
    "sparse": pd.Series(pd.arrays.SparseArray(NUMBERS)),
    "text": pd.Series(np.where(NUMBERS > 4, "NA", "None"), dtype="string"),
    "empty text": pd.Series(np.where(NUMBERS > 4, "", "word")),
    "dates": pd.Series(counted(datetime.date(9999, 12, 1), datetime.timedelta(1))),
    "times of day": pd.Series([datetime.time(n, 59, 0, 5) for n in NUMBERS.tolist()], dtype=object),
    "Python's moments": pd.Series(counted(datetime.datetime(1, 1, 1), datetime.timedelta(hours=1)), dtype=object),
    "Python's durations": pd.Series(counted(datetime.timedelta(0), datetime.timedelta(0, 7)), dtype=object),
    "prices": pd.Series(counted(Decimal("9.90"), Decimal("0.05"))),
    "huge": pd.Series(counted(10**30, 1), dtype=object),
    "whole objects": pd.Series(NUMBERS.tolist(), dtype=object),
    "fractions": pd.Series(counted(Fraction(0), Fraction(1, 3))),
    "mixed": pd.Series([True if n == 0 else "text" if n == 1 else n for n in NUMBERS.tolist()], dtype=object),
    "arrow moments": pd.Series(pd.Timestamp("2021-10-31", tz="Europe/Berlin") + WHOLE_HOURS).astype(
        pd.ArrowDtype(arrow.timestamp("s", "Europe/Berlin"))
    ),
    "arrow prices": pd.Series(counted(Decimal("9.90"), Decimal("0.05"))).astype(pd.ArrowDtype(arrow.decimal128(5, 2))),
    "arrow bytes": pd.Series([b"a" if n > 4 else b"" for n in NUMBERS], dtype=pd.ArrowDtype(arrow.binary())),
}


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_a_column_comes_back_in_its_type_without_a_gap_and_with_the_gaps_it_had(column):
    new = synthetic(column)
    assert new.dtype == column.dtype
    assert not new.isna().any()
    assert set(map(type, new)) <= set(map(type, column))
    assert {str(value) for value in new} <= {str(value) for value in column}  # every value there is has been seen
    if column.dtype.kind not in "iubf" and not isinstance(column.dtype, pd.SparseDtype):
        gaps = column.mask(pd.Series(np.arange(ROWS) % 5 == 1))
        holed = synthetic(gaps)
        assert holed.dtype == gaps.dtype
        assert holed.isna().any()
        assert set(map(repr, holed[holed.isna()])) <= set(map(repr, gaps[gaps.isna()]))
        assert {str(value) for value in holed.dropna()} <= {str(value) for value in column}


def synthetic(column: pd.Series) -> pd.Series:
    x = table(column=column)
    found = balanced(x, sampler="smote" if column.dtype.kind in "iu" else "jitter", sampling_strategy={True: 60})[0]
    pd.testing.assert_frame_equal(found[:ROWS], x)
    return found.column[ROWS:]


def test_midnights_of_a_time_zone_stay_midnights_when_its_clock_changes():
    every = pd.date_range("2021-02-20", periods=ROWS + 1, freq="D")
    days = pd.Series(every[every != "2021-03-14"].tz_localize("America/Havana"))  # that day has no midnight there
    new = synthetic(days)
    assert (new.dt.tz_localize(None).dt.time <= datetime.time(1)).all()
    assert new.between(days.min(), days.max()).all()


def test_durations_learned_by_a_generator_keep_their_range_and_step():
    x = table(wait=pd.to_timedelta(NUMBERS * 90 - 180, "s"))
    new = balanced(x, sampler="cvae", samples=1024)[0].wait[ROWS:]
    assert new.between(x.wait.min(), x.wait.max()).all()
    assert (new % pd.Timedelta(seconds=90) == pd.Timedelta(0)).all()


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        ([[n] for n in NUMBERS], "values of type list"),
        ([{"n": n} for n in NUMBERS], "values of type dict"),
        (counted(Fraction(0), Fraction(1, 3), np.arange(ROWS)), "96 different values of type Fraction"),
        ([Decimal("Infinity") if n == 0 else Decimal(1) for n in NUMBERS], "infinity"),
        (np.where(NUMBERS == 0, np.inf, NUMBERS), "infinity"),
        (NUMBERS * 1j, "Complex data not supported"),
        (np.arange(ROWS, dtype=np.uint8) + np.uint8(250 - ROWS), "uint8 ends before 48 more"),
    ],
)
def test_columns_that_cannot_be_given_back_are_refused_before_training(cells, text):
    with pytest.raises(DataError, match=text):
        balanced(table(column=pd.Series(cells)), sampler="cvae", samples=10**9)


def test_free_text_is_left_empty_with_a_warning():
    x = table(story=[f"the patient number {n} waited for {n * n} long hours" for n in range(ROWS)])
    with pytest.warns(UserWarning, match='"story" will be empty'):
        assert (balanced(x)[0].story[ROWS:] == "").all()
