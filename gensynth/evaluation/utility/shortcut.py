"""Does the classifier learn "made, therefore rare": the probe for the risk that balancing itself brings.

Where the rare classes alone hold made rows, any fingerprint of the generator tells the label. Made rows of the
commonest class, which no classifier was trained on, show it: called rare more often than real rows of that class
are, they are recognised for how they were made and not for what they show.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gensynth.evaluation.utility.utility import UtilityResult
from gensynth.intervals import share_difference

PROBE = "probe"
LEAST_GAP = 0.05


def shortcut_gap(
    result: UtilityResult,
    *,
    common: int,
    rare: list[int],
    name: str,
    candidate: str,
    baseline: str = "real_only",
    probe: str = PROBE,
) -> dict[str, Any]:
    """Share of made rows of class `common` that the candidate's classifier calls rare, minus that of real test rows.

    value, low, high of the gap; called_rare: the three shares, the third being what a classifier trained on real
    rows alone makes of the same made rows, which tells a shortcut from a generator that draws the wrong class.
    `warning` is empty unless the gap's interval lies above 0 and the gap is at least 0.05. Shares are means over seeds.
    """
    real = result.predictions[candidate, result.learners[0]][:, result.labels == common]
    made, made_by_real = (result.further[arm, probe].argmax(axis=2) for arm in (candidate, baseline))
    n, m = made.shape[1], real.shape[1]
    if min(n, m) < 10:
        return {"value": None, "reason": f"not defined: n too small, {n} made and {m} real rows, 10 needed"}
    of_made, of_real, plain = (float(np.isin(side, rare).mean()) for side in (made, real, made_by_real))
    gap = share_difference(of_made, n, of_real, m)
    facts = {
        "value": gap.mean,
        "low": gap.low,
        "high": gap.high,
        "n_real": m,
        "n_synthetic": n,
        "called_rare": {"made": of_made, "real": of_real, "made, by real rows only": plain},
        "warning": "",
    }
    if gap.low > 0 and gap.mean >= LEAST_GAP:
        facts["warning"] = (
            f'shortcut: {of_made:.0%} of made rows of the common class "{name}" are called rare, {of_real:.0%} of its '
            f"real rows (trained on real rows only: {plain:.0%} of the made ones). The classifier may be learning how "
            "rows were made; symmetric=true makes rows for every class"
        )
    return facts
