"""Which of several sets an assessment speaks of first, and of which arm its verdict is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gensynth.evaluation.assessment import RealRows, SyntheticSet
from gensynth.evaluation.fidelity.faults import GRAVE
from gensynth.evaluation.metrics.classification import label_scores, tally
from gensynth.evaluation.parts import Fidelity
from gensynth.evaluation.privacy.copies import Copies
from gensynth.evaluation.utility.arms import STANDARD
from gensynth.evaluation.utility.utility import UtilityResult

VAL = "val"  # by which name probabilities of validation rows are kept


@dataclass(frozen=True)
class Scored:
    """What is known of every set before it is said which is the best: scores, copies, the arms that were trained.

    result  of the arms on the run's own test rows; over_folds: on the test rows of all folds, the same for one fold
    """

    real: RealRows
    sets: Mapping[str, SyntheticSet]
    fidelity: dict[str, Fidelity]
    copies: dict[str, Copies]
    result: UtilityResult | None
    over_folds: UtilityResult | None


@dataclass(frozen=True)
class Choice:
    """Sets, best first, the arm that the verdict speaks of, and by what sets were ranked."""

    order: list[str]
    candidate: str
    ranked_by: dict[str, float] = field(default_factory=dict)


Choose = Callable[[Scored], Choice]


def first_set(scored: Scored) -> Choice:
    """One set, assessed by the arm of its name."""
    name, one = next(iter(scored.sets.items()))
    return Choice([name, *(other for other in scored.sets if other != name)], one.arm)


def best_by_training(scored: Scored) -> Choice:
    """Sets without a grave fault first; among them, and among the others, the one from which a classifier learns most
    (train on synthetic, test on real), or without classifiers the one closest to the test rows."""
    ranked_by = {name: one.closeness() for name, one in scored.fidelity.items()}
    if scored.result is not None:
        raw, classifier = scored.result.raw, scored.result.classifiers[0]
        alone = {name: raw[one.alone_arm, classifier, "balanced_accuracy"] for name, one in scored.sets.items()}
        ranked_by = {name: float(values.mean()) for name, values in alone.items()}
    order = sorted(scored.sets, key=lambda name: (_grave(scored.fidelity[name]), -ranked_by[name]))
    return Choice(order, scored.sets[order[0]].arm, ranked_by)


def _grave(fidelity: Fidelity) -> bool:
    """Whether a set has a fault that puts it behind sets without one."""
    return any(fault["code"] in GRAVE for fault in fidelity.faults)


def best_on_validation(scored: Scored) -> Choice:
    """The arm with the highest balanced accuracy on validation rows, over its seeds; the first where there are none.

    Of arms that need a network where there are any, else of what changes rows, else of all.
    """
    owners = {arm: name for name, one in scored.sets.items() for arm in one.arms}
    networks = [arm for arm, name in owners.items() if not scored.sets[name].simple]
    candidates = networks or [arm for arm in owners if arm not in STANDARD] or list(owners)
    chosen = candidates[0]
    if scored.result is not None and len(scored.real.val):
        val, further = scored.real.val, scored.result.further
        tallies = {arm: tally(val.y, further[arm, VAL].argmax(axis=2), len(val.schema.classes)) for arm in candidates}
        chosen = max(candidates, key=lambda arm: float(label_scores(tallies[arm])["balanced_accuracy"].mean()))
    return Choice(sorted(scored.sets, key=lambda name: name != owners[chosen]), chosen)
