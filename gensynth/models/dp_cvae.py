"""Conditional VAE with differential privacy: rows drawn from it tell little of any one row.

DP-SGD (`dp_sgd.py`) on a bound that is a sum over rows: no statistic over a batch, no batch normalisation, no free
bits, and N(0, I) as the prior, since one fitted on the codes of real rows would need noise of its own. Averaged
weights cost nothing: they come from what was already released (Dwork & Roth, "The algorithmic foundations of
differential privacy", 2014, proposition 2.1). Nothing is chosen by held-out rows.

What the guarantee takes as public: the number of training rows, the names of the classes, the size of a row. What it
does not use: how many rows a class has. Which rows enter a batch, their reparametrisation noise and the noise on the
gradients come from one secret key (`secret.py`). The second belongs there too: numbers known beforehand, handed out by
place in a batch, would change for every row behind the one that is added or removed. The key lies in the checkpoint
of an unfinished run, for resuming only: who has it can take the noise off, so such a checkpoint is never released.
With the last step the key is erased.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gensynth.errors import UsageError, nearest
from gensynth.models.cvae import AutoencoderModel, cosine, kl_per_dimension
from gensynth.models.generator import Batch, Phase, TrainingRows
from gensynth.models.nets import Autoencoder
from gensynth.models.private import secret
from gensynth.models.private.dp_sgd import (
    ACCOUNTANTS,
    ERROR,
    epsilon_spent,
    fitted_noise,
    private_optimizer,
    rounded_up,
    take_step,
)
from gensynth.models.private.guarantee import PrivateGenerator
from gensynth.types import Space

ROW_BY_ROW = ("dense", "columns")  # nets whose gradients can be had for every row in one pass
AT_ONCE = 128  # rows whose gradients are held at the same time


class DPCVAE(AutoencoderModel, PrivateGenerator):
    """Conditional VAE trained with DP-SGD.

    nets           dense (images) | columns (tables); width and body: see `AutoencoderModel`
    epsilon, delta, noise_seed  see `PrivateGenerator`
    max_grad_norm  length to which the gradient of every row is cut
    accountant     prv (exact) | rdp
    batch_size     expected rows of a batch; at most half of all
    """

    noise_multiplier: Tensor
    steps_taken: Tensor

    def __init__(
        self,
        space: Space,
        num_rows: int,
        *,
        nets: str,
        width: int,
        body: dict,
        lr: float,
        batch_size: int,
        ema_half_life: float,
        epsilon: float,
        delta: float,
        max_grad_norm: float,
        accountant: str,
        noise_seed: int | None,
    ) -> None:
        for key, word, known in (("nets", nets, ROW_BY_ROW), ("accountant", accountant, ACCOUNTANTS)):
            if word not in known:
                raise UsageError(f"model.{key}={word} does not fit private training; {nearest(str(word), known)}")
        super().__init__(space, num_rows, nets, width, body, "normal", ema_half_life)
        self.keep_guarantee(epsilon, delta, noise_seed, max_grad_norm=max_grad_norm)
        self.batch_size, self.lr = max(1, min(batch_size, num_rows // 2)), lr
        self.max_grad_norm, self.accountant = max_grad_norm, accountant
        self.register_buffer("noise_multiplier", torch.ones((), dtype=torch.float64))
        self.register_buffer("steps_taken", torch.zeros((), dtype=torch.int64))

    @property
    def sampling_rate(self) -> float:
        """The chance of every row to be in a batch."""
        return self.batch_size / self.num_rows

    def phases(self) -> tuple[Phase, ...]:
        return (Phase("vae", 1.0, self.batch_size),)

    def plan(self, steps: Mapping[str, int], num_rows: int) -> None:
        """Fit the noise to the number of steps; a run that is continued keeps what its checkpoint holds."""
        if num_rows != self.num_rows:
            raise ValueError(f"built for {self.num_rows} training rows, got {num_rows}")
        if not self.steps_taken:
            noise = fitted_noise(self.epsilon, self.delta, self.sampling_rate, steps["vae"], self.accountant)
            self.noise_multiplier.fill_(noise)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.Adam(self.autoencoder.parameters(), self.lr, betas=(0.9, 0.99), fused=True)]

    def begin_phase(self, name: str, rows: TrainingRows, random: torch.Generator, *, resumed: bool) -> None:
        if not resumed:
            self.ema.average.load_state_dict(self.autoencoder.state_dict())

        def noise(count: int) -> Tensor:
            return secret.normal(self._key(), "gradient", int(self.steps_taken), count)

        found = self.optimizers(use_pl_optimizer=False)
        inner, multiplier = found[0] if isinstance(found, list) else found, float(self.noise_multiplier)
        self._optimizer = private_optimizer(inner, multiplier, self.max_grad_norm, self.batch_size, noise)

    def coins(self, step: int, count: int) -> Tensor:
        return secret.uniform(self._key(), "coins", step, count)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        for group in self._optimizer.param_groups:
            group["lr"] = cosine(self.lr, 0.02 * self.lr, batch.progress)
        size = len(batch.rows)
        noise = secret.normal(self._key(), "latent", int(self.steps_taken), size * self.autoencoder.latent)
        noise = noise.to(batch.x).view(size, self.autoencoder.latent)
        reported = take_step(self._optimizer, Bound(self.autoencoder), (batch.x, batch.labels, noise), AT_ONCE)
        self.steps_taken += 1
        self.ema.update(self.autoencoder, self.batch_size, batch.samples_seen)
        return {"loss_recon": reported[:, 0].mean(), "loss_kl": reported[:, 1].mean()} if size else {}

    def finish(self, rows: TrainingRows, random: torch.Generator) -> None:
        self.key.zero_()

    def guarantee(self) -> dict[str, Any]:
        """What is guaranteed, by the steps really taken; empty before any. `epsilons` has every accountant's answer."""
        steps = int(self.steps_taken)
        if not steps:
            return {}
        cost = float(self.noise_multiplier), self.sampling_rate, steps, self.delta
        error = ERROR * min(1.0, self.epsilon)
        spent = {name: rounded_up(epsilon_spent(*cost, name, error)) for name in ACCOUNTANTS}
        return {
            "mechanism": "DP-SGD",
            "epsilon": spent[self.accountant],
            "delta": self.delta,
            "adjacency": "add_remove",
            "accountant": self.accountant,
            "epsilons": spent,
            "noise_multiplier": cost[0],
            "max_grad_norm": self.max_grad_norm,
            "sampling_rate": self.sampling_rate,
            "steps": steps,
            "noise": self.noise_source,
        }


class Bound(nn.Module):
    """Rows (1, *shape), labels (1,), noise (1, D) -> negative evidence bound, scalar, and its two parts (2,)."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, x: Tensor, labels: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.autoencoder.encode(x, labels)
        nll = self.autoencoder.nll(x, mean + noise * (0.5 * log_variance).exp(), labels)
        kl = kl_per_dimension(mean, log_variance).sum()
        return nll + kl, torch.stack([nll, kl]).detach()
