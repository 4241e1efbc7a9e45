"""Operations on images, one value a row: where things are, their colour, noise, filters, what is covered.

Pixels are float32 (N, C, H, W) in [0, 1]. Whatever an operation draws beside its value (a place, an angle, noise)
comes from the row's seed, so a row comes out the same in any batch. Filters are sums of shifted images, not
convolutions, whose last bits change with the size of the batch.

Moves are matrices: several in a row become one, so that pixels are interpolated once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from kornia.color import hsv_to_rgb, rgb_to_grayscale, rgb_to_hsv
from kornia.enhance.adjust import adjust_hue_raw
from kornia.filters import get_gaussian_kernel1d, get_motion_kernel2d, median_blur
from kornia.geometry.transform import get_perspective_transform, warp_affine, warp_perspective
from scipy.special import ndtri
from torch import Tensor
from torch.nn import functional as F

from gensynth import rng

Move = Callable[[Tensor, np.ndarray, tuple[int, int]], Tensor]
Change = Callable[[Tensor, Tensor, np.ndarray], Tensor]


@dataclass(frozen=True)
class Operation:
    """What one operation does and how far it may go.

    kind      position | colour | noise | filter | cover
    change    (x, values (N,), seeds (N,)) -> x; of moves instead `move`: (values, seeds, (H, W)) -> matrices (N, 3, 3)
    strength  largest value that policies draw; values are drawn from both sides of 0 where `signed`
    risk      how it can make the label wrong, empty where it does not; `safe`: up to this value it does not
    colour    whether it needs three channels
    """

    kind: str
    strength: float
    signed: bool = False
    risk: str = ""
    safe: float = 0.0
    colour: bool = False
    change: Change | None = None
    move: Move | None = None

    def is_at_risk(self, strength: float) -> bool:
        """Whether it can change a label at that strength."""
        return bool(self.risk) and strength > self.safe

    @property
    def always_at_risk(self) -> bool:
        """Whether it can change a label at any strength."""
        return bool(self.risk) and self.safe == 0

    def values(self, draws: np.ndarray, strength: float) -> np.ndarray:
        """Values (N,) of uniform draws (N,) in (0, 1), rounded as the ledger writes them."""
        return np.round(strength * (2 * draws - 1 if self.signed else draws), 6)


# ---- position -------------------------------------------------------------------------------------


def _about_centre(matrices: Tensor, size: tuple[int, int]) -> Tensor:
    """Matrices (N, 3, 3) that work around the middle of the image."""
    height, width = size
    there = torch.eye(3).repeat(len(matrices), 1, 1)
    there[:, 0, 2], there[:, 1, 2] = (width - 1) / 2, (height - 1) / 2
    back = there.clone()
    back[:, :2, 2] *= -1
    return there @ matrices @ back


def _identity(count: int) -> Tensor:
    return torch.eye(3).repeat(count, 1, 1)


def rotate(values: Tensor, seeds: np.ndarray, size: tuple[int, int]) -> Tensor:
    """Turn by degrees, anticlockwise."""
    angle = torch.deg2rad(values)
    out = _identity(len(values))
    out[:, 0, 0], out[:, 0, 1], out[:, 1, 0], out[:, 1, 1] = angle.cos(), angle.sin(), -angle.sin(), angle.cos()
    return _about_centre(out, size)


def resize(values: Tensor, seeds: np.ndarray, size: tuple[int, int]) -> Tensor:
    """Larger or smaller by a share of the size, around the middle."""
    out = _identity(len(values))
    out[:, 0, 0] = out[:, 1, 1] = 1 + values
    return _about_centre(out, size)


def shift_x(values: Tensor, seeds: np.ndarray, size: tuple[int, int]) -> Tensor:
    """Right by a share of the width."""
    out = _identity(len(values))
    out[:, 0, 2] = values * size[1]
    return out


def shift_y(values: Tensor, seeds: np.ndarray, size: tuple[int, int]) -> Tensor:
    """Down by a share of the height."""
    out = _identity(len(values))
    out[:, 1, 2] = values * size[0]
    return out


def shear_x(values: Tensor, seeds: np.ndarray, size: tuple[int, int]) -> Tensor:
    """Rows pushed sideways, by that part of their distance to the middle."""
    out = _identity(len(values))
    out[:, 0, 1] = values
    return _about_centre(out, size)


def shear_y(values: Tensor, seeds: np.ndarray, size: tuple[int, int]) -> Tensor:
    """Columns pushed up or down, by that part of their distance to the middle."""
    out = _identity(len(values))
    out[:, 1, 0] = values
    return _about_centre(out, size)


def crop(values: Tensor, seeds: np.ndarray, size: tuple[int, int]) -> Tensor:
    """A part of the image, smaller by that share of each side, at a random place, drawn out to the full size."""
    place = torch.from_numpy(rng.uniform(seeds, 2, "crop")).float()
    kept = 1 - values
    out = _identity(len(values))
    out[:, 0, 0] = out[:, 1, 1] = 1 / kept
    for axis, side in ((0, size[1]), (1, size[0])):
        out[:, axis, 2] = -place[:, axis] * values * (side - 1) / kept
    return out


def flip_horizontal(values: Tensor, seeds: np.ndarray, size: tuple[int, int]) -> Tensor:
    """Left and right exchanged."""
    out = _identity(len(values))
    out[:, 0, 0] = -1
    return _about_centre(out, size)


def flip_vertical(values: Tensor, seeds: np.ndarray, size: tuple[int, int]) -> Tensor:
    """Top and bottom exchanged."""
    out = _identity(len(values))
    out[:, 1, 1] = -1
    return _about_centre(out, size)


def warped(x: Tensor, matrices: Tensor) -> Tensor:
    """Pixels (N, C, H, W) moved by matrices (N, 3, 3) from old to new places; the border goes on outwards."""
    height, width = x.shape[2:]
    return warp_affine(x, matrices[:, :2], (height, width), padding_mode="border", align_corners=True)


def perspective(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """A quadrangle whose corners lie inside by up to half that share of the sides, drawn out to the full image."""
    height, width = x.shape[2:]
    corners = torch.tensor([[0.0, 0.0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]])
    inwards = torch.tensor([[1.0, 1.0], [-1, 1], [-1, -1], [1, -1]]) * torch.tensor([width, height])
    draw = torch.from_numpy(rng.uniform(seeds, 8, "perspective")).float().view(-1, 4, 2)
    start = corners.expand(len(x), 4, 2)
    end = start + inwards * draw * values[:, None, None] / 2
    matrices = get_perspective_transform(end, start)
    return warp_perspective(x, matrices, (height, width), padding_mode="border", align_corners=True)


# ---- colour ---------------------------------------------------------------------------------------


def _grey(x: Tensor) -> Tensor:
    return rgb_to_grayscale(x) if x.shape[1] == 3 else x.mean(1, keepdim=True)


def _per_row(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _mean(x: Tensor) -> Tensor:
    """Mean (N, 1, 1, 1) in double precision, whose last bits do not reach the pixels."""
    return x.double().mean((1, 2, 3), keepdim=True).float()


def brightness(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """All pixels times 1 + value."""
    return x * (1 + _per_row(values))


def contrast(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Distance to the image's mean grey times 1 + value."""
    mean = _mean(_grey(x))
    return mean + (x - mean) * (1 + _per_row(values))


def saturation(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Distance of a pixel to its own grey times 1 + value."""
    grey = _grey(x)
    return grey + (x - grey) * (1 + _per_row(values))


def hue(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Round the circle of colours by that part of it."""
    return hsv_to_rgb(adjust_hue_raw(rgb_to_hsv(x.clamp(0, 1)), 2 * torch.pi * values))


def greyscale(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """All colour taken out."""
    return _grey(x).expand_as(x)


def posterize(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Fewer levels: of 8 bits the upper 8 - value are kept."""
    step = torch.exp2(_per_row(values.round())) / 255
    return torch.floor(x.clamp(0, 1) / step + 1e-4) * step


def solarize(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Pixels above 1 - value turned into their negative."""
    return torch.where(x > 1 - _per_row(values), 1 - x, x)


def autocontrast(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Every channel stretched from black to white."""
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    return torch.where(high > low, (x - low) / (high - low).clamp_min(1e-6), x)


# ---- noise ----------------------------------------------------------------------------------------


def gaussian_noise(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Normal noise of that standard deviation, white being 1."""
    noise = rng.normal(seeds, x[0].numel(), stream="gaussian noise")
    return x + _per_row(values) * torch.from_numpy(noise).view_as(x)


def poisson_noise(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Counted light: white is 1 / value^2 photons, so the noise of white has that standard deviation."""
    photons = 1 / _per_row(values.clamp_min(1e-3)).square()
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
    return torch.where(hit < _per_row(values), (white < 0.5).float(), x)


# ---- filters --------------------------------------------------------------------------------------


def filtered(x: Tensor, kernels: Tensor) -> Tensor:
    """Each image with its own kernel: x (N, C, H, W), kernels (N, k, l), both odd; the border goes on outwards."""
    up, left = kernels.shape[1] // 2, kernels.shape[2] // 2
    height, width = x.shape[2:]
    padded = F.pad(x, (left, left, up, up), mode="replicate")
    out = torch.zeros_like(x)
    for i in range(kernels.shape[1]):
        for j in range(kernels.shape[2]):
            out.addcmul_(_per_row(kernels[:, i, j]), padded[:, :, i : i + height, j : j + width])
    return out


def blur(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Gaussian blur of that sigma, in pixels of an image of 32."""
    sigma = (values * max(x.shape[2:]) / 32).clamp_min(1e-2)
    reach = int(np.ceil(3 * BLUR * max(x.shape[2:]) / 32))
    bell = get_gaussian_kernel1d(2 * reach + 1, sigma[:, None])
    return filtered(filtered(x, bell[:, :, None]), bell[:, None, :])


def sharpen(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Away from a 3x3 mean by that factor."""
    mean = filtered(x, torch.full((len(x), 3, 3), 1 / 9))
    return x + _per_row(values) * (x - mean)


def motion_blur(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Moved along a random direction while the picture was taken; value 1 is an even smear of 5 pixels."""
    draw = torch.from_numpy(rng.uniform(seeds, 2, "motion")).float()
    kernels = get_motion_kernel2d(5, 360 * draw[:, 0], 2 * draw[:, 1] - 1)
    return x + _per_row(values) * (filtered(x, kernels) - x)


def median(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """Every pixel towards the median of its 3x3 neighbours by that part."""
    return x + _per_row(values) * (median_blur(x, 3, "replicate") - x)


# ---- what is covered ------------------------------------------------------------------------------


def erase(x: Tensor, values: Tensor, seeds: np.ndarray) -> Tensor:
    """A rectangle of that share of the image in its mean colour (Zhong et al., "Random erasing", AAAI 2020)."""
    height, width = x.shape[2:]
    draw = torch.from_numpy(rng.uniform(seeds, 3, "erase")).float()
    ratio = torch.exp((2 * draw[:, 0] - 1) * np.log(2.0))  # height to width, one half to two
    tall, wide = (values * ratio).sqrt() * height, (values / ratio).sqrt() * width
    top, left = draw[:, 1] * (height - tall), draw[:, 2] * (width - wide)
    row, column = torch.arange(height) + 0.5, torch.arange(width) + 0.5
    in_rows = (row > top[:, None]) & (row < (top + tall)[:, None])
    in_columns = (column > left[:, None]) & (column < (left + wide)[:, None])
    inside = (in_rows[:, :, None] & in_columns[:, None, :])[:, None]
    return torch.where(inside, x.double().mean((2, 3), keepdim=True).float(), x)


BLUR = 1.5
FEW_PHOTONS, MOST_FEW = 12.0, 45
MIRROR = "mirrored digits, letters, and left and right organs are others"
OPERATIONS = {
    "rotate": Operation("position", 15, True, "a turned 6 is a 9", 30, move=rotate),
    "resize": Operation("position", 0.2, True, "size tells some classes apart", 0.4, move=resize),
    "shift_x": Operation("position", 0.12, True, "what matters may leave the image", 0.3, move=shift_x),
    "shift_y": Operation("position", 0.12, True, "what matters may leave the image", 0.3, move=shift_y),
    "shear_x": Operation("position", 0.2, True, "a slanted shape may be another", 0.4, move=shear_x),
    "shear_y": Operation("position", 0.2, True, "a slanted shape may be another", 0.4, move=shear_y),
    "crop": Operation("position", 0.25, False, "what matters may be cut off", 0.3, move=crop),
    "flip_horizontal": Operation("position", 1, False, MIRROR, move=flip_horizontal),
    "flip_vertical": Operation("position", 1, False, MIRROR, move=flip_vertical),
    "perspective": Operation("position", 0.25, False, "a slanted shape may be another", 0.5, change=perspective),
    "brightness": Operation("colour", 0.4, True, change=brightness),
    "contrast": Operation("colour", 0.4, True, change=contrast),
    "saturation": Operation("colour", 0.5, True, colour=True, change=saturation),
    "hue": Operation("colour", 0.05, True, "colour tells some classes apart", 0.1, colour=True, change=hue),
    "greyscale": Operation("colour", 1, False, "colour tells some classes apart", 0, colour=True, change=greyscale),
    "posterize": Operation("colour", 4, change=posterize),
    "solarize": Operation("colour", 0.3, False, "light and dark are exchanged", 0.4, change=solarize),
    "autocontrast": Operation("colour", 1, change=autocontrast),
    "gaussian_noise": Operation("noise", 0.08, change=gaussian_noise),
    "poisson_noise": Operation("noise", 0.1, change=poisson_noise),
    "salt_and_pepper": Operation("noise", 0.04, change=salt_and_pepper),
    "blur": Operation("filter", 1, False, "fine marks may go", BLUR, change=blur),
    "sharpen": Operation("filter", 1, change=sharpen),
    "motion_blur": Operation("filter", 1, change=motion_blur),
    "median": Operation("filter", 1, False, "fine marks may go", 1, change=median),
    "erase": Operation("cover", 0.15, False, "what matters may be covered", 0.25, change=erase),
}


def apply_operations(x: Tensor, steps: list[tuple[str, np.ndarray, np.ndarray]], seeds: np.ndarray) -> Tensor:
    """Rows after some operations in turn, each on its own rows; moves that follow each other are one.

    x      float32 (N, C, H, W) in [0, 1]
    steps  (name, whether the row takes part (N,) bool, values (N,)) in order
    """
    moved, pending = np.zeros(len(x), dtype=bool), _identity(len(x))
    for name, on, values in steps:
        operation, rows = OPERATIONS[name], np.flatnonzero(on)
        if not len(rows):
            continue
        chosen = torch.from_numpy(values[rows]).float()
        if operation.move:
            pending[rows] = operation.move(chosen, seeds[rows], x.shape[2:]) @ pending[rows]
            moved[rows] = True
            continue
        x = _settle(x, rows, moved, pending)
        x = _put(x, rows, operation.change(x[rows], chosen, seeds[rows]).clamp(0, 1))
    return _settle(x, np.arange(len(x)), moved, pending)


def _settle(x: Tensor, rows: np.ndarray, moved: np.ndarray, matrices: Tensor) -> Tensor:
    """Carry out the moves that these rows have put off; other rows go on waiting, so that none depends on its mates."""
    rows = rows[moved[rows]]
    if len(rows):
        x = _put(x, rows, warped(x[rows], matrices[rows]).clamp(0, 1))
        moved[rows], matrices[rows] = False, _identity(len(rows))
    return x


def _put(x: Tensor, rows: np.ndarray, changed: Tensor) -> Tensor:
    if len(rows) == len(x):
        return changed
    x = x.clone()
    x[rows] = changed
    return x
