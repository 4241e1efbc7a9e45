"""Fidelity entries: complete, at equal n, ordered noise < good < real, never NaN."""

import json
import math
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from gensynth.evaluation.fidelity.features import judge_space, pixel_space, random_space
from gensynth.evaluation.fidelity.fidelity import MIN_ROWS, fidelity, match_rows
from gensynth.evaluation.fidelity.spoiled import noise_images
from gensynth.evaluation.metrics.metric import conf_folder, metrics_of
from gensynth.models.judge import Judge
from gensynth.types import LabelledData, Schema

METRICS = ["fid", "fid_infinity", "kid", "mind", "precision", "recall", "density", "coverage"]
METRICS += ["clipped_density", "clipped_coverage", "vendi_ratio", "c2st_auc"]
SCHEMA = Schema("image", tuple("0123456789"), {"height": 8, "width": 8, "channels": 1})


@pytest.fixture(scope="module")
def parts():
    """Train 700, reference 500 and an oracle's 597 rows: held-out real digits."""
    images, labels = load_digits(return_X_y=True)
    pixels = np.round(images * 255 / 16).astype(np.uint8).reshape(-1, 1, 8, 8)
    order = np.random.default_rng(0).permutation(len(labels))
    return [LabelledData.of_real(pixels[r], labels[r], SCHEMA) for r in np.split(order, [700, 1200])]


@pytest.fixture(scope="module")
def spaces(parts):
    train = parts[0]
    judge = Judge.fit(train.x, train.y, num_classes=10, seed=0, steps=150, balanced=False)
    return [judge_space(judge), pixel_space(train.x), random_space((1, 8, 8), 0)]


@pytest.fixture(scope="module")
def oracle(parts, spaces):
    train, reference, synthetic = parts
    return fidelity(
        spaces=spaces,
        floor=partial(noise_images, seed=0),
        train=train,
        reference=reference,
        synthetic=synthetic,
        seed=0,
    )


def with_pixels(data, x):
    return LabelledData(x, data.y, data.schema, data.ids, data.origin, data.parent)


def all_entries(overall, per_class):
    return [entry for group in (overall, per_class) for scores in group.values() for entry in scores.values()]


def check_entry(entry):
    if entry["value"] is None:
        assert set(entry) == {"value", "reason"}
        assert entry["reason"].startswith("not defined: ")
        return
    numbers = [entry[key] for key in ("value", "floor", "ceiling", "low", "high")]
    assert all(math.isfinite(number) for number in numbers)
    assert entry["low"] <= entry["value"] <= entry["high"]
    assert entry["n_real"] == entry["n_synthetic"] >= MIN_ROWS


def test_entries_are_complete_and_plain_json(oracle):
    for entry in all_entries(*oracle):
        check_entry(entry)
    json.dumps(oracle, allow_nan=False)


def test_every_space_metric_and_class_has_an_entry(oracle):
    overall, per_class = oracle
    assert set(overall) == {"judge", "pixels", "random"}
    assert all(list(scores) == METRICS for scores in overall.values())
    assert list(per_class) == list(SCHEMA.classes)
    assert set(per_class["3"]) == {
        f"{metric.name}[{space}]" for metric in metrics_of(conf_folder()) if metric.per_class for space in overall
    }


@pytest.mark.parametrize("space", ["judge", "pixels", "random"])
def test_real_rows_score_like_the_ceiling_and_noise_like_the_floor(oracle, parts, spaces, space):
    train, reference, synthetic = parts
    noise = with_pixels(synthetic, noise_images(synthetic.x, seed=123))
    noisy, _ = fidelity(
        spaces=spaces, floor=partial(noise_images, seed=0), train=train, reference=reference, synthetic=noise, seed=0
    )
    good, bad = oracle[0][space], noisy[space]
    for metric in ("precision", "recall", "coverage"):
        assert abs(good[metric]["value"] - good[metric]["ceiling"]) < 0.06
    for metric in ("precision", "coverage"):
        assert abs(bad[metric]["value"] - bad[metric]["floor"]) < 0.1
    assert good["fid"]["value"] < 2 * good["fid"]["ceiling"] < 0.1 * good["fid"]["floor"]
    assert bad["fid"]["value"] == pytest.approx(bad["fid"]["floor"], rel=0.2)
    assert good["coverage"]["value"] == pytest.approx(good["coverage"]["expected"], abs=0.04)


def test_fid_of_small_classes_is_refused_with_the_numbers(oracle):
    entry = oracle[1]["3"]["fid[judge]"]
    assert entry["value"] is None
    assert "128 needed" in entry["reason"]
    assert oracle[1]["3"]["kid[judge]"]["value"] is not None


def test_mode_collapse_costs_recall_and_coverage_not_precision(oracle, parts, spaces):
    train, reference, synthetic = parts
    first = np.array([np.flatnonzero(synthetic.y == c)[0] for c in range(10)])
    collapsed = with_pixels(synthetic, synthetic.x[first[synthetic.y]])
    overall, _ = fidelity(
        spaces=spaces[1:2],
        floor=partial(noise_images, seed=0),
        train=train,
        reference=reference,
        synthetic=collapsed,
        seed=0,
    )
    assert overall["pixels"]["recall"]["value"] < 0.05
    assert overall["pixels"]["coverage"]["value"] < 0.5 < oracle[0]["pixels"]["coverage"]["value"]


def test_rows_are_matched_class_by_class(parts):
    train, reference, synthetic = parts
    keep = (synthetic.y != 4) & ~((synthetic.y == 7) & (np.cumsum(synthetic.y == 7) > 15))
    matched = match_rows(train=train, reference=reference, synthetic=synthetic[keep], seed=0, most=5000)
    for data, rows in ((train, matched.train), (reference, matched.reference), (synthetic[keep], matched.synthetic)):
        np.testing.assert_array_equal(data.y[rows], matched.labels)
        assert len(np.unique(rows)) == len(rows)
    counts = np.bincount(matched.labels, minlength=10)
    assert (counts[4], counts[7]) == (0, 15)
    assert counts[0] == min((data.y == 0).sum() for data in (train, reference, synthetic))


def test_class_proportions_do_not_move_the_score(oracle, parts, spaces):
    train, reference, synthetic = parts
    skewed = synthetic[(synthetic.y > 4) | (np.arange(len(synthetic)) % 3 == 0)]
    overall, _ = fidelity(
        spaces=spaces[:1],
        floor=partial(noise_images, seed=0),
        train=train,
        reference=reference,
        synthetic=skewed,
        seed=0,
    )
    entry = overall["judge"]["fid"]
    assert entry["value"] < 2 * entry["ceiling"] < 0.1 * entry["floor"]


def test_absent_and_tiny_classes_are_not_defined(parts, spaces):
    train, reference, synthetic = parts
    few = synthetic[(synthetic.y != 4) & ~((synthetic.y == 7) & (np.cumsum(synthetic.y == 7) > MIN_ROWS - 1))]
    _, per_class = fidelity(
        spaces=spaces[:1], floor=partial(noise_images, seed=0), train=train, reference=reference, synthetic=few, seed=0
    )
    assert "synthetic 0" in per_class["4"]["recall[judge]"]["reason"]
    assert f"{MIN_ROWS - 1} matched rows" in per_class["7"]["recall[judge]"]["reason"]
    assert per_class["8"]["recall[judge]"]["value"] is not None


def test_no_synthetic_rows_at_all(parts, spaces):
    train, reference, synthetic = parts
    result = fidelity(
        spaces=spaces,
        floor=partial(noise_images, seed=0),
        train=train,
        reference=reference,
        synthetic=synthetic[:0],
        seed=0,
    )
    assert all(entry["value"] is None for entry in all_entries(*result))


def test_repeats_and_leaves_the_global_generator_alone(oracle, parts, spaces):
    train, reference, synthetic = parts
    before = torch.get_rng_state()
    again = fidelity(
        spaces=spaces,
        floor=partial(noise_images, seed=0),
        train=train,
        reference=reference,
        synthetic=synthetic,
        seed=0,
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert again == oracle


def test_spaces_are_float32_and_hashed(parts, spaces):
    train = parts[0]
    for space in spaces:
        assert space.transform(train.x[:5]).dtype == np.float32
        assert space.transform(train.x[:5]).shape == (5, 64)
    assert len({space.sha256 for space in spaces}) == 3
    assert random_space((1, 8, 8), 0).sha256 == spaces[2].sha256 != random_space((1, 8, 8), 1).sha256


def test_large_images_are_projected_on_train_components():
    x = np.random.default_rng(0).integers(0, 256, (90, 1, 12, 12), dtype=np.uint8)
    space = pixel_space(x, max_dims=16)
    assert space.transform(x[:7]).shape == (7, 16)
    assert pixel_space(x, max_dims=16).sha256 == space.sha256 != pixel_space(x[:80], max_dims=16).sha256
    np.testing.assert_allclose(space.transform(x).mean(axis=0), 0.0, atol=1e-4)


def test_expected_values_stand_beside_every_score(oracle):
    """Real rows in the place of synthetic ones lie within a few deviations of what is expected of them."""
    entries = oracle[0]["pixels"]
    for entry in entries.values():
        if entry["value"] is not None:
            assert entry["expected_from"] in ("closed form", "real train rows")
            assert entry["space_sha256"]
    for metric in ("coverage", "density", "kid", "c2st_auc"):
        assert entries[metric]["expected_from"] == "closed form"
        assert abs(entries[metric]["z"]) < 4
    assert entries["recall"]["expected"] == entries["recall"]["ceiling"]


def test_no_interval_where_half_of_the_rows_are_too_few(parts, spaces):
    """64 dimensions and 200 rows: a covariance of all, none of a half."""
    sides = dict(zip(("train", "reference", "synthetic"), (side[:200] for side in parts), strict=True))
    overall, _ = fidelity(spaces=spaces[:1], floor=partial(noise_images, seed=0), seed=0, **sides)
    entry = overall["judge"]["fid"]
    assert entry["n_real"] < 256
    assert (entry["low"], entry["high"]) == (None, None)
    assert "z" not in entry


def test_many_rows_are_cut_class_by_class(parts):
    train, reference, synthetic = parts
    matched = match_rows(train=train, reference=reference, synthetic=synthetic, seed=0, most=200)
    counts = np.bincount(matched.labels, minlength=10)
    assert counts.min() == 20
    assert counts.sum() <= 220


def test_one_repeat_is_refused(parts, spaces):
    train, reference, synthetic = parts
    with pytest.raises(ValueError, match="at least 2 repeats"):
        fidelity(
            spaces=spaces,
            floor=partial(noise_images, seed=0),
            train=train,
            reference=reference,
            synthetic=synthetic,
            seed=0,
            repeats=1,
        )
