"""What a table with more columns than rows costs: seconds and peak memory of training and of drawing.

    python scripts/bench_wide.py [--rows 200] [--columns 1500] [--samples 2000]

The table is drawn with a fixed seed: measurements of genes, ten of which follow each other, two classes. `train` sees
so many samples, `sample` draws as many rows; each runs in a process of its own, looking at the data included.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from bench_explore import measured


def genes(rows: int, columns: int) -> pd.DataFrame:
    """Correlated numbers with three decimals, the first fifty shifted in the rarer class."""
    draw = np.random.default_rng(0)
    rare = np.arange(rows) < 0.3 * rows
    shared = draw.normal(size=(rows, 10)) @ draw.normal(size=(10, columns)) / 3
    values = shared + draw.normal(size=(rows, columns))
    values[rare, :50] += 0.5
    table = pd.DataFrame(np.round(values, 3), columns=[f"gene_{i}" for i in range(columns)])
    return table.assign(label=np.where(rare, "case", "control")).sample(frac=1, random_state=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--columns", type=int, default=1500)
    parser.add_argument("--samples", type=int, default=2000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table, run = Path(folder) / "genes.csv", f"{folder}/run"
        genes(given.rows, given.columns).to_csv(table, index=False)
        program, half = [sys.executable, "-m", "gensynth"], given.samples // 2
        verbs = {
            "explore": ["explore", str(table), f"out={folder}/look"],
            "train": ["train", str(table), f"out={run}", f"trainer.max_samples={given.samples}", "logger=none"],
            "sample": [
                "sample",
                f"generator={run}/generator",
                f"counts={{case: {half}, control: {given.samples - half}}}",
                f"out={folder}/more",
            ],
        }
        for verb, words in verbs.items():
            seconds, megabytes = measured([*program, *words])
            print(f"{verb:<8}{seconds:>8.1f} s{megabytes:>8.0f} MB")


if __name__ == "__main__":
    main()
