"""The daemon in the foreground: watches, and does every step when there is work for it.

One engine, in the main thread, owns the catalog and does the steps one after another; the watcher and APScheduler
only put wishes into its queue. Nothing wakes up while nothing happens. SIGTERM and SIGINT end it within seconds:
every step can be cut anywhere, because work is a query on the catalog and never a queue in memory.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sqlite3
import threading
import time
from datetime import datetime, timedelta
from enum import Enum, auto

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from keeprate.catalog import files, models
from keeprate.catalog.connection import translated
from keeprate.config.models import LibraryConfig
from keeprate.errors import KeeprateError
from keeprate.paths import Home
from keeprate.pictures.formats import is_picture, is_sidecar
from keeprate.steps.heads.retraining import due_heads, label_changes, next_training_at
from keeprate.steps.heads.scoring import score
from keeprate.steps.heads.training_run import train_heads
from keeprate.steps.lock import hold_lock
from keeprate.steps.marks.managers import check_marks
from keeprate.steps.marks.marking_run import write_all
from keeprate.steps.marks.reading_marks_run import Places, read_marks_in
from keeprate.steps.photos.embedding_run import embed_all
from keeprate.steps.photos.grouping_run import group_all
from keeprate.steps.photos.scanning import LibraryScan, exclusions_of, scan_library, scan_part
from keeprate.steps.session import Reporter, Session, open_session
from keeprate.steps.worker_client import WorkerClient
from keeprate.watching.hints import Change, FullScan, Hint, WatchedRoot
from keeprate.watching.observer import LibraryObserver
from keeprate.watching.signature import signature_of
from keeprate.watching.stability import StabilityTracker

log = logging.getLogger("keeprate")

POSTPONED_S = 10.0
"""Marks on files that changed a moment ago are written so much later."""
RETRY_AFTER_S = 60.0
"""After a step failed as a whole (disk full, worker dead), it is tried again so much later."""


class Wish(Enum):
    """What the scheduler asks of the engine; the watcher's changes come as themselves."""

    SCAN = auto()
    CHECK_ROOTS = auto()
    CATCH_UP = auto()
    WAKE = auto()
    """Nothing but to look at the clock: a worker may have been idle long enough."""


def run_daemon(home: Home) -> None:
    """Work until SIGTERM or SIGINT.

    Raises:
        BusyError: another keeprate works on this home.
        KeeprateError: the config or the catalog cannot be used, or there is no library.
    """
    stopping = threading.Event()
    with (
        hold_lock(home.daemon_lock_file),
        hold_lock(home.lock_file),
        open_session(home, Reporter(cancelled=stopping.is_set)) as session,
    ):
        session.libraries()
        check_marks(session.config)
        engine = Engine(session, stopping)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: engine.stop())
        engine.run()


class Engine:
    """Does the work of the daemon, in the thread that calls `run`."""

    def __init__(self, session: Session, stopping: threading.Event) -> None:
        self._session = session
        self._stopping = stopping
        self._config = session.config
        # SimpleQueue: its `put` may be called from a signal handler that interrupted a `get`
        self._wishes: queue.SimpleQueue[Wish | Change] = queue.SimpleQueue()
        self._worker = WorkerClient()
        self._trackers = {
            library.name: StabilityTracker(self._config.watching.stable_after.total_seconds())
            for library in self._config.library
        }
        self._full_scans: set[str] = set()
        self._failed_scans: set[str] = set()
        """Libraries whose scan failed as a whole, to be scanned when it is time to try again."""
        self._offline: set[str] = set()
        self._tried: dict[str, tuple[float | None, str | None]] = {}
        """Head → the state of labels and model at which training it came to nothing."""
        self._catch_up = True
        """Whether some step after the scan may have something to do."""
        self._marks_stale = True
        """Whether scores, labels or files have changed since marks were last written."""
        self._scheduler = BackgroundScheduler(
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        self._observer = LibraryObserver(
            [WatchedRoot(one.name, one.root, exclusions_of(session, one)) for one in self._config.library],
            self._wishes.put,
            is_wanted=lambda name: is_picture(name) or is_sidecar(name),
        )

    def stop(self) -> None:
        """Ask the engine to end; safe in a signal handler."""
        self._stopping.set()
        self._wishes.put(Wish.WAKE)

    def run(self) -> None:
        """Watch and work until `stop`."""
        watching = self._config.watching
        self._observer.start()
        for status in self._observer.statuses():
            log.info("%s: %s%s", status.library, status.sentence, f" {status.advice}" if status.advice else "")
        self._every(watching.rescan_every, Wish.SCAN)
        self._every(watching.check_roots_every, Wish.CHECK_ROOTS)
        self._scheduler.start()
        self._full_scans.update(self._trackers)
        files.read_again(self._session.catalog)  # what could not be read last time may be readable now
        try:
            while not self._stopping.is_set():
                self._work()
                self._wait()
        finally:
            log.info("stopping")
            self._scheduler.shutdown(wait=False)
            self._observer.stop()
            self._worker.close()

    # ---- waiting ----

    def _every(self, interval: timedelta, wish: Wish) -> None:
        self._scheduler.add_job(
            self._wishes.put, IntervalTrigger(seconds=max(1, int(interval.total_seconds()))), args=(wish,), id=wish.name
        )

    def _wait(self) -> None:
        """Sleep until something is wished for or due, then take in everything that has come."""
        timeout = 0.0 if self._stopping.is_set() or self._full_scans or self._catch_up else self._sleep_s()
        try:
            wish = self._wishes.get(timeout=timeout) if timeout != 0 else self._wishes.get_nowait()
            while True:
                self._take(wish)
                wish = self._wishes.get_nowait()
        except queue.Empty:
            pass

    def _sleep_s(self) -> float | None:
        """Seconds until something is due by itself; None: for ever."""
        now = time.monotonic()
        due = [at - now for tracker in self._trackers.values() if (at := tracker.next_due_at()) is not None]
        idle = self._worker.idle_for()
        if idle is not None:
            due.append(self._config.embedding.idle_exit.total_seconds() - idle)
        return max(0.01, min(due)) if due else None

    def _take(self, wish: Wish | Change) -> None:
        match wish:
            case Hint(library, path, is_folder):
                self._hint(self._trackers[library], path, is_folder=is_folder)
            case FullScan(library, reason):
                log.info("%s: full scan, because %s", library, reason)
                self._full_scans.add(library)
            case Wish.SCAN:
                self._full_scans.update(self._trackers)
                self._catch_up = True  # a model may have been activated, or a head rolled back, meanwhile
            case Wish.CHECK_ROOTS:
                self._observer.check_roots()
            case Wish.CATCH_UP:
                self._catch_up = True
                self._full_scans |= self._failed_scans
                self._failed_scans.clear()
            case Wish.WAKE:
                pass

    @staticmethod
    def _hint(tracker: StabilityTracker, path: str, *, is_folder: bool) -> None:
        now = time.monotonic()
        if is_folder:
            tracker.saw_folder(path, now)
            return
        try:
            signature = signature_of(os.stat(path))
        except OSError:
            signature = None
        tracker.saw(path, signature, now)

    # ---- working ----

    def _work(self) -> None:
        """Everything that is due; a step that fails as a whole is logged and tried again later."""
        try:
            for library in self._config.library:
                if not self._stopping.is_set():
                    self._look_safely(library)
            if self._catch_up and not self._stopping.is_set():
                self._catch_up = False
                self._steps()
        except Exception as error:  # whatever fails, the daemon lives and tries again
            if not self._stopping.is_set():
                self._tell_failure(error)
                self._later(RETRY_AFTER_S, "retry")
        idle = self._worker.idle_for()
        if idle is not None and idle >= self._config.embedding.idle_exit.total_seconds():
            self._worker.close()

    def _look_safely(self, library: LibraryConfig) -> None:
        try:
            self._look(library)
        except Exception:
            self._failed_scans.add(library.name)  # its hints are gone: only a full scan makes up for them
            raise

    def _tell_failure(self, error: Exception) -> None:
        if isinstance(error, sqlite3.Error):
            error = translated(error, self._session.home.catalog_file)
        if isinstance(error, KeeprateError):
            log.error("%s %s %s", error.what, error.path or "", error.advice)
        else:
            log.exception("unexpected error; it is tried again later")

    def _look(self, library: LibraryConfig) -> None:
        """Scan a library, or those of its parts that have come to rest."""
        tracker = self._trackers[library.name]
        quiet_s = self._config.watching.stable_after.total_seconds()
        due = tracker.due(time.monotonic())
        if due.whole_library or library.name in self._full_scans:
            self._full_scans.discard(library.name)
            tracker.forget_all()
            result, places = scan_library(self._session, library, quiet_s=quiet_s), None
        elif due.files or due.folders:
            for path in (*due.files, *due.folders):
                tracker.forget(path)
            result = scan_part(self._session, library, paths=due.files, folders=due.folders, quiet_s=quiet_s)
            places = Places({os.path.dirname(path) for path in due.files}, due.folders)
        else:
            return
        for path, signature in result.unsettled.items():
            tracker.saw(path, signature, time.monotonic())
        self._tell(result)
        came_back = result.offline is None and library.name in self._offline
        (self._offline.discard if result.offline is None else self._offline.add)(library.name)
        if result.found_something or came_back:
            self._catch_up = self._marks_stale = True
        self._read_marks(library, places)

    def _read_marks(self, library: LibraryConfig, places: Places | None) -> None:
        """See what the user says in viewers, there or (None) everywhere; the scan never believes in a sidecar."""
        found = read_marks_in(self._session, self._worker, library, places)
        if found.read or found.failed:
            log.info(
                "%s: marks of %d files read (%d could not be), %d label changes, %d photos held back",
                library.name, found.read, found.failed, found.labels, found.held,
            )  # fmt: skip
        if found.labels:
            self._catch_up = self._marks_stale = True

    def _tell(self, result: LibraryScan) -> None:
        if result.offline is not None:
            log.warning("%s is offline: %s", result.library, result.offline)
        elif result.found_something:
            log.info(
                "%s: %d new, %d changed, %d moved, %d gone, %d label changes",
                result.library, result.new, result.changed, result.moved, result.gone, result.labels,
            )  # fmt: skip

    def _steps(self) -> None:
        """Embed, train, score, write: each looks up by itself what there is to do."""
        session = self._session
        embedded = embed_all(session, self._worker)
        if embedded.embedded or embedded.failed:
            log.info("%d photos embedded, %d could not be read", embedded.embedded, embedded.failed)
        asked_at = time.time()
        for head in due_heads(session, now=asked_at):
            self._train(head)
        scored = score(session)
        if scored.scored:
            log.info("%d scores brought up to date", scored.scored)
        grouped = group_all(session, self._worker)
        if grouped.compared:
            log.info("%d photos compared, %d groups of nearly the same", grouped.compared, grouped.groups)
            self._marks_stale = True
        if scored.scored or self._marks_stale:
            self._marks_stale = True  # until they are written, should that fail
            written = write_all(session, self._worker)
            self._marks_stale = written.cancelled or written.postponed > 0
            if written.postponed:
                self._later(POSTPONED_S, "write")
            if written.written or written.refused or written.removed:
                log.info(
                    "%d marks written, %d refused, %d that no setting asks for any more taken back",
                    written.written, written.refused, written.removed,
                )  # fmt: skip
        training_at = next_training_at(session, now=asked_at)  # also one that became due while we wrote
        if training_at is not None:
            self._later(max(0.5, training_at - time.time()), "training")

    def _train(self, head: str) -> None:
        """Train a head that is due, unless that came to nothing and nothing has changed since."""
        session = self._session
        state = (label_changes(session, head).latest_at, models.active(session.catalog).fingerprint)
        if self._tried.get(head) == state:
            return
        for outcome in train_heads(session, self._worker, head):
            log.info("%s: %s", head, outcome.reason)
            if not outcome.trained:
                self._tried[head] = state

    def _later(self, seconds: float, job: str) -> None:
        """Catch up in so many seconds; a later call for the same job replaces the earlier."""
        at = datetime.now().astimezone() + timedelta(seconds=seconds)
        self._scheduler.add_job(self._wishes.put, DateTrigger(at), args=(Wish.CATCH_UP,), id=job, replace_existing=True)
