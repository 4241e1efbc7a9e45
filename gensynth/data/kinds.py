"""The built-in kinds of data, and those that a reader of your own brings; see `modality.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from gensynth.data.audio import AudioCodec, mel_pixels
from gensynth.data.facts import audio_facts, image_facts, table_facts, text_facts
from gensynth.data.image import ImageCodec
from gensynth.data.modality import Codec, Modality, Points, flat
from gensynth.data.source import Source
from gensynth.data.sources import read_path
from gensynth.data.table import TableCodec, TablePoints, modelled_columns
from gensynth.data.table_form import form_of, own_suffix
from gensynth.data.table_source import read_table
from gensynth.data.text import TextPoints
from gensynth.data.text_source import read_text
from gensynth.errors import DataError, UsageError
from gensynth.types import LabelledData, Schema

LONGEST_SECONDS = 3600.0


def modality_of(schema: Schema) -> Modality:
    """The record of rows of this schema."""
    return modality_named(schema.modality)


def modality_named(name: str) -> Modality:
    """The record of that name; UsageError where no module that was imported brings one."""
    if name not in KINDS and name not in _BROUGHT:
        raise UsageError(f"rows of kind {name} are not known; name the package of their reader with trust=[PACKAGE]")
    return KINDS[name] if name in KINDS else _BROUGHT[name]


def usual_format(schema: Schema) -> str:
    """What `sample` writes rows as where nobody says it: what they came in, else the first format of their kind."""
    formats = modality_of(schema).formats
    own = own_suffix(schema.fields).lstrip(".")
    return own if own in formats else formats[0]


def kind_names() -> tuple[str, ...]:
    """All kinds that are known by now."""
    return (*KINDS, *_BROUGHT)


def register(one: Modality) -> Modality:
    """Make a kind of your own known, at the top level of the module that holds its reader; the same record comes back.

    UsageError for a name of a built-in kind.
    """
    if one.name in KINDS:
        raise UsageError(f"rows of kind {one.name} are gensynth's own; give yours another name")
    _BROUGHT[one.name] = one
    return one


def fit_codec(train: LabelledData) -> Codec:
    """The codec of the rows' kind, which turns source units into tensors and back, fitted on train rows only."""
    return _codec_of(train.schema.modality).fit(train)


def load_codec(modality: str, state: dict[str, Any], num_classes: int) -> Codec:
    """Inverse of `codec.state()`; UsageError for an unknown kind, DataError for a malformed state."""
    return _codec_of(modality).from_state(state, num_classes)


def _codec_of(modality: str) -> type[Codec]:
    codec = modality_named(modality).codec
    if codec is None:
        raise UsageError(f"no generator learns rows of kind {modality}")
    return codec


def sight_of(schema: Schema) -> Callable[[np.ndarray], np.ndarray] | None:
    """Rows x -> their pictures uint8 (N, C, H, W); None for kinds without."""
    pictures = modality_of(schema).pictures
    return None if pictures is None else partial(pictures, schema)


def points_of(train: LabelledData) -> Points:
    """Rows x -> float32 (N, P) in which near means alike: pixels or spectra in [0, 1], scaled cells, weighted words."""
    return modality_of(train.schema).points(train)


def _shown(schema: Schema, x: np.ndarray) -> np.ndarray:
    return x


def _spectra(schema: Schema, x: np.ndarray) -> np.ndarray:
    return mel_pixels(x, schema.fields["sample_rate_hz"])


def _pixel_points(x: np.ndarray) -> np.ndarray:
    return flat(x).astype(np.float32) / 255


def _images_like(
    path: str, like: Schema, *, label: str, groups: list[str], written: bool, form: Mapping[str, Any]
) -> Source:
    """Of the size of others, and by the range that they were scaled with."""
    given: dict[str, Any] = {"image_size": (like.fields["height"], like.fields["width"])}
    given["range"] = like.fields.get("ranges", {})
    return read_path(path, label=label, min_classes=1, allow_lost=like.classes, **given)


def _sounds_like(
    path: str, like: Schema, *, label: str, groups: list[str], written: bool, form: Mapping[str, Any]
) -> Source:
    """At the rate and length of others; longer files are cut, not refused."""
    rate = like.fields["sample_rate_hz"]
    seconds = like.fields["samples"] / rate
    given: dict[str, Any] = {"sample_rate_hz": rate, "seconds": seconds, "max_seconds": LONGEST_SECONDS}
    return read_path(path, label=label, min_classes=1, allow_lost=like.classes, **given)


def _form(like: Schema, written: bool, form: Mapping[str, Any]) -> dict[str, Any]:
    """How tables are written: gensynth's own as their schema says, others as a person says."""
    return form_of(like.fields) if written else dict(form)


def _table_like(
    path: str, like: Schema, *, label: str, groups: list[str], written: bool, form: Mapping[str, Any]
) -> Source:
    return read_table(path, label=label, like=like, groups=groups, min_classes=1, **_form(like, written, form))


def _texts_like(
    path: str, like: Schema, *, label: str, groups: list[str], written: bool, form: Mapping[str, Any]
) -> Source:
    text = like.fields["text"]
    given: dict[str, Any] = {"text": text, "label": label, "like": like, "groups": groups, "allow_lost": like.classes}
    return read_text(path, min_classes=1, **given, **_form(like, written, form))


def _in_channels(x: np.ndarray, like: Schema, name: str) -> np.ndarray:
    """Images (N, C, H, W) with the channels of others: grey ones are repeated."""
    channels = like.fields["channels"] if "channels" in like.fields else x.shape[1]
    if x.shape[1] > channels:
        raise DataError(f"{name} is in colour, the real data is grey")
    return np.repeat(x, channels, axis=1) if x.shape[1] < channels else x


def _image_size(given: Mapping[str, Any], source: Source) -> str:
    if source.recoloured:
        return "found"
    return "asked" if given.get("image_size") else "found" if source.resized else "same"


def _sound_size(given: Mapping[str, Any], source: Source) -> str:
    return "asked" if given.get("seconds") and given.get("sample_rate_hz") else "found"


IMAGE = Modality(
    "image",
    points=lambda train: _pixel_points,
    raw="pixels",
    pictures=_shown,
    codec=ImageCodec,
    codec_fitted=False,  # pixels and sound are scaled by constants
    formats=("folder", "npz"),
    ending=lambda schema: ".png",
    read_like=_images_like,
    fitting=_in_channels,
    row_size=_image_size,
    facts=image_facts,
)
TABLE = Modality(
    "table",
    points=lambda train: TablePoints(modelled_columns(train.schema.fields), train.x).transform,
    raw="cells",
    codec=TableCodec,
    columns=lambda schema: modelled_columns(schema.fields),
    in_files=False,
    formats=("csv", "tsv", "jsonl", "parquet"),
    ending=lambda schema: "",
    read_like=_table_like,
    facts=table_facts,
)
AUDIO = Modality(
    "audio",
    points=lambda train: lambda x: _pixel_points(_spectra(train.schema, x)),
    raw="spectra",
    pictures=_spectra,
    codec=AudioCodec,
    codec_fitted=False,
    ending=lambda schema: schema.fields["ending"],
    read_like=_sounds_like,
    row_size=_sound_size,
    facts=audio_facts,
)
TEXT = Modality(
    "text",
    points=lambda train: TextPoints(train.x).transform,
    raw="words",
    in_files=False,
    formats=(),
    ending=lambda schema: "",
    read_like=_texts_like,
    facts=text_facts,
)
KINDS = {one.name: one for one in (IMAGE, TABLE, TEXT, AUDIO)}
_BROUGHT: dict[str, Modality] = {}
