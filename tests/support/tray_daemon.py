"""A daemon as the tray sees it, made up: a state that a test changes, and events that it tells."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from keeprate.errors import DaemonNotRunningError
from keeprate.service.control import DaemonState, JobStatus, Live
from keeprate.service.events import Event
from keeprate.service.status import (
    DaemonStatus,
    LibraryStatus,
    MarksStatus,
    ModelStatus,
    ProblemsStatus,
    Status,
    TrainingStatus,
    WorkStatus,
)
from keeprate.tray.follow import Client


def a_live(
    state: DaemonState = "idle",
    sentence: str = "Idle: 120 photos up to date.",
    *,
    attention: tuple[str, ...] = (),
    running: str = "",
) -> Live:
    """What a running daemon knows; `running` is the title of a job."""
    jobs = (JobStatus("embed", running, "running", "There are new photos."),) if running else ()
    return Live(
        pid=1, version="0", started_at=0.0, state=state, sentence=sentence, attention=attention, progress=None,
        paused_until=None, jobs=jobs, worker=None,
    )  # fmt: skip


def a_status(
    live: Live | None = None, *, photos: int = 120, reviewed: int = 20, problems: int = 0, trained: str | None = None
) -> Status:
    """A state of everything with one library; `trained` is what the last training came to."""
    library = LibraryStatus("camera", "/photos", True, None, photos, photos, reviewed, None)
    return Status(
        libraries=(library,),
        heads=(),
        work=WorkStatus(0, 0, 0, 0),
        problems=ProblemsStatus(problems, ()),
        last_training=None if trained is None else TrainingStatus("2026-11-21T12:00:00+00:00", trained),
        next_training=None,
        model=ModelStatus("builtin", "", None, 0),
        marks=MarksStatus(0, None),
        groups=0,
        held=0,
        daemon=DaemonStatus(live is not None, None if live is None else live.pid),
        workspace=None,
        live=live,
    )


class MadeUpDaemon:
    """Answers as the api's client does, from what the test has set."""

    def __init__(self) -> None:
        self.running = True
        self.answers = True
        """Whether it says how things stand in time; a machine with much to do may keep it from that."""
        self.status_now = a_status(a_live())
        self.asked: list[str] = []
        """The questions, in their order."""
        self.listened_to = False
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._last_id = 0

    def tell(self, name: str, sentence: str = "", *, at: float = 9e9, **data: str) -> None:
        self._last_id += 1
        self._events.put(Event(self._last_id, name, at, sentence, dict(data)))

    def go_away(self) -> None:
        self.running = False
        self._events.put(None)

    def connect(self) -> AbstractContextManager[Client] | None:
        return self._connection() if self.running else None

    @contextmanager
    def _connection(self) -> Iterator[Client]:
        yield self

    def status(self) -> Status:
        self.asked.append("status")
        if not self.running:
            raise DaemonNotRunningError("It is gone.")
        if not self.answers:
            raise DaemonNotRunningError("The daemon does not answer.")
        return self.status_now

    def live(self) -> Live:
        self.asked.append("live")
        assert self.status_now.live is not None
        return self.status_now.live

    def events(self, after: int | None = None) -> Iterator[Event]:
        assert after == 0
        self.listened_to = True
        while (event := self._events.get()) is not None:
            yield event
        raise DaemonNotRunningError("It has gone away.")

    def is_now(self, live: Live) -> None:
        self.status_now = replace(self.status_now, live=live)
