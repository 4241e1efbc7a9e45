"""What a generator learns of a number that is written as people write it, against the same number written plainly.

    python scripts/bench_signal.py [seeds=3] [rows=1500] [samples=60000] [counts=1000] [width=32]

A table of two classes, a quarter of the rows rare, whose means lie one standard deviation apart. It is written once
with plain numbers and once in each form; each file goes through `train` and `sample`, and the synthetic cells are read
back by the form's own reader, which is not gensynth's. Prints the difference of class means of real rows, of synthetic
rows from the plain file and from the spelled one, in the unit of the plain number, and the second over the first.
"""

from __future__ import annotations

import contextlib
import csv
import datetime
import io
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bench_words import read_words

from gensynth.cli import main

SWAP = str.maketrans(",.", ".,")
MIDNIGHT, DAY = datetime.datetime(2015, 1, 1), datetime.timedelta(days=1)


def clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def of_clock(cell: str) -> int:
    hours, minutes, seconds = map(int, cell.split(":"))
    return 3600 * hours + 60 * minutes + seconds


def of_accounting(cell: str) -> float:
    return float(re.sub(r"[(),]", "", cell)) * (-1 if cell.startswith("(") else 1)


def of_iso(cell: str) -> int:
    hours, minutes, seconds = map(int, re.fullmatch(r"PT(\d+)H(\d+)M(\d+)S", cell).groups())
    return 3600 * hours + 60 * minutes + seconds


# form -> (scale of a standard normal, what is added, decimals, writer, reader)
FORMS: dict[str, tuple[float, float, int, Callable[[float], str], Callable[[str], float]]] = {
    "percent": (9, 45, 1, lambda x: f"{x:.1f}%", lambda cell: float(cell[:-1])),
    "money": (900, 4000, 2, lambda x: f"${x:,.2f}", lambda cell: float(cell[1:].replace(",", ""))),
    "euros": (
        900,
        4000,
        2,
        lambda x: f"{x:,.2f} €".translate(SWAP),
        lambda cell: float(cell[:-2].translate(SWAP).replace(",", "")),
    ),
    "decimal comma": (5, 2, 2, lambda x: f"{x:.2f}".replace(".", ","), lambda cell: float(cell.replace(",", "."))),
    "thousands": (9e5, 4e6, 0, lambda x: f"{int(x):,}", lambda cell: int(cell.replace(",", ""))),
    "accounting": (900, 100, 2, lambda x: f"({-x:,.2f})" if x < 0 else f"{x:,.2f}", of_accounting),
    "date": (
        300,
        1500,
        0,
        lambda x: f"{MIDNIGHT + int(x) * DAY:%d.%m.%Y}",
        lambda cell: (datetime.datetime.strptime(cell, "%d.%m.%Y") - MIDNIGHT) / DAY,
    ),
    "date and time": (
        3e7,
        2e8,
        0,
        lambda x: f"{MIDNIGHT + datetime.timedelta(seconds=int(x)):%m/%d/%Y %I:%M:%S %p}",
        lambda cell: (datetime.datetime.strptime(cell, "%m/%d/%Y %I:%M:%S %p") - MIDNIGHT).total_seconds(),
    ),
    "duration": (4000, 30_000, 0, lambda x: clock(int(x)), of_clock),
    "ISO duration": (4000, 30_000, 0, lambda x: "PT{}H{}M{}S".format(*map(int, clock(int(x)).split(":"))), of_iso),
}


def gap(values: np.ndarray, labels: np.ndarray) -> float:
    return float(values[labels == "rare"].mean() - values[labels == "common"].mean())


def quiet(*overrides: str) -> None:
    """One verb without its output; ends the script where it fails."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        code = main(list(overrides))
    if code:
        sys.exit(text.getvalue())


def synthetic_gap(
    folder: Path,
    cells: list[str],
    noise: np.ndarray,
    labels: np.ndarray,
    read: Callable[[str], float],
    options: dict[str, str],
    seed: int,
) -> float:
    """Difference of class means in rows that a generator of this file draws."""
    with (folder / "t.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["v", "noise", "y"], *zip(cells, noise.tolist(), labels.tolist(), strict=True)])
    given = [
        f"model.width={options['width']}",
        f"trainer.max_samples={options['samples']}",
        "trainer=cpu",
        "logger=none",
    ]
    quiet("train", str(folder / "t.csv"), "data.label=y", *given, f"seed={seed}", f"out={folder}/g")
    quiet("sample", f"generator={folder}/g/generator", f"counts={options['counts']}", f"seed={seed}", f"out={folder}/s")
    with (folder / "s/samples.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return gap(np.array([read(row["v"]) for row in rows]), np.array([row["y"] for row in rows]))


def table(name: str, seed: int, rows: int) -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
    """Values (N,) and labels (N,) of a form, and its plain and its spelled cells."""
    scale, shift, decimals, write, _ = FORMS[name]
    random = np.random.default_rng(seed)
    labels = np.where(np.arange(rows) % 4 == 0, "rare", "common")
    values = np.round(shift + scale * np.clip(random.normal(labels == "rare", 1.0), -3, 4), decimals)
    plain = [f"{x:.{decimals}f}" for x in values.tolist()]
    return values, labels, plain, [write(x) for x in values.tolist()]


def run(name: str, seed: int, options: dict[str, str]) -> tuple[float, float, float]:
    """Differences of class means: real, synthetic of the plain file, synthetic of the spelled one."""
    values, labels, plain, spelled = table(name, seed, int(options["rows"]))
    noise, found = np.random.default_rng(seed + 1).normal(size=len(values)).round(3), []
    for cells, reader in ((plain, float), (spelled, FORMS[name][-1])):
        with tempfile.TemporaryDirectory() as folder:
            found.append(synthetic_gap(Path(folder), cells, noise, labels, reader, options, seed))
    return gap(values, labels), *found


if __name__ == "__main__":
    given = read_words(
        sys.argv[1:], {"seeds": "3", "rows": "1500", "samples": "60000", "counts": "1000", "width": "32"}
    )
    print(f"{'form':15s} {'seed':>4s} {'real':>12s} {'plain':>12s} {'spelled':>12s} {'spelled / plain':>16s}")
    for form in FORMS:
        for one in range(int(given["seeds"])):
            real, plain_gap, spelled_gap = run(form, one, given)
            ratio = spelled_gap / plain_gap
            print(f"{form:15s} {one:4d} {real:12.2f} {plain_gap:12.2f} {spelled_gap:12.2f} {ratio:16.3f}")
