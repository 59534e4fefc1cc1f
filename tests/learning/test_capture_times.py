from __future__ import annotations

import numpy as np
import pytest

from keeprate.learning.capture_times import believable, neighbours, time_lapses

STEADY = np.arange(100) * np.float64(2.5)
HAND = np.cumsum(np.random.default_rng(0).integers(0, 4, 100)).astype(float)


@pytest.mark.parametrize(
    ("times", "count"),
    [
        (STEADY, 100), (np.floor(STEADY), 100), (STEADY[:59], 0), (HAND, 0), (np.arange(100) / 10, 0),
        (np.arange(100) * 60.0, 0), (np.full(100, np.nan), 0), (np.append(HAND, HAND[-1] + 3 + STEADY), 100),
    ],
    ids=["steady", "whole seconds", "too few", "by hand", "a burst", "minutes apart", "no times", "after others"],
)  # fmt: skip
def test_what_a_time_lapse_is(times: np.ndarray, count: int) -> None:
    found = time_lapses(times, np.zeros(len(times), np.intp))
    assert found.sum() == pytest.approx(count, abs=2), "a pause before it may fit by chance"
    if 0 < count < len(times):
        assert found[-count:].all()


def test_two_cameras_in_turn_are_two_time_lapses_or_none() -> None:
    assert time_lapses(STEADY, np.arange(100) % 2).sum() == 0, "fifty frames each"
    assert not time_lapses(np.arange(100.0), np.repeat([0, 1], 50)).any()


def test_a_clock_that_stands_still_tells_nothing() -> None:
    times = np.append(np.zeros(101), [0.0, 7.0])
    cameras = np.append(np.zeros(101, np.intp), [1, 0])
    assert np.isnan(believable(times, cameras)).tolist() == [True] * 101 + [False, False]
    unknown = np.full(200, np.nan)
    assert np.isnan(believable(unknown, np.zeros(200, np.intp))).all()


def test_neighbours_are_the_next_four_of_the_same_camera() -> None:
    pairs = neighbours(np.array([0.0, 1, 2, 3, 4, 5, np.nan]), np.array([0, 0, 0, 0, 0, 0, 0]), 3.0)
    assert sorted(pairs.tolist()) == [[a, b] for a in range(6) for b in range(a + 1, 6) if b - a <= 3]
    assert neighbours(np.array([0.0, 1.0]), np.array([0, 1]), 3.0).size == 0
