"""The report is complete, safe to open, the same every time, and says what is missing."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import gensynth
from gensynth.data.image import ImageCodec, first_tiles
from gensynth.evaluation.fidelity.faults import EXPLAINS
from gensynth.evaluation.parts import Verdict
from gensynth.report.charts import Interval, change_chart, curve_chart, interval_chart, reliability_chart, ticks
from gensynth.report.content import Report
from gensynth.report.figures import TILE_SIZES_PX, Pictures, curves_view, lapse_view, shrink, tile_limit_px
from gensynth.report.head import advice, verdict_view, why
from gensynth.report.notices import RANKS, ranked
from gensynth.report.numbers import goodness, number, score
from gensynth.report.page import columns_view, page_view
from gensynth.report.report import render_html, write_report
from gensynth.report.samples import wall_pictures
from gensynth.types import LabelledData, Schema

NASTY = "<script>alert(1)</script>"
NOTHING = Pictures()


def page(facts: dict, pictures: Pictures = NOTHING) -> str:
    return render_html(Report.from_json(facts), pictures)


def utility() -> list[dict]:
    means = {"real_only": 0.8012, "smote": 0.8371, "cvae": 0.8534}
    return [
        {
            "arm": arm,
            "learner": classifier,
            "metric": metric,
            "mean": mean + shift,
            "low": mean + shift - 0.0113,
            "high": mean + shift + 0.0127,
            "seeds": 5,
        }
        for arm, mean in means.items()
        for classifier, offset in (("logistic", 0.0), ("mlp", 0.0231))
        for metric, shift in (("balanced_accuracy", offset), ("worst_class_recall", offset - 0.1009))
    ]


def facts() -> dict:
    entry = {"value": 12.34567, "n_real": 50, "n_synthetic": 60, "floor": 2.0, "ceiling": 42.0, "low": 11, "high": 13.5}
    entry |= {"better": "lower"}
    counts = {"before": 9, "after": 20, "real": 9, "augmented": 1, "synthetic": 10}
    return {
        "verdict": {"answer": "helps", "candidate": "", "use": "", "sentence": "Use the rows.", "details": []},
        "utility": utility(),
        "utility_per_class": {"real_only": {NASTY: 0.41, "b": 0.91}, "cvae": {NASTY: 0.55, "b": 0.9}},
        "fidelity": {"pixels": {"fid": entry, "coverage": {"value": None, "reason": "not defined: too few rows"}}},
        "per_class": {
            NASTY: {"fid": entry | {"space": "pixels"}},
            "b": {"fid": {"value": None, "reason": "not defined: no rows"}},
        },
        "faults": [{"code": "mode_drop", "set": "cvae", "class": NASTY, "text": "a mode is missing"}],
        "privacy": {
            "membership": [
                {
                    "attack": "density_ratio",
                    "release": "rows",
                    "auc": {"value": 0.517, "low": 0.46, "high": 0.57, "n_members": 80},
                    "tpr": {},
                    "control": {},
                }
            ]
        },
        "data": {
            "name": "flowers",
            "recognised": ["40 images"],
            "advice": ["Balance class b."],
            "classes": dict.fromkeys((NASTY, "b"), counts),
        },
        "timing": {"train": 61.25},
        "provenance": {"seed": 0, "source_sha256": "a" * 64},
        "warnings": [{"code": "small_class", "text": f"{NASTY} has 9 rows"}],
        "filters": {NASTY: {"asked": 10, "accepted": 10, "drawn": 13, "rejected_label": 3}},
    }


def pictures(names: tuple[str, ...] = (NASTY, "b"), shape: tuple[int, ...] = (1, 8, 8)) -> Pictures:
    noise = np.random.default_rng(0)
    tiles = {name: noise.integers(0, 256, (16, *shape), dtype=np.uint8) for name in names}
    seen = np.arange(50) * 128
    return Pictures(
        walls={name: (x, 255 - x) for name, x in tiles.items()},
        nearest={name: (x, 255 - x, np.linspace(5, 1, len(x))) for name, x in tiles.items()},
        curves={"loss_recon": (seen, np.exp(-seen / 1000.0))},
    )


class Page(HTMLParser):
    """Tags, attributes and text as a browser reads them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_class_name_stays_text() -> None:
    seen = Page(page(facts(), pictures()))
    assert sum(tag == "script" for tag, _ in seen.tags) == 1
    assert NASTY in seen.texts
    assert not any("alert" in (value or "") for tag, attrs in seen.tags for value in attrs.values() if tag != "img")


def charts_of(text: str) -> list[str]:
    return re.findall(r"<svg class=.chart.*?</svg>", text, re.DOTALL)


def test_the_page_and_its_charts_fetch_nothing() -> None:
    text = page(facts(), pictures())
    sources = [v for _, attrs in Page(text).tags for k, v in attrs.items() if k in ("src", "href", "srcset", "action")]
    assert sources
    assert all(value.startswith(("data:image/", "#")) for value in sources)
    charts = charts_of(text)
    assert len(charts) == 2 * 3 + 1  # all but the training curve are drawn for a phone too
    for part in (text, *charts):
        assert not re.search(r"url\(\s*['\"]?(?!#)", part)
        assert "@import" not in part
        assert not re.search(r"(src|href)\s*=\s*['\"]\s*(https?:)?//", part)
    for chart in charts:
        assert "<metadata" not in chart
        assert "<!DOCTYPE" not in chart
    assert NASTY not in "".join(charts)


def test_the_card_shows_the_arm_of_the_verdict_not_the_best_on_test_rows() -> None:
    rows = [
        {"arm": arm, "learner": "l", "metric": "balanced_accuracy", "mean": mean, "low": mean, "high": mean}
        for arm, mean in (("real_only", 0.5), ("cvae", 0.6), ("cgan", 0.7))
    ]
    verdict = Verdict("helps", "cvae", "cvae", "s")
    assert [row.label for _, row in verdict_view(verdict, rows)["cards"]] == ["cvae", "real_only"]


def test_links_within_the_page_lead_somewhere() -> None:
    tags = Page(page(facts(), pictures())).tags
    ids = {attrs["id"] for _, attrs in tags if "id" in attrs}
    assert {str(attrs["href"])[1:] for tag, attrs in tags if tag == "a"} <= ids


def test_sections_come_in_the_order_a_person_asks() -> None:
    seen = Page(page(facts(), pictures()))
    open_, folded = (
        [attrs["id"] for tag, attrs in seen.tags if tag in tags and "id" in attrs]
        for tags in (("section", "header"), ("details",))
    )
    assert open_ == ["verdict", "samples", "warnings", "each", "trust"]
    assert folded[:3] == ["counts", "utility", "nearest"]
    assert set(folded[3:]) == {
        "classes",
        "fidelity",
        "privacy",
        "bias",
        "integrity",
        "filters",
        "training",
        "data",
        "timing",
        "provenance",
    }
    assert not any("open" in attrs for tag, attrs in seen.tags if tag == "details")


def test_each_class_says_what_is_wrong_or_that_nothing_was_tested() -> None:
    told = facts()
    told["faults"] = [{"code": "mode_drop", "set": "s", "class": "a", "text": "misses half"}]
    told["data"]["classes"] = {
        name: {"train": 5, "real": 5, "synthetic": 7, "augmented": 0} for name in ("a", "b", "c")
    }
    told["data"]["classes"]["d"] = {"train": 9, "real": 9, "synthetic": 0, "augmented": 0}
    told["per_class"] = {"b": {"fid[x]": {"value": 1.0}}, "c": {"fid[x]": {"value": None, "reason": "not defined"}}}
    told["untested"] = {"c": "not tested: labels (3 synthetic and 5 real rows)"}
    lines = {line["name"]: line for line in page_view(Report.from_json(told), NOTHING)["each"]}
    assert lines["a"]["faults"] == ["misses half", "not tested"]
    assert lines["b"]["faults"] == []
    assert lines["c"]["faults"] == ["not tested: labels (3 synthetic and 5 real rows)"]
    assert lines["d"]["faults"] == ["nothing added"]
    assert (lines["a"]["real"], lines["a"]["added"]) == (5, 7)


def test_json_and_page_hold_the_same_numbers(tmp_path: Path) -> None:
    html = write_report(tmp_path, Report.from_json(facts()), pictures())
    assert html == tmp_path / "report.html"
    saved = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    ranked = [{**line, "rank": "careful"} for line in facts()["warnings"]]
    assert {name: saved[name] for name in facts()} == facts() | {"warnings": ranked}
    text = html.read_text(encoding="utf-8")
    cells = set(re.findall(r"<td[^>]*>([^<]*)<", text)) | set(re.findall(r"<small>([^<]*)<", text))
    for row in saved["utility"]:
        assert number(row["mean"]) in cells
        assert f"{number(row['low'])} to {number(row['high'])}" in cells
        assert f'data-sort="{row["mean"]!r}"' in text
        assert str(row["seeds"]) in cells


def test_equal_input_gives_equal_bytes() -> None:
    assert page(facts(), pictures()) == page(facts(), pictures())


@pytest.mark.parametrize(
    ("bad", "error"), [(float("nan"), ValueError), (float("inf"), ValueError), (Path("/"), TypeError)]
)
def test_what_is_no_plain_finite_value_is_refused_and_nothing_is_written(bad, error, tmp_path: Path) -> None:
    wrong = facts()
    wrong["fidelity"]["pixels"]["fid"]["value"] = bad
    with pytest.raises(error):
        write_report(tmp_path, Report.from_json(wrong), NOTHING)
    assert not list(tmp_path.iterdir())


def test_an_empty_report_says_not_run_everywhere() -> None:
    text = page({})
    form = r'<(section|details class="part") id="(\w+)">(.*?)</(?:section|details)>'
    sections = [found[1:] for found in re.findall(form, text, re.DOTALL)]
    assert len(sections) == 17
    for name, body in sections:
        assert ("None." if name == "warnings" else "ot run") in body, name
    assert '<span class="tag not_run">not run</span>' in text


def test_reasons_are_shown() -> None:
    text = page(facts())
    assert "not defined: too few rows" in text
    assert "not defined: no rows" in text


@pytest.mark.parametrize("missing", list(facts()))
def test_any_section_may_be_missing(missing: str) -> None:
    assert "</html>" in page({key: value for key, value in facts().items() if key != missing})


def test_a_report_that_was_written_is_read_again_as_it_was() -> None:
    several = facts() | {"sets": {"cvae": {"fidelity": facts()["fidelity"], "privacy": facts()["privacy"]}}}
    for written in (facts(), several):
        again = Report.from_json(written).to_json()
        assert Report.from_json(again).to_json() == again
        assert written["utility"] == again["utility"]
        assert written["data"] == again["data"]


def test_the_best_simple_arm_is_marked_for_every_learner() -> None:
    rows = re.findall(r"<td><abbr[^>]*>(\w+)</abbr><span class=\"mark\">best simple way", page(facts()))
    assert rows == ["SMOTE", "SMOTE"]


def test_ten_classes_of_colour_noise_stay_below_three_megabytes() -> None:
    names = tuple(f"class {i}" for i in range(10))
    many = pictures(names, (3, 96, 96))
    assert tile_limit_px(many) < max(TILE_SIZES_PX)
    assert len(page(facts(), many).encode()) < 3_000_000


def test_a_failing_page_leaves_the_old_report(tmp_path: Path) -> None:
    write_report(tmp_path, Report.from_json(facts()), NOTHING)
    old = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    broken = Pictures({"b": (np.zeros((2, 8), np.uint8), np.zeros((2, 8), np.uint8))}, {}, {})
    with pytest.raises((ValueError, IndexError)):
        write_report(tmp_path, Report.from_json({"verdict": {"answer": "hurts"}}), broken)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == old


def test_a_failing_disk_leaves_no_half_written_file(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OSError, match="report"):
        write_report(tmp_path, Report.from_json(facts()), NOTHING)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_small_tiles_keep_their_pixels() -> None:
    shown = pictures(("b",))
    text = page({}, shown)
    found = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", text)
    images = [np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("L")) for png in found]
    assert len(images) == 2 + 2 * 8
    (real, synthetic), scale = shown.walls["b"], 7
    np.testing.assert_array_equal(images[0][: 8 * scale : scale, : 8 * scale : scale], synthetic[0, 0])
    np.testing.assert_array_equal(images[0][-8 * scale :: scale, : 8 * scale : scale], real[0, 0])
    closest_first = shown.nearest["b"][0][-1, 0]
    np.testing.assert_array_equal(images[2], closest_first)


def test_shrink_averages_blocks() -> None:
    x = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4)
    np.testing.assert_array_equal(shrink(x, 2)[0, 0], [[2, 4], [10, 12]])
    assert shrink(np.zeros((1, 3, 500, 1), np.uint8), 96).shape == (1, 3, 83, 1)


def test_the_bar_is_full_at_the_better_end() -> None:
    assert score("a", {"value": 2.0, "floor": 2.0, "ceiling": 42.0}, lower=True).bar == 100
    assert score("a", {"value": 0.5, "floor": 0.0, "ceiling": 1.0}, lower=False).bar == 50
    assert score("a", {"value": 1.5, "floor": 0.0, "ceiling": 1.0}, lower=False).bar == 100
    assert score("a", {"value": 0.2, "floor": 0.0, "ceiling": 1.0, "better": "lower"}, lower=False).bar == 80
    assert goodness(1.0, 1.0, 1.0, lower_is_better=False) is None


def test_a_score_without_interval_floor_or_z_shows_what_there_is() -> None:
    row = score("a", {"value": 0.5, "low": None, "high": None, "floor": None, "ceiling": 1.0, "z": None}, lower=False)
    assert (row.value, row.interval, row.floor, row.against, row.bar) == ("0.500", "", "", "", None)


def test_curves_of_single_classes_and_dimensions_are_left_to_the_dashboard() -> None:
    curve = (np.array([1, 2]), np.array([0.5, 0.6]))
    names = ("coverage/rare", "variety/rare", "kl/07", "val/coverage_worst", "loss_kl")
    shown = [name for name, _ in curves_view(Pictures(curves={name: curve for name in names}))]
    assert shown == ["val/coverage_worst", "loss_kl"]


def test_the_time_lapse_shows_the_first_tile_of_every_class_from_first_to_last() -> None:
    early, late = (np.full((2, 3, 4, 4), value, np.uint8) for value in (10, 200))
    late[1] = 90
    codec = ImageCodec(4, 4, 1, 2)
    sheet = codec.picture(torch.stack([torch.full((8, 1, 4, 4), -1.0), torch.full((8, 1, 4, 4), 1.0)]))
    tiles = first_tiles(np.asarray(Image.open(io.BytesIO(sheet))), 4, 4)
    assert tiles.shape == (2, 3, 4, 4)
    assert (tiles[0] == 0).all()
    assert (tiles[1] == 255).all()
    picture, seen = lapse_view(Pictures(lapse={2000: late, 1000: early}), 64)
    assert seen == "1,000, 2,000"
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.uri.split(",", 1)[1]))).convert("L"))
    assert pixels[0, 0] == 10
    assert pixels[0, -1] == 200
    assert pixels[-1, -1] == 90
    assert lapse_view(NOTHING, 64) is None


def test_curves_skip_what_is_not_finite_and_names_in_any_script() -> None:
    assert curve_chart("x", np.arange(3), np.full(3, np.nan)) is None
    assert curve_chart("x", np.arange(3), np.array([1.0, np.inf, 2.0])) is not None
    classes = {"萼片 $x_1$": {"before": 1, "after": 2, "real": 1, "augmented": 0, "synthetic": 1}}
    charts = charts_of(page({"data": {"classes": classes}}))
    assert "萼片 $x_1$" in charts[0]


def shapes(chart: str, tag: str) -> list[dict[str, str]]:
    return [dict(re.findall(r'([\w-]+)="([^"]*)"', one)) for one in re.findall(rf"<{tag} ([^>]*)>", chart)]


def test_marks_of_a_chart_stand_where_their_numbers_are_and_say_them() -> None:
    rows = [Interval("a <b>", 0.5, 0.4, 0.6, True), Interval("c", 0.8, 0.7, 0.9, False)]
    chart = interval_chart(rows, "recall").svg
    first, second = (float(dot["cx"]) for dot in shapes(chart, "circle"))
    bars = [one for one in shapes(chart, "line") if "interval" in one["class"]]
    px = (second - first) / 0.3
    for bar, row in zip(bars, rows, strict=True):
        assert float(bar["x2"]) - float(bar["x1"]) == pytest.approx(0.2 * px, abs=0.3), row
    assert "<title>a &lt;b&gt;: 0.500 (0.400 to 0.600)</title>" in chart
    assert ticks(0.37, 0.93) == [0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def test_a_curve_of_one_point_and_bins_of_few_rows_are_no_chart() -> None:
    assert curve_chart("x", np.arange(2), np.array([1.0, np.nan])) is None
    few = {"a": [{"score": 0.1 * i, "share": 0.1 * i, "n": 9} for i in range(8)]}
    assert reliability_chart(few, "rare") is None
    many = {"a": [{"score": 0.1 * i, "share": 0.1 * i, "n": 10} for i in range(8)]}
    picture = reliability_chart(many, "rare")
    assert picture is not None
    assert len(shapes(picture.svg, "circle")) == 8


def test_a_class_line_speaks_of_the_set_it_shows() -> None:
    """Of several sets the page shows the first: what is wrong with another stands in that one's own line."""
    fault = {"code": "mode_drop", "set": "worse", "class": "a", "text": "misses half"}
    scored = {"a": {"fid[x]": {"value": 1.0}}}
    told = facts() | {
        "sets": {"good": {"per_class": scored}, "worse": {"per_class": scored, "faults": [fault]}},
    }
    told["data"]["classes"] = {"a": {"train": 5, "real": 5, "synthetic": 7, "augmented": 0}}
    (line,) = page_view(Report.from_json(told), NOTHING)["each"]
    assert line["faults"] == []


def test_warnings_come_worst_first_each_with_what_to_do() -> None:
    given = [
        {"code": "licence_missing", "text": "no licence"},
        {"code": "never_heard_of", "text": "odd"},
        {"code": "mode_drop", "set": "s", "class": "b", "text": "a mode is missing"},
        {"code": "never_heard_of", "set": "s", "class": "b", "text": "odd too"},
        {"code": "memoriser", "set": "s", "class": "", "text": "copies"},
    ]
    lines = ranked(given)
    assert [(line["code"], line["rank"]) for line in lines] == [
        ("memoriser", "stop"),
        ("mode_drop", "careful"),
        ("never_heard_of", "careful"),
        ("licence_missing", "note"),
        ("never_heard_of", "note"),
    ]
    text = page(facts() | {"warnings": given})
    order = [text.index(f'<span class="rank">{rank}</span>') for rank in RANKS]
    assert order == sorted(order)
    for line in lines:
        if line["code"] != "never_heard_of":
            assert line["action"].endswith(".")
            assert line["action"].replace("'", "&#39;") in text


def test_every_fault_and_warning_of_the_package_has_a_rank_and_an_action() -> None:
    source = "\n".join(path.read_text("utf-8") for path in Path(gensynth.__file__).parent.rglob("*.py"))
    codes = set(re.findall(r'"code": "(\w+)"', source)) | {"memoriser", "label_swap", "noise", "mode_drop"}
    codes |= {code for pair in EXPLAINS.items() for code in (pair[0], *pair[1])}
    codes -= {"odd"}  # of a doctest
    assert len(codes) > 8
    assert not [line["code"] for line in ranked([{"code": c, "text": ""} for c in codes]) if not line["action"]]


def verdict_of(answer: str, use: str, low: float, high: float) -> Verdict:
    gain = {"against": "smote", "mean": (low + high) / 2, "low": low, "high": high, "p": 0.5}
    return Verdict(answer, "real_plus_synthetic", use, "Long. Balanced accuracy on 9 rows.", advice="A.", gain=gain)


@pytest.mark.parametrize(
    ("answer", "use", "low", "high", "does"),
    [
        ("helps", "real_plus_synthetic", 0.012, 0.05, "A."),
        ("hurts", "smote", -0.05, -0.012, "Use SMOTE. Leave the added rows out."),
        ("no_difference", "real_only", -0.004, 0.006, "Use the real rows as they are. Leave the added rows out."),
        ("cannot_tell", "real_only", -0.03, 0.02, "Use the real rows as they are for now."),
    ],
)
def test_the_head_advises_and_says_how_sure_it_is_in_two_numbers(answer, use, low, high, does) -> None:
    verdict = verdict_of(answer, use, low, high)
    assert advice(verdict) == does
    numbers = re.findall(r"[+\u2212]\d\.\d+", why(verdict))
    assert [float(n.replace("\u2212", "-")) for n in numbers] == [low, high]
    assert why(verdict).count(". ") == 0


def test_a_fault_that_forbids_what_helps_is_the_reason_that_is_given() -> None:
    verdict = replace(verdict_of("helps", "real_only", 0.01, 0.05), why="They gain, and yet: copies training rows.")
    assert why(verdict) == "They gain, and yet: copies training rows."
    assert advice(verdict).startswith("Use the real rows")


def test_a_person_reads_no_word_of_the_workshop() -> None:
    """Words of the code stay out of the page: ways to train have names, a distance to chance is a word."""
    told = facts()
    told["fidelity"]["pixels"]["fid"] |= {"z": 41.4, "expected": 1.0}
    told["utility"][0]["arm"] = "real_only"
    told["warnings"] = told["faults"] = []  # which say their codes
    texts = Page(page(told, pictures())).texts
    start, end = (
        next(i for i, text in enumerate(texts) if word in text) for word in ("report \u00b7", "beside this page")
    )
    visible = " ".join(texts[start : end + 1])
    assert "far off" in visible
    assert not re.findall(r"\b(made|judge|arms?|void|learner|\w+_\w+)\b|z \+", visible)


def test_every_number_is_explained_with_range_direction_floor_and_ceiling() -> None:
    tags = Page(page(facts())).tags
    helps = [str(attrs["data-help"]) for tag, attrs in tags if tag == "abbr"]
    assert all(attrs.get("tabindex") == "0" for tag, attrs in tags if tag == "abbr")
    fid = [text for text in helps if text.startswith("Distance between means")]
    assert any("ower is better; no resemblance: 2.00; real training rows: 42.0" in text for text in fid)
    assert any("Range 0 to 1; higher is better" in text for text in helps)


def test_arms_say_their_steps_and_seconds() -> None:
    told = facts()
    for row in told["utility"]:
        row["steps"] = 1500
    told["timing"]["arms"] = {"real_only": 12.5}
    told["provenance"] |= {"evaluate": "full", "folds": 5}
    view = page_view(Report.from_json(told), NOTHING)
    first, second = view["utility"]
    assert [line["effort"] for line in first["rows"]][:2] == [["5", "1500", "12.5"], ["5", "1500", "–"]]
    assert second["rows"][0]["effort"] == ["5", "1500", "–"]  # seconds are those of the first classifier
    assert [row.label for row in view["timing"]] == ["train"]
    text = page(told)
    assert "evaluate=full" in text
    assert "held out once, in 5 folds" in text


def test_synthetic_pictures_stand_above_the_nearest_real_row() -> None:
    x = np.array([0, 100, 200, 90, 210, 10], np.uint8).reshape(6, 1, 1, 1).repeat(4, 2).repeat(4, 3)
    schema = Schema("image", ("a",), {"height": 4, "width": 4, "channels": 1})
    origin = np.array(["real"] * 3 + ["synthetic"] * 3)
    rows = LabelledData(x, np.zeros(6, int), schema, np.arange(6).astype(str), origin, np.full(6, ""), {})
    real, synthetic = wall_pictures(rows[:3], rows[3:], np.array([0.1, 0.3, 0.2]))["a"]
    assert synthetic[:, 0, 0, 0].tolist() == [210, 10, 90]  # most realistic first
    assert real[:, 0, 0, 0].tolist() == [200, 0, 100]


def test_of_columns_the_least_and_the_most_alike_are_open() -> None:
    flat = np.full(2, 0.5)
    columns = {name: (["x", "y"], flat, flat + np.array([d, -d])) for name, d in (("a", 0.1), ("b", 0.4), ("c", 0.0))}
    view = columns_view(Pictures(columns=columns))
    assert [(note, name) for note, name, _ in view["shown"]] == [("least alike", "b"), ("most alike", "c")]
    assert [name for _, name, _ in view["rest"]] == ["a"]


def test_a_change_is_drawn_on_one_scale_with_both_ends_named() -> None:
    before, after = np.array([[0.5, 0.5], [0.2, 0.8]]), np.array([[0.9, 0.1], [0.4, 0.6]])
    chart = change_chart(["a", "b"], before, after).svg
    cells = [one for one in shapes(chart, "rect") if float(one["width"]) > 20]
    assert [one["class"] for one in cells] == ["up", "up", "down", "down"]
    opacity = [float(one["fill-opacity"]) for one in cells]
    assert opacity[0] == opacity[1] == 0.75
    assert opacity[2] == pytest.approx(0.75 / 2, abs=0.01)
    assert "40 points worse" in chart
    assert "40 better" in chart


def test_a_reliability_curve_of_two_points_is_no_curve_and_bands_are_wilson_intervals() -> None:
    points = [{"score": 0.1 * i, "share": 0.1 * i, "n": 40} for i in (1, 3, 8)]
    assert reliability_chart({"a": points[:2]}, "rare") is None
    picture = reliability_chart({"a": points}, "rare")
    assert picture is not None
    (band,) = shapes(picture.svg, "polygon")
    corners = [tuple(map(float, corner.split(","))) for corner in band["points"].split()]
    dots = [(float(one["cx"]), float(one["cy"])) for one in shapes(picture.svg, "circle")]
    assert [x for x, _ in corners] == [x for x, _ in dots] + [x for x, _ in dots[::-1]]
    for (_, high), (_, y), (_, low) in zip(corners[:3], dots, corners[:2:-1], strict=True):
        assert high < y < low  # pixels count from the top
