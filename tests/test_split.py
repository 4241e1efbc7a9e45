"""Splits: exact sizes, nothing on two sides, what the source says is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gensynth.data.sources import read_digits
from gensynth.data.split import cut_long_tail, row_groups, split_rows
from gensynth.errors import DataError, UsageError
from gensynth.types import LabelledData, Schema

SHARES = (0.7, 0.1, 0.2)


def rows(counts: list[int]) -> LabelledData:
    """Rows with different content, counts[k] of class k."""
    y = np.repeat(np.arange(len(counts)), counts)
    x = np.zeros((len(y), 1, 2, 2), np.uint8)
    x[:, 0, 0, 0], x[:, 0, 0, 1] = np.arange(len(y)) % 256, np.arange(len(y)) // 256
    return LabelledData.of_real(x, y, Schema("image", tuple(f"c{k}" for k in range(len(counts)))))


def free(data: LabelledData) -> np.ndarray:
    return np.full(len(data), "")


def table(data: LabelledData, split: np.ndarray) -> list[list[int]]:
    """Rows per class in train, val, test."""
    names = ("train", "val", "test")
    return [[int(((split == s) & (data.y == k)).sum()) for s in names] for k in range(len(data.schema.classes))]


def test_sizes_are_rounded_shares_with_a_floor_for_small_classes() -> None:
    data = rows([100, 33, 7, 5, 4, 3, 2, 1])
    split = split_rows(data, SHARES, 0, free(data))
    assert table(data, split) == [
        [70, 10, 20],
        [23, 3, 7],
        [5, 1, 1],
        [3, 1, 1],
        [3, 0, 1],
        [2, 0, 1],
        [2, 0, 0],
        [1, 0, 0],
    ]


def test_same_seed_same_split_other_seed_other_split() -> None:
    data = rows([60, 30])
    first, again, other = (split_rows(data, SHARES, seed, free(data)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert table(data, first) == table(data, other)


def test_equal_rows_never_straddle() -> None:
    data = rows([200, 50])
    x = data.x.copy()
    x[0:160] = x[np.arange(160) // 4]
    data = replace(data, x=x)
    split = split_rows(data, SHARES, 3, free(data))
    hashes = data.content_hashes()
    assert len(set(hashes.tolist())) < 150
    for content in set(hashes.tolist()):
        assert len(set(split[hashes == content].tolist())) == 1
    assert table(data, split)[0] == [140, 20, 40]


def test_subjects_never_straddle_and_empty_subjects_are_apart() -> None:
    data = rows([120, 60])
    subject = np.array([f"p{i % 30}" if i % 2 else "" for i in range(180)])
    split = split_rows(data, SHARES, 0, free(data), subject)
    for person in set(subject.tolist()) - {""}:
        assert len(set(split[subject == person].tolist())) == 1
    assert set(split[subject == ""].tolist()) == {"train", "val", "test"}


def test_one_subject_for_a_class_stays_in_train() -> None:
    data = rows([40, 10])
    subject = np.where(data.y == 1, "only", "")
    assert table(data, split_rows(data, SHARES, 0, free(data), subject))[1] == [10, 0, 0]


def test_groups_larger_than_the_goal_still_give_a_test_row() -> None:
    data = rows([40, 12])
    subject = np.where(data.y == 1, np.char.add("p", (np.arange(52) % 3).astype(str)), "")
    train, _, test = table(data, split_rows(data, SHARES, 0, free(data), subject))[1]
    assert test == 4
    assert train >= 4


def test_subjects_with_many_classes_keep_the_shares() -> None:
    data = rows([40] * 50)
    subject = np.char.add("p", (np.random.default_rng(0).permutation(2000) % 200).astype(str))
    split = split_rows(data, SHARES, 0, free(data), subject)
    for name, share in zip(("train", "val", "test"), SHARES, strict=True):
        assert abs((split == name).mean() - share) < 0.07


def test_row_groups_join_through_a_third_row() -> None:
    groups = row_groups(np.array(["a", "a", "b", "c"]), np.array(["", "x", "x", ""]))
    assert groups[0] == groups[1] == groups[2] != groups[3]


def test_given_test_is_kept_and_val_is_a_tenth_of_the_rest() -> None:
    data = rows([120, 60])
    given = np.where(np.arange(180) % 6 == 0, "test", "")
    split = split_rows(data, SHARES, 0, given)
    assert np.array_equal(split == "test", given == "test")
    assert table(data, split) == [[90, 10, 20], [45, 5, 10]]


def test_given_train_and_val_give_a_test_from_train() -> None:
    data = rows([100, 50])
    given = np.where(np.arange(150) % 5 == 0, "val", "train")
    split = split_rows(data, SHARES, 0, given)
    assert np.array_equal(split == "val", given == "val")
    assert table(data, split) == [[64, 20, 16], [32, 10, 8]]


def test_all_three_given_changes_nothing_even_with_copies() -> None:
    data = rows([30, 30])
    data = replace(data, x=np.zeros_like(data.x))
    given = np.resize(np.array(["train", "val", "test"]), 60)
    assert np.array_equal(split_rows(data, SHARES, 0, given), given)


def test_copies_of_given_test_rows_are_not_carved_into_val() -> None:
    data = rows([40, 40])
    x = data.x.copy()
    x[1:20] = x[0]
    given = np.full(80, "")
    given[0] = given[40] = "test"
    split = split_rows(replace(data, x=x), SHARES, 0, given)
    assert (split[1:20] == "train").all()
    assert (split == "val").sum() == 8


def test_only_train_given_is_as_good_as_nothing() -> None:
    data = rows([50, 20])
    assert np.array_equal(split_rows(data, SHARES, 0, np.full(70, "train")), split_rows(data, SHARES, 0, free(data)))


def test_synthetic_rows_and_their_equals_stay_in_train() -> None:
    data = rows([60, 30])
    x, origin = data.x.copy(), data.origin.astype("U9")
    origin[:20] = "synthetic"
    x[20:25] = x[0]
    split = split_rows(replace(data, x=x, origin=origin), SHARES, 0, free(data))
    assert (split[:25] == "train").all()
    assert (split == "test").sum() == 8 + 6


def test_synthetic_test_row_is_refused() -> None:
    data = rows([20, 20])
    origin = data.origin.astype("U9")
    origin[3] = "augmented"
    given = np.where(np.arange(40) % 4 == 3, "test", "")
    with pytest.raises(DataError, match="3: augmented, in test"):
        split_rows(replace(data, origin=origin), SHARES, 0, given)


def test_class_without_a_train_row_is_named() -> None:
    data = rows([20, 4])
    with pytest.raises(DataError, match='class "c1"'):
        split_rows(data, SHARES, 0, np.where(data.y == 1, "test", "train"))


@pytest.mark.parametrize(
    "shares", [(0.7, 0.1, 0.3), (0.5, 0.5), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1), (float("nan"), 0.1, 0.2)]
)
def test_bad_shares_name_the_key(shares: tuple[float, float, float]) -> None:
    data = rows([10, 10])
    with pytest.raises(UsageError, match=r"data\.split"):
        split_rows(data, shares, 0, free(data))


def test_a_share_of_zero_leaves_the_part_empty() -> None:
    data = rows([20, 10])
    assert table(data, split_rows(data, (0.8, 0.0, 0.2), 0, free(data))) == [[16, 0, 4], [8, 0, 2]]


def test_long_tail_of_digits_falls_from_126_to_20() -> None:
    digits = read_digits().data
    split = split_rows(digits, SHARES, 0, free(digits))
    keep = cut_long_tail(digits.y, split, 126, 20, 10, 0)
    assert keep[split != "train"].all()
    counts = np.bincount(digits.y[keep & (split == "train")])
    assert sorted(counts.tolist(), reverse=True) == [126, 102, 83, 68, 55, 45, 36, 30, 24, 20]
    sizes = np.bincount(digits.y[split == "train"])
    assert (np.diff(sizes[np.argsort(-counts)]) <= 0).all(), "the more common a class, the more it keeps"


def test_long_tail_starts_at_first_and_keeps_prefixes() -> None:
    y, split = np.repeat(np.arange(10), 200), np.full(2000, "train")
    keep = cut_long_tail(y, split, 126, 20, 10, 0)
    assert np.bincount(y[keep]).tolist() == [126, 102, 83, 68, 55, 45, 36, 30, 24, 20]
    longer = cut_long_tail(y, split, 126, 60, 10, 0)
    assert longer[keep].all()
    assert not np.array_equal(keep, cut_long_tail(y, split, 126, 20, 10, 1))


def test_a_row_that_is_repeated_over_and_over_stays_in_train():
    """Mammography's case: 3 of 10 rows are one row, of which a few carry the rare label."""
    r = np.random.default_rng(0)
    x = r.normal(size=(1000, 3))
    x[:300] = x[0]
    y = (r.random(1000) < 0.1).astype(int)
    y[:300] = np.arange(300) < 4
    data = LabelledData.of_real(x, y, Schema("table", ("common", "rare"), {}))
    split = split_rows(data, (0.7, 0.1, 0.2), 0, np.full(1000, ""))
    assert (split[:300] == "train").all()
    for k in (0, 1):
        assert (split[y == k] == "test").mean() == pytest.approx(0.2, abs=0.01)
