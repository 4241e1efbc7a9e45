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

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gensynth.models.cvae import CVAE, cosine, encode_all
from gensynth.models.generator import Batch, Ema, Generator, Look, Phase, TrainingRows
from gensynth.models.nets import nets_of
from gensynth.models.terms import Pair, terms_of
from gensynth.types import Space


class CGAN(Generator):
    """Conditional GAN.

    vae            settings of the CVAE whose decoder is the generator (and its warm start)
    d_width, d_depth  channels (or hidden units) and blocks of the discriminator
    anchor         weight of what ties the warm generator to the real rows whose latents it is given
    terms          weights of extra losses of the generator, by their names in terms.py
    gamma          weight of the R1 + R2 penalties at the start; falls to a tenth by the end
    penalty_every  the penalties enter every n-th step, n times as strong
    augment        largest probability that a pair is augmented; ramps up from 0
    """

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
        lr: float,
        d_lr: float,
        d_ahead: float,
        anchor: float,
        terms: dict[str, float],
        batch_size: int,
        gamma: float,
        penalty_every: int,
        augment: float,
        ema_half_life: float,
    ) -> None:
        super().__init__(space)
        self.vae = CVAE(space, num_rows, **(vae if warm_start else vae | {"prior": "normal"}))
        self.generator = nn.ModuleDict({"embed": self.vae.autoencoder.embed, "decoder": self.vae.autoencoder.decoder})
        self.discriminator = nets_of(vae["nets"]).Discriminator(space, d_width, d_depth)
        if batch_size % self.discriminator.rows_a_logit:
            raise ValueError(f"batch_size={batch_size} must be a multiple of {self.discriminator.rows_a_logit}")
        self.noise_size, self.block = self.vae.noise_size, self.vae.block
        self.ema = Ema(self.generator, ema_half_life, ramp=0.3 if warm_start else 0.05)
        self.warm_start, self.warm_share = warm_start, warm_share
        self.lr, self.d_lr, self.d_ahead = lr, d_lr, d_ahead
        self.batch_size, self.augment, self.anchor = batch_size, augment, anchor
        self.gamma, self.penalty_every, self.terms = gamma, penalty_every, terms_of(terms)
        self._warming = False

    def phases(self) -> tuple[Phase, ...]:
        if not self.warm_start:
            return (Phase("adversarial", 1.0, self.batch_size),)
        warm = [p._replace(share=p.share * self.warm_share) for p in self.vae.phases()]
        return (*warm, Phase("adversarial", 1 - self.warm_share, self.batch_size))

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        adversarial = [
            torch.optim.Adam(self.generator.parameters(), self.lr, betas=(0.0, 0.99)),
            torch.optim.Adam(self.discriminator.parameters(), self.d_lr, betas=(0.0, 0.99)),
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

    def watch(self, rows: TrainingRows, phase: str) -> Look:
        return self.vae.watch(rows, phase)

    def _enter_adversarial(self, rows: TrainingRows, random: torch.Generator) -> None:
        """Once, between the stages: fit a mixture prior if there is one, start from the averaged decoder."""
        if not self.warm_start:
            self.vae.autoencoder.start_at(rows)
        else:
            self.vae.finish(rows, random)
            average = self.vae.ema.average
            self.generator["embed"].load_state_dict(average.embed.state_dict())
            self.generator["decoder"].load_state_dict(average.decoder.state_dict())
        self.ema.average.load_state_dict(self.generator.state_dict())

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        g_optimizer, d_optimizer, *warm = self.optimizers()
        if batch.phase == "vae":
            return self.vae.vae_step(batch, warm[0])
        if batch.phase == "prior":
            return self.vae.prior_step(batch, warm[1])
        for optimizer in (g_optimizer, d_optimizer):
            for group in optimizer.param_groups:
                group["betas"] = (0.0, cosine(0.9, 0.99, batch.progress))
        losses = self._discriminator_step(batch, d_optimizer)
        if batch.progress >= self.d_ahead:
            losses |= self._generator_step(batch, g_optimizer)
        self.ema.update(self.generator, len(batch.rows), batch.samples_seen)
        return losses

    def _latents(self, batch: Batch) -> Tensor:
        """Latents of the fake rows: posterior samples of the real rows they are paired with, or plain noise."""
        size = (len(batch.rows), self.vae.prior.noise_size)
        if not self.warm_start:
            return torch.randn(size, generator=batch.random, device=batch.rows.device)
        mean, spread = (part[batch.rows] for part in self._codes)
        return mean + spread * torch.randn(mean.shape, generator=batch.random, device=mean.device)

    def _pair(self, batch: Batch, z: Tensor) -> tuple[Tensor, Tensor]:
        """Real rows and as many fake ones with the same labels, as seen, under the same augmentation."""
        decoder = self.generator["decoder"]
        fake = decoder.imitate(z, self.generator["embed"](batch.labels), batch.random)
        p = self.augment * min(1.0, 5 * batch.progress)
        return self.discriminator.augment_pair(decoder.seen(batch.x), fake, p, batch.random)

    def _discriminator_step(self, batch: Batch, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        with torch.no_grad():
            real, fake = self._pair(batch, self._latents(batch))
        lazy = batch.samples_seen // len(batch.rows) % self.penalty_every == 0
        real_logit, fake_logit, penalty = self._judge_pair(real, fake, batch.labels, lazy)
        loss = F.softplus(fake_logit - real_logit).mean()
        gamma = cosine(self.gamma, 0.1 * self.gamma, batch.progress) * self.penalty_every
        self.descend(loss + 0.5 * gamma * penalty, optimizer, cosine(self.d_lr, 0.1 * self.d_lr, batch.progress))
        accuracy = (real_logit > fake_logit).float().mean()
        return {"loss_d": loss.detach(), "pair_accuracy": accuracy} | ({"penalty": penalty.detach()} if lazy else {})

    def _judge_pair(self, real: Tensor, fake: Tensor, labels: Tensor, penalise: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of both sides in one pass and |grad|^2 on both, summed over what is seen, mean over logits."""
        x = torch.cat([real, fake]).detach().requires_grad_(penalise)
        logits = self.discriminator(x, labels.repeat(2))
        real_logit, fake_logit = logits.chunk(2)
        if not penalise:
            return real_logit, fake_logit, logits.new_zeros(())
        (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
        return real_logit, fake_logit, gradient.square().sum() / len(real_logit)

    def _generator_step(self, batch: Batch, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        self.discriminator.requires_grad_(False)
        z = self._latents(batch)
        real, fake = self._pair(batch, z)
        with torch.no_grad():
            real_features = self.discriminator.features(real, batch.labels)
            real_logit = self.discriminator.judge(real_features, batch.labels)
        fake_features = self.discriminator.features(fake, batch.labels)
        loss = F.softplus(real_logit - self.discriminator.judge(fake_features, batch.labels)).mean()
        losses = {"loss_g": loss.detach()}
        pair = Pair(real, fake, real_features, fake_features, batch.labels, self.space.num_classes)
        for name, (weight, term) in self.terms.items():
            value = term(pair)
            losses[f"term_{name}"], loss = value.detach(), loss + weight * value
        if self.warm_start:
            e = self.generator["embed"](batch.labels)
            loss = loss + self.anchor * self.generator["decoder"].tie(real, fake, batch.x, z, e)
        self.descend(loss, optimizer, cosine(self.lr, 0.1 * self.lr, batch.progress))
        self.discriminator.requires_grad_(True)
        return losses

    def draw(self, noise: Tensor, labels: Tensor) -> Tensor:
        if self._warming:
            return self.vae.draw(noise, labels)
        average = self.ema.average
        latent, rest = noise.split([self.vae.prior.noise_size, self.vae.autoencoder.noise_size], dim=1)
        return average["decoder"](self.vae.prior_ema.average(latent, labels), average["embed"](labels), rest)

    def inference_modules(self) -> dict[str, nn.Module]:
        average = self.ema.average
        return {"embed": average["embed"], "decoder": average["decoder"], "prior": self.vae.prior_ema.average}
