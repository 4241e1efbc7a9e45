"""Who is in the data and whom synthetic rows serve: formulas against closed forms, loops and fairlearn; the gate."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, recall_score

from gensynth.data.table_source import read_frame
from gensynth.errors import UsageError
from gensynth.evaluation.assessment import BiasLimits
from gensynth.evaluation.bias.bias import COLLECT, audit, before_and_after, impacts, information
from gensynth.evaluation.bias.cell_scores import Side, cell_copies, cell_coverage
from gensynth.evaluation.bias.gate import gate
from gensynth.evaluation.bias.group_recall import LEAST_ROWS, group_recall, recalls
from gensynth.evaluation.bias.groups import groupings, table_groups
from gensynth.evaluation.bias.slices import MOST_SLICES, find_slices
from gensynth.evaluation.utility.utility import summarise
from gensynth.types import AUGMENTED, REAL, SYNTHETIC, LabelledData, Schema

CLASSES = ("no", "yes")
ARMS = ("real_only", "real_plus_synthetic")


def people(n=3000, seed=0):
    """Labels, group columns and origins that depend on each other."""
    order = np.random.default_rng(seed)
    sex, race = order.choice(["f", "m"], n, p=[0.3, 0.7]), order.choice(["a", "b", "c"], n, p=[0.8, 0.17, 0.03])
    y = (order.random(n) < 0.2 + 0.2 * (sex == "m") - 0.1 * (race == "b")).astype(np.int64)
    origin = order.choice([REAL, AUGMENTED, SYNTHETIC], n, p=[0.6, 0.1, 0.3])
    return y, {"sex": sex, "race": race}, origin


def rows_of(y, groups, origin=REAL, classes=CLASSES):
    data = LabelledData.of_real(np.zeros((len(y), 1)), y, Schema("table", classes))
    return replace(data, groups=groups, origin=np.full(len(y), origin))


def simulated(y, chance, seeds=4):
    """A result in which each arm is right with the chance (N,) that `chance` names for it."""
    luck = np.random.default_rng(1).random((seeds, len(y)))
    predictions = {(arm, "boosting"): np.where(luck < one, y, 1 - y) for arm, one in zip(ARMS, chance, strict=True)}
    return summarise(predictions, y, CLASSES, tuple(range(seeds)), dict.fromkeys(ARMS, 1))


class TestAudit:
    def test_every_cell_is_what_a_loop_over_the_rows_counts(self):
        y, groups, origin = people()
        found = audit(y, groups, origin, CLASSES)
        cuts = {
            "sex": groups["sex"],
            "race": groups["race"],
            "sex x race": np.array([f"{s} & {r}" for s, r in zip(groups["sex"], groups["race"], strict=True)]),
        }
        assert list(found["tables"]) == list(cuts)
        for cut, cells in cuts.items():
            split_data = found["tables"][cut]["cells"]
            assert len(split_data) == 2 * len(set(cells.tolist()))
            for cell in split_data:
                in_class, in_group = y == CLASSES.index(cell["class"]), cells == cell["group"]
                mine = in_class & in_group
                assert (cell["n"], cell["n_real"]) == (mine.sum(), (mine & (origin == REAL)).sum())
                assert cell["n_augmented"] == (mine & (origin == AUGMENTED)).sum()
                assert cell["share_made"] == pytest.approx((origin[mine] != REAL).mean())
                assert cell["share_of_class"]["value"] == pytest.approx(in_group[in_class].mean())
                assert cell["share_of_all"] == pytest.approx(mine.mean())
                assert cell["expected"] == pytest.approx(in_class.mean() * in_group.mean() * len(y))
                assert cell["ratio"] == pytest.approx(in_group[in_class].mean() / in_group.mean())
        json.dumps(found, allow_nan=False)

    def test_cells_with_few_real_rows_say_what_to_do(self):
        y, groups, origin = people()
        found = audit(y, groups, origin, CLASSES)
        few = {(c["class"], c["group"]) for c in found["tables"]["sex x race"]["cells"] if c["n_real"] < 30}
        assert few
        assert few == {(c["class"], c["group"]) for c in found["collect"] if c["table"] == "sex x race"}
        assert all(COLLECT in one["text"] and str(one["n_real"]) in one["text"] for one in found["collect"])

    def test_the_order_of_rows_does_not_matter(self):
        y, groups, origin = people()
        order = np.random.default_rng(3).permutation(len(y))
        assert audit(y, groups, origin, CLASSES) == audit(
            y[order], {name: cells[order] for name, cells in groups.items()}, origin[order], CLASSES
        )

    def test_a_group_that_all_rows_share_tells_nothing(self):
        y, _, origin = people(200)
        table = audit(y, {"site": np.full(len(y), "here")}, origin, CLASSES)["tables"]["site"]
        assert all(cell["ratio"] == 1 and cell["expected"] == cell["n"] for cell in table["cells"])
        for entry in (table["information"], table["disparate_impact"], table["parity_difference"]):
            assert entry["value"] is None
            assert "one group only" in entry["reason"]

    def test_one_class_has_no_information_and_no_nan(self):
        _, groups, origin = people(200)
        found = audit(np.zeros(200, int), groups, origin, CLASSES)
        table = found["tables"]["sex"]
        assert table["information"]["reason"] == "not defined: one class only"
        assert all(cell["ratio"] is None and cell["n"] == 0 for cell in table["cells"] if cell["class"] == "yes")
        json.dumps(found, allow_nan=False)

    def test_the_rarer_of_two_real_classes_is_favourable_or_the_named_one(self):
        y, groups, origin = people()
        assert audit(y, groups, origin, CLASSES)["favourable"] == "yes"
        assert audit(y, groups, origin, CLASSES, "no")["favourable"] == "no"
        three = audit(y, groups, origin, ("no", "yes", "maybe"))["tables"]["sex"]["disparate_impact"]
        assert three["value"] is None
        assert "bias.favourable=" in three["reason"]
        with pytest.raises(UsageError, match='no class "yess"; did you mean "yes"'):
            audit(y, groups, origin, CLASSES, "yess")

    def test_a_column_of_numbers_is_refused_and_wide_combinations_are_named(self):
        with pytest.raises(UsageError, match='column "age" has 51 values'):
            groupings({"age": np.arange(51).astype(str)})
        square = {name: np.tile(np.arange(50), 50).astype(str) for name in "ab"}
        square["b"] = np.sort(square["b"])
        cuts, left_out = groupings(square)
        assert list(cuts) == ["a", "b"]
        assert "2500 combinations" in left_out["a x b"]

    def test_three_columns_give_pairs_and_all_together(self):
        columns = {name: np.array([f"{name}0", f"{name}1"]) for name in "abc"}
        assert list(groupings(columns)[0]) == ["a", "b", "c", "a x b", "a x c", "b x c", "a x b x c"]

    def test_groups_of_made_table_rows_are_read_from_their_cells(self):
        frame = pd.DataFrame(
            {"sex": ["f", "m", "f", "m"] * 5, "age": ["1", "2", "3", "4"] * 5, "label": ["a", "b"] * 10}
        )
        data = read_frame(frame).data
        found = table_groups(data[np.array([1, 2])], ["sex", "age"])
        assert found["sex"].tolist() == ["m", "f"]
        assert found["age"].tolist() == ["2", "3"]
        with pytest.raises(UsageError, match='"sexx" is not modelled; did you mean "sex"'):
            table_groups(data, ["sexx"])


class TestImpact:
    def test_equal_rates_still_have_an_interval(self):
        y, sex = np.repeat([1, 0, 1, 0], [50, 50, 100, 100]), np.repeat(["f", "m"], [100, 200])
        found = audit(y, {"sex": sex}, np.full(300, REAL), CLASSES)["tables"]["sex"]["disparate_impact"]
        assert (found["group"], found["reference"], found["value"]) == ("f", "m", 1.0)
        assert found["low"] < 0.9
        assert found["high"] > 1.1

    def test_ratio_and_interval_have_their_closed_form(self):
        y = np.repeat([1, 0, 1, 0], [12, 88, 60, 140])
        sex = np.repeat(["f", "m"], [100, 200])
        table = audit(y, {"sex": sex}, np.full(300, REAL), CLASSES)["tables"]["sex"]
        found, reach = table["disparate_impact"], 1.959964 * np.sqrt(1 / 12 - 1 / 100 + 1 / 60 - 1 / 200)
        assert (found["group"], found["reference"], found["line"]) == ("f", "m", 0.8)
        assert found["value"] == pytest.approx(0.4)
        assert [found["low"], found["high"]] == pytest.approx([0.4 * np.exp(-reach), 0.4 * np.exp(reach)])
        assert table["groups"]["m"]["impact"]["value"] == 1.0
        assert table["groups"]["f"]["base_rates"]["yes"]["value"] == pytest.approx(0.12)

    def test_the_interval_holds_the_truth_as_often_as_it_says(self):
        order = np.random.default_rng(0)
        hits, inside = order.binomial([[150], [300]], [[0.2], [0.3]], (2, 600)), 0
        for a, b in hits.T:
            found = impacts(np.array([[a, b], [150 - a, 300 - b]]), ["f", "m"], ("yes", "no"), "yes")["f"]
            inside += found["low"] <= 0.2 / 0.3 <= found["high"]
        assert 0.93 <= inside / 600 <= 0.97

    @pytest.mark.parametrize(("hits", "who"), [((0, 20), "f"), ((5, 0), "m")])
    def test_no_favourable_row_is_not_a_number(self, hits, who):
        y = np.repeat([1, 0, 1, 0], [hits[0], 10 - hits[0], hits[1], 40 - hits[1]])
        table = audit(y, {"sex": np.repeat(["f", "m"], [10, 40])}, np.full(50, REAL), CLASSES, "yes")["tables"]["sex"]
        assert table["groups"]["f"]["impact"]["value"] is None
        assert table["groups"]["f"]["few"]
        assert table["groups"]["f"]["impact"]["reason"] == f'not defined: no row of "yes" in {who}'
        assert table["disparate_impact"]["value"] is None
        assert "f" in table["disparate_impact"]["undefined"]


class TestInformation:
    def test_equals_scikit_learn(self):
        y, groups, origin = people()
        for cut, cells in groupings(groups)[0].items():
            found = audit(y, groups, origin, CLASSES)["tables"][cut]["information"]
            wanted = normalized_mutual_info_score(y, cells, average_method="geometric")
            assert found["value"] == pytest.approx(wanted)
            assert found["low"] <= found["value"] <= found["high"]

    def test_independent_columns_score_the_expected_bias(self):
        order = np.random.default_rng(0)
        nats = []
        for _ in range(300):
            counts = np.bincount(order.integers(0, 12, 2000), minlength=12).reshape(3, 4)
            found = information(counts)
            nats.append(found["nats"])
        assert np.mean(nats) == pytest.approx(found["nats_expected"], rel=0.1)
        assert found["nats_expected"] == 2 * 3 / 4000

    def test_a_group_that_is_the_label_says_all(self):
        assert information(np.diag([5, 7, 9]))["value"] == pytest.approx(1.0)
        assert information(np.array([[10, 20], [30, 60]]))["value"] == pytest.approx(0.0, abs=1e-9)


class TestRecall:
    def test_cells_groups_and_worst_are_what_loops_find(self):
        y, groups, _ = people()
        chance = (np.where(groups["sex"] == "f", 0.5, 0.9), np.where(groups["sex"] == "f", 0.7, 0.8))
        result = simulated(y, chance)
        found = group_recall(result, groups)
        lowest = {side: 1.0 for side in ("without", "with")}
        for cut, cells in groupings(groups)[0].items():
            for cell in found["tables"][cut]["cells"]:
                mine = (y == CLASSES.index(cell["class"])) & (cells == cell["group"])
                assert (cell["n"], cell["few"]) == (mine.sum(), mine.sum() < LEAST_ROWS)
                for arm, side in zip(ARMS, lowest, strict=True):
                    recall = np.mean([(one[mine] == y[mine]).mean() for one in result.predictions[arm, "boosting"]])
                    assert cell[side]["value"] == pytest.approx(recall)
                    assert cell[side]["low"] <= recall <= cell[side]["high"]
                    lowest[side] = lowest[side] if cell["few"] else min(lowest[side], recall)
            for group, entry in found["tables"][cut]["groups"].items():
                of = [c["with"]["value"] for c in found["tables"][cut]["cells"] if c["group"] == group]
                assert entry["with"]["value"] == pytest.approx(np.mean(of))
        assert {side: found["worst"][side]["value"] for side in lowest} == pytest.approx(lowest)
        assert found["worst"]["difference"]["value"] == pytest.approx(lowest["with"] - lowest["without"])
        json.dumps(found, allow_nan=False)

    def test_equal_predictions_differ_by_nothing(self):
        y, groups, _ = people()
        found = group_recall(simulated(y, (0.8, 0.8)), groups)
        assert found["worst"]["difference"]["value"] == 0
        assert all(c["difference"]["value"] == 0 for c in found["tables"]["sex x race"]["cells"])

    def test_a_clear_gain_of_one_group_is_seen_and_the_other_is_not(self):
        y, groups, _ = people()
        found = group_recall(simulated(y, (np.where(groups["sex"] == "f", 0.5, 0.9), 0.9)), groups)
        changes = {group: entry["difference"] for group, entry in found["tables"]["sex"]["groups"].items()}
        assert changes["f"]["low"] > 0.3
        assert changes["m"]["low"] <= 0 <= changes["m"]["high"]

    def test_test_rows_are_resampled_as_binomials_vary(self):
        y, groups = np.repeat([0, 1], 600), {"sex": np.tile(["f", "m", "m"], 400)}
        once = np.random.default_rng(0).random(1200) < 0.8
        predictions = {(arm, "boosting"): np.tile(np.where(once, y, 1 - y), (3, 1)) for arm in ARMS}
        result = summarise(predictions, y, CLASSES, (0, 1, 2), dict.fromkeys(ARMS, 1))
        found = recalls(result, groups, groupings(groups)[0], ARMS[1], ARMS[0])
        share = found.per_seed[0].mean(axis=0)
        assert found.resampled[0].std(axis=0) == pytest.approx(np.sqrt(share * (1 - share) / found.n), rel=0.1)

    def test_too_few_test_rows_have_no_worst_group(self):
        y, groups, _ = people(60)
        small = group_recall(simulated(y[:24], (0.8, 0.8)), {"sex": groups["sex"][:24]})
        assert small["worst"]["value"] is None
        assert f"no cell has {LEAST_ROWS} test rows" in small["worst"]["reason"]


class TestFairlearn:
    """The formulas against an independent package."""

    @pytest.mark.parametrize("better", ["larger", "smaller"])
    def test_base_rates_and_parity(self, better):
        metrics = pytest.importorskip("fairlearn.metrics")
        y, groups, origin = people()
        if better == "smaller":
            y = 1 - y  # the worse off are then the larger group
        table = audit(y, groups, origin, CLASSES, "yes")["tables"]["sex"]
        frame = metrics.MetricFrame(
            metrics=metrics.selection_rate, y_true=y, y_pred=y, sensitive_features=groups["sex"]
        )
        rates = {group: entry["base_rates"]["yes"]["value"] for group, entry in table["groups"].items()}
        assert rates == pytest.approx(frame.by_group.to_dict())
        requested = {"y_true": y, "y_pred": y, "sensitive_features": groups["sex"]}
        assert table["disparate_impact"]["value"] == pytest.approx(metrics.demographic_parity_ratio(**requested))
        assert table["parity_difference"]["value"] == pytest.approx(metrics.demographic_parity_difference(**requested))

    def test_recall_by_group_and_equalised_odds(self):
        metrics = pytest.importorskip("fairlearn.metrics")
        y, groups, _ = people()
        result = simulated(y, (np.where(groups["sex"] == "f", 0.6, 0.9), 0.8))
        found = group_recall(result, {"sex": groups["sex"]})["tables"]["sex"]
        once = {arm: result.predictions[arm, "boosting"] for arm in ARMS}
        frames = [
            metrics.MetricFrame(metrics=recall_score, y_true=y, y_pred=one, sensitive_features=groups["sex"]).by_group
            for one in once["real_only"]
        ]
        ours = {c["group"]: c["without"]["value"] for c in found["cells"] if c["class"] == "yes"}
        assert ours == pytest.approx(pd.concat(frames, axis=1).mean(axis=1).to_dict())
        first = summarise(
            {key: np.tile(one[:1], (3, 1)) for key, one in result.predictions.items()},
            y,
            CLASSES,
            (0, 1, 2),
            dict.fromkeys(ARMS, 1),
        )
        gap = group_recall(first, {"sex": groups["sex"]})["tables"]["sex"]["gap"]["without"]["value"]
        wanted = metrics.equalized_odds_difference(y, once["real_only"][0], sensitive_features=groups["sex"])
        assert gap == pytest.approx(wanted)


class TestGate:
    @staticmethod
    def audits(added_groups):
        """Audits before and after adding rows of the rare class; of its 100 real rows 20 are of the small group."""
        y, sex = (
            np.repeat([0, 1], [500, 100]),
            np.concatenate([np.tile(["f", "m"], 250), np.repeat(["f", "m"], [20, 80])]),
        )
        train = rows_of(y, {"sex": sex})
        synthetic = rows_of(np.ones(len(added_groups), int), {"sex": np.array(added_groups)}, SYNTHETIC)
        return before_and_after(train, LabelledData.concat([train, synthetic]), ["sex"])

    @pytest.mark.parametrize(
        ("women", "men", "passed"), [(20, 80, True), (16, 84, True), (15, 85, False), (0, 100, False), (60, 40, True)]
    )
    def test_the_share_of_the_smallest_cell_may_fall_by_a_tenth_of_itself(self, women, men, passed):
        both = self.audits(["f"] * women + ["m"] * men)
        found = gate(*both, {"reason": "not run"}, BiasLimits())
        assert found["passed"] is passed
        assert not found["accepted"]
        assert found["notes"] == ["worst-group recall with and without synthetic rows is not run"]
        if not passed:
            fall = 1 - (20 + women) / 200 / 0.2
            assert '"yes" of f with 20 real rows, is 20.00% of its class' in found["reasons"][0]
            assert f"a fall by {fall:.0%} of itself" in found["reasons"][0]

    def test_an_intersection_can_refuse_where_no_single_column_does(self):
        y = np.repeat([0, 1], [400, 100])
        sex, race = np.tile(["f", "m"], 250), np.tile(["a", "a", "b", "b"], 125)
        train = rows_of(y, {"sex": sex, "race": race})
        synthetic = rows_of(
            np.ones(100, int), {"sex": np.tile(["f", "m"], 50), "race": np.tile(["a", "b"], 50)}, SYNTHETIC
        )
        both = before_and_after(train, LabelledData.concat([train, synthetic]), ["sex", "race"])
        reasons = gate(*both, {}, BiasLimits())["reasons"]
        assert len(reasons) == 1
        assert reasons[0].startswith("sex x race: ")

    def test_no_audit_is_refused_and_a_person_may_accept(self):
        found = gate({}, {}, {}, BiasLimits())
        assert not found["passed"]
        assert "audit has not run" in found["reasons"][0]
        accepted = gate({}, {}, {}, BiasLimits(accept=True))
        assert accepted["accepted"]
        assert not accepted["passed"]
        both = self.audits(["f", "m"] * 10)
        assert gate(*both, {}, BiasLimits(accept=True))["accepted"] is False

    @pytest.mark.parametrize(("change", "passed"), [(-0.02, True), (-0.021, False), (0.1, True)])
    def test_worst_group_recall_may_fall_by_two_points(self, change, passed):
        both = self.audits(["f", "m"] * 10)
        side = {"class": "yes", "group": "f", "n": 40}
        worst = {
            "without": side | {"value": 0.5},
            "with": side | {"value": 0.5 + change},
            "difference": {"value": change, "low": change - 0.1, "high": change + 0.1, "n": 40},
        }
        found = gate(*both, {"worst": worst}, BiasLimits())
        assert found["passed"] is passed
        if not passed:
            assert "from 0.500" in found["reasons"][0]
            assert "cannot tell it from chance" in found["reasons"][0]


class TestCells:
    def test_copies_of_each_cell_stand_beside_those_of_real_rows(self):
        synthetic = Side(np.array([True, False, True, True]), np.array([1, 1, 1, 0]), {"sex": np.array(list("ffmm"))})
        real = Side(np.array([False, True]), np.array([1, 1]), {"sex": np.array(list("ff"))})
        cells = {(c["class"], c["group"]): c for c in cell_copies(synthetic, real, CLASSES)["sex"]}
        assert set(cells) == {("yes", "f"), ("yes", "m"), ("no", "m")}
        assert (cells["yes", "f"]["value"], cells["yes", "f"]["ceiling"], cells["yes", "f"]["n"]) == (0.5, 0.5, 2)
        assert cells["yes", "m"]["value"] == 1.0
        assert cells["yes", "m"]["ceiling"] is None

    def test_coverage_sees_the_one_cell_that_is_not_made_well(self):
        order = np.random.default_rng(0)

        def side(n, shift):
            y, sex = np.repeat([0, 1], n), np.tile(["f", "m"], n)
            x = order.normal(size=(2 * n, 3)) + 9 * y[:, None] + np.where(sex == "m", 3, -3)[:, None]
            x[(y == 1) & (sex == "f")] += shift
            return Side(x, y, {"sex": sex})

        synthetic, held_out, train = side(120, 50.0), side(100, 0.0), side(200, 0.0)
        synthetic = Side(
            synthetic.values, synthetic.y, {"sex": np.where(np.arange(240) < 3, "x", synthetic.groups["sex"])}
        )
        cells = cell_coverage(
            synthetic=synthetic,
            held_out=held_out,
            train=train,
            noise=order.uniform(40, 90, (200, 3)),
            classes=CLASSES,
            seed=0,
        )["sex"]
        found = {(c["class"], c["group"]): c for c in cells}
        assert found["yes", "f"]["value"] == 0
        assert found["yes", "f"]["ceiling"] > 0.9
        assert found["yes", "m"]["low"] <= found["yes", "m"]["expected"] <= found["yes", "m"]["high"]
        assert found["yes", "m"]["floor"] == 0
        assert found["yes", "m"]["n"] == 50
        assert found["no", "x"]["reason"].startswith("not defined: n too small, 0 held-out, 3 synthetic, 0 train")
        json.dumps(cells, allow_nan=False)


class TestSlices:
    @staticmethod
    def styled(n=400, seed=0):
        """Features with a class far apart and a style nearer together, that every class has."""
        order = np.random.default_rng(seed)
        y, style = order.integers(0, 4, n), (order.random(n) < 0.3).astype(int)
        x = order.normal(size=(n, 6)) * 0.3
        x[:, 0] += 10 * y
        x[:, 1] += 3 * style
        return x, y, style

    def test_slices_are_the_style_that_classes_share_and_not_the_classes(self):
        x, y, style = self.styled()
        found = find_slices(x, y, 4, seed=0)
        names = found.assign(x, y)
        assert found.names == ["slice 1", "slice 2"]
        assert adjusted_rand_score(style, names) > 0.95
        assert adjusted_rand_score(y, names) < 0.05
        assert (names == "slice 1").mean() > 0.5
        assert found.silhouette > 0.1
        new_x, new_y, new_style = self.styled(seed=1)
        assert adjusted_rand_score(new_style, found.assign(new_x, new_y)) > 0.95

    def test_equal_seed_equal_slices_and_any_order_of_asked_rows(self):
        x, y, _ = self.styled()
        one, again = (find_slices(x, y, 4, seed=5) for _ in range(2))
        assert (one.centres == again.centres).all()
        assert 2 <= len(one.names) <= MOST_SLICES
        assert (one.assign(x, y)[::-1] == one.assign(x[::-1], y[::-1])).all()

    def test_rows_that_are_alike_are_one_slice(self):
        y = np.repeat([0, 1], 30)
        found = find_slices(np.ones((60, 3)) * y[:, None], y, 3, seed=0)
        assert found.names == ["slice 1"]
        assert found.silhouette == 0
        assert found.assign(np.zeros((2, 3)), np.array([2, 0])).tolist() == ["slice 1", "slice 1"]
