"""From real train rows to a generator bundle: codec, module, training, facts, card."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gensynth import __version__, rng
from gensynth.data.kinds import fit_codec, modality_of
from gensynth.data.modality import Codec
from gensynth.data.source import Source, source_hash
from gensynth.data.split import split_rows
from gensynth.errors import UsageError
from gensynth.evaluation.fidelity.appraisal import appraiser
from gensynth.models.generator import Generator, TrainingRows, check_learns
from gensynth.provenance.card import model_card
from gensynth.provenance.guarantee import dp_facts, private_facts, steps_of
from gensynth.provenance.source_card import SourceCard
from gensynth.run_folder import RunFolder, digest
from gensynth.steps.job import Job
from gensynth.steps.reopen import SplitData
from gensynth.training.bundle import FORMAT, Bundle, load_bundle, save_bundle
from gensynth.training.fit import FitResult, build, fit
from gensynth.training.loggers import close_loggers, make_loggers
from gensynth.types import LabelledData, Schema


def check_learnable(schema: Schema) -> None:
    """UsageError where no generator learns rows of this kind."""
    if modality_of(schema).codec is None:
        raise UsageError(
            f"no generator learns rows of kind {schema.modality}; balance with sampler=NAME makes classical ones"
        )


def train_step(job: Job, run: RunFolder, split_data: SplitData, started: float) -> Bundle:
    with run.step("train"):
        bundle = trained(job, run.path, split_data, started, resume=run.resumed)
    job.write()  # a resumed run is known to be the same now
    return bundle


def trained(
    job: Job, out: Path, split_data: SplitData, started: float, *, resume: bool, compared: bool = False
) -> Bundle:
    """The bundle in out/generator, trained now unless an earlier try of the same run had finished it."""
    folder = out / "generator"
    learned = LabelledData.concat([split_data.train, split_data.marked])
    learned_sha256 = source_hash(learned)  # of nothing else: what other rows hold leaves no trace in the bundle
    if not (resume and (folder / "manifest.json").exists()):
        train_generator(
            job,
            learned,
            split_data.val,
            learned_sha256,
            out,
            started,
            resume=resume,
            row_size=_row_size(job, split_data.source),
            deidentified=split_data.source.deidentified,
            synthetic=len(split_data.marked),
            compared=compared,
        )
    gc.collect()  # what has trained it is large, and refers to itself
    bundle = load_bundle(folder, job.model.make)
    if bundle.facts["training"]["run"] != _written_identity(job, learned, learned_sha256):
        raise UsageError("the unfinished run was started with other settings or other data; use another out=")
    return bundle


def train_generator(
    job: Job,
    real: LabelledData,
    val: LabelledData,
    source_sha256: str,
    out: Path,
    started: float,
    *,
    resume: bool = False,
    row_size: str = "same",
    deidentified: Sequence[Mapping[str, Any]] = (),
    synthetic: int = 0,
    compared: bool = False,
) -> None:
    """Fit codec and generator on real train rows; writes out/generator and out/run.

    val           real rows by which a model may choose among its own states; may be empty
    started       time.monotonic() from which trainer.max_minutes counts
    row_size      asked | same | found: where the size of a row comes from, see `provenance.guarantee`
    deidentified  columns that were hidden before rows came here
    made          of the rows, how many carry the mark of synthetic ones
    compared      whether the generator is one of several that scores on real rows choose among
    """
    check_learns(job.model.make, job.model.name, real.schema.modality)
    codec = fit_codec(real)
    rows, watched = (TrainingRows(codec.encode(side.x), torch.from_numpy(side.y)) for side in (real, val))
    module = build(lambda: _module(job, codec, len(real)), job.seed)
    identity = _identity(job, real, source_sha256)
    loggers = make_loggers(job.logger, out / "run", out.name, job.to_json(), private=module.private)
    try:
        result = fit(
            module,
            rows,
            watched,
            job.trainer,
            seed=job.seed,
            folder=out / "run",
            run=identity,
            classes=real.schema.classes,
            picture=codec.picture,
            decode=codec.decode,
            appraise=appraiser(real, val, job.seed),
            loggers=loggers,
            started=started,
            resume=resume,
        )
    finally:
        close_loggers(loggers, out / "run")
    facts = _bundle_facts(job, real, source_sha256, codec, result, _written_identity(job, real, source_sha256))
    facts |= {"row_size": row_size, "deidentified": [dict(line) for line in deidentified]}
    facts |= {"learned_made_rows": synthetic > 0, "compared": compared}
    if module.private:
        facts = private_facts(facts, module.guarantee(), facts["training"]["run"])
    save_bundle(out / "generator", module.cpu(), facts, model_card(_card_facts(facts)))


def train_in_memory(job: Job, rows: LabelledData, val_share: float = 0.1) -> Bundle:
    """A generator trained on rows in memory, a share of each class kept aside to watch it; no file stays."""
    sides = rows, rows[:0]
    if val_share:
        shares, seed = (1 - val_share, val_share, 0.0), rng.child(job.seed, "split")
        split = split_rows(rows, shares, seed, np.full(len(rows), ""), None)
        sides = rows[split == "train"], rows[split == "val"]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        train_generator(job, *sides, rows.content_hashes()[0], out, time.monotonic())
        return load_bundle(out / "generator", job.model.make)


def _module(job: Job, codec: Codec, num_rows: int) -> Generator:
    try:
        return job.model.make(codec.space, num_rows, **job.model.params)
    except (TypeError, ValueError, RuntimeError, ZeroDivisionError) as error:
        raise UsageError(f"model={job.model.name}: {error}") from None


def _row_size(job: Job, source: Source) -> str:
    """Whether size and colours of a row were asked for, are those of all rows, or were found among differing ones."""
    return modality_of(source.data.schema).row_size(job.data.given, source)


def _identity(job: Job, real: LabelledData, source_sha256: str) -> str:
    """What two runs must share for one to continue the other."""
    return digest([*_settings(job, real.schema), source_sha256, real.ids.tolist()])


def _written_identity(job: Job, real: LabelledData, source_sha256: str) -> str:
    """The same as a bundle holds it: of a private model its settings alone, since a digest over rows tells of them."""
    return digest(_settings(job, real.schema)) if job.model.make.private else _identity(job, real, source_sha256)


def _settings(job: Job, schema: Schema) -> list:
    return [
        job.model.name,
        job.model.params,
        job.trainer.label_power,
        *(job.trainer.choose, job.trainer.devices, job.trainer.accumulate),
        job.seed,
        schema.classes,
    ]


def _bundle_facts(
    job: Job, real: LabelledData, source_sha256: str, codec: Codec, result: FitResult, identity: str
) -> dict:
    schema = real.schema
    return {
        "format": FORMAT,
        "data": job.data.name,
        "gensynth": __version__,
        "model": job.model.name,
        "params": job.model.params,
        "num_rows": len(real),
        "modality": schema.modality,
        "classes": list(schema.classes),
        "fields": schema.fields,
        "codec": codec.state(),
        "source_sha256": source_sha256,
        "seed": job.seed,
        "train_counts": dict(zip(schema.classes, real.counts().tolist(), strict=True)),
        "source_card": job.data.source_card.to_json() if job.data.source_card != SourceCard() else {},
        "guarantee": {},
        "training": {
            "run": identity,
            "schedule": result.schedule.to_json(),
            "samples_seen": result.schedule.total_samples,
            "latent_nats": _latent_nats(result.latest),
            "coverage": {name: round(value, 4) for name, value in result.coverage.items()},
            "collapsed": result.collapsed,
            "choose": job.trainer.choose,
        },
    }


def _card_facts(facts: dict) -> dict:
    same = ("model", "train_counts", "seed", "source_sha256", "source_card", "deidentified")
    card = {name: facts[name] for name in same} | {k: facts["training"][k] for k in ("samples_seen", "latent_nats")}
    card |= {"name": facts["data"], "version": facts["gensynth"], "config": facts["params"]}
    return card | {"dp": dp_facts(facts["guarantee"], steps_of(facts))}


def _latent_nats(latest: dict[str, float]) -> float | str:
    """What the latent told of a row when it was last logged; empty for a model without an encoder."""
    return round(latest["loss_kl"], 4) if "loss_kl" in latest else ""
