"""Cross-fitting: the walk from split to synthetic rows again, on other splits of the same rows.

Every fold has a generator of its own, trained on rows that leave the fold's test rows out. With the run's own split
every real row is a test row once, and nothing that is scored on it has learned from it.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from gensynth import rng
from gensynth.data.split import cut_long_tail, split_rows
from gensynth.errors import UsageError
from gensynth.evaluation.assessment import Fold
from gensynth.evaluation.utility.verdict import CANDIDATE, WITH_CLASSICAL
from gensynth.run_folder import RunFolder
from gensynth.samplers.sampler import Sampler, wants_generator
from gensynth.steps.assess import advise_amount
from gensynth.steps.draw import (
    THE_SET,
    by_class,
    conditions_of,
    drawing,
    in_conditions,
    ready_sampler,
    real_rows,
    requested_counts,
    set_of,
    settings_of,
)
from gensynth.steps.job import Job
from gensynth.steps.read import SplitData, subjects
from gensynth.steps.train import trained
from gensynth.types import REAL

FOLDER = "run/folds"


def check_folds(job: Job, split_data: SplitData) -> None:
    """UsageError where the rows cannot be split in folds: a source that names its own test rows, or a split without."""
    if job.evaluate.folds == 1:
        return
    if (split_data.source.split == "test").any():
        raise UsageError(
            f"evaluate.folds={job.evaluate.folds} scores every row once, and this source names its own test rows; "
            "leave data.test out, or use evaluate.folds=1"
        )
    if not len(split_data.test):
        raise UsageError(
            f"evaluate.folds={job.evaluate.folds} needs test rows in the first fold; data.split gives none"
        )


def other_splits(job: Job, split_data: SplitData) -> list[SplitData]:
    """evaluate.folds - 1 further splits: test rows of all of them, and of the run, are all real rows once.

    Equal rows and rows of one subject stay together; shares of val and train are those of the run.
    """
    source, folds, found = split_data.source, job.evaluate.folds, []
    whose, content = subjects(source, job.data.subject or source.subject), source.content_keys()
    real = source.data.origin == REAL
    val = job.data.split[1] / (job.data.split[0] + job.data.split[1])

    def carved(rows: np.ndarray, part: str, share: float, seed: int) -> np.ndarray:
        """Some rows, bool (N,), as train and a share of them as `part`, text (N,); empty for all others."""
        split, at = np.full(len(rows), "", dtype="<U5"), np.flatnonzero(rows)
        split[at] = "train"
        if share:
            shares = (1 - share, *((share, 0.0) if part == "val" else (0.0, share)))
            given, people = np.full(len(at), ""), None if whose is None else whose[at]
            split[at] = split_rows(source.data[at], shares, seed, given, people, content[at])
        return split

    left = real & np.isin(source.data.ids, split_data.test.ids, invert=True)
    for k in range(1, folds):
        seed = rng.child(job.seed, "fold", k)
        test = left if k == folds - 1 else carved(left, "test", 1 / (folds - k), seed) == "test"
        left = left & ~test
        split = carved(real & ~test, "val", val, seed)
        split[test] = "test"
        found.append(_split_data(job, split_data, split, seed))
    return found


def _split_data(job: Job, split_data: SplitData, split: np.ndarray, seed: int) -> SplitData:
    source = split_data.source
    if job.data.long_tail is None:
        source = source.described_by(split == "train")  # columns are what this fold's train rows say
    else:
        first, last = job.data.long_tail
        keep = cut_long_tail(source.data.y, split, first, last, len(source.data.schema.classes), seed)
        split = np.where(keep, split, "")
    train, val, test = (source.data[split == name] for name in ("train", "val", "test"))
    return replace(split_data, source=source, train=train, val=val, test=test)


def folds_of(job: Job, run: RunFolder, split_data: SplitData) -> list[Fold]:
    """What every further fold is scored by: its real rows, and rows drawn for it by a sampler of its own.

    Fold k of a network lies in run/folds/k, and is not trained again by a resumed run.
    """
    splits = other_splits(job, split_data) if job.evaluate.folds > 1 else []
    return [_fold(job, run, one, k) for k, one in enumerate(splits, start=2)]


def _fold(job: Job, run: RunFolder, split_data: SplitData, k: int) -> Fold:
    with run.step(f"fold {k} of {job.evaluate.folds}"):
        own = replace(job, seed=rng.child(job.seed, "fold", k), logger="none")
        conditions, real = conditions_of(own, split_data.train), real_rows(split_data)
        requested = in_conditions(split_data, conditions)
        sampler: Sampler = own.sampler.build()
        bundle = None
        if wants_generator(sampler):
            folder = run.path / FOLDER / str(k)
            bundle = trained(own, folder, requested, time.monotonic(), resume=run.resumed)
        sampler = ready_sampler(own, bundle, requested)
        draw = drawing(own, split_data, sampler, conditions)
        amount = None
        if job.target == "auto":  # by this fold's validation rows: those of the run are test rows of another fold
            amount = advise_amount(real, settings_of(job, real, {}), by_class(draw, conditions, real.train)).amount
        plan = requested_counts(own, conditions, split_data.train, amount)
        filled = draw(plan.rows, {})
    settings = replace(settings_of(job, real, plan.by_class), slices=False)
    drawn = replace(set_of(own, conditions, sampler, None, [filled]), arm=CANDIDATE, classical_arm=WITH_CLASSICAL)
    return Fold(real, {THE_SET: drawn}, settings)
