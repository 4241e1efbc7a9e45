"""The privacy attacks against sets of known privacy: who is caught, how surely, and are exactly the copies flagged.

    python scripts/bench_privacy.py shared=../shared               # digits and Adult, five splits each
    python scripts/bench_privacy.py only=digits seeds=20           # embedded data alone

memoriser   train rows repeated                        wanted: AUC >= .95, every row flagged as a copy
fifth       a fifth train rows, the rest held-out      wanted: whole interval above .5, exactly that fifth flagged
oracle      held-out rows, never seen by any attack    wanted: .5 inside the interval, nothing flagged
dropper, swapper, noise: the other fakes of the exam, made of the oracle's rows

Real rows are split four ways, equal ones together: train, rows that the fakes are made of, and twice as many held-out
ones, half of them non-members and half reference. A line a set and seed, then what share of the seeds met its wish.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from bench_words import read_words
from known_sets import memorised, nonsense, partly_memorised

from gensynth.data.kinds import points_of
from gensynth.data.sources import read_digits
from gensynth.data.split import row_groups
from gensynth.evaluation.fidelity.spoiled import swapped, without_half
from gensynth.evaluation.privacy.copies import find_copies
from gensynth.evaluation.privacy.privacy import privacy_of
from gensynth.types import LabelledData

QUARTERS = 4
SHARE = 0.2


def adult_rows(shared: Path) -> LabelledData:
    """Both files of Adult as one set."""
    import pandas as pd
    from bench_tables import adult, labelled

    return labelled(pd.concat(adult(shared), ignore_index=True), "income")


def quarters(data: LabelledData, seed: int) -> list[LabelledData]:
    """Four sets of about as many rows, equal rows in one of them."""
    names, place = np.unique(row_groups(data.content_hashes(), None), return_inverse=True)
    side = (np.random.default_rng(seed).permutation(len(names)) % QUARTERS)[place]
    return [data[side == i] for i in range(QUARTERS)]


def fakes(train: LabelledData, fresh: LabelledData, seed: int) -> dict[str, tuple[LabelledData, np.ndarray]]:
    """Sets of synthetic rows by name, each with the mask of its copies."""
    n = min(len(train), len(fresh))
    fifth = partly_memorised(train, fresh, n, SHARE, seed)
    others = {
        "oracle": fresh,
        "dropper": without_half(fresh, seed, (0,)),
        "swapper": swapped(fresh, seed, (0, 1)),
        "noise": nonsense(fresh, seed),
    }
    sets = {"memoriser": (memorised(train, n, seed), np.ones(n, bool)), "fifth": fifth}
    return sets | {name: (rows, np.zeros(len(rows), bool)) for name, rows in others.items()}


def met(name: str, auc: dict[str, Any]) -> bool:
    """Whether an attack's AUC is what it must be for a set of that name."""
    if name == "memoriser":
        return auc["value"] >= 0.95
    return auc["low"] > 0.5 if name == "fifth" else auc["low"] <= 0.5 <= auc["high"]


def run_seed(data: LabelledData, seed: int) -> list[dict[str, Any]]:
    train, fresh, *rest = quarters(data, seed)
    held_out = LabelledData.concat(rest)
    points = points_of(LabelledData.concat([train, held_out]))
    lines = []
    for name, (synthetic, copied) in fakes(train, fresh, seed).items():
        found = find_copies(train, held_out, synthetic, points, seed)
        facts = privacy_of(train, held_out, synthetic, found, seed=seed, points=points).to_json()
        flagged = found.exact | found.near
        for attack in facts["membership"]:
            lines.append(
                {"set": name, "attack": attack["attack"], "auc": attack["auc"], "tpr": attack["tpr"]["0.01"]}
                | {"control": attack["control"]["auc"], "exposed": attack["most_exposed"]["auc"]}
                | {"copies": int(copied.sum()), "missed": int((copied & ~flagged).sum())}
                | {"wrong": int((flagged & ~copied).sum()), "threshold": float(found.thresholds.max())}
            )
    return lines


def interval(entry: dict[str, Any]) -> str:
    return "   -  " if entry["value"] is None else f"{entry['value']:.3f} ({entry['low']:.3f} to {entry['high']:.3f})"


def show(data: str, seed: int, line: dict[str, Any]) -> None:
    print(
        f"{data:7} {seed:2d} {line['set']:10} {line['attack']:20} AUC {interval(line['auc'])}  "
        f"n {line['auc']['n_members']}  TPR at 1% {interval(line['tpr'])}  exposed {interval(line['exposed'])}  "
        f"control {interval(line['control'])}  copies {line['copies']}, missed {line['missed']}, "
        f"wrong {line['wrong']}, near below {line['threshold']:.4f}",
        flush=True,
    )


def summary(data: str, lines: list[dict[str, Any]]) -> None:
    groups = defaultdict(list)
    for line in lines:
        groups[line["set"], line["attack"]].append(line)
    print(f"\n{data}: set, attack, AUC mean (least to most), seeds that met it, controls with .5 inside, flags exact")
    for (name, attack), group in groups.items():
        values = np.array([line["auc"]["value"] for line in group])
        good, fair, exact = (
            sum(met(name, line["auc"]) for line in group),
            sum(met("oracle", line["control"]) for line in group),
            sum(line["missed"] + line["wrong"] == 0 for line in group),
        )
        spread = f"{values.mean():.3f} ({values.min():.3f} to {values.max():.3f})"
        print(f"{name:10} {attack:20} {spread}  {good}/{len(group)}  {fair}/{len(group)}  {exact}/{len(group)}")


def main(words: list[str]) -> None:
    options = read_words(words, {"shared": "../shared", "only": "digits,adult", "seeds": "5", "first": "0"})
    for name in options["only"].split(","):
        data = read_digits().data if name == "digits" else adult_rows(Path(options["shared"]))
        lines = []
        for seed in range(int(options["first"]), int(options["first"]) + int(options["seeds"])):
            for line in run_seed(data, seed):
                show(name, seed, line)
                lines.append(line)
        summary(name, lines)


if __name__ == "__main__":
    main(sys.argv[1:])
