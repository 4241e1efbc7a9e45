"""The local page over all runs: what it finds, what it shows, and that it writes nothing into a run."""

from __future__ import annotations

import json
import shutil
import urllib.parse
import urllib.request

import pytest
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from gensynth.dashboard.serve import serving
from gensynth.data.image import png_bytes

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")


@pytest.fixture
def runs(tmp_path):
    import numpy as np

    for name, values in (("balance-1", (3.5, 2.5)), ("compare-1/arms/cgan", (1.5, 0.5))):
        run = tmp_path / "runs" / name / "run"
        (run / "samples").mkdir(parents=True)
        lines = ["step,train/loss_recon,coverage/rare", f"100,{values[0]},", f"200,{values[1]},0.75"]
        (run / "metrics.csv").write_text("\n".join(lines) + "\n300,9.9", encoding="utf-8")  # a line being written
        (run / "samples" / "0000000200.png").write_bytes(png_bytes(np.zeros((1, 8, 8), np.uint8)))
    (tmp_path / "runs" / "notes").mkdir()
    (tmp_path / "runs" / "notes" / "metrics.csv").write_text("not a run", encoding="utf-8")
    return tmp_path / "runs"


def ask(url: str, path: str, **query: str):
    with urllib.request.urlopen(f"{url}data/plugin/{path}?{urllib.parse.urlencode(query)}", timeout=20) as answer:
        return json.load(answer)


def test_every_run_and_value_is_shown_and_nothing_is_written_into_the_runs(runs):
    before = sorted(p.relative_to(runs) for p in runs.rglob("*"))
    with serving(runs, port=0) as url:
        assert url.startswith(("http://127.0.0.1:", "http://localhost:"))
        tags = ask(url, "scalars/tags")
        name = "compare-1/arms/cgan"
        assert set(tags) == {"balance-1", name}
        assert set(tags[name]) == {"train/loss_recon", "coverage/rare"}
        points = ask(url, "scalars/scalars", run=name, tag="train/loss_recon")
        assert [(step, value) for _, step, value in points] == [(100, 1.5), (200, 0.5)]
        pictures = ask(url, "images/images", run=name, tag="samples/all", sample="0")
        assert [entry["step"] for entry in pictures] == [200]
    assert sorted(p.relative_to(runs) for p in runs.rglob("*")) == before


def test_bad_words_are_one_line(run_cli, runs, tmp_path):
    for words, said in (
        ((tmp_path / "nowhere",), "there is no folder 'nowhere'"),
        ((runs / "notes",), "no run below 'notes'"),
        ((runs, "prot=3"), "port"),
        ((runs / "balance-1" / "run",), "no run below 'run'"),
        ((runs, "port=x"), "port must be a whole number"),
    ):
        code, _, err = run_cli("dashboard", *words)
        assert code == 2
        assert said in err
        assert err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.skipif(not (CHROMIUM and CHROMEDRIVER), reason="no Chromium with its driver on this machine")
def test_a_browser_shows_the_runs_their_curves_and_samples(runs, tmp_path):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    words = "headless no-sandbox disable-gpu no-first-run disable-background-networking window-size=1400,3000"
    for word in words.split():
        options.add_argument(f"--{word}")
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))

    def text() -> str:
        """Everything that can be read, inside components too, without spaces."""
        seen = browser.execute_script(
            "const read = n => n.nodeType == 3 ? n.data : [...(n.shadowRoot ? n.shadowRoot.childNodes : []), "
            "...n.childNodes].map(read).join(''); return read(document.body)"
        )
        return "".join(seen.split())

    try:
        with serving(runs, port=0) as url:
            browser.get(f"{url}#timeseries")
            for expected in ("balance-1", "compare-1/arms/cgan", "coverage/rare", "samples/all"):
                WebDriverWait(browser, 60).until(lambda _, word=expected: word in text())
    finally:
        browser.quit()
