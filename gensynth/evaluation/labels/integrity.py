"""Do labels mean what they say: agreement of a classifier before and after filtering, variety lost, suspect labels.

The classifier here is not the one that filters use, and no generator saw it. Held-out real rows stand beside
synthetic ones in every figure, since a classifier disagrees with some real labels too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gensynth.evaluation.assessment import Drawn
from gensynth.evaluation.bias.bias import share_entry
from gensynth.evaluation.bias.cell_scores import coverage
from gensynth.evaluation.fidelity.features import FeatureSpace
from gensynth.evaluation.fidelity.fidelity import MIN_ROWS, Entry
from gensynth.evaluation.labels.confident import (
    LEAST_ROWS,
    MOST_ROWS,
    OutOfFold,
    Suspects,
    find_suspects,
    mean_self_confidence,
    noise_share,
    out_of_fold,
)
from gensynth.evaluation.metrics.diversity import vendi_ratio
from gensynth.evaluation.parts import Labels
from gensynth.intervals import half_sample_interval
from gensynth.progress import say
from gensynth.rng import child, numpy_generator
from gensynth.types import LabelledData

MOST_OF_A_CLASS = 500
REPEATS = 10
WORST = 50


def labels_of(
    *,
    train: LabelledData,
    held_out: LabelledData,
    synthetic: LabelledData,
    drawn: Drawn,
    classify: Callable[[np.ndarray], np.ndarray],
    space: FeatureSpace,
    seed: int,
    subject: str = "",
) -> tuple[Labels, dict[str, list[Entry]]]:
    """What report.json says of label integrity, and the worst rows by their ids, for an internal file.

    train, held_out    real rows; synthetic: the rows to be merged
    judged             x -> probabilities (N, K) of a classifier of real train rows
    subject            column of `groups` that says whom a row belongs to, or an empty text
    Labels: classes {name: {"agreement_before", "agreement_after", "agreement_real", "lost_variety"}}, suspect {"real",
    "made"} (see `suspect_facts`; at most MOST_ROWS synthetic rows). Rows: {"real", "made"}: lists of at most WORST
    {"row_id", "label", "believed", "self_confidence", "margin"}.
    """
    say("label integrity: agreement and variety before and after filtering")
    names = train.schema.classes
    before, after, real = (
        agreement(classify(side.x), side.y, names) for side in (drawn.rows, drawn.rows[drawn.passed], held_out)
    )
    lost = lost_variety(train, held_out, drawn, space.transform, seed)
    say(f"label integrity: suspect labels, {len(train)} real and {len(synthetic)} synthetic rows")
    some = synthetic[numpy_generator(seed, "integrity", "made").permutation(len(synthetic))[:MOST_ROWS]]
    suspect, worst = suspect_facts(train, some, out_of_fold(train, some.x, child(seed, "integrity"), subject))
    parts = {"agreement_before": before, "agreement_after": after, "agreement_real": real, "lost_variety": lost}
    classes = {name: {part: found[name] for part, found in parts.items()} for name in names}
    return Labels(classes, suspect, space.name, NOTE), worst


NOTE = (
    "a suspect label is one of which a classifier that did not see the row is surer of another class; where classes "
    "overlap these are hard rows rather than wrong ones"
)


def agreement(probabilities: np.ndarray, y: np.ndarray, classes: tuple[str, ...]) -> dict[str, Entry]:
    """Share of the rows of each class whose label is the classifier's most probable one, from (N, K) and labels (N,).

    >>> agreement(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 0]), ("a", "b"))["a"]["value"]
    0.5
    """
    called = probabilities.argmax(axis=1)
    return {name: share_entry(int((called[y == c] == c).sum()), int((y == c).sum())) for c, name in enumerate(classes)}


def lost_variety(
    train: LabelledData,
    held_out: LabelledData,
    drawn: Drawn,
    transform: Callable[[np.ndarray], np.ndarray],
    seed: int,
) -> dict[str, Entry]:
    """What filters take of the variety of each class: coverage of held-out real rows by all drawn rows less that by
    those that passed, at equal n; see `variety_entry`."""
    sides = {"held_out": held_out, "train": train, "drawn": drawn.rows}
    out = {}
    for c, name in enumerate(train.schema.classes):
        order = numpy_generator(seed, "lost variety", name)
        rows = {key: order.permutation(np.flatnonzero(side.y == c)) for key, side in sides.items()}
        passed = rows["drawn"][drawn.passed[rows["drawn"]]]
        n = min(len(rows["held_out"]), len(rows["train"]), len(passed), MOST_OF_A_CLASS)
        if len(rows["drawn"]) and len(passed) == len(rows["drawn"]):
            out[name] = {"value": 0.0, "low": 0.0, "high": 0.0, "n_drawn": len(passed), "text": "no row was rejected"}
            continue
        if n < MIN_ROWS:
            out[name] = _too_few(f"{len(passed)} of {len(rows['drawn'])} drawn rows passed, {n} rows a side")
            continue
        features = {key: transform(side.x[rows[key][:MOST_OF_A_CLASS]]) for key, side in sides.items()}
        kept = features["drawn"][drawn.passed[rows["drawn"][:MOST_OF_A_CLASS]]]
        out[name] = variety_entry(features["held_out"], features["train"], features["drawn"], kept, order)
    return out


def _too_few(what: str) -> Entry:
    return {"value": None, "reason": f"not defined: n too small, {what}, {MIN_ROWS} needed"}


def variety_entry(
    held_out: np.ndarray, train: np.ndarray, drawn: np.ndarray, kept: np.ndarray, order: np.random.Generator
) -> Entry:
    """Coverage by drawn rows less coverage by kept ones, of features (., D) of one class, at n rows a side.

    value          above 0: the filter took variety; below 0: it took junk that covered nothing
    drawn, kept    the two coverages, ceiling: that of as many train rows; each a mean over REPEATS draws of n rows
    vendi_drawn, vendi_kept   effective numbers of different rows over that of real rows (`vendi_ratio`)
    The interval is 95 %, from paired halves without replacement.
    """
    n = min(len(held_out), len(train), len(kept))
    if n < MIN_ROWS:
        return _too_few(f"{n} rows a side")

    def sides(rows: int) -> np.ndarray:
        real, *others = (side[order.permutation(len(side))[:rows]] for side in (held_out, train, drawn, kept))
        return np.array([coverage(real, side) for side in others])

    full = np.array([sides(n) for _ in range(REPEATS)]).mean(axis=0)
    halves = np.array([sides(n // 2) for _ in range(REPEATS)])
    value = float(full[1] - full[2])
    low, high = half_sample_interval(value, halves[:, 1] - halves[:, 2], (-1.0, 1.0))
    vendi = [vendi_ratio(real=held_out[:n], fake=side[order.permutation(len(side))[:n]]) for side in (drawn, kept)]
    ceiling, of_drawn, of_kept = full.tolist()
    return {"value": value, "low": low, "high": high, "n": n, "n_drawn": len(drawn)} | {
        "drawn": of_drawn,
        "kept": of_kept,
        "ceiling": ceiling,
        "vendi_drawn": vendi[0],
        "vendi_kept": vendi[1],
    }


def suspect_facts(
    train: LabelledData, synthetic: LabelledData, found: OutOfFold
) -> tuple[dict[str, Any], dict[str, list[Entry]]]:
    """Counts of suspect labels of real and synthetic rows, and the worst rows.

    {"real": {"classes": {name: share with its interval, "count", "most_often": the class they look like}, "noise":
    estimated share of wrong labels}, "made": the same}. Synthetic rows are held to the thresholds of the real
    ones; those of classes that could not be learned are judged by nobody and stand in no count.
    """
    names, checked = train.schema.classes, train[found.rows]
    thresholds = mean_self_confidence(found.real, checked.y)
    learned, few = np.isfinite(thresholds), train.counts() < LEAST_ROWS
    facts, worst = {}, {}
    for key, rows, p, counts in (
        ("real", checked, found.real, train.counts()),
        ("made", synthetic, found.others, synthetic.counts()),
    ):
        suspects = find_suspects(p, rows.y, thresholds)
        suspects = replace(suspects, suspect=suspects.suspect & learned[rows.y])
        facts[key] = _counted(suspects, rows, names, counts, learned, few)
        worst[key] = [
            {
                "row_id": str(rows.ids[i]),
                "label": names[rows.y[i]],
                "believed": names[suspects.believed[i]],
                "self_confidence": float(p[i, rows.y[i]]),
                "margin": float(suspects.margin[i]),
            }
            for i in suspects.worst(WORST).tolist()
        ]
    return facts, worst


def _counted(
    suspects: Suspects,
    rows: LabelledData,
    names: tuple[str, ...],
    counts: np.ndarray,
    learned: np.ndarray,
    few: np.ndarray,
) -> dict[str, Any]:
    """Shares of suspects by class; `learned` (K,): classes that can be judged; `few` (K,): those of few real rows."""
    classes = {}
    for c, name in enumerate(names):
        mine = rows.y == c
        if not learned[c]:
            what = f"fewer than {LEAST_ROWS} real training rows" if few[c] else "all real training rows go together"
            reason = f"not defined: {what}"
            classes[name] = {"value": None, "n": int(counts[c]), "reason": reason}
            continue
        wrong = mine & suspects.suspect
        classes[name] = share_entry(int(wrong.sum()), int(mine.sum())) | {"count": int(wrong.sum())}
        if wrong.any():
            classes[name]["most_often"] = names[int(np.bincount(suspects.believed[wrong]).argmax())]
    classify = learned & (counts > 0)
    noise: Entry = {"value": None, "reason": "not defined: no rows of classes that can be judged"}
    if classify.any():
        noise = dict(noise_share(suspects.joint[classify][:, classify], counts[classify]))
    return {"classes": classes, "noise": noise, "count": int(suspects.suspect.sum()), "n": int(learned[rows.y].sum())}
