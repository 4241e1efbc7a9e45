"""Many attacks, one answer: the strongest of all, corrected for having been the strongest of so many.

Which rows were trained on is a draw: had it fallen otherwise, every attack would have come out otherwise. So membership
is dealt out anew, PERMUTATIONS times, class by class, rows of one subject together, and every attack is measured again,
on all rows, on each class and on the rows that stand out most; attacks that learn are fitted again. Each measure is
divided by the spread it has over the deals. The largest of a deal says how large the largest of all comes out by chance
alone: p-values and intervals hold for all attacks and classes together (max-t; Westfall and Young, "Resampling-based
multiple testing", 1993, section 2.4). They come from one quantile: an interval lies above 0.5 exactly where p <= ERROR.

Two measures: the AUC, and the share of members among the TOP rows with the highest scores. The second finds what an AUC
hides, a few rows that are known for certain (Carlini et al., "Membership inference attacks from first principles",
IEEE S&P 2022, section III).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from gensynth.evaluation.privacy.membership import Roles
from gensynth.evaluation.privacy.row_attacks import NOTHING, Scored
from gensynth.rng import numpy_generator

PERMUTATIONS = 999
AT_ONCE = 1 << 20  # labels of deals that are held at the same time
ERROR = 0.05
SAME = 1e-9  # deals that differ by less came out alike
TOP, LEAST_TOP = 0.025, 10  # part of the rows that an attack is surest of
LEAST_ROWS = 20  # a side, in all
LEAST_IN_CLASS = 8  # a side: no order of fewer is rare enough to be found among many tests
APART = 0.005  # p of the attack that sees no synthetic row, from which on the two sides differ by themselves

EXPOSED = "exposed"
Of = int | str | None


@dataclass(frozen=True)
class Measured:
    """One measure of one attack: on all rows (`of` is None), on those of a class or on the most exposed tenth, as it
    was and in every deal, (1 + B,)."""

    attack: str
    release: str
    kind: str
    of: Of
    values: np.ndarray

    @property
    def std(self) -> float:
        return float(self.values[1:].std(ddof=1))

    def standardised(self) -> np.ndarray:
        """Distance from chance in standard deviations, (1 + B,); 0 where it is the same in every deal."""
        return (self.values - 0.5) / self.std if self.std > 0 else np.zeros_like(self.values)


def deals(roles: Roles, count: int) -> np.ndarray:
    """Who is a member, bool (R, 1 + count): as it was, then dealt out anew among the subjects of each class."""
    member, units = roles.is_member, roles.units
    unit = np.unique(2 * units + member, return_inverse=True)[1]  # whoever is on both sides counts on each
    first = np.unique(unit, return_index=True)[1]
    own, classes = member[first], np.concatenate([roles.members.y, roles.non_members.y])[first]
    random = numpy_generator(roles.seed, "deals")
    dealt = np.tile(own, (count, 1))
    for c in np.unique(classes):
        dealt[:, classes == c] = random.permuted(dealt[:, classes == c], axis=1)
    return np.concatenate([own[None], dealt])[:, unit].T


def measured(scored: Sequence[Scored], roles: Roles, count: int = PERMUTATIONS) -> list[Measured]:
    """Every measure of every attack: AUC and `top`, on all rows, classes with enough of them and the most exposed."""
    scopes = _scopes(roles)
    fixed = [one for one in scored if one.refit is None]
    learned = [one for one in scored if one.refit is not None]
    parts = [np.stack([one.scores for one in fixed])[:, rows] for _, rows in scopes] if fixed else []
    ranks = [rankdata(part, axis=1) for part in parts]
    tops = [np.apply_along_axis(_top_weights, 1, part) for part in parts]
    values = []
    for labels in _chunks(deals(roles, count)):
        whole, chunk = labels.astype(np.float64), []
        for i, (_, rows) in enumerate(scopes if fixed else ()):
            auc = _auc(ranks[i] @ whole[rows], labels[rows])
            chunk.append(np.stack([auc, _top(tops[i] @ whole[rows], labels[rows])]))
        mine = [np.stack(chunk, axis=2).transpose(1, 2, 0, 3)] if fixed else []  # (attacks, scopes, 2, B)
        values.append(np.concatenate([*mine, *(_learned(one, labels, scopes)[None] for one in learned)]))
    every = np.concatenate(values, axis=3)
    return [
        Measured(one.attack, one.release, kind, of, every[j, i, k])
        for j, one in enumerate([*fixed, *learned])
        for i, (of, _) in enumerate(scopes)
        for k, kind in enumerate(("auc", "top"))
    ]


def _scopes(roles: Roles) -> list[tuple[Of, np.ndarray]]:
    """(what, numbers of its rows) of all that is measured, all rows first."""
    y = np.concatenate([roles.members.y, roles.non_members.y])
    counts = np.minimum(roles.members.counts(), roles.non_members.counts())
    tested = np.flatnonzero(counts >= LEAST_IN_CLASS) if (counts > 0).sum() > 1 else np.zeros(0, int)
    scopes: list[tuple[Of, np.ndarray]] = [(None, np.arange(len(y)))]
    scopes += [(int(c), np.flatnonzero(y == c)) for c in tested]
    if min(side.sum() for side in roles.exposed) >= LEAST_IN_CLASS:
        scopes.append((EXPOSED, np.flatnonzero(np.concatenate(roles.exposed))))
    return scopes


def _chunks(labels: np.ndarray) -> Iterator[np.ndarray]:
    size = max(AT_ONCE // max(len(labels), 1), 1)
    return (labels[:, start : start + size] for start in range(0, labels.shape[1], size))


def _auc(rank_sums: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """AUC (..., B) from the sum of members' ranks; 0.5 where a deal leaves one side empty."""
    n = labels.sum(axis=0, dtype=np.float64)
    pairs = n * (len(labels) - n)
    return np.where(pairs > 0, (rank_sums - n * (n + 1) / 2) / np.maximum(pairs, 1), 0.5)


def _top(hits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Share of members among the top rows (..., B), 0.5 if it is that among all."""
    return hits / top_size(len(labels)) - labels.mean(axis=0) + 0.5


def top_size(rows: int) -> int:
    """How many of so many rows are the top ones.

    >>> top_size(16), top_size(40), top_size(4_000)
    (4, 10, 100)
    """
    return min(max(LEAST_TOP, int(np.ceil(TOP * rows))), max(rows // 4, 1))


def _top_weights(scores: np.ndarray) -> np.ndarray:
    """How far each row (R,) belongs to the top ones: 1 or 0, and a share where several tie for the last places.

    >>> _top_weights(np.array([0.0, 3.0, 3.0, 3.0, 1.0, 4.0, 1.0, 1.0])).round(2).tolist()
    [0.0, 0.33, 0.33, 0.33, 0.0, 1.0, 0.0, 0.0]
    """
    size = top_size(len(scores))
    edge = np.sort(scores)[-size]
    above, tied = scores > edge, scores == edge
    return above + tied * (size - above.sum()) / tied.sum()


def _learned(one: Scored, labels: np.ndarray, scopes: Sequence[tuple[Of, np.ndarray]]) -> np.ndarray:
    """All measures (scopes, 2, B) of an attack that is fitted anew in every deal."""
    assert one.refit is not None
    # In an order that knows nothing of members, equal scores favour nobody.
    shuffled = np.random.default_rng(0).permutation(len(labels))
    place = np.argsort(shuffled)
    scores = np.ascontiguousarray(one.refit.scores(labels)[shuffled].T)
    dealt = np.ascontiguousarray(labels[shuffled].T)
    out = []
    for _, rows in scopes:
        own = np.sort(place[rows])
        rising = np.take_along_axis(dealt[:, own], np.argsort(scores[:, own], axis=1), axis=1)
        auc = _auc(rising @ np.arange(1.0, len(rows) + 1), labels[rows])
        out.append(np.stack([auc, _top(rising[:, -top_size(len(rows)) :].sum(axis=1), labels[rows])]))
    return np.stack(out)


def strongest_of(found: Sequence[Measured], roles: Roles, families: int = 1) -> dict[str, Any]:
    """The strongest of some measures, corrected for their number, and for that of families of which these are one
    (Bonferroni).

    {"attack", "auc", "low", "high", "p", "top"} on all rows, top {"attack", "value", "low", "high", "p", "n"};
    "per_class" {class: the same, or {"auc": None, "reason"}}, empty where there is one class only; "most_exposed"
    likewise; "per_attack" {attack: p of its AUC on all rows}; "n_members", "n_non_members", "tests": how many measures
    """
    away = np.stack([one.standardised() for one in found])
    chance = np.sort(np.abs(away[:, 1:]).max(axis=0))[::-1]
    quantile = float(chance[max(int(ERROR / families * (len(chance) + 1)) - 1, 0)])

    def p_of(i: int) -> float:
        return min(families * (1 + int((chance >= away[i, 0] - SAME).sum())) / (1 + len(chance)), 1.0)

    def best(kind: str, of: Of) -> dict[str, Any]:
        i = max((i for i, one in enumerate(found) if (one.kind, one.of) == (kind, of)), key=lambda i: away[i, 0])
        value, reach = min(float(found[i].values[0]), 1.0), quantile * found[i].std
        ends = {"low": max(value - reach, 0.0), "high": min(value + reach, 1.0), "p": p_of(i)}
        return {"attack": found[i].attack, "auc" if kind == "auc" else "value": value, **ends}

    def both(of: Of, members: int, others: int) -> dict[str, Any]:
        if isinstance(of, int) and roles.drawn and not roles.drawn[of]:
            return {"auc": None, "reason": "not tested: no synthetic rows"}
        if of not in tested:
            few = f"not tested: {min(members, others)} rows to attack, {LEAST_IN_CLASS} needed"
            return {"auc": None, "reason": few}
        return best("auc", of) | {"top": best("top", of) | {"n": top_size(members + others)}}

    tested = {one.of for one in found}
    counts = roles.members.counts().tolist(), roles.non_members.counts().tolist()
    classes = [*zip(roles.members.schema.classes, *counts, strict=True)]
    several = sum(members > 0 for _, members, _ in classes) > 1
    n, m = len(roles.members), len(roles.non_members)
    return {
        **both(None, n, m),
        "per_attack": {one.attack: p_of(i) for i, one in enumerate(found) if (one.kind, one.of) == ("auc", None)},
        "n_members": n,
        "n_non_members": m,
        "tests": len(found),
        "most_exposed": both(EXPOSED, *(int(side.sum()) for side in roles.exposed)),
        "per_class": {name: both(c, *sizes) for c, (name, *sizes) in enumerate(classes)} if several else {},
    }


def maximum(scored: Sequence[Scored], roles: Roles, families: int = 1) -> list[dict[str, Any]]:
    """What may be known by whoever holds the rows, and by whoever holds the model too: `strongest_of` a line a release.

    Who holds the model holds the rows as well, and may use all attacks. `apart` is the AUC of the attack that sees
    no synthetic row, with p, where by that the two sides differ by themselves: no line then speaks of the rows alone.
    """
    if min(len(roles.members), len(roles.non_members)) < LEAST_ROWS or not scored:
        return []
    found = measured(scored, roles)
    blind = [one for one in found if one.release == NOTHING and (one.kind, one.of) == ("auc", None)]
    apart = [{"auc": float(one.values[0]), "p": p} for one in blind if (p := _two_sided(one)) <= APART]
    lines, held = [], list[Measured]()
    for release in dict.fromkeys(one.release for one in scored if one.release != NOTHING):
        held += [one for one in found if one.release == release]
        attacks = len({one.attack for one in held})
        line = {"release": release, **strongest_of(held, roles, families), "attacks": attacks}
        lines.append(line | ({"apart": apart[0]} if apart else {}))
    return lines


def _two_sided(one: Measured) -> float:
    """p of one measure alone, in either direction."""
    away = np.abs(one.standardised())
    return float((1 + (away[1:] >= away[0] - SAME).sum()) / len(away))
