"""What becomes of the pixels of an image: colour, noise, filters, what is covered.

Filters are sums of shifted images, not convolutions, whose last bits change with the size of the batch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from kornia.color import hsv_to_rgb, rgb_to_grayscale, rgb_to_hsv
from kornia.enhance.adjust import adjust_hue_raw
from kornia.filters import get_gaussian_kernel1d, get_motion_kernel2d, median_blur
from scipy.special import ndtri
from torch import Tensor
from torch.nn import functional as F

from gensynth import rng

Change = Callable[[Tensor, Tensor, np.ndarray], Tensor]  # (x, values (N, 1, 1, 1), seeds (N,)) -> x

WIDEST_BLUR = 1.5  # as in operations.yaml
FEW_PHOTONS, MOST_FEW = 12.0, 45


def _grey(x: Tensor) -> Tensor:
    return rgb_to_grayscale(x) if x.shape[1] == 3 else x.mean(1, keepdim=True)


def contrast(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Distance to the image's mean grey times 1 + value."""
    mean = _grey(x).double().mean((1, 2, 3), keepdim=True).float()  # the last bits do not reach the pixels
    return mean + (x - mean) * (1 + values)


def posterize(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Fewer levels: of 8 bits the upper 8 - value are kept."""
    step = torch.exp2(values.round()) / 255
    return torch.floor(x.clamp(0, 1) / step + 1e-4) * step


def autocontrast(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Every channel stretched from black to white."""
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    return torch.where(high > low, (x - low) / (high - low).clamp_min(1e-6), x)


def gaussian_noise(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Normal noise of that standard deviation, white being 1."""
    noise = rng.normal(seeds, x[0].numel(), stream="gaussian noise")
    return x + values * torch.from_numpy(noise).view_as(x)


def poisson_noise(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Counted light: white is 1 / value^2 photons, so the noise of white has that standard deviation."""
    photons = 1 / values.clamp_min(1e-3).square()
    draw = rng.uniform(seeds, x[0].numel(), "poisson noise").reshape(x.shape)
    expected = (x.clamp(0, 1) * photons).double().numpy()
    return torch.from_numpy(poisson_quantile(draw, expected)).float() / photons


def poisson_quantile(share: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Counts at which the Poisson distribution of that mean reaches a share in (0, 1); all of one shape.

    Summed up one by one below a mean of FEW_PHOTONS; above, by the normal quantile with the correction for skewness
    (Cornish and Fisher 1937), off by at most one count.

    >>> poisson_quantile(np.array([0.5, 0.99, 0.5]), np.array([0.0, 3.0, 100.0])).tolist()
    [0.0, 8.0, 100.0]
    """
    z = ndtri(share)
    counts = np.maximum(np.rint(expected + np.sqrt(expected) * z + (z * z - 1) / 6), 0.0)
    few = expected < FEW_PHOTONS
    mean, goal = expected[few], share[few]
    term = np.exp(-mean)
    total, count = term.copy(), np.zeros(len(mean))
    for k in range(1, MOST_FEW + 1):
        count += goal > total
        term = term * mean / k
        total += term
    counts[few] = count
    return counts


def salt_and_pepper(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """That share of the pixels black or white."""
    draw = torch.from_numpy(rng.uniform(seeds, 2 * x[0, 0].numel(), "salt and pepper")).float()
    hit, white = draw.view(len(x), 2, *x.shape[2:]).split(1, dim=1)
    return torch.where(hit < values, (white < 0.5).float(), x)


def filtered(x: Tensor, kernels: Tensor) -> Tensor:
    """Each image with its own kernel: x (N, C, H, W), kernels (N, k, l), both odd; the border goes on outwards."""
    up, left = kernels.shape[1] // 2, kernels.shape[2] // 2
    height, width = x.shape[2:]
    padded = F.pad(x, (left, left, up, up), mode="replicate")
    out = torch.zeros_like(x)
    for i in range(kernels.shape[1]):
        for j in range(kernels.shape[2]):
            out.addcmul_(kernels[:, i, j, None, None, None], padded[:, :, i : i + height, j : j + width])
    return out


def blur(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Gaussian blur of that sigma, in pixels of an image of 32."""
    sigma = (values.view(-1, 1) * max(x.shape[2:]) / 32).clamp_min(1e-2)
    reach = int(np.ceil(3 * WIDEST_BLUR * max(x.shape[2:]) / 32))
    bell = get_gaussian_kernel1d(2 * reach + 1, sigma)
    return filtered(filtered(x, bell[:, :, None]), bell[:, None, :])


def sharpen(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Away from a 3x3 mean by that factor."""
    mean = filtered(x, torch.full((len(x), 3, 3), 1 / 9))
    return x + values * (x - mean)


def motion_blur(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Moved along a random direction while the picture was taken; value 1 is an even smear of 5 pixels."""
    draw = torch.from_numpy(rng.uniform(seeds, 2, "motion")).float()
    kernels = get_motion_kernel2d(5, 360 * draw[:, 0], 2 * draw[:, 1] - 1)
    return x + values * (filtered(x, kernels) - x)


def erase(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """A rectangle of that share of the image in its mean colour (Zhong et al., "Random erasing", AAAI 2020)."""
    height, width = x.shape[2:]
    draw = torch.from_numpy(rng.uniform(seeds, 3, "erase")).float()
    ratio = torch.exp((2 * draw[:, 0] - 1) * np.log(2.0))  # height to width, one half to two
    share = values.flatten()
    tall, wide = (share * ratio).sqrt() * height, (share / ratio).sqrt() * width
    top, left = draw[:, 1] * (height - tall), draw[:, 2] * (width - wide)
    row, column = torch.arange(height) + 0.5, torch.arange(width) + 0.5
    in_rows = (row > top[:, None]) & (row < (top + tall)[:, None])
    in_columns = (column > left[:, None]) & (column < (left + wide)[:, None])
    inside = (in_rows[:, :, None] & in_columns[:, None, :])[:, None]
    return torch.where(inside, x.double().mean((2, 3), keepdim=True).float(), x)


_LIGHT = (contrast, posterize, autocontrast, blur, sharpen, motion_blur, erase)
_NOISE = (gaussian_noise, poisson_noise, salt_and_pepper)
CHANGES: dict[str, Change] = {one.__name__: one for one in (*_LIGHT, *_NOISE)} | {
    # All pixels times 1 + value; distance of a pixel to its own grey times that.
    "brightness": lambda x, v, _: x * (1 + v),
    "saturation": lambda x, v, _: _grey(x) + (x - _grey(x)) * (1 + v),
    # Round the circle of colours by that part of it; all colour taken out.
    "hue": lambda x, v, _: hsv_to_rgb(adjust_hue_raw(rgb_to_hsv(x.clamp(0, 1)), 2 * torch.pi * v.flatten())),
    "greyscale": lambda x, v, _: _grey(x).expand_as(x),
    # Pixels above 1 - value turned into their negative.
    "solarize": lambda x, v, _: torch.where(x > 1 - v, 1 - x, x),
    # Every pixel towards the median of its 3x3 neighbours by that part.
    "median": lambda x, v, _: x + v * (median_blur(x, 3, "replicate") - x),
}
