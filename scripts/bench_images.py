"""Quality of the image generators for a stated training time; appends rows to a CSV and prints them.

    python scripts/bench_images.py shared=../shared only=digits_cvae seeds=1
    python scripts/bench_images.py shared=../shared            # everything, three seeds: about four hours
    python scripts/bench_images.py shared=../shared only=fashion_cgan minutes=1.5 words=experiment=gpu_32   # on a GPU

Every arm trains through the same functions as `gensynth train` (codec, budget, bundle) and is scored by
the scorers below, which are written down here once and are apart from the package's own metrics:
small CNN, judge features, precision/recall/density/coverage (k = 5, strict <), SVC(C=10) on digits.
"""

from __future__ import annotations

import csv
import gzip
import io
import struct
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from bench_words import read_words
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC
from torch import nn
from torch.nn import functional as F

from gensynth import rng
from gensynth.cli import compose
from gensynth.data.image import contact_sheet, png_bytes
from gensynth.samplers.variation import VariationTransfer
from gensynth.steps.train import train_generator
from gensynth.training.bundle import Bundle, load_bundle
from gensynth.types import LabelledData, Schema

Images = tuple[np.ndarray, np.ndarray]
COLUMNS = (
    "date",
    "arm",
    "seed",
    "words",
    "minutes",
    "train_seconds",
    "samples_seen",
    "accuracy",
    "accuracy_real",
    "precision",
    "recall",
    "density",
    "coverage",
    "coverage_real",
    "agreement",
    "agreement_real",
    "recall_real",
)


# ---- data -----------------------------------------------------------------------------------------


def digits() -> tuple[Images, Images]:
    """scikit-learn's digits, 70 % / 30 % stratified, seed 0, as uint8 (N, 1, 8, 8)."""
    bunch = load_digits()
    x = np.rint(bunch.data * 255 / 16).astype(np.uint8).reshape(-1, 1, 8, 8)
    train_x, test_x, train_y, test_y = train_test_split(
        x, bunch.target, test_size=0.3, random_state=0, stratify=bunch.target
    )
    return (train_x, train_y), (test_x, test_y)


def read_idx(path: Path) -> np.ndarray:
    raw = gzip.decompress(path.read_bytes())
    shape = struct.unpack(">" + "I" * raw[3], raw[4 : 4 + 4 * raw[3]])
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def fashion(shared: Path) -> tuple[Images, Images]:
    """Fashion-MNIST's own train and test files as uint8 (N, 1, 28, 28)."""
    folder = shared / "data" / "fashion-mnist"
    sides = []
    for side in ("train", "t10k"):
        x = read_idx(folder / f"{side}-images-idx3-ubyte.gz")[:, None].copy()
        sides.append((x, read_idx(folder / f"{side}-labels-idx1-ubyte.gz").astype(np.int64)))
    return sides[0], sides[1]


def blood_cells(shared: Path) -> tuple[Images, Images]:
    """Crops of single cells as uint8 (N, 3, 64, 64): 0 RBC, 1 WBC, 2 Platelets; its own train and test photographs."""
    sides: dict[str, list[tuple[np.ndarray, int]]] = {"train": [], "test": []}
    with zipfile.ZipFile(shared / "data" / "bccd" / "bccd-crops-64.zip") as archive:
        for name in sorted(archive.namelist()):
            *_, split, kind, file = ["", "", *name.split("/")]
            if split in sides and file.endswith(".jpg"):
                image = Image.open(io.BytesIO(archive.read(name))).convert("RGB")
                sides[split].append((np.asarray(image).transpose(2, 0, 1), ("RBC", "WBC", "Platelets").index(kind)))
    train, test = ((np.stack([x for x, _ in side]), np.array([y for _, y in side])) for side in sides.values())
    return train, test


def long_tail(train: Images, seed: int) -> Images:
    """Class k keeps the first int(3000 * 100^(-k/9)) of a seeded permutation: 3000 ... 30."""
    x, y = train
    order = np.random.default_rng(seed).permutation(len(y))
    kept = [order[y[order] == k][: int(3000 * 100 ** (-k / 9) + 1e-9)] for k in range(10)]
    rows = np.concatenate(kept)
    return x[rows], y[rows]


# ---- scorers --------------------------------------------------------------------------------------


class SmallCNN(nn.Module):
    """conv 5x5/2 24, conv 3x3/2 48, linear 64 (the features), linear K."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(shape[0], 24, 5, 2, 2), nn.ReLU(), nn.Conv2d(24, 48, 3, 2, 1), nn.ReLU(), nn.Flatten()
        )
        size = self.body(torch.zeros(1, *shape)).shape[1]
        self.features = nn.Sequential(self.body, nn.Linear(size, 64), nn.ReLU())
        self.head = nn.Linear(64, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))


def scaled(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x)).float() / 127.5 - 1


def train_cnn(train: Images, steps: int, seed: int) -> SmallCNN:
    """Adam 1e-3 falling linearly to 1e-6, batch 128 with replacement, cross-entropy, no augmentation."""
    torch.manual_seed(seed)
    x, y = train
    net = SmallCNN(x.shape[1:], int(y.max()) + 1)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    order = torch.Generator().manual_seed(seed)
    labels = torch.from_numpy(y)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 1e-3 + (1e-6 - 1e-3) * step / steps
        rows = torch.randint(len(y), (128,), generator=order)
        loss = F.cross_entropy(net(scaled(x[rows.numpy()])), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval()


@torch.no_grad()
def apply(net: nn.Module, x: np.ndarray) -> np.ndarray:
    return torch.cat([net(scaled(x[i : i + 1000])) for i in range(0, len(x), 1000)]).numpy()


def support(real: np.ndarray, fake: np.ndarray, k: int = 5) -> dict[str, float]:
    """Precision, recall, density, coverage in float64, rows of 1000 at a time."""
    r, f = torch.from_numpy(real).double(), torch.from_numpy(fake).double()

    def distances(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.cdist(part, b) for part in a.split(1000)])

    real_radius = distances(r, r).kthvalue(k + 1, dim=1).values
    fake_radius = distances(f, f).kthvalue(k + 1, dim=1).values
    d = distances(r, f)
    return {
        "precision": float((d < real_radius[:, None]).any(0).double().mean()),
        "recall": float((d < fake_radius[None]).any(1).double().mean()),
        "density": float((d < real_radius[:, None]).double().sum(0).mean() / k),
        "coverage": float((d.min(1).values < real_radius).double().mean()),
    }


def score_digits(made: Images, train: Images, test: Images) -> dict[str, float]:
    def flat(x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), -1) / 255

    accuracy = SVC(C=10).fit(flat(made[0]), made[1]).score(flat(test[0]), test[1])
    real = SVC(C=10).fit(flat(train[0]), train[1]).score(flat(test[0]), test[1])
    return {"accuracy": accuracy, "accuracy_real": real, **support(flat(train[0]), flat(made[0]))}


_JUDGES: dict[str, SmallCNN] = {}


def score_fashion(made: Images, train: Images, test: Images, seed: int) -> dict[str, float]:
    """Small CNN of 1,500 steps on 20,000 rows; support between 5,000 real test and 5,000 made rows."""
    if "judge" not in _JUDGES:
        _JUDGES["judge"] = train_cnn(train, 3000, seed=0)
    features = _JUDGES["judge"].features
    random = np.random.default_rng(seed)

    def some(x: np.ndarray) -> np.ndarray:
        return apply(features, x[random.permutation(len(x))[:5000]])

    def accuracy(rows: Images) -> float:
        return float((apply(train_cnn(rows, 1500, seed), test[0]).argmax(1) == test[1]).mean())

    chosen = random.permutation(len(train[1]))[:20_000]
    ceiling = support(some(test[0]), some(train[0]))["coverage"]
    real = accuracy((train[0][chosen], train[1][chosen]))
    return {
        "accuracy": accuracy(made),
        "accuracy_real": real,
        **support(some(test[0]), some(made[0])),
        "coverage_real": ceiling,
    }


def score_cells(made: Images, train: Images, test: Images, seed: int) -> dict[str, float]:
    """Support in judge features, and the share of rows that the judge puts into the class they were drawn for.

    The judge is a small CNN of 3,000 steps on all real train rows, each class drawn equally often.
    """
    order = np.random.default_rng(seed)
    pools = [np.flatnonzero(train[1] == k) for k in range(3)]
    even = np.concatenate([order.choice(pool, max(map(len, pools))) for pool in pools])
    judge = train_cnn((train[0][even], train[1][even]), 3000, seed)
    facts = {}
    for name, (x, y) in (("agreement", made), ("agreement_real", test)):
        predicted = apply(judge, x).argmax(1)
        facts[name] = float(np.mean([(predicted[y == k] == k).mean() for k in range(3)]))
    few = np.concatenate([order.choice(np.flatnonzero(made[1] == k), (test[1] == k).sum()) for k in range(3)])
    ceiling = np.concatenate([order.choice(pool, (test[1] == k).sum()) for k, pool in enumerate(pools)])
    real = apply(judge.features, test[0])
    return {
        **facts,
        **support(real, apply(judge.features, made[0][few])),
        "coverage_real": support(real, apply(judge.features, train[0][ceiling]))["coverage"],
    }


Draw = Callable[[torch.Generator], tuple[torch.Tensor, torch.Tensor]]  # -> a batch: x in [-1, 1], labels


def train_drawn(draw: Draw, shape: tuple[int, ...], seed: int, weights: torch.Tensor | None = None) -> SmallCNN:
    """The small CNN, 1,500 steps, on batches that `draw` gives."""
    torch.manual_seed(seed)
    net = SmallCNN(shape, 10)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    order = torch.Generator().manual_seed(seed)
    for step in range(1500):
        optimizer.param_groups[0]["lr"] = 1e-3 + (1e-6 - 1e-3) * step / 1500
        x, labels = draw(order)
        loss = F.cross_entropy(net(x), labels, weight=weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval()


def affine(x: torch.Tensor, order: torch.Generator) -> torch.Tensor:
    """Rotation up to 10 degrees, scale 12 %, shift 10 % of the side, mirrored every second time; edges are black."""
    draw = 2 * torch.rand(5, len(x), generator=order) - 1
    angle, size, flip = draw[0] * np.pi / 18, 1 + 0.12 * draw[1], draw[4].sign()
    cos, sin = angle.cos() / size, angle.sin() / size
    rows = [torch.stack([cos * flip, -sin, 0.2 * draw[2]], 1), torch.stack([sin * flip, cos, 0.2 * draw[3]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    return F.grid_sample(x + 1, grid, align_corners=False) - 1


def long_tail_arms(train: Images, pools: dict[str, np.ndarray]) -> dict[str, tuple[Draw, torch.Tensor | None]]:
    """Simple arms, and for every pool (10, M, 1, 28, 28) one in which a quarter of each batch comes from it."""
    x, labels = scaled(train[0]), torch.from_numpy(train[1])
    counts = torch.bincount(labels)
    rows = torch.argsort(labels, stable=True)
    starts = counts.cumsum(0) - counts

    def natural(order: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = torch.randint(len(labels), (128,), generator=order)
        return x[chosen], labels[chosen]

    def even(order: torch.Generator, share: float = 0.0, pool: torch.Tensor | None = None, moved: float = 0.0) -> tuple:
        y = torch.randint(10, (128,), generator=order)
        batch = x[rows[starts[y] + (torch.rand(128, generator=order) * counts[y]).long()]]
        if pool is not None:
            made = pool[y, torch.randint(pool.shape[1], (128,), generator=order)]
            batch = torch.where((torch.rand(128, generator=order) < share)[:, None, None, None], made, batch)
        if moved:
            picked = (torch.rand(128, generator=order) < moved)[:, None, None, None]
            batch = torch.where(picked, affine(batch, order), batch)
        return batch, y

    arms: dict[str, tuple[Draw, torch.Tensor | None]] = {
        "real only": (natural, None),
        "class weights": (natural, len(labels) / (10 * counts.float())),
        "oversampling": (even, None),
        "oversampling + affine": (partial(even, moved=1.0), None),
        "oversampling + affine, every second row": (partial(even, moved=0.5), None),
    }
    for name, pool in pools.items():
        tiles = torch.stack([scaled(part) for part in pool])
        arms[f"the same, a quarter {name}"] = (partial(even, share=0.25, pool=tiles, moved=0.5), None)
    return arms


def score_long_tail(train: Images, test: Images, pools: dict[str, np.ndarray], seed: int, classifiers: int = 3) -> dict:
    """Balanced accuracy and mean recall of the five rarest classes; every pool against the best simple arm of each.

    Intervals are paired and resample test rows within their classes; classifier seeds are averaged.
    """
    arms = long_tail_arms(train, pools)
    hits = {}
    for name, (draw, weights) in arms.items():
        nets = (train_drawn(draw, train[0].shape[1:], 1000 * seed + s, weights) for s in range(classifiers))
        hits[name] = np.mean([apply(net, test[0]).argmax(1) == test[1] for net in nets], axis=0)
    measures = {"balanced": range(10), "rarest": range(5, 10)}

    def value(right: np.ndarray, classes: range) -> float:
        return float(np.mean([right[test[1] == k].mean() for k in classes]))

    simple = [name for name in arms if "a quarter" not in name]
    facts: dict[str, float | str] = {}
    for name in arms:
        print(
            f"  {name}: " + ", ".join(f"{key} {value(hits[name], ks):.4f}" for key, ks in measures.items()), flush=True
        )
    for key, classes in measures.items():
        best = max(simple, key=lambda name: value(hits[name], classes))
        for name in (name for name in arms if name not in simple):
            gap = hits[name] - hits[best]
            order, draws = np.random.default_rng(0), np.zeros(2000)
            for k in classes:
                mine = gap[test[1] == k]
                draws += mine[order.integers(len(mine), size=(2000, len(mine)))].mean(1) / len(classes)
            low, high = np.quantile(draws, [0.025, 0.975])
            print(f"  {key}, {name} over {best}: {value(gap, classes):+.4f} ({low:+.4f} to {high:+.4f})", flush=True)
            facts |= {"accuracy" if key == "balanced" else "recall": value(hits[name], classes)}
        facts |= {"accuracy_real" if key == "balanced" else "recall_real": value(hits[best], classes)}
    return facts


# ---- arms -----------------------------------------------------------------------------------------


def train_bundle(name: str, train: Images, minutes: float, seed: int, words: list[str]) -> tuple[Bundle, dict]:
    """A model trained for the stated minutes, loaded data to written bundle, and what that took.

    words  further words of the command line: model.width=48 or experiment=gpu_32, say
    """
    settings = [f"model={name}", f"trainer.max_minutes={minutes}", f"seed={seed}", "logger=none"]
    job = compose("train", ["digits", *settings, *words])
    rows = labelled(train)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        train_generator(job, rows, rows[:0], "", Path(folder), begun)
        seconds = time.monotonic() - begun
        bundle = load_bundle(Path(folder) / "generator")
    return bundle, {"train_seconds": round(seconds, 1), "samples_seen": bundle.facts["training"]["samples_seen"]}


def labelled(rows: Images) -> LabelledData:
    x, y = rows
    classes = tuple(map(str, range(int(y.max()) + 1)))
    return LabelledData.of_real(
        x, y, Schema("image", classes, {"channels": x.shape[1], "height": x.shape[2], "width": x.shape[3]})
    )


def drawn(bundle: Bundle, seed: int, counts: np.ndarray) -> Images:
    """counts[k] rows of class k."""
    made = [
        bundle.codec.decode(bundle.generator.sample(np.full(n, k), rng.row_seeds(seed, str(k), 0, n)))
        for k, n in enumerate(counts)
    ]
    return np.concatenate(made), np.repeat(np.arange(len(counts)), counts)


def pools_of(bundle: Bundle, tail: Images, seed: int, size: int = 3000) -> dict[str, np.ndarray]:
    """3,000 made rows of each class: drawn from the prior, and with variation lent by common classes."""
    lent = VariationTransfer(0.5, 1.0, 2, 10.0, 0.12, 0.1, False).use(bundle).fit(labelled(tail))
    asked = [(np.full(size, k), rng.row_seeds(seed, str(k), 0, size)) for k in range(10)]
    return {
        "from the prior": drawn(bundle, seed, np.full(10, size))[0].reshape(10, size, *tail[0].shape[1:]),
        "variation transfer": np.stack([lent.sample(*one).x for one in asked]),
    }


def run_arm(arm: str, seed: int, options: dict[str, str]) -> dict:
    shared, words = Path(options["shared"]), options["words"].split()
    data, model = arm.rsplit("_", 1)
    minutes = float(options["minutes"]) if options["minutes"] else MINUTES[arm]
    train, test = {"digits": digits, "bccd": lambda: blood_cells(shared)}.get(data, lambda: fashion(shared))()
    if data == "longtail":
        train = long_tail(train, seed)
    bundle, facts = train_bundle(model, train, minutes, seed, words)
    if data == "longtail":
        pools = pools_of(bundle, train, seed)
        made = pools["variation transfer"].reshape(-1, *train[0].shape[1:]), np.repeat(np.arange(10), 3000)
        scores = score_long_tail(train, test, pools, seed)
    elif data == "digits":
        made = drawn(bundle, seed, np.bincount(train[1]))
        scores = score_digits(made, train, test)
    elif data == "bccd":
        made = drawn(bundle, seed, np.full(3, 500))
        scores = score_cells(made, train, test, seed)
    else:
        made = drawn(bundle, seed, np.full(10, 2000))
        scores = score_fashion(made, train, test, seed)
    if options["pictures"]:
        save_grid(Path(options["pictures"]) / f"{arm}_{seed}.png", made)
    return {"minutes": minutes, **facts, **scores}


def save_grid(path: Path, made: Images, columns: int = 12) -> None:
    """One row of pictures a class."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = contact_sheet([made[0][made[1] == k][:columns] for k in np.unique(made[1])], scale=1)
    path.write_bytes(png_bytes(sheet.transpose(2, 0, 1)))


MINUTES = {
    "digits_cvae": 1.0,
    "digits_cgan": 1.0,
    "fashion_cvae": 10.0,
    "fashion_cgan": 10.0,
    "longtail_cvae": 5.0,
    "longtail_cgan": 5.0,
    "bccd_cvae": 15.0,
    "bccd_cgan": 15.0,
}


def main(words: list[str]) -> None:
    options = read_words(
        words,
        {
            "shared": "../shared",
            "only": ",".join(MINUTES),
            "seeds": "3",
            "first_seed": "0",
            "out": "bench_images.csv",
            "minutes": "",
            "words": "",
            "pictures": "",
        },
    )
    path = Path(options["out"])
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        for arm in options["only"].split(","):
            for seed in range(int(options["first_seed"]), int(options["first_seed"]) + int(options["seeds"])):
                row = {"date": time.strftime("%Y-%m-%d"), "arm": arm, "seed": seed, "words": options["words"]}
                row |= run_arm(arm, seed, options)
                row = {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
                writer.writerow(row)
                file.flush()
                print(", ".join(f"{k}={v}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
