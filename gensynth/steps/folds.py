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
from gensynth.evaluation.assessment import Fold, RealRows
from gensynth.evaluation.utility.verdict import CANDIDATE, WITH_CLASSICAL
from gensynth.run_folder import RunFolder
from gensynth.samplers.sampler import Sampler, wants_generator
from gensynth.steps.draw import conditions_of, drawing, in_conditions, ready_sampler, requested_counts, set_of
from gensynth.steps.draw import settings_of as evaluation_settings
from gensynth.steps.job import Job
from gensynth.steps.read import SplitData, subjects
from gensynth.steps.train import trained
from gensynth.types import REAL

FOLDER = "run/folds"


def check_folds(job: Job, split_data: SplitData) -> None:
    """UsageError where the rows cannot be split in folds: a source that names its own test rows."""
    if job.evaluate.folds > 1 and (split_data.source.split == "test").any():
        raise UsageError(
            f"evaluate.folds={job.evaluate.folds} scores every row once, and this source names its own test rows; "
            "leave data.test out, or use evaluate.folds=1"
        )


def other_splits(job: Job, split_data: SplitData) -> list[SplitData]:
    """evaluate.folds - 1 further splits: test rows of all of them, and of the run, are all real rows once.

    Equal rows and rows of one subject stay together; shares of val and train are those of the run.
    """
    source, folds = split_data.source, job.evaluate.folds
    whose, content = subjects(source, job.data.subject or source.subject), source.content_keys()
    left = np.isin(source.data.ids, split_data.test.ids, invert=True) & (source.data.origin == REAL)
    found = []
    for k in range(1, folds):
        seed = rng.child(job.seed, "fold", k)
        test = left.copy() if k == folds - 1 else _carved(job, split_data, left, 1 / (folds - k), seed)
        left &= ~test
        rest = np.flatnonzero(~test & (source.data.origin == REAL))
        val = job.data.split[1] / (job.data.split[0] + job.data.split[1])
        split = np.full(len(test), "", dtype="<U5")
        split[test] = "test"
        split[rest] = split_rows(
            source.data[rest],
            (1 - val, val, 0.0),
            seed,
            np.full(len(rest), ""),
            None if whose is None else whose[rest],
            content[rest],
        )
        found.append(_split_data(job, split_data, split, seed))
    return found


def _carved(job: Job, split_data: SplitData, left: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which rows, bool (N,), of those that are left are the test rows of the next fold."""
    source = split_data.source
    whose, content = subjects(source, job.data.subject or source.subject), source.content_keys()
    rows = np.flatnonzero(left)
    part = split_rows(
        source.data[rows],
        (1 - share, 0.0, share),
        seed,
        np.full(len(rows), ""),
        None if whose is None else whose[rows],
        content[rows],
    )
    test = np.zeros(len(left), dtype=bool)
    test[rows[part == "test"]] = True
    return test


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


def folds_of(job: Job, run: RunFolder, split_data: SplitData, amount: float | None) -> list[Fold]:
    """What every further fold is scored by: its real rows, and rows drawn for it by a sampler of its own.

    amount  as in `resolve_target`; fold k of a network lies in run/folds/k, and is not trained again by a resumed run
    """
    return [
        _fold(job, run, one, amount, k)
        for k, one in enumerate(other_splits(job, split_data) if job.evaluate.folds > 1 else [], start=2)
    ]


def _fold(job: Job, run: RunFolder, split_data: SplitData, amount: float | None, k: int) -> Fold:
    with run.step(f"fold {k} of {job.evaluate.folds}"):
        own = replace(job, seed=rng.child(job.seed, "fold", k), logger="none")
        conditions = conditions_of(own, split_data.train)
        requested = in_conditions(split_data, conditions)
        sampler: Sampler = own.sampler.build()
        bundle = None
        if wants_generator(sampler):
            folder = run.path / FOLDER / str(k)
            bundle = trained(own, folder, requested, time.monotonic(), resume=run.resumed)
        sampler = ready_sampler(own, bundle, requested)
        plan = requested_counts(own, conditions, split_data.train, amount)
        filled = drawing(own, split_data, sampler, conditions)(plan.rows, {})
    real = RealRows(split_data.train, split_data.val, split_data.test)
    settings = replace(evaluation_settings(job, real, plan.by_class), slices=False)
    drawn = replace(set_of(own, conditions, sampler, None, [filled]), arm=CANDIDATE, classical_arm=WITH_CLASSICAL)
    return Fold(real, {"the synthetic rows": drawn}, settings)
