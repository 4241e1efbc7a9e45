"""Train one generator: budget to schedule, Lightning around the steps, resume from a checkpoint."""

from __future__ import annotations

import copy
import logging
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning import Callback, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from gensynth import rng
from gensynth.errors import UsageError
from gensynth.models.all_reduce import check_same_weights
from gensynth.models.generator import Generator, TrainingRows
from gensynth.progress import bar, say
from gensynth.signals import SIGNALS
from gensynth.training.callbacks import PARTS, Appraisal, Checkpointing, Metrics, Preview, Progress, Steps, Watch
from gensynth.training.checkpoint import load_checkpoint
from gensynth.training.loader import BatchLoader
from gensynth.training.processes import IgnoreSignals, leader
from gensynth.training.schedule import Schedule, by_samples, by_seconds
from gensynth.training.settings import TrainerSettings

FEWEST_WATCHED = 20


@dataclass(frozen=True)
class FitResult:
    """What training leaves besides the module, all of it from state that a checkpoint holds: its schedule, the values
    last logged, the last coverage of held-out rows by class, and classes that collapsed on the way."""

    schedule: Schedule
    latest: dict[str, float]
    coverage: dict[str, float]
    collapsed: list[dict]


def build(make: Callable[[], Generator], seed: int) -> Generator:
    """Make a module with weights that depend on the seed alone, leaving the global generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.child(seed, "weights"))
        return make()


def fit(
    module: Generator,
    rows: TrainingRows,
    watched: TrainingRows,
    settings: TrainerSettings,
    *,
    seed: int,
    folder: Path,
    run: str,
    classes: tuple[str, ...],
    picture: Callable[[torch.Tensor], bytes],
    decode: Callable[[torch.Tensor], np.ndarray],
    appraise: Callable[[Callable], dict[str, dict[str, float]]],
    loggers: list[Logger],
    started: float,
    resume: bool,
) -> FitResult:
    """Train `module` in place on rows (x encoded, y labels) and leave a checkpoint in `folder`.

    watched  held-out rows, which no step learns from; with fewer than FEWEST_WATCHED nothing is chosen by them
    started  time.monotonic() at which the budget began; run: digest that a resumed run must share
    picture  (K, 8, *shape) samples -> PNG bytes for the previews; decode: (N, *shape) samples -> source units
    appraise  see `callbacks.Appraisal`
    Raises Interrupted after saving on SIGTERM or SIGINT, DivergedError when losses stay non-finite.
    """
    _prepare(module, settings)
    path = folder / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True, exist_ok=True)
    state = load_checkpoint(path, run) if resume and path.exists() else None
    if state:
        module.load_state_dict(state["weights"])
    with leader(settings.devices) as start_followers:
        trainer = make_trainer(settings, loggers)
        device = trainer.strategy.root_device
        module.to(device)
        held = [TrainingRows(side.x.to(device), side.y.to(device)) for side in (rows, watched)]
        schedule = Schedule.from_json(state["schedule"]) if state else _plan(module, held[0], settings, seed, started)
        module.plan(dict(zip(schedule.phases, schedule.steps, strict=True)), len(rows.y))
        begin, share = state["step"] if state else 0, (0, settings.devices)
        loader = BatchLoader(held[0], schedule, seed, settings.label_power, begin, share, module.coins)
        if settings.devices > 1:
            arguments = (copy.deepcopy(module).cpu(), rows, watched, settings, schedule, seed, state)
            start_followers(_follow, arguments, device.type)
        notes = state["notes"] if state else {"latest": {}, "appraisal": None}
        steps = Steps(module, loader)
        metrics = Metrics(steps, notes["latest"])
        appraisal = Appraisal(steps, metrics, appraise, decode, settings.choose, notes["appraisal"])
        checkpointing = Checkpointing(path, steps, appraisal, run, settings.checkpoint_minutes)
        preview, progress = Preview(steps, folder / "samples", classes, picture), Progress(steps, module.phases())
        around = [*_watching(steps, held[1], metrics), appraisal, preview, progress, checkpointing]
        with SIGNALS.defer(), bar("training", PARTS - progress.done) as progress.advance:
            run_trainer(trainer, steps, [steps, metrics, *around], state)
        if state and state["step"] == schedule.total_steps:
            checkpointing.save(trainer)  # what was saved before `finish` may hold a secret
        module.to(device)  # Lightning has put it on the CPU
        check_same_weights(module)
        appraisal.settle(trainer)
    return FitResult(steps.schedule, metrics.latest, appraisal.record["coverage"], appraisal.record["events"])


def _follow(
    rank: int,
    module: Generator,
    rows: TrainingRows,
    watched: TrainingRows,
    settings: TrainerSettings,
    schedule: Schedule,
    seed: int,
    state: dict | None,
) -> None:
    """What every process but the first does: the same steps on its own parts of the batches; it writes nothing."""
    module, state = copy.deepcopy((module, state))  # tensors that come from another process share its memory
    trainer = make_trainer(settings, [], rank)
    device = trainer.strategy.root_device
    rows, watched = (TrainingRows(side.x.to(device), side.y.to(device)) for side in (rows, watched))
    share = (rank, settings.devices)
    loader = BatchLoader(rows, schedule, seed, settings.label_power, state["step"] if state else 0, share)
    steps = Steps(module.to(device), loader)
    run_trainer(trainer, steps, [steps, *_watching(steps, watched, Metrics(steps, {})), IgnoreSignals()], state)
    check_same_weights(module.to(device))


def _watching(steps: Steps, watched: TrainingRows, metrics: Metrics) -> list[Callback]:
    return [Watch(steps, watched, metrics)] if len(watched.y) >= FEWEST_WATCHED else []


def _prepare(module: Generator, settings: TrainerSettings) -> None:
    """Tell a model, and one inside it, in how many parts to work; UsageError or a warning for words that do not fit."""
    for part in module.modules():
        if isinstance(part, Generator):
            part.accumulate = max(settings.accumulate, part.least_parts)
    parts = settings.devices * module.accumulate
    if module.coins and parts > 1:
        raise UsageError(
            f"trainer.devices={settings.devices} trainer.accumulate={settings.accumulate}: private training draws "
            "batches of random size, which one process works on in parts of its own; both must be 1"
        )
    for phase in module.phases():  # every batch must divide into equal parts of whole groups of rows
        if phase.batch_size % (parts * module.rows_together):
            raise UsageError(
                f"a batch of {phase.batch_size} rows ({phase.name}) cannot be shared by trainer.devices="
                f"{settings.devices} x trainer.accumulate={module.accumulate}: it must be a multiple of "
                f"{parts * module.rows_together}"
            )
    if module.private and settings.precision != "32-true":
        raise UsageError(
            f"trainer.precision={settings.precision}: rounding lets one row change more than a private model's "
            "guarantee allows; use trainer.precision=32-true"
        )
    if module.coins and settings.label_power != 1:
        say("note: trainer.label_power is not used: every row enters a batch by a coin of its own")
    if settings.choose != "last" and not any(module.drawable(phase.name) for phase in module.phases()):
        say(f"warning: trainer.choose={settings.choose} has no choice: this prior is fitted at the end")


def _plan(module: Generator, rows: TrainingRows, settings: TrainerSettings, seed: int, started: float) -> Schedule:
    if settings.max_samples:
        return by_samples(module.phases(), settings.max_samples)
    seconds = 60 * settings.max_minutes - (time.monotonic() - started)
    return by_seconds(module, rows, seconds, seed, settings.devices)


def make_trainer(settings: TrainerSettings, loggers: list[Logger], rank: int = 0) -> Trainer:
    """A Trainer without bars, sanity checks and checkpoints of its own; UsageError for hardware that is not here.

    Each process has a Trainer of its own, on one device: what processes share lies in models/all_reduce.py.
    """
    enough = 0 < settings.devices <= torch.cuda.device_count()
    accelerator = settings.accelerator
    if accelerator == "auto" and settings.devices > 1 and not enough:
        accelerator = "cpu"
    on_gpu = torch.cuda.is_available() and accelerator in ("auto", "gpu", "cuda")
    if on_gpu and not enough:
        raise UsageError(f"trainer.devices={settings.devices}: there are {torch.cuda.device_count()} GPUs here")
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Trainer(
                accelerator=accelerator,
                devices=[rank] if on_gpu else 1,
                precision=settings.precision,  # type: ignore[arg-type]  # words it does not know are refused by it
                logger=loggers,
                max_epochs=1,
                num_sanity_val_steps=0,
                log_every_n_steps=10**9,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
    except (MisconfigurationException, ValueError) as error:
        setting = f"trainer.accelerator={settings.accelerator} trainer.precision={settings.precision}"
        raise UsageError(f"{setting} cannot be used here: {str(error).splitlines()[0]}") from None


def run_trainer(trainer: Trainer, steps: Steps, callbacks: list[Callback], state: dict | None) -> None:
    """All steps that are left, from the state of a checkpoint if there is one."""
    module, loader = steps.model, steps.loader
    steps.optimizers = state["optimizers"] if state else []
    trainer.callbacks.extend(callbacks)  # type: ignore[attr-defined]
    if state and state["step"] == loader.schedule.total_steps:
        module.finish(loader.rows, loader.random(state["step"], "finish"))  # stopped after the last step
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", message=".*dataloader.*")
        trainer.fit(module, train_dataloaders=loader)
    SIGNALS.raise_pending()
