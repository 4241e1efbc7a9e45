"""How long the command line lets a person wait: --help, a mistyped key, a mistyped verb.

python scripts/bench_cli.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

CASES = {
    "--help": ["--help"],
    "mistyped verb": ["balnce", "digits"],
    "mistyped key": ["balance", "digits", "modle=cvae"],
    "mistyped choice": ["balance", "digits", "model=cvea"],
}


def seconds(words: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "gensynth", *words], capture_output=True, check=False)
    return time.perf_counter() - begun


if __name__ == "__main__":
    for name, words in CASES.items():
        seconds(words)
        times = [seconds(words) for _ in range(7)]
        print(f"{name:<16} median {statistics.median(times):.2f} s, worst {max(times):.2f} s of {len(times)}")
