"""The judge of every kind of rows: a classifier trained on real train rows."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from gensynth.data.kinds import modality_of, sight_of
from gensynth.models.judge import Judge, judge_steps
from gensynth.models.picture_judge import PictureJudge
from gensynth.models.table_judge import TableJudge
from gensynth.models.text_judge import TextJudge
from gensynth.types import LabelledData


class AnyJudge(Protocol):
    """A classifier of rows x in source units.

    on_pictures  the network that sees the rows as pictures, whose last hidden layer is a feature space; None for others
    """

    @property
    def sha256(self) -> str: ...

    @property
    def on_pictures(self) -> Judge | None: ...

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """float64 (N, K)."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Most probable class, int64 (N,)."""


def fit_judge(train: LabelledData, seed: int) -> AnyJudge:
    """The classifier of the rows' kind, classes weighted equally."""
    kind = modality_of(train.schema)
    return (kind.classifier or JUDGES.get(kind.name, _usual))(train, seed)


def _usual(train: LabelledData, seed: int) -> AnyJudge:
    see = sight_of(train.schema)
    return PictureJudge.fit(train, see, seed) if see else TableJudge.fit(train, seed=seed, balanced=True)


def _of_images(train: LabelledData, seed: int) -> AnyJudge:
    shape, classes = train.x.shape[1:], len(train.schema.classes)
    steps = judge_steps(len(train), shape)
    return Judge.fit(train.x, train.y, num_classes=classes, seed=seed, steps=steps, balanced=True)


JUDGES = {"image": _of_images, "text": lambda train, seed: TextJudge.fit(train, seed=seed, balanced=True)}
