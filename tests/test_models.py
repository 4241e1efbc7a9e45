"""Known answers of the parts of generators; what every generator must keep is in test_model_contract.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from conftest import encoded, fitted, small_job, space_of, stripes
from gensynth.cli.overrides import conf_dir

from gensynth import rng
from gensynth.models import cgan, cvae
from gensynth.models.augment import augment_pair
from gensynth.models.generator import Ema, StepNoise, TrainingRows
from gensynth.models.nets.conv import (
    Decoder,
    Discriminator,
    Encoder,
    gaussian_nll,
    latent_size,
    stem_factor,
)
from gensynth.models.prior import FlowPrior, MixturePrior, NormalPrior
from gensynth.training.fit import build
from gensynth.training.loader import BatchLoader
from gensynth.training.schedule import Schedule
from gensynth.types import Space

IMAGE_MODELS = sorted(path.stem for path in (conf_dir() / "model").glob("*.yaml"))
SHAPES = [(1, 8, 8), (3, 8, 8), (1, 13, 22), (1, 28, 28), (3, 32, 32), (3, 64, 64)]


def make(model: str, data, *words: str):
    job = small_job(model, *words)
    return build(lambda: job.model.make(space_of(data), len(data), **job.model.params), seed=0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("model", IMAGE_MODELS)
def test_networks_are_sized_from_the_data(model, shape, tmp_path):
    data = stripes(12, shape)
    words = ("trainer.max_samples=256", *(("model.accountant=rdp",) if model == "dp_cvae" else ()))
    module = fitted(make(model, data, *words), small_job(model, *words), data, tmp_path)
    x = module.sample(np.array([0, 2, 1]), rng.row_seeds(0, "a", 0, 3))
    assert x.shape == (3, *shape)
    assert x.isfinite().all()


@pytest.mark.parametrize(
    ("side", "stem", "latent"), [(8, 1, 16), (16, 1, 16), (17, 2, 32), (28, 2, 32), (64, 4, 64), (100, 8, 64)]
)
def test_body_never_runs_above_sixteen_pixels(side, stem, latent):
    assert (stem_factor(side, side), latent_size(side, side)) == (stem, latent)


@pytest.mark.parametrize("shape", SHAPES)
def test_network_rows_are_independent(shape):
    torch.manual_seed(0)
    e, x, z = torch.randn(5, 16), torch.randn(5, *shape), torch.randn(5, 7)
    fold = stem_factor(*shape[1:])
    encoder = Encoder(shape, 8, 7, 16, fold=fold, blocks=1)
    decoder = Decoder(shape, 8, 7, 16, fold=fold, blocks=1)
    discriminator = Discriminator(Space(shape, 4, ()), 16, 2, fold=0)
    y = torch.tensor([0, 1, 2, 3, 0])
    for whole, alone in [
        (encoder(x, e)[0], encoder(x[2:3], e[2:3])[0]),
        (decoder(z, e), decoder(z[2:3], e[2:3])),
        (discriminator(x, y), discriminator(x[2:3], y[2:3])),
    ]:
        torch.testing.assert_close(whole[2:3], alone, rtol=1e-4, atol=1e-5)


def test_gaussian_nll_is_that_of_the_optimal_sigma():
    x, mean = torch.randn(50, 1, 4, 4), torch.zeros(50, 1, 4, 4)
    sigma = x.square().mean().sqrt()
    expected = -torch.distributions.Normal(0.0, sigma).log_prob(x).flatten(1).sum(1).mean()
    torch.testing.assert_close(gaussian_nll(x, mean), expected)
    for other in (0.9 * sigma, 1.1 * sigma):
        assert -torch.distributions.Normal(0.0, other).log_prob(x).flatten(1).sum(1).mean() > expected


def test_kl_matches_torch_distributions():
    mean, log_variance = torch.randn(20, 3), torch.randn(20, 3)
    q = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).mean(0)
    torch.testing.assert_close(cvae.kl_per_dimension(mean, log_variance), expected)


def test_ema_halves_the_distance_in_one_half_life():
    layer = torch.nn.Linear(1, 1)
    ema = Ema(layer, half_life=100)
    start = ema.average.weight.item()
    with torch.no_grad():
        layer.weight.fill_(start + 8)
    for _ in range(10):
        ema.update(layer, batch_size=10, samples_seen=10**6)
    assert ema.average.weight.item() == pytest.approx(start + 4, rel=1e-5)


def test_mixture_prior_recovers_class_means_and_spread():
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(2).repeat_interleave(400)
    codes = torch.randn(800, 3, generator=generator) * torch.tensor([0.5, 1.0, 2.0]) + torch.tensor([[5.0], [-5.0]])[y]
    prior = MixturePrior(3, 2, components=2)
    prior.fit(codes, y, seed=0)
    noise = torch.randn(4000, prior.noise_size, generator=generator)
    z = prior(noise, torch.zeros(4000, dtype=torch.long))
    torch.testing.assert_close(z.mean(0), codes[y == 0].mean(0), atol=0.15, rtol=0)
    torch.testing.assert_close(z.std(0), codes[y == 0].std(0), atol=0.15, rtol=0)


def test_mixture_prior_survives_classes_with_one_row_or_none():
    prior = MixturePrior(3, 3, components=2)
    prior.fit(torch.randn(5, 3), torch.tensor([0, 0, 0, 0, 1]), seed=0)
    assert prior(torch.randn(6, 4), torch.tensor([0, 1, 2, 0, 1, 2])).isfinite().all()


def learn(prior, codes, y, steps):
    optimizer = torch.optim.Adam(prior.parameters(), 3e-3)
    for step in range(steps):
        optimizer.zero_grad()
        prior.loss(codes, y, StepNoise(step, codes.device, len(y))).backward()
        optimizer.step()


def grid(reach: float = 8.0, step: float = 0.1) -> tuple[torch.Tensor, float]:
    """Points of a square around 0, (N, 2), and the area that each stands for."""
    line = torch.arange(-reach, reach, step)
    return torch.cartesian_prod(line, line), step**2


def test_densities_of_all_priors_integrate_to_one_and_match_what_is_drawn():
    torch.manual_seed(0)
    y = torch.arange(2).repeat(500)
    codes = 0.5 * torch.randn(1000, 2) + torch.tensor([[2.0, 0.0], [-2.0, 1.0]])[y]
    mixture = MixturePrior(2, 2, components=3)
    mixture.fit(codes, y, seed=0)
    flow = FlowPrior(2, 2, hidden=64)
    flow.standardise(codes, y)
    learn(flow, codes, y, 300)
    points, area = grid()
    for prior, centre in ((NormalPrior(2, 2), 0.0), (mixture, 2.0), (flow, 2.0)):
        labels = torch.zeros(len(points), dtype=torch.long)
        density = prior.log_density(points, labels).detach().exp()
        assert float(density.sum() * area) == pytest.approx(1.0, abs=0.02)
        assert float((density * points[:, 0]).sum() * area) == pytest.approx(centre, abs=0.15)


def test_a_class_without_rows_is_drawn_without_an_embedding():
    torch.manual_seed(0)
    prior = FlowPrior(2, 2, hidden=64)
    torch.nn.init.normal_(prior.leave.weight)
    prior.standardise(torch.randn(40, 2), torch.zeros(40, dtype=torch.long))
    torch.testing.assert_close(prior.own, torch.tensor([1.0, 0.0]))
    noise, labels = torch.randn(9, 2), torch.ones(9, dtype=torch.long)
    before = prior(noise, labels)
    torch.nn.init.zeros_(prior.embed.weight)
    assert torch.equal(prior(noise, labels), before)


def test_flow_prior_learns_two_separate_classes():
    torch.manual_seed(0)
    prior = FlowPrior(2, 2, hidden=64)
    y = torch.arange(2).repeat(500)
    codes = 0.3 * torch.randn(1000, 2) + torch.tensor([[2.0, 0.0], [-2.0, 1.0]])[y]
    prior.standardise(codes, y)
    learn(prior, codes, y, 300)
    with torch.no_grad():
        z = prior(torch.randn(1000, 2), y)
    for k in range(2):
        torch.testing.assert_close(z[y == k].mean(0), codes[y == k].mean(0), atol=0.2, rtol=0)
        assert z[y == k].std(0).max() < 0.6


def test_penalty_equals_the_mean_squared_gradient_norm_of_both_sides():
    data = stripes(12)
    module = make("cgan", data)
    rows = encoded(data)
    real, fake, labels = rows.x[:6], rows.x[6:12], rows.y[:6]
    _, _, penalty = module._classifier_pair(real, fake, labels, penalise=True)
    total = 0.0
    for side in (real, fake):
        for x, y in zip(side, labels, strict=True):
            x = x[None].clone().requires_grad_(True)
            (gradient,) = torch.autograd.grad(module.discriminator(x, y[None]).sum(), x)
            total += gradient.square().sum().item()
    assert penalty.item() == pytest.approx(total / 6, rel=1e-4)


def test_real_and_fake_rows_carry_the_same_labels(monkeypatch):
    """A discriminator that sees other labels with fakes than with reals could use the label alone."""
    data = stripes(12)
    module, rows = make("cgan", data, "model.warm_start=false"), encoded(data)
    seen = []
    inner = module.discriminator.forward
    monkeypatch.setattr(module.discriminator, "forward", lambda x, y: (seen.append(y), inner(x, y))[1])
    labels = torch.tensor([2, 0, 1, 1])
    module._classifier_pair(rows.x[:4], rows.x[4:8], labels, penalise=False)
    assert seen[0].tolist() == [2, 0, 1, 1, 2, 0, 1, 1]


def test_a_bad_penalty_does_not_move_gamma():
    """A step that is skipped, because its loss is not finite, teaches nothing about gamma."""
    data = stripes(12)
    module = make("cgan", data, "model.warm_start=false", "model.gamma_auto=true", "model.d_ahead=0")
    optimizers = module.configure_optimizers()
    module.optimizers = lambda: optimizers
    rows = encoded(data)
    module.begin_phase("adversarial", rows, torch.Generator().manual_seed(0), resumed=False)
    broken = TrainingRows(torch.full_like(rows.x, math.nan), rows.y)
    module.training_step(BatchLoader(broken, Schedule(("adversarial",), (9,), (8,)), 0, 1.0).batch(0), 0)
    assert module.gamma_scale.item() == 1.0
    module.training_step(BatchLoader(rows, Schedule(("adversarial",), (9,), (8,)), 0, 1.0).batch(4), 0)
    assert module.gamma_scale.item() != 1.0
    assert module.gamma_scale.isfinite()


def test_gamma_follows_the_reach_and_stays_where_it_is_told():
    module, fixed = make("cgan", stripes(12), "model.gamma_auto=true"), make("cgan", stripes(12))
    for one in (module, fixed):
        one._steer({"reach": torch.tensor(1e4)})
    assert module.gamma_scale.item() == pytest.approx(math.exp(cgan.GAIN))
    assert fixed.gamma_scale.item() == 1.0
    for _ in range(2):
        module._steer({"reach": torch.tensor(1e-3)})
    assert module.gamma_scale.item() == pytest.approx(math.exp(-cgan.GAIN))
    module._steer({"reach": torch.tensor(cgan.REACH)})
    assert module.gamma_scale.item() == pytest.approx(math.exp(-cgan.GAIN))


def test_augmentation_moves_both_sides_alike_and_is_off_at_zero():
    x = torch.rand(6, 3, 8, 8)
    for a, b in zip(augment_pair(x, x, 0.0, StepNoise(0, x.device, 6)), (x, x), strict=True):
        assert torch.equal(a, b)
    moved, same = augment_pair(x, x.clone(), 1.0, StepNoise(0, x.device, 6))
    assert torch.equal(moved, same)
    assert not torch.equal(moved, x)


def test_full_resolution_bodies_halve_until_eight_pixels():
    torch.manual_seed(0)
    decoder = Decoder((3, 64, 64), 4, 7, 16, fold=1, blocks=2)
    assert [block[0].first.in_channels for block in decoder.blocks] == [32, 16, 8, 4]
    assert decoder(torch.randn(2, 7), torch.randn(2, 16)).shape == (2, 3, 64, 64)
    discriminator = Discriminator(Space((3, 64, 64), 4, ()), 4, 1, fold=1)
    assert [blocks[0].layers[0].in_channels for blocks in discriminator.blocks] == [4, 8, 16, 32]
    assert discriminator(torch.randn(2, 3, 64, 64), torch.tensor([0, 1])).shape == (2,)


def test_cosine_ramp_ends():
    assert cvae.cosine(2.0, 1.0, 0.0) == 2.0
    assert cvae.cosine(2.0, 1.0, 1.0) == pytest.approx(1.0)
    assert cgan.cosine is cvae.cosine
    assert math.isclose(cvae.cosine(2.0, 0.0, 0.5), 1.0)
