"""What a training learns from: one row per labelled photo, checked once, and the hash that says whether it
changed.

A data set holds arrays, not catalog rows: who reads the catalog builds it, who fits can trust it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from keeprate.errors import KeeprateError

RECIPE: Final = "candidates-3"
"""How keeprate trains. A change that gives other heads from the same labels changes it: every head is trained
anew."""

FEW_LABELS: Final = 20
"""Below this many photos in a bucket, a head is a first guess (the number is headmaster's)."""

SMALLEST_BUCKET: Final = 1
"""A bucket with one photo can be learned from, though not tested."""


class NotEnoughLabels(KeeprateError):  # noqa: N818 -- not a fault, a state
    """A head cannot be trained yet: it has fewer than two buckets, or a bucket has no photo."""

    slug = "not-enough-labels"


@dataclass(frozen=True, slots=True)
class DataSet:
    """The labelled photos of one head with what one model saw in them.

    Every array has one row per photo. Raises ValueError if shapes or types disagree, a value is not finite, a
    key occurs twice or an index points nowhere: all of these are errors of the caller, not of the user.
    """

    content_keys: tuple[str, ...]
    vectors: npt.NDArray[np.float32]
    """(n, d) embeddings by one model, unscaled."""
    signals: npt.NDArray[np.float32] | None
    """(n, s) measured quantities in their own units, or None."""
    bucket_indices: npt.NDArray[np.intp]
    """(n,) which of `buckets` the photo was put into."""
    buckets: tuple[str, ...]
    """Names, in the order of the config. The first is the one whose probability is the score (`keep`)."""
    groups: npt.NDArray[np.intp]
    """(n,) photos with the same number never sit on both sides of a split; see `groups.find_groups`."""

    def __post_init__(self) -> None:
        count = len(self.content_keys)
        _check_matrix("vectors", self.vectors, count)
        if self.signals is not None:
            _check_matrix("signals", self.signals, count)
        _check_indices("bucket_indices", self.bucket_indices, count)
        _check_indices("groups", self.groups, count)
        if len(set(self.content_keys)) != count:
            raise ValueError("a content key occurs twice")
        if len(set(self.buckets)) != len(self.buckets):
            raise ValueError(f"a bucket occurs twice in {self.buckets}")
        if count and int(self.bucket_indices.max()) >= len(self.buckets):
            raise ValueError(f"bucket index {self.bucket_indices.max()} with {len(self.buckets)} buckets")

    def __len__(self) -> int:
        return len(self.content_keys)

    def bucket_counts(self) -> tuple[int, ...]:
        """How many photos each bucket has, in the order of `buckets`."""
        return tuple(int(n) for n in np.bincount(self.bucket_indices, minlength=len(self.buckets)))

    def rows(self, chosen: npt.NDArray[np.intp]) -> DataSet:
        """The data set of some of the photos: (m,) row numbers."""
        return DataSet(
            tuple(self.content_keys[row] for row in chosen.tolist()),
            self.vectors[chosen],
            None if self.signals is None else self.signals[chosen],
            self.bucket_indices[chosen],
            self.buckets,
            self.groups[chosen],
        )

    def require_enough_labels(self, head_name: str) -> None:
        """Raise `NotEnoughLabels`, naming each bucket and what it lacks, unless every bucket has a photo."""
        if len(self.buckets) < 2:
            raise NotEnoughLabels(
                f"The head “{head_name}” has {len(self.buckets)} buckets; learning needs at least two.",
                advice="Give it a second folder to sort into.",
            )
        lacking = [
            f"“{bucket}” has none"
            for bucket, count in zip(self.buckets, self.bucket_counts(), strict=True)
            if count < SMALLEST_BUCKET
        ]
        if lacking:
            raise NotEnoughLabels(
                f"The head “{head_name}” needs a photo in each bucket: {', '.join(lacking)}.",
                advice="Sort some more photos; learning starts by itself.",
            )

    def small_bucket_warnings(self) -> tuple[str, ...]:
        """One sentence about the buckets with fewer than `FEW_LABELS` photos, if there are any (H32)."""
        small = [
            (bucket, count)
            for bucket, count in zip(self.buckets, self.bucket_counts(), strict=True)
            if count < FEW_LABELS
        ]
        if not small:
            return ()
        named = ", ".join(f"{count} photo{'s' * (count > 1)} in “{bucket}”" for bucket, count in small)
        others = "" if len(self.buckets) == 2 else " of two answers"
        expected = _expected_accuracy(min(count for _, count in small))
        sentence = (
            f"There are only {named}; with fewer than {FEW_LABELS} expect about {expected} % right on an easy "
            f"question{others}, less on a matter of taste."
        )
        return (sentence,)


def _expected_accuracy(count: int) -> int:
    """Per cent of photos judged rightly with `count` in each bucket: hot dogs or not, mobilenetv2, balanced."""
    return next(per_cent for most, per_cent in ((5, 83), (10, 89), (FEW_LABELS, 91)) if count <= most)


def _check_matrix(name: str, matrix: npt.NDArray[np.float32], count: int) -> None:
    if matrix.dtype != np.float32:
        raise ValueError(f"{name} must be float32, not {matrix.dtype}")
    if matrix.ndim != 2 or matrix.shape[0] != count or (count and matrix.shape[1] == 0):
        raise ValueError(f"{name} has the shape {matrix.shape} for {count} photos")
    bad_rows = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if bad_rows.size:
        raise ValueError(f"{name} of {bad_rows.size} photos are not finite; the first is row {bad_rows[0]}")


def _check_indices(name: str, indices: npt.NDArray[np.intp], count: int) -> None:
    if not np.issubdtype(indices.dtype, np.integer) or indices.shape != (count,):
        raise ValueError(f"{name} must be {count} integers, not {indices.dtype} of shape {indices.shape}")
    if count and int(indices.min()) < 0:
        raise ValueError(f"{name} has a negative entry")


def label_hash(
    labels: Mapping[str, str],
    *,
    buckets: Sequence[str],
    model_fingerprint: str,
    signals_version: int = 0,
) -> str:
    """A stable hash (32 hex digits) of everything that a training depends on; equal hash, no training.

    `labels` maps content key to bucket; its order does not matter, that of `buckets` does. The recipe is part of it.
    """
    digest = hashlib.blake2b(digest_size=16)
    header = [RECIPE, model_fingerprint, str(signals_version), str(len(buckets)), *buckets]
    rows = [part for key in sorted(labels) for part in (key, labels[key])]
    for part in header + rows:
        encoded = part.encode("utf-8", "surrogateescape")
        digest.update(len(encoded).to_bytes(4, "little"))  # lengths keep ("ab", "c") apart from ("a", "bc")
        digest.update(encoded)
    return digest.hexdigest()
