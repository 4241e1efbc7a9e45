"""gensynth: from an imbalanced labelled data set to a balanced one, with proof of what it is worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gensynth.models.generator import Generator
    from gensynth.training.bundle import Bundle

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`evaluate`, `balance` and `ClassBalancer` of `gensynth.api`, imported when they are asked for."""
    if name in ("evaluate", "balance", "ClassBalancer"):
        from gensynth import api

        return getattr(api, name)
    raise AttributeError(f"module 'gensynth' has no attribute {name!r}")


def load(path: str | Path, model: type[Generator] | None = None) -> Bundle:
    """Load a generator bundle; `model` is your own Generator class where it is not part of the package."""
    from gensynth.training.bundle import load_bundle

    return load_bundle(Path(path), model)
