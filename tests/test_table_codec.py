"""The table codec: exact where it can be, standard normal scores, the same distribution when scores are redrawn."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from gensynth.data.columns import describe, values_of
from gensynth.data.table import TableCodec, TablePoints, modelled_columns
from gensynth.errors import DataError, DivergedError
from gensynth.evaluation.metrics.columns import ks_complement, tv_complement
from gensynth.types import LabelledData, Schema


def table(n=3000, seed=0):
    r = np.random.default_rng(seed)
    cells = {
        "spiky": np.where(r.random(n) < 0.9, "0", r.lognormal(8, 2, n).astype(int).astype(str)),
        "heavy": np.round(r.standard_cauchy(n), 3).astype(str),
        "count": r.poisson(4, n).astype(str),
        "gaps": np.where(r.random(n) < 0.2, "", np.round(r.normal(size=n), 2).astype(str)),
        "level": r.choice(["a", "b", "c"], n, p=[0.7, 0.2999, 0.0001]),
        "rare": np.where(np.arange(n) < 3, np.arange(n).astype(str), "common"),
    }
    columns = [describe(name, c.astype(object)) for name, c in cells.items()]
    x = np.stack([values_of(c, cells[c.name].astype(object)) for c in columns], axis=1)
    schema = Schema("table", ("n", "y"), {"columns": [c.to_json() for c in columns]})
    return LabelledData.of_real(x, np.arange(n) % 2, schema)


@pytest.fixture(scope="module")
def fitted():
    data = table()
    return data, TableCodec.fit(data)


def test_encode_and_decode_give_the_values_back(fitted):
    data, codec = fitted
    back = codec.decode(codec.encode(data.x))
    for j, column in enumerate(codec.columns):
        if column.discrete:
            assert tv_complement(data.x[:, j], back[:, j]) > 0.998
            np.testing.assert_array_equal(np.isnan(data.x[:, j]), np.isnan(back[:, j]))
        else:
            np.testing.assert_allclose(back[:, j], data.x[:, j], rtol=2e-3, atol=0.011)


def test_redrawn_scores_keep_every_column(fitted):
    data, codec = fitted
    t = codec.encode(data.x)
    t[..., 1] = torch.randn(t[..., 1].shape, generator=torch.Generator().manual_seed(0))
    redrawn = codec.decode(t)
    for j, column in enumerate(codec.columns):
        score = tv_complement if column.discrete else ks_complement
        assert score(data.x[:, j], redrawn[:, j]) > 0.97
        assert np.nanmin(redrawn[:, j]) >= np.nanmin(data.x[:, j])
        assert np.nanmax(redrawn[:, j]) <= np.nanmax(data.x[:, j])


def test_scores_between_spikes_are_standard_normal(fitted):
    data, codec = fitted
    t = codec.encode(data.x)[:, 1]  # the heavy-tailed column
    assert abs(float(t[:, 1].mean())) < 0.05
    assert abs(float(t[:, 1].std()) - 1) < 0.05


def test_the_zero_that_holds_most_rows_is_a_class_of_its_own(fitted):
    data, codec = fitted
    part = codec.parts[0]
    assert part["spikes"] == [0.0]
    classes = codec.encode(data.x)[:, 0, 0].numpy()
    np.testing.assert_array_equal(classes == 1, data.x[:, 0] == 0)


def test_rare_levels_share_a_class_and_are_drawn_again(fitted):
    data, codec = fitted
    j = [c.name for c in codec.columns].index("rare")
    assert len(codec.parts[j]["levels"]) == 1
    assert len(codec.parts[j]["rare"]) == 3
    t = codec.encode(data.x[:100])
    t[:, j, 0], t[:, j, 1] = 1, torch.randn(100, generator=torch.Generator().manual_seed(1))
    assert set(np.unique(codec.decode(t)[:, j]).tolist()) == set(codec.parts[j]["rare"])


def test_its_state_is_plain_json_and_comes_back(fitted):
    data, codec = fitted
    state = json.loads(json.dumps(codec.state()))
    again = TableCodec.from_state(state, 2)
    assert torch.equal(again.encode(data.x), codec.encode(data.x))
    assert again.space == codec.space
    with pytest.raises(DataError, match="table codec"):
        TableCodec.from_state({"columns": state["columns"], "parts": [{}]}, 2)


def test_values_never_seen_in_train_are_encoded(fitted):
    data, codec = fitted
    strange = data.x[:5].copy()
    strange[:, 1], strange[:, 4] = 1e12, 99.0
    assert torch.isfinite(codec.encode(strange)).all()


def test_rows_that_are_not_finite_are_refused(fitted):
    _, codec = fitted
    t = torch.zeros(2, 6, 2)
    t[0, 0, 1] = torch.nan
    with pytest.raises(DivergedError, match="1 of 2 rows"):
        codec.decode(t)


def test_two_different_levels_are_one_apart():
    columns = [describe("c", np.array(["a", "b", "c"] * 10, dtype=object))]
    x = np.array([[0.0], [1.0], [2.0]] * 10)
    points = TablePoints(columns, x).transform(x[:3])
    assert np.linalg.norm(points[0] - points[1]) == pytest.approx(1.0)


def test_modelled_columns_leave_the_others_out():
    fields = {
        "columns": [
            describe(n, np.array(c, dtype=object)).to_json()
            for n, c in (("id", [str(i) for i in range(30)]), ("v", ["1.5", "2.5"] * 15))
        ]
    }
    assert [c.name for c in modelled_columns(fields)] == ["v"]
