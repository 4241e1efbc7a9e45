"""Speed of augmentation: the image pipeline against kornia's modules on the same batch, and every operation alone.

python scripts/bench_augment.py                # 32x32 RGB, ratios in one run, 5 repeats
python scripts/bench_augment.py size=64 repeats=3
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections.abc import Callable

import kornia.augmentation as K  # noqa: N812
import numpy as np
import torch

from gensynth import rng
from gensynth.cli import compose
from gensynth.samplers.image_operations import OPERATIONS
from gensynth.samplers.image_policies import Transforms
from gensynth.types import LabelledData, Schema

ROWS = 2048
SIX = {
    "rotate": {"probability": 1.0, "strength": 15.0},
    "brightness": {"probability": 1.0, "strength": 0.2},
    "contrast": {"probability": 1.0, "strength": 0.2},
    "saturation": {"probability": 1.0, "strength": 0.2},
    "hue": {"probability": 1.0, "strength": 0.05},
    "blur": {"probability": 1.0, "strength": 1.0},
}


def kornia_pipeline() -> torch.nn.Module:
    """The same six operations as modules, one after the other."""
    return torch.nn.Sequential(
        K.RandomAffine(15.0, p=1.0),
        K.ColorJiggle(brightness=0.2, p=1.0),
        K.ColorJiggle(contrast=0.2, p=1.0),
        K.ColorJiggle(saturation=0.2, p=1.0),
        K.ColorJiggle(hue=0.05, p=1.0),
        K.RandomGaussianBlur((11, 11), (0.1, 1.0), p=1.0),
    )


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def through_kornia(modules: torch.nn.Module, x: np.ndarray, batch: int) -> None:
    for low in range(0, len(x), batch):
        pixels = torch.from_numpy(x[low : low + batch]).float() / 255
        (modules(pixels) * 255).round().clamp(0, 255).to(torch.uint8).numpy()


def main(words: list[str]) -> None:
    options = {"size": "32", "repeats": "5"} | dict(word.partition("=")[::2] for word in words)
    size, repeats = int(options["size"]), int(options["repeats"])
    warnings.simplefilter("ignore")
    x = np.random.default_rng(0).integers(0, 256, (ROWS, 3, size, size), dtype=np.uint8)
    fields = {"channels": 3, "height": size, "width": size}
    data = LabelledData.of_real(x, np.arange(ROWS) % 4, Schema("image", ("a", "b", "c", "d"), fields))
    labels, seeds = data.y, rng.row_seeds(0, "bench", 0, ROWS)
    ours, modules = Transforms("six", SIX, []).fit(data), kornia_pipeline()
    ours.change(x[:64], labels[:64], seeds[:64])
    through_kornia(modules, x[:64], 64)
    pairs = [
        (seconds(lambda: ours.change(x, labels, seeds)), seconds(lambda: through_kornia(modules, x, 256)))
        for _ in range(repeats)
    ]
    rates, ratios = [ROWS / mine for mine, _ in pairs], [mine / theirs for mine, theirs in pairs]
    print(f"six operations, {size}x{size} RGB: {statistics.median(rates):,.0f} images/s", end="")
    print(
        f" ({min(rates):,.0f} to {max(rates):,.0f}), {statistics.median(ratios):.2f} times the time of kornia's", end=""
    )
    print(f" modules ({min(ratios):.2f} to {max(ratios):.2f}), {repeats} repeats")
    for name in ("transforms", "trivial_augment", "rand_augment", "augmix"):
        policy = compose("balance", ["digits", f"sampler={name}"]).sampler.build().fit(data)
        rates = [ROWS / seconds(lambda p=policy: p.change(x, labels, seeds)) for _ in range(repeats)]
        print(f"{name:<18}{statistics.median(rates):>10,.0f} images/s ({min(rates):,.0f} to {max(rates):,.0f})")
    for name, operation in OPERATIONS.items():
        alone = Transforms(name, {name: {"probability": 1.0, "strength": operation.strength}}, [name]).fit(data)
        rate = ROWS / seconds(lambda one=alone: one.change(x, labels, seeds))
        print(f"{name:<18}{rate:>10,.0f} images/s")


if __name__ == "__main__":
    main(sys.argv[1:])
