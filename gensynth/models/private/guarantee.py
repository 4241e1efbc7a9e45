"""What every generator with differential privacy keeps: its guarantee, and the key of its noise while it is trained."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gensynth.errors import UsageError
from gensynth.models.generator import Generator
from gensynth.models.private import secret


class PrivateGenerator(Generator):
    """A generator with a DP guarantee; its noise comes from `key`, which is erased when the last noise was drawn.

    epsilon, delta  what one row, added or removed, can change; delta below 1 / rows
    noise_seed      null: a secret of the operating system; a number repeats a run and invalidates the guarantee
    """

    private = True
    key: Tensor

    def keep_guarantee(self, epsilon: float, delta: float, noise_seed: int | None, **above_zero: float) -> None:
        """Note what is guaranteed, and a key; UsageError for numbers that guarantee nothing or are not above zero."""
        for name, value in {"epsilon": epsilon, **above_zero}.items():
            if not 0 < value < math.inf:
                raise UsageError(f"model.{name} must be above 0, got {value}")
        if noise_seed is not None and type(noise_seed) is not int:
            raise UsageError(f"model.noise_seed must be a whole number or null, got {noise_seed!r}")
        if not 0 < delta * self.num_rows < 1:
            raise UsageError(
                f"model.delta={delta:g} with {self.num_rows} training rows: it must lie between 0 and 1 / rows, "
                "or rows could be given away whole"
            )
        self.epsilon, self.delta = epsilon, delta
        self.noise_source = "system" if noise_seed is None else "recorded"
        key = secret.fresh_key() if noise_seed is None else secret.recorded_key(noise_seed)
        self.register_buffer("key", torch.tensor(list(key), dtype=torch.uint8))

    def _key(self) -> bytes:
        return bytes(self.key.tolist())
