"""Every file of conf/metric keeps what it declares, at its settings and at two others of each; a user's own, too."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
import yaml
from sklearn.datasets import load_digits

from gensynth import metrics as shells
from gensynth.evaluation.fidelity.features import pixel_space
from gensynth.evaluation.fidelity.fidelity import Compared, entries, fidelity
from gensynth.evaluation.fidelity.spoiled import noise_images
from gensynth.evaluation.metrics.detection import c2st_auc
from gensynth.evaluation.metrics.distance import fid_as_is, frechet_infinity, kid_as_is, mind
from gensynth.evaluation.metrics.diversity import vendi_ratio
from gensynth.evaluation.metrics.metric import FeaturePair, Metric, Scale, _built, conf_folder, in_order, metrics_of
from gensynth.evaluation.metrics.support import membership, prdc
from gensynth.provenance.card_sections import metrics_section
from gensynth.report.page import per_class_view, scale_view, scores
from gensynth.types import LabelledData, Schema

D = 4
FILES = sorted(conf_folder().glob("*.yaml"))


def variants(path):
    """The settings of a file, and half and twice of each number in it."""
    (node,) = yaml.safe_load(path.read_text(encoding="utf-8")).values()
    numbers = {key: value for key, value in node.items() if isinstance(value, int | float)}
    others = [node | {key: other} for key, value in numbers.items() for other in (max(value // 2, 2), 2 * value)]
    return [pytest.param(one, id=f"{path.stem}-{i}") for i, one in enumerate([node, *others])]


ALL = pytest.mark.parametrize("node", [variant for path in FILES for variant in variants(path)])


def normal(seed, n):
    return np.random.default_rng(seed).standard_normal((n, D))


def pair(real, fake, seed=0):
    return FeaturePair(real, fake, Scale.of(real), seed)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_holds_one_metric_of_its_name(path):
    text = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert list(text) == [path.stem]
    assert _built(**text[path.stem]).name == path.stem


@ALL
def test_scores_lie_within_the_bounds_declared_and_so_does_the_ideal(node):
    metric, real = _built(**node), normal(0, 100)
    low, high = metric.bounds
    assert low <= metric.ideal <= high
    for fake in (normal(1, 100), normal(1, 100) + 2, np.repeat(normal(1, 5), 20, axis=0), 50 * normal(1, 100)):
        assert low <= metric.score(pair(real, fake)) <= high
        if type(metric).reference is not Metric.reference:
            assert low <= metric.reference(pair(real, fake)) <= high


@ALL
def test_spoiled_rows_score_worse_in_the_direction_declared(node):
    """Few different rows, all moved away: neither true nor varied."""
    metric, real = _built(**node), normal(0, 300)
    good, bad = (metric.score(pair(real, fake)) for fake in (normal(1, 300), np.repeat(normal(1, 10), 30, axis=0) + 2))
    assert (bad > good) == metric.lower_is_better
    assert bad != good


@ALL
def test_fresh_rows_of_one_distribution_score_the_closed_form_or_nearly_the_ideal(node):
    """Closed forms within 4 standard errors of the mean of 8 draws and a tenth; ideals within .25 at 400 rows."""

    def fresh(n, seed):
        return pair(normal(2 * seed, n), normal(2 * seed + 1, n), seed)

    metric = _built(**node)
    expected = metric.closed_form(fresh(240, 0))
    if expected is None:
        assert abs(metric.score(fresh(400, 0)) - metric.ideal) < 0.25
        return
    found = np.array([metric.score(fresh(240, seed)) for seed in range(8)])
    assert abs(found.mean() - expected) < 4 * found.std(ddof=1) / math.sqrt(8) + 0.1 * abs(expected)


@ALL
def test_too_few_rows_are_a_reason_and_no_number(node):
    metric = _built(**node)
    few = metric.rows_needed(D) - 1
    assert metric.too_few(few, D).startswith("not defined: n too small")
    assert metric.too_few(few + 1, D) == ""
    sets = Compared.of("", normal(0, few), normal(1, few), normal(2, few), normal(3, few))
    if few > 1:
        (entry,) = entries(sets, [metric], "", 0, 2).values()
        assert entry == {"value": None, "reason": metric.too_few(few, D)}
    metric.update(real=normal(0, few), synthetic=normal(1, few))
    with pytest.raises(ValueError, match="not defined: n too small"):
        metric.compute()


PURE = {
    "FID": lambda real, fake, s: fid_as_is(real=s.apply(real), fake=s.apply(fake)),
    "FIDInfinity": lambda real, fake, s: frechet_infinity(real=s.apply(real), fake=s.apply(fake), seed=7),
    "KID": lambda real, fake, s: kid_as_is(real=s.apply(real), fake=s.apply(fake), seed=7, subset_size=1000)[0],
    "MIND": lambda real, fake, s: mind(real=s.apply(real), fake=s.apply(fake), seed=7, directions=200),
    "VendiRatio": lambda real, fake, s: vendi_ratio(real=s.apply(real), fake=s.apply(fake)),
    "C2ST": lambda real, fake, s: c2st_auc(real, fake, 7),
    "Precision": lambda real, fake, s: prdc(real=real, fake=fake)["precision"],
    "Recall": lambda real, fake, s: prdc(real=real, fake=fake)["recall"],
    "Density": lambda real, fake, s: prdc(real=real, fake=fake)["density"],
    "Coverage": lambda real, fake, s: prdc(real=real, fake=fake)["coverage"],
    "ClippedDensity": lambda real, fake, s: membership(real=real, fake=fake).clipped()["clipped_density"],
    "ClippedCoverage": lambda real, fake, s: membership(real=real, fake=fake).clipped()["clipped_coverage"],
}


@pytest.mark.parametrize("name", PURE)
def test_the_shell_gathers_rows_and_scores_like_the_pure_function(name):
    real, fake = normal(0, 90), 1.1 * normal(1, 90) + 0.2
    metric = getattr(shells, name)(seed=7)
    for part in np.split(np.arange(90), [20, 50]):
        metric.update(real=torch.from_numpy(real[part]), synthetic=fake[part])
    expected = PURE[name](real, fake, Scale.of(real))
    assert float(metric.compute()) == pytest.approx(expected, rel=1e-12)
    assert metric.higher_is_better == (not metric.lower_is_better)
    metric.reset()
    metric.update(real=real, synthetic=real)
    assert float(metric.compute()) == pytest.approx(PURE[name](real, real, Scale.of(real)), rel=1e-12)


def test_every_metric_of_conf_has_a_shell_under_its_name():
    assert {type(metric).__name__ for metric in metrics_of(conf_folder())} == set(PURE)


def test_rows_of_different_width_are_refused():
    metric = shells.Coverage()
    metric.update(real=normal(0, 20), synthetic=normal(0, 20)[:, :2])
    with pytest.raises(ValueError, match=r"\(20, 4\) and \(20, 2\)"):
        metric.compute()


def test_two_metrics_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two metrics of one name: coverage, coverage"):
        in_order([shells.Coverage(), shells.Coverage(k=3)])


def test_work_that_several_metrics_need_is_done_once():
    one, calls = pair(normal(0, 30), normal(1, 30)), []
    for _ in range(2):
        assert one.once("key", lambda: calls.append(1) or 5) == 5
    assert len(calls) == 1


ENERGY = '''
import math
from scipy.spatial.distance import cdist
from gensynth.metrics import FeaturePair, Metric


class Energy(Metric):
    """Energy distance (Szekely and Rizzo, 2013), to a power."""

    name, lower_is_better, bounds, ideal = "energy", True, (0.0, math.inf), 0.0

    def __init__(self, power: float = 1.0, seed: int = 0) -> None:
        super().__init__(seed)
        self.power = power

    def score(self, pair: FeaturePair) -> float:
        a, b = pair.real_scaled, pair.fake_scaled
        return float(2 * cdist(a, b).mean() - cdist(a, a).mean() - cdist(b, b).mean()) ** self.power


class Broken(Energy):
    name = "broken"

    def score(self, pair: FeaturePair) -> float:
        return math.nan
'''


@pytest.fixture(scope="module")
def own_metrics(tmp_path_factory):
    """A module and two YAML files in folders of the user's."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "my_own_scores.py").write_text(ENERGY)
    (folder / "metric").mkdir()
    (folder / "metric/energy.yaml").write_text("energy:\n  _target_: my_own_scores.Energy\n  power: 0.5\n")
    (folder / "metric/broken.yaml").write_text("broken:\n  _target_: my_own_scores.Broken\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield metrics_of(folder / "metric")


@pytest.fixture(scope="module")
def scored(own_metrics):
    """{name of a set: overall, per class} of other real digits and of noise, by the user's metrics and coverage."""
    images, labels = load_digits(return_X_y=True)
    pixels = np.round(images * 255 / 16).astype(np.uint8).reshape(-1, 1, 8, 8)
    schema = Schema("image", tuple("0123456789"), {"height": 8, "width": 8, "channels": 1})
    rows = np.split(np.random.default_rng(0).permutation(len(labels)), [600, 1100])
    train, reference, real = (LabelledData.of_real(pixels[r], labels[r], schema) for r in rows)
    noise = LabelledData.of_real(noise_images(real.x, seed=5), real.y, schema)
    score = partial(
        fidelity,
        spaces=[pixel_space(train.x)],
        floor=partial(noise_images, seed=0),
        train=train,
        reference=reference,
        seed=0,
        metrics=[shells.Coverage(), *own_metrics],
    )
    return {name: score(synthetic=synthetic) for name, synthetic in (("real", real), ("noise", noise))}


def test_an_own_metric_is_scored_overall_and_per_class_after_those_of_the_package(scored):
    overall, per_class = scored["real"]
    assert list(overall["pixels"]) == ["coverage", "broken", "energy"]
    entry = overall["pixels"]["energy"]
    assert (entry["better"], entry["bounds"], entry["ideal"]) == ("lower", [0.0, None], 0.0)
    assert entry["low"] <= entry["value"] <= entry["high"]
    assert all(part["energy[pixels]"]["value"] > 0 for part in per_class.values())


def test_a_score_that_is_no_number_is_a_reason(scored):
    expected = {"value": None, "reason": "not defined: broken of these rows is not finite"}
    assert scored["real"][0]["pixels"]["broken"] == expected


def test_bars_of_an_own_metric_are_long_where_it_is_good(scored):
    """Other real digits lie at the ceiling, noise at the floor, in an own metric that is better when lower."""
    bars = {name: {row.label: row.bar for row in scores(overall["pixels"])} for name, (overall, _) in scored.items()}
    assert bars["real"]["energy"] > 90 > 10 > bars["noise"]["energy"]
    assert bars["real"]["coverage"] > 90 > 10 > bars["noise"]["coverage"]
    assert scale_view(scored["real"][0]["pixels"]) is not None
    for name, (_, per_class) in scored.items():
        (view,) = per_class_view(per_class)
        of_energy = [cells[view["columns"].index("energy")].bar for _, cells in view["rows"]]
        assert (min(of_energy) > 60) if name == "real" else (max(of_energy) < 40)


def test_an_own_metric_stands_on_the_card(scored):
    text = metrics_section({"fidelity": scored["real"][0]})
    assert "energy" in text
    assert "coverage" in text


def test_a_metric_says_what_it_must_define():
    class Empty(Metric):
        name, lower_is_better, bounds, ideal = "empty", True, (0.0, 1.0), 0.0

    with pytest.raises(NotImplementedError):
        Empty().score(pair(normal(0, 9), normal(1, 9)))
