"""Folds keep groups whole, spread every bucket, and never leave a training side without one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeprate.learning.splits import Folds, make_folds, sample_groups


def folds_of(buckets: list[int], groups: list[int], *, seed: int = 0) -> Folds:
    return make_folds(np.array(buckets, np.intp), np.array(groups, np.intp), max(buckets) + 1, seed=seed)


@st.composite
def labelled_groups(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    bucket_count = draw(st.integers(2, 5))
    size = draw(st.integers(2 * bucket_count, 120))
    rest = draw(st.lists(st.integers(0, bucket_count - 1), min_size=size, max_size=size))
    buckets = [*range(bucket_count), *range(bucket_count), *rest]
    group_count = draw(st.integers(1, len(buckets)))
    groups = draw(st.lists(st.integers(0, group_count), min_size=len(buckets), max_size=len(buckets)))
    return buckets, groups


@settings(max_examples=150, deadline=None)
@given(labelled_groups(), st.integers(0, 3))
def test_promises(case: tuple[list[int], list[int]], seed: int) -> None:
    buckets, groups = case
    folds = folds_of(buckets, groups, seed=seed)
    assert set(folds.fold_of) == set(range(folds.count)), "no fold is empty"
    for bucket in set(buckets):
        assert len(set(folds.fold_of[np.array(buckets) == bucket])) >= 2, "a training side lacks a bucket"
    whole = ~np.isin(buckets, folds.dissolved_buckets)
    for group in set(groups):
        members = whole & (np.array(groups) == group)
        assert len(set(folds.fold_of[members])) <= 1, "a group is parted"


def test_many_buckets_in_few_groups_are_parted_and_named() -> None:
    """All photos of a bucket in one group: it cannot be learned and tested without parting the group."""
    folds = folds_of([0] * 4 + [1] * 4, [0, 0, 1, 1, 2, 2, 2, 2])
    assert folds.dissolved_buckets == (1,)
    assert len(set(folds.fold_of[4:])) == 4


@pytest.mark.parametrize(
    ("per_bucket", "count"), [(2, 4), (10, 20), (11, 10), (400, 10), (600, 5)], ids=lambda value: str(value)
)
def test_the_number_of_folds_follows_the_labels(per_bucket: int, count: int) -> None:
    assert folds_of([0] * per_bucket + [1] * per_bucket, list(range(2 * per_bucket))).count == count


def test_a_rare_bucket_limits_the_folds() -> None:
    folds = folds_of([0] * 200 + [1] * 4, list(range(204)))
    assert folds.count == 4
    assert sorted(folds.fold_of[200:]) == [0, 1, 2, 3]


def test_folds_are_balanced() -> None:
    generator = np.random.default_rng(0)
    groups = generator.integers(0, 150, 600)
    buckets = (generator.random(600) < 0.2).astype(np.intp)
    folds = make_folds(buckets, groups.astype(np.intp), 2, seed=0)
    table = np.zeros((folds.count, 2))
    np.add.at(table, (folds.fold_of, buckets), 1)
    assert np.ptp(table[:, 0]) <= 6
    assert np.ptp(table[:, 1]) <= 3


def test_the_same_seed_gives_the_same_folds_and_another_others() -> None:
    buckets, groups = [0, 1] * 50, list(range(100))
    first = folds_of(buckets, groups, seed=1).fold_of
    assert np.array_equal(first, folds_of(buckets, groups, seed=1).fold_of)
    assert not np.array_equal(first, folds_of(buckets, groups, seed=2).fold_of)


def test_one_photo_in_a_bucket_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="every bucket needs two photos"):
        folds_of([0, 0, 1], [0, 1, 2])


def test_training_weights_leave_the_fold_out() -> None:
    folds = folds_of([0, 1] * 2, [0, 1, 2, 3])
    assert np.array_equal(folds.training_weights(), 1 - np.eye(4)[folds.fold_of])


def test_a_sample_keeps_groups_whole_and_rare_buckets() -> None:
    buckets = np.repeat([0, 1, 2], [6000, 3000, 20]).astype(np.intp)
    groups = np.arange(9020) // 3
    rows = sample_groups(buckets, groups, 3, 900, seed=0)
    counts = np.bincount(buckets[rows])
    assert 880 < len(rows) < 960
    assert counts[0] / counts[1] == pytest.approx(2, rel=0.05)
    assert counts[2] == 20, "all of a bucket that has fewer than a tenth of the sample"
    assert not set(groups[rows]) & set(np.delete(groups, rows)), "no group is torn apart"
    assert rows.tolist() == sample_groups(buckets, groups, 3, 900, seed=0).tolist()
