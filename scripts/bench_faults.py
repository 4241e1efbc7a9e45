"""Which of twelve generators with a known fault are named by the fault tests, and how often honest rows are accused.

    python scripts/bench_faults.py shared=../shared data=digits,fashion,... sizes=5,12,40,200 trials=5 honest=0

A trial draws `size` train rows, a quarter as many test rows (at least 3) and fresh real rows of each of up to five
classes, lets every generator of known_faults.py draw `size` rows of each class, and asks the fault tests. Printed is,
for each size and generator, in how many trials it was named by a right code, what else was named, and where the tests
said that they did not test. `honest=200` draws that many honest sets (held-out real rows) instead and counts those that
are accused of anything. `rare=1` lets only the class with fewest rows have `size` of them and get synthetic rows,
beside 400 train and 100 test rows of every other class.
"""

from __future__ import annotations

import sys
import time
import zipfile
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
from bench_words import read_words
from known_faults import FAULTS, FURTHER, FURTHER_IMAGES, draw

from gensynth.data.kinds import points_of
from gensynth.data.sources import read_digits, read_path
from gensynth.data.table_source import read_breast_cancer, read_table
from gensynth.evaluation.fidelity.faults import FaultTests
from gensynth.evaluation.fidelity.features import components
from gensynth.evaluation.privacy.copies import find_copies
from gensynth.types import LabelledData, Schema

MOST_CLASSES = 5
SAMPLE_RATE_HZ, SAMPLES = 8000, 4000
# Codes that say what is wrong, by generator.
RIGHT = {
    "memoriser": {"memoriser"},
    "near_memoriser": {"memoriser", "close_to_train"},
    "mode_drop": {"mode_drop", "collapse"},
    "one_mode": {"collapse", "repeats"},
    "label_swap": {"label_swap"},
    "noise": {"noise", "off_support", "combinations"},
    "blur": {"blur", "collapse", "combinations", "low_variety"},
    "tiled": {"texture", "repeats", "repetition"},
    "dithered": {"coarse_values", "texture", "grain", "characters"},
    "colour": {"colour", "shifted", "timbre", "characters"},
    "smooth_covariance": {"grain", "collapse", "combinations", "off_support", "noise", "texture"},
    "mirrored": {"memoriser"},
    "label_swap_30": {"label_swap"},
    "spread_half": {"collapse"},
    "shuffled": {"combinations", "off_support", "grain", "noise"},
    "noisy": {"grain", "noise", "off_support", "combinations"},
    "grid": {"texture", "grain"},
}


def main() -> None:
    defaults = {"shared": "../shared", "data": "digits,breast_cancer", "sizes": "12,40", "trials": "3", "honest": "0"}
    options = read_words(sys.argv[1:], defaults | {"only": "", "first": "0", "further": "0", "rare": "0"})
    sizes, trials = [int(size) for size in options["sizes"].split(",")], int(options["trials"])
    first, rare = int(options["first"]), options["rare"] != "0"
    for name in options["data"].split(","):
        rows = SETS[name](Path(options["shared"]) / "data")
        names = [one for one in options["only"].split(",") if one] or list(FAULTS)
        if options["further"] != "0":
            names = [*FURTHER, *(FURTHER_IMAGES if rows.schema.modality == "image" else {})]
        for size in sizes:
            begun = time.monotonic()
            if int(options["honest"]):
                accused(name, rows, size, range(first, first + int(options["honest"])), rare)
            else:
                table(name, rows, size, names, range(first, first + trials), rare)
            print(f"    {time.monotonic() - begun:.0f} s", flush=True)


def table(name: str, rows: LabelledData, size: int, names: list[str], trials: range, rare: bool) -> None:
    """One line a generator: how often named, and by what."""
    found = {one: [] for one in names}
    for trial in trials:
        parts = pieces(rows, size, trial, rare)
        if parts is None:
            print(f"{name} {size}: too few rows")
            return
        train, test, fresh = parts
        exam = Exam(train, test, trial, rare)
        for one in names:
            found[one].append(exam.codes(draw(one, train, fresh, trial)))
    total = 0
    for one, lists in found.items():
        right = [bool(codes & RIGHT.get(one, {one})) for codes, _ in lists]
        total += np.mean(right) > 0.5
        seen = Counter(code for codes, _ in lists for code in codes)
        untested = np.mean([untested for _, untested in lists])
        print(
            f"{name:<14}{size:>4} {one:<18} {sum(right)}/{len(right)}  untested {untested:.1f}  {dict(seen)}",
            flush=True,
        )
    print(f"{name:<14}{size:>4} named in most trials: {total} of {len(names)}", flush=True)


def accused(name: str, rows: LabelledData, size: int, trials: range, rare: bool) -> None:
    """How many of the honest sets are accused, and of what."""
    seen: Counter[str] = Counter()
    sets = 0
    for trial in trials:
        parts = pieces(rows, size, trial, rare)
        if parts is None:
            print(f"{name} {size}: too few rows")
            return
        train, test, fresh = parts
        codes, _ = Exam(train, test, trial, rare).codes(draw("honest", train, fresh, trial))
        sets += bool(codes)
        seen.update(codes)
    print(f"{name:<14}{size:>4} honest sets accused: {sets} of {len(trials)}  {dict(seen)}", flush=True)


def pieces(
    rows: LabelledData, size: int, trial: int, rare: bool = False
) -> tuple[LabelledData, LabelledData, LabelledData] | None:
    """(train, test, fresh) of up to five classes, or None where a class has too few rows."""
    order = np.random.default_rng([trial, size])
    counts = rows.counts()
    classes = np.sort(order.permutation(len(counts))[:MOST_CLASSES])
    parts: list[list[np.ndarray]] = [[], [], []]
    for c in classes:
        n, held = (400, 100) if rare and c != counts.argmin() else (size, max(3, size // 4))
        mine = order.permutation(np.flatnonzero(rows.y == c))
        if len(mine) < n + held + size:
            return None
        for part, chosen in zip(parts, np.split(mine, [n, n + held, n + held + 2 * size])[:3], strict=True):
            part.append(chosen)
    schema = Schema(rows.schema.modality, tuple(rows.schema.classes[c] for c in classes), rows.schema.fields)

    def of(part: list[np.ndarray]) -> LabelledData:
        picked = rows[np.concatenate(part)]
        return LabelledData.of_real(picked.x, np.searchsorted(classes, picked.y), schema, picked.ids)

    train, test, fresh = (of(part) for part in parts)
    return train, test, fresh


class Exam:
    """The fault tests of one trial."""

    def __init__(self, train: LabelledData, test: LabelledData, seed: int, rare: bool = False) -> None:
        points = points_of(train)
        self.train, self.test, self.seed = train, test, seed
        self.only = int(train.counts().argmin()) if rare else None
        self.points = points_of(LabelledData.concat([train, test]))
        self.tests = FaultTests(train, test, components("raw", points, points(train.x)).transform, seed)

    def codes(self, synthetic: LabelledData) -> tuple[set[str], int]:
        """(codes of faults, number of classes that say what was not tested)."""
        if self.only is not None:
            synthetic = synthetic[synthetic.y == self.only]
        copied = find_copies(self.train, self.test, synthetic, self.points, self.seed)
        found = self.tests.find("set", synthetic, copied, {})
        return {fault["code"] for fault in found.faults}, len(found.untested)


def fashion(data: Path) -> LabelledData:
    return read_path(str(data / "fashion-mnist"), label="label").data


def mammography(data: Path) -> LabelledData:
    return read_table(str(data / "mammography" / "mammography.csv"), label="-1", header=False).data


def adult(data: Path) -> LabelledData:
    import pandas as pd
    from bench_tables import adult as sides
    from bench_tables import labelled

    return labelled(pd.concat(sides(data.parent), ignore_index=True), "income")


def spoken(data: Path) -> LabelledData:
    """Half a second of every recording; the classes are the five speakers, of whom there are 500 each."""
    import soundfile

    x, y = [], []
    with zipfile.ZipFile(data / "free-spoken-digit" / "fsdd-5-speakers.zip") as archive:
        for name in sorted(n for n in archive.namelist() if n.endswith(".wav")):
            wave = soundfile.read(BytesIO(archive.read(name)), dtype="float32")[0][:SAMPLES]
            x.append(np.pad(wave, (0, SAMPLES - len(wave))))
            y.append(Path(name).stem.split("_")[1])
    classes = tuple(sorted(set(y)))
    fields = {"sample_rate_hz": SAMPLE_RATE_HZ, "samples": SAMPLES, "ending": ".wav"}
    return LabelledData.of_real(np.stack(x), np.searchsorted(classes, y), Schema("audio", classes, fields))


def sms(data: Path) -> LabelledData:
    lines = (data / "sms-spam" / "SMSSpamCollection").read_text(encoding="utf-8").splitlines()
    labels, texts = zip(*(line.split("\t", 1) for line in lines if "\t" in line), strict=True)
    x = np.array([*texts, None], dtype=object)[:-1]
    return LabelledData.of_real(x, (np.array(labels) == "spam").astype(np.int64), Schema("text", ("ham", "spam"), {}))


SETS = {
    "digits": lambda data: read_digits().data,
    "fashion": fashion,
    "breast_cancer": lambda data: read_breast_cancer().data,
    "mammography": mammography,
    "adult": adult,
    "spoken": spoken,
    "sms": sms,
}

if __name__ == "__main__":
    main()
