"""How a report.html reads: words and tables, where things begin, what is cut, size, time to open, accessibility.

    python scripts/bench_report.py page=runs/demo/report.html
    python scripts/bench_report.py page=runs/demo/report.html axe=axe.min.js shots=shots

Needs Chromium and its driver. `axe` is the file axe.min.js of axe-core; without it nothing is said of accessibility.
`shots` is a folder for screenshots in light and dark, open and as printed. A line a width in CSS pixels:

words, tables    in what is seen when the page opens, and in all of it with every fold open
head, samples    where the header ends and the samples begin, px from the top
wide             elements that reach over the page's edge, folds open, and places that scroll sideways
"""

from __future__ import annotations

import base64
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from bench_words import read_words
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

WIDTHS_PX = (1280, 768, 390)
TALLEST_PX = 15_000
OPEN_ALL = "document.querySelectorAll('details').forEach(part => part.open = true)"
MEASURE = """
const shown = node => node.checkVisibility({contentVisibilityAuto: true});
const words = node => node.innerText.split(/\\s+/).filter(Boolean).length;
const top = id => Math.round((document.getElementById(id)?.getBoundingClientRect().top ?? NaN) + scrollY);
const head = document.querySelector('header').getBoundingClientRect();
return {words: words(document.body), tables: [...document.querySelectorAll('table')].filter(shown).length,
  head: Math.round(head.bottom + scrollY), samples: top('samples'), height: document.documentElement.scrollHeight};
"""
WIDE = """
const edge = document.documentElement.clientWidth;
const name = node => node.tagName.toLowerCase() + (node.id ? '#' + node.id : '.' + (node.getAttribute('class') ?? ''));
const all = [...document.body.querySelectorAll('*')].filter(node => node.checkVisibility() && !node.closest('svg *'));
const over = all.filter(node => node.getBoundingClientRect().right > edge + 1);
const scrolls = all.filter(node => node.scrollWidth > node.clientWidth + 1
  && ['auto', 'scroll', 'hidden'].includes(getComputedStyle(node).overflowX) && !node.matches('.unseen'));
const tables = over.filter(node => node.tagName === 'TABLE').length
  + scrolls.filter(node => node.querySelector('table')).length;
return {over: over.map(name), scrolls: scrolls.map(name), tables};
"""
LOADED = "const one = performance.getEntriesByType('navigation')[0]; return Math.round(one.loadEventEnd);"
AXE = "axe.run(document, {resultTypes: ['violations']}).then(found => arguments[0](found.violations));"
UNREACHED = """
return [...document.querySelectorAll('a[href], summary, button, [data-help], audio')]
  .filter(node => node.checkVisibility() && node.tabIndex < 0).length;
"""


def browser(width_px: int, scheme: str = "light") -> webdriver.Chrome:
    """A headless Chromium whose page is that wide."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(word)
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    driver.set_script_timeout(600)  # accessibility of a page with every fold open
    driver.command_executor.client_config.timeout = 600
    size: dict[str, Any] = {"width": width_px, "height": 900, "deviceScaleFactor": 1, "mobile": width_px < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    return driver


def shot(driver: webdriver.Chrome, path: Path) -> None:
    """The page as a picture, as far as a picture reaches."""
    size = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], TALLEST_PX), "scale": 1}
    found = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    path.write_bytes(base64.b64decode(found["data"]))


def violations(driver: webdriver.Chrome, axe: str) -> dict[str, list[str]]:
    """impact -> rules that the page breaks, each with how many elements and the first of them."""
    driver.execute_script(axe)
    found: dict[str, list[str]] = {}
    for rule in driver.execute_async_script(AXE):
        nodes = rule["nodes"]
        found.setdefault(rule["impact"], []).append(f"{rule['id']} ({len(nodes)}): {nodes[0]['html'][:160]}")
    return found


def measured(page: Path, width_px: int, axe: str, shots: Path | None) -> dict[str, Any]:
    """What one width shows; see the module."""
    driver = browser(width_px)
    try:
        driver.get(page.resolve().as_uri())
        seen = driver.execute_script(MEASURE)
        if shots:
            shot(driver, shots / f"{width_px}.png")
        unreached = driver.execute_script(UNREACHED)
        driver.execute_script(OPEN_ALL)
        full, wide = driver.execute_script(MEASURE), driver.execute_script(WIDE)
        if shots:
            shot(driver, shots / f"{width_px}_all.png")
        return {
            "width_px": width_px,
            "words": [seen["words"], full["words"]],
            "tables": [seen["tables"], full["tables"]],
            "head_px": seen["head"],
            "samples_px": seen["samples"],
            "height_px": [seen["height"], full["height"]],
            "wide": {"tables": wide["tables"], "over": wide["over"][:5], "scrolls": wide["scrolls"][:5]},
            "loaded_ms": driver.execute_script(LOADED),
            "not_by_keyboard": unreached,
            **({"axe": violations(driver, axe)} if axe else {}),
        }
    finally:
        driver.quit()


def dark(page: Path, axe: str, shots: Path | None) -> dict[str, list[str]]:
    """What is wrong with the page in dark colours, every fold open."""
    driver = browser(WIDTHS_PX[0], "dark")
    try:
        driver.get(page.resolve().as_uri())
        if shots:
            shot(driver, shots / "dark.png")
            printed = driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": False})
            (shots / "printed.pdf").write_bytes(base64.b64decode(printed["data"]))
        driver.execute_script(OPEN_ALL)
        return violations(driver, axe) if axe else {}
    finally:
        driver.quit()


def main(given: list[str]) -> None:
    words = read_words(given, {"page": "", "axe": "", "shots": ""})
    page, shots = Path(words["page"]), Path(words["shots"]) if words["shots"] else None
    axe = Path(words["axe"]).read_text(encoding="utf-8") if words["axe"] else ""
    if shots:
        shots.mkdir(parents=True, exist_ok=True)
    print(f"size {page.stat().st_size / 1e6:.2f} MB")
    for width_px in WIDTHS_PX:
        print(json.dumps(measured(page, width_px, axe, shots)))
    print("dark:", json.dumps(dark(page, axe, shots)))


if __name__ == "__main__":
    main(sys.argv[1:])
