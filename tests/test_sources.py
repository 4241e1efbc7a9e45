"""Layouts on disk: what is recognised, what every row is called, and what is left out and why."""

from __future__ import annotations

import csv
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gensynth.data.finding import tell
from gensynth.data.image_set import load_images
from gensynth.data.sources import Finding, Source, class_order, read_digits, read_path
from gensynth.errors import DataError, UsageError

SHARED = Path(__file__).parents[2] / "shared" / "data"


def grey(value: int = 0, height: int = 8, width: int = 8) -> Image.Image:
    """A picture that differs for every value."""
    pixels = np.full((height, width), value, np.uint8)
    pixels[0, 0] = 255 - value
    return Image.fromarray(pixels)


def put(path: Path, image: Image.Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def class_folders(root: Path, counts: dict[str, int], start: int = 0) -> Path:
    value = start
    for name, n in counts.items():
        for i in range(n):
            put(root / name / f"{i}.png", grey(value % 256))
            value += 1
    return root


def metadata(folder: Path, rows: list[dict[str, str]]) -> Path:
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def reasons(source: Source) -> dict[str, str]:
    return {finding.file: finding.reason for finding in source.quarantine}


def labels(source: Source) -> dict[str, str]:
    names = source.data.schema.classes
    return {str(i): names[k] for i, k in zip(source.data.ids, source.data.y, strict=True)}


class TestClassFolders:
    def test_rows_labels_and_first_note(self, tmp_path: Path) -> None:
        source = read_path(str(class_folders(tmp_path, {"rare": 2, "common": 5})))
        assert source.data.schema.classes == ("common", "rare")
        assert source.data.counts().tolist() == [5, 2]
        assert source.data.x.shape == (7, 1, 8, 8)
        assert source.data.x[source.data.ids == "rare/1.png"][0, 0, 1, 1] == 1
        assert set(source.split) == {""}
        assert source.notes[0] == 'folder of class folders: 2 classes, 7 images, 8x8 grey, smallest class "rare" 2'

    def test_whole_numbers_sort_as_numbers(self, tmp_path: Path) -> None:
        source = read_path(str(class_folders(tmp_path, {"10": 1, "9": 1, "-1": 1})))
        assert source.data.schema.classes == ("-1", "9", "10")
        assert class_order({"10", "9", "x"}) == ("10", "9", "x")

    def test_nested_folders_and_any_case_of_extensions(self, tmp_path: Path) -> None:
        class_folders(tmp_path, {"a": 1, "b": 1})
        put(tmp_path / "a" / "deep" / "er" / "x.PNG", grey(9))
        assert "a/deep/er/x.PNG" in read_path(str(tmp_path)).data.ids

    def test_what_is_no_image_is_left_out_by_name(self, tmp_path: Path) -> None:
        class_folders(tmp_path, {"a": 2, "b": 2})
        (tmp_path / "empty").mkdir()
        (tmp_path / "a" / "notes.txt").write_text("x")
        (tmp_path / "a" / "zero.png").write_bytes(b"")
        (tmp_path / "a" / "text.png").write_text("x")
        (tmp_path / "b" / "link.png").symlink_to(tmp_path / "a" / "0.png")
        (tmp_path / "linked_class").symlink_to(tmp_path / "a")
        (tmp_path / "b" / "loop").symlink_to(tmp_path)
        os.mkfifo(tmp_path / "b" / "pipe.png")
        put(tmp_path / "stray.png", grey())
        for hidden in (".hidden.png", "Thumbs.db", "desktop.ini", "__MACOSX"):
            (tmp_path / "a" / hidden).write_text("x")
        (tmp_path / "README.md").write_text("x")
        source = read_path(str(tmp_path), allow_lost=["b", "empty", "linked_class"])
        assert reasons(source) == {
            "empty": "empty_class",
            "a/notes.txt": "unsupported_extension",
            "a/zero.png": "zero_bytes",
            "a/text.png": "not_an_image",
            "b/link.png": "link",
            "b/loop": "link",
            "b/pipe.png": "not_a_file",
            "linked_class": "link",
            "stray.png": "no_class_folder",
        }
        assert source.data.ids.tolist() == ["a/0.png", "a/1.png", "b/0.png", "b/1.png"]
        assert 'class "empty": nothing of it can be used (empty_class), as data.allow_lost says' in source.notes

    def test_name_that_is_no_text(self, tmp_path: Path) -> None:
        class_folders(tmp_path, {"a": 1, "b": 1})
        (tmp_path / "a" / "0.png").rename(tmp_path / "a" / os.fsdecode(b"\xff.png"))
        put(tmp_path / "a" / "1.png", grey())
        (finding,) = read_path(str(tmp_path)).quarantine
        assert finding.reason == "bad_name"
        assert finding.file.encode() == rb"a/\udcff.png"

    def test_class_whose_images_are_all_bad_stops_the_run_unless_a_person_allows_it(self, tmp_path: Path) -> None:
        class_folders(tmp_path, {"a": 1, "b": 1})
        (tmp_path / "bad").mkdir()
        (tmp_path / "bad" / "x.png").write_bytes(b"")
        with pytest.raises(DataError, match=r'class "bad" would be lost.*zero_bytes.*data\.allow_lost=\[bad\]'):
            read_path(str(tmp_path))
        source = read_path(str(tmp_path), allow_lost=["bad"])
        assert source.data.schema.classes == ("a", "b")
        assert 'class "bad": nothing of it can be used (zero_bytes), as data.allow_lost says' in source.notes

    def test_nothing_readable_lists_every_finding(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "x.png").write_bytes(b"")
        with pytest.raises(DataError) as caught:
            read_path(str(tmp_path))
        assert len(caught.value.problems) == 2
        assert str(tmp_path) not in str(caught.value)

    def test_one_class_is_refused_unless_one_is_enough(self, tmp_path: Path) -> None:
        class_folders(tmp_path, {"a": 3})
        with pytest.raises(DataError, match="one class only"):
            read_path(str(tmp_path))
        assert len(read_path(str(tmp_path), min_classes=1).data) == 3

    def test_composed_and_decomposed_names_clash(self, tmp_path: Path) -> None:
        class_folders(tmp_path, {unicodedata.normalize(form, "café"): 1 for form in ("NFC", "NFD")})
        with pytest.raises(DataError, match="Unicode"):
            read_path(str(tmp_path))

    def test_decomposed_folder_becomes_a_composed_class(self, tmp_path: Path) -> None:
        source = read_path(str(class_folders(tmp_path, {unicodedata.normalize("NFD", "café"): 1, "b": 1})))
        assert source.data.schema.classes == ("b", unicodedata.normalize("NFC", "café"))

    def test_upper_and_lower_case_stay_apart_with_a_note(self, tmp_path: Path) -> None:
        source = read_path(str(class_folders(tmp_path, {"Cat": 1, "cat": 2})))
        assert source.data.schema.classes == ("Cat", "cat")
        assert any("upper and lower case" in note for note in source.notes)

    def test_hash_knows_names_labels_and_pixels(self, tmp_path: Path) -> None:
        first = read_path(str(class_folders(tmp_path / "1", {"a": 2, "b": 2}))).sha256
        same = read_path(str(class_folders(tmp_path / "2", {"a": 2, "b": 2}))).sha256
        pixels = read_path(str(class_folders(tmp_path / "3", {"a": 2, "b": 2}, start=1))).sha256
        assert first == same != pixels
        (tmp_path / "2" / "a" / "0.png").rename(tmp_path / "2" / "a" / "z.png")
        assert read_path(str(tmp_path / "2")).sha256 != first


class TestSizeAndColour:
    def test_one_size_up_to_64_is_kept(self, tmp_path: Path) -> None:
        for name, value in (("a", 1), ("b", 2)):
            put(tmp_path / name / "0.png", grey(value, 5, 64))
        source = read_path(str(tmp_path))
        assert source.data.x.shape == (2, 1, 5, 64)
        assert source.resized == 0

    def test_mixed_sizes_go_to_the_median(self, tmp_path: Path) -> None:
        for i, size in enumerate([(20, 10), (30, 12), (90, 50)]):
            put(tmp_path / "ab"[i % 2] / f"{i}.png", grey(i, *size))
        source = read_path(str(tmp_path))
        assert source.data.x.shape == (3, 1, 30, 12)
        assert source.resized == 2
        assert source.notes[1].startswith("size 30x12 (height x width, median size")
        assert "2 of 3 images were resized" in source.notes[1]
        assert set(source.originals) == {"b/1.png"}

    def test_large_images_shrink_to_64_with_their_shape(self, tmp_path: Path) -> None:
        for i in range(2):
            put(tmp_path / "ab"[i] / "0.png", grey(i, 100, 200))
        assert read_path(str(tmp_path)).data.x.shape == (2, 1, 32, 64)

    def test_asked_size_wins(self, tmp_path: Path) -> None:
        source = read_path(str(class_folders(tmp_path, {"a": 1, "b": 1})), image_size=(12, 10))
        assert source.data.x.shape == (2, 1, 12, 10)
        assert source.originals == {}
        with pytest.raises(UsageError, match=r"data\.image_size"):
            read_path(str(tmp_path), image_size=(0, 10))

    def test_broken_files_have_no_say_in_the_size(self, tmp_path: Path) -> None:
        class_folders(tmp_path, {"a": 1, "b": 1})
        path = put(tmp_path / "a" / "big.png", grey(5, 60, 60))
        path.write_bytes(path.read_bytes()[:60])
        assert read_path(str(tmp_path)).data.x.shape == (2, 1, 8, 8)

    def test_one_coloured_image_makes_all_rgb(self, tmp_path: Path) -> None:
        class_folders(tmp_path, {"a": 1, "b": 1})
        put(tmp_path / "a" / "red.png", Image.new("RGB", (8, 8), (200, 0, 0)))
        source = read_path(str(tmp_path))
        assert source.data.x.shape == (3, 3, 8, 8)
        assert source.data.x[source.data.ids == "a/red.png"][0, :, 3, 3].tolist() == [200, 0, 0]
        assert source.data.x[source.data.ids == "b/0.png"][0, :, 3, 3].tolist() == [1, 1, 1]
        assert "8x8 RGB" in source.notes[0]

    def test_rgb_files_with_equal_channels_stay_grey(self, tmp_path: Path) -> None:
        for i in range(2):
            put(tmp_path / "ab"[i] / "0.png", grey(i).convert("RGB"))
        assert read_path(str(tmp_path)).data.x.shape == (2, 1, 8, 8)

    def test_small_memory_reads_the_same(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        files = [(str(i), put(tmp_path / f"{i}.png", grey(i, 10 + i, 12))) for i in range(5)]
        roomy = load_images(files, None, 1000)
        monkeypatch.setattr("gensynth.data.image_set._CACHE_BYTES", 300)
        assert np.array_equal(load_images(files, None, 1000).x, roomy.x)

    def test_originals_have_the_size_and_no_metadata(self, tmp_path: Path) -> None:
        class_folders(tmp_path, {"a": 2, "b": 1})
        exif = Image.Exif()
        exif[271] = "camera"
        grey(3).save(tmp_path / "a" / "1.png", exif=exif)
        source = read_path(str(tmp_path))
        assert set(source.originals) == {"a/0.png", "b/0.png"}
        content = source.originals["a/0.png"].read_bytes()
        assert content == (tmp_path / "a" / "0.png").read_bytes()


class TestSplits:
    def test_folders_with_an_alias(self, tmp_path: Path) -> None:
        for name, n in (("train", 3), ("valid", 2), ("test", 1)):
            class_folders(tmp_path / name, {"a": n, "b": n})
        source = read_path(str(tmp_path))
        assert [int((source.split == s).sum()) for s in ("train", "val", "test")] == [6, 4, 2]
        assert source.split[source.data.ids == "valid/a/0.png"] == "val"
        assert source.notes[0].startswith("train/valid/test folders, each a folder of class folders: 2 classes, 12")

    def test_two_folders_for_one_split(self, tmp_path: Path) -> None:
        for name in ("train", "dev", "val"):
            class_folders(tmp_path / name, {"a": 1, "b": 1})
        with pytest.raises(DataError, match="dev, val"):
            read_path(str(tmp_path))

    def test_a_class_may_be_called_train(self, tmp_path: Path) -> None:
        assert read_path(str(class_folders(tmp_path, {"train": 2, "plane": 1}))).data.schema.classes == (
            "plane",
            "train",
        )

    def test_other_path_as_test(self, tmp_path: Path) -> None:
        class_folders(tmp_path / "main", {"a": 3, "b": 2})
        class_folders(tmp_path / "other", {"a": 2}, start=50)
        (tmp_path / "other" / "a" / "bad.png").write_bytes(b"")
        source = read_path(str(tmp_path / "main"), test=str(tmp_path / "other"))
        assert source.data.ids[source.split == "test"].tolist() == ["test/a/0.png", "test/a/1.png"]
        assert (source.split == "").sum() == 5
        assert reasons(source) == {"test/a/bad.png": "zero_bytes"}

    def test_unknown_class_in_test_is_named(self, tmp_path: Path) -> None:
        class_folders(tmp_path / "main", {"cat": 1, "dog": 1})
        class_folders(tmp_path / "other", {"cats": 1})
        with pytest.raises(DataError, match='"cats"; did you mean "cat"'):
            read_path(str(tmp_path / "main"), test=str(tmp_path / "other"))

    def test_second_test_is_refused(self, tmp_path: Path) -> None:
        for name in ("main/train", "main/test", "other"):
            class_folders(tmp_path / name, {"a": 1, "b": 1})
        with pytest.raises(UsageError, match="test split of its own"):
            read_path(str(tmp_path / "main"), test=str(tmp_path / "other"))


class TestMetadata:
    HARD = ("a/b", "..", "CON", "x.", " y", "日本", "<script>", "=1+1", 'say "hi", all')

    def test_labels_survive(self, tmp_path: Path) -> None:
        rows = []
        for i, name in enumerate(self.HARD):
            put(tmp_path / "images" / f"{i}.png", grey(i))
            rows.append({"file_name": f"images/{i}.png", "label": name})
        source = read_path(str(metadata(tmp_path, rows)))
        assert labels(source) == {f"images/{i}.png": name.strip() for i, name in enumerate(self.HARD)}
        assert 'labels were read without the spaces around them: " y"' in source.notes
        assert source.notes[0].startswith("folder with metadata.csv: 9 classes, 9 images, 8x8 grey")

    def test_bad_rows_are_found_by_line(self, tmp_path: Path) -> None:
        root = tmp_path / "root"
        for i in range(5):
            put(root / f"{i}.png", grey(i))
        outside = put(tmp_path / "outside.png", grey(9))
        (root / "leak.png").symlink_to(outside)
        (root / "inner.png").symlink_to(root / "0.png")
        names = ["0.png", "1.png", "", "../outside.png", str(outside), "leak.png", "inner.png", "gone.png", "0.png"]
        rows = [{"file_name": name, "label": "ab"[i % 2]} for i, name in enumerate(names)]
        rows[2] = {"file_name": "2.png", "label": " "}
        metadata(root, rows)
        with (root / "metadata.csv").open("a") as file:
            file.write("3.png,a,extra\r\n")
        source = read_path(str(root), allow_lost=["a", "b"])
        assert reasons(source) == {
            "metadata.csv:4": "missing_label",
            "metadata.csv:5": "outside_root",
            "metadata.csv:6": "outside_root",
            "leak.png": "outside_root",
            "inner.png": "link",
            "gone.png": "missing_file",
            "metadata.csv:10": "listed_twice",
            "metadata.csv:11": "bad_row",
        }
        assert labels(source) == {"0.png": "a", "1.png": "b"}
        assert "3 files are not used" in " ".join(source.notes)
        assert all(str(tmp_path) not in str(finding) for finding in source.quarantine)

    def test_label_column_by_name_and_other_columns_as_groups(self, tmp_path: Path) -> None:
        for i in range(3):
            put(tmp_path / f"{i}.png", grey(i))
        rows = [{"file_name": f"{i}.png", "kind": "xyx"[i], "patient": f"p{i}"} for i in range(3)]
        metadata(tmp_path, rows)
        source = read_path(str(tmp_path), label="kind")
        assert labels(source) == {"0.png": "x", "1.png": "y", "2.png": "x"}
        assert source.data.groups["patient"].tolist() == ["p0", "p1", "p2"]
        with pytest.raises(UsageError, match='data.label=knd.*did you mean "kind"'):
            read_path(str(tmp_path), label="knd")

    def test_splits_with_origin(self, tmp_path: Path) -> None:
        for split in ("train", "test"):
            class_folders(tmp_path / split, {"a": 2, "b": 2})
            rows = [
                {"file_name": f"{name}/{i}.png", "label": f"class {name}", "source": "real"}
                for name in "ab"
                for i in (0, 1)
            ]
            rows[3]["source"] = "synthetic" if split == "train" else "real"
            metadata(tmp_path / split, rows)
        source = read_path(str(tmp_path))
        data = source.data
        assert data.schema.classes == ("class a", "class b")
        assert data.ids[data.origin == "synthetic"].tolist() == ["train/b/1.png"]
        assert data.parent[data.ids == "train/b/1.png"] == ""
        assert data.parent[data.ids == "test/b/1.png"] == "test/b/1.png"
        assert (source.split == "test").sum() == 4

    def test_source_with_other_words_is_the_users_own_column(self, tmp_path: Path) -> None:
        for i in range(2):
            put(tmp_path / f"{i}.png", grey(i))
        rows = [{"file_name": f"{i}.png", "label": "ab"[i], "source": "hospital"} for i in range(2)]
        source = read_path(str(metadata(tmp_path, rows)))
        assert set(source.data.origin) == {"real"}
        assert source.data.groups["source"].tolist() == ["hospital", "hospital"]

    def test_not_utf8(self, tmp_path: Path) -> None:
        put(tmp_path / "0.png", grey())
        (tmp_path / "metadata.csv").write_bytes(b"file_name,label\n0.png,caf\xe9\n")
        with pytest.raises(DataError, match="UTF-8"):
            read_path(str(tmp_path))


class TestUnknown:
    def test_missing_path_offers_the_nearest(self, tmp_path: Path) -> None:
        (tmp_path / "pictures").mkdir()
        with pytest.raises(UsageError, match='did you mean "pictures"'):
            read_path(str(tmp_path / "pictrues"))
        with pytest.raises(UsageError, match='no folder "nowhere" either'):
            read_path(str(tmp_path / "nowhere" / "x"))

    @pytest.mark.parametrize(("name", "words"), [("a.zip", "unpack"), ("a.png", "one image"), ("a.doc", "known are")])
    def test_other_files(self, tmp_path: Path, name: str, words: str) -> None:
        (tmp_path / name).write_text("x")
        with pytest.raises(UsageError, match=words):
            read_path(str(tmp_path / name))

    def test_folder_without_classes_says_what_it_holds(self, tmp_path: Path) -> None:
        for i in range(3):
            put(tmp_path / f"{i}.png", grey(i))
        with pytest.raises(UsageError, match=r"3 \.png, but no class folders"):
            read_path(str(tmp_path))

    def test_files_and_arrays_do_not_mix(self, tmp_path: Path) -> None:
        class_folders(tmp_path / "a", {"0": 1, "1": 1})
        np.savez(tmp_path / "d.npz", x=np.zeros((2, 8, 8), np.uint8), y=np.arange(2))
        with pytest.raises(UsageError, match="another kind"):
            read_path(str(tmp_path / "a"), test=str(tmp_path / "d.npz"))


def test_many_findings_are_cut_with_a_count() -> None:
    findings = tuple(Finding(f"{i}.png", "truncated", "cut") for i in range(7))
    assert tell(findings, limit=2) == ["0.png: truncated (cut)", "1.png: truncated (cut)", "... and 5 more"]


def test_digits() -> None:
    source = read_digits()
    assert source.data.x.shape == (1797, 1, 8, 8)
    assert source.data.counts().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert source.data.x[0, 0, 0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]
    assert source.data.ids[[0, -1]].tolist() == ["0", "1796"]
    assert (source.quarantine, source.originals) == ((), {})


@pytest.mark.skipif(not SHARED.is_dir(), reason="no development data beside the checkout")
def test_fashion_mnist() -> None:
    source = read_path(str(SHARED / "fashion-mnist"))
    assert source.data.x.shape == (70_000, 1, 28, 28)
    assert source.data.counts().tolist() == [7000] * 10
    assert [int((source.split == name).sum()) for name in ("train", "test")] == [60_000, 10_000]
    assert source.data.y[:5].tolist() == [9, 0, 0, 3, 0]
