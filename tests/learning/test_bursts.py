from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from keeprate.learning.bursts import FoundBurst, Frames, Indices, find_links, gather
from keeprate.pictures.technical import thumbnail
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
            np.zeros(count, bool),
        ),
        **known,
    )  # fmt: skip


def found(
    frames: Frames, thumbnails: np.ndarray[Any, Any], fresh: list[bool] | None = None, *, cosine: float = np.nan
) -> list[FoundBurst]:
    """Groups, where vectors say nothing, or all have one direction (`cosine` 1)."""

    def directions(rows: Indices) -> np.ndarray[Any, Any]:
        return np.full((len(rows), 1), cosine, np.float32)

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


def test_a_panorama_that_was_shot_quickly_is_no_burst() -> None:
    """Its frames share so much that vectors call them alike."""
    groups = found(frames_at(0, 2, 4), scenes(seeds=[1] * 3, shift=12), cosine=1.0)
    assert groups == [FoundBurst(BurstKind.PANORAMA, (0, 1, 2))]


def test_a_burst_that_drifts_is_no_panorama() -> None:
    groups = found(frames_at(0, 1, 2), scenes(seeds=[1] * 3, shift=2), cosine=1.0)
    assert groups == [FoundBurst(BurstKind.BURST, (0, 1, 2))]


def cut(image: Image.Image, random: np.random.Generator, *, shift: float, shake: float, zoom: float) -> Any:
    """(3, 1024) thumbnails of frames 0.4 times as wide as the photo, each `shift` of a frame right of the last."""
    small = []
    for step in (-1, 0, 1):
        scale = 0.4 * (1 - random.uniform(0, zoom))
        width, height = scale * image.width, scale * 0.75 * image.width
        x = image.width / 2 + 0.4 * image.width * (step * shift + random.uniform(-shake, shake))
        y = image.height / 2 + 0.3 * image.width * random.uniform(-shake, shake)
        turned = image.rotate(random.uniform(-40, 40) * shake, Image.Resampling.BICUBIC, center=(x, y))
        frame = turned.crop((round(x - width / 2), round(y - height / 2), round(x + width / 2), round(y + height / 2)))
        small.append(thumbnail(frame).reshape(-1))
    return np.stack(small)


def test_of_real_photos_quick_panoramas_and_shaky_bursts_are_told_apart(shared_photos: Path) -> None:
    """Vectors that call all frames alike make it hardest."""
    random = np.random.default_rng(1)
    shifts, small = [], []
    for path in sorted(shared_photos.glob("savoias/Scenes/*.jpg"))[:30]:
        image = Image.open(path).convert("RGB")
        image.thumbnail((800, 800))
        for shift in (0.0, 0.3, 0.5, 0.6):
            shifts.append(shift)
            small.append(cut(image, random, shift=shift, shake=0.01 if shift else 0.05, zoom=0.0 if shift else 0.1))
    times = [100.0 * sequence + 2 * frame for sequence in range(len(shifts)) for frame in range(3)]
    groups = found(frames_at(*times), np.concatenate(small), cosine=1.0)
    kinds = Counter((shifts[group.members[0] // 3], group.kind) for group in groups)
    assert kinds[0.0, BurstKind.BURST] == 30
    for shift in (0.3, 0.5, 0.6):
        assert kinds[shift, BurstKind.PANORAMA] >= 28, f"frames {shift} of their width apart"


@pytest.mark.parametrize(
    ("light", "kind"),
    [
        ([12.0, 12.6, 11.7, 12.2, 12.0], BurstKind.BURST), ([12.0, 12.5, 13.0], BurstKind.BURST),
        ([12.0, 12.7, 13.3], BurstKind.BRACKET), ([12.0, 10.0, 14.0], BurstKind.BRACKET),
        ([12.0, 10.0, 14.0, 12.0, 10.0, 14.0], BurstKind.BRACKET), ([12.0, 10.0, 13.0], BurstKind.BURST),
    ],
)  # fmt: skip
def test_a_drift_of_automatic_exposure_is_no_series(light: list[float], kind: BurstKind) -> None:
    frames = frames_at(*range(len(light)), light=light)
    assert [group.kind for group in found(frames, scenes(seeds=[1] * len(light)))] == [kind]


def test_a_long_run_is_parted_where_a_pause_was_longer() -> None:
    times = [second + (1.0 if second >= 70 else 0.0) for second in range(120)]
    groups = found(frames_at(*times), scenes(seeds=[1] * 120))
    assert [len(group.members) for group in groups] == [70, 50]


def test_frames_of_a_time_lapse_belong_to_nothing() -> None:
    frames = replace(frames_at(*range(6), hashes=[0] * 6), time_lapse=np.array([True] * 3 + [False] * 3))
    assert found(frames, scenes(seeds=[1] * 6)) == [FoundBurst(BurstKind.BURST, (3, 4, 5))]


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


def test_a_thousand_equal_frames_are_compared_with_a_few_each() -> None:
    count = 1000
    frames = frames_at(*[np.nan] * count, hashes=[0] * count)
    equal = np.repeat(scenes(seeds=[1]), count, axis=0)
    links = find_links(
        frames, np.ones(count, bool), lambda rows: equal[rows], lambda rows: np.ones((len(rows), 1), np.float32)
    )
    assert count <= len(links.pairs) <= 16 * count
    groups = gather(frames, links)
    assert max(len(group.members) for group in groups) <= 100
    assert sum(len(group.members) for group in groups) > 0.9 * count


def test_of_many_near_hashes_the_nearest_are_looked_at() -> None:
    """The copy has the last of thirty hashes, all of them near, and is the only one of the same picture."""
    hashes = [0, *((1 << 10) - 1 ^ (1 << 20 + number) for number in range(30)), 1]
    groups = found(frames_at(*[np.nan] * 32, hashes=hashes), scenes(seeds=[9, *range(100, 130), 9]))
    assert groups == [FoundBurst(BurstKind.DUPLICATES, (0, 31))]
