"""Several processes, or parts one after the other, take the step that one process takes on the whole batch."""

from __future__ import annotations

import pytest
import torch
from conftest import encoded, small_job, space_of, stripes
from test_training import run_fit, stop_after

from gensynth.errors import Interrupted, UsageError
from gensynth.models.generator import StepNoise
from gensynth.training.fit import build
from gensynth.training.loader import BatchLoader
from gensynth.training.processes import _meet
from gensynth.training.schedule import Schedule

WORDS = {
    "cvae": ("cvae", "model.prior=flow", "model.batch_size=64", "trainer.max_samples=1024"),
    "cgan": (
        "cgan",
        "model.vae.prior=flow",
        "model.vae.batch_size=64",
        "model.batch_size=32",
        "trainer.max_samples=1024",
    ),
}


def slope(rank: int, count: int, meeting: str, model: str, out: str) -> None:
    """One plain step of each optimiser on this process's part of a batch; saves how far the weights moved."""
    torch.set_num_threads(1)
    if count > 1:
        _meet(rank, count, meeting, "cpu")
    job = small_job(*WORDS[model])
    module = build(lambda: job.model.make(space_of(DATA), len(DATA), **job.model.params), 0)
    rows = encoded(DATA)
    phase = {"cvae": "vae", "cgan": "adversarial"}[model]
    module.begin_phase(phase, rows, torch.Generator().manual_seed(0), resumed=False)
    optimizers = [
        torch.optim.SGD([p for group in adam.param_groups for p in group["params"]], 1.0)
        for adam in module.configure_optimizers()
    ]
    for optimizer in optimizers:
        optimizer.param_groups[0]["betas"] = (0.0, 0.0)
    module.optimizers = lambda: optimizers
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    batch = BatchLoader(rows, Schedule((phase,), (10,), (32,)), 0, 1.0, share=(rank, count)).batch(4)
    module.training_step(batch, 0)
    moved = {name: p.detach() - before[name] for name, p in module.named_parameters()}
    torch.save({name: step for name, step in moved.items() if step.abs().max() > 0}, f"{out}/{count}-{rank}.pt")


@pytest.mark.parametrize("model", [pytest.param(k, marks=pytest.mark.slow) if k == "cvae" else k for k in WORDS])
def test_a_step_of_two_processes_is_that_of_one(model, tmp_path):
    """Plain gradient descent, which unlike Adam would show a sum in place of a mean."""
    slope(0, 1, "", model, str(tmp_path))
    meeting = str(tmp_path / "meeting")
    context = torch.multiprocessing.get_context("spawn")
    others = [context.Process(target=slope, args=(rank, 2, meeting, model, str(tmp_path))) for rank in range(2)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    one, first, second = (torch.load(tmp_path / f"{name}.pt") for name in ("1-0", "2-0", "2-1"))
    assert len(one) > 10
    assert set(one) == set(first) == set(second)
    for name, step in one.items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], step, rtol=1e-3, atol=1e-5 * float(step.abs().max()) + 1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["cgan"])
def test_two_processes_end_with_the_weights_of_one(model, tmp_path):
    """`fit` itself raises unless both processes hold the same weights, bit for bit."""
    one, _ = run_fit(tmp_path / "one", WORDS[model])
    two, _ = run_fit(tmp_path / "two", (*WORDS[model], "trainer.devices=2"))
    start = build(
        lambda: small_job(*WORDS[model]).model.make(space_of(DATA), len(DATA), **small_job(*WORDS[model]).model.params),
        0,
    )
    begun = dict(start.named_parameters())
    for name, weight in two.named_parameters():
        torch.testing.assert_close(weight, one.get_parameter(name), rtol=0, atol=2e-3)
    moved = [
        name for name, weight in one.named_parameters() if weight.requires_grad and not torch.equal(weight, begun[name])
    ]
    assert len(moved) > 20


@pytest.mark.slow
def test_a_run_on_two_processes_resumes_where_it_was_stopped(tmp_path, monkeypatch):
    words = (*WORDS["cvae"], "trainer.devices=2")
    whole, _ = run_fit(tmp_path / "whole", words)
    stop_after(5, monkeypatch)
    with pytest.raises(Interrupted):
        run_fit(tmp_path / "stopped", words)
    monkeypatch.undo()
    resumed, _ = run_fit(tmp_path / "stopped", words, resume=True)
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


DATA = stripes(30)


def gradients(accumulate: int) -> dict[str, torch.Tensor]:
    """Gradients of one step of the prior's flow, whose loss is a plain mean over rows."""
    job = small_job("cvae", "model.prior=flow")
    module = build(lambda: job.model.make(space_of(DATA), len(DATA), **job.model.params), 0)
    rows = encoded(DATA)
    module.begin_phase("prior", rows, torch.Generator().manual_seed(0), resumed=False)
    module.accumulate = accumulate
    batch = BatchLoader(rows, Schedule(("prior",), (9,), (32,)), 0, 1.0).batch(3)
    optimizer = torch.optim.SGD(module.prior.parameters(), 0.1)
    module.descend(module._flow_loss, batch, optimizer, 0.1)
    return {name: p.grad.clone() for name, p in module.prior.named_parameters()}


def test_accumulated_parts_give_the_gradient_of_the_whole_batch():
    whole, parts = gradients(1), gradients(4)
    assert max(float(g.abs().max()) for g in whole.values()) > 1e-3
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-4, atol=1e-6)


def test_random_numbers_of_a_row_do_not_depend_on_how_a_batch_is_cut():
    whole, cut = StepNoise(5, torch.device("cpu"), 12), StepNoise(5, torch.device("cpu"), 12).part(6, 12).part(0, 3)
    torch.testing.assert_close(whole.normal(4)[6:9], cut.normal(4))
    torch.testing.assert_close(whole.uniform()[6:9], cut.uniform())
    assert not torch.equal(whole.stream(1).uniform(), whole.stream(2).uniform())


def test_a_model_inside_another_accumulates_as_well(tmp_path):
    module, _ = run_fit(tmp_path, (*WORDS["cgan"], "trainer.accumulate=2"))
    assert module.vae.accumulate == module.accumulate == 2


def test_batches_that_do_not_divide_are_refused(tmp_path):
    with pytest.raises(UsageError, match="must be a multiple of 3"):
        run_fit(tmp_path, (*WORDS["cvae"], "trainer.accumulate=3"))
