"""Variation lent by common classes: whose rows, how many, from what, and the same whatever is asked for beside them."""

from __future__ import annotations

import csv
import json
import time

import numpy as np
import pytest
import torch
from conftest import small_job, stripes

from gensynth import rng
from gensynth.data.table_source import read_breast_cancer
from gensynth.errors import UsageError
from gensynth.samplers.sampler import check_modality
from gensynth.samplers.variation import VariationTransfer
from gensynth.steps.train import train_generator
from gensynth.training.bundle import load_bundle

ALL = stripes(60)
DATA = ALL[np.r_[0:60, 60:120, 120:130]]
DATA.x[120:] = ALL.x[60:70]  # the rare class looks like the second one, but for a grey corner
DATA.x[120:, :, 0, 0] = 120
MOVES = {"rotate_degrees": 10.0, "scale": 0.12, "shift": 0.1, "flip": False}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    out = tmp_path_factory.mktemp("variation")
    job = small_job("cvae", "model.prior=mixture", "trainer.max_samples=6000")
    train_generator(job, DATA, DATA[:0], "", out, time.monotonic())
    return load_bundle(out / "generator")


def sampler(bundle, **words):
    settings = {"strength": 0.5, "share": 0.25, "relatives": 1} | MOVES | words
    return VariationTransfer(**settings).use(bundle).fit(DATA)


def asked(n=400, label=2):
    return np.full(n, label), rng.row_seeds(0, "rare", 0, n)


def test_a_quarter_is_made_and_the_rest_are_real_rows_copied_or_moved(bundle):
    rows = sampler(bundle).sample(*asked())
    made = rows.origin == "synthetic"
    assert 0.18 < made.mean() < 0.32
    params = [json.loads(p) for p in rows.groups["params"]]
    copied = np.array(["copy" in p for p in params])
    assert 0.28 < copied.mean() < 0.47
    by_id = dict(zip(DATA.ids, DATA.x, strict=True))
    for index in np.flatnonzero(copied):
        assert np.array_equal(rows.x[index], by_id[rows.parent[index]])
    assert all("rotate_degrees" in params[i] for i in np.flatnonzero(~made & ~copied))
    assert (rows.origin[~made] == "augmented").all()


def test_what_is_lent_lies_between_two_rows_of_one_common_class(bundle):
    rows = sampler(bundle).sample(*asked())
    label = dict(zip(DATA.ids, DATA.y, strict=True))
    for params, parent in zip(rows.groups["params"], rows.parent, strict=True):
        facts = json.loads(params)
        if "from" in facts:
            assert label[parent] == 2
            assert label[facts["from"]] == label[facts["to"]] == 1  # the one it looks like


def test_a_row_does_not_depend_on_its_batch(bundle):
    one, (labels, seeds) = sampler(bundle), asked(90)
    whole = one.sample(labels, seeds)
    for part in (slice(3, 4), slice(10, 17), np.arange(90)[::-7]):
        again = one.sample(labels[part], seeds[part])
        assert np.array_equal(again.x, whole.x[part])
        assert (again.groups["params"] == whole.groups["params"][part]).all()


def test_without_strength_a_made_row_is_its_parent_encoded_and_decoded(bundle):
    one, (labels, seeds) = sampler(bundle, strength=0.0, share=1.0), asked(5)
    rows = one.sample(labels, seeds)
    x = np.stack([DATA.x[DATA.ids == parent][0] for parent in rows.parent])
    y = torch.from_numpy(labels)
    with torch.no_grad():
        expected = bundle.generator.decode(bundle.generator.encode(bundle.codec.encode(x), y), y)
    assert np.abs(rows.x.astype(int) - bundle.codec.decode(expected).astype(int)).max() <= 1


def test_tables_and_shares_out_of_range_are_refused(bundle):
    with pytest.raises(UsageError, match="takes rows of kind image; these are of kind table"):
        check_modality(VariationTransfer(0.5, 0.25, 1, **MOVES), read_breast_cancer().data.schema)
    with pytest.raises(UsageError, match="warm_start"):
        VariationTransfer(0.5, 0.25, 1, **MOVES).check(DATA.schema, {"warm_start": False})
    with pytest.raises(UsageError, match=r"sampler\.share"):
        VariationTransfer(0.5, 0.0, 1, **MOVES)


def test_balance_trains_a_generator_for_it_and_merge_makes_the_same_rows(run_cli, digit_folder, tmp_path):
    quick = ("trainer.max_samples=3000", "logger=none", "utility.run=false", f"out={tmp_path}/o")
    code, _, err = run_cli("balance", digit_folder, "sampler=variation", *quick)
    assert code == 0, err
    assert (tmp_path / "o" / "generator" / "model.safetensors").is_file()
    with (tmp_path / "o" / "dataset" / "ledger.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] != "real"]
    assert {row["sampler"] for row in rows} == {"variation"}
    assert {row["source"] for row in rows} == {"synthetic", "augmented"}
    assert all(row["parent"] for row in rows)
    for words, said in (
        (("sampler=variation", "sampler.share=0.5"), "sampler.share=0.25"),
        (("sampler=generator",), "sampler=variation"),
    ):
        code, _, err = run_cli("merge", tmp_path / "o", *words)
        assert code == 2
        assert said in err
    code, _, err = run_cli("merge", tmp_path / "o")
    assert code == 0, err
