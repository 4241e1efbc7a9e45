"""The suite of membership attacks as a test: how often it calls chance a leak, what it finds, what its intervals hold.

    python scripts/bench_attacks.py only=digits,subjects trials=200       # embedded and simulated rows
    python scripts/bench_attacks.py only=adult shared=../shared trials=100 sets=oracle,twentieth,half
    python scripts/bench_attacks.py only=speed

oracle      fresh rows                                      wanted: found in at most 5 % of the trials
twentieth   one train row in twenty learned by heart        the others fresh ones
half        every other train row learned by heart          wanted: found
memoriser   all train rows learned by heart                 wanted: AUC 1
class_half  the rarest class (20 train rows) half learned by heart, the others fresh; class_all: wholly
blurred     half of the train rows, moved by a quarter of the distance to the nearest other one: no copy, yet a leak

Rows are split four ways anew in every trial, rows of one subject together: train, rows that the sets are made of, and
twice as many held-out ones. `found` is p <= .05 for the set, by the AUC of all rows, by the rows that an attack is
surest of, by a class, or by the most exposed tenth, all in one correction; `inside`: the corrected interval of the AUC
holds the true one, (1 + share learned by heart) / 2.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from bench_privacy import adult_rows
from bench_words import read_words
from known_sets import called_synthetic

from gensynth.data.kinds import points_of
from gensynth.data.sources import read_digits
from gensynth.data.split import row_groups
from gensynth.evaluation.metrics.roc import delong
from gensynth.evaluation.privacy.linkage import linkage_risks
from gensynth.evaluation.privacy.membership import roles_of
from gensynth.evaluation.privacy.row_attacks import attack_lines, row_scores
from gensynth.evaluation.privacy.suite import maximum
from gensynth.intervals import wilson_interval
from gensynth.neighbours import nearest_distances
from gensynth.types import LabelledData, Schema

RARE_ROWS = 20
ADULT_ROWS = 4_000


def subjects_rows(seed: int) -> LabelledData:
    """Normal rows of 400 subjects with 1 to 8 rows each; half of the variance is that between subjects."""
    random = np.random.default_rng([seed, 7])
    whose = np.repeat(np.arange(400), random.integers(1, 9, 400))
    y = whose % 3
    x = random.normal(size=(400, 12))[whose] + random.normal(size=(len(whose), 12)) + y[:, None]
    schema = Schema("image", ("a", "b", "c"), {"channels": 1, "height": 1, "width": 12})
    rows = LabelledData.of_real((128 + 20 * x).clip(0, 255).astype(np.uint8)[:, None, None], y, schema)
    return replace(rows, groups={"who": whose.astype(str)})


all_of_adult = cache(adult_rows)


def adult_sample(shared: Path, seed: int) -> LabelledData:
    rows = all_of_adult(shared)
    return rows[np.random.default_rng([seed, 8]).permutation(len(rows))[:ADULT_ROWS]]


def quarters(rows: LabelledData, subject: str, seed: int) -> tuple[LabelledData, LabelledData, LabelledData]:
    """(train, fresh, held-out) rows, a quarter, a quarter and half of what belongs together; of the rarest class no
    more than RARE_ROWS in train."""
    groups = row_groups(rows.content_hashes(), rows.groups[subject] if subject else None)
    names, place = np.unique(groups, return_inverse=True)
    random = np.random.default_rng(seed)
    side = (random.permutation(len(names)) % 4)[place]
    train = rows[side == 0]
    rarest = np.flatnonzero(train.y == train.counts().argmin())
    dropped = random.permutation(rarest)[RARE_ROWS:]
    return train[np.setdiff1d(np.arange(len(train)), dropped)], rows[side == 1], rows[side >= 2]


def sets_of(train: LabelledData, fresh: LabelledData, seed: int) -> dict[str, tuple[LabelledData, float]]:
    """(synthetic rows, share of train rows learned by heart or NaN where no AUC is known) by name."""
    random, n = np.random.default_rng([seed, 9]), len(train)
    order = random.permutation(n)

    def with_copies(rows: np.ndarray) -> LabelledData:
        rest = fresh[random.permutation(len(fresh))[: max(n - len(rows), 0)]]
        return called_synthetic(LabelledData.concat([train[rows], rest]))

    rarest = np.flatnonzero(train.y == train.counts().argmin())
    nearest = nearest_distances(*[points_of(train)(train.x)] * 2, 1, exclude_self=True)[1][:, 0]
    found = {"oracle": (called_synthetic(fresh), 0.0)}
    for name, share in (("twentieth", 0.05), ("half", 0.5), ("memoriser", 1.0)):
        count = round(share * n)
        found[name] = with_copies(order[:count]), count / n
    found["class_half"] = with_copies(rarest[: len(rarest) // 2]), np.nan
    found["class_all"] = with_copies(rarest), np.nan
    if train.x.dtype == np.uint8:
        half = order[: n // 2]
        blend = 0.75 * train.x[half] + 0.25 * train.x[nearest[half]]
        moved = replace(train[half], x=blend.round().astype(np.uint8))
        rest = fresh[random.permutation(len(fresh))[: n - len(half)]]
        found["blurred"] = called_synthetic(LabelledData.concat([moved, rest])), np.nan
    return found


def surest(one: dict[str, Any]) -> float:
    """The smaller p of AUC and top rows."""
    return min(one["p"], one["top"]["p"])


def trial(rows: LabelledData, subject: str, seed: int, wanted: str) -> list[dict[str, Any]]:
    train, fresh, held_out = quarters(rows, subject, seed)
    points = points_of(LabelledData.concat([train, held_out]))
    rarest = train.schema.classes[train.counts().argmin()]
    lines = []
    for name, (synthetic, share) in sets_of(train, fresh, seed).items():
        if wanted and name not in wanted.split(","):
            continue
        roles = roles_of(train, held_out, synthetic, points, seed, subject)
        scored, n = row_scores(roles, synthetic, points), len(roles.members)
        (found,) = maximum(scored, roles)
        classes = {c: surest(one) for c, one in found["per_class"].items() if one["auc"] is not None}
        by = {"auc": found["p"], "top": found["top"]["p"], "class": min(classes.values(), default=1.0)}
        by["exposed"] = surest(found["most_exposed"]) if "p" in found["most_exposed"] else 1.0
        risks = {key: one.get("low") for key, one in linkage_risks(roles, synthetic).items()}
        lines.append(
            {
                "set": name,
                "n": n,
                "auc": found["auc"],
                "low": found["low"],
                "high": found["high"],
                "tests": found["tests"],
            }
            | {"truth": 0.5 + share / 2, "by": by, "rarest": classes.get(rarest, 1.0)}
            | {"aucs": {one.attack: delong(one.scores[:n], one.scores[n:])[0] for one in scored}, "risks": risks}
        )
    return lines


def rate(flags: list[bool]) -> str:
    low, high = wilson_interval(float(np.mean(flags)), len(flags))
    return f"{np.mean(flags):.3f} ({low:.3f} to {high:.3f})"


def summary(data: str, lines: list[dict[str, Any]]) -> None:
    groups = defaultdict(list)
    for line in lines:
        groups[line["set"]].append(line)
    for name, group in groups.items():
        found = [min(line["by"].values()) <= 0.05 for line in group]
        by = {key: float(np.mean([line["by"][key] <= 0.05 for line in group])) for key in group[0]["by"]}
        aucs = {key: float(np.mean([line["aucs"][key] for line in group])) for key in group[0]["aucs"]}
        width = np.mean([line["high"] - line["low"] for line in group])
        size = f"{len(group)} trials, about {group[0]['n']} members, {group[0]['tests']} tests"
        print(f"\n{data} {name}, {size}: found {rate(found)}")
        print("  by " + ", ".join(f"{key} {value:.3f}" for key, value in by.items()), end="")
        print(f", the rarest class {np.mean([line['rarest'] <= 0.05 for line in group]):.3f}")
        print(f"  strongest AUC {np.mean([line['auc'] for line in group]):.3f}, width {width:.3f}", end="")
        if np.isfinite(group[0]["truth"]):
            inside = [line["low"] <= line["truth"] <= line["high"] for line in group]
            print(f", true one {group[0]['truth']:.3f} inside {rate(inside)}")
        else:
            print()
        print("  " + ", ".join(f"{key} {value:.3f}" for key, value in aucs.items()))
        for risk in group[0]["risks"]:
            print(f"  {risk} surely above 0: {rate([(line['risks'][risk] or 0) > 0 for line in group])}")


def speed() -> None:
    """Seconds on one core for 2,000 train, 2,000 synthetic and 4,000 held-out rows of 64 pixels."""
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (8_000, 1, 8, 8)).astype(np.uint8)
    schema = Schema("image", ("a", "b"), {"channels": 1, "height": 8, "width": 8})
    rows = LabelledData.of_real(x, np.arange(8_000) % 2, schema)
    points = points_of(rows)
    train, synthetic, held_out = rows[:2_000], called_synthetic(rows[2_000:4_000]), rows[4_000:]
    start = time.process_time()
    roles = roles_of(train, held_out, synthetic, points, 0, "")
    scored = row_scores(roles, synthetic, points)
    attack_lines(scored, roles)
    maximum(scored, roles)
    whole = time.process_time() - start
    start = time.process_time()
    nearest_distances(points(train.x), points(held_out.x), 5)
    once = time.process_time() - start
    print(
        f"suite {whole:.2f} s of one core, {whole / once:.1f} times one search of 2,000 rows among 4,000 ({once:.2f} s)"
    )


def main(words: list[str]) -> None:
    options = read_words(
        words, {"shared": "../shared", "only": "digits,subjects", "trials": "100", "first": "0", "sets": ""}
    )
    digits = read_digits().data
    sources: dict[str, tuple[Callable[[int], LabelledData], str]] = {
        "digits": (lambda seed: digits, ""),
        "subjects": (subjects_rows, "who"),
        "adult": (partial(adult_sample, Path(options["shared"])), ""),
    }
    for name in options["only"].split(","):
        if name == "speed":
            speed()
            continue
        make, subject = sources[name]
        seeds = range(int(options["first"]), int(options["first"]) + int(options["trials"]))
        summary(name, [line for seed in seeds for line in trial(make(seed), subject, seed, options["sets"])])


if __name__ == "__main__":
    main(sys.argv[1:])
