"""The attacks as a suite: one answer from many, by loops and on sets of known privacy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from attack_sets import mixture, noise, of_subjects, people, three_ways

from gensynth.data.kinds import points_of
from gensynth.evaluation.metrics.roc import delong
from gensynth.evaluation.privacy.membership import Roles, roles_of
from gensynth.evaluation.privacy.row_attacks import NOTHING, Scored, local_likelihood_ratio, row_scores
from gensynth.evaluation.privacy.suite import (
    LEAST_IN_CLASS,
    deals,
    maximum,
    measured,
    strongest_of,
    top_size,
)
from gensynth.evaluation.privacy.trained import FOLDS
from gensynth.types import LabelledData

BY_ROWS = ["density_ratio", "calibrated_distance", "nearest_distance", "likelihood_ratio", "distance_classifier"]


def attacked(synthetic: LabelledData, train: LabelledData, held_out: LabelledData, subject: str = ""):
    """(roles, scores) of the attacks by rows."""
    points = points_of(LabelledData.concat([train, held_out]))
    roles = roles_of(train, held_out, synthetic, points, 0, subject)
    return roles, row_scores(roles, synthetic, points)


def rows_only(synthetic: LabelledData, train: LabelledData, held_out: LabelledData) -> dict:
    (line,) = maximum(*attacked(synthetic, train, held_out)[::-1])
    return line


def roles_without_rows(n: int, subjects: int, seed: int) -> Roles:
    """n members and n non-members of two classes, belonging to so many subjects of uneven size; 0: to themselves."""
    rows = noise(2 * n, 2, seed)
    rows = replace(rows, y=np.arange(2 * n) % 2)
    if subjects:
        random = np.random.default_rng(seed)
        whose = np.sort(random.integers(0, subjects, 2 * n) * 2 + rows.y)  # nobody is in two classes
        rows = replace(rows, y=whose % 2, groups={"who": whose.astype(str)})
        side = np.isin(whose // 2, random.permutation(subjects)[: subjects // 2])
    else:
        side = np.arange(2 * n) < n
    empty = np.zeros(0, bool)
    return Roles(rows[side], rows[~side], rows[:0], (empty, empty), seed, "who" if subjects else "")


# What is measured


def test_deals_keep_the_members_of_every_class_and_subjects_together():
    roles = roles_without_rows(60, 12, 3)
    dealt = deals(roles, 40)
    np.testing.assert_array_equal(dealt[:, 0], roles.is_member)
    for unit in np.unique(roles.units):
        own = dealt[roles.units == unit]
        assert (own == own[0]).all()
    assert len(np.unique(dealt.T, axis=0)) > 20
    alone = roles_without_rows(60, 0, 3)
    y = np.concatenate([alone.members.y, alone.non_members.y])
    for c in (0, 1):
        assert (deals(alone, 40)[y == c].sum(axis=0) == (alone.members.y == c).sum()).all()


def test_measures_are_those_of_a_loop_in_every_deal():
    train, fresh, held_out = three_ways(noise(600, 6, 0), 0)
    roles, scored = attacked(mixture(train, fresh, 0.5, 0), train, held_out)
    dealt, y = deals(roles, 5), np.concatenate([roles.members.y, roles.non_members.y])
    exposed = np.concatenate(roles.exposed)
    for one in measured(scored, roles, 5):
        source = next(s for s in scored if s.attack == one.attack)
        rows = exposed if one.of == "exposed" else np.ones(len(y), bool) if one.of is None else y == one.of
        for b in range(6):
            mine = dealt[:, b]
            scores = source.scores if source.refit is None else source.refit.scores(mine)
            if one.kind == "auc":
                assert one.values[b] == pytest.approx(delong(scores[mine & rows], scores[~mine & rows])[0])
            else:
                own, part = scores[rows], mine[rows]
                size, edge = top_size(len(own)), np.sort(own)[-top_size(len(own))]
                above, tied = own > edge, own == edge
                hits = part[above].sum() + part[tied].mean() * (size - above.sum())
                assert one.values[b] == pytest.approx(hits / size - part.mean() + 0.5)


def test_equal_scores_share_their_rank_and_a_constant_attack_finds_nothing():
    roles = roles_without_rows(40, 0, 0)
    coarse = np.round(np.random.default_rng(0).normal(size=80))
    found = measured([Scored("coarse", "rows", coarse), Scored("flat", "rows", np.zeros(80))], roles, 99)
    by_name = {(one.attack, one.kind, one.of): one for one in found}
    whole = by_name["coarse", "auc", None]
    assert whole.values[0] == pytest.approx(delong(coarse[:40], coarse[40:])[0])
    assert set(by_name["flat", "auc", None].values) == {0.5}
    line = strongest_of([one for one in found if one.attack == "flat"], roles)
    assert (line["auc"], line["p"]) == (0.5, 1.0)


def test_a_classifier_never_scores_a_row_by_its_own_label():
    train, fresh, held_out = three_ways(noise(600, 6, 1), 0)
    roles, scored = attacked(fresh, train, held_out)
    learned = next(one for one in scored if one.refit is not None)
    changed = roles.is_member.copy()
    changed[0] = not changed[0]
    before, after = learned.refit.scores(roles.is_member), learned.refit.scores(changed)
    same = learned.refit.fold == learned.refit.fold[0]
    np.testing.assert_array_equal(before[same], after[same])
    assert (before[~same] != after[~same]).all()
    assert len(np.unique(learned.refit.fold)) == FOLDS
    np.testing.assert_allclose(learned.scores, before)
    together = learned.refit.scores(np.stack([roles.is_member, changed], axis=1))
    np.testing.assert_allclose(together, np.stack([before, after], axis=1))


def test_the_likelihood_ratio_is_that_of_two_kernel_densities():
    random = np.random.default_rng(0)
    reach, near = np.sort(random.random((4, 5, 5)), axis=2), random.random((4, 5))
    expected = np.zeros(4)
    for i in range(4):
        for s in range(5):
            others, own = (reach[i, s] ** -2.0).sum(), near[i, s] ** -2.0
            expected[i] += np.log((others + own) / others)
    np.testing.assert_allclose(local_likelihood_ratio(near, reach), expected)


# How sure it is


@pytest.mark.parametrize(("subjects", "seed0"), [(0, 0), (40, 1000)])
def test_chance_is_called_a_leak_no_more_often_than_stated(subjects, seed0):
    """Scores that know nothing but whose row it is; attacks go together, subjects have any number of rows."""
    alarms, trials = 0, 150
    for seed in range(trials):
        roles = roles_without_rows(60, subjects, seed0 + seed)
        random = np.random.default_rng(seed)
        n, shared = len(roles.is_member), random.normal(size=len(roles.is_member))
        of_subject = random.normal(size=n + 1)[roles.units] if subjects else 0.0
        scored = [Scored(f"a{k}", "rows", shared + of_subject + random.normal(size=n)) for k in range(5)]
        line = strongest_of(measured(scored, roles, 199), roles)
        assert (line["p"] <= 0.05) == (line["low"] > 0.5)
        parts = [line, *(one for one in line["per_class"].values() if one["auc"] is not None)]
        assert len(parts) == 3
        alarms += min(min(one["p"], one["top"]["p"]) for one in parts) <= 0.05
    assert alarms / trials <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)


@pytest.mark.parametrize("make", [lambda: noise(900, 8, 0), lambda: people(1200, 0)])
def test_oracle_half_and_whole_memoriser_get_what_they_must(make):
    """A hit for a share s of members and chance for the rest: AUC = s + (1 - s) / 2."""
    train, fresh, held_out = three_ways(make(), 1)
    for share, truth in ((0.0, 0.5), (0.5, 0.75), (1.0, 1.0)):
        roles, scored = attacked(mixture(train, fresh, share, 0), train, held_out)
        (line,) = maximum(scored, roles)
        assert line["low"] - 0.02 <= truth <= line["high"] + 0.02
        assert (line["p"] <= 0.05) == (line["low"] > 0.5) == (share > 0)
        assert (line["top"]["p"] <= 0.05) == (share > 0)
        n = len(roles.members)
        for one in scored:
            auc = delong(one.scores[:n], one.scores[n:])[0]
            if one.release == NOTHING or share == 0:
                assert auc == pytest.approx(0.5, abs=0.09), one.attack
            else:
                assert auc >= truth - 0.09, one.attack
        if roles.members.schema.modality == "table":
            assert {one.attack for one in scored} == {*BY_ROWS, "reconstruction_of_columns", "no_rows"}


def test_a_twentieth_learned_by_heart_is_found_by_what_attacks_are_surest_of():
    train, fresh, held_out = three_ways(noise(1600, 8, 2), 0)
    line = rows_only(mixture(train, fresh, 0.05, 0), train, held_out)
    assert line["p"] > 0.05
    assert line["top"]["p"] <= 0.05
    assert line["top"]["value"] >= 0.9


def test_a_class_that_alone_is_learned_by_heart_is_named():
    rows = noise(900, 8, 3, rare=90)
    train, fresh, held_out = three_ways(rows, 0)
    synthetic = LabelledData.concat([fresh[fresh.y < 2], train[train.y == 2]])
    line = rows_only(synthetic, train, held_out)
    assert line["per_class"]["c"]["p"] <= 0.05
    assert min(min(one["p"], one["top"]["p"]) for one in (line["per_class"][name] for name in "ab")) > 0.05


def test_a_class_of_few_rows_is_not_called_clean():
    train, fresh, held_out = three_ways(noise(600, 8, 4, rare=12), 0)
    line = rows_only(fresh, train, held_out)
    few = line["per_class"]["c"]
    assert few["auc"] is None
    assert few["reason"].endswith(f"rows to attack, {LEAST_IN_CLASS} needed")
    without = rows_only(fresh[fresh.y > 0], train, held_out)["per_class"]["a"]
    assert without == {"auc": None, "reason": "not tested: no synthetic rows"}


def test_who_holds_the_model_holds_the_rows_too():
    train, fresh, held_out = three_ways(noise(600, 8, 5), 0)
    roles, scored = attacked(mixture(train, fresh, 0.5, 0), train, held_out)
    useless = Scored("evidence_bound", "rows+model", np.random.default_rng(0).normal(size=len(roles.is_member)))
    knows_all = Scored("reconstruction", "rows+model", roles.is_member + np.random.default_rng(0).random())
    rows, both = maximum([*scored, useless], roles)
    assert (rows["release"], both["release"]) == ("rows", "rows+model")
    assert both["attack"] == rows["attack"]
    assert both["attacks"] == rows["attacks"] + 1
    assert both["low"] <= rows["low"]  # one more was tried
    assert maximum([*scored, knows_all], roles)[1]["attack"] == "reconstruction"
    assert set(both["per_attack"]) == {*BY_ROWS, "evidence_bound"}


def test_sides_that_differ_by_themselves_are_named():
    train, fresh, held_out = three_ways(noise(600, 8, 6), 0)
    assert "apart" not in rows_only(fresh, train, held_out)
    moved = replace(train, x=np.clip(train.x.astype(int) + 60, 0, 255).astype(np.uint8))
    apart = rows_only(fresh, moved, held_out)["apart"]
    assert apart["p"] <= 0.005
    assert apart["auc"] < 0.4


def test_rows_of_one_subject_stand_and_fall_together():
    train, fresh, held_out = three_ways(noise(800, 8, 7), 0)
    single = rows_only(mixture(train, fresh, 0.2, 0), train, held_out)
    roles, scored = attacked(
        mixture(train, fresh, 0.2, 0), of_subjects(train, 4), of_subjects(held_out, 4, 1000), "who"
    )
    (together,) = maximum(scored, roles)
    assert len(np.unique(roles.units)) < len(roles.is_member) / 2
    assert together["auc"] == pytest.approx(single["auc"], abs=0.08)


def test_too_few_rows_give_no_answer():
    train, fresh, held_out = three_ways(noise(60, 8, 8), 0)
    roles, scored = attacked(fresh, train, held_out)
    assert len(roles.members) < 20
    assert maximum(scored, roles) == []
