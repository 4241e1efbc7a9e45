"""Private generators on Fashion-MNIST: what was promised, how long it took, what the rows are worth, what leaks.

    python scripts/bench_private.py shared=../shared                      # kernel_mean, epsilon 1 and 10, three seeds
    python scripts/bench_private.py shared=../shared model=dp_cvae epsilons=10 seeds=1 minutes=10
    python scripts/bench_private.py shared=../shared only=choose minutes=4   # settings, without the test rows
    python scripts/bench_private.py only=audit

choose:   every arm of ARMS once at epsilon 1, trained on 50,000 of the real train rows and scored on the 10,000 others.
accuracy: of the small CNN of bench_images.py, trained on 20,000 synthetic rows alone for 1,500 steps and looked at
once, on
the 10,000 real test rows. Published, with epsilon 1 / 10 and delta 1e-5 (DPImageBench, CCS 2025): DP-MERF .62 / .62,
DP-Kernel .68 / .70, DP-NTK .64 / .76, DP-GAN .72 / .70.
audit: releases of scikit-learn's digits 0 and 1 with and without a white image; lower bounds on epsilon that hold with
95 % confidence. With 2,000 tries a side hardly anything is found at epsilon 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from bench_images import Images, apply, digits, drawn, fashion, labelled, train_bundle, train_cnn
from bench_words import read_words
from canary_audit import canary_release_audit

from gensynth.cli import compose
from gensynth.data.kinds import fit_codec
from gensynth.models.generator import TrainingRows
from gensynth.models.private.accounting import gaussian_sigma
from gensynth.rng import numpy_generator

ROWS_A_CLASS, STEPS = 2000, 1500
CARVED = 1000  # train rows of each class that settings are chosen by
EQUAL = "model.shares.pixels=1 model.shares.products=1 model.shares.waves=1"
SMALL = "model.shares.pixels=.1 model.shares.products=1 model.shares.waves=.1"
ARMS = {
    "as in conf/": "",
    "equal shares": EQUAL,
    "shares .1, 1, .1": SMALL,
    "bandwidth .7": "model.bandwidth=.7",
    "bandwidth 2": "model.bandwidth=2",
    "lr 1e-3": "model.lr=1e-3",
    "count_scale .1": "model.count_scale=.1",
}


def accuracy_of(synthetic: Images, test: Images, seed: int) -> float:
    return float((apply(train_cnn(synthetic, STEPS, seed), test[0]).argmax(1) == test[1]).mean())


def bench(model: str, epsilon: float, options: dict[str, str]) -> None:
    """Train, draw and score with every seed; the noise comes from the system, so no two runs are the same."""
    train, test = fashion(Path(options["shared"]))
    scores = []
    for seed in range(int(options["seeds"])):
        words = [f"model.epsilon={epsilon:g}", *options["words"].split()]
        bundle, facts = train_bundle(model, train, float(options["minutes"]), seed, words)
        promised = bundle.facts["guarantee"]
        scores.append(accuracy_of(drawn(bundle, seed, np.full(10, ROWS_A_CLASS)), test, seed))
        print(
            f"{model}, epsilon {promised['epsilon']:g}, delta {promised['delta']:g}, seed {seed}: "
            f"accuracy {scores[-1]:.4f}, {facts['train_seconds']} s, {facts['samples_seen']:,} samples",
            flush=True,
        )
    if len(scores) > 1:
        spread = np.std(scores, ddof=1)
        print(f"{model}, epsilon {epsilon:g}: accuracy {np.mean(scores):.4f} +- {spread:.4f} over {len(scores)} seeds")
    tell_accounting(promised)


def choose(options: dict[str, str]) -> None:
    """Every arm on rows carved from train, best last; the test rows are not opened."""
    train, _ = fashion(Path(options["shared"]))
    kept, carved = carve(train)
    found = {}
    for name, words in ARMS.items():
        bundle, facts = train_bundle(
            "kernel_mean", kept, float(options["minutes"]), 0, ["model.epsilon=1", *words.split()]
        )
        found[name] = accuracy_of(drawn(bundle, 0, np.full(10, ROWS_A_CLASS)), carved, 0)
        print(f"choose, {name}: accuracy {found[name]:.4f} on carved rows, {facts['train_seconds']} s", flush=True)
    best = max(found, key=lambda name: found[name])
    print(f"chosen: {best}; one draw of the noise each, so arms half a point apart are the same")


def carve(train: Images) -> tuple[Images, Images]:
    """Train rows without CARVED of each class, and those."""
    x, y = train
    order = numpy_generator(0, "carve").permutation(len(y))
    mine = np.concatenate([order[y[order] == k][:CARVED] for k in np.unique(y)])
    carved = np.isin(np.arange(len(y)), mine)
    return (x[~carved], y[~carved]), (x[carved], y[carved])


def tell_accounting(promised: dict) -> None:
    """What was promised, and for a single Gaussian release the closed form beside it."""
    print(f"promised: {promised}")
    if promised["accountant"] == "analytic gaussian":
        noise, delta = promised["noise_multiplier"], promised["delta"]
        print(f"closed form: {gaussian_sigma(promised['epsilon'], delta):.6f} times the sensitivity, added {noise:.6f}")


def audit(epsilon: float, tries: int) -> None:
    """Lower bound on epsilon of the release of kernel_mean, as it is and with a tenth of its noise."""
    (x, y), _ = digits()
    x, y = x[y < 2], y[y < 2]  # fewer numbers a release, so more releases
    rows = labelled((x, y))
    codec = fit_codec(rows)
    job = compose("train", ["digits", "model=kernel_mean", f"model.epsilon={epsilon:g}", "model.waves=200"])
    module = job.model.make(codec.space, len(rows) + 1, **job.model.params)
    known = TrainingRows(codec.encode(x), torch.from_numpy(y))
    canary = (torch.ones(codec.space.shape), 0)  # all white: its features are as long as they can be
    for name, part in (("as it is", 1.0), ("a tenth of the noise", 0.1)):
        module.sigma *= part
        found = canary_release_audit(module, known, canary, tries, seed=0)
        print(f"audit, {name}: epsilon >= {found['value']:.3f}, claimed {found['claimed']:g}, {tries} tries a side")


def main(words: list[str]) -> None:
    options = read_words(
        words,
        {
            "shared": "../shared",
            "model": "kernel_mean",
            "epsilons": "1,10",
            "seeds": "3",
            "minutes": "10",
            "tries": "20000",
            "only": "accuracy,audit",
            "words": "",
        },
    )
    if options["only"] == "choose":
        choose(options)
        return
    for epsilon in map(float, options["epsilons"].split(",")):
        if "audit" in options["only"] and options["model"] == "kernel_mean":
            audit(epsilon, int(options["tries"]))
        if "accuracy" in options["only"]:
            bench(options["model"], epsilon, options)


if __name__ == "__main__":
    main(sys.argv[1:])
