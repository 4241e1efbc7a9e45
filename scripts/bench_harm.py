"""Does target=auto keep its promise: how often what it adds loses more than a hundredth, and what it gains.

    python scripts/bench_harm.py shared=../shared trials=34              # six sets, each so often
    python scripts/bench_harm.py shared=../shared only=mammography pools=equal sure=1.6   # standard errors it takes

Every trial draws a small train, val and test set of one of the shared sets and keeps the rest, at most 4,000 rows, for
the truth: what every arm scores there, by the classifiers of this very trial. Rows to add come from a pool whose worth
differs from trial to trial, in turn:

fresh     real rows that nobody has seen: the best generator there could be
close     interpolation between real train rows of a class (SMOTE), or for pictures and texts their classical sampler
spoiled   real rows, two thirds of which carry the label of another class
equal     train rows repeated: the exact null, nothing but weights

Printed are, for each set and for all: harm, the share of trials in which the amount that target=auto adds loses more
than EPSILON of balanced accuracy against the best simple arm; rows, the share in which any are added; gain, what they
gain over that arm, mean over all trials, and the oracle's, who knows the truth of every amount.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from bench_words import read_words

from gensynth import rng
from gensynth.balancing.plan import to_balance
from gensynth.cli import compose
from gensynth.evaluation.metrics.classification import label_scores, tally
from gensynth.evaluation.utility import amount
from gensynth.evaluation.utility.amount import AMOUNTS, advise, portion
from gensynth.evaluation.utility.arms import added, free_arms
from gensynth.evaluation.utility.classifiers import classifiers_of
from gensynth.evaluation.utility.utility import run_arms, tuned_prior
from gensynth.progress import quiet
from gensynth.samplers.fallback import fallback_of
from gensynth.samplers.resample import RandomOversampling
from gensynth.samplers.smote import Smote
from gensynth.types import LabelledData

EPSILON, SEEDS, TRUTH = 0.01, 3, 4_000
POOLS = ("fresh", "close", "spoiled", "equal")
COMMON, RARE = 300, 30  # train rows a class
VAL = (10, 30, 60)  # validation rows of every class, in turn
SETS = {
    "digits": ["digits"],
    "breast_cancer": ["breast_cancer"],
    "mammography": ["data/mammography/mammography.csv", "data.header=false", "data.label=6"],
    "adult": ["data/adult/adult-train.csv", "data.header=false", "data.label=14"],
    "sms": ["data/sms-spam/sms.csv"],
    "fashion": ["data/fashion-mnist"],
}


def rows_of(name: str, shared: Path) -> LabelledData:
    """All real rows of a set, at most 12,000."""
    first, *words = SETS[name]
    if name == "sms":
        first, words = _texts(shared), ["data.text=text"]
    elif "/" in first:
        first = str(shared / first)
    job = compose("explore", [first, *words, "out=unused"])
    data = job.data.reader.make(**job.data.reader.params).data
    return data[np.sort(np.random.default_rng(0).permutation(len(data))[:12_000])]


def _texts(shared: Path) -> str:
    """The messages as a table, in a folder of its own."""
    import tempfile

    import pandas as pd

    found = next(p for p in sorted((shared / "data/sms-spam").iterdir()) if "Collection" in p.name)
    frame = pd.read_csv(found, sep="\t", header=None, names=["label", "text"], quoting=3)
    path = Path(tempfile.mkdtemp()) / "sms.csv"
    frame.to_csv(path, index=False)
    return str(path)


def parts(data: LabelledData, val: int, order: np.random.Generator) -> dict[str, LabelledData]:
    """train, val, test, fresh and truth: of one class COMMON train rows, of every other RARE."""
    classes = len(data.schema.classes)
    common = int(order.integers(classes)) if classes > 2 else int(data.counts().argmax())
    rows: dict[str, list[np.ndarray]] = defaultdict(list)
    for c in range(classes):
        n = COMMON if c == common else RARE
        mine, start = order.permutation(np.flatnonzero(data.y == c)), 0
        fresh = min(2 * (COMMON - n), len(mine) // 4)  # of a rare class rows are drawn more than once
        for part, size in {"train": n, "val": val, "test": 20, "fresh": fresh}.items():
            rows[part].append(mine[start : start + size])
            start += size
        rows["truth"].append(mine[start:][: TRUTH // classes])
    return {name: data[np.sort(np.concatenate(found))] for name, found in rows.items()}


def pool_of(kind: str, made: dict[str, LabelledData], missing: np.ndarray, seed: int) -> LabelledData:
    """Twice what balances of every class, by the pool's kind."""
    train, order = made["train"], np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(missing)), 2 * missing)
    seeds = order.integers(2**62, size=len(labels)).astype(np.uint64)
    if kind == "equal":
        return RandomOversampling().fit(train).sample(labels, seeds)
    if kind == "close":
        table = train.schema.modality == "table"
        return (Smote("smote", 5) if table else fallback_of(train.schema)).fit(train).sample(labels, seeds)
    fresh = made["fresh"]
    picked = np.concatenate([np.resize(np.flatnonzero(fresh.y == c), 2 * n) for c, n in enumerate(missing)])
    found = fresh[picked.astype(np.int64)]
    if kind == "spoiled":
        other = (found.y + order.integers(1, len(missing), size=len(found))) % len(missing)
        source = np.concatenate([order.choice(np.flatnonzero(train.y == c), 1) for c in other])
        wrong = order.random(len(found)) < 2 / 3
        found = replace(found, x=np.where(_shaped(wrong, found.x), train.x[source], found.x))
    return found


def _shaped(mask: np.ndarray, x: np.ndarray) -> np.ndarray:
    return mask.reshape(-1, *[1] * (x.ndim - 1))


def trial(data: LabelledData, kind: str, val_rows: int, seed: int) -> dict[str, float]:
    made = parts(data, val_rows, np.random.default_rng(seed))
    train, val, truth = made["train"], made["val"], made["truth"]
    missing = to_balance(train.counts())
    pool = pool_of(kind, made, missing, seed)
    classifier = classifiers_of(train, 0)[0].budgets[0]
    seeds = [rng.child(seed, "utility", i) for i in range(SEEDS)]
    chosen = advise(train=train, pool=pool, val=val, classifier=classifier, seeds=seeds).amount or 0.0
    arms = free_arms(train, seed, tuned=True)
    copies = pool_of("equal", made, missing, seed)
    arms.append(added("random_oversampling", train, (portion(copies, train.counts(), 1.0),)))
    arms += [added(f"{a:g}", train, (portion(pool, train.counts(), a),)) for a in AMOUNTS[1:]]
    result = run_arms(
        arms=arms,
        classifiers=[classifier],
        val=val,
        test=made["test"],
        further={"truth": truth.x, "val": val.x},
        seeds=seeds,
    )
    scores = {}
    for arm in arms:
        shares = result.further[arm.name, "truth"]
        if arm.tuned_threshold:
            mine = result.further[arm.name, "val"]
            shares = np.stack([s / tuned_prior(v, val.y, train.counts()) for s, v in zip(shares, mine, strict=True)])
        found = label_scores(tally(truth.y, shares.argmax(2), len(data.schema.classes)))
        scores[arm.name] = float(found["balanced_accuracy"].mean())
    simple = max(value for name, value in scores.items() if not name.replace(".", "").isdecimal())
    gains = {a: scores[f"{a:g}"] - simple for a in AMOUNTS[1:]} | {0.0: 0.0}
    return {"amount": chosen, "gain": gains[chosen], "oracle": max(gains.values())}


def line(name: str, found: list[dict[str, float]]) -> str:
    gain, oracle = (np.array([one[key] for one in found]) for key in ("gain", "oracle"))
    harm, rows = np.mean(gain < -EPSILON), np.mean([one["amount"] > 0 for one in found])
    part = f"{gain.mean() / oracle.mean():.2f}" if oracle.mean() > 1e-3 else "-"
    return (
        f"{name:24} {len(found):4d} trials  harm {harm:.3f}  rows {rows:.2f}  gain {gain.mean():+.4f}  "
        f"oracle {oracle.mean():+.4f}  part {part}  worst {gain.min():+.3f}"
    )


def main(words: list[str]) -> None:
    defaults = {"shared": "../shared", "only": ",".join(SETS), "pools": ",".join(POOLS), "trials": "8", "first": "0"}
    options = read_words(words, defaults | {"sure": f"{amount.SURE:g}"})
    amount.SURE = float(options["sure"])
    by_kind: dict[str, list[dict[str, float]]] = defaultdict(list)
    everything = []
    for name in options["only"].split(","):
        data, mine = rows_of(name, Path(options["shared"])), []
        kinds = options["pools"].split(",")
        for t in range(int(options["trials"])):
            with quiet():
                kind, val = kinds[t % len(kinds)], VAL[t // len(kinds) % len(VAL)]
                one = trial(data, kind, val, int(options["first"]) + 1000 * len(everything) + t)
            mine.append(one)
            by_kind[f"pool {kind}"].append(one)
            by_kind[f"{val} validation rows"].append(one)
        everything += mine
        print(line(name, mine), flush=True)
    for kind, found in sorted(by_kind.items()):
        print(line(kind, found), flush=True)
    print(line("all", everything), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
