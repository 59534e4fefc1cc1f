from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from keeprate.learning.bursts import FoundBurst, Frames, Indices, find_links, gather
from keeprate.plugin_api import BurstKind


def scenes(*, seeds: list[int], shift: int = 0, gain: float = 1.0) -> np.ndarray[Any, Any]:
    """(n, 1024) thumbnails: each seed is a scene wider than a frame, of which a frame shows a part."""
    frames = []
    for step, seed in enumerate(seeds):
        coarse = np.random.default_rng(seed).integers(20, 200, (8, 32))
        wide = np.repeat(np.repeat(coarse, 4, axis=0), 4, axis=1)
        frames.append(np.clip(wide[:, step * shift : step * shift + 32] * gain**step, 0, 255))
    return np.stack(frames).reshape(len(seeds), -1).astype(np.uint8)


def frames_at(*seconds: float, hashes: list[int] | None = None, **facts: list[float]) -> Frames:
    """Frames by one camera; hashes far from each other unless given."""
    count = len(seconds)
    unknown = np.full(count, np.nan)
    far = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, count)
    known: dict[str, Any] = {name: np.array(values, np.float64) for name, values in facts.items()}
    return replace(
        Frames(
            np.array(far if hashes is None else hashes, np.int64), np.array(seconds, np.float64),
            np.zeros(count, np.intp), unknown, unknown, unknown, np.zeros(count, bool), unknown, unknown,
        ),
        **known,
    )  # fmt: skip


def found(frames: Frames, thumbnails: np.ndarray[Any, Any], fresh: list[bool] | None = None) -> list[FoundBurst]:
    """Groups, where vectors say nothing."""

    def directions(rows: Indices) -> np.ndarray[Any, Any]:
        return np.full((len(rows), 1), np.nan, np.float32)

    asked = np.array(fresh if fresh is not None else [True] * len(frames))
    return gather(frames, find_links(frames, asked, lambda rows: thumbnails[rows], directions))


def test_frames_of_one_thing_within_seconds_are_a_burst() -> None:
    groups = found(frames_at(2.0, 0.0, 1.0, 60.0, 61.0), scenes(seeds=[1, 1, 1, 1, 2]))
    assert groups == [FoundBurst(BurstKind.BURST, (1, 2, 0))], "a minute later, or another thing, is not"


def test_another_camera_at_the_same_time_took_another_photo() -> None:
    frames = replace(frames_at(0.0, 1.0), cameras=np.array([0, 1]))
    assert not found(frames, scenes(seeds=[1, 1]))


@pytest.mark.parametrize("apart", [0, 5, 14, 15])
def test_copies_are_found_without_any_time(apart: int) -> None:
    frames = frames_at(np.nan, np.nan, hashes=[0, (1 << apart) - 1])
    groups = found(frames, scenes(seeds=[3, 3]))
    assert bool(groups) == (apart <= 14)
    assert not groups or groups == [FoundBurst(BurstKind.DUPLICATES, (0, 1))]


def test_equal_hashes_of_other_pictures_are_no_copies() -> None:
    assert not found(frames_at(np.nan, np.nan, hashes=[0, 0]), scenes(seeds=[3, 4]))


def test_a_series_of_exposures_is_kept_whole_and_the_burst_beside_it_is_not() -> None:
    light = [12.0, 12.0, 12.0, 12.0, 14.0, 10.0]
    groups = found(frames_at(0, 1, 2, 3, 4, 5, light=light), scenes(seeds=[1] * 6))
    assert groups == [
        FoundBurst(BurstKind.BRACKET, (3, 4, 5)), FoundBurst(BurstKind.BURST, (0, 1, 2)),
    ]  # fmt: skip


@pytest.mark.parametrize(("bias", "kind"), [([0.0, 1.0], BurstKind.BRACKET), ([0.0, 0.0], BurstKind.BURST)])
def test_two_frames_are_a_series_only_if_the_person_or_the_camera_said_so(bias: list[float], kind: BurstKind) -> None:
    assert found(frames_at(0, 1, bias=bias), scenes(seeds=[1, 1])) == [FoundBurst(kind, (0, 1))]


def test_a_focus_series_is_told_by_its_distances() -> None:
    frames = frames_at(0, 1, 2, light=[9.0] * 3, distances=[1.0, 1.2, 1.4])
    assert found(frames, scenes(seeds=[1] * 3)) == [FoundBurst(BurstKind.BRACKET, (0, 1, 2))]


def test_frames_that_go_on_sideways_are_a_panorama() -> None:
    groups = found(frames_at(0, 6, 12), scenes(seeds=[1] * 3, shift=16))
    assert groups == [FoundBurst(BurstKind.PANORAMA, (0, 1, 2))]


def test_a_panorama_of_other_zoom_is_none() -> None:
    assert not found(frames_at(0, 6, focal_lengths=[35.0, 70.0]), scenes(seeds=[1, 1], shift=16))


def test_a_chain_of_copies_does_not_join_what_is_not_alike() -> None:
    """Each differs from the next by a little, the first from the last by much."""
    step = 10
    hashes = [(1 << (step * number)) - 1 for number in range(5)]
    groups = found(frames_at(*[np.nan] * 5, hashes=hashes), scenes(seeds=[1] * 5))
    assert max(len(group.members) for group in groups) == 3


def test_only_pairs_with_a_new_photo_are_compared() -> None:
    frames = frames_at(0.0, 1.0, 100.0, 101.0)
    groups = found(frames, scenes(seeds=[1, 1, 2, 2]), [False, False, False, True])
    assert groups == [FoundBurst(BurstKind.BURST, (2, 3))]


def test_a_thousand_black_frames_are_compared_with_a_few_each() -> None:
    count = 1000
    frames = frames_at(*[np.nan] * count, hashes=[0] * count)
    black = np.zeros((count, 1024), np.uint8)
    links = find_links(
        frames, np.ones(count, bool), lambda rows: black[rows], lambda rows: np.ones((len(rows), 1), np.float32)
    )
    assert len(links.pairs) <= 64 * count
