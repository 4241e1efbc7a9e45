"""Random numbers that only the holder of a key can recompute: coins and noise of private training.

Streams come from SHAKE-128 (FIPS 202) of key, purpose and step, so a resumed run sees the same ones and no two steps
share any. Torch's own CPU generator would not do: it keeps 32 bits of its seed, few enough to try them all.
What remains open is the attack on the rounding of noise in floating point (Mironov, "On significance of the least
significant bits for differential privacy", CCS 2012).
"""

from __future__ import annotations

import hashlib
import math
import secrets

import numpy as np
import torch
from torch import Tensor

KEY_BYTES = 32


def fresh_key() -> bytes:
    """A key from the operating system's entropy."""
    return secrets.token_bytes(KEY_BYTES)


def recorded_key(seed: int) -> bytes:
    """The key of a seed that is written down: for tests, since whoever knows it can take the noise off again."""
    return hashlib.blake2b(f"noise/{int(seed)}".encode(), digest_size=KEY_BYTES).digest()


def uniform(key: bytes, purpose: str, step: int, count: int) -> Tensor:
    """Uniform numbers in [0, 1), float64 (count,), with 53 random bits each."""
    words = np.frombuffer(hashlib.shake_128(key + f"{purpose}/{step}".encode()).digest(8 * count), "<u8")
    return torch.from_numpy((words >> np.uint64(11)) * 2.0**-53)


def normal(key: bytes, purpose: str, step: int, count: int) -> Tensor:
    """Standard normal numbers, float64 (count,), by Box-Muller on `uniform`."""
    radius, angle = uniform(key, purpose, step, 2 * (-(-count // 2))).chunk(2) if count else (torch.zeros(0),) * 2
    radius, angle = (-2 * torch.log1p(-radius)).sqrt(), 2 * math.pi * angle
    return torch.cat([radius * angle.cos(), radius * angle.sin()])[:count]
