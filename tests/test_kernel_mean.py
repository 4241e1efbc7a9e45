"""The private release: how far a row can move it, that it is made once, that nothing after it sees a row."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from conftest import bundle_facts, encoded, fitted, space_of, stripes
from test_training import stop_after

from gensynth import rng
from gensynth.cli import compose
from gensynth.errors import Interrupted, UsageError
from gensynth.models.generator import Batch, StepNoise, TrainingRows, check_learns
from gensynth.models.kernel_mean import KernelMean, above_edge, evened, factor_above, leading, sensitivity_of, shrunk
from gensynth.models.private import secret
from gensynth.models.private.accounting import gaussian_sigma, log_delta
from gensynth.models.private.public_features import (
    ClassMeans,
    ImageFeatures,
    class_sums,
    cosines,
    gaps,
    scales_of,
    weights_of,
)
from gensynth.training.bundle import class_of, load_bundle, save_bundle
from gensynth.training.fit import build
from gensynth.training.loader import BatchLoader
from gensynth.training.schedule import Schedule, by_seconds

DATA = stripes(40)
WORDS = ("model.width=8", "model.waves=40", "model.batch_size=96", "model.noise_seed=1", "model.epsilon=100")
SHARES = {"pixels": 1.0, "products": 2.0, "waves": 1.0}


def job_of(*words):
    return compose("train", ["digits", "model=kernel_mean", "logger=none", "trainer=cpu", *WORDS, *words])


def module_of(*words, data=DATA):
    job = job_of(*words)
    return build(lambda: job.model.make(space_of(data), len(data), **job.model.params), seed=0)


def trained(folder, *words, data=DATA, resume=False):
    return fitted(module_of(*words, data=data), job_of(*words), data, folder, resume=resume)


def features_of(shape=(1, 4, 4), waves=10):
    return ImageFeatures(shape, SHARES, waves, 0.7, seed=1)


def phi(features: ImageFeatures, x: torch.Tensor) -> torch.Tensor:
    """Features of one row by their definition, in a loop over pairs of pixels."""
    u = x.flatten().double() / math.sqrt(x.numel())
    pairs = [u[i] * u[j] * (1 if i == j else math.sqrt(2)) for i in range(len(u)) for j in range(i, len(u))]
    turn = u @ features.directions
    waves = torch.cat([turn.cos(), turn.sin()]) / math.sqrt(len(turn))
    parts = (u, torch.stack(pairs), waves)
    return torch.cat([math.sqrt(share / 4) * part for share, part in zip(SHARES.values(), parts, strict=True)])


def test_sums_are_those_of_every_rows_features():
    features = features_of()
    x = 2 * torch.rand(7, 1, 4, 4, generator=torch.Generator().manual_seed(0)) - 1
    y = torch.tensor([0, 2, 2, 0, 2, 0, 2])
    sums, counts = class_sums(features, TrainingRows(x, y), 3)
    expected = torch.stack(
        [sum((phi(features, row) for row in x[y == k]), torch.zeros(16 + 136 + 10)) for k in range(3)]
    )
    torch.testing.assert_close(sums, expected.double(), rtol=1e-6, atol=1e-6)
    assert counts.tolist() == [3, 0, 4]


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 40, 40), (1, 5, 9)])
def test_no_row_is_longer_than_one(shape):
    """All white, all black, noise, and pixels far outside their range or not numbers at all."""
    features = features_of(shape)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    for x in (torch.ones(shape), -torch.ones(shape), noise, 1e6 * noise, noise / 0.0 * 0.0):
        sums, _ = class_sums(features, TrainingRows(x[None], torch.tensor([0])), 1)
        assert float(sums.norm()) <= 1 + 1e-6
    assert float(class_sums(features, TrainingRows(torch.ones(1, *shape), torch.tensor([0])), 1)[0].norm()) > 0.999


def test_features_know_nothing_of_the_data_and_follow_their_seed():
    one, two = features_of(), features_of()
    assert torch.equal(one.directions, two.directions)
    assert not torch.equal(one.directions, ImageFeatures((1, 4, 4), SHARES, 10, 0.7, seed=2).directions)
    assert all(not list(part.state_dict()) for part in (one, two))


@pytest.mark.parametrize("adjacency", ["add_remove", "replace"])
@pytest.mark.parametrize("scale", [0.1, 2.0])
def test_one_row_moves_the_release_by_at_most_the_sensitivity(adjacency, scale):
    """Over rows at both ends of every pixel, the farthest apart that there are, and all pairs of classes."""
    words = (f"model.adjacency={adjacency}", f"model.count_scale={scale}")
    module, rows = module_of(*words), encoded(DATA[::10])
    before = module.exact_numbers(rows)
    sides = [torch.ones(1, 8, 8), -torch.ones(1, 8, 8), (torch.arange(64) % 2 * 2.0 - 1).view(1, 8, 8)]
    moves = []
    for old in range(len(rows.y)):
        for x in sides:
            for label in range(3):
                kept = torch.arange(len(rows.y)) != old if adjacency == "replace" else slice(None)
                after = TrainingRows(
                    torch.cat([rows.x[kept], x[None]]), torch.cat([rows.y[kept], torch.tensor([label])])
                )
                moves.append(float((module.exact_numbers(after) - before).norm()))
    assert 0.6 * module.sensitivity < max(moves) <= module.sensitivity * (1 + 1e-6)


def test_sensitivities_in_closed_form():
    assert sensitivity_of("add_remove", 0.3) == pytest.approx(math.sqrt(1.09))
    assert sensitivity_of("replace", 0.3) == 2.0
    assert sensitivity_of("replace", 2.0) == pytest.approx(math.sqrt(10))
    with pytest.raises(UsageError, match="adjacency=replac is not known; did you mean"):
        sensitivity_of("replac", 0.1)


def test_the_noise_is_that_of_the_promise():
    module = module_of("model.epsilon=1")
    assert module.sigma == pytest.approx(gaussian_sigma(1.0, 1e-5, module.sensitivity), rel=1e-5)
    assert math.exp(log_delta(module.sigma / module.sensitivity, 1.0)) <= 1e-5
    numbers = module.exact_numbers(encoded(DATA))
    noise = module.noisy(numbers, secret.fresh_key()) - numbers
    assert float(noise.std()) == pytest.approx(module.sigma, rel=5 / math.sqrt(2 * noise.numel()))
    assert abs(float(noise.mean())) < 5 * module.sigma / math.sqrt(noise.numel())


def test_the_release_is_made_once_and_its_key_is_gone():
    module, rows = module_of(), encoded(DATA)
    assert module.guarantee() == {}
    module.begin_phase("match", rows, torch.Generator(), resumed=False)
    first = copy.deepcopy(module.state_dict())
    assert not first["key"].any()
    module.begin_phase("match", encoded(DATA[:30]), torch.Generator(), resumed=False)
    assert all(torch.equal(tensor, first[name]) for name, tensor in module.state_dict().items())
    said = module.guarantee()
    assert said["epsilon"] == 100
    assert said["accountant"] == "analytic gaussian"
    assert said["noise"] == "recorded"
    assert said["noise_multiplier"] * said["sensitivity"] == pytest.approx(module.sigma)
    assert all(isinstance(count, int) and abs(count - 40) < 5 for count in said["counts"])


def test_the_speed_test_leaves_the_release_to_the_training():
    module = module_of()
    key = module.key.clone()
    assert by_seconds(module, encoded(DATA), 5.0, 0).batch_sizes == (96,)
    assert not module.released
    assert torch.equal(module.key, key)


def test_without_a_seed_every_release_is_another():
    rows = encoded(DATA)
    one, two = (module_of("model.noise_seed=null") for _ in range(2))
    for module in (one, two):
        module.begin_phase("match", rows, torch.Generator(), resumed=False)
    assert one.guarantee()["noise"] == "system"
    assert not torch.equal(one.start.mean, two.start.mean)


class Untouchable(Batch):
    """A batch whose rows must not be asked for."""

    @property
    def x(self):
        raise AssertionError("a step looked at real rows")


def steps(module, data, labels, count=6):
    """The weights after `count` steps on batches of these rows and labels."""
    found = module.configure_optimizers()
    module.optimizers = lambda: found[0]
    rows = encoded(data)
    module.begin_phase("match", rows, torch.Generator(), resumed=False)
    for step in range(count):
        random = StepNoise(step, rows.x.device, 96)
        garbage = TrainingRows(rows.x * math.nan, rows.y)
        batch = Untouchable(garbage, torch.arange(96), labels, "match", (step + 1) / count, step, 96 * step, random)
        module.training_step(batch, step)
    return module.addition.state_dict()


def test_after_the_release_no_step_looks_at_rows_or_labels():
    one, two = (steps(module_of(), DATA, torch.full((96,), label)) for label in (0, 2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    start = module_of().addition.state_dict()
    assert not torch.equal(start["decoder.head.weight"], one["decoder.head.weight"])


def test_training_on_other_rows_gives_the_same_weights_from_the_same_release():
    """The loader's labels follow exact class counts; two sets of rows with other counts, one release, one result."""
    released = module_of()
    released.begin_phase("match", encoded(DATA), torch.Generator(), resumed=False)
    ends = []
    for rows in (encoded(DATA), encoded(DATA[70:])):
        module = copy.deepcopy(released)
        found = module.configure_optimizers()
        module.optimizers = lambda found=found: found[0]
        for batch in BatchLoader(rows, Schedule(("match",), (5,), (96,)), 0, 0.3):
            module.training_step(batch, 0)
        ends.append(module.addition.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.parametrize("step", [1, 5])
def test_resume_gives_the_weights_of_the_uninterrupted_run(step, tmp_path, monkeypatch):
    """Also where the noise is the system's own: the release lies in the checkpoint."""
    words = ("trainer.max_samples=768",)
    whole = trained(tmp_path / "whole", *words)
    stop_after(step, monkeypatch)
    with pytest.raises(Interrupted):
        trained(tmp_path / "cut", *words)
    monkeypatch.undo()
    monkeypatch.setattr(KernelMean, "noisy", lambda *_: pytest.fail("a second release"))
    resumed = trained(tmp_path / "cut", *words, resume=True)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    assert resumed.guarantee() == whole.guarantee()


def test_made_class_means_come_nearer_to_the_released_ones(tmp_path):
    start, end = module_of(), trained(tmp_path, "trainer.max_samples=19200", "model.lr=2e-3")
    start.begin_phase("match", encoded(DATA), torch.Generator(), resumed=False)
    assert torch.equal(start.start.spread, end.start.spread)
    target = ClassMeans(end.start.mean, end.start.spread, end.waves)
    totals = []
    for module in (start, end):
        labels, seeds = np.repeat(np.arange(3), 2000), np.tile(rng.row_seeds(0, "x", 0, 2000), 3)
        made = module.features.seen(module.sample(labels, seeds)).unflatten(0, (3, 2000))
        totals.append(float((gaps(module.features, made, target) / end.scales).sum()))
    assert totals[1] < 0.8 * totals[0]


def test_gaps_are_the_squared_distances_of_all_three_means():
    features, random = features_of(), torch.Generator().manual_seed(0)
    target = ClassMeans(
        0.1 * torch.randn(2, 16, generator=random),
        0.1 * torch.randn(2, 16, 3, generator=random),
        0.1 * torch.randn(2, 10, generator=random),
    )
    fake = 0.2 * torch.randn(2, 50, 16, generator=random)
    found = gaps(features, fake, target)
    covariance = target.spread @ target.spread.transpose(1, 2)
    second = fake.transpose(1, 2) @ fake / 50 - covariance - target.pixels[:, :, None] * target.pixels[:, None]
    expected = [
        (fake.mean(1) - target.pixels).square().sum(1).mean(),
        second.square().sum((1, 2)).mean(),
        (features.wave(fake).mean(1) - target.waves).square().sum(1).mean(),
    ]
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-4, atol=1e-6)
    apart = [(goal[0] - goal[1]).square().sum() / 4 for goal in (target.pixels, target.waves)]
    scales = torch.stack([apart[0], covariance.square().sum((1, 2)).mean(), apart[1]])
    torch.testing.assert_close(scales_of(target), scales, rtol=1e-4, atol=1e-6)


def test_a_single_class_is_measured_by_its_own_length():
    target = ClassMeans(torch.full((1, 4), 0.5), torch.zeros(1, 4, 2), torch.ones(1, 3))
    torch.testing.assert_close(scales_of(target), torch.tensor([0.01, 0.01, 0.03]))


def test_all_directions_may_be_taken_before_the_smooth_ones_are_looked_at():
    factor = factor_above(torch.diag(torch.arange(20.0, 0.0, -1)).double(), 1e-9, cosines(20), 3)
    torch.testing.assert_close(factor.square().sum(0), torch.tensor([20.0, 19.0, 18.0]).double(), rtol=1e-6, atol=1e-6)


def test_latents_of_a_step_have_no_mean_and_covariance_of_their_own():
    z = torch.randn(2, 50, 4, generator=torch.Generator().manual_seed(0))
    even = evened(z)
    torch.testing.assert_close(even.mean(1), torch.zeros(2, 4), atol=1e-5, rtol=0)
    covariance = even.transpose(1, 2) @ even / 50
    torch.testing.assert_close(covariance, torch.eye(4).expand(2, 4, 4), atol=1e-5, rtol=0)
    assert float(torch.corrcoef(torch.stack([even.flatten(), z.flatten()]))[0, 1]) > 0.95
    torch.testing.assert_close(evened(z[:, :3]), z[:, :3] - z[:, :3].mean(1, keepdim=True))


def test_leading_eigenvalues_are_those_of_a_full_decomposition():
    random = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(60, 60, generator=random, dtype=torch.float64))[0]
    values = torch.cat([torch.tensor([9.0, 5.0, 3.0]), torch.linspace(-1, 1, 57)]).double()
    found, directions = leading(turn @ torch.diag(values) @ turn.T, 3)
    torch.testing.assert_close(found, values[:3], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close((directions * turn[:, :3]).sum(0).abs(), torch.ones(3).double(), rtol=1e-6, atol=1e-6)


def noisy_covariance(values, noise, size=200):
    """Smooth directions with these variances, and the noise of a release; both float64."""
    random = torch.Generator().manual_seed(0)
    waves = cosines(size)
    true = waves[: len(values)].T @ torch.diag(torch.tensor(values).double()) @ waves[: len(values)]
    drawn = torch.randn(size, size, generator=random, dtype=torch.float64).triu(1) / math.sqrt(2)
    return true + noise * (drawn + drawn.T + torch.diag(torch.randn(size, generator=random).double())), true


def test_variances_that_stand_out_of_the_noise_are_set_right_and_noise_is_dropped():
    noisy, _ = noisy_covariance([3.0, 1.0], 0.03)  # the edge lies at sqrt(400) 0.03 = 0.6
    values, _ = above_edge(noisy, 0.03, 16)
    assert values.tolist() == pytest.approx([3.0, 1.0], abs=0.1)
    assert len(above_edge(noisy_covariance([], 0.03)[0], 0.03, 16)[0]) == 0


def test_smooth_directions_are_found_below_the_noise_of_all():
    noisy, true = noisy_covariance([3.0, 0.3, 0.28], 0.03)
    factor = factor_above(noisy, 0.03, cosines(200), 16)
    assert factor.shape == (200, 16)
    assert (factor.norm(dim=0) > 0).sum() >= 3
    assert float((factor @ factor.T - true).norm()) < 0.3 * float((noisy - true).norm())


def test_means_of_few_rows_lean_on_the_mean_of_all():
    random = torch.Generator().manual_seed(0)
    counts, noise = torch.tensor([[1000.0], [1000.0], [2.0]]), torch.tensor([[0.001], [0.001], [0.5]])
    true = torch.tensor([[1.0], [-1.0], [0.0]]).repeat(1, 50)
    found = shrunk(true + noise * torch.randn(3, 50, generator=random), noise, counts)
    torch.testing.assert_close(found[:2], true[:2], atol=0.01, rtol=0)
    assert float(found[2].norm()) < 0.3 * 0.5 * math.sqrt(50)


def test_packing_keeps_length_and_content():
    features, random = features_of(), torch.Generator().manual_seed(0)
    a = torch.randn(16, 16, generator=random, dtype=torch.float64)
    a = a + a.T
    assert features.packed(a).shape == (136,)
    assert float(features.packed(a).norm()) == pytest.approx(float(a.norm()))
    torch.testing.assert_close(features.unpacked(features.packed(a)), a)


@pytest.mark.parametrize("shape", [(1, 6, 5), (3, 4, 4)])
def test_smooth_directions_are_a_basis_that_begins_with_flat_channels(shape):
    features = features_of(shape)
    basis = features.smooth_directions()
    torch.testing.assert_close(basis @ basis.T, torch.eye(features.size, dtype=torch.float64))
    flat = basis[: shape[0]].unflatten(1, shape).flatten(2)
    assert float(flat.std(dim=2).max()) < 1e-9


def test_large_images_are_averaged_down_and_smoothed_up():
    features = features_of((3, 64, 64))
    assert features.size == 768
    grey = torch.full((2, 3, 64, 64), 0.25)
    torch.testing.assert_close(features.unseen(features.seen(grey)), grey)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["model.epsilon=0"], "epsilon must be above 0"),
        (["model.delta=0.01"], "1 / rows"),
        (["model.adjacency=add"], "adjacency=add is not known"),
        (["model.shares.pixels=0"], "shares.pixels must be above 0"),
        (["model.noise_seed=x"], "noise_seed must be"),
        (["model.bandwidth=0"], "bandwidth must be above 0"),
    ],
)
def test_words_that_promise_nothing_are_refused(words, match):
    with pytest.raises(UsageError, match=match):
        module_of(*words)


def test_shares_have_the_names_of_the_maps():
    assert weights_of({"waves": 2.0, "pixels": 1.0, "products": 1.0}) == pytest.approx((0.5, 0.5, math.sqrt(0.5)))
    with pytest.raises(UsageError, match="shares.pixel is not known; did you mean"):
        weights_of({**SHARES, "pixel": 1.0})
    with pytest.raises(UsageError, match="shares.waves is missing"):
        weights_of({"pixels": 1.0, "products": 1.0})


def test_tables_are_refused():
    check_learns(KernelMean, "kernel_mean", "image")
    with pytest.raises(UsageError, match="model=kernel_mean learns rows of kind image, and these are of kind table"):
        check_learns(KernelMean, "kernel_mean", "table")


@pytest.mark.parametrize("name", ["kernel_mean", "kernelmean"])
def test_its_file_is_found_by_its_name(name):
    assert class_of(name) is KernelMean


def test_a_bundle_holds_the_release_and_no_key_and_draws_the_same_rows(tmp_path):
    module = trained(tmp_path / "run", "trainer.max_samples=768")
    facts = bundle_facts("kernel_mean", job_of().model.params, DATA, 0)
    save_bundle(tmp_path / "generator", module, facts, "card")
    loaded = load_bundle(tmp_path / "generator").generator
    labels, seeds = np.array([0, 2, 1]), rng.row_seeds(3, "a", 5, 3)
    assert torch.equal(loaded.sample(labels, seeds), module.sample(labels, seeds))
    assert {name.split(".")[0] for name in torch.nn.ModuleDict(module.inference_modules()).state_dict()} == {
        *("addition", "start")
    }
    assert loaded.guarantee() == {}
