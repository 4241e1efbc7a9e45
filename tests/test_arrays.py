"""IDX pairs and .npz files: exact values, splits, and damage that is named."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from gensynth.data.sources import Source, read_path
from gensynth.errors import DataError, UsageError


def labels(source: Source) -> dict[str, str]:
    names = source.data.schema.classes
    return {str(i): names[k] for i, k in zip(source.data.ids, source.data.y, strict=True)}


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def idx_pair(folder: Path, name: str, n: int, zipped: bool = True) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    x, y = rng.integers(0, 256, (n, 6, 5), dtype=np.uint8), (np.arange(n) % 3 + 9).astype(np.uint8)
    for half, array in (("images-idx3", x), ("labels-idx1", y)):
        content = idx_bytes(array)
        end = ".gz" if zipped else ""
        (folder / f"{name}-{half}-ubyte{end}").write_bytes(gzip.compress(content) if zipped else content)
    return x, y


class TestIdx:
    def test_folder_with_train_and_test(self, tmp_path: Path) -> None:
        x, y = idx_pair(tmp_path, "train", 9)
        x_test, _ = idx_pair(tmp_path, "t10k", 4, zipped=False)
        source = read_path(str(tmp_path))
        assert np.array_equal(source.data.x[:, 0], np.concatenate([x, x_test]))
        assert source.data.schema.classes == ("9", "10", "11")
        assert np.array_equal(source.data.y[:9], y - 9)
        assert source.split.tolist() == ["train"] * 9 + ["test"] * 4
        assert source.data.ids[[0, 9]].tolist() == ["train/0", "test/0"]

    def test_a_name_before_the_split_as_in_emnist(self, tmp_path: Path) -> None:
        idx_pair(tmp_path, "emnist-letters-train", 6)
        idx_pair(tmp_path, "emnist-letters-test", 3)
        assert read_path(str(tmp_path)).split.tolist() == ["train"] * 6 + ["test"] * 3

    def test_one_file_finds_its_labels(self, tmp_path: Path) -> None:
        x, _ = idx_pair(tmp_path, "train", 6)
        x_test, _ = idx_pair(tmp_path, "t10k", 3)
        main, test = (str(tmp_path / f"{name}-images-idx3-ubyte.gz") for name in ("train", "t10k"))
        source = read_path(main, test=test)
        assert np.array_equal(source.data.x[:, 0], np.concatenate([x, x_test]))
        assert source.split.tolist() == [""] * 6 + ["test"] * 3
        assert source.data.ids[[5, 6]].tolist() == ["5", "test/0"]

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"\0\0\x08", "shorter than"),
            (struct.pack(">4I", 0x0D03, 2, 6, 5) + bytes(60), "magic number 0x00000d03"),
            (struct.pack(">4I", 0x0803, 2, 6, 5) + bytes(59), "only 59"),
            (struct.pack(">4I", 0x0803, 2, 6, 5) + bytes(61), "more"),
            (struct.pack(">4I", 0x0803, 2**31, 2**31, 2**31), "more than is allowed"),
            (struct.pack(">4I", 0x0803, 0, 6, 5), "no data"),
            (struct.pack(">4I", 0x0803, 2, 6, 5) + bytes(60), "2 images, .* 4 labels"),
        ],
    )
    def test_damage_is_named(self, tmp_path: Path, content: bytes, words: str) -> None:
        idx_pair(tmp_path, "train", 4)
        (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(content))
        with pytest.raises(DataError, match=words):
            read_path(str(tmp_path))

    def test_cut_gzip(self, tmp_path: Path) -> None:
        idx_pair(tmp_path, "train", 40)
        path = tmp_path / "train-images-idx3-ubyte.gz"
        path.write_bytes(path.read_bytes()[:-30])
        with pytest.raises(DataError, match="train-images"):
            read_path(str(tmp_path))

    def test_labels_missing(self, tmp_path: Path) -> None:
        idx_pair(tmp_path, "train", 4)
        (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
        with pytest.raises(UsageError, match="train-labels-idx1-ubyte"):
            read_path(str(tmp_path))


class TestNpz:
    @pytest.mark.parametrize("shape", [(6, 7, 5), (6, 7, 5, 1), (6, 7, 5, 3)])
    def test_grey_and_colour(self, tmp_path: Path, shape: tuple[int, ...]) -> None:
        x = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        np.savez(tmp_path / "d.npz", x=x, y=np.array([0, 1, 0, 1, 0, 1]))
        data = read_path(str(tmp_path / "d.npz")).data
        assert data.x.shape == (6, shape[3] if len(shape) == 4 else 1, 7, 5)
        assert np.array_equal(data.x.transpose(0, 2, 3, 1).reshape(x.shape), x)
        assert data.schema.classes == ("0", "1")

    def test_classes_name_the_labels(self, tmp_path: Path) -> None:
        x = np.zeros((3, 2, 2), np.uint8)
        np.savez(tmp_path / "d.npz", x=x, y=np.array([2, 0, 2]), classes=np.array(["z", "unused", "a"]))
        source = read_path(str(tmp_path / "d.npz"))
        assert labels(source) == {"0": "a", "1": "z", "2": "a"}
        assert 'class "unused" has no readable image and was left out' in source.notes
        np.savez(tmp_path / "d.npz", x=x, y=np.array([3, 0, 2]), classes=np.array(["z", "unused", "a"]))
        with pytest.raises(DataError, match="y holds 3, but classes has 3 names"):
            read_path(str(tmp_path / "d.npz"))

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            (np.array([0, 32896, 65535], np.uint16), [0, 128, 255]),
            (np.array([0, 0.5, 1], np.float32), [0, 128, 255]),
        ],
    )
    def test_other_number_types(self, tmp_path: Path, values: np.ndarray, expected: list[int]) -> None:
        np.savez(tmp_path / "d.npz", x=values.reshape(3, 1, 1), y=np.array(["a", "b", "a"]))
        assert read_path(str(tmp_path / "d.npz")).data.x.ravel().tolist() == expected

    @pytest.mark.parametrize(
        ("arrays", "words"),
        [
            ({"x": np.full((2, 2, 2), 1.5), "y": np.arange(2)}, "row 0"),
            ({"x": np.full((2, 2, 2), np.nan), "y": np.arange(2)}, "outside 0 to 1"),
            ({"x": np.zeros((2, 2, 2), np.int64), "y": np.arange(2)}, "int64"),
            ({"x": np.zeros((2, 3, 8, 8), np.uint8), "y": np.arange(2)}, r"shape \(2, 3, 8, 8\)"),
            ({"x": np.zeros((2, 2, 2), np.uint8), "y": np.arange(3)}, "2 images but 3 labels"),
            ({"x": np.zeros((2, 2, 2), np.uint8), "y": np.zeros((2, 14), int)}, r"\(2, 14\)"),
            ({"x": np.zeros((2, 2, 2), np.uint8), "y": np.array([{}, 1], object)}, "pickled objects are refused"),
        ],
    )
    def test_refused_arrays(self, tmp_path: Path, arrays: dict[str, np.ndarray], words: str) -> None:
        np.savez(tmp_path / "d.npz", **arrays)
        with pytest.raises(DataError, match=words):
            read_path(str(tmp_path / "d.npz"))

    def test_medmnist(self, tmp_path: Path) -> None:
        arrays = {}
        for i, (name, n) in enumerate([("train", 4), ("val", 2), ("test", 2)]):
            arrays[f"{name}_images"] = np.full((n, 28, 28, 3), i, np.uint8)
            arrays[f"{name}_labels"] = (np.arange(n) % 2)[:, None]
        np.savez(tmp_path / "m.npz", **arrays)
        source = read_path(str(tmp_path / "m.npz"))
        assert source.split.tolist() == ["train"] * 4 + ["val"] * 2 + ["test"] * 2
        assert source.data.x[:, 0, 0, 0].tolist() == [0] * 4 + [1] * 2 + [2] * 2
        assert source.notes[0].startswith("MedMNIST .npz: 2 classes, 8 images, 28x28 RGB")

    @pytest.mark.parametrize(
        "keys",
        [
            ("x_train", "y_train", "x_test", "y_test"),
            ("training_images", "training_labels", "testing_images", "testing_labels"),
            ("trainX", "trainY", "testX", "testY"),
        ],
    )
    def test_usual_names_of_splits(self, tmp_path: Path, keys: tuple[str, ...]) -> None:
        x = np.random.default_rng(0).integers(0, 256, (6, 7, 5), dtype=np.uint8)
        y = np.arange(6) % 2
        np.savez(tmp_path / "d.npz", **dict(zip(keys, (x[:4], y[:4], x[4:], y[4:]), strict=True)))
        source = read_path(str(tmp_path / "d.npz"))
        assert np.array_equal(source.data.x[:, 0], x)
        assert source.split.tolist() == ["train"] * 4 + ["test"] * 2

    def test_only_what_is_read_is_loaded(self, tmp_path: Path) -> None:
        x, names = np.zeros((4, 6, 6), np.uint8), np.array(["a.png", None], object)
        np.savez(tmp_path / "d.npz", images=x, labels=np.arange(4) % 2, files=names)
        source = read_path(str(tmp_path / "d.npz"))
        assert source.data.counts().tolist() == [2, 2]
        assert "arrays that were not read: files" in source.notes
        np.savez(tmp_path / "d.npz", images=x, labels=np.array(["a", "b", "a", "b"], object), files=names)
        with pytest.raises(DataError, match='the array "labels" cannot be read'):
            read_path(str(tmp_path / "d.npz"))

    def test_two_arrays_for_one_thing(self, tmp_path: Path) -> None:
        x = np.zeros((2, 6, 6), np.uint8)
        np.savez(tmp_path / "d.npz", x=x, images=x, y=np.arange(2))
        with pytest.raises(UsageError, match="x and images may both be the images"):
            read_path(str(tmp_path / "d.npz"))

    def test_spaces_around_labels(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "d.npz", x=np.zeros((3, 6, 6), np.uint8), y=np.array(["a", "b ", "b"]))
        source = read_path(str(tmp_path / "d.npz"))
        assert labels(source) == {"0": "a", "1": "b", "2": "b"}
        assert any('"b " (one class with "b")' in note for note in source.notes)

    def test_large_arrays_shrink(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "d.npz", x=np.full((2, 224, 112), 7, np.uint8), y=np.arange(2))
        source = read_path(str(tmp_path / "d.npz"))
        assert source.data.x.shape == (2, 1, 64, 32)
        assert (source.data.x == 7).all()
        assert source.resized == 2

    def test_other_keys_and_damage(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "d.npz", images=np.zeros(2))
        with pytest.raises(UsageError, match="holds images; expected x and y"):
            read_path(str(tmp_path / "d.npz"))
        (tmp_path / "e.npz").write_bytes(b"PK\x03\x04 no archive")
        with pytest.raises(DataError, match=r"e\.npz"):
            read_path(str(tmp_path / "e.npz"))
