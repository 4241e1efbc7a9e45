"""Canaries: what must not leave this machine is in no output file, whatever kind of file it is."""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import FAST
from PIL import Image, PngImagePlugin

from gensynth.cli import main
from gensynth.data.sources import read_digits

SMALL = ("model.width=8", "utility.run=false", "filter=[]", "target=40")
SECRETS = {
    "WANDB_API_KEY": "0123456789abcdef0123456789abcdefcafecafe",
    "SOME_SERVICE_API_KEY": "sk-canary-58a0c1",
    "GENSYNTH_PSEUDONYM_KEY": "pseudonym-canary-key",
    "USER": "canaryuser",
    "LOGNAME": "canaryuser",
    "USERNAME": "canaryuser",
}
MAKER, MODEL_OF_CAMERA, PLACE = "Canary Photographer", "CanaryCam 9", "canary-place"
LATITUDE = (51.0, 28.0, 38.125)


def with_gps(image: Image.Image, path: Path) -> None:
    """A JPEG as a telephone writes it: who, with what, and where."""
    exif = Image.Exif()
    exif[0x013B], exif[0x0110] = MAKER, MODEL_OF_CAMERA
    exif.get_ifd(0x8825).update({1: "N", 2: LATITUDE, 3: "W", 4: (0.0, 0.0, 5.25), 28: b"CANARYGPS"})
    image.save(path, quality=95, exif=exif)


def with_text(image: Image.Image, path: Path) -> None:
    """A PNG with an author in a plain and in a compressed chunk."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", MAKER)
    info.add_text("Comment", MODEL_OF_CAMERA, zip=True)
    image.save(path, pnginfo=info)


def photographs(folder: Path) -> Path:
    """Images of two classes, half JPEG with GPS, half PNG with texts."""
    data = read_digits().data
    for digit, (name, count) in enumerate({"zero": 40, "one": 24}.items()):
        (folder / name).mkdir(parents=True)
        for i, x in enumerate(data.x[data.y == digit][:count]):
            image = Image.fromarray(x[0])
            write, ending = (with_gps, "jpg") if i % 2 else (with_text, "png")
            write(image, folder / name / f"img{i:03d}.{ending}")
    return folder


def people(path: Path) -> Path:
    random = np.random.default_rng(0)
    lines = [f"{random.normal(4 * (i % 3 == 0)):.3f},{'rare' if i % 3 == 0 else 'usual'}" for i in range(150)]
    path.write_text("amount,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A home, a user and keys that would be known again; gives the working directory."""
    place = tmp_path_factory.mktemp(PLACE)
    before, here = dict(os.environ), Path.cwd()
    (place / "home").mkdir()
    os.environ.update(SECRETS | {"HOME": str(place / "home"), "WANDB_MODE": "offline"})
    os.chdir(place)
    yield place
    os.chdir(here)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module", params=["images", "table"])
def finished(request, machine) -> Path:
    """A run and samples of its generator; of images with W&B's files beside the CSV."""
    out = machine / f"out-{request.param}"
    if request.param == "images":
        words = (str(photographs(machine / "photos")), *FAST[:2], "logger=auto")
    else:
        words = (str(people(machine / "people.csv")), *FAST)
    assert main(["balance", *words, *SMALL, f"out={out}/run-of-it"]) == 0
    assert main(["sample", f"generator={out}/run-of-it/generator", "counts=3", f"out={out}/samples"]) == 0
    return out


def layers(content: bytes) -> list[bytes]:
    """The bytes of a file, and what is packed inside of it: members of archives, compressed texts of a PNG."""
    found = [content]
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found += [archive.read(name) for name in archive.namelist()]
    if content.startswith(b"\x89PNG"):
        with Image.open(io.BytesIO(content)) as image:
            found += [str(value).encode() for value in image.info.values()]
    if content[:2] == b"\x1f\x8b":
        found.append(zlib.decompress(content, 31))
    return found


def canaries(machine: Path) -> list[bytes]:
    words = [*SECRETS.values(), MAKER, MODEL_OF_CAMERA, "CANARYGPS", str(machine), str(machine.resolve()), PLACE]
    words += [str(Path(__file__).parents[1]), "/home/", os.uname().nodename]
    return [word.encode() for word in words if len(word) > 3]


def test_no_file_holds_a_canary(finished, machine):
    words = canaries(machine)
    files = [path for path in finished.rglob("*") if path.is_file()]
    assert len(files) > 20
    if finished.name == "out-images":
        assert any(path.suffix == ".wandb" for path in files)
    for path in files:
        assert not any(word in str(path.relative_to(finished)).encode() for word in words)
        for content in layers(path.read_bytes()):
            hits = [word for word in words if word in content]
            assert not hits, f"{path.relative_to(finished)} holds {hits}"


def test_no_link_leads_out(finished):
    assert not [path for path in finished.rglob("*") if path.is_symlink()]


def test_photographs_leave_without_what_the_camera_wrote(machine, finished):
    if finished.name != "out-images":
        pytest.skip("a table holds no photographs")
    exported = sorted((finished / "run-of-it/dataset").rglob("*.png"))
    assert not list((finished / "run-of-it/dataset").rglob("*.jpg"))
    for path in exported:
        with Image.open(path) as image:
            assert not image.getexif()
            assert set(image.info) <= {"XML:com.adobe.xmp", "xmp"}
    original = machine / "photos/one/img001.jpg"
    with Image.open(original) as image:
        assert image.getexif().get_ifd(0x8825)[2] == LATITUDE


def test_the_settings_are_there_without_their_places(finished):
    config = json.loads((finished / "run-of-it/run/job.json").read_text(encoding="utf-8"))
    assert config["data"]["path"] in ("photos", "people.csv")
