"""The walk on tables, by commands only, and the column network behind it."""

from __future__ import annotations

import csv
import json

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import FAST

from gensynth import rng
from gensynth.cli import compose
from gensynth.data.table import TableCodec
from gensynth.data.table_source import read_breast_cancer, read_frame
from gensynth.models.cvae import parts_of
from gensynth.models.generator import TrainingRows
from gensynth.models.nets._cells import StripedProduct, draw_cell, mixture_log_density
from gensynth.models.nets.columns import Autoencoder, ColumnDecoder
from gensynth.steps.train import train_generator
from gensynth.training.bundle import load_bundle
from gensynth.types import Block, Space

TINY = (*FAST, "model.width=16")


def claims(n: int = 400, seed: int = 0) -> pd.DataFrame:
    """A fraud table: identifier, spiky amount, region, a date, missing ages; the amount tells the classes apart."""
    r = np.random.default_rng(seed)
    fraud = r.random(n) < 0.15
    return pd.DataFrame(
        {
            "claim": [f"K{i:05d}" for i in range(n)],
            "fraud": np.where(fraud, "yes", "no"),
            "amount": np.where(r.random(n) < 0.3, 0, np.round(np.exp(r.normal(5 + 2 * fraud)), 2)),
            "region": r.choice(["north", "south", "east"], n),
            "age": np.where(r.random(n) < 0.1, "", r.integers(18, 80, n).astype(str)),
            "day": pd.to_datetime("2024-01-01") + pd.to_timedelta(r.integers(0, 300, n), unit="D"),
        }
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    base = tmp_path_factory.mktemp("tables")
    claims().to_csv(base / "claims.csv", index=False)
    from gensynth.cli import main

    code = main(["balance", str(base / "claims.csv"), "data.label=fraud", f"out={base}/out", *TINY])
    assert code == 0
    return base


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_balanced_table_has_equal_counts_and_the_inputs_columns(finished):
    merged = rows(finished / "out/dataset/train.csv")
    counts = pd.Series([row["fraud"] for row in merged]).value_counts()
    assert counts["yes"] == counts["no"]
    assert list(merged[0]) == ["claim", "fraud", "amount", "region", "age", "day", "gensynth_source"]


def test_the_last_picture_is_of_the_finished_model(finished):
    config = json.loads((finished / "out/generator/config.json").read_text())
    pictures = sorted(p.stem for p in (finished / "out/run/samples").glob("*.png"))
    assert pictures[-1] == f"{config['training']['samples_seen']:010d}"


def test_real_rows_leave_as_they_came(finished):
    source = {row["claim"]: row for row in rows(finished / "claims.csv")}
    seen = set()
    for split in ("train", "val", "test"):
        for row in rows(finished / f"out/dataset/{split}.csv"):
            if row.pop("gensynth_source") == "real":
                assert row == source[row["claim"]]
                seen.add(row["claim"])
            else:
                assert split == "train"
    assert seen == set(source)


def test_made_rows_are_written_like_real_ones(finished):
    frame = pd.DataFrame(rows(finished / "out/dataset/train.csv"))
    synthetic, real = frame[frame.gensynth_source != "real"], frame[frame.gensynth_source == "real"]
    assert synthetic.claim.str.fullmatch(r"K\d{5}").all()
    assert synthetic.claim.is_unique
    assert not set(synthetic.claim) & set(real.claim)
    assert synthetic.day.str.fullmatch(r"2024-\d\d-\d\d").all()
    assert synthetic.age.str.fullmatch(r"(\d+)?").all()
    assert (synthetic.amount == "0.0").any()
    assert (synthetic.amount == "0.0").mean() < 0.7
    assert synthetic.amount.str.fullmatch(r"\d+\.\d\d?").all()
    assert set(synthetic.region) <= {"north", "south", "east"}


def test_the_ledger_has_a_line_for_every_train_row_in_order(finished):
    ledger, merged = rows(finished / "out/dataset/ledger.csv"), rows(finished / "out/dataset/train.csv")
    assert [line["row_id"] for line in ledger] == [str(i) for i in range(len(merged))]
    assert [line["source"] for line in ledger] == [row["gensynth_source"] for row in merged]
    assert [line["label"] for line in ledger] == [row["fraud"] for row in merged]


def test_the_report_knows_arms_and_column_scores(finished):
    report = json.loads((finished / "out/report.json").read_text())
    arms = {line["arm"] for line in report["utility"]}
    assert {"real_only", "class_weights", "tuned_threshold", "random_undersampling", "smote", "jitter"} <= arms
    assert "classical_augmentation" not in arms  # that speaks of rotations
    assert {line["learner"] for line in report["utility"]} == {"boosting", "logistic"}
    assert {"ap_rarest", "brier", "calibration_slope"} <= {line["metric"] for line in report["utility"]}
    assert {"shape", "trend", "c2st_auc"} <= set(report["fidelity"]["columns"])
    assert "floor" in report["fidelity"]["columns"]["trend"]


def test_merge_honours_a_review_of_row_numbers(finished, run_cli):
    ledger = rows(finished / "out/dataset/ledger.csv")
    chosen = next(line for line in ledger if line["source"] == "synthetic")
    (finished / "out/review.csv").write_text(f"row_id,verdict\n{chosen['row_id']},reject\n")
    code, _, err = run_cli("merge", finished / "out", f"out={finished}/again")
    assert code == 0, err
    kept = {(line["sampler"], line["label"], line["index"]) for line in rows(finished / "again/dataset/ledger.csv")}
    assert (chosen["sampler"], chosen["label"], chosen["index"]) not in kept
    assert len(rows(finished / "again/dataset/ledger.csv")) == len(ledger)


def coded(n: int = 100) -> pd.DataFrame:
    """Rows whose codes fill their pattern, and an identifier that is called like what the writer notes of a row."""
    r = np.random.default_rng(0)
    y = np.arange(n) % 4 == 0
    frame = pd.DataFrame(
        {"code": [f"K{i:02d}" for i in range(n)], "index": np.arange(n), "label": np.where(y, "b", "a")}
    )
    return frame.assign(v=np.round(r.normal(3 * y), 2))


@pytest.mark.parametrize("words", [(), ("data.long_tail=[40,10]",), ("data.allow_synthetic=true",)])
def test_made_rows_get_identifiers_that_verify_finds_again(run_cli, tmp_path, words):
    frame = coded()
    if words == ("data.allow_synthetic=true",):
        frame["gensynth_source"] = np.where(np.arange(len(frame)) % 5 == 0, "synthetic", "real")
    frame.to_csv(tmp_path / "coded.csv", index=False)
    plain = ("sampler=jitter", "utility.run=false", "logger=none")
    code, _, err = run_cli("balance", tmp_path / "coded.csv", f"out={tmp_path}/o", *plain, *words)
    assert code == 0, err
    merged = rows(tmp_path / "o/dataset/train.csv")
    for name in ("code", "index"):
        assert len({row[name] for row in merged}) == len(merged)
    code, out, err = run_cli("verify", tmp_path / "o/dataset")
    assert code == 0, out + err
    assert "rows regenerate" in out + err


def test_a_missing_table_is_wrong_words_and_leaves_nothing(finished, run_cli, tmp_path):
    for words in (
        ("evaluate", "real=typo.csv", f"synthetic={finished}/claims.csv"),
        ("evaluate", f"real={finished}/claims.csv", "synthetic=typo.csv"),
        ("evaluate", f"real={finished}/claims.csv", f"synthetic={finished}/claims.csv", "test=typo.csv"),
        ("balance", finished / "claims.csv", "data.test=typo.csv"),
    ):
        code, _, err = run_cli(*words, "data.label=fraud", f"out={tmp_path}/o")
        assert code == 2, err
        assert 'no table "typo.csv"' in err
        assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_sample_writes_exact_counts_in_both_formats(finished, run_cli, kind, tmp_path):
    code, _, err = run_cli(
        "sample",
        f"generator={finished}/out/generator",
        "counts={yes: 30, no: 5}",
        f"format={kind}",
        f"out={tmp_path}/s",
    )
    assert code == 0, err
    path = tmp_path / f"s/samples.{kind}"
    frame = pd.read_parquet(path) if kind == "parquet" else pd.read_csv(path)
    assert frame.fraud.value_counts().to_dict() == {"yes": 30, "no": 5}
    assert pd.api.types.is_float_dtype(frame.amount)
    assert [p.name for p in sorted((tmp_path / "s").glob("*.csv"))] == [
        "ledger.csv",
        *(["samples.csv"] * (kind == "csv")),
    ]


def evaluated(run_cli, tmp_path, *words):
    """report.json of `evaluate` on claims that another tool might have made."""
    claims(300, seed=1).to_csv(tmp_path / "other.csv", index=False)
    out = tmp_path / "e"
    code, _, err = run_cli("evaluate", f"synthetic={tmp_path}/other.csv", "data.label=fraud", f"out={out}", *words)
    assert code == 0, err
    return json.loads((out / "report.json").read_text())


def test_evaluate_scores_a_table_from_another_tool(finished, run_cli, tmp_path):
    report = evaluated(run_cli, tmp_path, f"real={finished}/claims.csv")
    assert {w["code"] for w in report["warnings"]} <= {"blind_space"}
    assert report["sets"]["other.csv"]["faults"] == report["faults"]
    assert {line["seeds"] for line in report["utility"]} == {5}
    assert report["fidelity"]["columns"]["c2st_auc"]["value"] < 0.65


def test_conditions_on_columns_are_refused_with_a_sentence(finished, run_cli):
    code, _, err = run_cli("sample", f"generator={finished}/out/generator", "given={region: north}")
    assert code == 2
    assert "given= is not part of this version" in err


def test_rows_that_train_and_test_share_are_a_warning(finished, run_cli, tmp_path):
    report = evaluated(
        run_cli, tmp_path, f"real={finished}/claims.csv", f"test={finished}/claims.csv", "utility.run=false"
    )
    assert [w["code"] for w in report["warnings"]][0] == "shared_rows"
    assert report["warnings"][0]["text"].startswith("400 rows")


def test_balance_warns_of_the_test_rows_that_train_holds_too(run_cli, tmp_path):
    frame = claims(120).drop(columns="claim")
    frame.to_csv(tmp_path / "train.csv", index=False)
    pd.concat([frame[:3], claims(100, seed=2).drop(columns="claim")]).to_csv(tmp_path / "test.csv", index=False)
    words = (
        f"data.test={tmp_path}/test.csv",
        "data.label=fraud",
        "sampler=jitter",
        f"out={tmp_path}/o",
        "utility.run=false",
    )
    code, _, err = run_cli("balance", tmp_path / "train.csv", *words, *FAST)
    assert code == 0, err
    texts = [w["text"] for w in json.loads((tmp_path / "o/report.json").read_text())["warnings"]]
    assert any(text.startswith("3 rows of val or test lie in train as well") for text in texts)


def test_a_class_without_test_rows_is_a_warning_and_no_crash(run_cli, tmp_path):
    frame = claims(120).drop(columns="claim")
    frame = pd.concat([frame[frame.fraud == "no"], frame[frame.fraud == "yes"][:2]])
    frame.to_csv(tmp_path / "few.csv", index=False)
    words = ("data.label=fraud", "sampler=jitter", "utility.run=false", f"out={tmp_path}/o")
    code, out, err = run_cli("balance", tmp_path / "few.csv", *words, *FAST)
    assert code == 0, err
    assert "no test rows of yes: the verdict says nothing about the rows added to them" in out


def test_more_classes_than_arms_are_trained_for_get_scores_and_no_verdict(run_cli, tmp_path):
    r = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"v": r.normal(size=1010).round(3), "c": r.choice(["u", "v"], 1010), "y": [f"c{i % 101}" for i in range(1010)]}
    )
    frame.to_csv(tmp_path / "many.csv", index=False)
    words = ("data.label=y", "sampler=jitter", "target=12", f"out={tmp_path}/o")
    code, _, err = run_cli("balance", tmp_path / "many.csv", *words, *FAST)
    assert code == 0, err
    report = json.loads((tmp_path / "o/report.json").read_text())
    assert report["verdict"]["answer"] == "not_run"
    assert "101 classes" in report["verdict"]["sentence"]
    assert 0 < report["fidelity"]["columns"]["shape"]["value"] <= 1
    assert pd.read_csv(tmp_path / "o/dataset/train.csv").y.value_counts().unique().tolist() == [12]


def test_a_batch_that_holds_no_whole_packs_is_refused_before_training(run_cli):
    code, _, err = run_cli("train", "breast_cancer", "model=cgan", "model.batch_size=100", *FAST)
    assert code == 2
    assert "batch_size=100 must be a multiple of 8" in err


def test_every_arm_is_answered_against_real_rows_only(finished):
    for line in json.loads((finished / "out/report.json").read_text())["utility"]:
        if line["arm"] == "real_only" or line["metric"] == "calibration_slope":
            assert "answer" not in line
            continue
        ends = [line["difference"]["low"], line["difference"]["high"]]
        low, high = ends if line.get("better") != "lower" else [-end for end in reversed(ends)]
        level = low >= -0.01 and high <= 0.01
        expected = "no_difference" if level else "helps" if low > 0 else "hurts" if high < 0 else "cannot_tell"
        assert line["answer"] == expected
        assert line["seeds"] == 5


def test_group_columns_are_counted_class_by_class(finished, run_cli, tmp_path):
    code, _, err = run_cli(
        "explore", finished / "claims.csv", "data.label=fraud", "data.groups=[region]", f"out={tmp_path}/x"
    )
    assert code == 0, err
    frame = claims()
    counts = json.loads((tmp_path / "x/explore.json").read_text())["groups"]["region"]
    assert counts["north"]["yes"] == ((frame.region == "north") & (frame.fraud == "yes")).sum()
    assert "share of yes" in err
    code, _, err = run_cli("explore", finished / "claims.csv", "data.label=fraud", "data.groups=[regio]")
    assert code == 2
    assert "region" in err


MODELS = ("cvae", "cgan")
NARROW = {"cvae": "model.width=32", "cgan": "model.vae.width=32"}


def trained(frame, label, tmp_path, samples=30_000, model="cvae"):
    source = read_frame(frame, label)
    words = [f"model={model}", *FAST, NARROW[model], f"trainer.max_samples={samples}"]
    job = compose("train", ["breast_cancer", *words])
    train_generator(job, source.data, source.data[:0], "", tmp_path, 0.0)
    return source.data, load_bundle(tmp_path / "generator")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_exact_counts_wherever_the_label_stands_and_whatever_it_is(position, model, tmp_path):
    r = np.random.default_rng(0)
    frame = pd.DataFrame({"a": r.normal(size=500), "b": r.choice(["u", "v"], 500)})
    frame.insert(position, "target", np.arange(500) % 50 + 100)
    data, bundle = trained(frame, "target", tmp_path, 2_000, model)
    assert len(data.schema.classes) == 50
    labels = np.repeat(np.arange(50), 3)
    x = bundle.generator.sample(labels, np.concatenate([rng.row_seeds(0, str(k), 0, 3) for k in range(50)]))
    assert x.shape == (150, 2, 2)


@pytest.mark.parametrize("model", MODELS)
def test_the_label_decides_what_is_drawn(model, tmp_path):
    r = np.random.default_rng(0)
    y = r.integers(0, 2, 2000)
    frame = pd.DataFrame({"v": np.round(r.normal(6 * y, 1), 3), "c": np.where(y, "one", "zero"), "y": y})
    _, bundle = trained(frame, "y", tmp_path, model=model)
    for k in (0, 1):
        x = bundle.codec.decode(bundle.generator.sample(np.full(400, k), rng.row_seeds(0, str(k), 0, 400)))
        assert abs(x[:, 0].mean() - 6 * k) < 0.8
        assert (x[:, 1] == ["one", "zero"].index("one" if k else "zero")).mean() > 0.95


@pytest.mark.parametrize("model", [pytest.param(m, marks=pytest.mark.slow) if m == "cgan" else m for m in MODELS])
def test_dependence_between_columns_is_learned(model, tmp_path):
    r = np.random.default_rng(0)
    a = r.normal(size=3000)
    frame = pd.DataFrame({"a": a, "b": a + 0.3 * r.normal(size=3000), "c": np.where(a > 0, "p", "n")})
    frame["y"] = r.choice(["u", "v"], 3000)
    _, bundle = trained(frame, "y", tmp_path, 60_000, model)
    x = bundle.codec.decode(bundle.generator.sample(np.zeros(1000, int), rng.row_seeds(0, "u", 0, 1000)))
    assert np.corrcoef(x[:, 0], x[:, 1])[0, 1] > 0.85
    assert ((x[:, 0] > 0) == (x[:, 2] == 1)).mean() > 0.85


@pytest.mark.parametrize("model", MODELS)
def test_a_row_does_not_depend_on_what_else_is_asked(model, tmp_path):
    _, bundle = trained(read_breast_cancer_frame(), "diagnosis", tmp_path, 2_000, model)
    seeds = rng.row_seeds(0, "malignant", 0, 300)
    whole = bundle.generator.sample(np.ones(300, int), seeds)
    assert torch.equal(
        bundle.generator.sample(np.ones(7, int), seeds[[250, 3, 99, 100, 0, 299, 5]]),
        whole[[250, 3, 99, 100, 0, 299, 5]],
    )


def read_breast_cancer_frame():
    cells = read_breast_cancer().cells
    return cells.apply(lambda c: pd.to_numeric(c) if c.name != "diagnosis" else c)


# ---- network --------------------------------------------------------------------------------------

SPACE = Space((3, 2), 2, (Block(3, "number"), Block(4, "levels"), Block(1, "number")))


WIDE = Space((300, 2), 2, SPACE.blocks * 100)  # a column takes less, and states are worked out in stripes


def cells(n=16, space=SPACE):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(n, *space.shape, generator=g)
    for j, block in enumerate(space.blocks):
        x[:, j, 0] = torch.randint(block.size, (n,), generator=g)
    return x


def stirred(decoder):
    """The decoder with heads that do not start at zero."""
    torch.manual_seed(0)
    heads = [decoder.heads.weight] if decoder.wide else [head.weight for head in decoder.heads]
    for weight in (*heads, decoder.place, decoder.follow):
        torch.nn.init.normal_(weight)
    return decoder


def test_a_column_is_given_only_the_ones_before_it():
    decoder = stirred(ColumnDecoder(SPACE, 8, 4, 4, 4))
    x, z, e = cells(), torch.randn(16, 4), torch.randn(16, 4)
    before = decoder.nll(z, e, x)
    for j, block in enumerate(SPACE.blocks):
        changed = x.clone()
        changed[:, j, 0], changed[:, j, 1] = (x[:, j, 0] + 1) % block.size, x[:, j, 1] + 0.5
        same = torch.isclose(decoder.nll(z, e, changed), before, atol=1e-6).all(dim=0)
        assert same[:j].all()
        assert not same[j + 1 :].any()


@pytest.mark.parametrize("space", [SPACE, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("learning", [True, False], ids=["with a gradient", "as sampled"])
def test_rows_are_drawn_from_the_distribution_whose_likelihood_is_trained(space, learning):
    """Column by column, the distribution that a cell is drawn from is the one that scores it."""
    decoder = stirred(ColumnDecoder(space, 8, 4, 4, 4))
    x, z, e, found = cells(space=space), torch.randn(16, 4), torch.randn(16, 4), []

    def real_cell(column, logits, mixture):
        classes, score = x[:, column, 0].long(), x[:, column, 1]
        loss = torch.nn.functional.cross_entropy(logits, classes, reduction="none")
        if mixture is not None:
            loss = loss - torch.where(classes == 0, mixture_log_density(mixture, score), 0.0)
        found.append(loss)
        return torch.nn.functional.one_hot(classes, logits.shape[1]).float(), score

    with torch.set_grad_enabled(learning):
        decoder._unroll(z, e, real_cell)
    torch.testing.assert_close(torch.stack(found, dim=1), decoder.nll(z, e, x), rtol=1e-4, atol=1e-4)


def test_the_gradient_of_a_striped_product_is_that_of_the_whole():
    g = torch.Generator().manual_seed(0)
    lower = torch.randn(13, 13, generator=g, dtype=torch.double).tril().requires_grad_()
    x = torch.randn(13, 5, generator=g, dtype=torch.double).requires_grad_()
    upstream = torch.randn(13, 5, generator=g, dtype=torch.double)
    striped = torch.autograd.grad(StripedProduct.apply(lower, x, 4), (lower, x), upstream)
    whole = torch.autograd.grad(lower.tril() @ x, (lower, x), upstream)
    torch.testing.assert_close(striped[0].tril(), whole[0])
    torch.testing.assert_close(striped[1], whole[1])


def test_gradients_of_single_rows_go_through_a_wide_decoder():
    """As DP-SGD takes them: their sum is the gradient of the summed loss."""
    torch.manual_seed(0)
    net, x, y = Autoencoder(WIDE, 64), cells(4, WIDE), torch.zeros(4, dtype=torch.long)
    z, weights = torch.randn(4, net.latent), dict(net.named_parameters())

    net.forward = lambda x, z, y: net.nll(x[None], z[None], y[None])

    def loss(weights, *row):
        return torch.func.functional_call(net, weights, row)

    single = torch.func.vmap(torch.func.grad(loss), (None, 0, 0, 0))(weights, x, z, y)
    (4 * net.nll(x, z, y)).backward()
    torch.testing.assert_close(single["decoder.weigh"].sum(0), net.decoder.weigh.grad, rtol=1e-3, atol=1e-4)


def test_a_batch_of_a_wide_table_is_worked_on_in_parts_and_gives_the_gradient_of_the_whole():
    """As many parts as its rows need; the mean of their gradients is that of the whole batch."""
    torch.manual_seed(0)
    net, x, y = Autoencoder(WIDE, 64), cells(512, WIDE), torch.zeros(512, dtype=torch.long)
    parts = parts_of(512, net.most_rows)
    assert (net.most_rows, parts) == (2**15 // 300, 8)
    z = torch.randn(512, net.latent)
    net.nll(x, z, y).backward()
    whole = net.decoder.weigh.grad.clone()
    net.zero_grad()
    for rows in torch.arange(512).split(512 // parts):
        (net.nll(x[rows], z[rows], y[rows]) / parts).backward()
    torch.testing.assert_close(net.decoder.weigh.grad, whole, rtol=1e-3, atol=1e-4)


def test_likelihood_of_classes_sums_to_one():
    torch.manual_seed(0)
    net = Autoencoder(SPACE, 8)
    torch.nn.init.normal_(net.decoder.heads[1].weight)
    x = cells(1).repeat(4, 1, 1)
    x[:, 1, 0] = torch.arange(4)
    z, e = torch.zeros(4, net.latent), net.embed(torch.zeros(4, dtype=torch.long))
    assert torch.isclose(torch.exp(-net.decoder.nll(z, e, x)[:, 1]).sum(), torch.tensor(1.0), atol=1e-5)


def test_mixture_density_integrates_to_one():
    parameters = torch.randn(1, 24, generator=torch.Generator().manual_seed(0)).repeat(8001, 1)
    points = torch.linspace(-40, 40, 8001)
    assert torch.exp(mixture_log_density(parameters, points)).sum() * 0.01 == pytest.approx(1.0, abs=1e-3)


def test_cells_are_drawn_with_their_probabilities_not_argmax():
    logits = torch.log(torch.tensor([[0.6, 0.3, 0.1]])).repeat(10_000, 1)
    u = (torch.arange(10_000) + 0.5) / 10_000
    drawn = draw_cell(logits, None, u, torch.zeros(10_000))[:, 0]
    np.testing.assert_allclose(torch.bincount(drawn.long()) / 10_000, [0.6, 0.3, 0.1], atol=1e-3)


def test_scores_are_drawn_from_the_mixture():
    parameters = torch.tensor([[0.0, np.log(3.0), -1.0, 1.0, -2.0, -2.0]]).repeat(20_000, 1)
    u, place = (torch.arange(20_000) + 0.5) / 20_000, torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    drawn = draw_cell(torch.zeros(20_000, 1), parameters, u, place)[:, 1]
    assert float((drawn > 0).float().mean()) == pytest.approx(0.75, abs=0.01)
    assert float(drawn.mean()) == pytest.approx(0.5, abs=0.02)


def test_class_heads_start_at_the_marginals():
    net, x = Autoencoder(SPACE, 8), cells(4000)
    net.start_at(TrainingRows(x, torch.zeros(4000)))
    shares = torch.softmax(net.decoder.heads[1].bias, 0)
    np.testing.assert_allclose(shares.detach(), torch.bincount(x[:, 1, 0].long()) / 4000, atol=1e-3)


def test_the_codec_of_real_data_round_trips():
    data = read_breast_cancer().data
    codec = TableCodec.fit(data)
    np.testing.assert_allclose(codec.decode(codec.encode(data.x)), data.x, rtol=1e-4, atol=1e-6)
