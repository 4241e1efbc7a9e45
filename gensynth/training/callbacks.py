"""What happens around the steps: progress, metrics, previews, checkpoints, signals.

The x axis of every logger is the number of samples seen, for all models and phases alike.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from torch import Tensor, nn

from gensynth import rng
from gensynth.files import write_atomically
from gensynth.models.generator import Batch, Generator, Phase, TrainingRows
from gensynth.signals import SIGNALS
from gensynth.training.checkpoint import save_checkpoint
from gensynth.training.loader import BatchLoader
from gensynth.training.schedule import Schedule

PARTS = 1000  # of a training, which progress counts
LEAST_STEPS = 10  # between two looks at held-out rows
LOOKS, LEAST_APART = 8, 3  # at drawn rows in a run; steps between two of them, which in a short run are fewer
POINTS = 200  # of a curve
AT_ONCE = 256  # rows drawn in one pass for a look
COLLAPSED = 0.4  # Vendi score of drawn rows as a part of that of real ones


class Steps(Callback):
    """Counts whole steps and announces phases to the model; every other callback asks it.

    optimizers  states of the optimisers to go on from; empty at the start
    """

    def __init__(self, model: Generator, loader: BatchLoader) -> None:
        self.model, self.done, self.loader, self.rows = model, loader.start_step, loader, loader.rows
        self.optimizers: list[dict] = []
        self._phase: str | None = None

    @property
    def schedule(self) -> Schedule:
        return self.loader.schedule

    @property
    def samples_seen(self) -> int:
        return self.schedule.samples_before(self.done)

    @property
    def over(self) -> bool:
        return self.done == self.schedule.total_steps

    def every(self, times: int, least: int = 1) -> bool:
        """Whether this is one of about so many moments in a run, at least so many steps apart and before the end."""
        left = self.schedule.total_steps - self.done
        return self.done % max(least, self.schedule.total_steps // times) == 0 and (left >= least or least == 1)

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        for optimizer, state in zip(trainer.optimizers, self.optimizers, strict=bool(self.optimizers)):
            optimizer.load_state_dict(state)

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Batch, batch_idx: int) -> None:
        if batch.phase != self._phase:
            phase, inner = self.schedule.at(self.done)
            begin = self.done - inner
            self.model.begin_phase(batch.phase, self.rows, self.loader.random(begin, "begin"), resumed=inner > 0)
            self._phase = batch.phase

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs, batch, batch_idx: int) -> None:
        self.done += 1

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        if self.over:
            self.model.finish(self.rows, self.loader.random(self.done, "finish"))


class Checkpointing(Callback):
    """Saves every `minutes`, on a signal, and at the end; the file says how many steps are done."""

    def __init__(self, path: Path, steps: Steps, appraisal: Appraisal, run: str, minutes: float) -> None:
        self.path, self.steps, self.run, self.seconds = path, steps, run, 60 * minutes
        self.appraisal, self._last = appraisal, time.monotonic()

    def save(self, trainer: Trainer) -> None:
        notes = {"latest": self.appraisal.metrics.latest, "appraisal": self.appraisal.record}
        state = (self.steps.done, self.steps.schedule, self.run, notes)
        save_checkpoint(self.path, self.steps.model, trainer.optimizers, *state)
        self._last = time.monotonic()

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        SIGNALS.install()  # Lightning has put its own handlers in place by now

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs, batch, batch_idx: int) -> None:
        if SIGNALS.pending is not None or time.monotonic() - self._last > self.seconds:
            self.save(trainer)
            SIGNALS.raise_pending()

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        self.save(trainer)


class Metrics(Callback):
    """Writes what the training step returned to all loggers, about POINTS times in a run.

    A scalar is called train/NAME, the numbers of a vector NAME/00, NAME/01 ...
    latest  scalars by name as they were last written, which a bundle may quote: a checkpoint holds them
    """

    def __init__(self, steps: Steps, latest: dict[str, float]) -> None:
        self.steps, self.latest = steps, dict(latest)
        self._last = (time.monotonic(), steps.samples_seen)

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs, batch, batch_idx: int) -> None:
        if not (self.steps.every(POINTS) or self.steps.over):
            return
        seen, now = self.steps.samples_seen, time.monotonic()
        reported = {name: value for name, value in outputs.items() if name != "loss"}
        scalars = {name: float(value) for name, value in reported.items() if value.ndim == 0}
        self.latest |= scalars
        values = {f"train/{name}": value for name, value in scalars.items()}
        for name, value in reported.items():
            if value.ndim:
                values |= {f"{name}/{i:02d}": v for i, v in enumerate(value.tolist())}
        values["train/samples_per_s"] = (seen - self._last[1]) / max(now - self._last[0], 1e-9)
        self._last = (now, seen)
        self.note(trainer, values)

    def note(self, trainer: Trainer, values: dict[str, float]) -> None:
        """Put values into all loggers, at the samples seen so far."""
        for logger in trainer.loggers if values else ():
            logger.log_metrics(values, step=self.steps.samples_seen)
            if isinstance(logger, CSVLogger):
                logger.save()  # it would write at the end only: it counts steps, and is given samples


class Watch(Callback):
    """Shows held-out rows to the model once an epoch; ends training when its last phase need not go on."""

    def __init__(self, steps: Steps, rows: TrainingRows, metrics: Metrics) -> None:
        self.steps, self.rows, self.metrics = steps, rows, metrics

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs, batch, batch_idx: int) -> None:
        schedule = self.steps.schedule
        phase, inner = schedule.at(self.steps.done - 1)
        epoch = -(-len(self.steps.rows.y) // schedule.batch_sizes[phase])
        if (inner + 1) % max(epoch, LEAST_STEPS) and inner + 1 != schedule.steps[phase]:
            return
        values, ended = self.steps.model.watch(self.rows, schedule.phases[phase])
        self.metrics.note(trainer, {f"val/{name}": value for name, value in values.items()})
        if ended and phase == len(schedule.phases) - 1:
            self.steps.loader.schedule = schedule.cut(self.steps.done)
            trainer.should_stop = True


class Appraisal(Callback):
    """Looks at the drawn rows of every class about LOOKS times, notes what they cover, and keeps the best weights.

    appraise  drawing function -> class -> coverage and variety (`evaluation/appraisal.py`)
    choose    last: the weights at the end; macro | worst: those of the look with the best mean or worst coverage
    record   what a resumed run must know: the best value so far and its weights, classes that were varied, and those
             that collapsed
    """

    def __init__(
        self,
        steps: Steps,
        metrics: Metrics,
        appraise: Callable[[Callable], dict[str, dict[str, float]]],
        decode: Callable[[Tensor], np.ndarray],
        choose: str,
        record: dict | None,
    ) -> None:
        self.steps, self.metrics, self.appraise, self.decode, self.choose = steps, metrics, appraise, decode, choose
        start: dict[str, Any] = {"best": -1.0, "kept": {}, "kept_coverage": {}, "coverage": {}}
        self.record = record or start | {"varied": [], "events": []}

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs, batch, batch_idx: int) -> None:
        if self.steps.every(LOOKS, LEAST_APART) and self.steps.model.drawable(batch.phase):
            self.look(trainer)  # `settle` looks at the finished model

    def settle(self, trainer: Trainer) -> None:
        """After the last step: a last look, then the weights that were chosen and what they cover."""
        self.look(trainer)
        if self.choose != "last" and self.record["kept"]:
            nn.ModuleDict(self.steps.model.inference_modules()).load_state_dict(self.record["kept"])
            self.record["coverage"] = self.record["kept_coverage"]

    def look(self, trainer: Trainer) -> None:
        found = self.appraise(self._drawn)
        if not found:
            return
        coverage = {name: values["coverage"] for name, values in found.items()}
        values = {f"{key}/{name}": v for name, both in found.items() for key, v in both.items()}
        totals = {"macro": float(np.mean(list(coverage.values()))), "worst": min(coverage.values())}
        self.metrics.note(trainer, values | {f"val/coverage_{name}": value for name, value in totals.items()})
        self.record["coverage"] = coverage
        self._note_collapse(found)
        if self.choose in totals and totals[self.choose] > self.record["best"]:
            parts = nn.ModuleDict(self.steps.model.inference_modules()).state_dict()
            self.record |= {
                "best": totals[self.choose],
                "kept_coverage": coverage,
                "kept": {name: tensor.detach().cpu().clone() for name, tensor in parts.items()},
            }

    def _drawn(self, labels: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        cuts = range(AT_ONCE, len(labels), AT_ONCE)
        pairs = zip(np.split(labels, cuts), np.split(seeds, cuts), strict=True)
        return np.concatenate([self.decode(self.steps.model.glimpse(*pair)) for pair in pairs])

    def _note_collapse(self, found: dict[str, dict[str, float]]) -> None:
        """One event a class, the first time that its rows are much less varied than real ones after they were not."""
        known = {event["class"] for event in self.record["events"]}
        for name, values in found.items():
            if values["variety"] >= COLLAPSED:
                self.record["varied"] = sorted({*self.record["varied"], name})
            elif name in self.record["varied"] and name not in known:
                event = {"class": name, "samples_seen": self.steps.samples_seen, "variety": round(values["variety"], 3)}
                self.record["events"].append(event)
                print(
                    f'warning: class "{name}" is collapsing: its samples are {values["variety"]:.0%} as varied as real '
                    f"rows after {self.steps.samples_seen:,} samples",
                    file=sys.stderr,
                )


class Preview(Callback):
    """A grid of samples, one row a class and the same seeds each time, about LOOKS times in a run."""

    def __init__(
        self, steps: Steps, folder: Path, classes: tuple[str, ...], picture: Callable[[Tensor], bytes]
    ) -> None:
        self.steps, self.folder, self.classes, self.picture = steps, folder, classes[:12], picture

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs, batch, batch_idx: int) -> None:
        if self.steps.every(LOOKS, LEAST_APART):
            self.draw(trainer)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """The last picture shows the weights at the end, also where training ended early."""
        if self.steps.over:
            self.draw(trainer)

    def draw(self, trainer: Trainer) -> None:
        seeds = [rng.row_seeds(0, name, 0, 8) for name in self.classes]
        labels = np.repeat(np.arange(len(self.classes)), 8)
        png = self.picture(self.steps.model.glimpse(labels, np.concatenate(seeds)).unflatten(0, (len(self.classes), 8)))
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.steps.samples_seen:010d}.png"
        write_atomically(path, lambda file: file.write(png))
        for logger in trainer.loggers:
            log_picture(logger, path, self.steps.samples_seen)


def log_picture(logger: object, path: Path, samples_seen: int) -> None:
    """Send one PNG to the loggers that hold pictures."""
    if isinstance(logger, WandbLogger):
        logger.log_image("samples/all", [str(path)], step=samples_seen)
    if isinstance(logger, TensorBoardLogger):
        from PIL import Image

        logger.experiment.add_image("samples/all", np.asarray(Image.open(path)), samples_seen, dataformats="HWC")


class Progress(Callback):
    """Tells `advance` of PARTS that are done: by the phases' shares of the time, since their samples differ in cost."""

    advance: Callable[[int], None]

    def __init__(self, steps: Steps, phases: tuple[Phase, ...]) -> None:
        self.steps, self._before = steps, np.cumsum([0.0, *(p.share for p in phases)])
        self.done = self._parts()

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs, batch, batch_idx: int) -> None:
        if (done := self._parts()) > self.done:
            self.advance(done - self.done)
            self.done = done

    def _parts(self) -> int:
        if self.steps.over:
            return PARTS
        phase, inner = self.steps.schedule.at(self.steps.done)
        width = self._before[phase + 1] - self._before[phase]
        return int(PARTS * (self._before[phase] + width * inner / self.steps.schedule.steps[phase]))
