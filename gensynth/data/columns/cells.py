"""The cells of one column, each different text held and looked at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from gensynth.data.columns.numbers import plain_numbers


@dataclass(frozen=True)
class Cells:
    """Text cells (N,) as codes (N,) into the different ones (D,), which stand in the order of their first."""

    different: np.ndarray
    codes: np.ndarray

    @staticmethod
    def of(texts: np.ndarray) -> Cells:
        """Of text cells, object (N,)."""
        codes, different = pd.factorize(np.asarray(texts, dtype=object))
        return Cells(np.asarray(different, dtype=object), codes.astype(np.int32))

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: np.ndarray) -> Cells:
        """Those of some rows, an index array or a mask."""
        codes, kept = pd.factorize(self.codes[rows])
        chosen = Cells(self.different[kept], codes.astype(np.int32))
        if "numbers" in self.__dict__:
            chosen.__dict__["numbers"] = self.numbers[kept]  # parsed once, whichever rows are looked at
        return chosen

    @cached_property
    def numbers(self) -> np.ndarray:
        """The different cells as plain numbers, float64 (D,), NaN where one is none."""
        return plain_numbers(self.different)

    @cached_property
    def counts(self) -> np.ndarray:
        """How often each different cell occurs, (D,)."""
        return np.bincount(self.codes, minlength=len(self.different))

    def texts(self) -> np.ndarray:
        """The cells themselves, object (N,)."""
        return self.different[self.codes]

    def where(self, chosen: np.ndarray) -> Cells:
        """Only cells whose text is chosen, bool (D,)."""
        places = np.cumsum(chosen) - 1
        kept = self.codes[chosen[self.codes]]
        return Cells(self.different[chosen], places[kept].astype(np.int32))

    def share(self, chosen: np.ndarray) -> float:
        """Part of the cells whose text is chosen, bool (D,)."""
        return float(self.counts[chosen].sum() / len(self)) if len(self) else 0.0

    def commonest(self, chosen: np.ndarray) -> str:
        """The commonest of the chosen texts, bool (D,), of equally common ones the first by letters; "" for none."""
        if not chosen.any():
            return ""
        return min(zip(-self.counts[chosen], self.different[chosen].tolist(), strict=True))[1]
