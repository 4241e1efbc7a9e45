"""`assess`: parts are switched on and off, one classifier judges all sets, who filled what is counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gensynth.data.table_source import read_breast_cancer
from gensynth.evaluation.assessment import Drawn, EvaluationSettings, RealRows, SyntheticSet
from gensynth.evaluation.parts import Bias, Fidelity, Labels
from gensynth.samplers.jitter import Jitter
from gensynth.steps import assess as module
from gensynth.steps.assess import assess
from gensynth.types import AUGMENTED, SYNTHETIC


@pytest.fixture(scope="module")
def real():
    rows = read_breast_cancer().data
    order = np.random.default_rng(0).permutation(len(rows))
    return RealRows(*(rows[part] for part in np.split(order, [260, 360])))


@pytest.fixture(scope="module")
def jitter(real):
    return Jitter(0.1).fit(real.train)


def drawn_by(sampler, who, origin, seed):
    """40 rows, 10 of which a fallback filled."""
    rows = sampler.sample(np.arange(40) % 2, np.arange(40, dtype=np.uint64) + seed)
    names = np.where(np.arange(40) < 30, who, "fallback")
    origins = np.where(np.arange(40) < 30, origin, AUGMENTED)
    return replace(rows, ids=np.arange(40).astype(str), origin=origins, groups={"sampler": names})


def settings(parts, sampler):
    return EvaluationSettings(seed=0, fallback=sampler, parts=frozenset(parts))


def test_one_classifier_judges_all_sets_and_rows_of_a_fallback_are_not_the_samplers_own(real, jitter, monkeypatch):
    fitted = []
    monkeypatch.setattr(module, "fit_row_classifier", lambda *given: fitted.append(given) or original(*given))
    rows = {name: drawn_by(jitter, "jitter", SYNTHETIC, seed) for seed, name in enumerate("ab")}
    sets = {
        name: SyntheticSet((one,), sampler=jitter, drawn=Drawn(one, np.ones(40, bool))) for name, one in rows.items()
    }
    found = assess(real, sets, settings({"privacy", "labels"}, jitter))
    assert len(fitted) == 1
    assert list(found.sets) == ["a", "b"]
    for one in found.sets.values():
        assert one.fidelity == Fidelity()
        assert one.bias == Bias()
        assert one.privacy.membership[0]["auc"]["value"] is not None
        assert set(one.labels.classes) == set(real.train.schema.classes)
        assert (one.provenance.total("own"), one.provenance.total("fallback")) == (30, 10)
        assert (one.provenance.total("synthetic"), one.provenance.total("augmented")) == (30, 10)
        assert one.provenance.filled_by == {"jitter": 30, "fallback": 10}
    assert found.utility.verdict.sentence == "No verdict: utility.run is false."


original = module.fit_row_classifier


def test_without_rows_or_test_rows_nothing_is_scored_and_the_reason_is_told(real, jitter):
    sets = {"a": SyntheticSet((drawn_by(jitter, "jitter", SYNTHETIC, 0),), sampler=jitter)}
    blind = assess(replace(real, test=real.test[:0]), sets, settings({"fidelity", "privacy"}, jitter))
    assert "no test rows" in blind.utility.verdict.sentence
    nothing = {"a": replace(sets["a"], rows=(sets["a"].rows[0][:0],))}
    found = assess(real, nothing, settings({"fidelity", "labels"}, jitter))
    assert "no synthetic rows were needed" in found.utility.verdict.sentence
    assert found.best.labels == Labels()
    assert found.best.fidelity.fidelity == {}
