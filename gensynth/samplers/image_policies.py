"""Which operations an image meets: all with a probability each, one, a few, or chains that are mixed.

Every row has its own operations and values, drawn from its seed. Operations that can make a label wrong run only
where the data set allows them by name.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from gensynth import rng
from gensynth.errors import UsageError, nearest
from gensynth.samplers.image_operations import OPERATIONS, apply_operations
from gensynth.samplers.transform import OfOperations
from gensynth.types import LabelledData

CHUNK = 256
Steps = list[tuple[str, np.ndarray, np.ndarray]]  # name, which rows take part, their values


class ImagePolicy(OfOperations):
    """Operations on images; a subclass draws which.

    allow  names of operations at risk that keep the labels of this data set
    """

    modalities = ("image",)

    def __init__(self, allow: list[str]) -> None:
        for name in allow:
            _known(name, "data.allow")
        self.allow = tuple(allow)

    def fit(self, train: LabelledData) -> Self:
        self._strengths = self.strengths(train.schema.fields["channels"])
        return super().fit(train)

    @abstractmethod
    def strengths(self, channels: int) -> dict[str, float]:
        """Operations that are used on images of so many channels, and the largest strength of each."""

    @abstractmethod
    def steps(self, seeds: np.ndarray) -> Steps:
        """What every row meets, in order."""

    def settle(self) -> None:
        """At risk where an operation is used that the data set had to allow; once the settings are known."""
        self.at_risk(any(OPERATIONS[name].is_at_risk(s) for name, s in self.strengths(3).items()))

    def operations(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, OPERATIONS[name].risk) for name in self._strengths)

    def alone(self, name: str, x: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        values = OPERATIONS[name].values(rng.uniform(seeds, 1, "alone")[:, 0], self._strengths[name])
        return _pixels(apply_operations(_floats(x), [(name, np.ones(len(x), dtype=bool), values)], seeds))

    def change(self, x: np.ndarray, labels: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        out, params = np.empty_like(x), np.empty(len(x), dtype=object)
        for low in range(0, len(x), CHUNK):
            part = slice(low, low + CHUNK)
            changed, params[part] = self._changed(_floats(x[part]), np.asarray(seeds[part], np.uint64))
            out[part] = _pixels(changed)
        return out, params.astype(str)

    def _changed(self, x: Tensor, seeds: np.ndarray) -> tuple[Tensor, list[str]]:
        steps = self.steps(seeds)
        return apply_operations(x, steps, seeds), [json.dumps(one) for one in _reported(steps, len(x))]


def _reported(steps: Steps, count: int) -> list[dict[str, float]]:
    """For each row its operations and their values; an operation that comes twice is reported with its number."""
    reported: list[dict[str, float]] = [{} for _ in range(count)]
    for name, on, values in steps:
        for row in np.flatnonzero(on):
            before = sum(key.split()[0] == name for key in reported[row])
            reported[row][f"{name} {before + 1}" if before else name] = float(values[row])
    return reported


def _floats(x: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x)).float() / 255


def _pixels(x: Tensor) -> np.ndarray:
    return (x * 255).round().clamp(0, 255).to(torch.uint8).numpy()


def _known(name: str, key: str) -> None:
    if name not in OPERATIONS:
        raise UsageError(f'{key}: no operation "{name}"; {nearest(name, OPERATIONS)}')


class Transforms(ImagePolicy):
    """Named operations in their order, each with a probability and a largest strength.

    operations  name -> {probability, strength}; at probability 0 an operation is off, and one at risk as long as
                `allow` does not name it (`left_out` says which)
    UsageError for an unknown name, a probability above 1, or a strength that puts an operation at risk.
    """

    def __init__(self, name: str, operations: Mapping[str, Mapping[str, float]], allow: list[str]) -> None:
        super().__init__(allow)
        self.name = name
        self.used = {key: dict(one) for key, one in operations.items() if one["probability"]}
        for key, one in self.used.items():
            _known(key, "sampler.operations")
            if not 0 < one["probability"] <= 1:
                raise UsageError(f"sampler.operations.{key}.probability must be at most 1, got {one['probability']}")
            if OPERATIONS[key].is_at_risk(one["strength"]) and not OPERATIONS[key].always_at_risk and key not in allow:
                raise UsageError(
                    f"sampler.operations.{key}.strength={one['strength']:g} can make labels wrong, above "
                    f"{OPERATIONS[key].safe:g} {OPERATIONS[key].risk}; data.allow=[{key}] says that it keeps the "
                    "labels of this data"
                )
        self.left_out = tuple(key for key in self.used if OPERATIONS[key].always_at_risk and key not in allow)
        self.used = {key: one for key, one in self.used.items() if key not in self.left_out}
        self.settle()

    def strengths(self, channels: int) -> dict[str, float]:
        return {
            name: one["strength"] for name, one in self.used.items() if channels == 3 or not OPERATIONS[name].colour
        }

    def steps(self, seeds: np.ndarray) -> Steps:
        draws = rng.uniform(seeds, 2 * len(self.used), "transforms")
        return [
            (name, draws[:, 2 * i] < one["probability"], OPERATIONS[name].values(draws[:, 2 * i + 1], one["strength"]))
            for i, (name, one) in enumerate(self.used.items())
            if name in self._strengths
        ]


class DrawnOperations(ImagePolicy):
    """Policies over all operations: those at risk only where the data set allows them, at safe strengths otherwise."""

    def __init__(self, allow: list[str]) -> None:
        super().__init__(allow)
        self.settle()

    def strengths(self, channels: int) -> dict[str, float]:
        return {
            name: one.strength
            for name, one in OPERATIONS.items()
            if (channels == 3 or not one.colour) and (name in self.allow or not one.is_at_risk(one.strength))
        }

    def _drawn(self, choice: np.ndarray, part: np.ndarray) -> Steps:
        """For each row the operation that choice in (0, 1) picks, at that part in [-1, 1] of its largest strength."""
        names = list(self._strengths)
        chosen = (choice * len(names)).astype(np.int64)
        sides = {name: part if OPERATIONS[name].signed else np.abs(part) for name in names}
        return [(n, chosen == i, np.round(self._strengths[n] * sides[n], 6)) for i, n in enumerate(names)]


class TrivialAugment(DrawnOperations):
    """One operation at one strength, both drawn evenly (Müller and Hutter, "TrivialAugment", ICCV 2021)."""

    name = "trivial_augment"

    def steps(self, seeds: np.ndarray) -> Steps:
        choice, part = rng.uniform(seeds, 2, "trivial_augment").T
        return self._drawn(choice, 2 * part - 1)


class RandAugment(DrawnOperations):
    """A few operations at one strength (Cubuk et al., "RandAugment", NeurIPS 2020, section 3).

    count      operations a row meets, one after the other
    magnitude  part of each operation's largest strength, 0 to 1; its side of 0 is drawn
    """

    name = "rand_augment"

    def __init__(self, count: int, magnitude: float, allow: list[str]) -> None:
        super().__init__(allow)
        if not (count >= 1 and 0 <= magnitude <= 1):
            raise UsageError(
                f"sampler.count must be at least 1 and sampler.magnitude at most 1, got {count}, {magnitude}"
            )
        self.count, self.magnitude = int(count), magnitude

    def steps(self, seeds: np.ndarray) -> Steps:
        draws = rng.uniform(seeds, 2 * self.count, "rand_augment")
        return [
            step
            for i in range(self.count)
            for step in self._drawn(draws[:, 2 * i], self.magnitude * np.sign(draws[:, 2 * i + 1] - 0.5))
        ]


class AugMix(DrawnOperations):
    """Chains of operations, mixed with each other and the image (Hendrycks et al., "AugMix", ICLR 2020, algorithm 1).

    chains  how many are mixed, with weights of Dirichlet(1, ..., 1); depth: longest chain (each draws 1 to depth)
    The mixture is mixed with the image itself, its weight of Beta(1, 1).
    """

    name = "augmix"

    def __init__(self, chains: int, depth: int, allow: list[str]) -> None:
        super().__init__(allow)
        if chains < 1 or depth < 1:
            raise UsageError(f"sampler.chains and sampler.depth must be at least 1, got {chains} and {depth}")
        self.chains, self.depth = int(chains), int(depth)

    def steps(self, seeds: np.ndarray) -> Steps:
        return [step for chain in range(self.chains) for step in self._chain(seeds, chain)]

    def _chain(self, seeds: np.ndarray, chain: int) -> Steps:
        draws = rng.uniform(seeds, 1 + 2 * self.depth, f"augmix {chain}")
        depth = 1 + (draws[:, 0] * self.depth).astype(np.int64)
        return [
            (name, on & (i < depth), values)
            for i in range(self.depth)
            for name, on, values in self._drawn(draws[:, 1 + 2 * i], 2 * draws[:, 2 + 2 * i] - 1)
        ]

    def _changed(self, x: Tensor, seeds: np.ndarray) -> tuple[Tensor, list[str]]:
        draws = rng.uniform(seeds, self.chains + 1, "augmix weights")
        weights = -np.log(draws[:, :-1])  # exponential numbers over their sum are Dirichlet(1, ..., 1)
        weights = np.round(weights / weights.sum(axis=1, keepdims=True), 6)
        part = np.round(draws[:, -1], 6)
        mixed, reported = torch.zeros_like(x), [dict[str, Any](image=float(1 - p)) for p in part]
        for chain in range(self.chains):
            steps = self._chain(seeds, chain)
            share = torch.from_numpy(weights[:, chain]).float()[:, None, None, None]
            mixed = mixed + share * apply_operations(x, steps, seeds)
            for row, names in enumerate(_reported(steps, len(x))):
                reported[row][f"chain {chain}"] = {"weight": float(weights[row, chain])} | names
        share = torch.from_numpy(part).float()[:, None, None, None]
        return x + share * (mixed - x), [json.dumps(one) for one in reported]
