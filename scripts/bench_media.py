"""Damage sets of images and sounds and look at them: how many end in a traceback, hang, or are read wrongly.

    python scripts/bench_media.py [media=500] [seed=0]

Every set is one of `media_sets.py`, with one change. `explore` looks at it in this process; a traceback, an exit code
other than 0, 2 and 3, and more than 20 seconds are faults. Where it ends with 0, the rows are read and held against
what they are known to be: after a change that hurts no file all rows, after one that hurts a file all others, in their
classes and splits, pixel for pixel and sample for sample. Prints one line a kind of change, and the faults.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import struct
import sys
import tempfile
import time
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from media_sets import ARRAYS, IMAGES, LAYOUTS, SOUNDS, MediaSet, Row, array_set, folder_set, row_of
from PIL import Image

from gensynth.cli import main
from gensynth.data.sources import read_path
from gensynth.errors import GensynthError

SLOW_SECONDS = 20
Change = Callable[[MediaSet, Path, np.random.Generator], int]  # how many rows may be missing, of the file or all


def _bytes(change: Callable[[bytes, np.random.Generator], bytes]) -> Change:
    def of_file(media: MediaSet, path: Path, random: np.random.Generator) -> int:
        path.write_bytes(change(path.read_bytes(), random))
        return 1

    return of_file


def flipped(content: bytes, random: np.random.Generator) -> bytes:
    raw = np.frombuffer(content, np.uint8).copy()
    raw[random.integers(0, len(raw), int(random.integers(1, 20)))] ^= np.uint8(random.integers(1, 256))
    return raw.tobytes()


def header(content: bytes, random: np.random.Generator) -> bytes:
    """A field of the header as large as it can be."""
    at = int(random.integers(4, min(60, len(content) - 4)))
    return content[:at] + random.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4)]) + content[at + 4 :]


def huge(content: bytes, random: np.random.Generator) -> bytes:
    """A PNG of a hundred million pixels, whose checksums are right."""
    head = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    parts = [struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def other_ending(media: MediaSet, path: Path, random: np.random.Generator) -> int:
    ends = [".flac", ".WAV"] if path.suffix.lower() in (".wav", ".flac") else [".png", ".jpeg", ".TIF", ".webp", ".bmp"]
    path.rename(path.with_suffix(str(random.choice(ends))))
    return 0


def odd_name(media: MediaSet, path: Path, random: np.random.Generator) -> int:
    stem = str(random.choice([" a b ", "a#1", "50%=x", "ü(1),~", "a\tb", "-a", "a'b\"c", "x" * 200, "1.2.3"]))
    path.rename(path.with_name(stem + path.suffix))
    return 0


def other_form(media: MediaSet, path: Path, random: np.random.Generator) -> int:
    """Names of all files and folders as another system writes letters with marks."""
    for one in sorted(media.path.rglob("*"), key=lambda p: -len(p.parts)):
        name = unicodedata.normalize("NFD", one.name)
        if name != one.name:
            one.rename(one.with_name(name))
    return 0


def twice(media: MediaSet, path: Path, random: np.random.Generator) -> int:
    path.with_name("copy of " + path.name).write_bytes(path.read_bytes())
    media.rows["copy"] = media.rows[str(path.relative_to(media.path))]
    return 0


def link(media: MediaSet, path: Path, random: np.random.Generator) -> int:
    away = media.path.parent / "away"
    path.rename(away)
    path.symlink_to(away)
    return 1


def folder_in_its_place(media: MediaSet, path: Path, random: np.random.Generator) -> int:
    path.unlink()
    path.mkdir()
    return 1


def fifo(media: MediaSet, path: Path, random: np.random.Generator) -> int:
    path.unlink()
    os.mkfifo(path)
    return 1


def left_behind(media: MediaSet, path: Path, random: np.random.Generator) -> int:
    for name in ("Thumbs.db", ".DS_Store", "._" + path.name, "desktop.ini"):
        (path.parent / name).write_bytes(b"\0" * 40)
    (media.path / "@eaDir").mkdir()
    (media.path / "@eaDir" / path.name).write_bytes(path.read_bytes())
    return 0


def behind_the_end(media: MediaSet, path: Path, random: np.random.Generator) -> int:
    path.write_bytes(path.read_bytes() + b"\0" * int(random.integers(1, 300)))
    return 0 if path.suffix.lower() in (".png", ".jpg", ".gif", ".bmp", ".wav") else 1


def turned(media: MediaSet, path: Path, random: np.random.Generator) -> int:
    """An image that lies on its side in the file, with EXIF that says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(path) as image:
        image.load()
        lying = image.transpose(Image.Transpose.ROTATE_90)
    lying.save(path, "PNG", exif=exif)
    return 0


FILES: dict[str, Change] = {
    "cut off": _bytes(lambda c, r: c[: int(r.integers(1, len(c)))]),
    "bytes flipped": _bytes(flipped),
    "no bytes": _bytes(lambda c, r: b""),
    "a field of the header": _bytes(header),
    "a huge image": _bytes(huge),
    "random bytes": _bytes(lambda c, r: r.bytes(int(r.integers(1, 4000)))),
    "text in its place": _bytes(lambda c, r: b"<html>404 not found</html>\n"),
    "bytes behind the end": behind_the_end,
    "another ending": other_ending,
    "an odd name": odd_name,
    "names in NFD": other_form,
    "a file twice": twice,
    "a link": link,
    "a folder in its place": folder_in_its_place,
    "a pipe in its place": fifo,
    "files of programs beside it": left_behind,
    "turned by EXIF": turned,
}
NAMED = ("another ending", "an odd name", "a file twice", "names in NFD")  # a label file would have to say so too


def _lines(change: Callable[[list[str], np.random.Generator], list[str]]) -> Callable[[str, np.random.Generator], str]:
    def of_text(text: str, random: np.random.Generator) -> str:
        head, *lines = text.rstrip("\n").split("\n")
        return "\n".join([head, *change(lines, random), ""])

    return of_text


LABELS_KEPT: dict[str, Callable[[str, np.random.Generator], str]] = {  # what the label file says stays the same
    "label file: lines in another order": _lines(lambda lines, r: list(r.permutation(lines))),
    "label file: line ends of Windows": lambda t, r: t.replace("\n", "\r\n"),
    "label file: byte order mark": lambda t, r: "\ufeff" + t,
    "label file: all cells quoted": lambda t, r: "\n".join(
        ",".join(f'"{c}"' for c in line.split(",")) for line in t.rstrip("\n").split("\n")
    ),
    "label file: semicolons": lambda t, r: t.replace(",", ";"),
    "label file: columns in another order": lambda t, r: "\n".join(
        ",".join(line.split(",")[::-1]) for line in t.rstrip("\n").split("\n")
    ),
    "label file: empty lines": lambda t, r: t.replace("\n", "\n\n"),
    "label file: no last line end": lambda t, r: t.rstrip("\n"),
    "label file: slashes of Windows": lambda t, r: t.replace("files/", "files\\"),
    "label file: ./ before names": lambda t, r: t.replace("files/", "./files/"),
}
LABELS_HURT: dict[str, Change] = {
    "label file: cut off": FILES["cut off"],
    "label file: bytes flipped": FILES["bytes flipped"],
    "label file: no bytes": FILES["no bytes"],
    "label file: random bytes": FILES["random bytes"],
    "label file: gone": lambda m, p, r: p.unlink() or len(m.rows),
}
ARRAY_CHANGES = ("cut off", "bytes flipped", "no bytes", "a field of the header", "random bytes", "text in its place")


class HangError(Exception):
    """An input took too long."""


@contextlib.contextmanager
def limited() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise HangError

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SLOW_SECONDS + 10)
    try:
        yield
    finally:
        signal.alarm(0)


def changed_set(root: Path, random: np.random.Generator) -> tuple[str, str, MediaSet, int]:
    """(set, change, what lies there, rows that may be missing)."""
    if random.random() < 0.15:
        kind, name = str(random.choice(ARRAYS)), str(random.choice(ARRAY_CHANGES))
        media = array_set(root / "set", kind)
        files = [path for path in (root / "set").iterdir()]
        FILES[name](media, files[int(random.integers(len(files)))], random)
        return kind, name, media, len(media.rows)
    kind = str(random.choice([*IMAGES, *SOUNDS]))
    layout = str(random.choice(LAYOUTS[:5] if kind in SOUNDS else LAYOUTS))
    media = folder_set(root / "set", kind, layout)
    table = media.tables[int(random.integers(len(media.tables)))] if media.tables else None
    names = [name for name in FILES if table is None or name not in NAMED]
    names = [name for name in names if name != "turned by EXIF" or kind == "PNG"]
    if table is not None and random.random() < 0.5:
        if table.suffix == ".csv" and random.random() < 0.7:
            name = str(random.choice(list(LABELS_KEPT)))
            table.write_text(LABELS_KEPT[name](table.read_text("utf-8"), random), encoding="utf-8", newline="")
            return f"{kind}, {layout}", name, media, 0
        name = str(random.choice(list(LABELS_HURT)))
        LABELS_HURT[name](media, table, random)
        return f"{kind}, {layout}", name, media, len(media.rows)
    name = str(random.choice(names))
    path = media.path / str(random.choice(list(media.rows)))
    return f"{kind}, {layout}", name, media, FILES[name](media, path, random)


def looked_at(media: MediaSet, out: Path) -> tuple[int, str]:
    """(exit code, what stderr says)."""
    words = [f"data.{key}={json.dumps(value)}" for key, value in media.words.items()]
    err = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        code = main(["explore", str(media.path), *words, f"out={out}"])
    return code, err.getvalue()


def unlike(media: MediaSet, may_lack: int) -> str:
    """How the rows that are read differ from those that are known; empty where they do not."""
    source = read_path(str(media.path), **media.words)  # type: ignore[arg-type]
    labels = [source.data.schema.classes[k] for k in source.data.y]
    found: Counter[Row] = Counter(map(row_of, labels, source.split.tolist(), source.data.x))
    missing, more = media.expected - found, found - media.expected
    if missing.total() > may_lack or more.total() > may_lack:
        return f"{missing.total()} rows are missing, {more.total()} are others; at most {may_lack} may be"
    return ""


def run(media: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    ends: Counter[tuple[str, str]] = Counter()
    faults, known, slowest = [], 0, 0.0
    for number in range(media):
        with tempfile.TemporaryDirectory() as place:
            kind, name, one, may_lack = changed_set(Path(place), random)
            begun, code, fault = time.monotonic(), -1, ""
            try:
                with limited():
                    code, err = looked_at(one, Path(place) / "o")
                if code not in (0, 2, 3) or "Traceback" in err or "Warning" in err:
                    loud = [line for line in err.splitlines() if "Warning" in line or "Error" in line]
                    fault = f"exit {code}: {loud[-3:]}"
                elif code == 0:
                    fault = unlike(one, may_lack)
                    known += may_lack < len(one.rows)
                elif may_lack == 0:
                    fault = f"a harmless change is refused: {err.strip().splitlines()[-3:]}"
            except (HangError, GensynthError) as error:
                fault = f"{type(error).__name__} {error}"
            seconds = time.monotonic() - begun
            slowest = max(slowest, seconds)
            fault = fault or (f"{seconds:.0f} s" if seconds > SLOW_SECONDS else "")
            ends[name, f"exit {code}"] += 1
            if fault:
                faults.append(f"{number}: {kind}: {name}: {fault}")
    for name in dict.fromkeys(name for name, _ in sorted(ends)):
        print(f"{name:36}", "  ".join(f"{end}: {n}" for (of, end), n in sorted(ends.items()) if of == name))
    print(f"{media} sets, {known} read and held against known rows, slowest {slowest:.1f} s, {len(faults)} faults")
    print(*faults, sep="\n")


if __name__ == "__main__":
    words = dict(word.split("=", 1) for word in sys.argv[1:])
    run(int(words.get("media", 500)), int(words.get("seed", 0)))
