"""What rests: everything or single jobs, for a while or until somebody resumes it. Remembered in the catalog."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from keeprate.catalog import jobs, open_catalog
from keeprate.catalog.connection import Catalog
from keeprate.catalog.jobs import ALL
from keeprate.errors import KeeprateError
from keeprate.paths import Home
from keeprate.service.clocks import Clocks

log = logging.getLogger("keeprate")


@dataclass(frozen=True, slots=True)
class Pause:
    """`until` in unix seconds; None: until resumed."""

    until: float | None


class Pauses:
    """May be asked and changed from any thread, and answers at once; the catalog hears of a change a moment later."""

    def __init__(self, home: Home, clocks: Clocks) -> None:
        self._home = home
        self._clocks = clocks
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self._pauses: dict[str, Pause] = {}
        self._unsaved: set[str] = set()
        self._seen_version: int | None = None

    def look(self, catalog: Catalog) -> bool:
        """Whether others have changed something: who cannot reach the daemon notes a pause in the catalog.

        Costs next to nothing where only `catalog`'s own connection has written since; asked before anything begins.
        """
        before = self._pauses
        with contextlib.suppress(sqlite3.Error):  # it is damaged: then nothing new is known
            (version,) = catalog.conn.execute("PRAGMA data_version").fetchone()
            if version != self._seen_version:
                self.read(catalog)
                self._seen_version = version
        return self._pauses != before

    def read(self, catalog: Catalog) -> None:
        """Take in what the catalog says: a command may have paused something, with or without a daemon."""
        found = {name: Pause(one.paused_until) for name, one in jobs.all_jobs(catalog).items() if one.paused}
        with self._lock:
            ours = {name: pause for name, pause in self._pauses.items() if name in self._unsaved}
            theirs = {name: pause for name, pause in found.items() if name not in self._unsaved}
            self._pauses = {**theirs, **ours}

    def begin(self, name: str, until: float | None) -> None:
        self._change({name: Pause(until)})

    def end(self, name: str | None = None) -> None:
        """End the pause of a job; None: of all work. Jobs that were paused one by one are resumed one by one."""
        self._change({name or ALL: None})

    def of(self, name: str) -> Pause | None:
        """The pause of one job, or of `ALL`, if it rests now."""
        with self._lock:
            pause = self._pauses.get(name)
        return None if pause is None or self._is_over(pause) else pause

    def holds(self, name: str) -> Pause | None:
        """The pause that keeps this job from running: of everything, or its own."""
        return self.of(ALL) or self.of(name)

    def next_end(self) -> float | None:
        """When the next pause ends by itself."""
        with self._lock:
            ends = [pause.until for pause in self._pauses.values() if pause.until is not None]
        return min((at for at in ends if at > self._clocks.wall()), default=None)

    def clock_leapt(self, by_s: float) -> None:
        """An hour stays an hour where the clock is set back; where it leaps ahead, that time has passed."""
        if by_s >= 0:
            return
        with self._lock:
            running = {name: pause.until for name, pause in self._pauses.items() if pause.until is not None}
        now = self._clocks.wall()
        self._change({name: Pause(until + by_s) for name, until in running.items() if until + by_s > now})

    def _is_over(self, pause: Pause) -> bool:
        return pause.until is not None and pause.until <= self._clocks.wall()

    def _change(self, changes: Mapping[str, Pause | None]) -> None:
        if not changes:
            return
        with self._lock:
            for name, pause in changes.items():
                self._unsaved.add(name)
                if pause is None:
                    self._pauses.pop(name, None)
                else:
                    self._pauses[name] = pause
        threading.Thread(target=self._save, name="keeprate-pauses").start()

    def _save(self) -> None:
        """Write down what is not yet; in a thread of its own, for the catalog may be busy."""
        with self._saving:
            with self._lock:
                unsaved = {name: self._pauses.get(name) for name in self._unsaved}
            try:
                with open_catalog(self._home.catalog_file) as catalog:
                    for name, pause in unsaved.items():
                        until = None if pause is None else pause.until
                        jobs.record_pause(catalog, name, paused=pause is not None, until=until)
            except (sqlite3.Error, KeeprateError) as error:
                log.error("What is paused could not be written down, and holds until the daemon ends: %s", error)
                return
            with self._lock:
                self._unsaved -= {name for name, pause in unsaved.items() if self._pauses.get(name) == pause}
