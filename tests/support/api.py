"""A real api server on real sockets, in front of a daemon that only notes what it is asked for."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from keeprate import __version__
from keeprate.api.server import ApiServer, Extension
from keeprate.errors import UsageError
from keeprate.paths import Home, locate_home
from keeprate.service.control import JOB_TITLES, JobStatus, Live
from keeprate.service.events import Events
from keeprate.steps.lock import hold_lock


def idle_jobs() -> tuple[JobStatus, ...]:
    return tuple(JobStatus(name, title, "idle", "Nothing to do.") for name, title in JOB_TITLES.items())


@dataclass(slots=True)
class NotingControl:
    """A `Control` whose jobs never run."""

    events: Events = field(default_factory=Events)
    asked: list[tuple[object, ...]] = field(default_factory=list)
    """What was asked for, in order: the method's name and its arguments."""
    said: Live = field(
        default_factory=lambda: Live(
            os.getpid(), __version__, time.time(), "idle", "Idle.", (), None, None, idle_jobs(), None
        )
    )

    def live(self) -> Live:
        return self.said

    def run_job(self, name: str, *, because: str) -> None:
        if name not in JOB_TITLES:
            raise UsageError(f"There is no job called {name!r}.")
        self.asked.append(("run_job", name, because))

    def pause(self, name: str | None = None, *, until: float | None = None) -> None:
        self.asked.append(("pause", name, until))
        if name is None:
            self.said = replace(self.said, state="paused", sentence="Paused.", paused_until=until)

    def resume(self, name: str | None = None) -> None:
        self.asked.append(("resume", name))
        if name is None:
            self.said = replace(self.said, state="idle", sentence="Idle.", paused_until=None)

    def make_way(self, who: str) -> None:
        self.asked.append(("make_way", who))

    def catalog_changed(self) -> None:
        self.asked.append(("catalog_changed",))

    def reload(self) -> None:
        self.asked.append(("reload",))

    def stop(self) -> None:
        self.asked.append(("stop",))


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that listens."""

    home: Home
    control: NotingControl
    server: ApiServer


@contextlib.contextmanager
def serving(home: Home | None = None, extend: Sequence[Extension] = ()) -> Iterator[Serving]:
    """A server for `home` (default: that of the environment), holding the daemon's lock as the daemon does."""
    home = home or locate_home()
    control = NotingControl()
    with hold_lock(home.daemon_lock_file):
        server = ApiServer(home, control, extend=extend)
        server.start()
        try:
            yield Serving(home, control, server)
        finally:
            server.stop()
