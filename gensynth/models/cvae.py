"""Conditional VAE with a calibrated likelihood and a second-stage latent prior.

The networks and the likelihood come from one file of `nets/`, by name; each is a full log-likelihood summed
over the row, so there is no KL weight to tune. KL warm-up over the first part of training, free bits (Kingma et
al., "Improved variational inference with inverse autoregressive flow", NeurIPS 2016, appendix C.8) a latent
dimension.

Where held-out rows are watched, the averaged weights that give them the best bound are kept; when they have not
improved for `patience` looks, training goes on from those with a smaller learning rate, and ends after CUTS times.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from gensynth.errors import UsageError, nearest
from gensynth.models.all_reduce import mean_over_processes, shared_mean
from gensynth.models.generator import Batch, Ema, Generator, Phase, TrainingRows, copy_weights
from gensynth.models.nets import Autoencoder, nets_of
from gensynth.models.prior import FlowPrior, MixturePrior, NormalPrior, Prior
from gensynth.types import Space

CUTS, CUT = 2, 0.25  # how often the learning rate falls before training ends early, and to which part
LEAST_GAIN = 1e-3  # nats a row that count as an improvement
PRIOR_BATCH = 1024  # codes a step: a small network on small batches spends its time between the products
LEAST_DECAY, MOST_DECAY, DECAY_ROWS = 0.01, 7.0, 4_000  # of weights; by scripts/bench_overfit.py
FEW_ROWS = 2_000  # below this `prior=auto` fits mixtures: a flow network would memorise the codes


def kl_per_dimension(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(q || N(0, I)) of each latent dimension, (D,), averaged over rows, in nats."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean(0)


def cosine(start: float, end: float, progress: float) -> float:
    """Cosine ramp from start to end for progress 0 -> 1."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * progress))


@torch.no_grad()
def encode_all(autoencoder: Autoencoder, rows: TrainingRows, chunk: int = 512) -> tuple[Tensor, Tensor]:
    """Posterior means and standard deviations (N, D) of all training rows."""
    parts = [autoencoder.encode(x, y) for x, y in zip(rows.x.split(chunk), rows.y.split(chunk), strict=True)]
    return torch.cat([m for m, _ in parts]), torch.cat([(0.5 * v).exp() for _, v in parts])


@torch.no_grad()
def held_out_bound(autoencoder: Autoencoder, rows: TrainingRows, chunk: int = 2048) -> Tensor:
    """Negative evidence bound a row, nats, with the same noise at every call."""
    total = torch.zeros((), device=rows.x.device)
    random = torch.Generator(rows.x.device).manual_seed(0)
    for x, y in zip(rows.x.split(chunk), rows.y.split(chunk), strict=True):
        mean, log_variance = autoencoder.encode(x, y)
        noise = torch.randn(mean.shape, generator=random, device=mean.device)
        nll = autoencoder.nll(x, mean + noise * (0.5 * log_variance).exp(), y)
        total += len(x) * (nll + kl_per_dimension(mean, log_variance).sum())
    return total / len(rows.x)


def decay_of(given: float | str, num_rows: int) -> float:
    """Weight decay: a number as it is; auto: DECAY_ROWS over the number of rows, as a prior over weights has it that a
    row more speaks against, within LEAST_DECAY and MOST_DECAY. UsageError for any other word.

    >>> decay_of("auto", 200), decay_of("auto", 8_000), decay_of("auto", 10**6), decay_of(0.1, 200)
    (7.0, 0.5, 0.01, 0.1)
    """
    if isinstance(given, str) and given != "auto":
        raise UsageError(f"model.weight_decay takes auto or a number, got {given!r}")
    return min(MOST_DECAY, max(LEAST_DECAY, DECAY_ROWS / num_rows)) if isinstance(given, str) else float(given)


def parts_of(batch_size: int, most_rows: int) -> int:
    """The fewest equal parts of a batch that have no more rows than that; 1 where it cannot be divided so.

    >>> parts_of(512, 174), parts_of(512, 1000), parts_of(509, 174)
    (4, 1, 1)
    """
    fitting = (n for n in range(1, batch_size) if batch_size % n == 0 and batch_size // n <= most_rows)
    return next(fitting, 1)


class AutoencoderModel(Generator):
    """A generator that draws through the averaged decoder of an `Autoencoder`.

    nets       file of gensynth/models/nets/ that holds it: conv (images) | columns (tables)
    width      the one size dial of the networks; everything else follows from it and from the data's shape
    body       what else that `Autoencoder` is given, by name
    prior      auto | flow | mixture | normal (auto: mixture below 2,000 rows)
    """

    modalities = ("image", "table", "audio")

    def __init__(
        self, space: Space, num_rows: int, nets: str, width: int, body: dict, prior: str, ema_half_life: float
    ) -> None:
        super().__init__(space, num_rows)
        self.autoencoder: Autoencoder = nets_of(nets).Autoencoder(space, width, **body)
        self.prior: Prior = make_prior(prior, num_rows, self.autoencoder.latent, space.num_classes)
        self.noise_size = self.prior.noise_size + self.autoencoder.noise_size
        self.block = self.autoencoder.block
        self.ema, self.prior_ema = Ema(self.autoencoder, ema_half_life), Ema(self.prior, ema_half_life)

    def draw(self, noise: Tensor, labels: Tensor) -> Tensor:
        latent, rest = noise.split([self.prior.noise_size, self.autoencoder.noise_size], dim=1)
        return self.ema.average.draw(self.prior_ema.average(latent, labels), labels, rest)

    def inference_modules(self) -> dict[str, nn.Module]:
        average = self.ema.average
        parts = {name: getattr(average, name) for name in ("embed", "encoder", "decoder")}
        return parts | {"prior": self.prior_ema.average}

    @torch.no_grad()
    def encode(self, x: Tensor, labels: Tensor) -> Tensor:
        return self.ema.average.encode(x, labels)[0]

    @torch.no_grad()
    def decode(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.ema.average.decode(z, labels).float().cpu()

    @torch.no_grad()
    def membership_scores(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The evidence bound with the latent at its posterior mean, and its first term alone."""
        average = self.ema.average
        mean, log_variance = average.encode(x, labels)
        return known_rows(mean, log_variance, average.decoder.row_nll(mean, average.embed(labels), x))


class CVAE(AutoencoderModel):
    """Conditional VAE.

    prior_share  part of the time budget for the prior stage, where it is a network
    patience     looks at held-out rows (one an epoch) without improvement that are borne; 0: never look
    weight_decay  of AdamW; auto: by the number of rows, see `decay_of`
    """

    least: Tensor
    looks_since: Tensor
    cuts: Tensor

    def __init__(
        self,
        space: Space,
        num_rows: int,
        *,
        nets: str,
        width: int,
        body: dict,
        prior: str,
        prior_share: float,
        lr: float,
        batch_size: int,
        kl_warmup: float,
        free_bits: float,
        ema_half_life: float,
        patience: int,
        weight_decay: float | str = 0.01,
    ) -> None:
        super().__init__(space, num_rows, nets, width, body, prior, ema_half_life)
        self.lr, self.batch_size, self.patience = lr, batch_size, patience
        self.weight_decay = decay_of(weight_decay, num_rows)
        self.kl_warmup, self.free_bits, self.prior_share = kl_warmup, free_bits, prior_share
        self.least_parts = parts_of(batch_size, self.autoencoder.most_rows)
        self.kept = copy.deepcopy(self.ema.average) if patience else nn.Module()
        for name, start in (("least", 1e30), ("looks_since", 0.0), ("cuts", 0.0)):
            self.register_buffer(name, torch.tensor(start))

    def phases(self) -> tuple[Phase, ...]:
        if not isinstance(self.prior, FlowPrior):
            return (Phase("vae", 1.0, self.batch_size),)
        return (Phase("vae", 1 - self.prior_share, self.batch_size), Phase("prior", self.prior_share, PRIOR_BATCH))

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        vae = torch.optim.AdamW(
            self.autoencoder.parameters(), self.lr, betas=(0.9, 0.99), weight_decay=self.weight_decay, fused=True
        )
        if not isinstance(self.prior, FlowPrior):
            return [vae]
        return [vae, torch.optim.AdamW(self.prior.parameters(), 2e-3, betas=(0.9, 0.99), weight_decay=0.01, fused=True)]

    def begin_phase(self, name: str, rows: TrainingRows, random: torch.Generator, *, resumed: bool) -> None:
        if name == "vae" and not resumed:
            self.autoencoder.start_at(rows)
            copy_weights(self.autoencoder, self.ema.average)
        if name == "prior":
            self._restore()
            self._codes = encode_all(self.ema.average, rows)
            for flow in (self.prior, self.prior_ema.average):
                flow.standardise(self._codes[0], rows.y)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        if batch.phase == "vae":
            return self.vae_step(batch, self.stepping()[0])
        return self.prior_step(batch, self.stepping()[1])

    def drawable(self, phase: str) -> bool:
        return phase != "vae" or isinstance(self.prior, NormalPrior)

    def watch(self, rows: TrainingRows, phase: str) -> tuple[dict[str, float], bool]:
        """Keep the weights if they give held-out rows a better bound; ended when that has not happened for long."""
        if phase != "vae" or not self.patience:
            return {}, False
        bound = mean_over_processes(held_out_bound(self.ema.average, rows))
        self.looks_since += 1
        if bound < self.least - LEAST_GAIN:
            self.least.copy_(bound)
            self.looks_since.zero_()
            copy_weights(self.ema.average, self.kept)
        elif self.looks_since >= self.patience and self.cuts <= CUTS:
            self._restore()
            copy_weights(self.kept, self.autoencoder)
            self.looks_since.zero_()
            self.cuts += 1
        return {"held_out_bound": float(bound)}, bool(self.cuts > CUTS)

    def _restore(self) -> None:
        """Back to the weights that held-out rows liked best, where they were watched."""
        if self.least < 1e30:
            copy_weights(self.kept, self.ema.average)

    def vae_step(self, batch: Batch, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        """Reconstruction and KL of one batch; everything returned is detached. Nothing once training has ended."""
        if self.cuts > CUTS:
            return {}
        lr = CUT ** float(self.cuts) * cosine(self.lr, 0.02 * self.lr, batch.progress)
        reported, taken = self.descend(self._bound, batch, optimizer, lr, clip=200.0)
        if taken:
            self.ema.update(self.autoencoder, batch.random.size, batch.samples_seen)
        return reported

    def _bound(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Negative evidence bound of a batch, with KL warm-up and free bits."""
        mean, log_variance = self.autoencoder.encode(batch.x, batch.labels)
        z = mean + batch.random.normal(mean.shape[1]) * (0.5 * log_variance).exp()
        nll = self.autoencoder.loss(batch.x, z, batch.labels, batch.random)
        kl = shared_mean(kl_per_dimension(mean, log_variance))
        warmup = min(1.0, max(1e-4, batch.progress / self.kl_warmup)) if self.kl_warmup else 1.0
        loss = nll + warmup * kl.clamp_min(self.free_bits).sum()
        reported = {"loss_recon": nll.detach(), "loss_kl": kl.detach().sum(), "active_units": (kl > 0.01).sum()}
        return loss, reported | {"kl": kl.detach()}

    def prior_step(self, batch: Batch, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        """Flow matching on posterior samples of the batch's rows."""
        reported, taken = self.descend(self._flow_loss, batch, optimizer, cosine(2e-3, 2e-5, batch.progress))
        if taken:
            self.prior_ema.update(self.prior, batch.random.size, batch.samples_seen)
        return reported

    def _flow_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        mean, spread = (part[batch.rows] for part in self._codes)
        loss = self.prior.loss(mean + spread * batch.random.normal(mean.shape[1]), batch.labels, batch.random)
        return loss, {"loss_prior": loss.detach()}

    def finish(self, rows: TrainingRows, random: torch.Generator) -> None:
        self._restore()
        if isinstance(self.prior, MixturePrior):
            fit_mixture(self.prior, self.ema.average, rows, random)
            self.prior_ema.average.load_state_dict(self.prior.state_dict())


def known_rows(mean: Tensor, log_variance: Tensor, nll: Tensor) -> dict[str, Tensor]:
    """`membership_scores` from posteriors (N, D) and the negative log-likelihood (N,) of rows at their means, nats."""
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
    return {"evidence_bound": -(nll + kl), "reconstruction": -nll}


def make_prior(name: str, num_rows: int, latent: int, num_classes: int) -> Prior:
    """The prior by its name; `auto` chooses by rows."""
    if name == "auto":
        name = "flow" if num_rows >= FEW_ROWS else "mixture"
    kinds = {"normal": NormalPrior, "mixture": MixturePrior, "flow": FlowPrior}
    if name not in kinds:
        raise UsageError(f"model.prior={name} is not known; {nearest(name, ['auto', *kinds])}")
    return kinds[name](latent, num_classes)


def fit_mixture(prior: MixturePrior, autoencoder: Autoencoder, rows: TrainingRows, random: torch.Generator) -> None:
    """Fit on several posterior samples a row, so that the encoder's own spread is part of the density."""
    mean, spread = encode_all(autoencoder, rows)
    repeats = max(1, min(8, 4_000 // len(mean)))
    codes = [mean + spread * torch.randn(mean.shape, generator=random, device=mean.device) for _ in range(repeats)]
    prior.fit(torch.cat(codes), rows.y.repeat(repeats), random.initial_seed(), repeats)
