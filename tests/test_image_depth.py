"""Images of more than 8 bits are scaled by one rule over the set; no property of a file tells real from synthetic."""

from __future__ import annotations

import csv
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from gensynth.cli import main
from gensynth.data.finding import FileFault
from gensynth.data.image import read_pixels
from gensynth.data.sources import read_path
from gensynth.errors import UsageError

SIZE = 8


def stored(path: Path, x: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(x).save(path)
    return path


def deep_png(path: Path, x: np.ndarray, key: tuple[int, ...] = ()) -> Path:
    """uint16 (H, W, C) as a PNG of 16 bits a channel, which Pillow cannot write; 2 and 4 channels have alpha.

    key  the colour that is transparent
    """

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, channels = x.shape
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in x)
    clear = chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)) if key else b""
    parts = (chunk(b"IHDR", head), clear, chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b""))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def deep_tiff(path: Path, x: np.ndarray, order: str) -> Path:
    """uint16 (H, W, 3) as an uncompressed TIFF; order of bytes: < or >."""
    height, width, _ = x.shape
    short, long, pixels = 3, 4, x.astype(order + "u2").tobytes()
    bits_at = 8 + len(pixels)
    tags = [(256, short, 1, width), (257, short, 1, height), (258, short, 3, bits_at), (259, short, 1, 1)]
    tags += [(262, short, 1, 2), (273, long, 1, 8), (277, short, 1, 3), (278, short, 1, height)]
    tags += [(279, long, 1, len(pixels))]
    inline = {tag for tag, kind, count, _ in tags if kind == short and count == 1}
    values = {t: struct.pack(order + "HH", v, 0) if t in inline else struct.pack(order + "I", v) for t, _, _, v in tags}
    entries = b"".join(struct.pack(order + "HHI", tag, kind, n) + values[tag] for tag, kind, n, _ in tags)
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", bits_at + 6)
    folder = struct.pack(order + "H", len(tags)) + entries + bytes(4)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + pixels + struct.pack(order + "HHH", 16, 16, 16) + folder)
    return path


def ramp(top: float, dtype: type, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, top, (SIZE, SIZE)).astype(dtype)


def two_classes(root: Path, tops: list[float], dtype: type, ending: str) -> list[np.ndarray]:
    """An image a value, whose brightest pixel is that value, by turns in class a and b."""
    images = []
    for i, top in enumerate(tops):
        x = ramp(top, dtype, i)
        x[0, 0] = top
        stored(root / "ab"[i % 2] / f"{i}.{ending}", x)
        images.append(x)
    return images


def row(source, name: str) -> np.ndarray:
    return source.data.x[source.data.ids == name][0, 0]


@pytest.mark.parametrize(
    ("tops", "dtype", "top"),
    [
        ([900, 400], np.uint16, 1023),
        ([200, 4000], np.uint16, 4095),
        ([200, 16000], np.uint16, 16383),
        ([300, 40000], np.uint16, 65535),
        ([4000, 200], np.int32, 4095),
        ([0.9, 0.1], np.float32, 1),
        ([2000.0, 1.0], np.float32, None),
        ([70000, 200], np.int32, None),
    ],
)
def test_every_file_is_scaled_by_the_range_of_the_set(tmp_path, tops, dtype, top):
    images = two_classes(tmp_path, tops, dtype, "tif")
    low = 0 if top else min(x.min() for x in images)
    high = top or max(x.max() for x in images)
    source = read_path(str(tmp_path))
    for i, x in enumerate(images):
        expected = np.rint((x.astype(np.float64) - low) * 255 / (high - low))
        np.testing.assert_array_equal(row(source, f"{'ab'[i % 2]}/{i}.tif"), expected)
    reported = [note for note in source.notes if "data.range=[LOW, HIGH]" in note]
    assert [f": {low:g} to {high:g} " in note for note in reported] == [True]


def test_negative_numbers_are_read(tmp_path):
    for i in range(2):
        stored(tmp_path / "ab"[i] / "0.tif", np.array([[-1000, 0, 1000]] * 3, np.int32))
    assert row(read_path(str(tmp_path)), "a/0.tif")[0].tolist() == [0, 128, 255]


def test_a_declared_range_wins_and_what_it_clips_is_counted(tmp_path):
    two_classes(tmp_path, [4000, 500, 500], np.uint16, "png")
    source = read_path(str(tmp_path), range=[0, 1000])
    assert row(source, "a/0.png")[0, 0] == 255
    assert row(source, "b/1.png")[0, 0] == 128
    assert any(
        "(data.range) becomes 0 to 255 in all of them; 1 of them hold numbers beyond it" in n for n in source.notes
    )


@pytest.mark.parametrize("given", [[5], [4, 4], [9, 1], [0, float("nan")], ["a", "b"], "ab"])
def test_a_range_that_is_none_is_one_sentence(tmp_path, given):
    two_classes(tmp_path, [9, 9], np.uint16, "png")
    with pytest.raises(UsageError, match=r"data\.range takes two numbers"):
        read_path(str(tmp_path), range=given)


def test_8_bit_images_stay_as_they_are(tmp_path):
    images = two_classes(tmp_path, [90, 40], np.uint8, "png")
    source = read_path(str(tmp_path), range=[0, 100])
    np.testing.assert_array_equal(row(source, "a/0.png"), images[0])
    assert any("data.range has no effect" in note for note in source.notes)


def test_of_mixed_depths_each_is_settled_alone(tmp_path):
    shallow, deep = ramp(255, np.uint8), ramp(4000, np.uint16)
    deep[0, 0] = 4000
    for name in "ab":
        stored(tmp_path / name / "0.png", shallow)
        stored(tmp_path / name / "1.png", deep)
    source = read_path(str(tmp_path))
    np.testing.assert_array_equal(row(source, "a/0.png"), shallow)
    assert row(source, "b/1.png")[0, 0] == round(4000 * 255 / 4095)
    assert any(note.startswith("2 of 4 images hold 16-bit numbers") for note in source.notes)


def test_what_is_not_finite_is_left_out_and_has_no_say(tmp_path):
    two_classes(tmp_path, [0.5, 0.5, 0.5], np.float32, "tif")
    stored(tmp_path / "a" / "bad.tif", np.full((SIZE, SIZE), np.inf, np.float32))
    source = read_path(str(tmp_path))
    assert [(f.file, f.reason) for f in source.quarantine] == [("a/bad.tif", "bad_range")]
    assert row(source, "b/1.tif")[0, 0] == 128


@pytest.mark.parametrize("write", [deep_png, lambda p, x: deep_tiff(p, x, "<"), lambda p, x: deep_tiff(p, x, ">")])
def test_colours_of_16_bits_keep_all_of_them(tmp_path, write):
    x = np.random.default_rng(0).integers(0, 4096, (SIZE, SIZE, 3))
    x[0, 0] = 4095
    for name in "ab":
        write(tmp_path / name / "0.png", x)
    found = read_path(str(tmp_path)).data.x[0]
    np.testing.assert_array_equal(found, np.rint(x * 255 / 4095).transpose(2, 0, 1))


@pytest.mark.parametrize("channels", [2, 4])
def test_deep_colours_with_alpha_lie_on_white(tmp_path, channels):
    x = np.full((1, 2, channels), 1000, np.uint16)
    x[..., -1] = 65535, 0
    assert read_pixels(deep_png(tmp_path / "a.png", x), 100)[0].tolist() == [[round(1000 * 255 / 1023), 255]]


@pytest.mark.parametrize("key", [(700,), (700, 701, 702)])
def test_a_colour_of_16_bits_that_is_transparent_lies_on_white(tmp_path, key):
    """Colours that share its upper bytes, or some channels of it, are not."""
    x = np.array([[key, (*key[:-1], key[-1] + 1), tuple(n + 300 for n in key)]])
    kept = [[round(n * 255 / 1023) for n in pixel] for pixel in x[0, 1:].tolist()]
    found = read_pixels(deep_png(tmp_path / "a.png", x, key), 100)
    assert found.transpose(1, 2, 0)[0, 0].tolist() == [255] * len(found)
    np.testing.assert_array_equal(found.transpose(1, 2, 0)[0, 1:], np.array(kept)[:, : len(found)])


@pytest.mark.parametrize(
    ("dtype", "kind", "channels", "said"),
    [
        ("<f2", 3, 1, "TIFF of 1 x 16-bit floats"),
        ("<f8", 3, 1, "TIFF of 1 x 64-bit floats"),
        ("<i8", 2, 1, "TIFF of 1 x 64-bit whole numbers"),
        ("<f4", 3, 3, "TIFF of 3 x 32-bit floats"),
    ],
)
def test_a_tiff_of_numbers_that_are_not_read_says_which(tmp_path, dtype, kind, channels, said):
    bits, pixels = np.dtype(dtype).itemsize * 8, np.ones((SIZE, SIZE, channels), dtype).tobytes()
    tags = {256: SIZE, 257: SIZE, 259: 1, 262: 1 if channels == 1 else 2, 273: 8, 277: channels, 278: SIZE}
    folder = TiffImagePlugin.ImageFileDirectory_v2(b"II*\0" + bytes(4))
    folder.update(tags | {258: (bits,) * channels, 279: len(pixels), 339: (kind,) * channels})
    head = b"II*\0" + struct.pack("<I", 8 + len(pixels))
    (tmp_path / "a.tif").write_bytes(head + pixels + folder.tobytes(8 + len(pixels)))
    with pytest.raises(FileFault, match=f"unsupported_mode: {said}, which is not read; save it as grey 32-bit floats"):
        read_pixels(tmp_path / "a.tif", 100)


def test_a_set_that_is_compared_is_scaled_as_the_first_was(tmp_path):
    from gensynth.data.kinds import modality_of

    two_classes(tmp_path / "real", [4000, 4000], np.uint16, "png")
    dim = two_classes(tmp_path / "other", [600, 600], np.uint16, "png")
    schema = read_path(str(tmp_path / "real")).data.schema
    other = modality_of(schema).read_like(
        str(tmp_path / "other"), schema, label="label", groups=[], written=False, form={}
    )
    np.testing.assert_array_equal(row(other, "a/0.png"), np.rint(dim[0] * 255.0 / 4095))


FORMS = {
    "plain": lambda image, path: image.save(path, "PNG"),
    "renamed": lambda image, path: image.save(path, "PNG"),
    "jpeg": lambda image, path: image.save(path, "JPEG"),
    "palette": lambda image, path: image.convert("P").save(path, "PNG"),
    "alpha": lambda image, path: Image.merge("LA", (image, image)).save(path, "PNG"),
    "resolution": lambda image, path: image.save(path, "PNG", dpi=(300, 300)),
    "cmyk": lambda image, path: image.convert("RGB").convert("CMYK").save(path, "TIFF"),
}


def test_only_the_mark_tells_synthetic_files_from_real_ones(tmp_path):
    """All forms of files in one set: what is not just as synthetic files are is written anew, the rest is copied."""
    data, out = tmp_path / "data", tmp_path / "out"
    for i in range(42):
        form = list(FORMS)[i % len(FORMS)]
        path = data / "ab"[i >= 28] / f"{form}{i}{'.jfif' if form == 'renamed' else '.png'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        FORMS[form](Image.fromarray(np.random.default_rng(i).integers(0, 255, (SIZE, SIZE), np.uint8)), path)
    words = ["sampler=random_oversampling", "utility.run=false", "logger=none", "filter=[]"]
    assert main(["balance", str(data), f"out={out}", *words]) == 0
    found: dict[str, set[tuple]] = {"real": set(), "augmented": set()}
    originals, copied = {path.read_bytes(): path.name for path in data.rglob("*.*")}, set()
    train = out / "dataset" / "train"
    with (train / "metadata.csv").open(newline="") as file:
        for line in csv.DictReader(file):
            path = train / line["file_name"]
            with Image.open(path) as image:
                further = sorted(set(image.info) - {"XML:com.adobe.xmp", "xmp"})
                found[line["source"]].add((image.mode, image.format, path.suffix, image.size, *further))
            copied |= {originals[path.read_bytes()]} if path.read_bytes() in originals else set()
    assert len(found["real"]) == 1
    assert found["real"] == found["augmented"]
    assert copied
    assert all(name.startswith(("plain", "renamed")) for name in copied)  # the writer gives renamed ones their bytes


def test_conversions_are_reported(tmp_path):
    x = Image.fromarray(ramp(255, np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 3
    for name in "ab":
        stored(tmp_path / name / "0.png", ramp(255, np.uint8))
        Image.merge("LA", (x, x)).save(tmp_path / name / "1.png")
        x.convert("P").save(tmp_path / name / "2.png")
        x.save(tmp_path / name / "3.jpg", exif=exif)
    notes = " | ".join(read_path(str(tmp_path)).notes)
    for part in ("2 images with transparency (alpha): laid on white", "2 images of colour mode P", "2 images turned"):
        assert part in notes
    assert "2 images not stored as PNG leave as PNG, as synthetic ones do: JPEG (2)" in notes
