"""How far two sets of features lie apart: Frechet, kernel and sliced Wasserstein distance, and torchmetrics' two.

The functions `frechet_distance`, `kernel_distance` and `mind` are the definitions in float64; `fid_as_is` and
`kid_as_is` are torchmetrics' behind its traps (eval mode, subset size, its use of the global generator).
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from gensynth.evaluation.metrics.metric import FeaturePair, Metric
from gensynth.neighbours import check_features
from gensynth.rng import child, numpy_generator

KID_SUBSETS = 50


def frechet_distance(*, real: np.ndarray, fake: np.ndarray) -> float:
    """Squared Frechet distance of the Gaussians fitted to real (N, D) and fake (M, D), at least 0.

    |mu_r - mu_f|^2 + Tr(S_r + S_f - 2 (S_r S_f)^(1/2)), Heusel et al., "GANs trained by a two time-scale
    update rule", 2017, equation 6. The last trace is the sum of singular values of A_r A_f^T with roots
    A^T A = S: never complex, and equal sets give 0 to rounding. O((N + M) D^2 + D^3). Biased upwards by about
    `frechet_expected`. ValueError for fewer than two rows, unequal D or values that are not finite.

    >>> x = np.array([[0.0], [2.0]])
    >>> round(frechet_distance(real=x, fake=3 * x + 1), 6)  # mean 1 -> 4, standard deviation sqrt(2) -> 3 sqrt(2)
    17.0
    """
    check_features(real, fake, at_least=2)
    mean_r, root_r = _mean_and_root(real)
    mean_f, root_f = _mean_and_root(fake)
    overlap = np.linalg.svd(root_r @ root_f.T, compute_uv=False).sum()
    spread = (root_r**2).sum() + (root_f**2).sum() - 2.0 * overlap
    return float(max(((mean_r - mean_f) ** 2).sum() + spread, 0.0))


def frechet_infinity(*, real: np.ndarray, fake: np.ndarray, seed: int, sizes: int = 15) -> float:
    """Frechet distance extrapolated to infinitely many rows, which may fall a little below 0.

    Chong & Forsyth, "Effectively unbiased FID and Inception score", 2020, section 3: distances of the first
    n rows of shuffled sets, at `sizes` values of n, are regressed on 1/n and the intercept is taken. Here both sides
    are cut to n = m, so both lose their bias, and n starts at 4 D, below which the bias is no line in 1/n.
    ValueError where the smaller side has fewer than 8 D rows.

    >>> x = np.random.default_rng(0).normal(size=(2, 4000, 8))
    >>> raw, free = frechet_distance(real=x[0], fake=x[1]), frechet_infinity(real=x[0], fake=x[1], seed=0)
    >>> round(raw, 3), abs(free) < 0.01
    (0.017, True)
    """
    check_features(real, fake, at_least=8 * real.shape[1])
    most = min(len(real), len(fake))
    numbers = np.unique((1 / np.linspace(1 / max(4 * real.shape[1], most // 10), 1 / most, sizes)).astype(int))
    order = numpy_generator(seed, "frechet infinity")
    values = []
    for n in numbers:
        rows = [order.permutation(len(side))[:n] for side in (real, fake)]
        values.append(frechet_distance(real=real[rows[0]], fake=fake[rows[1]]))
    # The variance of a distance falls as 1/n^2 near the null, so its weight grows with n.
    return float(np.polyfit(1 / numbers, values, 1, w=numbers)[1])


def frechet_expected(*, real: np.ndarray, n: int, m: int) -> float:
    """Expected Frechet distance of n and m fresh rows of one Gaussian with the covariance of `real` (N, D).

    The Bures metric to second order gives (1/n + 1/m) (sum_i l_i + sum_ij l_i l_j (1 + [i=j]) / (2 (l_i + l_j)))
    with the eigenvalues l; (1/n + 1/m) (D + D (D + 1) / 4) where all of them are 1.

    >>> x = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]) * np.sqrt(3 / 4)
    >>> round(frechet_expected(real=x, n=100, m=100), 6)  # (1/100 + 1/100) (2 + 2 * 3 / 4)
    0.07
    """
    values = np.linalg.eigvalsh(_moments(real)[1])
    values = values[values > 1e-12 * values.max(initial=0.0)]
    pairs = np.outer(values, values) / (values[:, None] + values[None, :])
    return float((1 / n + 1 / m) * (values.sum() + (pairs.sum() + np.trace(pairs)) / 2))


def kernel_distance(*, real: np.ndarray, fake: np.ndarray, chunk: int = 2048) -> float:
    """Unbiased MMD^2 with kernel (x.y / D + 1)^3 over all rows; 0 in the mean for equal distributions, may be negative.

    Binkowski et al., "Demystifying MMD GANs", 2018, section 3.1 (there a mean over subsets, which is `kid_as_is`). Not
    free of scale: standardise the features. O((N + M)^2 D) time, O(chunk * max(N, M)) memory.

    >>> x = np.array([[-1.0], [1.0]])
    >>> kernel_distance(real=x, fake=x)  # (0 + 0) - 2 (8 + 8 + 0 + 0) / 4
    -8.0
    """
    check_features(real, fake, at_least=2)
    real, fake = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    n, m, d = len(real), len(fake), real.shape[1]

    def total(a: np.ndarray, b: np.ndarray) -> float:
        parts = 0.0
        for i in range(0, len(a), chunk):
            t = a[i : i + chunk] @ b.T
            t /= d
            t += 1.0
            parts += float(np.vdot(t * t, t))  # the sum of cubes, without NumPy's slow power
        return parts

    def diagonal(a: np.ndarray) -> float:
        return float((((a**2).sum(1) / d + 1.0) ** 3).sum())

    within = (total(real, real) - diagonal(real)) / (n * (n - 1)) + (total(fake, fake) - diagonal(fake)) / (m * (m - 1))
    return within - 2.0 * total(real, fake) / (n * m)


def mind(*, real: np.ndarray, fake: np.ndarray, seed: int, directions: int = 500) -> float:
    """3 D times the mean squared 1-D Wasserstein distance over random unit directions; 0 for equal sets.

    MIND, Berthet et al. 2026 (arXiv 2605.06797): sliced Wasserstein, no covariance, so it is defined for D > n. Unequal
    n and m are compared by their quantile functions. A shift of mu in every coordinate gives 3 D mu^2. Biased
    upwards as 1/n: compare with real against real. O(P (N + M) (D + log N)) for P directions.

    >>> x = np.random.default_rng(0).normal(size=(500, 4))
    >>> mind(real=x, fake=x, seed=0), round(mind(real=x, fake=x + 0.5, seed=0), 1)
    (0.0, 2.8)
    """
    check_features(real, fake, at_least=1)
    d = real.shape[1]
    steps = np.union1d(np.arange(1, len(real) + 1) * len(fake), np.arange(1, len(fake) + 1) * len(real))
    widths = np.diff(steps, prepend=0) / (len(real) * len(fake))
    of_real, of_fake = (steps - 1) // len(fake), (steps - 1) // len(real)
    draws = numpy_generator(seed, "mind").standard_normal((d, directions))
    draws /= np.linalg.norm(draws, axis=0)
    mean = np.asarray(real, np.float64).mean(axis=0)
    total = 0.0
    for start in range(0, directions, 50):
        sides = [np.sort((side - mean) @ draws[:, start : start + 50], axis=0) for side in (real, fake)]
        total += float(widths @ ((sides[0][of_real] - sides[1][of_fake]) ** 2).sum(axis=1))
    return 3 * d * total / directions


def fid_as_is(*, real: np.ndarray, fake: np.ndarray) -> float:
    """Frechet distance by torchmetrics of features (N, D), (M, D) of order 1, as its one-pass sums need.

    Heusel et al. 2017, equation 6; without Inception features it is comparable within one feature space only.

    >>> x = np.array([[0.0], [2.0]])
    >>> round(fid_as_is(real=x, fake=x + 3), 4)
    9.0
    """
    check_features(real, fake, at_least=2)
    metric = FrechetInceptionDistance(_Precomputed(real.shape[1])).set_dtype(torch.float64)
    metric.update(torch.as_tensor(real, dtype=torch.float64), real=True)
    metric.update(torch.as_tensor(fake, dtype=torch.float64), real=False)
    return max(float(metric.compute()), 0.0)


def kid_as_is(*, real: np.ndarray, fake: np.ndarray, seed: int, subset_size: int) -> tuple[float, float]:
    """Kernel distance by torchmetrics of features (N, D), (M, D) of order 1: mean, standard deviation over subsets.

    Unbiased MMD^2 with kernel (x.y/D + 1)^3, Binkowski et al., "Demystifying MMD GANs", 2018, section 3.1;
    it may be negative and is 0 in the mean for a perfect generator. The standard deviation is the scatter of 50
    subsets, no confidence interval. `subset_size` is cut to the smaller set; if it takes all rows of both,
    one subset is all there is.

    >>> x = np.array([[0.0], [2.0]])
    >>> kid_as_is(real=x, fake=x, seed=0, subset_size=2)  # 1 + 1 - 2 (1 + 1 + 1 + 125) / 4
    (-62.0, 0.0)
    """
    check_features(real, fake, at_least=2)
    size = min(subset_size, len(real), len(fake))
    subsets = 1 if size == len(real) == len(fake) else KID_SUBSETS
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*will save all extracted features in buffer")
        metric = KernelInceptionDistance(_Precomputed(real.shape[1]), subsets=subsets, subset_size=size)
    metric.update(torch.as_tensor(real, dtype=torch.float64), real=True)
    metric.update(torch.as_tensor(fake, dtype=torch.float64), real=False)
    with torch.random.fork_rng(devices=[]):
        # torchmetrics draws its subsets from the global generator.
        torch.default_generator.manual_seed(child(seed, "kid"))
        mean, std = metric.compute()
    return float(mean), float(std)


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and unbiased covariance (D, D) in float64."""
    x = np.asarray(x, np.float64)
    mean = x.mean(axis=0)
    centred = x - mean
    return mean, centred.T @ centred / (len(x) - 1)


def _mean_and_root(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and R with R^T R = covariance: the symmetric root, rounding below 0 clamped; of few rows the rows."""
    if len(x) <= x.shape[1]:
        mean = np.asarray(x, np.float64).mean(axis=0)
        return mean, (x - mean) / np.sqrt(len(x) - 1)
    mean, covariance = _moments(x)
    values, vectors = np.linalg.eigh(covariance)
    return mean, (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


class _Precomputed(nn.Identity):
    """Stands where torchmetrics expects a feature extractor; holds no weights and does the same in every mode."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


class FID(Metric):
    """`fid_as_is` of scaled features. Expect about `frechet_expected` of a perfect generator, not 0."""

    name, lower_is_better, bounds, ideal = "fid", True, (0.0, math.inf), 0.0
    place = 10
    rows_per_dim = 2  # below which a covariance says nothing

    def score(self, pair: FeaturePair) -> float:
        return fid_as_is(real=pair.real_scaled, fake=pair.fake_scaled)

    def rows_needed(self, dims: int) -> int:
        return self.rows_per_dim * dims

    def too_few(self, n: int, dims: int) -> str:
        needed = self.rows_needed(dims)
        text = f"not defined: n too small, {n} rows, {needed} needed for a covariance in {dims} dimensions; see kid"
        return "" if n >= needed else text

    def closed_form(self, pair: FeaturePair) -> float | None:
        """For Gaussian rows drawn without regard to class; matched classes may score less."""
        if self.known is not None:
            return self.known
        return frechet_expected(real=pair.real_scaled, n=len(pair.real), m=len(pair.fake))


class FIDInfinity(FID):
    """`frechet_infinity` of scaled features."""

    name, bounds = "fid_infinity", (-math.inf, math.inf)
    per_class, headline, place = False, False, 11
    rows_per_dim, known = 16, 0.0

    def __init__(self, sizes: int = 15, seed: int = 0) -> None:
        super().__init__(seed)
        self.sizes = sizes

    def score(self, pair: FeaturePair) -> float:
        return frechet_infinity(real=pair.real_scaled, fake=pair.fake_scaled, seed=pair.seed, sizes=self.sizes)


class KID(Metric):
    """`kid_as_is` of scaled features; beside it stands the same distance over all rows, `kernel_distance`."""

    name, lower_is_better, bounds, ideal = "kid", True, (-math.inf, math.inf), 0.0
    known, place = 0.0, 12

    def __init__(self, subset_size: int = 1000, seed: int = 0) -> None:
        super().__init__(seed)
        self.subset_size = subset_size

    def score(self, pair: FeaturePair) -> float:
        sides = {"real": pair.real_scaled, "fake": pair.fake_scaled}
        return kid_as_is(**sides, seed=pair.seed, subset_size=self.subset_size)[0]

    def reference(self, pair: FeaturePair) -> float:
        return kernel_distance(real=pair.real_scaled, fake=pair.fake_scaled)


class MIND(Metric):
    """`mind` of scaled features."""

    name, lower_is_better, bounds, ideal = "mind", True, (0.0, math.inf), 0.0
    place = 13

    def __init__(self, directions: int = 200, seed: int = 0) -> None:
        super().__init__(seed)
        self.directions = directions

    def score(self, pair: FeaturePair) -> float:
        return mind(real=pair.real_scaled, fake=pair.fake_scaled, seed=pair.seed, directions=self.directions)
