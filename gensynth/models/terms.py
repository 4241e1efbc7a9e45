"""Extra losses of an adversarial generator, chosen by name in conf/model/: what else fakes of a class should share
with its real rows. Each takes a `Pair` and returns a scalar that is 0 on average where both sides are alike.

Legend: N rows a side, P numbers seen of a row, F features, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from gensynth.errors import UsageError, nearest


class Pair(NamedTuple):
    """Real and fake rows with the same labels, as the discriminator sees them, and its features of both.

    real, fake (N, P) or images (N, C, H, W); real_features, fake_features (N, F); labels (N,) of `classes` classes
    """

    real: Tensor
    fake: Tensor
    real_features: Tensor
    fake_features: Tensor
    labels: Tensor
    classes: int


def marginals(pair: Pair) -> Tensor:
    """Squared distance of the class means: shares of categories, bins of numbers, one column at a time."""
    return class_mmd(pair, lambda gram: gram)


def pairs(pair: Pair) -> Tensor:
    """Squared distance of the class means of all products of two numbers: two columns at a time."""
    return class_mmd(pair, torch.square)


def features(pair: Pair) -> Tensor:
    """Squared distance of mean and spread of the discriminator's features, class by class (Salimans et al.,
    "Improved techniques for training GANs", NeurIPS 2016, section 3.1, and the information loss of CTAB-GAN)."""
    members = F.one_hot(pair.labels, pair.classes).to(pair.real.dtype)
    counts = members.sum(0).clamp_min(1)[:, None]
    sides = []
    for f in (pair.real_features.detach(), pair.fake_features):
        mean = members.T @ f / counts
        sides.append((mean, (members.T @ f.square() / counts - mean.square()).clamp_min(1e-6).sqrt()))
    (real_mean, real_spread), (fake_mean, fake_spread) = sides
    gap = (real_mean - fake_mean).square() + (real_spread - fake_spread).square()
    return (counts / len(members) * gap).sum(0).mean() / real_spread.mean().square().clamp_min(1e-6)


def class_mmd(pair: Pair, kernel: Callable[[Tensor], Tensor]) -> Tensor:
    """Unbiased squared maximum mean discrepancy of real and fake rows of a class, averaged over rows' classes.

    Gretton et al., "A kernel two-sample test" (JMLR 2012), eq. 3. `kernel` maps scalar products of rows, centred at
    the real class means and scaled so that a real row has product 1 with itself on average, to kernel values. The
    unbiased form matters: the biased one is made smaller by fakes that vary too little.
    """
    members = F.one_hot(pair.labels, pair.classes).to(pair.real.dtype)
    centres = (members.T @ pair.real.flatten(1) / members.sum(0).clamp_min(1)[:, None])[pair.labels]
    real, fake = pair.real.flatten(1) - centres, pair.fake.flatten(1) - centres
    scale = real.square().sum(1).mean().clamp_min(1e-6)
    same = (pair.labels[:, None] == pair.labels).to(real.dtype).fill_diagonal_(0)
    weight = same / same.sum(1, keepdim=True).clamp_min(1) / len(real)
    values = kernel(real @ real.T / scale) + kernel(fake @ fake.T / scale) - 2 * kernel(real @ fake.T / scale)
    return (weight * values).sum()


TERMS: Mapping[str, Callable[[Pair], Tensor]] = {f.__name__: f for f in (marginals, pairs, features)}


def terms_of(weights: Mapping[str, float]) -> dict[str, tuple[float, Callable[[Pair], Tensor]]]:
    """Weight and loss of each name; UsageError for a name that is not one of this file's."""
    for name in weights:
        if name not in TERMS:
            raise UsageError(f"model.terms.{name} is not known; {nearest(name, TERMS)}")
    return {name: (float(weight), TERMS[name]) for name, weight in weights.items()}
