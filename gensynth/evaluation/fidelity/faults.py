"""What is wrong with a synthetic set, by name: noise, swapped labels, copies, missing variety.

Each fault is a comparison with what real rows do in the same place, at the same n, with a p-value (corrected over
classes after Holm) and a least size: significance alone is no fault. Codes: noise, off_support, label_swap, memoriser,
close_to_train, mode_drop.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gensynth.evaluation.fidelity.fidelity import Entry
from gensynth.intervals import Difference, holm, share_difference
from gensynth.types import LabelledData

ALPHA = 0.01
NO_SUPPORT = 0.1  # clipped density as a part of that of real train rows
LITTLE_SUPPORT = 0.6  # precision, likewise
LOST_VARIETY = 0.8  # clipped coverage as a part of that of real train rows
AGREEMENT = 0.5  # of the classifier with the labels, as a part of that for real rows
NEARER, COPIER = 0.65, 0.9  # share nearer to train rows than to new ones
COPIES = 0.05
LEAST_ROWS = 20


def find_faults(
    *,
    name: str,
    overall: dict[str, Entry],
    per_class: dict[str, dict[str, Entry]],
    space: str,
    copied: dict[str, Entry],
    synthetic: LabelledData,
    test: LabelledData,
    classify: Callable[[np.ndarray], np.ndarray],
) -> list[dict[str, str]]:
    """Faults of a set as {"code", "set", "class", "text"}, worst first; an empty list is a clean bill by these tests.

    overall, per_class  fidelity entries of the set; `space` names the space whose support scores are read
    judged              x -> probabilities (N, K) of a classifier trained on real train rows
    A set of noise has no further faults, a class with swapped labels no lost variety: the first explains the second.
    """

    def fault(code: str, text: str, of_class: str = "") -> dict[str, str]:
        return {"code": code, "set": name, "class": of_class, "text": text}

    density = overall.get("clipped_density", {"value": None})
    if density["value"] is not None and density["value"] <= NO_SUPPORT * density["ceiling"]:
        shares = f"clipped density {density['value']:.2f} (real train rows {density['ceiling']:.2f})"
        return [fault("noise", f"looks like no real row: {shares}")]
    faults = _copies(copied, fault)
    moved = {label: ("label_swap", text) for label, text in _swapped(synthetic, test, classify).items()}
    of_classes = moved | {label: found for label, found in _variety(per_class, space).items() if label not in moved}
    return faults + [fault(*found, label) for label, found in of_classes.items()]


def _copies(copied: dict[str, Entry], fault: Callable[..., dict[str, str]]) -> list[dict[str, str]]:
    for kind, happened in (("exact_copies", "equal one"), ("close_copies", "sit on one")):
        if kind in copied:
            entry = copied[kind]
            extra = share_difference(entry["value"], entry["n_synthetic"], entry["ceiling"], entry["n_real"])
            if extra.p < ALPHA and extra.mean >= COPIES:
                usual = f"of real test rows {entry['ceiling']:.0%} do"
                return [fault("memoriser", f"copies training rows: {entry['value']:.0%} {happened} ({usual})")]
    nearer, repeats = copied.get("nearer_to_train"), copied.get("exact_copies", {}).get("ceiling", 0.0)
    # Where real rows repeat each other and a split keeps them together, half is not what new rows would give.
    if nearer and repeats < COPIES and nearer["value"] >= NEARER and nearer["z"] > 3:
        code, does = ("memoriser", "copies") if nearer["value"] >= COPIER else ("close_to_train", "keeps close to")
        share = f"{nearer['value']:.0%} lie nearer to one than to a new real row (50% expected)"
        return [fault(code, f"{does} training rows: {share}")]
    return []


def _swapped(
    synthetic: LabelledData, test: LabelledData, classify: Callable[[np.ndarray], np.ndarray]
) -> dict[str, str]:
    """Class -> text where a classifier of real rows finds another class than the label says far more often than in real
    rows."""
    classes = synthetic.schema.classes
    called = {"made": classify(synthetic.x).argmax(1), "real": classify(test.x).argmax(1)}
    shares: dict[int, tuple[float, float, Difference]] = {}
    for c in range(len(classes)):
        mine, real = called["made"][synthetic.y == c], called["real"][test.y == c]
        if min(len(mine), len(real)) >= LEAST_ROWS:
            agree, usual = float((mine == c).mean()), float((real == c).mean())
            shares[c] = (agree, usual, share_difference(agree, len(mine), usual, len(real)))
    corrected = holm(np.array([difference.p for _, _, difference in shares.values()]))
    out = {}
    for (c, (agree, usual, _)), p in zip(shares.items(), corrected, strict=True):
        if p < ALPHA and agree < AGREEMENT * usual:
            mine = called["made"][synthetic.y == c]
            other = classes[int(np.bincount(mine[mine != c]).argmax())]
            out[classes[c]] = (
                f'rows labelled "{classes[c]}" look like "{other}": {agree:.0%} are taken for what their label says '
                f"(real test rows {usual:.0%})"
            )
    return out


def _variety(per_class: dict[str, dict[str, Entry]], space: str) -> dict[str, tuple[str, str]]:
    """Class -> (code, text) where support is far below that of real train rows at the same n."""
    none: Entry = {"value": None}
    pairs = {
        label: (scores.get(f"clipped_coverage[{space}]", none), scores.get(f"precision[{space}]", none))
        for label, scores in per_class.items()
    }
    defined = {
        label: (coverage, precision)
        for label, (coverage, precision) in pairs.items()
        if None not in (coverage["value"], precision["value"]) and coverage["n_real"] >= LEAST_ROWS
    }
    p = [share_difference(c["value"], c["n_synthetic"], c["ceiling"], c["n_real"]).p for c, _ in defined.values()]
    out = {}
    for (label, (coverage, precision)), corrected in zip(defined.items(), holm(np.array(p)), strict=True):
        part = coverage["value"] / max(coverage["ceiling"], 1e-9)
        if corrected >= ALPHA or part > LOST_VARIETY:
            continue
        inside = precision["value"] / max(precision["ceiling"], 1e-9)
        if inside < LITTLE_SUPPORT:
            shares = f"only {precision['value']:.0%} of rows lie where real rows do (real {precision['ceiling']:.0%})"
            out[label] = ("off_support", f'class "{label}": {shares}')
            continue
        lost = "half" if 0.4 <= 1 - part <= 0.6 else f"{1 - part:.0%}"
        of = "its" if lost == "half" else "of its"
        shares = f"clipped coverage {coverage['value']:.0%} (real {coverage['ceiling']:.0%})"
        out[label] = ("mode_drop", f'class "{label}" misses {lost} {of} variety: {shares}')
    return out
