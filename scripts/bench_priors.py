"""Which prior for how many rows: held-out log likelihood of latents, and what its samples cover and teach.

    python scripts/bench_priors.py                             # digits
    python scripts/bench_priors.py shared=../shared data=fashion rows=1000,4000,16000 minutes=2

One cVAE a number of rows, whose latents all priors are fitted on: what differs between the lines is the prior alone.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch
from bench_images import Images, digits, fashion, score_digits, support, train_bundle
from bench_words import read_words
from latent_density import log_density

from gensynth import rng
from gensynth.models.cvae import PRIOR_BATCH, cosine, make_prior
from gensynth.models.generator import Ema, StepNoise
from gensynth.models.prior import FlowPrior, MixturePrior
from gensynth.training.bundle import Bundle


def latents(bundle: Bundle, rows: Images, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """One posterior sample a row."""
    y = torch.from_numpy(rows[1])
    autoencoder = bundle.generator.ema.average
    with torch.no_grad():
        x = bundle.codec.encode(rows[0])
        parts = [autoencoder.encode(a, b) for a, b in zip(x.split(512), y.split(512), strict=True)]
    mean, log_variance = (torch.cat(side) for side in zip(*parts, strict=True))
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed))
    return mean + noise * (0.5 * log_variance).exp(), y


def fitted(name: str, z: torch.Tensor, y: torch.Tensor, seconds: float, seed: int) -> torch.nn.Module:
    """The prior by name; a flow trains for so many seconds."""
    torch.manual_seed(seed)
    prior = make_prior(name, len(z), z.shape[1], int(y.max()) + 1)
    if isinstance(prior, MixturePrior):
        prior.fit(z, y, seed)
    if not isinstance(prior, FlowPrior):
        return prior.eval()
    prior.standardise(z, y)
    ema = Ema(prior, 5000)
    optimizer = torch.optim.AdamW(prior.parameters(), 2e-3, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    begun, step, order = time.monotonic(), 0, torch.Generator().manual_seed(seed)
    while (done := (time.monotonic() - begun) / seconds) < 1:
        rows = torch.randint(len(z), (PRIOR_BATCH,), generator=order)
        loss = prior.loss(z[rows], y[rows], StepNoise(step, z.device, PRIOR_BATCH))
        optimizer.param_groups[0]["lr"] = cosine(2e-3, 2e-5, done)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        ema.update(prior, PRIOR_BATCH, step * PRIOR_BATCH)
    return ema.average.eval()


def compare(train: Images, test: Images, minutes: float, seed: int) -> None:
    bundle, _ = train_bundle("cvae", train, minutes, seed, ["model.prior=normal"])
    z, y = latents(bundle, train, seed)
    held, held_y = latents(bundle, test, seed)
    keep = torch.randperm(len(held), generator=torch.Generator().manual_seed(seed))[:1000]
    for name in ("normal", "mixture", "flow"):
        prior = fitted(name, z, y, 60 * minutes * 0.2, seed)
        nats = log_density(prior, held[keep], held_y[keep]).mean()
        seeds = rng.row_seeds(seed, "bench", 0, len(y))
        noise = torch.from_numpy(rng.normal(seeds, prior.noise_size, stream="noise"))
        with torch.no_grad():
            parts = zip(noise.split(512), y.split(512), strict=True)
            synthetic = np.concatenate([bundle.codec.decode(bundle.generator.decode(prior(n, c), c)) for n, c in parts])
        if train[0].shape[-1] == 8:
            scores = score_digits((synthetic, train[1]), train, test)
        else:
            some = np.random.default_rng(0).permutation(len(synthetic))[:2000]
            pixels = [side.reshape(len(side), -1) / 255 for side in (test[0][:2000], synthetic[some])]
            scores = support(*pixels)
        reported = ", ".join(f"{key} {scores[key]:.3f}" for key in ("accuracy", "recall", "coverage") if key in scores)
        print(f"{len(y)} rows, seed {seed}, {name}: {nats:.2f} nats a held-out latent, {reported}", flush=True)


def main(words: list[str]) -> None:
    options = read_words(words, {"shared": "../shared", "data": "digits", "rows": "", "minutes": "1", "seeds": "2"})
    train, test = digits() if options["data"] == "digits" else fashion(Path(options["shared"]))
    for count in map(int, options["rows"].split(",") if options["rows"] else [len(train[1])]):
        for seed in range(int(options["seeds"])):
            keep = np.random.default_rng(seed).permutation(len(train[1]))[:count]
            compare((train[0][keep], train[1][keep]), test, float(options["minutes"]), seed)


if __name__ == "__main__":
    main(sys.argv[1:])
