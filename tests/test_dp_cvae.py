"""Private training: what one row can do is bounded, noise and coins are as the accounting takes them, nothing leaks."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch
from conftest import encoded, fitted, space_of, stripes
from test_training import stop_after
from torch import nn

from gensynth import rng
from gensynth.cli import compose
from gensynth.data.kinds import fit_codec
from gensynth.data.table_source import read_breast_cancer
from gensynth.errors import Interrupted, UsageError
from gensynth.models.dp_cvae import Bound
from gensynth.models.generator import TrainingRows
from gensynth.models.private import secret
from gensynth.models.private.dp_sgd import epsilon_spent, fitted_noise, private_optimizer, row_gradients, take_step
from gensynth.training.fit import build
from gensynth.training.loader import BatchLoader
from gensynth.training.schedule import Schedule, by_seconds

pytest.importorskip("opacus")

DATA = stripes(40)
KEY = secret.recorded_key(0)


def coins(step: int, count: int) -> torch.Tensor:
    return secret.uniform(KEY, "c", step, count)


WORDS = ("model.width=16", "model.batch_size=32", "model.accountant=rdp", "model.noise_seed=1")


@cache
def job_of(*words):
    return compose("train", ["digits", "model=dp_cvae", "logger=none", "trainer=cpu", *WORDS, *words])


def module_of(data=DATA, *words):
    job = job_of(*words)
    return build(lambda: job.model.make(space_of(data), len(data), **job.model.params), seed=0)


def trained(folder, data=DATA, *words, resume=False):
    return fitted(module_of(data, *words), job_of(*words), data, folder, resume=resume)


@pytest.fixture(params=["image", "table"])
def some(request):
    """An autoencoder, the loss of its rows, and eight rows (x, labels, noise)."""
    torch.manual_seed(0)
    if request.param == "image":
        space, rows = space_of(DATA), encoded(DATA[::15])
        job = job_of()
    else:
        data = read_breast_cancer().data[:8]
        codec = fit_codec(data)
        space, rows = codec.space, TrainingRows(codec.encode(data.x), torch.from_numpy(data.y))
        job = compose("train", ["breast_cancer", "model=dp_cvae", "logger=none", "model.width=8"])
    module = job.model.make(space, 100, **job.model.params)
    return Bound(module.autoencoder), (rows.x, rows.y, torch.randn(len(rows.y), module.autoencoder.latent))


def slope(parameter):
    """The gradient of a parameter, 0 where the loss does not hang on it."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def row(rows, i):
    return tuple(part[i : i + 1] for part in rows)


def test_gradients_of_rows_are_those_of_each_row_alone(some):
    bound, rows = some
    gradients, reported = row_gradients(bound, *rows)
    for i in range(len(rows[0])):
        bound.zero_grad()
        loss, parts = bound(*row(rows, i))
        loss.backward()
        torch.testing.assert_close(reported[i], parts, rtol=1e-4, atol=1e-3)
        for name, p in bound.named_parameters():
            alone = slope(p)
            torch.testing.assert_close(gradients[name][i], alone, rtol=2e-3, atol=1e-3 * float(alone.abs().max()))


def test_a_row_knows_nothing_of_its_batch_mates(some):
    bound, rows = some
    others = tuple(torch.cat([part[:1], part[5:6], part[7:8]]) for part in rows)
    for mine, theirs in zip(*(row_gradients(bound, *r)[0].values() for r in (rows, others)), strict=True):
        torch.testing.assert_close(mine[0], theirs[0], rtol=1e-3, atol=1e-4 * float(mine[0].abs().max()) + 1e-9)


def moved(bound, rows, noise_multiplier=0.0, at_once=128, clip=0.5, batch_size=4):
    """How far plain gradient descent at rate 1 moves the weights in one private step."""
    before = {name: p.detach().clone() for name, p in bound.named_parameters()}
    optimizer = private_optimizer(
        torch.optim.SGD(bound.parameters(), 1.0),
        noise_multiplier,
        clip,
        batch_size,
        lambda count: secret.normal(KEY, "gradient", 0, count),
    )
    take_step(optimizer, bound, rows, at_once)
    after = {name: before[name] - p.detach() for name, p in bound.named_parameters()}
    with torch.no_grad():
        for name, p in bound.named_parameters():
            p.copy_(before[name])
    return after


def flat(tensors):
    return torch.cat([t.reshape(-1) for t in tensors])


def test_a_step_is_the_sum_of_clipped_rows_over_the_expected_size(some):
    bound, rows = some
    total = 0.0
    for i in range(len(rows[0])):
        bound.zero_grad()
        bound(*row(rows, i))[0].backward()
        gradient = flat([slope(p) for p in bound.parameters()])
        total = total + gradient * min(1.0, 0.5 / float(gradient.norm()))
    step = flat(moved(bound, rows).values())
    torch.testing.assert_close(step, total / 4, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("at_once", [1, 3])
def test_parts_of_a_batch_make_the_same_step(some, at_once):
    bound, rows = some
    whole, parts = (flat(moved(bound, rows, 1.0, n).values()) for n in (128, at_once))
    torch.testing.assert_close(whole, parts, rtol=1e-3, atol=1e-5)


def test_one_row_more_changes_the_step_by_at_most_the_clipping_norm(some):
    """Also a row that is nothing like the others; one whose loss is not finite changes nothing."""
    bound, rows = some
    noise = rows[2][4:5]
    for added in (noise, 100 * noise, noise * math.nan):
        more = (rows[0][:5], rows[1][:5], torch.cat([rows[2][:4], added]))
        steps = [4 * flat(moved(bound, those).values()) for those in (more, tuple(part[:4] for part in rows))]
        change = float((steps[0] - steps[1]).norm())
        assert change == pytest.approx(0.0 if added.isnan().all() else 0.5, abs=5e-3)


def test_noise_has_the_deviation_of_the_accounting_and_an_empty_batch_has_it_too(some):
    bound, rows = some
    clean, noisy = (flat(moved(bound, rows, noise).values()) for noise in (0.0, 3.0))
    empty = flat(moved(bound, tuple(part[:0] for part in rows), 3.0).values())
    expected = 3.0 * 0.5 / 4
    for noise in (noisy - clean, empty):
        assert float(noise.std()) == pytest.approx(expected, rel=5 / math.sqrt(2 * len(noise)))
        assert abs(float(noise.mean())) < 5 * expected / math.sqrt(len(noise))
    torch.testing.assert_close(noisy - clean, empty, rtol=1e-3, atol=1e-5)


def test_secret_numbers_are_normal_uniform_and_of_one_key_purpose_and_step_only():
    u, z = secret.uniform(KEY, "a", 0, 100_000), secret.normal(KEY, "a", 0, 99_999)
    assert len(z) == 99_999
    assert float(u.min()) >= 0
    assert float(u.max()) < 1
    assert np.abs(np.sort(u.numpy()) - (np.arange(100_000) + 0.5) / 100_000).max() < 1.95 / math.sqrt(100_000)
    assert float(z.mean()) == pytest.approx(0, abs=0.016)
    assert float(z.square().mean()) == pytest.approx(1, abs=0.023)
    assert float(z.pow(4).mean()) == pytest.approx(3, abs=0.16)
    assert abs(float((z[1:] * z[:-1]).mean())) < 0.016
    assert float((z.abs() > 1.959964).double().mean()) == pytest.approx(0.05, abs=0.0035)
    for key, purpose, step in ((secret.recorded_key(1), "a", 0), (KEY, "b", 0), (KEY, "a", 1)):
        assert not torch.equal(secret.uniform(key, purpose, step, 4), u[:4])
    assert torch.equal(secret.uniform(KEY, "a", 0, 4), u[:4])
    assert secret.fresh_key() != secret.fresh_key()


def test_batches_are_poisson_samples():
    """Mean q N and variance q (1 - q) N of sizes, every row at its rate, rows independent of each other."""
    n, size, steps = 400, 40, 2_000
    rows = TrainingRows(torch.zeros(n, 1, 2, 2), torch.zeros(n, dtype=torch.long))
    loader = BatchLoader(rows, Schedule(("vae",), (steps,), (size,)), 0, 1.0, coins=coins)
    drawn = [batch.rows for batch in loader]
    sizes = np.array([len(r) for r in drawn])
    variance = n * 0.1 * 0.9
    assert sizes.mean() == pytest.approx(40, abs=5 * math.sqrt(variance / steps))
    assert sizes.var() == pytest.approx(variance, rel=5 * math.sqrt(2 / steps))
    rates = torch.cat(drawn).bincount(minlength=n) / steps
    assert float((rates - 0.1).abs().max()) < 5 * math.sqrt(0.09 / steps)
    assert all(len(r.unique()) == len(r) for r in drawn)
    together = np.mean([(0 in r) and (1 in r) for r in map(set, map(torch.Tensor.tolist, drawn))])
    assert together == pytest.approx(0.01, abs=5 * math.sqrt(0.01 / steps))


def test_batches_count_expected_samples_and_work_when_empty():
    rows = encoded(DATA[::20])
    loader = BatchLoader(rows, Schedule(("vae",), (50,), (1,)), 0, 1.0, coins=coins)
    batches = list(loader)
    assert min(len(b.rows) for b in batches) == 0
    assert [b.samples_seen for b in batches] == list(range(50))
    for batch in batches:
        assert batch.x.shape == (len(batch.rows), 1, 8, 8)
        assert batch.random.normal(3).shape == (len(batch.rows), 3)


def test_accounting_gives_the_known_answers():
    assert epsilon_spent(1.5, 0.04, 2250, 1e-5, "rdp") == pytest.approx(7.32911117143, abs=1e-8)
    assert epsilon_spent(1.5, 0.04, 2249, 1e-5, "prv") == pytest.approx(6.777395712, abs=1e-6)


@pytest.mark.parametrize(
    ("epsilon", "rate", "steps", "accountant"),
    [(1.0, 0.01, 500, "prv"), (10.0, 0.2, 60, "rdp"), (0.2, 0.05, 100, "rdp")],
)
def test_the_noise_spends_what_was_asked_and_hardly_less(epsilon, rate, steps, accountant):
    noise = fitted_noise(epsilon, 1e-5, rate, steps, accountant)
    spent = epsilon_spent(noise, rate, steps, 1e-5, accountant, 0.01 * min(1.0, epsilon))
    assert 0.995 * epsilon <= spent <= epsilon


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("whole"), DATA, "trainer.max_samples=640")


def test_the_guarantee_says_what_was_spent(whole):
    reported = whole.guarantee()
    assert reported["steps"] == 20
    assert reported["sampling_rate"] == 32 / 120
    assert 9.9 < reported["epsilon"] <= 10
    assert reported["epsilon"] == reported["epsilons"]["rdp"]
    assert reported["epsilons"]["prv"] < reported["epsilons"]["rdp"]
    assert reported["noise"] == "recorded"
    assert "counts" not in reported
    assert module_of().guarantee() == {}
    again = epsilon_spent(reported["noise_multiplier"], 32 / 120, 20, 1e-5, "rdp")
    assert again <= reported["epsilon"] < again + 2e-4


def test_resume_gives_the_weights_of_the_uninterrupted_run(whole, tmp_path, monkeypatch):
    words = (DATA, "trainer.max_samples=640")
    stop_after(13, monkeypatch)
    with pytest.raises(Interrupted):
        trained(tmp_path, *words)
    monkeypatch.undo()
    resumed = trained(tmp_path, *words, resume=True)
    for key, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[key]), key
    assert resumed.guarantee() == whole.guarantee()


def key_in(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["weights"]["key"]


def test_without_a_seed_the_noise_is_new_every_time_and_its_key_lasts_as_long_as_the_run(tmp_path, monkeypatch):
    words = (DATA, "trainer.max_samples=96", "model.noise_seed=null")
    one, two = (trained(tmp_path / name, *words) for name in "ab")
    assert one.guarantee()["noise"] == "system"
    assert not torch.equal(one.autoencoder.embed.weight, two.autoencoder.embed.weight)
    stop_after(2, monkeypatch)
    with pytest.raises(Interrupted):
        trained(tmp_path / "c", *words)
    monkeypatch.undo()
    assert key_in(tmp_path / "c").unique().numel() > 8
    assert trained(tmp_path / "c", *words, resume=True).steps_taken == 3
    assert not any(key_in(tmp_path / name).any() for name in "abc")


def test_a_run_that_was_stopped_on_its_last_step_keeps_no_key_either(tmp_path, monkeypatch):
    words = (DATA, "trainer.max_samples=96", "model.noise_seed=null")
    stop_after(3, monkeypatch)
    with pytest.raises(Interrupted):
        trained(tmp_path, *words)
    monkeypatch.undo()
    assert key_in(tmp_path).any()
    assert trained(tmp_path, *words, resume=True).steps_taken == 3
    assert not key_in(tmp_path).any()


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "16-mixed"])
def test_rounding_that_would_break_the_promise_is_refused(precision, tmp_path):
    with pytest.raises(UsageError, match=f"trainer.precision={precision}: .* use trainer.precision=32-true"):
        trained(tmp_path, DATA, f"trainer.precision={precision}")


def test_a_bundle_holds_no_key_and_no_optimiser(whole):
    names = nn.ModuleDict(whole.inference_modules()).state_dict()
    assert {name.split(".")[0] for name in names} == {"embed", "encoder", "decoder"}
    assert not whole.key.any()


def test_labels_are_obeyed_at_a_loose_promise(tmp_path):
    module = trained(tmp_path, DATA, "trainer.max_samples=6400", "model.epsilon=50")
    means = np.stack([DATA.x[DATA.y == k].mean(0).ravel() for k in range(3)])
    for k in range(3):
        x = (module.sample(np.full(100, k), rng.row_seeds(0, str(k), 0, 100)).numpy() + 1) * 127.5
        nearest = ((x.reshape(100, 1, -1) - means) ** 2).sum(2).argmin(1)
        assert (nearest == k).mean() >= 0.95


def test_a_budget_in_seconds_and_tables_can_be_trained():
    data = read_breast_cancer().data[:200]
    codec = fit_codec(data)
    rows = TrainingRows(codec.encode(data.x), torch.from_numpy(data.y))
    words = ("model.width=8", "model.batch_size=16")
    job = compose("train", ["breast_cancer", "model=dp_cvae", "logger=none", *words])
    module = build(lambda: job.model.make(codec.space, len(data), **job.model.params), 0)
    assert by_seconds(module, rows, 5.0, 0).batch_sizes == (16,)
    x = module.sample(np.array([0, 1]), rng.row_seeds(0, "a", 0, 2))
    assert codec.decode(x).shape == (2, 30)
    loader = BatchLoader(rows, Schedule(("vae",), (3,), (16,)), 0, 0.3, coins=module.coins)
    assert not torch.equal(loader.batch(0).rows, loader.batch(1).rows)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["model.nets=conv"], "model.nets=conv does not fit"),
        (["model.accountant=gdp"], "model.accountant=gdp does not fit"),
        (["model.noise_seed=x"], "model.noise_seed must be"),
        (["model.epsilon=0"], "model.epsilon must be above 0"),
        (["model.delta=0.01"], "1 / rows"),
    ],
)
def test_words_that_promise_nothing_are_refused(words, match):
    with pytest.raises(UsageError, match=match):
        module_of(DATA, *words)


@pytest.mark.parametrize("word", ["trainer.accumulate=2", "trainer.devices=2"])
def test_batches_of_random_size_are_not_shared(word, tmp_path):
    with pytest.raises(UsageError, match="both must be 1"):
        trained(tmp_path, DATA, word)


def test_a_missing_extra_is_one_line(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "opacus.optimizers", None)
    with pytest.raises(UsageError, match=r'pip install "gensynth\[privacy\]"'):
        module_of().plan({"vae": 10}, len(DATA))
    module_of().sample(np.array([0]), rng.row_seeds(0, "a", 0, 1))


def test_a_batch_never_holds_more_than_half_the_rows_on_average():
    assert module_of(DATA, "model.batch_size=1000").sampling_rate == 0.5
