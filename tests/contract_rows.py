"""Small rows of every kind, and the settings that the contract tests run every file of a group at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from conftest import stripes

from gensynth.data.sources import MASK
from gensynth.data.table_source import read_breast_cancer
from gensynth.errors import UsageError
from gensynth.steps.component import Component
from gensynth.types import LabelledData, Schema

TEXTS = [f"Call {i} now, dear friend! The {word} is late and we wait." for i in range(30) for word in ("train", "bus")]


def tones() -> LabelledData:
    """Half a second of two tones, some recordings with silence at the end."""
    t = np.arange(2000) / 4000
    x = np.stack([np.sin(2 * np.pi * (300 + 400 * (i % 2) + i) * t) * (t < 0.3 + 0.01 * i) for i in range(60)])
    schema = Schema("audio", ("low", "high"), {"sample_rate_hz": 4000, "samples": 2000})
    return LabelledData.of_real((0.5 * x).astype(np.float32), np.arange(60) % 2, schema)


def texts() -> LabelledData:
    fields = {"columns": [], "label": "label", "text": "text", "order": ["label", "text"]}
    return LabelledData.of_real(np.array(TEXTS, object), np.arange(60) % 2, Schema("text", ("train", "bus"), fields))


TABLE = read_breast_cancer().data
IMAGES = stripes(30, (3, 12, 10))
MASKS = np.where(IMAGES.x.max(axis=1) > 110, 255, 0).astype(np.uint8)
DATA = {
    "image": replace(IMAGES, groups={MASK: MASKS}),
    "table": TABLE[np.r_[0:60, 300:420]],
    "text": texts(),
    "audio": tones(),
}


def numbers_of(params: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Places of the numbers among settings, those of settings inside settings too."""
    found: list[tuple[str, ...]] = []
    for key, value in params.items():
        if isinstance(value, Mapping):
            found += [(key, *rest) for rest in numbers_of(value)]
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append((key,))
    return found


def two_others(component: Component, place: tuple[str, ...]) -> list[Any]:
    """The object at two other values of one number, where it takes them: half and double, else what is near.

    An operation stands alone, on every row and allowed, so that its number is seen.
    """
    found = []
    for value in _values(_at(component.params, place)):
        try:
            found.append(_with(component, place, value).build())
        except UsageError:
            continue
        if len(found) == 2:
            break
    return found


def _values(number: float) -> Iterator[float]:
    """Candidates, of the number's own type and none of them the number itself."""
    near = (
        number / 2,
        number * 2,
        number * 1.5,
        number * 0.9,
        number + 0.5,
        1,
        2,
        number - 0.5,
        0.5,
        number + 0.05,
        number + 0.02,
    )
    yield from dict.fromkeys(v for v in map(type(number), near) if v != number)


def _at(params: Mapping[str, Any], place: tuple[str, ...]) -> float:
    return _at(params[place[0]], place[1:]) if place[1:] else params[place[0]]


def _with(component: Component, place: tuple[str, ...], value: float) -> Component:
    if place[0] != "operations":
        return replace(component, params={**component.params, place[0]: value})
    name, key = place[1:]
    one = {**component.params["operations"][name], "probability": 1.0, key: value}
    return replace(component, params={**component.params, "operations": {name: one}, "allow": [name]})
