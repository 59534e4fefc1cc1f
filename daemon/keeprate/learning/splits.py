"""Split labelled photos into folds: groups stay whole, every bucket is spread as evenly as that allows.

Pure and deterministic for a seed. Unlike scikit-learn's `StratifiedGroupKFold`, which the greedy rule is taken from,
it promises that no training side ever lacks a bucket, and it shrinks the number of folds where labels are few.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

TINY: Final = 20
"""Up to this many groups, each is a fold of its own: with so few labels, none may be missing from
training."""
SMALL: Final = 1000
FOLDS_WHEN_SMALL: Final = 10
FOLDS: Final = 5

SMALLEST_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Folds:
    """Which fold each photo is held out in."""

    fold_of: npt.NDArray[np.intp]
    """(n,) from 0 to count - 1."""
    count: int
    dissolved_buckets: tuple[int, ...]
    """Buckets that lay in one group only: that group was taken apart, so figures about them are
    flattering."""

    def training_weights(self) -> npt.NDArray[np.float64]:
        """(n, count): 1 where the photo trains the fold's model, 0 where it is held out."""
        trains: npt.NDArray[np.bool_] = self.fold_of[:, np.newaxis] != np.arange(self.count)
        return trains.astype(np.float64)


def make_folds(
    bucket_indices: npt.NDArray[np.intp], groups: npt.NDArray[np.intp], bucket_count: int, *, seed: int
) -> Folds:
    """Folds for (n,) labels and groups; needs at least two photos in every bucket (ValueError otherwise).

    Promises: a group lies in one fold (but for `dissolved_buckets`), every bucket is in at least two folds,
    so that every training side has it. Costs about 10 µs a group.
    """
    counts = np.bincount(bucket_indices, minlength=bucket_count)
    if counts.min() < 2:
        raise ValueError(f"every bucket needs two photos to split, there are {counts.tolist()}")
    groups, dissolved = _dissolve_sole_groups(bucket_indices, groups, bucket_count)
    table = np.zeros((int(groups.max()) + 1, bucket_count))
    np.add.at(table, (groups, bucket_indices), 1.0)

    group_count = len(table)
    if group_count <= TINY:
        return Folds(groups, group_count, dissolved)
    preferred = FOLDS_WHEN_SMALL if len(groups) < SMALL else FOLDS
    # More folds than the rarest bucket has groups would leave folds without it.
    fold_count = int(np.clip((table > 0).sum(axis=0).min(), 3, preferred))
    fold_of = _spread(table, fold_count, seed)[groups]
    return Folds(fold_of, fold_count, dissolved + _part_lone_buckets(fold_of, bucket_indices, bucket_count, fold_count))


def _dissolve_sole_groups(
    bucket_indices: npt.NDArray[np.intp], groups: npt.NDArray[np.intp], bucket_count: int
) -> tuple[npt.NDArray[np.intp], tuple[int, ...]]:
    """Number the groups from 0; where one group holds a whole bucket, its photos of that bucket become groups."""
    groups = np.unique(groups, return_inverse=True)[1].astype(np.intp)
    dissolved = []
    for bucket in range(bucket_count):
        members = np.flatnonzero(bucket_indices == bucket)
        if len(np.unique(groups[members])) == 1:
            groups[members] = groups.max() + 1 + np.arange(len(members))
            dissolved.append(bucket)
    return np.unique(groups, return_inverse=True)[1].astype(np.intp), tuple(dissolved)


def _spread(table: npt.NDArray[np.float64], fold_count: int, seed: int) -> npt.NDArray[np.intp]:
    """The fold of every group: largest first, each to the fold where it disturbs the balance of buckets least."""
    shares = table / table.sum(axis=0)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(table))
    order = order[np.argsort(-shares[order].max(axis=1), kind="stable")]
    filled = np.zeros((fold_count, table.shape[1]))
    fold_of_group = np.empty(len(table), dtype=np.intp)
    for group in order:
        # Adding x to a fold filled with f raises the sum of squares by 2fx + x²; x² is the same for all folds.
        disturbance = filled @ shares[group]
        lone = (filled > 0).sum(axis=0) == 1
        if lone.any():  # a bucket in one fold only must reach a second one before balance counts
            disturbance += ((filled > 0) & lone) @ (shares[group] > 0)
        fold = int(np.argmin(disturbance))
        filled[fold] += shares[group]
        fold_of_group[group] = fold
    return fold_of_group


def _part_lone_buckets(
    fold_of: npt.NDArray[np.intp], bucket_indices: npt.NDArray[np.intp], bucket_count: int, fold_count: int
) -> tuple[int, ...]:
    """Move, in place, every other photo of a bucket that still lies in one fold (groups of many buckets can
    do that).
    """
    parted = []
    for bucket in range(bucket_count):
        members = np.flatnonzero(bucket_indices == bucket)
        if len(np.unique(fold_of[members])) == 1:
            fold_of[members[::2]] = (fold_of[members[0]] + 1) % fold_count
            parted.append(bucket)
    return tuple(parted)


def sample_groups(
    bucket_indices: npt.NDArray[np.intp],
    groups: npt.NDArray[np.intp],
    bucket_count: int,
    photos: int,
    *,
    seed: int,
) -> npt.NDArray[np.intp]:
    """(m,) rows, ascending, of whole groups drawn by chance: about `photos`, buckets in their proportion.

    A bucket keeps at least `SMALLEST_SHARE` of `photos`, or all that it has.
    """
    sizes = np.bincount(bucket_indices, minlength=bucket_count)
    wanted = np.minimum(sizes, np.maximum(sizes * photos / len(groups), SMALLEST_SHARE * photos))
    numbers = np.unique(groups, return_inverse=True)[1]
    table = np.zeros((int(numbers.max()) + 1, bucket_count))
    np.add.at(table, (numbers, bucket_indices), 1.0)
    order = np.random.default_rng(seed).permutation(len(table))
    before = np.cumsum(table[order], axis=0) - table[order]
    taken = np.zeros(len(table), dtype=np.bool_)
    taken[order] = ((table[order] > 0) & (before < wanted)).any(axis=1)
    return np.flatnonzero(taken[numbers])
