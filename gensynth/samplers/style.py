"""Style transfer without downloads: a real row keeps its shapes and takes colour, spectrum or texture of another.

Styles come from the training rows of the same class, of all classes, or from a folder of the user.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self, cast

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from gensynth import rng
from gensynth.data.finding import FileFault
from gensynth.data.image import EXTENSIONS, read_pixels, resize
from gensynth.errors import DataError, UsageError, nearest
from gensynth.models.classifier import Classifier, seeded_cnn
from gensynth.models.classifiers import fit_row_classifier
from gensynth.rng import aligned_blocks
from gensynth.samplers.transform import ClassRows, Transform
from gensynth.types import LabelledData

METHODS = ("colour", "fourier", "gatys")
FEATURES = ("judge", "random")
BLOCK = 32
RATE = 0.05
MOST_PIXELS = 50_000_000


class StyleTransfer(Transform):
    """Real rows in the style of others.

    method    colour: mean and spread of every channel (Reinhard et al., "Color transfer between images", 2001);
              fourier: amplitudes of low frequencies, phases kept (Yang and Soatto, "FDA", CVPR 2020, section 3.1);
              gatys: pixels moved until their features have the style's Gram matrices (Gatys et al., CVPR 2016)
    strength  0 leaves the row as it is, 1 takes the style whole
    band      fourier: part of the side's frequencies that is exchanged
    steps     gatys: steps of Adam; features: judge, trained on the training rows, or random, an untrained network
    styles    class: training rows of the same class; train: of any class; or a folder of images
    weights   gatys: a safetensors file with convolutions of a VGG (`features.N.weight`, `features.N.bias`)
    Texture may be what makes a class, so rows pass only where a classifier finds their label again.
    """

    name = "style"
    modalities = ("image",)
    label_policy = "at_risk"
    gated = True

    def __init__(
        self, method: str, strength: float, band: float, steps: int, features: str, styles: str, weights: str
    ) -> None:
        for key, value, known in (("method", method, METHODS), ("features", features, FEATURES)):
            if value not in known:
                raise UsageError(f"sampler.{key}={value} is not known; {nearest(str(value), known)}")
        if not 0 <= strength <= 1 or not 0 <= band <= 1:
            raise UsageError(f"sampler.strength and sampler.band must lie in [0, 1], got {strength} and {band}")
        self.method, self.strength, self.band, self.steps = method, strength, band, int(steps)
        self.features, self.styles, self.weights = features, styles, weights

    def fit(self, train: LabelledData) -> Self:
        self._own = ClassRows(train)
        if self.styles in ("class", "train"):
            self._looks, self._names = train.x, train.ids
        else:
            self._looks, self._names = read_pictures(Path(self.styles), train.x.shape[1:], "styles")
        if self.method == "gatys":
            self._layers = self._network(train).eval().requires_grad_(False)
        return super().fit(train)

    def _chosen(self, labels: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """Which style image (N,) each row takes: one of its class, or any."""
        if self.styles == "class":
            return self._own.parents(labels, seeds ^ np.uint64(rng.child(0, "style")))
        return (rng.uniform(seeds, 1, "style")[:, 0] * len(self._looks)).astype(np.int64)

    def _network(self, train: LabelledData) -> nn.Sequential:
        """Convolutions and their nonlinearities whose features carry content and style."""
        if self.weights:
            return read_vgg(Path(self.weights))
        if self.features == "random":
            network = seeded_cnn(train.x.shape[1:], len(train.schema.classes), rng.child(0, "style"))
        else:
            network = cast(Classifier, fit_row_classifier(train, rng.child(0, "style judge")).on_pictures).network
        return nn.Sequential(*list(network.body)[1:5])

    def change(self, x: np.ndarray, labels: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seeds = np.asarray(seeds, np.uint64)
        chosen, out = self._chosen(labels, seeds), np.empty_like(x)
        for _, _, rows, places in aligned_blocks(labels, seeds, BLOCK):
            content, look = (_in_block(side, places) for side in (x[rows], self._looks[chosen[rows]]))
            synthetic = self._styled(content, look)[torch.from_numpy(places)]
            out[rows] = (synthetic * 255).round().clamp(0, 255).to(torch.uint8).numpy()
        facts = {"method": self.method, "strength": self.strength}
        params = [json.dumps(facts | {"style": str(name)}) for name in self._names[chosen]]
        return out, np.array(params, dtype=str)

    def _styled(self, content: Tensor, style: Tensor) -> Tensor:
        if self.method == "colour":
            return content + self.strength * (match_moments(content, style) - content)
        if self.method == "fourier":
            return exchange_amplitudes(content, style, self.band, self.strength)
        return transfer_texture(content, style, self._layers, self.strength, self.steps)


def _in_block(x: np.ndarray, places: np.ndarray) -> Tensor:
    """Pixels in [0, 1] at their places of a block of BLOCK rows; the other places are mid-grey."""
    out = torch.full((BLOCK, *x.shape[1:]), 0.5)
    out[torch.from_numpy(places)] = torch.from_numpy(np.ascontiguousarray(x)).float() / 255
    return out


def match_moments(content: Tensor, style: Tensor) -> Tensor:
    """Content (N, C, H, W) with the mean and the standard deviation of each of the style's channels.

    >>> x = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    >>> match_moments(x, 0.5 + 0.1 * x).flatten().tolist()
    [0.5, 0.6000000238418579]
    """
    stats = [(x.double().mean((2, 3), keepdim=True), x.double().std((2, 3), keepdim=True)) for x in (content, style)]
    (mean, spread), (new_mean, new_spread) = stats
    ratio = torch.where(spread > 1e-6, new_spread / spread.clamp_min(1e-6), 1.0)
    return ((content - mean) * ratio + new_mean).float()


def exchange_amplitudes(content: Tensor, style: Tensor, band: float, strength: float) -> Tensor:
    """Content (N, C, H, W) whose low frequencies have amplitudes mixed with the style's; its phases stay.

    band      frequencies up to that part of the highest one, along either axis
    strength  weight of the style's amplitudes
    """
    height, width = content.shape[2:]
    ours, theirs = (torch.fft.rfft2(x.double()) for x in (content, style))
    low = (torch.fft.fftfreq(height).abs()[:, None] <= band / 2) & (torch.fft.rfftfreq(width)[None, :] <= band / 2)
    amplitude = ours.abs() + strength * low * (theirs.abs() - ours.abs())
    return torch.fft.irfft2(torch.polar(amplitude, ours.angle()), s=(height, width)).float()


def transfer_texture(content: Tensor, style: Tensor, layers: nn.Sequential, strength: float, steps: int) -> Tensor:
    """Pixels (N, C, H, W) between content and style, found by Adam from the content.

    The loss of each image is (1 - strength) times the squared difference of deep features to the content's, relative
    to their size, and strength times that of all layers' Gram matrices to the style's.
    """
    with torch.no_grad():
        goal = _features(layers, content)[-1]
        grams = [_gram(one) for one in _features(layers, style)]
        sizes = [one.square().mean((1, 2)).clamp_min(1e-8) for one in grams]
        size = goal.square().flatten(1).mean(1).clamp_min(1e-8)
    pixels = content.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([pixels], lr=RATE)
    with torch.enable_grad():
        for _ in range(steps):
            found = _features(layers, pixels)
            kept = ((found[-1] - goal).square().flatten(1).mean(1) / size).sum()
            pairs = zip(found, grams, sizes, strict=True)
            styled = sum(((_gram(f) - g).square().mean((1, 2)) / s).sum() for f, g, s in pairs) / len(grams)
            optimizer.zero_grad(set_to_none=True)
            ((1 - strength) * kept + strength * styled).backward()
            optimizer.step()
            with torch.no_grad():
                pixels.clamp_(0, 1)
    return pixels.detach()


def _features(layers: nn.Sequential, x: Tensor) -> list[Tensor]:
    """Activations after every nonlinearity, of pixels in [0, 1]."""
    found, x = [], 2 * x - 1
    for layer in layers:
        x = layer(x)
        if isinstance(layer, nn.ReLU):
            found.append(x)
    return found


def _gram(features: Tensor) -> Tensor:
    """Products of channels (N, C, C), averaged over places."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def read_pictures(folder: Path, shape: tuple[int, ...], key: str) -> tuple[np.ndarray, np.ndarray]:
    """All images of a folder, at the model's size and channels: x uint8 (M, C, H, W) and file names (M,).

    key  of the sampler, for messages
    """
    if not folder.is_dir():
        choices = "class | train | " if key == "styles" else ""
        raise UsageError(f"sampler.{key}={folder.name} is not known; {choices}a folder of images")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS and path.is_file())
    if not files:
        raise DataError(f'sampler.{key}: the folder "{folder.name}" holds no image ({" ".join(EXTENSIONS)})')
    channels, height, width = shape
    x = np.empty((len(files), *shape), np.uint8)
    for i, path in enumerate(files):
        try:
            pixels = resize(read_pixels(path, MOST_PIXELS), height, width)
        except FileFault as fault:
            raise DataError(f'sampler.{key}: "{path.name}" cannot be used, {fault.reason}: {fault.detail}') from None
        x[i] = pixels if len(pixels) == channels or len(pixels) == 1 else pixels.mean(0, keepdims=True).round()
    return x, np.array([path.name for path in files])


def read_vgg(path: Path) -> nn.Sequential:
    """The first convolutions (through the third pooling) of a VGG from a safetensors file of torchvision's names.

    Grey images are repeated to three channels. UsageError where the file has no such weights.
    """
    try:
        state = load_file(path)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UsageError(f"sampler.weights={path.name} cannot be read as safetensors: {error}") from None
    names = sorted(int(key.split(".")[1]) for key in state if key.startswith("features.") and key.endswith(".weight"))
    whole = all(state[f"features.{n}.weight"].shape[2:] == (3, 3) and f"features.{n}.bias" in state for n in names)
    if not names or names[0] != 0 or not whole:
        raise UsageError(
            f"sampler.weights={path.name} is no VGG without batch norm: features.0.weight is (64, 3, 3, 3)"
        )
    layers: list[nn.Module] = [_ThreeChannels()]
    for before, number in zip([0, *names], names[:7], strict=False):
        weight, bias = state[f"features.{number}.weight"], state[f"features.{number}.bias"]
        if number - before > 2:  # a gap in the numbering is a pooling layer
            layers.append(nn.AvgPool2d(2, ceil_mode=True))
        convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
        convolution.load_state_dict({"weight": weight, "bias": bias})
        layers += [convolution, nn.ReLU()]
    return nn.Sequential(*layers)


class _ThreeChannels(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.expand(-1, 3, -1, -1)
