"""The judge of every kind of rows: a classifier trained on real train rows."""

from __future__ import annotations

from gensynth.models.audio_judge import AudioJudge
from gensynth.models.judge import Judge, judge_steps
from gensynth.models.table_judge import TableJudge
from gensynth.models.text_judge import TextJudge
from gensynth.types import LabelledData

AnyJudge = Judge | TableJudge | TextJudge | AudioJudge


def fit_judge(train: LabelledData, seed: int) -> AnyJudge:
    """The classifier of the rows' modality, classes weighted equally."""
    modality = train.schema.modality
    if modality == "table":
        return TableJudge.fit(train, seed=seed, balanced=True)
    if modality == "text":
        return TextJudge.fit(train, seed=seed, balanced=True)
    if modality == "audio":
        return AudioJudge.fit(train, seed=seed)
    shape, classes = train.x.shape[1:], len(train.schema.classes)
    steps = judge_steps(len(train), shape)
    return Judge.fit(train.x, train.y, num_classes=classes, seed=seed, steps=steps, balanced=True)
