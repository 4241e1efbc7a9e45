"""The page of a review: who may ask it, what it sends, that a person at the keys can work with it."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import stripes, write_digit_folder
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from gensynth.balancing.decisions import RowName, read_answers, read_decisions
from gensynth.errors import UsageError
from gensynth.review.items import Item
from gensynth.review.page import leading_to, serving
from gensynth.review.session import Blind, BlindRow, Review, _alone
from gensynth.types import SYNTHETIC, LabelledData, Schema

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")
JSON = {"Content-Type": "application/json"}


def a_look(folder, real: LabelledData, synthetic: LabelledData) -> Review:
    """Synthetic rows in their order, beside the first real row of their class and the first of all."""
    synthetic = replace(synthetic, origin=np.full(len(synthetic), SYNTHETIC))
    firsts = [int(np.flatnonzero(real.y == label)[0]) for label in synthetic.y]
    items = [Item(i, 0.5, int(synthetic.y[i]), 1.0, 0, first, (first,)) for i, first in enumerate(firsts)]
    names = [RowName(f"band/cvae-0-{i:06d}.png") for i in range(len(synthetic))]
    return Review("a <b>run</b>", folder / "review.csv", real, synthetic, names, items)


@pytest.fixture
def look(tmp_path):
    return a_look(tmp_path, stripes(4), stripes(2, seed=1))


class Asker:
    """Requests to one served page, with whatever token and headers."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.token = parts.hostname, parts.port, parts.path.strip("/")

    def __call__(self, place, *, token=None, method="GET", body=None, headers=None):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        path = place if place.startswith("/") else f"/{self.token if token is None else token}/{place}"
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        found = answer.status, answer.headers, answer.read()
        connection.close()
        return found

    def post(self, place, facts, **headers):
        return self(place, method="POST", body=json.dumps(facts), headers=JSON | headers)


@pytest.fixture
def ask(look):
    with serving(look, 0) as url:
        yield Asker(url)


# ---- who may ask ----------------------------------------------------------------------------------


def test_without_the_token_nothing_is_answered(ask, look):
    verdict = json.dumps({"item": 0, "answer": "accept", "tab": "t"})
    near = ask.token[:-1] + ("a" if ask.token[-1] != "a" else "b")
    for token in ("", "x", near, ask.token.lower() + "A", ask.token + "x", urllib.parse.quote("é")):
        for place in ("", "state", "item/0", "row-0.png", "real-0.png"):
            assert ask(place, token=token)[0] == 403
        assert ask("verdict", token=token, method="POST", body=verdict, headers=JSON)[0] == 403
    for path in ("/", "/favicon.ico", "/state", "//", "/../etc/passwd", f"/?{ask.token}"):
        assert ask(path)[0] == 403
    assert not look.path.exists()
    assert ask("state")[0] == 200
    assert len(ask.token) >= 40


def test_a_name_that_is_not_this_machine_is_refused(ask, look):
    body = json.dumps({"item": 0, "answer": "accept", "tab": "t"})
    for host in (
        "evil.example",
        f"evil.example:{ask.port}",
        "127.0.0.1",
        f"127.0.0.1:{ask.port + 1}",
        "",
        "localhost.",
    ):
        assert ask("state", headers={"Host": host})[0] == 403
        assert ask("verdict", method="POST", body=body, headers=JSON | {"Host": host})[0] == 403
    assert not look.path.exists()
    assert ask("state", headers={"Host": f"localhost:{ask.port}"})[0] == 200


def test_a_verdict_from_another_page_is_refused(ask, look):
    verdict = {"item": 0, "answer": "accept", "tab": "t"}
    assert ask.post("verdict", verdict, Origin="http://evil.example")[0] == 403
    assert ask.post("verdict", verdict, Origin="null")[0] == 403
    assert ask.post("verdict", verdict, **{"Content-Type": "text/plain"})[0] == 403
    assert not look.path.exists()
    assert ask.post("verdict", verdict, Origin=f"http://127.0.0.1:{ask.port}")[0] == 200
    assert look.path.exists()


def test_only_reading_and_verdicts_and_no_way_out_of_the_page(ask):
    for method in ("PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"):
        assert ask("state", method=method)[0] in (501, 405)
    for place in (
        "../review.csv",
        "..%2f..%2fetc%2fpasswd",
        "row-0.png/../../x",
        "real--1.png",
        "row-9999.png",
        "row-0.wav",
        "item/-1",
        "item/99",
        "item/x",
        "review.csv",
        "row-٣.png",
    ):
        assert ask(urllib.parse.quote(place, safe="/%."))[0] == 404
    assert ask.post("state", {})[0] == 404
    assert ask("verdict")[0] == 404


def test_it_listens_on_this_machine_alone_and_a_taken_port_is_a_sentence(ask, look):
    with socket.socket() as other:
        assert other.connect_ex(("127.0.0.1", ask.port)) == 0
    with socket.socket() as other:
        assert other.connect_ex(("127.0.0.2", ask.port)) != 0  # bound to one address, not to all
    with pytest.raises(UsageError, match=f"port {ask.port} cannot be used"), serving(look, ask.port):
        pass
    with pytest.raises(UsageError, match="port 70000 cannot be used"), serving(look, 70000):
        pass


def test_what_is_sent_may_fetch_nothing_from_elsewhere(ask):
    _, headers, body = ask("")
    text, policy = body.decode(), headers["Content-Security-Policy"]
    nonces = set(re.findall(r"'nonce-([\w-]+)'", policy))
    assert len(nonces) == 1
    assert policy.startswith("default-src 'none'; img-src 'self' data:; media-src 'self'; connect-src 'self'; ")
    assert "unsafe" not in policy
    for tag in re.findall(r"<(?:script|style)[^>]*>", text):
        assert f'nonce="{next(iter(nonces))}"' in tag
    assert not re.search(r"https?://", text)
    assert "a &lt;b&gt;run&lt;/b&gt;" in text
    assert ask("")[1]["Content-Security-Policy"] != policy
    for place in ("", "state", "row-0.png", "nowhere"):
        headers = ask(place)[1]
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Python" not in headers["Server"]


def test_a_body_that_is_no_verdict_is_a_sentence(ask, look):
    assert ask.post("verdict", {"item": 0, "answer": "maybe", "tab": "t"})[0] == 400
    assert ask.post("verdict", {"item": 99, "answer": "accept", "tab": "t"})[0] == 404
    assert ask.post("verdict", {"item": "0", "answer": "accept", "tab": "t"})[0] == 404
    assert ask.post("verdict", [1])[0] == 400
    assert ask("verdict", method="POST", body=b"\xff{", headers=JSON)[0] == 400
    assert ask("verdict", method="POST", body=b"x" * 5000, headers=JSON)[0] == 413
    assert ask("verdict", method="POST", body=b"{}", headers=JSON | {"Content-Length": "-1"})[0] == 413
    assert not look.path.exists()
    look.path.write_text("row_id,verdict\nx,perhaps\n")
    status, _, body = ask.post("verdict", {"item": 0, "answer": "accept", "tab": "t"})
    assert status == 409
    assert "perhaps" in body.decode()


def test_verdicts_undo_and_items_go_over_the_wire(ask, look):
    state = json.loads(ask.post("verdict", {"item": 1, "answer": "relabel", "relabel": "band2", "tab": "t"})[2])
    assert state["items"][1] == {"label": "band0", "answer": "relabel", "relabel": "band2"}
    assert read_decisions(look.path)[look.names[1].row_id].relabel == "band2"
    assert json.loads(ask.post("undo", {"tab": "another"})[2])["undone"] is None
    assert json.loads(ask.post("undo", {"tab": "t"})[2])["undone"] == 1
    assert read_decisions(look.path) == {}
    shown = json.loads(ask("item/2")[2])
    assert (shown["label"], [b["label"] for b in shown["beside"]]) == ("band1", ["band1", "band0"])
    assert ask(shown["row"]["picture"])[2].startswith(b"\x89PNG")
    assert ask(shown["beside"][0]["picture"])[1]["Content-Type"] == "image/png"


# ---- the verb -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from gensynth.cli import main

    folder = tmp_path_factory.mktemp("review")
    images = write_digit_folder(folder / "images", {"zero": 30, "one": 22})
    words = ("sampler=image_transforms", "filter=[]", "logger=none", "utility.run=false")
    assert main(["balance", str(images), f"out={folder / 'run'}", *words]) == 0
    return folder / "run"


@pytest.mark.parametrize("blind", ["true", pytest.param("false", marks=pytest.mark.slow)])
def test_the_verb_serves_a_finished_run_until_a_signal(run, tmp_path, blind):
    out = tmp_path / "run"
    shutil.copytree(run, out)
    command = [sys.executable, "-m", "gensynth", "review", str(out), "open=false", "n=4", f"blind={blind}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        address = re.compile(r"http://127\.0\.0\.1:\d+/[\w-]+/")
        ask = Asker(next(found[0] for line in process.stderr if (found := address.search(line))))
        state = json.loads(ask("state")[2])
        status, _, _ = ask.post("verdict", {"item": 0, "answer": state["answers"][0], "tab": "t"})
        with pytest.raises(UsageError, match="looking at run already"), _alone(out):
            pass
        process.send_signal(signal.SIGINT)
        reported = process.stderr.read()
    assert (status, process.returncode) == (200, 0)
    assert f"1 of {len(state['items'])} rows looked at" in reported
    assert str(tmp_path) not in reported
    if blind == "true":
        assert len(read_answers(out / "review_blind.csv")) == 1
    else:
        (row,) = read_decisions(out / "review.csv")
        assert (out / "dataset/train" / row).is_file()
    assert {p.name for p in out.iterdir()} - {p.name for p in run.iterdir()} == {
        "review_blind.csv" if blind == "true" else "review.csv"
    }


def test_a_browser_is_started_without_the_token_on_its_command_line(run, tmp_path):
    out, seen, browser = tmp_path / "run", tmp_path / "seen", tmp_path / "browser"
    shutil.copytree(run, out)
    browser.write_text(
        f"#!{sys.executable}\n"
        "import json, os, pathlib, sys, urllib.parse\n"
        "path = pathlib.Path(urllib.parse.urlsplit(sys.argv[1]).path)\n"
        "modes = [os.stat(one).st_mode & 0o777 for one in (path, path.parent)]\n"
        f"part, seen = (pathlib.Path({str(tmp_path)!r}, name) for name in ('part', 'seen'))\n"
        "part.write_text(json.dumps([sys.argv[1:], str(path), modes, path.read_text()]))\n"
        "part.replace(seen)\n"
    )
    browser.chmod(0o700)
    (tmp_path / "tmp").mkdir()
    words = {"BROWSER": f"{browser} %s", "TMPDIR": str(tmp_path / "tmp")}
    command = [sys.executable, "-m", "gensynth", "review", str(out), "n=4"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | words) as process:
        address = re.compile(r"http://127\.0\.0\.1:\d+/[\w-]+/")
        url = next(found[0] for line in process.stderr if (found := address.search(line)))
        ends = time.monotonic() + 30
        while not seen.exists() and time.monotonic() < ends:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
    arguments, path, modes, text = json.loads(seen.read_text())
    assert arguments == [Path(path).as_uri()]
    assert modes == [0o600, 0o700]
    assert f'url={url}"' in text
    assert process.returncode == 0
    assert list((tmp_path / "tmp").iterdir()) == []


def test_bad_words_are_one_line(run_cli, run, tmp_path):
    for words, reported in (
        ((), "review needs the folder of a finished run"),
        ((tmp_path / "nowhere",), "there is no folder 'nowhere'"),
        ((tmp_path,), "not a finished balance run"),
        ((run, "blnd=true"), 'did you mean "blind"'),
        ((run, "n=0"), "n must lie between"),
        ((run, "n=many"), "n must be a whole number"),
        ((run, "blind=yes"), "blind must be true or false"),
    ):
        code, _, err = run_cli("review", *words)
        assert code == 2
        assert reported in err
        assert err.count("\n") == 1


# ---- a browser ------------------------------------------------------------------------------------


@contextmanager
def browsing(folder):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    words = "headless no-sandbox disable-gpu no-first-run disable-background-networking window-size=1366,900"
    for word in words.split():
        options.add_argument(f"--{word}")
    options.add_argument(f"--user-data-dir={folder / 'profile'}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
    try:
        yield browser
    finally:
        browser.quit()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not (CHROMIUM and CHROMEDRIVER):
        pytest.skip("no Chromium with its driver on this machine")
    with browsing(tmp_path_factory.mktemp("browser")) as found:
        yield found


class Person:
    """Keys and eyes at one page; every key waits until the page has taken it in."""

    def __init__(self, browser, url: str) -> None:
        self.browser = browser
        self.complaints()  # those about pages before
        browser.get(url)
        self.wait(lambda: self.text("count"))

    def wait(self, condition):
        WebDriverWait(self.browser, 30).until(lambda _: condition())

    def text(self, name: str) -> str:
        return self.browser.find_element(By.ID, name).text

    def idle(self) -> bool:
        return not self.browser.execute_script("return busy")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.wait(self.idle)
            ActionChains(self.browser).send_keys(key).perform()
            self.wait(self.idle)

    def foreign(self) -> list[str]:
        """What was fetched from anywhere but the page's own address."""
        script = "return performance.getEntries().map(e => e.name).filter(n => n.includes('://'))"
        base = self.browser.current_url
        return [name for name in self.browser.execute_script(script) if not name.startswith(base)]

    def complaints(self) -> list[str]:
        return [line["message"] for line in self.browser.get_log("browser")]


@pytest.mark.slow
def test_a_person_at_the_keys_judges_takes_back_and_goes_on_after_a_reload(look, browser):
    with serving(look, 0) as url:
        person = Person(browser, url)
        assert person.text("count") == "0 of 6 looked at"
        assert "class band0" in person.text("question")
        person.press("a", "r", "u")
        assert [d.answer for d in read_decisions(look.path).values()] == ["accept", "reject", "unsure"]
        assert person.text("which").startswith("row 4 of 6")
        person.press("l", "band2", Keys.ENTER)
        assert read_decisions(look.path)[look.names[3].row_id].relabel == "band2"
        assert "looks like band2" in person.text("status")
        person.press("z")
        assert len(read_decisions(look.path)) == 3
        assert person.text("which").startswith("row 4 of 6")
        person.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
        chosen = browser.find_element(By.CSS_SELECTOR, "[aria-pressed=true]")
        assert chosen.text.startswith("Reject")
        person.press("a")
        assert read_decisions(look.path)[look.names[1].row_id].answer == "accept"
        person.press(Keys.BACKSPACE)
        assert read_decisions(look.path)[look.names[1].row_id].answer == "reject"
        browser.refresh()
        person.wait(lambda: person.text("which").startswith("row 4 of 6"))
        assert person.text("count") == "3 of 6 looked at"
        assert "1 accepted, 1 rejected, 1 unsure" in person.text("counts")
        assert browser.find_element(By.ID, "track").get_attribute("aria-valuenow") == "3"
        person.press("z")  # of this tab, also after a reload
        assert len(read_decisions(look.path)) == 2
        person.press("u", "?")
        assert browser.find_element(By.ID, "help").is_displayed()
        person.press("a")  # a key while help is open is no verdict
        person.press(Keys.ESCAPE)
        assert len(read_decisions(look.path)) == 3
        for button in ("accept", "unsure"):
            browser.find_element(By.CSS_SELECTOR, f"[data-answer={button}]").click()
            person.wait(person.idle)
        person.press("l")
        browser.find_element(By.CSS_SELECTOR, "#options button").click()
        person.wait(lambda: browser.find_element(By.ID, "end").is_displayed())
        assert "gensynth merge" in person.text("end-text")
        assert len(read_decisions(look.path)) == 6
        person.press("a", "r")  # nothing is left to judge
        assert len(read_decisions(look.path)) == 6
        assert person.foreign() == []
        assert person.complaints() == []
        script = "return fetch('http://127.0.0.2:9/').then(() => 'sent', e => 'refused')"
        assert browser.execute_script(script) == "refused"
        assert any("Content Security Policy" in line for line in person.complaints())


@pytest.mark.slow
def test_the_file_that_a_browser_opens_leads_to_the_page(look, browser):
    with serving(look, 0) as url, leading_to(url) as door:
        browser.get(door)
        WebDriverWait(browser, 30).until(lambda now: now.current_url == url)
        WebDriverWait(browser, 30).until(lambda now: now.find_element(By.ID, "count").text == "0 of 6 looked at")
        assert browser.execute_script("return document.referrer") == ""


@pytest.mark.slow
def test_two_tabs_lose_no_verdict_and_a_lost_server_is_said(look, browser):
    with serving(look, 0) as url:
        person = Person(browser, url)
        first = browser.current_window_handle
        browser.switch_to.new_window("tab")
        other = Person(browser, url)
        other.press("r")
        browser.switch_to.window(first)
        person.press(Keys.ARROW_RIGHT, "a")
        assert [d.answer for d in read_decisions(look.path).values()] == ["reject", "accept"]
        assert person.text("count") == "2 of 6 looked at"
    person.press("a")
    assert person.text("status").startswith("Not saved")
    assert len(read_decisions(look.path)) == 2
    browser.switch_to.new_window("tab")


@pytest.mark.slow
def test_blindly_the_page_tells_the_rate_only_at_the_end(tmp_path, browser):
    synthetic, val = stripes(2, seed=1), stripes(2, seed=2)
    requested = [
        BlindRow("made", -1, 0, "a"),
        BlindRow("real", 0, 1, "b"),
        BlindRow("made", -1, 3, "c"),
        BlindRow("real", 0, 2, "d"),
    ]
    look = Blind("run", tmp_path / "review_blind.csv", synthetic, [val, val[:0]], requested)
    with serving(look, 0) as url:
        person = Person(browser, url)
        person.press("r", "m", "z", "r", "m")
        seen = browser.execute_script("return document.body.innerText + JSON.stringify(state)")
        assert "synthetic rows" not in seen
        assert "synthetic" not in seen[seen.index("{") :]
        assert "called" not in json.loads(seen[seen.index("{") :])["end"]
        person.press("m")
        assert "1 of 2 synthetic rows real" in person.text("end-text")
        assert person.foreign() == []
        assert person.complaints() == []
    assert {row: reported for row, (_, reported) in read_answers(look.path).items()} == {
        "a": "real",
        "b": "real",
        "c": "made",
        "d": "made",
    }


@pytest.mark.slow
def test_sounds_play_and_a_table_marks_what_is_unusual(tmp_path, browser):
    random = np.random.default_rng(0)
    waves = (0.1 * random.standard_normal((4, 4000))).astype(np.float32)
    sounds = LabelledData.of_real(waves, np.array([0, 0, 1, 1]), Schema("audio", ("a", "b"), {"sample_rate_hz": 8000}))
    with serving(a_look(tmp_path, sounds, sounds[:2]), 0) as url:
        person = Person(browser, url)
        for name in ("sound-own", "sound-beside"):
            person.wait(lambda name=name: browser.execute_script(f"return $('{name}').duration === 0.5"))
        person.press("p")
        person.wait(lambda: browser.execute_script("return $('sound-own').currentTime > 0"))
        assert person.complaints() == []
    from gensynth.data.columns import Column

    columns = [
        Column("age", "numeric", integer=True).to_json(),
        Column("sex", "boolean", categories=("f", "m")).to_json(),
    ]
    x = np.column_stack([np.arange(20.0), np.arange(20) % 2])
    table = LabelledData.of_real(x, np.repeat([0, 1], 10), Schema("table", ("<i>no</i>", "yes"), {"columns": columns}))
    synthetic = replace(table[:1], x=np.array([[99.0, 1.0]]))
    (tmp_path / "table").mkdir()
    with serving(a_look(tmp_path / "table", table, synthetic), 0) as url:
        person = Person(browser, url)
        cells = [row.text for row in browser.find_elements(By.CSS_SELECTOR, "tr.unusual")]
        assert len(cells) == 1
        assert cells[0].startswith("age 99")
        assert "above all" in cells[0]
        assert "<i>no</i>" in person.text("question")
        person.press("l", "yes", Keys.ENTER)
        assert next(iter(read_decisions(tmp_path / "table/review.csv").values())).relabel == "yes"
        assert person.complaints() == []
