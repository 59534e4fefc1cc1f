"""What the daemon does, waits for and has done: written by the engine's thread, read by any (`Live`).

Nothing here is asked of the catalog: an answer costs no more than copying it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from keeprate import __version__
from keeprate.catalog.jobs import ALL, JobRecord
from keeprate.service.clocks import Clocks
from keeprate.service.control import JOB_TITLES, DaemonState, JobState, JobStatus, Live, WorkerStatus
from keeprate.service.pauses import Pauses
from keeprate.service.wording import paused_sentence, photos, progress_sentence, time_of_day
from keeprate.steps.session import Progress

NOTHING_TO_DO = "There is nothing to do."
NOT_YET = "It has not been looked yet whether there is something to do."


@dataclass(frozen=True, slots=True)
class _Running:
    job: str
    progress: Progress | None = None


class Board:
    """The state of the daemon.

    `on_sentence` is called when its sentence has changed; with True if that only says how far a step is.
    """

    def __init__(
        self,
        records: Mapping[str, JobRecord],
        pauses: Pauses,
        clocks: Clocks,
        *,
        on_sentence: Callable[[str, bool], None] = lambda _sentence, _passing: None,
    ) -> None:
        self._lock = threading.RLock()
        self._clocks = clocks
        self._pauses = pauses
        self._on_sentence = on_sentence
        self._said = ""
        self._started_at = clocks.wall()
        self._phase: DaemonState = "starting"
        self._running: _Running | None = None
        self._blocked = ""
        self._photos: int | None = None
        """None: they have not been counted yet."""
        self._attention: dict[str, str] = {}
        self._jobs = {name: _remembered(name, records.get(name)) for name in JOB_TITLES}

    # ---- what the engine tells ----

    def phase(self, phase: DaemonState) -> None:
        """`starting`, `idle` (from now on the rest follows from what is told) or `stopping`."""
        with self._lock:
            self._phase = phase
        self._say()

    def begin(self, job: str, why: str) -> None:
        with self._lock:
            self._running = _Running(job)
            self._jobs[job] = replace(self._jobs[job], state="running", why=why, next_at=None)
        self._say()

    def progress(self, progress: Progress) -> None:
        with self._lock:
            if self._running is None:
                return
            self._running = replace(self._running, progress=progress)
        self._say(passing=True)

    def end(self, job: str, *, record: JobRecord | None) -> None:
        """The job that ran runs no more; `record`: what is to be remembered of it, if anything."""
        with self._lock:
            self._running = None
            status = replace(self._jobs[job], state="idle", why=NOTHING_TO_DO)
            if record is not None:
                status = replace(
                    status,
                    last_started_at=record.started_at,
                    last_finished_at=record.finished_at,
                    last_outcome=record.outcome,
                    last_failed=record.failed,
                )
            self._jobs[job] = status
        self._say()

    def idle(self, job: str, why: str = NOTHING_TO_DO, next_at: float | None = None) -> None:
        self._set(job, "idle", why, next_at)

    def waiting(self, job: str, why: str, next_at: float | None = None) -> bool:
        """There is work for the job and something speaks against it; says whether that is news."""
        before = self._jobs[job]
        self._set(job, "waiting", why, next_at)
        return (before.state, before.why) != ("waiting", why)

    def next_at(self, job: str, moment: float | None) -> None:
        with self._lock:
            self._jobs[job] = replace(self._jobs[job], next_at=moment)
        self._say()

    def blocked(self, sentence: str) -> None:
        """Another process is at work; empty: none is."""
        with self._lock:
            self._blocked = sentence
        self._say()

    def up_to_date(self, count: int) -> None:
        """So many photos are known."""
        with self._lock:
            self._photos = count
        self._say()

    def attention(self, key: str, sentence: str) -> bool:
        """Something waits for the user, or (an empty sentence) does not any more; says whether that is news."""
        with self._lock:
            news = self._attention.get(key, "") != sentence
            if sentence:
                self._attention[key] = sentence
            else:
                self._attention.pop(key, None)
        self._say()
        return news

    def pauses_changed(self) -> None:
        self._say()

    # ---- what there is to be told ----

    def job(self, name: str) -> JobStatus:
        """How a job stands."""
        with self._lock:
            status = self._jobs[name]
        pause = self._pauses.holds(name)
        if status.state == "running" or pause is None:
            return status
        why = "Everything is paused." if self._pauses.of(ALL) else "It is paused."
        return replace(status, state="paused", why=why, next_at=pause.until, paused_until=pause.until)

    def sentence(self) -> str:
        with self._lock:
            return self._sentence()

    def live(self, worker: WorkerStatus | None) -> Live:
        with self._lock:
            paused = self._pauses.of(ALL)
            return Live(
                pid=os.getpid(),
                version=__version__,
                started_at=self._started_at,
                state=self._state(),
                sentence=self._sentence(),
                attention=tuple(dict.fromkeys(self._attention.values())),
                progress=None if self._running is None else self._running.progress,
                paused_until=None if paused is None else paused.until,
                jobs=tuple(self.job(name) for name in JOB_TITLES),
                worker=worker,
            )

    def _state(self) -> DaemonState:
        if self._phase in ("starting", "stopping"):
            return self._phase
        if self._running is not None:
            return "busy"
        if self._pauses.of(ALL) is not None:
            return "paused"
        return "attention" if self._attention else "idle"

    def _sentence(self) -> str:
        now = self._clocks.wall()
        state = self._state()
        if state == "starting":
            return "Starting."
        if state == "stopping":
            return "Stopping."
        if self._running is not None:
            return progress_sentence(self._running.job, self._running.progress)
        if state == "paused":
            pause = self._pauses.of(ALL)
            return paused_sentence(None if pause is None else pause.until, now)
        if self._attention:
            return next(iter(self._attention.values()))
        if self._blocked:
            return self._blocked
        waiting = next((one for one in map(self.job, JOB_TITLES) if one.state == "waiting"), None)
        if waiting is not None:
            return f"{waiting.title}: later. {waiting.why}"
        if self._photos is None:
            return "Idle: about to look at all folders."
        look_at = self.job("reconcile").next_at
        look = "" if look_at is None else f"; next look at {time_of_day(look_at, now)}"
        return f"Idle: {photos(self._photos)} up to date{look}."

    def _set(self, job: str, state: JobState, why: str, next_at: float | None) -> None:
        with self._lock:
            self._jobs[job] = replace(self._jobs[job], state=state, why=why, next_at=next_at)
        self._say()

    def _say(self, *, passing: bool = False) -> None:
        with self._lock:
            sentence = self._sentence()
            if sentence == self._said:
                return
            self._said = sentence
        self._on_sentence(sentence, passing)


def _remembered(name: str, record: JobRecord | None) -> JobStatus:
    one = record or JobRecord(name)
    return JobStatus(
        name, JOB_TITLES[name], "idle", NOT_YET, one.started_at, one.finished_at, one.outcome, one.failed
    )  # fmt: skip
