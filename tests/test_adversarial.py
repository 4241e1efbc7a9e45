"""Parts of the adversarial stage for tables: draws with a gradient, packs, extra losses, with known answers."""

from __future__ import annotations

import pytest
import torch

from gensynth.errors import UsageError
from gensynth.models.generator import StepNoise
from gensynth.models.nets.columns import PACK, ColumnDecoder, Discriminator, straight_through
from gensynth.models.terms import Pair, class_mmd, features, marginals, pairs, terms_of
from gensynth.types import Block, Space

SPACE = Space((3, 2), 2, (Block(3, "number"), Block(4, "levels"), Block(1, "number")))


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pair(real, fake, labels, classes=2):
    return Pair(real, fake, real, fake, labels, classes)


def test_straight_through_draws_are_one_hot_with_the_right_shares_and_a_gradient():
    logits = torch.log(torch.tensor([0.6, 0.3, 0.1])).repeat(20_000, 1).requires_grad_()
    drawn = straight_through(logits, StepNoise(0, logits.device, 20_000))
    assert torch.allclose(drawn.sum(1), torch.ones(20_000), atol=1e-5)
    assert torch.allclose(drawn.detach().max(1).values, torch.ones(20_000), atol=1e-5)
    torch.testing.assert_close(drawn.detach().mean(0), torch.tensor([0.6, 0.3, 0.1]), atol=0.02, rtol=0)
    drawn[:, 0].sum().backward()
    assert logits.grad[:, 0].mean() > 0 > logits.grad[:, 1].mean()


def test_fakes_are_seen_as_real_rows_are():
    """Draws with a gradient have the layout of real rows: one class a column, features only between spikes."""
    torch.manual_seed(0)
    decoder = ColumnDecoder(SPACE, 8, 4, 4, 4)
    for weight in (*(head.weight for head in decoder.heads), decoder.place):
        torch.nn.init.normal_(weight)
    seen = decoder.imitate(torch.randn(50, 4), torch.randn(50, 4), StepNoise(0, torch.device("cpu"), 50))
    x = torch.zeros(50, 3, 2)
    x[:, 1, 0] = 2
    assert seen.shape == decoder.seen(x).shape == (50, 3 + 4 + 1 + 2 * 11)
    for side in (seen.detach(), decoder.seen(x)):
        for low, high in ((0, 3), (3, 7), (7, 8)):
            assert torch.allclose(side[:, low:high].sum(1), torch.ones(50), atol=1e-5)
        between = side[:, 0] > 0.5
        assert torch.allclose(side[~between, 8:19], torch.zeros((~between).sum(), 11), atol=1e-5)
        assert (side[between, 10:19] > 0).any(dim=1).all()
    (seen * torch.randn(30)).sum().backward()
    assert decoder.add.grad.abs().sum() > 0  # through the columns before


def test_a_pack_is_judged_as_a_whole_and_packs_apart():
    torch.manual_seed(0)
    discriminator = Discriminator(SPACE, 16, 2)
    x, y = torch.rand(4 * PACK, 30), torch.randint(2, (4 * PACK,), generator=random())
    logits = discriminator(x, y)
    assert logits.shape == (4,)
    changed = x.clone()
    changed[PACK + 3] += 1.0
    assert (discriminator(changed, y) != logits).tolist() == [False, True, False, False]
    order = torch.cat([torch.arange(PACK).flip(0), torch.arange(PACK, 4 * PACK)])
    torch.testing.assert_close(discriminator(x[order], y[order]), logits)
    with pytest.raises(ValueError, match=f"whole packs of {PACK} rows"):
        discriminator(x[:-1], y[:-1])


@pytest.mark.parametrize("kernel", [lambda g: g, torch.square], ids=["marginals", "pairs"])
def test_class_mmd_equals_a_loop_over_pairs_of_rows(kernel):
    real, fake = torch.randn(7, 5, generator=random(1)), torch.randn(7, 5, generator=random(2))
    y = torch.tensor([0, 0, 0, 1, 1, 1, 1])
    centred = [side - torch.stack([real[y == k].mean(0) for k in (0, 1)])[y] for side in (real, fake)]
    scale = centred[0].square().sum(1).mean()
    total = 0.0
    for i in range(7):
        others = [j for j in range(7) if j != i and y[j] == y[i]]
        for j in others:
            a, b = centred
            value = kernel(a[i] @ a[j] / scale) + kernel(b[i] @ b[j] / scale) - 2 * kernel(a[i] @ b[j] / scale)
            total += value / len(others) / 7
    torch.testing.assert_close(class_mmd(pair(real, fake, y), kernel), total)


def test_extra_losses_see_what_they_are_for():
    """Marginals see a shifted column, pairs see lost dependence that marginals do not, both class by class."""
    y = torch.arange(2).repeat(200)
    u = (torch.rand(400, generator=random(3)) < 0.5).float()
    real = torch.stack([u, 1 - u, u, 1 - u], dim=1)
    v = u[torch.randperm(400, generator=random(4))]
    shuffled = torch.stack([u, 1 - u, v, 1 - v], dim=1)
    assert marginals(pair(real, shuffled, y)).abs() < 0.02 < 0.1 < pairs(pair(real, shuffled, y))
    w = (torch.rand(400, generator=random(5)) < 0.9).float()
    shifted = torch.stack([w, 1 - w, w, 1 - w], dim=1)
    assert marginals(pair(real, shifted, y)) > 0.1
    swapped = torch.where(y[:, None] == 0, real.new_tensor([1.0, 0, 1, 0]), real.new_tensor([0, 1.0, 0, 1]))
    assert marginals(pair(swapped, swapped[torch.arange(400) ^ 1], y)) > marginals(pair(swapped, swapped, y))
    assert features(pair(real, real, y)) == 0 < features(pair(real, shifted, y))


def test_unknown_extra_losses_are_refused():
    assert terms_of({"pairs": 2})["pairs"][0] == 2.0
    with pytest.raises(UsageError, match="marginals"):
        terms_of({"marginal": 1.0})
