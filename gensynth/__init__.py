"""gensynth: from an imbalanced labelled data set to a balanced one, with proof of what it is worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gensynth.models.generator import Generator
    from gensynth.training.bundle import Bundle

__version__ = "0.1.0"


def load(path: str | Path, model: type[Generator] | None = None) -> Bundle:
    """Load a generator bundle; `model` is your own Generator class where it is not part of the package."""
    from gensynth.training.bundle import load_bundle

    return load_bundle(Path(path), model)
