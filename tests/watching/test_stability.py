from __future__ import annotations

import pytest

from keeprate.watching.signature import Signature
from keeprate.watching.stability import Due, StabilityTracker, is_settled

PHOTO = "/photos/a.jpg"
OTHER = "/photos/b.jpg"
FOLDER = "/photos/2019"


def of_size(size: int) -> Signature:
    return Signature(size=size, mtime_ns=size, ctime_ns=size, inode=1)


def test_a_growing_file_is_not_due() -> None:
    tracker = StabilityTracker(quiet_s=2)
    tracker.saw(PHOTO, of_size(10), now=0.0)
    tracker.saw(PHOTO, of_size(20), now=1.5)
    assert tracker.due(now=2.5) == Due([], [])
    assert tracker.due(now=3.5) == Due([PHOTO], [])


def test_looking_again_without_a_change_does_not_restart_the_clock() -> None:
    tracker = StabilityTracker(quiet_s=2)
    for now in (0.0, 1.0, 1.9):
        tracker.saw(PHOTO, of_size(10), now=now)
    assert tracker.due(now=2.0).files == [PHOTO]


def test_a_file_that_is_rewritten_to_the_same_size_is_another_one() -> None:
    tracker = StabilityTracker(quiet_s=2)
    tracker.saw(PHOTO, of_size(10), now=0.0)
    tracker.saw(PHOTO, of_size(10)._replace(mtime_ns=99), now=1.0)
    assert tracker.due(now=2.0).files == []


def test_a_file_that_goes_and_comes_back_has_changed() -> None:
    tracker = StabilityTracker(quiet_s=2)
    tracker.saw(PHOTO, None, now=0.0)
    assert tracker.due(now=2.0).files == [PHOTO]
    tracker.saw(PHOTO, of_size(10), now=2.0)
    assert tracker.due(now=3.0).files == []


def test_each_file_has_a_clock_of_its_own() -> None:
    tracker = StabilityTracker(quiet_s=2)
    tracker.saw(PHOTO, of_size(10), now=0.0)
    tracker.saw(OTHER, of_size(10), now=1.0)
    assert tracker.due(now=2.0).files == [PHOTO]
    assert sorted(tracker.due(now=3.0).files) == [PHOTO, OTHER]


def test_what_is_due_stays_due_until_forgotten() -> None:
    tracker = StabilityTracker(quiet_s=2)
    tracker.saw(PHOTO, of_size(10), now=0.0)
    tracker.saw_folder(FOLDER, now=0.0)
    assert tracker.due(now=5.0) == tracker.due(now=9.0) == Due([PHOTO], [FOLDER])
    tracker.forget(PHOTO)
    assert tracker.due(now=9.0) == Due([], [FOLDER])
    tracker.forget(FOLDER)
    tracker.forget("/never/seen.jpg")
    assert len(tracker) == 0


def test_every_event_in_a_folder_restarts_its_clock() -> None:
    tracker = StabilityTracker(quiet_s=2)
    tracker.saw_folder(FOLDER, now=0.0)
    tracker.saw_folder(FOLDER, now=1.5)
    assert tracker.due(now=3.0).folders == []
    assert tracker.due(now=3.5).folders == [FOLDER]


def test_when_to_ask_again() -> None:
    tracker = StabilityTracker(quiet_s=2)
    assert tracker.next_due_at() is None
    tracker.saw(PHOTO, of_size(10), now=5.0)
    tracker.saw_folder(FOLDER, now=4.0)
    assert tracker.next_due_at() == 6.0


class TestAFlood:
    def flooded(self) -> StabilityTracker:
        tracker = StabilityTracker(quiet_s=2, max_waiting=10, patience_s=60)
        for number in range(11):
            tracker.saw(f"/photos/{number}.jpg", of_size(1), now=0.0)
        return tracker

    def test_up_to_the_limit_there_is_none(self) -> None:
        tracker = StabilityTracker(quiet_s=2, max_waiting=10)
        for number in range(9):
            tracker.saw(f"/photos/{number}.jpg", of_size(1), now=0.0)
        tracker.saw_folder(FOLDER, now=0.0)
        assert len(tracker.due(now=2.0).files) == 9
        assert not tracker.due(now=2.0).whole_library

    def test_becomes_one_scan_of_the_library(self) -> None:
        tracker = self.flooded()
        assert len(tracker) == 1
        assert tracker.due(now=1.9) == Due([], [], whole_library=False)
        assert tracker.due(now=2.0) == Due([], [], whole_library=True)

    def test_waits_for_quiet_but_not_for_ever(self) -> None:
        tracker = self.flooded()
        for now in range(1, 59):
            tracker.saw(PHOTO, of_size(now), now=float(now))
            assert not tracker.due(now=float(now)).whole_library
        tracker.saw_folder(FOLDER, now=59.0)
        assert tracker.next_due_at() == 60.0
        assert tracker.due(now=60.0).whole_library

    def test_is_over_when_the_library_was_scanned(self) -> None:
        tracker = self.flooded()
        tracker.forget_all()
        assert (len(tracker), tracker.next_due_at()) == (0, None)
        tracker.saw(PHOTO, of_size(1), now=9.0)
        assert tracker.due(now=11.0) == Due([PHOTO], [])

    def test_never_holds_more_than_the_limit(self) -> None:
        tracker = StabilityTracker(quiet_s=2, max_waiting=10)
        for number in range(1000):
            tracker.saw_folder(f"/photos/{number}", now=0.0)
            assert len(tracker) <= 10


@pytest.mark.parametrize(
    ("age_s", "settled"),
    [(0.0, False), (1.9, False), (2.0, True), (1e9, True), (-1.9, False), (-2.0, True)],
    ids=["now", "a moment ago", "quiet", "old", "server clock ahead", "clock was set back"],
)
def test_which_files_of_a_scan_are_settled(age_s: float, settled: bool) -> None:
    now_ns = 2_000_000_000_000_000_000
    signature = Signature(size=1, mtime_ns=0, ctime_ns=now_ns - int(age_s * 1e9), inode=1)
    assert is_settled(signature, now_ns=now_ns, quiet_s=2) is settled
