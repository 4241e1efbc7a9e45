"""What every file of conf/sampler must keep: labels as asked, rows that depend on nothing but their own seed."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from contract_rows import DATA, numbers_of, two_others

from gensynth import rng
from gensynth.balancing.merge import fill
from gensynth.cli import compose
from gensynth.cli.overrides import conf_dir
from gensynth.errors import UsageError
from gensynth.samplers.sampler import LABEL_POLICIES, check_modality, wants_generator
from gensynth.samplers.transform import OfOperations, Transform
from gensynth.steps.train import train_generator
from gensynth.training.bundle import load_bundle

NAMES = sorted(path.stem for path in (conf_dir() / "sampler").glob("*.yaml"))
WORDS = {"image": "digits", "table": "breast_cancer", "audio": "digits"}


COMPONENTS = {name: compose("balance", ["digits", f"sampler={name}"]).sampler for name in NAMES}


def built(name: str):
    return COMPONENTS[name].build()


NUMBERS = [
    (name, place)
    for name in NAMES
    for place in numbers_of(COMPONENTS[name].params)
    if built(name).label_policy != "soft"
]
PAIRS = [
    (name, kind)
    for name in NAMES
    for kind in built(name).modalities
    if kind in DATA and built(name).label_policy != "soft"
]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """A hardly trained generator of each modality: its rows are noise, and must be the same noise every time."""
    synthetic = {}
    for kind, word in WORDS.items():
        rows = DATA[kind]
        out = tmp_path_factory.mktemp(kind)
        words = [word, "model.width=8", "trainer=cpu", "logger=none", "trainer.max_samples=640"]
        job = replace(compose("train", words), verb="train")
        train_generator(job, rows, rows[:0], "", out, time.monotonic())
        synthetic[kind] = load_bundle(out / "generator")
    return synthetic


@pytest.fixture(params=PAIRS, ids=lambda pair: "-".join(pair), scope="module")
def ready(request, bundles):
    """(sampler fitted on rows of a kind it takes, those rows)."""
    name, kind = request.param
    sampler = built(name)
    if wants_generator(sampler):
        sampler.use(bundles[kind])
    return sampler.fit(DATA[kind]), DATA[kind]


def requested(n: int = 150, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two classes, turn by turn, as `fill` names them."""
    labels = np.arange(n) % classes
    seeds = np.empty(n, np.uint64)
    for k in range(classes):
        seeds[labels == k] = rng.row_seeds(0, str(k), 0, int((labels == k).sum()))
    return labels, seeds


def same(one, other) -> None:
    np.testing.assert_array_equal(one.x, other.x)
    assert one.parent.tolist() == other.parent.tolist()
    assert one.groups["params"].tolist() == other.groups["params"].tolist()


def test_rows_come_as_asked(ready):
    sampler, train = ready
    labels, seeds = requested()
    rows = sampler.sample(labels, seeds)
    assert (rows.y == labels).all()
    assert rows.x.shape == (150, *train.x.shape[1:])
    assert rows.x.dtype == train.x.dtype
    assert set(rows.origin) <= {"augmented", "synthetic"}
    assert sampler.label_policy in LABEL_POLICIES
    assert all(not text or isinstance(json.loads(text), dict) for text in rows.groups["params"])


def test_parents_are_training_rows_of_the_same_class(ready):
    sampler, train = ready
    label_of = dict(zip(train.ids, train.y, strict=True))
    rows = sampler.sample(*requested())
    assert all(label_of[parent] == label for parent, label in zip(rows.parent, rows.y, strict=True) if parent)


def test_a_row_depends_on_its_own_label_and_seed_alone(ready):
    sampler, _ = ready
    labels, seeds = requested()
    whole = sampler.sample(labels, seeds)
    if sampler.deterministic == "per_set":
        same(sampler.sample(labels, seeds), whole)
        return
    order = np.random.default_rng(0).permutation(150)
    for size in (1, 7, 64):
        for rows in (np.arange(size), order[:size], np.arange(100, 100 + min(size, 50))[::-1]):
            same(sampler.sample(labels[rows], seeds[rows]), whole[rows])


def test_more_of_one_class_keeps_the_rows_there_were(ready):
    sampler, _ = ready
    if sampler.deterministic == "per_set":
        pytest.skip("a set is drawn as a whole")
    few = sampler.sample(np.zeros(20, int), rng.row_seeds(0, "0", 0, 20))
    more = sampler.sample(np.zeros(90, int), rng.row_seeds(0, "0", 0, 90))
    same(more[:20], few)


def test_the_training_rows_are_not_changed(ready):
    sampler, train = ready
    before = train.content_hashes()
    sampler.sample(*requested())
    assert (train.content_hashes() == before).all()


def test_any_line_of_the_ledger_gives_its_row_again(ready):
    sampler, train = ready
    needed = {name: (40 if k < 2 else 0) for k, name in enumerate(train.schema.classes)}
    filled = fill(
        needed,
        train,
        sampler,
        sampler,
        [],
        seed=3,
        rejected=frozenset(),
        name_row=lambda label, name, index: f"{label}/{name}-{index}",
        seen_as=lambda rows: rows,
    ).rows
    hashes = filled.content_hashes()
    if sampler.deterministic == "per_set":
        again = sampler.sample(filled.y[:40], rng.row_seeds(3, train.schema.classes[0], 0, 40))
        assert again.content_hashes().tolist() == hashes[:40].tolist()
        return
    for line in (0, 17, 63):
        label = train.schema.classes[filled.y[line]]
        seeds = rng.row_seeds(3, label, int(filled.groups["index"][line]), 1)
        assert sampler.sample(filled.y[line : line + 1], seeds).content_hashes()[0] == hashes[line]


@pytest.mark.parametrize(("name", "place"), NUMBERS, ids=lambda one: one if isinstance(one, str) else ".".join(one))
def test_at_two_other_values_of_each_number_a_row_depends_on_its_own_label_and_seed_alone(name, place, bundles):
    others = two_others(COMPONENTS[name], place)
    assert len(others) == 2
    labels, seeds = requested(24)
    some = np.random.default_rng(0).permutation(24)[:7]
    for sampler in others:
        train = DATA[sampler.modalities[0]]
        if wants_generator(sampler):
            sampler.use(bundles[sampler.modalities[0]])
        whole = sampler.fit(train).sample(labels, seeds)
        assert (whole.y == labels).all()
        assert (whole.x.dtype, whole.x.shape[1:]) == (train.x.dtype, train.x.shape[1:])
        rows = np.arange(24) if sampler.deterministic == "per_set" else some
        same(sampler.sample(labels[rows], seeds[rows]), whole[rows])


@pytest.mark.parametrize("name", [name for name in NAMES if isinstance(built(name), Transform)])
def test_a_transform_changes_given_rows_as_it_changes_parents(name):
    transform = built(name)
    train = DATA[transform.modalities[0]]
    transform.fit(train)
    labels, seeds = requested(60)
    rows = transform.sample(labels, seeds)
    place = {row: i for i, row in enumerate(train.ids)}
    parents = np.array([place[parent] for parent in rows.parent])
    x, params = transform.change(train.x[parents], labels, seeds)
    np.testing.assert_array_equal(x, rows.x)
    assert params.tolist() == rows.groups["params"].tolist()


@pytest.mark.parametrize("name", [name for name in NAMES if isinstance(built(name), OfOperations)])
def test_each_operation_can_be_measured_alone(name):
    transform = built(name)
    train = DATA[transform.modalities[0]]
    transform.fit(train)
    rows = train[:20]
    assert transform.operations()
    for operation, _ in transform.operations():
        changed = transform.alone(operation, rows.x, rng.epoch_seeds(0, 0, np.arange(20)))
        assert changed.shape == rows.x.shape
        assert changed.dtype == rows.x.dtype


@pytest.mark.parametrize("name", [name for name in NAMES if built(name).label_policy == "soft"])
def test_soft_labels_are_never_exported(name):
    with pytest.raises(UsageError, match="never exported"):
        built(name).fit(DATA["image"]).sample(*requested())


def test_rows_of_another_kind_are_a_sentence():
    with pytest.raises(UsageError, match="sampler=jitter takes rows of kind table; these are of kind image"):
        check_modality(built("jitter"), DATA["image"].schema)


def test_a_chain_takes_what_all_its_links_take():
    chain = compose("balance", ["digits", "sampler=chain", "sampler@sampler.then=jitter"]).sampler.build()
    assert chain.modalities == ("table",)
    assert wants_generator(chain)
    oversampled = compose(
        "balance", ["digits", "sampler=chain", "sampler@sampler.first=smote", "sampler@sampler.then=noise"]
    ).sampler.build()
    assert not wants_generator(oversampled)
    rows = oversampled.fit(DATA["image"]).sample(*requested(20))
    assert all(set(json.loads(text)) == {"smote", "noise"} for text in rows.groups["params"])


def test_a_chain_ends_with_something_that_changes_rows():
    with pytest.raises(UsageError, match="must be a transform"):
        _ = compose("balance", ["digits", "sampler=chain", "sampler@sampler.then=smote"]).sampler


def test_two_links_of_a_chain_draw_numbers_of_their_own():
    words = ["digits", "sampler=chain", "sampler@sampler.first=position", "sampler@sampler.then=colour"]
    rows = compose("balance", words).sampler.build().fit(DATA["image"]).sample(*requested(150))
    reported = [json.loads(text) for text in rows.groups["params"]]
    turned = np.array(["rotate" in one["position"] for one in reported])
    lit = np.array(["brightness" in one["colour"] for one in reported])
    assert 0.35 < (turned == lit).mean() < 0.65


def test_a_fallback_of_the_same_name_goes_on_where_the_sampler_ended():
    class Half:
        name, reason = "half", "came every second time"

        def keep(self, rows):
            return np.arange(len(rows)) % 2 == 0

    data = DATA["image"]
    sampler = built("noise").fit(data)
    words = {"rejected": frozenset(), "name_row": lambda k, s, i: f"{k}/{s}-{i}"}
    words["seen_as"] = lambda rows: rows
    filled = fill({"band0": 2000, "band1": 0, "band2": 0}, data, sampler, sampler, [Half()], seed=0, **words).rows
    assert len(set(filled.ids.tolist())) == 2000
