"""What every file of conf/filter must keep, at its defaults and at two other values of each number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from contract_rows import DATA, numbers_of, two_others

from gensynth.balancing.filters import Reference, check_filters
from gensynth.cli import compose
from gensynth.cli.overrides import conf_dir
from gensynth.errors import UsageError
from gensynth.models.judges import fit_judge

NAMES = sorted(path.stem for path in (conf_dir() / "filter").glob("*.yaml"))
COMPONENTS = {name: compose("balance", ["digits", f"filter=[{name}]"]).filter[name] for name in NAMES}
KINDS = [(name, kind) for name in NAMES for kind in COMPONENTS[name].build().modalities or DATA]


@pytest.fixture(scope="module")
def references():
    """Two thirds of the rows of every kind to learn from, with a judge of them; the rest are held out."""
    found = {}
    for kind, rows in DATA.items():
        third = np.arange(len(rows)) % 3 == 0
        found[kind] = Reference(rows[~third], rows[third], fit_judge(rows[~third], 0))
    return found


def settings(name: str) -> list:
    component = COMPONENTS[name]
    others = [two_others(component, place) for place in numbers_of(component.params)]
    assert all(len(two) == 2 for two in others)
    return [component.build(), *(one for two in others for one in two)]


@pytest.mark.parametrize("name", NAMES)
def test_a_filter_says_what_it_is(name):
    one = COMPONENTS[name].build()
    assert one.name == name
    assert f"40 {one.reason}." == f"40 {one.reason.strip(' .')}."
    assert one.reason
    assert isinstance(one.looks_at_real_rows, bool)
    assert isinstance(one.judges_gated, bool)
    for kind, rows in DATA.items():
        if one.modalities and kind not in one.modalities:
            with pytest.raises(UsageError, match=f"filter {name} takes rows of kind"):
                check_filters([one], rows.schema)
        else:
            check_filters([one], rows.schema)


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_a_row_is_judged_by_itself_and_left_as_it_is(name, kind, references):
    reference, rows = references[kind], DATA[kind]
    before = rows.content_hashes()
    order = np.random.default_rng(0).permutation(len(rows))
    for one in settings(name):
        one.learn(reference)
        kept = one.keep(rows)
        assert (kept.dtype, kept.shape) == (np.bool_, (len(rows),))
        for some in (order[:1], order[:7], order):
            np.testing.assert_array_equal(one.keep(rows[some]), kept[some])
        one.learn(reference)
        np.testing.assert_array_equal(one.keep(rows), kept)
    assert (rows.content_hashes() == before).all()


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_most_real_rows_that_were_not_learned_pass(name, kind, references):
    one = COMPONENTS[name].build()
    one.learn(references[kind])
    assert one.keep(references[kind].val).mean() > 0.8


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_a_filter_that_looks_at_no_real_row_decides_alike_after_any(name, kind, references):
    one, reference = COMPONENTS[name].build(), references[kind]
    if one.looks_at_real_rows:
        pytest.skip("it says that it looks at real rows")
    one.learn(reference)
    kept = one.keep(DATA[kind])
    one.learn(Reference(reference.val, reference.train, reference.judge))
    np.testing.assert_array_equal(one.keep(DATA[kind]), kept)


@pytest.mark.parametrize("name", NAMES)
def test_a_filter_is_found_under_the_name_that_older_runs_hold(name):
    component = COMPONENTS[name]
    older = f"gensynth.balancing.filters.{component.target.rsplit('.', 1)[-1]}"
    assert type(replace(component, target=older).build()) is type(component.build())
