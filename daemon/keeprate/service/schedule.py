"""What happens at a time: APScheduler, which only puts wishes into the engine's queue.

Kept in memory: at start, and whenever the clock was set, everything is derived anew from what the catalog remembers.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

MOST_JITTER_S = 60.0
JITTER = 0.05
"""Of the interval: many machines on one file server do not all walk it in the same second."""


class Schedule:
    """Calls `wish(what)` when it is time, in a thread of its own."""

    def __init__(self) -> None:
        self._scheduler = BackgroundScheduler(
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}, timezone=UTC
        )

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def clear(self) -> None:
        self._scheduler.remove_all_jobs()

    def every(self, name: str, interval: timedelta, call: Callable[[], object], *, jitter: bool = False) -> None:
        """From now on, after every `interval`."""
        seconds = max(1, int(interval.total_seconds()))
        spread = int(min(MOST_JITTER_S, seconds * JITTER)) if jitter else 0
        trigger = IntervalTrigger(seconds=seconds, jitter=spread or None, timezone=UTC)
        self._scheduler.add_job(call, trigger, id=name, replace_existing=True)

    def at(self, name: str, moment: float, call: Callable[[], object]) -> None:
        """Once, at `moment` (unix seconds); takes the place of an earlier one of this name."""
        trigger = DateTrigger(datetime.fromtimestamp(moment, UTC))
        self._scheduler.add_job(call, trigger, id=name, replace_existing=True)

    def next_at(self, name: str) -> float | None:
        """When the thing called `name` comes next."""
        job = self._scheduler.get_job(name)
        moment = None if job is None else getattr(job, "next_run_time", None)
        return None if moment is None else float(moment.timestamp())
