"""The metrics against the libraries people use today: speed as a ratio in one run, memory, equality of values.

python scripts/bench_metrics.py shared=PATH [only=prdc|large|frechet|adult|digits]    (prdc: pip install prdc)

prdc     precision, recall, density, coverage, 10,000 x 10,000 x 64, against the prdc package
large    the same at 60,000 x 60,000 x 64: seconds and peak memory of a process of its own
frechet  Frechet distance, 50,000 x 2,048 features, against torchmetrics
adult    the whole `evaluate` on Adult without the utility arms: train rows against themselves as synthetic set
digits   seconds of the utility verdict in the digits demo, with and without fidelity and the sweep over amounts
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gensynth.evaluation.metrics.distance import fid_as_is, frechet_distance
from gensynth.evaluation.metrics.support import prdc

REPEATS = 3


def normal(seed: int, n: int, d: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d), dtype=np.float32)


def timed(work: Callable[[], object]) -> tuple[float, object]:
    begun = time.perf_counter()
    found = work()
    return time.perf_counter() - begun, found


def bench_prdc() -> None:
    from prdc import compute_prdc

    real, fake = normal(0, 10_000, 64), 1.1 * normal(1, 10_000, 64)
    for _ in range(REPEATS):
        theirs, expected = timed(lambda: compute_prdc(real, fake, nearest_k=5))
        ours, found = timed(lambda: prdc(real=real, fake=fake, k=5))
        gap = max(abs(found[name] - float(expected[name])) for name in found)
        print(f"prdc: package {theirs:.2f} s, gensynth {ours:.2f} s, {theirs / ours:.1f} times as fast, gap {gap:.1e}")


def bench_large() -> None:
    work = "from scripts.bench_metrics import large_alone; large_alone()"
    subprocess.run([sys.executable, "-c", work], check=True, cwd=Path(__file__).parents[1])


def large_alone() -> None:
    real, fake = normal(0, 60_000, 64), 1.1 * normal(1, 60_000, 64)
    seconds, found = timed(lambda: prdc(real=real, fake=fake, k=5))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"large: {seconds:.0f} s, peak memory {peak:.2f} GB, { ({k: round(v, 4) for k, v in found.items()}) }")


def bench_frechet() -> None:
    real, fake = normal(0, 50_000, 2048), normal(1, 50_000, 2048) * 1.05
    for _ in range(REPEATS):
        theirs, expected = timed(lambda: fid_as_is(real=real, fake=fake))
        ours, found = timed(lambda: frechet_distance(real=real, fake=fake))
        gap = abs(found - expected) / expected
        print(f"frechet: torchmetrics {theirs:.1f} s, gensynth {ours:.1f} s, ratio {theirs / ours:.2f}, gap {gap:.1e}")


def bench_adult(shared: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(__file__).parent / "prepare_data.py"
        subprocess.run([sys.executable, script, f"adult={shared}/data/adult", f"out={folder}"], check=True)
        train, test = (f"{folder}/adult_{side}.csv" for side in ("train", "test"))
        words = [f"real={train}", f"test={test}", f"synthetic={train}", "data.label=income", "utility.run=false"]
        seconds, _ = timed(lambda: run(["evaluate", *words, f"out={folder}/e"]))
        report = json.loads(Path(folder, "e/report.json").read_text())
        codes = [fault["code"] for fault in report["faults"]]
        print(f"adult: evaluate without arms {seconds:.0f} s, steps {report['timing']}, faults {codes}")


def bench_digits() -> None:
    with tempfile.TemporaryDirectory() as folder:
        seconds, _ = timed(lambda: run(["demo", f"out={folder}/d", "logger=none"]))
        timing = json.loads(Path(folder, "d/report.json").read_text())["timing"]
        judged = timing["how much"] + timing["evaluate"]
        print(f"digits: demo {seconds:.0f} s, of which verdict, fidelity and amounts {judged:.0f} s, steps {timing}")


def run(words: list[str]) -> None:
    subprocess.run([sys.executable, "-m", "gensynth", *words], check=True, capture_output=True)


def main(words: list[str]) -> None:
    given = dict(word.split("=", 1) for word in words)
    shared = Path(given.get("shared", "../shared"))
    benches = {
        "prdc": bench_prdc,
        "large": bench_large,
        "frechet": bench_frechet,
        "adult": lambda: bench_adult(shared),
        "digits": bench_digits,
    }
    for name, bench in benches.items():
        if given.get("only", name) == name:
            bench()


if __name__ == "__main__":
    main(sys.argv[1:])
