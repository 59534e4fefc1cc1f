"""What keeps the worker small and modest: pauses that hold it below a share of the processor, and a limit of memory.

Both are asked between batches, where a step asks whether it was cancelled: a step need not know of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from keeprate.steps.memory import give_back, resident_bytes

CREDIT_S = 1.0
"""So many seconds' worth of unused share may be made up for: what was not used longer ago is gone."""
_NAP_S = 0.2
HEADROOM = 500_000_000
"""Bytes above what a loaded model takes that are granted whatever the config says: pictures need room too."""
MEGABYTE = 1_000_000


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Pacer:
    """Pauses so that this process uses no more than `percent` of all cores, on average over some ten seconds."""

    def __init__(
        self,
        percent: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.process_time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._share = cores() * percent / 100
        self._unlimited = percent >= 100
        self._clock, self._used, self._sleep = clock, used, sleep
        self._began, self._used_before = clock(), used()

    @property
    def threads(self) -> int:
        """With how many threads the share is used up with few pauses."""
        return max(1, int(self._share))

    def pause(self, cancelled: Callable[[], bool]) -> None:
        """Rest until the share is kept again; no longer than until `cancelled`."""
        while not self._unlimited and not cancelled():
            ahead_s = (self._used() - self._used_before) / self._share - (self._clock() - self._began)
            if ahead_s <= 0:
                self._began += max(0.0, -ahead_s - CREDIT_S)
                return
            self._sleep(min(ahead_s, _NAP_S))


class MemoryLimit:
    """Whether this process has grown too large and should be replaced by a new one.

    A limit below what the model alone needs would have a new process started for every batch: it is raised to that and
    some headroom.
    """

    def __init__(self, megabytes: int, resident: Callable[[], int] = resident_bytes) -> None:
        self._limit = megabytes * MEGABYTE
        self._resident = resident
        self._exceeded = False
        self.has_worked = False
        """Whether it has begun with photos. Before, giving place to another would get nothing done."""

    def working(self) -> None:
        """Work on the first photos begins: whatever had to be loaded for it is loaded."""
        if not self.has_worked:
            self.has_worked = True
            self._limit = max(self._limit, self._resident() + HEADROOM)

    def exceeded(self) -> bool:
        """Once true, true for ever."""
        if not self._exceeded and self._resident() > self._limit:
            give_back()
            self._exceeded = self._resident() > self._limit
        return self._exceeded
