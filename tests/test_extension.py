"""A sampler and a filter of one's own, from a folder outside the package: a file and a YAML each, nothing edited."""

from __future__ import annotations

import csv
import json

import pytest

CODE = '''
import numpy as np

from gensynth import rng
from gensynth.balancing.filters import Filter
from gensynth.samplers.transform import Transform


class SaltPepper(Transform):
    """Some pixels black or white; a classifier looks at the rows."""

    name = "salt"
    modalities = ("image",)
    label_policy = "at_risk"
    gated = True

    def __init__(self, share):
        self.share = share

    def change(self, x, labels, seeds):
        draws = rng.uniform(seeds, 2 * x[0].size, "salt").reshape(len(x), 2, *x.shape[1:])
        changed = np.where(draws[:, 0] < self.share, np.where(draws[:, 1] < 0.5, 255, 0), x).astype(np.uint8)
        return changed, np.full(len(x), '{"share": 1}')


class Even(Filter):
    """Keeps rows whose pixels have an even sum."""

    name = "even"
    reason = "had an odd sum"
    modalities = ("image",)
    checks_gated = True
    looks_at_real_rows = False

    def learn(self, reference):
        pass

    def keep(self, rows):
        return rows.x.reshape(len(rows), -1).sum(axis=1) % 2 == 0
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A package and a folder of configuration that gensynth knows nothing of."""
    package, conf = tmp_path / "code" / "their_parts", tmp_path / "conf"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(CODE, encoding="utf-8")
    for group, text in (
        ("sampler/salt", "_target_: their_parts.SaltPepper\nshare: 0.1\n"),
        ("filter/even", "even:\n  _target_: their_parts.Even\n"),
    ):
        path = conf / f"{group}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(package.parent))
    return ["--config-dir", conf, "trust=[their_parts]", "filter=[even]", "utility.run=false", "logger=none"]


def test_a_sampler_and_a_filter_of_ones_own_are_seen_in_ledger_and_report(own, run_cli, tmp_path):
    out = tmp_path / "out"
    code, _, err = run_cli("balance", "digits", "target=150", "sampler=salt", *own, f"out={out}")
    assert code == 0, err
    with (out / "dataset/ledger.csv").open(encoding="utf-8", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["source"] != "real"]
    assert {line["sampler"] for line in lines} == {"salt"}
    assert {line["filters"] for line in lines} == {'{"even": "passed"}'}
    facts = json.loads((out / "report.json").read_text(encoding="utf-8"))
    counts = facts["filters"].values()
    assert facts["filter_reasons"] == {"even": "had an odd sum"}
    assert sum(one["accepted"] for one in counts) == len(lines) > 0
    rejected = sum(one["rejected_even"] for one in counts)
    assert rejected > len(lines) / 3
    assert f"{rejected:,} had an odd sum" in (out / "report.html").read_text(encoding="utf-8")
    assert run_cli("verify", out / "dataset", "trust=[their_parts]")[0] == 0


def test_an_image_filter_of_ones_own_is_a_sentence_on_a_table(own, run_cli, tmp_path):
    code, _, err = run_cli("balance", "breast_cancer", "sampler=jitter", *own, f"out={tmp_path}/out")
    assert code == 2
    assert "filter even takes rows of kind image; these are of kind table; leave it out of filter=[...]" in err
    assert "Traceback" not in err
    assert not (tmp_path / "out/dataset").exists()
