"""Conditional GAN: relativistic pairing, zero-centred penalties on both sides, projection, no normalisation.

Loss and penalties: Huang et al., "The GAN is dead; long live the GAN! A modern GAN baseline"
(NeurIPS 2024), eqs. 1-4. Real and fake rows of a pair carry the same label, drawn once.

Warm start: the generator begins as the decoder of a conditional VAE trained in the first part of
the same budget and is fed the latents of its second-stage prior, so it starts with full coverage
and the adversarial stage only sharpens. A cold start (`warm_start=false`) learns from N(0, I).

What differs between images and tables lies in `nets/`: what a discriminator sees of a row, how a fake is drawn with a
gradient, what ties it to the real row it is paired with. Extra losses of the generator lie in `terms.py`.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gensynth.models.all_reduce import mean_over_processes
from gensynth.models.cvae import CVAE, cosine, encode_all, known_rows
from gensynth.models.generator import Batch, Ema, Generator, Phase, TrainingRows
from gensynth.models.nets import Autoencoder, Discriminator, nets_of
from gensynth.models.terms import Pair, terms_of
from gensynth.types import Space

REACH, GAIN = 20.0, 0.1  # of `gamma_auto`: what it holds constant, and how fast gamma follows


class Drawing(nn.Module):
    """The parts of an autoencoder that draw: the generator in the narrow sense."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.embed, self.decoder = autoencoder.embed, autoencoder.decoder


class CGAN(Generator):
    """Conditional GAN.

    vae            settings of the CVAE whose decoder is the generator (and its warm start)
    d_width, d_depth  channels (or hidden units) and blocks of the discriminator
    d_body         what else it is given, by name
    anchor         weight of what ties the warm generator to the real rows whose latents it is given
    terms          weights of extra losses of the generator, by their names in terms.py
    gamma          weight of the R1 + R2 penalties at the start; falls to a tenth by the end
    gamma_auto     let gamma follow the discriminator's reach (see `_steer`), from `gamma` on
    penalty_every  the penalties enter every n-th step, n times as strong
    augment        largest probability that a pair is shifted; ramps up from 0
    """

    modalities = CVAE.modalities
    gamma_scale: Tensor

    def __init__(
        self,
        space: Space,
        num_rows: int,
        *,
        vae: dict,
        warm_start: bool,
        warm_share: float,
        d_width: int,
        d_depth: int,
        d_body: dict,
        lr: float,
        d_lr: float,
        d_ahead: float,
        anchor: float,
        terms: dict[str, float],
        batch_size: int,
        gamma: float,
        gamma_auto: bool,
        penalty_every: int,
        augment: float,
        ema_half_life: float,
    ) -> None:
        super().__init__(space, num_rows)
        self.vae = CVAE(space, num_rows, **(vae if warm_start else vae | {"prior": "normal"}))
        self.generator = Drawing(self.vae.autoencoder)
        self.discriminator: Discriminator = nets_of(vae["nets"]).Discriminator(space, d_width, d_depth, **d_body)
        self.rows_together = self.discriminator.rows_a_logit
        if batch_size % self.rows_together:
            raise ValueError(f"batch_size={batch_size} must be a multiple of {self.rows_together}")
        self.noise_size, self.block = self.vae.noise_size, self.vae.block
        self.ema = Ema(self.generator, ema_half_life, ramp=0.3 if warm_start else 0.05)
        self.warm_start, self.warm_share = warm_start, warm_share
        self.lr, self.d_lr, self.d_ahead = lr, d_lr, d_ahead
        self.batch_size, self.augment, self.anchor = batch_size, augment, anchor
        self.penalty_every, self.terms = penalty_every, terms_of(terms)
        self.gamma, self.gamma_auto = gamma, gamma_auto
        self.register_buffer("gamma_scale", torch.ones(()))
        self._warming = False

    def phases(self) -> tuple[Phase, ...]:
        if not self.warm_start:
            return (Phase("adversarial", 1.0, self.batch_size),)
        warm = [p._replace(share=p.share * self.warm_share) for p in self.vae.phases()]
        return (*warm, Phase("adversarial", 1 - self.warm_share, self.batch_size))

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        adversarial = [
            torch.optim.Adam(self.generator.parameters(), self.lr, betas=(0.0, 0.99), fused=True),
            torch.optim.Adam(self.discriminator.parameters(), self.d_lr, betas=(0.0, 0.99), fused=True),
        ]
        return [*adversarial, *(self.vae.configure_optimizers() if self.warm_start else [])]

    def begin_phase(self, name: str, rows: TrainingRows, random: torch.Generator, *, resumed: bool) -> None:
        self._warming = name != "adversarial"
        if self._warming:
            self.vae.begin_phase(name, rows, random, resumed=resumed)
            return
        if not resumed:
            self._enter_adversarial(rows, random)
        if self.warm_start:
            self._codes = encode_all(self.vae.ema.average, rows)

    def drawable(self, phase: str) -> bool:
        return phase == "adversarial"

    def watch(self, rows: TrainingRows, phase: str) -> tuple[dict[str, float], bool]:
        return self.vae.watch(rows, phase)

    def _enter_adversarial(self, rows: TrainingRows, random: torch.Generator) -> None:
        """Once, between the stages: fit a mixture prior if there is one, start from the averaged decoder."""
        if not self.warm_start:
            self.vae.autoencoder.start_at(rows)
        else:
            self.vae.finish(rows, random)
            average = self.vae.ema.average
            self.generator.embed.load_state_dict(average.embed.state_dict())
            self.generator.decoder.load_state_dict(average.decoder.state_dict())
        self.ema.average.load_state_dict(self.generator.state_dict())

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        g_optimizer, d_optimizer, *warm = self.stepping()
        if batch.phase == "vae":
            return self.vae.vae_step(batch, warm[0])
        if batch.phase == "prior":
            return self.vae.prior_step(batch, warm[1])
        for optimizer in (g_optimizer, d_optimizer):
            for group in optimizer.param_groups:
                group["betas"] = (0.0, cosine(0.9, 0.99, batch.progress))
        pairs: list[tuple[Tensor, Tensor]] = []  # the generator's step leaves them for the discriminator's
        reported = self._generator_step(batch, g_optimizer, pairs)
        d_lr = cosine(self.d_lr, 0.1 * self.d_lr, batch.progress)
        noted, taken = self.descend(partial(self._discriminator_loss, pairs), batch, d_optimizer, d_lr)
        if taken:
            self._steer(noted)
        self.ema.update(self.generator, batch.random.size, batch.samples_seen)
        return reported | noted

    def _latents(self, batch: Batch) -> Tensor:
        """Latents of the fake rows: posterior samples of the real rows they are paired with, or plain noise."""
        noise = batch.random.normal(self.vae.autoencoder.latent)
        if not self.warm_start:
            return noise
        mean, spread = (part[batch.rows] for part in self._codes)
        return mean + spread * noise

    def _pair(self, batch: Batch, z: Tensor) -> tuple[Tensor, Tensor]:
        """Real rows and as many fake ones with the same labels, as seen, under the same augmentation."""
        decoder = self.generator.decoder
        fake = decoder.imitate(z, self.generator.embed(batch.labels), batch.random)
        shifted = min(1.0, 5 * batch.progress) * self.augment
        return self.discriminator.augment_pair(decoder.seen(batch.x), fake, shifted, batch.random)

    def _generator_step(
        self, batch: Batch, optimizer: torch.optim.Optimizer, pairs: list[tuple[Tensor, Tensor]]
    ) -> dict[str, Tensor]:
        """One step of the generator, or only its fakes while the discriminator learns alone; adds to `pairs`."""
        if batch.progress < self.d_ahead:
            with torch.no_grad():
                pairs.extend(self._pair(part, self._latents(part)) for part in batch.parts(self.accumulate))
            return {}
        self.discriminator.requires_grad_(False)
        lr = cosine(self.lr, 0.1 * self.lr, batch.progress)
        reported, _ = self.descend(partial(self._generator_loss, pairs), batch, optimizer, lr)
        self.discriminator.requires_grad_(True)
        return reported

    def _generator_loss(self, pairs: list[tuple[Tensor, Tensor]], batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Relativistic loss of the fakes, extra terms and the tie to the real rows."""
        z = self._latents(batch)
        real, fake = self._pair(batch, z)
        pairs.append((real, fake.detach()))
        with torch.no_grad():
            real_features = self.discriminator.features(real, batch.labels)
            real_logit = self.discriminator.discriminate(real_features, batch.labels)
        fake_features = self.discriminator.features(fake, batch.labels)
        loss = F.softplus(real_logit - self.discriminator.discriminate(fake_features, batch.labels)).mean()
        reported = {"loss_g": loss.detach()}
        pair = Pair(real, fake, real_features, fake_features, batch.labels, self.space.num_classes)
        for name, (weight, term) in self.terms.items():
            value = term(pair)
            reported[f"term_{name}"], loss = value.detach(), loss + weight * value
        if self.warm_start:
            e = self.generator.embed(batch.labels)
            loss = loss + self.anchor * self.generator.decoder.tie(real, fake, batch.x, z, e)
        return loss, reported

    def _discriminator_loss(self, pairs: list[tuple[Tensor, Tensor]], batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Relativistic loss of the discriminator, every `penalty_every` steps with the penalties."""
        real, fake = pairs.pop(0)
        lazy = batch.step % self.penalty_every == 0
        real_logit, fake_logit, penalty = self._classifier_pair(real, fake, batch.labels, lazy)
        loss = F.softplus(fake_logit - real_logit).mean()
        end = self.gamma if self.gamma_auto else 0.1 * self.gamma
        gamma = cosine(self.gamma, end, batch.progress) * self.gamma_scale
        reported = {"loss_d": loss.detach(), "pair_accuracy": (real_logit > fake_logit).float().mean(), "gamma": gamma}
        if lazy:
            share = (0.5 * gamma * penalty / loss.clamp_min(1e-6)).detach()
            reach = penalty.detach() * (real - fake).square().flatten(1).sum(1).mean()
            reported |= {"penalty": penalty.detach(), "penalty_share": share, "reach": reach}
        return loss + 0.5 * gamma * self.penalty_every * penalty, reported

    def _classifier_pair(
        self, real: Tensor, fake: Tensor, labels: Tensor, penalise: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of both sides in one pass and |grad|^2 on both, summed over what is seen, mean over logits."""
        labels = labels.repeat(2)
        if not penalise:
            real_logit, fake_logit = self.discriminator(torch.cat([real, fake]), labels).chunk(2)
            return real_logit, fake_logit, real_logit.new_zeros(())
        exact_products = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with torch.autocast(real.device.type, enabled=False), exact_products:
            x = torch.cat([real, fake]).float().requires_grad_(True)
            logits = self.discriminator(x, labels)
            (slopes,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
            real_logit, fake_logit = logits.chunk(2)
            return real_logit, fake_logit, slopes.square().sum() / len(real_logit)

    @torch.no_grad()
    def _steer(self, reported: dict[str, Tensor]) -> None:
        """`gamma_auto`: hold the discriminator's reach, |gradient|^2 |real - fake|^2, at REACH.

        The square root of the reach is about the number of logits by which the discriminator can tell a real row from
        its fake. A larger gamma makes it smaller, whatever the size of an image and the scale of its pixels.
        """
        if self.gamma_auto and "reach" in reported:
            surplus = mean_over_processes(reported["reach"]).clamp_min(1e-9).div(REACH).log().clamp(-1, 1)
            self.gamma_scale.mul_(torch.exp(GAIN * surplus)).clamp_(1e-6, 1e6)

    def draw(self, noise: Tensor, labels: Tensor) -> Tensor:
        if self._warming:
            return self.vae.draw(noise, labels)
        average = self.ema.average
        latent, rest = noise.split([self.vae.prior.noise_size, self.vae.autoencoder.noise_size], dim=1)
        return average.decoder(self.vae.prior_ema.average(latent, labels), average.embed(labels), rest)

    @torch.no_grad()
    def encode(self, x: Tensor, labels: Tensor) -> Tensor:
        return self.vae.encode(x, labels) if self.warm_start else super().encode(x, labels)

    @torch.no_grad()
    def decode(self, z: Tensor, labels: Tensor) -> Tensor:
        if not self.warm_start:
            return super().decode(z, labels)
        average = self.ema.average
        return average.decoder(z, average.embed(labels)).float().cpu()

    @torch.no_grad()
    def membership_scores(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """As for the VAE, by the encoder of the warm start and the decoder as it ended; a cold start has no encoder."""
        if not self.warm_start:
            return {}
        mean, log_variance = self.vae.ema.average.encode(x, labels)
        average = self.ema.average
        return known_rows(mean, log_variance, average.decoder.row_nll(mean, average.embed(labels), x))

    def inference_modules(self) -> dict[str, nn.Module]:
        average = self.ema.average
        parts = {"embed": average.embed, "decoder": average.decoder, "prior": self.vae.prior_ema.average}
        if not self.warm_start:
            return parts
        vae = self.vae.ema.average
        return parts | {"encoder": vae.encoder, "encoder_embed": vae.embed}
