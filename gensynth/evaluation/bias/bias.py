"""Who is in the data: rows of every label x group cell, base rates, disparate impact, and what balancing did to them.

Balancing labels can bury a group: synthetic rows follow the group shares of their class, or fall below them. So the
same audit is taken of the real train rows and of the merged ones, and a gate compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gensynth.errors import UsageError, nearest
from gensynth.evaluation.bias.groups import cell_counts, groupings
from gensynth.intervals import wilson_interval
from gensynth.types import AUGMENTED, REAL, SYNTHETIC, Entry, LabelledData

LEAST_REAL = 30  # real rows of a cell below which nothing can be learned of it
COLLECT = "collect data, do not generate"
LINE = 0.8  # of disparate impact; shown, not enforced
Z = 1.959964


def before_and_after(
    train: LabelledData, merged: LabelledData, columns: Sequence[str], favourable: str = ""
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Audits of the real train rows and of the merged ones; both carry the group columns."""
    return audit_rows(train, columns, favourable), audit_rows(merged, columns, favourable)


def audit_rows(rows: LabelledData, columns: Sequence[str], favourable: str = "") -> dict[str, Any]:
    """`audit` of rows by those of their columns."""
    return audit(rows.y, {name: rows.groups[name] for name in columns}, rows.origin, rows.schema.classes, favourable)


def audit(
    y: np.ndarray, groups: Mapping[str, np.ndarray], origin: np.ndarray, classes: tuple[str, ...], favourable: str = ""
) -> dict[str, Any]:
    """The representation of groups in rows with labels y (N,), group columns {name: (N,) text} and origin (N,) text.

    n, classes, columns   what was looked at
    favourable            the class that base rates are compared for: the one named, of two classes the rarer among the
                          real rows; of more, none
    tables                {"sex": table, "sex x race": table ...}, see `table`; left_out: {name: reason}
    collect               the cells with fewer than LEAST_REAL real rows: {"table", "class", "group", "n_real", "text"}
    UsageError for an unknown favourable class or a column with too many values.
    """
    y, origin = np.asarray(y, dtype=np.int64), np.asarray(origin, dtype=str)
    if favourable and favourable not in classes:
        raise UsageError(f'bias.favourable: no class "{favourable}"; {nearest(favourable, classes)}')
    chosen = favourable or _rarer_of_two(y[origin == REAL], classes)
    cuts, left_out = groupings(groups)
    tables = {name: table(y, cut, origin, classes, chosen) for name, cut in cuts.items()}
    return {
        "n": len(y),
        "classes": list(classes),
        "columns": list(groups),
        "favourable": chosen,
        "tables": tables,
        "left_out": left_out,
        "collect": [
            {"table": name, **{key: cell[key] for key in ("class", "group", "n_real", "text")}}
            for name, one in tables.items()
            for cell in one["cells"]
            if cell["text"]
        ],
    }


def _rarer_of_two(y: np.ndarray, classes: tuple[str, ...]) -> str:
    return classes[int(np.argmin(np.bincount(y, minlength=2)))] if len(classes) == 2 else ""


def table(
    y: np.ndarray, group: np.ndarray, origin: np.ndarray, classes: tuple[str, ...], favourable: str
) -> dict[str, Any]:
    """One cut of the rows by one text column (N,).

    cells             every class and group, see `_cell`
    groups            {group: {"n", "few", "base_rates": {class: entry}, "impact": entry}}; few: below LEAST_REAL rows
    disparate_impact  the lowest `impact`, with its group; parity_difference: highest minus lowest base rate
    information       normalised mutual information of label and group
    smallest          the cell with the fewest real rows that has any
    """
    names, place = np.unique(group, return_inverse=True)
    by_origin = {
        kind: cell_counts(y[origin == kind], place.reshape(-1)[origin == kind], len(classes), len(names))
        for kind in (REAL, AUGMENTED, SYNTHETIC)
    }
    counts = np.sum(list(by_origin.values()), axis=0)
    cells = [
        _cell(by_origin, counts, c, g) | {"class": classes[c], "group": str(names[g])}
        for c in range(len(classes))
        for g in range(len(names))
    ]
    rates = {
        str(name): {label: share_entry(int(counts[c, g]), int(counts[:, g].sum())) for c, label in enumerate(classes)}
        for g, name in enumerate(names)
    }
    impact = impacts(counts, list(rates), classes, favourable)
    return {
        "cells": cells,
        "groups": {
            name: {"n": n, "few": n < LEAST_REAL, "base_rates": rates[name], "impact": impact[name]}
            for name, n in zip(rates, counts.sum(axis=0).tolist(), strict=True)
        },
        "disparate_impact": lowest_impact(impact, favourable),
        "parity_difference": _parity_difference(rates, favourable),
        "information": information(counts),
        "smallest": min((cell for cell in cells if cell["n_real"]), key=lambda cell: cell["n_real"], default=None),
    }


def _cell(by_origin: dict[str, np.ndarray], counts: np.ndarray, c: int, g: int) -> Entry:
    """One cell: its rows by origin, shares, rows expected were label and group independent, representation ratio.

    ratio  share of the group within the class over its share of all rows: 1 is even, below 1 too few
    """
    n, of_class, of_group, of_all = (int(x) for x in (counts[c, g], counts[c].sum(), counts[:, g].sum(), counts.sum()))
    share = share_entry(n, of_class)
    real = int(by_origin[REAL][c, g])
    return {
        "n": n,
        "n_real": real,
        "n_augmented": int(by_origin[AUGMENTED][c, g]),
        "n_synthetic": int(by_origin[SYNTHETIC][c, g]),
        "share_made": (n - real) / n if n else None,
        "share_of_class": share,
        "share_of_all": n / of_all,
        "expected": of_class * of_group / of_all,
        "ratio": share["value"] / (of_group / of_all) if of_class else None,
        "text": f"{real} real rows, fewer than {LEAST_REAL}: {COLLECT}" if real < LEAST_REAL else "",
    }


def share_entry(count: int, n: int) -> Entry:
    """A share of n rows with its Wilson interval, or why there is none.

    >>> share_entry(1, 0)
    {'value': None, 'n': 0, 'reason': 'not defined: no rows'}
    """
    if not n:
        return {"value": None, "n": 0, "reason": "not defined: no rows"}
    low, high = wilson_interval(count / n, n)
    return {"value": count / n, "low": max(low, 0.0), "high": min(high, 1.0), "n": n}


def impacts(counts: np.ndarray, names: list[str], classes: tuple[str, ...], favourable: str) -> dict[str, Entry]:
    """Base rate of the favourable class of each group over that of the best-off group, of rows per cell (K, G).

    The best-off has the highest rate among groups of LEAST_REAL rows (of all groups, where none has as many), as in the
    four-fifths rule (EEOC, "Uniform guidelines on employee selection procedures", 1978, section 4D). The ratio of two
    shares has the interval of Katz et al., "Obtaining confidence intervals for the risk ratio in cohort studies", 1978:
    log ratio -+ 1.96 sqrt(1/a - 1/n + 1/b - 1/m) for a of n rows against b of m.

    >>> found = impacts(np.array([[30, 80], [70, 120]]), ["f", "m"], ("yes", "no"), "yes")["f"]
    >>> round(found["value"], 2), round(found["low"], 3), round(found["high"], 3)
    (0.75, 0.532, 1.058)
    """
    if not favourable:
        reason = "not defined: of more than two classes none is named; bias.favourable=CLASS"
        return {name: {"value": None, "reason": reason} for name in names}
    hits, totals = counts[classes.index(favourable)], counts.sum(axis=0)
    able = totals >= min(LEAST_REAL, totals.max())
    rates = np.where(able, hits / np.maximum(totals, 1), -1.0)
    reference = int(np.lexsort((totals, rates))[-1])  # of equal rates, that of the larger group
    out = {}
    for g, name in enumerate(names):
        facts = {"n": int(totals[g]), "few": bool(totals[g] < LEAST_REAL), "reference": names[reference]}
        out[name] = facts | _ratio(*(int(x) for x in (hits[g], totals[g], hits[reference], totals[reference])))
        without = [names[k] for k in dict.fromkeys((reference, g)) if not hits[k]]
        if without:
            out[name]["reason"] = f'not defined: no row of "{favourable}" in {" or ".join(without)}'
        elif g == reference:
            out[name] |= {"value": 1.0, "low": 1.0, "high": 1.0}
    return out


def _ratio(a: int, n: int, b: int, m: int) -> Entry:
    if not a or not b:
        return {"value": None}
    value, std = (a / n) / (b / m), math.sqrt(max(1 / a - 1 / n + 1 / b - 1 / m, 0.0))
    return {"value": value, "low": value * math.exp(-Z * std), "high": value * math.exp(Z * std)}


def lowest_impact(impact: Mapping[str, Entry], favourable: str) -> Entry:
    """Disparate impact: the lowest ratio of any other group, with its interval, its group and the 80 % line beside it.

    Feldman et al., "Certifying and removing disparate impact", 2015, definition 1.1. Groups without a ratio are listed
    as `undefined`: a group without one favourable row is worse off than any number says.
    """
    defined = {name: entry for name, entry in impact.items() if entry["value"] is not None}
    undefined = [name for name in impact if name not in defined]
    if len(defined) < 2:
        reason = next((impact[name]["reason"] for name in undefined), "not defined: one group only")
        return {"value": None, "reason": reason, "favourable": favourable, "undefined": undefined}
    others = [name for name, entry in defined.items() if name != entry["reference"]]
    group = min(others, key=lambda name: defined[name]["value"])
    return defined[group] | {"group": group, "favourable": favourable, "line": LINE, "undefined": undefined}


def _parity_difference(rates: Mapping[str, Mapping[str, Entry]], favourable: str) -> Entry:
    """Highest minus lowest base rate of any group; the interval joins those of both (Newcombe, 1998, method 10)."""
    if not favourable or len(rates) < 2:
        return {"value": None, "reason": "not defined: " + ("one group only" if favourable else "no favourable class")}
    order = sorted(rates, key=lambda name: rates[name][favourable]["value"])
    least, most = (rates[name][favourable] for name in (order[0], order[-1]))
    value = most["value"] - least["value"]
    down = math.hypot(most["value"] - most["low"], least["high"] - least["value"])
    up = math.hypot(most["high"] - most["value"], least["value"] - least["low"])
    groups = {"lowest": order[0], "highest": order[-1]}
    return {"value": value, "low": value - down, "high": value + up, "n": least["n"] + most["n"], **groups}


def information(counts: np.ndarray) -> Entry:
    """Normalised mutual information of label and group, of rows per cell (K, G): I / sqrt(H(label) H(group)).

    Strehl and Ghosh, "Cluster ensembles", 2002, equation 3; 0: the group says nothing of the label, 1: all. `expected`
    is its mean were the two independent, (K - 1)(G - 1) / 2N nats (Miller, "Note on the bias of information
    estimates", 1955) over the same root; nats, nats_expected: before normalising. The variance of I is that of
    the delta method plus (K - 1)(G - 1) / 2N^2, which is what remains where the two are independent.

    >>> found = information(np.array([[10, 0], [0, 10]]))
    >>> round(found["value"], 6), round(found["nats"], 4)
    (1.0, 0.6931)
    """
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    if min(counts.shape) < 2:
        what = "class" if counts.shape[0] < 2 else "group"
        return {"value": None, "n": int(counts.sum()), "reason": f"not defined: one {what} only"}
    n = int(counts.sum())
    joint = counts / n
    of_class, of_group = joint.sum(axis=1), joint.sum(axis=0)
    terms = np.log(np.where(counts > 0, joint, 1.0) / np.where(counts > 0, np.outer(of_class, of_group), 1.0))
    nats = max(float((joint * terms).sum()), 0.0)
    root = math.sqrt(float((of_class * np.log(of_class)).sum() * (of_group * np.log(of_group)).sum()))
    freedom = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    variance = max(float((joint * terms**2).sum()) - nats**2, 0.0) / n + freedom / (2 * n**2)
    reach, expected = Z * math.sqrt(variance), freedom / (2 * n)
    return {
        "value": nats / root,
        "low": max(nats - reach, 0.0) / root,
        "high": min((nats + reach) / root, 1.0),
        "expected": expected / root,
        "expected_from": "closed form",
        "nats": nats,
        "nats_expected": expected,
        "n": n,
    }


def audit_lines(audit_facts: dict[str, Any]) -> list[str]:
    """The audit for a terminal: disparate impact of every cut, and cells that are too small to learn from."""
    lines = []
    for name, table in audit_facts["tables"].items():
        impact = table["disparate_impact"]
        if impact["value"] is not None:
            lines.append(
                f'bias: {name}: "{impact["favourable"]}" is {impact["value"]:.0%} as frequent in {impact["group"]} as '
                f"in {impact['reference']} ({impact['low']:.0%} to {impact['high']:.0%}; the usual line is 80 %)"
            )
    for cell in audit_facts["collect"]:
        lines.append(f"bias: {cell['class']}, {cell['table']} {cell['group']}: {cell['text']}")
    return lines
