"""Objects before other backgrounds: masks are read beside their images, objects stay, backgrounds change."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from gensynth import rng
from gensynth.data.sources import MASK, read_path
from gensynth.errors import DataError, UsageError
from gensynth.samplers.background import BackgroundSwap, without_objects

SIDE = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Bright squares of two sizes before backgrounds of one grey each, masks in a folder beside them."""
    base = tmp_path_factory.mktemp("masks") / "things"
    (base / "masks").mkdir(parents=True)
    with (base / "metadata.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "label", "mask"])
        for i in range(40):
            size = 4 if i % 2 else 6
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[3 : 3 + size, 3 : 3 + size] = 255
            image = np.where(mask > 0, 250, 20 + 4 * i).astype(np.uint8)
            Image.fromarray(image).save(base / f"{i:02d}.png")
            Image.fromarray(mask).save(base / f"masks/{i:02d}.png")
            writer.writerow([f"{i:02d}.png", "small" if i % 2 else "large", f"masks/{i:02d}.png" if i else "none.png"])
    return base


def requested(n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(n) % 2, rng.row_seeds(0, "a", 0, n)


def test_masks_are_read_beside_their_images_and_a_missing_one_is_told(folder):
    source = read_path(str(folder), mask="mask")
    masks = source.data.groups[MASK]
    assert masks.shape == (40, SIDE, SIDE)
    assert (masks[0] == 255).all()
    assert (masks[1] > 0).sum() == 16
    assert [(f.file, f.reason) for f in source.quarantine] == [("00.png (mask)", "missing_file")]
    with pytest.raises(DataError, match='no metadata.csv has a column "msk"'):
        read_path(str(folder), mask="msk")


def test_the_object_stays_and_the_background_is_that_of_another_row(folder):
    data = read_path(str(folder), mask="mask").data
    rows = BackgroundSwap("").fit(data).sample(*requested())
    place = {row: i for i, row in enumerate(data.ids)}
    for x, parent, params in zip(rows.x, rows.parent, rows.groups["params"], strict=True):
        mask, other = data.groups[MASK][place[parent]], place[json.loads(params)["background"]]
        assert (x[0][mask > 0] == data.x[place[parent], 0][mask > 0]).all()
        if other:  # the first row has no background of its own
            assert np.abs(x[0][mask == 0].astype(int) - (20 + 4 * other)).max(initial=0) <= 1


def test_backgrounds_come_from_a_folder(folder, tmp_path):
    Image.new("RGB", (30, 20), (90, 90, 90)).save(tmp_path / "wall.png")
    data = read_path(str(folder), mask="mask").data
    rows = BackgroundSwap(str(tmp_path)).fit(data).sample(*requested())
    masks = {row: data.groups[MASK][i] for i, row in enumerate(data.ids)}
    assert all((x[0][masks[p] == 0] == 90).all() for x, p in zip(rows.x, rows.parent, strict=True))


def test_what_is_filled_in_continues_the_background():
    ramp = np.broadcast_to(np.linspace(40, 200, SIDE), (1, 1, SIDE, SIDE)).copy()
    mask = np.zeros((1, SIDE, SIDE), np.uint8)
    mask[:, 4:8, 4:8] = 255
    holed = np.where(mask[:, None] > 0, 255, ramp).round().astype(np.uint8)
    assert np.abs(without_objects(holed, mask).astype(float) - ramp).max() < 25


def test_without_masks_it_is_a_sentence(folder):
    with pytest.raises(UsageError, match=r"needs masks: data\.mask=COLUMN"):
        BackgroundSwap("").fit(read_path(str(folder)).data)


def test_a_balanced_set_of_swapped_backgrounds(folder, run_cli, tmp_path):
    words = ("data.mask=mask", "sampler=background", "target=20", "utility.run=false", "logger=none")
    code, _, err = run_cli("balance", folder, *words, f"out={tmp_path}/o")
    assert code == 0, err
    with (tmp_path / "o/dataset/ledger.csv").open(newline="") as file:
        synthetic = [row for row in csv.DictReader(file) if row["source"] == "augmented"]
    assert synthetic
    assert {row["sampler"] for row in synthetic} <= {"background", "image_transforms"}
