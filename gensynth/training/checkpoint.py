"""Checkpoints for resuming.

A checkpoint holds tensors, plain dicts and numbers only and loads with `weights_only=True`. It is
staged beside its target, synced and renamed, so a kill at any moment leaves the old file or the new.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import nn

from gensynth.errors import DataError, DivergedError, UsageError
from gensynth.files import write_atomically
from gensynth.training.schedule import Schedule

FORMAT = 3


def all_finite(module: nn.Module) -> bool:
    """Whether every floating-point tensor of the state is finite."""
    return all(bool(t.isfinite().all()) for t in module.state_dict().values() if t.is_floating_point())


def save_checkpoint(
    path: Path,
    module: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    step: int,
    schedule: Schedule,
    run: str,
    notes: dict,
) -> None:
    """Write the state after `step` whole steps, and what callbacks must know to go on or to tell of the run.

    Raises DivergedError instead of writing a non-finite state.
    """
    if not all_finite(module):
        raise DivergedError("the weights are no longer finite; the last checkpoint before that is kept")
    state = {
        "format": FORMAT,
        "run": run,
        "step": step,
        "schedule": schedule.to_json(),
        "weights": module.state_dict(),
        "optimizers": [o.state_dict() for o in optimizers],
        "notes": notes,
    }
    write_atomically(path, lambda file: torch.save(state, file))


def load_checkpoint(path: Path, run: str) -> dict:
    """Read a checkpoint of the run named `run` (a digest of its settings and data)."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise DataError(
            f"checkpoint {path.name} cannot be read ({type(error).__name__}); delete it to begin anew"
        ) from error
    if state.get("format") != FORMAT:
        raise UsageError(f"checkpoint {path.name} has format {state.get('format')}, this version reads {FORMAT}")
    if state["run"] != run:
        raise UsageError("the unfinished run was started with other settings or other data; use another out=")
    return state
