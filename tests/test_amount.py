"""How much to add, and the shortcut probe: known answers on rows whose worth is known."""

from __future__ import annotations

import numpy as np
import pytest

from gensynth.balancing.plan import resolve_target
from gensynth.evaluation.utility.amount import AMOUNTS, advise, portion
from gensynth.evaluation.utility.arms import added, free_arms
from gensynth.evaluation.utility.classifiers import logistic
from gensynth.evaluation.utility.shortcut import PROBE, shortcut_gap
from gensynth.evaluation.utility.utility import run_arms
from gensynth.types import LabelledData, Schema

SCHEMA = Schema(
    "table",
    ("common", "rare"),
    {"columns": [{"name": f"x{i}", "kind": "numeric", "levels": []} for i in range(10)]},
)
SEEDS = [0, 1, 2]


def rows(common: int, rare: int, seed: int, apart: float = 1.0) -> LabelledData:
    """Normal rows in ten columns; rare ones lie `apart` to the right in each of the first four."""
    from gensynth.data.columns import Column

    columns = [Column(f"x{i}", "numeric").to_json() for i in range(10)]
    y = np.repeat([0, 1], [common, rare])
    x = np.random.default_rng(seed).normal(size=(len(y), 10))
    x[:, :4] += apart * y[:, None]
    names = np.char.add(f"{seed}-", np.arange(len(y)).astype(str))
    return LabelledData.of_real(x, y, Schema("table", ("common", "rare"), {"columns": columns}), names)


def advice(pool: LabelledData) -> dict:
    train, val = rows(600, 12, 0), rows(400, 100, 1)
    return advise(train=train, pool=pool, val=val, classifier=logistic(train.schema), seeds=SEEDS)


def test_fresh_real_rows_are_worth_adding():
    found = advice(rows(0, 2 * 588, 2))
    assert found.amount > 0
    assert [line["amount"] for line in found.amounts] == list(AMOUNTS)
    assert found.amounts[3]["rows"] == 588
    losses = [line["loss"] for line in found.amounts]
    assert losses[3] < 0.9 * losses[0]
    assert f"{found.amount:g} x what balances" in found.sentence


def test_rows_of_the_wrong_class_are_not_added():
    wrong = rows(0, 2 * 588, 2, apart=-1.0)
    found = advice(wrong)
    assert found.amount == 0.0
    assert "add none" in found.sentence


def test_copies_are_no_gain_over_a_shifted_threshold():
    """Repeating rows changes the shares of the classes and nothing else, and those are put right in every amount."""
    train = rows(600, 12, 0)
    copies = train[np.resize(np.flatnonzero(train.y == 1), 2 * 588)]
    found = advice(copies)
    assert found.amount == 0.0


def test_too_few_validation_rows_are_said():
    train, val = rows(600, 12, 0), rows(40, 3, 1)
    found = advise(train=train, pool=rows(0, 1176, 2), val=val, classifier=logistic(train.schema), seeds=SEEDS)
    assert found.amount is None
    assert 'class "rare" has 3 validation rows, 5 needed' in found.sentence


def test_portions_are_the_first_rows_of_each_class():
    pool = rows(10, 40, 0)
    half = portion(pool, np.array([50, 30]), 0.5)
    assert half.counts().tolist() == [0, 10]
    np.testing.assert_array_equal(half.x, pool.x[10:20])


@pytest.mark.parametrize(("amount", "after"), [(0.0, 30), (0.25, 35), (1.0, 50), (2.0, 70), (None, 50)])
def test_target_auto_takes_the_advice(amount, after):
    assert resolve_target("auto", np.array([50, 30]), SCHEMA, amount) == {"common": 50, "rare": after}


def test_symmetric_makes_rows_for_every_class():
    assert resolve_target("max", np.array([50, 30]), SCHEMA, symmetric=True) == {"common": 70, "rare": 70}


def probe(artefact: float) -> dict:
    """Synthetic rows are real in all but one column, which the generator shifts."""

    def synthetic(common, rare, seed):
        drawn = rows(common, rare, seed)
        drawn.x[:, 9] += artefact
        return drawn

    train, test = rows(600, 40, 0), rows(300, 100, 1)
    arms = [free_arms(train, 0, tuned=False)[0], added("real_plus_synthetic", train, (synthetic(0, 560, 2),))]
    result = run_arms(
        arms=arms,
        classifiers=[logistic(train.schema)],
        val=train[:0],
        test=test,
        further={PROBE: synthetic(400, 0, 3).x},
        seeds=SEEDS,
    )
    return shortcut_gap(result, common=0, rare=[1], name="common", candidate="real_plus_synthetic")


def test_an_artefact_of_the_generator_shows_as_a_gap():
    found = probe(artefact=3.0)
    assert found["value"] > 0.3
    assert found["low"] > 0
    assert found["called_rare"]["made, by real rows only"] < 0.2
    assert 'common class "common"' in found["warning"]
    assert "symmetric=true" in found["warning"]


def test_without_an_artefact_there_is_no_gap():
    found = probe(artefact=0.0)
    assert abs(found["value"]) < 0.08
    assert found["warning"] == ""
