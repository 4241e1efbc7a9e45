"""Membership inference: intervals against closed forms and loops, attacks against sets of known privacy."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import encoded, small_job, space_of, stripes
from known_sets import memorised, nonsense, partly_memorised
from scipy.stats import beta

from gensynth import rng
from gensynth.data.image import ImageCodec
from gensynth.data.kinds import points_of
from gensynth.data.sources import read_digits
from gensynth.data.split import split_rows
from gensynth.evaluation.metrics.detection import auc_std
from gensynth.evaluation.metrics.roc import (
    Z,
    auc_entry,
    clopper_pearson,
    clustered_delong,
    delong,
    newcombe_low,
    threshold_ranks,
    tpr_entry,
)
from gensynth.evaluation.privacy.copies import find_copies
from gensynth.evaluation.privacy.membership import attack_entry, halved, roles_of
from gensynth.evaluation.privacy.privacy import privacy_of
from gensynth.evaluation.privacy.row_attacks import (
    ATTACKS,
    calibrated_distance,
    density_ratio,
    nearest_distance,
    rows_attacks,
)
from gensynth.evaluation.privacy.whitebox import model_attacks
from gensynth.neighbours import nearest_distances
from gensynth.training.fit import build
from gensynth.types import LabelledData, Schema

ROWS = [attack.__name__ for attack in ATTACKS]


def scores(n: int, m: int, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    r = np.random.default_rng(seed)
    return np.round(r.normal(shift, 1, n), 1), np.round(r.normal(0, 1, m), 1)


# Intervals


def test_auc_and_its_variance_are_those_of_a_double_loop():
    positive, negative = scores(31, 24, 0.5, 0)
    wins = np.array([[(p > q) + 0.5 * (p == q) for q in negative] for p in positive])
    value, variance = delong(positive, negative)
    assert value == pytest.approx(wins.mean())
    assert variance == pytest.approx(wins.mean(1).var(ddof=1) / 31 + wins.mean(0).var(ddof=1) / 24)


def test_delong_variance_is_that_of_repeated_draws():
    found = [delong(*scores(80, 60, 1.0, seed)) for seed in range(500)]
    values, variances = np.array(found).T
    assert np.mean(variances) == pytest.approx(values.var(ddof=1), rel=0.15)
    assert values.mean() == pytest.approx(0.7602, abs=0.005)  # normal: Phi(1 / sqrt 2)


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.5])
def test_intervals_hold_the_truth_as_often_as_they_say(shift):
    from scipy.special import ndtr

    truth = float(ndtr(shift / np.sqrt(2)))
    found = [auc_entry(*scores(60, 60, shift, seed)) for seed in range(400)]
    assert np.mean([entry["low"] <= truth <= entry["high"] for entry in found]) >= 0.93
    if shift == 0:  # and are no wider than need be: 1.96 deviations of Mann and Whitney
        assert np.mean([entry["high"] - entry["low"] for entry in found]) < 1.1 * 2 * 1.96 * auc_std(0.5, 60, 60)


def test_a_perfect_auc_has_a_lower_end_and_mirrors():
    entry = auc_entry(np.arange(50.0, 100), np.arange(50.0))
    assert (entry["value"], entry["high"]) == (1.0, 1.0)
    assert 0.9 < entry["low"] < 0.99
    assert 1.0 - entry["low"] == pytest.approx(Z * auc_std(entry["low"], 50, 50), rel=1e-6)
    worst = auc_entry(np.arange(50.0), np.arange(50.0, 100))
    assert worst["low"] == 0.0
    assert worst["high"] == pytest.approx(1 - entry["low"])


def test_constant_scores_tell_nothing_and_do_not_fail():
    entry = auc_entry(np.zeros(40), np.zeros(40))
    assert entry["value"] == 0.5
    assert entry["low"] < 0.4
    assert entry["high"] > 0.6


def test_swapped_sides_mirror_the_interval():
    one, other = scores(40, 70, 0.7, 3)
    a, b = auc_entry(one, other), auc_entry(other, one)
    assert (b["value"], b["low"], b["high"]) == pytest.approx((1 - a["value"], 1 - a["high"], 1 - a["low"]))
    assert newcombe_low(0.0, 9, 9) == 0.0


def test_clopper_pearson_is_the_beta_quantile():
    for k, n in [(0, 30), (3, 30), (30, 30), (17, 5_000)]:
        low, high = clopper_pearson(k, n)
        assert low == pytest.approx(0.0 if k == 0 else beta.ppf(0.025, k, n - k + 1))
        assert high == pytest.approx(1.0 if k == n else beta.ppf(0.975, k + 1, n - k))


def test_rates_at_low_alarms_are_those_of_a_loop_and_ties_do_not_count():
    members, others = scores(300, 250, 1.0, 5)
    entry = tpr_entry(members, others, 0.01)
    best = max(
        np.mean(members > t) for t in np.unique(np.concatenate([members, others])) if np.mean(others > t) <= 0.01
    )
    assert entry["value"] == pytest.approx(best)
    assert entry["false_positive"]["value"] <= 0.01
    assert tpr_entry(np.zeros(200), np.zeros(200), 0.01)["value"] == 0.0


def test_rates_that_rest_on_too_few_rows_are_refused():
    assert tpr_entry(np.zeros(200), np.zeros(99), 0.01)["reason"].startswith("not defined: 200 members and 99")
    assert tpr_entry(np.zeros(200), np.zeros(9_999), 0.001)["value"] is None
    assert tpr_entry(np.ones(200), np.zeros(10_000), 0.001)["value"] == 1.0
    assert auc_entry(np.zeros(19), np.zeros(50))["value"] is None


def in_clusters(subjects: int, rows: int, shift: float, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(scores, clusters) of two sides of so many subjects; half of the variance is that between subjects."""
    r = np.random.default_rng(seed)
    clusters = [np.repeat(np.arange(subjects), rows), np.repeat(np.arange(subjects, 2 * subjects), rows)]
    scored = [(r.normal(size=2 * subjects)[own] + r.normal(size=len(own))) / np.sqrt(2) for own in clusters]
    return [scored[0] + shift, scored[1]], clusters


@pytest.mark.parametrize(("subjects", "shift"), [(30, 0.0), (8, 0.0), (30, 1.5)])
def test_intervals_of_clustered_scores_hold_the_truth_as_often_as_they_say(subjects, shift):
    from scipy.special import ndtr

    truth, found = float(ndtr(shift / np.sqrt(2))), []
    for seed in range(400):
        sides, clusters = in_clusters(subjects, 10, shift, seed)
        found.append((auc_entry(*sides, tuple(clusters)), auc_entry(*sides)))
    inside = np.array([[entry["low"] <= truth <= entry["high"] for entry in pair] for pair in found]).mean(axis=0)
    assert inside[0] == pytest.approx(0.95, abs=0.03)
    assert inside[1] < 0.75  # as if rows were people
    assert found[0][0]["clusters"] == [subjects, subjects]
    assert "clusters" not in found[0][1]


def test_clusters_of_one_row_are_no_clusters_and_perfect_clusters_count_once():
    one, other = scores(60, 50, 0.4, 0)
    own = np.arange(60), np.arange(60, 110)
    assert clustered_delong(one, other, own) == pytest.approx(delong(one, other)[1])
    together = [np.repeat(side, 5) for side in (one, other)]
    clusters = tuple(np.repeat(side, 5) for side in own)
    assert clustered_delong(*together, clusters) == pytest.approx(delong(one, other)[1])
    apart = auc_entry(np.arange(50.0, 100), np.arange(50.0), (np.arange(50) // 2, np.arange(50) // 2 + 25))
    assert apart["low"] == pytest.approx(newcombe_low(1.0, 25, 25))
    few = auc_entry(np.arange(50.0), np.arange(50.0), (np.arange(50) % 4, np.arange(50)))
    assert few["reason"] == "not defined: rows of 4 and 50 subjects, 5 of each needed"


@pytest.mark.parametrize("n", [100, 300])
@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0])
def test_intervals_of_rates_hold_the_truth_though_the_threshold_is_drawn_too(n, shift):
    from scipy.special import ndtr, ndtri

    truth = 1 - float(ndtr(ndtri(0.99) - shift))
    found = [np.random.default_rng(seed) for seed in range(300)]
    found = [tpr_entry(r.normal(shift, 1, n), r.normal(0, 1, n), 0.01) for r in found]
    assert np.mean([entry["low"] <= truth <= entry["high"] for entry in found]) >= 0.95
    assert all(entry["low"] <= entry["value"] <= entry["high"] for entry in found)


def test_ranks_of_thresholds_hold_the_quantile_with_the_chance_they_say():
    below, above = 0, 0
    for seed in range(1500):
        falling = np.sort(np.random.default_rng(seed).random(700))[::-1]
        strict, loose = threshold_ranks(0.01, 700)
        below += falling[strict - 1] < 0.99
        above += falling[loose - 1] > 0.99
    assert strict >= 1
    assert max(below, above) / 1500 <= 0.0125 + 3 * np.sqrt(0.0125 / 1500)


def test_rates_of_clustered_scores_have_wider_intervals_and_the_same_value():
    sides, clusters = in_clusters(100, 10, 1.0, 0)
    plain, own = tpr_entry(*sides, 0.01), tpr_entry(*sides, 0.01, tuple(clusters))
    assert own["value"] == plain["value"]
    assert (own["low"], own["clusters"]) == (0.0, [100, 100])
    assert own["high"] > plain["high"]


# Scores of the attacks


def distances(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    r = np.random.default_rng(seed)
    return tuple(np.sort(r.random((n, 5)), axis=1) for _ in range(2))


def test_the_ratio_changes_sign_when_reference_and_made_rows_change_places():
    to_reference, to_synthetic = distances()
    np.testing.assert_array_equal(density_ratio(to_reference, to_synthetic), -density_ratio(to_synthetic, to_reference))


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_row_that_a_made_row_equals_scores_highest(attack):
    to_reference, to_synthetic = distances()
    to_synthetic[7, 0] = 0.0
    assert attack(to_reference, to_synthetic).argmax() == 7


@pytest.mark.parametrize("attack", ATTACKS)
def test_radii_of_zero_on_both_sides_stay_finite(attack):
    nothing = np.zeros((3, 5))
    for pair in [(nothing, nothing), (nothing, nothing + 1), (nothing + 1, nothing)]:
        assert np.isfinite(attack(*pair)).all()
    assert (density_ratio(nothing, nothing) == 0).all()  # a row that new people have too tells nothing
    assert (nearest_distance(nothing, nothing) == 0).all()
    assert (calibrated_distance(nothing, nothing) == 0).all()


# Roles


def pieces(seed: int, shares=(0.3, 0.2, 0.5)) -> tuple[LabelledData, LabelledData, LabelledData]:
    """(train, fresh, held_out) of digits, equal rows together."""
    rows = read_digits().data
    split = split_rows(rows, shares, seed, np.full(len(rows), ""), None)
    return tuple(rows[split == name] for name in ("train", "val", "test"))


def test_roles_are_disjoint_matched_by_class_and_only_of_classes_with_made_rows():
    train, fresh, held_out = pieces(0)
    synthetic = memorised(train[train.y < 4], 200, 0)
    roles = roles_of(train, held_out, synthetic, points_of(train), 0, "")
    np.testing.assert_array_equal(roles.members.counts(), roles.non_members.counts())
    assert (roles.members.counts()[:4] > 20).all()
    assert (roles.members.counts()[4:] == 0).all()
    assert set(roles.members.ids) <= set(train.ids)
    assert set(roles.non_members.ids) | set(roles.reference.ids) <= set(held_out.ids)
    assert not set(roles.non_members.ids) & set(roles.reference.ids)


def test_halves_keep_subjects_together_and_classes_in_half():
    train, _, _ = pieces(0)
    half = halved(train, 3, "")
    assert (np.abs(train[half].counts() - train[~half].counts()) <= 1).all()
    people = np.arange(len(train)) // 3
    named = replace(train, groups={"who": people.astype(str)})
    side = halved(named, 3, "who")
    assert all(len(set(side[people == p])) == 1 for p in np.unique(people))
    assert 0.4 < side.mean() < 0.6


def test_intervals_of_all_lines_know_whose_rows_they_are():
    train, fresh, held_out = pieces(0)
    named = [
        replace(rows, groups={"who": (np.arange(len(rows)) // 4 + 1000 * i).astype(str)})
        for i, rows in enumerate((train, held_out))
    ]
    points = points_of(train)
    roles = roles_of(*named, fresh, points, 0, "who")
    line = rows_attacks(roles, fresh, points)[0]
    people = [len(set(side.groups["who"].tolist())) for side in (roles.members, roles.non_members)]
    assert line["auc"]["clusters"] == line["tpr"]["0.01"]["clusters"] == people
    assert line["control"]["auc"]["clusters"][0] < people[1]
    assert "clusters" in next(iter(line["per_class"].values()))["auc"]
    alone = rows_attacks(replace(roles, subject=""), fresh, points)[0]
    assert "clusters" not in alone["auc"]
    assert alone["auc"]["value"] == line["auc"]["value"]


def test_rows_that_others_equal_play_no_part():
    train, fresh, held_out = pieces(0)
    repeated = LabelledData.concat([train, train[:80]]), LabelledData.concat([held_out, train[80:160]])
    roles = roles_of(*repeated, fresh, points_of(train), 0, "")
    assert not set(roles.members.ids) & set(train.ids[:160])
    assert not set(roles.non_members.ids) & set(train.ids[80:160])


def test_the_exposed_are_chosen_alike_on_both_sides_and_see_no_made_row():
    train, fresh, held_out = pieces(0)
    points = points_of(train)
    one = roles_of(train, held_out, fresh, points, 0, "")
    other = roles_of(train, held_out, memorised(train, len(fresh), 1), points, 0, "")
    for a, b in zip(one.exposed, other.exposed, strict=True):
        np.testing.assert_array_equal(a, b)
    share = np.concatenate(one.exposed).mean()
    assert share == pytest.approx(0.1, abs=0.01)


# Known sets


def lines_of(synthetic: LabelledData, train: LabelledData, held_out: LabelledData, seed: int = 0) -> dict[str, dict]:
    points = points_of(train)
    roles = roles_of(train, held_out, synthetic, points, seed, "")
    return {line["attack"]: line for line in rows_attacks(roles, synthetic, points)}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_memorisers_are_caught_and_oracles_are_not(seed):
    train, fresh, held_out = pieces(seed)
    n = min(len(train), len(fresh))
    whole = lines_of(memorised(train, len(train), seed), train, held_out)
    fifth = lines_of(partly_memorised(train, fresh, n, n / len(train) / 5, seed)[0], train, held_out)
    oracle = lines_of(fresh, train, held_out)
    for name in ROWS:
        assert whole[name]["auc"]["value"] >= 0.99
        assert whole[name]["tpr"]["0.01"]["value"] >= 0.95
        assert whole[name]["most_exposed"]["auc"]["low"] > 0.5
        assert fifth[name]["auc"]["value"] > oracle[name]["auc"]["value"]
        assert oracle[name]["auc"]["low"] - 0.02 <= 0.5 <= oracle[name]["auc"]["high"] + 0.02
        assert whole[name]["control"]["auc"]["low"] - 0.03 <= 0.5 <= whole[name]["control"]["auc"]["high"] + 0.03
        assert all(part["auc"]["value"] >= 0.9 for part in whole[name]["per_class"].values())
    for lines in (whole, fifth, oracle):  # what sees no synthetic row says the same of all sets
        assert lines["no_rows"]["auc"] == oracle["no_rows"]["auc"]
        assert lines["no_rows"]["auc"]["low"] <= 0.5 <= lines["no_rows"]["auc"]["high"]


def test_a_fifth_of_copies_gives_the_auc_it_must():
    """A hit for a share s of members and chance for the rest: AUC = s + (1 - s) / 2."""
    train, fresh, held_out = pieces(4, (0.25, 0.25, 0.5))
    synthetic, copied = partly_memorised(train, fresh, min(len(train), len(fresh)), 0.2, 4)
    assert copied.sum() == round(0.2 * len(synthetic))
    for name, line in lines_of(synthetic, train, held_out).items():
        if name != "no_rows":
            assert line["auc"]["value"] == pytest.approx(0.6, abs=0.045)
            assert line["auc"]["low"] > 0.5
        if name in ROWS:
            assert line["tpr"]["0.01"]["value"] == pytest.approx(0.2, abs=0.05)


def test_rows_of_another_source_are_told_apart_without_any_made_row():
    train, fresh, held_out = pieces(0)
    moved = replace(train, x=np.clip(train.x.astype(int) + 40, 0, 255).astype(np.uint8))
    line = lines_of(nonsense(fresh, 0), moved, held_out)["no_rows"]
    assert line["auc"]["high"] < 0.5


def test_scores_do_not_depend_on_chunks_or_on_the_order_of_rows():
    train, fresh, held_out = pieces(0)
    points = points_of(train)
    query, synthetic = points(held_out.x), points(fresh.x)
    whole = nearest_distances(query, synthetic, 5)[0]
    parts = np.concatenate([nearest_distances(query[i : i + 77], synthetic, 5, chunk=13)[0] for i in range(0, 999, 77)])
    np.testing.assert_array_equal(whole[: len(parts)], parts[: len(whole)])
    one, other = lines_of(fresh, train, held_out), lines_of(fresh[np.arange(len(fresh))[::-1]], train, held_out)
    assert one == other


def levels(n: int, seed: int) -> LabelledData:
    """A table of three columns of 16 uneven levels: a third of its rows and more are repeated."""
    r = np.random.default_rng(seed)
    weights = 1 / np.arange(1, 17)
    columns = [{"name": name, "kind": "categorical", "levels": [*map(str, range(16))]} for name in "uvw"]
    x = r.choice(16, (n, 3), p=weights / weights.sum()).astype(float)
    return LabelledData.of_real(x, r.integers(0, 2, n), Schema("table", ("no", "yes"), {"columns": columns}))


@pytest.mark.parametrize("kept_apart", [False, True])
def test_a_table_that_repeats_itself_gives_chance_and_no_nan(kept_apart):
    """Whether its split kept equal rows together or not; a generator that knows the truth makes rows of any kind."""
    rows, synthetic = levels(1500, 0), levels(600, 1)
    split = np.random.default_rng(0).permutation(np.resize(["train", "test", "test"], len(rows)))
    if kept_apart:
        split = split_rows(rows, (0.4, 0.0, 0.6), 0, np.full(len(rows), ""), None)
    train, held_out = rows[split == "train"], rows[split == "test"]
    assert np.isin(held_out.content_hashes(), train.content_hashes()).any() != kept_apart

    def points(x: np.ndarray) -> np.ndarray:
        return (x[:, :, None] == np.arange(16)).reshape(len(x), -1).astype(np.float32) / np.sqrt(2)

    lines = rows_attacks(roles_of(train, held_out, synthetic, points, 0, ""), synthetic, points)
    json.dumps(lines, allow_nan=False)
    for line in lines:
        assert line["auc"]["low"] <= 0.5 <= line["auc"]["high"], line["attack"]


def test_too_few_rows_are_a_reason_not_a_number():
    train, fresh, held_out = pieces(0)
    for synthetic, few in [(fresh[:3], held_out), (fresh, held_out[:6]), (fresh[:0], held_out)]:
        found = find_copies(train, few, synthetic, points_of(train), 0)
        facts = privacy_of(train, few, synthetic, found, seed=0, points=points_of(train)).to_json()
        assert all(line["auc"]["reason"].startswith("not defined") for line in facts["membership"])
        json.dumps(facts, allow_nan=False)


def test_facts_are_plain_json_with_all_parts():
    train, fresh, held_out = pieces(0)
    points = points_of(train)
    found = find_copies(train, held_out, fresh, points, 0)
    facts = json.loads(
        json.dumps(privacy_of(train, held_out, fresh, found, seed=0, points=points).to_json(), allow_nan=False)
    )
    assert {"nearer_to_train", "exact_copies", "near_copies", "copies_per_class", "real_duplicates"} < set(facts)
    assert "proves nothing" in facts["alarm"]
    others = ["likelihood_ratio", "distance_classifier", "no_rows"]
    assert [line["attack"] for line in facts["membership"]] == [*ROWS, *others]
    assert [text[:2] for text in facts["threat_model"][:4]] == ["T0", "T1", "T2", "T3"]


# With the model


def module_of(model: str, data: LabelledData):
    job = small_job(model)
    return build(lambda: job.model.make(space_of(data), len(data), **job.model.params), seed=0)


@pytest.mark.parametrize("model", ["cvae", "cgan"])
def test_scores_by_a_model_are_those_of_each_row_alone(model):
    data = stripes(20)
    module, codec = module_of(model, data), ImageCodec.fit(data)
    attacks = model_attacks(module, codec)
    assert [attack.attack for attack in attacks] == ["evidence_bound", "reconstruction"]
    for attack in attacks:
        whole = attack.score(data)
        assert whole.shape == (len(data),)
        alone = np.concatenate([attack.score(data[i : i + 1]) for i in (0, 31, 59)])
        np.testing.assert_allclose(whole[[0, 31, 59]], alone, rtol=1e-4)


def test_a_cold_gan_has_no_attack_by_its_bundle():
    data = stripes(20)
    job = small_job("cgan", "model.warm_start=false")
    module = build(lambda: job.model.make(space_of(data), len(data), **job.model.params), seed=0)
    assert model_attacks(module, ImageCodec.fit(data)) == []


def test_reconstruction_is_the_likelihood_under_each_rows_own_sigma():
    data = stripes(5)
    module = module_of("cvae", data)
    module.eval()
    rows = encoded(data)
    found = module.membership_scores(rows.x, rows.y)
    average = module.ema.average
    with torch.no_grad():
        mean, log_variance = average.encode(rows.x, rows.y)
        for i in range(3):
            squared = (rows.x[i] - average.decode(mean[i : i + 1], rows.y[i : i + 1])[0]).square()
            nll = 0.5 * squared.numel() * (torch.log(2 * torch.pi * squared.mean()) + 1)
            kl = 0.5 * (mean[i] ** 2 + log_variance[i].exp() - 1 - log_variance[i]).sum()
            assert float(found["reconstruction"][i]) == pytest.approx(-float(nll), rel=1e-4)
            assert float(found["evidence_bound"][i]) == pytest.approx(-float(nll + kl), rel=1e-4)


def test_an_overfitted_autoencoder_gives_its_rows_away():
    """Trained on 60 rows for long: they are rebuilt better than new ones, and the control is not."""
    data = stripes(80, seed=1)
    order = np.random.default_rng(0).permutation(len(data))
    train, held_out = data[order[:60]], data[order[60:]]
    module = module_of("cvae", train)
    rows = encoded(train)
    optimizer = torch.optim.Adam(module.autoencoder.parameters(), 3e-3)
    random = rng.torch_generator(0, "overfit")
    for _ in range(120):
        mean, log_variance = module.autoencoder.encode(rows.x, rows.y)
        z = mean + torch.randn(mean.shape, generator=random) * (0.5 * log_variance).exp()
        loss = module.autoencoder.nll(rows.x, z, rows.y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    module.ema.average.load_state_dict(module.autoencoder.state_dict())
    roles = roles_of(train, held_out, train, points_of(train), 0, "")
    for attack in model_attacks(module, ImageCodec.fit(train)):
        scored = attack.score(roles.members), attack.score(roles.non_members)
        line = attack_entry(attack.attack, attack.release, *scored, roles)
        assert line["release"] == "rows+model"
        if attack.attack == "reconstruction":
            assert line["auc"]["low"] > 0.6
        assert line["control"]["auc"]["low"] <= 0.5 <= line["control"]["auc"]["high"]
