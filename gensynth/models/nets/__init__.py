"""Network bodies, sized from the data's own shape and one `width` dial; one file a kind of data.

A file holds an `Autoencoder(space, width)` and, where a cGAN can be trained on such rows, a `Discriminator(space,
width, depth)`; what each must do is declared here.
"""

from __future__ import annotations

import importlib
import math
from abc import abstractmethod
from pathlib import Path
from types import ModuleType

from torch import Tensor, nn

from gensynth.errors import UsageError, nearest
from gensynth.models.all_reduce import shared_mean
from gensynth.models.generator import StepNoise, TrainingRows

LEAST_VARIANCE = math.exp(-12)  # of a pixel in [-1, 1]: a third of a grey level


class Decoder(nn.Module):
    """Latent (N, D), class embedding (N, E) and what else a row is drawn with -> rows.

    What a decoder says of given rows is its own affair: none inherits the likelihood of another kind of rows.
    """

    def row_nll(self, z: Tensor, e: Tensor, x: Tensor) -> Tensor:
        """Negative log-likelihood (N,) of rows under what this decoder draws from, nats; no row depends on another."""
        raise NotImplementedError(f"{type(self).__name__} does not say how likely rows are")

    def imitate(self, z: Tensor, e: Tensor, random: StepNoise) -> Tensor:
        """Rows as a discriminator sees them, drawn with a gradient."""
        raise NotImplementedError(f"{type(self).__name__} shows no discriminator its rows")

    def seen(self, x: Tensor) -> Tensor:
        """What a discriminator sees of rows (N, *shape)."""
        raise NotImplementedError(f"{type(self).__name__} shows no discriminator its rows")

    def tie(self, real: Tensor, fake: Tensor, x: Tensor, z: Tensor, e: Tensor) -> Tensor:
        """What ties fakes, as seen, to the real rows x whose latents they are drawn from: a scalar, smaller nearer."""
        raise NotImplementedError(f"{type(self).__name__} shows no discriminator its rows")


class GaussianDecoder(Decoder):
    """Of images whose pixels vary alike round what is drawn."""

    def row_nll(self, z: Tensor, e: Tensor, x: Tensor) -> Tensor:
        """Each image with its own optimal sigma: that of Rybkin et al. ("Simple and effective VAE training with
        calibrated decoders", ICML 2021, section 4.3), taken over the pixels of one row."""
        variance = (x - self(z, e)).square().flatten(1).mean(1).clamp_min(LEAST_VARIANCE)
        return 0.5 * x[0].numel() * (variance.log() + 1 + math.log(2 * math.pi))

    def imitate(self, z: Tensor, e: Tensor, random: StepNoise) -> Tensor:
        """Cut to [-1, 1], so that an exactly black background needs no fine tuning."""
        return self(z, e).clamp(-1, 1)

    def seen(self, x: Tensor) -> Tensor:
        """All of an image."""
        return x

    def tie(self, real: Tensor, fake: Tensor, x: Tensor, z: Tensor, e: Tensor) -> Tensor:
        """The log likelihood of real pixels around fake ones under the optimal sigma, a pixel, negative."""
        return 0.5 * shared_mean((real - fake).square().mean()).log()


class Autoencoder(nn.Module):
    """Class embedding, encoder and decoder of rows (N, *shape); latents (N, D).

    latent      D
    noise_size  numbers that a decoded latent is drawn with
    block       rows per forward pass when sampling
    most_rows   rows of a training pass; a batch that is larger is worked on in parts
    """

    most_rows: int = 2**31
    latent: int
    noise_size: int = 0
    block: int
    embed: nn.Embedding
    encoder: nn.Module
    decoder: Decoder

    def start_at(self, rows: TrainingRows) -> None:
        """Take from the rows what training starts from: nothing, unless a file says more."""

    def encode(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the latents, each (N, D)."""
        return self.encoder(x, self.embed(labels))

    def decode(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.decoder(z, self.embed(labels))

    @abstractmethod
    def nll(self, x: Tensor, z: Tensor, labels: Tensor) -> Tensor:
        """Negative log-likelihood a row, nats, averaged over rows."""

    def loss(self, x: Tensor, z: Tensor, labels: Tensor, random: StepNoise) -> Tensor:
        """What training makes small: the same, unless a file says more."""
        return self.nll(x, z, labels)

    def draw(self, z: Tensor, labels: Tensor, noise: Tensor) -> Tensor:
        """Rows of latents (N, D), labels (N,) and noise (N, noise_size)."""
        return self.decode(z, labels)


class Discriminator(nn.Module):
    """Rows as seen and labels (N,) -> logits, one for every `rows_a_logit` rows."""

    rows_a_logit: int = 1

    def augment_pair(self, real: Tensor, fake: Tensor, shifted: float, random: StepNoise) -> tuple[Tensor, Tensor]:
        """Both sides of pairs after the same moves that keep the label: none, unless a file says more."""
        return real, fake

    @abstractmethod
    def features(self, x: Tensor, labels: Tensor) -> Tensor:
        """Features (N, F) of rows."""

    @abstractmethod
    def discriminate(self, features: Tensor, labels: Tensor) -> Tensor:
        """Logits of features."""

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return self.discriminate(self.features(x, labels), labels)


def nets_of(name: str) -> ModuleType:
    """The file of this folder by its name; UsageError for any other word, so a bundle can name no code."""
    known = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))
    if name not in known:
        raise UsageError(f"model.nets={name} is not known; {nearest(name, known)}")
    return importlib.import_module(f"gensynth.models.nets.{name}")
