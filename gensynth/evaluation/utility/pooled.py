"""Arms over several folds: what each training said of its own test rows, scored together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gensynth.evaluation.utility.utility import UtilityResult, summarise, with_probability_scores


def pooled(results: Sequence[UtilityResult], rarest: int | None) -> UtilityResult:
    """Predictions of several trainings, each for test rows of its own, scored together.

    rarest  the class whose probabilities are scored
    Arms that every training has; `further` is that of the first. A classifier's seed s is the same in all of them.
    Where a fold lacks a class, its balanced accuracy is another one, and `by_fold` stays empty.
    """
    first = results[0]
    pairs = [pair for pair in first.predictions if all(pair in one.predictions for one in results)]
    predictions = {pair: np.concatenate([one.predictions[pair] for one in results], axis=1) for pair in pairs}
    probabilities = {pair: np.concatenate([one.probabilities[pair] for one in results], axis=1) for pair in pairs}
    labels = np.concatenate([one.labels for one in results])
    classes = tuple(next(iter(first.per_class_recall.values())))
    result = summarise(predictions, labels, classes, first.seeds, first.generators)
    whole = all(len(np.unique(one.labels)) == len(np.unique(labels)) for one in results)
    by_fold = {key: np.array([one.raw[key].mean() for one in results]) for key in result.raw if whole}
    folds = np.repeat(np.arange(len(results)), [len(one.labels) for one in results])
    result = replace(
        result,
        probabilities=probabilities,
        further=first.further,
        prior_ratio=first.prior_ratio,
        folds=folds,
        by_fold=by_fold,
        budgets=first.budgets,
        seconds={
            arm: sum(one.seconds[arm] for one in results)
            for arm in first.seconds
            if (arm, first.classifiers[0]) in pairs
        },
    )
    return with_probability_scores(result, rarest)
