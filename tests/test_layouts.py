"""Folders as people have them: what is a split, a class, a program's own folder, and what may never be lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gensynth.data.finding import Finding
from gensynth.data.lost import check_lost
from gensynth.data.sources import Source, read_path
from gensynth.data.text_source import read_text
from gensynth.errors import DataError, UsageError


def put(path: Path, value: int = 0, **options: object) -> Path:
    """A grey picture of 8x8 that differs for every value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((8, 8), value % 256, np.uint8)
    pixels[0, 0] = 255 - value % 256
    Image.fromarray(pixels).save(path, **options)
    return path


def classes(root: Path, counts: dict[str, int]) -> Path:
    for k, (name, n) in enumerate(counts.items()):
        for i in range(n):
            put(root / name / f"{i}.png", 40 * k + i)
    return root


def counts(source: Source) -> dict[str, int]:
    return dict(zip(source.data.schema.classes, source.data.counts().tolist(), strict=True))


class TestSplits:
    @pytest.mark.parametrize(
        "names", [("TRAIN", "VALID", "TST"), ("training_set", "dev", "test_set"), ("train2017", "val2017", "Testing")]
    )
    def test_any_habit_of_naming_them(self, tmp_path: Path, names: tuple[str, ...]) -> None:
        for name in names:
            classes(tmp_path / name, {"a": 2, "b": 1})
        source = read_path(str(tmp_path))
        assert counts(source) == {"a": 6, "b": 3}
        split = dict(zip(source.data.ids.tolist(), source.split.tolist(), strict=True))
        assert [split[f"{name}/a/0.png"] for name in names] == ["train", "val", "test"]

    def test_pictures_straight_in_splits_have_no_class(self, tmp_path: Path) -> None:
        classes(tmp_path, {"Train": 3, "eval": 2})
        with pytest.raises(DataError, match=r"rows without a label.*class folders"):
            read_path(str(tmp_path))

    def test_a_split_without_labels_beside_one_with_labels(self, tmp_path: Path) -> None:
        classes(tmp_path / "train", {"a": 2, "b": 2})
        put(tmp_path / "test" / "1.png")
        with pytest.raises(DataError, match=r'"test/" holds 1 \.png.*without a label'):
            read_path(str(tmp_path))

    @pytest.mark.parametrize("name", ["Testing", "validation", "trn"])
    def test_what_can_only_be_a_split_is_no_class(self, tmp_path: Path, name: str) -> None:
        classes(tmp_path, {name: 3, "other": 2})
        with pytest.raises(DataError, match=f'"{name}" is the name of a split'):
            read_path(str(tmp_path))

    def test_train_beside_other_things_is_one_of_them_with_a_note(self, tmp_path: Path) -> None:
        source = read_path(str(classes(tmp_path, {"train": 3, "plane": 2})))
        assert counts(source) == {"plane": 2, "train": 3}
        assert any(note.startswith('"train" was read as a class') for note in source.notes)

    def test_valid_and_invalid_are_classes(self, tmp_path: Path) -> None:
        assert counts(read_path(str(classes(tmp_path, {"valid": 1, "invalid": 2})))) == {"invalid": 2, "valid": 1}

    def test_splits_inside_class_folders(self, tmp_path: Path) -> None:
        for name in "ab":
            classes(tmp_path / name, {"train": 3, "test": 1})
        source = read_path(str(tmp_path))
        assert counts(source) == {"a": 4, "b": 4}
        assert source.split[source.data.ids == "b/test/0.png"] == "test"

    def test_a_split_that_repeats_its_own_name(self, tmp_path: Path) -> None:
        for name in ("train", "test"):
            classes(tmp_path / name / name, {"a": 2, "b": 2})
        assert counts(read_path(str(tmp_path))) == {"a": 4, "b": 4}


class TestFoldersThatAreNoClasses:
    def test_folders_of_programs_are_passed_over_at_any_depth(self, tmp_path: Path) -> None:
        classes(tmp_path, {"a": 2, "b": 2, "lost+found": 1, "$RECYCLE.BIN": 1, ".ipynb_checkpoints": 1})
        put(tmp_path / "a" / "@eaDir" / "0.png" / "THUMB.jpg")
        put(tmp_path / "b" / "deep" / ".thumbnails" / "0.png")
        source = read_path(str(tmp_path))
        assert counts(source) == {"a": 2, "b": 2}
        (note,) = (note for note in source.notes if "other programs" in note)
        for name in ("lost+found", "$RECYCLE.BIN", ".ipynb_checkpoints", "@eaDir", ".thumbnails"):
            assert name in note

    @pytest.mark.parametrize("name", ["images", "JPEGImages", "labels", "Annotations"])
    def test_parts_of_layouts_are_refused(self, tmp_path: Path, name: str) -> None:
        classes(tmp_path, {"cat": 2, "dog": 2, name: 2})
        with pytest.raises(DataError, match=f'"{name}" is the name of a part of a layout'):
            read_path(str(tmp_path))

    @pytest.mark.parametrize("wrapper", ["animals", "animals/v2", "images"])
    def test_one_folder_too_many_is_seen_through(self, tmp_path: Path, wrapper: str) -> None:
        classes(tmp_path / wrapper, {"cat": 3, "dog": 2})
        classes(tmp_path / "__MACOSX", {"x": 1})
        (tmp_path / "README.txt").write_text("x")
        source = read_path(str(tmp_path))
        assert counts(source) == {"cat": 3, "dog": 2}
        assert f"{wrapper}/cat/0.png" in source.data.ids
        assert any(note.startswith(f'everything lies in "{wrapper}"') for note in source.notes)

    def test_a_class_alone_is_no_wrapper(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="one class only"):
            read_path(str(classes(tmp_path, {"cat": 3})))

    @pytest.mark.parametrize("name", ["x.tfrecord", "labels.json", "metadata.parquet"])
    def test_a_label_file_that_is_not_read_stops_the_run(self, tmp_path: Path, name: str) -> None:
        (classes(tmp_path, {"a": 2, "b": 2}) / name).write_text("{}")
        with pytest.raises(DataError, match=f"{name} is a label file that is not read"):
            read_path(str(tmp_path))


class TestContentsDecide:
    def test_endings_of_browsers_none_at_all_and_wrong_ones(self, tmp_path: Path) -> None:
        put(tmp_path / "a" / "1.jfif", 1, format="JPEG")
        put(tmp_path / "a" / "2.jpe", 2, format="JPEG")
        put(tmp_path / "a" / "3.tif", 3, format="PNG")
        put(tmp_path / "b" / "4", 4, format="PNG")
        put(tmp_path / "b" / "5.1", 5, format="BMP")
        source = read_path(str(tmp_path))
        assert counts(source) == {"a": 3, "b": 2}
        assert source.data.x[source.data.ids == "b/5.1"][0, 0, 3, 3] == 5

    def test_the_first_picture_of_a_gif_with_a_note(self, tmp_path: Path) -> None:
        put(tmp_path / "a" / "still.gif", 7)
        put(tmp_path / "b" / "moving.gif", 9, save_all=True, append_images=[Image.new("L", (8, 8), 200)])
        source = read_path(str(tmp_path))
        assert source.data.x[source.data.ids == "b/moving.gif"][0, 0, 3, 3] == 9
        assert "1 image of a GIF file with several pictures: the first was read" in source.notes

    def test_a_program_in_a_picture_s_clothes_is_not_run(self, tmp_path: Path) -> None:
        classes(tmp_path, {"a": 2, "b": 3})
        Image.new("RGB", (8, 8)).save(tmp_path / "b" / "x.gif", format="EPS")
        (finding,) = read_path(str(tmp_path)).quarantine
        assert (finding.file, finding.reason, finding.classes) == ("b/x.gif", "not_an_image", ("b",))


class TestLostClasses:
    def test_a_class_in_another_format(self, tmp_path: Path) -> None:
        classes(tmp_path, {"a": 3, "b": 2})
        for i in range(4):
            (tmp_path / "rare").mkdir(exist_ok=True)
            (tmp_path / "rare" / f"{i}.heic").write_bytes(b"x")
        with pytest.raises(DataError, match=r'class "rare" would be lost.*unsupported_extension') as caught:
            read_path(str(tmp_path))
        assert [line.split(":")[0] for line in caught.value.problems] == [f"rare/{i}.heic" for i in range(4)]

    def test_most_of_a_class_and_just_half(self, tmp_path: Path) -> None:
        classes(tmp_path, {"a": 3, "b": 2})
        for i in range(2):
            (tmp_path / "b" / f"empty{i}.png").write_bytes(b"")
        assert counts(read_path(str(tmp_path))) == {"a": 3, "b": 2}
        (tmp_path / "b" / "cut.png").write_bytes((tmp_path / "b" / "0.png").read_bytes()[:30])
        with pytest.raises(DataError, match=r'most of class "b" would be lost: 3 of 5'):
            read_path(str(tmp_path))
        assert counts(read_path(str(tmp_path), allow_lost=["b"])) == {"a": 3, "b": 2}

    def test_texts_and_second_forms_beside_pictures_are_no_loss(self, tmp_path: Path) -> None:
        classes(tmp_path, {"a": 2, "b": 2})
        for i in range(2):
            for ending in ("txt", "xml", "cr2", "json"):
                (tmp_path / "b" / f"{i}.{ending}").write_bytes(b"x")
        assert counts(read_path(str(tmp_path))) == {"a": 2, "b": 2}

    def test_a_class_of_links_and_an_empty_one(self, tmp_path: Path) -> None:
        classes(tmp_path / "data", {"a": 2, "b": 2})
        classes(tmp_path / "elsewhere", {"c": 2})
        (tmp_path / "data" / "c").symlink_to(tmp_path / "elsewhere" / "c")
        (tmp_path / "data" / "two words").mkdir()
        with pytest.raises(DataError, match=r"\(link\).*\(empty_class\).*allow_lost=\[c, 'two words'\]"):
            read_path(str(tmp_path / "data"))

    def test_texts_of_a_class_that_are_all_empty(self, tmp_path: Path) -> None:
        lines = ["text,label", "good,a", "fine,a", "well,b", ",rare", " ,rare"]
        (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
        with pytest.raises(DataError, match=r'class "rare" would be lost.*empty_text'):
            read_text(str(tmp_path / "t.csv"), text="text")
        source = read_text(str(tmp_path / "t.csv"), text="text", allow_lost=["rare"])
        assert source.data.schema.classes == ("a", "b")
        assert any("allow_lost" in note for note in source.notes)

    def test_the_rule_counts_every_class_of_a_finding(self) -> None:
        both = [Finding(f"{i}.png", "several_labels", "", ("a", "b")) for i in range(3)]
        assert check_lost({"a": 3, "b": 3}, both, ["a", "b"], ()) == ()
        with pytest.raises(DataError, match=r'most of class "b"'):
            check_lost({"a": 3, "b": 2}, both, ["a", "b"], ())

    def test_from_the_command_line(self, tmp_path: Path, run_cli) -> None:
        classes(tmp_path / "data", {"a": 20, "b": 20})
        (tmp_path / "data" / "old class").mkdir()
        code, _, errors = run_cli("explore", tmp_path / "data", f"out={tmp_path}/1")
        assert (code, "data.allow_lost=['old class']" in errors) == (3, True)
        assert run_cli("explore", tmp_path / "data", f"out={tmp_path}/2", "data.allow_lost=['old class']")[0] == 0


def test_pictures_with_a_train_csv_are_no_table(tmp_path: Path, run_cli) -> None:
    for i in range(20):
        put(tmp_path / "data" / "train" / f"{i}.png", i)
    lines = [f"{i},{'ab'[i % 2]}" for i in range(20)]
    (tmp_path / "data" / "train.csv").write_text("\n".join(["id,breed", *lines]) + "\n")
    code, _, shown = run_cli("explore", tmp_path / "data", f"out={tmp_path}/1")
    assert code == 0
    assert "folder with train.csv: 2 classes, 20 images" in shown


def test_crop_needs_boxes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no label file with boxes"):
        read_path(str(classes(tmp_path, {"a": 1, "b": 1})), crop=True)
