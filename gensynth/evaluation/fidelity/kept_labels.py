"""Do rows look like what their label says, as often as real rows do?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from gensynth.data.modality import Points
from gensynth.evaluation.fidelity.exchange import ALL, Named, more_often
from gensynth.intervals import holm
from gensynth.neighbours import nearest_distances
from gensynth.rng import child
from gensynth.types import LabelledData

TREES = 200
AGREEMENT = 0.8  # of a forest with the labels, as a part of that for real rows
NEAR = 1.5  # times as far from the other class as its own rows are from each other


@dataclass(frozen=True)
class KeptLabels:
    """A forest of real rows (Breiman, "Random forests", 2001) that says what class a row looks like.

    Real rows are classified by the trees that have not seen them (out of bag), so train rows serve as well as test
    rows, and classes of a few rows can be tested.
    """

    forest: RandomForestClassifier
    points: Points
    real: np.ndarray
    y: np.ndarray
    found: np.ndarray

    @staticmethod
    def of(real: LabelledData, points: Points, seed: int) -> KeptLabels:
        """Fit on real rows, at most some thousand."""
        x = points(real.x)
        forest = RandomForestClassifier(
            TREES,
            class_weight="balanced_subsample",
            oob_score=True,
            random_state=child(seed, "labels") % 2**32,
            n_jobs=1,
        ).fit(x, real.y)
        shares = np.nan_to_num(forest.oob_decision_function_)
        return KeptLabels(forest, points, x, real.y, forest.classes_[shares.argmax(axis=1)])

    def swapped(
        self, rows: LabelledData, alpha: float, looks_like: Callable[[LabelledData, np.ndarray], bool]
    ) -> tuple[list[Named], dict[int, str]]:
        """(classes whose rows look like another one more often than real rows do, class -> why it cannot be tested).

        looks_like  (rows, classes they are taken for (M,)) -> whether they have what real rows of those have
        """
        x, classes = self.points(rows.x), rows.schema.classes
        found = self.forest.predict(x)
        present = [int(c) for c in np.unique(rows.y) if (self.y == c).any()]
        of_rows, of_real = (
            np.array([[(y == c).sum(), ((y == c) & (named != c)).sum()] for c in present]).reshape(-1, 2)
            for y, named in ((rows.y, found), (self.y, self.found))
        )
        p = holm(more_often(of_rows[:, 1], of_rows[:, 0], of_real[:, 1], of_real[:, 0]))
        best = more_often(of_rows[:, 0], of_rows[:, 0], of_real[:, 1], of_real[:, 0]) * len(p)
        faults: list[Named] = []
        for i, c in enumerate([*present, ALL]):
            mine, real = (rows.y == c, self.y == c) if c != ALL else (rows.y >= 0, np.isin(self.y, present))
            wrong = mine & (found != rows.y)
            agree, usual = 1 - wrong.sum() / mine.sum(), float((self.found == self.y)[real].mean())
            if p[i] >= alpha or agree > AGREEMENT * usual or not wrong.any():
                continue
            if not (self._as_real(x[wrong], found[wrong]) and looks_like(rows[wrong], found[wrong])):
                continue
            share = f"{agree:.0%} are taken for what their label says (real rows {usual:.0%})"
            if c != ALL:
                other = classes[int(np.bincount(found[wrong]).argmax())]
                faults.append((c, "label_swap", f'rows labelled "{classes[c]}" look like "{other}": {share}'))
            elif not faults:
                faults.append((ALL, "label_swap", f"rows look like another class than their label says: {share}"))
        few = "labels ({} synthetic and {} real rows, of which {} look like their label)"
        return faults, {
            c: few.format(of_rows[i, 0], of_real[i, 0], of_real[i, 0] - of_real[i, 1])
            for i, c in enumerate(present)
            if best[i] >= alpha
        }

    def _as_real(self, x: np.ndarray, found: np.ndarray) -> bool:
        """Whether rows (M, P) lie about as near to rows of the class they are taken for (M,) as those to each other."""
        ratios: list[float] = []
        for c in np.unique(found):
            there = self.real[self.y == c]
            if len(there) > 1:
                usual = float(np.median(nearest_distances(there, there, 1, exclude_self=True)[0]))
                ratios.extend(nearest_distances(x[found == c], there, 1)[0][:, 0] / max(usual, 1e-12))
        return bool(ratios) and float(np.median(ratios)) <= NEAR
