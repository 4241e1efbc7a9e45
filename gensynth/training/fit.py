"""Train one generator: budget to schedule, Lightning around the steps, resume from a checkpoint."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from gensynth import rng
from gensynth.errors import UsageError
from gensynth.models.generator import Generator, TrainingRows
from gensynth.signals import SIGNALS
from gensynth.training.callbacks import Checkpointing, Metrics, Preview, Progress, Steps, Watch
from gensynth.training.checkpoint import load_checkpoint
from gensynth.training.loader import BatchLoader
from gensynth.training.schedule import Schedule, by_samples, by_seconds

FEWEST_WATCHED = 20


@dataclass(frozen=True)
class TrainerSettings:
    """The `trainer` group: budget, data order, hardware. `max_samples=0` lets the minutes decide."""

    max_minutes: float
    max_samples: int
    label_power: float
    checkpoint_minutes: float
    accelerator: str
    devices: int
    precision: str


@dataclass(frozen=True)
class FitResult:
    """What training leaves besides the module: its schedule and the logged values over samples seen."""

    schedule: Schedule
    history: dict[str, list[tuple[int, float]]]


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
    loggers: list[Logger],
    started: float,
    resume: bool,
) -> FitResult:
    """Train `module` in place on rows (x encoded, y labels) and leave a checkpoint in `folder`.

    watched  held-out rows, which no step learns from; with fewer than FEWEST_WATCHED nothing is chosen by them
    started  time.monotonic() at which the budget began; run: digest that a resumed run must share
    picture  (K, 8, *shape) samples -> PNG bytes for the previews
    Raises Interrupted after saving on SIGTERM or SIGINT, DivergedError when losses stay non-finite.
    """
    trainer = make_trainer(settings, loggers)
    device = trainer.strategy.root_device
    rows, watched = (TrainingRows(side.x.to(device), side.y.to(device)) for side in (rows, watched))
    module.to(device)
    path = folder / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True, exist_ok=True)
    state = load_checkpoint(path, run) if resume and path.exists() else None
    schedule = Schedule.from_json(state["schedule"]) if state else _plan(module, rows, settings, seed, started)
    loader = BatchLoader(rows, schedule, seed, settings.label_power, state["step"] if state else 0)
    steps = Steps(loader, rows)
    metrics = Metrics(steps)
    checkpointing = Checkpointing(path, steps, run, settings.checkpoint_minutes)
    if state:
        module.load_state_dict(state["weights"])
    preview = Preview(steps, folder / "samples", classes, picture)
    watch = [Watch(steps, watched, metrics)] if len(watched.y) >= FEWEST_WATCHED else []
    trainer.callbacks.extend([steps, metrics, *watch, preview, Progress(steps, module.phases()), checkpointing])
    with SIGNALS.defer():
        run_trainer(trainer, module, loader, state)
    return FitResult(steps.schedule, metrics.history)


def _plan(module: Generator, rows: TrainingRows, settings: TrainerSettings, seed: int, started: float) -> Schedule:
    if settings.max_samples:
        return by_samples(module.phases(), settings.max_samples)
    return by_seconds(module, rows, 60 * settings.max_minutes - (time.monotonic() - started), seed)


def make_trainer(settings: TrainerSettings, loggers: list[Logger]) -> Trainer:
    """A Trainer without bars, sanity checks and checkpoints of its own; UsageError for hardware that is not here."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings(), _hardware_errors(settings):
        warnings.simplefilter("ignore")
        return Trainer(
            accelerator=settings.accelerator,
            devices=settings.devices,
            precision=settings.precision,
            logger=loggers,
            max_epochs=1,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=10**9,
        )


@contextmanager
def _hardware_errors(settings: TrainerSettings) -> Iterator[None]:
    try:
        yield
    except (MisconfigurationException, ValueError) as error:
        words = f"trainer.accelerator={settings.accelerator} trainer.precision={settings.precision}"
        raise UsageError(f"{words} cannot be used here: {str(error).splitlines()[0]}") from None


def run_trainer(trainer: Trainer, module: Generator, loader: BatchLoader, state: dict | None) -> None:
    """All steps that are left, from the state of a checkpoint if there is one."""
    if state:
        trainer.callbacks.append(_RestoreOptimizers(state["optimizers"]))
    if state and state["step"] == loader.schedule.total_steps:
        module.finish(loader.rows, loader.random(state["step"], "finish"))  # stopped after the last step
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", message=".*dataloader.*")
        trainer.fit(module, train_dataloaders=loader)
    SIGNALS.raise_pending()


class _RestoreOptimizers(Callback):
    """Puts the saved optimiser states back once Lightning has made the optimisers."""

    def __init__(self, states: list[dict]) -> None:
        self.states = states

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        for optimizer, state in zip(trainer.optimizers, self.states, strict=True):
            optimizer.load_state_dict(state)
