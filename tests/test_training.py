"""Budget, data order, checkpoints: what a resumed run and a diverging one may rely on."""

from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pytest
import torch
from conftest import encoded, small_job, space_of, stripes
from lightning.pytorch.loggers import CSVLogger

from gensynth.cli import compose
from gensynth.data.kinds import fit_codec
from gensynth.data.table_source import read_breast_cancer
from gensynth.errors import DataError, DivergedError, Interrupted, UsageError
from gensynth.files import write_atomically
from gensynth.models.cvae import held_out_bound
from gensynth.models.generator import Phase, TrainingRows
from gensynth.signals import SIGNALS
from gensynth.steps.train import train_generator
from gensynth.training.checkpoint import load_checkpoint, save_checkpoint
from gensynth.training.fit import build, fit
from gensynth.training.loader import BatchLoader, tempered
from gensynth.training.loggers import read_curves
from gensynth.training.schedule import Schedule, by_samples

DATA = stripes(30)
TRAIN = {
    "cvae-mixture": ("cvae", "model.prior=mixture", "trainer.max_samples=2048"),
    "cvae-flow": ("cvae", "model.prior=flow", "trainer.max_samples=2048"),
    "cgan-warm": ("cgan", "model.vae.prior=flow", "trainer.max_samples=2048"),
    "cgan-every-part": (
        "cgan",
        *("model.vae.prior=flow", "model.vae.body.blocks=2", "model.gamma_auto=true"),
        *("trainer.accumulate=2", "trainer.max_samples=1024"),
    ),
    "cgan-cold": ("cgan", "model.warm_start=false", "trainer.max_samples=2048"),
    "table-cvae": ("table/cvae", "model.width=8", "trainer.max_samples=8192"),
    "table-cvae-ended-early": ("table/cvae", "model.width=8", "model.patience=1", "trainer.max_samples=300000"),
    "table-cgan": ("table/cgan", "model.vae.width=8", "model.vae.patience=1", "trainer.max_samples=4096"),
}


def job_of(model, *words):
    """Job, space, training and held-out rows: an image model on the stripes, a table model on breast cancer."""
    if not model.startswith("table/"):
        return small_job(model, *words), space_of(DATA), encoded(DATA), encoded(DATA[:0])
    job = compose("train", ["breast_cancer", f"model={model.removeprefix('table/')}", "logger=none", *words])
    data = read_breast_cancer().data
    codec = fit_codec(data[:300])
    sides = [TrainingRows(codec.encode(side.x), torch.from_numpy(side.y)) for side in (data[:300], data[300:400])]
    return job, codec.space, *sides


def run_fit(folder, words, *, resume=False, appraise=lambda draw: {}, loggers=()):
    job, space, rows, watched = job_of(*words)
    module = build(lambda: job.model.make(space, len(rows.y), **job.model.params), seed=0)
    result = fit(
        module,
        rows,
        watched,
        job.trainer,
        seed=0,
        folder=folder,
        run="r",
        classes=tuple("abc"[: space.num_classes]),
        picture=lambda x: b"png",
        decode=lambda x: x.numpy(),
        appraise=appraise,
        loggers=list(loggers),
        started=0.0,
        resume=resume,
    )
    return module, result


LONG = ("table-cvae-ended-early", "table-cgan", "table-cvae", "cgan-warm", "cgan-cold")


@pytest.mark.parametrize("name", [pytest.param(k, marks=pytest.mark.slow) if k in LONG else k for k in TRAIN])
def test_resume_gives_the_weights_of_the_uninterrupted_run(name, tmp_path, monkeypatch):
    """Stopped after every kind of step: first, inside each phase, at the edges between phases."""
    whole, result = run_fit(tmp_path / "whole", TRAIN[name])
    schedule = result.schedule
    edges = [sum(schedule.steps[: i + 1]) for i in range(len(schedule.steps))]
    stops = sorted(
        {1, *edges, *(e - 1 for e in edges), *(e - 3 for e in edges), edges[0] + 1} & set(range(1, edges[-1]))
    )
    for stop in stops:
        folder = tmp_path / f"stop{stop}"
        stop_after(stop, monkeypatch)
        with pytest.raises(Interrupted) as caught:
            run_fit(folder, TRAIN[name])
        assert caught.value.exit_code == 143
        monkeypatch.undo()
        torch.manual_seed(stop)  # an ambient seed must not matter
        resumed, again = run_fit(folder, TRAIN[name], resume=True)
        assert again.schedule == schedule
        for key, tensor in whole.state_dict().items():
            assert torch.equal(tensor, resumed.state_dict()[key]), f"{key} differs after a stop at step {stop}"


STOPS = {  # every second step is logged, and a cGAN's KL in its first phase only
    "cvae": (("model.batch_size=8", "model.prior=mixture", "trainer.max_samples=3400"), (300, 424, 425)),
    "cgan": (("model.vae.prior=flow", "trainer.max_samples=2048"), (9, 23, 24)),
}


@pytest.mark.parametrize("model", [pytest.param(k, marks=pytest.mark.slow) if k == "cvae" else k for k in STOPS])
def test_the_bundle_of_a_resumed_run_is_that_of_the_uninterrupted_one(model, tmp_path, monkeypatch):
    words, stops = STOPS[model]
    job = small_job(model, *words)

    def train(out, *, resume=False) -> bytes:
        train_generator(job, DATA, DATA[::4], "", out, 0.0, resume=resume)
        assert json.loads((out / "generator" / "config.json").read_text())["training"]["latent_nats"]
        return (out / "generator" / "config.json").read_bytes(), (out / "generator" / "manifest.json").read_bytes()

    whole = train(tmp_path / "run")
    assert json.loads(whole[0])["training"]["coverage"]
    assert sum(json.loads(whole[0])["training"]["schedule"]["steps"]) == stops[-1]
    shutil.rmtree(tmp_path / "run" / "generator")  # as a kill after the last checkpoint leaves it
    assert train(tmp_path / "run", resume=True) == whole
    for stop in stops:
        shutil.rmtree(tmp_path / "run")
        stop_after(stop, monkeypatch)
        with pytest.raises(Interrupted):
            train(tmp_path / "run")
        monkeypatch.undo()
        assert train(tmp_path / "run", resume=True) == whole, f"another bundle after a stop at step {stop}"


def looks(coverage: list[tuple[float, float]], variety: float = 1.0, seen: list | None = None):
    """An appraisal that says coverage of classes a and b, one pair after the other; keeps what was drawn in `seen`."""
    values = iter(coverage)

    def appraise(draw):
        drawn = draw(np.array([0, 1]), np.array([1, 2], np.uint64))
        if seen is not None:
            seen.append(drawn)
        a, b = next(values)
        return {"a": {"coverage": a, "variety": variety}, "b": {"coverage": b, "variety": 1.0}}

    return appraise


CHOOSES = ("cgan", "model.vae.prior=flow", "trainer.max_samples=2048")
COVERAGE = [(0.3, 0.9), (0.8, 0.8), (0.7, 1.0), (0.9, 0.2), (0.1, 0.1), (0.1, 0.1)]  # best worst: 2nd, best mean: 3rd


@pytest.mark.parametrize(("choose", "best"), [("last", -1), ("worst", 1), ("macro", 2)])
def test_the_weights_of_the_best_look_are_kept(choose, best, tmp_path):
    seen: list[np.ndarray] = []
    words = (*CHOOSES, f"trainer.choose={choose}")
    module, result = run_fit(tmp_path, words, appraise=looks(COVERAGE, seen=seen))
    assert 3 < len(seen) <= len(COVERAGE)
    after = module.glimpse(np.array([0, 1]), np.array([1, 2], np.uint64)).numpy()
    np.testing.assert_allclose(after, seen[best], atol=1e-5)
    assert all(np.abs(after - other).max() > 1e-4 for i, other in enumerate(seen) if i != best % len(seen))
    assert tuple(result.coverage.values()) == COVERAGE[best if best >= 0 else len(seen) - 1]


def test_what_was_kept_survives_a_resume(tmp_path, monkeypatch):
    words = (*CHOOSES, "trainer.choose=worst")
    whole, result = run_fit(tmp_path / "whole", words, appraise=looks(COVERAGE))
    total = result.schedule.total_steps
    every = total // 8
    first = sum(result.schedule.steps[:2]) // every + 1  # looks before the last stage are not taken
    for stop in (every * (first + 2) + 1, total):
        folder = tmp_path / str(stop)
        stop_after(stop, monkeypatch)
        with pytest.raises(Interrupted):
            run_fit(folder, words, appraise=looks(COVERAGE))
        monkeypatch.undo()
        taken = (stop - (stop == total)) // every - first + 1
        resumed, _ = run_fit(folder, words, appraise=looks(COVERAGE[taken:]), resume=True)
        for name, tensor in torch.nn.ModuleDict(whole.inference_modules()).state_dict().items():
            assert torch.equal(tensor, torch.nn.ModuleDict(resumed.inference_modules()).state_dict()[name]), name


def test_a_class_that_loses_its_variety_is_one_event(tmp_path, capsys):
    inner = looks([(0.5, 0.9)] * 8)
    varieties = iter([0.9, 0.1, 0.1, 0.1, 0.1, 0.1])

    def appraise(draw):
        found = inner(draw)
        return {"a": found["a"] | {"variety": next(varieties)}, "b": found["b"]}

    _, result = run_fit(tmp_path, CHOOSES, appraise=appraise)
    assert [(event["class"], event["variety"]) for event in result.collapsed] == [("a", 0.1)]
    assert 'class "a" is collapsing' in capsys.readouterr().err
    assert result.coverage == {"a": 0.5, "b": 0.9}


def test_a_class_that_never_had_variety_has_not_collapsed(tmp_path):
    _, result = run_fit(tmp_path, CHOOSES, appraise=looks([(0.5, 0.9)] * 8, variety=0.1))
    assert result.collapsed == []


def test_a_choice_that_cannot_be_made_is_said(tmp_path, capsys):
    run_fit(tmp_path, ("cvae", "model.prior=mixture", "trainer.max_samples=256", "trainer.choose=macro"))
    assert "trainer.choose=macro has no choice" in capsys.readouterr().err


def test_metrics_lie_on_disk_while_training_goes_on(tmp_path, monkeypatch):
    """What a dashboard shows of a run that is going, and what a kill leaves."""
    stop_after(30, monkeypatch)
    logger = CSVLogger(tmp_path, name="", version="")
    with pytest.raises(Interrupted):
        run_fit(tmp_path, (*CHOOSES[:-1], "trainer.max_samples=8192"), loggers=[logger])
    assert "train/loss_recon" in (tmp_path / "metrics.csv").read_text(encoding="utf-8")


def test_training_ends_early_where_held_out_rows_get_no_better_and_keeps_the_best(tmp_path):
    words = TRAIN["table-cvae-ended-early"]
    module, result = run_fit(tmp_path, words, loggers=[CSVLogger(tmp_path, name="", version="")])
    _, _, _, watched = job_of(*words)
    bounds = read_curves(tmp_path / "metrics.csv")["val/held_out_bound"][1]
    assert result.schedule.total_samples < 300_000
    assert load_checkpoint(tmp_path / "checkpoints" / "last.ckpt", "r")["step"] == result.schedule.total_steps
    assert float(held_out_bound(module.ema.average, watched)) == pytest.approx(min(bounds), abs=1e-2)


def stop_after(step: int, monkeypatch) -> None:
    """Raise a pending SIGTERM once `step` steps are done, as the handler would."""
    from gensynth.training import callbacks

    inner = callbacks.Steps.on_train_batch_end

    def count(self, *args):
        inner(self, *args)
        if self.done == step:
            SIGNALS.pending = 15

    monkeypatch.setattr(callbacks.Steps, "on_train_batch_end", count)


def test_a_run_with_another_seed_ends_elsewhere(tmp_path):
    module, _ = run_fit(tmp_path, TRAIN["cvae-mixture"])
    job = small_job("cvae")
    other = build(lambda: job.model.make(space_of(DATA), len(DATA), **job.model.params), seed=1)
    assert not torch.equal(module.autoencoder.embed.weight, other.autoencoder.embed.weight)


def test_checkpoint_holds_plain_things_and_knows_its_run(tmp_path):
    run_fit(tmp_path, TRAIN["cgan-warm"])
    path = tmp_path / "checkpoints" / "last.ckpt"
    state = torch.load(path, weights_only=True)
    assert state["step"] == sum(state["schedule"]["steps"])
    with pytest.raises(UsageError, match="other settings or other data"):
        load_checkpoint(path, "another run")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="cannot be read"):
        load_checkpoint(path, "r")


def test_a_non_finite_state_is_never_written(tmp_path):
    layer = torch.nn.Linear(2, 2)
    path = tmp_path / "last.ckpt"
    save_checkpoint(path, layer, [], 1, Schedule(("a",), (1,), (1,)), "r", {})
    before = path.read_bytes()
    with torch.no_grad():
        layer.weight[0, 0] = math.nan
    with pytest.raises(DivergedError):
        save_checkpoint(path, layer, [], 2, Schedule(("a",), (1,), (1,)), "r", {})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_single_bad_losses_are_skipped_and_many_stop_the_run():
    job = small_job("cvae")
    module = build(lambda: job.model.make(space_of(DATA), len(DATA), **job.model.params), seed=0)
    optimizer = torch.optim.SGD(module.parameters(), 1.0)
    weight = module.autoencoder.embed.weight
    before = weight.detach().clone()
    batch = BatchLoader(encoded(DATA), Schedule(("vae",), (1,), (4,)), 0, 1.0).batch(0)

    def taken(factor: float) -> bool:
        return module.descend(lambda part: ((weight * factor).sum(), {}), batch, optimizer, 1.0)[1]

    assert not taken(math.nan)
    assert torch.equal(weight, before)
    assert taken(1.0)
    torch.testing.assert_close(weight, before - 1)
    for _ in range(19):
        assert not taken(math.inf)
    with pytest.raises(DivergedError, match="20 steps in a row"):
        taken(math.inf)


def test_max_samples_is_split_by_shares():
    schedule = by_samples((Phase("a", 0.75, 100), Phase("b", 0.25, 50)), 10_000)
    assert schedule.steps == (75, 50)
    assert schedule.total_samples == 10_000
    assert schedule.at(74) == (0, 74)
    assert schedule.at(75) == (1, 0)
    assert [schedule.samples_before(s) for s in (0, 75, 76, 125)] == [0, 7500, 7550, 10_000]
    assert Schedule.from_json(schedule.to_json()) == schedule


def test_progress_counts_samples_for_both_models(tmp_path):
    for name in ("cvae-mixture", "cgan-cold"):
        words, logger = (*TRAIN[name][:-1], "trainer.max_samples=1280"), CSVLogger(tmp_path / name, name="", version="")
        _, result = run_fit(tmp_path / name, words, loggers=[logger])
        assert result.schedule.total_samples == 1_280
        assert read_curves(tmp_path / name / "metrics.csv")["samples_per_s"][0][-1] == 1_280


def test_batches_are_a_function_of_the_step():
    rows = encoded(DATA)
    schedule = Schedule(("a",), (50,), (16,))
    one, two = BatchLoader(rows, schedule, 0, 0.3), BatchLoader(rows, schedule, 0, 0.3, start_step=20)
    late, first = list(one)[20:], list(two)
    for a, b in zip(late, first, strict=True):
        assert torch.equal(a.rows, b.rows)
        assert torch.equal(a.random.normal(3), b.random.normal(3))
        assert torch.equal(a.labels, rows.y[a.rows])
    assert not torch.equal(one.batch(3).rows, one.batch(4).rows)
    assert not torch.equal(one.batch(3).rows, BatchLoader(rows, schedule, 1, 0.3).batch(3).rows)


def test_label_tempering_runs_from_natural_to_balanced():
    counts = torch.tensor([900, 90, 10])
    torch.testing.assert_close(tempered(counts, 1.0), counts / 1000, check_dtype=False)
    torch.testing.assert_close(tempered(counts, 0.0), torch.full((3,), 1 / 3), check_dtype=False)
    data = stripes(100)[[*range(100), *range(100, 110), *range(200, 202)]]
    loader = BatchLoader(encoded(data), Schedule(("a",), (400,), (64,)), 0, label_power=0.0)
    early = torch.cat([loader.batch(s).labels for s in range(40)]).bincount(minlength=3) / (40 * 64)
    late = torch.cat([loader.batch(s).labels for s in range(360, 400)]).bincount(minlength=3) / (40 * 64)
    assert early[0] > 0.8
    assert late.max() < 0.5
