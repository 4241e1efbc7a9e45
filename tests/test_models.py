"""What every generator must keep, over every file in conf/model, and known answers of the parts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from conftest import encoded, fitted, small_job, space_of, stripes

from gensynth import rng
from gensynth.errors import UsageError
from gensynth.models import cgan, cvae
from gensynth.models.augment import augment_pair
from gensynth.models.generator import Ema, StepNoise, TrainingRows
from gensynth.models.nets.conv import (
    Decoder,
    Discriminator,
    Encoder,
    gaussian_nll,
    latent_size,
    logistic_nll,
    stem_factor,
)
from gensynth.models.prior import FlowPrior, MixturePrior, NormalPrior
from gensynth.training.fit import build
from gensynth.training.loader import BatchLoader
from gensynth.training.schedule import Schedule
from gensynth.types import Space

MODELS = ("cvae", "cgan", "kernel_mean")
LOOSE = {"kernel_mean": ("model.epsilon=100", "model.noise_seed=0")}  # a few rows cannot be hidden and learned from
NOBODY = torch.zeros(6)
NO_NOISE = StepNoise(0, torch.device("cpu"), 6)
SHAPES = [(1, 8, 8), (3, 8, 8), (1, 13, 22), (1, 28, 28), (3, 32, 32), (3, 64, 64)]


def make(model: str, data, *words: str):
    job = small_job(model, *words)
    return build(lambda: job.model.make(space_of(data), len(data), **job.model.params), seed=0)


def trained(model: str, data, tmp_path, samples: int, *words: str):
    words = (*LOOSE.get(model, ()), *words)
    job = small_job(model, f"trainer.max_samples={samples}", *words)
    module = make(model, data, *words)
    return fitted(module, job, data, tmp_path)


@pytest.fixture(scope="module", params=MODELS)
def stripe_model(request, tmp_path_factory):
    data = stripes(40)
    return trained(request.param, data, tmp_path_factory.mktemp(request.param), 16_000), data


def test_labels_are_obeyed(stripe_model):
    """Every class comes out as asked, by the nearest class mean of the real rows."""
    module, data = stripe_model
    means = np.stack([data.x[data.y == k].mean(0).ravel() for k in range(3)])
    for k in range(3):
        x = (module.sample(np.full(100, k), rng.row_seeds(0, str(k), 0, 100)).numpy() + 1) * 127.5
        nearest = ((x.reshape(100, 1, -1) - means) ** 2).sum(2).argmin(1)
        assert (nearest == k).mean() >= 0.95


def test_a_row_does_not_depend_on_what_else_is_asked(stripe_model):
    module, _ = stripe_model
    labels = np.repeat([0, 1, 2], 100)
    seeds = np.concatenate([rng.row_seeds(5, str(k), 0, 100) for k in range(3)])
    whole = module.sample(labels, seeds)
    order = np.random.default_rng(0).permutation(300)
    assert torch.equal(module.sample(labels[order], seeds[order]), whole[order])
    assert torch.equal(module.sample(labels[130:131], seeds[130:131])[0], whole[130])
    assert torch.equal(module.sample(labels[70:77], seeds[70:77]), whole[70:77])
    count = 3 * module.block
    longer = module.sample(np.full(count, 1), rng.row_seeds(5, "1", 0, count))
    assert torch.equal(longer[:100], whole[100:200])


def test_a_glimpse_shows_the_same_rows_up_to_rounding(stripe_model):
    module, _ = stripe_model
    labels, seeds = np.repeat([0, 1, 2], 4), np.tile(rng.row_seeds(5, "x", 0, 4), 3)
    assert torch.allclose(module.glimpse(labels, seeds), module.sample(labels, seeds), atol=1e-5)


def test_rows_differ_from_each_other(stripe_model):
    module, _ = stripe_model
    x = module.sample(np.zeros(50, int), rng.row_seeds(0, "0", 0, 50)).flatten(1)
    assert torch.pdist(x).min() > 0


def test_sampling_leaves_the_global_generator_and_the_mode_alone(stripe_model):
    module, _ = stripe_model
    module.train()
    before = torch.get_rng_state()
    module.sample(np.zeros(3, int), rng.row_seeds(0, "0", 0, 3))
    assert torch.equal(torch.get_rng_state(), before)
    assert module.training


def test_unknown_labels_are_refused(stripe_model):
    with pytest.raises(ValueError, match=r"labels must lie in \[0, 3\)"):
        stripe_model[0].sample(np.array([3]), rng.row_seeds(0, "x", 0, 1))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("model", MODELS)
def test_networks_are_sized_from_the_data(model, shape, tmp_path):
    data = stripes(12, shape)
    module = trained(model, data, tmp_path, 256)
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
    decoder = Decoder(shape, 8, 7, 16, fold=fold, blocks=1, trunk="own")
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
    prior = MixturePrior(3, 2, shrink=0.0, temperature=1.0, components=2)
    prior.fit(codes, y, seed=0)
    noise = torch.randn(4000, prior.noise_size, generator=generator)
    z = prior(noise, torch.zeros(4000, dtype=torch.long))
    torch.testing.assert_close(z.mean(0), codes[y == 0].mean(0), atol=0.15, rtol=0)
    torch.testing.assert_close(z.std(0), codes[y == 0].std(0), atol=0.15, rtol=0)


def test_mixture_prior_survives_classes_with_one_row_or_none():
    prior = MixturePrior(3, 3, shrink=0.0, temperature=1.0, components=2)
    prior.fit(torch.randn(5, 3), torch.tensor([0, 0, 0, 0, 1]), seed=0)
    assert prior(torch.randn(6, 4), torch.tensor([0, 1, 2, 0, 1, 2])).isfinite().all()


def learn(prior, codes, y, steps):
    optimizer = torch.optim.Adam(prior.parameters(), 3e-3)
    for step in range(steps):
        optimizer.zero_grad()
        prior.loss(codes, y, StepNoise(step, codes.device, len(y))).backward()
        optimizer.step()


def flow_prior(**words):
    return FlowPrior(2, 2, **{"shrink": 0.0, "temperature": 1.0, "unlabelled": 0.0, "guidance": 0.0} | words, hidden=64)


def grid(reach: float = 8.0, step: float = 0.1) -> tuple[torch.Tensor, float]:
    """Points of a square around 0, (N, 2), and the area that each stands for."""
    line = torch.arange(-reach, reach, step)
    return torch.cartesian_prod(line, line), step**2


def test_densities_of_all_priors_integrate_to_one_and_match_what_is_drawn():
    torch.manual_seed(0)
    y = torch.arange(2).repeat(500)
    codes = 0.5 * torch.randn(1000, 2) + torch.tensor([[2.0, 0.0], [-2.0, 1.0]])[y]
    mixture = MixturePrior(2, 2, shrink=0.0, temperature=1.0, components=3)
    mixture.fit(codes, y, seed=0)
    flow = flow_prior()
    flow.standardise(codes, y)
    learn(flow, codes, y, 300)
    points, area = grid()
    for prior, centre in ((NormalPrior(2), 0.0), (mixture, 2.0), (flow, 2.0)):
        labels = torch.zeros(len(points), dtype=torch.long)
        density = prior.log_density(points, labels).detach().exp()
        assert float(density.sum() * area) == pytest.approx(1.0, abs=0.02)
        assert float((density * points[:, 0]).sum() * area) == pytest.approx(centre, abs=0.15)


def test_shrinking_moves_a_small_class_towards_the_others_when_it_is_drawn():
    """Learned alike, drawn with a quarter of its own embedding: nearer to the mean of all, without retraining."""
    torch.manual_seed(0)
    y = torch.tensor([0] * 90 + [1] * 10)
    codes = 0.3 * torch.randn(100, 2) + torch.tensor([[-2.0, 0.0], [2.0, 0.0]])[y]
    prior = flow_prior(shrink=30.0, unlabelled=0.3)
    prior.standardise(codes, y)
    learn(prior, codes, y, 400)
    labels = torch.ones(500, dtype=torch.long)
    with torch.no_grad():
        shrunk = prior(torch.randn(500, 2), labels)[:, 0].mean()
        own = flow_prior_like(prior, unlabelled=0.3)
        own.own.fill_(1.0)
        plain = own(torch.randn(500, 2), labels)[:, 0].mean()
    assert plain == pytest.approx(2.0, abs=0.3)
    assert shrunk < plain - 0.5


def test_a_class_without_rows_of_its_own_is_drawn_like_all_others():
    """Shrinkage: with n rows of a class, n / (n + shrink) of its embedding counts."""
    torch.manual_seed(0)
    prior = flow_prior(shrink=30.0, unlabelled=0.1)
    torch.nn.init.normal_(prior.leave.weight)
    prior.standardise(torch.randn(40, 2), torch.zeros(40, dtype=torch.long))
    torch.testing.assert_close(prior.own, torch.tensor([40 / 70, 0.0]))
    noise, labels = torch.randn(9, 2), torch.ones(9, dtype=torch.long)
    before = prior(noise, labels)
    torch.nn.init.zeros_(prior.embed.weight)
    assert torch.equal(prior(noise, labels), before)


def test_guidance_goes_beyond_the_class_and_temperature_scales_the_noise():
    torch.manual_seed(0)
    plain, guided = flow_prior(), flow_prior(unlabelled=0.1, guidance=0.5)
    torch.nn.init.normal_(plain.leave.weight)
    guided.load_state_dict(plain.state_dict())
    z, t, y = torch.randn(6, 2), torch.full((1,), 0.3), torch.zeros(6, dtype=torch.long)
    time = plain._time(t)
    own, nobody = plain._velocity(z, plain._class(y) + time), plain._velocity(z, plain.nobody + time)
    torch.testing.assert_close(guided._guided(z, guided._class(y), time[0]), own + 0.5 * (own - nobody))
    torch.testing.assert_close(flow_prior_like(plain, temperature=0.5)(z, y), plain(0.5 * z, y))
    for words in ({"guidance": 0.5}, {"shrink": 30.0}, {"unlabelled": 1.0}):
        with pytest.raises(UsageError, match="prior_unlabelled"):
            flow_prior(**words)


def flow_prior_like(prior, **words):
    other = flow_prior(**words)
    other.load_state_dict(prior.state_dict())
    return other


def test_mixture_means_of_small_classes_lean_on_all_classes():
    codes = torch.cat([torch.randn(900, 2) + 10, torch.randn(10, 2) - 10])
    y = torch.tensor([0] * 900 + [1] * 10)
    prior = MixturePrior(2, 2, shrink=30.0, temperature=1.0, components=1)
    prior.fit(codes, y, seed=0)
    own, centre = codes[900:].mean(0), (codes[:900].mean(0) + codes[900:].mean(0)) / 2
    torch.testing.assert_close(prior.means[1, 0], 0.25 * own + 0.75 * centre, atol=1e-4, rtol=0)


def test_flow_prior_learns_two_separate_classes():
    torch.manual_seed(0)
    prior = flow_prior()
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
    _, _, penalty = module._judge_pair(real, fake, labels, NO_NOISE, penalise=True)
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
    module._judge_pair(rows.x[:4], rows.x[4:8], labels, NO_NOISE, penalise=False)
    assert seen[0].tolist() == [2, 0, 1, 1, 2, 0, 1, 1]


def test_slopes_along_random_directions_average_to_the_exact_penalty():
    data = stripes(12)
    exact, module = make("cgan", data), make("cgan", data, "model.penalty=difference")
    module.load_state_dict(exact.state_dict())
    rows = encoded(data)
    real, fake, labels = rows.x[:6], rows.x[6:12], rows.y[:6]
    expected = exact._judge_pair(real, fake, labels, NO_NOISE, penalise=True)[2].item()
    draws = [
        module._judge_pair(real, fake, labels, StepNoise(i, real.device, 6), penalise=True)[2].item()
        for i in range(400)
    ]
    assert np.mean(draws) == pytest.approx(expected, rel=0.1)


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
    for a, b in zip(augment_pair(x, x, 0.0, NOBODY, StepNoise(0, x.device, 6)), (x, x), strict=True):
        assert torch.equal(a, b)
    moved, same = augment_pair(x, x.clone(), 1.0, NOBODY, StepNoise(0, x.device, 6))
    assert torch.equal(moved, same)
    assert not torch.equal(moved, x)


def test_squares_are_cut_where_a_row_is_told_so():
    x = torch.ones(400, 1, 8, 8)
    chance = torch.tensor([1.0, 0.0]).repeat(200)
    cut, same = augment_pair(x, x.clone(), 0.0, chance, StepNoise(0, x.device, 400))
    assert torch.equal(cut, same)
    missing = (cut == 0).flatten(1).sum(1)
    assert (missing[1::2] == 0).all()
    assert missing[::2].min() >= 4  # a quarter of a square of 4 x 4, in a corner
    assert missing[::2].max() == 16


def test_rarer_classes_get_more_noise_and_the_rarest_one_all_of_it():
    weights = cvae.rarity(torch.tensor([3000, 300, 30, 0]))[:3]
    effective = [(1 - 0.99**n) / 0.01 for n in (3000, 300, 30)]
    torch.testing.assert_close(weights, torch.tensor([effective[2] / e for e in effective]))


def test_class_noise_is_for_training_only():
    data = stripes(12)
    noisy = make("cvae", data, "model.class_noise=5")
    batch = BatchLoader(encoded(data), Schedule(("vae",), (1,), (12,)), 0, 1.0).batch(0)
    noisy.begin_phase("vae", encoded(data), torch.Generator().manual_seed(0), resumed=False)
    with torch.no_grad():
        torch.nn.init.normal_(noisy.autoencoder.decoder.blocks[0][0].film.weight)
        with_noise = noisy._bound(batch)[1]["loss_recon"]
        noisy.class_noise = 0.0
        without = noisy._bound(batch.part(0, 1))[1]["loss_recon"]
    assert not torch.isclose(with_noise, without)
    assert not noisy.autoencoder.embed._forward_hooks


def test_a_shared_trunk_knows_no_class_below_its_first_upsampling():
    torch.manual_seed(0)
    decoder = Decoder((1, 8, 8), 8, 7, 16, fold=1, blocks=1, trunk="shared")
    for block in decoder.blocks:
        torch.nn.init.normal_(block[0].film.weight)
        torch.nn.init.normal_(block[0].last.weight, std=0.1)
    z, e = torch.randn(1, 7).repeat(2, 1), torch.randn(2, 16)
    seen = []
    decoder.ups[0].register_forward_hook(lambda module, args, out: seen.append(out))
    x = decoder(z, e)
    torch.testing.assert_close(seen[0][0], seen[0][1], rtol=1e-4, atol=1e-5)
    assert (x[0] - x[1]).abs().max() > 0.1


def test_full_resolution_bodies_halve_until_eight_pixels():
    torch.manual_seed(0)
    decoder = Decoder((3, 64, 64), 4, 7, 16, fold=1, blocks=2, trunk="own")
    assert [block[0].first.in_channels for block in decoder.blocks] == [32, 16, 8, 4]
    assert decoder(torch.randn(2, 7), torch.randn(2, 16)).shape == (2, 3, 64, 64)
    discriminator = Discriminator(Space((3, 64, 64), 4, ()), 4, 1, fold=1)
    assert [blocks[0].layers[0].in_channels for blocks in discriminator.blocks] == [4, 8, 16, 32]
    assert discriminator(torch.randn(2, 3, 64, 64), torch.tensor([0, 1])).shape == (2,)


def test_masses_of_all_256_levels_of_a_discretised_logistic_sum_to_one():
    levels = (torch.arange(256) / 127.5 - 1).reshape(256, 1, 1, 1)
    for mean, log_scale in ((0.3, -3.0), (-1.2, -1.0), (0.99, -5.0)):
        masses = [
            torch.exp(-logistic_nll(x[None], torch.full((1, 1, 1, 1), mean), torch.full((1, 1, 1), log_scale)))
            for x in levels
        ]
        assert float(torch.stack(masses).sum()) == pytest.approx(1.0, abs=1e-4)


def test_cosine_ramp_ends():
    assert cvae.cosine(2.0, 1.0, 0.0) == 2.0
    assert cvae.cosine(2.0, 1.0, 1.0) == pytest.approx(1.0)
    assert cgan.cosine is cvae.cosine
    assert math.isclose(cvae.cosine(2.0, 0.0, 0.5), 1.0)
