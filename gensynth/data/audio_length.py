"""One length for all recordings, such that no class loses what marks it.

Legend: B bins of time, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

COVERED_SHARE = 0.95  # of the files, which are not longer; of the sound energy of every class, which lies within
FILE_SHARE = 0.01  # of a file's own energy, which lies within in any case
SPARE = 1.25  # how much longer than needed it may be, so that it is the length of a file
MOST_BYTES = 2**31  # of all recordings at a length beyond that of 95 % of the files
_SHORTEST_BIN_SECONDS = 0.001
_MOST_BINS = 6000


@dataclass
class SoundInTime:
    """Where in time the sound of every class lies, recording by recording.

    bin_seconds  width of a bin
    by_class     {class: (2, B)}: the energy of all its recordings, and their shares of energy added up, so that a
                 loud recording does not speak for the others
    file_needs   seconds that every recording needs to be heard at all
    """

    bin_seconds: float
    by_class: dict[str, np.ndarray] = field(default_factory=dict)
    file_needs: list[float] = field(default_factory=list)

    @classmethod
    def up_to(cls, max_seconds: float) -> SoundInTime:
        return cls(max(_SHORTEST_BIN_SECONDS, max_seconds / _MOST_BINS))

    def add(self, label: str, samples: np.ndarray, sample_rate_hz: int, silent_peak: float) -> None:
        """Count one recording float (T,) in; `silent_peak`: amplitude from which a sample is heard."""
        energy = energy_in_time(samples, sample_rate_hz, self.bin_seconds)
        both = np.stack([energy, energy / energy.sum()])
        before = self.by_class.get(label, np.zeros((2, 0)))
        total = np.zeros((2, max(both.shape[1], before.shape[1])))
        total[:, : before.shape[1]] = before
        total[:, : both.shape[1]] += both
        self.by_class[label] = total
        heard = int(np.argmax(np.abs(samples) >= silent_peak)) + 1
        self.file_needs.append(max(heard / sample_rate_hz, self._seconds_to(FILE_SHARE, energy)))

    def needed_seconds(self) -> float:
        """The shortest time in which every class keeps 95 % of its sound, and every recording some of its own."""
        classes = [self._seconds_to(COVERED_SHARE, row) for both in self.by_class.values() for row in both]
        return max([*classes, *self.file_needs], default=0.0)

    def kept(self, seconds: float) -> dict[str, float]:
        """Share of the sound of every class that lies within that time, of the two ways to count the smaller."""
        edges = seconds / self.bin_seconds
        return {
            name: float(min(np.interp(edges, np.arange(both.shape[1] + 1), _running(row)) / row.sum() for row in both))
            for name, both in self.by_class.items()
        }

    def _seconds_to(self, share: float, energy: np.ndarray) -> float:
        return float(np.searchsorted(_running(energy), share * energy.sum() * (1 - 1e-12))) * self.bin_seconds


def _running(energy: np.ndarray) -> np.ndarray:
    """Energy (B,) up to every edge of the bins, (B + 1,)."""
    return np.concatenate([[0.0], np.cumsum(energy)])


def energy_in_time(samples: np.ndarray, sample_rate_hz: int, bin_seconds: float) -> np.ndarray:
    """Sum of squares of float (T,) in bins of that width, float64 (B,).

    >>> energy_in_time(np.array([1.0, 1.0, 0.0, 2.0, 1.0]), 2, 1.0).tolist()
    [2.0, 4.0, 1.0]
    """
    width = bin_seconds * sample_rate_hz
    starts = np.round(np.arange(int(np.ceil(len(samples) / width))) * width).astype(int)
    return np.add.reduceat(np.square(samples.astype(np.float64)), starts[starts < len(samples)])


def covering_length(lengths: np.ndarray) -> int:
    """The smallest of the lengths that at least 95 % of them do not exceed.

    >>> covering_length(np.arange(1, 101))
    95
    """
    return int(np.sort(lengths)[int(np.ceil(COVERED_SHARE * len(lengths))) - 1])


@dataclass(frozen=True)
class Length:
    """The common length in samples, and the rule behind it in words."""

    samples: int
    rule: str


def common_length(lengths: np.ndarray, sound: SoundInTime, sample_rate_hz: int) -> Length:
    """The length that covers 95 % of the files (N,), longer where a class or a recording needs more, within a cap."""
    covering, longest = covering_length(lengths), int(lengths.max())
    needed = min(longest, int(np.ceil(round(sound.needed_seconds() * sample_rate_hz, 6))))
    if needed <= covering:
        return Length(covering, f"covers {COVERED_SHARE:.0%} of the files")
    of_file = int(lengths[lengths >= needed].min())
    wanted = of_file if of_file <= SPARE * needed else needed
    most = max(covering, MOST_BYTES // (np.dtype(np.float32).itemsize * len(lengths)))
    if wanted > most:
        return Length(most, f"the most that fits {MOST_BYTES / 2**30:g} GiB")
    return Length(wanted, f"keeps {COVERED_SHARE:.0%} of the sound energy of every class")


def loss_notes(kept: Mapping[str, float], longest_seconds: float) -> list[str]:
    """A sentence for every class that loses more than 5 % of its sound.

    >>> loss_notes({"a": 0.96, "b": 0.5}, 3.0)
    ['class "b" keeps 50% of its sound energy at this length; data.seconds=3 keeps all']
    """
    few = {name: share for name, share in sorted(kept.items()) if share < COVERED_SHARE}
    lost, rest = "of its sound energy at this length", f"data.seconds={longest_seconds:g} keeps all"
    return [f'class "{n}" keeps {share:.0%} {lost}; {rest}' for n, share in few.items()]
