"""Interpolation between neighbours of a class: SMOTE, SMOTENC and ADASYN of imbalanced-learn; of images, SMOTE."""

from __future__ import annotations

import warnings
from typing import Self

import numpy as np
from imblearn.over_sampling import ADASYN, SMOTE, SMOTEN, SMOTENC

from gensynth.data.columns import round_values
from gensynth.data.kinds import modality_of
from gensynth.errors import UsageError
from gensynth.samplers.jitter import Jitter
from gensynth.samplers.resample import RandomOversampling
from gensynth.samplers.sampler import Sampler, new_rows
from gensynth.types import AUGMENTED, LabelledData

KINDS = ("smote", "adasyn")


class Smote(Sampler):
    """Chawla et al., "SMOTE" (JAIR 2002); SMOTENC for mixed columns, SMOTEN where all are categories.

    kind        smote | adasyn (He et al., IJCNN 2008: more rows where the class is hard; numbers only)
    neighbours  of which one is interpolated towards; fewer where the class has fewer rows
    Missing numbers take the class's median while neighbours are sought, a missing category is a category; what a class
    never has stays missing. A class of
    one row has no neighbour: it is moved a little (an image: repeated) instead. A set is drawn as a whole (`per_set`).
    """

    deterministic = "per_set"

    def __init__(self, kind: str, neighbours: int) -> None:
        if kind not in KINDS:
            raise UsageError(f"sampler.kind={kind} is not known; {' | '.join(KINDS)}")
        self.name, self.kind, self.neighbours = kind, kind, neighbours
        self.modalities = ("image", "table") if kind == "smote" else ("table",)

    def fit(self, train: LabelledData) -> Self:
        self._train, self._columns = train, modality_of(train.schema).columns(train.schema)
        self._single = Jitter(0.1).fit(train) if self._columns else RandomOversampling().fit(train)
        return self

    def sample(self, labels: np.ndarray, seeds: np.ndarray) -> LabelledData:
        labels, seeds = np.asarray(labels, np.int64), np.asarray(seeds, np.uint64)
        out = np.empty((len(labels), *self._train.x.shape[1:]), self._train.x.dtype)
        for k in np.unique(labels):
            mine = labels == k
            out[mine] = self._of_class(int(k), seeds[mine])
        return new_rows(out, labels, self._train.schema, origin=AUGMENTED)

    def _of_class(self, k: int, seeds: np.ndarray) -> np.ndarray:
        is_class = self._train.y == k
        if is_class.sum() < 2:
            return self._single.sample(np.full(len(seeds), k), seeds).x
        if not self._columns:
            return self._of_images(is_class, seeds)
        x = self._filled(k)
        marks, count = is_class.astype(int), int(is_class.sum())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                whole, _ = self._sampler(count, seeds).fit_resample(x, marks)
            except (ValueError, RuntimeError):  # ADASYN where no neighbour is of another class
                whole, _ = self._sampler(count, seeds, plain=True).fit_resample(x, marks)
        # ADASYN meets counts only roughly.
        rows = np.resize(np.asarray(whole[len(x) :], np.float64), (len(seeds), x.shape[1]))
        unknown = np.isnan(self._train.x[is_class]).all(axis=0)  # nothing to interpolate between
        for cells, column, empty in zip(rows.T, self._columns, unknown, strict=True):
            cells[:] = np.where(cells == -1, np.nan, cells) if column.discrete else round_values(column, cells)
            cells[:] = np.nan if empty else cells
        return rows

    def _of_images(self, is_class: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """Pixels between those of two near images of the class, uint8."""
        x = self._train.x.reshape(len(is_class), -1).astype(np.float32)
        # imbalanced-learn wants a class to leave alone; one row of another one is enough.
        other = np.flatnonzero(~is_class)[:1]
        mine = np.concatenate([x[is_class], x[other] if len(other) else x[:1]])
        marks = np.append(np.ones(int(is_class.sum()), int), 0)
        synthetic = self._sampler(int(is_class.sum()), seeds, plain=True).fit_resample(mine, marks)[0]
        return np.rint(synthetic[len(mine) :]).clip(0, 255).astype(np.uint8).reshape(-1, *self._train.x.shape[1:])

    def _sampler(self, count: int, seeds: np.ndarray, *, plain: bool = False) -> SMOTE | ADASYN | SMOTEN | SMOTENC:
        """What draws a row for every seed, of a class of that many rows; plain: SMOTE whatever the columns."""
        common = {"sampling_strategy": {1: count + len(seeds)}, "random_state": int(seeds[0] % np.uint64(2**31))}
        near = min(self.neighbours, count - 1)
        discrete = [j for j, column in enumerate(self._columns) if column.discrete]
        if not plain and len(discrete) == len(self._columns):
            return SMOTEN(k_neighbors=near, **common)
        if not plain and discrete:
            return SMOTENC(discrete, k_neighbors=near, **common)
        adasyn = self.kind == "adasyn" and not plain
        return ADASYN(n_neighbors=near, **common) if adasyn else SMOTE(k_neighbors=near, **common)

    def _filled(self, k: int) -> np.ndarray:
        x = self._train.x.copy()
        for j, column in enumerate(self._columns):
            missing = np.isnan(x[:, j])
            if column.discrete:
                x[missing, j] = -1
            elif missing.any():
                known = x[(self._train.y == k) & ~missing, j]
                x[missing, j] = np.median(known) if len(known) else 0.0
        return x
