"""Scores of one set of synthetic rows by feature spaces that were fitted and qualified once, and of trained arms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.manifold import TSNE

from gensynth import rng
from gensynth.data.kinds import modality_of, points_of
from gensynth.evaluation.assessment import EvaluationSettings, RealRows
from gensynth.evaluation.fidelity.column_score import column_fidelity
from gensynth.evaluation.fidelity.faults import FaultTests, Found
from gensynth.evaluation.fidelity.features import FeatureSpace, inception_space, spaces_of
from gensynth.evaluation.fidelity.fidelity import MOST_ROWS, K, fidelity
from gensynth.evaluation.fidelity.qualify import qualify
from gensynth.evaluation.fidelity.spoiled import floor_of
from gensynth.evaluation.metrics.classification import confusion, reliability
from gensynth.evaluation.metrics.metric import Entry
from gensynth.evaluation.metrics.support import realism
from gensynth.evaluation.parts import Fidelity, Notice, Utility
from gensynth.evaluation.privacy.copies import Copies, find_copies
from gensynth.evaluation.utility.utility import UtilityResult, rarest_class
from gensynth.evaluation.utility.verdict import BASELINE, answer_arms
from gensynth.models.classifiers import RowClassifier
from gensynth.progress import say
from gensynth.types import LabelledData

MOST_CLASSES = {"table": 100, "text": 100}  # for which all arms are still trained in reasonable time
MOST_REALISM_ROWS = 2_000
EMBEDDED = 400  # rows a side


@dataclass(frozen=True)
class FidelityScorer:
    """Feature spaces of one data set, fitted on its real train rows and qualified once; scores any synthetic rows.

    real       held-out rows are not looked at before a set is scored
    evaluation_classifier  of real train rows
    qualified  {space: what it sees and what not}
    floor      rows x -> rows that learned nothing
    """

    real: RealRows
    settings: EvaluationSettings
    evaluation_classifier: RowClassifier
    spaces: list[FeatureSpace]
    qualified: dict[str, dict[str, Any]]
    floor: Callable[[np.ndarray], np.ndarray]

    @staticmethod
    def of(real: RealRows, evaluation_classifier: RowClassifier, settings: EvaluationSettings) -> FidelityScorer:
        """Fit and qualify; UsageError where the literature's space is asked for and cannot be had."""
        say("feature spaces: judge, self-supervised, random, raw")
        train, seed = real.train, settings.seed
        spaces = spaces_of(train, evaluation_classifier, seed)
        if settings.inception:
            spaces.append(inception_space())
        qualified = {space.name: qualify(space, train, rng.child(seed, "qualify", space.name)) for space in spaces}
        floor = _seeded(floor_of(train.schema), seed)
        return FidelityScorer(real, settings, evaluation_classifier, spaces, qualified, floor)

    def space(self, name: str) -> FeatureSpace:
        return next(space for space in self.spaces if space.name == name)

    @property
    def raw(self) -> FeatureSpace:
        """The space of raw rows."""
        return self.space(modality_of(self.real.train.schema).raw)

    def copies(self, rows: LabelledData) -> Copies:
        """Which rows are copies of real ones that they may have been learned from."""
        seen, test = self.real.seen, self.real.test
        points = points_of(LabelledData.concat([seen, test]))  # of both alike: neither lies nearer by that
        return find_copies(seen, test, rows, points, self.settings.seed, self.settings.subject)

    def score(self, name: str, rows: LabelledData, copied: Copies) -> Fidelity:
        """Fidelity in every space, overall and per class, and faults of a set of that name."""
        train, test, seed = self.real.train, self.real.test, self.settings.seed
        say(f"fidelity of {len(rows)} rows in {len(self.spaces)} feature spaces{cut_text(test, rows)}")
        overall, per_class = fidelity(
            spaces=self.spaces,
            floor=self.floor,
            seed=seed,
            train=train,
            reference=test,
            synthetic=rows,
            metrics=self.settings.metrics,
        )
        if modality_of(train.schema).columns(train.schema):
            say("columns, pairs of columns and a two-sample test")
            columns, shapes = column_fidelity(train, test, rows, self.floor, seed)
            overall |= columns
            for label, entry in shapes.items():
                per_class[label]["shape[columns]"] = entry
        found = self.faults(name, rows, copied, per_class)
        return Fidelity(overall, per_class, found.faults, found.untested)

    @cached_property
    def fault_tests(self) -> FaultTests:
        return FaultTests(self.real.seen, self.real.test, self.raw.transform, self.settings.seed)

    def faults(self, name: str, rows: LabelledData, copied: Copies, per_class: dict[str, dict[str, Entry]]) -> Found:
        """What is wrong with a set of that name, beside all real rows that are known."""
        say("faults: copies, labels, variety and looks of every class")
        key = f"vendi_ratio[{self.raw.name}]"
        variety = {label: scores[key] for label, scores in per_class.items() if key in scores}
        return self.fault_tests.find(name, rows, copied, variety)

    def warnings(self) -> list[Notice]:
        """A line that names what each space does not see, if there is anything."""
        blind = {name: facts["blind_to"] for name, facts in self.qualified.items() if facts["blind_to"]}
        text = "; ".join(
            f"{name.replace('judge', 'classifier')} does not see {', '.join(faults)}" for name, faults in blind.items()
        )
        text = f"feature spaces that are blind to a fault: {text}".replace("_", " ")
        return [{"code": "blind_space", "text": text}] if blind else []

    def realism(self, rows: LabelledData) -> np.ndarray:
        """Realism (M,) of each synthetic row among real train rows of its class, in the space of raw rows."""
        space, train = self.raw, self.real.train
        out = np.zeros(len(rows))
        for c in range(len(rows.schema.classes)):
            mine, real = np.flatnonzero(rows.y == c), train.x[train.y == c][:MOST_REALISM_ROWS]
            if len(mine) and len(real) > 1:
                k = min(K, len(real) - 1)
                out[mine] = realism(real=space.transform(real), fake=space.transform(rows.x[mine]), k=k)
        return out

    def embedding(self, rows: LabelledData) -> dict[str, np.ndarray]:
        """Real test rows and synthetic rows side by side in the plane: xy (n, 2), label (n,), synthetic (n,) bool.

        t-SNE (van der Maaten and Hinton, 2008) of features of the classifier, at most 400 rows a side, equally many.
        For the eye only: distances between groups mean nothing in it.
        """
        n = min(len(self.real.test), len(rows), EMBEDDED)
        order = rng.numpy_generator(self.settings.seed, "embedding")
        sides = [side[order.permutation(len(side))[:n]] for side in (self.real.test, rows)]
        x = np.concatenate([self.spaces[0].transform(side.x) for side in sides])
        if n < 10 or not np.ptp(x):
            return {}
        plane = TSNE(perplexity=min(30, n / 3), init="pca", random_state=0, max_iter=500).fit_transform(x)
        label, synthetic = np.concatenate([side.y for side in sides]), np.repeat([False, True], n)
        return {"xy": plane, "label": label, "synthetic": synthetic}


def _seeded(floor: Callable[[np.ndarray, int], np.ndarray], seed: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: floor(x, seed)


def cut_text(test: LabelledData, rows: LabelledData) -> str:
    """What is said where not all rows are compared."""
    n = min(int(np.minimum(test.counts(), rows.counts()).sum()), MOST_ROWS)
    return f", cut to {n} rows a side of {len(test)} real and {len(rows)} synthetic, class by class"


def arms_utility(result: UtilityResult, candidate: str, train: LabelledData, margin: float) -> Utility:
    """Lines, recall by class, confusion and reliability of trained arms; the verdict is not in it."""
    answer_arms(result, margin=margin)
    classes, classifier = train.schema.classes, result.classifiers[0]
    tables = {
        arm: confusion(result.labels, result.predictions[arm, classifier], len(classes)).round(6).tolist()
        for arm in (BASELINE, candidate)
    }
    rarest = rarest_class(train.counts(), result.labels)
    curves = {}
    if rarest is not None:
        for arm in (BASELINE, candidate):
            score = result.probabilities[arm, classifier][:, :, rarest].mean(axis=0)
            curves[arm] = reliability(score.astype(np.float64), result.labels == rarest)
    for row in result.rows:
        if steps := result.budgets.get((row["arm"], row["learner"])):
            row["steps"] = steps
    return Utility(
        utility=result.rows,
        seconds={arm: round(seconds, 2) for arm, seconds in result.seconds.items()},
        utility_per_class=result.per_class_recall,
        confusion={"classes": list(classes), "learner": classifier, **tables},
        reliability={"class": "" if rarest is None else classes[rarest], "learner": classifier, "curves": curves},
    )
