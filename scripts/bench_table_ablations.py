"""What each part of the table cVAE earns: parts taken out one at a time, equal samples seen, scored as in bench_tables.

    python scripts/bench_table_ablations.py shared=../shared samples=400000 seeds=1 data=adult,continuous

Arms: full; factorised (no column is given the ones before it); no_latent (the encoder says nothing); latent_warm_up
(KL warm-up and free bits, so that the latent is used); flow and mixture (a learned prior); argmax (the most probable
cell instead of a draw). `kl` is the information in the latent, nats a row.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import bench_tables as tables
import numpy as np
import torch
from bench_words import read_words
from torch import Tensor, nn

from gensynth import rng
from gensynth.cli import compose
from gensynth.data.kinds import fit_codec
from gensynth.data.split import split_rows
from gensynth.models.cvae import CVAE, encode_all, kl_per_dimension
from gensynth.models.generator import TrainingRows
from gensynth.models.nets import columns
from gensynth.training.fit import build, fit

ARMS = {
    "full": [],
    "factorised": [],
    "no_latent": [],
    "latent_warm_up": ["model.kl_warmup=0.3", "model.free_bits=0.05"],
    "flow": ["model.prior=flow"],
    "mixture": ["model.prior=mixture"],
    "argmax": [],
}


class Nothing(nn.Module):
    """An encoder that says nothing: the posterior is the prior."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.latent = latent

    def forward(self, x: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
        return x.new_zeros(len(x), self.latent), x.new_zeros(len(x), self.latent)


def take_out(part: str, module: CVAE) -> None:
    for autoencoder in (module.autoencoder, module.ema.average, module.kept):
        if part == "factorised":
            autoencoder.decoder.before.zero_()
        if part == "no_latent":
            autoencoder.encoder = Nothing(autoencoder.latent)


def most_probable(logits: Tensor, parameters: Tensor | None, u: Tensor, place: Tensor) -> Tensor:
    """The most probable class, the mean of its mixture's most probable component."""
    classes = logits.argmax(1).to(u.dtype)
    if parameters is None:
        return torch.stack([classes, place], dim=1)
    weight, mean, _ = parameters.chunk(3, dim=1)
    return torch.stack([classes, mean.gather(1, weight.argmax(1, keepdim=True))[:, 0]], dim=1)


def run_arm(arm: str, sides: tuple, label: str, samples: int, seed: int) -> dict[str, float]:
    train, test = sides
    data = tables.labelled(train, label)
    split = split_rows(data, (0.9, 0.1, 0.0), rng.child(seed, "split"), np.full(len(data), ""), None)
    keys = [f"trainer.max_samples={samples}", f"seed={seed}", "logger=none", "model=cvae"]
    job = compose("train", ["breast_cancer", *keys, *ARMS[arm]])
    codec = fit_codec(data[split == "train"])
    rows, watched = (
        TrainingRows(codec.encode(side.x), torch.from_numpy(side.y))
        for side in (data[split == "train"], data[split == "val"])
    )
    module = build(lambda: CVAE(codec.space, len(rows.y), **job.model.params), seed)
    take_out(arm, module)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        fit(
            module,
            rows,
            watched,
            job.trainer,
            seed=seed,
            folder=Path(folder),
            run="",
            classes=data.schema.classes,
            picture=lambda x: b"",
            loggers=[],
            started=begun,
            resume=False,
        )
    seconds = time.monotonic() - begun
    mean, spread = encode_all(module.ema.average, watched)
    pick = most_probable if arm == "argmax" else columns.draw_cell
    with patch.object(columns, "draw_cell", pick):
        synthetic = tables.drawn(module, codec, data, seed, list(train.columns), label)
    table = tables.Table(train, label)
    real, held, fake = table.typed(train), table.typed(test), table.typed(synthetic)
    return {
        "seconds": seconds,
        "kl": float(kl_per_dimension(mean, 2 * spread.log()).sum()),
        "shape": tables.shape(table, real, fake),
        "trend": tables.trend(table, real, fake),
        "c2st_train": tables.c2st(table, real, fake, seed),
        "c2st_test": tables.c2st(table, held, fake, seed),
        "auc": tables.utility(table, fake, held, seed)["auc"],
    }


def main(words: list[str]) -> None:
    defaults = {"shared": "../shared", "samples": "400000", "seeds": "1", "data": "adult,continuous"}
    options = read_words(words, {**defaults, "only": ",".join(ARMS)})
    for name in options["data"].split(","):
        sides, label = tables.sides_of(name, Path(options["shared"]))
        for arm in options["only"].split(","):
            for seed in range(int(options["seeds"])):
                found = run_arm(arm, sides, label, int(options["samples"]), seed)
                print(f"{name}, {arm}, seed {seed}: {', '.join(f'{k}={v:.4g}' for k, v in found.items())}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
