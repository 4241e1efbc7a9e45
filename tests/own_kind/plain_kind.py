"""A kind that brings nothing but its name and a reader: everything else is what gensynth does with numbers."""

from __future__ import annotations

from dataclasses import replace

import series_kind

from gensynth.data.kinds import register
from gensynth.data.modality import Modality
from gensynth.data.source import Source

register(Modality("plain_series"))


def read_series(path: str) -> Source:
    source = series_kind.read_series(path)
    return replace(source, data=replace(source.data, schema=replace(source.data.schema, modality="plain_series")))
