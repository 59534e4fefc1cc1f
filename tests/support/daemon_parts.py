"""Parts of the daemon for tests: clocks that only move when told, a machine that is what the test says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keeprate.service.jobs.job import Desk, Done, Job


class SetClocks:
    """Both clocks, set by hand."""

    def __init__(self, wall: float = 1_800_000_000.0, steady: float = 1000.0) -> None:
        self._wall, self._steady = wall, steady

    def wall(self) -> float:
        return self._wall

    def steady(self) -> float:
        return self._steady

    def pass_by(self, seconds: float) -> None:
        """Time goes by, awake."""
        self._wall += seconds
        self._steady += seconds

    def leap(self, seconds: float) -> None:
        """The clock is set, or (ahead) the machine sleeps."""
        self._wall += seconds


@dataclass
class ToldMachine:
    """A machine that is as the test says."""

    battery: bool = False
    filled: bool = False
    share: float = 0.0
    looks: int = 0

    def on_battery(self) -> bool:
        return self.battery

    def screen_is_filled(self) -> bool:
        return self.filled

    def share_of_others(self) -> float:
        self.looks += 1
        return self.share


class ToldJob(Job):
    """A job with as many pieces of work as the test says; `during` happens while it is done."""

    def __init__(self, desk: Desk, name: str, work: int = 0) -> None:
        super().__init__(desk)
        self.name = name
        self.work = work
        self.done: list[str] = []
        self.error: Exception | None = None
        self.during: Callable[[], object] = lambda: None

    def wanted(self) -> str | None:
        return f"{self.work} pieces of work." if self.work else None

    def do(self) -> Done:
        return self._do("due")

    def do_asked(self) -> Done:
        return self._do("asked")

    def _do(self, how: str) -> Done:
        self.done.append(how)
        self.during()
        if self.error is not None:
            raise self.error
        if self._desk.cut():
            return Done("Cut.", did_something=False, cut=True)
        did, self.work = self.work, 0
        return Done(f"{did} pieces done.", did_something=did > 0)
