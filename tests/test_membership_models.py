"""Membership by a model's own likelihood: every file of conf/model/, overfitted on a few rows, gives them away."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from test_model_contract import NAMES, job_of, kinds_of

from gensynth import rng
from gensynth.data.kinds import fit_codec
from gensynth.data.modality import Codec
from gensynth.data.table_source import read_frame
from gensynth.evaluation.metrics.roc import auc_entry
from gensynth.evaluation.privacy.whitebox import WITH_MODEL, model_attacks
from gensynth.models.cvae import kl_per_dimension
from gensynth.models.generator import Generator, TrainingRows
from gensynth.models.nets import Autoencoder, Decoder
from gensynth.training.fit import build
from gensynth.types import LabelledData, Schema

ROWS = 24  # learned by heart; as many others are new
NOTHING_TO_LEARN = 256  # grey values, all equally likely: what a model knows of such a row it has seen


def noise_images() -> LabelledData:
    random = np.random.default_rng(0)
    x = random.integers(0, NOTHING_TO_LEARN, (2 * ROWS, 1, 8, 8)).astype(np.uint8)
    schema = Schema("image", ("a", "b"), {"channels": 1, "height": 8, "width": 8})
    return LabelledData.of_real(x, np.arange(2 * ROWS) % 2, schema)


def table(words: int, numbers: int) -> LabelledData:
    """Columns that hang on nothing, and a label."""
    random = np.random.default_rng(1)
    columns = {f"word{j}": np.array(list("pqrstu"))[random.integers(0, 6, 2 * ROWS)] for j in range(words)}
    columns |= {f"number{j}": random.normal(size=2 * ROWS).round(3) for j in range(numbers)}
    return read_frame(pd.DataFrame(columns | {"label": np.array(["a", "b"])[np.arange(2 * ROWS) % 2]}), "label").data


TABLES = {"words": table(8, 0), "numbers": table(0, 8), "both": table(5, 5), "wide": table(76, 76)}
IMAGES = {"image": noise_images()}
PRIORS = ("normal", "mixture", "flow")


def cases() -> list[tuple[str, str, dict]]:
    """(model, which rows, settings) of all files; every prior once, tables of many columns once."""
    found: list[tuple[str, str, dict]] = []
    for name in NAMES:
        for rows in TABLES if "table" in kinds_of(name) else IMAGES:
            priors = PRIORS if (name, rows) == ("table/cvae", "numbers") else ("",)
            if rows != "wide" or name == "table/cvae":
                found += [(name, rows, {"prior": prior} if prior else {}) for prior in priors]
    return found


def overfitted(name: str, train: LabelledData, settings: dict) -> tuple[Generator, Codec]:
    """A model whose autoencoder has done nothing but learn the rows by heart, in its averaged weights, and its codec;
    by plain descent, so one that trains with noise learns them too."""
    width = 64 if name == "dp_cvae" else 12  # without convolutions
    job, codec = job_of(name, train.schema.modality, width=width, **settings), fit_codec(train)
    module = build(lambda: job.model.make(codec.space, len(train), **job.model.params), seed=0)
    vae = getattr(module, "vae", module)
    if not hasattr(vae, "autoencoder"):
        return module, codec
    rows = TrainingRows(codec.encode(train.x), torch.from_numpy(train.y))
    learn_by_heart(vae.autoencoder, rows)
    vae.ema.average.load_state_dict(vae.autoencoder.state_dict())
    if vae is not module:  # a GAN's decoder starts as the warm start's
        module.ema.average.embed.load_state_dict(vae.autoencoder.embed.state_dict())
        module.ema.average.decoder.load_state_dict(vae.autoencoder.decoder.state_dict())
    return module, codec


def learn_by_heart(autoencoder: Autoencoder, rows: TrainingRows, steps: int = 100) -> None:
    autoencoder.start_at(rows)
    optimizer = torch.optim.Adam(autoencoder.parameters(), 5e-3)
    random = rng.torch_generator(0, "by heart")
    for _ in range(steps):
        mean, log_variance = autoencoder.encode(rows.x, rows.y)
        z = mean + torch.randn(mean.shape, generator=random) * (0.5 * log_variance).exp()
        bound = autoencoder.nll(rows.x, z, rows.y) + kl_per_dimension(mean, log_variance).sum()
        optimizer.zero_grad()
        bound.backward()
        torch.nn.utils.clip_grad_norm_(autoencoder.parameters(), 10.0)
        optimizer.step()


def auc_of(scores: np.ndarray) -> float:
    """Of the first ROWS scores, which are of members, against the others."""
    return auc_entry(scores[:ROWS], scores[ROWS:])["value"]


@pytest.mark.parametrize(("name", "which", "settings"), cases())
def test_an_overfitted_model_gives_its_rows_away(name, which, settings):
    data = (TABLES | IMAGES)[which]
    module, codec = overfitted(name, data[:ROWS], settings)
    attacks = model_attacks(module, codec)
    assert {one.release for one in attacks} <= {WITH_MODEL}
    found = {one.attack: auc_of(one.score(data)) for one in attacks}
    if "encoder" not in module.inference_modules():
        assert not found, "what only draws has no likelihood"
    else:
        assert found["reconstruction"] >= 0.95, found
        assert found["evidence_bound"] >= 0.95, found


@pytest.mark.parametrize(("name", "which"), [("cvae", "image"), ("dp_cvae", "image"), ("table/cvae", "words")])
def test_the_bar_is_one_that_a_wrong_formula_misses(name, which):
    """Cells read as if they were pixels, images as if every latent were the prior's mean."""
    data = (TABLES | IMAGES)[which]
    module, codec = overfitted(name, data[:ROWS], {})
    decoder, x, y = module.ema.average.decoder, codec.encode(data.x), torch.from_numpy(data.y)
    with torch.no_grad():
        e, mean = module.ema.average.embed(y), module.encode(x, y)
        if which == "image":
            wrong = decoder.row_nll(torch.zeros_like(mean), e, x)
        else:
            wrong = (x - decoder(mean, e, torch.zeros(len(x), decoder.noise_size))).square().flatten(1).mean(1).log()
    assert auc_of(-wrong.numpy()) < 0.95


def test_a_decoder_without_a_likelihood_of_its_own_is_refused_not_read_as_an_image():
    z = torch.zeros(2, 3)
    with pytest.raises(NotImplementedError, match="Decoder does not say how likely rows are"):
        Decoder().row_nll(z, z, z)
