"""Label files of detection and data sets of Hugging Face: a row a picture, a row a box, and what is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as arrow
import pytest
from PIL import Image
from test_image_depth import deep_png

from gensynth.data.sources import Source, read_path
from gensynth.errors import DataError

Objects = list[tuple[int, str, tuple[int, int, int, int]]]  # picture, category, left top right bottom
ONE_EACH: Objects = [(i, ("cat", "dog")[i % 2], (2, 1, 8, 5)) for i in range(4)]
BOTH: Objects = [(i, name, box) for i in range(4) for name, box in (("cat", (0, 0, 6, 8)), ("dog", (6, 2, 12, 8)))]
Picture = Callable[[int], np.ndarray]
WIDTH, HEIGHT = 12, 8


def pixels(i: int) -> np.ndarray:
    return np.random.default_rng(i).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)


def put(path: Path, i: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(i)).save(path)
    return path


def coco(root: Path, objects: Objects, label_file: str = "labels/coco.json", pictures: str = "images") -> Path:
    for i in range(4):
        put(root / pictures / f"{i}.png", i)
    names = sorted({name for _, name, _ in objects})
    images = [{"id": 10 + i, "file_name": f"{i}.png", "width": WIDTH, "height": HEIGHT} for i in range(4)]
    annotations = [
        {
            "id": k,
            "image_id": 10 + i,
            "category_id": names.index(name) + 1,
            "bbox": [left, top, right - left, bottom - top],
        }
        for k, (i, name, (left, top, right, bottom)) in enumerate(objects)
    ]
    categories = [{"id": n, "name": name} for n, name in enumerate([*names, "never used"], 1)]
    (root / label_file).parent.mkdir(parents=True, exist_ok=True)
    facts = {"images": images, "annotations": annotations, "categories": categories}
    (root / label_file).write_text(json.dumps(facts))
    return root


def coco_beside(root: Path, objects: Objects) -> Path:
    return coco(root, objects, "annotations/instances.json")


def voc(root: Path, objects: Objects) -> Path:
    (root / "Annotations").mkdir(parents=True)
    for i in range(4):
        put(root / "JPEGImages" / f"{i}.png", i)
        boxes = "".join(
            f"<object><name>{name}</name><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax>"
            f"<ymax>{bottom}</ymax></bndbox></object>"
            for picture, name, (left, top, right, bottom) in objects
            if picture == i
        )
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
        (root / "Annotations" / f"{i}.xml").write_text(
            f"<annotation><filename>{i}.png</filename>{size}{boxes}</annotation>"
        )
    return root


def yolo(root: Path, objects: Objects) -> Path:
    names = sorted({name for _, name, _ in objects})
    for i in range(4):
        put(root / "images" / f"{i}.png", i)
        lines = [
            f"{names.index(name)} {(left + right) / 2 / WIDTH} {(top + bottom) / 2 / HEIGHT} "
            f"{(right - left) / WIDTH} {(bottom - top) / HEIGHT}"
            for picture, name, (left, top, right, bottom) in objects
            if picture == i
        ]
        (root / "labels").mkdir(exist_ok=True)
        (root / "labels" / f"{i}.txt").write_text("\n".join(lines))
    (root / "data.yaml").write_text(f"nc: {len(names)}\nnames: {json.dumps(names)}\n")
    return root


FORMATS = pytest.mark.parametrize("write", [coco_beside, voc, yolo])


def labels(source: Source) -> dict[str, str]:
    names = source.data.schema.classes
    return {str(i).rsplit("/")[-1]: names[k] for i, k in zip(source.data.ids, source.data.y, strict=True)}


class TestBoxes:
    @FORMATS
    def test_a_picture_of_one_category_is_a_row(self, tmp_path: Path, write) -> None:
        source = read_path(str(write(tmp_path, [*ONE_EACH, (0, "cat", (0, 0, 3, 3))])))
        assert labels(source) == {"0.png": "cat", "1.png": "dog", "2.png": "cat", "3.png": "dog"}
        assert np.array_equal(source.data.x[:, 0], np.stack([pixels(i) for i in range(4)]))

    @FORMATS
    def test_pictures_of_several_categories_point_to_crop(self, tmp_path: Path, write) -> None:
        with pytest.raises(DataError, match=r"several categories; data\.crop=true"):
            read_path(str(write(tmp_path, BOTH)))

    @FORMATS
    def test_one_picture_of_several_is_left_out_with_the_reason(self, tmp_path: Path, write) -> None:
        source = read_path(str(write(tmp_path, [*ONE_EACH, (0, "dog", (0, 0, 3, 3))])))
        (finding,) = source.quarantine
        assert (finding.reason, finding.classes) == ("several_labels", ("cat", "dog"))
        assert "data.crop=true" in finding.detail

    @FORMATS
    def test_crop_cuts_exactly_the_boxes(self, tmp_path: Path, write) -> None:
        source = read_path(str(write(tmp_path, BOTH)), crop=True, image_size=(8, 6))
        assert source.data.counts().tolist() == [4, 4]
        rows = dict(zip(source.data.ids.tolist(), source.data.x, strict=True))
        (name,) = (name for name in rows if name.endswith("3#0.png"))
        assert np.array_equal(rows[name][0], pixels(3)[0:8, 0:6])
        assert labels(source)["3#1.png"] == "dog"

    @FORMATS
    def test_parts_of_one_picture_stay_in_one_split_and_are_no_files(self, tmp_path: Path, write) -> None:
        source = read_path(str(write(tmp_path, BOTH)), crop=True)
        assert len(set(source.data.groups[source.subject].tolist())) == 4
        assert (source.files, source.originals) == ({}, {})

    def test_a_class_that_is_only_seen_beside_others_is_not_lost(self, tmp_path: Path) -> None:
        objects: Objects = [
            *((i, "cat", (0, 0, 3, 3)) for i in range(4)),
            (0, "dog", (5, 0, 9, 4)),
            (1, "cow", (5, 0, 9, 4)),
        ]
        with pytest.raises(DataError, match=r'class "cow" would be lost.*class "dog" would be lost'):
            read_path(str(coco_beside(tmp_path, [*objects, (3, "emu", (5, 0, 9, 4))])))

    def test_a_box_outside_and_a_picture_of_another_shape(self, tmp_path: Path) -> None:
        root = coco_beside(tmp_path, [*BOTH, (0, "cat", (20, 0, 25, 5))])
        Image.fromarray(pixels(3).T).save(root / "images" / "3.png")
        source = read_path(str(root), crop=True)
        assert {finding.file.rsplit("/")[-1]: finding.reason for finding in source.quarantine} == dict.fromkeys(
            ("0#2.png", "3#0.png", "3#1.png"), "bad_box"
        )

    def test_a_picture_that_was_resized_keeps_its_boxes(self, tmp_path: Path) -> None:
        root = coco_beside(tmp_path, BOTH)
        Image.fromarray(np.kron(pixels(3), np.ones((2, 2), np.uint8))).save(root / "images" / "3.png")
        source = read_path(str(root), crop=True, image_size=(16, 12))
        row = source.data.x[[name.endswith("3#0.png") for name in source.data.ids]][0, 0]
        assert np.array_equal(row, np.kron(pixels(3)[0:8, 0:6], np.ones((2, 2), np.uint8)))

    @FORMATS
    def test_parts_of_deep_pictures_are_cut_before_they_are_scaled(self, tmp_path: Path, write) -> None:
        root = write(tmp_path, BOTH)
        for path in [found for found in root.rglob("*.png")]:
            deep = pixels(int(path.stem)).astype(np.uint16) * 15
            deep[7, 11] = 60_000 if path.stem == "3" else 0  # the boxes of dogs end there
            Image.fromarray(deep).save(path)
        dogs = read_path(str(root), crop=True, image_size=(8, 6))
        rows = {name.rsplit("/")[-1]: x for name, x in zip(dogs.data.ids.tolist(), dogs.data.x, strict=True)}
        expected = np.rint(pixels(3)[0:8, 0:6] * (15 * 255.0 / 65535))
        assert np.array_equal(rows["3#0.png"][0], expected)
        assert any(note.startswith("8 images hold 16-bit numbers from 0 to 60000") for note in dogs.notes)

    def test_only_what_lies_in_boxes_sets_the_range(self, tmp_path: Path) -> None:
        root = coco_beside(tmp_path, ONE_EACH)
        for i in range(4):
            deep = pixels(i).astype(np.uint16) * 15
            deep[0, 0] = 60_000  # outside of every box
            Image.fromarray(deep).save(root / "images" / f"{i}.png")
        source = read_path(str(root), crop=True)
        assert np.array_equal(source.data.x[0, 0], np.rint(pixels(0)[1:5, 2:8] * (15 * 255.0 / 4095)))

    def test_transparency_of_a_deep_picture_is_cut_with_it(self, tmp_path: Path) -> None:
        root = coco_beside(tmp_path, ONE_EACH)
        for i in range(4):
            deep = np.stack([pixels(i).astype(np.uint16) * 257, np.full((HEIGHT, WIDTH), 65535, np.uint16)], axis=2)
            deep[1:3, 2:8, 1] = 0
            deep_png(root / "images" / f"{i}.png", deep)
        row = read_path(str(root), crop=True).data.x[0, 0]
        assert (row[:2] == 255).all()
        assert np.array_equal(row[2:], pixels(0)[3:5, 2:8])

    def test_splits_by_the_names_of_coco_files_and_folders(self, tmp_path: Path) -> None:
        for split in ("train", "val"):
            coco(tmp_path, ONE_EACH, f"annotations/instances_{split}2017.json", f"{split}2017")
        source = read_path(str(tmp_path))
        assert source.split.tolist() == ["train"] * 4 + ["val"] * 4
        assert "val2017/3.png" in source.data.ids

    def test_splits_of_voc_s_lists(self, tmp_path: Path) -> None:
        root = voc(tmp_path / "VOCdevkit" / "VOC2007", ONE_EACH)
        (root / "ImageSets" / "Main").mkdir(parents=True)
        (root / "ImageSets" / "Main" / "train.txt").write_text("0\n1\n")
        (root / "ImageSets" / "Main" / "val.txt").write_text("2\n3\n")
        assert read_path(str(tmp_path)).split.tolist() == ["train", "train", "val", "val"]

    def test_yolo_in_split_folders_with_polygons_and_names_by_number(self, tmp_path: Path) -> None:
        for split in ("train", "valid"):
            yolo(tmp_path / split, ONE_EACH)
            (tmp_path / split / "data.yaml").unlink()
        (tmp_path / "train" / "labels" / "0.txt").write_text("1 0 0 0.5 0 0.5 1\n")
        (tmp_path / "data.yaml").write_text("names:\n  0: cat\n  1: dog\n")
        source = read_path(str(tmp_path), crop=True, image_size=(8, 6))
        assert source.split.tolist() == ["train"] * 4 + ["val"] * 4
        row = source.data.ids == "train/images/0#0.png"
        assert np.array_equal(source.data.x[row][0, 0], pixels(0)[:, :6])
        assert source.data.schema.classes[source.data.y[row][0]] == "dog"


class TestRefused:
    def test_coco_beside_metadata(self, tmp_path: Path) -> None:
        (coco_beside(tmp_path, ONE_EACH) / "metadata.csv").write_text("file_name,label\nimages/0.png,a\n")
        with pytest.raises(DataError, match=r"several label files.*metadata\.csv, annotations/instances\.json"):
            read_path(str(tmp_path))

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            ('{"images": [], "annotations": [], "categories": []}', "gives no picture of this folder a category"),
            ('{"images": [], "annotations": [], "categories": [}', "cannot be read as JSON"),
            ('{"images": [{"id": 1}], "annotations": [], "categories": []}', "no COCO file: KeyError at 'file_name'"),
            ('["images", "annotations", "categories"]', "holds no object"),
        ],
    )
    def test_coco_that_says_nothing(self, tmp_path: Path, content: str, says: str) -> None:
        (coco_beside(tmp_path, ONE_EACH) / "annotations" / "instances.json").write_text(content)
        with pytest.raises(DataError, match=says):
            read_path(str(tmp_path))

    def test_pictures_outside_of_the_folder(self, tmp_path: Path) -> None:
        put(tmp_path / "0.png", 0)
        root = coco_beside(tmp_path / "data", ONE_EACH)
        path = root / "annotations" / "instances.json"
        path.write_text(path.read_text().replace('"0.png"', '"../0.png"'))
        (finding,) = read_path(str(root)).quarantine
        assert finding.reason == "outside_root"

    def test_xml_that_unfolds_without_end(self, tmp_path: Path) -> None:
        root = voc(tmp_path, ONE_EACH)
        tenfold = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 20}">' for i in range(1, 10))
        bomb = f'<!DOCTYPE x [<!ENTITY e0 "many">{tenfold}]><annotation><filename>&e9;</filename></annotation>'
        (root / "Annotations" / "0.xml").write_text(bomb)
        with pytest.raises(DataError, match=r"Annotations/0\.xml cannot be read as Pascal VOC"):
            read_path(str(root))

    @pytest.mark.parametrize(
        ("line", "says"), [("7 .5 .5 .5 .5", "class 7 has no name"), ("cat .5", "expected a class")]
    )
    def test_yolo_lines(self, tmp_path: Path, line: str, says: str) -> None:
        (yolo(tmp_path, ONE_EACH) / "labels" / "2.txt").write_text(line)
        with pytest.raises(DataError, match=rf"labels/2\.txt:1: {says}"):
            read_path(str(tmp_path))

    def test_yolo_without_names(self, tmp_path: Path) -> None:
        (yolo(tmp_path, ONE_EACH) / "data.yaml").unlink()
        with pytest.raises(DataError, match=r"data\.yaml .* or classes\.txt"):
            read_path(str(tmp_path))


def saved(root: Path, label: str = "label", paths: bool = False, picture: Picture = pixels) -> Path:
    """What save_to_disk writes, of four pictures."""
    root.mkdir(parents=True)

    def stored(i: int) -> dict[str, object]:
        buffer = io.BytesIO()
        Image.fromarray(picture(i)).save(buffer, "PNG")
        return {"bytes": None if paths else buffer.getvalue(), "path": f"{i}.png"}

    structure = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    pictures = arrow.array([stored(i) for i in range(4)], structure)
    table = arrow.table({"image": pictures, label: [0, 1, 0, 1], "who": ["p", "q", None, "p"]})
    with arrow.OSFile(str(root / "data-0.arrow"), "wb") as file, arrow.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    classes = {"_type": "ClassLabel", "names": ["cat", "dog"]}
    features = {"image": {"_type": "Image"}, label: classes, "who": {"_type": "Value", "dtype": "string"}}
    (root / "dataset_info.json").write_text(json.dumps({"features": features}))
    (root / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-0.arrow"}]}))
    return root


class TestArrow:
    def test_stored_pictures_of_more_than_8_bits(self, tmp_path: Path) -> None:
        source = read_path(str(saved(tmp_path / "d", picture=lambda i: pixels(i).astype(np.uint16) * 16)))
        expected = np.rint(np.stack([pixels(i) for i in range(4)]) * (16 * 255.0 / 4095))
        assert np.array_equal(source.data.x[:, 0], expected)

    @pytest.mark.parametrize("label", ["label", "fine_label"])
    def test_pictures_labels_and_columns(self, tmp_path: Path, label: str) -> None:
        source = read_path(str(saved(tmp_path / "d", label)))
        assert labels(source) == {"0": "cat", "1": "dog", "2": "cat", "3": "dog"}
        assert np.array_equal(source.data.x[:, 0], np.stack([pixels(i) for i in range(4)]))
        assert source.data.groups["who"].tolist() == ["p", "q", "", "p"]
        assert source.files == {}

    def test_a_dictionary_of_splits(self, tmp_path: Path) -> None:
        for name in ("train", "validation"):
            saved(tmp_path / "d" / name)
        (tmp_path / "d" / "dataset_dict.json").write_text('{"splits": ["train", "validation"]}')
        source = read_path(str(tmp_path / "d"))
        assert source.split.tolist() == ["train"] * 4 + ["val"] * 4
        assert "validation/3" in source.data.ids

    def test_paths_in_place_of_bytes(self, tmp_path: Path) -> None:
        root = saved(tmp_path / "d", paths=True)
        for i in range(4):
            put(root / f"{i}.png", i)
        assert np.array_equal(read_path(str(root)).data.x[:, 0], np.stack([pixels(i) for i in range(4)]))

    def test_damage_is_named(self, tmp_path: Path) -> None:
        root = saved(tmp_path / "d")
        (root / "data-0.arrow").write_bytes((root / "data-0.arrow").read_bytes()[:300])
        with pytest.raises(DataError, match=r"data-0\.arrow cannot be read as an Arrow stream") as caught:
            read_path(str(root))
        assert str(tmp_path) not in str(caught.value)

    def test_files_elsewhere_are_not_opened(self, tmp_path: Path) -> None:
        root = saved(tmp_path / "d")
        (root / "state.json").write_text('{"_data_files": [{"filename": "../other.arrow"}]}')
        with pytest.raises(DataError, match="no Arrow files of this folder"):
            read_path(str(root))
