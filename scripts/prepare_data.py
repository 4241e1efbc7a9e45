"""Clean copies of published tables, so that the library special-cases none.

    python scripts/prepare_data.py adult=../shared/data/adult out=tables

adult  folder with adult-train.csv and adult-test.csv: no header, a blank before every cell, a full stop after the
       test labels. Writes adult_train.csv and adult_test.csv with a header; "?" stays, as a level.
Nothing is written beside the originals, and an existing file is not overwritten.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

ADULT = (
    "age,workclass,fnlwgt,education,education_num,marital_status,occupation,relationship,race,sex,"
    "capital_gain,capital_loss,hours_per_week,native_country,income"
)


def clean_adult(source: Path, target: Path) -> int:
    """Copy one of Adult's two files; returns its rows."""
    rows = 0
    with source.open(encoding="utf-8", newline="") as lines, target.open("x", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(ADULT.split(","))
        for row in csv.reader(lines, skipinitialspace=True):
            if len(row) == len(ADULT.split(",")):
                cells = [cell.strip() for cell in row]
                writer.writerow([*cells[:-1], cells[-1].rstrip(".")])
                rows += 1
    return rows


def main(words: list[str]) -> None:
    options = dict(word.partition("=")[::2] for word in words)
    if set(options) != {"adult", "out"}:
        sys.exit("usage: python scripts/prepare_data.py adult=FOLDER out=DIR")
    out = Path(options["out"])
    out.mkdir(parents=True, exist_ok=True)
    for side in ("train", "test"):
        target = out / f"adult_{side}.csv"
        if target.exists():
            sys.exit(f"{target.name} is there already; remove it or use another out=")
        print(f"{target.name}: {clean_adult(Path(options['adult']) / f'adult-{side}.csv', target)} rows")


if __name__ == "__main__":
    main(sys.argv[1:])
