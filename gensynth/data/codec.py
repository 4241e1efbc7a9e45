"""Codecs by the kind of rows: what turns source units into tensors and back, fitted on train rows only."""

from __future__ import annotations

from typing import Any

from gensynth.data.kinds import modality_named
from gensynth.data.modality import Codec
from gensynth.errors import UsageError
from gensynth.types import LabelledData

__all__ = ["Codec", "fit_codec", "load_codec"]


def fit_codec(train: LabelledData) -> Codec:
    """The codec of the rows' kind, fitted on them."""
    return _codec_of(train.schema.modality).fit(train)


def load_codec(modality: str, state: dict[str, Any], num_classes: int) -> Codec:
    """Inverse of `codec.state()`; UsageError for an unknown kind, DataError for a malformed state."""
    return _codec_of(modality).from_state(state, num_classes)


def _codec_of(modality: str) -> type[Codec]:
    codec = modality_named(modality).codec
    if codec is None:
        raise UsageError(f"no generator learns rows of kind {modality}")
    return codec
