"""A model: every number of a row normal by itself, with a mean and a standard deviation of the class."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gensynth.models.generator import Batch, Generator, Phase
from gensynth.types import Space


class Normals(nn.Module):
    """Means and log standard deviations (K, D) of K classes."""

    def __init__(self, classes: int, numbers: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(classes, numbers))
        self.log_std = nn.Parameter(torch.full((classes, numbers), -1.0))


class ClassGaussian(Generator):
    """Learns by maximum likelihood; `batch_size` and `lr` are the keys of its YAML."""

    modalities = ("image",)

    def __init__(self, space: Space, num_rows: int, *, batch_size: int, lr: float) -> None:
        super().__init__(space, num_rows)
        self.noise_size, self.block = int(torch.Size(space.shape).numel()), 256
        self.batch_size, self.lr = batch_size, lr
        self.normals = Normals(space.num_classes, self.noise_size)

    def phases(self) -> tuple[Phase, ...]:
        return (Phase("likelihood", 1.0, self.batch_size),)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.Adam(self.normals.parameters(), self.lr)]

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        return self.descend(self._losses, batch, self.stepping()[0], self.lr)[0]

    def _losses(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        mean, log_std = self.normals.mean[batch.labels], self.normals.log_std[batch.labels]
        loss = (log_std + 0.5 * ((batch.x.flatten(1) - mean) / log_std.exp()).square()).sum(dim=1).mean()
        return loss, {"loss": loss.detach()}

    def draw(self, noise: Tensor, labels: Tensor) -> Tensor:
        rows = self.normals.mean[labels] + self.normals.log_std[labels].exp() * noise
        return rows.clamp(-1, 1).unflatten(1, self.space.shape)

    def inference_modules(self) -> dict[str, nn.Module]:
        return {"normals": self.normals}
