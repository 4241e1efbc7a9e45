"""IDX pairs and .npz files: exact values, splits, and damage that is named."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from gensynth.data.image_depth import rows_to_8_bit
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
            (struct.pack(">4I", 0x0903, 2, 6, 5) + bytes(60), r"magic number 0x00000903, expected 0x00000803"),
            (struct.pack(">4I", 0x0B03, 2, 6, 5) + bytes(60), "promises 120 bytes"),
            (struct.pack(">4I", 0x0D03, 4, 1, 1) + struct.pack(">4f", *[np.nan] * 4), r"not finite \(first in row 0\)"),
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
            ({"x": np.array([0.5, np.inf]).reshape(2, 1, 1), "y": np.arange(2)}, r"x is float64 .* row 1"),
            ({"x": np.full((2, 2, 2), np.nan), "y": np.arange(2)}, "not finite"),
            ({"x": np.zeros((2, 2, 2), np.int8), "y": np.arange(2)}, "int8"),
            ({"x": np.zeros((2, 2, 2), complex), "y": np.arange(2)}, "complex128"),
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


def deep_idx(folder: Path, code: int, x: np.ndarray, name: str) -> Path:
    """Numbers (N, H, W) as an IDX file of that type, its labels 0, 1, 0, 1 ... as bytes beside it."""
    head = struct.pack(">HBB3I", 0, code, 3, *x.shape)
    (folder / f"train-images-idx3-{name}").write_bytes(head + x.astype(x.dtype.newbyteorder(">")).tobytes())
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes((np.arange(len(x)) % 2).astype(np.uint8)))
    return folder


def flat(source: Source) -> list[int]:
    return source.data.x.ravel().tolist()


class TestMoreThan8Bits:
    """Numbers of an array are scaled as those of files are: by one range over the set."""

    @pytest.mark.parametrize(
        ("dtype", "values", "low", "high"),
        [
            (">u2", [0, 900, 4000, 7], 0, 4095),
            (np.uint16, [0, 40000, 5, 300], 0, 65535),
            (np.int16, [-1000, 0, 1000, 3000], -1000, 3000),
            (np.int32, [0, 4000, 100, 3], 0, 4095),
            (np.int64, [0, 200, 7, 255], 0, 255),
            (np.uint32, [5, 70000, 100, 9], 5, 70000),
            (np.float16, [0, 0.25, 0.5, 0.75], 0, 1),
            (np.float64, [-2.5, 1, 2, 7.5], -2.5, 7.5),
        ],
    )
    def test_one_range_over_the_set(self, tmp_path: Path, dtype: type, values: list, low: float, high: float) -> None:
        np.savez(tmp_path / "d.npz", x=np.array(values, dtype).reshape(4, 1, 1), y=np.arange(4) % 2)
        source = read_path(str(tmp_path / "d.npz"))
        assert flat(source) == np.rint((np.array(values) - low) * 255 / (high - low)).tolist()
        (note,) = [note for note in source.notes if "becomes 0 to 255" in note]
        assert f": {low:g} to {high:g} " in note
        assert "data.range=[LOW, HIGH]" in note

    @pytest.mark.parametrize(
        ("code", "dtype", "name"), [(0x0B, np.int16, "short"), (0x0C, np.int32, "int"), (0x0D, np.float32, "ubyte")]
    )
    def test_idx_of_other_numbers(self, tmp_path: Path, code: int, dtype: type, name: str) -> None:
        x = np.array([0, 1000, 4000, 20], dtype).reshape(4, 1, 1)
        source = read_path(str(deep_idx(tmp_path, code, x, name)))
        assert flat(source) == np.rint(x.ravel() * 255.0 / (4000 if dtype == np.float32 else 4095)).tolist()
        assert source.data.y.tolist() == [0, 1, 0, 1]

    def test_splits_of_a_file_and_data_test_share_the_range(self, tmp_path: Path) -> None:
        dark, light = (np.array(values, np.uint16).reshape(2, 1, 1) for values in ([0, 500], [100, 4000]))
        y = np.arange(2)
        np.savez(tmp_path / "d.npz", x_train=dark, y_train=y, x_test=light, y_test=y)
        expected = [0, round(500 * 255 / 4095), round(100 * 255 / 4095), round(4000 * 255 / 4095)]
        assert flat(read_path(str(tmp_path / "d.npz"))) == expected
        np.savez(tmp_path / "a.npz", x=dark, y=y)
        np.savez(tmp_path / "b.npz", x=light, y=y)
        assert flat(read_path(str(tmp_path / "a.npz"), test=str(tmp_path / "b.npz"))) == expected

    def test_an_array_of_bytes_beside_a_deep_one_stays(self, tmp_path: Path) -> None:
        y = np.arange(2)
        few, many = np.array([3, 200], np.uint8).reshape(2, 1, 1), np.array([0, 4095], np.uint16).reshape(2, 1, 1)
        np.savez(tmp_path / "d.npz", x_train=few, y_train=y, x_test=many, y_test=y)
        source = read_path(str(tmp_path / "d.npz"))
        assert flat(source) == [3, 200, 0, 255]
        assert any(note.startswith("2 of 4 images hold 16-bit numbers") for note in source.notes)

    def test_a_declared_range_and_one_of_earlier_rows(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "d.npz", x=np.array([0, 500, 1000, 3000], np.int32).reshape(4, 1, 1), y=np.arange(4) % 2)
        source = read_path(str(tmp_path / "d.npz"), range=[0, 1000])
        assert flat(source) == [0, 128, 255, 255]
        assert any("0 to 1000 (data.range) becomes 0 to 255 in all of them; 1 of them" in n for n in source.notes)
        np.savez(tmp_path / "e.npz", x=np.array([0, 100], np.int32).reshape(2, 1, 1), y=np.arange(2))
        again = read_path(str(tmp_path / "e.npz"), range=source.data.schema.fields["ranges"])
        assert flat(again) == [0, 26]
        assert any("0 to 1000 (as the real rows) becomes 0 to 255" in note for note in again.notes)

    def test_a_declared_range_without_effect_is_said_to_whom_declared_it(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "d.npz", x=np.zeros((2, 1, 1), np.uint8), y=np.arange(2))
        assert any("data.range has no effect" in n for n in read_path(str(tmp_path / "d.npz"), range=[0, 9]).notes)
        unsaid = read_path(str(tmp_path / "d.npz"), range={"16-bit": [0, 9]}).notes
        assert not any("data.range" in note for note in unsaid)

    def test_rows_are_scaled_part_by_part_to_the_same(self) -> None:
        rows = np.random.default_rng(0).integers(0, 4095, (7, 1, 3, 2), dtype=np.uint16)
        for at_once in (1, 13, 10**6):
            found = rows_to_8_bit(rows, {"16-bit": (0, 4095)}, at_once)
            assert np.array_equal(found, np.rint(rows * 255.0 / 4095))
