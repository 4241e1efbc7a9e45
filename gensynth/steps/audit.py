"""What a run guarantees and refuses beside its scores: attacks with its model, a DP guarantee, the audit before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gensynth.balancing.filters import looks_at
from gensynth.balancing.merge import Filled
from gensynth.data.conditions import Conditions
from gensynth.errors import GateError
from gensynth.evaluation.parts import Bias
from gensynth.evaluation.privacy.whitebox import ModelAttack, model_attacks
from gensynth.provenance.guarantee import ReleasedRows, dp_facts, steps_of
from gensynth.samplers.generator import GeneratorSampler
from gensynth.samplers.sampler import Sampler
from gensynth.steps.job import Job
from gensynth.training.bundle import Bundle
from gensynth.types import LabelledData


def model_attacks_of(bundle: Bundle, conditions: Conditions) -> list[ModelAttack]:
    """Attacks with what a bundle holds, on rows with their label; rows of a cell that it was not trained on score
    lowest, as an attacker would have it."""

    def requested(attack: ModelAttack) -> ModelAttack:
        def score(rows: LabelledData) -> np.ndarray:
            known = conditions.index(rows) >= 0
            scores = np.full(len(rows), np.nan)
            scores[known] = attack.score(conditions.split(rows))
            return np.where(known, scores, np.nanmin(scores, initial=np.inf))

        return replace(attack, score=score)

    return [requested(attack) for attack in model_attacks(bundle.generator, bundle.codec)]


def dp_of_run(job: Job, sampler: Sampler, bundle: Bundle | None, filled: Filled, reviewed: int) -> dict[str, Any]:
    """What is left of a guarantee of differential privacy after rows were drawn, filtered and looked at."""
    if bundle is None:
        return dp_facts({}, [])
    released = ReleasedRows(
        from_noise=isinstance(sampler, GeneratorSampler),
        counts_requested=False,  # they fill up what real rows lack
        filters=tuple(one for one in job.filters if looks_at(one, sampler)),
        chosen=job.target == "auto",
        fallback_rows=int((filled.rows.groups["sampler"] != sampler.name).sum()),
        reviewed=reviewed,
    )
    return dp_facts(bundle.facts.get("guarantee", {}), steps_of(bundle.facts, released))


def refuse_biased(bias: Bias) -> None:
    """GateError with every reason where the audit refuses and nobody has accepted it."""
    gate = bias.gate
    if gate is not None and not (gate["passed"] or gate["accepted"]):
        reasons = "\n".join(f"  - {reason}" for reason in gate["reasons"])
        raise GateError(f"the bias audit refuses to merge; bias.accept=true merges all the same\n{reasons}")
