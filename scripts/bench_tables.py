"""Quality of the table generators for a stated training time; appends rows to a CSV and prints them.

    python scripts/bench_tables.py shared=../shared only=adult_cvae seeds=1
    python scripts/bench_tables.py shared=../shared            # everything, three seeds

Every arm trains through the same functions as `gensynth train` and is scored by the scorers below, written
down here once and apart from the package's own metrics. Arms: adult_cvae, adult_cgan, adult_holdout (real test
rows in place of made ones), adult_shuffled (columns of train shuffled), continuous_cvae (30 continuous columns),
ten_cvae (10 continuous columns), mixed_cvae (23 mixed columns). `words=` are further words of the command line.
"""

from __future__ import annotations

import csv
import shlex
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from bench_words import read_words
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import NearestNeighbors

from gensynth import rng
from gensynth.cli import compose
from gensynth.data.columns import cells_of, describe, values_of
from gensynth.data.split import split_rows
from gensynth.data.table import TableCodec
from gensynth.models.generator import Generator
from gensynth.steps.train import train_generator
from gensynth.training.bundle import load_bundle
from gensynth.types import LabelledData, Schema

ADULT = [
    *("age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship"),
    *("race", "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "income"),
]
COLUMNS = (
    "date",
    "arm",
    "seed",
    "minutes",
    "train_seconds",
    "samples_seen",
    "shape",
    "trend",
    "c2st_train",
    "c2st_test",
    "auc",
    "ap",
    "balanced_accuracy",
    "auc_real",
    "nearer_train",
    "near_copies",
    "near_copies_holdout",
    "shape_minority",
    "shape_majority",
)
C2ST_ROWS, DISTANCE_ROWS = 20_000, 5_000


# ---- data -----------------------------------------------------------------------------------------


def adult(shared: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Adult's own train and test files as text; blanks round cells and the test labels' full stops removed."""
    sides = []
    for name in ("adult-train.csv", "adult-test.csv"):
        frame = pd.read_csv(shared / "data/adult" / name, header=None, names=ADULT, dtype=str, keep_default_na=False)
        frame = frame.apply(lambda column: column.str.strip())
        frame["income"] = frame["income"].str.rstrip(".")
        sides.append(frame)
    return sides[0], sides[1]


def generated(rows: int, columns: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """scikit-learn's make_classification, informative, redundant and noise columns, written with 4 decimals."""
    x, y = make_classification(
        2 * rows,
        columns,
        n_informative=columns // 3,
        n_redundant=columns // 3,
        n_clusters_per_class=3,
        weights=[0.8],
        class_sep=0.8,
        random_state=seed,
    )
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(columns)]).map(lambda v: f"{v:.4f}")
    frame["label"] = y.astype(str)
    return frame[:rows].reset_index(drop=True), frame[rows:].reset_index(drop=True)


def mixed(rows: int = 14_000, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """23 columns: those of `generated`, every second one cut into levels or whole numbers."""
    sides = generated(rows, 23, seed)
    for frame in sides:
        for i, name in enumerate(frame.columns[:23]):
            values = frame[name].astype(float)
            if i % 4 == 1:
                frame[name] = pd.cut(values, [-np.inf, -2, -1, 0, 1, 2, np.inf], labels=list("abcdef")).astype(str)
            if i % 4 == 3:
                frame[name] = (np.maximum(values, 0) * 10).round().astype(int).astype(str)
    return sides


# ---- scorers --------------------------------------------------------------------------------------


class Table:
    """Typed view of text frames: numeric = number type and more than 20 distinct values in train."""

    def __init__(self, train: pd.DataFrame, label: str) -> None:
        self.label = label
        numbers = train.apply(pd.to_numeric, errors="coerce")
        self.numeric = [
            c for c in train if c != label and numbers[c].notna().mean() > 0.5 and numbers[c].nunique() > 20
        ]
        self.names = list(train.columns)
        self.levels = {
            c: {v: i for i, v in enumerate(sorted(train[c].unique()))} for c in train if c not in self.numeric
        }

    def typed(self, frame: pd.DataFrame) -> pd.DataFrame:
        out = {}
        for c in self.names:
            if c in self.numeric:
                out[c] = pd.to_numeric(frame[c], errors="coerce").astype(float)
            else:
                out[c] = frame[c].map(self.levels[c]).fillna(len(self.levels[c])).astype(float)
        return pd.DataFrame(out)


def shape(table: Table, real: pd.DataFrame, fake: pd.DataFrame) -> float:
    """Mean over columns of 1 - KS or 1 - total variation."""
    return float(np.mean([_one_shape(table, real[c].to_numpy(), fake[c].to_numpy(), c) for c in table.names]))


def _one_shape(table: Table, real: np.ndarray, fake: np.ndarray, column: str) -> float:
    if column in table.numeric:
        real, fake = np.sort(real[~np.isnan(real)]), np.sort(fake[~np.isnan(fake)])
        points = np.concatenate([real, fake])
        gap = np.searchsorted(real, points, "right") / len(real) - np.searchsorted(fake, points, "right") / len(fake)
        return 1 - float(np.abs(gap).max())
    size = len(table.levels[column]) + 1
    shares = [np.bincount(v.astype(int), minlength=size) / len(v) for v in (real, fake)]
    return 1 - 0.5 * float(np.abs(shares[0] - shares[1]).sum())


def trend(table: Table, real: pd.DataFrame, fake: pd.DataFrame) -> float:
    """Mean over all pairs of 1 - |difference of correlations| / 2 or 1 - TV of the contingency table."""
    codes = {}
    for c in table.names:
        if c in table.numeric:
            edges = np.unique(np.nanquantile(real[c], np.linspace(0.1, 0.9, 9)))
            codes[c] = [
                np.where(np.isnan(f[c]), 10, np.searchsorted(edges, f[c], "right")).astype(int) for f in (real, fake)
            ]
        else:
            codes[c] = [f[c].to_numpy().astype(int) for f in (real, fake)]
    correlation = [f[table.numeric].corr().to_numpy() for f in (real, fake)]
    scores = []
    for i, a in enumerate(table.names):
        for b in table.names[i + 1 :]:
            if a in table.numeric and b in table.numeric:
                j, k = table.numeric.index(a), table.numeric.index(b)
                scores.append(1 - abs(correlation[0][j, k] - correlation[1][j, k]) / 2)
                continue
            size = 1 + max(codes[b][0].max(), codes[b][1].max())
            joint = [codes[a][s] * size + codes[b][s] for s in (0, 1)]
            top = 1 + max(joint[0].max(), joint[1].max())
            shares = [np.bincount(v, minlength=top) / len(v) for v in joint]
            scores.append(1 - 0.5 * np.abs(shares[0] - shares[1]).sum())
    return float(np.nanmean(scores))


def boosting(table: Table, names: list[str], seed: int) -> HistGradientBoostingClassifier:
    categorical = [c not in table.numeric and len(table.levels[c]) < 255 for c in names]
    return HistGradientBoostingClassifier(categorical_features=categorical, random_state=seed)


def c2st(table: Table, real: pd.DataFrame, fake: pd.DataFrame, seed: int) -> float:
    """AUC of out-of-fold scores of boosted trees, real against made, equal n."""
    n = min(len(real), len(fake), C2ST_ROWS)
    random = np.random.default_rng(seed)
    x = np.concatenate([f.to_numpy()[random.permutation(len(f))[:n]] for f in (real, fake)])
    y, scores = np.repeat([0, 1], n), np.zeros(2 * n)
    for fit, hold in StratifiedKFold(3, shuffle=True, random_state=seed).split(x, y):
        scores[hold] = boosting(table, table.names, seed).fit(x[fit], y[fit]).predict_proba(x[hold])[:, 1]
    return float(roc_auc_score(y, scores))


def utility(table: Table, rows: pd.DataFrame, test: pd.DataFrame, seed: int) -> dict[str, float]:
    """Boosted trees trained on rows, tested on real: AUC, AP of the rarest class, balanced accuracy."""
    names = [c for c in table.names if c != table.label]
    model = boosting(table, names, seed).fit(rows[names].to_numpy(), rows[table.label])
    rare = float(
        rows[table.label].value_counts().idxmin() if test is None else test[table.label].value_counts().idxmin()
    )
    score = model.predict_proba(test[names].to_numpy())[:, list(model.classes_).index(rare)]
    truth = (test[table.label] == rare).to_numpy()
    return {
        "auc": float(roc_auc_score(truth, score)),
        "ap": float(average_precision_score(truth, score)),
        "balanced_accuracy": float(balanced_accuracy_score(test[table.label], model.predict(test[names].to_numpy()))),
    }


def distances(table: Table, train: pd.DataFrame, test: pd.DataFrame, fake: pd.DataFrame, seed: int) -> dict[str, float]:
    """Share of made rows nearer to train than to an equal holdout; near copies of made and of holdout rows."""
    random = np.random.default_rng(seed)
    n = min(len(train), len(test))
    train_rows = train.iloc[random.permutation(len(train))[:n]]
    test_rows = test.iloc[random.permutation(len(test))[:n]]
    made = fake.iloc[random.permutation(len(fake))[:DISTANCE_ROWS]]
    held = test.iloc[random.permutation(len(test))[:DISTANCE_ROWS]]
    points = {
        k: _points(table, train, f)
        for k, f in {"a": train_rows, "b": test_rows, "m": made, "h": held, "t": train}.items()
    }

    def nearest(query: np.ndarray, reference: np.ndarray, k: int) -> np.ndarray:
        return NearestNeighbors(n_neighbors=k, algorithm="brute").fit(reference).kneighbors(query)[0]

    to_train, to_test = nearest(points["m"], points["a"], 1)[:, 0], nearest(points["m"], points["b"], 1)[:, 0]
    share = (to_train < to_test - 1e-9).mean() + 0.5 * (np.abs(to_train - to_test) <= 1e-9).mean()
    copies = {k: nearest(points[k], points["t"], 2) for k in ("m", "h")}
    near = {k: float((d[:, 0] < d[:, 1] / 3).mean()) for k, d in copies.items()}
    return {"nearer_train": float(share), "near_copies": near["m"], "near_copies_holdout": near["h"]}


def _points(table: Table, train: pd.DataFrame, frame: pd.DataFrame) -> np.ndarray:
    parts = []
    for c in table.names:
        if c in table.numeric:
            low, high = np.nanquantile(train[c], [0.01, 0.99])
            scaled = ((frame[c] - low) / max(high - low, 1e-12)).clip(-1, 2).fillna(-1)
            parts.append(scaled.to_numpy()[:, None])
        else:
            common = train[c].value_counts().index[:50].to_numpy()
            parts.append((frame[c].to_numpy()[:, None] == common[None]) / np.sqrt(2))
    return np.concatenate(parts, axis=1).astype(np.float32)


def score(train: pd.DataFrame, test: pd.DataFrame, made: pd.DataFrame, label: str, seed: int) -> dict[str, float]:
    table = Table(train, label)
    real, held, fake = table.typed(train), table.typed(test), table.typed(made)
    rare = real[label].value_counts().idxmin()
    rest = Table(train.drop(columns=[label]), label)
    sides = {
        name: shape(rest, real[(real[label] == rare) == is_rare], fake[(fake[label] == rare) == is_rare])
        for name, is_rare in (("shape_minority", True), ("shape_majority", False))
    }
    return {
        "shape": shape(table, real, fake),
        "trend": trend(table, real, fake),
        "c2st_train": c2st(table, real, fake, seed),
        "c2st_test": c2st(table, held, fake, seed),
        **utility(table, fake, held, seed),
        "auc_real": utility(table, real, held, seed)["auc"],
        **distances(table, real, held, fake, seed),
        **sides,
    }


# ---- arms -----------------------------------------------------------------------------------------


def labelled(frame: pd.DataFrame, label: str) -> LabelledData:
    columns = [describe(c, frame[c].to_numpy(object)) for c in frame if c != label]
    classes = tuple(sorted(frame[label].unique()))
    x = np.stack([values_of(c, frame[c.name].to_numpy(object)) for c in columns if c.modelled], axis=1)
    schema = Schema("table", classes, {"columns": [c.to_json() for c in columns]})
    return LabelledData.of_real(x, pd.Index(classes).get_indexer(frame[label]), schema)


def train_and_draw(
    model: str, train: pd.DataFrame, label: str, minutes: float, seed: int, words: list[str]
) -> tuple[pd.DataFrame, dict]:
    """Train for the stated minutes and draw as many rows of each class as train has.

    As in `gensynth balance` with `data.test`, a tenth of the rows is not learned from but watched.
    """
    data = labelled(train, label)
    keys = [f"trainer.max_minutes={minutes}", f"seed={seed}", "logger=none", *words]
    job = compose("train", ["breast_cancer", f"model={model}", *keys])
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        split = split_rows(data, (0.9, 0.1, 0.0), rng.child(seed, "split"), np.full(len(data), ""), None)
        train_generator(job, data[split == "train"], data[split == "val"], "", Path(folder), begun)
        seconds = time.monotonic() - begun
        bundle = load_bundle(Path(folder) / "generator")
    facts = {"train_seconds": round(seconds, 1), "samples_seen": bundle.facts["training"]["samples_seen"]}
    return drawn(bundle.generator, bundle.codec, data, seed, list(train.columns), label), facts


def drawn(
    generator: Generator, codec: TableCodec, data: LabelledData, seed: int, order: list[str], label: str
) -> pd.DataFrame:
    """As many made rows of each class as `data` has, as text, with the columns in `order`."""
    parts = []
    for k, n in enumerate(data.counts()):
        x = codec.decode(generator.sample(np.full(n, k), rng.row_seeds(seed, str(k), 0, int(n))))
        cells = {c.name: cells_of(c, x[:, j]) for j, c in enumerate(codec.columns)}
        parts.append(pd.DataFrame(cells | {label: data.schema.classes[k]}))
    return pd.concat(parts, ignore_index=True)[order]


ARMS = {
    "adult_cvae": 1.5,
    "adult_cgan": 2.0,
    "continuous_cvae": 3.0,
    "ten_cvae": 1.5,
    "mixed_cvae": 1.5,
    "adult_holdout": 0.0,
    "adult_shuffled": 0.0,
}


def sides_of(name: str, shared: Path) -> tuple[tuple[pd.DataFrame, pd.DataFrame], str]:
    """(train, test) and the label column of a data set."""
    if name == "adult":
        return adult(shared), "income"
    sides = {"continuous": lambda: generated(11_000, 30), "ten": lambda: generated(14_000, 10), "mixed": mixed}
    return sides[name](), "label"


def run_arm(arm: str, seed: int, shared: Path, minutes: float, words: list[str]) -> dict:
    data, what = arm.split("_", 1)
    (train, test), label = sides_of(data, shared)
    random, facts = np.random.default_rng(seed), {}
    if what == "holdout":
        made = test
    elif what == "shuffled":
        made = train.apply(lambda column: column.to_numpy()[random.permutation(len(column))])
    else:
        made, facts = train_and_draw(what, train, label, minutes, seed, words)
    return {"minutes": minutes, **facts, **score(train, test, made, label, seed)}


def main(words: list[str]) -> None:
    defaults = {"shared": "../shared", "only": ",".join(ARMS), "seeds": "3", "out": "bench_tables.csv"}
    options = read_words(words, {**defaults, "words": "", "minutes": "", "first": "0"})
    path = Path(options["out"])
    new = not path.exists() or not path.stat().st_size
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        for arm in options["only"].split(","):
            for seed in range(int(options["first"]), int(options["first"]) + int(options["seeds"])):
                minutes = float(options["minutes"] or ARMS[arm])
                row = {"date": time.strftime("%Y-%m-%d"), "arm": arm, "seed": seed}
                row |= run_arm(arm, seed, Path(options["shared"]), minutes, shlex.split(options["words"]))
                row = {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
                writer.writerow(row)
                file.flush()
                print(", ".join(f"{k}={v}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
