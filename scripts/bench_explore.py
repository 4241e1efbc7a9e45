"""What `gensynth explore` of a large table costs beside `pandas.read_csv` of it: seconds, peak memory, ratio.

    python scripts/bench_explore.py [--rows 300000] [--repeats 3] [--table FILE --label COLUMN]

Both run in processes of their own, one after the other, in turns. The table is drawn with a fixed seed: 13 columns of
the kinds that a table of payments has (a key, an instant, money, fractions, counts, words, gaps), 1 % rare.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

READ = "import sys, pandas; pandas.read_csv(sys.argv[1])"


def payments(rows: int) -> pd.DataFrame:
    """A table of payments, 13 columns; `fraud` is the label."""
    draw = np.random.default_rng(0)
    second = np.sort(draw.integers(0, 365 * 86_400, rows))
    income = np.round(draw.lognormal(10, 0.5, rows), 2)
    return pd.DataFrame(
        {
            "payment_id": [f"P{i:08d}" for i in draw.permutation(rows)],
            "paid_at": (pd.Timestamp("2024-01-01") + pd.to_timedelta(second, "s")).strftime("%Y-%m-%d %H:%M:%S"),
            "amount": np.round(draw.lognormal(3, 1.2, rows), 2),
            "merchant": draw.choice([f"shop {i}" for i in range(800)], rows),
            "category": draw.choice(["food", "fuel", "travel", "toys", "books", "health"], rows),
            "country": draw.choice(["DE", "FR", "ES", "IT", "PL", "SE", "AT", "NL"], rows),
            "age": draw.integers(18, 95, rows),
            "income": np.where(draw.random(rows) < 0.05, np.nan, income),
            "score": draw.random(rows),
            "latitude": np.round(draw.normal(48, 4, rows), 5),
            "tries": draw.poisson(1.2, rows),
            "abroad": draw.choice(["true", "false"], rows),
            "fraud": np.where(draw.random(rows) < 0.01, "yes", "no"),
        }
    )


def measured(command: list[str]) -> tuple[float, float]:
    """(seconds, peak MB) of one process and what it starts; an error where it fails."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        text = process.stderr.read().decode() if process.stderr else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {text[-2000:]}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--table", default="", help="a table of your own in place of the drawn one")
    parser.add_argument("--label", default="fraud")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = Path(given.table or Path(folder) / "payments.csv")
        if not given.table:
            payments(given.rows).to_csv(table, index=False)
        explore = [sys.executable, "-m", "gensynth", "explore", str(table.absolute()), f"data.label={given.label}"]
        print(f"{table.stat().st_size / 2**20:.1f} MB")
        print(f"{'':8}{'read_csv s':>12}{'MB':>8}{'explore s':>12}{'MB':>8}{'ratio':>8}")
        ratios = []
        for repeat in range(given.repeats):
            read = measured([sys.executable, "-c", READ, str(table)])
            looked = measured([*explore, f"out={folder}/run{repeat}"])
            ratios.append(looked[0] / read[0])
            print(f"{repeat:<8}{read[0]:>12.2f}{read[1]:>8.0f}{looked[0]:>12.2f}{looked[1]:>8.0f}{ratios[-1]:>8.1f}")
        print(f"explore takes {np.median(ratios):.1f} times as long ({min(ratios):.1f} to {max(ratios):.1f})")


if __name__ == "__main__":
    main()
