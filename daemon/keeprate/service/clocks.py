"""Two clocks: what a calendar says (`wall`), and what only moves forward while the machine is awake (`steady`).

Where they move apart, the clock was set or the machine slept: what was to happen "at three" or "in a minute" is to be
thought over then (decision 0091).
"""

from __future__ import annotations

import time
from typing import Protocol

LEAP_S = 5.0
"""Corrections of network time below this are no leap."""


class Clocks(Protocol):
    """Where the daemon has the time from."""

    def wall(self) -> float:
        """Unix seconds."""

    def steady(self) -> float:
        """Seconds since whenever; stands still while the machine sleeps."""


class MachineClocks:
    """Those of the machine."""

    def wall(self) -> float:
        return time.time()

    def steady(self) -> float:
        return time.monotonic()


class LeapDetector:
    """Notices that the wall clock was set, or that the machine slept."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._apart = self._difference()

    def leap(self) -> float | None:
        """Seconds by which the wall clock has leapt since the last call, backwards below 0; None: it has not."""
        difference = self._difference()
        leapt = difference - self._apart
        if abs(leapt) < LEAP_S:
            return None  # measured against the last leap: slow corrections add up to one in the end, and may
        self._apart = difference
        return leapt

    def _difference(self) -> float:
        return self._clocks.wall() - self._clocks.steady()
