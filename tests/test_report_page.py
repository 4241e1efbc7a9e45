"""The report in a browser: nothing is cut at any width, the keyboard reaches every help text, dark and paper work."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bench_report import MEASURE, OPEN_ALL, UNREACHED, WIDE, WIDTHS_PX, browser
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from test_report import facts, pictures

from gensynth.report.content import Report
from gensynth.report.report import write_report

needs_browser = pytest.mark.skipif(
    not ((shutil.which("chromium") or shutil.which("google-chrome")) and shutil.which("chromedriver")),
    reason="no Chromium with its driver on this machine",
)
pytestmark = [pytest.mark.slow, needs_browser]
NAMES = tuple(f"a class with quite a long name {i}" for i in range(4))


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    told = facts()
    told["data"]["classes"] = dict.fromkeys(NAMES, told["data"]["classes"]["b"] | {"val": 123_456, "test": 123_456})
    told["utility_per_class"] = {arm: dict.fromkeys(NAMES, 0.5) for arm in ("real_only", "cvae", "smote")}
    told["verdict"] |= {
        "candidate": "cvae",
        "gain": {"against": "smote", "mean": 0.02, "low": 0.01, "high": 0.03, "p": 0.01},
        "standing": [{"arm": arm, "mean": 0.01, "low": -0.01, "high": 0.03} for arm in ("real_only", "cvae")],
    }
    entry = {"value": 0.123456, "low": 0.1, "high": 0.2, "floor": 0.0, "ceiling": 1.0, "n_real": 99, "n_synthetic": 99}
    told["per_class"] = {name: {f"metric{i}": entry for i in range(12)} for name in NAMES}
    return write_report(tmp_path_factory.mktemp("page"), Report.from_json(told), pictures(NAMES))


@pytest.fixture(scope="module", params=WIDTHS_PX)
def opened(page, request):
    driver = browser(request.param)
    driver.get(page.resolve().as_uri())
    yield driver
    driver.quit()


def test_nothing_reaches_over_the_edge_and_nothing_scrolls_sideways(opened) -> None:
    opened.execute_script(OPEN_ALL)
    opened.execute_async_script("setTimeout(arguments[0], 50)")  # folds report that they are open a little later
    wide = opened.execute_script(WIDE)
    assert wide == {"over": [], "scrolls": [], "tables": 0}
    assert opened.execute_script(UNREACHED) == 0
    opened.refresh()


def test_the_head_and_the_samples_come_first(opened) -> None:
    seen = opened.execute_script(MEASURE)
    assert seen["samples"] < 1500
    assert seen["tables"] <= 8
    if opened.execute_script("return innerWidth") == 1280:
        assert seen["head"] < 900


def test_the_keyboard_reaches_what_a_number_is(page) -> None:
    driver = browser(1280)
    try:
        driver.get(page.resolve().as_uri())
        tip = driver.find_element(By.ID, "tip")
        assert not tip.is_displayed()
        card = driver.find_element(By.CSS_SELECTOR, ".card abbr")
        driver.execute_script("arguments[0].focus()", card)
        assert "Range 0 to 1; higher is better." in tip.text
        assert card.get_attribute("aria-describedby") == "tip"
        card.send_keys(Keys.ESCAPE)
        assert not tip.is_displayed()
        driver.execute_script("document.getElementById('utility').open = true")
        button = driver.find_element(
            By.XPATH, "//*[@id='utility']//th/button[text()='macro F1' or .='balanced accuracy']"
        )
        driver.execute_script("arguments[0].focus()", button)
        assert "share of test rows" in tip.text
        first = "return document.querySelector('#utility tbody td:first-child').textContent"
        button.send_keys(Keys.ENTER)
        assert driver.execute_script(first) == "CVAE"
        button.send_keys(Keys.ENTER)
        assert driver.execute_script(first) == "real rows only"
    finally:
        driver.quit()


def test_a_folded_row_names_its_values_and_stays_a_table_to_a_screen_reader(page) -> None:
    driver = browser(390)
    try:
        driver.get(page.resolve().as_uri())
        table = driver.find_element(By.CSS_SELECTOR, "#each table")
        assert "folded" in table.get_attribute("class")
        cell = table.find_element(By.CSS_SELECTOR, "tbody td:nth-child(2)")
        assert cell.get_attribute("data-label") == "real rows"
        assert (table.get_attribute("role"), cell.get_attribute("role")) == ("table", "cell")
    finally:
        driver.quit()


def test_the_page_is_dark_where_the_reader_wants_it_and_paper_shows_every_fold(page) -> None:
    driver = browser(1280, "dark")
    try:
        driver.get(page.resolve().as_uri())
        colour = "return getComputedStyle(document.body).backgroundColor"
        assert driver.execute_script(colour) == "rgb(20, 23, 29)"
        shut = "return document.querySelectorAll('details:not([open])').length"
        before = driver.execute_script(shut)
        driver.execute_script("dispatchEvent(new Event('beforeprint'))")
        assert driver.execute_script(shut) == 0
        driver.execute_script("dispatchEvent(new Event('afterprint'))")
        assert driver.execute_script(shut) == before > 10
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        assert driver.execute_script(colour) == "rgb(255, 255, 255)"
    finally:
        driver.quit()
