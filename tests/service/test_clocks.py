from __future__ import annotations

import pytest

from keeprate.service.clocks import LEAP_S, LeapDetector
from keeprate.service.pulse import SILENT_AFTER_S, STUCK_AFTER_S, Progress
from support.daemon_parts import SetClocks


def test_time_that_passes_is_no_leap() -> None:
    clocks = SetClocks()
    detector = LeapDetector(clocks)
    for _ in range(5):
        clocks.pass_by(3600)
        assert detector.leap() is None


@pytest.mark.parametrize("seconds", [8 * 3600.0, -5 * 3600.0])
def test_a_leap_is_told_once(seconds: float) -> None:
    clocks = SetClocks()
    detector = LeapDetector(clocks)
    clocks.pass_by(10)
    clocks.leap(seconds)
    assert detector.leap() == pytest.approx(seconds)
    assert detector.leap() is None


def test_small_corrections_are_no_leap_by_themselves() -> None:
    clocks = SetClocks()
    detector = LeapDetector(clocks)
    clocks.leap(LEAP_S - 1)
    assert detector.leap() is None
    clocks.leap(2)
    assert detector.leap() == pytest.approx(LEAP_S + 1), "together they are one"


def test_who_rests_is_well() -> None:
    clocks = SetClocks()
    progress = Progress(clocks)
    for _ in range(5):
        clocks.pass_by(STUCK_AFTER_S * 2)
        assert progress.is_made(resting=True, pulse=1, computed=(0.0, 0.0))


def test_a_step_that_neither_says_nor_computes_anything_is_stuck() -> None:
    clocks = SetClocks()
    progress = Progress(clocks)
    assert progress.is_made(resting=False, pulse=1, computed=(1.0, 1.0))
    clocks.pass_by(STUCK_AFTER_S - 1)
    assert progress.is_made(resting=False, pulse=1, computed=(1.0, 1.0))
    clocks.pass_by(2)
    assert not progress.is_made(resting=False, pulse=1, computed=(1.0, 1.0))
    assert progress.is_made(resting=False, pulse=2, computed=(1.0, 1.0)), "it said something after all"


@pytest.mark.parametrize("computed", [(1.0, 2.0), (2.0, 1.0)])
def test_a_busy_worker_and_a_busy_engine_live(computed: tuple[float, float]) -> None:
    clocks = SetClocks()
    progress = Progress(clocks)
    progress.is_made(resting=False, pulse=1, computed=(1.0, 1.0))
    clocks.pass_by(STUCK_AFTER_S - 1)
    assert progress.is_made(resting=False, pulse=1, computed=computed)
    clocks.pass_by(STUCK_AFTER_S - 1)
    assert progress.is_made(resting=False, pulse=1, computed=computed)


def test_what_computes_for_hours_without_a_word_is_stuck() -> None:
    clocks = SetClocks()
    progress = Progress(clocks)
    well = True
    for minute in range(int(SILENT_AFTER_S / 60) + 2):
        well = progress.is_made(resting=False, pulse=1, computed=(0.0, float(minute)))
        clocks.pass_by(60)
    assert not well
