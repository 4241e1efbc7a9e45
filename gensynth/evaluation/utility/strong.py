"""Stronger ways without synthetic rows, for evaluate=full: a gain over weak ones is none.

Ensembles of imbalanced-learn train every member on a balanced draw of real rows (Liu, Wu and Zhou, "Exploratory
undersampling for class-imbalance learning", 2009: EasyEnsemble; Seiffert et al., "RUSBoost", 2010; balanced bagging).
A network learns with the logarithm of its class shares added to its outputs (Menon et al., "Long-tail learning via
logit adjustment", ICLR 2021, equation 10; Ren et al., "Balanced meta-softmax", 2020).
"""

from __future__ import annotations

from collections.abc import Callable

from imblearn.ensemble import BalancedBaggingClassifier, EasyEnsembleClassifier, RUSBoostClassifier
from sklearn.base import ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

from gensynth.data.kinds import modality_of, points_of
from gensynth.evaluation.assessment import without_groups
from gensynth.evaluation.utility.classifiers import ArmClassifier, Model, OnPoints, SmallCnn
from gensynth.evaluation.utility.utility import Arm
from gensynth.types import LabelledData

TREES = 200
ENSEMBLES: dict[str, Callable[[int], ClassifierMixin]] = {
    "easy_ensemble": lambda seed: EasyEnsembleClassifier(random_state=seed),
    "rus_boost": lambda seed: RUSBoostClassifier(random_state=seed),
    "balanced_bagging": lambda seed: BalancedBaggingClassifier(random_state=seed),
}


def strong_arms(train: LabelledData, first: ArmClassifier) -> list[Arm]:
    """Arms of real rows alone whose classifier is their own; `first` is the classifier of the others.

    Classes that have a single row leave the ensembles out: they draw rows of every class.
    """
    real = (without_groups(train),)
    if isinstance(first, SmallCnn):
        return [Arm("logit_adjustment", real, own=first.adjusted_by_shares())]
    if train.counts().min() < 2:
        return []
    return [Arm(name, real, own=_on_points(name, make)) for name, make in ENSEMBLES.items()]


def further_classifiers(train: LabelledData) -> list[ArmClassifier]:
    """A forest beside the two classifiers of rows with columns."""
    if not modality_of(train.schema).columns(train.schema):
        return []
    return [_on_points("forest", lambda seed: RandomForestClassifier(TREES, random_state=seed))]


def _on_points(name: str, make: Callable[[int], ClassifierMixin]) -> OnPoints:
    def model_of(rows: LabelledData, seed: int) -> Model:
        return points_of(rows), make_pipeline(make(seed % 2**32))

    return OnPoints(name, model_of)
