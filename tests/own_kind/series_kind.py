"""A kind of rows that gensynth does not know: series of T numbers, as a file of your own would bring it."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from gensynth import rng
from gensynth.data.image import contact_sheet, png_bytes
from gensynth.data.kinds import register
from gensynth.data.modality import Modality
from gensynth.data.source import Source, source_hash
from gensynth.samplers.transform import Transform
from gensynth.types import Block, LabelledData, Schema, Space

HEIGHT = 12


def read_series(path: str) -> Source:
    """Lines of a label and T numbers."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    classes = tuple(sorted({line[0] for line in lines}))
    x = np.array([line[1:] for line in lines], np.float64)
    y = np.array([classes.index(line[0]) for line in lines])
    data = LabelledData.of_real(x, y, Schema("series", classes, {"length": x.shape[1]}))
    return Source(data, np.full(len(x), ""), {}, (), (f"{len(x)} series",), source_hash(data))


def plots(schema: Schema, x: np.ndarray) -> np.ndarray:
    """Series (N, T) within [-2, 2] as curves uint8 (N, 1, 12, T)."""
    place = np.clip(np.rint((2 - x) / 4 * (HEIGHT - 1)), 0, HEIGHT - 1)
    return (np.arange(HEIGHT)[:, None] == place[:, None, None]).astype(np.uint8) * 255


class SeriesCodec:
    """Series (N, T) <-> standardised numbers (N, T, 2), as the networks of tables take them."""

    def __init__(self, mean: list[float], scale: list[float], num_classes: int) -> None:
        self.mean, self.scale = mean, scale
        self.space = Space((len(mean), 2), num_classes, (Block(1, "number"),) * len(mean))

    @classmethod
    def fit(cls, train: LabelledData) -> SeriesCodec:
        return cls(train.x.mean(0).tolist(), (train.x.std(0) + 1e-6).tolist(), len(train.schema.classes))

    def encode(self, x: np.ndarray) -> torch.Tensor:
        numbers = torch.from_numpy((x - np.array(self.mean)) / np.array(self.scale)).float()
        return torch.stack([torch.zeros_like(numbers), numbers], dim=2)

    def decode(self, t: torch.Tensor) -> np.ndarray:
        return t[..., 1].double().numpy() * np.array(self.scale) + np.array(self.mean)

    def picture(self, x: torch.Tensor) -> bytes:
        sheet = contact_sheet([plots(Schema("series", ()), self.decode(rows)) for rows in x], scale=2)
        return png_bytes(sheet.transpose(2, 0, 1))

    def state(self) -> dict:
        return {"mean": self.mean, "scale": self.scale}

    @classmethod
    def from_state(cls, state: dict, num_classes: int) -> SeriesCodec:
        return cls(state["mean"], state["scale"], num_classes)


class SeriesJudge:
    """Logistic regression on the numbers."""

    def __init__(self, train: LabelledData, seed: int) -> None:
        self.model = LogisticRegression(max_iter=300, class_weight="balanced").fit(train.x, train.y)
        self.sha256 = hashlib.sha256(self.model.coef_.tobytes()).hexdigest()

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        return self.model.predict_proba(x) if len(x) else np.zeros((0, len(self.model.classes_)))

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.probabilities(x).argmax(axis=1)


class Louder(Transform):
    """Real series, scaled by a factor near one."""

    name, modalities = "louder", ("series",)

    def change(self, x: np.ndarray, labels: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        factor = 1 + 0.1 * rng.normal(seeds, 1, stream="louder")
        return x * factor, np.array([f'{{"factor": {f:.6f}}}' for f in factor[:, 0]])


def flat_noise(x: np.ndarray, seed: int) -> np.ndarray:
    return rng.numpy_generator(seed, "series", "floor").uniform(-1, 1, x.shape)


def smoothed(rows: LabelledData, seed: int) -> LabelledData:
    from dataclasses import replace

    return replace(rows, x=(rows.x + np.roll(rows.x, 1, axis=1) + np.roll(rows.x, -1, axis=1)) / 3)


register(
    Modality(
        "series",
        points=lambda train: lambda x: x.astype(np.float32),
        raw="numbers",
        pictures=plots,
        codec=SeriesCodec,
        learned_as="table",
        ending=lambda schema: ".txt",
        encode=lambda schema, x, xmp: " ".join(map(repr, x.tolist())).encode(),
        read_like=lambda path, like, **words: read_written(path, like),
        classifier=SeriesJudge,
        floor=flat_noise,
        spoil={"blur": smoothed},
        fallback=Louder,
    )
)


def read_written(path: str, like: Schema) -> Source:
    """A data set that gensynth wrote of series."""
    names, x, y, origin, split = [], [], [], [], []
    for part in ("train", "val", "test"):
        with (Path(path) / part / "metadata.csv").open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                name = f"{part}/{line['file_name']}"
                names.append(name)
                x.append([float(word) for word in (Path(path) / name).read_text().split()])
                y.append(like.index(line["label"]))
                origin.append(line["source"])
                split.append(part)
    ids = np.array(names)
    parent = np.where(np.array(origin) == "real", ids, "")
    data = LabelledData(np.array(x), np.array(y), like, ids, np.array(origin), parent)
    return Source(data, np.array(split), {}, (), (f"{len(x)} series",), source_hash(data))
