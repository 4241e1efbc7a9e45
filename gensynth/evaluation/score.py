"""All scores in the shape of report.json: a yardstick for sets of made rows, and what the arms of a trial yield."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.manifold import TSNE

from gensynth import rng
from gensynth.balancing.filters import points_of
from gensynth.evaluation.column_score import column_fidelity
from gensynth.evaluation.copies import Copies, copy_entries, find_copies
from gensynth.evaluation.fakes import FLOORS
from gensynth.evaluation.faults import find_faults
from gensynth.evaluation.features import RAW, FeatureSpace, flat_pixels, inception_space, spaces_of
from gensynth.evaluation.fidelity import MOST_ROWS, Entry, K, fidelity
from gensynth.evaluation.metrics.classification import confusion, reliability
from gensynth.evaluation.metrics.support import realism
from gensynth.evaluation.qualify import qualify
from gensynth.evaluation.utility import UtilityResult, rarest_class
from gensynth.evaluation.verdict import BASELINE, answer_arms
from gensynth.models.judges import AnyJudge, fit_judge
from gensynth.neighbours import nearest_distances
from gensynth.types import LabelledData

TILES = 16
MOST_CLASSES = 100  # for which all arms are still trained in reasonable time
MOST_REALISM_ROWS = 2_000
EMBEDDED = 400  # rows a side


@dataclass(frozen=True)
class SetScore:
    """What the yardstick says of one set of made rows; `found` are its copies row by row, `copies` their entries."""

    fidelity: dict[str, dict[str, Entry]]
    per_class: dict[str, dict[str, Entry]]
    copies: dict[str, Entry]
    faults: list[dict[str, str]]
    found: Copies

    def closeness(self) -> float:
        """Mean over spaces of clipped density and coverage, 0 to 1: by which sets are ranked without a classifier."""
        values = [
            scores[metric]["value"]
            for scores in self.fidelity.values()
            for metric in ("clipped_density", "clipped_coverage")
            if scores.get(metric, {}).get("value") is not None
        ]
        return float(np.mean(values)) if values else 0.0


@dataclass(frozen=True)
class Yardstick:
    """Feature spaces of one data set, fitted on its real train rows and qualified once; scores any made rows.

    test  held-out real rows that made rows are compared with; they are not looked at before a set is scored
    seen  real rows that a generator may have learned from, for copies: train, or train and val
    subject  column that says whose rows belong together
    """

    train: LabelledData
    test: LabelledData
    seed: int
    judge: AnyJudge
    spaces: list[FeatureSpace]
    qualified: dict[str, dict[str, Any]]
    floor: Callable[[np.ndarray], np.ndarray]
    seen: LabelledData
    subject: str = ""

    @staticmethod
    def of(
        train: LabelledData,
        test: LabelledData,
        seen: LabelledData,
        seed: int,
        progress: Callable[[str], None],
        inception: bool,
        subject: str = "",
    ) -> Yardstick:
        """Fit and qualify; `inception` adds the literature's space, or raises UsageError where it cannot be had."""
        progress("feature spaces: judge, self-supervised, random, raw")
        judge = fit_judge(train, rng.child(seed, "evaluation judge"))
        spaces = spaces_of(train, judge, seed)
        if inception:
            spaces.append(inception_space())
        qualified = {space.name: qualify(space, train, rng.child(seed, "qualify", space.name)) for space in spaces}
        floor = partial(FLOORS[train.schema.modality], seed=seed)
        return Yardstick(train, test, seed, judge, spaces, qualified, floor, seen, subject)

    @property
    def raw(self) -> str:
        """Name of the space of raw rows."""
        return RAW[self.train.schema.modality]

    def score(self, name: str, made: LabelledData, progress: Callable[[str], None]) -> SetScore:
        """Fidelity in every space, overall and per class, copies and faults of a set of that name."""
        kinds = {"train": self.train, "reference": self.test, "synthetic": made}
        progress(f"fidelity of {len(made)} rows in {len(self.spaces)} feature spaces{cut_text(self.test, made)}")
        overall, per_class = fidelity(spaces=self.spaces, floor=self.floor, seed=self.seed, **kinds)
        if self.train.schema.modality == "table":
            progress("columns, pairs of columns and a two-sample test")
            columns, shapes = column_fidelity(self.train, self.test, made, self.floor, self.seed)
            overall |= columns
            for label, entry in shapes.items():
                per_class[label]["shape[columns]"] = entry
        points = points_of(LabelledData.concat([self.seen, self.test]))  # of both alike: neither lies nearer by that
        found = find_copies(self.seen, self.test, made, points, self.seed, self.subject)
        copied = copy_entries(found)
        faults = find_faults(
            name=name,
            overall=overall[self.raw],
            per_class=per_class,
            space=self.raw,
            copied=copied,
            made=made,
            test=self.test,
            judged=self.judge.probabilities,
        )
        return SetScore(overall, per_class, copied, faults, found)

    def warnings(self) -> list[dict[str, str]]:
        """A line that names what each space does not see, if there is anything."""
        blind = {name: facts["blind_to"] for name, facts in self.qualified.items() if facts["blind_to"]}
        text = "; ".join(f"{name} to {', '.join(faults)}" for name, faults in blind.items())
        return [{"code": "blind_space", "text": f"feature spaces that do not see a fault: {text}"}] if blind else []

    def realism(self, made: LabelledData) -> np.ndarray:
        """Realism (M,) of each made row among real train rows of its class, in the space of raw rows."""
        space = next(space for space in self.spaces if space.name == self.raw)
        out = np.zeros(len(made))
        for c in range(len(made.schema.classes)):
            mine, real = np.flatnonzero(made.y == c), self.train.x[self.train.y == c][:MOST_REALISM_ROWS]
            if len(mine) and len(real) > 1:
                k = min(K, len(real) - 1)
                out[mine] = realism(real=space.transform(real), fake=space.transform(made.x[mine]), k=k)
        return out

    def embedding(self, made: LabelledData) -> dict[str, np.ndarray]:
        """Real test rows and made rows side by side in the plane: xy (n, 2), label (n,), made (n,) bool.

        t-SNE (van der Maaten and Hinton, 2008) of judge features, at most 400 rows a side, equally many. For the
        eye only: distances between groups mean nothing in it.
        """
        n = min(len(self.test), len(made), EMBEDDED)
        order = rng.numpy_generator(self.seed, "embedding")
        sides = [side[order.permutation(len(side))[:n]] for side in (self.test, made)]
        x = np.concatenate([self.spaces[0].transform(side.x) for side in sides])
        if n < 10 or not np.ptp(x):
            return {}
        plane = TSNE(perplexity=min(30, n / 3), init="pca", random_state=0, max_iter=500).fit_transform(x)
        return {"xy": plane, "label": np.concatenate([s.y for s in sides]), "made": np.repeat([False, True], n)}


def cut_text(test: LabelledData, made: LabelledData) -> str:
    """What is said where not all rows are compared."""
    least = np.minimum(test.counts(), made.counts())
    n = min(int(least.sum()), MOST_ROWS)
    return f", cut to {n} rows a side of {len(test)} real and {len(made)} made, class by class"


def utility_facts(result: UtilityResult, candidate: str, train: LabelledData) -> dict[str, Any]:
    """utility, utility_per_class, confusion and reliability of a comparison, as report.json has them."""
    answer_arms(result)
    classes, learner = train.schema.classes, result.learners[0]
    tables = {
        arm: confusion(result.labels, result.predictions[arm, learner], len(classes)) for arm in (BASELINE, candidate)
    }
    rarest = rarest_class(train.counts(), result.labels)
    curves = {}
    if rarest is not None:
        truth = result.labels == rarest
        for arm in (BASELINE, candidate):
            score = result.probabilities[arm, learner][:, :, rarest].mean(axis=0)
            curves[arm] = reliability(score.astype(np.float64), truth)
    return {
        "utility": result.rows,
        "utility_per_class": result.per_class_recall,
        "confusion": {
            "classes": list(classes),
            "learner": learner,
            **{arm: table.round(6).tolist() for arm, table in tables.items()},
        },
        "reliability": {
            "class": classes[rarest] if rarest is not None else "",
            "learner": learner,
            "curves": curves,
        },
    }


def wall_pictures(
    real: LabelledData, made: LabelledData, realism_of: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Up to TILES real and made rows of every class that has made rows; these from most to least realistic."""
    walls = {}
    for c, name in enumerate(real.schema.classes):
        mine = np.flatnonzero(made.y == c)
        if len(mine):
            sorted_rows = mine[np.argsort(-realism_of[mine], kind="stable")]
            shown = sorted_rows[np.linspace(0, len(mine) - 1, min(len(mine), TILES)).round().astype(int)]
            walls[name] = (real.x[real.y == c][:TILES], made.x[shown])
    return walls


def nearest_pictures(
    train: LabelledData, made: LabelledData, tiles: int = 8
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each class the made rows closest to a training row of it: (made, nearest real, distance)."""
    panels = {}
    for c, name in enumerate(train.schema.classes):
        mine, real = made.x[made.y == c], train.x[train.y == c]
        if not len(mine) or not len(real):
            continue
        distances, nearest = nearest_distances(flat_pixels(mine), flat_pixels(real), k=1)
        closest = np.argsort(distances[:, 0], kind="stable")[:tiles]
        panels[name] = (mine[closest], real[nearest[closest, 0]], distances[closest, 0])
    return panels
