"""Rows that sit on one training row: copies, which add nothing and may tell of a person."""

from __future__ import annotations

import numpy as np

from gensynth.balancing.filters.contract import Filter, Reference
from gensynth.data.kinds import modality_of, points_of
from gensynth.types import LabelledData

LEAST_ROWS = 20


class NearCopy(Filter):
    """Drops rows that sit on one training row: nearest less than `ratio` as far as the second nearest.

    Euclidean distance, on pixels or on a table's scaled cells, to training rows of the same class, exact repeats
    among them counted once. In a table new people may well equal old ones in every column: there the ratio falls
    to the one that 95 % of the class's real rows pass, validation rows and each training row beside the other ones;
    of a class with fewer than LEAST_ROWS of them, to the one that 95 % of all classes' rows pass.
    """

    name = "near_copy"
    reason = "sat on a training row"

    def __init__(self, ratio: float) -> None:
        self.ratio = ratio

    def learn(self, reference: Reference) -> None:
        train = reference.train
        _, first = np.unique(train.content_hashes(), return_index=True)
        distinct = train[np.sort(first)]
        self._points = points_of(train)
        self._train = {int(label): self._points(distinct[distinct.y == label].x) for label in np.unique(distinct.y)}
        self._least = np.full(len(train.schema.classes), self.ratio)
        if modality_of(train.schema).columns(train.schema) and len(reference.val):
            self._least = np.minimum(self.ratio, self._usual(reference.val))

    def keep(self, rows: LabelledData) -> np.ndarray:
        return self._ratios(rows) >= self._least[rows.y]

    def _usual(self, val: LabelledData) -> np.ndarray:
        """The ratio that 95 % of the real rows of each class pass, (K,)."""
        from gensynth.neighbours import nearest_distances  # loads torch, which what only looks at data does without

        ratios, labels = [self._ratios(val)], [val.y]
        for label, train in self._train.items():
            if len(train) > 2:
                distances, _ = nearest_distances(train, train, k=2, exclude_self=True)
                ratios.append(distances[:, 0] / np.maximum(distances[:, 1], 1e-12))
                labels.append(np.full(len(train), label))
        found, of = np.concatenate(ratios), np.concatenate(labels)
        own = [found[of == label] for label in range(len(val.schema.classes))]
        return np.array([np.quantile(mine if len(mine) >= LEAST_ROWS else found, 0.05) for mine in own])

    def _ratios(self, rows: LabelledData) -> np.ndarray:
        """Distance to the nearest over that to the second nearest training row of the class; 1 where there is none."""
        from gensynth.neighbours import nearest_distances

        ratios = np.ones(len(rows))
        for label, train in self._train.items():
            mine = np.flatnonzero(rows.y == label)
            if len(train) > 1 and len(mine):
                distances, _ = nearest_distances(self._points(rows.x[mine]), train, k=2)
                ratios[mine] = distances[:, 0] / np.maximum(distances[:, 1], 1e-12)
        return ratios
