"""metadata.csv and its kin: which file a name means, which column is what, and what a label is."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gensynth.data.layouts.file_index import FileIndex
from gensynth.data.sources import Source, read_path
from gensynth.errors import DataError, UsageError


def put(path: Path, value: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((8, 8), value, np.uint8)
    pixels[0, 0] = 255 - value
    Image.fromarray(pixels).save(path)
    return path


def listed(
    root: Path, pairs: list[tuple[str, str]], header: str = "file_name,label", name: str = "metadata.csv"
) -> Path:
    lines = [header, *(f"{file},{label}" for file, label in pairs)]
    (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def labels(source: Source) -> dict[str, str]:
    names = source.data.schema.classes
    return {str(i): names[k] for i, k in zip(source.data.ids, source.data.y, strict=True)}


class TestNames:
    @pytest.mark.parametrize(
        ("on_disk", "written", "what"),
        [
            ("images/{}.png", "images\\{}.png", "slashes"),
            ("images/{}.png", "images/{}", "the ending"),
            ("images/IMG_{}.PNG", "images/img_{}.png", "upper and lower case"),
            (unicodedata.normalize("NFD", "images/é{}.png"), "images/é{}.png", "Unicode form"),
            ("images/é{}.png", unicodedata.normalize("NFD", "images/é{}.png"), "Unicode form"),
            ("images/{}.png", "{}.png", "the folder"),
            ("images/{}.png", "data/images/{}.png", "the folder"),
            ("images/x{}.png", "x{}", "folder and ending"),
        ],
    )
    def test_are_matched_where_one_file_can_be_meant(
        self, tmp_path: Path, on_disk: str, written: str, what: str
    ) -> None:
        for i in range(4):
            put(tmp_path / on_disk.format(i), i)
        source = read_path(str(listed(tmp_path, [(written.format(i), "ab"[i % 2]) for i in range(4)])))
        assert labels(source) == {on_disk.format(i): "ab"[i % 2] for i in range(4)}
        (note,) = (note for note in source.notes if "differ from the files" in note)
        assert what in note

    def test_two_files_that_may_be_meant_are_named(self, tmp_path: Path) -> None:
        for name in ("a.png", "b.png", "c.png", "c.bmp"):
            put(tmp_path / name)
        source = read_path(str(listed(tmp_path, [("a", "x"), ("b", "y"), ("c", "x")])), allow_lost=["x"])
        (finding,) = source.quarantine
        assert finding.reason == "ambiguous_name"
        assert "c.bmp or c.png" in finding.detail

    def test_another_ending_or_folder_is_another_file_but_offered(self, tmp_path: Path) -> None:
        put(tmp_path / "test" / "photo1.png")
        put(tmp_path / "photo2.png")
        root = listed(tmp_path, [("train/photo1.png", "x"), ("photo2.jpg", "y"), ("phto2.png", "y")])
        with pytest.raises(DataError) as caught:
            read_path(str(root))
        assert 'did you mean "test/photo1.png"?' in caught.value.problems[0]
        assert all('did you mean "photo2.png"?' in line for line in caught.value.problems[1:])

    @pytest.mark.parametrize("name", ["/etc/1.png", "C:\\data\\1.png", "..\\1.png", "\\\\server\\1.png"])
    def test_names_that_lead_out_are_refused(self, tmp_path: Path, name: str) -> None:
        for i in (1, 2, 3):
            put(tmp_path / f"{i}.png")
        root = listed(tmp_path, [("2.png", "a"), ("3.png", "b"), (name, "b")])
        (finding,) = read_path(str(root)).quarantine
        assert (finding.reason, finding.classes) == ("outside_root", ("b",))

    def test_of_another_split_are_never_meant(self, tmp_path: Path) -> None:
        put(tmp_path / "train" / "1.png")
        put(tmp_path / "val" / "1.png")
        put(tmp_path / "val" / "2.png")
        index = FileIndex(tmp_path)
        assert index.find("1.png", "val") == "val/1.png"
        assert index.find("2.png", "train") is None


class TestColumns:
    @pytest.mark.parametrize("header", ["image,breed", "id,class", "filename,diagnosis", "file;label"])
    def test_are_found_by_name_with_a_note(self, tmp_path: Path, header: str) -> None:
        pairs = [(put(tmp_path / "pictures" / f"k{i}.png", i).name, "ab"[i % 2]) for i in range(4)]
        root = listed(tmp_path, pairs, header, "labels.csv")
        if ";" in header:
            (root / "labels.csv").write_text((root / "labels.csv").read_text().replace(",", ";"))
        source = read_path(str(root))
        assert set(labels(source).values()) == {"a", "b"}
        assert any(note.startswith("labels.csv: file names from") for note in source.notes)

    def test_a_table_of_any_name_that_labels_the_files(self, tmp_path: Path) -> None:
        pairs = [(put(tmp_path / f"part_{i % 2}" / f"{i}.png", i).stem, "xy"[i // 2]) for i in range(4)]
        source = read_path(str(listed(tmp_path, pairs, "image_id,dx", "HAM_metadata.csv")))
        assert source.data.schema.classes == ("x", "y")

    def test_no_column_of_files_is_named(self, tmp_path: Path) -> None:
        put(tmp_path / "a" / "1.png")
        with pytest.raises(DataError, match=r"labels\.csv has no column file_name"):
            read_path(str(listed(tmp_path, [("0", "cat")], "number,name", "labels.csv")))

    def test_two_label_files_are_named(self, tmp_path: Path) -> None:
        put(tmp_path / "1.png")
        listed(listed(tmp_path, [("1.png", "a")]), [("1.png", "b")], name="labels.csv")
        with pytest.raises(DataError, match=r"several label files.*labels\.csv, metadata\.csv"):
            read_path(str(tmp_path))

    def test_the_split_column_and_split_folders(self, tmp_path: Path) -> None:
        for split in ("train", "test"):
            for i in range(2):
                put(tmp_path / "1" / split / f"{i}.png", i)
                put(tmp_path / "2" / f"{split}{i}.png", i)
        files = [(split, i) for split in ("train", "test") for i in range(2)]
        listed(tmp_path / "1", [(f"{split}/{i}.png", "ab"[i]) for split, i in files])
        listed(
            tmp_path / "2", [(f"{split}{i}.png", f"{'ab'[i]},{split}") for split, i in files], "file_name,label,split"
        )
        for name in ("1", "2"):
            assert read_path(str(tmp_path / name)).split.tolist() == ["train", "train", "test", "test"]

    def test_json_lines(self, tmp_path: Path) -> None:
        lines = [{"file_name": put(tmp_path / f"{i}.png", i).name, "label": i % 2, "who": f"p{i}"} for i in range(4)]
        (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
        source = read_path(str(tmp_path))
        assert labels(source) == {"0.png": "0", "1.png": "1", "2.png": "0", "3.png": "1"}
        assert source.data.groups["who"].tolist() == ["p0", "p1", "p2", "p3"]
        (tmp_path / "metadata.jsonl").write_text('{"file_name": "0.png"')
        with pytest.raises(DataError, match=r"metadata\.jsonl cannot be read as JSONL"):
            read_path(str(tmp_path))

    def test_a_label_that_is_asked_for_by_name_is_not_replaced(self, tmp_path: Path) -> None:
        put(tmp_path / "1.png")
        with pytest.raises(UsageError, match=r'data\.label=lable: .*did you mean "label"'):
            read_path(str(listed(tmp_path, [("1.png", "a")])), label="lable")


class TestLabels:
    def test_spaces_around_them_are_no_other_class_and_case_is(self, tmp_path: Path) -> None:
        written = ["Cat", "cat", "cat ", " dog"]
        pairs = [(put(tmp_path / f"{i}.png", i).name, label) for i, label in enumerate(written)]
        source = read_path(str(listed(tmp_path, pairs)))
        assert labels(source) == {"0.png": "Cat", "1.png": "cat", "2.png": "cat", "3.png": "dog"}
        notes = " ".join(source.notes)
        assert '"cat " (one class with "cat")' in notes
        assert 'upper and lower case only stay apart: "Cat", "cat"' in notes

    def test_of_class_folders_too(self, tmp_path: Path) -> None:
        for i, name in enumerate(("a", "b", "b ")):
            put(tmp_path / name / f"{i}.png", i)
        source = read_path(str(tmp_path))
        assert labels(source) == {"a/0.png": "a", "b/1.png": "b", "b /2.png": "b"}
        assert any('"b " (one class with "b")' in note for note in source.notes)


class TestSplitTables:
    @pytest.mark.parametrize("called", ["{}.csv", "labels_{}.csv", "{}_labels.csv"])
    @pytest.mark.parametrize("place", ["{}/", "images/{}/"])
    def test_each_gives_its_rows_to_its_split(self, tmp_path: Path, called: str, place: str) -> None:
        for split in ("train", "val", "test"):
            for i in range(4):  # the same names in every split: only the table says which file is meant
                put(tmp_path / place.format(split) / f"{i}.png", 9 * i + len(split))
            listed(tmp_path, [(f"{i}.png", "ab"[i % 2]) for i in range(4)], name=called.format(split))
        source = read_path(str(tmp_path))
        assert source.quarantine == ()
        expected = {f"{place.format(s)}{i}.png": (s, "ab"[i % 2]) for s in ("train", "val", "test") for i in range(4)}
        found = zip(source.data.ids.tolist(), source.split.tolist(), labels(source).values(), strict=True)
        assert {name: (split, label) for name, split, label in found} == expected
        assert not any("not used" in note for note in source.notes)

    def test_a_file_in_two_splits_stays_in_the_first(self, tmp_path: Path) -> None:
        for i in range(8):
            put(tmp_path / "images" / f"{i}.png", i)
        listed(tmp_path, [(f"{i}.png", "ab"[i % 2]) for i in range(6)], name="train.csv")
        listed(tmp_path, [(f"{i}.png", "ab"[i % 2]) for i in range(5, 7)], name="test.csv")
        source = read_path(str(tmp_path))
        assert [finding.reason for finding in source.quarantine] == ["listed_twice"]
        assert source.split.tolist() == ["train"] * 6 + ["test"]
        assert any("1 file is not used" in note and "7.png" in note for note in source.notes)

    def test_two_tables_that_are_no_splits_stay_refused(self, tmp_path: Path) -> None:
        for i in range(4):
            put(tmp_path / "images" / f"{i}.png", i)
        for name in ("train.csv", "metadata.csv"):
            listed(tmp_path, [(f"images/{i}.png", "ab"[i % 2]) for i in range(4)], name=name)
        with pytest.raises(DataError, match="several label files"):
            read_path(str(tmp_path))


class TestOneHot:
    def one_hot(self, root: Path, rows: list[str], name: str = "_classes.csv") -> Path:
        for i in range(len(rows)):
            put(root / "images" / f"{i}.png", i)
        lines = ["filename, crack, hole", *(f"{i}.png, {cells}" for i, cells in enumerate(rows))]
        (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return root

    @pytest.mark.parametrize("name", ["_classes.csv", "train.csv", "ground_truth.csv"])
    def test_the_column_with_a_1_is_the_class(self, tmp_path: Path, name: str) -> None:
        source = read_path(str(self.one_hot(tmp_path, ["1, 0", "0, 1", "0.0, 1.0", "1, 0", "0, 0"], name)))
        assert list(labels(source).values()) == ["crack", "hole", "hole", "crack"]
        assert [finding.reason for finding in source.quarantine] == ["missing_label"]
        assert any("labels from the 2 columns of 0 and 1" in note for note in source.notes)

    def test_a_column_without_a_1_is_said_to_make_no_class(self, tmp_path: Path) -> None:
        for i in range(4):
            put(tmp_path / "images" / f"{i}.png", i)
        rows = [f"{i}.png,{i % 2},0,{1 - i % 2},0" for i in range(4)]
        text = "\n".join(["filename,crack,rust,hole,unlabeled", *rows])
        (tmp_path / "_classes.csv").write_text(text, encoding="utf-8")
        source = read_path(str(tmp_path))
        assert source.data.schema.classes == ("crack", "hole")
        note = '_classes.csv: no row has a 1 in the columns "rust", "unlabeled", which make no class here'
        assert note in source.notes

    def test_several_classes_in_a_row_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="_classes.csv:4: crack, hole: a row of several classes"):
            read_path(str(self.one_hot(tmp_path, ["1, 0", "0, 1", "1, 1"])))

    def test_columns_of_other_numbers_are_no_classes(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no such column"):
            read_path(str(self.one_hot(tmp_path, ["1, 0", "0, 1", "2, 0"])))
