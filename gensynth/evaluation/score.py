"""All scores of one synthetic set in the shape of report.json: fidelity, per class, utility, verdict."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gensynth import rng
from gensynth.evaluation.features import flat_pixels, judge_space, pixel_space
from gensynth.evaluation.fidelity import fidelity
from gensynth.evaluation.utility import Arm, run_arms
from gensynth.evaluation.verdict import not_run, verdict
from gensynth.models.judge import Judge, judge_steps
from gensynth.neighbours import nearest_distances
from gensynth.types import LabelledData

TILES = 16


def evaluate_rows(
    *,
    train: LabelledData,
    test: LabelledData,
    made: LabelledData,
    oversampled: LabelledData | None,
    transformed: LabelledData | None,
    seed: int,
    seeds: int,
    steps: int,
    progress: Callable[[str], None],
) -> dict:
    """Score `made` rows that are to join the real `train` rows, on the locked real `test` rows.

    oversampled, transformed  the same plan filled by copies and by classical augmentation
    seeds  classifier seeds of the utility arms; steps: their training steps (0: by the number of rows)
    Without them the arm `synthetic_only` (train on synthetic, test on real) is run in their place.
    Returns verdict, utility, utility_per_class, fidelity, per_class and candidate_score, the balanced
    accuracy by which several sets are ranked.
    """
    reason = "" if len(made) else "no synthetic rows were needed" if len(test) else "there are no test rows"
    if reason or not len(test):
        empty = {"utility": [], "utility_per_class": {}, "fidelity": {}, "per_class": {}}
        return {"verdict": not_run(reason or "there are no test rows"), "candidate_score": 0.0, **empty}
    judge = Judge.fit(
        train.x,
        train.y,
        num_classes=len(train.schema.classes),
        seed=rng.child(seed, "evaluation judge"),
        steps=judge_steps(len(train), train.x.shape[1:]),
        balanced=True,
    )
    progress("fidelity in two feature spaces")
    spaces = [judge_space(judge), pixel_space(train.x)]
    overall, per_class = fidelity(spaces=spaces, train=train, reference=test, synthetic=made, seed=seed)
    arms = _arms(train, made, oversampled, transformed)
    arm_seeds = [rng.child(seed, "utility", i) for i in range(seeds)]
    result = run_arms(
        arms=arms,
        test=test,
        seeds=arm_seeds,
        steps=steps or judge_steps(len(arms[-1].y), train.x.shape[1:], most=1500),
        progress=progress,
    )
    ranked_by = "synthetic_only" if oversampled is None else "real_plus_synthetic"
    score = float(result.raw[ranked_by, "small_cnn", "balanced_accuracy"].mean())
    return {
        "verdict": verdict(result),
        "utility": result.rows,
        "utility_per_class": result.per_class_recall,
        "fidelity": overall,
        "per_class": per_class,
        "candidate_score": score,
        "feature_spaces": {space.name: space.sha256 for space in spaces},
    }


def _arms(
    train: LabelledData, made: LabelledData, oversampled: LabelledData | None, transformed: LabelledData | None
) -> list[Arm]:
    """Doing nothing, the simple remedies, the made rows; `synthetic_only` where there are no simple ones."""
    arms = [Arm("real_only", train.x, train.y), Arm("class_weights", train.x, train.y, class_weights=True)]
    added = {"random_oversampling": oversampled, "classical_augmentation": transformed, "real_plus_synthetic": made}
    for name, rows in added.items():
        if rows is not None:
            arms.append(Arm(name, np.concatenate([train.x, rows.x]), np.concatenate([train.y, rows.y])))
    return arms if oversampled is not None else [*arms, Arm("synthetic_only", made.x, made.y)]


def wall_pictures(real: LabelledData, made: LabelledData) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Up to TILES real and made rows of every class that has made rows."""
    return {
        name: (real.x[real.y == c][:TILES], made.x[made.y == c][:TILES])
        for c, name in enumerate(real.schema.classes)
        if (made.y == c).any()
    }


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
