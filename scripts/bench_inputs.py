"""Damage tables at random and look at them: how many end in a traceback, in a sentence, or are read.

    python scripts/bench_inputs.py [tables=1000] [truths=200] [seed=0] [from=FOLDER]

Every table is a bundled one, or one of FOLDER's CSV files cut to 200 rows, with one mutation. Each is looked at by
`explore` in this process; an exit code other than 0, 2, 3 or a traceback counts as a fault, and so does a table that
takes more than 20 seconds. Prints one line a kind of mutation, and the faults. Then `truths` tables are written in
another form that means the same: they must be read with the same columns, classes and cells. Sets of images and sounds
are damaged by `bench_media.py`.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets

from gensynth.cli import main
from gensynth.data.table import modelled_columns
from gensynth.data.table_source import read_table
from gensynth.errors import GensynthError

ODD = [
    "",
    " ",
    "NA",
    "inf",
    "-inf",
    "1e999",
    "0x1F",
    "1,5",
    "1.234,5",
    "$3",
    "3 %",
    "(4)",
    "2020-13-45",
    "24:61",
    "٣",
    "\u202e",
]
ODD += [
    "=1+1",
    '"',
    "'",
    "\t",
    "a" * 5000,
    "true",
    "null",
    "1_000",
    "½",
    "\ufeff",
    "-",
    ".",
    "+",
    "e",
    "1e",
    "00012",
    "NaN",
]
SLOW_SECONDS = 20.0
Writer = Callable[[pd.DataFrame, Path, np.random.Generator], Path]


def sources(folder: str, random: np.random.Generator) -> list[pd.DataFrame]:
    bunches = (datasets.load_iris, datasets.load_wine, datasets.load_breast_cancer)
    tables = [make(as_frame=True).frame.rename(columns={"target": "label"}).astype(str) for make in bunches]
    for path in sorted(Path(folder).rglob("*.csv"))[:40] if folder else []:
        with contextlib.suppress(Exception):
            frame = pd.read_csv(path, dtype=str, nrows=2000, keep_default_na=False)
            few = frame.sample(min(len(frame), 200), random_state=int(random.integers(1 << 31)))
            tables.append(few.rename(columns={few.columns[-1]: "label"}))
    return [table for table in tables if 2 <= table["label"].nunique() <= 50]


def cells_changed(frame: pd.DataFrame, random: np.random.Generator, share: float) -> pd.DataFrame:
    out, column = frame.copy(), int(random.integers(frame.shape[1]))
    rows = random.random(len(frame)) < share
    out.iloc[rows, column] = random.choice(ODD, int(rows.sum()))
    return out


def whole_column(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    out = frame.copy()
    out.iloc[:, int(random.integers(frame.shape[1]))] = str(random.choice(ODD))
    return out


def stretched(text: str, random: np.random.Generator) -> str:
    lines = text.split("\n")
    at = int(random.integers(len(lines)))
    lines[at] = lines[at] + str(random.choice([",", ",,", '"', ",x", "\t", ";"]))
    return "\n".join(lines)


FRAMES = {
    "a few odd cells": lambda f, r: cells_changed(f, r, 0.02),
    "many odd cells": lambda f, r: cells_changed(f, r, 0.4),
    "a column of one odd cell": whole_column,
    "a column twice": lambda f, r: pd.concat([f, f.iloc[:, :1]], axis=1),
    "few rows": lambda f, r: f.iloc[: int(r.integers(1, 9))],
    "no column but the label": lambda f, r: f[["label"]],
    "a column in other units": lambda f, r: f.assign(
        **{f.columns[0]: [f"{i * 7919 % 10**9:,}" for i in range(len(f))]}
    ),
}
TEXTS = {
    "a longer line": stretched,
    "cut in the middle": lambda t, r: t[: int(r.integers(1, len(t)))],
    "another delimiter": lambda t, r: t.replace(",", str(r.choice([";", "\t", "|", ":"]))),
    "a byte order mark": lambda t, r: "\ufeff" + t,
    "line ends of Windows": lambda t, r: t.replace("\n", "\r\n"),
    "a letter changed": lambda t, r: (lambda i: t[:i] + chr(int(r.integers(1, 1200))) + t[i + 1 :])(
        int(r.integers(len(t)))
    ),
    "an unclosed quote": lambda t, r: (lambda i: t[:i] + '"' + t[i:])(int(r.integers(len(t)))),
}


def looked_at(path: Path, out: Path) -> tuple[int, str]:
    """(exit code, what stderr says)."""
    err = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        code = main(["explore", str(path), f"out={out}"])
    return code, err.getvalue()


def run(tables: int, seed: int, folder: str) -> None:
    random = np.random.default_rng(seed)
    known = sources(folder, random)
    ends: Counter[tuple[str, int]] = Counter()
    faults = []
    for number in range(tables):
        frame = known[int(random.integers(len(known)))]
        name = str(random.choice([*FRAMES, *TEXTS]))
        with tempfile.TemporaryDirectory() as place:
            path, begun = Path(place) / "t.csv", time.monotonic()
            changed = FRAMES[name](frame, random) if name in FRAMES else frame
            text = changed.to_csv(index=False)
            path.write_text(TEXTS[name](text, random) if name in TEXTS else text, encoding="utf-8", newline="")
            code, err = looked_at(path, Path(place) / "o")
            ends[name, code] += 1
            if code not in (0, 2, 3) or "Traceback" in err or time.monotonic() - begun > SLOW_SECONDS:
                faults.append(f"{number}: {name}: exit {code}: {err.strip().splitlines()[-3:]}")
    for name in [*FRAMES, *TEXTS]:
        print(f"{name:28}", "  ".join(f"exit {code}: {n}" for (of, code), n in sorted(ends.items()) if of == name))
    print(f"{tables} tables, {len(faults)} faults", *faults, sep="\n")


def _csv(encoding: str = "utf-8", name: str = "t.csv", **settings: object) -> Writer:
    def write(frame: pd.DataFrame, folder: Path, random: np.random.Generator) -> Path:
        frame.to_csv(folder / name, index=False, encoding=encoding, **settings)
        return folder / name

    return write


def _changed(change: Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]) -> Writer:
    return lambda frame, folder, random: _csv()(change(frame, random), folder, random)


def _lines(frame: pd.DataFrame, folder: Path, random: np.random.Generator) -> Path:
    path = folder / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")), encoding="utf-8")
    return path


def _parquet(frame: pd.DataFrame, folder: Path, random: np.random.Generator) -> Path:
    frame.to_parquet(folder / "t.parquet")
    return folder / "t.parquet"


SAME: dict[str, Writer] = {  # forms of one table that mean the same
    "all cells quoted": _csv(quoting=csv.QUOTE_ALL),
    "semicolons": _csv(sep=";"),
    "tabs": _csv(sep="\t", name="t.tsv"),
    "bars": _csv(sep="|"),
    "line ends of Windows": _csv(lineterminator="\r\n"),
    "a byte order mark": _csv("utf-8-sig"),
    "UTF-16": _csv("utf-16"),
    "gzip": _csv(name="t.csv.gz"),
    "JSON Lines": _lines,
    "Parquet of texts": _parquet,
    "blanks around cells": _changed(
        lambda f, r: f.assign(**{c: f[c].map(lambda cell: f" {cell}  " if cell else cell) for c in f if c != "label"})
    ),
    "columns in another order": _changed(lambda f, r: f[list(r.permutation(f.columns))]),
    "rows in another order": _changed(lambda f, r: f.iloc[r.permutation(len(f))]),
}


def meaning(path: Path) -> tuple[object, ...]:
    """Classes, what each column is, and the rows without their order, whatever the order of columns."""
    source = read_table(str(path))
    fields = source.data.schema.fields
    columns = sorted(fields["columns"], key=lambda column: column["name"])
    order = np.argsort([column.name for column in modelled_columns(fields)])
    rows = Counter(zip(source.data.y.tolist(), [row.tobytes() for row in source.data.x[:, order]], strict=True))
    kept = [{k: v for k, v in one.items() if k not in ("example", "spelling", "missing")} for one in columns]
    facts = [one | {"levels": [level.strip() for level in one["levels"]]} for one in kept]
    return source.data.schema.classes, facts, rows


def known(truths: int, seed: int, folder: str) -> None:
    random = np.random.default_rng(seed)
    tables, faults, read = sources(folder, random), [], 0
    for number in range(truths):
        frame, name = tables[int(random.integers(len(tables)))], list(SAME)[number % len(SAME)]
        with tempfile.TemporaryDirectory() as place:
            (Path(place) / "plain").mkdir()
            try:
                first = meaning(_csv()(frame, Path(place) / "plain", random))
            except GensynthError:
                continue  # refused as it is
            read += 1
            try:
                second = meaning(SAME[name](frame, Path(place), random))
            except GensynthError as error:
                faults.append(f"{number}: {name}: refused: {error} (columns {', '.join(frame.columns[:5])})")
                continue
            unlike = [what for what, a, b in zip(("classes", "columns", "rows"), first, second, strict=True) if a != b]
            if unlike:
                pairs = [(a, b) for a, b in zip(first[1], second[1], strict=False) if a != b][:1]
                faults.append(
                    f"{number}: {name}: other {', '.join(unlike)} {pairs} (columns {list(frame.columns[:5])})"
                )
    print(f"{read} tables in {len(SAME)} forms that mean the same, {len(faults)} read otherwise", *faults, sep="\n")


if __name__ == "__main__":
    words = dict(word.split("=", 1) for word in sys.argv[1:])
    run(int(words.get("tables", 1000)), int(words.get("seed", 0)), words.get("from", ""))
    known(int(words.get("truths", 200)), int(words.get("seed", 0)), words.get("from", ""))
