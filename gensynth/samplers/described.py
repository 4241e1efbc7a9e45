"""What operations.yaml says of the operations on rows of a kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml


@dataclass(frozen=True)
class Described:
    """One operation; the file explains the words."""

    strength: float = 1.0
    signed: bool = False
    risk: str = ""
    safe: float = 0.0
    colour: bool = False
    least: float = 0.0
    most: float = 1.0
    needs: str = ""
    lists: bool = False
    usual: Mapping[str, float] = field(default_factory=dict)

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


def operations_of(kind: str) -> dict[str, Described]:
    """Every operation on rows of a kind, by name."""
    text = (Path(__file__).parent / "operations.yaml").read_text(encoding="utf-8")
    return {name: Described(**facts) for name, facts in yaml.safe_load(text)[kind].items()}
