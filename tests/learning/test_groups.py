"""What looks alike or was taken together lies in one group, and nothing chains everything together."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import pytest

from keeprate.learning.groups import find_groups


def random_vectors(count: int, width: int = 64, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def random_hashes(count: int, seed: int = 0) -> npt.NDArray[np.int64]:
    return np.random.default_rng(seed).integers(-(2**63), 2**63 - 1, count)


def groups_of(
    vectors: npt.NDArray[np.float32],
    *,
    hashes: npt.NDArray[np.int64] | None = None,
    taken_at: npt.NDArray[np.float64] | None = None,
    folders: list[str] | None = None,
    buckets: npt.NDArray[np.intp] | None = None,
) -> npt.NDArray[np.intp]:
    count = len(vectors)
    return find_groups(
        vectors,
        random_hashes(count) if hashes is None else hashes,
        np.full(count, np.nan) if taken_at is None else taken_at,
        [""] * count if folders is None else folders,
        bucket_indices=buckets,
    )


def test_unlike_photos_stay_apart() -> None:
    assert groups_of(random_vectors(50)).tolist() == list(range(50))


def test_nearly_equal_vectors_are_one_group() -> None:
    vectors = random_vectors(50)
    vectors[10:14] = vectors[10] + 0.1 * random_vectors(4, seed=1)
    groups = groups_of(vectors)
    assert len(set(groups[10:14])) == 1
    assert len(set(groups)) == 47


def test_what_all_photos_share_does_not_make_them_alike() -> None:
    """Histograms and ReLU features have a cosine near 1 for any two photos."""
    assert len(set(groups_of(random_vectors(50) + 100))) == 50


@pytest.mark.parametrize(
    ("bits", "related", "together"), [(0, True, True), (6, True, True), (7, True, False), (0, False, False)]
)
def test_equal_hashes_need_related_vectors(bits: int, related: bool, together: bool) -> None:
    vectors, hashes = random_vectors(50), random_hashes(50)
    if related:
        vectors[1] = vectors[0] + 1.1 * vectors[1]  # cosine about 0.67: related, not alike
    hashes[1] = hashes[0] ^ ((1 << bits) - 1)
    groups = groups_of(vectors, hashes=hashes)
    assert bool(groups[0] == groups[1]) is together


def test_a_negative_hash_is_64_bits_like_any_other() -> None:
    vectors, hashes = random_vectors(50), random_hashes(50)
    vectors[1] = vectors[0] + 1.1 * vectors[1]
    hashes[0], hashes[1] = -1, -2
    assert len(set(groups_of(vectors, hashes=hashes)[:2])) == 1


def test_equal_vectors_say_nothing_and_group_nothing() -> None:
    assert len(set(groups_of(np.full((30, 64), 0.1, np.float32)))) == 30


def test_shoots_are_parted_by_pauses_and_folders() -> None:
    """40 photos: in each of two folders, five shoots of four photos, a minute apart, two hours between shoots."""
    taken_at = np.concatenate([np.arange(4) * 60.0 + shoot * 7200 for shoot in range(5)] * 2)
    groups = groups_of(random_vectors(40), taken_at=taken_at, folders=["a"] * 20 + ["b"] * 20)
    assert groups.tolist() == [number // 4 for number in range(40)]


def test_the_order_of_rows_does_not_matter() -> None:
    taken_at = 7200 * np.repeat(np.arange(15), 3).astype(np.float64)
    shuffled = np.random.default_rng(0).permutation(45)
    groups = groups_of(random_vectors(45), taken_at=taken_at[shuffled])
    assert len(set(groups)) == 15
    assert all(len(set(groups[shuffled // 3 == shoot])) == 1 for shoot in range(15))


def test_photos_without_a_time_are_not_a_shoot() -> None:
    taken_at = np.concatenate([np.repeat(np.arange(12.0), 2) * 7200, np.full(10, np.nan)])
    groups = groups_of(random_vectors(34), taken_at=taken_at)
    assert len(set(groups[24:])) == 10


def test_one_long_shoot_is_parted_more_finely() -> None:
    """100 photos, ten minutes and a bit between tens: an hour would join all, ten minutes gives ten groups."""
    taken_at = np.array([60.0 * number + 700 * (number // 10) for number in range(100)])
    groups = groups_of(random_vectors(100), taken_at=taken_at)
    assert len(set(groups)) == 10


def test_an_unbroken_shoot_falls_back_to_near_duplicates(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    groups = groups_of(random_vectors(100), taken_at=np.array([5.0 * number for number in range(100)]))
    assert len(set(groups)) == 100
    assert "near-duplicates only" in caplog.text


def test_a_bucket_keeps_enough_groups() -> None:
    """All deletes come from one day: as one group they could not be split, so shoots are cut finer for all."""
    buckets = np.array([0] * 30 + [1] * 6, np.intp)
    taken_at = np.concatenate([np.arange(30) * 7200.0, 1e6 + np.arange(6) * 1000.0])
    assert len(set(groups_of(random_vectors(36), taken_at=taken_at)[30:])) == 1
    assert len(set(groups_of(random_vectors(36), taken_at=taken_at, buckets=buckets)[30:])) == 6


def test_a_chain_of_lookalikes_does_not_swallow_everything() -> None:
    """Each is like the next (cosine > 0.99), the ends are opposite: the cap cuts the chain."""
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    sizes = np.bincount(groups_of(vectors))
    assert sizes.max() <= 40


def test_no_photos_no_groups() -> None:
    assert groups_of(np.empty((0, 8), np.float32)).size == 0


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="one row per photo"):
        groups_of(random_vectors(3), folders=["a"])


def test_many_photos_take_seconds() -> None:
    """Two clouds of lookalikes, the worst case; compressed to 128 directions on the way."""
    vectors = 0.1 * random_vectors(6000, 200)
    vectors[::2] += 1
    started = time.process_time()
    groups = groups_of(vectors)
    assert time.process_time() - started < 10
    assert np.bincount(groups).max() <= 1200
