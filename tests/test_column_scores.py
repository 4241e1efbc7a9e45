"""Scores of columns and pairs: known answers, floor and ceiling, agreement with brute force."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import SHARED
from scipy.stats import ks_2samp

from gensynth.data.columns import Column
from gensynth.data.table import TableCodec
from gensynth.data.table_source import read_table
from gensynth.evaluation.metrics.columns import ks_complement, missing_gap, shapes, trends, tv_complement
from gensynth.evaluation.metrics.detection import boosted_c2st
from gensynth.types import LabelledData, Schema

COLUMNS = [Column("a", "numeric"), Column("b", "numeric"), Column("c", "categorical", levels=("u", "v"))]
CONTINUOUS = np.array([True, True, False])


def rows(n: int, seed: int) -> LabelledData:
    """b follows a, c is the sign of a, labels are the sign of b."""
    r = np.random.default_rng(seed)
    a = r.normal(size=n)
    b = a + 0.2 * r.normal(size=n)
    schema = Schema("table", ("x", "y"), {"columns": [c.to_json() for c in COLUMNS]})
    return LabelledData.of_real(np.column_stack([a, b, a > 0]), (b > 0).astype(int), schema)


def apart(data: LabelledData) -> np.ndarray:
    r = np.random.default_rng(9)
    return np.column_stack([r.permutation(data.x[:, j]) for j in range(3)])


def test_ks_complement_is_that_of_scipy_and_leaves_missing_cells_out():
    r = np.random.default_rng(0)
    a, b = r.normal(size=300), r.normal(0.3, 1.2, size=200)
    expected = 1 - ks_2samp(a, b).statistic
    assert ks_complement(a, b) == pytest.approx(expected)
    assert ks_complement(np.append(a, np.nan), np.append(b, [np.nan] * 9)) == pytest.approx(expected)


def test_shuffled_columns_are_perfect_in_shape_only():
    data = rows(4000, 0)
    shuffled = apart(data)
    np.testing.assert_allclose(shapes(CONTINUOUS, data.x, shuffled), 1.0)
    floor = trends(CONTINUOUS, data.x, data.x, shuffled)
    same = trends(CONTINUOUS, data.x, data.x, data.x)
    assert same.all_pairs == same.associated == 1.0
    # Pair (a, b): correlation .98 against 0. Pairs with c: half of the mass of the table moves.
    assert floor.scores[0] == pytest.approx(1 - 0.98 / 2, abs=0.03)
    assert floor.scores[1] == pytest.approx(0.5, abs=0.03)
    assert floor.associated < 0.6


def test_pairs_of_levels_agree_with_a_table_counted_by_hand():
    discrete = np.zeros(2, bool)
    real = np.array([[0, 0], [0, 1], [1, 1], [1, 1]], float)
    fake = np.array([[0, 1], [0, 1], [1, 0], [1, np.nan]], float)
    # Cells of real: 00 1, 01 1, 11 2; of fake: 01 2, 10 1, 1? 1. Half the summed difference: (1+1+2+1+1)/8.
    assert trends(discrete, real, real, fake).scores[0] == pytest.approx(1 - 6 / 8)


def test_missing_shares_are_compared_column_by_column():
    real, fake = np.array([[1, np.nan], [2, 3]]), np.array([[np.nan, 1], [np.nan, 2]])
    np.testing.assert_allclose(missing_gap(real, fake), [1.0, -0.5])
    assert tv_complement(real[:, 1], fake[:, 1]) == pytest.approx(0.0)


def test_the_boosted_test_tells_shuffled_columns_and_not_other_real_rows():
    data, other = rows(3000, 0), rows(3000, 1)
    assert boosted_c2st(data, other, seed=0) == pytest.approx(0.5, abs=0.04)
    shuffled = LabelledData.of_real(apart(data), data.y, data.schema)
    assert boosted_c2st(data, shuffled, seed=0) > 0.95
    with pytest.raises(ValueError, match="at least 3 a side"):
        boosted_c2st(data, other[:2], seed=0)


def test_adults_numbers_survive_the_codec():
    path = SHARED / "adult" / "adult-train.csv"
    if not path.is_file():
        pytest.skip("the Adult data set is not here")
    data = read_table(str(path), label="-1").data
    codec = TableCodec.fit(data)
    back = codec.decode(codec.encode(data.x))
    numbers = [j for j, column in enumerate(codec.columns) if column.kind == "numeric"]
    assert len(numbers) == 6
    for j in numbers:
        assert ks_complement(data.x[:, j], back[:, j]) >= 0.99
