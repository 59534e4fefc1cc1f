"""The daemon's pulse: a thread that tells systemd that there is progress, and the engine that the clock has leapt.

What counts as progress (decision 0092): the engine waits for something to do; or it reported something, or its thread
or the worker used the processor, within `STUCK_AFTER_S`. A worker that decodes a giant picture without a word computes,
and lives; one that waits for ever for a lock or a dead disk does not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psutil

from keeprate.service.clocks import Clocks, LeapDetector
from keeprate.service.engine import Engine
from keeprate.service.notify import Notifier

STUCK_AFTER_S = 600.0
SILENT_AFTER_S = 6 * 3600.0
"""Nothing that is still of use computes for longer than this without a word."""
TICK_S = 10.0


class Progress:
    """Decides from signs of life whether there is progress."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._said: int | None = None
        self._said_at = clocks.steady()
        self._computed: tuple[float, float] | None = None
        self._computed_at = clocks.steady()

    def is_made(self, *, resting: bool, pulse: int, computed: tuple[float, float]) -> bool:
        """`pulse` counts what the engine said, `computed` is the processor time of its thread and of the worker."""
        now = self._clocks.steady()
        if resting or pulse != self._said:
            self._said, self._said_at = pulse, now
            self._computed, self._computed_at = computed, now
            return True
        if computed != self._computed:
            self._computed, self._computed_at = computed, now
        return now - self._computed_at < STUCK_AFTER_S and now - self._said_at < SILENT_AFTER_S


class Pulse:
    """Runs beside the engine from `start` to `stop`."""

    def __init__(self, engine: Engine, notifier: Notifier, clocks: Clocks) -> None:
        self._engine = engine
        self._notifier = notifier
        self._progress = Progress(clocks)
        self._leaps = LeapDetector(clocks)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="keeprate-pulse", daemon=True)
        self._engine_time = _clock_of_this_thread()

    def start(self) -> None:
        """From the engine's thread: its processor time is what is looked at."""
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()

    def _beat(self) -> None:
        watchdog_s = self._notifier.watchdog_s
        tick_s = TICK_S if watchdog_s is None else min(TICK_S, watchdog_s / 3)
        while not self._ended.wait(tick_s):
            leap = self._leaps.leap()
            if leap is not None:
                self._engine.clock_leapt(leap)
            if watchdog_s is not None and self._progress.is_made(
                resting=self._engine.is_resting,
                pulse=self._engine.pulse,
                computed=(self._engine_time(), _computed_by(self._engine.worker_pid)),
            ):
                self._notifier.watchdog()


def _clock_of_this_thread() -> Callable[[], float]:
    """How much processor time the calling thread has used, to be asked from another."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return time.process_time
    clock = time.pthread_getcpuclockid(threading.get_ident())
    return lambda: time.clock_gettime(clock)


def _computed_by(pid: int | None) -> float:
    """Processor seconds of the worker and of what it started."""
    if pid is None:
        return 0.0
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system + times.children_user + times.children_system
