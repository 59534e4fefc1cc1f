"""Find the photos that must not be parted when labels are split: near-duplicates and shoots.

A burst of one scene, half of it in training and half in the test, makes any classifier look good. So what looks alike
or was taken together forms a group, and a group lies on one side. Groups that are too large would leave nothing to
split; then shoots are cut finer, and in the end only near-duplicates stay together (the log says which).

Pure. Every photo is compared with every other, in blocks of bounded memory: see `find_groups` for the cost.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

log = logging.getLogger(__name__)

ALIKE: Final = 0.8
"""Cosine of two vectors, from the mean of all, from which two photos are near-duplicates. Measured on 100 photos with
two backbones and the built-in embedder: framed 10 % closer or 2° tilted, as in a burst, 92–99 % are above; of photos
that have nothing in common none is (the nearest of all: 0.78)."""
RELATED: Final = 0.5
"""If the perceptual hashes are nearly equal, a cosine from here will do. Hashes alone never do: all skies are equal."""
HASH_DISTANCE: Final = 6
"""Of 64 bits. Measured: resized, recompressed or brightened copies differ by 0–4, unrelated photos by 18 or more."""
MOST_MATCHES: Final = 16
"""Nearest matches of a photo that are kept: enough to connect a burst, and memory stays bounded."""
SHOOT_GAPS_S: Final = (3600.0, 600.0, 60.0)
"""A pause longer than this, within a folder, begins another shoot; the first that leaves enough groups is used."""
ENOUGH_GROUPS: Final = 10
ENOUGH_GROUPS_OF_A_BUCKET: Final = 5
LARGEST_SHARE: Final = 0.2
SMALL_GROUP: Final = 10
"""A group may hold a fifth of all photos, or this many if that is more."""
COMPRESS_ABOVE: Final = 4096
COMPRESSED_WIDTH: Final = 128
"""Above so many photos, vectors are compared along their 128 widest directions: six times faster for 768 of them, and
near-duplicates are as near there as anywhere."""
BLOCK_CELLS: Final = 4_000_000
"""Cosines that are held at a time."""


def find_groups(
    vectors: npt.NDArray[np.float32],
    perceptual_hashes: npt.NDArray[np.int64],
    taken_at: npt.NDArray[np.float64],
    folders: Sequence[str],
    *,
    bucket_indices: npt.NDArray[np.intp] | None = None,
) -> npt.NDArray[np.intp]:
    """The group of each photo, numbered from 0.

    `vectors` (n, d) finite; `perceptual_hashes` (n,) 64 bits each; `taken_at` (n,) seconds, NaN where unknown;
    `folders` (n) where each photo was first seen, "" where unknown — not the bucket's folder, or the label itself
    would group. `bucket_indices` (n,) lets it check that every bucket keeps enough groups to be split.

    25,000 × 768 takes 3.5 s of one core, 50,000 takes 14 s (25 s if most photos are alike), and about 100 MB beside a
    copy of the vectors.
    """
    count = len(vectors)
    if not len(perceptual_hashes) == len(taken_at) == len(folders) == count:
        raise ValueError("vectors, hashes, times and folders must have one row per photo")
    if count == 0:
        return np.empty(0, dtype=np.intp)
    cap = max(SMALL_GROUP, int(LARGEST_SHARE * count))
    near = _Partition(count)
    with threadpool_limits(limits=1, user_api="blas"):  # as in fitting: the same everywhere, and no threads that wait
        pairs = _strongest_first(vectors, perceptual_hashes)
    for first, second in pairs:
        near.join(first, second, cap)
    duplicates = near.numbers()
    buckets = np.zeros(count, dtype=np.intp) if bucket_indices is None else bucket_indices
    for gap_s in SHOOT_GAPS_S:
        shoots = _Partition(count, duplicates)
        for first, second in _consecutive(taken_at, folders, gap_s):
            shoots.join(first, second, count)
        groups = shoots.numbers()
        if np.bincount(groups).max() <= cap and _leaves_enough(groups, duplicates, buckets):
            log.info("%d photos in %d groups: shoots parted by %g s, near-duplicates", count, groups.max() + 1, gap_s)
            return groups
    log.info("%d photos in %d groups: near-duplicates only, shoots are too few", count, duplicates.max() + 1)
    return duplicates


class _Partition:
    """Union-find with a limit on the size of a set."""

    def __init__(self, count: int, start: npt.NDArray[np.intp] | None = None) -> None:
        self._parent = list(range(count))
        self._size = [1] * count
        if start is not None:
            first_of: dict[int, int] = {}
            for photo, group in enumerate(start.tolist()):
                self.join(first_of.setdefault(group, photo), photo, count)

    def join(self, first: int, second: int, cap: int) -> None:
        """Put two photos' sets together unless the union would hold more than `cap`."""
        a, b = self._root(first), self._root(second)
        if a == b or self._size[a] + self._size[b] > cap:
            return
        if self._size[a] < self._size[b]:
            a, b = b, a
        self._parent[b] = a
        self._size[a] += self._size[b]

    def numbers(self) -> npt.NDArray[np.intp]:
        """(n,) sets numbered in the order of their first photo."""
        roots = [self._root(photo) for photo in range(len(self._parent))]
        number_of = {root: number for number, root in enumerate(dict.fromkeys(roots))}
        return np.array([number_of[root] for root in roots], dtype=np.intp)

    def _root(self, photo: int) -> int:
        while self._parent[photo] != photo:
            self._parent[photo] = self._parent[self._parent[photo]]
            photo = self._parent[photo]
        return photo


def _strongest_first(vectors: npt.NDArray[np.float32], hashes: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Pairs of near-duplicates, most alike first: where the cap cuts a chain, it cuts the weakest link."""
    blocks = list(_matches(_directions(vectors), hashes.view(np.uint64)))
    rows, columns, cosines = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    order = np.argsort(-cosines, kind="stable")
    return list(zip(rows[order].tolist(), columns[order].tolist(), strict=True))


def _directions(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Unit vectors as seen from the mean: what all photos share says nothing about two of them.

    A vector at the mean (all photos equal, as far as the model can tell) becomes 0, and is like no other.
    """
    centred = vectors - vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    if len(centred) > COMPRESS_ABOVE and centred.shape[1] > COMPRESSED_WIDTH:
        sample = centred[:: len(centred) // COMPRESS_ABOVE]
        widest = np.linalg.eigh(sample.T @ sample)[1][:, -COMPRESSED_WIDTH:]
        centred = centred @ widest
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    rounding = 1e-5 * float(np.abs(vectors).max()) * np.sqrt(vectors.shape[1])
    centred[lengths[:, 0] <= rounding] = 0.0
    directions: npt.NDArray[np.float32] = centred / np.maximum(lengths, rounding)
    return directions


def _matches(
    directions: npt.NDArray[np.float32], hashes: npt.NDArray[np.uint64]
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float32]]]:
    """Rows, columns and cosines of near-duplicates, block by block; each pair once, at most 16 for a row."""
    block_rows = max(1, BLOCK_CELLS // len(directions))
    for start in range(0, len(directions), block_rows):
        block = directions[start : start + block_rows]
        cosines = block @ directions[start:].T
        corner = np.tril_indices(len(block))
        cosines[corner] = -1.0  # itself, and pairs that were seen from the other side
        distances = np.bitwise_count(hashes[start : start + block_rows, np.newaxis] ^ hashes[start:])
        near = (cosines >= ALIKE) | ((cosines >= RELATED) & (distances <= HASH_DISTANCE))
        for row in np.flatnonzero(near.sum(axis=1) > MOST_MATCHES):
            candidates = np.flatnonzero(near[row])
            farther = np.argpartition(-cosines[row, candidates], MOST_MATCHES)[MOST_MATCHES:]
            near[row, candidates[farther]] = False
        rows, columns = np.nonzero(near)
        yield start + rows, start + columns, cosines[rows, columns]


def _consecutive(taken_at: npt.NDArray[np.float64], folders: Sequence[str], gap_s: float) -> Iterator[tuple[int, int]]:
    """Neighbours in time within a folder, no more than `gap_s` apart."""
    folder_numbers = np.unique(np.asarray(folders, dtype=object), return_inverse=True)[1]
    order = np.lexsort((taken_at, folder_numbers))
    order = order[~np.isnan(taken_at[order])]
    before, after = order[:-1], order[1:]
    together = (folder_numbers[before] == folder_numbers[after]) & (taken_at[after] - taken_at[before] <= gap_s)
    yield from zip(before[together].tolist(), after[together].tolist(), strict=True)


def _leaves_enough(groups: npt.NDArray[np.intp], finest: npt.NDArray[np.intp], buckets: npt.NDArray[np.intp]) -> bool:
    """Whether every bucket, and all together, keep enough groups (half of the finest if those are few) to split."""
    if groups.max() + 1 < min(ENOUGH_GROUPS, (finest.max() + 1) // 2):
        return False
    for bucket in np.unique(buckets):
        members = buckets == bucket
        finest_count = len(np.unique(finest[members]))
        wanted = max(min(2, finest_count), min(ENOUGH_GROUPS_OF_A_BUCKET, finest_count // 2))
        if len(np.unique(groups[members])) < wanted:
            return False
    return True
