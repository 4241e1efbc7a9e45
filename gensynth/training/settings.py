"""What a run says of training; imports nothing heavy, since every verb reads it."""

from __future__ import annotations

from dataclasses import dataclass

CHOICES = ("last", "macro", "worst")  # which weights are kept
LOGGERS = ("auto", "csv", "wandb", "tensorboard", "none")


@dataclass(frozen=True)
class TrainerSettings:
    """The `trainer` group: budget, data order, hardware. `max_samples=0` lets the minutes decide.

    devices     processes that share every batch, each on a device of its own
    accumulate  parts of a process's share that are worked on one after the other
    choose      last | macro | worst: which weights are kept, see `callbacks.Appraisal`
    """

    max_minutes: float
    max_samples: int
    label_power: float
    checkpoint_minutes: float
    accelerator: str
    devices: int
    precision: str
    accumulate: int
    choose: str
