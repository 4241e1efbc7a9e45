"""How much of a generator's training rows its own networks give away, and what holding it back costs.

    python scripts/bench_overfit.py only=digits seeds=3
    python scripts/bench_overfit.py shared=../shared only=cells,mammography ways='model.patience=0|model.patience=5'

Each way of training, some words of the command line between bars, is trained through the same functions as `gensynth
train` and scored on rows of the same split:

membership  the larger of the model's two attacks: area under the curve of train against held-out rows within a class,
            mean over classes weighted by held-out rows; .5 is none
rows        the same of the nearest drawn row, which needs no model
tstr        balanced accuracy on test rows of the package's classifier of rows, trained on as many drawn rows a class
            as the largest class has, at most 500
coverage    of test rows by as many drawn ones in points of the modality, k = 5, and recall; real: by train rows
"""

from __future__ import annotations

import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bench_words import read_words
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from gensynth.cli import compose
from gensynth.data.kinds import points_of
from gensynth.evaluation.metrics.support import prdc
from gensynth.evaluation.privacy.whitebox import model_attacks
from gensynth.models.classifiers import fit_row_classifier
from gensynth.neighbours import nearest_distances
from gensynth.samplers.generator import GeneratorSampler
from gensynth.steps.read import SplitData, look
from gensynth.steps.train import trained
from gensynth.training.bundle import Bundle
from gensynth.types import LabelledData

MOST_DRAWN, MOST_SCORED = 500, 2_000
WAYS = "model.weight_decay=0.01 model.patience=0|"  # what it was, and the defaults


def sources(names: list[str], shared: Path, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Words of the command line that name each data set and a budget."""
    bare = ["data.header=false"]
    known = {
        "digits": ["digits_longtail", "trainer.max_samples=180000"],
        "fashion": [str(shared / "data/fashion-mnist"), "data.long_tail=[3000,30]", "trainer.max_samples=300000"],
        "cells": [str(folder / "cells"), "trainer.max_samples=60000"],
        "adult": [str(shared / "data/adult/adult-train.csv"), *bare, "data.label=14", "trainer.max_samples=600000"],
        "mammography": [str(shared / "data/mammography/mammography.csv"), *bare, "data.label=6"],
    }
    known["mammography"].append("trainer.max_samples=600000")
    for name in names:
        if name == "cells":
            some_cells(shared, folder / "cells")
        yield name, known[name]


def some_cells(shared: Path, folder: Path) -> None:
    """Class folders of 210 single cells: 150, 40 and 20."""
    with zipfile.ZipFile(shared / "data/bccd/bccd-crops-64.zip") as archive:
        for kind, count in (("RBC", 150), ("WBC", 40), ("Platelets", 20)):
            found = sorted(n for n in archive.namelist() if f"train/{kind}/" in n and n.endswith(".jpg"))
            (folder / kind).mkdir(parents=True, exist_ok=True)
            for name in found[:count]:
                (folder / kind / Path(name).name).write_bytes(archive.read(name))


def within_classes(members: np.ndarray, y: np.ndarray, others: np.ndarray, other_y: np.ndarray) -> float:
    """Area under the curve, mean over classes weighted by rows of the second side."""
    values, sizes = [], []
    for c in np.unique(other_y):
        a, b = members[y == c], others[other_y == c]
        if len(a) and len(b):
            values.append(roc_auc_score(np.r_[np.ones(len(a)), np.zeros(len(b))], np.r_[a, b]))
            sizes.append(len(b))
    return float(np.average(values, weights=sizes))


def drawn(bundle: Bundle, count: int) -> LabelledData:
    classes = len(bundle.schema.classes)
    seeds = np.arange(count * classes, dtype=np.uint64)
    return GeneratorSampler().use(bundle).sample(np.repeat(np.arange(classes), count), seeds)


def some(rows: LabelledData, count: int = MOST_SCORED) -> LabelledData:
    return rows[np.sort(np.random.default_rng(0).permutation(len(rows))[:count])]


def scores(bundle: Bundle, data: SplitData) -> dict[str, float]:
    train, held = some(data.train), some(LabelledData.concat([data.val, data.test]))
    test = some(data.test)
    synthetic = drawn(bundle, min(MOST_DRAWN, int(data.train.counts().max())))
    points = points_of(LabelledData.concat([data.train, held]))

    def auc(score) -> float:
        return within_classes(score(train), train.y, score(held), held.y)

    def near(rows: LabelledData) -> np.ndarray:
        return -nearest_distances(points(rows.x), points(synthetic.x), 1)[0][:, 0]

    classifier = fit_row_classifier(synthetic, 0)
    counts = test.counts()
    alike = np.concatenate([np.flatnonzero(synthetic.y == c)[:n] for c, n in enumerate(counts)])
    both = {"real": some(data.train, len(test)), "drawn": synthetic[alike]}
    found = {k: prdc(real=points(test.x), fake=points(rows.x)) for k, rows in both.items()}
    return {
        "membership": max(auc(attack.score) for attack in model_attacks(bundle.generator, bundle.codec)),
        "rows": auc(near),
        "tstr": balanced_accuracy_score(test.y, classifier.predict(test.x)),
        "coverage": found["drawn"]["coverage"],
        "recall": found["drawn"]["recall"],
        "coverage_real": found["real"]["coverage"],
    }


def run(words: list[str], seed: int) -> dict[str, float]:
    """One training of those words."""
    with tempfile.TemporaryDirectory() as folder:
        job = compose("train", [*words, f"seed={seed}", "logger=none", "trainer=cpu", f"out={folder}/run"])
        with job.open_out() as opened:
            data = look(job, opened)
            begun = time.monotonic()
            bundle = trained(job, job.out, data, begun, resume=False)
        seconds = time.monotonic() - begun
        passes = bundle.facts["training"]["samples_seen"] / len(data.train)
        return scores(bundle, data) | {"passes": passes, "seconds": seconds, "rows_trained": len(data.train)}


def main(words: list[str]) -> None:
    defaults = {"shared": "../shared", "only": "digits", "seeds": "1", "first": "0", "ways": WAYS, "words": ""}
    options = read_words(words, defaults)
    with tempfile.TemporaryDirectory() as folder:
        for name, source in sources(options["only"].split(","), Path(options["shared"]), Path(folder)):
            for way in options["ways"].split("|"):
                first = int(options["first"])
                seeds = range(first, first + int(options["seeds"]))
                found = [run([*source, *options["words"].split(), *way.split()], seed) for seed in seeds]
                values = {key: np.array([line[key] for line in found]) for key in found[0]}
                text = "  ".join(f"{k} {v.mean():.3f} ({v.min():.3f} to {v.max():.3f})" for k, v in values.items())
                print(f"{name:11} {way or 'as it is':45} {text}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
