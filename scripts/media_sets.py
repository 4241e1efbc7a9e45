"""Small sets of images and sounds whose rows are known, in every file format and folder layout."""

from __future__ import annotations

import gzip
import io
import json
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

CLASSES = ("crack", "hole", "größe")
PER_CLASS, SIDE, RATE_HZ, SAMPLES = 8, 12, 8000, 800
Row = tuple[str, str, bytes]  # label, split, and what the row holds


@dataclass
class MediaSet:
    """A set on disk.

    rows    file name from the root, or row number, -> what must be read of it
    tables  files that label others
    words   of the command line and reader, by which one damaged file changes no other
    """

    path: Path
    rows: dict[str, Row]
    tables: list[Path] = field(default_factory=list)
    words: dict[str, object] = field(default_factory=dict)

    @property
    def expected(self) -> Counter[Row]:
        return Counter(self.rows.values())


def row_of(label: str, split: str, x: np.ndarray) -> Row:
    """Equal channels count as one, since a file in colour makes three of all others."""
    grey = x.ndim == 3 and all(np.array_equal(x[0], channel) for channel in x)
    return label, split, np.ascontiguousarray(x[0] if grey else x).tobytes()


def picture(k: int, i: int, colour: bool, deep: bool = False) -> np.ndarray:
    """uint8 or uint16 (H, W) or (H, W, 3): a slope and noise, other in every file."""
    random = np.random.default_rng(100 * k + i)
    shape = (SIDE, SIDE, 3) if colour else (SIDE, SIDE)
    x = random.integers(0, 200, shape) + 4 * np.arange(SIDE).reshape(-1, *[1] * (len(shape) - 1))
    x.flat[0] = 255
    return (x * 257).astype(np.uint16) if deep else x.astype(np.uint8)


def _saved(kind: str, **settings: object) -> Callable[[np.ndarray], bytes]:
    def save(x: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(x).save(buffer, kind, **settings)
        return buffer.getvalue()

    return save


def _palette(x: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(x).convert("P").save(buffer, "PNG")
    return buffer.getvalue()


IMAGES: dict[str, tuple[str, Callable[[np.ndarray], bytes], bool, bool]] = {  # ending, writer, colour, deep
    "PNG": (".png", _saved("PNG"), False, False),
    "PNG, colour": (".png", _saved("PNG"), True, False),
    "PNG, 16 bits": (".png", _saved("PNG"), False, True),
    "PNG, palette": (".png", _palette, False, False),
    "JPEG": (".jpg", _saved("JPEG", quality=95), True, False),
    "JPEG, grey, progressive": (".JPG", _saved("JPEG", progressive=True), False, False),
    "GIF": (".gif", _saved("GIF"), False, False),
    "BMP": (".bmp", _saved("BMP"), True, False),
    "TIFF": (".tif", _saved("TIFF"), True, False),
    "TIFF, 16 bits": (".tif", _saved("TIFF"), False, True),
    "TIFF, LZW": (".tiff", _saved("TIFF", compression="tiff_lzw"), False, True),
    "WebP": (".webp", _saved("WEBP", lossless=True), True, False),
}
SOUNDS = {
    "WAV, 8 bits": (".wav", "WAV", "PCM_U8"),
    "WAV, 16 bits": (".wav", "WAV", "PCM_16"),
    "WAV, 24 bits": (".wav", "WAV", "PCM_24"),
    "WAV, 32 bits": (".wav", "WAV", "PCM_32"),
    "WAV, float": (".wav", "WAV", "FLOAT"),
    "WAV, mu-law": (".wav", "WAV", "ULAW"),
    "WAV, extensible": (".wav", "WAVEX", "PCM_24"),
    "RF64": (".wav", "RF64", "PCM_16"),
    "FLAC": (".flac", "FLAC", "PCM_16"),
    "FLAC, 24 bits": (".FLAC", "FLAC", "PCM_24"),
}
LAYOUTS = ("class folders", "split folders", "metadata.csv", "metadata.jsonl", "labels.csv", "COCO", "VOC", "YOLO")


def _image_files(kind: str) -> list[tuple[int, bytes, np.ndarray]]:
    """(class, bytes, what Pillow reads of them as uint8 (C, H, W)) of every file."""
    _, save, colour, deep = IMAGES[kind]
    found = []
    for i in range(PER_CLASS):
        for k in range(len(CLASSES)):
            x = picture(k, i, colour, deep)
            content = save(x)
            read = (
                np.rint(x / 257)
                if deep
                else np.asarray(Image.open(io.BytesIO(content)).convert("RGB" if colour else "L"))
            )
            read = read.astype(np.uint8)
            found.append((k, content, read.transpose(2, 0, 1) if colour else read[None]))
    return found


def _sound_files(kind: str) -> list[tuple[int, bytes, np.ndarray]]:
    """(class, bytes, float32 (T,) on the grid of 16 bits) of every file."""
    _, container, subtype = SOUNDS[kind]
    found = []
    for i in range(PER_CLASS):
        for k in range(len(CLASSES)):
            x = 0.6 * np.sin(np.arange(SAMPLES) * (k + 1) / 9 + i)
            buffer = io.BytesIO()
            soundfile.write(buffer, x, RATE_HZ, format=container, subtype=subtype)
            read = soundfile.read(io.BytesIO(buffer.getvalue()), dtype="float32")[0].astype(np.float64)
            grid = np.minimum(np.rint(np.clip(read, -1, 1) * 32768), 32767) / 32768
            found.append((k, buffer.getvalue(), grid.astype(np.float32)))
    return found


def folder_set(root: Path, kind: str, layout: str) -> MediaSet:
    """A folder of one file format in one layout; 8 files of each of 3 classes, the last two of each in test."""
    sounds = kind in SOUNDS
    ending = SOUNDS[kind][0] if sounds else IMAGES[kind][0]
    of_class: Counter[int] = Counter()
    rows: dict[str, Row] = {}
    labels: list[tuple[str, int]] = []
    for k, content, x in _sound_files(kind) if sounds else _image_files(kind):
        i = of_class[k]
        of_class[k] += 1
        split = ("test" if i >= PER_CLASS - 2 else "train") if layout == "split folders" else ""
        name = f"{CLASSES[k]}-{i}{ending}"
        place = {"class folders": f"{CLASSES[k]}/", "split folders": f"{split}/{CLASSES[k]}/", "VOC": "JPEGImages/"}
        name = {"YOLO": "images/"}.get(layout, place.get(layout, "files/")) + name
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
        rows[name] = row_of(CLASSES[k], split, x)
        labels.append((name, k))
    deep = not sounds and IMAGES[kind][3]
    words: dict[str, object] = (
        {"seconds": SAMPLES / RATE_HZ, "sample_rate_hz": RATE_HZ} if sounds else {"image_size": [SIDE, SIDE]}
    )
    words |= {"range": [0, 65535]} if deep else {}
    return MediaSet(root, rows, _label_files(root, layout, labels), words)


def _label_files(root: Path, layout: str, labels: list[tuple[str, int]]) -> list[Path]:
    if layout in ("metadata.csv", "labels.csv"):
        lines = [f"{name},{CLASSES[k]},{n}" for n, (name, k) in enumerate(labels)]
        (root / layout).write_text("\n".join(["file_name,label,age", *lines, ""]), encoding="utf-8")
        return [root / layout]
    if layout == "metadata.jsonl":
        lines = [json.dumps({"file_name": name, "label": CLASSES[k]}) for name, k in labels]
        (root / layout).write_text("\n".join([*lines, ""]), encoding="utf-8")
        return [root / layout]
    if layout == "COCO":
        facts = {"categories": [{"id": k + 1, "name": name} for k, name in enumerate(CLASSES)]}
        facts["images"] = [
            {"id": n, "file_name": name, "width": SIDE, "height": SIDE} for n, (name, _) in enumerate(labels)
        ]
        facts["annotations"] = [
            {"id": n, "image_id": n, "category_id": k + 1, "bbox": [1, 1, 5, 5]} for n, (_, k) in enumerate(labels)
        ]
        (root / "labels_all.json").write_text(json.dumps(facts), encoding="utf-8")
        return [root / "labels_all.json"]
    if layout in ("VOC", "YOLO"):
        return _file_a_picture(root, layout, labels)
    return []


def _file_a_picture(root: Path, layout: str, labels: list[tuple[str, int]]) -> list[Path]:
    tables = []
    for name, k in labels:
        path = (
            root
            / {"VOC": "Annotations", "YOLO": "labels"}[layout]
            / Path(name).with_suffix({"VOC": ".xml", "YOLO": ".txt"}[layout]).name
        )
        path.parent.mkdir(exist_ok=True)
        box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox>"
        size = f"<size><width>{SIDE}</width><height>{SIDE}</height></size>"
        marked = f"<filename>{Path(name).name}</filename>{size}<object><name>{CLASSES[k]}</name>{box}</object>"
        path.write_text(
            f"<annotation>{marked}</annotation>" if layout == "VOC" else f"{k} 0.5 0.5 0.2 0.2\n", encoding="utf-8"
        )
        tables.append(path)
    if layout == "YOLO":
        (root / "data.yaml").write_text(json.dumps({"names": list(CLASSES)}), encoding="utf-8")
        tables.append(root / "data.yaml")
    return tables


ARRAYS = ("x, y", "x, y, classes", "MedMNIST", "64 bits", "Fortran order", "IDX", "IDX, gzip", "one .npy")


def array_set(root: Path, kind: str) -> MediaSet:
    """An .npz, an IDX pair, or a single .npy, which is no data set."""
    root.mkdir(parents=True, exist_ok=True)
    x = np.stack([picture(k, i, False) for i in range(PER_CLASS) for k in range(3)])
    y = np.tile(np.arange(3), PER_CLASS)
    path, named = root / "set.npz", kind in ("x, y, classes", "MedMNIST")
    splits = np.where(np.arange(len(x)) < 18, "train", "test") if kind == "MedMNIST" else np.full(len(x), "")
    names = CLASSES if kind == "x, y, classes" else ("0", "1", "2")
    rows = {str(i): row_of(names[y[i]], str(splits[i]), x[i]) for i in range(len(x))}
    if kind == "MedMNIST":
        np.savez(path, train_images=x[:18], train_labels=y[:18, None], test_images=x[18:], test_labels=y[18:, None])
    elif kind.startswith("IDX"):
        opened = gzip.open if "gzip" in kind else open
        path, end = root, ".gz" if "gzip" in kind else ""
        for name, values in (("images-idx3", x), ("labels-idx1", y.astype(np.uint8))):
            head = struct.pack(f">I{values.ndim}I", 0x800 + values.ndim, *values.shape)
            with opened(root / f"train-{name}-ubyte{end}", "wb") as file:
                file.write(head + values.tobytes())
    elif kind == "one .npy":
        path = root / "x.npy"
        np.save(path, x)
    else:
        saved = {"64 bits": x.astype(np.int64), "Fortran order": np.asfortranarray(x)}.get(kind, x)
        np.savez(path, x=saved, y=y, **({"classes": np.array(CLASSES)} if named else {}))
    return MediaSet(path, rows, words={"image_size": [SIDE, SIDE]})
