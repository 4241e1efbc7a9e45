"""Budget, data order, checkpoints: what a resumed run and a diverging one may rely on."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from conftest import encoded, small_job, space_of, stripes

from gensynth.cli import compose
from gensynth.data.codec import fit_codec
from gensynth.data.table_source import read_breast_cancer
from gensynth.errors import DataError, DivergedError, Interrupted, UsageError
from gensynth.models.cvae import held_out_bound
from gensynth.models.generator import Phase, TrainingRows
from gensynth.signals import SIGNALS
from gensynth.training.checkpoint import load_checkpoint, save_checkpoint, write_atomically
from gensynth.training.fit import build, fit
from gensynth.training.loader import BatchLoader, tempered
from gensynth.training.schedule import Schedule, by_samples

DATA = stripes(30)
TRAIN = {
    "cvae-mixture": ("cvae", "model.prior=mixture", "trainer.max_samples=2048"),
    "cvae-flow": ("cvae", "model.prior=flow", "trainer.max_samples=2048"),
    "cgan-warm": ("cgan", "model.vae.prior=flow", "trainer.max_samples=2048"),
    "cgan-every-part": (
        "cgan",
        *("model.vae.prior=flow", "model.vae.prior_unlabelled=0.2", "model.vae.prior_guidance=0.5"),
        *("model.vae.prior_shrink=5", "model.vae.class_noise=0.5", "model.vae.body.trunk=shared"),
        *("model.vae.body.likelihood=logistic", "model.gamma_auto=true", "model.penalty=difference"),
        *("model.cutout=0.5", "trainer.accumulate=2", "trainer.max_samples=2048"),
    ),
    "cgan-cold": ("cgan", "model.warm_start=false", "trainer.max_samples=2048"),
    "table-cvae": ("table/cvae", "model.width=8", "trainer.max_samples=8192"),
    "table-cvae-ended-early": ("table/cvae", "model.width=8", "model.patience=1", "trainer.max_samples=300000"),
    "table-cgan": ("table/cgan", "model.vae.width=8", "model.vae.patience=1", "trainer.max_samples=8192"),
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


@pytest.mark.parametrize("name", TRAIN)
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
COVERAGE = [
    (0.3, 0.9),
    (0.8, 0.8),
    (0.7, 1.0),
    (0.9, 0.2),
    (0.1, 0.1),
    (0.1, 0.1),
]  # best worst: 2nd, best mean: 3rd
