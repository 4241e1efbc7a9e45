"""Clean copies of published data, so that the library special-cases none.

    python scripts/prepare_data.py adult=../shared/data/adult out=tables
    python scripts/prepare_data.py spoken=recordings.zip keep=250,40 out=spoken_digits
    python scripts/prepare_data.py defects=60,12 out=defects

adult    folder with adult-train.csv and adult-test.csv: no header, a blank before every cell, a full stop after the
         test labels. Writes adult_train.csv and adult_test.csv with a header; "?" stays, as a level.
spoken   folder or zip of flat WAV files called digit_speaker_number.wav. Writes them unchanged, with a metadata.csv
         whose columns are file_name, label (the digit) and speaker. keep=250,25 keeps so many of the digits below 5
         and of the others.
defects  how many surfaces without and with each of three defects to draw (scratch, pit, stain): 64-pixel grey
         textures, class folders. Not real: to try the defect example where there is no folder of one's own.
Nothing is written beside the originals, and an existing file is not overwritten.
"""

from __future__ import annotations

import csv
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

ADULT = (
    "age,workclass,fnlwgt,education,education_num,marital_status,occupation,relationship,race,sex,"
    "capital_gain,capital_loss,hours_per_week,native_country,income"
)
SIDE = 64


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


def adult(source: Path, out: Path) -> None:
    for side in ("train", "test"):
        target = out / f"adult_{side}.csv"
        if target.exists():
            sys.exit(f"{target.name} is there already; remove it or use another out=")
        print(f"{target.name}: {clean_adult(source / f'adult-{side}.csv', target)} rows")


def recordings(source: Path) -> Iterator[tuple[str, bytes]]:
    """(file name, content) of every WAV file of a folder or a zip, by name."""
    if source.is_dir():
        for path in sorted(source.rglob("*.wav")):
            yield path.name, path.read_bytes()
        return
    with zipfile.ZipFile(source) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".wav"):
                yield Path(name).name, archive.read(name)


def spoken(source: Path, out: Path, keep: tuple[int, int]) -> None:
    if any(out.iterdir()):
        sys.exit(f"{out.name} is not empty; use another out=")
    kept = dict.fromkeys(map(str, range(10)), 0)
    with (out / "metadata.csv").open("x", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file_name", "label", "speaker"])
        # Take after take, so that a cut digit still has all its speakers.
        parts = [(name.removesuffix(".wav").split("_"), name, content) for name, content in recordings(source)]
        for (digit, speaker, _), name, content in sorted(parts, key=lambda part: (int(part[0][2]), part[1])):
            if kept[digit] < keep[int(digit) >= 5]:
                kept[digit] += 1
                (out / name).write_bytes(content)
                writer.writerow([name, digit, speaker])
    print(", ".join(f"{digit}: {count}" for digit, count in kept.items()))


def surface(order: np.random.Generator, defect: str) -> np.ndarray:
    """A brushed grey surface, uint8 (SIDE, SIDE), with one defect or none."""
    grain = gaussian_filter(order.standard_normal((SIDE, SIDE)), (0.8, 3)) * 25 + order.uniform(120, 140)
    light = gaussian_filter(order.standard_normal((SIDE, SIDE)), 20) * 200
    image, (row, column) = grain + light, order.uniform(16, SIDE - 16, 2)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    if defect == "scratch":
        angle, length = order.uniform(0, np.pi), order.uniform(14, 26)
        along = (columns - column) * np.cos(angle) + (rows - row) * np.sin(angle)
        across = (rows - row) * np.cos(angle) - (columns - column) * np.sin(angle)
        image = image + order.uniform(50, 90) * np.exp(-((across / 1.5) ** 2)) * (abs(along) < length)
    elif defect == "pit":
        size = order.uniform(3, 5)
        image = image - order.uniform(70, 110) * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / size**2)
    elif defect == "stain":
        size = order.uniform(8, 13)
        blob = gaussian_filter(order.standard_normal((SIDE, SIDE)), 3) * 12
        edge = np.hypot(rows - row, columns - column) + blob
        image = image - order.uniform(25, 45) / (1 + np.exp((edge - size) / 0.8))
    return np.clip(image, 0, 255).astype(np.uint8)


def defects(counts: tuple[int, int], out: Path) -> None:
    order = np.random.default_rng(0)
    for name in ("fine", "pit", "scratch", "stain"):
        (out / name).mkdir()
        for i in range(counts[0] if name == "fine" else counts[1]):
            Image.fromarray(surface(order, name)).save(out / name / f"{i:04d}.png")
    print(f"fine: {counts[0]}, pit, scratch and stain: {counts[1]} each")


def two(text: str) -> tuple[int, int]:
    first, second = text.split(",")
    return int(first), int(second)


def main(words: list[str]) -> None:
    options = dict(word.partition("=")[::2] for word in words)
    task = [name for name in ("adult", "spoken", "defects") if name in options]
    if len(task) != 1 or "out" not in options or set(options) - {*task, "out", "keep"}:
        sys.exit("usage: python scripts/prepare_data.py adult=FOLDER|spoken=FOLDER_OR_ZIP|defects=FINE,EACH out=DIR")
    out = Path(options["out"])
    out.mkdir(parents=True, exist_ok=True)
    if task == ["adult"]:
        adult(Path(options["adult"]), out)
    elif task == ["spoken"]:
        spoken(Path(options["spoken"]), out, two(options.get("keep", "250,250")))
    else:
        defects(two(options["defects"]), out)


if __name__ == "__main__":
    main(sys.argv[1:])
