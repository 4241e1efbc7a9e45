"""Operations on images, one value a row: where things are, their colour, noise, filters, what is covered.

Pixels are float32 (N, C, H, W) in [0, 1]. Whatever an operation draws beside its value (a place, an angle, noise)
comes from the row's seed, so a row comes out the same in any batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gensynth.samplers import image_changes as change
from gensynth.samplers import image_moves as move

Move = Callable[[Tensor, np.ndarray, move.Size], Tensor]
Change = Callable[[Tensor, Tensor, np.ndarray], Tensor]


@dataclass(frozen=True)
class Operation:
    """What one operation does and how far it may go.

    change    (x, values (N,), seeds (N,)) -> x; of moves instead `move`: (values, seeds, (H, W)) -> matrices (N, 3, 3)
    strength  largest value that policies draw; values are drawn from both sides of 0 where `signed`
    risk      how it can make the label wrong, empty where it does not; `safe`: up to this value it does not
    colour    whether it needs three channels
    """

    strength: float
    signed: bool = False
    risk: str = ""
    safe: float = 0.0
    colour: bool = False
    change: Change | None = None
    move: Move | None = None

    def is_at_risk(self, strength: float) -> bool:
        """Whether it can change a label at that strength."""
        return bool(self.risk) and strength > self.safe

    @property
    def always_at_risk(self) -> bool:
        """Whether it can change a label at any strength."""
        return bool(self.risk) and self.safe == 0

    def values(self, draws: np.ndarray, strength: float) -> np.ndarray:
        """Values (N,) of uniform draws (N,) in (0, 1), rounded as the ledger writes them."""
        return np.round(strength * (2 * draws - 1 if self.signed else draws), 6)


MIRROR = "mirrored digits, letters, and left and right organs are others"
OPERATIONS = {
    "rotate": Operation(15, True, "a turned 6 is a 9", 30, move=move.rotate),
    "resize": Operation(0.2, True, "size tells some classes apart", 0.4, move=move.resize),
    "shift_x": Operation(0.12, True, "what matters may leave the image", 0.3, move=move.shift_x),
    "shift_y": Operation(0.12, True, "what matters may leave the image", 0.3, move=move.shift_y),
    "shear_x": Operation(0.2, True, "a slanted shape may be another", 0.4, move=move.shear_x),
    "shear_y": Operation(0.2, True, "a slanted shape may be another", 0.4, move=move.shear_y),
    "crop": Operation(0.25, False, "what matters may be cut off", 0.3, move=move.crop),
    "flip_horizontal": Operation(1, False, MIRROR, move=move.flip_horizontal),
    "flip_vertical": Operation(1, False, MIRROR, move=move.flip_vertical),
    "perspective": Operation(0.25, False, "a slanted shape may be another", 0.5, change=move.perspective),
    "brightness": Operation(0.4, True, change=change.brightness),
    "contrast": Operation(0.4, True, change=change.contrast),
    "saturation": Operation(0.5, True, colour=True, change=change.saturation),
    "hue": Operation(0.05, True, "colour tells some classes apart", 0.1, colour=True, change=change.hue),
    "greyscale": Operation(1, False, "colour tells some classes apart", 0, colour=True, change=change.greyscale),
    "posterize": Operation(4, change=change.posterize),
    "solarize": Operation(0.3, False, "light and dark are exchanged", 0.4, change=change.solarize),
    "autocontrast": Operation(1, change=change.autocontrast),
    "gaussian_noise": Operation(0.08, change=change.gaussian_noise),
    "poisson_noise": Operation(0.1, change=change.poisson_noise),
    "salt_and_pepper": Operation(0.04, change=change.salt_and_pepper),
    "blur": Operation(1, False, "fine marks may go", change.BLUR, change=change.blur),
    "sharpen": Operation(1, change=change.sharpen),
    "motion_blur": Operation(1, change=change.motion_blur),
    "median": Operation(1, False, "fine marks may go", 1, change=change.median),
    "erase": Operation(0.15, False, "what matters may be covered", 0.25, change=change.erase),
}


def apply_operations(x: Tensor, steps: list[tuple[str, np.ndarray, np.ndarray]], seeds: np.ndarray) -> Tensor:
    """Rows after some operations in turn, each on its own rows; moves that follow each other are one.

    x      float32 (N, C, H, W) in [0, 1]
    steps  (name, whether the row takes part (N,) bool, values (N,)) in order
    """
    moved, pending = np.zeros(len(x), dtype=bool), move.identity(len(x))
    for name, on, values in steps:
        operation, rows = OPERATIONS[name], np.flatnonzero(on)
        if not len(rows):
            continue
        chosen = torch.from_numpy(values[rows]).float()
        if operation.move:
            pending[rows] = operation.move(chosen, seeds[rows], (x.shape[2], x.shape[3])) @ pending[rows]
            moved[rows] = True
        elif operation.change:
            x = _settle(x, rows, moved, pending)
            x = _put(x, rows, operation.change(x[rows], chosen, seeds[rows]).clamp(0, 1))
    return _settle(x, np.arange(len(x)), moved, pending)


def _settle(x: Tensor, rows: np.ndarray, moved: np.ndarray, matrices: Tensor) -> Tensor:
    """Carry out the moves that these rows have put off; other rows go on waiting, so that none depends on its mates."""
    rows = rows[moved[rows]]
    if len(rows):
        x = _put(x, rows, move.warped(x[rows], matrices[rows]).clamp(0, 1))
        moved[rows], matrices[rows] = False, move.identity(len(rows))
    return x


def _put(x: Tensor, rows: np.ndarray, changed: Tensor) -> Tensor:
    if len(rows) == len(x):
        return changed
    x = x.clone()
    x[rows] = changed
    return x
