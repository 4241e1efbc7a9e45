"""Adversarial rows stay within their distance and fool the classifier; mixing and online changes do what they say."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from conftest import stripes
from torch.utils.data import DataLoader

from gensynth import rng
from gensynth.data.columns import Column
from gensynth.data.sources import read_digits
from gensynth.data.table_source import read_frame
from gensynth.errors import UsageError
from gensynth.evaluation.utility.robustness import robustness
from gensynth.models.classifier import Classifier
from gensynth.samplers.adversarial import Adversarial, Attack, TableTarget
from gensynth.samplers.image_policies import TrivialAugment
from gensynth.samplers.mixing import CutMix, MixUp
from gensynth.samplers.online import AugmentedDataset, OnlineTransform
from gensynth.types import LabelledData

DIGITS = read_digits().data[:600]


def pgd(**words) -> Adversarial:
    return Adversarial(
        **({"modality": "image", "eps": 24.0, "norm": "linf", "steps": 8, "step_size": 6.0, "frozen": []} | words)
    )


@pytest.fixture(scope="module")
def fitted() -> Adversarial:
    return pgd().fit(DIGITS)


def requested(n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(n) % 10, rng.row_seeds(0, "a", 0, n)


class TestImages:
    def test_rows_stay_within_eps_and_fool_the_classifier(self, fitted):
        rows = fitted.sample(*requested())
        source = dict(zip(DIGITS.ids, DIGITS.x, strict=True))
        parents = np.stack([source[p] for p in rows.parent])
        assert np.abs(rows.x.astype(int) - parents).max() == 24
        target = fitted._target
        assert (target.predict(parents) == rows.y).mean() > 0.98
        assert (target.predict(rows.x) == rows.y).mean() < 0.75

    def test_several_steps_fool_more_than_one(self, fitted):
        target, (labels, seeds) = fitted._target, requested()
        parents = DIGITS.x[fitted._rows.parents(labels, seeds)]
        accuracy = {}
        for steps in (1, 8):
            one = pgd(steps=steps, step_size=24.0 if steps == 1 else 6.0)
            one._block = 32
            accuracy[steps] = (target.predict(one.against(target, parents, labels, seeds)) == labels).mean()
        assert accuracy[8] < accuracy[1]

    def test_one_step_in_the_largest_norm_moves_every_pixel_by_eps_or_to_the_edge(self, fitted):
        one = pgd(steps=1, step_size=10.0, eps=10.0).fit(DIGITS)
        rows = one.sample(*requested(40))
        source = dict(zip(DIGITS.ids, DIGITS.x, strict=True))
        moves = np.array([x.astype(int) - source[p] for x, p in zip(rows.x, rows.parent, strict=True)])
        inside = (rows.x > 0) & (rows.x < 255)
        assert set(np.abs(moves[inside]).tolist()) <= {0, 10}
        assert (np.abs(moves[inside]) == 10).mean() > 0.9

    def test_the_whole_row_stays_within_a_euclidean_eps(self):
        rows = pgd(norm="l2", eps=100.0, step_size=25.0).fit(DIGITS).sample(*requested(60))
        source = dict(zip(DIGITS.ids, DIGITS.x, strict=True))
        gaps = [np.linalg.norm(x.astype(float) - source[p]) for x, p in zip(rows.x, rows.parent, strict=True)]
        assert 60 < max(gaps) < 100 + 4.1  # rounding to whole pixels adds at most half a step each

    def test_rows_say_what_they_are(self, fitted):
        reported = json.loads(fitted.sample(*requested(1)).groups["params"][0])
        assert reported == {"adversarial": True, "eps": 24.0, "norm": "linf", "steps": 8, "step_size": 6.0}
        assert fitted.name == "adversarial"

    def test_the_report_says_what_an_attack_costs_with_and_without_them(self):
        data = stripes(80)
        train, test = data[::2], data[1::2]
        sampler = pgd(eps=80.0, step_size=27.0, steps=5).fit(train)
        synthetic = sampler.sample(np.repeat(np.arange(3), 40), rng.row_seeds(0, "a", 0, 120))
        before, after = robustness(sampler, train, synthetic, test, 0)
        assert [line["trained_on"] for line in (before, after)] == ["real rows", "real and adversarial rows"]
        assert before["clean"] == after["clean"] == 1.0
        assert 0.1 < before["robust"] < 0.5
        assert before["robust_range"][0] <= before["robust"] <= before["robust_range"][1]
        assert before["n"] == 120


def table(n: int = 300) -> LabelledData:
    import pandas as pd

    r = np.random.default_rng(0)
    sick = r.random(n) < 0.4
    frame = pd.DataFrame(
        {
            "dose": np.round(r.normal(10 + 4 * sick, 3), 2),
            "visits": r.poisson(3 + 2 * sick),
            "age": r.integers(20, 80, n),
            "ward": r.choice(["a", "b"], n),
            "weight": np.where(r.random(n) < 0.2, np.nan, np.round(r.normal(70, 9, n), 1)),
            "label": np.where(sick, "sick", "well"),
        }
    )
    return read_frame(frame, label="label").data


class TestTables:
    def test_only_numbers_that_may_change_do_so_within_their_range(self):
        rows_of = table()
        sampler = pgd(modality="table", eps=0.5, step_size=0.2, frozen=["age"]).fit(rows_of)
        labels, seeds = np.arange(200) % 2, rng.row_seeds(0, "a", 0, 200)
        rows = sampler.sample(labels, seeds)
        place = {row: i for i, row in enumerate(rows_of.ids)}
        parents = rows_of.x[[place[p] for p in rows.parent]]
        names = [Column.from_json(c).name for c in rows_of.schema.fields["columns"] if c["name"] != "label"]
        column = {name: names.index(name) for name in ("dose", "visits", "age", "ward", "weight")}
        for name in ("age", "ward"):
            np.testing.assert_array_equal(rows.x[:, column[name]], parents[:, column[name]])
        moved = rows.x[:, column["dose"]] - parents[:, column["dose"]]
        assert 0.3 * rows_of.x[:, column["dose"]].std() < np.abs(moved).max()
        assert np.abs(moved).max() <= 0.5 * rows_of.x[:, column["dose"]].std() + 0.01
        for name in ("dose", "visits", "weight"):
            j = column[name]
            np.testing.assert_array_equal(np.isnan(rows.x[:, j]), np.isnan(parents[:, j]))
            assert np.nanmin(rows_of.x[:, j]) <= np.nanmin(rows.x[:, j])
            assert np.nanmax(rows.x[:, j]) <= np.nanmax(rows_of.x[:, j])
        assert (rows.x[:, column["visits"]] % 1 == 0).all()
        target = sampler._target
        assert (target.predict(rows.x) == labels).mean() < (target.predict(parents) == labels).mean() - 0.2

    def test_the_gradient_is_that_of_the_loss(self):
        rows = table()
        target = TableTarget(rows, 0, [])
        x, labels = rows.x[:5], rows.y[:5]
        z = target.enter(x)
        slope = target.gradient(z, x, labels).numpy()

        def loss(moved: np.ndarray) -> np.ndarray:
            scores = target._scores(moved, x)
            top = scores.max(1, keepdims=True)
            log_sum = np.log(np.exp(scores - top).sum(1)) + top[:, 0]
            return log_sum - scores[np.arange(5), np.searchsorted(target._classes, labels)]

        for j in range(z.shape[1]):
            step = np.zeros(z.shape)
            step[:, j] = 1e-5
            by_hand = (loss(z.numpy() + step) - loss(z.numpy() - step)) / 2e-5
            there = ~np.isnan(x[:, target._numbers[j]])
            np.testing.assert_allclose(slope[there, j], by_hand[there], atol=1e-5)

    def test_a_column_that_is_none_is_a_sentence(self):
        with pytest.raises(UsageError, match='no column "agee"'):
            pgd(modality="table", frozen=["agee"]).fit(table())


def test_an_attack_on_a_known_loss_ends_in_the_known_corner():
    class Slope:
        low, high, scale = torch.tensor(0.0), torch.tensor(10.0), 1.0
        enter = staticmethod(lambda x: torch.from_numpy(x))
        leave = staticmethod(lambda moved, x: moved.numpy())

        @staticmethod
        def gradient(moved, x, labels):
            return torch.tensor([[1.0, -2.0]]).expand_as(moved)

    words = {"labels": np.zeros(1, int), "start": torch.zeros_like}
    corner = Attack(2, "linf", 9, 1)(Slope, np.array([[5.0, 1.0]]), **words)
    np.testing.assert_allclose(corner, [[7.0, 0.0]])  # the second stops at the edge
    along = Attack(2, "l2", 9, 1)(Slope, np.array([[5.0, 5.0]]), **words)
    np.testing.assert_allclose(along, [[5 + 2 / np.sqrt(5), 5 - 4 / np.sqrt(5)]])


@pytest.mark.parametrize(
    ("words", "says"), [({"norm": "l1"}, "norm=l1"), ({"eps": 0.0}, "above 0"), ({"steps": 0}, "above 0")]
)
def test_wrong_settings_are_a_sentence(words, says):
    with pytest.raises(UsageError, match=says):
        pgd(**words)


class TestMixing:
    def batch(self, mixing, alpha=1.0):
        data = stripes(50)
        change = mixing(alpha).batches(3, 0)
        return data, *change(data.x, data.y, 4)

    def test_labels_are_mixed_as_pixels_are(self):
        data, x, shares = self.batch(MixUp)
        np.testing.assert_allclose(shares.sum(1), 1, atol=1e-6)
        own = shares[np.arange(150), data.y]
        assert own.std() > 0.2  # Beta(1, 1) is even
        assert (x != data.x).any()
        dark, light = np.zeros_like(data.x), np.full_like(data.x, 200)
        share = np.linspace(0, 1, 150)
        mixed, true = MixUp(1.0).mix(light, dark, share, np.zeros((150, 2)))
        np.testing.assert_allclose(mixed[:, 0, 0, 0], 200 * share, atol=0.5)
        assert (true == share).all()

    def test_a_rectangle_takes_its_share_of_the_label(self):
        data = stripes(50)
        dark, light = np.zeros_like(data.x), np.full_like(data.x, 255)
        share = np.linspace(0.05, 0.95, 150)
        mixed, true = CutMix(1.0).mix(dark, light, share, np.random.default_rng(0).random((150, 2)))
        np.testing.assert_allclose((mixed == 0).mean((1, 2, 3)), true)
        assert np.abs(true - share).mean() < 0.06
        assert set(np.unique(mixed)) == {0, 255}

    def test_a_batch_is_mixed_the_same_way_again_and_another_step_another_way(self):
        data = stripes(20)
        change = CutMix(1.0).batches(3, 0)
        one, again, other = (change(data.x, data.y, step)[0] for step in (0, 0, 1))
        np.testing.assert_array_equal(one, again)
        assert (one != other).any()

    def test_a_classifier_learns_from_soft_labels(self):
        data = stripes(60)
        words = {"num_classes": 3, "seed": 0, "steps": 150, "balanced": False}
        classifier = Classifier.fit(data.x, data.y, **words, change=MixUp(0.2).batches(3, 0))
        assert (classifier.predict(data.x) == data.y).mean() > 0.95


class TestOnline:
    def test_a_row_depends_on_seed_epoch_and_index_alone(self):
        data = stripes(20, (3, 8, 8))
        rows = AugmentedDataset(data, TrivialAugment([]).fit(data), seed=1)
        whole = np.stack([x for x, _ in rows.__getitems__(list(range(60)))])
        for workers in (0, 2):
            loader = DataLoader(rows, batch_size=7, num_workers=workers)
            loaded = torch.cat([x for x, _ in loader]).numpy()
            np.testing.assert_array_equal(loaded, whole)
        np.testing.assert_array_equal(rows[33][0], whole[33])
        rows.set_epoch(1)
        assert (np.stack([rows[i][0] for i in range(60)]) != whole).any()
        assert [rows[i][1] for i in range(60)] == data.y.tolist()

    def test_every_step_of_a_classifier_sees_other_rows(self):
        data = stripes(20, (3, 8, 8))
        change = OnlineTransform(TrivialAugment([]).fit(data)).batches(3, 0)
        one, again, other = (change(data.x, data.y, step)[0] for step in (0, 0, 1))
        np.testing.assert_array_equal(one, again)
        assert (one != other).any()
