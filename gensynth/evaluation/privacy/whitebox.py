"""What a released model adds to an attack on membership: scores of rows by its own networks.

A bundle holds the networks that draw, and an encoder where there is one; it never holds a discriminator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gensynth.data.modality import Codec
from gensynth.models.generator import Generator
from gensynth.types import LabelledData

CHUNK = 512
WITH_MODEL = "rows+model"


@dataclass(frozen=True)
class ModelAttack:
    """An attack's name, what an attacker must hold for it, and its scores: rows -> (N,), higher for likely members."""

    attack: str
    release: str
    score: Callable[[LabelledData], np.ndarray]


def model_attacks(generator: Generator, codec: Codec) -> list[ModelAttack]:
    """Attacks with what a bundle holds: evidence bound and reconstruction of rows, where it has an encoder."""
    nothing = torch.zeros(1, *generator.space.shape, device=generator.device)
    names = in_evaluation(generator, generator.membership_scores, nothing, np.zeros(1, np.int64))

    def attack(name: str) -> ModelAttack:
        def score(rows: LabelledData) -> np.ndarray:
            return in_evaluation(generator, generator.membership_scores, codec.encode(rows.x), rows.y)[name]

        return ModelAttack(name, WITH_MODEL, score)

    return [attack(name) for name in names]


@torch.no_grad()
def in_evaluation(
    generator: Generator, scores: Callable[[Tensor, Tensor], dict[str, Tensor]], x: Tensor, y: np.ndarray
) -> dict[str, np.ndarray]:
    """{name: float64 (N,)} of rows (N, *shape), CHUNK at a time, networks in evaluation mode."""
    training = generator.training
    generator.eval()
    labels = torch.as_tensor(y, dtype=torch.long)
    try:
        parts = [
            scores(rows.to(generator.device), of_rows.to(generator.device))
            for rows, of_rows in zip(x.split(CHUNK), labels.split(CHUNK), strict=True)
        ]
    finally:
        generator.train(training)
    return {name: torch.cat([part[name] for part in parts]).double().cpu().numpy() for name in parts[0]}
