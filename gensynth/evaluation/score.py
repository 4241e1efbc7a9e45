"""All scores of one synthetic set in the shape of report.json: fidelity, per class, utility, verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from gensynth import rng
from gensynth.evaluation.features import FeatureSpace, flat_pixels, judge_space, pixel_space
from gensynth.evaluation.fidelity import fidelity, noise_images
from gensynth.evaluation.table_score import table_arms, table_fidelity
from gensynth.evaluation.table_utility import run_table_arms
from gensynth.evaluation.utility import Arm, run_arms
from gensynth.evaluation.verdict import answer_arms, not_run, verdict
from gensynth.models.judge import Judge, judge_steps
from gensynth.neighbours import nearest_distances
from gensynth.types import LabelledData

TILES = 16
MOST_CLASSES = 100  # of a table, for which nine arms with five seeds are still trained in reasonable time


def evaluate_rows(
    *,
    train: LabelledData,
    val: LabelledData,
    test: LabelledData,
    made: LabelledData,
    simple: Mapping[str, LabelledData],
    seed: int,
    seeds: int,
    steps: int,
    progress: Callable[[str], None],
) -> dict:
    """Score `made` rows that are to join the real `train` rows, on the locked real `test` rows.

    simple  arm -> the same plan filled by a simple method (copies, classical augmentation, interpolation)
    seeds   classifier seeds of the utility arms; steps: training steps of a network (0: by the number of rows)
    Without simple arms the arm `synthetic_only` (train on synthetic, test on real) is run in their place.
    Returns verdict, utility, utility_per_class, fidelity, per_class and candidate_score, the balanced
    accuracy by which several sets are ranked.
    """
    reason = "" if len(made) else "no synthetic rows were needed" if len(test) else "there are no test rows"
    if reason or not len(test):
        empty = {"utility": [], "utility_per_class": {}, "fidelity": {}, "per_class": {}}
        return {"verdict": not_run(reason or "there are no test rows"), "candidate_score": 0.0, **empty}
    arm_seeds = [rng.child(seed, "utility", i) for i in range(seeds)]
    if train.schema.modality == "table":
        spaces, fidelity_, per_class = table_fidelity(train, test, made, seed, progress)
        if len(train.schema.classes) > MOST_CLASSES:
            reason = f"{len(train.schema.classes)} classes are more than the {MOST_CLASSES} that arms are trained for"
            found = {"verdict": not_run(reason), "candidate_score": 0.0, "fidelity": fidelity_, "per_class": per_class}
            return found | {"utility": [], "utility_per_class": {}}
        result = run_table_arms(
            arms=table_arms(train, made, simple, seed), val=val, test=test, seeds=arm_seeds, progress=progress
        )
    else:
        spaces, fidelity_, per_class = _image_fidelity(train, test, made, seed, progress)
        arms = _image_arms(train, made, simple)
        most = judge_steps(len(arms[-1].y), train.x.shape[1:], most=1500)
        result = run_arms(arms=arms, test=test, seeds=arm_seeds, steps=steps or most, progress=progress)
    answer_arms(result)
    ranked_by = "real_plus_synthetic" if simple else "synthetic_only"
    return {
        "verdict": verdict(result),
        "utility": result.rows,
        "utility_per_class": result.per_class_recall,
        "fidelity": fidelity_,
        "per_class": per_class,
        "candidate_score": float(result.raw[ranked_by, result.learners[0], "balanced_accuracy"].mean()),
        "feature_spaces": {space.name: space.sha256 for space in spaces},
    }


def _image_fidelity(
    train: LabelledData, test: LabelledData, made: LabelledData, seed: int, progress: Callable[[str], None]
) -> tuple[list[FeatureSpace], dict, dict]:
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
    floor = partial(noise_images, seed=seed)
    return spaces, *fidelity(spaces=spaces, train=train, reference=test, synthetic=made, floor=floor, seed=seed)


def _image_arms(train: LabelledData, made: LabelledData, simple: Mapping[str, LabelledData]) -> list[Arm]:
    """Doing nothing, the simple remedies, the made rows; `synthetic_only` where there are no simple ones."""
    arms = [Arm("real_only", train.x, train.y), Arm("class_weights", train.x, train.y, class_weights=True)]
    for name, rows in {**simple, "real_plus_synthetic": made}.items():
        arms.append(Arm(name, np.concatenate([train.x, rows.x]), np.concatenate([train.y, rows.y])))
    return arms if simple else [*arms, Arm("synthetic_only", made.x, made.y)]


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
