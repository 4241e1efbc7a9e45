"""Rows for the plan: the sampler of the words made ready, filters taught once, draws that are asked again."""

from __future__ import annotations

from collections.abc import Callable

from gensynth import rng
from gensynth.assess import Trial
from gensynth.balancing import export
from gensynth.balancing.filters import Reference, looks_at
from gensynth.balancing.merge import Filled, fill
from gensynth.errors import UsageError
from gensynth.job import Job
from gensynth.models.judges import fit_judge
from gensynth.reread import (
    Looked,
)
from gensynth.rundir import say
from gensynth.samplers.audio import SafeAudio
from gensynth.samplers.image_transforms import ImageTransforms
from gensynth.samplers.jitter import Jitter
from gensynth.samplers.sampler import Sampler, wants_generator
from gensynth.samplers.text import SafeText
from gensynth.training.bundle import (
    Bundle,
)
from gensynth.types import LabelledData, Schema


def ready_sampler(job: Job, bundle: Bundle | None, looked: Looked) -> Sampler:
    """The sampler of the words, with the trained generator where it wants one, fitted on train rows."""
    if wants_generator(job.sampler):
        if bundle is None:
            raise UsageError(
                f"sampler={job.sampler.name} works with a trained generator, and this run has none; "
                "name the sampler it was made with: sampler=NAME"
            )
        job.sampler.use(bundle)
    return job.sampler.fit(looked.train)


def drawing(job: Job, looked: Looked, sampler: Sampler) -> Callable[[dict[str, int], dict[str, str]], Filled]:
    """Teach fallback and filters once: draw(needed, reviewed)."""
    real = looked.train
    fallback = job.fallback.fit(real)
    filters = [one for one in job.filters if looks_at(one, sampler)]
    if filters:
        judge = fit_judge(real, rng.child(job.seed, "filter judge"))
        for one in filters:
            one.learn(Reference(real, looked.val, judge))

    def draw(needed: dict[str, int], reviewed: dict[str, str]) -> Filled:
        return fill(
            needed,
            real,
            sampler,
            fallback,
            filters,
            seed=job.seed,
            rejected=frozenset(name for name, verdict in reviewed.items() if verdict == "reject"),
            name_row=export.made_row_name(real.schema, job.seed),
            progress=say,
        )

    return draw


def fallback_of(schema: Schema) -> Sampler:
    """The classical sampler of a modality, at its usual settings."""
    if schema.modality == "table":
        return Jitter(0.1)
    if schema.modality == "text":
        return SafeText()
    if schema.modality == "audio":
        return SafeAudio()
    return ImageTransforms(10.0, 0.12, 0.1, False)


def trial_of(job: Job, train: LabelledData, val: LabelledData, test: LabelledData) -> Trial:
    """What a comparison of arms needs of a job, for these real rows."""
    return Trial(
        train=train,
        val=val,
        test=test,
        fallback=job.fallback,
        seed=job.seed,
        seeds=job.utility_seeds,
        steps=job.utility_steps,
        utility=job.utility_run,
        inception=job.inception,
        progress=say,
    )


def how_much(needed: dict[str, int]) -> str:
    """What the plan adds, for the sentence of the verdict."""
    counts = [n for n in needed.values() if n]
    if not counts:
        return ""
    rows = f"{counts[0]} rows" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)} rows"
    return f"{rows} in each of {len(counts)} classes" if len(counts) > 1 else f"{rows} in one class"
