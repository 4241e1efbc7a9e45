"""Codecs by modality: what turns source units into tensors and back, fitted on train rows only."""

from __future__ import annotations

from typing import Any

from gensynth.data.audio import AudioCodec
from gensynth.data.image import ImageCodec
from gensynth.data.table import TableCodec
from gensynth.types import LabelledData

Codec = ImageCodec | TableCodec | AudioCodec
# Kinds of rows that a network can learn.
CODECS: dict[str, type[ImageCodec] | type[TableCodec] | type[AudioCodec]] = {
    "image": ImageCodec,
    "table": TableCodec,
    "audio": AudioCodec,
}


def fit_codec(train: LabelledData) -> Codec:
    """The codec of the rows' modality, fitted on them."""
    return CODECS[train.schema.modality].fit(train)


def load_codec(modality: str, state: dict[str, Any], num_classes: int) -> Codec:
    """Inverse of `codec.state()`; KeyError for an unknown modality, DataError for a malformed state."""
    return CODECS[modality].from_state(state, num_classes)
